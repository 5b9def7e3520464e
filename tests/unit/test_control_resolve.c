/*
 * control/resolve.c beside a name server that does not behave (F-24): whatever it says, or does
 * not, each question has one answer by its deadline, of so many addresses at most.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "control/clock.h"
#include "control/policy/addr.h"
#include "control/resolve.h"

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define DEADLINE_MS 400
#define LATE_MS     2000 /* of a machine that is busy */
#define MSG_MAX     65535
#define TYPE_A      1
#define TYPE_CNAME  5
#define TYPE_TXT    16

static struct {
	uv_loop_t loop;
	struct clock *clock;
	struct timers *timers;
	struct resolver *resolver;
	uv_udp_t udp;
	uv_tcp_t tcp;
	uint16_t port;
	unsigned int asked, streams; /* questions by UDP, connections */
	/* the answer */
	unsigned int answers;
	int err;
	size_t n;
	struct link_addr addr[RESOLVE_ADDRS_MAX];
} t;

/* --- the server: what is asked for says what is answered
 * ------------------------------------------ */

static size_t put16(uint8_t *p, size_t at, unsigned int v)
{
	p[at] = (uint8_t)(v >> 8);
	p[at + 1] = (uint8_t)v;
	return at + 2;
}

/* A record about the name of the question. */
static size_t record(uint8_t *p, size_t at, unsigned int type, const void *data, size_t len)
{
	at = put16(p, at, 0xc00c);
	at = put16(p, at, type);
	at = put16(p, at, 1);
	at = put16(p, at, 0);
	at = put16(p, at, 1); /* TTL */
	at = put16(p, at, (unsigned int)len);
	memcpy(p + at, data, len);
	return at + len;
}

static bool is(const uint8_t *q, const char *name)
{
	return q[12] == strlen(name) && memcmp(q + 13, name, q[12]) == 0;
}

/* The end of the question. */
static size_t question_end(const uint8_t *q, size_t len)
{
	size_t at = 12;

	while (at < len && q[at] != 0)
		at += 1 + q[at];
	return at + 5;
}

static size_t addresses(uint8_t *p, size_t at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		at = record(p, at, TYPE_A, (uint8_t[]){10, 0, (uint8_t)(i >> 8), (uint8_t)i}, 4);
	put16(p, 6, n);
	return at;
}

/* 0: it says nothing. */
static size_t answer(const uint8_t *q, size_t len, bool stream, uint8_t *p)
{
	static uint8_t text[256];
	size_t at = question_end(q, len);
	bool six;

	cr_assert_leq(at, len);
	six = q[at - 3] == 28;
	memcpy(p, q, at);
	p[2] = 0x81; /* a response */
	p[3] = 0x80;
	put16(p, 6, 0);
	put16(p, 8, 0);
	put16(p, 10, 0);
	if (is(q, "silent"))
		return 0;
	if (is(q, "nx") || is(q, "servfail") || is(q, "lame"))
		p[3] |= is(q, "nx") ? 3 : is(q, "servfail") ? 2 : 5;
	if (is(q, "other"))
		p[1] ^= 1; /* the answer to another question */
	if (is(q, "junk")) {
		memset(p + 2, 0xff, 200);
		return 202;
	}
	if (is(q, "short"))
		return 12;
	if (is(q, "loop")) {
		at = record(p, at, TYPE_CNAME, (uint8_t[]){0xc0, 0x0c}, 2);
		put16(p, 6, 1);
		return at;
	}
	if (six || p[3] != 0x80)
		return at;
	if ((is(q, "many") || is(q, "huge")) && !stream) {
		p[2] |= 2; /* truncated: ask again over TCP */
		return at;
	}
	if (is(q, "many"))
		return addresses(p, at, 1000);
	if (is(q, "huge")) { /* 64 KiB of what nobody asked for, then an address */
		unsigned int n = 0;

		memset(text, 'x', sizeof(text));
		text[0] = 255;
		while (at + 12 + 256 + 16 < MSG_MAX - 16) {
			at = record(p, at, TYPE_TXT, text, 256);
			n++;
		}
		at = record(p, at, TYPE_A, (uint8_t[]){10, 1, 1, 1}, 4);
		put16(p, 6, n + 1);
		return at;
	}
	return addresses(p, at, is(q, "two") ? 2 : 1);
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
	static char bytes[MSG_MAX];

	(void)h;
	(void)size;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_udp(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
		   unsigned int flags)
{
	static uint8_t p[MSG_MAX];
	uv_buf_t out;
	size_t n;

	(void)flags;
	if (len < 17 || from == NULL)
		return;
	t.asked++;
	n = answer((const uint8_t *)buf->base, (size_t)len, false, p);
	out = uv_buf_init((char *)p, (unsigned int)n);
	if (n > 0)
		cr_expect_eq(uv_udp_try_send(udp, &out, 1, from), (int)n);
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	free(w->data);
	free(w);
}

static void on_tcp(uv_stream_t *s, ssize_t len, const uv_buf_t *buf)
{
	uint8_t *p = malloc(2 + MSG_MAX);
	uv_write_t *w = malloc(sizeof(*w));
	uv_buf_t out;
	size_t n = 0;

	if (len > 2 + 17) /* loopback: a question in one piece */
		n = answer((const uint8_t *)buf->base + 2, (size_t)len - 2, true, p + 2);
	if (n == 0) {
		free(p);
		free(w);
		if (len < 0)
			uv_close((uv_handle_t *)s, on_closed);
		return;
	}
	put16(p, 0, (unsigned int)n);
	out = uv_buf_init((char *)p, (unsigned int)n + 2);
	w->data = p;
	cr_expect_eq(uv_write(w, s, &out, 1, on_written), 0);
}

static void on_connection(uv_stream_t *server, int status)
{
	uv_tcp_t *s = malloc(sizeof(*s));

	cr_assert_eq(status, 0);
	t.streams++;
	cr_assert_eq(uv_tcp_init(&t.loop, s), 0);
	cr_assert_eq(uv_accept(server, (uv_stream_t *)s), 0);
	cr_assert_eq(uv_read_start((uv_stream_t *)s, on_alloc, on_tcp), 0);
}

static bool bind_both(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int len = sizeof(in);

	uv_udp_init(&t.loop, &t.udp);
	uv_tcp_init(&t.loop, &t.tcp);
	cr_assert_eq(uv_udp_bind(&t.udp, (struct sockaddr *)&in, 0), 0);
	cr_assert_eq(uv_udp_getsockname(&t.udp, (struct sockaddr *)&in, &len), 0);
	t.port = ntohs(in.sin_port);
	return uv_tcp_bind(&t.tcp, (struct sockaddr *)&in, 0) == 0 &&
	       uv_listen((uv_stream_t *)&t.tcp, 8, on_connection) == 0;
}

/* --- the resolver asks it
 * --------------------------------------------------------------------------- */

int __real_ares_init_options(ares_channel *ret, struct ares_options *o, int mask);
int __wrap_ares_init_options(ares_channel *ret, struct ares_options *o, int mask);

int __wrap_ares_init_options(ares_channel *ret, struct ares_options *o, int mask)
{
	struct in_addr here = {.s_addr = htonl(INADDR_LOOPBACK)};

	o->servers = &here;
	o->nservers = 1;
	o->udp_port = o->tcp_port = t.port;
	o->domains = NULL;
	o->ndomains = 0;
	return __real_ares_init_options(ret, o,
					mask | ARES_OPT_SERVERS | ARES_OPT_UDP_PORT |
						ARES_OPT_TCP_PORT | ARES_OPT_DOMAINS);
}

static void begin(void)
{
	cr_assert_eq(uv_loop_init(&t.loop), 0);
	cr_assert_eq(timers_new(&t.timers), 0);
	cr_assert_eq(clock_new(&t.loop, t.timers, &t.clock), 0);
	while (!bind_both()) { /* the port is somebody's for TCP */
		uv_close((uv_handle_t *)&t.udp, NULL);
		uv_close((uv_handle_t *)&t.tcp, NULL);
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	cr_assert_eq(uv_udp_recv_start(&t.udp, on_alloc, on_udp), 0);
	cr_assert_eq(resolver_new(&t.loop, t.timers, &t.resolver), 0);
}

static void end(void)
{
	resolver_close(t.resolver);
	clock_close(t.clock);
	uv_close((uv_handle_t *)&t.udp, NULL);
	uv_close((uv_handle_t *)&t.tcp, NULL);
	uv_run(&t.loop, UV_RUN_DEFAULT); /* streams end with c-ares' side of them */
	cr_expect_eq(uv_loop_close(&t.loop), 0);
	timers_free(t.timers);
}

TestSuite(control_resolve, .init = begin, .fini = end, .timeout = 60);

static void on_answer(const struct resolve_caller *caller, int err, const struct link_addr *addr,
		      size_t n)
{
	cr_expect_eq(caller->token, 7);
	t.answers++;
	t.err = err;
	t.n = n;
	cr_assert_leq(n, RESOLVE_ADDRS_MAX);
	if (n > 0)
		memcpy(t.addr, addr, n * sizeof(*addr));
}

static void ask(const char *name)
{
	const struct resolve_caller caller = {.token = 7};
	uint64_t now = clock_now_ms();

	t.answers = 0;
	cr_assert_eq(resolver_ask(t.resolver, name, now + DEADLINE_MS, &caller, on_answer), 0);
	cr_expect_eq(t.answers, 0, "never before it returns");
	while (t.answers == 0 && clock_now_ms() < now + DEADLINE_MS + LATE_MS)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_assert_eq(t.answers, 1, "%s has no answer", name);
}

Test(control_resolve, f24_names_that_are_known)
{
	char text[ADDR_TEXT_MAX];

	ask("one.test");
	cr_assert_eq(t.err, 0);
	cr_expect_eq(t.n, 1);
	cr_expect_str_eq(addr_text(&t.addr[0], text), "10.0.0.0");
	ask("two.test");
	cr_expect_eq(t.n, 2);
}

Test(control_resolve, f24_answers_that_are_none)
{
	static const struct {
		const char *name;
		int err; /* 0: any error */
	} c[] = {
		{"nx.test", -ENOENT}, {"servfail.test", 0}, {"lame.test", 0},
		{"junk.test", 0},     {"short.test", 0},    {"loop.test", 0},
	};

	for (size_t i = 0; i < N(c); i++) {
		ask(c[i].name);
		cr_expect_lt(t.err, 0, "%s", c[i].name);
		if (c[i].err != 0)
			cr_expect_eq(t.err, c[i].err, "%s: %d", c[i].name, t.err);
		cr_expect_eq(t.n, 0);
	}
	cr_expect_leq(t.asked, N(c) * 12, "nobody is asked without end: %u", t.asked);
}

/* Neither silence nor the answer to another question is one. */
Test(control_resolve, f24_answers_that_do_not_come)
{
	static const char *const names[] = {"silent.test", "other.test"};

	for (size_t i = 0; i < N(names); i++) {
		uint64_t began = clock_now_ms();

		ask(names[i]);
		cr_expect_eq(t.err, -ETIMEDOUT, "%s: %d", names[i], t.err);
		cr_expect_geq(clock_now_ms() - began, DEADLINE_MS);
	}
}

/* Over TCP, as long as that may be: all is read, and so many addresses are kept. */
Test(control_resolve, f24_answers_without_measure)
{
	ask("many.test");
	cr_assert_eq(t.err, 0);
	cr_expect_eq(t.n, RESOLVE_ADDRS_MAX);
	cr_expect_geq(t.streams, 1);
	ask("huge.test");
	cr_assert_eq(t.err, 0, "%d", t.err);
	cr_expect_eq(t.n, 1);
}

/* Who closes while it asks leaves nothing behind. */
Test(control_resolve, f24_a_question_that_is_dropped)
{
	const struct resolve_caller caller = {.token = 7};

	cr_assert_eq(resolver_ask(t.resolver, "silent.test", clock_now_ms() + DEADLINE_MS, &caller,
				  on_answer),
		     0);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_eq(t.answers, 0);
}

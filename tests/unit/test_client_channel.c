/* Channels of libsluice: terminals, records, forwards, what the server opens, rekeys, threads. */
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "client/lib/internal.h"
#include "tests/unit/client_lab.h"

TestSuite(client_channel, .timeout = 60);

static struct sluice_channel *session(struct sluice *s, const char *command)
{
	struct sluice_channel *c = NULL;

	cr_assert_eq(sluice_channel_open(s, "session", NULL, 0, &c), 0);
	if (command != NULL)
		cr_assert_eq(sluice_channel_start(c, "exec", command), 0);
	return c;
}

static void read_all(struct sluice_channel *c, void *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = sluice_channel_read(c, false, (uint8_t *)buf + got, len - got);

		cr_assert_gt(n, 0, "%s", sluice_strerror((int)n));
		got += (size_t)n;
	}
}

Test(client_channel, a_shell_on_a_terminal)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, NULL);
	char back[6] = "";

	cr_assert_eq(sluice_channel_pty(c, "vt100", 80, 24, false, NULL, 0), 0);
	cr_assert_str_eq(l->term, "vt100");
	cr_assert_eq(l->size.columns, 80u);
	cr_assert_eq(sluice_channel_env(c, "LANG", "C.UTF-8"), 0);
	cr_assert_eq(sluice_channel_start(c, "shell", NULL), 0);
	cr_assert_str_eq(l->env, "C.UTF-8");
	cr_assert_eq(sluice_channel_window_change(c, 132, 50, 0, 0), 0);
	cr_assert_eq(sluice_channel_signal(c, "INT"), 0);
	cr_assert_eq(sluice_channel_send(c, "hello", 5), 5);
	read_all(c, back, 5);
	cr_assert_str_eq(back, "hello");
	cr_assert_eq(l->size.columns, 132u);
	cr_assert_str_eq(l->signal, "INT");
	cr_assert_eq(sluice_channel_request(c, "unknown@lab", true, NULL, 0),
		     -SLUICE_E_CHANNEL_REQUEST);
	cr_assert_eq(sluice_channel_request(c, "unknown@lab", false, NULL, 0), 0);
	cr_assert_eq(sluice_channel_packet_send(c, 94, "", 0), -EINVAL);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, a_terminal_has_its_size_in_pixels_and_its_modes)
{
	static const uint8_t modes[] = {1, 0, 0, 0, 3, 53, 0, 0, 0, 0, 128, 0, 0, 150, 0, 0};
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, NULL);

	cr_assert_eq(sluice_channel_pty(c, "xterm", 640, 480, true, modes, sizeof(modes)), 0);
	cr_expect_eq(l->size.columns, 0u);
	cr_expect_eq(l->size.rows, 0u);
	cr_expect_eq(l->size.width, 640u);
	cr_expect_eq(l->size.height, 480u);
	cr_assert_eq(l->modes_len, sizeof(modes));
	cr_expect_eq(memcmp(l->modes, modes, sizeof(modes)), 0);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, a_subsystem_and_a_program_that_a_signal_ended)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice_channel *c = session(s, NULL);

	cr_assert_eq(sluice_channel_start(c, "subsystem", "cat"), 0);
	cr_assert_eq(sluice_channel_close(c), 0);
	sluice_channel_free(c);
	c = session(s, "signal");
	cr_assert_eq(sluice_channel_wait(c), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	cr_assert(info.has_exit_signal);
	cr_assert_not(info.has_exit_status);
	cr_assert_str_eq(info.exit_signal, "TERM");
	cr_assert(info.core_dumped);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, a_request_built_by_hand)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, NULL);
	struct sluice_payload p = {0};
	char back[3];

	cr_assert_eq(sluice_payload_put(&p, "s", "exec"), 0);
	cr_assert_eq(sluice_payload_put(&p, "f", "False"), 0);
	cr_assert_eq(sluice_payload_put(&p, "s", "cat"), 0);
	cr_assert_eq(sluice_channel_packet_send(c, 98, p.p, p.len), 0);
	sluice_payload_free(&p);
	cr_assert_eq(sluice_channel_send(c, "abc", 3), 3);
	read_all(c, back, 3);
	cr_assert_eq(memcmp(back, "abc", 3), 0);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, a_channel_to_a_host_and_to_a_socket)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice_channel *c = NULL, *u = NULL;
	char back[4];

	cr_assert_eq(sluice_channel_open_tcp(s, "db.example", 5432, "192.0.2.9", 1234, &c), 0);
	cr_assert_eq(sluice_channel_open_unix(s, "/run/x.sock", &u), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	cr_assert_str_eq(info.target, "db.example");
	cr_assert_eq(info.target_port, 5432);
	cr_assert_str_empty(info.listen_addr);
	cr_assert_eq(sluice_channel_info(u, &info), 0);
	cr_assert_str_eq(info.target, "/run/x.sock");
	cr_assert_eq(info.target_port, 0);
	cr_assert_eq(sluice_channel_send(c, "tcp", 3), 3);
	cr_assert_eq(sluice_channel_send(u, "unix", 4), 4);
	read_all(c, back, 3);
	read_all(u, back, 4);
	cr_assert_eq(memcmp(back, "unix", 4), 0);
	cr_assert_eq(sluice_channel_next(s, NULL), c);
	cr_assert_eq(sluice_channel_next(s, c), u);
	cr_assert_eq(sluice_channel_next(s, u), NULL);
	sluice_channel_free(c);
	cr_assert_eq(sluice_channel_next(s, NULL), u);
	sluice_free(s);
	lab_free(l);
}

/* --- rekeys, keep-alives, rates --------------------------------------------------------------- */

static unsigned long long number_of(struct sluice *s, enum sluice_info what)
{
	char text[32];

	cr_assert_gt(sluice_info(s, what, text, sizeof(text)), 0);
	return strtoull(text, NULL, 10);
}

Test(client_channel, keys_are_exchanged_by_volume_and_on_request_under_data)
{
	struct lab *l = lab_new();
	size_t size = 1 << 20;
	uint8_t *out = malloc(size), *in = malloc(size);
	struct sluice *s = lab_client();
	struct sluice_channel *c;

	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(i * 2654435761u >> 11);
	cr_assert_eq(sluice_set(s, "RekeyLimit", "256K"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	c = session(s, "cat");
	cr_assert_eq(sluice_channel_send(c, out, size), (ssize_t)size);
	cr_assert_eq(sluice_rekey(s), 0);
	read_all(c, in, size);
	cr_assert_eq(memcmp(in, out, size), 0);
	cr_assert_geq(number_of(s, SLUICE_INFO_REKEYS), 3u);
	cr_assert_eq(sluice_set(s, "RekeyLimit", "1G"), -SLUICE_E_FROZEN);
	sluice_free(s);
	lab_free(l);
	free(out);
	free(in);
}

Test(client_channel, keys_are_exchanged_by_time)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	char text[32];

	cr_assert_eq(sluice_set(s, "RekeyLimit", "default 1ms"), 0);
	cr_assert_gt(sluice_get(s, "RekeyLimit", text, sizeof(text)), 0);
	cr_assert_str_eq(text, "default 1");
	cr_assert_eq(sluice_set(s, "RekeyLimit", "default 1h"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	for (unsigned int i = 1; i <= 3; i++) {
		cr_assert_eq(number_of(s, SLUICE_INFO_REKEYS), i - 1);
		cr_assert_gt(sluice_timeout_ms(s), 3000000);
		s->keyed_ms -= 3600 * 1000; /* an hour is over */
		cr_assert_eq(sluice_timeout_ms(s), 0);
		while (number_of(s, SLUICE_INFO_REKEYS) < i)
			cr_assert_geq(sluice_dispatch(s, -1), 0);
	}
	sluice_free(s);
	lab_free(l);
}

/* Each time while bytes are under way both ways, of a channel that is sent to and one that is read.
 */
Test(client_channel, a_rekey_that_is_asked_for_again_and_again_loses_nothing)
{
	size_t size = 2 << 20, part = size / 64, given = 0, back = 0;
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *give = session(s, "give 2097152"), *cat = session(s, "cat");
	uint8_t *out = malloc(size), *in = malloc(size);
	char text[65536];
	ssize_t n;

	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(i * 2654435761u >> 11);
	for (size_t at = 0; at < size; at += part) {
		cr_assert_eq(sluice_rekey(s), 0);
		n = sluice_channel_send(cat, out + at, part);
		cr_assert_eq(n, (ssize_t)part, "%s", sluice_strerror((int)n));
		n = sluice_channel_read(give, false, text, part);
		cr_assert_gt(n, 0);
		given += (size_t)n;
		n = sluice_channel_read(cat, false, in + back, size - back);
		cr_assert_gt(n, 0);
		back += (size_t)n;
	}
	read_all(cat, in + back, size - back);
	while (given < size) {
		n = sluice_channel_read(give, false, text, sizeof(text));
		cr_assert_gt(n, 0);
		given += (size_t)n;
	}
	cr_assert_eq(given, size);
	cr_assert_eq(memcmp(in, out, size), 0);
	cr_assert_geq(number_of(s, SLUICE_INFO_REKEYS), 16u);
	sluice_free(s);
	lab_free(l);
	free(out);
	free(in);
}

/* With a count of 1 that is behind twice the interval; a busy machine may be late. */
Test(client_channel, keep_alives_are_sent_and_one_that_nobody_answers_ends_it)
{
	static const struct {
		const char *interval, *count;
		unsigned int alives;
		double seconds; /* between the last byte heard and the end */
	} t[] = {{"20ms", "2", 2, 0.060}, {"50ms", "1", 1, 0.100}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();
		struct timespec a, b;
		double seconds;

		l->silent = true;
		cr_assert_eq(sluice_set(s, "ServerAliveInterval", t[i].interval), 0);
		cr_assert_eq(sluice_set(s, "ServerAliveCountMax", t[i].count), 0);
		cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
		clock_gettime(CLOCK_MONOTONIC, &a); /* it is heard of once more at least */
		cr_assert_eq(sluice_logon(s, NULL, 0), 0);
		while (sluice_dispatch(s, -1) >= 0)
			;
		clock_gettime(CLOCK_MONOTONIC, &b);
		cr_assert_eq(sluice_status(s), -SLUICE_E_KEEPALIVE);
		seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
		cr_expect(seconds > t[i].seconds - 0.001, "%f", seconds); /* whole milliseconds */
		cr_expect(seconds < 20 + t[i].seconds, "%f", seconds);
		sluice_free(s);
		lab_join(l);
		cr_assert_eq(l->n_alives, t[i].alives);
		cr_expect_eq(l->peer_reason, 10u);
		lab_free(l);
	}
}

/* The clock of the library: 0: the machine's. */
static _Atomic uint64_t clock_ms;
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ms = clock_ms;

	if (ms == 0 || id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	*ts = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	return 0;
}

/* It comes to the time for which it was woken, and no earlier. */
static int a_turn_after(struct sluice *s, int ms)
{
	cr_expect_eq(sluice_timeout_ms(s), ms);
	clock_ms += (uint64_t)ms - 1;
	cr_expect_eq(sluice_dispatch(s, 0), 0, "too early");
	cr_expect_eq(sluice_timeout_ms(s), 1);
	clock_ms += 1;
	return sluice_dispatch(s, 0);
}

/* As sluice tunnel has it where nothing is said: within twice the interval behind the last byte. */
Test(client_channel, a_dead_peer_is_noticed_after_twice_the_interval_and_not_a_millisecond_later)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	uint64_t heard;

	clock_ms = 1000000;
	l->silent = true;
	cr_assert_eq(sluice_set(s, "ServerAliveInterval", "30"), 0);
	cr_assert_eq(sluice_set(s, "ServerAliveCountMax", "1"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	heard = clock_ms;
	while (sluice_dispatch(s, 0) > 0)
		;
	cr_assert_geq(a_turn_after(s, 30000), 0, "it asks");
	cr_expect_eq(sluice_status(s), 0);
	cr_assert_lt(a_turn_after(s, 30000), 0);
	cr_expect_eq(sluice_status(s), -SLUICE_E_KEEPALIVE);
	cr_expect_eq(clock_ms - heard, 60000);
	sluice_free(s);
	lab_join(l);
	cr_expect_eq(l->n_alives, 1);
	lab_free(l);
}

Test(client_channel, a_rate_is_kept)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "cat");
	uint8_t buf[4096] = {0};
	struct timespec a, b;
	double seconds;

	cr_assert_eq(sluice_set(s, "TransferRate", "20000"), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	cr_assert_eq(sluice_channel_send(c, buf, sizeof(buf)), (ssize_t)sizeof(buf));
	cr_assert_eq(sluice_channel_send(c, buf, sizeof(buf)), (ssize_t)sizeof(buf));
	read_all(c, buf, sizeof(buf));
	read_all(c, buf, sizeof(buf));
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	cr_assert_gt(seconds, 0.25, "%f", seconds); /* 8,192 bytes, of which 2,000 at once */
	sluice_free(s);
	lab_free(l);
}

/* What goes while there is no rate is nothing to be made up for later. */
Test(client_channel, a_rate_counts_from_when_it_is_set)
{
	static uint8_t much[2 << 20];
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "hold");
	struct timespec a, b;

	cr_assert_eq(sluice_set(s, "TransferRate", "100000"), 0);
	cr_assert_eq(sluice_channel_send(c, much, 1), 1);
	cr_assert_eq(sluice_set(s, "TransferRate", "0"), 0);
	cr_assert_eq(sluice_channel_send(c, much, sizeof(much)), (ssize_t)sizeof(much));
	cr_assert_eq(sluice_request(s, "yes@lab", true, NULL, 0, NULL, 0, NULL), 0);
	cr_assert_eq(sluice_set(s, "TransferRate", "100000"), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	cr_assert_eq(sluice_channel_send(c, much, 10000), 10000);
	cr_assert_eq(sluice_request(s, "yes@lab", true, NULL, 0, NULL, 0, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	cr_assert_lt(b.tv_sec - a.tv_sec, 10); /* 20 s are what two megabytes would owe */
	sluice_free(s);
	lab_free(l);
}

/* --- what the server opens -------------------------------------------------------------------- */

struct opens {
	int answer;
	unsigned int asked, opened;
	struct sluice_channel *c;
	uint16_t port;
	char host[64], origin[64], type[64];
};

static int on_open_request(void *arg, struct sluice_channel *c, const struct sluice_open *o)
{
	struct opens *h = arg;

	h->asked++;
	h->c = c;
	h->port = o->port;
	snprintf(h->host, sizeof(h->host), "%s", o->host);
	snprintf(h->origin, sizeof(h->origin), "%s", o->origin);
	snprintf(h->type, sizeof(h->type), "%s", o->type);
	return h->answer;
}

static void on_opened(void *arg, struct sluice_channel *c, int err, const char *text)
{
	struct opens *h = arg;

	(void)c;
	(void)text;
	h->opened += err == 0;
}

static struct sluice *opens_client(struct opens *h)
{
	struct sluice_ops ops = {.size = sizeof(ops),
				 .on_channel_open_request = on_open_request,
				 .on_channel_opened = on_opened};
	struct sluice *s = lab_client();

	cr_assert_eq(sluice_ops_set(s, &ops, h), 0);
	return s;
}

static void login(struct lab *l, struct sluice *s)
{
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
}

Test(client_channel, the_server_listens_for_us_and_says_on_which_port)
{
	struct opens h = {.answer = 1};
	struct lab *l = lab_new();
	struct sluice *s = opens_client(&h);
	struct sluice_channel_info info = {.size = sizeof(info)};
	uint16_t port = 0;
	char back[5];

	login(l, s);
	cr_assert_eq(sluice_forward_request(s, "localhost", 0, &port), 0);
	cr_assert_eq(port, 4022);
	while (h.opened == 0)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_str_eq(h.host, "localhost");
	cr_assert_str_eq(h.origin, "192.0.2.7");
	cr_assert_eq(h.port, 4022);
	cr_assert_eq(sluice_channel_info(h.c, &info), 0);
	cr_assert_str_eq(info.listen_addr, "localhost");
	cr_assert_eq(info.listen_port, 4022);
	cr_assert_str_eq(info.origin_addr, "192.0.2.7");
	cr_assert_eq(info.origin_port, 4711);
	cr_assert_str_empty(info.target);
	cr_assert_eq(sluice_channel_send(h.c, "hello", 5), 5);
	read_all(h.c, back, 5);
	cr_assert_eq(memcmp(back, "hello", 5), 0);
	cr_assert_eq(sluice_forward_cancel(s, "localhost", port), 0);
	cr_assert_eq(sluice_forward_request_unix(s, "/run/there.sock"), 0);
	cr_assert_eq(sluice_forward_cancel_unix(s, "/run/there.sock"), 0);
	sluice_free(s);
	lab_free(l);
}

/* Who gives up one address of a port is still told of the other. */
Test(client_channel, a_port_at_two_addresses_is_cancelled_twice)
{
	struct opens h = {.answer = 1};
	struct lab *l = lab_new();
	struct sluice *s = opens_client(&h);

	l->forward_open = 2222;
	login(l, s);
	cr_assert_eq(sluice_forward_request(s, "127.0.0.1", 2222, NULL), 0);
	cr_assert_eq(sluice_forward_request(s, "::1", 2222, NULL), 0);
	cr_assert_eq(sluice_forward_cancel(s, "127.0.0.1", 2222), 0);
	cr_assert_eq(sluice_forward_request(s, "::1", 3333, NULL), 0);
	cr_assert_eq(sluice_request(s, "yes@lab", true, NULL, 0, NULL, 0, NULL), 0);
	cr_assert_eq(h.asked, 3u);
	cr_assert_eq(sluice_forward_cancel(s, "::1", 2222), 0);
	cr_assert_eq(sluice_forward_request(s, "::1", 4444, NULL), 0);
	cr_assert_eq(sluice_request(s, "yes@lab", true, NULL, 0, NULL, 0, NULL), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(h.asked, 3u);
	cr_assert_eq(l->n_refused, 1u);
	lab_free(l);
}

/* Whatever else it opens in the name of a forward, the program never hears of it (S-19). */
Test(client_channel, what_was_not_asked_for_is_refused)
{
	struct opens h = {.answer = 1};
	struct lab *l = lab_new();
	struct sluice *s = opens_client(&h);

	l->forward_open = 5555;
	l->open_type = "x11";
	login(l, s);
	cr_assert_eq(sluice_forward_request(s, "", 2222, NULL), 0);
	cr_assert_eq(sluice_request(s, "yes@lab", true, NULL, 0, NULL, 0, NULL), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(h.asked, 0u);
	cr_assert_eq(l->n_refused, 2u);
	lab_free(l);
}

Test(client_channel, types_that_the_program_names_are_its_to_decide)
{
	struct opens h = {.answer = 2};
	struct lab *l = lab_new();
	struct sluice *s = opens_client(&h);
	char back[2];

	l->open_type = "own@lab";
	cr_assert_eq(sluice_set(s, "AcceptChannelTypes", "another@lab,own@lab"), 0);
	login(l, s);
	while (h.asked == 0)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_str_eq(h.type, "own@lab");
	cr_assert_eq(sluice_channel_send(h.c, "x", 1), -SLUICE_E_STATE);
	cr_assert_eq(sluice_channel_accept(h.c), 0);
	cr_assert_eq(sluice_channel_accept(h.c), -SLUICE_E_STATE);
	cr_assert_eq(sluice_channel_send(h.c, "hi", 2), 2);
	read_all(h.c, back, 2);
	cr_assert_eq(l->n_confirmed, 1u);
	sluice_free(s);
	lab_free(l);

	h = (struct opens){.answer = 2};
	l = lab_new();
	s = opens_client(&h);
	l->open_type = "own@lab";
	cr_assert_eq(sluice_set(s, "AcceptChannelTypes", "own@lab"), 0);
	login(l, s);
	while (h.asked == 0)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_eq(sluice_channel_refuse(h.c, 0, "nobody there"), 0);
	cr_assert_eq(sluice_logoff(s), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->n_refused, 1u);
	lab_free(l);
}

Test(client_channel, global_requests_are_answered)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	char buf[2] = "";
	size_t len = 0;

	cr_assert_eq(sluice_request(s, "yes@lab", true, "abc", 3, buf, 2, &len), 0);
	cr_assert_eq(len, 3u);
	cr_assert_eq(memcmp(buf, "ye", 2), 0);
	cr_assert_eq(sluice_request(s, "no@lab", true, NULL, 0, NULL, 0, NULL), -SLUICE_E_REQUEST);
	cr_assert_eq(sluice_request(s, "no@lab", false, NULL, 0, NULL, 0, NULL), 0);
	cr_assert_eq(sluice_request(s, "", true, NULL, 0, NULL, 0, NULL), -EINVAL);
	sluice_free(s);
	lab_free(l);
}

/* --- records ------------------------------------------------------------------------------------
 */

struct records {
	unsigned int n, whole;
	char all[4096];
	bool closed;
};

static void on_record(void *arg, struct sluice_channel *c, const void *p, size_t len,
		      unsigned int flags)
{
	struct records *r = arg;
	size_t n = strlen(r->all);

	(void)c;
	r->n++;
	r->whole += (flags & SLUICE_DATA_RECORD) != 0;
	snprintf(r->all + n, sizeof(r->all) - n, "%.*s|", (int)len, (const char *)p);
}

static void on_closed(void *arg, struct sluice_channel *c)
{
	(void)c;
	((struct records *)arg)->closed = true;
}

static void records(struct records *r, const char *eol, size_t max, size_t record, const char *text)
{
	struct sluice_ops ops = {
		.size = sizeof(ops), .on_channel_data = on_record, .on_channel_closed = on_closed};
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "cat");

	memset(r, 0, sizeof(*r));
	cr_assert_eq(sluice_ops_set(s, &ops, r), 0);
	if (eol != NULL)
		cr_assert_eq(sluice_channel_eol_set(c, eol, strlen(eol), max), 0);
	else
		cr_assert_eq(sluice_channel_record_set(c, record), 0);
	cr_assert_eq(sluice_channel_send(c, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(sluice_channel_eof(c), 0);
	while (!r->closed)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, records_by_an_end_of_line)
{
	struct records r;

	records(&r, "\r\n", 8, 0, "one\r\ntwo\r\n0123456789\r\nrest");
	cr_assert_str_eq(r.all, "one\r\n|two\r\n|01234567|89\r\n|rest|");
	cr_assert_eq(r.whole, 3u);
}

Test(client_channel, records_of_one_length)
{
	struct records r;

	records(&r, NULL, 0, 4, "0123456789");
	cr_assert_str_eq(r.all, "0123|4567|89|");
	cr_assert_eq(r.whole, 2u);
}

Test(client_channel, records_of_the_length_that_new_channels_have)
{
	struct sluice_ops ops = {
		.size = sizeof(ops), .on_channel_data = on_record, .on_channel_closed = on_closed};
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *before = session(s, "cat"), *c;
	struct records r = {0};

	cr_assert_eq(sluice_set(s, "RecordLength", "3"), 0);
	c = session(s, "cat");
	cr_assert_eq(sluice_ops_set(s, &ops, &r), 0);
	cr_assert_eq(sluice_channel_send(before, "01234567", 8), 8);
	while (r.n < 1)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_eq(sluice_channel_send(c, "01234567", 8), 8);
	cr_assert_eq(sluice_channel_eof(c), 0);
	while (!r.closed)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_expect_str_eq(r.all, "01234567|012|345|67|");
	sluice_free(s);
	lab_free(l);
}

/* What is being given is nobody's to read. */
static void on_record_reads(void *arg, struct sluice_channel *c, const void *p, size_t len,
			    unsigned int flags)
{
	struct records *r = arg;
	char other[64];

	cr_assert_eq(sluice_channel_read(c, false, other, sizeof(other)), -SLUICE_E_WOULD_BLOCK);
	snprintf(r->all + strlen(r->all), sizeof(r->all) - strlen(r->all), "%.*s|", (int)len,
		 (const char *)p);
	r->n++;
	r->whole += (flags & SLUICE_DATA_RECORD) != 0;
}

Test(client_channel, who_is_given_a_record_cannot_read_it_again)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_channel_data = on_record_reads};
	struct records r = {0};
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "cat");

	cr_assert_eq(sluice_ops_set(s, &ops, &r), 0);
	cr_assert_eq(sluice_channel_record_set(c, 4), 0);
	cr_assert_eq(sluice_channel_send(c, "0123456789ab", 12), 12);
	while (r.n < 3)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_str_eq(r.all, "0123|4567|89ab|");
	cr_assert_eq(r.whole, 3u);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, records_need_an_end_and_a_length)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "cat");

	cr_assert_eq(sluice_channel_eol_set(c, "\n", 1, 0), -EINVAL);
	cr_assert_eq(sluice_channel_eol_set(c, NULL, 0, 10), -EINVAL);
	cr_assert_eq(sluice_channel_record_set(c, 2 << 20), -EINVAL);
	cr_assert_eq(sluice_channel_record_set(c, 10), -SLUICE_E_STATE); /* nobody to tell */
	sluice_free(s);
	lab_free(l);
}

/* --- windows, and who does not read ------------------------------------------------------------
 */

Test(client_channel, who_does_not_read_is_sent_no_more_than_the_window)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice_channel *c;
	char buf[65536];
	uint32_t granted;
	size_t got = 0;
	ssize_t n;

	cr_assert_eq(sluice_set(s, "ChannelWindow", "64K"), 0);
	cr_assert_eq(sluice_set(s, "ChannelMaxPacket", "1000"), 0);
	login(l, s);
	c = session(s, "give 300000");
	while (sluice_channel_info(c, &info) == 0 && info.window_in > 0)
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_eq(info.waiting, 65536u);
	cr_assert_eq(info.packet_in, 1000u);
	cr_assert_eq(sluice_channel_window_set(c, 128 * 1024), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	granted = info.window_in;
	cr_assert_gt(granted, 0u);
	cr_assert_eq(sluice_channel_window_set(c, 1024), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	cr_assert_eq(info.window_in, granted, "what was granted is not taken back");
	while ((n = sluice_channel_read(c, false, buf, sizeof(buf))) > 0)
		got += (size_t)n;
	cr_assert_eq(got, 300000u);
	sluice_free(s);
	lab_free(l);
}

/* However many channels nobody reads: windows that grow share a bound. */
Test(client_channel, windows_of_many_channels_share_a_bound)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c[LAB_CHANNELS];
	struct sluice_channel_info info = {.size = sizeof(info)};
	uint64_t windows = 0;

	for (size_t i = 0; i < LAB_CHANNELS; i++) {
		c[i] = session(s, "hold");
		cr_assert_eq(sluice_channel_info(c[i], &info), 0);
		cr_expect_geq(info.window_in, (uint32_t)WINDOW_LEAST);
		cr_expect(i != 0 || info.window_in == 2u << 20);
		windows += info.window_in;
	}
	cr_expect_leq(windows, (uint64_t)WINDOWS_MAX);
	cr_expect_eq(s->windows, windows);
	for (size_t i = 0; i < LAB_CHANNELS; i++)
		window_raise(c[i], WINDOWS_MAX); /* a program's own wish is one */
	cr_expect_eq(s->windows, LAB_CHANNELS * (uint64_t)WINDOWS_MAX);
	sluice_free(s);
	lab_free(l);
}

/* --- how a window follows the path: in virtual time ---------------------------------------------
 */

#define TICK_US 100
#define TICKS   500 /* half of the longest round trip */

/* What a window that may come to most is after some seconds of a path. */
static uint32_t settled(uint32_t rtt_us, uint64_t bytes_s, uint32_t reader_bytes_s, uint32_t most)
{
	uint32_t way = rtt_us / 2 / TICK_US, line = (uint32_t)(bytes_s * TICK_US / 1000000);
	uint32_t read = reader_bytes_s / (1000000 / TICK_US);
	static uint32_t to_us[TICKS + 1], to_peer[TICKS + 1];
	uint32_t credit = 2 << 20, held = 0, adjust = 0;
	struct grow g = {0};
	struct ssh_rwin w;

	cr_assert_leq(way, (uint32_t)TICKS);
	memset(to_us, 0, sizeof(to_us));
	memset(to_peer, 0, sizeof(to_peer));
	ssh_rwin_init(&w, credit);
	for (uint64_t t = 1; t < 6000000 / TICK_US; t++) {
		uint32_t *in = &to_us[t % (way + 1)], *out = &to_peer[t % (way + 1)], n;

		cr_assert_eq(ssh_rwin_recv(&w, *in), 0);
		grow_received(&g, *in, t * TICK_US);
		held += *in;
		n = read != 0 && held > read ? read : held;
		held -= n;
		adjust = ssh_rwin_consume(&w, n);
		if (w.initial_window_size < most &&
		    ssh_rwin_held(&w) <= w.initial_window_size / 8 && grow_worth(&g))
			adjust += ssh_rwin_raise(&w, 2 * w.initial_window_size);
		if (adjust > 0)
			grow_granted(&g, w.window_size, t * TICK_US);
		credit += *out;
		*out = adjust;
		*in = credit < line ? credit : line;
		credit -= *in;
	}
	return w.initial_window_size;
}

Test(client_channel, a_window_follows_the_path)
{
	const uint32_t most = 64u << 20;
	static const struct {
		uint32_t rtt_us;
		uint64_t bytes_s;
	} path[] = {{100000, 50000000},  {100000, 125000000}, {20000, 250000000},
		    {100000, 250000000}, {200, 1000000000},   {100000, 100000}};

	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		uint64_t bdp = path[i].bytes_s * path[i].rtt_us / 1000000;
		uint32_t size = settled(path[i].rtt_us, path[i].bytes_s, 0, most);

		cr_expect_geq(size, bdp, "path %zu: %u of %lu", i, size, (unsigned long)bdp);
		cr_expect_leq(size, 4 * bdp > 4u << 20 ? 4 * bdp : 4u << 20, "path %zu: %u", i,
			      size);
	}
}

Test(client_channel, a_window_does_not_grow_for_a_reader_who_is_slow)
{
	cr_expect_eq(settled(100000, 125000000, 1000000, 64u << 20), 2u << 20);
}

static void on_ready(void *arg, struct sluice_channel *c, size_t credit)
{
	size_t *ready = arg;

	(void)c;
	*ready = credit;
}

Test(client_channel, who_may_not_wait_is_told_when_there_is_room)
{
	struct sluice_ops ops = {.size = sizeof(ops), .on_channel_ready = on_ready};
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "cat");
	size_t sent = 0, ready = 0, size = 1 << 20;
	uint8_t *buf = calloc(1, size);
	ssize_t n;

	cr_assert_eq(sluice_ops_set(s, &ops, &ready), 0);
	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	n = sluice_channel_send(c, buf, size);
	cr_assert_gt(n, 0);
	cr_assert_lt((size_t)n, size);
	for (sent = (size_t)n; sent < size; sent += (size_t)n) {
		while (ready == 0) {
			struct pollfd p = {sluice_fd(s), sluice_events(s), 0};

			cr_assert_geq(sluice_dispatch(s, 0), 0);
			if (ready == 0)
				(void)poll(&p, 1, sluice_timeout_ms(s));
		}
		ready = 0;
		n = sluice_channel_send(c, buf, size - sent);
		cr_assert_gt(n, 0);
	}
	sluice_free(s);
	lab_free(l);
	free(buf);
}

/* A server that reads no more answers no key exchange: what may not wait says for what. */
Test(client_channel, who_may_not_wait_is_told_that_keys_are_exchanged)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "cat");
	int r;

	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	__atomic_store_n(&l->deaf, true, __ATOMIC_RELAXED);
	r = sluice_rekey(s);
	cr_assert(r == 0 || r == -SLUICE_E_WOULD_BLOCK, "%s", sluice_strerror(r));
	r = (int)sluice_channel_send(c, "x", 1);
	cr_expect_eq(r, -SLUICE_E_WOULD_BLOCK_REKEY, "%s", sluice_strerror(r));
	cr_expect_eq(sluice_error_ref(r), 1133);
	cr_expect_eq(sluice_status(s), 0);
	sluice_free(s);
	lab_free(l);
}

/* --- threads ------------------------------------------------------------------------------------
 */

struct worker {
	struct sluice *s;
	pthread_t thread;
	unsigned int n;
	bool ok;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct sluice_channel *c = NULL;
	uint8_t out[20000], in[20000];
	size_t got = 0;
	ssize_t n;

	memset(out, (int)('a' + w->n), sizeof(out));
	if (sluice_channel_open(w->s, "session", NULL, 0, &c) < 0 ||
	    sluice_channel_start(c, "exec", "cat") < 0)
		return NULL;
	for (unsigned int i = 0; i < 5; i++) {
		if (sluice_channel_send(c, out, sizeof(out)) != (ssize_t)sizeof(out))
			return NULL;
		for (got = 0; got < sizeof(in); got += (size_t)n) {
			n = sluice_channel_read(c, false, in + got, sizeof(in) - got);
			if (n <= 0)
				return NULL;
		}
		if (memcmp(in, out, sizeof(in)) != 0)
			return NULL;
	}
	w->ok = sluice_channel_close(c) == 0;
	sluice_channel_free(c);
	return NULL;
}

static void all_work(struct sluice *s, struct worker *w, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		w[i] = (struct worker){.s = s, .n = i};
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
}

static void all_done(struct worker *w, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		cr_assert(w[i].ok, "%u", i);
	}
}

Test(client_channel, many_threads_use_one_connection)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct worker w[8];

	all_work(s, w, 8);
	all_done(w, 8);
	cr_assert_eq(sluice_channel_next(s, NULL), NULL);
	sluice_free(s);
	lab_free(l);
}

static void *work_alone(void *arg)
{
	struct worker *w = arg;
	struct lab *l = lab_new();

	w->s = lab_login(l);
	(void)work(w);
	w->ok = w->ok && sluice_logoff(w->s) == 0;
	sluice_free(w->s);
	lab_free(l);
	return NULL;
}

/* They take engines by turns, of which there are fewer. */
Test(client_channel, threads_with_a_connection_each)
{
	struct worker w[6];

	for (unsigned int i = 0; i < 6; i++) {
		w[i] = (struct worker){.n = i};
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work_alone, &w[i]), 0);
	}
	all_done(w, 6);
}

static void *work_at_it(void *arg)
{
	struct sluice *s = arg;
	char text[256];
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < 20; i++) {
		r = sluice_rekey(s);
		if (r == 0)
			r = sluice_request(s, "yes@lab", true, NULL, 0, NULL, 0, NULL);
		if (r == 0)
			r = sluice_set(s, "ServerAliveInterval", i % 2 == 0 ? "20ms" : "0");
		if (r == 0)
			r = sluice_status(s);
		(void)sluice_info(s, SLUICE_INFO_BYTES_OUT, text, sizeof(text));
		(void)sluice_get(s, "Ciphers", text, sizeof(text));
		(void)sluice_dispatch(s, 0);
	}
	return (void *)(intptr_t)r;
}

Test(client_channel, threads_that_rekey_ask_and_set_beside_those_that_send)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct worker w[4];
	pthread_t t;
	void *r;

	all_work(s, w, 4);
	cr_assert_eq(pthread_create(&t, NULL, work_at_it, s), 0);
	all_done(w, 4);
	pthread_join(t, &r);
	cr_assert_eq((int)(intptr_t)r, 0, "%s", sluice_strerror((int)(intptr_t)r));
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, threads_behind_a_jump_host)
{
	struct lab *l = lab_new(), *far = lab_new();
	struct sluice *hop = lab_client(), *s = lab_client();
	struct worker w[4];

	l->next = far;
	cr_assert_eq(sluice_connect_fd(hop, lab_start(l)), 0);
	cr_assert_eq(sluice_set(s, "Hostname", "far"), 0);
	cr_assert_eq(sluice_jump_set(s, hop), 0);
	cr_assert_eq(sluice_logon(s, NULL, 0), 0);
	all_work(s, w, 4);
	all_done(w, 4);
	sluice_free(s);
	lab_free(l);
	lab_free(far);
}

/* A loop that has looked at one channel and then asks another one would wait for what is there. */
Test(client_channel, what_a_call_for_one_channel_brings_another_ends_the_loops_wait)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *cat = session(s, "cat"), *quiet = session(s, "hold");
	char byte;

	cr_assert_eq(sluice_set(s, "OperationTimeout", "0"), 0);
	while (sluice_dispatch(s, 0) > 0)
		;
	cr_expect(sluice_timeout_ms(s) != 0);
	cr_assert_eq(sluice_channel_send(cat, "x", 1), 1);
	while (cat->in.len == 0) {
		struct pollfd p = {sluice_fd(s), POLLIN, 0};

		cr_assert_eq(poll(&p, 1, -1), 1);
		cr_assert_eq(sluice_channel_read(quiet, false, &byte, 1), -SLUICE_E_WOULD_BLOCK);
	}
	cr_expect_eq(sluice_timeout_ms(s), 0, "it is not told of");
	cr_expect_eq(sluice_dispatch(s, 0), 1);
	cr_expect(sluice_timeout_ms(s) != 0, "it is told of for ever");
	cr_expect_eq(sluice_channel_read(cat, false, &byte, 1), 1);
	sluice_free(s);
	lab_free(l);
}

/* --- what was agreed, and how long it may take -------------------------------------------------
 */

static void sem_take(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		;
}

/* poll(2) of this program: who asks may be held before he looks, his server once it has looked. */
static struct {
	struct lab *_Atomic lab; /* whose server is, once; NULL: none */
	sem_t came, go, serve;
	bool at_once; /* there was something when he looked */
} held;
static _Thread_local bool is_held;

int poll(struct pollfd *p, nfds_t n, int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
	struct lab *lab;
	bool was_held = is_held;
	int r;

	if (was_held) {
		is_held = false;
		sem_post(&held.came);
		sem_take(&held.go);
		ms = 0;
		ts = (struct timespec){0};
	}
	r = ppoll(p, n, ms < 0 ? NULL : &ts, NULL);
	if (was_held)
		held.at_once = r > 0;
	lab = held.lab;
	if (lab != NULL && pthread_equal(pthread_self(), lab->thread)) {
		held.lab = NULL;
		sem_take(&held.serve);
	}
	return r;
}

static void *asks_late(void *arg)
{
	is_held = true;
	return (void *)(intptr_t)sluice_request(arg, "yes@lab", true, NULL, 0, NULL, 0, NULL);
}

static bool answered(struct sluice *s)
{
	bool yes;

	enter(s);
	yes = STAILQ_EMPTY(&s->globals);
	leave(s);
	return yes;
}

/* Another thread reads the answer just before the one that waits for it looks at the socket. */
Test(client_channel, an_answer_that_another_thread_reads_is_not_waited_for)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	pthread_t thread;
	void *r;

	sem_init(&held.came, 0, 0);
	sem_init(&held.go, 0, 0);
	sem_init(&held.serve, 0, 0);
	held.lab = l;
	cr_assert_eq(pthread_create(&thread, NULL, asks_late, s), 0);
	sem_take(&held.came);
	sem_post(&held.serve);
	while (!answered(s)) {
		struct pollfd p = {sluice_fd(s), sluice_events(s), 0};

		cr_assert_eq(poll(&p, 1, -1), 1);
		cr_assert_geq(sluice_dispatch(s, 0), 0);
	}
	sem_post(&held.go);
	cr_assert_eq(pthread_join(thread, &r), 0);
	cr_assert_eq((int)(intptr_t)r, 0);
	cr_expect(held.at_once, "it is waited for");
	sluice_free(s);
	lab_free(l);
}

/* Threads that wait for another one's turn, or are about to and have the lock. */
static atomic_uint waiting;
int __real_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	int r;

	waiting++;
	r = __real_pthread_cond_wait(c, m);
	waiting--;
	return r;
}

/* One for the socket, one for that one. */
static bool both_wait(struct sluice *s)
{
	bool yes;

	enter(s);
	yes = s->polling && waiting == 1;
	leave(s);
	return yes;
}

static void *reads(void *arg)
{
	char byte;

	return (void *)(intptr_t)sluice_channel_read(arg, false, &byte, 1);
}

/* Who waits for the socket hears of what another thread does. */
Test(client_channel, a_connection_that_is_cut_ends_the_waits_of_all_threads)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "hold");
	pthread_t thread[2];

	cr_assert_eq(sluice_set(s, "OperationTimeout", "none"), 0);
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, reads, c), 0);
	while (!both_wait(s))
		sched_yield();
	cr_assert_eq(sluice_disconnect(s), 0);
	for (unsigned int i = 0; i < 2; i++) {
		void *r;

		cr_assert_eq(pthread_join(thread[i], &r), 0);
		cr_assert_eq((int)(intptr_t)r, -SLUICE_E_NOT_CONNECTED);
	}
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, algorithms_are_those_of_the_settings)
{
	static const struct {
		const char *keyword, *value;
		enum sluice_info what;
	} cases[] = {
		{"KexAlgorithms", "ecdh-sha2-nistp256", SLUICE_INFO_KEX},
		{"HostKeyAlgorithms", "ssh-ed25519", SLUICE_INFO_HOSTKEY_ALG},
		{"Ciphers", "aes256-ctr", SLUICE_INFO_CIPHER_OUT},
		{"Ciphers", "aes256-ctr", SLUICE_INFO_CIPHER_IN},
		{"MACs", "hmac-sha2-512-etm@openssh.com", SLUICE_INFO_MAC_OUT},
		{"MACs", "hmac-sha2-512-etm@openssh.com", SLUICE_INFO_MAC_IN},
		{"CompressionAlgorithms", "zlib@openssh.com", SLUICE_INFO_COMP_OUT},
		{"CompressionAlgorithms", "zlib@openssh.com", SLUICE_INFO_COMP_IN},
	};
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	char text[128], back[4];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(sluice_set(s, cases[i].keyword, cases[i].value), 0);
	login(l, s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_gt(sluice_info(s, cases[i].what, text, sizeof(text)), 0);
		cr_assert_str_eq(text, cases[i].value);
	}
	cr_assert_eq(sluice_info(s, SLUICE_INFO_SESSION_ID, text, sizeof(text)), 64);
	read_all(({
			 struct sluice_channel *c = session(s, "cat");
			 cr_assert_eq(sluice_channel_send(c, "zzzz", 4), 4);
			 c;
		 }),
		 back, 4);
	sluice_free(s);
	lab_free(l);

	l = lab_new();
	s = lab_client();
	l->conf.ciphers = "aes128-ctr";
	cr_assert_eq(sluice_set(s, "Ciphers", "aes256-ctr"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_NEGOTIATE);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, strict_key_exchange_may_be_required)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	l->conf.strict = SSH_STRICT_OFF;
	cr_assert_eq(sluice_set(s, "StrictKex", "require"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_NEGOTIATE);
	sluice_free(s);
	lab_free(l);
}

/* Of a server that has groups of 2048 bits and no others. */
Test(client_channel, a_group_has_as_many_bits_as_the_setting_says)
{
	static const struct {
		const char *bits;
		int outcome;
	} asked[] = {{"2048", 0}, {"2048:2048:8192", 0}, {"3072:3072:8192", -1}};

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_client();

		l->conf.kex_algs = "diffie-hellman-group-exchange-sha256";
		l->conf.gex = (struct ssh_gex_bits){2048, 2048, 2048};
		cr_assert_eq(sluice_set(s, "KexAlgorithms", l->conf.kex_algs), 0);
		cr_assert_eq(sluice_set(s, "DHGroupExchangeBits", asked[i].bits), 0);
		if (asked[i].outcome == 0)
			cr_expect_eq(sluice_connect_fd(s, lab_start(l)), 0, "%s", asked[i].bits);
		else
			cr_expect_lt(sluice_connect_fd(s, lab_start(l)), 0, "%s", asked[i].bits);
		sluice_free(s);
		lab_free(l);
	}
}

Test(client_channel, a_server_that_says_nothing_is_given_up)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();

	l->mute = true;
	cr_assert_eq(sluice_set(s, "ConnectTimeout", "50ms"), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), -SLUICE_E_TIMEOUT);
	cr_assert_eq(sluice_status(s), -SLUICE_E_TIMEOUT);
	sluice_free(s);
	lab_free(l);
}

/* Keep-alives that are answered move bytes for ever; the operation ends all the same. */
Test(client_channel, a_time_out_is_total_where_that_is_wanted)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *c = session(s, "hold");
	char byte;

	cr_assert_eq(sluice_set(s, "ServerAliveInterval", "10ms"), 0);
	cr_assert_eq(sluice_set(s, "ServerAliveCountMax", "10000"),
		     0); /* who answers may be late */
	cr_assert_eq(sluice_set(s, "OperationTimeout", "200ms"), 0);
	cr_assert_eq(sluice_set(s, "AbsoluteTimeout", "yes"), 0);
	cr_assert_eq(sluice_channel_read(c, false, &byte, 1), -SLUICE_E_TIMEOUT);
	cr_assert_eq(sluice_status(s), 0);
	sluice_free(s);
	lab_free(l);
}

Test(client_channel, closing_waits_or_does_not)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel_info info = {.size = sizeof(info)};
	struct sluice_channel *c = session(s, "hold");

	cr_assert_eq(sluice_channel_close(c), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	cr_assert(info.closed_in && info.closed_out);
	c = session(s, "hold");
	cr_assert_eq(sluice_set(s, "WaitForChannelClose", "no"), 0);
	cr_assert_eq(sluice_channel_close(c), 0);
	cr_assert_eq(sluice_channel_info(c, &info), 0);
	cr_assert(info.closed_out);
	/* The server is told to go, and goes: what it says as it closes is no error. */
	cr_assert_eq(sluice_set(s, "WaitForServerDisconnect", "yes"), 0);
	cr_assert_eq(sluice_logoff(s), 0);
	sluice_free(s);
	lab_join(l);
	cr_assert_eq(l->peer_reason, 11u);
	lab_free(l);
}

static int on_request(void *arg, struct sluice_channel *c, const char *type, bool want_reply,
		      const void *data, size_t len)
{
	char *seen = arg;

	(void)c;
	cr_assert(want_reply);
	snprintf(seen, 64, "%s %.*s", type, (int)len, (const char *)data);
	return 1;
}

Test(client_channel, requests_of_the_server_are_the_programs_to_answer)
{
	static const uint8_t request[] = "\x62\0\0\0\0\0\0\0\x07own@lab\x01hello";
	struct sluice_ops ops = {.size = sizeof(ops), .on_channel_request = on_request};
	struct lab *l = lab_new();
	struct sluice *s;
	struct sluice_channel *c;
	char seen[64] = "";

	l->raw_exec = (struct lab_raw){request, sizeof(request) - 1, 1};
	s = lab_login(l);
	cr_assert_eq(sluice_ops_set(s, &ops, seen), 0);
	c = session(s, "raw");
	while (*seen == '\0')
		cr_assert_geq(sluice_dispatch(s, -1), 0);
	cr_assert_str_eq(seen, "own@lab hello");
	sluice_channel_free(c);
	sluice_free(s);
	lab_free(l);
}

/* Numbers of channels go round, and one that lives long keeps its own (S-55). */
Test(client_channel, s55_numbers_wrap_around_those_that_live)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_login(l);
	struct sluice_channel *first = session(s, "cat"), *c;
	struct sluice_channel_info info = {.size = sizeof(info)};
	char back[2];

	s->next_channel = UINT32_MAX - 1;
	for (unsigned int i = 0; i < 4; i++) {
		c = session(s, "cat");
		cr_assert_eq(sluice_channel_info(c, &info), 0);
		cr_assert_neq(info.id, 0u); /* the first one's */
		cr_assert_eq(sluice_channel_send(c, "ab", 2), 2);
		read_all(c, back, 2);
		cr_assert_eq(sluice_channel_close(c), 0);
		sluice_channel_free(c);
	}
	cr_assert_eq(sluice_channel_send(first, "cd", 2), 2);
	read_all(first, back, 2);
	cr_assert_eq(memcmp(back, "cd", 2), 0);
	sluice_free(s);
	lab_free(l);
}

/* One write of 2^31, 2^32, 2^32 + 1 bytes and what fits into the short run (S-56). */
Test(client_channel, s56_a_write_of_any_size_completes, .timeout = 1200)
{
	static const size_t sizes[] = {(1u << 23) + 1, (size_t)1 << 31, (size_t)1 << 32,
				       ((size_t)1 << 32) + 1};
	unsigned int n = getenv("SLUICE_LONG") != NULL ? 4 : 1;

	for (unsigned int i = 0; i < n; i++) {
		struct lab *l = lab_new();
		struct sluice *s = lab_login(l);
		struct sluice_channel_info info = {.size = sizeof(info)};
		struct sluice_channel *c = session(s, "hold");
		void *p = mmap(NULL, sizes[i], PROT_READ,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		cr_assert_neq(p, MAP_FAILED);
		cr_assert_eq(sluice_channel_send(c, p, sizes[i]), (ssize_t)sizes[i]);
		cr_assert_eq(sluice_channel_info(c, &info), 0);
		cr_assert_eq(info.bytes_out, sizes[i]);
		munmap(p, sizes[i]);
		sluice_free(s);
		lab_free(l);
	}
}

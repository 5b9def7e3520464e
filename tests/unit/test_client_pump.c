/*
 * client/pump/pump.c over a channel of this test's own: whatever was read is sent, or woken for;
 * and remote.c over requests that are answered when the test says so.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/pump/pump.h"
#include "client/shell/remote.h"
#include "client/shell/say.h"
#include "ssh/msg.h"

#define BYTES 150000

static struct {
	size_t sent;
	int fd;             /* whose reads are answered late */
	unsigned int reads; /* of it */
	unsigned int late;  /* so many after the first find nothing, again and again */
} t = {.fd = -1};

/* --- a channel that takes all and says nothing --------------------------------------------------
 */

ssize_t sluice_channel_send(struct sluice_channel *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	t.sent += len;
	return (ssize_t)len;
}

ssize_t sluice_channel_read(struct sluice_channel *c, bool err, void *buf, size_t size)
{
	(void)c;
	(void)err;
	(void)buf;
	(void)size;
	return -SLUICE_E_WOULD_BLOCK;
}

int sluice_channel_eof(struct sluice_channel *c)
{
	(void)c;
	return 0;
}

void sluice_channel_free(struct sluice_channel *c)
{
	(void)c;
}

/* --- requests that are answered before they are said to be under way ---------------------------
 */

static struct {
	struct remotes m;
	int at_once; /* 1: answered by the callback; 2: and the call knows, too */
	int err;
	unsigned int told;
	uint16_t cancelled; /* a port */
} asked;

int sluice_forward_request(struct sluice *s, const char *addr, uint16_t port, uint16_t *ret_port)
{
	(void)s;
	(void)addr;
	(void)port;
	(void)ret_port;
	if (asked.at_once > 0)
		remotes_answered(&asked.m, "tcpip-forward", asked.err, "", 0);
	return asked.at_once == 2 ? asked.err : -SLUICE_E_WOULD_BLOCK;
}

int sluice_forward_request_unix(struct sluice *s, const char *path)
{
	(void)path;
	return sluice_forward_request(s, "", 0, NULL);
}

int sluice_forward_cancel(struct sluice *s, const char *addr, uint16_t port)
{
	(void)s;
	cr_expect_str_eq(addr, "localhost");
	asked.cancelled = port;
	return 0;
}

int sluice_forward_cancel_unix(struct sluice *s, const char *path)
{
	(void)path;
	return sluice_forward_cancel(s, "localhost", 0);
}

int relay_take(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
	       const struct forward_end *target, const struct conf_strs *permit)
{
	(void)r;
	(void)c;
	(void)open;
	(void)target;
	(void)permit;
	return 1;
}

static uint32_t refused; /* the reason of the last one */

int sluice_channel_refuse(struct sluice_channel *c, uint32_t reason, const char *text)
{
	(void)c;
	(void)text;
	refused = reason;
	return 0;
}

void say(enum say_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static void told(void *arg, const struct remote *m)
{
	(void)arg;
	cr_expect(m->answered);
	asked.told++;
}

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	if (fd == t.fd) {
		unsigned int k = t.reads++ % (t.late + 2);

		if (k >= 1 && k <= t.late) {
			errno = EAGAIN;
			return -1;
		}
	}
	return __real_read(fd, buf, n);
}

/* --- tests ------------------------------------------------------------------------------------ */

/* A socket's bytes come in pieces, each after so many looks at it. */
static void all_is_sent(unsigned int late)
{
	static const uint8_t bytes[BYTES];
	struct pump p;
	struct turn turn = {0};
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	cr_assert_eq(write(fd[1], bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	cr_assert_eq(pump_init(&p, NULL, fd[0], fd[0], -1), 0);
	p.c = (struct sluice_channel *)&p; /* looked at by nobody */
	p.own = true;
	p.opened = true;
	t.fd = fd[0];
	t.late = late;
	t.reads = 0;
	t.sent = 0;
	while (t.sent < sizeof(bytes)) {
		turn_begin(&turn);
		pump_prepare(&p, &turn);
		cr_assert(turn.n > 0 || turn.timeout_ms >= 0,
			  "after %zu bytes nothing is waited for, and %zu are not sent", t.sent,
			  p.up.n);
		cr_assert_eq(turn_wait(&turn), 0);
		pump_run(&p, &turn);
	}
	cr_expect_eq(t.sent, sizeof(bytes));
	t.fd = -1;
	turn_fini(&turn);
	pump_fini(&p);
	close(fd[1]);
}

Test(client_pump, what_is_idle_for_its_time_ends)
{
	struct turn turn = {.now_ms = 5000};
	struct pump p;
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	cr_assert_eq(pump_init(&p, NULL, fd[0], fd[0], -1), 0);
	p.c = (struct sluice_channel *)&p; /* looked at by nobody */
	p.own = p.opened = true;
	p.idle_ms = 1000;
	turn.timeout_ms = -1;
	pump_prepare(&p, &turn);
	cr_expect_eq(turn.timeout_ms, 1000, "from its opening");
	turn.now_ms += 999;
	turn.n = 0;
	turn.timeout_ms = -1;
	pump_prepare(&p, &turn);
	cr_expect_eq(turn.timeout_ms, 1);
	cr_assert_eq(write(fd[1], "x", 1), 1);
	turn.v[p.place_in].revents = POLLIN;
	pump_run(&p, &turn);
	turn.v[p.place_in].revents = 0;
	turn.now_ms += 999;
	pump_run(&p, &turn);
	cr_expect_not(p.idle, "a byte went through 999 ms ago");
	turn.now_ms += 1;
	pump_run(&p, &turn);
	cr_expect(p.idle && pump_over(&p));
	turn_fini(&turn);
	pump_fini(&p);
	close(fd[1]);
}

Test(client_pump, what_was_read_at_the_end_of_a_turn_is_sent_in_the_next)
{
	for (unsigned int late = 0; late < 40; late++)
		all_is_sent(late);
}

/* Asked for, refused twice, then given. */
static void ask_again(int at_once)
{
	static struct relays relays;
	const struct forward f = {.listen = {.host = "", .port = 2222}};

	asked.m = (struct remotes){.relays = &relays, .told = told};
	asked.at_once = at_once;
	asked.err = -SLUICE_E_REQUEST;
	asked.told = 0;
	cr_expect_eq(remotes_ask(&asked.m, &f), 0, "it was asked, whatever the answer is");
	for (unsigned int i = 1; i <= 2; i++) {
		if (at_once == 0)
			remotes_answered(&asked.m, "tcpip-forward", asked.err, "", 0);
		cr_expect(remotes_done(&asked.m), "no end of question %u", i);
		cr_expect_eq(remotes_refused(&asked.m), 1);
		cr_expect_eq(asked.told, i);
		asked.err = i == 2 ? 0 : -SLUICE_E_REQUEST;
		remotes_again(&asked.m);
	}
	if (at_once == 0)
		remotes_answered(&asked.m, "tcpip-forward", 0, "", 0);
	cr_expect(remotes_done(&asked.m));
	cr_expect_eq(remotes_refused(&asked.m), 0);
	cr_expect_eq(asked.told, 3);
	remotes_fini(&asked.m);
}

Test(client_pump, a_listener_that_is_refused_or_given_at_once_is_so_once)
{
	for (int at_once = 0; at_once <= 2; at_once++)
		ask_again(at_once);
}

Test(client_pump, a_listener_that_is_cancelled_is_there_no_more)
{
	struct forward one = {.kind = FORWARD_REMOTE, .listen = {.port = 7}}, other = one;
	struct relays relays = {0};

	other.listen.port = 8;
	asked.m = (struct remotes){.relays = &relays, .told = told};
	asked.at_once = 1;
	cr_assert_eq(remotes_ask(&asked.m, &one), 0);
	cr_assert_eq(remotes_ask(&asked.m, &other), 0);
	cr_expect_not_null(remotes_find(&asked.m, &one));
	cr_assert(remotes_cancel(&asked.m, &one));
	cr_expect_eq(asked.cancelled, 7);
	cr_expect_null(remotes_find(&asked.m, &one));
	cr_expect_not(remotes_cancel(&asked.m, &one));
	cr_expect_eq(remotes_refused(&asked.m), 0);
	cr_assert(remotes_cancel(&asked.m, &other));
	cr_expect_eq(asked.m.n, 0, "the places are free");
	cr_expect(remotes_done(&asked.m));
	remotes_again(&asked.m);
	cr_expect_eq(asked.told, 2);
}

/* Of one listener, by whom; ports as a server says them. */
static int opened(struct remotes *m, const char *from)
{
	const struct sluice_open open = {.type = "forwarded-tcpip",
					 .host = "localhost",
					 .port = 2222,
					 .path = "",
					 .origin = from};

	refused = 0;
	return remotes_opened(m, NULL, &open);
}

Test(client_pump, who_comes_from_elsewhere_than_from_says_is_refused_and_counted)
{
	static const struct {
		const char *from;
		bool in;
	} who[] = {{"198.18.0.1", true},
		   {"198.19.255.255", true},
		   {"198.18.3.4", false},
		   {"198.20.0.1", false},
		   {"10.1.2.3", true},
		   {"2001:db8::7", true},
		   {"::1", false},
		   {"", false},
		   {"198.18.0.1.example", false},
		   {"a name", false}};
	static struct relays relays;
	struct remotes m = {.relays = &relays, .told = told};
	uint64_t n = 0;
	struct forward f;

	asked.at_once = 0;
	cr_assert_eq(forward_parse(FORWARD_REMOTE,
				   "2222:h:1\n198.18.0.0/15,!198.18.3.4,10.1.*,2001:db8::/32", &f),
		     0);
	cr_assert_eq(remotes_ask(&m, &f), 0);
	remotes_answered(&m, "tcpip-forward", 0, "", 0);
	for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		cr_expect_eq(opened(&m, who[i].from), who[i].in, "%s", who[i].from);
		cr_expect_eq(refused, who[i].in ? 0 : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
		n += !who[i].in;
		cr_expect_eq(relays.refused, n);
	}
	*m.v[0].f.from = '\0';
	cr_expect_eq(opened(&m, "a name"), 1, "where nothing is said all are wanted");
	remotes_fini(&m);
}

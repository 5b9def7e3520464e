/* client/shell/pump.c over a channel of this test's own: whatever was read is sent, or woken for.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/shell/pump.h"

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
	pump_run(&p, &turn);
	turn.now_ms += 999;
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

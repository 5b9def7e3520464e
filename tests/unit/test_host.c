/*
 * dataplane/stream/host: bytes between descriptors and chains, ends, back-pressure, and that no
 * descriptor and no buffer is left behind on any way out.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/stream/host.h"
#include "tests/util/eal.h"

#define MBUFS 511

static struct pkt_pools pools;
static struct host *h;
static uint64_t now = 1000000;
static unsigned int fds_before, told;
static uint8_t pattern[512 * 1024];

static unsigned int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void host_start(uint32_t streams, uint32_t rx_max)
{
	const struct host_conf conf = {
		.pools = &pools, .streams_max = streams, .doors_max = 2, .rx_max = rx_max};

	cr_assert_eq(host_new(&conf, &h), 0);
}

static void start(void)
{
	eal_start("64");
	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pkt_pools_new("h", MBUFS, 63, SOCKET_ID_ANY, &pools), 0);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8) * 3 + (i >> 16));
	fds_before = fds_open();
	host_start(8, 0);
}

static void end(void)
{
	host_free(h);
	cr_expect_eq(fds_open(), fds_before, "a descriptor was left behind");
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(host, .init = start, .fini = end, .timeout = 60);

/* --- a user, and the world outside ------------------------------------------------------------ */

static void on_ready(struct stream *s)
{
	told++;
	cr_assert_neq(s->events, 0);
}

static const struct stream_user user = {.ready = on_ready};

static unsigned int turn(void)
{
	now += 1;
	return host_poll(h, now, true);
}

static void settle(void)
{
	for (int i = 0; i < 100000; i++)
		if (turn() == 0 && turn() == 0)
			return;
	cr_assert_fail("it does not come to rest");
}

static void pass(uint64_t us)
{
	now += us;
	settle();
}

/* One end as a stream, the other for the test. */
static struct stream *socket_stream(int *ret_other)
{
	struct stream *s;
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	cr_assert_eq(host_open(h, &(struct host_fds){fd[0], fd[0], -1}, &user, NULL, &s), 0);
	cr_assert_eq(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
	*ret_other = fd[1];
	return s;
}

/* A program's three: the test is the program. */
struct program {
	int in, out, err;
	struct stream *s;
};

static struct program program_stream(void)
{
	struct program p;
	int in[2], out[2], err[2];

	cr_assert_eq(pipe(in) | pipe(out) | pipe(err), 0);
	cr_assert_eq(host_open(h, &(struct host_fds){in[1], out[0], err[0]}, &user, NULL, &p.s), 0);
	p.in = in[0];
	p.out = out[1];
	p.err = err[1];
	return p;
}

static void program_close(struct program *p)
{
	close(p->in);
	close(p->out);
	close(p->err);
}

static int give(struct stream *s, uint32_t off, uint32_t n)
{
	struct pkt_chain c;

	cr_assert_eq(pkt_chain_from(pattern + off, n, pools.data, &c), 0);
	return s->ops->tx(s, &c);
}

static void chain_is(struct pkt_chain *c, uint32_t off, uint32_t n)
{
	static uint8_t buf[sizeof(pattern)];

	cr_assert_eq(c->len, n);
	cr_assert(pkt_chain_read(c, 0, buf, n));
	cr_expect_eq(memcmp(buf, pattern + off, n), 0);
	pkt_chain_free(c);
}

static void take_is(struct stream *s, uint32_t max, uint32_t off, uint32_t n)
{
	struct pkt_chain c = {0};

	cr_assert_eq(s->ops->rx_take(s, max, &c), n);
	chain_is(&c, off, n);
}

/* All that can be read there now is the pattern from off; how much it was. */
static uint32_t read_all(int fd, uint32_t off)
{
	static uint8_t buf[sizeof(pattern)];
	uint32_t n = 0;
	ssize_t k;

	while ((k = read(fd, buf + n, sizeof(buf) - n)) > 0)
		n += (uint32_t)k;
	cr_expect_eq(memcmp(buf, pattern + off, n), 0);
	return n;
}

/* --- bytes ---------------------------------------------------------------------------------- */

Test(host, is_connected_at_once_and_says_so_once)
{
	int other;
	struct stream *s = socket_stream(&other);

	cr_expect_eq(told, 1);
	cr_expect_eq(s->kind, STREAM_HOST);
	cr_expect_eq(stream_events(s), STREAM_EV_CONNECTED);
	settle();
	cr_expect_eq(stream_events(s), 0);
	s->ops->abort(s);
	close(other);
}

Test(host, reads_what_the_other_end_says)
{
	int other;
	struct stream *s = socket_stream(&other);

	cr_assert_eq(write(other, pattern, 5000), 5000);
	settle();
	cr_expect(stream_events(s) & STREAM_EV_READABLE);
	cr_expect_eq(s->ops->rx_len(s), 5000);
	take_is(s, 1234, 0, 1234);
	take_is(s, 10000, 1234, 3766);
	cr_expect_eq(s->ops->rx_len(s), 0);
	s->ops->abort(s);
	close(other);
}

Test(host, writes_what_it_is_given_in_order)
{
	int other;
	struct stream *s = socket_stream(&other);

	cr_expect_eq(give(s, 0, 3000), 0);
	cr_expect_eq(give(s, 3000, 1), 0);
	cr_expect_eq(give(s, 3001, 4000), 0);
	cr_expect_eq(s->ops->tx_queued(s), 7001);
	settle();
	cr_expect_eq(s->ops->tx_queued(s), 0);
	cr_expect(stream_events(s) & STREAM_EV_WRITABLE);
	cr_expect_eq(read_all(other, 0), 7001);
	s->ops->abort(s);
	close(other);
}

Test(host, a_reader_that_takes_nothing_stops_the_writer)
{
	int other;
	struct stream *s = socket_stream(&other);
	uint32_t sent = 0, got = 0;
	ssize_t n;

	for (int i = 0; i < 100; i++) {
		while ((n = write(other, pattern + sent, 4096)) > 0)
			sent += (uint32_t)n;
		settle();
	}
	cr_expect_leq(s->ops->rx_len(s), HOST_RX_MAX + HOST_TURN_BYTES);
	cr_expect_geq(s->ops->rx_len(s), HOST_RX_MAX);
	cr_expect_gt(sent, s->ops->rx_len(s), "the rest waits in the kernel");
	while (got < sent) {
		uint32_t k = s->ops->rx_len(s);

		cr_assert_gt(k, 0);
		take_is(s, k, got, k);
		got += k;
		settle();
	}
	s->ops->abort(s);
	close(other);
}

Test(host, a_target_that_reads_nothing_leaves_no_space)
{
	int other;
	struct stream *s = socket_stream(&other);
	uint32_t sent = 0, got = 0;

	while (s->ops->tx_space(s) > 0 && sent < sizeof(pattern)) {
		cr_assert_eq(give(s, sent, 8192), 0);
		sent += 8192;
		settle();
	}
	cr_assert_lt(sent, sizeof(pattern), "it takes no more");
	cr_expect_leq(s->ops->tx_queued(s), HOST_TX_MAX + 8192);
	while (got < sent) {
		got += read_all(other, got);
		settle();
	}
	cr_expect_eq(got, sent);
	cr_expect_eq(s->ops->tx_space(s), HOST_TX_MAX);
	s->ops->abort(s);
	close(other);
}

Test(host, crumbs_do_not_hold_a_buffer_each)
{
	int other;
	struct stream *s = socket_stream(&other);

	for (uint32_t i = 0; i < 2000; i++) {
		cr_assert_eq(write(other, pattern + i, 1), 1);
		turn();
	}
	cr_expect_lt(eal_out(pools.data), 40, "%u", eal_out(pools.data));
	take_is(s, 5000, 0, 2000);
	for (uint32_t i = 0; i < 300; i++)
		cr_assert_eq(give(s, i, 1), 0);
	cr_expect_lt(eal_out(pools.data), 120, "%u", eal_out(pools.data));
	s->ops->abort(s);
	close(other);
}

/* --- a program ------------------------------------------------------------------------------ */

Test(host, err_is_apart_from_out)
{
	struct program p = program_stream();
	struct pkt_chain c = {0};

	cr_assert_eq(write(p.out, pattern, 100), 100);
	cr_assert_eq(write(p.err, pattern + 100, 50), 50);
	settle();
	cr_expect_eq(p.s->ops->rx_len(p.s), 100);
	cr_expect_eq(p.s->ops->err_len(p.s), 50);
	cr_assert_eq(p.s->ops->err_take(p.s, 1000, &c), 50);
	chain_is(&c, 100, 50);
	take_is(p.s, 1000, 0, 100);
	p.s->ops->abort(p.s);
	program_close(&p);
}

Test(host, the_end_is_that_of_out_and_err)
{
	struct program p = program_stream();

	cr_assert_eq(write(p.err, pattern, 10), 10);
	close(p.out);
	settle();
	cr_expect_not(stream_events(p.s) & STREAM_EV_EOF);
	close(p.err);
	settle();
	cr_expect(stream_events(p.s) & STREAM_EV_EOF);
	cr_expect_eq(p.s->ops->err_len(p.s), 10, "and ten bytes wait");
	cr_expect_eq(give(p.s, 0, 10), 0, "it may still be written to");
	{
		struct pkt_chain c = {0};

		cr_expect_eq(p.s->ops->err_take(p.s, 10, &c), 10);
		pkt_chain_free(&c);
	}
	p.s->ops->abort(p.s);
	close(p.in);
}

Test(host, shutdown_closes_in_behind_what_is_queued)
{
	struct program p = program_stream();
	uint8_t buf[200];

	cr_assert_eq(give(p.s, 0, 100), 0);
	p.s->ops->shutdown(p.s);
	cr_expect_eq(give(p.s, 0, 1), -EPIPE);
	settle();
	cr_expect_eq(read(p.in, buf, sizeof(buf)), 100);
	cr_expect_eq(read(p.in, buf, sizeof(buf)), 0);
	cr_assert_eq(write(p.out, pattern, 100), 100, "it may still speak");
	settle();
	take_is(p.s, 100, 0, 100);
	p.s->ops->abort(p.s);
	program_close(&p);
}

Test(host, a_program_that_closes_its_input_may_go_on_speaking)
{
	struct program p = program_stream();

	stream_events(p.s);
	close(p.in);
	settle();
	cr_expect_eq(stream_events(p.s) & (STREAM_EV_DEAF | STREAM_EV_ERROR), STREAM_EV_DEAF);
	cr_expect_eq(give(p.s, 0, 10), -EPIPE);
	cr_expect_eq(p.s->ops->tx_space(p.s), 0);
	cr_assert_eq(write(p.out, pattern, 10), 10);
	settle();
	take_is(p.s, 100, 0, 10);
	p.s->ops->abort(p.s);
	close(p.out);
	close(p.err);
}

Test(host, what_was_queued_for_a_deaf_one_is_dropped_and_told)
{
	struct program p = program_stream();
	static const uint32_t n = 128 * 1024; /* more than a pipe holds */

	cr_assert_eq(give(p.s, 0, n), 0);
	settle();
	cr_expect_gt(p.s->ops->tx_queued(p.s), 0);
	stream_events(p.s);
	close(p.in);
	settle();
	cr_expect_eq(p.s->ops->tx_queued(p.s), 0);
	cr_expect(stream_events(p.s) & STREAM_EV_WRITABLE);
	p.s->ops->abort(p.s);
	close(p.out);
	close(p.err);
}

Test(host, a_terminal_hangs_up_as_an_end)
{
	struct stream *s;
	int master, slave;
	struct pkt_chain c = {0};
	struct winsize size;

	cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	cr_assert_eq(host_open(h, &(struct host_fds){master, master, -1}, &user, NULL, &s), 0);
	host_stream_size(s, 132, 43, 0, 0);
	cr_assert_eq(ioctl(slave, TIOCGWINSZ, &size), 0);
	cr_expect_eq(size.ws_col, 132);
	cr_expect_eq(size.ws_row, 43);
	cr_assert_eq(write(slave, "bye", 3), 3);
	settle();
	cr_expect_eq(s->ops->rx_take(s, 10, &c), 3);
	pkt_chain_free(&c);
	close(slave);
	settle();
	cr_expect_eq(stream_events(s) & (STREAM_EV_EOF | STREAM_EV_ERROR), STREAM_EV_EOF);
	s->ops->abort(s);
}

Test(host, what_cannot_be_watched_is_always_ready)
{
	const struct host_fds fds = {open("/dev/null", O_WRONLY), open("/dev/zero", O_RDONLY), -1};
	struct stream *s;

	cr_assert_eq(host_open(h, &fds, &user, NULL, &s), 0);
	for (int i = 0; i < 10; i++)
		turn();
	cr_expect_geq(s->ops->rx_len(s), HOST_RX_MAX);
	cr_expect_eq(give(s, 0, 1000), 0);
	turn();
	cr_expect_eq(s->ops->tx_queued(s), 0);
	s->ops->abort(s);
}

/* --- ends of sockets ------------------------------------------------------------------------- */

Test(host, halves_of_a_socket_end_apart)
{
	int other;
	struct stream *s = socket_stream(&other);
	uint8_t b;

	s->ops->shutdown(s);
	settle();
	cr_expect_eq(read(other, &b, 1), 0);
	cr_assert_eq(write(other, pattern, 10), 10);
	settle();
	take_is(s, 10, 0, 10);
	shutdown(other, SHUT_WR);
	settle();
	cr_expect(stream_events(s) & STREAM_EV_EOF);
	s->ops->close(s);
	settle();
	cr_expect_eq(host_streams(h), 0);
	close(other);
}

Test(host, close_writes_what_is_queued_first)
{
	int other;
	struct stream *s = socket_stream(&other);
	uint32_t got = 0;

	cr_assert_eq(give(s, 0, 400000), 0);
	s->ops->close(s);
	while (got < 400000) {
		settle();
		got += read_all(other, got);
	}
	cr_expect_eq(host_streams(h), 1, "until the other end says its end");
	close(other);
	settle();
	cr_expect_eq(host_streams(h), 0);
}

Test(host, what_comes_after_a_close_is_nobodys)
{
	int other;
	struct stream *s = socket_stream(&other);

	s->ops->close(s);
	settle();
	cr_assert_eq(write(other, pattern, 60000), 60000);
	settle();
	cr_expect_eq(host_streams(h), 1);
	pass(HOST_DRAIN_US);
	cr_expect_eq(host_streams(h), 0);
	cr_expect_eq(host_counters(h)[HOST_C_LINGERED], 1);
	close(other);
}

Test(host, one_that_reads_nothing_does_not_keep_a_closed_stream)
{
	int other;
	struct stream *s = socket_stream(&other);

	cr_assert_eq(give(s, 0, 400000), 0);
	s->ops->close(s);
	settle();
	pass(HOST_LINGER_US - 1000);
	cr_expect_eq(host_streams(h), 1);
	cr_expect_leq(host_next_timer_us(h), now + HOST_LINGER_US);
	pass(2000);
	cr_expect_eq(host_streams(h), 0);
	cr_expect_eq(host_next_timer_us(h), UINT64_MAX);
	close(other);
}

/* What its last user hears: how much of it is queued, down to nothing, once. */
static uint32_t left, left_ends;

static void on_left(struct stream *s, uint32_t queued)
{
	(void)s;
	cr_expect_leq(queued, left);
	left = queued;
	left_ends += queued == 0;
}

static void close_heard(struct stream *s)
{
	static const struct stream_user leaving = {.left = on_left};

	left = s->ops->tx_queued(s);
	left_ends = 0;
	cr_assert_gt(left, 0);
	s->user = &leaving;
	s->ops->close(s);
	settle();
	cr_expect(left > 0 && left_ends == 0);
}

Test(host, what_a_close_left_is_told_until_it_is_gone)
{
	enum { IT_READS, IT_GOES, NOBODY_COMES, ALL_ENDS, ENDS };

	for (int how = 0; how < ENDS; how++) {
		int other;
		struct stream *s = socket_stream(&other);
		uint32_t got = 0, before;

		cr_assert_eq(give(s, 0, 400000), 0);
		settle();
		close_heard(s);
		before = left;
		while (how == IT_READS && got < 400000) {
			got += read_all(other, got);
			settle();
			cr_expect(left < before || left == 0);
			before = left;
		}
		if (how == IT_GOES)
			close(other);
		settle();
		if (how == NOBODY_COMES)
			pass(HOST_LINGER_US);
		if (how == ALL_ENDS) {
			host_free(h);
			host_start(8, 0);
		}
		cr_expect_eq(left_ends, how != ALL_ENDS, "%d", how);
		cr_expect_eq(left == 0, how != ALL_ENDS);
		if (how != IT_GOES)
			close(other);
		settle();
	}
}

/* Of a pipe whose reader has gone nobody but the write tells. */
Test(host, what_a_close_left_in_a_pipe_goes_with_its_reader)
{
	struct program p = program_stream();

	cr_assert_eq(give(p.s, 0, 400000), 0);
	settle();
	close_heard(p.s);
	program_close(&p);
	settle();
	cr_expect(left == 0 && left_ends == 1);
	cr_expect_eq(host_streams(h), 0);
}

Test(host, a_reset_is_an_error)
{
	const struct linger at_once = {1, 0};
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct stream *s;

	cr_assert_eq(bind(listener, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (void *)&sa, &len), 0);
	cr_assert_eq(connect(other, (void *)&sa, sizeof(sa)), 0);
	fd = accept(listener, NULL, NULL);
	cr_assert_eq(host_open_socket(h, fd, &s), 0);
	s->user = &user;
	setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(other);
	settle();
	cr_expect(stream_events(s) & STREAM_EV_ERROR);
	cr_expect_eq(s->err, -ECONNRESET);
	cr_expect_eq(give(s, 0, 10), -EPIPE);
	s->ops->close(s);
	cr_expect_eq(host_streams(h), 0, "there is nothing to wait for");
	close(listener);
}

Test(host, a_socket_has_the_class_it_is_given)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa), size = sizeof(int);
	int listener = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct stream *s;
	int qos = 0;

	cr_assert_eq(bind(listener, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (void *)&sa, &len), 0);
	cr_assert_eq(connect(other, (void *)&sa, sizeof(sa)), 0);
	fd = accept(listener, NULL, NULL);
	cr_assert_eq(host_open_socket(h, fd, &s), 0);
	host_stream_qos(s, 0xb8);
	cr_assert_eq(getsockopt(fd, IPPROTO_IP, IP_TOS, &qos, &size), 0);
	cr_expect_eq(qos, 0xb8);
	s->ops->abort(s);
	close(other);
	close(listener);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	cr_assert_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* Linux counts its own part of a buffer, and doubles what is asked for. */
Test(host, sockets_of_tcp_have_the_buffers_and_the_delay_they_are_given)
{
	const struct host_conf conf = {
		.pools = &pools, .streams_max = 2, .rcvbuf = 65536, .sndbuf = 32768};
	int fd = socket(AF_INET, SOCK_STREAM, 0), pair[2], before;
	struct stream *s;

	host_free(h);
	cr_assert_eq(host_new(&conf, &h), 0);
	cr_assert_eq(host_open_socket(h, fd, &s), 0);
	cr_expect_eq(option(fd, SOL_SOCKET, SO_RCVBUF), 2 * 65536);
	cr_expect_eq(option(fd, SOL_SOCKET, SO_SNDBUF), 2 * 32768);
	cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
	host_stream_nodelay(s, true);
	cr_expect_neq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	host_stream_nodelay(s, false);
	cr_expect_eq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	host_stream_nodelay(s, true);
	cr_expect_neq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	s->ops->abort(s);
	/* Others are as they were made. */
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	before = option(pair[0], SOL_SOCKET, SO_RCVBUF);
	cr_assert_eq(host_open_socket(h, pair[0], &s), 0);
	host_stream_nodelay(s, false);
	cr_expect_eq(option(pair[0], SOL_SOCKET, SO_RCVBUF), before);
	s->ops->abort(s);
	close(pair[1]);
}

Test(host, abort_resets_tcp)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
	struct stream *s;
	uint8_t b;

	cr_assert_eq(bind(listener, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (void *)&sa, &len), 0);
	cr_assert_eq(connect(other, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(host_open_socket(h, accept(listener, NULL, NULL), &s), 0);
	s->ops->abort(s);
	cr_expect_eq(read(other, &b, 1), -1);
	cr_expect_eq(errno, ECONNRESET);
	close(other);
	close(listener);
}

/* What the kernel took is the kernel's to deliver: that we wait no longer must not cut it. */
Test(host, a_slow_reader_gets_all_of_a_stream_that_was_closed)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
	const int small = 16 * 1024, large = sizeof(pattern), n = 400000;
	struct stream *s;
	uint32_t got = 0;
	int fd;

	setsockopt(other, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	cr_assert_eq(bind(listener, (void *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (void *)&sa, &len), 0);
	cr_assert_eq(connect(other, (void *)&sa, sizeof(sa)), 0);
	fd = accept(listener, NULL, NULL);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	cr_assert_eq(host_open_socket(h, fd, &s), 0);
	cr_assert_eq(give(s, 0, (uint32_t)n), 0);
	for (int i = 0; i < 1000 && s->ops->tx_queued(s) > 0; i++)
		settle();
	cr_assert_eq(s->ops->tx_queued(s), 0, "all of it is the kernel's");
	s->ops->close(s);
	settle();
	pass(HOST_DRAIN_US);
	cr_assert_eq(host_streams(h), 0);
	while (got < (uint32_t)n) {
		uint8_t buf[8192];
		ssize_t k = read(other, buf, sizeof(buf));

		cr_assert_gt(k, 0, "%u bytes came", got);
		cr_expect_eq(memcmp(buf, pattern + got, (size_t)k), 0);
		got += (uint32_t)k;
	}
	cr_expect_eq(read(other, pattern, 1), 0, "and its end");
	close(other);
	close(listener);
}

/* --- refusals ------------------------------------------------------------------------------- */

Test(host, no_descriptor_at_all_is_no_stream)
{
	struct stream *s;

	cr_expect_eq(host_open(h, &host_no_fds, &user, NULL, &s), -EBADF);
	cr_expect_eq(host_open(h, &(struct host_fds){999, 999, -1}, &user, NULL, &s), -EBADF);
	cr_expect_eq(host_streams(h), 0);
}

Test(host, one_that_is_not_open_takes_the_others_with_it)
{
	struct stream *s;
	int fd = open("/dev/null", O_RDWR);

	cr_expect_eq(host_open(h, &(struct host_fds){fd, 999, -1}, &user, NULL, &s), -EBADF);
	cr_expect_eq(fcntl(fd, F_GETFD), -1, "it was taken and closed");
}

Test(host, a_full_table_refuses_and_closes)
{
	struct stream *s[9];
	int other[8], fd = open("/dev/null", O_RDWR);

	for (int i = 0; i < 8; i++)
		s[i] = socket_stream(&other[i]);
	cr_expect_eq(host_open_socket(h, fd, &s[8]), -ENOBUFS);
	cr_expect_eq(fcntl(fd, F_GETFD), -1);
	cr_expect_eq(host_counters(h)[HOST_C_TABLE_FULL], 1);
	s[3]->ops->abort(s[3]);
	close(other[3]);
	s[3] = socket_stream(&other[3]);
	for (int i = 0; i < 8; i++) {
		s[i]->ops->abort(s[i]);
		close(other[i]);
	}
}

Test(host, a_limit_that_changes_ends_nothing)
{
	struct stream *s[3], *none;
	int other[3], fd;

	host_limit(h, 2);
	s[0] = socket_stream(&other[0]);
	s[1] = socket_stream(&other[1]);
	fd = open("/dev/null", O_RDWR);
	cr_expect_eq(host_open_socket(h, fd, &none), -ENOBUFS);
	host_limit(h, 1);
	cr_expect_eq(host_streams(h), 2);
	s[0]->ops->abort(s[0]);
	fd = open("/dev/null", O_RDWR);
	cr_expect_eq(host_open_socket(h, fd, &none), -ENOBUFS, "one is there");
	host_limit(h, 100);
	cr_expect_eq(host_streams_max(h), 8, "there are no more places");
	s[0] = socket_stream(&other[2]);
	s[2] = socket_stream(&fd);
	for (int i = 0; i < 3; i++) {
		s[i]->ops->abort(s[i]);
		close(other[i]);
	}
	close(fd);
}

Test(host, out_and_err_that_are_one_are_read_once)
{
	int fd[2];
	struct stream *s;

	cr_assert_eq(pipe(fd), 0);
	cr_assert_eq(host_open(h, &(struct host_fds){-1, fd[0], fd[0]}, &user, NULL, &s), 0);
	cr_assert_eq(write(fd[1], pattern, 100), 100);
	close(fd[1]);
	settle();
	cr_expect_eq(s->ops->rx_len(s), 100);
	cr_expect_eq(s->ops->err_len(s), 0);
	cr_expect(stream_events(s) & STREAM_EV_EOF);
	s->ops->abort(s);
}

Test(host, all_is_closed_with_the_instance)
{
	int other[3];
	struct stream *s;

	s = socket_stream(&other[0]);
	cr_assert_eq(give(s, 0, 300000), 0);
	s = socket_stream(&other[1]);
	s->ops->close(s);
	s = socket_stream(&other[2]);
	cr_assert_eq(write(other[2], pattern, 1000), 1000);
	settle();
	for (int i = 0; i < 3; i++)
		close(other[i]);
}

Test(host, a_copy_that_somebody_kept_does_not_wake_a_stream_that_is_gone)
{
	struct stream *s;
	int fd[2], kept;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	kept = dup(fd[0]);
	cr_assert_eq(host_open_socket(h, fd[0], &s), 0);
	s->ops->abort(s);
	cr_assert_eq(write(fd[1], pattern, 100), 100);
	cr_expect_eq(host_streams(h), 0);
	s = socket_stream(&fd[0]);
	settle();
	cr_expect_eq(s->ops->rx_len(s), 0);
	s->ops->abort(s);
	close(fd[0]);
	close(fd[1]);
	close(kept);
}

/* --- shortage, and who is served ------------------------------------------------------------ */

Test(host, without_buffers_nothing_is_read_and_nothing_is_lost)
{
	struct rte_mbuf *m[MBUFS];
	unsigned int n = 0;
	int other;
	struct stream *s = socket_stream(&other);

	while (n < MBUFS && (m[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	cr_assert_eq(write(other, pattern, 3000), 3000);
	settle();
	cr_expect_eq(s->ops->rx_len(s), 0);
	cr_expect_gt(host_counters(h)[HOST_C_SHORT], 0);
	cr_expect_leq(host_next_timer_us(h), now + HOST_RETRY_US);
	while (n > 0)
		rte_pktmbuf_free(m[--n]);
	pass(HOST_RETRY_US);
	take_is(s, 5000, 0, 3000);
	s->ops->abort(s);
	close(other);
}

Test(host, a_take_that_found_no_buffer_is_told_when_there_is_one)
{
	struct rte_mbuf *m[MBUFS];
	struct pkt_chain c = {0};
	unsigned int n = 0;
	int other;
	struct stream *s = socket_stream(&other);

	cr_assert_eq(write(other, pattern, 1500), 1500);
	settle();
	while (n < MBUFS && (m[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	stream_events(s);
	/* The larger part is copied nowhere, the smaller has nowhere to go. */
	if (s->ops->rx_take(s, 700, &c) == 0) {
		cr_expect_eq(stream_events(s), 0);
		while (n > 0)
			rte_pktmbuf_free(m[--n]);
		pass(HOST_RETRY_US);
		cr_expect(stream_events(s) & STREAM_EV_READABLE);
	}
	while (n > 0)
		rte_pktmbuf_free(m[--n]);
	pkt_chain_free(&c);
	s->ops->abort(s);
	close(other);
}

Test(host, one_that_says_much_leaves_the_others_their_turn)
{
	int other[8];
	struct stream *s[8];

	host_free(h);
	host_start(8, 16 * 1024);
	for (int i = 0; i < 8; i++) {
		s[i] = socket_stream(&other[i]);
		while (write(other[i], pattern, 4096) > 0)
			;
	}
	for (int i = 0; i < 16; i++)
		turn();
	for (int i = 0; i < 8; i++)
		cr_expect_geq(s[i]->ops->rx_len(s[i]), 16 * 1024, "stream %d", i);
	for (int i = 0; i < 8; i++) {
		s[i]->ops->abort(s[i]);
		close(other[i]);
	}
}

Test(host, the_set_is_not_asked_in_every_turn)
{
	int other;
	struct stream *s = socket_stream(&other);
	uint64_t before;

	settle();
	before = host_counters(h)[HOST_C_LOOKS];
	for (int i = 0; i < HOST_LOOK_TURNS; i++)
		host_poll(h, now, false);
	cr_expect_eq(host_counters(h)[HOST_C_LOOKS], before + 1);
	host_poll(h, now + HOST_LOOK_US + 1, false);
	cr_expect_eq(host_counters(h)[HOST_C_LOOKS], before + 2);
	s->ops->abort(s);
	close(other);
}

Test(host, the_set_wakes_who_sleeps_on_it)
{
	int other;
	struct stream *s = socket_stream(&other);
	struct pollfd p = {.fd = host_fd(h), .events = POLLIN};

	settle();
	cr_expect_eq(poll(&p, 1, 0), 0);
	cr_assert_eq(write(other, pattern, 1), 1);
	cr_expect_eq(poll(&p, 1, 0), 1);
	settle();
	cr_expect_eq(poll(&p, 1, 0), 0);
	s->ops->abort(s);
	close(other);
}

/* --- who comes in --------------------------------------------------------------------------------
 */

static struct stream *came[16];
static unsigned int n_came;
static bool unwanted, closes;
static struct net_addr came_from;
static uint16_t came_port;

static bool on_came(void *arg, uint32_t door, struct stream *s, const struct net_addr *peer,
		    uint16_t peer_port)
{
	cr_expect_eq(arg, &n_came);
	cr_expect_eq(door, 1);
	came_from = *peer;
	came_port = peer_port;
	if (closes)
		host_door_close(h, door);
	if (unwanted)
		return false;
	s->user = &user;
	came[n_came++] = s;
	return true;
}

static int loopback_socket(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*ret = (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static void door_open(struct sockaddr_in *ret)
{
	int fd = loopback_socket(ret);

	cr_assert_eq(listen(fd, 16), 0);
	cr_assert_eq(host_door_open(h, 1, fd, on_came, &n_came), 0);
}

static int knock(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	return fd;
}

static void all_leave(void)
{
	while (n_came > 0) {
		n_came--;
		came[n_came]->ops->abort(came[n_came]);
	}
}

Test(host, who_comes_in_is_a_stream)
{
	struct sockaddr_in at;
	struct pkt_chain c = {0};
	int fd;

	door_open(&at);
	settle();
	fd = knock(&at);
	cr_assert_eq(write(fd, "early", 5), 5);
	settle();
	cr_assert_eq(n_came, 1);
	cr_expect_eq(came_from.family, 4);
	cr_expect_eq(came_from.b[0], 127);
	cr_expect_neq(came_port, 0);
	cr_expect_eq(came[0]->ops->rx_take(came[0], 100, &c), 5);
	pkt_chain_free(&c);
	all_leave();
	close(fd);
}

Test(host, who_is_not_wanted_is_reset)
{
	struct sockaddr_in at;
	char b;
	int fd;

	door_open(&at);
	unwanted = true;
	fd = knock(&at);
	settle();
	cr_expect_eq(recv(fd, &b, 1, 0), -1);
	cr_expect_eq(errno, ECONNRESET);
	cr_expect_eq(host_counters(h)[HOST_C_UNWANTED], 1);
	cr_expect_eq(host_streams(h), 0);
	close(fd);
}

Test(host, a_door_may_be_closed_by_who_came_in)
{
	struct sockaddr_in at;
	int fd, late;

	door_open(&at);
	closes = true;
	fd = knock(&at);
	late = knock(&at);
	settle();
	cr_expect_eq(n_came, 1, "the other one found it closed");
	host_door_close(h, 1);
	all_leave();
	close(fd);
	close(late);
}

Test(host, who_finds_the_table_full_is_closed)
{
	struct sockaddr_in at;
	int fd[10];

	door_open(&at);
	for (int i = 0; i < 10; i++)
		fd[i] = knock(&at);
	settle();
	cr_expect_eq(n_came, 8);
	cr_expect_eq(host_counters(h)[HOST_C_TABLE_FULL], 2);
	all_leave();
	for (int i = 0; i < 10; i++)
		close(fd[i]);
}

/* F-11: nothing tells when there is one: who waits is found by the next look. */
Test(host, who_finds_no_descriptor_waits_at_the_door)
{
	int lowest = dup(STDERR_FILENO), fd;
	struct rlimit was, none;
	struct sockaddr_in at;

	close(lowest);
	door_open(&at);
	fd = knock(&at);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){(rlim_t)lowest, was.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	settle();
	cr_expect_eq(n_came, 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	settle();
	cr_expect_eq(n_came, 1);
	all_leave();
	close(fd);
}

Test(host, what_does_not_listen_is_no_door)
{
	struct sockaddr_in at;
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	cr_expect_eq(host_door_open(h, 0, loopback_socket(&at), on_came, NULL), -EINVAL);
	cr_expect_eq(host_door_open(h, 0, fd[0], on_came, NULL), -EINVAL);
	cr_expect_eq(host_door_open(h, 0, open("/dev/null", O_RDWR), on_came, NULL), -EINVAL);
	close(fd[1]);
}

Test(host, a_door_ends_with_the_instance)
{
	struct sockaddr_in at;

	door_open(&at);
}

Test(host, a_door_wakes_who_sleeps_on_the_set)
{
	struct pollfd p = {.fd = host_fd(h), .events = POLLIN};
	struct sockaddr_in at;
	int fd;

	door_open(&at);
	settle();
	cr_expect_eq(poll(&p, 1, 0), 0);
	fd = knock(&at);
	cr_expect_eq(poll(&p, 1, 1000), 1);
	settle();
	all_leave();
	close(fd);
}

/* --- records ------------------------------------------------------------------------------------
 */

static void cut(struct stream *s, uint32_t max, const char *eol)
{
	struct link_chan_cut how = {.token = 1, .max = max, .eol_len = (uint8_t)strlen(eol)};

	memcpy(how.eol, eol, strlen(eol));
	host_stream_cut(s, &how);
}

static void give_text(struct stream *s, const char *text)
{
	struct pkt_chain c;

	cr_assert_eq(pkt_chain_from(text, (uint32_t)strlen(text), pools.data, &c), 0);
	cr_assert_eq(s->ops->tx(s, &c), 0);
	settle();
}

/* The next frame is this one. */
static void frame_is(int fd, enum host_frame kind, const void *bytes, uint32_t len)
{
	static uint8_t buf[HOST_FRAME_HEAD + LINK_RECORD_MAX];

	cr_assert_eq(read(fd, buf, HOST_FRAME_HEAD), HOST_FRAME_HEAD);
	cr_expect_eq(buf[4], kind, "kind %u", buf[4]);
	cr_assert_eq((uint32_t)buf[0] << 24 | buf[1] << 16 | buf[2] << 8 | buf[3], len);
	cr_assert_eq(read(fd, buf, len), (ssize_t)len);
	cr_expect_eq(memcmp(buf, bytes, len), 0);
}

static void text_is(int fd, enum host_frame kind, const char *text)
{
	frame_is(fd, kind, text, (uint32_t)strlen(text));
}

static void nothing_is(int fd)
{
	uint8_t byte;

	cr_expect_eq(read(fd, &byte, 1), -1);
}

static struct stream *cut_stream(int *ret_other, uint32_t max, const char *eol)
{
	static const uint8_t credit[] = {0, HOST_RX_MAX >> 16, 0, 0};
	struct stream *s = socket_stream(ret_other);

	cut(s, max, eol);
	settle();
	frame_is(*ret_other, HOST_FRAME_READY, credit, sizeof(credit));
	cr_expect_eq(s->ops->tx_queued(s), 0, "no byte of its user's");
	return s;
}

Test(host, records_of_so_many_bytes_and_a_rest)
{
	int other;
	struct stream *s = cut_stream(&other, 4, "");

	give_text(s, "abcdefghij");
	text_is(other, HOST_FRAME_DATA, "abcd");
	text_is(other, HOST_FRAME_DATA, "efgh");
	nothing_is(other);
	cr_expect_eq(s->ops->tx_queued(s), 2, "what is held is not taken");
	give_text(s, "kl");
	text_is(other, HOST_FRAME_DATA, "ijkl");
	cr_expect_eq(s->ops->tx_queued(s), 0);
	give_text(s, "m");
	s->ops->shutdown(s);
	settle();
	text_is(other, HOST_FRAME_PART, "m");
	cr_expect_eq(read(other, pattern, 1), 0, "its end is behind it");
	s->ops->abort(s);
	close(other);
}

Test(host, records_with_an_end)
{
	int other;
	struct stream *s = cut_stream(&other, 6, "\r\n");

	give_text(s, "a\r");
	nothing_is(other);
	give_text(s, "\nb\n\r\r\n\r\n12345678");
	text_is(other, HOST_FRAME_DATA, "a\r\n");
	text_is(other, HOST_FRAME_DATA, "b\n\r\r\n");
	text_is(other, HOST_FRAME_DATA, "\r\n");
	text_is(other, HOST_FRAME_PART, "123456");
	nothing_is(other);
	/* What ended another record is none of this one's. */
	give_text(s, "1234\r");
	text_is(other, HOST_FRAME_PART, "781234");
	give_text(s, "\n!\r\n");
	text_is(other, HOST_FRAME_DATA, "\r\n");
	text_is(other, HOST_FRAME_DATA, "!\r\n");
	give_text(s, "rest");
	s->ops->close(s);
	settle();
	text_is(other, HOST_FRAME_PART, "rest");
	close(other);
	settle();
}

Test(host, records_may_be_others_at_any_time)
{
	int other;
	struct stream *s = cut_stream(&other, 0, "");

	give_text(s, "as it comes");
	text_is(other, HOST_FRAME_DATA, "as it comes");
	cut(s, 100, "\n");
	give_text(s, "12345");
	nothing_is(other);
	cut(s, 2, "");
	settle();
	text_is(other, HOST_FRAME_DATA, "12");
	text_is(other, HOST_FRAME_DATA, "34");
	nothing_is(other);
	cut(s, 0, "");
	settle();
	text_is(other, HOST_FRAME_DATA, "5");
	cut(s, 8, "12345678");
	give_text(s, "12345678");
	text_is(other, HOST_FRAME_DATA, "12345678");
	s->ops->abort(s);
	close(other);
}

static int give_ext(struct stream *s, uint32_t data_type, const char *text)
{
	struct pkt_chain c;

	cr_assert_eq(pkt_chain_from(text, (uint32_t)strlen(text), pools.data, &c), 0);
	return s->ops->tx_ext(s, data_type, &c);
}

/* In its place among the records; one that has no end yet goes on behind it. */
Test(host, extended_data_is_a_frame_of_its_own)
{
	int other;
	struct stream *s = cut_stream(&other, 4, "");

	give_text(s, "abcdef");
	cr_assert_eq(give_ext(s, 1, "bad"), 0);
	cr_expect_eq(s->ops->tx_queued(s), 5, "its bytes, and what is held, without their heads");
	settle();
	cr_expect_eq(s->ops->tx_queued(s), 2);
	give_text(s, "gh");
	cr_assert_eq(give_ext(s, 0x01020304, "x"), 0);
	settle();
	text_is(other, HOST_FRAME_DATA, "abcd");
	frame_is(other, HOST_FRAME_EXT, "\0\0\0\1bad", 7);
	text_is(other, HOST_FRAME_DATA, "efgh");
	frame_is(other, HOST_FRAME_EXT, "\1\2\3\4x", 5);
	nothing_is(other);
	cr_expect_eq(s->ops->tx_queued(s), 0);
	s->ops->shutdown(s);
	cr_expect_eq(give_ext(s, 1, "late"), -EPIPE);
	s->ops->close(s);
	settle();
	cr_expect_eq(read(other, pattern, 1), 0);
	close(other);
	settle();
}

Test(host, extended_data_of_a_byte_each_costs_no_buffer_each)
{
	int other;
	struct stream *s = cut_stream(&other, 0, "");
	uint32_t before = eal_out(pools.data);

	for (unsigned int i = 0; i < 2000; i++)
		cr_assert_eq(give_ext(s, 1, "x"), 0);
	cr_expect_eq(s->ops->tx_queued(s), 2000);
	cr_expect_leq(eal_out(pools.data) - before, 200);
	s->ops->abort(s);
	close(other);
}

/* A record of these bytes by the words of host.h: how long it is, 0: it has no end yet. */
static uint32_t record_of(const struct link_chan_cut *how, const uint8_t *p, uint32_t n,
			  enum host_frame *ret_kind)
{
	uint32_t most = RTE_MIN(n, how->max);

	*ret_kind = HOST_FRAME_DATA;
	for (uint32_t k = how->eol_len; how->eol_len > 0 && k <= most; k++)
		if (memcmp(p + k - how->eol_len, how->eol, how->eol_len) == 0)
			return k;
	if (n < how->max)
		return 0;
	*ret_kind = how->eol_len > 0 ? HOST_FRAME_PART : HOST_FRAME_DATA;
	return how->max;
}

/* Few letters, so that ends overlap and are cut through; pieces of any size, and other records. */
Test(host, records_are_what_they_are_said_to_be)
{
	static uint8_t text[2000];
	int other;
	struct stream *s = cut_stream(&other, 1, "");
	struct link_chan_cut how = {.token = 1, .max = 1};
	uint32_t given = 0, had = 0;
	enum host_frame kind;

	srandom(1);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)('a' + random() % 2);
	while (given < sizeof(text)) {
		uint32_t n = RTE_MIN((uint32_t)(random() % 30), (uint32_t)sizeof(text) - given);
		struct pkt_chain c, more = {0};

		if (random() % 8 == 0) {
			how.eol_len = (uint8_t)(random() % (LINK_EOL_MAX / 2));
			how.max = how.eol_len + 1 + (uint32_t)(random() % 40);
			for (unsigned int i = 0; i < how.eol_len; i++)
				how.eol[i] = (uint8_t)('a' + random() % 2);
			host_stream_cut(s, &how);
		}
		for (uint32_t k; n > 0; n -= k, given += k) { /* an mbuf each */
			k = 1 + (uint32_t)(random() % n);
			cr_assert_eq(pkt_chain_from(text + given, k, pools.data, &c), 0);
			pkt_chain_join(&more, &c);
		}
		cr_assert_eq(s->ops->tx(s, &more), 0);
		settle();
		for (uint32_t k; (k = record_of(&how, text + had, given - had, &kind)) > 0; had += k)
			frame_is(other, kind, text + had, k);
		nothing_is(other);
		cr_expect_eq(s->ops->tx_queued(s), given - had);
	}
	s->ops->abort(s);
	close(other);
}

/* A frame costs its bytes, and who reads none stops who sends, not the shard. */
Test(host, records_of_a_byte_each_cost_no_buffer_each)
{
	int other;
	struct stream *s = cut_stream(&other, 1, "");
	const uint32_t n = 16384;
	uint32_t before = eal_out(pools.data), got = 0;
	uint8_t frame[HOST_FRAME_HEAD + 1];

	cr_assert_eq(give(s, 0, n), 0);
	cr_expect_eq(s->ops->tx_queued(s), n);
	cr_expect_leq(eal_out(pools.data) - before, (HOST_FRAME_HEAD + 1) * n / PKT_DATA_ROOM + 2);
	settle();
	cr_expect_leq(s->ops->tx_queued(s), n);
	while (got < n) {
		cr_assert_eq(read(other, frame, sizeof(frame)), (ssize_t)sizeof(frame));
		cr_assert_eq(frame[3], 1);
		cr_assert_eq(frame[5], pattern[got]);
		got++;
		settle();
	}
	nothing_is(other);
	cr_expect_eq(s->ops->tx_queued(s), 0);
	s->ops->abort(s);
	close(other);
}

/* One that was waited for hears when it may go on, and how far. */
Test(host, ready_is_said_again_to_one_that_was_stopped)
{
	static const uint8_t credit[] = {0, HOST_RX_MAX >> 16, 0, 0};
	int other;
	struct stream *s = cut_stream(&other, 0, "");
	struct pkt_chain c = {0};
	ssize_t n;

	while ((n = write(other, pattern, 65536)) > 0)
		settle();
	cr_assert_geq(s->ops->rx_len(s), HOST_RX_MAX);
	nothing_is(other);
	while (s->ops->rx_take(s, UINT32_MAX, &c) > 0) {
		pkt_chain_free(&c);
		pkt_chain_init(&c);
		settle();
	}
	frame_is(other, HOST_FRAME_READY, credit, sizeof(credit));
	s->ops->abort(s);
	close(other);
}

/* Without buffers it ends, and takes along what it held. */
Test(host, records_without_buffers_end_the_stream)
{
	int other;
	struct stream *s = cut_stream(&other, 4, "");
	struct rte_mbuf *all[MBUFS];
	struct pkt_chain c;
	unsigned int n = 0;

	give_text(s, "ab");
	cr_assert_eq(pkt_chain_from(pattern, 2000, pools.data, &c), 0);
	while ((all[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	cr_expect_eq(s->ops->tx(s, &c), -EPIPE);
	cr_expect(s->events & STREAM_EV_ERROR);
	cr_expect_eq(s->err, -ENOBUFS);
	cr_expect_eq(s->ops->tx_queued(s), 0);
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	s->ops->close(s);
	close(other);
}

Test(host, extended_data_without_buffers_ends_the_stream)
{
	int other;
	struct stream *s = cut_stream(&other, 4, "");
	struct rte_mbuf *all[MBUFS];
	struct pkt_chain c;
	unsigned int n = 0;

	cr_assert_eq(pkt_chain_from("x", 1, pools.data, &c), 0);
	while ((all[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	cr_expect_eq(s->ops->tx_ext(s, 1, &c), -EPIPE);
	cr_expect_eq(s->err, -ENOBUFS);
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	s->ops->close(s);
	close(other);
}

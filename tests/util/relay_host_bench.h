/*
 * tests/util/relay_host_bench.h - relay_bench.h with streams over descriptors: a program's pipes,
 * and that no descriptor is left behind.
 */
#ifndef SLUICE_TESTS_UTIL_RELAY_HOST_BENCH_H
#define SLUICE_TESTS_UTIL_RELAY_HOST_BENCH_H

#include "tests/util/relay_bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/park.h"

static struct host *host;
static struct park park;
static unsigned int fds_before;

static inline unsigned int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static inline int claim(void *arg, uint64_t fds, const struct stream_user *user, void *user_ptr,
			struct stream **ret)
{
	struct host_fds of;

	(void)arg;
	if (!park_claim(&park, fds, &of))
		return -EAGAIN;
	return host_open(host, &of, user, user_ptr, ret);
}

static unsigned int sized;

static inline void size(struct stream *s, uint16_t columns, uint16_t rows, uint16_t width,
			uint16_t height)
{
	cr_assert_eq(s->kind, STREAM_HOST);
	host_stream_size(s, columns, rows, width, height);
	sized++;
}

static inline void start_with(uint32_t tx_max)
{
	struct host_conf conf = {.pools = &bench_pools, .streams_max = 4, .tx_max = tx_max};

	signal(SIGPIPE, SIG_IGN);
	bench_claim = claim;
	bench_size = size;
	bench_cut = host_stream_cut;
	bench_say = host_stream_say;
	bench_say_end = host_stream_end;
	bench_start();
	fds_before = fds_open();
	cr_assert_eq(host_new(&conf, &host), 0);
}

static inline void end_host(void)
{
	struct host *h = host;

	/* Streams of channels are let go by the relay first. */
	relay_free(bench);
	bench = NULL;
	host_free(h);
	park_clear(&park);
	cr_expect_eq(fds_open(), fds_before, "a descriptor was left behind");
	bench_end();
}

static inline void run(void)
{
	for (int i = 0; i < 20; i++) {
		host_poll(host, ++bench_now, true);
		bench_settle();
	}
}

static inline void park_fds(uint64_t token, const int *fd, unsigned int n)
{
	park_put(&park, token, fd, n, bench_now);
	relay_fds_came(bench, token, bench_now);
}

static inline int park_socket(uint64_t token)
{
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	park_fds(token, fd, 1);
	return fd[1];
}

/* What a program has: the other ends. */
struct program {
	int in, out, err;
};

static inline struct program park_program(uint64_t token)
{
	int in[2], out[2], err[2];

	cr_assert_eq(pipe2(in, O_NONBLOCK) | pipe2(out, O_NONBLOCK) | pipe2(err, O_NONBLOCK), 0);
	park_fds(token, (int[]){in[1], out[0], err[0]}, 3);
	return (struct program){in[0], out[1], err[1]};
}

static inline void program_exit(struct program *p)
{
	close(p->in);
	close(p->out);
	close(p->err);
}

/* Is its peer one that is told when a program takes no more? */
static bool eow;
static uint32_t peer_window = 1 << 20;

static inline void open_host(struct client *c, uint64_t fds, bool program)
{
	static const uint8_t open[] = {SSH_MSG_CHANNEL_OPEN, 'x'};
	struct link_chan_host m = {
		.peer_channel = 5,
		.peer_window = peer_window,
		.peer_packet_max = 32768,
		.wait_ms = 1000,
		.token = 99,
		.fds = fds,
		.program = program,
		.eow = eow,
	};

	client_send(c, open, sizeof(open));
	up_payload_expect(c, SSH_MSG_CHANNEL_OPEN);
	down(LINK_IT_CHAN_HOST, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

static inline void give_fds(struct client *c, uint64_t fds)
{
	struct link_chan_fds m = {.token = 99, .fds = fds, .wait_ms = 1000};

	down(LINK_IT_CHAN_FDS, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

static inline void finish(struct client *c)
{
	struct link_chan_ref m = {.token = 99};

	down(LINK_IT_CHAN_FINISH, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

/* The next message, which is data of this type and says this. */
static inline void data_is(struct client *c, uint32_t type, const char *text)
{
	struct ssh_chan_data d;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;
	uint8_t msg = client_next(c, &p, &n);

	cr_assert_eq(msg, type == 0 ? SSH_MSG_CHANNEL_DATA : SSH_MSG_CHANNEL_EXTENDED_DATA);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_data_parse(&r, msg, &d), 0);
	cr_expect_eq(d.data_type, type);
	cr_assert_eq(d.data.len, strlen(text));
	cr_expect_eq(memcmp(d.data.p, text, d.data.len), 0);
}

#endif

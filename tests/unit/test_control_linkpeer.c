/* control/linkpeer.c against the other end of the link, played by the test: a ring that is full. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "control/clock.h"
#include "control/linkpeer.h"
#include "control/log.h"
#include "link/ring.h"
#include "link/sock.h"
#include "ssh/err.h"

static struct {
	uv_loop_t loop;
	struct clock *clock;
	struct session_env env;
	struct linkpeer *peer;
	char dir[64], path[96], log[4096];
	/* the dataplane's */
	int listen_fd, fd;
	struct link_shard_fds fds;
	void *shm;
	struct link_producer tx;
	struct link_consumer rx;
	_Alignas(uint64_t) uint8_t msg[LINK_MSG_MAX];
} t = {.dir = "/tmp/sluice-linkpeer-XXXXXX", .fd = -1};

static void sink(void *arg, enum log_level level, const char *line)
{
	size_t n = strlen(t.log);

	(void)arg;
	(void)level;
	snprintf(t.log + n, sizeof(t.log) - n, "%s\n", line);
}

static void turns(unsigned int n)
{
	while (n-- > 0)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

static void send_up(enum link_type type, uint32_t index, const void *body, size_t len)
{
	struct link_hdr hdr = {.len = (uint32_t)(sizeof(hdr) + len),
			       .type = (uint16_t)type,
			       .conn = {.index = index, .generation = index > 0}};

	cr_assert_eq(link_tx(&t.tx, &hdr, sizeof(hdr), body, len), 0);
	if (link_tx_needs_bell(&t.tx))
		link_bell_ring(t.fds.bell_control);
}

/* Takes control's connection and gives it a shard. */
static void attach(void)
{
	const struct link_hello mine = {.magic = LINK_MAGIC,
					.version = LINK_VERSION,
					.shards = 1,
					.start_id = 1,
					.name = "test"};
	const struct link_ready ready = {.max_conns = 8, .places = 8, .name = "test"};
	struct link_hello theirs;

	while ((t.fd = link_accept(t.listen_fd)) == -EAGAIN)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_assert_geq(t.fd, 0);
	cr_assert_eq(link_hello_recv(t.fd, &theirs), 0);
	t.fds = (struct link_shard_fds){link_shm_create("test"), link_bell_new(), link_bell_new()};
	cr_assert_eq(link_shm_map(t.fds.shm, &t.shm), 0);
	link_shm_ends(t.shm, true, &t.tx, &t.rx);
	cr_assert_eq(link_hello_send(t.fd, &mine), 0);
	cr_assert_eq(link_shard_send(t.fd, 0, &t.fds), 0);
	send_up(LINK_EV_SHARD_READY, 0, &ready, sizeof(ready));
	turns(10);
	cr_assert_gt(link_rx(&t.rx, t.msg, sizeof(t.msg)), 0);
	/* What a control before it granted is over before anything else is said. */
	cr_assert_eq(((const struct link_hdr *)t.msg)->type, LINK_CMD_REVOKE);
	cr_assert_eq(((const struct link_hdr *)t.msg)->conn.generation, 0);
	/* Nor does its limit hold. */
	cr_assert_gt(link_rx(&t.rx, t.msg, sizeof(t.msg)), 0);
	cr_assert_eq(((const struct link_hdr *)t.msg)->type, LINK_CMD_CONNS);
	cr_assert_eq(((const struct link_conns *)link_msg_body(t.msg))->max, 100000);
	cr_assert_gt(link_rx(&t.rx, t.msg, sizeof(t.msg)), 0);
	cr_assert_eq(((const struct link_hdr *)t.msg)->type, LINK_CMD_LISTEN);
	cr_assert_eq(link_rx(&t.rx, t.msg, sizeof(t.msg)), -EAGAIN);
}

static void leave(void)
{
	if (t.fd < 0)
		return;
	close(t.fd);
	t.fd = -1;
	link_shm_unmap(t.shm);
	close(t.fds.shm);
	close(t.fds.bell_control);
	close(t.fds.bell_dataplane);
}

static void setup(void)
{
	static const char text[] = "ListenAddress 127.0.0.1:22\n";
	char *errors = NULL;

	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/link.sock", t.dir);
	t.listen_fd = link_listen_socket(t.path);
	cr_assert_geq(t.listen_fd, 0);
	log_sink_set(sink, NULL);
	cr_assert_eq(conf_parse("test", text, strlen(text), NULL, &t.env.conf, &errors), 0, "%s",
		     errors);
	uv_loop_init(&t.loop);
	t.env.now_ms = clock_now_ms;
	cr_assert_eq(timers_new(&t.env.timers), 0);
	cr_assert_eq(clock_new(&t.loop, t.env.timers, &t.clock), 0);
	cr_assert_eq(linkpeer_new(&t.loop, &t.env, t.path, &t.peer), 0);
	attach();
}

static void teardown(void)
{
	linkpeer_close(t.peer);
	clock_close(t.clock);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&t.loop), 0);
	cr_expect_eq(timers_next_ms(t.env.timers), UINT64_MAX);
	timers_free(t.env.timers);
	conf_put(t.env.conf);
	leave();
	close(t.listen_fd);
	unlink(t.path);
	rmdir(t.dir);
}

TestSuite(control_linkpeer, .init = setup, .fini = teardown, .timeout = 30);

/*
 * Makes control answer: connections it has forgotten, each of which gets two items. Returns
 * how many fitted the ring up.
 */
static uint32_t ask(uint32_t from, uint32_t to)
{
	const struct link_conn_ref ref = {0};
	uint32_t i;

	for (i = from; i <= to && link_tx_space(&t.tx) > 0; i++)
		send_up(LINK_EV_REKEY_DUE, i, &ref, sizeof(ref));
	return i - from;
}

/* Takes one connection's two items, which are its and in order. */
static bool take(uint32_t index)
{
	const struct link_hdr *h = (const struct link_hdr *)t.msg;

	if (link_rx(&t.rx, t.msg, sizeof(t.msg)) < 0)
		return false;
	cr_assert_eq(h->type, LINK_IT_PAYLOAD);
	cr_assert_eq(h->conn.index, index);
	while (link_rx(&t.rx, t.msg, sizeof(t.msg)) < 0)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_assert_eq(h->type, LINK_IT_END);
	cr_assert_eq(h->conn.index, index);
	return true;
}

/* Asks until control takes no more, because nobody takes its items. */
static uint32_t block(void)
{
	uint32_t asked = 0, idle = 0, n;

	while (idle < 20) {
		n = ask(asked + 1, asked + 1000);
		asked += n;
		idle = n == 0 ? idle + 1 : 0;
		turns(5);
	}
	return asked;
}

Test(control_linkpeer, behind_a_full_ring_events_wait_and_items_keep_their_order)
{
	uint32_t asked = block(), taken = 0;

	/* Both rings are full, and in between lies what one event caused. */
	cr_expect_eq(link_tx_space(&t.tx), 0);
	cr_expect_leq(asked, LINK_RING_SLOTS + LINK_RING_SLOTS / 2 + 1);
	while (taken < asked) {
		if (take(taken + 1))
			taken++;
		else
			uv_run(&t.loop, UV_RUN_ONCE);
	}
	turns(10);
	cr_expect_eq(link_rx(&t.rx, t.msg, sizeof(t.msg)), -EAGAIN);
	/* And it goes on. */
	cr_expect_eq(ask(asked + 1, asked + 10), 10);
	while (taken < asked + 10) {
		if (take(taken + 1))
			taken++;
		else
			uv_run(&t.loop, UV_RUN_ONCE);
	}
}

/* S-50: what else is to be done waits for so many events of a shard, however many there are. */
Test(control_linkpeer, s50_one_shard_does_not_hold_the_loop)
{
	uint32_t asked = ask(1, 4 * LINKPEER_EVENTS_PER_TURN), taken = 0;
	size_t before = link_tx_space(&t.tx), most = 0;

	cr_assert_eq(asked, 4 * LINKPEER_EVENTS_PER_TURN);
	while (taken < asked) {
		size_t now;

		turns(1);
		now = link_tx_space(&t.tx);
		most = now - before > most ? now - before : most;
		before = now;
		while (taken < asked && take(taken + 1))
			taken++;
	}
	cr_expect_gt(most, 1, "it is read in bursts");
	cr_expect_leq(most, LINKPEER_EVENTS_PER_TURN);
}

Test(control_linkpeer, a_dataplane_that_goes_while_items_wait_leaves_nothing)
{
	block();
	leave();
	for (int i = 0; i < 20 && strstr(t.log, "detached") == NULL; i++)
		turns(1);
	cr_expect_not_null(strstr(t.log, "dataplane test detached: it closed the link"), "%s",
			   t.log);
	attach(); /* after LINKPEER_RETRY_MS */
	cr_expect_eq(ask(1, 3), 3);
	turns(10);
	for (uint32_t i = 1; i <= 3; i++)
		cr_expect(take(i));
}

/* Nothing is said on the socket once the rings are up. */
Test(control_linkpeer, a_word_on_the_socket_detaches)
{
	errno = 0;
	cr_assert_eq(send(t.fd, "x", 1, MSG_NOSIGNAL), 1);
	errno = EAGAIN; /* whatever an earlier call left there */
	turns(3);
	cr_expect_not_null(strstr(t.log, "dataplane test detached: "), "%s", t.log);
}

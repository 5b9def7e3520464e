/* dataplane/linkend: who may attach, what detaches, what passes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "dataplane/linkend.h"
#include "dataplane/linkhub.h"
#include "tests/util/control_end.h"

static char dir[] = "/tmp/sluice-linkend.XXXXXX";
static char path[64];
static struct linkhub *hub;
static struct linkend *l;
static uint64_t now = 1000, patience;

static void make(uint16_t shards)
{
	const struct linkhub_conf conf = {.path = path,
					  .dataplane = 3,
					  .shards = shards,
					  .start_id = 0x1122334455667788,
					  .name = "dp",
					  .patience_us = patience};

	cr_assert_eq(linkhub_new(&conf, &hub), 0);
	l = linkhub_end(hub, 0);
}

static void start(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/link.sock", dir);
	make(1);
}

static void end(void)
{
	linkhub_free(hub);
	cr_expect_eq(access(path, F_OK), -1, "the socket file is gone");
	cr_expect_eq(rmdir(dir), 0);
}

TestSuite(linkend, .init = start, .fini = end);

/* Polls until there is news or nothing left to do. */
static enum linkend_news poll_link(void)
{
	for (int i = 0; i < 4; i++) {
		enum linkend_news news;

		linkhub_poll(hub, now);
		news = linkend_poll(l);

		if (news != LINKEND_NONE)
			return news;
	}
	return LINKEND_NONE;
}

static void attach(struct control_end *c)
{
	struct link_hello h = control_hello();

	cr_assert_eq(control_end_begin(c, path, &h), 0);
	cr_assert_eq(poll_link(), LINKEND_ATTACHED);
	cr_assert_eq(control_end_finish(c), 0);
}

static int send_up(void)
{
	struct link_hdr h = {.len = sizeof(h) + sizeof(struct link_conn_ref),
			     .type = LINK_EV_REKEY_DUE};
	struct link_conn_ref b = {0};

	return linkend_send(l, &h, sizeof(h), &b, sizeof(b));
}

/* Of a channel that was opened: nobody waits for it. */
static int send_news(void)
{
	struct link_hdr h = {.len = sizeof(h) + sizeof(struct link_chan_ref),
			     .type = LINK_EV_CHAN_OPENED};
	struct link_chan_ref b = {.token = 1};

	return linkend_send(l, &h, sizeof(h), &b, sizeof(b));
}

static bool readable_hub(void)
{
	struct pollfd p = {.fd = linkhub_fd(hub), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static bool readable(void)
{
	struct pollfd p = {.fd = linkend_fd(l), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

Test(linkend, control_that_says_hello_is_attached)
{
	struct control_end c;

	attach(&c);
	cr_expect_eq(c.theirs.dataplane, 3);
	cr_expect_eq(c.theirs.shards, 1);
	cr_expect_eq(c.theirs.start_id, 0x1122334455667788);
	cr_expect_str_eq(c.theirs.name, "dp");
	control_end_close(&c);
}

Test(linkend, messages_pass_both_ways)
{
	struct link_addr addr = {.family = 4, .port = 22};
	uint8_t buf[LINK_MSG_MAX];
	struct control_end c;

	attach(&c);
	cr_expect_eq(send_up(), 0);
	cr_expect_gt(link_rx(&c.rx, buf, sizeof(buf)), 0);
	cr_expect_eq(((struct link_hdr *)buf)->type, LINK_EV_REKEY_DUE);
	cr_expect_eq(linkend_recv(l, buf, sizeof(buf)), -EAGAIN);
	cr_expect_eq(control_end_listen(&c, &addr, 7, false), 0);
	cr_expect_gt(linkend_recv(l, buf, sizeof(buf)), 0);
	cr_expect_eq(((struct link_hdr *)buf)->type, LINK_CMD_LISTEN);
	control_end_close(&c);
}

Test(linkend, bell_is_rung_only_for_a_sleeper)
{
	struct control_end c;
	uint64_t count;

	attach(&c);
	link_rx_wake(&c.rx);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(linkend_ring(l, 1), 0);
	link_rx_sleep(&c.rx);
	cr_expect_eq(linkend_ring(l, 1), 0, "nothing new was sent");
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(linkend_ring(l, 1), 1);
	cr_expect_eq(read(c.fds.bell_control, &count, sizeof(count)), sizeof(count));
	control_end_close(&c);
}

Test(linkend, news_waits_for_more_of_it)
{
	struct control_end c;

	attach(&c);
	link_rx_sleep(&c.rx);
	cr_expect_eq(send_news(), 0);
	cr_expect_eq(linkend_ring(l, 100), 0);
	cr_expect_eq(send_news(), 0);
	cr_expect_eq(linkend_ring(l, 99 + LINKEND_NEWS_US), 0);
	cr_expect_eq(linkend_ring(l, 100 + LINKEND_NEWS_US), 1);
	link_rx_sleep(&c.rx);
	cr_expect_eq(linkend_ring(l, 200 + LINKEND_NEWS_US), 0, "it was told of all");
	cr_expect_eq(send_news(), 0);
	cr_expect_eq(linkend_ring(l, 300 + LINKEND_NEWS_US), 0, "its time begins anew");
	control_end_close(&c);
}

Test(linkend, much_news_rings_at_once)
{
	struct control_end c;

	attach(&c);
	link_rx_sleep(&c.rx);
	for (int i = 1; i < LINKEND_NEWS_MAX; i++)
		cr_assert_eq(send_news(), 0);
	cr_expect_eq(linkend_ring(l, 1), 0);
	cr_expect_eq(send_news(), 0);
	cr_expect_eq(linkend_ring(l, 1), 1);
	control_end_close(&c);
}

Test(linkend, news_goes_with_what_does_not_wait)
{
	struct control_end c;

	attach(&c);
	link_rx_sleep(&c.rx);
	cr_expect_eq(send_news(), 0);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(linkend_ring(l, 1), 1);
	link_rx_sleep(&c.rx);
	cr_expect_eq(linkend_ring(l, 1 + LINKEND_NEWS_US), 0);
	control_end_close(&c);
}

Test(linkend, no_news_waits_for_a_sleeper)
{
	struct control_end c;

	attach(&c);
	link_rx_sleep(&c.rx);
	cr_expect_eq(send_news(), 0);
	cr_expect_eq(linkend_ring(l, 1), 0);
	linkend_sleep(l);
	cr_expect_eq(linkend_ring(l, 1), 1);
	linkend_wake(l);
	control_end_close(&c);
}

Test(linkend, its_own_bell_wakes_it)
{
	struct control_end c;

	attach(&c);
	linkend_sleep(l);
	cr_expect_not(readable());
	cr_expect(link_tx_needs_bell(&c.tx));
	link_bell_ring(c.fds.bell_dataplane);
	cr_expect(readable());
	cr_expect_eq(poll_link(), LINKEND_NONE);
	cr_expect_not(readable());
	linkend_wake(l);
	cr_expect_not(link_tx_needs_bell(&c.tx));
	control_end_close(&c);
}

Test(linkend, nothing_passes_while_nobody_is_there)
{
	uint8_t buf[LINK_MSG_MAX];

	cr_expect_eq(send_up(), -ENOTCONN);
	cr_expect_eq(linkend_recv(l, buf, sizeof(buf)), -ENOTCONN);
	cr_expect_eq(linkend_ring(l, 1), 0);
	cr_expect_eq(linkend_next_timer_us(l), UINT64_MAX);
}

static struct link_hello bad_hello(int i)
{
	struct link_hello h = control_hello();

	switch (i) {
	case 0:
		h.magic ^= 1;
		break;
	case 1:
		h.version++;
		break;
	case 2:
		h.version = 0;
		break;
	default:
		memset(h.name, 'x', sizeof(h.name));
		break;
	}
	return h;
}

Test(linkend, wrong_hello_is_refused_and_the_next_may_come)
{
	for (int i = 0; i < 4; i++) {
		struct link_hello h = bad_hello(i);
		struct control_end c;

		cr_assert_eq(control_end_begin(&c, path, &h), 0);
		cr_expect_eq(poll_link(), LINKEND_NONE);
		cr_expect_lt(control_end_finish(&c), 0, "case %d", i);
		control_end_close(&c);
		attach(&c);
		control_end_close(&c);
		cr_expect_eq(poll_link(), LINKEND_DETACHED);
	}
}

Test(linkend, silent_peer_is_given_up)
{
	struct control_end c;
	int fd = link_connect(path);

	cr_assert_geq(fd, 0);
	cr_expect_eq(poll_link(), LINKEND_NONE);
	cr_expect_eq(linkhub_next_timer_us(hub), now + LINKHUB_HELLO_US);
	now += LINKHUB_HELLO_US;
	cr_expect_eq(poll_link(), LINKEND_NONE);
	attach(&c);
	control_end_close(&c);
	close(fd);
}

Test(linkend, second_control_is_turned_away)
{
	struct link_hello h = control_hello();
	struct control_end a, b;

	attach(&a);
	cr_assert_eq(control_end_begin(&b, path, &h), 0);
	cr_expect_eq(poll_link(), LINKEND_NONE);
	cr_expect(control_end_is_closed(&b));
	cr_expect_eq(send_up(), 0, "the first goes on");
	control_end_close(&a);
	control_end_close(&b);
}

Test(linkend, new_control_gets_rings_of_its_own)
{
	struct control_end a, b;
	uint8_t buf[LINK_MSG_MAX];

	attach(&a);
	cr_expect_eq(send_up(), 0);
	close(a.fd);
	a.fd = -1;
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	cr_expect_eq(send_up(), -ENOTCONN);
	attach(&b);
	cr_expect_eq(link_rx(&b.rx, buf, sizeof(buf)), -EAGAIN);
	memset(a.shm, 0xff, link_shm_size());
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(linkend_recv(l, buf, sizeof(buf)), -EAGAIN);
	control_end_close(&a);
	control_end_close(&b);
}

Test(linkend, nonsense_in_the_rings_detaches)
{
	uint8_t buf[LINK_MSG_MAX];
	struct control_end c;

	attach(&c);
	memset(c.shm, 0xff, link_shm_size());
	cr_expect_eq(linkend_recv(l, buf, sizeof(buf)), -ENOTCONN);
	cr_expect_eq(linkhub_next_timer_us(hub), 0);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	control_end_close(&c);
}

Test(linkend, malformed_message_detaches)
{
	struct link_hdr h = {.len = sizeof(h) + 4, .type = LINK_CMD_LISTEN};
	uint8_t buf[LINK_MSG_MAX];
	struct control_end c;

	attach(&c);
	cr_assert_eq(link_tx(&c.tx, &h, sizeof(h), "\0\0\0", 4), 0);
	cr_expect_eq(linkend_recv(l, buf, sizeof(buf)), -ENOTCONN);
	cr_expect_eq(send_up(), -ENOTCONN);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	control_end_close(&c);
}

/* link/msg.h: what only a dataplane says is no message of control's. */
Test(linkend, message_of_the_wrong_direction_detaches)
{
	struct link_hdr h = {.len = sizeof(h) + sizeof(struct link_listen_result),
			     .type = LINK_EV_LISTEN_RESULT};
	struct link_listen_result body = {.listener = 1};
	uint8_t buf[LINK_MSG_MAX];
	struct control_end c;

	attach(&c);
	cr_assert_eq(link_tx(&c.tx, &h, sizeof(h), &body, sizeof(body)), 0);
	cr_expect_eq(linkend_recv(l, buf, sizeof(buf)), -ENOTCONN);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	control_end_close(&c);
}

Test(linkend, unexpected_bytes_on_the_socket_detach)
{
	struct control_end c;

	attach(&c);
	cr_assert_eq(send(c.fd, "x", 1, 0), 1);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	cr_expect(control_end_is_closed(&c));
	control_end_close(&c);
}

/* --- one that stands still
 * ----------------------------------------------------------------------- */

static void attach_watched(struct control_end *c)
{
	linkhub_free(hub);
	patience = 5000000;
	make(1);
	attach(c);
}

/* Looked at as often as a shard does. */
static enum linkend_news after(uint64_t us)
{
	const uint64_t end = now + us;

	while (now < end) {
		now = end - now > 100000 ? now + 100000 : end;
		linkend_watch(l, now);
	}
	return poll_link();
}

Test(linkend, f04_a_control_that_takes_nothing_is_sent_away)
{
	struct control_end c;
	uint64_t since;

	attach_watched(&c);
	cr_expect_eq(after(patience), LINKEND_NONE, "nothing waits");
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(after(1), LINKEND_NONE);
	since = now;
	cr_expect_eq(linkend_next_timer_us(l), since + patience);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(after(patience - 1), LINKEND_NONE);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(after(1), LINKEND_DETACHED);
	cr_expect_eq(linkend_still_us(l), since);
	cr_expect(control_end_is_closed(&c));
	control_end_close(&c);
	attach(&c);
	cr_expect_eq(linkend_still_us(l), 0);
	control_end_close(&c);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	cr_expect_eq(linkend_still_us(l), 0, "it went by itself");
}

/* A machine that was stopped, or a shard: control could not, or nobody looked. */
Test(linkend, f04_who_stood_still_himself_begins_anew)
{
	struct control_end c;

	attach_watched(&c);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(after(patience / 2), LINKEND_NONE);
	now += 10 * patience;
	cr_expect_eq(after(100000), LINKEND_NONE);
	cr_expect_eq(after(patience - 1), LINKEND_NONE);
	cr_expect_eq(after(1), LINKEND_DETACHED);
	control_end_close(&c);
}

Test(linkend, who_takes_one_at_a_time_does_not_stand_still)
{
	uint8_t buf[LINK_MSG_MAX];
	struct control_end c;

	attach_watched(&c);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(send_up(), 0);
	for (int i = 0; i < 10; i++) {
		cr_expect_eq(after(patience - 1), LINKEND_NONE);
		cr_expect_gt(link_rx(&c.rx, buf, sizeof(buf)), 0);
		cr_expect_eq(after(1), LINKEND_NONE);
	}
	cr_expect_eq(after(2 * patience), LINKEND_NONE);
	cr_expect_eq(linkend_next_timer_us(l), UINT64_MAX);
	control_end_close(&c);
}

/* --- several shards
 * ----------------------------------------------------------------------- */

static struct control_end two[2];

static void attach_two(void)
{
	struct link_hello h = control_hello();

	linkhub_free(hub);
	make(2);
	cr_assert_eq(control_end_begin(&two[0], path, &h), 0);
	cr_assert_eq(poll_link(), LINKEND_ATTACHED);
	cr_assert_eq(linkend_poll(linkhub_end(hub, 1)), LINKEND_ATTACHED);
	cr_assert_eq(control_end_finish(&two[0]), 0);
	two[1] = (struct control_end){.fd = -1};
	cr_assert_eq(control_end_rings(&two[1], two[0].fd, 1), 0);
}

static void close_two(void)
{
	control_end_close(&two[0]);
	control_end_close(&two[1]);
}

Test(linkend, each_shard_has_rings_of_its_own)
{
	uint8_t buf[LINK_MSG_MAX];

	attach_two();
	cr_expect_eq(two[0].theirs.shards, 2);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(link_rx(&two[1].rx, buf, sizeof(buf)), -EAGAIN);
	cr_expect_gt(link_rx(&two[0].rx, buf, sizeof(buf)), 0);
	l = linkhub_end(hub, 1);
	cr_expect_eq(send_up(), 0);
	cr_expect_eq(link_rx(&two[0].rx, buf, sizeof(buf)), -EAGAIN);
	cr_expect_gt(link_rx(&two[1].rx, buf, sizeof(buf)), 0);
	close_two();
}

Test(linkend, nonsense_to_one_shard_detaches_all)
{
	uint8_t buf[LINK_MSG_MAX];

	attach_two();
	memset(two[1].shm, 0xff, link_shm_size());
	cr_expect_eq(linkend_recv(linkhub_end(hub, 1), buf, sizeof(buf)), -ENOTCONN);
	cr_expect(readable_hub(), "the first shard is woken");
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	cr_expect_eq(linkend_poll(linkhub_end(hub, 1)), LINKEND_DETACHED);
	cr_expect_eq(linkend_poll(linkhub_end(hub, 1)), LINKEND_NONE);
	close_two();
}

/* Rings that a shard may still look at are not taken from under it. */
Test(linkend, the_next_control_waits_until_every_shard_has_let_go)
{
	struct linkend *other;
	struct link_hello h = control_hello();
	struct control_end next;

	attach_two();
	other = linkhub_end(hub, 1);
	close_two();
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	cr_expect_eq(linkhub_next_timer_us(hub), 0);
	cr_assert_eq(control_end_begin(&next, path, &h), 0);
	cr_expect_eq(poll_link(), LINKEND_NONE);
	cr_expect_eq(linkend_next_timer_us(other), 0);
	l = other;
	cr_expect_eq(send_up(), 0, "it writes there as before");
	cr_expect_eq(linkend_poll(other), LINKEND_DETACHED);
	cr_expect_eq(send_up(), -ENOTCONN);
	cr_expect_eq(poll_link(), LINKEND_ATTACHED);
	cr_assert_eq(control_end_finish(&next), 0);
	control_end_close(&next);
}

Test(linkend, folder_has_one_dataplane)
{
	const struct linkhub_conf conf = {.path = path, .shards = 1, .name = "second"};
	struct linkhub *second = NULL;

	cr_expect_eq(linkhub_new(&conf, &second), -EADDRINUSE);
	cr_expect_null(second);
	cr_expect_eq(access(path, F_OK), 0, "the first keeps its socket");
}

Test(linkend, socket_is_ours_alone)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
}

/* F-11: it waits where it is, and is let in when there are descriptors again. */
Test(linkend, without_descriptors_a_control_waits)
{
	struct link_hello h = control_hello();
	struct rlimit was, none;
	struct control_end c;

	cr_assert_eq(control_end_begin(&c, path, &h), 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3; /* below what is open: no new one */
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_expect_eq(poll_link(), LINKEND_NONE);
	cr_expect_eq(poll_link(), LINKEND_NONE);
	cr_expect_eq(send_up(), -ENOTCONN, "the shard asks as before");
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	cr_expect_eq(poll_link(), LINKEND_ATTACHED);
	cr_assert_eq(control_end_finish(&c), 0);
	control_end_close(&c);
}

/* There is one for the socket and none for the rings: it is sent away and may come again. */
Test(linkend, without_descriptors_for_its_rings_a_control_is_sent_away)
{
	struct link_hello h = control_hello();
	struct rlimit was, few;
	struct control_end c;
	int next;

	cr_assert_eq(control_end_begin(&c, path, &h), 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	next = dup(0);
	close(next);
	few = was;
	few.rlim_cur = (rlim_t)next + 2;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	cr_expect_neq(poll_link(), LINKEND_ATTACHED);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	cr_expect_lt(control_end_finish(&c), 0);
	control_end_close(&c);
	poll_link();
	attach(&c);
	control_end_close(&c);
}

/* --- descriptors ----------------------------------------------------------------------------- */

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void send_fds(struct control_end *c, uint16_t shard, uint64_t token)
{
	const int fd[] = {STDERR_FILENO, STDERR_FILENO};

	cr_assert_eq(link_fds_send(c->fd, shard, token, fd, 2), 0);
}

Test(linkend, descriptors_reach_their_shard_in_order)
{
	int fd[LINK_FDS_MAX];
	struct control_end c;
	uint64_t token;

	attach(&c);
	cr_expect_eq(linkend_fds(l, &token, fd), 0);
	send_fds(&c, 0, 5);
	send_fds(&c, 0, 6);
	cr_expect_eq(poll_link(), LINKEND_NONE);
	for (uint64_t want = 5; want <= 6; want++) {
		cr_assert_eq(linkend_fds(l, &token, fd), 2);
		cr_expect_eq(token, want);
		close(fd[0]);
		close(fd[1]);
	}
	cr_expect_eq(linkend_fds(l, &token, fd), 0);
	control_end_close(&c);
}

Test(linkend, a_shard_that_sleeps_is_woken_by_them)
{
	struct control_end c;

	attach(&c);
	poll_link();
	cr_expect_not(readable());
	send_fds(&c, 0, 5);
	linkhub_poll(hub, now);
	cr_expect(readable());
	control_end_close(&c);
}

/* Nothing rings for those that came before: as long as there are any, there is work. */
Test(linkend, all_that_were_sent_at_once_are_taken_before_a_sleep)
{
	struct control_end c;
	uint64_t token, want = 0;
	int fd[LINK_FDS_MAX];

	attach(&c);
	poll_link();
	for (uint64_t i = 1; i <= 50; i++)
		send_fds(&c, 0, i);
	while (linkhub_poll(hub, now) > 0)
		;
	while (linkend_fds(l, &token, fd) == 2) {
		cr_expect_eq(token, ++want);
		close(fd[0]);
		close(fd[1]);
	}
	cr_expect_eq(want, 50);
	control_end_close(&c);
}

Test(linkend, more_than_wait_are_closed_and_counted)
{
	struct control_end c;
	unsigned int before;

	attach(&c);
	before = open_fds();
	for (uint64_t i = 0; i < LINKEND_FDS_MAX + 3; i++) {
		send_fds(&c, 0, i + 1);
		linkhub_poll(hub, now);
	}
	cr_expect_eq(linkhub_fds_lost(hub), 3);
	cr_expect_leq(open_fds(), before + 2 * LINKEND_FDS_MAX);
	control_end_close(&c);
}

Test(linkend, those_of_a_control_that_went_are_closed)
{
	unsigned int before = open_fds();
	int fd[LINK_FDS_MAX];
	struct control_end c;
	uint64_t token;

	attach(&c);
	send_fds(&c, 0, 5);
	poll_link();
	control_end_close(&c);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	cr_expect_eq(linkend_fds(l, &token, fd), 0, "they are no other control's");
	for (int i = 0; i < 4; i++)
		poll_link();
	cr_expect_eq(open_fds(), before);
}

Test(linkend, descriptors_for_no_shard_detach_their_sender)
{
	unsigned int before = open_fds();
	struct control_end c;

	attach(&c);
	send_fds(&c, 1, 5);
	cr_expect_eq(poll_link(), LINKEND_DETACHED);
	control_end_close(&c);
	for (int i = 0; i < 4; i++)
		poll_link();
	cr_expect_eq(open_fds(), before);
}

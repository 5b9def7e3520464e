/* dataplane/relay/window.c: windows of channels follow what their targets take. */
#include <criterion/criterion.h>

#include "dataplane/relay/internal.h"
#include "tests/util/relay_flow.h"

#define MIB   (1024u * 1024)
#define START RELAY_WINDOW_START
#define RTT   10000 /* of both streams together, microseconds */

TestSuite(relay_window, .init = bench_start, .fini = bench_end);

/* A login of ChannelWindow auto, or of a size. */
static struct client login(uint32_t size, bool is_auto)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct link_authenticated a = bench_auth;

	a.window_size = size;
	a.window_auto = is_auto;
	bench_rtt_us = RTT / 2;
	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &a);
	return c;
}

/* What the peer was granted since the last look. */
static uint32_t granted(struct client *c)
{
	uint32_t sum = 0, channel, n;
	const uint8_t *p;
	struct ssh_rd r;
	size_t len;

	bench_settle();
	client_pull(c);
	while (client_next(c, &p, &len) == SSH_MSG_CHANNEL_WINDOW_ADJUST) {
		ssh_rd_init(&r, p + 1, len - 1);
		cr_assert_eq(ssh_chan_adjust_parse(&r, &channel, &n), 0);
		sum += n;
	}
	return sum;
}

/* The peer sends n bytes and the target takes them; returns what is granted for it. */
static uint32_t taken(struct client *c, const struct bench_chan *ch, uint32_t n)
{
	static const uint8_t buf[BENCH_PACKET];
	uint32_t back = 0;

	while (n > 0) {
		uint32_t k = RTE_MIN(n, (uint32_t)sizeof(buf));

		client_data(c, ch->local, buf, k);
		bench_settle();
		fake_drain(ch->target, NULL, ch->target->tx.len);
		back += granted(c);
		n -= k;
	}
	return back;
}

/* Round trips in which the peer uses all it was granted, but at most max. What it has then. */
static uint32_t fill(struct client *c, const struct bench_chan *ch, uint32_t room,
		     unsigned int trips, uint32_t max)
{
	while (trips-- > 0) {
		uint32_t n = RTE_MIN(room, max);

		bench_now += RTT + 1;
		room += taken(c, ch, n) - n;
	}
	return room;
}

Test(relay_window, it_begins_small_and_grows_while_it_is_used)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint32_t room;

	cr_expect_eq(ch.window, (uint32_t)START);
	room = fill(&c, &ch, ch.window, 8, 4 * MIB);
	cr_expect_gt(room, 4 * MIB, "%u", room);
	cr_expect_leq(room, 15 * MIB, "%u", room);
	client_free(&c);
}

Test(relay_window, one_that_is_not_used_stays_small)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	cr_expect_leq(fill(&c, &ch, ch.window, 30, START / 8), (uint32_t)START);
	client_free(&c);
}

Test(relay_window, never_more_than_control_allows)
{
	struct client c = login(1 * MIB, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	cr_expect_leq(fill(&c, &ch, ch.window, 10, UINT32_MAX), 1 * MIB);
	cr_expect_gt(fill(&c, &ch, ch.window, 2, START), 0);
	client_free(&c);
}

/* A path of 20 MiB, and a peer that is known to take more than OpenSSH does. */
Test(relay_window, who_takes_more_is_granted_what_the_path_carries)
{
	struct client c = login(UINT32_MAX, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint32_t room;

	room = fill(&c, &ch, ch.window, 8, 20 * MIB);
	cr_expect_gt(room, 20 * MIB, "%u", room);
	cr_expect_leq(room, (uint32_t)RELAY_WINDOW_MAX, "%u", room);
	client_free(&c);
}

Test(relay_window, a_size_that_was_set_is_kept)
{
	struct client c = login(128 * 1024, false);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	cr_expect_eq(ch.window, 128u * 1024);
	cr_expect_leq(fill(&c, &ch, ch.window, 10, UINT32_MAX), 128u * 1024);
	client_free(&c);
}

Test(relay_window, without_a_round_trip_nothing_grows)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	bench_rtt_us = 0;
	cr_expect_leq(fill(&c, &ch, ch.window, 10, UINT32_MAX), (uint32_t)START);
	client_free(&c);
}

/* A target that takes nothing: its channel holds one window, however long it lasts. */
Test(relay_window, a_target_that_takes_nothing_is_granted_nothing)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static const uint8_t buf[BENCH_PACKET];

	for (uint32_t n = 0; n < START; n += sizeof(buf))
		client_data(&c, ch.local, buf, sizeof(buf));
	for (int i = 0; i < 20; i++) {
		bench_now += RTT;
		cr_expect_eq(granted(&c), 0);
	}
	cr_expect_eq(ch.target->tx.len, (uint32_t)START);
	client_free(&c);
}

/* The debt of all channels is known, bounded, and gone with them. */
Test(relay_window, all_windows_together_are_bounded)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch[4];
	uint64_t most = bench->windows_max, sum = 0;

	for (uint32_t i = 0; i < RTE_DIM(ch); i++) {
		uint32_t room;

		ch[i] = client_channel(&c, i, 1 << 20);
		room = fill(&c, &ch[i], ch[i].window, 9, 4 * MIB);
		cr_expect_gt(room, START, "there is something for the next, too");
		sum += room;
		cr_expect_leq(bench->windows, most);
		cr_expect_leq(sum, bench->windows);
	}
	for (uint32_t i = 0; i < RTE_DIM(ch); i++)
		fake_eof(ch[i].target);
	fake_eof(c.f);
	client_ended(&c, -SSH_E_CLOSED);
	cr_expect_eq(bench->windows, 0);
	for (uint32_t i = 0; i < RTE_DIM(ch); i++)
		ch[i].target->used = false;
	c.f->used = false;
	client_free(&c);
}

Test(relay_window, while_buffers_are_short_nothing_grows_and_large_ones_shrink)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan a = client_channel(&c, 1, 1 << 20), b = client_channel(&c, 2, 1 << 20);
	static struct rte_mbuf *held[8192];
	unsigned int n = pkt_pool_free(bench_pools.data) * 15 / 16;
	uint32_t room = fill(&c, &a, a.window, 6, 2 * MIB), used;

	cr_assert_gt(room, 2 * MIB);
	cr_assert_eq(rte_pktmbuf_alloc_bulk(bench_pools.data, held, n), 0);
	cr_expect_leq(fill(&c, &b, b.window, 6, UINT32_MAX), (uint32_t)START);
	for (used = room; used > START; used -= RTE_MIN(used, (uint32_t)BENCH_PACKET))
		cr_assert_eq(taken(&c, &a, BENCH_PACKET), 0, "what it gives back is kept");
	cr_expect_gt(taken(&c, &a, BENCH_PACKET) + taken(&c, &a, BENCH_PACKET), 0, "down to that");
	cr_expect_eq(bench->windows, 2 * START);
	rte_pktmbuf_free_bulk(held, n);
	client_free(&c);
}

/* --- the debt ----------------------------------------------------------------------------- */

Test(relay_window, a_bound_is_stated_in_buffers)
{
	cr_expect_eq(bench->windows_max, (uint64_t)8191 * PKT_DATA_ROOM * RELAY_WINDOWS_OVER);
}

Test(relay_window, idle_channels_count_and_go_with_their_connection)
{
	struct client c = login(15 * MIB, true);

	for (uint32_t i = 0; i < 4; i++)
		client_channel(&c, i, 1 << 20);
	cr_expect_eq(bench->windows, 4 * START);
	fake_eof(c.f);
	bench_settle();
	cr_expect_eq(bench->windows, 0);
	client_free(&c);
}

/* When little is left, first windows are smaller, down to a packet, and then there is none. */
Test(relay_window, nothing_is_granted_beyond_the_bound)
{
	struct client c = login(15 * MIB, true);
	uint32_t before = UINT32_MAX, n = 0;

	bench->windows_max = START * 3 / 2;
	for (; n < BENCH_CHANS; n++) {
		struct bench_chan ch;
		const uint8_t *p;
		size_t len;

		if (bench->windows_max - bench->windows < RELAY_WINDOW_LEAST) {
			client_open(&c, n, 1 << 20, 32768, 1);
			cr_expect_eq(client_next(&c, &p, &len), SSH_MSG_CHANNEL_OPEN_FAILURE);
			cr_expect_eq(p[8], SSH_OPEN_RESOURCE_SHORTAGE);
			cr_expect_eq(bench_count(RELAY_C_WINDOWS_FULL), 1);
			break;
		}
		ch = client_channel(&c, n, 1 << 20);
		cr_expect_leq(ch.window, before);
		cr_expect_geq(ch.window, RELAY_WINDOW_LEAST);
		cr_expect_leq(bench->windows, bench->windows_max);
		before = ch.window;
		bench->windows_max -= START / 8; /* others, elsewhere */
	}
	cr_expect_lt(n, BENCH_CHANS, "the bound was met");
	client_free(&c);
}

/* As long as there is a packet for each of them on average, no channel of the table is refused. */
Test(relay_window, what_the_first_ones_have_leaves_something_for_all)
{
	static struct chan ch[BENCH_TABLE];
	struct conn c = {.relay = bench, .auth = {.window_size = 15 * MIB, .window_auto = 1}};

	bench->windows_max = (uint64_t)2 * BENCH_TABLE * RELAY_WINDOW_LEAST;
	for (uint32_t i = 0; i < BENCH_TABLE; i++) {
		bench->fresh_chans++;
		ch[i].conn = &c;
		cr_assert(window_init(&ch[i], STREAM_TCP), "%u of %u", i, BENCH_TABLE);
		cr_expect_geq(ch[i].rwin.window_size, RELAY_WINDOW_LEAST);
		cr_expect_leq(bench->windows, bench->windows_max);
	}
	cr_expect_geq(ch[0].rwin.window_size, 2 * RELAY_WINDOW_LEAST);
	for (uint32_t i = 0; i < BENCH_TABLE; i++)
		window_fini(&ch[i]);
	bench->fresh_chans -= BENCH_TABLE;
	cr_expect_eq(bench->windows, 0);
}

/* One that had much gives back, byte by byte, what is the others' part. */
Test(relay_window, a_large_window_shrinks_when_others_come)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint32_t room = fill(&c, &ch, ch.window, 8, 2 * MIB);
	uint64_t had = bench->windows;

	cr_assert_gt(room, 2 * MIB);
	bench->windows_max = 2 * MIB;
	for (uint32_t used = 0; used < had; used += BENCH_PACKET)
		room += taken(&c, &ch, BENCH_PACKET) - BENCH_PACKET;
	cr_expect_leq(room, 1 * MIB, "half of it: %u", room);
	cr_expect_leq(bench->windows, 1 * MIB);
	cr_expect_gt(room, START);
	client_free(&c);
}

Test(relay_window, a_session_begins_with_less)
{
	struct conn c = {.relay = bench, .auth = {.window_size = 15 * MIB, .window_auto = 1}};
	struct chan ch = {.conn = &c};

	cr_expect(window_init(&ch, STREAM_HOST));
	cr_expect_eq(ch.rwin.window_size, 64u * 1024);
	cr_expect_eq(bench->windows, 64u * 1024);
	window_fini(&ch);
	cr_expect(window_init(&ch, STREAM_TCP));
	cr_expect_leq(ch.rwin.window_size, 2 * MIB);
	window_fini(&ch);
	cr_expect_eq(bench->windows, 0);
}

/* --- bytes in flight (debt.c) ------------------------------------------------------------------
 */

static void bound(const struct client *c, uint64_t max, uint64_t user, uint64_t user_max)
{
	struct link_flight m = {.max = max, .group[LINK_FLIGHT_USER] = {user, user_max}};

	down(LINK_IT_FLIGHT, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

/* Of bytes in flight, what the connection that has most has. */
static struct relay_use of_conns(void)
{
	struct relay_uses u;

	relay_uses(bench, &u);
	return u.flight_conn;
}

static struct relay_use of_users(void)
{
	struct relay_uses u;

	relay_uses(bench, &u);
	return u.flight_user;
}

Test(relay_window, a_connection_has_no_more_in_flight_than_it_may)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan a, b;

	cr_expect(of_conns().now == 0 && of_conns().max == 0, "nobody has a bound");
	bound(&c, 1 * MIB, 0, 0);
	a = client_channel(&c, 1, 1 << 20);
	cr_expect(of_conns().now == START && of_conns().max == 1 * MIB);
	cr_expect_eq(a.window, (uint32_t)START);
	cr_expect_leq(fill(&c, &a, a.window, 9, 4 * MIB), 512 * 1024, "half of it");
	cr_expect_gt(bench->windows, START);
	b = client_channel(&c, 2, 1 << 20);
	cr_expect_leq(fill(&c, &b, b.window, 9, 4 * MIB), 512 * 1024);
	(void)fill(&c, &a, 0, 1, 0);
	cr_expect_leq(bench->windows, 1 * MIB);
	cr_expect_gt(bench_count(RELAY_C_FLIGHT_CONN), 0);
	cr_expect_eq(of_conns().now, bench->windows);
	bound(&c, 0, 0, 0);
	cr_expect(of_conns().now == 0 && of_conns().max == 0, "nobody has one any more");
	cr_expect_gt(fill(&c, &b, START, 9, 4 * MIB), 1 * MIB, "there is no bound any more");
	fake_eof(c.f);
	bench_settle();
	cr_expect_eq(of_conns().now, 0, "it is gone");
	client_free(&c);
}

/* Those of a user share it, also with one that came before there was one; nobody else does. */
Test(relay_window, connections_of_a_user_have_so_much_in_flight_together)
{
	struct client c[3];
	struct bench_chan ch[3];

	for (uint32_t i = 0; i < 3; i++) {
		c[i] = login(15 * MIB, true);
		if (i == 0)
			ch[i] = client_channel(&c[i], i, 1 << 20);
		bound(&c[i], 0, i < 2 ? 77 : 78, 1 * MIB);
		if (i != 0)
			ch[i] = client_channel(&c[i], i, 1 << 20);
	}
	cr_expect(of_users().now == 2 * START && of_users().max == 1 * MIB);
	(void)fill(&c[0], &ch[0], ch[0].window, 9, 4 * MIB);
	(void)fill(&c[1], &ch[1], ch[1].window, 9, 4 * MIB);
	cr_expect_leq(of_users().now, 1 * MIB);
	cr_expect_gt(of_users().now, 2 * START + START / 2);
	cr_expect_leq(fill(&c[2], &ch[2], ch[2].window, 9, 4 * MIB), 512 * 1024);
	cr_expect_gt(bench_count(RELAY_C_FLIGHT_USER), 0);
	cr_expect_eq(bench_count(RELAY_C_FLIGHT_CONN), 0);
	go(&c[0]);
	go(&c[1]);
	cr_expect_leq(of_users().now, 512 * 1024, "the other's");
	go(&c[2]);
	cr_expect(of_users().now == 0 && of_users().max == 0);
}

/* A smaller bound is met as what is there is taken, and a channel is refused until then. */
Test(relay_window, a_bound_that_becomes_smaller_takes_back)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch;
	const uint8_t *p;
	uint32_t room;
	size_t len;

	bound(&c, 0, 77, 8 * MIB);
	ch = client_channel(&c, 1, 1 << 20);
	room = fill(&c, &ch, ch.window, 9, 4 * MIB);
	cr_assert_gt(room, 2 * MIB);
	bound(&c, 0, 77, 512 * 1024);
	client_open(&c, 2, 1 << 20, 32768, 1);
	cr_expect_eq(client_next(&c, &p, &len), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_expect_eq(p[8], SSH_OPEN_RESOURCE_SHORTAGE);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	(void)fill(&c, &ch, room, 30, MIB / 2);
	cr_expect_leq(of_users().now, 512 * 1024);
	client_channel(&c, 3, 1 << 20);
	cr_expect_leq(of_users().now, 512 * 1024);
	client_free(&c);
}

/*
 * A's target reads nothing: A holds what he may, and B has what he had. When it reads A goes on,
 * and all that was sent arrives.
 */
Test(relay_window, a_reader_that_never_reads_costs_nobody_else)
{
	struct client c[2];
	struct flow f[2];
	uint64_t at, alone, beside;

	bench_rtt_us = 1000;
	for (uint32_t i = 0; i < 2; i++) {
		c[i] = client_with(NULL);
		bound(&c[i], 0, 77 + i, 1 * MIB);
		f[i] = flow_on(&c[i], i + 1, 16384, true, false);
	}
	f[0].in = false;
	pass(f, 2, S / 100);
	at = moved(&f[1], LINK_IN);
	pass(f, 2, S / 50);
	alone = moved(&f[1], LINK_IN) - at;
	f[0].in = true;
	pass(f, 1, S / 100); /* he has grown as far as he may */
	f[0].stuck = true;
	pass(f, 2, S / 100);
	at = moved(&f[1], LINK_IN);
	pass(f, 2, S / 50);
	beside = moved(&f[1], LINK_IN) - at;
	cr_expect_geq(beside * 100, alone * 95, "%llu of %llu", (unsigned long long)beside,
		      (unsigned long long)alone);
	cr_expect_geq(f[0].ch.target->tx.len, (uint32_t)START, "he has filled his window");
	cr_expect_leq(f[0].ch.target->tx.len, 1 * MIB);
	at = moved(&f[0], LINK_IN);
	f[0].stuck = false;
	pass(f, 2, S / 50);
	cr_expect_geq(moved(&f[0], LINK_IN) - at, alone / 2);
	f[0].in = false;
	pass(f, 2, S / 200);
	cr_expect_eq(moved(&f[0], LINK_IN), f[0].sent, "no byte is lost");
	cr_expect_eq(f[0].ch.target->tx.len, 0);
	for (uint32_t i = 0; i < 2; i++)
		client_free(&c[i]);
}

/* What a target's window grows by is of the same bytes, and given back with it. */
Test(relay_window, windows_of_targets_are_bytes_in_flight)
{
	struct client c = login(15 * MIB, true);
	uint64_t left = 1 * MIB - START;
	struct bench_chan ch;
	struct stream *t;
	uint32_t first;

	bound(&c, 0, 77, 1 * MIB);
	ch = client_channel(&c, 1, 1 << 20);
	t = &ch.target->s;
	cr_expect_eq(t->user->keep(t, 65536, 131072), 131072);
	left -= 65536;
	cr_expect_eq(of_users().now, 1 * MIB - left);
	first = t->user->keep(t, 131072, 8 * MIB);
	cr_expect_eq(first, 131072 + left / 2, "half of what is left");
	cr_expect_eq(bench_count(RELAY_C_FLIGHT_USER), 1);
	cr_expect_leq(fill(&c, &ch, ch.window, 9, 4 * MIB), START + (uint32_t)left / 2);
	cr_expect_eq(t->user->keep(t, first, 4096), 4096, "less than it began with");
	cr_expect_leq(of_users().now, START + (uint32_t)left);
	(void)t->user->keep(t, 65536, 8 * MIB);
	fake_eof(c.f);
	bench_settle();
	cr_expect_eq(of_users().now, 0);
	client_free(&c);
}

/* Opens, and sends all it may, of which the target takes nothing. */
static struct bench_chan unread(struct client *c, uint32_t number)
{
	static const uint8_t buf[BENCH_PACKET];
	struct bench_chan ch = client_channel(c, number, 1 << 20);

	for (uint32_t n = ch.window, k; n > 0; n -= k) {
		k = RTE_MIN(n, (uint32_t)sizeof(buf));
		client_data(c, ch.local, buf, k);
	}
	bench_settle();
	return ch;
}

static struct bench_chan closed_unread(struct client *c, uint32_t number)
{
	struct bench_chan ch = unread(c, number);

	client_simple(c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(c, SSH_MSG_CHANNEL_CLOSE);
	up_expect(LINK_EV_CHAN_END, NULL);
	cr_assert(ch.target->closed);
	return ch;
}

static void expect_refused(struct client *c, uint32_t number)
{
	const uint8_t *p;
	size_t len;

	client_open(c, number, 1 << 20, 32768, 1);
	cr_assert_eq(client_next(c, &p, &len), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_expect_eq(p[8], SSH_OPEN_RESOURCE_SHORTAGE);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
}

/* To open, send and close again and again is no way to have more than one may. */
static void open_send_close(uint64_t max, uint64_t user_max, enum relay_counter counter)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch[32];
	uint32_t n = 0, left = 0;

	bound(&c, max, 77, user_max);
	for (; 1 * MIB - left >= RELAY_WINDOW_LEAST; n++) {
		cr_assert_lt(n, RTE_DIM(ch));
		ch[n] = closed_unread(&c, n);
		left += ch[n].window;
		cr_expect_eq(of_users().now, left);
	}
	cr_expect_gt(left, 1 * MIB - RELAY_WINDOW_LEAST);
	cr_expect_leq(left, 1 * MIB);
	expect_refused(&c, 99);
	cr_expect_gt(bench_count(counter), 0);
	for (uint32_t i = 0; i < n; i++) {
		fake_drain(ch[i].target, NULL, 1000);
		cr_expect_eq(of_users().now, left -= 1000);
		fake_drain(ch[i].target, NULL, ch[i].window - 1000);
		cr_expect_eq(of_users().now, left -= ch[i].window - 1000);
	}
	cr_expect_eq(left, 0);
	cr_expect_eq(client_channel(&c, 100, 1 << 20).window, (uint32_t)START, "as ever");
	client_free(&c);
}

Test(relay_window, what_closed_channels_left_is_in_flight_of_their_user)
{
	open_send_close(0, 1 * MIB, RELAY_C_FLIGHT_USER);
}

Test(relay_window, what_closed_channels_left_is_in_flight_of_their_connection)
{
	open_send_close(1 * MIB, 64 * MIB, RELAY_C_FLIGHT_CONN);
}

/* Whoever ends first, and however: nothing stays counted, and nothing is given back twice. */
Test(relay_window, what_closed_channels_left_is_given_back_at_every_end)
{
	struct client c = login(15 * MIB, true), d;
	struct bench_chan ch[4];

	bound(&c, 2 * MIB, 77, 2 * MIB);
	ch[0] = closed_unread(&c, 0);
	ch[1] = closed_unread(&c, 1);
	ch[2] = unread(&c, 2); /* by its connection's end, without a word: is reset */
	ch[3] = unread(&c, 3); /* and after an EOF */
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch[3].local);
	bench_settle();
	fake_drop(ch[0].target);
	cr_expect_eq(of_users().now, ch[1].window + ch[2].window + ch[3].window);
	go(&c);
	cr_expect(ch[2].target->aborted && ch[3].target->closed);
	cr_expect_eq(of_users().now, ch[1].window + ch[3].window);

	d = login(15 * MIB, true); /* in the same place */
	bound(&d, START, 77, 2 * MIB);
	ch[0] = client_channel(&d, 0, 1 << 20);
	cr_expect_eq(ch[0].window, (uint32_t)START / 2, "what is left of others is not its own");
	fake_drain(ch[1].target, NULL, ch[1].window);
	fake_drop(ch[3].target);
	cr_expect_eq(of_users().now, ch[0].window);
	ch[1] = client_channel(&d, 1, 1 << 20);
	cr_expect_eq(ch[1].window, (uint32_t)START / 4);
	go(&d);
	cr_expect(of_users().now == 0 && of_users().max == 0);
}

/* Where there is no place to count it nothing is left: it is reset. */
Test(relay_window, what_cannot_be_counted_is_not_left)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan ch[BENCH_TABLE];

	bound(&c, 0, 77, 1 * MIB);
	bench->debts.left_size = 2;
	for (uint32_t i = 0; i < 2; i++)
		ch[i] = closed_unread(&c, i);
	ch[2] = unread(&c, 2);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch[2].local);
	bench_settle();
	cr_expect(ch[2].target->aborted);
	cr_expect_eq(bench_count(RELAY_C_LEFT_FULL), 1);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	up_expect(LINK_EV_CHAN_END, NULL);
	fake_drop(ch[0].target);
	ch[2] = closed_unread(&c, 3);
	cr_expect_eq(of_users().now, ch[1].window + ch[2].window);
	bench->debts.left_size = BENCH_TABLE;
	client_free(&c);
}

/* Who has no bound any more is asked nothing, and has one again with what he holds then. */
Test(relay_window, a_bound_that_is_none_leaves_nothing)
{
	struct client c = login(15 * MIB, true);
	struct bench_chan left, ch;
	struct stream *t;

	bound(&c, 0, 77, 1 * MIB);
	left = closed_unread(&c, 0);
	ch = client_channel(&c, 1, 1 << 20);
	t = &ch.target->s;
	cr_expect_eq(t->user->keep(t, 65536, 131072), 131072);
	bound(&c, 0, 0, 0);
	cr_expect_not(bench->conns[c.h.index].indebted);
	cr_expect_eq(of_users().now, left.window, "by whoever counts it");
	cr_expect_eq(t->user->keep(t, 131072, 8 * MIB), 8 * MIB);
	bound(&c, 0, 77, 1 * MIB);
	cr_expect_eq(of_users().now, left.window + ch.window);
	cr_expect_eq(t->user->keep(t, 8 * MIB, 65536), 65536);
	fake_drop(left.target);
	cr_expect_eq(of_users().now, ch.window);
	go(&c);
	cr_expect_eq(of_users().now, 0);
}

/* Whoever of the shards is fastest: never a byte too much, and none too little. */
Test(relay_window, what_shards_take_of_a_bound_is_exact)
{
	struct link_bound to = {.key = 5, .max = 100};
	struct flight_look l = {0};
	struct flight *f, *other;
	struct flights *all;

	cr_assert_eq(flights_new(2, &all), 0);
	f = flight_of(all, LINK_FLIGHT_USER, &to);
	cr_assert_eq(flight_of(all, LINK_FLIGHT_USER, &to), f);
	to.key = 6;
	other = flight_of(all, LINK_FLIGHT_USER, &to);
	cr_expect_neq(f, other);
	cr_expect(flight_take(f, 60) && !flight_take(f, 41) && flight_take(f, 40));
	cr_expect(flight_left(f) == 0 && flight_left(other) == 100);
	flights_look(all, LINK_FLIGHT_USER, &l);
	cr_expect(l.used == 100 && l.max == 100);
	flights_look(all, LINK_FLIGHT_SOURCE, &l);
	cr_expect(l.used == 0 && l.max == 0, "of another kind there is none");
	flight_give(f, 100);
	flight_leave(all, LINK_FLIGHT_USER, f);
	flight_leave(all, LINK_FLIGHT_USER, f);
	flight_add(other, 130);
	cr_expect(flight_left(other) == 0 && !flight_take(other, 1), "what was there before");
	flights_look(all, LINK_FLIGHT_USER, &l);
	cr_expect_eq(l.used, 130);
	flight_leave(all, LINK_FLIGHT_USER, other);
	flights_look(all, LINK_FLIGHT_USER, &l);
	cr_expect_eq(l.used, 0);
	flights_free(all);
}

/* More users than places: those without one are bounded by the least of what any of them may have. */
Test(relay_window, more_than_the_table_holds_are_bounded_together)
{
	struct link_bound to = {.key = 1, .max = 100};
	struct flight_look l = {0};
	struct flight *f[512], *shared;
	struct flights *all;
	uint32_t n = 0;

	cr_assert_eq(flights_new(64, &all), 0);
	for (; n < RTE_DIM(f) && (n == 0 || !flight_is_shared(f[n - 1])); n++, to.key++) {
		f[n] = flight_of(all, LINK_FLIGHT_SOURCE, &to);
		cr_expect_eq(flight_left(f[n]), 100);
	}
	cr_assert_eq(n, 128 + 1, "each of a connection, twice over, has its own: %u", n);
	shared = f[n - 1];
	to.max = 60;
	cr_expect_eq(flight_of(all, LINK_FLIGHT_SOURCE, &to), shared);
	to.max = 1000;
	cr_expect_eq(flight_of(all, LINK_FLIGHT_SOURCE, &to), shared);
	cr_expect(flight_take(shared, 60) && !flight_take(shared, 1));
	cr_expect(flight_take(f[0], 100), "nobody else is");
	flight_give(f[0], 100);
	flights_look(all, LINK_FLIGHT_SOURCE, &l);
	cr_expect(l.used == 60 && l.max == 60);
	flight_give(shared, 60);
	for (unsigned int i = 0; i < 2; i++)
		flight_leave(all, LINK_FLIGHT_SOURCE, shared);
	to.key = 7; /* it has its place still */
	cr_expect_eq(flight_of(all, LINK_FLIGHT_SOURCE, &to), f[6]);
	flight_leave(all, LINK_FLIGHT_SOURCE, f[6]);
	while (n-- > 0)
		flight_leave(all, LINK_FLIGHT_SOURCE, f[n]);
	to.key = 9999; /* places are free again, and the one of all begins anew */
	f[0] = flight_of(all, LINK_FLIGHT_SOURCE, &to);
	cr_expect_not(flight_is_shared(f[0]));
	flight_leave(all, LINK_FLIGHT_SOURCE, f[0]);
	flights_look(all, LINK_FLIGHT_SOURCE, &l);
	cr_expect_eq(l.used, 0);
	flights_free(all);
}

/* --- what is told to those who look -------------------------------------------------------------
 */

static bool network_holds;

static bool congested(const struct stream *s)
{
	(void)s;
	return network_holds;
}

static const struct link_look_result *look(uint32_t from, struct link_handle of)
{
	const struct link_look m = {.id = 42, .from = from};
	const struct link_look_result *r;

	down(LINK_CMD_LOOK, of, &m, sizeof(m), NULL, 0);
	bench_settle();
	r = up_expect(LINK_EV_LOOK, NULL);
	cr_assert_eq(r->id, 42);
	return r;
}

static const struct link_handle anybody;

static struct link_look_chan look_one(void)
{
	const struct link_look_result *r = look(0, anybody);

	cr_assert_eq(r->n, 1);
	cr_assert_eq(r->next, 0);
	return *(const struct link_look_chan *)(r + 1);
}

Test(relay_look, there_is_nothing_to_see, .init = bench_start, .fini = bench_end)
{
	struct client c = login(MIB, false);

	cr_expect_eq(look(0, anybody)->n, 0);
	cr_expect_eq(look(UINT32_MAX, anybody)->n, 0);
	cr_expect_eq(look(0, (struct link_handle){3, 5, 7, 9})->n, 0, "nobody is called that");
	client_free(&c);
}

Test(relay_look, a_channel_is_told_of, .init = bench_start, .fini = bench_end)
{
	static const uint8_t buf[1000];
	struct client c = login(MIB, false);
	struct bench_chan ch = client_channel(&c, 1, 5000);
	struct link_look_chan l;

	client_data(&c, ch.local, buf, 300);
	fake_give(ch.target, buf, 1000);
	bench_settle();
	bench_now += 2000;
	l = look_one();
	cr_expect_eq(l.token, 1001);
	cr_expect_eq(l.local_channel, ch.local);
	cr_expect_eq(l.conn.generation, c.h.generation);
	cr_expect_eq(l.conn.index, c.h.index);
	cr_expect_eq(l.state, LINK_CHAN_OPEN);
	cr_expect_eq(l.bytes_in, 300);
	cr_expect_eq(l.bytes_out, 1000);
	cr_expect_eq(l.held_in, 300);
	cr_expect_eq(l.held_out, 0);
	cr_expect_eq(l.window_in, MIB - 300);
	cr_expect_eq(l.window_in_max, MIB);
	cr_expect_eq(l.window_out, 4000);
	cr_expect_eq(l.client_rtt_us, RTT / 2);
	cr_expect_eq(l.target.port, 80);
	cr_expect(l.age_us >= 2000 && l.idle_us >= 2000 && l.idle_us < 100000);
	cr_expect_eq(l.ours, 0);
	client_free(&c);
}

/* Of each connection its own, from a place on. */
Test(relay_look, some_are_left_out, .init = bench_start, .fini = bench_end)
{
	struct client c = login(MIB, false), d = login(MIB, false);
	const struct link_look_result *r;

	client_channel(&c, 1, 5000);
	client_channel(&d, 2, 5000);
	client_channel(&d, 3, 5000);
	cr_expect_eq(look(0, anybody)->n, 3);
	cr_expect_eq(look(1, anybody)->n, 2);
	cr_expect_eq(look(3, anybody)->n, 0);
	cr_expect_eq(look(0, c.h)->n, 1);
	r = look(0, d.h);
	cr_expect_eq(r->n, 2);
	cr_expect_eq(((const struct link_look_chan *)(r + 1))->token, 1002);
	client_free(&c);
	client_free(&d);
}

static void expect_slow(enum link_slow in, enum link_slow out, const char *when)
{
	struct link_look_chan l = look_one();

	cr_expect_eq(l.slow_in, in, "%s: in %u", when, l.slow_in);
	cr_expect_eq(l.slow_out, out, "%s: out %u", when, l.slow_out);
}

Test(relay_look, why_nothing_goes_to_the_client, .init = bench_start, .fini = bench_end)
{
	static const uint8_t buf[8000];
	struct client c = login(MIB, false);
	struct bench_chan ch = client_channel(&c, 1, 5000);

	bench->conf.stream_congested = congested;
	expect_slow(LINK_SLOW_CLIENT, LINK_SLOW_TARGET, "nobody says anything");
	fake_give(ch.target, buf, 8000);
	bench_settle();
	expect_slow(LINK_SLOW_CLIENT, LINK_SLOW_WINDOW, "5000 are sent");
	cr_expect_eq(look_one().held_out, 3000);
	client_pull(&c);
	c.f->budget = 0;
	fake_give(c.f, buf, 0);
	fake_eof(ch.target);
	bench_settle();
	bench->chans[0].swin.window_size = 1000;
	expect_slow(LINK_SLOW_CLIENT, LINK_SLOW_CLIENT, "its TCP takes nothing");
	network_holds = true;
	expect_slow(LINK_SLOW_CLIENT, LINK_SLOW_CONGESTION, "the network takes nothing");
	bench->chans[0].conn->tx_kex = true;
	expect_slow(LINK_SLOW_CLIENT, LINK_SLOW_REKEY, "keys are changed");
	bench->chans[0].conn->tx_kex = false;
	client_free(&c);
}

Test(relay_look, why_nothing_goes_to_the_target, .init = bench_start, .fini = bench_end)
{
	static const uint8_t buf[4096];
	struct client c = login(32768, false);
	struct bench_chan ch = client_channel(&c, 1, 5000);
	struct conn *conn = bench->chans[0].conn;

	bench->conf.stream_congested = congested;
	for (int i = 0; i < 8; i++)
		client_data(&c, ch.local, buf, sizeof(buf));
	bench_settle();
	expect_slow(LINK_SLOW_TARGET, LINK_SLOW_TARGET, "it takes nothing");
	network_holds = true;
	expect_slow(LINK_SLOW_CONGESTION, LINK_SLOW_TARGET, "the network takes nothing");
	conn->mem_stopped = true;
	expect_slow(LINK_SLOW_MEMORY, LINK_SLOW_TARGET, "there is no memory");
	conn->mem_stopped = false;
	conn->slow_stopped = true;
	expect_slow(LINK_SLOW_CONTROL, LINK_SLOW_TARGET, "control has enough");
	conn->slow_stopped = false;
	fake_drain(ch.target, NULL, ch.target->tx.len);
	bench_settle();
	expect_slow(LINK_SLOW_CLIENT, LINK_SLOW_TARGET, "all is taken");
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	bench_settle();
	expect_slow(LINK_SLOW_NOTHING, LINK_SLOW_TARGET, "it has said all");
	client_free(&c);
}

Test(relay_look, limits_are_used, .init = bench_start, .fini = bench_end)
{
	struct client c = login(MIB, false);
	struct relay_uses u;

	client_channel(&c, 1, 5000);
	relay_uses(bench, &u);
	cr_expect(u.conns.now == 1 && u.conns.max == bench->conf.conns_max);
	cr_expect(u.chans.now == 1 && u.chans.max == bench->conf.chans_max);
	cr_expect(u.windows.now == MIB && u.windows.max > MIB);
	cr_expect(u.audit.now == 0 && u.audit.max == 64);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, bench->chans[0].local);
	bench_settle();
	relay_uses(bench, &u);
	cr_expect_eq(u.chans.now, 0);
	cr_expect_eq(u.windows.now, 0);
	cr_expect_eq(u.audit.now, 1, "its end, not acknowledged");
	client_free(&c);
}

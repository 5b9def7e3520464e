/*
 * dataplane/relay/rounds.c: whose turn it is among the channels of a connection, and that none of
 * them waits for another's target.
 */
#include "dataplane/relay/internal.h"
#include "tests/util/relay_bench.h"

TestSuite(relay_fair, .init = bench_start, .fini = bench_end);

#define CHANS 4

/* Bytes of each channel of the client's, in the order they came; what came first. */
struct heard {
	uint32_t bytes[CHANS + 1];
	uint32_t first[CHANS + 1]; /* bytes of all others before its first */
	uint32_t messages;
};

/* What the relay has sealed for the client until now. */
static struct heard hear(struct client *c)
{
	struct heard h = {0};
	const uint8_t *p;
	uint32_t seqnr, all = 0;
	size_t n;

	client_pull(c);
	while (ssh_flat_next(&c->flat, &p, &n, &seqnr) == 0) {
		if (p[0] != SSH_MSG_CHANNEL_DATA)
			continue;
		cr_assert_leq(p[4], CHANS);
		if (h.bytes[p[4]] == 0)
			h.first[p[4]] = all;
		h.bytes[p[4]] += (uint32_t)n - 9;
		all += (uint32_t)n - 9;
		h.messages++;
	}
	return h;
}

static struct bench_chan channel(struct client *c, uint32_t number, uint32_t packet_max)
{
	struct bench_chan ch;

	client_open(c, number, 1 << 22, packet_max, 1);
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	ch = client_confirmed(c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	return ch;
}

/* The client takes what there is, so much of it each time, until it has so many bytes. */
static struct heard read_slowly(struct client *c, uint32_t budget, uint32_t bytes)
{
	struct heard sum = {0};

	c->f->budget = budget;
	for (uint32_t all = 0; all < bytes;) {
		struct heard h;

		bench_turn();
		h = hear(c);
		for (unsigned int i = 0; i <= CHANS; i++) {
			if (sum.bytes[i] == 0 && h.bytes[i] > 0)
				sum.first[i] = all + h.first[i];
			sum.bytes[i] += h.bytes[i];
			all += h.bytes[i];
		}
		sum.messages += h.messages;
	}
	return sum;
}

/* Bytes count, not messages: a channel of small packets is not behind one of large ones. */
Test(relay_fair, channels_have_equal_bytes_whatever_the_size_of_their_packets)
{
	static uint8_t data[400000];
	static const uint32_t budget[] = {5000, 20000, 200000};
	struct client c = client_login();
	struct bench_chan ch[CHANS];
	static const uint32_t packet[CHANS] = {32768, 1024, 5000, 400};

	for (uint32_t i = 0; i < CHANS; i++)
		ch[i] = channel(&c, i + 1, packet[i]);
	for (unsigned int b = 0; b < RTE_DIM(budget); b++) {
		struct heard h;

		for (uint32_t i = 0; i < CHANS; i++)
			fake_give(ch[i].target, data, sizeof(data) - ch[i].target->rx.len);
		h = read_slowly(&c, budget[b], 600000);
		for (uint32_t i = 1; i <= CHANS; i++) {
			uint32_t even = (h.bytes[1] + h.bytes[2] + h.bytes[3] + h.bytes[4]) / CHANS;

			cr_expect_geq(h.bytes[i] + 2 * BENCH_PACKET / 3, even,
				      "%u: %u has %u of %u", budget[b], i, h.bytes[i], even);
			cr_expect_leq(h.bytes[i], even + 2 * BENCH_PACKET / 3,
				      "%u: %u has %u of %u", budget[b], i, h.bytes[i], even);
		}
	}
	client_free(&c);
}

/* A slow client has many messages waiting: what is typed meanwhile is the next it gets. */
Test(relay_fair, a_keystroke_is_sealed_before_all_that_waits)
{
	static uint8_t data[400000];
	static const uint32_t budget[] = {4096, 30000, 200000};
	struct client c = client_login();
	struct bench_chan a = channel(&c, 1, 32768), b = channel(&c, 2, 32768),
			  key = channel(&c, 3, 32768);

	for (unsigned int i = 0; i < RTE_DIM(budget); i++) {
		struct heard h;

		fake_give(a.target, data, sizeof(data) - a.target->rx.len);
		fake_give(b.target, data, sizeof(data) - b.target->rx.len);
		read_slowly(&c, budget[i], 100000);
		fake_give(key.target, "k", 1);
		bench_turn();
		h = hear(&c);
		cr_expect_eq(h.bytes[3], 1, "in the very next turn");
		cr_expect_eq(h.first[3], 0, "%u: %u bytes before it", budget[i], h.first[3]);
		read_slowly(&c, budget[i], 100000);
	}
	client_free(&c);
}

/* No acknowledgement is awaited for it: that says that there is room, not that it is nearer. */
Test(relay_fair, a_keystroke_needs_no_room)
{
	static uint8_t data[400000];
	struct client c = client_login();
	struct bench_chan bulk = channel(&c, 1, 32768), key = channel(&c, 2, 32768);
	uint32_t full;

	c.f->budget = 50000;
	fake_give(bulk.target, data, sizeof(data));
	bench_settle();
	full = c.f->tx.len;
	fake_give(key.target, "k", 1);
	bench_settle();
	cr_expect_gt(c.f->tx.len, full);
	cr_expect_leq(c.f->tx.len, full + 64);
	cr_expect_eq(hear(&c).bytes[2], 1);
	client_free(&c);
}

/* But what goes beyond the room is bounded, whoever types. */
Test(relay_fair, a_client_that_does_not_read_is_not_typed_at_for_ever)
{
	static uint8_t data[400000];
	struct client c = client_login();
	struct bench_chan bulk = channel(&c, 1, 32768), key = channel(&c, 2, 32768);
	uint32_t full;

	c.f->budget = 50000;
	fake_give(bulk.target, data, sizeof(data));
	bench_settle();
	full = c.f->tx.len;
	for (int i = 0; i < 100; i++) {
		fake_give(key.target, data, 1000);
		bench_settle();
	}
	cr_expect_leq(c.f->tx.len, full + RELAY_AHEAD_MAX + RELAY_SPARSE + 1000, "%u",
		      c.f->tx.len - full);
	cr_expect_gt(key.target->rx.len, 50000, "the rest stays with its target");
	c.f->budget = 1 << 22;
	client_pull(&c);
	bench_settle();
	cr_expect_eq(key.target->rx.len, 0);
	cr_expect_eq(bulk.target->rx.len, 0);
	client_free(&c);
}

/* Who always sends a little is not always first: the others have their round in between. */
Test(relay_fair, many_that_send_little_do_not_starve_one_that_sends_much)
{
	static uint8_t data[400000];
	struct client c = client_login();
	struct bench_chan bulk = channel(&c, 1, 32768), key[3];
	uint32_t got = 0, others = 0;

	for (uint32_t i = 0; i < 3; i++)
		key[i] = channel(&c, i + 2, 32768);
	c.f->budget = 20000;
	fake_give(bulk.target, data, sizeof(data));
	bench_settle();
	for (int turn = 0; turn < 60; turn++) {
		struct heard h = hear(&c);

		got += h.bytes[1];
		others += h.bytes[2] + h.bytes[3] + h.bytes[4];
		for (uint32_t i = 0; i < 3; i++)
			fake_give(key[i].target, data, RELAY_SPARSE - key[i].target->rx.len);
		bench_turn();
	}
	cr_expect_geq(got * 5, others, "%u of %u", got, got + others);
	client_free(&c);
}

/* F-36 in one connection: a target that takes nothing stops its own channel. */
Test(relay_fair, a_target_that_takes_nothing_delays_no_other_channel)
{
	static uint8_t data[BENCH_PACKET];
	struct client c = client_login();
	struct bench_chan stuck = client_channel(&c, 1, 1 << 20);
	struct bench_chan other = client_channel(&c, 2, 1 << 20);

	stuck.target->budget = 0;
	for (uint32_t n = 0; n < BENCH_WINDOW; n += sizeof(data))
		client_data(&c, stuck.local, data, sizeof(data));
	bench_settle();
	cr_expect_eq(stuck.target->tx.len, (uint32_t)BENCH_WINDOW, "all it was granted");
	for (int i = 0; i < 20; i++) {
		client_data(&c, other.local, data, 1000);
		bench_turn();
		cr_assert_eq(other.target->tx.len, 1000, "in the turn it came in");
		fake_drain(other.target, NULL, 1000);
		fake_give(other.target, data, 1000);
		bench_turn();
		cr_assert_eq(hear(&c).bytes[2], 1000);
	}
	client_free(&c);
}

/* And so does one that is not reached at all. */
Test(relay_fair, a_target_that_does_not_answer_delays_no_other_channel)
{
	static uint8_t data[BENCH_PACKET];
	struct client c = client_login();
	struct bench_chan other = client_channel(&c, 1, 1 << 20);

	for (uint32_t i = 0; i < 5; i++)
		client_open(&c, 2 + i, 1 << 20, 32768, 3);
	for (int i = 0; i < 20; i++) {
		bench_now += 40000;
		client_data(&c, other.local, data, 1000);
		bench_turn();
		cr_assert_eq(other.target->tx.len, 1000);
		fake_drain(other.target, NULL, 1000);
	}
	client_free(&c);
}

/* A peer's window of zero stops one channel, whatever waits for it. */
Test(relay_fair, a_window_of_zero_delays_no_other_channel)
{
	static uint8_t data[100000];
	struct client c = client_login();
	struct bench_chan shut = client_channel(&c, 1, 0), other = client_channel(&c, 2, 1 << 20);
	struct heard h;

	fake_give(shut.target, data, sizeof(data));
	fake_give(other.target, data, sizeof(data));
	bench_settle();
	h = hear(&c);
	cr_expect_eq(h.bytes[1], 0);
	cr_expect_eq(h.bytes[2], sizeof(data));
	client_free(&c);
}

/* For a peer that uploads a grant is what an acknowledgement is to TCP. */
Test(relay_fair, grants_go_ahead_of_data)
{
	static uint8_t data[400000];
	struct client c = client_login();
	struct bench_chan down_chan = channel(&c, 1, 32768), up_chan = channel(&c, 2, 32768);
	const uint8_t *p;
	uint32_t seqnr;
	size_t n;

	client_data(&c, up_chan.local, data, 30000);
	bench_settle();
	hear(&c);
	fake_give(down_chan.target, data, sizeof(data));
	fake_drain(up_chan.target, NULL, 30000);
	bench_turn();
	client_pull(&c);
	cr_assert_eq(ssh_flat_next(&c.flat, &p, &n, &seqnr), 0);
	cr_expect_eq(p[0], SSH_MSG_CHANNEL_WINDOW_ADJUST, "message %u is first", p[0]);
	client_free(&c);
}

/* dataplane/relay: what one connection may use of a turn, and TCPNoDelay of its stream. */
#include "dataplane/relay/internal.h"

#define BENCH_CONNS   6
#define BENCH_STREAMS 64
#define BENCH_MSGS    8192
#define BENCH_TABLE   16
#include "tests/util/relay_bench.h"

TestSuite(quantum);
TestSuite(relay_quantum, .init = bench_start, .fini = bench_end);

#define HZ UINT64_C(2000000000)

Test(quantum, a_size_is_taken_as_it_is)
{
	struct quantum q;

	quantum_init(&q, 65536, 0, HZ);
	cr_expect_eq(q.bytes, 65536);
	quantum_learn(&q, 1 << 30, 1 << 20);
	cr_expect_eq(q.bytes, 65536);
}

Test(quantum, nothing_is_no_limit)
{
	struct quantum q;

	quantum_init(&q, 0, 0, HZ);
	cr_expect_eq(q.bytes, UINT32_MAX);
}

Test(quantum, a_time_becomes_what_was_moved_in_it)
{
	struct quantum q;

	quantum_init(&q, 0, 2000, HZ); /* 4,000,000 cycles */
	cr_expect_eq(q.bytes, QUANTUM_BYTES_INIT);
	for (int i = 0; i < 100; i++)
		quantum_learn(&q, 4096 * 4, 4096); /* 4 cycles a byte */
	cr_expect_leq(q.bytes, 1010000);
	cr_expect_geq(q.bytes, 990000);
	for (int i = 0; i < 100; i++)
		quantum_learn(&q, 65536 * 40, 65536); /* ten times as slow */
	cr_expect_leq(q.bytes, 101000);
	cr_expect_geq(q.bytes, 99000);
}

Test(quantum, a_turn_of_few_bytes_says_nothing)
{
	struct quantum q;

	quantum_init(&q, 0, 1000, HZ);
	quantum_learn(&q, 1 << 30, QUANTUM_SEEN_MIN - 1);
	quantum_learn(&q, 1 << 30, 0);
	cr_expect_eq(q.bytes, QUANTUM_BYTES_INIT);
}

Test(quantum, extremes_stay_within_bounds)
{
	struct quantum q;

	quantum_init(&q, 0, 1000, HZ);
	quantum_learn(&q, UINT64_C(1) << 50, QUANTUM_SEEN_MIN);
	cr_expect_eq(q.bytes, QUANTUM_BYTES_MIN);
	quantum_init(&q, 0, 1000000, HZ);
	quantum_learn(&q, 0, UINT32_MAX);
	cr_expect_eq(q.bytes, UINT32_MAX);
}

/* --- at a relay --------------------------------------------------------------------------------
 */

/* Two records of the first client arrive whole; with a quantum they are taken in several turns. */
static unsigned int turns_for(uint32_t quantum, uint32_t bytes)
{
	static uint8_t data[BENCH_PACKET];
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	unsigned int turns = 0;
	uint32_t most = 0, before;

	quantum_init(&bench->quantum, quantum, 0, HZ);
	client_data(&c, ch.local, data, bytes);
	while (ch.target->tx.len < bytes && turns < 1000) {
		before = c.f->rx.len;
		bench_turn();
		most = RTE_MAX(most, before - c.f->rx.len);
		turns++;
	}
	cr_expect_eq(ch.target->tx.len, bytes);
	if (quantum != 0)
		cr_expect_leq(most, quantum);
	client_free(&c);
	return turns;
}

Test(relay_quantum, a_turn_reads_no_more_than_the_quantum)
{
	cr_expect_eq(turns_for(4096, 30000), 8);
}

Test(relay_quantum, without_a_quantum_one_turn_is_enough)
{
	cr_expect_eq(turns_for(0, 30000), 1);
}

/* The whole point: whoever has little is not behind whoever has much. */
Test(relay_quantum, a_keystroke_passes_a_bulk_transfer_in_its_turn)
{
	static uint8_t data[BENCH_PACKET];
	struct client bulk = client_login(), key = client_login();
	struct bench_chan b = client_channel(&bulk, 1, 1 << 20);
	struct bench_chan k = client_channel(&key, 1, 1 << 20);

	quantum_init(&bench->quantum, 4096, 0, HZ);
	client_data(&bulk, b.local, data, 30000);
	client_data(&bulk, b.local, data, 30000);
	bench_turn();
	client_data(&key, k.local, "x", 1);
	bench_turn();
	cr_expect_eq(k.target->tx.len, 1);
	cr_expect_eq(b.target->tx.len, 0);
	bench_settle();
	cr_expect_eq(b.target->tx.len, 60000, "and nothing of it is lost");
	client_free(&bulk);
	client_free(&key);
}

Test(relay_quantum, a_turn_sends_no_more_than_the_quantum)
{
	static uint8_t data[60000];
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint32_t before = (uint32_t)c.f->tx.len, turns = 0;

	quantum_init(&bench->quantum, 8192, 0, HZ);
	fake_give(ch.target, data, sizeof(data));
	while (ch.target->rx.len > 0 && turns++ < 100) {
		uint32_t had = ch.target->rx.len;

		bench_turn();
		cr_expect_leq(had - ch.target->rx.len, 8192u);
	}
	cr_expect_geq(turns, sizeof(data) / 8192);
	cr_expect_geq(c.f->tx.len - before, sizeof(data));
	client_free(&c);
}

/* --- S-50: of one channel ------------------------------------------------------------------ */

#define FILE_QUANTUM 65536 /* as ReadQuantum is by default */
#define MUCH         (256 * 1024)
#define CRUMBS       500 /* messages of one byte */
/* Packets as small as they may be; EOFs, windows and the like besides. */
#define SEALED_MAX (FILE_QUANTUM / SSH_CHAN_PACKET_MIN + 16)

/* Turns until nothing moves any more; the longest in cycles. */
static uint64_t turns_of_few_records(struct client *c)
{
	const uint64_t *n = relay_counters(bench);
	uint64_t longest = 0, opened, sealed;

	do {
		uint64_t began = rte_rdtsc();

		opened = n[RELAY_C_RECORDS_OPENED];
		sealed = n[RELAY_C_RECORDS_SEALED];
		bench_turn();
		longest = RTE_MAX(longest, rte_rdtsc() - began);
		opened = n[RELAY_C_RECORDS_OPENED] - opened;
		sealed = n[RELAY_C_RECORDS_SEALED] - sealed;
		cr_assert_leq(opened, (uint64_t)RELAY_OPEN_TURN);
		cr_assert_leq(sealed, (uint64_t)SEALED_MAX);
		client_pull(c);
	} while (opened + sealed > 0);
	return longest;
}

static void refused_or_moves(struct client *c, uint32_t number, uint32_t packet, uint32_t window)
{
	static uint8_t data[MUCH];
	const uint64_t *moved = &relay_counters(bench)[RELAY_C_BYTES_TO_CLIENTS];
	uint64_t before = *moved, longest;
	struct bench_chan ch;
	const uint8_t *p;
	size_t n;

	while (up_next() != NULL || client_next(c, &p, &n) != 0) /* of those before */
		;
	client_open(c, number, window, packet, 1);
	if (packet < SSH_CHAN_PACKET_MIN) {
		cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
		return;
	}
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	ch = client_confirmed(c);
	fake_give(ch.target, data, sizeof(data));
	for (unsigned int i = 0; i < CRUMBS; i++)
		client_data(c, ch.local, "x", 1);
	longest = turns_of_few_records(c);
	cr_expect_eq(*moved - before, RTE_MIN(window, (uint32_t)MUCH));
	cr_expect_eq(ch.target->tx.len, CRUMBS);
	client_adjust(c, ch.local, UINT32_MAX - window);
	longest = RTE_MAX(longest, turns_of_few_records(c));
	cr_expect_eq(*moved - before, MUCH, "packets of %u, window %u", packet, window);
	printf("packets of %u, window %u: the longest turn %.1f us\n", packet, window,
	       (double)longest * 1e6 / (double)rte_get_tsc_hz());
}

/*
 * What a peer says of packets and windows is refused or moves, and no turn has more to do because
 * of its channel than so many records: at 2 us each, which is ten times what one costs, that is
 * less than a millisecond.
 */
Test(relay_quantum, s50_no_packet_or_window_makes_a_turn_long)
{
	static const uint32_t packet[] = {0, 1, SSH_CHAN_PACKET_MIN - 1, SSH_CHAN_PACKET_MIN,
					  UINT32_MAX};
	static const uint32_t window[] = {0, 1, UINT32_MAX};

	struct client c = client_login();

	cr_assert_leq((RELAY_OPEN_TURN + SEALED_MAX) * 2, 1000);
	quantum_init(&bench->quantum, FILE_QUANTUM, 0, HZ);
	for (uint32_t i = 0; i < 15; i++)
		refused_or_moves(&c, i, packet[i / 3], window[i % 3]);
	client_free(&c);
}

/* --- many of them ------------------------------------------------------------------------- */

#define BULK  4
#define LARGE 250000 /* bytes of a record */

/* Records nobody has to carry anywhere. */
static void give_much(struct client *c, unsigned int records)
{
	static uint8_t ignore[LARGE] = {SSH_MSG_IGNORE};

	while (records-- > 0)
		cr_assert_eq(ssh_flat_send(&c->flat, ignore, sizeof(ignore)), 0);
	client_push(c);
}

/* A turn moves so much and no more, and the next goes on where it stopped. */
Test(relay_quantum, a_turn_has_a_bound_and_all_have_equal_parts_of_many)
{
	struct client c[BULK];
	uint32_t had[BULK], got[BULK] = {0};

	for (unsigned int i = 0; i < BULK; i++)
		c[i] = client_login();
	for (unsigned int i = 0; i < BULK; i++) {
		give_much(&c[i], 8);
		had[i] = c[i].f->rx.len;
	}
	quantum_init(&bench->quantum, QUANTUM_TURN_BYTES / 2, 0, HZ);
	for (unsigned int turn = 0; turn < 8; turn++) {
		uint32_t all = 0, least = UINT32_MAX, most = 0;

		bench_turn();
		for (unsigned int i = 0; i < BULK; i++) {
			uint32_t now = had[i] - c[i].f->rx.len;

			all += now - got[i];
			got[i] = now;
			least = RTE_MIN(least, now);
			most = RTE_MAX(most, now);
		}
		/* The last that is served may go beyond it by a quantum. */
		cr_expect_leq(all, QUANTUM_TURN_BYTES * 3 / 2 + QUANTUM_SPARSE, "turn %u: %u", turn,
			      all);
		cr_expect_geq(all, QUANTUM_TURN_BYTES, "turn %u: %u", turn, all);
		cr_expect_leq(most - least, QUANTUM_TURN_BYTES / 2, "turn %u", turn);
	}
	bench_settle();
	for (unsigned int i = 0; i < BULK; i++) {
		cr_expect_eq(c[i].f->rx.len, 0);
		client_free(&c[i]);
	}
}

Test(relay_quantum, one_with_little_is_not_held_up_by_them)
{
	struct client c[BULK], key;
	struct bench_chan k;
	static uint8_t screen[2000];

	for (unsigned int i = 0; i < BULK; i++)
		c[i] = client_login();
	key = client_login();
	k = client_channel(&key, 1, 1 << 20);
	quantum_init(&bench->quantum, QUANTUM_TURN_BYTES / 2, 0, HZ);
	for (unsigned int i = 0; i < BULK; i++)
		give_much(&c[i], 8);
	for (unsigned int turn = 0; turn < 5; turn++) {
		client_data(&key, k.local, "x", 1);
		fake_give(k.target, screen, sizeof(screen));
		client_pull(&key);
		bench_turn();
		cr_expect_eq(k.target->tx.len, 1, "turn %u", turn);
		cr_expect_geq(key.f->tx.len, sizeof(screen), "turn %u", turn);
		fake_drain(k.target, NULL, k.target->tx.len);
	}
	for (unsigned int i = 0; i < BULK; i++) {
		cr_expect_gt(c[i].f->rx.len, 0, "they have something left still");
		client_free(&c[i]);
	}
	client_free(&key);
}

/* Who comes first in the next turn may be gone by then. */
Test(relay_quantum, the_next_one_may_be_gone)
{
	struct client c[BULK];

	for (unsigned int i = 0; i < BULK; i++)
		c[i] = client_login();
	for (unsigned int i = 0; i < BULK; i++)
		give_much(&c[i], 6);
	quantum_init(&bench->quantum, QUANTUM_TURN_BYTES / 2, 0, HZ);
	for (unsigned int i = 0; i < BULK; i++) {
		bench_turn();
		bench_turn();
		if (bench->rx_turn.from != NULL)
			fake_fail(bench->rx_turn.from->stream == NULL
					  ? c[i].f
					  : (struct fake *)bench->rx_turn.from->stream,
				  -ECONNRESET);
	}
	bench_settle();
	for (unsigned int i = 0; i < BULK; i++)
		client_free(&c[i]);
}

Test(relay_quantum, no_delay_is_what_control_says)
{
	struct link_authenticated a = bench_auth;
	struct client c;

	for (int nagle = 0; nagle < 2; nagle++) {
		a.nagle = (uint8_t)nagle;
		c = client_new("aes128-gcm@openssh.com", "");
		client_ident(&c);
		client_kex(&c);
		cr_expect_eq(c.f->nodelay, 0, "nothing is said before the login");
		client_auth(&c, &a);
		cr_expect_eq(c.f->nodelay, nagle ? -1 : 1);
		client_free(&c);
	}
}

/* ssh/window.c: credit is conserved to the byte, and a peer never stalls. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>

#include "ssh/err.h"
#include "ssh/window.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- what we granted ---------------------------------------------------------------- */

Test(ssh_window, s52_one_byte_beyond_the_window_is_refused_and_leaves_no_trace)
{
	static const uint32_t size[] = {0, 1, 7, 32768, 2 << 20, UINT32_MAX - 1};

	for (size_t i = 0; i < N(size); i++) {
		struct ssh_rwin w;

		ssh_rwin_init(&w, size[i]);
		cr_expect_eq(ssh_rwin_recv(&w, size[i] + 1), -SSH_E_WINDOW);
		cr_expect_eq(ssh_rwin_recv(&w, UINT32_MAX), -SSH_E_WINDOW);
		cr_expect(w.window_size == size[i] && ssh_rwin_held(&w) == 0);
		cr_expect_eq(ssh_rwin_recv(&w, size[i]), 0);
		cr_expect_eq(ssh_rwin_recv(&w, 1), -SSH_E_WINDOW);
		cr_expect_eq(ssh_rwin_recv(&w, 16 << 20), -SSH_E_WINDOW);
		cr_expect_eq(ssh_rwin_recv(&w, 0), 0);
	}
}

Test(ssh_window, an_adjust_waits_until_an_eighth_is_taken)
{
	struct ssh_rwin w;

	ssh_rwin_init(&w, 2 << 20);
	cr_assert_eq(ssh_rwin_recv(&w, 1 << 20), 0);
	cr_expect_eq(ssh_rwin_consume(&w, (256 << 10) - 1), 0);
	cr_expect_eq(ssh_rwin_consume(&w, 1), 256 << 10);
	cr_expect_eq(w.window_size, (1 << 20) + (256 << 10));
	cr_expect_eq(w.consumed, 0);
}

/* An eighth of a small window is less than an adjust and its answer cost. */
Test(ssh_window, of_a_small_window_it_waits_for_a_quarter_or_two_packets)
{
	static const struct {
		uint32_t size, worth;
	} c[] = {
		{64 << 10, 16 << 10},  {128 << 10, 32 << 10}, {256 << 10, 64 << 10},
		{512 << 10, 64 << 10}, {1 << 20, 128 << 10},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_rwin w;

		ssh_rwin_init(&w, c[i].size);
		cr_assert_eq(ssh_rwin_recv(&w, c[i].size), 0);
		cr_expect_eq(ssh_rwin_consume(&w, c[i].worth - 1), 0, "%zu", i);
		cr_expect_eq(ssh_rwin_consume(&w, 1), c[i].worth, "%zu", i);
	}
}

Test(ssh_window, taking_nothing_grants_nothing)
{
	struct ssh_rwin w;

	ssh_rwin_init(&w, 0);
	cr_expect_eq(ssh_rwin_consume(&w, 0), 0);
	ssh_rwin_init(&w, 8);
	cr_assert_eq(ssh_rwin_recv(&w, 8), 0);
	cr_expect_eq(ssh_rwin_consume(&w, 0), 0);
}

Test(ssh_window, taking_what_was_not_received_is_our_bug, .signal = SIGABRT)
{
	struct ssh_rwin w;

	ssh_rwin_init(&w, 100);
	cr_assert_eq(ssh_rwin_recv(&w, 10), 0);
	ssh_rwin_consume(&w, 11);
}

Test(ssh_window, raising_grants_the_difference_and_lowering_nothing)
{
	struct ssh_rwin w;

	ssh_rwin_init(&w, 64 << 10);
	cr_assert_eq(ssh_rwin_recv(&w, 64 << 10), 0);
	cr_expect_eq(ssh_rwin_raise(&w, 128 << 10), 64 << 10);
	cr_expect_eq(ssh_rwin_held(&w), 64 << 10);
	cr_expect_eq(ssh_rwin_raise(&w, 1), 0);
	cr_expect_eq(w.initial_window_size, 128 << 10);
	/* Less than a quarter waits, and is not lost. */
	cr_expect_eq(ssh_rwin_raise(&w, (128 << 10) + 1), 0);
	cr_expect_eq(ssh_rwin_consume(&w, 64 << 10), (64 << 10) + 1);
	cr_expect_eq(w.window_size, (128 << 10) + 1);
}

Test(ssh_window, a_lowered_window_keeps_what_it_would_get_back)
{
	struct ssh_rwin w;

	ssh_rwin_init(&w, 256 << 10);
	cr_assert_eq(ssh_rwin_recv(&w, 216 << 10), 0);
	cr_expect_eq(ssh_rwin_lower(&w, 64 << 10, 100 << 10), 0);
	cr_expect_eq(w.initial_window_size, 156 << 10);
	cr_expect_eq(ssh_rwin_held(&w), 116 << 10);
	/* 92 KiB of these are kept, the rest is granted: the window is as small as it was to be. */
	cr_expect_eq(ssh_rwin_lower(&w, 64 << 10, 116 << 10), 24 << 10);
	cr_expect_eq(w.initial_window_size, 64 << 10);
	cr_expect_eq(w.window_size, 64 << 10);
	cr_expect_eq(ssh_rwin_lower(&w, 128 << 10, 0), 0, "it does not raise");
	cr_expect_eq(w.initial_window_size, 64 << 10);
}

/*
 * A peer that sends only when a whole packet of its own size fits, a reader that takes all:
 * it must come back to the full window whatever the sizes are.
 */
Test(ssh_window, s53_a_peer_that_sends_whole_packets_only_never_stalls)
{
	for (uint32_t size = 1; size < 3000; size++) {
		uint32_t packet = size < 600 ? size : 594 + size % 7;
		struct ssh_rwin w;

		ssh_rwin_init(&w, size);
		for (int turn = 0; turn < 50; turn++) {
			cr_assert_geq(w.window_size, packet, "window %u, turn %d", size, turn);
			cr_assert_eq(ssh_rwin_recv(&w, packet), 0);
			ssh_rwin_consume(&w, packet);
		}
	}
}

/* When nothing is held any more, the window has 32 KiB, or is whole. */
Test(ssh_window, s53_a_reader_that_has_taken_all_leaves_no_peer_waiting)
{
	uint64_t seed = rnd_seed();
	struct rnd r = rnd_new(seed);

	for (int life = 0; life < 2000; life++) {
		struct ssh_rwin w;
		uint32_t held;

		ssh_rwin_init(&w, 1 + (rnd_u32(&r) >> rnd_below(&r, 32)) % UINT32_MAX);
		for (int i = 0; i < 60; i++) {
			if (w.window_size > 0)
				cr_assert_eq(ssh_rwin_recv(&w, 1 + rnd_below(&r, w.window_size)),
					     0);
			held = ssh_rwin_held(&w);
			if (rnd_below(&r, 3) > 0)
				held = held ? rnd_below(&r, held) : 0;
			ssh_rwin_consume(&w, held);
			if (ssh_rwin_held(&w) == 0)
				cr_assert(w.window_size >= SSH_RWIN_LOW ||
						  w.window_size == w.initial_window_size,
					  "seed %lu life %d: %u of %u", seed, life, w.window_size,
					  w.initial_window_size);
		}
	}
}

/* The model: counters as wide as it takes, kept beside. granted - received = window, always. */
Test(ssh_window, s53_credit_is_conserved)
{
	uint64_t seed = rnd_seed();
	struct rnd r = rnd_new(seed);
	int lives = test_long() ? 200000 : 2000;

	for (int life = 0; life < lives; life++) {
		struct ssh_rwin w;
		uint64_t granted, received = 0, taken = 0, size;

		ssh_rwin_init(&w, rnd_u32(&r) >> rnd_below(&r, 33) % 32);
		granted = size = w.initial_window_size;
		for (int i = 0; i < 200; i++) {
			uint32_t n = rnd_u32(&r) >> rnd_below(&r, 32);

			switch (rnd_below(&r, 8)) {
			case 0:
				granted += ssh_rwin_raise(&w, n);
				size = n > size ? n : size;
				break;
			case 1:
			case 2:
			case 3:
				n = (uint32_t)(n % (received - taken + 1));
				taken += n;
				granted += ssh_rwin_consume(&w, n);
				break;
			default:
				if (granted - received < n)
					cr_assert_eq(ssh_rwin_recv(&w, n), -SSH_E_WINDOW);
				else {
					cr_assert_eq(ssh_rwin_recv(&w, n), 0);
					received += n;
				}
			}
			cr_assert_eq(granted - received, w.window_size, "seed %lu life %d", seed,
				     life);
			cr_assert_eq(received - taken, ssh_rwin_held(&w), "seed %lu life %d", seed,
				     life);
			cr_assert_eq(w.window_size + (uint64_t)w.consumed + (received - taken),
				     size, "seed %lu life %d", seed, life);
		}
	}
}

/* No storm, however the reader takes: one adjust an eighth, and one when all of it is taken. */
Test(ssh_window, s53_adjusts_are_bounded_by_what_was_received)
{
	uint64_t seed = rnd_seed();
	struct rnd r = rnd_new(seed);

	for (int life = 0; life < 500; life++) {
		struct ssh_rwin w;
		unsigned int messages = 0, adjusts = 0;

		ssh_rwin_init(&w, 8 + rnd_below(&r, 1 << (1 + rnd_below(&r, 20))));
		for (int i = 0; i < 500; i++) {
			if (w.window_size > 0 && rnd_below(&r, 4) == 0) {
				cr_assert_eq(ssh_rwin_recv(&w, 1 + rnd_below(&r, w.window_size)),
					     0);
				messages++;
			}
			if (ssh_rwin_held(&w) > 0)
				adjusts += ssh_rwin_consume(
						   &w, 1 + rnd_below(&r, ssh_rwin_held(&w))) > 0;
			cr_assert_leq(adjusts, 9 * messages, "seed %lu life %d", seed, life);
		}
	}
}

/* --- what the peer granted ------------------------------------------------------------ */

Test(ssh_window, s51_an_adjust_beyond_2_32_minus_1_is_refused_and_leaves_no_trace)
{
	static const struct {
		uint32_t window, add;
		int want;
	} c[] = {
		{0, UINT32_MAX, 0},
		{1, UINT32_MAX, -SSH_E_WINDOW_OVERFLOW},
		{UINT32_MAX, 0, 0},
		{UINT32_MAX, 1, -SSH_E_WINDOW_OVERFLOW},
		{UINT32_MAX, UINT32_MAX, -SSH_E_WINDOW_OVERFLOW},
		{0x80000000, 0x7fffffff, 0},
		{0x80000000, 0x80000000, -SSH_E_WINDOW_OVERFLOW},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_swin w;

		ssh_swin_init(&w, c[i].window, 32768);
		cr_expect_eq(ssh_swin_adjust(&w, c[i].add), c[i].want, "case %zu", i);
		cr_expect_eq(w.window_size, c[i].window + (c[i].want ? 0 : c[i].add), "case %zu",
			     i);
	}
}

Test(ssh_window, s51_a_flood_of_empty_adjusts_changes_nothing)
{
	struct ssh_swin w;

	ssh_swin_init(&w, 5, 32768);
	for (int i = 0; i < 1000000; i++)
		cr_assert_eq(ssh_swin_adjust(&w, 0), 0);
	cr_expect_eq(w.window_size, 5);
}

Test(ssh_window, a_message_takes_no_more_than_window_packet_and_wish)
{
	struct ssh_swin w;

	ssh_swin_init(&w, 1000, 300);
	cr_expect_eq(ssh_swin_take(&w, 5000), 300);
	cr_expect_eq(ssh_swin_take(&w, 20), 20);
	ssh_swin_sent(&w, 300);
	ssh_swin_sent(&w, 300);
	ssh_swin_sent(&w, 300);
	cr_expect_eq(ssh_swin_take(&w, 5000), 100);
	ssh_swin_sent(&w, 100);
	cr_expect_eq(ssh_swin_take(&w, 5000), 0);
}

Test(ssh_window, s50_sizes_at_the_ends_are_cut_or_wait)
{
	struct ssh_swin w;

	ssh_swin_init(&w, UINT32_MAX, UINT32_MAX);
	cr_expect_eq(ssh_swin_take(&w, UINT32_MAX), SSH_SWIN_PACKET_CAP);
	ssh_swin_init(&w, 1, UINT32_MAX);
	cr_expect_eq(ssh_swin_take(&w, UINT32_MAX), 1);
	ssh_swin_init(&w, 0, UINT32_MAX);
	cr_expect_eq(ssh_swin_take(&w, UINT32_MAX), 0);
}

/* A peer that grants 4 GiB - 1 once and never adjusts gets exactly that. */
Test(ssh_window, s53_four_gibibytes_less_one_are_sent_whole)
{
	uint64_t sent = 0;
	struct ssh_swin w;
	uint32_t n;

	ssh_swin_init(&w, UINT32_MAX, 32768);
	while ((n = ssh_swin_take(&w, 1 << 20)) > 0) {
		ssh_swin_sent(&w, n);
		sent += n;
	}
	cr_expect_eq(sent, UINT32_MAX);
	cr_expect_eq(ssh_swin_adjust(&w, 1), 0);
	cr_expect_eq(ssh_swin_take(&w, 9), 1);
}

Test(ssh_window, sending_beyond_the_window_is_our_bug, .signal = SIGABRT)
{
	struct ssh_swin w;

	ssh_swin_init(&w, 10, 32768);
	ssh_swin_sent(&w, 11);
}

/* S-56: how much is written is never a number of 32 bits; a write of 2^32 bytes is not one of none.
 */
Test(ssh_window, s56_writes_of_more_than_32_bits_complete)
{
	static const uint64_t size[] = {UINT64_C(1) << 31, UINT64_C(1) << 32,
					(UINT64_C(1) << 32) + 1};

	for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		uint64_t left = size[i], turns = 0;
		struct ssh_swin w;

		ssh_swin_init(&w, 2 << 20, 1 << 30);
		while (left > 0) {
			uint32_t want = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
			uint32_t n = ssh_swin_take(&w, want);

			ssh_swin_sent(&w, n);
			left -= n;
			if (n == 0)
				cr_assert_eq(ssh_swin_adjust(&w, 2 << 20), 0);
			cr_assert_lt(turns++, UINT64_C(1) << 24, "%lu are left", left);
		}
	}
}

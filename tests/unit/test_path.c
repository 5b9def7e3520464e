/* perf/path.h and perf/frame.h: the bad path of perf/wan, in virtual time. */
#include <criterion/criterion.h>
#include <string.h>

#include "perf/frame.h"
#include "perf/path.h"
#include "tests/util/rnd.h"

TestSuite(path);

static struct path p;

static struct path_fate enter(uint64_t now_ns, uint32_t len)
{
	return path_enter(&p, now_ns, len, false);
}

Test(path, a_plain_path_only_delays)
{
	path_init(&p, &(struct path_conf){.delay_ns = 5 * PATH_MS}, 0);
	for (uint64_t t = 0; t < 1000; t++) {
		struct path_fate f = enter(t, 1500);

		cr_assert_not(f.lost || f.twice || f.mark || f.corrupt);
		cr_assert_eq(f.at_ns, t + 5 * PATH_MS);
	}
}

Test(path, a_link_sends_one_after_another)
{
	/* 12 Mbit/s: 1500 bytes take a millisecond. */
	path_init(&p, &(struct path_conf){.bits_per_s = 12000000, .delay_ns = 7}, 0);
	cr_expect_eq(enter(0, 1500).at_ns, PATH_MS + 7);
	cr_expect_eq(enter(0, 1500).at_ns, 2 * PATH_MS + 7);
	cr_expect_eq(enter(PATH_MS / 2, 750).at_ns, 5 * PATH_MS / 2 + 7);
	cr_expect_eq(enter(10 * PATH_MS, 1500).at_ns, 11 * PATH_MS + 7, "it does not save up");
}

Test(path, what_the_queue_has_no_room_for_is_dropped)
{
	path_init(&p, &(struct path_conf){.bits_per_s = 12000000, .queue_bytes = 4500}, 0);
	for (int i = 0; i < 3; i++)
		cr_expect_not(enter(0, 1500).lost);
	cr_expect(enter(0, 1500).lost);
	cr_expect_not(enter(PATH_MS, 1500).lost, "one is out by now");
	cr_expect(enter(PATH_MS, 1500).lost);
	cr_expect_eq(p.count[PATH_QUEUE_FULL], 2);
	cr_expect_leq(p.queue_most, 4500);
}

Test(path, a_long_queue_marks)
{
	struct path_conf c = {.bits_per_s = 12000000, .mark_bytes = 2000};

	path_init(&p, &c, 0);
	cr_expect_not(enter(0, 1500).mark);
	cr_expect_not(enter(0, 1500).mark);
	cr_expect(enter(0, 1500).mark, "3000 bytes wait");
}

/* Chance is what was asked for, within five standard deviations, alone and in bursts. */
Test(path, the_part_that_is_lost)
{
	static const struct {
		uint32_t ppm, burst;
	} c[] = {{1000, 1}, {10000, 1}, {30000, 1},  {300000, 1}, {500000, 1},
		 {1000, 8}, {30000, 3}, {30000, 64}, {300000, 8}, {500000, 2}};
	enum { N = 1000000 };

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		double part = c[i].ppm / 1e6, sigma, got;
		uint64_t bursts = 0;
		bool was = false;

		path_init(&p,
			  &(struct path_conf){.seed = rnd_seed() + i,
					      .loss_ppm = c[i].ppm,
					      .burst = c[i].burst},
			  0);
		for (uint64_t k = 0; k < N; k++) {
			bool lost = enter(k, 100).lost;

			bursts += lost && !was;
			was = lost;
		}
		got = (double)p.count[PATH_LOST] / N;
		sigma = part * (1 - part) / N * 2 * c[i].burst; /* bursts are what is independent */
		cr_expect((got - part) * (got - part) < 25 * sigma, "%u ppm, burst %u: %f",
			  c[i].ppm, c[i].burst, got);
		if (c[i].ppm <= 30000)
			cr_expect_float_eq((double)p.count[PATH_LOST] / (double)bursts,
					   c[i].burst / (1 - part), 0.3 * c[i].burst);
	}
}

Test(path, order_is_kept_unless_reordering_is_asked_for)
{
	uint64_t last = 0, late = 0;
	struct path_conf c = {.delay_ns = PATH_MS, .jitter_ns = PATH_MS, .seed = rnd_seed()};

	path_init(&p, &c, 0);
	for (uint64_t k = 0; k < 10000; k++) {
		uint64_t at = enter(k * 1000, 100).at_ns;

		cr_assert_geq(at, last);
		cr_assert_geq(at, k * 1000 + PATH_MS);
		last = at;
	}
	c.reorder_ppm = 100000;
	c.reorder_ns = 5 * PATH_MS;
	path_init(&p, &c, 0);
	for (uint64_t k = 0, top = 0; k < 10000; k++) {
		uint64_t at = enter(k * 1000, 100).at_ns;

		late += at < top;
		top = at > top ? at : top;
	}
	cr_expect_gt(late, 1000);
	cr_expect_gt(p.count[PATH_REORDERED], 800);
}

Test(path, dark_and_light_by_turns)
{
	struct path_conf c = {.light_ns = 5 * PATH_SEC, .dark_ns = 2 * PATH_SEC};

	path_init(&p, &c, 100);
	cr_expect_not(enter(100, 60).lost);
	cr_expect_not(enter(99 + 5 * PATH_SEC, 60).lost);
	cr_expect(enter(100 + 5 * PATH_SEC, 60).lost);
	cr_expect(enter(99 + 7 * PATH_SEC, 60).lost);
	cr_expect_not(enter(100 + 7 * PATH_SEC, 60).lost);
	cr_expect_eq(p.count[PATH_DARK], 2);
}

Test(path, what_is_spared_is_never_lost)
{
	struct path_conf c = {.loss_ppm = PATH_MILLION, .dup_ppm = PATH_MILLION, .dark_ns = 1};

	path_init(&p, &c, 0);
	for (uint64_t k = 0; k < 1000; k++) {
		struct path_fate f = path_enter(&p, k, 60, true);

		cr_assert_not(f.lost || f.twice);
	}
	cr_expect(path_enter(&p, 0, 60, false).lost);
}

Test(path, a_changed_path_forgets_no_counter_and_no_order)
{
	struct path_conf slow = {.bits_per_s = 12000000, .delay_ns = 50 * PATH_MS};
	uint64_t last;

	path_init(&p, &slow, 0);
	last = enter(0, 1500).at_ns;
	path_change(&p, &(struct path_conf){.delay_ns = PATH_MS}, 0);
	cr_expect_eq(enter(PATH_MS, 1500).at_ns, last, "nothing overtakes what is on its way");
	path_change(&p, &(struct path_conf){.light_ns = PATH_SEC, .dark_ns = PATH_SEC},
		    PATH_SEC / 2);
	cr_expect_not(enter(PATH_SEC, 60).lost, "light begins with the change");
	cr_expect(enter(PATH_SEC * 3 / 2, 60).lost);
	cr_expect_eq(p.count[PATH_IN], 4);
}

Test(path, the_same_seed_gives_the_same_fate)
{
	struct path_conf c = {
		.loss_ppm = 30000, .dup_ppm = 10000, .jitter_ns = 1000, .seed = rnd_seed()};
	struct path q;

	path_init(&p, &c, 0);
	path_init(&q, &c, 0);
	for (uint64_t k = 0; k < 10000; k++) {
		struct path_fate a = enter(k, 60), b = path_enter(&q, k, 60, false);

		cr_assert(a.lost == b.lost && a.twice == b.twice && a.at_ns == b.at_ns);
	}
}

/* --- frames --------------------------------------------------------------------------------- */

/* One frame of IPv4 or IPv6 with n bytes of payload and both checksums right. */
static uint32_t frame_make(uint8_t *b, int family, uint32_t n, uint8_t ecn);

static uint32_t sum16(const uint8_t *d, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)d[i] << 8 : d[i];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* What the checksum of the TCP segment comes to: 0 is right. */
static uint16_t tcp_check(const uint8_t *b, int family, uint32_t n)
{
	const uint8_t *ip = b + 14, *tcp = ip + (family == 4 ? 20 : 40);
	uint32_t sum = sum16(ip + (family == 4 ? 12 : 8), family == 4 ? 8 : 32, 6 + 20 + n);

	return fold(sum16(tcp, 20 + n, sum));
}

static uint32_t frame_make(uint8_t *b, int family, uint32_t n, uint8_t ecn)
{
	uint8_t *ip = b + 14, *tcp = ip + (family == 4 ? 20 : 40);
	uint16_t c;

	memset(b, 0, 14 + 40 + 20);
	b[12] = family == 4 ? 8 : 0x86;
	b[13] = family == 4 ? 0 : 0xdd;
	if (family == 4) {
		memcpy(ip, (uint8_t[20]){0x45, ecn, 0, (uint8_t)(40 + n),
					 1,    2,   0, 0,
					 64,   6,   0, 0,
					 10,   0,   0, 1,
					 10,   0,   0, 2},
		       20);
		c = fold(sum16(ip, 20, 0));
		ip[10] = (uint8_t)(c >> 8);
		ip[11] = (uint8_t)c;
	} else {
		ip[0] = 0x60;
		ip[1] = (uint8_t)(ecn << 4);
		ip[5] = (uint8_t)(20 + n);
		ip[6] = 6;
		ip[8] = 0x20;
		ip[24] = 0x20;
	}
	tcp[12] = 5 << 4;
	for (uint32_t i = 0; i < n; i++)
		tcp[20 + i] = (uint8_t)(i * 7);
	c = tcp_check(b, family, n);
	tcp[16] = (uint8_t)(c >> 8);
	tcp[17] = (uint8_t)c;
	return 14 + (family == 4 ? 20u : 40u) + 20 + n;
}

Test(path, only_tcp_is_taken_for_tcp)
{
	uint8_t b[256];
	uint32_t len = frame_make(b, 4, 10, 0);

	cr_expect(frame_is_tcp(b, len));
	for (uint32_t n = 0; n < len; n++)
		cr_expect_not(frame_is_tcp(b, n), "cut to %u", n);
	b[14 + 9] = 17;
	cr_expect_not(frame_is_tcp(b, len));
	len = frame_make(b, 6, 10, 0);
	cr_expect(frame_is_tcp(b, len));
	b[13] = 6;
	cr_expect_not(frame_is_tcp(b, len));
}

Test(path, only_who_asked_for_marks_is_marked)
{
	uint8_t b[256];

	for (int family = 4; family <= 6; family += 2) {
		for (uint8_t ecn = 0; ecn < 4; ecn++) {
			uint32_t len = frame_make(b, family, 10, ecn);

			cr_expect_eq(frame_mark(b, len), ecn != 0);
			cr_expect_eq(family == 4 ? b[15] & 3 : b[15] >> 4 & 3, ecn != 0 ? 3 : 0);
			cr_expect(family == 6 || fold(sum16(b + 14, 20, 0)) == 0);
			cr_expect_eq(tcp_check(b, family, 10), 0);
		}
	}
}

Test(path, one_bit_is_changed_and_the_checksum_says_so_or_not)
{
	uint8_t was[256], b[256];

	for (int family = 4; family <= 6; family += 2) {
		for (uint32_t at = 0; at < 500; at++) {
			uint32_t len = frame_make(was, family, 30, 0), differ = 0;

			memcpy(b, was, sizeof(b));
			cr_assert(frame_corrupt(b, len, at, at % 2 == 0));
			cr_assert_eq(tcp_check(b, family, 30) == 0, at % 2 == 0);
			for (uint32_t i = len - 30; i < len; i++)
				differ += b[i] != was[i];
			cr_assert_eq(differ, 1);
		}
	}
}

Test(path, without_payload_nothing_is_changed)
{
	uint8_t was[256], b[256];
	uint32_t len = frame_make(was, 4, 0, 0);

	memcpy(b, was, len);
	cr_expect_not(frame_corrupt(b, len, 3, false));
	cr_expect_arr_eq(b, was, len);
}

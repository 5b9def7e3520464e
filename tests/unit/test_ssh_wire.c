/* ssh/wire.c: RFC 4251 section 5, its own examples, and everything that must not be read. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/wire.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct ssh_rd rd(const void *p, size_t n)
{
	struct ssh_rd r;

	ssh_rd_init(&r, p, n);
	return r;
}

static void expect_bytes(const struct ssh_wr *w, const void *want, size_t n)
{
	cr_assert_eq(ssh_wr_done(w), n, "%zu bytes instead of %zu", ssh_wr_done(w), n);
	cr_assert_arr_eq(w->start, want, n);
}

/* --- reading --------------------------------------------------------------------- */

Test(ssh_wire, u32_of_the_rfc)
{
	/* "the value 699921578 (0x29b7f4aa) is stored as 29 b7 f4 aa" */
	struct ssh_rd r = rd("\x29\xb7\xf4\xaa", 4);

	cr_expect_eq(ssh_rd_u32(&r), 699921578);
	cr_expect(ssh_rd_done(&r));
}

Test(ssh_wire, string_of_the_rfc)
{
	/* "the US-ASCII string "testing" is represented as 00 00 00 07 t e s t i n g" */
	struct ssh_rd r = rd("\0\0\0\7testing", 11);

	cr_expect(ssh_str_eq(ssh_rd_str(&r), "testing"));
	cr_expect(ssh_rd_done(&r));
}

Test(ssh_wire, a_bool_is_true_for_any_value_but_0)
{
	struct ssh_rd r = rd("\0\1\2\xff", 4);

	cr_expect_not(ssh_rd_bool(&r));
	cr_expect(ssh_rd_bool(&r));
	cr_expect(ssh_rd_bool(&r));
	cr_expect(ssh_rd_bool(&r));
	cr_expect(ssh_rd_done(&r));
}

Test(ssh_wire, u64_is_big_endian)
{
	struct ssh_rd r = rd("\1\2\3\4\5\6\7\x8", 8);

	cr_expect_eq(ssh_rd_u64(&r), UINT64_C(0x0102030405060708));
}

Test(ssh_wire, name_lists_of_the_rfc_are_strings)
{
	static const struct {
		const char *bytes, *want;
		size_t n;
	} c[] = {
		{"\0\0\0\0", "", 4},
		{"\0\0\0\4zlib", "zlib", 8},
		{"\0\0\0\x09zlib,none", "zlib,none", 13},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_rd r = rd(c[i].bytes, c[i].n);

		cr_expect(ssh_str_eq(ssh_rd_str(&r), c[i].want));
		cr_expect(ssh_rd_done(&r));
	}
}

Test(ssh_wire, mpints_of_the_rfc)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *magnitude;
		size_t len;
	} c[] = {
		{"\0\0\0\0", 4, "", 0},
		{"\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", 12,
		 "\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", 8},
		{"\0\0\0\2\0\x80", 6, "\x80", 1},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_rd r = rd(c[i].bytes, c[i].n);
		struct ssh_str s = ssh_rd_mpint(&r);

		cr_expect(ssh_rd_done(&r), "case %zu", i);
		cr_assert_eq(s.len, c[i].len, "case %zu", i);
		cr_expect_eq(memcmp(s.p, c[i].magnitude, s.len), 0, "case %zu", i);
	}
}

/* S-63: negative (two of them the RFC's own examples), and bytes that carry nothing. */
Test(ssh_wire, s63_mpints_not_canonical_or_negative_are_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
	} c[] = {
		{"\0\0\0\2\xed\xcc", 6},             /* -1234 */
		{"\0\0\0\5\xff\x21\x52\x41\x11", 9}, /* -deadbeef */
		{"\0\0\0\1\x80", 5},                 /* -128 */
		{"\0\0\0\1\xff", 5},                 /* -1 */
		{"\0\0\0\1\0", 5},                   /* zero is the empty string */
		{"\0\0\0\2\0\0", 6},                 /* zero again */
		{"\0\0\0\2\0\x7f", 6},               /* a sign byte nobody needs */
		{"\0\0\0\3\0\0\x80", 7},             /* one too many */
		{"\0\0\0\2\x01", 5},                 /* short */
		{"\xff\xff\xff\xff\x01", 5},         /* far too short */
		{"\0\0\0", 3},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_rd r = rd(c[i].bytes, c[i].n);
		struct ssh_str s = ssh_rd_mpint(&r);

		cr_expect(r.bad, "case %zu", i);
		cr_expect_eq(s.len, 0, "case %zu", i);
	}
}

Test(ssh_wire, s63_an_mpint_of_a_mebibyte_is_refused)
{
	size_t n = 4 + (1 << 20);
	uint8_t *b = malloc(n);
	struct ssh_rd r;

	memset(b, 1, n);
	memcpy(b, "\0\x10\0\0", 4);
	r = rd(b, n);
	ssh_rd_mpint(&r);
	cr_expect(r.bad);
	free(b);
}

Test(ssh_wire, s63_the_largest_mpint_has_16384_bits)
{
	static uint8_t b[4 + SSH_MPINT_MAX + 1] = {0, 0,   SSH_MPINT_MAX >> 8, SSH_MPINT_MAX & 0xff,
						   0, 0x80};
	struct ssh_rd r = rd(b, 4 + SSH_MPINT_MAX);

	cr_expect_eq(ssh_rd_mpint(&r).len, 2048);
	cr_expect(ssh_rd_done(&r));

	b[3]++;
	b[4] = 1;
	r = rd(b, sizeof(b));
	ssh_rd_mpint(&r);
	cr_expect(r.bad);
}

Test(ssh_wire, a_string_longer_than_its_packet_is_empty_and_bad)
{
	static const struct {
		const char *bytes;
		size_t n;
	} c[] = {
		{"", 0},
		{"\0", 1},
		{"\0\0\0", 3},
		{"\0\0\0\1", 4},
		{"\0\0\0\2a", 5},
		{"\x7f\xff\xff\xff"
		 "abc",
		 7},
		{"\xff\xff\xff\xff"
		 "abc",
		 7},
		{"\xff\xff\xff\xfc"
		 "abc",
		 7},
		{"\x80\0\0\0", 4},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_rd r = rd(c[i].bytes, c[i].n);
		struct ssh_str s = ssh_rd_str(&r);

		cr_expect(r.bad, "case %zu", i);
		cr_expect_eq(s.len, 0);
		cr_expect_not_null(s.p);
	}
}

Test(ssh_wire, errors_stick)
{
	/* After the short string four bytes are left, and none of them is read. */
	struct ssh_rd r = rd("\0\0\0\x09\1\2\3\4", 8);

	ssh_rd_str(&r);
	cr_expect_eq(ssh_rd_u8(&r), 0);
	cr_expect_eq(ssh_rd_u32(&r), 0);
	cr_expect_eq(ssh_rd_u64(&r), 0);
	cr_expect_not(ssh_rd_bool(&r));
	cr_expect_eq(ssh_rd_str(&r).len, 0);
	cr_expect_eq(ssh_rd_mpint(&r).len, 0);
	cr_expect_eq(ssh_rd_rest(&r).len, 0);
	cr_expect_null(ssh_rd_take(&r, 0));
	cr_expect_not(ssh_rd_done(&r));
}

Test(ssh_wire, what_is_left_over_is_not_done)
{
	struct ssh_rd r = rd("\0\0\0\1x", 5);

	ssh_rd_u32(&r);
	cr_expect_not(ssh_rd_done(&r));
	cr_expect(ssh_str_eq(ssh_rd_rest(&r), "x"));
	cr_expect(ssh_rd_done(&r));
}

Test(ssh_wire, the_rest_of_nothing_is_empty_and_fine)
{
	struct ssh_rd r = rd("", 0);

	cr_expect_eq(ssh_rd_rest(&r).len, 0);
	cr_expect(ssh_rd_done(&r));
}

Test(ssh_wire, ssh_str_eq_compares_length_and_bytes)
{
	struct ssh_str s = {(const uint8_t *)"ab\0c", 4};

	cr_expect_not(ssh_str_eq(s, "ab"));
	cr_expect_not(ssh_str_eq(ssh_str_c("ab"), "abc"));
	cr_expect_not(ssh_str_eq(ssh_str_c("ab"), "ac"));
	cr_expect(ssh_str_eq(ssh_str_c(""), ""));
}

/* --- writing --------------------------------------------------------------------- */

Test(ssh_wire, writes_what_the_rfc_shows)
{
	uint8_t b[64];
	struct ssh_wr w;

	ssh_wr_init(&w, b, sizeof(b));
	ssh_wr_u32(&w, 699921578);
	ssh_wr_cstr(&w, "testing");
	ssh_wr_bool(&w, true);
	ssh_wr_bool(&w, false);
	ssh_wr_u64(&w, 1);
	ssh_wr_u8(&w, 0xfe);
	expect_bytes(&w, "\x29\xb7\xf4\xaa\0\0\0\7testing\1\0\0\0\0\0\0\0\0\1\xfe", 26);
}

Test(ssh_wire, writes_mpints_in_their_one_form)
{
	static const struct {
		const char *p;
		size_t len;
		const char *bytes;
		size_t n;
	} c[] = {
		{"", 0, "\0\0\0\0", 4},
		{"\0\0\0", 3, "\0\0\0\0", 4},
		{"\x80", 1, "\0\0\0\2\0\x80", 6},
		{"\0\0\x80", 3, "\0\0\0\2\0\x80", 6},
		{"\0\x7f", 2, "\0\0\0\1\x7f", 5},
		{"\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", 8,
		 "\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7", 12},
	};

	for (size_t i = 0; i < N(c); i++) {
		uint8_t b[32];
		struct ssh_wr w;

		ssh_wr_init(&w, b, sizeof(b));
		ssh_wr_mpint(&w, (const uint8_t *)c[i].p, c[i].len);
		expect_bytes(&w, c[i].bytes, c[i].n);
	}
}

Test(ssh_wire, a_writer_that_is_full_is_bad_for_good_and_touches_nothing_behind)
{
	for (size_t size = 0; size < 25; size++) {
		uint8_t b[32];
		struct ssh_wr w;

		memset(b, 0xa5, sizeof(b));
		ssh_wr_init(&w, b, size);
		ssh_wr_u32(&w, 1);
		ssh_wr_cstr(&w, "twelve bytes");
		ssh_wr_u32(&w, 2);
		ssh_wr_u8(&w, 3); /* would fit again where the string did not */
		cr_expect_eq(ssh_wr_done(&w), 0, "size %zu", size);
		for (size_t i = size; i < sizeof(b); i++)
			cr_expect_eq(b[i], 0xa5, "size %zu, byte %zu", size, i);
	}
}

Test(ssh_wire, a_writer_takes_exactly_its_size)
{
	uint8_t b[5];
	struct ssh_wr w;

	ssh_wr_init(&w, b, sizeof(b));
	ssh_wr_u32(&w, 7);
	ssh_wr_u8(&w, 8);
	ssh_wr_bytes(&w, NULL, 0);
	expect_bytes(&w, "\0\0\0\7\x08", 5);
}

Test(ssh_wire, an_mpint_nobody_would_read_is_not_written)
{
	static uint8_t big[SSH_MPINT_MAX], b[2 * SSH_MPINT_MAX];
	struct ssh_wr w;

	big[0] = 1;
	ssh_wr_init(&w, b, sizeof(b));
	ssh_wr_mpint(&w, big, sizeof(big));
	cr_expect(w.bad);
}

/* --- both ------------------------------------------------------------------------ */

Test(ssh_wire, random_fields_come_back)
{
	uint64_t seed = rnd_seed();
	struct rnd r = rnd_new(seed);

	for (int turn = 0; turn < 20000; turn++) {
		uint8_t data[80], b[256];
		uint64_t u = rnd_u64(&r);
		uint32_t len = rnd_below(&r, sizeof(data) + 1), zeros = rnd_below(&r, len + 1);
		struct ssh_wr w;
		struct ssh_rd in;
		struct ssh_str s, m;

		rnd_fill(&r, data, len);
		memset(data, 0, zeros);
		ssh_wr_init(&w, b, sizeof(b));
		ssh_wr_u64(&w, u);
		ssh_wr_mpint(&w, data, len);
		ssh_wr_str(&w, (struct ssh_str){data, len});
		ssh_wr_bool(&w, u & 1);
		cr_assert_neq(ssh_wr_done(&w), 0);

		in = rd(b, ssh_wr_done(&w));
		cr_assert_eq(ssh_rd_u64(&in), u);
		m = ssh_rd_mpint(&in);
		s = ssh_rd_str(&in);
		cr_assert_eq(ssh_rd_bool(&in), u & 1);
		cr_assert(ssh_rd_done(&in), "seed %lu turn %d", seed, turn);
		cr_assert(s.len == len && memcmp(s.p, data, len) == 0);
		cr_assert(m.len <= len && memcmp(m.p, data + len - m.len, m.len) == 0);
		cr_assert(m.len == 0 || m.p[0] != 0);
	}
}

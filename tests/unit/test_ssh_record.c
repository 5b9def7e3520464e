/* ssh/record.c: every suite's lengths, padding, sequence numbers, key change (S-08, S-49). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "ssh/err.h"
#include "ssh/record.h"
#include "tests/util/suites.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct cipher_engine *engine;

static void start(void)
{
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 512, &engine), 0);
	cr_assert_eq(cipher_engine_legacy(engine), 0);
}

static void end(void)
{
	cipher_engine_free(engine);
}

TestSuite(ssh_record, .init = start, .fini = end);

/* A direction under the suite, as it is after authentication. */
static struct ssh_dir dir_of(const struct cipher_suite *suite, uint8_t fill)
{
	struct ssh_dir d;

	ssh_dir_init(&d);
	if (suite->shape != CIPHER_PLAIN)
		suite_rekey(&d, engine, suite, fill, false, NULL);
	d.packet_max = SSH_PACKET_MAX;
	return d;
}

/* The first bytes on the wire of a record which says it is of that length. */
static void wire_head(const struct cipher_suite *suite, uint32_t packet_length, uint8_t head[64])
{
	struct ssh_dir tx = dir_of(suite, 1);
	uint8_t record[68] = {packet_length >> 24, packet_length >> 16, packet_length >> 8,
			      packet_length},
		tag[CIPHER_TAG_MAX];
	bool length_apart = suite->shape != CIPHER_PLAIN && suite->shape != CIPHER_EAM;
	struct cipher_piece piece = {record, length_apart ? 68 : 64};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1, .tag = tag}, *jobs[] = {&job};

	cr_assert_eq(ssh_dir_prepare(&tx, &job, piece.len), 0);
	cipher_seal_burst(engine, jobs, 1);
	cr_assert_eq(job.result, 0);
	memcpy(head, record, 64);
	ssh_dir_fini(&tx, engine);
}

/* RFC 4253 section 6 for PLAIN and EAM; where the length is apart it does not count. */
static bool length_fits(const struct cipher_suite *s, uint32_t len, uint32_t max)
{
	if (len < 5 || len > max)
		return false;
	switch (s->shape) {
	case CIPHER_PLAIN:
	case CIPHER_EAM:
		return (len + 4) % s->block_size == 0;
	case CIPHER_CHAPOLY:
	case CIPHER_AEAD:
	case CIPHER_ETM:
		return len % s->block_size == 0;
	}
	return false;
}

static void expect_peek(const struct cipher_suite *s, uint32_t len, uint32_t max)
{
	struct ssh_dir rx = dir_of(s, 1);
	uint32_t need = 0, total = 0;
	uint8_t head[64];
	int r;

	rx.packet_max = max;
	wire_head(s, len, head);
	r = ssh_dir_peek(&rx, engine, head, sizeof(head), &need, &total);
	if (length_fits(s, len, max)) {
		cr_expect_eq(r, 0, "%s %s: %u of %u", s->cipher_name, s->mac_name, len, max);
		cr_expect_eq(total, 4 + len + s->tag_len);
	} else if (suite_tells_late(s)) {
		cr_expect_eq(r, 0, "%s %s: %u of %u", s->cipher_name, s->mac_name, len, max);
		cr_expect_eq(total, (uint32_t)s->block_size + s->tag_len);
	} else {
		cr_expect_eq(r, -SSH_E_LENGTH, "%s %s: %u of %u", s->cipher_name, s->mac_name, len,
			     max);
		cr_expect_eq(total, 0);
	}
	cr_expect_eq(rx.seqnr, 0);
	ssh_dir_fini(&rx, engine);
}

/* --- lengths -------------------------------------------------------------------------- */

Test(ssh_record, s49_every_length_of_the_catalogue_for_every_suite)
{
	static const uint32_t len[] = {
		0,      1,       2,          3,          4,          5,          8,          11,
		12,     13,      16,         28,         32,         34992,      34996,      35000,
		35004,  35008,   35024,      262128,     262140,     262144,     262145,     262148,
		262160, 1 << 24, 0x7fffffff, 0x80000000, 0xfffffffc, 0xfffffff0, UINT32_MAX,
	};

	for (unsigned int s = 0; s < suites_count(); s++) {
		for (size_t i = 0; i < N(len); i++) {
			expect_peek(suites_at(s), len[i], SSH_PACKET_MAX_PREAUTH);
			expect_peek(suites_at(s), len[i], SSH_PACKET_MAX);
		}
	}
}

Test(ssh_record, s49_every_length_up_to_300_for_every_suite)
{
	for (unsigned int s = 0; s < suites_count(); s++) {
		for (uint32_t len = 0; len <= 300; len++)
			expect_peek(suites_at(s), len, SSH_PACKET_MAX);
	}
}

Test(ssh_record, a_length_is_not_told_before_its_bytes_are_there)
{
	for (unsigned int s = 0; s < suites_count(); s++) {
		const struct cipher_suite *suite = suites_at(s);
		uint32_t enough = suite->shape == CIPHER_EAM ? suite->block_size : 4;
		struct ssh_dir rx = dir_of(suite, 1);
		uint8_t head[64];

		wire_head(suite,
			  60 + (suite->shape == CIPHER_PLAIN || suite->shape == CIPHER_EAM ? 0 : 4),
			  head);
		for (uint32_t n = 0; n < enough; n++) {
			uint32_t need = 0, total = 99;
			uint8_t *exact = malloc(n ? n : 1);

			memcpy(exact, head, n);
			cr_expect_eq(ssh_dir_peek(&rx, engine, exact, n, &need, &total), -EAGAIN);
			cr_expect(need == enough && total == 99);
			free(exact);
		}
		ssh_dir_fini(&rx, engine);
	}
}

/* --- padding -------------------------------------------------------------------------- */

Test(ssh_record, padding_is_the_least_that_is_allowed)
{
	for (unsigned int s = 0; s < suites_count(); s++) {
		const struct cipher_suite *suite = suites_at(s);
		struct ssh_dir d = dir_of(suite, 1);

		for (uint32_t payload = 1; payload < 600; payload++) {
			uint32_t padding = ssh_dir_padding(&d, payload);

			cr_expect(padding >= 4 && padding < 4u + suite->block_size);
			cr_expect(length_fits(suite, 1 + payload + padding, SSH_PACKET_MAX),
				  "%s %s: %u", suite->cipher_name, suite->mac_name, payload);
		}
		ssh_dir_fini(&d, engine);
	}
}

Test(ssh_record, s49_padding_0_to_3_and_more_than_the_packet_are_refused)
{
	static const struct {
		uint32_t packet_length;
		uint8_t padding;
		int want;
	} c[] = {
		{60, 0, -SSH_E_PADDING},
		{60, 1, -SSH_E_PADDING},
		{60, 2, -SSH_E_PADDING},
		{60, 3, -SSH_E_PADDING},
		{60, 4, 0},
		{60, 58, 0},
		{60, 59, -SSH_E_FORMAT},
		{60, 60, -SSH_E_PADDING},
		{60, 61, -SSH_E_PADDING},
		{60, 255, -SSH_E_PADDING},
		{5, 4, -SSH_E_FORMAT},
		{5, 5, -SSH_E_PADDING},
		{6, 4, 0},
		{260, 255, 0},
		{256, 255, -SSH_E_FORMAT},
		{255, 255, -SSH_E_PADDING},
	};
	struct ssh_dir d;

	ssh_dir_init(&d);
	for (size_t i = 0; i < N(c); i++) {
		uint8_t head[] = {0, 0, c[i].packet_length >> 8, c[i].packet_length, c[i].padding};
		uint32_t len = 77;

		cr_expect_eq(ssh_dir_payload(&d, head, 4 + c[i].packet_length, &len), c[i].want,
			     "case %zu", i);
		cr_expect_eq(len, c[i].want ? 77 : c[i].packet_length - 1 - c[i].padding);
	}
}

Test(ssh_record, s49_a_length_that_is_not_the_one_the_record_was_cut_by_is_refused)
{
	static const uint8_t head[] = {0, 0, 0, 60, 4};
	struct ssh_dir d;
	uint32_t len;

	ssh_dir_init(&d);
	cr_expect_eq(ssh_dir_payload(&d, head, 64, &len), 0);
	cr_expect_eq(ssh_dir_payload(&d, head, 60, &len), -SSH_E_LENGTH);
	cr_expect_eq(ssh_dir_payload(&d, head, 68, &len), -SSH_E_LENGTH);
	cr_expect_eq(ssh_dir_payload(&d, head, 0, &len), -SSH_E_LENGTH);
	cr_expect_eq(ssh_dir_payload(&d, head, 3, &len), -SSH_E_LENGTH);
	cr_expect_eq(ssh_dir_payload(&d, head, 8, &len), -SSH_E_LENGTH);
}

/* --- layout --------------------------------------------------------------------------- */

Test(ssh_record, a_layout_is_what_the_other_side_reads)
{
	static const uint32_t payload[] = {
		1, 2, 6, 7, 15, 16, 17, 1000, 32768, 32777, 34000, 261000, SSH_PAYLOAD_MAX};

	for (unsigned int s = 0; s < suites_count(); s++) {
		for (size_t i = 0; i < N(payload); i++) {
			struct ssh_dir d = dir_of(suites_at(s), 1);
			struct ssh_layout l;
			uint32_t len;

			cr_assert_eq(ssh_dir_layout(&d, payload[i], &l), 0);
			cr_expect_eq(l.packet_bytes, SSH_RECORD_HEAD + payload[i] + l.padding);
			cr_expect_eq(l.total, l.packet_bytes + d.cipher.suite->tag_len);
			cr_expect_eq(l.padding, ssh_dir_padding(&d, payload[i]));
			cr_expect_eq(ssh_dir_payload(&d, l.head, l.packet_bytes, &len), 0);
			cr_expect_eq(len, payload[i]);
			cr_expect(length_fits(d.cipher.suite, l.packet_bytes - 4, SSH_PACKET_MAX));
			cr_expect_eq(d.seqnr, 0);
			ssh_dir_fini(&d, engine);
		}
	}
}

Test(ssh_record, an_empty_payload_and_one_too_large_have_no_layout)
{
	static const uint32_t bad[] = {0, SSH_PAYLOAD_MAX + 1, SSH_PACKET_MAX, UINT32_MAX};
	struct ssh_dir d;
	struct ssh_layout l;

	ssh_dir_init(&d);
	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(ssh_dir_layout(&d, bad[i], &l), -SSH_E_LENGTH, "%u", bad[i]);
}

/* --- sequence numbers ------------------------------------------------------------------- */

static int prepare(struct ssh_dir *d, uint32_t *ret_seqnr)
{
	static uint8_t bytes[16], tag[CIPHER_TAG_MAX];
	struct cipher_piece piece = {bytes, sizeof(bytes)};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1, .tag = tag};
	int r = ssh_dir_prepare(d, &job, sizeof(bytes));

	if (r == 0)
		*ret_seqnr = job.seqnr;
	return r;
}

Test(ssh_record, sequence_numbers_begin_at_0_and_count_every_record)
{
	struct ssh_dir d;
	uint32_t seqnr;

	ssh_dir_init(&d);
	for (uint32_t i = 0; i < 100; i++) {
		cr_expect_eq(prepare(&d, &seqnr), 0);
		cr_expect_eq(seqnr, i);
	}
}

Test(ssh_record, s08_a_sequence_number_does_not_wrap_in_the_first_exchange)
{
	struct ssh_dir d, before;
	uint32_t seqnr = 0;

	ssh_dir_init(&d);
	d.seqnr = UINT32_MAX - 1;
	cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect_eq(seqnr, UINT32_MAX - 1);
	before = d;
	cr_expect_eq(prepare(&d, &seqnr), -SSH_E_SEQUENCE);
	cr_expect_eq(prepare(&d, &seqnr), -SSH_E_SEQUENCE);
	cr_expect_eq(memcmp(&d, &before, sizeof(d)), 0);
}

Test(ssh_record, s08_after_it_the_number_wraps_as_rfc_4253_says)
{
	struct ssh_dir d = dir_of(suites_find("aes128-gcm@openssh.com"), 1);
	uint32_t seqnr = 0;

	d.seqnr = UINT32_MAX;
	cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect_eq(seqnr, UINT32_MAX);
	cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect_eq(seqnr, 0);
	ssh_dir_fini(&d, engine);
}

Test(ssh_record, no_number_comes_twice_under_one_key)
{
	struct ssh_dir d = dir_of(suites_find("chacha20-poly1305@openssh.com"), 1);
	uint32_t seqnr = 0;

	d.seqnr = 12345;
	d.packets = UINT32_MAX - 1;
	cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect_eq(prepare(&d, &seqnr), -SSH_E_SEQUENCE);
	suite_rekey(&d, engine, d.cipher.suite, 2, false, NULL);
	cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect_eq(seqnr, 12346);
	ssh_dir_fini(&d, engine);
}

/* --- keys ------------------------------------------------------------------------------- */

Test(ssh_record, s06_strict_kex_begins_again_at_0_and_plain_kex_goes_on)
{
	for (unsigned int s = 1; s < suites_count(); s++) {
		struct ssh_dir d = dir_of(suites_at(s), 1);
		uint32_t seqnr = 9;

		d.seqnr = 41;
		suite_rekey(&d, engine, suites_at(s), 2, false, NULL);
		cr_expect_eq(prepare(&d, &seqnr), 0);
		cr_expect_eq(seqnr, 41);
		suite_rekey(&d, engine, suites_at(s), 3, true, NULL);
		cr_expect_eq(prepare(&d, &seqnr), 0);
		cr_expect_eq(seqnr, 0);
		ssh_dir_fini(&d, engine);
	}
}

static bool contains(const void *where, size_t len, uint8_t fill)
{
	const uint8_t *p = where;
	size_t run = 0;

	for (size_t i = 0; i < len; i++) {
		run = p[i] == fill ? run + 1 : 0;
		if (run == 8)
			return true;
	}
	return false;
}

Test(ssh_record, s73_an_old_key_is_gone_after_a_new_one_and_after_the_end)
{
	for (unsigned int s = 1; s < suites_count(); s++) {
		struct ssh_dir d = dir_of(suites_at(s), 0xc3);

		cr_expect(contains(&d, sizeof(d), 0xc3));
		suite_rekey(&d, engine, suites_at(s), 0x3c, true, NULL);
		cr_expect_not(contains(&d, sizeof(d), 0xc3));
		cr_expect(contains(&d, sizeof(d), 0x3c));
		ssh_dir_fini(&d, engine);
		cr_expect_not(contains(&d, sizeof(d), 0x3c));
	}
}

Test(ssh_record, a_new_key_counts_from_0)
{
	struct ssh_dir d = dir_of(suites_find("aes128-gcm@openssh.com"), 1);
	uint32_t seqnr;

	for (int i = 0; i < 5; i++)
		cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect(d.packets == 5 && d.bytes == 5 * 16 && d.blocks == 5);
	suite_rekey(&d, engine, d.cipher.suite, 2, false, NULL);
	cr_expect(d.packets == 0 && d.bytes == 0 && d.blocks == 0);
	cr_expect_not(d.first_kex);
	ssh_dir_fini(&d, engine);
}

/* --- when a key is due -------------------------------------------------------------------- */

Test(ssh_record, limits_of_the_suites)
{
	for (unsigned int s = 1; s < suites_count(); s++) {
		const struct cipher_suite *suite = suites_at(s);
		struct ssh_rekey_limit l = ssh_rekey_limit_of(suite, NULL);
		bool small = suite->block_size < 16; /* and chacha20-poly1305, whose unit is 8 */

		cr_expect_eq(l.blocks * suite->block_size, UINT64_C(1) << (small ? 30 : 36), "%s",
			     suite->cipher_name);
		cr_expect_eq(l.packets, UINT32_C(1) << 31);
		cr_expect(l.bytes == 0 && l.seconds == 0);
	}
}

Test(ssh_record, a_wish_narrows_the_limits_and_never_widens_them)
{
	const struct cipher_suite *suite = suites_find("aes256-gcm@openssh.com");
	struct ssh_rekey_limit narrow = {1 << 20, 100, 7, 3600}, l;
	struct ssh_rekey_limit wide = {UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX};

	l = ssh_rekey_limit_of(suite, &narrow);
	cr_expect(l.bytes == 1 << 20 && l.blocks == 100 && l.packets == 7 && l.seconds == 3600);
	l = ssh_rekey_limit_of(suite, &wide);
	cr_expect(l.blocks == UINT64_C(1) << 32 && l.packets == UINT32_C(1) << 31);
	cr_expect(l.bytes == UINT64_MAX && l.seconds == UINT32_MAX);
}

Test(ssh_record, each_limit_makes_a_rekey_due_when_it_is_reached)
{
	static const struct {
		struct ssh_rekey_limit limit;
		int packets; /* of 16 bytes */
	} c[] = {{{.bytes = 64}, 4}, {{.bytes = 65}, 5}, {{.blocks = 3}, 3}, {{.packets = 2}, 2}};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_dir d;
		uint32_t seqnr;

		ssh_dir_init(&d);
		suite_rekey(&d, engine, suites_find("aes128-gcm@openssh.com"), 1, true,
			    &c[i].limit);
		for (int n = 0; n < c[i].packets; n++) {
			cr_expect_not(ssh_dir_rekey_due(&d), "case %zu after %d", i, n);
			cr_expect_eq(prepare(&d, &seqnr), 0);
		}
		cr_expect(ssh_dir_rekey_due(&d), "case %zu", i);
		ssh_dir_fini(&d, engine);
	}
}

Test(ssh_record, without_a_key_no_rekey_is_due)
{
	struct ssh_dir d;
	uint32_t seqnr;

	ssh_dir_init(&d);
	for (int i = 0; i < 1000; i++)
		cr_expect_eq(prepare(&d, &seqnr), 0);
	cr_expect_not(ssh_dir_rekey_due(&d));
}

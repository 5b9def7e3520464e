/* ssh/flat.c: whole records through every suite, and all that must not come out of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/flat.h"
#include "ssh/ident.h"
#include "tests/util/rnd.h"
#include "tests/util/suites.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct cipher_engine *engine;
static struct ssh_flat a, b; /* a speaks, b listens */
static uint8_t message[SSH_PAYLOAD_MAX + 1];

static void start(void)
{
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 512, &engine), 0);
	cr_assert_eq(cipher_engine_legacy(engine), 0);
	cr_assert_eq(ssh_flat_init(&a, engine), 0);
	cr_assert_eq(ssh_flat_init(&b, engine), 0);
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 5 + (i >> 8));
}

static void end(void)
{
	ssh_flat_fini(&a);
	ssh_flat_fini(&b);
	cipher_engine_free(engine);
}

TestSuite(ssh_flat, .init = start, .fini = end);

/* Both sides under the suite, from the beginning. */
static void use(const struct cipher_suite *s)
{
	ssh_flat_fini(&a);
	ssh_flat_fini(&b);
	cr_assert_eq(ssh_flat_init(&a, engine), 0);
	cr_assert_eq(ssh_flat_init(&b, engine), 0);
	if (s->shape != CIPHER_PLAIN) {
		suite_rekey(&a.tx, engine, s, 1, true, NULL);
		suite_rekey(&b.rx, engine, s, 1, true, NULL);
	}
	b.rx.packet_max = SSH_PACKET_MAX;
}

/* The bytes a has queued, in memory of exactly their size; *ret_n of them. */
static uint8_t *wire(size_t *ret_n)
{
	const uint8_t *p = ssh_flat_out(&a, ret_n);
	uint8_t *copy = malloc(*ret_n);

	memcpy(copy, p, *ret_n);
	ssh_flat_sent(&a, *ret_n);
	return copy;
}

static int next(const uint8_t **p, size_t *n)
{
	uint32_t seqnr;

	return ssh_flat_next(&b, p, n, &seqnr);
}

static void feed_wire(void)
{
	size_t n;
	uint8_t *p = wire(&n);

	cr_assert_eq(ssh_flat_feed(&b, p, n), 0);
	free(p);
}

/* --- there and back --------------------------------------------------------------------- */

Test(ssh_flat, every_suite_carries_every_small_size)
{
	for (unsigned int s = 0; s < suites_count(); s++) {
		use(suites_at(s));
		for (uint32_t len = 1; len <= 200; len++) {
			const uint8_t *p;
			uint32_t seqnr;
			size_t n;

			cr_assert_eq(ssh_flat_send(&a, message, len), 0);
			feed_wire();
			cr_assert_eq(ssh_flat_next(&b, &p, &n, &seqnr), 0, "%s %s: %u",
				     suites_at(s)->cipher_name, suites_at(s)->mac_name, len);
			cr_assert(n == len && memcmp(p, message, len) == 0);
			cr_assert_eq(seqnr, len - 1);
			cr_assert_eq(next(&p, &n), -EAGAIN);
		}
	}
}

Test(ssh_flat, every_suite_carries_the_largest_record)
{
	for (unsigned int s = 0; s < suites_count(); s++) {
		const uint8_t *p;
		size_t n;

		use(suites_at(s));
		cr_assert_eq(ssh_flat_send(&a, message, SSH_PAYLOAD_MAX), 0);
		feed_wire();
		cr_assert_eq(next(&p, &n), 0, "%s %s", suites_at(s)->cipher_name,
			     suites_at(s)->mac_name);
		cr_expect(n == SSH_PAYLOAD_MAX && memcmp(p, message, n) == 0);
	}
}

/* Any sizes, cut anywhere, with a key change now and then, strict or not. */
Test(ssh_flat, random_streams_come_out_whole_and_in_order)
{
	uint64_t seed = rnd_seed();
	struct rnd r = rnd_new(seed);

	for (unsigned int s = 0; s < suites_count(); s++) {
		const struct cipher_suite *suite = suites_at(s);
		uint8_t key = 1;

		use(suite);
		for (int turn = 0; turn < 12; turn++) {
			uint32_t len[8], got = 0, want = 1 + rnd_below(&r, N(len));
			uint8_t *bytes;
			size_t n, at = 0;

			for (uint32_t i = 0; i < want; i++) {
				len[i] = 1 + rnd_below(&r, rnd_below(&r, 4) ? 300 : 40000);
				cr_assert_eq(ssh_flat_send(&a, message + i, len[i]), 0);
			}
			bytes = wire(&n);
			while (at < n || got < want) {
				size_t cut = 1 + rnd_below(&r, 5000);
				const uint8_t *p;
				size_t plen;

				cut = cut < n - at ? cut : n - at;
				cr_assert_eq(ssh_flat_feed(&b, bytes + at, cut), 0);
				at += cut;
				while (next(&p, &plen) == 0) {
					cr_assert(got < want && plen == len[got] &&
							  memcmp(p, message + got, plen) == 0,
						  "seed %lu %s %s", seed, suite->cipher_name,
						  suite->mac_name);
					got++;
				}
				cr_assert(cut > 0 || got == want, "seed %lu: stuck", seed);
			}
			free(bytes);
			if (suite->shape != CIPHER_PLAIN && rnd_below(&r, 2)) {
				bool strict = rnd_below(&r, 2);

				key++;
				suite_rekey(&a.tx, engine, suite, key, strict, NULL);
				suite_rekey(&b.rx, engine, suite, key, strict, NULL);
			}
		}
	}
}

Test(ssh_flat, a_line_stands_before_the_records)
{
	const char *line;
	const uint8_t *p;
	size_t n;

	cr_assert_eq(ssh_flat_raw(&a, "SSH-2.0-sluice\r\n", 16), 0);
	cr_assert_eq(ssh_flat_send(&a, message, 20), 0);
	cr_expect_eq(ssh_flat_line(&b, SSH_SERVER, &line, &n), -EAGAIN);
	feed_wire();
	cr_assert_eq(ssh_flat_line(&b, SSH_SERVER, &line, &n), 0);
	cr_expect(n == 14 && memcmp(line, "SSH-2.0-sluice", 14) == 0);
	cr_assert_eq(next(&p, &n), 0);
	cr_expect_eq(n, 20);
}

Test(ssh_flat, a_bad_line_ends_it)
{
	const char *line;
	const uint8_t *p;
	size_t n;

	cr_assert_eq(ssh_flat_feed(&b, "GET / HTTP/1.1\0\r\n", 17), 0);
	cr_expect_eq(ssh_flat_line(&b, SSH_SERVER, &line, &n), -SSH_E_IDENT);
	cr_expect_eq(ssh_flat_line(&b, SSH_CLIENT, &line, &n), -SSH_E_IDENT);
	cr_expect_eq(next(&p, &n), -SSH_E_IDENT);
}

Test(ssh_flat, what_was_sent_is_not_sent_again)
{
	size_t n, m;

	cr_expect_null(ssh_flat_out(&a, &n));
	cr_assert_eq(ssh_flat_raw(&a, "abcdef", 6), 0);
	ssh_flat_sent(&a, 4);
	cr_assert_eq(memcmp(ssh_flat_out(&a, &n), "ef", 2), 0);
	cr_expect_eq(n, 2);
	ssh_flat_sent(&a, 100);
	cr_expect_null(ssh_flat_out(&a, &m));
	cr_expect_eq(m, 0);
}

Test(ssh_flat, an_empty_payload_and_one_too_large_are_not_sent)
{
	size_t n;

	cr_expect_eq(ssh_flat_send(&a, message, 0), -SSH_E_LENGTH);
	cr_expect_eq(ssh_flat_send(&a, message, SSH_PAYLOAD_MAX + 1), -SSH_E_LENGTH);
	cr_expect_eq(ssh_flat_send(&a, message, SIZE_MAX), -SSH_E_LENGTH);
	cr_expect_null(ssh_flat_out(&a, &n));
	cr_expect_eq(a.tx.seqnr, 0);
}

/* Found by fuzzing: there is no buffer yet to point into. */
Test(ssh_flat, before_anything_was_fed_everything_waits)
{
	const char *line;
	const uint8_t *p;
	size_t n;

	cr_assert_eq(ssh_flat_feed(&b, NULL, 0), 0);
	cr_expect_eq(ssh_flat_line(&b, SSH_SERVER, &line, &n), -EAGAIN);
	cr_expect_eq(next(&p, &n), -EAGAIN);
	cr_assert_eq(ssh_flat_raw(&a, NULL, 0), 0);
	cr_expect_null(ssh_flat_out(&a, &n));
}

/* --- what must not come out ------------------------------------------------------------- */

Test(ssh_flat, s62_every_prefix_of_a_record_waits)
{
	static const uint32_t size[] = {1, 12, 60};

	for (unsigned int s = 0; s < suites_count(); s++) {
		for (size_t i = 0; i < N(size); i++) {
			uint8_t *bytes;
			const uint8_t *p;
			size_t n, len;

			use(suites_at(s));
			cr_assert_eq(ssh_flat_send(&a, message, size[i]), 0);
			bytes = wire(&n);
			for (size_t k = 0; k < n; k++) {
				cr_assert_eq(next(&p, &len), -EAGAIN);
				cr_assert_eq(ssh_flat_feed(&b, bytes + k, 1), 0);
			}
			cr_assert_eq(next(&p, &len), 0);
			free(bytes);
		}
	}
}

Test(ssh_flat, a_changed_bit_anywhere_lets_no_payload_out)
{
	for (unsigned int s = 1; s < suites_count(); s++) {
		size_t n = 1;

		for (size_t bit = 0; bit < 8 * n; bit++) {
			const uint8_t *p;
			uint8_t *bytes;
			size_t len;
			int r;

			use(suites_at(s));
			cr_assert_eq(ssh_flat_send(&a, message, 10), 0);
			bytes = wire(&n);
			bytes[bit / 8] ^= 1 << bit % 8;
			cr_assert_eq(ssh_flat_feed(&b, bytes, n), 0);
			r = next(&p, &len);
			/* In the length: out of bounds, or a record that has not come. */
			cr_expect(suite_tells_late(suites_at(s))
					  ? r == -EAGAIN
					  : r == -SSH_E_MAC || (bit < 32 && (r == -SSH_E_LENGTH ||
									     r == -EAGAIN)),
				  "%s %s bit %zu: %d", suites_at(s)->cipher_name,
				  suites_at(s)->mac_name, bit, r);
			free(bytes);
		}
	}
}

Test(ssh_flat, a_record_replayed_skipped_or_under_another_key_is_refused)
{
	for (unsigned int s = 1; s < suites_count(); s++) {
		for (int fault = 0; fault < 3; fault++) {
			uint8_t *first, *second;
			const uint8_t *p;
			size_t n, m, len;
			int r;

			use(suites_at(s));
			cr_assert_eq(ssh_flat_send(&a, message, 40), 0);
			first = wire(&n);
			cr_assert_eq(ssh_flat_send(&a, message, 40), 0);
			second = wire(&m);
			if (fault == 0) { /* the first twice */
				cr_assert_eq(ssh_flat_feed(&b, first, n), 0);
				cr_assert_eq(next(&p, &len), 0);
				cr_assert_eq(ssh_flat_feed(&b, first, n), 0);
			} else if (fault == 1) { /* the second alone */
				cr_assert_eq(ssh_flat_feed(&b, second, m), 0);
			} else {
				suite_rekey(&b.rx, engine, suites_at(s), 2, true, NULL);
				cr_assert_eq(ssh_flat_feed(&b, first, n), 0);
			}
			r = next(&p, &len);
			/* Where the length is hidden it reads as anything. */
			cr_expect(r == -SSH_E_MAC || r == -SSH_E_LENGTH || r == -EAGAIN,
				  "%s %s: %d", suites_at(s)->cipher_name, suites_at(s)->mac_name,
				  r);
			free(first);
			free(second);
		}
	}
}

Test(ssh_flat, after_an_error_nothing_is_opened_any_more)
{
	uint8_t *bytes;
	const uint8_t *p;
	size_t n, len;

	use(suites_find("aes128-gcm@openssh.com"));
	cr_assert_eq(ssh_flat_send(&a, message, 40), 0);
	bytes = wire(&n);
	bytes[n - 1] ^= 1;
	cr_assert_eq(ssh_flat_feed(&b, bytes, n), 0);
	free(bytes);
	cr_expect_eq(next(&p, &len), -SSH_E_MAC);
	cr_assert_eq(ssh_flat_send(&a, message, 40), 0);
	feed_wire();
	cr_expect_eq(next(&p, &len), -SSH_E_MAC);
	cr_expect_eq(next(&p, &len), -SSH_E_MAC);
}

/* A record with a right tag and whatever head, as only a peer with the keys can make. */
static void sealed_with_padding(const struct cipher_suite *s, uint8_t padding)
{
	bool apart = s->shape != CIPHER_PLAIN && s->shape != CIPHER_EAM;
	uint8_t record[68 + CIPHER_TAG_MAX] = {0, 0, 0, apart ? 64 : 60, padding};
	struct cipher_piece piece = {record, apart ? 68 : 64};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1, .tag = record + piece.len};
	struct cipher_job *jobs[] = {&job};

	cr_assert_eq(ssh_dir_prepare(&a.tx, &job, piece.len), 0);
	cipher_seal_burst(engine, jobs, 1);
	cr_assert_eq(job.result, 0);
	cr_assert_eq(ssh_flat_feed(&b, record, piece.len + s->tag_len), 0);
}

Test(ssh_flat, s49_bad_padding_under_a_right_tag_is_refused)
{
	for (unsigned int s = 0; s < suites_count(); s++) {
		const struct cipher_suite *suite = suites_at(s);
		bool apart = suite->shape != CIPHER_PLAIN && suite->shape != CIPHER_EAM;
		unsigned int packet_length = apart ? 64 : 60;

		for (unsigned int padding = 0; padding < 256; padding++) {
			const uint8_t *p;
			size_t n;
			int want = 0;

			if (padding < 4 || padding > packet_length - 1)
				want = -SSH_E_PADDING;
			else if (padding == packet_length - 1)
				want = -SSH_E_FORMAT;
			if (want != 0 && suite_tells_late(suite))
				want = -EAGAIN;
			use(suite);
			sealed_with_padding(suite, (uint8_t)padding);
			cr_expect_eq(next(&p, &n), want, "%s %s: %u", suite->cipher_name,
				     suite->mac_name, padding);
		}
	}
}

/* --- compression ------------------------------------------------------------------------ */

/* S-42: what one packet inflates to is never more than a packet. */
Test(ssh_flat, s42_a_bomb_stops_at_the_plain_packet_cap)
{
	static uint8_t zeros[SSH_PACKET_MAX], bomb[SSH_PACKET_MAX];
	static const uint32_t caps[] = {SSH_PACKET_MAX_PREAUTH, SSH_PACKET_MAX};

	for (int i = 0; i < 2; i++) {
		void *mem = malloc(SSH_DEFLATE_MEM);
		struct ssh_deflate *z = ssh_deflate_start(mem, true);
		const uint8_t *p;
		size_t n = 0, got, len;

		while (n + 2000 < caps[i]) {
			const uint8_t *in = zeros;

			len = sizeof(zeros);
			cr_assert_eq(ssh_deflate_run(z, &in, &len, SSH_DEFLATE_SYNC, bomb + n,
						     sizeof(bomb) - n, &got),
				     0);
			n += got;
		}
		free(mem);
		use(suites_find("aes128-gcm@openssh.com"));
		b.rx.packet_max = caps[i];
		cr_assert_eq(ssh_flat_inflate(&b, true), 0);
		cr_assert_eq(ssh_flat_send(&a, bomb, n), 0);
		feed_wire();
		cr_expect_eq(next(&p, &len), -SSH_E_COMP);
		cr_expect_eq(next(&p, &len), -SSH_E_COMP);
	}
}

Test(ssh_flat, a_compressed_stream_goes_on_from_payload_to_payload)
{
	size_t first = 0, n, len;
	const uint8_t *p;

	use(suites_find("aes128-gcm@openssh.com"));
	cr_assert_eq(ssh_flat_deflate(&a, true), 0);
	cr_assert_eq(ssh_flat_inflate(&b, true), 0);
	for (int i = 0; i < 3; i++) {
		uint8_t *bytes;

		cr_assert_eq(ssh_flat_send(&a, message, 200), 0);
		bytes = wire(&n);
		cr_assert_eq(ssh_flat_feed(&b, bytes, n), 0);
		free(bytes);
		cr_assert_eq(next(&p, &len), 0);
		cr_expect(len == 200 && memcmp(p, message, 200) == 0);
		if (i == 0)
			first = n;
		else
			cr_expect_lt(n, first, "what was sent before is known");
	}
}

/* --- S-69 ------------------------------------------------------------------------------ */

enum fault { BAD_LENGTH, LENGTH_OUT_OF_STEP, BAD_TAG, BAD_BYTE, BAD_PADDING, FAULTS };

/* A record of 64 bytes with its fault; how many bytes of it were fed. */
static size_t faulty_record(const struct cipher_suite *s, enum fault fault)
{
	uint8_t record[64 + CIPHER_TAG_MAX] = {0, 0, 0, 60, fault == BAD_PADDING ? 61 : 10};
	struct cipher_piece piece = {record, 64};
	struct cipher_job job = {.piece = &piece, .n_pieces = 1, .tag = record + 64};
	struct cipher_job *jobs[] = {&job};

	if (fault == BAD_LENGTH)
		record[0] = 0x7f;
	if (fault == LENGTH_OUT_OF_STEP)
		record[3] = 61;
	cr_assert_eq(ssh_dir_prepare(&a.tx, &job, 64), 0);
	cipher_seal_burst(engine, jobs, 1);
	if (fault == BAD_TAG)
		record[64] ^= 1;
	if (fault == BAD_BYTE)
		record[63] ^= 1;
	cr_assert_eq(ssh_flat_feed(&b, record, 64 + s->tag_len), 0);
	return 64 + s->tag_len;
}

/* How many bytes behind the start of a bad record its receiver says so, and what. */
static size_t told_after(const struct cipher_suite *s, enum fault fault, uint8_t junk, int *ret)
{
	uint8_t more[4] = {junk, junk, junk, junk};
	const uint8_t *p;
	size_t n, len;

	use(s);
	cr_assert_eq(ssh_flat_send(&a, message, 40), 0); /* a good one before it */
	feed_wire();
	cr_assert_eq(next(&p, &len), 0);
	n = faulty_record(s, fault);
	while ((*ret = next(&p, &len)) == -EAGAIN) {
		/* Many at a time as long as nobody may know. */
		size_t steps = n < SSH_PACKET_MAX - 1000 ? 200 : 1;

		for (size_t i = 0; i < steps; i++)
			cr_assert_eq(ssh_flat_feed(&b, more, sizeof(more)), 0);
		n += steps * sizeof(more);
		cr_assert_lt(n, SSH_PACKET_MAX + 1000);
	}
	return n;
}

Test(ssh_flat, s69_whatever_is_wrong_with_cbc_is_one_error_after_as_many_bytes)
{
	unsigned int seen = 0;

	for (unsigned int c = 0; cipher_name_at(c) != NULL; c++) {
		const struct cipher_suite *s = cipher_suite_find(cipher_name_at(c), "hmac-sha1");

		if (!suite_tells_late(s))
			continue;
		seen++;
		for (enum fault fault = 0; fault < FAULTS; fault++) {
			uint32_t whole = (4 + SSH_PACKET_MAX) / s->block_size * s->block_size +
					 s->block_size + 2u * s->tag_len;

			for (unsigned int junk = 0; junk < 2; junk++) {
				int err;
				size_t n = told_after(s, fault, (uint8_t)(0xa5 * junk), &err);

				cr_expect_eq(err, -SSH_E_MAC, "%s fault %d: %d", s->cipher_name,
					     fault, err);
				cr_expect(n >= whole && n < whole + 4, "%s fault %d: %zu, not %u",
					  s->cipher_name, fault, n, whole);
			}
		}
	}
	cr_expect_eq(seen, 6);
}

/* Where the MAC is over cipher text, or the length is in clear, there is nothing to learn. */
Test(ssh_flat, s69_cbc_with_etm_is_told_at_once)
{
	const struct cipher_suite *s =
		cipher_suite_find("aes128-cbc", "hmac-sha2-256-etm@openssh.com");
	uint8_t *bytes;
	const uint8_t *p;
	size_t n, len;

	use(s);
	cr_assert_eq(ssh_flat_send(&a, message, 40), 0);
	bytes = wire(&n);
	bytes[n - 1] ^= 1;
	cr_assert_eq(ssh_flat_feed(&b, bytes, n), 0);
	free(bytes);
	cr_expect_eq(next(&p, &len), -SSH_E_MAC);
}

Test(ssh_flat, s49_a_length_asks_for_no_memory)
{
	static const uint8_t large[] = {0, 0, 0x88, 0xb4, 4}; /* 34,996, and nothing behind it */
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xfc, 4};
	const uint8_t *p;
	size_t n;

	cr_assert_eq(ssh_flat_feed(&b, large, sizeof(large)), 0);
	cr_expect_eq(next(&p, &n), -EAGAIN);
	cr_expect_leq(b.in_size, 4096);

	use(cipher_suite_plain());
	cr_assert_eq(ssh_flat_feed(&b, huge, sizeof(huge)), 0);
	cr_expect_eq(next(&p, &n), -SSH_E_LENGTH);
	cr_expect_leq(b.in_size, 4096);
}

Test(ssh_flat, s49_before_authentication_35000_bytes_and_after_it_256_kib)
{
	const uint8_t *p;
	size_t n;

	b.rx.packet_max = SSH_PACKET_MAX_PREAUTH;
	cr_assert_eq(ssh_flat_send(&a, message, 35000), 0);
	feed_wire();
	cr_expect_eq(next(&p, &n), -SSH_E_LENGTH);

	use(cipher_suite_plain());
	cr_assert_eq(ssh_flat_send(&a, message, 35000), 0);
	feed_wire();
	cr_expect_eq(next(&p, &n), 0);
}

Test(ssh_flat, s08_the_first_exchange_ends_before_its_numbers_do)
{
	const uint8_t *p;
	size_t n;

	cr_assert_eq(ssh_flat_send(&a, message, 9), 0);
	feed_wire();
	b.rx.seqnr = a.tx.seqnr = UINT32_MAX;
	cr_expect_eq(next(&p, &n), -SSH_E_SEQUENCE);
	cr_expect_eq(ssh_flat_send(&a, message, 9), -SSH_E_SEQUENCE);
}

/* tests/unit/test_cipher.c - suites, states and the engine; both engines against each other. */
#include <sys/resource.h>

#include <openssl/evp.h>

#include "tests/unit/cipher_util.h"

static const enum cipher_engine_kind kinds[] = {CIPHER_ENGINE_AUTO, CIPHER_ENGINE_IPSEC_MB,
						CIPHER_ENGINE_OPENSSL};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

#define LEN_MAX 33000

/* --- suites and states ------------------------------------------------------------------------ */

Test(cipher, every_pair_of_names_is_a_suite)
{
	unsigned int n = 0;

	for (unsigned int c = 0; cipher_name_at(c) != NULL; c++)
		for (unsigned int m = 0; cipher_mac_name_at(m) != NULL; m++, n++) {
			const struct cipher_suite *s =
				cipher_suite_find(cipher_name_at(c), cipher_mac_name_at(m));

			cr_assert_not_null(s);
			cr_expect_str_eq(s->cipher_name, cipher_name_at(c));
			if (s->mac_name[0] != '\0')
				cr_expect_str_eq(s->mac_name, cipher_mac_name_at(m));
			cr_expect_geq(s->block_size, 8);
			cr_expect_leq(s->key_len, CIPHER_KEY_MAX);
			cr_expect_leq(s->iv_len, CIPHER_IV_MAX);
			cr_expect_leq(s->mac_key_len, CIPHER_MAC_KEY_MAX);
			cr_expect_leq(s->tag_len, CIPHER_TAG_MAX);
		}
	cr_expect_eq(n, 16 * 22);
}

Test(cipher, authenticating_ciphers_ignore_the_mac)
{
	const struct cipher_suite *s = cipher_suite_find("aes256-gcm@openssh.com", NULL);

	cr_assert_not_null(s);
	cr_expect_eq(cipher_suite_find("aes256-gcm@openssh.com", "no such mac"), s);
	cr_expect_eq(cipher_suite_find("aes256-gcm@openssh.com", ""), s);
}

Test(cipher, unknown_names_are_no_suite)
{
	static const char *const bad[][2] = {
		{"none", ""},
		{"none", "hmac-sha2-256"},
		{"", ""},
		{"aes256-ctr", ""},
		{"aes256-ctr", "none"},
		{"aes256-ctr", "hmac-sha1-etm"},
		{"aes256-ctr", "hmac-ripemd160-etm@openssh.com"},
		{"rijndael-cbc@lysator.liu.se", "hmac-sha1"},
		{"arcfour64", "hmac-sha1"},
		{"aes256-gcm", ""},
		{"aes256-ct", "hmac-sha2-256"},
		{"aes256-ctr", "hmac-sha2-25"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_null(cipher_suite_find(bad[i][0], bad[i][1]), "%s %s", bad[i][0],
			       bad[i][1]);
	cr_expect_null(cipher_suite_find("aes256-ctr", NULL));
}

Test(cipher, state_needs_what_the_suite_wants)
{
	const struct cipher_suite *s = cipher_suite_find("aes128-ctr", "hmac-sha2-256");
	uint8_t bytes[64] = {0};
	struct cipher_state st;

	cr_expect_eq(cipher_state_init(&st, NULL, bytes, bytes, bytes), -EINVAL);
	cr_expect_eq(cipher_state_init(&st, s, NULL, bytes, bytes), -EINVAL);
	cr_expect_eq(cipher_state_init(&st, s, bytes, NULL, bytes), -EINVAL);
	cr_expect_eq(cipher_state_init(&st, s, bytes, bytes, NULL), -EINVAL);
	cr_expect_eq(cipher_state_init(&st, s, bytes, bytes, bytes), 0);
}

Test(cipher, plain_changes_nothing)
{
	static const uint8_t bytes[] = "\0\0\0\x0c\x0a plain text";

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);
		struct cipher_state st;
		uint8_t got[16];
		struct rec *r;

		cipher_state_init_plain(&st);
		cr_expect_eq(st.suite, cipher_suite_plain());
		r = rec_new(&st, 0, bytes, 16, 3);
		cr_expect_eq(seal_one(e, r), 0);
		cr_expect_eq(open_one(e, r), 0);
		rec_bytes(r, got);
		cr_expect_arr_eq(got, bytes, 16);
		rec_free(r);
		cipher_state_fini(e, &st);
		cipher_engine_free(e);
	}
}

Test(cipher, fini_wipes)
{
	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		struct cipher_engine *e = engine_new(CIPHER_ENGINE_AUTO);
		struct cipher_state st = state_of(suite_at(i), 1), zero;
		uint8_t bytes[64] = {0};
		struct rec *r = rec_new(&st, 0, bytes, suite_fits(suite_at(i), 64), 0);

		memset(&zero, 0, sizeof(zero));
		cr_expect_eq(seal_one(e, r), 0);
		cipher_state_fini(e, &st);
		cr_expect_arr_eq((uint8_t *)&st, (uint8_t *)&zero, sizeof(st));
		rec_free(r);
		cipher_engine_free(e);
	}
}

/* --- the two engines against each other ------------------------------------------------------- */

/* One suite's four ends: both engines seal, and each opens what the other has sealed. */
struct ends {
	struct cipher_state seal[2], open[2];
};

static void ends_init(struct ends *x, const struct cipher_suite *s, uint64_t seed)
{
	for (unsigned int k = 0; k < 2; k++)
		x->seal[k] = x->open[k] = state_of(s, seed);
}

static void ends_fini(struct ends *x, struct cipher_engine *const e[2])
{
	for (unsigned int k = 0; k < 2; k++) {
		cipher_state_fini(e[k], &x->seal[k]);
		cipher_state_fini(e[k], &x->open[k]);
	}
}

/* A burst of records sealed by both engines with different cuts, compared, and opened. */
static void cross_burst(struct cipher_engine *const e[2], struct ends *x, unsigned int n_ends,
			unsigned int n, uint32_t len_max, uint64_t *seed)
{
	static uint8_t plain[CIPHER_BURST][LEN_MAX], a[LEN_MAX], b[LEN_MAX];
	struct rec *rec[2][CIPHER_BURST];
	struct cipher_job *job[2][CIPHER_BURST] = {{NULL}};

	for (unsigned int i = 0; i < n; i++) {
		uint32_t len =
			suite_fits(x[i % n_ends].seal[0].suite, 8 + rnd_below(seed, len_max - 8));
		uint32_t seqnr = (uint32_t)rnd(seed);

		rnd_fill(seed, plain[i], len);
		for (unsigned int k = 0; k < 2; k++) {
			rec[k][i] =
				rec_new_random(&x[i % n_ends].seal[k], seqnr, plain[i], len, seed);
			job[k][i] = &rec[k][i]->job;
		}
	}
	for (unsigned int k = 0; k < 2; k++)
		seal_all(e[k], job[k], n);
	for (unsigned int i = 0; i < n; i++) {
		const struct cipher_suite *s = job[0][i]->state->suite;

		cr_assert_eq(job[0][i]->result, 0, "%s %s", s->cipher_name, s->mac_name);
		cr_assert_eq(job[1][i]->result, 0, "%s %s", s->cipher_name, s->mac_name);
		rec_bytes(rec[0][i], a);
		rec_bytes(rec[1][i], b);
		cr_assert_arr_eq(a, b, job[0][i]->len, "%s %s", s->cipher_name, s->mac_name);
		cr_assert_arr_eq(rec[0][i]->tag, rec[1][i]->tag, s->tag_len, "%s %s",
				 s->cipher_name, s->mac_name);
		for (unsigned int k = 0; k < 2; k++)
			job[1 - k][i]->state = &x[i % n_ends].open[k];
	}
	for (unsigned int k = 0; k < 2; k++)
		open_all(e[k], job[1 - k], n);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int k = 0; k < 2; k++) {
			const struct cipher_suite *s = job[k][i]->state->suite;

			cr_assert_eq(job[k][i]->result, 0, "%s %s", s->cipher_name, s->mac_name);
			rec_bytes(rec[k][i], a);
			cr_assert_arr_eq(a, plain[i], job[k][i]->len, "%s", s->cipher_name);
			rec_free(rec[k][i]);
		}
}

/* The two that agree on nothing but the standards. */
static void engines_new(struct cipher_engine *e[2])
{
	e[0] = engine_new(CIPHER_ENGINE_AUTO);
	e[1] = engine_new(CIPHER_ENGINE_OPENSSL);
}

static void engines_free(struct cipher_engine *e[2])
{
	for (unsigned int k = 0; k < 2; k++)
		cipher_engine_free(e[k]);
}

Test(cipher, engines_agree_on_each_suite_at_random_sizes_and_cuts)
{
	static const unsigned int bursts[] = {1, 2, 3, 8, 9, 17};
	struct cipher_engine *e[2];
	uint64_t seed = 20240001;

	engines_new(e);
	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		struct ends x;

		ends_init(&x, suite_at(i), i);
		for (unsigned int b = 0; b < sizeof(bursts) / sizeof(bursts[0]); b++)
			cross_burst(e, &x, 1, bursts[b], b % 2 ? LEN_MAX : 2000, &seed);
		ends_fini(&x, e);
	}
	engines_free(e);
}

/* What AUTO does by itself, where the processor can, ipsec-mb does elsewhere. */
Test(cipher, engines_agree_on_chacha20_poly1305_by_ipsec_mb)
{
	const struct cipher_suite *s = cipher_suite_find("chacha20-poly1305@openssh.com", "");
	struct cipher_engine *e[2] = {engine_new(CIPHER_ENGINE_AUTO),
				      engine_new(CIPHER_ENGINE_IPSEC_MB)};
	uint64_t seed = 20240003;
	struct ends x;

	ends_init(&x, s, 7);
	for (unsigned int n = 1; n <= CIPHER_BURST; n += 21)
		cross_burst(e, &x, 1, n, LEN_MAX, &seed);
	ends_fini(&x, e);
	engines_free(e);
}

Test(cipher, engines_agree_on_bursts_of_all_suites_mixed)
{
	struct cipher_engine *e[2];
	uint64_t seed = 20240002;
	static struct ends x[SUITES_MAX];
	unsigned int n = suite_count();

	engines_new(e);
	for (unsigned int i = 0; i < n; i++)
		ends_init(&x[i], suite_at(i), 100 + i);
	for (unsigned int round = 0; round < 6; round++)
		cross_burst(e, x, n, CIPHER_BURST, round < 3 ? 3000 : 300, &seed);
	for (unsigned int i = 0; i < n; i++)
		ends_fini(&x[i], e);
	engines_free(e);
}

Test(cipher, engines_agree_on_every_small_size)
{
	static uint8_t plain[200], a[200], b[200];
	struct cipher_engine *e[2];

	engines_new(e);
	for (unsigned int i = 0; suite_at(i) != NULL; i++)
		for (uint32_t len = 5; len < sizeof(plain); len++) {
			if (suite_fits(suite_at(i), len) != len)
				continue;
			struct cipher_state st[2] = {state_of(suite_at(i), 3),
						     state_of(suite_at(i), 3)};
			struct rec *r[2] = {rec_new(&st[0], 9, plain, len, 0),
					    rec_new(&st[1], 9, plain, len, 3)};

			for (unsigned int k = 0; k < 2; k++)
				cr_assert_eq(seal_one(e[k], r[k]), 0);
			rec_bytes(r[0], a);
			rec_bytes(r[1], b);
			cr_assert_arr_eq(a, b, len);
			cr_assert_arr_eq(r[0]->tag, r[1]->tag, suite_at(i)->tag_len);
			for (unsigned int k = 0; k < 2; k++) {
				rec_free(r[k]);
				cipher_state_fini(e[k], &st[k]);
			}
		}
	engines_free(e);
}

Test(cipher, pieces_of_one_byte_each)
{
	static uint8_t plain[CIPHER_PIECES_MAX], got[CIPHER_PIECES_MAX];
	struct cipher_engine *e[2];

	engines_new(e);
	for (unsigned int i = 0; suite_at(i) != NULL; i++)
		for (unsigned int k = 0; k < 2; k++) {
			struct cipher_state st = state_of(suite_at(i), 4);
			struct cipher_state peer = state_of(suite_at(i), 4);
			struct rec *r =
				rec_new(&st, 1, plain, suite_fits(suite_at(i), sizeof(plain)), 1);

			cr_assert_eq(seal_one(e[k], r), 0);
			r->job.state = &peer;
			cr_assert_eq(open_one(e[1 - k], r), 0);
			rec_bytes(r, got);
			cr_assert_arr_eq(got, plain, sizeof(plain));
			rec_free(r);
			cipher_state_fini(e[k], &st);
			cipher_state_fini(e[1 - k], &peer);
		}
	engines_free(e);
}

/* Of the suites that go by length one in some, as records here are large. */
static bool too_many(unsigned int i)
{
	return getenv("SLUICE_LONG") == NULL && i > 10 && i % 4 != 0;
}

/* A record larger than any scratch: chacha20-poly1305 and CTR go another way then. */
Test(cipher, records_larger_than_the_scratch)
{
	enum { LEN = 900 * 1024 };
	uint8_t *plain = calloc(2, LEN);
	struct cipher_engine *e[2];

	e[0] = engine_new(CIPHER_ENGINE_IPSEC_MB);
	e[1] = engine_new(CIPHER_ENGINE_OPENSSL);
	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		if (too_many(i))
			continue;
		struct cipher_state st[2] = {state_of(suite_at(i), 5), state_of(suite_at(i), 5)};
		struct cipher_job *job[2];
		struct rec *r[2];

		/* Two, so that HMAC-SHA2-512 would like to use its lanes. */
		for (unsigned int k = 0; k < 2; k++) {
			r[k] = rec_new(&st[0], k, plain, suite_fits(suite_at(i), LEN), 5000);
			job[k] = &r[k]->job;
		}
		seal_all(e[0], job, 2);
		for (unsigned int k = 0; k < 2; k++) {
			cr_assert_eq(job[k]->result, 0);
			job[k]->state = &st[1];
		}
		open_all(e[1], job, 2);
		for (unsigned int k = 0; k < 2; k++) {
			cr_assert_eq(job[k]->result, 0);
			rec_bytes(r[k], plain + LEN);
			cr_assert_arr_eq(plain, plain + LEN, job[k]->len);
			rec_free(r[k]);
		}
		cipher_state_fini(e[0], &st[0]);
		cipher_state_fini(e[1], &st[1]);
	}
	engines_free(e);
	free(plain);
}

/*
 * ipsec-mb's lanes of HMAC count to 65,534; records may be 256 KiB. In one piece and in several,
 * and in bursts for narrow lanes and for wide ones.
 */
Test(cipher, records_longer_than_16_bits_can_say)
{
	static const uint32_t lens[] = {65529, 65530, 65531, 65535,  65536,
					65540, 65527, 65528, 131072, 262148};
	static uint8_t plain[262148], got[262148];
	struct cipher_engine *e[2];

	enum { N = sizeof(lens) / sizeof(lens[0]) };
	engines_new(e);
	for (unsigned int i = 0; suite_at(i) != NULL; i++)
		for (uint32_t cut = 0; cut <= 2000 && !too_many(i); cut += 2000) {
			struct cipher_state st = state_of(suite_at(i), 15);
			struct cipher_state peer = state_of(suite_at(i), 15);
			struct cipher_job *job[N];
			struct rec *r[N];

			for (unsigned int n = 0; n < N; n++) {
				r[n] = rec_new(&st, n, plain, suite_fits(suite_at(i), lens[n]),
					       cut);
				job[n] = &r[n]->job;
			}
			unsigned int step = cut == 0 ? N : N / 2;

			for (unsigned int n = 0; n < N; n += step)
				seal_all(e[0], job + n, step);
			for (unsigned int n = 0; n < N; n++) {
				cr_assert_eq(job[n]->result, 0, "%s %s %u",
					     suite_at(i)->cipher_name, suite_at(i)->mac_name,
					     lens[n]);
				job[n]->state = &peer;
			}
			open_all(e[1], job, N);
			for (unsigned int n = 0; n < N; n++) {
				cr_assert_eq(job[n]->result, 0);
				rec_bytes(r[n], got);
				cr_assert_eq(memcmp(got, plain, job[n]->len), 0);
				rec_free(r[n]);
			}
			cipher_state_fini(e[0], &st);
			cipher_state_fini(e[1], &peer);
		}
	engines_free(e);
}

/* --- order and counters ----------------------------------------------------------------------- */

/* Sealing three at once is sealing them one after the other. */
Test(cipher, a_burst_of_one_state_is_its_records_in_order)
{
	static uint8_t plain[3][500], a[500], b[500];

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			struct cipher_state one = state_of(suite_at(i), 6);
			struct cipher_state all = state_of(suite_at(i), 6);
			struct cipher_job *job[3];
			struct rec *r[3];
			uint32_t len[3];

			for (unsigned int n = 0; n < 3; n++) {
				len[n] = suite_fits(suite_at(i), 500 - 16 * n);
				r[n] = rec_new(&all, n, plain[n], len[n], 100);
				job[n] = &r[n]->job;
			}
			seal_all(e, job, 3);
			for (unsigned int n = 0; n < 3; n++) {
				struct rec *alone = rec_new(&one, n, plain[n], len[n], 0);

				cr_assert_eq(seal_one(e, alone), 0);
				rec_bytes(r[n], a);
				rec_bytes(alone, b);
				cr_expect_arr_eq(a, b, len[n]);
				cr_expect_arr_eq(r[n]->tag, alone->tag, suite_at(i)->tag_len);
				rec_free(alone);
				rec_free(r[n]);
			}
			cipher_state_fini(e, &one);
			cipher_state_fini(e, &all);
		}
		cipher_engine_free(e);
	}
}

/* Prepared in order, opened backwards. */
Test(cipher, prepared_records_open_in_any_order)
{
	static uint8_t plain[4][300], got[300];
	struct cipher_engine *e = engine_new(CIPHER_ENGINE_AUTO);

	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		if (suite_at(i)->serial)
			continue;
		struct cipher_state st = state_of(suite_at(i), 7), peer = state_of(suite_at(i), 7);
		struct rec *r[4];

		for (unsigned int n = 0; n < 4; n++) {
			memset(plain[n], (int)n, sizeof(plain[n]));
			r[n] = rec_new(&st, n, plain[n], 300, 0);
			cr_assert_eq(seal_one(e, r[n]), 0);
		}
		for (unsigned int n = 0; n < 4; n++) {
			r[n]->job.state = &peer;
			cipher_job_prepare(&r[n]->job);
		}
		for (unsigned int n = 4; n-- > 0;) {
			struct cipher_job *j = &r[n]->job;

			cipher_open_burst(e, &j, 1);
			cr_expect_eq(j->result, 0);
			rec_bytes(r[n], got);
			cr_expect_arr_eq(got, plain[n], 300);
			rec_free(r[n]);
		}
		cipher_state_fini(e, &st);
		cipher_state_fini(e, &peer);
	}
	cipher_engine_free(e);
}

/*
 * The counter before 2^32, 2^64 and 2^128: what a direction encrypts must be one stream under
 * one 128-bit counter, as OpenSSL makes it in one call.
 */
static void ctr_stream_check(struct cipher_engine *e, const char *mac, unsigned int ff_from,
			     unsigned int burst)
{
	enum { LEN = 176, RECORDS = 12 };
	const struct cipher_suite *s = cipher_suite_find("aes256-ctr", mac);
	uint32_t clear = s->shape == CIPHER_ETM ? 4 : 0;
	uint8_t key[32] = {1, 2, 3}, iv[16], mac_key[64] = {0}, bytes[LEN + 4] = {0}, got[LEN + 4];
	uint8_t stream[RECORDS * LEN] = {0}, zero[RECORDS * LEN] = {0};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct cipher_job *job[RECORDS];
	struct rec *r[RECORDS];
	struct cipher_state st;
	int n = 0;

	/* 51 blocks before the carry goes past byte ff_from: in the middle of the fifth record. */
	memset(iv, 0x11, sizeof(iv));
	memset(iv + ff_from, 0xff, 16 - ff_from);
	iv[15] = 0x100 - 51;
	EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv);
	cr_assert_eq(EVP_EncryptUpdate(ctx, stream, &n, zero, sizeof(zero)), 1);
	EVP_CIPHER_CTX_free(ctx);

	cr_assert_eq(cipher_state_init(&st, s, key, iv, mac_key), 0);
	for (unsigned int i = 0; i < RECORDS; i++) {
		r[i] = rec_new(&st, i, bytes, LEN + clear, i % 2 ? 50 : 0);
		job[i] = &r[i]->job;
		cipher_job_prepare(job[i]);
	}
	for (unsigned int i = 0; i < RECORDS; i += burst)
		cipher_seal_burst(e, job + i, burst);
	for (unsigned int i = 0; i < RECORDS; i++) {
		cr_expect_eq(job[i]->result, 0);
		rec_bytes(r[i], got);
		cr_expect_arr_eq(got + clear, stream + i * LEN, LEN, "%s byte %u record %u", mac,
				 ff_from, i);
		rec_free(r[i]);
	}
	cipher_state_fini(e, &st);
}

Test(cipher, ctr_carries_128_bits)
{
	static const unsigned int ff_from[] = {12, 8, 0};

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int m = 0; cipher_mac_name_at(m) != NULL; m++)
			for (unsigned int w = 0; w < 3; w++) {
				ctr_stream_check(e, cipher_mac_name_at(m), ff_from[w], 1);
				ctr_stream_check(e, cipher_mac_name_at(m), ff_from[w], 12);
			}
		cipher_engine_free(e);
	}
}

/* A record whose last block is the last before the carry, and the one behind it. */
Test(cipher, ctr_carries_between_records)
{
	const struct cipher_suite *s = cipher_suite_find("aes128-ctr", "hmac-sha2-512");
	uint8_t bytes[64] = {0}, a[64], b[64], key[16] = {0}, mac_key[64] = {0}, iv[16];
	struct cipher_engine *e[2];
	struct cipher_state st[2];

	engines_new(e);
	memset(iv, 0xff, sizeof(iv));
	iv[15] = 0xfc;
	for (unsigned int k = 0; k < 2; k++)
		cr_assert_eq(cipher_state_init(&st[k], s, key, iv, mac_key), 0);
	for (unsigned int n = 0; n < 4; n += 2) {
		struct rec *r[2][2];

		for (unsigned int k = 0; k < 2; k++) {
			struct cipher_job *job[2];

			for (unsigned int i = 0; i < 2; i++) {
				r[k][i] = rec_new(&st[k], n + i, bytes, sizeof(bytes), 0);
				job[i] = &r[k][i]->job;
				cipher_job_prepare(job[i]);
			}
			cipher_seal_burst(e[k], job, 2);
		}
		for (unsigned int i = 0; i < 2; i++) {
			rec_bytes(r[0][i], a);
			rec_bytes(r[1][i], b);
			cr_expect_arr_eq(a, b, sizeof(a), "record %u", n + i);
			rec_free(r[0][i]);
			rec_free(r[1][i]);
		}
	}
	/* 16 blocks on from ...fc: past 2^128, so 12 remain. */
	memset(iv, 0, sizeof(iv));
	iv[15] = 12;
	cr_expect_arr_eq(st[0].iv, iv, 16);
	for (unsigned int k = 0; k < 2; k++)
		cipher_state_fini(e[k], &st[k]);
	engines_free(e);
}

/* RFC 5647: of the 12 bytes only the last eight count. */
Test(cipher, gcm_counts_invocations_in_64_bits)
{
	static const uint8_t iv[12] = {1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
	static const uint8_t last[12] = {1,    2,    3,    4,    0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t next[12] = {1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0};
	const struct cipher_suite *s = cipher_suite_find("aes256-gcm@openssh.com", "");
	uint8_t key[32] = {0};
	struct cipher_job job = {.len = 100};
	struct cipher_state st;

	cr_assert_eq(cipher_state_init(&st, s, key, iv, NULL), 0);
	job.state = &st;
	cipher_job_prepare(&job);
	cr_expect_arr_eq(job.iv, iv, 12);
	cr_expect_arr_eq(st.iv, last, 12);
	cipher_job_prepare(&job);
	cr_expect_arr_eq(job.iv, last, 12);
	cr_expect_arr_eq(st.iv, next, 12);
}

/* --- refusals --------------------------------------------------------------------------------- */

/* Bits of the record and of the tag changed, one at a time; the neighbours stay whole. */
Test(cipher, a_changed_bit_anywhere_is_refused)
{
	enum { LEN_MOST = 52, BURST = 9, VICTIM = 4 };
	static uint8_t plain[LEN_MOST], sealed[LEN_MOST], got[LEN_MOST];

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			const uint32_t len = suite_fits(suite_at(i), 48);
			unsigned int bytes = len + suite_at(i)->tag_len;

			for (unsigned int at = 0; at < bytes; at++) {
				struct cipher_state st = state_of(suite_at(i), 8);
				struct cipher_state peer = state_of(suite_at(i), 8);
				struct cipher_job *job[BURST];
				struct rec *r[BURST];

				for (unsigned int n = 0; n < BURST; n++) {
					r[n] = rec_new(&st, n, plain, len, n % 2 ? 10 : 0);
					job[n] = &r[n]->job;
				}
				seal_all(e, job, BURST);
				if (at < len)
					r[VICTIM]->piece[0].p[at] ^= (uint8_t)(1 << at % 8);
				else
					r[VICTIM]->tag[at - len] ^= (uint8_t)(1 << at % 8);
				rec_bytes(r[VICTIM], sealed);
				for (unsigned int n = 0; n < BURST; n++) {
					job[n]->state = &peer;
				}
				open_all(e, job, BURST);
				for (unsigned int n = 0; n < BURST; n++) {
					/* Behind it CBC and RC4 are out of step. */
					if (n > VICTIM && suite_at(i)->serial) {
						rec_free(r[n]);
						continue;
					}
					cr_assert_eq(job[n]->result, n == VICTIM ? -EBADMSG : 0,
						     "%s %s byte %u record %u",
						     suite_at(i)->cipher_name,
						     suite_at(i)->mac_name, at, n);
					rec_bytes(r[n], got);
					if (n != VICTIM)
						cr_assert_arr_eq(got, plain, len);
					rec_free(r[n]);
				}
				cipher_state_fini(e, &st);
				cipher_state_fini(e, &peer);
			}
		}
		cipher_engine_free(e);
	}
}

/* Where the MAC is over the cipher text, a wrong one leaves it encrypted. */
Test(cipher, a_record_with_a_wrong_tag_is_not_decrypted)
{
	static uint8_t plain[3000], sealed[3000], got[3000];

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			const struct cipher_suite *s = suite_at(i);

			if (s->shape != CIPHER_ETM && s->shape != CIPHER_CHAPOLY)
				continue;
			for (uint32_t cut = 0; cut < 2000; cut += 700) {
				struct cipher_state st = state_of(s, 9), peer = state_of(s, 9);
				struct rec *r =
					rec_new(&st, 1, plain, suite_fits(s, sizeof(plain)), cut);

				cr_assert_eq(seal_one(e, r), 0);
				rec_bytes(r, sealed);
				r->tag[s->tag_len - 1] ^= 0x80;
				r->job.state = &peer;
				cr_expect_eq(open_one(e, r), -EBADMSG);
				rec_bytes(r, got);
				cr_expect_arr_eq(got, sealed, r->job.len, "%s %s cut %u",
						 s->cipher_name, s->mac_name, cut);
				rec_free(r);
				cipher_state_fini(e, &st);
				cipher_state_fini(e, &peer);
			}
		}
		cipher_engine_free(e);
	}
}

/* The sequence number is authenticated, or is the nonce, or the counter has gone on. */
Test(cipher, a_record_out_of_order_is_refused)
{
	uint8_t plain[64] = {0};

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			struct cipher_state st = state_of(suite_at(i), 10);
			struct cipher_state peer = state_of(suite_at(i), 10);
			struct rec *first = rec_new(&st, 0, plain, suite_fits(suite_at(i), 64), 0);
			struct rec *second = rec_new(&st, 1, plain, suite_fits(suite_at(i), 64), 0);

			cr_assert_eq(seal_one(e, first), 0);
			cr_assert_eq(seal_one(e, second), 0);
			second->job.state = &peer;
			second->job.seqnr = 0; /* as if the first had never been */
			cr_expect_eq(open_one(e, second), -EBADMSG);
			rec_free(first);
			rec_free(second);
			cipher_state_fini(e, &st);
			cipher_state_fini(e, &peer);
		}
		cipher_engine_free(e);
	}
}

Test(cipher, jobs_that_make_no_record_are_refused)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			struct cipher_state st = state_of(suite_at(i), 11);
			uint8_t bytes[64] = {0};

			for (uint32_t len = 0; len < 5; len++)
				for (uint32_t cut = 0; cut < 3; cut++) {
					struct rec *r = rec_new(&st, 0, bytes, len, cut);

					cr_expect_eq(seal_one(e, r), -EINVAL);
					cr_expect_eq(open_one(e, r), -EINVAL);
					rec_free(r);
				}
			for (int more = -1; more <= 1; more += 2) {
				struct rec *r = rec_new(&st, 0, bytes, 64, 16);

				r->job.len += (uint32_t)more;
				cr_expect_eq(seal_one(e, r), -EINVAL, "does not add up");
				cr_expect_eq(open_one(e, r), -EINVAL, "does not add up");
				rec_free(r);
			}
			struct rec *r = rec_new(&st, 0, bytes, 64, 16);
			r->job.n_pieces = CIPHER_PIECES_MAX + 1;
			cr_expect_eq(open_one(e, r), -EINVAL, "too many pieces");
			r->job.n_pieces = 4;
			rec_free(r);
			cipher_state_fini(e, &st);
		}
		cipher_engine_free(e);
	}
}

/* --- peeking ---------------------------------------------------------------------------------- */

Test(cipher, length_is_peeked_before_the_records_in_front_are_opened)
{
	enum { RECORDS = 3 };

	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			if (suite_at(i)->serial)
				continue;
			struct cipher_state st = state_of(suite_at(i), 12);
			struct cipher_state peer = state_of(suite_at(i), 12);
			struct rec *r[RECORDS];
			uint8_t plain[256] = {0};

			for (unsigned int n = 0; n < RECORDS; n++) {
				plain[3] = (uint8_t)(16 * n + 44);
				r[n] = rec_new(&st, 70 + n, plain, plain[3] + 4u, 0);
				cr_assert_eq(seal_one(e, r[n]), 0);
			}
			for (unsigned int n = 0; n < RECORDS; n++) {
				struct cipher_state before = peer;
				uint32_t need = 0, length = 0;
				uint8_t copy[256];

				rec_bytes(r[n], copy);
				cr_expect_eq(cipher_peek_length(e, &peer, 70 + n, r[n]->piece[0].p,
								16, &need, &length),
					     0);
				cr_expect_eq(length, 16 * n + 44);
				cr_expect_arr_eq(r[n]->piece[0].p, copy, r[n]->job.len);
				cr_expect_arr_eq(peer.iv, before.iv, sizeof(peer.iv));
				r[n]->job.state = &peer;
				cipher_job_prepare(&r[n]->job);
			}
			for (unsigned int n = 0; n < RECORDS; n++) {
				struct cipher_job *j = &r[n]->job;

				cipher_open_burst(e, &j, 1);
				cr_expect_eq(j->result, 0);
				rec_free(r[n]);
			}
			cipher_state_fini(e, &st);
			cipher_state_fini(e, &peer);
		}
		cipher_engine_free(e);
	}
}

/* As often as one likes, where nothing but the order of records says what comes next. */
Test(cipher, length_of_a_serial_suite_is_peeked_when_the_record_in_front_was_opened)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			const struct cipher_suite *s = suite_at(i);
			struct cipher_state st = state_of(s, 12), peer = state_of(s, 12);

			for (unsigned int n = 0; s->serial && n < 4; n++) {
				uint8_t plain[256] = {0}, first[16], again[16];
				uint32_t len = suite_fits(s, 100 + 16 * n), need = 0, length = 0;
				struct rec *r;

				plain[3] = (uint8_t)(len - 4);
				r = rec_new(&st, n, plain, len, 7 * n);
				cr_assert_eq(seal_one(e, r), 0);
				cipher_pieces_read(&r->job, first, sizeof(first));
				for (unsigned int times = 0; times < n; times++)
					cr_expect_eq(cipher_peek_length(e, &peer, n, first, 16,
									&need, &length),
						     0);
				cr_expect_eq(length, n > 0 ? len - 4 : 0, "%s %s", s->cipher_name,
					     s->mac_name);
				cipher_pieces_read(&r->job, again, sizeof(again));
				cr_expect_arr_eq(again, first, sizeof(first));
				r->job.state = &peer;
				cr_expect_eq(open_one(e, r), 0, "%s %s", s->cipher_name,
					     s->mac_name);
				rec_free(r);
				if (n == 1) /* what is not kept is made again */
					cipher_state_idle(e, &peer);
			}
			cipher_state_fini(e, &st);
			cipher_state_fini(e, &peer);
		}
		cipher_engine_free(e);
	}
}

Test(cipher, peeking_says_how_many_bytes_it_needs)
{
	for (size_t k = 0; k < KINDS; k++) {
		struct cipher_engine *e = engine_new(kinds[k]);

		for (unsigned int i = 0; suite_at(i) != NULL; i++) {
			struct cipher_state st = state_of(suite_at(i), 13);
			uint32_t want =
				suite_at(i)->shape == CIPHER_EAM ? suite_at(i)->block_size : 4;
			uint8_t bytes[16] = {0};

			for (uint32_t n = 0; n <= 16; n++) {
				uint32_t need = 99, length = 99;
				int r = cipher_peek_length(e, &st, 0, bytes, n, &need, &length);

				cr_expect_eq(r, n < want ? -EAGAIN : 0);
				if (n < want) {
					cr_expect_eq(need, want);
					cr_expect_eq(length, 99);
				}
			}
			cipher_state_fini(e, &st);
		}
		cipher_engine_free(e);
	}
}

/* --- what is expanded ------------------------------------------------------------------------- */

/* More connections than the engine keeps expanded keys for, in turns. */
Test(cipher, more_states_than_expanded_keys)
{
	enum { STATES = 2500 };
	struct cipher_engine *e = engine_new(CIPHER_ENGINE_IPSEC_MB);
	struct cipher_engine *o = engine_new(CIPHER_ENGINE_OPENSSL);
	struct cipher_state *st = calloc(STATES, sizeof(*st));
	struct cipher_state *peer = calloc(STATES, sizeof(*peer));
	uint8_t plain[64] = {0}, got[64];

	for (unsigned int i = 0; i < STATES; i++)
		st[i] = peer[i] = state_of(suite_at(i % suite_count()), i);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < STATES; i++) {
			struct rec *r = rec_new(&st[i], round, plain,
						suite_fits(st[i].suite, sizeof(plain)), 0);

			cr_assert_eq(seal_one(e, r), 0);
			r->job.state = &peer[i];
			cr_assert_eq(open_one(o, r), 0);
			rec_bytes(r, got);
			cr_assert_arr_eq(got, plain, r->job.len);
			rec_free(r);
			if (i % 7 == 0)
				cipher_state_idle(e, &st[i]);
		}
	for (unsigned int i = 0; i < STATES; i++) {
		cipher_state_fini(e, &st[i]);
		cipher_state_fini(o, &peer[i]);
	}
	cipher_engine_free(e);
	cipher_engine_free(o);
	free(st);
	free(peer);
}

/* A burst of as many states as it has records, all expanded in it and none before. */
Test(cipher, burst_of_states_that_were_idle)
{
	static struct ends x[CIPHER_BURST];
	struct cipher_engine *e[2];
	uint64_t seed = 20240003;

	engines_new(e);
	for (unsigned int i = 0; i < CIPHER_BURST; i++)
		ends_init(&x[i], suite_at(i % suite_count()), 500 + i);
	for (unsigned int round = 0; round < 3; round++) {
		cross_burst(e, x, CIPHER_BURST, CIPHER_BURST, 500, &seed);
		for (unsigned int i = 0; i < CIPHER_BURST; i++)
			for (unsigned int k = 0; k < 2; k++) {
				cipher_state_idle(e[k], &x[i].seal[k]);
				cipher_state_idle(e[k], &x[i].open[k]);
				if (!cipher_suite_is_rc4(x[i].seal[k].suite))
					cr_assert_null(x[i].seal[k].expanded);
			}
	}
	for (unsigned int i = 0; i < CIPHER_BURST; i++)
		ends_fini(&x[i], e);
	engines_free(e);
}

/* A copy does not take the expanded key of the original with it. */
Test(cipher, a_copied_state_expands_its_own_key)
{
	const struct cipher_suite *s = cipher_suite_find("aes256-gcm@openssh.com", "");
	struct cipher_engine *e = engine_new(CIPHER_ENGINE_IPSEC_MB);
	struct cipher_state st = state_of(s, 14), copy;
	uint8_t bytes[64] = {0}, a[64], b[64];
	struct rec *r = rec_new(&st, 0, bytes, 64, 0), *again;

	cr_assert_eq(seal_one(e, r), 0);
	rec_bytes(r, a);
	copy = st;
	memcpy(copy.iv, r->job.iv, 12);
	cipher_state_fini(e, &st);
	again = rec_new(&copy, 0, bytes, 64, 0);
	cr_assert_eq(seal_one(e, again), 0);
	rec_bytes(again, b);
	cr_expect_arr_eq(a, b, 64);
	cipher_state_fini(e, &copy);
	rec_free(r);
	rec_free(again);
	cipher_engine_free(e);
}

Test(cipher, engine_free_takes_null)
{
	cipher_engine_free(NULL);
}

static bool memory_can_be_locked(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return true;
#endif
}

/* Keys that cannot be locked are not kept at all. */
Test(cipher, engine_needs_memory_it_may_lock)
{
	struct rlimit none = {0, 0};
	struct cipher_engine *e = NULL;

	if (!memory_can_be_locked())
		cr_skip_test("AddressSanitizer's mlock() locks nothing");
	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		cr_skip_test("limits cannot be set here");
	cr_expect_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, 1000, &e), -ENOMEM);
	cr_expect_null(e);
}

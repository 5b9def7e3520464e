/*
 * tests/unit/cipher_util.h - records cut into pieces, for the tests of ciphers.
 */
#ifndef SLUICE_TESTS_CIPHER_UTIL_H
#define SLUICE_TESTS_CIPHER_UTIL_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/cipher_internal.h"
#include "tests/util/suites.h"

/* xorshift64*: the same numbers in every run. */
static inline uint64_t rnd(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * UINT64_C(2685821657736338717);
}

static inline uint32_t rnd_below(uint64_t *s, uint32_t n)
{
	return (uint32_t)(rnd(s) >> 33) % n;
}

static inline void rnd_fill(uint64_t *s, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(rnd(s) >> 40);
}

/*
 * A record whose pieces are allocations of their own, of exactly their length, so that a
 * sanitizer sees each byte that is read or written beside one.
 */
struct rec {
	struct cipher_job job;
	struct cipher_piece piece[CIPHER_PIECES_MAX];
	uint8_t tag[CIPHER_TAG_MAX];
};

static inline void rec_piece_add(struct rec *r, const uint8_t *from, uint32_t len)
{
	struct cipher_piece *p = &r->piece[r->job.n_pieces++];

	cr_assert_leq(r->job.n_pieces, CIPHER_PIECES_MAX);
	p->p = malloc(len);
	p->len = len;
	memcpy(p->p, from, len);
	r->job.len += len;
}

/* Cut into pieces of cut bytes each; cut 0: in one piece. */
static inline struct rec *rec_new(struct cipher_state *st, uint32_t seqnr, const uint8_t *bytes,
				  uint32_t len, uint32_t cut)
{
	struct rec *r = calloc(1, sizeof(*r));

	r->job.state = st;
	r->job.piece = r->piece;
	r->job.seqnr = seqnr;
	r->job.tag = r->tag;
	for (uint32_t at = 0; at < len;) {
		uint32_t n = cut == 0 || cut > len - at ? len - at : cut;

		rec_piece_add(r, bytes + at, n);
		at += n;
	}
	return r;
}

/* Cut at random: tiny pieces, pieces of an MTU, large ones. */
static inline struct rec *rec_new_random(struct cipher_state *st, uint32_t seqnr,
					 const uint8_t *bytes, uint32_t len, uint64_t *s)
{
	struct rec *r = rec_new(st, seqnr, bytes, 0, 0);

	for (uint32_t at = 0; at < len;) {
		static const uint32_t most[] = {3, 20, 1448, 40000};
		uint32_t n = 1 + rnd_below(s, most[rnd_below(s, 4)]);

		if (n > len - at || r->job.n_pieces == CIPHER_PIECES_MAX - 1)
			n = len - at;
		rec_piece_add(r, bytes + at, n);
		at += n;
	}
	return r;
}

static inline void rec_bytes(const struct rec *r, uint8_t *out)
{
	for (uint16_t i = 0; i < r->job.n_pieces; i++) {
		memcpy(out, r->piece[i].p, r->piece[i].len);
		out += r->piece[i].len;
	}
}

static inline void rec_free(struct rec *r)
{
	for (uint16_t i = 0; i < r->job.n_pieces; i++)
		free(r->piece[i].p);
	free(r);
}

static inline struct cipher_engine *engine_new(enum cipher_engine_kind kind)
{
	struct cipher_engine *e = NULL;

	cr_assert_eq(cipher_engine_new(kind, 300 * 1024, &e), 0);
	cr_assert_eq(cipher_engine_legacy(e), 0);
	return e;
}

/*
 * Prepares and runs n jobs as a carrier does: at once, but those of a serial suite each when the
 * one before was run.
 */
static inline void run_all(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n,
			   void (*burst)(struct cipher_engine *, struct cipher_job *const *,
					 unsigned int))
{
	struct cipher_job *some[CIPHER_BURST];
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		bool had = false;

		for (unsigned int j = 0; j < k; j++)
			had |= some[j]->state == job[i]->state;
		if (had && job[i]->state->suite->serial) {
			burst(e, some, k);
			k = 0;
		}
		cipher_job_prepare(job[i]);
		some[k++] = job[i];
	}
	burst(e, some, k);
}

static inline void seal_all(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n)
{
	run_all(e, job, n, cipher_seal_burst);
}

static inline void open_all(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n)
{
	run_all(e, job, n, cipher_open_burst);
}

static inline int seal_one(struct cipher_engine *e, struct rec *r)
{
	struct cipher_job *j = &r->job;

	seal_all(e, &j, 1);
	return j->result;
}

static inline int open_one(struct cipher_engine *e, struct rec *r)
{
	struct cipher_job *j = &r->job;

	open_all(e, &j, 1);
	return j->result;
}

/*
 * Suites but the plain one, each once; NULL behind the last: those of tests/util/suites.h, and
 * always AES-CTR with HMAC-SHA2.
 */
static inline bool suite_taken(const struct cipher_suite *s, unsigned int c, unsigned int m)
{
	if (s->mac_name[0] == '\0')
		return m == 0;
	return suites_want(c, m) || (s->alg == CIPHER_ALG_AES_CTR && s->key_len != 24 &&
				     (s->tag_len == 32 || s->tag_len == 64));
}

static inline const struct cipher_suite *suite_at(unsigned int n)
{
	static const struct cipher_suite *taken[SUITES_MAX];
	static unsigned int n_taken;

	if (n_taken == 0)
		for (unsigned int c = 0; cipher_name_at(c) != NULL; c++)
			for (unsigned int m = 0; cipher_mac_name_at(m) != NULL; m++) {
				const struct cipher_suite *s =
					cipher_suite_find(cipher_name_at(c), cipher_mac_name_at(m));

				if (suite_taken(s, c, m))
					taken[n_taken++] = s;
			}
	return n < n_taken ? taken[n] : NULL;
}

static inline unsigned int suite_count(void)
{
	unsigned int n = 0;

	while (suite_at(n) != NULL)
		n++;
	return n;
}

/* How many bytes of the record do with this suite: whole blocks, with CBC. */
static inline uint32_t suite_fits(const struct cipher_suite *s, uint32_t len)
{
	uint32_t clear = cipher_suite_clear(s);

	if (!cipher_suite_is_cbc(s))
		return len;
	len = (len - clear) / s->iv_len * s->iv_len + clear;
	return len > 4 ? len : s->iv_len + clear;
}

/* A state with keys that are all different bytes. */
static inline struct cipher_state state_of(const struct cipher_suite *s, uint64_t seed)
{
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX], mac_key[CIPHER_MAC_KEY_MAX];
	struct cipher_state st;

	rnd_fill(&seed, key, sizeof(key));
	rnd_fill(&seed, iv, sizeof(iv));
	rnd_fill(&seed, mac_key, sizeof(mac_key));
	cr_assert_eq(cipher_state_init(&st, s, key, iv, mac_key), 0);
	return st;
}

#endif

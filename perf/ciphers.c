/*
 * perf/ciphers.c - what a record costs, by suite, size, pieces and batch, done in each way there
 * is.
 *
 *   ciphers [--only NAME] [--json FILE] [--smoke]
 *
 *   engine    crypto/cipher.h as a shard uses it: for AES-GCM ipsec-mb's direct calls, for
 *             ChaCha20 and Poly1305 code of our own, for the others its jobs or OpenSSL
 *   job       AES-GCM only: a job for each record; one of several pieces is gathered before
 *   sgl       AES-GCM only: jobs over the pieces
 *   openssl   the engine without ipsec-mb
 *             (with nettle for UMAC, as the first)
 *   ipsec-mb  ChaCha20 only: the engine without code of our own, pieces gathered before
 *
 * Records of different keys are sealed in place, a batch at a time; the best of some rounds
 * counts, as a machine with others on it is slow by accident but never fast. Where another way
 * beats the engine by a tenth, its line says so: then crypto/ chooses wrong here.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/cipher_internal.h"

#define BATCH_MAX 32
#define LEN_MAX   32768
#define PIECE     1448 /* of a segment */
#define ROUNDS    12
#define WORSE     1.1

struct record {
	struct cipher_state state;
	struct cipher_job job;
	struct cipher_piece piece[CIPHER_PIECES_MAX];
	uint8_t tag[CIPHER_TAG_MAX];
	uint8_t *bytes;
	struct gcm_key_data gcm __attribute__((aligned(64)));
	struct gcm_context_data gcm_ctx;
};

struct bench {
	struct cipher_engine *mb, *mb_alone, *ossl;
	struct record *rec[BATCH_MAX];
	struct cipher_job *job[BATCH_MAX];
	uint8_t *flat[BATCH_MAX];
	double round_s;
};

struct way {
	const char *name;
	enum cipher_shape only;                       /* 0: for all */
	bool (*run)(struct bench *b, unsigned int n); /* false: a record failed */
};

/* --- ways --------------------------------------------------------------------------------- */

static bool engine_run(struct bench *b, struct cipher_engine *e, unsigned int n)
{
	bool ok = true;

	for (unsigned int i = 0; i < n; i++)
		cipher_job_prepare(b->job[i]);
	cipher_seal_burst(e, b->job, n);
	for (unsigned int i = 0; i < n; i++)
		ok &= b->job[i]->result == 0;
	return ok;
}

static bool run_engine(struct bench *b, unsigned int n)
{
	return engine_run(b, b->mb, n);
}

static bool run_openssl(struct bench *b, unsigned int n)
{
	return engine_run(b, b->ossl, n);
}

static bool run_mb_alone(struct bench *b, unsigned int n)
{
	return engine_run(b, b->mb_alone, n);
}

/* That of a way; what it expanded for a state is its own. */
static struct cipher_engine *engine_of(const struct bench *b,
				       bool (*run)(struct bench *, unsigned int))
{
	if (run == run_openssl)
		return b->ossl;
	return run == run_mb_alone ? b->mb_alone : b->mb;
}

/* What all jobs of AES-GCM have in common. */
static IMB_JOB *gcm_job(struct bench *b, struct record *r)
{
	IMB_JOB *m = IMB_GET_NEXT_JOB(b->mb->mb);

	cipher_job_prepare(&r->job);
	m->cipher_mode = IMB_CIPHER_GCM;
	m->hash_alg = IMB_AUTH_AES_GMAC;
	m->cipher_direction = IMB_DIR_ENCRYPT;
	m->chain_order = IMB_ORDER_CIPHER_HASH;
	m->enc_keys = &r->gcm;
	m->dec_keys = &r->gcm;
	m->key_len_in_bytes = r->state.suite->key_len;
	m->iv = r->job.iv;
	m->iv_len_in_bytes = GCM_IV_LEN;
	m->u.GCM.aad = r->bytes;
	m->u.GCM.aad_len_in_bytes = LENGTH_LEN;
	m->auth_tag_output = r->tag;
	m->auth_tag_output_len_in_bytes = AEAD_TAG;
	return m;
}

static bool run_job(struct bench *b, unsigned int n)
{
	bool ok = true;

	for (unsigned int i = 0; i < n; i++) {
		struct record *r = b->rec[i];
		bool gather = r->job.n_pieces > 1;
		uint8_t *p = gather ? b->flat[i] : r->bytes;
		IMB_JOB *m = gcm_job(b, r);

		if (gather)
			cipher_pieces_read(&r->job, p, r->job.len);
		m->src = p;
		m->dst = p + LENGTH_LEN;
		m->cipher_start_src_offset_in_bytes = LENGTH_LEN;
		m->msg_len_to_cipher_in_bytes = r->job.len - LENGTH_LEN;
		m->hash_start_src_offset_in_bytes = LENGTH_LEN;
		m->msg_len_to_hash_in_bytes = r->job.len - LENGTH_LEN;
		ok &= cipher_mb_run_now(b->mb->mb);
		if (gather)
			cipher_pieces_write(&r->job, p, r->job.len);
	}
	return ok;
}

/* A step of a job over pieces: begin, some bytes, end. */
static bool sgl_step(struct bench *b, struct record *r, IMB_SGL_STATE step, uint8_t *p, uint32_t n)
{
	IMB_JOB *m = IMB_GET_NEXT_JOB(b->mb->mb);

	m->cipher_mode = IMB_CIPHER_GCM_SGL;
	m->hash_alg = IMB_AUTH_GCM_SGL;
	m->cipher_direction = IMB_DIR_ENCRYPT;
	m->chain_order = IMB_ORDER_CIPHER_HASH;
	m->enc_keys = &r->gcm;
	m->dec_keys = &r->gcm;
	m->key_len_in_bytes = r->state.suite->key_len;
	m->iv = r->job.iv;
	m->iv_len_in_bytes = GCM_IV_LEN;
	m->u.GCM.aad = r->bytes;
	m->u.GCM.aad_len_in_bytes = LENGTH_LEN;
	m->u.GCM.ctx = &r->gcm_ctx;
	m->auth_tag_output = r->tag;
	m->auth_tag_output_len_in_bytes = AEAD_TAG;
	m->sgl_state = step;
	m->src = p;
	m->dst = p;
	m->cipher_start_src_offset_in_bytes = 0;
	m->msg_len_to_cipher_in_bytes = n;
	return cipher_mb_run_now(b->mb->mb);
}

static bool run_sgl(struct bench *b, unsigned int n)
{
	bool ok = true;

	for (unsigned int i = 0; i < n; i++) {
		struct record *r = b->rec[i];
		struct cipher_walk w = cipher_walk_init(&r->job, LENGTH_LEN);
		uint32_t len;
		uint8_t *p;

		cipher_job_prepare(&r->job);
		ok &= sgl_step(b, r, IMB_SGL_INIT, r->bytes, 0);
		while (cipher_walk_next(&w, &p, &len))
			ok &= sgl_step(b, r, IMB_SGL_UPDATE, p, len);
		ok &= sgl_step(b, r, IMB_SGL_COMPLETE, r->bytes, 0);
	}
	return ok;
}

static const struct way ways[] = {
	{"engine", 0, run_engine},
	{"job", CIPHER_AEAD, run_job},
	{"sgl", CIPHER_AEAD, run_sgl},
	{"openssl", 0, run_openssl},
	{"ipsec-mb", CIPHER_CHAPOLY, run_mb_alone},
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

/* --- records -------------------------------------------------------------------------------- */

static void record_cut(struct record *r, uint32_t len, uint32_t cut)
{
	/* Whole blocks, with CBC. */
	if (cipher_suite_is_cbc(r->state.suite))
		len -= (len - cipher_suite_clear(r->state.suite)) % r->state.suite->block_size;
	r->job = (struct cipher_job){
		.state = &r->state, .piece = r->piece, .len = len, .tag = r->tag};
	for (uint32_t at = 0; at < len; at += cut)
		r->piece[r->job.n_pieces++] =
			(struct cipher_piece){r->bytes + at, cut < len - at ? cut : len - at};
}

static int bench_suite(struct bench *b, const struct cipher_suite *s)
{
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX], mac_key[CIPHER_MAC_KEY_MAX];

	for (unsigned int i = 0; i < BATCH_MAX; i++) {
		struct record *r = b->rec[i];
		int err;

		memset(key, (int)(i + 1), sizeof(key));
		memset(iv, (int)(i + 2), sizeof(iv));
		memset(mac_key, (int)(i + 3), sizeof(mac_key));
		cipher_state_fini(b->mb, &r->state);
		err = cipher_state_init(&r->state, s, key, iv, mac_key);
		if (err < 0)
			return err;
		if (s->shape == CIPHER_AEAD)
			cipher_mb_gcm_expand(b->mb, &r->state, &r->gcm);
	}
	return 0;
}

static int bench_init(struct bench *b)
{
	int r = cipher_engine_new(CIPHER_ENGINE_AUTO, LEN_MAX, &b->mb);

	if (r == 0 && b->mb->mb == NULL)
		r = -ENOTSUP;
	if (r == 0)
		r = cipher_engine_new(CIPHER_ENGINE_IPSEC_MB, LEN_MAX, &b->mb_alone);
	if (r == 0)
		r = cipher_engine_new(CIPHER_ENGINE_OPENSSL, LEN_MAX, &b->ossl);
	if (r == 0)
		r = cipher_engine_legacy(b->mb);
	if (r == 0)
		r = cipher_engine_legacy(b->ossl);
	for (unsigned int i = 0; i < BATCH_MAX && r == 0; i++) {
		b->rec[i] = aligned_alloc(64, (sizeof(struct record) + 63) / 64 * 64);
		b->flat[i] = aligned_alloc(64, LEN_MAX);
		if (b->rec[i] == NULL || b->flat[i] == NULL)
			return -ENOMEM;
		memset(b->rec[i], 0, sizeof(struct record));
		b->job[i] = &b->rec[i]->job;
		b->rec[i]->bytes = aligned_alloc(64, LEN_MAX);
		if (b->rec[i]->bytes == NULL)
			return -ENOMEM;
		memset(b->rec[i]->bytes, 0x5a, LEN_MAX);
	}
	return r;
}

static void bench_fini(struct bench *b)
{
	for (unsigned int i = 0; i < BATCH_MAX; i++) {
		if (b->rec[i] != NULL) {
			cipher_state_fini(b->mb, &b->rec[i]->state);
			free(b->rec[i]->bytes);
		}
		free(b->rec[i]);
		free(b->flat[i]);
	}
	cipher_engine_free(b->mb);
	cipher_engine_free(b->mb_alone);
	cipher_engine_free(b->ossl);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Nanoseconds of a record, of the best round; 0: it failed. */
static double measure(struct bench *b, const struct way *w, unsigned int batch)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_s(), t;
		unsigned int done = 0;

		do {
			if (!w->run(b, batch))
				return 0;
			done += batch;
			t = now_s() - start;
		} while (t < b->round_s);
		t = 1e9 * t / done;
		if (best == 0 || t < best)
			best = t;
	}
	return best;
}

struct row {
	const struct cipher_suite *suite;
	uint32_t len, cut;
	unsigned int batch;
	double ns[N_WAYS]; /* 0: not a way for it */
};

/* The way that beats the engine clearly, or NULL. */
static const struct way *better(const struct row *r)
{
	unsigned int best = 0;

	for (unsigned int k = 1; k < N_WAYS; k++)
		if (r->ns[k] > 0 && r->ns[k] < r->ns[best])
			best = k;
	return r->ns[best] * WORSE < r->ns[0] ? &ways[best] : NULL;
}

static const char *mac_of(const struct cipher_suite *s)
{
	return s->mac_name[0] != '\0' ? s->mac_name : "-";
}

static void row_print(const struct row *r)
{
	const struct way *b = better(r);

	printf("%-30s %-30s %6u %6s %5u", r->suite->cipher_name, mac_of(r->suite), r->len,
	       r->cut < r->len ? "MTU" : "one", r->batch);
	for (unsigned int k = 0; k < N_WAYS; k++) {
		if (r->ns[k] > 0)
			printf(" %9.0f", r->ns[k]);
		else
			printf(" %9s", "-");
	}
	printf(" %7.2f  %s\n", r->len / r->ns[0], b != NULL ? b->name : "");
}

static void row_json(FILE *f, const struct row *r, bool first)
{
	const struct way *b = better(r);

	fprintf(f,
		"%s {\n  \"what\": \"seal %s%s%s %u B in %s, batch %u\",\n  \"unit\": \"ns\",\n"
		"  \"sluice\": %.1f,\n  \"peer\": %.1f,\n  \"ratio\": %.3f,\n  \"note\": \"against "
		"OpenSSL; job %.1f, sgl %.1f, ipsec-mb %.1f; best: %s\"\n }",
		first ? "[\n" : ",\n", r->suite->cipher_name,
		r->suite->mac_name[0] != '\0' ? " " : "", r->suite->mac_name, r->len,
		r->cut < r->len ? "segments" : "one piece", r->batch, r->ns[0], r->ns[3],
		r->ns[3] / r->ns[0], r->ns[1], r->ns[2], r->ns[4], b != NULL ? b->name : "engine");
}

static bool row_measure(struct bench *b, struct row *r)
{
	for (unsigned int k = 0; k < N_WAYS; k++) {
		if (ways[k].only != 0 && r->suite->shape != ways[k].only)
			continue;
		for (unsigned int i = 0; i < BATCH_MAX; i++)
			record_cut(b->rec[i], r->len, r->cut);
		r->ns[k] = measure(b, &ways[k], r->batch);
		for (unsigned int i = 0; i < BATCH_MAX; i++)
			cipher_state_idle(engine_of(b, ways[k].run), &b->rec[i]->state);
		if (r->ns[k] == 0) {
			fprintf(stderr, "ciphers: %s %u bytes: %s fails\n", r->suite->cipher_name,
				r->len, ways[k].name);
			return false;
		}
	}
	return true;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static const struct {
	const char *cipher, *mac;
} suites[] = {
	{"aes128-gcm@openssh.com", ""},
	{"aes256-gcm@openssh.com", ""},
	{"chacha20-poly1305@openssh.com", ""},
	{"aes128-ctr", "hmac-sha2-256-etm@openssh.com"},
	{"aes256-ctr", "hmac-sha2-512-etm@openssh.com"},
	{"aes256-ctr", "hmac-sha2-256"},
	{"aes128-ctr", "umac-64-etm@openssh.com"},
	{"aes128-ctr", "umac-128-etm@openssh.com"},
	{"aes128-ctr", "hmac-sha1-etm@openssh.com"},
	{"aes128-ctr", "hmac-md5-etm@openssh.com"},
	{"aes128-cbc", "hmac-sha1"},
	{"aes256-cbc", "hmac-sha2-256-etm@openssh.com"},
	{"aes256-cbc", "hmac-sha2-512"},
	{"3des-cbc", "hmac-sha1"},
	{"3des-ctr", "hmac-sha1"},
	{"blowfish-cbc", "hmac-md5"},
	{"cast128-cbc", "hmac-md5"},
	{"arcfour256", "hmac-ripemd160"},
};

static const struct {
	uint32_t len, cut;
} sizes[] = {{64, LEN_MAX}, {256, LEN_MAX},   {1440, LEN_MAX},
	     {8192, PIECE}, {32768, LEN_MAX}, {32768, PIECE}};

static const unsigned int batches[] = {1, 4, 32};

static bool all(struct bench *b, const char *only, bool smoke, FILE *json)
{
	bool first = true;

	printf("%-30s %-30s %6s %6s %5s", "cipher", "mac", "bytes", "pieces", "batch");
	for (unsigned int k = 0; k < N_WAYS; k++)
		printf(" %9s", ways[k].name);
	printf(" %7s  better\n", "GB/s");
	for (unsigned int i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		const struct cipher_suite *s = cipher_suite_find(suites[i].cipher, suites[i].mac);

		if (only != NULL && strstr(suites[i].cipher, only) == NULL)
			continue;
		if (s == NULL || bench_suite(b, s) < 0)
			return false;
		for (unsigned int z = 0; z < sizeof(sizes) / sizeof(sizes[0]); z++) {
			for (unsigned int n = 0; n < sizeof(batches) / sizeof(batches[0]); n++) {
				struct row r = {s, sizes[z].len, sizes[z].cut, batches[n], {0}};

				if (smoke && (z % 2 == 0 || n > 0))
					continue;
				if (!row_measure(b, &r))
					return false;
				row_print(&r);
				if (json != NULL)
					row_json(json, &r, first);
				first = false;
			}
		}
	}
	if (json != NULL)
		fprintf(json, "\n]\n");
	return !first;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"only", required_argument, NULL, 'o'},
					      {"json", required_argument, NULL, 'j'},
					      {"smoke", no_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	struct bench b = {.round_s = 0.002};
	const char *only = NULL, *path = NULL;
	bool smoke = false, ok;
	FILE *json = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'o') {
			only = optarg;
		} else if (c == 'j') {
			path = optarg;
		} else if (c == 's') {
			smoke = true;
			b.round_s = 0.0002;
		} else {
			fprintf(stderr, "usage: ciphers [--only NAME] [--json FILE] [--smoke]\n");
			return 2;
		}
	}
	ok = bench_init(&b) == 0;
	if (!ok)
		fprintf(stderr, "ciphers: no memory, or ipsec-mb does not know this processor\n");
	if (ok && path != NULL && (json = fopen(path, "we")) == NULL) {
		perror(path);
		ok = false;
	}
	ok = ok && all(&b, only, smoke, json);
	if (json != NULL)
		ok &= fclose(json) == 0;
	bench_fini(&b);
	return ok ? 0 : 1;
}

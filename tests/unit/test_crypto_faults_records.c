/* tests/unit/test_crypto_faults_records.c - the engines fail, each call and each record (S-40). */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/cipher_util.h"
#include "tests/unit/crypto_faults.h"

static int op_engine(const void *arg)
{
	struct cipher_engine *e = NULL;
	int r;

	arm();
	r = disarm(cipher_engine_new(*(const enum cipher_engine_kind *)arg, 1000, &e));
	cipher_engine_free(e);
	return r;
}

static const enum cipher_engine_kind kinds[] = {CIPHER_ENGINE_IPSEC_MB, CIPHER_ENGINE_OPENSSL};

Test(crypto_faults_records, engines)
{
	for (size_t k = 0; k < 2; k++)
		each_call_fails(op_engine, &kinds[k], "cipher_engine_new");
}

/* Without ipsec-mb, as on a processor that it does not know, OpenSSL does it all. */
Test(crypto_faults_records, engine_without_ipsec_mb)
{
	struct cipher_engine *e = NULL;
	struct cipher_state st = state_of(suite_at(0), 1);
	uint8_t bytes[64] = {0};
	struct rec *r = rec_new(&st, 0, bytes, sizeof(bytes), 0);
	unsigned int calls;

	fault.fail_at = 0;
	cr_assert_eq(op_engine(&kinds[0]), 0);
	calls = fault.calls;
	for (fault.fail_at = 1; fault.fail_at <= calls; fault.fail_at++) {
		fault.calls = 0;
		arm();
		disarm(cipher_engine_new(CIPHER_ENGINE_AUTO, 1000, &e));
		if (e != NULL)
			break; /* it was ipsec-mb's call that failed */
	}
	cr_assert_not_null(e);
	cr_expect_eq(seal_one(e, r), 0);
	cr_expect_null(st.expanded);
	rec_free(r);
	cipher_state_fini(e, &st);
	cipher_engine_free(e);
}

struct burst_arg {
	const struct cipher_suite *suite;
	enum cipher_engine_kind kind;
	bool open;
	unsigned int n;
};

/*
 * OpenSSL's, one for all operations of a test: what is made to fail is behind it. In
 * ipsec-mb's a job that was lost stays for ever.
 */
static struct cipher_engine *engine_take(enum cipher_engine_kind kind)
{
	static struct cipher_engine *ossl;
	struct cipher_engine *e = NULL;

	if (kind == CIPHER_ENGINE_OPENSSL)
		return ossl != NULL ? ossl : (ossl = engine_new(kind));
	cr_assert_eq(cipher_engine_new(kind, 1000, &e), 0);
	return e;
}

static void engine_give(enum cipher_engine_kind kind, struct cipher_engine *e)
{
	if (kind != CIPHER_ENGINE_OPENSSL)
		cipher_engine_free(e);
}

/*
 * A burst of records, each of a state of its own. The result is the worst of its jobs: one
 * call that fails must not leave every job a success.
 */
static int op_burst(const void *arg)
{
	const struct burst_arg *a = arg;
	struct cipher_engine *e = engine_take(a->kind);
	struct cipher_state st[16], peer[16];
	uint8_t bytes[84] = {0};
	struct cipher_job *job[16];
	struct rec *rec[16];
	int worst = 0;

	for (unsigned int i = 0; i < a->n; i++) {
		st[i] = peer[i] = state_of(a->suite, i);
		rec[i] = rec_new(&st[i], i, bytes, suite_fits(a->suite, sizeof(bytes)), 20);
		job[i] = &rec[i]->job;
	}
	if (!a->open)
		arm();
	seal_all(e, job, a->n);
	for (unsigned int i = 0; i < a->n; i++) {
		if (job[i]->result < worst)
			worst = job[i]->result;
		job[i]->state = &peer[i];
	}
	if (a->open) {
		arm();
		open_all(e, job, a->n);
		for (unsigned int i = 0; i < a->n; i++)
			if (job[i]->result < worst)
				worst = job[i]->result;
	}
	disarm(0);
	for (unsigned int i = 0; i < a->n; i++) {
		rec_free(rec[i]);
		cipher_state_fini(e, &st[i]);
		cipher_state_fini(e, &peer[i]);
	}
	engine_give(a->kind, e);
	return worst;
}

/* Of the others ipsec-mb's engine does the same as OpenSSL's; and its direct calls of GCM
 * return nothing that could fail.
 */
static bool calls_ipsec_mb(const struct cipher_suite *s)
{
	return s->shape == CIPHER_CHAPOLY ||
	       ((s->alg == CIPHER_ALG_AES_CTR || s->alg == CIPHER_ALG_AES_CBC ||
		 s->alg == CIPHER_ALG_DES3_CBC) &&
		s->mac < CIPHER_HASHES && s->mac != CIPHER_MAC_RIPEMD160);
}

static void bursts_fail(enum cipher_engine_kind kind, unsigned int n)
{
	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		struct burst_arg arg = {suite_at(i), kind, false, n};

		if (kind == CIPHER_ENGINE_IPSEC_MB && !calls_ipsec_mb(arg.suite))
			continue;
		each_call_fails(op_burst, &arg, arg.suite->cipher_name);
		arg.open = true;
		each_call_fails(op_burst, &arg, arg.suite->cipher_name);
	}
}

Test(crypto_faults_records, records_by_openssl)
{
	bursts_fail(CIPHER_ENGINE_OPENSSL, 1);
}

Test(crypto_faults_records, records_by_ipsec_mb)
{
	bursts_fail(CIPHER_ENGINE_IPSEC_MB, 2);
}

/* The legacy provider, and what is fetched from it. */
static int op_legacy(const void *arg)
{
	struct cipher_engine *e = NULL;
	int r;

	(void)arg;
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_OPENSSL, 1000, &e), 0);
	arm();
	r = disarm(cipher_engine_legacy(e));
	cipher_engine_free(e);
	return r;
}

Test(crypto_faults_records, legacy_provider)
{
	each_call_fails(op_legacy, NULL, "cipher_engine_legacy");
}

/* Enough for the wide lanes of every hash. */
Test(crypto_faults_records, many_records_by_ipsec_mb)
{
	bursts_fail(CIPHER_ENGINE_IPSEC_MB, 9);
}

static int op_peek(const void *arg)
{
	const struct burst_arg *a = arg;
	struct cipher_engine *e = engine_take(a->kind);
	struct cipher_state st = state_of(a->suite, 1);
	uint8_t first[16] = {0};
	uint32_t need, length;
	int r;

	arm();
	r = disarm(cipher_peek_length(e, &st, 0, first, sizeof(first), &need, &length));
	cipher_state_fini(e, &st);
	engine_give(a->kind, e);
	return r;
}

Test(crypto_faults_records, lengths_by_openssl)
{
	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		struct burst_arg arg = {suite_at(i), CIPHER_ENGINE_OPENSSL, false, 0};

		if (arg.suite->shape == CIPHER_CHAPOLY || arg.suite->shape == CIPHER_EAM)
			each_call_fails(op_peek, &arg, arg.suite->cipher_name);
	}
}

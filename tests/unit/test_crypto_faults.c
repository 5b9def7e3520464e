/*
 * tests/unit/test_crypto_faults.c - every call of a library fails in turn (S-40, S-67, F-26).
 *
 * The linker puts a shim before each function (--wrap, listed in meson.build). An operation is
 * run once to count the calls it makes, then once for each call and each way to fail: 0, -1
 * (or NULL), or a success that did less than was asked. It must refuse each time.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <openssl/bn.h>
#include <openssl/dh.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <intel-ipsec-mb.h>

#include "crypto/cert.h"
#include "crypto/hash.h"
#include "crypto/kex.h"
#include "crypto/key.h"
#include "crypto/keyfile.h"
#include "crypto/krl.h"
#include "crypto/passwd.h"
#include "crypto/secret.h"
#include "crypto/x509key.h"
#include "tests/unit/cipher_util.h"
#include "tests/unit/key_fixtures.h"
#include "tests/unit/x509_fixtures.h"

enum how { FAIL_ZERO, FAIL_NEGATIVE, FAIL_PARTIAL, HOWS };

static struct {
	bool armed, fired;
	unsigned int calls, fail_at; /* fail_at 0: never */
	enum how how;
	const char *name; /* of the function that failed */
} fault;

/* Whether this call is the one. */
static bool fault_now(void)
{
	if (!fault.armed || ++fault.calls != fault.fail_at)
		return false;
	fault.fired = true;
	return true;
}

static bool fault_in(const char *name)
{
	if (!fault_now())
		return false;
	fault.name = name;
	return true;
}

static int fault_int(void)
{
	return fault.how == FAIL_NEGATIVE ? -1 : 0;
}

#define SHIM_INT(name, params, args)                                                               \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		return fault_in(#name) ? fault_int() : __real_##name args;                         \
	}

/* Partial: the call does its work and says 1, but that the length was one less. */
#define SHIM_LEN(name, params, args, len)                                                          \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		bool now = fault_in(#name);                                                        \
		int r;                                                                             \
                                                                                                   \
		if (now && fault.how != FAIL_PARTIAL)                                              \
			return fault_int();                                                        \
		r = __real_##name args;                                                            \
		if (now && r == 1 && len != NULL)                                                  \
			--*len;                                                                    \
		return r;                                                                          \
	}

#define SHIM_PTR(type, name, params, args)                                                         \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fault_in(#name) ? NULL : __real_##name args;                                \
	}

/* Where 0 is success. */
#define SHIM_ZERO(name, params, args)                                                              \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		return fault_in(#name) ? -1 : __real_##name args;                                  \
	}

SHIM_PTR(void *, calloc, (size_t n, size_t size), (n, size))
SHIM_PTR(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())
SHIM_INT(EVP_DigestInit_ex, (EVP_MD_CTX * c, const EVP_MD *md, ENGINE *e), (c, md, e))
SHIM_INT(EVP_DigestUpdate, (EVP_MD_CTX * c, const void *p, size_t n), (c, p, n))
SHIM_LEN(EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *out, unsigned int *n), (c, out, n), n)
SHIM_INT(EVP_DigestFinalXOF, (EVP_MD_CTX * c, unsigned char *out, size_t n), (c, out, n))
SHIM_PTR(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), ())
SHIM_INT(EVP_CipherInit_ex,
	 (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, ENGINE *e, const unsigned char *k,
	  const unsigned char *iv, int enc),
	 (c, t, e, k, iv, enc))
SHIM_LEN(EVP_CipherUpdate,
	 (EVP_CIPHER_CTX * c, unsigned char *out, int *n, const unsigned char *in, int len),
	 (c, out, n, in, len), n)
SHIM_INT(EVP_CipherFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n))
SHIM_PTR(EVP_CIPHER *, EVP_CIPHER_fetch, (OSSL_LIB_CTX * c, const char *a, const char *p),
	 (c, a, p))
SHIM_INT(EVP_CIPHER_CTX_set_padding, (EVP_CIPHER_CTX * c, int on), (c, on))
SHIM_INT(EVP_CIPHER_CTX_set_key_length, (EVP_CIPHER_CTX * c, int n), (c, n))
SHIM_PTR(OSSL_LIB_CTX *, OSSL_LIB_CTX_new, (void), ())
SHIM_PTR(OSSL_PROVIDER *, OSSL_PROVIDER_load, (OSSL_LIB_CTX * c, const char *n), (c, n))
SHIM_INT(EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int arg, void *p), (c, type, arg, p))
SHIM_PTR(EVP_MAC *, EVP_MAC_fetch, (OSSL_LIB_CTX * c, const char *a, const char *p), (c, a, p))
SHIM_PTR(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * m), (m))
SHIM_INT(EVP_MAC_init, (EVP_MAC_CTX * c, const unsigned char *k, size_t n, const OSSL_PARAM p[]),
	 (c, k, n, p))
SHIM_INT(EVP_MAC_update, (EVP_MAC_CTX * c, const unsigned char *p, size_t n), (c, p, n))
SHIM_LEN(EVP_MAC_final, (EVP_MAC_CTX * c, unsigned char *out, size_t *n, size_t max),
	 (c, out, n, max), n)
SHIM_PTR(EVP_PKEY *, EVP_PKEY_new_raw_private_key,
	 (int t, ENGINE *e, const unsigned char *p, size_t n), (t, e, p, n))
SHIM_PTR(EVP_PKEY *, EVP_PKEY_new_raw_public_key,
	 (int t, ENGINE *e, const unsigned char *p, size_t n), (t, e, p, n))
SHIM_LEN(EVP_PKEY_get_raw_public_key, (const EVP_PKEY *k, unsigned char *p, size_t *n), (k, p, n),
	 n)
SHIM_LEN(EVP_PKEY_get_raw_private_key, (const EVP_PKEY *k, unsigned char *p, size_t *n), (k, p, n),
	 n)
SHIM_ZERO(crypto_scalarmult_curve25519_base, (unsigned char *q, const unsigned char *n), (q, n))
SHIM_ZERO(crypto_scalarmult_curve25519,
	  (unsigned char *q, const unsigned char *n, const unsigned char *p), (q, n, p))
SHIM_ZERO(crypto_sign_ed25519_detached,
	  (unsigned char *sig, unsigned long long *sig_len, const unsigned char *m,
	   unsigned long long len, const unsigned char *sk),
	  (sig, sig_len, m, len, sk))
SHIM_ZERO(crypto_sign_ed25519_verify_detached,
	  (const unsigned char *sig, const unsigned char *m, unsigned long long len,
	   const unsigned char *pk),
	  (sig, m, len, pk))
SHIM_PTR(EVP_PKEY *, EVP_PKEY_new, (void), ())
SHIM_INT(EVP_PKEY_copy_parameters, (EVP_PKEY * to, const EVP_PKEY *from), (to, from))
SHIM_INT(EVP_PKEY_set1_encoded_public_key, (EVP_PKEY * k, const unsigned char *p, size_t n),
	 (k, p, n))
SHIM_LEN(EVP_PKEY_get_octet_string_param,
	 (const EVP_PKEY *k, const char *name, unsigned char *p, size_t max, size_t *n),
	 (k, name, p, max, n), n)
SHIM_INT(EVP_RAND_reseed,
	 (EVP_RAND_CTX * c, int fresh, const unsigned char *e, size_t e_len,
	  const unsigned char *add, size_t add_len),
	 (c, fresh, e, e_len, add, add_len))
SHIM_PTR(EVP_PKEY_CTX *, EVP_PKEY_CTX_new, (EVP_PKEY * k, ENGINE *e), (k, e))
SHIM_PTR(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name,
	 (OSSL_LIB_CTX * c, const char *n, const char *p), (c, n, p))
SHIM_INT(EVP_PKEY_derive_init, (EVP_PKEY_CTX * c), (c))
SHIM_INT(EVP_PKEY_derive_set_peer, (EVP_PKEY_CTX * c, EVP_PKEY *k), (c, k))
SHIM_LEN(EVP_PKEY_derive, (EVP_PKEY_CTX * c, unsigned char *p, size_t *n), (c, p, n), n)
SHIM_INT(EVP_PKEY_keygen_init, (EVP_PKEY_CTX * c), (c))
SHIM_INT(EVP_PKEY_generate, (EVP_PKEY_CTX * c, EVP_PKEY **k), (c, k))
SHIM_INT(EVP_PKEY_CTX_set_params, (EVP_PKEY_CTX * c, const OSSL_PARAM *p), (c, p))
SHIM_INT(EVP_PKEY_CTX_set_dh_pad, (EVP_PKEY_CTX * c, int pad), (c, pad))
SHIM_INT(EVP_PKEY_derive_set_peer_ex, (EVP_PKEY_CTX * c, EVP_PKEY *k, int check), (c, k, check))
SHIM_PTR(BIGNUM *, BN_get_rfc2409_prime_1024, (BIGNUM * bn), (bn))
SHIM_PTR(BIGNUM *, BN_get_rfc3526_prime_2048, (BIGNUM * bn), (bn))
SHIM_INT(EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * c), (c))
SHIM_INT(EVP_PKEY_fromdata, (EVP_PKEY_CTX * c, EVP_PKEY **k, int sel, OSSL_PARAM p[]),
	 (c, k, sel, p))
SHIM_INT(EVP_PKEY_get_bn_param, (const EVP_PKEY *k, const char *n, BIGNUM **bn), (k, n, bn))
SHIM_INT(EVP_DigestSignInit,
	 (EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *t, ENGINE *e, EVP_PKEY *k),
	 (c, p, t, e, k))
SHIM_INT(EVP_DigestSign,
	 (EVP_MD_CTX * c, unsigned char *s, size_t *n, const unsigned char *p, size_t len),
	 (c, s, n, p, len))
SHIM_INT(EVP_DigestVerifyInit,
	 (EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *t, ENGINE *e, EVP_PKEY *k),
	 (c, p, t, e, k))
SHIM_INT(EVP_DigestVerify,
	 (EVP_MD_CTX * c, const unsigned char *s, size_t n, const unsigned char *p, size_t len),
	 (c, s, n, p, len))
SHIM_PTR(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_new, (void), ())
SHIM_PTR(OSSL_PARAM *, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD * b), (b))
SHIM_INT(OSSL_PARAM_BLD_push_BN, (OSSL_PARAM_BLD * b, const char *k, const BIGNUM *n), (b, k, n))
SHIM_INT(OSSL_PARAM_BLD_push_utf8_string,
	 (OSSL_PARAM_BLD * b, const char *k, const char *p, size_t n), (b, k, p, n))
SHIM_INT(OSSL_PARAM_BLD_push_octet_string,
	 (OSSL_PARAM_BLD * b, const char *k, const void *p, size_t n), (b, k, p, n))
SHIM_PTR(BIGNUM *, BN_new, (void), ())
SHIM_PTR(BIGNUM *, BN_secure_new, (void), ())
SHIM_PTR(BN_CTX *, BN_CTX_secure_new, (void), ())
SHIM_PTR(BIGNUM *, BN_bin2bn, (const unsigned char *p, int n, BIGNUM *bn), (p, n, bn))
SHIM_INT(BN_bn2bin, (const BIGNUM *bn, unsigned char *p), (bn, p))
SHIM_INT(BN_bn2binpad, (const BIGNUM *bn, unsigned char *p, int n), (bn, p, n))
SHIM_INT(BN_sub, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b), (r, a, b))
SHIM_INT(BN_mul, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b, BN_CTX *c), (r, a, b, c))
SHIM_INT(BN_mod_mul, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *c),
	 (r, a, b, m, c))
SHIM_INT(BN_div, (BIGNUM * d, BIGNUM *m, const BIGNUM *n, const BIGNUM *by, BN_CTX *c),
	 (d, m, n, by, c))
SHIM_PTR(ECDSA_SIG *, ECDSA_SIG_new, (void), ())
SHIM_PTR(ECDSA_SIG *, d2i_ECDSA_SIG, (ECDSA_SIG * *s, const unsigned char **p, long n), (s, p, n))
SHIM_INT(ECDSA_SIG_set0, (ECDSA_SIG * s, BIGNUM *r, BIGNUM *t), (s, r, t))
SHIM_INT(EVP_PKEY_up_ref, (EVP_PKEY * k), (k))
SHIM_PTR(X509 *, d2i_X509, (X509 * *x, const unsigned char **p, long n), (x, p, n))
SHIM_PTR(EVP_PKEY *, X509_get0_pubkey, (const X509 *x), (x))
SHIM_PTR(X509_STORE *, X509_STORE_new, (void), ())
SHIM_INT(X509_STORE_add_cert, (X509_STORE * s, X509 *x), (s, x))
SHIM_PTR(X509_STORE_CTX *, X509_STORE_CTX_new, (void), ())
SHIM_INT(X509_verify_cert, (X509_STORE_CTX * c), (c))
SHIM_PTR(X509 *, PEM_read_bio_X509, (BIO * b, X509 **x, pem_password_cb *cb, void *u),
	 (b, x, cb, u))
SHIM_PTR(X509_CRL *, PEM_read_bio_X509_CRL, (BIO * b, X509_CRL **x, pem_password_cb *cb, void *u),
	 (b, x, cb, u))
SHIM_INT(X509_STORE_add_crl, (X509_STORE * s, X509_CRL *x), (s, x))
SHIM_INT(X509_STORE_CTX_init, (X509_STORE_CTX * c, X509_STORE *s, X509 *x, STACK_OF(X509) * chain),
	 (c, s, x, chain))
SHIM_INT(X509_VERIFY_PARAM_set_flags, (X509_VERIFY_PARAM * p, unsigned long flags), (p, flags))
SHIM_INT(X509_check_ca, (X509 * x), (x))
SHIM_INT(X509_check_host, (X509 * x, const char *n, size_t len, unsigned int flags, char **peer),
	 (x, n, len, flags, peer))
SHIM_INT(ASN1_TIME_to_tm, (const ASN1_TIME *t, struct tm *tm), (t, tm))
SHIM_PTR(unsigned char *, HMAC,
	 (const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n,
	  unsigned char *out, unsigned int *len),
	 (md, key, key_len, d, n, out, len))
SHIM_PTR(BIO *, BIO_new, (const BIO_METHOD *m), (m))
SHIM_PTR(BIO *, BIO_new_mem_buf, (const void *p, int n), (p, n))
SHIM_PTR(DSA_SIG *, DSA_SIG_new, (void), ())
SHIM_PTR(DSA_SIG *, d2i_DSA_SIG, (DSA_SIG * *s, const unsigned char **p, long len), (s, p, len))
SHIM_INT(DSA_SIG_set0, (DSA_SIG * s, BIGNUM *r, BIGNUM *t), (s, r, t))
SHIM_INT(i2d_DSA_SIG, (const DSA_SIG *s, unsigned char **p), (s, p))
SHIM_PTR(char *, crypt_rn, (const char *p, const char *s, void *d, int n), (p, s, d, n))
SHIM_INT(i2d_ECDSA_SIG, (const ECDSA_SIG *s, unsigned char **p), (s, p))

/* EVP_EC_gen() is this one with the curve's name. */
EVP_PKEY *__real_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *c, const char *q, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *c, const char *q, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *c, const char *q, const char *type, ...)
{
	const char *curve;
	va_list ap;

	va_start(ap, type);
	curve = va_arg(ap, const char *);
	va_end(ap);
	return fault_in("EVP_EC_gen") ? NULL : __real_EVP_PKEY_Q_keygen(c, q, type, curve);
}

ssize_t __real_getrandom(void *p, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned int flags)
{
	if (!fault_now())
		return __real_getrandom(p, n, flags);
	errno = ENOSYS;
	return fault_int();
}

int __real_mlock2(const void *p, size_t n, unsigned int flags);
int __wrap_mlock2(const void *p, size_t n, unsigned int flags);
int __wrap_mlock2(const void *p, size_t n, unsigned int flags)
{
	if (!fault_now())
		return __real_mlock2(p, n, flags);
	errno = ENOMEM;
	return -1;
}

/* ipsec-mb is called through the manager's table, so its shims are put there. */
struct real_mgr {
	const IMB_MGR *mb;
	IMB_JOB *(*submit)(IMB_MGR *), *(*flush)(IMB_MGR *);
};
static struct real_mgr real_wide, real_sha;

static const struct real_mgr *real_of(const IMB_MGR *mb)
{
	return mb == real_sha.mb ? &real_sha : &real_wide;
}

static IMB_JOB *shim_done(IMB_JOB *job)
{
	if (job == NULL || !fault_now())
		return job;
	if (fault.how == FAIL_ZERO)
		return NULL; /* a job that is lost */
	job->status = fault.how == FAIL_NEGATIVE ? IMB_STATUS_ERROR : IMB_STATUS_COMPLETED_CIPHER;
	return job;
}

static IMB_JOB *shim_submit(IMB_MGR *mb)
{
	return shim_done(real_of(mb)->submit(mb));
}

static IMB_JOB *shim_flush(IMB_MGR *mb)
{
	return shim_done(real_of(mb)->flush(mb));
}

static void shim_put(IMB_MGR *mb, struct real_mgr *ret)
{
	*ret = (struct real_mgr){mb, mb->submit_job, mb->flush_job};
	mb->submit_job = shim_submit;
	mb->flush_job = shim_flush;
}

void __real_init_mb_mgr_avx2(IMB_MGR *mb);
void __wrap_init_mb_mgr_avx2(IMB_MGR *mb);
void __wrap_init_mb_mgr_avx2(IMB_MGR *mb)
{
	__real_init_mb_mgr_avx2(mb);
	shim_put(mb, &real_sha);
}

void __real_init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch);
void __wrap_init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch);
void __wrap_init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch)
{
	__real_init_mb_mgr_auto(mb, arch);
	shim_put(mb, &real_wide);
	real_sha.mb = NULL; /* of an engine before this one */
	if (fault_now())
		*arch = IMB_ARCH_NONE;
}

/*
 * Runs op until each of its calls has failed in each way. op sets up and cleans up disarmed,
 * and arms itself around what it is about; it returns what that returned.
 */
static void each_call_fails(int (*op)(const void *), const void *arg, const char *what)
{
	unsigned int calls;

	fault.fail_at = 0;
	fault.calls = 0;
	cr_assert_eq(op(arg), 0, "%s without a fault", what);
	calls = fault.calls;
	cr_assert_gt(calls, 0, "%s calls nothing", what);
	for (unsigned int i = 1; i <= calls; i++)
		for (enum how how = 0; how < HOWS; how++) {
			fault.fail_at = i;
			fault.calls = 0;
			fault.how = how;
			fault.fired = false;
			int r = op(arg);

			cr_assert(fault.fired, "%s call %u", what, i);
			cr_expect_lt(r, 0, "%s: call %u of %u, way %d, is not a refusal", what, i,
				     calls, how);
		}
}

static void arm(void)
{
	secret_trim(); /* each locks its own */
	fault.armed = true;
}

static int disarm(int r)
{
	fault.armed = false;
	return r;
}

/* --- the operations --------------------------------------------------------------------------- */

static int op_hash(const void *arg)
{
	struct hash_piece piece = {"abc", 3};
	uint8_t out[HASH_LEN_MAX];

	arm();
	return disarm(hash_digest(*(const enum hash_alg *)arg, &piece, 1, out));
}

Test(crypto_faults, digests)
{
	static const enum hash_alg algs[] = {HASH_SHA256, HASH_SHA512};

	for (size_t i = 0; i < 2; i++)
		each_call_fails(op_hash, &algs[i], "digest");
}

/* What the peer sends: made before anything fails. */
struct kex_peer {
	const struct kex_method *m;
	uint8_t c_pub[KEX_PUBLIC_MAX], s_pub[KEX_PUBLIC_MAX];
	size_t c_len, s_len;
	struct kex_key *k; /* of c_pub */
	const struct kex_group *group;
};

/* Of a size that is quick. */
static const struct kex_group *kex_group_for(const struct kex_method *m)
{
	static struct kex_group g;

	if (!m->group_exchange)
		return NULL;
	cr_assert_eq(kex_group_fixed(1024, &g), 0);
	return &g;
}

/* A public value that has no leading zeros, which would be lost on the way. */
static bool kex_sendable(const struct kex_method *m, const uint8_t *pub)
{
	return m->q_form != KEX_MPINT || pub[0] != 0;
}

static struct kex_peer kex_peer_of(const char *name)
{
	struct kex_peer p = {.m = kex_method_find(name)};
	uint8_t secret[KEX_SECRET_MAX];
	size_t len;

	p.group = kex_group_for(p.m);
	do {
		kex_key_free(p.k);
		cr_assert_eq(kex_init(p.m, p.group, &p.k, p.c_pub, &p.c_len), 0);
	} while (!kex_sendable(p.m, p.c_pub));
	do
		cr_assert_eq(kex_respond(p.m, p.group, p.c_pub, p.c_len, p.s_pub, &p.s_len, secret,
					 &len),
			     0);
	while (!kex_sendable(p.m, p.s_pub));
	return p;
}

/* The peer's values are right: only what could have refused them may call that its fault. */
static int refused_rightly(const struct kex_peer *p, int r)
{
	const char *refuses = strstr(p->m->name, "nistp") != NULL
				      ? "EVP_PKEY_set1_encoded_public_key"
				      : "crypto_scalarmult_curve25519";

	if (r == -EBADMSG) {
		cr_expect_str_eq(fault.name, refuses, "%s", p->m->name);
		cr_expect_neq(p->m->q_form, KEX_MPINT, "%s: numbers were looked at", p->m->name);
	}
	return r;
}

static int op_kex_init(const void *arg)
{
	const struct kex_peer *p = arg;
	uint8_t pub[KEX_PUBLIC_MAX];
	struct kex_key *k = NULL;
	size_t len;
	int r;

	arm();
	r = disarm(kex_init(p->m, p->group, &k, pub, &len));
	kex_key_free(k);
	return refused_rightly(p, r);
}

static int op_kex_respond(const void *arg)
{
	const struct kex_peer *p = arg;
	uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len, secret_len;

	arm();
	return refused_rightly(p, disarm(kex_respond(p->m, p->group, p->c_pub, p->c_len, pub, &len,
						     secret, &secret_len)));
}

static int op_kex_finish(const void *arg)
{
	const struct kex_peer *p = arg;
	uint8_t secret[KEX_SECRET_MAX];
	size_t len;

	arm();
	return refused_rightly(p, disarm(kex_finish(p->m, p->k, p->s_pub, p->s_len, secret, &len)));
}

Test(crypto_faults, key_exchange)
{
	for (unsigned int i = 0; kex_method_name_at(i) != NULL; i++) {
		struct kex_peer p;

		if (strchr(kex_method_name_at(i), '@') != NULL ||
		    strstr(kex_method_name_at(i), "group16") != NULL ||
		    strstr(kex_method_name_at(i), "group18") != NULL)
			continue; /* the same as another, or as slow as it is long */
		p = kex_peer_of(kex_method_name_at(i));
		each_call_fails(op_kex_init, &p, "kex_init");
		each_call_fails(op_kex_respond, &p, "kex_respond");
		each_call_fails(op_kex_finish, &p, "kex_finish");
		kex_key_free(p.k);
	}
}

#define N_PRIVATE 6

/* A key of each family: those ssh-keygen made, and two that are made here. */
static const char *private_texts[N_PRIVATE] = {fixture_ed25519, fixture_ecdsa, fixture_rsa,
					       fixture_p384};

static void private_texts_fill(void)
{
	static const char *const made[] = {"ssh-ed448", "ssh-dss"};
	static char text[2][4096];

	for (int i = 0; i < 2; i++) {
		struct key *k = NULL;
		size_t len = sizeof(text[i]);

		cr_assert_eq(key_generate(made[i], 0, &k), 0);
		cr_assert_eq(key_private_build(k, "", text[i], &len), 0);
		private_texts[4 + i] = text[i];
		key_free(k);
	}
}

static struct key *private_key(const void *arg)
{
	struct key *k = NULL;

	cr_assert_eq(key_private_parse((const uint8_t *)arg, strlen(arg), &k), 0);
	return k;
}

static int op_private_parse(const void *arg)
{
	struct key *k = NULL;
	int r;

	arm();
	r = disarm(key_private_parse(arg, strlen(arg), &k));
	key_free(k);
	return r;
}

static int op_blob_parse(const void *arg)
{
	struct key *k = private_key(arg), *pub = NULL;
	const uint8_t *blob;
	size_t len;
	int r;

	blob = key_blob(k, &len);
	arm();
	r = disarm(key_blob_parse(blob, len, &pub));
	key_free(pub);
	key_free(k);
	return r;
}

static int op_sign(const void *arg)
{
	struct key *k = private_key(arg);
	uint8_t sig[KEY_SIG_MAX];
	size_t len;
	int r;

	arm();
	r = disarm(key_sign(k, key_sig_alg_of(k, 0), (const uint8_t *)"x", 1, sig, &len));
	key_free(k);
	return r;
}

static int op_verify(const void *arg)
{
	struct key *k = private_key(arg);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;
	int r;

	cr_assert_eq(key_sign(k, key_sig_alg_of(k, 0), (const uint8_t *)"x", 1, sig, &len), 0);
	arm();
	r = disarm(key_verify(k, key_sig_alg_of(k, 0), sig, len, (const uint8_t *)"x", 1));
	key_free(k);
	return r;
}

static int op_private_build(const void *arg)
{
	struct key *k = private_key(arg);
	char text[8192];
	size_t len = sizeof(text);
	int r;

	arm();
	r = disarm(key_private_build(k, "", text, &len));
	key_free(k);
	return r;
}

static int op_fingerprint(const void *arg)
{
	struct key *k = private_key(arg);
	char text[64];
	int r;

	arm();
	r = disarm(key_fingerprint(k, text, sizeof(text)));
	key_free(k);
	return r;
}

Test(crypto_faults, keys)
{
	private_texts_fill();
	for (size_t i = 0; i < N_PRIVATE; i++) {
		each_call_fails(op_private_parse, private_texts[i], "key_private_parse");
		each_call_fails(op_blob_parse, private_texts[i], "key_blob_parse");
		each_call_fails(op_private_build, private_texts[i], "key_private_build");
		each_call_fails(op_fingerprint, private_texts[i], "key_fingerprint");
	}
}

Test(crypto_faults, signatures)
{
	private_texts_fill();
	for (size_t i = 0; i < N_PRIVATE; i++) {
		each_call_fails(op_sign, private_texts[i], "key_sign");
		each_call_fails(op_verify, private_texts[i], "key_verify");
	}
}

/* Files of one key in each format that this code opens and closes by itself. */
struct file_form {
	struct keyfile_out out;
	struct keyfile_bytes text;
};

static int faults_passphrase(void *arg, const char *what, char *buf, size_t size)
{
	(void)arg;
	(void)what;
	(void)size;
	memcpy(buf, "secret", 6);
	return 6;
}

static int op_file_parse(const void *arg)
{
	const struct keyfile_opts o = {.passphrase = faults_passphrase};
	const struct file_form *form = arg;
	struct keyfile *kf = NULL;
	int r;

	arm();
	r = disarm(keyfile_parse(form->text.p, form->text.len, &o, &kf));
	keyfile_free(kf);
	return r;
}

static struct keyfile *faults_file(void)
{
	struct keyfile *kf = NULL;

	cr_assert_eq(
		keyfile_parse((const uint8_t *)fixture_ecdsa, strlen(fixture_ecdsa), NULL, &kf), 0);
	return kf;
}

static int op_file_build(const void *arg)
{
	const struct file_form *form = arg;
	struct keyfile *kf = faults_file();
	struct keyfile_bytes text;
	int r;

	arm();
	r = disarm(keyfile_build(kf, &form->out, &text));
	keyfile_free(kf);
	if (r == 0)
		keyfile_bytes_free(&text);
	return r;
}

Test(crypto_faults, key_files)
{
	static const struct keyfile_out outs[] = {
		{KEYFILE_PEM, true, "secret", NULL, 0},
		{KEYFILE_PKCS8, true, "secret", NULL, 1},
		{KEYFILE_JWK, true, NULL, NULL, 0},
		{KEYFILE_RFC4716, false, NULL, NULL, 0},
		/* These derive their keys anew for each call. */
		{KEYFILE_OPENSSH, true, "secret", "aes256-ctr", 1},
		{KEYFILE_OPENSSH, true, "secret", "aes128-gcm@openssh.com", 1},
		{KEYFILE_OPENSSH, true, "secret", "chacha20-poly1305@openssh.com", 1},
		{KEYFILE_PPK, true, "secret", NULL, 1},
		{KEYFILE_XML, true, NULL, NULL, 0},
	};
	size_t n = getenv("SLUICE_LONG") != NULL ? sizeof(outs) / sizeof(outs[0]) : 4;

	for (size_t i = 0; i < n; i++) {
		struct file_form form = {.out = outs[i]};
		struct keyfile *kf = faults_file();

		cr_assert_eq(keyfile_build(kf, &form.out, &form.text), 0);
		each_call_fails(op_file_parse, &form, keyfile_format_name(outs[i].format));
		each_call_fails(op_file_build, &form, keyfile_format_name(outs[i].format));
		keyfile_bytes_free(&form.text);
		keyfile_free(kf);
	}
}

/* --- certificates, security keys, revocation, X.509 --- */

static struct key *certificate(void)
{
	static const char *const names[] = {"demo"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "id",
				       .serial = 1,
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	struct key *k = private_key(fixture_ecdsa), *ca = private_key(fixture_ed25519), *c = NULL;

	cr_assert_eq(cert_build(k, &spec, ca, NULL, &c), 0);
	key_free(k);
	key_free(ca);
	return c;
}

static int op_cert_parse(const void *arg)
{
	struct key *c = certificate(), *again = NULL;
	size_t len;
	const uint8_t *blob = key_blob(c, &len);
	int r;

	(void)arg;
	arm();
	r = disarm(key_blob_parse_any(blob, len, &again));
	key_free(again);
	key_free(c);
	return r;
}

static int op_cert_check(const void *arg)
{
	const struct cert_rules rules = {CERT_USER, "demo", 1, "ssh-ed25519", 2048};
	struct key *c = certificate();
	const char *why;
	int r;

	(void)arg;
	arm();
	r = disarm(cert_check(c, &rules, &why));
	key_free(c);
	return r;
}

/* By hashes, which a failing library must not turn into "not revoked". */
static int op_krl_check(const void *arg)
{
	static const uint8_t list[] = "SSHKRL\n\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				      "\3\0\0\0\x18\0\0\0\x14"
				      "12345678901234567890"
				      "\5\0\0\0\x24\0\0\0\x20"
				      "12345678901234567890123456789012";
	struct key *c = certificate();
	struct krl *l = NULL;
	int r;

	(void)arg;
	cr_assert_eq(krl_parse(list, sizeof(list) - 1, &l), 0);
	arm();
	r = disarm(krl_check(l, c));
	krl_free(l);
	key_free(c);
	return r;
}

/* A certificate, its root, and the list of what that revoked; NULL: none is asked for. */
struct x509_case {
	const uint8_t *leaf;
	size_t leaf_len;
	const char *root, *list;
};

static int op_x509(const void *arg)
{
	const struct x509_case *c = arg;
	const char *why;
	struct x509_trust *t = NULL;
	struct key *k = NULL;
	uint64_t expires;
	uint8_t blob[1024] = "\0\0\0\x1ax509v3-ecdsa-sha2-nistp256\0\0\0\1\0\0", *p = blob + 36;
	int r;

	*p++ = (uint8_t)(c->leaf_len >> 8);
	*p++ = (uint8_t)c->leaf_len;
	p = mempcpy(p, c->leaf, c->leaf_len);
	p += 4; /* no OCSP responses */
	arm();
	r = key_blob_parse_for("x509v3-ecdsa-sha2-nistp256", blob, (size_t)(p - blob), &k);
	if (r == 0)
		r = x509_trust_new(c->root, strlen(c->root), c->list,
				   c->list != NULL ? strlen(c->list) : 0, &t);
	if (r == 0)
		r = x509_trust_check(t, k, X509_USER, 2000000000, &expires, &why);
	disarm(0);
	x509_trust_free(t);
	key_free(k);
	return r;
}

/* What a server makes of its certificate, and whom a client takes it for (S-67). */
static int op_x509_host(const void *arg)
{
	const struct keyfile_cert cert = {(uint8_t *)fixture_x509_leaf, sizeof(fixture_x509_leaf)};
	struct keyfile_opts o = {.format = KEYFILE_AUTO};
	struct keyfile *kf = NULL;
	struct key *k = NULL;
	int r;

	(void)arg;
	if (keyfile_parse(cert.der, cert.len, &o, &kf) < 0)
		return -EIO;
	arm();
	r = x509key_make("x509v3-ecdsa-sha2-nistp256", kf->key, &cert, 1, &k);
	if (r == 0 && !x509key_names_host(key_x509(k), "h.example"))
		r = -EACCES;
	disarm(0);
	key_free(k);
	keyfile_free(kf);
	return r;
}

static const struct x509_case x509_cases[] = {
	{fixture_x509_leaf, sizeof(fixture_x509_leaf), fixture_x509_root, NULL},
	{fixture_x509_list_leaf, sizeof(fixture_x509_list_leaf), fixture_x509_list_root,
	 fixture_x509_list},
};

Test(crypto_faults, certificates)
{
	each_call_fails(op_cert_parse, NULL, "key_blob_parse_any");
	each_call_fails(op_cert_check, NULL, "cert_check");
	each_call_fails(op_krl_check, NULL, "krl_check");
	each_call_fails(op_x509, &x509_cases[0], "x509");
	each_call_fails(op_x509, &x509_cases[1], "x509 with a list of the revoked");
	each_call_fails(op_x509_host, NULL, "x509 of a host");
}

static int op_generate(const void *arg)
{
	struct key *k = NULL;
	int r;

	(void)arg;
	arm();
	r = disarm(key_generate("ssh-ed25519", 0, &k));
	key_free(k);
	return r;
}

static int op_random(const void *arg)
{
	uint8_t buf[100];

	(void)arg;
	arm();
	return disarm(crypto_random(buf, sizeof(buf)));
}

Test(crypto_faults, randomness)
{
	each_call_fails(op_generate, NULL, "key_generate");
	each_call_fails(op_random, NULL, "crypto_random");
}

static int op_passwd(const void *arg)
{
	(void)arg;
	arm();
	return disarm(passwd_check("$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "password", 8));
}

Test(crypto_faults, passwords)
{
	each_call_fails(op_passwd, NULL, "passwd_check");
}

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

Test(crypto_faults, engines)
{
	for (size_t k = 0; k < 2; k++)
		each_call_fails(op_engine, &kinds[k], "cipher_engine_new");
}

/* Without ipsec-mb, as on a processor that it does not know, OpenSSL does it all. */
Test(crypto_faults, engine_without_ipsec_mb)
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

Test(crypto_faults, records_by_openssl)
{
	bursts_fail(CIPHER_ENGINE_OPENSSL, 1);
}

Test(crypto_faults, records_by_ipsec_mb)
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

Test(crypto_faults, legacy_provider)
{
	each_call_fails(op_legacy, NULL, "cipher_engine_legacy");
}

/* Enough for the wide lanes of every hash. */
Test(crypto_faults, many_records_by_ipsec_mb)
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

Test(crypto_faults, lengths_by_openssl)
{
	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		struct burst_arg arg = {suite_at(i), CIPHER_ENGINE_OPENSSL, false, 0};

		if (arg.suite->shape == CIPHER_CHAPOLY || arg.suite->shape == CIPHER_EAM)
			each_call_fails(op_peek, &arg, arg.suite->cipher_name);
	}
}

/* crypto/key_rsa.c - ssh-rsa keys (RFC 4253 section 6.6), for signatures of RFC 8332. */
#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto/key_internal.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
/* OpenSSL's own bound for large moduli, here for all: an exponent as long as the modulus
 * makes a verification cost what a signature costs (S-45). */
#define RSA_E_BITS_MAX 64

enum { N, E, D, P, Q, DMP1, DMQ1, IQMP, N_NUMBERS };

static const char *const number_param[N_NUMBERS] = {
	[N] = OSSL_PKEY_PARAM_RSA_N,
	[E] = OSSL_PKEY_PARAM_RSA_E,
	[D] = OSSL_PKEY_PARAM_RSA_D,
	[P] = OSSL_PKEY_PARAM_RSA_FACTOR1,
	[Q] = OSSL_PKEY_PARAM_RSA_FACTOR2,
	[DMP1] = OSSL_PKEY_PARAM_RSA_EXPONENT1,
	[DMQ1] = OSSL_PKEY_PARAM_RSA_EXPONENT2,
	[IQMP] = OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

static void numbers_free(BIGNUM *bn[N_NUMBERS])
{
	for (int i = 0; i < N_NUMBERS; i++)
		BN_clear_free(bn[i]);
}

/* A number of the blob; secret ones make the parameters built of them be wiped, too. */
static BIGNUM *number_new(struct blob_str s, bool secret)
{
	BIGNUM *bn = secret ? BN_secure_new() : BN_new();

	if (bn == NULL || BN_bin2bn(s.p, (int)s.len, bn) == NULL) {
		BN_clear_free(bn);
		return NULL;
	}
	return bn;
}

static int rsa_public_check(const BIGNUM *n, const BIGNUM *e)
{
	int bits = BN_num_bits(n);

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || BN_num_bits(e) > RSA_E_BITS_MAX)
		return -ENOTSUP;
	if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e))
		return -EBADMSG;
	return 0;
}

/* Numbers that are NULL are left out: n and e alone are a public key. */
static int rsa_pkey_make(BIGNUM *bn[N_NUMBERS], EVP_PKEY **ret)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	bool ok = bld != NULL;
	int r = -EIO;

	for (int i = 0; i < N_NUMBERS && ok; i++)
		ok = bn[i] == NULL || OSSL_PARAM_BLD_push_BN(bld, number_param[i], bn[i]) == 1;
	if (ok)
		r = key_pkey_make("RSA", bld, bn[D] != NULL, ret);
	OSSL_PARAM_BLD_free(bld);
	return r;
}

static int rsa_public_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_str e = blob_rd_positive(r);
	struct blob_str n = blob_rd_positive(r);
	BIGNUM *bn[N_NUMBERS] = {NULL};
	int err;

	(void)t;
	if (!blob_rd_done(r))
		return -EBADMSG;
	bn[N] = number_new(n, false);
	bn[E] = number_new(e, false);
	if (bn[N] == NULL || bn[E] == NULL)
		err = -ENOMEM;
	else
		err = rsa_public_check(bn[N], bn[E]);
	if (err == 0)
		err = rsa_pkey_make(bn, ret);
	numbers_free(bn);
	return err;
}

static int rsa_public_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	int r;

	blob_wr_cstr(w, t->name);
	r = key_put_number(pkey, OSSL_PKEY_PARAM_RSA_E, w);
	if (r < 0)
		return r;
	return key_put_number(pkey, OSSL_PKEY_PARAM_RSA_N, w);
}

/* d mod (prime - 1): what the file leaves out. */
static BIGNUM *crt_exponent(const BIGNUM *d, const BIGNUM *prime, BN_CTX *ctx)
{
	BIGNUM *less = BN_secure_new(), *exponent = BN_secure_new();

	if (less == NULL || exponent == NULL || BN_sub(less, prime, BN_value_one()) != 1 ||
	    BN_mod(exponent, d, less, ctx) != 1) {
		BN_clear_free(exponent);
		exponent = NULL;
	}
	BN_clear_free(less);
	return exponent;
}

/*
 * p q = n and q iqmp = 1 mod p. OpenSSL falls back to d alone when the result of the four
 * others is wrong, so signing once would not show that they are damaged.
 */
static int rsa_factors_check(BIGNUM *bn[N_NUMBERS], BN_CTX *ctx)
{
	BIGNUM *t = BN_secure_new();
	int r = -EIO;

	if (t == NULL)
		return -ENOMEM;
	if (BN_mul(t, bn[P], bn[Q], ctx) == 1) {
		r = BN_cmp(t, bn[N]) == 0 ? 0 : -EBADMSG;
		if (r == 0 && (BN_is_one(bn[P]) || BN_is_one(bn[Q])))
			r = -EBADMSG;
		if (r == 0 && BN_mod_mul(t, bn[Q], bn[IQMP], bn[P], ctx) != 1)
			r = -EIO;
		if (r == 0 && !BN_is_one(t))
			r = -EBADMSG;
	}
	BN_clear_free(t);
	return r;
}

static int rsa_private_complete(BIGNUM *bn[N_NUMBERS])
{
	BN_CTX *ctx = BN_CTX_secure_new();
	int r;

	if (ctx == NULL)
		return -ENOMEM;
	r = rsa_factors_check(bn, ctx);
	if (r == 0) {
		bn[DMP1] = crt_exponent(bn[D], bn[P], ctx);
		bn[DMQ1] = crt_exponent(bn[D], bn[Q], ctx);
		if (bn[DMP1] == NULL || bn[DMQ1] == NULL)
			r = -EIO;
	}
	BN_CTX_free(ctx);
	return r;
}

static int rsa_private_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	static const int order[] = {N, E, D, IQMP, P, Q};
	BIGNUM *bn[N_NUMBERS] = {NULL};
	int err = 0;

	(void)t;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && err == 0; i++) {
		struct blob_str s = blob_rd_positive(r);

		if (r->bad || s.len > RSA_BITS_MAX / 8) {
			err = -EBADMSG;
			break;
		}
		bn[order[i]] = number_new(s, order[i] != N && order[i] != E);
		if (bn[order[i]] == NULL)
			err = -ENOMEM;
	}
	if (err == 0)
		err = rsa_public_check(bn[N], bn[E]);
	if (err == 0)
		err = rsa_private_complete(bn);
	if (err == 0)
		err = rsa_pkey_make(bn, ret);
	numbers_free(bn);
	return err;
}

static int rsa_private_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	static const int order[] = {N, E, D, IQMP, P, Q};
	int r = 0;

	(void)t;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && r == 0; i++)
		r = key_put_number(pkey, number_param[order[i]], w);
	return r;
}

static bool rsa_is(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)t;
	return EVP_PKEY_is_a(pkey, "RSA") == 1;
}

static int rsa_generate(const struct key_type *t, unsigned int bits, EVP_PKEY **ret)
{
	(void)t;
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return -EINVAL;
	*ret = EVP_RSA_gen(bits);
	return *ret == NULL ? -EIO : 0;
}

static unsigned int rsa_bits(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)t;
	return (unsigned int)EVP_PKEY_get_bits(pkey);
}

static int rsa_sig_to_wire(const struct key_type *t, const uint8_t *raw, size_t raw_len,
			   struct blob_wr *w)
{
	(void)t;
	blob_wr_put(w, raw, raw_len);
	return 0;
}

/*
 * RFC 8332 section 3 wants as many bytes as the modulus has; some signers leave leading zeros
 * out, so OpenSSH fills shorter ones up (S-71), and so do we. Longer ones are refused.
 */
static int rsa_sig_from_wire(const struct key_type *t, EVP_PKEY *pkey, struct blob_str sig,
			     uint8_t *raw, size_t *ret_len)
{
	int size = EVP_PKEY_get_size(pkey);
	size_t missing;

	(void)t;
	if (size <= 0 || size > KEY_SIG_MAX || sig.len == 0 || sig.len > (size_t)size)
		return -EBADMSG;
	missing = (size_t)size - sig.len;
	memset(raw, 0, missing);
	memcpy(raw + missing, sig.p, sig.len);
	*ret_len = (size_t)size;
	return 0;
}

const struct key_type key_type_rsa = {
	.name = "ssh-rsa",
	.log_name = "RSA",
	.cert_name = "ssh-rsa-cert-v01@openssh.com",
	.cert_log_name = "RSA-CERT",
	.public_fields = 2,
	.public_parse = rsa_public_parse,
	.public_build = rsa_public_build,
	.private_parse = rsa_private_parse,
	.private_build = rsa_private_build,
	.is = rsa_is,
	.generate = rsa_generate,
	.bits = rsa_bits,
	.sig_to_wire = rsa_sig_to_wire,
	.sig_from_wire = rsa_sig_from_wire,
};

/*
 * crypto/key_dss.c - ssh-dss (RFC 4253 section 6.6): DSA of 1024 and 160 bits with SHA-1.
 *
 * Known to the build and in no default list: only who adds its name gets it.
 */
#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/dsa.h>
#include <openssl/param_build.h>

#include "crypto/key_internal.h"

/* FIPS 186-2's one size, which a signature blob of 40 bytes means; others are refused (S-45). */
#define P_BITS 1024
#define Q_BITS 160
#define Q_LEN  (Q_BITS / 8)

enum { P, Q, G, Y, X, N_NUMBERS };

static const char *const number_param[N_NUMBERS] = {
	[P] = OSSL_PKEY_PARAM_FFC_P,   [Q] = OSSL_PKEY_PARAM_FFC_Q,    [G] = OSSL_PKEY_PARAM_FFC_G,
	[Y] = OSSL_PKEY_PARAM_PUB_KEY, [X] = OSSL_PKEY_PARAM_PRIV_KEY,
};

static int numbers_check(BIGNUM *bn[N_NUMBERS])
{
	if (BN_num_bits(bn[P]) != P_BITS || BN_num_bits(bn[Q]) != Q_BITS)
		return -ENOTSUP;
	if (!BN_is_odd(bn[P]) || !BN_is_odd(bn[Q]) || BN_is_one(bn[G]) || BN_is_one(bn[Y]) ||
	    BN_cmp(bn[G], bn[P]) >= 0 || BN_cmp(bn[Y], bn[P]) >= 0)
		return -EBADMSG;
	return bn[X] == NULL || BN_cmp(bn[X], bn[Q]) < 0 ? 0 : -EBADMSG;
}

static int pkey_make(BIGNUM *bn[N_NUMBERS], EVP_PKEY **ret)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	bool ok = bld != NULL;
	int r = -EIO;

	for (int i = 0; i < N_NUMBERS && ok; i++)
		ok = bn[i] == NULL || OSSL_PARAM_BLD_push_BN(bld, number_param[i], bn[i]) == 1;
	if (ok)
		r = key_pkey_make("DSA", bld, bn[X] != NULL, ret);
	OSSL_PARAM_BLD_free(bld);
	return r;
}

/* The first n numbers, in the order of both kinds of blob. */
static int numbers_parse(struct blob_rd *r, int n, EVP_PKEY **ret)
{
	BIGNUM *bn[N_NUMBERS] = {NULL};
	int err = 0;

	for (int i = 0; i < n && err == 0; i++) {
		struct blob_str s = blob_rd_positive(r);

		if (r->bad || s.len > P_BITS / 8) {
			err = r->bad ? -EBADMSG : -ENOTSUP;
			break;
		}
		bn[i] = i == X ? BN_secure_new() : BN_new();
		if (bn[i] == NULL || BN_bin2bn(s.p, (int)s.len, bn[i]) == NULL)
			err = -ENOMEM;
	}
	if (err == 0)
		err = numbers_check(bn);
	if (err == 0)
		err = pkey_make(bn, ret);
	for (int i = 0; i < N_NUMBERS; i++)
		BN_clear_free(bn[i]);
	return err;
}

static int dss_public_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	EVP_PKEY *pkey = NULL;
	int err = numbers_parse(r, X, &pkey);

	(void)t;
	if (err == 0 && !blob_rd_done(r)) {
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	if (err == 0)
		*ret = pkey;
	return err;
}

static int numbers_build(EVP_PKEY *pkey, int n, struct blob_wr *w)
{
	int r = 0;

	for (int i = 0; i < n && r == 0; i++)
		r = key_put_number(pkey, number_param[i], w);
	return r;
}

static int dss_public_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	blob_wr_cstr(w, t->name);
	return numbers_build(pkey, X, w);
}

static int dss_private_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	(void)t;
	return numbers_parse(r, N_NUMBERS, ret);
}

static int dss_private_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	(void)t;
	return numbers_build(pkey, N_NUMBERS, w);
}

static bool dss_is(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)t;
	return EVP_PKEY_is_a(pkey, "DSA") == 1;
}

static int dss_generate(const struct key_type *t, unsigned int bits, EVP_PKEY **ret)
{
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *params = NULL;
	int r = -EIO;

	(void)t;
	if (bits != 0 && bits != P_BITS)
		return -EINVAL;
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
	if (ctx != NULL && EVP_PKEY_paramgen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, P_BITS) == 1 &&
	    EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, Q_BITS) == 1 &&
	    EVP_PKEY_paramgen(ctx, &params) == 1) {
		EVP_PKEY_CTX_free(ctx);
		ctx = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
		if (ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_keygen(ctx, ret) == 1)
			r = 0;
	}
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(params);
	return r;
}

static unsigned int dss_bits(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)t;
	(void)pkey;
	return P_BITS;
}

/* OpenSSL's DER to r and s side by side, 160 bits each. */
static int dss_sig_to_wire(const struct key_type *t, const uint8_t *raw, size_t raw_len,
			   struct blob_wr *w)
{
	DSA_SIG *sig = d2i_DSA_SIG(NULL, &raw, (long)raw_len);
	uint8_t rs[2 * Q_LEN];
	const BIGNUM *r, *s;
	bool ok;

	(void)t;
	if (sig == NULL)
		return -EIO;
	DSA_SIG_get0(sig, &r, &s);
	ok = BN_bn2binpad(r, rs, Q_LEN) == Q_LEN && BN_bn2binpad(s, rs + Q_LEN, Q_LEN) == Q_LEN;
	DSA_SIG_free(sig);
	if (ok)
		blob_wr_put(w, rs, sizeof(rs));
	return ok ? 0 : -EIO;
}

static int dss_sig_from_wire(const struct key_type *t, EVP_PKEY *pkey, struct blob_str wire,
			     uint8_t *raw, size_t *ret_len)
{
	BIGNUM *r, *s;
	DSA_SIG *sig;
	uint8_t *p = raw;
	int len;

	(void)t;
	(void)pkey;
	if (wire.len != 2 * Q_LEN)
		return -EBADMSG;
	sig = DSA_SIG_new();
	r = BN_bin2bn(wire.p, Q_LEN, NULL);
	s = BN_bin2bn(wire.p + Q_LEN, Q_LEN, NULL);
	if (sig == NULL || r == NULL || s == NULL || DSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		DSA_SIG_free(sig);
		return -ENOMEM;
	}
	len = i2d_DSA_SIG(sig, &p);
	DSA_SIG_free(sig);
	if (len <= 0)
		return -EIO;
	*ret_len = (size_t)len;
	return 0;
}

const struct key_type key_type_dss = {
	.name = "ssh-dss",
	.log_name = "DSA",
	.cert_name = "ssh-dss-cert-v01@openssh.com",
	.cert_log_name = "DSA-CERT",
	.public_fields = 4,
	.public_parse = dss_public_parse,
	.public_build = dss_public_build,
	.private_parse = dss_private_parse,
	.private_build = dss_private_build,
	.is = dss_is,
	.generate = dss_generate,
	.bits = dss_bits,
	.sig_to_wire = dss_sig_to_wire,
	.sig_from_wire = dss_sig_from_wire,
};

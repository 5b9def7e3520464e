/* crypto/key_ecdsa.c - ecdsa-sha2-nistp256 (RFC 5656 section 3). */
#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "crypto/key_internal.h"

#define CURVE_SSH     "nistp256"
#define CURVE_OPENSSL "prime256v1"
#define FIELD_LEN     32
#define POINT_LEN     (1 + 2 * FIELD_LEN) /* SEC 1, 2.3.3: 0x04 || x || y */

/*
 * d is NULL for a public key. The point must be on the curve and not the point at infinity:
 * OpenSSL refuses both when it reads one, and the length leaves only the plain form (S-61).
 */
static int p256_pkey_make(struct blob_str q, const BIGNUM *d, EVP_PKEY **ret)
{
	OSSL_PARAM_BLD *bld;
	int r = -EIO;

	if (q.len != POINT_LEN || q.p[0] != 0x04)
		return -EBADMSG;
	bld = OSSL_PARAM_BLD_new();
	if (bld != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, CURVE_OPENSSL, 0) ==
		    1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, q.p, q.len) == 1 &&
	    (d == NULL || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1))
		r = key_pkey_make("EC", bld, d != NULL, ret);
	OSSL_PARAM_BLD_free(bld);
	return r;
}

static int p256_public_parse(struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_str curve = blob_rd_str(r);
	struct blob_str q = blob_rd_str(r);

	/* The curve's name is in the type's name already; the two must agree. */
	if (!blob_rd_done(r) || !blob_str_is(curve, CURVE_SSH))
		return -EBADMSG;
	return p256_pkey_make(q, NULL, ret);
}

/* From the coordinates, whatever form of the point the key was read in. */
static int p256_point_get(EVP_PKEY *pkey, uint8_t point[POINT_LEN])
{
	BIGNUM *x = NULL, *y = NULL;
	int r = -EIO;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
	    BN_bn2binpad(x, point + 1, FIELD_LEN) == FIELD_LEN &&
	    BN_bn2binpad(y, point + 1 + FIELD_LEN, FIELD_LEN) == FIELD_LEN) {
		point[0] = 0x04;
		r = 0;
	}
	BN_free(x);
	BN_free(y);
	return r;
}

static int p256_public_build(EVP_PKEY *pkey, struct blob_wr *w)
{
	uint8_t point[POINT_LEN];
	int r = p256_point_get(pkey, point);

	if (r < 0)
		return r;
	blob_wr_cstr(w, key_type_ecdsa_p256.name);
	blob_wr_cstr(w, CURVE_SSH);
	blob_wr_str(w, point, sizeof(point));
	return 0;
}

static int p256_private_parse(struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_str curve = blob_rd_str(r);
	struct blob_str q = blob_rd_str(r);
	struct blob_str d = blob_rd_positive(r);
	BIGNUM *bn;
	int err;

	if (r->bad || !blob_str_is(curve, CURVE_SSH) || d.len > FIELD_LEN)
		return -EBADMSG;
	bn = BN_secure_new(); /* makes the parameters built of it be wiped, too */
	if (bn == NULL || BN_bin2bn(d.p, (int)d.len, bn) == NULL) {
		BN_clear_free(bn);
		return -ENOMEM;
	}
	err = p256_pkey_make(q, bn, ret);
	BN_clear_free(bn);
	return err;
}

static int p256_private_build(EVP_PKEY *pkey, struct blob_wr *w)
{
	uint8_t point[POINT_LEN];
	int r = p256_point_get(pkey, point);

	if (r < 0)
		return r;
	blob_wr_cstr(w, CURVE_SSH);
	blob_wr_str(w, point, sizeof(point));
	return key_put_number(pkey, OSSL_PKEY_PARAM_PRIV_KEY, w);
}

static bool p256_is(EVP_PKEY *pkey)
{
	char curve[32];

	return EVP_PKEY_is_a(pkey, "EC") == 1 &&
	       EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, curve,
					      sizeof(curve), NULL) == 1 &&
	       strcmp(curve, CURVE_OPENSSL) == 0;
}

static int p256_generate(unsigned int bits, EVP_PKEY **ret)
{
	if (bits != 0 && bits != 256)
		return -EINVAL;
	*ret = EVP_EC_gen("P-256");
	return *ret == NULL ? -EIO : 0;
}

static void put_bn(struct blob_wr *w, const BIGNUM *bn)
{
	uint8_t buf[FIELD_LEN];
	int len = BN_num_bytes(bn);

	if (len <= 0 || len > FIELD_LEN || BN_bn2bin(bn, buf) != len) {
		w->bad = true;
		return;
	}
	blob_wr_mpint(w, buf, (size_t)len);
}

/* RFC 5656 section 3.1.2: mpint r, mpint s; OpenSSL's is a DER sequence. */
static int p256_sig_to_wire(const uint8_t *raw, size_t raw_len, struct blob_wr *w)
{
	const uint8_t *p = raw;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)raw_len);

	if (sig == NULL)
		return -EIO;
	put_bn(w, ECDSA_SIG_get0_r(sig));
	put_bn(w, ECDSA_SIG_get0_s(sig));
	ECDSA_SIG_free(sig);
	return w->bad ? -EIO : 0;
}

/* That r and s are below the group's order is checked by OpenSSL when it verifies. */
static int p256_sig_from_wire(EVP_PKEY *pkey, struct blob_str wire, uint8_t *raw, size_t *ret_len)
{
	struct blob_rd rd = blob_rd_init(wire.p, wire.len);
	struct blob_str r = blob_rd_positive(&rd);
	struct blob_str s = blob_rd_positive(&rd);
	BIGNUM *bn_r, *bn_s;
	ECDSA_SIG *sig;
	uint8_t *p = raw;
	int len;

	(void)pkey;
	if (!blob_rd_done(&rd) || r.len > FIELD_LEN || s.len > FIELD_LEN)
		return -EBADMSG;
	sig = ECDSA_SIG_new();
	bn_r = BN_bin2bn(r.p, (int)r.len, NULL);
	bn_s = BN_bin2bn(s.p, (int)s.len, NULL);
	if (sig == NULL || bn_r == NULL || bn_s == NULL || ECDSA_SIG_set0(sig, bn_r, bn_s) != 1) {
		BN_free(bn_r);
		BN_free(bn_s);
		ECDSA_SIG_free(sig);
		return -ENOMEM;
	}
	len = i2d_ECDSA_SIG(sig, &p); /* two numbers of 32 bytes: 72 at most */
	ECDSA_SIG_free(sig);
	if (len <= 0)
		return -EIO;
	*ret_len = (size_t)len;
	return 0;
}

const struct key_type key_type_ecdsa_p256 = {
	.name = "ecdsa-sha2-nistp256",
	.log_name = "ECDSA",
	.public_parse = p256_public_parse,
	.public_build = p256_public_build,
	.private_parse = p256_private_parse,
	.private_build = p256_private_build,
	.is = p256_is,
	.generate = p256_generate,
	.sig_to_wire = p256_sig_to_wire,
	.sig_from_wire = p256_sig_from_wire,
};

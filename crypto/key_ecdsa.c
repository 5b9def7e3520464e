/* crypto/key_ecdsa.c - ecdsa-sha2-nistp256, -nistp384, -nistp521 (RFC 5656 section 3). */
#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "crypto/key_internal.h"

#define FIELD_MAX 66                  /* of nistp521 */
#define POINT_MAX (1 + 2 * FIELD_MAX) /* SEC 1, 2.3.3: 0x04 || x || y */

struct curve {
	const char *name;    /* in blobs */
	const char *openssl; /* OpenSSL's name of it */
	size_t field_len;
	unsigned int bits;
};

static const struct curve p256 = {"nistp256", "prime256v1", 32, 256};
static const struct curve p384 = {"nistp384", "secp384r1", 48, 384};
static const struct curve p521 = {"nistp521", "secp521r1", FIELD_MAX, 521};

static const struct curve *curve_of(const struct key_type *t)
{
	return t->param;
}

static size_t point_len(const struct curve *c)
{
	return 1 + 2 * c->field_len;
}

/*
 * d is NULL for a public key. The point must be on the curve and not the point at infinity:
 * OpenSSL refuses both when it reads one, and the length leaves only the plain form (S-61).
 */
static int pkey_make(const struct curve *c, struct blob_str q, const BIGNUM *d, EVP_PKEY **ret)
{
	OSSL_PARAM_BLD *bld;
	int r = -EIO;

	if (q.len != point_len(c) || q.p[0] != 0x04)
		return -EBADMSG;
	bld = OSSL_PARAM_BLD_new();
	if (bld != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->openssl, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, q.p, q.len) == 1 &&
	    (d == NULL || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1))
		r = key_pkey_make("EC", bld, d != NULL, ret);
	OSSL_PARAM_BLD_free(bld);
	return r;
}

static int ecdsa_public_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_str curve = blob_rd_str(r);
	struct blob_str q = blob_rd_str(r);

	/* The curve's name is in the type's name already; the two must agree (S-34). */
	if (!blob_rd_done(r) || !blob_str_is(curve, curve_of(t)->name))
		return -EBADMSG;
	return pkey_make(curve_of(t), q, NULL, ret);
}

/* From the coordinates, whatever form of the point the key was read in. */
static int point_get(const struct curve *c, EVP_PKEY *pkey, uint8_t point[POINT_MAX])
{
	int len = (int)c->field_len;
	BIGNUM *x = NULL, *y = NULL;
	int r = -EIO;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
	    EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
	    BN_bn2binpad(x, point + 1, len) == len &&
	    BN_bn2binpad(y, point + 1 + len, len) == len) {
		point[0] = 0x04;
		r = 0;
	}
	BN_free(x);
	BN_free(y);
	return r;
}

static int ecdsa_public_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	const struct curve *c = curve_of(t);
	uint8_t point[POINT_MAX];
	int r = point_get(c, pkey, point);

	if (r < 0)
		return r;
	blob_wr_cstr(w, t->name);
	blob_wr_cstr(w, c->name);
	blob_wr_str(w, point, point_len(c));
	return 0;
}

static int ecdsa_private_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	const struct curve *c = curve_of(t);
	struct blob_str curve = blob_rd_str(r);
	struct blob_str q = blob_rd_str(r);
	struct blob_str d = blob_rd_positive(r);
	BIGNUM *bn;
	int err;

	if (r->bad || !blob_str_is(curve, c->name) || d.len > c->field_len)
		return -EBADMSG;
	bn = BN_secure_new(); /* makes the parameters built of it be wiped, too */
	if (bn == NULL || BN_bin2bn(d.p, (int)d.len, bn) == NULL) {
		BN_clear_free(bn);
		return -ENOMEM;
	}
	err = pkey_make(c, q, bn, ret);
	BN_clear_free(bn);
	return err;
}

static int ecdsa_private_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	const struct curve *c = curve_of(t);
	uint8_t point[POINT_MAX];
	int r = point_get(c, pkey, point);

	if (r < 0)
		return r;
	blob_wr_cstr(w, c->name);
	blob_wr_str(w, point, point_len(c));
	return key_put_number(pkey, OSSL_PKEY_PARAM_PRIV_KEY, w);
}

static bool ecdsa_is(const struct key_type *t, EVP_PKEY *pkey)
{
	char curve[32];

	return EVP_PKEY_is_a(pkey, "EC") == 1 &&
	       EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, curve,
					      sizeof(curve), NULL) == 1 &&
	       strcmp(curve, curve_of(t)->openssl) == 0;
}

static int ecdsa_generate(const struct key_type *t, unsigned int bits, EVP_PKEY **ret)
{
	if (bits != 0 && bits != curve_of(t)->bits)
		return -EINVAL;
	*ret = EVP_EC_gen(curve_of(t)->openssl);
	return *ret == NULL ? -EIO : 0;
}

static unsigned int ecdsa_bits(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)pkey;
	return curve_of(t)->bits;
}

static void put_bn(struct blob_wr *w, const BIGNUM *bn)
{
	uint8_t buf[FIELD_MAX];
	int len = BN_num_bytes(bn);

	if (len <= 0 || len > FIELD_MAX || BN_bn2bin(bn, buf) != len) {
		w->bad = true;
		return;
	}
	blob_wr_mpint(w, buf, (size_t)len);
}

/* OpenSSL's DER of r and s to RFC 5656's mpints (section 3.1.2). */
static int ecdsa_sig_to_wire(const struct key_type *t, const uint8_t *raw, size_t raw_len,
			     struct blob_wr *w)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &raw, (long)raw_len);

	(void)t;
	if (sig == NULL)
		return -EIO;
	put_bn(w, ECDSA_SIG_get0_r(sig));
	put_bn(w, ECDSA_SIG_get0_s(sig));
	ECDSA_SIG_free(sig);
	return w->bad ? -EIO : 0;
}

/* That r and s are below the group's order is checked by OpenSSL when it verifies. */
static int ecdsa_sig_from_wire(const struct key_type *t, EVP_PKEY *pkey, struct blob_str wire,
			       uint8_t *raw, size_t *ret_len)
{
	size_t max = curve_of(t)->field_len;
	struct blob_rd rd = blob_rd_init(wire.p, wire.len);
	struct blob_str r = blob_rd_positive(&rd);
	struct blob_str s = blob_rd_positive(&rd);
	BIGNUM *bn_r, *bn_s;
	ECDSA_SIG *sig;
	uint8_t *p = raw;
	int len;

	(void)pkey;
	if (!blob_rd_done(&rd) || r.len > max || s.len > max)
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
	len = i2d_ECDSA_SIG(sig, &p); /* two numbers of 66 bytes: far below KEY_SIG_MAX */
	ECDSA_SIG_free(sig);
	if (len <= 0)
		return -EIO;
	*ret_len = (size_t)len;
	return 0;
}

#define ECDSA                                                                                      \
	.log_name = "ECDSA", .cert_log_name = "ECDSA-CERT", .public_fields = 2,                    \
	.public_parse = ecdsa_public_parse, .public_build = ecdsa_public_build,                    \
	.private_parse = ecdsa_private_parse, .private_build = ecdsa_private_build,                \
	.is = ecdsa_is, .generate = ecdsa_generate, .bits = ecdsa_bits,                            \
	.sig_to_wire = ecdsa_sig_to_wire, .sig_from_wire = ecdsa_sig_from_wire

const struct key_type key_type_ecdsa_p256 = {
	.name = "ecdsa-sha2-nistp256",
	.cert_name = "ecdsa-sha2-nistp256-cert-v01@openssh.com",
	.param = &p256,
	ECDSA,
};

const struct key_type key_type_ecdsa_p384 = {
	.name = "ecdsa-sha2-nistp384",
	.cert_name = "ecdsa-sha2-nistp384-cert-v01@openssh.com",
	.param = &p384,
	ECDSA,
};

const struct key_type key_type_ecdsa_p521 = {
	.name = "ecdsa-sha2-nistp521",
	.cert_name = "ecdsa-sha2-nistp521-cert-v01@openssh.com",
	.param = &p521,
	ECDSA,
};

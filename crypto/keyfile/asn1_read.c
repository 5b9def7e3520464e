/* crypto/keyfile/asn1_read.c - private keys in DER, and two forms of public ones. */
#include <errno.h>

#include <openssl/err.h>

#include "crypto/keyfile/asn1.h"
#include "crypto/keyfile/der.h"

#define DSA_P_MAX (3072 / 8)
#define DSA_Q_MAX (256 / 8)

int asn1_rsa_private(struct blob_str der, struct key **ret)
{
	enum { N, E, D, P, Q, DP, DQ, IQMP, N_NUMBERS };
	struct blob_rd outer = blob_rd_init(der.p, der.len);
	struct blob_rd seq = der_enter(&outer, DER_SEQUENCE);
	uint32_t version = der_small(&seq);
	struct blob_str n[N_NUMBERS];

	for (int i = 0; i < N_NUMBERS; i++)
		n[i] = der_positive(&seq);
	if (!blob_rd_done(&outer) || seq.bad)
		return -EBADMSG;
	if (version != 0) /* of more than two primes */
		return -ENOTSUP;
	if (!blob_rd_done(&seq))
		return -EBADMSG;
	return kf_private_numbers(
		"ssh-rsa", (struct blob_str[]){n[N], n[E], n[D], n[IQMP], n[P], n[Q]}, 6, ret);
}

int asn1_dsa_private(struct blob_str der, struct key **ret)
{
	struct blob_rd outer = blob_rd_init(der.p, der.len);
	struct blob_rd seq = der_enter(&outer, DER_SEQUENCE);
	uint32_t version = der_small(&seq);
	struct blob_str n[5]; /* p, q, g, y, x: the order of both formats */

	for (int i = 0; i < 5; i++)
		n[i] = der_positive(&seq);
	if (!blob_rd_done(&outer) || !blob_rd_done(&seq) || version != 0)
		return -EBADMSG;
	return kf_private_numbers("ssh-dss", n, 5, ret);
}

/* The public number is not in PKCS#8. p and q are small before there is an exponentiation. */
static int dsa_from_pkcs8(struct blob_rd *params, struct blob_str key, struct key **ret)
{
	struct blob_rd seq = der_enter(params, DER_SEQUENCE);
	struct blob_str p = der_positive(&seq);
	struct blob_str q = der_positive(&seq);
	struct blob_str g = der_positive(&seq);
	struct blob_rd inner = blob_rd_init(key.p, key.len);
	struct blob_str x = der_positive(&inner);
	uint8_t y[DSA_P_MAX];
	BIGNUM *bn[3] = {NULL}, *bn_y = BN_new();
	BN_CTX *ctx = BN_CTX_secure_new();
	int r = -EIO, len;

	if (!blob_rd_done(&seq) || !blob_rd_done(params) || !blob_rd_done(&inner)) {
		r = -EBADMSG;
		goto out;
	}
	if (p.len > DSA_P_MAX || q.len > DSA_Q_MAX || g.len > p.len || x.len > q.len) {
		r = -ENOTSUP;
		goto out;
	}
	bn[0] = BN_bin2bn(p.p, (int)p.len, NULL);
	bn[1] = BN_bin2bn(g.p, (int)g.len, NULL);
	bn[2] = BN_secure_new();
	if (bn_y == NULL || ctx == NULL || bn[0] == NULL || bn[1] == NULL || bn[2] == NULL ||
	    BN_bin2bn(x.p, (int)x.len, bn[2]) == NULL)
		goto out;
	BN_set_flags(bn[2], BN_FLG_CONSTTIME);
	if (!BN_is_odd(bn[0]) || BN_mod_exp(bn_y, bn[1], bn[2], bn[0], ctx) != 1) {
		r = -EBADMSG;
		goto out;
	}
	len = BN_bn2bin(bn_y, y);
	r = kf_private_numbers("ssh-dss", (struct blob_str[]){p, q, g, {y, (size_t)len}, x}, 5,
			       ret);
out:
	for (int i = 0; i < 3; i++)
		BN_clear_free(bn[i]);
	BN_free(bn_y);
	BN_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

/* --- elliptic curves -------------------------------------------------------------------- */

static const struct kf_curve *curve_of_oid(struct blob_str oid)
{
	const struct kf_curve *c;

	for (unsigned int i = 0; (c = kf_curve_at(i)) != NULL; i++)
		if (c->der_oid_len == oid.len && memcmp(c->der_oid, oid.p, oid.len) == 0)
			return c;
	return NULL;
}

/* curve: said outside, NULL when it must be said inside. */
static int ec_parse(struct blob_str der, const struct kf_curve *curve, struct key **ret)
{
	struct blob_rd outer = blob_rd_init(der.p, der.len), inner;
	struct blob_rd seq = der_enter(&outer, DER_SEQUENCE);
	uint32_t version = der_small(&seq);
	struct blob_str d = der_take(&seq, DER_OCTET_STRING);
	struct blob_str point = {(const uint8_t *)"", 0};

	if (der_next_is(&seq, DER_CONTEXT_0)) {
		inner = der_enter(&seq, DER_CONTEXT_0);
		if (!der_next_is(&inner, DER_OID)) /* a curve spelt out */
			return -ENOTSUP;
		curve = curve_of_oid(der_take(&inner, DER_OID));
		seq.bad |= !blob_rd_done(&inner);
	}
	if (der_next_is(&seq, DER_CONTEXT_1)) {
		inner = der_enter(&seq, DER_CONTEXT_1);
		point = der_bits(&inner);
		seq.bad |= !blob_rd_done(&inner) || point.len == 0;
	}
	if (!blob_rd_done(&seq) || !blob_rd_done(&outer) || version != 1)
		return -EBADMSG;
	if (curve == NULL)
		return -ENOTSUP;
	return d.len > curve->field_len ? -EBADMSG : kf_ec_private(curve, point, d, ret);
}

int asn1_ec_private(struct blob_str der, struct key **ret)
{
	return ec_parse(der, NULL, ret);
}

static int ec_from_pkcs8(struct blob_rd *params, struct blob_str key, struct key **ret)
{
	const struct kf_curve *c;

	if (!der_next_is(params, DER_OID))
		return -ENOTSUP;
	c = curve_of_oid(der_take(params, DER_OID));
	if (!blob_rd_done(params))
		return -EBADMSG;
	return c == NULL ? -ENOTSUP : ec_parse(key, c, ret);
}

/* --- PKCS#8 ----------------------------------------------------------------------------- */

static int ed_from_pkcs8(const char *type, struct blob_str key, struct key **ret)
{
	struct blob_rd inner = blob_rd_init(key.p, key.len);
	struct blob_str seed = der_take(&inner, DER_OCTET_STRING);

	return blob_rd_done(&inner) ? kf_ed_private(type, seed, ret) : -EBADMSG;
}

#define OID(text)                                                                                  \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

static const struct blob_str oid_rsa = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
static const struct blob_str oid_dsa = OID("\x2a\x86\x48\xce\x38\x04\x01");
static const struct blob_str oid_ec = OID("\x2a\x86\x48\xce\x3d\x02\x01");
static const struct blob_str oid_ed25519 = OID("\x2b\x65\x70");
static const struct blob_str oid_ed448 = OID("\x2b\x65\x71");

static bool oid_is(struct blob_str a, struct blob_str b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

int asn1_pkcs8(struct blob_str der, struct key **ret)
{
	struct blob_rd outer = blob_rd_init(der.p, der.len);
	struct blob_rd seq = der_enter(&outer, DER_SEQUENCE);
	uint32_t version = der_small(&seq);
	struct blob_rd params = der_enter(&seq, DER_SEQUENCE);
	struct blob_str oid = der_take(&params, DER_OID);
	struct blob_str key = der_take(&seq, DER_OCTET_STRING);

	/* What may follow are attributes and the public key, which is computed here. */
	if (seq.bad || params.bad || !blob_rd_done(&outer) || version > 1)
		return -EBADMSG;
	if (oid_is(oid, oid_rsa))
		return asn1_rsa_private(key, ret);
	if (oid_is(oid, oid_dsa))
		return dsa_from_pkcs8(&params, key, ret);
	if (oid_is(oid, oid_ec))
		return ec_from_pkcs8(&params, key, ret);
	if (oid_is(oid, oid_ed25519))
		return ed_from_pkcs8("ssh-ed25519", key, ret);
	if (oid_is(oid, oid_ed448))
		return ed_from_pkcs8("ssh-ed448", key, ret);
	return -ENOTSUP;
}

/* --- public ----------------------------------------------------------------------------- */

int asn1_rsa_public(struct blob_str der, struct key **ret)
{
	struct blob_rd outer = blob_rd_init(der.p, der.len);
	struct blob_rd seq = der_enter(&outer, DER_SEQUENCE);
	struct blob_str n = der_positive(&seq);
	struct blob_str e = der_positive(&seq);

	if (!blob_rd_done(&seq) || !blob_rd_done(&outer))
		return -EBADMSG;
	return kf_public_numbers("ssh-rsa", (struct blob_str[]){e, n}, 2, ret);
}

int asn1_spki(struct blob_str der, struct key **ret)
{
	const unsigned char *p = der.p;
	EVP_PKEY *pkey;

	if (der.len > KEY_BLOB_MAX)
		return -ENOTSUP;
	pkey = d2i_PUBKEY(NULL, &p, (long)der.len);
	ERR_clear_error();
	if (pkey == NULL || p != der.p + der.len) {
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	return kf_adopt(pkey, false, ret);
}

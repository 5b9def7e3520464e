/* crypto/keyfile/asn1_write.c - private keys to DER. */
#include <errno.h>

#include <openssl/core_names.h>

#include "crypto/keyfile/asn1.h"
#include "crypto/keyfile/der.h"
#include "crypto/secret.h"

static int rsa_build(const struct key *k, struct blob_wr *w)
{
	static const char *const params[] = {
		OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	};
	size_t start = w->len;
	int r;

	der_put_small(w, 0);
	r = kf_numbers(k->pkey, params, sizeof(params) / sizeof(params[0]), der_put_positive, w);
	der_wrap(w, start, DER_SEQUENCE);
	return r;
}

static int dsa_build(const struct key *k, struct blob_wr *w)
{
	static const char *const params[] = {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q,
					     OSSL_PKEY_PARAM_FFC_G, OSSL_PKEY_PARAM_PUB_KEY,
					     OSSL_PKEY_PARAM_PRIV_KEY};
	size_t start = w->len;
	int r;

	der_put_small(w, 0);
	r = kf_numbers(k->pkey, params, 5, der_put_positive, w);
	der_wrap(w, start, DER_SEQUENCE);
	return r;
}

static void octets_put(struct blob_wr *w, struct blob_str s)
{
	blob_wr_put(w, s.p, s.len);
}

/* RFC 5915: "privateKey is the private key. It is an octet string of length ceiling (log2(n)/8)" */
static int ec_build(const struct key *k, const struct kf_curve *c, bool named, struct blob_wr *w)
{
	static const char *const param[] = {OSSL_PKEY_PARAM_PRIV_KEY};
	uint8_t buf[KF_FIELD_MAX];
	struct blob_wr d = blob_wr_init(buf, c->field_len);
	size_t start = w->len, mark;
	struct blob_rd blob = blob_rd_init(k->blob, k->blob_len);
	struct blob_str point;
	int r;

	blob_rd_str(&blob);
	blob_rd_str(&blob);
	point = blob_rd_str(&blob);
	r = kf_numbers(k->pkey, param, 1, octets_put, &d);
	der_put_small(w, 1);
	mark = w->len;
	for (size_t i = d.len; i < c->field_len; i++)
		blob_wr_put(w, "", 1);
	blob_wr_put(w, d.p, d.len);
	secret_wipe(buf, sizeof(buf));
	der_wrap(w, mark, DER_OCTET_STRING);
	if (named) {
		mark = w->len;
		der_put(w, DER_OID, c->der_oid, c->der_oid_len);
		der_wrap(w, mark, DER_CONTEXT_0);
	}
	mark = w->len;
	blob_wr_put(w, "", 1); /* no unused bits */
	blob_wr_put(w, point.p, point.len);
	der_wrap(w, mark, DER_BIT_STRING);
	der_wrap(w, mark, DER_CONTEXT_1);
	der_wrap(w, start, DER_SEQUENCE);
	return d.bad ? -EIO : r;
}

int asn1_traditional_build(const struct key *k, struct blob_wr *w, const char **ret_label)
{
	const struct kf_curve *c = kf_curve_of(k);

	if (c != NULL) {
		*ret_label = "EC PRIVATE KEY";
		return ec_build(k, c, true, w);
	}
	if (EVP_PKEY_is_a(k->pkey, "RSA") == 1) {
		*ret_label = "RSA PRIVATE KEY";
		return rsa_build(k, w);
	}
	if (EVP_PKEY_is_a(k->pkey, "DSA") == 1) {
		*ret_label = "DSA PRIVATE KEY";
		return dsa_build(k, w);
	}
	return -ENOTSUP;
}

/* --- PKCS#8 ----------------------------------------------------------------------------- */

static int ed_pkcs8(const struct key *k, const char *oid, size_t oid_len, struct blob_wr *w)
{
	uint8_t seed[64];
	size_t len = sizeof(seed), mark = w->len;

	/* RFC 8032: half as long as a signature. */
	if (EVP_PKEY_get_raw_private_key(k->pkey, seed, &len) != 1 ||
	    2 * len != (size_t)EVP_PKEY_get_size(k->pkey)) {
		secret_wipe(seed, sizeof(seed));
		return -EIO;
	}
	der_put(w, DER_OID, oid, oid_len);
	der_wrap(w, mark, DER_SEQUENCE);
	mark = w->len;
	der_put(w, DER_OCTET_STRING, seed, len);
	der_wrap(w, mark, DER_OCTET_STRING);
	secret_wipe(seed, sizeof(seed));
	return 0;
}

static int rsa_pkcs8(const struct key *k, struct blob_wr *w)
{
	size_t mark = w->len;
	int r;

	der_put(w, DER_OID, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9);
	der_put(w, DER_NULL, "", 0);
	der_wrap(w, mark, DER_SEQUENCE);
	mark = w->len;
	r = rsa_build(k, w);
	der_wrap(w, mark, DER_OCTET_STRING);
	return r;
}

static int dsa_pkcs8(const struct key *k, struct blob_wr *w)
{
	static const char *const params[] = {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q,
					     OSSL_PKEY_PARAM_FFC_G};
	static const char *const x[] = {OSSL_PKEY_PARAM_PRIV_KEY};
	size_t mark = w->len, inner;
	int r;

	der_put(w, DER_OID, "\x2a\x86\x48\xce\x38\x04\x01", 7);
	inner = w->len;
	r = kf_numbers(k->pkey, params, 3, der_put_positive, w);
	der_wrap(w, inner, DER_SEQUENCE);
	der_wrap(w, mark, DER_SEQUENCE);
	mark = w->len;
	if (r == 0)
		r = kf_numbers(k->pkey, x, 1, der_put_positive, w);
	der_wrap(w, mark, DER_OCTET_STRING);
	return r;
}

static int ec_pkcs8(const struct key *k, const struct kf_curve *c, struct blob_wr *w)
{
	size_t mark = w->len;
	int r;

	der_put(w, DER_OID, "\x2a\x86\x48\xce\x3d\x02\x01", 7);
	der_put(w, DER_OID, c->der_oid, c->der_oid_len);
	der_wrap(w, mark, DER_SEQUENCE);
	mark = w->len;
	r = ec_build(k, c, false, w);
	der_wrap(w, mark, DER_OCTET_STRING);
	return r;
}

int asn1_pkcs8_build(const struct key *k, struct blob_wr *w)
{
	const struct kf_curve *c = kf_curve_of(k);
	size_t start = w->len;
	int r = -ENOTSUP;

	der_put_small(w, 0);
	if (c != NULL)
		r = ec_pkcs8(k, c, w);
	else if (EVP_PKEY_is_a(k->pkey, "RSA") == 1)
		r = rsa_pkcs8(k, w);
	else if (EVP_PKEY_is_a(k->pkey, "DSA") == 1)
		r = dsa_pkcs8(k, w);
	else if (EVP_PKEY_is_a(k->pkey, "ED25519") == 1)
		r = ed_pkcs8(k, "\x2b\x65\x70", 3, w);
	else if (EVP_PKEY_is_a(k->pkey, "ED448") == 1)
		r = ed_pkcs8(k, "\x2b\x65\x71", 3, w);
	der_wrap(w, start, DER_SEQUENCE);
	return r == 0 && w->bad ? -ENOBUFS : r;
}

/* crypto/keyfile/keys.c - from the numbers of a file, or a library's key, to a key of ours. */
#include <errno.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "crypto/keyfile/internal.h"
#include "crypto/secret.h"

static const struct kf_curve curves[] = {
	{"nistp256", "P-256", "urn:oid:1.2.840.10045.3.1.7", "ecdsa-sha2-nistp256", 32,
	 "\x2a\x86\x48\xce\x3d\x03\x01\x07", 8},
	{"nistp384", "P-384", "urn:oid:1.3.132.0.34", "ecdsa-sha2-nistp384", 48,
	 "\x2b\x81\x04\x00\x22", 5},
	{"nistp521", "P-521", "urn:oid:1.3.132.0.35", "ecdsa-sha2-nistp521", 66,
	 "\x2b\x81\x04\x00\x23", 5},
};

const struct kf_curve *kf_curve_at(unsigned int i)
{
	return i < sizeof(curves) / sizeof(curves[0]) ? &curves[i] : NULL;
}

const struct kf_curve *kf_curve_of(const struct key *k)
{
	const struct kf_curve *c;

	for (unsigned int i = 0; (c = kf_curve_at(i)) != NULL; i++)
		if (strcmp(c->type, k->type->name) == 0)
			return c;
	return NULL;
}

int kf_numbers(EVP_PKEY *pkey, const char *const *param, size_t n,
	       void (*put)(struct blob_wr *w, struct blob_str magnitude), struct blob_wr *w)
{
	uint8_t buf[KEY_BLOB_MAX];

	for (size_t i = 0; i < n; i++) {
		BIGNUM *bn = NULL;
		int len;

		if (EVP_PKEY_get_bn_param(pkey, param[i], &bn) != 1)
			return -EIO;
		len = BN_num_bytes(bn);
		if (len > (int)sizeof(buf)) {
			BN_clear_free(bn);
			return -ENOTSUP;
		}
		if (len <= 0 || BN_bn2bin(bn, buf) != len)
			len = 0;
		BN_clear_free(bn);
		if (len == 0)
			return -EIO;
		put(w, (struct blob_str){buf, (size_t)len});
		secret_wipe(buf, (size_t)len);
	}
	return 0;
}

int kf_private_fields(const char *type, const struct blob_wr *fields, struct key **ret)
{
	struct blob_rd r = blob_rd_init(fields->p, fields->len);
	const struct key_type *t =
		key_type_find((struct blob_str){(const uint8_t *)type, strlen(type)});
	EVP_PKEY *pkey = NULL;
	int err;

	if (fields->bad)
		return -EBADMSG;
	if (t == NULL || t->private_parse == NULL)
		return -ENOTSUP;
	err = t->private_parse(t, &r, &pkey);
	if (err == 0 && !blob_rd_done(&r)) {
		EVP_PKEY_free(pkey);
		err = -EBADMSG;
	}
	if (err < 0) {
		ERR_clear_error();
		return err;
	}
	return key_from_private(t, pkey, ret);
}

int kf_private_numbers(const char *type, const struct blob_str *n, size_t count, struct key **ret)
{
	uint8_t *p = secret_new(KEY_PRIVATE_MAX);
	struct blob_wr w = blob_wr_init(p, KEY_PRIVATE_MAX);
	int r;

	if (p == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		blob_wr_mpint(&w, n[i].p, n[i].len);
	r = w.bad ? -ENOTSUP : kf_private_fields(type, &w, ret);
	secret_free(p, KEY_PRIVATE_MAX);
	return r;
}

int kf_public_numbers(const char *type, const struct blob_str *n, size_t count, struct key **ret)
{
	uint8_t blob[KEY_BLOB_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));

	blob_wr_cstr(&w, type);
	for (size_t i = 0; i < count; i++)
		blob_wr_mpint(&w, n[i].p, n[i].len);
	return w.bad ? -ENOTSUP : key_blob_parse(w.p, w.len, ret);
}

/*
 * A point in SEC 1's plain form, from whatever form it is in or from the private number; one of
 * the two is given.
 */
static int point_make(const struct kf_curve *c, struct blob_str point, struct blob_str d,
		      uint8_t *ret, size_t *ret_len)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_txt2nid(c->oid + strlen("urn:oid:")));
	EC_POINT *q = group == NULL ? NULL : EC_POINT_new(group);
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *bn = BN_secure_new();
	size_t len = 1 + 2 * c->field_len;
	int r = -EIO;

	if (q != NULL && ctx != NULL && bn != NULL) {
		r = -EBADMSG;
		if (point.len > 0
			    ? EC_POINT_oct2point(group, q, point.p, point.len, ctx) == 1
			    : d.len <= c->field_len && BN_bin2bn(d.p, (int)d.len, bn) != NULL &&
				      BN_cmp(bn, EC_GROUP_get0_order(group)) < 0 &&
				      EC_POINT_mul(group, q, bn, NULL, NULL, ctx) == 1)
			r = 0;
	}
	if (r == 0 &&
	    EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, ret, len, ctx) != len)
		r = -EBADMSG; /* the point at infinity */
	if (r == 0)
		*ret_len = len;
	BN_clear_free(bn);
	EC_POINT_free(q);
	EC_GROUP_free(group);
	BN_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int kf_ec_private(const struct kf_curve *c, struct blob_str point, struct blob_str d,
		  struct key **ret)
{
	uint8_t plain[1 + 2 * KF_FIELD_MAX], fields[512];
	struct blob_wr w = blob_wr_init(fields, sizeof(fields));
	size_t len = 0;
	int r;

	r = point_make(c, point, d, plain, &len);
	if (r < 0)
		return r;
	blob_wr_cstr(&w, c->ssh);
	blob_wr_str(&w, plain, len);
	blob_wr_mpint(&w, d.p, d.len);
	r = kf_private_fields(c->type, &w, ret);
	secret_wipe(fields, sizeof(fields));
	return r;
}

int kf_ec_public(const struct kf_curve *c, struct blob_str point, struct key **ret)
{
	uint8_t plain[1 + 2 * KF_FIELD_MAX], blob[512];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	size_t len = 0;
	int r;

	if (point.len == 0)
		return -EBADMSG;
	r = point_make(c, point, (struct blob_str){0}, plain, &len);
	if (r < 0)
		return r;
	blob_wr_cstr(&w, c->type);
	blob_wr_cstr(&w, c->ssh);
	blob_wr_str(&w, plain, len);
	return key_blob_parse(w.p, w.len, ret);
}

static int ed_id(const char *type)
{
	return strcmp(type, "ssh-ed448") == 0 ? EVP_PKEY_ED448 : EVP_PKEY_ED25519;
}

int kf_ed_private(const char *type, struct blob_str seed, struct key **ret)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(ed_id(type), NULL, seed.p, seed.len);

	ERR_clear_error();
	return pkey == NULL ? -EBADMSG : kf_adopt(pkey, true, ret);
}

int kf_ed_public(const char *type, struct blob_str point, struct key **ret)
{
	uint8_t blob[128];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));

	blob_wr_cstr(&w, type);
	blob_wr_str(&w, point.p, point.len);
	return w.bad ? -EBADMSG : key_blob_parse(w.p, w.len, ret);
}

static const struct key_type *type_of(EVP_PKEY *pkey)
{
	const struct key_type *t;

	for (unsigned int i = 0; (t = key_type_at(i)) != NULL; i++)
		if (t->is != NULL && t->is(t, pkey))
			return t;
	return NULL;
}

static int public_of(const struct key_type *t, EVP_PKEY *pkey, struct key **ret)
{
	uint8_t blob[KEY_BLOB_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	int r = t->public_build(t, pkey, &w);

	if (r == 0)
		r = w.bad ? -ENOTSUP : key_blob_parse(w.p, w.len, ret);
	return r;
}

int kf_adopt(EVP_PKEY *pkey, bool private, struct key **ret)
{
	const struct key_type *t = type_of(pkey);
	int r = -ENOTSUP;

	if (t != NULL && private)
		return key_from_private(t, pkey, ret);
	if (t != NULL)
		r = public_of(t, pkey, ret);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return r;
}

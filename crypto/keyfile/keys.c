/* crypto/keyfile/keys.c - from the numbers of a file, or a library's key, to a key of ours. */
#include <errno.h>

#include <openssl/err.h>

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
		len = BN_bn2bin(bn, buf);
		BN_clear_free(bn);
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

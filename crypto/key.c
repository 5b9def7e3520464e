/* crypto/key.c - public keys: blobs, lines, and the table of types. */
#include "crypto/key.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "crypto/base64.h"
#include "crypto/cert.h"
#include "crypto/key_internal.h"
#include "crypto/secret.h"
#include "crypto/x509key.h"

#define NUMBER_MAX 2048 /* RSA 16384 */

static const struct key_type *const types[] = {
	&key_type_ed25519,    &key_type_ecdsa_p256, &key_type_ecdsa_p384,
	&key_type_ecdsa_p521, &key_type_sk_ed25519, &key_type_sk_ecdsa,
	&key_type_rsa,        &key_type_ed448,      &key_type_dss,
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

const struct key_type *key_type_at(unsigned int i)
{
	return i < N_TYPES ? types[i] : NULL;
}

const struct key_type *key_type_find(struct blob_str name)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (blob_str_is(name, types[i]->name))
			return types[i];
	return NULL;
}

int key_pkey_make(const char *type, OSSL_PARAM_BLD *bld, bool private, EVP_PKEY **ret)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *param = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY *pkey = NULL;
	int r = -EIO;

	if (ctx != NULL && param != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
		r = -EBADMSG;
		if (EVP_PKEY_fromdata(ctx, &pkey, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
				      param) == 1)
			r = 0;
	}
	if (r == 0)
		*ret = pkey;
	OSSL_PARAM_free(param);
	EVP_PKEY_CTX_free(ctx);
	return r;
}

int key_put_number(EVP_PKEY *pkey, const char *param, struct blob_wr *w)
{
	uint8_t buf[NUMBER_MAX];
	BIGNUM *bn = NULL;
	int len, r = -EIO;

	if (EVP_PKEY_get_bn_param(pkey, param, &bn) != 1)
		return -EIO;
	len = BN_num_bytes(bn);
	if (len > 0 && (size_t)len <= sizeof(buf) && BN_bn2bin(bn, buf) == len) {
		blob_wr_mpint(w, buf, (size_t)len);
		secret_wipe(buf, (size_t)len);
		r = 0;
	}
	BN_clear_free(bn);
	return r;
}

const struct key_type *key_type_find_cert(struct blob_str name)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (types[i]->cert_name != NULL && blob_str_is(name, types[i]->cert_name))
			return types[i];
	return NULL;
}

struct key *key_new(const struct key_type *type, const uint8_t *blob, size_t len)
{
	struct key *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->blob = malloc(len);
	if (k->blob == NULL) {
		free(k);
		return NULL;
	}
	memcpy(k->blob, blob, len);
	k->blob_len = len;
	k->type = type;
	return k;
}

int key_blob_parse(const uint8_t *blob, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(blob, len);
	const struct key_type *type = key_type_find(blob_rd_str(&r));
	struct key *k;
	int err;

	if (r.bad || len > KEY_BLOB_MAX)
		return -EBADMSG;
	if (type == NULL)
		return -ENOTSUP;
	k = key_new(type, blob, len);
	if (k == NULL)
		return -ENOMEM;
	err = type->public_parse(type, &r, &k->pkey);
	if (err < 0) {
		ERR_clear_error();
		key_free(k);
		return err;
	}
	*ret = k;
	return 0;
}

int key_blob_parse_any(const uint8_t *blob, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(blob, len);
	struct blob_str name = blob_rd_str(&r);
	const struct key_type *type = key_type_find_cert(name);

	if (type == NULL && key_x509_is(name, blob, len))
		return key_x509_parse_any(blob, len, ret);
	if (type == NULL)
		return key_blob_parse(blob, len, ret);
	return len > KEY_BLOB_MAX ? -EBADMSG : key_cert_parse(type, blob, len, ret);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of a line; empty at its end. */
static struct blob_str line_word(const char **p, const char *end)
{
	const char *start;

	while (*p < end && is_blank(**p))
		(*p)++;
	start = *p;
	while (*p < end && !is_blank(**p))
		(*p)++;
	return (struct blob_str){(const uint8_t *)start, (size_t)(*p - start)};
}

int key_line_parse(const char *line, size_t len,
		   int (*parse)(const uint8_t *blob, size_t len, struct key **ret),
		   struct key **ret)
{
	const char *p = line, *end = line + len;
	struct blob_str type = line_word(&p, end);
	struct blob_str text = line_word(&p, end);
	uint8_t blob[KEY_BLOB_MAX];
	struct key *k = NULL;
	size_t blob_len = 0;
	int r;

	if (text.len == 0 || memchr(text.p, '\n', text.len) != NULL)
		return -EBADMSG;
	r = base64_decode((const char *)text.p, text.len, blob, sizeof(blob), &blob_len);
	if (r < 0)
		return -EBADMSG;
	r = parse(blob, blob_len, &k);
	if (r < 0)
		return r;
	/* The word before the key must not say another thing than the key itself (S-34). */
	if (!blob_str_is(type, key_type(k))) {
		key_free(k);
		return -EBADMSG;
	}
	*ret = k;
	return 0;
}

/* The type, and that these bytes are named so. */
static int blob_keep(const uint8_t *blob, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(blob, len);
	const struct key_type *type = key_type_find(blob_rd_str(&r));

	if (r.bad || len > KEY_BLOB_MAX)
		return -EBADMSG;
	if (type == NULL)
		return -ENOTSUP;
	*ret = key_new(type, blob, len);
	return *ret != NULL ? 0 : -ENOMEM;
}

int key_line_read(const char *line, size_t len, struct key **ret)
{
	return key_line_parse(line, len, blob_keep, ret);
}

int key_public_line_parse(const char *line, size_t len, struct key **ret)
{
	return key_line_parse(line, len, key_blob_parse, ret);
}

void key_free(struct key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey); /* wipes the private numbers */
	if (k->remote != NULL)
		k->remote->free(k->remote_arg);
	key_free(k->plain);
	cert_free(k->cert);
	x509key_free(k->x509);
	free(k->blob);
	free(k);
}

const struct key *key_plain(const struct key *k)
{
	return k->plain != NULL ? k->plain : k;
}

bool key_is_sk(const struct key *k)
{
	return k->type->sk;
}

const uint8_t *key_blob(const struct key *k, size_t *ret_len)
{
	*ret_len = k->blob_len;
	return k->blob;
}

const char *key_type(const struct key *k)
{
	if (k->x509 != NULL)
		return key_x509_type(k);
	return k->form == KEY_CERT ? k->type->cert_name : k->type->name;
}

const char *key_log_type(const struct key *k)
{
	return k->form == KEY_CERT ? k->type->cert_log_name : k->type->log_name;
}

bool key_is_private(const struct key *k)
{
	return k->is_private;
}

bool key_equal(const struct key *a, const struct key *b)
{
	return a->blob_len == b->blob_len && memcmp(a->blob, b->blob, a->blob_len) == 0;
}

unsigned int key_bits(const struct key *k)
{
	return k->type->bits(k->type, k->pkey);
}

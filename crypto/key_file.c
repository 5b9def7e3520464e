/* crypto/key_file.c - private keys: taken in, made, and in files when nothing else is wanted. */
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "crypto/key_internal.h"
#include "crypto/keyfile.h"
#include "crypto/secret.h"

/* Does it sign what its public half verifies? */
static int key_selftest(const struct key *private, const struct key *public)
{
	static const uint8_t data[] = "sluice key self-test";
	const char *alg = key_sig_alg_of(private, 0);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;
	int r;

	if (alg == NULL) /* FIPSMode */
		return -ENOTSUP;
	r = key_sign(private, alg, data, sizeof(data), sig, &len);
	if (r == 0)
		r = key_verify(public, alg, sig, len, data, sizeof(data));
	return r == -ENOMEM ? r : r < 0 ? -EBADMSG : 0;
}

/* A damaged key must fail where it is read, not at a login; an explorer has no time for it. */
static int key_read_test(const struct key *private, const struct key *public)
{
#ifdef SLUICE_FUZZING
	(void)private;
	(void)public;
	return 0;
#else
	return key_selftest(private, public);
#endif
}

int key_from_private(const struct key_type *type, EVP_PKEY *pkey, struct key **ret)
{
	struct key *private = NULL, *public = NULL;
	uint8_t blob[KEY_BLOB_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	int r;

	r = type->public_build(type, pkey, &w);
	if (r == 0 && w.bad)
		r = -ENOTSUP; /* a number beyond all bounds */
	if (r == 0) {
		private = key_new(type, blob, w.len);
		r = private == NULL ? -ENOMEM : 0;
	}
	if (r < 0) {
		EVP_PKEY_free(pkey);
		goto out;
	}
	private->pkey = pkey;
	private->is_private = true;

	/* The bounds of a public key hold for this one as for a stranger's. */
	r = key_blob_parse(private->blob, private->blob_len, &public);
	if (r == 0)
		r = key_read_test(private, public);
	if (r < 0)
		goto out;
	*ret = private;
	private = NULL;
out:
	key_free(private);
	key_free(public);
	ERR_clear_error();
	return r;
}

int key_remote_set(struct key *k, const struct key_remote *remote, void *arg)
{
	int r;

	k->remote = remote;
	k->remote_arg = arg;
	k->is_private = true;
	r = key_selftest(k, k);
	if (r < 0) {
		k->remote = NULL;
		k->is_private = false;
	}
	return r;
}

int key_generate(const char *type, unsigned int bits, struct key **ret)
{
	const struct blob_str name = {(const uint8_t *)type, strlen(type)};
	const struct key_type *t = key_type_find(name);
	EVP_PKEY *pkey = NULL;
	int r;

	if (t == NULL)
		return -ENOTSUP;
	r = crypto_reseed();
	if (r == 0)
		r = t->generate(t, bits, &pkey);
	if (r < 0)
		return r;
	return key_from_private(t, pkey, ret);
}

/* A file of a private key is wanted: one that holds a public key or a handle is not one. */
static int private_take(struct keyfile *kf, struct key **ret)
{
	int r = kf->key->is_private ? 0 : -EBADMSG;

	if (r == 0)
		*ret = keyfile_take(kf);
	keyfile_free(kf);
	return r;
}

/* Files of every format are read in keyfile/; these are the calls for a key alone. */

int key_private_parse(const uint8_t *text, size_t len, struct key **ret)
{
	struct keyfile *kf = NULL;
	int r = keyfile_parse(text, len, NULL, &kf);

	if (r < 0)
		return r;
	return private_take(kf, ret);
}

int key_file_load(const char *path, struct key **ret)
{
	struct keyfile *kf = NULL;
	int r = keyfile_load(path, NULL, &kf);

	if (r < 0)
		return r;
	return private_take(kf, ret);
}

int key_private_build(const struct key *k, const char *comment, char *buf, size_t *ret_len)
{
	/* Only looked at: the key stays its owner's. */
	const struct keyfile kf = {.key = (struct key *)(uintptr_t)k,
				   .comment = (char *)(uintptr_t)comment};
	const struct keyfile_out out = {.format = KEYFILE_OPENSSH, .private = true};
	struct keyfile_bytes text;
	int r;

	r = keyfile_build(&kf, &out, &text);
	if (r < 0)
		return r;
	if (*ret_len < text.len + 1) {
		r = -ENOBUFS;
	} else {
		memcpy(buf, text.p, text.len);
		buf[text.len] = '\0';
		*ret_len = text.len;
	}
	keyfile_bytes_free(&text);
	return r;
}

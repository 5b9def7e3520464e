/* crypto/keyfile/openssh.c - openssh-key-v1 (OpenSSH's PROTOCOL.key), read and written. */
#include <errno.h>
#include <stdlib.h>

#include "crypto/bcrypt_pbkdf.h"
#include "crypto/keyfile/internal.h"
#include "crypto/keyfile/seal.h"
#include "crypto/secret.h"

#define AUTH_MAGIC     "openssh-key-v1" /* and its NUL */
#define LABEL          "OPENSSH PRIVATE KEY"
#define LINE_LEN       70
#define PADDING_MAX    16 /* bytes behind the comment */
#define SALT_LEN       16
#define ROUNDS         24 /* OpenSSH's choice since 9.4 */
#define DEFAULT_CIPHER "aes256-ctr"
#define SK_ED25519     "sk-ssh-ed25519@openssh.com"
#define SK_ECDSA       "sk-ecdsa-sha2-nistp256@openssh.com"

struct container {
	const struct seal_cipher *cipher;
	struct blob_str kdf_options, public, private;
	const uint8_t *tag;
};

/* --- reading ---------------------------------------------------------------------------- */

static int container_parse(struct kf_ctx *c, struct blob_str s, struct container *ret)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	const uint8_t *magic = blob_rd_take(&r, sizeof(AUTH_MAGIC));
	struct blob_str cipher = blob_rd_str(&r);
	struct blob_str kdf = blob_rd_str(&r);
	struct blob_str kdf_options = blob_rd_str(&r);
	uint32_t n_keys = blob_rd_u32(&r);
	struct blob_str public = blob_rd_str(&r);
	struct blob_str private = blob_rd_str(&r);

	if (magic == NULL || memcmp(magic, AUTH_MAGIC, sizeof(AUTH_MAGIC)) != 0 || r.bad)
		return -EBADMSG;
	ret->cipher = seal_cipher_find(cipher);
	if (ret->cipher == NULL)
		return kf_fail(c, -ENOTSUP, "cipher \"%.*s\" is not known",
			       cipher.len > 64 ? 64 : (int)cipher.len, (const char *)cipher.p);
	ret->tag = blob_rd_take(&r, ret->cipher->tag_len);
	if (!blob_rd_done(&r) || n_keys != 1 || private.len == 0 ||
	    private.len % ret->cipher->block_len != 0)
		return -EBADMSG;
	/* A cipher has a derivation, and none has none. */
	if (ret->cipher->openssl == NULL ? !blob_str_is(kdf, "none") || kdf_options.len != 0
					 : !blob_str_is(kdf, "bcrypt"))
		return -EBADMSG;
	ret->kdf_options = kdf_options;
	ret->public = public;
	ret->private = private;
	return 0;
}

static int kdf_options_parse(struct kf_ctx *c, struct blob_str options, struct blob_str *ret_salt,
			     unsigned int *ret_rounds)
{
	struct blob_rd r = blob_rd_init(options.p, options.len);
	struct blob_str salt = blob_rd_str(&r);
	uint32_t rounds = blob_rd_u32(&r);

	if (!blob_rd_done(&r) || salt.len == 0 || salt.len > BCRYPT_SALT_MAX || rounds == 0)
		return -EBADMSG;
	if (rounds > BCRYPT_ROUNDS_MAX)
		return kf_fail(c, -ENOTSUP, "%u rounds of bcrypt are more than %u", rounds,
			       BCRYPT_ROUNDS_MAX);
	*ret_salt = salt;
	*ret_rounds = rounds;
	return 0;
}

static int section_open(struct kf_ctx *c, const struct container *box, uint8_t *section)
{
	uint8_t keying[SEAL_KEYING_MAX];
	struct blob_str salt = {0};
	unsigned int rounds = 0;
	const char *pass;
	size_t pass_len;
	int r;

	r = kdf_options_parse(c, box->kdf_options, &salt, &rounds);
	if (r == 0)
		r = kf_passphrase(c, &pass, &pass_len);
	if (r < 0)
		return r;
	if (pass_len == 0) /* none that ssh-keygen would have encrypted with */
		return -EKEYREJECTED;
	r = bcrypt_pbkdf(pass, pass_len, salt.p, salt.len, rounds, keying,
			 (size_t)box->cipher->key_len + box->cipher->iv_len);
	if (r == 0)
		r = seal_open(box->cipher, keying, section, box->private.len, box->tag);
	secret_wipe(keying, sizeof(keying));
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

/*
 * 1, 2, 3 and so on. How much of it fills a block is what who writes takes for one: PuTTY takes 16
 * bytes without a cipher, too, and fills a whole one when there is nothing to fill.
 */
static bool padding_ok(struct blob_rd *r)
{
	for (uint8_t pad = 1; r->p < r->end; pad++)
		if (pad > PADDING_MAX || *r->p++ != pad)
			return false;
	return true;
}

/*
 * OpenSSH's PROTOCOL.u2f: behind the public fields, of which the application is the last, flags,
 * the handle and what is reserved. The key itself is the public one, as the private half is in the
 * token: so what is said of it here has to be that, and of its type.
 */
static int sk_parse(struct kf_ctx *c, struct blob_rd *r, const struct container *box, bool ecdsa)
{
	struct keyfile_sk *sk = calloc(1, sizeof(*sk));
	struct blob_rd public = blob_rd_init(box->public.p, box->public.len);
	struct blob_str name = blob_rd_str(&public), application, handle;
	size_t len = (size_t)(public.end - public.p);
	const uint8_t *fields = public.p, *again = blob_rd_take(r, len), *flags;

	if (sk == NULL)
		return -ENOMEM;
	c->kf->sk = sk; /* freed with the file */
	if (ecdsa)
		blob_rd_str(&public); /* the curve */
	blob_rd_str(&public);
	application = blob_rd_str(&public);
	flags = blob_rd_take(r, 1);
	handle = blob_rd_str(r);
	blob_rd_str(r);
	if (!blob_rd_done(&public) || r->bad || !blob_str_is(name, ecdsa ? SK_ECDSA : SK_ED25519) ||
	    memcmp(fields, again, len) != 0 || memchr(application.p, '\0', application.len) != NULL)
		return -EBADMSG;
	sk->application = strndup((const char *)application.p, application.len);
	sk->handle = malloc(handle.len + 1);
	if (sk->application == NULL || sk->handle == NULL)
		return -ENOMEM;
	memcpy(sk->handle, handle.p, handle.len);
	sk->handle_len = handle.len;
	sk->flags = *flags;
	return key_blob_parse(box->public.p, box->public.len, &c->kf->key);
}

static int key_parse(struct kf_ctx *c, struct blob_rd *r, const struct container *box)
{
	struct blob_str name = blob_rd_str(r);
	const struct key_type *type;
	EVP_PKEY *pkey = NULL;
	int err;

	if (blob_str_is(name, SK_ED25519))
		return sk_parse(c, r, box, false);
	if (blob_str_is(name, SK_ECDSA))
		return sk_parse(c, r, box, true);
	type = key_type_find(name);
	if (type == NULL || type->private_parse == NULL)
		return kf_fail(c, -ENOTSUP, "key type \"%.*s\" is not known",
			       name.len > 64 ? 64 : (int)name.len, (const char *)name.p);
	err = type->private_parse(type, r, &pkey);
	return err < 0 ? err : key_from_private(type, pkey, &c->kf->key);
}

/* The list of private keys, which has one member: the numbers, the comment, padding. */
static int section_parse(struct kf_ctx *c, const struct container *box, const uint8_t *section)
{
	struct blob_rd r = blob_rd_init(section, box->private.len);
	uint32_t check1 = blob_rd_u32(&r);
	uint32_t check2 = blob_rd_u32(&r);
	struct blob_str comment;
	int err;

	if (r.bad || check1 != check2)
		return box->cipher->openssl != NULL ? -EKEYREJECTED : -EBADMSG;
	err = key_parse(c, &r, box);
	if (err < 0)
		return err;
	comment = blob_rd_str(&r);
	if (r.bad || !padding_ok(&r))
		return -EBADMSG;
	if (box->public.len != c->kf->key->blob_len ||
	    memcmp(box->public.p, c->kf->key->blob, box->public.len) != 0)
		return -EBADMSG;
	return keyfile_comment_set(c->kf, (const char *)comment.p, comment.len);
}

int kf_openssh_parse(struct kf_ctx *c, struct blob_str s)
{
	struct container box = {0};
	uint8_t *section;
	size_t len;
	int r;

	r = container_parse(c, s, &box);
	if (r < 0)
		return r;
	c->kf->format = KEYFILE_OPENSSH;
	c->kf->encrypted = box.cipher->openssl != NULL;
	if (c->o->public_half && c->kf->encrypted)
		return key_blob_parse(box.public.p, box.public.len, &c->kf->key);
	len = box.private.len;
	section = secret_new(len);
	if (section == NULL)
		return -ENOMEM;
	memcpy(section, box.private.p, len);
	if (box.cipher->openssl != NULL)
		r = section_open(c, &box, section);
	if (r == 0)
		r = section_parse(c, &box, section);
	secret_free(section, len);
	return r;
}

/* --- writing ---------------------------------------------------------------------------- */

/* The fields of a handle: the public ones are those of the public blob behind the name. */
static void sk_put(const struct keyfile *kf, struct blob_wr *w)
{
	struct blob_rd r = blob_rd_init(kf->key->blob, kf->key->blob_len);

	blob_rd_str(&r);
	blob_wr_put(w, r.p, (size_t)(r.end - r.p)); /* ends with the application */
	blob_wr_put(w, &kf->sk->flags, 1);
	blob_wr_str(w, kf->sk->handle, kf->sk->handle_len);
	blob_wr_cstr(w, "");
}

static int section_build(const struct keyfile *kf, size_t block_len, struct blob_wr *w)
{
	const struct key *k = kf->key;
	uint8_t check[4];
	int r;

	r = crypto_random(check, sizeof(check));
	if (r < 0)
		return r;
	blob_wr_put(w, check, sizeof(check));
	blob_wr_put(w, check, sizeof(check));
	blob_wr_cstr(w, k->type->name);
	if (kf->sk != NULL)
		sk_put(kf, w);
	else
		r = k->type->private_build(k->type, k->pkey, w);
	if (r < 0)
		return r;
	blob_wr_cstr(w, kf->comment);
	for (uint8_t pad = 1; !w->bad && w->len % block_len != 0; pad++)
		blob_wr_put(w, &pad, 1);
	return w->bad ? -ENOBUFS : 0;
}

/* Seals the section and says in w what opens it; the section stays the caller's. */
static int container_build(const struct keyfile *kf, const struct keyfile_out *o,
			   const struct seal_cipher *cipher, struct blob_wr *section,
			   struct blob_wr *w)
{
	bool encrypted = cipher->openssl != NULL;
	uint8_t keying[SEAL_KEYING_MAX], tag[SEAL_TAG_MAX], options[4 + SALT_LEN + 4],
		salt[SALT_LEN];
	struct blob_wr opt = blob_wr_init(options, sizeof(options));
	unsigned int rounds = o->rounds != 0 ? o->rounds : ROUNDS;
	int r = 0;

	if (encrypted) {
		r = crypto_random(salt, sizeof(salt));
		blob_wr_str(&opt, salt, sizeof(salt));
		blob_wr_u32(&opt, rounds);
	}
	if (r == 0 && encrypted)
		r = bcrypt_pbkdf(o->passphrase, strlen(o->passphrase), salt, sizeof(salt), rounds,
				 keying, (size_t)cipher->key_len + cipher->iv_len);
	if (r == 0)
		r = seal_close(cipher, keying, section->p, section->len, tag);
	secret_wipe(keying, sizeof(keying));
	if (r < 0)
		return r;
	blob_wr_put(w, AUTH_MAGIC, sizeof(AUTH_MAGIC));
	blob_wr_cstr(w, cipher->name);
	blob_wr_cstr(w, encrypted ? "bcrypt" : "none");
	blob_wr_str(w, opt.p, opt.len);
	blob_wr_u32(w, 1);
	blob_wr_str(w, kf->key->blob, kf->key->blob_len);
	blob_wr_str(w, section->p, section->len);
	blob_wr_put(w, tag, cipher->tag_len);
	return w->bad ? -ENOBUFS : 0;
}

int kf_openssh_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	bool encrypt = o->passphrase != NULL && *o->passphrase != '\0';
	const char *name = !encrypt ? "none" : o->cipher != NULL ? o->cipher : DEFAULT_CIPHER;
	const struct seal_cipher *cipher =
		seal_cipher_find((struct blob_str){(const uint8_t *)name, strlen(name)});
	uint8_t *section, *bytes;
	struct blob_wr section_wr, bytes_wr;
	int r = -ENOMEM;

	if (cipher == NULL || (encrypt && cipher->openssl == NULL))
		return -ENOTSUP;
	section = secret_new(2 * KEY_PRIVATE_MAX);
	bytes = secret_new(4 * KEY_PRIVATE_MAX);
	section_wr = blob_wr_init(section, 2 * KEY_PRIVATE_MAX);
	bytes_wr = blob_wr_init(bytes, 4 * KEY_PRIVATE_MAX);
	if (section != NULL && bytes != NULL)
		r = section_build(kf, cipher->block_len, &section_wr);
	if (r == 0)
		r = container_build(kf, o, cipher, &section_wr, &bytes_wr);
	if (r == 0)
		kf_put_pem(w, LABEL, bytes_wr.p, bytes_wr.len, LINE_LEN);
	secret_free(section, 2 * KEY_PRIVATE_MAX);
	secret_free(bytes, 4 * KEY_PRIVATE_MAX);
	return r;
}

/*
 * crypto/keyfile/ppk.c - PuTTY's private keys, versions 2 and 3 (appendix C of PuTTY's manual).
 *
 * The MAC is over the type, the cipher's name, the comment and both halves of the key, the private
 * one in plain text; nothing of them is looked at before it is right. Version 3 is written.
 */
#include <argon2.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/hmac.h>

#include "crypto/fips.h"
#include "crypto/hash.h"
#include "crypto/keyfile/internal.h"
#include "crypto/secret.h"

#define MARK        "PuTTY-User-Key-File-"
#define CIPHER      "aes256-cbc"
#define MAC_KEY_V2  "putty-private-key-file-mac-key"
#define BLOCK       16
#define KEY_LEN     32
#define IV_LEN      16
#define MAC_KEY_MAX 32
#define MAC_MAX     32
#define SALT_MAX    128
#define LINES_MAX   1024
#define LINE_LEN    64
#define MEMORY_KIB  8192 /* what puttygen writes */
#define PASSES      13
#define LANES       1
#define SALT_LEN    16

struct ppk {
	int version;
	struct blob_str type, cipher, comment, public64, private64, mac;
	argon2_type kind;
	uint32_t memory_kib, passes, lanes;
	uint8_t salt[SALT_MAX];
	size_t salt_len;
};

/* What a passphrase gives: the cipher's key and IV, the MAC's key. */
struct keying {
	uint8_t key[KEY_LEN], iv[IV_LEN], mac_key[MAC_KEY_MAX];
	size_t mac_key_len;
};

static bool encrypted(const struct ppk *p)
{
	return blob_str_is(p->cipher, CIPHER);
}

/* --- the text --------------------------------------------------------------------------- */

/* "Name: value"; sets r bad when the line is another one. */
static struct blob_str field(struct blob_rd *r, const char *name)
{
	struct blob_str line = {(const uint8_t *)"", 0};
	size_t n = strlen(name);

	if (!kf_line(r, &line) || !kf_starts(line, name) || line.len < n + 2 || line.p[n] != ':' ||
	    line.p[n + 1] != ' ') {
		r->bad = true;
		return (struct blob_str){(const uint8_t *)"", 0};
	}
	return (struct blob_str){line.p + n + 2, line.len - n - 2};
}

static uint32_t number_field(struct blob_rd *r, const char *name, uint32_t max)
{
	struct blob_str s = field(r, name);
	uint64_t v = 0;

	if (s.len == 0 || s.len > 9)
		r->bad = true;
	for (size_t i = 0; i < s.len && !r->bad; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			r->bad = true;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > max)
		r->bad = true;
	return (uint32_t)v;
}

/* So many lines of base64, as one text. */
static struct blob_str lines(struct blob_rd *r, const char *name)
{
	uint32_t n = number_field(r, name, LINES_MAX);
	const uint8_t *start = r->p;
	struct blob_str line;

	for (uint32_t i = 0; i < n && !r->bad; i++)
		if (!kf_line(r, &line))
			r->bad = true;
	return (struct blob_str){start, (size_t)(r->p - start)};
}

static int argon2_fields(struct kf_ctx *c, struct blob_rd *r, struct ppk *p)
{
	struct blob_str kind = field(r, "Key-Derivation"), salt;

	if (blob_str_is(kind, "Argon2id"))
		p->kind = Argon2_id;
	else if (blob_str_is(kind, "Argon2i"))
		p->kind = Argon2_i;
	else if (blob_str_is(kind, "Argon2d"))
		p->kind = Argon2_d;
	else
		return -EBADMSG;
	p->memory_kib = number_field(r, "Argon2-Memory", UINT32_MAX);
	p->passes = number_field(r, "Argon2-Passes", UINT32_MAX);
	p->lanes = number_field(r, "Argon2-Parallelism", UINT32_MAX);
	salt = field(r, "Argon2-Salt");
	if (r->bad || p->memory_kib == 0 || p->passes == 0 || p->lanes == 0 ||
	    kf_hex(salt, p->salt, sizeof(p->salt), &p->salt_len) < 0)
		return -EBADMSG;
	if (p->memory_kib > KEYFILE_ARGON2_KIB_MAX || p->lanes > KEYFILE_ARGON2_LANES_MAX ||
	    p->passes > KEYFILE_ARGON2_WORK_MAX / p->memory_kib)
		return kf_fail(c, -ENOTSUP,
			       "Argon2 with %u KiB and %u passes is more than is allowed",
			       p->memory_kib, p->passes);
	return 0;
}

static int text_parse(struct kf_ctx *c, struct blob_str s, struct ppk *p)
{
	struct blob_rd r = blob_rd_init(s.p, s.len);
	struct blob_str rest;
	int err = 0;

	if (kf_starts(s, MARK "1"))
		return kf_fail(c, -EMEDIUMTYPE,
			       "a PuTTY key of version 1: convert it with a newer puttygen");
	p->version = kf_starts(s, MARK "3") ? 3 : 2;
	p->type = field(&r, p->version == 3 ? MARK "3" : MARK "2");
	p->cipher = field(&r, "Encryption");
	p->comment = field(&r, "Comment");
	p->public64 = lines(&r, "Public-Lines");
	if (!r.bad && !encrypted(p) && !blob_str_is(p->cipher, "none"))
		return kf_fail(c, -ENOTSUP, "its cipher is not known");
	if (!r.bad && p->version == 3 && encrypted(p))
		err = argon2_fields(c, &r, p);
	if (err < 0)
		return err;
	p->private64 = lines(&r, "Private-Lines");
	p->mac = field(&r, "Private-MAC");
	while (!r.bad && kf_line(&r, &rest))
		if (kf_trim(rest).len > 0)
			r.bad = true;
	return r.bad ? -EBADMSG : 0;
}

/* --- passphrase, cipher, MAC ------------------------------------------------------------ */

static int keying_v2(bool sealed, const char *pass, size_t pass_len, struct keying *k)
{
	static const uint8_t counter[2][4] = {{0}, {0, 0, 0, 1}};
	struct hash_piece mac[] = {{MAC_KEY_V2, strlen(MAC_KEY_V2)}, {pass, sealed ? pass_len : 0}};
	uint8_t digest[2][20];
	int r;

	r = hash_digest(HASH_SHA1, mac, 2, k->mac_key);
	k->mac_key_len = sizeof(digest[0]);
	for (int i = 0; i < 2 && r == 0 && sealed; i++) {
		struct hash_piece part[] = {{counter[i], 4}, {pass, pass_len}};

		r = hash_digest(HASH_SHA1, part, 2, digest[i]);
	}
	if (r == 0 && sealed)
		memcpy(k->key, digest, KEY_LEN);
	secret_wipe(digest, sizeof(digest));
	return r;
}

/* An explorer is to find faults of the parser, not to derive keys. */
#ifdef SLUICE_FUZZING
static int argon2(const struct ppk *p, const char *pass, size_t pass_len, uint8_t *out, size_t len)
{
	memset(out, pass_len > 0 ? pass[0] : 0, len);
	out[0] ^= p->salt[0];
	return 0;
}
#else
static int argon2(const struct ppk *p, const char *pass, size_t pass_len, uint8_t *out, size_t len)
{
	if (fips_on())
		return -ENOTSUP;
	switch (argon2_hash(p->passes, p->memory_kib, p->lanes, pass, pass_len, p->salt,
			    p->salt_len, out, len, NULL, 0, p->kind, ARGON2_VERSION_13)) {
	case ARGON2_OK:
		return 0;
	case ARGON2_MEMORY_ALLOCATION_ERROR:
		return -ENOMEM;
	default:
		return -EBADMSG; /* parameters: a salt too short, less memory than lanes need */
	}
}
#endif

static int keying_v3(const struct ppk *p, const char *pass, size_t pass_len, struct keying *k)
{
	uint8_t out[KEY_LEN + IV_LEN + MAC_KEY_MAX];
	int r = 0;

	if (!encrypted(p)) /* the MAC's key is empty: it guards against accidents alone */
		return 0;
	r = argon2(p, pass, pass_len, out, sizeof(out));
	if (r == 0) {
		memcpy(k->key, out, KEY_LEN);
		memcpy(k->iv, out + KEY_LEN, IV_LEN);
		memcpy(k->mac_key, out + KEY_LEN + IV_LEN, MAC_KEY_MAX);
		k->mac_key_len = MAC_KEY_MAX;
	}
	secret_wipe(out, sizeof(out));
	return r;
}

static int crypt(const struct keying *k, bool seal, uint8_t *p, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0, r = -EIO;

	if (ctx != NULL &&
	    EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, k->key, k->iv, seal ? 1 : 0) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	    EVP_CipherUpdate(ctx, p, &n, p, (int)len) == 1 && n == (int)len &&
	    EVP_CipherFinal_ex(ctx, p + n, &last) == 1 && last == 0)
		r = 0;
	EVP_CIPHER_CTX_free(ctx);
	return r;
}

static int mac_make(const struct ppk *p, const struct keying *k, struct blob_str public,
		    struct blob_str private, uint8_t ret[MAC_MAX], size_t *ret_len)
{
	size_t size =
		5 * 4 + p->type.len + p->cipher.len + p->comment.len + public.len + private.len;
	uint8_t *buf = secret_new(size);
	struct blob_wr w = blob_wr_init(buf, size);
	unsigned int n = 0;
	int r = -ENOMEM;

	if (buf == NULL)
		return r;
	blob_wr_str(&w, p->type.p, p->type.len);
	blob_wr_str(&w, p->cipher.p, p->cipher.len);
	blob_wr_str(&w, p->comment.p, p->comment.len);
	blob_wr_str(&w, public.p, public.len);
	blob_wr_str(&w, private.p, private.len);
	r = !w.bad && HMAC(p->version == 3 ? EVP_sha256() : EVP_sha1(), k->mac_key,
			   (int)k->mac_key_len, w.p, w.len, ret, &n) != NULL
		    ? 0
		    : -EIO;
	*ret_len = n;
	secret_free(buf, size);
	return r;
}

static int mac_check(const struct ppk *p, const struct keying *k, struct blob_str public,
		     struct blob_str private)
{
	uint8_t want[MAC_MAX], have[MAC_MAX];
	size_t want_len = 0, have_len = 0;
	int r;

	r = kf_hex(p->mac, have, sizeof(have), &have_len);
	if (r == 0)
		r = mac_make(p, k, public, private, want, &want_len);
	if (r < 0)
		return r;
	if (want_len != have_len || !secret_equal(want, have, want_len))
		return encrypted(p) ? -EKEYREJECTED : -EBADMSG;
	return 0;
}

/* --- the key ---------------------------------------------------------------------------- */

static int rsa_make(struct blob_rd *pub, struct blob_rd *priv, struct key **ret)
{
	struct blob_str e = blob_rd_positive(pub), n = blob_rd_positive(pub);
	struct blob_str d = blob_rd_positive(priv), p = blob_rd_positive(priv);
	struct blob_str q = blob_rd_positive(priv), iqmp = blob_rd_positive(priv);

	if (!blob_rd_done(pub) || priv->bad)
		return -EBADMSG;
	return kf_private_numbers("ssh-rsa", (struct blob_str[]){n, e, d, iqmp, p, q}, 6, ret);
}

static int dss_make(struct blob_rd *pub, struct blob_rd *priv, struct key **ret)
{
	struct blob_str n[5]; /* p, q, g, y and x */

	for (int i = 0; i < 4; i++)
		n[i] = blob_rd_positive(pub);
	n[4] = blob_rd_positive(priv);
	if (!blob_rd_done(pub) || priv->bad)
		return -EBADMSG;
	return kf_private_numbers("ssh-dss", n, 5, ret);
}

static int ec_make(const struct kf_curve *c, struct blob_rd *pub, struct blob_rd *priv,
		   struct key **ret)
{
	struct blob_str name = blob_rd_str(pub), point = blob_rd_str(pub);
	struct blob_str d = blob_rd_positive(priv);

	if (!blob_rd_done(pub) || priv->bad || !blob_str_is(name, c->ssh) || point.len == 0)
		return -EBADMSG;
	return kf_ec_private(c, point, d, ret);
}

static int type_make(struct blob_str name, struct blob_rd *pub, struct blob_rd *priv,
		     struct key **ret)
{
	const struct kf_curve *curve;
	struct blob_str seed;

	if (blob_str_is(name, "ssh-rsa"))
		return rsa_make(pub, priv, ret);
	if (blob_str_is(name, "ssh-dss"))
		return dss_make(pub, priv, ret);
	for (unsigned int i = 0; (curve = kf_curve_at(i)) != NULL; i++)
		if (blob_str_is(name, curve->type))
			return ec_make(curve, pub, priv, ret);
	seed = blob_rd_str(priv);
	if (priv->bad)
		return -EBADMSG;
	if (blob_str_is(name, "ssh-ed25519"))
		return kf_ed_private("ssh-ed25519", seed, ret);
	if (blob_str_is(name, "ssh-ed448"))
		return kf_ed_private("ssh-ed448", seed, ret);
	return -ENOTSUP;
}

static int key_make(struct kf_ctx *c, const struct ppk *p, struct blob_str public,
		    struct blob_str private)
{
	struct blob_rd pub = blob_rd_init(public.p, public.len);
	struct blob_rd priv = blob_rd_init(private.p, private.len);
	struct blob_str name = blob_rd_str(&pub);
	int r;

	if (name.len != p->type.len || memcmp(name.p, p->type.p, name.len) != 0)
		return -EBADMSG;
	r = type_make(name, &pub, &priv, &c->kf->key);
	if (r < 0)
		return r;
	/* What is left is padding up to the cipher's block. */
	if (priv.bad || (size_t)(priv.end - priv.p) >= BLOCK ||
	    (!encrypted(p) && priv.p != priv.end))
		return -EBADMSG;
	if (c->kf->key->blob_len != public.len ||
	    memcmp(c->kf->key->blob, public.p, public.len) != 0)
		return -EBADMSG;
	return keyfile_comment_set(c->kf, (const char *)p->comment.p, p->comment.len);
}

/* private is opened in place. */
static int halves_parse(struct kf_ctx *c, const struct ppk *p, struct blob_str public,
			uint8_t *private, size_t len)
{
	struct keying k = {0};
	const char *pass = "";
	size_t pass_len = 0;
	int r = 0;

	if (encrypted(p) && (len == 0 || len % BLOCK != 0))
		return -EBADMSG;
	if (encrypted(p))
		r = kf_passphrase(c, &pass, &pass_len);
	if (r == 0)
		r = p->version == 3 ? keying_v3(p, pass, pass_len, &k)
				    : keying_v2(encrypted(p), pass, pass_len, &k);
	if (r == 0 && encrypted(p))
		r = crypt(&k, false, private, len);
	if (r == 0)
		r = mac_check(p, &k, public, (struct blob_str){private, len});
	secret_wipe(&k, sizeof(k));
	return r < 0 ? r : key_make(c, p, public, (struct blob_str){private, len});
}

/* The public half alone, which the MAC guards as well but cannot be asked about. */
static int public_parse(struct kf_ctx *c, const struct ppk *p, struct blob_str public)
{
	int r = key_blob_parse(public.p, public.len, &c->kf->key);

	c->kf->encrypted = true;
	return r < 0 ? r : keyfile_comment_set(c->kf, (const char *)p->comment.p, p->comment.len);
}

int kf_ppk_parse(struct kf_ctx *c, struct blob_str s)
{
	uint8_t *public = NULL, *private = NULL;
	size_t public_len = 0, private_len = 0, public_size = 0, private_size = 0;
	struct ppk p = {0};
	int r;

	c->kf->format = KEYFILE_PPK;
	r = text_parse(c, s, &p);
	if (r < 0)
		return r;
	r = kf_base64(p.public64, &public, &public_len, &public_size);
	if (r == 0 && c->o->public_half && encrypted(&p)) {
		r = public_parse(c, &p, (struct blob_str){public, public_len});
		secret_free(public, public_size);
		return r;
	}
	if (r == 0)
		r = kf_base64(p.private64, &private, &private_len, &private_size);
	if (r == 0)
		r = halves_parse(c, &p, (struct blob_str){public, public_len}, private,
				 private_len);
	secret_free(public, public_size);
	secret_free(private, private_size);
	return r;
}

/* --- writing ---------------------------------------------------------------------------- */

/* The private half out of openssh-key-v1's fields. */
static int private_put(const struct key *k, struct blob_wr *w)
{
	uint8_t *buf = secret_new(KEY_PRIVATE_MAX);
	struct blob_wr fields = blob_wr_init(buf, KEY_PRIVATE_MAX);
	struct blob_rd r;
	struct blob_str s[6];
	int n, err = -ENOMEM;

	if (buf == NULL)
		return err;
	err = k->type->private_build(k->type, k->pkey, &fields);
	r = blob_rd_init(fields.p, fields.len);
	for (n = 0; n < 6 && err == 0 && r.p < r.end; n++)
		s[n] = blob_rd_str(&r);
	if (err == 0 && (fields.bad || !blob_rd_done(&r)))
		err = -EIO;
	if (err == 0 && n == 6) { /* n e d iqmp p q */
		blob_wr_str(w, s[2].p, s[2].len);
		blob_wr_str(w, s[4].p, s[4].len);
		blob_wr_str(w, s[5].p, s[5].len);
		blob_wr_str(w, s[3].p, s[3].len);
	} else if (err == 0 && n == 2) { /* the point; the seed and the point again */
		blob_wr_str(w, s[1].p, s[1].len / 2);
	} else if (err == 0) { /* the last number: x, or d */
		blob_wr_str(w, s[n - 1].p, s[n - 1].len);
	}
	secret_free(buf, KEY_PRIVATE_MAX);
	return err;
}

/* "If the private key is encrypted, padding is added, taken from the SHA-1 of what is there". */
static int pad(struct blob_wr *w)
{
	struct hash_piece all = {w->p, w->len};
	uint8_t digest[HASH_LEN_MAX];
	int r = hash_digest(HASH_SHA1, &all, 1, digest);

	if (r == 0)
		blob_wr_put(w, digest, (BLOCK - w->len % BLOCK) % BLOCK);
	return r;
}

static int argon2_choose(const struct keyfile_out *o, struct ppk *p)
{
	p->kind = Argon2_id;
	p->memory_kib = MEMORY_KIB;
	p->passes = o->rounds != 0 ? o->rounds : PASSES;
	p->lanes = LANES;
	p->salt_len = SALT_LEN;
	return crypto_random(p->salt, SALT_LEN);
}

static void hex_put(struct blob_wr *w, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		kf_printf(w, "%02x", p[i]);
	kf_puts(w, "\n");
}

static void text_build(const struct ppk *p, const struct key *k, const struct blob_wr *private,
		       struct blob_wr *w)
{
	size_t step = LINE_LEN / 4 * 3;

	kf_printf(w, MARK "3: %.*s\nEncryption: %.*s\nComment: %.*s\nPublic-Lines: %zu\n",
		  (int)p->type.len, (const char *)p->type.p, (int)p->cipher.len,
		  (const char *)p->cipher.p, (int)p->comment.len, (const char *)p->comment.p,
		  (k->blob_len + step - 1) / step);
	kf_put_base64(w, k->blob, k->blob_len, LINE_LEN);
	if (encrypted(p)) {
		kf_printf(w,
			  "Key-Derivation: Argon2id\nArgon2-Memory: %u\nArgon2-Passes: %u\n"
			  "Argon2-Parallelism: %u\nArgon2-Salt: ",
			  p->memory_kib, p->passes, p->lanes);
		hex_put(w, p->salt, p->salt_len);
	}
	kf_printf(w, "Private-Lines: %zu\n", (private->len + step - 1) / step);
	kf_put_base64(w, private->p, private->len, LINE_LEN);
}

static struct blob_str str(const char *s)
{
	return (struct blob_str){(const uint8_t *)s, strlen(s)};
}

static int ppk_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *private,
		     struct blob_wr *w)
{
	bool seal = o->passphrase != NULL && *o->passphrase != '\0';
	struct ppk p = {.version = 3,
			.type = str(kf->key->type->name),
			.cipher = str(seal ? CIPHER : "none"),
			.comment = str(kf->comment)};
	uint8_t mac[MAC_MAX];
	struct keying k = {0};
	size_t mac_len = 0;
	int r;

	r = private_put(kf->key, private);
	if (r == 0 && seal)
		r = pad(private);
	if (r == 0 && seal)
		r = argon2_choose(o, &p);
	if (r == 0)
		r = private->bad
			    ? -ENOTSUP
			    : keying_v3(&p, o->passphrase, seal ? strlen(o->passphrase) : 0, &k);
	if (r == 0)
		r = mac_make(&p, &k, (struct blob_str){kf->key->blob, kf->key->blob_len},
			     (struct blob_str){private->p, private->len}, mac, &mac_len);
	if (r == 0 && seal)
		r = crypt(&k, true, private->p, private->len);
	secret_wipe(&k, sizeof(k));
	if (r < 0)
		return r;
	text_build(&p, kf->key, private, w);
	kf_puts(w, "Private-MAC: ");
	hex_put(w, mac, mac_len);
	return 0;
}

int kf_ppk_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	uint8_t *buf = secret_new(KEY_PRIVATE_MAX);
	struct blob_wr private = blob_wr_init(buf, KEY_PRIVATE_MAX);
	int r;

	if (buf == NULL)
		return -ENOMEM;
	r = ppk_build(kf, o, &private, w);
	secret_free(buf, KEY_PRIVATE_MAX);
	return r;
}

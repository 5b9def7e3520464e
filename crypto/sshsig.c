#include "crypto/sshsig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "crypto/base64.h"
#include "crypto/blob.h"

#define MAGIC     "SSHSIG"
#define MAGIC_LEN 6
#define VERSION   1
#define BEGIN     "-----BEGIN SSH SIGNATURE-----"
#define END       "-----END SSH SIGNATURE-----"
#define LINE_LEN  70 /* of the armour */
#define BLOB_MAX  (KEY_BLOB_MAX + KEY_SIG_MAX + SSHSIG_NAMESPACE_MAX + 64)
#define READ_LEN  65536

static const struct {
	const char *name;
	enum hash_alg alg;
} hashes[] = {{"sha512", HASH_SHA512}, {"sha256", HASH_SHA256}};

enum hash_alg sshsig_hash_find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (strlen(hashes[i].name) == len && memcmp(hashes[i].name, name, len) == 0)
			return hashes[i].alg;
	return 0;
}

static const char *hash_name(enum hash_alg alg)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].alg == alg)
			return hashes[i].name;
	return NULL;
}

/* What is signed, which is never a message of SSH: those begin with a length or a session id. */
static size_t signed_data(const char *ns, enum hash_alg hash, const uint8_t *digest,
			  uint8_t buf[MAGIC_LEN + SSHSIG_NAMESPACE_MAX + HASH_LEN_MAX + 64])
{
	struct blob_wr w = blob_wr_init(buf, MAGIC_LEN + SSHSIG_NAMESPACE_MAX + HASH_LEN_MAX + 64);

	blob_wr_put(&w, MAGIC, MAGIC_LEN);
	blob_wr_cstr(&w, ns);
	blob_wr_cstr(&w, ""); /* reserved */
	blob_wr_cstr(&w, hash_name(hash));
	blob_wr_str(&w, digest, hash_len(hash));
	return w.bad ? 0 : w.len;
}

/* --- reading ---------------------------------------------------------------------------- */

/* The bytes between the two lines. */
static int armour_open(const char *text, size_t len, uint8_t *blob, size_t *ret_len)
{
	static const char begin[] = BEGIN "\n", end[] = "\n" END;
	const char *stop;

	if (len > SSHSIG_TEXT_MAX || len < sizeof(begin) - 1 ||
	    memcmp(text, begin, sizeof(begin) - 1) != 0)
		return -EBADMSG;
	text += sizeof(begin) - 1;
	len -= sizeof(begin) - 1;
	stop = memmem(text, len, end, sizeof(end) - 1);
	if (stop == NULL || base64_decode(text, (size_t)(stop - text), blob, BLOB_MAX, ret_len) < 0)
		return -EBADMSG;
	return 0;
}

/* Which algorithm made it stands in the signature; SHA-1 is none of this format's. */
static const char *alg_of(const struct sshsig *s)
{
	struct blob_rd r = blob_rd_init(s->sig, s->sig_len);
	struct blob_str name = blob_rd_str(&r);
	const char *alg;

	for (unsigned int i = 0; (alg = key_sig_alg_of(key_plain(s->key), i)) != NULL; i++)
		if (blob_str_is(name, alg))
			return strcmp(alg, "ssh-rsa") == 0 || strcmp(alg, "ssh-dss") == 0 ? NULL
											  : alg;
	return NULL;
}

static int fields_read(struct sshsig *s, const uint8_t *blob, size_t len)
{
	struct blob_rd r = blob_rd_init(blob, len);
	const uint8_t *magic = blob_rd_take(&r, MAGIC_LEN);
	uint32_t version = blob_rd_u32(&r);
	struct blob_str key = blob_rd_str(&r), ns, hash, sig;

	if (r.bad || memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	if (version != VERSION)
		return -ENOTSUP;
	ns = blob_rd_str(&r);
	(void)blob_rd_str(&r); /* reserved: "implementations should ignore" */
	hash = blob_rd_str(&r);
	sig = blob_rd_str(&r);
	if (!blob_rd_done(&r) || ns.len == 0 || ns.len > SSHSIG_NAMESPACE_MAX ||
	    memchr(ns.p, '\0', ns.len) != NULL || sig.len > sizeof(s->sig))
		return -EBADMSG;
	s->hash = sshsig_hash_find((const char *)hash.p, hash.len);
	if (s->hash == 0)
		return -ENOTSUP;
	memcpy(s->ns, ns.p, ns.len);
	memcpy(s->sig, sig.p, sig.len);
	s->sig_len = sig.len;
	return key_blob_parse_any(key.p, key.len, &s->key);
}

int sshsig_parse(const char *text, size_t len, struct sshsig **ret)
{
	uint8_t *blob = malloc(BLOB_MAX);
	struct sshsig *s = calloc(1, sizeof(*s));
	size_t blob_len;
	int r = blob == NULL || s == NULL ? -ENOMEM : armour_open(text, len, blob, &blob_len);

	if (r == 0)
		r = fields_read(s, blob, blob_len);
	free(blob);
	if (r < 0) {
		sshsig_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sshsig_free(struct sshsig *s)
{
	if (s == NULL)
		return;
	key_free(s->key);
	free(s);
}

int sshsig_verify(const struct sshsig *s, const char *ns, const uint8_t *digest)
{
	uint8_t data[MAGIC_LEN + SSHSIG_NAMESPACE_MAX + HASH_LEN_MAX + 64];
	size_t len = signed_data(s->ns, s->hash, digest, data);
	const char *alg = alg_of(s);

	if (strcmp(ns, s->ns) != 0)
		return -EPERM;
	if (alg == NULL || len == 0)
		return -EBADMSG;
	return key_verify(key_plain(s->key), alg, s->sig, s->sig_len, data, len);
}

/* --- writing ---------------------------------------------------------------------------- */

static int armour_close(const uint8_t *blob, size_t len, char *buf, size_t *ret_len)
{
	size_t n = base64_len(len), lines = (n + LINE_LEN - 1) / LINE_LEN;
	size_t all = sizeof(BEGIN) + n + lines + sizeof(END);
	char *text, *p = buf;

	if (all >= *ret_len)
		return -ENOBUFS;
	text = malloc(n);
	if (text == NULL)
		return -ENOMEM;
	base64_encode(blob, len, text);
	p = stpcpy(p, BEGIN "\n");
	for (size_t at = 0; at < n; at += LINE_LEN) {
		size_t k = n - at < LINE_LEN ? n - at : LINE_LEN;

		p = mempcpy(p, text + at, k);
		*p++ = '\n';
	}
	free(text);
	p = stpcpy(p, END "\n");
	*ret_len = (size_t)(p - buf);
	return 0;
}

int sshsig_sign(const struct key *k, const char *ns, enum hash_alg hash, const uint8_t *digest,
		char *buf, size_t *ret_len)
{
	uint8_t data[MAGIC_LEN + SSHSIG_NAMESPACE_MAX + HASH_LEN_MAX + 64], sig[KEY_SIG_MAX];
	size_t len, sig_len = sizeof(sig), key_len;
	const char *alg = key_sig_alg_of(k, 0);
	const uint8_t *key = key_blob(k, &key_len);
	struct blob_wr w;
	uint8_t *blob;
	int r;

	if (*ns == '\0' || strlen(ns) > SSHSIG_NAMESPACE_MAX || hash_name(hash) == NULL ||
	    alg == NULL || strcmp(alg, "ssh-dss") == 0)
		return -EINVAL;
	len = signed_data(ns, hash, digest, data);
	r = len == 0 ? -EINVAL : key_sign(k, alg, data, len, sig, &sig_len);
	if (r < 0)
		return r;
	blob = malloc(BLOB_MAX);
	if (blob == NULL)
		return -ENOMEM;
	w = blob_wr_init(blob, BLOB_MAX);
	blob_wr_put(&w, MAGIC, MAGIC_LEN);
	blob_wr_u32(&w, VERSION);
	blob_wr_str(&w, key, key_len);
	blob_wr_cstr(&w, ns);
	blob_wr_cstr(&w, "");
	blob_wr_cstr(&w, hash_name(hash));
	blob_wr_str(&w, sig, sig_len);
	r = w.bad ? -ENOBUFS : armour_close(blob, w.len, buf, ret_len);
	free(blob);
	return r;
}

int sshsig_digest_fd(enum hash_alg alg, int fd, uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *buf = malloc(READ_LEN);
	ssize_t n = -1;
	int r = -EIO;

	if (buf != NULL && ctx != NULL &&
	    EVP_DigestInit_ex(ctx, alg == HASH_SHA256 ? EVP_sha256() : EVP_sha512(), NULL) == 1) {
		r = 0;
		while (r == 0 && (n = read(fd, buf, READ_LEN)) > 0)
			r = EVP_DigestUpdate(ctx, buf, (size_t)n) == 1 ? 0 : -EIO;
		if (n < 0)
			r = -errno;
		if (r == 0 && EVP_DigestFinal_ex(ctx, out, NULL) != 1)
			r = -EIO;
	}
	free(buf);
	EVP_MD_CTX_free(ctx);
	return r;
}

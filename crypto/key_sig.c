/* crypto/key_sig.c - signatures: which algorithm fits which key, making, verifying. */
#include <errno.h>

#include <openssl/err.h>

#include "crypto/key_internal.h"

/* For each type the best first; those of SHA-1 are in no default list. */
static const struct sig_alg {
	const char *name;
	const struct key_type *type;
	const EVP_MD *(*md)(void); /* NULL: the algorithm hashes by itself */
} algs[] = {
	{"ssh-ed25519", &key_type_ed25519, NULL},
	{"ecdsa-sha2-nistp256", &key_type_ecdsa_p256, EVP_sha256},
	{"ecdsa-sha2-nistp384", &key_type_ecdsa_p384, EVP_sha384},
	{"ecdsa-sha2-nistp521", &key_type_ecdsa_p521, EVP_sha512},
	{"rsa-sha2-512", &key_type_rsa, EVP_sha512},
	{"rsa-sha2-256", &key_type_rsa, EVP_sha256},
	{"ssh-ed448", &key_type_ed448, NULL},
	{"ssh-rsa", &key_type_rsa, EVP_sha1},
	{"ssh-dss", &key_type_dss, EVP_sha1},
};

#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

/* NULL too when the algorithm is known but belongs to another type of key (S-34). */
static const struct sig_alg *alg_for(const struct key *k, const char *name)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (strcmp(algs[i].name, name) == 0 && algs[i].type == k->type)
			return &algs[i];
	return NULL;
}

bool key_sig_alg_fits(const struct key *k, const char *sig_alg)
{
	return alg_for(k, sig_alg) != NULL;
}

const char *key_sig_alg_at(unsigned int i)
{
	return i < N_ALGS ? algs[i].name : NULL;
}

const char *key_sig_alg_of(const struct key *k, unsigned int n)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (algs[i].type == k->type && n-- == 0)
			return algs[i].name;
	return NULL;
}

static int raw_sign(const struct sig_alg *alg, EVP_PKEY *pkey, const uint8_t *data, size_t len,
		    uint8_t *raw, size_t *ret_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t raw_len = KEY_SIG_MAX;
	int r = -EIO;

	if (ctx == NULL)
		return -ENOMEM;
	if (EVP_DigestSignInit(ctx, NULL, alg->md == NULL ? NULL : alg->md(), NULL, pkey) == 1 &&
	    EVP_DigestSign(ctx, raw, &raw_len, data, len) == 1) {
		*ret_len = raw_len;
		r = 0;
	}
	EVP_MD_CTX_free(ctx);
	return r;
}

int key_sign(const struct key *k, const char *sig_alg, const uint8_t *data, size_t len,
	     uint8_t *ret_sig, size_t *ret_len)
{
	const struct sig_alg *alg = alg_for(k, sig_alg);
	uint8_t raw[KEY_SIG_MAX], wire[KEY_SIG_MAX];
	struct blob_wr inner = blob_wr_init(wire, sizeof(wire));
	struct blob_wr out = blob_wr_init(ret_sig, KEY_SIG_MAX);
	size_t raw_len = 0;
	int r;

	if (alg == NULL || !k->is_private)
		return -EINVAL;
	r = raw_sign(alg, k->pkey, data, len, raw, &raw_len);
	if (r == 0)
		r = k->type->sig_to_wire(k->type, raw, raw_len, &inner);
	if (r < 0) {
		ERR_clear_error();
		return r;
	}
	blob_wr_cstr(&out, alg->name);
	blob_wr_str(&out, inner.p, inner.len);
	if (inner.bad || out.bad)
		return -EIO;
	*ret_len = out.len;
	return 0;
}

/* OpenSSL says 1 for a good signature, 0 for a bad one and less for trouble: only 1 counts. */
static int raw_verify(const struct sig_alg *alg, EVP_PKEY *pkey, const uint8_t *raw, size_t raw_len,
		      const uint8_t *data, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = -EBADMSG;

	if (ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, alg->md == NULL ? NULL : alg->md(), NULL, pkey) == 1 &&
	    EVP_DigestVerify(ctx, raw, raw_len, data, len) == 1)
		r = 0;
	EVP_MD_CTX_free(ctx);
	return r;
}

int key_verify(const struct key *k, const char *sig_alg, const uint8_t *sig, size_t sig_len,
	       const uint8_t *data, size_t len)
{
	const struct sig_alg *alg = alg_for(k, sig_alg);
	struct blob_rd rd = blob_rd_init(sig, sig_len);
	struct blob_str name = blob_rd_str(&rd);
	struct blob_str wire = blob_rd_str(&rd);
	uint8_t raw[KEY_SIG_MAX];
	size_t raw_len = 0;
	int r;

	if (alg == NULL || !blob_rd_done(&rd) || !blob_str_is(name, alg->name))
		return -EBADMSG;
	r = k->type->sig_from_wire(k->type, k->pkey, wire, raw, &raw_len);
	if (r == 0)
		r = raw_verify(alg, k->pkey, raw, raw_len, data, len);
	if (r == 0)
		return 0;
	ERR_clear_error();
	return -EBADMSG;
}

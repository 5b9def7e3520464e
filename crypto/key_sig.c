/* crypto/key_sig.c - signatures: which algorithm fits which key, making, verifying. */
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "crypto/fips.h"
#include "crypto/key_internal.h"

#define CERT(name) name "-cert-v01@openssh.com"

/* For each type the best first; those of SHA-1 are in no default list. */
static const struct sig_alg {
	const char *name;
	const struct key_type *type;
	enum key_form form;
	const char *plain;         /* the name inside a signature; NULL: the same */
	const EVP_MD *(*md)(void); /* NULL: the algorithm hashes by itself */
	bool webauthn;             /* a browser wrapped what is signed */
} algs[] = {
	{"ssh-ed25519", &key_type_ed25519, KEY_PLAIN, NULL, NULL, false},
	{CERT("ssh-ed25519"), &key_type_ed25519, KEY_CERT, "ssh-ed25519", NULL, false},
	{"ecdsa-sha2-nistp256", &key_type_ecdsa_p256, KEY_PLAIN, NULL, EVP_sha256, false},
	{"ecdsa-sha2-nistp384", &key_type_ecdsa_p384, KEY_PLAIN, NULL, EVP_sha384, false},
	{"ecdsa-sha2-nistp521", &key_type_ecdsa_p521, KEY_PLAIN, NULL, EVP_sha512, false},
	{CERT("ecdsa-sha2-nistp256"), &key_type_ecdsa_p256, KEY_CERT, "ecdsa-sha2-nistp256",
	 EVP_sha256, false},
	{CERT("ecdsa-sha2-nistp384"), &key_type_ecdsa_p384, KEY_CERT, "ecdsa-sha2-nistp384",
	 EVP_sha384, false},
	{CERT("ecdsa-sha2-nistp521"), &key_type_ecdsa_p521, KEY_CERT, "ecdsa-sha2-nistp521",
	 EVP_sha512, false},
	{"sk-ssh-ed25519@openssh.com", &key_type_sk_ed25519, KEY_PLAIN, NULL, NULL, false},
	{CERT("sk-ssh-ed25519"), &key_type_sk_ed25519, KEY_CERT, "sk-ssh-ed25519@openssh.com", NULL,
	 false},
	{"sk-ecdsa-sha2-nistp256@openssh.com", &key_type_sk_ecdsa, KEY_PLAIN, NULL, EVP_sha256,
	 false},
	{CERT("sk-ecdsa-sha2-nistp256"), &key_type_sk_ecdsa, KEY_CERT,
	 "sk-ecdsa-sha2-nistp256@openssh.com", EVP_sha256, false},
	{"webauthn-sk-ecdsa-sha2-nistp256@openssh.com", &key_type_sk_ecdsa, KEY_PLAIN, NULL,
	 EVP_sha256, true},
	{CERT("webauthn-sk-ecdsa-sha2-nistp256"), &key_type_sk_ecdsa, KEY_CERT,
	 "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", EVP_sha256, true},
	{"rsa-sha2-512", &key_type_rsa, KEY_PLAIN, NULL, EVP_sha512, false},
	{"rsa-sha2-256", &key_type_rsa, KEY_PLAIN, NULL, EVP_sha256, false},
	{CERT("rsa-sha2-512"), &key_type_rsa, KEY_CERT, "rsa-sha2-512", EVP_sha512, false},
	{CERT("rsa-sha2-256"), &key_type_rsa, KEY_CERT, "rsa-sha2-256", EVP_sha256, false},
	{"ssh-ed448", &key_type_ed448, KEY_PLAIN, NULL, NULL, false},
	{"x509v3-ecdsa-sha2-nistp256", &key_type_ecdsa_p256, KEY_X509, "ecdsa-sha2-nistp256",
	 EVP_sha256, false},
	{"x509v3-ecdsa-sha2-nistp384", &key_type_ecdsa_p384, KEY_X509, "ecdsa-sha2-nistp384",
	 EVP_sha384, false},
	{"x509v3-ecdsa-sha2-nistp521", &key_type_ecdsa_p521, KEY_X509, "ecdsa-sha2-nistp521",
	 EVP_sha512, false},
	{"x509v3-rsa2048-sha256", &key_type_rsa, KEY_X509, "rsa2048-sha256", EVP_sha256, false},
	{"x509v3-ssh-rsa", &key_type_rsa, KEY_X509, "ssh-rsa", EVP_sha1, false},
	{"x509v3-ssh-dss", &key_type_dss, KEY_X509, "ssh-dss", EVP_sha1, false},
	{"x509v3-sign-rsa", &key_type_rsa, KEY_X509_BARE, NULL, EVP_sha1, false},
	{"x509v3-sign-dss", &key_type_dss, KEY_X509_BARE, NULL, EVP_sha1, false},
	{"ssh-rsa", &key_type_rsa, KEY_PLAIN, NULL, EVP_sha1, false},
	{CERT("ssh-rsa"), &key_type_rsa, KEY_CERT, "ssh-rsa", EVP_sha1, false},
	{"ssh-dss", &key_type_dss, KEY_PLAIN, NULL, EVP_sha1, false},
	{CERT("ssh-dss"), &key_type_dss, KEY_CERT, "ssh-dss", EVP_sha1, false},
};

#define N_ALGS (sizeof(algs) / sizeof(algs[0]))

/* What only the key below an X.509 certificate signs by, in the certificate's name. */
static const struct sig_alg below[] = {
	{"rsa2048-sha256", &key_type_rsa, KEY_PLAIN, NULL, EVP_sha256, false},
	{"x509v3-sign-rsa", &key_type_rsa, KEY_PLAIN, NULL, EVP_sha1, false},
	{"x509v3-sign-dss", &key_type_dss, KEY_PLAIN, NULL, EVP_sha1, false},
};

static const char *plain_name(const struct sig_alg *alg)
{
	return alg->plain != NULL ? alg->plain : alg->name;
}

/* Of X.509 keys the blob names the algorithm itself. */
static bool fits(const struct sig_alg *alg, const struct key *k)
{
	if (alg->type != k->type || alg->form != k->form || !fips_allows(alg->name))
		return false;
	return k->x509 == NULL || strcmp(alg->name, key_x509_type(k)) == 0;
}

/* NULL too when the algorithm is known but belongs to another type of key (S-34). */
static const struct sig_alg *alg_for(const struct key *k, const char *name)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (strcmp(algs[i].name, name) == 0 && fits(&algs[i], k))
			return &algs[i];
	return NULL;
}

bool key_sig_alg_fits(const struct key *k, const char *sig_alg)
{
	return alg_for(k, sig_alg) != NULL;
}

static const struct sig_alg *alg_to_sign(const struct key *k, const char *name)
{
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		if (strcmp(below[i].name, name) == 0 && fits(&below[i], k))
			return &below[i];
	return alg_for(k, name);
}

bool key_signs_as(const struct key *k, const char *sig_alg)
{
	return alg_to_sign(k, sig_alg) != NULL;
}

const char *key_sig_alg_at(unsigned int i)
{
	return i < N_ALGS ? algs[i].name : NULL;
}

const char *key_sig_alg_plain(const char *sig_alg)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (strcmp(algs[i].name, sig_alg) == 0)
			return plain_name(&algs[i]);
	return NULL;
}

bool key_sig_alg_is_legacy(const char *sig_alg)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (strcmp(algs[i].name, sig_alg) == 0)
			return algs[i].md == EVP_sha1;
	return false;
}

int key_blob_parse_for(const char *sig_alg, const uint8_t *blob, size_t len, struct key **ret)
{
	const struct sig_alg *alg = NULL;
	struct key *k = NULL;
	int r;

	for (size_t i = 0; i < N_ALGS && alg == NULL; i++)
		if (strcmp(algs[i].name, sig_alg) == 0)
			alg = &algs[i];
	if (alg == NULL)
		return -ENOTSUP;
	if (alg->form == KEY_X509 || alg->form == KEY_X509_BARE)
		r = key_x509_parse(sig_alg, blob, len, &k);
	else if (alg->form == KEY_CERT)
		r = len > KEY_BLOB_MAX ? -EBADMSG : key_cert_parse(alg->type, blob, len, &k);
	else
		r = key_blob_parse(blob, len, &k);
	if (r == 0 && !fits(alg, k)) {
		key_free(k);
		return -EBADMSG;
	}
	if (r == 0)
		*ret = k;
	return r;
}

const char *key_sig_alg_of(const struct key *k, unsigned int n)
{
	for (size_t i = 0; i < N_ALGS; i++)
		if (fits(&algs[i], k) && n-- == 0)
			return algs[i].name;
	return NULL;
}

static int raw_sign(const struct sig_alg *alg, EVP_PKEY *pkey, const uint8_t *data, size_t len,
		    uint8_t *raw, size_t *ret_len)
{
	size_t raw_len = KEY_SIG_MAX;
	EVP_MD_CTX *ctx;
	int r = -EIO;

	if (alg->type->sign != NULL)
		return alg->type->sign(pkey, data, len, raw, ret_len);
	ctx = EVP_MD_CTX_new();
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
	const struct sig_alg *alg = alg_to_sign(k, sig_alg);
	uint8_t raw[KEY_SIG_MAX], wire[KEY_SIG_MAX];
	struct blob_wr inner = blob_wr_init(wire, sizeof(wire));
	struct blob_wr out = blob_wr_init(ret_sig, KEY_SIG_MAX);
	size_t raw_len = 0;
	int r;

	if (alg == NULL || !k->is_private)
		return -EINVAL;
	if (k->remote != NULL)
		r = k->remote->sign(k->remote_arg, alg->md == NULL ? NULL : alg->md(), data, len,
				    raw, &raw_len);
	else
		r = raw_sign(alg, k->pkey, data, len, raw, &raw_len);
	if (r == 0)
		r = k->type->sig_to_wire(k->type, raw, raw_len, &inner);
	if (r < 0) {
		ERR_clear_error();
		return r;
	}
	blob_wr_cstr(&out, plain_name(alg));
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
	EVP_MD_CTX *ctx;
	int r = -EBADMSG;

	if (alg->type->verify != NULL)
		return alg->type->verify(pkey, raw, raw_len, data, len);
	ctx = EVP_MD_CTX_new();
	if (ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, alg->md == NULL ? NULL : alg->md(), NULL, pkey) == 1 &&
	    EVP_DigestVerify(ctx, raw, raw_len, data, len) == 1)
		r = 0;
	EVP_MD_CTX_free(ctx);
	return r;
}

/* A signature blob, taken apart. What stands behind wire only security keys have. */
struct sig_parts {
	struct blob_str name, wire;
	struct key_sk_sig sk;
};

static int sig_parse(const struct sig_alg *alg, const uint8_t *sig, size_t len,
		     struct sig_parts *ret)
{
	struct blob_rd rd = blob_rd_init(sig, len);
	struct sig_parts s = {.name = blob_rd_str(&rd)};

	s.wire = blob_rd_str(&rd);
	if (alg->type->sk)
		key_sk_sig_parse(&rd, alg->webauthn, &s.sk);
	if (!blob_rd_done(&rd) || !blob_str_is(s.name, plain_name(alg)))
		return -EBADMSG;
	*ret = s;
	return 0;
}

static int verify_sk(const struct sig_alg *alg, const struct key *k, const struct sig_parts *s,
		     const uint8_t *raw, size_t raw_len, const uint8_t *data, size_t len)
{
	uint8_t *signed_data = NULL;
	size_t signed_len = 0;
	int r;

	r = key_sk_signed(key_plain(k), &s->sk, alg->webauthn, data, len, &signed_data,
			  &signed_len);
	if (r == 0)
		r = raw_verify(alg, k->pkey, raw, raw_len, signed_data, signed_len);
	free(signed_data);
	return r;
}

int key_verify_presence(const struct key *k, const char *sig_alg, const uint8_t *sig,
			size_t sig_len, const uint8_t *data, size_t len, struct key_presence *ret)
{
	const struct sig_alg *alg = alg_for(k, sig_alg);
	struct sig_parts s;
	uint8_t raw[KEY_SIG_MAX];
	size_t raw_len = 0;
	int r;

	if (alg == NULL || sig_parse(alg, sig, sig_len, &s) < 0)
		return -EBADMSG;
	r = k->type->sig_from_wire(k->type, k->pkey, s.wire, raw, &raw_len);
	if (r == 0)
		r = alg->type->sk ? verify_sk(alg, k, &s, raw, raw_len, data, len)
				  : raw_verify(alg, k->pkey, raw, raw_len, data, len);
	if (r < 0) {
		ERR_clear_error();
		return -EBADMSG;
	}
	*ret = (struct key_presence){alg->type->sk, s.sk.flags, s.sk.counter};
	return 0;
}

int key_verify(const struct key *k, const char *sig_alg, const uint8_t *sig, size_t sig_len,
	       const uint8_t *data, size_t len)
{
	struct key_presence p;
	int r = key_verify_presence(k, sig_alg, sig, sig_len, data, len, &p);

	if (r == 0 && p.sk && (p.flags & KEY_USER_PRESENT) == 0)
		return -EBADMSG;
	return r;
}

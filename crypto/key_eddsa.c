/* crypto/key_eddsa.c - ssh-ed25519 and ssh-ed448 (RFC 8709). */
#include <errno.h>

#include "crypto/curve25519.h"
#include "crypto/key_internal.h"
#include "crypto/secret.h"

#define PUBLIC_MAX 57 /* of Ed448; its seeds are as long */

struct curve {
	int id;         /* OpenSSL's */
	const char *is; /* and its name */
	size_t len;     /* of a public key, and of a seed */
	size_t sig_len;
	unsigned int bits; /* as people call it: OpenSSL says 253 and 456 */
};

static const struct curve ed25519 = {EVP_PKEY_ED25519, "ED25519", 32, 64, 256};
static const struct curve ed448 = {EVP_PKEY_ED448, "ED448", PUBLIC_MAX, 114, 448};

static const struct curve *curve_of(const struct key_type *t)
{
	return t->param;
}

static int eddsa_public_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	const struct curve *c = curve_of(t);
	struct blob_str pk = blob_rd_str(r);
	EVP_PKEY *pkey;

	if (!blob_rd_done(r) || pk.len != c->len)
		return -EBADMSG;
	pkey = EVP_PKEY_new_raw_public_key(c->id, NULL, pk.p, pk.len);
	if (pkey == NULL)
		return -EBADMSG;
	*ret = pkey;
	return 0;
}

static int public_get(const struct curve *c, EVP_PKEY *pkey, uint8_t pk[PUBLIC_MAX])
{
	size_t len = PUBLIC_MAX;

	return EVP_PKEY_get_raw_public_key(pkey, pk, &len) == 1 && len == c->len ? 0 : -EIO;
}

static int eddsa_public_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	uint8_t pk[PUBLIC_MAX];
	int r = public_get(curve_of(t), pkey, pk);

	if (r < 0)
		return r;
	blob_wr_cstr(w, t->name);
	blob_wr_str(w, pk, curve_of(t)->len);
	return 0;
}

/* The public key stands there twice, alone and behind the seed; both must be the seed's. */
static int eddsa_private_parse(const struct key_type *t, struct blob_rd *r, EVP_PKEY **ret)
{
	const struct curve *c = curve_of(t);
	struct blob_str pk = blob_rd_str(r);
	struct blob_str sk = blob_rd_str(r);
	uint8_t own[PUBLIC_MAX];
	EVP_PKEY *pkey;

	if (r->bad || pk.len != c->len || sk.len != 2 * c->len)
		return -EBADMSG;
	pkey = EVP_PKEY_new_raw_private_key(c->id, NULL, sk.p, c->len);
	if (pkey == NULL)
		return -EBADMSG;
	if (public_get(c, pkey, own) < 0 || memcmp(own, pk.p, c->len) != 0 ||
	    memcmp(own, sk.p + c->len, c->len) != 0) {
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	*ret = pkey;
	return 0;
}

static int eddsa_private_build(const struct key_type *t, EVP_PKEY *pkey, struct blob_wr *w)
{
	const struct curve *c = curve_of(t);
	uint8_t sk[2 * PUBLIC_MAX];
	size_t len = c->len;
	int r;

	r = public_get(c, pkey, sk + c->len);
	if (r < 0)
		return r;
	if (EVP_PKEY_get_raw_private_key(pkey, sk, &len) != 1 || len != c->len)
		r = -EIO;
	if (r == 0) {
		blob_wr_str(w, sk + c->len, c->len);
		blob_wr_str(w, sk, 2 * c->len);
	}
	secret_wipe(sk, sizeof(sk));
	return r;
}

static bool eddsa_is(const struct key_type *t, EVP_PKEY *pkey)
{
	return EVP_PKEY_is_a(pkey, curve_of(t)->is) == 1;
}

static int eddsa_generate(const struct key_type *t, unsigned int bits, EVP_PKEY **ret)
{
	const struct curve *c = curve_of(t);
	uint8_t seed[PUBLIC_MAX];
	int r;

	if (bits != 0 && bits != c->bits)
		return -EINVAL;
	r = crypto_random(seed, c->len);
	if (r < 0)
		return r;
	*ret = EVP_PKEY_new_raw_private_key(c->id, NULL, seed, c->len);
	secret_wipe(seed, sizeof(seed));
	return *ret == NULL ? -EIO : 0;
}

static unsigned int eddsa_bits(const struct key_type *t, EVP_PKEY *pkey)
{
	(void)pkey;
	return curve_of(t)->bits;
}

static int eddsa_sig_to_wire(const struct key_type *t, const uint8_t *raw, size_t raw_len,
			     struct blob_wr *w)
{
	if (raw_len != curve_of(t)->sig_len)
		return -EIO;
	blob_wr_put(w, raw, raw_len);
	return 0;
}

static int eddsa_sig_from_wire(const struct key_type *t, EVP_PKEY *pkey, struct blob_str sig,
			       uint8_t *raw, size_t *ret_len)
{
	(void)pkey;
	if (sig.len != curve_of(t)->sig_len)
		return -EBADMSG;
	memcpy(raw, sig.p, sig.len);
	*ret_len = sig.len;
	return 0;
}

static int ed25519_pkey_sign(EVP_PKEY *pkey, const uint8_t *data, size_t len, uint8_t *raw,
			     size_t *ret_len)
{
	uint8_t seed[PUBLIC_MAX], pk[PUBLIC_MAX];
	size_t seed_len = ED25519_LEN;
	int r = public_get(&ed25519, pkey, pk);

	if (r == 0 &&
	    (EVP_PKEY_get_raw_private_key(pkey, seed, &seed_len) != 1 || seed_len != ED25519_LEN))
		r = -EIO;
	if (r == 0)
		r = ed25519_sign(seed, pk, data, len, raw);
	if (r == 0)
		*ret_len = ED25519_SIG_LEN;
	secret_wipe(seed, sizeof(seed));
	return r;
}

int key_ed25519_verify(EVP_PKEY *pkey, const uint8_t *raw, size_t raw_len, const uint8_t *data,
		       size_t len)
{
	uint8_t pk[PUBLIC_MAX];

	if (raw_len != ED25519_SIG_LEN || public_get(&ed25519, pkey, pk) < 0)
		return -EBADMSG;
	return ed25519_verify(pk, raw, data, len);
}

#define EDDSA                                                                                      \
	.public_fields = 1, .public_parse = eddsa_public_parse,                                    \
	.public_build = eddsa_public_build, .private_parse = eddsa_private_parse,                  \
	.private_build = eddsa_private_build, .is = eddsa_is, .generate = eddsa_generate,          \
	.bits = eddsa_bits, .sig_to_wire = eddsa_sig_to_wire, .sig_from_wire = eddsa_sig_from_wire

const struct key_type key_type_ed25519 = {
	.name = "ssh-ed25519",
	.log_name = "ED25519",
	.cert_name = "ssh-ed25519-cert-v01@openssh.com",
	.cert_log_name = "ED25519-CERT",
	.param = &ed25519,
	.sign = ed25519_pkey_sign,
	.verify = key_ed25519_verify,
	EDDSA,
};

const struct key_type key_type_ed448 = {
	.name = "ssh-ed448",
	.log_name = "ED448",
	.param = &ed448,
	EDDSA,
};

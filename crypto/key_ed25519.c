/* crypto/key_ed25519.c - ssh-ed25519 (RFC 8709). */
#include <errno.h>

#include "crypto/key_internal.h"
#include "crypto/secret.h"

#define ED25519_PUBLIC_LEN 32
#define ED25519_SEED_LEN   32
#define ED25519_SIG_LEN    64

static int ed25519_public_parse(struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_str pk = blob_rd_str(r);
	EVP_PKEY *pkey;

	if (!blob_rd_done(r) || pk.len != ED25519_PUBLIC_LEN)
		return -EBADMSG;
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pk.p, pk.len);
	if (pkey == NULL)
		return -EBADMSG;
	*ret = pkey;
	return 0;
}

static int ed25519_public_get(EVP_PKEY *pkey, uint8_t pk[ED25519_PUBLIC_LEN])
{
	size_t len = ED25519_PUBLIC_LEN;

	if (EVP_PKEY_get_raw_public_key(pkey, pk, &len) != 1 || len != ED25519_PUBLIC_LEN)
		return -EIO;
	return 0;
}

static int ed25519_public_build(EVP_PKEY *pkey, struct blob_wr *w)
{
	uint8_t pk[ED25519_PUBLIC_LEN];
	int r = ed25519_public_get(pkey, pk);

	if (r < 0)
		return r;
	blob_wr_cstr(w, key_type_ed25519.name);
	blob_wr_str(w, pk, sizeof(pk));
	return 0;
}

/* The public key stands there twice, alone and behind the seed; both must be the seed's. */
static int ed25519_private_parse(struct blob_rd *r, EVP_PKEY **ret)
{
	struct blob_str pk = blob_rd_str(r);
	struct blob_str sk = blob_rd_str(r);
	uint8_t own[ED25519_PUBLIC_LEN];
	EVP_PKEY *pkey;

	if (r->bad || pk.len != ED25519_PUBLIC_LEN ||
	    sk.len != ED25519_SEED_LEN + ED25519_PUBLIC_LEN)
		return -EBADMSG;
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, sk.p, ED25519_SEED_LEN);
	if (pkey == NULL)
		return -EBADMSG;
	if (ed25519_public_get(pkey, own) < 0 || memcmp(own, pk.p, sizeof(own)) != 0 ||
	    memcmp(own, sk.p + ED25519_SEED_LEN, sizeof(own)) != 0) {
		EVP_PKEY_free(pkey);
		return -EBADMSG;
	}
	*ret = pkey;
	return 0;
}

static int ed25519_private_build(EVP_PKEY *pkey, struct blob_wr *w)
{
	uint8_t sk[ED25519_SEED_LEN + ED25519_PUBLIC_LEN];
	size_t len = ED25519_SEED_LEN;
	int r;

	r = ed25519_public_get(pkey, sk + ED25519_SEED_LEN);
	if (r < 0)
		return r;
	if (EVP_PKEY_get_raw_private_key(pkey, sk, &len) != 1 || len != ED25519_SEED_LEN)
		r = -EIO;
	if (r == 0) {
		blob_wr_str(w, sk + ED25519_SEED_LEN, ED25519_PUBLIC_LEN);
		blob_wr_str(w, sk, sizeof(sk));
	}
	secret_wipe(sk, sizeof(sk));
	return r;
}

static bool ed25519_is(EVP_PKEY *pkey)
{
	return EVP_PKEY_is_a(pkey, "ED25519") == 1;
}

static int ed25519_generate(unsigned int bits, EVP_PKEY **ret)
{
	uint8_t seed[ED25519_SEED_LEN];
	int r;

	if (bits != 0 && bits != 256)
		return -EINVAL;
	r = crypto_random(seed, sizeof(seed));
	if (r < 0)
		return r;
	*ret = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	secret_wipe(seed, sizeof(seed));
	return *ret == NULL ? -EIO : 0;
}

static int ed25519_sig_to_wire(const uint8_t *raw, size_t raw_len, struct blob_wr *w)
{
	if (raw_len != ED25519_SIG_LEN)
		return -EIO;
	blob_wr_put(w, raw, raw_len);
	return 0;
}

static int ed25519_sig_from_wire(EVP_PKEY *pkey, struct blob_str sig, uint8_t *raw, size_t *ret_len)
{
	(void)pkey;
	if (sig.len != ED25519_SIG_LEN)
		return -EBADMSG;
	memcpy(raw, sig.p, sig.len);
	*ret_len = sig.len;
	return 0;
}

const struct key_type key_type_ed25519 = {
	.name = "ssh-ed25519",
	.log_name = "ED25519",
	.public_parse = ed25519_public_parse,
	.public_build = ed25519_public_build,
	.private_parse = ed25519_private_parse,
	.private_build = ed25519_private_build,
	.is = ed25519_is,
	.generate = ed25519_generate,
	.sig_to_wire = ed25519_sig_to_wire,
	.sig_from_wire = ed25519_sig_from_wire,
};

/*
 * crypto/keyfile/pfx.c - PKCS#12 (RFC 7292): keys and certificates under one password, the keys
 * under another one where they have it.
 *
 * The MAC is checked before anything is opened. Every derivation's rounds are looked at before
 * it is made, which PKCS12_parse() would not do; so the bags are walked here.
 */
#include <errno.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "crypto/keyfile/asn1.h"
#include "crypto/keyfile/certs.h"
#include "crypto/keyfile/pbe.h"
#include "crypto/secret.h"

#define KEYS_MAX  16
#define DEPTH_MAX 4 /* bags in bags */
/* An explorer is to find faults of the parser, not to derive keys. */
#ifdef SLUICE_FUZZING
#define PFX_ROUNDS_MAX 64
#else
#define PFX_ROUNDS_MAX KEYFILE_PBKDF2_ROUNDS_MAX
#endif
#define ROUNDS   100000
#define MAC_SALT 16

/* The keys found; which one is meant is known when the certificates are. */
struct bag_keys {
	struct key *key[KEYS_MAX];
	unsigned int n;
};

static int key_keep(struct bag_keys *keys, struct blob_str der)
{
	int r;

	if (keys->n == KEYS_MAX || der.len > KF_DER_MAX)
		return -ENOTSUP;
	r = asn1_pkcs8(der, &keys->key[keys->n]);
	if (r == 0)
		keys->n++;
	return r == -ENOTSUP ? 0 : r; /* a key of another kind than SSH has */
}

static int plain_key(struct bag_keys *keys, const PKCS12_SAFEBAG *bag)
{
	unsigned char *der = NULL;
	int len = i2d_PKCS8_PRIV_KEY_INFO(PKCS12_SAFEBAG_get0_p8inf(bag), &der), r;

	if (len <= 0)
		return -EBADMSG;
	r = key_keep(keys, (struct blob_str){der, (size_t)len});
	OPENSSL_clear_free(der, (size_t)len);
	return r;
}

static int sealed_key(struct kf_ctx *c, struct bag_keys *keys, const PKCS12_SAFEBAG *bag)
{
	const ASN1_OCTET_STRING *sealed;
	const X509_ALGOR *alg;
	uint8_t *plain = NULL;
	size_t len = 0;
	int r;

	X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &alg, &sealed);
	c->within = true;
	r = pbe_open(c, alg,
		     (struct blob_str){ASN1_STRING_get0_data(sealed),
				       (size_t)ASN1_STRING_length(sealed)},
		     &plain, &len);
	c->within = false;
	if (r < 0)
		return r;
	r = key_keep(keys, (struct blob_str){plain, len});
	OPENSSL_clear_free(plain, len);
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

static int cert_bag(struct kf_ctx *c, const PKCS12_SAFEBAG *bag)
{
	X509 *x;
	int r;

	if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
		return 0;
	x = PKCS12_SAFEBAG_get1_cert(bag);
	if (x == NULL)
		return -EBADMSG;
	r = certs_add(c, x);
	X509_free(x);
	return r;
}

static int bags_walk(struct kf_ctx *c, struct bag_keys *keys, const STACK_OF(PKCS12_SAFEBAG) * bags,
		     unsigned int depth)
{
	int r = 0;

	if (depth == DEPTH_MAX)
		return -ENOTSUP;
	for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags) && r == 0; i++) {
		const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);

		switch (PKCS12_SAFEBAG_get_nid(bag)) {
		case NID_keyBag:
			r = plain_key(keys, bag);
			break;
		case NID_pkcs8ShroudedKeyBag:
			r = sealed_key(c, keys, bag);
			break;
		case NID_certBag:
			r = cert_bag(c, bag);
			break;
		case NID_safeContentsBag:
			r = bags_walk(c, keys, PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
			break;
		default:
			break;
		}
	}
	return r;
}

/* One content: bags as they are, or encrypted ones. */
static int content_walk(struct kf_ctx *c, struct bag_keys *keys, PKCS7 *content)
{
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	PKCS7_ENC_CONTENT *enc;
	const char *pass;
	size_t pass_len;
	int r;

	if (PKCS7_type_is_data(content)) {
		bags = PKCS12_unpack_p7data(content);
	} else if (PKCS7_type_is_encrypted(content) && content->d.encrypted != NULL) {
		enc = content->d.encrypted->enc_data;
		r = enc == NULL || enc->algorithm == NULL ? -EBADMSG
							  : pbe_bounded(c, enc->algorithm);
		if (r == 0)
			r = kf_passphrase(c, &pass, &pass_len);
		if (r < 0)
			return r;
		bags = PKCS12_unpack_p7encdata(content, pass, (int)pass_len);
	}
	if (bags == NULL)
		return -EBADMSG;
	r = bags_walk(c, keys, bags, 0);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return r;
}

static int mac_check(struct kf_ctx *c, PKCS12 *p12)
{
	const ASN1_INTEGER *rounds = NULL;
	const char *pass;
	size_t pass_len;
	int64_t n = 1;
	int r;

	if (PKCS12_mac_present(p12) != 1)
		return kf_fail(c, -ENOTSUP, "a PKCS#12 file without a MAC");
	PKCS12_get0_mac(NULL, NULL, NULL, &rounds, p12);
	if (rounds != NULL && (ASN1_INTEGER_get_int64(&n, rounds) != 1 || n < 1))
		return -EBADMSG;
	if (n > PFX_ROUNDS_MAX)
		return kf_fail(c, -ENOTSUP, "%lld rounds of key derivation are more than %d",
			       (long long)n, PFX_ROUNDS_MAX);
	r = kf_passphrase(c, &pass, &pass_len);
	if (r < 0)
		return r;
	if (PKCS12_verify_mac(p12, pass, (int)pass_len) == 1)
		return 0;
	/* An empty password is written in two ways. */
	if (pass_len == 0 && PKCS12_verify_mac(p12, NULL, 0) == 1)
		return 0;
	return -EKEYREJECTED;
}

static int safes_walk(struct kf_ctx *c, PKCS12 *p12, struct bag_keys *keys)
{
	STACK_OF(PKCS7) * safes;
	int r;

	r = mac_check(c, p12);
	if (r < 0)
		return r;
	safes = PKCS12_unpack_authsafes(p12);
	if (safes == NULL)
		return -EBADMSG;
	for (int i = 0; i < sk_PKCS7_num(safes) && r == 0; i++)
		r = content_walk(c, keys, sk_PKCS7_value(safes, i));
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return r;
}

/* The key of the certificate that is asked for; the first when none is. */
static int key_choose(struct kf_ctx *c, struct bag_keys *keys)
{
	struct key *pub = NULL;
	int at, r = -ESRCH;

	if (!certs_asked(c) && keys->n > 0) {
		c->kf->key = keys->key[0];
		keys->key[0] = NULL;
		return 0;
	}
	at = certs_choose(c);
	if (at < 0)
		return at;
	r = certs_key(&c->kf->cert[at], &pub);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < keys->n && c->kf->key == NULL; i++)
		if (key_equal(pub, keys->key[i])) {
			c->kf->key = keys->key[i];
			keys->key[i] = NULL;
		}
	if (c->kf->key == NULL && keys->n == 0) { /* certificates alone */
		c->kf->key = pub;
		return 0;
	}
	key_free(pub);
	return c->kf->key == NULL ? -ESRCH : 0;
}

/* In the context where the old ciphers are, which is the only thing it is for. */
static PKCS12 *p12_read(struct blob_str s)
{
	PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, pbe_legacy(), NULL);
	const unsigned char *p = s.p;

	if (p12 == NULL)
		return NULL;
	if (d2i_PKCS12(&p12, &p, (long)s.len) == NULL || p != s.p + s.len) {
		PKCS12_free(p12);
		return NULL;
	}
	return p12;
}

int kf_pfx_parse(struct kf_ctx *c, struct blob_str s)
{
	struct bag_keys keys = {0};
	PKCS12 *p12 = p12_read(s);
	int r;

	ERR_clear_error();
	if (p12 == NULL)
		return -EBADMSG;
	c->kf->format = KEYFILE_PFX;
	r = safes_walk(c, p12, &keys);
	PKCS12_free(p12);
	if (r == 0)
		r = key_choose(c, &keys);
	for (unsigned int i = 0; i < keys.n; i++)
		key_free(keys.key[i]);
	ERR_clear_error();
	return r;
}

/* --- writing ---------------------------------------------------------------------------- */

/* The file's certificates: the key's own apart, all others in chain. */
static int certs_take(const struct keyfile *kf, STACK_OF(X509) * chain, X509 **own)
{
	for (unsigned int i = 0; i < kf->n_certs; i++) {
		const unsigned char *p = kf->cert[i].der;
		X509 *x = d2i_X509(NULL, &p, (long)kf->cert[i].len);

		if (x == NULL)
			return -EIO;
		if (i == 0 && X509_check_private_key(x, kf->key->pkey) == 1) {
			*own = x;
		} else if (sk_X509_push(chain, x) <= 0) {
			X509_free(x);
			return -ENOMEM;
		}
	}
	return 0;
}

int kf_pfx_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	int rounds = o->rounds != 0 ? (int)o->rounds : ROUNDS;
	const char *pass = o->passphrase != NULL ? o->passphrase : "";
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *own = NULL;
	PKCS12 *p12 = NULL;
	unsigned char *der = NULL;
	int len, r = chain == NULL ? -ENOMEM : certs_take(kf, chain, &own);

	if (r == 0) {
		p12 = PKCS12_create(pass, *kf->comment != '\0' ? kf->comment : NULL, kf->key->pkey,
				    own, chain, NID_aes_256_cbc, NID_aes_256_cbc, rounds, -1, 0);
		r = -EIO;
	}
	if (p12 != NULL &&
	    PKCS12_set_mac(p12, pass, -1, NULL, MAC_SALT, rounds, EVP_sha256()) == 1) {
		len = i2d_PKCS12(p12, &der);
		if (len > 0) {
			blob_wr_put(w, der, (size_t)len);
			r = 0;
		}
	}
	OPENSSL_free(der);
	PKCS12_free(p12);
	X509_free(own);
	sk_X509_pop_free(chain, X509_free);
	return r;
}

/*
 * tests/interop/sk_soft.c - a security key in software, as ssh's SecurityKeyProvider.
 *
 * Source  OpenSSH PROTOCOL.u2f; the middleware interface, version 10.
 * Keys    the handle is the private key itself: there is nothing to keep safe here.
 * Person  a touch is always given when it is asked for; who is to be verified has to say 1234.
 *
 * What is signed: SHA-256 of the application, flags, a counter, SHA-256 of the message.
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SK_VERSION  0x000a0000
#define ALG_ECDSA   0
#define ALG_ED25519 1

#define FLAG_USER_PRESENCE     0x01
#define FLAG_USER_VERIFICATION 0x04

#define ERR_GENERAL      -1
#define ERR_UNSUPPORTED  -2
#define ERR_PIN_REQUIRED -3

#define SCALAR_LEN 32
#define POINT_LEN  65

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

struct sk_option;
struct sk_resident_key;

uint32_t sk_api_version(void);
int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application,
	      uint8_t flags, const char *pin, struct sk_option **options,
	      struct sk_enroll_response **ret);
int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
	    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
	    struct sk_option **options, struct sk_sign_response **ret);
int sk_load_resident_keys(const char *pin, struct sk_option **options,
			  struct sk_resident_key ***ret, size_t *ret_n);

uint32_t sk_api_version(void)
{
	return SK_VERSION;
}

static uint8_t *copy(const void *p, size_t n)
{
	uint8_t *out = malloc(n);

	if (out != NULL)
		memcpy(out, p, n);
	return out;
}

static int enroll_ed25519(struct sk_enroll_response *r)
{
	uint8_t priv[SCALAR_LEN], pub[SCALAR_LEN];
	size_t n = sizeof(priv), m = sizeof(pub);
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	int ok = k != NULL && EVP_PKEY_get_raw_private_key(k, priv, &n) == 1 &&
		 EVP_PKEY_get_raw_public_key(k, pub, &m) == 1;

	EVP_PKEY_free(k);
	if (!ok)
		return ERR_GENERAL;
	r->public_key = copy(pub, r->public_key_len = m);
	r->key_handle = copy(priv, r->key_handle_len = n);
	return 0;
}

/* The handle is the scalar and the point behind it, so that signing need not multiply. */
static int enroll_ecdsa(struct sk_enroll_response *r)
{
	uint8_t handle[SCALAR_LEN + POINT_LEN];
	EVP_PKEY *k = EVP_EC_gen("P-256");
	BIGNUM *d = NULL;
	size_t n = 0;
	int ok = k != NULL && EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
		 BN_bn2binpad(d, handle, SCALAR_LEN) == SCALAR_LEN &&
		 EVP_PKEY_get_octet_string_param(k, OSSL_PKEY_PARAM_PUB_KEY, handle + SCALAR_LEN,
						 POINT_LEN, &n) == 1 &&
		 n == POINT_LEN;

	BN_free(d);
	EVP_PKEY_free(k);
	if (!ok)
		return ERR_GENERAL;
	r->public_key = copy(handle + SCALAR_LEN, r->public_key_len = POINT_LEN);
	r->key_handle = copy(handle, r->key_handle_len = sizeof(handle));
	return 0;
}

/* An attestation nobody looks at: who made the key is no question here. */
int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application,
	      uint8_t flags, const char *pin, struct sk_option **options,
	      struct sk_enroll_response **ret)
{
	struct sk_enroll_response *r = calloc(1, sizeof(*r));
	int err = ERR_UNSUPPORTED;

	(void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
	if (r == NULL)
		return ERR_GENERAL;
	if (alg == ALG_ED25519)
		err = enroll_ed25519(r);
	else if (alg == ALG_ECDSA)
		err = enroll_ecdsa(r);
	if (err < 0) {
		free(r);
		return err;
	}
	r->flags = flags;
	*ret = r;
	return 0;
}

static EVP_PKEY *ecdsa_key(const uint8_t *handle, size_t len)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *d = len == SCALAR_LEN + POINT_LEN ? BN_bin2bn(handle, SCALAR_LEN, NULL) : NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *k = NULL;

	if (d != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, handle + SCALAR_LEN,
					     POINT_LEN) == 1 &&
	    (params = OSSL_PARAM_BLD_to_param(bld)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_KEYPAIR, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	return k;
}

static int sign(EVP_PKEY *k, const EVP_MD *md, const uint8_t *data, size_t len, uint8_t *sig,
		size_t *sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = k != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, md, NULL, k) == 1 &&
		 EVP_DigestSign(ctx, sig, sig_len, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return ok ? 0 : ERR_GENERAL;
}

static int give_ecdsa(const uint8_t *der, size_t len, struct sk_sign_response *r)
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)len);
	uint8_t buf[SCALAR_LEN];

	if (s == NULL)
		return ERR_GENERAL;
	r->sig_r_len = (size_t)BN_bn2bin(ECDSA_SIG_get0_r(s), buf);
	r->sig_r = copy(buf, r->sig_r_len);
	r->sig_s_len = (size_t)BN_bn2bin(ECDSA_SIG_get0_s(s), buf);
	r->sig_s = copy(buf, r->sig_s_len);
	ECDSA_SIG_free(s);
	return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
	    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
	    struct sk_option **options, struct sk_sign_response **ret)
{
	uint8_t text[2 * SHA256_DIGEST_LENGTH + 5], *p = text, sig[256];
	size_t len = sizeof(sig);
	struct sk_sign_response *r;
	int err;

	(void)options;
	if ((flags & FLAG_USER_VERIFICATION) && (pin == NULL || strcmp(pin, "1234") != 0))
		return ERR_PIN_REQUIRED;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return ERR_GENERAL;
	r->flags = flags & (FLAG_USER_PRESENCE | FLAG_USER_VERIFICATION);
	r->counter = (uint32_t)time(NULL);
	SHA256((const uint8_t *)application, strlen(application), p);
	p += SHA256_DIGEST_LENGTH;
	*p++ = r->flags;
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(r->counter >> shift);
	SHA256(data, data_len, p);
	if (alg == ALG_ED25519) {
		err = sign(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, handle, handle_len),
			   NULL, text, sizeof(text), sig, &len);
		if (err == 0)
			r->sig_r = copy(sig, r->sig_r_len = len);
	} else {
		err = sign(ecdsa_key(handle, handle_len), EVP_sha256(), text, sizeof(text), sig,
			   &len);
		if (err == 0)
			err = give_ecdsa(sig, len, r);
	}
	if (err < 0) {
		free(r);
		return err;
	}
	*ret = r;
	return 0;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options,
			  struct sk_resident_key ***ret, size_t *ret_n)
{
	(void)pin, (void)options, (void)ret, (void)ret_n;
	return ERR_UNSUPPORTED;
}

/* crypto/keyfile/pbe.c - encryption by passphrase in PKCS#8, PKCS#12 and PEM. */
#include "crypto/keyfile/pbe.h"

#include <errno.h>
#include <pthread.h>

#include <openssl/err.h>
#include <openssl/provider.h>

#include "crypto/keyfile/der.h"
#include "crypto/secret.h"

#define PBKDF2_ROUNDS 600000
#define SALT_LEN      16
#define BLOCK_MAX     16

/* An explorer is to find faults of the parsers, not to derive keys. */
#ifdef SLUICE_FUZZING
#define ROUNDS_MAX 64
#define WORK_MAX   4096
#else
#define ROUNDS_MAX KEYFILE_PBKDF2_ROUNDS_MAX
#define WORK_MAX   KEYFILE_SCRYPT_WORK_MAX
#endif

/* --- bounds ----------------------------------------------------------------------------- */

static int rounds_ok(struct kf_ctx *c, const ASN1_INTEGER *rounds)
{
	int64_t n = 0;

	if (rounds == NULL || ASN1_INTEGER_get_int64(&n, rounds) != 1 || n < 1)
		return -EBADMSG;
	if (n > ROUNDS_MAX)
		return kf_fail(c, -ENOTSUP, "%lld rounds of key derivation are more than %d",
			       (long long)n, ROUNDS_MAX);
	return 0;
}

static int pbkdf2_ok(struct kf_ctx *c, const ASN1_TYPE *parameter)
{
	PBKDF2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), parameter);
	int r = p == NULL ? -EBADMSG : rounds_ok(c, p->iter);

	PBKDF2PARAM_free(p);
	return r;
}

static int scrypt_ok(struct kf_ctx *c, const ASN1_TYPE *parameter)
{
	SCRYPT_PARAMS *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), parameter);
	uint64_t n = 0, r = 0, lanes = 0;
	int err = -EBADMSG;

	if (p != NULL && ASN1_INTEGER_get_uint64(&n, p->costParameter) == 1 &&
	    ASN1_INTEGER_get_uint64(&r, p->blockSize) == 1 &&
	    ASN1_INTEGER_get_uint64(&lanes, p->parallelizationParameter) == 1 && n > 0 && r > 0 &&
	    lanes > 0)
		err = n > WORK_MAX || r > WORK_MAX / n || lanes > WORK_MAX / n / r ? -ENOTSUP : 0;
	if (err == -ENOTSUP)
		kf_fail(c, err, "scrypt's parameters ask for more than is allowed");
	SCRYPT_PARAMS_free(p);
	return err;
}

static int pbes2_ok(struct kf_ctx *c, const ASN1_TYPE *parameter)
{
	PBE2PARAM *p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), parameter);
	int nid, r = -EBADMSG;

	if (p == NULL)
		return r;
	nid = OBJ_obj2nid(p->keyfunc->algorithm);
	if (nid == NID_id_pbkdf2)
		r = pbkdf2_ok(c, p->keyfunc->parameter);
	else if (nid == NID_id_scrypt)
		r = scrypt_ok(c, p->keyfunc->parameter);
	else
		r = -ENOTSUP;
	PBE2PARAM_free(p);
	return r;
}

int pbe_bounded(struct kf_ctx *c, const X509_ALGOR *alg)
{
	PBEPARAM *p;
	int r;

	if (OBJ_obj2nid(alg->algorithm) == NID_pbes2)
		r = pbes2_ok(c, alg->parameter);
	else {
		p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), alg->parameter);
		r = p == NULL ? -EBADMSG : rounds_ok(c, p->iter);
		PBEPARAM_free(p);
	}
	ERR_clear_error();
	return r;
}

/* --- contexts --------------------------------------------------------------------------- */

static OSSL_LIB_CTX *legacy;

/* Kept for the life of the process, beside the default one, which learns nothing old by it. */
static void legacy_load(void)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

	if (ctx == NULL)
		return;
	if (OSSL_PROVIDER_load(ctx, "default") == NULL ||
	    OSSL_PROVIDER_load(ctx, "legacy") == NULL) {
		OSSL_LIB_CTX_free(ctx);
		return;
	}
	legacy = ctx;
}

OSSL_LIB_CTX *pbe_legacy(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, legacy_load);
	ERR_clear_error();
	return legacy;
}

/* PBES2 names its cipher apart; the older schemes are each for an old one. */
static bool is_old(const X509_ALGOR *alg)
{
	static const int old[] = {NID_des_cbc, NID_rc2_cbc, NID_rc4, NID_bf_cbc, NID_cast5_cbc};
	PBE2PARAM *p;
	int nid = 0;

	if (OBJ_obj2nid(alg->algorithm) != NID_pbes2)
		return true;
	p = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), alg->parameter);
	if (p != NULL)
		nid = OBJ_obj2nid(p->encryption->algorithm);
	PBE2PARAM_free(p);
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		if (nid == old[i])
			return true;
	return false;
}

OSSL_LIB_CTX *pbe_context(const X509_ALGOR *alg)
{
	return is_old(alg) ? pbe_legacy() : NULL;
}

/* --- PKCS#8 ----------------------------------------------------------------------------- */

int pbe_open(struct kf_ctx *c, const X509_ALGOR *alg, struct blob_str sealed, uint8_t **ret,
	     size_t *ret_len)
{
	unsigned char *p = NULL;
	const char *pass;
	size_t pass_len;
	int len = 0, r;

	if (sealed.len == 0 || sealed.len > KF_DER_MAX)
		return -ENOTSUP;
	r = pbe_bounded(c, alg);
	if (r == 0)
		r = kf_passphrase(c, &pass, &pass_len);
	if (r < 0)
		return r;
	p = PKCS12_pbe_crypt_ex(alg, pass, (int)pass_len, sealed.p, (int)sealed.len, &p, &len, 0,
				pbe_context(alg), NULL);
	ERR_clear_error();
	if (p == NULL || len < 0)
		return -EKEYREJECTED;
	*ret = p;
	*ret_len = (size_t)len;
	return 0;
}

static int algor_put(X509_ALGOR *alg, struct blob_wr *w)
{
	unsigned char *der = NULL;
	int len = i2d_X509_ALGOR(alg, &der);

	if (len <= 0)
		return -EIO;
	blob_wr_put(w, der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

int pbe_close(struct blob_str plain, const char *pass, unsigned int rounds, struct blob_wr *w)
{
	uint8_t salt[SALT_LEN];
	unsigned char *sealed = NULL;
	X509_ALGOR *alg = NULL;
	size_t start = w->len;
	int len = 0, r;

	r = crypto_random(salt, sizeof(salt));
	if (r < 0)
		return r;
	r = -EIO;
	alg = PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), rounds != 0 ? (int)rounds : PBKDF2_ROUNDS, salt,
				sizeof(salt), NULL, NID_hmacWithSHA256);
	if (alg != NULL && PKCS12_pbe_crypt(alg, pass, (int)strlen(pass), plain.p, (int)plain.len,
					    &sealed, &len, 1) != NULL)
		r = algor_put(alg, w);
	if (r == 0) {
		der_put(w, DER_OCTET_STRING, sealed, (size_t)len);
		der_wrap(w, start, DER_SEQUENCE);
	}
	OPENSSL_free(sealed);
	X509_ALGOR_free(alg);
	return r;
}

/* --- PEM -------------------------------------------------------------------------------- */

static const char *const pem_ciphers[] = {"AES-256-CBC", "AES-192-CBC", "AES-128-CBC",
					  "DES-EDE3-CBC", "DES-CBC"};

/* The salt of the derivation is the first half of the IV, or all of a short one. */
static int pem_crypt(EVP_CIPHER *cipher, const char *pass, size_t pass_len, const uint8_t *iv,
		     bool seal, uint8_t *p, size_t *len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t key[EVP_MAX_KEY_LENGTH];
	int n = 0, last = 0, r = -EIO;

	if (ctx != NULL &&
	    EVP_BytesToKey(cipher, EVP_md5(), iv, (const unsigned char *)pass, (int)pass_len, 1,
			   key, NULL) > 0 &&
	    EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, seal ? 1 : 0) == 1 &&
	    EVP_CipherUpdate(ctx, p, &n, p, (int)*len) == 1) {
		r = EVP_CipherFinal_ex(ctx, p + n, &last) == 1 ? 0 : seal ? -EIO : -EKEYREJECTED;
		/* Sealed it is whole blocks, the last of them padding at least in part. */
		if (r == 0 && seal &&
		    (size_t)n + (size_t)last != *len + BLOCK_MAX - *len % BLOCK_MAX)
			r = -EIO;
		*len = (size_t)n + (size_t)last;
	}
	secret_wipe(key, sizeof(key));
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int pbe_pem_open(struct kf_ctx *c, struct blob_str dek_info, uint8_t *p, size_t *len)
{
	const uint8_t *comma = memchr(dek_info.p, ',', dek_info.len);
	size_t name_len = comma == NULL ? 0 : (size_t)(comma - dek_info.p), iv_len = 0, pass_len;
	struct blob_str name = {dek_info.p, name_len};
	uint8_t iv[EVP_MAX_IV_LENGTH];
	EVP_CIPHER *cipher = NULL;
	const char *pass;
	int r;

	if (comma == NULL || *len == 0 || *len > KF_DER_MAX)
		return -EBADMSG;
	r = kf_hex(kf_trim((struct blob_str){comma + 1, dek_info.len - name_len - 1}), iv,
		   sizeof(iv), &iv_len);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(pem_ciphers) / sizeof(pem_ciphers[0]); i++)
		if (blob_str_is(name, pem_ciphers[i]))
			cipher = EVP_CIPHER_fetch(
				strcmp(pem_ciphers[i], "DES-CBC") == 0 ? pbe_legacy() : NULL,
				pem_ciphers[i], NULL);
	if (cipher == NULL)
		return kf_fail(c, -ENOTSUP, "cipher \"%.*s\" is not known",
			       name.len > 64 ? 64 : (int)name.len, (const char *)name.p);
	r = (size_t)EVP_CIPHER_get_iv_length(cipher) != iv_len ? -EBADMSG
							       : kf_passphrase(c, &pass, &pass_len);
	if (r == 0)
		r = pem_crypt(cipher, pass, pass_len, iv, false, p, len);
	EVP_CIPHER_free(cipher);
	return r;
}

int pbe_pem_close(const char *pass, uint8_t *p, size_t *len, struct blob_wr *headers)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, pem_ciphers[0], NULL);
	uint8_t iv[BLOCK_MAX];
	int r = cipher == NULL ? -EIO : crypto_random(iv, sizeof(iv));

	if (r == 0)
		r = pem_crypt(cipher, pass, strlen(pass), iv, true, p, len);
	EVP_CIPHER_free(cipher);
	if (r < 0)
		return r;
	kf_printf(headers, "Proc-Type: 4,ENCRYPTED\nDEK-Info: %s,", pem_ciphers[0]);
	for (size_t i = 0; i < sizeof(iv); i++)
		kf_printf(headers, "%02X", iv[i]);
	kf_puts(headers, "\n\n");
	return 0;
}

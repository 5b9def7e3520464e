/*
 * tests/unit/crypto_faults.c - a shim before each call of a library that can fail.
 *
 * The linker puts them there (--wrap, listed in meson.build).
 */
#include "tests/unit/crypto_faults.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <expat.h>

#include <openssl/bn.h>
#include <openssl/dh.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <intel-ipsec-mb.h>

#include "crypto/key.h"
#include "crypto/secret.h"

struct fault fault;

bool fault_in(const char *name)
{
	if (!fault.armed || ++fault.calls != fault.fail_at)
		return false;
	fault.fired = true;
	fault.name = name;
	return true;
}

int fault_int(void)
{
	return fault.how == FAIL_NEGATIVE ? -1 : 0;
}

#define SHIM_INT(name, params, args)                                                               \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		return fault_in(#name) ? fault_int() : __real_##name args;                         \
	}

/* Partial: the call does its work and says 1, but that the length was one less. */
#define SHIM_LEN(name, params, args, len)                                                          \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		bool now = fault_in(#name);                                                        \
		int r;                                                                             \
                                                                                                   \
		if (now && fault.how != FAIL_PARTIAL)                                              \
			return fault_int();                                                        \
		r = __real_##name args;                                                            \
		if (now && r == 1 && len != NULL)                                                  \
			--*len;                                                                    \
		return r;                                                                          \
	}

#define SHIM_PTR(type, name, params, args)                                                         \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fault_in(#name) ? NULL : __real_##name args;                                \
	}

/* Where 0 is success. */
#define SHIM_ZERO(name, params, args)                                                              \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		return fault_in(#name) ? -1 : __real_##name args;                                  \
	}

SHIM_PTR(void *, calloc, (size_t n, size_t size), (n, size))
SHIM_PTR(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())
SHIM_INT(EVP_DigestInit_ex, (EVP_MD_CTX * c, const EVP_MD *md, ENGINE *e), (c, md, e))
SHIM_INT(EVP_DigestUpdate, (EVP_MD_CTX * c, const void *p, size_t n), (c, p, n))
SHIM_LEN(EVP_DigestFinal_ex, (EVP_MD_CTX * c, unsigned char *out, unsigned int *n), (c, out, n), n)
SHIM_INT(EVP_DigestFinalXOF, (EVP_MD_CTX * c, unsigned char *out, size_t n), (c, out, n))
SHIM_PTR(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), ())
SHIM_INT(EVP_CipherInit_ex,
	 (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, ENGINE *e, const unsigned char *k,
	  const unsigned char *iv, int enc),
	 (c, t, e, k, iv, enc))
SHIM_LEN(EVP_CipherUpdate,
	 (EVP_CIPHER_CTX * c, unsigned char *out, int *n, const unsigned char *in, int len),
	 (c, out, n, in, len), n)
SHIM_INT(EVP_CipherFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n))
SHIM_PTR(EVP_CIPHER *, EVP_CIPHER_fetch, (OSSL_LIB_CTX * c, const char *a, const char *p),
	 (c, a, p))
SHIM_INT(EVP_CIPHER_CTX_set_padding, (EVP_CIPHER_CTX * c, int on), (c, on))
SHIM_INT(EVP_CIPHER_CTX_set_key_length, (EVP_CIPHER_CTX * c, int n), (c, n))
SHIM_PTR(OSSL_LIB_CTX *, OSSL_LIB_CTX_new, (void), ())
SHIM_PTR(OSSL_PROVIDER *, OSSL_PROVIDER_load, (OSSL_LIB_CTX * c, const char *n), (c, n))
SHIM_INT(EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int arg, void *p), (c, type, arg, p))
SHIM_PTR(EVP_MAC *, EVP_MAC_fetch, (OSSL_LIB_CTX * c, const char *a, const char *p), (c, a, p))
SHIM_PTR(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * m), (m))
SHIM_INT(EVP_MAC_init, (EVP_MAC_CTX * c, const unsigned char *k, size_t n, const OSSL_PARAM p[]),
	 (c, k, n, p))
SHIM_INT(EVP_MAC_update, (EVP_MAC_CTX * c, const unsigned char *p, size_t n), (c, p, n))
SHIM_LEN(EVP_MAC_final, (EVP_MAC_CTX * c, unsigned char *out, size_t *n, size_t max),
	 (c, out, n, max), n)
SHIM_PTR(EVP_PKEY *, EVP_PKEY_new_raw_private_key,
	 (int t, ENGINE *e, const unsigned char *p, size_t n), (t, e, p, n))
SHIM_PTR(EVP_PKEY *, EVP_PKEY_new_raw_public_key,
	 (int t, ENGINE *e, const unsigned char *p, size_t n), (t, e, p, n))
SHIM_LEN(EVP_PKEY_get_raw_public_key, (const EVP_PKEY *k, unsigned char *p, size_t *n), (k, p, n),
	 n)
SHIM_LEN(EVP_PKEY_get_raw_private_key, (const EVP_PKEY *k, unsigned char *p, size_t *n), (k, p, n),
	 n)
SHIM_ZERO(crypto_scalarmult_curve25519_base, (unsigned char *q, const unsigned char *n), (q, n))
SHIM_ZERO(crypto_scalarmult_curve25519,
	  (unsigned char *q, const unsigned char *n, const unsigned char *p), (q, n, p))
SHIM_ZERO(crypto_sign_ed25519_detached,
	  (unsigned char *sig, unsigned long long *sig_len, const unsigned char *m,
	   unsigned long long len, const unsigned char *sk),
	  (sig, sig_len, m, len, sk))
SHIM_ZERO(crypto_sign_ed25519_verify_detached,
	  (const unsigned char *sig, const unsigned char *m, unsigned long long len,
	   const unsigned char *pk),
	  (sig, m, len, pk))
SHIM_PTR(EVP_PKEY *, EVP_PKEY_new, (void), ())
SHIM_INT(EVP_PKEY_copy_parameters, (EVP_PKEY * to, const EVP_PKEY *from), (to, from))
SHIM_INT(EVP_PKEY_set1_encoded_public_key, (EVP_PKEY * k, const unsigned char *p, size_t n),
	 (k, p, n))
SHIM_LEN(EVP_PKEY_get_octet_string_param,
	 (const EVP_PKEY *k, const char *name, unsigned char *p, size_t max, size_t *n),
	 (k, name, p, max, n), n)
SHIM_INT(EVP_RAND_reseed,
	 (EVP_RAND_CTX * c, int fresh, const unsigned char *e, size_t e_len,
	  const unsigned char *add, size_t add_len),
	 (c, fresh, e, e_len, add, add_len))
SHIM_PTR(EVP_PKEY_CTX *, EVP_PKEY_CTX_new, (EVP_PKEY * k, ENGINE *e), (k, e))
SHIM_PTR(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name,
	 (OSSL_LIB_CTX * c, const char *n, const char *p), (c, n, p))
SHIM_INT(EVP_PKEY_derive_init, (EVP_PKEY_CTX * c), (c))
SHIM_INT(EVP_PKEY_derive_set_peer, (EVP_PKEY_CTX * c, EVP_PKEY *k), (c, k))
SHIM_LEN(EVP_PKEY_derive, (EVP_PKEY_CTX * c, unsigned char *p, size_t *n), (c, p, n), n)
SHIM_INT(EVP_PKEY_keygen_init, (EVP_PKEY_CTX * c), (c))
SHIM_INT(EVP_PKEY_generate, (EVP_PKEY_CTX * c, EVP_PKEY **k), (c, k))
SHIM_INT(EVP_PKEY_CTX_set_params, (EVP_PKEY_CTX * c, const OSSL_PARAM *p), (c, p))
SHIM_INT(EVP_PKEY_CTX_set_dh_pad, (EVP_PKEY_CTX * c, int pad), (c, pad))
SHIM_INT(EVP_PKEY_derive_set_peer_ex, (EVP_PKEY_CTX * c, EVP_PKEY *k, int check), (c, k, check))
SHIM_PTR(BIGNUM *, BN_get_rfc2409_prime_1024, (BIGNUM * bn), (bn))
SHIM_PTR(BIGNUM *, BN_get_rfc3526_prime_2048, (BIGNUM * bn), (bn))
SHIM_INT(EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * c), (c))
SHIM_INT(EVP_PKEY_fromdata, (EVP_PKEY_CTX * c, EVP_PKEY **k, int sel, OSSL_PARAM p[]),
	 (c, k, sel, p))
SHIM_INT(EVP_PKEY_get_bn_param, (const EVP_PKEY *k, const char *n, BIGNUM **bn), (k, n, bn))
SHIM_INT(EVP_DigestSignInit,
	 (EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *t, ENGINE *e, EVP_PKEY *k),
	 (c, p, t, e, k))
SHIM_INT(EVP_DigestSign,
	 (EVP_MD_CTX * c, unsigned char *s, size_t *n, const unsigned char *p, size_t len),
	 (c, s, n, p, len))
SHIM_INT(EVP_DigestVerifyInit,
	 (EVP_MD_CTX * c, EVP_PKEY_CTX **p, const EVP_MD *t, ENGINE *e, EVP_PKEY *k),
	 (c, p, t, e, k))
SHIM_INT(EVP_DigestVerify,
	 (EVP_MD_CTX * c, const unsigned char *s, size_t n, const unsigned char *p, size_t len),
	 (c, s, n, p, len))
SHIM_PTR(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_new, (void), ())
SHIM_PTR(OSSL_PARAM *, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD * b), (b))
SHIM_INT(OSSL_PARAM_BLD_push_BN, (OSSL_PARAM_BLD * b, const char *k, const BIGNUM *n), (b, k, n))
SHIM_INT(OSSL_PARAM_BLD_push_utf8_string,
	 (OSSL_PARAM_BLD * b, const char *k, const char *p, size_t n), (b, k, p, n))
SHIM_INT(OSSL_PARAM_BLD_push_octet_string,
	 (OSSL_PARAM_BLD * b, const char *k, const void *p, size_t n), (b, k, p, n))
SHIM_PTR(BIGNUM *, BN_new, (void), ())
SHIM_PTR(BIGNUM *, BN_secure_new, (void), ())
SHIM_PTR(BN_CTX *, BN_CTX_secure_new, (void), ())
SHIM_PTR(BIGNUM *, BN_bin2bn, (const unsigned char *p, int n, BIGNUM *bn), (p, n, bn))
SHIM_INT(BN_bn2bin, (const BIGNUM *bn, unsigned char *p), (bn, p))
SHIM_INT(BN_bn2binpad, (const BIGNUM *bn, unsigned char *p, int n), (bn, p, n))
SHIM_INT(BN_sub, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b), (r, a, b))
SHIM_INT(BN_mul, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b, BN_CTX *c), (r, a, b, c))
SHIM_INT(BN_mod_mul, (BIGNUM * r, const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BN_CTX *c),
	 (r, a, b, m, c))
SHIM_INT(BN_div, (BIGNUM * d, BIGNUM *m, const BIGNUM *n, const BIGNUM *by, BN_CTX *c),
	 (d, m, n, by, c))
SHIM_PTR(ECDSA_SIG *, ECDSA_SIG_new, (void), ())
SHIM_PTR(ECDSA_SIG *, d2i_ECDSA_SIG, (ECDSA_SIG * *s, const unsigned char **p, long n), (s, p, n))
SHIM_INT(ECDSA_SIG_set0, (ECDSA_SIG * s, BIGNUM *r, BIGNUM *t), (s, r, t))
SHIM_INT(EVP_PKEY_up_ref, (EVP_PKEY * k), (k))
SHIM_PTR(X509 *, d2i_X509, (X509 * *x, const unsigned char **p, long n), (x, p, n))
SHIM_PTR(EVP_PKEY *, X509_get0_pubkey, (const X509 *x), (x))
SHIM_PTR(X509_STORE *, X509_STORE_new, (void), ())
SHIM_INT(X509_STORE_add_cert, (X509_STORE * s, X509 *x), (s, x))
SHIM_PTR(X509_STORE_CTX *, X509_STORE_CTX_new, (void), ())
SHIM_INT(X509_verify_cert, (X509_STORE_CTX * c), (c))
SHIM_PTR(X509 *, PEM_read_bio_X509, (BIO * b, X509 **x, pem_password_cb *cb, void *u),
	 (b, x, cb, u))
SHIM_PTR(X509_CRL *, PEM_read_bio_X509_CRL, (BIO * b, X509_CRL **x, pem_password_cb *cb, void *u),
	 (b, x, cb, u))
SHIM_INT(X509_STORE_add_crl, (X509_STORE * s, X509_CRL *x), (s, x))
SHIM_INT(X509_STORE_CTX_init, (X509_STORE_CTX * c, X509_STORE *s, X509 *x, STACK_OF(X509) * chain),
	 (c, s, x, chain))
SHIM_INT(X509_VERIFY_PARAM_set_flags, (X509_VERIFY_PARAM * p, unsigned long flags), (p, flags))
SHIM_INT(X509_check_ca, (X509 * x), (x))
SHIM_INT(X509_check_host, (X509 * x, const char *n, size_t len, unsigned int flags, char **peer),
	 (x, n, len, flags, peer))
SHIM_INT(ASN1_TIME_to_tm, (const ASN1_TIME *t, struct tm *tm), (t, tm))
SHIM_PTR(unsigned char *, HMAC,
	 (const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n,
	  unsigned char *out, unsigned int *len),
	 (md, key, key_len, d, n, out, len))
SHIM_PTR(BIO *, BIO_new, (const BIO_METHOD *m), (m))
SHIM_PTR(BIO *, BIO_new_mem_buf, (const void *p, int n), (p, n))
SHIM_PTR(DSA_SIG *, DSA_SIG_new, (void), ())
SHIM_PTR(DSA_SIG *, d2i_DSA_SIG, (DSA_SIG * *s, const unsigned char **p, long len), (s, p, len))
SHIM_INT(DSA_SIG_set0, (DSA_SIG * s, BIGNUM *r, BIGNUM *t), (s, r, t))
SHIM_INT(i2d_DSA_SIG, (const DSA_SIG *s, unsigned char **p), (s, p))
SHIM_PTR(char *, crypt_rn, (const char *p, const char *s, void *d, int n), (p, s, d, n))
SHIM_INT(i2d_ECDSA_SIG, (const ECDSA_SIG *s, unsigned char **p), (s, p))

/* control/blob.c */
SHIM_INT(EVP_EncryptInit_ex,
	 (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, ENGINE *e, const unsigned char *k,
	  const unsigned char *iv),
	 (c, t, e, k, iv))
SHIM_LEN(EVP_EncryptUpdate,
	 (EVP_CIPHER_CTX * c, unsigned char *out, int *n, const unsigned char *in, int len),
	 (c, out, n, in, len), n)
SHIM_LEN(EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n), n)
SHIM_INT(EVP_DecryptInit_ex,
	 (EVP_CIPHER_CTX * c, const EVP_CIPHER *t, ENGINE *e, const unsigned char *k,
	  const unsigned char *iv),
	 (c, t, e, k, iv))
SHIM_LEN(EVP_DecryptUpdate,
	 (EVP_CIPHER_CTX * c, unsigned char *out, int *n, const unsigned char *in, int len),
	 (c, out, n, in, len), n)
SHIM_LEN(EVP_DecryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n), n)

/* Files: PKCS#8, PKCS#12, PEM, and the points of XML and JWK. */
SHIM_PTR(PKCS12 *, PKCS12_init_ex, (int mode, OSSL_LIB_CTX *c, const char *q), (mode, c, q))
SHIM_PTR(PKCS12 *, d2i_PKCS12, (PKCS12 * *p12, const unsigned char **p, long n), (p12, p, n))
SHIM_INT(i2d_PKCS12, (const PKCS12 *p12, unsigned char **p), (p12, p))
SHIM_INT(PKCS12_mac_present, (const PKCS12 *p12), (p12))
SHIM_INT(PKCS12_verify_mac, (PKCS12 * p12, const char *pass, int n), (p12, pass, n))
SHIM_INT(PKCS12_set_mac,
	 (PKCS12 * p12, const char *pass, int n, unsigned char *salt, int salt_len, int rounds,
	  const EVP_MD *md),
	 (p12, pass, n, salt, salt_len, rounds, md))
SHIM_PTR(STACK_OF(PKCS7) *, PKCS12_unpack_authsafes, (const PKCS12 *p12), (p12))
SHIM_PTR(STACK_OF(PKCS12_SAFEBAG) *, PKCS12_unpack_p7data, (PKCS7 * p7), (p7))
SHIM_PTR(STACK_OF(PKCS12_SAFEBAG) *, PKCS12_unpack_p7encdata, (PKCS7 * p7, const char *p, int n),
	 (p7, p, n))
SHIM_PTR(X509 *, PKCS12_SAFEBAG_get1_cert, (const PKCS12_SAFEBAG *b), (b))
SHIM_INT(i2d_PKCS8_PRIV_KEY_INFO, (const PKCS8_PRIV_KEY_INFO *k, unsigned char **p), (k, p))
SHIM_PTR(unsigned char *, PKCS12_pbe_crypt_ex,
	 (const X509_ALGOR *a, const char *pass, int pass_len, const unsigned char *in, int len,
	  unsigned char **out, int *out_len, int seal, OSSL_LIB_CTX *c, const char *q),
	 (a, pass, pass_len, in, len, out, out_len, seal, c, q))
SHIM_PTR(unsigned char *, PKCS12_pbe_crypt,
	 (const X509_ALGOR *a, const char *pass, int pass_len, const unsigned char *in, int len,
	  unsigned char **out, int *out_len, int seal),
	 (a, pass, pass_len, in, len, out, out_len, seal))
SHIM_PTR(PKCS12 *, PKCS12_create,
	 (const char *pass, const char *name, EVP_PKEY *k, X509 *x, STACK_OF(X509) * chain,
	  int nid_key, int nid_cert, int rounds, int mac_rounds, int keytype),
	 (pass, name, k, x, chain, nid_key, nid_cert, rounds, mac_rounds, keytype))
SHIM_PTR(X509_ALGOR *, PKCS5_pbe2_set_iv,
	 (const EVP_CIPHER *c, int rounds, unsigned char *salt, int salt_len, unsigned char *iv,
	  int prf),
	 (c, rounds, salt, salt_len, iv, prf))
SHIM_INT(i2d_X509_ALGOR, (const X509_ALGOR *a, unsigned char **p), (a, p))
SHIM_INT(i2d_X509, (const X509 *x, unsigned char **p), (x, p))
SHIM_INT(i2d_X509_PUBKEY, (const X509_PUBKEY *k, unsigned char **p), (k, p))
SHIM_PTR(X509_SIG *, d2i_X509_SIG, (X509_SIG * *s, const unsigned char **p, long n), (s, p, n))
SHIM_PTR(EVP_PKEY *, d2i_PUBKEY, (EVP_PKEY * *k, const unsigned char **p, long n), (k, p, n))
SHIM_INT(i2d_PUBKEY, (const EVP_PKEY *k, unsigned char **p), (k, p))
SHIM_INT(ASN1_INTEGER_get_int64, (int64_t * n, const ASN1_INTEGER *a), (n, a))
SHIM_PTR(OPENSSL_STACK *, OPENSSL_sk_new_null, (void), ())
SHIM_INT(OPENSSL_sk_push, (OPENSSL_STACK * s, const void *p), (s, p))
SHIM_INT(EVP_BytesToKey,
	 (const EVP_CIPHER *c, const EVP_MD *md, const unsigned char *salt,
	  const unsigned char *data, int n, int rounds, unsigned char *key, unsigned char *iv),
	 (c, md, salt, data, n, rounds, key, iv))
SHIM_PTR(EC_GROUP *, EC_GROUP_new_by_curve_name, (int nid), (nid))
SHIM_PTR(EC_POINT *, EC_POINT_new, (const EC_GROUP *g), (g))
SHIM_INT(EC_POINT_oct2point,
	 (const EC_GROUP *g, EC_POINT *q, const unsigned char *p, size_t n, BN_CTX *c),
	 (g, q, p, n, c))
SHIM_INT(EC_POINT_mul,
	 (const EC_GROUP *g, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m,
	  BN_CTX *c),
	 (g, r, n, q, m, c))
SHIM_INT(BN_mod_exp, (BIGNUM * r, const BIGNUM *a, const BIGNUM *e, const BIGNUM *m, BN_CTX *c),
	 (r, a, e, m, c))
SHIM_INT(EVP_Digest,
	 (const void *p, size_t n, unsigned char *out, unsigned int *len, const EVP_MD *md,
	  ENGINE *e),
	 (p, n, out, len, md, e))
SHIM_PTR(XML_Parser, XML_ParserCreate_MM,
	 (const XML_Char *enc, const XML_Memory_Handling_Suite *m, const XML_Char *sep),
	 (enc, m, sep))

/* A length of 0 is its failure; and less than a whole point. */
size_t __real_EC_POINT_point2oct(const EC_GROUP *g, const EC_POINT *q, point_conversion_form_t f,
				 unsigned char *p, size_t n, BN_CTX *c);
size_t __wrap_EC_POINT_point2oct(const EC_GROUP *g, const EC_POINT *q, point_conversion_form_t f,
				 unsigned char *p, size_t n, BN_CTX *c);
size_t __wrap_EC_POINT_point2oct(const EC_GROUP *g, const EC_POINT *q, point_conversion_form_t f,
				 unsigned char *p, size_t n, BN_CTX *c)
{
	if (!fault_in("EC_POINT_point2oct"))
		return __real_EC_POINT_point2oct(g, q, f, p, n, c);
	return fault.how == FAIL_PARTIAL ? n - 1 : 0;
}

/* EVP_EC_gen() is this one with the curve's name. */
EVP_PKEY *__real_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *c, const char *q, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *c, const char *q, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *c, const char *q, const char *type, ...)
{
	const char *curve;
	va_list ap;

	va_start(ap, type);
	curve = va_arg(ap, const char *);
	va_end(ap);
	return fault_in("EVP_EC_gen") ? NULL : __real_EVP_PKEY_Q_keygen(c, q, type, curve);
}

ssize_t __real_getrandom(void *p, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned int flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned int flags)
{
	if (!fault_in("getrandom"))
		return __real_getrandom(p, n, flags);
	errno = ENOSYS;
	return fault_int();
}

/* Memory that cannot be locked stays so: a second try is refused, too. */
int __real_mlock2(const void *p, size_t n, unsigned int flags);
int __wrap_mlock2(const void *p, size_t n, unsigned int flags);
int __wrap_mlock2(const void *p, size_t n, unsigned int flags)
{
	bool again = fault.armed && fault.fired && strcmp(fault.name, "mlock2") == 0;

	if (!fault_in("mlock2") && !again)
		return __real_mlock2(p, n, flags);
	errno = ENOMEM;
	return -1;
}

/* ipsec-mb is called through the manager's table, so its shims are put there. */
struct real_mgr {
	const IMB_MGR *mb;
	IMB_JOB *(*submit)(IMB_MGR *), *(*flush)(IMB_MGR *);
};
static struct real_mgr real_wide, real_sha;

static const struct real_mgr *real_of(const IMB_MGR *mb)
{
	return mb == real_sha.mb ? &real_sha : &real_wide;
}

static IMB_JOB *shim_done(IMB_JOB *job)
{
	if (job == NULL || !fault_in("a job of ipsec-mb"))
		return job;
	if (fault.how == FAIL_ZERO)
		return NULL; /* a job that is lost */
	job->status = fault.how == FAIL_NEGATIVE ? IMB_STATUS_ERROR : IMB_STATUS_COMPLETED_CIPHER;
	return job;
}

static IMB_JOB *shim_submit(IMB_MGR *mb)
{
	return shim_done(real_of(mb)->submit(mb));
}

static IMB_JOB *shim_flush(IMB_MGR *mb)
{
	return shim_done(real_of(mb)->flush(mb));
}

static void shim_put(IMB_MGR *mb, struct real_mgr *ret)
{
	*ret = (struct real_mgr){mb, mb->submit_job, mb->flush_job};
	mb->submit_job = shim_submit;
	mb->flush_job = shim_flush;
}

void __real_init_mb_mgr_avx2(IMB_MGR *mb);
void __wrap_init_mb_mgr_avx2(IMB_MGR *mb);
void __wrap_init_mb_mgr_avx2(IMB_MGR *mb)
{
	__real_init_mb_mgr_avx2(mb);
	shim_put(mb, &real_sha);
}

void __real_init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch);
void __wrap_init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch);
void __wrap_init_mb_mgr_auto(IMB_MGR *mb, IMB_ARCH *arch)
{
	__real_init_mb_mgr_auto(mb, arch);
	shim_put(mb, &real_wide);
	real_sha.mb = NULL; /* of an engine before this one */
	if (fault_in("init_mb_mgr_auto"))
		*arch = IMB_ARCH_NONE;
}

/*
 * Runs op until each of its calls has failed in each way. op sets up and cleans up disarmed,
 * and arms itself around what it is about; it returns what that returned.
 */
void each_call_fails(int (*op)(const void *), const void *arg, const char *what)
{
	unsigned int calls;

	fault.fail_at = 0;
	fault.calls = 0;
	cr_assert_eq(op(arg), 0, "%s without a fault", what);
	calls = fault.calls;
	cr_assert_gt(calls, 0, "%s calls nothing", what);
	for (unsigned int i = 1; i <= calls; i++)
		for (enum how how = 0; how < HOWS; how++) {
			fault.fail_at = i;
			fault.calls = 0;
			fault.how = how;
			int r = op(arg);

			cr_assert(fault.fired, "%s call %u", what, i);
			cr_expect_lt(r, 0, "%s: call %u of %u (%s), way %d, is not a refusal", what,
				     i, calls, fault.name, how);
		}
}

void arm(void)
{
	secret_trim(); /* each locks its own */
	fault.fired = false;
	fault.armed = true;
}

int disarm(int r)
{
	fault.armed = false;
	return r;
}

struct key *private_key(const void *arg)
{
	struct key *k = NULL;

	cr_assert_eq(key_private_parse((const uint8_t *)arg, strlen(arg), &k), 0);
	return k;
}

/*
 * crypto/keyfile/pbe.h - encryption by passphrase, as PKCS#5, PKCS#12 and old PEM have it.
 *
 * Source  RFC 8018 (PBES1, PBES2 with PBKDF2), RFC 7914 section 7 (scrypt), RFC 7292 appendix
 *         B and C; PEM's Proc-Type is RFC 1421 with OpenSSL's derivation by MD5.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_PBE_H
#define SLUICE_CRYPTO_KEYFILE_PBE_H

#include "crypto/keyfile/internal.h"

/* 0, or -ENOTSUP: it asks for more work than is allowed; -EBADMSG: no parameters of it. */
int pbe_bounded(struct kf_ctx *c, const X509_ALGOR *alg) __attribute__((warn_unused_result));
/* A context in which old ciphers are known as well; NULL: it cannot be had. */
OSSL_LIB_CTX *pbe_legacy(void);
/* The one to use with an algorithm: the legacy one only when it is needed. */
OSSL_LIB_CTX *pbe_context(const X509_ALGOR *alg);

/*
 * EncryptedPrivateKeyInfo's contents, in memory of OpenSSL's: OPENSSL_clear_free(). The bounds
 * are looked at first. -EKEYREJECTED: they do not open.
 */
int pbe_open(struct kf_ctx *c, const X509_ALGOR *alg, struct blob_str sealed, uint8_t **ret,
	     size_t *ret_len) __attribute__((warn_unused_result));
/* An EncryptedPrivateKeyInfo, PBES2 with AES-256-CBC; rounds 0: the usual number. */
int pbe_close(struct blob_str plain, const char *pass, unsigned int rounds, struct blob_wr *w)
	__attribute__((warn_unused_result));

/* "DEK-Info: AES-256-CBC,hex"; p is decrypted in place and *len less its padding. */
int pbe_pem_open(struct kf_ctx *c, struct blob_str dek_info, uint8_t *p, size_t *len)
	__attribute__((warn_unused_result));
/* p has room for a block more; writes the two header lines and the empty one. */
int pbe_pem_close(const char *pass, uint8_t *p, size_t *len, struct blob_wr *headers)
	__attribute__((warn_unused_result));

#endif

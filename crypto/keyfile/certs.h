/*
 * crypto/keyfile/certs.h - X.509 certificates in a file: collecting them, finding the one meant.
 *
 * Source  RFC 5280, RFC 2315 (PKCS#7), RFC 4514 for names as text.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_CERTS_H
#define SLUICE_CRYPTO_KEYFILE_CERTS_H

#include "crypto/keyfile/internal.h"

#define CERT_MAX (64 * 1024)

kf_parse certs_add_der, certs_add_pkcs7;
int certs_add(struct kf_ctx *c, const X509 *x) __attribute__((warn_unused_result));

/*
 * After everything is read: moves the key's own certificate to the front, or takes the key of
 * the certificate that subject and thumbprint choose. -ESRCH: they choose none, or one that is
 * not the key's.
 */
int certs_settle(struct kf_ctx *c) __attribute__((warn_unused_result));
/* Whether subject and thumbprint name something: then a key without certificate is not meant. */
bool certs_asked(const struct kf_ctx *c);
/* The public key in a certificate. */
int certs_key(const struct keyfile_cert *cert, struct key **ret)
	__attribute__((warn_unused_result));
/* The number of the certificate chosen, or -ESRCH. */
int certs_choose(const struct kf_ctx *c) __attribute__((warn_unused_result));

#endif

/*
 * crypto/keyfile/asn1.h - private keys in DER, read and written.
 *
 * Source  RFC 8017 A.1.2 (PKCS#1), RFC 5915 (SEC 1), RFC 5958 and 5208 (PKCS#8), RFC 5480,
 *         RFC 8410; DSA's own is what OpenSSL writes: 0, p, q, g, y, x.
 * Errors  -EBADMSG, -ENOTSUP, -ENOMEM, -EIO as keyfile_parse().
 */
#ifndef SLUICE_CRYPTO_KEYFILE_ASN1_H
#define SLUICE_CRYPTO_KEYFILE_ASN1_H

#include "crypto/keyfile/internal.h"

typedef int asn1_key(struct blob_str der, struct key **ret);

asn1_key asn1_rsa_private, asn1_dsa_private, asn1_ec_private, asn1_pkcs8;
asn1_key asn1_rsa_public; /* PKCS#1 */
asn1_key asn1_spki;

/* The traditional form of a key and the label it has in PEM. */
int asn1_traditional_build(const struct key *k, struct blob_wr *w, const char **ret_label)
	__attribute__((warn_unused_result));
int asn1_pkcs8_build(const struct key *k, struct blob_wr *w) __attribute__((warn_unused_result));

#endif

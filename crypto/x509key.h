/*
 * crypto/x509key.h - keys that come with X.509 certificates.
 *
 * Source  RFC 6187 (x509v3-ssh-rsa, -ssh-dss, -rsa2048-sha256, -ecdsa-sha2-*), and the older
 *         x509v3-sign-rsa and x509v3-sign-dss, whose blob is the DER certificate alone; RFC 5280.
 * Bounds  X509KEY_CHAIN_MAX certificates, KEY_BLOB_MAX bytes in all; the key inside has the bounds
 *         of its bare type. OCSP responses in a blob are skipped.
 * Trust   a parsed chain has proved nothing: x509_trust_check() does.
 * Thread  immutable after parsing or loading.
 */
#ifndef SLUICE_CRYPTO_X509KEY_H
#define SLUICE_CRYPTO_X509KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/key.h"

#define X509KEY_CHAIN_MAX 10
#define X509KEY_OCSP_MAX  10
#define X509KEY_NAMES_MAX 32
#define X509_FILE_MAX     (16 << 20) /* of anchors, and of revocation lists */

enum x509_role { X509_USER = 1, X509_HOST };

struct x509key;

/* NULL: no X.509 key. Borrowed from the key. */
const struct x509key *key_x509(const struct key *k);
/*
 * Whom the certificate names: common names, e-mail addresses, user principal names and DNS names
 * of its first certificate, as they stand there. Valid as long as the key.
 */
const char *x509key_name(const struct x509key *x, unsigned int i); /* NULL behind the last */
const char *x509key_subject(const struct x509key *x);              /* RFC 2253; "" */
const char *x509key_issuer(const struct x509key *x);

/* Whom to believe, and what they took back. */
struct x509_trust;
/*
 * PEM texts: certificates of authorities; revocation lists (NULL: none are asked for; else every
 * authority of a chain must have a current one). -EBADMSG: one is damaged, or there is none.
 */
int x509_trust_new(const char *anchors, size_t len, const char *crls, size_t crls_len,
		   struct x509_trust **ret) __attribute__((warn_unused_result));
void x509_trust_free(struct x509_trust *t); /* NULL is fine */

/*
 * 0: from an anchor down to the key every signature holds at this time (seconds since 1970),
 * nothing is revoked, and usage allows it to sign as a user or host of SSH (RFC 6187 section 2.2).
 * -EACCES: *ret_why says why not. *ret_expires: when the first certificate ends.
 */
int x509_trust_check(const struct x509_trust *t, const struct key *k, enum x509_role role,
		     uint64_t now, uint64_t *ret_expires, const char **ret_why)
	__attribute__((warn_unused_result));

/*
 * Is this the host's, by the DNS names and addresses of the subjectAltName of its first
 * certificate? A common name is none (RFC 6125 section 6.4.4), and a '*' stands for one whole label
 * alone.
 */
bool x509key_names_host(const struct x509key *x, const char *host);

/*
 * The key of type ("x509v3-…") over those of these certificates that lead from plain's own to a
 * root, in the order of RFC 6187 section 2.1 whatever theirs is, without the root and without OCSP
 * responses. -ENOENT: none of them is plain's; -EBADMSG: one is damaged, or the type is not of such
 * a key; -ENOTSUP: too many, or too long.
 */
struct keyfile_cert;
int x509key_make(const char *type, const struct key *plain, const struct keyfile_cert *cert,
		 unsigned int n, struct key **ret) __attribute__((warn_unused_result));
/* May the first certificate's key sign in this role, by its usage (RFC 6187 section 2.2)? */
bool x509key_may(const struct x509key *x, enum x509_role role, const char **ret_why);

void x509key_free(struct x509key *x); /* a key does it for its own */

#endif

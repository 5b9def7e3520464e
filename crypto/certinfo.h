/*
 * crypto/certinfo.h - what a certificate says of itself, field by field, as text.
 *
 * Source  RFC 5280; names as RFC 4514 has them, the most particular first ("CN=a, O=b"), a value
 *         with a comma in quotes. Of an OpenSSH certificate (PROTOCOL.certkeys) the fields it has:
 *         its subject is the key id, its issuer the authority's fingerprint, its other names are
 *         the principals.
 * Trust   nothing here was proved, and texts are whoever's made the certificate: without control
 *         characters, but else what they are.
 * Memory  texts are malloc()ed and the structure's.
 */
#ifndef SLUICE_CRYPTO_CERTINFO_H
#define SLUICE_CRYPTO_CERTINFO_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/key.h"

enum certinfo_field {
	CERTINFO_SUBJECT,
	CERTINFO_ISSUER,
	CERTINFO_SERIAL, /* hexadecimal, two digits a byte */
	CERTINFO_VERSION,
	CERTINFO_NOT_BEFORE, /* "2000-01-23T15:00:00Z" */
	CERTINFO_NOT_AFTER,
	CERTINFO_SIG_ALGORITHM,
	CERTINFO_SAN,            /* comma lists, this and the next two */
	CERTINFO_KEY_USAGE,      /* "Digital Signature", … */
	CERTINFO_EXT_KEY_USAGE,  /* OIDs */
	CERTINFO_KEY_USAGE_BITS, /* of RFC 5280 section 4.2.1.3, the first is 0x80; decimal */
	CERTINFO_MD5,            /* of all of it: pairs of hexadecimal with colons */
	CERTINFO_SHA1,
	CERTINFO_SHA256,
	CERTINFO_FIELDS,
};

#define CERTINFO_ALWAYS INT64_MIN /* without a beginning */
#define CERTINFO_EVER   INT64_MAX /* without an end */

struct certinfo {
	char *text[CERTINFO_FIELDS];   /* NULL: it does not say */
	int64_t not_before, not_after; /* seconds since 1970 */
};

/* -EBADMSG: no certificate; -ENOMEM. */
int certinfo_x509(const uint8_t *der, size_t len, struct certinfo *ret)
	__attribute__((warn_unused_result));
/* The same of a key that is one, or comes with one (key_blob_parse_any()). -ENOENT: it is bare. */
int certinfo_key(const struct key *k, struct certinfo *ret) __attribute__((warn_unused_result));
void certinfo_fini(struct certinfo *c);

/* "subject", "not_before", …: as programs name them. */
const char *certinfo_name(enum certinfo_field f);

#endif

/*
 * crypto/knownname.h - names of hosts in files of known hosts that do not show them.
 *
 * Source  sshd(8), SSH_KNOWN_HOSTS FILE FORMAT (HashKnownHosts): "|1|", a salt and the HMAC-SHA1 of
 *         the name by it, each in base64 and parted by '|'.
 */
#ifndef SLUICE_CRYPTO_KNOWNNAME_H
#define SLUICE_CRYPTO_KNOWNNAME_H

#include <stdbool.h>
#include <stddef.h>

#define KNOWNNAME_PREFIX "|1|"
#define KNOWNNAME_LEN    60 /* of a hashed name, without its NUL */

/* A name, in lower case, under a salt of its own. -EIO: no randomness, or the hash failed. */
int knownname_hash(const char *host, char ret[KNOWNNAME_LEN + 1])
	__attribute__((warn_unused_result));
/* Does this hashed name of n characters stand for the host? What is malformed stands for none. */
bool knownname_is(const char *hashed, size_t n, const char *host);

#endif

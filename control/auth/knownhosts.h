/*
 * control/auth/knownhosts.h - whose keys are known: files of known hosts.
 *
 * Source  sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: patterns, hashed names, @cert-authority, @revoked.
 * Bounds  a line of more than KNOWNHOSTS_LINE_MAX bytes, or with a NUL, is skipped whole (S-38), as
 * is one that is malformed or whose key this build does not know. Trust   of a certificate only who
 * signed it is compared: whether it names the host and is valid is cert_check()'s to say. Thread
 * any: pure.
 */
#ifndef SLUICE_CONTROL_AUTH_KNOWNHOSTS_H
#define SLUICE_CONTROL_AUTH_KNOWNHOSTS_H

#include <stddef.h>

#include "crypto/key.h"

#define KNOWNHOSTS_FILE_MAX (16 << 20)
#define KNOWNHOSTS_LINE_MAX (64 * 1024)

enum knownhosts_found {                          /* bits */
			KNOWNHOSTS_KEY = 1 << 0, /* the key, or the authority of the certificate */
			KNOWNHOSTS_OTHER = 1 << 1, /* other keys of that host */
			KNOWNHOSTS_REVOKED = 1
					     << 2, /* the key, or who signed it, whatever else is */
};

/* What the lines about host, which is in lower case, say of key: KNOWNHOSTS_*. */
unsigned int knownhosts_look(const char *text, size_t len, const char *host, const struct key *key);

#endif

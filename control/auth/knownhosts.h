/*
 * control/auth/knownhosts.h - whose keys are known: files of known hosts.
 *
 * Source  sshd(8), SSH_KNOWN_HOSTS FILE FORMAT: patterns, hashed names, @cert-authority, @revoked.
 * Bounds  those of crypto/knownline.h: what is malformed, or has a key this build does not know, is
 *         skipped whole (S-38).
 * Trust   of a certificate only who signed it is compared: whether it names the host and is valid
 *         is cert_check()'s to say.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_AUTH_KNOWNHOSTS_H
#define SLUICE_CONTROL_AUTH_KNOWNHOSTS_H

#include <stddef.h>

#include "crypto/key.h"

enum knownhosts_found {                          /* bits */
			KNOWNHOSTS_KEY = 1 << 0, /* the key, or the authority of the certificate */
			KNOWNHOSTS_OTHER = 1 << 1, /* other keys of that host */
			KNOWNHOSTS_REVOKED = 1
					     << 2, /* the key, or who signed it, whatever else is */
};

/* What the lines about host, which is in lower case, say of key: KNOWNHOSTS_*. */
unsigned int knownhosts_look(const char *text, size_t len, const char *host, const struct key *key);

#endif

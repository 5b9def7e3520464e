/*
 * client/keygen/signers.h - whose signatures count: files of allowed signers.
 *
 * Source  ssh-keygen(1), ALLOWED SIGNERS: "principals [options] type base64 [comment]".
 * Lines   one that is malformed, or has an option nobody knows, is said and allows nobody.
 */
#ifndef SLUICE_CLIENT_KEYGEN_SIGNERS_H
#define SLUICE_CLIENT_KEYGEN_SIGNERS_H

#include <stdint.h>

#include "crypto/key.h"

struct signers_ask {
	const char *path;
	const struct key *key; /* who signed; a certificate is looked at, too */
	const char *principal; /* as whom; NULL: anybody */
	const char *ns;        /* for what; NULL: anything */
	uint64_t when;         /* seconds since 1970 */
};

/*
 * 0: the file allows it; *ret_principals is the first field of the line that does, or of a
 * certificate without a principal asked for its own, to be freed. -EACCES: no line does; -errno: no
 * file.
 */
int signers_look(const struct signers_ask *ask, char **ret_principals)
	__attribute__((warn_unused_result));
/* Prints the first field of each line that is about a principal. 0, -ENOENT: none, -errno. */
int signers_match(const char *path, const char *principal) __attribute__((warn_unused_result));

#endif

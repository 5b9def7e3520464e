/*
 * control/auth/passfile.h - the file of PasswordHashFile: lines "user:hash", or those of shadow(5).
 *
 * Source  shadow(5); of its nine fields the last change, the maximum age and the expiration date
 *         count, in days since 1970, as sshd reads them: the day itself is within.
 *
 * The hash is one of crypt(3). Empty lines and lines that start with # are skipped; a line
 * with another number of fields, or with one that is no number, is not one of ours and is skipped
 * too. An empty hash is an empty
 * password (PermitEmptyPasswords). Of several lines for one user the first counts.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_AUTH_PASSFILE_H
#define SLUICE_CONTROL_AUTH_PASSFILE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/passwd.h"

#define PASSFILE_MAX      (4 << 20)
#define PASSFILE_LINE_MAX 1024

/* When what a line says is over: seconds since 1970; UINT64_MAX: never. */
struct passfile_ends {
	uint64_t account;
	uint64_t password; /* 0: it has to be changed first */
};

/* One line; user and hash are views into it. */
struct passfile_line {
	const char *user, *hash;
	size_t user_len, hash_len;
	struct passfile_ends ends;
};

/* Without its end. 0, -ENOENT empty or comment, -EINVAL. */
int passfile_line_parse(const char *line, size_t len, struct passfile_line *ret)
	__attribute__((warn_unused_result));

struct passfile_hash {
	char own[PASSWD_HASH_MAX]; /* the user's; of one who has none: the decoy */
	/*
	 * What a login is measured against that no hash of its own decides (S-32): the first
	 * hash of the file that costs something, so that all cost the same, or passwd_decoy().
	 */
	char decoy[PASSWD_HASH_MAX];
	struct passfile_ends ends; /* of his line; without one never */
};

/* 0, or -ENOENT: no such user; *ret is filled in either way. */
int passfile_find(const char *text, size_t len, const char *user, struct passfile_hash *ret)
	__attribute__((warn_unused_result));

#endif

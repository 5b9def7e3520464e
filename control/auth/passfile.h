/*
 * control/auth/passfile.h - the file of PasswordHashFile: lines "user:hash".
 *
 * The hash is one of crypt(3). Empty lines and lines that start with # are skipped; a line
 * with another colon is not one of ours and is skipped too. An empty hash is an empty
 * password (PermitEmptyPasswords). Of several lines for one user the first counts.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_AUTH_PASSFILE_H
#define SLUICE_CONTROL_AUTH_PASSFILE_H

#include <stddef.h>

#include "crypto/passwd.h"

#define PASSFILE_MAX      (4 << 20)
#define PASSFILE_LINE_MAX 1024

/* One line without its end: views into it. 0, -ENOENT empty or comment, -EINVAL. */
int passfile_line_parse(const char *line, size_t len, size_t *ret_user_len, const char **ret_hash,
			size_t *ret_hash_len) __attribute__((warn_unused_result));

struct passfile_hash {
	char own[PASSWD_HASH_MAX]; /* the user's; of one who has none: the decoy */
	/*
	 * What a login is measured against that no hash of its own decides (S-32): the first
	 * hash of the file that costs something, so that all cost the same, or passwd_decoy().
	 */
	char decoy[PASSWD_HASH_MAX];
};

/* 0, or -ENOENT: no such user; *ret is filled in either way. */
int passfile_find(const char *text, size_t len, const char *user, struct passfile_hash *ret)
	__attribute__((warn_unused_result));

#endif

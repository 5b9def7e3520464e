/*
 * crypto/passwd.h - check a password against a crypt(3) hash.
 *
 * Thread  any; slow on purpose, control runs it on its pool.
 */
#ifndef SLUICE_CRYPTO_PASSWD_H
#define SLUICE_CRYPTO_PASSWD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWD_HASH_MAX 384
#define PASSWD_MAX                                                                                 \
	1024 /* longer passwords are refused by the caller's rule, at full cost (S-32)             \
	      */

/*
 * 0, -EBADMSG wrong, -ENOTSUP the hash's method is not known, -EINVAL malformed (a DES form
 * without '$' too), -EIO or -ENOMEM. A password that crypt(3) cannot take whole (511 bytes,
 * no NUL) costs what another costs and is wrong.
 */
int passwd_check(const char *hash, const char *password, size_t password_len)
	__attribute__((warn_unused_result));
/* Would passwd_check() compute, or say at once that it cannot? */
bool passwd_hash_ok(const char *hash);
/* A hash nobody's password fits, of the usual cost: for users who do not exist (S-32). */
const char *passwd_decoy(void);

#endif

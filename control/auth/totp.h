/*
 * control/auth/totp.h - time-based one-time codes: secrets, the check, and which were used.
 *
 * Source  RFC 6238 (by liboath), RFC 4648 section 6 for base32.
 *
 * TOTPSecretFile has lines "user:BASE32 [digits [step]]"; empty ones and those that start with #
 * are skipped. A code counts once (RFC 6238 section 5.2): the state is lines "user step", the
 * last step each user got in by, and forgets steps no code can be of any more.
 * Thread  any: pure; not totp_use().
 */
#ifndef SLUICE_CONTROL_AUTH_TOTP_H
#define SLUICE_CONTROL_AUTH_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOTP_SECRET_MAX 128 /* bytes */
#define TOTP_SECRET_MIN 10
#define TOTP_LINE_MAX   512
#define TOTP_FILE_MAX   (4 << 20)
#define TOTP_DIGITS_MAX 8

struct totp_secret {
	uint8_t key[TOTP_SECRET_MAX];
	size_t len;
	unsigned int digits; /* 6, 7, 8 */
	unsigned int step;   /* seconds */
};

/* One line without its end. 0, -ENOENT: empty or a comment, -EINVAL. */
int totp_line_parse(const char *line, size_t len, size_t *ret_user_len, struct totp_secret *ret)
	__attribute__((warn_unused_result));
/* 0; -ENOENT: no such user, and *ret is a secret that costs the same and fits nobody. */
int totp_find(const char *text, size_t len, const char *user, struct totp_secret *ret)
	__attribute__((warn_unused_result));

/*
 * The time step whose code this is, of those from window before now to window behind it and after
 * last. -EBADMSG: of none. All are computed, whichever fits.
 */
int totp_check(const struct totp_secret *secret, const char *code, size_t len, uint64_t now,
	       unsigned int window, uint64_t last, uint64_t *ret_step)
	__attribute__((warn_unused_result));

/* The last step of a user in a state; 0: none. */
uint64_t totp_last(const char *text, size_t len, const char *user);
/*
 * The state with this user's step, without those before oldest. malloc'ed. -ENOMEM; -EFBIG: more
 * than TOTP_FILE_MAX.
 */
int totp_state_with(const char *text, size_t len, const char *user, uint64_t step, uint64_t oldest,
		    char **ret, size_t *ret_len) __attribute__((warn_unused_result));

/*
 * Looks the code up and uses it: secrets and state are files, the state is written before 0 comes
 * back, so that no code counts twice, whatever becomes of us. -EBADMSG: wrong or used; -ENOENT: the
 * user has no secret; others: a file, with why. One at a time, of all threads. Blocks.
 */
struct totp_files {
	const char *secrets, *state;
};
int totp_use(const struct totp_files *files, const char *user, const char *code, size_t len,
	     uint64_t now, unsigned int window, char *why, size_t why_size)
	__attribute__((warn_unused_result));

#endif

/*
 * crypto/bcrypt_pbkdf.h - the key derivation of OpenSSH's private key files.
 *
 * Source  OpenBSD's bcrypt_pbkdf(3): PBKDF2 (RFC 8018 section 5.2) with bcrypt over SHA-512 in
 *         the place of its pseudo-random function, and the output taken crosswise. Provos and
 *         Mazieres, "A Future-Adaptable Password Scheme", 1999, for eks-Blowfish.
 * Time    a round is some milliseconds by intent; blocks the caller.
 */
#ifndef SLUICE_CRYPTO_BCRYPT_PBKDF_H
#define SLUICE_CRYPTO_BCRYPT_PBKDF_H

#include <stddef.h>
#include <stdint.h>

/* What a file may ask for (S-45): some ten seconds, forty times what ssh-keygen writes. */
#define BCRYPT_ROUNDS_MAX 1024
#define BCRYPT_SALT_MAX   1024
#define BCRYPT_KEY_MAX    1024

/*
 * len bytes of key from a passphrase. -EINVAL: an empty passphrase or salt, no round or output,
 * or more than the bounds above; -ENOMEM, -EIO: out is not to be used.
 */
int bcrypt_pbkdf(const void *pass, size_t pass_len, const uint8_t *salt, size_t salt_len,
		 unsigned int rounds, uint8_t *out, size_t len) __attribute__((warn_unused_result));

#endif

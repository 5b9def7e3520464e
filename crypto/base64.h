/*
 * crypto/base64.h - base64 of key files, public key lines and fingerprints.
 *
 * Source  RFC 4648 section 4.
 */
#ifndef SLUICE_CRYPTO_BASE64_H
#define SLUICE_CRYPTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

/*
 * Decodes n characters; line ends between them are skipped. -EBADMSG: a character that is not
 * of the alphabet, padding that is missing, misplaced or hides bits; -ENOBUFS: more than max.
 */
int base64_decode(const char *s, size_t n, uint8_t *out, size_t max, size_t *ret_len)
	__attribute__((warn_unused_result));

/* Characters that n bytes need, with padding, without a NUL. */
size_t base64_len(size_t n);
/* Writes base64_len(n) characters and no NUL. */
void base64_encode(const uint8_t *p, size_t n, char *out);

#endif

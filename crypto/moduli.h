/*
 * crypto/moduli.h - groups for DH group exchange: the file they stand in, and how they are made.
 *
 * Source  RFC 4419 sections 3 and 6.1; moduli(5) for the file, which OpenSSH, too, reads and makes.
 * Thread  one that was read never changes; it is held and given up on one.
 */
#ifndef SLUICE_CRYPTO_MODULI_H
#define SLUICE_CRYPTO_MODULI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "crypto/kex.h"

#define MODULI_FILE_MAX (4 * 1024 * 1024)
#define MODULI_BITS_MIN 512 /* below it a line is not used, whatever may be asked for */
#define MODULI_BITS_MAX (8 * KEX_GROUP_MAX)

struct moduli;

/*
 * Lines that are not for a safe prime that passed a test, and lines that are damaged, are left out.
 * 0; -ENOENT: nothing is left; -ENOMEM. The caller owns *ret: moduli_free().
 */
int moduli_parse(const char *text, size_t len, struct moduli **ret)
	__attribute__((warn_unused_result));
/* Also -errno of the system, and -EFBIG. */
int moduli_read(const char *path, struct moduli **ret) __attribute__((warn_unused_result));
/* One more holds it. NULL is fine. */
struct moduli *moduli_get(struct moduli *m);
void moduli_free(struct moduli *m); /* one who holds it; NULL is fine */
unsigned int moduli_count(const struct moduli *m);

/*
 * A group of between min and max bits for who wants n: of the smallest size that is at least n, or
 * the largest below it, any. m may be NULL: then, and when it has none, it is one of RFC 3526.
 * -ENOENT: there is none; -EIO: no randomness.
 */
int moduli_choose(const struct moduli *m, uint32_t min, uint32_t n, uint32_t max,
		  struct kex_group *ret) __attribute__((warn_unused_result));

/*
 * A line of the file, with the time in UTC as "YYYYMMDDhhmmss" and how many rounds the test had.
 * 0 or -errno.
 */
int moduli_write(FILE *f, const struct kex_group *g, const char *when, unsigned int rounds)
	__attribute__((warn_unused_result));

/*
 * A new safe prime of so many bits, and its generator. Takes minutes at 4096 bits; going is asked
 * now and then, and false ends it with -ECANCELED; may be NULL.
 */
int moduli_generate(unsigned int bits, bool (*going)(void *arg), void *arg, struct kex_group *ret)
	__attribute__((warn_unused_result));
/*
 * Is p, of p_len bytes, a safe prime that has a generator as RFC 4419 section 6.1 wants it? Then
 * *ret is the group. -EBADMSG: no; -EIO: the library failed.
 */
int moduli_screen(const uint8_t *p, size_t p_len, struct kex_group *ret)
	__attribute__((warn_unused_result));

#endif

/*
 * crypto/secret.h - memory that holds secrets.
 *
 * Memory  secret_new() is locked, kept out of core dumps, zeroed; secret_free() wipes
 *         before it gives back, and keeps some pages for the next. secret_wipe() cannot be
 *         optimised away.
 * Thread  any.
 */
#ifndef SLUICE_CRYPTO_SECRET_H
#define SLUICE_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>

void secret_wipe(void *p, size_t len);
/* NULL: no memory, or more than RLIMIT_MEMLOCK. Takes whole pages: not for crowds. */
void *secret_new(size_t len);
void secret_free(void *p, size_t len);
/* Gives back what is kept. False: nothing was. */
bool secret_trim(void);
/*
 * The same for a table that fills from its beginning: a page takes memory, and is locked, from its
 * first use on. usable: the bytes of len that may be used; these count against RLIMIT_MEMLOCK at
 * once. used: bytes that may hold something, to be wiped.
 */
void *secret_table_new(size_t len, size_t usable);
/* So many may be. 0, or -ENOMEM: more than RLIMIT_MEMLOCK, and as many may be as before. */
int secret_table_more(void *p, size_t usable) __attribute__((warn_unused_result));
void secret_table_free(void *p, size_t len, size_t used);
/*
 * The first line of a file that nobody but its owner may read, by no buffer but the caller's. 0 with
 * a NUL behind it; -EPERM: others may read it; -errno.
 */
int secret_line(const char *path, char *buf, size_t size) __attribute__((warn_unused_result));
/* Constant time in len. */
bool secret_equal(const void *a, const void *b, size_t len);

/* From the system's generator. 0, or -EIO when it failed: nothing may go on without it (F-26). */
int crypto_random(void *buf, size_t len) __attribute__((warn_unused_result));
/*
 * The library's generator for secrets, this thread's, takes from the kernel anew: before each key
 * it draws, as it would go on where it stood in a machine that was restored (S-66). 0, or -EIO.
 */
int crypto_reseed(void) __attribute__((warn_unused_result));

#endif

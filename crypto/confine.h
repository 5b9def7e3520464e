/*
 * crypto/confine.h - what a process that holds keys gives up once it serves.
 *
 * Lcore   before threads are started, or with all of them: the filter reaches each.
 * Errors  0 or -errno: the caller ends then.
 */
#ifndef SLUICE_CRYPTO_CONFINE_H
#define SLUICE_CRYPTO_CONFINE_H

#include <stddef.h>

/* No core file, and no other process of the same user may look into this one (F-31). */
int confine_dumps(void) __attribute__((warn_unused_result));

/*
 * For good: no_new_privs, then a filter of system calls. No program is started, no other process
 * touched, nobody's identity or file taken; nor is any of the n calls in more made (SCMP_SYS()).
 * What is denied fails with EPERM.
 */
int confine_calls(const int *more, size_t n) __attribute__((warn_unused_result));

#endif

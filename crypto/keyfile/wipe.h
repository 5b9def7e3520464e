/*
 * crypto/keyfile/wipe.h - an allocator for libraries that parse secrets: what it frees is wiped.
 *
 * Memory of the usual allocator and of this one may be freed by either.
 */
#ifndef SLUICE_CRYPTO_KEYFILE_WIPE_H
#define SLUICE_CRYPTO_KEYFILE_WIPE_H

#include <stddef.h>

void *wipe_malloc(size_t len);
void *wipe_realloc(void *p, size_t len);
void wipe_free(void *p);

#endif

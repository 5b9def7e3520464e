/*
 * crypto/fips.h - FIPSMode: what OpenSSL's FIPS provider computes, and nothing else.
 *
 * The module is the administrator's (fips_module(7)); no package of Debian has one. From
 * fips_begin() on the process fetches from it alone, finds no algorithm that is not approved, and
 * takes random numbers from its generator; ipsec-mb and code of our own are not asked.
 * What other libraries compute is theirs: hashes of passwords (libcrypt), codes (liboath),
 * Kerberos. Thread  fips_begin() before any other; the others on any.
 */
#ifndef SLUICE_CRYPTO_FIPS_H
#define SLUICE_CRYPTO_FIPS_H

#include <stdbool.h>
#include <stddef.h>

#define FIPS_WHY_MAX 256

/*
 * For good. 0; -ENOENT: the provider cannot be loaded; -EIO: it does not do what it is for, with
 * why filled in either way, and nothing has changed.
 */
int fips_begin(char why[FIPS_WHY_MAX]) __attribute__((warn_unused_result));
bool fips_on(void);
/* By the name it has in SSH: of a cipher, MAC, key exchange or signature. */
bool fips_approved(const char *name);
/* May it be used: is it approved, or FIPSMode off? */
bool fips_allows(const char *name);
/* The approved ones of a comma list, into a buffer as long as it. */
void fips_cut(const char *list, char *ret);

#endif

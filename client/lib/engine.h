/*
 * client/lib/engine.h - cipher engines, shared by the connections of a process.
 *
 * An engine has 1.4 MiB of locked memory, of which an ordinary user has 8: so there are a few, and
 * connections take them by turns. Its lock is held while a record of one of them is made or opened.
 */
#ifndef SLUICE_CLIENT_LIB_ENGINE_H
#define SLUICE_CLIENT_LIB_ENGINE_H

#include "crypto/cipher.h"
#include "crypto/fips.h"

#define ENGINES_MAX 4 /* of a kind */

struct engine;

/* 0, or what cipher_engine_new() said. */
int engine_get(enum cipher_engine_kind kind, struct engine **ret);
unsigned int engine_users(enum cipher_engine_kind kind); /* connections that have one of them */
/* FIPSMode, for the process. -EBUSY: connections compute without it; or as fips_begin() says. */
int engines_fips(char why[FIPS_WHY_MAX]);
/* The last one frees it. */
void engine_put(struct engine *e);
struct cipher_engine *engine_lock(struct engine *e);
void engine_unlock(struct engine *e);

#endif

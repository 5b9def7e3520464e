/*
 * control/session/revoked.h - the lists of revoked keys that a configuration names, read before it
 * is in force: so it can be told whom they would end (sluicectl reload --dry-run).
 */
#ifndef SLUICE_CONTROL_SESSION_REVOKED_H
#define SLUICE_CONTROL_SESSION_REVOKED_H

#include "conf/conf.h"
#include "crypto/krl.h"

struct revoked_lists;

/* Each RevokedKeys, Match or not. Thread  where files are read. NULL: there is none, or no memory. */
struct revoked_lists *revoked_lists_read(const struct conf *conf);
/* NULL: it is none of them, or cannot be read. */
const struct krl *revoked_list(const struct revoked_lists *l, const char *path);
void revoked_lists_free(struct revoked_lists *l); /* NULL is nothing */

#endif

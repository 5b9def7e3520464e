/*
 * control/admin/limits.h - every limit: how much of it is used, how much may be, how often it
 * refused.
 */
#ifndef SLUICE_CONTROL_ADMIN_LIMITS_H
#define SLUICE_CONTROL_ADMIN_LIMITS_H

#include "control/admin/admin.h"
#include "control/admin/shards.h"

struct limit_view {
	const char *name, *scope, *text;
	bool has_used, has_max;
	uint64_t used, max, refused;
};

/* The next one of control's own; *at begins at 0. False: there are no more. */
bool limits_of_control(const struct admin_env *env, unsigned int *at, struct limit_view *ret);

/* The next one of a shard's file: counter at *at of s. Texts are of the file. */
bool limits_of_shard(const struct shards *s, size_t file, size_t *at, struct limit_view *ret);

#endif

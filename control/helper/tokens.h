/*
 * control/helper/tokens.h - what stands for %u, %k and the others in a program's arguments.
 *
 * Source  sshd_config(5), TOKENS. A user's name has been looked at before (allow.h).
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_HELPER_TOKENS_H
#define SLUICE_CONTROL_HELPER_TOKENS_H

#include "control/helper/allow.h"
#include "crypto/key.h"

struct tokens {
	const struct allow *who;
	const struct helper_job *job;
	const struct key *key; /* maybe a certificate */
};

/* 0; -EINVAL: there is no such token, or not of this key; -ENAMETOOLONG. */
int tokens_expand(const struct tokens *t, const char *template, char *buf, size_t size)
	__attribute__((warn_unused_result));

#endif

/*
 * control/admin/steer.h - requests of the admin socket that change something.
 *
 * Each is logged with the uid and process of who asked.
 */
#ifndef SLUICE_CONTROL_ADMIN_STEER_H
#define SLUICE_CONTROL_ADMIN_STEER_H

#include "control/admin/answer.h"

typedef int steer_fn(struct answer *a, const struct admin_env *env, struct answer_text *out);

struct steer_request {
	const char *name, *form;
	unsigned int least, most; /* words */
	steer_fn *begin;
};

/* For the log: who asked, for what, and this. */
void steer_said(const struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* steer_trace.c */
steer_fn steer_trace;

/* NULL behind the last. */
const struct steer_request *steer_at(size_t i);

#endif

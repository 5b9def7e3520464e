/*
 * control/admin/answer.h - requests of the admin socket and their answers.
 *
 * An answer is made piece by piece, so that one about a million connections takes neither the
 * memory nor the time of a million: answer_more() until it returns 0.
 */
#ifndef SLUICE_CONTROL_ADMIN_ANSWER_H
#define SLUICE_CONTROL_ADMIN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "control/admin/admin.h"

#define ANSWER_VERSION 1 /* "v": raised when a member changes its meaning or goes */

enum answer_kind { ANSWER_NONE = 0, ANSWER_CONNECTIONS, ANSWER_COUNTERS, ANSWER_PENALTIES };

/* Where an answer stands; zeroed: none is under way. */
struct answer {
	enum answer_kind kind;
	struct session_cursor at;
	unsigned int peer, shard; /* the next one's counters */
	uint64_t penalty;         /* the next one */
	bool any;                 /* an element was written */
};

/* Bytes on their way; p is the heap's. */
struct answer_text {
	char *p;
	size_t len, size;
};

void answer_text_free(struct answer_text *t);

/*
 * Answers a line, without its end, appending to *out: wholly, or its beginning, when a->kind
 * says so. 0 or -ENOMEM.
 */
int answer_begin(struct answer *a, const struct admin_env *env, const char *line, size_t len,
		 struct answer_text *out) __attribute__((warn_unused_result));
/* Appends the next piece, which may be empty; a->kind is ANSWER_NONE after the last. 0 or -ENOMEM.
 */
int answer_more(struct answer *a, const struct admin_env *env, struct answer_text *out)
	__attribute__((warn_unused_result));
/* {"v":1,"error":text,"known":[...]} */
int answer_error(const char *text, struct answer_text *out) __attribute__((warn_unused_result));

#endif

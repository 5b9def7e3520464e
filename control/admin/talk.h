/*
 * control/admin/talk.h - a conversation of lines over a socket: one asks, an answer is made and
 * sent piece by piece, then the next line is heard.
 *
 * Who does not read costs no more than a piece of an answer. What is answered, and how long one may
 * be silent, is its owner's to say.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_ADMIN_TALK_H
#define SLUICE_CONTROL_ADMIN_TALK_H

#include <uv.h>

#include "control/admin/admin.h"
#include "control/admin/answer.h"

struct talk;
struct talk_ops {
	/* A line without its end: answer_begin(), or text into t->out. Negative: it is over. */
	int (*ask)(struct talk *t, const char *line, size_t len);
	/* It has asked, or taken something. Negative: it is over. */
	int (*alive)(struct talk *t);
	/* The last word: the owner lets go of it by talk_end(). */
	void (*over)(struct talk *t);
};

struct talk {
	uv_poll_t poll;
	const struct admin_env *env;
	const struct talk_ops *ops;
	void (*closed)(struct talk *t); /* of talk_end() */
	int fd;
	char in[ADMIN_LINE_MAX];
	size_t in_len;
	bool last;  /* over once its answer is sent */
	bool rests; /* its owner's: nothing is asked or heard meanwhile */
	struct answer answer;
	struct answer_text out;
	size_t sent; /* of out */
};

/* t is zeroed; fd, which does not block, is its from now on. -errno: fd is the caller's still. */
int talk_begin(struct talk *t, uv_loop_t *loop, const struct admin_env *env,
	       const struct talk_ops *ops, int fd) __attribute__((warn_unused_result));
/* It may be heard from now on. -errno: end it. */
int talk_hear(struct talk *t) __attribute__((warn_unused_result));
/* closed() is called when the loop has let go of it, and frees it. */
void talk_end(struct talk *t, void (*closed)(struct talk *t));

#endif

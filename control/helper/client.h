/*
 * control/helper/client.h - control's side of sluice-helper: calls with a deadline, answers by
 * callback, and a call for threads that may wait.
 *
 * Thread  helper_call_*: the loop's. helper_read_file(): one that waits for files.
 */
#ifndef SLUICE_CONTROL_HELPER_CLIENT_H
#define SLUICE_CONTROL_HELPER_CLIENT_H

#include <uv.h>

#include "control/helper/proto.h"

#define HELPER_PATH_MAX 108
#define HELPER_ALL_MAX  (4 << 20) /* DATA of one call */

/* Where it listens; it need not be there. */
struct helper {
	uv_loop_t *loop;
	char path[HELPER_PATH_MAX];
	struct helper_call *telling; /* helper_read_again(); NULL: nothing is under way */
};

struct helper_call;

/* Counts what became of a job that is no answer to what was asked. */
void helper_count(const struct helper_done *d);

/*
 * We have read the configuration: so should it, that both go by the same. Nobody waits for it; what
 * went wrong is said in the log. helper_read_end() gives it up.
 */
void helper_read_again(struct helper *h);
void helper_read_end(struct helper *h);

/* What comes back; views. None is called within helper_call() or after helper_call_end(). */
struct helper_ops {
	void (*ask)(void *arg, const struct ssh_prompts *p); /* then helper_call_answer() */
	/* The last. data: all that came, and a NUL behind it. The call is ended by its owner. */
	void (*done)(void *arg, const struct helper_done *d, const char *data, size_t len);
};

/* A frame as helper_*_build() makes it, which is copied. -ENOMEM; an error of the socket. */
int helper_call(struct helper *h, const uint8_t *frame, size_t len, const struct helper_ops *ops,
		void *arg, struct helper_call **ret) __attribute__((warn_unused_result));
int helper_call_answer(struct helper_call *call, unsigned int n, const struct ssh_str *answer)
	__attribute__((warn_unused_result));
void helper_call_end(struct helper_call *call); /* NULL is nothing */

/*
 * Reads a file as that user; *ret is malloc'ed, NUL-terminated. -ENOENT: there is none; -EACCES: it
 * may not be believed, with why; -ETIMEDOUT, or what else went wrong. Blocks.
 */
int helper_read_file(const char *socket_path, const struct helper_file *file, char **ret,
		     size_t *ret_len, char *why, size_t why_size)
	__attribute__((warn_unused_result));

#endif

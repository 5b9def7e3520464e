/*
 * control/session/hook.h - what a program of the operator's is asked about a connection
 * (PolicyHook), and what its answers come to.
 *
 * hook.c puts requests together and weighs answers, hook_gate.c holds back a message, or the whole
 * connection, until it is known whether it may be heard, hook_named.c loads host keys,
 * hook_forward.c has tunnels and listeners, login_hook.c logins, news.c what it is told of. What
 * the configuration refuses stays refused whatever is answered, but where authority= says
 * otherwise.
 */
#ifndef SLUICE_CONTROL_SESSION_HOOK_H
#define SLUICE_CONTROL_SESSION_HOOK_H

#include "control/hook/hook.h"
#include "control/session/internal.h"

/* What an answer, or that there is none, comes to. */
enum hook_word {
	HOOK_YES = 1,
	HOOK_NO,
	HOOK_OPEN, /* nobody has answered, and fail=open: the configuration alone decides */
};

/* hook.c */
/* Is anybody asked about this kind? */
bool hook_for(const struct session *s, enum conf_hook_kind kind, struct conf_hook *ret);
/* Which connection it is, also of one that rests. */
void hook_conn(const struct session *s, struct hook_req *r);
/*
 * A request with all that is known of the connection; the same of another kind; of one that may
 * rest, with its facts_get().
 */
void hook_begin(const struct session *s, enum conf_hook_kind kind, struct hook_req *r);
void hook_about(const struct session *s, const char *kind, struct hook_req *r);
void hook_about_of(const struct session *s, const struct awake *facts, const char *kind,
		   struct hook_req *r);
/* As hook_ask(); negative: what hook_unasked() has in place of an answer is to be weighed now. */
int hook_ask_about(struct session *s, const struct conf_hook *h, struct hook_req *r,
		   const struct hook_secret *secret, size_t n_secret, hook_done *done, void *arg,
		   struct hook_call **ret) __attribute__((warn_unused_result));
/*
 * NULL where nobody is there; a refusal, whatever fail= says, where too much waits already: what a
 * flood of strangers can bring about must open nothing.
 */
const struct hook_answer *hook_unasked(int err);
/* Limits that an answer has named hold from here on, beside those before. */
void hook_bounds(struct session *s, const struct conf_bounds *b);
/* hook_named.c */
struct naming;
/* Host keys of files that an answer has named are loaded one by one; then gate_named(). */
int naming_begin(struct session *s, const struct host_file *file, unsigned int n)
	__attribute__((warn_unused_result));
void naming_free(struct naming *n); /* NULL is fine; what comes later finds nobody */

/* hook.c */
/* Said in the audit log; in the log and counted, where it is a refusal. a NULL: there is no answer.
 */
enum hook_word hook_word(const struct session *s, enum conf_hook_kind kind, bool fail_open,
			 const struct hook_answer *a);

#endif

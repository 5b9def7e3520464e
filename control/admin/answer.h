/*
 * control/admin/answer.h - requests of the admin socket and their answers.
 *
 * An answer is made piece by piece, so that one about a million connections takes neither the
 * memory nor the time of a million: answer_more() until there is no more. What is asked of others
 * (a shard) is waited for: nothing is made of an answer that waits until its client is woken.
 */
#ifndef SLUICE_CONTROL_ADMIN_ANSWER_H
#define SLUICE_CONTROL_ADMIN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "control/admin/admin.h"
#include "control/admin/request.h"
#include "control/admin/text.h"
#include "control/reload.h"
#include "control/session/look.h"
#include "control/session/ours.h"

#define ANSWER_VERSION 1  /* "v": raised when a member changes its meaning or goes */
#define ANSWER_PIECE   64 /* connections, or other elements, in one piece */

struct answer;
struct revoked_lists;
/* Appends the next piece, which may be empty, or ends it: answer_over(). 0 or -ENOMEM. */
typedef int answer_more_fn(struct answer *a, const struct admin_env *env, struct answer_text *out);

/* Where an answer stands; zeroed: none is under way. */
struct answer {
	answer_more_fn *more; /* NULL: none is under way */
	bool waits;           /* for somebody else's word */
	bool any;             /* an element was written */
	struct request request;
	struct request_filter filter;
	struct session_cursor at;
	unsigned int peer, shard; /* the next one's counters */
	uint64_t next;            /* the next of whatever is counted through */
	json_t *sums;             /* by user */
	json_t *capped;           /* by number of a connection, once shards were asked */
	bool capped_asked, capped_unknown; /* all were; one did not answer */

	/* Of one that waits. */
	struct answer_text *out;        /* its client's */
	void (*wake)(struct answer *a); /* it goes on; with failed < 0 it cannot */
	int failed;
	struct look look;
	bool last_shard; /* all of them were asked */
	struct reload_wish wish;
	bool wishes; /* its outcome is awaited */
	struct ours_ask opens;
	struct conf *then;                /* that would be in force; held */
	uint32_t conns, conns_room;       /* MaxConnections; what the dataplane has places for */
	struct revoked_lists *then_lists; /* of revoked keys, its own */
	json_t *cuts, *rates;             /* whom it would make go, or give other rates */
	uint64_t n_cuts, n_rates,
		n_cuts_unknown; /* all; those of whom it would have to be asked */

	/* steer.c */
	int pass; /* a descriptor that goes with the line, plus 1: whoever sends it closes it; 0 */
	struct {
		uid_t uid;
		pid_t pid;
		struct audit *audit; /* that is told of what he does; NULL */
	} caller;
	const char *reason; /* for who is disconnected; of the request */
	bool (*act)(struct answer *a, const struct session_view *v);
	uint64_t number, closed;
	int (*each)(struct answer *a, const struct look_view *v, const struct link_look_chan *c);
};

/*
 * Answers a line, without its end, appending to *out: wholly, or its beginning, when a->more
 * says so. 0 or -ENOMEM.
 */
int answer_begin(struct answer *a, const struct admin_env *env, const char *line, size_t len,
		 struct answer_text *out) __attribute__((warn_unused_result));
static inline int answer_more(struct answer *a, const struct admin_env *env,
			      struct answer_text *out)
{
	return a->more != NULL ? a->more(a, env, out) : 0;
}
/* The same of a list that `show NAME` has, of those the filter lets through; what it names lives as
 * long. */
int answer_show(struct answer *a, const char *name, const struct request_filter *filter,
		struct answer_text *out) __attribute__((warn_unused_result));
/* What it holds is given back, whether it is at its end or not. */
void answer_over(struct answer *a);
/* {"v":1,"error":text,"known":[…]} */
int answer_error(const char *text, struct answer_text *out) __attribute__((warn_unused_result));

/*
 * For who makes answers: {"v":1,name:[ as their beginning; an element, which is taken, NULL: no
 * memory; the end.
 */
int answer_list_begin(const char *name, struct answer_text *out)
	__attribute__((warn_unused_result));
int answer_list_add(struct answer *a, json_t *v, struct answer_text *out)
	__attribute__((warn_unused_result));
int answer_list_end(struct answer *a, struct answer_text *out) __attribute__((warn_unused_result));
/*
 * The next connection the filter lets through, of as many as may be looked at in a piece: *looked
 * counts them and begins at 0. -EAGAIN: the piece is full; -ENOENT: there are no more.
 */
int answer_next_session(struct answer *a, const struct admin_env *env, unsigned int *looked,
			struct session_view *ret) __attribute__((warn_unused_result));

/*
 * show_channels.c: asks the next shard for channels: those the filter lets through are given to
 * a->each() before the answer goes on. -ENOENT: there are no more.
 */
int look_more(struct answer *a, const struct admin_env *env) __attribute__((warn_unused_result));

/*
 * show_capped.c: asks the next shard what waited for rates. 0: the answer waits; 1: all were
 * asked; or negative. What came; what of it is this connection's added to its object, or its
 * user's: nulls where it is not known, or a is NULL.
 */
int capped_look(struct answer *a, const struct admin_env *env)
	__attribute__((warn_unused_result));
int capped_came(struct answer *a, const struct link_look_result *r)
	__attribute__((warn_unused_result));
int capped_add(const struct answer *a, uint64_t uid, json_t *to)
	__attribute__((warn_unused_result));

/* show_sessions.c: one of show_connections(), by a or NULL; NULL: no memory. */
json_t *show_connection(const struct answer *a, const struct session_view *v,
			const struct admin_env *env);

/* show_*.c */
/* Where the gateway listens by the configuration's number of it; 0: one it has not chosen yet. */
int own_port(const struct admin_env *env, size_t listen);
int show_info(struct answer *a, const struct admin_env *env, struct answer_text *out);
answer_more_fn show_connections, show_tunnels, show_listeners, show_users, show_penalties,
	show_counters, show_limits, show_config, show_errors, show_channels, show_lcores,
	show_ports;

#endif

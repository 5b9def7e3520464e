/*
 * control/admin/admin.h - $SLUICE_RUN/control.sock, where an operator asks what is going on.
 *
 * A UNIX stream for the same uid and root: one request a line, one JSON object a line as the
 * answer, in order; sluice-control(8) describes both.
 * Limits  ADMIN_CLIENTS_MAX clients, lines of ADMIN_LINE_MAX bytes, ADMIN_IDLE_MS without a
 *         request or a byte taken of its answer. A client that does not read is given a chunk at
 *         a time and costs no more than that.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_ADMIN_ADMIN_H
#define SLUICE_CONTROL_ADMIN_ADMIN_H

#include <stdint.h>
#include <uv.h>

#include "control/linkpeer.h"
#include "control/session/session.h"

#define ADMIN_CLIENTS_MAX 8
#define ADMIN_LINE_MAX    1024 /* its end included; REQUEST_LINE_MAX */
#define ADMIN_IDLE_MS     60000

/* What is told about; borrowed, and alive longer than the socket. */
struct admin_env {
	struct session_env *sessions;
	struct linkpeer *const *peers;
	unsigned int n_peers;
	const char *conf_path;
	uint64_t began_ms; /* when control started */
	struct reload *reload; /* NULL: it is not reloaded from here */
	/* Ends it all when nobody is left, or after so long; NULL: not from here. */
	void (*shut_down)(void *owner, uint64_t grace_ms);
	void *owner;
	/* Whose clients are counted, once they are there. */
	const struct admin *admin;
	const struct web *web;
};

struct admin;
struct reload;
struct web;

/*
 * Listens at path, which is copied. -EADDRINUSE: a living process does; -EEXIST: what is there
 * is no socket. A socket nobody listens on is replaced.
 */
int admin_new(uv_loop_t *loop, const struct admin_env *env, const char *path, struct admin **ret)
	__attribute__((warn_unused_result));
/* Removes the file and closes every client; freed when the loop has let go of its handles. */
void admin_close(struct admin *a);
unsigned int admin_clients(const struct admin *a);

#endif

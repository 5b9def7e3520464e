/*
 * control/linkpeer.h - the dataplanes control serves: attaching, rings, detaching.
 *
 * One object per link.sock. It connects, says hello, receives one ring pair per shard, hands
 * events to the shard's table of sessions and carries items back; when the dataplane goes or
 * talks nonsense it is detached, with its sessions, and tried again.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_LINKPEER_H
#define SLUICE_CONTROL_LINKPEER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "control/session/session.h"

#define LINKPEER_HELLO_MS        5000 /* from connecting to the last shard's rings */
#define LINKPEER_RETRY_MS        200  /* between two tries */
#define LINKPEER_EVENTS_PER_TURN 256  /* of one shard, before all others have their turn */

struct linkpeer;

/* path is copied; env is borrowed. Tries at once. */
int linkpeer_new(uv_loop_t *loop, struct session_env *env, const char *path, struct linkpeer **ret)
	__attribute__((warn_unused_result));
struct linkpeer_status {
	const char *name; /* of the dataplane that answered last, its word; "": none yet */
	const char *path; /* of its socket */
	bool attached;
	uint16_t shards; /* 0 while it is not attached */
};

/* Where the gateway listens by the configuration's number of it: what the shards say. */
enum linkpeer_listening { LINKPEER_LISTEN_ASKED, LINKPEER_LISTENS, LINKPEER_LISTEN_FAILED };
enum linkpeer_listening linkpeer_listening(const struct linkpeer *p, size_t listen);
/* Its port, also where the dataplane chose it; 0: it has said none yet. */
uint16_t linkpeer_port(const struct linkpeer *p, size_t listen);

/*
 * Nobody new comes in: the shards listen no more, until they are to again. Without interfaces they
 * go on, as the kernel would take connections all the same: the door sends those away
 * (session_env.draining, which is the caller's to set).
 */
void linkpeer_drain(struct linkpeer *p, bool on);

struct linkpeer_status linkpeer_status(const struct linkpeer *p);
/* Ends every connection of it with a DISCONNECT; items that fit the rings are on their way. */
void linkpeer_shutdown(struct linkpeer *p);
/* Detaches and goes; freed when the loop has let go of its handles. */
void linkpeer_close(struct linkpeer *p);

#endif

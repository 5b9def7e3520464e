/*
 * control/signer/remote.h - control's side of sluice-signer: what struct signer does when its keys
 * are another process's.
 *
 * What a signer was asked that goes away is kept until its deadline, and asked again of whoever
 * listens then; calls that come meanwhile wait with it. What comes back counts only when it has the
 * same keys, and hears nothing before: other keys are another signer_remote's, and fail what waits.
 * Thread  the loop's; signer_remote_open() waits, at start.
 */
#ifndef SLUICE_CONTROL_SIGNER_REMOTE_H
#define SLUICE_CONTROL_SIGNER_REMOTE_H

#include <uv.h>

#include "control/signer/proto.h"
#include "control/timers.h"

#define SIGNER_ASKED_MAX 2048 /* calls that are not answered */
#define SIGNER_RENEW_MS  100  /* between two tries to reach it, or who takes its place */
#define SIGNER_OFFER_MS  5000 /* until keys that were not taken are offered again */

struct signer_remote;

/*
 * Dials it and learns its keys: public ones, which are the caller's from then on. -ENOENT,
 * -ECONNREFUSED: none is running; others: what is wrong with it.
 */
int signer_remote_open(uv_loop_t *loop, struct timers *timers, const char *path,
		       struct signer_remote **ret, struct host_keys *ret_keys)
	__attribute__((warn_unused_result));
/*
 * A signer that is replaced says so, and one that was restarted may have other keys. Who listens in
 * its place is dialled, again and again, and learned from: next is another connection with keys of
 * its own, both the callee's, and is watched in the same way. This one goes on for who uses its
 * keys, as long as its signer lives. Called from the loop; negative: they were not taken, and it is
 * called again later.
 */
typedef int signer_renewed(void *arg, struct signer_remote *next, struct host_keys *keys);
void signer_remote_watch(struct signer_remote *r, signer_renewed *renewed, void *arg);
/*
 * Open calls are not answered any more; gone when the loop has let go of its handle. Also from
 * within done() of a call.
 */
void signer_remote_close(struct signer_remote *r);

/*
 * m's id is chosen here. -EBUSY, -ENOMEM; -EPIPE: nobody has these keys any more; or what is wrong
 * with the socket.
 */
int signer_remote_call(struct signer_remote *r, struct signer_request *m, uint64_t deadline_ms,
		       const struct signer_caller *caller, signer_done *done)
	__attribute__((warn_unused_result));

/* The same, of signer_open(). */
int signer_remote_open_key(struct signer_remote *r, const struct host_file *file,
			   uint64_t deadline_ms, const struct signer_caller *caller,
			   signer_opened *done) __attribute__((warn_unused_result));
/* Where nobody listens there is nothing to let go. */
void signer_remote_let_go(struct signer_remote *r, const uint8_t print[32]);

/* Calls that are not answered. */
unsigned int signer_remote_asked(const struct signer_remote *r);

#endif

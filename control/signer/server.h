/*
 * control/signer/server.h - sluice-signer's socket: who asks gets signatures of the keys of a
 * struct signer, computed on its pool.
 */
#ifndef SLUICE_CONTROL_SIGNER_SERVER_H
#define SLUICE_CONTROL_SIGNER_SERVER_H

#include <sys/types.h>
#include <uv.h>

#include "control/signer.h"

#define SIGNER_PEERS_MAX   8    /* connections */
#define SIGNER_PENDING_MAX 4096 /* requests of one that are not answered */
#define SIGNER_ANSWER_MS   10000
#define SIGNER_UNREAD_MAX  (4 << 20) /* bytes of answers that one does not read */

struct signer_server;

/* Listens at path, for processes of this user and of root. -EADDRINUSE: one listens there. */
int signer_server_new(uv_loop_t *loop, struct signer *signer, uint64_t (*now_ms)(void),
		      const char *path, uid_t client, struct signer_server **ret)
	__attribute__((warn_unused_result));
/*
 * Has whoever listens at path make room: it answers those it has, and ends when they are gone.
 * Waits, at start. 0: there is nobody any more.
 */
int signer_server_replace(const char *path) __attribute__((warn_unused_result));
/* Called when it has made room and the last of those who ask is gone. */
void signer_server_on_idle(struct signer_server *s, void (*idle)(void *arg), void *arg);
/* Gone when the loop has let go of its handles; answers that come later find nobody. */
void signer_server_close(struct signer_server *s);

#endif

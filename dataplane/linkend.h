/*
 * dataplane/linkend.h - the dataplane's end of the link: the socket, the one control that is
 * attached, the rings and bells of this process's shard.
 *
 * Lcore   the shard's. linkend_send(), _recv() and _ring() are for every turn; linkend_poll()
 *         makes system calls and is for now and then.
 * Trust   control runs as the same user or root and may still be broken: whatever it does wrong
 *         detaches it, and another may attach. Each gets a memfd of its own, so that what an
 *         old one still writes reaches nobody.
 */
#ifndef SLUICE_DATAPLANE_LINKEND_H
#define SLUICE_DATAPLANE_LINKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LINKEND_HELLO_US 2000000 /* how long a peer may take to say hello */

struct linkend;

enum linkend_news { LINKEND_NONE, LINKEND_ATTACHED, LINKEND_DETACHED };

/* Binds path: -EADDRINUSE when another dataplane lives there. name is borrowed. */
int linkend_new(const char *path, uint16_t dataplane, uint64_t start_id, const char *name,
		struct linkend **ret);
/* Closes all and removes the socket file. */
void linkend_free(struct linkend *l);
/* For privileges that are about to be given up. 0 or -errno. */
int linkend_chown(struct linkend *l, uid_t uid, gid_t gid);

/* Readable when linkend_poll() has something to do: a control, its end, its bell. */
int linkend_fd(const struct linkend *l);
/* At most one piece of news a call; call again after one. */
enum linkend_news linkend_poll(struct linkend *l, uint64_t now_us);
uint64_t linkend_next_timer_us(const struct linkend *l); /* UINT64_MAX: none */

/*
 * As struct relay_link says (arg is the linkend): 0 or the length; -EAGAIN; -ENOTCONN. A message
 * that is not well-formed detaches its sender.
 */
int linkend_send(void *arg, const void *head, size_t head_len, const void *body, size_t body_len);
int linkend_recv(void *arg, void *buf, size_t size);
/* Rings control's bell when something was sent and it sleeps. Returns 1 if so. */
unsigned int linkend_ring(struct linkend *l);
/* Before and after sleeping on linkend_fd(): look once more in between. */
void linkend_sleep(struct linkend *l);
void linkend_wake(struct linkend *l);

#endif

/*
 * dataplane/linkend.h - one shard's end of the link: its rings and bells towards the control that
 * is attached. The socket on which a control comes and goes is the process's: linkhub.h.
 *
 * Lcore   the shard's. linkend_send(), _recv() and _ring() are for every turn; linkend_poll()
 *         makes system calls and is for now and then. What says so is the hub's: the first shard
 *         calls those, perhaps on another lcore.
 * Memory  the hub's. Words that pass between the two lie in lines of their own, each written by
 *         one side: the hub offers a pair of rings and takes it away again only when the shard
 *         holds it; it frees it when the shard has let go.
 */
#ifndef SLUICE_DATAPLANE_LINKEND_H
#define SLUICE_DATAPLANE_LINKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/sock.h"

struct linkend;

enum linkend_news { LINKEND_NONE, LINKEND_ATTACHED, LINKEND_DETACHED };

/* Readable when linkend_poll() has something to do: a control, its end, its bell. */
int linkend_fd(const struct linkend *l);
/* Its control has gone and linkend_poll() has not said so yet: what it said before is there still.
 */
bool linkend_leaves(const struct linkend *l);
/* At most one piece of news a call; call again after one. */
enum linkend_news linkend_poll(struct linkend *l);
/*
 * Has control taken anything of what waits for it? One that has not for as long as the hub allows
 * is stopped, or hangs, and is sent away as if it had gone. Each second at least: otherwise the
 * shard, too, was stopped, and the time begins anew.
 */
void linkend_watch(struct linkend *l, uint64_t now_us);
/* Since when the one that was detached last had taken nothing; 0: it did not stand still. */
uint64_t linkend_still_us(const struct linkend *l);
uint64_t linkend_next_timer_us(const struct linkend *l); /* UINT64_MAX: none */

/*
 * As struct relay_link says (arg is the linkend): 0 or the length; -EAGAIN; -ENOTCONN. A message
 * that is not well-formed detaches its sender.
 */
int linkend_send(void *arg, const void *head, size_t head_len, const void *body, size_t body_len);
int linkend_recv(void *arg, void *buf, size_t size);
/*
 * News (link_type_is_news()) waits so long, or until there is so much of it: to ring and to wake
 * control costs more than to open a channel.
 */
#define LINKEND_NEWS_US  2000
#define LINKEND_NEWS_MAX 1024
/*
 * Rings control's bell when it sleeps and something was sent that does not wait. Returns 1 if
 * so.
 */
unsigned int linkend_ring(struct linkend *l, uint64_t now_us);
/* Before and after sleeping on linkend_fd(): look once more in between. No news waits meanwhile. */
void linkend_sleep(struct linkend *l);
void linkend_wake(struct linkend *l);

/*
 * The next set of descriptors that control has sent for this shard: how many, and they are the
 * caller's; 0: none. What is not taken when control goes is closed.
 */
unsigned int linkend_fds(struct linkend *l, uint64_t *ret_token, int ret_fds[LINK_FDS_MAX]);

/* --- the hub's --------------------------------------------------------------------------- */

/* What a control shares with one shard: the mapped rings, the bells. */
struct linkend_pair {
	void *shm;
	struct link_shard_fds fds; /* fds.shm is -1 once it was sent */
};

enum linkend_fault { LINKEND_NO_FAULT, LINKEND_NONSENSE, LINKEND_STILL };

/*
 * hub_bell, borrowed, is rung when the shard wants the hub to look; patience_us: of
 * linkend_watch(), 0: for ever. 0 or -errno.
 */
int linkend_new(int hub_bell, uint64_t patience_us, struct linkend **ret);
void linkend_free(struct linkend *l);
/* Only to one that holds nothing, and NULL only to one that holds a pair. */
void linkend_offer(struct linkend *l, struct linkend_pair *pair);
/* The pair that the shard uses, NULL: none. */
struct linkend_pair *linkend_held(const struct linkend *l);
/* Why the shard has given up the other end of its rings, if it has. */
enum linkend_fault linkend_fault(const struct linkend *l);
/* Sets of one shard that wait for it to take them. */
#define LINKEND_FDS_MAX 64
/* Hands over a set for the control that is offered: taken, and closed where there is no room. */
int linkend_give_fds(struct linkend *l, uint64_t token, const int *fds, unsigned int n);

#endif

/*
 * dataplane/linkhub.h - the socket on which the dataplane meets control: who may attach, what
 * detaches it; one linkend for each shard.
 *
 * Lcore   the first shard's.
 * Trust   control runs as the same user or root and may still be broken: whatever it does wrong,
 *         to whichever shard, detaches it from all, and another may attach. Each gets memfds of
 *         its own, so that what an old one still writes reaches nobody.
 */
#ifndef SLUICE_DATAPLANE_LINKHUB_H
#define SLUICE_DATAPLANE_LINKHUB_H

#include <stdint.h>
#include <sys/types.h>

#define LINKHUB_HELLO_US 2000000 /* how long a peer may take to say hello */

struct linkhub;
struct linkend;

struct linkhub_conf {
	const char *path;   /* of the socket, copied */
	uint16_t dataplane; /* as in handles */
	uint16_t shards;
	uint64_t start_id;
	const char *name;     /* copied */
	uint64_t patience_us; /* for a control that takes nothing; 0: for ever */
};

/* Binds the path: -EADDRINUSE when another dataplane lives there. */
int linkhub_new(const struct linkhub_conf *conf, struct linkhub **ret);
/* Closes all and removes the socket file; the ends go with it, so their shards are gone. */
void linkhub_free(struct linkhub *h);
/* For privileges that are about to be given up. 0 or -errno. */
int linkhub_chown(struct linkhub *h, uid_t uid, gid_t gid);

/* The end of one shard, for the life of the hub. */
struct linkend *linkhub_end(struct linkhub *h, uint16_t shard);
/* Sets of descriptors that could not be received or handed over; counted, and control's loss. */
uint64_t linkhub_fds_lost(const struct linkhub *h);
/* Readable when linkhub_poll() has something to do. */
int linkhub_fd(const struct linkhub *h);
/* Makes system calls. Returns work done. */
unsigned int linkhub_poll(struct linkhub *h, uint64_t now_us);
uint64_t linkhub_next_timer_us(const struct linkhub *h); /* UINT64_MAX: none */

#endif

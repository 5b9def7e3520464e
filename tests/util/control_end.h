/*
 * tests/util/control_end.h - the other end of the link, for tests of a dataplane: connects,
 * says hello, maps the rings.
 */
#ifndef SLUICE_TESTS_UTIL_CONTROL_END_H
#define SLUICE_TESTS_UTIL_CONTROL_END_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "link/msg.h"
#include "link/ring.h"
#include "link/sock.h"

struct control_end {
	int fd;
	void *shm;
	struct link_shard_fds fds;
	struct link_producer tx;
	struct link_consumer rx;
	struct link_hello theirs;
};

static inline struct link_hello control_hello(void)
{
	return (struct link_hello){.magic = LINK_MAGIC, .version = LINK_VERSION, .name = "control"};
}

/* Connects and says h; the dataplane has to be polled before control_end_finish(). */
static inline int control_end_begin(struct control_end *c, const char *path,
				    const struct link_hello *h)
{
	*c = (struct control_end){.fd = link_connect(path), .fds = {-1, -1, -1}};
	return c->fd < 0 ? c->fd : link_hello_send(c->fd, h);
}

/* The rings of one shard, from the socket of the attachment. */
static inline int control_end_rings(struct control_end *c, int fd, uint16_t want)
{
	uint16_t shard;
	int r = link_shard_recv(fd, &shard, &c->fds);

	if (r == 0 && shard != want)
		r = -EPROTO;
	if (r == 0)
		r = link_shm_map(c->fds.shm, &c->shm);
	if (r == 0)
		link_shm_ends(c->shm, false, &c->tx, &c->rx);
	return r;
}

/* Of a dataplane with several shards: the first's. */
static inline int control_end_finish(struct control_end *c)
{
	int r = link_hello_recv(c->fd, &c->theirs);

	return r == 0 ? control_end_rings(c, c->fd, 0) : r;
}

static inline void control_end_close(struct control_end *c)
{
	if (c->shm != NULL)
		link_shm_unmap(c->shm);
	if (c->fds.shm >= 0) {
		close(c->fds.shm);
		close(c->fds.bell_dataplane);
		close(c->fds.bell_control);
	}
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct control_end){.fd = -1, .fds = {-1, -1, -1}};
}

/* Did the other end close the socket? */
static inline bool control_end_is_closed(const struct control_end *c)
{
	struct link_hello h;

	return link_hello_recv(c->fd, &h) == -EPIPE;
}

static inline int control_end_listen(struct control_end *c, const struct link_addr *addr,
				     uint32_t listener, bool stop)
{
	struct link_hdr h = {.len = sizeof(h) + sizeof(struct link_listen),
			     .type = LINK_CMD_LISTEN};
	struct link_listen l = {.addr = *addr, .listener = listener, .backlog = 16, .close = stop};

	return link_tx(&c->tx, &h, sizeof(h), &l, sizeof(l));
}

#endif

/*
 * link/sock.h - the UNIX socket on which the two processes meet.
 *
 * SOCK_SEQPACKET, so that a hello or a set of descriptors arrives whole or not at all.
 * The dataplane listens on $SLUICE_RUN/link.sock; control connects. Hello each way
 * (magic, LINK_VERSION, name, start id), peer credentials (same uid or root), then the
 * dataplane sends per shard one memfd and two eventfds (bell to dataplane, bell to
 * control). Later descriptors come with a token and are parked until a message claims them.
 * Non-blocking throughout; every step has a deadline of the caller's.
 */
#ifndef SLUICE_LINK_SOCK_H
#define SLUICE_LINK_SOCK_H

#include <stddef.h>
#include <stdint.h>

struct link_hello {
	uint64_t magic;
	uint32_t version;
	uint16_t dataplane; /* index of this dataplane as in handles; control: 0 */
	uint16_t shards;
	uint64_t start_id;
	char name[32];
};

#define LINK_SHARDS_MAX 1024
#define LINK_MAGIC      0x536c7569636531ULL /* "Sluice1" */

struct link_shard_fds {
	int shm, bell_dataplane, bell_control;
};

/*
 * Listening socket at path, for the same uid and root only (mode 0600: made after root is given
 * up). A stale one is replaced, a live one is -EADDRINUSE (F-40); what is no socket is -EEXIST.
 */
int link_listen_socket(const char *path);
/* The same of a stream: control's own socket, whose callers are programs of the operator. */
int link_listen_stream(const char *path);
/* A connected, non-blocking socket whose peer has the right uid; -EPERM else. */
int link_accept(int listen_fd);
int link_connect(const char *path);
int link_hello_send(int fd, const struct link_hello *h);
/*
 * 0; -EAGAIN; -EPROTO magic or shape, -EPROTONOSUPPORT version (both are logged by the caller),
 * -EPIPE. Version is looked at before anything whose place could have moved.
 */
int link_hello_recv(int fd, struct link_hello *ret);
/* The descriptors stay the sender's; the receiver gets its own, -EPROTO when it is not three. */
int link_shard_send(int fd, uint16_t shard, const struct link_shard_fds *fds);
int link_shard_recv(int fd, uint16_t *ret_shard, struct link_shard_fds *ret);

/*
 * Descriptors for a shard, LINK_FDS_MAX at most: one that is read and written, or one to write to
 * and one or two to read. token is control's, not 0, and not used twice. They stay the sender's.
 */
#define LINK_FDS_MAX 3
int link_fds_send(int fd, uint16_t shard, uint64_t token, const int *fds, unsigned int n);
/*
 * Number of descriptors, which are the receiver's. 0: the message was right, and there were no
 * descriptors left to receive them with (EMFILE). -EPROTO: any other message, what came with it is
 * closed; -EAGAIN; -EPIPE.
 */
int link_fds_recv(int fd, uint16_t *ret_shard, uint64_t *ret_token, int ret_fds[LINK_FDS_MAX]);

/* A doorbell: a non-blocking eventfd. Ringing one that is full is no error: it rings already. */
int link_bell_new(void);
void link_bell_ring(int bell);
void link_bell_clear(int bell);

#endif

/* dataplane/linkend.c - see linkend.h. */
#include "dataplane/linkend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_branch_prediction.h>

#include "dataplane/log.h"
#include "link/msg.h"
#include "link/ring.h"
#include "link/sock.h"

enum state {
	ALONE = 1, /* listening, nobody there */
	GREETING,  /* somebody connected and has not said hello yet */
	ATTACHED,
};

/* What epoll says is ready. */
enum source { SRC_LISTEN = 1, SRC_PEER, SRC_BELL };

struct linkend {
	struct link_producer tx;
	struct link_consumer rx;
	void *shm;
	bool sent;   /* since the bell was last looked at */
	bool no_fds; /* a control could not be let in for want of descriptors: said once */
	bool broken; /* the peer's rings are not to be believed: detach at the next poll */

	enum state state;
	int epoll, listener, peer;
	struct link_shard_fds fds;
	uint64_t deadline_us;
	struct link_hello hello;
	char *path;
};

static int watch(struct linkend *l, int fd, enum source src)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = src};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int linkend_new(const char *path, uint16_t dataplane, uint64_t start_id, const char *name,
		struct linkend **ret)
{
	struct linkend *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->state = ALONE;
	l->listener = l->epoll = l->peer = -1;
	l->fds = (struct link_shard_fds){-1, -1, -1};
	l->hello = (struct link_hello){.magic = LINK_MAGIC,
				       .version = LINK_VERSION,
				       .dataplane = dataplane,
				       .shards = 1,
				       .start_id = start_id};
	strncpy(l->hello.name, name, sizeof(l->hello.name) - 1);

	r = link_listen_socket(path);
	if (r < 0)
		goto out;
	l->listener = r;
	l->path = strdup(path); /* from here on the file is ours to remove */
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->path == NULL || l->epoll < 0) {
		r = -ENOMEM;
		goto out;
	}
	r = watch(l, l->listener, SRC_LISTEN);
	if (r < 0)
		goto out;
	*ret = l;
	l = NULL;
out:
	linkend_free(l);
	return r < 0 ? r : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Back to nobody there. epoll forgets what is closed: nobody else holds these. */
static void drop_peer(struct linkend *l)
{
	close_fd(&l->peer);
	/* Control may still hold the bell: out of the set by hand. */
	if (l->fds.bell_dataplane >= 0)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->fds.bell_dataplane, NULL);
	close_fd(&l->fds.shm);
	close_fd(&l->fds.bell_dataplane);
	close_fd(&l->fds.bell_control);
	if (l->shm != NULL)
		link_shm_unmap(l->shm);
	l->shm = NULL;
	l->sent = l->broken = false;
	l->state = ALONE;
}

void linkend_free(struct linkend *l)
{
	if (l == NULL)
		return;
	drop_peer(l);
	close_fd(&l->epoll);
	if (l->path != NULL)
		unlink(l->path);
	close_fd(&l->listener);
	free(l->path);
	free(l);
}

int linkend_chown(struct linkend *l, uid_t uid, gid_t gid)
{
	return chown(l->path, uid, gid) < 0 ? -errno : 0;
}

int linkend_fd(const struct linkend *l)
{
	return l->epoll;
}

/* While one is there a second is turned away; it sees the end of its socket. */
static void accept_peer(struct linkend *l, uint64_t now_us)
{
	int fd = link_accept(l->listener);

	if (fd == -EPERM)
		dp_log("link: connection from another user refused");
	/* F-11: who calls waits in the kernel's queue; the shard goes on without descriptors. */
	if ((fd == -EMFILE || fd == -ENFILE) && !l->no_fds)
		dp_log("link: no descriptors for a control: %s", strerror(-fd));
	l->no_fds = fd == -EMFILE || fd == -ENFILE;
	if (fd < 0)
		return;
	if (l->state != ALONE) {
		dp_log("link: a control is attached, another one was refused");
		close(fd);
		return;
	}
	l->peer = fd;
	if (link_hello_send(fd, &l->hello) < 0 || watch(l, fd, SRC_PEER) < 0) {
		drop_peer(l);
		return;
	}
	l->state = GREETING;
	l->deadline_us = now_us + LINKEND_HELLO_US;
}

/* Rings and bells for the peer that passed the hello. */
static int hand_over(struct linkend *l)
{
	int r;

	l->fds.shm = link_shm_create("sluice-link");
	if (l->fds.shm < 0)
		return l->fds.shm;
	l->fds.bell_dataplane = link_bell_new();
	l->fds.bell_control = link_bell_new();
	if (l->fds.bell_dataplane < 0 || l->fds.bell_control < 0)
		return -EMFILE;
	r = link_shm_map(l->fds.shm, &l->shm);
	if (r < 0)
		return r;
	link_shm_ends(l->shm, true, &l->tx, &l->rx);
	r = watch(l, l->fds.bell_dataplane, SRC_BELL);
	if (r < 0)
		return r;
	return link_shard_send(l->peer, 0, &l->fds);
}

static enum linkend_news greet(struct linkend *l)
{
	struct link_hello h;
	int r = link_hello_recv(l->peer, &h);

	if (r == -EAGAIN)
		return LINKEND_NONE;
	if (r == 0)
		r = hand_over(l);
	if (r == 0) {
		close_fd(&l->fds.shm); /* the mapping stays */
		l->state = ATTACHED;
		dp_log("link: control attached");
		return LINKEND_ATTACHED;
	}
	if (r == -EPROTO)
		dp_log("link: the peer does not speak this protocol");
	else if (r == -EPROTONOSUPPORT)
		dp_log("link: control is of another version, ours is %d", LINK_VERSION);
	else if (r != -EPIPE)
		dp_log("link: control could not be attached: %s", strerror(-r));
	drop_peer(l);
	return LINKEND_NONE;
}

static enum linkend_news detach(struct linkend *l, const char *why)
{
	bool was = l->state == ATTACHED;

	if (was)
		dp_log("link: control detached: %s", why);
	drop_peer(l);
	return was ? LINKEND_DETACHED : LINKEND_NONE;
}

/* An attached peer has nothing to say here: its end, or nonsense. */
static enum linkend_news hear_attached(struct linkend *l)
{
	char c;
	ssize_t n = recv(l->peer, &c, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return LINKEND_NONE;
	return detach(l, n > 0 ? "unexpected message on its socket" : "it is gone");
}

static enum linkend_news hear(struct linkend *l, uint32_t src, uint64_t now_us)
{
	switch (src) {
	case SRC_LISTEN:
		accept_peer(l, now_us);
		return LINKEND_NONE;
	case SRC_BELL:
		link_bell_clear(l->fds.bell_dataplane);
		return LINKEND_NONE;
	default:
		return l->state == GREETING ? greet(l) : hear_attached(l);
	}
}

enum linkend_news linkend_poll(struct linkend *l, uint64_t now_us)
{
	struct epoll_event ev[4];
	int n;

	if (l->broken)
		return detach(l, "it wrote nonsense");
	if (l->state == GREETING && now_us >= l->deadline_us) {
		dp_log("link: no hello within %d s", LINKEND_HELLO_US / 1000000);
		return detach(l, "");
	}
	n = epoll_wait(l->epoll, ev, 4, 0);
	for (int i = 0; i < n; i++) {
		enum linkend_news news = hear(l, ev[i].data.u32, now_us);

		/* What else was ready is ready again, or was closed with the peer. */
		if (news != LINKEND_NONE)
			return news;
	}
	return LINKEND_NONE;
}

uint64_t linkend_next_timer_us(const struct linkend *l)
{
	if (l->broken)
		return 0;
	return l->state == GREETING ? l->deadline_us : UINT64_MAX;
}

static int broken(struct linkend *l)
{
	l->broken = true;
	return -ENOTCONN;
}

int linkend_send(void *arg, const void *head, size_t head_len, const void *body, size_t body_len)
{
	struct linkend *l = arg;
	int r;

	if (unlikely(l->state != ATTACHED || l->broken))
		return -ENOTCONN;
	r = link_tx(&l->tx, head, head_len, body, body_len);
	if (unlikely(r == -EBADMSG))
		return broken(l);
	/* A full ring rings too: whoever empties it shall be awake. */
	l->sent = true;
	return r;
}

/* Well-formed, and of a type that control says. */
static bool is_down(const void *msg, size_t len)
{
	const struct link_hdr *h = msg;

	return link_msg_check(msg, len) == 0 && !link_type_is_up(h->type);
}

int linkend_recv(void *arg, void *buf, size_t size)
{
	struct linkend *l = arg;
	int r;

	if (unlikely(l->state != ATTACHED || l->broken))
		return -ENOTCONN;
	r = link_rx(&l->rx, buf, size);
	if (unlikely(r == -EBADMSG || (r >= 0 && !is_down(buf, (size_t)r))))
		return broken(l);
	return r;
}

unsigned int linkend_ring(struct linkend *l)
{
	if (likely(!l->sent))
		return 0;
	l->sent = false;
	if (!link_tx_needs_bell(&l->tx))
		return 0;
	link_bell_ring(l->fds.bell_control);
	return 1;
}

void linkend_sleep(struct linkend *l)
{
	if (l->state == ATTACHED)
		link_rx_sleep(&l->rx);
}

void linkend_wake(struct linkend *l)
{
	if (l->state == ATTACHED)
		link_rx_wake(&l->rx);
}

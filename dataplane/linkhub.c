/* dataplane/linkhub.c - see linkhub.h. */
#include "dataplane/linkhub.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/linkend.h"
#include "dataplane/log.h"
#include "link/msg.h"
#include "link/ring.h"
#include "link/sock.h"

/* Sets of descriptors taken at once. */
#define FDS_TURN 16

enum state {
	ALONE = 1, /* listening, nobody there */
	GREETING,  /* somebody connected and has not said hello yet */
	ATTACHED,
	LEAVING, /* gone, and not all shards have let go of its rings */
};

/* What epoll says is ready. */
enum source { SRC_LISTEN = 1, SRC_PEER, SRC_BELL };

/* One shard's, with what it was offered. */
struct slot {
	struct linkend *end;
	struct linkend_pair pair;
	bool offered;
};

struct linkhub {
	enum state state;
	bool no_fds; /* a control could not be let in for want of descriptors: said once */
	int epoll, listener, peer;
	int bell; /* of the shards: one holds, lets go, or believes its control no more */
	uint64_t deadline_us;
	uint64_t fds_lost;
	struct link_hello hello;
	char *path;
	struct slot slot[];
};

static int watch(struct linkhub *h, int fd, enum source src)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = src};

	return epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static const struct linkend_pair no_pair = {.fds = {-1, -1, -1}};

static int make_ends(struct linkhub *h, uint64_t patience_us)
{
	int r = 0;

	for (uint16_t i = 0; r == 0 && i < h->hello.shards; i++)
		r = linkend_new(h->bell, patience_us, &h->slot[i].end);
	return r;
}

static int open_socket(struct linkhub *h, const char *path)
{
	int r = link_listen_socket(path);

	if (r < 0)
		return r;
	h->listener = r;
	h->path = strdup(path); /* from here on the file is ours to remove */
	if (h->path == NULL)
		return -ENOMEM;
	r = watch(h, h->listener, SRC_LISTEN);
	return r == 0 ? watch(h, h->bell, SRC_BELL) : r;
}

int linkhub_new(const struct linkhub_conf *conf, struct linkhub **ret)
{
	struct linkhub *h = calloc(1, sizeof(*h) + conf->shards * sizeof(h->slot[0]));
	int r;

	if (h == NULL)
		return -ENOMEM;
	h->state = ALONE;
	h->listener = h->peer = -1;
	h->hello = (struct link_hello){.magic = LINK_MAGIC,
				       .version = LINK_VERSION,
				       .dataplane = conf->dataplane,
				       .shards = conf->shards,
				       .start_id = conf->start_id};
	strncpy(h->hello.name, conf->name, sizeof(h->hello.name) - 1);
	for (uint16_t i = 0; i < conf->shards; i++)
		h->slot[i].pair = no_pair;

	h->bell = link_bell_new();
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = h->bell < 0 || h->epoll < 0 ? -EMFILE : open_socket(h, conf->path);
	if (r == 0)
		r = make_ends(h, conf->patience_us);
	if (r < 0) {
		linkhub_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void pair_fini(struct linkend_pair *p)
{
	close_fd(&p->fds.shm);
	close_fd(&p->fds.bell_dataplane);
	close_fd(&p->fds.bell_control);
	if (p->shm != NULL)
		link_shm_unmap(p->shm);
	*p = no_pair;
}

void linkhub_free(struct linkhub *h)
{
	if (h == NULL)
		return;
	for (uint16_t i = 0; i < h->hello.shards; i++) {
		linkend_free(h->slot[i].end);
		pair_fini(&h->slot[i].pair);
	}
	close_fd(&h->peer);
	close_fd(&h->epoll);
	close_fd(&h->bell);
	if (h->path != NULL)
		unlink(h->path);
	close_fd(&h->listener);
	free(h->path);
	free(h);
}

int linkhub_chown(struct linkhub *h, uid_t uid, gid_t gid)
{
	return chown(h->path, uid, gid) < 0 ? -errno : 0;
}

struct linkend *linkhub_end(struct linkhub *h, uint16_t shard)
{
	return h->slot[shard].end;
}

uint64_t linkhub_fds_lost(const struct linkhub *h)
{
	return h->fds_lost;
}

int linkhub_fd(const struct linkhub *h)
{
	return h->epoll;
}

/*
 * One step with each shard: a pair is taken back only from who holds it, and freed when it was
 * let go. True: nobody holds anything.
 */
static bool all_let_go(struct linkhub *h)
{
	bool all = true;

	for (uint16_t i = 0; i < h->hello.shards; i++) {
		struct slot *s = &h->slot[i];
		struct linkend_pair *held = linkend_held(s->end);

		if (s->offered && held != NULL) {
			linkend_offer(s->end, NULL);
			s->offered = false;
		} else if (!s->offered && held == NULL) {
			pair_fini(&s->pair);
			continue;
		}
		all = false;
	}
	return all;
}

/* epoll forgets what is closed: nobody else holds the socket. */
static void drop_peer(struct linkhub *h)
{
	close_fd(&h->peer);
	h->state = all_let_go(h) ? ALONE : LEAVING;
}

static void detach(struct linkhub *h, const char *why)
{
	if (h->state == ATTACHED)
		dp_log("link: control detached: %s", why);
	drop_peer(h);
}

/* While one is there a second is turned away; it sees the end of its socket. */
static void accept_peer(struct linkhub *h, uint64_t now_us)
{
	int fd;

	if (h->state == LEAVING) /* a moment only, and it waits in the kernel's queue */
		return;
	fd = link_accept(h->listener);
	if (fd == -EPERM)
		dp_log("link: connection from another user refused");
	/* F-11: who calls waits in the kernel's queue; the shard goes on without descriptors. */
	if ((fd == -EMFILE || fd == -ENFILE) && !h->no_fds)
		dp_log("link: no descriptors for a control: %s", strerror(-fd));
	h->no_fds = fd == -EMFILE || fd == -ENFILE;
	if (fd < 0)
		return;
	if (h->state != ALONE) {
		dp_log("link: a control is attached, another one was refused");
		close(fd);
		return;
	}
	h->peer = fd;
	if (link_hello_send(fd, &h->hello) < 0 || watch(h, fd, SRC_PEER) < 0) {
		drop_peer(h);
		return;
	}
	h->state = GREETING;
	h->deadline_us = now_us + LINKHUB_HELLO_US;
}

/* Rings and bells of one shard. */
static int pair_init(struct linkend_pair *p)
{
	p->fds.shm = link_shm_create("sluice-link");
	if (p->fds.shm < 0)
		return p->fds.shm;
	p->fds.bell_dataplane = link_bell_new();
	p->fds.bell_control = link_bell_new();
	if (p->fds.bell_dataplane < 0 || p->fds.bell_control < 0)
		return -EMFILE;
	return link_shm_map(p->fds.shm, &p->shm);
}

/* For the peer that passed the hello: first all is there and sent, then the shards get theirs. */
static int hand_over(struct linkhub *h)
{
	int r = 0;

	for (uint16_t i = 0; r == 0 && i < h->hello.shards; i++)
		r = pair_init(&h->slot[i].pair);
	for (uint16_t i = 0; r == 0 && i < h->hello.shards; i++) {
		r = link_shard_send(h->peer, i, &h->slot[i].pair.fds);
		close_fd(&h->slot[i].pair.fds.shm); /* the mapping stays */
	}
	if (r < 0)
		return r;
	for (uint16_t i = 0; i < h->hello.shards; i++) {
		linkend_offer(h->slot[i].end, &h->slot[i].pair);
		h->slot[i].offered = true;
	}
	return 0;
}

static void greet(struct linkhub *h)
{
	struct link_hello theirs;
	int r = link_hello_recv(h->peer, &theirs);

	if (r == -EAGAIN)
		return;
	if (r == 0)
		r = hand_over(h);
	if (r == 0) {
		h->state = ATTACHED;
		dp_log("link: control attached");
		return;
	}
	if (r == -EPROTO)
		dp_log("link: the peer does not speak this protocol");
	else if (r == -EPROTONOSUPPORT)
		dp_log("link: control is of another version, ours is %d", LINK_VERSION);
	else if (r != -EPIPE)
		dp_log("link: control could not be attached: %s", strerror(-r));
	drop_peer(h);
}

/*
 * An attached peer says here its end, or sends descriptors; the shard goes on between so many, and
 * does not sleep: nothing would tell of those that wait already. Number of sets.
 */
static unsigned int hear_attached(struct linkhub *h)
{
	int fds[LINK_FDS_MAX], n = 0;
	unsigned int sets = 0;
	uint64_t token;
	uint16_t shard;

	for (; sets < FDS_TURN; sets++) {
		n = link_fds_recv(h->peer, &shard, &token, fds);
		if (n < 0)
			break;
		if (n > 0 && shard >= h->hello.shards) {
			while (n > 0)
				close(fds[--n]);
			n = -EPROTO;
			break;
		}
		if (n == 0 || linkend_give_fds(h->slot[shard].end, token, fds, (unsigned int)n) < 0)
			h->fds_lost++;
	}
	if (n < 0 && n != -EAGAIN && n != -EINTR)
		detach(h, n == -EPIPE ? "it is gone" : "unexpected message on its socket");
	return sets;
}

static unsigned int hear(struct linkhub *h, uint32_t src, uint64_t now_us)
{
	switch (src) {
	case SRC_LISTEN:
		accept_peer(h, now_us);
		break;
	case SRC_BELL:
		link_bell_clear(h->bell);
		break;
	default:
		if (h->state == GREETING)
			greet(h);
		else if (h->state == ATTACHED)
			return hear_attached(h);
		break;
	}
	return 0;
}

/* The first shard's that has given it up. */
static enum linkend_fault any_fault(const struct linkhub *h)
{
	enum linkend_fault fault = LINKEND_NO_FAULT;

	for (uint16_t i = 0;
	     h->state == ATTACHED && fault == LINKEND_NO_FAULT && i < h->hello.shards; i++)
		fault = linkend_fault(h->slot[i].end);
	return fault;
}

unsigned int linkhub_poll(struct linkhub *h, uint64_t now_us)
{
	struct epoll_event ev[4];
	enum linkend_fault fault = any_fault(h);
	enum state was = h->state;
	unsigned int work = 0;
	int n;

	if (fault != LINKEND_NO_FAULT) {
		detach(h, fault == LINKEND_STILL ? "it stands still" : "it wrote nonsense");
	} else if (h->state == GREETING && now_us >= h->deadline_us) {
		dp_log("link: no hello within %d s", LINKHUB_HELLO_US / 1000000);
		drop_peer(h);
	}
	if (h->state == LEAVING && all_let_go(h))
		h->state = ALONE;
	n = epoll_wait(h->epoll, ev, 4, 0);
	for (int i = 0; i < n; i++)
		work += hear(h, ev[i].data.u32, now_us);
	return work + (h->state != was);
}

uint64_t linkhub_next_timer_us(const struct linkhub *h)
{
	if (h->state == LEAVING || any_fault(h) != LINKEND_NO_FAULT)
		return 0;
	return h->state == GREETING ? h->deadline_us : UINT64_MAX;
}

/* dataplane/linkend.c - see linkend.h. */
#include "dataplane/linkend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "link/msg.h"
#include "link/ring.h"

/* Who looks more seldom stood still himself, perhaps with the whole machine. */
#define WATCH_US 1000000

struct fds_set {
	uint64_t token;
	unsigned int n;
	int fd[LINK_FDS_MAX];
};

struct linkend {
	/* The shard's. */
	struct link_producer tx;
	struct link_consumer rx;
	struct linkend_pair *pair; /* NULL: nobody is there */
	bool sent;                 /* since the bell was last looked at: what does not wait, */
	uint32_t news;             /* and so much that does, */
	uint64_t news_us;          /* until then; 0: linkend_ring() has not seen it yet */
	uint64_t patience_us;      /* for one that takes nothing; 0: for ever */
	uint64_t still_us;         /* since when it has not; 0: nothing waits */
	uint32_t still_tail;       /* where it was then */
	uint64_t watched_us;       /* when that was looked at last */
	int epoll, wake, hub_bell;

	/* The hub writes. */
	struct linkend_pair *offered __rte_cache_aligned;
	uint32_t fds_put; /* sets that ever were */
	struct fds_set set[LINKEND_FDS_MAX];

	/* The shard writes, the hub reads. */
	struct linkend_pair *held __rte_cache_aligned;
	uint8_t fault; /* enum linkend_fault, of the pair it holds */
	uint32_t fds_got;
};

static int watch(struct linkend *l, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int linkend_new(int hub_bell, uint64_t patience_us, struct linkend **ret)
{
	struct linkend *l = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	*l = (struct linkend){.hub_bell = hub_bell, .patience_us = patience_us, .wake = -1};
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = l->epoll < 0 ? -errno : 0;
	if (r == 0)
		l->wake = r = link_bell_new();
	if (r >= 0)
		r = watch(l, l->wake);
	if (r < 0) {
		linkend_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

unsigned int linkend_fds(struct linkend *l, uint64_t *ret_token, int ret_fds[LINK_FDS_MAX])
{
	const struct fds_set *s = &l->set[l->fds_got % LINKEND_FDS_MAX];
	unsigned int n;

	if (__atomic_load_n(&l->fds_put, __ATOMIC_ACQUIRE) == l->fds_got)
		return 0;
	n = s->n;
	*ret_token = s->token;
	memcpy(ret_fds, s->fd, sizeof(s->fd));
	__atomic_store_n(&l->fds_got, l->fds_got + 1, __ATOMIC_RELEASE);
	return n;
}

int linkend_give_fds(struct linkend *l, uint64_t token, const int *fds, unsigned int n)
{
	struct fds_set *s = &l->set[l->fds_put % LINKEND_FDS_MAX];

	if (l->fds_put - __atomic_load_n(&l->fds_got, __ATOMIC_ACQUIRE) == LINKEND_FDS_MAX) {
		while (n > 0)
			close(fds[--n]);
		return -ENOBUFS;
	}
	*s = (struct fds_set){.token = token, .n = n};
	memcpy(s->fd, fds, n * sizeof(fds[0]));
	__atomic_store_n(&l->fds_put, l->fds_put + 1, __ATOMIC_RELEASE);
	link_bell_ring(l->wake);
	return 0;
}

/* Whoever is let in next may use the same tokens: none of the last one's may be there then. */
static void fds_drop(struct linkend *l)
{
	int fd[LINK_FDS_MAX];
	unsigned int n;
	uint64_t token;

	while ((n = linkend_fds(l, &token, fd)) > 0)
		while (n > 0)
			close(fd[--n]);
}

void linkend_free(struct linkend *l)
{
	if (l == NULL)
		return;
	fds_drop(l);
	if (l->wake >= 0)
		close(l->wake);
	if (l->epoll >= 0)
		close(l->epoll);
	free(l);
}

void linkend_offer(struct linkend *l, struct linkend_pair *pair)
{
	__atomic_store_n(&l->offered, pair, __ATOMIC_RELEASE);
	link_bell_ring(l->wake);
}

struct linkend_pair *linkend_held(const struct linkend *l)
{
	return __atomic_load_n(&l->held, __ATOMIC_ACQUIRE);
}

enum linkend_fault linkend_fault(const struct linkend *l)
{
	return __atomic_load_n(&l->fault, __ATOMIC_ACQUIRE);
}

int linkend_fd(const struct linkend *l)
{
	return l->epoll;
}

/* A bell that was rung says nothing but that: what rings it is looked at anyway. */
static void hear_bells(struct linkend *l)
{
	struct epoll_event ev[2];
	int n = epoll_wait(l->epoll, ev, 2, 0);

	for (int i = 0; i < n; i++)
		link_bell_clear(ev[i].data.fd);
}

static void hold(struct linkend *l, struct linkend_pair *pair)
{
	l->pair = pair;
	l->sent = false;
	l->news = 0;
	l->news_us = 0;
	__atomic_store_n(&l->fault, LINKEND_NO_FAULT, __ATOMIC_RELAXED);
	__atomic_store_n(&l->held, pair, __ATOMIC_RELEASE);
	link_bell_ring(l->hub_bell);
}

static enum linkend_news take(struct linkend *l, struct linkend_pair *pair)
{
	link_shm_ends(pair->shm, true, &l->tx, &l->rx);
	l->still_us = 0;
	/* Without its bell the shard looks as often as it does for other reasons. */
	(void)!watch(l, pair->fds.bell_dataplane);
	hold(l, pair);
	return LINKEND_ATTACHED;
}

static enum linkend_news let_go(struct linkend *l)
{
	fds_drop(l);
	/* Others hold the bell still: out of the set by hand. */
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->pair->fds.bell_dataplane, NULL);
	if (l->fault != LINKEND_STILL)
		l->still_us = 0;
	hold(l, NULL);
	return LINKEND_DETACHED;
}

enum linkend_news linkend_poll(struct linkend *l)
{
	struct linkend_pair *offered;

	hear_bells(l);
	offered = __atomic_load_n(&l->offered, __ATOMIC_ACQUIRE);
	if (likely(offered == l->pair))
		return LINKEND_NONE;
	return l->pair != NULL ? let_go(l) : take(l, offered);
}

bool linkend_leaves(const struct linkend *l)
{
	return l->pair != NULL && __atomic_load_n(&l->offered, __ATOMIC_ACQUIRE) != l->pair;
}

/* Only its own shard writes what is read here. */
static inline bool is_alone(const struct linkend *l)
{
	return l->pair == NULL || l->fault != LINKEND_NO_FAULT;
}

uint64_t linkend_next_timer_us(const struct linkend *l)
{
	if (__atomic_load_n(&l->offered, __ATOMIC_RELAXED) != l->pair)
		return 0;
	return is_alone(l) || l->still_us == 0 ? UINT64_MAX : l->still_us + l->patience_us;
}

static int give_up(struct linkend *l, enum linkend_fault why)
{
	__atomic_store_n(&l->fault, why, __ATOMIC_RELEASE);
	link_bell_ring(l->hub_bell);
	return -ENOTCONN;
}

void linkend_watch(struct linkend *l, uint64_t now_us)
{
	const bool stood = now_us - l->watched_us > WATCH_US;
	uint32_t waits, tail;

	l->watched_us = now_us;
	if (is_alone(l) || l->patience_us == 0)
		return;
	waits = LINK_RING_SLOTS - link_tx_space(&l->tx);
	tail = l->tx.head - waits;
	if (waits == 0)
		l->still_us = 0;
	else if (l->still_us == 0 || tail != l->still_tail || stood)
		l->still_us = now_us;
	else if (now_us >= l->still_us + l->patience_us)
		(void)give_up(l, LINKEND_STILL);
	l->still_tail = tail;
}

uint64_t linkend_still_us(const struct linkend *l)
{
	return l->still_us;
}

int linkend_send(void *arg, const void *head, size_t head_len, const void *body, size_t body_len)
{
	const struct link_hdr *h = head;
	struct linkend *l = arg;
	int r;

	if (unlikely(is_alone(l)))
		return -ENOTCONN;
	r = link_tx(&l->tx, head, head_len, body, body_len);
	if (unlikely(r == -EBADMSG))
		return give_up(l, LINKEND_NONSENSE);
	/* A full ring rings too: whoever empties it shall be awake. */
	if (r == 0 && link_type_is_news(h->type))
		l->news++;
	else
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

	if (unlikely(is_alone(l)))
		return -ENOTCONN;
	r = link_rx(&l->rx, buf, size);
	if (unlikely(r == -EBADMSG || (r >= 0 && !is_down(buf, (size_t)r))))
		return give_up(l, LINKEND_NONSENSE);
	return r;
}

static bool news_waits(struct linkend *l, uint64_t now_us)
{
	if (l->news_us == 0)
		l->news_us = now_us + LINKEND_NEWS_US;
	return l->news < LINKEND_NEWS_MAX && now_us < l->news_us;
}

unsigned int linkend_ring(struct linkend *l, uint64_t now_us)
{
	if (likely(!l->sent && (l->news == 0 || news_waits(l, now_us))))
		return 0;
	l->sent = false;
	l->news = 0;
	l->news_us = 0;
	if (!link_tx_needs_bell(&l->tx))
		return 0;
	link_bell_ring(l->pair->fds.bell_control);
	return 1;
}

void linkend_sleep(struct linkend *l)
{
	if (l->pair == NULL)
		return;
	l->sent |= l->news > 0;
	link_rx_sleep(&l->rx);
}

void linkend_wake(struct linkend *l)
{
	if (l->pair != NULL)
		link_rx_wake(&l->rx);
}

/* dataplane/stream/host.c - streams over descriptors: their life, and who is served when. */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "dataplane/table.h"

/* Of the data buffers, below which nothing is read: TCP has its mark there, too. */
#define LOW_PART 8
/* How long a round trip that the kernel measured is believed. */
#define RTT_US 100000
/* Answers of one epoll_wait(). */
#define EVENTS 64

/* The set remembers a stream and, in the lowest bits of its place, what the descriptor is of it. */
_Static_assert(_Alignof(struct host_stream) > HOST_ROLES, "bits of a pointer are free");

static struct host_stream *host_of(const struct stream *s)
{
	return (struct host_stream *)(uintptr_t)s;
}

void host_ready(struct host_stream *st)
{
	if (st->listed)
		return;
	st->listed = true;
	TAILQ_INSERT_TAIL(&st->h->ready, st, ready_link);
}

/* --- descriptors --------------------------------------------------------------------------- */

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void host_fds_close(struct host_fds *fds)
{
	if (fds->in == fds->out || fds->in == fds->err)
		fds->in = -1;
	if (fds->out == fds->err)
		fds->out = -1;
	fd_close(&fds->in);
	fd_close(&fds->out);
	fd_close(&fds->err);
}

/* A plain file cannot be watched: it is always ready. */
static int watch(struct host_stream *st, int fd, unsigned int roles, unsigned int *always)
{
	struct epoll_event ev = {.events = EPOLLET, .data.u64 = (uintptr_t)st | roles};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	ev.events |= roles & HOST_IN ? EPOLLOUT : 0;
	ev.events |= roles & (HOST_OUT | HOST_ERR) ? EPOLLIN | EPOLLRDHUP : 0;
	if (epoll_ctl(st->h->epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	*always |= roles;
	return 0;
}

static void set_ready(struct host_stream *st, unsigned int roles)
{
	st->in_ready |= (roles & HOST_IN) != 0;
	st->out.ready |= (roles & HOST_OUT) != 0;
	st->err.ready |= (roles & HOST_ERR) != 0;
	host_ready(st);
}

/* Each descriptor once, whatever it is of the stream. */
static int watch_all(struct host_stream *st)
{
	const struct {
		int fd;
		enum host_role role;
	} part[] = {{st->in, HOST_IN}, {st->out.fd, HOST_OUT}, {st->err.fd, HOST_ERR}};
	unsigned int always = 0, done = 0;

	for (unsigned int i = 0; i < RTE_DIM(part); i++) {
		unsigned int roles = 0;
		int r;

		for (unsigned int k = i; k < RTE_DIM(part); k++)
			if (part[k].fd == part[i].fd)
				roles |= part[k].role;
		if (part[i].fd < 0 || (part[i].role & done))
			continue;
		done |= roles;
		r = watch(st, part[i].fd, roles, &always);
		if (r < 0)
			return r;
	}
	set_ready(st, always);
	return 0;
}

/* Others may still hold what a descriptor names, and the set would go on telling of it. */
void host_fd_end(struct host_stream *st, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(st->h->epoll, EPOLL_CTL_DEL, *fd, NULL);
	fd_close(fd);
}

static void fds_end(struct host_stream *st)
{
	if (st->in != st->out.fd)
		host_fd_end(st, &st->in);
	st->in = -1;
	host_fd_end(st, &st->out.fd);
	host_fd_end(st, &st->err.fd);
}

/* --- life ---------------------------------------------------------------------------------- */

static void chains_free(struct host_stream *st)
{
	pkt_chain_free(&st->out.rx);
	pkt_chain_free(&st->err.rx);
	pkt_chain_free(&st->tx);
	pkt_chain_free(&st->cut.held);
}

static void stream_free(struct host_stream *st)
{
	struct host *h = st->h;

	if (st->life != HOST_HELD)
		stream_left(&st->s, 0);
	fds_end(st);
	chains_free(st);
	if (st->listed)
		TAILQ_REMOVE(&h->ready, st, ready_link);
	if (st->life == HOST_FLUSHING)
		TAILQ_REMOVE(&h->flushing, st, life_link);
	else if (st->life == HOST_DRAINING)
		TAILQ_REMOVE(&h->draining, st, life_link);
	st->h = NULL;
	TAILQ_INSERT_HEAD(&h->free, st, life_link);
	h->n--;
	host_count(h, HOST_C_CLOSED);
}

void host_failed(struct host_stream *st, int err)
{
	if (st->life != HOST_HELD) { /* nobody would hear of it */
		stream_free(st);
		return;
	}
	host_count(st->h, HOST_C_FAILED);
	pkt_chain_free(&st->tx);
	pkt_chain_free(&st->cut.held);
	fds_end(st);
	st->out.eof = st->err.eof = true;
	st->s.err = err;
	stream_notify(&st->s, STREAM_EV_ERROR);
}

void host_deaf(struct host_stream *st)
{
	host_count(st->h, HOST_C_DEAF);
	pkt_chain_free(&st->tx);
	pkt_chain_free(&st->cut.held);
	st->in_ready = false;
	if (st->in != st->out.fd)
		host_fd_end(st, &st->in);
	st->in = -1;
	if (st->life == HOST_HELD) {
		stream_notify(&st->s, STREAM_EV_DEAF | STREAM_EV_WRITABLE);
	} else {
		stream_left(&st->s, 0);
		host_ready(st);
	}
}

/* --- the contract -------------------------------------------------------------------------- */

static uint32_t source_take(struct host_stream *st, struct host_source *src, uint32_t max,
			    struct pkt_chain *ret)
{
	uint32_t n = RTE_MIN(max, src->rx.len);

	if (n == 0)
		return 0;
	if (pkt_chain_split(&src->rx, n, ret, st->h->conf.pools->data) < 0) {
		st->starved = true;
		host_ready(st);
		return 0;
	}
	if (host_source_wants(st, src))
		host_ready(st);
	return n;
}

static uint32_t op_rx_take(struct stream *s, uint32_t max, struct pkt_chain *ret)
{
	return source_take(host_of(s), &host_of(s)->out, max, ret);
}

static uint32_t op_rx_len(const struct stream *s)
{
	return host_of(s)->out.rx.len;
}

static uint32_t op_err_take(struct stream *s, uint32_t max, struct pkt_chain *ret)
{
	return source_take(host_of(s), &host_of(s)->err, max, ret);
}

static uint32_t op_err_len(const struct stream *s)
{
	return host_of(s)->err.rx.len;
}

void host_tx_add(struct host_stream *st, struct pkt_chain *c)
{
	pkt_chain_join(&st->tx, c);
	/* What is written in crumbs must not hold a buffer for each. */
	if (st->tx.segs > HOST_PIECES && pkt_chain_cost(&st->tx) > 8 * (uint64_t)st->tx.len)
		pkt_chain_compact(&st->tx, st->h->conf.pools->data);
	if (st->in_ready)
		host_ready(st);
}

static int op_tx(struct stream *s, struct pkt_chain *c)
{
	struct host_stream *st = host_of(s);

	if (st->in < 0 || st->shut || s->err != 0) {
		pkt_chain_free(c);
		return -EPIPE;
	}
	host_tx_add(st, c);
	return 0;
}

static uint32_t op_tx_space(const struct stream *s)
{
	const struct host_stream *st = host_of(s);
	uint32_t max = st->h->conf.tx_max;

	if (st->in < 0 || st->shut)
		return 0;
	return st->tx.len < max ? max - st->tx.len : 0;
}

static uint32_t op_tx_queued(const struct stream *s)
{
	return host_of(s)->tx.len;
}

static void op_shutdown(struct stream *s)
{
	struct host_stream *st = host_of(s);

	st->shut = true;
	host_ready(st);
}

/* It has no user any more: lives until what is queued is written, and not longer than it may. */
static void op_close(struct stream *s)
{
	struct host_stream *st = host_of(s);
	struct host *h = st->h;

	stream_closed(s);
	st->starved = false;
	pkt_chain_free(&st->out.rx);
	pkt_chain_free(&st->err.rx);
	if (s->err != 0) {
		stream_left(s, 0);
		stream_free(st);
		return;
	}
	st->life = HOST_FLUSHING;
	st->shut = true;
	st->until_us = h->now_us + HOST_LINGER_US;
	TAILQ_INSERT_TAIL(&h->flushing, st, life_link);
	host_ready(st);
}

static void op_abort(struct stream *s)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	struct host_stream *st = host_of(s);

	s->user = NULL;
	/* Of TCP a RST; others have no such thing, and say so. */
	if (st->socket && st->in >= 0)
		setsockopt(st->in, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	stream_free(st);
}

const struct stream_ops host_ops = {
	.rx_take = op_rx_take,
	.rx_len = op_rx_len,
	.tx = op_tx,
	.tx_space = op_tx_space,
	.tx_queued = op_tx_queued,
	.shutdown = op_shutdown,
	.close = op_close,
	.abort = op_abort,
	.err_take = op_err_take,
	.err_len = op_err_len,
};

/* Of one whose bytes are framed. */
const struct stream_ops host_cut_ops = {
	.rx_take = host_cut_take,
	.rx_len = op_rx_len,
	.tx = host_cut_tx,
	.tx_ext = host_cut_tx_ext,
	.tx_space = op_tx_space,
	.tx_queued = host_cut_queued,
	.shutdown = host_cut_shutdown,
	.close = host_cut_close,
	.abort = op_abort,
	.err_take = op_err_take,
	.err_len = op_err_len,
};

static struct host_stream *place(struct host *h)
{
	struct host_stream *st = TAILQ_FIRST(&h->free);

	if (h->n >= h->streams_limit)
		return NULL;
	if (st != NULL)
		TAILQ_REMOVE(&h->free, st, life_link);
	else
		st = &h->stream[h->fresh++];
	return st;
}

static bool is_socket(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static bool is_tcp(int fd)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* What the kernel's bounds (net.core.rmem_max, wmem_max) leave of it. */
void host_socket_buffers(int fd, uint64_t rcvbuf, uint64_t sndbuf)
{
	const int rcv = (int)RTE_MIN(rcvbuf, (uint64_t)INT_MAX);
	const int snd = (int)RTE_MIN(sndbuf, (uint64_t)INT_MAX);

	if (rcv > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv));
	if (snd > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
}

static bool fd_is_bad(int fd)
{
	return fd >= 0 && fcntl(fd, F_GETFD) < 0;
}

int host_open(struct host *h, const struct host_fds *given, const struct stream_user *user,
	      void *user_ptr, struct stream **ret)
{
	struct host_fds fds = *given;
	struct host_stream *st;
	int r = -EBADF;

	if ((fds.in < 0 && fds.out < 0 && fds.err < 0) || fd_is_bad(fds.in) || fd_is_bad(fds.out) ||
	    fd_is_bad(fds.err)) {
		host_count(h, HOST_C_REFUSED);
		host_fds_close(&fds);
		return r;
	}
	if (fds.err == fds.out || fds.err == fds.in)
		fds.err = -1;
	st = place(h);
	if (st == NULL) {
		host_count(h, HOST_C_TABLE_FULL);
		host_fds_close(&fds);
		return -ENOBUFS;
	}
	*st = (struct host_stream){
		.s = {.ops = &host_ops, .user = user, .user_ptr = user_ptr, .kind = STREAM_HOST},
		.h = h,
		.life = HOST_HELD,
		.in = fds.in,
		.socket = is_socket(fds.in),
		.out = {.fd = fds.out, .eof = fds.out < 0},
		.err = {.fd = fds.err, .eof = fds.err < 0},
	};
	h->n++;
	host_count(h, HOST_C_OPENED);
	if ((h->conf.rcvbuf != 0 || h->conf.sndbuf != 0) && st->socket && is_tcp(st->in))
		host_socket_buffers(st->in, h->conf.rcvbuf, h->conf.sndbuf);
	r = watch_all(st);
	if (r < 0) {
		host_count(h, HOST_C_REFUSED);
		stream_free(st);
		return r;
	}
	stream_notify(&st->s, STREAM_EV_CONNECTED);
	if (st->out.eof && st->err.eof)
		stream_notify(&st->s, STREAM_EV_EOF);
	*ret = &st->s;
	return 0;
}

/* --- a turn -------------------------------------------------------------------------------- */

static void look(struct host *h)
{
	struct epoll_event ev[EVENTS];
	int n;

	h->turns = 0;
	h->look_us = h->now_us + HOST_LOOK_US;
	host_count(h, HOST_C_LOOKS);
	n = epoll_wait(h->epoll, ev, EVENTS, 0);
	for (int i = 0; i < n; i++) {
		struct host_stream *st =
			(struct host_stream *)((uintptr_t)ev[i].data.u64 & ~(uintptr_t)HOST_ROLES);
		unsigned int roles = (unsigned int)(ev[i].data.u64 & HOST_ROLES);
		uint32_t what = ev[i].events;

		if (roles == 0) {
			host_door_ready((struct host_door *)(uintptr_t)ev[i].data.u64);
			continue;
		}
		/* Whoever read of this pipe is gone: that is news before a byte is written. */
		if (roles == HOST_IN && (what & EPOLLERR)) {
			host_deaf(st);
			continue;
		}
		if (!(what & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			roles &= ~(unsigned int)HOST_IN;
		if (!(what & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
			roles &= HOST_IN;
		set_ready(st, roles);
	}
	if (n == EVENTS) /* there may be more: it goes to the end of the set's own list */
		h->look_us = h->now_us;
}

/* One that was let go: on with its end. False: it is gone. */
static bool live_on(struct host_stream *st)
{
	struct host *h = st->h;

	if (st->life == HOST_HELD)
		return true;
	if (st->life == HOST_FLUSHING && st->tx.len == 0) {
		if (!st->socket || st->in < 0 || st->out.eof) {
			stream_free(st);
			return false;
		}
		TAILQ_REMOVE(&h->flushing, st, life_link);
		st->life = HOST_DRAINING;
		st->until_us = h->now_us + HOST_DRAIN_US;
		TAILQ_INSERT_TAIL(&h->draining, st, life_link);
	}
	if (st->life == HOST_DRAINING && st->out.eof) {
		stream_free(st);
		return false;
	}
	return true;
}

static void wrote(struct host_stream *st)
{
	struct host *h = st->h;

	if (st->life != HOST_FLUSHING)
		return;
	st->until_us = h->now_us + HOST_LINGER_US;
	TAILQ_REMOVE(&h->flushing, st, life_link);
	TAILQ_INSERT_TAIL(&h->flushing, st, life_link);
}

/* A stream may go with any of its steps; its place says so. Bytes that moved. */
static uint32_t serve(struct host_stream *st)
{
	struct host *h = st->h;
	uint32_t bytes = 0, n;

	if (st->starved && !h->is_short) {
		st->starved = false;
		stream_notify(&st->s, STREAM_EV_READABLE);
	}
	if (st->tx.len > 0 && st->in_ready) {
		n = host_write(st);
		if (st->h == NULL)
			return 0;
		bytes += n;
		if (n > 0)
			wrote(st);
	}
	if (st->shut && !st->shut_done && st->tx.len == 0)
		host_say_end(st);
	if (host_source_wants(st, &st->out))
		bytes += host_read(st, &st->out);
	if (st->h != NULL && host_source_wants(st, &st->err))
		bytes += host_read(st, &st->err);
	return bytes;
}

static bool can_go_on(const struct host_stream *st)
{
	return st->starved || (st->tx.len > 0 && st->in_ready) || host_source_wants(st, &st->out) ||
	       host_source_wants(st, &st->err);
}

static void spare_free(struct host *h)
{
	while (h->n_spare > 0)
		rte_pktmbuf_free(h->spare[--h->n_spare]);
}

/* Each once; those that can go on at once wait behind those that were not served. */
static unsigned int serve_ready(struct host *h)
{
	struct host_list list = TAILQ_HEAD_INITIALIZER(list);
	struct host_stream *st;
	unsigned int work = 0, served = 0;
	uint64_t bytes = 0;

	h->put_off = false;
	h->is_short = pkt_pools_left(h->conf.pools) < h->low;
	if (h->is_short)
		spare_free(h);
	TAILQ_CONCAT(&list, &h->ready, ready_link);
	while ((st = TAILQ_FIRST(&list)) != NULL && served++ < HOST_SERVE_TURN &&
	       bytes < HOST_SERVE_TURN_BYTES) {
		uint32_t n;

		TAILQ_REMOVE(&list, st, ready_link);
		st->listed = false;
		n = serve(st);
		bytes += n;
		work += n > 0;
		if (st->h == NULL || !live_on(st))
			work++;
		else if (can_go_on(st))
			host_ready(st);
	}
	TAILQ_CONCAT(&list, &h->ready, ready_link);
	TAILQ_CONCAT(&h->ready, &list, ready_link);
	return work;
}

/*
 * What is still queued here goes nowhere. Where all was written the kernel may hold some of it yet,
 * and delivers that: such a one is closed, not reset.
 */
static unsigned int cut_late(struct host *h, struct host_list *list)
{
	struct host_stream *st;
	unsigned int n = 0;

	while ((st = TAILQ_FIRST(list)) != NULL && h->now_us >= st->until_us) {
		host_count(h, HOST_C_LINGERED);
		stream_left(&st->s, 0);
		if (st->life == HOST_FLUSHING)
			op_abort(&st->s);
		else
			stream_free(st);
		n++;
	}
	return n;
}

unsigned int host_poll(struct host *h, uint64_t now_us, bool look_now)
{
	unsigned int work = 0;

	h->now_us = now_us;
	if (h->n == 0 && h->n_doors == 0)
		return 0;
	if (look_now || ++h->turns >= HOST_LOOK_TURNS || now_us >= h->look_us)
		look(h);
	if (!TAILQ_EMPTY(&h->ready))
		work += serve_ready(h);
	work += cut_late(h, &h->flushing);
	work += cut_late(h, &h->draining);
	return work;
}

int host_fd(const struct host *h)
{
	return h->epoll;
}

uint64_t host_next_timer_us(const struct host *h)
{
	const struct host_stream *f = TAILQ_FIRST(&h->flushing), *d = TAILQ_FIRST(&h->draining);
	uint64_t t = UINT64_MAX;

	if (!TAILQ_EMPTY(&h->ready))
		t = h->put_off || h->is_short ? h->now_us + HOST_RETRY_US : h->now_us;
	if (f != NULL)
		t = RTE_MIN(t, f->until_us);
	if (d != NULL)
		t = RTE_MIN(t, d->until_us);
	return t;
}

uint32_t host_streams(const struct host *h)
{
	return h->n;
}

/* --- beyond the contract ------------------------------------------------------------------- */

void host_stream_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out)
{
	*ret_in = host_of(s)->bytes_in;
	*ret_out = host_of(s)->bytes_out;
}

void host_stream_qos(struct stream *s, uint8_t qos)
{
	const struct host_stream *st = host_of(s);
	int fd = st->in >= 0 ? st->in : st->out.fd, value = qos;

	if (fd < 0 || !st->socket)
		return;
	/* Of IPv6 the first is for addresses of IPv4, of IPv4 the second fails. */
	(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
}

void host_stream_nodelay(struct stream *s, bool on)
{
	struct host_stream *st = host_of(s);
	const int value = on;

	if (st->in < 0 || !st->socket || st->nagle == !on)
		return;
	/* Of what is not TCP it fails. */
	(void)setsockopt(st->in, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
	st->nagle = !on;
}

/* Asked by every byte that is taken, and answered by a system call now and then. */
uint32_t host_stream_rtt_us(const struct stream *s)
{
	struct host_stream *st = host_of(s);
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (!st->socket || st->in < 0 || st->h->now_us < st->rtt_until_us)
		return st->rtt_us;
	st->rtt_until_us = st->h->now_us + RTT_US;
	if (getsockopt(st->in, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		st->rtt_us = info.tcpi_rtt;
	return st->rtt_us;
}

void host_stream_size(struct stream *s, uint16_t columns, uint16_t rows, uint16_t width,
		      uint16_t height)
{
	const struct winsize size = {rows, columns, width, height};

	if (host_of(s)->in >= 0)
		ioctl(host_of(s)->in, TIOCSWINSZ, &size);
}

/* --- the instance -------------------------------------------------------------------------- */

int host_new(const struct host_conf *conf, struct host **ret)
{
	struct host *h = calloc(1, sizeof(*h));
	int r = -ENOMEM;

	if (h == NULL)
		return -ENOMEM;
	h->conf = *conf;
	host_limit(h, conf->streams_max);
	h->conf.rx_max = conf->rx_max != 0 ? conf->rx_max : HOST_RX_MAX;
	h->conf.tx_max = conf->tx_max != 0 ? conf->tx_max : HOST_TX_MAX;
	h->low = conf->pools->data->size / LOW_PART;
	TAILQ_INIT(&h->ready);
	TAILQ_INIT(&h->free);
	TAILQ_INIT(&h->flushing);
	TAILQ_INIT(&h->draining);
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll < 0)
		r = -errno;
	else
		h->stream = table_new(conf->streams_max, sizeof(*h->stream));
	if (h->stream != NULL && conf->doors_max > 0)
		h->door = table_new(conf->doors_max, sizeof(*h->door));
	if (h->stream == NULL || (conf->doors_max > 0 && h->door == NULL)) {
		host_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void host_free(struct host *h)
{
	if (h == NULL)
		return;
	for (uint32_t i = 0; i < h->fresh; i++) {
		h->stream[i].s.user = NULL;
		if (h->stream[i].h != NULL)
			stream_free(&h->stream[i]);
	}
	for (uint32_t i = 0; i < h->conf.doors_max && h->n_doors > 0; i++)
		host_door_close(h, i);
	spare_free(h);
	fd_close(&h->epoll);
	table_free(h->door, h->conf.doors_max, sizeof(*h->door));
	table_free(h->stream, h->conf.streams_max, sizeof(*h->stream));
	free(h);
}

void host_limit(struct host *h, uint32_t streams)
{
	h->streams_limit = RTE_MIN(streams, h->conf.streams_max);
}

uint32_t host_streams_max(const struct host *h)
{
	return h->streams_limit;
}

uint32_t host_places(const struct host *h)
{
	return h->conf.streams_max;
}

const uint64_t *host_counters(const struct host *h)
{
	return h->counters;
}

static const struct {
	const char *name, *text;
} counter[HOST_C_COUNT] = {
#define X(id, what) [HOST_C_##id] = {#id, what},
	HOST_COUNTERS(X)
#undef X
};

const char *host_counter_name(enum host_counter c)
{
	return counter[c].name;
}

const char *host_counter_text(enum host_counter c)
{
	return counter[c].text;
}

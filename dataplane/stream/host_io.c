/* dataplane/stream/host_io.c - bytes between descriptors and mbufs. See host.h. */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECE (PKT_DATA_ROOM - HOST_TAIL_ROOM)

static bool may_wait(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Buffers for the next read, kept between reads: most bring less than they could. */
static uint32_t spare_fill(struct host *h)
{
	const uint32_t want = HOST_TURN_BYTES / PIECE;

	_Static_assert(HOST_TURN_BYTES / PIECE <= HOST_PIECES, "a turn's read is one call");
	while (h->n_spare < want) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(h->conf.pools->data);

		if (m == NULL)
			break;
		h->spare[h->n_spare++] = m;
	}
	return h->n_spare;
}

/* n bytes lie in the first spare ones: those go to the chain, what is left moves to the front. */
static void spare_take(struct host *h, uint32_t n, struct pkt_chain *ret)
{
	uint32_t used = 0;

	while (n > 0) {
		struct rte_mbuf *m = h->spare[used++];
		uint32_t k = RTE_MIN(n, (uint32_t)PIECE);

		m->data_len = (uint16_t)k;
		m->pkt_len = k;
		pkt_chain_append_tight(ret, m);
		n -= k;
	}
	h->n_spare -= used;
	memmove(&h->spare[0], &h->spare[used], h->n_spare * sizeof(h->spare[0]));
}

static void source_end(struct host_stream *st, struct host_source *src)
{
	src->eof = true;
	src->ready = false;
	/* A pipe at its end is of no more use; a socket or a terminal is still written to. */
	if (src->fd != st->in)
		host_fd_end(st, &src->fd);
	if (st->out.eof && st->err.eof && st->life == HOST_HELD)
		stream_notify(&st->s, STREAM_EV_EOF);
}

static void read_failed(struct host_stream *st, struct host_source *src, int err)
{
	if (may_wait(err)) {
		src->ready = err == EINTR;
		return;
	}
	/* What the master of a terminal says once nobody has the other side open. */
	if (err == EIO)
		source_end(st, src);
	else
		host_failed(st, -err);
}

uint32_t host_read(struct host_stream *st, struct host_source *src)
{
	struct iovec iov[HOST_PIECES];
	struct host *h = st->h;
	uint32_t room = h->conf.rx_max - RTE_MIN(src->rx.len, h->conf.rx_max), pieces, n;
	bool junk = st->life != HOST_HELD;
	ssize_t got;

	pieces = h->is_short && !junk ? 0 : spare_fill(h);
	if (pieces == 0) {
		host_count(h, HOST_C_SHORT);
		h->put_off = true;
		return 0;
	}
	if (!junk)
		pieces = RTE_MIN(pieces, (room + PIECE - 1) / PIECE);
	for (uint32_t i = 0; i < pieces; i++)
		iov[i] = (struct iovec){rte_pktmbuf_mtod(h->spare[i], void *), PIECE};
	got = readv(src->fd, iov, (int)pieces);
	if (got < 0) {
		read_failed(st, src, errno);
		return 0;
	}
	if (got == 0) {
		source_end(st, src);
		return 0;
	}
	n = (uint32_t)got;
	host_count(h, HOST_C_READS);
	h->counters[HOST_C_READ_BYTES] += n;
	st->bytes_in += n;
	/* A short read is no end of what is there: only -EAGAIN is, for a set that tells of edges.
	 */
	if (junk)
		return n;
	spare_take(h, n, &src->rx);
	stream_notify(&st->s, STREAM_EV_READABLE);
	return n;
}

int host_stream_say(struct stream *s, bool err, struct pkt_chain *bytes)
{
	struct host_stream *st = (struct host_stream *)(void *)s;
	struct pkt_chain *rx = err ? &st->err.rx : &st->out.rx;
	uint32_t max = st->h->conf.rx_max + HOST_SAID_MAX;

	if (rx->len + bytes->len > max || rx->segs > max / (PKT_DATA_ROOM / 4))
		return -ENOBUFS;
	pkt_chain_append_tight(rx, bytes->head);
	*bytes = (struct pkt_chain){0};
	stream_notify(s, STREAM_EV_READABLE);
	return 0;
}

/* Whoever writes there is told so, as of a pipe that nobody reads. */
void host_stream_end(struct stream *s)
{
	struct host_stream *st = (struct host_stream *)(void *)s;
	struct host_source *const source[] = {&st->out, &st->err};

	for (unsigned int i = 0; i < RTE_DIM(source); i++) {
		if (source[i]->eof || shutdown(source[i]->fd, SHUT_RD) < 0)
			continue;
		source[i]->ready = true;
		host_ready(st);
	}
}

/* --- writing --------------------------------------------------------------------------------- */

static void write_failed(struct host_stream *st, int err)
{
	if (may_wait(err))
		st->in_ready = err == EINTR;
	else if (err == EPIPE || (err == EIO && !st->socket))
		host_deaf(st);
	else
		host_failed(st, -err);
}

uint32_t host_write(struct host_stream *st)
{
	struct iovec iov[HOST_PIECES];
	struct host *h = st->h;
	uint32_t n = 0, bytes = 0;
	ssize_t put;

	for (const struct rte_mbuf *m = st->tx.head;
	     m != NULL && n < HOST_PIECES && bytes < HOST_TURN_BYTES; m = m->next) {
		iov[n++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
		bytes += m->data_len;
	}
	put = writev(st->in, iov, (int)n);
	if (put < 0) {
		write_failed(st, errno);
		return 0;
	}
	pkt_chain_trim_head(&st->tx, (uint32_t)put);
	host_count(h, HOST_C_WRITES);
	h->counters[HOST_C_WRITTEN_BYTES] += (uint64_t)put;
	st->bytes_out += (uint64_t)put;
	if (st->life != HOST_HELD) {
		stream_left(&st->s, st->s.ops->tx_queued(&st->s));
		return (uint32_t)put;
	}
	if (st->cut.stopped) /* what it waits for may have had no room */
		host_cut_ready(st);
	stream_notify(&st->s, STREAM_EV_WRITABLE);
	return (uint32_t)put;
}

/*
 * A socket's half is shut down; a pipe is closed. A terminal has no halves: whoever reads there
 * sees no end, as with sshd.
 */
void host_say_end(struct host_stream *st)
{
	st->shut_done = true;
	if (st->in < 0)
		return;
	if (st->socket) {
		shutdown(st->in, SHUT_WR);
	} else if (st->in != st->out.fd) {
		host_fd_end(st, &st->in);
	}
}

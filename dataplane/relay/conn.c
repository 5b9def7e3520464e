/* dataplane/relay/conn.c - the life of a connection: from accepted to recorded as ended. */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_prefetch.h>

#include "ssh/forward.h"
#include "ssh/ident.h"

void conn_activate(struct conn *c)
{
	c->fresh = true;
	if (c->active)
		return;
	c->active = true;
	/* Its turn comes later in this one: nothing of it may be in a cache. */
	for (size_t at = 0; at < sizeof(*c); at += 64)
		rte_prefetch0((const uint8_t *)c + at);
	TAILQ_INSERT_TAIL(&c->relay->active, c, link);
}

void conn_short(struct conn *c, int err)
{
	if (err == -ENOMEM)
		relay_count(c->relay, RELAY_C_NO_MBUF);
	c->relay->retry = true;
	c->more = true;
}

struct link_handle conn_handle(const struct conn *c)
{
	return (struct link_handle){
		.dataplane = c->relay->conf.dataplane,
		.shard = c->relay->conf.shard,
		.index = c->index,
		.generation = c->generation,
	};
}

struct conn *conn_find(struct relay *r, const struct link_handle *h)
{
	struct conn *c;

	if (h->dataplane != r->conf.dataplane || h->shard != r->conf.shard ||
	    h->index >= r->fresh_conns || h->generation == 0)
		return NULL;
	c = &r->conns[h->index];
	return c->generation == h->generation ? c : NULL;
}

/* Who left last makes room first: memory is touched for as many as there were at once. */
static struct conn *conn_place(struct relay *r)
{
	struct conn *c = TAILQ_FIRST(&r->free_conns);

	if (r->n_conns >= r->conns_limit)
		return NULL;
	return c != NULL ? c : &r->conns[r->fresh_conns];
}

static void conn_place_take(struct relay *r, struct conn *c)
{
	r->n_conns++;
	if (c == TAILQ_FIRST(&r->free_conns))
		TAILQ_REMOVE(&r->free_conns, c, link);
	else
		r->fresh_conns++;
}

static void client_ready(struct stream *s)
{
	conn_activate(s->user_ptr);
	turn_fetch_input(s->user_ptr); /* the first of a turn has nobody before it who would */
}

static const struct stream_user client_user = {.ready = client_ready};

bool relay_accept(struct relay *r, struct stream *s, uint32_t listener,
		  const struct link_addr *local, const struct link_addr *peer, uint64_t now_us)
{
	struct conn *c = conn_place(r);

	r->now_us = now_us;
	if (c == NULL) {
		relay_count(r, RELAY_C_CONN_TABLE_FULL);
		up_conn_full(r, listener, local, peer);
		return false;
	}
	if (r->draining) {
		relay_count(r, RELAY_C_DRAINING);
		return false;
	}
	if (r->n_unknown >= r->backlog) {
		relay_count(r, RELAY_C_BACKLOG_FULL);
		return false;
	}
	if (!audit_admits(r))
		return false;
	r->n_unknown++;
	conn_place_take(r, c);
	*c = (struct conn){
		.relay = r,
		.stream = s,
		.state = CONN_OPEN,
		.pend = CONN_EV_NEW,
		.keys_idle = true,
		.phase = {.role = SSH_SERVER,
			  .kex = SSH_KEX_FIRST_INIT,
			  .svc = SSH_SVC_NONE,
			  .coarse = true},
		.last_rx_us = now_us,
		.last_data_us = now_us,
		.open_us = now_us,
		.index = (uint32_t)(c - r->conns),
		.unimplemented = RELAY_UNIMPLEMENTED_BURST,
		.unimplemented_us = now_us,
		.listener = listener,
		.links = r->links,
		.uid = (uint64_t)r->conf.shard << RELAY_UID_BITS | ++r->uid,
		.local = *local,
		.peer = *peer,
	};
	if (++r->generation == 0)
		r->generation = 1;
	c->generation = r->generation;
	c->proxy_wait = proxy_awaited(r, peer);
	if (c->proxy_wait)
		c->connect_us = now_us + RELAY_PROXY_MS * 1000;
	TAILQ_INIT(&c->chans);
	TAILQ_INIT(&c->sparse);
	TAILQ_INIT(&c->bulk);
	record_rx_init(&c->rx);
	record_tx_init(&c->tx);
	s->user = &client_user;
	s->user_ptr = c;
	relay_count(r, RELAY_C_CONNS);
	conn_activate(c);
	return true;
}

void conn_free(struct conn *c)
{
	struct relay *r = c->relay;

	trace_conn_over(c);
	timer_drop(c);
	r->n_unknown -= (c->pend & CONN_EV_NEW) != 0;
	record_q_free(&c->up);
	record_q_free(&c->hold);
	if (unlikely(c->capped))
		cap_over(c);
	if (unlikely(c->weighed))
		weight_over(c);
	if (unlikely(c->indebted))
		debt_over(c);
	comp_drop(c);
	forwards_drop(c);
	record_rx_fini(&c->rx, r->conf.engine);
	record_tx_fini(&c->tx, r->conf.engine);
	asks_drop(c);
	note_drop(r, &c->blob);
	note_drop(r, &c->kex_own);
	note_drop(r, &c->kex_sealed_rx);
	turn_leave(c);
	c->state = 0;
	c->generation = 0;
	r->n_conns--;
	TAILQ_INSERT_HEAD(&r->free_conns, c, link);
}

/* Lets the stream go, gracefully or not, and keeps what audit asks about it. */
static void conn_let_go(struct conn *c, bool graceful)
{
	if (c->relay->conf.stream_totals != NULL)
		c->relay->conf.stream_totals(c->stream, &c->bytes_in, &c->bytes_out);
	if (graceful)
		c->stream->ops->close(c->stream);
	else
		c->stream->ops->abort(c->stream);
	c->stream = NULL;
	c->state = CONN_OVER;
	c->linger_us = c->relay->now_us + RELAY_LINGER_MS * 1000;
	record_q_free(&c->tx.q);
	pkt_chain_free(&c->tx.out);
}

void conn_end(struct conn *c, int cause, uint32_t linger_ms)
{
	int e = -cause - SSH_E_BASE - 1;

	conn_note_links(c);
	if (c->state != CONN_OPEN)
		return;
	if (e >= 0 && e < SSH_E_COUNT)
		c->relay->errors[e]++;
	c->cause = cause;
	c->state = CONN_ENDING;
	c->linger_us = c->relay->now_us + (uint64_t)linger_ms * 1000;
	forwards_over(c);
	while (!TAILQ_EMPTY(&c->chans))
		chan_abandon(TAILQ_FIRST(&c->chans), cause);
	grants_drop(c);
	record_q_free(&c->rx.q);
	record_q_free(&c->hold);
	pkt_chain_free(&c->rx.in);
	conn_activate(c);
}

/* Of a shutdown also how long to stay away (PROTOCOL.md). */
static void parting(const struct conn *c, int err, char *buf, size_t size)
{
	uint32_t seconds = c->relay->retry_after_s;

	if (err == -SSH_E_SHUTDOWN && seconds > 0)
		snprintf(buf, size, "%s " SSH_RETRY_AFTER "=%u", ssh_err_text(err), seconds);
	else
		snprintf(buf, size, "%s", ssh_err_text(err));
}

void conn_fail(struct conn *c, int err)
{
	uint8_t payload[256];
	char text[128];
	struct ssh_wr w;

	if (c->state != CONN_OPEN)
		return;
	/* Before our line the peer expects no record, and behind our NEWKEYS there are no keys yet.
	 */
	if (ssh_err_disconnect(err) != 0 && c->ident_sent && !c->tx_newkeys) {
		ssh_wr_init(&w, payload, sizeof(payload));
		ssh_wr_u8(&w, SSH_MSG_DISCONNECT);
		ssh_wr_u32(&w, ssh_err_disconnect(err));
		parting(c, err, text, sizeof(text));
		ssh_wr_cstr(&w, text);
		ssh_wr_cstr(&w, "");
		/* Without a buffer for it the connection ends without it. */
		(void)conn_send(c, payload, (uint32_t)ssh_wr_done(&w));
	}
	conn_end(c, err, RELAY_LINGER_MS);
}

int conn_send_chain(struct conn *c, struct pkt_chain *payload, uint8_t msg)
{
	if (!c->tx_newkeys && ssh_phase_tx(c->tx_kex, msg) &&
	    !(msg == SSH_MSG_KEXINIT && c->tx_kex)) {
		kex_sealed(c, msg);
		if (traced(c))
			trace_chain(c, TEE_MSG_OUT, payload);
		record_tx_push(&c->tx, payload, NULL, 0);
		return 0;
	}
	/* Only control says such things, and a second KEXINIT or one of 30..49 at no time. */
	if (!c->tx_kex || msg == SSH_MSG_KEXINIT) {
		pkt_chain_free(payload);
		return -SSH_E_INTERNAL;
	}
	if (c->hold.records >= RELAY_HOLD_MAX ||
	    c->hold.bytes + payload->len > RELAY_HOLD_BYTES_MAX) {
		pkt_chain_free(payload);
		return -SSH_E_KEX_FLOOD;
	}
	if (traced(c))
		trace_chain(c, TEE_MSG_OUT, payload);
	record_q_push(&c->hold, payload, NULL, 0);
	return 0;
}

int conn_send(struct conn *c, const void *payload, uint32_t len)
{
	struct pkt_chain chain;
	int r = pkt_chain_from(payload, len, c->relay->conf.pools->data, &chain);

	if (r < 0)
		return r;
	return conn_send_chain(c, &chain, *(const uint8_t *)payload);
}

/* The stream has failed: nothing more goes either way. */
static void conn_lost(struct conn *c)
{
	conn_end(c, c->stream->err == -ETIMEDOUT ? -SSH_E_TIMEOUT : -SSH_E_RESET, 0);
	conn_let_go(c, false);
}

/* RFC 4253 section 4.2: one line, then records. It goes to control before it leaves us. */
static void conn_ident(struct conn *c)
{
	uint8_t line[SSH_IDENT_MAX + 2];
	uint32_t n = RTE_MIN(c->rx.in.len, (uint32_t)sizeof(line));
	size_t len, used;
	int r;

	if (n == 0 || !pkt_chain_read(&c->rx.in, 0, line, n))
		return;
	r = ssh_ident_line(SSH_SERVER, line, n, &len, &used);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		conn_fail(c, r);
		return;
	}
	r = pkt_chain_own(&c->rx.in, c->relay->conf.pools->data);
	if (r == 0)
		r = up_ident(c, line, (uint32_t)len);
	if (r < 0) {
		if (r != -ENOTCONN)
			conn_short(c, r);
		return;
	}
	pkt_chain_trim_head(&c->rx.in, (uint32_t)used);
	c->ident_done = true;
}

/*
 * How many records may be opened now. In a key exchange one at a time: the next may be opened
 * only when it is known that this one was not NEWKEYS. Outside of it NEWKEYS cannot come,
 * whatever the batch holds: it would be the answer to messages of ours.
 */
static unsigned int may_open(const struct conn *c)
{
	if (!c->ident_done || c->rx_wait_keys || c->rx_wait_auth || c->rx.q.records > 0)
		return 0;
	return c->phase.kex == SSH_KEX_NONE ? RELAY_OPEN_TURN : 1;
}

/*
 * A key exchange holds back what came behind it, more than a turn's share; its connection goes on
 * with as much in a turn as any other, so that nobody waits longer for it than before.
 */
static unsigned int conn_gather(struct conn *c, uint32_t came)
{
	struct record_batch *b = c->relay->opening;
	uint32_t quantum = RTE_MAX(c->relay->quantum.bytes, came), had = c->rx.in.len;
	unsigned int max = may_open(c), n = 0;

	while (n < max && had - c->rx.in.len < quantum) {
		int r = record_rx_gather(&c->rx, b, 1);

		if (r == -ENOSPC) {
			c->relay->counters[RELAY_C_RECORDS_OPENED] += record_open(b);
			continue;
		}
		if (r < 0)
			conn_short(c, r);
		if (r <= 0)
			break;
		n += (unsigned int)r;
	}
	if (n > 0 && c->rx.in.len > 0 && (n == max || had - c->rx.in.len >= quantum))
		c->more = true;
	return n;
}

/*
 * Bytes of the stream, unless what was opened before still waits for somebody.
 *
 * A record that is not whole takes all the stream has, in every turn, up to one largest record
 * (record_rx_room()), so none of its bytes waits in the stream: however small the stream's
 * budget, its window opens again with every segment, and a record larger than that budget
 * comes to its end. That is why no stream is asked for a floor of its window. Nothing but
 * records behind it can fill what it needs: what is opened leaves in before more is taken.
 * How many came.
 */
static uint32_t conn_pull(struct conn *c)
{
	struct turn *turn = &c->relay->rx_turn;
	uint32_t room = record_rx_room(&c->rx), n;

	if (c->rx.q.records > 0 || c->rx_wait_keys || c->over > RELAY_OVER_MAX || room == 0)
		return 0;
	if (c->stream->ops->rx_len(c->stream) == 0) {
		c->rx_much = false;
		turn_spent(c, turn, 0, false);
		return 0;
	}
	room = RTE_MIN(room, mem_room(c));
	if (room > 0)
		room = RTE_MIN(room, turn_share(c, turn, c->rx_much));
	n = room > 0 ? c->stream->ops->rx_take(c->stream, room, &c->rx.in) : 0;
	if (n == 0)
		return 0;
	c->rx_much = c->stream->ops->rx_len(c->stream) > 0;
	turn_spent(c, turn, n, c->rx_much && n == room);
	/* A record that comes in crumbs must not hold a buffer for each. */
	if (c->rx.in.segs > 64 && pkt_chain_cost(&c->rx.in) > 8 * (uint64_t)c->rx.in.len)
		record_rx_compact(&c->rx, c->relay->conf.pools->data);
	if (c->rx_much)
		c->more = true;
	return n;
}

unsigned int conn_input(struct conn *c)
{
	unsigned int n;
	uint32_t came;
	uint8_t ev;

	c->fresh = false;
	c->more = false;
	conn_note_links(c);
	if (c->stream == NULL)
		return 0;
	ev = stream_events(c->stream);
	if (ev & STREAM_EV_ERROR) {
		conn_lost(c);
		return 1;
	}
	if (ev & STREAM_EV_EOF)
		c->stream_eof = true;
	if (c->state != CONN_OPEN)
		return 0;
	came = conn_pull(c);
	if (c->proxy_wait && !proxy_read(c))
		return came > 0;
	if (!c->ident_done)
		conn_ident(c);
	if (c->state != CONN_OPEN)
		return 1;
	n = conn_gather(c, came);
	if (n > 0) {
		c->last_rx_us = c->relay->now_us;
		c->alive_missed = 0;
		c->keys_idle = false;
	}
	return n +
	       (came > 0); /* a part of a record is work, too: its rest may wait in the stream */
}

/* All that came before the end of the stream was carried out. */
static bool conn_at_eof(const struct conn *c)
{
	if (!c->stream_eof)
		return false;
	return c->rx.q.records == 0 && c->stream->ops->rx_len(c->stream) == 0 && !c->more &&
	       !(c->rx_wait_keys && c->rx.in.len > 0);
}

unsigned int conn_run(struct conn *c)
{
	unsigned int work = 0;

	conn_note_links(c);
	if (c->pend & CONN_EV_KEPT) {
		int err = kept_tell(c);

		work += err == 0;
		if (err == -EAGAIN)
			c->more = true;
	}
	if (c->state == CONN_OPEN) {
		work += dispatch_run(c);
		kex_poll(c);
	}
	if (unlikely(c->capped) && c->state == CONN_OPEN)
		work += cap_run(c);
	if (c->state == CONN_OPEN)
		work += chan_run(c);
	if (c->state == CONN_OPEN && conn_at_eof(c))
		conn_end(c, -SSH_E_CLOSED, RELAY_LINGER_MS);
	work += up_run(c);
	if (c->state == CONN_OPEN)
		work += wait_run(c);
	return work;
}

void conn_ttys(struct conn *c, int more)
{
	uint8_t qos;

	c->n_ttys = (uint16_t)(c->n_ttys + more);
	qos = c->n_ttys > 0 ? c->auth.qos_tty : c->auth.qos_bulk;
	if (qos == c->qos || c->stream == NULL)
		return;
	c->qos = qos;
	if (c->relay->conf.stream_qos != NULL)
		c->relay->conf.stream_qos(c->stream, qos);
}

/* ClientAlive: a peer from which nothing was heard is asked, and given up in the end. */
void conn_alive_poll(struct conn *c)
{
	uint64_t now = c->relay->now_us, interval = (uint64_t)c->auth.alive_interval_ms * 1000;
	uint8_t payload[64];
	struct ssh_wr w;
	int r;

	if (c->alive_us == 0 || now < c->alive_us)
		return;
	c->alive_us = now + interval;
	if (now < c->last_rx_us + interval) { /* heard of meanwhile */
		c->alive_us = c->last_rx_us + interval;
		return;
	}
	if (!kex_quiet(c)) /* nothing of the kind may be sealed; the exchange has its own limit */
		return;
	if (c->rx.q.records > 0) /* it is we who do not read: control has not answered */
		return;
	if (c->auth.alive_count != 0 && c->alive_missed >= c->auth.alive_count) {
		conn_fail(c, -SSH_E_KEEPALIVE);
		return;
	}
	if (c->n_globals == RELAY_GLOBALS_MAX) { /* it owes that many answers: enough was asked */
		c->alive_missed++;
		return;
	}
	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "keepalive@openssh.com");
	ssh_wr_bool(&w, true);
	r = conn_send(c, payload, (uint32_t)ssh_wr_done(&w));
	if (r < 0) {
		conn_short(c, r);
		return;
	}
	c->n_globals++; /* its bit is 0: ours */
	c->alive_missed++;
}

/* What still comes in is nobody's; left unread it would turn our FIN into a reset. */
static void conn_drain(struct conn *c)
{
	struct pkt_chain junk = {0};

	if (c->stream->ops->rx_take(c->stream, RELAY_DRAIN_TURN, &junk) == RELAY_DRAIN_TURN)
		c->more = true;
	pkt_chain_free(&junk);
}

static void conn_ending(struct conn *c)
{
	if (c->state == CONN_ENDING && (c->tx.q.records == 0 || c->tx.err < 0)) {
		c->stream->ops->shutdown(c->stream);
		c->state = CONN_LINGER;
	}
	conn_drain(c);
	if (c->state == CONN_LINGER && c->stream->ops->tx_queued(c->stream) == 0)
		conn_let_go(c, true);
	else if (c->relay->now_us >= c->linger_us)
		conn_let_go(c, false);
}

/*
 * Its place is its own until control has acknowledged the end of what was logged in: one that
 * attaches before that is told who it was. Where the end could not be noted it goes at once.
 */
static unsigned int conn_over(struct conn *c)
{
	if ((c->up.records > 0 || c->pend != 0) && !c->proxy_wait && c->relay->attached &&
	    c->relay->now_us < c->linger_us)
		return 0; /* control has not heard all of it yet */
	c->linger_us = 0;
	if (!(c->pend & CONN_EV_NEW)) /* else control has heard of no beginning */
		c->end_noted = audit_conn_end(c);
	if (!c->end_noted || c->phase.svc != SSH_SVC_OPEN)
		conn_free(c);
	return 1;
}

unsigned int conn_output(struct conn *c)
{
	unsigned int work = 0;

	if (c->stream != NULL && c->tx.out.len > 0) {
		bool room = c->stream->ops->tx_space(c->stream) > 0;

		c->over = room ? 0 : c->over + c->tx.out.len;
		c->keys_idle = false;
		/* A stream that is gone says so by its event. */
		(void)c->stream->ops->tx(c->stream, &c->tx.out);
		pkt_chain_init(&c->tx.out);
		work++;
	} else if (c->over > 0 && c->stream != NULL && c->stream->ops->tx_space(c->stream) > 0) {
		c->over = 0;
		c->more = true;
	}
	if (c->tx.err < 0)
		conn_fail(c, c->tx.err);
	if (c->state == CONN_ENDING || c->state == CONN_LINGER)
		conn_ending(c);
	if (c->state == CONN_OPEN && chan_could_go_on(c))
		c->more = true;
	timer_update(c);
	return c->state == CONN_OVER && !c->end_noted ? work + conn_over(c) : work;
}

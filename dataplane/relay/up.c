/* dataplane/relay/up.c - events to control, and how much of a connection it may hold. */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <string.h>

#include "crypto/secret.h"

#define UP_HEAD_MAX 512 /* header and fixed part of any event */

int up_send(struct relay *r, uint16_t type, const struct link_handle *h, const void *body,
	    size_t body_len, const void *tail, size_t tail_len)
{
	uint8_t head[UP_HEAD_MAX];
	struct link_hdr hdr = {
		.len = (uint32_t)(sizeof(hdr) + body_len + tail_len),
		.type = type,
	};
	int err;

	if (h != NULL)
		hdr.conn = *h;
	memcpy(head, &hdr, sizeof(hdr));
	memcpy(head + sizeof(hdr), body, body_len);
	err = r->conf.link.send(r->conf.link.arg, head, sizeof(hdr) + body_len, tail, tail_len);
	if (err == -EAGAIN)
		r->retry = r->link_full = true; /* a ring that drains rings no bell */
	return err;
}

/* One event of a connection, whose body has no variable part. */
static int up_conn(struct conn *c, uint16_t type, const void *body, size_t len)
{
	struct link_handle h = conn_handle(c);

	return up_send(c->relay, type, &h, body, len, NULL, 0);
}

int up_ident(struct conn *c, const uint8_t *line, uint32_t len)
{
	struct link_handle h = conn_handle(c);
	struct link_bytes body = {.len = len};

	if (c->pend & CONN_EV_NEW) /* up_run() says when; a control that comes is news */
		return c->relay->attached ? -EAGAIN : -ENOTCONN;
	return up_send(c->relay, LINK_EV_IDENT, &h, &body, sizeof(body), line, len);
}

int up_chan_opened(struct chan *ch)
{
	struct link_chan_ref body = {
		.token = ch->token,
		.local_channel = ch->local,
		.peer_channel = ch->peer,
		.target = ch->target_addr,
	};

	return up_conn(ch->conn, LINK_EV_CHAN_OPENED, &body, sizeof(body));
}

int up_chan_drained(struct chan *ch)
{
	struct link_chan_ref body = {.token = ch->token, .local_channel = ch->local};

	return up_conn(ch->conn, LINK_EV_CHAN_DRAINED, &body, sizeof(body));
}

int up_chan_unsaid(struct chan *ch, uint64_t id)
{
	struct link_chan_unsaid body = {.token = ch->token, .id = id};

	return up_conn(ch->conn, LINK_EV_CHAN_UNSAID, &body, sizeof(body));
}

int up_chan_eof(struct chan *ch, uint32_t way)
{
	struct link_chan_eof body = {
		.token = ch->token,
		.bytes = way == LINK_EOF_IN ? ch->bytes_from_peer : ch->bytes_to_peer,
		.local_channel = ch->local,
		.way = way,
	};

	return up_conn(ch->conn, LINK_EV_CHAN_EOF, &body, sizeof(body));
}

int up_chan_failed(struct conn *c, uint64_t token, int err, uint32_t reason)
{
	struct link_chan_failed body = {.token = token, .err = err, .reason = reason};

	return up_conn(c, LINK_EV_CHAN_FAILED, &body, sizeof(body));
}

int up_forward(struct conn *c, uint64_t token, int err, uint16_t port)
{
	struct link_forward_result body = {.token = token, .err = err, .port = port};

	return up_conn(c, LINK_EV_FORWARD, &body, sizeof(body));
}

bool up_may(const struct conn *c, uint32_t len)
{
	uint32_t max =
		c->phase.svc == SSH_SVC_OPEN ? RELAY_UNANSWERED_MAX : RELAY_UNANSWERED_PREAUTH;

	if (c->unanswered >= max)
		return false;
	/* One payload may always go, or the largest would never. */
	return c->unanswered == 0 || c->unanswered_bytes + len <= RELAY_UNANSWERED_BYTES_MAX;
}

void up_payload(struct conn *c, uint32_t seqnr, struct pkt_chain *payload)
{
	c->unanswered++;
	c->unanswered_bytes += payload->len;
	record_q_push(&c->up, payload, &seqnr, sizeof(seqnr));
}

static int up_first_payload(struct conn *c)
{
	struct relay *r = c->relay;
	struct link_handle h = conn_handle(c);
	struct link_payload body;
	const struct pkt_chain *chain;
	const uint8_t *head, *bytes;
	struct pkt_chain gone;
	bool copied;
	int err;

	record_q_front(&c->up, &chain, &head);
	memcpy(&body.seqnr, head, sizeof(body.seqnr));
	body.len = chain->len;
	bytes = rte_pktmbuf_mtod(chain->head, const uint8_t *);
	copied = chain->segs > 1;
	if (copied) {
		pkt_chain_read(chain, 0, r->payload, chain->len);
		bytes = r->payload;
	}
	err = up_send(r, LINK_EV_PAYLOAD, &h, &body, sizeof(body), bytes, body.len);
	if (err == 0) {
		ask_begin(c, body.seqnr, bytes, body.len);
		record_q_pop(&c->up, &gone);
		record_payload_free(&gone);
	}
	if (copied)
		secret_wipe(r->payload, body.len);
	return err;
}

/* Its index may be that of a connection whose end control has not been told yet: in order. */
static int up_new(struct conn *c)
{
	struct relay *r = c->relay;
	struct link_conn_new body = {
		.local = c->local,
		.peer = c->peer,
		.listener = c->listener,
		.uid_low = (uint32_t)c->uid,
		.uid_high = (uint32_t)(c->uid >> 32),
		.no_comp = !comp_promise(c),
	};

	if (r->attached && r->audit.unsent < r->audit.next) {
		r->retry = true;
		return -EAGAIN;
	}
	return up_conn(c, LINK_EV_CONN_NEW, &body, sizeof(body));
}

void up_conn_full(struct relay *r, uint32_t listener, const struct link_addr *local,
		  const struct link_addr *peer)
{
	struct link_conn_new body = {.local = *local, .peer = *peer, .listener = listener};
	uint64_t uid;

	if (r->now_us < r->full_us)
		return;
	uid = (uint64_t)r->conf.shard << RELAY_UID_BITS | ++r->uid;
	body.uid_low = (uint32_t)uid;
	body.uid_high = (uint32_t)(uid >> 32);
	if (up_send(r, LINK_EV_CONN_FULL, NULL, &body, sizeof(body), NULL, 0) == 0)
		r->full_us = r->now_us + RELAY_FULL_US;
}

unsigned int up_run(struct conn *c)
{
	static const struct link_conn_ref none;
	unsigned int work = 0;
	int err = 0;

	if (c->proxy_wait || (c->pend & CONN_EV_KEPT))
		return 0;
	if (c->pend & CONN_EV_NEW) {
		err = up_new(c);
		if (err == 0) {
			c->pend &= (uint8_t)~CONN_EV_NEW;
			c->relay->n_unknown--;
			work++;
		}
	}
	while (err == 0 && c->up.records > 0) {
		err = up_first_payload(c);
		work += err == 0;
	}
	if (err == 0 && (c->pend & CONN_EV_REKEY_DUE)) {
		err = up_conn(c, LINK_EV_REKEY_DUE, &none, sizeof(none));
		if (err == 0)
			c->pend &= (uint8_t)~CONN_EV_REKEY_DUE;
		work += err == 0;
	}
	if (err == 0 && (c->pend & CONN_EV_FORWARD)) {
		err = forwards_tell(c);
		work += err == 0;
	}
	if (err == -EAGAIN)
		c->more = true;
	return work;
}

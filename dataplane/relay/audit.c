/*
 * dataplane/relay/audit.c - the ends of channels and connections, until control has
 * acknowledged them. At the bound the loss is counted.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <stdlib.h>

int audit_init(struct audit *a, uint32_t size)
{
	*a = (struct audit){.size = size, .used = 1, .acked = 1, .unsent = 1, .next = 1};
	a->entry = calloc(rte_align32pow2(size), sizeof(*a->entry));
	return a->entry != NULL ? 0 : -ENOMEM;
}

void audit_fini(struct audit *a)
{
	free(a->entry);
	a->entry = NULL;
}

static struct audit_entry *audit_at(struct audit *a, uint64_t id)
{
	return &a->entry[id & (a->used - 1)];
}

/* Twice as many places: half of the ids that are kept have theirs among the new ones. */
static void audit_grow(struct audit *a)
{
	uint32_t used = a->used;

	for (uint64_t id = a->acked; id < a->next; id++)
		if (id & used)
			a->entry[id & (2 * used - 1)] = a->entry[id & (used - 1)];
	a->used = 2 * used;
}

/* The next entry with its id taken, or NULL: the backlog is full. */
static struct audit_entry *audit_add(struct conn *c, uint16_t type, uint64_t *ret_id)
{
	struct audit *a = &c->relay->audit;
	struct audit_entry *e;

	if (a->next - a->acked == a->size) {
		relay_count(c->relay, RELAY_C_AUDIT_LOST);
		return NULL;
	}
	if (unlikely(a->next - a->acked == a->used))
		audit_grow(a);
	*ret_id = a->next++;
	e = audit_at(a, *ret_id);
	*e = (struct audit_entry){.conn = conn_handle(c), .type = type};
	return e;
}

static enum link_eof eof_of(const struct chan *ch, unsigned int way)
{
	bool said = way == LINK_EOF_IN ? ch->fsm.eof_received : ch->fsm.eof_sent;

	if (!said)
		return LINK_EOF_NONE;
	return ch->eof_due >> way & 1 ? LINK_EOF_UNTOLD : LINK_EOF_TOLD;
}

void audit_chan_end(struct chan *ch)
{
	uint64_t id;
	struct audit_entry *e = audit_add(ch->conn, LINK_EV_CHAN_END, &id);

	if (e == NULL)
		return;
	e->chan = (struct link_chan_end){
		.audit_id = id,
		.token = ch->token,
		.bytes_from_peer = ch->bytes_from_peer,
		.bytes_to_peer = ch->bytes_to_peer,
		.open_us = ch->open_us,
		.first_us = ch->first_us,
		.last_us = ch->last_us,
		.end_us = ch->conn->relay->now_us,
		.cause = ch->cause,
		.local_channel = ch->local,
		.target = ch->target_addr,
		.port = ch->asked_port,
		.name_len = (uint16_t)ch->name.len,
		.told = !(ch->pend & CHAN_EV_OPENED),
		.eof = {eof_of(ch, LINK_EOF_IN), eof_of(ch, LINK_EOF_OUT)},
		.tee = ch->tee != NULL,
		.tee_copied = ch->tee != NULL ? ch->tee->tee.copied : 0,
		.tee_lost = ch->tee != NULL ? ch->tee->tee.lost : 0,
		.uid_low = (uint32_t)ch->conn->uid,
		.uid_high = (uint32_t)(ch->conn->uid >> 32),
	};
	e->name = ch->name;
	ch->name = (struct note){0}; /* handed over */
}

bool audit_conn_end(struct conn *c)
{
	uint64_t id;
	struct audit_entry *e = audit_add(c, LINK_EV_CONN_END, &id);

	if (e == NULL)
		return false;
	e->end = (struct link_conn_end){
		.audit_id = id,
		.bytes_in = c->bytes_in,
		.bytes_out = c->bytes_out,
		.open_us = c->open_us,
		.last_us = RTE_MAX(c->last_rx_us, c->last_data_us),
		.end_us = c->relay->now_us,
		.channels = c->n_opened,
		.cause = c->cause,
		.authenticated = c->phase.svc == SSH_SVC_OPEN,
		.uid_low = (uint32_t)c->uid,
		.uid_high = (uint32_t)(c->uid >> 32),
		.local = c->local,
		.peer = c->peer,
	};
	return true;
}

/* A control that does not know its connection hears who that is first. */
static int audit_send(struct relay *r, const struct audit_entry *e)
{
	struct conn *c = conn_find(r, &e->conn);

	if (c != NULL && c->links != r->links)
		conn_activate(c);
	if (c != NULL && (c->links != r->links || (c->pend & CONN_EV_KEPT))) {
		r->retry = true;
		return -EAGAIN;
	}
	if (e->type == LINK_EV_CONN_END)
		return up_send(r, e->type, &e->conn, &e->end, sizeof(e->end), NULL, 0);
	note_read(r, &e->name, r->payload);
	return up_send(r, e->type, &e->conn, &e->chan, sizeof(e->chan), r->payload, e->name.len);
}

unsigned int audit_run(struct relay *r)
{
	struct audit *a = &r->audit;
	unsigned int n = 0;

	while (a->unsent < a->next && n < RELAY_AUDIT_TURN) {
		if (audit_send(r, audit_at(a, a->unsent)) < 0)
			break;
		a->unsent++;
		n++;
	}
	return n;
}

static void acked(struct relay *r, struct audit_entry *e)
{
	struct conn *c = e->type == LINK_EV_CONN_END ? conn_find(r, &e->conn) : NULL;

	note_drop(r, &e->name);
	if (c != NULL && c->end_noted)
		conn_free(c);
}

void audit_ack(struct relay *r, uint64_t id)
{
	struct audit *a = &r->audit;

	/* Only what was sent can have been recorded. */
	if (id < a->acked || id >= a->unsent)
		return;
	while (a->acked <= id)
		acked(r, audit_at(a, a->acked++));
}

bool audit_admits(struct relay *r)
{
	if (!r->conf.audit_refuse || !audit_lags(&r->audit))
		return true;
	relay_count(r, RELAY_C_AUDIT_REFUSED);
	return false;
}

void audit_resend(struct audit *a)
{
	a->unsent = a->acked;
}

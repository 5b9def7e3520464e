/*
 * dataplane/relay/handover.c - control has gone, or another one has come: each connection takes note
 * of that before it does anything else.
 *
 * Of a hundred thousand none waits for all the others: those with something to do take note when
 * their turn comes (conn_note_links()), the rest are awakened, so many in a turn. While the link
 * takes no more nobody else is, or they would all ask again in every turn.
 */
#include "crypto/secret.h"
#include "dataplane/relay/internal.h"

#define HANDOVER_PLACES 2048 /* of the table, in one turn */

static void handover_begin(struct relay *r)
{
	r->links++;
	r->handover_places = r->handover_left = r->fresh_conns;
}

void relay_link_attached(struct relay *r)
{
	r->attached = true;
	r->gone_us = 0;
	audit_resend(&r->audit);
	handover_begin(r);
}

void relay_link_detached(struct relay *r)
{
	r->attached = false;
	secret_wipe(r->msg, r->msg_len);
	r->msg_len = 0;
	handover_begin(r);
}

void relay_link_still(struct relay *r, uint64_t since_us)
{
	r->gone_us = since_us + (uint64_t)r->conf.control_wait_ms * 1000;
}

/* However often it came to this: what the last control left is the next one's. */
static void control_gone(struct conn *c)
{
	forwards_lost(c);
	asks_lost(c);
	host_control_gone(c);
	c->globals = 0; /* what it has asked: nobody waits for the replies */
	c->full_told = false;
}

static void control_came(struct conn *c)
{
	kept_begin(c);
	if (conn_orphaned(c))
		conn_fail(c, -SSH_E_UNAVAILABLE);
	else if (c->rekey_asked && !c->tx_kex && !c->kex_tx_done)
		c->pend |= CONN_EV_REKEY_DUE; /* who was asked did not begin it */
	c->rekey_wait_us = 0;
	c->unanswered = c->up.records + c->n_asks;
	c->unanswered_bytes = c->up.bytes;
	host_control_came(c);
}

void conn_take_note(struct conn *c)
{
	c->links = c->relay->links;
	control_gone(c);
	if (c->relay->attached)
		control_came(c);
}

/*
 * The hand goes on where it was, whatever comes in between: everybody's turn comes. Its round is of
 * the places there were when it began: who takes one that is beyond them has nothing to note.
 */
unsigned int handover_turn(struct relay *r)
{
	unsigned int places = 0, woken = 0;
	bool full = r->link_full;

	r->link_full = false;
	if (likely(r->handover_left == 0))
		return 0;
	if (full) {
		r->retry = true;
		return 0;
	}
	while (r->handover_left > 0 && places < HANDOVER_PLACES && woken < RELAY_HANDOVER_TURN) {
		struct conn *c;

		if (r->handover_hand >= r->handover_places)
			r->handover_hand = 0;
		c = &r->conns[r->handover_hand++];
		r->handover_left--;
		places++;
		if (c->state == 0 || c->links == r->links)
			continue;
		conn_activate(c);
		woken++;
	}
	return places;
}

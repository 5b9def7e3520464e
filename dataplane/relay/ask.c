/*
 * dataplane/relay/ask.c - payloads that control has taken and not settled: those of a control that
 * leaves are the next one's.
 *
 * A payload is settled by its answer, where it has one: an OPEN when it is decided, a global
 * request that wants a reply by that reply, messages of a key exchange by its keys; others when
 * control says it is done with them, which it says of all, in order (LINK_IT_ANSWERED). One that is
 * too long to be kept, or for which there is no room, is known to nobody after a control that
 * leaves: then its connection cannot go on.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

#include "dataplane/table.h"
#include "ssh/wire.h"

#define ASKS_MORE 4096 /* beside one of each connection */

struct ask {
	uint32_t next; /* of its connection, behind it; or free: index + 1 */
	uint32_t seqnr;
	uint32_t channel; /* of an OPEN */
	uint8_t msg;
	bool awaits : 1;   /* an answer of its own */
	bool settled : 1;  /* it came */
	bool credited : 1; /* control is done with it */
	bool again : 1;    /* to be said to the control that came */
	struct note payload;
};

int asks_init(struct asks *all, uint32_t conns)
{
	*all = (struct asks){.size = conns + ASKS_MORE};
	all->ask = table_new(all->size, sizeof(*all->ask));
	return all->ask != NULL ? 0 : -ENOMEM;
}

void asks_fini(struct asks *all)
{
	table_free(all->ask, all->size, sizeof(*all->ask));
	all->ask = NULL;
}

static struct ask *ask_at(const struct conn *c, uint32_t i)
{
	return &c->relay->asks.ask[i - 1];
}

static struct ask *ask_new(struct conn *c)
{
	struct asks *all = &c->relay->asks;
	uint32_t i = all->free;

	if (i == 0 && all->fresh == all->size)
		return NULL;
	if (i == 0)
		i = ++all->fresh;
	else
		all->free = all->ask[i - 1].next;
	if (c->asks_last != 0)
		ask_at(c, c->asks_last)->next = i;
	else
		c->asks_first = i;
	c->asks_last = i;
	c->n_asks++;
	*ask_at(c, i) = (struct ask){0};
	return ask_at(c, i);
}

/* Takes the one at *at out; before: the one before it, 0: none. */
static void ask_free(struct conn *c, uint32_t *at, uint32_t before)
{
	struct asks *all = &c->relay->asks;
	uint32_t i = *at;
	struct ask *a = ask_at(c, i);

	*at = a->next;
	if (c->asks_last == i)
		c->asks_last = before;
	c->n_asks--;
	note_drop(c->relay, &a->payload);
	*a = (struct ask){.next = all->free};
	all->free = i;
}

void asks_drop(struct conn *c)
{
	while (c->asks_first != 0)
		ask_free(c, &c->asks_first, 0);
	c->asks_unknown = false;
}

/* Those that nothing more is awaited of. */
static void sweep(struct conn *c)
{
	uint32_t *at = &c->asks_first, before = 0;

	while (*at != 0) {
		struct ask *a = ask_at(c, *at);

		if (a->credited && (a->settled || !a->awaits)) {
			ask_free(c, at, before);
			continue;
		}
		before = *at;
		at = &a->next;
	}
}

static bool of_kex(uint8_t msg)
{
	return msg == SSH_MSG_KEXINIT || msg == SSH_MSG_NEWKEYS || (msg >= 30 && msg <= 49);
}

static void classify(struct ask *a, const uint8_t *payload, uint32_t len)
{
	struct ssh_rd r;

	a->msg = payload[0];
	ssh_rd_init(&r, payload + 1, len - 1);
	if (a->msg == SSH_MSG_CHANNEL_OPEN) {
		(void)ssh_rd_str(&r); /* its type */
		a->channel = ssh_rd_u32(&r);
		a->awaits = !r.bad;
	} else if (a->msg == SSH_MSG_GLOBAL_REQUEST) {
		(void)ssh_rd_str(&r);
		a->awaits = ssh_rd_bool(&r) && !r.bad;
	} else {
		a->awaits = of_kex(a->msg);
	}
}

void ask_begin(struct conn *c, uint32_t seqnr, const uint8_t *payload, uint32_t len)
{
	struct ask *a = c->phase.svc == SSH_SVC_OPEN ? ask_new(c) : NULL;

	if (a == NULL) {
		c->asks_unknown = c->phase.svc == SSH_SVC_OPEN;
		return;
	}
	a->seqnr = seqnr;
	classify(a, payload, len);
	if (len <= RELAY_ASK_MAX)
		(void)note_put(c->relay, &a->payload, payload, len); /* an empty one is not known */
}

void asks_credit(struct conn *c, uint32_t n, uint32_t out)
{
	uint32_t uncredited = 0, old;

	for (uint32_t i = c->asks_first; i != 0; i = ask_at(c, i)->next)
		uncredited += !ask_at(c, i)->credited;
	/* Those of before it was logged in, or that are not known here, are the oldest. */
	old = out - RTE_MIN(out, uncredited);
	n -= RTE_MIN(n, old);
	for (uint32_t i = c->asks_first; i != 0 && n > 0; i = ask_at(c, i)->next) {
		n -= !ask_at(c, i)->credited;
		ask_at(c, i)->credited = true;
	}
	sweep(c);
	if (c->asks_first == 0)
		c->asks_unknown = false;
}

static void settle(struct ask *a)
{
	a->settled = true;
}

void ask_decided(struct conn *c, uint32_t channel)
{
	uint32_t i = c->asks_first;

	while (i != 0 && (ask_at(c, i)->msg != SSH_MSG_CHANNEL_OPEN || ask_at(c, i)->settled ||
			  ask_at(c, i)->channel != channel))
		i = ask_at(c, i)->next;
	if (i != 0)
		settle(ask_at(c, i));
	sweep(c);
}

void ask_replied(struct conn *c)
{
	uint32_t i = c->asks_first;

	while (i != 0 && (ask_at(c, i)->msg != SSH_MSG_GLOBAL_REQUEST || ask_at(c, i)->settled ||
			  !ask_at(c, i)->awaits))
		i = ask_at(c, i)->next;
	if (i != 0)
		settle(ask_at(c, i));
	sweep(c);
}

bool asks_reply(const struct conn *c)
{
	uint32_t i = c->asks_first;

	while (i != 0 && (ask_at(c, i)->msg != SSH_MSG_GLOBAL_REQUEST || ask_at(c, i)->settled ||
			  !ask_at(c, i)->awaits))
		i = ask_at(c, i)->next;
	return i != 0;
}

void asks_kex_done(struct conn *c)
{
	for (uint32_t i = c->asks_first; i != 0; i = ask_at(c, i)->next)
		if (of_kex(ask_at(c, i)->msg))
			settle(ask_at(c, i));
	sweep(c);
}

/* To a request of the control that is gone: the next one would take it for that of its own. */
static bool is_reply(uint8_t msg)
{
	return msg == SSH_MSG_REQUEST_SUCCESS || msg == SSH_MSG_REQUEST_FAILURE;
}

void asks_lost(struct conn *c)
{
	uint32_t *at = &c->asks_first, before = 0;

	while (*at != 0) {
		struct ask *a = ask_at(c, *at);

		if (a->settled || (!a->awaits && a->credited) || is_reply(a->msg)) {
			if (!a->credited)
				c->unanswered -= c->unanswered > c->up.records;
			ask_free(c, at, before);
			continue;
		}
		c->asks_unknown |= a->payload.len == 0;
		a->again = true;
		a->credited = false;
		before = *at;
		at = &a->next;
	}
}

int asks_tell(struct conn *c)
{
	struct link_handle h = conn_handle(c);
	struct relay *r = c->relay;

	for (uint32_t i = c->asks_first; i != 0; i = ask_at(c, i)->next) {
		struct ask *a = ask_at(c, i);
		struct link_payload body = {.seqnr = a->seqnr, .len = a->payload.len};
		int err;

		if (!a->again || a->payload.len == 0)
			continue;
		note_read(r, &a->payload, r->payload);
		err = up_send(r, LINK_EV_PAYLOAD, &h, &body, sizeof(body), r->payload, body.len);
		if (err < 0)
			return err;
		a->again = false;
	}
	return 0;
}

uint32_t ask_first(const struct conn *c, uint8_t *ret)
{
	const struct ask *a;

	if (c->asks_first == 0)
		return 0;
	a = ask_at(c, c->asks_first);
	note_read(c->relay, &a->payload, ret);
	return a->payload.len;
}

void ask_forget(struct conn *c)
{
	ask_free(c, &c->asks_first, 0);
}

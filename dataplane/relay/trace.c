/*
 * dataplane/relay/trace.c - what an operator sees of one connection: each message, its length, and
 * of its bytes what may be seen (ssh/show.h). Nothing else leaves the shard.
 *
 * There is one at a time: the next takes its place. It ends by itself, by time or by number, and
 * with its connection; who does not read loses messages, and holds up nobody.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/show.h"

void trace_end(struct relay *r)
{
	struct trace *t = &r->trace;

	tee_end(&t->tee, r->conf.pools->data, r->now_us);
	*t = (struct trace){0};
}

void trace_conn_over(struct conn *c)
{
	if (c->relay->trace.conn == c)
		trace_end(c->relay);
}

static void ready(struct stream *s)
{
	struct trace *t = s->user_ptr;

	t->heard = true;
}

static const struct stream_user user = {.ready = ready};

/* The descriptor is there, or comes. */
static void claim(struct relay *r)
{
	struct trace *t = &r->trace;
	struct stream *to = NULL;
	int err = r->conf.host_claim(r->conf.host_arg, t->fds, &user, t, &to);

	if (err == -EAGAIN)
		return;
	t->fds = 0;
	if (err < 0)
		*t = (struct trace){0};
	else
		tee_begin(&t->tee, to, false, r->now_us);
}

void trace_begin(struct conn *c, const struct link_trace *m)
{
	struct relay *r = c->relay;

	if (r->conf.host_claim == NULL)
		return;
	trace_end(r);
	r->trace = (struct trace){.conn = c,
				  .fds = m->fds,
				  .left = m->messages,
				  .until_us = r->now_us + (uint64_t)m->time_ms * 1000};
	relay_count(r, RELAY_C_TRACES);
	claim(r);
}

void trace_fds_came(struct relay *r, uint64_t token)
{
	if (r->trace.fds == token)
		claim(r);
}

/* A payload, or what it begins with, of which head has the first n bytes. */
static void show(struct relay *r, enum tee_kind kind, const uint8_t *head, size_t n, uint32_t len)
{
	struct {
		struct tee_msg msg;
		uint8_t shown[SSH_SHOW_MAX];
	} body = {.msg = {len}};
	struct trace *t = &r->trace;
	size_t shown = ssh_show_len(head, n);
	int lost;

	_Static_assert(offsetof(typeof(body), shown) == sizeof(body.msg), "no padding between");
	memcpy(body.shown, head, shown);
	/* What is lost is counted, and nobody waits for it. */
	lost = tee_say(&t->tee, kind, &body, (uint32_t)(sizeof(body.msg) + shown),
		       r->conf.pools->data, r->now_us);
	(void)lost;
	if (--t->left == 0)
		trace_end(r);
}

void trace_chain(struct conn *c, enum tee_kind kind, const struct pkt_chain *payload)
{
	uint8_t head[SSH_SHOW_MAX];
	uint32_t n = RTE_MIN(payload->len, (uint32_t)sizeof(head));

	if (c->relay->trace.tee.to == NULL || !pkt_chain_read(payload, 0, head, n))
		return;
	show(c->relay, kind, head, n, payload->len);
	secret_wipe(head, n); /* it may be a password */
}

void trace_received(struct conn *c, const struct pkt_chain *payload, uint32_t seqnr)
{
	struct trace *t = &c->relay->trace;

	/* One that had to wait comes again. */
	if (t->seen && t->seqnr == seqnr)
		return;
	t->seen = true;
	t->seqnr = seqnr;
	trace_chain(c, TEE_MSG_IN, payload);
}

void trace_sent(struct conn *c, const uint8_t *head, uint32_t head_len, uint32_t data_len)
{
	if (c->relay->trace.tee.to != NULL)
		show(c->relay, TEE_MSG_OUT, head, head_len, head_len + data_len);
}

unsigned int trace_run(struct relay *r)
{
	struct trace *t = &r->trace;
	bool gone = false;

	if (likely(t->conn == NULL))
		return 0;
	if (t->heard && t->tee.to != NULL)
		gone = (stream_events(t->tee.to) &
			(STREAM_EV_ERROR | STREAM_EV_DEAF | STREAM_EV_EOF)) != 0;
	t->heard = false;
	if (gone)
		tee_fail(&t->tee);
	if (!gone && r->now_us < t->until_us)
		return 0;
	trace_end(r);
	return 1;
}

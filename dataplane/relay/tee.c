/*
 * dataplane/relay/tee.c - channels of which somebody has a copy: recordings of sessions.
 *
 * A strict one is never ahead of its copy by more than its windows: while the tee is full nothing
 * is taken of its program, and nothing is granted to its client. Where it takes no more the channel
 * ends, and its user reads why.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <string.h>

#include "dataplane/table.h"
#include "ssh/wire.h"

#define OVER_TEXT "\r\nThis session is recorded, and cannot be recorded any more: it ends.\r\n"

int tees_init(struct tees *all)
{
	*all = (struct tees){0};
	all->tee = table_new(RELAY_TEES_MAX, sizeof(*all->tee));
	return all->tee != NULL ? 0 : -ENOMEM;
}

void tees_fini(struct tees *all)
{
	table_free(all->tee, RELAY_TEES_MAX, sizeof(*all->tee));
	all->tee = NULL;
}

static struct chan_tee *place(struct tees *all)
{
	struct chan_tee *t = all->free;

	if (t != NULL)
		all->free = t->next_free;
	else if (all->fresh < RELAY_TEES_MAX)
		t = &all->tee[all->fresh++];
	return t;
}

static void give_back(struct tees *all, struct chan_tee *t)
{
	t->next_free = all->free;
	all->free = t;
}

/* Its user shall know why: on standard error, as far as the window has room for it. */
static void say_over(struct chan *ch)
{
	const uint32_t n = sizeof(OVER_TEXT) - 1;
	uint8_t payload[SSH_CHAN_EXTENDED_HEAD + sizeof(OVER_TEXT)];
	struct ssh_wr w;
	size_t head;

	if (!kex_quiet(ch->conn) || ch->fsm.state != SSH_CHAN_OPEN || ch->fsm.eof_sent ||
	    ssh_swin_take(&ch->swin, n) < n)
		return;
	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_extended_head_build(&w, ch->peer, SSH_EXTENDED_DATA_STDERR, n);
	head = ssh_wr_done(&w);
	memcpy(payload + head, OVER_TEXT, n);
	if (conn_send(ch->conn, payload, (uint32_t)head + n) == 0)
		ssh_swin_sent(&ch->swin, n);
}

/* What comes is lost, or the channel is over. */
static void failed(struct chan *ch)
{
	struct tee *t = &ch->tee->tee;

	relay_count(ch->conn->relay, RELAY_C_TEE_FAILED);
	tee_fail(t);
	if (!t->strict)
		return;
	say_over(ch);
	chan_close(ch, -SSH_E_RECORDING);
}

static bool copied(struct chan *ch, int err)
{
	if (err < 0 && ch->fsm.state == SSH_CHAN_OPEN)
		failed(ch);
	return err == 0;
}

bool chan_tee_copy(struct chan *ch, enum tee_kind kind, const struct pkt_chain *data)
{
	struct relay *r = ch->conn->relay;

	if (kind == TEE_IN && !ch->tee->in)
		return true;
	return copied(ch, tee_copy(&ch->tee->tee, kind, data, 0, data->len, r->conf.pools->data,
				   r->now_us));
}

void chan_tee_size(struct chan *ch, uint16_t columns, uint16_t rows)
{
	const struct tee_size size = {columns, rows};
	struct relay *r = ch->conn->relay;

	if (ch->tee != NULL)
		(void)copied(ch, tee_say(&ch->tee->tee, TEE_SIZE, &size, sizeof(size),
					 r->conf.pools->data, r->now_us));
}

/* Nobody says anything there: its end is that it takes no more, too. */
void chan_tee_hear(struct chan *ch)
{
	struct stream *to = ch->tee->tee.to;
	uint8_t ev = to != NULL ? stream_events(to) : 0;

	if (ev & (STREAM_EV_ERROR | STREAM_EV_DEAF | STREAM_EV_EOF))
		failed(ch);
}

static void ready(struct stream *s)
{
	struct chan *ch = s->user_ptr;

	chan_ready(ch);
	conn_activate(ch->conn);
}

static const struct stream_user user = {.ready = ready};

/* Its descriptor came before those of the channel, or does not come. */
int chan_tee_begin(struct chan *ch, uint64_t fds, uint8_t how)
{
	struct relay *r = ch->conn->relay;
	struct chan_tee *t = place(&r->tees);
	bool strict = (how & LINK_TEE_STRICT) != 0;
	struct stream *to = NULL;
	int err = -ENOBUFS;

	if (t != NULL)
		err = r->conf.host_claim(r->conf.host_arg, fds, &user, ch, &to);
	if (err < 0) {
		relay_count(r, RELAY_C_TEE_FAILED);
		if (t != NULL)
			give_back(&r->tees, t);
		if (strict)
			say_over(ch);
		return strict ? -SSH_E_RECORDING : 0;
	}
	t->in = (how & LINK_TEE_IN) != 0;
	tee_begin(&t->tee, to, strict, r->now_us);
	ch->tee = t;
	relay_count(r, RELAY_C_TEES);
	return 0;
}

void chan_tee_end(struct chan *ch)
{
	struct relay *r = ch->conn->relay;

	if (ch->tee == NULL)
		return;
	tee_end(&ch->tee->tee, r->conf.pools->data, r->now_us);
	give_back(&r->tees, ch->tee);
	ch->tee = NULL;
}

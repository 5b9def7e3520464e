/*
 * dataplane/relay/say.c - bytes that control has for a channel's client, of its program, and that
 * the program ends there.
 *
 * They stand among those that were read of the program, so that windows, caps, shares and tees are
 * theirs, too. Until its descriptors are there they wait in the channel.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

static int add(struct chan *ch, bool err, struct pkt_chain *bytes)
{
	struct pkt_chain *early = &ch->early.bytes[err];

	if (ch->target != NULL)
		return ch->conn->relay->conf.host_say(ch->target, err, bytes);
	if (early->len + bytes->len > RELAY_EARLY_MAX)
		return -ENOBUFS;
	pkt_chain_append_tight(early, bytes->head);
	*bytes = (struct pkt_chain){0};
	return 0;
}

static void end(struct chan *ch)
{
	if (ch->target != NULL)
		ch->conn->relay->conf.host_end(ch->target);
	else
		ch->early.end = true;
}

void chan_say_early(struct chan *ch)
{
	struct chan_early early = ch->early;

	ch->early = (struct chan_early){0};
	for (int err = 0; err < 2; err++)
		if (early.bytes[err].len > 0 && add(ch, err, &early.bytes[err]) < 0)
			pkt_chain_free(&early.bytes[err]); /* a new stream has room for them */
	if (early.end)
		end(ch);
}

void chan_forget_early(struct chan *ch)
{
	pkt_chain_free(&ch->early.bytes[0]);
	pkt_chain_free(&ch->early.bytes[1]);
	ch->early.end = false;
}

/* Where it has, or awaits, descriptors. */
static bool is_hosts(const struct chan *ch)
{
	const struct relay_conf *conf = &ch->conn->relay->conf;

	if (conf->host_say == NULL || (ch->fsm.state != SSH_CHAN_OPEN && ch->fds == 0))
		return false;
	return ch->target != NULL ? ch->target->kind == STREAM_HOST : ch->fds != 0;
}

int chan_say_for(struct conn *c, const struct link_chan_say *m)
{
	struct chan *ch = chan_of_token(c, m->token);
	struct pkt_chain bytes = {0};
	int r;

	if (ch == NULL || ch->granted || !is_hosts(ch)) {
		relay_count(c->relay, RELAY_C_ITEMS_STALE);
		return 0;
	}
	if (m->what == LINK_SAY_END) {
		end(ch);
		return 0;
	}
	r = pkt_chain_from(m + 1, m->len, c->relay->conf.pools->data, &bytes);
	if (r < 0)
		return r;
	/* Behind its EOF nothing goes. */
	if (!ch->fsm.eof_sent && add(ch, m->what == LINK_SAY_ERR, &bytes) == 0)
		return 0;
	pkt_chain_free(&bytes);
	r = up_chan_unsaid(ch, m->id);
	if (r == -EAGAIN)
		return r;
	relay_count(c->relay, RELAY_C_UNSAID);
	return 0;
}

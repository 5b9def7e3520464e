/*
 * dataplane/relay/connect.c - opening a target: the addresses control allowed, in its order
 * (RFC 8305), one after the other; each has its share of the time that is left.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <string.h>

static void net_addr_from(const struct link_addr *a, struct net_addr *ret)
{
	*ret = (struct net_addr){.family = a->family, .scope = a->scope};
	memcpy(ret->b, a->addr, a->family == 4 ? 4 : 16);
}

void connect_over(struct chan *ch)
{
	if (ch->grant_connecting)
		ch->conn->n_grant_connecting--;
	ch->grant_connecting = false;
	host_over(ch);
}

void connect_fail(struct chan *ch, int err, uint32_t reason)
{
	if (ch->target != NULL)
		ch->target->ops->abort(ch->target);
	ch->target = NULL;
	connect_over(ch);
	if (ch->granted)
		grants_revoke(ch->conn->relay, ch->conn, ch->token);
	ch->connect_err = err;
	ch->reason = reason;
	ch->pend &= (uint8_t)~CHAN_SAY_CONFIRM;
	ch->pend |= CHAN_SAY_FAILURE;
	chan_ready(ch);
}

/* Never 0; connections that share a number share what they may ask the link. */
static uint16_t asker_of(const struct conn *c)
{
	return (uint16_t)(c->index % UINT16_MAX + 1);
}

/* Tries the next address that can be tried at all. */
static void connect_next(struct chan *ch)
{
	struct conn *c = ch->conn;
	const struct stream_provider *tcp = &c->relay->conf.tcp;
	uint64_t now = c->relay->now_us;

	while (ch->next_addr < ch->n_addrs) {
		uint64_t tries = ch->n_addrs - ch->next_addr;
		struct net_addr addr;
		int r;

		ch->target_addr = ch->addr[ch->next_addr++];
		net_addr_from(&ch->target_addr, &addr);
		r = tcp->connect(tcp->arg, &addr, ch->target_addr.port, &chan_target_user, ch,
				 &ch->target);
		if (r == 0) {
			if (c->relay->conf.stream_asker != NULL)
				c->relay->conf.stream_asker(ch->target, asker_of(c));
			ch->attempt_us = now + (ch->deadline_us - now) / tries;
			c->connect_us = timer_min(c->connect_us, ch->attempt_us);
			return;
		}
		ch->target = NULL;
		ch->connect_err = r;
	}
	connect_fail(ch, ch->connect_err, SSH_OPEN_CONNECT_FAILED);
}

void connect_step(struct chan *ch, uint8_t events)
{
	if (events & STREAM_EV_EOF)
		ch->target_eof = true;
	if (ch->pend & CHAN_SAY_FAILURE)
		return;
	if (events & STREAM_EV_CONNECTED) {
		int r = ch->proxy != 0 ? proxy_say(ch) : 0;

		if (r < 0) {
			connect_fail(ch, r, SSH_OPEN_RESOURCE_SHORTAGE);
			return;
		}
		connect_over(ch);
		ch->pend |= CHAN_SAY_CONFIRM;
	}
	if (!(events & STREAM_EV_ERROR))
		return;
	if (ch->pend & CHAN_SAY_CONFIRM) { /* it had connected: CONFIRMATION, then CLOSE */
		ch->target_err = true;
		return;
	}
	ch->connect_err = ch->target->err;
	ch->target->ops->abort(ch->target);
	ch->target = NULL;
	connect_next(ch);
}

void connect_timers(struct conn *c)
{
	uint64_t now = c->relay->now_us;
	struct chan *ch;

	c->connect_us = 0;
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->fsm.state == SSH_CHAN_OPENING && ch->ours) {
			if (now >= ch->deadline_us)
				forward_give_up(ch, -ETIMEDOUT);
			else
				c->connect_us = timer_min(c->connect_us, ch->deadline_us);
			continue;
		}
		if (ch->fds != 0 && now >= ch->deadline_us)
			host_late(ch);
		else if (ch->fds != 0)
			c->connect_us = timer_min(c->connect_us, ch->deadline_us);
		/* That a control is to be told of it changes nothing. */
		if (ch->fds != 0 || ch->fsm.state != SSH_CHAN_OPENING ||
		    (ch->pend & (uint8_t)~CHAN_EV_KEPT) != 0)
			continue;
		if (now >= ch->deadline_us) {
			connect_fail(ch, -ETIMEDOUT, SSH_OPEN_CONNECT_FAILED);
		} else if (now >= ch->attempt_us) {
			ch->target->ops->abort(ch->target);
			ch->target = NULL;
			ch->connect_err = -ETIMEDOUT;
			connect_next(ch);
		} else {
			c->connect_us = timer_min(c->connect_us, ch->attempt_us);
		}
	}
}

int connect_refuse(struct conn *c, uint32_t peer_channel, uint64_t token, int err)
{
	struct ssh_chan_failure f = {
		.recipient_channel = peer_channel,
		.reason = SSH_OPEN_RESOURCE_SHORTAGE,
		.description = ssh_str_c(ssh_err_text(err)),
		.language = ssh_str_c(""),
	};
	struct pkt_chain chain;
	uint8_t payload[64];
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_failure_build(&w, &f);
	r = pkt_chain_from(payload, (uint32_t)ssh_wr_done(&w), c->relay->conf.pools->data, &chain);
	if (r < 0)
		return r;
	r = up_chan_failed(c, token, err, f.reason);
	if (r == -EAGAIN) {
		pkt_chain_free(&chain);
		return r;
	}
	return conn_send_chain(c, &chain, SSH_MSG_CHANNEL_OPEN_FAILURE);
}

int connect_begin(struct conn *c, const struct link_chan_connect *m, bool granted)
{
	struct chan *ch;
	int r = chan_new(c, m->kind, &ch);

	if (r < 0) {
		r = connect_refuse(c, m->peer_channel, m->token, r);
		if (r == 0 && granted)
			grants_revoke(c->relay, c, m->token);
		return r;
	}
	ch->peer = m->peer_channel;
	ch->token = m->token;
	ch->idle_ms = m->idle_ms;
	ch->share = m->share;
	ch->granted = ch->grant_connecting = granted;
	c->n_grant_connecting += granted;
	ch->n_addrs = m->n_addrs;
	chan_name(ch, m->name.bytes, m->name.len, m->name.port);
	ch->proxy = m->proxy & 3;
	ch->deadline_us = c->relay->now_us + (uint64_t)m->connect_timeout_ms * 1000;
	ch->connect_err = -EADDRNOTAVAIL;
	memcpy(ch->addr, m->addr, m->n_addrs * sizeof(ch->addr[0]));
	r = ssh_chan_limits_check(m->peer_packet_max);
	if (r < 0) {
		connect_fail(ch, r, SSH_OPEN_RESOURCE_SHORTAGE);
		return 0;
	}
	ssh_swin_init(&ch->swin, m->peer_window, m->peer_packet_max);
	if (m->kind != STREAM_TCP)
		connect_fail(ch, -EPROTONOSUPPORT, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	else
		connect_next(ch);
	return 0;
}

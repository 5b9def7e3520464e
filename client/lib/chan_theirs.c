/* client/lib/chan_theirs.c - channels the server opens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "ssh/err.h"
#include "ssh/forward.h"

/* An open as the program is told of it: the texts in one place. */
struct described {
	struct sluice_open open;
	char type[SSH_TYPE_MAX + 1], host[SSH_HOST_MAX + 1], origin[SSH_HOST_MAX + 1];
	char path[SSH_HOST_MAX + 1];
};

static void text(char *to, size_t size, struct ssh_str s)
{
	snprintf(to, size, "%.*s", (int)s.len, (const char *)s.p);
}

static int describe_tcpip(struct ssh_rd *r, struct described *d)
{
	struct ssh_forwarded_tcpip m;
	int e = ssh_forwarded_tcpip_parse(r, &m);

	if (e < 0)
		return e;
	text(d->host, sizeof(d->host), m.address);
	text(d->origin, sizeof(d->origin), m.originator);
	d->open.port = m.port;
	d->open.origin_port = m.originator_port;
	return 0;
}

static int describe_x11(struct ssh_rd *r, struct described *d)
{
	struct ssh_x11_open m;
	int e = ssh_x11_open_parse(r, &m);

	if (e < 0)
		return e;
	text(d->origin, sizeof(d->origin), m.originator);
	d->open.origin_port = m.originator_port;
	return 0;
}

static int describe_streamlocal(struct ssh_rd *r, struct described *d)
{
	struct ssh_str path;
	int e = ssh_forwarded_streamlocal_parse(r, &path);

	if (e == 0)
		text(d->path, sizeof(d->path), path);
	return e;
}

/* 0; or an error: not what its type carries, or nothing that was asked for (S-19). */
static int describe(struct sluice *s, const struct ssh_chan_open *m, struct described *d,
		    const struct forward **ret)
{
	struct ssh_rd r;
	int e = 0;

	*ret = NULL;
	memset(d, 0, sizeof(*d));
	text(d->type, sizeof(d->type), m->type);
	ssh_rd_init(&r, m->rest.p, m->rest.len);
	if (ssh_str_eq(m->type, SSH_OPEN_FORWARDED)) {
		e = describe_tcpip(&r, d);
		if (e == 0 && (*ret = forward_for(s, NULL, d->host, d->open.port)) == NULL)
			e = -ENOENT;
	} else if (ssh_str_eq(m->type, SSH_OPEN_FORWARDED_STREAMLOCAL)) {
		e = describe_streamlocal(&r, d);
		if (e == 0 && (*ret = forward_for(s, d->path, NULL, 0)) == NULL)
			e = -ENOENT;
	} else if (ssh_str_eq(m->type, SSH_OPEN_X11)) {
		e = describe_x11(&r, d);
	}
	d->open.type = d->type;
	d->open.host = d->host;
	d->open.path = d->path;
	d->open.origin = d->origin;
	d->open.extra = m->rest.p;
	d->open.extra_len = m->rest.len;
	return e;
}

int chan_confirm(struct sluice_channel *c)
{
	struct ssh_chan_confirm m = {.recipient_channel = c->peer_id,
				     .sender_channel = c->id,
				     .window_size = c->rwin.window_size,
				     .packet_max = c->packet_in,
				     .rest = {(const uint8_t *)"", 0}};
	enum ssh_chan_act act;
	uint8_t buf[32];
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_confirm_build(&w, &m);
	r = send_message(c->s, buf, ssh_wr_done(&w));
	if (r < 0)
		return r;
	c->undecided = false;
	return ssh_chan_step(&c->fsm, SSH_CHAN_EV_CONFIRMED, &act);
}

void chan_refuse(struct sluice_channel *c, uint32_t reason, const char *why)
{
	c->undecided = false;
	if (c->s->brain != NULL && c->fsm.state != SSH_CHAN_CLOSED) /* of this connection */
		(void)ssh_brain_open_refuse(c->s->brain, c->peer_id, reason, why);
	c->fsm.state = SSH_CHAN_CLOSED;
	chan_give_up(c);
}

static int ask_program(struct sluice_channel *c, const struct sluice_open *open)
{
	struct sluice *s = c->s;
	int r;

	if (s->ops.on_channel_open_request == NULL)
		return 0;
	s->callbacks++;
	r = s->ops.on_channel_open_request(s->arg, c, open);
	s->callbacks--;
	return r;
}

/* One for a target here: the program may refuse it, and hears of it when it is open. */
static void carry_in(struct sluice_channel *c, const struct sluice_open *open,
		     const struct forward *f)
{
	char host[SSH_HOST_MAX + 1];
	uint16_t port = f->to_port;

	snprintf(host, sizeof(host), "%s", f->to_host); /* a callback may cancel it */
	c->carried = true;
	if (c->s->ops.on_channel_open_request != NULL && ask_program(c, open) == 0) {
		if (c->undecided)
			chan_refuse(c, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, "not accepted");
	} else if (c->undecided && carry_begin(c, host, port) < 0) {
		chan_refuse(c, SSH_OPEN_CONNECT_FAILED, "no way to the target");
	}
}

int chan_open_in(struct sluice *s, const struct ssh_chan_open *m)
{
	const struct forward *f;
	struct described d;
	struct sluice_channel *c;
	int r = describe(s, m, &d, &f);

	if (r < 0)
		return ssh_brain_open_refuse(s->brain, m->sender_channel,
					     SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
					     "it was not asked for");
	if (ssh_chan_limits_check(m->packet_max) < 0 ||
	    (c = chan_new(s, d.type, m->type.len)) == NULL)
		return ssh_brain_open_refuse(s->brain, m->sender_channel,
					     SSH_OPEN_RESOURCE_SHORTAGE, "no more channels");
	c->peer_id = m->sender_channel;
	c->undecided = true;
	ssh_swin_init(&c->swin, m->window_size, m->packet_max);
	memcpy(c->listen, *d.path != '\0' ? d.path : d.host, sizeof(c->listen));
	memcpy(c->origin, d.origin, sizeof(c->origin));
	c->listen_port = d.open.port;
	c->origin_port = d.open.origin_port;
	note(s, SLUICE_LOG_VERBOSE, "channel %u: the server opens %s", c->id, c->type);
	if (f != NULL && f->to_host != NULL) {
		carry_in(c, &d.open, f);
		return 0;
	}
	r = ask_program(c, &d.open);
	if (!c->undecided) /* it said so itself */
		return 0;
	if (r != 1 && r != 2)
		chan_refuse(c, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, "not accepted");
	if (r != 1)
		return 0;
	if (chan_confirm(c) < 0)
		return -SSH_E_MEMORY;
	CALL(s, on_channel_opened, c, 0, "OK");
	return 0;
}

int sluice_channel_accept(struct sluice_channel *c)
{
	struct sluice *s = c->s;
	int r = -SLUICE_E_STATE;

	enter(s);
	if (c->undecided && !c->carried && s->brain != NULL && c->fsm.state == SSH_CHAN_OPENING)
		r = chan_confirm(c);
	flush(s);
	leave(s);
	return r;
}

int sluice_channel_refuse(struct sluice_channel *c, uint32_t reason, const char *why)
{
	struct sluice *s = c->s;
	int r = -SLUICE_E_STATE;

	enter(s);
	if (c->undecided) {
		chan_refuse(c, reason != 0 ? reason : SSH_OPEN_CONNECT_FAILED, why);
		step(s);
		flush(s);
		r = 0;
	}
	leave(s);
	return r;
}

/*
 * control/session/kept.c - connections of a control before this one, as their shard tells of them:
 * who they are, their listeners, their channels, half a key exchange. From then on they are
 * sessions like others that rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/forward.h"
#include "control/session/handled_chan.h"
#include "control/session/keep.h"
#include "control/session/report.h"
#include "control/session/review.h"

/* A view behind a body, as a text; "" where there is no memory for it. */
static char *name_of(const void *bytes, size_t len)
{
	return strndup(bytes, len);
}

int kept_conn(struct session_table *t, const struct link_handle *conn,
	      const struct link_conn_kept *ev)
{
	struct session *s;
	int r;

	if (conn->dataplane != t->dataplane || conn->shard != t->shard || conn->index >= t->max ||
	    t->by_index[conn->index] != NULL)
		return -EBADMSG;
	s = ev->len > 0 ? session_new(t, conn) : NULL;
	r = s != NULL ? keep_take(s, ev) : -ENOENT;
	if (r == 0) {
		review_kept(t->env);
		return 0;
	}
	/* It is told when it needs us. */
	log_line(LOG_L_ERROR, "a connection cannot go on with this control: %s",
		 r == -EBADMSG ? "what was left with it is not ours" : strerror(-r));
	if (s != NULL)
		session_free(s);
	return 0;
}

/* Counted as it was: who is over a limit now was not when it was decided. */
static void count_connecting(struct session *s, struct open *o)
{
	if (connecting_enter(&s->table->env->connecting, session_user(s), UINT32_MAX, UINT32_MAX,
			     &o->connecting) < 0)
		o->connecting = NULL;
}

static void count_up(struct session *s)
{
	s->n_up++;
	s->table->env->stats.channels++;
}

static void open_kept(struct session *s, const struct link_chan_kept *ev)
{
	struct open *o = calloc(1, sizeof(*o) + ev->name_len + 1);

	if (o == NULL)
		return; /* its end is recorded, no more */
	o->session = s;
	o->token = ev->token;
	o->peer_channel = ev->peer_channel;
	o->local_channel = ev->local_channel;
	o->state = ev->up ? OPEN_UP : OPEN_CONNECTING;
	o->port = ev->port;
	memcpy(o->host, ev + 1, ev->name_len);
	o->own_type = ev->port == 0 && o->host[0] != '/';
	open_link(s, o);
	channel_kept(s, o);
	if (ev->up)
		count_up(s);
	else if (!ev->ours && ev->program != LINK_PROGRAM_SESSION)
		count_connecting(s, o);
	if (ev->ours || ev->program == LINK_PROGRAM_CHANNEL)
		handled_chan_kept(o, ev->ours);
	else if (ev->program == LINK_PROGRAM_SESSION)
		program_kept(s, o, ev->tty);
}

static void chan_take(struct session *s, const struct link_chan_kept *ev)
{
	char *host;

	if (!ev->granted) {
		open_kept(s, ev);
		return;
	}
	if (forward_chan_kept(s, ev))
		return;
	host = name_of(ev + 1, ev->name_len);
	if (host != NULL)
		grant_kept(s, ev, host);
	free(host);
}

/* The control before this one may not have got to write of it: with the same id it is one record.
 */
void kept_chan(struct session *s, const struct link_chan_kept *ev)
{
	const struct link_chan_ref up = {
		.token = ev->token, .local_channel = ev->local_channel, .target = ev->target};

	chan_take(s, ev);
	if (ev->up)
		report_chan_opened(s, &up);
}

void kept_kex(struct session *s, const struct link_kex_kept *ev)
{
	const uint8_t *p = (const uint8_t *)(ev + 1);
	int r;

	if (!session_awaken(s))
		return;
	r = ev->sealed ? keep_rx_keys(s, p, ev->len)
		       : ssh_brain_resume_kex(s->awake->brain, p, ev->len);
	if (r < 0)
		session_end(s, -SSH_E_UNAVAILABLE, NULL);
}

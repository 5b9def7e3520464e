/* control/session/handled_chan.c - see handled_chan.h. */
#include "control/session/handled_chan.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/hook/answer.h"
#include "control/session/hook.h"
#include "control/session/ours.h"
#include "control/session/params.h"
#include "control/session/report.h"
#include "ssh/chan.h"

#define FDS_WAIT_MS 5000 /* the shard, for the descriptors */

void handled_chan_free(struct handled_chan *u)
{
	if (u == NULL)
		return;
	ours_answer(u, -ECONNRESET, 0);
	timer_cancel(u->open->session->table->env->timers, &u->again.timer);
	handled_fini(&u->handled);
	free(u->handled.place);
	free(u);
}

/* --- its end ------------------------------------------------------------------------------------
 */

/* It has all been sealed, and the program has said its last word: the shard closes it. */
static void finish(struct handled_chan *u)
{
	struct session *s = u->open->session;
	const struct link_chan_ref m = {.token = u->open->token};

	if (!u->exited || !u->drained || u->finished || s->ended)
		return;
	u->finished = true;
	item_body(s, LINK_IT_CHAN_FINISH, &m, sizeof(m));
}

/* What it has not answered nobody will. */
static void over(struct handled_chan *u)
{
	handled_fini(&u->handled);
	u->exited = true;
	replies_give_up(&u->handled.replies);
	if (!u->handled.closed && u->handled.replies.n > 0 && session_awaken(u->open->session)) {
		replies_say(&u->handled.replies, u->open);
		session_pump(u->open->session);
	}
}

/* Without a stream there is nothing to wait for. */
static void closed(struct handled_chan *u, const char *why)
{
	struct open *o = u->open;
	struct session *s = o->session;

	session_log(s, LOG_L_ERROR, "channel %u of user %.100s, of %.100s: %.255s",
		    o->local_channel, session_user(s), u->path, why);
	over(u);
	session_close_channel(s, o->token, o->local_channel);
}

/* Its client has not heard of it yet: he is told why not, and u is gone. */
static void refused(struct handled_chan *u, uint32_t reason, const char *why, const char *told)
{
	struct session *s = u->open->session;

	session_log(s, LOG_L_INFO, "%.64s of user %.100s for %.100s: %.255s",
		    report_type(s, u->open->token), session_user(s), u->path, why);
	handled_fini(&u->handled);
	if (s->ended)
		return;
	open_refuse(s, u->open, reason, told);
	session_pump(s);
}

/* Why there is no program is the operator's to know. */
static void not_there(struct handled_chan *u, uint32_t reason, const char *why)
{
	if (u->open->state == OPEN_RESOLVING)
		refused(u, reason, why, "open failed");
	else
		closed(u, why);
}

/* --- its program --------------------------------------------------------------------------------
 */

/*
 * Its client may send once it is confirmed, and have a window once there are descriptors. Behind
 * that goes what its program says to him.
 */
static void confirm(struct handled_chan *u)
{
	struct open *o = u->open;
	const struct link_chan_host m = {
		.peer_channel = o->peer_channel,
		.peer_window = o->peer_window,
		.peer_packet_max = o->peer_packet_max,
		.token = o->token,
		.name = item_name(o->host, o->port),
		.program = LINK_PROGRAM_CHANNEL,
		.share = u->share,
		.idle_ms = u->idle_ms,
	};

	o->state = OPEN_CONNECTING;
	item_body(o->session, LINK_IT_CHAN_HOST, &m, sizeof(m));
	handler_hold(u->handled.call);
}

static void on_started(void *arg, const struct helper_started *started, const int *fds)
{
	struct handled_chan *u = arg;
	struct open *o = u->open;
	struct session *s = o->session;
	struct link_chan_fds m = {.token = o->token,
				  .wait_ms = FDS_WAIT_MS,
				  .idle_ms = u->idle_ms,
				  .share = u->share};
	int r = session_awaken(s) ? item_fds(s, fds, started->n, &m.fds) : -ECONNRESET;

	for (unsigned int i = 0; i < service_fds(started); i++)
		close(fds[i]);
	if (r < 0) {
		not_there(u, SSH_OPEN_RESOURCE_SHORTAGE, strerror(-r));
		return;
	}
	u->runs = true;
	if (!u->ours)
		confirm(u);
	handled_streams(&u->handled);
	item_body(s, LINK_IT_CHAN_FDS, &m, sizeof(m));
	if (u->of_program || handler_resumes(u->handled.call))
		handled_place_keep(&u->handled, u->of_program);
}

/* How it ended is said by a request of its own, where the type has one. */
static void on_exited(void *arg, const struct helper_exit *how)
{
	struct handled_chan *u = arg;

	(void)how;
	u->exited = true;
	finish(u);
}

static bool call_again(struct handled_chan *u)
{
	return !u->exited && again_later(u->open->session->table->env, &u->again);
}

static void on_done(void *arg, const struct helper_done *d)
{
	struct handled_chan *u = arg;
	uint32_t code = handler_code(u->handled.call);
	char why[HOOK_REASON_MAX + 1];

	snprintf(why, sizeof(why), "%.*s", (int)d->text.len, (const char *)d->text.p);
	if (u->kept && d->result == HELPER_CRASHED) {
		handled_fini(&u->handled);
		if (call_again(u))
			return;
	}
	if (u->kept) {
		closed(u, "it does not know it any more");
	} else if (u->runs) {
		over(u);
		finish(u);
	} else if (u->open->state == OPEN_RESOLVING && d->result == HELPER_DENIED) {
		refused(u, code != 0 ? code : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, why, why);
	} else {
		not_there(u, SSH_OPEN_CONNECT_FAILED, why);
	}
}

static void on_says(void *arg, const struct handler_line *l)
{
	struct handled_chan *u = arg;

	if (!u->finished)
		handled_says(&u->handled, l);
}

/* From here on it is like any other. */
static void on_resumed(void *arg)
{
	struct handled_chan *u = arg;

	u->kept = false;
}

static const struct service_ops service = {
	.started = on_started, .exited = on_exited, .done = on_done};
static const struct handler_ops ops = {&service, on_says, on_resumed};

static int call(struct handled_chan *u, struct ssh_str raw)
{
	const struct open *o = u->open;
	struct session *s = o->session;
	const struct ssh_chan_open m = {.type = ssh_str_c(report_type(s, o->token)), .rest = raw};
	struct handler_env env;
	struct hook_req r;

	if (s->table->env->hooks == NULL)
		return -ENXIO;
	env = hooks_env(s->table->env->hooks);
	env.start_ms = s->awake->conf.operation_timeout.ms;
	hook_about(s, "channel", &r);
	hook_req_text(&r, "type", m.type);
	if (u->ours) {
		hook_req_bool(&r, "ours", true);
		hook_req_int(&r, "number", o->local_channel);
	}
	hook_req_int(&r, "peer", o->peer_channel);
	hook_req_json(&r, "params", params_of_open(&m));
	hook_req_bytes(&r, "raw", raw.p, raw.len);
	return handler_call(&env, u->path, &r, &ops, u, &u->handled.call);
}

/* --- its beginning ------------------------------------------------------------------------------
 */

struct handled_chan *handled_chan_new(struct open *o, const char *type, const char *path,
				      struct ssh_str raw)
{
	const struct conf_session *conf = &o->session->awake->conf;
	struct handled_chan *u = calloc(1, sizeof(*u) + raw.len);

	if (u == NULL)
		return NULL;
	u->open = u->handled.open = o;
	u->idle_ms = conf_channel_timeout(conf, type);
	u->share = conf_channel_share(conf, type);
	strcpy(u->path, path);
	u->raw_len = raw.len;
	if (raw.len > 0)
		memcpy(u->raw, raw.p, raw.len);
	return u;
}

void handled_chan_begin(struct open *o, const char *path, struct ssh_str raw)
{
	struct session *s = o->session;
	int r = -ENOMEM;

	o->handled = handled_chan_new(o, report_type(s, o->token), path, (struct ssh_str){0});
	if (o->handled != NULL)
		r = call(o->handled, raw);
	if (r < 0)
		open_refuse(s, o, SSH_OPEN_RESOURCE_SHORTAGE, strerror(-r));
}

/* The program of one of ours is called now; of its client's it may speak. */
void handled_chan_opened(struct open *o)
{
	struct handled_chan *u = o->handled;
	struct session *s = o->session;
	struct hook_req r;
	int err = 0;

	session_log(s, LOG_L_VERBOSE, "channel %u of user %.100s: %.64s of %.100s",
		    o->local_channel, session_user(s), report_type(s, o->token), u->path);
	ours_answer(u, 0, o->local_channel);
	if (u->ours && !u->runs && session_awaken(s))
		err = call(u, (struct ssh_str){u->raw, (uint32_t)u->raw_len});
	if (err < 0)
		closed(u, strerror(-err));
	if (u->ours || u->kept || u->handled.call == NULL)
		return;
	hook_req_begin(&r, "opened");
	hook_req_int(&r, "number", o->local_channel);
	handler_tell(u->handled.call, &r);
	handler_hear(u->handled.call);
}

void handled_chan_failed(struct open *o, int err, uint32_t reason)
{
	struct session *s = o->session;

	session_log(s, LOG_L_INFO, "%.64s of user %.100s for %.100s: refused: reason %u",
		    report_type(s, o->token), session_user(s), o->handled->path, reason);
	ours_answer(o->handled, err, reason);
}

/* --- what becomes of it -------------------------------------------------------------------------
 */

void handled_chan_drained(struct open *o)
{
	o->handled->drained = true;
	finish(o->handled);
}

void handled_chan_request(struct open *o, const struct ssh_chan_request *m, bool may)
{
	report_request(o->session, o, m, false,
		       may && o->handled->handled.call != NULL ? "asked" : "refused");
	handled_asked(&o->handled->handled, m, may);
}

void handled_chan_reply(struct open *o, bool ok)
{
	if (o->handled->handled.call != NULL)
		handler_tell_reply(o->handled->handled.call, ok);
}

void handled_chan_unsaid(struct open *o, uint64_t id)
{
	handled_unsaid(&o->handled->handled, id);
}

bool handled_chan_is_ours(const struct open *o)
{
	return o->handled != NULL && o->handled->ours;
}

uint32_t handled_chans_of_programs(const struct session *s)
{
	uint32_t n = 0;

	for (const struct open *o = s->opens; o != NULL; o = o->next)
		n += o->handled != NULL && o->handled->of_program;
	return n;
}

const struct handled_place *handled_chan_place(const struct open *o)
{
	const struct handled_chan *u = o->handled;

	return u == NULL || u->finished ? NULL : u->handled.place;
}

/* --- since before this control ------------------------------------------------------------------
 */

static bool resume(struct handled_chan *u)
{
	return handled_resume(&u->handled, &ops, u) == 0 || call_again(u);
}

static void on_again(struct timer *t)
{
	struct handled_chan *u =
		(struct handled_chan *)(void *)((char *)t -
						offsetof(struct handled_chan, again.timer));

	if (!resume(u))
		closed(u, "it does not know it any more");
}

/* Where nobody is left who could say more of it than its bytes do, it ends with those. */
void handled_chan_kept(struct open *o, bool ours)
{
	struct handled_place *place = handled_place_take(o->session, o->token);
	struct handled_chan *u = calloc(1, sizeof(*u));

	o->handled = u;
	if (u == NULL) { /* it ends with its client */
		free(place);
		return;
	}
	u->open = u->handled.open = o;
	u->ours = ours;
	u->handled.place = place;
	u->again.timer.fire = on_again;
	u->runs = true;
	u->of_program = place != NULL && place->of_program;
	if (place != NULL)
		strcpy(u->path, place->path);
	u->kept = place != NULL && place->resumes;
	u->exited = !u->kept || !resume(u);
}

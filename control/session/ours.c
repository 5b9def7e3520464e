/* control/session/ours.c - see ours.h. */
#include "control/session/ours.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/count.h"
#include "control/session/handled.h"
#include "control/session/hook.h"
#include "control/session/report.h"
#include "ssh/chan.h"

#define FDS_WAIT_MS 5000 /* the shard, for the descriptors */

struct ours {
	struct open *open;
	struct ours_ask *ask;   /* NULL: nobody waits */
	struct handled handled; /* call NULL: not yet, or it has said its last word */
	bool of_program;        /* a handler has asked for it */
	bool runs, exited, drained, finished;
	char path[CONF_SOCKET_MAX];
	size_t raw_len;
	uint8_t raw[];
};

static void answer(struct ours *u, int err, uint32_t number)
{
	struct ours_ask *a = u->ask;

	u->ask = NULL;
	if (a == NULL)
		return;
	a->ours = NULL;
	a->done(a, err, number);
}

void ours_unask(struct ours_ask *a)
{
	if (a->ours != NULL)
		a->ours->ask = NULL;
	a->ours = NULL;
}

void ours_free(struct ours *u)
{
	if (u == NULL)
		return;
	answer(u, -ECONNRESET, 0);
	handled_fini(&u->handled);
	free(u);
}

/* --- the program ---------------------------------------------------------------------------------
 */

/* It has all been sealed, and the program has said its last word: the shard closes it. */
static void finish(struct ours *u)
{
	struct session *s = u->open->session;
	const struct link_chan_ref m = {.token = u->open->token};

	if (!u->exited || !u->drained || u->finished || s->ended)
		return;
	u->finished = true;
	item_body(s, LINK_IT_CHAN_FINISH, &m, sizeof(m));
}

static void handler_over(struct ours *u)
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
static void not_taken(struct ours *u, const char *why)
{
	struct open *o = u->open;
	struct session *s = o->session;

	session_log(s, LOG_L_ERROR, "channel %u of user %.100s, opened for %.100s: %.200s",
		    o->local_channel, session_user(s), u->path, why);
	handler_over(u);
	session_close_channel(s, o->token, o->local_channel);
}

static void on_started(void *arg, const struct helper_started *started, const int *fds)
{
	struct ours *u = arg;
	struct open *o = u->open;
	struct link_chan_fds m = {.token = o->token, .wait_ms = FDS_WAIT_MS, .idle_ms = o->idle_ms};
	int r = item_fds(o->session, fds, started->n, &m.fds);

	for (unsigned int i = 0; i < service_fds(started); i++)
		close(fds[i]);
	u->runs = r == 0;
	if (r == 0)
		item_body(o->session, LINK_IT_CHAN_FDS, &m, sizeof(m));
	else
		not_taken(u, strerror(-r));
}

/* How it ended is said by a request of its own, where the type has one. */
static void on_exited(void *arg, const struct helper_exit *how)
{
	struct ours *u = arg;

	(void)how;
	u->exited = true;
	finish(u);
}

static void on_done(void *arg, const struct helper_done *d)
{
	struct ours *u = arg;
	char why[256];

	snprintf(why, sizeof(why), "%.*s", (int)d->text.len, (const char *)d->text.p);
	if (!u->runs) {
		not_taken(u, why);
		return;
	}
	handler_over(u);
	finish(u);
}

static void on_says(void *arg, const struct handler_line *l)
{
	struct ours *u = arg;

	if (!u->finished)
		handled_says(&u->handled, l);
}

static const struct service_ops service = {on_started, on_exited, on_done};
static void on_framed(void *arg, const struct link_chan_cut *how)
{
	struct ours *u = arg;

	handled_framed(&u->handled, how);
}

static const struct handler_ops ops = {&service, on_says, on_framed, NULL};

static int handler_begin(struct ours *u)
{
	struct session *s = u->open->session;
	struct handler_env env;
	struct hook_req r;

	if (s->table->env->hooks == NULL)
		return -ENXIO;
	env = hooks_env(s->table->env->hooks);
	env.start_ms = s->awake->conf.operation_timeout.ms;
	hook_about(s, "channel", &r);
	hook_req_text(&r, "type", ssh_str_c(u->open->host));
	hook_req_bool(&r, "ours", true);
	hook_req_int(&r, "number", u->open->local_channel);
	hook_req_int(&r, "peer", u->open->peer_channel);
	hook_req_bytes(&r, "raw", u->raw, u->raw_len);
	return handler_call(&env, u->path, &r, &ops, u, &u->handled.call);
}

/* --- the client ----------------------------------------------------------------------------------
 */

void ours_opened(struct open *o)
{
	struct ours *u = o->ours;
	struct session *s = o->session;
	int r;

	session_log(s, LOG_L_VERBOSE, "channel %u of user %.100s: %.64s opened for %.100s",
		    o->local_channel, session_user(s), o->host, u->path);
	answer(u, 0, o->local_channel);
	if (!session_awaken(s))
		return;
	r = handler_begin(u);
	if (r < 0)
		not_taken(u, strerror(-r));
}

void ours_failed(struct open *o, int err, uint32_t reason)
{
	struct session *s = o->session;

	session_log(s, LOG_L_INFO, "%.64s to user %.100s for %.100s: refused: reason %u", o->host,
		    session_user(s), o->ours->path, reason);
	answer(o->ours, err, reason);
}

void ours_drained(struct open *o)
{
	o->ours->drained = true;
	finish(o->ours);
}

void ours_request(struct open *o, const struct ssh_chan_request *m, bool may)
{
	handled_asked(&o->ours->handled, m, may);
}

void ours_reply(struct open *o, bool ok)
{
	if (o->ours->handled.call != NULL)
		handler_tell_reply(o->ours->handled.call, ok);
}

void ours_unsaid(struct open *o, uint64_t id)
{
	handled_unsaid(&o->ours->handled, id);
}

void ours_kept(struct open *o)
{
	o->ours = calloc(1, sizeof(*o->ours));
	if (o->ours == NULL)
		return; /* it ends with its client */
	o->ours->open = o->ours->handled.open = o;
	o->ours->runs = o->ours->exited = true;
}

/* --- the beginning -------------------------------------------------------------------------------
 */

static bool type_ok(const char *type)
{
	size_t n = strlen(type);

	for (const char *p = type; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == ',')
			return false;
	return n > 0 && n <= SSH_TYPE_MAX;
}

static struct ours *ours_new(const char *handler, struct ssh_str raw)
{
	struct ours *u = calloc(1, sizeof(*u) + raw.len);

	if (u == NULL)
		return NULL;
	strcpy(u->path, handler);
	u->raw_len = raw.len;
	if (raw.len > 0)
		memcpy(u->raw, raw.p, raw.len);
	return u;
}

/* Those of handlers would otherwise open each other. */
static uint32_t of_programs(const struct session *s)
{
	uint32_t n = 0;

	for (const struct open *o = s->opens; o != NULL; o = o->next)
		n += o->ours != NULL && o->ours->of_program;
	return n;
}

static void ask_shard(struct session *s, const struct open *o)
{
	struct {
		struct link_chan_open body;
		uint8_t rest[OURS_RAW_MAX];
	} m = {.body = {.token = o->token,
			.idle_ms = o->idle_ms,
			.rest_len = (uint32_t)o->ours->raw_len,
			.type = item_name(o->host, 0)}};

	_Static_assert(offsetof(__typeof__(m), rest) == sizeof(m.body), "one behind the other");
	memcpy(m.rest, o->ours->raw, o->ours->raw_len);
	item_body(s, LINK_IT_CHAN_OPEN, &m, sizeof(m.body) + o->ours->raw_len);
}

int ours_begin(struct session *s, const char *type, const char *handler, struct ssh_str raw,
	       struct ours_ask *ask)
{
	uint64_t token;
	struct open *o;
	int r;

	if (!type_ok(type) || handler[0] != '/' || strlen(handler) >= CONF_SOCKET_MAX ||
	    raw.len > OURS_RAW_MAX)
		return -EINVAL;
	if (s->ended || !s->authenticated || !report_works(s->table->env))
		return -ENOENT;
	r = session_wake(s);
	if (r < 0)
		return r;
	if (s->n_opens >= s->awake->conf.max_channels_per_connection) {
		control_count(CONTROL_C_CHANNELS);
		return -EUSERS;
	}
	if (ask->of_program && of_programs(s) >= s->awake->conf.max_sessions) {
		control_count(CONTROL_C_SESSIONS);
		return -EUSERS;
	}
	token = ++s->table->env->last_token;
	o = calloc(1, sizeof(*o) + strlen(type) + 1);
	if (o == NULL)
		return -ENOMEM;
	o->ours = ours_new(handler, raw);
	if (o->ours == NULL) {
		free(o);
		return -ENOMEM;
	}
	o->ours->open = o->ours->handled.open = o;
	o->ours->of_program = ask->of_program;
	o->session = s;
	o->token = token;
	o->state = OPEN_CONNECTING;
	o->own_type = true;
	o->idle_ms = conf_channel_timeout(&s->awake->conf, type);
	strcpy(o->host, type);
	open_link(s, o);
	ask_shard(s, o);
	session_pump(s);
	o = open_find(s, token);
	if (o == NULL)
		return -ENOENT;
	o->ours->ask = ask;
	ask->ours = o->ours;
	return 0;
}

/*
 * control/session/handled_place.c - where the program that has a channel is found again, by a
 * control after this one: with what is left with a connection's shard (keep.h).
 *
 * Between the connection and its channel, of which that one is told later, places lie in a list of
 * all: there are few, and only behind a restart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/handled_chan.h"
#include "control/session/hook.h"
#include "control/session/keep.h"
#include "control/session/program.h"
#include "control/session/report.h"

#define AGAIN_MS  100
#define TRIES_MAX 100

bool again_later(struct session_env *env, struct again *a)
{
	return a->tries++ < TRIES_MAX &&
	       timer_set(env->timers, &a->timer, env->now_ms() + AGAIN_MS) == 0;
}

/* Without memory it is not found, as one that does not resume. */
void handled_place_keep(struct handled *h, bool of_program)
{
	struct handled_place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return;
	p->resumes = handler_resumes(h->call);
	p->framed = h->framed;
	p->of_program = of_program;
	strcpy(p->name, handler_name(h->call));
	strcpy(p->path, handler_path(h->call));
	h->place = p;
	keep_send(h->open->session);
}

int handled_resume(struct handled *h, const struct handler_ops *ops, void *arg)
{
	const struct open *o = h->open;
	const struct session *s = o->session;
	struct handler_env env;
	struct hook_req r;

	if (s->table->env->hooks == NULL)
		return -ENXIO;
	h->framed = h->place->framed;
	env = hooks_env(s->table->env->hooks);
	hook_req_begin(&r, "channel");
	hook_conn(s, &r);
	hook_req_text(&r, "user", ssh_str_c(session_user(s)));
	hook_req_text(&r, "type", ssh_str_c(report_type(s, o->token)));
	if (handled_chan_is_ours(o))
		hook_req_bool(&r, "ours", true);
	hook_req_int(&r, "number", o->local_channel);
	hook_req_int(&r, "peer", o->peer_channel);
	return handler_resume(&env, h->place->path, h->place->name, &r, ops, arg, &h->call);
}

static const struct handled_place *place_of(const struct open *o)
{
	const struct program *p = o->program;

	if (p == NULL)
		return handled_chan_place(o);
	return p->finished ? NULL : p->handled.place;
}

static void place_build(const struct open *o, const struct handled_place *p, struct ssh_wr *w)
{
	ssh_wr_u64(w, o->token);
	ssh_wr_bool(w, p->resumes);
	ssh_wr_bool(w, p->framed);
	ssh_wr_bool(w, p->of_program);
	ssh_wr_cstr(w, p->name);
	ssh_wr_cstr(w, p->path);
}

/* A mark that there is one, and what place_build() writes. */
static size_t place_size(const struct handled_place *p)
{
	return 1 + 8 + 3 + 4 + strlen(p->name) + 4 + strlen(p->path);
}

void handled_places_build(const struct session *s, struct ssh_wr *w, size_t spare)
{
	for (const struct open *o = s->opens; o != NULL; o = o->next) {
		const struct handled_place *p = place_of(o);

		if (p == NULL || (size_t)(w->end - w->p) < place_size(p) + 1 + spare)
			continue;
		ssh_wr_bool(w, true);
		place_build(o, p, w);
	}
	ssh_wr_bool(w, false);
}

static bool text_read(struct ssh_rd *r, char *to, size_t size)
{
	struct ssh_str s = ssh_rd_str(r);

	if (r->bad || s.len >= size || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL))
		return false;
	if (s.len > 0)
		memcpy(to, s.p, s.len);
	to[s.len] = '\0';
	return true;
}

static int place_parse(struct session *s, struct ssh_rd *r)
{
	struct handled_place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->session = s;
	p->token = ssh_rd_u64(r);
	p->resumes = ssh_rd_bool(r);
	p->framed = ssh_rd_bool(r);
	p->of_program = ssh_rd_bool(r);
	if (!text_read(r, p->name, sizeof(p->name)) || !text_read(r, p->path, sizeof(p->path))) {
		free(p);
		return -EBADMSG;
	}
	p->next = s->table->env->places;
	s->table->env->places = p;
	return 0;
}

int handled_places_parse(struct session *s, struct ssh_rd *r)
{
	int err = 0;

	while (err == 0 && ssh_rd_bool(r))
		err = place_parse(s, r);
	return err == 0 && r->bad ? -EBADMSG : err;
}

static struct handled_place *take(struct handled_place **at)
{
	struct handled_place *p = *at;

	*at = p->next;
	p->next = NULL;
	p->session = NULL;
	return p;
}

struct handled_place *handled_place_take(const struct session *s, uint64_t token)
{
	struct handled_place **at = &s->table->env->places;

	while (*at != NULL && ((*at)->session != s || (*at)->token != token))
		at = &(*at)->next;
	return *at != NULL ? take(at) : NULL;
}

void handled_places_forget(const struct session *s)
{
	struct handled_place **at = &s->table->env->places;

	while (*at != NULL) {
		if ((*at)->session == s)
			free(take(at));
		else
			at = &(*at)->next;
	}
}

/*
 * control/session/handled_place.c - where the program that has a session's channel is found again,
 * by a control after this one: with what is left with a connection's shard (keep.h).
 *
 * Between the connection and its channel, of which that one is told later, places lie in a list of
 * all: there are few, and only behind a restart.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/program.h"

struct handled_place *handled_place_new(const struct handler_call *c)
{
	struct handled_place *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->resumes = handler_resumes(c);
	strcpy(p->name, handler_name(c));
	strcpy(p->path, handler_path(c));
	return p;
}

static const struct handled_place *place_of(const struct open *o)
{
	const struct program *p = o->program;

	return p == NULL || p->finished ? NULL : p->handled.place;
}

void handled_places_build(const struct session *s, struct ssh_wr *w)
{
	uint32_t n = 0;

	for (const struct open *o = s->opens; o != NULL; o = o->next)
		n += place_of(o) != NULL;
	ssh_wr_u32(w, n);
	for (const struct open *o = s->opens; o != NULL; o = o->next) {
		const struct handled_place *p = place_of(o);

		if (p == NULL)
			continue;
		ssh_wr_u64(w, o->token);
		ssh_wr_bool(w, p->resumes);
		ssh_wr_cstr(w, p->name);
		ssh_wr_cstr(w, p->path);
	}
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
	uint32_t n = ssh_rd_u32(r);
	int err = r->bad ? -EBADMSG : 0;

	for (; err == 0 && n > 0; n--)
		err = place_parse(s, r);
	return err;
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

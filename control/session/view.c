/*
 * control/session/view.c - a walk over all connections, for those who look.
 */
#include <errno.h>

#include <string.h>

#include "control/session/forward.h"

#define PLACES_PER_LOOK 4096 /* a table may have millions, nearly all empty */

/* Tables come and go in any order: the walk takes them by number. */
static bool table_before(const struct session_table *t, uint16_t dataplane, uint16_t shard)
{
	return t->dataplane < dataplane || (t->dataplane == dataplane && t->shard < shard);
}

struct session_table *session_table_from(const struct session_env *env,
					 const struct session_cursor *at)
{
	struct session_table *first = NULL;

	for (struct session_table *t = env->tables; t != NULL; t = t->next)
		if (!table_before(t, at->dataplane, at->shard) &&
		    (first == NULL || table_before(t, first->dataplane, first->shard)))
			first = t;
	return first;
}

static bool strict_kex(const struct session *s)
{
	if (s->awake != NULL)
		return ssh_brain_phase(s->awake->brain)->strict;
	return s->past != NULL && past_strict(s->past);
}

static void client_fill(const struct session *s, char buf[LINK_IDENT_MAX + 1])
{
	struct ssh_str v = {0};

	if (s->awake != NULL && s->awake->version != NULL)
		v = (struct ssh_str){(const uint8_t *)s->awake->version, strlen(s->awake->version)};
	else if (s->awake == NULL && s->past != NULL)
		v = past_client(s->past);
	if (v.len > LINK_IDENT_MAX)
		v.len = LINK_IDENT_MAX;
	memcpy(buf, v.len > 0 ? (const char *)v.p : "", v.len);
	buf[v.len] = '\0';
}

void session_view(struct session *s, struct session_view *ret)
{
	ret->uid = s->uid;
	ret->shard = s->ref.conn.shard;
	ret->source = session_peer_text(s, ret->text);
	ret->port = s->peer.port;
	ret->user = s->authenticated ? session_user(s) : NULL;
	ret->key = s->authenticated ? session_key_print(s) : NULL;
	ret->began_ms = s->began_ms;
	ret->channels = s->n_up;
	ret->strict_kex = strict_kex(s);
	ret->source_addr = &s->peer;
	ret->local_addr = &s->local;
	ret->ended = s->ended;
	ret->session = s;
	client_fill(s, ret->client);
}

struct session *session_of_login(struct session_env *env, const struct session_login *login)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next) {
		struct session *s = session_table_find(t, &login->ref.conn);

		if (s != NULL && s->ref.serial == login->ref.serial && s->uid == login->uid &&
		    s->authenticated && !s->ended)
			return s;
	}
	return NULL;
}

/* --- what it forwards --------------------------------------------------------------------------
 */

static bool same_target(const struct open *a, const struct open *b)
{
	return a->state == OPEN_UP && a->program == NULL && a->port == b->port &&
	       strcmp(a->host, b->host) == 0;
}

/* An open that leads somewhere, unless one before it led there and has counted it. */
static bool target_first(const struct session *s, const struct open *o)
{
	const struct open *before = s->opens;

	if (o->state != OPEN_UP || o->program != NULL)
		return false;
	while (before != o && !same_target(before, o))
		before = before->next;
	return before == o;
}

static struct tunnel_view target_view(const struct open *o)
{
	struct tunnel_view t = {.host = o->host, .port = o->port};

	for (const struct open *more = o; more != NULL; more = more->next)
		t.channels += same_target(more, o);
	return t;
}

static struct tunnel_view listener_view(const struct listener *l)
{
	return (struct tunnel_view){.host = l->host,
				    .port = l->port,
				    .channels = l->channels.n,
				    .listens = true,
				    .state = forward_state_text(l),
				    .listen_at = l->at.addr,
				    .n_listen_at = l->at.n};
}

void session_tunnels(const struct session *s, void (*each)(void *arg, const struct tunnel_view *t),
		     void *arg)
{
	struct tunnel_view t;

	for (const struct open *o = s->opens; o != NULL; o = o->next) {
		if (!target_first(s, o))
			continue;
		t = target_view(o);
		each(arg, &t);
	}
	for (struct given *g = NULL; (g = grant_next(s, g, &t)) != NULL;)
		each(arg, &t);
	for (struct listener *l = NULL; (l = forward_next(s, l)) != NULL;) {
		t = listener_view(l);
		each(arg, &t);
	}
}

uint32_t session_listeners(const struct session *s)
{
	uint32_t n = 0;

	for (struct listener *l = NULL; (l = forward_next(s, l)) != NULL;)
		n += l->state != LISTENER_OVER;
	return n;
}

/* Behind the last place of a table: the next one's first. False: the numbers are used up. */
bool session_cursor_next_table(struct session_cursor *at)
{
	at->index = 0;
	if (++at->shard == 0)
		return ++at->dataplane != 0;
	return true;
}

int session_walk(const struct session_env *env, struct session_cursor *at, struct session **ret)
{
	const struct session_table *t = session_table_from(env, at);

	if (t == NULL)
		return -ENOENT;
	if (t->dataplane != at->dataplane || t->shard != at->shard)
		*at = (struct session_cursor){t->dataplane, t->shard, 0};
	for (unsigned int looked = 0; at->index < t->max; looked++) {
		struct session *s;

		if (looked == PLACES_PER_LOOK)
			return -EAGAIN;
		s = t->by_index[at->index++];
		if (s == NULL)
			continue;
		*ret = s;
		return 0;
	}
	return session_cursor_next_table(at) ? -EAGAIN : -ENOENT;
}

int session_next(const struct session_env *env, struct session_cursor *at, struct session_view *ret)
{
	struct session *s;
	int r = session_walk(env, at, &s);

	if (r == 0)
		session_view(s, ret);
	return r;
}

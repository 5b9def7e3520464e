/* control/session/look.c - see look.h. */
#include "control/session/look.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "control/session/forward.h"
#include "control/session/report.h"

static void done(struct look *l, const struct link_look_result *r)
{
	look_end(l);
	l->came(l, r);
}

static void on_late(struct timer *t)
{
	done((struct look *)(void *)((char *)t - offsetof(struct look, late)), NULL);
}

static void ask(struct session_table *t, const struct look *l, uint32_t from)
{
	const struct link_look m = {.id = l->id, .what = l->what, .from = from};
	struct link_hdr hdr = {.len = sizeof(hdr) + sizeof(m),
			       .type = LINK_CMD_LOOK,
			       .conn = {.dataplane = t->dataplane, .shard = t->shard}};

	t->link.send(t->link.arg, &hdr, sizeof(hdr), &m, sizeof(m));
}

int look_ask(struct session_env *env, struct look *l, struct session_cursor *at, uint32_t from)
{
	struct session_table *t = session_table_from(env, at);
	int r;

	if (t == NULL)
		return -ENOENT;
	if (t->dataplane != at->dataplane || t->shard != at->shard)
		from = 0;
	*at = (struct session_cursor){t->dataplane, t->shard, 0};
	l->late.fire = on_late;
	r = timer_set(env->timers, &l->late, env->now_ms() + LOOK_MS);
	if (r < 0)
		return r;
	l->env = env;
	l->table = t;
	l->id = ++env->last_look;
	l->next = env->looks;
	env->looks = l;
	ask(t, l, from);
	return 0;
}

void look_end(struct look *l)
{
	struct look **at;

	if (l->env == NULL)
		return;
	for (at = &l->env->looks; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	timer_cancel(l->env->timers, &l->late);
	l->env = NULL;
}

/* An answer that comes too late is nobody's. */
void look_came(struct session_table *t, const struct link_look_result *r)
{
	struct look *l = t->env->looks;

	while (l != NULL && (l->table != t || l->id != r->id))
		l = l->next;
	if (l != NULL)
		done(l, r->what == l->what ? r : NULL);
}

void look_gone(struct session_table *t)
{
	struct look *l = t->env->looks, *next;

	for (; l != NULL; l = next) {
		next = l->next;
		if (l->table == t)
			done(l, NULL);
	}
}

/* --- what is known of one --------------------------------------------------------------------- */

/* Of one that came in by a listener which is gone nobody knows. */
static const char *type_of(const struct session *s, const struct link_look_chan *c)
{
	if (c->ours && open_find(s, c->token) == NULL && forward_find(s, c->token) == NULL)
		return NULL;
	return report_type(s, c->token);
}

/* Of a session, and of a type of the operator's own, there is none but its name. */
static bool has_no_target(const struct session *s, uint64_t token)
{
	const struct open *o = open_find(s, token);

	return o != NULL && (o->program != NULL || o->own_type);
}

bool look_uid(const struct look *l, const struct link_look_conn *c, uint64_t *ret)
{
	const struct session *s = session_table_find(l->table, &c->conn);

	if (s == NULL)
		return false;
	*ret = s->uid;
	return true;
}

void look_view(const struct look *l, const struct link_look_chan *c, struct look_view *ret)
{
	struct session *s = session_table_find(l->table, &c->conn);
	struct open_target to;

	memset(ret, 0, sizeof(*ret));
	if (s == NULL)
		return;
	session_view(s, &ret->conn);
	ret->type = type_of(s, c);
	if (ret->type == NULL || !open_target(s, c->token, &to) || has_no_target(s, c->token))
		return;
	ret->host = to.host;
	ret->port = to.port;
}

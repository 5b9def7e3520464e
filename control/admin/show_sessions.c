/*
 * control/admin/show_sessions.c - what is made of a walk over all connections: themselves, what
 * they forward, and who they are of.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "control/admin/answer.h"
#include "control/policy/addr.h"

static json_int_t since(const struct admin_env *env, uint64_t began_ms)
{
	uint64_t age_ms = env->sessions->now_ms() - began_ms;

	return (json_int_t)time(NULL) - (json_int_t)(age_ms / 1000);
}

static json_t *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? admin_text(text) : json_null();
}

/* --- connections ------------------------------------------------------------------- */

static const char *state(const struct session_view *v)
{
	if (v->ended)
		return "ending";
	return v->user != NULL ? "open" : "login";
}

/* json_pack() takes what stands for an "o", also when it fails because one of them is NULL. */
json_t *show_connection(const struct answer *a, const struct session_view *v,
			const struct admin_env *env)
{
	char local[ADDR_TEXT_MAX];
	json_t *o = json_pack("{s:I, s:o, s:s, s:i, s:s, s:i, s:i, s:s, s:I, s:I, s:I, s:o, s:o, s:b}",
			 "uid", (json_int_t)v->uid, "user", text_or_null(v->user), "source",
			 v->source, "port", (int)v->port, "local", addr_text(v->local_addr, local),
			 "local_port", (int)v->local_addr->port, "shard", (int)v->shard, "state",
			 state(v), "since", since(env, v->began_ms), "channels",
			 (json_int_t)v->channels, "listeners",
			 (json_int_t)session_listeners(v->session), "key", text_or_null(v->key),
			 "client", text_or_null(v->client), "strict_kex", (int)v->strict_kex);

	if (o == NULL || capped_add(a, v->uid, o) == 0)
		return o;
	json_decref(o);
	return NULL;
}

int show_connections(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	int r = capped_look(a, env);

	if (r <= 0)
		return r;
	while ((r = answer_next_session(a, env, &looked, &v)) == 0) {
		r = answer_list_add(a, show_connection(a, &v, env), out);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? answer_list_end(a, out) : 0;
}

/* --- tunnels ------------------------------------------------------------------------- */

struct tunnels {
	struct answer *a;
	struct answer_text *out;
	const struct session_view *of;
	int err;
};

static void tunnel(void *arg, const struct tunnel_view *t)
{
	struct tunnels *all = arg;
	const struct session_view *v = all->of;

	if (all->err < 0)
		return;
	all->err = answer_list_add(
		all->a,
		json_pack("{s:I, s:o, s:s, s:s, s:o, s:i, s:I}", "uid", (json_int_t)v->uid, "user",
			  admin_text(v->user), "source", v->source, "kind",
			  t->listens ? "from" : "to", "host", admin_text(t->host), "port",
			  (int)t->port, "channels", (json_int_t)t->channels),
		all->out);
}

int show_tunnels(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct session_view v;
	struct tunnels all = {.a = a, .out = out, .of = &v};
	unsigned int looked = 0;
	int r;

	while ((r = answer_next_session(a, env, &looked, &v)) == 0) {
		if (v.user != NULL)
			session_tunnels(v.session, tunnel, &all);
		if (all.err < 0)
			return all.err;
	}
	return r == -ENOENT ? answer_list_end(a, out) : 0;
}

/* --- listeners: the gateway's own, then those of clients ------------------------------- */

/* One and "*", two parted by a comma; of a UNIX socket its path. */
static json_t *listens_at(const struct tunnel_view *t)
{
	char one[ADDR_TEXT_MAX], all[4 * ADDR_TEXT_MAX] = "";
	size_t used = 0;

	if (t->n_listen_at == 0)
		return admin_text(t->host);
	for (unsigned int i = 0; i < t->n_listen_at && used < sizeof(all); i++)
		used += (size_t)snprintf(
			all + used, sizeof(all) - used, "%s%s", i > 0 ? "," : "",
			t->listen_at[i].family != 0 ? addr_text(&t->listen_at[i], one) : "*");
	return json_string(all);
}

static void listener(void *arg, const struct tunnel_view *t)
{
	struct tunnels *all = arg;
	const struct session_view *v = all->of;

	if (all->err < 0 || !t->listens)
		return;
	all->err =
		answer_list_add(all->a,
				json_pack("{s:s, s:o, s:n, s:i, s:s, s:I, s:o, s:I}", "kind",
					  "client", "address", listens_at(t), "rdomain", "port",
					  (int)t->port, "state",
					  t->state, "uid", (json_int_t)v->uid, "user",
					  admin_text(v->user), "channels", (json_int_t)t->channels),
				all->out);
}

/* What shards have said of it, all of them together. */
static const char *own_state(const struct admin_env *env, size_t i)
{
	const char *state = env->sessions->draining ? "drained" : "starting";

	for (unsigned int p = 0; p < env->n_peers; p++) {
		enum linkpeer_listening is = linkpeer_listening(env->peers[p], i);

		if (is == LINKPEER_LISTENS && !env->sessions->draining)
			state = "up";
		else if (is == LINKPEER_LISTEN_FAILED)
			return "failed";
	}
	return state;
}

int own_port(const struct admin_env *env, size_t listen)
{
	int port = conf_global(env->sessions->conf)->listens[listen].addr.port;

	for (unsigned int p = 0; port == 0 && p < env->n_peers; p++)
		port = linkpeer_port(env->peers[p], listen);
	return port;
}

static json_t *own(const struct admin_env *env, size_t i)
{
	struct conf *conf = env->sessions->conf;
	const struct conf_listen *l = &conf_global(conf)->listens[i];
	char text[CONF_ZONE_TEXT];

	conf_zone_text(conf_dataplane(conf), &l->addr, text);
	return json_pack("{s:s, s:s, s:s?, s:i, s:s, s:n, s:n, s:i}", "kind", "gateway", "address",
			 text, "rdomain", l->rdomain[0] != '\0' ? l->rdomain : NULL, "port",
			 own_port(env, i), "state", own_state(env, i), "uid", "user", "channels",
			 0);
}

int show_listeners(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct session_view v;
	struct tunnels all = {.a = a, .out = out, .of = &v};
	unsigned int looked = 0;
	int r = 0;

	while (r == 0 && a->next < conf_global(env->sessions->conf)->n_listens && !a->filter.user &&
	       !a->filter.has_uid && !a->filter.has_net)
		r = answer_list_add(a, own(env, a->next++), out);
	if (r < 0)
		return r;
	while ((r = answer_next_session(a, env, &looked, &v)) == 0) {
		if (v.user != NULL)
			session_tunnels(v.session, listener, &all);
		if (all.err < 0)
			return all.err;
	}
	return r == -ENOENT ? answer_list_end(a, out) : 0;
}

/* --- users ------------------------------------------------------------------------------- */

static int add_to(json_t *sum, const char *name, json_int_t n)
{
	return json_object_set_new(
		sum, name, json_integer(json_integer_value(json_object_get(sum, name)) + n));
}

/* The sums of a user by its escaped name; made when they are asked for first. */
static json_t *sum_of(json_t *sums, const struct session_view *v, json_int_t began)
{
	json_t *name = admin_text(v->user), *sum = NULL;

	if (name != NULL)
		sum = json_object_get(sums, json_string_value(name));
	if (name == NULL || sum != NULL) {
		json_decref(name);
		return sum;
	}
	sum = json_pack("{s:O, s:i, s:i, s:i, s:I}", "user", name, "connections", 0, "channels", 0,
			"listeners", 0, "since", began);
	if (json_object_set_new(sums, json_string_value(name), sum) < 0)
		sum = NULL;
	json_decref(name);
	return sum;
}

static int count_user(const struct answer *a, const struct session_view *v, json_int_t began)
{
	json_t *sum = sum_of(a->sums, v, began);

	if (sum == NULL || add_to(sum, "connections", 1) < 0 ||
	    add_to(sum, "channels", (json_int_t)v->channels) < 0 ||
	    add_to(sum, "listeners", (json_int_t)session_listeners(v->session)) < 0 ||
	    capped_add(a, v->uid, sum) < 0)
		return -ENOMEM;
	if (json_integer_value(json_object_get(sum, "since")) <= began)
		return 0;
	return json_object_set_new(sum, "since", json_integer(began)) < 0 ? -ENOMEM : 0;
}

/* They are known only when all were looked at. */
static int users_tell(struct answer *a, struct answer_text *out)
{
	const char *name;
	json_t *sum;
	int r = 0;

	json_object_foreach(a->sums, name, sum)
	{
		if (r == 0)
			r = answer_list_add(a, json_incref(sum), out);
	}
	return r == 0 ? answer_list_end(a, out) : r;
}

int show_users(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	int r = capped_look(a, env);

	if (r <= 0)
		return r;
	if (a->sums == NULL)
		a->sums = json_object();
	if (a->sums == NULL)
		return -ENOMEM;
	while ((r = answer_next_session(a, env, &looked, &v)) == 0) {
		if (v.user != NULL)
			r = count_user(a, &v, since(env, v.began_ms));
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? users_tell(a, out) : 0;
}

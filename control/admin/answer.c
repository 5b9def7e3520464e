#include "control/admin/answer.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/admin/counters.h"
#include "control/admin/text.h"
#include "control/penalties.h"

#define PIECE_CONNS 64 /* connections in one piece of an answer */

static const char show_info[] = "show info";
static const char show_connections[] = "show connections";
static const char show_counters[] = "show counters";
static const char show_penalties[] = "show penalties";

void answer_text_free(struct answer_text *t)
{
	free(t->p);
	*t = (struct answer_text){0};
}

/* A json_dump_callback_t: 0, or -1 without memory. */
static int append(const char *p, size_t n, void *arg)
{
	struct answer_text *t = arg;

	if (n > t->size - t->len) {
		size_t size = 2 * (t->len + n);
		char *more = realloc(t->p, size);

		if (more == NULL)
			return -1;
		t->p = more;
		t->size = size;
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
	return 0;
}

/* Takes v; NULL is one there was no memory for. */
static int append_json(struct answer_text *out, json_t *v)
{
	int r = -1;

	if (v != NULL)
		r = json_dump_callback(v, append, out, JSON_COMPACT);
	json_decref(v);
	return r < 0 ? -ENOMEM : 0;
}

static int append_line(struct answer_text *out, json_t *v)
{
	int r = append_json(out, v);

	return r == 0 && append("\n", 1, out) < 0 ? -ENOMEM : r;
}

/* The elements are jansson's; the brackets around a list that is never whole in memory are ours. */
static int list_begin(struct answer *a, enum answer_kind kind, const char *name,
		      struct answer_text *out)
{
	char head[48];
	int n = snprintf(head, sizeof(head), "{\"v\":%d,\"%s\":[", ANSWER_VERSION, name);

	*a = (struct answer){.kind = kind};
	return append(head, (size_t)n, out) < 0 ? -ENOMEM : 0;
}

static int list_end(struct answer *a, struct answer_text *out)
{
	a->kind = ANSWER_NONE;
	return append("]}\n", 3, out) < 0 ? -ENOMEM : 0;
}

/* Takes v, as append_json() does. */
static int list_add(struct answer *a, json_t *v, struct answer_text *out)
{
	if (a->any && append(",", 1, out) < 0) {
		json_decref(v);
		return -ENOMEM;
	}
	a->any = true;
	return append_json(out, v);
}

int answer_error(const char *text, struct answer_text *out)
{
	return append_line(out, json_pack("{s:i, s:s, s:[s, s, s, s]}", "v", ANSWER_VERSION,
					  "error", text, "known", show_info, show_connections,
					  show_counters, show_penalties));
}

/* --- show info ------------------------------------------------------------------------------- */

static json_t *dataplanes(const struct admin_env *env)
{
	json_t *list = json_array();
	int r = 0;

	for (unsigned int i = 0; i < env->n_peers && r == 0; i++) {
		struct linkpeer_status st = linkpeer_status(env->peers[i]);

		r = json_array_append_new(
			list, json_pack("{s:o, s:b, s:i}", "name", admin_text(st.name), "attached",
					(int)st.attached, "shards", (int)st.shards));
	}
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *listeners(const struct conf *conf)
{
	const struct conf_global *g = conf_global(conf);
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < g->n_listens && r == 0; i++) {
		char text[CONF_ZONE_TEXT];

		conf_zone_text(conf_dataplane(conf), &g->listens[i].addr, text);
		r = json_array_append_new(list, json_pack("{s:s, s:i}", "address", text, "port",
							  (int)g->listens[i].addr.port));
	}
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* json_pack() takes what stands for an "o", also when it fails because one of them is NULL. */
static int info(const struct admin_env *env, struct answer_text *out)
{
	const struct session_env *e = env->sessions;
	const struct session_stats *st = &e->stats;
	uint64_t up_ms = e->now_ms() - env->began_ms;

	return append_line(
		out,
		json_pack("{s:i, s:s, s:I, s:I, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:{s:I, s:I, "
			  "s:I}}",
			  "v", ANSWER_VERSION, "version", SLUICE_VERSION, "pid",
			  (json_int_t)getpid(), "uptime", (json_int_t)(up_ms / 1000),
			  "configuration", admin_text(env->conf_path), "dataplanes",
			  dataplanes(env), "listeners", listeners(e->conf), "now", "connections",
			  (json_int_t)st->connections, "authenticated",
			  (json_int_t)st->authenticated, "channels", (json_int_t)st->channels,
			  "total", "accepted", (json_int_t)st->accepted, "logins",
			  (json_int_t)st->logins, "failed_tries", (json_int_t)st->failed_tries));
}

/* --- show connections ------------------------------------------------------------ */

static json_t *connection(const struct session_view *v, uint64_t now_ms)
{
	json_int_t since = (json_int_t)time(NULL) - (json_int_t)((now_ms - v->began_ms) / 1000);

	return json_pack("{s:I, s:i, s:s, s:i, s:o, s:I, s:I, s:b}", "uid", (json_int_t)v->uid,
			 "shard", (int)v->shard, "source", v->source, "port", (int)v->port, "user",
			 v->user != NULL ? admin_text(v->user) : json_null(), "since", since,
			 "channels", (json_int_t)v->channels, "strict_kex", v->strict_kex);
}

static int connections_more(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	uint64_t now_ms = env->sessions->now_ms();

	for (unsigned int i = 0; i < PIECE_CONNS; i++) {
		struct session_view v;
		int r = session_next(env->sessions, &a->at, &v);

		if (r == -EAGAIN) /* a turn's worth of empty places */
			return 0;
		if (r == -ENOENT)
			return list_end(a, out);
		r = list_add(a, connection(&v, now_ms), out);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- show counters --------------------------------------------------------------- */

/* Behind the list of the shards. */
static int counters_end(struct answer *a, struct answer_text *out)
{
	int r = append("],\"control\":", 12, out) < 0 ? -ENOMEM : 0;

	if (r == 0)
		r = append_json(out, counters_of_control());
	a->kind = ANSWER_NONE;
	return r == 0 && append("}\n", 2, out) < 0 ? -ENOMEM : r;
}

/* A shard a piece: its file is read at once, so its counters are of one moment, nearly. */
static int counters_more(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	while (a->peer < env->n_peers && a->shard >= linkpeer_status(env->peers[a->peer]).shards) {
		a->peer++;
		a->shard = 0;
	}
	if (a->peer >= env->n_peers)
		return counters_end(a, out);
	return list_add(a, counters_of_shard(env->peers[a->peer], a->shard++), out);
}

/* --- show penalties -------------------------------------------------------------- */

static json_t *penalty(const struct penalty_view *v)
{
	return json_pack("{s:s, s:s, s:f, s:b}", "source", v->source, "reason", v->why, "seconds",
			 (double)v->left_ms / 1000, "active", (int)v->active);
}

static int penalties_more(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct door *door = env->sessions->door;
	uint64_t now_ms = env->sessions->now_ms();

	for (unsigned int i = 0; i < PIECE_CONNS; i++) {
		struct penalty_view v;
		int r;

		if (door == NULL || !penalties_next(door_penalties(door), &a->penalty, now_ms, &v))
			return list_end(a, out);
		r = list_add(a, penalty(&v), out);
		if (r < 0)
			return r;
	}
	return 0;
}

int answer_more(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	switch (a->kind) {
	case ANSWER_CONNECTIONS:
		return connections_more(a, env, out);
	case ANSWER_COUNTERS:
		return counters_more(a, env, out);
	case ANSWER_PENALTIES:
		return penalties_more(a, env, out);
	case ANSWER_NONE:
		break;
	}
	return 0;
}

/* --- requests -------------------------------------------------------------------- */

static bool is(const char *line, size_t len, const char *request)
{
	return len == strlen(request) && memcmp(line, request, len) == 0;
}

int answer_begin(struct answer *a, const struct admin_env *env, const char *line, size_t len,
		 struct answer_text *out)
{
	if (is(line, len, show_info))
		return info(env, out);
	if (is(line, len, show_connections))
		return list_begin(a, ANSWER_CONNECTIONS, "connections", out);
	if (is(line, len, show_counters))
		return list_begin(a, ANSWER_COUNTERS, "shards", out);
	if (is(line, len, show_penalties))
		return list_begin(a, ANSWER_PENALTIES, "penalties", out);
	return answer_error("unknown request", out);
}

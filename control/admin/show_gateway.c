/* control/admin/show_gateway.c - what is asked about the gateway itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/admin/answer.h"
#include "control/admin/counters.h"
#include "control/admin/limits.h"
#include "control/count.h"
#include "control/errors.h"
#include "control/penalties.h"

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

static json_t *listeners(const struct admin_env *env)
{
	const struct conf *conf = env->sessions->conf;
	const struct conf_global *g = conf_global(conf);
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < g->n_listens && r == 0; i++) {
		char text[CONF_ZONE_TEXT];

		conf_zone_text(conf_dataplane(conf), &g->listens[i].addr, text);
		r = json_array_append_new(
			list, json_pack("{s:s, s:i}", "address", text, "port", own_port(env, i)));
	}
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* json_pack() takes what stands for an "o", also when it fails because one of them is NULL. */
int show_info(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const struct session_env *e = env->sessions;
	const struct session_stats *st = &e->stats;
	uint64_t up_ms = e->now_ms() - env->began_ms;

	(void)a;
	return answer_text_line(
		out,
		json_pack(
			"{s:i, s:s, s:I, s:I, s:o, s:b, s:o, s:o, s:{s:I, s:I, s:I}, s:{s:I, s:I, "
			"s:I}}",
			"v", ANSWER_VERSION, "version", SLUICE_VERSION, "pid", (json_int_t)getpid(),
			"uptime", (json_int_t)(up_ms / 1000), "configuration",
			admin_text(env->conf_path), "draining", (int)e->draining, "dataplanes",
			dataplanes(env), "listeners", listeners(env), "now", "connections",
			(json_int_t)st->connections, "authenticated", (json_int_t)st->authenticated,
			"channels", (json_int_t)st->channels, "total", "accepted",
			(json_int_t)st->accepted, "logins", (json_int_t)st->logins, "failed_tries",
			(json_int_t)st->failed_tries));
}

/* --- show counters --------------------------------------------------------------- */

/* Behind the list of the shards. */
static int counters_end(struct answer *a, struct answer_text *out)
{
	int r = answer_text_add(out, "],\"control\":", 12);

	if (r == 0)
		r = answer_text_json(out, counters_of_control());
	answer_over(a);
	return r == 0 ? answer_text_add(out, "}\n", 2) : r;
}

/* The shard a->peer, a->shard, or the next there is. False: there are no more. */
static bool shard_find(struct answer *a, const struct admin_env *env)
{
	while (a->peer < env->n_peers && a->shard >= linkpeer_status(env->peers[a->peer]).shards) {
		a->peer++;
		a->shard = 0;
	}
	return a->peer < env->n_peers;
}

/* A shard a piece: its file is read at once, so its counters are of one moment, nearly. */
int show_counters(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	if (!shard_find(a, env))
		return counters_end(a, out);
	return answer_list_add(a, counters_of_shard(env->peers[a->peer], a->shard++), out);
}

/* --- show penalties -------------------------------------------------------------- */

static json_t *penalty(const struct penalty_view *v)
{
	return json_pack("{s:s, s:s, s:f, s:b}", "source", v->source, "reason", v->why, "seconds",
			 (double)v->left_ms / 1000, "active", (int)v->active);
}

int show_penalties(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct door *door = env->sessions->door;
	uint64_t now_ms = env->sessions->now_ms();

	for (unsigned int i = 0; i < ANSWER_PIECE; i++) {
		struct penalty_view v;
		int r;

		if (door == NULL || !penalties_next(door_penalties(door), &a->next, now_ms, &v))
			return answer_list_end(a, out);
		r = answer_list_add(a, penalty(&v), out);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- show limits ------------------------------------------------------------------- */

static json_t *number_or_null(bool known, uint64_t n)
{
	return known ? admin_count(n) : json_null();
}

static json_t *limit(const struct limit_view *v)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "limit", admin_text(v->name), "scope",
			 v->scope, "used", number_or_null(v->has_used, v->used), "max",
			 number_or_null(v->has_max, v->max), "refused", admin_count(v->refused),
			 "text", admin_text(v->text));
}

static int limits_shard(struct answer *a, const struct shards *s, size_t file,
			struct answer_text *out)
{
	struct limit_view v;
	char scope[32];
	size_t at = 0;
	int r = 0;

	snprintf(scope, sizeof(scope), "shard %u", s->file[file].shard);
	while (r == 0 && limits_of_shard(s, file, &at, &v)) {
		v.scope = scope;
		r = answer_list_add(a, limit(&v), out);
	}
	return r;
}

int show_limits(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct limit_view v;
	unsigned int at = 0;
	struct shards s;
	int r = shards_read(env->peers, env->n_peers, &s);

	if (r < 0)
		return r;
	while (r == 0 && limits_of_control(env, &at, &v))
		r = answer_list_add(a, limit(&v), out);
	for (size_t i = 0; i < s.n_files && r == 0; i++)
		r = limits_shard(a, &s, i, out);
	shards_free(&s);
	return r == 0 ? answer_list_end(a, out) : r;
}

/* --- show config [NAME] -------------------------------------------------------------- */

/* "keyword value" of a dump; line ends with a NUL. */
static int config_line(struct answer *a, char *line, struct answer_text *out)
{
	const char *want = request_word(&a->request, 2);
	char *value = strchr(line, ' ');

	if (value != NULL)
		*value++ = '\0';
	if (a->request.n > 2 && strcasecmp(want, line) != 0)
		return 0;
	return answer_list_add(a,
			       json_pack("{s:o, s:o}", "keyword", admin_text(line), "value",
					 admin_text(value != NULL ? value : "")),
			       out);
}

int show_config(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const struct conf_match_ctx nobody = {0};
	char *text = NULL, *save = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int r = -ENOMEM;

	if (f != NULL) {
		r = conf_dump(env->sessions->conf, &nobody, f);
		if (fclose(f) != 0)
			r = -ENOMEM;
	}
	for (char *line = r == 0 ? strtok_r(text, "\n", &save) : NULL; line != NULL && r == 0;
	     line = strtok_r(NULL, "\n", &save))
		r = config_line(a, line, out);
	free(text);
	return r == 0 ? answer_list_end(a, out) : -ENOMEM;
}

/* --- show errors --------------------------------------------------------------------- */

static json_t *error_entry(const struct errors_entry *e)
{
	struct control_counter_info c = {0};

	if (e->counter >= 0)
		c = control_counter_info((enum control_counter)e->counter);
	return json_pack("{s:I, s:o, s:s?, s:s?, s:s}", "time", (json_int_t)e->unix_s, "times",
			 admin_count(e->times), "counter", c.name, "limit",
			 c.limit != NULL && c.limit[0] != '\0' ? c.limit : NULL, "text",
			 e->counter >= 0 ? c.text : e->text);
}

int show_errors(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct errors_entry e;
	int r = 0;

	(void)env;
	while (r == 0 && errors_next(a->next, &e)) {
		a->next = e.id;
		r = answer_list_add(a, error_entry(&e), out);
	}
	return r == 0 ? answer_list_end(a, out) : r;
}

/* control/admin/show_shards.c - lcores and ports, from what shards share. */
#include <errno.h>
#include <string.h>

#include "control/admin/answer.h"
#include "control/admin/shards.h"

/* --- lcores ------------------------------------------------------------------------ */

static json_t *stages(const struct shards *s, size_t file)
{
	const struct shards_file *f = &s->file[file];
	json_t *o = json_object();

	for (size_t i = f->first; i < f->first + f->n && o != NULL; i++) {
		const struct link_stats_counter *c = &s->counter[i];

		if (strcmp(c->room, "stage") != 0 || strcmp(c->name, "CYCLES") != 0)
			continue;
		if (json_object_set_new(o, c->object, admin_count(c->value)) == 0)
			continue;
		json_decref(o);
		o = NULL;
	}
	return o;
}

static uint64_t cycles(const struct shards *s, size_t file)
{
	const struct shards_file *f = &s->file[file];
	uint64_t sum = 0;

	for (size_t i = f->first; i < f->first + f->n; i++)
		if (strcmp(s->counter[i].room, "stage") == 0 &&
		    strcmp(s->counter[i].name, "CYCLES") == 0)
			sum += s->counter[i].value;
	return sum;
}

static json_t *lcore(const struct shards *s, size_t file)
{
	const struct {
		const char *name, *room, *object, *counter;
	} of[] = {
		{"hz", "shard", "", "TSC_HZ"},
		{"turns", "shard", "", "TURNS"},
		{"busy_turns", "shard", "", "BUSY_TURNS"},
		{"sleeps", "shard", "", "SLEEPS"},
		{"connections", "limit", "MaxConnections", "USED"},
		{"channels", "limit", "MaxChannels", "USED"},
		{"bytes_in", "relay", "", "BYTES_FROM_CLIENTS"},
		{"bytes_out", "relay", "", "BYTES_TO_CLIENTS"},
		{"buffers", "limit", "Memory", "USED"},
		{"buffers_max", "limit", "Memory", "MAX"},
	};
	const struct shards_file *f = &s->file[file];
	json_t *o = json_pack("{s:o, s:i, s:o, s:o}", "dataplane", admin_text(f->dataplane),
			      "shard", (int)f->shard, "cycles", admin_count(cycles(s, file)),
			      "stages", stages(s, file));

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]) && o != NULL; i++) {
		uint64_t v = shards_value(s, file, of[i].room, of[i].object, of[i].counter);

		if (json_object_set_new(o, of[i].name, admin_count(v)) == 0)
			continue;
		json_decref(o);
		o = NULL;
	}
	return o;
}

int show_lcores(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	struct shards s;
	int r = shards_read(env->peers, env->n_peers, &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s.n_files && r == 0; i++)
		r = answer_list_add(a, lcore(&s, i), out);
	shards_free(&s);
	return r == 0 ? answer_list_end(a, out) : r;
}

/* --- ports: an interface each, over all shards --------------------------------------- */

static json_t *port_counters(const struct shards *s, const char *name)
{
	json_t *sums = json_object();

	for (size_t i = 0; i < s->n && sums != NULL; i++) {
		const struct link_stats_counter *c = &s->counter[i];
		json_int_t sum;

		if (strcmp(c->room, "port") != 0 || strcmp(c->object, name) != 0)
			continue;
		sum = json_integer_value(json_object_get(sums, c->name));
		if (json_object_set_new(sums, c->name, admin_count((uint64_t)sum + c->value)) == 0)
			continue;
		json_decref(sums);
		sums = NULL;
	}
	return sums;
}

static json_t *addresses(const struct conf_dataplane *dp, size_t interface)
{
	json_t *list = json_array();

	for (size_t k = 0; k < dp->n_ifaddrs && list != NULL; k++) {
		char text[CONF_ADDR_TEXT];

		if (dp->ifaddrs[k].interface != interface ||
		    json_array_append_new(
			    list, json_string(conf_prefix_text(&dp->ifaddrs[k].prefix, text))) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

int show_ports(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const struct conf_dataplane *dp = conf_dataplane(env->sessions->conf);
	struct shards s;
	int r = shards_read(env->peers, env->n_peers, &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < dp->n_interfaces && r == 0; i++) {
		const struct conf_interface *f = &dp->interfaces[i];

		r = answer_list_add(a,
				    json_pack("{s:o, s:o, s:i, s:o, s:o}", "port",
					      admin_text(f->name), "device", admin_text(f->device),
					      "mtu", (int)f->mtu, "addresses", addresses(dp, i),
					      "counters", port_counters(&s, f->name)),
				    out);
	}
	shards_free(&s);
	return r == 0 ? answer_list_end(a, out) : r;
}

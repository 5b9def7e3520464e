#include "control/admin/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/admin/text.h"
#include "control/count.h"
#include "link/stats.h"

/* Beside the socket the dataplane is met at. */
static int stats_path(const char *link_path, unsigned int shard, char *buf, size_t size)
{
	const char *end = strrchr(link_path, '/');
	int dir = end != NULL ? (int)(end - link_path) + 1 : 0;
	int n = snprintf(buf, size, "%.*sshard%u.stats", dir, link_path, shard);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Values are below 2^63: JSON's integers are signed here, and nothing counts that far. */
static json_t *counter(const struct link_stats_counter *c)
{
	json_t *v = json_pack("{s:o, s:o, s:I, s:o}", "room", admin_text(c->room), "name",
			      admin_text(c->name), "value", (json_int_t)(c->value & INT64_MAX),
			      "text", admin_text(c->text));

	if (v != NULL && c->object[0] != '\0' &&
	    json_object_set_new(v, "object", admin_text(c->object)) < 0) {
		json_decref(v);
		return NULL;
	}
	return v;
}

static json_t *counters(const void *file)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; i < link_stats_n(file) && r == 0; i++) {
		struct link_stats_counter c = link_stats_at(file, i);

		r = json_array_append_new(list, counter(&c));
	}
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

int counters_file(const struct linkpeer *peer, unsigned int shard, void **ret)
{
	char path[4096];
	int r = stats_path(linkpeer_status(peer).path, shard, path, sizeof(path));

	return r == 0 ? link_stats_read(path, ret) : r;
}

json_t *counters_of_shard(const struct linkpeer *peer, unsigned int shard)
{
	struct linkpeer_status st = linkpeer_status(peer);
	void *file = NULL;
	json_t *v;
	int r = counters_file(peer, shard, &file);

	if (r < 0)
		return json_pack("{s:o, s:i, s:s}", "dataplane", admin_text(st.name), "shard",
				 (int)shard, "error", strerror(-r));
	v = json_pack("{s:o, s:i, s:o}", "dataplane", admin_text(st.name), "shard", (int)shard,
		      "counters", counters(file));
	free(file);
	return v;
}

json_t *counters_of_control(void)
{
	json_t *list = json_array();
	int r = 0;

	for (enum control_counter i = 0; i < CONTROL_C_COUNT && r == 0; i++) {
		struct control_counter_info c = control_counter_info(i);

		r = json_array_append_new(list,
					  json_pack("{s:s, s:s, s:s, s:I, s:s}", "room", c.room,
						    "name", c.name, "limit", c.limit, "value",
						    (json_int_t)(control_counted(i) & INT64_MAX),
						    "text", c.text));
	}
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

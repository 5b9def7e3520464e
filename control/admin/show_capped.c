/*
 * control/admin/show_capped.c - what bytes of connections have waited for rates: their shards are
 * asked, before connections or users are shown, where any connection has a rate at all.
 */
#include <errno.h>
#include <stdio.h>

#include "control/admin/answer.h"

#define WHAT 4

static const char *const name[WHAT] = {"capped_in", "capped_out", "capped_time_in",
				       "capped_time_out"};

static void key_of(uint64_t uid, char ret[24])
{
	snprintf(ret, 24, "%llu", (unsigned long long)uid);
}

int capped_came(struct answer *a, const struct link_look_result *r)
{
	const struct link_look_conn *c = (const void *)(r + 1);
	char key[24];
	uint64_t uid;

	for (uint32_t i = 0; i < r->n; i++) {
		if (!look_uid(&a->look, &c[i], &uid))
			continue;
		key_of(uid, key);
		if (json_object_set_new(
			    a->capped, key,
			    json_pack("[I,I,I,I]", (json_int_t)c[i].capped_bytes[LINK_IN],
				      (json_int_t)c[i].capped_bytes[LINK_OUT],
				      (json_int_t)c[i].capped_us[LINK_IN],
				      (json_int_t)c[i].capped_us[LINK_OUT])) < 0)
			return -ENOMEM;
	}
	return 0;
}

int capped_look(struct answer *a, const struct admin_env *env)
{
	int r = -ENOENT;

	if (a->capped_asked)
		return 1;
	if (a->capped == NULL)
		a->capped = json_object();
	if (a->capped == NULL)
		return -ENOMEM;
	a->look.what = LINK_LOOK_CAPPED;
	if (env->sessions->n_rated > 0)
		r = look_more(a, env);
	if (r != -ENOENT)
		return r;
	/* Now those that are shown, from the first. */
	a->at = (struct session_cursor){0};
	a->next = 0;
	a->last_shard = false;
	a->capped_asked = true;
	return 1;
}

int capped_add(const struct answer *a, uint64_t uid, json_t *to)
{
	const json_t *of = NULL;
	char key[24];
	int r = 0;

	key_of(uid, key);
	if (a != NULL && a->capped_asked)
		of = json_object_get(a->capped, key);
	for (size_t i = 0; i < WHAT && r == 0; i++) {
		json_int_t n = json_integer_value(json_object_get(to, name[i])) +
			       json_integer_value(json_array_get(of, i));
		bool known = a != NULL && a->capped_asked && !a->capped_unknown;

		r = json_object_set_new(to, name[i], known ? json_integer(n) : json_null());
	}
	return r == 0 ? 0 : -ENOMEM;
}

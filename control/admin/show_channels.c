/*
 * control/admin/show_channels.c - channels as their shards have them, and `close CHANNEL`, which
 * has to find one there first.
 */
#include <errno.h>
#include <stdio.h>

#include "control/admin/answer.h"

#include "control/policy/addr.h"

static const char *const slow_key[] = {
#define X(name, key, text) key,
	LINK_SLOW(X)
#undef X
};

static const char *const capped_key[] = {
#define X(name, key, keyword) key,
	LINK_CAPPED(X)
#undef X
};

static const char *const state_key[] = {
	[LINK_CHAN_OPENING] = "opening", [LINK_CHAN_OPEN] = "open", [LINK_CHAN_ENDING] = "ending"};

static json_t *text_or_null(const char *text)
{
	return text != NULL ? admin_text(text) : json_null();
}

static json_t *number_or_null(bool known, uint64_t n)
{
	return known ? admin_count(n) : json_null();
}

static json_t *address(const struct link_addr *a)
{
	char text[ADDR_TEXT_MAX];

	return a->family != 0 ? json_string(addr_text(a, text)) : json_null();
}

/* "UID.NUMBER"; without a connection there is no name to call it by. */
static json_t *name_of(const struct look_view *v, const struct link_look_chan *c)
{
	if (v->conn.session == NULL)
		return json_null();
	return json_sprintf("%llu.%u", (unsigned long long)v->conn.uid, c->local_channel);
}

static int set_moved(json_t *o, const struct link_look_chan *c)
{
	const struct {
		const char *name;
		uint64_t n;
	} of[] = {
		{"bytes_in", c->bytes_in},
		{"bytes_out", c->bytes_out},
		{"age", c->age_us},
		{"idle", c->idle_us},
		{"window_in", c->window_in},
		{"window_in_max", c->window_in_max},
		{"window_out", c->window_out},
		{"held_in", c->held_in},
		{"held_out", c->held_out},
		{"capped_in", c->capped_bytes[LINK_IN]},
		{"capped_out", c->capped_bytes[LINK_OUT]},
		{"capped_time_in", c->capped_us[LINK_IN]},
		{"capped_time_out", c->capped_us[LINK_OUT]},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (json_object_set_new(o, of[i].name, admin_count(of[i].n)) < 0)
			return -ENOMEM;
	return 0;
}

static json_t *channel(const struct look_view *v, const struct link_look_chan *c)
{
	bool known = v->conn.session != NULL;
	json_t *o = json_pack(
		"{s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o}",
		"channel",
		name_of(v, c), "uid", number_or_null(known, v->conn.uid), "user",
		text_or_null(v->conn.user), "source", text_or_null(v->conn.source), "shard",
		(int)c->conn.shard, "type", text_or_null(v->type), "host", text_or_null(v->host),
		"port", number_or_null(v->host != NULL && v->port != 0, v->port), "address",
		address(&c->target), "state", state_key[c->state], "slow_in", slow_key[c->slow_in],
		"slow_out", slow_key[c->slow_out], "cap_in", capped_key[c->capped[LINK_IN]],
		"cap_out", capped_key[c->capped[LINK_OUT]], "client_rtt",
		number_or_null(c->client_rtt_us != 0, c->client_rtt_us), "target_rtt",
		number_or_null(c->target_rtt_us != 0, c->target_rtt_us));

	if (o == NULL || set_moved(o, c) == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* --- the walk -------------------------------------------------------------------------- */

static bool wanted(const struct answer *a, const struct look_view *v)
{
	struct request_subject s = {.uid = v->conn.uid, .user = v->conn.user};

	if (v->conn.session == NULL) /* nothing is known of it: only who wants all sees it */
		return !a->filter.has_uid && !a->filter.has_net && a->filter.user == NULL;
	s.source.family = v->conn.source_addr->family;
	memcpy(s.source.addr, v->conn.source_addr->addr, sizeof(s.source.addr));
	return request_matches(&a->filter, &s);
}

static int add_all(struct answer *a, const struct link_look_result *r)
{
	const struct link_look_chan *c = (const void *)(r + 1);

	for (uint32_t i = 0; i < r->n; i++) {
		struct look_view v;
		int err = 0;

		look_view(&a->look, &c[i], &v);
		if (wanted(a, &v))
			err = a->each(a, &v, &c[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

static void came(struct look *l, const struct link_look_result *r)
{
	struct answer *a = (struct answer *)(void *)((char *)l - offsetof(struct answer, look));

	if (r == NULL)
		a->capped_unknown = true;
	else
		a->failed = r->what == LINK_LOOK_CHANS ? add_all(a, r) : capped_came(a, r);
	a->next = r != NULL ? r->next : 0;
	if (a->next == 0) /* behind the last of this shard */
		a->last_shard = !session_cursor_next_table(&a->at);
	a->waits = false;
	a->wake(a);
}

int look_more(struct answer *a, const struct admin_env *env)
{
	int r;

	a->look.came = came;
	r = a->last_shard ? -ENOENT : look_ask(env->sessions, &a->look, &a->at, (uint32_t)a->next);
	a->waits = r == 0;
	return r;
}

static int show_one(struct answer *a, const struct look_view *v, const struct link_look_chan *c)
{
	return answer_list_add(a, channel(v, c), a->out);
}

int show_channels(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	int r;

	a->each = show_one;
	r = look_more(a, env);
	return r == -ENOENT ? answer_list_end(a, out) : r;
}

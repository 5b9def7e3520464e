/* control/admin/answer.c - which request is answered by whom, and what all answers are made of. */
#include "control/admin/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/admin/fields.h"
#include "control/admin/steer.h"
#include "control/session/revoked.h"

/* --- lists ----------------------------------------------------------------------- */

/* The elements are jansson's; the brackets around a list that is never whole in memory are ours. */
int answer_list_begin(const char *name, struct answer_text *out)
{
	char head[48];
	int n = snprintf(head, sizeof(head), "{\"v\":%d,\"%s\":[", ANSWER_VERSION, name);

	return answer_text_add(out, head, (size_t)n);
}

int answer_list_add(struct answer *a, json_t *v, struct answer_text *out)
{
	if (a->any && answer_text_add(out, ",", 1) < 0) {
		json_decref(v);
		return -ENOMEM;
	}
	a->any = true;
	return answer_text_json(out, v);
}

int answer_list_end(struct answer *a, struct answer_text *out)
{
	answer_over(a);
	return answer_text_add(out, "]}\n", 3);
}

int answer_next_session(struct answer *a, const struct admin_env *env, unsigned int *looked,
			struct session_view *ret)
{
	while ((*looked)++ < ANSWER_PIECE) {
		int r = session_next(env->sessions, &a->at, ret);
		struct request_subject s = {.uid = ret->uid, .user = ret->user};

		if (r < 0) /* -EAGAIN: a turn's worth of empty places */
			return r;
		s.source.family = ret->source_addr->family;
		memcpy(s.source.addr, ret->source_addr->addr, sizeof(s.source.addr));
		if (request_matches(&a->filter, &s))
			return 0;
	}
	return -EAGAIN;
}

/* --- requests -------------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *list; /* it begins with; NULL: it begins itself */
	answer_more_fn *more;
} shows[] = {
	{"info", NULL, show_info},
	{"connections", "connections", show_connections},
	{"channels", "channels", show_channels},
	{"tunnels", "tunnels", show_tunnels},
	{"listeners", "listeners", show_listeners},
	{"users", "users", show_users},
	{"penalties", "penalties", show_penalties},
	{"limits", "limits", show_limits},
	{"ports", "ports", show_ports},
	{"lcores", "lcores", show_lcores},
	{"config", "config", show_config},
	{"errors", "errors", show_errors},
	{"counters", "shards", show_counters},
};
#define N_SHOWS (sizeof(shows) / sizeof(shows[0]))

static json_t *known(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < N_SHOWS && list != NULL; i++) {
		if (json_array_append_new(list, json_sprintf("show %s", shows[i].name)) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	for (size_t i = 0; list != NULL && steer_at(i) != NULL; i++) {
		if (json_array_append_new(list, json_string(steer_at(i)->form)) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

int answer_error(const char *text, struct answer_text *out)
{
	return answer_text_line(out, json_pack("{s:i, s:s, s:o}", "v", ANSWER_VERSION, "error",
					       text, "known", known()));
}

void answer_over(struct answer *a)
{
	a->more = NULL;
	a->waits = false;
	look_end(&a->look);
	ours_unask(&a->opens);
	if (a->wishes)
		reload_unask(&a->wish);
	a->wishes = false;
	conf_put(a->then);
	a->then = NULL;
	revoked_lists_free(a->then_lists);
	a->then_lists = NULL;
	json_decref(a->cuts);
	json_decref(a->rates);
	a->cuts = a->rates = NULL;
	json_decref(a->sums);
	json_decref(a->capped);
	a->sums = a->capped = NULL;
	a->capped_asked = a->capped_unknown = false;
}

static int show(struct answer *a, size_t which, const struct admin_env *env,
		struct answer_text *out)
{
	const struct admin_subject *subject = admin_subject_find(shows[which].name);
	bool filtered = subject != NULL && subject->filtered;

	a->filter = (struct request_filter){0};
	if (filtered && request_filter(&a->request, 2, &a->filter) < 0)
		return answer_error("a filter is user=NAME, address=ADDRESS[/BITS] or conn=NUMBER",
				    out);
	if (!filtered && a->request.n > 2 && strcmp(shows[which].name, "config") != 0)
		return answer_error("unknown request", out);
	if (shows[which].list == NULL)
		return shows[which].more(a, env, out);
	a->more = shows[which].more;
	return answer_list_begin(shows[which].list, out);
}

static void begin(struct answer *a)
{
	answer_over(a);
	a->any = a->last_shard = false;
	a->failed = 0;
	a->at = (struct session_cursor){0};
	a->look.what = LINK_LOOK_CHANS;
	a->peer = a->shard = 0;
	a->next = 0;
}

int answer_show(struct answer *a, const char *name, const struct request_filter *filter,
		struct answer_text *out)
{
	size_t i = 0;

	begin(a);
	while (strcmp(shows[i].name, name) != 0)
		i++;
	a->filter = *filter;
	a->more = shows[i].more;
	return answer_list_begin(shows[i].list, out);
}

int answer_begin(struct answer *a, const struct admin_env *env, const char *line, size_t len,
		 struct answer_text *out)
{
	const struct steer_request *steer;

	begin(a);
	if (request_parse(line, len, &a->request) < 0)
		return answer_error("unknown request", out);
	for (size_t i = 0; i < N_SHOWS && strcmp(request_word(&a->request, 0), "show") == 0; i++)
		if (strcmp(request_word(&a->request, 1), shows[i].name) == 0)
			return show(a, i, env, out);
	a->caller.audit = env->sessions->audit;
	for (size_t i = 0; (steer = steer_at(i)) != NULL; i++)
		if (strcmp(request_word(&a->request, 0), steer->name) == 0)
			return a->request.n >= steer->least && a->request.n <= steer->most
				       ? steer->begin(a, env, out)
				       : answer_error(steer->form, out);
	return answer_error("unknown request", out);
}

#include "control/session/news.h"

#include "control/session/hook.h"

static const struct {
	enum audit_event event;
	enum conf_hook_kind kind;
} told[] = {
	{AUDIT_KEX, CONF_HOOK_STATUS},
	{AUDIT_DISCONNECT, CONF_HOOK_STATUS},
	{AUDIT_AUTH_OK, CONF_HOOK_AUTH_RESULT},
	{AUDIT_AUTH_PARTIAL, CONF_HOOK_AUTH_RESULT},
	{AUDIT_AUTH_FAIL, CONF_HOOK_AUTH_RESULT},
	{AUDIT_CHAN_OPEN, CONF_HOOK_CHANNEL_OPENED},
	{AUDIT_CHAN_EOF, CONF_HOOK_CHANNEL_EOF},
	{AUDIT_CHAN_CLOSE, CONF_HOOK_CHANNEL_CLOSED},
	{AUDIT_LISTENER_CLOSE, CONF_HOOK_TUNNEL_CLOSED},
	{AUDIT_ERROR, CONF_HOOK_ERROR},
	{AUDIT_CONN_CLOSE, CONF_HOOK_CLOSED},
};
#define N_TOLD (sizeof(told) / sizeof(told[0]))

/* Its configuration is made for this look. */
static bool find_resting(const struct session *s, enum conf_hook_kind kind, struct conf_hook *ret)
{
	struct conf *conf = past_conf(s->past);
	struct awake *a = conf_hook_news(conf) ? facts_get(s) : NULL;
	struct conf_match_ctx ctx;
	struct conf_session c;
	struct conf_strs groups;
	bool found = false;

	if (a == NULL)
		return false;
	groups = (struct conf_strs){(const char *const *)a->groups, a->n_groups};
	ctx = rules_ctx_of(s, a, &groups);
	if (conf_session_for(conf, &ctx, &c) == 0) {
		found = conf_hook_for(&c, kind, ret);
		conf_session_fini(&c);
	}
	facts_put(s, a);
	return found;
}

bool news_find(const struct session *s, enum audit_event e, struct conf_hook *ret)
{
	size_t i = 0;

	while (i < N_TOLD && told[i].event != e)
		i++;
	if (i == N_TOLD || s->table->env->hooks == NULL)
		return false;
	if (s->awake != NULL)
		return hook_for(s, told[i].kind, ret);
	return s->past != NULL && find_resting(s, told[i].kind, ret);
}

static const char *kind_name(enum audit_event e)
{
	size_t i = 0;

	while (told[i].event != e)
		i++;
	return conf_hook_kind_name(told[i].kind);
}

void news_tell(const struct session *s, const struct conf_hook *h, struct audit_record *r)
{
	struct awake *facts = facts_get(s);
	struct hook_req news;

	audit_end(r);
	if (facts == NULL)
		return;
	hook_about_of(s, facts, kind_name(r->event), &news);
	/* As it stands, without its end of line: a serial may be more than jansson reads. */
	news.record = (struct ssh_str){(const uint8_t *)r->line, (uint32_t)r->len - 1};
	hook_tell(s->table->env->hooks, h, &news);
	facts_put(s, facts);
}

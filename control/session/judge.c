/* control/session/judge.c - see judge.h. */
#include "control/session/judge.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conf/week.h"

struct judge {
	struct policy_rules rules;
	const struct conf_session *conf; /* for this channel */
	struct conf *now;                /* whose TargetRule and ListenRule these are */
	struct conf_strs groups;
	struct conf_session made[2]; /* what had to be; all zero: nothing */
};

/* What the clock on the wall says here; -1: nobody knows. */
static int minute_of_week(struct session_env *env)
{
	time_t now = (time_t)session_wall(env);
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL)
		return -1;
	return tm.tm_wday * WEEK_DAY + tm.tm_hour * 60 + tm.tm_min;
}

static struct conf_who who_of(const struct session *s, const struct conf_strs *groups)
{
	const struct awake *a = s->awake;

	return (struct conf_who){.user = session_user(s),
				 .addr = a->peer_addr,
				 .groups = a->groups != NULL ? groups : NULL,
				 .marks = a->marks != NULL ? a->marks : "",
				 .minute = -1};
}

/* As conf says for this channel: what the session has already, or made anew. NULL: no memory. */
static const struct conf_session *session_of(const struct session *s, struct conf *conf,
					     const struct conf_match_ctx *ctx,
					     struct conf_session *made)
{
	if (conf == session_conf(s) &&
	    (ctx->dest == NULL || !conf_matches_about(conf, CONF_ABOUT_DEST)))
		return &s->awake->conf;
	return conf_session_for(conf, ctx, made) == 0 ? made : NULL;
}

static void judge_end(struct judge *j)
{
	conf_session_fini(&j->made[0]);
	conf_session_fini(&j->made[1]);
}

/* -ENOMEM: nothing is allowed then. */
static int judge_begin(struct judge *j, const struct session *s, const struct conf_dest *dest)
{
	struct session_env *env = s->table->env;
	const struct conf_session *now;
	struct conf_match_ctx ctx;

	*j = (struct judge){.now = env->conf};
	ctx = rules_ctx(s, &j->groups);
	ctx.dest = dest;
	j->conf = session_of(s, session_conf(s), &ctx, &j->made[0]);
	now = env->conf == session_conf(s) ? j->conf : session_of(s, env->conf, &ctx, &j->made[1]);
	if (j->conf == NULL || now == NULL) {
		judge_end(j);
		return -ENOMEM;
	}
	j->rules = policy_rules_of(j->conf);
	j->rules.target_rules = now->target_rules;
	j->rules.listen_rules = now->listen_rules;
	j->rules.who = who_of(s, &j->groups);
	j->rules.own = env->own;
	j->rules.n_own = env->n_own;
	j->rules.n_kernel = env->n_kernel;
	if (policy_timed(&now->target_rules) || policy_timed(&now->listen_rules))
		j->rules.who.minute = minute_of_week(env);
	return 0;
}

static void words_place(const struct judge *j, const struct policy_why *why, const char *permit,
			struct judge_words *words)
{
	unsigned int line;
	const char *file;

	snprintf(words->rule, sizeof(words->rule), "%s", permit);
	if (why->voice != POLICY_BY_RULE || why->rule == NULL)
		return;
	file = conf_rule_place(j->now, why->rule, &line);
	snprintf(words->rule, sizeof(words->rule), "%.200s line %u", file, line);
	snprintf(words->place, sizeof(words->place), " (%s)", words->rule);
}

/* --- channels ---------------------------------------------------------------------------------
 */

/* Before its name is looked up: what a Match about addresses will say nobody knows. */
static bool may_ask(const struct session *s, const struct judge *j, const struct conf_dest *d,
		    struct policy_why *why)
{
	if (d->found || (!conf_matches_about(session_conf(s), CONF_ABOUT_DEST) &&
			 !conf_matches_about(j->now, CONF_ABOUT_DEST)))
		return policy_may_ask(&j->rules, &s->grant, d->host, d->port, why);
	*why = (struct policy_why){.voice = POLICY_BY_KEY};
	return policy_key_may_ask(&s->grant, d->host, d->port);
}

bool judge_name(const struct session *s, const char *host, uint16_t port, struct judge_words *words)
{
	const struct conf_dest d = conf_dest_of(host, port);
	struct policy_why why;
	struct judge j;
	bool may;

	words->place[0] = '\0';
	if (judge_begin(&j, s, &d) < 0)
		return false;
	may = may_ask(s, &j, &d, &why);
	words_place(&j, &why, "PermitOpen", words);
	judge_end(&j);
	return may;
}

bool judge_addr(const struct session *s, const char *host, const struct link_addr *addr,
		uint16_t port, struct judge_words *words)
{
	struct session_env *env = s->table->env;
	const struct policy_rules ours = {
		.own = env->own, .n_own = env->n_own, .n_kernel = env->n_kernel};
	const struct conf_dest d = policy_dest_at(&ours, host, addr, port);
	struct policy_why why;
	struct judge j;
	bool may;

	words->place[0] = '\0';
	if (judge_begin(&j, s, &d) < 0)
		return false;
	may = policy_may_ask(&j.rules, &s->grant, host, port, &why) &&
	      policy_may_connect(&j.rules, host, addr, port, &why);
	words_place(&j, &why, "PermitOpen", words);
	words->timed |= policy_timed(&j.rules.target_rules);
	judge_end(&j);
	return may;
}

bool judge_socket(const struct session *s, const char *path, struct judge_words *words)
{
	const struct conf_dest d = {.path = path};
	struct policy_why why;
	struct judge j;
	bool may;

	words->place[0] = '\0';
	if (judge_begin(&j, s, &d) < 0)
		return false;
	may = policy_may_open_socket(j.conf, &j.rules, &s->grant, path, &why);
	words_place(&j, &why, "PermitStreamLocal", words);
	judge_end(&j);
	return may;
}

/* --- listeners ----------------------------------------------------------------------------------
 */

bool judge_listen_socket(const struct session *s, const char *path)
{
	const struct conf_dest d = {.path = path};
	struct judge j;
	bool may;

	if (judge_begin(&j, s, &d) < 0)
		return false;
	may = policy_may_listen_socket(j.conf, &s->grant, path);
	judge_end(&j);
	return may;
}

/* As sshd's bind_permitted(), whose users have accounts; ours may be named by the operator. */
static bool may_bind_low(const struct session *s, const struct judge *j, const char *host,
			 uint16_t port, const struct policy_why *why)
{
	return port == 0 || port >= IPPORT_RESERVED || strcmp(session_user(s), "root") == 0 ||
	       policy_may_listen_low(&j->rules, host, port) ||
	       (why->rule != NULL && conf_rule_names_port(why->rule, port));
}

bool judge_listen(const struct session *s, const char *host, uint16_t port,
		  enum policy_where *ret_where, struct link_addr *ret, struct judge_words *words)
{
	struct policy_why why;
	struct judge j;
	bool may;

	words->place[0] = '\0';
	if (judge_begin(&j, s, NULL) < 0)
		return false;
	*ret_where = policy_listen_where(&j.rules, host, ret);
	may = policy_may_listen(&j.rules, &s->grant, host, port, &why) &&
	      (*ret_where == POLICY_NOWHERE ||
	       policy_may_bind(&j.rules, *ret_where, ret, port, &why)) &&
	      may_bind_low(s, &j, host, port, &why);
	words_place(&j, &why, "PermitListen", words);
	judge_end(&j);
	return may;
}

/* --- all of it, for who wants to know
 * -------------------------------------------------------------
 */

struct telling {
	void (*each)(void *arg, const struct session_target *t);
	void *arg;
};

static void tell(const struct telling *to, const char *by, bool allows, const char *text)
{
	const struct session_target t = {.by = by, .text = text, .allows = allows};

	to->each(to->arg, &t);
}

static void tell_list(const struct telling *to, const char *by, const struct conf_strs *list)
{
	for (size_t i = 0; i < list->n; i++)
		tell(to, by, strcmp(list->v[i], "none") != 0, list->v[i]);
}

/* Rules about others are nobody's business. True: what none of them is about is refused. */
static bool tell_rules(const struct telling *to, const struct judge *j)
{
	const struct conf_rules *rules = &j->rules.target_rules;
	bool about_hosts = false;

	for (size_t i = 0; i < rules->n; i++) {
		const struct conf_rule *r = rules->v[i];

		about_hosts |= conf_rule_hosts(r);
		if (conf_rule_about(r, &j->rules.who))
			tell(to, "TargetRule", conf_rule_allows(r), conf_rule_targets(r));
	}
	return about_hosts;
}

static const char *shut(const struct session *s, const struct judge *j)
{
	if (j->rules.disable_forwarding)
		return "DisableForwarding";
	if ((j->rules.allow_tcp_forwarding & CONF_FORWARDING_LOCAL) == 0)
		return "AllowTcpForwarding";
	return s->grant.port_forwarding ? NULL : "key";
}

static void targets_tell(const struct telling *to, const struct session *s, const struct judge *j)
{
	const struct conf_strs keys = {(const char *const *)s->grant.permitopen,
				       s->grant.n_permitopen};
	const char *by = shut(s, j);

	if (by != NULL) {
		tell(to, by, false, "*");
		return;
	}
	tell_list(to, "key", &keys);
	if (!tell_rules(to, j))
		tell_list(to, "PermitOpen", &j->rules.permit_open);
	if (j->conf->permit_streamlocal.n != 1 ||
	    strcmp(j->conf->permit_streamlocal.v[0], "none") != 0)
		tell_list(to, "PermitStreamLocal", &j->conf->permit_streamlocal);
}

int session_targets(struct session *s, void (*each)(void *arg, const struct session_target *t),
		    void *arg)
{
	const struct telling to = {each, arg};
	struct judge j;
	int r;

	if (!session_awaken(s))
		return -ECONNRESET;
	r = judge_begin(&j, s, NULL);
	if (r == 0) {
		targets_tell(&to, s, &j);
		judge_end(&j);
	}
	session_tire(s);
	return r;
}

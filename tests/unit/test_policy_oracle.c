/*
 * S-74: random rules against an oracle that knows nothing of conf/ or control/policy/
 * (policy_oracle.h). Users x targets x methods of login x kinds of channel, and x places to listen
 * at; what is allowed must be what the oracle allows.
 *
 * And sluice-control -T -C, which answers by the same code as a session does.
 */
#include "tests/unit/policy_oracle.h"

#include "control/ask.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"
#include "tests/util/rnd.h"

static struct rnd r;

static bool chance(uint32_t of)
{
	return rnd_below(&r, of) == 0;
}

/* --- made and printed
 * ------------------------------------------------------------------------------ */

/* Where may be listened: no names but one, and port 0 as well. */
static struct o_target place_draw(void)
{
	static const char *const at[] = {
		"*",         "*",    "localhost",     "127.0.0.0/8", "127.0.0.1",     "::1",
		"0.0.0.0/0", "::/0", "198.18.0.0/15", OWN4,          "2001:db8::/32", OWN6};
	struct o_target t = {.host = at[rnd_below(&r, NELEM(at))], .to = 65535};

	if (chance(2))
		return t;
	t.from = chance(4) ? 0 : ports[rnd_below(&r, NELEM(ports))];
	t.to = chance(2) ? t.from : t.from + rnd_below(&r, 65536 - t.from);
	return t;
}

static struct o_target target_draw(void)
{
	struct o_target t = {.path = chance(6), .to = 65535};

	t.host = t.path ? paths[rnd_below(&r, NELEM(paths))] : hosts[rnd_below(&r, NELEM(hosts))];
	if (t.path || chance(2))
		return t;
	t.from = ports[rnd_below(&r, NELEM(ports))];
	t.to = chance(2) ? t.from : t.from + rnd_below(&r, 65536 - t.from);
	return t;
}

static struct o_rule rule_draw(struct o_target (*draw)(void))
{
	struct o_rule rule = {.allow = chance(2), .n_targets = 1 + rnd_below(&r, 3)};

	for (size_t i = 0; i < rule.n_targets; i++) {
		rule.target[i] = draw();
		rule.target[i].negated = i > 0 && chance(2);
	}
	for (size_t i = 0; i < BYS; i++)
		if (chance(5))
			rule.by[i] = lists[i][rnd_below(&r, 4)];
	rule.n_spans = chance(5) ? 1 + rnd_below(&r, 2) : 0;
	for (size_t i = 0; i < rule.n_spans; i++) {
		struct o_span *s = &rule.span[i];

		*s = (struct o_span){.day = rnd_below(&r, 7),
				     .days = 1 + rnd_below(&r, 7),
				     .from = rnd_below(&r, 1440),
				     .negated = i > 0 && chance(2)};
		do
			s->to = 1 + rnd_below(&r, 1440);
		while (s->to == s->from);
	}
	return rule;
}

static void rule_print(const struct o_rule *rule, const char *keyword, FILE *f)
{
	static const char day[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

	fprintf(f, "%s %s", keyword, rule->allow ? "allow" : "deny");
	for (size_t i = 0; i < rule->n_targets; i++) {
		const struct o_target *t = &rule->target[i];
		bool six = !t->path && strchr(t->host, ':') != NULL;

		fprintf(f, " %s%s%s%s", t->negated ? "!" : "", six ? "[" : "", t->host,
			six ? "]" : "");
		if (t->path)
			continue;
		if (t->from == 0 && t->to == 65535)
			fputs(":*", f);
		else if (t->from == t->to)
			fprintf(f, ":%u", t->from);
		else
			fprintf(f, ":%u-%u", t->from, t->to);
	}
	for (size_t i = 0; i < BYS; i++)
		if (rule->by[i] != NULL)
			fprintf(f, " %s=%s", names[i], rule->by[i]);
	for (size_t i = 0; i < rule->n_spans; i++) {
		const struct o_span *s = &rule->span[i];

		fprintf(f, "%s%s%s-%s/%02u:%02u-%02u:%02u", i == 0 ? " time=" : ",",
			s->negated ? "!" : "", day[s->day], day[(s->day + s->days - 1) % 7],
			s->from / 60, s->from % 60, s->to / 60, s->to % 60);
	}
	fputc('\n', f);
}

/* --- asked ------------------------------------------------------------------------------------ */

struct tally {
	unsigned long asked, allowed, listens, over, under;
};

static void compare(struct tally *t, bool is, bool want, const char *text, const char *user,
		    unsigned int minute, const char *to, const char *at, unsigned int port)
{
	t->asked++;
	t->allowed += is;
	t->over += is && !want;
	t->under += !is && want;
	if (is != want)
		cr_log_error("%s%s at minute %u to %s (%s) port %u: %d, not %d", text, user, minute,
			     to, at, port, is, want);
}

/* What one login is asked by: its rules, and what its key left. */
struct asker {
	const struct o_set *set;
	const char *text;
	const struct o_who *who;
	unsigned int minute;
	struct conf *conf;
	struct conf_strs groups;
	struct link_addr own[2];
	struct policy_grant grant;
	struct tally *tally;
};

static void asker_init(struct asker *a, const struct o_set *set, const char *text, struct tally *t)
{
	*a = (struct asker){.set = set,
			    .text = text,
			    .who = &people[rnd_below(&r, NELEM(people))],
			    .minute = rnd_below(&r, WEEK),
			    .conf = parse(text),
			    .grant = policy_grant_full(),
			    .tally = t};
	a->groups.v = a->who->groups;
	while (a->who->groups[a->groups.n] != NULL)
		a->groups.n++;
	cr_assert(addr_parse(OWN4, &a->own[0]) && addr_parse(OWN6, &a->own[1]));
	a->grant.port_forwarding = set->key_forwards;
	for (size_t i = 0; i < set->key_open.n; i++)
		cr_assert_eq(policy_grant_permit(&a->grant, set->key_open.v[i]), 0);
	for (size_t i = 0; i < set->key_listens.n; i++)
		cr_assert_eq(policy_grant_permit_listen(&a->grant, set->key_listens.v[i]), 0);
}

static void asker_fini(struct asker *a)
{
	policy_grant_fini(&a->grant);
	conf_put(a->conf);
}

/* As they are for a channel to dest; NULL: for all else. */
static struct policy_rules rules_of(const struct asker *a, const struct conf_dest *dest,
				    struct conf_session *ret)
{
	const struct conf_match_ctx ctx = {
		.user = a->who->user, .addr = a->who->from, .lport = 22, .dest = dest};
	struct policy_rules rules;

	cr_assert_eq(conf_session_for(a->conf, &ctx, ret), 0);
	rules = policy_rules_of(ret);
	rules.own = a->own;
	rules.n_own = 2;
	rules.who = (struct conf_who){.user = a->who->user,
				      .addr = a->who->from,
				      .groups = &a->groups,
				      .marks = a->who->marks,
				      .minute = (int)a->minute};
	return rules;
}

static void answered(const struct asker *a, bool is, bool want, const char *to, const char *at,
		     unsigned int port)
{
	compare(a->tally, is, want, a->text, a->who->user, a->minute, to, at, port);
}

static void ask_direct(const struct asker *a, unsigned int port)
{
	struct conf_session s;
	struct policy_rules rules = rules_of(a, NULL, &s);

	for (size_t i = 0; i < NELEM(places); i++) {
		const char *host = places[i].host;
		struct bits b = o_addr(places[i].addr);
		struct link_addr addr;
		struct conf_dest dest;
		struct policy_why why;

		cr_assert(addr_parse(places[i].addr, &addr));
		if (a->set->dest.host != NULL) {
			dest = policy_dest_at(&rules, host, &addr, (uint16_t)port);
			conf_session_fini(&s);
			rules = rules_of(a, &dest, &s);
		}
		answered(a,
			 policy_may_ask(&rules, &a->grant, host, (uint16_t)port, &why) &&
				 policy_may_connect(&rules, host, &addr, (uint16_t)port, &why),
			 o_direct(a->set, a->who, a->minute, host, &b, port), host, places[i].addr,
			 port);
	}
	conf_session_fini(&s);
}

static void ask_listen(const struct asker *a, const struct policy_rules *rules, unsigned int port)
{
	static const char *const asked[] = {
		"",   "*",  "localhost", "127.0.0.1",  "127.0.0.2", "::1",           "0.0.0.0",
		"::", OWN4, OWN6,        "192.0.2.77", "db.corp",   ("::ffff:" OWN4)};

	for (size_t i = 0; i < NELEM(asked); i++) {
		struct policy_why why;
		struct link_addr at;
		enum policy_where where = policy_listen_where(rules, asked[i], &at);
		bool may = policy_may_listen(rules, &a->grant, asked[i], (uint16_t)port, &why) &&
			   where != POLICY_NOWHERE &&
			   policy_may_bind(rules, where, &at, (uint16_t)port, &why);

		a->tally->listens += may;
		answered(a, may, o_listen(a->set, a->who, a->minute, asked[i], port), asked[i],
			 "listen", port);
		answered(a, policy_may_listen_low(rules, asked[i], (uint16_t)port),
			 o_permits_listen(&a->set->listens, asked[i], port, true), asked[i],
			 "low port", port);
	}
}

static void set_ask(const struct o_set *set, const char *text, struct tally *t)
{
	unsigned int port = ports[rnd_below(&r, NELEM(ports))];
	struct policy_rules rules;
	struct conf_session s;
	struct policy_why why;
	struct asker a;

	asker_init(&a, set, text, t);
	ask_direct(&a, port);
	rules = rules_of(&a, NULL, &s);
	ask_listen(&a, &rules, chance(4) ? 0 : port);
	for (size_t i = 1; i < NELEM(paths); i++) {
		answered(&a, policy_may_open_socket(&s, &rules, &a.grant, paths[i], &why),
			 o_socket(set, a.who, a.minute, paths[i]), paths[i], "", 0);
		answered(&a, policy_may_listen_socket(&s, &a.grant, paths[i]),
			 o_listen_socket(set, paths[i]), paths[i], "listen", 0);
	}
	conf_session_fini(&s);
	asker_fini(&a);
}

static const char *one_of(const char *const *v, size_t n)
{
	return v[rnd_below(&r, (uint32_t)n)];
}

/* The first of them stands alone. */
static struct o_entries entries_draw(const char *const *v, size_t n, unsigned int alone)
{
	struct o_entries e = {.n = 1 + rnd_below(&r, ENTRIES_MAX)};

	if (chance(2))
		return (struct o_entries){{one_of(v, alone)}, 1};
	for (size_t i = 0; i < e.n; i++)
		e.v[i] = one_of(v + alone, n - alone);
	return e;
}

static void entries_print(const char *keyword, const struct o_entries *e, FILE *f)
{
	fputs(keyword, f);
	for (size_t i = 0; i < e->n; i++)
		fprintf(f, " %s", e->v[i]);
	fputc('\n', f);
}

static void entries_set(struct o_set *set)
{
	static const char *const open[] = {"any",          "any",          "any",
					   "none",         "db.corp:80",   "127.0.0.2:80",
					   "localhost:80", "10.1.2.3:443", "[::1]:*",
					   "*:22",         "web.corp:*",   "[2001:db8::5]:80"};
	static const char *const listen[] = {
		"any",          "any",       "none",        "8080",          "*",
		"*:80",         "*:443",     "localhost:*", "local*:8080",   OWN4 ":80",
		"[" OWN6 "]:1", "0.0.0.0:*", "198.18.*:22", "127.0.0.?:443", "65535"};
	static const char *const sockets[] = {"none", "/run/*", "/run/app.sock", "/run/?pp.*",
					      "/var/x"};

	set->open = entries_draw(open, NELEM(open), 4);
	set->listens = entries_draw(listen, NELEM(listen), 3);
	set->open_sockets = entries_draw(sockets, NELEM(sockets), 1);
	set->listen_sockets = entries_draw(sockets, NELEM(sockets), 1);
	if (chance(8))
		set->key_open = entries_draw(open + 4, NELEM(open) - 4, 1);
	if (chance(4))
		set->key_listens = entries_draw(listen + 3, NELEM(listen) - 3, 1);
}

/* One HOST of a rule, with its port, as Match has it. */
static void dest_set(struct o_set *set)
{
	do
		set->dest = target_draw();
	while (set->dest.path);
	set->dest.to = set->dest.from == 0 ? 65535 : set->dest.from;
	set->dest_disables = chance(2);
}

static void dest_print(const struct o_set *set, FILE *f)
{
	bool six = strchr(set->dest.host, ':') != NULL;

	fprintf(f, "Match dest %s%s%s", six ? "[" : "", set->dest.host, six ? "]" : "");
	if (set->dest.from != 0)
		fprintf(f, ":%u", set->dest.from);
	fprintf(f, "\n%s\n", set->dest_disables ? "DisableForwarding yes" : "PermitOpen none");
}

static void set_print(const struct o_set *set, FILE *f)
{
	for (size_t i = 0; i < set->n; i++)
		rule_print(&set->rule[i], "TargetRule", f);
	for (size_t i = 0; i < set->n_listen; i++)
		rule_print(&set->listen[i], "ListenRule", f);
	fprintf(f, "AllowTcpForwarding %s\nAllowStreamLocalForwarding %s\n", set->tcp,
		set->sockets);
	fprintf(f, "DisableForwarding %s\nGatewayPorts %s\n", set->disable ? "yes" : "no",
		set->gateway);
	entries_print("PermitOpen", &set->open, f);
	entries_print("PermitListen", &set->listens, f);
	entries_print("PermitStreamLocal", &set->open_sockets, f);
	entries_print("PermitStreamLocalListen", &set->listen_sockets, f);
	if (set->dest.host != NULL)
		dest_print(set, f);
}

static void set_draw(struct o_set *set)
{
	static const char *const way[] = {"yes", "yes", "yes", "yes", "local", "remote", "no"};
	static const char *const gateway[] = {"no", "yes", "clientspecified", "clientspecified"};

	*set = (struct o_set){.n = rnd_below(&r, RULES_MAX + 1),
			      .n_listen = rnd_below(&r, RULES_MAX + 1),
			      .tcp = one_of(way, NELEM(way)),
			      .sockets = one_of(way, NELEM(way)),
			      .gateway = one_of(gateway, NELEM(gateway)),
			      .disable = chance(20),
			      .key_forwards = !chance(20)};
	for (size_t i = 0; i < set->n; i++)
		set->rule[i] = rule_draw(target_draw);
	for (size_t i = 0; i < set->n_listen; i++)
		set->listen[i] = rule_draw(place_draw);
	entries_set(set);
	if (chance(4))
		dest_set(set);
}

Test(policy_oracle, s74_random_rules, .timeout = 600)
{
	unsigned int sets = test_long() ? 100000 : 2000;
	struct tally t = {0};

	r = rnd_new(rnd_seed());
	for (unsigned int i = 0; i < sets; i++) {
		struct o_set set;
		char *text;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		set_draw(&set);
		set_print(&set, f);
		fclose(f);
		for (unsigned int k = 0; k < 2; k++)
			set_ask(&set, text, &t);
		free(text);
	}
	printf("%u sets of rules, %lu questions, %lu allowed, %lu to listen, %lu too many, %lu too "
	       "few\n",
	       sets, t.asked, t.allowed, t.listens, t.over, t.under);
	cr_expect_eq(t.over, 0);
	cr_expect_eq(t.under, 0);
	cr_expect_gt(t.allowed, t.asked / 50);
	cr_expect_gt(t.listens, t.asked / 200);
}

/* --- sluice-control -T -C
 * ----------------------------------------------------------------------------- */

#define CONF                                                                                       \
	"DenyClients 203.0.113.0/24\n"                                                             \
	"TargetRule deny *:25\n"                                                                   \
	"TargetRule allow 10.0.0.0/8:22,80 localhost:90 user=alice time=Mon-Fri/08:00-18:00\n"     \
	"TargetRule allow *:443 group=dev principal=web key=" KEY1 "\n"                            \
	"TargetRule allow /run/x\n"                                                                \
	"ListenRule allow localhost:8000-8010\n"                                                   \
	"Match user bob\n"                                                                         \
	"PermitOpen none\n"                                                                        \
	"Match dest 10.9.0.0/16\n"                                                                 \
	"DisableForwarding yes\n"                                                                  \
	"Match user eve\n"                                                                         \
	"AllowTcpForwarding no\n"                                                                  \
	"Match user mallory\n"                                                                     \
	"DenyUsers mallory@192.0.2.*\n"                                                            \
	"Match user carol\n"                                                                       \
	"AllowGroups dev root\n"                                                                   \
	"Match user root\n"                                                                        \
	"DenyGroups root\n"                                                                        \
	"Match address 198.51.100.0/24\n"                                                          \
	"RefuseConnection yes\n"

static void expect_answer(const char *conf_text, const char *spec, const char *says, int ret)
{
	struct conf *conf = parse(conf_text);
	char *text = NULL, *copy = strdup(spec);
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct ask a;

	ask_init(&a);
	cr_assert_eq(ask_parse(&a, copy), 0, "%s", spec);
	cr_expect(ask_tunnel(&a));
	cr_expect_eq(ask_look_up(&a), 0);
	cr_expect_eq(ask_print(&a, conf, f), ret, "%s", spec);
	fclose(f);
	cr_expect_str_eq(text, says, "%s", spec);
	ask_fini(&a);
	free(text);
	free(copy);
	conf_put(conf);
}

Test(policy_oracle, what_is_asked_for_is_answered)
{
	static const struct {
		const char *spec, *says;
		int r;
	} c[] = {
		{"user=alice,dest=10.0.0.1:80,time=Mon/08:00",
		 "allow 10.0.0.1 test line 3: TargetRule allow 10.0.0.0/8:22,80 localhost:90 "
		 "user=alice time=Mon-Fri/08:00-18:00\n",
		 1},
		{"user=alice,dest=10.0.0.1:80,time=Mon/18:00",
		 "deny 10.0.0.1 default: no TargetRule is about it\n", 0},
		{"user=alice,dest=mail.invalid:25",
		 "deny mail.invalid test line 2: TargetRule deny *:25\n", 0},
		{"user=x,group=dev,principal=web,key=" KEY1 ",dest=[2001:db8::1]:443",
		 "allow 2001:db8::1 test line 4: TargetRule allow *:443 group=dev principal=web "
		 "key=" KEY1 "\n",
		 1},
		{"user=x,group=dev,dest=[2001:db8::1]:443",
		 "deny 2001:db8::1 default: no TargetRule is about it\n", 0},
		{"user=bob,dest=10.0.0.1:80", "deny 10.0.0.1 test line 8: PermitOpen\n", 0},
		{"user=eve,dest=10.0.0.1:80", "deny 10.0.0.1 test line 12: AllowTcpForwarding\n",
		 0},
		{"user=alice,dest=10.9.0.1:80,time=Mon/12:00",
		 "deny 10.9.0.1 test line 10: DisableForwarding\n", 0},
		{"user=alice,dest=/run/x", "allow /run/x test line 5: TargetRule allow /run/x\n",
		 1},
		{"user=alice,dest=/run/y", "deny /run/y default: PermitStreamLocal\n", 0},
		{"user=alice,listen=localhost:8000",
		 "allow localhost test line 6: ListenRule allow localhost:8000-8010\n", 1},
		{"user=alice,listen=:8011", "deny * default: no ListenRule is about it\n", 0},
		{"user=mallory,addr=192.0.2.7,dest=10.0.0.1:80",
		 "deny login test line 14: DenyUsers\n", 0},
		{"user=mallory,addr=192.0.3.7,dest=10.0.0.1:80",
		 "deny 10.0.0.1 default: no TargetRule is about it\n", 0},
		{"user=carol,group=ops,dest=10.0.0.1:80", "deny login test line 16: AllowGroups\n",
		 0},
		{"user=carol,dest=10.0.0.1:80", "deny login test line 16: AllowGroups\n", 0},
		{"user=carol,group=dev,dest=10.0.0.1:80",
		 "deny 10.0.0.1 default: no TargetRule is about it\n", 0},
		{"user=root,listen=localhost:8000", "deny login test line 18: DenyGroups\n", 0},
		{"user=x,addr=203.0.113.9,dest=10.0.0.1:80",
		 "deny login test line 1: DenyClients\n", 0},
		{"user=alice,addr=198.51.100.1,listen=localhost:8000",
		 "deny login test line 20: RefuseConnection\n", 0},
		{"dest=10.0.0.1", "", -EINVAL},
		{"dest=10.0.0.1:0", "", -EINVAL},
		{"dest=:80", "", -EINVAL},
		{"dest=db:65536", "", -EINVAL},
		{"dest=db:80x", "", -EINVAL},
		{"listen=x", "", -EINVAL},
	};

	for (size_t i = 0; i < NELEM(c); i++)
		expect_answer(CONF, c[i].spec, c[i].says, c[i].r);
}

Test(policy_oracle, special_addresses_are_nobodys)
{
	static const char *const line[] = {"", "PermitOpen 127.0.0.1:80\n"};
	static const char *const says[] = {
		"deny 127.0.0.1 default: the address is special, and nothing names it\n",
		"allow 127.0.0.1 test line 2: PermitOpen\n"};

	for (size_t i = 0; i < NELEM(line); i++) {
		char conf_text[128];

		snprintf(conf_text, sizeof(conf_text), "ListenAddress 127.0.0.1:22\n%s", line[i]);
		expect_answer(conf_text, "dest=127.0.0.1:80", says[i], (int)i);
	}
}

/* Rules that allow it lead nowhere. */
Test(policy_oracle, an_address_of_the_other_family)
{
	static const struct {
		const char *spec, *says;
		int r;
	} c[] = {
		{"dest=[2001:db8::1]:80", "deny 2001:db8::1 test line 1: AddressFamily\n", 0},
		{"dest=192.0.2.1:80", "allow 192.0.2.1 test line 3: PermitOpen\n", 1},
		{"listen=[::1]:8000", "deny ::1 test line 1: AddressFamily\n", 0},
		{"listen=localhost:8000", "allow localhost default: PermitListen\n", 1},
	};

	for (size_t i = 0; i < NELEM(c); i++)
		expect_answer("AddressFamily inet\nListenAddress 127.0.0.1:22\nPermitOpen *:80\n",
			      c[i].spec, c[i].says, c[i].r);
}

Test(policy_oracle, questions_that_are_none)
{
	static const char *const bad[] = {
		"user", "who=alice",      "lport=0",   "lport=x",       "time=Mon",
		"time", "time=Mon/24:00", "time=8:00", "invalid-users", "user=a,x=b"};

	for (size_t i = 0; i < NELEM(bad); i++) {
		char spec[64];
		struct ask a;

		snprintf(spec, sizeof(spec), "%s", bad[i]);
		ask_init(&a);
		cr_expect_eq(ask_parse(&a, spec), -EINVAL, "%s", bad[i]);
	}
}

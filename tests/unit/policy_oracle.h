/*
 * tests/unit/policy_oracle.h - what a set of rules allows, as the manual says it (S-74): slow,
 * obvious, and knowing nothing of conf/ or control/policy/. Addresses are strings of bits, hours are
 * a set of minutes, patterns are tried out.
 */
#ifndef SLUICE_TESTS_UNIT_POLICY_ORACLE_H
#define SLUICE_TESTS_UNIT_POLICY_ORACLE_H

#include <arpa/inet.h>

#include "tests/unit/conf_bench.h"

#define KEY1 "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY2 "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define WEEK (7 * 1440)

/* --- the oracle: patterns --------------------------------------------------------------------- */

static bool o_glob(const char *text, const char *pattern)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern == '*')
		return o_glob(text, pattern + 1) || (*text != '\0' && o_glob(text + 1, pattern));
	return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
	       o_glob(text + 1, pattern + 1);
}

/* 1: named; -1: taken out; 0: neither. */
static int o_list(const char *text, const char *list)
{
	char copy[256], *save = NULL;
	int is = 0;

	snprintf(copy, sizeof(copy), "%s", list);
	for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		if (!o_glob(text, p + (*p == '!')))
			continue;
		if (*p == '!')
			return -1;
		is = 1;
	}
	return is;
}

static bool o_any(const char *const *texts, const char *list)
{
	bool is = false;

	for (; *texts != NULL; texts++) {
		int one = o_list(*texts, list);

		if (one < 0)
			return false;
		is |= one > 0;
	}
	return is;
}

/* --- the oracle: addresses, as "4" or "6" and their bits
 * ------------------------------------------- */

struct bits {
	char text[1 + 128 + 1];
};

static void o_bytes(struct bits *b, const uint8_t *p, size_t n)
{
	char *to = b->text;

	*to++ = n == 4 ? '4' : '6';
	for (size_t i = 0; i < n * 8; i++)
		*to++ = p[i / 8] & (0x80 >> i % 8) ? '1' : '0';
	*to = '\0';
}

static struct bits o_addr(const char *text)
{
	static const char mapped[] = "6"
				     "00000000000000000000000000000000"
				     "00000000000000000000000000000000"
				     "00000000000000001111111111111111";
	uint8_t a[16];
	struct bits b;

	if (inet_pton(AF_INET, text, a) == 1)
		o_bytes(&b, a, 4);
	else if (inet_pton(AF_INET6, text, a) == 1)
		o_bytes(&b, a, 16);
	else
		cr_assert_fail("%s", text);
	if (strncmp(b.text, mapped, strlen(mapped)) == 0) {
		memmove(b.text + 1, b.text + strlen(mapped), 33);
		b.text[0] = '4';
	}
	return b;
}

static struct bits o_net(const char *text)
{
	const char *slash = strchr(text, '/');
	char addr[64];
	struct bits b;

	snprintf(addr, sizeof(addr), "%.*s", (int)strcspn(text, "/"), text);
	b = o_addr(addr);
	if (slash != NULL)
		b.text[1 + atoi(slash + 1)] = '\0';
	return b;
}

static bool o_in(const struct bits *a, const struct bits *net)
{
	return strncmp(a->text, net->text, strlen(net->text)) == 0;
}

#define OWN4 "198.18.0.2"
#define OWN6 "2001:db8:5::2"

/* How many bits must be named; 0: any number. */
static size_t o_special(const struct bits *a)
{
	static const char *const nets[] = {"0.0.0.0/8",
					   "127.0.0.0/8",
					   "169.254.0.0/16",
					   "224.0.0.0/4",
					   "240.0.0.0/4",
					   "169.254.169.254/32",
					   "::/96",
					   "::/128",
					   "::1/128",
					   "fe80::/10",
					   "ff00::/8",
					   "fd00:ec2::254/128",
					   "100.100.100.200/32",
					   OWN4 "/32",
					   OWN6 "/128"};
	struct bits within = {"4"}, nat64 = o_net("64:ff9b::/96"), sixto4 = o_net("2002::/16");
	size_t most = 0;

	for (size_t i = 0; i < NELEM(nets); i++) {
		struct bits n = o_net(nets[i]);

		if (o_in(a, &n) && strlen(n.text) - 1 > most)
			most = strlen(n.text) - 1;
	}
	if (o_in(a, &nat64)) {
		strcpy(within.text + 1, a->text + 1 + 96);
		return o_special(&within) > 0 ? 96 + o_special(&within) : most;
	}
	if (o_in(a, &sixto4)) {
		memcpy(within.text + 1, a->text + 1 + 16, 32);
		within.text[33] = '\0';
		return o_special(&within) > 0 ? 16 + o_special(&within) : most;
	}
	return most;
}

/* --- the oracle: rules
 * ----------------------------------------------------------------------------- */

struct o_target {
	bool negated, path;
	const char *host; /* *, a pattern, or a network; of a path, all of it */
	unsigned int from, to;
};
struct o_span {
	unsigned int day, days, from, to; /* to < from: over midnight */
	bool negated;
};
enum { BY_USER, BY_GROUP, BY_KEY, BY_PRINCIPAL, BY_KEYID, BY_FROM, BYS };
struct o_rule {
	bool allow;
	struct o_target target[3];
	size_t n_targets;
	const char *by[BYS]; /* NULL: whoever */
	struct o_span span[2];
	size_t n_spans;
};

struct o_who {
	const char *user, *groups[4], *keys[3], *key_ids[3], *principals[4], *from;
	const char *marks; /* the same, for what is tested */
};

/* All three methods of login, and who came by two. */
static const struct o_who people[] = {
	{"alice",
	 {"dev", "users"},
	 {KEY1},
	 {"alice@box"},
	 {"ops", "db"},
	 "192.0.2.9",
	 "k" KEY1 "\0ialice@box\0pops\0pdb\0"},
	{"bob", {"users"}, {KEY2}, {NULL}, {NULL}, "203.0.113.7", "k" KEY2 "\0"},
	{"carol", {"admin"}, {NULL}, {NULL}, {NULL}, "2001:db8:9::1", ""},
	{"dave",
	 {"dev"},
	 {KEY1, KEY2},
	 {"d"},
	 {"web"},
	 "192.0.2.77",
	 "k" KEY2 "\0k" KEY1 "\0id\0pweb\0"},
};

static const struct {
	const char *host, *addr;
} places[] = {
	{"db.corp", "10.1.2.3"},
	{"DB.corp.", "10.1.2.3"},
	{"web.corp", "10.1.9.9"},
	{"evil.net", "10.1.2.3"},
	{"evil.net", "127.0.0.1"},
	{"localhost", "127.0.0.1"},
	{"localhost", "::1"},
	{"localhost", "10.1.2.3"},
	{"10.1.2.3", "10.1.2.3"},
	{"127.0.0.2", "127.0.0.2"},
	{"::ffff:10.1.2.3", "::ffff:10.1.2.3"},
	{"web.corp", "::ffff:127.0.0.1"},
	{"web.corp", "169.254.169.254"},
	{"web.corp", "169.254.7.7"},
	{"web.corp", "2001:db8::5"},
	{"2001:db8::5", "2001:db8::5"},
	{"db.corp", "64:ff9b::7f00:1"},
	{"db.corp", "64:ff9b::a01:203"},
	{"db.corp", "2002:7f00:1::1"},
	{"db.corp", OWN4},
	{OWN6, OWN6},
	{"db.corp", "2002:c612:2::1"},
	{"db.corp", "fe80::1"},
	{"db.corp", "224.0.0.1"},
};
static const char *const hosts[] = {"*",
				    "*.corp",
				    "db.*",
				    "web.corp",
				    "??.corp",
				    "localhost",
				    "evil.net",
				    "10.0.0.0/8",
				    "10.1.2.0/24",
				    "10.1.2.3",
				    "0.0.0.0/0",
				    "127.0.0.0/8",
				    "127.0.0.1",
				    "169.254.0.0/16",
				    "169.254.169.254",
				    "::/0",
				    "2001:db8::/32",
				    "::1",
				    "64:ff9b::/96",
				    "64:ff9b::7f00:0/104",
				    "2002::/16",
				    "2002:7f00::/24",
				    "198.18.0.0/15",
				    OWN4,
				    OWN6,
				    "fe80::/10",
				    "224.0.0.0/4",
				    "::ffff:10.0.0.0/104"};
static const char *const paths[] = {"/run/*", "/run/app.sock", "/run/?pp.*", "/var/x"};
static const unsigned int ports[] = {1, 22, 80, 443, 8080, 65535};
static const char *const lists[BYS][4] = {
	[BY_USER] = {"alice", "a*,bob", "!carol,*", "c?rol"},
	[BY_GROUP] = {"dev", "users,!dev", "ad*", "*"},
	[BY_KEY] = {KEY1, KEY2, KEY1 "," KEY2, "!" KEY2 "," KEY1},
	[BY_PRINCIPAL] = {"ops", "db,!ops", "w*", "*"},
	[BY_KEYID] = {"alice@*", "d", "*", "x"},
	[BY_FROM] = {"192.0.2.0/24", "203.0.113.7", "!192.0.2.9,192.0.2.0/24", "2001:db8::/32"},
};
static const char *const names[BYS] = {"user", "group", "key", "principal", "keyid", "from"};

static bool is_net(const char *host)
{
	return strpbrk(host, ":/") != NULL || (*host >= '0' && *host <= '9');
}

static bool is_literal(const char *host)
{
	return strchr(host, ':') != NULL || (*host >= '0' && *host <= '9');
}

/* As somebody would ask for it who does not care how it is written. */
static void plain_name(const char *host, char to[64])
{
	size_t n = strlen(host);

	for (size_t i = 0; i <= n; i++)
		to[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 32 : host[i]);
	if (n > 0 && to[n - 1] == '.')
		to[n - 1] = '\0';
}

static bool o_host(const char *want, const char *host, const struct bits *a, bool must_name)
{
	size_t need = must_name ? o_special(a) : 0;
	struct bits four = o_addr("127.0.0.1"), six = o_addr("::1"), net;
	char name[64];

	if (is_net(want)) {
		net = o_net(want);
		if (strncmp(want, "::ffff:", 7) == 0)
			net = o_net("10.0.0.0/8");
		return o_in(a, &net) && strlen(net.text) - 1 >= need;
	}
	if (strcmp(want, "*") == 0)
		return need == 0;
	if (is_literal(host))
		return false;
	plain_name(host, name);
	if (!o_glob(name, want))
		return false;
	return need == 0 || (strcmp(want, "localhost") == 0 &&
			     (strcmp(a->text, four.text) == 0 || strcmp(a->text, six.text) == 0));
}

static bool o_who_is(const struct o_rule *rule, const struct o_who *who, unsigned int minute)
{
	const char *user[] = {who->user, NULL};
	const char *const *of[] = {user, who->groups, who->keys, who->principals, who->key_ids};
	static bool set[2][WEEK];
	struct bits from = o_addr(who->from);
	bool in = rule->n_spans == 0;

	for (size_t i = 0; i < BY_FROM; i++)
		if (rule->by[i] != NULL && !o_any(of[i], rule->by[i]))
			return false;
	if (rule->by[BY_FROM] != NULL) {
		const char *list = rule->by[BY_FROM];
		bool named = false, out = false;

		while (*list != '\0') {
			char one[64];
			struct bits net;

			snprintf(one, sizeof(one), "%.*s", (int)strcspn(list, ","), list);
			net = o_net(one + (*one == '!'));
			if (o_in(&from, &net))
				*(*one == '!' ? &out : &named) = true;
			list += strcspn(list, ",");
			list += *list == ',';
		}
		if (out || !named)
			return false;
	}
	for (size_t i = 0; i < rule->n_spans; i++) {
		const struct o_span *s = &rule->span[i];
		unsigned int len = s->to > s->from ? s->to - s->from : s->to + 1440 - s->from;

		memset(set[i], 0, sizeof(set[i]));
		for (unsigned int d = 0; d < s->days; d++)
			for (unsigned int m = 0; m < len; m++)
				set[i][((s->day + d) % 7 * 1440 + s->from + m) % WEEK] = true;
		if (set[i][minute] && s->negated)
			return false;
		in |= set[i][minute];
	}
	return in;
}

static bool o_rule_hits(const struct o_rule *rule, const struct o_who *who, unsigned int minute,
			const char *host, const struct bits *a, const char *path, unsigned int port)
{
	bool named = false;

	if (!o_who_is(rule, who, minute))
		return false;
	for (size_t i = 0; i < rule->n_targets; i++) {
		const struct o_target *t = &rule->target[i];
		bool hit;

		if (path != NULL || t->path)
			hit = path != NULL && t->path && o_glob(path, t->host);
		else
			hit = t->from <= port && port <= t->to &&
			      o_host(t->host, host, a, rule->allow != t->negated);
		if (hit && t->negated)
			return false;
		named |= hit;
	}
	return named;
}

/* --- the oracle: all that is said, and channels ------------------------------------------------ */

#define RULES_MAX   5
#define ENTRIES_MAX 3

/* Entries of PermitOpen and the like; none: not said. */
struct o_entries {
	const char *v[ENTRIES_MAX];
	size_t n;
};

struct o_set {
	struct o_rule rule[RULES_MAX], listen[RULES_MAX];
	size_t n, n_listen;
	const char *tcp, *sockets, *gateway; /* Allow…Forwarding, GatewayPorts */
	bool disable, key_forwards;
	struct o_entries open, listens, open_sockets, listen_sockets;
	struct o_entries key_open, key_listens; /* of the key; none: all */
	struct o_target dest;                   /* Match dest, without a host: there is none, */
	bool dest_disables;                     /* which says this, or PermitOpen none */
};

static bool o_way(const char *allows, const char *way)
{
	return strcmp(allows, "yes") == 0 || strcmp(allows, way) == 0;
}

/* The entry's host without brackets, "*" where it has none. Its port: -1, any. */
static int o_entry(const char *entry, char host[64])
{
	const char *colon = strrchr(entry, ':'), *port = colon != NULL ? colon + 1 : entry;
	bool brackets = *entry == '[';

	if (colon == NULL)
		strcpy(host, "*");
	else
		snprintf(host, 64, "%.*s", (int)(colon - entry) - 2 * brackets, entry + brackets);
	return *port == '*' ? -1 : atoi(port);
}

/* HOST:PORT or any, as it is asked for; a special address by its own name or localhost alone. */
static bool o_permits(const struct o_entries *of, const char *host, unsigned int port)
{
	char want[64];

	for (size_t i = 0; i < of->n; i++) {
		int p = strchr(of->v[i], ':') != NULL ? o_entry(of->v[i], want) : 0;

		if (strcmp(of->v[i], "any") == 0)
			return true;
		if (p != 0 && (p < 0 || p == (int)port) &&
		    (strcmp(want, "*") == 0 || strcasecmp(want, host) == 0))
			return true;
	}
	return false;
}

static bool o_names(const struct o_entries *of, const struct bits *a, unsigned int port)
{
	char host[64];

	for (size_t i = 0; i < of->n; i++) {
		int p = strchr(of->v[i], ':') != NULL ? o_entry(of->v[i], host) : 0;

		if (p == 0 || (p > 0 && p != (int)port))
			continue;
		if (strcmp(host, "localhost") == 0 &&
		    (strcmp(a->text, o_addr("127.0.0.1").text) == 0 ||
		     strcmp(a->text, o_addr("::1").text) == 0))
			return true;
		if (is_literal(host) && strcmp(o_addr(host).text, a->text) == 0)
			return true;
	}
	return false;
}

/* Match dest: no address is special to it. */
static bool o_dest(const struct o_set *s, const char *host, const struct bits *a, unsigned int port)
{
	return s->dest.host != NULL && s->dest.from <= port && port <= s->dest.to &&
	       o_host(s->dest.host, host, a, false);
}

static bool o_direct(const struct o_set *s, const struct o_who *who, unsigned int minute,
		     const char *host, const struct bits *a, unsigned int port)
{
	bool about_hosts = false;

	if (o_dest(s, host, a, port)) /* one disables, the other permits nothing */
		return false;
	if (s->disable || !s->key_forwards || !o_way(s->tcp, "local") ||
	    !o_permits(&s->open, host, port) ||
	    (s->key_open.n > 0 && !o_permits(&s->key_open, host, port)))
		return false;
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = 0; k < s->rule[i].n_targets; k++)
			about_hosts |= !s->rule[i].target[k].path;
		if (o_rule_hits(&s->rule[i], who, minute, host, a, NULL, port))
			return s->rule[i].allow;
	}
	return !about_hosts && (o_special(a) == 0 || o_names(&s->open, a, port));
}

static bool o_path(const struct o_entries *of, const char *path)
{
	for (size_t i = 0; i < of->n; i++)
		if (o_glob(path, of->v[i]))
			return true;
	return false;
}

static bool o_socket(const struct o_set *s, const struct o_who *who, unsigned int minute,
		     const char *path)
{
	if (s->disable || !s->key_forwards || s->key_open.n > 0 || !o_way(s->sockets, "local"))
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (o_rule_hits(&s->rule[i], who, minute, NULL, NULL, path, 0))
			return s->rule[i].allow;
	return o_path(&s->open_sockets, path);
}

/* --- the oracle: listeners -------------------------------------------------------------------- */

/* Of what is bound: one address, or all of a family or of both (0). */
struct o_place {
	bool all;
	int family;
	const char *at;
};

/* By GatewayPorts; how many places, of which each must be allowed. 0: nowhere. */
static size_t o_where(const char *gateway, const char *host, struct o_place ret[2])
{
	static const struct o_place loop[] = {{.at = "127.0.0.1"}, {.at = "::1"}};
	bool client = strcmp(gateway, "clientspecified") == 0;
	bool is_loop = strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;

	if (strcmp(gateway, "yes") == 0 || (client && (*host == '\0' || strcmp(host, "*") == 0)) ||
	    (client && (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0))) {
		*ret = (struct o_place){.all = true};
		if (client && is_literal(host))
			ret->family = *host == '0' ? 4 : 6;
		return 1;
	}
	if ((client && is_loop) || strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0) {
		*ret = (struct o_place){.at = host};
		return 1;
	}
	if (!client || strcmp(host, "localhost") == 0) {
		memcpy(ret, loop, sizeof(loop));
		return 2;
	}
	*ret = (struct o_place){.at = host};
	return is_literal(host) && (strcmp(o_addr(host).text, o_addr(OWN4).text) == 0 ||
				    strcmp(o_addr(host).text, o_addr(OWN6).text) == 0);
}

/* All of what is listened on, which it takes to allow; or any of it. */
static bool o_place_in(const struct o_place *p, const char *want, bool whole)
{
	struct bits net, a;

	if (strcmp(want, "*") == 0)
		return true;
	if (!p->all) {
		a = o_addr(p->at);
		if (strcmp(want, "localhost") == 0)
			return strcmp(p->at, "127.0.0.1") == 0 || strcmp(p->at, "::1") == 0;
		net = o_net(want);
		return o_in(&a, &net);
	}
	if (strcmp(want, "localhost") == 0)
		return !whole;
	net = o_net(want);
	if (whole)
		return net.text[1] == '\0' && p->family == net.text[0] - '0';
	return p->family == 0 || p->family == net.text[0] - '0';
}

static bool o_bind_rule(const struct o_rule *rule, const struct o_place *p, unsigned int port)
{
	bool named = false;

	for (size_t i = 0; i < rule->n_targets; i++) {
		const struct o_target *t = &rule->target[i];
		bool hit = t->from <= port && port <= t->to &&
			   o_place_in(p, t->host, rule->allow != t->negated);

		if (hit && t->negated)
			return false;
		named |= hit;
	}
	return named;
}

static bool o_bind(const struct o_set *s, const struct o_who *who, unsigned int minute,
		   const struct o_place *p, unsigned int port)
{
	for (size_t i = 0; i < s->n_listen; i++)
		if (o_who_is(&s->listen[i], who, minute) && o_bind_rule(&s->listen[i], p, port))
			return s->listen[i].allow;
	return s->n_listen == 0;
}

/* low: by an entry that has the port's number. */
static bool o_permits_listen(const struct o_entries *of, const char *host, unsigned int port,
			     bool low)
{
	char want[64];

	for (size_t i = 0; i < of->n; i++) {
		int p;

		if (strcmp(of->v[i], "none") == 0)
			return false;
		if (strcmp(of->v[i], "any") == 0)
			return !low;
		p = o_entry(of->v[i], want);
		if ((p < 0 ? !low : p == (int)port) && o_glob(host, want))
			return true;
	}
	return false;
}

static bool o_listen(const struct o_set *s, const struct o_who *who, unsigned int minute,
		     const char *host, unsigned int port)
{
	struct o_place at[2];
	size_t n = o_where(s->gateway, host, at);

	if (s->disable || !s->key_forwards || !o_way(s->tcp, "remote") ||
	    !o_permits_listen(&s->listens, host, port, false) ||
	    (s->key_listens.n > 0 && !o_permits_listen(&s->key_listens, host, port, false)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!o_bind(s, who, minute, &at[i], port))
			return false;
	return n > 0;
}

static bool o_listen_socket(const struct o_set *s, const char *path)
{
	return !s->disable && s->key_forwards && s->key_listens.n == 0 &&
	       o_way(s->sockets, "remote") && o_path(&s->listen_sockets, path);
}

#endif

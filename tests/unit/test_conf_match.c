/*
 * Patterns, address lists, PermitOpen, and addresses as text.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *text, *pattern;
	bool hit;
} patterns[] = {
	{"", "", true},
	{"", "*", true},
	{"", "**", true},
	{"", "?", false},
	{"a", "", false},
	{"a", "a", true},
	{"a", "?", true},
	{"a", "A", false},
	{"ab", "a", false},
	{"ab", "a*", true},
	{"ab", "*b", true},
	{"ab", "*a", false},
	{"ab", "a?", true},
	{"ab", "a??", false},
	{"abcabd", "*ab?", true},
	{"abcabd", "*abc", false},
	{"aXbXc", "a*b*c", true},
	{"a*", "a*", true},
	{"aaaa", "*a*a*a*", true},
	{"aa", "*a*a*a*", false},
};

Test(match, pattern)
{
	for (size_t i = 0; i < NELEM(patterns); i++)
		cr_expect_eq(match_pattern(patterns[i].text, patterns[i].pattern), patterns[i].hit,
			     "%s ~ %s", patterns[i].text, patterns[i].pattern);
	cr_expect(match_pattern_nocase("Host.EXAMPLE", "host.*ple"));
}

/* A pattern of many stars that nearly matches must not take exponential time. */
Test(match, stars_are_cheap, .timeout = 5)
{
	char text[4096], pattern[2048];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	cr_expect_not(match_pattern(text, pattern));
}

static const struct {
	const char *text, *list;
	enum match_result r;
} lists[] = {
	{"a", "a", MATCH_YES},      {"a", "b,a", MATCH_YES},   {"a", "b,c", MATCH_NO},
	{"a", "!a", MATCH_NEGATED}, {"a", "!b", MATCH_NO},     {"a", "*,!a", MATCH_NEGATED},
	{"a", "!b,*", MATCH_YES},   {"a", "", MATCH_NEGATED},  {"a", "a,", MATCH_NEGATED},
	{"a", ",a", MATCH_NEGATED}, {"a", "!", MATCH_NEGATED}, {"A", "a", MATCH_NO},
};

Test(match, list)
{
	for (size_t i = 0; i < NELEM(lists); i++)
		cr_expect_eq(match_list(lists[i].text, lists[i].list, false), lists[i].r, "%s ~ %s",
			     lists[i].text, lists[i].list);
	cr_expect_eq(match_list("A", "a", true), MATCH_YES);
}

static const struct {
	const char *addr, *list;
	enum match_result r;
} addr_lists[] = {
	{"10.1.2.3", "10.1.2.3", MATCH_YES},
	{"10.1.2.3", "10.1.2.3/32", MATCH_YES},
	{"10.1.2.3", "10.0.0.0/8", MATCH_YES},
	{"10.1.2.3", "0.0.0.0/0", MATCH_YES},
	{"10.1.2.3", "::/0", MATCH_NO},
	{"10.1.2.3", "10.1.2.0/25", MATCH_YES},
	{"10.1.2.131", "10.1.2.0/25", MATCH_NO},
	{"10.1.2.3", "10.1.*", MATCH_YES},
	{"10.1.2.3", "10.1.2.?", MATCH_YES},
	{"10.1.2.3", "*", MATCH_YES},
	{"10.1.2.3", "*.example.com", MATCH_NO},
	{"10.1.2.3", "!10.1.2.3,*", MATCH_NEGATED},
	{"10.1.2.3", "10.0.0.0/8,!10.1.0.0/16", MATCH_NEGATED},
	{"10.2.2.3", "10.0.0.0/8,!10.1.0.0/16", MATCH_YES},
	{"2001:db8::1", "2001:db8::/32", MATCH_YES},
	{"2001:db8::1", "2001:DB8:0::1", MATCH_YES},
	{"2001:db9::1", "2001:db8::/32", MATCH_NO},
	{"2001:db8::1", "2001:db8:*", MATCH_YES},
	{"UNKNOWN", "*", MATCH_NO},
	{"UNKNOWN", "!10.0.0.0/8,*", MATCH_NO},
	/* malformed: nothing is allowed by it */
	{"10.1.2.3", "10.1.2.3/8", MATCH_NEGATED},
	{"10.1.2.3", "10.0.0.0/33", MATCH_NEGATED},
	{"10.1.2.3", "10.0.0.0/", MATCH_NEGATED},
	{"10.1.2.3", "10.0.0.0/-1", MATCH_NEGATED},
	{"10.1.2.3", "10.0.0.0/8x", MATCH_NEGATED},
	{"10.1.2.3", "host/8", MATCH_NEGATED},
	{"10.1.2.3", "*,,*", MATCH_NEGATED},
};

Test(match, addr_list)
{
	for (size_t i = 0; i < NELEM(addr_lists); i++)
		cr_expect_eq(match_addr_list(addr_lists[i].addr, addr_lists[i].list),
			     addr_lists[i].r, "%s ~ %s", addr_lists[i].addr, addr_lists[i].list);
}

Test(match, addr_list_validity)
{
	static const char *const good[] = {"10.0.0.0/8", "!10.0.0.0/8,*", "::1", "10.*", "a.b"};
	static const char *const bad[] = {
		"", ",", "!", "a,", "10.0.0.1/8", "10.0.0.0/33", "fd00::1/64", "::/129", "*/8"};

	for (size_t i = 0; i < NELEM(good); i++)
		cr_expect(match_addr_list_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < NELEM(bad); i++)
		cr_expect_not(match_addr_list_valid(bad[i]), "%s", bad[i]);
}

static const struct {
	const char *user, *addr, *pattern;
	bool hit;
	const char *name;
} users[] = {
	{"alice", "10.0.0.1", "alice", true, NULL},
	{"alice", "10.0.0.1", "a*", true, NULL},
	{"alice", "10.0.0.1", "Alice", false, NULL},
	{"alice", "10.0.0.1", "alice@10.0.0.1", true, NULL},
	{"alice", "10.0.0.1", "alice@10.0.0.0/8", true, NULL},
	{"alice", "11.0.0.1", "alice@10.0.0.0/8", false, NULL},
	{"bob", "10.0.0.1", "alice@10.0.0.0/8", false, NULL},
	{"alice", "10.0.0.1", "*@10.0.0.0/8,!10.0.0.1", false, NULL},
	{"alice@corp", "10.0.0.1", "alice@corp@10.0.0.1", true, NULL},
	{"alice", "10.0.0.1", "alice@gw.example.com", false, NULL},
	{"alice", "10.0.0.1", "alice@gw.example.com", true, "gw.example.com"},
	{"alice", "10.0.0.1", "alice@GW.*", true, "gw.example.com"},
	{"alice", "10.0.0.1", "bob@gw.example.com", false, "gw.example.com"},
	{"alice", "10.0.0.1", "alice@10.0.0.1", true, "gw.example.com"},
	{"alice", "10.0.0.1", "alice@!gw.example.com,10.0.0.1", false, "gw.example.com"},
};

Test(match, user_host)
{
	for (size_t i = 0; i < NELEM(users); i++)
		cr_expect_eq(match_user_host(users[i].user, users[i].name, users[i].addr,
					     users[i].pattern),
			     users[i].hit, "%s from %s ~ %s", users[i].user, users[i].addr,
			     users[i].pattern);
}

static const struct {
	const char *name, *addr, *list;
	bool hit;
} froms[] = {
	{NULL, "10.0.0.1", "10.0.0.0/8", true},
	{NULL, "10.0.0.1", "*.example.com", false},
	{NULL, "10.0.0.1", "*.example.com,10.*", true},
	{"a.example.com", "10.0.0.1", "*.EXAMPLE.com", true},
	{"a.example.com", "10.0.0.1", "!a.example.com,10.0.0.0/8", false},
	{"a.example.com", "10.0.0.1", "!10.0.0.1,*.example.com", false},
	{NULL, "10.0.0.1", "", false},
	{NULL, "10.0.0.1", "10.0.0.1/8,*", false},
};

Test(match, from)
{
	for (size_t i = 0; i < NELEM(froms); i++)
		cr_expect_eq(match_from(froms[i].name, froms[i].addr, froms[i].list), froms[i].hit,
			     "%s %s ~ %s", froms[i].name, froms[i].addr, froms[i].list);
}

static const struct {
	const char *entry, *host;
	uint16_t port;
	bool hit;
} opens[] = {
	{"any", "x", 1, true},
	{"none", "x", 1, false},
	{"db:5432", "db", 5432, true},
	{"db:5432", "DB", 5432, true},
	{"db:5432", "db", 5433, false},
	{"db:5432", "db2", 5432, false},
	{"db:5432", "db.", 5432, false},
	{"db:*", "db", 1, true},
	{"*:22", "x", 22, true},
	{"*:22", "x", 23, false},
	{"*:*", "x", 65535, true},
	{"10.0.0.1:1", "10.0.0.1", 1, true},
	{"10.0.0.1:1", "10.0.0.01", 1, false},
	{"10.0.0.1:1", "167772161", 1, false},
	{"[::1]:1", "::1", 1, true},
	{"[::1]:1", "0:0::1", 1, true},
	{"[::1]:1", "::2", 1, false},
	{"d*:1", "db", 1, false}, /* a lone star only: no patterns */
	{"db", "db", 1, false},
};

Test(match, permitopen)
{
	for (size_t i = 0; i < NELEM(opens); i++) {
		struct conf_strs list = {&opens[i].entry, 1};

		cr_expect_eq(match_permitopen(&list, opens[i].host, opens[i].port), opens[i].hit,
			     "%s:%u ~ %s", opens[i].host, opens[i].port, opens[i].entry);
	}
	cr_expect_not(match_permitopen(&(struct conf_strs){NULL, 0}, "x", 1));
}

Test(match, permitopen_validity)
{
	static const char *const good[] = {"a:1", "*:*", "[::1]:22", "[*]:1", "10.0.0.1:65535"};
	static const char *const bad[] = {"",        "a",      ":1",    "a:",    "a:0",
					  "a:65536", "a:b",    "::1:1", "[::1]", "[::1]1",
					  "[]:1",    "[::1:1", "any",   "none"};

	for (size_t i = 0; i < NELEM(good); i++)
		cr_expect(match_permitopen_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < NELEM(bad); i++)
		cr_expect_not(match_permitopen_valid(bad[i]), "%s", bad[i]);
}

Test(match, permitlisten)
{
	static const struct {
		const char *entry, *host;
		uint16_t port;
		bool hit;
	} c[] = {
		{"8080", "", 8080, true},
		{"8080", "localhost", 8080, true},
		{"8080", "10.0.0.1", 8081, false},
		{"8080", "", 0, false}, /* any port is for who may have any */
		{"*", "x", 0, true},
		{"*:*", "", 1, true},
		{"localhost:*", "localhost", 0, true},
		{"localhost:*", "LOCALHOST", 9, true},
		{"localhost:*", "127.0.0.1", 9, false},
		{"localhost:*", "", 9, false},
		{"10.0.*:80", "10.0.1.2", 80, true},
		{"10.0.*:80", "10.1.1.2", 80, false},
		{"10.0.0.?:80", "10.0.0.1", 80, true},
		{"10.0.0.?:80", "10.0.0.12", 80, false},
		{"[2001:db8::1]:80", "2001:db8:0::1", 80, true},
		{"[::]:80", "::", 80, true},
		{"any", "", 0, true},
		{"none", "", 80, false},
	};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf_strs list = {&c[i].entry, 1};

		cr_expect_eq(match_permitlisten(&list, c[i].host, c[i].port), c[i].hit,
			     "%s:%u ~ %s", c[i].host, c[i].port, c[i].entry);
	}
	cr_expect_not(match_permitlisten(&(struct conf_strs){NULL, 0}, "x", 1));
}

Test(match, permitlisten_validity)
{
	static const char *const good[] = {"1", "65535", "*", "a:1", "*:*", "[::1]:22", "a*:*"};
	static const char *const bad[] = {"",    "a",	  "0",	   "65536", "80x", "-1",  ":1",
					  "a:",  "a:0",	  "::1:1", "[::1]", "any", "none"};

	for (size_t i = 0; i < NELEM(good); i++)
		cr_expect(match_permitlisten_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < NELEM(bad); i++)
		cr_expect_not(match_permitlisten_valid(bad[i]), "%s", bad[i]);
}

/* Never more than both say: what is doubtful is nothing. */
Test(match, permitlisten_of_two)
{
	static const struct {
		const char *a, *b, *both; /* NULL: nothing */
	} c[] = {
		{"80", "80", "*:80"},	  {"80", "81", NULL},	      {"80", "*", "*:80"},
		{"a:80", "*:*", "a:80"},  {"a:*", "b:*", NULL},	      {"10.*:80", "10.1:*", "10.1:80"},
		{"10.?:1", "10.*:1", NULL}, {"x*:1", "x*:*", "x*:1"}, {"[::1]:5", "5", "[::1]:5"},
		{"", "5", NULL},
	};
	char buf[64];

	for (size_t i = 0; i < NELEM(c); i++)
		for (int turned = 0; turned < 2; turned++) {
			const char *a = turned ? c[i].b : c[i].a, *b = turned ? c[i].a : c[i].b;
			bool some = match_permitlisten_meet(a, b, buf, sizeof(buf));

			cr_expect_eq(some, c[i].both != NULL, "%s and %s", a, b);
			if (some && c[i].both != NULL)
				cr_expect_str_eq(buf, c[i].both);
		}
}

/* --- addresses ------------------------------------------------------------------------- */

Test(addr, endpoints)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{"10.0.0.1", "10.0.0.1:0"},
		{"10.0.0.1:22", "10.0.0.1:22"},
		{"::1", "[::1]:0"},
		{"[::1]", "[::1]:0"},
		{"[::1]:22", "[::1]:22"},
		{"2001:db8::1:22", "[2001:db8::1:22]:0"},
		{"", NULL},
		{":22", NULL},
		{"10.0.0.1:", NULL},
		{"10.0.0.1:0", NULL},
		{"10.0.0.1:65536", NULL},
		{"10.0.0.1:022x", NULL},
		{"10.0.0", NULL},
		{"10.0.0.256", NULL},
		{"010.0.0.1", NULL},
		{"[10.0.0.1]:22", NULL},
		{"[::1", NULL},
		{"[::1]22", NULL},
		{"[::1]:", NULL},
		{"::1%lo", NULL},
		{"gw", NULL},
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct conf_addr a;
		char text[CONF_ADDR_TEXT];
		int r = conf_endpoint_parse(cases[i].text, &a);

		cr_expect_eq(r, cases[i].want == NULL ? -EINVAL : 0, "%s", cases[i].text);
		if (r == 0)
			cr_expect_str_eq(conf_endpoint_text(&a, text), cases[i].want);
	}
}

Test(addr, longest_texts_fit)
{
	static const char v6[] = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
	char text[CONF_ADDR_TEXT], longer[CONF_ADDR_TEXT + 64];
	struct conf_addr a;
	struct conf_prefix p;

	cr_assert_eq(conf_addr_parse(v6, &a), 0);
	a.port = 65535;
	conf_endpoint_text(&a, text);
	cr_expect_eq(conf_endpoint_parse(text, &a), 0, "%s", text);
	memset(longer, '1', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	cr_expect_eq(conf_endpoint_parse(longer, &a), -EINVAL);
	cr_expect_eq(conf_prefix_parse(longer, &p), -EINVAL);
}

Test(addr, prefixes)
{
	static const struct {
		const char *prefix, *addr;
		bool has;
	} cases[] = {
		{"0.0.0.0/0", "1.2.3.4", true},    {"1.2.3.4", "1.2.3.4", true},
		{"1.2.3.4/31", "1.2.3.5", true},   {"1.2.3.4/31", "1.2.3.6", false},
		{"1.2.3.4/30", "1.2.3.7", true},   {"1.0.0.0/9", "1.127.0.1", true},
		{"1.0.0.0/9", "1.128.0.1", false}, {"::/0", "1.2.3.4", false},
		{"fd00::/8", "fdff::1", true},     {"fd00::/8", "fe00::1", false},
		{"::1/128", "::1", true},          {"::1/127", "::", true},
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct conf_prefix p;
		struct conf_addr a;

		cr_assert_eq(conf_prefix_parse(cases[i].prefix, &p), 0);
		cr_assert_eq(conf_addr_parse(cases[i].addr, &a), 0);
		cr_expect_eq(conf_prefix_has(&p, &a), cases[i].has, "%s in %s", cases[i].addr,
			     cases[i].prefix);
	}
}

/* ChannelTimeout: sshd's patterns, of which the first counts. */
Test(match, time_outs_of_channels)
{
	static const struct {
		const char *entries[3], *type;
		uint32_t ms;
	} c[] = {
		{{"direct-tcpip=10"}, "direct-tcpip", 10000},
		{{"direct-tcpip=10"}, "forwarded-tcpip", 0},
		{{"*-tcpip=1m"}, "forwarded-tcpip", 60000},
		{{"direct-tcpip=0", "*=5"}, "direct-tcpip", 0},
		{{"*=5", "direct-tcpip=0"}, "direct-tcpip", 5000},
		{{"session=5"}, "session:shell", 0},
		{{"session:*=5"}, "session:subsystem:sftp", 5000},
		{{"session:*=5"}, "session", 0},
		{{"*=5"}, "global", 0},
		{{"global=5"}, "global", 5000},
		{{"global=5"}, "direct-tcpip", 0},
		{{"global=5", "*=7"}, "direct-tcpip", 7000},
	};
	static const char *const bad[] = {"direct-tcpip", "=5", "a=", "a=x", "a=5 none", "a=-1"};

	for (size_t i = 0; i < NELEM(c); i++) {
		struct conf_session s = {.channel_timeouts = {c[i].entries, 0}};

		while (s.channel_timeouts.n < 3 && c[i].entries[s.channel_timeouts.n] != NULL)
			s.channel_timeouts.n++;
		cr_expect_eq(conf_channel_timeout(&s, c[i].type), c[i].ms, "case %zu", i);
	}
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct conf *conf = NULL;
		char text[64], *errors = NULL;

		snprintf(text, sizeof(text), "ChannelTimeout %s\n", bad[i]);
		cr_expect_eq(conf_parse("test", text, strlen(text), NULL, &conf, &errors), -EINVAL,
			     "%s", bad[i]);
		free(errors);
	}
}

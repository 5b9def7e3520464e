/* control/policy: who may go where (S-24, S-38, S-74, S-76). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/policy/addr.h"
#include "control/policy/policy.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct policy_why why;

static struct link_addr addr(const char *text)
{
	struct link_addr a = {0};

	cr_assert(addr_parse(text, &a), "%s", text);
	return a;
}

static struct conf_strs list(const char *const *v)
{
	struct conf_strs s = {v, 0};

	while (s.n < 4 && v[s.n] != NULL)
		s.n++;
	return s;
}

Test(control_policy, the_matrix)
{
	enum { NO = CONF_FORWARDING_NO, YES = CONF_FORWARDING_YES, LOCAL = CONF_FORWARDING_LOCAL };
	static const struct {
		int allow;
		bool disable;
		const char *open[4];
		bool forwarding;
		const char *permit[4];
		const char *host;
		uint16_t port;
		bool may;
	} c[] = {
		{YES, false, {"any"}, true, {0}, "db", 5432, true},
		{LOCAL, false, {"any"}, true, {0}, "db", 5432, true},
		{NO, false, {"any"}, true, {0}, "db", 5432, false},
		{YES, true, {"any"}, true, {0}, "db", 5432, false},
		{YES, false, {"none"}, true, {0}, "db", 5432, false},
		{YES, false, {"any"}, false, {0}, "db", 5432, false},
		{YES, false, {"any"}, false, {"db:5432"}, "db", 5432, false},
		{YES, false, {"db:5432"}, true, {0}, "db", 5432, true},
		{YES, false, {"db:5432"}, true, {0}, "db", 5433, false},
		{YES, false, {"db:5432"}, true, {0}, "db2", 5432, false},
		{YES, false, {"db:*"}, true, {0}, "db", 1, true},
		{YES, false, {"*:80"}, true, {0}, "anything", 80, true},
		{YES, false, {"*:80"}, true, {0}, "anything", 81, false},
		{YES, false, {"[2001:db8::1]:80"}, true, {0}, "2001:db8:0::1", 80, true},
		{YES, false, {"10.0.0.1:80"}, true, {0}, "10.0.0.1", 80, true},
		{YES, false, {"10.0.0.1:80"}, true, {0}, "10.0.0.10", 80, false},
		{YES, false, {"any"}, true, {"db:5432"}, "db", 5432, true},
		{YES, false, {"any"}, true, {"db:5432"}, "web", 80, false},
		/* Both voices must agree. */
		{YES, false, {"db:5432", "web:80"}, true, {"web:*"}, "web", 80, true},
		{YES, false, {"db:5432", "web:80"}, true, {"web:*"}, "db", 5432, false},
		{YES, false, {"db:5432"}, true, {"web:*"}, "web", 80, false},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct policy_rules r = {.allow_tcp_forwarding = (enum conf_forwarding)c[i].allow,
					 .disable_forwarding = c[i].disable,
					 .permit_open = list(c[i].open)};
		struct policy_grant g = {.port_forwarding = c[i].forwarding};

		for (size_t k = 0; k < 4 && c[i].permit[k] != NULL; k++)
			cr_assert_eq(policy_grant_permit(&g, c[i].permit[k]), 0);
		cr_expect_eq(policy_may_ask(&r, &g, c[i].host, c[i].port, &why), c[i].may,
			     "case %zu", i);
		policy_grant_fini(&g);
	}
}

Test(control_policy, permits_of_keys_that_are_refused)
{
	static const char *const bad[] = {
		"",      "db",     "db:",    ":80",   "db:0",    "db:65536", "db:4294967295",
		"db:-1", "db:80x", "::1:80", "[::1]", "[::1:80", "[db]:80x"};
	struct policy_grant g = policy_grant_full();

	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(policy_grant_permit(&g, bad[i]), -EINVAL, "%s", bad[i]);
	cr_expect_eq(g.n_permitopen, 0);
	policy_grant_fini(&g);
}

Test(control_policy, addresses_no_tunnel_leads_to)
{
	static const struct {
		const char *text;
		bool may;
	} c[] = {
		{"198.51.100.1", true},
		{"10.0.0.1", true},
		{"192.168.1.1", true},
		{"100.64.0.1", true},
		{"2001:db8::1", true},
		{"fd00::1", true},
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"169.254.169.254", false},
		{"169.254.0.1", false},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"255.255.255.255", false},
		{"240.0.0.1", false},
		{"::", false},
		{"::1", false},
		{"::127.0.0.1", false},
		{"fe80::1", false},
		{"febf::1", false},
		{"ff02::1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:169.254.169.254", false},
		{"::ffff:0.0.0.0", false},
		{"::ffff:10.0.0.1", true},
		{"fd00:ec2::254", false},
		{"fd20:ce::254", false},
		{"fd20:ce::255", true},
		{"100.100.100.200", false},
		{"100.100.100.201", true},
		{"168.63.129.16", false},
		{"192.0.0.192", false},
		/* by a translator, by a tunnel */
		{"64:ff9b::127.0.0.1", false},
		{"64:ff9b::169.254.169.254", false},
		{"64:ff9b::10.0.0.1", true},
		{"64:ff9b::198.18.0.2", false},
		{"64:ff9b:1::127.0.0.1", true},
		{"2002:7f00:1::", false},
		{"2002:a00:1::1", true},
		{"2002:c612:2::1", false},
		{"128.0.0.1", true},
		{"126.255.255.255", true},
		{"169.253.255.255", true},
		{"223.255.255.255", true},
		/* the gateway's own */
		{"198.18.0.2", false},
		{"::ffff:198.18.0.2", false},
		{"2001:db8:5::2", false},
		{"198.18.0.3", true},
	};
	static const char *const any[] = {"any", NULL};
	const struct link_addr own[] = {addr("198.18.0.2"), addr("2001:db8:5::2")};
	struct policy_rules r = {.permit_open = list(any), .own = own, .n_own = N(own)};

	for (size_t i = 0; i < N(c); i++) {
		struct link_addr a = addr(c[i].text);

		cr_expect_eq(policy_may_reach(&r, &a, 80), c[i].may, "%s", c[i].text);
	}
}

/* Of many targets of a name none is left out because a translator leads from it to another. */
Test(control_policy, an_address_that_leads_to_another_is_not_the_other)
{
	static const struct {
		const char *text;
		bool is, leads;
	} c[] = {
		{"198.18.0.2", true, true},
		{"::ffff:198.18.0.2", true, true},
		{"64:ff9b::198.18.0.2", false, true},
		{"2002:c612:2::1", false, true},
		{"64:ff9b::198.18.0.3", false, false},
		{"198.18.0.3", false, false},
	};
	const struct link_addr set[] = {addr("198.18.0.2")};

	for (size_t i = 0; i < N(c); i++) {
		struct link_addr a = addr(c[i].text);

		cr_expect_eq(addr_is_one_of(&a, set, 1), c[i].is, "%s", c[i].text);
		cr_expect_eq(addr_leads_to_one_of(&a, set, 1), c[i].leads, "%s", c[i].text);
	}
}

/* As the wire has it, before anybody unmapped it. */
Test(control_policy, a_mapped_address_is_the_address_it_means)
{
	static const char *const any[] = {"any", NULL};
	struct policy_rules r = {.permit_open = list(any)};
	struct link_addr a = {.family = 6, .addr = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};

	cr_expect(!policy_may_reach(&r, &a, 80));
	a.addr[12] = 10;
	cr_expect(policy_may_reach(&r, &a, 80));
	a.family = 7;
	cr_expect(!policy_may_reach(&r, &a, 80));
}

Test(control_policy, only_an_operators_literal_address_opens_them)
{
	static const struct {
		const char *open[4];
		const char *text;
		uint16_t port;
		bool may;
	} c[] = {
		{{"127.0.0.1:8080"}, "127.0.0.1", 8080, true},
		{{"127.0.0.1:8080"}, "127.0.0.1", 8081, false},
		{{"127.0.0.1:8080"}, "127.0.0.2", 8080, false},
		{{"127.0.0.1:*"}, "127.0.0.1", 1, true},
		{{"[::1]:80"}, "::1", 80, true},
		{{"[::1]:80"}, "127.0.0.1", 80, false},
		{{"127.0.0.1:80"}, "::ffff:127.0.0.1", 80, true},
		{{"*:8080"}, "127.0.0.1", 8080, false},
		{{"localhost:8080"}, "127.0.0.1", 8080, true}, /* the one name that does */
		{{"localhost:8080"}, "127.0.0.2", 8080, false},
		{{"any"}, "127.0.0.1", 8080, false},
		{{"none"}, "127.0.0.1", 8080, false},
		{{"10.0.0.1:80", "169.254.169.254:80"}, "169.254.169.254", 80, true},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct policy_rules r = {.permit_open = list(c[i].open)};
		struct link_addr a = addr(c[i].text);

		cr_expect_eq(policy_may_reach(&r, &a, c[i].port), c[i].may, "case %zu", i);
	}
}

Test(control_policy, what_is_no_literal_address)
{
	static const char *const bad[] = {
		"",         "localhost",  "127.1",       "0x7f.0.0.1",   "2130706433",
		"1.2.3.4.", "1.2.3",      "1.2.3.4 ",    "fe80::1%eth0", "[::1]",
		"::g",      "1.2.3.4:80", "0177.0.0.1.1"};
	struct link_addr a;

	for (size_t i = 0; i < N(bad); i++)
		cr_expect(!addr_parse(bad[i], &a), "%s", bad[i]);
}

static void sorted(const char *const *in, size_t n, const char *const *own, size_t n_own, char *out)
{
	struct link_addr a[8], o[8];
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		a[i] = addr(in[i]);
	for (size_t i = 0; i < n_own; i++)
		o[i] = addr(own[i]);
	addr_sort(a, n, o, n_own);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strcat(out, i > 0 ? " " : "");
		strcat(out, addr_text(&a[i], text));
	}
}

Test(control_policy, order_of_trying)
{
	static const struct {
		const char *in[8], *own[8], *out;
	} c[] = {
		{{"10.0.0.1", "2001:db8::1"},
		 {"10.9.0.1", "2001:db8:9::1"},
		 "2001:db8::1 10.0.0.1"},
		{{"10.0.0.1", "2001:db8::1"}, {"10.9.0.1"}, "10.0.0.1 2001:db8::1"},
		{{"10.0.0.1", "2001:db8::1"}, {"2001:db8:9::1"}, "2001:db8::1 10.0.0.1"},
		/* families take turns, each in the order of the answer */
		{{"10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"},
		 {"10.9.0.1", "2001:db8:9::1"},
		 "2001:db8::1 10.0.0.1 2001:db8::2 10.0.0.2 2001:db8::3"},
		/* a ULA without one of ours comes behind IPv4 */
		{{"fd00::1", "10.0.0.1"}, {"10.9.0.1", "2001:db8:9::1"}, "10.0.0.1 fd00::1"},
		{{"10.0.0.3", "10.0.0.1", "10.0.0.2"}, {"10.9.0.1"}, "10.0.0.3 10.0.0.1 10.0.0.2"},
	};

	for (size_t i = 0; i < N(c); i++) {
		char out[512];
		size_t n = 0, n_own = 0;

		while (n < 8 && c[i].in[n] != NULL)
			n++;
		while (n_own < 8 && c[i].own[n_own] != NULL)
			n_own++;
		sorted(c[i].in, n, c[i].own, n_own, out);
		cr_expect_str_eq(out, c[i].out, "case %zu", i);
	}
}

/* --- listening ------------------------------------------------------------------------------ */

Test(control_policy, who_may_listen)
{
	enum { NO = CONF_FORWARDING_NO, YES = CONF_FORWARDING_YES, LOCAL = CONF_FORWARDING_LOCAL,
	       REMOTE = CONF_FORWARDING_REMOTE };
	static const struct {
		int allow;
		bool disable;
		const char *listen[4];
		bool forwarding;
		const char *permit[4];
		const char *host;
		uint16_t port;
		bool may;
	} c[] = {
		{YES, false, {"any"}, true, {0}, "", 8080, true},
		{REMOTE, false, {"any"}, true, {0}, "", 8080, true},
		{LOCAL, false, {"any"}, true, {0}, "", 8080, false},
		{NO, false, {"any"}, true, {0}, "", 8080, false},
		{YES, true, {"any"}, true, {0}, "", 8080, false},
		{YES, false, {"none"}, true, {0}, "", 8080, false},
		{YES, false, {"any"}, false, {0}, "", 8080, false},
		{YES, false, {"any"}, false, {"8080"}, "", 8080, false},
		{YES, false, {"8080"}, true, {0}, "localhost", 8080, true},
		{YES, false, {"8080"}, true, {0}, "localhost", 0, false},
		{YES, false, {"*:*"}, true, {"8080"}, "x", 8080, true},
		{YES, false, {"*:*"}, true, {"8080"}, "x", 8081, false},
		/* Both voices must agree. */
		{YES, false, {"8080", "9090"}, true, {"9090"}, "x", 9090, true},
		{YES, false, {"8080"}, true, {"9090"}, "x", 9090, false},
		{YES, false, {"8080"}, true, {"9090"}, "x", 8080, false},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct policy_rules r = {.allow_tcp_forwarding = (enum conf_forwarding)c[i].allow,
					 .disable_forwarding = c[i].disable,
					 .permit_listen = list(c[i].listen)};
		struct policy_grant g = {.port_forwarding = c[i].forwarding};

		for (size_t k = 0; k < 4 && c[i].permit[k] != NULL; k++)
			cr_assert_eq(policy_grant_permit_listen(&g, c[i].permit[k]), 0);
		cr_expect_eq(policy_may_listen(&r, &g, c[i].host, c[i].port, &why), c[i].may,
			     "case %zu", i);
		policy_grant_fini(&g);
	}
}

Test(control_policy, remote_alone_opens_nothing)
{
	static const char *const any[4] = {"any"};
	struct policy_rules r = {.allow_tcp_forwarding = CONF_FORWARDING_REMOTE,
				 .permit_open = list(any)};
	struct policy_grant g = policy_grant_full();

	cr_expect_not(policy_may_ask(&r, &g, "db", 5432, &why));
}

Test(control_policy, where_to_listen)
{
	enum { NO = CONF_GATEWAY_NO, YES = CONF_GATEWAY_YES, CLIENT = CONF_GATEWAY_CLIENT };
	enum { LO = POLICY_AT_LOOPBACK, ALL = POLICY_AT_ALL, AT = POLICY_AT_ADDRESS,
	       NOT = POLICY_NOWHERE };
	static const struct {
		int gateway;
		const char *host;
		int where;
		uint8_t family;
	} c[] = {
		{NO, "", LO, 0},	     {NO, "*", LO, 0},	       {NO, "0.0.0.0", LO, 0},
		{NO, "192.0.2.1", LO, 0},    {NO, "127.0.0.1", LO, 4}, {NO, "::1", LO, 6},
		{NO, "localhost", LO, 0},    {YES, "", ALL, 0},	       {YES, "localhost", ALL, 0},
		{YES, "127.0.0.1", ALL, 0},  {YES, "192.0.2.1", ALL, 0}, {CLIENT, "", ALL, 0},
		{CLIENT, "*", ALL, 0},	     {CLIENT, "0.0.0.0", ALL, 4}, {CLIENT, "::", ALL, 6},
		{CLIENT, "localhost", LO, 0}, {CLIENT, "127.0.0.1", LO, 4},
		{CLIENT, "127.8.8.8", LO, 4}, {CLIENT, "::1", LO, 6},  {CLIENT, "::ffff:127.0.0.1", LO, 4},
		{CLIENT, "192.0.2.1", AT, 4}, {CLIENT, "2001:db8::1", AT, 6},
		{CLIENT, "192.0.2.2", NOT, 4}, {CLIENT, "name", NOT, 0}, {CLIENT, "224.0.0.1", NOT, 4},
	};
	const struct link_addr own[] = {addr("192.0.2.1"), addr("2001:db8::1")};

	for (size_t i = 0; i < N(c); i++) {
		struct policy_rules r = {.gateway_ports = (enum conf_gateway_ports)c[i].gateway,
					 .own = own,
					 .n_own = N(own)};
		struct link_addr a;

		cr_expect_eq(policy_listen_where(&r, c[i].host, &a), (enum policy_where)c[i].where,
			     "%s", c[i].host);
		cr_expect_eq(a.family, c[i].family, "%s", c[i].host);
	}
}

Test(control_policy, privileged_ports_are_named)
{
	static const char *const named[4] = {"any", "*:*", "443", "10.0.0.1:80"};
	static const char *const only_any[4] = {"any", "*", "*:*"};
	struct policy_rules r = {.permit_listen = list(named)};

	cr_expect(policy_may_listen_low(&r, "", 443));
	cr_expect(policy_may_listen_low(&r, "10.0.0.1", 80));
	cr_expect_not(policy_may_listen_low(&r, "10.0.0.2", 80));
	cr_expect_not(policy_may_listen_low(&r, "", 22));
	r.permit_listen = list(only_any);
	cr_expect_not(policy_may_listen_low(&r, "", 443));
}

/* S-24: limits of two methods, of each way apart. */
Test(control_policy, limits_of_two_that_have_nothing_in_common)
{
	static const char *const any[4] = {"any"};
	struct policy_rules r = {.allow_tcp_forwarding = CONF_FORWARDING_YES,
				 .permit_open = list(any),
				 .permit_listen = list(any)};
	struct policy_grant a = policy_grant_full(), b = policy_grant_full(), both;

	cr_assert_eq(policy_grant_permit_listen(&a, "8080"), 0);
	cr_assert_eq(policy_grant_permit(&a, "db:1"), 0);
	cr_assert_eq(policy_grant_permit_listen(&b, "9090"), 0);
	cr_assert_eq(policy_grant_permit(&b, "db:*"), 0);
	cr_assert_eq(policy_grant_permit_listen(&b, "9091"), 0);
	cr_assert_eq(policy_grant_meet(&a, &b, &both), 0);
	cr_expect_not(policy_may_listen(&r, &both, "", 8080, &why));
	cr_expect_not(policy_may_listen(&r, &both, "", 9090, &why));
	cr_expect(policy_may_ask(&r, &both, "db", 1, &why));
	cr_expect_not(policy_may_ask(&r, &both, "db", 2, &why));
	policy_grant_fini(&a);
	policy_grant_fini(&b);
	policy_grant_fini(&both);
}

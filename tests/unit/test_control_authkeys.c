/* control/auth/authkeys.c: the lines of sshd(8), and what is wrong with others (S-23, S-38). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/authkeys.h"
#include "control/policy/addr.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define A    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQoODHaPmcD0VhwGe1f7OE0MT1c/AwCnxm76G3tBZ7C"
#define B    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHfqx7hNiCjn1hY604Vq7Dd8YndBgiMm3OH13TTn9UR"
#define NOW  1700000000 /* 2023-11-14T22:13:20Z */

static struct key *key_a, *key_b;

static void setup(void)
{
	cr_assert_eq(key_public_line_parse(A, strlen(A), &key_a), 0);
	cr_assert_eq(key_public_line_parse(B, strlen(B), &key_b), 0);
}

static void teardown(void)
{
	key_free(key_a);
	key_free(key_b);
}

TestSuite(control_authkeys, .init = setup, .fini = teardown);

static int line_parse(const char *line, struct authkeys_entry *e)
{
	size_t n = strlen(line);
	char *exact = malloc(n ? n : 1); /* a read past its end is seen */
	const char *why = NULL;
	int r;

	memcpy(exact, line, n);
	r = authkeys_line_parse(exact, n, e, &why);
	cr_expect(r != -EINVAL || why != NULL, "a refused option says why");
	free(exact);
	return r;
}

static int find(const char *text, const struct key *k, const char *ip, struct authkeys_answer *a)
{
	struct authkeys_query q = {.user = "demo", .key = k, .now = NOW};

	*a = (struct authkeys_answer){0};
	cr_assert(addr_parse(ip, &q.peer));
	return authkeys_find(text, strlen(text), &q, a);
}

static bool admits(const char *text, const struct key *k, const char *ip)
{
	struct authkeys_answer a;
	int r = find(text, k, ip, &a);

	if (r == 0)
		policy_grant_fini(&a.grant);
	return r == 0;
}

Test(control_authkeys, lines_that_are_read)
{
	static const struct {
		const char *line;
		bool forwarding;
		size_t permits;
	} c[] = {
		{A, true, 0},
		{A " a comment with spaces", true, 0},
		{"  \t" A, true, 0},
		{A "\r", true, 0},
		{"restrict " A, false, 0},
		{"restrict,port-forwarding " A, true, 0},
		{"port-forwarding,restrict " A, false, 0},
		{"no-port-forwarding " A, false, 0},
		{"NO-PORT-FORWARDING " A, false, 0},
		{"no-pty,no-agent-forwarding,no-X11-forwarding,no-user-rc " A, true, 0},
		{"pty,agent-forwarding,X11-forwarding,user-rc " A, true, 0},
		{"command=\"echo \\\"hi there\\\"\" " A, true, 0},
		{"command=\"a,b ssh-ed25519 c\",no-pty " A, true, 0},
		{"environment=\"A_1=x y\",environment=\"B=\" " A, true, 0},
		{"permitopen=\"10.0.0.1:80\" " A, true, 1},
		{"permitopen=\"[2001:db8::1]:443\",permitopen=\"db:*\" " A, true, 2},
		{"permitlisten=\"8080\",permitlisten=\"localhost:8080\" " A, true, 0},
		{"tunnel=\"0\" " A, true, 0},
		{"no-touch-required,verify-required " A, true, 0},
		{"expiry-time=\"20300101\" " A, true, 0},
		{"from=\"10.0.0.0/8,!10.1.0.0/16\" " A, true, 0},
		{"restrict,from=\"*\",permitopen=\"a:1\"\t \t" A, false, 1},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct authkeys_entry e = {0};

		cr_expect_eq(line_parse(c[i].line, &e), 0, "%s", c[i].line);
		cr_expect_eq(e.grant.port_forwarding, c[i].forwarding, "%s", c[i].line);
		cr_expect_eq(e.grant.n_permitopen, c[i].permits, "%s", c[i].line);
		authkeys_entry_fini(&e);
	}
}

Test(control_authkeys, what_lines_leave_of_sessions)
{
	static const struct {
		const char *line, *command;
		bool pty, agent, x11, rc;
	} c[] = {
		{A, NULL, true, true, true, true},
		{"no-pty " A, NULL, false, true, true, true},
		{"no-user-rc " A, NULL, true, true, true, false},
		{"restrict,user-rc " A, NULL, false, false, false, true},
		{"no-agent-forwarding " A, NULL, true, false, true, true},
		{"no-X11-forwarding " A, NULL, true, true, false, true},
		{"restrict " A, NULL, false, false, false, false},
		{"restrict,pty " A, NULL, true, false, false, false},
		{"restrict,agent-forwarding " A, NULL, false, true, false, false},
		{"restrict,x11-forwarding " A, NULL, false, false, true, false},
		{"agent-forwarding,X11-forwarding,restrict " A, NULL, false, false, false, false},
		{"pty,restrict " A, NULL, false, false, false, false},
		{"command=\"echo \\\"hi there\\\"\" " A, "echo \"hi there\"", true, true, true,
		 true},
		{"command=\"\",no-pty " A, "", false, true, true, true},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct authkeys_entry e = {0};

		cr_assert_eq(line_parse(c[i].line, &e), 0, "%s", c[i].line);
		cr_expect(e.grant.session, "%s", c[i].line);
		cr_expect_eq(e.grant.pty, c[i].pty, "%s", c[i].line);
		cr_expect_eq(e.grant.agent, c[i].agent, "%s", c[i].line);
		cr_expect_eq(e.grant.x11, c[i].x11, "%s", c[i].line);
		cr_expect_eq(e.grant.user_rc, c[i].rc, "%s", c[i].line);
		cr_expect_eq(e.grant.command == NULL, c[i].command == NULL, "%s", c[i].line);
		if (c[i].command != NULL && e.grant.command != NULL)
			cr_expect_str_eq(e.grant.command, c[i].command);
		authkeys_entry_fini(&e);
	}
}

/* The first of a name holds. */
Test(control_authkeys, variables_of_a_line)
{
	struct authkeys_entry e = {0};
	char **v;

	cr_assert_eq(
		line_parse("environment=\"A=b c\",environment=\"B=\",environment=\"A=d\" " A, &e),
		0);
	v = policy_environment(&e.grant);
	cr_assert_eq(e.grant.n_environment, 2);
	cr_expect_str_eq(v[0], "A=b c");
	cr_expect_str_eq(v[1], "B=");
	authkeys_entry_fini(&e);
}

Test(control_authkeys, lines_that_are_refused)
{
	static const struct {
		const char *line;
		int err;
	} c[] = {
		{"", -ENOENT},
		{"   ", -ENOENT},
		{"# " A, -ENOENT},
		{"ssh-ed25519", -EBADMSG},
		{"ssh-ed25519 AAAA", -EBADMSG},
		{"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHQoODHaPmcD0VhwGe1f7OE0MT1c/AwCnxm76G3tBZ7C",
		 -EBADMSG},
		{"restrict", -EBADMSG},
		{"restrict,no-pty ssh-dss AAAA", -EBADMSG},
		{"command=\"unterminated " A, -EBADMSG},
		{"frobnicate " A, -EINVAL},
		{"no-frobnicate " A, -EINVAL},
		{"no-restrict " A, -EINVAL},
		{"no-cert-authority " A, -EINVAL},
		{"restrictx " A, -EINVAL},
		{"restrict, " A, -EINVAL},
		{",restrict " A, -EINVAL},
		{"restrict;pty " A, -EINVAL},
		{"restrict=\"yes\" " A, -EINVAL},
		{"from=10.0.0.1 " A, -EINVAL},
		{"from=\"10.0.0.1\",from=\"10.0.0.2\" " A, -EINVAL},
		{"from=\"10.0.0.0/33\" " A, -EINVAL},
		{"from=\"10.0.0.1/8\" " A, -EINVAL},
		{"from=\"\" " A, -EINVAL},
		{"command=\"a\",command=\"b\" " A, -EINVAL},
		{"command " A, -EINVAL},
		{"environment=\"=x\" " A, -EINVAL},
		{"environment=\"A B=x\" " A, -EINVAL},
		{"environment=\"A\" " A, -EINVAL},
		{"expiry-time=\"tomorrow\" " A, -EINVAL},
		{"expiry-time=\"20231301\" " A, -EINVAL},
		{"permitopen=\"host\" " A, -EINVAL},
		{"permitopen=\"host:\" " A, -EINVAL},
		{"permitopen=\":80\" " A, -EINVAL},
		{"permitopen=\"host:0\" " A, -EINVAL},
		{"permitopen=\"host:65536\" " A, -EINVAL},
		{"permitopen=\"host:4294967295\" " A, -EINVAL},
		{"permitopen=\"host:0xffffffff\" " A, -EINVAL},
		{"permitopen=\"host:-1\" " A, -EINVAL},
		{"permitopen=\"2001:db8::1:80\" " A, -EINVAL},
		{"permitopen=\"none\" " A, -EINVAL},
		{"permitlisten=\"0\" " A, -EINVAL},
		{"tunnel=\"-1\" " A, -EINVAL},
		{"tunnel=\"x\" " A, -EINVAL},
		{"principals=\"root\" " A, -EINVAL},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct authkeys_entry e = {0};

		cr_expect_eq(line_parse(c[i].line, &e), c[i].err, "%s", c[i].line);
		cr_expect_null(e.key, "%s", c[i].line);
	}
}

Test(control_authkeys, times)
{
	static const struct {
		const char *text;
		uint64_t t; /* 0: refused */
	} c[] = {
		{"20231114Z", 1699920000},
		{"202311142213Z", 1699999980},
		{"20231114221320Z", NOW},
		{"20240229Z", 1709164800},
		{"20230229Z", 0},
		{"20231100Z", 0},
		{"20231132Z", 0},
		{"202311142460Z", 0},
		{"2023111422132Z", 0},
		{"", 0},
		{"Z", 0},
		{"2023-11-14", 0},
		{"+0231114", 0},
		{"20231114z", 0},
		{"19690101Z", 0},
		{"202311142213200Z", 0},
	};

	for (size_t i = 0; i < N(c); i++) {
		uint64_t t = 0;

		cr_expect_eq(authkeys_time_parse(c[i].text, &t), c[i].t ? 0 : -EINVAL, "%s",
			     c[i].text);
		cr_expect_eq(t, c[i].t, "%s", c[i].text);
	}
}

Test(control_authkeys, who_is_let_in)
{
	static const struct {
		const char *text;
		const char *ip;
		bool a;
	} c[] = {
		{A "\n", "192.0.2.1", true},
		{A, "192.0.2.1", true},
		{B "\n", "192.0.2.1", false},
		{"", "192.0.2.1", false},
		{"# c\n\n" B "\n" A "\n", "192.0.2.1", true},
		{"cert-authority " A "\n", "192.0.2.1", false},
		{"cert-authority,principals=\"demo\" " A "\n", "192.0.2.1", false},
		{"from=\"192.0.2.0/24\" " A "\n", "192.0.2.1", true},
		{"from=\"192.0.2.0/24\" " A "\n", "192.0.3.1", false},
		{"from=\"192.0.2.*\" " A "\n", "192.0.2.77", true},
		{"from=\"192.0.2.?\" " A "\n", "192.0.2.77", false},
		{"from=\"!192.0.2.1,192.0.2.0/24\" " A "\n", "192.0.2.1", false},
		{"from=\"!192.0.2.1\" " A "\n", "192.0.2.9", false},
		{"from=\"2001:db8::/32\" " A "\n", "2001:db8:1::9", true},
		{"from=\"2001:db8::/32\" " A "\n", "2001:db9::9", false},
		{"from=\"192.0.2.1\" " A "\n", "::ffff:192.0.2.1", true},
		{"from=\"host.example\" " A "\n", "192.0.2.1", false},
		{"expiry-time=\"20231114221321Z\" " A "\n", "192.0.2.1", true},
		{"expiry-time=\"20231114221320Z\" " A "\n", "192.0.2.1", false},
		{"expiry-time=\"20300101Z\",expiry-time=\"20200101Z\" " A "\n", "192.0.2.1", false},
		/* A bad line does not shadow a good one with the same key. */
		{"nonsense " A "\n" A "\n", "192.0.2.1", true},
		{"from=\"10.0.0.1\" " A "\nrestrict " A "\n", "192.0.2.1", true},
		{"nonsense " A "\n", "192.0.2.1", false},
	};

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(admits(c[i].text, key_a, c[i].ip), c[i].a, "case %zu: %s", i,
			     c[i].text);
}

Test(control_authkeys, the_grant_is_that_of_the_key_that_asks)
{
	static const char text[] = "restrict " A "\npermitopen=\"db:5432\" " B "\n";
	struct authkeys_answer a;

	cr_assert_eq(find(text, key_a, "192.0.2.1", &a), 0);
	cr_expect(!a.grant.port_forwarding);
	cr_expect_eq(a.line, 1);
	policy_grant_fini(&a.grant);
	cr_assert_eq(find(text, key_b, "192.0.2.1", &a), 0);
	cr_expect(a.grant.port_forwarding);
	cr_expect_eq(a.grant.n_permitopen, 1);
	cr_expect_eq(a.line, 2);
	policy_grant_fini(&a.grant);
}

Test(control_authkeys, the_right_key_from_the_wrong_place_is_news)
{
	struct authkeys_answer a;

	cr_assert_eq(find("from=\"10.0.0.1\" " A "\n", key_a, "192.0.2.1", &a), -ENOENT);
	cr_expect_str_eq(a.note, "Authentication tried for demo with correct key but not from a "
				 "permitted host (host=192.0.2.1, ip=192.0.2.1, "
				 "required=10.0.0.1).");
}

/* S-38: what stands behind the limit of a line is no line of its own. */
Test(control_authkeys, a_line_of_64_KiB_is_one_line)
{
	const size_t pads[] = {AUTHKEYS_LINE_MAX - 1024, AUTHKEYS_LINE_MAX - sizeof(A),
			       AUTHKEYS_LINE_MAX,        AUTHKEYS_LINE_MAX + 1,
			       2 * AUTHKEYS_LINE_MAX,    1000 * 1000};

	for (size_t i = 0; i < N(pads); i++) {
		char *text = malloc(pads[i] + 1024);

		/* A comment whose tail would be a key, if it were cut anywhere. */
		text[0] = '#';
		memset(text + 1, ' ', pads[i]);
		strcpy(text + 1 + pads[i], A "\n");
		cr_expect(!admits(text, key_a, "192.0.2.1"), "pad %zu", pads[i]);
		/* And the line behind it is read. */
		strcat(text, B "\n");
		cr_expect(admits(text, key_b, "192.0.2.1"), "pad %zu", pads[i]);
		free(text);
	}
}

Test(control_authkeys, a_long_comment_behind_a_key_is_fine)
{
	char *text = malloc(AUTHKEYS_LINE_MAX + 64);

	memset(text, 'x', AUTHKEYS_LINE_MAX);
	memcpy(text, A " ", sizeof(A));
	text[AUTHKEYS_LINE_MAX - 1] = '\n';
	text[AUTHKEYS_LINE_MAX] = '\0';
	cr_expect(admits(text, key_a, "192.0.2.1"));
	free(text);
}

Test(control_authkeys, a_nul_hides_nothing)
{
	static const char line[] = "restrict\0,port-forwarding " A;
	struct authkeys_entry e = {0};
	const char *why;

	cr_expect_lt(authkeys_line_parse(line, sizeof(line) - 1, &e, &why), 0);
}

Test(control_authkeys, what_may_be_listened_on)
{
	struct authkeys_entry e = {0};

	cr_assert_eq(
		line_parse("permitlisten=\"1\",permitopen=\"a:1\",permitlisten=\"b:*\" " A, &e), 0);
	cr_assert_eq(e.grant.n_permitopen, 1);
	cr_assert_eq(e.grant.n_permitlisten, 2);
	cr_expect_str_eq(e.grant.permitopen[0], "a:1");
	cr_expect_str_eq(policy_permitlisten(&e.grant)[0], "1");
	cr_expect_str_eq(policy_permitlisten(&e.grant)[1], "b:*");
	authkeys_entry_fini(&e);
}

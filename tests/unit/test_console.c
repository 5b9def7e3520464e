/*
 * control/admin/console: what a login is told of itself, and what it is not told.
 */
#include <jansson.h>
#include <sys/socket.h>

#include "control/admin/console.h"
#include "control/session/internal.h"
#include "tests/util/session_bench.h"

static struct {
	struct admin_env admin;
	struct consoles all;
	int fd; /* the program's */
} c;

static void begin_with(const char *text)
{
	start_later(text);
	c.admin = (struct admin_env){.sessions = &t.env};
	consoles_begin(&c.all, &t.loop, &c.admin);
}

static void begin(void)
{
	begin_with("LogLevel QUIET\nPermitOpen 192.0.2.1:80 *:443\n"
		   "Match User other\nPermitOpen none\n");
}

static void end(void)
{
	consoles_end(&c.all);
	close(c.fd);
	teardown();
}

TestSuite(console, .init = begin, .fini = end, .timeout = 60);

static void console_of(const struct client *client)
{
	struct session *s = t.table->by_index[client->conn.index];
	const struct session_login login = {.ref = s->ref, .uid = s->uid};
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	t.env.console(t.env.console_arg, &login, session_user(s), fd[0]);
	close(fd[0]);
	c.fd = fd[1];
}

static void say(const char *text)
{
	cr_assert_eq(write(c.fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The next line; NULL: it was closed. */
static json_t *hear(void)
{
	static char buf[65536];
	size_t len = 0;
	json_t *v;

	for (;;) {
		ssize_t n = recv(c.fd, buf + len, 1, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		if (n < 0) {
			uv_run(&t.loop, UV_RUN_ONCE);
			continue;
		}
		if (buf[len++] != '\n')
			continue;
		v = json_loadb(buf, len, 0, NULL);
		cr_assert_not_null(v);
		return v;
	}
}

static const char *text(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

Test(console, a_login_is_told_of_itself)
{
	struct client a = client_in(1, 1), b = client_in(2, 1);
	const json_t *rows;
	json_t *v;

	console_of(&b);
	say("status\n");
	v = hear();
	rows = json_object_get(v, "connections");
	cr_assert_eq(json_array_size(rows), 1);
	cr_expect_str_eq(text(json_array_get(rows, 0), "user"), "demo");
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(rows, 0), "uid")),
		     (json_int_t)t.table->by_index[2]->uid);
	json_decref(v);
	ssh_brain_free(a.brain);
	ssh_brain_free(b.brain);
}

Test(console, where_the_rules_let_it_go)
{
	static const char *const want[] = {"192.0.2.1:80", "*:443"};
	struct client a = client_in(1, 1);
	const json_t *rows;
	json_t *v;

	console_of(&a);
	say("targets\n");
	v = hear();
	rows = json_object_get(v, "targets");
	cr_assert_eq(json_array_size(rows), 2);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_str_eq(text(json_array_get(rows, i), "target"), want[i]);
		cr_expect_str_eq(text(json_array_get(rows, i), "by"), "PermitOpen");
		cr_expect_str_eq(text(json_array_get(rows, i), "says"), "allow");
	}
	json_decref(v);
	/* What its key left it comes first. */
	cr_assert_eq(policy_grant_permit(&t.table->by_index[1]->grant, "192.0.2.1:80"), 0);
	say("targets\n");
	v = hear();
	rows = json_object_get(v, "targets");
	cr_assert_eq(json_array_size(rows), 3);
	cr_expect_str_eq(text(json_array_get(rows, 0), "by"), "key");
	json_decref(v);
	ssh_brain_free(a.brain);
}

static void begin_rules(void)
{
	begin_with("LogLevel QUIET\nTargetRule deny 192.0.2.9:* user=demo time=Mon-Sun/00:00-24:00\n"
		   "TargetRule allow 198.51.100.0/24:22,80 user=other\n"
		   "TargetRule allow 192.0.2.0/24:22 203.0.113.1:* user=d*\n");
}

TestSuite(console_rules, .init = begin_rules, .fini = end, .timeout = 60);

/* Nor is it told in what words others are let in. */
Test(console_rules, rules_about_others_are_nobodys_business)
{
	static const char *const want[] = {"192.0.2.9:*", "192.0.2.0/24:22 203.0.113.1:*"};
	struct client a = client_in(1, 1);
	const json_t *rows;
	json_t *v;

	console_of(&a);
	say("targets\n");
	v = hear();
	rows = json_object_get(v, "targets");
	cr_assert_eq(json_array_size(rows), 2, "%s", json_dumps(v, 0));
	for (size_t i = 0; i < 2; i++) {
		cr_expect_str_eq(text(json_array_get(rows, i), "target"), want[i]);
		cr_expect_str_eq(text(json_array_get(rows, i), "says"), i == 0 ? "deny" : "allow");
	}
	json_decref(v);
	ssh_brain_free(a.brain);
}

Test(console, what_an_operator_may_ask_it_may_not)
{
	static const char *const bad[] = {"show connections\n", "disconnect 1\n", "status user=other\n",
					  "\n", "listeners \n"};
	struct client a = client_in(1, 1);

	console_of(&a);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *v;

		say(bad[i]);
		v = hear();
		cr_expect_str_eq(text(v, "error"), "unknown request", "%s", bad[i]);
		json_decref(v);
	}
	cr_expect_not(t.table->by_index[1]->ended);
	ssh_brain_free(a.brain);
}

Test(console, listeners_are_its_users_alone)
{
	struct client a = client_in(1, 1);
	json_t *v;

	console_of(&a);
	say("listeners\n");
	v = hear();
	cr_expect_eq(json_array_size(json_object_get(v, "listeners")), 0,
		     "nor those of the gateway");
	json_decref(v);
	ssh_brain_free(a.brain);
}

Test(console, a_line_has_a_bound)
{
	struct client a = client_in(1, 1);
	char line[ADMIN_LINE_MAX + 1];
	json_t *v;

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	console_of(&a);
	say(line);
	v = hear();
	cr_expect_str_eq(text(v, "error"), "the line is too long");
	json_decref(v);
	cr_expect_null(hear());
	ssh_brain_free(a.brain);
}

Test(console, it_ends_with_its_connection)
{
	struct client a = client_in(1, 1);

	console_of(&a);
	conn_over(&a.conn);
	ssh_brain_free(a.brain);
	say("status\n");
	cr_expect_null(hear());
}

/*
 * control/session/report.c: what becomes of a connection stands in the audit log, once, and its
 * shard is told so when it does.
 */
#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "control/audit/audit.h"
#include "control/session/internal.h"
#include "control/session/program.h"
#include "control/session/report.h"
#include "ssh/forward.h"
#include "tests/util/hook_program.h"

static char path[128];
static json_t *all;

static void on_safe(void *env)
{
	session_audit_safe(env);
}

static void audit_begin_at(const char *where, bool refuse, uint32_t rate)
{
	const struct audit_conf c = {where, 1 << 20, refuse, rate, "test"};

	cr_assert_eq(audit_new(&t.loop, &c, &t.env.audit), 0);
	audit_watch(t.env.audit, on_safe, &t.env);
}

static void log_begin(const char *conf)
{
	start_later(conf);
	snprintf(path, sizeof(path), "%s/audit.log", t.dir);
	audit_begin_at(path, false, 0);
}

static void setup_report(void)
{
	log_begin("PermitSession yes");
}

static void setup_rules(void)
{
	log_begin("TargetRule deny 198.51.100.9:*\nTargetRule allow 198.51.100.0/24:80\n"
		  "TargetRule allow 198.51.100.0/24:443\nGatewayPorts clientspecified\n"
		  "ListenRule allow *:8080\nListenRule allow *:8081");
}

static void teardown_report(void)
{
	audit_finish(t.env.audit, 1000);
	t.env.audit = NULL;
	json_decref(all);
	teardown();
}

TestSuite(report, .init = setup_report, .fini = teardown_report, .timeout = 60);

static void all_safe(void)
{
	for (int i = 0; i < 2000 && audit_safe(t.env.audit) != audit_at(t.env.audit); i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		usleep(500);
	}
	uv_run(&t.loop, UV_RUN_NOWAIT);
}

/* What the log has by now; each field is one its event has. */
static json_t *records(void)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	all_safe();
	f = fopen(path, "r");
	cr_assert_not_null(f);
	json_decref(all);
	all = json_array();
	while (getline(&line, &size, f) > 0) {
		json_t *o = json_loads(line, 0, NULL);

		cr_assert_not_null(o, "%s", line);
		json_array_append_new(all, o);
	}
	free(line);
	fclose(f);
	return all;
}

static const char *text_of(const json_t *o, const char *field)
{
	const char *text = json_string_value(json_object_get(o, field));

	return text != NULL ? text : "";
}

static json_int_t num_of(const json_t *o, const char *field)
{
	return json_integer_value(json_object_get(o, field));
}

/* The nth of an event, from 0; NULL. */
static json_t *nth(const char *event, unsigned int n)
{
	for (size_t i = 0; i < json_array_size(all); i++)
		if (strcmp(text_of(json_array_get(all, i), "event"), event) == 0 && n-- == 0)
			return json_array_get(all, i);
	return NULL;
}

static unsigned int count(const char *event)
{
	unsigned int n = 0;

	while (nth(event, n) != NULL)
		n++;
	return n;
}

static void over(const struct link_handle *conn, uint64_t id, uint64_t in, uint64_t out)
{
	const struct link_conn_end ev = {.audit_id = id,
					 .bytes_in = in,
					 .bytes_out = out,
					 .open_us = 1000,
					 .last_us = 5000,
					 .end_us = 8000,
					 .channels = 3,
					 .cause = -SSH_E_CLOSED};

	cr_assert_eq(event(conn, LINK_EV_CONN_END, &ev, sizeof(ev), NULL, 0), 0);
}

/* Over, of nothing that moved, and what was written of it is read. */
static void client_gone(struct client *c, uint64_t id)
{
	over(&c->conn, id, 0, 0);
	ssh_brain_free(c->brain);
	items_drop();
	records();
}

/* --- connections and logins ---------------------------------------------------------------------
 */

Test(report, a_connection_from_its_beginning_to_its_end)
{
	struct client c = client_in(1, 1);
	json_t *o;

	over(&c.conn, 1, 4000, 5000);
	ssh_brain_free(c.brain);
	records();
	cr_expect_eq(count("conn.open"), 1);
	cr_expect_eq(count("conn.close"), 1);
	cr_expect_eq(count("kex.done"), 1);
	cr_expect_eq(count("auth.fail"), 1, "a wrong password,");
	cr_expect_eq(count("auth.ok"), 1, "and a right one");
	o = nth("conn.open", 0);
	cr_expect_str_eq(text_of(o, "from"), "192.0.2.9");
	cr_expect_eq(num_of(o, "from_port"), 9);
	cr_expect_str_eq(text_of(o, "to"), "192.0.2.1");
	cr_expect_str_eq(text_of(o, "conn"), text_of(nth("conn.close", 0), "conn"));
	o = nth("kex.done", 0);
	cr_expect(json_is_true(json_object_get(o, "first")));
	cr_expect_str_neq(text_of(o, "cipher_in"), "");
	o = nth("auth.fail", 0);
	cr_expect_str_neq(text_of(o, "reason"), "");
	cr_expect_str_eq(text_of(o, "method"), "password");
	cr_expect_str_eq(text_of(o, "version"), "SSH-2.0-test");
	o = nth("auth.ok", 0);
	cr_expect_str_eq(text_of(o, "user"), "demo");
	cr_expect_eq(count("service"), 2, "one before the login, one by it");
	o = nth("service", 0);
	cr_expect_str_eq(text_of(o, "request"), "ssh-userauth");
	cr_expect_str_eq(text_of(o, "outcome"), "accepted");
	cr_expect_str_eq(text_of(nth("service", 1), "request"), "ssh-connection");
	cr_expect_eq(count("auth.try"), 2);
	cr_expect_str_eq(text_of(nth("auth.try", 0), "outcome"), "refused");
	cr_expect_str_eq(text_of(nth("auth.try", 1), "method"), "password");
	cr_expect_str_eq(text_of(nth("auth.try", 1), "outcome"), "accepted");
	cr_expect_eq(count("error"), 0);
	o = nth("conn.close", 0);
	cr_expect_str_eq(text_of(o, "user"), "demo");
	cr_expect_eq(num_of(o, "bytes_in"), 4000);
	cr_expect_eq(num_of(o, "bytes_out"), 5000);
	cr_expect_eq(num_of(o, "last_us"), 4000);
	cr_expect_eq(num_of(o, "end_us"), 7000);
	cr_expect_eq(num_of(o, "channels"), 3);
	cr_expect_str_eq(text_of(o, "cause"), "closed");
	cr_expect_str_eq(text_of(o, "by"), "client");
}

Test(report, a_user_that_is_not_there)
{
	struct client c;

	bench_user = "nobody\n\x1b[31m";
	client_begin(&c, 1, 1);
	c.opened = true;
	while (c.logins < 2)
		client_step(&c);
	over(&c.conn, 1, 0, 0);
	ssh_brain_free(c.brain);
	records();
	cr_expect_str_eq(text_of(nth("auth.fail", 0), "user"), bench_user);
	cr_expect_str_eq(text_of(nth("auth.fail", 0), "reason"), "no such user");
}

/* S-82: CR, LF, ESC, U+202E and what is no UTF-8, in what a client says last. */
Test(report, the_last_words_of_a_client_are_one_line)
{
	static const char text[] = "a\r\nb\x1b[2J\xe2\x80\xae\xff";
	static const char hex[] = "610d0a621b5b324ae280aeff";
	struct client c = client_in(1, 1);
	uint8_t buf[128];
	struct ssh_wr w;
	struct ssh_str p = {.p = buf};

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_disconnect_build(&w, SSH_DISCONNECT_BY_APPLICATION, text);
	p.len = (uint32_t)ssh_wr_done(&w);
	client_payload(&c, &p);
	client_gone(&c, 1);
	cr_assert_eq(count("conn.disconnect"), 1);
	cr_expect_eq(num_of(nth("conn.disconnect", 0), "code"), SSH_DISCONNECT_BY_APPLICATION);
	cr_expect_str_eq(text_of(nth("conn.disconnect", 0), "text_hex"), hex);
}

/* What the gateway ends a connection for, in a word and a sentence. */
Test(report, a_connection_that_is_ended_for_an_error)
{
	struct client c = client_in(1, 1);
	uint8_t buf[64];
	struct ssh_wr w;
	struct ssh_str p = {.p = buf};
	json_t *o;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_service_build(&w, SSH_MSG_SERVICE_REQUEST, "ssh-userauth");
	p.len = (uint32_t)ssh_wr_done(&w);
	client_payload(&c, &p);
	client_gone(&c, 1);
	cr_assert_eq(count("error"), 1);
	o = nth("error", 0);
	cr_expect_str_eq(text_of(o, "user"), "demo");
	cr_expect_str_neq(text_of(o, "cause"), "");
	cr_expect_str_neq(text_of(o, "text"), "");
	cr_expect_gt(num_of(o, "code"), 0);
	cr_assert_eq(count("service"), 3, "who is in has all the services there are");
	cr_expect_str_eq(text_of(nth("service", 2), "outcome"), "refused");
}

/* Whatever nobody will hear the end of has one in the log. */
Test(report, connections_of_a_dataplane_that_is_gone)
{
	struct client c = client_in(1, 1);

	ssh_brain_free(c.brain);
	session_table_free(t.table);
	records();
	cr_expect_eq(count("conn.close"), 1);
	cr_expect_str_eq(text_of(nth("conn.close", 0), "cause"), "unheard");
	table_new();
}

Test(report, who_has_ended_a_connection)
{
	static const struct {
		int cause;
		const char *by;
	} of[] = {{-SSH_E_PEER_DISCONNECT, "client"},
		  {-SSH_E_RESET, "client"},
		  {-SSH_E_OPERATOR, "operator"},
		  {-SSH_E_IDLE, "gateway"},
		  {-SSH_E_MAC, "gateway"},
		  {-SSH_E_TIMEOUT, ""},
		  {-EHOSTUNREACH, ""}};
	const size_t n = sizeof(of) / sizeof(of[0]);

	for (uint32_t i = 0; i < n; i++) {
		const struct link_handle conn = {.index = 1, .generation = i + 1};
		const struct link_conn_end end = {.audit_id = i + 1, .cause = of[i].cause};

		conn_begin(&conn);
		cr_assert_eq(event(&conn, LINK_EV_CONN_END, &end, sizeof(end), NULL, 0), 0);
		items_drop();
	}
	records();
	cr_assert_eq(count("conn.close"), n);
	for (unsigned int i = 0; i < n; i++)
		cr_expect_str_eq(text_of(nth("conn.close", i), "by"), of[i].by, "%u", i);
}

/* S-83, kill -9: of one that began under a control before this one both its ends are here. */
Test(report, the_end_of_a_connection_of_a_control_before_this_one)
{
	const struct link_handle conn = {.index = 3, .generation = 9};
	const struct link_conn_end ev = {.audit_id = 7,
					 .bytes_in = 10,
					 .authenticated = 1,
					 .uid_low = 5,
					 .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}},
					 .local = {.family = 4, .port = 22}};

	cr_assert_eq(event(&conn, LINK_EV_CONN_END, &ev, sizeof(ev), NULL, 0), 0);
	cr_assert_eq(event(&conn, LINK_EV_CONN_END, &ev, sizeof(ev), NULL, 0), 0);
	records();
	cr_assert_eq(count("conn.close"), 2, "the shard has said it twice");
	cr_expect_str_eq(text_of(nth("conn.close", 0), "id"), text_of(nth("conn.close", 1), "id"),
			 "and it is one");
	cr_expect_str_eq(text_of(nth("conn.open", 0), "id"), text_of(nth("conn.open", 1), "id"));
	cr_expect(json_is_true(json_object_get(nth("conn.close", 0), "late")));
	cr_expect_eq(num_of(nth("conn.close", 0), "bytes_in"), 10);
	cr_expect_str_eq(text_of(nth("conn.open", 0), "from"), "192.0.2.9");
}

Test(report, one_that_was_turned_away_is_that_alone)
{
	const struct link_handle conn = {.index = 1, .generation = 1};
	const struct link_conn_new ev = {.uid_low = 4,
					 .local = {.family = 4, .port = 22},
					 .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}}};
	const struct link_conn_end end = {.audit_id = 1, .uid_low = 4};

	t.env.startups.limit = (struct startups_limit){0, 100, 0};
	cr_assert_eq(event(&conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), 0);
	cr_assert_eq(event(&conn, LINK_EV_CONN_END, &end, sizeof(end), NULL, 0), 0);
	items_drop();
	records();
	cr_expect_eq(count("conn.refused"), 1);
	cr_expect_str_eq(text_of(nth("conn.refused", 0), "reason"), "past MaxStartups");
	cr_expect_eq(count("conn.open") + count("conn.close"), 0);
}

/* Of 192.0.2.last, as it comes, and as it ends. */
static struct link_handle stranger(uint32_t index, uint8_t last)
{
	const struct link_handle conn = {.index = index, .generation = 1};
	const struct link_conn_new ev = {
		.uid_low = index,
		.local = {.family = 4, .port = 22},
		.peer = {.family = 4, .port = 9, .addr = {192, 0, 2, last}}};

	cr_assert_eq(event(&conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), 0);
	return conn;
}

/* It reads a line of text, no version of ours, and one record says why. */
static void expect_turned_away(uint32_t n, const char *why)
{
	static const char text[] = "Not allowed at this time\r\n";
	const struct link_handle conn = {.index = n, .generation = 1};
	const struct link_bytes *line = item_of(LINK_IT_IDENT);
	const json_t *o;

	cr_assert_not_null(line);
	cr_expect_eq(memcmp(line + 1, text, sizeof(text) - 1), 0);
	items_drop();
	over(&conn, n, 0, 0);
	records();
	o = nth("conn.refused", n - 1);
	cr_assert_not_null(o);
	cr_expect_str_eq(text_of(o, "reason"), why);
	cr_expect_str_eq(text_of(o, "to"), "0.0.0.0");
	cr_expect_eq(count("conn.open") + count("conn.close") + count("error"), 0);
}

Test(report_refused, by_which_list, .fini = teardown_report, .timeout = 60)
{
	log_begin("DenyClients 192.0.2.9\nAllowClients 192.0.2.8/31\nMatch Address 192.0.2.8\n"
		  "RefuseConnection yes");
	stranger(1, 9);
	expect_turned_away(1, "DenyClients");
	stranger(2, 7);
	expect_turned_away(2, "AllowClients");
	stranger(3, 8);
	expect_turned_away(3, "RefuseConnection");
	cr_expect(
		logged("administratively prohibited connection for anybody from 192.0.2.9 port 9: "
		       "DenyClients"));
}

/* Waits for it in turns of control's loop. */
static void until_over(const struct link_handle *conn)
{
	while (!session_table_find(t.table, conn)->ended)
		uv_run(&t.loop, UV_RUN_ONCE);
}

Test(report_refused, by_a_program, .fini = teardown_report, .timeout = 60)
{
	struct link_handle conn;
	char hook[256];

	program.no = "at night";
	program_begin("connection", hook, sizeof(hook));
	log_begin(hook);
	conn = stranger(1, 9);
	until_over(&conn);
	expect_turned_away(1, "PolicyHook: at night");
	cr_expect_eq(count("hook.decision"), 1);
	program_end();
}

/* Whom nobody had turned away by then has been there. */
Test(report_refused, not_who_goes_while_it_is_asked, .fini = teardown_report, .timeout = 60)
{
	struct link_handle conn;
	char hook[256];

	program.silent = true;
	program_begin("connection", hook, sizeof(hook));
	log_begin(hook);
	conn = stranger(1, 9);
	over(&conn, 1, 0, 0);
	items_drop();
	records();
	cr_expect_eq(count("conn.refused"), 0);
	cr_expect_eq(count("conn.open"), 1);
	cr_expect_eq(count("conn.close"), 1);
	program_end();
}

Test(report, one_that_its_shard_had_no_place_for)
{
	static const struct link_handle none;
	const struct link_conn_new ev = {.uid_low = 4,
					 .local = {.family = 4, .port = 22},
					 .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}}};

	cr_assert_eq(event(&none, LINK_EV_CONN_FULL, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect(logged("from [192.0.2.9]:9 on [0.0.0.0]:22 past MaxConnections"));
	cr_expect_null(item_next(), "it is gone");
	cr_expect_eq(session_table_count(t.table), 0);
	records();
	cr_expect_eq(count("conn.refused"), 1);
	cr_expect_str_eq(text_of(nth("conn.refused", 0), "from"), "192.0.2.9");
	cr_expect_str_eq(text_of(nth("conn.refused", 0), "reason"), "past MaxConnections");
}

/* --- channels -----------------------------------------------------------------------------------
 */

static void ask(struct client *c, const char *host, uint16_t port)
{
	uint8_t buf[512];

	cr_assert_eq(ssh_brain_send(c->brain, buf, open_build(buf, sizeof(buf), host, port)), 0);
	while (t.first == NULL)
		client_step(c);
}

Test(report, a_channel_from_its_beginning_to_its_end)
{
	struct client c = client_in(1, 1);
	const struct link_chan_connect *m;
	struct link_chan_ref opened = {
		.local_channel = 4, .target = {.family = 4, .port = 80, .addr = {198, 51, 100, 7}}};
	struct link_chan_end end = {.audit_id = 1,
				    .bytes_from_peer = 11,
				    .bytes_to_peer = 22,
				    .open_us = 100,
				    .first_us = 150,
				    .last_us = 170,
				    .end_us = 1170,
				    .local_channel = 4,
				    .told = 1,
				    .tee = 1,
				    .tee_copied = 20,
				    .tee_lost = 2,
				    .target = opened.target};
	json_t *o;

	ask(&c, "198.51.100.7", 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	opened.token = end.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	client_gone(&c, 2);
	cr_assert_eq(count("chan.open"), 1);
	o = nth("chan.open", 0);
	cr_expect_str_eq(text_of(o, "user"), "demo");
	cr_expect_str_eq(text_of(o, "type"), "direct-tcpip");
	cr_expect_str_eq(text_of(o, "host"), "198.51.100.7");
	cr_expect_eq(num_of(o, "port"), 80);
	cr_expect_str_eq(text_of(o, "address"), "198.51.100.7");
	cr_expect_eq(num_of(o, "address_port"), 80);
	cr_expect_str_eq(text_of(o, "rule"), "PermitOpen");
	cr_assert_eq(count("chan.close"), 1);
	o = nth("chan.close", 0);
	cr_expect_eq(num_of(o, "channel"), 4);
	cr_expect_eq(num_of(o, "recorded"), 20);
	cr_expect_eq(num_of(o, "record_lost"), 2);
	cr_expect_eq(num_of(o, "bytes_in"), 11);
	cr_expect_eq(num_of(o, "bytes_out"), 22);
	cr_expect_eq(num_of(o, "first_us"), 50);
	cr_expect_eq(num_of(o, "last_us"), 70);
	cr_expect_eq(num_of(o, "end_us"), 1070, "it was there on behind its last byte");
	cr_expect_null(json_object_get(o, "status"), "no program has ended");
	cr_expect_str_eq(text_of(o, "cause"), "closed");
	cr_expect_str_eq(text_of(o, "host"), "198.51.100.7");
	cr_expect_str_eq(text_of(o, "address"), "198.51.100.7");
}

/* The end of a session's channel says how its program ended; of one nobody heard of, nothing. */
Test(report, the_end_of_a_program_stands_with_its_channels)
{
	static const struct {
		bool finished, told, signalled;
		uint32_t number;
	} row[] = {{true, true, false, 7}, {true, true, true, SIGTERM}, {true, false, false, 7},
		   {false, true, false, 7}};
	struct client c = client_in(1, 1);
	struct session *s = t.table->by_index[1];

	ask(&c, "198.51.100.7", 80);
	for (uint32_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct link_chan_end end = {
			.audit_id = i + 1, .token = s->opens->token, .local_channel = i, .told = 1};
		struct program p = {.finished = row[i].finished,
				    .told = row[i].told,
				    .how = {.signalled = row[i].signalled, .number = row[i].number}};

		s->opens->program = &p;
		report_chan_closed(t.table, s, &end);
		s->opens->program = NULL;
	}
	client_gone(&c, 9);
	cr_assert_eq(count("chan.close"), 4);
	cr_expect_eq(num_of(nth("chan.close", 0), "status"), 7);
	cr_expect_null(json_object_get(nth("chan.close", 0), "signal"));
	cr_expect_str_eq(text_of(nth("chan.close", 1), "signal"), "TERM");
	cr_expect_null(json_object_get(nth("chan.close", 1), "status"));
	cr_expect_null(json_object_get(nth("chan.close", 2), "status"));
	cr_expect_null(json_object_get(nth("chan.close", 3), "status"));
}

/* OperationTimeout: also who asks for no more than what matters reads of it. */
Test(report, a_channel_that_was_cut_says_who_took_nothing)
{
	static const struct {
		int cause;
		const char *name, *text;
	} row[] = {
		{0, "closed", NULL},
		{-SSH_E_TARGET_BLOCKED, "target_blocked", "its target took no byte for too long"},
		{-SSH_E_CLIENT_BLOCKED, "client_blocked", "its client took no byte for too long"},
	};
	const uint32_t n = sizeof(row) / sizeof(row[0]);
	struct client c = client_in(1, 1);
	struct session *s = t.table->by_index[1];

	s->log_level = LOG_L_INFO;
	for (uint32_t i = 0; i < n; i++) {
		struct link_chan_end end = {
			.audit_id = i + 1, .local_channel = i, .told = 1, .cause = row[i].cause};

		ask(&c, "198.51.100.7", 80);
		items_drop();
		end.token = s->opens->token;
		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
		cr_expect_eq(logged("channel end: "), row[i].text != NULL);
		cr_expect(row[i].text == NULL || logged(row[i].text), "%s", row[i].name);
	}
	client_gone(&c, 9);
	cr_assert_eq(count("chan.close"), n);
	for (uint32_t i = 0; i < n; i++)
		cr_expect_str_eq(text_of(nth("chan.close", i), "cause"), row[i].name);
}

/* --- news ---------------------------------------------------------------------------------------
 */

static void news_begin(const char *kinds)
{
	char hook[256];

	program_begin(kinds, hook, sizeof(hook));
	start_later(hook);
}

/* The nth line of it; its record is one of the log's. */
static json_t *told_nth(unsigned int n)
{
	const char *line = program.told;

	json_decref(all);
	while (n-- > 0)
		line = strchr(line, '\n') + 1;
	all = json_loadb(line, strcspn(line, "\n"), 0, NULL);
	cr_assert_not_null(all, "%s", line);
	cr_expect_null(json_object_get(all, "id"), "nothing is asked");
	return all;
}

static const char *told_of(const char *field)
{
	return text_of(json_object_get(all, "record"), field);
}

static void channel_of(struct client *c)
{
	const struct link_chan_connect *m;
	struct link_chan_ref opened = {
		.local_channel = 4, .target = {.family = 4, .port = 80, .addr = {198, 51, 100, 7}}};
	struct link_chan_end end = {.audit_id = 1,
				    .bytes_from_peer = 11,
				    .local_channel = 4,
				    .told = 1,
				    .eof = {LINK_EOF_UNTOLD},
				    .target = opened.target};

	ask(c, "198.51.100.7", 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	opened.token = end.token = m->token;
	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	items_drop();
}

/* Without an audit log, and of a connection at rest, too. */
Test(report_news, what_happens_is_told_as_it_does, .timeout = 60)
{
	static const struct {
		const char *kind, *event;
	} row[] = {
		{"status", "kex.done"},
		{"auth-result", "auth.fail"},
		{"auth-result", "auth.ok"},
		{"channel-opened", "chan.open"},
		{"channel-eof", "chan.eof"},
		{"channel-closed", "chan.close"},
		{"tunnel-closed", "listen.close"},
		{"error", "error"},
		{"closed", "conn.close"},
	};
	struct listener *l = calloc(1, sizeof(*l) + 1);
	struct client c;

	cr_assert_not_null(l);
	news_begin("news");
	c = client_in(1, 1);
	later_ms += REST_MS + 100;
	timers_poll(t.env.timers, now_ms());
	channel_of(&c);
	later_ms += 2 * REST_MS;
	timers_poll(t.env.timers, now_ms());
	cr_assert_null(t.table->by_index[1]->awake);
	l->session = t.table->by_index[1];
	report_listener_closed(l, LISTENER_CANCELLED);
	report_error(l->session, -SSH_E_TIMEOUT);
	free(l);
	over(&c.conn, 2, 0, 0);
	program_told(sizeof(row) / sizeof(row[0]));
	program_end();
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		told_nth(i);
		cr_expect_str_eq(text_of(all, "kind"), row[i].kind, "line %u", i);
		cr_expect_str_eq(told_of("event"), row[i].event, "line %u", i);
		cr_expect_str_eq(text_of(all, "src"), "192.0.2.9");
		cr_expect_str_eq(text_of(all, "client_version"), "SSH-2.0-test");
	}
	cr_expect_str_eq(told_of("cause"), "closed");
	cr_expect_str_eq(text_of(all, "user"), "demo");
	told_nth(5);
	cr_expect_eq(num_of(json_object_get(all, "record"), "bytes_in"), 11);
	cr_expect_str_eq(told_of("host"), "198.51.100.7");
	ssh_brain_free(c.brain);
	items_drop();
	json_decref(all);
	teardown();
}

/* Kinds that were not named are not told, and with a log both have the same record. */
Test(report_news, the_log_has_the_same_record, .timeout = 60)
{
	struct client c;

	news_begin("closed");
	snprintf(path, sizeof(path), "%s/audit.log", t.dir);
	audit_begin_at(path, false, 0);
	c = client_in(1, 1);
	channel_of(&c);
	client_gone(&c, 2);
	program_told(1);
	program_end();
	cr_expect_eq(program.n_told, 1);
	cr_assert_eq(count("conn.close"), 1);
	{
		json_t *logged_one = json_incref(nth("conn.close", 0));

		told_nth(0);
		cr_expect(json_equal(json_object_get(all, "record"), logged_one));
		json_decref(logged_one);
	}
	teardown_report();
}

/* Of a channel that its shard opened without asking it is that of the grant. */
Test(report_rules, the_rule_that_allowed_a_channel, .init = setup_rules, .fini = teardown_report,
     .timeout = 60)
{
	struct client c = client_in(1, 1);
	struct link_chan_ref opened = {
		.target = {.family = 4, .port = 80, .addr = {198, 51, 100, 7}}};
	const struct link_chan_connect *m;
	const struct link_grant *g;
	char said[2][256];

	ask(&c, "198.51.100.7", 443);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	opened.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
	items_drop();
	ask(&c, "198.51.100.7", 80);
	cr_assert_not_null(item_of(LINK_IT_CHAN_CONNECT));
	items_drop();
	ask(&c, "198.51.100.7", 80);
	g = item_of(LINK_CMD_GRANT);
	cr_assert_not_null(g);
	opened.token = g->token;
	opened.local_channel = 1;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
	client_gone(&c, 1);
	cr_assert_eq(count("chan.open"), 2);
	for (unsigned int i = 0; i < 2; i++)
		snprintf(said[i], sizeof(said[i]), "%s", text_of(nth("chan.open", i), "rule"));
	cr_expect_not_null(strstr(said[0], " line "), "%s", said[0]);
	cr_expect_not_null(strstr(said[1], " line "), "%s", said[1]);
	cr_expect_eq(atoi(strrchr(said[0], ' ')), atoi(strrchr(said[1], ' ')) + 1, "%s, %s",
		     said[0], said[1]);
}

static void listens(struct client *c, uint16_t port)
{
	const struct ssh_tcpip_forward m = {ssh_str_c("0.0.0.0"), port};
	uint8_t buf[256];
	struct ssh_str p = {.p = buf};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "tcpip-forward");
	ssh_wr_bool(&w, true);
	ssh_tcpip_forward_build(&w, &m);
	p.len = (uint32_t)ssh_wr_done(&w);
	client_payload(c, &p);
}

/* Somebody comes in by the listener of this token. */
static void comes_in(const struct client *c, uint64_t token, uint32_t channel)
{
	const struct link_chan_ref opened = {.token = token, .local_channel = channel};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
}

/* Of a listener, and of what comes in by it; of one that another control had allowed, as well. */
Test(report_rules, the_rule_that_allowed_a_listener, .init = setup_rules, .fini = teardown_report,
     .timeout = 60)
{
	const struct link_forward_kept kept = {.token = 999,
					       .port = 8081,
					       .opens = LINK_OPENS_TCPIP,
					       .kind = 1,
					       .up = 1,
					       .host_len = 7,
					       .addr = {.port = 8081}};
	struct client c = client_in(1, 1);
	struct link_forward_result up = {.port = 8080};
	const struct link_forward *m;
	char said[2][256];

	listens(&c, 8080);
	m = item_of(LINK_IT_FORWARD);
	cr_assert_not_null(m);
	up.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD, &up, sizeof(up), NULL, 0), 0);
	comes_in(&c, up.token, 3);
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD_KEPT, &kept, sizeof(kept), "0.0.0.0", 7), 0);
	later_ms += REST_MS + 100;
	timers_poll(t.env.timers, now_ms());
	cr_assert_null(t.table->by_index[1]->awake);
	comes_in(&c, kept.token, 4);
	client_gone(&c, 1);
	cr_assert_eq(count("listen.open"), 2, "the other control may not have got to write of it");
	cr_assert_eq(count("chan.open"), 2);
	snprintf(said[0], sizeof(said[0]), "%s", text_of(nth("listen.open", 0), "rule"));
	snprintf(said[1], sizeof(said[1]), "%s", text_of(nth("chan.open", 1), "rule"));
	cr_expect_eq(strncmp(said[0], "test line ", 10), 0, "%s", said[0]);
	cr_expect_str_eq(text_of(nth("chan.open", 0), "rule"), said[0]);
	cr_expect_eq(strncmp(said[1], "test line ", 10), 0, "%s", said[1]);
	cr_expect_eq(atoi(said[1] + 10), atoi(said[0] + 10) + 1);
}

Test(report_rules, a_listener_that_is_refused_says_why, .init = setup_rules,
     .fini = teardown_report, .timeout = 60)
{
	struct client c = client_in(1, 1);

	t.table->by_index[1]->awake->conf.max_listeners_per_connection = 1;
	listens(&c, 8082);
	listens(&c, 8080);
	cr_assert_not_null(item_of(LINK_IT_FORWARD));
	client_gone(&c, 1);
	c = client_in(2, 2);
	t.table->by_index[2]->awake->conf.max_listeners_per_connection = 0;
	listens(&c, 8080);
	client_gone(&c, 2);
	cr_assert_eq(count("listen.refused"), 2);
	cr_expect_str_eq(text_of(nth("listen.refused", 0), "reason"), "not permitted");
	cr_expect_str_eq(text_of(nth("listen.refused", 1), "reason"),
			 "too many listeners of this connection");
	cr_expect_eq(num_of(nth("listen.refused", 1), "port"), 8080);
}

/* A client has taken it before anybody can count it: it is closed again. */
Test(report_rules, what_comes_in_and_is_one_too_many_says_why, .init = setup_rules,
     .fini = teardown_report, .timeout = 60)
{
	struct client c = client_in(1, 1);
	struct link_forward_result up = {.port = 8080};
	const struct link_chan_ref *cut;
	const struct link_forward *m;

	t.table->by_index[1]->awake->conf.max_channels_per_user = 1;
	listens(&c, 8080);
	m = item_of(LINK_IT_FORWARD);
	cr_assert_not_null(m);
	up.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD, &up, sizeof(up), NULL, 0), 0);
	comes_in(&c, up.token, 3);
	cr_expect_null(item_of(LINK_CMD_CHAN_CLOSE));
	comes_in(&c, up.token, 4);
	cut = item_of(LINK_CMD_CHAN_CLOSE);
	cr_assert_not_null(cut);
	cr_expect_eq(cut->local_channel, 4);
	cr_expect(logged("channel 4 of user demo: connection to listener [0.0.0.0]:8080: closed: "
			 "too many channels of this user"));
	client_gone(&c, 1);
	cr_assert_eq(count("chan.refused"), 1);
	cr_expect_str_eq(text_of(nth("chan.refused", 0), "type"), "forwarded-tcpip");
	cr_expect_str_eq(text_of(nth("chan.refused", 0), "reason"),
			 "too many channels of this user");
	cr_expect_eq(num_of(nth("chan.refused", 0), "port"), 8080);
	cr_expect_eq(num_of(nth("chan.refused", 0), "code"), SSH_OPEN_RESOURCE_SHORTAGE);
}

/* Another control, that one killed: what the shard has of it. */
static void kept_listener(const struct client *c, uint64_t uid, uint64_t token)
{
	const struct link_conn_kept conn = {.local = {.family = 4, .port = 22},
					    .peer = {.family = 4, .port = 9},
					    .uid = uid,
					    .len = bench_blob.len};
	const struct link_forward_kept ev = {.token = token,
					     .port = 8080,
					     .opens = LINK_OPENS_TCPIP,
					     .kind = 1,
					     .up = 1,
					     .host_len = 7,
					     .addr = {.port = 8080}};
	struct audit *audit = t.env.audit;

	t.env.audit = NULL;
	session_table_free(t.table);
	table_new();
	t.env.audit = audit;
	cr_assert_eq(
		event(&c->conn, LINK_EV_CONN_KEPT, &conn, sizeof(conn), bench_blob.p, conn.len), 0);
	cr_assert_eq(event(&c->conn, LINK_EV_FORWARD_KEPT, &ev, sizeof(ev), "0.0.0.0", 7), 0);
}

/* Killed before it wrote that it listens, or that it does so no more: whoever comes says both. */
Test(report_rules, f01_a_listener_that_three_controls_tell_of, .init = setup_rules,
     .fini = teardown_report, .timeout = 60)
{
	struct client c = client_in(1, 1);
	struct link_forward_result up = {.port = 8080};
	const char *const event_of[] = {"listen.open", "listen.close"};
	uint64_t uid = session_table_find(t.table, &c.conn)->uid;
	const struct link_forward *m;

	listens(&c, 8080);
	m = item_of(LINK_IT_FORWARD);
	cr_assert_not_null(m);
	up.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD, &up, sizeof(up), NULL, 0), 0);
	kept_listener(&c, uid, up.token);
	over(&c.conn, 1, 0, 0);
	kept_listener(&c, uid, up.token);
	client_gone(&c, 2);
	cr_assert_eq(count("listen.open"), 3);
	cr_assert_eq(count("listen.close"), 2);
	for (unsigned int e = 0; e < 2; e++) {
		const char *id = text_of(nth(event_of[e], 0), "id");

		for (unsigned int i = 0; i < count(event_of[e]); i++) {
			const json_t *o = nth(event_of[e], i);

			cr_expect_str_eq(text_of(o, "id"), id, "one record");
			cr_expect_eq(num_of(o, "listener"), (json_int_t)up.token);
			cr_expect_eq(num_of(o, "port"), 8080);
			cr_expect_str_eq(text_of(o, "user"), "demo");
		}
	}
	cr_expect_str_neq(text_of(nth("listen.open", 0), "id"),
			  text_of(nth("listen.close", 0), "id"));
	cr_expect_str_eq(text_of(nth("listen.close", 1), "cause"), "connection");
}

static void kept_channel(const struct client *c, struct link_chan_kept ev, const char *name)
{
	ev.name_len = (uint16_t)strlen(name);
	ev.up = 1;
	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_KEPT, &ev, sizeof(ev), name, ev.name_len), 0);
}

/* What it was nobody knows any more; the record has its id, and is one with that which knew. */
Test(report, the_rule_of_a_channel_another_control_had_allowed)
{
	struct client c = client_in(1, 1);

	kept_channel(&c, (struct link_chan_kept){.token = 900, .program = 1}, "session");
	kept_channel(&c, (struct link_chan_kept){.token = 901, .local_channel = 1, .port = 80},
		     "198.51.100.7");
	kept_channel(&c, (struct link_chan_kept){.token = 902, .local_channel = 2, .ours = 1},
		     "x-news@test");
	client_gone(&c, 1);
	cr_assert_eq(count("chan.open"), 3);
	for (unsigned int i = 0; i < 3; i++)
		cr_expect_str_eq(text_of(nth("chan.open", i), "rule"), "", "%u", i);
}

/* Of one that opens no port it is a keyword; of one that nothing allows now there is none. */
Test(report_rules, the_rule_of_a_listener_another_control_had_allowed, .init = setup_rules,
     .fini = teardown_report, .timeout = 60)
{
	static const struct {
		enum link_opens opens;
		uint16_t port;
		const char *rule;
	} row[] = {{LINK_OPENS_STREAMLOCAL, 0, "PermitStreamLocalListen"},
		   {LINK_OPENS_AGENT, 0, "AllowAgentForwarding"},
		   {LINK_OPENS_X11, 6010, "X11Forwarding"},
		   {LINK_OPENS_TCPIP, 9999, ""}};
	struct client c = client_in(1, 1);

	for (uint32_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct link_forward_kept kept = {.token = 900 + i,
						       .port = row[i].port,
						       .opens = (uint8_t)row[i].opens,
						       .kind = 2,
						       .up = 1,
						       .host_len = 7,
						       .addr = {.port = row[i].port}};

		cr_assert_eq(
			event(&c.conn, LINK_EV_FORWARD_KEPT, &kept, sizeof(kept), "0.0.0.0", 7), 0);
		comes_in(&c, kept.token, i);
	}
	client_gone(&c, 1);
	cr_assert_eq(count("chan.open"), sizeof(row) / sizeof(row[0]));
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_expect_str_eq(text_of(nth("chan.open", i), "rule"), row[i].rule, "%u", i);
}

Test(report, a_channel_that_ended_before_it_was_told_of)
{
	struct client c = client_in(1, 1);
	struct link_chan_end end = {.audit_id = 1, .local_channel = 4};
	const struct link_chan_connect *m;

	ask(&c, "198.51.100.7", 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	end.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	client_gone(&c, 2);
	cr_expect_eq(count("chan.open"), 1);
	cr_expect_eq(count("chan.close"), 1);
}

/* Told when it came, or by the end of the channel, or by both with one id. */
Test(report, a_direction_has_one_end)
{
	struct client c = client_in(1, 1);
	const struct link_chan_connect *m;
	struct link_chan_eof in = {.bytes = 11, .local_channel = 4, .way = LINK_EOF_IN};
	struct link_chan_end end = {.audit_id = 1,
				    .bytes_from_peer = 11,
				    .bytes_to_peer = 22,
				    .local_channel = 4,
				    .told = 1,
				    .eof = {LINK_EOF_TOLD, LINK_EOF_UNTOLD}};

	ask(&c, "198.51.100.7", 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	in.token = end.token = m->token;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_EOF, &in, sizeof(in), NULL, 0), 0);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	over(&c.conn, 2, 0, 0);
	ssh_brain_free(c.brain);
	items_drop();
	/* Of a connection whose control may have been killed before it wrote. */
	end.audit_id = 3;
	end.eof[LINK_EOF_OUT] = LINK_EOF_NONE;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	records();
	cr_assert_eq(count("chan.eof"), 3);
	cr_expect_str_eq(text_of(nth("chan.eof", 0), "direction"), "in");
	cr_expect_eq(num_of(nth("chan.eof", 0), "bytes_in"), 11);
	cr_expect_eq(num_of(nth("chan.eof", 0), "channel"), 4);
	cr_expect_str_eq(text_of(nth("chan.eof", 0), "user"), "demo");
	cr_expect_str_eq(text_of(nth("chan.eof", 1), "direction"), "out");
	cr_expect_eq(num_of(nth("chan.eof", 1), "bytes_out"), 22);
	cr_expect_str_neq(text_of(nth("chan.eof", 0), "id"), text_of(nth("chan.eof", 1), "id"));
	cr_expect(json_is_true(json_object_get(nth("chan.eof", 2), "late")));
	cr_expect_str_eq(text_of(nth("chan.eof", 2), "direction"), "in");
}

/* Both ended between two controls; the first may not have written that it began. */
Test(report, a_channel_of_a_control_before_this_one_has_its_beginning)
{
	const struct link_handle conn = {.index = 3, .generation = 9};
	static const struct {
		struct link_chan_end end;
		char name[7];
	} ev = {{.audit_id = 8,
		 .local_channel = 6,
		 .told = 1,
		 .uid_low = 5,
		 .port = 22,
		 .name_len = 7},
		{'h', 'o', 's', 't', '.', 'e', 'x'}};

	cr_assert_eq(event(&conn, LINK_EV_CHAN_END, &ev.end, sizeof(ev.end), ev.name, 7), 0);
	records();
	cr_assert_eq(count("chan.open"), 1);
	cr_assert_eq(count("chan.close"), 1);
	cr_expect(json_is_true(json_object_get(nth("chan.open", 0), "late")));
	cr_expect_str_eq(text_of(nth("chan.open", 0), "host"), "host.ex");
	cr_expect_eq(num_of(nth("chan.open", 0), "port"), 22);
	cr_expect_str_eq(text_of(nth("chan.open", 0), "conn"),
			 text_of(nth("chan.close", 0), "conn"));
}

Test(report, a_channel_that_is_refused)
{
	struct client c = client_in(1, 1);
	json_t *o;

	ask(&c, "127.0.0.1", 80);
	client_gone(&c, 1);
	cr_expect_eq(count("chan.open"), 0);
	o = nth("chan.refused", 0);
	cr_assert_not_null(o);
	cr_expect_str_eq(text_of(o, "host"), "127.0.0.1");
	cr_expect_eq(num_of(o, "code"), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_str_neq(text_of(o, "reason"), "");
}

/* --- what real connections rarely have all of ----------------------------------------------------
 */

Test(report, steps_signatures_and_keys_that_would_do)
{
	const struct ssh_act_auth auth = {.method_name = ssh_str_c("publickey"), .key = t.key};
	struct client c = client_in(1, 1);
	struct session *s = session_table_find(t.table, &c.conn);
	char print[96];
	json_t *o;

	cr_assert_eq(key_fingerprint(t.key, print, sizeof(print)), 0);
	cr_assert(session_awaken(s));
	report_try(s, &auth, "acceptable");
	report_signature(s, &auth, true);
	report_auth(s, &auth, WORDS_PARTIAL);
	client_gone(&c, 1);
	o = nth("auth.try", count("auth.try") - 1);
	cr_expect_str_eq(text_of(o, "outcome"), "acceptable");
	cr_expect_str_eq(text_of(o, "key"), print);
	cr_expect_str_eq(text_of(nth("auth.sig", 0), "outcome"), "good");
	cr_expect_str_eq(text_of(nth("auth.sig", 0), "key"), print);
	cr_expect_str_eq(text_of(nth("auth.partial", 0), "key"), print);
	cr_expect_str_eq(text_of(nth("auth.partial", 0), "method"), "publickey");
}

Test(report, listeners_and_the_requests_of_a_session)
{
	struct client c = client_in(1, 1);
	struct session *s = session_table_find(t.table, &c.conn);
	struct listener *l = calloc(1, sizeof(*l) + sizeof("127.0.0.1"));
	const struct open o = {.local_channel = 3};
	static const struct {
		const char *event;
		unsigned int n;
	} of[] = {{"listen.open", 1}, {"listen.close", 5}, {"listen.refused", 1}};
	static const char *const cause[] = {"cancelled", "taken", "operator", "session",
					    "connection"};
	static const uint8_t run[] = {0, 0, 0, 4, 't', 'r', 'u', 'e'};
	const struct ssh_chan_request exec = {.type = ssh_str_c("exec"),
					      .rest = {run, sizeof(run)}};

	cr_assert_not_null(l);
	l->session = s;
	strcpy(l->host, "127.0.0.1");
	l->port = 8080;
	l->token = 7;
	report_listener_opened(l);
	for (enum listener_end why = LISTENER_CANCELLED; why <= LISTENER_CONNECTION_OVER; why++)
		report_listener_closed(l, why);
	free(l);
	report_listener_refused(s, "127.0.0.1", 8080, "taken");
	report_request(s, &o, &exec, false, "started");
	client_gone(&c, 1);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(count(of[i].event), of[i].n, "%s", of[i].event);
		cr_expect_str_eq(text_of(nth(of[i].event, 0), "host"), "127.0.0.1");
		cr_expect_eq(num_of(nth(of[i].event, 0), "port"), 8080);
		cr_expect_str_eq(text_of(nth(of[i].event, 0), "user"), "demo");
	}
	cr_expect_str_eq(text_of(nth("listen.refused", 0), "reason"), "taken");
	cr_expect_eq(num_of(nth("listen.close", 0), "listener"), 7);
	for (unsigned int i = 0; i < of[1].n; i++)
		cr_expect_str_eq(text_of(nth("listen.close", i), "cause"), cause[i]);
	cr_expect_str_eq(text_of(nth("chan.request", 0), "command"), "true");
	cr_expect_str_eq(text_of(nth("chan.request", 0), "outcome"), "started");
}

/* Whatever was asked for on it, and whatever came of it. */
Test(report, each_request_of_a_session_has_its_outcome)
{
	static const uint8_t pty[] = {0,  0, 0, 2, 'v', 't', 0, 0, 0, 80, 0, 0, 0,
				      24, 0, 0, 0, 0,   0,   0, 0, 0, 0,  0, 0, 0},
			     env[] = {0, 0, 0, 1, 'A', 0, 0, 0, 1, 'B'},
			     term[] = {0, 0, 0, 4, 'T', 'E', 'R', 'M'},
			     run[] = {0, 0, 0, 4, 't', 'r', 'u', 'e'};
	static const struct {
		const char *type;
		struct ssh_str rest;
		bool may; /* nobody was asked who said no */
		const char *outcome, *command;
	} row[] = {{"pty-req", {pty, sizeof(pty)}, true, "accepted", ""},
		   {"pty-req", {pty, sizeof(pty)}, true, "refused", ""},
		   {"env", {env, sizeof(env)}, true, "refused", ""},
		   {"signal", {term, sizeof(term)}, true, "refused", ""},
		   {"eow@openssh.com", {NULL, 0}, true, "refused", ""},
		   {"exec", {run, sizeof(run)}, false, "refused", "true"}};
	struct client c = client_in(1, 1);
	struct session *s = session_table_find(t.table, &c.conn);
	struct open o = {.session = s, .local_channel = 3};
	struct program p = {.session = s, .open = &o, .state = PROGRAM_ASKED};

	o.program = &p;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		program_request(&o,
				&(struct ssh_chan_request){.type = ssh_str_c(row[i].type),
							   .rest = row[i].rest},
				row[i].may);
	free(p.term);
	free(p.modes);
	client_gone(&c, 1);
	cr_assert_eq(count("chan.request"), sizeof(row) / sizeof(row[0]));
	for (unsigned int i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const json_t *r = nth("chan.request", i);

		cr_expect_str_eq(text_of(r, "request"), row[i].type);
		cr_expect_str_eq(text_of(r, "outcome"), row[i].outcome, "%s", row[i].type);
		cr_expect_str_eq(text_of(r, "command"), row[i].command);
		cr_expect_eq(num_of(r, "channel"), 3);
	}
}

/* --- every record is what its event may be ------------------------------------------------------
 */

static bool event_has(const char *event, const char *field)
{
	for (enum audit_event e = 0; e < AUDIT_EVENT_COUNT; e++) {
		struct audit_event_info info = audit_event_info(e);

		for (enum audit_field f = 0; f < AUDIT_F_COUNT; f++)
			if (strcmp(info.name, event) == 0 &&
			    strcmp(audit_field_name(f), field) == 0)
				return info.fields >> f & 1;
	}
	return false;
}

Test(report, no_record_has_a_field_that_is_not_its_events)
{
	struct client c = client_in(1, 1);
	const char *field;
	json_t *value;

	ask(&c, "127.0.0.1", 80);
	client_gone(&c, 1);
	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *o = json_array_get(all, i);

		json_object_foreach(o, field, value)
			cr_expect(event_has(text_of(o, "event"), field), "%s in %s", field,
				  text_of(o, "event"));
	}
}

/* --- what the shard is told ---------------------------------------------------------------------
 */

static bool acked(uint64_t id)
{
	const struct link_audit_ack *m = item_of(LINK_CMD_AUDIT_ACK);

	return m != NULL && m->audit_id == id;
}

Test(report, an_end_is_acknowledged_when_its_record_is_safe)
{
	struct client c = client_in(1, 1);

	over(&c.conn, 3, 0, 0);
	session_table_flush(t.table);
	all_safe();
	cr_expect(acked(3));
	ssh_brain_free(c.brain);
}

Test(report, an_end_that_is_not_safe_is_not_acknowledged)
{
	struct client c;
	char cmd[300];

	audit_finish(t.env.audit, 1000);
	snprintf(path, sizeof(path), "%s/later/audit.log", t.dir);
	audit_begin_at(path, false, 0);
	c = client_in(1, 1);
	for (uint64_t i = 0; i < 3 * UNSAFE_MAX; i++) {
		const struct link_chan_end end = {.audit_id = i + 1, .told = 1};

		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
		session_table_flush(t.table);
	}
	for (int i = 0; i < 20; i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	cr_expect_not(acked(3 * UNSAFE_MAX), "nothing is written yet");
	snprintf(cmd, sizeof(cmd), "mkdir %s/later", t.dir);
	cr_assert_eq(system(cmd), 0);
	all_safe();
	cr_expect(acked(3 * UNSAFE_MAX), "all of them, in the end");
	over(&c.conn, 3 * UNSAFE_MAX + 1, 0, 0);
	ssh_brain_free(c.brain);
	records();
	cr_expect_eq(count("chan.close"), 3 * UNSAFE_MAX);
	snprintf(cmd, sizeof(cmd), "rm -r %s/later", t.dir);
	cr_assert_eq(system(cmd), 0);
}

/* --- AuditFailure refuse ------------------------------------------------------------------------
 */

static void wait_failing(void)
{
	for (int i = 0; i < 2000 && audit_status(t.env.audit).err == 0; i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		usleep(500);
	}
}

Test(report, while_nothing_can_be_recorded_nobody_comes_in)
{
	const struct link_handle conn = {.index = 2, .generation = 1};
	const struct link_conn_end end = {.audit_id = 1, .uid_low = 0};
	const struct link_end *m;

	audit_finish(t.env.audit, 1000);
	audit_begin_at("/dev/full", true, 0);
	wait_failing();
	conn_begin(&conn);
	m = item_of(LINK_IT_END);
	cr_assert_not_null(m);
	cr_expect_eq(m->cause, -SSH_E_UNAVAILABLE);
	cr_expect_eq(session_table_count(t.table), 0);
	cr_expect(logged("the audit log cannot be written"));
	cr_assert_eq(event(&conn, LINK_EV_CONN_END, &end, sizeof(end), NULL, 0), 0);
	items_drop();
}

Test(report, while_nothing_can_be_recorded_no_channel_is_opened)
{
	struct client c = client_in(1, 1);

	audit_finish(t.env.audit, 1000);
	audit_begin_at("/dev/full", true, 0);
	wait_failing();
	ask(&c, "198.51.100.7", 80);
	cr_expect_null(item_of(LINK_IT_CHAN_CONNECT));
	over(&c.conn, 1, 0, 0);
	ssh_brain_free(c.brain);
	items_drop();
}

/* --- S-60 ---------------------------------------------------------------------------------------
 */

Test(report, a_flood_of_strangers_writes_no_more_than_its_share)
{
	const uint32_t rate = 500;
	size_t bytes = 0;
	json_t *o;

	audit_finish(t.env.audit, 1000);
	cr_assert_eq(truncate(path, 0), 0);
	audit_begin_at(path, false, rate);
	for (uint32_t i = 0; i < 200; i++) {
		const struct link_handle conn = {.index = 1, .generation = i + 1};

		conn_begin(&conn);
		over(&conn, i + 1, 0, 0);
		items_drop();
	}
	audit_finish(t.env.audit, 1000);
	t.env.audit = NULL;
	audit_begin_at("/dev/null", false, 0);
	records();
	for (size_t i = 0; i < json_array_size(all); i++) {
		char *line = json_dumps(json_array_get(all, i), JSON_COMPACT | JSON_ENSURE_ASCII);

		bytes += strlen(line) + 1;
		free(line);
	}
	cr_expect_leq(bytes, rate * (AUDIT_BURST_S + 2));
	cr_expect_eq(count("conn.open"), count("conn.close"));
	o = nth("log.suppressed", 0);
	cr_assert_not_null(o);
	cr_expect_eq((unsigned int)num_of(o, "n") + count("conn.open"), 200);
}

/* One who tries on and on: what he tries is as bounded as that he came. */
Test(report, tries_of_a_stranger_write_no_more_than_his_share)
{
	const struct ssh_act_auth auth = {.method_name = ssh_str_c("password")};
	const struct link_handle conn = {.index = 1, .generation = 1};
	const uint32_t rate = 500;
	struct session *s;
	FILE *f;

	audit_finish(t.env.audit, 1000);
	cr_assert_eq(truncate(path, 0), 0);
	audit_begin_at(path, false, rate);
	conn_begin(&conn);
	s = session_table_find(t.table, &conn);
	for (uint32_t i = 0; i < 500; i++) {
		report_try(s, &auth, "refused");
		report_service(s, ssh_str_c("ssh-userauth"), true);
		report_error(s, -SSH_E_PROTO);
	}
	over(&conn, 1, 0, 0);
	items_drop();
	audit_finish(t.env.audit, 1000);
	t.env.audit = NULL;
	audit_begin_at("/dev/null", false, 0);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	cr_assert_eq(fseek(f, 0, SEEK_END), 0);
	cr_expect_leq(ftell(f), rate * (AUDIT_BURST_S + 2));
	fclose(f);
	records();
	cr_expect_gt(count("auth.try"), 0);
	cr_expect_gt(num_of(nth("log.suppressed", 0), "n"), 1000);
}

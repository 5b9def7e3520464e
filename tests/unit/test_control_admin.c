/*
 * control/admin/: the socket of the operator, on the loop of the test. Logins and channels are told
 * of in test_control_login.c, where there are some; credentials in test_link_sock.c.
 */
#include "control/count.h"
#include "control/session/internal.h"
#include "control/session/rates.h"
#include "tests/util/admin_bench.h"

TestSuite(control_admin, .init = setup, .fini = teardown, .timeout = 60);

/* --- answers
 * ---------------------------------------------------------------------------------------- */

Test(control_admin, show_info)
{
	const char *version, *conf, *name, *address;
	json_int_t pid, uptime, port, now[3], total[3];
	int attached, shards, fd = call();
	json_t *v;

	conn_begin(3);
	conn_begin(5);
	say(fd, "show info\n");
	v = hear(fd);
	cr_assert_eq(json_unpack(v,
				 "{s:s, s:I, s:I, s:s, s:[{s:s, s:b, s:i}!], s:[*], s:{s:I, s:I, "
				 "s:I !}, s:{s:I, s:I, s:I !}}",
				 "version", &version, "pid", &pid, "uptime", &uptime,
				 "configuration", &conf, "dataplanes", "name", &name, "attached",
				 &attached, "shards", &shards, "listeners", "now", "connections",
				 &now[0], "authenticated", &now[1], "channels", &now[2], "total",
				 "accepted", &total[0], "logins", &total[1], "failed_tries",
				 &total[2]),
		     0);
	cr_expect_str_eq(version, SLUICE_VERSION);
	cr_expect_eq(pid, getpid());
	cr_expect(uptime >= 5 && uptime < 60);
	cr_expect_str_eq(conf, "/etc/\\377\\012\"sluice.conf", "escaped as in the log: %s", conf);
	cr_expect_str_eq(name, "", "no dataplane has answered");
	cr_expect(!attached && shards == 0);
	cr_expect(now[0] == 2 && now[1] == 0 && now[2] == 0);
	cr_expect(total[0] == 2 && total[1] == 0 && total[2] == 0);
	cr_assert_eq(json_unpack(json_array_get(json_object_get(v, "listeners"), 1), "{s:s, s:I !}",
				 "address", &address, "port", &port),
		     0);
	cr_expect_str_eq(address, "192.0.2.1");
	cr_expect_eq(port, 2222);
	json_decref(v);
	close(fd);
}

Test(control_admin, show_connections_of_none)
{
	int fd = call();
	json_t *v;

	say(fd, "show connections\r\n");
	v = hear(fd);
	cr_expect(json_is_array(json_object_get(v, "connections")));
	cr_expect_eq(json_array_size(json_object_get(v, "connections")), 0);
	json_decref(v);
	close(fd);
}

Test(control_admin, show_connections)
{
	json_int_t uid, shard, port, since, channels, local_port;
	const char *source, *local, *state;
	int strict, listeners, capped[4];
	int fd = call();
	json_t *v, *list, *user, *client;

	conn_begin(7);
	conn_begin(MAX_CONNS - 1); /* far behind many empty places */
	say(fd, "show connections\n");
	v = hear(fd);
	list = json_object_get(v, "connections");
	cr_assert_eq(json_array_size(list), 2);
	cr_assert_eq(json_unpack(json_array_get(list, 0),
				 "{s:I, s:I, s:s, s:I, s:o, s:I, s:I, s:b, s:s, s:I, s:s, s:o, s:i, "
				 "s:n, s:i, s:i, s:i, s:i !}",
				 "uid", &uid, "shard", &shard, "source", &source, "port", &port,
				 "user", &user, "since", &since, "channels", &channels,
				 "strict_kex", &strict, "local", &local, "local_port", &local_port,
				 "state", &state, "client", &client, "listeners", &listeners,
				 "key", "capped_in", &capped[0], "capped_out", &capped[1],
				 "capped_time_in", &capped[2], "capped_time_out", &capped[3]),
		     0);
	cr_expect_str_eq(local, "192.0.2.1");
	cr_expect_eq(local_port, 22);
	cr_expect_str_eq(state, "login");
	cr_expect(json_is_null(client));
	cr_expect_eq(listeners, 0);
	for (size_t i = 0; i < N(capped); i++)
		cr_expect_eq(capped[i], 0);
	cr_expect_eq(uid, (1ll << 32) + 7);
	cr_expect_eq(shard, 0);
	cr_expect_str_eq(source, "192.0.2.9");
	cr_expect_eq(port, 1031);
	cr_expect(json_is_null(user));
	cr_expect(since > time(NULL) - 60 && since <= time(NULL));
	cr_expect_eq(channels, 0);
	cr_expect(!strict, "nothing was agreed on");
	json_decref(v);
	close(fd);
}

/* Of 40 at one address, ports apart; one at another. */
Test(control_admin, filters)
{
	static const struct {
		const char *filter;
		size_t n;
	} of[] = {
		{"", 40},
		{" address=192.0.2.9", 40},
		{" address=192.0.2.0/24", 40},
		{" address=::/0", 0},
		{" address=192.0.2.8/32", 0},
		{" conn=4294967303", 1},
		{" conn=7", 0},
		{" user=demo", 0},
		{" conn=4294967303 address=192.0.2.9", 1},
		{" conn=4294967303 address=192.0.3.9", 0},
	};
	static const char *const bad[] = {" user",
					  " conn=x",
					  " conn=",
					  " conn=-1",
					  " address=a",
					  " address=1.2.3",
					  " address=::/129",
					  " conn=1 conn=1",
					  " shard=1",
					  " user=a user=a",
					  " conn=9223372036854775808"};
	char line[128];
	int fd = call();
	json_t *v;

	for (uint32_t i = 0; i < 40; i++)
		conn_begin(i);
	for (size_t i = 0; i < N(of); i++) {
		snprintf(line, sizeof(line), "show connections%s\n", of[i].filter);
		say(fd, line);
		v = hear(fd);
		cr_expect_eq(json_array_size(json_object_get(v, "connections")), of[i].n, "%s",
			     line);
		json_decref(v);
	}
	for (size_t i = 0; i < N(bad); i++) {
		snprintf(line, sizeof(line), "show connections%s\n", bad[i]);
		say(fd, line);
		expect_error(fd, "a filter is user=NAME, address=ADDRESS[/BITS] or conn=NUMBER");
	}
	close(fd);
}

/* --- channels: the shard is asked ---------------------------------------------------------------
 */

static void await_look(void)
{
	unsigned int before = t.looks;

	for (int i = 0; i < 1000 && t.looks == before; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_assert_neq(t.looks, before, "the shard is asked");
}

/* n channels of connection 3, and where to go on, once it is asked. */
static void answer_look(uint32_t n, uint32_t next)
{
	static struct {
		struct link_hdr hdr;
		struct link_look_result r;
		struct link_look_chan c[LINK_LOOK_MAX];
	} m;

	await_look();
	memset(&m, 0, sizeof(m));
	m.hdr = (struct link_hdr){.len = (uint32_t)(sizeof(m.hdr) + sizeof(m.r) + n * sizeof(*m.c)),
				  .type = LINK_EV_LOOK};
	m.r = (struct link_look_result){.id = t.look.id, .next = next, .n = n};
	for (uint32_t i = 0; i < n; i++)
		m.c[i] = (struct link_look_chan){.conn = {.index = 3, .generation = i == 1 ? 9 : 1},
						 .token = 500 + i,
						 .local_channel = t.look.from + i,
						 .bytes_in = 1000,
						 .bytes_out = 2000,
						 .window_out = 5,
						 .client_rtt_us = 700,
						 .target = {.family = 4, .port = 80, .addr = {10, 0, 0, 1}},
						 .state = LINK_CHAN_OPEN,
						 .slow_in = LINK_SLOW_CLIENT,
						 .slow_out = LINK_SLOW_WINDOW,
						 .capped = {LINK_CAPPED_NOT, LINK_CAPPED_USER},
						 .capped_bytes = {0, 300},
						 .capped_us = {0, 4000}};
	cr_assert_eq(link_msg_check(&m, m.hdr.len), 0);
	cr_assert_eq(session_table_event(t.table, &m), 0);
}

Test(control_admin, channels_are_asked_for_piece_by_piece)
{
	const char *name, *address, *in, *out;
	json_int_t bytes, us;
	int fd = call();
	json_t *v, *list;

	conn_begin(3);
	say(fd, "show channels\nshow info\n");
	answer_look(1, 64);
	answer_look(3, 0);
	cr_expect_eq(t.look.from, 64, "it goes on where the shard said");
	v = hear(fd);
	list = json_object_get(v, "channels");
	cr_assert_eq(json_array_size(list), 4);
	cr_assert_eq(json_unpack(json_array_get(list, 1), "{s:s, s:s, s:s, s:s}", "channel", &name,
				 "address", &address, "slow_in", &in, "slow_out", &out),
		     0);
	cr_expect_str_eq(name, "4294967299.64");
	cr_expect_str_eq(address, "10.0.0.1");
	cr_expect_str_eq(in, "client");
	cr_expect_str_eq(out, "window");
	cr_assert_eq(json_unpack(json_array_get(list, 1), "{s:s, s:s, s:I, s:I}", "cap_in", &in,
				 "cap_out", &out, "capped_out", &bytes, "capped_time_out", &us),
		     0);
	cr_expect_str_eq(in, "-");
	cr_expect_str_eq(out, "user");
	cr_expect(bytes == 300 && us == 4000);
	cr_expect(json_is_null(json_object_get(json_array_get(list, 2), "channel")),
		  "its connection is not known here");
	json_decref(v);
	v = hear(fd);
	cr_expect_not_null(json_object_get(v, "pid"), "and the next is answered");
	json_decref(v);
	close(fd);
}

Test(control_admin, channels_are_filtered)
{
	int fd = call();
	json_t *v;

	conn_begin(3);
	say(fd, "show channels conn=4294967299\n");
	answer_look(3, 0);
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "channels")), 2, "not the unknown one");
	json_decref(v);
	say(fd, "show channels address=10.0.0.0/8\n");
	answer_look(3, 0);
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "channels")), 0, "of clients, that is");
	json_decref(v);
	close(fd);
}

/* Of connection 3 and of one that is not known here. */
static void answer_capped(void)
{
	struct {
		struct link_hdr hdr;
		struct link_look_result r;
		struct link_look_conn c[2];
	} m = {.hdr = {.len = sizeof(m), .type = LINK_EV_LOOK}};

	await_look();
	cr_assert_eq(t.look.what, LINK_LOOK_CAPPED);
	m.r = (struct link_look_result){.id = t.look.id, .n = 2, .what = LINK_LOOK_CAPPED};
	for (uint32_t i = 0; i < 2; i++)
		m.c[i] = (struct link_look_conn){.conn = {.index = 3 + i, .generation = 1},
						 .capped_us = {7, 8000},
						 .capped_bytes = {9, 10000}};
	cr_assert_eq(link_msg_check(&m, m.hdr.len), 0);
	cr_assert_eq(session_table_event(t.table, &m), 0);
}

static json_int_t of_row(json_t *row, const char *name)
{
	cr_assert(json_is_integer(json_object_get(row, name)), "%s", name);
	return json_integer_value(json_object_get(row, name));
}

/* Shards are asked where there are rates, and nobody waits for one that does not answer. */
Test(control_admin, connections_say_what_waited_for_rates)
{
	struct session *s;
	int fd = call();
	json_t *v, *row;

	conn_begin(3);
	s = t.table->by_index[3];
	say(fd, "show connections\n");
	v = hear(fd);
	row = json_array_get(json_object_get(v, "connections"), 0);
	cr_expect_eq(of_row(row, "capped_time_out"), 0, "nobody has a rate, and none is asked");
	json_decref(v);
	rates_known(s, true);
	say(fd, "show connections\n");
	answer_capped();
	v = hear(fd);
	cr_assert_eq(json_array_size(json_object_get(v, "connections")), 1);
	row = json_array_get(json_object_get(v, "connections"), 0);
	cr_expect(of_row(row, "capped_in") == 9 && of_row(row, "capped_out") == 10000);
	cr_expect(of_row(row, "capped_time_in") == 7 && of_row(row, "capped_time_out") == 8000);
	json_decref(v);
	say(fd, "show connections\n");
	await_look();
	skip(LOOK_MS);
	v = hear(fd);
	row = json_array_get(json_object_get(v, "connections"), 0);
	cr_expect(json_is_null(json_object_get(row, "capped_out")), "its shard did not answer");
	json_decref(v);
	rates_known(s, false);
	cr_expect_eq(t.env.n_rated, 0);
	close(fd);
}

/* Of a user it is what all of his connections have. */
Test(control_admin, users_say_what_waited_for_rates)
{
	int fd = call();
	json_t *v, *row;

	for (uint32_t i = 3; i < 5; i++) {
		struct session *s;

		conn_begin(i);
		s = t.table->by_index[i];
		s->user = strdup("eve");
		s->user_known = s->authenticated = true;
		t.env.stats.authenticated++;
		rates_known(s, true);
	}
	say(fd, "show users\n");
	answer_capped();
	v = hear(fd);
	cr_assert_eq(json_array_size(json_object_get(v, "users")), 1);
	row = json_array_get(json_object_get(v, "users"), 0);
	cr_expect_eq(of_row(row, "connections"), 2);
	cr_expect(of_row(row, "capped_in") == 18 && of_row(row, "capped_out") == 20000);
	cr_expect(of_row(row, "capped_time_in") == 14 && of_row(row, "capped_time_out") == 16000);
	json_decref(v);
	close(fd);
}

/* The shard does not answer, or too late; others are served meanwhile. */
Test(control_admin, a_shard_that_does_not_answer)
{
	int fd = call(), other = call();
	json_t *v;

	say(fd, "show channels\n");
	await_look();
	say(other, "show info\n");
	v = hear(other);
	json_decref(v);
	skip(LOOK_MS);
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "channels")), 0);
	json_decref(v);
	say(other, "show channels\n");
	answer_look(0, 0);
	v = hear(other);
	json_decref(v);
	close(fd);
	close(other);
}

Test(control_admin, who_leaves_while_a_shard_is_asked)
{
	int fd = call();

	say(fd, "show channels\n");
	await_look();
	close(fd);
	turns(5);
	skip(LOOK_MS);
	turns(5);
	fd = call();
	say(fd, "show channels\n");
	await_look();
	session_table_free(t.table); /* the shard goes, too */
	json_decref(hear(fd));
	close(fd);
	cr_assert_eq(session_table_new(&t.env, &(struct session_link){.send = items_drop, .send_fds = fds_keep}, 0, 0, 16,
				       &t.table),
		     0);
}

/* What the schema says of a list its elements have, and nothing else. */
static void expect_fields(const struct admin_subject *s, json_t *row)
{
	static const json_type type[] = {[ADMIN_INTEGER] = JSON_INTEGER,
					 [ADMIN_NUMBER] = JSON_REAL,
					 [ADMIN_STRING] = JSON_STRING,
					 [ADMIN_STRINGS] = JSON_ARRAY,
					 [ADMIN_COUNTS] = JSON_OBJECT};

	cr_expect_eq(json_object_size(row), s->n_fields, "%s has %zu fields", s->name,
		     json_object_size(row));
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct admin_field *f = &s->field[i];
		const json_t *v = json_object_get(row, f->name);

		if (f->nullable && json_is_null(v))
			continue;
		if (f->type == ADMIN_BOOLEAN)
			cr_expect(json_is_boolean(v), "%s.%s", s->name, f->name);
		else
			cr_expect(v != NULL && json_typeof(v) == type[f->type], "%s.%s", s->name,
				  f->name);
	}
}

Test(control_admin, lists_are_what_the_schema_says)
{
	const struct admin_subject *s;
	char line[64];
	int fd = call();
	json_t *v, *row;
	size_t k;

	conn_begin(3);
	control_count(CONTROL_C_STARTUPS);
	for (size_t i = 0; (s = admin_subject_at(i)) != NULL; i++) {
		snprintf(line, sizeof(line), "show %s\n", s->name);
		say(fd, line);
		if (strcmp(s->name, "channels") == 0)
			answer_look(2, 0);
		v = hear(fd);
		cr_expect(json_is_array(json_object_get(v, s->name)), "%s", s->name);
		json_array_foreach(json_object_get(v, s->name), k, row)
		{
			expect_fields(s, row);
		}
		json_decref(v);
	}
	close(fd);
}

Test(control_admin, listeners_of_the_gateway)
{
	const char *kind, *address, *state;
	json_t *v, *uid, *user, *rdomain;
	int port, channels, fd = call();

	say(fd, "show listeners\nshow listeners user=demo\n");
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "listeners")), 2);
	cr_assert_eq(json_unpack(json_array_get(json_object_get(v, "listeners"), 1),
				 "{s:s, s:s, s:o, s:i, s:s, s:o, s:o, s:i !}", "kind", &kind,
				 "address", &address, "rdomain", &rdomain, "port", &port, "state",
				 &state, "uid", &uid, "user", &user, "channels", &channels),
		     0);
	cr_expect_str_eq(kind, "gateway");
	cr_expect(json_is_null(rdomain));
	cr_expect_str_eq(address, "192.0.2.1");
	cr_expect_eq(port, 2222);
	cr_expect_str_eq(state, "starting", "there is no dataplane");
	json_decref(v);
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "listeners")), 0);
	json_decref(v);
	close(fd);
}

static json_t *row_of(json_t *v, const char *list, const char *name, const char *value)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(v, list), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, name)), value) == 0)
			return row;
	}
	return NULL;
}

/* As sluicectl(8) names those of which nothing is. */
static bool is_used(const char *limit)
{
	static const char *const unused[] = {
		"PerSourcePenalties",
		"RefuseConnection",
		"LoginGraceTime",
		"HandshakeTimeout",
		"EndExpiredSessions",
		"EndRevokedSessions",
		"SlowPathRate",
		"RESOLVE_MS",
		"deadline_ms",
		"HELPER_TIME_MAX",
		"HELPER_ALL_MAX",
		"AuditSourceRate",
		"AuditFailure",
		"PolicyHook timeout",
		"HOOK_LINE_MAX",
		"HANDLER_LINES_MAX",
		"PolicyHook",
		"PolicyHook fail=closed",
		"AuditSpool",           /* none is kept here, */
		"PerSourceMaxStartups", /* and of this there is none */
		"RecordDirectorySize, RecordDirectoryFiles, RecordReserve", /* a folder of root's */
	};

	for (size_t i = 0; i < N(unused); i++)
		if (strcmp(limit, unused[i]) == 0)
			return false;
	return true;
}

Test(control_admin, limits_are_used_and_refuse)
{
	int fd = call();
	json_t *v, *row;
	size_t i;

	t.env.startups.unauthenticated = 7;
	control_count(CONTROL_C_STARTUPS);
	control_count(CONTROL_C_STARTUPS);
	say(fd, "show limits\n");
	v = hear(fd);
	row = row_of(v, "limits", "limit", "MaxStartups");
	cr_assert_not_null(row);
	cr_expect_eq(json_integer_value(json_object_get(row, "used")), 7);
	cr_expect_eq(json_integer_value(json_object_get(row, "max")), 100);
	cr_expect_eq(json_integer_value(json_object_get(row, "refused")), 2);
	row = row_of(v, "limits", "limit", "MaxSessions");
	cr_assert_not_null(row);
	cr_expect_eq(json_integer_value(json_object_get(row, "used")), 0, "of no connection");
	cr_expect_eq(json_integer_value(json_object_get(row, "max")), 10);
	row = row_of(v, "limits", "limit", "ADMIN_CLIENTS_MAX");
	cr_assert_not_null(row);
	cr_expect_eq(json_integer_value(json_object_get(row, "used")), 1, "who asks");
	json_array_foreach(json_object_get(v, "limits"), i, row)
	{
		const char *name = json_string_value(json_object_get(row, "limit"));

		cr_expect_neq(json_is_null(json_object_get(row, "used")), is_used(name), "%s",
			      name);
	}
	json_decref(v);
	t.env.startups.unauthenticated = 0;
	close(fd);
}

Test(control_admin, errors_in_a_row_are_one)
{
	int fd = call();
	json_t *v, *row;

	for (int i = 0; i < 1000; i++)
		control_count(CONTROL_C_STARTUPS);
	log_line(LOG_L_ERROR, "the \x1b house burns");
	log_line(LOG_L_INFO, "the sun shines");
	say(fd, "show errors\n");
	v = hear(fd);
	row = row_of(v, "errors", "text", "the \\033 house burns");
	cr_assert_not_null(row);
	cr_expect(json_is_null(json_object_get(row, "counter")));
	cr_expect_null(row_of(v, "errors", "text", "the sun shines"));
	row = row_of(v, "errors", "text", "connections refused: enough are not logged in");
	cr_assert_not_null(row);
	cr_expect_str_eq(json_string_value(json_object_get(row, "counter")), "STARTUPS");
	cr_expect_str_eq(json_string_value(json_object_get(row, "limit")), "MaxStartups");
	cr_expect_eq(json_integer_value(json_object_get(row, "times")), 1000);
	json_decref(v);
	close(fd);
}

/* The oldest go, and who reads while they do is told of the rest. */
Test(control_admin, errors_are_bounded)
{
	struct errors_entry e = {0};
	unsigned int n = 0;

	for (int i = 0; i < 3 * ERRORS_MAX; i++)
		log_line(LOG_L_ERROR, "error %d", i);
	while (errors_next(e.id, &e))
		n++;
	cr_expect_eq(n, ERRORS_MAX);
	cr_expect_str_eq(e.text, "error 767");
}

Test(control_admin, config_in_force)
{
	int fd = call();
	json_t *v, *list;

	say(fd, "show config\nshow config maxSTARTUPS\nshow config nonsense\n");
	v = hear(fd);
	cr_expect_gt(json_array_size(json_object_get(v, "config")), 50);
	json_decref(v);
	v = hear(fd);
	list = json_object_get(v, "config");
	cr_assert_eq(json_array_size(list), 1);
	cr_expect_str_eq(json_string_value(json_object_get(json_array_get(list, 0), "value")),
			 "10:30:100");
	json_decref(v);
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "config")), 0);
	json_decref(v);
	close(fd);
}

/* --- what changes something
 * ----------------------------------------------------------------------- */

static void expect_refused(int fd, const char *request, const char *text)
{
	char line[512];
	json_t *v;

	snprintf(line, sizeof(line), "%s\n", request);
	say(fd, line);
	v = hear(fd);
	cr_expect_str_eq(json_string_value(json_object_get(v, "error")), text, "%s: %s", request,
			 json_string_value(json_object_get(v, "error")));
	json_decref(v);
}

Test(control_admin, what_cannot_be_done)
{
	static const char which[] = "which: a number, all, user=NAME, address=ADDRESS[/BITS], "
				    "conn=NUMBER";
	static const char none[] = "there is no such connection";
	static const char limits[] =
		"a trace is of one connection, 1 to 3600 seconds, 1 to 1000000 messages";
	static const char forms[] = "a channel is CONN.NUMBER, a listener CONN:PORT";
	static const struct {
		const char *request, *error;
	} bad[] = {
		{"disconnect", "disconnect NUMBER|FILTER...|all [reason=TEXT]"},
		{"disconnect reason=x", which},
		{"disconnect -1", which},
		{"disconnect 1 2", which},
		{"disconnect all all", which},
		{"disconnect all user=x", which},
		{"disconnect reason=x all", which},
		{"disconnect 7", none},
		{"disconnect user=nobody", none},
		{"open 7 x", "open CONN TYPE SOCKET [raw=BASE64]"},
		{"open 7 x /s", none},
		{"open all x /s", "a connection is a number"},
		{"rekey", "rekey NUMBER|FILTER...|all"},
		{"rekey x", which},
		{"rekey all", none},
		{"close", "close CONN.NUMBER|CONN:PORT"},
		{"close 1", forms},
		{"close 1.", forms},
		{"close .1", forms},
		{"close 1.x", forms},
		{"close 1:65536", forms},
		{"close 1.4294967296", forms},
		{"close 1:22", "there is no such channel or listener"},
		{"trace 1", "trace NUMBER SECONDS MESSAGES"},
		{"trace x 1 1", limits},
		{"trace 1 0 1", limits},
		{"trace 1 3601 1", limits},
		{"trace 1 1 0", limits},
		{"trace 1 1 1000001", limits},
		{"trace 1 1 1", "there is no such connection, or it cannot be looked at"},
		{"drain now", "drain"},
		{"shutdown", "it cannot be shut down from here"},
		{"shutdown -1", "a grace is seconds, a week at most"},
		{"shutdown 604801", "a grace is seconds, a week at most"},
		{"reload wet-run", "reload, or reload dry-run"},
		{"reload", "it cannot be reloaded from here"},
	};
	char longest[400] = "disconnect all reason=";
	int fd = call();

	for (size_t i = 0; i < N(bad); i++)
		expect_refused(fd, bad[i].request, bad[i].error);
	memset(longest + strlen(longest), 'x', LINK_TEXT_MAX + 1);
	expect_refused(fd, longest, "a reason has 255 bytes at most");
	close(fd);
}

Test(control_admin, channels_are_opened_to_who_is_in)
{
	static const char form[] = "a type, the path of a socket, raw=BASE64";
	int fd = call();

	conn_begin(1);
	expect_refused(fd, "open 4294967297 x /s raw=AQI=", "it is not logged in, or over");
	expect_refused(fd, "open 4294967297 x /s raw=?", form);
	expect_refused(fd, "open 4294967297 x /s AQI=", form);
	expect_refused(fd, "open 4294967297 x s", form);
	expect_refused(fd, "open 4294967297 x,y /s", form);
	close(fd);
}

static json_int_t did(int fd, const char *request, const char *count)
{
	char line[512];
	json_int_t n;
	json_t *v;

	snprintf(line, sizeof(line), "%s\n", request);
	say(fd, line);
	v = hear(fd);
	cr_expect_not_null(json_object_get(v, "did"), "%s", request);
	n = json_integer_value(json_object_get(v, count));
	json_decref(v);
	return n;
}

Test(control_admin, connections_are_ended_once)
{
	int fd = call();

	for (uint32_t i = 0; i < 9; i++)
		conn_begin(i);
	cr_expect_eq(did(fd, "disconnect 4294967299 reason=go\\040away", "connections"), 1);
	cr_expect_eq(did(fd, "disconnect address=192.0.2.0/24", "connections"), 8);
	expect_refused(fd, "disconnect all", "there is no such connection");
	cr_expect_not_null(strstr(t.log, ": disconnect: 8 connections"));
	cr_expect_not_null(strstr(t.log, "operator uid "));
	close(fd);
}

/* The line, and the descriptor that comes with it. */
static int passed(int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} c;
	char line[512];
	struct iovec iov = {line, sizeof(line)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = c.room,
			     .msg_controllen = sizeof(c.room)};
	ssize_t n;
	int got;

	while ((n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC)) < 0) {
		cr_assert_eq(errno, EAGAIN);
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	cr_assert(n > 0 && line[n - 1] == '\n');
	cr_assert_not_null(CMSG_FIRSTHDR(&msg));
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(got));
	return got;
}

/* What the shard says comes to who asked. */
Test(control_admin, a_trace_is_one_sockets_two_ends)
{
	int fd = call(), mine;
	char c;

	conn_begin(3);
	say(fd, "trace 4294967299 60 1000\n");
	mine = passed(fd);
	cr_expect_eq(t.trace.fds, t.fds);
	cr_expect_eq(t.trace.time_ms, 60000);
	cr_expect_eq(t.trace.messages, 1000);
	cr_assert_eq(write(t.fd, "x", 1), 1);
	close(t.fd);
	cr_expect_eq(read(mine, &c, 1), 1);
	cr_expect_eq(read(mine, &c, 1), 0, "nobody else has it");
	cr_expect_not_null(strstr(t.log, ": trace: connection 4294967299, 60 s, 1000 messages"));
	close(mine);
	close(fd);
}

Test(control_admin, a_channel_is_found_and_closed)
{
	int fd = call();
	json_t *v;

	conn_begin(3);
	say(fd, "close 4294967299.65\n");
	answer_look(1, 64);
	answer_look(3, 0);
	v = hear(fd); /* the one of that number is of another generation */
	cr_expect_not_null(json_object_get(v, "error"));
	json_decref(v);
	say(fd, "close 4294967299.66\n");
	answer_look(1, 64);
	answer_look(3, 0);
	v = hear(fd);
	cr_expect_eq(json_integer_value(json_object_get(v, "channels")), 1);
	cr_expect_eq(t.closed.local_channel, 66);
	cr_expect_eq(t.closed.token, 502);
	json_decref(v);
	close(fd);
}

Test(control_admin, while_it_drains_nobody_comes_in)
{
	int fd = call();

	conn_begin(1);
	cr_expect_eq(did(fd, "drain", "connections"), 1, "who is in stays");
	conn_begin(2);
	cr_expect_eq(did(fd, "drain", "connections"), 1);
	cr_expect_eq(control_counted(CONTROL_C_DRAINING), 1);
	did(fd, "undrain", "connections");
	conn_begin(3);
	cr_expect_eq(did(fd, "undrain", "connections"), 2);
	close(fd);
}

static uint64_t shut_down_grace = 1;

static void on_shut_down(void *owner, uint64_t grace_ms)
{
	(void)owner;
	shut_down_grace = grace_ms;
}

Test(control_admin, a_shutdown_drains)
{
	int fd = call();

	t.admin_env.shut_down = on_shut_down;
	did(fd, "shutdown 90", "connections");
	cr_expect_eq(shut_down_grace, 90000);
	cr_expect(t.env.draining);
	did(fd, "shutdown", "connections");
	cr_expect_eq(shut_down_grace, 0);
	close(fd);
}

/* --- requests
 * ---------------------------------------------------------------------------------------- */

/* Words with escapes: what was shown can be asked for. */
Test(control_admin, words_of_a_request)
{
	static const char *const bad[] = {"",
					  " ",
					  "a ",
					  " a",
					  "a  b",
					  "a\\",
					  "a\\12",
					  "a\\400",
					  "a\\000",
					  "a\\x41",
					  "1 2 3 4 5 6 7 8 9 a b c d"};
	struct request r;

	cr_assert_eq(request_parse("a\\040b c\\\\d \\377", 16, &r), 0);
	cr_assert_eq(r.n, 3);
	cr_expect_str_eq(request_word(&r, 0), "a b");
	cr_expect_str_eq(request_word(&r, 1), "c\\d");
	cr_expect_str_eq(request_word(&r, 2), "\xff");
	cr_expect_str_eq(request_word(&r, 3), "");
	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(request_parse(bad[i], strlen(bad[i]), &r), -EINVAL, "\"%s\"", bad[i]);
	cr_expect_eq(request_parse("a\0b", 3, &r), -EINVAL);
}

Test(control_admin, what_is_no_request)
{
	static const char *const bad[] = {
		"",           "show",        "SHOW INFO",      "show  info", " show info",
		"show info ", "show infox",  "show counters ", "{\"v\":1}",  "\xff\xfe\x01",
		"quit",       "show info\r", "show connection"};
	json_t *v;
	int fd = call();

	for (size_t i = 0; i < N(bad); i++) {
		say(fd, bad[i]);
		say(fd, i == 11 ? "\r\n" : "\n"); /* one end of a line is taken away, not two */
		expect_error(fd, "unknown request");
	}
	cr_assert_eq(send(fd, "show info\0\n", 11, 0), 11);
	expect_error(fd, "unknown request");
	say(fd, "show info\n"); /* and it is still served */
	v = hear(fd);
	cr_expect_null(json_object_get(v, "error"));
	json_decref(v);
	close(fd);
}

Test(control_admin, requests_in_one_piece_and_in_many)
{
	int fd = call();
	json_t *v;

	say(fd, "show connections\nnonsense\nshow in");
	v = hear(fd);
	cr_expect_not_null(json_object_get(v, "connections"));
	json_decref(v);
	expect_error(fd, "unknown request");
	for (const char *p = "fo\n"; *p != '\0'; p++) {
		turns(2);
		cr_assert_eq(send(fd, p, 1, 0), 1);
	}
	v = hear(fd);
	cr_expect_not_null(json_object_get(v, "pid"));
	json_decref(v);
	close(fd);
}

Test(control_admin, without_a_dataplane_there_are_no_counters)
{
	int fd = call();
	json_t *v;

	say(fd, "show counters\nshow info\n");
	v = hear(fd);
	cr_expect_eq(json_integer_value(json_object_get(v, "v")), 1);
	cr_expect(json_is_array(json_object_get(v, "shards")));
	cr_expect_eq(json_array_size(json_object_get(v, "shards")), 0);
	cr_expect_gt(json_array_size(json_object_get(v, "control")), 0);
	json_decref(v);
	v = hear(fd);
	cr_expect_not_null(json_object_get(v, "version"), "and the next is answered");
	json_decref(v);
	close(fd);
}

/* As `printf 'show info\n' | nc -U` does: the answer comes, then the end. */
Test(control_admin, who_has_said_all_is_answered)
{
	int fd = call();
	json_t *v;

	conn_begin(1);
	say(fd, "show connections\nshow info\nhalf a li");
	shutdown(fd, SHUT_WR);
	v = hear(fd);
	cr_expect_eq(json_array_size(json_object_get(v, "connections")), 1);
	json_decref(v);
	v = hear(fd);
	cr_expect_not_null(json_object_get(v, "pid"));
	json_decref(v);
	cr_expect(closed(fd));
	close(fd);
}

/* --- limits
 * ----------------------------------------------------------------------------------------- */

static char *long_line(size_t n)
{
	char *line = malloc(n + 1);

	memset(line, 'a', n);
	line[n] = '\0';
	return line;
}

Test(control_admin, the_longest_line)
{
	char *line = long_line(ADMIN_LINE_MAX - 1);
	int fd = call();

	say(fd, line);
	say(fd, "\n");
	expect_error(fd, "unknown request");
	say(fd, "again\n");
	expect_error(fd, "unknown request");
	close(fd);
	free(line);
}

Test(control_admin, a_line_that_is_too_long_ends_it)
{
	char *line = long_line(ADMIN_LINE_MAX);
	int fd = call();

	say(fd, line);
	say(fd, "\nshow info\n");
	expect_error(fd, "the line is too long");
	/* No more is answered: a reset, as bytes were left unread, or the end. */
	turns(5);
	cr_expect_leq(recv(fd, line, 1, 0), 0);
	cr_expect_neq(errno, EAGAIN);
	close(fd);
	free(line);
}

Test(control_admin, so_many_and_no_more)
{
	int fd[ADMIN_CLIENTS_MAX], extra;
	json_t *v;

	for (size_t i = 0; i < N(fd); i++)
		fd[i] = call();
	turns(20);
	extra = call();
	expect_error(extra, "too many clients");
	cr_expect(closed(extra));
	close(extra);
	close(fd[3]); /* its place is free */
	turns(5);
	fd[3] = call();
	for (size_t i = 0; i < N(fd); i++) {
		say(fd[i], "show info\n");
		v = hear(fd[i]);
		cr_expect_null(json_object_get(v, "error"));
		json_decref(v);
		close(fd[i]);
	}
}

Test(control_admin, who_is_silent_is_closed)
{
	int fd = call(), dribbles = call();

	turns(5);
	skip(ADMIN_IDLE_MS / 2);
	say(dribbles, "show"); /* bytes are not a request */
	turns(5);
	skip(ADMIN_IDLE_MS / 2);
	cr_expect(closed(fd));
	cr_expect(closed(dribbles));
	close(fd);
	close(dribbles);
}

Test(control_admin, who_asks_stays)
{
	int fd = call();
	json_t *v;

	for (unsigned int i = 0; i < 4; i++) {
		turns(5);
		skip(ADMIN_IDLE_MS - 1000);
		say(fd, "show info\n");
		v = hear(fd);
		json_decref(v);
	}
	close(fd);
}

/* A list that does not fit a socket: its reader gets all of it, in pieces. */
Test(control_admin, a_long_answer)
{
	int fd = call();
	json_t *v, *list;

	for (uint32_t i = 0; i < 5000; i++)
		conn_begin(2 * i);
	say(fd, "show connections\n");
	v = hear(fd);
	list = json_object_get(v, "connections");
	cr_assert_eq(json_array_size(list), 5000);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq(json_integer_value(json_object_get(json_array_get(list, i), "uid")),
			     (1ll << 32) + 2 * (json_int_t)i);
	json_decref(v);
	close(fd);
}

/* It asks and never reads: others are served, it costs a piece of an answer, and it goes. */
Test(control_admin, who_does_not_read_is_bounded_and_closed)
{
	int fd = call(), other = call();
	char byte;
	size_t got = 0, more = 0;
	json_t *v;

	for (uint32_t i = 0; i < 8000; i++)
		conn_begin(i);
	for (unsigned int i = 0; i < 3; i++) {
		more = 0;
		while (send(fd, "show connections\n", 17, MSG_NOSIGNAL) == 17)
			more++; /* until it takes no more */
		cr_expect_eq(errno, EAGAIN);
		turns(1000);
	}
	cr_expect_eq(more, 0, "nothing is read while an answer waits");
	say(other, "show info\n");
	v = hear(other);
	json_decref(v);
	skip(ADMIN_IDLE_MS);
	while (recv(fd, &byte, 1, 0) == 1)
		got++;
	cr_expect_neq(errno, EAGAIN, "it is closed");
	cr_expect_lt(got, 8000 * 80, "and got %zu bytes, less than one answer", got);
	close(fd);
	close(other);
}

Test(control_admin, who_leaves_in_the_middle)
{
	for (uint32_t i = 0; i < 8000; i++)
		conn_begin(i);
	for (unsigned int i = 0; i < 60; i++) {
		int fd = call();

		say(fd, "show connections\nshow info\n");
		turns(i);
		close(fd);
		turns(2);
	}
}

/* --- the file
 * ----------------------------------------------------------------------------------------- */

Test(control_admin, the_file_is_its_users_alone)
{
	struct stat st;

	cr_assert_eq(stat(t.path, &st), 0);
	cr_expect(S_ISSOCK(st.st_mode));
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_expect_eq(st.st_uid, geteuid());
}

Test(control_admin, a_live_one_is_refused_and_lives_on)
{
	struct admin *second = NULL;
	int fd;
	json_t *v;

	cr_expect_eq(admin_new(&t.loop, &t.admin_env, t.path, &second), -EADDRINUSE);
	cr_expect_null(second);
	fd = call();
	say(fd, "show info\n");
	v = hear(fd);
	json_decref(v);
	close(fd);
}

Test(control_admin, a_stale_one_is_replaced)
{
	char path[96];
	struct admin *second = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/stale", t.dir);
	fd = link_listen_stream(path);
	cr_assert_geq(fd, 0);
	close(fd); /* the file stays, as when a process is killed */
	cr_assert_eq(admin_new(&t.loop, &t.admin_env, path, &second), 0);
	admin_close(second);
	cr_expect_neq(access(path, F_OK), 0);
}

Test(control_admin, a_file_that_is_no_socket_is_left_alone)
{
	struct admin *second = NULL;
	char path[96];

	snprintf(path, sizeof(path), "%s/file", t.dir);
	fclose(fopen(path, "w"));
	cr_expect_eq(admin_new(&t.loop, &t.admin_env, path, &second), -EEXIST);
	cr_expect_eq(unlink(path), 0);
}

/* Needs root to become somebody else; the mode is opened so that only credentials are in the way.
 */
Test(control_admin, a_caller_of_another_user_hears_nothing)
{
	int status, ready[2];
	pid_t child;

	if (geteuid() != 0)
		cr_skip_test("only root can become another user");
	cr_assert_eq(chmod(t.dir, 0755), 0);
	cr_assert_eq(chmod(t.path, 0777), 0);
	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct sockaddr_un sa = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		char c;

		strcpy(sa.sun_path, t.path);
		if (setuid(65533) < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
			_exit(9);
		(void)!write(fd, "show info\n", 10);
		(void)!write(ready[1], "x", 1);
		_exit(read(fd, &c, 1) <= 0 ? 0 : 1);
	}
	cr_assert_eq(read(ready[0], &(char){0}, 1), 1);
	turns(5);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(WEXITSTATUS(status), 0);
	cr_expect_not_null(strstr(t.log, "a caller of another user was turned away"));
	close(ready[0]);
	close(ready[1]);
}

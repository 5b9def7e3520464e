/*
 * control/admin/: the socket of the operator, on the loop of the test. Logins and channels are told
 * of in test_control_login.c, where there are some; credentials in test_link_sock.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "control/admin/admin.h"
#include "control/clock.h"
#include "control/log.h"
#include "link/sock.h"
#include "ssh/brain.h"
#include "ssh/kexinit.h"

#define N(a)      (sizeof(a) / sizeof((a)[0]))
#define MAX_CONNS 20000

static struct {
	uv_loop_t loop;
	struct clock *clock;
	struct session_env env;
	struct session_table *table;
	struct linkpeer *peer;
	struct admin_env admin_env;
	struct admin *admin;
	char dir[64], path[96], log[4096];
	uint64_t skipped_ms; /* how far our clock is ahead */
} t = {.dir = "/tmp/sluice-admin-XXXXXX"};

static void sink(void *arg, enum log_level level, const char *line)
{
	size_t n = strlen(t.log);

	(void)arg;
	(void)level;
	snprintf(t.log + n, sizeof(t.log) - n, "%s\n", line);
}

static void items_drop(void *arg, const void *head, size_t head_len, const void *body,
		       size_t body_len)
{
	(void)arg;
	(void)head;
	(void)head_len;
	(void)body;
	(void)body_len;
}

static uint64_t now_ms(void)
{
	return clock_now_ms() + t.skipped_ms;
}

static void skip(uint64_t ms)
{
	t.skipped_ms += ms;
	timers_poll(t.env.timers, now_ms());
}

static void setup(void)
{
	static const char text[] = "ListenAddress 127.0.0.1:22\nListenAddress 192.0.2.1:2222\n";
	const struct conf_algs algs = {
		.ciphers = {SSH_DEFAULT_CIPHERS, SSH_DEFAULT_CIPHERS},
		.macs = {SSH_DEFAULT_MACS, SSH_DEFAULT_MACS},
		.kex = {SSH_DEFAULT_KEX, SSH_DEFAULT_KEX},
		.hostkey = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
		.hostbased_accepted = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
		.pubkey_accepted = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
	};
	const struct session_link link = {.send = items_drop, .start_id = 1};
	struct session_env *e = &t.env;
	struct key *host = NULL;
	char *errors = NULL, path[128];

	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/control.sock", t.dir);
	snprintf(path, sizeof(path), "%s/link.sock", t.dir); /* where nobody is */
	log_sink_set(sink, NULL);
	cr_assert_eq(conf_parse("test", text, strlen(text), &algs, &e->conf, &errors), 0, "%s",
		     errors);
	uv_loop_init(&t.loop);
	e->startups.limit = (struct startups_limit){MAX_CONNS, 30, MAX_CONNS};
	e->ident = "SSH-2.0-Sluice_test";
	e->now_ms = now_ms;
	cr_assert_eq(timers_new(&e->timers), 0);
	cr_assert_eq(clock_new(&t.loop, e->timers, &t.clock), 0);
	cr_assert_eq(pool_new(&t.loop, e->timers, 1, 64, &e->compute), 0);
	cr_assert_eq(signer_new(e->compute, &e->keys.set[0].signer), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &host), 0);
	cr_assert_eq(signer_add(e->keys.set[0].signer, host), 0);
	cr_assert_eq(session_table_new(e, &link, 0, 0, MAX_CONNS, &t.table), 0);
	cr_assert_eq(linkpeer_new(&t.loop, e, path, &t.peer), 0);
	t.admin_env = (struct admin_env){.sessions = e,
					 .peers = &t.peer,
					 .n_peers = 1,
					 .conf_path = "/etc/\xff\n\"sluice.conf",
					 .began_ms = clock_now_ms() - 5500};
	cr_assert_eq(admin_new(&t.loop, &t.admin_env, t.path, &t.admin), 0);
}

static void teardown(void)
{
	admin_close(t.admin);
	cr_expect_neq(access(t.path, F_OK), 0, "the file is gone");
	session_table_free(t.table);
	cr_expect_eq(t.env.stats.connections, 0);
	linkpeer_close(t.peer);
	pool_close(t.env.compute);
	clock_close(t.clock);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&t.loop), 0, "nothing is left on the loop");
	cr_expect_eq(timers_next_ms(t.env.timers), UINT64_MAX, "no timer is left");
	keysets_fini(&t.env.keys);
	timers_free(t.env.timers);
	conf_put(t.env.conf);
	cr_expect_eq(rmdir(t.dir), 0);
}

TestSuite(control_admin, .init = setup, .fini = teardown, .timeout = 60);

/* --- connections and callers ---------------------------------------------------------------------
 */

static void conn_begin(uint32_t index)
{
	struct {
		struct link_hdr hdr;
		struct link_conn_new body;
	} m = {.hdr = {.len = sizeof(m),
		       .type = LINK_EV_CONN_NEW,
		       .conn = {.index = index, .generation = 1}},
	       .body = {.local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
			.peer = {.family = 4,
				 .port = (uint16_t)(1024 + index),
				 .addr = {192, 0, 2, 9}},
			.uid_low = index,
			.uid_high = 1}};

	cr_assert_eq(session_table_event(t.table, &m), 0);
}

static int call(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path, t.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* 1: a byte; 0: the end. Turns the loop until there is either. */
static int hear_byte(int fd, char *ret)
{
	for (;;) {
		ssize_t n = recv(fd, ret, 1, 0);

		if (n >= 0)
			return (int)n;
		cr_assert_eq(errno, EAGAIN);
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
}

static bool closed(int fd)
{
	char c;

	return hear_byte(fd, &c) == 0;
}

/* The next line, as JSON with the version it should have. The caller lets it go. */
static json_t *hear(int fd)
{
	static char line[4u << 20];
	size_t n = 0;
	json_error_t e;
	json_t *v;

	while (n < sizeof(line) && hear_byte(fd, &line[n]) == 1 && line[n] != '\n')
		n++;
	cr_assert_lt(n, sizeof(line));
	v = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);
	cr_assert_not_null(v, "%s in %.*s", e.text, (int)(n < 200 ? n : 200), line);
	cr_assert_eq(json_integer_value(json_object_get(v, "v")), 1);
	return v;
}

static void expect_error(int fd, const char *text)
{
	json_t *v = hear(fd);

	cr_expect_str_eq(json_string_value(json_object_get(v, "error")), text);
	cr_expect_eq(json_array_size(json_object_get(v, "known")), 4);
	json_decref(v);
}

static void turns(unsigned int n)
{
	while (n-- > 0)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

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
	json_int_t uid, shard, port, since, channels;
	const char *source;
	int strict;
	int fd = call();
	json_t *v, *list, *user;

	conn_begin(7);
	conn_begin(MAX_CONNS - 1); /* far behind many empty places */
	say(fd, "show connections\n");
	v = hear(fd);
	list = json_object_get(v, "connections");
	cr_assert_eq(json_array_size(list), 2);
	cr_assert_eq(json_unpack(json_array_get(list, 0),
				 "{s:I, s:I, s:s, s:I, s:o, s:I, s:I, s:b !}", "uid", &uid, "shard",
				 &shard, "source", &source, "port", &port, "user", &user, "since",
				 &since, "channels", &channels, "strict_kex", &strict),
		     0);
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

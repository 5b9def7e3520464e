/*
 * tests/util/admin_bench.h - the operator's socket on the loop of the test, a shard that hears of connections
 * and says nothing, and callers.
 */
#ifndef SLUICE_TESTS_UTIL_ADMIN_BENCH_H
#define SLUICE_TESTS_UTIL_ADMIN_BENCH_H

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
#include "control/admin/fields.h"
#include "control/admin/request.h"
#include "control/clock.h"
#include "control/errors.h"
#include "control/log.h"
#include "control/session/look.h"
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
	struct link_look look; /* the latest, of looks */
	unsigned int looks;
	struct link_chan_ref closed; /* the latest channel that was to be closed */
	struct link_trace trace;     /* the latest that was to be begun, */
	uint64_t fds;                /* and the descriptor that was sent: its token, */
	int fd;                      /* and it; 0 */
} t = {.dir = "/tmp/sluice-admin-XXXXXX"};

static inline void sink(void *arg, enum log_level level, const char *line)
{
	size_t n = strlen(t.log);

	(void)arg;
	(void)level;
	snprintf(t.log + n, sizeof(t.log) - n, "%s\n", line);
}

/* The shard hears of connections and says nothing; what it is asked to show is kept. */
static inline void items_drop(void *arg, const void *head, size_t head_len, const void *body,
		       size_t body_len)
{
	const struct link_hdr *h = head;

	(void)arg;
	(void)head_len;
	if (h->type == LINK_CMD_LOOK && body_len == sizeof(t.look))
		memcpy(&t.look, body, sizeof(t.look));
	t.looks += h->type == LINK_CMD_LOOK;
	if (h->type == LINK_CMD_TRACE)
		memcpy(&t.trace, body, sizeof(t.trace));
	if (h->type == LINK_CMD_CHAN_CLOSE)
		memcpy(&t.closed, body, sizeof(t.closed));
}

static inline int fds_keep(void *arg, uint64_t token, const int *fds, unsigned int n)
{
	(void)arg;
	cr_assert_eq(n, 1);
	t.fds = token;
	t.fd = dup(fds[0]);
	return 0;
}

static inline uint64_t now_ms(void)
{
	return clock_now_ms() + t.skipped_ms;
}

static inline void skip(uint64_t ms)
{
	t.skipped_ms += ms;
	timers_poll(t.env.timers, now_ms());
}

static inline void setup(void)
{
	static const char text[] = "ListenAddress 127.0.0.1:22\nListenAddress 192.0.2.1:2222\n";
	const struct conf_algs algs = {
		.ciphers = {.dflt = SSH_DEFAULT_CIPHERS, .all = SSH_DEFAULT_CIPHERS},
		.macs = {.dflt = SSH_DEFAULT_MACS, .all = SSH_DEFAULT_MACS},
		.kex = {.dflt = SSH_DEFAULT_KEX, .all = SSH_DEFAULT_KEX},
		.hostkey = {.dflt = SSH_DEFAULT_HOSTKEY, .all = SSH_DEFAULT_HOSTKEY},
		.hostbased_accepted = {.dflt = SSH_DEFAULT_HOSTKEY, .all = SSH_DEFAULT_HOSTKEY},
		.pubkey_accepted = {.dflt = SSH_DEFAULT_HOSTKEY, .all = SSH_DEFAULT_HOSTKEY},
	};
	const struct session_link link = {
		.send = items_drop, .send_fds = fds_keep, .start_id = 1, .shards = 1};
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
	t.admin_env.admin = t.admin;
}

static inline void teardown(void)
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

/* --- connections and callers ---------------------------------------------------------------------
 */

static inline void conn_begin(uint32_t index)
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

static inline int call(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path, t.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static inline void say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* 1: a byte; 0: the end. Turns the loop until there is either. */
static inline int hear_byte(int fd, char *ret)
{
	for (;;) {
		ssize_t n = recv(fd, ret, 1, 0);

		if (n >= 0)
			return (int)n;
		cr_assert_eq(errno, EAGAIN);
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
}

static inline bool closed(int fd)
{
	char c;

	return hear_byte(fd, &c) == 0;
}

/* The next line, as JSON with the version it should have. The caller lets it go. */
static inline json_t *hear(int fd)
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

static inline void expect_error(int fd, const char *text)
{
	json_t *v = hear(fd);

	cr_expect_str_eq(json_string_value(json_object_get(v, "error")), text);
	cr_expect_geq(json_array_size(json_object_get(v, "known")), 10);
	json_decref(v);
}

static inline void turns(unsigned int n)
{
	while (n-- > 0)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

#endif

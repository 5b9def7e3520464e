/*
 * tests/util/session_bench.h - sessions of control on a bench: a link that only remembers, a client
 * without records, control's loop in turns of the test's.
 */
#ifndef SLUICE_TESTS_UTIL_SESSION_BENCH_H
#define SLUICE_TESTS_UTIL_SESSION_BENCH_H

#include <criterion/criterion.h>
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "control/log.h"
#include "ssh/brain.h"
#include "ssh/trans_msg.h"
#include "tests/util/control_bench.h"

#ifndef MAX_CONNS
#define MAX_CONNS 16
#endif

struct item {
	struct item *next;
	_Alignas(uint64_t) uint8_t msg[];
};

static struct {
	uv_loop_t loop;
	struct clock *clock;
	struct session_env env;
	struct session_table *table;
	struct item *first, **last; /* items, of all connections */
	struct key *key;
	char dir[64];
} t = {.dir = "/tmp/sluice-session-XXXXXX"};

/* --- the other end of the link --------------------------------------------------------------- */

/* What a shard keeps for another control: the latest of each. */
struct kept_bytes {
	uint8_t p[LINK_BLOB_MAX];
	uint32_t len;
};
static struct kept_bytes bench_blob, bench_sealed, bench_kexinit;

static inline void kept_note(const uint8_t *msg)
{
	const struct link_hdr *h = (const void *)msg;
	const struct link_bytes *b = link_msg_body(msg);
	const uint8_t *p = (const uint8_t *)(b + 1);
	struct kept_bytes *to = NULL;

	if (h->type == LINK_IT_BLOB)
		to = &bench_blob;
	else if (h->type == LINK_IT_RX_SEALED)
		to = &bench_sealed;
	else if (h->type == LINK_IT_PAYLOAD && p[0] == SSH_MSG_KEXINIT && b->len <= LINK_BLOB_MAX)
		to = &bench_kexinit;
	if (to == NULL)
		return;
	memcpy(to->p, p, b->len);
	to->len = b->len;
}

static inline void on_item(void *arg, const void *head, size_t head_len, const void *body,
			   size_t body_len)
{
	struct item *i = malloc(sizeof(*i) + head_len + body_len);

	(void)arg;
	i->next = NULL;
	memcpy(i->msg, head, head_len);
	if (body_len > 0)
		memcpy(i->msg + head_len, body, body_len);
	cr_assert_eq(link_msg_check(i->msg, head_len + body_len), 0);
	kept_note(i->msg);
	*t.last = i;
	t.last = &i->next;
}

/* The next item, which the caller frees; NULL: none. */
static inline struct item *item_next(void)
{
	struct item *i = t.first;

	if (i == NULL)
		return NULL;
	t.first = i->next;
	if (t.first == NULL)
		t.last = &t.first;
	return i;
}

static inline void items_drop(void)
{
	struct item *i;

	while ((i = item_next()) != NULL)
		free(i);
}

static inline uint16_t item_type(const struct item *i)
{
	return ((const struct link_hdr *)(const void *)i->msg)->type;
}

static inline int event(const struct link_handle *conn, enum link_type type, const void *body,
			size_t len, const void *tail, size_t tail_len)
{
	struct link_hdr hdr = {.len = (uint32_t)(sizeof(hdr) + len + tail_len),
			       .type = (uint16_t)type,
			       .conn = *conn};
	_Alignas(uint64_t) static uint8_t msg[LINK_MSG_MAX];

	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), body, len);
	if (tail_len > 0)
		memcpy(msg + sizeof(hdr) + len, tail, tail_len);
	cr_assert_eq(link_msg_check(msg, hdr.len), 0);
	return session_table_event(t.table, msg);
}

static inline void conn_begin(const struct link_handle *conn)
{
	const struct link_conn_new ev = {.local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
					 .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}}};

	cr_assert_eq(event(conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), 0);
}

static inline void conn_over(const struct link_handle *conn)
{
	const struct link_conn_end ev = {
		.audit_id = 1, .peer = {.family = 4}, .cause = -SSH_E_CLOSED};

	cr_assert_eq(event(conn, LINK_EV_CONN_END, &ev, sizeof(ev), NULL, 0), 0);
}

/* --- control ---------------------------------------------------------------------------------- */

static inline void quiet(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

static inline void table_new(void)
{
	const struct session_link link = {.send = on_item, .start_id = 1, .shards = 1};

	cr_assert_eq(session_table_new(&t.env, &link, 0, 0, MAX_CONNS, &t.table), 0);
}

static inline void start(const char *more)
{
	struct session_env *e = &t.env;
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	char text[1024];
	int n;

	control_dir(t.dir);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key), 0);
	crypt_r("secret", "$5$rounds=1000$salt", cd);
	snprintf(text, sizeof(text), "demo:%s\nother:%s\n", cd->output, cd->output);
	free(cd);
	control_file(t.dir, "passwords", text, 0600);
	n = snprintf(text, sizeof(text),
		     "ListenAddress 127.0.0.1:22\nAuthorizedKeysFile none\n"
		     "PasswordHashFile %s/passwords\nPasswordAuthentication yes\n%s\n",
		     t.dir, more);
	e->conf = control_conf(text, n);

	log_sink_set(quiet, NULL);
	t.last = &t.first;
	uv_loop_init(&t.loop);
	e->startups.limit = (struct startups_limit){100, 30, 100};
	control_env_open(e, &t.loop, &t.clock, clock_now_ms);
	table_new();
}

static inline void setup(void)
{
	start("");
}

static inline void teardown(void)
{
	session_table_free(t.table);
	cr_expect_eq(t.env.startups.unauthenticated, 0, "every place is given back");
	control_env_close(&t.env, t.clock);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&t.loop), 0, "nothing is left on the loop");
	items_drop();
	cr_expect_eq(timers_next_ms(t.env.timers), UINT64_MAX, "no timer is left");
	control_env_free(&t.env);
	key_free(t.key);
	control_dir_remove(t.dir);
}

/* --- a client without records: payloads go as they are ---------------------------------------- */

struct client {
	struct link_handle conn;
	struct ssh_brain *brain;
	uint32_t seqnr, heard; /* of the next payload, either way */
	unsigned int logins, payloads, answered;
	const char *password; /* of the second login; the first is a wrong one */
	bool in, opened, done;
	unsigned int exchanges; /* of keys, done */
};

static enum ssh_strict bench_strict = SSH_STRICT_OFF; /* of clients */
static const char *bench_user = "demo";

static inline void client_begin(struct client *c, uint32_t index, uint32_t generation)
{
	const struct ssh_brain_conf conf = {.role = SSH_CLIENT,
					    .ident = "SSH-2.0-test",
					    .strict = bench_strict,
					    .user = bench_user};

	*c = (struct client){.conn = {.index = index, .generation = generation},
			     .password = "secret"};
	cr_assert_eq(ssh_brain_new(&conf, &c->brain), 0);
	cr_assert_eq(ssh_brain_start(c->brain), 0);
	conn_begin(&c->conn);
}

static inline void client_login(struct client *c, uint32_t id)
{
	const char *pw = c->logins++ == 0 ? "wrong" : c->password;

	cr_assert_eq(ssh_brain_login_password(c->brain, id, pw, strlen(pw)), 0);
}

static inline uint32_t open_build(uint8_t *buf, size_t size, const char *host, uint16_t port)
{
	struct ssh_direct_tcpip d = {ssh_str_c(host), port, ssh_str_c("::1"), 1};
	struct ssh_chan_open m = {
		.type = ssh_str_c("direct-tcpip"), .window_size = 65536, .packet_max = 32768};
	uint8_t rest[512];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_direct_tcpip_build(&w, &d);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, size);
	ssh_chan_open_build(&w, &m);
	return (uint32_t)ssh_wr_done(&w);
}

/* To a name, which has to be looked up, and leads where no tunnel does. */
static inline void client_open(struct client *c)
{
	uint8_t buf[256];

	cr_assert_eq(ssh_brain_send(c->brain, buf, open_build(buf, sizeof(buf), "localhost", 80)),
		     0);
	c->opened = true;
}

static inline void client_payload(struct client *c, const struct ssh_str *p)
{
	struct link_payload ev = {.seqnr = c->seqnr++, .len = p->len};

	c->payloads++;
	cr_assert_eq(event(&c->conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), p->p, p->len), 0);
}

static inline void client_act(struct client *c, const struct ssh_act *a)
{
	struct link_bytes line = {.len = a->bytes.len - 2};

	switch (a->kind) {
	case SSH_ACT_IDENT:
		cr_assert_eq(
			event(&c->conn, LINK_EV_IDENT, &line, sizeof(line), a->bytes.p, line.len),
			0);
		break;
	case SSH_ACT_SEND:
		client_payload(c, &a->bytes);
		break;
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(c->brain, a->id, a->job), 0);
		break;
	case SSH_ACT_HOSTKEY:
		cr_assert_eq(ssh_brain_hostkey_answer(c->brain, a->id, true), 0);
		break;
	case SSH_ACT_LOGIN:
		client_login(c, a->id);
		break;
	case SSH_ACT_AUTHENTICATED:
		c->in = true;
		break;
	case SSH_ACT_KEX_DONE:
		c->exchanges++;
		break;
	case SSH_ACT_CHANNEL_OTHER: /* its open was refused */
	case SSH_ACT_END:
		c->done = true;
		break;
	default:
		break;
	}
}

static inline void client_item(struct client *c, const struct item *i)
{
	const struct link_hdr *h = (const void *)i->msg;
	const struct link_bytes *b = link_msg_body(i->msg);
	const struct link_answered *credit = link_msg_body(i->msg);

	if (memcmp(&h->conn, &c->conn, sizeof(c->conn)) != 0)
		return;
	if (h->type == LINK_IT_IDENT && memcmp(b + 1, "SSH-", 4) != 0)
		return; /* a line before it, for people */
	if (h->type == LINK_IT_IDENT)
		cr_assert_eq(ssh_brain_ident(c->brain, (const uint8_t *)(b + 1), b->len - 2), 0);
	else if (h->type == LINK_IT_PAYLOAD)
		cr_assert_eq(
			ssh_brain_input(c->brain, c->heard++, (const uint8_t *)(b + 1), b->len), 0);
	else if (h->type == LINK_IT_ANSWERED)
		c->answered += credit->payloads;
}

/* One action of the client's, else one item for it, else one turn of control's loop. */
static inline void client_step(struct client *c)
{
	struct ssh_act a;
	struct item *i;

	if (c->in && !c->opened)
		client_open(c);
	else if (ssh_brain_next(c->brain, &a) == 0)
		client_act(c, &a);
	else if ((i = item_next()) != NULL) {
		client_item(c, i);
		free(i);
	} else {
		uv_run(&t.loop, UV_RUN_ONCE);
	}
}

/* Logged in, and nothing is under way. */
static inline struct client client_in(uint32_t index, uint32_t generation)
{
	struct client c;

	client_begin(&c, index, generation);
	c.opened = true;
	while (!c.in)
		client_step(&c);
	items_drop();
	return c;
}

/* Passes items over until one of this type; its body, or NULL. Valid until the next call. */
static inline const void *item_of(enum link_type type)
{
	static struct item *last;

	free(last);
	while ((last = item_next()) != NULL && item_type(last) != type)
		free(last);
	return last != NULL ? link_msg_body(last->msg) : NULL;
}

/* --- what was logged, and a time that a test moves on ---------------------------------------- */

static char lines[16][LOG_LINE_MAX];
static unsigned int n_lines;
static uint64_t later_ms;

static inline void keep(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(lines[n_lines++ % 16], LOG_LINE_MAX, "%s", line);
}

static inline bool logged(const char *text)
{
	for (unsigned int i = 0; i < 16; i++)
		if (strstr(lines[i], text) != NULL)
			return true;
	return false;
}

static inline uint64_t now_ms(void)
{
	return clock_now_ms() + later_ms;
}

static inline void start_later(const char *text)
{
	start(text);
	log_sink_set(keep, NULL);
	t.env.now_ms = now_ms;
	clock_follow(t.clock, now_ms);
}

#endif

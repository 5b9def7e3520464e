/*
 * control/session/ against a link that only remembers: connections that end while something
 * is asked for them, credit, connections of a control that is gone (S-25).
 */
#include <criterion/criterion.h>
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/session/session.h"
#include "ssh/brain.h"
#include "ssh/kexinit.h"
#include "ssh/trans_msg.h"

#define MAX_CONNS 4

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

static void on_item(void *arg, const void *head, size_t head_len, const void *body, size_t body_len)
{
	struct item *i = malloc(sizeof(*i) + head_len + body_len);

	(void)arg;
	i->next = NULL;
	memcpy(i->msg, head, head_len);
	if (body_len > 0)
		memcpy(i->msg + head_len, body, body_len);
	cr_assert_eq(link_msg_check(i->msg, head_len + body_len), 0);
	*t.last = i;
	t.last = &i->next;
}

/* The next item, which the caller frees; NULL: none. */
static struct item *item_next(void)
{
	struct item *i = t.first;

	if (i == NULL)
		return NULL;
	t.first = i->next;
	if (t.first == NULL)
		t.last = &t.first;
	return i;
}

static void items_drop(void)
{
	struct item *i;

	while ((i = item_next()) != NULL)
		free(i);
}

static uint16_t item_type(const struct item *i)
{
	return ((const struct link_hdr *)(const void *)i->msg)->type;
}

static int event(const struct link_handle *conn, enum link_type type, const void *body, size_t len,
		 const void *tail, size_t tail_len)
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

static void conn_begin(const struct link_handle *conn)
{
	const struct link_conn_new ev = {.local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
					 .peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}}};

	cr_assert_eq(event(conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), 0);
}

static void conn_over(const struct link_handle *conn)
{
	const struct link_conn_end ev = {.audit_id = 1, .cause = -SSH_E_CLOSED};

	cr_assert_eq(event(conn, LINK_EV_CONN_END, &ev, sizeof(ev), NULL, 0), 0);
}

/* --- control ---------------------------------------------------------------------------------- */

static void quiet(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

static void file_put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, 0600), 0);
}

static void table_new(void)
{
	const struct session_link link = {.send = on_item, .start_id = 1};

	cr_assert_eq(session_table_new(&t.env, &link, 0, 0, MAX_CONNS, &t.table), 0);
}

static void start(const char *more)
{
	const struct conf_algs algs = {
		.ciphers = {SSH_DEFAULT_CIPHERS, SSH_DEFAULT_CIPHERS},
		.macs = {SSH_DEFAULT_MACS, SSH_DEFAULT_MACS},
		.kex = {SSH_DEFAULT_KEX, SSH_DEFAULT_KEX},
		.hostkey = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
		.pubkey_accepted = {SSH_DEFAULT_HOSTKEY, SSH_DEFAULT_HOSTKEY},
	};
	struct session_env *e = &t.env;
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	struct key *host = NULL;
	char text[1024], *errors = NULL;
	int n;

	cr_assert_not_null(mkdtemp(t.dir));
	cr_assert_eq(chmod(t.dir, 0755), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &t.key), 0);
	snprintf(text, sizeof(text), "demo:%s\n", crypt_r("secret", "$5$rounds=1000$salt", cd));
	free(cd);
	file_put("passwords", text);
	n = snprintf(text, sizeof(text),
		     "ListenAddress 127.0.0.1:22\nAuthorizedKeysFile none\n"
		     "PasswordHashFile %s/passwords\nPasswordAuthentication yes\n%s\n",
		     t.dir, more);
	cr_assert_eq(conf_parse("test", text, (size_t)n, &algs, &e->conf, &errors), 0, "%s",
		     errors);

	log_sink_set(quiet, NULL);
	t.last = &t.first;
	uv_loop_init(&t.loop);
	e->startups.limit = (struct startups_limit){100, 30, 100};
	e->ident = "SSH-2.0-Sluice_test";
	e->now_ms = clock_now_ms;
	cr_assert_eq(timers_new(&e->timers), 0);
	cr_assert_eq(clock_new(&t.loop, e->timers, &t.clock), 0);
	cr_assert_eq(pool_new(&t.loop, e->timers, 2, 64, &e->compute), 0);
	cr_assert_eq(pool_new(&t.loop, e->timers, 2, 64, &e->files), 0);
	cr_assert_eq(signer_new(e->compute, &e->signer), 0);
	cr_assert_eq(resolver_new(&t.loop, e->timers, &e->resolver), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &host), 0);
	cr_assert_eq(signer_add(e->signer, host), 0);
	cr_assert_eq(blob_key_new(&e->blob_key), 0);
	table_new();
}

static void setup(void)
{
	start("");
}

static void teardown(void)
{
	char cmd[128];

	session_table_free(t.table);
	cr_expect_eq(t.env.startups.unauthenticated, 0, "every place is given back");
	resolver_close(t.env.resolver);
	pool_close(t.env.files);
	pool_close(t.env.compute);
	clock_close(t.clock);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&t.loop), 0, "nothing is left on the loop");
	items_drop();
	signer_free(t.env.signer);
	blob_key_free(t.env.blob_key);
	cr_expect_eq(timers_next_ms(t.env.timers), UINT64_MAX, "no timer is left");
	timers_free(t.env.timers);
	conf_put(t.env.conf);
	key_free(t.key);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", t.dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(control_session, .init = setup, .fini = teardown, .timeout = 60);

/* --- a client without records: payloads go as they are ---------------------------------------- */

struct client {
	struct link_handle conn;
	struct ssh_brain *brain;
	uint32_t seqnr;
	unsigned int logins, payloads, answered;
	const char *password; /* of the second login; the first is a wrong one */
	bool in, opened, done;
};

static void client_begin(struct client *c, uint32_t index, uint32_t generation)
{
	const struct ssh_brain_conf conf = {.role = SSH_CLIENT,
					    .ident = "SSH-2.0-test",
					    .strict = SSH_STRICT_OFF,
					    .user = "demo"};

	*c = (struct client){.conn = {.index = index, .generation = generation},
			     .password = "secret"};
	cr_assert_eq(ssh_brain_new(&conf, &c->brain), 0);
	cr_assert_eq(ssh_brain_start(c->brain), 0);
	conn_begin(&c->conn);
}

static void client_login(struct client *c, uint32_t id)
{
	const char *pw = c->logins++ == 0 ? "wrong" : c->password;

	cr_assert_eq(ssh_brain_login_password(c->brain, id, pw, strlen(pw)), 0);
}

/* To a name, which has to be looked up, and leads where no tunnel does. */
static void client_open(struct client *c)
{
	struct ssh_direct_tcpip d = {ssh_str_c("localhost"), 80, ssh_str_c("::1"), 1};
	struct ssh_chan_open m = {
		.type = ssh_str_c("direct-tcpip"), .window_size = 65536, .packet_max = 32768};
	uint8_t rest[128], buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_direct_tcpip_build(&w, &d);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	cr_assert_eq(ssh_brain_send(c->brain, buf, ssh_wr_done(&w)), 0);
	c->opened = true;
}

static void client_payload(struct client *c, const struct ssh_str *p)
{
	struct link_payload ev = {.seqnr = c->seqnr++, .len = p->len};

	c->payloads++;
	cr_assert_eq(event(&c->conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), p->p, p->len), 0);
}

static void client_act(struct client *c, const struct ssh_act *a)
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
	case SSH_ACT_CHANNEL_OTHER: /* its open was refused */
	case SSH_ACT_END:
		c->done = true;
		break;
	default:
		break;
	}
}

static void client_item(struct client *c, const struct item *i)
{
	const struct link_hdr *h = (const void *)i->msg;
	const struct link_bytes *b = link_msg_body(i->msg);
	const struct link_answered *credit = link_msg_body(i->msg);

	if (memcmp(&h->conn, &c->conn, sizeof(c->conn)) != 0)
		return;
	if (h->type == LINK_IT_IDENT)
		cr_assert_eq(ssh_brain_ident(c->brain, (const uint8_t *)(b + 1), b->len - 2), 0);
	else if (h->type == LINK_IT_PAYLOAD)
		cr_assert_eq(ssh_brain_input(c->brain, 0, (const uint8_t *)(b + 1), b->len), 0);
	else if (h->type == LINK_IT_ANSWERED)
		c->answered += credit->payloads;
}

/* One action of the client's, else one item for it, else one turn of control's loop. */
static void client_step(struct client *c)
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

/* --- ends and answers ---------------------------------------------------------------------------
 */

Test(control_session, every_payload_is_credited)
{
	struct client c;

	client_begin(&c, 1, 1);
	while (!c.done || t.first != NULL)
		client_step(&c);
	cr_expect(c.in);
	cr_expect_gt(c.payloads, 5);
	cr_expect_eq(c.answered, c.payloads);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/*
 * A connection that ends anywhere between its first byte and its first channel: what was asked
 * for it is answered while the next one, of the same index, asks the same. No answer strays.
 */
Test(control_session, an_end_at_every_step_leaves_nothing)
{
	struct client c;
	uint32_t generation = 1;
	bool done = false;

	for (unsigned int steps = 0; !done; steps++) {
		client_begin(&c, 2, generation++);
		for (unsigned int i = 0; i < steps && !c.done; i++)
			client_step(&c);
		done = c.done;
		cr_assert_eq(session_table_count(t.table), 1);
		conn_over(&c.conn);
		cr_assert_eq(session_table_count(t.table), 0);
		items_drop();
		ssh_brain_free(c.brain);
	}
	cr_expect(c.in);
}

/* The same, when the end itself was lost: the next connection of the index says it. */
Test(control_session, an_end_that_was_lost_at_every_step)
{
	struct client c;
	uint32_t generation = 1;
	bool done = false;

	for (unsigned int steps = 0; !done; steps++) {
		client_begin(&c, 2, generation++);
		for (unsigned int i = 0; i < steps && !c.done; i++)
			client_step(&c);
		done = c.done;
		cr_assert_eq(session_table_count(t.table), 1);
		items_drop();
		ssh_brain_free(c.brain);
	}
	cr_expect(c.in);
	conn_over(&c.conn);
	cr_expect_eq(session_table_count(t.table), 0);
}

/* What an ended one left of its handle is nobody's: events that come late find no session. */
Test(control_session, a_late_end_does_not_end_the_next)
{
	struct link_handle conn = {.index = 1, .generation = 1},
			   next = {.index = 1, .generation = 2};

	conn_begin(&conn);
	conn_begin(&next);
	conn_over(&conn);
	cr_expect_eq(session_table_count(t.table), 1);
	conn_over(&next);
	cr_expect_eq(session_table_count(t.table), 0);
	items_drop();
}

Test(control_session, a_connection_begins_once)
{
	const struct link_handle conn = {.index = 1, .generation = 1};
	const struct link_conn_new ev = {.local = {.family = 4, .port = 22},
					 .peer = {.family = 4, .port = 9}};

	conn_begin(&conn);
	cr_expect_eq(event(&conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), -EBADMSG);
	items_drop();
}

/* The same, when the dataplane is gone, and another begins its generations anew. */
Test(control_session, a_detachment_at_every_step_leaves_nothing)
{
	struct client c;
	bool done = false;

	for (unsigned int steps = 0; !done; steps++) {
		client_begin(&c, 3, 1);
		for (unsigned int i = 0; i < steps && !c.done; i++)
			client_step(&c);
		done = c.done;
		session_table_free(t.table);
		table_new();
		items_drop();
		ssh_brain_free(c.brain);
	}
	cr_expect(c.in);
}

/* --- a control before this one ------------------------------------------------------------------
 */

/* What is sent for a connection there is no session for: DISCONNECT, then the end. */
static void expect_told(void)
{
	struct item *i = item_next();
	const struct link_bytes *b = link_msg_body(i->msg);
	struct ssh_disconnect_msg m;
	struct ssh_rd r;

	cr_assert_eq(item_type(i), LINK_IT_PAYLOAD);
	ssh_rd_init(&r, (const uint8_t *)(b + 1), b->len);
	cr_expect_eq(ssh_rd_u8(&r), SSH_MSG_DISCONNECT);
	cr_assert_eq(ssh_disconnect_parse(&r, &m), 0);
	cr_expect_eq(m.reason, SSH_DISCONNECT_BY_APPLICATION);
	cr_expect(ssh_str_eq(m.text, "the gateway was restarted: please connect again"));
	free(i);
	i = item_next();
	cr_assert_eq(item_type(i), LINK_IT_END);
	cr_expect_eq(((const struct link_end *)link_msg_body(i->msg))->cause, -SSH_E_UNAVAILABLE);
	free(i);
	cr_expect_null(t.first);
}

Test(control_session, a_forgotten_connection_is_told_when_it_asks)
{
	const struct link_handle conn = {.index = 1, .generation = 77};
	const struct link_payload ev = {.seqnr = 9, .len = 1};
	const struct link_conn_ref ref = {0};

	cr_expect_eq(event(&conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), "\x50", 1), 0);
	expect_told();
	cr_expect_eq(event(&conn, LINK_EV_REKEY_DUE, &ref, sizeof(ref), NULL, 0), 0);
	expect_told();
}

Test(control_session, a_forgotten_connection_is_left_alone_while_it_asks_nothing)
{
	const struct link_handle conn = {.index = 1, .generation = 77};
	const struct link_chan_ref opened = {.token = 5, .target = {.family = 4, .port = 80}};
	const struct link_chan_failed failed = {.token = 5, .err = -111, .reason = 2};
	const struct link_chan_end end = {.audit_id = 3, .token = 5};
	struct item *i;

	cr_expect_eq(event(&conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
	cr_expect_eq(event(&conn, LINK_EV_CHAN_FAILED, &failed, sizeof(failed), NULL, 0), 0);
	cr_expect_null(t.first);
	/* Its ends are heard of all the same. */
	cr_expect_eq(event(&conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	session_table_flush(t.table);
	i = item_next();
	cr_assert_not_null(i);
	cr_expect_eq(item_type(i), LINK_CMD_AUDIT_ACK);
	cr_expect_eq(((const struct link_audit_ack *)link_msg_body(i->msg))->audit_id, 3);
	free(i);
}

/* More than a shard may have unanswered is a dataplane that breaks the contract. */
Test(control_session, a_flood_of_payloads_is_the_dataplanes_fault)
{
	const struct link_handle conn = {.index = 1, .generation = 1};
	const struct link_payload ev = {.len = 1};
	struct client c;
	int r = 0;

	client_begin(&c, 1, 1);
	while (ssh_brain_phase(c.brain)->kex != SSH_KEX_FIRST_METHOD)
		client_step(&c); /* its ECDH_INIT is on its way: a job is about to run */
	while (c.payloads < 2)
		client_step(&c);
	for (int i = 0; i < 64 && r == 0; i++)
		r = event(&conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), "\x02", 1);
	cr_expect_eq(r, -EBADMSG);
	ssh_brain_free(c.brain);
}

/*
 * control/reload.c: another configuration while connections live: who is in goes on by his own, who
 * comes next by the new one, and one with an error is nobody's.
 */
#include "control/audit/audit.h"
#include "control/count.h"
#include "control/penalties.h"
#include "control/reload.h"
#include "control/session/internal.h"
#include "control/setup.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#define HOST "203.0.113.5"
#define LONG                                                                                       \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aa"

static struct reload reload;
static char ident[512], path[128];

static void file(const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "ListenAddress 127.0.0.1:22\nAuthorizedKeysFile none\nPasswordHashFile "
		 "%s/passwords\n"
		 "LogLevel VERBOSE\n%s\n",
		 t.dir, more);
	control_file(t.dir, "sluice.conf", text, 0644);
}

static void begin(void)
{
	start_later("");
	conf_put(t.env.conf);
	snprintf(path, sizeof(path), "%s/sluice.conf", t.dir);
	file("");
	cr_assert_eq(setup_conf(path, &t.env.conf), 0);
	cr_assert_eq(setup_ident(t.env.conf, ident, sizeof(ident)), 0);
	t.env.ident = ident;
	cr_assert_eq(door_new(conf_global(t.env.conf), now_ms(), &t.env.door), 0);
	reload = (struct reload){
		.env = &t.env, .path = path, .ident = ident, .ident_size = sizeof(ident)};
	reload_init(&reload);
}

static void end(void)
{
	reload_fini(&reload);
	teardown();
	moduli_free(t.env.moduli);
	free(t.env.kex);
	door_free(t.env.door);
}

TestSuite(control_reload, .init = begin, .fini = end, .timeout = 60);

static void wait_for_it(void)
{
	while (reload.job != NULL)
		uv_run(&t.loop, UV_RUN_ONCE);
}

static void load(const char *more)
{
	memset(lines, 0, sizeof(lines));
	file(more);
	reload_begin(&reload);
	wait_for_it();
}

static void fini(struct client *c)
{
	conn_over(&c->conn);
	items_drop();
	ssh_brain_free(c->brain);
}

/* The answer to a channel: is it on its way, or refused? */
static bool may_open(struct client *c)
{
	uint8_t buf[512];
	struct ssh_str open = {buf, open_build(buf, sizeof(buf), HOST, 80)};
	struct item *i;
	bool yes = false, no = false;

	items_drop();
	client_payload(c, &open);
	for (; (i = item_next()) != NULL; free(i)) {
		const struct link_bytes *b = link_msg_body(i->msg);

		yes |= item_type(i) == LINK_IT_CHAN_CONNECT;
		no |= item_type(i) == LINK_IT_PAYLOAD &&
		      *(const uint8_t *)(b + 1) == SSH_MSG_CHANNEL_OPEN_FAILURE;
	}
	cr_assert_neq(yes, no);
	return yes;
}

/* Can one come in by the right password? */
static bool comes_in(uint32_t index)
{
	static uint32_t generation = 100;
	struct client c;
	bool in, over = false;
	struct item *i;
	struct ssh_act a;

	client_begin(&c, index, ++generation);
	c.opened = true;
	while (!c.in && !c.done && !over && c.logins <= 2) {
		if (ssh_brain_next(c.brain, &a) == 0) {
			client_act(&c, &a);
		} else if ((i = item_next()) != NULL) {
			const struct link_bytes *line = link_msg_body(i->msg);

			over = item_type(i) == LINK_IT_END ||
			       (item_type(i) == LINK_IT_IDENT && memcmp(line + 1, "SSH-", 4) != 0);
			if (!over)
				client_item(&c, i);
			free(i);
		} else {
			uv_run(&t.loop, UV_RUN_ONCE);
		}
	}
	in = c.in;
	fini(&c);
	return in;
}

static void rest(struct client *c)
{
	later_ms += REST_MS + 100;
	timers_poll(t.env.timers, now_ms());
	cr_assert_null(t.table->by_index[c->conn.index]->awake);
}

Test(control_reload, who_is_in_goes_on_by_his_own)
{
	struct client before = client_in(1, 1), asleep = client_in(2, 1), after;

	rest(&asleep);
	load("AllowTcpForwarding no");
	cr_expect(logged("the configuration was read again: from now on others: "
			 "AllowTcpForwarding"));
	after = client_in(3, 1);
	cr_expect(may_open(&before));
	cr_expect(may_open(&asleep), "it wakes with what it went to sleep with");
	cr_expect_not(may_open(&after));
	/* And once more: three go by three. */
	load("PermitOpen " HOST ":81");
	cr_expect(may_open(&before));
	cr_expect_not(may_open(&after));
	fini(&before);
	fini(&asleep);
	fini(&after);
}

/* Who may go where is what the operator says now: for who is in, and for what shards may repeat. */
Test(control_reload, rules_are_those_of_now)
{
	struct client c = client_in(1, 1), asleep = client_in(2, 1);

	rest(&asleep);
	cr_expect(may_open(&c));
	load("TargetRule allow any user=nobody");
	cr_expect_not_null(item_of(LINK_CMD_REVOKE));
	cr_expect_not(may_open(&c));
	cr_expect(logged("port 80, but the request was denied."));
	cr_expect_not(may_open(&asleep));
	load("TargetRule deny 198.51.100.0/24:*\nTargetRule allow " HOST ":80 user=demo");
	cr_expect(may_open(&c));
	cr_expect(may_open(&asleep));
	load("Match user demo dest *:80\nTargetRule deny 203.0.113.0/24:80\n"
	     "Match all\nTargetRule allow any");
	cr_expect_not(may_open(&c));
	cr_expect(logged("the request was denied. ("));
	fini(&c);
	fini(&asleep);
}

/* Its keys are exchanged anew under the identification it was told. */
Test(control_reload, who_is_in_knows_us_by_our_old_name)
{
	struct client c = client_in(1, 1);
	unsigned int exchanges = c.exchanges;

	rest(&c);
	load("VersionAddendum another");
	cr_expect_not_null(strstr(ident, " another"));
	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	while (c.exchanges == exchanges && !c.done)
		client_step(&c);
	cr_expect_eq(c.exchanges, exchanges + 1);
	cr_expect_not(c.done);
	cr_expect(may_open(&c));
	fini(&c);
}

/* A login goes by one configuration from its first byte. */
Test(control_reload, a_login_under_way_goes_by_its_own)
{
	struct client c;

	client_begin(&c, 1, 1);
	c.opened = true;
	load("PasswordAuthentication no");
	while (!c.in)
		client_step(&c);
	cr_expect(may_open(&c));
	fini(&c);
	cr_expect_not(comes_in(2));
	load("DenyUsers demo");
	cr_expect_not(comes_in(2));
	load("");
	cr_expect(comes_in(2));
}

Test(control_reload, one_with_an_error_is_nobodys)
{
	static const struct {
		const char *more, *line;
	} c[] = {
		{"MaxAuthTries x", "line 5: MaxAuthTries: integer value invalid"},
		{"PasswordAuthentication no\nNoSuchThing", "Bad configuration option: NoSuchThing"},
		{"Ciphers none-such", "Bad SSH2 ciphers 'none-such'"},
		{"Match User a\nPort 23", "Directive 'Port' is not allowed within a Match block"},
		/* Right for what there is, and nothing that FIPSMode leaves. */
		{"FIPSMode yes\nCiphers chacha20-poly1305@openssh.com",
		 "FIPSMode leaves nothing of SSH2 ciphers"},
		{"FIPSMode yes\nGSSAPIKeyExchange yes", "FIPSMode: GSSAPIKeyExchange"},
		/* Each of them would do. */
		{"VersionString SSH-2.0-" LONG LONG "\nVersionAddendum " LONG, "too long"},
	};
	const struct conf *was = t.env.conf;

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		uint64_t n = control_counted(CONTROL_C_RELOAD_FAILED);

		load(c[i].more);
		cr_expect_eq(t.env.conf, was, "%zu", i);
		cr_expect(logged(c[i].line), "%zu: %s", i, lines[0]);
		cr_expect(logged("the configuration stays as it was"));
		cr_expect_eq(control_counted(CONTROL_C_RELOAD_FAILED), n + 1);
		cr_expect(comes_in(1), "%zu", i);
	}
	cr_assert_eq(unlink(path), 0);
	reload_begin(&reload);
	wait_for_it();
	cr_expect_eq(t.env.conf, was);
	cr_expect(logged("No such file or directory"));
}

Test(control_reload, other_events_are_written_from_then_on)
{
	char log[128];
	const struct audit_conf c = {.where = log, .spool = AUDIT_SPOOL_MIN, .who = "test"};

	snprintf(log, sizeof(log), "%s/audit.log", t.dir);
	cr_assert_eq(audit_new(&t.loop, &c, &t.env.audit), 0);
	cr_expect(audit_wants(t.env.audit, AUDIT_CHAN_OPEN));
	load("AuditEvents auth.*,kex.done");
	cr_expect(logged("from now on others: AuditEvents"));
	cr_expect(audit_wants(t.env.audit, AUDIT_AUTH_OK) && audit_wants(t.env.audit, AUDIT_KEX));
	cr_expect(audit_wants(t.env.audit, AUDIT_GAP), "that of the log itself is");
	cr_expect_not(audit_wants(t.env.audit, AUDIT_CHAN_OPEN));
	load("AuditEvents auth.*,chan.opened");
	cr_expect(logged("AuditEvents: no event is called \"chan.opened\""));
	cr_expect_not(audit_wants(t.env.audit, AUDIT_CHAN_OPEN));
	load("");
	cr_expect(audit_wants(t.env.audit, AUDIT_CHAN_OPEN));
	audit_finish(t.env.audit, 20000);
	t.env.audit = NULL;
}

Test(control_reload, what_programs_take_at_their_start_stays)
{
	load("Port 2222\nListenBacklog 9\nMemory 1G\nHostKey /k\nMaxAuthTries 3");
	cr_expect(logged("from now on others: MaxAuthTries"));
	cr_expect(logged("not in force before a start of sluice-control: Port, ListenBacklog"),
		  "%s", lines[0]);
	cr_expect(logged("not in force before a start of sluice-dataplane, and then "
			 "sluice-control: Memory"));
	cr_expect(logged("not in force before a start of sluice-signer -r: HostKey"));
	cr_expect_eq(conf_global(t.env.conf)->listens[0].addr.port, 22);
	cr_expect_eq(conf_global(t.env.conf)->listen_backlog, 4096);
	cr_expect_eq(conf_dataplane(t.env.conf)->memory_mb, 512);
	cr_expect(comes_in(1));
	/* As long as the file wants it. */
	load("Memory 1G");
	cr_expect(logged("sluice-control: Memory"));
	load("");
	cr_expect_not(logged("not in force"));
	cr_expect(logged("the configuration was read again"));
}

/* It grows and shrinks as far as the shard's table goes; beyond that it is said. */
Test(control_reload, shards_are_told_how_many_may_connect)
{
	static const uint32_t max[] = {2, MAX_CONNS, MAX_CONNS + 1};
	const struct link_conns *m;
	char text[64];

	for (size_t i = 0; i < sizeof(max) / sizeof(max[0]); i++) {
		items_drop();
		snprintf(text, sizeof(text), "MaxConnections %u", max[i]);
		load(text);
		m = item_of(LINK_CMD_CONNS);
		cr_assert_not_null(m);
		cr_expect_eq(m->max, max[i]);
		cr_expect(logged("from now on others: MaxConnections"));
		cr_expect_eq(logged("MaxConnections is "), max[i] > MAX_CONNS);
	}
	snprintf(text, sizeof(text), "MaxConnections is %u, and not %u", MAX_CONNS, MAX_CONNS + 1);
	cr_expect(logged(text));
}

Test(control_reload, secrets_are_masked_whatever_the_file_says)
{
	cr_expect(conf_global(t.env.conf)->log_mask_secrets);
	load("LogMaskSecrets no");
	cr_expect(logged("LogMaskSecrets no: secrets are masked in any case"));
	load("LogMaskSecrets yes");
	cr_expect(logged("from now on others: LogMaskSecrets"));
	cr_expect_not(logged("masked"));
}

Test(control_reload, nothing_new)
{
	struct client c = client_in(1, 1);

	load("# a comment");
	cr_expect(logged("the configuration was read again: nothing new"));
	cr_expect(may_open(&c));
	fini(&c);
}

/* Asked for while it is read: the last word on disk is the one that holds. */
Test(control_reload, asked_for_many_times)
{
	uint64_t n = control_counted(CONTROL_C_RELOADED);
	struct conf_session s;

	for (unsigned int i = 1; i <= 5; i++) {
		char more[64];

		snprintf(more, sizeof(more), "MaxAuthTries %u", 10 + i);
		file(more);
		reload_begin(&reload);
	}
	wait_for_it();
	cr_expect_eq(control_counted(CONTROL_C_RELOADED), n + 2, "one, and one for all others");
	cr_assert_eq(conf_session_for(t.env.conf, NULL, &s), 0);
	cr_expect_eq(s.max_auth_tries, 15);
	conf_session_fini(&s);
}

/* The end comes while it is read. */
Test(control_reload, is_given_up_at_the_end)
{
	file("MaxAuthTries 7");
	reload_begin(&reload);
}

/* --- the door -------------------------------------------------------------------------------- */

Test(control_reload, places_and_sources_are_counted_anew)
{
	struct client c[3];

	for (uint32_t i = 0; i < 3; i++)
		client_begin(&c[i], i + 1, 1);
	cr_assert_eq(t.env.startups.unauthenticated, 3);
	load("PerSourceMaxStartups 3");
	cr_expect_not(comes_in(5), "three of its source wait");
	load("PerSourceMaxStartups 4");
	cr_expect(comes_in(5));
	load("MaxStartups 3");
	cr_expect_not(comes_in(5));
	load("PerSourceMaxStartups 3\nPerSourceNetBlockSize 24");
	cr_expect_not(comes_in(5));
	for (uint32_t i = 0; i < 3; i++)
		fini(&c[i]);
	cr_expect(comes_in(5), "they have left as what they were counted as");
	load("PerSourceMaxStartups 1");
	cr_expect(comes_in(5));
	cr_expect(comes_in(5));
}

Test(control_reload, penalties_last_on)
{
	struct link_addr peer = {.family = 4, .addr = {192, 0, 2, 9}};

	load("PerSourcePenalties authfail:60 min:1");
	penalties_add(door_penalties(t.env.door), &peer, PENALTY_AUTHFAIL, now_ms());
	cr_expect_not(comes_in(1));
	load("PerSourcePenalties authfail:60 min:1\nMaxAuthTries 3");
	cr_expect_not(comes_in(1));
	load("PerSourcePenalties authfail:60 min:1\nPerSourcePenaltyExemptList 192.0.2.0/24");
	cr_expect(comes_in(1));
	load("PerSourcePenalties authfail:60 min:1");
	cr_expect_not(comes_in(1));
	/* Sources are others: what was due is not theirs. */
	load("PerSourcePenalties authfail:60 min:1\nPerSourceNetBlockSize 24");
	cr_expect(comes_in(1));
}

/* --- many --------------------------------------------------------------------------------------
 */

/* Logins, channels, rests, ends and other configurations in any order; what is freed too early is
 * found by a sanitizer, what is not by its leaks. */
Test(control_reload, in_any_order)
{
	unsigned int rounds = test_long() ? 3000 : 60, opens = 0;
	struct client c[4];
	bool in[4] = {false};
	uint32_t generation = 0;
	struct rnd rnd = rnd_new(rnd_seed());

	for (unsigned int n = 0; n < rounds; n++) {
		uint32_t i = rnd_below(&rnd, 4);
		char more[128];

		switch (rnd_below(&rnd, 5)) {
		case 0:
			snprintf(more, sizeof(more), "MaxAuthTries %u\nPermitOpen %s:%u",
				 2 + rnd_below(&rnd, 9), HOST, 80 + rnd_below(&rnd, 2));
			load(more);
			break;
		case 1:
			later_ms += REST_MS + 100;
			timers_poll(t.env.timers, now_ms());
			break;
		case 2:
			if (in[i])
				fini(&c[i]);
			in[i] = false;
			break;
		default:
			if (!in[i])
				c[i] = client_in(i, ++generation);
			else
				opens += may_open(&c[i]);
			in[i] = true;
		}
	}
	for (uint32_t i = 0; i < 4; i++)
		if (in[i])
			fini(&c[i]);
	cr_expect_gt(opens, 0);
}

/*
 * control: who may open what, by generated policies (S-74), and where names lead (S-76).
 *
 * A policy is drawn as a structure. Control gets it as text: a sluice.conf with Match blocks, lines
 * of authorized_keys, answers of a resolver; and is asked for channels over a session. What is
 * right is worked out from the structure, by tables over the few hosts and ports there are: nothing
 * of it parses, compares addresses or knows a list's order.
 */
#include <sched.h>

#include "control/auth/authkeys.h"
#include "control/own.h"
#include "control/policy/addr.h"
#include "control/session/internal.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- the world ---------------------------------------------------------------------------- */

/* Addresses, each one thing, however it is written. */
enum place {
	NOWHERE,
	TEN1,
	TEN10,
	DOC1,
	LOOP4,
	LOOP6,
	META,
	ANY4,
	GROUP,
	LINK,
	OWN4,
	OWN6,
	NAT_LOOP,
	PLACES,
};

static const struct {
	const char *text;
	bool special;
} places[PLACES] = {
	[TEN1] = {"10.0.0.1", false},
	[TEN10] = {"10.0.0.10", false},
	[DOC1] = {"2001:db8::1", false},
	[LOOP4] = {"127.0.0.1", true},
	[LOOP6] = {"::1", true},
	[META] = {"169.254.169.254", true},
	[ANY4] = {"0.0.0.0", true},
	[GROUP] = {"224.0.0.1", true},
	[LINK] = {"fe80::1", true},
	[OWN4] = {"198.51.100.9", true}, /* the gateway's */
	[OWN6] = {"2001:db8::9", true},
	[NAT_LOOP] = {"64:ff9b::7f00:1", true}, /* RFC 6052: 127.0.0.1 */
};

/* What a client asks for. Two hosts with one kin are the same to a list of hosts. */
static const struct {
	const char *text;
	int kin;
	enum place leads[3]; /* where it is found; a literal address: where it stands */
} hosts[] = {
	{"db", 1, {TEN1, LOOP4}},
	{"DB", 1, {TEN1, LOOP4}},
	{"web.example", 2, {DOC1, TEN10, OWN6}},
	{"evil.example", 3, {LOOP4, LOOP6, META}},
	{"nat.example", 4, {NAT_LOOP}},
	{"gone.example", 5, {0}},
	{"10.0.0.1", 10, {TEN1}},
	{"10.0.0.10", 11, {TEN10}},
	{"2001:db8::1", 12, {DOC1}},
	{"2001:DB8:0::1", 12, {DOC1}},
	{"127.0.0.1", 13, {LOOP4}},
	{"::1", 14, {LOOP6}},
	{"169.254.169.254", 15, {META}},
	{"0.0.0.0", 16, {ANY4}},
	{"224.0.0.1", 17, {GROUP}},
	{"fe80::1", 18, {LINK}},
	{"198.51.100.9", 19, {OWN4}},
	{"64:ff9b::7f00:1", 20, {NAT_LOOP}},
	/* A mapped address leads to the IPv4 address, by another spelling a list does not know. */
	{"::ffff:10.0.0.1", 21, {TEN1}},
	{"::ffff:127.0.0.1", 22, {LOOP4}},
	/* What is no name and no address. */
	{"127.1", 30, {0}},
	{"0x7f000001", 31, {0}},
	{"bad host", 32, {0}},
};

#define HOSTS N(hosts)

static const uint16_t ports[] = {22, 80, 5432, 65535};

#define PORTS N(ports)

static const char *const users[] = {"anna", "bert", "carl"};

#define USERS N(users)

/* --- a policy -------------------------------------------------------------------------------- */

#define ENTRIES 4

struct entries {
	bool given;
	unsigned int n; /* 0 of an operator's list: "any" or "none" */
	bool any;
	struct {
		int host;          /* of hosts; -1: any */
		unsigned int port; /* of ports; PORTS: any */
	} entry[ENTRIES];
};

/* A part of the file: what stands outside, or in one Match. */
struct block {
	unsigned int who; /* bits of users */
	bool here;        /* its Address is the client's */
	enum { UNSAID, NO, YES, LOCAL } forwarding, disable;
	struct entries open;
};

#define BLOCKS 4

struct policy {
	struct block block[BLOCKS]; /* [0] holds for all, behind the others */
	unsigned int blocks;
	unsigned int user;
	/* What let in: up to two keys, or passwords. */
	unsigned int methods;
	struct {
		bool password;
		enum { PLAIN, RESTRICT, NO_PORTS, RESTRICT_BUT } options;
		struct entries permit;
	} method[2];
	bool owns; /* the gateway has its addresses */
};

static void draw_entries(struct rnd *r, struct entries *e)
{
	e->given = true;
	e->any = rnd_below(r, 2) == 0;
	e->n = rnd_below(r, 3) == 0 ? 0 : 1 + rnd_below(r, ENTRIES);
	for (unsigned int i = 0; i < e->n; i++) {
		do
			e->entry[i].host = (int)rnd_below(r, HOSTS + 3) - 3;
		while (e->entry[i].host >= 0 && strchr(hosts[e->entry[i].host].text, ' ') != NULL);
		if (e->entry[i].host < 0)
			e->entry[i].host = -1;
		e->entry[i].port = rnd_below(r, PORTS + 1);
	}
}

static void draw(struct rnd *r, struct policy *p)
{
	*p = (struct policy){.blocks = 1 + rnd_below(r, BLOCKS),
			     .user = rnd_below(r, USERS),
			     .methods = 1 + rnd_below(r, 2),
			     .owns = rnd_below(r, 2) == 0};
	for (unsigned int b = 0; b < p->blocks; b++) {
		struct block *k = &p->block[b];

		k->who = b == 0 ? (1u << USERS) - 1 : rnd_below(r, 1u << USERS);
		k->here = b == 0 || rnd_below(r, 4) > 0;
		k->forwarding = rnd_below(r, 3) == 0 ? 1 + rnd_below(r, 3) : UNSAID;
		if (k->forwarding == NO && rnd_below(r, 2) == 0)
			k->forwarding = YES;
		k->disable = rnd_below(r, 4) == 0 ? 1 + rnd_below(r, 4) / 3 : UNSAID;
		if (rnd_below(r, 2) == 0)
			draw_entries(r, &k->open);
	}
	for (unsigned int m = 0; m < p->methods; m++) {
		p->method[m].password = rnd_below(r, 3) == 0;
		p->method[m].options = rnd_below(r, 3) == 0 ? 1 + rnd_below(r, 3) : PLAIN;
		if (rnd_below(r, 3) == 0) {
			draw_entries(r, &p->method[m].permit);
			if (p->method[m].permit.n == 0)
				p->method[m].permit.given = false;
		}
	}
}

/* --- what is right: tables, no texts --------------------------------------------------------- */

struct table {
	bool may[HOSTS][PORTS];
};

static void table_fill(struct table *t_, bool v)
{
	memset(t_->may, v, sizeof(t_->may));
}

static void table_add(struct table *t_, const struct entries *e)
{
	for (unsigned int i = 0; i < e->n; i++)
		for (unsigned int h = 0; h < HOSTS; h++)
			for (unsigned int q = 0; q < PORTS; q++)
				if ((e->entry[i].host < 0 ||
				     hosts[e->entry[i].host].kin == hosts[h].kin) &&
				    (e->entry[i].port == PORTS || e->entry[i].port == q))
					t_->may[h][q] = true;
}

/* The last of the blocks in this order that says it: the whole file, then the Match of later lines
 * before those of earlier ones, as the first that matches holds. */
static const struct block *who_says(const struct policy *p, bool (*says)(const struct block *))
{
	const struct block *it = says(&p->block[0]) ? &p->block[0] : NULL;

	for (unsigned int b = p->blocks; b-- > 1;)
		if ((p->block[b].who >> p->user & 1) && p->block[b].here && says(&p->block[b]))
			it = &p->block[b];
	return it;
}

static bool says_forwarding(const struct block *b)
{
	return b->forwarding != UNSAID;
}

static bool says_disable(const struct block *b)
{
	return b->disable != UNSAID;
}

static bool says_open(const struct block *b)
{
	return b->open.given;
}

struct right {
	struct table ask;
	bool opened[PLACES][PORTS]; /* special addresses the operator names */
};

static void right_of(const struct policy *p, struct right *ret)
{
	const struct block *forwarding = who_says(p, says_forwarding);
	const struct block *disable = who_says(p, says_disable);
	const struct block *open = who_says(p, says_open);

	memset(ret, 0, sizeof(*ret));
	if ((forwarding != NULL && forwarding->forwarding == NO) ||
	    (disable != NULL && disable->disable == YES))
		return;
	table_fill(&ret->ask, open == NULL || (open->open.n == 0 && open->open.any));
	if (open != NULL) {
		table_add(&ret->ask, &open->open);
		for (unsigned int i = 0; i < open->open.n; i++) {
			int h = open->open.entry[i].host;

			for (unsigned int q = 0; q < PORTS; q++)
				if (h >= 0 && hosts[h].kin >= 10 && hosts[h].leads[0] != NOWHERE &&
				    (open->open.entry[i].port == PORTS ||
				     open->open.entry[i].port == q))
					ret->opened[hosts[h].leads[0]][q] = true;
		}
	}
	for (unsigned int m = 0; m < p->methods; m++) {
		struct table key;

		if (p->method[m].password)
			continue;
		table_fill(&key, !p->method[m].permit.given);
		table_add(&key, &p->method[m].permit);
		if (p->method[m].options == RESTRICT || p->method[m].options == NO_PORTS)
			table_fill(&key, false);
		for (unsigned int h = 0; h < HOSTS; h++)
			for (unsigned int q = 0; q < PORTS; q++)
				ret->ask.may[h][q] &= key.may[h][q];
	}
}

static bool right_reach(const struct policy *p, const struct right *r, enum place place,
			unsigned int port)
{
	bool special = places[place].special && (p->owns || (place != OWN4 && place != OWN6));

	return !special || r->opened[place][port];
}

/* --- the policy as text ---------------------------------------------------------------------- */

static size_t put_entry(char *to, size_t size, const struct entries *e, unsigned int i)
{
	const char *host = e->entry[i].host < 0 ? "*" : hosts[e->entry[i].host].text;
	char port[8] = "*";

	if (e->entry[i].port < PORTS)
		snprintf(port, sizeof(port), "%u", ports[e->entry[i].port]);
	return (size_t)snprintf(to, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host,
				port);
}

static size_t put_block(char *to, size_t size, const struct block *b)
{
	static const char *const said[] = {[NO] = "no", [YES] = "yes", [LOCAL] = "local"};
	size_t n = 0;

	if (b->forwarding != UNSAID)
		n += (size_t)snprintf(to + n, size - n, "AllowTcpForwarding %s\n",
				      said[b->forwarding]);
	if (b->disable != UNSAID)
		n += (size_t)snprintf(to + n, size - n, "DisableForwarding %s\n", said[b->disable]);
	if (!b->open.given)
		return n;
	n += (size_t)snprintf(to + n, size - n, "PermitOpen%s",
			      b->open.n > 0 ? ""
			      : b->open.any ? " any"
					    : " none");
	for (unsigned int i = 0; i < b->open.n; i++) {
		to[n++] = ' ';
		n += put_entry(to + n, size - n, &b->open, i);
	}
	return n + (size_t)snprintf(to + n, size - n, "\n");
}

static struct conf *conf_of(const struct policy *p)
{
	char text[8192];
	size_t n = put_block(text, sizeof(text), &p->block[0]);

	for (unsigned int b = 1; b < p->blocks; b++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "Match Address %s User nobody",
				      p->block[b].here ? "10.9.0.0/16,192.0.2.0/24"
						       : "192.0.2.128/25,2001:db8::/32");
		for (unsigned int u = 0; u < USERS; u++)
			if (p->block[b].who >> u & 1)
				n += (size_t)snprintf(text + n, sizeof(text) - n, ",%s", users[u]);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\n");
		n += put_block(text + n, sizeof(text) - n, &p->block[b]);
	}
	return control_conf(text, (int)n);
}

/* A key of no use but to stand in a line. */
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhY"

static struct policy_grant grant_of(const struct policy *p, unsigned int m)
{
	static const char *const options[] = {[PLAIN] = "pty,",
					      [RESTRICT] = "restrict,",
					      [NO_PORTS] = "no-port-forwarding,",
					      [RESTRICT_BUT] = "restrict,port-forwarding,"};
	const struct entries *e = &p->method[m].permit;
	struct authkeys_entry line;
	const char *why = NULL;
	char text[4096];
	size_t n;

	if (p->method[m].password)
		return policy_grant_full();
	n = (size_t)snprintf(text, sizeof(text), "%s", options[p->method[m].options]);
	for (unsigned int i = 0; e->given && i < e->n; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "permitopen=\"");
		n += put_entry(text + n, sizeof(text) - n, e, i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\",");
	}
	n += (size_t)snprintf(text + n - 1, sizeof(text) - n, " " KEY) - 1;
	cr_assert_eq(authkeys_line_parse(text, n, &line, &why), 0, "%s: %s", text, why);
	key_free(line.key);
	line.key = NULL;
	return line.grant; /* the only allocation left of it */
}

/* --- control is asked ------------------------------------------------------------------------- */

/* Names are found as the world has them. */
int __wrap_resolver_ask(struct resolver *r, const char *host, uint64_t deadline_ms,
			const struct resolve_caller *caller, resolve_done *done);

static struct {
	struct resolve_caller caller;
	resolve_done *done;
	char host[300];
	bool waits;
} question;

int __wrap_resolver_ask(struct resolver *r, const char *host, uint64_t deadline_ms,
			const struct resolve_caller *caller, resolve_done *done)
{
	(void)r;
	(void)deadline_ms;
	cr_assert_not(question.waits);
	question.caller = *caller;
	question.done = done;
	question.waits = true;
	snprintf(question.host, sizeof(question.host), "%s", host);
	return 0;
}

static void resolver_says(unsigned int n, const char *const *text)
{
	struct link_addr found[RESOLVE_ADDRS_MAX] = {0};

	cr_assert(question.waits);
	question.waits = false;
	for (unsigned int i = 0; i < n; i++) {
		struct in_addr four;

		/* As a resolver has them: a mapped address is one of IPv6. */
		found[i].family = inet_pton(AF_INET, text[i], &four) == 1 ? 4 : 6;
		cr_assert_eq(inet_pton(found[i].family == 4 ? AF_INET : AF_INET6, text[i],
				       found[i].addr),
			     1);
	}
	question.done(&question.caller, n > 0 ? 0 : -ENOENT, found, n);
}

static struct link_addr own[2];

static void begin(void)
{
	start("LogLevel QUIET\nSlowPathRate 0\n");
	cr_assert(addr_parse(places[OWN4].text, &own[0]));
	cr_assert(addr_parse(places[OWN6].text, &own[1]));
	t.env.own = own;
	t.env.n_own = 2;
}

TestSuite(control_rules, .init = begin, .fini = teardown, .timeout = 600);

static struct session *session_of(const struct client *c)
{
	return t.table->by_index[c->conn.index];
}

/* As a login under this policy would have left it. */
static void log_in_under(struct session *s, const struct policy *p)
{
	struct conf_match_ctx ctx = {.user = users[p->user],
				     .addr = s->awake->peer_addr,
				     .laddr = s->awake->local_addr,
				     .lport = 22};
	struct policy_grant g = grant_of(p, 0), both, more;
	struct conf *conf = conf_of(p);

	conf_session_fini(&s->awake->conf);
	cr_assert_eq(conf_session_for(conf, &ctx, &s->awake->conf), 0);
	conf_put(conf); /* the session's rules hold it */
	if (p->methods == 2) {
		more = grant_of(p, 1);
		cr_assert_eq(policy_grant_meet(&g, &more, &both), 0);
		policy_grant_fini(&g);
		policy_grant_fini(&more);
		g = both;
	}
	policy_grant_fini(&s->grant);
	s->grant = g;
	t.env.n_own = p->owns ? 2 : 0;
}

static struct ssh_str open_of(uint8_t *buf, size_t size, const char *type, const char *host,
			      uint16_t port)
{
	struct ssh_direct_tcpip d = {ssh_str_c(host), port, ssh_str_c("::1"), 1};
	struct ssh_chan_open m = {
		.type = ssh_str_c(type), .window_size = 65536, .packet_max = 32768};
	uint8_t rest[512];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_direct_tcpip_build(&w, &d);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, size);
	ssh_chan_open_build(&w, &m);
	return (struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)};
}

static unsigned int place_of(const struct link_addr *a)
{
	for (unsigned int i = 1; i < PLACES; i++) {
		struct link_addr b;

		cr_assert(addr_parse(places[i].text, &b));
		if (a->family == b.family && memcmp(a->addr, b.addr, sizeof(a->addr)) == 0)
			return i;
	}
	cr_assert_fail("connected to an address nobody spoke of");
	return 0;
}

/* What came of an open: bits of the places its shard is to connect, or may open unasked. */
struct outcome {
	bool connect;
	uint32_t reason;
	unsigned int places;
};

static void outcome_addrs(struct outcome *o, const struct link_addr *addr, unsigned int n,
			  uint16_t port)
{
	for (unsigned int i = 0; i < n; i++) {
		o->places |= 1u << place_of(&addr[i]);
		cr_assert_eq(addr[i].port, port);
	}
}

static struct outcome outcome_of(const struct client *c, uint16_t port)
{
	struct outcome o = {0};
	uint64_t token = 0;
	struct item *i;

	for (; (i = item_next()) != NULL; free(i)) {
		const void *body = link_msg_body(i->msg);

		if (item_type(i) == LINK_IT_CHAN_CONNECT) {
			const struct link_chan_connect *m = body;

			o.connect = true;
			token = m->token;
			outcome_addrs(&o, m->addr, m->n_addrs, port);
		} else if (item_type(i) == LINK_CMD_GRANT) {
			const struct link_grant *g = body;

			cr_assert_eq(g->port, port);
			outcome_addrs(&o, g->addr, g->n_addrs, port);
		} else if (item_type(i) == LINK_IT_PAYLOAD) {
			const uint8_t *p = (const uint8_t *)body + sizeof(struct link_bytes);

			cr_assert_eq(p[0], SSH_MSG_CHANNEL_OPEN_FAILURE);
			o.reason = p[8];
		}
	}
	if (o.connect) {
		const struct link_chan_failed ev = {
			.token = token, .err = -ETIMEDOUT, .reason = SSH_OPEN_CONNECT_FAILED};

		cr_assert_eq(event(&c->conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
	}
	items_drop();
	return o;
}

static struct outcome ask_for(struct client *c, const char *type, unsigned int h, unsigned int q)
{
	const char *found[3];
	uint8_t buf[1024];
	struct ssh_str open = open_of(buf, sizeof(buf), type, hosts[h].text, ports[q]);
	unsigned int n = 0;

	client_payload(c, &open);
	if (question.waits) {
		cr_assert_str_eq(question.host, hosts[h].text);
		while (n < 3 && hosts[h].leads[n] != NOWHERE) {
			found[n] = places[hosts[h].leads[n]].text;
			n++;
		}
		resolver_says(n, found);
	}
	return outcome_of(c, ports[q]);
}

static const char *const other_types[] = {"session",
					  "x11",
					  "forwarded-tcpip",
					  "direct-streamlocal@openssh.com",
					  "forwarded-streamlocal@openssh.com",
					  "auth-agent@openssh.com",
					  "tun@openssh.com",
					  "DIRECT-TCPIP"};

/* Counts what was allowed, so that a world in which all is refused is noticed. */
static unsigned int check_one(struct client *c, const struct policy *p, const struct right *right,
			      unsigned int h, unsigned int q, uint64_t which)
{
	struct outcome o = ask_for(c, "direct-tcpip", h, q);
	unsigned int want = 0;

	for (unsigned int i = 0; i < 3 && hosts[h].leads[i] != NOWHERE; i++)
		if (right->ask.may[h][q] && right_reach(p, right, hosts[h].leads[i], q))
			want |= 1u << hosts[h].leads[i];
	cr_assert_eq(o.places, want, "policy %llu: %s port %u: places %#x, not %#x",
		     (unsigned long long)which, hosts[h].text, ports[q], o.places, want);
	cr_assert_eq(o.connect, want != 0);
	if (!right->ask.may[h][q])
		cr_assert_eq(o.reason, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, "policy %llu",
			     (unsigned long long)which);
	return want != 0;
}

Test(control_rules, s74_generated_policies_permit_what_they_say)
{
	uint64_t seed = rnd_seed(), times = test_long() ? 100000 : 400;
	struct client c = client_in(1, 1);
	struct session *s = session_of(&c);
	unsigned int allowed = 0, asked = 0;

	(void)rnd_new(seed);
	for (uint64_t i = 0; i < times; i++) {
		struct rnd r = {seed + i};
		struct policy p;
		struct right right;

		draw(&r, &p);
		right_of(&p, &right);
		log_in_under(s, &p);
		for (unsigned int k = 0; k < 8; k++, asked++)
			allowed += check_one(&c, &p, &right, rnd_below(&r, HOSTS),
					     rnd_below(&r, PORTS), i);
		/* No other type of channel, whatever the policy. */
		cr_assert_eq(ask_for(&c, other_types[rnd_below(&r, N(other_types))],
				     rnd_below(&r, HOSTS), rnd_below(&r, PORTS))
				     .places,
			     0, "policy %llu", (unsigned long long)i);
	}
	cr_expect(allowed > asked / 20 && allowed < asked / 2, "%u of %u", allowed, asked);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/* --- names that change their mind (S-76) ------------------------------------------------------ */

static struct outcome ask_name(struct client *c, unsigned int n, const char *const *found)
{
	uint8_t buf[512];
	struct ssh_str open = open_of(buf, sizeof(buf), "direct-tcpip", "name.example", 80);

	client_payload(c, &open);
	resolver_says(n, found);
	return outcome_of(c, 80);
}

/* The answer that was judged is the one that is used, each time anew; a grant is of such, too. */
Test(control_rules, s76_a_name_that_is_bound_anew_leads_nowhere_else)
{
	static const char *const good[] = {"10.0.0.1"}, *const bad[] = {"127.0.0.1"},
				 *const own_one[] = {"198.51.100.9"};
	struct client c = client_in(1, 1);

	for (int i = 0; i < 3; i++) { /* the second and third earn a grant */
		struct outcome o = ask_name(&c, 1, good);

		cr_expect_eq(o.places, 1u << TEN1);
		o = ask_name(&c, 1, bad);
		cr_expect_not(o.connect);
		cr_expect_eq(o.places, 0);
		cr_expect_eq(o.reason, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
		o = ask_name(&c, 1, own_one);
		cr_expect_eq(o.places, 0);
	}
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/* Of an answer with both only those are connected that may be reached, however they are written. */
Test(control_rules, s76_of_an_answer_with_both_the_others_are_left_out)
{
	static const char *const both[] = {
		"127.0.0.1",
		"::ffff:127.0.0.1",
		"10.0.0.1",
		"::1",
		"198.51.100.9",
		"169.254.169.254",
		"::ffff:a9fe:a9fe",
		"64:ff9b::a9fe:a9fe",
		"2002:7f00:1::",
		"fd00:ec2::254",
		"fd20:ce::254",
		"100.100.100.200",
		"192.0.0.192",
		"168.63.129.16",
		"0.0.0.0",
		"::",
		"::ffff:198.51.100.9",
		"64:ff9b::c633:6409",
		"2001:db8::9",
		"2001:db8::1",
	};
	struct client c = client_in(1, 1);
	struct outcome o = ask_name(&c, N(both), both);

	cr_expect_eq(o.places, 1u << TEN1 | 1u << DOC1);
	for (unsigned int i = 0; i < N(both); i++) {
		o = ask_name(&c, 1, &both[i]);
		cr_expect_eq(o.connect, i == 2 || i == N(both) - 1, "%s", both[i]);
	}
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/* --- addresses that come and go ----------------------------------------------------------------- */

/* In a network of its own, where it has none yet. */
static void alone(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("only root has networks");
	cr_assert_eq(system("ip link set lo up && ip addr flush dev lo"), 0);
}

static bool is_own(const char *text)
{
	struct link_addr a;

	cr_assert(addr_parse(text, &a));
	return addr_is_one_of(&a, t.env.own, t.env.n_own + t.env.n_kernel);
}

/* The kernel has told of it, and control has heard. */
static void becomes(const char *text, bool own_one)
{
	while (is_own(text) != own_one)
		uv_run(&t.loop, UV_RUN_ONCE);
}

/* What came after the start is as one that was there, until it goes; shards are told to ask. */
Test(control_rules, s76_an_address_that_comes_is_own)
{
	static const char *const ten[] = {"10.0.0.1"};
	struct own *o;
	struct client c;

	alone();
	cr_assert_eq(own_new(&t.loop, &t.env, &o), 0);
	cr_expect_eq(t.env.n_own, 0);
	c = client_in(1, 1);
	cr_expect_eq(ask_name(&c, 1, ten).places, 1u << TEN1);
	cr_assert_eq(system("ip addr add 10.0.0.1/32 dev lo"), 0);
	becomes(ten[0], true);
	cr_expect_not_null(item_of(LINK_CMD_REVOKE));
	cr_expect_not(ask_name(&c, 1, ten).connect);
	/* More news than a socket of the kernel's holds: what was lost is found all the same. */
	cr_assert_eq(system("for i in $(seq 2 255); do echo addr add 10.0.0.$i/32 dev lo; done "
			    "| ip -batch -"),
		     0);
	becomes("10.0.0.255", true);
	cr_assert_eq(system("ip addr flush dev lo"), 0);
	becomes("10.0.0.255", false);
	becomes(ten[0], false);
	cr_expect_eq(ask_name(&c, 1, ten).places, 1u << TEN1);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
	own_close(o);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	own_free(o);
}

/* The gateway's kernel is nobody's target where it has interfaces, too, nor listens for anybody. */
Test(control_rules, s76_addresses_of_the_kernel_are_own)
{
	static const char text[] = "Interface out net_null0\nInterfaceAddress out 10.0.0.2/24\n";
	struct policy_rules r = {.gateway_ports = CONF_GATEWAY_CLIENT};
	struct link_addr kernel, port, at;
	struct own_addrs a;
	struct conf *conf;

	alone();
	cr_assert_eq(system("ip addr add 10.0.0.1/32 dev lo"), 0);
	conf = control_conf(text, (int)strlen(text));
	cr_assert_eq(own_addrs_read(conf, &a), 0);
	cr_expect_eq(a.n, 1);
	cr_expect_eq(a.n_kernel, 1);
	r.own = a.addr;
	r.n_own = a.n;
	r.n_kernel = a.n_kernel;
	cr_assert(addr_parse("10.0.0.1", &kernel));
	cr_assert(addr_parse("10.0.0.2", &port));
	cr_expect_not(policy_may_reach(&r, &kernel, 80));
	cr_expect_not(policy_may_reach(&r, &port, 80));
	cr_expect_eq(policy_dest_at(&r, "x", &kernel, 80).named_by, 32);
	cr_expect_eq(policy_listen_where(&r, "10.0.0.1", &at), POLICY_NOWHERE);
	cr_expect_eq(policy_listen_where(&r, "10.0.0.2", &at), POLICY_AT_ADDRESS);
	free(a.addr);
	conf_put(conf);
}

/* A tunnel to a socket of the file system, the gateway's own among them, is of no type there is. */
Test(control_rules, s76_no_channel_leads_to_a_socket)
{
	static const char *const paths[] = {"/run/sluice/control.sock", "/run/sluice/link.sock",
					    "/tmp/x", ""};
	struct client c = client_in(1, 1);

	for (unsigned int i = 0; i < N(paths); i++) {
		struct ssh_chan_open m = {.type = ssh_str_c("direct-streamlocal@openssh.com"),
					  .window_size = 65536,
					  .packet_max = 32768};
		struct ssh_str open;
		uint8_t rest[256], buf[512];
		struct outcome o;
		struct ssh_wr w;

		ssh_wr_init(&w, rest, sizeof(rest));
		ssh_wr_cstr(&w, paths[i]);
		ssh_wr_cstr(&w, "");
		ssh_wr_u32(&w, 0);
		m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_chan_open_build(&w, &m);
		open = (struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)};
		client_payload(&c, &open);
		o = outcome_of(&c, 0);
		cr_expect_not(o.connect);
		cr_expect_eq(o.reason, paths[i][0] == '\0' ? SSH_OPEN_CONNECT_FAILED
							   : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	}
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

static void begin_inet(void)
{
	start("LogLevel QUIET\nSlowPathRate 0\nAddressFamily inet");
}

/* As if those of the other had not been found: of a name, and of an address that was asked for. */
Test(control_rules_family, a_target_has_addresses_of_the_family_alone, .init = begin_inet,
     .fini = teardown)
{
	static const char *const both[] = {"2001:db8::1", "10.0.0.1", "::ffff:10.0.0.2"};
	struct client c = client_in(1, 1);
	struct outcome o = ask_name(&c, N(both), both);
	struct ssh_str open;
	uint8_t buf[512];

	cr_expect_eq(o.places, 1u << TEN1);
	o = ask_name(&c, 1, both);
	cr_expect_eq(o.reason, SSH_OPEN_CONNECT_FAILED);
	open = open_of(buf, sizeof(buf), "direct-tcpip", "2001:db8::1", 80);
	client_payload(&c, &open);
	cr_expect_eq(outcome_of(&c, 80).reason, SSH_OPEN_CONNECT_FAILED);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

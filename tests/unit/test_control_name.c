/* control/session/login_name.c: UseDNS: a name counts that leads back to its address, and no other.
 */
#include "control/session/internal.h"
#include "tests/util/hook_program.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

TestSuite(control_name, .fini = teardown, .timeout = 60);

/* --- what is called how --------------------------------------------------------------------------
 */

static struct {
	const char *name; /* NULL: it has none */
	const char *back; /* where the name leads; NULL: nowhere */
	int err;          /* of the call itself */
	unsigned int asked, asked_back;
	struct resolve_caller caller;
	resolve_named *named;
	resolve_done *done;
	char of[256];
} dns;

int __wrap_resolver_name(struct resolver *r, const struct link_addr *addr, uint64_t deadline_ms,
			 const struct resolve_caller *caller, resolve_named *named);
int __wrap_resolver_ask(struct resolver *r, const char *host, uint64_t deadline_ms,
			const struct resolve_caller *caller, resolve_done *done);

int __wrap_resolver_name(struct resolver *r, const struct link_addr *addr, uint64_t deadline_ms,
			 const struct resolve_caller *caller, resolve_named *named)
{
	(void)r;
	(void)deadline_ms;
	cr_expect_eq(addr->addr[3], 9);
	dns.asked++;
	if (dns.err < 0)
		return dns.err;
	dns.caller = *caller;
	dns.named = named;
	return 0;
}

int __wrap_resolver_ask(struct resolver *r, const char *host, uint64_t deadline_ms,
			const struct resolve_caller *caller, resolve_done *done)
{
	(void)r;
	(void)deadline_ms;
	snprintf(dns.of, sizeof(dns.of), "%s", host);
	dns.asked_back++;
	dns.caller = *caller;
	dns.done = done;
	return 0;
}

/* Whatever is asked is answered, as it is later than the call. */
static void dns_answer(void)
{
	struct resolve_caller caller = dns.caller;
	struct link_addr a;

	if (dns.named != NULL) {
		resolve_named *named = dns.named;

		dns.named = NULL;
		named(&caller, dns.name != NULL ? 0 : -ENOENT, dns.name != NULL ? dns.name : "");
	} else if (dns.done != NULL) {
		resolve_done *done = dns.done;

		dns.done = NULL;
		if (dns.back == NULL) {
			done(&caller, -ETIMEDOUT, NULL, 0);
			return;
		}
		cr_assert(addr_parse(dns.back, &a));
		done(&caller, 0, &a, 1);
	}
}

/* peer NULL: 192.0.2.9. */
static struct client login_from(const char *peer)
{
	struct client c;

	client_begin(&c, 0, 1);
	if (peer != NULL)
		cr_assert(addr_parse(peer, &t.table->by_index[0]->peer));
	c.opened = true;
	for (unsigned int i = 0; !c.in && !c.done && i < 10000; i++) {
		if (dns.named != NULL || dns.done != NULL)
			dns_answer();
		client_step(&c);
	}
	return c;
}

static struct client login(void)
{
	return login_from(NULL);
}

static void over(struct client *c)
{
	conn_over(&c->conn);
	items_drop();
	ssh_brain_free(c->brain);
}

/* The client is 192.0.2.9. want NULL: it stays without a name. */
static void expect_name(const char *name, const char *back, const char *want)
{
	const struct session *s;
	struct client c;

	start_later("UseDNS yes");
	dns.name = name;
	dns.back = back;
	c = login();
	cr_assert(c.in);
	s = t.table->by_index[0];
	if (want == NULL)
		cr_expect_null(s->awake->peer_name);
	else
		cr_expect_str_eq(s->awake->peer_name, want);
	cr_expect_eq(dns.asked, 1, "once a connection, whatever was tried");
	over(&c);
}

Test(control_name, that_leads_back)
{
	expect_name("Box.Example.ORG.", "192.0.2.9", "box.example.org");
	cr_expect_str_eq(dns.of, "box.example.org");
}

Test(control_name, that_leads_elsewhere)
{
	expect_name("bank.example.org", "192.0.2.10", NULL);
	cr_expect(logged("Address 192.0.2.9 maps to bank.example.org, but this does not map back"));
}

/* Behind the tunnel of 192.9.2.9 are many, and none of them is 192.9.2.9. */
Test(control_name, that_leads_to_who_tunnels_for_it)
{
	struct client c;

	start_later("UseDNS yes");
	dns.name = "gw.example.org";
	dns.back = "192.9.2.9";
	c = login_from("2002:c009:209::1");
	cr_assert(c.in);
	cr_expect_eq(dns.asked_back, 1);
	cr_expect_null(t.table->by_index[0]->awake->peer_name);
	over(&c);
}

Test(control_name, that_leads_nowhere)
{
	expect_name("box.example.org", NULL, NULL);
}

Test(control_name, there_is_none)
{
	expect_name(NULL, NULL, NULL);
	cr_expect_eq(dns.asked_back, 0);
}

/* It would be taken for the address where either may stand. */
Test(control_name, that_is_a_number)
{
	expect_name("192.0.2.1", "192.0.2.9", NULL);
	cr_expect_eq(dns.asked_back, 0);
}

Test(control_name, nobody_asks_without_the_keyword)
{
	struct client c;

	start_later("");
	c = login();
	cr_expect(c.in);
	cr_expect_eq(dns.asked, 0);
	over(&c);
}

/* What cannot be asked refuses the first try; it is not asked again. */
Test(control_name, a_resolver_that_fails)
{
	struct client c;

	start_later("UseDNS yes");
	dns.err = -ENOMEM;
	c = login();
	cr_expect(c.in, "by the second");
	cr_expect_eq(dns.asked, 1);
	over(&c);
}

/* The name has an effect before anything is believed. */
static void expect_in(const char *conf, bool in)
{
	struct client c;

	start_later(conf);
	dns.name = "box.example.org";
	dns.back = "192.0.2.9";
	client_begin(&c, 0, 1);
	c.opened = true;
	c.logins = 1; /* the right password */
	while (!c.in && c.logins < 3 && !t.table->by_index[0]->ended) {
		if (dns.named != NULL || dns.done != NULL)
			dns_answer();
		client_step(&c);
	}
	cr_expect_eq(c.in, in, "%s", conf);
	over(&c);
}

Test(control_name, deny_users_goes_by_it)
{
	expect_in("UseDNS yes\nDenyUsers *@box.example.org", false);
}

Test(control_name, allow_users_goes_by_it)
{
	expect_in("UseDNS yes\nAllowUsers demo@*.example.org", true);
}

Test(control_name, match_host_goes_by_it)
{
	expect_in("UseDNS yes\nMatch Host box.example.org\nRefuseConnection yes", false);
}

/* Who asked is gone when the answer comes: it is for nobody else. */
Test(control_name, an_answer_for_who_is_gone)
{
	struct client c, d;

	start_later("UseDNS yes");
	dns.name = "box.example.org";
	dns.back = "192.0.2.9";
	client_begin(&c, 0, 1);
	c.opened = true;
	while (dns.named == NULL)
		client_step(&c);
	over(&c);
	client_begin(&d, 0, 2);
	dns_answer();
	cr_expect_eq(dns.asked_back, 0);
	cr_expect_null(t.table->by_index[0]->awake->peer_name);
	over(&d);
}

/* Until it is in, or control has had enough of it. */
static bool comes_in(struct client *c)
{
	struct ssh_act a;
	struct item *i;
	bool over = false;

	client_begin(c, 0, 1);
	c->opened = true;
	while (!c->in && !over) {
		if (dns.named != NULL || dns.done != NULL) {
			dns_answer();
		} else if (ssh_brain_next(c->brain, &a) == 0) {
			client_act(c, &a);
		} else if ((i = item_next()) != NULL) {
			over = item_type(i) == LINK_IT_END;
			if (!over)
				client_item(c, i);
			free(i);
		} else {
			uv_run(&t.loop, UV_RUN_ONCE);
		}
	}
	return c->in;
}

Test(control_name, of_clients_that_are_wanted)
{
	static const struct {
		const char *lines, *name, *back;
		bool in;
		unsigned int asked;
	} c[] = {
		{"DenyClients 203.0.113.0/24", NULL, NULL, true, 0},
		{"DenyClients 192.0.2.0/24", NULL, NULL, false, 0},
		{"DenyClients 192.0.2.?", NULL, NULL, false, 0},
		{"DenyClients 192.0.2.0/24,!192.0.2.9", NULL, NULL, true, 0},
		{"AllowClients 192.0.2.9", NULL, NULL, true, 0},
		{"AllowClients 10.0.0.0/8,2001:db8::/32", NULL, NULL, false, 0},
		{"AllowClients 192.0.2.0/24,!192.0.2.9", NULL, NULL, false, 0},
		{"AllowClients 192.0.2.0/24\nDenyClients 192.0.2.9", NULL, NULL, false, 0},
		/* names that nobody finds are nobody's */
		{"AllowClients *.example.org", NULL, NULL, false, 0},
		{"DenyClients *.example.org", "box.example.org", "192.0.2.9", true, 0},
		{"UseDNS yes\nAllowClients *.example.org", "box.Example.org", "192.0.2.9", true, 1},
		{"UseDNS yes\nAllowClients *.example.org", "box.example.org", "192.0.2.8", false, 1},
		{"UseDNS yes\nAllowClients *.example.org", NULL, NULL, false, 1},
		{"UseDNS yes\nAllowClients *.example.org,192.0.2.0/24", NULL, NULL, true, 1},
		{"UseDNS yes\nAllowClients 192.0.2.0/24,!*.example.org", "box.example.org",
		 "192.0.2.9", false, 1},
		{"UseDNS yes\nAllowClients 10.0.0.0/8", "box.example.org", "192.0.2.9", false, 0},
		{"UseDNS yes\nDenyClients *.example.org", "box.example.org", "192.0.2.9", false, 1},
		{"UseDNS yes\nDenyClients *.example.org", "box.example.org", "192.0.2.8", true, 1},
		{"UseDNS yes\nDenyClients 192.0.2.0/24,!box.example.org", "box.example.org",
		 "192.0.2.9", true, 1},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct client who;

		memset(&dns, 0, sizeof(dns));
		start_later(c[i].lines);
		dns.name = c[i].name;
		dns.back = c[i].back;
		cr_expect_eq(comes_in(&who), c[i].in, "case %zu: %s", i, c[i].lines);
		cr_expect_eq(dns.asked, c[i].asked, "case %zu: %s", i, c[i].lines);
		over(&who);
		if (i + 1 == N(c))
			break;
		teardown();
		memset(&t, 0, sizeof(t));
		strcpy(t.dir, "/tmp/sluice-session-XXXXXX");
	}
}

/* The lists were overruled as it came: they are not asked once more when there is a name. */
Test(control_name, whom_a_program_has_let_in_they_refuse_no_more)
{
	struct client who;
	char text[256] = "";

	program_begin("connection", text, sizeof(text));
	strcat(text, "UseDNS yes\nDenyClients 192.0.2.9\nAllowClients 203.0.113.0/24");
	start_later(text);
	dns.name = "box.example.org";
	dns.back = "192.0.2.9";
	cr_expect(comes_in(&who));
	cr_expect_eq(dns.asked, 1);
	over(&who);
	program_end();
}

/* --- names of targets ---------------------------------------------------------------------------
 */

/* Asks for name:80, whose look-up says these; the open that follows, NULL: it is refused. */
static const struct link_chan_connect *target(struct client *c, const char *name,
					      const char *const *addrs, size_t n)
{
	uint8_t buf[512];
	struct ssh_str open = {buf, open_build(buf, sizeof(buf), name, 80)};
	struct link_addr found[4];

	items_drop();
	dns.done = NULL;
	client_payload(c, &open);
	if (dns.done == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		cr_assert(addr_parse(addrs[i], &found[i]));
	dns.done(&dns.caller, n > 0 ? 0 : -ENOENT, found, n);
	return item_of(LINK_IT_CHAN_CONNECT);
}

/* S-76: the second answer is judged as the first was, and each of its addresses by itself. */
Test(control_name, of_targets_that_turn)
{
	static const char *const both[] = {"10.66.0.1", "10.0.0.1", "127.0.0.1"};
	static const struct {
		const char *addrs[3];
		size_t n;
		const char *to; /* NULL: refused */
	} c[] = {
		{{"10.0.0.1"}, 1, "10.0.0.1"},  {{"10.66.0.1"}, 1, NULL},
		{{"127.0.0.1"}, 1, NULL},       {{"169.254.169.254", "::1"}, 2, NULL},
		{{"64:ff9b::7f00:1"}, 1, NULL}, {{"10.66.0.1", "10.0.0.2"}, 2, "10.0.0.2"},
	};
	const struct link_chan_connect *m;
	struct client who;

	start_later("LogLevel VERBOSE\nOpenGrantTime 0\nTargetRule deny 10.66.0.0/16:*\n"
		    "TargetRule allow two.example:80");
	who = login();
	cr_assert(who.in);
	m = target(&who, "two.example", both, N(both));
	cr_assert_not_null(m);
	cr_expect_eq(m->n_addrs, 1);
	cr_expect_eq(memcmp(m->addr[0].addr, (uint8_t[]){10, 0, 0, 1}, 4), 0);
	for (size_t i = 0; i < N(c); i++) {
		char text[ADDR_TEXT_MAX];

		m = target(&who, "two.example", c[i].addrs, c[i].n);
		cr_expect_eq(m != NULL, c[i].to != NULL, "case %zu", i);
		if (m != NULL && c[i].to != NULL)
			cr_expect_str_eq(addr_text(&m->addr[0], text), c[i].to);
	}
	over(&who);
}

/* What no address could make allowed is not even looked up. */
Test(control_name, of_targets_nobody_may_reach)
{
	struct client who;

	start_later("TargetRule allow *.corp:80 10.0.0.0/8:443");
	who = login();
	cr_expect_null(target(&who, "evil.example", NULL, 0));
	cr_expect_null(dns.done);
	over(&who);
}

/* Match dest: a block about a network says something as soon as the address is known. */
Test(control_name, of_targets_that_match_looks_at)
{
	static const char *const inside[] = {"10.0.0.1"}, *const outside[] = {"203.0.113.1"};
	struct client who;

	start_later("PermitOpen none\nMatch dest 10.0.0.0/8:80\nPermitOpen any");
	who = login();
	cr_expect_not_null(target(&who, "two.example", inside, 1));
	cr_expect_null(target(&who, "two.example", outside, 1));
	cr_expect_not_null(target(&who, "two.example", inside, 1));
	over(&who);
}

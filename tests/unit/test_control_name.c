/* control/session/login_name.c: UseDNS: a name counts that leads back to its address, and no other.
 */
#include "control/session/internal.h"
#include "tests/util/session_bench.h"

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

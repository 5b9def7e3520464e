/*
 * control/policy/rules.c - what TargetRule and ListenRule say.
 */
#include <string.h>

#include "conf/match.h"
#include "control/policy/addr.h"
#include "control/policy/policy.h"

struct policy_rules policy_rules_of(const struct conf_session *c)
{
	return (struct policy_rules){.target_rules = c->target_rules,
				     .listen_rules = c->listen_rules,
				     .who = {.minute = -1},
				     .allow_tcp_forwarding = c->allow_tcp_forwarding,
				     .disable_forwarding = c->disable_forwarding,
				     .permit_open = c->permit_open,
				     .permit_listen = c->permit_listen,
				     .gateway_ports = c->gateway_ports};
}

static enum policy_saying say(const struct conf_rules *rules, const struct conf_who *who,
			      const struct conf_dest *d, struct policy_why *why)
{
	bool about_hosts = false;

	for (size_t i = 0; i < rules->n; i++) {
		const struct conf_rule *r = rules->v[i];
		enum conf_hit hit = conf_rule_hit(r, who, d);

		about_hosts |= conf_rule_hosts(r);
		/* Whether it denies will be seen; the next may still allow others. */
		if (hit == CONF_HIT_NO || (hit == CONF_HIT_MAYBE && !conf_rule_allows(r)))
			continue;
		*why = (struct policy_why){POLICY_BY_RULE, r};
		if (hit == CONF_HIT_MAYBE)
			return POLICY_SAYS_MAYBE;
		return conf_rule_allows(r) ? POLICY_SAYS_YES : POLICY_SAYS_NO;
	}
	if (!about_hosts || d->path != NULL)
		return POLICY_SAYS_NOTHING;
	*why = (struct policy_why){.voice = POLICY_BY_RULE};
	return POLICY_SAYS_NO;
}

enum policy_saying policy_targets_say(const struct policy_rules *r, const struct conf_dest *d,
				      struct policy_why *why)
{
	return say(&r->target_rules, &r->who, d, why);
}

static void dest_find(const struct policy_rules *r, struct conf_dest *d,
		      const struct link_addr *addr)
{
	struct link_addr a = *addr;

	addr_unmap(&a);
	d->found = true;
	d->named_by = (uint8_t)addr_named_by(&a, r->own, r->n_own + r->n_kernel);
	d->addr = (struct conf_addr){.family = a.family};
	memcpy(d->addr.addr, a.addr, sizeof(d->addr.addr));
}

struct conf_dest policy_dest_at(const struct policy_rules *r, const char *host,
				const struct link_addr *addr, uint16_t port)
{
	struct conf_dest d = conf_dest_of(host, port);

	dest_find(r, &d, addr);
	return d;
}

struct conf_dest policy_dest(const struct policy_rules *r, const char *host, uint16_t port)
{
	struct conf_dest d = conf_dest_of(host, port);
	struct link_addr literal;

	if (addr_parse(host, &literal))
		dest_find(r, &d, &literal);
	return d;
}

bool policy_timed(const struct conf_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (conf_rule_timed(rules->v[i]))
			return true;
	return false;
}

bool policy_may_connect(const struct policy_rules *r, const char *host,
			const struct link_addr *addr, uint16_t port, struct policy_why *why)
{
	struct conf_dest d = policy_dest_at(r, host, addr, port);
	enum policy_saying said = policy_targets_say(r, &d, why);

	if (said != POLICY_SAYS_NOTHING)
		return said == POLICY_SAYS_YES;
	why->voice = POLICY_BY_PERMIT;
	if (policy_may_reach(r, addr, port))
		return true;
	why->voice = POLICY_BY_NOBODY;
	return false;
}

static struct conf_dest bind_dest(const struct policy_rules *r, const struct link_addr *at,
				  bool all, uint16_t port)
{
	struct conf_dest d = {.host = "", .literal = true, .all = all, .port = port};

	dest_find(r, &d, at);
	d.named_by = 0; /* what is listened on is an own address */
	if (!all && addr_is_localhost(at)) {
		d.host = "localhost";
		d.literal = false;
	}
	return d;
}

/* One, or the two that "localhost" names. */
static size_t bind_dests(const struct policy_rules *r, enum policy_where where,
			 const struct link_addr *at, uint16_t port, struct conf_dest ret[2])
{
	static const struct link_addr loopback[] = {{.family = 4, .addr = {127, 0, 0, 1}},
						    {.family = 6, .addr = {[15] = 1}}};

	if (where != POLICY_AT_LOOPBACK || at->family != 0) {
		ret[0] = bind_dest(r, at, where == POLICY_AT_ALL, port);
		return 1;
	}
	for (size_t i = 0; i < 2; i++)
		ret[i] = bind_dest(r, &loopback[i], false, port);
	return 2;
}

bool policy_may_bind(const struct policy_rules *r, enum policy_where where,
		     const struct link_addr *at, uint16_t port, struct policy_why *why)
{
	struct conf_dest d[2];
	size_t n = bind_dests(r, where, at, port, d);

	for (size_t i = 0; i < n; i++) {
		enum policy_saying said = say(&r->listen_rules, &r->who, &d[i], why);

		if (said != POLICY_SAYS_NOTHING && said != POLICY_SAYS_YES)
			return false;
	}
	return true;
}

/* Does any rule allow it, or none speak of hosts? *ret_named: one that does names the port. */
static bool anybody_may_bind(const struct conf_rules *rules, const struct conf_dest *d,
			     bool *ret_named)
{
	bool about_hosts = false, allowed = false;

	*ret_named = false;
	for (size_t i = 0; i < rules->n; i++) {
		const struct conf_rule *r = rules->v[i];

		about_hosts |= conf_rule_hosts(r);
		if (!conf_rule_allows(r) || conf_rule_reaches(r, d) == CONF_HIT_NO)
			continue;
		allowed = true;
		*ret_named |= conf_rule_names_port(r, d->port);
	}
	return allowed || !about_hosts;
}

bool policy_low_permitted(const struct policy_rules *r, bool root, const char *host, uint16_t port,
			  enum policy_where *ret_where, struct link_addr *ret)
{
	bool named = true, one;
	struct conf_dest d[2];
	size_t n;

	*ret_where = policy_listen_where(r, host, ret);
	if (r->disable_forwarding || (r->allow_tcp_forwarding & CONF_FORWARDING_REMOTE) == 0 ||
	    !match_permitlisten(&r->permit_listen, host, port) || *ret_where == POLICY_NOWHERE)
		return false;
	n = bind_dests(r, *ret_where, ret, port, d);
	for (size_t i = 0; i < n; i++) {
		if (!anybody_may_bind(&r->listen_rules, &d[i], &one))
			return false;
		named &= one;
	}
	return root || named || policy_may_listen_low(r, host, port);
}

/* A key whose tunnels are listed has these alone: its list names no sockets. */
bool policy_may_open_socket(const struct conf_session *conf, const struct policy_rules *r,
			    const struct policy_grant *g, const char *path, struct policy_why *why)
{
	const struct conf_dest d = {.path = path};
	enum policy_saying said;

	*why = (struct policy_why){.voice = POLICY_BY_DISABLE};
	if (conf->disable_forwarding)
		return false;
	why->voice = POLICY_BY_ALLOW;
	if ((conf->allow_streamlocal_forwarding & CONF_FORWARDING_LOCAL) == 0)
		return false;
	why->voice = POLICY_BY_KEY;
	if (!g->port_forwarding || g->n_permitopen > 0)
		return false;
	why->voice = POLICY_BY_PERMIT;
	said = policy_targets_say(r, &d, why);
	if (said != POLICY_SAYS_NOTHING)
		return said == POLICY_SAYS_YES;
	for (size_t i = 0; i < conf->permit_streamlocal.n; i++)
		if (match_pattern(path, conf->permit_streamlocal.v[i]))
			return true;
	return false;
}

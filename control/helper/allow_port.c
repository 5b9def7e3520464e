/*
 * control/helper/allow_port.c - may this user have the kernel listen at this port below 1024?
 */
#include "control/helper/allow.h"
#include "control/policy/addr.h"

/* On a gateway with interfaces all else is the dataplane's, which needs no port of the kernel's. */
static bool is_kernels(const struct conf *conf, enum policy_where where)
{
	return where == POLICY_AT_LOOPBACK || conf_dataplane(conf)->n_interfaces == 0;
}

const char *allow_port(const struct allow *a, const struct helper_port *m, const char *host,
		       struct link_addr ret[LISTEN_MAX], size_t *ret_n)
{
	struct policy_rules rules = policy_rules_of(&a->conf);
	bool root = a->account.known && a->account.uid == 0;
	const struct conf *conf = a->conf.conf;
	struct link_addr own, at;
	enum policy_where where;

	/* The kernel binds to no address that is not its own. */
	if (addr_parse(host, &own)) {
		rules.own = &own;
		rules.n_own = 1;
	}
	if (!policy_low_permitted(&rules, root, host, m->port, &where, &at) ||
	    !is_kernels(conf, where) || !listen_narrow(conf_family(conf), where, &at))
		return "PermitListen, ListenRule or GatewayPorts do not name it";
	*ret_n = listen_places(where, &at, ret);
	return allow_guest(a, &m->job);
}

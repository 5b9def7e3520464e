#include "control/policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"
#include "control/policy/addr.h"

struct policy_grant policy_grant_full(void)
{
	return (struct policy_grant){.port_forwarding = true};
}

int policy_grant_permit(struct policy_grant *g, const char *entry)
{
	char **v;

	if (!match_permitopen_valid(entry))
		return -EINVAL;
	if (g->n_permitopen >= POLICY_PERMITS_MAX)
		return -E2BIG;
	v = realloc(g->permitopen, (g->n_permitopen + 1) * sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	g->permitopen = v;
	v[g->n_permitopen] = strdup(entry);
	if (v[g->n_permitopen] == NULL)
		return -ENOMEM;
	g->n_permitopen++;
	return 0;
}

void policy_grant_fini(struct policy_grant *g)
{
	for (size_t i = 0; i < g->n_permitopen; i++)
		free(g->permitopen[i]);
	free(g->permitopen);
	*g = (struct policy_grant){0};
}

bool policy_may_ask(const struct policy_rules *r, const struct policy_grant *g, const char *host,
		    uint16_t port)
{
	struct conf_strs of_key = {(const char *const *)g->permitopen, g->n_permitopen};

	if (r->disable_forwarding || r->allow_tcp_forwarding == CONF_FORWARDING_NO ||
	    !g->port_forwarding)
		return false;
	if (!match_permitopen(&r->permit_open, host, port))
		return false;
	return of_key.n == 0 || match_permitopen(&of_key, host, port);
}

/* "address:port" or "address:*" with this address and port. */
static bool entry_names(const char *entry, const struct link_addr *addr, uint16_t port)
{
	char host[CONF_ADDR_TEXT];
	const char *colon = strrchr(entry, ':');
	struct link_addr a;
	uint16_t p;
	size_t len;

	if (colon == NULL)
		return false;
	len = (size_t)(colon - entry);
	if (len >= 2 && entry[0] == '[' && entry[len - 1] == ']') {
		entry++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, entry, len);
	host[len] = '\0';
	if (!addr_parse(host, &a) || !addr_equal(&a, addr))
		return false;
	return strcmp(colon + 1, "*") == 0 || (conf_port_parse(colon + 1, &p) == 0 && p == port);
}

bool policy_may_reach(const struct policy_rules *r, const struct link_addr *addr, uint16_t port)
{
	struct link_addr a = *addr;

	addr_unmap(&a);
	if (!addr_is_special(&a) && !addr_is_one_of(&a, r->own, r->n_own))
		return true;
	for (size_t i = 0; i < r->permit_open.n; i++)
		if (entry_names(r->permit_open.v[i], &a, port))
			return true;
	return false;
}

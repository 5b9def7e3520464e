#include "control/policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/match.h"
#include "control/policy/addr.h"

/* No client can name it: hosts have no control characters. */
#define POLICY_NO_TARGET "\001:1"

struct policy_grant policy_grant_full(void)
{
	return (struct policy_grant){.port_forwarding = true,
				     .session = true,
				     .pty = true,
				     .agent = true,
				     .x11 = true,
				     .user_rc = true};
}

/* The lists of a grant, one behind the other. */
enum permits { OPENS, LISTENS, VARIABLES };

static bool variable_valid(const char *entry)
{
	return *entry != '=' && strchr(entry, '=') != NULL && strchr(entry, '\n') == NULL;
}

static const struct {
	bool (*valid)(const char *entry);
	bool (*meet)(const char *a, const char *b, char *buf, size_t size);
} permits_of[] = {
	[OPENS] = {match_permitopen_valid, match_permitopen_meet},
	[LISTENS] = {match_permitlisten_valid, match_permitlisten_meet},
	[VARIABLES] = {variable_valid, NULL},
};

/* Where it begins, and how many it has. */
static uint16_t *list_at(struct policy_grant *g, enum permits which, size_t *ret_begin)
{
	uint16_t *const n[] = {&g->n_permitopen, &g->n_permitlisten, &g->n_environment};

	*ret_begin = 0;
	for (unsigned int i = 0; i < which; i++)
		*ret_begin += *n[i];
	return n[which];
}

static struct conf_strs list_of(const struct policy_grant *g, enum permits which)
{
	struct policy_grant copy = *g;
	size_t begin, n = *list_at(&copy, which, &begin);

	return (struct conf_strs){n > 0 ? (const char *const *)g->permitopen + begin : NULL, n};
}

static size_t lists_all(const struct policy_grant *g)
{
	return (size_t)g->n_permitopen + g->n_permitlisten + g->n_environment;
}

static int permits_add(struct policy_grant *g, enum permits which, const char *entry)
{
	size_t all = lists_all(g), begin;
	uint16_t *n = list_at(g, which, &begin);
	char **v, *copy;

	_Static_assert(POLICY_PERMITS_MAX <= UINT16_MAX, "counted in 16 bits");
	if (!permits_of[which].valid(entry))
		return -EINVAL;
	if (*n >= POLICY_PERMITS_MAX)
		return -E2BIG;
	v = realloc(g->permitopen, (all + 1) * sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	g->permitopen = v;
	copy = strdup(entry);
	if (copy == NULL)
		return -ENOMEM;
	begin += *n;
	memmove(&v[begin + 1], &v[begin], (all - begin) * sizeof(*v));
	v[begin] = copy;
	++*n;
	return 0;
}

int policy_grant_permit(struct policy_grant *g, const char *entry)
{
	return permits_add(g, OPENS, entry);
}

int policy_grant_permit_listen(struct policy_grant *g, const char *entry)
{
	return permits_add(g, LISTENS, entry);
}

void policy_grant_fini(struct policy_grant *g)
{
	for (size_t i = 0; i < lists_all(g); i++)
		free(g->permitopen[i]);
	free(g->permitopen);
	free(g->command);
	*g = (struct policy_grant){0};
}

static int permits_copy(struct conf_strs from, enum permits which, struct policy_grant *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from.n; i++)
		r = permits_add(to, which, from.v[i]);
	return r;
}

int policy_grant_force(struct policy_grant *g, const char *command)
{
	if (g->command != NULL) {
		g->session &= strcmp(g->command, command) == 0;
		return 0;
	}
	g->command = strdup(command);
	g->session &= g->command != NULL;
	return g->command != NULL ? 0 : -ENOMEM;
}

/* Both commands, as far as there are any. */
static int commands_meet(const struct policy_grant *a, const struct policy_grant *b,
			 struct policy_grant *to)
{
	int r = a->command != NULL ? policy_grant_force(to, a->command) : 0;

	return r == 0 && b->command != NULL ? policy_grant_force(to, b->command) : r;
}

/* Is there one of this name, which has len bytes with its '='? ret_bytes: those of all. */
static bool has_variable(const struct policy_grant *g, const char *assignment, size_t len,
			 size_t *ret_bytes)
{
	struct conf_strs all = list_of(g, VARIABLES);
	bool has = false;

	*ret_bytes = 0;
	for (size_t i = 0; i < all.n; i++) {
		*ret_bytes += strlen(all.v[i]) + 1;
		has |= strncmp(all.v[i], assignment, len) == 0;
	}
	return has;
}

int policy_grant_variable(struct policy_grant *g, const char *assignment)
{
	size_t name = strcspn(assignment, "="), bytes;

	if (has_variable(g, assignment, name + 1, &bytes))
		return 0;
	if (strlen(assignment) + 1 > POLICY_ENVIRONMENT_MAX - bytes)
		return -E2BIG;
	return permits_add(g, VARIABLES, assignment);
}

static int variables_copy(struct conf_strs from, struct policy_grant *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from.n; i++)
		r = policy_grant_variable(to, from.v[i]);
	return r;
}

/* Those of both, as far as there is room: they allow nothing. */
static int environments_meet(const struct policy_grant *a, const struct policy_grant *b,
			     struct policy_grant *to)
{
	int r = variables_copy(list_of(a, VARIABLES), to);

	if (r == 0)
		r = variables_copy(list_of(b, VARIABLES), to);
	return r == -E2BIG ? 0 : r;
}

/* Every pair that allows something. */
static int permits_pairs(struct conf_strs a, struct conf_strs b, enum permits which,
			 struct policy_grant *to)
{
	char both[CONF_ADDR_TEXT + 1024];
	int r = 0;

	if ((uint64_t)a.n * b.n > POLICY_MEETS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < a.n; i++)
		for (size_t k = 0; r == 0 && k < b.n; k++)
			if (permits_of[which].meet(a.v[i], b.v[k], both, sizeof(both)))
				r = permits_add(to, which, both);
	return r;
}

/* An empty list would be no limit: who has two with nothing in common gets one that nobody meets.
 */
static int permits_meet(const struct policy_grant *a, const struct policy_grant *b,
			enum permits which, struct policy_grant *to)
{
	struct conf_strs x = list_of(a, which), y = list_of(b, which);
	int r;

	if (x.n == 0 || y.n == 0)
		return permits_copy(x.n > 0 ? x : y, which, to);
	r = permits_pairs(x, y, which, to);
	if (r == 0 && list_of(to, which).n == 0)
		r = permits_add(to, which, POLICY_NO_TARGET);
	return r;
}

int policy_grant_meet(const struct policy_grant *a, const struct policy_grant *b,
		      struct policy_grant *ret)
{
	struct policy_grant g = {.port_forwarding = a->port_forwarding && b->port_forwarding,
				 .session = a->session && b->session,
				 .pty = a->pty && b->pty,
				 .agent = a->agent && b->agent,
				 .x11 = a->x11 && b->x11,
				 .user_rc = a->user_rc && b->user_rc};
	int r = permits_meet(a, b, OPENS, &g);

	if (r == 0)
		r = permits_meet(a, b, LISTENS, &g);
	if (r == 0)
		r = commands_meet(a, b, &g);
	if (r == 0)
		r = environments_meet(a, b, &g);
	if (r < 0) {
		policy_grant_fini(&g);
		g = (struct policy_grant){0};
	}
	*ret = g;
	return r == -ENOMEM ? r : 0;
}

/* What everybody's forwarding depends on: way is a bit of AllowTcpForwarding. */
static bool may_forward(const struct policy_rules *r, const struct policy_grant *g,
			enum conf_forwarding way, struct policy_why *why)
{
	*why = (struct policy_why){.voice = POLICY_BY_DISABLE};
	if (r->disable_forwarding)
		return false;
	why->voice = POLICY_BY_ALLOW;
	if ((r->allow_tcp_forwarding & way) == 0)
		return false;
	why->voice = POLICY_BY_KEY;
	return g->port_forwarding;
}

bool policy_key_may_ask(const struct policy_grant *g, const char *host, uint16_t port)
{
	struct conf_strs of_key = list_of(g, OPENS);

	return g->port_forwarding && (of_key.n == 0 || match_permitopen(&of_key, host, port));
}

bool policy_may_ask(const struct policy_rules *r, const struct policy_grant *g, const char *host,
		    uint16_t port, struct policy_why *why)
{
	struct conf_dest dest;

	if (!may_forward(r, g, CONF_FORWARDING_LOCAL, why) || !policy_key_may_ask(g, host, port))
		return false;
	why->voice = POLICY_BY_PERMIT;
	if (!match_permitopen(&r->permit_open, host, port))
		return false;
	dest = policy_dest(r, host, port);
	return policy_targets_say(r, &dest, why) != POLICY_SAYS_NO;
}

bool policy_may_listen(const struct policy_rules *r, const struct policy_grant *g, const char *host,
		       uint16_t port, struct policy_why *why)
{
	struct conf_strs of_key = list_of(g, LISTENS);

	if (!may_forward(r, g, CONF_FORWARDING_REMOTE, why))
		return false;
	if (of_key.n > 0 && !match_permitlisten(&of_key, host, port))
		return false;
	why->voice = POLICY_BY_PERMIT;
	return match_permitlisten(&r->permit_listen, host, port);
}

/* "[host:]*" and "any" name no port. */
static bool names_a_port(const char *entry)
{
	const char *colon = strrchr(entry, ':');
	const char *port = colon != NULL ? colon + 1 : entry;

	return *port >= '0' && *port <= '9';
}

bool policy_may_listen_low(const struct policy_rules *r, const char *host, uint16_t port)
{
	for (size_t i = 0; i < r->permit_listen.n; i++) {
		const struct conf_strs one = {&r->permit_listen.v[i], 1};

		if (names_a_port(one.v[0]) && match_permitlisten(&one, host, port))
			return true;
	}
	return false;
}

static bool is_loopback(const struct link_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == 4 ? a->addr[0] == 127 : memcmp(a->addr, one, sizeof(one)) == 0;
}

static bool is_unspecified(const struct link_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->addr, zero, a->family == 4 ? 4 : 16) == 0;
}

/* clientspecified, and what is said without it of loopback addresses alone. */
static enum policy_where where_client_says(const struct policy_rules *r, const char *host,
					   struct link_addr *ret)
{
	if (*host == '\0' || strcmp(host, "*") == 0)
		return POLICY_AT_ALL;
	if (strcmp(host, "localhost") == 0)
		return POLICY_AT_LOOPBACK;
	if (!addr_parse(host, ret))
		return POLICY_NOWHERE;
	if (is_loopback(ret))
		return POLICY_AT_LOOPBACK;
	if (is_unspecified(ret))
		return POLICY_AT_ALL;
	return addr_is_one_of(ret, r->own, r->n_own) ? POLICY_AT_ADDRESS : POLICY_NOWHERE;
}

enum policy_where policy_listen_where(const struct policy_rules *r, const char *host,
				      struct link_addr *ret)
{
	*ret = (struct link_addr){0};
	switch (r->gateway_ports) {
	case CONF_GATEWAY_YES:
		return POLICY_AT_ALL;
	case CONF_GATEWAY_CLIENT:
		return where_client_says(r, host, ret);
	case CONF_GATEWAY_NO:
	default:
		/* sshd takes no other address for an answer: it is loopback, of both families. */
		if (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0)
			(void)addr_parse(host, ret);
		return POLICY_AT_LOOPBACK;
	}
}

/* "address:port" or "address:*" with this address and port; "localhost" is one. */
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
	if (strcasecmp(host, "localhost") == 0) {
		if (!addr_is_localhost(addr))
			return false;
	} else if (!addr_parse(host, &a) || !addr_equal(&a, addr)) {
		return false;
	}
	return strcmp(colon + 1, "*") == 0 || (conf_port_parse(colon + 1, &p) == 0 && p == port);
}

bool policy_may_reach(const struct policy_rules *r, const struct link_addr *addr, uint16_t port)
{
	struct link_addr a = *addr;

	addr_unmap(&a);
	if (addr_named_by(&a, r->own, r->n_own + r->n_kernel) == 0)
		return true;
	for (size_t i = 0; i < r->permit_open.n; i++)
		if (entry_names(r->permit_open.v[i], &a, port))
			return true;
	return false;
}

bool policy_socket_permitted(const struct conf_session *conf, bool listen, const char *path)
{
	const struct conf_strs *permitted =
		listen ? &conf->permit_streamlocal_listen : &conf->permit_streamlocal;
	unsigned int way = listen ? CONF_FORWARDING_REMOTE : CONF_FORWARDING_LOCAL;

	if (conf->disable_forwarding || (conf->allow_streamlocal_forwarding & way) == 0)
		return false;
	for (size_t i = 0; i < permitted->n; i++)
		if (match_pattern(path, permitted->v[i]))
			return true;
	for (size_t i = 0; !listen && i < conf->target_rules.n; i++) {
		const struct conf_rule *rule = conf->target_rules.v[i];
		const struct conf_dest d = {.path = path};

		if (conf_rule_allows(rule) && conf_rule_reaches(rule, &d) == CONF_HIT_YES)
			return true;
	}
	return false;
}

/* A key whose listeners are listed has these alone: its list names no sockets. */
bool policy_may_listen_socket(const struct conf_session *conf, const struct policy_grant *g,
			      const char *path)
{
	return g->port_forwarding && g->n_permitlisten == 0 &&
	       policy_socket_permitted(conf, true, path);
}

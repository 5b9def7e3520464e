#include "conf/target.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/internal.h"
#include "conf/match.h"

#define HOST_MAX 1024 /* of a host that is asked for; RFC 1035 knows none as long */

/* --- read ------------------------------------------------------------------------------------ */

static bool ports_read(const char *text, struct conf_ports *to, size_t *ret_n)
{
	size_t n = 0;
	uint64_t from, end;

	if (strcmp(text, "*") == 0) {
		to[0] = (struct conf_ports){0, UINT16_MAX};
		*ret_n = 1;
		return true;
	}
	do {
		text += n > 0; /* the comma */
		if (n == CONF_PORT_RANGES_MAX || !digits(&text, UINT16_MAX, &from))
			return false;
		end = from;
		if (*text == '-') {
			text++;
			if (!digits(&text, UINT16_MAX, &end) || end < from)
				return false;
		}
		to[n++] = (struct conf_ports){(uint16_t)from, (uint16_t)end};
	} while (*text == ',');
	*ret_n = n;
	return *text == '\0';
}

/* Digits, dots and wildcards alone would look like an address and never be one. */
static const char *name_bad(const char *name)
{
	if (name[strspn(name, "0123456789.?*")] == '\0')
		return "a pattern of addresses: networks are written ADDR/LEN";
	if (strpbrk(name, "/[]:=\"'") != NULL)
		return "neither a host nor a network";
	return NULL;
}

static const char *host_read(char *host, struct conf_target *ret)
{
	if (*host == '\0')
		return "no host";
	if (strcmp(host, "*") == 0) {
		ret->kind = CONF_TARGET_ANY;
		return NULL;
	}
	if (conf_prefix_parse(host, &ret->net) == 0) {
		ret->kind = CONF_TARGET_NET;
		if (!conf_prefix_is_network(&ret->net))
			return "a network with bits behind its length";
		conf_prefix_unmap(&ret->net);
		return NULL;
	}
	ret->kind = CONF_TARGET_NAME;
	ret->text = host;
	return name_bad(host);
}

/* Cuts it in two, the brackets of IPv6 away. NULL: there is no port. */
static char *port_split(char **host)
{
	char *end = strrchr(*host, ':');

	if (**host == '[') {
		end = strchr(*host, ']');
		if (end == NULL || end[1] != ':')
			return NULL;
		++*host;
		*end++ = '\0';
	} else if (end != NULL && memchr(*host, ':', (size_t)(end - *host)) != NULL) {
		return NULL; /* IPv6 without them */
	}
	if (end == NULL)
		return NULL;
	*end = '\0';
	return end + 1;
}

const char *conf_target_parse(struct arena *a, const char *word, struct conf_target *ret)
{
	struct conf_target t = {.negated = *word == '!'};
	struct conf_ports ports[CONF_PORT_RANGES_MAX], *kept;
	char *host = arena_strdup(a, strcmp(word, "any") == 0 ? "*:*" : word + t.negated), *port;
	const char *why;
	size_t n;

	if (host == NULL)
		return "out of memory";
	if (*host == '/') {
		t.kind = CONF_TARGET_PATH;
		t.text = host;
		*ret = t;
		return NULL;
	}
	port = port_split(&host);
	if (port == NULL)
		return "not HOST:PORTS, with brackets around IPv6";
	if (!ports_read(port, ports, &n))
		return "bad ports";
	why = host_read(host, &t);
	if (why != NULL)
		return why;
	kept = arena_alloc(a, n * sizeof(*kept));
	if (kept == NULL)
		return "out of memory";
	memcpy(kept, ports, n * sizeof(*kept));
	t.ports = kept;
	t.n_ports = (uint8_t)n;
	*ret = t;
	return NULL;
}

static bool have(const struct conf_targets *t, bool paths)
{
	for (size_t i = 0; i < t->n; i++)
		if ((t->v[i].kind == CONF_TARGET_PATH) == paths)
			return true;
	return false;
}

bool conf_targets_hosts(const struct conf_targets *t)
{
	return have(t, false);
}

bool conf_targets_paths(const struct conf_targets *t)
{
	return have(t, true);
}

/* --- asked about ------------------------------------------------------------------------------ */

struct conf_dest conf_dest_of(const char *host, uint16_t port)
{
	struct conf_dest d = {.host = host, .port = port};

	d.literal = conf_addr_parse(host, &d.addr) == 0;
	d.found = d.literal;
	conf_addr_unmap(&d.addr);
	return d;
}

static bool has_port(const struct conf_target *t, uint16_t port)
{
	for (unsigned int i = 0; i < t->n_ports; i++)
		if (t->ports[i].from <= port && port <= t->ports[i].to)
			return true;
	return false;
}

bool conf_targets_name_port(const struct conf_targets *t, uint16_t port)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->v[i].negated && has_port(&t->v[i], port) && !has_port(&t->v[i], 0))
			return true;
	return false;
}

/* A dot at the end only says that the name is whole (RFC 1034 section 3.1). */
static bool name_hit(const char *host, const char *pattern)
{
	char name[HOST_MAX + 1];
	size_t n = strlen(host);

	if (n > HOST_MAX)
		return false;
	memcpy(name, host, n + 1);
	if (n > 0 && name[n - 1] == '.')
		name[n - 1] = '\0';
	return match_pattern_nocase(name, pattern);
}

/* The one name that names addresses wanting a network of their own: 127.0.0.1 and ::1. */
static bool is_localhost(const struct conf_target *t, const struct conf_addr *a)
{
	static const struct conf_addr is[] = {{.family = 4, .addr = {127, 0, 0, 1}},
					      {.family = 6, .addr = {[15] = 1}}};

	return strcasecmp(t->text, "localhost") == 0 &&
	       (conf_addr_equal(&is[0], a) || conf_addr_equal(&is[1], a));
}

static enum conf_hit net_hit(const struct conf_target *t, const struct conf_dest *d, bool sure)
{
	const struct conf_prefix *p = &t->net;

	if (!d->found)
		return CONF_HIT_MAYBE;
	if (d->all) {
		bool of_family = d->addr.family == p->family;

		if (sure)
			return of_family && p->len == 0 ? CONF_HIT_YES : CONF_HIT_NO;
		return of_family || d->addr.family == 0 ? CONF_HIT_YES : CONF_HIT_NO;
	}
	if (sure && p->len < d->named_by)
		return CONF_HIT_NO;
	return conf_prefix_has(p, &d->addr) ? CONF_HIT_YES : CONF_HIT_NO;
}

static enum conf_hit target_hit(const struct conf_target *t, const struct conf_dest *d, bool sure)
{
	bool wants_net = sure && d->found && d->named_by > 0, hit = false;

	if (t->kind == CONF_TARGET_PATH)
		return d->path != NULL && match_pattern(d->path, t->text) ? CONF_HIT_YES
									  : CONF_HIT_NO;
	if (d->path != NULL || !has_port(t, d->port))
		return CONF_HIT_NO;
	if (t->kind == CONF_TARGET_NET)
		return net_hit(t, d, sure);
	if (t->kind == CONF_TARGET_ANY)
		hit = !wants_net;
	else if (d->all) /* a listener's only name is localhost, which is one of all */
		hit = !sure;
	else if (!d->literal && name_hit(d->host, t->text))
		hit = !wants_net || is_localhost(t, &d->addr);
	return hit ? CONF_HIT_YES : CONF_HIT_NO;
}

enum conf_hit conf_targets_hit(const struct conf_targets *t, const struct conf_dest *d, bool sure)
{
	enum conf_hit named = CONF_HIT_NO, out = CONF_HIT_NO;

	for (size_t i = 0; i < t->n; i++) {
		bool negated = t->v[i].negated;
		/* What is taken out must be named less surely than what is put in. */
		enum conf_hit hit = target_hit(&t->v[i], d, sure != negated);

		if (negated && hit > out)
			out = hit;
		else if (!negated && hit > named)
			named = hit;
	}
	if (out == CONF_HIT_YES)
		return CONF_HIT_NO;
	return out == CONF_HIT_MAYBE && named == CONF_HIT_YES ? CONF_HIT_MAYBE : named;
}

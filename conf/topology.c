/*
 * What several keywords make together: interfaces with their addresses, routes, and listeners.
 * Lines may stand in any order, so they are looked at when all are read.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/internal.h"

#define DEFAULT_PORT 22
#define VLAN_MAX     4094
#define MTU_MIN      576 /* RFC 791 */
#define MTU_MAX      9000

/* Words are counted below, per keyword. */
const struct value_type type_topology = {1, CONF_ARGS_MAX, false, NULL, NULL, NULL};

__attribute__((format(printf, 3, 4))) static void bad(struct loader *l, const struct line *line,
						      const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	errors_add(&l->errors, line->file, line->number, "%s", what);
}

static size_t lines_of(const struct conf *conf, enum kw_special special)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_lines; i++)
		n += conf->lines[i].kw->special == special;
	return n;
}

/* An array for what the lines of a keyword give, NULL also when there is no memory. */
static void *array_for(struct loader *l, enum kw_special special, size_t size)
{
	size_t n = lines_of(l->conf, special);
	void *p;

	if (n == 0)
		return NULL;
	if (n > CONF_LISTS_MAX) {
		errors_add(&l->errors, l->conf->lines[0].file, 0, "too many %s",
			   kw_of(special)->info.name);
		return NULL;
	}
	p = arena_alloc(&l->conf->arena, n * size);
	if (p == NULL)
		l->errors.no_memory = true;
	return p;
}

static bool count_is(struct loader *l, const struct line *line, unsigned int n)
{
	if (line->argc < n)
		bad(l, line, "%s missing argument.", line->kw->info.name);
	else if (line->argc > n)
		bad(l, line, "keyword %s extra arguments at end of line", line->kw->info.name);
	return line->argc == n;
}

/* --- Interface --------------------------------------------------------------------- */

static bool interface_find(const struct conf_dataplane *dp, const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < dp->n_interfaces; i++) {
		if (strcmp(dp->interfaces[i].name, name) == 0) {
			*ret = (uint32_t)i;
			return true;
		}
	}
	return false;
}

/* name=N within bounds; *ret was 0. False: not of this name, or said before; a bad one is -1. */
static int option_number(const char *arg, const char *name, uint16_t min, uint16_t max,
			 uint16_t *ret)
{
	size_t len = strlen(name);
	unsigned long v;
	char *end;

	if (strncasecmp(arg, name, len) != 0 || arg[len] != '=')
		return 0;
	arg += len + 1;
	v = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end != '\0' || v < min || v > max || *ret != 0)
		return -1;
	*ret = (uint16_t)v;
	return 1;
}

static bool interface_options(struct loader *l, const struct line *line, struct conf_interface *i)
{
	for (unsigned int k = 2; k < line->argc; k++) {
		int r = option_number(line->argv[k], "vlan", 1, VLAN_MAX, &i->vlan);

		if (r == 0)
			r = option_number(line->argv[k], "mtu", MTU_MIN, MTU_MAX, &i->mtu);
		if (r > 0)
			continue;
		bad(l, line,
		    r < 0 ? "Interface: bad value '%.100s'"
			  : "Interface: unknown option "
			    "'%.100s'",
		    line->argv[k]);
		return false;
	}
	return true;
}

static bool interface_parse(struct loader *l, const struct line *line, struct conf_interface *ret)
{
	const struct conf_dataplane *dp = &l->conf->dataplane;
	uint32_t other;

	struct conf_interface i = {0};

	if (line->argc < 2)
		return count_is(l, line, 2);
	if (!value_name_ok(line->argv[0])) {
		bad(l, line, "Interface: bad name '%.100s'", line->argv[0]);
		return false;
	}
	if (interface_find(dp, line->argv[0], &other)) {
		bad(l, line, "Interface %s is there already", line->argv[0]);
		return false;
	}
	i.name = line->argv[0];
	i.device = line->argv[1];
	if (!interface_options(l, line, &i))
		return false;
	for (size_t k = 0; k < dp->n_interfaces; k++) {
		const struct conf_interface *o = &dp->interfaces[k];

		if (strcmp(o->device, i.device) == 0 && o->vlan == i.vlan) {
			bad(l, line, "Interface %s has this device%s already", o->name,
			    i.vlan != 0 ? " and VLAN" : "");
			return false;
		}
	}
	*ret = i;
	return true;
}

static void interfaces_build(struct loader *l)
{
	struct conf_dataplane *dp = &l->conf->dataplane;
	struct conf_interface *v = array_for(l, KW_INTERFACE, sizeof(*v));

	dp->interfaces = v;
	for (size_t i = 0; v != NULL && i < l->conf->n_lines; i++) {
		const struct line *line = &l->conf->lines[i];

		if (line->kw->special == KW_INTERFACE &&
		    interface_parse(l, line, &v[dp->n_interfaces]))
			dp->n_interfaces++;
	}
}

/* --- InterfaceAddress ------------------------------------------------------------------ */

static struct conf_addr ifaddr_addr(const struct conf_ifaddr *ia)
{
	struct conf_addr a = {.family = ia->prefix.family};

	memcpy(a.addr, ia->prefix.addr, sizeof(a.addr));
	if (conf_addr_is_link_local(&a))
		a.scope = (uint8_t)(ia->interface + 1);
	return a;
}

/* Unspecified, loopback, multicast and above are no addresses of a port. */
static bool is_for_port4(const struct conf_prefix *p)
{
	return p->len > 0 && p->addr[0] != 0 && p->addr[0] != 127 && p->addr[0] < 224;
}

/*
 * Nor are ::/96, IPv4 in IPv6's form, what else is in fe80::/10 than fe80::/64, and the address
 * of a network's routers (RFC 4291 section 2.6.1).
 */
static bool is_for_port6(const struct conf_prefix *p)
{
	static const uint8_t zeros[12], mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct conf_addr a = {.family = 6};
	bool link_local;

	memcpy(a.addr, p->addr, sizeof(a.addr));
	link_local = conf_addr_is_link_local(&a);
	if (p->len == 0 || p->addr[0] == 0xff || memcmp(p->addr, zeros, sizeof(zeros)) == 0 ||
	    memcmp(p->addr, mapped, sizeof(mapped)) == 0)
		return false;
	if (p->addr[0] == 0xfe && (p->addr[1] & 0xc0) == 0x80 && (!link_local || p->len != 64))
		return false;
	return p->len >= 127 || !conf_prefix_is_network(p);
}

/* Which InterfaceAddress is a itself? NULL: none. */
static const struct conf_ifaddr *ifaddr_of(const struct conf_dataplane *dp,
					   const struct conf_addr *a)
{
	for (size_t i = 0; i < dp->n_ifaddrs; i++) {
		struct conf_addr own = ifaddr_addr(&dp->ifaddrs[i]);

		if (conf_addr_equal(&own, a))
			return &dp->ifaddrs[i];
	}
	return NULL;
}

static bool ifaddr_parse(struct loader *l, const struct line *line, struct conf_ifaddr *ret)
{
	const struct conf_dataplane *dp = &l->conf->dataplane;
	struct conf_ifaddr ia;
	struct conf_addr own;

	if (!count_is(l, line, 2))
		return false;
	if (!interface_find(dp, line->argv[0], &ia.interface)) {
		bad(l, line, "InterfaceAddress: no Interface %.100s", line->argv[0]);
		return false;
	}
	if (strchr(line->argv[1], '/') == NULL ||
	    conf_prefix_parse(line->argv[1], &ia.prefix) < 0) {
		bad(l, line, "InterfaceAddress: bad address '%.100s'", line->argv[1]);
		return false;
	}
	own = ifaddr_addr(&ia);
	if (ia.prefix.family == 4 ? !is_for_port4(&ia.prefix) : !is_for_port6(&ia.prefix)) {
		bad(l, line, "InterfaceAddress: bad address '%.100s'", line->argv[1]);
		return false;
	}
	if (ifaddr_of(dp, &own) != NULL) {
		bad(l, line, "InterfaceAddress %.100s is there already", line->argv[1]);
		return false;
	}
	*ret = ia;
	return true;
}

static void ifaddrs_build(struct loader *l)
{
	struct conf_dataplane *dp = &l->conf->dataplane;
	struct conf_ifaddr *v = array_for(l, KW_INTERFACE_ADDRESS, sizeof(*v));

	dp->ifaddrs = v;
	for (size_t i = 0; v != NULL && i < l->conf->n_lines; i++) {
		const struct line *line = &l->conf->lines[i];

		if (line->kw->special == KW_INTERFACE_ADDRESS &&
		    ifaddr_parse(l, line, &v[dp->n_ifaddrs]))
			dp->n_ifaddrs++;
	}
}

/* --- Route ---------------------------------------------------------------------------------- */

/* "default" is of the gateway's family. */
static bool route_prefix(const char *text, uint8_t family, struct conf_prefix *ret)
{
	if (strcasecmp(text, "default") == 0) {
		*ret = (struct conf_prefix){.family = family};
		return true;
	}
	return conf_prefix_parse(text, ret) == 0 && conf_prefix_is_network(ret);
}

/* Of a link-local address: any of IPv6 on its interface, which brings one of that kind. */
static const struct conf_ifaddr *network_of(const struct conf_dataplane *dp,
					    const struct conf_addr *a)
{
	for (size_t i = 0; i < dp->n_ifaddrs; i++) {
		const struct conf_ifaddr *ia = &dp->ifaddrs[i];

		if (a->scope != 0 ? ia->prefix.family == 6 && ia->interface + 1 == a->scope
				  : conf_prefix_has(&ia->prefix, a))
			return ia;
	}
	return NULL;
}

static bool route_is_new(const struct conf_dataplane *dp, const struct conf_prefix *p)
{
	for (size_t i = 0; i < dp->n_routes; i++) {
		if (memcmp(&dp->routes[i].prefix, p, sizeof(*p)) == 0)
			return false;
	}
	return true;
}

static bool route_parse(struct loader *l, const struct line *line, struct conf_route *ret)
{
	const struct conf_dataplane *dp = &l->conf->dataplane;
	const struct conf_ifaddr *ia;
	struct conf_route r;

	if (!count_is(l, line, 3))
		return false;
	if (strcasecmp(line->argv[1], "via") != 0 ||
	    zone_parse(dp, line->argv[2], NULL, &r.via) < 0) {
		bad(l, line, "Route: not \"PREFIX via ADDR\", or a link-local one without %%NAME");
		return false;
	}
	if (!route_prefix(line->argv[0], r.via.family, &r.prefix)) {
		bad(l, line, "Route: bad prefix '%.100s'", line->argv[0]);
		return false;
	}
	if (r.prefix.family != r.via.family) {
		bad(l, line, "Route: prefix and gateway are not of one family");
		return false;
	}
	if (!route_is_new(dp, &r.prefix)) {
		bad(l, line, "Route %.100s is there already", line->argv[0]);
		return false;
	}
	ia = network_of(dp, &r.via);
	if (ia == NULL || ifaddr_of(dp, &r.via) != NULL) {
		bad(l, line, "Route: %.100s is no neighbour of an InterfaceAddress", line->argv[2]);
		return false;
	}
	r.interface = ia->interface;
	*ret = r;
	return true;
}

static void routes_build(struct loader *l)
{
	struct conf_dataplane *dp = &l->conf->dataplane;
	struct conf_route *v = array_for(l, KW_ROUTE, sizeof(*v));

	dp->routes = v;
	for (size_t i = 0; v != NULL && i < l->conf->n_lines; i++) {
		const struct line *line = &l->conf->lines[i];

		if (line->kw->special == KW_ROUTE && route_parse(l, line, &v[dp->n_routes]))
			dp->n_routes++;
	}
}

/* --- Port and ListenAddress --------------------------------------------------------------------
 */

struct ports {
	uint16_t *v;
	size_t n;
};

static bool port_add(struct ports *p, uint16_t port)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i] == port)
			return false;
	}
	p->v[p->n++] = port;
	return true;
}

static void ports_build(struct loader *l, struct ports *ret)
{
	size_t n = lines_of(l->conf, KW_PORT);

	*ret = (struct ports){0};
	if (n > CONF_LISTS_MAX) {
		errors_add(&l->errors, l->conf->lines[0].file, 0, "too many Port");
		return;
	}
	ret->v = arena_alloc(&l->conf->arena, (n + 1) * sizeof(*ret->v));
	if (ret->v == NULL) {
		l->errors.no_memory = true;
		return;
	}
	for (size_t i = 0; i < l->conf->n_lines; i++) {
		const struct line *line = &l->conf->lines[i];
		uint16_t port;

		if (line->kw->special != KW_PORT || !count_is(l, line, 1))
			continue;
		if (conf_listen_port_parse(line->argv[0], &port) < 0)
			bad(l, line, "Badly formatted port number.");
		else
			(void)port_add(ret, port); /* the same again is the same */
	}
	if (ret->n == 0)
		ret->v[ret->n++] = DEFAULT_PORT;
}

/* Listeners in the making; grows by what one line gives. */
struct listens {
	struct conf_listen *v;
	size_t n, room;
	bool twice; /* the latest line gave one that was there */
	const char *rdomain; /* of that line */
};

static bool is_any6(const struct conf_addr *a)
{
	static const struct conf_addr any6 = {.family = 6};

	return conf_addr_equal(a, &any6);
}

static bool listen_add(struct loader *l, struct listens *ls, const struct conf_addr *addr,
		       int32_t interface)
{
	for (size_t i = 0; i < ls->n; i++) {
		if (ls->v[i].addr.port != addr->port || strcmp(ls->v[i].rdomain, ls->rdomain) != 0)
			continue;
		if (addr->port != 0) { /* of those that are free each has its own */
			ls->twice |= is_any6(&ls->v[i].addr) && addr->family == 6;
			ls->twice |= is_any6(addr) && ls->v[i].addr.family == 6;
		}
		if (conf_addr_equal(&ls->v[i].addr, addr)) {
			ls->twice = true;
			return true;
		}
	}
	if (ls->n == ls->room) {
		size_t room = ls->room == 0 ? 16 : ls->room * 2;
		struct conf_listen *v = NULL;

		if (room <= CONF_LISTS_MAX)
			v = arena_alloc(&l->conf->arena, room * sizeof(*v));
		else
			return false;
		if (v == NULL) {
			l->errors.no_memory = true;
			return false;
		}
		if (ls->n > 0)
			memcpy(v, ls->v, ls->n * sizeof(*v));
		ls->v = v;
		ls->room = room;
	}
	ls->v[ls->n] = (struct conf_listen){*addr, interface, ""};
	strcpy(ls->v[ls->n++].rdomain, ls->rdomain);
	return true;
}

/* One address with each of the ports. */
static bool listen_ports(struct loader *l, struct listens *ls, struct conf_addr addr,
			 int32_t interface, const struct ports *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		addr.port = ports->v[i];
		if (!listen_add(l, ls, &addr, interface))
			return false;
	}
	return true;
}

uint8_t conf_family(const struct conf *conf)
{
	switch (conf->global.address_family) {
	case CONF_FAMILY_INET:
		return 4;
	case CONF_FAMILY_INET6:
		return 6;
	default:
		return 0;
	}
}

static bool family_is_wanted(const struct conf *conf, uint8_t family)
{
	return conf_family(conf) == 0 || conf_family(conf) == family;
}

/*
 * Every InterfaceAddress of the family. Of IPv6 one listener on :: is all of them, with the
 * link-local addresses that no line names.
 */
static bool listen_everywhere(struct loader *l, struct listens *ls, uint8_t family,
			      const struct ports *ports)
{
	const struct conf_dataplane *dp = &l->conf->dataplane;

	if (family == 6)
		return listen_ports(l, ls, (struct conf_addr){.family = 6}, -1, ports);
	for (size_t i = 0; i < dp->n_ifaddrs; i++) {
		struct conf_addr a = ifaddr_addr(&dp->ifaddrs[i]);

		if (a.family == family &&
		    !listen_ports(l, ls, a, (int32_t)dp->ifaddrs[i].interface, ports))
			return false;
	}
	return true;
}

static bool family_is_here(const struct conf_dataplane *dp, uint8_t family)
{
	for (size_t i = 0; i < dp->n_ifaddrs; i++) {
		if (dp->ifaddrs[i].prefix.family == family)
			return true;
	}
	return false;
}

static bool addr_is_any(const struct conf_addr *a)
{
	static const struct conf_addr any4 = {.family = 4};

	return conf_addr_equal(a, &any4) || is_any6(a);
}

/* Whether there is such a device is seen when a socket is bound to it. */
static bool rdomain_is(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return n > 0 && n <= CONF_RDOMAIN_MAX;
}

/* ADDR [rdomain NAME] */
static bool listen_rdomain(struct loader *l, const struct line *line, const char **ret)
{
	*ret = "";
	if (line->argc < 2 || strcmp(line->argv[1], "rdomain") != 0)
		return count_is(l, line, 1);
	if (!count_is(l, line, 3))
		return false;
	if (!rdomain_is(line->argv[2]))
		bad(l, line, "bad routing domain '%.100s'", line->argv[2]);
	else if (l->conf->dataplane.n_interfaces > 0)
		bad(l, line,
		    "ListenAddress %.100s: rdomain is of the kernel's sockets, and where there is "
		    "an Interface none of them listens",
		    line->argv[0]);
	else
		*ret = line->argv[2];
	return **ret != '\0';
}

static void listen_line(struct loader *l, const struct line *line, struct listens *ls,
			const struct ports *ports)
{
	const struct conf_dataplane *dp = &l->conf->dataplane;
	const struct conf_ifaddr *ia;
	struct conf_addr a;
	struct ports own = {&a.port, 1};
	bool has_port, fits;

	if (!listen_rdomain(l, line, &ls->rdomain))
		return;
	if (zone_parse(dp, line->argv[0], &has_port, &a) < 0) {
		bad(l, line, "bad address or port number in ListenAddress '%.100s'", line->argv[0]);
		return;
	}
	if (!family_is_wanted(l->conf, a.family)) {
		bad(l, line, "ListenAddress %.100s: not of the AddressFamily", line->argv[0]);
		return;
	}
	if (has_port)
		ports = &own;
	ls->twice = false;
	ia = ifaddr_of(dp, &a);
	if (ia != NULL) {
		fits = listen_ports(l, ls, a, (int32_t)ia->interface, ports);
	} else if (dp->n_interfaces == 0) {
		fits = listen_ports(l, ls, a, -1, ports);
	} else if (addr_is_any(&a) && family_is_here(dp, a.family)) {
		fits = listen_everywhere(l, ls, a.family, ports);
	} else {
		bad(l, line,
		    "ListenAddress %.100s: no Interface has it, and listeners of the kernel's "
		    "stack are not supported in this version",
		    line->argv[0]);
		return;
	}
	if (!fits && !l->errors.no_memory)
		bad(l, line, "too many listeners");
	else if (ls->twice && l->conf->global.listen_exclusive)
		bad(l, line, "ListenAddress %.100s is there already (see ListenExclusive)",
		    line->argv[0]);
}

static void listens_build(struct loader *l)
{
	struct listens ls = {.rdomain = ""};
	struct ports ports;
	bool any = false;

	ports_build(l, &ports);
	for (size_t i = 0; i < l->conf->n_lines; i++) {
		const struct line *line = &l->conf->lines[i];

		if (line->kw->special == KW_LISTEN_ADDRESS) {
			listen_line(l, line, &ls, &ports);
			any = true;
		}
	}
	for (uint8_t family = 4; !any && family <= 6; family += 2) {
		if (family_is_wanted(l->conf, family) &&
		    family_is_here(&l->conf->dataplane, family) &&
		    !listen_everywhere(l, &ls, family, &ports) && !l->errors.no_memory)
			errors_add(&l->errors, l->conf->lines[0].file, 0, "too many listeners");
	}
	l->conf->global.ports = ports.v;
	l->conf->global.n_ports = ports.n;
	l->conf->global.listens = ls.v;
	l->conf->global.n_listens = ls.n;
}

void topology_build(struct loader *l)
{
	interfaces_build(l);
	ifaddrs_build(l);
	routes_build(l);
	listens_build(l);
}

/* --- the dump
 * --------------------------------------------------------------------------------------- */

static void interfaces_dump(const struct conf_dataplane *dp, FILE *f)
{
	for (size_t i = 0; i < dp->n_interfaces; i++) {
		fprintf(f, "interface %s ", dp->interfaces[i].name);
		value_print_arg(dp->interfaces[i].device, f);
		if (dp->interfaces[i].vlan != 0)
			fprintf(f, " vlan=%u", dp->interfaces[i].vlan);
		if (dp->interfaces[i].mtu != 0)
			fprintf(f, " mtu=%u", dp->interfaces[i].mtu);
		fputc('\n', f);
	}
}

static void ifaddrs_dump(const struct conf_dataplane *dp, FILE *f)
{
	char text[CONF_ADDR_TEXT];

	for (size_t i = 0; i < dp->n_ifaddrs; i++) {
		const struct conf_ifaddr *ia = &dp->ifaddrs[i];

		fprintf(f, "interfaceaddress %s %s\n", dp->interfaces[ia->interface].name,
			conf_prefix_text(&ia->prefix, text));
	}
}

static void routes_dump(const struct conf_dataplane *dp, FILE *f)
{
	char prefix[CONF_ADDR_TEXT], via[CONF_ZONE_TEXT];

	for (size_t i = 0; i < dp->n_routes; i++) {
		const struct conf_route *r = &dp->routes[i];

		fprintf(f, "route %s via %s\n",
			r->prefix.len == 0 ? "default" : conf_prefix_text(&r->prefix, prefix),
			conf_zone_text(dp, &r->via, via));
	}
}

static void ports_dump(const struct conf_global *g, FILE *f)
{
	for (size_t i = 0; i < g->n_ports; i++)
		fprintf(f, "port %u\n", g->ports[i]);
}

static void listens_dump(const struct conf *conf, FILE *f)
{
	const struct conf_global *g = &conf->global;

	for (size_t i = 0; i < g->n_listens; i++) {
		const struct conf_addr *a = &g->listens[i].addr;
		char text[CONF_ZONE_TEXT];

		conf_zone_text(&conf->dataplane, a, text);
		fprintf(f, a->family == 4 ? "listenaddress %s:%u" : "listenaddress [%s]:%u", text,
			a->port);
		if (g->listens[i].rdomain[0] != '\0') {
			fputs(" rdomain ", f);
			value_print_arg(g->listens[i].rdomain, f);
		}
		fputc('\n', f);
	}
}

void topology_dump(const struct conf *conf, const struct kw *kw, FILE *f)
{
	switch (kw->special) {
	case KW_INTERFACE:
		interfaces_dump(&conf->dataplane, f);
		break;
	case KW_INTERFACE_ADDRESS:
		ifaddrs_dump(&conf->dataplane, f);
		break;
	case KW_ROUTE:
		routes_dump(&conf->dataplane, f);
		break;
	case KW_PORT:
		ports_dump(&conf->global, f);
		break;
	case KW_LISTEN_ADDRESS:
		listens_dump(conf, f);
		break;
	default:
		break;
	}
}

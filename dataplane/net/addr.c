/* dataplane/net/addr.c - addresses: which are ours, which are nobody's, when they are announced. */
#include <errno.h>

#include "dataplane/net/internal.h"

const struct net_addr net_all_nodes = {.family = 6, .b = {0xff, 0x02, [15] = 1}};

struct net_words net_mask(unsigned int len)
{
	struct net_words m = {{0, 0}};
	uint8_t b[16];

	for (unsigned int i = 0; i < sizeof(b); i++) {
		unsigned int bits = len > i * 8 ? RTE_MIN(len - i * 8, 8u) : 0;

		b[i] = (uint8_t)(0xff << (8 - bits));
	}
	memcpy(m.w, b, sizeof(m.w));
	return m;
}

bool net_v4_is_special(rte_be32_t ip)
{
	uint32_t a = rte_be_to_cpu_32(ip);

	return a >> 24 == 0 || a >> 24 == 127 || a >= 224u << 24;
}

bool net_v6_is_link_local(const struct net_addr *a)
{
	static const uint8_t prefix[8] = {0xfe, 0x80};

	return a->family == 6 && memcmp(a->b, prefix, sizeof(prefix)) == 0;
}

/*
 * Multicast; ::/96 with the unspecified address, loopback and what was once "compatible"; IPv4
 * in IPv6's clothes (RFC 4291 2.5.5), which must not pass by the rules of its own family;
 * fe80::/10 with bits that must be zero.
 */
static bool v6_is_special(const struct net_addr *a)
{
	static const uint8_t zeros[12], mapped[12] = {[10] = 0xff, [11] = 0xff};

	return a->b[0] == 0xff || memcmp(a->b, zeros, sizeof(zeros)) == 0 ||
	       memcmp(a->b, mapped, sizeof(mapped)) == 0 ||
	       (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80 && !net_v6_is_link_local(a));
}

bool net_addr_is_special(const struct net_addr *a)
{
	return a->family == 4 ? net_v4_is_special(net_v4(a)) : v6_is_special(a);
}

struct net_addr net_solicited_node(const struct net_addr *a)
{
	struct net_addr g = {.family = 6, .b = {0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(g.b + 13, a->b + 13, 3);
	return g;
}

struct rte_ether_addr net_group_mac(const struct net_addr *group)
{
	struct rte_ether_addr mac = {{0x33, 0x33}};

	memcpy(mac.addr_bytes + 2, group->b + 12, 4);
	return mac;
}

/* All bits behind the prefix are zeros, or all are ones. */
static bool is_broadcast_of(rte_be32_t ip, unsigned int len)
{
	uint32_t ones, host;

	if (len > 30) /* RFC 3021: a network of two or one has no broadcast address */
		return false;
	ones = UINT32_MAX >> len;
	host = rte_be_to_cpu_32(ip) & ones;
	return host == 0 || host == ones;
}

bool net_is_subnet_broadcast(const struct net_iface *ifc, const struct net_addr *a)
{
	for (unsigned int i = 0; a->family == 4 && i < ifc->n_addrs; i++) {
		const struct net_ifaddr *own = &ifc->addr[i];

		if (own->addr.family == 4 && is_broadcast_of(net_v4(a), own->len) &&
		    net_match(net_words(a), net_words_and(net_words(&own->addr), own->mask),
			      own->mask))
			return true;
	}
	return false;
}

struct net_ifaddr *net_iface_addr(struct net_iface *ifc, const struct net_addr *a)
{
	struct net_words w = net_words(a);

	for (unsigned int i = 0; i < ifc->n_addrs; i++)
		if (net_words_eq(net_words(&ifc->addr[i].addr), w) &&
		    ifc->addr[i].addr.family == a->family)
			return &ifc->addr[i];
	return NULL;
}

bool net_addr_is_local(const struct net *n, const struct net_addr *addr)
{
	for (unsigned int i = 0; i < n->n_ifaces; i++)
		for (unsigned int k = 0; k < n->iface[i].n_addrs; k++)
			if (net_addr_eq(&n->iface[i].addr[k].addr, addr))
				return true;
	return false;
}

static bool on_network(const struct net_ifaddr *own, const struct net_addr *a)
{
	return own->addr.family == a->family &&
	       net_match(net_words(a), net_words_and(net_words(&own->addr), own->mask), own->mask);
}

static const struct net_addr *towards_v4(const struct net_iface *ifc, const struct net_addr *a)
{
	const struct net_addr *first = NULL;

	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		const struct net_ifaddr *own = &ifc->addr[i];

		if (on_network(own, a))
			return &own->addr;
		if (own->addr.family == 4 && first == NULL)
			first = &own->addr;
	}
	return first;
}

static unsigned int common_prefix(const struct net_addr *a, const struct net_addr *b)
{
	unsigned int i = 0;

	while (i < sizeof(a->b) && a->b[i] == b->b[i])
		i++;
	if (i == sizeof(a->b))
		return 128;
	return i * 8 + (unsigned int)__builtin_clz((unsigned int)(a->b[i] ^ b->b[i])) - 24;
}

static const struct net_addr *towards_v6(const struct net_iface *ifc, const struct net_addr *a)
{
	const bool link_local = net_v6_is_link_local(a);
	const struct net_addr *best = NULL;
	unsigned int best_len = 0;

	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		const struct net_ifaddr *own = &ifc->addr[i];
		unsigned int len;

		if (own->addr.family != 6 || own->state != NET_ADDR_READY ||
		    net_v6_is_link_local(&own->addr) != link_local)
			continue;
		len = common_prefix(&own->addr, a);
		if (best == NULL || len > best_len) {
			best = &own->addr;
			best_len = len;
		}
	}
	return best;
}

const struct net_addr *net_addr_towards(const struct net_iface *ifc, const struct net_addr *a)
{
	return a->family == 4 ? towards_v4(ifc, a) : towards_v6(ifc, a);
}

/* RFC 4291 2.6.1: all zeros behind the prefix is the routers' address; RFC 6164: not of two. */
static bool is_subnet_routers(const struct net_addr *a, unsigned int len)
{
	return len < 127 && net_words_eq(net_words(a), net_words_and(net_words(a), net_mask(len)));
}

/* Can a host have it, in a network of this length? */
static bool is_for_host(const struct net_addr *a, unsigned int len)
{
	if ((a->family != 4 && a->family != 6) || len == 0 || len > net_bits(a->family) ||
	    net_addr_is_special(a))
		return false;
	if (a->family == 4)
		return !is_broadcast_of(net_v4(a), len);
	return !is_subnet_routers(a, len) && (!net_v6_is_link_local(a) || len == 64);
}

/* A second address of the same network on the same interface needs no second route. */
static int route_to_network(struct net *n, unsigned int iface, const struct net_ifaddr *a)
{
	const struct net_route_entry e = {
		.prefix = net_words_and(net_words(&a->addr), a->mask),
		.mask = a->mask,
		.src = a->addr,
		.iface = (uint16_t)iface,
		.len = a->len,
	};
	const struct net_route_entry *have;
	int r = net_route_insert(n, a->addr.family, &e);

	if (r != -EEXIST)
		return r;
	have = net_route_find(n, &a->addr);
	return have != NULL && have->via.family == 0 && have->iface == iface && have->len == a->len
		       ? 0
		       : r;
}

static int addr_add(struct net *n, unsigned int iface, const struct net_addr *addr,
		    unsigned int len)
{
	struct net_iface *ifc = &n->iface[iface];
	struct net_ifaddr a = {.addr = *addr,
			       .mask = net_mask(len),
			       .len = (uint8_t)len,
			       .state = addr->family == 6 ? NET_ADDR_TENTATIVE : NET_ADDR_READY,
			       .announce = NET_ANNOUNCEMENTS};
	int r;

	if (net_addr_is_local(n, addr))
		return -EEXIST;
	if (ifc->n_addrs == NET_IFACE_ADDRS_MAX)
		return -ENOSPC;
	/* Every link has fe80::/64: its scope is the route. */
	if (!net_v6_is_link_local(addr)) {
		r = route_to_network(n, iface, &a);
		if (r < 0)
			return r;
	}
	ifc->addr[ifc->n_addrs++] = a;
	return 0;
}

/*
 * The interface's own link-local address, of the modified EUI-64 of its MAC (RFC 4291 appendix
 * A): it needs nothing kept between starts, and hides nothing from a link that sees the MAC.
 */
static int add_link_local(struct net *n, unsigned int iface)
{
	const uint8_t *mac = n->iface[iface].mac.addr_bytes;
	const struct net_addr a = {.family = 6,
				   .scope = (uint8_t)(iface + 1),
				   .b = {0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
					 mac[3], mac[4], mac[5]}};

	for (unsigned int i = 0; i < n->iface[iface].n_addrs; i++)
		if (net_v6_is_link_local(&n->iface[iface].addr[i].addr))
			return 0;
	return addr_add(n, iface, &a, 64);
}

int net_addr_add(struct net *n, unsigned int iface, const struct net_addr *addr, unsigned int len)
{
	struct net_addr a = *addr;
	int r = 0;

	if (iface >= n->n_ifaces || !is_for_host(addr, len))
		return -EINVAL;
	if (addr->family == 4)
		return addr_add(n, iface, addr, len);

	if (n->iface[iface].mtu < NET_PMTU_MIN_6) /* RFC 8200 5 */
		return -EINVAL;
	if (net_v6_is_link_local(addr))
		a.scope = (uint8_t)(iface + 1);
	else
		r = add_link_local(n, iface);
	if (r == 0)
		r = addr_add(n, iface, &a, len);
	if (r == 0)
		mld_changed(&n->iface[iface], n->now_us);
	return r;
}

static void due_in(struct net *n, struct net_ifaddr *a, uint64_t us)
{
	a->announce_us = n->now_us + us;
}

void net_addr_defend(struct net *n, struct net_ifaddr *a)
{
	if (a->defended_us != 0 && n->now_us - a->defended_us < NET_DEFEND_US)
		return;
	a->defended_us = n->now_us;
	a->announce = 1;
	due_in(n, a, 0);
}

/*
 * RFC 4862 5.4: asked once, ours after a second of silence. The random wait before the question
 * (5.4.2) is left out: it is for links on which all hosts come up together, and costs a
 * restarted gateway a second.
 */
static void claim(struct net *n, struct net_iface *ifc, struct net_ifaddr *a)
{
	if (ifc->down) { /* nobody hears the question, and silence is no answer */
		a->asked = false;
		due_in(n, a, NET_DAD_US);
		return;
	}
	if (a->state == NET_ADDR_DUPLICATE) {
		a->state = NET_ADDR_TENTATIVE;
		a->asked = false;
	}
	if (!a->asked) {
		nd_probe(n, ifc, &a->addr);
		a->asked = true;
		due_in(n, a, NET_DAD_US);
		return;
	}
	a->state = NET_ADDR_READY;
	if (net_v6_is_link_local(&a->addr)) /* RFC 3590: reports can have a source now */
		mld_changed(ifc, n->now_us);
}

static void announce(struct net *n, struct net_iface *ifc, struct net_ifaddr *a)
{
	if (a->addr.family == 4)
		arp_announce(n, ifc, &a->addr);
	else
		nd_announce(n, ifc, &a->addr);
	a->announce--;
	a->announced_us = n->now_us;
	due_in(n, a, NET_ANNOUNCE_US);
}

/*
 * A link that flaps is no reason to shout: one in ANNOUNCE_INTERVAL / 2 and address. Who was being
 * asked about (RFC 4862) is asked about again; what was ours already stays so, as with the
 * address of a host whose cable is plugged into another socket.
 */
void net_addr_link_up(struct net *n, struct net_iface *ifc)
{
	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		struct net_ifaddr *a = &ifc->addr[i];
		uint64_t next = a->announced_us + NET_ANNOUNCE_US / 2;
		bool soon = a->announced_us != 0 && next > n->now_us;

		a->announce = NET_ANNOUNCEMENTS;
		a->asked = false;
		due_in(n, a, soon ? next - n->now_us : 0);
		if (a->addr.family == 6)
			mld_changed(ifc, a->announce_us);
	}
}

unsigned int net_addr_timers(struct net *n)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		struct net_iface *ifc = &n->iface[i];

		for (unsigned int k = 0; k < ifc->n_addrs; k++) {
			struct net_ifaddr *a = &ifc->addr[k];

			if (a->announce == 0 || a->announce_us > n->now_us)
				continue;
			if (a->state != NET_ADDR_READY)
				claim(n, ifc, a);
			if (a->state == NET_ADDR_READY)
				announce(n, ifc, a);
			work++;
		}
	}
	return work;
}

uint64_t net_addr_next_us(const struct net *n)
{
	uint64_t t = UINT64_MAX;

	for (unsigned int i = 0; i < n->n_ifaces; i++)
		for (unsigned int k = 0; k < n->iface[i].n_addrs; k++)
			if (n->iface[i].addr[k].announce > 0)
				t = RTE_MIN(t, n->iface[i].addr[k].announce_us);
	return t;
}

/* dataplane/spread.c - see spread.h. */
#include "dataplane/spread.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_thash.h>

#define ENTRY_BITS 7
#define KEY_WORDS  (SPREAD_KEY_LEN / sizeof(uint32_t))
#define KEY_TRIES  4096 /* one random key in twelve will do */

/* Where things stand in the bytes that are hashed. */
#define SPORT4 8
#define DPORT4 10
#define LEN4   12
#define SPORT6 32
#define DPORT6 34
#define LEN6   36

_Static_assert(1 << ENTRY_BITS == SPREAD_ENTRIES, "an entry is so many bits of the hash");
_Static_assert(LEN6 == SPREAD_FLOW_MAX && LEN6 + 4 == SPREAD_KEY_LEN, "the longest flow");

/* --- the hash ------------------------------------------------------------------------- */

static uint32_t toeplitz(const uint8_t *key, const uint8_t *bytes, size_t len)
{
	uint32_t orig[KEY_WORDS], ready[KEY_WORDS], word[LEN6 / sizeof(uint32_t)];

	memcpy(orig, key, sizeof(orig));
	rte_convert_rss_key(orig, ready, sizeof(orig));
	memcpy(word, bytes, len);
	for (size_t i = 0; i < len / sizeof(*word); i++)
		word[i] = rte_be_to_cpu_32(word[i]);
	return rte_softrss_be(word, (uint32_t)(len / sizeof(*word)), (const uint8_t *)ready);
}

static void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint32_t spread_hash4(const struct spread *sp, const uint8_t src[4], const uint8_t dst[4],
		      uint16_t sport, uint16_t dport)
{
	uint8_t b[LEN4];

	memcpy(b, src, 4);
	memcpy(b + 4, dst, 4);
	put_be16(b + SPORT4, sport);
	put_be16(b + DPORT4, dport);
	return toeplitz(sp->key, b, sizeof(b));
}

uint32_t spread_hash6(const struct spread *sp, const uint8_t src[16], const uint8_t dst[16],
		      uint16_t sport, uint16_t dport)
{
	uint8_t b[LEN6];

	memcpy(b, src, 16);
	memcpy(b + 16, dst, 16);
	put_be16(b + SPORT6, sport);
	put_be16(b + DPORT6, dport);
	return toeplitz(sp->key, b, sizeof(b));
}

/*
 * A load and an XOR for each byte of the flow, 3 KiB of tables for IPv4: the library's function
 * goes bit by bit, and its vectors are not in the packaged build.
 */
static unsigned int sum(const struct spread *sp, unsigned int at, const uint8_t *p, unsigned int n)
{
	unsigned int e = 0;

	for (unsigned int i = 0; i < n; i++)
		e ^= sp->part[at + i][p[i]];
	return e;
}

static unsigned int entry_of(const struct spread *sp, uint8_t family, const uint8_t *src,
			     const uint8_t *dst, const uint8_t ports[4])
{
	if (family == 4)
		return sum(sp, 0, src, 4) ^ sum(sp, 4, dst, 4) ^ sum(sp, SPORT4, ports, 4);
	return sum(sp, 0, src, 16) ^ sum(sp, 16, dst, 16) ^ sum(sp, SPORT6, ports, 4);
}

unsigned int spread_entry(const struct spread *sp, const struct net_addr *src,
			  const struct net_addr *dst, uint16_t sport, uint16_t dport)
{
	uint8_t ports[4];

	put_be16(ports, sport);
	put_be16(ports + 2, dport);
	return entry_of(sp, src->family, src->b, dst->b, ports);
}

/* --- the key -------------------------------------------------------------------------- */

static void parts(struct spread *sp)
{
	for (unsigned int at = 0; at < SPREAD_FLOW_MAX; at++) {
		uint8_t b[SPREAD_FLOW_MAX] = {0}, bit[8];

		for (unsigned int i = 0; i < 8; i++) {
			b[at] = (uint8_t)(1u << i);
			bit[i] = toeplitz(sp->key, b, sizeof(b)) % SPREAD_ENTRIES;
		}
		for (unsigned int v = 0; v < 256; v++) {
			sp->part[at][v] = 0;
			for (unsigned int i = 0; i < 8; i++)
				sp->part[at][v] ^= v >> i & 1 ? bit[i] : 0;
		}
	}
}

/*
 * Of ports that differ in their low bits alone each entry has equally many when the parts of these
 * bits are of the rank of an entry.
 */
static bool reaches_all(const struct spread *sp, unsigned int at, unsigned int bits)
{
	uint8_t pivot[ENTRY_BITS] = {0};
	unsigned int rank = 0;

	for (unsigned int i = 0; i < bits; i++) {
		uint8_t v = sp->part[at + 1 - i / 8][1u << i % 8];

		for (int b = ENTRY_BITS - 1; b >= 0 && v != 0; b--) {
			if (!(v >> b & 1))
				continue;
			if (pivot[b] == 0) {
				pivot[b] = v;
				rank++;
				break;
			}
			v ^= pivot[b];
		}
	}
	return rank == ENTRY_BITS;
}

static bool set_key(struct spread *sp, const uint8_t *key)
{
	memcpy(sp->key, key, sizeof(sp->key));
	parts(sp);
	return reaches_all(sp, SPORT4, 16) && reaches_all(sp, DPORT4, 16) &&
	       reaches_all(sp, SPORT6, 16) && reaches_all(sp, DPORT6, 16);
}

/* One with which each run of SPREAD_ENTRIES ports has one for each entry: none is far to seek. */
static int random_key(struct spread *sp)
{
	uint8_t key[SPREAD_KEY_LEN];

	for (unsigned int i = 0; i < KEY_TRIES; i++) {
		if (getentropy(key, sizeof(key)) < 0)
			return -EIO;
		if (set_key(sp, key) && reaches_all(sp, DPORT4, ENTRY_BITS) &&
		    reaches_all(sp, DPORT6, ENTRY_BITS))
			return 0;
	}
	return -EIO; /* these are not random */
}

int spread_init(struct spread *sp, unsigned int shards, const uint8_t *key)
{
	int r = 0;

	if (shards == 0 || shards > SPREAD_SHARDS_MAX)
		return -EINVAL;
	sp->shards = (uint8_t)shards;
	for (unsigned int i = 0; i < SPREAD_ENTRIES; i++)
		sp->shard[i] = (uint8_t)(i % shards);
	if (key == NULL)
		r = random_key(sp);
	else if (!set_key(sp, key))
		r = -EINVAL;
	return r;
}

/* --- listeners ------------------------------------------------------------------------ */

static bool addr_is(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* What leads to the entry, or to the end of its list. */
static uint16_t *link_of(struct spread_steer *st, const struct net_addr *addr, uint16_t port)
{
	uint16_t *i = &st->first[port];

	while (*i != 0 && !addr_is(&st->e[*i - 1].addr, addr))
		i = &st->e[*i - 1].next;
	return i;
}

int spread_steer_add(struct spread_steer *st, const struct net_addr *addr, uint16_t port,
		     uint8_t shard)
{
	uint16_t *end = link_of(st, addr, port), i = st->free;

	if (*end != 0)
		return -EEXIST;
	if (i == 0 && st->fresh == SPREAD_STEER_MAX)
		return -ENOSPC;
	if (i == 0)
		i = ++st->fresh;
	else
		st->free = st->e[i - 1].next;
	st->e[i - 1] = (struct spread_steer_entry){.addr = *addr, .shard = shard};
	*end = i;
	st->n++;
	return 0;
}

int spread_steer_del(struct spread_steer *st, const struct net_addr *addr, uint16_t port)
{
	uint16_t *to = link_of(st, addr, port), i = *to;

	if (i == 0)
		return -ENOENT;
	*to = st->e[i - 1].next;
	st->e[i - 1].next = st->free;
	st->free = i;
	st->n--;
	return 0;
}

int spread_steer_find(const struct spread_steer *st, const struct net_addr *addr, uint16_t port)
{
	static const struct net_addr any;
	const struct net_addr any_of = {.family = addr->family};
	int best = -ENOENT, nearness = 0;

	for (uint16_t i = st->first[port]; i != 0; i = st->e[i - 1].next) {
		const struct net_addr *a = &st->e[i - 1].addr;
		int near = addr_is(a, addr)      ? 3
			   : addr_is(a, &any_of) ? 2
			   : addr_is(a, &any)    ? 1
						 : 0;

		if (near <= nearness)
			continue;
		nearness = near;
		best = st->e[i - 1].shard;
	}
	return best;
}

/* --- frames --------------------------------------------------------------------------- */

#define PORTS_LEN      4
#define QUOTE_AT       8 /* of an ICMP error, behind its own header */
#define EXT_MAX        8 /* as net/ allows; who has more is dropped by the first shard */
#define ICMP4_ERRORS   ((1u << 3) | (1u << 11) | (1u << 12))
#define ICMP6_ERRORS   ((1u << 1) | (1u << 2) | (1u << 3) | (1u << 4))
#define IP4_IHL(first) (((first)&0xfu) * 4)

/* n bytes at off, or NULL: the frame ends before. */
static const uint8_t *peek(const struct rte_mbuf *m, uint32_t off, uint32_t n, void *buf)
{
	if (likely(off + n <= m->data_len))
		return rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
	return rte_pktmbuf_read(m, off, n, buf);
}

static void found(const struct spread *sp, uint8_t class, uint8_t family, const uint8_t *src,
		  const uint8_t *dst, const uint8_t ports[4], struct spread_pkt *ret)
{
	ret->class = class;
	ret->entry = (uint8_t)entry_of(sp, family, src, dst, ports);
	ret->dport = (uint16_t)(ports[2] << 8 | ports[3]);
	ret->dst = (struct net_addr){.family = family};
	memcpy(ret->dst.b, dst, family == 4 ? 4 : 16);
}

/* The quoted packet went from us: its flow arrives the other way round. */
static void quoted(const struct spread *sp, uint8_t family, const uint8_t *src, const uint8_t *dst,
		   const uint8_t ports[4], struct spread_pkt *ret)
{
	const uint8_t back[4] = {ports[2], ports[3], ports[0], ports[1]};

	found(sp, SPREAD_ICMP_ERROR, family, dst, src, back, ret);
}

static void read_icmp4(const struct spread *sp, const struct rte_mbuf *m, uint32_t off,
		       struct spread_pkt *ret)
{
	uint8_t a[1], b[sizeof(struct rte_ipv4_hdr)], c[PORTS_LEN];
	const uint8_t *type = peek(m, off, sizeof(a), a), *ip, *ports;

	if (type == NULL || *type >= 32 || !(ICMP4_ERRORS >> *type & 1))
		return;
	off += QUOTE_AT;
	ip = peek(m, off, sizeof(b), b);
	if (ip == NULL || ip[0] >> 4 != 4 || IP4_IHL(ip[0]) < sizeof(b) || ip[9] != IPPROTO_TCP ||
	    ((ip[6] << 8 | ip[7]) & RTE_IPV4_HDR_OFFSET_MASK) != 0)
		return;
	ports = peek(m, off + IP4_IHL(ip[0]), PORTS_LEN, c);
	if (ports != NULL)
		quoted(sp, 4, ip + 12, ip + 16, ports, ret);
}

static void read_ip4(const struct spread *sp, const struct rte_mbuf *m, uint32_t off,
		     struct spread_pkt *ret)
{
	uint8_t b[sizeof(struct rte_ipv4_hdr)], c[PORTS_LEN];
	const uint8_t *ip = peek(m, off, sizeof(b), b), *ports;

	if (ip == NULL || ip[0] >> 4 != 4 || IP4_IHL(ip[0]) < sizeof(b))
		return;
	if (((ip[6] << 8 | ip[7]) & (RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) != 0) {
		ret->class = SPREAD_FRAGMENT;
		return;
	}
	off += IP4_IHL(ip[0]);
	if (ip[9] == IPPROTO_ICMP) {
		read_icmp4(sp, m, off, ret);
		return;
	}
	if (ip[9] != IPPROTO_TCP)
		return;
	ports = peek(m, off, PORTS_LEN, c);
	if (ports != NULL)
		found(sp, SPREAD_TCP, 4, ip + 12, ip + 16, ports, ret);
}

/* What we send has no extension headers, so in a quote TCP follows at once. */
static void read_icmp6(const struct spread *sp, const struct rte_mbuf *m, uint32_t off,
		       struct spread_pkt *ret)
{
	uint8_t a[1], b[sizeof(struct rte_ipv6_hdr) + PORTS_LEN];
	const uint8_t *type = peek(m, off, sizeof(a), a), *ip;

	if (type == NULL || *type >= 32 || !(ICMP6_ERRORS >> *type & 1))
		return;
	ip = peek(m, off + QUOTE_AT, sizeof(b), b);
	if (ip != NULL && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP)
		quoted(sp, 6, ip + 8, ip + 24, ip + sizeof(struct rte_ipv6_hdr), ret);
}

/* From the header that next says to the first that is no extension; false: there is none. */
static bool skip_extensions(const struct rte_mbuf *m, uint8_t *next, uint32_t *off)
{
	for (unsigned int n = 0; n <= EXT_MAX; n++) {
		uint8_t b[2];
		const uint8_t *h;

		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_DSTOPTS &&
		    *next != IPPROTO_ROUTING)
			return true;
		h = peek(m, *off, sizeof(b), b);
		if (h == NULL)
			return false;
		*next = h[0];
		*off += (h[1] + 1u) * 8;
	}
	return false;
}

static void read_ip6(const struct spread *sp, const struct rte_mbuf *m, uint32_t off,
		     struct spread_pkt *ret)
{
	uint8_t b[sizeof(struct rte_ipv6_hdr)], c[PORTS_LEN], next;
	const uint8_t *ip = peek(m, off, sizeof(b), b), *ports;

	if (ip == NULL || ip[0] >> 4 != 6)
		return;
	next = ip[6];
	off += sizeof(b);
	if (!skip_extensions(m, &next, &off))
		return;
	switch (next) {
	case IPPROTO_FRAGMENT:
		ret->class = SPREAD_FRAGMENT;
		break;
	case IPPROTO_ICMPV6:
		read_icmp6(sp, m, off, ret);
		break;
	case IPPROTO_TCP:
		ports = peek(m, off, PORTS_LEN, c);
		if (ports != NULL)
			found(sp, SPREAD_TCP, 6, ip + 8, ip + 24, ports, ret);
		break;
	default:
		break;
	}
}

void spread_read(const struct spread *sp, const struct rte_mbuf *m, struct spread_pkt *ret)
{
	uint32_t off = sizeof(struct rte_ether_hdr);
	const uint8_t *type;
	uint8_t b[2];

	ret->class = SPREAD_OTHER;
	ret->entry = 0;
	type = peek(m, off - sizeof(b), sizeof(b), b);
	if (type != NULL && (type[0] << 8 | type[1]) == RTE_ETHER_TYPE_VLAN) {
		off += sizeof(struct rte_vlan_hdr);
		type = peek(m, off - sizeof(b), sizeof(b), b);
	}
	if (type == NULL)
		return;
	switch (type[0] << 8 | type[1]) {
	case RTE_ETHER_TYPE_IPV4:
		read_ip4(sp, m, off, ret);
		break;
	case RTE_ETHER_TYPE_IPV6:
		read_ip6(sp, m, off, ret);
		break;
	default:
		break;
	}
}

/* --- whose it is ---------------------------------------------------------------------- */

static unsigned int owner(const struct spread *sp, const struct spread_steer *st,
			  const struct net_addr *dst, uint16_t dport, unsigned int entry)
{
	if (unlikely(st != NULL && st->n > 0)) {
		int shard = spread_steer_find(st, dst, dport);

		if (shard >= 0)
			return (unsigned int)shard;
	}
	return sp->shard[entry];
}

unsigned int spread_owner_read(const struct spread *sp, const struct spread_steer *st,
			       const struct rte_mbuf *m)
{
	struct spread_pkt p;

	spread_read(sp, m, &p);
	if (p.class != SPREAD_TCP && p.class != SPREAD_ICMP_ERROR)
		return 0;
	return owner(sp, st, &p.dst, p.dport, p.entry);
}

unsigned int spread_owner_flow(const struct spread *sp, const struct spread_steer *st,
			       const struct net_addr *src, const struct net_addr *dst,
			       uint16_t sport, uint16_t dport)
{
	return owner(sp, st, dst, dport, spread_entry(sp, src, dst, sport, dport));
}

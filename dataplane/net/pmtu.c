/*
 * dataplane/net/pmtu.c - the path MTU to a destination, as far as it is less than our own link's.
 *
 * Source  RFC 1191 section 6.3, RFC 8201 section 5.3 (ageing). Who writes here has proved what
 *         it says: tcp/ does, by RFC 5927's checks or by probing.
 * Memory  PMTU_SETS * PMTU_WAYS entries for ever. A destination has its set; a full one gives
 *         up what was learned longest ago, and that destination is found out about again.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_jhash.h>

#include "dataplane/net/internal.h"

#define PMTU_SETS 256
#define PMTU_WAYS 4
/* RFC 1191 section 6.3 and RFC 8201 section 4: no larger packet is tried within ten minutes. */
#define PMTU_AGE_US (600 * UINT64_C(1000000))

struct pmtu_entry {
	struct net_addr dst; /* family 0: free */
	uint16_t mtu;
	uint64_t expires_us;
};

struct pmtu_cache {
	struct pmtu_entry e[PMTU_SETS][PMTU_WAYS];
};

int pmtu_init(struct net *n)
{
	n->pmtu = calloc(1, sizeof(*n->pmtu));
	return n->pmtu != NULL ? 0 : -ENOMEM;
}

void pmtu_fini(struct net *n)
{
	free(n->pmtu);
}

static struct pmtu_entry *set_of(const struct net *n, const struct net_addr *dst)
{
	uint32_t w[4];

	memcpy(w, dst->b, sizeof(w));
	return n->pmtu->e[rte_jhash_32b(w, RTE_DIM(w), n->neigh_seed) % PMTU_SETS];
}

uint16_t net_pmtu(const struct net *n, const struct net_addr *dst)
{
	const struct pmtu_entry *e = set_of(n, dst);

	for (unsigned int i = 0; i < PMTU_WAYS; i++)
		if (net_addr_eq(&e[i].dst, dst) && e[i].expires_us > n->now_us)
			return e[i].mtu;
	return UINT16_MAX;
}

/* The destination's own place, else the one that expires first: a free one does at 0. */
static struct pmtu_entry *place_for(const struct net *n, const struct net_addr *dst)
{
	struct pmtu_entry *e = set_of(n, dst), *best = e;

	for (unsigned int i = 0; i < PMTU_WAYS; i++) {
		if (net_addr_eq(&e[i].dst, dst))
			return &e[i];
		if (e[i].expires_us < best->expires_us)
			best = &e[i];
	}
	return best;
}

void net_pmtu_set(struct net *n, const struct net_addr *dst, uint16_t mtu)
{
	struct pmtu_entry *e = place_for(n, dst);

	if (mtu != UINT16_MAX)
		*e = (struct pmtu_entry){*dst, mtu, n->now_us + PMTU_AGE_US};
	else if (net_addr_eq(&e->dst, dst))
		*e = (struct pmtu_entry){0};
}

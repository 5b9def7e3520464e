/*
 * tests/util/neigh.h - what must hold of a table of neighbours at any time.
 */
#ifndef SLUICE_TESTS_UTIL_NEIGH_H
#define SLUICE_TESTS_UTIL_NEIGH_H

#include "dataplane/net/internal.h"

/* NULL, or what is wrong with it. *ret_n: how many entries it has. */
static inline const char *neigh_wrong(const struct net *n, unsigned int *ret_n)
{
	unsigned int incomplete = 0, in_use = 0, gateways = 0, new = 0;

	for (uint32_t i = 0; i < n->neigh_max; i++) {
		const struct neigh *e = &n->neigh[i];

		if (e->state == NEIGH_FREE)
			continue;
		in_use++;
		gateways += e->gateway;
		new += e->new;
		incomplete += e->state == NEIGH_INCOMPLETE;
		if (e->queued > NET_NEIGH_QUEUE)
			return "too many packets wait for one";
		if (e->queued > 0 && e->state != NEIGH_INCOMPLETE)
			return "packets wait for nothing";
		if (e->state == NEIGH_IDLE && !e->gateway)
			return "a place for nobody";
	}
	*ret_n = in_use;
	for (uint32_t i = n->neigh_new_head; i != NEIGH_NONE && new > 0; i = n->neigh[i].new_next) {
		if (!n->neigh[i].new || n->neigh[i].state != NEIGH_INCOMPLETE)
			return "in the list of the new and not new";
		new --;
	}
	if (new != 0)
		return "new and not in their list";
	if (incomplete != n->neigh_incomplete)
		return "those that are asked for are counted wrongly";
	/* Who was known and is silent, and gateways, are asked for besides. */
	if (incomplete > n->neigh_max / 2 + 1 + gateways)
		return "too many are asked for";
	return NULL;
}

#endif

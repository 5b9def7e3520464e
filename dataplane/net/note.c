/*
 * dataplane/net/note.c - several shards on one link: what the first one learns, the others copy.
 *
 * Who has which MAC, which addresses are ours and which links are up has one owner, the first
 * shard: it alone is handed ARP and neighbour discovery, and alone asks and answers. Another shard
 * that needs a neighbour says so, keeps its packets as for any neighbour that is asked for, and
 * asks again each second as it would on the link; what it keeps of the answer is a copy that only
 * it reads and writes. A note may be lost: addresses are told again every second, and a neighbour
 * in use is asked for when its copy is as old as it may be before it would be doubted.
 */
#include "dataplane/net/internal.h"

#define NOTE_AGAIN_US 1000000u

void net_share(struct net *n, bool first, net_note_fn *tell, void *arg)
{
	n->note_fn = tell;
	n->note_arg = arg;
	n->follower = !first;
	for (unsigned int i = 0; !first && i < n->n_ifaces; i++) {
		struct net_iface *ifc = &n->iface[i];

		for (unsigned int k = 0; k < ifc->n_addrs; k++)
			ifc->addr[k].announce = 0;
	}
}

void net_note_neigh(struct net *n, enum net_note_kind kind, unsigned int iface,
		    const struct net_addr *ip, const struct rte_ether_addr *mac)
{
	struct net_note note = {.kind = (uint8_t)kind, .iface = (uint16_t)iface, .ip = *ip};

	if (n->note_fn == NULL)
		return;
	if (mac != NULL)
		note.mac = *mac;
	n->note_fn(n->note_arg, &note);
}

static void tell_addr(struct net *n, unsigned int iface, struct net_ifaddr *a)
{
	const struct net_note note = {
		.kind = NET_NOTE_ADDR, .iface = (uint16_t)iface, .state = a->state, .ip = a->addr};

	a->told = a->state;
	n->note_fn(n->note_arg, &note);
}

/* Changes at once, all of them now and then. */
void net_note_timers(struct net *n)
{
	bool again = n->now_us >= n->note_us;

	if (n->note_fn == NULL || n->follower)
		return;
	if (again)
		n->note_us = n->now_us + NOTE_AGAIN_US;
	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		struct net_iface *ifc = &n->iface[i];

		for (unsigned int k = 0; k < ifc->n_addrs; k++)
			if (again || ifc->addr[k].told != ifc->addr[k].state)
				tell_addr(n, i, &ifc->addr[k]);
	}
}

void net_note_input(struct net *n, const struct net_note *note, uint64_t now_us)
{
	struct net_ifaddr *a;

	n->now_us = now_us;
	switch (note->kind) {
	case NET_NOTE_WANT:
		neigh_wanted(n, note->iface, &note->ip);
		break;
	case NET_NOTE_KNOWN:
	case NET_NOTE_GONE:
		neigh_told(n, note->iface, &note->ip,
			   note->kind == NET_NOTE_KNOWN ? &note->mac : NULL);
		break;
	case NET_NOTE_ADDR:
		a = net_iface_addr(&n->iface[note->iface], &note->ip);
		if (a != NULL)
			a->state = note->state;
		break;
	default:
		break;
	}
}

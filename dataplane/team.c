/* dataplane/team.c - see team.h. */
#include "dataplane/team.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ring_elem.h>

#include "conf/conf.h"
#include "dataplane/fail.h"
#include "dataplane/log.h"
#include "dataplane/port/share.h"
#include "dataplane/relay/budget.h"
#include "dataplane/relay/flight.h"
#include "dataplane/table.h"
#include "link/sock.h"

/*
 * Memory is what the file says; these are the shares. A data mbuf costs its room, a segment of it
 * that is on its way a header mbuf and an indirect one besides.
 */
#define MIB            (UINT64_C(1) << 20)
#define FIXED_BYTES    (16 * MIB)                           /* EAL, the rings of ports */
#define RING_BYTES     (SHARE_RING * sizeof(void *) + 1024) /* from one shard to another */
#define DATA_MBUF_COST 2560
#define DATA_MBUF_PAGE 4224 /* in 4 KiB pages: the library lets no mbuf cross one */
#define HEAD_MBUF_COST 640
#define WIDE_MBUF_COST 9984
#define WIDE_MBUF_PAGE 12416
#define HEADS_PER_DATA 2
#define DATA_MBUFS_MIN 8192 /* two ports' receive rings and something to work with */
/* Of each shard: its queues of two ports, and what its lcore keeps where others do not see it. */
#define DATA_MBUFS_SHARD 2560
/*
 * Where a port has jumbo frames wide mbufs get two thirds of the memory, if that is twice as many
 * as such ports' receive rings hold at least; else the frames come in pieces.
 */
#define WIDE_RINGS 2

_Static_assert(sizeof(struct team_note) % 4 == 0, "what a ring can carry");

/* Written by the shard whose it is, read by those that have something for it. */
struct member {
	bool asleep;
	int bell;
	unsigned int next; /* of the first one: whom it hears first */
} __rte_cache_aligned;
_Static_assert(sizeof(struct member) == RTE_CACHE_LINE_SIZE, "one line, one writer");

struct team_port {
	struct port first;   /* which closes the device */
	struct share *share; /* NULL: of one shard alone */
};

struct team {
	const struct conf_dataplane *conf;
	unsigned int shards, n_ports;
	struct pkt_pools pools;
	struct spread spread;
	struct budgets *budgets; /* of users and roles */
	struct flights *flights; /* of users and sources */
	struct team_port port[NET_IFACES_MAX];
	uint16_t port_of[NET_IFACES_MAX], iface_of[NET_IFACES_MAX];
	/* From the first shard to the i-th, and from it to the first. */
	struct rte_ring *down[SPREAD_SHARDS_MAX], *up[SPREAD_SHARDS_MAX];
	struct member member[SPREAD_SHARDS_MAX];
	struct spread_steer *steer[SPREAD_SHARDS_MAX];
};

/* --- room ---------------------------------------------------------------------------------- */

#define CONNS_ROOM_TIMES 2u
#define CONNS_ROOM_LEAST 100000u
#define CONNS_ROOM_MOST  10000000u /* what the file may say */

uint32_t team_conns_room(const struct conf_dataplane *conf)
{
	const uint32_t room = RTE_MAX(conf->max_connections * CONNS_ROOM_TIMES, CONNS_ROOM_LEAST);

	return RTE_MIN(room, CONNS_ROOM_MOST);
}

/* --- buffers ------------------------------------------------------------------------------- */

/* Of each port from every shard to every other one, where it has a queue for each. */
static uint64_t fixed_bytes(const struct team *t)
{
	uint64_t rings = (uint64_t)t->shards * (t->shards - 1) * t->conf->n_interfaces;

	return FIXED_BYTES + rings * RING_BYTES;
}

/* The wide ones of room bytes; 0: no port has a use for them, or there are too few. */
static unsigned int wide_mbufs(const struct team *t, uint64_t room, uint64_t cost)
{
	uint64_t ring = t->conf->rx_descriptors != 0 ? t->conf->rx_descriptors : PORT_RX_DESC;
	uint64_t n = room / cost, ports = 0;

	for (size_t i = 0; i < t->conf->n_interfaces; i++)
		ports += t->conf->interfaces[i].mtu >= PKT_WIDE_MTU;
	return ports > 0 && n >= WIDE_RINGS * ports * t->shards * ring ? (unsigned int)n : 0;
}

static int make_pools(struct team *t, const char *name, char *err, size_t err_size)
{
	const bool huge = rte_eal_has_hugepages();
	const uint64_t heads = HEADS_PER_DATA * HEAD_MBUF_COST;
	const uint64_t cost = (huge ? DATA_MBUF_COST : DATA_MBUF_PAGE) + heads;
	const uint64_t wide_cost = (huge ? WIDE_MBUF_COST : WIDE_MBUF_PAGE) + heads;
	const uint64_t fixed = fixed_bytes(t);
	const uint64_t least = fixed + cost * RTE_MAX((uint64_t)DATA_MBUFS_MIN,
						      (uint64_t)t->shards * DATA_MBUFS_SHARD);
	uint64_t total = t->conf->memory_mb * MIB, n, room;
	unsigned int wide;
	int r;

	if (total < least)
		return start_fail(err, err_size, -ENOMEM,
				  "Memory %" PRIu32 "M is too little for %u shards: %" PRIu64
				  "M at least",
				  t->conf->memory_mb, t->shards, (least + MIB - 1) / MIB);
	room = (total - fixed) * 2 / 3;
	wide = wide_mbufs(t, RTE_MIN(room, total - least), wide_cost);
	n = (total - fixed - wide * wide_cost) / cost;
	r = pkt_pools_new_cached(name, (unsigned int)n, (unsigned int)(n + wide) * HEADS_PER_DATA,
				 t->conf->buffer_cache, t->shards > 1, SOCKET_ID_ANY, &t->pools);
	if (r == 0 && wide > 0)
		r = pkt_pools_widen(&t->pools, name, wide, t->conf->buffer_cache, t->shards > 1,
				    SOCKET_ID_ANY);
	if (r < 0)
		return start_fail(err, err_size, r,
				  "Memory %" PRIu32 "M: no room for the buffers: %s",
				  t->conf->memory_mb, strerror(-r));
	return 0;
}

/* --- ports --------------------------------------------------------------------------------- */

/*
 * A port is opened for all its interfaces: the largest MTU, and tags if one of them has. Where one
 * says nothing the device keeps its own, unless another needs more than that ever is.
 */
static struct port_conf port_conf_for(const struct team *t, const char *device)
{
	struct port_conf pc = {.device = device,
			       .queues = (uint16_t)t->shards,
			       .rx_desc = (uint16_t)t->conf->rx_descriptors,
			       .tx_desc = (uint16_t)t->conf->tx_descriptors,
			       .spread = &t->spread};
	bool own = false;

	for (size_t i = 0; i < t->conf->n_interfaces; i++) {
		const struct conf_interface *ci = &t->conf->interfaces[i];

		if (strcmp(ci->device, device) != 0)
			continue;
		pc.vlan |= ci->vlan != 0;
		pc.mtu = RTE_MAX(pc.mtu, ci->mtu);
		own |= ci->mtu == 0;
	}
	if (own && pc.mtu <= PORT_MTU_DEFAULT)
		pc.mtu = 0;
	pc.pool = pkt_pool_rx(&t->pools, pc.mtu);
	return pc;
}

static int share_out(struct team *t, struct team_port *tp)
{
	struct port queue[SPREAD_SHARDS_MAX];
	const struct share_conf sc = {.shards = t->shards,
				      .spread = &t->spread,
				      .steer = t->steer,
				      .queue = queue,
				      .queues = tp->first.queues,
				      .rss = tp->first.rss,
				      .socket = SOCKET_ID_ANY};

	for (uint16_t q = 0; q < tp->first.queues; q++)
		port_queue(&tp->first, q, &queue[q]);
	return share_new(&sc, &tp->share);
}

static int open_port(struct team *t, const struct conf_interface *ci, char *err, size_t err_size)
{
	struct port_conf pc = port_conf_for(t, ci->device);
	struct team_port *tp = &t->port[t->n_ports];
	char offloads[PORT_OFFLOADS_TEXT];
	int r = port_open(&pc, &tp->first, err, err_size);

	if (r < 0)
		return r;
	t->n_ports++;
	dp_log("interface %s: MTU %u, queues %u, offloads: %s", ci->name, tp->first.mtu,
	       tp->first.queues, port_offloads_text(&tp->first, offloads, sizeof(offloads)));
	if (t->shards > 1)
		r = share_out(t, tp);
	return r < 0 ? start_fail(err, err_size, r, "Interface %s: %s", ci->name, strerror(-r)) : 0;
}

/* An interface before this one has the device open, or it is opened. */
static int find_port(struct team *t, size_t iface, char *err, size_t err_size)
{
	for (size_t i = 0; i < iface; i++) {
		if (strcmp(t->conf->interfaces[i].device, t->conf->interfaces[iface].device) != 0)
			continue;
		t->port_of[iface] = t->port_of[i];
		return 0;
	}
	t->port_of[iface] = (uint16_t)t->n_ports;
	t->iface_of[t->n_ports] = (uint16_t)iface;
	return open_port(t, &t->conf->interfaces[iface], err, err_size);
}

static int make_ports(struct team *t, char *err, size_t err_size)
{
	int r = 0;

	if (t->conf->n_interfaces > NET_IFACES_MAX)
		return start_fail(err, err_size, -ENOSPC, "more than %d interfaces",
				  NET_IFACES_MAX);
	for (size_t i = 0; r == 0 && i < t->conf->n_interfaces; i++)
		r = find_port(t, i, err, err_size);
	return r;
}

/* --- notes --------------------------------------------------------------------------------- */

static struct rte_ring *notes_new(const char *name, const char *way, unsigned int i)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s_%s%u", name, way, i);
	return rte_ring_create_elem(full, sizeof(struct team_note), TEAM_NOTES, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void notes_free(struct rte_ring *r)
{
	struct team_note n;

	while (r != NULL && rte_ring_sc_dequeue_elem(r, &n, sizeof(n)) == 0)
		if (n.kind == TEAM_SEGMENT)
			rte_pktmbuf_free(n.segment);
	rte_ring_free(r);
}

static int make_steers(struct team *t, char *err, size_t err_size)
{
	for (unsigned int i = 0; i < t->shards; i++) {
		t->steer[i] = table_new(1, sizeof(*t->steer[i]));
		if (t->steer[i] == NULL)
			return start_fail(err, err_size, -ENOMEM, "out of memory");
	}
	return 0;
}

static int make_members(struct team *t, const char *name, char *err, size_t err_size)
{
	for (unsigned int i = 1; i < t->shards; i++) {
		t->down[i] = notes_new(name, "down", i);
		t->up[i] = notes_new(name, "up", i);
		if (t->down[i] == NULL || t->up[i] == NULL)
			return start_fail(err, err_size, -ENOMEM,
					  "no room for rings between shards: %s",
					  rte_strerror(rte_errno));
	}
	for (unsigned int i = 0; i < t->shards && t->shards > 1; i++) {
		t->member[i].bell = link_bell_new();
		if (t->member[i].bell < 0)
			return start_fail(err, err_size, -EMFILE, "no descriptors for shards");
	}
	return 0;
}

bool team_tell(struct team *t, unsigned int from, unsigned int to, const struct team_note *note)
{
	struct rte_ring *r = from == 0 ? t->down[to] : t->up[from];

	return rte_ring_sp_enqueue_elem(r, (void *)(uintptr_t)note, sizeof(*note)) == 0;
}

unsigned int team_hear(struct team *t, unsigned int place, struct team_note *note, unsigned int max)
{
	unsigned int n = 0, others = t->shards - 1, first;

	if (place != 0)
		return rte_ring_sc_dequeue_burst_elem(t->down[place], note, sizeof(*note), max,
						      NULL);
	/* Another one begins each time: who says much does not keep the rest from being heard. */
	first = t->member[0].next;
	t->member[0].next = first + 1 < others ? first + 1 : 0;
	for (unsigned int i = 0; i < others && n < max; i++)
		n += rte_ring_sc_dequeue_burst_elem(t->up[(first + i) % others + 1], &note[n],
						    sizeof(*note), max - n, NULL);
	return n;
}

/* --- sleep --------------------------------------------------------------------------------- */

int team_bell(const struct team *t, unsigned int place)
{
	return t->member[place].bell;
}

/* Said before the rings are looked at once more; who fills them looks afterwards. */
void team_sleep(struct team *t, unsigned int place)
{
	__atomic_store_n(&t->member[place].asleep, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void team_wake(struct team *t, unsigned int place)
{
	__atomic_store_n(&t->member[place].asleep, false, __ATOMIC_RELAXED);
	link_bell_clear(t->member[place].bell);
}

void team_ring(struct team *t, uint64_t places)
{
	if (places == 0)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (; places != 0; places &= places - 1) {
		struct member *m = &t->member[__builtin_ctzll(places)];

		if (__atomic_load_n(&m->asleep, __ATOMIC_RELAXED))
			link_bell_ring(m->bell);
	}
}

/* --- life ---------------------------------------------------------------------------------- */

int team_new(const struct team_conf *tc, struct team **ret, char *err, size_t err_size)
{
	struct team *t = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*t));
	int r;

	if (t == NULL)
		return start_fail(err, err_size, -ENOMEM, "out of memory");
	memset(t, 0, sizeof(*t));
	t->conf = tc->conf;
	t->shards = tc->shards;
	for (unsigned int i = 0; i < SPREAD_SHARDS_MAX; i++)
		t->member[i].bell = -1;
	r = spread_init(&t->spread, tc->shards, NULL);
	if (r < 0)
		start_fail(err, err_size, r, "%u shards: %s", tc->shards, strerror(-r));
	if (r == 0 && (budgets_new(team_conns_room(tc->conf), &t->budgets) < 0 ||
		       flights_new(team_conns_room(tc->conf), &t->flights) < 0))
		r = start_fail(err, err_size, -ENOMEM, "out of memory");
	if (r == 0)
		r = make_pools(t, tc->name, err, err_size);
	if (r == 0)
		r = make_steers(t, err, err_size);
	if (r == 0)
		r = make_members(t, tc->name, err, err_size);
	if (r == 0)
		r = make_ports(t, err, err_size);
	if (r < 0) {
		team_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* From the top down, so that every buffer is back before its pool goes. */
void team_free(struct team *t)
{
	if (t == NULL)
		return;
	for (unsigned int i = 0; i < t->n_ports; i++) {
		share_free(t->port[i].share);
		port_close(&t->port[i].first);
	}
	for (unsigned int i = 0; i < t->shards; i++) {
		notes_free(t->down[i]);
		notes_free(t->up[i]);
		table_free(t->steer[i], 1, sizeof(*t->steer[i]));
		if (t->member[i].bell >= 0)
			close(t->member[i].bell);
	}
	pkt_pools_free(&t->pools);
	budgets_free(t->budgets);
	flights_free(t->flights);
	free(t);
}

unsigned int team_shards(const struct team *t)
{
	return t->shards;
}

struct budgets *team_budgets(const struct team *t)
{
	return t->budgets;
}

struct flights *team_flights(const struct team *t)
{
	return t->flights;
}

struct pkt_pools team_pools(const struct team *t)
{
	return t->pools;
}

const struct spread *team_spread(const struct team *t)
{
	return &t->spread;
}

struct spread_steer *team_steer(const struct team *t, unsigned int place)
{
	return t->steer[place];
}

unsigned int team_ports(const struct team *t)
{
	return t->n_ports;
}

uint16_t team_port_of(const struct team *t, size_t iface)
{
	return t->port_of[iface];
}

uint16_t team_iface_of(const struct team *t, unsigned int port)
{
	return t->iface_of[port];
}

struct port team_port(const struct team *t, unsigned int port, unsigned int place)
{
	const struct team_port *tp = &t->port[port];

	return tp->share != NULL ? share_port(tp->share, place) : tp->first;
}

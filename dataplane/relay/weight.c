/* dataplane/relay/weight.c - see weight.h. */
#include "dataplane/relay/weight.h"

#include <errno.h>

#include "dataplane/relay/internal.h"
#include "dataplane/relay/keyed.h"
#include "dataplane/table.h"

/* Of a chunk, the least that is worth asking for. */
#define CHUNK_PART 16
#define CHUNK_MIN  64u
/* Parts are kept in 65536ths of a byte: where many are in a group of a small share, one has less
 * than a byte of a round. */
#define PART_SHIFT 16
/* Each has one of a user and one of a role; a table half full has no rows of KEYED_PROBES places
 * in use. */
#define PLACES_PER_CONN 4

struct weight_group {
	struct keyed of;
	struct weight_group *parent; /* NULL: all others */
	uint32_t weight;
	uint32_t sum[WEIGHT_KINDS][LINK_WAYS]; /* of those in it that want more */
	bool user;
};

struct conn_weight {
	struct weight_group *group; /* the nearest; NULL: none */
	uint64_t left[LINK_WAYS];   /* of its part of the round, in 65536ths of a byte */
	uint16_t own;               /* 0: nobody has said one: 1 */
	bool wants[WEIGHT_KINDS][LINK_WAYS];
};

int weights_init(struct relay *r)
{
	struct weights *w = &r->weights;

	w->conn = table_new(r->conf.conns_max, sizeof(*w->conn));
	w->size = rte_align32pow2(PLACES_PER_CONN * r->conf.conns_max);
	w->group = table_new_keyed(w->size + 1, sizeof(*w->group));
	return w->conn != NULL && w->group != NULL ? 0 : -ENOMEM;
}

void weights_fini(struct relay *r)
{
	table_free(r->weights.conn, r->conf.conns_max, sizeof(*r->weights.conn));
	table_free(r->weights.group, r->weights.size + 1, sizeof(*r->weights.group));
}

static struct conn_weight *of_conn(const struct conn *c)
{
	return &c->relay->weights.conn[c->index];
}

static uint32_t own(const struct conn_weight *k)
{
	return k->own != 0 ? k->own : 1;
}

/* --- who wants more -------------------------------------------------------------------------- */

/* by is added to what is wanted in g; a group that begins to want, or ceases, does so in its own.
 */
static void sum_add(struct weights *all, struct weight_group *g, enum weight_kind kind,
		    enum link_way way, uint32_t by)
{
	for (; g != NULL; g = g->parent) {
		uint32_t *sum = &g->sum[kind][way], was = *sum;

		*sum += by; /* modulo: what is taken away again */
		if (was != 0 && *sum != 0)
			return;
		by = *sum != 0 ? g->weight : -g->weight;
	}
	all->top[kind][way] += by;
}

static void want(struct conn *c, enum weight_kind kind, enum link_way way, bool wants)
{
	struct weights *all = &c->relay->weights;
	struct conn_weight *k = of_conn(c);

	if (k->wants[kind][way] == wants)
		return;
	k->wants[kind][way] = wants;
	sum_add(all, k->group, kind, way, wants ? own(k) : -own(k));
	if (kind == WEIGHT_TURN)
		all->n[way] += wants ? 1 : -1u;
	c->weighed = true;
}

static void want_nothing(struct conn *c)
{
	for (unsigned int kind = 0; kind < WEIGHT_KINDS; kind++)
		for (unsigned int way = 0; way < LINK_WAYS; way++)
			want(c, kind, way, false);
}

/* --- groups ---------------------------------------------------------------------------------- */

/*
 * With this weight for all that are in it. NULL: there is none. Those for whom there is no place
 * are one group together, and it is nobody's and of the least weight.
 */
static struct weight_group *group_get(struct relay *r, uint64_t key, uint32_t weight,
				      struct weight_group *parent, bool user)
{
	struct weights *all = &r->weights;
	struct weight_group *g;

	if (key == 0)
		return NULL;
	g = keyed_place(all->group, all->size, sizeof(*g), key);
	if (g == NULL) {
		relay_count(r, RELAY_C_SHARES_FULL);
		g = &all->group[all->size];
		key = 0;
		weight = 1;
		parent = NULL;
		user = true;
	}
	if (g->of.refs == 0)
		*g = (struct weight_group){.of.key = key, .parent = parent, .user = user};
	if (g->of.refs++ == 0 && parent != NULL)
		parent->of.refs++;
	for (unsigned int kind = 0; kind < WEIGHT_KINDS; kind++)
		for (unsigned int way = 0; way < LINK_WAYS; way++)
			if (g->sum[kind][way] != 0)
				sum_add(all, g->parent, kind, way, weight - g->weight);
	g->weight = weight;
	return g;
}

static void group_put(struct weight_group *g)
{
	for (; g != NULL && --g->of.refs == 0; g = g->parent)
		continue;
}

void weight_take(struct conn *c, const struct link_shares *m)
{
	struct relay *r = c->relay;
	struct conn_weight *k = of_conn(c);
	struct weight_group *role, *group;
	bool tells;

	want_nothing(c);
	role = group_get(r, m->role_key, m->role, NULL, false);
	group = group_get(r, m->user_key, m->user, role, true);
	if (group != NULL && role != NULL)
		group_put(role); /* held by its user */
	if (group == NULL)
		group = role;
	group_put(k->group);
	tells = m->own != 1 || group != NULL;
	r->weights.told += tells;
	r->weights.told -= k->own != 0;
	k->group = group;
	k->own = tells ? m->own : 0;
	c->weighed = true;
}

bool weight_told(const struct conn *c)
{
	return of_conn(c)->own != 0;
}

void weight_over(struct conn *c)
{
	struct conn_weight *k = of_conn(c);

	want_nothing(c);
	group_put(k->group);
	c->relay->weights.told -= k->own != 0;
	*k = (struct conn_weight){0};
	c->weighed = false;
}

/* --- parts of a turn ------------------------------------------------------------------------- */

/* Of so much for all who want more; at least one of them has to be it. */
static uint64_t part_of(const struct conn *c, enum weight_kind kind, enum link_way way,
			uint64_t bytes)
{
	const struct conn_weight *k = of_conn(c);
	uint32_t weight = own(k);

	for (const struct weight_group *g = k->group; g != NULL; g = g->parent) {
		bytes = bytes * weight / g->sum[kind][way];
		weight = g->weight;
	}
	return bytes * weight / c->relay->weights.top[kind][way];
}

uint32_t weight_part(struct conn *c, enum link_way way, uint32_t quantum)
{
	struct conn_weight *k = of_conn(c);
	uint64_t round = (uint64_t)quantum * c->relay->weights.n[way];
	const uint64_t least = (uint64_t)QUANTUM_BYTES_MIN << PART_SHIFT;

	if (!k->wants[WEIGHT_TURN][way])
		return quantum;
	round = RTE_MIN(round, (uint64_t)WEIGHT_ROUND_BYTES);
	if (k->left[way] < least)
		k->left[way] += part_of(c, WEIGHT_TURN, way, round << PART_SHIFT);
	if (k->left[way] >= least)
		return (uint32_t)(k->left[way] >> PART_SHIFT);
	relay_count(c->relay, RELAY_C_SHARED);
	return 0;
}

void weight_spent(struct conn *c, enum link_way way, uint32_t n, bool more)
{
	struct conn_weight *k = of_conn(c);

	uint64_t spent = (uint64_t)n << PART_SHIFT;

	want(c, WEIGHT_TURN, way, more);
	k->left[way] = more ? k->left[way] - RTE_MIN(spent, k->left[way]) : 0;
}

/* --- parts of a cap -------------------------------------------------------------------------- */

void weight_waits(struct conn *c, enum link_way way, bool waits)
{
	want(c, WEIGHT_CAP, way, waits);
}

/*
 * Whoever asks for twice as much at once gets twice as much. Of a role's a user asks by as many
 * connections as wait, so each asks for its part of his.
 */
uint32_t weight_chunk(const struct conn *c, enum link_way way, bool of_user, uint32_t chunk)
{
	const struct conn_weight *k = of_conn(c);
	uint64_t n = (uint64_t)chunk * own(k), least = RTE_MAX(chunk / CHUNK_PART, CHUNK_MIN);

	if (!of_user && k->group != NULL && k->group->user)
		n = n * k->group->weight / RTE_MAX(k->group->sum[WEIGHT_CAP][way], own(k));
	n = RTE_MAX(n, least);
	return (uint32_t)RTE_MIN(n, (uint64_t)UINT32_MAX);
}

/*
 * dataplane/relay/debt.c - bytes in flight: how much the clients of a connection, a user, a source
 * may have been granted that no target has taken (MaxBytesInFlightPerConnection, ...PerUser,
 * ...PerSource).
 *
 * A client may send what it was granted whenever it likes, and where its target does not read all
 * of that is held here. So what is bounded is the sum of all windows, and that no more is held than
 * is granted holds by itself, without a look at any packet. Of what the others of a group left a
 * channel may have half; where there is not even a packet it is refused. One that does not read
 * keeps what it was granted from the others of its group, and from nobody else.
 *
 * Towards the client the same holds of what windows of targets grow by, which are asked for in the
 * same way (stream.h), at the same budgets: where there is nothing left they stay as they are.
 *
 * A channel that is closed has no window, but may have left bytes for its target. Those count on,
 * for the connection while it lives, its user and its source, until the stream says that they have
 * arrived or are dropped; or to open, send and close would be a way around all bounds.
 *
 * Memory  tables by the places of connections and of streams, of which nobody touches a byte for
 *         those that have no bound.
 */
#include <errno.h>

#include "dataplane/relay/internal.h"
#include "dataplane/table.h"

struct conn_debt {
	uint64_t sum, max;                        /* of its windows */
	uint64_t left;                            /* by channels that are closed */
	struct flight *group[LINK_FLIGHT_GROUPS]; /* NULL: it is bounded by none */
	uint32_t generation;                      /* of the connection */
};

/* What is queued in a stream whose channel is closed. */
struct debt_left {
	struct relay *relay;
	struct conn_debt *of;
	struct flight *group[LINK_FLIGHT_GROUPS];
	uint32_t generation; /* of is its connection's while it has this one, too */
	uint32_t bytes;
	uint32_t next_free; /* index + 1 */
};

/* Who is in the way, as it is counted; DEBTORS: nobody. */
enum debtor { DEBTOR_USER, DEBTOR_SOURCE, DEBTOR_CONN, DEBTORS };
_Static_assert((int)DEBTOR_USER == LINK_FLIGHT_USER && (int)DEBTOR_SOURCE == LINK_FLIGHT_SOURCE,
	       "groups are debtors");

int debts_init(struct relay *r)
{
	struct debts *d = &r->debts;
	int err = 0;

	d->flights = r->conf.flights;
	if (d->flights == NULL)
		err = flights_new(r->conf.conns_max, &d->own);
	if (err < 0)
		return err;
	if (d->flights == NULL)
		d->flights = d->own;
	d->conn = table_new(r->conf.conns_max, sizeof(*d->conn));
	d->left_size = r->conf.streams_max != 0 ? r->conf.streams_max : r->conf.chans_max;
	d->left = table_new(d->left_size, sizeof(*d->left));
	return d->conn != NULL && d->left != NULL ? 0 : -ENOMEM;
}

void debts_fini(struct relay *r)
{
	flights_free(r->debts.own);
	table_free(r->debts.conn, r->conf.conns_max, sizeof(*r->debts.conn));
	table_free(r->debts.left, r->debts.left_size, sizeof(*r->debts.left));
}

static struct conn_debt *of_conn(const struct conn *c)
{
	return &c->relay->debts.conn[c->index];
}

/* --- whom it is with ------------------------------------------------------------------------- */

static uint64_t sum_of(const struct conn *c)
{
	const struct chan *ch;
	uint64_t sum = 0;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		sum += ch->rwin.initial_window_size + ch->debt_target;
	}
	return sum;
}

static void group_leave(struct conn *c, enum link_flight_group i)
{
	struct conn_debt *k = of_conn(c);

	if (k->group[i] == NULL)
		return;
	flight_give(k->group[i], k->sum);
	flight_leave(c->relay->debts.flights, i, k->group[i]);
	k->group[i] = NULL;
}

/* What it has counts in the next group before it is gone from the one before: never too little. */
static void group_join(struct conn *c, enum link_flight_group i, const struct link_bound *to)
{
	struct conn_debt *k = of_conn(c);
	struct flight *f = NULL;

	if (to->key != 0) {
		f = flight_of(c->relay->debts.flights, i, to);
		if (flight_is_shared(f))
			relay_count(c->relay, RELAY_C_FLIGHTS_FULL);
		flight_add(f, k->sum);
	}
	group_leave(c, i);
	k->group[i] = f;
}

void debt_over(struct conn *c)
{
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++)
		group_leave(c, i);
	c->indebted = false;
}

/* Nothing is asked of it any more. */
static void debt_forgiven(struct conn *c)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		ch->debt_target = 0;
		ch->debt_max = UINT32_MAX;
	}
	c->indebted = false;
}

uint64_t debt_of(const struct conn *c, uint64_t *ret_max)
{
	*ret_max = of_conn(c)->max;
	return of_conn(c)->sum + of_conn(c)->left;
}

void debt_told(struct conn *c, const struct link_flight *m)
{
	struct conn_debt *k = of_conn(c);
	bool bounded = m->max != 0;

	if (k->generation != c->generation)
		*k = (struct conn_debt){.generation = c->generation};
	if (!c->indebted)
		k->sum = sum_of(c);
	c->indebted = true;
	k->max = m->max != 0 ? m->max : UINT64_MAX;
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++) {
		group_join(c, i, &m->group[i]);
		bounded = bounded || k->group[i] != NULL;
	}
	if (!bounded)
		debt_forgiven(c);
}

/* --- how much it may have -------------------------------------------------------------------- */

/* What is left for it; *who leaves least. */
static uint64_t left_of(const struct conn *c, enum debtor *who)
{
	const struct conn_debt *k = of_conn(c);
	uint64_t used = k->sum + k->left, left = k->max > used ? k->max - used : 0;

	*who = DEBTOR_CONN;
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++) {
		uint64_t one = k->group[i] != NULL ? flight_left(k->group[i]) : UINT64_MAX;

		if (one < left) {
			left = one;
			*who = (enum debtor)i;
		}
	}
	return left;
}

static void held_back(struct relay *r, enum debtor who)
{
	static const enum relay_counter counter[] = {
		[DEBTOR_USER] = RELAY_C_FLIGHT_USER,
		[DEBTOR_SOURCE] = RELAY_C_FLIGHT_SOURCE,
		[DEBTOR_CONN] = RELAY_C_FLIGHT_CONN,
	};

	relay_count(r, counter[who]);
}

/* All of n, or nothing: another shard may have been faster. */
static bool take(struct conn *c, uint32_t n)
{
	struct conn_debt *k = of_conn(c);

	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++) {
		if (k->group[i] == NULL || flight_take(k->group[i], n))
			continue;
		while (i-- > 0)
			if (k->group[i] != NULL)
				flight_give(k->group[i], n);
		return false;
	}
	k->sum += n;
	return true;
}

void debt_give(struct conn *c, uint32_t n)
{
	struct conn_debt *k = of_conn(c);

	k->sum -= n;
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++)
		if (k->group[i] != NULL)
			flight_give(k->group[i], n);
}

uint32_t debt_first(struct conn *c, uint32_t size)
{
	enum debtor who;
	uint64_t left = left_of(c, &who), part = RTE_MAX(left / 2, (uint64_t)RELAY_WINDOW_LEAST);

	if (part < size)
		held_back(c->relay, who);
	part = RTE_MIN(part, (uint64_t)size);
	return part <= left && take(c, (uint32_t)part) ? (uint32_t)part : 0;
}

uint32_t debt_grow(struct chan *ch, uint32_t size)
{
	uint32_t was = ch->rwin.initial_window_size;
	enum debtor who;
	uint64_t half = (left_of(ch->conn, &who) + was) / 2;

	ch->debt_max = (uint32_t)RTE_MIN(half, (uint64_t)UINT32_MAX);
	if (size > was && half < size)
		held_back(ch->conn->relay, who);
	size = (uint32_t)RTE_MIN((uint64_t)size, half);
	return size > was && take(ch->conn, size - was) ? size : was;
}

uint32_t debt_target(struct chan *ch, uint32_t was, uint32_t size)
{
	enum debtor who;
	uint32_t more;

	if (size <= was) {
		more = RTE_MIN(was - size, ch->debt_target);
		ch->debt_target -= more;
		debt_give(ch->conn, more);
		return size;
	}
	more = (uint32_t)RTE_MIN((uint64_t)(size - was), left_of(ch->conn, &who) / 2);
	if (more < size - was)
		held_back(ch->conn->relay, who);
	if (!take(ch->conn, more))
		return was;
	ch->debt_target += more;
	return was + more;
}

void debt_target_over(struct chan *ch)
{
	debt_give(ch->conn, ch->debt_target);
	ch->debt_target = 0;
}

/* --- what closed channels left ---------------------------------------------------------------- */

static struct debt_left *left_get(struct debts *d)
{
	struct debt_left *l = NULL;

	if (d->left_free != 0) {
		l = &d->left[d->left_free - 1];
		d->left_free = l->next_free;
	} else if (d->left_fresh < d->left_size) {
		l = &d->left[d->left_fresh++];
	}
	return l;
}

static void left_put(struct debt_left *l)
{
	struct debts *d = &l->relay->debts;

	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++)
		if (l->group[i] != NULL)
			flight_leave(d->flights, i, l->group[i]);
	l->next_free = d->left_free;
	d->left_free = (uint32_t)(l - d->left) + 1;
}

static void left_is(struct stream *s, uint32_t queued)
{
	struct debt_left *l = s->user_ptr;
	uint32_t less = l->bytes - queued;

	l->bytes = queued;
	if (l->of->generation == l->generation)
		l->of->left -= less;
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++)
		if (l->group[i] != NULL)
			flight_give(l->group[i], less);
	if (queued == 0)
		left_put(l);
}

bool debt_leave(struct chan *ch)
{
	static const struct stream_user user = {.left = left_is};
	struct debts *d = &ch->conn->relay->debts;
	struct conn_debt *k = of_conn(ch->conn);
	uint32_t n = ch->target->ops->tx_queued(ch->target);
	struct debt_left *l;

	if (n == 0)
		return true;
	l = left_get(d);
	if (l == NULL)
		return false;
	*l = (struct debt_left){
		.relay = ch->conn->relay, .of = k, .generation = k->generation, .bytes = n};
	k->left += n;
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++) {
		l->group[i] = k->group[i];
		if (l->group[i] == NULL)
			continue;
		flight_hold(d->flights, l->group[i]);
		flight_add(l->group[i], n);
	}
	ch->target->user = &user;
	ch->target->user_ptr = l;
	return true;
}

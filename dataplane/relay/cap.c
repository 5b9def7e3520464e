/*
 * dataplane/relay/cap.c - so many bytes of channel data a second: of a channel, of a connection, of
 * what a user or a role has on all shards (budget.h).
 *
 * Nothing is lost for a cap, and nobody else waits. To the client, what may not go yet stays in the
 * target's stream, whose window closes. From the client it has come already, as far as the window
 * that was granted reaches: it is held in its channel, in order, and its window is granted again as
 * ever, when the target has taken it. So a capped channel never stops the records of its
 * connection, and holds no more than its window, which is kept small. Extended data for a target
 * that frames it goes there at once, behind what was held, and its window waits in its place.
 *
 * Where bytes are short whoever sends little goes first, as in rounds.c, and what goes ahead of
 * others is owed to the cap they share: at most its burst. Who has a chunk's worth
 * of bytes and is stopped looks again when that chunk is there, by the deadline of its connection.
 *
 * What a channel holds when its client closes it goes to the target at once, and is owed likewise.
 *
 * Time is counted, for the channel and for the kind of cap that is in the way longest, from when
 * bytes were there and could not go until some did; and the bytes that then go.
 *
 * Memory  tables by the places of connections and channels, of which nobody touches a byte for
 *         those that have no cap: they cost a bit that is looked at.
 */
#include "dataplane/relay/cap.h"

#include <errno.h>
#include <string.h>

#include "dataplane/relay/budget.h"
#include "dataplane/relay/internal.h"
#include "dataplane/table.h"

struct chan_cap {
	struct meter m[LINK_WAYS];
	struct cap_wait wait[LINK_WAYS];
	struct chan *chan;
	struct pkt_chain held; /* from the client, for the target */
	uint32_t ahead;        /* of what the target was given, before held: what had no time yet */
	bool queued;           /* stands in the list of its connection */
	bool sparse;           /* and before those that hold much */
	int32_t deficit;       /* bytes it may still pass in this round */
	TAILQ_ENTRY(chan_cap) link;
};

/* A budget, and the chunk of it that is asked for or there. */
struct group_cap {
	struct budget *budget; /* NULL: none */
	uint64_t rate[LINK_WAYS];
	uint32_t has[LINK_WAYS], asked[LINK_WAYS];
	uint64_t ready_us[LINK_WAYS]; /* what was asked for */
};

struct conn_cap {
	struct meter m[LINK_WAYS];
	struct link_rate channel[LINK_WAYS]; /* of each of its channels */
	struct group_cap group[LINK_CAP_GROUPS];
	TAILQ_HEAD(, chan_cap) held;
	struct cap_sum waited; /* but for what waits now */
	uint32_t generation;   /* of the connection; what it waited outlives a rate that is lifted */
	uint64_t due_us; /* who waits for bytes looks again then; 0: nobody */
};

int caps_init(struct relay *r)
{
	int err = 0;

	r->budgets = r->conf.budgets;
	if (r->budgets == NULL)
		err = budgets_new(r->conf.conns_max, &r->own_budgets);
	if (err < 0)
		return err;
	if (r->budgets == NULL)
		r->budgets = r->own_budgets;
	r->caps.conn = table_new(r->conf.conns_max, sizeof(*r->caps.conn));
	r->caps.chan = table_new(r->conf.chans_max, sizeof(*r->caps.chan));
	return r->caps.conn != NULL && r->caps.chan != NULL ? 0 : -ENOMEM;
}

void caps_fini(struct relay *r)
{
	budgets_free(r->own_budgets);
	table_free(r->caps.conn, r->conf.conns_max, sizeof(*r->caps.conn));
	table_free(r->caps.chan, r->conf.chans_max, sizeof(*r->caps.chan));
}

static struct conn_cap *of_conn(const struct conn *c)
{
	return &c->relay->caps.conn[c->index];
}

static struct chan_cap *of_chan(const struct chan *ch)
{
	const struct relay *r = ch->conn->relay;

	return &r->caps.chan[ch - r->chans];
}

static void rates_set(struct meter *m, const struct link_rate *to, uint64_t now_us)
{
	for (unsigned int way = 0; way < LINK_WAYS; way++)
		meter_set(&m[way], to[way].rate, to[way].burst, now_us);
}

void cap_chan_new(struct chan *ch)
{
	struct chan_cap *k = of_chan(ch);

	*k = (struct chan_cap){.chan = ch};
	rates_set(k->m, of_conn(ch->conn)->channel, ch->conn->relay->now_us);
}

/* What it has of a budget that stays its own is not asked for again; what comes sooner by now,
 * does. */
static void group_keep(struct group_cap *g, const struct link_group *to, uint64_t now)
{
	for (unsigned int way = 0; way < LINK_WAYS; way++)
		if (g->rate[way] != to->rate[way].rate)
			g->ready_us[way] = RTE_MIN(g->ready_us[way], now);
}

static void group_set(struct conn *c, struct group_cap *g, const struct link_group *to)
{
	struct relay *r = c->relay;
	struct budget *old = g->budget, *b = NULL;

	if (to->key != 0)
		b = budget_of(r->budgets, to, r->now_us);
	if (b != NULL && budget_is_shared(b))
		relay_count(r, RELAY_C_BUDGETS_FULL);
	if (b != NULL && b == old)
		group_keep(g, to, r->now_us);
	else
		*g = (struct group_cap){.budget = b};
	for (unsigned int way = 0; way < LINK_WAYS; way++)
		g->rate[way] = to->rate[way].rate;
	if (old != NULL)
		budget_leave(r->budgets, old);
}

void cap_over(struct conn *c)
{
	static const struct link_group none;
	struct conn_cap *k = of_conn(c);

	for (unsigned int i = 0; i < LINK_CAP_GROUPS; i++)
		group_set(c, &k->group[i], &none);
	c->capped = c->tx_capped = false;
}

static bool is_none(const struct link_caps *m)
{
	uint64_t any = 0;

	for (unsigned int way = 0; way < LINK_WAYS; way++)
		any |= m->channel[way].rate | m->conn[way].rate;
	for (unsigned int i = 0; i < LINK_CAP_GROUPS; i++)
		any |= m->group[i].key;
	return any == 0;
}

/* What was held goes, and no packet asks any more. */
static void cap_lifted(struct conn *c)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		bool held = cap_held(ch) > 0;

		cap_flush(ch);
		cap_drop(ch);
		if (held && ch->fsm.eof_received)
			ch->target->ops->shutdown(ch->target);
	}
	for (unsigned int way = 0; c->weighed && way < LINK_WAYS; way++)
		weight_waits(c, way, false);
	cap_over(c);
}

void cap_take(struct conn *c, const struct link_caps *m)
{
	struct conn_cap *k = of_conn(c);
	uint64_t now = c->relay->now_us;
	struct chan *ch;

	if (is_none(m)) {
		if (c->capped)
			cap_lifted(c);
		return;
	}
	if (!c->capped) {
		*k = (struct conn_cap){
			.generation = c->generation,
			.waited = k->generation == c->generation ? k->waited
								 : (struct cap_sum){.us = {0}},
		};
		TAILQ_INIT(&k->held);
	}
	memcpy(k->channel, m->channel, sizeof(k->channel));
	rates_set(k->m, m->conn, now);
	for (unsigned int i = 0; i < LINK_CAP_GROUPS; i++)
		group_set(c, &k->group[i], &m->group[i]);
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (c->capped)
			rates_set(of_chan(ch)->m, k->channel, now);
		else
			cap_chan_new(ch);
	}
	c->capped = true;
}

/* --- what waited -------------------------------------------------------------------------------
 */

/* When there is enough for a message, and what is in the way till then; due_us 0: nothing. */
struct stop {
	uint64_t due_us;
	enum link_capped by;
};

static void stop_by(struct stop *s, uint64_t due_us, enum link_capped by)
{
	if (due_us > s->due_us)
		*s = (struct stop){due_us, by};
}

static void count_time(struct chan *ch, enum link_way way, struct cap_wait *w)
{
	struct relay *r = ch->conn->relay;
	uint64_t us = w->since_us != 0 ? r->now_us - w->since_us : 0;

	w->us += us;
	of_conn(ch->conn)->waited.us[way] += us;
	w->since_us = 0;
	if (us > 0)
		r->counters[RELAY_C_CAP_CHANNEL_TIME + w->by - LINK_CAPPED_CHANNEL] += us;
}

static void wait_begin(struct chan *ch, enum link_way way, enum link_capped by)
{
	struct cap_wait *w = &of_chan(ch)->wait[way];

	count_time(ch, way, w);
	w->since_us = ch->conn->relay->now_us;
	w->by = (uint8_t)by;
	w->late = true;
}

static void wait_over(struct chan *ch, enum link_way way, uint32_t n)
{
	struct cap_wait *w = &of_chan(ch)->wait[way];

	if (!w->late)
		return;
	count_time(ch, way, w);
	w->late = false;
	w->bytes += n;
	of_conn(ch->conn)->waited.bytes[way] += n;
	ch->conn->relay->counters[RELAY_C_CAP_CHANNEL_BYTES + w->by - LINK_CAPPED_CHANNEL] += n;
}

struct cap_wait cap_waited(const struct chan *ch, enum link_way way)
{
	struct cap_wait w = of_chan(ch)->wait[way];

	if (w.since_us != 0)
		w.us += ch->conn->relay->now_us - w.since_us;
	return w;
}

struct cap_sum cap_sum(const struct conn *c)
{
	struct cap_sum sum = of_conn(c)->waited;
	const struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		for (unsigned int way = 0; way < LINK_WAYS; way++) {
			uint64_t since_us = of_chan(ch)->wait[way].since_us;

			if (since_us != 0)
				sum.us[way] += c->relay->now_us - since_us;
		}
	}
	return sum;
}

/* --- whether bytes may pass --------------------------------------------------------------------
 */

/* What a message passes, the nearest first. */
#define LEVELS 2

static unsigned int levels(struct chan *ch, enum link_way way, struct meter *ret[LEVELS])
{
	struct meter *all[LEVELS] = {&of_chan(ch)->m[way], &of_conn(ch->conn)->m[way]};
	unsigned int n = 0;

	for (unsigned int i = 0; i < LEVELS; i++)
		if (all[i]->rate != 0)
			ret[n++] = all[i];
	return n;
}

/* So many would be worth a message. */
static uint32_t worth(struct meter *const *m, unsigned int n, uint32_t want)
{
	for (unsigned int i = 0; i < n; i++)
		want = RTE_MIN(want, m[i]->chunk);
	return want;
}

/* Of a cap that is shared: what is little goes ahead of what others have taken. */
static bool may_owe(const struct chan *ch, const struct meter *m, int64_t room, uint32_t want)
{
	return m != &of_chan(ch)->m[LINK_IN] && m != &of_chan(ch)->m[LINK_OUT] &&
	       room - want >= -(int64_t)m->burst;
}

static void group_ask(struct group_cap *g, enum link_way way, uint32_t n, uint64_t now)
{
	g->asked[way] = n;
	g->ready_us[way] = budget_ask(g->budget, way, n, now);
}

/* Does it have so many bytes of the budget? Else *ret_us says when, which is asked for once. */
static bool group_has(struct group_cap *g, enum link_way way, uint32_t need, uint32_t chunk,
		      bool sparse, uint64_t now, uint64_t *ret_us)
{
	uint64_t ahead = sparse ? budget_burst_us(g->budget, way) : 0;

	while (g->has[way] < need) {
		if (g->asked[way] == 0)
			group_ask(g, way, RTE_MAX(chunk, need - g->has[way]), now);
		if (g->ready_us[way] > now + ahead) {
			*ret_us = g->ready_us[way];
			return false;
		}
		g->has[way] += g->asked[way];
		g->asked[way] = 0;
	}
	return true;
}

/* What it asks for of one at once; 0: this way it has no cap. */
static uint32_t group_chunk(const struct conn *c, unsigned int i, enum link_way way)
{
	const struct budget *b = of_conn(c)->group[i].budget;
	uint32_t chunk = b != NULL ? budget_chunk(b, way) : 0;

	if (chunk == 0 || likely(c->relay->weights.told == 0))
		return chunk;
	return weight_chunk(c, way, i == LINK_CAP_USER, chunk);
}

/* Of the budgets: the least that it has, at most *room; or *stop says when to look again. */
static void groups_room(struct conn *c, enum link_way way, uint32_t want, bool sparse,
			int64_t *room, struct stop *stop)
{
	uint64_t now = c->relay->now_us;

	for (unsigned int i = 0; i < LINK_CAP_GROUPS; i++) {
		struct group_cap *g = &of_conn(c)->group[i];
		uint32_t chunk = group_chunk(c, i, way), need = want;
		uint64_t at;

		if (chunk == 0)
			continue;
		if (!sparse)
			need = RTE_MIN(want, chunk);
		if (group_has(g, way, need, chunk, sparse, now, &at))
			*room = RTE_MIN(*room, (int64_t)g->has[way]);
		else
			stop_by(stop, at, LINK_CAPPED_USER + i);
	}
}

static uint32_t room(struct chan *ch, enum link_way way, uint32_t want, bool sparse)
{
	struct conn *c = ch->conn;
	struct conn_cap *k = of_conn(c);
	uint64_t now = c->relay->now_us;
	struct stop stop = {0};
	struct meter *m[LEVELS];
	unsigned int n = levels(ch, way, m);
	uint32_t need = worth(m, n, want);
	int64_t least = want;

	sparse = sparse && want <= RELAY_SPARSE;
	for (unsigned int i = 0; i < n; i++) {
		int64_t has = meter_room(m[i], now);

		if (sparse && may_owe(ch, m[i], has, want))
			continue;
		least = RTE_MIN(least, has);
		if (has < need)
			stop_by(&stop, meter_ready_us(m[i], need),
				m[i] == &k->m[way] ? LINK_CAPPED_CONNECTION : LINK_CAPPED_CHANNEL);
	}
	if (stop.due_us == 0)
		groups_room(c, way, (uint32_t)least, sparse, &least, &stop);
	if (stop.due_us == 0)
		return (uint32_t)least;
	k->due_us = timer_min(k->due_us, stop.due_us);
	relay_count(c->relay, RELAY_C_CAPPED);
	wait_begin(ch, way, stop.by);
	return 0;
}

/*
 * What goes because its channel closes was not asked for: that is done now, and waited for by the
 * next. The next chunk is asked for while there are bytes of this one, so that who wants less than
 * its part does not wait for others' in between.
 */
static void group_spent(struct conn *c, unsigned int i, enum link_way way, uint32_t n)
{
	struct group_cap *g = &of_conn(c)->group[i];
	uint32_t chunk = group_chunk(c, i, way), had = RTE_MIN(n, g->has[way]);
	uint64_t now = c->relay->now_us;

	if (chunk == 0)
		return;
	if (n > had)
		(void)budget_ask(g->budget, way, n - had, now);
	g->has[way] -= had;
	if (g->asked[way] == 0 && g->has[way] < chunk)
		group_ask(g, way, chunk, now);
}

static void spent(struct chan *ch, enum link_way way, uint32_t n)
{
	struct conn_cap *k = of_conn(ch->conn);

	wait_over(ch, way, n);
	meter_take(&of_chan(ch)->m[way], n);
	meter_take(&k->m[way], n);
	for (unsigned int i = 0; i < LINK_CAP_GROUPS; i++)
		group_spent(ch->conn, i, way, n);
}

static uint32_t waiting(const struct chan_cap *k)
{
	return k->ahead + k->held.len;
}

bool cap_stops(const struct chan *ch, enum link_way way)
{
	if (way == LINK_IN)
		return waiting(of_chan(ch)) > 0;
	return ch->conn->tx_capped && ch->queued != CHAN_Q_NONE;
}

uint32_t cap_out_room(struct chan *ch, uint32_t want, bool sparse)
{
	return room(ch, LINK_OUT, want, sparse);
}

void cap_out_spent(struct chan *ch, uint32_t n)
{
	spent(ch, LINK_OUT, n);
}

uint64_t cap_deadline(const struct conn *c)
{
	return of_conn(c)->due_us;
}

uint32_t cap_window(const struct conn *c)
{
	const struct conn_cap *k = of_conn(c);
	uint64_t rate = UINT64_MAX, size;

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t one = i == 0 ? k->channel[LINK_IN].rate : k->m[LINK_IN].rate;

		if (one != 0)
			rate = RTE_MIN(rate, one);
	}
	size = RTE_MAX(rate / 4, (uint64_t)RELAY_WINDOW_LEAST);
	return (uint32_t)RTE_MIN(size, (uint64_t)RELAY_WINDOW_MAX);
}

/* --- from the client ---------------------------------------------------------------------------
 */

static void enter(struct conn_cap *c, struct chan_cap *k, bool sparse)
{
	if (k->queued)
		TAILQ_REMOVE(&c->held, k, link);
	k->queued = true;
	k->sparse = sparse;
	if (sparse)
		TAILQ_INSERT_HEAD(&c->held, k, link);
	else
		TAILQ_INSERT_TAIL(&c->held, k, link);
}

static void leave(struct conn_cap *c, struct chan_cap *k)
{
	if (k->queued)
		TAILQ_REMOVE(&c->held, k, link);
	k->queued = false;
	k->deficit = 0;
}

static void wait_its_time(struct chan_cap *k)
{
	struct conn_cap *c = of_conn(k->chan->conn);

	if (!k->queued)
		enter(c, k, waiting(k) <= RELAY_SPARSE);
	else if (k->sparse && waiting(k) > RELAY_SPARSE)
		enter(c, k, false);
}

void cap_hold(struct chan *ch, struct pkt_chain *payload)
{
	struct chan_cap *k = of_chan(ch);

	pkt_chain_append_tight(&k->held, payload->head);
	pkt_chain_init(payload);
	wait_its_time(k);
}

uint32_t cap_held(const struct chan *ch)
{
	return of_chan(ch)->held.len;
}

uint32_t cap_untaken(const struct chan *ch, uint32_t queued)
{
	const struct chan_cap *k = of_chan(ch);

	return RTE_MAX(queued, k->ahead) + k->held.len;
}

/* What the stream does not take needs no room any more; its own event says what is wrong. */
static bool put(struct chan *ch, struct pkt_chain *payload)
{
	uint32_t n = payload->len;

	if (ch->target->ops->tx(ch->target, payload) == 0)
		return true;
	ch->in_target -= n;
	ch->conn->in_targets -= n;
	chan_consume(ch, n);
	return false;
}

static void give(struct chan *ch, struct pkt_chain *payload)
{
	spent(ch, LINK_IN, payload->len);
	(void)put(ch, payload);
}

int cap_tx_ext(struct chan *ch, uint32_t data_type, struct pkt_chain *payload)
{
	struct chan_cap *k = of_chan(ch);
	uint32_t n = payload->len, held = k->held.len;

	if (held > 0 && put(ch, &k->held))
		k->ahead += held;
	pkt_chain_init(&k->held);
	if (ch->target->ops->tx_ext(ch->target, data_type, payload) < 0)
		return -EPIPE;
	k->ahead += n;
	wait_its_time(k);
	return 0;
}

static void ahead_passed(struct chan_cap *k, uint32_t n)
{
	if (n == 0)
		return;
	k->ahead -= n;
	spent(k->chan, LINK_IN, n);
	chan_ready(k->chan); /* the target may have taken it long ago */
}

/* As much of it as may go now. True: some did. */
static bool pass(struct chan_cap *k)
{
	struct chan *ch = k->chan;
	uint32_t n = room(ch, LINK_IN, waiting(k), k->sparse);
	struct pkt_chain part = {0};

	if (n == 0)
		return false;
	if (!k->sparse)
		n = RTE_MIN(n, (uint32_t)k->deficit);
	if (k->ahead > 0) {
		ahead_passed(k, RTE_MIN(n, k->ahead));
		return true;
	}
	n = RTE_MIN(n, k->held.len);
	if (pkt_chain_split(&k->held, n, &part, ch->conn->relay->conf.pools->data) < 0) {
		conn_short(ch->conn, -ENOMEM);
		return false;
	}
	give(ch, &part);
	return true;
}

/* In turns, by their shares (deficit round robin). */
unsigned int cap_run(struct conn *c)
{
	struct conn_cap *all = of_conn(c);
	struct chan_cap *k, *next;
	unsigned int work = 0;
	uint32_t had;

	all->due_us = 0;
	for (k = TAILQ_FIRST(&all->held); k != NULL; k = next) {
		next = TAILQ_NEXT(k, link);
		if (k->deficit <= 0 && !k->sparse) {
			k->deficit += (int32_t)(METER_CHUNK_MAX * chan_weight(k->chan));
			enter(all, k, false);
			next = next != NULL ? next : k;
			continue;
		}
		had = waiting(k);
		if (!pass(k))
			continue;
		work++;
		k->deficit -= (int32_t)(had - waiting(k));
		if (waiting(k) > 0) {
			k->sparse = false;
			next = k;
			continue;
		}
		leave(all, k);
		if (k->chan->fsm.eof_received)
			k->chan->target->ops->shutdown(k->chan->target);
	}
	if (unlikely(c->relay->weights.told > 0))
		weight_waits(c, LINK_IN, !TAILQ_EMPTY(&all->held));
	return work;
}

void cap_flush(struct chan *ch)
{
	struct chan_cap *k = of_chan(ch);

	leave(of_conn(ch->conn), k);
	ahead_passed(k, k->ahead);
	if (k->held.len > 0)
		give(ch, &k->held);
	pkt_chain_init(&k->held);
}

void cap_drop(struct chan *ch)
{
	struct chan_cap *k = of_chan(ch);

	leave(of_conn(ch->conn), k);
	for (unsigned int way = 0; way < LINK_WAYS; way++)
		count_time(ch, (enum link_way)way, &k->wait[way]);
	pkt_chain_free(&k->held);
	k->ahead = 0;
}

/* tests/sim/scenario_play.c - lets a scenario happen and looks at it; see scenario.h. */
#include "tests/sim/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/board.h"
#include "tests/util/eal.h"

#define DATA_MBUFS  2047
#define HEAD_MBUFS  4095
#define TIGHT_MBUFS 255
#define END_US      (20000 * TCP_SEC) /* every scenario is over by then, in virtual time */
#define PORT        22

/* An end of a flow, alive. */
struct end {
	struct app app;
	const struct scn_side *side;
	uint64_t start_us, read_at_us, say_at_us;
	bool set_up, gave_up;
};

struct play {
	const struct scn *s;
	struct scn_result *ret;
	struct vnet v;
	struct end end[SCN_FLOWS][2];
	struct hosts_app {
		struct play *p;
		unsigned int host;
	} host[VNET_HOSTS];
	/* Of each connection before the turn: what had been sent. */
	uint32_t snd_max[VNET_HOSTS][4 * SCN_FLOWS];
	uint32_t nodes[VNET_HOSTS];
	unsigned int event;
	uint64_t begin_us;
	bool hostile; /* a handshake may fail */
};

__attribute__((format(printf, 2, 3))) static void wrong(struct play *p, const char *fmt, ...)
{
	va_list ap;

	if (p->ret->wrong[0] != 0)
		return; /* the first is what counts */
	va_start(ap, fmt);
	vsnprintf(p->ret->wrong, sizeof(p->ret->wrong), fmt, ap);
	va_end(ap);
}

static struct tcp *stack(const struct play *p, unsigned int host)
{
	return p->v.host[host].tcp;
}

/* --- applications ------------------------------------------------------------------------ */

static bool may_be_cut(const struct scn *s)
{
	return s->trouble == SCN_ABORTS || s->trouble == SCN_FORGED || s->trouble == SCN_DEAD;
}

static bool connect_now(struct play *p, unsigned int flow)
{
	const struct scn_flow *f = &p->s->flow[flow];
	struct end *e = &p->end[flow][0];
	struct net_addr to = vnet_addr_of(f->host[1], f->family, f->scope);

	e->start_us = UINT64_MAX;
	e->app.connects = app_connect(&e->app, &to, (uint16_t)(PORT + flow));
	if (e->app.connects < 0)
		wrong(p, "flow %u: connect says %d", flow, e->app.connects);
	return true;
}

static void set_up(struct play *p, struct end *e)
{
	e->set_up = true;
	tcp_stream_nodelay(e->app.s, !e->side->nagle);
	/* Who has nothing to say never learns that a peer is gone. */
	tcp_stream_keepalive(e->app.s, may_be_cut(p->s));
}

/* What the application has to say by now. */
static void say(struct end *e, uint64_t now_us)
{
	const struct scn_side *d = e->side;
	struct app *a = &e->app;

	if (a->tx_total == d->bytes || now_us < e->say_at_us)
		return;
	a->tx_total = d->chunk == 0 ? d->bytes : RTE_MIN(a->tx_total + d->chunk, d->bytes);
	e->say_at_us = now_us + d->gap_us;
	a->no_shutdown = a->tx_total < d->bytes;
}

static bool gives_up(const struct end *e)
{
	return e->app.rx_total + e->app.tx_done > e->side->abort_at || e->app.wrong;
}

static bool end_turn(struct play *p, struct end *e, uint64_t now_us)
{
	uint64_t before = e->app.rx_total;
	bool did;

	if (e->app.s == NULL)
		return false;
	if (!e->set_up)
		set_up(p, e);
	if (e->app.connected || e->app.accepted)
		say(e, now_us);
	e->app.paused = now_us < e->read_at_us;
	did = app_step(&e->app);
	if (e->side->read_gap_us > 0 && e->app.rx_total > before)
		e->read_at_us = now_us + e->side->read_gap_us;
	if (e->app.s != NULL && gives_up(e)) {
		e->gave_up = true;
		app_abort(&e->app);
	}
	return did;
}

/* When e wants to be asked again; 0: needs not. */
static uint64_t wake(const struct end *e, uint64_t now_us)
{
	uint64_t at = UINT64_MAX;

	if (e->start_us > now_us && e->start_us != UINT64_MAX)
		at = e->start_us;
	if (e->app.s != NULL && e->read_at_us > now_us)
		at = RTE_MIN(at, e->read_at_us);
	if (e->app.s != NULL && e->app.tx_total < e->side->bytes && e->say_at_us > now_us)
		at = RTE_MIN(at, e->say_at_us);
	return at;
}

/* One host's pass: all ends of flows that are there. */
static bool host_turn(void *arg)
{
	struct hosts_app *h = arg;
	struct play *p = h->p;
	uint64_t now_us = p->v.now_us, next = UINT64_MAX;
	bool did = false;

	for (unsigned int i = 0; i < p->s->flows; i++) {
		for (unsigned int k = 0; k < 2; k++) {
			struct end *e = &p->end[i][k];

			if (p->s->flow[i].host[k] != h->host)
				continue;
			if (k == 0 && now_us >= e->start_us)
				did |= connect_now(p, i);
			did |= end_turn(p, e, now_us);
			next = RTE_MIN(next, wake(e, now_us));
		}
	}
	p->v.host[h->host].wake_us = next == UINT64_MAX ? 0 : next;
	return did;
}

/* --- the beginning ------------------------------------------------------------------------- */

static uint32_t iss_near_wrap(void *arg)
{
	return (uint32_t)(UINTPTR_MAX - (uintptr_t)arg % 5000);
}

static void stacks_new(struct play *p)
{
	const struct scn *s = p->s;

	vnet_init(&p->v, s->seed, s->tight ? TIGHT_MBUFS : DATA_MBUFS,
		  s->tight ? 2 * TIGHT_MBUFS : HEAD_MBUFS);
	vnet_check_windows(&p->v);
	for (unsigned int i = 0; i < s->hosts; i++) {
		struct tcp_conf conf = s->conf[i];

		if (s->wraps) {
			conf.iss_for_test = iss_near_wrap;
			conf.iss_arg = (void *)(uintptr_t)(s->seed * 7919);
		}
		vnet_stack(&p->v, i, conf);
		vnet_mtu_set(&p->v, i, s->mtu);
		p->nodes[i] = stack(p, i)->sent_free;
		p->host[i] = (struct hosts_app){p, i};
		p->v.host[i].app = host_turn;
		p->v.host[i].app_arg = &p->host[i];
		for (unsigned int k = 0; k < s->hosts; k++)
			p->v.link[i][k] = s->link;
	}
}

static void flows_new(struct play *p)
{
	for (unsigned int i = 0; i < p->s->flows; i++) {
		const struct scn_flow *f = &p->s->flow[i];

		for (unsigned int k = 0; k < 2; k++) {
			struct end *e = &p->end[i][k];
			uint64_t key = p->s->seed * 16 + i * 2;

			app_init(&e->app, stack(p, f->host[k]), p->v.host[f->host[k]].pools.data,
				 key + k, key + !k, 0);
			e->app.write_max = f->side[k].write_max;
			e->app.read_max = f->side[k].read_max;
			e->app.no_shutdown = f->side[k].bytes > 0;
			e->side = &f->side[k];
			e->start_us = k == 0 ? p->begin_us + f->start_us : UINT64_MAX;
		}
		if (app_listen(&p->end[i][1].app, (uint16_t)(PORT + i), SCN_FLOWS) < 0)
			wrong(p, "flow %u: no listener", i);
	}
}

/* --- events ---------------------------------------------------------------------------------- */

static void happens(struct play *p, const struct scn_event *e)
{
	struct vnet_host *h = &p->v.host[e->a];

	switch (e->kind) {
	case SCN_LINK:
		p->v.link[e->a][e->b] = e->link;
		p->v.link[e->a][e->b].free_at_us = p->v.now_us;
		if (e->seen)
			tcp_link_up(h->tcp, 0);
		break;
	case SCN_FREEZE:
		h->frozen_us = p->v.now_us;
		break;
	case SCN_THAW:
		h->frozen_us = 0;
		break;
	case SCN_STOP:
		h->stopped = true;
		break;
	case SCN_GO:
		h->stopped = false;
		break;
	}
}

static void events_due(struct play *p)
{
	const struct scn *s = p->s;

	while (p->event < s->events && p->v.now_us >= p->begin_us + s->event[p->event].at_us)
		happens(p, &s->event[p->event++]);
}

/* --- after each turn ----------------------------------------------------------------------------
 */

/* What went in this turn, did the congestion window allow it? A tail's probe may be beyond. */
static bool within_cwnd(const struct tcp_conn *c)
{
	uint32_t probe = max_u64(c->mss, c->mss_peer);

	return tcp_pipe(c) <= (uint64_t)c->cwnd + 2 * (uint64_t)probe;
}

static void look_at(struct play *p, unsigned int host, struct tcp_conn *c)
{
	uint32_t *was = &p->snd_max[host][tcp_index(c) - 1];
	const char *what;

	if (!tcp_synchronized((enum tcp_state)c->state) || c->snd_max == *was)
		return;
	*was = c->snd_max;
	what = board_wrong(c);
	/* The order of its times is that of 32 bits: what lay about for 35 minutes has none. */
	if (what != NULL && c->board != NULL && p->v.now_us - p->begin_us < UINT64_C(1) << 31)
		wrong(p, "at %lu us, host %u: %s", p->v.now_us - p->begin_us, host, what);
	if (!within_cwnd(c))
		wrong(p, "at %lu us, host %u: %u in flight, cwnd %u, MSS %u",
		      p->v.now_us - p->begin_us, host, tcp_pipe(c), c->cwnd, c->mss);
}

static bool is_over(const struct play *p)
{
	for (unsigned int i = 0; i < p->s->flows; i++) {
		const struct end *e = p->end[i];

		if (!e[0].app.closed)
			return false;
		if (e[1].app.accepted && !e[1].app.closed)
			return false;
	}
	return true;
}

static bool after_turn(void *arg)
{
	struct play *p = arg;

	for (unsigned int i = 0; i < p->s->hosts; i++) {
		struct tcp *t = stack(p, i);

		for (unsigned int k = 0; k < t->conf.conns_max; k++)
			if (t->conns[k].state != TCP_CLOSED)
				look_at(p, i, &t->conns[k]);
	}
	return is_over(p) || p->ret->wrong[0] != 0;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static uint64_t count(const struct play *p, enum tcp_counter c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < p->s->hosts; i++)
		n += stack(p, i)->counters[c];
	return n;
}

/*
 * Some are cut although nothing is wrong with them: one nobody holds while buffers are scarce
 * (mem.c), and one behind a cookie whose first acknowledgement did not come first.
 */
static bool may_be_reset(const struct play *p)
{
	return may_be_cut(p->s) || count(p, TCP_C_ORPHAN_CUT) > 0 || count(p, TCP_C_COOKIE_BAD) > 0;
}

/* An error is right where the path, or somebody, gave cause for it. */
static bool error_is_right(const struct play *p, const struct end *pair, unsigned int k)
{
	const struct end *e = &pair[k];

	if (e->app.err == -ETIMEDOUT)
		return p->s->trouble == SCN_DEAD || may_be_cut(p->s) ||
		       (p->hostile && !pair[1].app.accepted);
	if (e->app.err == -ECONNRESET || e->app.err == -ECONNREFUSED)
		return may_be_reset(p) || (p->hostile && !pair[1].app.accepted);
	return false;
}

static void look_at_flow(struct play *p, unsigned int i)
{
	const struct end *pair = p->end[i];
	bool whole = true;

	for (unsigned int k = 0; k < 2; k++) {
		const struct end *e = &pair[k];

		p->ret->bytes += e->app.rx_total;
		p->ret->errors += e->app.error;
		whole &= !e->app.error && !e->gave_up;
		if (e->app.wrong && p->s->trouble != SCN_FORGED)
			wrong(p, "flow %u, end %u: a byte is not what was sent", i, k);
		if (e->app.error && !error_is_right(p, pair, k))
			wrong(p, "flow %u, end %u: error %d", i, k, e->app.err);
	}
	if (!whole)
		return;
	for (unsigned int k = 0; k < 2; k++)
		if (pair[k].app.rx_total != pair[!k].side->bytes)
			wrong(p, "flow %u, end %u: %lu bytes of %lu", i, k, pair[k].app.rx_total,
			      pair[!k].side->bytes);
}

/* Nothing is held any more: connections, scoreboards, places in lists, windows. */
static void look_at_stack(struct play *p, unsigned int i)
{
	const struct tcp *t = stack(p, i);

	if (t->conns_n != 0)
		wrong(p, "host %u: %u connections are left", i, t->conns_n);
	if (t->tw_n != 0)
		wrong(p, "host %u: %u in TIME-WAIT", i, t->tw_n);
	if (!boards_back(t, p->nodes[i]))
		wrong(p, "host %u: %u nodes of scoreboards are out", i, p->nodes[i] - t->sent_free);
	if (t->busy_n != 0)
		wrong(p, "host %u: %u places of busy connections are out", i, t->busy_n);
	if (t->due.n + t->due.waiting != 0 || t->out_head != NULL)
		wrong(p, "host %u: a timer or output of nobody", i);
	if (t->mem.rx_grown != 0)
		wrong(p, "host %u: windows of nobody: %lu", i, t->mem.rx_grown);
	for (unsigned int k = 0; k < TCP_LISTS; k++)
		if (t->mem.list[k].head != 0)
			wrong(p, "host %u: somebody is left in list %u", i, k);
	for (unsigned int k = 0; k < t->listeners_end; k++)
		if (t->listener[k].half_open != 0)
			wrong(p, "host %u: %u half-open", i, t->listener[k].half_open);
	for (unsigned int k = 0; k < TCP_C_COUNT; k++)
		p->ret->counters[k] += t->counters[k];
}

/* Runs to the next event, or to the end. True: all applications are done. */
static bool run(struct play *p, uint64_t end_us)
{
	while (p->v.now_us < end_us) {
		uint64_t until = end_us;

		events_due(p);
		if (p->event < p->s->events)
			until = RTE_MIN(until, p->begin_us + p->s->event[p->event].at_us);
		if (vnet_run(&p->v, until - p->v.now_us, after_turn, p))
			return true;
		if (p->event < p->s->events && p->v.now_us < until)
			p->v.now_us = until; /* nothing moves before that */
		else if (p->v.now_us < until)
			return is_over(p);
	}
	return is_over(p);
}

/* A path that does nothing to anybody, and whose round trip is less than the first time-out. */
static bool is_clean(const struct scn *s)
{
	const struct vnet_link *l = &s->link;

	return s->trouble == SCN_NONE &&
	       l->loss + l->burst + l->reorder + l->dup + l->corrupt + l->jitter_us == 0 &&
	       l->bits_per_s == 0 && l->delay_us < 400 * TCP_MS;
}

/* There nothing is taken for lost, and the windows are what they would be without a fear of it. */
static void look_at_clean(struct play *p)
{
	static const enum tcp_counter never[] = {TCP_C_RTO,      TCP_C_FAST_RETRANS,
						 TCP_C_UNDO,     TCP_C_CHALLENGE,
						 TCP_C_DROP_ACK, TCP_C_DROP_PAWS};

	for (size_t i = 0; i < RTE_DIM(never); i++)
		if (p->ret->counters[never[i]] != 0)
			wrong(p, "on a clean path: %lu %s", p->ret->counters[never[i]],
			      tcp_counter_text(never[i]));
}

static void finish(struct play *p)
{
	bool over = run(p, p->begin_us + END_US);

	p->ret->took_us = p->v.now_us - p->begin_us;
	if (!over)
		wrong(p, "it does not end");
	for (unsigned int i = 0; i < p->s->flows; i++)
		look_at_flow(p, i);
	/* What is still to happen, and until everything that lingers is gone. */
	for (; p->event < p->s->events && p->ret->wrong[0] == 0; p->event++) {
		uint64_t at = p->begin_us + p->s->event[p->event].at_us;

		if (at > p->v.now_us)
			vnet_run(&p->v, at - p->v.now_us, NULL, NULL);
		happens(p, &p->s->event[p->event]);
	}
	vnet_run(&p->v, 2 * 5000 * TCP_SEC, NULL, NULL);
	for (unsigned int i = 0; i < p->s->hosts; i++)
		look_at_stack(p, i);
	if (is_clean(p->s))
		look_at_clean(p);
}

bool scn_play(const struct scn *s, struct scn_result *ret)
{
	struct play *p = calloc(1, sizeof(*p));

	*ret = (struct scn_result){0};
	p->s = s;
	p->ret = ret;
	p->hostile = s->trouble != SCN_NONE || s->link.loss >= 100000 || s->link.burst > 0;
	stacks_new(p);
	p->begin_us = p->v.now_us;
	flows_new(p);
	finish(p);
	ret->turns = p->v.turns;
	if (!vnet_fini(&p->v))
		wrong(p, "something is lost, or a rule of buffers or windows broken");
	free(p);
	return ret->wrong[0] == 0;
}

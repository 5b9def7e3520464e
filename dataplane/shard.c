/* dataplane/shard.c - the loop. See shard.h. */
#include "dataplane/shard.h"

#include <rte_cycles.h>
#include <rte_pause.h>

#include "dataplane/counters.h"
#include "dataplane/internal.h"
#include "dataplane/log.h"
#include "dataplane/port/share.h"

/* What passed since *tsc belongs to this stage, if the turn turns out to have done work. */
static inline unsigned int account(struct shard *s, enum shard_stage stage, uint64_t *tsc,
				   unsigned int items)
{
	uint64_t now = rte_rdtsc();

	s->turn_cycles[stage] += now - *tsc;
	s->stats.stage[stage].items += items;
	s->stats.stage[stage].batches += items > 0;
	*tsc = now;
	return items;
}

/* The rooms count; a turn that did work copies, so that who reads finds them beside the cycles. */
static inline void account_bytes(struct shard *s)
{
	const uint64_t *tcp = tcp_counters(s->tcp), *relay = relay_counters(s->relay);

	s->stats.tx_bytes = net_tx_bytes(s->net);
	s->stats.stage[SHARD_STAGE_RX].bytes = s->stats.rx_bytes;
	s->stats.stage[SHARD_STAGE_NET].bytes = s->stats.rx_bytes;
	s->stats.stage[SHARD_STAGE_TCP].bytes = tcp[TCP_C_IN_BYTES];
	s->stats.stage[SHARD_STAGE_OPEN].bytes = relay[RELAY_C_RECORD_BYTES_OPENED];
	s->stats.stage[SHARD_STAGE_RELAY].bytes =
		relay[RELAY_C_BYTES_FROM_CLIENTS] + relay[RELAY_C_BYTES_TO_CLIENTS];
	s->stats.stage[SHARD_STAGE_SEAL].bytes = relay[RELAY_C_RECORD_BYTES_SEALED];
	s->stats.stage[SHARD_STAGE_TCP_OUT].bytes = tcp[TCP_C_OUT_BYTES];
	s->stats.stage[SHARD_STAGE_TX].bytes = s->stats.tx_bytes;
}

/* A busy turn counts with all its stages, those too that looked for work and found none. */
static inline void account_turn(struct shard *s, unsigned int work)
{
	if (work > 0)
		account_bytes(s);
	for (unsigned int i = 0; i < SHARD_STAGE_COUNT; i++) {
		if (work > 0)
			s->stats.stage[i].cycles += s->turn_cycles[i];
		s->turn_cycles[i] = 0;
	}
}

static inline uint64_t bytes_of(struct rte_mbuf *const *m, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += m[i]->pkt_len;
	return sum;
}

static unsigned int input(struct shard *s, unsigned int port, uint64_t *tsc)
{
	struct rte_mbuf *m[SHARD_BURST], *seg[SHARD_BURST];
	struct port *p = &s->port[port];
	unsigned int n, k, moved;

	n = account(s, SHARD_STAGE_RX, tsc, p->rx_burst(p, m, s->rx_burst));
	moved = share_moved(p);
	/* A queue that has packets for others alone does not stand still. */
	s->watch[port].rx_pkts += n + moved;
	if (n == 0)
		return moved;
	s->stats.rx_pkts += n;
	s->stats.rx_bytes += bytes_of(m, n);
	k = net_input_burst(s->net, s->iface_of[port], m, n, s->now_us, seg);
	if (shard_is_teamed(s))
		k = shard_team_sort(s, seg, k);
	account(s, SHARD_STAGE_NET, tsc, n);
	if (k > 0)
		tcp_input_burst(s->tcp, seg, k, s->now_us);
	account(s, SHARD_STAGE_TCP, tsc, k);
	return n + moved;
}

static unsigned int timers(struct shard *s, uint64_t *tsc)
{
	unsigned int work;

	if (s->now_us < s->tick_us)
		return 0;
	s->tick_us = s->now_us + SHARD_TICK_US;
	work = account(s, SHARD_STAGE_TCP, tsc, tcp_timers(s->tcp, s->now_us));
	work += account(s, SHARD_STAGE_RELAY, tsc, relay_timers(s->relay, s->now_us));
	work += account(s, SHARD_STAGE_NET, tsc, net_timers(s->net, s->now_us));
	return work;
}

/* Packets that went out while segments were built are the port's work, not TCP's. */
static unsigned int output(struct shard *s, uint64_t *tsc)
{
	unsigned int built = tcp_output_poll(s->tcp, s->now_us), sent, carried = 0;
	struct net_flushed early = net_flushed_take(s->net);

	*tsc += early.cycles;
	account(s, SHARD_STAGE_TCP_OUT, tsc, built);
	/* Others first: they have waited, and are fewer in a turn than the queue takes. */
	if (shard_is_teamed(s))
		carried = shard_team_carry(s);
	sent = net_flush(s->net);
	account(s, SHARD_STAGE_TX, tsc, sent + carried);
	s->turn_cycles[SHARD_STAGE_TX] += early.cycles;
	s->stats.stage[SHARD_STAGE_TX].items += early.pkts;
	s->stats.tx_pkts += sent + early.pkts;
	return built + sent + carried;
}

unsigned int shard_turn(struct shard *s)
{
	uint64_t tsc = rte_rdtsc();
	unsigned int work = 0, rang;

	s->now_us = clock_us(&s->clock, tsc);
	for (unsigned int i = 0; i < s->n_ports; i++)
		work += input(s, i, &tsc);
	if (shard_is_teamed(s))
		work += account(s, SHARD_STAGE_NET, &tsc, shard_team_hear(s));
	work += account(s, SHARD_STAGE_HOST, &tsc, shard_host_turn(s));
	work += account(s, SHARD_STAGE_LINK, &tsc, shard_forward_poll(s));
	work += timers(s, &tsc);
	work += account(s, SHARD_STAGE_OPEN, &tsc, relay_open(s->relay, s->now_us));
	work += account(s, SHARD_STAGE_RELAY, &tsc, relay_run(s->relay, s->now_us));
	work += account(s, SHARD_STAGE_SEAL, &tsc, relay_seal(s->relay, s->now_us));
	work += output(s, &tsc);
	rang = account(s, SHARD_STAGE_LINK, &tsc, linkend_ring(s->link, s->now_us));
	if (shard_is_teamed(s))
		shard_team_ring(s);

	work += rang;
	account_turn(s, work);
	s->stats.turns++;
	s->stats.busy_turns += work > 0;
	s->rang = rang > 0;
	return work;
}

static uint64_t busy_us(const struct shard *s)
{
	uint64_t cycles = 0;

	for (unsigned int i = 0; i < SHARD_STAGE_COUNT; i++)
		cycles += s->stats.stage[i].cycles;
	return cycles / (s->clock.hz / 1000000);
}

/* What needs system calls, and so is not part of every turn. */
static unsigned int housekeep(struct shard *s)
{
	uint64_t tsc = rte_rdtsc();
	unsigned int work = account(s, SHARD_STAGE_LINK, &tsc, shard_link_poll(s));

	account_turn(s, work);
	shard_ports_poll(s);
	tcp_busy_time(s->tcp, busy_us(s), s->now_us);
	tcp_turns(s->tcp, s->stats.turns, s->stats.busy_turns);
	shard_limits_poll(s);
	snapshot_publish(&s->snapshot, &s->stats);
	s->housekeep_us = s->now_us + SHARD_HOUSEKEEP_US;
	return work;
}

unsigned int shard_step(struct shard *s)
{
	unsigned int work = shard_turn(s);

	if (s->now_us >= s->housekeep_us)
		work += housekeep(s);
	return work;
}

static uint64_t next_timer_us(const struct shard *s)
{
	uint64_t t = tcp_next_timer_us(s->tcp), u;

	u = relay_next_timer_us(s->relay);
	t = u < t ? u : t;
	u = net_next_timer_us(s->net);
	t = u < t ? u : t;
	u = shard_forward_next_timer_us(s);
	t = u < t ? u : t;
	u = shard_link_next_timer_us(s);
	t = u < t ? u : t;
	if (unlikely(s->drain_us != 0))
		t = RTE_MIN(t, s->drain_us);
	u = shard_host_next_timer_us(s);
	t = u < t ? u : t;
	if (shard_is_teamed(s) && shard_team_waits(s))
		t = RTE_MIN(t, s->now_us + SHARD_CARRY_US);
	return t;
}

static void arm(struct shard *s, bool on)
{
	for (unsigned int i = 0; i < s->n_ports; i++)
		port_rx_intr(&s->port[i], on);
	if (on)
		linkend_sleep(s->link);
	else
		linkend_wake(s->link);
	if (!shard_is_teamed(s))
		return;
	if (on)
		team_sleep(s->team, s->place);
	else
		team_wake(s->team, s->place);
}

/* Says what may wake it, looks once more, sleeps. */
static void rest(struct shard *s)
{
	bool woken = false;

	arm(s, true);
	s->resting = true;
	if (shard_turn(s) + housekeep(s) == 0) {
		woken = idle_sleep(&s->idle, s->now_us, next_timer_us(s));
		s->stats.sleeps++;
	} else {
		idle_busy(&s->idle, s->now_us);
	}
	arm(s, false);
	s->resting = false;
	s->now_us = clock_us(&s->clock, rte_rdtsc());
	s->tick_us = s->housekeep_us = 0;
	if (woken)
		idle_busy(&s->idle, s->now_us);
}

static void report_group(const struct counter_group *g)
{
	for (unsigned int i = 0; i < g->n; i++)
		if (g->value[i] > 0)
			dp_log("%s%s%s %s %llu: %s", g->room, g->object[0] != '\0' ? " " : "",
			       g->object, g->name(i), (unsigned long long)g->value[i], g->text(i));
}

static void report_counters(const struct shard *s)
{
	struct counter_group group[COUNTER_GROUPS_MAX];
	unsigned int n = counters_of(s, group);

	for (unsigned int i = 0; i < n; i++)
		report_group(&group[i]);
	dp_log("connections %u, buffers in use %u of %u", tcp_conns(s->tcp),
	       rte_mempool_in_use_count(s->pools.data), s->pools.data->size);
	if (s->pools.wide != NULL)
		dp_log("wide buffers in use %u of %u", rte_mempool_in_use_count(s->pools.wide),
		       s->pools.wide->size);
}

void shard_run(struct shard *s, const volatile sig_atomic_t *stop,
	       const volatile sig_atomic_t *report)
{
	sig_atomic_t reported = *report;

	idle_thread();
	s->now_us = clock_us(&s->clock, rte_rdtsc());
	idle_busy(&s->idle, s->now_us);
	while (*stop <= 1 && (likely(*stop == 0) || !shard_drain(s))) {
		unsigned int work = shard_turn(s);

		if (s->rang)
			idle_busy_once(&s->idle);
		else if (work > 0)
			idle_busy(&s->idle, s->now_us);
		else if (idle_is_due(&s->idle, s->now_us))
			rest(s);
		else
			rte_pause();
		if (s->now_us >= s->housekeep_us)
			housekeep(s);
		if (unlikely(*report != reported)) {
			reported = *report;
			report_counters(s);
		}
	}
}

const struct shard_snapshot *shard_stats(const struct shard *s)
{
	return &s->stats;
}

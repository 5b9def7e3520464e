/* tests/sim/audit.c - see audit.h. */
#include "tests/sim/audit.h"

#include "dataplane/tcp/internal.h"

#define TIMER_SPAN (UINT32_C(1) << 31) /* timer.c's TIMER_MAX_US */

#define MUST(ok)                                                                                   \
	do {                                                                                       \
		if (!(ok))                                                                         \
			return #ok;                                                                \
	} while (0)
#define TRY(call)                                                                                  \
	do {                                                                                       \
		const char *why_ = (call);                                                         \
		if (why_ != NULL)                                                                  \
			return why_;                                                               \
	} while (0)

/* A place of the table that holds a connection, or one that its user has not let go. */
static bool used(const struct tcp_conn *c)
{
	return c->t != NULL && (c->state != TCP_CLOSED || !c->detached || c->on_dead);
}

static bool lives(const struct tcp_conn *c)
{
	return used(c) && c->state != TCP_CLOSED;
}

static uint32_t fin_seq(const struct tcp_conn *c)
{
	return c->tx_seq + tcp_tx_bytes(c);
}

/* --- queues -------------------------------------------------------------------------- */

static const char *txq_ok(const struct tcp_txq *q, uint64_t cost)
{
	const struct rte_mbuf *last = NULL;
	uint32_t len = 0, segs = 0;

	for (const struct rte_mbuf *m = q->head; m != NULL; last = m, m = tcp_piece(m)->next) {
		const struct tcp_piece *p = tcp_piece(m);

		MUST(p->len > 0 && p->off + p->len <= m->buf_len);
		MUST(rte_mbuf_refcnt_read(m) > 0);
		len += p->len;
		segs++;
		cost -= pkt_cost(m);
	}
	MUST(q->tail == last);
	MUST(q->len == len && q->segs == segs);
	MUST(cost == 0);
	return NULL;
}

static const char *chain_ok(const struct pkt_chain *q, uint64_t cost)
{
	const struct rte_mbuf *last = NULL;
	uint32_t len = 0, segs = 0;

	for (const struct rte_mbuf *m = q->head; m != NULL; last = m, m = m->next) {
		MUST(m->data_len > 0 && RTE_MBUF_DIRECT(m));
		MUST(rte_mbuf_refcnt_read(m) > 0);
		len += m->data_len;
		segs++;
		cost -= pkt_cost(m);
	}
	MUST(q->tail == last);
	MUST(q->len == len && q->segs == segs);
	MUST(cost == 0);
	return NULL;
}

/* How far a place in the send queue is from its first byte that is not acknowledged. */
static uint32_t cursor_at(const struct tcp_conn *c, struct rte_mbuf *m, uint32_t off)
{
	uint32_t n = 0;

	for (const struct rte_mbuf *at = c->busy->txq.head; at != m; at = tcp_piece(at)->next) {
		if (at == NULL)
			return UINT32_MAX;
		n += tcp_piece(at)->len;
	}
	return n + (m != NULL ? off : 0) - c->busy->tx_off;
}

static const char *tx_ok(const struct tcp_conn *c)
{
	const struct tcp_busy *b = c->busy;
	uint32_t at = min_u64(c->snd_nxt - c->tx_seq, tcp_tx_bytes(c));

	TRY(txq_ok(&b->txq, b->tx_cost));
	MUST(b->tx_off == 0 || b->tx_off < tcp_piece(b->txq.head)->len);
	if (!tcp_synchronized((enum tcp_state)c->state))
		return NULL;
	MUST(cursor_at(c, b->tx_cur.m, b->tx_cur.off) == at);
	MUST(b->tx_cur.m == NULL || b->tx_cur.off < tcp_piece(b->tx_cur.m)->len);
	return NULL;
}

/* What a walk over the tree of runs, in order, has seen so far. */
struct runs {
	uint64_t cost;
	uint32_t end, n, segs;
	const struct tcp_run *first, *last;
};

static const char *run_ok(const struct tcp_conn *c, const struct tcp_run *r, struct runs *seen)
{
	struct pkt_chain ch = {r->head, r->tail, r->len, r->segs};
	uint64_t cost = pkt_chain_cost(&ch);

	TRY(chain_ok(&ch, cost));
	MUST(seq_gt(r->seq, seen->end)); /* a gap, or it would be one with the last */
	MUST(!c->rcv_fin || seq_le(r->seq + r->len, c->rcv_fin_seq));
	seen->end = r->seq + r->len;
	seen->cost += cost;
	seen->segs += r->segs;
	seen->first = seen->n++ == 0 ? r : seen->first;
	seen->last = r;
	return NULL;
}

static const char *tree_ok(const struct tcp_conn *c, const struct tcp_run *r, struct runs *seen)
{
	if (r == NULL)
		return NULL;
	TRY(tree_ok(c, RB_LEFT(r, rb), seen));
	TRY(run_ok(c, r, seen));
	return tree_ok(c, RB_RIGHT(r, rb), seen);
}

static const char *runs_ok(const struct tcp_conn *c)
{
	const struct tcp_busy *b = c->busy;
	struct runs seen = {.end = c->rcv_nxt};

	TRY(tree_ok(c, b->runs_tree.rbh_root, &seen));
	MUST(seq_le(seen.end, c->rcv_adv));
	MUST(b->runs == seen.first && b->runs_last == seen.last);
	MUST(b->runs_n == seen.n && b->runs_cost == seen.cost);
	MUST(tcp_listed(c, TCP_L_HOLED) == (seen.n > 0));
	return NULL;
}

static const char *rx_ok(const struct tcp_conn *c)
{
	TRY(chain_ok(&c->busy->rxq, c->busy->rx_cost));
	for (const struct rte_mbuf *m = c->busy->rxq.head; m != NULL; m = m->next)
		MUST(pkt_writable(m));
	MUST(seq_le(c->busy->dsack.start, c->busy->dsack.end));
	return runs_ok(c);
}

/* --- the scoreboard ------------------------------------------------------------------ */

/* A queue of the board holds n nodes, all of this state. */
static const char *queue_ok(const struct tcp_sent_queue *q, enum tcp_sent_state state, uint32_t n)
{
	const struct tcp_sent *last = NULL;

	for (const struct tcp_sent *s = q->head; s != NULL; last = s, s = s->q_next, n--) {
		MUST(s->state == state && s->q_prev == last);
		MUST(n > 0);
	}
	MUST(q->tail == last && n == 0);
	return NULL;
}

static const char *node_ok(const struct tcp_conn *c, const struct tcp_sent *s)
{
	MUST(seq_lt(s->seq, s->end));
	if (s->m != NULL) {
		uint32_t at = cursor_at(c, s->m, s->off);

		MUST(at == s->seq - c->tx_seq && s->off < tcp_piece(s->m)->len);
	}
	return NULL;
}

static const char *board_ok(const struct tcp_conn *c)
{
	const struct tcp_board *b = c->board;
	const struct tcp_sent *last = NULL;
	uint32_t n[3] = {0}, bytes[3] = {0}, at = c->snd_una;
	bool hint = b->hint == NULL;

	for (const struct tcp_sent *s = b->all.head; s != NULL; last = s, s = s->next) {
		MUST(s->state <= TCP_SENT_LOST && s->prev == last);
		MUST(s->seq == at); /* without a gap from snd_una on */
		TRY(node_ok(c, s));
		n[s->state]++;
		bytes[s->state] += s->end - s->seq;
		at = s->end;
		hint |= s == b->hint;
	}
	MUST(b->all.tail == last && at == c->snd_nxt);
	MUST(b->n == n[0] + n[1] + n[2] && b->n <= 2 * TCP_SENT_MAX);
	MUST(b->sacked == bytes[TCP_SENT_SACKED] && b->lost_bytes == bytes[TCP_SENT_LOST]);
	MUST(hint);
	TRY(queue_ok(&b->flight, TCP_SENT_FLIGHT, n[TCP_SENT_FLIGHT]));
	TRY(queue_ok(&b->lost, TCP_SENT_LOST, n[TCP_SENT_LOST]));
	return NULL;
}

/* --- a connection -------------------------------------------------------------------- */

static const char *send_ok(const struct tcp_conn *c)
{
	uint32_t fin_end = fin_seq(c) + c->fin_sent;

	MUST(seq_le(c->snd_una, c->snd_nxt) && seq_le(c->snd_nxt, c->snd_max));
	if (!tcp_synchronized((enum tcp_state)c->state)) {
		MUST(c->snd_una == c->iss && c->snd_max == c->iss + 1);
		MUST(c->tx_seq == c->iss + 1 && !c->fin_sent && c->board == NULL);
		return NULL;
	}
	MUST(seq_le(c->snd_max, fin_end));
	MUST(c->snd_una == c->tx_seq ||
	     (c->fin_sent && c->snd_una == fin_end && c->snd_una == c->tx_seq + 1));
	MUST(c->tx_seq - c->iss - 1 == (uint32_t)c->total_out);
	MUST(!c->fin_sent || c->fin_queued);
	MUST(c->board != NULL || c->snd_nxt == c->snd_una);
	MUST(c->mss > 0 && c->cwnd >= c->mss && c->cwnd <= TCP_CWND_MAX && c->ssthresh > 0);
	MUST(c->pmtu.size <= c->path.mtu && c->mss < c->pmtu.size);
	MUST(!(c->in_recovery && c->in_rto));
	MUST((!c->in_recovery && !c->in_rto) || c->board != NULL);
	MUST((!c->in_recovery && !c->in_rto) || seq_le(c->recover, c->snd_max));
	return NULL;
}

static const char *receive_ok(const struct tcp_conn *c)
{
	if (c->state == TCP_SYN_SENT)
		return NULL;
	MUST(seq_le(c->rcv_nxt, c->rcv_adv) && seq_le(c->last_ack_sent, c->rcv_nxt));
	MUST(c->rcv_adv - c->rcv_nxt <= (uint32_t)TCP_WND_RAW_MAX << c->rcv_wscale);
	MUST(!c->rcv_fin || seq_le(c->rcv_nxt, c->rcv_fin_seq + 1));
	return NULL;
}

/* RFC 9293 section 3.3.2: which ends have said that they are done. */
static const char *state_ok(const struct tcp_conn *c)
{
	bool ours = c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2 ||
		    c->state == TCP_CLOSING || c->state == TCP_LAST_ACK;
	bool theirs =
		c->state == TCP_CLOSE_WAIT || c->state == TCP_CLOSING || c->state == TCP_LAST_ACK;

	MUST(c->state < TCP_STATES && c->state != TCP_LISTEN && c->state != TCP_TIME_WAIT);
	MUST(c->fin_sent == ours);
	MUST((c->rcv_fin && c->rcv_nxt == c->rcv_fin_seq + 1) == theirs);
	MUST(c->state != TCP_FIN_WAIT_2 || c->snd_una == c->snd_max);
	MUST(c->state != TCP_FIN_WAIT_1 || c->snd_una != c->snd_max);
	MUST((c->listener != 0) == (c->state == TCP_SYN_RCVD && c->passive));
	MUST(c->listener == 0 || c->detached);
	return NULL;
}

static const char *timers_ok(const struct tcp_conn *c)
{
	const struct tcp *t = c->t;

	MUST(deadlines_at_us(&t->due, tcp_index(c)) == c->due_us);
	if (c->due_us == 0) {
		MUST(c->timers_on == 0);
		return NULL;
	}
	for (int k = 0; k < TCP_TIMERS; k++)
		if (tcp_timer_on(c, (enum tcp_timer)k)) /* not before it is looked at */
			MUST(c->deadline[k] - (uint32_t)c->due_us <= 2 * (TIMER_SPAN - 1));
	return NULL;
}

static const char *closed_ok(const struct tcp_conn *c)
{
	MUST(!c->hashed && c->due_us == 0 && c->timers_on == 0 && c->listener == 0);
	MUST(c->busy->txq.head == NULL && c->busy->runs == NULL && !tcp_listed(c, TCP_L_HOLED));
	MUST(c->detached == c->on_dead);
	return chain_ok(&c->busy->rxq, c->busy->rx_cost);
}

static const char *conn_ok(const struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED)
		return closed_ok(c);
	MUST(c->hashed && !c->on_dead);
	MUST(tcp_lookup(c->t, &c->key, tcp_key_hash(c->t, &c->key)) == c);
	TRY(state_ok(c));
	TRY(send_ok(c));
	TRY(receive_ok(c));
	TRY(tx_ok(c));
	TRY(rx_ok(c));
	TRY(timers_ok(c));
	return c->board != NULL ? board_ok(c) : NULL;
}

/* --- what connections share ---------------------------------------------------------- */

static const char *list_ok(const struct tcp *t, enum tcp_list_kind k, uint32_t n)
{
	/* Hosts of tests/sim have one port. */
	const struct tcp_list *l = k == TCP_L_ROOM ? &t->room[0] : &t->mem.list[k];
	uint32_t prev = 0, at = l->head;

	for (; at != 0; n--) {
		const struct tcp_conn *c = tcp_at(t, at);

		MUST(n > 0 && tcp_listed(c, k) && c->link[k].prev == prev);
		prev = at;
		at = c->link[k].next;
	}
	MUST(n == 0 && l->tail == prev);
	return NULL;
}

static const char *output_ok(const struct tcp *t, uint32_t n)
{
	struct tcp_conn *const *end = &t->out_head;

	for (const struct tcp_conn *c = t->out_head; c != NULL; c = c->out_next, n--) {
		MUST(n > 0 && c->on_output);
		end = &c->out_next;
	}
	MUST(n == 0 && t->out_tail == end);
	return NULL;
}

static const char *wheel_ok(const struct tcp *t, uint32_t n)
{
	MUST(t->wheel.n == n);
	for (uint32_t i = 0; n > 0 && i < TCP_WHEEL_SLOTS; i++) {
		uint32_t prev = 0, at = t->wheel.slot[i];
		bool bit = (t->wheel.used[i / 64] >> i % 64 & 1) != 0;

		MUST(bit == (at != 0));
		for (; at != 0; n--) {
			const struct tcp_pace *p = &tcp_at(t, at)->busy->pace;

			MUST(n > 0 && p->waits && p->slot == i && p->prev == prev);
			prev = at;
			at = p->next;
		}
	}
	MUST(n == 0);
	return NULL;
}

static const char *time_wait_ok(const struct tcp *t)
{
	uint32_t n = 0, live = 0;

	for (uint32_t i = t->tw_head; i != 0; i = t->tw[i - 1].fifo_next, n++) {
		MUST(n < t->conf.time_wait_max);
		live += t->tw[i - 1].live;
	}
	for (uint32_t i = t->tw_free; i != 0; i = t->tw[i - 1].fifo_next, n++)
		MUST(n < t->conf.time_wait_max);
	MUST(n == t->tw_fresh && n <= t->conf.time_wait_max && live == t->tw_n);
	return NULL;
}

/* What all connections together should have of what is counted elsewhere. */
struct sums {
	uint32_t used, alive, busy, nodes, timers, on_output, waits, passive, half_open;
	uint32_t listed[TCP_LISTS], *at; /* half-open, by listener */
	uint64_t rx_grown;
};

static void sum(struct sums *s, const struct tcp_conn *c)
{
	s->used++;
	s->busy += tcp_is_busy(c);
	s->timers += c->due_us != 0;
	s->on_output += c->on_output;
	s->waits += c->busy->pace.waits;
	for (int k = 0; k < TCP_LISTS; k++)
		s->listed[k] += tcp_listed(c, (enum tcp_list_kind)k);
	if (c->board != NULL)
		s->nodes += c->board->n;
	if (c->state == TCP_CLOSED)
		return;
	s->alive++;
	s->rx_grown += RTE_MAX(c->rx_window, c->t->rx_initial) - c->t->rx_initial;
	s->passive += c->passive;
	if (c->listener != 0) {
		s->half_open++;
		s->at[c->listener - 1]++;
	}
}

static const char *sources_ok(const struct tcp *t, const struct sums *s)
{
	uint32_t conns = 0, half_open = 0;

	for (uint32_t i = 0; i <= t->sources.mask; i++) {
		const struct tcp_source *e = &t->sources.entry[i];

		MUST((e->id == 0) == (e->conns == 0) && e->half_open <= e->conns);
		conns += e->conns;
		half_open += e->half_open;
	}
	MUST(conns == s->passive && half_open == s->half_open);
	return NULL;
}

static const char *tables_ok(const struct tcp *t, const struct sums *s)
{
	uint32_t n = 0;

	MUST(s->used == t->conns_n);
	for (uint32_t i = t->free_list; i != 0; i = tcp_at(t, i)->next, n++)
		MUST(n < t->conf.conns_max && !used(tcp_at(t, i)));
	MUST(n + s->used == t->conns_fresh && t->conns_fresh <= t->conf.conns_max);
	MUST(s->busy == t->busy_n && s->timers == t->due.n + t->due.waiting);
	MUST(s->rx_grown == t->mem.rx_grown);
	for (unsigned int i = 0; i < t->listeners_end; i++)
		MUST(t->listener[i].half_open == s->at[i] || !t->listener[i].used);
	n = 0;
	for (const struct tcp_sent *f = t->sent_pool; f != NULL; f = f->next, n++)
		MUST(n < t->sent_free);
	MUST(n == t->sent_free);
	return NULL;
}

const char *tcp_check(struct tcp *t)
{
	static uint32_t at[TCP_LISTENERS];
	struct sums s = {.at = at};

	memset(at, 0, t->listeners_end * sizeof(at[0]));
	for (uint32_t i = 0; i < t->conf.conns_max; i++)
		if (used(&t->conns[i])) {
			sum(&s, &t->conns[i]);
			TRY(conn_ok(&t->conns[i]));
		}
	TRY(tables_ok(t, &s));
	for (int k = 0; k < TCP_LISTS; k++)
		TRY(list_ok(t, (enum tcp_list_kind)k, s.listed[k]));
	TRY(output_ok(t, s.on_output));
	TRY(wheel_ok(t, s.waits));
	TRY(sources_ok(t, &s));
	return time_wait_ok(t);
}

static uint32_t tree_segs(const struct tcp_run *r)
{
	return r == NULL ? 0 : r->segs + tree_segs(RB_LEFT(r, rb)) + tree_segs(RB_RIGHT(r, rb));
}

uint32_t tcp_check_mbufs(const struct tcp *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->conf.conns_max; i++) {
		const struct tcp_conn *c = &t->conns[i];

		if (used(c))
			n += c->busy->txq.segs + c->busy->rxq.segs +
			     tree_segs(c->busy->runs_tree.rbh_root);
	}
	return n;
}

/* --- nobody is forgotten ------------------------------------------------------------- */

static bool any_timer(const struct tcp_conn *c, uint32_t kinds)
{
	return (c->timers_on & kinds) != 0;
}

static const char *conn_settled(const struct tcp_conn *c)
{
	bool woken = c->on_output || c->busy->pace.waits || any_timer(c, 1u << TCP_T_RETRY) ||
		     tcp_listed(c, TCP_L_ROOM);
	bool synchronized = tcp_synchronized((enum tcp_state)c->state);
	bool outstanding = c->snd_una != c->snd_max || (synchronized && tcp_tx_bytes(c) > 0) ||
			   (c->fin_queued && !c->fin_sent);
	bool acked_late = any_timer(c, 1u << TCP_T_DELACK);

	MUST(!outstanding || woken || any_timer(c, 1u << TCP_T_REXMT | 1u << TCP_T_PERSIST));
	MUST(!(c->ack_now || c->dupacks_due > 0 || c->syn_due) || woken);
	MUST(!synchronized || c->unacked_bytes == 0 || acked_late || woken);
	MUST(c->state != TCP_FIN_WAIT_2 || !c->detached || any_timer(c, 1u << TCP_T_LINGER));
	MUST(!synchronized || !c->keepalive || any_timer(c, 1u << TCP_T_KEEP));
	MUST(outstanding || !tcp_is_busy(c) || c->busy->rxq.len > 0 || c->busy->runs != NULL ||
	     any_timer(c, 1u << TCP_T_QUIET));
	return NULL;
}

const char *tcp_check_settled(struct tcp *t)
{
	for (uint32_t i = 0; i < t->conf.conns_max; i++)
		if (lives(&t->conns[i]))
			TRY(conn_settled(&t->conns[i]));
	return t->dead_list == 0 ? NULL : "t->dead_list == 0";
}

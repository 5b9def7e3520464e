/*
 * dataplane/tcp/cubic.c - CUBIC: the window is a function of the time since the last loss.
 *
 * Source  RFC 9438; RFC 9406 (HyStart++) for the first slow start. Windows are bytes.
 */
#include "dataplane/tcp/cubic.h"
#include "dataplane/tcp/hystart.h"
#include "dataplane/tcp/internal.h"

/* One stage of congestion avoidance. */
struct epoch {
	uint32_t start_ms;
	uint32_t w_max; /* of the curve */
	uint32_t k_ms;
	uint32_t w_est; /* what Reno would have (section 4.3) */
};

/* The first slow start, or after it. */
union stage {
	struct tcp_hystart hystart;
	struct epoch epoch;
};

struct cubic {
	union stage now, before; /* before the last loss (section 4.9) */
	uint32_t w_max, w_max_before;
	uint32_t cwnd_prior; /* before the last reduction */
	uint32_t acked_ms;   /* time of the last ACK */
	uint32_t est_acked;  /* bytes since w_est last grew */
	uint32_t rest;       /* of the division that gave cwnd's last growth */
	bool in_epoch, in_epoch_before;
};
_Static_assert(sizeof(struct cubic) <= TCP_CC_PRIVATE, "what a connection keeps for it");

static struct cubic *priv(struct tcp_conn *c)
{
	return (struct cubic *)(void *)c->busy->cc_private;
}

/* beta_cubic = 0.7 (section 4.6). */
static uint32_t beta(uint32_t w)
{
	return (uint32_t)((uint64_t)w * 7 / 10);
}

/*
 * Section 4.2. Without a loss before it, or from above W_max, the curve begins at its plateau
 * (sections 4.8 and 4.10).
 */
static void epoch_begins(struct cubic *p, const struct tcp_conn *c, uint32_t now_ms)
{
	struct epoch *e = &p->now.epoch;

	*e = (struct epoch){.start_ms = now_ms, .w_max = c->cwnd, .w_est = c->cwnd};
	if (c->cwnd < p->w_max) {
		e->w_max = p->w_max;
		e->k_ms = tcp_cubic_k_ms(p->w_max - c->cwnd, c->mss);
	}
	p->est_acked = p->rest = 0;
	p->in_epoch = true;
}

/* cwnd grows to what the curve says of one round trip from now (section 4.2, "target"). */
static void follow_curve(struct cubic *p, struct tcp_conn *c, uint32_t acked, uint32_t now_ms)
{
	const struct epoch *e = &p->now.epoch;
	uint32_t t = now_ms - e->start_ms + (uint32_t)(c->srtt_us / TCP_MS);
	uint64_t target = tcp_cubic_window(e->w_max, c->mss, t, e->k_ms), sum;

	target = min_u64(target, (uint64_t)c->cwnd + c->cwnd / 2);
	if (target <= c->cwnd)
		return;
	sum = (target - c->cwnd) * min_u64(acked, c->cwnd) + p->rest;
	p->rest = (uint32_t)(sum % c->cwnd);
	tcp_cc_grow(c, (uint32_t)(sum / c->cwnd));
}

/*
 * Section 4.3. alpha_cubic = 3 * (1 - 0.7) / (1 + 0.7) = 9 / 17 of a segment in a round trip,
 * until the window before the loss is reached: then Reno's one.
 */
static void follow_reno(struct cubic *p, struct tcp_conn *c, uint32_t acked)
{
	struct epoch *e = &p->now.epoch;
	uint32_t per_seg = c->cwnd;

	if (e->w_est < p->cwnd_prior)
		per_seg = (uint32_t)((uint64_t)c->cwnd * 17 / 9);
	p->est_acked += min_u64(acked, c->cwnd);
	if (p->est_acked >= per_seg) {
		p->est_acked -= per_seg;
		e->w_est = min_u64((uint64_t)e->w_est + c->mss, TCP_CWND_MAX);
	}
	if (e->w_est > c->cwnd)
		tcp_cc_grow(c, e->w_est - c->cwnd);
}

static void avoid(struct cubic *p, struct tcp_conn *c, const struct tcp_cc_ack *a, uint32_t acked)
{
	uint32_t now_ms = (uint32_t)(a->now_us / TCP_MS);

	if (!p->in_epoch)
		epoch_begins(p, c, now_ms);
	else if (!a->limited) /* section 5.8: time in which cwnd could not grow does not count */
		p->now.epoch.start_ms += now_ms - p->acked_ms;
	p->acked_ms = now_ms;
	if (!a->limited)
		return;
	follow_curve(p, c, acked, now_ms);
	follow_reno(p, c, acked);
}

static void cubic_acked(struct tcp_conn *c, const struct tcp_cc_ack *a)
{
	struct cubic *p = priv(c);
	uint32_t acked = a->acked;

	if (c->ssthresh == TCP_SSTHRESH_INF) {
		(void)tcp_hystart_acked(&p->now.hystart, c, a);
		return;
	}
	if (c->cwnd < c->ssthresh) {
		acked = a->limited ? tcp_cc_slow_start(c, acked) : 0;
		if (acked == 0)
			return;
	}
	avoid(p, c, a, acked);
}

/* Sections 4.6 and 4.7; 4.8 for a time-out. */
static uint32_t cubic_lost(struct tcp_conn *c, enum tcp_cc_loss why, uint32_t pipe, uint64_t now_us)
{
	struct cubic *p = priv(c);

	(void)pipe, (void)now_us;
	p->before = p->now;
	p->w_max_before = p->w_max;
	p->in_epoch_before = p->in_epoch;

	/* Fast convergence: who did not come as far as last time makes room for somebody new. */
	p->w_max = c->cwnd < p->w_max ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd;
	if (why == TCP_CC_RTO)
		p->w_max = 0;
	p->cwnd_prior = c->cwnd;
	p->in_epoch = false;
	/* cwnd, not what was in flight: it does not grow while it is not used. */
	return max_u64(beta(c->cwnd), 2u * c->mss);
}

static void cubic_undo(struct tcp_conn *c)
{
	struct cubic *p = priv(c);

	p->now = p->before;
	p->w_max = p->w_max_before;
	p->in_epoch = p->in_epoch_before;
}

static void cubic_idle(struct tcp_conn *c, uint64_t idle_us)
{
	struct cubic *p = priv(c);
	uint32_t idle_ms = (uint32_t)(idle_us / TCP_MS);

	if (!p->in_epoch)
		return;
	p->now.epoch.start_ms += idle_ms;
	p->acked_ms += idle_ms;
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.acked = cubic_acked,
	.lost = cubic_lost,
	.undo = cubic_undo,
	.idle = cubic_idle,
};

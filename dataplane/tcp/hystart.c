/* dataplane/tcp/hystart.c - see hystart.h. */
#include "dataplane/tcp/hystart.h"

#include "dataplane/tcp/internal.h"

/* RFC 9406 section 4.3. */
#define MIN_RTT_THRESH_US  (4 * TCP_MS)
#define MAX_RTT_THRESH_US  (16 * TCP_MS)
#define MIN_RTT_DIVISOR    8
#define N_RTT_SAMPLE       8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS         5

/* "At the start of each round during standard slow start or CSS". */
static void round_begins(struct tcp_hystart *h)
{
	h->last_round_us = h->this_round_us;
	h->this_round_us = 0;
	h->samples = 0;
}

static void sample(struct tcp_hystart *h, uint32_t rtt_us)
{
	if (rtt_us == 0)
		return;
	if (h->this_round_us == 0 || rtt_us < h->this_round_us)
		h->this_round_us = rtt_us;
	if (h->samples < UINT16_MAX)
		h->samples++;
}

static bool rtt_grew(const struct tcp_hystart *h)
{
	uint64_t thresh = h->last_round_us / MIN_RTT_DIVISOR;

	if (h->samples < N_RTT_SAMPLE || h->last_round_us == 0)
		return false;
	thresh = max_u64(MIN_RTT_THRESH_US, min_u64(thresh, MAX_RTT_THRESH_US));
	return h->this_round_us >= h->last_round_us + thresh;
}

static void grow(const struct tcp_hystart *h, struct tcp_conn *c, uint32_t acked)
{
	if (!tcp_pace_on(c))
		acked = min_u64(acked, (uint32_t)TCP_CC_L_NOT_PACED * c->mss);
	tcp_cc_grow(c, h->css_baseline_us != 0 ? acked / CSS_GROWTH_DIVISOR : acked);
}

bool tcp_hystart_acked(struct tcp_hystart *h, struct tcp_conn *c, const struct tcp_cc_ack *a)
{
	if (a->limited)
		grow(h, c, a->acked);
	sample(h, a->rtt_us);
	if (h->css_baseline_us == 0) {
		if (rtt_grew(h)) {
			h->css_baseline_us = h->this_round_us;
			h->css_rounds = 0;
		}
	} else if (h->samples >= N_RTT_SAMPLE && h->this_round_us < h->css_baseline_us) {
		h->css_baseline_us = 0; /* it was no queue: slow start goes on */
	}
	if (!a->round_ended)
		return false;
	round_begins(h);
	if (h->css_baseline_us == 0 || ++h->css_rounds < CSS_ROUNDS)
		return false;
	c->ssthresh = c->cwnd;
	return true;
}

/*
 * Segments with a valid checksum into each state of a connection (RFC 9293 3.10.7).
 *
 * Input: a state, then steps of 8 bytes: flags, sequence number and acknowledgement relative
 * to what is expected (signed, scaled), length, window, what else happens (time passes, the user
 * writes, reads, closes). The stack must keep its own invariants, answer no segment with
 * more than it may, deliver nothing but the peer's bytes in order, and lose no mbuf.
 */
#include "tests/sim/raw.h"
#include "tests/util/fuzz.h"

/* Small numbers stay small, large ones reach everywhere. */
static uint32_t offset(uint8_t v)
{
	int32_t s = (int8_t)v;
	uint32_t m = (uint32_t)(s < 0 ? -s : s);

	if (m >= 96)
		m = UINT32_C(1) << RTE_MIN(m - 96, 31u);
	else if (m >= 64)
		m = (m - 63) * 1000;
	return s < 0 ? 0 - m : m;
}

static void invariants(struct raw *r)
{
	struct tcp_conn *c = raw_conn(r);

	check(!r->app.wrong);
	check(r->v.bad == 0);
	check(r->v.changed == 0);
	if (c == NULL)
		return;
	check(seq_le(c->snd_una, c->snd_nxt) && seq_le(c->snd_nxt, c->snd_max));
	check(seq_le(c->rcv_nxt, c->rcv_adv));
	check(c->busy->tx_off <= c->busy->txq.len);
	check((c->busy->runs == NULL) == (c->busy->runs_n == 0));
	check((c->state == TCP_SYN_SENT || c->mss > 0) && c->cwnd < UINT32_C(1) << 31);
}

static void user(struct raw *r, uint8_t what)
{
	if (r->app.s == NULL)
		return;
	switch (what) {
	case 1:
		r->app.tx_total += 3000;
		break;
	case 2:
		r->app.paused = !r->app.paused;
		break;
	case 3:
		r->app.no_shutdown = false;
		break;
	case 4:
		app_close(&r->app);
		break;
	case 5:
		app_abort(&r->app);
		break;
	default:
		break;
	}
}

static void step(struct raw *r, const uint8_t *p)
{
	struct tcp_conn *c = raw_conn(r);
	uint32_t rcv_nxt = c != NULL && c->state != TCP_SYN_SENT ? c->rcv_nxt : r->snd_nxt;
	uint32_t snd_nxt = c != NULL ? c->snd_max : r->rcv_nxt;
	uint32_t seq = rcv_nxt + offset(p[1]);
	uint32_t irs = c != NULL && c->state != TCP_SYN_SENT ? c->irs : seq;

	user(r, p[7] & 7);
	r->wnd = (uint16_t)(p[4] << 8 | p[5]);
	r->ts = p[6] & 1;
	r->ts_val = p[6];
	r->out_n = 0;
	raw_send_at(r, p[0], seq, snd_nxt + offset(p[2]), seq + !!(p[0] & SYN) - irs - 1,
		    p[3] * 5u);
	raw_run(r, (uint64_t)1 << (p[7] >> 3 & 31) % 26);
	invariants(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct raw r;

	if (size == 0)
		return 0;
	fuzz_start(NULL, 0, 0);
	raw_state(&r, (enum tcp_state)(data[0] % TCP_STATES));
	for (size_t i = 1; i + 8 <= size && i < 8 * 64; i += 8)
		step(&r, data + i);
	check(raw_fini(&r));
	return 0;
}

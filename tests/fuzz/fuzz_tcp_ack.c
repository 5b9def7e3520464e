/*
 * Acknowledgements at a sender with much in flight: any number, any SACK blocks, any timestamp
 * echo, while it writes, waits and times out. Nearly right ones mostly, so that they are believed.
 *
 * Input: options of the peer, then steps of 12 bytes: the number, three blocks of (place, length),
 * the echo, the window, what else happens. After each step the scoreboard is walked and
 * counted again; nothing is in flight beyond the peer's window; at the end nothing is lost.
 */
#include "tests/sim/board.h"
#include "tests/sim/raw.h"
#include "tests/util/fuzz.h"

#define STEP 12

/* A place near what is in flight: in its 200 parts, or a little outside. */
static uint32_t place(const struct tcp_conn *c, uint8_t v)
{
	uint32_t flight = c->snd_max - c->snd_una;

	if (v < 200)
		return c->snd_una + (uint32_t)((uint64_t)flight * v / 199);
	if (v < 240)
		return c->snd_una + (v - 220u);
	return c->snd_max + (v - 248u) * 1000;
}

static void invariants(struct raw *r)
{
	struct tcp_conn *c = raw_conn(r);
	const char *wrong;

	check(r->v.bad == 0);
	if (c == NULL || !tcp_synchronized((enum tcp_state)c->state))
		return;
	wrong = board_wrong(c);
	if (wrong != NULL)
		fprintf(stderr, "%s\n", wrong);
	check(wrong == NULL);
	check(c->cwnd >= c->mss && c->cwnd <= TCP_CWND_MAX);
	check(seq_le(c->snd_una, c->snd_nxt) && seq_le(c->snd_nxt, c->snd_max));
	check(tcp_pipe(c) <= c->snd_nxt - c->snd_una);
}

static void step(struct raw *r, const uint8_t *p)
{
	struct tcp_conn *c = raw_conn(r);
	struct tcp_opts o = {.has_ts = r->ts, .ts_val = r->ts_val++};

	if (c == NULL)
		return;
	o.sack_n = p[1] % 4;
	for (unsigned int i = 0; i < o.sack_n; i++) {
		o.sack[i].start = place(c, p[2 + 2 * i]);
		o.sack[i].end = o.sack[i].start + p[3 + 2 * i] * 97u;
	}
	o.ts_ecr = tcp_ts_now(c, r->v.now_us) - p[8];
	r->wnd = (uint16_t)(p[9] << 8);
	r->opt_len = (uint32_t)tcp_opts_build(&o, r->opt);
	if (r->app.s != NULL && r->app.tx_total < UINT32_C(1) << 20)
		r->app.tx_total += p[10] * 64u;
	raw_clear(r);
	raw_send_at(r, ACK, r->snd_nxt, place(c, p[0]), 0, 0);
	raw_run(r, (uint64_t)1 << p[11] % 23);
	invariants(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct raw r;
	struct tcp_opts o = {.has_mss = true, .mss = 1460};

	if (size == 0)
		return 0;
	fuzz_start(NULL, 0, 0);
	raw_init(&r, (struct tcp_conf){0});
	app_listen(&r.app, 22, 4);
	o.has_sack_perm = data[0] & 1;
	o.has_ts = r.ts = (data[0] & 2) != 0;
	o.ts_val = r.ts_val = 100;
	r.opt_len = (uint32_t)tcp_opts_build(&o, r.opt);
	raw_send(&r, SYN, 0);
	r.opt_len = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 60000);
	for (size_t i = 1; i + STEP <= size && i < STEP * 64; i += STEP)
		step(&r, data + i);
	check(raw_fini(&r));
	return 0;
}

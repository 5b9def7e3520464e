/* tests/sim/diff_play.c - the peer of a script, and what an end's segments come to: see diff.h. */
#include "tests/sim/diff.h"

#include <string.h>

#include "tests/sim/app.h"
#include "tests/sim/raw.h"

#define HEADROOM 64 /* for an IP header */

struct player {
	struct diff_end *end;
	const struct diff_script *script;
	uint16_t peer_port, end_port;
	uint32_t snd_nxt;
	bool has_iss, has_irs;
	uint32_t iss, seen; /* the end's first number, and behind its highest */
	uint32_t irs;       /* of the peer's SYN that it took */
	uint32_t syn_seq;   /* of the last SYN sent to it */
	uint32_t seg_end;   /* of the step's segment, relative */
	uint32_t told;      /* the highest the end acknowledged, relative */
	bool ts_on;
	uint32_t ts_val, ts_ecr;
};

/* An unknown option, a wrong length, then nothing readable: RFC 9293 MUST-6, MUST-7. */
static const uint8_t strange[] = {253, 4, 1, 2, 1, 30, 1, 0};

static uint32_t options(struct player *p, const struct diff_step *st, uint8_t *b)
{
	struct tcp_opts o = {0};
	uint32_t n = 0;

	if (st->flags & SYN)
		o = p->script->syn;
	o.has_ts = (st->flags & SYN ? p->script->syn.has_ts : p->ts_on) && st->ts != DIFF_TS_NONE;
	o.ts_val = st->ts == DIFF_TS_OLD ? p->ts_val - 100000 : p->ts_val;
	o.ts_ecr = st->flags & ACK ? p->ts_ecr : 0;
	if (st->strange_options && !(st->flags & SYN) && !o.has_ts) {
		memcpy(b, strange, sizeof(strange));
		n = sizeof(strange);
	}
	return n + (uint32_t)tcp_opts_build(&o, b + n);
}

static void segment(struct player *p, const struct diff_step *st)
{
	uint8_t buf[HEADROOM + TCP_HDR_MAX + 2048] = {0}, *b = buf + HEADROOM;
	struct rte_tcp_hdr *h = (void *)b;
	uint32_t seq = p->snd_nxt + (uint32_t)st->dseq;
	uint32_t ack = (p->has_iss ? p->seen : DIFF_NO_ISS) + (uint32_t)st->dack;
	uint32_t n = TCP_HDR_MIN + options(p, st, b + TCP_HDR_MIN);
	bool syn = (st->flags & SYN) != 0;
	uint32_t first = seq + syn, irs = syn && !p->has_irs ? seq : p->irs; /* of its bytes */

	*h = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16(p->peer_port),
		.dst_port = rte_cpu_to_be_16(p->end_port),
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = st->flags & ACK ? rte_cpu_to_be_32(ack) : 0,
		.data_off = (uint8_t)(n / 4 << 4),
		.tcp_flags = st->flags,
		.rx_win = rte_cpu_to_be_16(st->wnd),
		.tcp_urp = rte_cpu_to_be_16(st->urg),
	};
	for (uint32_t i = 0; i < st->len; i++)
		b[n + i] = app_pattern(RAW_RX_KEY, first + i - irs - 1);
	if (syn)
		p->syn_seq = seq;
	p->seg_end = first + st->len + !!(st->flags & FIN) - DIFF_ISS;
	p->end->segment(p->end, b, n + st->len);
	p->ts_val += 1;
	if (st->counts)
		p->snd_nxt += st->len + !!(st->flags & SYN) + !!(st->flags & FIN);
}

/* --- what came back ------------------------------------------------------------------------------
 */

static uint32_t end_rel(const struct player *p, uint32_t seq)
{
	return seq - (p->has_iss ? p->iss : DIFF_NO_ISS);
}

static void take_syn(struct player *p, const struct diff_out *o, struct diff_result *r)
{
	r->syn = true;
	r->syn_opts = o->opts;
	p->end_port = o->src_port;
	p->ts_on = o->opts.has_ts && p->script->syn.has_ts;
	if (!p->has_iss || p->iss != o->seq) {
		p->iss = o->seq;
		p->seen = o->seq + 1;
	}
	p->has_iss = true;
}

/* By a timer, or because of a duplicate ACK. */
static bool sent_again(const struct player *p, const struct diff_out *o)
{
	uint32_t end = o->seq + o->len + !!(o->flags & FIN);

	return !(o->flags & SYN) && end != o->seq && seq_le(end, p->seen);
}

static void take_data(struct player *p, const struct diff_out *o, struct diff_result *r)
{
	uint32_t end = o->seq + o->len, fin_end = end + !!(o->flags & FIN);

	if (sent_again(p, o)) {
		r->again = true;
		return;
	}
	if (o->len > 0 && seq_gt(end, p->seen)) {
		if (r->data_len == 0)
			r->data_from = end_rel(p, p->seen);
		r->data_len += end - p->seen;
	}
	r->fin |= (o->flags & FIN) != 0;
	p->seen = fin_end;
}

static void take(struct player *p, const struct diff_out *o, struct diff_result *r)
{
	if (o->opts.has_ts)
		p->ts_ecr = o->opts.ts_val;
	if ((o->flags & (ACK | RST)) == ACK) {
		r->has_ack = true;
		r->ack = o->ack - DIFF_ISS;
		r->wnd_zero = o->wnd == 0;
		p->told = seq_max(p->told, r->ack);
		if (!p->has_irs) {
			p->irs = p->syn_seq;
			p->has_irs = true;
		}
	}
	if (o->flags & RST) {
		r->rst = true;
		r->rst_has_ack = (o->flags & ACK) != 0;
		r->rst_seq = o->seq == 0 ? 0 : end_rel(p, o->seq);
		r->rst_ack = r->rst_has_ack ? o->ack - DIFF_ISS : 0;
	} else if (o->flags & SYN) {
		take_syn(p, o, r);
	} else if (o->len > 0 || o->flags & FIN) {
		take_data(p, o, r);
	} else {
		r->bare = true;
	}
}

static void collect(struct player *p, struct diff_result *r)
{
	struct diff_out out[DIFF_OUTS];
	unsigned int n = p->end->outputs(p->end, out, DIFF_OUTS);

	*r = (struct diff_result){.told = p->told};
	for (unsigned int i = 0; i < n; i++)
		take(p, &out[i], r);
	r->told = p->told;
	r->seg_end = p->seg_end;
	p->end->view(p->end, &r->view);
	if (r->view.state == TCP_TIME_WAIT || !r->view.open)
		r->view.state = TCP_CLOSED;
}

void diff_play(struct diff_end *e, const struct diff_script *s, uint16_t peer_port,
	       struct diff_result *ret)
{
	struct player p = {.end = e,
			   .script = s,
			   .peer_port = peer_port,
			   .end_port = DIFF_PORT,
			   .snd_nxt = DIFF_ISS,
			   .irs = DIFF_ISS,
			   .syn_seq = DIFF_ISS,
			   .ts_val = 1000000};

	e->begin(e, s->active, peer_port);
	collect(&p, &ret[0]);
	for (unsigned int i = 0; i < s->n; i++) {
		const struct diff_step *st = &s->step[i];

		if (st->is_call)
			e->call(e, st->call, st->n);
		else
			segment(&p, st);
		collect(&p, &ret[i + 1]);
	}
	e->finish(e);
}

static void view_print(FILE *f, const struct diff_view *v)
{
	static const char *const state[TCP_STATES] = {
		"CLOSED",     "LISTEN",  "SYN-SENT",  "SYN-RCVD",   "ESTABLISHED", "FIN-WAIT-1",
		"FIN-WAIT-2", "CLOSING", "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK"};

	if (!v->open)
		fprintf(f, "[not open%s]", v->err ? ", error" : "");
	else
		fprintf(f, "[%s in %u%s%s]", v->state < TCP_STATES ? state[v->state] : "?", v->in,
			v->eof ? ", end" : "", v->err ? ", error" : "");
}

void diff_result_print(FILE *f, const struct diff_result *r)
{
	if (r->syn)
		fprintf(f, "SYN(mss %u%s%s%s) ", r->syn_opts.mss,
			r->syn_opts.has_wscale ? " wscale" : "", r->syn_opts.has_ts ? " ts" : "",
			r->syn_opts.has_sack_perm ? " sack" : "");
	if (r->data_len > 0)
		fprintf(f, "data %u+%u ", r->data_from, r->data_len);
	if (r->fin)
		fprintf(f, "FIN ");
	if (r->rst)
		fprintf(f, "RST(seq %u%s %u) ", r->rst_seq, r->rst_has_ack ? " ack" : "",
			r->rst_ack);
	if (r->bare)
		fprintf(f, "ACK ");
	if (r->has_ack)
		fprintf(f, "ack %u%s ", r->ack, r->wnd_zero ? " zero window" : "");
	if (r->again)
		fprintf(f, "retransmission ");
	view_print(f, &r->view);
}

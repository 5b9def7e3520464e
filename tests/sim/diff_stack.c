/* tests/sim/diff_stack.c - our stack as an end of a script: see diff.h. */
#include "tests/sim/diff.h"

#include "tests/sim/raw.h"

#define TURN_US 100 /* of virtual time after each step: before any timer */

struct stack {
	struct diff_end end;
	struct raw r;
	bool bad; /* a byte or a buffer was lost in the last script */
};

static struct stack *of(struct diff_end *e)
{
	return (struct stack *)(void *)e;
}

static void begin(struct diff_end *e, bool active, uint16_t peer_port)
{
	struct raw *r = &of(e)->r;

	raw_init(r, (struct tcp_conf){0});
	r->app.paused = true;
	r->app.close_at_eof = false;
	r->peer_port = peer_port;
	if (active)
		vnet_connect(&r->app, RAW_PEER, peer_port);
	else
		app_listen(&r->app, DIFF_PORT, 4);
	raw_run(r, TURN_US);
	if (r->app.s != NULL)
		tcp_stream_nodelay(r->app.s, true);
}

static void segment(struct diff_end *e, uint8_t *tcp, uint32_t len)
{
	struct raw *r = &of(e)->r;
	struct net_addr src = vnet_addr(RAW_PEER), dst = vnet_addr(RAW_STACK);
	bool had = r->app.s != NULL;

	vnet_inject(&r->v, RAW_STACK, &src, &dst, tcp, len, 0);
	raw_run(r, TURN_US);
	if (had || r->app.s == NULL)
		return;
	tcp_stream_nodelay(r->app.s, true);
	tcp_listen_close(r->app.tcp, DIFF_PORT); /* one connection a script */
}

static void receive(struct raw *r, uint32_t n)
{
	r->app.read_max = n;
	r->app.paused = false;
	app_step(&r->app);
	r->app.paused = true;
}

static void call(struct diff_end *e, enum diff_call what, uint32_t n)
{
	struct raw *r = &of(e)->r;
	struct app *a = &r->app;

	if (a->s == NULL || !(a->connected || a->accepted))
		return;
	switch (what) {
	case DIFF_SEND:
		if (!a->was_shut)
			a->tx_total += n;
		break;
	case DIFF_RECV:
		receive(r, n);
		break;
	case DIFF_SHUTDOWN:
		a->s->ops->shutdown(a->s);
		a->was_shut = true;
		break;
	case DIFF_CLOSE:
		app_close(a);
		break;
	case DIFF_ABORT:
		app_abort(a);
		break;
	}
	raw_run(r, TURN_US);
}

static unsigned int outputs(struct diff_end *e, struct diff_out *out, unsigned int max)
{
	struct raw *r = &of(e)->r;
	unsigned int n = RTE_MIN(r->out_n, max);

	for (unsigned int i = 0; i < n; i++) {
		const struct vseg *s = &r->out[i];

		out[i] = (struct diff_out){.flags = s->flags,
					   .src_port = s->src_port,
					   .wnd = s->wnd,
					   .seq = s->seq,
					   .ack = s->ack,
					   .len = s->len,
					   .opts = s->opts};
	}
	raw_clear(r);
	return n;
}

static void view(struct diff_end *e, struct diff_view *ret)
{
	struct raw *r = &of(e)->r;
	const struct app *a = &r->app;

	*ret = (struct diff_view){.open = a->s != NULL, .err = a->error};
	if (a->s == NULL)
		return;
	ret->state = (uint8_t)tcp_of(a->s)->state;
	ret->eof = a->eof;
	ret->in = (uint32_t)(a->rx_total + a->s->ops->rx_len(a->s));
}

static void finish(struct diff_end *e)
{
	struct stack *s = of(e);

	s->bad = s->r.app.wrong;
	if (s->r.app.s != NULL)
		app_abort(&s->r.app);
	s->bad |= !raw_fini(&s->r);
}

static bool too_slow(struct diff_end *e)
{
	(void)e;
	return false;
}

struct diff_end *diff_stack(void)
{
	static struct stack s = {.end = {.name = "sluice",
					 .begin = begin,
					 .segment = segment,
					 .call = call,
					 .outputs = outputs,
					 .view = view,
					 .finish = finish,
					 .too_slow = too_slow}};

	return &s.end;
}

bool diff_stack_bad(void)
{
	return of(diff_stack())->bad;
}

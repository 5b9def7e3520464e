/*
 * dataplane/relay: ends are carried as they are (S-79). A FIN is an EOF and an EOF a FIN, behind
 * all bytes before it; a reset is a CLOSE without EOF; none is invented, whatever comes in which
 * order.
 */
#include "tests/util/relay_bench.h"

TestSuite(relay_close, .init = bench_start, .fini = bench_end, .timeout = 600);

static void link_forget(void)
{
	bench_settle();
	for (unsigned int i = 0; i < up_put; i++)
		free(bench_up[i].p);
	cr_assert_eq(down_got, down_put);
	up_put = up_got = down_put = down_got = 0;
}

/* What was done to a channel, and what was seen of it at either end. */
static struct world {
	struct client *c;
	struct bench_chan ch;
	/* the client's side */
	uint32_t sent, got; /* bytes */
	bool eof, close;    /* said */
	bool saw_eof, saw_close;
	/* the target's side */
	uint32_t given, taken;
	bool t_eof, t_reset;              /* said */
	bool t_shut, t_closed, t_aborted; /* seen */
} w;

static uint8_t pattern(bool up, uint32_t at)
{
	return (uint8_t)(at * 167 + (at >> 8) * 13 + up);
}

static void fill(uint8_t *buf, bool up, uint32_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf[i] = pattern(up, at + i);
}

/* The target takes what there is, and looks at each byte. */
static int target_tx(struct stream *s, struct pkt_chain *chain)
{
	static uint8_t buf[1 << 18];

	(void)fake_of(s);
	cr_assert_not(w.t_shut, "bytes behind a FIN");
	cr_assert(pkt_chain_read(chain, 0, buf, chain->len));
	for (uint32_t i = 0; i < chain->len; i++)
		cr_assert_eq(buf[i], pattern(true, w.taken + i));
	w.taken += chain->len;
	pkt_chain_free(chain);
	return 0;
}

static void target_shutdown(struct stream *s)
{
	(void)fake_of(s);
	cr_assert(w.eof, "a FIN nobody asked for");
	cr_assert_eq(w.taken, w.sent, "a FIN before the last byte");
	w.t_shut = true;
}

static void target_close(struct stream *s)
{
	fake_of(s)->closed = true;
	/* Of TCP's a close is a FIN, too: who says CLOSE means what he has sent to arrive. */
	cr_assert(w.eof || w.close, "a close that looks like a FIN");
	cr_assert_eq(w.taken, w.sent);
	w.t_closed = true;
}

static void target_abort(struct stream *s)
{
	fake_of(s)->aborted = true;
	w.t_aborted = true;
}

static void channel_new(struct client *c, uint32_t number)
{
	static struct stream_ops ops;

	ops = fake_ops;
	ops.tx = target_tx;
	ops.shutdown = target_shutdown;
	ops.close = target_close;
	ops.abort = target_abort;
	w = (struct world){.c = c, .ch = client_channel(c, number, 1 << 20)};
	w.ch.target->s.ops = &ops;
	link_forget();
}

static bool target_there(void)
{
	return !w.t_closed && !w.t_aborted;
}

/* All the client can read now. */
static void client_read(void)
{
	const uint8_t *p;
	size_t n;
	uint8_t msg;

	while ((msg = client_next(w.c, &p, &n)) != 0) {
		if (msg == SSH_MSG_CHANNEL_WINDOW_ADJUST)
			continue;
		cr_assert_not(w.saw_close, "%u behind CLOSE", msg);
		if (msg == SSH_MSG_CHANNEL_DATA) {
			cr_assert_not(w.saw_eof, "data behind EOF");
			for (uint32_t i = 0; i < n - 9; i++)
				cr_assert_eq(p[9 + i], pattern(false, w.got + i));
			w.got += (uint32_t)n - 9;
		} else if (msg == SSH_MSG_CHANNEL_EOF) {
			cr_assert(w.t_eof, "an EOF the target never gave");
			cr_assert_eq(w.got, w.given, "EOF before the last byte");
			w.saw_eof = true;
		} else {
			cr_assert_eq(msg, SSH_MSG_CHANNEL_CLOSE, "%u", msg);
			w.saw_close = true;
		}
	}
}

enum step { UP, EOF_UP, CLOSE_UP, DOWN, EOF_DOWN, RESET_DOWN, SETTLE, STEPS };

static bool may(enum step s)
{
	switch (s) {
	case UP:
	case EOF_UP:
		return !w.eof && !w.close;
	case CLOSE_UP:
		return !w.close;
	case DOWN:
		return target_there() && !w.t_eof && !w.t_reset;
	case EOF_DOWN:
		return target_there() && !w.t_eof && !w.t_reset;
	case RESET_DOWN:
		return target_there() && !w.t_reset;
	case SETTLE:
	case STEPS:
		break;
	}
	return true;
}

static void take(enum step s, uint32_t n)
{
	static uint8_t buf[1 << 16];

	switch (s) {
	case UP:
		fill(buf, true, w.sent, n);
		w.sent += n;
		client_data(w.c, w.ch.local, buf, n);
		break;
	case EOF_UP:
		w.eof = true;
		client_simple(w.c, SSH_MSG_CHANNEL_EOF, w.ch.local);
		break;
	case CLOSE_UP:
		w.close = true;
		client_simple(w.c, SSH_MSG_CHANNEL_CLOSE, w.ch.local);
		break;
	case DOWN:
		fill(buf, false, w.given, n);
		w.given += n;
		fake_give(w.ch.target, buf, n);
		break;
	case EOF_DOWN:
		w.t_eof = true;
		fake_eof(w.ch.target);
		break;
	case RESET_DOWN:
		w.t_reset = true;
		fake_fail(w.ch.target, -ECONNRESET);
		break;
	case SETTLE:
	case STEPS:
		client_read();
		break;
	}
}

/* The end of channel that control is told of. */
static const struct link_chan_end *told(void)
{
	const struct link_hdr *h;

	bench_settle();
	while ((h = up_next()) != NULL)
		if (h->type == LINK_EV_CHAN_END)
			return link_msg_body(h);
	return NULL;
}

/* Everything has come as far as it comes by itself. */
static void check_rest(void)
{
	client_read();
	if (!w.close && !w.t_reset) {
		cr_assert_eq(w.taken, w.sent);
		cr_assert_eq(w.got, w.given);
		cr_assert_eq(w.t_shut || w.t_closed, w.eof);
		cr_assert_eq(w.saw_eof, w.t_eof);
		cr_assert_not(w.t_aborted);
		/* Both ways are done: the channel is (RFC 4254 section 5.3). */
		cr_assert_eq(w.saw_close, w.eof && w.t_eof);
	}
	if (w.t_reset || w.close)
		cr_assert(w.saw_close, "no CLOSE");
	if (w.t_reset && !w.t_eof)
		cr_assert_not(w.saw_eof);
}

static void play(struct rnd *r, struct client *c, uint32_t number)
{
	const struct link_chan_end *end;
	unsigned int steps = 1 + rnd_below(r, 10);

	channel_new(c, number);
	for (unsigned int i = 0; i < steps; i++) {
		enum step s = (enum step)rnd_below(r, STEPS);

		if (may(s))
			take(s, 1 + rnd_below(r, rnd_below(r, 8) == 0 ? 30000 : 300));
		if (rnd_below(r, 2) == 0)
			bench_settle();
	}
	check_rest();
	if (may(CLOSE_UP))
		take(CLOSE_UP, 0);
	client_read();
	cr_assert(w.saw_close);
	cr_assert_not(target_there(), "a target that is held for nobody");
	end = told();
	cr_assert_not_null(end);
	cr_assert_eq(end->bytes_to_peer, w.got);
	cr_assert(end->bytes_from_peer >= w.taken && end->bytes_from_peer <= w.sent);
	pkt_chain_free(&w.ch.target->rx);
	w.ch.target->used = false;
	link_forget();
}

Test(relay_close, s79_any_order_of_ends)
{
	uint64_t seed = rnd_seed();
	uint32_t worlds = test_long() ? 100000 : 500;
	struct client c = client_login();
	struct link_audit_ack ack = {0};

	for (uint32_t i = 0; i < worlds; i++) {
		struct rnd r = {seed + i};

		play(&r, &c, i);
		ack.audit_id = i + 1;
		down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
		link_forget();
	}
	client_free(&c);
}

/* A FIN one way, and very much the other way behind it. */
Test(relay_close, s79_much_goes_on_behind_a_fin)
{
	uint64_t all = test_long() ? UINT64_C(1) << 30 : 2 << 20;
	struct client c = client_login();

	channel_new(&c, 1);
	take(EOF_UP, 0);
	bench_settle();
	cr_assert(w.t_shut);
	while (w.given < all) {
		take(DOWN, 32768);
		client_read();
		cr_assert_not(w.saw_eof || w.saw_close);
		if (w.given % (512 * 1024) == 0)
			client_adjust(&c, w.ch.local, 512 * 1024);
	}
	cr_expect_eq(w.got, w.given);
	take(EOF_DOWN, 0);
	client_read();
	cr_expect(w.saw_eof && w.saw_close && w.t_closed);
	client_free(&c);
}

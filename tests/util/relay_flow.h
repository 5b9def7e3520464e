/*
 * tests/util/relay_flow.h - clients and targets that move as much as they may, over a relay on a
 * bench. Time is virtual; between turns it goes on as a shard that sleeps sees it.
 */
#ifndef SLUICE_TESTS_UTIL_RELAY_FLOW_H
#define SLUICE_TESTS_UTIL_RELAY_FLOW_H

#include "dataplane/relay/internal.h"
#include "tests/util/relay_bench.h"

#define TICK_US 100 /* SHARD_TICK_US */
#define MOST_US 5000
#define S       UINT64_C(1000000)
#define KBIT    UINT64_C(125)
#define MBIT    (1000 * KBIT)
#define GBIT    (1000 * MBIT)

/* A client that sends, and is sent, as much as it can. */
struct flow {
	struct client *c;
	struct bench_chan ch;
	struct chan *inside;
	uint32_t size; /* of its messages, and of the target's segments */
	bool in, out;
	bool stuck; /* its target reads nothing */
	uint64_t sent;
};

static inline struct client client_with(const struct link_caps *caps)
{
	struct link_authenticated a = bench_auth;
	struct client c = client_new("aes128-gcm@openssh.com", "");

	a.window_size = 4 << 20;
	a.window_auto = 1;
	client_ident(&c);
	client_kex(&c);
	if (caps != NULL)
		down(LINK_IT_CAPS, c.h, caps, sizeof(*caps), NULL, 0);
	client_auth(&c, &a);
	return c;
}

static inline struct chan *inside(const struct client *c, const struct bench_chan *ch)
{
	return chan_find(conn_find(bench, &c->h), ch->local);
}

static inline struct flow flow_on(struct client *c, uint32_t number, uint32_t size, bool in,
				  bool out)
{
	struct flow f = {.c = c, .size = size, .in = in, .out = out};

	f.ch = client_channel(c, number, UINT32_MAX);
	f.inside = inside(c, &f.ch);
	return f;
}

static inline void feed(struct flow *f)
{
	static uint8_t data[BENCH_PACKET];
	struct fake *t = f->ch.target;

	while (f->out && t->rx.len < 256 * 1024 && t->rx.segs < 200) {
		uint16_t n = (uint16_t)RTE_MIN(f->size, (uint32_t)PKT_DATA_ROOM);

		pkt_chain_append(&t->rx,
				 cut_mbuf(bench_pools.data, data, n, RTE_PKTMBUF_HEADROOM, false));
		if (t->s.events == 0)
			stream_notify(&t->s, STREAM_EV_READABLE);
	}
	for (unsigned int i = 0; f->in && i < 64; i++) {
		uint64_t way = f->sent - f->inside->bytes_from_peer;

		if (f->c->f->rx.len > 128 * 1024 ||
		    f->inside->rwin.window_size < f->inside->adjust + way + f->size)
			break;
		client_data(f->c, f->ch.local, data, f->size);
		f->sent += f->size;
	}
	if (t->tx.len > 0 && !f->stuck)
		fake_drain(t, NULL, t->tx.len);
	if (f->c->f->tx.len > 0)
		fake_drain(f->c->f, NULL, f->c->f->tx.len);
}

static inline uint64_t then(void)
{
	uint64_t next = relay_next_timer_us(bench), least = bench_now + TICK_US;

	next = RTE_MAX(next, least);
	least = bench_now + MOST_US;
	return RTE_MIN(next, least);
}

static inline void pass(struct flow *f, unsigned int n, uint64_t us)
{
	uint64_t end = bench_now + us;

	while (bench_now < end) {
		for (unsigned int i = 0; i < n; i++)
			feed(&f[i]);
		for (unsigned int turns = 0; turns < 64 && bench_turn() > 0; turns++)
			for (unsigned int i = 0; i < n; i++)
				feed(&f[i]);
		bench_now = RTE_MIN(end, then());
	}
}

static inline uint64_t moved(const struct flow *f, enum link_way way)
{
	/* What was held is not moved yet. */
	if (way == LINK_IN)
		return f->inside->bytes_from_peer -
		       (f->inside->conn->capped ? cap_held(f->inside) : 0);
	return f->inside->bytes_to_peer;
}

/* Its streams are for others. */
static inline void go(struct client *c)
{
	fake_fail(c->f, -ECONNRESET);
	bench_settle();
	up_got = up_put;
	client_free(c);
}

static inline void expect_rate(uint64_t bytes, uint64_t rate, uint64_t us, const char *what)
{
	double want = (double)rate * (double)us / 1e6, off = (double)bytes / want - 1;

	cr_expect(off < 0.02 && off > -0.02, "%s: %.2f %% off %llu bytes/s in %llu ms", what,
		  100 * off, (unsigned long long)rate, (unsigned long long)us / 1000);
}

#endif

/*
 * F-36: a few connections that move all they can, beside thousands that type. Time is virtual: a
 * byte of a turn costs what it costs a core at 1 GB/s, a connection that is visited 300 ns.
 */
#include "dataplane/relay/internal.h"

#define MICE_MAX      10000
#define ELEPHANTS_MAX 24
#define BENCH_CONNS   (MICE_MAX + ELEPHANTS_MAX)
#define BENCH_STREAMS (2 * BENCH_CONNS)
#define BENCH_MSGS    (24 * BENCH_CONNS)
#define BENCH_TABLE   16384
#include "tests/util/relay_bench.h"

TestSuite(relay_mice, .init = bench_start, .fini = bench_end);

#define QUANTUM  (64 * 1024) /* ReadQuantum */
#define BYTE_NS  1
#define VISIT_NS 300
#define MS       UINT64_C(1000000)

struct end {
	struct client c;
	struct bench_chan ch;
	uint64_t typed_ns; /* 0: nothing is under way */
	bool echoed;
};

static struct world {
	struct end elephant[ELEPHANTS_MAX], mouse[MICE_MAX];
	unsigned int n_elephants, n_mice;
	uint64_t now_ns, moved[ELEPHANTS_MAX], visits;
	uint64_t *late_ns; /* of each keystroke that came back */
	unsigned int n_late, late_max;
	uint32_t busy[MICE_MAX]; /* mice that wait */
	unsigned int n_busy;
	struct rnd r;
} w;

static void end_new(struct end *e, uint32_t window)
{
	struct link_authenticated a = bench_auth;

	a.window_size = window;
	e->c = client_new("aes128-gcm@openssh.com", "");
	client_ident(&e->c);
	client_kex(&e->c);
	client_auth(&e->c, &a);
	e->ch = client_channel(&e->c, 1, UINT32_MAX / 2);
}

static void world_init(unsigned int elephants, unsigned int mice, unsigned int keystrokes)
{
	w.n_elephants = elephants;
	w.n_mice = mice;
	w.r = rnd_new(rnd_seed());
	w.late_max = keystrokes;
	w.late_ns = calloc(keystrokes, sizeof(*w.late_ns));
	bench->windows_max = UINT64_C(1) << 40;
	for (unsigned int i = 0; i < elephants; i++)
		end_new(&w.elephant[i], 15 << 20);
	for (unsigned int i = 0; i < mice; i++)
		end_new(&w.mouse[i], 64 << 10);
	quantum_init(&bench->quantum, QUANTUM, 0, 1);
}

/* Full buffers: the pool is not what this is about. */
static void give(struct fake *f, const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n; at += PKT_DATA_ROOM)
		pkt_chain_append(&f->rx, cut_mbuf(bench_pools.data, p + at,
						  (uint16_t)RTE_MIN(n - at, (size_t)PKT_DATA_ROOM),
						  RTE_PKTMBUF_HEADROOM, false));
	stream_notify(&f->s, STREAM_EV_READABLE);
}

/* As much as a turn may take is always there, both ways, and whatever goes out is taken. */
static void feed(unsigned int i)
{
	static uint8_t data[SSH_CHAN_DATA_HEAD + BENCH_PACKET];
	struct end *e = &w.elephant[i];
	const uint8_t *p;
	struct ssh_wr wr;
	size_t n;

	w.moved[i] += e->ch.target->tx.len + e->c.f->tx.len;
	fake_drain(e->ch.target, NULL, e->ch.target->tx.len);
	fake_drain(e->c.f, NULL, e->c.f->tx.len);
	while (e->c.f->rx.len < QUANTUM) {
		ssh_wr_init(&wr, data, sizeof(data));
		ssh_chan_data_head_build(&wr, e->ch.local, BENCH_PACKET);
		cr_assert_eq(ssh_flat_send(&e->c.flat, data, sizeof(data)), 0);
		p = ssh_flat_out(&e->c.flat, &n);
		give(e->c.f, p, n);
		ssh_flat_sent(&e->c.flat, n);
	}
	while (e->ch.target->rx.len < QUANTUM)
		give(e->ch.target, data, BENCH_PACKET);
}

static void type(void)
{
	uint32_t i = rnd_below(&w.r, w.n_mice);
	struct end *e = &w.mouse[i];

	if (e->typed_ns != 0)
		return;
	client_data(&e->c, e->ch.local, "k", 1);
	e->typed_ns = w.now_ns;
	e->echoed = false;
	w.busy[w.n_busy++] = i;
}

/* What came of it: at the target, which answers with a line, and back. */
static bool came_back(struct end *e)
{
	static const uint8_t line[80];

	if (!e->echoed && e->ch.target->tx.len > 0) {
		fake_drain(e->ch.target, NULL, e->ch.target->tx.len);
		fake_drain(e->c.f, NULL, e->c.f->tx.len);
		fake_give(e->ch.target, line, sizeof(line));
		e->echoed = true;
		return false;
	}
	if (!e->echoed || e->c.f->tx.len < sizeof(line))
		return false;
	fake_drain(e->c.f, NULL, e->c.f->tx.len);
	w.late_ns[w.n_late++] = w.now_ns - e->typed_ns;
	e->typed_ns = 0;
	return true;
}

static void turn(unsigned int keys)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < w.n_elephants; i++)
		feed(i);
	for (unsigned int i = 0; i < keys; i++)
		type();
	for (unsigned int i = 0; i < w.n_elephants; i++)
		bytes += w.elephant[i].c.f->rx.len + w.elephant[i].ch.target->rx.len;
	bench_turn();
	for (unsigned int i = 0; i < w.n_elephants; i++)
		bytes -= w.elephant[i].c.f->rx.len + w.elephant[i].ch.target->rx.len;
	w.now_ns += bytes * BYTE_NS + (w.n_elephants + w.n_busy) * (uint64_t)VISIT_NS;
	bench_now = 1000000 + w.now_ns / 1000;
	for (unsigned int i = 0; i < w.n_busy;) {
		if (w.n_late < w.late_max && came_back(&w.mouse[w.busy[i]]))
			w.busy[i] = w.busy[--w.n_busy];
		else
			i++;
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Runs until so many keystrokes came back. Their p99. */
static uint64_t run(unsigned int keys_a_turn)
{
	uint64_t p50, p99, most, least = UINT64_MAX, all = 0;

	for (unsigned int n = 0; w.n_late < w.late_max && n < 5000; n++)
		turn(keys_a_turn);
	cr_assert_eq(w.n_late, w.late_max, "every keystroke comes back");
	qsort(w.late_ns, w.n_late, sizeof(*w.late_ns), by_size);
	p50 = w.late_ns[w.n_late / 2];
	p99 = w.late_ns[(uint64_t)w.n_late * 99 / 100];
	most = w.late_ns[w.n_late - 1];
	for (unsigned int i = 0; i < w.n_elephants; i++) {
		least = RTE_MIN(least, w.moved[i]);
		all += w.moved[i];
	}
	printf("%u elephants, %u mice: %u keystrokes p50 %.2f p99 %.2f most %.2f ms; %.2f GB/s\n",
	       w.n_elephants, w.n_mice, w.n_late, (double)p50 / 1e6, (double)p99 / 1e6,
	       (double)most / 1e6, (double)all / (double)w.now_ns);
	cr_expect_geq(least * 10, all / w.n_elephants * 9, "the others have equal parts");
	cr_expect_geq(all * 10, w.now_ns * 8, "and nearly all of the core");
	return p99;
}

static void world_end(void)
{
	for (unsigned int i = 0; i < w.n_elephants; i++)
		client_free(&w.elephant[i].c);
	for (unsigned int i = 0; i < w.n_mice; i++)
		client_free(&w.mouse[i].c);
	free(w.late_ns);
}

Test(relay_mice, four_elephants_beside_thousands_that_type)
{
	world_init(4, test_long() ? MICE_MAX : 100, test_long() ? 50000 : 400);
	cr_expect_leq(run(test_long() ? 50 : 4), 20 * MS);
	world_end();
}

/* Six times as many that move much do not make it six times as late. */
Test(relay_mice, two_dozen_elephants_are_no_worse)
{
	world_init(24, test_long() ? 1000 : 20, test_long() ? 5000 : 100);
	cr_expect_leq(run(2), 4 * MS);
	world_end();
}

/* dataplane/relay/mem.c: while buffers are short, and when there are none (F-07). */
#include "dataplane/relay/internal.h"
#include "tests/util/relay_bench.h"

TestSuite(relay_mem, .init = bench_start, .fini = bench_end);

#define PIECE   240000 /* of a record of RECORD bytes, which is the rest of it */
#define RECORD  250000
#define SEGMENT 1400 /* so a piece is 172 buffers */

static struct rte_mbuf *taken[8192];
static unsigned int n_taken;

/* Takes all data buffers but some. */
static void leave(unsigned int some)
{
	n_taken = pkt_pool_free(bench_pools.data) - some;
	cr_assert_eq(rte_pktmbuf_alloc_bulk(bench_pools.data, taken, n_taken), 0);
}

static void give_back(void)
{
	rte_pktmbuf_free_bulk(taken, n_taken);
	n_taken = 0;
}

static struct conn *conn_of(const struct client *c)
{
	return conn_find(bench, &c->h);
}

/* A record of which n bytes have not come yet stands in the client's buffer. */
static void send_piece(struct client *c)
{
	static uint8_t ignore[RECORD] = {SSH_MSG_IGNORE};
	const uint8_t *p;
	size_t n;

	cr_assert_eq(ssh_flat_send(&c->flat, ignore, sizeof(ignore)), 0);
	p = ssh_flat_out(&c->flat, &n);
	cr_assert_geq(n, (size_t)PIECE);
	for (uint32_t at = 0; at < PIECE; at += SEGMENT)
		pkt_chain_append(&c->f->rx,
				 cut_mbuf(bench_pools.data, p + at,
					  (uint16_t)RTE_MIN(PIECE - at, (uint32_t)SEGMENT),
					  RTE_PKTMBUF_HEADROOM, false));
	stream_notify(&c->f->s, STREAM_EV_READABLE);
	ssh_flat_sent(&c->flat, PIECE);
	bench_settle();
}

static uint64_t held_by(const struct client *c)
{
	return (uint64_t)conn_of(c)->rx.in.segs * bench->mem.buf_cost;
}

static bool is_cut(const struct client *c)
{
	const struct conn *conn = conn_of(c);

	return conn == NULL || conn->state != CONN_OPEN;
}

/* What nobody has finished is bounded by what is free, not by the number of those who began. */
Test(relay_mem, unfinished_records_stop_at_what_is_free)
{
	struct client c[3];
	uint64_t free;

	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		c[i] = client_login();
	leave(800);
	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		send_piece(&c[i]);
	free = (uint64_t)pkt_pool_free(bench_pools.data) * bench->mem.buf_cost;
	cr_assert_lt(free, (uint64_t)bench->mem.low * bench->mem.buf_cost);
	cr_expect_leq(held_by(&c[2]), free, "the last holds no more than is free");
	cr_expect_gt(c[2].f->rx.len, 0, "the rest waits in its stream");
	cr_expect_gt(bench_count(RELAY_C_MEM_STOPPED), 0);
	give_back();
	bench_pass(RELAY_RETRY_US);
	for (unsigned int i = 0; i < RTE_DIM(c); i++) {
		client_push(&c[i]);
		bench_settle();
		cr_expect_eq(c[i].f->rx.len, 0, "when there is memory again all comes to its end");
		cr_expect_eq(conn_of(&c[i])->rx.in.len, 0);
		client_free(&c[i]);
	}
}

Test(relay_mem, who_holds_little_goes_on)
{
	struct client little = client_login(), much[2] = {client_login(), client_login()};
	struct bench_chan ch = client_channel(&little, 1, 1 << 20);
	static uint8_t data[1000];

	leave(900);
	send_piece(&much[0]);
	send_piece(&much[1]);
	for (int i = 0; i < 20; i++) {
		client_data(&little, ch.local, data, sizeof(data));
		bench_turn();
		cr_assert_eq(ch.target->tx.len, sizeof(data), "in the turn it came in");
		fake_drain(ch.target, NULL, sizeof(data));
	}
	give_back();
	client_free(&little);
	client_free(&much[0]);
	client_free(&much[1]);
}

Test(relay_mem, an_unfinished_record_in_scarce_memory_is_given_up)
{
	struct client c[3], fine = client_login();
	unsigned int cut = 0;

	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		c[i] = client_login();
	leave(800);
	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		send_piece(&c[i]);
	cr_assert_lt(pkt_pool_free(bench_pools.data), bench->mem.scarce);
	bench_pass(RELAY_UNFINISHED_US - 1000);
	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		cr_assert_not(is_cut(&c[i]), "it has its time");
	bench_pass(2000);
	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		cut += is_cut(&c[i]);
	cr_expect_gt(cut, 0);
	cr_expect_eq(bench_count(RELAY_C_MEM_CUT), cut);
	cr_expect_not(is_cut(&fine), "who holds nothing is nobody's trouble");
	give_back();
	for (unsigned int i = 0; i < RTE_DIM(c); i++)
		client_free(&c[i]);
	client_free(&fine);
}

/* They stood there before memory became scarce, and nobody looks at them any more. */
Test(relay_mem, also_one_that_is_silent_since_before)
{
	struct client c[2] = {client_login(), client_login()};

	send_piece(&c[0]);
	send_piece(&c[1]);
	bench_pass(RELAY_UNFINISHED_US);
	leave(bench->mem.reserve + 20);
	bench_pass(RELAY_RETRY_US);
	cr_expect_eq(bench_count(RELAY_C_MEM_CUT), 2);
	cr_expect(is_cut(&c[0]) && is_cut(&c[1]));
	give_back();
	client_free(&c[0]);
	client_free(&c[1]);
}

/* The same piece, for hours, while there is memory: that is a slow peer, and no more. */
Test(relay_mem, an_unfinished_record_may_take_its_time_otherwise)
{
	struct client c = client_login();

	send_piece(&c);
	bench_pass(100 * (uint64_t)RELAY_UNFINISHED_US);
	cr_expect_not(is_cut(&c));
	client_push(&c);
	bench_settle();
	cr_expect_eq(conn_of(&c)->rx.in.len, 0);
	client_free(&c);
}

/* What targets do not take counts, too: the peer that granted windows made others hold is read
 * last. */
Test(relay_mem, bytes_in_targets_count)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t data[BENCH_PACKET];

	client_data(&c, ch.local, data, sizeof(data));
	client_data(&c, ch.local, data, 20000);
	bench_settle();
	cr_expect_eq(conn_of(&c)->in_targets, sizeof(data) + 20000);
	leave(bench->mem.reserve + 10);
	client_data(&c, ch.local, data, 100);
	bench_settle();
	cr_expect_eq(conn_of(&c)->in_targets, sizeof(data) + 20000, "it is not read");
	fake_drain(ch.target, NULL, ch.target->tx.len);
	bench_pass(RELAY_RETRY_US);
	cr_expect_eq(conn_of(&c)->in_targets, 100);
	give_back();
	fake_fail(ch.target, -ECONNRESET);
	bench_settle();
	cr_expect_eq(conn_of(&c)->in_targets, 0);
	client_free(&c);
}

/* F-07: none, one, a few are left, for a while: nothing is lost but time. */
static void bytes_both_ways(struct client *c, struct bench_chan *ch, unsigned int left, uint64_t us)
{
	static uint8_t up[20000], down_bytes_[30000], got[sizeof(up)];
	uint32_t came = 0;
	const uint8_t *p;
	uint32_t seqnr;
	size_t n;

	for (uint32_t i = 0; i < sizeof(up); i++)
		up[i] = (uint8_t)(i % 251);
	for (uint32_t i = 0; i < sizeof(down_bytes_); i++)
		down_bytes_[i] = (uint8_t)(i % 241);
	client_data(c, ch->local, up, sizeof(up));
	fake_give(ch->target, down_bytes_, sizeof(down_bytes_));
	leave(left);
	for (uint64_t t = 0; t < us; t += us / 4) {
		bench_now += us / 4;
		for (int i = 0; i < 3; i++)
			bench_turn();
	}
	give_back();
	bench_pass(RELAY_RETRY_US);
	cr_assert_eq(ch->target->tx.len, sizeof(up), "%u left for %lu us", left, us);
	fake_drain(ch->target, got, sizeof(up));
	cr_assert_arr_eq(got, up, sizeof(up));
	bench_settle();
	client_pull(c);
	while (ssh_flat_next(&c->flat, &p, &n, &seqnr) == 0)
		for (size_t i = 9; p[0] == SSH_MSG_CHANNEL_DATA && i < n; i++)
			cr_assert_eq(p[i], came++ % 241);
	cr_assert_eq(came, sizeof(down_bytes_), "%u left for %lu us", left, us);
}

Test(relay_mem, an_empty_pool_costs_established_channels_time_only)
{
	static const unsigned int left[] = {0, 1, 64};
	static const uint64_t us[] = {1000, 1000000, 60000000};
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 24);

	for (unsigned int i = 0; i < RTE_DIM(left); i++)
		for (unsigned int k = 0; k < RTE_DIM(us); k++)
			bytes_both_ways(&c, &ch, left[i], us[k]);
	cr_expect_not(is_cut(&c));
	client_free(&c);
}

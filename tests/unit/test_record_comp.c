/*
 * dataplane/record, compressed: against ssh/flat.h as the peer, over mbufs cut at random; the
 * pools and the memory of the streams are full again at the end of each test.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "dataplane/record/record.h"
#include "ssh/err.h"
#include "ssh/flat.h"
#include "tests/util/cut.h"
#include "tests/util/eal.h"
#include "tests/util/suites.h"

#define STREAMS 3 /* of the larger kind, that there is room for */

static struct pkt_pools pools;
static struct cipher_engine *engine;
static struct record_batch *batch;
static struct zpool *zpool;
static struct ssh_flat peer;
static struct record_rx rx;
static struct record_tx tx;

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 8191, 255, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 4, &engine), 0);
	cr_assert_eq(record_batch_new(engine, &pools, &batch), 0);
	cr_assert_eq(zpool_new(STREAMS * ZPOOL_DEFLATE_PLACE, &zpool), 0);
	record_batch_zpool(batch, zpool);
	ssh_flat_init(&peer, engine);
	record_rx_init(&rx);
	record_tx_init(&tx);
	peer.rx.packet_max = peer.tx.packet_max = SSH_PACKET_MAX;
	rx.dir.packet_max = tx.dir.packet_max = SSH_PACKET_MAX;
}

static void end(void)
{
	record_rx_inflate_end(&rx, zpool);
	record_tx_deflate_end(&tx, zpool);
	record_rx_fini(&rx, engine);
	record_tx_fini(&tx, engine);
	ssh_flat_fini(&peer);
	cr_expect_eq(zpool_used(zpool), 0);
	zpool_free(zpool);
	record_batch_free(batch);
	cipher_engine_free(engine);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(record_comp, .init = start, .fini = end);

/* What text is like: half of it repeats. */
static void fill(uint8_t *p, uint32_t n, struct rnd *r)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = i > 300 && rnd_below(r, 40) > 0 ? p[i - 300] : (uint8_t)rnd_u32(r);
}

static void feed(struct rnd *r, uint32_t most)
{
	size_t n;
	const uint8_t *p = ssh_flat_out(&peer, &n);

	n = RTE_MIN(n, (size_t)most);
	cut_append(&rx.in, pools.data, r, p, (uint32_t)n, 1 + rnd_below(r, 1500));
	ssh_flat_sent(&peer, n);
}

static void open_all(void)
{
	int n;

	do {
		n = record_rx_gather(&rx, batch, CIPHER_BURST);
		record_open(batch);
	} while (n > 0 || n == -ENOSPC);
}

/* The next payload, in as many turns as it takes. */
static int next(struct pkt_chain *ret, unsigned int *turns)
{
	const struct pkt_chain *front;
	uint32_t seqnr;
	int r;

	*turns = 0;
	do {
		record_rx_turn(&rx);
		++*turns;
		r = record_rx_front(&rx, &front, &seqnr);
	} while (r == -EINPROGRESS);
	if (r == 0)
		record_rx_pop(&rx, ret);
	return r;
}

static bool same(const struct pkt_chain *c, const uint8_t *p, uint32_t n)
{
	static uint8_t got[SSH_PACKET_MAX];

	return c->len == n && pkt_chain_read(c, 0, got, n) && memcmp(got, p, n) == 0;
}

Test(record_comp, inflates_what_a_peer_deflates)
{
	static uint8_t payload[SSH_PACKET_MAX];
	struct rnd r = rnd_new(rnd_seed());
	unsigned int turns, most = 0;

	cr_assert_eq(record_rx_inflate(&rx, zpool, pools.data), 0);
	cr_assert_eq(ssh_flat_deflate(&peer, true), 0);
	for (unsigned int i = 0; i < 60; i++) {
		uint32_t n = 1 + rnd_below(&r, i % 9 == 0 ? 200000 : 4000);
		struct pkt_chain c;

		fill(payload, n, &r);
		cr_assert_eq(ssh_flat_send(&peer, payload, n), 0);
		feed(&r, UINT32_MAX);
		open_all();
		cr_assert_eq(next(&c, &turns), 0, "payload %u of %u", i, n);
		cr_assert(same(&c, payload, n), "payload %u of %u", i, n);
		pkt_chain_free(&c);
		most = RTE_MAX(most, turns);
	}
	cr_expect_gt(most, 1, "a large one takes more than a turn");
}

/* n bytes of plain text go in and come out at the peer. */
static unsigned int carry(const uint8_t *payload, uint32_t n, struct rnd *r)
{
	static uint8_t wire[2 * SSH_PACKET_MAX];
	uint32_t head = rnd_below(r, RTE_MIN(n, 10u));
	struct pkt_chain c = {0};
	unsigned int turns = 0;
	const uint8_t *got;
	uint32_t seqnr;
	size_t len;
	int x;

	cut_append(&c, pools.data, r, payload + head, n - head, 1 + rnd_below(r, 1500));
	record_tx_push(&tx, &c, payload, head);
	do {
		record_tx_turn(&tx);
		turns++;
		x = record_tx_gather(&tx, batch);
	} while (x == -EINPROGRESS);
	cr_assert_eq(x, 1);
	record_seal(batch);
	len = tx.out.len;
	cr_assert(pkt_chain_read(&tx.out, 0, wire, tx.out.len));
	pkt_chain_free(&tx.out);
	cr_assert_eq(ssh_flat_feed(&peer, wire, len), 0);
	cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), 0, "%u bytes", n);
	cr_assert(len == n && memcmp(got, payload, n) == 0, "%u bytes", n);
	return turns;
}

Test(record_comp, deflates_for_a_peer_also_after_rests_and_without_memory)
{
	static uint8_t payload[SSH_PACKET_MAX];
	struct rnd r = rnd_new(rnd_seed());
	void *hog[STREAMS] = {0};
	unsigned int most = 0;

	record_tx_deflate(&tx, zpool);
	cr_assert_eq(ssh_flat_inflate(&peer, true), 0);
	for (unsigned int i = 0; i < 90; i++) {
		uint32_t n = 2 + rnd_below(&r, i % 9 == 0 ? 200000 : 4000);

		if (i % 7 == 3) {
			record_tx_rest(&tx, zpool);
			cr_expect_eq(zpool_used(zpool), hog[0] ? STREAMS * ZPOOL_DEFLATE_PLACE : 0);
		}
		/* From here to there others have it all: what is sent is stored. */
		for (unsigned int k = 0; i == 31 && k < STREAMS; k++) {
			record_tx_rest(&tx, zpool);
			hog[k] = zpool_get(zpool, ZPOOL_DEFLATE);
			cr_assert_not_null(hog[k]);
		}
		for (unsigned int k = 0; i == 60 && k < STREAMS; k++)
			zpool_put(zpool, ZPOOL_DEFLATE, hog[k]);
		if (i == 60)
			hog[0] = NULL;
		fill(payload, n, &r);
		most = RTE_MAX(most, carry(payload, n, &r));
	}
	cr_expect_gt(most, 1, "a large one takes more than a turn");
	cr_expect_eq(zpool_refused(zpool, ZPOOL_DEFLATE), 60 - 31, "each payload is counted");
}

/*
 * What does not get shorter: zlib gives a block away when it has seen 16 Ki symbols, and takes
 * nothing while that does not fit into an mbuf. The last bytes of a payload may come just then.
 */
Test(record_comp, the_last_bytes_wait_for_room, .timeout = 30)
{
	static uint8_t payload[20000];
	struct rnd r = rnd_new(rnd_seed());

	record_tx_deflate(&tx, zpool);
	cr_assert_eq(ssh_flat_inflate(&peer, true), 0);
	for (uint32_t n = 16300; n < 19000; n += 60) {
		for (uint32_t i = 0; i < n; i++)
			payload[i] = (uint8_t)rnd_u32(&r);
		carry(payload, n, &r);
	}
}

Test(record_comp, a_stream_that_begins_without_memory_is_one, .timeout = 30)
{
	static uint8_t payload[140000];
	struct rnd r = rnd_new(rnd_seed());
	void *hog[STREAMS];

	for (unsigned int k = 0; k < STREAMS; k++)
		hog[k] = zpool_get(zpool, ZPOOL_DEFLATE);
	record_tx_deflate(&tx, zpool);
	cr_assert_eq(ssh_flat_inflate(&peer, true), 0);
	fill(payload, sizeof(payload), &r);
	carry(payload, sizeof(payload), &r);
	carry(payload, 20, &r);
	for (unsigned int k = 0; k < STREAMS; k++)
		zpool_put(zpool, ZPOOL_DEFLATE, hog[k]);
	carry(payload, 3000, &r);
	cr_expect_eq(zpool_used(zpool), ZPOOL_DEFLATE_PLACE);
}

/* What was pushed before is not compressed: USERAUTH_SUCCESS, and nothing behind it. */
Test(record_comp, compression_begins_behind_what_is_queued)
{
	static const uint8_t plain[] = "\x34", packed[] = "\x5e and more, and more, and more";
	struct rnd r = rnd_new(rnd_seed());
	struct pkt_chain c = {0};
	uint8_t wire[512];
	const uint8_t *got;
	uint32_t seqnr;
	size_t len;

	cut_append(&c, pools.data, &r, plain, 1, 100);
	record_tx_push(&tx, &c, NULL, 0);
	record_tx_deflate(&tx, zpool);
	cut_append(&c, pools.data, &r, packed, sizeof(packed), 100);
	record_tx_push(&tx, &c, NULL, 0);
	record_tx_turn(&tx);
	cr_assert_eq(record_tx_gather(&tx, batch), 2);
	record_seal(batch);
	len = tx.out.len;
	cr_assert(pkt_chain_read(&tx.out, 0, wire, tx.out.len));
	cr_assert_eq(ssh_flat_feed(&peer, wire, len), 0);
	cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), 0);
	cr_expect(len == 1 && got[0] == 0x34);
	cr_assert_eq(ssh_flat_inflate(&peer, true), 0);
	cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), 0);
	cr_expect(len == sizeof(packed) && memcmp(got, packed, len) == 0);
}

/* S-42: 256 KiB that inflate 1029 to 1 stop at the cap of a plain packet, and hold no more. */
Test(record_comp, s42_a_bomb_stops_at_the_plain_packet_cap)
{
	static uint8_t zeros[SSH_PACKET_MAX], bomb[SSH_PACKET_MAX];
	struct ssh_deflate *z = ssh_deflate_start(malloc(SSH_DEFLATE_MEM), true);
	struct rnd r = rnd_new(rnd_seed());
	size_t n = 0, got = 1, plain = 0;
	struct pkt_chain c;
	unsigned int turns;

	while (n < 250000) {
		const uint8_t *in = zeros;
		size_t in_len = sizeof(zeros);

		cr_assert_eq(ssh_deflate_run(z, &in, &in_len, SSH_DEFLATE_MORE, bomb + n,
					     sizeof(bomb) - n, &got),
			     0);
		plain += sizeof(zeros) - in_len;
		n += got;
	}
	free(z);
	cr_assert_gt(plain / n, 200);
	cr_assert_eq(record_rx_inflate(&rx, zpool, pools.data), 0);
	cr_assert_eq(ssh_flat_send(&peer, bomb, n), 0);
	feed(&r, UINT32_MAX);
	open_all();
	cr_expect_eq(next(&c, &turns), -SSH_E_COMP);
	cr_expect_eq(next(&c, &turns), -SSH_E_COMP, "again and again");
}

Test(record_comp, what_is_no_stream_is_refused)
{
	static const struct {
		const char *bytes;
		size_t len;
	} t[] = {
		{"\x00\x01\x02\x03", 4},                 /* no header */
		{"\x78\x9c\xff\xff\xff", 5},             /* a block type that there is not */
		{"\x78\x9c\x00\x05\x00\x00\x00", 7},     /* stored, with lengths that differ */
		{"\x78\x9c\x03\x00\x00\x00\x00\x01", 8}, /* the end of the stream */
		{"\x78\xbb\x01\x02\x03\x04", 6},         /* a preset dictionary */
		{"\x78\x9c", 2},                         /* a header, and no payload */
	};
	unsigned int turns;

	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		struct rnd r = {i};
		struct pkt_chain c;

		record_rx_fini(&rx, engine);
		record_rx_inflate_end(&rx, zpool);
		record_rx_init(&rx);
		ssh_flat_fini(&peer);
		ssh_flat_init(&peer, engine);
		cr_assert_eq(record_rx_inflate(&rx, zpool, pools.data), 0);
		cr_assert_eq(ssh_flat_send(&peer, t[i].bytes, t[i].len), 0);
		feed(&r, UINT32_MAX);
		open_all();
		cr_expect_eq(next(&c, &turns), -SSH_E_COMP, "case %u", i);
	}
}

/* An empty pool is a normal result: what was done so far is kept, both ways. */
Test(record_comp, an_empty_pool_loses_nothing)
{
	static struct rte_mbuf *hog[8191];
	static uint8_t payload[30000], wire[SSH_PACKET_MAX];
	struct rnd r = rnd_new(rnd_seed());
	struct pkt_chain c = {0};
	unsigned int n = 0, turns;
	const uint8_t *got;
	uint32_t seqnr;
	size_t len;
	int x;

	fill(payload, sizeof(payload), &r);
	cr_assert_eq(record_rx_inflate(&rx, zpool, pools.data), 0);
	record_tx_deflate(&tx, zpool);
	cr_assert_eq(ssh_flat_deflate(&peer, true), 0);
	cr_assert_eq(ssh_flat_inflate(&peer, true), 0);
	cr_assert_eq(ssh_flat_send(&peer, payload, sizeof(payload)), 0);
	feed(&r, UINT32_MAX);
	open_all();
	cut_append(&c, pools.data, &r, payload, sizeof(payload), 1400);
	record_tx_push(&tx, &c, NULL, 0);
	while ((hog[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	for (unsigned int i = 0; i < 40; i++) { /* one buffer more each time */
		struct pkt_chain in;

		if (c.len == 0) {
			x = next(&in, &turns);
			cr_assert(x == 0 || x == -ENOMEM, "%d", x);
			if (x == 0)
				c = in;
		}
		record_tx_turn(&tx);
		x = record_tx_gather(&tx, batch);
		cr_assert(x == 0 || x == 1 || x == -ENOMEM || x == -EINPROGRESS, "%d", x);
		rte_pktmbuf_free(hog[--n]);
	}
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	if (c.len == 0)
		cr_assert_eq(next(&c, &turns), 0);
	cr_expect(same(&c, payload, sizeof(payload)));
	pkt_chain_free(&c);
	do {
		record_tx_turn(&tx);
		x = record_tx_gather(&tx, batch);
	} while (x == -EINPROGRESS);
	record_seal(batch);
	len = tx.out.len;
	cr_assert(pkt_chain_read(&tx.out, 0, wire, tx.out.len));
	cr_assert_eq(ssh_flat_feed(&peer, wire, len), 0);
	cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), 0);
	cr_expect(len == sizeof(payload) && memcmp(got, payload, len) == 0);
}

Test(record_comp, the_budget_is_of_streams_and_promises_together)
{
	void *p[16];
	unsigned int n = 0;

	while (n < 64 && zpool_promise(zpool))
		n++;
	cr_expect_eq(n, STREAMS * ZPOOL_DEFLATE_PLACE / ZPOOL_INFLATE_PLACE);
	cr_expect_null(zpool_get(zpool, ZPOOL_INFLATE), "promised");
	zpool_unpromise(zpool);
	cr_expect_null(zpool_get(zpool, ZPOOL_DEFLATE));
	p[0] = zpool_get(zpool, ZPOOL_INFLATE);
	cr_expect_not_null(p[0]);
	memset(p[0], 0xaa, ZPOOL_INFLATE_PLACE);
	zpool_put(zpool, ZPOOL_INFLATE, p[0]);
	p[1] = zpool_get(zpool, ZPOOL_INFLATE);
	cr_expect_eq(p[1], p[0], "who left last makes room first");
	cr_expect_eq(((uint8_t *)p[1])[ZPOOL_INFLATE_PLACE - 1], 0, "wiped");
	zpool_put(zpool, ZPOOL_INFLATE, p[1]);
	while (--n > 0)
		zpool_unpromise(zpool);
}

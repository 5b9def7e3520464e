/*
 * dataplane/record: against ssh/flat.h as the peer, over mbufs cut at random; the pools are
 * full again at the end of each test.
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

static struct pkt_pools pools;
static struct cipher_engine *engine, *peer_engine;
static struct record_batch *batch;

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 8191, 255, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 4, &engine), 0);
	cr_assert_eq(cipher_engine_new(CIPHER_ENGINE_OPENSSL, SSH_PACKET_MAX + 4, &peer_engine), 0);
	cr_assert_eq(cipher_engine_legacy(engine), 0);
	cr_assert_eq(cipher_engine_legacy(peer_engine), 0);
	cr_assert_eq(record_batch_new(engine, &pools, &batch), 0);
}

static void end(void)
{
	record_batch_free(batch);
	cipher_engine_free(engine);
	cipher_engine_free(peer_engine);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(record, .init = start, .fini = end);

static void rekey(struct ssh_dir *d, struct cipher_engine *e, const struct cipher_suite *suite,
		  uint8_t seed)
{
	uint8_t key[CIPHER_KEY_MAX], iv[CIPHER_IV_MAX], mac[CIPHER_MAC_KEY_MAX];

	memset(key, seed, sizeof(key));
	memset(iv, seed + 1, sizeof(iv));
	memset(mac, seed + 2, sizeof(mac));
	cr_assert_eq(ssh_dir_rekey(d, e, suite, key, iv, mac, false, NULL), 0);
	d->packet_max = SSH_PACKET_MAX;
}

/* NULL behind the last. */
static const struct cipher_suite *suite_at(unsigned int i)
{
	return i < suites_count() ? suites_at(i) : NULL;
}

/* Of each suite. */
static uint64_t seeds_end(void)
{
	return rnd_seed() + (test_long() ? 6 : 3);
}

static void payload_fill(uint8_t *p, uint32_t n, uint32_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed + i * 13 + (i >> 7));
}

static bool payload_is(const struct pkt_chain *c, uint32_t n, uint32_t seed)
{
	static uint8_t got[SSH_PACKET_MAX], want[SSH_PACKET_MAX];

	if (c->len != n || !pkt_chain_read(c, 0, got, n))
		return false;
	payload_fill(want, n, seed);
	return memcmp(got, want, n) == 0;
}

static uint32_t payload_len(struct rnd *r)
{
	switch (rnd_below(r, 8)) {
	case 0:
		return 1 + rnd_below(r, 16);
	case 1:
		return 32768 + rnd_below(r, 16);
	case 2:
		return 100000 + rnd_below(r, 100000);
	default:
		return 1 + rnd_below(r, 3000);
	}
}

static void open_all(struct record_rx *rx)
{
	int n;

	do {
		n = record_rx_gather(rx, batch, CIPHER_BURST);
		record_open(batch);
	} while (n > 0 || n == -ENOSPC);
	cr_assert_neq(n, -ENOMEM, "the pool of the test is too small");
}

/* The peer seals, the bytes come in pieces of any size, the payloads come out. */
static void run_open(const struct cipher_suite *suite, uint64_t seed)
{
	struct rnd r = rnd_new(seed);
	static uint8_t payload[SSH_PACKET_MAX];
	struct ssh_flat peer;
	struct record_rx rx;
	uint32_t lens[40], next = 0;

	ssh_flat_init(&peer, peer_engine);
	record_rx_init(&rx);
	if (suite != cipher_suite_plain()) {
		rekey(&peer.tx, peer_engine, suite, 7);
		rekey(&rx.dir, engine, suite, 7);
	}
	for (uint32_t i = 0; i < RTE_DIM(lens); i++) {
		lens[i] =
			suite == cipher_suite_plain() ? 1 + rnd_below(&r, 30000) : payload_len(&r);
		payload_fill(payload, lens[i], i);
		cr_assert_eq(ssh_flat_send(&peer, payload, lens[i]), 0);
	}
	while (next < RTE_DIM(lens)) {
		const struct pkt_chain *front;
		struct pkt_chain got;
		uint32_t seqnr;
		size_t left;
		const uint8_t *p = ssh_flat_out(&peer, &left);
		uint32_t n = (uint32_t)RTE_MIN(left, (size_t)(1 + rnd_below(&r, 60000)));

		cut_append(&rx.in, pools.data, &r, p, n, 1 + rnd_below(&r, 1500));
		ssh_flat_sent(&peer, n);
		if (rnd_below(&r, 8) == 0) /* what was noted of its buffers is no longer so */
			record_rx_compact(&rx, pools.data);
		open_all(&rx);
		while (record_rx_front(&rx, &front, &seqnr) == 0) {
			cr_assert_eq(seqnr, next, "%s seed %lu", suite->cipher_name, seed);
			cr_assert(payload_is(front, lens[next], next), "%s/%s seed %lu record %u",
				  suite->cipher_name, suite->mac_name, seed, next);
			record_rx_pop(&rx, &got);
			pkt_chain_free(&got);
			next++;
		}
		cr_assert_eq(record_rx_front(&rx, &front, &seqnr), -EAGAIN,
			     "%s/%s seed %lu record %u of %u bytes: %d", suite->cipher_name,
			     suite->mac_name, seed, next, lens[next],
			     record_rx_front(&rx, &front, &seqnr));
	}
	record_rx_fini(&rx, engine);
	ssh_flat_fini(&peer);
}

Test(record, opens_what_any_suite_seals_over_random_cuts)
{
	for (unsigned int i = 0; suite_at(i) != NULL; i++)
		for (uint64_t seed = rnd_seed(); seed < seeds_end(); seed++)
			run_open(suite_at(i), seed * 1000 + i);
}

/* Payloads in random mbufs go in, the peer opens what comes out. */
static void run_seal(const struct cipher_suite *suite, uint64_t seed)
{
	struct rnd r = rnd_new(seed);
	static uint8_t payload[SSH_PACKET_MAX], wire[4 * SSH_PACKET_MAX];
	struct ssh_flat peer;
	struct record_tx tx;

	ssh_flat_init(&peer, peer_engine);
	record_tx_init(&tx);
	if (suite != cipher_suite_plain()) {
		rekey(&peer.rx, peer_engine, suite, 9);
		rekey(&tx.dir, engine, suite, 9);
	}
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t n = suite == cipher_suite_plain() ? 2 + rnd_below(&r, 30000)
							   : 1 + payload_len(&r);
		uint32_t head = rnd_below(&r, RTE_MIN(n, 10u));
		struct pkt_chain c = {0};
		const uint8_t *got;
		uint32_t seqnr;
		size_t len;

		payload_fill(payload, n, i);
		cut_append(&c, pools.data, &r, payload + head, n - head, 1 + rnd_below(&r, 1500));
		record_tx_push(&tx, &c, payload, head);
		cr_assert_gt(record_tx_gather(&tx, batch), 0);
		record_seal(batch);
		cr_assert_eq(tx.err, 0);
		len = tx.out.len;
		cr_assert(pkt_chain_read(&tx.out, 0, wire, tx.out.len));
		pkt_chain_free(&tx.out);
		cr_assert_eq(ssh_flat_feed(&peer, wire, len), 0);
		cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), 0, "%s seed %lu",
			     suite->cipher_name, seed);
		cr_assert(len == n && memcmp(got, payload, n) == 0, "%s/%s seed %lu record %u",
			  suite->cipher_name, suite->mac_name, seed, i);
		cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), -EAGAIN);
	}
	record_tx_fini(&tx, engine);
	ssh_flat_fini(&peer);
}

Test(record, seals_for_any_suite_from_random_mbufs)
{
	for (unsigned int i = 0; suite_at(i) != NULL; i++)
		for (uint64_t seed = rnd_seed(); seed < seeds_end(); seed++)
			run_seal(suite_at(i), seed * 1000 + i);
}

Test(record, one_burst_of_many_connections_and_suites)
{
	enum { CONNS = 12, RECORDS = 9 };
	static struct record_rx rx[CONNS];
	struct rnd r = {42};
	uint8_t payload[3000];
	unsigned int suites = 0, opened = 0;

	while (suite_at(suites) != NULL)
		suites++;
	for (unsigned int i = 0; i < CONNS; i++) {
		struct ssh_flat peer;
		size_t n;
		const uint8_t *p;

		ssh_flat_init(&peer, peer_engine);
		record_rx_init(&rx[i]);
		rekey(&peer.tx, peer_engine, suite_at(i % suites), (uint8_t)i);
		rekey(&rx[i].dir, engine, suite_at(i % suites), (uint8_t)i);
		for (uint32_t k = 0; k < RECORDS; k++) {
			payload_fill(payload, 100 * i + k + 1, k);
			cr_assert_eq(ssh_flat_send(&peer, payload, 100 * i + k + 1), 0);
		}
		p = ssh_flat_out(&peer, &n);
		cut_append(&rx[i].in, pools.data, &r, p, (uint32_t)n, 1400);
		ssh_flat_fini(&peer);
	}
	for (unsigned int i = 0; i < CONNS;) {
		int n = record_rx_gather(&rx[i], batch, RECORDS);

		if (n == -ENOSPC)
			opened += record_open(batch);
		else if (n <= 0)
			i++;
	}
	opened += record_open(batch);
	cr_expect_eq(opened, CONNS * RECORDS);
	for (unsigned int i = 0; i < CONNS; i++) {
		for (uint32_t k = 0; k < RECORDS; k++) {
			const struct pkt_chain *front;
			struct pkt_chain got;
			uint32_t seqnr;

			cr_assert_eq(record_rx_front(&rx[i], &front, &seqnr), 0);
			cr_assert(payload_is(front, 100 * i + k + 1, k));
			record_rx_pop(&rx[i], &got);
			pkt_chain_free(&got);
		}
		record_rx_fini(&rx[i], engine);
	}
}

/* The largest record in segments that need more pieces than a job has. */
Test(record, packs_a_largest_record_of_thin_segments)
{
	/* As TCP leaves them: behind Ethernet, IP and TCP headers (1340: through a tunnel). */
	static const struct {
		uint32_t len;
		uint16_t room;
	} seg[] = {{200, 64}, {536, 64}, {1000, 64}, {1000, 182}, {1340, 182}};
	static uint8_t payload[SSH_PAYLOAD_MAX];
	const struct cipher_suite *suite = cipher_suite_find("aes256-gcm@openssh.com", "");

	for (unsigned int i = 0; i < RTE_DIM(seg); i++) {
		const struct pkt_chain *front;
		struct ssh_flat peer;
		struct record_rx rx;
		const uint8_t *p;
		uint32_t seqnr;
		size_t n;

		ssh_flat_init(&peer, peer_engine);
		record_rx_init(&rx);
		rekey(&peer.tx, peer_engine, suite, 1);
		rekey(&rx.dir, engine, suite, 1);
		payload_fill(payload, sizeof(payload), i);
		cr_assert_eq(ssh_flat_send(&peer, payload, sizeof(payload)), 0);
		p = ssh_flat_out(&peer, &n);
		for (size_t off = 0; off < n; off += seg[i].len)
			pkt_chain_append(&rx.in, cut_mbuf(pools.data, p + off,
							  (uint16_t)RTE_MIN(n - off, seg[i].len),
							  seg[i].room, false));
		open_all(&rx);
		cr_assert_eq(record_rx_front(&rx, &front, &seqnr), 0);
		cr_expect(payload_is(front, sizeof(payload), i), "segments of %u", seg[i].len);
		record_rx_fini(&rx, engine);
		ssh_flat_fini(&peer);
	}
}

/* S-49: the bound is checked on the first bytes, and nothing is kept for a record that is refused.
 */
Test(record, length_bounds)
{
	static const struct {
		uint32_t packet_length, packet_max;
		int want; /* -EAGAIN: more is awaited */
	} t[] = {
		{0, SSH_PACKET_MAX_PREAUTH, -SSH_E_LENGTH},
		{1, SSH_PACKET_MAX_PREAUTH, -SSH_E_LENGTH},
		{4, SSH_PACKET_MAX_PREAUTH, -SSH_E_LENGTH},
		{5, SSH_PACKET_MAX_PREAUTH, -SSH_E_LENGTH}, /* not a multiple of the block */
		{12, SSH_PACKET_MAX_PREAUTH, -EAGAIN},
		{13, SSH_PACKET_MAX_PREAUTH, -SSH_E_LENGTH},
		{34996, SSH_PACKET_MAX_PREAUTH, -EAGAIN},
		{35004, SSH_PACKET_MAX_PREAUTH, -SSH_E_LENGTH},
		{35004, SSH_PACKET_MAX, -EAGAIN},
		{262140, SSH_PACKET_MAX, -EAGAIN},
		{262148, SSH_PACKET_MAX, -SSH_E_LENGTH},
		{0x80000004, SSH_PACKET_MAX, -SSH_E_LENGTH},
		{0xfffffffc, SSH_PACKET_MAX, -SSH_E_LENGTH},
		{0xffffffff, SSH_PACKET_MAX, -SSH_E_LENGTH},
	};

	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		uint8_t first[16] = {t[i].packet_length >> 24, t[i].packet_length >> 16,
				     t[i].packet_length >> 8, t[i].packet_length, 4};
		const struct pkt_chain *front;
		struct record_rx rx;
		uint32_t seqnr;

		if (t[i].packet_length == 12)
			first[4] = 10;
		record_rx_init(&rx);
		rx.dir.packet_max = t[i].packet_max;
		for (unsigned int k = 0; k < 8; k++) /* a byte at a time */
			pkt_chain_append(&rx.in, cut_mbuf(pools.data, first + k, 1, 128, false));
		open_all(&rx);
		cr_expect_eq(record_rx_front(&rx, &front, &seqnr), t[i].want, "length %u: %d",
			     t[i].packet_length, record_rx_front(&rx, &front, &seqnr));
		cr_expect_eq(eal_out(pools.data), 8);
		record_rx_fini(&rx, engine);
	}
}

/* S-49, S-62: padding that does not fit, an empty payload; plain, where all can be written. */
Test(record, padding_bounds)
{
	static const struct {
		uint8_t packet_length, padding;
		int want;
	} t[] = {
		{12, 0, -SSH_E_PADDING},
		{12, 3, -SSH_E_PADDING},
		{12, 4, 0},
		{12, 10, 0},
		{12, 11, -SSH_E_FORMAT},
		{12, 12, -SSH_E_PADDING},
		{12, 255, -SSH_E_PADDING},
		{252, 250, 0},
		{252, 251, -SSH_E_FORMAT},
		{252, 252, -SSH_E_PADDING},
	};

	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		uint8_t rec[256] = {0, 0, 0, t[i].packet_length, t[i].padding};
		const struct pkt_chain *front;
		struct record_rx rx;
		uint32_t seqnr;

		record_rx_init(&rx);
		pkt_chain_append(&rx.in,
				 cut_mbuf(pools.data, rec, t[i].packet_length + 4, 128, false));
		open_all(&rx);
		cr_expect_eq(record_rx_front(&rx, &front, &seqnr), t[i].want, "case %u", i);
		record_rx_fini(&rx, engine);
	}
}

/* Bytes as a TCP sender would go on with, until the error of S-69. */
static int told_in_the_end(struct record_rx *rx)
{
	static const uint8_t junk[1400];
	const struct pkt_chain *front;
	struct rnd r = {9};
	uint32_t seqnr;
	int err;

	for (uint32_t n = 0; n < SSH_PACKET_MAX + 4096; n += sizeof(junk)) {
		cut_append(&rx->in, pools.data, &r, junk, sizeof(junk), 1400);
		cr_assert_leq(rx->in.len, ssh_dir_record_max(&rx->dir) + sizeof(junk));
		open_all(rx);
		err = record_rx_front(rx, &front, &seqnr);
		if (err != -EAGAIN)
			return err;
		cr_assert_lt(n, SSH_PACKET_MAX + 2048, "it is never told");
	}
	return -EAGAIN;
}

/* A wrong bit anywhere: what came before is delivered, nothing of it or behind it is. */
Test(record, a_bad_record_ends_it_in_order)
{
	for (unsigned int i = 1; suite_at(i) != NULL; i++) {
		const struct cipher_suite *suite = suite_at(i);
		uint8_t payload[600], wire[4096];
		const struct pkt_chain *front;
		struct pkt_chain got;
		struct rnd r = {i};
		struct ssh_flat peer;
		struct record_rx rx;
		uint32_t seqnr;
		size_t n, one = 0;
		int err;

		ssh_flat_init(&peer, peer_engine);
		record_rx_init(&rx);
		rekey(&peer.tx, peer_engine, suite, 3);
		rekey(&rx.dir, engine, suite, 3);
		for (uint32_t k = 0; k < 3; k++) {
			payload_fill(payload, 600, k);
			cr_assert_eq(ssh_flat_send(&peer, payload, 600), 0);
			if (k == 0)
				ssh_flat_out(&peer, &one);
		}
		memcpy(wire, ssh_flat_out(&peer, &n), RTE_MIN(sizeof(wire), one * 3));
		cr_assert_eq(n, one * 3);
		/* Behind the length, up to the end of the tag. */
		wire[one + 16 + rnd_below(&r, (uint32_t)one - 16)] ^= 1u << rnd_below(&r, 8);
		cut_append(&rx.in, pools.data, &r, wire, (uint32_t)n, 700);
		open_all(&rx);
		cr_assert_eq(record_rx_front(&rx, &front, &seqnr), 0);
		cr_expect(payload_is(front, 600, 0));
		record_rx_pop(&rx, &got);
		pkt_chain_free(&got);
		err = record_rx_front(&rx, &front, &seqnr);
		if (suite_tells_late(suite)) {
			cr_expect_eq(err, -EAGAIN, "%s: %d", suite->cipher_name, err);
			err = told_in_the_end(&rx);
		}
		cr_expect_eq(err, -SSH_E_MAC, "%s/%s: %d", suite->cipher_name, suite->mac_name,
			     err);
		cr_expect_eq(record_rx_front(&rx, &front, &seqnr), -SSH_E_MAC);
		record_rx_fini(&rx, engine);
		ssh_flat_fini(&peer);
	}
}

/* An empty pool is a normal result both ways: later it goes on where it was. */
Test(record, an_empty_pool_loses_nothing)
{
	const struct cipher_suite *suite = cipher_suite_find("aes128-ctr", "hmac-sha2-256");
	static struct rte_mbuf *hog[8191];
	uint8_t payload[4000], wire[16384];
	const struct pkt_chain *front;
	struct pkt_chain c = {0};
	struct ssh_flat peer;
	struct record_rx rx;
	struct record_tx tx;
	unsigned int n = 0;
	const uint8_t *got;
	uint32_t seqnr;
	size_t len;

	ssh_flat_init(&peer, peer_engine);
	record_rx_init(&rx);
	record_tx_init(&tx);
	rekey(&peer.tx, peer_engine, suite, 3);
	rekey(&rx.dir, engine, suite, 3);
	rekey(&peer.rx, peer_engine, suite, 4);
	rekey(&tx.dir, engine, suite, 4);
	for (uint32_t k = 0; k < 2; k++) {
		payload_fill(payload, sizeof(payload), k);
		cr_assert_eq(ssh_flat_send(&peer, payload, sizeof(payload)), 0);
	}
	got = ssh_flat_out(&peer, &len);
	/* Every one foreign, and full to its end: opening and sealing need new mbufs. */
	for (size_t off = 0; off < len; off += 1000)
		pkt_chain_append(&rx.in, cut_mbuf(pools.data, got + off,
						  (uint16_t)RTE_MIN(len - off, 1000u), 0, true));
	pkt_chain_append(&c, cut_mbuf(pools.data, payload, 2000, 0, true));
	while ((hog[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;

	record_tx_push(&tx, &c, "x", 1);
	cr_expect_eq(record_rx_gather(&rx, batch, 8), -ENOMEM);
	cr_expect_eq(record_open(batch), 0);
	cr_expect_eq(record_tx_gather(&tx, batch), -ENOMEM);
	cr_expect_eq(record_seal(batch), 0);
	cr_expect_eq(tx.q.records, 1);
	rte_pktmbuf_free_bulk(hog, n);

	cr_expect_eq(record_rx_gather(&rx, batch, 8), 2);
	cr_expect_eq(record_open(batch), 2);
	cr_assert_eq(record_rx_front(&rx, &front, &seqnr), 0);
	cr_expect(payload_is(front, sizeof(payload), 0));
	cr_expect_eq(record_tx_gather(&tx, batch), 1);
	cr_expect_eq(record_seal(batch), 1);
	len = tx.out.len;
	cr_assert(pkt_chain_read(&tx.out, 0, wire, tx.out.len));
	cr_assert_eq(ssh_flat_feed(&peer, wire, len), 0);
	cr_assert_eq(ssh_flat_next(&peer, &got, &len, &seqnr), 0);
	cr_expect_eq(len, 2001);
	record_rx_fini(&rx, engine);
	record_tx_fini(&tx, engine);
	ssh_flat_fini(&peer);
}

/* S-08: the last number of a first key exchange is not given away. */
Test(record, the_sequence_number_does_not_wrap_before_keys)
{
	struct pkt_chain c = {0};
	struct record_tx tx;

	record_tx_init(&tx);
	tx.dir.seqnr = UINT32_MAX - 1;
	pkt_chain_append(&c, cut_mbuf(pools.data, "ab", 2, 128, false));
	record_tx_push(&tx, &c, NULL, 0);
	cr_expect_eq(record_tx_gather(&tx, batch), 1);
	record_seal(batch);
	pkt_chain_init(&c);
	pkt_chain_append(&c, cut_mbuf(pools.data, "ab", 2, 128, false));
	record_tx_push(&tx, &c, NULL, 0);
	cr_expect_eq(record_tx_gather(&tx, batch), -SSH_E_SEQUENCE);
	record_seal(batch);
	record_tx_fini(&tx, engine);
}

/*
 * net_input_burst(): any frames, in one mbuf or cut in two, at times of the input's choice.
 *
 * Input: frames, each behind a head of 4 bytes: length (big-endian), where to cut, and how many
 * tenths of a second pass before it. What comes out must lie inside its mbuf; every mbuf
 * is back in its pool at the end.
 */
#include "tests/util/frame.h"
#include "tests/util/fuzz.h"

static struct pkt_pools pools;

static struct net *make_net(struct wire *w)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 8};
	struct net_addr a = addr4(198, 18, 0, 2), any = addr4(0, 0, 0, 0);
	struct net_addr gw = addr4(198, 18, 0, 254);
	struct net *n = NULL;

	wire_init(w, 1);
	check(net_new(&conf, &n) == 0 && net_iface_add(n, "x", &w->port) == 0);
	check(net_addr_add(n, 0, &a, 24) == 0 && net_route_add(n, &any, 0, &gw) == 0);
	return n;
}

static struct rte_mbuf *frame(const uint8_t *p, size_t n, size_t cut)
{
	struct rte_mbuf *m, *rest;

	if (cut == 0 || cut >= n)
		return frame_bytes(pools.data, p, n);
	m = frame_bytes(pools.data, p, cut);
	rest = frame_bytes(pools.data, p + cut, n - cut);
	check(m != NULL && rest != NULL && rte_pktmbuf_chain(m, rest) == 0);
	return m;
}

static void one(struct net *n, struct wire *w, struct rte_mbuf *m, uint64_t now)
{
	struct rte_mbuf *tcp;
	const char *why;

	if (net_input_burst(n, 0, &m, 1, now, &tcp) == 1) {
		check(rte_mbuf_check(tcp, 1, &why) == 0);
		check(pkt_writable(tcp) && pkt_meta(tcp)->src.family == 4);
		rte_pktmbuf_free(tcp);
	}
	net_timers(n, now);
	net_flush(n);
	for (unsigned int i = 0; i < w->n; i++)
		check(w->out[i]->pkt_len <= 14 + 1500);
	wire_clear(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire w;
	uint64_t now = 1;
	struct net *n;

	fuzz_start(&pools, 255, 255);
	n = make_net(&w);
	while (size >= 4) {
		size_t len = (size_t)data[0] << 8 | data[1], cut = data[2];

		now += data[3] * 100000u;
		data += 4;
		size -= 4;
		len = RTE_MIN(len, size);
		len = RTE_MIN(len, (size_t)PKT_DATA_ROOM);
		one(n, &w, frame(data, len, cut), now);
		data += len;
		size -= len;
	}
	net_free(n);
	fuzz_all_back(&pools);
	return 0;
}

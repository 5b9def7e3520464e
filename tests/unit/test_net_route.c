/* dataplane/net: routes, and packets on their way out. */
#include "net_bench.h"

TestSuite(net_route, .init = start, .fini = end);

static const struct {
	uint8_t dst[4], hop[4];
	int iface; /* -1: none */
} routes[] = {
	{{198, 18, 0, 1}, {198, 18, 0, 1}, 0},
	{{198, 19, 0, 1}, {198, 19, 0, 1}, 1},
	{{8, 8, 8, 8}, {198, 18, 0, 254}, 0},
	{{10, 1, 2, 3}, {198, 19, 0, 7}, 1},
	{{10, 1, 3, 3}, {198, 19, 0, 8}, 1},
	{{198, 18, 0, 2}, {0}, -1},   /* ours */
	{{198, 18, 0, 255}, {0}, -1}, /* broadcast */
	{{198, 18, 0, 0}, {0}, -1},
	{{255, 255, 255, 255}, {0}, -1},
	{{224, 0, 0, 1}, {0}, -1},
	{{127, 0, 0, 1}, {0}, -1},
	{{0, 0, 0, 0}, {0}, -1},
};

Test(net_route, longest_prefix_wins)
{
	struct net_addr p16 = addr4(10, 1, 0, 0), p24 = addr4(10, 1, 2, 0);
	struct net_addr a = addr4(198, 19, 0, 8), b = addr4(198, 19, 0, 7);
	struct net_path path;

	cr_assert_eq(net_route_add(net, &p16, 16, &a), 0);
	cr_assert_eq(net_route_add(net, &p24, 24, &b), 0);
	for (size_t i = 0; i < RTE_DIM(routes); i++) {
		struct net_addr dst = {.family = 4};

		memcpy(dst.b, routes[i].dst, 4);
		if (routes[i].iface < 0) {
			cr_expect_eq(net_route(net, &dst, &path), -ENETUNREACH, "case %zu", i);
			continue;
		}
		cr_assert_eq(net_route(net, &dst, &path), 0, "case %zu", i);
		cr_expect_eq(path.iface, routes[i].iface, "case %zu", i);
		cr_expect_eq(memcmp(path.next_hop.b, routes[i].hop, 4), 0, "case %zu", i);
		cr_expect_eq(path.src.b[1], routes[i].iface == 0 ? 18 : 19, "case %zu", i);
		cr_expect_eq(path.mtu, 1500);
	}
}

Test(net_route, bad_addresses_and_routes_are_refused)
{
	struct net_addr host = addr4(10, 0, 0, 1), p = addr4(10, 0, 0, 0),
			gw = addr4(198, 18, 0, 9);
	struct net_addr far = addr4(9, 9, 9, 9), ours = addr4(198, 18, 0, 2);
	struct net_addr bc = addr4(198, 18, 0, 255), lo = addr4(127, 0, 0, 1);
	struct net_addr six = {.family = 6};

	cr_expect_eq(net_route_add(net, &host, 8, &gw), -EINVAL, "bits behind the prefix");
	cr_expect_eq(net_route_add(net, &p, 33, &gw), -EINVAL);
	cr_expect_eq(net_route_add(net, &six, 0, &gw), -EINVAL);
	cr_expect_eq(net_route_add(net, &p, 8, &far), -ENETUNREACH, "behind a gateway itself");
	cr_expect_eq(net_route_add(net, &p, 8, &ours), -ENETUNREACH);
	cr_expect_eq(net_route_add(net, &p, 8, &bc), -ENETUNREACH);
	cr_expect_eq(net_addr_add(net, 0, &ours, 24), -EEXIST);
	cr_expect_eq(net_addr_add(net, 1, &bc, 24), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &lo, 8), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &six, 24), -EINVAL);
	cr_expect_eq(net_addr_add(net, 2, &host, 24), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &host, 0), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &host, 33), -EINVAL);
	cr_expect_eq(net_route_add(net, &p, 8, &gw), 0);
	cr_expect_eq(net_route_add(net, &p, 8, &gw), -EEXIST);
}

Test(net_route, remembered_path_is_used_until_routes_change)
{
	struct net_addr dst = addr4(198, 19, 0, 1), p = addr4(10, 0, 0, 0),
			gw = addr4(198, 18, 0, 9);
	struct net_path path;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	cr_assert_eq(net_route(net, &dst, &path), 0);
	path.iface = 0; /* a way that is not the table's, to see it taken */
	rte_pktmbuf_append(m, 20);
	net_output(net, m, &path.src, &dst, IPPROTO_TCP, 64, 0, &path, now);
	net_flush(net);
	cr_expect_eq(wire.n, 1);
	cr_assert_eq(net_route_add(net, &p, 8, &gw), 0);
	m = rte_pktmbuf_alloc(pools.data);
	rte_pktmbuf_append(m, 20);
	net_output(net, m, &path.src, &dst, IPPROTO_TCP, 64, 0, &path, now);
	net_flush(net);
	cr_expect_eq(wire.n, 1);
	cr_expect_eq(inside.n, 1);
}

/* RFC 3168: what TCP says of ECN stands in the header, and in nothing else of it. */
Test(net_route, octet_of_ecn_and_dscp_is_sent_as_told)
{
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(198, 18, 0, 1);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	const struct rte_ipv4_hdr *h;

	learn(1, &peer_mac);
	rte_pktmbuf_append(m, 20);
	cr_assert_eq(net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0xba, NULL, now), 0);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	h = rte_pktmbuf_mtod_offset(wire.out[0], const struct rte_ipv4_hdr *,
				    sizeof(struct rte_ether_hdr));
	cr_expect_eq(h->type_of_service, 0xba);
	cr_expect_eq(rte_raw_cksum(h, sizeof(*h)), 0xffff);
}

Test(net_route, too_long_and_unroutable_packets_are_dropped)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(224, 1, 1, 1);

	rte_pktmbuf_append(m, 20);
	cr_expect_eq(net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now), -ENETUNREACH);
	cr_expect_eq(send_to(1, 1481), -EMSGSIZE);
	cr_expect_eq(send_to(1, 1480), 0);
	cr_expect_eq(dropped(NET_DROP_NO_ROUTE), 1);
	cr_expect_eq(dropped(NET_DROP_TOO_BIG), 1);
}

Test(net_route, full_port_keeps_a_bounded_list_in_order)
{
	learn(1, &peer_mac);
	wire.room = 10;
	for (int i = 0; i < 300; i++)
		send_to(1, (uint16_t)(20 + i));
	net_flush(net);
	cr_expect_eq(wire.n, 10);
	cr_expect_eq(dropped(NET_DROP_TX_FULL), 300 - NET_TX_MAX - 10);
	cr_expect_leq(net_next_timer_us(net), now + NET_TX_RETRY_US);
	wire.room = WIRE_MAX;
	net_flush(net);
	cr_assert_eq(wire.n, 10 + NET_TX_MAX);
	for (unsigned int i = 0; i < wire.n; i++)
		cr_expect_eq(wire.out[i]->pkt_len, 14 + 20 + 20 + i);
}

Test(net_route, no_buffer_for_an_answer_is_counted)
{
	struct rte_mbuf *m[1023];
	unsigned int n = 0;

	while (n < RTE_DIM(m) && (m[n] = rte_pktmbuf_alloc(pools.head)) != NULL)
		n++;
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	cr_expect_eq(dropped(NET_DROP_NO_MBUF), 1);
	cr_expect_eq(wire.n, 0);
	rte_pktmbuf_free_bulk(m, n);
}

Test(net_route, a_route_goes_and_the_next_best_is_taken)
{
	struct net_addr any = addr4(0, 0, 0, 0), ten = addr4(10, 0, 0, 0), dst = addr4(10, 1, 2, 3);
	struct net_addr via = addr4(198, 19, 0, 9), own = addr4(198, 19, 0, 0);
	uint32_t version;
	struct net_path p;

	cr_assert_eq(net_route_add(net, &ten, 8, &via), 0);
	cr_assert_eq(net_route(net, &dst, &p), 0);
	cr_expect_eq(p.iface, 1);
	version = net_routes_version(net);
	cr_expect_eq(p.version, version);
	cr_expect_eq(net_route_del(net, &ten, 9), -ENOENT);
	cr_expect_eq(net_route_del(net, &own, 24), -ENOENT, "a network of ours stays");
	cr_expect_eq(net_routes_version(net), version, "nothing changed");
	cr_assert_eq(net_route_del(net, &ten, 8), 0);
	cr_expect_neq(net_routes_version(net), version);
	cr_assert_eq(net_route(net, &dst, &p), 0);
	cr_expect_eq(p.iface, 0, "the default");
	cr_assert_eq(net_route_del(net, &any, 0), 0);
	cr_expect_eq(net_route(net, &dst, &p), -ENETUNREACH);
}

/* RFC 1122 3.3.4.3: the address of the network the next hop lies in. */
Test(net_route, the_source_is_of_the_network_that_leads_there)
{
	static const struct {
		uint8_t to[4], src[4];
	} cases[] = {
		{{198, 18, 0, 9}, {198, 18, 0, 2}},   {{192, 0, 2, 9}, {192, 0, 2, 7}},
		{{198, 18, 128, 9}, {198, 18, 0, 2}}, /* by the default gateway */
		{{10, 0, 0, 9}, {192, 0, 2, 7}},      /* by a gateway of the second network */
		{{198, 19, 0, 9}, {198, 19, 0, 2}},
	};
	struct net_addr second = addr4(192, 0, 2, 7), third = addr4(192, 0, 2, 8);
	struct net_addr ten = addr4(10, 0, 0, 0), via = addr4(192, 0, 2, 1);

	cr_assert_eq(net_addr_add(net, 0, &second, 24), 0);
	cr_assert_eq(net_addr_add(net, 0, &third, 24),
		     0); /* another of the same network: not first */
	cr_assert_eq(net_route_add(net, &ten, 8, &via), 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const uint8_t *t = cases[i].to;
		struct net_addr to = addr4(t[0], t[1], t[2], t[3]);
		struct net_path p;

		cr_assert_eq(net_route(net, &to, &p), 0, "case %zu", i);
		cr_expect_eq(memcmp(p.src.b, cases[i].src, 4), 0, "case %zu: %u.%u.%u.%u", i,
			     p.src.b[0], p.src.b[1], p.src.b[2], p.src.b[3]);
	}
}

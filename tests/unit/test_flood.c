/* tests/unit/test_flood.c - the packets of strangers are what their kind says. */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "perf/flood.h"

#define N 2000

static struct flood f;
static uint8_t frame[FLOOD_FRAME_MAX];
static const struct rte_ipv4_hdr *ip = (void *)(frame + sizeof(struct rte_ether_hdr));
static const struct rte_tcp_hdr *tcp =
	(void *)(frame + sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr));

static void begin(enum flood_kind kind)
{
	static const struct net_addr own = {.family = 4, .b = {198, 18, 0, 1}};
	static const struct net_addr gate = {.family = 4, .b = {198, 18, 0, 2}};
	static struct port port;

	flood_init(&f, kind, 1000, &port, NULL, &own, &gate, 22);
	f.own_port = 40000;
}

static bool sums_are_right(void)
{
	uint16_t len = rte_be_to_cpu_16(ip->total_length) - sizeof(*ip);
	uint32_t sum = rte_raw_cksum(tcp, len) + rte_ipv4_phdr_cksum(ip, 0);

	return rte_ipv4_cksum(ip) == 0 && __rte_raw_cksum_reduce(sum) == 0xffff;
}

static void expect_whole(uint16_t len)
{
	cr_assert_leq(len, FLOOD_FRAME_MAX - RTE_ETHER_CRC_LEN);
	cr_assert_eq(len, sizeof(struct rte_ether_hdr) + rte_be_to_cpu_16(ip->total_length));
	cr_assert(sums_are_right());
	cr_assert_eq(ip->dst_addr, RTE_BE32(RTE_IPV4(198u, 18, 0, 2)));
	cr_assert_eq(tcp->dst_port, RTE_BE16(22));
}

Test(flood, syns_are_whole_and_of_many)
{
	uint32_t last = 0, same = 0;

	begin(FLOOD_SYN);
	for (int i = 0; i < N; i++) {
		uint32_t src;

		expect_whole(flood_build(&f, frame));
		src = rte_be_to_cpu_32(ip->src_addr);
		cr_assert_eq(tcp->tcp_flags, RTE_TCP_SYN_FLAG);
		cr_assert_eq(tcp->data_off >> 4, 10);
		cr_assert_geq(src, RTE_IPV4(198u, 18, 1, 0));
		cr_assert_lt(src, RTE_IPV4(198u, 19, 255, 0));
		same += src == last;
		last = src;
	}
	cr_expect_lt(same, 10);
}

Test(flood, random_segments_are_whole)
{
	unsigned int flags[256] = {0}, seen = 0;

	begin(FLOOD_RANDOM);
	for (int i = 0; i < N; i++) {
		expect_whole(flood_build(&f, frame));
		flags[tcp->tcp_flags]++;
	}
	for (int i = 0; i < 256; i++)
		seen += flags[i] > 0;
	cr_expect_gt(seen, 240);
}

Test(flood, imix_is_seven_to_four_to_one_of_one_connection)
{
	unsigned int small = 0, middle = 0, large = 0;

	begin(FLOOD_IMIX);
	for (int i = 0; i < 12 * N; i++) {
		uint16_t len = flood_build(&f, frame);

		expect_whole(len);
		cr_assert_eq(ip->src_addr, RTE_BE32(RTE_IPV4(198u, 18, 0, 1)));
		cr_assert_eq(tcp->src_port, RTE_BE16(40000));
		small += len == 64 - RTE_ETHER_CRC_LEN;
		middle += len == 594 - RTE_ETHER_CRC_LEN;
		large += len == 1518 - RTE_ETHER_CRC_LEN;
	}
	cr_expect_eq(small + middle + large, 12 * N);
	cr_expect_float_eq((double)small / N, 7, 0.5);
	cr_expect_float_eq((double)middle / N, 4, 0.5);
	cr_expect_float_eq((double)large / N, 1, 0.2);
}

/* Something of the headers or of the frame's length contradicts the rest, or is never right. */
static bool is_wrong(uint16_t len)
{
	uint16_t total = rte_be_to_cpu_16(ip->total_length);

	if (len < sizeof(struct rte_ether_hdr) + sizeof(*ip) + sizeof(*tcp) ||
	    ip->version_ihl != RTE_IPV4_VHL_DEF || total < sizeof(*ip) + sizeof(*tcp) ||
	    total + sizeof(struct rte_ether_hdr) > len || ip->fragment_offset != 0 ||
	    ip->next_proto_id != 6 || !sums_are_right())
		return true;
	return ip->src_addr == ip->dst_addr || rte_be_to_cpu_32(ip->src_addr) >= 0xe0000000 ||
	       tcp->src_port == 0 || tcp->tcp_flags != RTE_TCP_SYN_FLAG ||
	       tcp->data_off >> 4 != 10 || ((const uint8_t *)(tcp + 1))[1] != 4;
}

Test(flood, malformed_is_never_right)
{
	begin(FLOOD_MALFORMED);
	for (int i = 0; i < 20 * N; i++) {
		uint16_t len;

		memset(frame, 0, sizeof(frame));
		len = flood_build(&f, frame);
		cr_assert_leq(len, FLOOD_FRAME_MAX);
		cr_assert(is_wrong(len), "packet %d of %u bytes", i, len);
	}
}

Test(flood, answers_are_told_from_ours)
{
	static struct rte_mbuf m;
	static const struct {
		uint32_t to;
		bool answer;
	} of[] = {
		{RTE_IPV4(198u, 18, 0, 1), false}, {RTE_IPV4(198u, 18, 7, 1), true},
		{RTE_IPV4(198u, 19, 9, 9), true},  {RTE_IPV4(10, 0, 0, 1), false},
		{RTE_IPV4(198u, 20, 0, 1), false},
	};
	struct rte_ether_hdr *eth = (void *)frame;

	begin(FLOOD_SYN);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	m.buf_addr = frame;
	m.data_len = 60;
	for (size_t i = 0; i < RTE_DIM(of); i++) {
		((struct rte_ipv4_hdr *)(frame + sizeof(*eth)))->dst_addr =
			rte_cpu_to_be_32(of[i].to);
		cr_expect_eq(flood_is_answer(&f, &m), of[i].answer, "case %zu", i);
	}
	m.data_len = 20;
	cr_expect_not(flood_is_answer(&f, &m));
}

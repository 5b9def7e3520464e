/* dataplane/net: what is believed of an ICMP error before TCP is asked, and the path MTU cache. */
#include <criterion/criterion.h>
#include <errno.h>
#include <time.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"
#include "tests/util/rnd.h"

#define SEC 1000000ull

static struct pkt_pools pools;
static struct wire wire;
static struct net *net;
static uint64_t now = 5 * SEC;
static struct net_icmp told;
static unsigned int told_n;

static void on_icmp(void *arg, const struct net_icmp *e, uint64_t at)
{
	cr_expect_eq(arg, &told);
	cr_expect_eq(at, now);
	told = *e;
	told_n++;
}

static void start(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 16};
	struct net_addr a = addr4(198, 18, 0, 2);

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 1023, 255, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(net_new(&conf, &net), 0);
	wire_init(&wire, 1);
	cr_assert_eq(net_iface_add(net, "x", &wire.port), 0);
	cr_assert_eq(net_addr_add(net, 0, &a, 24), 0);
	net_icmp_to(net, on_icmp, &told);
}

static void end(void)
{
	net_free(net);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(icmp_error, .init = start, .fini = end);

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

/* --- through IPv4 ------------------------------------------------------------------------ */

struct error4 {
	uint8_t type, code;
	uint16_t mtu;
	uint16_t quoted_len; /* 0: 1500 */
	/* What is wrong with it, if anything. */
	uint8_t from;  /* last byte of the quoted source; 0: ours */
	uint8_t proto; /* of the quoted packet; 0: TCP */
	uint8_t vhl;   /* 0: 0x45 */
	uint16_t frag; /* the quoted offset field */
	uint8_t cut;   /* bytes taken off the end */
	bool bad_sum;
};

/* A router's message about a segment of ours to 192.0.2.1; 36 bytes of ICMP. */
static struct rte_mbuf *error4(struct error4 e)
{
	uint8_t f[14 + 20 + 8 + 20 + 8] = {0}, *ip = f + 14, *icmp = ip + 20, *q = icmp + 8;
	uint16_t n = (uint16_t)(sizeof(f) - e.cut), sum;
	struct rte_ether_hdr eth = {.dst_addr = wire.port.mac,
				    .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_ipv4_hdr outer = {.version_ihl = 0x45,
				     .total_length = rte_cpu_to_be_16((uint16_t)(n - 14)),
				     .time_to_live = 64,
				     .next_proto_id = IPPROTO_ICMP,
				     .src_addr = be4(198, 18, 0, 254),
				     .dst_addr = be4(198, 18, 0, 2)};
	struct rte_ipv4_hdr inner = {.version_ihl = e.vhl ? e.vhl : 0x45,
				     .total_length =
					     rte_cpu_to_be_16(e.quoted_len ? e.quoted_len : 1500),
				     .fragment_offset = rte_cpu_to_be_16(e.frag),
				     .time_to_live = 3,
				     .next_proto_id = e.proto ? e.proto : IPPROTO_TCP,
				     .src_addr = be4(198, 18, 0, e.from ? e.from : 2),
				     .dst_addr = be4(192, 0, 2, 1)};
	static const uint8_t tcp[8] = {0x12, 0x34, 0, 22, 0xde, 0xad, 0xbe, 0xef};

	outer.hdr_checksum = rte_ipv4_cksum(&outer);
	icmp[0] = e.type;
	icmp[1] = e.code;
	icmp[6] = (uint8_t)(e.mtu >> 8);
	icmp[7] = (uint8_t)e.mtu;
	memcpy(f, &eth, 14);
	memcpy(ip, &outer, 20);
	memcpy(q, &inner, 20);
	memcpy(q + 20, tcp, 8);
	sum = (uint16_t)~rte_raw_cksum(icmp, n - 34u);
	memcpy(icmp + 2, &sum, 2);
	icmp[2] ^= e.bad_sum;
	return frame_bytes(pools.data, f, n);
}

static void input(struct error4 e)
{
	struct rte_mbuf *m = error4(e), *ret;

	cr_expect_eq(net_input_burst(net, 0, &m, 1, now, &ret), 0);
}

static const struct {
	struct error4 e;
	int err;
	bool hard;
	uint16_t mtu;
} good[] = {
	{{.type = 3, .code = 0}, ENETUNREACH, false, 0},
	{{.type = 3, .code = 1}, EHOSTUNREACH, false, 0},
	{{.type = 3, .code = 2}, ENOPROTOOPT, true, 0},
	{{.type = 3, .code = 3}, ECONNREFUSED, true, 0},
	{{.type = 3, .code = 5}, EHOSTUNREACH, false, 0},
	{{.type = 3, .code = 6}, ENETUNREACH, false, 0},
	{{.type = 3, .code = 10}, EHOSTUNREACH, false, 0},
	{{.type = 3, .code = 13}, EHOSTUNREACH, false, 0},
	{{.type = 3, .code = 15}, EHOSTUNREACH, false, 0},
	{{.type = 11, .code = 0}, EHOSTUNREACH, false, 0},
	{{.type = 11, .code = 1}, EHOSTUNREACH, false, 0},
	{{.type = 12, .code = 0}, EPROTO, false, 0},
	{{.type = 3, .code = 4, .mtu = 1400}, EMSGSIZE, false, 1400},
	{{.type = 3, .code = 4, .mtu = 1499}, EMSGSIZE, false, 1499},
	{{.type = 3, .code = 4, .mtu = 552}, EMSGSIZE, false, 552},
	/* RFC 1191 section 7.1: routers that do not say. */
	{{.type = 3, .code = 4}, EMSGSIZE, false, 1492},
	{{.type = 3, .code = 4, .quoted_len = 1492}, EMSGSIZE, false, 1006},
	{{.type = 3, .code = 4, .quoted_len = 9000}, EMSGSIZE, false, 8166},
	{{.type = 3, .code = 4, .quoted_len = 600}, EMSGSIZE, false, 552},
	{{.type = 3, .code = 4, .quoted_len = 65535}, EMSGSIZE, false, 32000},
};

Test(icmp_error, an_error_about_a_segment_of_ours_is_told_with_its_meaning)
{
	for (size_t i = 0; i < RTE_DIM(good); i++) {
		input(good[i].e);
		cr_assert_eq(told_n, i + 1, "case %zu", i);
		cr_expect_eq(told.err, good[i].err, "case %zu", i);
		cr_expect_eq(told.hard, good[i].hard, "case %zu", i);
		cr_expect_eq(told.mtu, good[i].mtu, "case %zu: %u", i, told.mtu);
		cr_expect_eq(told.local_port, 0x1234);
		cr_expect_eq(told.peer_port, 22);
		cr_expect_eq(told.seq, 0xdeadbeef);
		cr_expect_eq(memcmp(told.local.b, (uint8_t[16]){198, 18, 0, 2}, 16), 0);
		cr_expect_eq(memcmp(told.peer.b, (uint8_t[16]){192, 0, 2, 1}, 16), 0);
		cr_expect(told.local.family == 4 && told.peer.family == 4);
	}
}

static const struct {
	const char *name;
	struct error4 e;
	enum net_drop why;
} bad[] = {
	{"source quench", {.type = 4}, NET_DROP_ICMP_QUENCH},
	{"redirect", {.type = 5}, NET_DROP_ICMP},
	{"unknown code", {.type = 3, .code = 16}, NET_DROP_ICMP_ERROR},
	{"unknown code of time exceeded", {.type = 11, .code = 2}, NET_DROP_ICMP_ERROR},
	{"unknown code of parameter", {.type = 12, .code = 3}, NET_DROP_ICMP_ERROR},
	{"quotes another's packet", {.type = 3, .code = 3, .from = 7}, NET_DROP_ICMP_ERROR},
	{"quotes UDP", {.type = 3, .code = 3, .proto = 17}, NET_DROP_ICMP_ERROR},
	{"quotes a later fragment", {.type = 3, .code = 3, .frag = 9}, NET_DROP_ICMP_ERROR},
	{"quotes IPv6", {.type = 3, .code = 3, .vhl = 0x65}, NET_DROP_ICMP_ERROR},
	{"quotes a short header", {.type = 3, .code = 3, .vhl = 0x44}, NET_DROP_ICMP_ERROR},
	{"quotes half a header", {.type = 3, .code = 3, .vhl = 0x46}, NET_DROP_ICMP_ERROR},
	{"bad checksum", {.type = 3, .code = 3, .bad_sum = true}, NET_DROP_ICMP},
	{"too big, but 551", {.type = 3, .code = 4, .mtu = 551}, NET_DROP_ICMP_MTU},
	{"too big, but 68", {.type = 3, .code = 4, .mtu = 68}, NET_DROP_ICMP_MTU},
	{"too big, but 1", {.type = 3, .code = 4, .mtu = 1}, NET_DROP_ICMP_MTU},
	{"it would have fitted", {.type = 3, .code = 4, .mtu = 1500}, NET_DROP_ICMP_MTU},
	{"well", {.type = 3, .code = 4, .mtu = 9000}, NET_DROP_ICMP_MTU},
	{"small anyway", {.type = 3, .code = 4, .mtu = 600, .quoted_len = 40}, NET_DROP_ICMP_MTU},
	{"small and not said", {.type = 3, .code = 4, .quoted_len = 552}, NET_DROP_ICMP_MTU},
};

Test(icmp_error, what_we_cannot_have_caused_is_dropped_for_its_reason)
{
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		uint64_t before = dropped(bad[i].why);

		input(bad[i].e);
		cr_expect_eq(dropped(bad[i].why), before + 1, "%s", bad[i].name);
	}
	cr_expect_eq(told_n, 0);
}

Test(icmp_error, every_cut_of_an_error_is_dropped)
{
	for (uint8_t cut = 1; cut <= 36; cut++)
		input((struct error4){.type = 3, .code = 3, .cut = cut});
	cr_expect_eq(told_n, 0);
	cr_expect_eq(dropped(NET_DROP_ICMP) + dropped(NET_DROP_ICMP_ERROR), 36);
}

/* RFC 1122 section 3.2.2: never an error about an error. */
Test(icmp_error, no_error_is_answered)
{
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		input(bad[i].e);
	for (size_t i = 0; i < RTE_DIM(good); i++)
		input(good[i].e);
	net_flush(net);
	cr_expect_eq(wire.n, 0);
}

static void ignore(void *arg, const struct net_icmp *e, uint64_t at)
{
	(void)arg, (void)e, (void)at;
}

/* This thread's own time: what others take of the core is not the flood's. */
static uint64_t own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* T-34: what each message of a flood costs below TCP; printed, so that a change is seen. */
Test(icmp_error, a_flood_of_messages_is_cheap)
{
	uint32_t n = test_long() ? 10000000 : 100000;
	uint64_t ns = 0, best = UINT64_MAX;

	net_icmp_to(net, ignore, NULL);
	for (uint32_t i = 0; i < n; i += 32) {
		struct rte_mbuf *m[32], *ret[32];
		uint64_t start;

		for (uint16_t k = 0; k < 32; k++)
			m[k] = error4((struct error4){
				.type = 3, .code = 4, .mtu = (uint16_t)(560 + (i + k) % 900)});
		start = own_ns();
		cr_assert_eq(net_input_burst(net, 0, m, 32, now, ret), 0);
		start = own_ns() - start;
		ns += start;
		best = RTE_MIN(best, start / 32);
	}
	printf("%lu ns a message in net, %lu undisturbed\n", ns / n, best);
	cr_expect_lt(ns / n, 8000);
}

/* --- ICMPv6: the bytes ------------------------------------------------------------------- */

struct error6 {
	uint8_t type, code;
	uint32_t mtu;
	uint16_t quoted; /* payload length */
	uint8_t next;    /* 0: TCP */
	uint8_t version; /* 0: 6 */
	uint8_t len;     /* 0: all 56 */
};

static enum net_drop parse6(struct error6 e, struct net_icmp *ret)
{
	uint8_t p[56] = {e.type,
			 e.code,
			 0,
			 0,
			 (uint8_t)(e.mtu >> 24),
			 (uint8_t)(e.mtu >> 16),
			 (uint8_t)(e.mtu >> 8),
			 (uint8_t)e.mtu};
	uint8_t *exact = malloc(sizeof(p));
	size_t n = e.len ? e.len : sizeof(p);
	enum net_drop why;

	p[8] = (uint8_t)((e.version ? e.version : 6) << 4);
	p[12] = (uint8_t)(e.quoted >> 8);
	p[13] = (uint8_t)e.quoted;
	p[14] = e.next ? e.next : IPPROTO_TCP;
	p[16] = 0xfd;
	p[32] = 0xfe;
	memcpy(p + 48, (uint8_t[8]){0x12, 0x34, 0, 22, 0xde, 0xad, 0xbe, 0xef}, 8);
	exact = realloc(exact, n); /* a sanitizer sees a read behind it */
	memcpy(exact, p, n);
	why = icmp_error_parse(6, exact, n, ret);
	free(exact);
	return why;
}

static const struct {
	struct error6 e;
	int err;
	bool hard;
	uint16_t mtu;
} good6[] = {
	{{.type = 1, .code = 0}, ENETUNREACH, false, 0},
	{{.type = 1, .code = 1}, EHOSTUNREACH, false, 0},
	{{.type = 1, .code = 3}, EHOSTUNREACH, false, 0},
	{{.type = 1, .code = 4}, ECONNREFUSED, true, 0},
	{{.type = 1, .code = 6}, EHOSTUNREACH, false, 0},
	{{.type = 3, .code = 0}, EHOSTUNREACH, false, 0},
	{{.type = 4, .code = 0}, EPROTO, false, 0},
	{{.type = 4, .code = 1}, EPROTO, true, 0},
	{{.type = 2, .mtu = 1280, .quoted = 1460}, EMSGSIZE, false, 1280},
	{{.type = 2, .code = 9, .mtu = 1499, .quoted = 1460}, EMSGSIZE, false, 1499},
	{{.type = 2, .mtu = 65535, .quoted = 65535}, EMSGSIZE, false, 65535},
};

Test(icmp_error, icmpv6_errors_have_their_meaning)
{
	for (size_t i = 0; i < RTE_DIM(good6); i++) {
		struct net_icmp e;

		cr_assert_eq(parse6(good6[i].e, &e), NET_DROP_COUNT, "case %zu", i);
		cr_expect_eq(e.err, good6[i].err, "case %zu", i);
		cr_expect_eq(e.hard, good6[i].hard, "case %zu", i);
		cr_expect_eq(e.mtu, good6[i].mtu, "case %zu", i);
		cr_expect_eq(e.local.b[0], 0xfd);
		cr_expect_eq(e.peer.b[0], 0xfe);
		cr_expect(e.local_port == 0x1234 && e.peer_port == 22 && e.seq == 0xdeadbeef);
	}
}

static const struct {
	struct error6 e;
	enum net_drop why;
} bad6[] = {
	{{.type = 2, .mtu = 1279, .quoted = 1460}, NET_DROP_ICMP_MTU}, /* RFC 8201 section 4 */
	{{.type = 2, .mtu = 0, .quoted = 1460}, NET_DROP_ICMP_MTU},
	{{.type = 2, .mtu = 1500, .quoted = 1460}, NET_DROP_ICMP_MTU},
	{{.type = 2, .mtu = UINT32_MAX, .quoted = 65535}, NET_DROP_ICMP_MTU},
	{{.type = 2, .mtu = 65536, .quoted = 65535}, NET_DROP_ICMP_MTU},
	{{.type = 1, .code = 7}, NET_DROP_ICMP_ERROR},
	{{.type = 3, .code = 2}, NET_DROP_ICMP_ERROR},
	{{.type = 4, .code = 3}, NET_DROP_ICMP_ERROR},
	{{.type = 5}, NET_DROP_ICMP_ERROR},
	{{.type = 127}, NET_DROP_ICMP_ERROR},
	{{.type = 1, .next = 17}, NET_DROP_ICMP_ERROR},
	{{.type = 1, .next = 60}, NET_DROP_ICMP_ERROR},
	{{.type = 1, .version = 4}, NET_DROP_ICMP_ERROR},
	{{.type = 1, .len = 55}, NET_DROP_ICMP_ERROR},
	{{.type = 1, .len = 8}, NET_DROP_ICMP_ERROR},
	{{.type = 1, .len = 7}, NET_DROP_ICMP},
};

Test(icmp_error, bad_icmpv6_errors_are_refused)
{
	for (size_t i = 0; i < RTE_DIM(bad6); i++) {
		struct net_icmp e = {.seq = 77};

		cr_expect_eq(parse6(bad6[i].e, &e), bad6[i].why, "case %zu", i);
		cr_expect_eq(e.seq, 77, "case %zu: written all the same", i);
	}
}

/* --- the cache --------------------------------------------------------------------------- */

/* The cache reads the clock of net's latest call. */
static void at(uint64_t us)
{
	now = us;
	net_timers(net, now);
}

Test(icmp_error, a_path_mtu_is_kept_ten_minutes)
{
	struct net_addr a = addr4(192, 0, 2, 1), b = addr4(192, 0, 2, 2);

	at(5 * SEC);
	cr_expect_eq(net_pmtu(net, &a), UINT16_MAX);
	net_pmtu_set(net, &a, 1400);
	cr_expect_eq(net_pmtu(net, &a), 1400);
	cr_expect_eq(net_pmtu(net, &b), UINT16_MAX);
	at(604 * SEC);
	cr_expect_eq(net_pmtu(net, &a), 1400);
	at(605 * SEC);
	cr_expect_eq(net_pmtu(net, &a), UINT16_MAX);
}

Test(icmp_error, the_families_of_the_same_bytes_are_two_destinations)
{
	struct net_addr a = addr4(192, 0, 2, 1), b = a;

	b.family = 6;
	at(5 * SEC);
	net_pmtu_set(net, &a, 1400);
	cr_expect_eq(net_pmtu(net, &b), UINT16_MAX);
	net_pmtu_set(net, &b, 1300);
	cr_expect_eq(net_pmtu(net, &a), 1400);
	net_pmtu_set(net, &a, UINT16_MAX);
	cr_expect_eq(net_pmtu(net, &a), UINT16_MAX);
	cr_expect_eq(net_pmtu(net, &b), 1300);
}

Test(icmp_error, a_million_destinations_take_no_more_room)
{
	uint32_t n = test_long() ? 1000000 : 50000, kept = 0;

	at(5 * SEC);
	for (uint32_t i = 0; i < n; i++) {
		struct net_addr a = addr4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);

		now++;
		net->now_us = now;
		net_pmtu_set(net, &a, 1400);
		cr_assert_eq(net_pmtu(net, &a), 1400, "the newest is there");
	}
	for (uint32_t i = 0; i < n; i++) {
		struct net_addr a = addr4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);

		kept += net_pmtu(net, &a) == 1400;
	}
	cr_expect(kept > 500 && kept <= 1024, "%u kept", kept);
}

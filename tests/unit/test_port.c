/* dataplane/port: devices that are there, that are not, that cannot be used. */
#include <criterion/criterion.h>
#include <errno.h>

#include "dataplane/port/port.h"
#include "tests/util/eal.h"

static struct pkt_pools pools;

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 2047, 63, SOCKET_ID_ANY, &pools), 0);
}

static void end(void)
{
	cr_expect_eq(eal_out(pools.data), 0);
}

TestSuite(port, .init = start, .fini = end);

static int open_port(const char *device, struct port *ret, char *err)
{
	struct port_conf conf = {.device = device, .queues = 1, .pool = pools.data};

	return port_open(&conf, ret, err, 256);
}

Test(port, what_is_sent_into_a_ring_comes_back)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data), *back;
	struct port p = {0};
	char err[256] = "";

	cr_assert_eq(open_port("net_ring0", &p, err), 0, "%s", err);
	cr_expect_eq(p.mtu, 1500);
	cr_expect_not(p.rx_cksum);
	cr_expect_not(p.tx_cksum);
	rte_pktmbuf_append(m, 60);
	cr_assert_eq(p.tx_burst(&p, &m, 1), 1);
	cr_assert_eq(p.rx_burst(&p, &back, 1), 1);
	cr_expect_eq(back, m, "the very mbuf");
	rte_pktmbuf_free(back);
	port_close(&p);
}

Test(port, device_that_was_closed_can_be_opened_again)
{
	struct port p = {0};
	char err[256] = "";

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(open_port("net_ring0", &p, err), 0, "%s", err);
		port_close(&p);
	}
}

Test(port, driver_without_interrupts_has_no_descriptor)
{
	struct port p = {0};
	char err[256] = "";

	cr_assert_eq(open_port("net_ring0", &p, err), 0, "%s", err);
	cr_expect_eq(port_rx_fd(&p), -ENOTSUP);
	cr_expect_eq(port_rx_intr(&p, true), -ENOTSUP);
	port_close(&p);
}

static const char *const bad[] = {
	"",
	",iface=x",
	"net_nosuchdriver0",
	"net_af_packet0,iface=nosuch0",
	"net_af_packet0",
	"ffff:ff:1f.7",
	"a-name-that-is-much-longer-than-any-device-of-the-library-may-be-called-at-all-x",
};

Test(port, bad_devices_are_refused_with_a_text)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct port p = {.mtu = 7};
		char err[256] = "";

		cr_expect_lt(open_port(bad[i], &p, err), 0, "%s", bad[i]);
		cr_expect_neq(err[0], '\0', "%s", bad[i]);
		cr_expect_eq(p.mtu, 7, "nothing is written on error");
	}
}

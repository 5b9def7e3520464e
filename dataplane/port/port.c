/* dataplane/port/port.c - see port.h. */
#include "dataplane/port/internal.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "dataplane/fail.h"

/* What an IP header can say, behind an Ethernet header. */
#define LRO_MAX (UINT32_C(14) + UINT16_MAX)

static uint16_t rx_burst(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_rx_burst(p->port_id, p->queue, m, n);
}

static uint16_t tx_burst(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_tx_burst(p->port_id, p->queue, m, n);
}

/*
 * A driver has a word on each packet that the port is to cut (RFC 9293 knows nothing of those), and
 * one that it refuses would stop the queue for ever.
 */
static uint16_t tx_burst_tso(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	uint16_t k = rte_eth_tx_prepare(p->port_id, p->queue, m, n);

	if (k > 0 || n == 0)
		return k > 0 ? rte_eth_tx_burst(p->port_id, p->queue, m, k) : 0;
	p->counters[PORT_C_TX_REFUSED]++;
	rte_pktmbuf_free(m[0]);
	return 1;
}

/* The device's name is what stands before the first comma of its string. */
static int find(const char *device, uint16_t *ret)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t len = strcspn(device, ",");

	if (len == 0 || len >= sizeof(name))
		return -EINVAL;
	memcpy(name, device, len);
	name[len] = '\0';
	return rte_eth_dev_get_port_by_name(name, ret);
}

/* A device of the command line or of an earlier call is taken as it is; others are probed. */
static int find_or_probe(const char *device, struct port *p, char *err, size_t err_size)
{
	int r = find(device, &p->port_id);

	if (r == -EINVAL)
		return start_fail(err, err_size, r, "%s: not a device string", device);
	if (r == 0)
		return 0;
	r = rte_dev_probe(device);
	if (r < 0)
		return start_fail(err, err_size, r, "%s: cannot be opened: %s", device,
				  strerror(-r));
	p->probed = true;
	r = find(device, &p->port_id);
	if (r < 0)
		return start_fail(err, err_size, r, "%s: not a network device", device);
	return 0;
}

/* The kernel shares our end of these: their checksum "offload" is a loop in the driver. */
static bool is_soft(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_tap") == 0;
}

/*
 * Joined segments come as a chain of our buffers, so the port must be able to fill several; and
 * nobody above sums what a port changed.
 */
static void choose_lro(const struct port *p, const struct rte_eth_dev_info *info,
		       struct rte_eth_conf *ec)
{
	const uint64_t lro = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER;

	if (!p->rx_cksum || (info->rx_offload_capa & lro) != lro)
		return;
	ec->rxmode.offloads |= lro;
	ec->rxmode.max_lro_pkt_size = RTE_MIN(info->max_lro_pkt_size, LRO_MAX);
}

static void choose_offloads(const struct port_conf *conf, struct port *p,
			    const struct rte_eth_dev_info *info, struct rte_eth_conf *ec)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;

	p->rx_cksum = !is_soft(info) && (info->rx_offload_capa & rx) == rx;
	p->tx_cksum = !is_soft(info) && (info->tx_offload_capa & tx) == tx;
	if (p->rx_cksum)
		ec->rxmode.offloads |= rx;
	if (p->tx_cksum)
		ec->txmode.offloads |= tx;
	ec->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	choose_lro(p, info, ec);
	if (p->tx_cksum && (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO)) {
		ec->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
		p->tso_segs = info->tx_desc_lim.nb_seg_max;
		p->tx_burst = tx_burst_tso;
	}
	if (conf->vlan) {
		ec->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
		ec->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
		p->rx_vlan = ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
		p->tx_vlan = ec->txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
	}
}

/* What a driver may refuse to do; then it is asked to do without, until it says yes. */
#define NO_INTR  1u
#define NO_LRO   2u
#define NO_RSS   4u
#define NO_COUNT 8u

static int configure_without(const struct port *p, const struct rte_eth_conf *wanted,
			     unsigned int no, struct rte_eth_conf *ret)
{
	*ret = *wanted;
	ret->intr_conf.rxq = !(no & NO_INTR);
	if (no & NO_LRO)
		ret->rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_TCP_LRO;
	if (no & NO_RSS)
		port_rss_without(ret);
	return rte_eth_dev_configure(p->port_id, p->queues, p->queues, ret);
}

static int configure(struct port *p, struct rte_eth_conf *ec)
{
	const struct rte_eth_conf wanted = *ec;
	int r = -ENOTSUP;

	for (unsigned int no = 0; r != 0 && no < NO_COUNT; no++)
		r = configure_without(p, &wanted, no, ec);
	p->rx_lro = ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO;
	p->rss = ec->rxmode.mq_mode == RTE_ETH_MQ_RX_RSS;
	return r;
}

static int setup_queues(const struct port_conf *conf, const struct port *p,
			const struct rte_eth_dev_info *info, const struct rte_eth_conf *ec)
{
	uint16_t rx_desc = conf->rx_desc ? conf->rx_desc : PORT_RX_DESC;
	uint16_t tx_desc = conf->tx_desc ? conf->tx_desc : 1024;
	struct rte_eth_rxconf rxc = info->default_rxconf;
	struct rte_eth_txconf txc = info->default_txconf;
	int socket = rte_eth_dev_socket_id(p->port_id);
	int r;

	rxc.offloads = ec->rxmode.offloads;
	txc.offloads = ec->txmode.offloads; /* never MBUF_FAST_FREE: TCP shares mbufs */
	r = rte_eth_dev_adjust_nb_rx_tx_desc(p->port_id, &rx_desc, &tx_desc);
	for (uint16_t q = 0; r >= 0 && q < p->queues; q++) {
		r = rte_eth_rx_queue_setup(p->port_id, q, rx_desc, socket, &rxc,
					   conf->pools != NULL ? conf->pools[q] : conf->pool);
		if (r >= 0)
			r = rte_eth_tx_queue_setup(p->port_id, q, tx_desc, socket, &txc);
	}
	return r;
}

/*
 * A device that cannot be told its MTU takes what it is given, as virtual ones do: it still sends
 * no more than we do, and what is longer than its own bound does not arrive.
 */
static int set_mtu(struct port *p, uint16_t wanted)
{
	uint16_t mtu;
	int r = rte_eth_dev_get_mtu(p->port_id, &mtu);

	if (r < 0)
		return r;
	if (wanted == 0)
		wanted = RTE_MIN(mtu, PORT_MTU_DEFAULT);
	if (wanted < PORT_MTU_MIN)
		return -ERANGE;
	if (mtu != wanted) {
		r = rte_eth_dev_set_mtu(p->port_id, wanted);
		if (r < 0 && r != -ENOTSUP)
			return r;
	}
	p->mtu = wanted;
	return 0;
}

/*
 * A TAP port bears the address of the kernel's own end. Ours differs from it in the bit for
 * local addresses and one more, so that a bridge, or a person with tcpdump, sees two.
 */
static int set_mac(struct port *p, const struct rte_eth_dev_info *info)
{
	int r = rte_eth_macaddr_get(p->port_id, &p->mac);

	if (r < 0)
		return r;
	if (is_soft(info)) {
		if (info->if_index == 0 || if_indextoname(info->if_index, p->kernel_name) == NULL)
			p->kernel_name[0] = '\0';
		p->mac.addr_bytes[0] |= RTE_ETHER_LOCAL_ADMIN_ADDR;
		p->mac.addr_bytes[5] ^= 0x80;
	}
	return 0;
}

/*
 * Neighbour discovery speaks to groups. A driver that cannot take all groups alone takes all
 * frames; one that cannot do that either takes what it takes: net/ drops the rest.
 */
static void hear_groups(uint16_t port_id)
{
	if (rte_eth_allmulticast_enable(port_id) < 0)
		(void)rte_eth_promiscuous_enable(port_id);
}

/*
 * For jumbo packets, which come in several buffers. net_memif goes on in another mbuf where one is
 * full, but says neither that nor that it takes more than 1518 bytes, and refuses to be told.
 * False: the driver does not.
 */
static bool choose_scatter(const struct port_conf *conf, const struct rte_eth_dev_info *info,
			   struct rte_eth_conf *ec)
{
	if (strcmp(info->driver_name, "net_memif") == 0)
		return true;
	if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		return false;
	ec->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	ec->rxmode.mtu = conf->mtu;
	return true;
}

static int start(const struct port_conf *conf, struct port *p, char *err, size_t err_size)
{
	uint8_t key[PORT_RSS_KEY_MAX];
	struct rte_eth_conf ec = {0};
	struct rte_eth_dev_info info;
	int r;

	r = rte_eth_dev_info_get(p->port_id, &info);
	if (r < 0)
		return start_fail(err, err_size, r, "%s: %s", conf->device, strerror(-r));
	if (!(info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
		return start_fail(err, err_size, -ENOTSUP,
				  "%s: driver %s does not send packets of several buffers",
				  conf->device, info.driver_name);
	p->queues = RTE_MIN(p->queues, info.max_rx_queues);
	p->queues = RTE_MIN(p->queues, info.max_tx_queues);
	choose_offloads(conf, p, &info, &ec);
	if (p->queues > 1 && conf->spread != NULL)
		port_rss_choose(conf->spread, &info, key, &ec);
	if (conf->mtu > PORT_MTU_DEFAULT && !choose_scatter(conf, &info, &ec))
		return start_fail(
			err, err_size, -ENOTSUP,
			"%s: mtu=%u: driver %s does not receive packets of several buffers",
			conf->device, conf->mtu, info.driver_name);

	r = configure(p, &ec);
	if (r == 0)
		r = setup_queues(conf, p, &info, &ec);
	if (r == 0)
		r = set_mtu(p, conf->mtu);
	if (r == 0)
		r = set_mac(p, &info);
	if (r == 0)
		r = rte_eth_dev_start(p->port_id);
	if (r < 0)
		return start_fail(err, err_size, r, "%s: cannot be started: %s", conf->device,
				  strerror(-r));
	if (p->rss)
		p->rss = port_rss_confirm(p, conf->spread, &info);
	hear_groups(p->port_id);
	return 0;
}

int port_open(const struct port_conf *conf, struct port *ret, char *err, size_t err_size)
{
	struct port p = {.rx_burst = rx_burst,
			 .tx_burst = tx_burst,
			 .queues = RTE_MAX(conf->queues, 1),
			 .link_up = true};
	int r;

	r = find_or_probe(conf->device, &p, err, err_size);
	if (r < 0)
		return r;
	r = start(conf, &p, err, err_size);
	if (r < 0) {
		port_close(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void port_queue(const struct port *first, uint16_t queue, struct port *ret)
{
	*ret = *first;
	ret->queue = queue;
	ret->probed = false;
	memset(ret->counters, 0, sizeof(ret->counters));
}

const char *port_offloads_text(const struct port *p, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s%s%s", p->rx_cksum ? " rx-checksum" : "",
		 p->tx_cksum ? " tx-checksum" : "", p->tso_segs > 0 ? " tso" : "",
		 p->rx_lro ? " lro" : "", p->rx_vlan ? " rx-vlan" : "",
		 p->tx_vlan ? " tx-vlan" : "", p->rss ? " rss" : "");
	return buf[0] == ' ' ? buf + 1 : "none";
}

void port_close(struct port *p)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(p->port_id, &info) < 0)
		return;
	rte_eth_dev_stop(p->port_id);
	rte_eth_dev_close(p->port_id);
	if (p->probed && info.device != NULL)
		rte_dev_remove(info.device);
}

int port_rx_fd(const struct port *p)
{
	int level = rte_log_get_level(rte_log_register("lib.ethdev"));
	int fd;

	if (p->queue == PORT_NO_QUEUE)
		return -ENOTSUP;

	/* Most virtual drivers have none, and the library reports the question as an error. */
	rte_log_set_level_pattern("lib.ethdev", RTE_LOG_CRIT);
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->port_id, p->queue);
	rte_log_set_level_pattern("lib.ethdev", level);
	return fd >= 0 ? fd : -ENOTSUP;
}

int port_rx_intr(const struct port *p, bool on)
{
	int r;

	if (p->queue == PORT_NO_QUEUE)
		return -ENOTSUP;
	r = on ? rte_eth_dev_rx_intr_enable(p->port_id, p->queue)
	       : rte_eth_dev_rx_intr_disable(p->port_id, p->queue);

	/* A TAP has a descriptor and nothing to arm. */
	return r == 0 ? 0 : -ENOTSUP;
}

/* Of our namespace this file tells without a socket, which privileges are gone for. */
static bool is_here(const char *kernel_name)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	char line[512], name[32];
	bool found = false;

	if (f == NULL)
		return true;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, " %31[^: ]", name) == 1 && strcmp(name, kernel_name) == 0;
	fclose(f);
	return found;
}

void port_link_poll(struct port *p)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(p->port_id, &link) != 0)
		return;
	p->link_up = link.link_status == RTE_ETH_LINK_UP ||
		     (p->kernel_name[0] != '\0' && !is_here(p->kernel_name));
}

unsigned int port_rx_waiting(const struct port *p)
{
	int n = p->queue != PORT_NO_QUEUE ? rte_eth_rx_queue_count(p->port_id, p->queue) : 0;

	return n > 0 ? (unsigned int)n : 0;
}

void port_stats_poll(struct port *p)
{
	struct rte_eth_stats st;

	if (rte_eth_stats_get(p->port_id, &st) != 0)
		return;
	p->counters[PORT_C_RX_MISSED] = st.imissed;
	p->counters[PORT_C_RX_ERRORS] = st.ierrors;
	p->counters[PORT_C_RX_NO_MBUF] = st.rx_nombuf;
	p->counters[PORT_C_TX_ERRORS] = st.oerrors;
}

static const struct {
	const char *name, *text;
} counter_info[PORT_C_COUNT] = {
#define X(n, t) [PORT_C_##n] = {#n, t},
	PORT_COUNTERS(X)
#undef X
};

const char *port_counter_name(enum port_counter c)
{
	return counter_info[c].name;
}

const char *port_counter_text(enum port_counter c)
{
	return counter_info[c].text;
}

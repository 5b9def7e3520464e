/*
 * dataplane/port: several queues, receive-side scaling and joined segments, with a device that is
 * played by hand: it can what the test says, and notes what it was asked for.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include "dataplane/port/port.h"

#define QUEUES_MAX 16
#define TABLE_MAX  512

static struct device {
	struct rte_eth_dev_info info;
	uint64_t refuses_offloads; /* it says it can, and does not */
	bool refuses_rss, refuses_intr;
	bool keeps_key, keeps_table, hides_key; /* it says yes, and has its own */
	/* What it was asked for. */
	struct rte_eth_conf conf;
	unsigned int configured, rx_queues, tx_queues;
	uint16_t rx_desc, tx_desc;
	struct rte_mempool *pool[QUEUES_MAX];
	uint8_t key[64];
	uint8_t key_len;
	uint64_t hf;
	uint16_t table[TABLE_MAX];
} dev;

int __wrap_rte_eth_dev_get_port_by_name(const char *name, uint16_t *ret)
{
	*ret = 5;
	return strcmp(name, "played0") == 0 ? 0 : -ENODEV;
}

int __wrap_rte_eth_dev_info_get(uint16_t port_id, struct rte_eth_dev_info *info)
{
	*info = dev.info;
	return port_id == 5 ? 0 : -ENODEV;
}

int __wrap_rte_eth_dev_configure(uint16_t port_id, uint16_t rx, uint16_t tx,
				 const struct rte_eth_conf *conf)
{
	bool rss = conf->rxmode.mq_mode == RTE_ETH_MQ_RX_RSS;

	dev.configured++;
	if ((conf->rxmode.offloads & (dev.refuses_offloads | ~dev.info.rx_offload_capa)) ||
	    (rss && dev.refuses_rss) || (conf->intr_conf.rxq && dev.refuses_intr))
		return -EINVAL;
	dev.conf = *conf;
	dev.rx_queues = rx;
	dev.tx_queues = tx;
	if (rss && !dev.keeps_key) {
		dev.key_len = conf->rx_adv_conf.rss_conf.rss_key_len;
		dev.hf = conf->rx_adv_conf.rss_conf.rss_hf;
		memcpy(dev.key, conf->rx_adv_conf.rss_conf.rss_key, dev.key_len);
	}
	return 0;
}

int __wrap_rte_eth_dev_adjust_nb_rx_tx_desc(uint16_t port_id, uint16_t *rx, uint16_t *tx)
{
	return 0;
}

int __wrap_rte_eth_rx_queue_setup(uint16_t port_id, uint16_t q, uint16_t n, unsigned int socket,
				  const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	cr_assert_lt(q, dev.rx_queues);
	dev.pool[q] = pool;
	dev.rx_desc = n;
	return 0;
}

int __wrap_rte_eth_tx_queue_setup(uint16_t port_id, uint16_t q, uint16_t n, unsigned int socket,
				  const struct rte_eth_txconf *conf)
{
	dev.tx_desc = n;
	return q < dev.tx_queues ? 0 : -EINVAL;
}

int __wrap_rte_eth_dev_rss_reta_update(uint16_t port_id, struct rte_eth_rss_reta_entry64 *t,
				       uint16_t size)
{
	if (size != dev.info.reta_size)
		return -EINVAL;
	for (unsigned int i = 0; i < size && !dev.keeps_table; i++)
		if (t[i / 64].mask >> i % 64 & 1)
			dev.table[i] = t[i / 64].reta[i % 64];
	return 0;
}

int __wrap_rte_eth_dev_rss_reta_query(uint16_t port_id, struct rte_eth_rss_reta_entry64 *t,
				      uint16_t size)
{
	if (size != dev.info.reta_size)
		return -EINVAL;
	for (unsigned int i = 0; i < size; i++)
		if (t[i / 64].mask >> i % 64 & 1)
			t[i / 64].reta[i % 64] = dev.table[i];
	return 0;
}

int __wrap_rte_eth_dev_rss_hash_conf_get(uint16_t port_id, struct rte_eth_rss_conf *conf)
{
	if (dev.hides_key)
		return -ENOTSUP;
	conf->rss_hf = dev.hf;
	memcpy(conf->rss_key, dev.key, conf->rss_key_len);
	return 0;
}

int __wrap_rte_eth_dev_get_mtu(uint16_t port_id, uint16_t *mtu)
{
	*mtu = 1500;
	return 0;
}

int __wrap_rte_eth_macaddr_get(uint16_t port_id, struct rte_ether_addr *mac)
{
	*mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 5}};
	return 0;
}

int __wrap_rte_eth_dev_start(uint16_t port_id)
{
	return 0;
}

int __wrap_rte_eth_allmulticast_enable(uint16_t port_id)
{
	return 0;
}

int __wrap_rte_eth_dev_stop(uint16_t port_id)
{
	return 0;
}

int __wrap_rte_eth_dev_close(uint16_t port_id)
{
	return 0;
}

int __wrap_rte_eth_dev_socket_id(uint16_t port_id)
{
	return 0;
}

#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define RX_LRO   (RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER)
#define TCP4     RTE_ETH_RSS_NONFRAG_IPV4_TCP
#define TCP6     RTE_ETH_RSS_NONFRAG_IPV6_TCP

static struct spread sp;
static struct port_conf conf;
static struct port p;
static char err[256];

/* A card with everything. */
static void start(void)
{
	cr_assert_eq(spread_init(&sp, 4, NULL), 0);
	dev = (struct device){
		.info = {.driver_name = "net_played",
			 .max_rx_queues = 8,
			 .max_tx_queues = 8,
			 .rx_offload_capa = RX_CKSUM | RX_LRO | RTE_ETH_RX_OFFLOAD_RSS_HASH,
			 .tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
			 .flow_type_rss_offloads = RTE_ETH_RSS_IPV4 | TCP4 | TCP6,
			 .max_lro_pkt_size = 16000,
			 .hash_key_size = 40,
			 .reta_size = 128},
	};
	conf = (struct port_conf){.device = "played0", .queues = 4, .spread = &sp};
}

TestSuite(queues, .init = start);

static void open_it(void)
{
	p = (struct port){0};
	cr_assert_eq(port_open(&conf, &p, err, sizeof(err)), 0, "%s", err);
}

Test(queues, are_as_long_as_they_are_wanted)
{
	open_it();
	cr_expect(dev.rx_desc == 1024 && dev.tx_desc == 1024, "where nobody says");
	conf.rx_desc = 256;
	conf.tx_desc = 4096;
	open_it();
	cr_expect_eq(dev.rx_desc, 256);
	cr_expect_eq(dev.tx_desc, 4096);
}

Test(queues, each_shard_has_a_pair_and_its_own_pool)
{
	struct rte_mempool *pool[4] = {(void *)1, (void *)2, (void *)3, (void *)4};
	struct port third;

	conf.pools = pool;
	open_it();
	cr_expect(p.queues == 4 && dev.rx_queues == 4 && dev.tx_queues == 4);
	cr_expect_arr_eq(dev.pool, pool, sizeof(pool));
	p.counters[PORT_C_LINK_DOWN] = 1;
	port_queue(&p, 2, &third);
	cr_expect(third.queue == 2 && third.queues == 4 && third.port_id == 5 && third.rss);
	cr_expect_eq(third.counters[PORT_C_LINK_DOWN], 0, "counted once");
}

Test(queues, device_with_fewer_pairs_gives_what_it_has)
{
	dev.info.max_tx_queues = 3;
	open_it();
	cr_expect(p.queues == 3 && dev.rx_queues == 3 && dev.tx_queues == 3);
	for (unsigned int i = 0; i < 128; i++)
		cr_assert_eq(dev.table[i], sp.shard[i] % 3);
	cr_expect(p.rss, "whose a packet is can still be told by its hash");
}

Test(queues, one_queue_spreads_nothing)
{
	conf.queues = 1;
	open_it();
	cr_expect_eq(dev.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	cr_expect(!p.rss && p.queues == 1);
}

Test(queues, device_is_given_key_table_and_what_to_hash)
{
	char text[PORT_OFFLOADS_TEXT];

	open_it();
	cr_expect(p.rss);
	cr_expect_eq(dev.configured, 1);
	cr_expect_eq(dev.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	cr_expect(dev.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH);
	cr_expect_eq(dev.hf, TCP4 | TCP6, "TCP alone: fragments come to the first");
	cr_expect_arr_eq(dev.key, sp.key, SPREAD_KEY_LEN);
	for (unsigned int i = 0; i < 128; i++)
		cr_assert_eq(dev.table[i], sp.shard[i]);
	cr_expect_not_null(strstr(port_offloads_text(&p, text, sizeof(text)), "rss"));
}

Test(queues, longer_key_begins_with_ours)
{
	dev.info.hash_key_size = 52;
	open_it();
	cr_expect(p.rss && dev.key_len == 52);
	cr_expect_arr_eq(dev.key, sp.key, SPREAD_KEY_LEN);
}

Test(queues, longer_table_repeats_ours)
{
	dev.info.reta_size = 512;
	open_it();
	cr_expect(p.rss);
	for (unsigned int i = 0; i < 512; i++)
		cr_assert_eq(dev.table[i], sp.shard[i % 128]);
}

Test(queues, shorter_table_is_used_where_ours_repeats_it)
{
	dev.info.reta_size = 64;
	open_it();
	cr_expect(p.rss);
	cr_assert_eq(spread_init(&sp, 3, NULL), 0);
	conf.queues = 3;
	open_it();
	cr_expect(!p.rss && dev.conf.rxmode.mq_mode == RTE_ETH_MQ_RX_NONE, "of three shards");
}

static const struct {
	const char *what;
	uint64_t flow_types;
	uint16_t table;
	uint8_t key;
} lacking[] = {
	{"no TCP", RTE_ETH_RSS_IPV4, 128, 40},
	{"no table", TCP4 | TCP6, 0, 40},
	{"a table of no power of two", TCP4 | TCP6, 192, 40},
	{"a table too short", TCP4 | TCP6, 32, 40},
	{"a table too long", TCP4 | TCP6, 4096, 40},
	{"a key too short", TCP4 | TCP6, 128, 16},
	{"a key too long", TCP4 | TCP6, 128, 80},
};

Test(queues, device_that_lacks_something_is_not_asked_to_spread)
{
	for (size_t i = 0; i < RTE_DIM(lacking); i++) {
		dev.info.flow_type_rss_offloads = lacking[i].flow_types;
		dev.info.reta_size = lacking[i].table;
		dev.info.hash_key_size = lacking[i].key;
		open_it();
		cr_expect_not(p.rss, "%s", lacking[i].what);
		cr_expect_eq(dev.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE, "%s", lacking[i].what);
		cr_expect_not(dev.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH);
		cr_expect_eq(p.queues, 4, "%s: packets are moved by software", lacking[i].what);
	}
}

Test(queues, driver_that_says_yes_and_does_not_is_not_believed)
{
	dev.keeps_key = true;
	open_it();
	cr_expect_not(p.rss, "its own key");
	dev.keeps_key = false;
	dev.keeps_table = true;
	memset(dev.table, 0, sizeof(dev.table));
	open_it();
	cr_expect_not(p.rss, "its own table");
	dev.keeps_table = false;
	dev.hides_key = true;
	open_it();
	cr_expect_not(p.rss, "nobody knows which key");
	dev.hides_key = false;
	dev.info.flow_type_rss_offloads = TCP4;
	open_it();
	cr_expect_not(p.rss, "IPv6 comes to the first queue");
	cr_expect_eq(dev.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS, "IPv4 is spread all the same");
}

/* --- joined segments ---------------------------------------------------------------------- */

Test(queues, segments_are_joined_where_the_device_can)
{
	char text[PORT_OFFLOADS_TEXT];

	open_it();
	cr_expect(p.rx_lro);
	cr_expect_eq(dev.conf.rxmode.offloads & RX_LRO, RX_LRO);
	cr_expect_eq(dev.conf.rxmode.max_lro_pkt_size, 16000);
	cr_expect_not_null(strstr(port_offloads_text(&p, text, sizeof(text)), "lro"));
	dev.info.max_lro_pkt_size = 200000;
	open_it();
	cr_expect_eq(dev.conf.rxmode.max_lro_pkt_size, 14 + 65535, "what IP can say");
}

Test(queues, segments_are_not_joined_without_what_it_takes)
{
	const uint64_t all = dev.info.rx_offload_capa;

	dev.info.rx_offload_capa = all & ~RTE_ETH_RX_OFFLOAD_TCP_LRO;
	open_it();
	cr_expect_not(p.rx_lro);
	dev.info.rx_offload_capa = all & ~RTE_ETH_RX_OFFLOAD_SCATTER;
	open_it();
	cr_expect_not(p.rx_lro, "no chains of buffers");
	dev.info.rx_offload_capa = all & ~RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	open_it();
	cr_expect_not(p.rx_lro, "nobody knows whether they were good");
}

Test(queues, driver_that_refuses_is_asked_for_less)
{
	dev.refuses_offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO;
	open_it();
	cr_expect(p.rss && !p.rx_lro);
	cr_expect_not(dev.conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO);
	dev.refuses_rss = true;
	open_it();
	cr_expect(!p.rss && !p.rx_lro && dev.conf.intr_conf.rxq);
	dev.refuses_offloads = 0;
	open_it();
	cr_expect(!p.rss && p.rx_lro);
	dev.refuses_intr = true;
	open_it();
	cr_expect(!p.rss && p.rx_lro && !dev.conf.intr_conf.rxq);
	dev.refuses_offloads = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	cr_expect_eq(port_open(&conf, &p, err, sizeof(err)), -EINVAL, "it refuses everything");
}

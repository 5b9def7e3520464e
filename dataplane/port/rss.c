/*
 * dataplane/port/rss.c - receive-side scaling: the device is given our key and our table, and asked
 * whether it took them.
 */
#include <string.h>

#include "dataplane/port/internal.h"

#define TCP_HASH  (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define TABLE_MAX 2048 /* entries; the largest that are known have as many */

/* A driver that does not say has the common one. */
static uint8_t key_len(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size != 0 ? info->hash_key_size : SPREAD_KEY_LEN;
}

/*
 * A table of another size looks at another number of bits of the hash. A longer one repeats ours; a
 * shorter one will do where ours repeats it.
 */
static bool table_fits(const struct spread *sp, uint16_t size)
{
	if (size == 0 || (size & (size - 1)) != 0 || size > TABLE_MAX ||
	    size < RTE_ETH_RETA_GROUP_SIZE)
		return false;
	for (unsigned int i = size; i < SPREAD_ENTRIES; i++)
		if (sp->shard[i] != sp->shard[i % size])
			return false;
	return true;
}

void port_rss_choose(const struct spread *sp, const struct rte_eth_dev_info *info,
		     uint8_t key[PORT_RSS_KEY_MAX], struct rte_eth_conf *ec)
{
	uint64_t hf = info->flow_type_rss_offloads & TCP_HASH;
	uint8_t len = key_len(info);

	if (hf == 0 || len < SPREAD_KEY_LEN || len > PORT_RSS_KEY_MAX ||
	    !table_fits(sp, info->reta_size))
		return;
	memset(key, 0, PORT_RSS_KEY_MAX);
	memcpy(key, sp->key, SPREAD_KEY_LEN);
	ec->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	ec->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	ec->rx_adv_conf.rss_conf =
		(struct rte_eth_rss_conf){.rss_key = key, .rss_key_len = len, .rss_hf = hf};
}

void port_rss_without(struct rte_eth_conf *ec)
{
	ec->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	ec->rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_RSS_HASH;
	memset(&ec->rx_adv_conf, 0, sizeof(ec->rx_adv_conf));
}

/* Of an entry; where there are fewer queues than shards one serves several. */
static uint16_t queue_of(const struct port *p, const struct spread *sp, unsigned int entry)
{
	return sp->shard[entry % SPREAD_ENTRIES] % p->queues;
}

static bool set_table(const struct port *p, const struct spread *sp, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 table[TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (unsigned int i = 0; i < size; i++) {
		table[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
		table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			queue_of(p, sp, i);
	}
	return rte_eth_dev_rss_reta_update(p->port_id, table, size) == 0;
}

static bool table_is_ours(const struct port *p, const struct spread *sp, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 table[TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (unsigned int i = 0; i < size / RTE_ETH_RETA_GROUP_SIZE; i++)
		table[i].mask = UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(p->port_id, table, size) != 0)
		return false;
	for (unsigned int i = 0; i < size; i++)
		if (table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
		    queue_of(p, sp, i))
			return false;
	return true;
}

static bool key_is_ours(const struct port *p, const struct spread *sp,
			const struct rte_eth_dev_info *info)
{
	uint8_t key[PORT_RSS_KEY_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = key_len(info)};

	return rte_eth_dev_rss_hash_conf_get(p->port_id, &conf) == 0 &&
	       (conf.rss_hf & TCP_HASH) == TCP_HASH && memcmp(key, sp->key, SPREAD_KEY_LEN) == 0;
}

bool port_rss_confirm(const struct port *p, const struct spread *sp,
		      const struct rte_eth_dev_info *info)
{
	return set_table(p, sp, info->reta_size) && table_is_ours(p, sp, info->reta_size) &&
	       key_is_ours(p, sp, info);
}

/* dataplane/port/internal.h - what the files of port/ share. */
#ifndef SLUICE_DATAPLANE_PORT_INTERNAL_H
#define SLUICE_DATAPLANE_PORT_INTERNAL_H

#include <rte_ethdev.h>

#include "dataplane/port/port.h"

/* rss.c: of the longest keys there are (52 bytes) only what our flows reach matters. */
#define PORT_RSS_KEY_MAX 64

/*
 * Asks for spreading by our key in ec, which then points into key, where the device has what it
 * takes: TCP of both families or one, a key as long as ours or longer, a table that can say ours.
 */
void port_rss_choose(const struct spread *sp, const struct rte_eth_dev_info *info,
		     uint8_t key[PORT_RSS_KEY_MAX], struct rte_eth_conf *ec);
void port_rss_without(struct rte_eth_conf *ec);
/*
 * Sets the table of a port that was started, and reads table and key back. True: TCP of both
 * families arrives where spread_owner() says, and the hash in its mbufs is ours.
 */
bool port_rss_confirm(const struct port *p, const struct spread *sp,
		      const struct rte_eth_dev_info *info);

#endif

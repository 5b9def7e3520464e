/*
 * dataplane/shard_ports.c - the ports, looked at now and then: link, their own counters, queues
 * that stand still.
 *
 * A queue that stands still stops one interface and says so once, in the log and by a counter; all
 * others go on, since each has a list of its own (F-13).
 */
#include "conf/conf.h"
#include "dataplane/internal.h"
#include "dataplane/log.h"

static void link_changed(struct shard *s, unsigned int iface)
{
	struct port *p = &s->port[iface];

	dp_log("interface %s: link %s", s->conf->interfaces[iface].name,
	       p->link_up ? "up" : "down");
	p->counters[PORT_C_LINK_DOWN] += !p->link_up;
	net_link_set(s->net, iface, p->link_up, s->now_us);
	if (p->link_up)
		tcp_link_up(s->tcp, iface);
}

/* A packet that came in proves the link, whatever the device says. */
static void look_at_link(struct shard *s, unsigned int iface)
{
	struct shard_port_watch *w = &s->watch[iface];
	struct port *p = &s->port[iface];
	bool was = p->link_up, came = w->rx_pkts != w->seen_rx_pkts;

	port_link_poll(p);
	p->link_up |= came;
	if (p->link_up != was)
		link_changed(s, iface);
}

/* Once when it begins, once when it is over. */
static void alarm_if(struct shard *s, unsigned int iface, bool stuck, bool *was,
		     enum port_counter c, const char *queue)
{
	if (stuck == *was)
		return;
	*was = stuck;
	s->port[iface].counters[c] += stuck;
	dp_log("interface %s: %s queue %s", s->conf->interfaces[iface].name, queue,
	       stuck ? "stands still" : "moves again");
}

/* Packets wait or are missed, and none has come since it was looked at last. */
static bool rx_stands(const struct shard_port_watch *w, const struct port *p)
{
	return w->rx_pkts == w->seen_rx_pkts &&
	       (p->counters[PORT_C_RX_MISSED] != w->seen_missed || port_rx_waiting(p) > 0);
}

static void look_at_queues(struct shard *s, unsigned int iface)
{
	struct shard_port_watch *w = &s->watch[iface];
	struct port *p = &s->port[iface];
	uint64_t since = net_tx_stuck_us(s->net, iface);

	alarm_if(s, iface, since != 0 && s->now_us - since >= SHARD_STALL_US, &w->tx_alarm,
		 PORT_C_TX_STALL, "transmit");

	if (!rx_stands(w, p))
		w->rx_stands_us = 0;
	else if (w->rx_stands_us == 0)
		w->rx_stands_us = s->now_us;
	alarm_if(s, iface, w->rx_stands_us != 0 && s->now_us - w->rx_stands_us >= SHARD_STALL_US,
		 &w->rx_alarm, PORT_C_RX_STALL, "receive");
}

void shard_ports_poll(struct shard *s)
{
	if (s->now_us < s->ports_us)
		return;
	s->ports_us = s->now_us + SHARD_PORTS_US;
	for (unsigned int i = 0; i < s->n_ports; i++) {
		struct shard_port_watch *w = &s->watch[i];

		port_stats_poll(&s->port[i]);
		look_at_link(s, i);
		look_at_queues(s, i);
		w->seen_rx_pkts = w->rx_pkts;
		w->seen_missed = s->port[i].counters[PORT_C_RX_MISSED];
	}
}

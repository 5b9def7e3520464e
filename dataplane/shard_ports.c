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

/* Of a port with several interfaces, the first. */
static const char *name_of(const struct shard *s, unsigned int port)
{
	return s->conf->interfaces[s->iface_of[port]].name;
}

void shard_link_apply(struct shard *s, unsigned int port)
{
	const struct port *p = &s->port[port];

	for (unsigned int i = 0; i < s->conf->n_interfaces; i++) {
		if (s->port_of[i] != port)
			continue;
		net_link_set(s->net, i, p->link_up, s->now_us);
		if (p->link_up)
			tcp_link_up(s->tcp, i);
	}
}

static void link_changed(struct shard *s, unsigned int port)
{
	struct port *p = &s->port[port];

	dp_log("interface %s: link %s", name_of(s, port), p->link_up ? "up" : "down");
	p->counters[PORT_C_LINK_DOWN] += !p->link_up;
	shard_link_apply(s, port);
	if (shard_is_teamed(s))
		shard_team_tell_link(s, port);
}

/* A packet that came in proves the link, whatever the device says. */
static void look_at_link(struct shard *s, unsigned int port)
{
	struct shard_port_watch *w = &s->watch[port];
	struct port *p = &s->port[port];
	bool was = p->link_up, came = w->rx_pkts != w->seen_rx_pkts;

	port_link_poll(p);
	p->link_up |= came;
	if (p->link_up != was)
		link_changed(s, port);
}

/* Once when it begins, once when it is over. */
static void alarm_if(struct shard *s, unsigned int port, bool stuck, bool *was, enum port_counter c,
		     const char *queue)
{
	if (stuck == *was)
		return;
	*was = stuck;
	s->port[port].counters[c] += stuck;
	dp_log("interface %s: %s queue %s", name_of(s, port), queue,
	       stuck ? "stands still" : "moves again");
}

/* Packets wait or are missed, and none has come since it was looked at last. */
static bool rx_stands(const struct shard_port_watch *w, const struct port *p)
{
	return w->rx_pkts == w->seen_rx_pkts &&
	       (p->counters[PORT_C_RX_MISSED] != w->seen_missed || port_rx_waiting(p) > 0);
}

/* Each interface of a port has its own list; the one that waits longest. */
static uint64_t tx_stuck_us(const struct shard *s, unsigned int port)
{
	uint64_t since = 0;

	for (unsigned int i = 0; i < s->conf->n_interfaces; i++) {
		uint64_t t = s->port_of[i] == port ? net_tx_stuck_us(s->net, i) : 0;

		if (t != 0 && (since == 0 || t < since))
			since = t;
	}
	return since;
}

static void look_at_queues(struct shard *s, unsigned int port)
{
	struct shard_port_watch *w = &s->watch[port];
	struct port *p = &s->port[port];
	uint64_t since = tx_stuck_us(s, port);

	alarm_if(s, port, since != 0 && s->now_us - since >= SHARD_STALL_US, &w->tx_alarm,
		 PORT_C_TX_STALL, "transmit");

	if (!rx_stands(w, p))
		w->rx_stands_us = 0;
	else if (w->rx_stands_us == 0)
		w->rx_stands_us = s->now_us;
	alarm_if(s, port, w->rx_stands_us != 0 && s->now_us - w->rx_stands_us >= SHARD_STALL_US,
		 &w->rx_alarm, PORT_C_RX_STALL, "receive");
}

void shard_ports_poll(struct shard *s)
{
	if (s->now_us < s->ports_us)
		return;
	s->ports_us = s->now_us + SHARD_PORTS_US;
	for (unsigned int i = 0; i < s->n_ports; i++) {
		struct shard_port_watch *w = &s->watch[i];

		/* The device and its link are the first shard's to ask about. */
		if (s->place == 0) {
			port_stats_poll(&s->port[i]);
			look_at_link(s, i);
		}
		look_at_queues(s, i);
		w->seen_rx_pkts = w->rx_pkts;
		w->seen_missed = s->port[i].counters[PORT_C_RX_MISSED];
	}
	/* A note may have been lost. */
	if (shard_is_teamed(s) && s->now_us >= s->tell_us) {
		s->tell_us = s->now_us + SHARD_TELL_US;
		for (unsigned int i = 0; i < s->n_ports; i++)
			shard_team_tell_link(s, i);
	}
}

/*
 * dataplane/tcp/icmp.c - what TCP makes of an ICMP error.
 *
 * Source  RFC 1122 section 4.2.3.9, RFC 9293 section 3.9.2.2; RFC 5927: only a message that quotes
 *         a sequence number under way is looked at (section 4.1), and none ends a connection
 *         that is synchronized (section 5.2, CVE-2004-0790): whoever sees the network can send
 *         better ones, and the peer's silence says the same in its time. RFC 5461 section 4.1: one
 *         that is being opened fails at once, or a user waits minutes for the next address.
 */
#include "dataplane/tcp/internal.h"

static bool under_way(const struct tcp_conn *c, uint32_t seq)
{
	/* Not by two comparisons: both hold for a number 2^31 away when nothing is under way. */
	return seq - c->snd_una < c->snd_max - c->snd_una;
}

void tcp_icmp(void *arg, const struct net_icmp *e, uint64_t now_us)
{
	struct tcp *t = arg;
	struct tcp_conn *c;
	struct tcp_key k;

	t->now_us = now_us;
	tcp_key_make(&e->local, e->local_port, &e->peer, e->peer_port, &k);
	c = tcp_lookup(t, &k, tcp_key_hash(t, &k));
	if (c == NULL || !under_way(c, e->seq)) {
		tcp_count(t, TCP_C_ICMP_STRAY);
		return;
	}
	tcp_count(t, TCP_C_ICMP_IN);
	if (e->mtu != 0) {
		tcp_pmtu_told(c, e, now_us);
	} else if (c->state == TCP_SYN_SENT || (c->state == TCP_SYN_RCVD && e->hard)) {
		tcp_count(t, TCP_C_ICMP_ABORT);
		tcp_conn_closed(c, -e->err);
	}
}

/*
 * dataplane/shard_team.c - a shard among others: notes, packets that are sent by way of it, bells.
 * A shard that is alone never comes here.
 */
#include <string.h>

#include "dataplane/internal.h"
#include "dataplane/port/share.h"

#define NOTES_BURST 16

/* To the first shard, or from it to all others. What has no room is said again by who says it. */
static void tell(struct shard *s, const struct team_note *note)
{
	unsigned int n = team_shards(s->team);

	if (s->place != 0) {
		if (team_tell(s->team, s->place, 0, note))
			s->given |= 1;
		return;
	}
	for (unsigned int i = 1; i < n; i++)
		if (team_tell(s->team, 0, i, note))
			s->given |= UINT64_C(1) << i;
}

static void tell_net(void *arg, const struct net_note *n)
{
	const struct team_note note = {.kind = TEAM_NET, .net = *n};

	tell(arg, &note);
}

void shard_team_tell_link(struct shard *s, unsigned int port)
{
	const struct team_note note = {
		.kind = TEAM_LINK, .link = {.port = (uint16_t)port, .up = s->port[port].link_up}};

	if (s->place == 0)
		tell(s, &note);
}

/* --- what came in fragments, to the first shard ------------------------------------------------
 */

static unsigned int owner_of(const struct shard *s, const struct net_addr *peer,
			     const struct net_addr *local, uint16_t peer_port, uint16_t local_port)
{
	return spread_owner_flow(team_spread(s->team), team_steer(s->team, s->place), peer, local,
				 peer_port, local_port);
}

/* An error whose quoted flow could not be seen before it was whole. */
static void icmp_in(void *arg, const struct net_icmp *e, uint64_t now_us)
{
	struct team_note note = {.kind = TEAM_ICMP, .icmp = *e};
	struct shard *s = arg;
	unsigned int to = owner_of(s, &e->peer, &e->local, e->peer_port, e->local_port);

	if (to == s->place)
		tcp_icmp(s->tcp, e, now_us);
	else if (s->place == 0 && team_tell(s->team, 0, to, &note))
		s->given |= UINT64_C(1) << to;
}

/* A segment that was put together; true: it is another shard's, and went there or was dropped. */
static bool send_segment(struct shard *s, struct rte_mbuf *m)
{
	const struct team_note note = {.kind = TEAM_SEGMENT, .segment = m};
	const struct pkt_meta *meta = pkt_meta(m);
	uint8_t ports[4];
	unsigned int to;

	if (m->data_len < sizeof(ports)) /* TCP says what is wrong with it */
		return false;
	memcpy(ports, rte_pktmbuf_mtod(m, const void *), sizeof(ports));
	to = owner_of(s, &meta->src, &meta->dst, (uint16_t)(ports[0] << 8 | ports[1]),
		      (uint16_t)(ports[2] << 8 | ports[3]));
	if (to == s->place)
		return false;
	if (team_tell(s->team, 0, to, &note)) {
		s->given |= UINT64_C(1) << to;
	} else {
		s->port[0].counters[PORT_C_STEER_FULL]++;
		rte_pktmbuf_free(m);
	}
	return true;
}

unsigned int shard_team_sort(struct shard *s, struct rte_mbuf **seg, unsigned int n)
{
	uint64_t whole = net_reassembled(s->net);
	unsigned int k = 0;

	if (likely(whole == s->reassembled) || s->place != 0)
		return n;
	s->reassembled = whole;
	for (unsigned int i = 0; i < n; i++)
		if (!send_segment(s, seg[i]))
			seg[k++] = seg[i];
	return k;
}

/* --- a turn ------------------------------------------------------------------------------------
 */

static void hear_link(struct shard *s, unsigned int port, bool up)
{
	if (s->port[port].link_up == up)
		return;
	s->port[port].link_up = up;
	shard_link_apply(s, port);
}

static void hear(struct shard *s, struct team_note *note)
{
	switch (note->kind) {
	case TEAM_NET:
		net_note_input(s->net, &note->net, s->now_us);
		break;
	case TEAM_LINK:
		hear_link(s, note->link.port, note->link.up);
		break;
	case TEAM_SEGMENT:
		tcp_input_burst(s->tcp, &note->segment, 1, s->now_us);
		break;
	case TEAM_ICMP:
		tcp_icmp(s->tcp, &note->icmp, s->now_us);
		break;
	case TEAM_PORT:
		shard_forward_hear(s, &note->port);
		break;
	default:
		break;
	}
}

unsigned int shard_team_hear(struct shard *s)
{
	struct team_note note[NOTES_BURST];
	unsigned int n;

	if (!shard_forward_room(s, NOTES_BURST)) /* what they are answered with is paid first */
		return 0;
	n = team_hear(s->team, s->place, note, NOTES_BURST);

	for (unsigned int i = 0; i < n; i++)
		hear(s, &note[i]);
	return n;
}

unsigned int shard_team_carry(struct shard *s)
{
	unsigned int sent = 0;

	for (unsigned int i = 0; i < s->n_ports; i++)
		sent += share_carry(&s->port[i]);
	return sent;
}

bool shard_team_waits(const struct shard *s)
{
	for (unsigned int i = 0; i < s->n_ports; i++)
		if (share_waits(&s->port[i]))
			return true;
	return false;
}

void shard_team_ring(struct shard *s)
{
	uint64_t given = s->given;

	for (unsigned int i = 0; i < s->n_ports; i++)
		given |= share_given(&s->port[i]);
	s->given = 0;
	team_ring(s->team, given);
}

int shard_team_join(struct shard *s)
{
	net_share(s->net, s->place == 0, tell_net, s);
	net_icmp_to(s->net, icmp_in, s);
	return idle_watch(&s->idle, team_bell(s->team, s->place));
}

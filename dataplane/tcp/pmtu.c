/*
 * dataplane/tcp/pmtu.c - how large a packet the way to the peer takes.
 *
 * Three ways to know: a router says so (RFC 1191, RFC 8201), full segments vanish although the
 * peer lives (RFC 2923 section 2.1, RFC 4821 section 7.7), and a larger segment than before is
 * acknowledged (RFC 4821 section 7; RFC 8899 calls what is used PLPMTU and the sizes between
 * base and link the search). Probes carry the next bytes of the stream, so nothing is sent for
 * them alone, and a lost one is sent again as several segments.
 *
 * A router is believed as RFC 5927 section 7.2 has it: at once where nothing larger ever arrived,
 * else only when what it quotes is not acknowledged and the timer runs out. So whoever forges
 * messages about a connection whose data arrives changes nothing.
 *
 * cwnd counts bytes and stays: the network holds as much of smaller packets.
 */
#include "dataplane/tcp/internal.h"

#define BASE_PMTU_4   1200            /* RFC 8899 section 5.1.2 */
#define SEARCH_WAIT   (600 * TCP_SEC) /* section 5.1.1, PMTU_RAISE_TIMER; RFC 1191 section 6.3 */
#define BLACK_HOLE_R1 3               /* RFC 1122 section 4.2.3.5: R1, the least and ours */
#define BELIEVED_MAX  8 /* times at once between two searches: each sends all again (T-34) */
#define PROBE_FOLLOW  3 /* segments behind a probe, to find it lost without a time-out */

static uint16_t ip_header(const struct tcp_conn *c)
{
	return c->key.family == 4 ? TCP_IP_HDR_4 : TCP_IP_HDR_6;
}

/* Headers and options of each segment with data. */
static uint16_t overhead(const struct tcp_conn *c)
{
	return (uint16_t)(ip_header(c) + TCP_HDR_MIN + (c->ts_on ? TCP_OPT_TS_LEN : 0));
}

/* The largest packet the two ends take. */
static uint16_t limit(const struct tcp_conn *c)
{
	return (uint16_t)min_u64(c->path.mtu, (uint32_t)c->mss_peer + ip_header(c) + TCP_HDR_MIN);
}

void tcp_pmtu_init(struct tcp_conn *c)
{
	struct net_addr peer = tcp_peer(c);

	c->pmtu = (struct tcp_pmtu){
		.size = (uint16_t)min_u64(c->path.mtu, net_pmtu(c->t->conf.net, &peer))};
}

/* MUST-16: Eff.snd.MSS, with the options each segment carries taken off (RFC 6691). */
void tcp_conn_mss(struct tcp_conn *c)
{
	c->pmtu.size = (uint16_t)min_u64(c->pmtu.size, limit(c));
	c->pmtu.below = c->pmtu.size < limit(c);
	c->mss = (uint16_t)(c->pmtu.size - overhead(c));
}

static void size_set(struct tcp_conn *c, uint16_t size)
{
	c->pmtu.size = size;
	if (c->pmtu.confirmed > size)
		c->pmtu.confirmed = 0;
	tcp_conn_mss(c);
	/* A window of less than one segment would never open, nor one that ends a recovery so
	 * (RFC 5681 section 3.1, equation 4). */
	c->cwnd = max_u64(c->cwnd, c->mss);
	c->ssthresh = max_u64(c->ssthresh, 2u * c->mss);
}

static void search_at(struct tcp_conn *c, uint64_t at_us)
{
	c->pmtu.search = tcp_tick(at_us);
	c->pmtu.failed = 0;
	c->pmtu.told = false;
}

/* --- down ------------------------------------------------------------------------------ */

static void lower(struct tcp_conn *c, uint16_t size, uint64_t now_us)
{
	struct net_addr peer = tcp_peer(c);

	size_set(c, size);
	search_at(c, now_us + SEARCH_WAIT);
	c->busy->watched = c->busy->claimed = 0;
	net_pmtu_set(c->t->conf.net, &peer, size);
	tcp_count(c->t, TCP_C_PMTU_DOWN);
}

/* A probe that a router did not take: the next one is as large as it says. */
static bool told_of_probe(struct tcp_conn *c, const struct net_icmp *e)
{
	if (c->busy->watched <= c->pmtu.size || e->mtu < c->pmtu.size || e->mtu >= c->busy->watched)
		return false;
	c->pmtu.failed = (uint16_t)(e->mtu + 1);
	c->pmtu.told = true;
	c->busy->watched = 0;
	return true;
}

void tcp_pmtu_told(struct tcp_conn *c, const struct net_icmp *e, uint64_t now_us)
{
	if (!tcp_synchronized((enum tcp_state)c->state) || told_of_probe(c, e) ||
	    e->mtu >= c->pmtu.size)
		return;
	if (e->mtu >= c->pmtu.confirmed && c->pmtu.lowered < BELIEVED_MAX) {
		c->pmtu.lowered++;
		lower(c, e->mtu, now_us);
		/* RFC 1191 section 6.4: at once, and no sign of congestion. */
		tcp_sent_lose_all(c);
		tcp_output_want(c);
	} else if (c->busy->claimed == 0) {
		c->busy->claimed = e->mtu;
		c->busy->claimed_seq = e->seq;
	}
}

/*
 * RFC 4821 section 7.7: the next smaller size into which what is under way does not fit at once,
 * or it would be sent as before. IPv6 promises 1280 everywhere. 0: none.
 */
static uint16_t next_lower(const struct tcp_conn *c)
{
	static const uint16_t steps4[] = {BASE_PMTU_4, NET_PMTU_MIN_4}, steps6[] = {NET_PMTU_MIN_6};
	const uint16_t *step = c->key.family == 4 ? steps4 : steps6;
	size_t n = c->key.family == 4 ? RTE_DIM(steps4) : RTE_DIM(steps6);
	uint32_t flight = c->snd_max - c->snd_una;

	for (size_t i = 0; i < n; i++)
		if (step[i] < c->pmtu.size && flight > (uint32_t)(step[i] - overhead(c)))
			return step[i];
	return 0;
}

/*
 * Time-out after time-out of something large: a black hole, or the peer is not there. The search
 * for more begins with the first acknowledgement, so a mistake costs a few round trips.
 */
static void black_hole(struct tcp_conn *c, uint64_t now_us)
{
	uint16_t size = next_lower(c);

	if (size == 0)
		return;
	size_set(c, size);
	search_at(c, now_us);
	tcp_count(c->t, TCP_C_PMTU_BLACK_HOLE);
}

static void probe_failed(struct tcp_conn *c)
{
	if (c->busy->watched > c->pmtu.size) {
		c->pmtu.failed = c->busy->watched;
		c->pmtu.told = false;
	}
	c->busy->watched = 0;
}

void tcp_pmtu_rto(struct tcp_conn *c, uint64_t now_us)
{
	struct net_addr peer = tcp_peer(c);
	uint16_t known = net_pmtu(c->t->conf.net, &peer);

	probe_failed(c);
	if (known < c->pmtu.size) /* another connection found out */
		lower(c, known, now_us);
	else if (c->busy->claimed != 0 && c->busy->claimed < c->pmtu.size)
		lower(c, c->busy->claimed, now_us);
	else if (c->rxtshift >= BLACK_HOLE_R1)
		black_hole(c, now_us);
}

void tcp_pmtu_link(struct tcp_conn *c)
{
	struct net_addr peer = tcp_peer(c);
	struct net_path path;

	if (net_route(c->t->conf.net, &peer, &path) < 0)
		return;
	tcp_path_set(c, &path);
	if (c->state != TCP_SYN_SENT) /* until then what the peer takes is not known */
		size_set(c, (uint16_t)min_u64(c->pmtu.size, path.mtu));
}

/* --- up -------------------------------------------------------------------------------- */

/*
 * Sizes that links and tunnels leave: ARPANET's heirs, IPv6's least, IPsec, WireGuard and GRE
 * within Ethernet, PPPoE, Ethernet, and what lies between that and jumbo frames.
 */
static const uint16_t sizes[] = {576,  1006, 1200, 1280, 1400, 1420, 1460, 1476,
				 1492, 1500, 2002, 4352, 6000, 8166, 9000};

/* The largest first (what was lost may have been all), then halves of what is left. 0: done. */
static uint16_t candidate(const struct tcp_conn *c)
{
	const struct tcp_pmtu *p = &c->pmtu;
	uint32_t below = limit(c) + 1u;
	size_t first = 0, end = 0;

	/* The link may have become smaller since a probe failed. */
	if (p->failed != 0 && p->failed < below)
		below = p->failed;
	if (p->failed == 0 || p->told)
		return (uint16_t)(below - 1 > p->size ? below - 1 : 0);
	while (first < RTE_DIM(sizes) && sizes[first] <= p->size)
		first++;
	for (end = first; end < RTE_DIM(sizes) && sizes[end] < below;)
		end++;
	return first < end ? sizes[(first + end) / 2] : 0;
}

static void search_done(struct tcp_conn *c, uint64_t now_us)
{
	struct net_addr peer = tcp_peer(c);

	search_at(c, now_us + SEARCH_WAIT);
	c->pmtu.lowered = 0;
	net_pmtu_set(c->t->conf.net, &peer, c->pmtu.below ? c->pmtu.size : UINT16_MAX);
}

uint32_t tcp_pmtu_probe(struct tcp_conn *c, uint32_t queued, uint64_t now_us)
{
	uint32_t len, with_rest;
	uint16_t size;

	if (c->snd_nxt != c->snd_max || c->in_recovery || c->in_rto || c->dupacks > 0 ||
	    tcp_sent_lost(c) != NULL || c->busy->watched > c->pmtu.size ||
	    (int32_t)(tcp_tick(now_us) - c->pmtu.search) < 0)
		return 0;
	size = candidate(c);
	if (size == 0) {
		search_done(c, now_us);
		return 0;
	}
	len = (uint32_t)(size - overhead(c));
	with_rest = len + PROBE_FOLLOW * c->mss;
	/*
	 * Of cwnd there are seldom more than a few segments left, so a probe may go beyond what is
	 * under way now, by itself; the next segments wait for it.
	 */
	if (queued < with_rest || c->cwnd < with_rest ||
	    seq_gt(c->snd_nxt + len, c->snd_una + c->snd_wnd))
		return 0;
	return len;
}

void tcp_pmtu_watch(struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	if (c->busy->watched != 0 && len <= c->mss)
		return;
	c->busy->watched = (uint16_t)(len + overhead(c));
	c->busy->watch_end = seq + len;
	if (c->busy->watched > c->pmtu.size)
		tcp_count(c->t, TCP_C_PMTU_PROBE);
}

void tcp_pmtu_resent(struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	uint32_t start = c->busy->watch_end - (c->busy->watched - overhead(c));

	if (c->busy->watched != 0 && seq_lt(seq, c->busy->watch_end) && seq_gt(seq + len, start))
		probe_failed(c);
}

static void arrived(struct tcp_conn *c, uint16_t size, uint64_t now_us)
{
	struct net_addr peer = tcp_peer(c);

	if (size > c->pmtu.size) {
		tcp_count(c->t, TCP_C_PMTU_UP);
		size_set(c, size);
		if (!c->pmtu.below)
			search_done(c, now_us);
		else if (net_pmtu(c->t->conf.net, &peer) < size)
			net_pmtu_set(c->t->conf.net, &peer, size);
	}
	c->pmtu.confirmed = size;
}

void tcp_pmtu_acked(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_busy *b = c->busy;
	uint16_t size = b->watched;

	if (size != 0 && seq_ge(c->snd_una, b->watch_end)) {
		b->watched = 0;
		arrived(c, size, now_us);
	}
	/* RFC 5927 section 7.2: what it complained of is there. */
	if (b->claimed != 0 && seq_gt(c->snd_una, b->claimed_seq))
		b->claimed = 0;
}

/* dataplane/shard_setup.c - how a shard comes and goes: pools, ports, TCP, relay from the file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "conf/conf.h"
#include "conf/proxy.h"
#include "crypto/cipher.h"
#include "crypto/secret.h"
#include "dataplane/fail.h"
#include "dataplane/internal.h"
#include "dataplane/log.h"
#include "dataplane/tcp/cc.h"
#include "ssh/record.h"

#define MIB (UINT64_C(1) << 20)

/*
 * "auto" of ReceiveBuffer and SendBuffer: what one connection's may grow to is a share of the pool,
 * within these. What all of them have grown by is bounded by TCP (tcp_conf.rx_shard).
 */
#define BUFFER_AUTO_MIN  (UINT64_C(512) << 10)
#define BUFFER_AUTO_MAX  (16 * MIB)
#define BUFFER_AUTO_PART 4

static void watch_port(struct shard *s, const struct port *p)
{
	int r = port_rx_fd(p);

	if (r != -ENOTSUP)
		r = idle_watch(&s->idle, r);
	/* epoll takes no plain file: such a port is polled, too. */
	if (r < 0)
		s->idle.polled = true;
}

/* A shard that nobody gave a team is one of its own. */
static int join_team(struct shard *s, const struct shard_conf *sc, char *err, size_t err_size)
{
	char name[16];
	const struct team_conf tc = {.conf = sc->conf, .shards = 1, .name = name};
	int r = 0;

	snprintf(name, sizeof(name), "shard%u", s->index);
	s->team = sc->team;
	if (s->team == NULL)
		r = team_new(&tc, &s->own_team, err, err_size);
	else
		s->place = s->index;
	if (r < 0)
		return r;
	if (s->team == NULL)
		s->team = s->own_team;
	s->team_size = team_shards(s->team);
	s->pools = team_pools(s->team);
	s->n_ports = team_ports(s->team);
	for (unsigned int i = 0; i < s->n_ports; i++) {
		s->port[i] = team_port(s->team, i, s->place);
		s->iface_of[i] = team_iface_of(s->team, i);
		if (s->port[i].queue != PORT_NO_QUEUE)
			watch_port(s, &s->port[i]);
	}
	return 0;
}

static int add_iface(struct shard *s, size_t i, char *err, size_t err_size)
{
	const struct conf_interface *ci = &s->conf->interfaces[i];
	struct port *p;
	uint16_t mtu;
	int r;

	s->port_of[i] = team_port_of(s->team, i);
	p = &s->port[s->port_of[i]];
	mtu = ci->mtu != 0 ? ci->mtu : RTE_MIN(p->mtu, (uint16_t)PORT_MTU_DEFAULT);
	r = net_iface_add(s->net, ci->name, p);
	if (r >= 0)
		r = net_iface_set(s->net, (unsigned int)i, ci->vlan, mtu);
	return r < 0 ? start_fail(err, err_size, r, "Interface %s: %s", ci->name, strerror(-r)) : 0;
}

static struct net_addr net_addr_of(uint8_t family, const uint8_t *b)
{
	struct net_addr a = {.family = family};

	memcpy(a.b, b, family == 4 ? 4 : 16);
	return a;
}

static int make_net(struct shard *s, char *err, size_t err_size)
{
	const struct conf_dataplane *c = s->conf;
	struct net_conf nc = {.pools = &s->pools, .no_fragments = !c->reassemble_fragments};
	char text[CONF_ADDR_TEXT];
	int r = net_new(&nc, &s->net);

	if (r < 0)
		return start_fail(err, err_size, r, "neighbours: %s", strerror(-r));
	for (size_t i = 0; i < c->n_interfaces; i++) {
		r = add_iface(s, i, err, err_size);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < c->n_ifaddrs; i++) {
		const struct conf_prefix *p = &c->ifaddrs[i].prefix;
		struct net_addr a = net_addr_of(p->family, p->addr);

		r = net_addr_add(s->net, c->ifaddrs[i].interface, &a, p->len);
		if (r < 0)
			return start_fail(err, err_size, r, "InterfaceAddress %s: %s",
					  conf_prefix_text(p, text), strerror(-r));
	}
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct conf_prefix *p = &c->routes[i].prefix;
		struct net_addr a = net_addr_of(p->family, p->addr);
		struct net_addr via = net_addr_of(c->routes[i].via.family, c->routes[i].via.addr);

		via.scope = c->routes[i].via.scope;
		r = net_route_add(s->net, &a, p->len, &via);
		if (r < 0)
			return start_fail(err, err_size, r, "Route %s: %s",
					  conf_prefix_text(p, text), strerror(-r));
	}
	return 0;
}

/* Of what the file says for the whole dataplane: at least one, and a limit of 0 is none. */
static uint32_t part(const struct shard *s, uint32_t all)
{
	return (uint32_t)(((uint64_t)all + s->team_size - 1) / s->team_size);
}

uint32_t shard_max_conns(const struct shard *s)
{
	return relay_conns_max(s->relay);
}

uint32_t shard_conns_room(const struct shard *s)
{
	return part(s, team_conns_room(s->conf));
}

/*
 * What else a connection takes a place of. Who is connected beyond the limit keeps his, so that
 * nobody's channel is refused because others may not come.
 */
static void limit_streams(struct shard *s)
{
	const uint32_t conns = RTE_MAX(shard_max_conns(s), relay_conns(s->relay));

	tcp_limit(s->tcp, conns + part(s, s->conf->max_channels));
	shard_host_limit(s, conns);
}

void shard_limit_conns(struct shard *s, uint32_t all)
{
	const uint32_t was = shard_max_conns(s);

	if (relay_limit(s->relay, part(s, all)) < 0)
		dp_log("shard %u: MaxConnections %" PRIu32
		       ": so much memory cannot be locked, it stays %" PRIu32,
		       s->index, all, was);
	if (shard_max_conns(s) == was)
		return;
	dp_log("shard %u: %" PRIu32 " connections may be there, %" PRIu32 " before", s->index,
	       shard_max_conns(s), was);
	limit_streams(s);
}

/* What the pool has room for, where it is not this shard's alone: what it may count on. */
static uint64_t room_of(const struct shard *s)
{
	return pkt_pools_room(&s->pools) / s->team_size;
}

static uint32_t buffer_size(const struct shard *s, uint64_t wanted)
{
	uint64_t share = room_of(s) / BUFFER_AUTO_PART;

	if (wanted != 0)
		return wanted > UINT32_MAX ? UINT32_MAX : (uint32_t)wanted;
	share = share > BUFFER_AUTO_MAX ? BUFFER_AUTO_MAX : share;
	return (uint32_t)(share < BUFFER_AUTO_MIN ? BUFFER_AUTO_MIN : share);
}

static int make_tcp(struct shard *s, char *err, size_t err_size)
{
	static const struct tcp_cc_ops *const congestion[] = {
		[CONF_CONGESTION_CUBIC] = &tcp_cc_cubic,
		[CONF_CONGESTION_NEWRENO] = &tcp_cc_newreno,
	};
	static const enum tcp_ecn ecn[] = {
		[CONF_ECN_ON_DEMAND] = TCP_ECN_ON_DEMAND,
		[CONF_ECN_YES] = TCP_ECN_YES,
		[CONF_ECN_NO] = TCP_ECN_NO,
	};
	const struct conf_dataplane *c = s->conf;
	struct tcp_conf tc = {
		.net = s->net,
		.pools = &s->pools,
		.conns_max = shard_conns_room(s) + part(s, c->max_channels),
		.time_wait_max = shard_conns_room(s),
		.rx_budget = buffer_size(s, c->receive_buffer),
		.tx_budget = buffer_size(s, c->send_buffer),
		.rx_shard = shard_is_teamed(s) ? room_of(s) : 0,
		.user_timeout_us = (uint64_t)c->tcp_user_timeout_ms * 1000,
		.half_open_max = part(s, c->tcp_half_open),
		.source_half_open = part(s, c->tcp_source_half_open),
		.source_conns = part(s, c->tcp_source_connections),
		.source_syn_rate = part(s, c->tcp_source_syn_rate),
		.rst_rate = part(s, c->tcp_reset_rate),
		.mss_min = (uint16_t)c->tcp_min_mss,
		.keepalive_idle_us = (uint64_t)c->tcp_keepalive_time_ms * 1000,
		.keepalive_interval_us = (uint64_t)c->tcp_keepalive_interval_ms * 1000,
		.keepalive_count = c->tcp_keepalive_count,
		.cc = congestion[c->tcp_congestion],
		.ecn = ecn[c->tcp_ecn],
		.no_pacing = !c->tcp_pacing,
		.spread = shard_is_teamed(s) ? team_spread(s->team) : NULL,
		.steer = team_steer(s->team, s->place),
		.shard = (uint16_t)s->place,
	};
	int r;

	/* F-26: without entropy nothing is accepted. */
	r = crypto_random(tc.secret, sizeof(tc.secret));
	if (r < 0)
		return start_fail(err, err_size, r, "no random numbers: %s", strerror(-r));
	r = tcp_new(&tc, &s->tcp);
	if (r == 0)
		net_icmp_to(s->net, tcp_icmp, s->tcp);
	secret_wipe(tc.secret, sizeof(tc.secret));
	if (r < 0)
		return start_fail(err, err_size, r, "MaxConnections %" PRIu32 ": %s",
				  c->max_connections, strerror(-r));
	return 0;
}

/* ProxyProtocolFrom */
static bool shard_proxied(void *arg, const struct link_addr *peer)
{
	const struct shard *s = arg;
	struct conf_addr a = {.family = peer->family, .scope = peer->scope};

	memcpy(a.addr, peer->addr, sizeof(a.addr));
	conf_addr_unmap(&a);
	return conf_proxy_trusted(&s->conf->proxy_from, &a);
}

static int make_relay(struct shard *s, char *err, size_t err_size)
{
	static const enum cipher_engine_kind kind[] = {
		[CONF_ENGINE_AUTO] = CIPHER_ENGINE_AUTO,
		[CONF_ENGINE_IPSEC_MB] = CIPHER_ENGINE_IPSEC_MB,
		[CONF_ENGINE_OPENSSL] = CIPHER_ENGINE_OPENSSL,
	};
	const struct conf_dataplane *c = s->conf;
	struct relay_conf rc = {
		.dataplane = s->dataplane,
		.shard = s->index,
		.conns_max = shard_conns_room(s),
		.conns = part(s, c->max_connections),
		.chans_max = part(s, c->max_channels),
		.streams_max = tcp_places(s->tcp) + host_places(s->host),
		.audit_backlog = part(s, c->audit_backlog),
		.audit_refuse = c->audit_failure == CONF_AUDIT_REFUSE,
		.pool_shards = s->team_size,
		.compression_memory = c->compression_memory / s->team_size,
		.control_wait_ms = c->control_wait_ms,
		.proxied = shard_proxied,
		.proxied_arg = s,
		.read_quantum = c->read_quantum.bytes,
		.read_quantum_us = c->read_quantum.ms * 1000,
		.budgets = team_budgets(s->team),
		.flights = team_flights(s->team),
		.pools = &s->pools,
		.link = {.send = linkend_send, .recv = linkend_recv, .arg = s->link},
		.command = shard_command,
		.command_arg = s,
		.stream_totals = shard_stream_totals,
		.stream_rtt_us = shard_stream_rtt_us,
		.stream_congested = tcp_stream_congested,
		.stream_nodelay = shard_stream_nodelay,
		.stream_qos = shard_stream_qos,
		.stream_asker = shard_stream_asker,
		.host_claim = shard_host_claim,
		.host_size = host_stream_size,
		.host_cut = host_stream_cut,
		.host_say = host_stream_say,
		.host_end = host_stream_end,
		.host_arg = s,
	};
	int r;

	r = cipher_engine_new(kind[c->crypto_engine], 4 + SSH_PACKET_MAX + CIPHER_TAG_MAX,
			      &s->engine);
	if (r < 0)
		return start_fail(err, err_size, r, "CryptoEngine: %s", strerror(-r));
	if (s->legacy_ciphers)
		r = cipher_engine_legacy(s->engine);
	if (r < 0)
		return start_fail(err, err_size, r, "Ciphers: OpenSSL's legacy provider: %s",
				  strerror(-r));
	r = shard_forward_new(s, &rc.listens);
	if (r == 0)
		r = shard_doors_new(s, &rc.listens);
	if (r < 0)
		return start_fail(err, err_size, r, "listeners: %s", strerror(-r));
	rc.engine = s->engine;
	tcp_provider(s->tcp, &rc.tcp);
	r = relay_new(&rc, &s->relay);
	if (r < 0)
		return start_fail(err, err_size, r,
				  "MaxConnections %" PRIu32 ", MaxChannels %" PRIu32 ": %s",
				  c->max_connections, c->max_channels, strerror(-r));
	limit_streams(s);
	return 0;
}

static int make_snapshot(struct shard *s, const char *path, char *err, size_t err_size)
{
	struct counter_group group[COUNTER_GROUPS_MAX];
	int r = snapshot_open(path, group, counters_shared(s, group), &s->snapshot);

	return r < 0 ? start_fail(err, err_size, r, "%s: %s", path, strerror(-r)) : 0;
}

int shard_new(const struct shard_conf *sc, struct shard **ret, char *err, size_t err_size)
{
	const size_t size = RTE_ALIGN_CEIL(sizeof(struct shard), RTE_CACHE_LINE_SIZE);
	struct shard *s = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	int r;

	if (s == NULL)
		return start_fail(err, err_size, -ENOMEM, "out of memory");
	memset(s, 0, size);
	s->idle.epoll = -1;
	s->conf = sc->conf;
	s->legacy_ciphers = sc->legacy_ciphers;
	s->rx_burst = SHARD_BURST_DEFAULT;
	if (sc->conf->rx_burst > 0)
		s->rx_burst = (uint16_t)RTE_MIN(sc->conf->rx_burst, (uint32_t)SHARD_BURST);
	s->link = linkhub_end(sc->link, sc->index);
	s->hub = sc->index == 0 ? sc->link : NULL;
	s->dataplane = sc->dataplane;
	s->index = sc->index;
	s->start_id = sc->start_id;
	s->listens = sc->listens;
	s->listen_ports = sc->listen_ports;
	s->n_listens = sc->n_listens;
	s->retry_after_s = sc->retry_after_s;
	s->shards_ended = sc->shards_ended;
	s->stopping = sc->stopping;
	s->stopping_arg = sc->stopping_arg;
	clock_start(&s->clock);
	s->now_us = s->clock.us0;
	s->stats.tsc_hz = s->clock.hz;

	r = idle_init(&s->idle, s->conf->idle_sleep);
	if (r == 0)
		r = idle_watch(&s->idle, linkend_fd(s->link));
	if (r == 0 && s->hub != NULL)
		r = idle_watch(&s->idle, linkhub_fd(s->hub));
	if (r < 0) {
		start_fail(err, err_size, r, "epoll: %s", strerror(-r));
		goto out;
	}
	r = join_team(s, sc, err, err_size);
	if (r == 0)
		r = make_net(s, err, err_size);
	if (r == 0)
		r = make_tcp(s, err, err_size);
	if (r == 0)
		r = shard_host_make(s, sc, err, err_size);
	if (r == 0)
		r = make_relay(s, err, err_size);
	if (r == 0)
		r = make_snapshot(s, sc->stats_path, err, err_size);
	if (r == 0 && shard_is_teamed(s) && shard_team_join(s) < 0)
		r = start_fail(err, err_size, -EMFILE, "no descriptors for shards");
	if (r < 0)
		goto out;
	*ret = s;
	s = NULL;
out:
	shard_free(s);
	return r;
}

/* From the top down, so that every buffer is back before its pool goes. */
void shard_free(struct shard *s)
{
	if (s == NULL)
		return;
	relay_free(s->relay);
	shard_host_free(s);
	shard_forward_free(s);
	shard_doors_free(s);
	tcp_free(s->tcp);
	net_free(s->net);
	cipher_engine_free(s->engine);
	team_free(s->own_team);
	snapshot_close(&s->snapshot);
	idle_fini(&s->idle);
	free(s);
}

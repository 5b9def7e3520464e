/* dataplane/shard_limits.c - see shard_limits.h. */
#include "dataplane/shard_limits.h"

#include "conf/conf.h"
#include "dataplane/internal.h"

const char *shard_limit_name(unsigned int limit)
{
	static const char *const name[] = {
#define X(id, text) text,
		SHARD_LIMITS(X)
#undef X
	};

	return name[limit];
}

const char *shard_limit_value_name(unsigned int value)
{
	static const char *const name[] = {"USED", "MAX", "REFUSED"};

	return name[value];
}

const char *shard_limit_value_text(unsigned int value)
{
	static const char *const text[] = {"how much of it is used now", "the most that may be",
					   "how often it held something off"};

	return text[value];
}

static void set(struct shard *s, enum shard_limit l, uint64_t used, uint64_t max, uint64_t refused)
{
	s->limit[l][SHARD_LIMIT_USED] = used;
	s->limit[l][SHARD_LIMIT_MAX] = max;
	s->limit[l][SHARD_LIMIT_REFUSED] = refused;
}

/* Of bytes in flight: who has most has its own bound. */
static void set_flight(struct shard *s, enum shard_limit l, const struct relay_use *u,
		       uint64_t refused)
{
	set(s, l, u->now, u->max != 0 ? u->max : SHARD_LIMIT_NONE, refused);
}

static void of_relay(struct shard *s)
{
	const uint64_t *c = relay_counters(s->relay);
	struct relay_uses u;

	relay_uses(s->relay, &u);
	set(s, SHARD_LIMIT_CONNS, u.conns.now, u.conns.max, c[RELAY_C_CONN_TABLE_FULL]);
	set(s, SHARD_LIMIT_CHANS, u.chans.now, u.chans.max, c[RELAY_C_CHAN_TABLE_FULL]);
	/* What each has used of it control knows. */
	set(s, SHARD_LIMIT_CHANS_CONN, SHARD_LIMIT_NONE, SHARD_LIMIT_NONE, c[RELAY_C_CHANS_CONN]);
	set(s, SHARD_LIMIT_BACKLOG, u.backlog.now, u.backlog.max, c[RELAY_C_BACKLOG_FULL]);
	set(s, SHARD_LIMIT_AUDIT, u.audit.now, u.audit.max, c[RELAY_C_AUDIT_LOST]);
	set(s, SHARD_LIMIT_COMPRESSION, u.compression.now, u.compression.max,
	    c[RELAY_C_COMP_NONE] + c[RELAY_C_COMP_STORED]);
	set(s, SHARD_LIMIT_WINDOWS, u.windows.now, u.windows.max, c[RELAY_C_WINDOWS_FULL]);
	set_flight(s, SHARD_LIMIT_FLIGHT_CONN, &u.flight_conn, c[RELAY_C_FLIGHT_CONN]);
	set_flight(s, SHARD_LIMIT_FLIGHT_USER, &u.flight_user, c[RELAY_C_FLIGHT_USER]);
	set_flight(s, SHARD_LIMIT_FLIGHT_SOURCE, &u.flight_source, c[RELAY_C_FLIGHT_SOURCE]);
	set(s, SHARD_LIMIT_SLOW_PATH, u.unanswered.now, u.unanswered.max,
	    c[RELAY_C_SLOW_PATH_STOPPED]);
	set(s, SHARD_LIMIT_GRANTS, u.grants.now, u.grants.max, c[RELAY_C_GRANT_TABLE_FULL]);
	set(s, SHARD_LIMIT_FORWARDS, u.forwards.now, u.forwards.max, c[RELAY_C_FORWARD_TABLE_FULL]);
	set(s, SHARD_LIMIT_OPENING, u.opening.now, u.opening.max, c[RELAY_C_FORWARD_OPENING]);
}

static void of_tcp(struct shard *s)
{
	const struct conf_dataplane *conf = s->conf;
	const uint64_t *c = tcp_counters(s->tcp);
	const uint64_t none = SHARD_LIMIT_NONE;
	struct tcp_uses u;

	tcp_uses(s->tcp, &u);
	set(s, SHARD_LIMIT_TCP, tcp_conns(s->tcp), tcp_conns_max(s->tcp), c[TCP_C_DROP_TABLE]);
	set(s, SHARD_LIMIT_HALF_OPEN, u.half_open, u.half_open_max, c[TCP_C_COOKIE_SENT]);
	set(s, SHARD_LIMIT_SOURCE_HALF_OPEN, u.source_half_open, u.source_half_open_max,
	    c[TCP_C_SOURCE_HALF_OPEN]);
	set(s, SHARD_LIMIT_SOURCE_CONNS, u.source_conns,
	    u.source_conns_max != TCP_NO_LIMIT ? u.source_conns_max : none, c[TCP_C_DROP_SOURCE_CONNS]);
	set(s, SHARD_LIMIT_SYN_RATE, u.source_syns, u.source_syns_max,
	    c[TCP_C_DROP_SOURCE_RATE]);
	set(s, SHARD_LIMIT_RESETS, none, conf->tcp_reset_rate, c[TCP_C_RST_LIMITED]);
}

void shard_limits_poll(struct shard *s)
{
	uint64_t size = s->pools.data->size;

	if (s->now_us < s->limits_us)
		return;
	s->limits_us = s->now_us + SHARD_LIMITS_US;
	of_relay(s);
	of_tcp(s);
	set(s, SHARD_LIMIT_HOST, host_streams(s->host), host_streams_max(s->host),
	    host_counters(s->host)[HOST_C_TABLE_FULL]);
	set(s, SHARD_LIMIT_BUFFERS, size - RTE_MIN(pkt_pools_left(&s->pools), size), size,
	    tcp_counters(s->tcp)[TCP_C_DROP_NO_MBUF] + relay_counters(s->relay)[RELAY_C_NO_MBUF]);
	set(s, SHARD_LIMIT_PARKED, s->park.n, PARK_MAX, s->park.counters[PARK_C_FULL]);
}

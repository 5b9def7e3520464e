/*
 * dataplane/shard_limits.h - every limit of a shard, for those who look: how much of it is used,
 * how much may be, how often it held something off.
 *
 * Looked at SHARD_LIMITS_US apart, and shared with the counters (link/stats.h) as room "limit".
 */
#ifndef SLUICE_DATAPLANE_SHARD_LIMITS_H
#define SLUICE_DATAPLANE_SHARD_LIMITS_H

#include <stdint.h>

#define SHARD_LIMITS_US 100000

/* A number there is none of: it is a rate, or there is no bound. */
#define SHARD_LIMIT_NONE UINT64_MAX

/* A keyword, or what it is called. */
#define SHARD_LIMITS(X)                                                                            \
	X(CONNS, "MaxConnections")                                                                 \
	X(CHANS, "MaxChannels")                                                                    \
	X(CHANS_CONN, "MaxChannelsPerConnection")                                                  \
	X(HOST, "MaxHostStreams")                                                                  \
	X(BACKLOG, "ListenBacklog")                                                                \
	X(AUDIT, "AuditBacklog")                                                                   \
	X(COMPRESSION, "CompressionMemory")                                                        \
	X(BUFFERS, "Memory")                                                                       \
	X(WINDOWS, "channel windows")                                                              \
	X(FLIGHT_CONN, "MaxBytesInFlightPerConnection")                                            \
	X(FLIGHT_USER, "MaxBytesInFlightPerUser")                                                  \
	X(FLIGHT_SOURCE, "MaxBytesInFlightPerSource")                                              \
	X(TCP, "TCP connections")                                                                  \
	X(HALF_OPEN, "TcpHalfOpen")                                                                \
	X(SOURCE_HALF_OPEN, "TcpSourceHalfOpen")                                                   \
	X(SOURCE_CONNS, "TcpSourceConnections")                                                    \
	X(SYN_RATE, "TcpSourceSynRate")                                                            \
	X(RESETS, "TcpResetRate")                                                                  \
	X(SLOW_PATH, "RELAY_UNANSWERED_MAX")                                                       \
	X(GRANTS, "RELAY_GRANTS_MAX")                                                              \
	X(FORWARDS, "RELAY_FORWARDS_MAX")                                                          \
	X(OPENING, "RELAY_OPENING_MAX")                                                            \
	X(PARKED, "PARK_MAX")

enum shard_limit {
#define X(id, name) SHARD_LIMIT_##id,
	SHARD_LIMITS(X)
#undef X
		SHARD_LIMIT_COUNT
};

enum shard_limit_value {
	SHARD_LIMIT_USED,
	SHARD_LIMIT_MAX,
	SHARD_LIMIT_REFUSED,
	SHARD_LIMIT_VALUES,
};

struct shard;

const char *shard_limit_name(unsigned int limit);
const char *shard_limit_value_name(unsigned int value);
const char *shard_limit_value_text(unsigned int value);
/* Beside the turns: looks when it is time. */
void shard_limits_poll(struct shard *s);

#endif

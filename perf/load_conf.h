/*
 * perf/load_conf.h - the command line of sluice-load. perf/README.md says what it is for.
 */
#ifndef SLUICE_PERF_LOAD_CONF_H
#define SLUICE_PERF_LOAD_CONF_H

#include <stdbool.h>
#include <stdint.h>

/* name, word, what it does */
#define LOAD_MODES(X)                                                                              \
	X(UP, "up", "bulk from the clients to the targets")                                        \
	X(DOWN, "down", "bulk from the targets to the clients")                                    \
	X(BOTH, "both", "bulk both ways on each channel")                                          \
	X(TRIPS, "trips", "closed loop: a request of each channel, the next when it is answered")  \
	X(REQUESTS, "requests", "open loop: --rate requests a second, whatever is answered")       \
	X(OPENS, "opens", "a channel is opened, carries one byte and back, is closed, again")      \
	X(LOGINS, "logins", "a connection logs in and closes, again")                              \
	X(IDLE, "idle", "connections log in and stay")                                             \
	X(FLOOD, "flood", "nothing but what --flood says")

enum load_mode {
	LOAD_MODE_NONE = 0,
#define X(name, word, text) LOAD_##name,
	LOAD_MODES(X)
#undef X
};

/* name, word, what it sends to the gateway's SSH port */
#define FLOOD_KINDS(X)                                                                             \
	X(SYN, "syn", "SYNs of random sources, with the options of Linux")                         \
	X(MALFORMED, "malformed", "TCP/IP headers with one thing wrong each")                      \
	X(RANDOM, "random", "segments with random flags, numbers and bytes")                       \
	X(IMIX, "imix", "64, 594 and 1518 bytes (7:4:1) of a standing flow, out of its window")    \
	X(RAMP, "ramp", "SYNs at a rate that rises from nothing to --flood-rate")

enum flood_kind {
	FLOOD_NONE = 0,
#define X(name, word, text) FLOOD_##name,
	FLOOD_KINDS(X)
#undef X
};

#define LOAD_SHARDS_MAX 16
#define LOAD_PIDS_MAX   16
#define LOAD_CONNS_MAX  4000000
#define LOAD_CHANS_MAX  4000000 /* of all connections */

struct load_conf {
	enum load_mode mode;
	uint32_t conns, chans; /* chans: of each connection */
	uint32_t idle;         /* connections beside those, without channels */
	double seconds, warmup_s, setup_s;
	const char *cipher, *mac, *kex;
	uint32_t payload;           /* of a bulk channel message */
	uint32_t request, response; /* bytes */
	double rate;                /* requests a second */
	uint32_t logins;            /* of connections that log in at once */
	uint32_t window;            /* of a channel, granted by the client */
	uint32_t buffer;            /* of a TCP connection, each way; after parsing not 0 */

	int core;
	uint32_t memory_mb;
	const char *outside, *inside;         /* DPDK devices */
	const char *outside_own, *inside_own; /* ADDRESS/LENGTH */
	const char *gate;                     /* address of the gateway */
	uint16_t gate_port, gate_ports;
	uint16_t mtu;
	const char *user, *key;
	const char *make_key;

	enum flood_kind flood;
	double flood_rate;

	const char *json;
	const char *name;                   /* what rows are called; NULL: the mode */
	const char *stats[LOAD_SHARDS_MAX]; /* of the gateway's shards */
	unsigned int n_stats;
	int pid[LOAD_PIDS_MAX]; /* whose CPU time is the gateway's, too: control, helpers */
	unsigned int n_pids;
	int dataplane; /* its process; 0: not known */
	bool realtime; /* it and we go before all others while it is measured */
};

/* False: said why, or what was asked for, on stderr. */
bool load_conf_parse(int argc, char **argv, struct load_conf *ret);
const char *load_mode_word(enum load_mode mode);

#endif

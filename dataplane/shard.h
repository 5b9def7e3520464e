/*
 * dataplane/shard.h - one lcore's loop and everything it owns.
 *
 * A turn: ports -> net -> tcp -> open -> run -> seal -> tcp out -> ports, then timers and
 * the link. The TSC cycles of a turn that did work are counted by stage; a snapshot lies in
 * shared memory for perf/ and the admin tool. After a run of empty turns the shard backs off,
 * then sleeps on one epoll set: port interrupts or descriptors, the link's bell, a timer.
 *
 * Lcore   its own: nothing here is shared or global.
 * Files   shard.c the loop; shard_setup.c how it comes and goes; shard_link.c what control
 *         and the shard say to each other about listeners; idle.c back-off and sleep;
 *         shard_drain.c how it comes to its end;
 *         shard_ports.c links and queues that stand still; linkhub.c and linkend.c the link;
 * snapshot.c the shared counters.
 */
#ifndef SLUICE_DATAPLANE_SHARD_H
#define SLUICE_DATAPLANE_SHARD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/stats.h"

#define SHARD_BURST 64
/*
 * What a turn takes of a port where the file does not say. Frames are read by the checksum,
 * ciphered, and read again on their way out: a batch of 64, its connections and both headers are
 * more than the second level of the cache keeps for a turn, which cost a byte at MTU 1500 a fifth.
 */
#define SHARD_BURST_DEFAULT 32
#define SHARD_LISTENERS_MAX 256

#define SHARD_STAGES(X)                                                                            \
	X(RX, "rx", "port receive")                                                                \
	X(NET, "net", "Ethernet, ARP, IP")                                                         \
	X(TCP, "tcp", "TCP input and timers")                                                      \
	X(OPEN, "open", "records opened")                                                          \
	X(RELAY, "relay", "channels, windows, control's items")                                    \
	X(SEAL, "seal", "records sealed")                                                          \
	X(TCP_OUT, "tcp_out", "TCP output")                                                        \
	X(TX, "tx", "port transmit")                                                               \
	X(HOST, "host", "descriptors of the kernel read and written")                              \
	X(LINK, "link", "messages to and from control")

enum shard_stage {
#define X(name, key, text) SHARD_STAGE_##name,
	SHARD_STAGES(X)
#undef X
		SHARD_STAGE_COUNT
};

/* Read from outside without asking: written by the shard only, each field whole. */
struct shard_snapshot {
	struct link_stats head; /* of the file, where the counters of all rooms follow */
	uint64_t tsc_hz;
	uint64_t turns, busy_turns, sleeps;
	/*
	 * bytes: frames of rx, net and tx; text of segments of tcp and tcp_out; records, without
	 * tags, of open and seal; channel data of relay.
	 */
	struct {
		uint64_t cycles, items, batches, bytes;
	} stage[SHARD_STAGE_COUNT];
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
};

struct conf_dataplane;
struct conf_listen;
struct linkhub;
struct shard;
struct team;

struct shard_conf {
	uint16_t dataplane, index; /* as in its handles */
	uint64_t start_id;
	const struct conf_dataplane *conf; /* lives as long as the shard */
	bool legacy_ciphers;               /* some need OpenSSL's legacy provider */
	struct linkhub *link;              /* likewise */
	/* Where to listen; without interfaces the kernel does, from the start. */
	const struct conf_listen *listens;
	size_t n_listens;
	/* The port of each, for all shards: the first one chooses where that is 0. */
	uint16_t *listen_ports;
	uint32_t listen_backlog; /* of each, until control says its own */
	bool listen_exclusive;   /* an address that somebody has is refused */
	uint32_t retry_after_s;  /* what who is told to go is told; 0: nothing */
	/* Shards that came to their end, of all that run beside it; NULL: there is none. */
	unsigned int *shards_ended;
	void (*stopping)(void *arg); /* it was told to stop; NULL: nobody wants to know */
	void *stopping_arg;
	const char *stats_path; /* of the snapshot; NULL: none is shared */
	/* The shard's place in it is index; NULL: it has buffers and ports to itself. Borrowed. */
	struct team *team;
};

/*
 * Pools, ports with their addresses and routes, TCP, relay: everything of conf. EAL runs
 * already. -errno with a line for an operator in err, and nothing left behind.
 */
int shard_new(const struct shard_conf *sc, struct shard **ret, char *err, size_t err_size);
/* Closes the ports (a TAP goes) and removes the snapshot; connections end without a word. */
void shard_free(struct shard *s);

/*
 * Turns until *stop is set, then until its connections have ended, with DrainTime; or until it is
 * more than 1. A busy shard never sleeps. When *report changes the counters that are
 * not 0 are logged. On the lcore that is the shard's from here on.
 */
void shard_run(struct shard *s, const volatile sig_atomic_t *stop,
	       const volatile sig_atomic_t *report);

/* One turn: the work that was done. For tests; shard_run() is made of it. */
unsigned int shard_turn(struct shard *s);
/*
 * One turn, and what is due beside the turns: for who shares the lcore with the shard
 * (perf/inring). Never sleeps.
 */
unsigned int shard_step(struct shard *s);
const struct shard_snapshot *shard_stats(const struct shard *s);

#endif

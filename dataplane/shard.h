/*
 * dataplane/shard.h - one lcore's loop and everything it owns.
 *
 * A turn: ports -> net -> tcp -> open -> run -> seal -> tcp out -> ports, then timers and
 * the link. Each stage's TSC cycles are counted when it did work; a snapshot lies in
 * shared memory for perf/ and the admin tool. After a run of empty turns the shard backs off,
 * then sleeps on one epoll set: port interrupts or descriptors, the link's bell, a timer.
 */
#ifndef SLUICE_DATAPLANE_SHARD_H
#define SLUICE_DATAPLANE_SHARD_H

#include <stdint.h>

#define SHARD_BURST 64

#define SHARD_STAGES(X)                                                                            \
	X(RX, "rx", "port receive")                                                                \
	X(NET, "net", "Ethernet, ARP, IP")                                                         \
	X(TCP, "tcp", "TCP input and timers")                                                      \
	X(OPEN, "open", "records opened")                                                          \
	X(RELAY, "relay", "channels, windows, control's items")                                    \
	X(SEAL, "seal", "records sealed")                                                          \
	X(TCP_OUT, "tcp_out", "TCP output")                                                        \
	X(TX, "tx", "port transmit")                                                               \
	X(LINK, "link", "messages to and from control")

enum shard_stage {
#define X(name, key, text) SHARD_STAGE_##name,
	SHARD_STAGES(X)
#undef X
	SHARD_STAGE_COUNT
};

/* Read from outside without asking: written by the shard only, each field whole. */
struct shard_snapshot {
	uint64_t version; /* SHARD_SNAPSHOT_VERSION */
	uint64_t tsc_hz;
	uint64_t turns, busy_turns, sleeps;
	struct {
		uint64_t cycles, items, batches;
	} stage[SHARD_STAGE_COUNT];
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
};
#define SHARD_SNAPSHOT_VERSION 1

#endif

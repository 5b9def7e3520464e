/*
 * tests/sim/scenario.h - whole worlds drawn from a seed: stacks, paths, trouble, applications.
 *
 * scenario_draw() makes one from its seed alone, so the seed is all there is to repeat. It says
 * what is to happen; scenario_play() lets it happen and says what of it should not have.
 */
#ifndef SLUICE_TESTS_SIM_SCENARIO_H
#define SLUICE_TESTS_SIM_SCENARIO_H

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"

#define SCN_FLOWS  8
#define SCN_EVENTS 1400

/* What goes wrong, beside chance on the links. */
#define SCN_TROUBLES(X)                                                                            \
	X(NONE, "nothing")                                                                         \
	X(OUTAGES, "both ways silent for 10 ms to 60 s, a few times")                              \
	X(FLAPS, "both ways silent ten times a second")                                            \
	X(ONE_WAY, "one way silent")                                                               \
	X(ON_OFF, "five seconds of service, two without")                                          \
	X(RATES, "the rate changes")                                                               \
	X(DELAYS, "the delay changes")                                                             \
	X(MTUS, "the path MTU changes")                                                            \
	X(FROZEN, "a clock stands still")                                                          \
	X(STOPPED, "a process is stopped for 1, 10 or 60 s")                                       \
	X(FORGED, "bytes change under a right checksum: the applications' MAC finds them")         \
	X(ABORTS, "an application gives up")                                                       \
	X(DEAD, "the path ends for good")

enum scn_trouble {
#define X(name, text) SCN_##name,
	SCN_TROUBLES(X)
#undef X
		SCN_TROUBLE_COUNT
};

const char *scn_trouble_text(enum scn_trouble t);

enum scn_event_kind { SCN_LINK, SCN_FREEZE, SCN_THAW, SCN_STOP, SCN_GO };

/* At a time after the beginning: the link from a to b, or the host a, becomes this. */
struct scn_event {
	uint64_t at_us;
	enum scn_event_kind kind;
	unsigned int a, b;
	bool seen; /* a link that is up again: its hosts are told */
	struct vnet_link link;
};

/* One end's application. */
struct scn_side {
	uint64_t bytes;
	uint32_t write_max, read_max;
	uint64_t read_gap_us; /* between two reads: a slow reader */
	uint64_t chunk;       /* bytes it has to say at a time, 0: all */
	uint64_t gap_us;      /* from one to the next */
	uint64_t abort_at;    /* after so many bytes written or read; UINT64_MAX: never */
	bool nagle;
};

struct scn_flow {
	unsigned int host[2]; /* client, server */
	uint8_t family, scope;
	uint64_t start_us;
	struct scn_side side[2];
};

struct scn {
	uint64_t seed;
	enum scn_trouble trouble;
	unsigned int hosts, flows, events;
	struct tcp_conf conf[VNET_HOSTS];
	bool tight; /* few buffers */
	bool wraps; /* sequence numbers do, soon */
	uint16_t mtu;
	struct vnet_link link; /* of all */
	struct scn_flow flow[SCN_FLOWS];
	struct scn_event event[SCN_EVENTS];
};

/* What was seen. wrong: NULL, or what should not have been. */
struct scn_result {
	char wrong[200];
	uint64_t took_us, turns;
	uint64_t bytes; /* arrived */
	uint64_t errors;
	uint64_t counters[TCP_C_COUNT]; /* of all stacks */
};

void scn_draw(uint64_t seed, struct scn *ret);
/* True: all is as it should be. */
bool scn_play(const struct scn *s, struct scn_result *ret);
/* What it is, in a line or two. */
void scn_print(const struct scn *s);

#endif

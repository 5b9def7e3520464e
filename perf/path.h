/*
 * perf/path.h - one direction of a bad path, as arithmetic: what becomes of a packet, and when.
 *
 * A packet waits in a queue of so many bytes, crosses a link of so many bits per second, may be
 * lost or held back, and arrives a delay later. Nothing here does I/O or looks at a clock, and
 * chance comes from a seed, so a test plays it in virtual time.
 *
 * Units   bytes of a frame, nanoseconds, parts of a million.
 */
#ifndef SLUICE_PERF_PATH_H
#define SLUICE_PERF_PATH_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_MILLION 1000000u
#define PATH_MS      UINT64_C(1000000)
#define PATH_SEC     UINT64_C(1000000000)

struct path_conf {
	uint64_t seed;
	uint64_t delay_ns;
	uint64_t jitter_ns;   /* 0 to so much is added; order is kept */
	uint64_t bits_per_s;  /* 0: no limit */
	uint64_t queue_bytes; /* waiting for the link; what comes beyond is dropped; 0: no limit */
	uint64_t mark_bytes;  /* with more than this waiting, CE is set (RFC 3168); 0: never */
	uint32_t loss_ppm;    /* of packets, in the long run, whatever the length of bursts */
	uint32_t burst;       /* mean number of packets lost together; 0 and 1: each by itself */
	uint32_t reorder_ppm; /* held back by reorder_ns, so that others overtake */
	uint32_t dup_ppm;
	uint32_t corrupt_ppm;
	uint64_t reorder_ns;
	uint64_t light_ns, dark_ns; /* open for so long, then a black hole for so long, and again */
};

#define PATH_COUNTERS(X)                                                                           \
	X(IN, "in")                                                                                \
	X(OUT, "out")                                                                              \
	X(LOST, "lost")                                                                            \
	X(QUEUE_FULL, "queue_full")                                                                \
	X(DARK, "dark")                                                                            \
	X(DUP, "duplicated")                                                                       \
	X(REORDERED, "reordered")                                                                  \
	X(MARKED, "marked")                                                                        \
	X(CORRUPTED, "corrupted")

enum path_counter {
#define X(name, text) PATH_##name,
	PATH_COUNTERS(X)
#undef X
		PATH_COUNT
};

struct path {
	struct path_conf conf;
	uint64_t rng;
	uint64_t start_ns;   /* of the first light */
	uint64_t free_at_ns; /* when the link has sent what waits */
	uint64_t last_at_ns; /* nothing arrives before what went before it */
	bool in_burst;
	uint64_t queue_most; /* bytes that waited, at most */
	uint64_t count[PATH_COUNT];
};

/* What becomes of one packet. */
struct path_fate {
	bool lost; /* for whatever reason */
	bool twice, mark, corrupt;
	uint64_t at_ns; /* when it arrives */
};

void path_init(struct path *p, const struct path_conf *conf, uint64_t now_ns);
/* Another path from now on; what is on its way stays, and counters go on. */
void path_change(struct path *p, const struct path_conf *conf, uint64_t now_ns);
/* spared: only waits and is delayed (address resolution, say). Time does not go back. */
struct path_fate path_enter(struct path *p, uint64_t now_ns, uint32_t len, bool spared);
/* 0 .. n - 1 from the path's own chance; n > 0. */
uint32_t path_below(struct path *p, uint32_t n);
const char *path_counter_name(enum path_counter c);

#endif

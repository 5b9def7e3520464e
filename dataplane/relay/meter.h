/*
 * dataplane/relay/meter.h - a token bucket: so many bytes a second, and so many at once.
 *
 * Units   bytes; the level in millionths of one, so that a refill of any number of microseconds
 *         is exact and needs no division.
 * Lcore   the shard's. Memory: embedded, nothing to free.
 *
 * Who waits for bytes is awakened when there is a chunk of them, not for each: there is no timer
 * per packet. The level may fall below 0: what had to be let through is paid back before more is.
 */
#ifndef SLUICE_DATAPLANE_RELAY_METER_H
#define SLUICE_DATAPLANE_RELAY_METER_H

#include <stdbool.h>
#include <stdint.h>

#define METER_RATE_MAX  UINT64_C(125000000000) /* 1 Tbit/s */
#define METER_BURST_MAX (1u << 30)
#define METER_BURST_MIN 128
/* Where the burst is not said: what comes in 20 ms, so that no second has 2 % too much. */
#define METER_BURST_PART 50
/* The largest chunk that is worth waiting for, unless less than this part of a second's is more. */
#define METER_CHUNK_MAX  16384
#define METER_CHUNK_PART 4000

struct meter {
	uint64_t rate; /* bytes a second; 0: no cap, and nothing else is looked at */
	int64_t level;
	uint64_t at_us; /* level is that of then */
	uint32_t burst, chunk;
};

/* burst 0: the usual. What a meter that had a rate held or owed stays. */
void meter_set(struct meter *m, uint64_t rate, uint32_t burst, uint64_t now_us);
/* Bytes that may pass now; fewer than 1: it is empty, or owes. A cap that is none: INT64_MAX. */
int64_t meter_room(struct meter *m, uint64_t now_us);
/* Of a meter that was looked at in this turn. */
void meter_take(struct meter *m, uint32_t n);
/* When n bytes will be there. n is at most its chunk, or this may never be. */
uint64_t meter_ready_us(const struct meter *m, uint32_t n);

#endif

/*
 * dataplane/relay/quantum.h - what one connection may read and send in a turn (ReadQuantum).
 *
 * Every connection with something to do is visited once a turn, so a bound on what one visit moves
 * is what makes turns fair: a bulk transfer delays a keystroke by its quantum and no more. A
 * quantum that is a time is turned into bytes by what a byte was seen to cost: records are ciphered
 * in batches over many connections, so no clock can say what one of them took.
 */
#ifndef SLUICE_DATAPLANE_RELAY_QUANTUM_H
#define SLUICE_DATAPLANE_RELAY_QUANTUM_H

#include <stdint.h>

/* Each way in a turn for all connections that move much, so that many make no long turns. */
#define QUANTUM_TURN_BYTES (512 * 1024)
/* One that moved less than its quantum is not held up by the others' (a keystroke, an ACK). */
#define QUANTUM_SPARSE     8192
#define QUANTUM_BYTES_MIN  4096        /* less would cut records into crumbs */
#define QUANTUM_BYTES_INIT (64 * 1024) /* of a time, until a byte's cost was seen */
#define QUANTUM_SEEN_MIN   4096        /* bytes of a turn below which it says nothing */

struct quantum {
	uint32_t bytes;         /* each way in a turn, of one connection */
	uint64_t share_cycles;  /* 0: bytes is fixed */
	uint64_t cost;          /* cycles of 1 KiB, smoothed; 0: not seen yet */
	uint64_t begin_tsc;     /* of the turn that runs */
	uint64_t begin_counted; /* bytes moved before it */
};

/* bytes, or a time when us is not 0; both 0: no limit. hz: of the cycles that are told. */
void quantum_init(struct quantum *q, uint32_t bytes, uint32_t us, uint64_t hz);
/* What all connections that move much may move in a turn: at least a quantum. */
static inline uint32_t quantum_turn(const struct quantum *q)
{
	return q->bytes > QUANTUM_TURN_BYTES ? q->bytes : QUANTUM_TURN_BYTES;
}
/* What a turn cost in all, and the bytes it moved for all connections. */
void quantum_learn(struct quantum *q, uint64_t cycles, uint64_t bytes);

#endif

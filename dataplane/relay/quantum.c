/* dataplane/relay/quantum.c - see quantum.h. */
#include "dataplane/relay/quantum.h"

#define SMOOTH 8

void quantum_init(struct quantum *q, uint32_t bytes, uint32_t us, uint64_t hz)
{
	*q = (struct quantum){.bytes = bytes != 0 ? bytes : UINT32_MAX};
	if (us == 0)
		return;
	q->bytes = QUANTUM_BYTES_INIT;
	q->share_cycles = hz / 1000000 * us;
}

void quantum_learn(struct quantum *q, uint64_t cycles, uint64_t bytes)
{
	uint64_t seen, share;

	if (q->share_cycles == 0 || bytes < QUANTUM_SEEN_MIN)
		return;
	seen = cycles * 1024 / bytes;
	q->cost = q->cost == 0 ? seen : q->cost - q->cost / SMOOTH + seen / SMOOTH;
	share = q->share_cycles * 1024 / (q->cost > 0 ? q->cost : 1);
	if (share < QUANTUM_BYTES_MIN)
		share = QUANTUM_BYTES_MIN;
	q->bytes = share < UINT32_MAX ? (uint32_t)share : UINT32_MAX;
}

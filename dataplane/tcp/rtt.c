/*
 * dataplane/tcp/rtt.c - the round trip and the retransmission time-out.
 *
 * Source  RFC 6298. Samples are exact times of segments sent once (Karn), or timestamp echoes.
 */
#include "dataplane/tcp/internal.h"

/* RFC 6298 (2.2), (2.3). */
void tcp_rtt_sample(struct tcp_conn *c, uint64_t rtt_us)
{
	uint32_t r = (uint32_t)min_u64(rtt_us, TCP_RTO_MAX_US);

	if (c->srtt_us == 0) {
		c->srtt_us = max_u64(r, 1u);
		c->rttvar_us = r / 2;
	} else {
		uint32_t delta = c->srtt_us > r ? c->srtt_us - r : r - c->srtt_us;

		c->rttvar_us = (uint32_t)(((uint64_t)c->rttvar_us * 3 + delta) / 4);
		c->srtt_us = (uint32_t)max_u64(((uint64_t)c->srtt_us * 7 + r) / 8, UINT64_C(1));
	}
	/*
	 * RFC 6298 (2.4) wants at least one second. Like the common stacks we floor the
	 * variance term instead, above any usual delayed ACK (PROTOCOL.md).
	 */
	c->rto_us = (uint32_t)min_u64(
		c->srtt_us + max_u64((uint64_t)c->rttvar_us * 4, TCP_RTO_VAR_MIN_US),
		TCP_RTO_MAX_US);
}

uint64_t tcp_rto(const struct tcp_conn *c)
{
	uint64_t rto = (uint64_t)c->rto_us << min_u64(c->rxtshift, (uint16_t)16);

	return min_u64(rto, TCP_RTO_MAX_US);
}

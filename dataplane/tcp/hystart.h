/*
 * dataplane/tcp/hystart.h - HyStart++: slow start that ends when the round trip grows, before
 * the queue is full.
 *
 * Source  RFC 9406. Used in the first slow start only (section 4.3).
 * Memory  the algorithm's that uses it.
 */
#ifndef SLUICE_DATAPLANE_TCP_HYSTART_H
#define SLUICE_DATAPLANE_TCP_HYSTART_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/tcp/cc.h"

struct tcp_hystart {
	uint32_t last_round_us, this_round_us; /* smallest round trips; 0: none known */
	uint32_t css_baseline_us;              /* 0: not in conservative slow start */
	uint16_t samples;
	uint16_t css_rounds;
};

/* Grows cwnd for this ACK. True: slow start is over, ssthresh is set. */
bool tcp_hystart_acked(struct tcp_hystart *h, struct tcp_conn *c, const struct tcp_cc_ack *a);

#endif

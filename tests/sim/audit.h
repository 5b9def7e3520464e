/*
 * tests/sim/audit.h - what must be true of a TCP at any time between two calls.
 *
 * Everything that is kept twice is compared: queues with their mbufs, the scoreboard with its
 * sums and queues, timers with the heap, lists, wheels and pools with those that are in them,
 * counts of listeners and sources with connections; and the sequence variables with RFC 9293.
 */
#ifndef SLUICE_TESTS_SIM_AUDIT_H
#define SLUICE_TESTS_SIM_AUDIT_H

#include <stdint.h>

struct tcp;

/* What is not so, as text; NULL: all is. */
const char *tcp_check(struct tcp *t);
/* After tcp_output_poll() that had no more to do: nobody waits for something that never comes. */
const char *tcp_check_settled(struct tcp *t);
/* Data mbufs in the queues of all connections. */
uint32_t tcp_check_mbufs(const struct tcp *t);

#endif

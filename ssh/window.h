/*
 * ssh/window.h - window accounting of one channel, both directions.
 *
 * Source  RFC 4254 section 5.2.
 * Units   bytes of channel data; message headers do not count.
 * Lcore   the one that owns the channel; no atomics, no locks.
 * Memory  embedded in the channel, nothing to free.
 */
#ifndef SLUICE_SSH_WINDOW_H
#define SLUICE_SSH_WINDOW_H

#include <stdint.h>

/* What we granted to the peer. Invariant: granted - received = window_size. */
struct ssh_rwin {
	uint32_t initial_window_size; /* the size to keep it at; may be raised */
	uint32_t window_size;	      /* what the peer may still send */
	uint32_t consumed;	      /* taken by us, not yet granted again */
};

void ssh_rwin_init(struct ssh_rwin *w, uint32_t initial_window_size);
/*
 * Account n bytes that arrived. 0, or -SSH_E_WINDOW when the peer sent more
 * than it was granted: the peer's fault, disconnect. *w is unchanged on error.
 */
int ssh_rwin_recv(struct ssh_rwin *w, uint32_t n);
/*
 * Account n bytes our side took. Returns the "bytes to add" of a WINDOW_ADJUST worth
 * sending now (at least an eighth of the initial size, or when the peer is about to
 * stall), else 0. Taking more than was received is our bug: asserted.
 */
uint32_t ssh_rwin_consume(struct ssh_rwin *w, uint32_t n);

/* What the peer granted to us. */
struct ssh_swin {
	uint32_t window_size;
	uint32_t packet_max; /* the peer's maximum packet size */
};

/* 0, or -SSH_E_WINDOW_OVERFLOW. */
int ssh_swin_adjust(struct ssh_swin *w, uint32_t n);
/* How much may be sent in one message now; 0: wait. */
uint32_t ssh_swin_take(const struct ssh_swin *w, uint32_t want);
void ssh_swin_sent(struct ssh_swin *w, uint32_t n);

#endif

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

/*
 * What we granted to the peer. Always, and exactly:
 *   granted - received = window_size
 *   window_size + consumed + held = initial_window_size
 * where held is what was received and not taken yet.
 */
struct ssh_rwin {
	uint32_t initial_window_size; /* the size to keep it at; ssh_rwin_raise() */
	uint32_t window_size;         /* what the peer may still send */
	uint32_t consumed;            /* taken by us, not yet granted again */
};

#define SSH_RWIN_LOW   32768 /* one whole packet of the usual size */
#define SSH_RWIN_WORTH 65536 /* a record of our own and the peer's answer are worth two of them */

void ssh_rwin_init(struct ssh_rwin *w, uint32_t initial_window_size);
/*
 * Account n bytes that arrived. 0, or -SSH_E_WINDOW when the peer sent more
 * than it was granted: the peer's fault, disconnect. *w is unchanged on error.
 */
int ssh_rwin_recv(struct ssh_rwin *w, uint32_t n);
/*
 * Account n bytes our side took. Returns the "bytes to add" of a WINDOW_ADJUST worth
 * sending now, else 0: they count as granted, so send them. Worth it is an eighth of the
 * initial size, of a small one a quarter up to SSH_RWIN_WORTH; or anything, once nothing is held and the window is below
 * SSH_RWIN_LOW, so that a peer which sends whole packets only never stalls (S-53). Taking
 * more than was received is our bug: asserted.
 */
uint32_t ssh_rwin_consume(struct ssh_rwin *w, uint32_t n);
/* Grow the window to keep; smaller than it is: no change. Returns bytes to add as above. */
uint32_t ssh_rwin_raise(struct ssh_rwin *w, uint32_t initial_window_size);
/*
 * Account n bytes our side took, of a window that is to be smaller: what was consumed is not
 * granted again as long as it is larger than initial_window_size. Returns bytes to add as above.
 */
uint32_t ssh_rwin_lower(struct ssh_rwin *w, uint32_t initial_window_size, uint32_t n);
/* Received and not taken yet. */
static inline uint32_t ssh_rwin_held(const struct ssh_rwin *w)
{
	return w->initial_window_size - w->window_size - w->consumed;
}

/* What the peer granted to us. */
struct ssh_swin {
	uint32_t window_size;
	uint32_t packet_max; /* the peer's maximum packet size, at most SSH_SWIN_PACKET_CAP */
};

/*
 * The most we put into one message, whatever the peer would take: every implementation
 * must process a payload of that size (RFC 4253 section 6.1), ciphers are at full speed
 * with it, and no channel holds the others up for longer (S-50).
 */
#define SSH_SWIN_PACKET_CAP 32768

/* As the peer's OPEN or CONFIRMATION says, after ssh_chan_limits_check(). */
void ssh_swin_init(struct ssh_swin *w, uint32_t window_size, uint32_t packet_max);

/* 0, or -SSH_E_WINDOW_OVERFLOW: beyond 2^32-1 (S-51), *w unchanged. Adding 0 is harmless. */
int ssh_swin_adjust(struct ssh_swin *w, uint32_t n);
/* How much may be sent in one message now; 0: wait. */
uint32_t ssh_swin_take(const struct ssh_swin *w, uint32_t want);
/* More than the window or the packet size is our bug: asserted. */
void ssh_swin_sent(struct ssh_swin *w, uint32_t n);

#endif

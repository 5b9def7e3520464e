/*
 * ssh/pump.h - a brain over records in a flat buffer: the carrier ssh/brain.h asks for.
 *
 * For the client library, the load generator and peers in memory. Bytes in and out go
 * through the flat; what the carrier settles (identification, sealing, keys, what waits during
 * a rekey) is settled here, and all other actions are handed up.
 * Memory  embedded by its owner; the brain is borrowed.
 */
#ifndef SLUICE_SSH_PUMP_H
#define SLUICE_SSH_PUMP_H

#include "ssh/brain.h"
#include "ssh/flat.h"

#define SSH_PUMP_HELD_MAX (1024 * 1024) /* bytes that wait for a rekey's end (S-41) */

struct ssh_pump_held;

/* Payloads that came or were sealed, for who tells of them: no byte of them but their number. */
#define SSH_PUMP_SEEN_MAX 64
struct ssh_pump_seen {
	struct {
		uint32_t len;
		uint8_t msg;
		bool sent;
	} payload[SSH_PUMP_SEEN_MAX];
	unsigned int n;    /* of those, in order, since the owner took them out */
	unsigned int more; /* after them: there was no room */
};

struct ssh_pump {
	struct ssh_flat flat;
	struct ssh_brain *brain;
	unsigned int lines; /* seen before the peer's identification */
	bool ident_done, ended;
	bool in_kex;                 /* our KEXINIT is sealed, our NEWKEYS is not */
	bool await_keys;             /* the peer's NEWKEYS was handed on: nothing is opened now */
	bool rx_delayed, tx_delayed; /* compressed once authenticated */
	struct ssh_pump_held *head, **tail; /* payloads to seal after NEWKEYS */
	size_t held;
	uint8_t *in; /* a payload the brain did not take yet */
	size_t in_len;
	uint32_t in_seqnr;
	bool awaits; /* of our messages that number is the last that has to be answered */
	uint32_t awaits_seqnr;
	struct ssh_pump_seen *seen; /* the owner's, who sets it; NULL: nobody looks */
};

int ssh_pump_init(struct ssh_pump *p, struct cipher_engine *engine, struct ssh_brain *brain);
void ssh_pump_fini(struct ssh_pump *p);

/* Bytes from the peer. 0 or -ENOMEM. */
int ssh_pump_feed(struct ssh_pump *p, const void *bytes, size_t len);
/* The next action that is not the carrier's. -EAGAIN: bytes or an answer are needed first. */
int ssh_pump_step(struct ssh_pump *p, struct ssh_act *ret);
/*
 * Seals a channel message that needs no word of the brain's (data, adjust, EOF, CLOSE).
 * -EAGAIN during a rekey of ours: give it again when ssh_pump_step() has gone on.
 */
int ssh_pump_send(struct ssh_pump *p, const void *payload, size_t len);
/* Bytes for the peer, and how many of them were written. */
const uint8_t *ssh_pump_out(const struct ssh_pump *p, size_t *ret_len);
void ssh_pump_sent(struct ssh_pump *p, size_t n);

#endif

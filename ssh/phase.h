/*
 * ssh/phase.h - which message is legal when: one table, default deny.
 *
 * Source  RFC 4253 sections 7.1, 9, 10; RFC 4252; RFC 4254; OpenSSH PROTOCOL (strict kex).
 *
 * A connection's phase has two parts that move apart: what the key exchange expects
 * from the peer, and how far the services have come. Both a shard and a brain keep one
 * and ask here before a message is looked at; a shard knows KEX as a whole, a brain
 * knows its steps. 256 types x every phase x both roles, a test per cell.
 */
#ifndef SLUICE_SSH_PHASE_H
#define SLUICE_SSH_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/msg.h"

/* What the peer may send of a key exchange. State 0 is illegal. */
enum ssh_kex_phase {
	SSH_KEX_FIRST_INIT = 1, /* first exchange: the peer's KEXINIT is awaited */
	SSH_KEX_FIRST_METHOD,	/* first exchange: messages 30..49 are awaited */
	SSH_KEX_FIRST_NEWKEYS,	/* first exchange: NEWKEYS is awaited */
	SSH_KEX_NONE,		/* keys in place; the peer may send KEXINIT */
	SSH_KEX_METHOD,		/* rekey: the peer's KEXINIT has come, 30..49 awaited */
	SSH_KEX_NEWKEYS,	/* rekey: NEWKEYS is awaited */
	SSH_KEX_PHASES
};

enum ssh_svc_phase {
	SSH_SVC_NONE = 1, /* server: awaits SERVICE_REQUEST; client: awaits SERVICE_ACCEPT */
	SSH_SVC_AUTH,	  /* USERAUTH_* */
	SSH_SVC_OPEN,	  /* authenticated: the connection protocol */
	SSH_SVC_PHASES
};

struct ssh_phase {
	uint8_t role; /* enum ssh_role: who we are */
	uint8_t kex;  /* enum ssh_kex_phase */
	uint8_t svc;  /* enum ssh_svc_phase */
	bool strict;  /* strict kex was agreed: 1..4 are refused during the first exchange */
};

enum ssh_verdict {
	SSH_REFUSE = 0,	   /* disconnect */
	SSH_ACCEPT,	   /* hand it on */
	SSH_UNKNOWN,	   /* a number nobody knows: UNIMPLEMENTED */
};

/* May the peer send this message to us now? */
enum ssh_verdict ssh_phase_rx(const struct ssh_phase *ph, uint8_t msg);
/*
 * May we seal this message now? in_kex: from the sealing of our KEXINIT to the sealing
 * of our NEWKEYS only 1-4 and 20-49 are.
 */
bool ssh_phase_tx(bool in_kex, uint8_t msg);

#endif

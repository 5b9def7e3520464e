/*
 * ssh/phase.h - which message is legal when: one table, default deny.
 *
 * Source  RFC 4253 sections 7.1, 9, 10, 11; RFC 4252 sections 5.1, 6; RFC 4254; RFC 8308
 *         section 2.4; OpenSSH PROTOCOL (strict kex, ping).
 *
 * A connection's phase has two parts that move apart: what the key exchange expects
 * from the peer, and how far the services have come. Both a shard and a brain keep one
 * and ask here before a message is looked at. 256 types x every phase x both roles, a test
 * per cell.
 *
 * A brain knows the steps of an exchange: coarse is false, and the kex phase goes
 *   FIRST_INIT -> [FIRST_GUESS ->] FIRST_METHOD -> FIRST_NEWKEYS -> NONE
 *   NONE -> [GUESS ->] METHOD -> NEWKEYS -> NONE
 * where GUESS stands for the one message after a KEXINIT with first_kex_packet_follows
 * whose guess was wrong: accepted whatever method it belongs to, and thrown away.
 *
 * A shard sees that the peer's KEXINIT passed and that its NEWKEYS passed, but not what was
 * agreed: coarse is true, and the kex phase goes FIRST_INIT -> FIRST_METHOD -> NONE and
 * NONE -> METHOD -> NONE. In METHOD the verdict is then that of any step which may be the
 * current one (guess, method, NEWKEYS); which it is, control judges with its own phase. After
 * NEWKEYS a shard opens nothing until the keys have come, and then is in NONE.
 *
 * What no table of numbers can say is the brain's: that a strict peer's KEXINIT was its very
 * first packet, that EXT_INFO comes once at each place, that a reply was asked for.
 */
#ifndef SLUICE_SSH_PHASE_H
#define SLUICE_SSH_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/msg.h"

/* What the peer may send of a key exchange. State 0 is illegal. */
enum ssh_kex_phase {
	SSH_KEX_FIRST_INIT = 1, /* first exchange: the peer's KEXINIT is awaited */
	SSH_KEX_FIRST_METHOD,   /* first exchange: messages 30..49 are awaited */
	SSH_KEX_FIRST_NEWKEYS,  /* first exchange: NEWKEYS is awaited */
	SSH_KEX_NONE,           /* keys in place; the peer may send KEXINIT */
	SSH_KEX_METHOD,         /* rekey: the peer's KEXINIT has come, 30..49 awaited */
	SSH_KEX_NEWKEYS,        /* rekey: NEWKEYS is awaited */
	SSH_KEX_FIRST_GUESS, /* first exchange: a wrongly guessed 30..49 is awaited, and dropped */
	SSH_KEX_GUESS,       /* rekey: the same */
	SSH_KEX_PHASES
};

enum ssh_svc_phase {
	SSH_SVC_NONE = 1, /* server: awaits SERVICE_REQUEST; client: awaits SERVICE_ACCEPT */
	SSH_SVC_AUTH,     /* USERAUTH_* */
	SSH_SVC_OPEN,     /* authenticated: the connection protocol */
	SSH_SVC_PHASES
};

/*
 * Where in its method an exchange stands: 30..49 mean another thing in each of them (RFC 4250
 * section 4.1.2). The messages in brackets are what a server, and what a client, may be sent.
 */
enum ssh_kex_step {
	SSH_STEP_PUBLIC = 1,   /* 30 INIT; 31 REPLY: of DH, ECDH and the hybrids (RFC 4253, 5656) */
	SSH_STEP_GEX_REQUEST,  /* 34 REQUEST or 30 its old form; 31 GROUP (RFC 4419) */
	SSH_STEP_GEX_INIT,     /* 32 INIT; 33 REPLY */
	SSH_STEP_GSS_REQUEST,  /* 40 GROUPREQ; 41 GROUP, or 34 ERROR (RFC 4462) */
	SSH_STEP_GSS_INIT,     /* 30 INIT; 31 CONTINUE, 32 COMPLETE, 33 HOSTKEY, 34 ERROR */
	SSH_STEP_GSS_CONTINUE, /* 31 CONTINUE; 31, 32, 34 */
	SSH_KEX_STEPS
};

struct ssh_phase {
	uint8_t role;    /* enum ssh_role: who we are */
	uint8_t kex;     /* enum ssh_kex_phase */
	uint8_t svc;     /* enum ssh_svc_phase */
	bool strict : 1; /* strict kex was agreed: 2..4 are refused during the first exchange */
	bool coarse : 1; /* the steps between KEXINIT and NEWKEYS are not known: a shard */
	bool again : 1;  /* server, SSH_SVC_AUTH: SERVICE_REQUEST is legal here too (ssh/ident.h) */
	uint8_t step;    /* enum ssh_kex_step, of METHOD; 0: none, and no message is legal */
};

enum ssh_verdict {
	SSH_REFUSE = 0, /* disconnect */
	SSH_ACCEPT,     /* hand it on */
	SSH_UNKNOWN,    /* a number nobody knows: UNIMPLEMENTED */
	SSH_DROP,       /* legal and without effect: neither look at it nor answer */
};

/*
 * May the peer send this message to us now?
 *
 * 1 DISCONNECT	    always
 * 2, 3, 4	    always, but not in a strict first exchange
 * 5, 6		    the server 5, the client 6, while no service runs; 5 where again is said, too
 * 7 EXT_INFO	    keys in place: the server before a service is asked for, the client
 *		    before USERAUTH_SUCCESS (RFC 8308 section 2.4)
 * 20 KEXINIT	    when no exchange runs
 * 21 NEWKEYS	    when it is awaited
 * 30..49	    those of the method's step, when awaited
 * 50..53, 60..66   the server 50, 61, 63, 65, 66, the client 60, 61, 64, 65 and the
 *		    others, during authentication; 50 after it is SSH_DROP
 *		    (RFC 4252 section 5.1: "SHOULD be silently ignored")
 * 80.., 192, 193   authenticated; before that RFC 4252 section 6 wants 80 and higher to
 *		    end the connection, assigned or not
 * unassigned	    SSH_UNKNOWN when keys are in place and no exchange runs, else refused
 * 0		    never; nor 30..49 and 62..79 outside their method
 */
enum ssh_verdict ssh_phase_rx(const struct ssh_phase *ph, uint8_t msg);
/*
 * May we seal this message now? in_kex: from the sealing of our KEXINIT to the sealing
 * of our NEWKEYS only 1-4 and 20-49 are, outside of it NEWKEYS and 30-49 are not; 0 never is.
 */
bool ssh_phase_tx(bool in_kex, uint8_t msg);

#endif

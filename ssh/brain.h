/*
 * ssh/brain.h - one connection's protocol: payloads in, actions out, both roles.
 *
 * Source  RFC 4252, 4253, 4254, 8308, 8332; OpenSSH PROTOCOL (strict kex, ping).
 * Thread  a brain belongs to one thread; jobs are self-contained and run anywhere.
 * Memory  ssh_brain_new/_free. An action and what it points to are valid until the next
 *         ssh_brain_next(); what an ask points to is valid until it is answered.
 *
 * The carrier (control over the link, the client library over a socket, a test in
 * memory) feeds identification and payloads and carries out actions, in order:
 *
 *   ssh_brain_start() -> ssh_brain_ident() -> ssh_brain_input() …
 *        while (ssh_brain_next(b, &act) == 0) carry it out;
 *
 * What takes time or knowledge the protocol does not have is an ask: the brain goes on
 * with what it can and takes the answer later, by its id. While an ask that stops the
 * connection is open, ssh_brain_input() returns -EAGAIN and takes nothing. Ids start at a
 * random number: an answer that strayed from another connection finds no ask here.
 * No clock and no I/O; nothing here blocks and no input asserts.
 *
 * What the carrier owes the brain:
 * - Every payload of the first key exchange, 1..4 included, with its sequence number: in
 *   strict key exchange a gap in the numbers ends the connection (S-06).
 * - After the peer's NEWKEYS it opens nothing until SSH_ACT_RX_KEYS, which is the answer to
 *   that NEWKEYS.
 * - From sealing SSH_ACT_SEND of KEXINIT to sealing SSH_ACT_SEND of NEWKEYS it seals only
 *   1..4 and 20..49; other payloads wait, in order and bounded, and go after
 *   SSH_ACT_TX_KEYS (ssh_phase_tx()).
 * ssh/pump.h is such a carrier over ssh/flat.h.
 */
#ifndef SLUICE_SSH_BRAIN_H
#define SLUICE_SSH_BRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/kex.h"
#include "crypto/key.h"
#include "crypto/moduli.h"
#include "ssh/auth_msg.h"
#include "ssh/chan.h"
#include "ssh/comp.h"
#include "ssh/err.h"
#include "ssh/msg.h"
#include "ssh/phase.h"
#include "ssh/record.h"
#include "ssh/wire.h"

#define SSH_USER_MAX       255
#define SSH_METHOD_MAX     64    /* of an authentication method's name */
#define SSH_BANNER_MAX     16384 /* of USERAUTH_BANNER */
#define SSH_TEXT_MAX       255   /* of a peer's text handed up: longer is cut */
#define SSH_HOSTKEYS_MAX   64    /* certificates included */
#define SSH_SESSION_ID_MAX HASH_LEN_MAX
#define SSH_ACTS_MAX       64 /* unfetched actions; then input is -EAGAIN (S-41) */
#define SSH_GLOBALS_MAX    16 /* global requests unanswered; then input is -EAGAIN */
#define SSH_OPENS_MAX      64 /* opens of ours the peer has not answered */

/* RFC 8270: "SHOULD NOT" below 2048; n as OpenSSH estimates it for 128 bits of security. */
#define SSH_GEX_MIN 2048
#define SSH_GEX_N   3072
#define SSH_GEX_MAX 8192

/*
 * Strict key exchange. OFF: not offered. ON: used when the peer offers it too. SAFE: a
 * peer without it gets neither chacha20-poly1305 nor CBC with EtM (CVE-2023-48795).
 * REQUIRE: a peer without it is refused.
 */
enum ssh_strict { SSH_STRICT_OFF, SSH_STRICT_ON, SSH_STRICT_SAFE, SSH_STRICT_REQUIRE };

enum ssh_auth_method { /* bits */
		       SSH_AUTH_NONE = 1 << 0,
		       SSH_AUTH_PASSWORD = 1 << 1,
		       SSH_AUTH_PUBLICKEY = 1 << 2,
		       SSH_AUTH_KBDINT = 1 << 3,
		       SSH_AUTH_HOSTBASED = 1 << 4,
		       SSH_AUTH_GSSAPI_KEYEX = 1 << 5,
		       SSH_AUTH_GSSAPI_MIC = 1 << 6,
};

/*
 * Copied by ssh_brain_new(). Lists are comma lists in order of preference, of names this
 * build knows; NULL: the defaults of ssh/kexinit.h.
 */
struct ssh_brain_conf {
	enum ssh_role role;
	const char *ident; /* ours, "SSH-2.0-…", without CR LF */
	const char *kex_algs, *hostkey_algs, *ciphers, *macs, *comp_algs;
	enum ssh_strict strict;
	/*
	 * Bits of a group exchange: a client asks for n and takes what lies between; a server
	 * gives nothing else. All 0: SSH_GEX_*. moduli: what a server chooses from, borrowed for
	 * the brain's life; NULL: the groups of RFC 3526.
	 */
	struct ssh_gex_bits {
		uint32_t min, n, max;
	} gex;
	const struct moduli *moduli;
	/*
	 * GSS-API: a client's server, by the name Kerberos knows it by, whose tickets are shown
	 * (NULL: the default's), by which password they are fetched (NULL: they are there), and
	 * whether it is given them; a server's: only with the key of its own name
	 * (GSSAPIStrictAcceptorCheck).
	 */
	const char *gss_server, *gss_client, *gss_password;
	bool gss_delegate, gss_strict;
	struct ssh_rekey_limit
		rekey; /* bytes and seconds as configured; the brain adds the cipher's own */
	/* server */
	const char *server_sig_algs; /* PubkeyAcceptedAlgorithms, for EXT_INFO; NULL: the usual */
	/*
	 * Where other users have others: those of all of them. The first request is read by these,
	 * and its authority says whether they are its user's; then come ssh_brain_user_sig_algs().
	 */
	const char *server_sig_algs_any;
	const char *hostbased_algs; /* HostbasedAcceptedAlgorithms, of all users; its authority says
				       whether they are this one's. NULL: the usual ones */
	unsigned int auth_methods;  /* SSH_AUTH_* offered */
	unsigned int max_auth_tries;
	uint32_t retry_after; /* seconds a client should stay away once it is cut off; 0: not said */
	/* client */
	const char *user;
	const char *open_types; /* a comma list of what a server may open, beside what it was asked
				   for; NULL: nothing */
};

/* The SSH_AUTH_* of a method's name; 0: none this build knows. */
unsigned int ssh_auth_method_find(struct ssh_str name);

/* A unit of computing with copied input: run on any thread, given back by ssh_brain_job_done(). */
struct ssh_job;
void ssh_job_run(struct ssh_job *job);            /* pure; slow */
void ssh_job_free(struct ssh_job *job);           /* wipes; for jobs whose brain is gone */
bool ssh_job_is_rekey(const struct ssh_job *job); /* rekeys go before first exchanges */
uint32_t ssh_job_id(const struct ssh_job *job);   /* the id of its ask */

enum ssh_act_kind {
	/* For the carrier of records. */
	SSH_ACT_IDENT = 1,     /* send bytes (line with CR LF) before any record */
	SSH_ACT_SEND,          /* seal bytes */
	SSH_ACT_STRICT,        /* strict kex was agreed: before any keys, once */
	SSH_ACT_TX_KEYS,       /* keys: from the next sealed record on */
	SSH_ACT_RX_KEYS,       /* keys: from the record behind the peer's NEWKEYS on */
	SSH_ACT_AUTHENTICATED, /* after the USERAUTH_SUCCESS just sent or received; server: auth */
	SSH_ACT_END,           /* err: what must be sent was sent before; close */

	/* Asks: answered by id. */
	SSH_ACT_JOB,     /* job: run it, then ssh_brain_job_done() */
	SSH_ACT_SIGN,    /* sign: with the host key (server) or user key (client) */
	SSH_ACT_HOSTKEY, /* client: is this the server's key? ssh_brain_hostkey_answer() */
	SSH_ACT_AUTH,    /* server: may this user? ssh_brain_auth_answer(), _decide() */
	SSH_ACT_PROMPT,  /* client: prompts; ssh_brain_prompt_answer() */
	SSH_ACT_LOGIN,   /* client: choose a method; ssh_brain_login_*() */

	/* Messages of the connection protocol and news, for whoever decides. */
	SSH_ACT_CHANNEL_OPEN,    /* open, a client's only if it asked; answered by ssh_brain_send() */
	SSH_ACT_CHANNEL_REQUEST, /* request */
	SSH_ACT_CHANNEL_OTHER,   /* payload: 91, 92, 93..97, 99, 100 of channels the carrier did not
				    settle */
	SSH_ACT_GLOBAL_REQUEST,  /* request (recipient_channel unused) */
	SSH_ACT_GLOBAL_REPLY,    /* payload: 81 or 82 */
	SSH_ACT_KEX_DONE,        /* kex: what was agreed */
	SSH_ACT_AUTH_FAILED,     /* auth: a try that was refused or given up (log); server */
	SSH_ACT_AUTH_PARTIAL,    /* auth: a method that did, and is not enough (log); server */
	SSH_ACT_PEER_DISCONNECT, /* reason, text; SSH_ACT_END follows */
	SSH_ACT_BANNER,          /* text: client */
};

struct ssh_act_keys {
	const struct cipher_suite *suite;
	const uint8_t *key, *iv, *mac_key;
	enum ssh_comp comp; /* a new stream, now or (SSH_COMP_DELAYED) once authenticated */
	bool reset_seqnr;
	struct ssh_rekey_limit limit;
};

struct ssh_act_sign {
	const struct key *key; /* public half; whose private half must sign */
	const char *sig_alg;
	struct ssh_str data;
};

/*
 * Who wants in, and by what. Of a publickey request the key is the identity, whatever was
 * asked about before (S-23). Views and the key live until the answer.
 */
struct ssh_act_auth {
	enum ssh_auth_method method; /* 0: a method not offered (AUTH_FAILED only) */
	struct ssh_str method_name;  /* as the client wrote it; at most SSH_METHOD_MAX */
	struct ssh_str user, service;
	/* password; change: the answer to SSH_AUTH_CHANGE, password is the one that is over */
	struct ssh_str password, new_password;
	bool change;
	/* keyboard-interactive: the round that was answered; 0: it begins */
	unsigned int round, n_responses;
	const struct ssh_str *response;
	/* hostbased: who vouches for the user, by key and sig_alg */
	struct ssh_str client_host, client_user;
	/* gssapi-*: who the ticket is of, and whose account that is here; "": nobody's */
	struct ssh_str principal, local_user;
	/* publickey; the key may be a certificate, of which nothing was believed yet
	 * (crypto/cert.h) */
	const struct key *key;
	const char *sig_alg;
	bool query; /* no signature: "would this key do?"; else the brain has verified it already */
	/* Of a security key's signature: whether an untouched one will do is the answer's to say.
	 */
	struct key_presence presence;
	bool bad_signature; /* AUTH_FAILED: that is why */
	unsigned int tries; /* failed ones counted so far (MaxAuthTries) */
};

struct ssh_act_kex {
	const char *kex, *hostkey, *cipher_cs, *cipher_sc, *mac_cs, *mac_sc, *comp_cs, *comp_sc;
	bool strict, first;
	struct ssh_str session_id;
};

struct ssh_act {
	enum ssh_act_kind kind;
	uint32_t id;          /* of an ask */
	int err;              /* END */
	struct ssh_str bytes; /* IDENT, SEND, CHANNEL_OTHER, GLOBAL_REPLY: payload; BANNER,
				 PEER_DISCONNECT, LOGIN: text; HOSTKEY: its algorithm */
	uint32_t reason;      /* PEER_DISCONNECT */
	uint8_t msg;          /* SEND and payload kinds: message number */
	union {
		struct ssh_act_keys keys;
		struct ssh_job *job; /* taken by the carrier */
		struct ssh_act_sign sign;
		struct ssh_act_auth auth;
		struct ssh_act_kex kex;
		struct ssh_chan_open open;
		struct ssh_chan_request request;
		const struct key *hostkey;
		const struct ssh_prompts *prompts; /* until it is answered */
	};
};

/* What the authority says to SSH_ACT_AUTH. State 0 is illegal. */
enum ssh_auth_verdict {
	SSH_AUTH_REFUSE = 1,
	SSH_AUTH_ACCEPT,  /* authenticated; of a query: the key would do */
	SSH_AUTH_PARTIAL, /* right, and methods have to follow; of a query as ACCEPT */
	SSH_AUTH_PROMPT,  /* keyboard-interactive: another round */
	SSH_AUTH_CHANGE,  /* password: right, and has to be changed first (RFC 4252 section 8) */
};
struct ssh_auth_decision {
	enum ssh_auth_verdict verdict;
	unsigned int methods;              /* PARTIAL: SSH_AUTH_* that can continue */
	const struct ssh_prompts *prompts; /* PROMPT: copied */
	struct ssh_str text;               /* CHANGE: what is asked for */
};

struct ssh_brain;

int ssh_brain_new(const struct ssh_brain_conf *conf, struct ssh_brain **ret)
	__attribute__((warn_unused_result));
void ssh_brain_free(struct ssh_brain *b); /* wipes; NULL is fine */
/* Client: no more tickets are fetched by gss_password, which is wiped. */
void ssh_brain_password_forget(struct ssh_brain *b);

/*
 * Server: public halves of the host keys and certificates of them, borrowed for the brain's life;
 * at least one before start; then as long as it is held (ssh_brain_hold()). For a certificate the
 * bare key is asked to sign (SSH_ACT_SIGN).
 */
int ssh_brain_hostkey_add(struct ssh_brain *b, const struct key *k);
/*
 * Server, before the peer's line: its KEXINIT waits for ssh_brain_offer(), which may leave host
 * keys out: with keep, all for which that is false. -ENOENT: that would be all, and nothing is
 * changed.
 */
void ssh_brain_hold(struct ssh_brain *b);
int ssh_brain_offer(struct ssh_brain *b, bool (*keep)(const struct key *k, const void *arg),
		    const void *arg) __attribute__((warn_unused_result));

/* Is anything asked that was not answered? Then it is not the peer's turn. */
bool ssh_brain_asks(const struct ssh_brain *b);

/* Begins: queues our identification string (and a client's KEXINIT after the peer's line). */
int ssh_brain_start(struct ssh_brain *b);
/*
 * Server: what a brain that rests leaves behind, and from which another one goes on where it was:
 * ssh_brain_new() with the same conf, ssh_brain_hostkey_add(), then this instead of
 * ssh_brain_start().
 */
struct ssh_brain_past {
	struct ssh_str session_id;
	struct ssh_str peer_ident; /* its line, hashed into every exchange (RFC 4253 section 8) */
	bool strict;               /* was agreed at first, and holds for ever */
};
/* Is it authenticated, with nothing under way, asked or to be fetched? Then *ret are views of it.
 */
bool ssh_brain_rests(const struct ssh_brain *b, struct ssh_brain_past *ret);
int ssh_brain_resume(struct ssh_brain *b, const struct ssh_brain_past *past)
	__attribute__((warn_unused_result));
/*
 * And of a key exchange that had begun: our KEXINIT, which the peer has; then its own payloads of
 * the exchange, from its KEXINIT on, are given again. -EINVAL: not such a payload.
 */
int ssh_brain_resume_kex(struct ssh_brain *b, const uint8_t *payload, size_t len)
	__attribute__((warn_unused_result));
/*
 * Of a later exchange whose NEWKEYS we have sent: what the peer's keys will be, for another brain
 * to take if this one is gone by then. -EINVAL: there is none. Good until the next input.
 */
int ssh_brain_rx_keys(const struct ssh_brain *b, struct ssh_act_keys *ret)
	__attribute__((warn_unused_result));
/* The peer's line, without its end. */
int ssh_brain_ident(struct ssh_brain *b, const uint8_t *line, size_t len);
/*
 * A payload that was opened under seqnr. 0: taken. -EAGAIN: an ask must be answered
 * first, or actions fetched; give it again then. An error of the peer's queues DISCONNECT
 * and END and is returned too; after END every input is -SSH_E_CLOSED.
 */
int ssh_brain_input(struct ssh_brain *b, uint32_t seqnr, const uint8_t *payload, size_t len);
/* The next action; -EAGAIN: none now. */
int ssh_brain_next(struct ssh_brain *b, struct ssh_act *ret);

/*
 * Begins a key exchange (a limit was reached, the operator asked); no-op while one runs.
 * Before authentication it is remembered and begun right after it.
 */
int ssh_brain_rekey(struct ssh_brain *b);
/*
 * Sends a payload of the connection protocol (80 and up); during a rekey it waits its turn
 * with the carrier. -EINVAL: not such a payload, or not authenticated; -EAGAIN: too much of
 * its kind is unanswered (SSH_OPENS_MAX, SSH_GLOBALS_MAX).
 */
int ssh_brain_send(struct ssh_brain *b, const void *payload, size_t len);
/* Answers an OPEN of the peer's with OPEN_FAILURE; channel: its sender_channel. text may be NULL.
 */
int ssh_brain_open_refuse(struct ssh_brain *b, uint32_t channel, uint32_t reason, const char *text);
/*
 * Answers the oldest global request that wants a reply (RFC 4254 section 4: in order).
 * data: what REQUEST_SUCCESS carries. -ENOENT when none is open. One that wants no reply
 * is not answered.
 */
int ssh_brain_global_answer(struct ssh_brain *b, bool ok, const void *data, size_t len);
/* Ends the connection with DISCONNECT for err; text NULL: the error's own. */
void ssh_brain_end(struct ssh_brain *b, int err, const char *text);

/*
 * Answers. An id that is not open, or not of this kind, is -ENOENT and changes nothing
 * (S-25). A job is taken in any case, and one made by another brain is -ENOENT too.
 */
int ssh_brain_job_done(struct ssh_brain *b, uint32_t id, struct ssh_job *job);
/* err != 0: could not be signed. Server: ends the connection; client: the next LOGIN follows. */
int ssh_brain_sign_answer(struct ssh_brain *b, uint32_t id, int err, const uint8_t *sig,
			  size_t len);
int ssh_brain_hostkey_answer(struct ssh_brain *b, uint32_t id, bool accept);
/* accept: the user is authenticated (or, for a query, the key would do). */
int ssh_brain_auth_answer(struct ssh_brain *b, uint32_t id, bool accept);
/* The same with all that can be said; a verdict that does not fit the method refuses. */
int ssh_brain_auth_decide(struct ssh_brain *b, uint32_t id, const struct ssh_auth_decision *d);
/*
 * Server: USERAUTH_BANNER, in front of what is answered next; once, while SSH_ACT_AUTH is open.
 * -EINVAL: not then.
 */
int ssh_brain_auth_banner(struct ssh_brain *b, const char *text, size_t len);
/*
 * Server: what holds now that the user is named, which may be another than what held for the
 * address: called while the first SSH_ACT_AUTH is open or later. The limit is that of keys made
 * from here on.
 */
void ssh_brain_user_rules(struct ssh_brain *b, unsigned int auth_methods,
			  unsigned int max_auth_tries, const struct ssh_rekey_limit *rekey);
/*
 * The same of PubkeyAcceptedAlgorithms: a client that takes EXT_INFO while it authenticates is told
 * of another list than before, in front of what is answered next. -EINVAL: none is open; an
 * unknown name. -ENOMEM.
 */
int ssh_brain_user_sig_algs(struct ssh_brain *b, const char *list)
	__attribute__((warn_unused_result));
/*
 * Client: one of these per SSH_ACT_LOGIN. A key is borrowed until the next LOGIN,
 * AUTHENTICATED or END; sig_alg NULL: the best the server's EXT_INFO allows, -ENOTSUP when
 * there is none (the ask stays open). Giving up ends the connection.
 */
int ssh_brain_login_none(struct ssh_brain *b, uint32_t id);
int ssh_brain_login_password(struct ssh_brain *b, uint32_t id, const char *pw, size_t len);
int ssh_brain_login_publickey(struct ssh_brain *b, uint32_t id, const struct key *k,
			      const char *sig_alg); /* then SSH_ACT_SIGN */
/*
 * hostbased: client_user of client_host, whose key it is; in all else as a publickey (RFC 4252
 * section 9). -EINVAL: a name that is too long.
 */
int ssh_brain_login_hostbased(struct ssh_brain *b, uint32_t id, const struct key *k,
			      const char *sig_alg, const char *client_host,
			      const char *client_user);
/* keyex: after a key exchange by GSS-API; else gss_server is needed. -ENOTSUP: it was not given. */
int ssh_brain_login_gssapi(struct ssh_brain *b, uint32_t id, bool keyex);
int ssh_brain_login_give_up(struct ssh_brain *b, uint32_t id);
/* submethods: a hint for the server, may be "" (RFC 4256 section 3.1). SSH_ACT_PROMPT follows. */
int ssh_brain_login_kbdint(struct ssh_brain *b, uint32_t id, const char *submethods);
/* -EINVAL: not as many answers as questions; the ask stays open. */
int ssh_brain_prompt_answer(struct ssh_brain *b, uint32_t id, unsigned int n,
			    const struct ssh_str *response);
/* Nobody answers them: the server refuses the method, and the next one may be tried. */
int ssh_brain_prompt_refuse(struct ssh_brain *b, uint32_t id);
/*
 * The answer to a LOGIN whose bytes are the text of a PASSWD_CHANGEREQ; -EINVAL: to another one.
 */
int ssh_brain_login_change(struct ssh_brain *b, uint32_t id, const char *old_pw, size_t old_len,
			   const char *new_pw, size_t new_len);
/*
 * A payload of one's own, 50 to 79: what comes next of 51 and of 60 to 79 is the bytes of another
 * LOGIN, message number first. -EINVAL: another number.
 */
int ssh_brain_login_raw(struct ssh_brain *b, uint32_t id, const void *payload, size_t len);
/* Client, at SSH_ACT_LOGIN: methods that can continue, as the server named them; "" at first. */
const char *ssh_brain_methods(const struct ssh_brain *b);
/* Client, at SSH_ACT_LOGIN: the method before it did, and others have to follow. */
bool ssh_brain_partial(const struct ssh_brain *b);

const struct ssh_phase *ssh_brain_phase(const struct ssh_brain *b);
bool ssh_brain_authenticated(const struct ssh_brain *b);
/* Client: server-sig-algs as EXT_INFO named them; NULL: none came. */
const char *ssh_brain_server_sig_algs(const struct ssh_brain *b);
/* Client: seconds the server wants us away once the connection is over; 0: it did not say. */
uint32_t ssh_brain_retry_after(const struct ssh_brain *b);
struct ssh_str ssh_brain_session_id(const struct ssh_brain *b);
/*
 * Client: the server's key, and its signature of the session id by the first key exchange, which
 * proves to others where this connection leads. NULL, "": not yet, or by GSS-API.
 */
const struct key *ssh_brain_server_key(const struct ssh_brain *b);
struct ssh_str ssh_brain_server_signature(const struct ssh_brain *b);
const char *ssh_brain_ident_own(const struct ssh_brain *b); /* our line, without its end */
const char *ssh_brain_ident_peer(const struct ssh_brain *b); /* theirs; NULL: not come yet */
/* Messages dropped without effect: unsolicited replies, late authentication requests (S-16). */
uint64_t ssh_brain_drops(const struct ssh_brain *b);

#endif

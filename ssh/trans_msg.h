/*
 * ssh/trans_msg.h - messages of the transport layer but KEXINIT, read and written.
 *
 * Source  RFC 4253 sections 8, 10 and 11, RFC 4419 section 3, RFC 5656 section 4, RFC 8308.
 *
 * Readers stand behind the message number, writers write whole payloads. Strings are views.
 */
#ifndef SLUICE_SSH_TRANS_MSG_H
#define SLUICE_SSH_TRANS_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/wire.h"

#define SSH_SERVICE_USERAUTH   "ssh-userauth"
#define SSH_SERVICE_CONNECTION "ssh-connection"
#define SSH_EXTENSIONS_MAX     32   /* of one EXT_INFO */
#define SSH_SIG_ALGS_MAX       2048 /* of a server-sig-algs list */

struct ssh_disconnect_msg {
	uint32_t reason;
	struct ssh_str text;
};

struct ssh_ecdh_reply {
	struct ssh_str k_s, q_s, signature;
};

/* Group exchange: what a client asks for; the old form has n only. */
struct ssh_gex_request {
	uint32_t min, n, max;
	bool old;
};

struct ssh_gex_group {
	struct ssh_str p, g; /* numbers */
};

struct ssh_ext_info {
	bool has_server_sig_algs;
	struct ssh_str server_sig_algs;
	bool hostbound;       /* the server takes publickey-hostbound-v00@openssh.com */
	bool info_in_auth;    /* the client takes another EXT_INFO while it authenticates */
	uint32_t retry_after; /* seconds to stay away once the connection is cut; 0: not said */
};

int ssh_disconnect_parse(struct ssh_rd *r, struct ssh_disconnect_msg *ret);
/* SERVICE_REQUEST and SERVICE_ACCEPT. */
int ssh_service_parse(struct ssh_rd *r, struct ssh_str *ret_name);
int ssh_ecdh_init_parse(struct ssh_rd *r, struct ssh_str *ret_q_c);
int ssh_ecdh_reply_parse(struct ssh_rd *r, struct ssh_ecdh_reply *ret);
/* The same two where public values are numbers: DH. */
int ssh_dh_init_parse(struct ssh_rd *r, struct ssh_str *ret_e);
int ssh_dh_reply_parse(struct ssh_rd *r, struct ssh_ecdh_reply *ret);
/* msg: REQUEST or REQUEST_OLD, of which min is 0 and max as large as there is. */
int ssh_gex_request_parse(uint8_t msg, struct ssh_rd *r, struct ssh_gex_request *ret);
int ssh_gex_group_parse(struct ssh_rd *r, struct ssh_gex_group *ret);
/* Extensions that are not known are skipped, RFC 8308 section 2.5. */
int ssh_ext_info_parse(struct ssh_rd *r, struct ssh_ext_info *ret);

void ssh_disconnect_build(struct ssh_wr *w, uint32_t reason, const char *text);
void ssh_unimplemented_build(struct ssh_wr *w, uint32_t seqnr);
void ssh_service_build(struct ssh_wr *w, uint8_t msg, const char *name);
void ssh_ecdh_init_build(struct ssh_wr *w, struct ssh_str q_c);
void ssh_ecdh_reply_build(struct ssh_wr *w, const struct ssh_ecdh_reply *m);
/* msg: INIT, or GEX_INIT; REPLY, or GEX_REPLY. */
void ssh_dh_init_build(struct ssh_wr *w, uint8_t msg, struct ssh_str e);
void ssh_dh_reply_build(struct ssh_wr *w, uint8_t msg, const struct ssh_ecdh_reply *m);
/* msg: GEX_REQUEST or its old form, or KEXGSS_GROUPREQ; GEX_GROUP or KEXGSS_GROUP. */
void ssh_gex_request_build(struct ssh_wr *w, uint8_t msg, const struct ssh_gex_request *m);
void ssh_gex_group_build(struct ssh_wr *w, uint8_t msg, const struct ssh_gex_group *m);
/* A server's: the algorithms, and that requests may be bound to its host key. */
/* retry_after: seconds, of our own extension; 0: without it. */
void ssh_ext_info_build(struct ssh_wr *w, const char *server_sig_algs, uint32_t retry_after);
/*
 * "retry-after=SECONDS" at the end of the text of a DISCONNECT: how long to stay away. False: it
 * does not say.
 */
bool ssh_retry_after_parse(struct ssh_str text, uint32_t *ret);
/* A client's: that it takes another one later. */
void ssh_ext_info_client_build(struct ssh_wr *w);

#endif

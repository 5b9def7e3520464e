/*
 * ssh/forward.h - codecs of remote forwarding: what a client asks to be listened on, and what
 * came in there.
 *
 * Source  RFC 4254 sections 7.1, 7.2 and 6.3.2; OpenSSH PROTOCOL section 2.4; PROTOCOL.md,
 * "Extensions of our own".
 */
#ifndef SLUICE_SSH_FORWARD_H
#define SLUICE_SSH_FORWARD_H

#include <stdint.h>

#include "ssh/chan.h"
#include "ssh/wire.h"

/* Names of our own stand in this domain (RFC 4251 section 6), and nowhere else is it written. */
#define SSH_OWN_DOMAIN "sluice.internal"

#define SSH_REQUEST_FORWARD "tcpip-forward"
#define SSH_REQUEST_CANCEL  "cancel-tcpip-forward"
#define SSH_REQUEST_EPOCH   "tcpip-forward-epoch@" SSH_OWN_DOMAIN
#define SSH_OPEN_FORWARDED  "forwarded-tcpip"

#define SSH_REQUEST_STREAMLOCAL        "streamlocal-forward@openssh.com"
#define SSH_REQUEST_CANCEL_STREAMLOCAL "cancel-streamlocal-forward@openssh.com"
#define SSH_OPEN_FORWARDED_STREAMLOCAL "forwarded-streamlocal@openssh.com"
#define SSH_OPEN_AGENT                 "auth-agent@openssh.com"
#define SSH_OPEN_X11                   "x11"

/* How long a client should stay away: an extension (RFC 8308), and in the text of a DISCONNECT. */
#define SSH_RETRY_AFTER     "retry-after"
#define SSH_EXT_RETRY_AFTER SSH_RETRY_AFTER "@" SSH_OWN_DOMAIN

/* Of tcpip-forward and cancel-tcpip-forward. address: as the client wrote it; "" is all. */
struct ssh_tcpip_forward {
	struct ssh_str address;
	uint16_t port; /* 0: the server is to choose */
};

/* What is connected to what, of an OPEN. address and port: as they were asked for. */
struct ssh_forwarded_tcpip {
	struct ssh_str address;
	uint16_t port;
	struct ssh_str originator;
	uint16_t originator_port;
};

/* An X client came in. */
struct ssh_x11_open {
	struct ssh_str originator;
	uint16_t originator_port;
};

/*
 * r stands behind what is common to all global requests, or to all OPENs. 0; or -SSH_E_FORMAT with
 * *ret untouched: an address over SSH_HOST_MAX or with control characters, a port above 65535,
 * bytes left over. The address may be the word of somebody behind the client: a caller refuses and
 * keeps the connection.
 */
int ssh_tcpip_forward_parse(struct ssh_rd *r, struct ssh_tcpip_forward *ret);
int ssh_forwarded_tcpip_parse(struct ssh_rd *r, struct ssh_forwarded_tcpip *ret);
/* The epoch of what this connection will ask for; 0 is none. */
int ssh_forward_epoch_parse(struct ssh_rd *r, uint64_t *ret);
/* A path, as of direct-streamlocal@openssh.com, but no longer than SSH_HOST_MAX. */
int ssh_streamlocal_forward_parse(struct ssh_rd *r, struct ssh_str *ret_path);
int ssh_forwarded_streamlocal_parse(struct ssh_rd *r, struct ssh_str *ret_path);
int ssh_x11_open_parse(struct ssh_rd *r, struct ssh_x11_open *ret);
/* What REQUEST_SUCCESS says of a request for port 0. */
int ssh_forward_port_parse(struct ssh_rd *r, uint16_t *ret);

/* The rest of a request, or of an OPEN. */
void ssh_tcpip_forward_build(struct ssh_wr *w, const struct ssh_tcpip_forward *m);
void ssh_forwarded_tcpip_build(struct ssh_wr *w, const struct ssh_forwarded_tcpip *m);
void ssh_streamlocal_forward_build(struct ssh_wr *w, struct ssh_str path);
void ssh_forwarded_streamlocal_build(struct ssh_wr *w, struct ssh_str path);
void ssh_x11_open_build(struct ssh_wr *w, const struct ssh_x11_open *m);
void ssh_forward_epoch_build(struct ssh_wr *w, uint64_t epoch);

#endif

/*
 * ssh/chan.h - the life of a channel as a table, and the codecs of its messages.
 *
 * Source  RFC 4254 section 5.
 *
 * EOF of each direction is a flag beside the state: the state says who may still close.
 */
#ifndef SLUICE_SSH_CHAN_H
#define SLUICE_SSH_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/wire.h"

enum ssh_chan_state {
	SSH_CHAN_OPENING = 1, /* we sent OPEN, or the peer's OPEN is being decided */
	SSH_CHAN_ABANDONED,   /* ours to close, its number is unknown yet */
	SSH_CHAN_OPEN,
	SSH_CHAN_CLOSE_SENT,
	SSH_CHAN_CLOSED, /* both CLOSEs have passed, or it was refused */
	SSH_CHAN_STATES
};

enum ssh_chan_event {
	SSH_CHAN_EV_CONFIRMED =
		1,             /* CONFIRMATION received (we opened), or sealed (the peer opened) */
	SSH_CHAN_EV_REFUSED,   /* FAILURE received or sealed */
	SSH_CHAN_EV_PEER_DATA, /* DATA or EXTENDED_DATA */
	SSH_CHAN_EV_PEER_ADJUST,
	SSH_CHAN_EV_PEER_EOF,
	SSH_CHAN_EV_PEER_CLOSE,
	SSH_CHAN_EV_PEER_REQUEST, /* REQUEST, SUCCESS, FAILURE */
	SSH_CHAN_EV_LOCAL_CLOSE,
	SSH_CHAN_EVENTS
};

enum ssh_chan_act {
	SSH_CHAN_ACT_NONE = 0,
	SSH_CHAN_ACT_START,   /* data may flow */
	SSH_CHAN_ACT_DELIVER, /* hand the message on */
	SSH_CHAN_ACT_DISCARD, /* count the window, drop the bytes */
	SSH_CHAN_ACT_SEND_CLOSE,
	SSH_CHAN_ACT_REPLY_CLOSE, /* send CLOSE, then free */
	SSH_CHAN_ACT_FREE,
};

struct ssh_chan_fsm {
	uint8_t state;     /* enum ssh_chan_state */
	bool eof_received; /* DATA after it is the peer's fault (S-17) */
	bool eof_sent;
};

/*
 * 0, or -SSH_E_CHANNEL_STATE for a pair not listed; *c is unchanged on error. For the
 * peer's events that is its fault: DATA after its EOF or CLOSE, CONFIRMED or REFUSED of what
 * is not opening (S-17, S-18). WINDOW_ADJUST and requests after EOF are fine; a second EOF
 * changes nothing. After our CLOSE its messages still arrive until its own: none is answered.
 * A caller that finds no channel at all refuses with -SSH_E_CHANNEL, but for WINDOW_ADJUST,
 * which is ignored and counted: it may have crossed the CLOSE.
 */
int ssh_chan_step(struct ssh_chan_fsm *c, enum ssh_chan_event ev, enum ssh_chan_act *ret_act);

/* Message bodies, from behind the message number. Strings are views. */
struct ssh_chan_open {
	struct ssh_str type;
	uint32_t sender_channel, window_size, packet_max;
	struct ssh_str rest; /* specific to the type */
};
struct ssh_chan_confirm {
	uint32_t recipient_channel, sender_channel, window_size, packet_max;
	struct ssh_str rest;
};
struct ssh_chan_failure {
	uint32_t recipient_channel, reason;
	struct ssh_str description, language;
};
struct ssh_chan_data {
	uint32_t recipient_channel;
	uint32_t data_type; /* 0 for CHANNEL_DATA */
	struct ssh_str data;
};
struct ssh_chan_request {
	uint32_t recipient_channel;
	struct ssh_str type;
	bool want_reply;
	struct ssh_str rest;
};
struct ssh_direct_tcpip {
	struct ssh_str host;
	uint16_t port;
	struct ssh_str originator;
	uint16_t originator_port;
};

#define SSH_HOST_MAX 255
#define SSH_TYPE_MAX 64 /* of a channel or request type; printable US-ASCII, RFC 4250 4.6.1 */
/* Headers in front of the data, message number included: what a shard puts before a chain. */
#define SSH_CHAN_DATA_HEAD     9
#define SSH_CHAN_EXTENDED_HEAD 13

/*
 * The least "maximum packet size" we serve (S-50). The RFCs name none; below it every few bytes
 * would cost a record and a tag, and with 0 nothing ever moves. No implementation we know
 * says less than 1 KiB.
 */
#define SSH_CHAN_PACKET_MIN 256

/*
 * May a channel with this maximum packet size of the peer's OPEN or CONFIRMATION be served? 0,
 * or -SSH_E_PACKET_SIZE: answer OPEN with FAILURE (RESOURCE_SHORTAGE), a CONFIRMATION with
 * CLOSE. Any window is served: with 0, as OpenSSH's server confirms sessions, nothing is sent
 * until it is adjusted. What is too large is cut by ssh_swin_init().
 */
int ssh_chan_limits_check(uint32_t packet_max);

/* 0, or -SSH_E_FORMAT with *ret untouched. Nothing may be left over. */
int ssh_chan_open_parse(struct ssh_rd *r, struct ssh_chan_open *ret);
int ssh_chan_confirm_parse(struct ssh_rd *r, struct ssh_chan_confirm *ret);
int ssh_chan_failure_parse(struct ssh_rd *r, struct ssh_chan_failure *ret);
int ssh_chan_request_parse(struct ssh_rd *r, struct ssh_chan_request *ret);
/* msg: CHANNEL_DATA or CHANNEL_EXTENDED_DATA. */
int ssh_chan_data_parse(struct ssh_rd *r, uint8_t msg, struct ssh_chan_data *ret);
int ssh_chan_adjust_parse(struct ssh_rd *r, uint32_t *ret_recipient_channel, uint32_t *ret_bytes);
/* EOF, CLOSE, SUCCESS, FAILURE. */
int ssh_chan_simple_parse(struct ssh_rd *r, uint32_t *ret_recipient_channel);
/*
 * The same as ssh_chan_data_parse() for a payload whose data lies elsewhere: head is
 * its first head_len bytes, message number included, payload_len all of it. Sets ret->data.len
 * and leaves ret->data.p NULL; the data begins at *ret_head_len.
 */
int ssh_chan_data_head_parse(const uint8_t *head, uint32_t head_len, uint32_t payload_len,
			     struct ssh_chan_data *ret, uint32_t *ret_head_len);
/*
 * r stands at the rest of an OPEN. The names are at most SSH_HOST_MAX long and have
 * no NUL or other control character, the host is not empty and its port is 1..65535. The host may
 * be the word of some program behind the client, so a caller answers an error with OPEN_FAILURE and
 * keeps the connection.
 */
int ssh_direct_tcpip_parse(struct ssh_rd *r, struct ssh_direct_tcpip *ret);

/*
 * OpenSSH PROTOCOL section 2.4: r stands at the rest of an OPEN. An absolute path of at most
 * SSH_SOCKET_PATH_MAX bytes without control characters, "//" or a component "." or "..", so that
 * rules may compare it as text.
 */
#define SSH_SOCKET_PATH_MAX 1023
/* Is it one of those? */
bool ssh_socket_path_ok(struct ssh_str path);
int ssh_direct_streamlocal_parse(struct ssh_rd *r, struct ssh_str *ret_path);

/* Each writes a whole payload, message number first (direct_tcpip: the rest of an OPEN). */
void ssh_chan_open_build(struct ssh_wr *w, const struct ssh_chan_open *m);
void ssh_chan_confirm_build(struct ssh_wr *w, const struct ssh_chan_confirm *m);
void ssh_chan_failure_build(struct ssh_wr *w, const struct ssh_chan_failure *m);
void ssh_chan_request_build(struct ssh_wr *w, const struct ssh_chan_request *m);
void ssh_direct_tcpip_build(struct ssh_wr *w, const struct ssh_direct_tcpip *m);
void ssh_chan_adjust_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t bytes);
void ssh_chan_data_head_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t len);
void ssh_chan_extended_head_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t data_type,
				  uint32_t len);
void ssh_chan_data_build(struct ssh_wr *w, const struct ssh_chan_data *m); /* data_type 0: DATA */
/* EOF, CLOSE, SUCCESS, FAILURE: a number and a channel. */
void ssh_chan_simple_build(struct ssh_wr *w, uint8_t msg, uint32_t recipient_channel);

#endif

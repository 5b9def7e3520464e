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
	SSH_CHAN_EV_CONFIRMED = 1, /* CONFIRMATION received (we opened), or sealed (the peer opened) */
	SSH_CHAN_EV_REFUSED,	   /* FAILURE received or sealed */
	SSH_CHAN_EV_PEER_DATA,	   /* DATA or EXTENDED_DATA */
	SSH_CHAN_EV_PEER_ADJUST,
	SSH_CHAN_EV_PEER_EOF,
	SSH_CHAN_EV_PEER_CLOSE,
	SSH_CHAN_EV_PEER_REQUEST, /* REQUEST, SUCCESS, FAILURE */
	SSH_CHAN_EV_LOCAL_CLOSE,
	SSH_CHAN_EVENTS
};

enum ssh_chan_act {
	SSH_CHAN_ACT_NONE = 0,
	SSH_CHAN_ACT_START,	  /* data may flow */
	SSH_CHAN_ACT_DELIVER,	  /* hand the message on */
	SSH_CHAN_ACT_DISCARD,	  /* count the window, drop the bytes */
	SSH_CHAN_ACT_SEND_CLOSE,
	SSH_CHAN_ACT_REPLY_CLOSE, /* send CLOSE, then free */
	SSH_CHAN_ACT_FREE,
};

struct ssh_chan_fsm {
	uint8_t state;	   /* enum ssh_chan_state */
	bool eof_received; /* DATA after it is the peer's fault (S-17) */
	bool eof_sent;
};

/* 0, or -SSH_E_CHANNEL_STATE for a pair not listed; *c is unchanged on error. */
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
#define SSH_TYPE_MAX 64 /* of a channel or request type */
/* Headers in front of the data, message number included: what a shard puts before a chain. */
#define SSH_CHAN_DATA_HEAD 9

int ssh_chan_open_parse(struct ssh_rd *r, struct ssh_chan_open *ret);
int ssh_chan_confirm_parse(struct ssh_rd *r, struct ssh_chan_confirm *ret);
int ssh_chan_failure_parse(struct ssh_rd *r, struct ssh_chan_failure *ret);
int ssh_chan_request_parse(struct ssh_rd *r, struct ssh_chan_request *ret);
int ssh_direct_tcpip_parse(struct ssh_rd *r, struct ssh_direct_tcpip *ret);

/* Each writes a whole payload, message number first. */
void ssh_chan_open_build(struct ssh_wr *w, const struct ssh_chan_open *m);
void ssh_chan_confirm_build(struct ssh_wr *w, const struct ssh_chan_confirm *m);
void ssh_chan_failure_build(struct ssh_wr *w, const struct ssh_chan_failure *m);
void ssh_chan_request_build(struct ssh_wr *w, const struct ssh_chan_request *m);
void ssh_direct_tcpip_build(struct ssh_wr *w, const struct ssh_direct_tcpip *m);
void ssh_chan_adjust_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t bytes);
void ssh_chan_data_head_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t len);
/* EOF, CLOSE, SUCCESS, FAILURE: a number and a channel. */
void ssh_chan_simple_build(struct ssh_wr *w, uint8_t msg, uint32_t recipient_channel);

#endif

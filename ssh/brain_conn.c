/*
 * ssh/brain_conn.c - the connection protocol as far as a brain knows it.
 *
 * Source  RFC 4254 sections 4 and 5, OpenSSH PROTOCOL (ping).
 *
 * Whose channel it is and what may be opened is decided above, the state of a channel is
 * the carrier's. What is kept here is what was asked and not answered: global requests of
 * both sides, and opens of ours, so that an answer nobody asked for goes nowhere.
 */
#include <errno.h>
#include <string.h>

#include "ssh/forward.h"
#include "ssh/internal.h"
#include "ssh/kexinit.h"

/* The payload's copy in the action; views of a message are taken from it. */
static struct ssh_act *push_payload(struct ssh_brain *b, enum ssh_act_kind kind, const uint8_t *p,
				    size_t len, struct ssh_rd *ret_r)
{
	struct ssh_act *act = act_push_bytes(b, kind, (struct ssh_str){p, (uint32_t)len});

	if (act == NULL)
		return NULL;
	act->msg = p[0];
	ssh_rd_init(ret_r, act->bytes.p + 1, len - 1);
	return act;
}

/* A GLOBAL_REQUEST, from behind its number. */
static int global_request_parse(struct ssh_rd *r, struct ssh_chan_request *ret)
{
	struct ssh_str type = ssh_rd_str(r);
	bool want_reply = ssh_rd_bool(r);
	struct ssh_str rest = ssh_rd_rest(r);

	if (!ssh_rd_done(r) || type.len > SSH_TYPE_MAX)
		return -SSH_E_FORMAT;
	*ret = (struct ssh_chan_request){.type = type, .want_reply = want_reply, .rest = rest};
	return 0;
}

static int input_global(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_chan_request m;
	struct ssh_act *act;
	struct ssh_rd r;

	/* Checked on the original: a refused message leaves no action. */
	ssh_rd_init(&r, p + 1, len - 1);
	if (global_request_parse(&r, &m) < 0)
		return -SSH_E_FORMAT;
	act = push_payload(b, SSH_ACT_GLOBAL_REQUEST, p, len, &r);
	if (act == NULL)
		return -SSH_E_MEMORY;
	b->globals_received += m.want_reply;
	return global_request_parse(&r, &act->request);
}

/*
 * What a server may open towards a client, and the request that asks for it. Everything else is
 * refused (RFC 4254 sections 6.1 and 7.2: session and direct-tcpip), and so are these from a server
 * that was not asked: it would reach into the client's network, display or agent (S-19).
 */
static const struct {
	uint8_t msg;
	const char *request, *open;
} asked_for[] = {
	{SSH_MSG_GLOBAL_REQUEST, SSH_REQUEST_FORWARD, SSH_OPEN_FORWARDED},
	{SSH_MSG_GLOBAL_REQUEST, SSH_REQUEST_STREAMLOCAL, SSH_OPEN_FORWARDED_STREAMLOCAL},
	{SSH_MSG_CHANNEL_REQUEST, "x11-req", SSH_OPEN_X11},
	{SSH_MSG_CHANNEL_REQUEST, "auth-agent-req@openssh.com", SSH_OPEN_AGENT},
};

#define ASKED_FOR (sizeof(asked_for) / sizeof(asked_for[0]))
_Static_assert(ASKED_FOR <= 8, "bits of asked");

static void asks(struct ssh_brain *b, uint8_t msg, struct ssh_str type)
{
	for (size_t i = 0; i < ASKED_FOR; i++)
		if (asked_for[i].msg == msg && ssh_str_eq(type, asked_for[i].request))
			b->asked |= (uint8_t)(1u << i);
}

static bool was_asked(const struct ssh_brain *b, struct ssh_str type)
{
	struct ssh_str list = ssh_str_c(b->open_types != NULL ? b->open_types : ""), name;

	for (size_t i = 0; i < ASKED_FOR; i++)
		if (ssh_str_eq(type, asked_for[i].open))
			return (b->asked & 1u << i) != 0;
	while (ssh_names_next(&list, &name))
		if (name.len == type.len && memcmp(name.p, type.p, type.len) == 0)
			return true;
	return false;
}

static int input_open(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_chan_open m;
	struct ssh_act *act;
	struct ssh_rd r;

	ssh_rd_init(&r, p + 1, len - 1);
	if (ssh_chan_open_parse(&r, &m) < 0)
		return -SSH_E_FORMAT;
	if (!brain_is_server(b) && !was_asked(b, m.type)) {
		b->drops++;
		return ssh_brain_open_refuse(b, m.sender_channel,
					     SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
					     "it was not asked for");
	}
	act = push_payload(b, SSH_ACT_CHANNEL_OPEN, p, len, &r);
	return act != NULL ? ssh_chan_open_parse(&r, &act->open) : -SSH_E_MEMORY;
}

static int input_request(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_chan_request m;
	struct ssh_act *act;
	struct ssh_rd r;

	ssh_rd_init(&r, p + 1, len - 1);
	if (ssh_chan_request_parse(&r, &m) < 0)
		return -SSH_E_FORMAT;
	act = push_payload(b, SSH_ACT_CHANNEL_REQUEST, p, len, &r);
	return act != NULL ? ssh_chan_request_parse(&r, &act->request) : -SSH_E_MEMORY;
}

/* Replies to what we asked; others are dropped and counted (S-16). */
static int input_global_reply(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_rd r;

	if (b->globals_sent == 0) {
		b->drops++;
		return 0;
	}
	b->globals_sent--;
	return push_payload(b, SSH_ACT_GLOBAL_REPLY, p, len, &r) != NULL ? 0 : -SSH_E_MEMORY;
}

static int opens_take(struct ssh_brain *b, uint32_t channel)
{
	for (unsigned int i = 0; i < b->n_opens; i++) {
		if (b->opens[i] == channel) {
			b->opens[i] = b->opens[--b->n_opens];
			return 0;
		}
	}
	return -SSH_E_CHANNEL;
}

/*
 * 91 and 92 answer an open of ours, once (S-18). All the others belong to a channel the
 * carrier did not know or did not settle.
 */
static int input_channel(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_rd r;
	uint32_t channel;
	int e;

	ssh_rd_init(&r, p + 1, len - 1);
	channel = ssh_rd_u32(&r);
	if (r.bad)
		return -SSH_E_FORMAT;
	if (p[0] == SSH_MSG_CHANNEL_OPEN_CONFIRMATION || p[0] == SSH_MSG_CHANNEL_OPEN_FAILURE) {
		e = opens_take(b, channel);
		if (e < 0)
			return e;
	}
	return push_payload(b, SSH_ACT_CHANNEL_OTHER, p, len, &r) != NULL ? 0 : -SSH_E_MEMORY;
}

/* The data comes back as it is. Carriers that settle PING do not hand it here. */
static int input_ping(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_str data;
	struct ssh_rd r;
	struct ssh_wr w;
	int e;

	ssh_rd_init(&r, p + 1, len - 1);
	data = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	e = send_begin(b, &w, len);
	if (e < 0)
		return e;
	ssh_wr_u8(&w, SSH_MSG_PONG);
	ssh_wr_str(&w, data);
	return send_end(b, &w);
}

int brain_conn_input(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case SSH_MSG_GLOBAL_REQUEST:
		return input_global(b, p, len);
	case SSH_MSG_REQUEST_SUCCESS:
	case SSH_MSG_REQUEST_FAILURE:
		return input_global_reply(b, p, len);
	case SSH_MSG_CHANNEL_OPEN:
		return input_open(b, p, len);
	case SSH_MSG_CHANNEL_REQUEST:
		return input_request(b, p, len);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION ... SSH_MSG_CHANNEL_CLOSE:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		return input_channel(b, p, len);
	case SSH_MSG_PING:
		return input_ping(b, p, len);
	case SSH_MSG_PONG: /* we never ping */
		b->drops++;
		return 0;
	default:
		return -SSH_E_PROTO;
	}
}

/* Sending --------------------------------------------------------------------------- */

/* Remembers what will be answered. -EAGAIN: too much is waiting. */
static int account_sent(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_chan_request global, request;
	struct ssh_chan_open open;
	struct ssh_rd r;

	ssh_rd_init(&r, p + 1, len - 1);
	if (p[0] == SSH_MSG_CHANNEL_OPEN) {
		if (ssh_chan_open_parse(&r, &open) < 0)
			return -EINVAL;
		if (b->n_opens == SSH_OPENS_MAX)
			return -EAGAIN;
		b->opens[b->n_opens++] = open.sender_channel;
	} else if (p[0] == SSH_MSG_GLOBAL_REQUEST) {
		if (global_request_parse(&r, &global) < 0)
			return -EINVAL;
		if (b->globals_sent == SSH_GLOBALS_MAX)
			return -EAGAIN;
		b->globals_sent += global.want_reply;
		asks(b, p[0], global.type);
	} else if (p[0] == SSH_MSG_CHANNEL_REQUEST && ssh_chan_request_parse(&r, &request) == 0) {
		asks(b, p[0], request.type);
	}
	return 0;
}

static int send_payload(struct ssh_brain *b, const void *payload, size_t len)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, len);

	if (r < 0)
		return r;
	ssh_wr_bytes(&w, payload, len);
	return send_end(b, &w);
}

/* Memory is the one thing that can fail behind the checks; without it nothing goes on. */
static int settle_send(struct ssh_brain *b, int r)
{
	if (r < 0)
		ssh_brain_end(b, r, NULL);
	return r;
}

int ssh_brain_send(struct ssh_brain *b, const void *payload, size_t len)
{
	const uint8_t *p = payload;
	int r;

	if (b->ended)
		return -SSH_E_CLOSED;
	if (len == 0 || len > SSH_PACKET_MAX || p[0] < SSH_MSG_GLOBAL_REQUEST ||
	    p[0] == SSH_MSG_REQUEST_SUCCESS || p[0] == SSH_MSG_REQUEST_FAILURE ||
	    !ssh_brain_authenticated(b))
		return -EINVAL;
	r = account_sent(b, p, len);
	return r < 0 ? r : settle_send(b, send_payload(b, payload, len));
}

int ssh_brain_open_refuse(struct ssh_brain *b, uint32_t channel, uint32_t reason, const char *text)
{
	struct ssh_chan_failure m = {
		.recipient_channel = channel,
		.reason = reason,
		.description = ssh_str_c(text != NULL ? text : ""),
		.language = ssh_str_c(""),
	};
	struct ssh_wr w;
	int r;

	if (b->ended)
		return -SSH_E_CLOSED;
	if (!ssh_brain_authenticated(b))
		return -EINVAL;
	r = send_begin(b, &w, 1 + 4 * 4 + m.description.len);
	if (r == 0) {
		ssh_chan_failure_build(&w, &m);
		r = send_end(b, &w);
	}
	return settle_send(b, r);
}

int ssh_brain_global_answer(struct ssh_brain *b, bool ok, const void *data, size_t len)
{
	struct ssh_wr w;
	int r;

	if (b->ended)
		return -SSH_E_CLOSED;
	if (b->globals_received == 0)
		return -ENOENT;
	b->globals_received--;
	r = send_begin(b, &w, 1 + len);
	if (r == 0) {
		ssh_wr_u8(&w, ok ? SSH_MSG_REQUEST_SUCCESS : SSH_MSG_REQUEST_FAILURE);
		ssh_wr_bytes(&w, data, ok ? len : 0);
		r = send_end(b, &w);
	}
	return settle_send(b, r);
}

/* ssh/chan.c - the life of a channel, and the codecs of its messages, RFC 4254 section 5. */
#include "ssh/chan.h"

#include "ssh/err.h"
#include "ssh/msg.h"

#define OPENING    SSH_CHAN_OPENING
#define ABANDONED  SSH_CHAN_ABANDONED
#define OPEN       SSH_CHAN_OPEN
#define CLOSE_SENT SSH_CHAN_CLOSE_SENT
#define CLOSED     SSH_CHAN_CLOSED

/* Sections 5.1 to 5.3; what EOF adds is in ssh_chan_step(). */
static const struct {
	uint8_t next, act;
} edge[SSH_CHAN_STATES][SSH_CHAN_EVENTS] = {
	[OPENING][SSH_CHAN_EV_CONFIRMED] = {OPEN, SSH_CHAN_ACT_START},
	[OPENING][SSH_CHAN_EV_REFUSED] = {CLOSED, SSH_CHAN_ACT_FREE},
	[OPENING][SSH_CHAN_EV_LOCAL_CLOSE] = {ABANDONED, SSH_CHAN_ACT_NONE},
	/* Only now the peer's number is known, and with it where CLOSE goes. */
	[ABANDONED][SSH_CHAN_EV_CONFIRMED] = {CLOSE_SENT, SSH_CHAN_ACT_SEND_CLOSE},
	[ABANDONED][SSH_CHAN_EV_REFUSED] = {CLOSED, SSH_CHAN_ACT_FREE},

	[OPEN][SSH_CHAN_EV_PEER_DATA] = {OPEN, SSH_CHAN_ACT_DELIVER},
	[OPEN][SSH_CHAN_EV_PEER_ADJUST] = {OPEN, SSH_CHAN_ACT_DELIVER},
	[OPEN][SSH_CHAN_EV_PEER_EOF] = {OPEN, SSH_CHAN_ACT_DELIVER},
	[OPEN][SSH_CHAN_EV_PEER_REQUEST] = {OPEN, SSH_CHAN_ACT_DELIVER},
	[OPEN][SSH_CHAN_EV_PEER_CLOSE] = {CLOSED, SSH_CHAN_ACT_REPLY_CLOSE},
	[OPEN][SSH_CHAN_EV_LOCAL_CLOSE] = {CLOSE_SENT, SSH_CHAN_ACT_SEND_CLOSE},

	/* Our CLOSE and the peer's messages may cross; only its own CLOSE ends it. */
	[CLOSE_SENT][SSH_CHAN_EV_PEER_DATA] = {CLOSE_SENT, SSH_CHAN_ACT_DISCARD},
	[CLOSE_SENT][SSH_CHAN_EV_PEER_ADJUST] = {CLOSE_SENT, SSH_CHAN_ACT_NONE},
	[CLOSE_SENT][SSH_CHAN_EV_PEER_EOF] = {CLOSE_SENT, SSH_CHAN_ACT_NONE},
	[CLOSE_SENT][SSH_CHAN_EV_PEER_REQUEST] = {CLOSE_SENT, SSH_CHAN_ACT_NONE},
	[CLOSE_SENT][SSH_CHAN_EV_PEER_CLOSE] = {CLOSED, SSH_CHAN_ACT_FREE},
};

int ssh_chan_step(struct ssh_chan_fsm *c, enum ssh_chan_event ev, enum ssh_chan_act *ret_act)
{
	if (c->state >= SSH_CHAN_STATES || ev >= SSH_CHAN_EVENTS || edge[c->state][ev].next == 0)
		return -SSH_E_CHANNEL_STATE;
	if (ev == SSH_CHAN_EV_PEER_DATA && c->eof_received)
		return -SSH_E_CHANNEL_STATE;

	*ret_act = edge[c->state][ev].act;
	c->state = edge[c->state][ev].next;
	if (ev == SSH_CHAN_EV_PEER_EOF) {
		if (c->eof_received)
			*ret_act = SSH_CHAN_ACT_NONE;
		c->eof_received = true;
	}
	return 0;
}

int ssh_chan_limits_check(uint32_t packet_max)
{
	return packet_max < SSH_CHAN_PACKET_MIN ? -SSH_E_PACKET_SIZE : 0;
}

/* RFC 4250 section 4.6.1: printable US-ASCII without spaces, at most 64. */
static bool name_fits(struct ssh_str s)
{
	if (s.len == 0 || s.len > SSH_TYPE_MAX)
		return false;
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	}
	return true;
}

/* RFC 4254 section 5.1. */
int ssh_chan_open_parse(struct ssh_rd *r, struct ssh_chan_open *ret)
{
	struct ssh_str type = ssh_rd_str(r);
	uint32_t sender_channel = ssh_rd_u32(r);
	uint32_t window_size = ssh_rd_u32(r);
	uint32_t packet_max = ssh_rd_u32(r);
	struct ssh_str rest = ssh_rd_rest(r);

	if (!ssh_rd_done(r) || !name_fits(type))
		return -SSH_E_FORMAT;

	*ret = (struct ssh_chan_open){type, sender_channel, window_size, packet_max, rest};
	return 0;
}

void ssh_chan_open_build(struct ssh_wr *w, const struct ssh_chan_open *m)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_OPEN);
	ssh_wr_str(w, m->type);
	ssh_wr_u32(w, m->sender_channel);
	ssh_wr_u32(w, m->window_size);
	ssh_wr_u32(w, m->packet_max);
	ssh_wr_bytes(w, m->rest.p, m->rest.len);
}

int ssh_chan_confirm_parse(struct ssh_rd *r, struct ssh_chan_confirm *ret)
{
	uint32_t recipient_channel = ssh_rd_u32(r);
	uint32_t sender_channel = ssh_rd_u32(r);
	uint32_t window_size = ssh_rd_u32(r);
	uint32_t packet_max = ssh_rd_u32(r);
	struct ssh_str rest = ssh_rd_rest(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;

	*ret = (struct ssh_chan_confirm){recipient_channel, sender_channel, window_size, packet_max,
					 rest};
	return 0;
}

void ssh_chan_confirm_build(struct ssh_wr *w, const struct ssh_chan_confirm *m)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	ssh_wr_u32(w, m->recipient_channel);
	ssh_wr_u32(w, m->sender_channel);
	ssh_wr_u32(w, m->window_size);
	ssh_wr_u32(w, m->packet_max);
	ssh_wr_bytes(w, m->rest.p, m->rest.len);
}

int ssh_chan_failure_parse(struct ssh_rd *r, struct ssh_chan_failure *ret)
{
	uint32_t recipient_channel = ssh_rd_u32(r);
	uint32_t reason = ssh_rd_u32(r);
	struct ssh_str description = ssh_rd_str(r);
	struct ssh_str language = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;

	*ret = (struct ssh_chan_failure){recipient_channel, reason, description, language};
	return 0;
}

void ssh_chan_failure_build(struct ssh_wr *w, const struct ssh_chan_failure *m)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_wr_u32(w, m->recipient_channel);
	ssh_wr_u32(w, m->reason);
	ssh_wr_str(w, m->description);
	ssh_wr_str(w, m->language);
}

/* RFC 4254 section 5.2. */
int ssh_chan_data_head_parse(const uint8_t *head, uint32_t head_len, uint32_t payload_len,
			     struct ssh_chan_data *ret, uint32_t *ret_head_len)
{
	struct ssh_rd r;
	uint32_t recipient_channel, data_type = 0, len, n;
	uint8_t msg;

	ssh_rd_init(&r, head, head_len);
	msg = ssh_rd_u8(&r);
	recipient_channel = ssh_rd_u32(&r);
	if (msg == SSH_MSG_CHANNEL_EXTENDED_DATA)
		data_type = ssh_rd_u32(&r);
	len = ssh_rd_u32(&r);
	if (r.bad || (msg != SSH_MSG_CHANNEL_DATA && msg != SSH_MSG_CHANNEL_EXTENDED_DATA))
		return -SSH_E_FORMAT;
	n = (uint32_t)(r.p - head);
	if (payload_len < n || len != payload_len - n)
		return -SSH_E_FORMAT;
	/* 0 is our word for plain data; section 5.2 gives no such type. */
	if (msg == SSH_MSG_CHANNEL_EXTENDED_DATA && data_type == 0)
		return -SSH_E_FORMAT;

	*ret = (struct ssh_chan_data){recipient_channel, data_type, {NULL, len}};
	*ret_head_len = n;
	return 0;
}

int ssh_chan_data_parse(struct ssh_rd *r, uint8_t msg, struct ssh_chan_data *ret)
{
	uint32_t recipient_channel = ssh_rd_u32(r);
	uint32_t data_type = msg == SSH_MSG_CHANNEL_EXTENDED_DATA ? ssh_rd_u32(r) : 0;
	struct ssh_str data = ssh_rd_str(r);

	if (!ssh_rd_done(r) || (msg == SSH_MSG_CHANNEL_EXTENDED_DATA && data_type == 0))
		return -SSH_E_FORMAT;

	*ret = (struct ssh_chan_data){recipient_channel, data_type, data};
	return 0;
}

void ssh_chan_data_head_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t len)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_DATA);
	ssh_wr_u32(w, recipient_channel);
	ssh_wr_u32(w, len);
}

void ssh_chan_extended_head_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t data_type,
				  uint32_t len)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_EXTENDED_DATA);
	ssh_wr_u32(w, recipient_channel);
	ssh_wr_u32(w, data_type);
	ssh_wr_u32(w, len);
}

void ssh_chan_data_build(struct ssh_wr *w, const struct ssh_chan_data *m)
{
	if (m->data_type == 0)
		ssh_chan_data_head_build(w, m->recipient_channel, m->data.len);
	else
		ssh_chan_extended_head_build(w, m->recipient_channel, m->data_type, m->data.len);
	ssh_wr_bytes(w, m->data.p, m->data.len);
}

int ssh_chan_adjust_parse(struct ssh_rd *r, uint32_t *ret_recipient_channel, uint32_t *ret_bytes)
{
	uint32_t recipient_channel = ssh_rd_u32(r);
	uint32_t bytes = ssh_rd_u32(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;

	*ret_recipient_channel = recipient_channel;
	*ret_bytes = bytes;
	return 0;
}

void ssh_chan_adjust_build(struct ssh_wr *w, uint32_t recipient_channel, uint32_t bytes)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	ssh_wr_u32(w, recipient_channel);
	ssh_wr_u32(w, bytes);
}

/* RFC 4254 sections 5.3 and 5.4. */
int ssh_chan_simple_parse(struct ssh_rd *r, uint32_t *ret_recipient_channel)
{
	uint32_t recipient_channel = ssh_rd_u32(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;

	*ret_recipient_channel = recipient_channel;
	return 0;
}

void ssh_chan_simple_build(struct ssh_wr *w, uint8_t msg, uint32_t recipient_channel)
{
	ssh_wr_u8(w, msg);
	ssh_wr_u32(w, recipient_channel);
}

int ssh_chan_request_parse(struct ssh_rd *r, struct ssh_chan_request *ret)
{
	uint32_t recipient_channel = ssh_rd_u32(r);
	struct ssh_str type = ssh_rd_str(r);
	bool want_reply = ssh_rd_bool(r);
	struct ssh_str rest = ssh_rd_rest(r);

	if (!ssh_rd_done(r) || !name_fits(type))
		return -SSH_E_FORMAT;

	*ret = (struct ssh_chan_request){recipient_channel, type, want_reply, rest};
	return 0;
}

void ssh_chan_request_build(struct ssh_wr *w, const struct ssh_chan_request *m)
{
	ssh_wr_u8(w, SSH_MSG_CHANNEL_REQUEST);
	ssh_wr_u32(w, m->recipient_channel);
	ssh_wr_str(w, m->type);
	ssh_wr_bool(w, m->want_reply);
	ssh_wr_bytes(w, m->rest.p, m->rest.len);
}

static bool no_controls(struct ssh_str s)
{
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

/* RFC 4254 section 7.2. Originators are for the log; some clients leave theirs empty. */
int ssh_direct_tcpip_parse(struct ssh_rd *r, struct ssh_direct_tcpip *ret)
{
	struct ssh_str host = ssh_rd_str(r);
	uint32_t port = ssh_rd_u32(r);
	struct ssh_str originator = ssh_rd_str(r);
	uint32_t originator_port = ssh_rd_u32(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	if (host.len == 0 || host.len > SSH_HOST_MAX || !no_controls(host) ||
	    originator.len > SSH_HOST_MAX || !no_controls(originator))
		return -SSH_E_FORMAT;
	if (port == 0 || port > UINT16_MAX || originator_port > UINT16_MAX)
		return -SSH_E_FORMAT;

	*ret = (struct ssh_direct_tcpip){host, (uint16_t)port, originator,
					 (uint16_t)originator_port};
	return 0;
}

/* Every component is a name. */
static bool path_is_plain(struct ssh_str path)
{
	const char *p = (const char *)path.p, *end = p + path.len;

	if (path.len < 2 || *p != '/')
		return false;
	while (p < end) {
		const char *name = p + 1, *slash;
		size_t n;

		slash = memchr(name, '/', (size_t)(end - name));
		n = (size_t)((slash != NULL ? slash : end) - name);
		if (n == 0 || (n == 1 && name[0] == '.') ||
		    (n == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		p = name + n;
	}
	return true;
}

bool ssh_socket_path_ok(struct ssh_str path)
{
	return path.len <= SSH_SOCKET_PATH_MAX && no_controls(path) && path_is_plain(path);
}

int ssh_direct_streamlocal_parse(struct ssh_rd *r, struct ssh_str *ret_path)
{
	struct ssh_str path = ssh_rd_str(r);

	(void)ssh_rd_str(r); /* reserved, both */
	(void)ssh_rd_u32(r);
	if (!ssh_rd_done(r) || !ssh_socket_path_ok(path))
		return -SSH_E_FORMAT;
	*ret_path = path;
	return 0;
}

void ssh_direct_tcpip_build(struct ssh_wr *w, const struct ssh_direct_tcpip *m)
{
	ssh_wr_str(w, m->host);
	ssh_wr_u32(w, m->port);
	ssh_wr_str(w, m->originator);
	ssh_wr_u32(w, m->originator_port);
}

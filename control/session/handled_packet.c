/*
 * control/session/handled_packet.c - messages of the connection protocol that a program that has a
 * channel has built.
 *
 * Source  RFC 4250 section 4.1.2, RFC 4254; docs/sluice-handler.5.
 *
 * What a line of its own says as well goes the way of that line, so that there is one account of
 * requests and replies, of opens and of ends; what would be an answer that is the gateway's, or a
 * number only the shard knows, does not go.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "control/count.h"
#include "control/session/globals.h"
#include "control/session/handled.h"
#include "ssh/chan.h"
#include "ssh/forward.h"

/* Of a reply's bytes it is told no more. */
#define ANSWER_MAX (HANDLER_QUEUE_MAX / 2)

static void no_such(struct handled *h, const struct handler_line *l)
{
	handled_error(h, l->id, HANDLED_E_MESSAGE, "it is not such a message");
}

/* RFC 4250 section 4.6.1; what a line of JSON names cannot hold worse. */
static bool name_ok(struct ssh_str name)
{
	for (uint32_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ',')
			return false;
	return name.len > 0 && name.len <= SSH_TYPE_MAX;
}

/* --- global requests -------------------------------------------------------------------------- */

/* What host keys there are, and what is between Sluice and Sluice. */
static bool is_the_gateways(struct ssh_str name)
{
	static const char domain[] = "@" SSH_OWN_DOMAIN;
	const size_t n = sizeof(domain) - 1;

	return ssh_str_eq(name, "hostkeys-00@openssh.com") ||
	       ssh_str_eq(name, "hostkeys-prove-00@openssh.com") ||
	       (name.len >= n && memcmp(name.p + name.len - n, domain, n) == 0);
}

static void global(struct handled *h, const struct handler_line *l)
{
	struct session *s = h->open->session;
	struct ssh_str name, rest;
	bool want_reply;
	struct ssh_rd r;
	int err;

	ssh_rd_init(&r, l->rest.p, l->rest.len);
	name = ssh_rd_str(&r);
	want_reply = ssh_rd_bool(&r);
	rest = ssh_rd_rest(&r);
	if (!ssh_rd_done(&r) || !name_ok(name)) {
		no_such(h, l);
		return;
	}
	if (is_the_gateways(name)) {
		handled_error(h, l->id, HANDLED_E_MESSAGE, "a request that is the gateway's to make");
		return;
	}
	err = global_say(s, name, want_reply, rest, h, l->id);
	if (err == -EAGAIN)
		control_count(CONTROL_C_HANDLER_GLOBALS);
	if (err < 0)
		handled_error(h, l->id, HANDLED_E_MESSAGE,
			      err == -EAGAIN ? "its client has too many to answer"
					     : "it cannot be sent now");
	session_pump(s);
}

void handled_answered(struct handled *h, uint64_t id, bool ok, struct ssh_str rest)
{
	struct hook_req r;

	hook_req_begin(&r, "reply");
	hook_req_bool(&r, "global", true);
	if (id != 0)
		hook_req_int(&r, "id", id);
	hook_req_bool(&r, "reply", ok);
	if (ok && rest.len <= ANSWER_MAX)
		hook_req_bytes(&r, "raw", rest.p, rest.len);
	handler_tell(h->call, &r);
}

/* --- opens ------------------------------------------------------------------------------------ */

/* The numbers of the channel are the shard's to choose. */
static void opens(struct handled *h, const struct handler_line *l)
{
	struct ssh_chan_open m;
	struct ssh_rd r;

	ssh_rd_init(&r, l->rest.p, l->rest.len);
	if (ssh_chan_open_parse(&r, &m) < 0 || !name_ok(m.type))
		no_such(h, l);
	else
		handled_opens(h, m.type, l->id, m.rest);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* All of a message that has nothing but the channel's number. */
static bool is_simple(const struct handler_line *l)
{
	return l->rest.len == 4;
}

static void to_shard(const struct handled *h, enum link_say what, uint64_t id, struct ssh_str bytes)
{
	struct {
		struct link_chan_say body;
		uint8_t bytes[LINK_SAY_MAX];
	} m = {.body = {
		       .token = h->open->token, .id = id, .len = bytes.len, .what = (uint8_t)what}};

	_Static_assert(HANDLER_LINE_MAX <= LINK_SAY_MAX, "what a line has fits");
	_Static_assert(offsetof(__typeof__(m), bytes) == sizeof(m.body), "one behind the other");
	if (bytes.len > 0)
		memcpy(m.bytes, bytes.p, bytes.len);
	item_body(h->open->session, LINK_IT_CHAN_SAY, &m, sizeof(m.body) + bytes.len);
}

/* The shard has the client's window, and what else goes to it. */
static void data(struct handled *h, const struct handler_line *l)
{
	struct ssh_chan_data m;
	struct ssh_rd r;

	ssh_rd_init(&r, l->rest.p, l->rest.len);
	if (ssh_chan_data_parse(&r, l->number, &m) < 0 || m.data_type > SSH_EXTENDED_DATA_STDERR)
		no_such(h, l);
	else if (h->ended)
		handled_error(h, l->id, HANDLED_E_MESSAGE, "it has sent EOF");
	else if (m.data.len > 0)
		to_shard(h, m.data_type != 0 ? LINK_SAY_ERR : LINK_SAY_OUT, l->id, m.data);
}

void handled_unsaid(struct handled *h, uint64_t id)
{
	if (h->call != NULL)
		handled_error(h, id, HANDLED_E_DATA, "its client takes no more now");
}

static void eof(struct handled *h, const struct handler_line *l)
{
	if (!is_simple(l)) {
		no_such(h, l);
		return;
	}
	h->ended = true;
	to_shard(h, LINK_SAY_END, 0, (struct ssh_str){0});
}

/* --- of its channel --------------------------------------------------------------------------- */

static void request(struct handled *h, const struct handler_line *l)
{
	struct ssh_chan_request m;
	struct ssh_rd r;

	ssh_rd_init(&r, l->rest.p, l->rest.len);
	if (ssh_chan_request_parse(&r, &m) < 0)
		no_such(h, l);
	else
		handled_request(h, m.type, m.want_reply, m.rest);
}

static void reply(struct handled *h, const struct handler_line *l)
{
	if (is_simple(l))
		handled_reply(h, l->number == SSH_MSG_CHANNEL_SUCCESS);
	else
		no_such(h, l);
}

static void closes(struct handled *h, const struct handler_line *l)
{
	if (is_simple(l))
		handled_closes(h);
	else
		no_such(h, l);
}

/* Nobody's number: as it stands. */
static void built(struct handled *h, const struct handler_line *l)
{
	uint8_t buf[1 + HANDLER_LINE_MAX];

	buf[0] = l->number;
	memcpy(buf + 1, l->rest.p, l->rest.len);
	(void)!ssh_brain_send(h->open->session->awake->brain, buf, 1 + l->rest.len);
	session_pump(h->open->session);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Up to which number, from the row before on. */
static const struct {
	uint8_t last;
	void (*send)(struct handled *h, const struct handler_line *l);
	const char *why_not;
} row[] = {
	{SSH_MSG_GLOBAL_REQUEST, global, NULL},
	{SSH_MSG_REQUEST_FAILURE, NULL, "what its client asks is the gateway's to answer"},
	{SSH_MSG_CHANNEL_OPEN - 1, NULL, "a message that is no channel's"},
	{SSH_MSG_CHANNEL_OPEN, opens, NULL},
	{SSH_MSG_CHANNEL_OPEN_FAILURE, NULL, "what its client opens is the gateway's to answer"},
	{SSH_MSG_CHANNEL_WINDOW_ADJUST, NULL, "the window follows what it reads"},
	{SSH_MSG_CHANNEL_EXTENDED_DATA, data, NULL},
	{SSH_MSG_CHANNEL_EOF, eof, NULL},
	{SSH_MSG_CHANNEL_CLOSE, closes, NULL},
	{SSH_MSG_CHANNEL_REQUEST, request, NULL},
	{SSH_MSG_CHANNEL_FAILURE, reply, NULL},
	{127, built, NULL},
	{191, NULL, "a message of no protocol it speaks"},
	{UINT8_MAX, built, NULL},
};

void handled_packet(struct handled *h, const struct handler_line *l)
{
	struct ssh_rd r;
	size_t i = 0;

	while (row[i].last < l->number)
		i++;
	ssh_rd_init(&r, l->rest.p, l->rest.len);
	/* Behind the number stands the client's number of the channel, as in all that are one's. */
	if (l->number > SSH_MSG_CHANNEL_OPEN && (ssh_rd_u32(&r) != h->open->peer_channel || r.bad))
		handled_error(h, l->id, HANDLED_E_CHANNEL, "that is not its channel");
	else if (row[i].send == NULL)
		handled_error(h, l->id, HANDLED_E_MESSAGE, row[i].why_not);
	else
		row[i].send(h, l);
}

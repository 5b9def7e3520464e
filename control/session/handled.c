/* control/session/handled.c - see handled.h. */
#include "control/session/handled.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/ours.h"
#include "control/session/params.h"
#include "ssh/chan.h"

struct handled_open {
	struct ours_ask ask;
	struct handled *of;
	struct handled_open *next;
	uint64_t id;
};

static void tell_error(struct handled *h, const char *kind, uint64_t id, enum handled_error code,
		       const char *why)
{
	struct hook_req r;

	hook_req_begin(&r, kind);
	if (id != 0)
		hook_req_int(&r, "id", id);
	hook_req_int(&r, "code", code);
	hook_req_text(&r, "reason", ssh_str_c(why));
	handler_tell(h->call, &r);
}

/* --- requests and replies --------------------------------------------------------------------- */

static void request(const struct handled *h, struct ssh_str type, bool want_reply,
		    struct ssh_str rest)
{
	(void)!request_say(h->open, type, want_reply, rest);
	session_pump(h->open->session);
}

static void reply(struct handled *h, bool ok)
{
	struct session *s = h->open->session;
	bool waited = replies_know(&h->replies, ok);

	replies_say(&h->replies, h->open);
	session_pump(s);
	if (waited && !s->ended && h->call != NULL)
		handler_tell_answered(h->call, ok);
}

void handled_asked(struct handled *h, const struct ssh_chan_request *m, bool may)
{
	bool told =
		may && h->call != NULL && handler_tell_request(h->call, m, params_of_request(m));

	if (m->want_reply && !h->closed &&
	    replies_add(&h->replies, h->open, told ? REPLY_WAITS : REPLY_NO))
		replies_say(&h->replies, h->open);
}

/* --- messages it has built -------------------------------------------------------------------- */

/* Numbers that RFC 4250 leaves to the connection protocol and nobody has, and local ones. */
static bool is_nobodys(uint8_t number)
{
	return (number > SSH_MSG_CHANNEL_FAILURE && number <= 127) || number >= 192;
}

static void send_built(const struct handled *h, uint8_t number, struct ssh_str payload)
{
	uint8_t buf[1 + HANDLER_LINE_MAX];

	buf[0] = number;
	memcpy(buf + 1, payload.p, payload.len);
	(void)!ssh_brain_send(h->open->session->awake->brain, buf, 1 + payload.len);
	session_pump(h->open->session);
}

/* Behind the number stands the client's number of the channel, as in all that are a channel's. */
static void packet(struct handled *h, const struct handler_line *l)
{
	struct ssh_chan_request m;
	struct ssh_rd r, at;

	ssh_rd_init(&r, l->rest.p, l->rest.len);
	at = r;
	if (ssh_rd_u32(&at) != h->open->peer_channel || at.bad)
		tell_error(h, "error", 0, HANDLED_E_CHANNEL, "that is not its channel");
	else if (l->number == SSH_MSG_CHANNEL_REQUEST && ssh_chan_request_parse(&r, &m) == 0)
		request(h, m.type, m.want_reply, m.rest);
	else if ((l->number == SSH_MSG_CHANNEL_SUCCESS || l->number == SSH_MSG_CHANNEL_FAILURE) &&
		 ssh_rd_done(&at))
		reply(h, l->number == SSH_MSG_CHANNEL_SUCCESS);
	else if (is_nobodys(l->number))
		send_built(h, l->number, l->rest);
	else
		tell_error(h, "error", 0, HANDLED_E_MESSAGE, "it may not send such a message");
}

/* --- channels it opens ------------------------------------------------------------------------ */

static void open_free(struct handled_open *o)
{
	struct handled_open **at = &o->of->opens;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	o->of->n_opens--;
	free(o);
}

static void open_over(struct ours_ask *ask, int err, uint32_t number)
{
	struct handled_open *o =
		(struct handled_open *)(void *)((char *)ask - offsetof(struct handled_open, ask));
	struct hook_req r;

	if (err == 0) {
		hook_req_begin(&r, "opened");
		hook_req_int(&r, "id", o->id);
		hook_req_int(&r, "number", number);
		handler_tell(o->of->call, &r);
	} else {
		tell_error(o->of, "refused", o->id, HANDLED_E_OPEN,
			   err == -ECONNREFUSED ? "the client refused it"
						: "the client did not answer");
	}
	open_free(o);
}

/*
 * What leads to something of the client's he has given to the gateway, or to one of his own
 * sessions: his agent, his display, what listens for him. That is the gateway's to open, and the
 * operator's.
 */
static bool is_the_gateways(struct ssh_str type)
{
	static const char *const types[] = {"auth-agent@openssh.com",
					    "auth-agent",
					    "direct-streamlocal@openssh.com",
					    "direct-tcpip",
					    "forwarded-streamlocal@openssh.com",
					    "forwarded-tcpip",
					    "tun@openssh.com",
					    "x11"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (ssh_str_eq(type, types[i]))
			return true;
	return false;
}

static int open_ask(struct handled *h, const struct handler_line *l)
{
	struct handled_open *o;
	char type[SSH_TYPE_MAX + 1];
	int r;

	if (h->n_opens == HANDLED_OPENS_MAX)
		return -EUSERS;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return -ENOMEM;
	memcpy(type, l->type.p, l->type.len);
	type[l->type.len] = '\0';
	*o = (struct handled_open){.ask = {.done = open_over, .of_program = true},
				   .of = h,
				   .next = h->opens,
				   .id = l->id};
	r = ours_begin(h->open->session, type, handler_path(h->call), l->rest, &o->ask);
	if (r < 0) {
		free(o);
		return r;
	}
	h->opens = o;
	h->n_opens++;
	return 0;
}

static void open_new_one(struct handled *h, const struct handler_line *l)
{
	const struct session *s = h->open->session;
	int r = is_the_gateways(l->type) ? -EPERM : open_ask(h, l);

	if (r < 0 && !s->ended && h->call != NULL)
		tell_error(h, "refused", l->id, HANDLED_E_OPEN,
			   r == -EPERM    ? "a type that is the gateway's to open"
			   : r == -EUSERS ? "there are too many channels"
			   : r == -EINVAL ? "no such type, or too much that is particular to it"
					  : "it cannot be opened now");
}

/* --- records ---------------------------------------------------------------------------------- */

static void cut(const struct handled *h, const struct link_chan_cut *how)
{
	struct link_chan_cut m = *how;

	m.token = h->open->token;
	item_body(h->open->session, LINK_IT_CHAN_CUT, &m, sizeof(m));
}

void handled_framed(struct handled *h, const struct link_chan_cut *how)
{
	h->framed = true;
	cut(h, how);
}

/* --- what it says ----------------------------------------------------------------------------- */

void handled_says(struct handled *h, const struct handler_line *l)
{
	struct session *s = h->open->session;

	if (s->ended || h->closed || h->call == NULL || !session_awaken(s))
		return;
	switch (l->word) {
	case HANDLER_REQUESTS:
		request(h, l->type, l->want_reply, l->rest);
		break;
	case HANDLER_REPLIES:
		reply(h, l->yes);
		break;
	case HANDLER_SENDS:
		packet(h, l);
		break;
	case HANDLER_OPENS:
		open_new_one(h, l);
		break;
	case HANDLER_CUTS:
		if (h->framed)
			cut(h, &l->cut);
		else
			tell_error(h, "error", 0, HANDLED_E_MESSAGE, "its bytes are not framed");
		break;
	case HANDLER_CLOSES:
		h->closed = true;
		session_close_channel(s, h->open->token, h->open->local_channel);
		break;
	default:
		break;
	}
}

void handled_fini(struct handled *h)
{
	if (h->call != NULL && !h->open->session->table->env->leaving)
		handler_tell_closed(h->call);
	handler_call_end(h->call);
	h->call = NULL;
	while (h->opens != NULL) {
		ours_unask(&h->opens->ask);
		open_free(h->opens);
	}
}

/* control/session/handled.c - see handled.h. */
#include "control/session/handled.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/globals.h"
#include "control/session/ours.h"
#include "control/session/params.h"
#include "ssh/chan.h"

struct handled_open {
	struct ours_ask ask;
	struct handled *of;
	struct handled_open *next;
	uint64_t id;
};

static void tell_no(struct handled *h, const char *kind, uint64_t id, enum handled_error code,
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

void handled_error(struct handled *h, uint64_t id, enum handled_error code, const char *why)
{
	tell_no(h, "error", id, code, why);
}

/* --- requests and replies --------------------------------------------------------------------- */

void handled_request(const struct handled *h, struct ssh_str type, bool want_reply,
		     struct ssh_str rest)
{
	(void)!request_say(h->open, type, want_reply, rest);
	session_pump(h->open->session);
}

void handled_reply(struct handled *h, bool ok)
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
		tell_no(o->of, "refused", o->id, HANDLED_E_OPEN,
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

static int open_ask(struct handled *h, struct ssh_str name, uint64_t id, struct ssh_str rest)
{
	struct handled_open *o;
	char type[SSH_TYPE_MAX + 1];
	int r;

	if (h->n_opens == HANDLED_OPENS_MAX)
		return -EUSERS;
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return -ENOMEM;
	memcpy(type, name.p, name.len);
	type[name.len] = '\0';
	*o = (struct handled_open){.ask = {.done = open_over, .of_program = true},
				   .of = h,
				   .next = h->opens,
				   .id = id};
	r = ours_begin(h->open->session, type, handler_path(h->call), rest, &o->ask);
	if (r < 0) {
		free(o);
		return r;
	}
	h->opens = o;
	h->n_opens++;
	return 0;
}

void handled_opens(struct handled *h, struct ssh_str type, uint64_t id, struct ssh_str rest)
{
	const struct session *s = h->open->session;
	int r = is_the_gateways(type) ? -EPERM : open_ask(h, type, id, rest);

	if (r < 0 && !s->ended && h->call != NULL)
		tell_no(h, "refused", id, HANDLED_E_OPEN,
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

void handled_streams(struct handled *h)
{
	const struct link_chan_cut *how = handler_cut(h->call);

	h->framed = how != NULL;
	if (how != NULL)
		cut(h, how);
}

/* --- its end ---------------------------------------------------------------------------------- */

void handled_closes(struct handled *h)
{
	h->closed = true;
	session_close_channel(h->open->session, h->open->token, h->open->local_channel);
}

/* --- what it says ----------------------------------------------------------------------------- */

void handled_says(struct handled *h, const struct handler_line *l)
{
	struct session *s = h->open->session;

	if (s->ended || h->closed || h->call == NULL || !session_awaken(s))
		return;
	switch (l->word) {
	case HANDLER_REQUESTS:
		handled_request(h, l->type, l->want_reply, l->rest);
		break;
	case HANDLER_REPLIES:
		handled_reply(h, l->yes);
		break;
	case HANDLER_SENDS:
		handled_packet(h, l);
		break;
	case HANDLER_OPENS:
		handled_opens(h, l->type, l->id, l->rest);
		break;
	case HANDLER_CUTS:
		if (h->framed)
			cut(h, &l->cut);
		else
			handled_error(h, 0, HANDLED_E_MESSAGE, "its bytes are not framed");
		break;
	case HANDLER_CLOSES:
		handled_closes(h);
		break;
	default:
		break;
	}
}

void handled_fini(struct handled *h)
{
	if (h->call != NULL)
		globals_forget(h->open->session, h);
	if (h->call != NULL && !h->open->session->table->env->leaving)
		handler_tell_closed(h->call);
	handler_call_end(h->call);
	h->call = NULL;
	while (h->opens != NULL) {
		ours_unask(&h->opens->ask);
		open_free(h->opens);
	}
}

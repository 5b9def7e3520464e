/* client/tunnel/event.c - see event.h. */
#include "client/tunnel/event.h"

#include <stdio.h>

#include "client/shell/listening.h"
#include "client/shell/say.h"
#include "client/tunnel/show.h"
#include "client/tunnel/tunnel.h"

/* o is taken; for people nothing is printed. */
static void print(const struct tunnel *t, const char *event, json_t *o)
{
	json_object_set_new(o, "event", json_string(event));
	json_object_set_new(o, "host", show_text(t->name));
	if (t->o.json)
		json_line(o);
	if (t->heard != NULL)
		t->heard(t->arg, o);
	json_decref(o);
}

void event_connected(const struct tunnel *t)
{
	const struct conn *c = t->run.conn;

	say(SAY_INFO, "%s: connected to %s port %u", t->name, c->host, c->port);
	print(t, "connected", json_pack("{s:s, s:i}", "address", c->host, "port", c->port));
}

void event_listening(const struct tunnel *t, const struct forward *f, uint16_t port)
{
	char words[FORWARD_TEXT_MAX];

	if (f->listen.path)
		say(SAY_INFO, "%s: %s: %s", t->name, forward_kind_name(f->kind),
		    forward_text(f, words, sizeof(words)));
	else
		say(SAY_INFO, "%s: %s: %s: port %u", t->name, forward_kind_name(f->kind),
		    forward_text(f, words, sizeof(words)), port);
	print(t, "listening", listening_json(f, port));
}

void event_up(const struct tunnel *t)
{
	say(SAY_INFO, "%s: up", t->name);
	print(t, "up", json_object());
}

void event_channel(const struct tunnel *t, const struct relay *y, const char *why)
{
	json_t *o = show_channel(y);

	json_object_set_new(o, "reason", show_text(why));
	print(t, "channel", o);
}

void event_down(const struct tunnel *t, const char *why, size_t channels)
{
	say(SAY_ERROR, "%s: down: %s%s", t->name, why,
	    channels > 0 ? "; what was under way is ended" : "");
	print(t, "down",
	      json_pack("{s:o, s:I}", "reason", show_text(why), "channels", (json_int_t)channels));
}

void event_attempt(const struct tunnel *t, enum event_kind kind, const struct stay_attempt *a)
{
	const char *what = kind == EVENT_TUNNEL ? "tunnel" : "connection";
	char left[32] = "";
	json_t *o = json_pack("{s:s, s:I, s:f}", "kind", what, "count", (json_int_t)a->count,
			      "seconds", (double)a->wait_ms / 1000);

	if (a->remaining != UINT32_MAX) {
		snprintf(left, sizeof(left), ", %u more", a->remaining);
		json_object_set_new(o, "remaining", json_integer(a->remaining));
	}
	say(SAY_INFO, "%s: %s: try %u in %.1f s%s", t->name, what, a->count,
	    (double)a->wait_ms / 1000, left);
	print(t, "attempt", o);
}

void event_over(const struct tunnel *t)
{
	int err = stay_spent(&t->forwards) ? -SLUICE_E_TUNNEL_RETRIES
		  : stay_spent(&t->conn)   ? -SLUICE_E_RECONNECT_LIMIT
					   : 0;
	const char *why = err < 0 ? sluice_strerror(err) : "";

	say(SAY_ERROR, "%s: not tried again%s%s", t->name, err < 0 ? ": " : "", why);
	print(t, "over",
	      err < 0 ? json_pack("{s:i, s:s}", "code", sluice_error_ref(err), "text", why)
		      : json_object());
}

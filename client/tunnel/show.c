/* client/tunnel/show.c - see show.h. */
#include "client/tunnel/show.h"

#include <stdio.h>

#include "client/shell/listening.h"
#include "client/tunnel/tunnel.h"

json_t *show_text(const char *said)
{
	json_t *o = json_string(said);
	char plain[FORWARD_TEXT_MAX];

	if (o != NULL)
		return o;
	snprintf(plain, sizeof(plain), "%s", said);
	for (char *p = plain; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x7f)
			*p = '?';
	return json_string(plain);
}

/* --- channels ------------------------------------------------------------------------------------
 */

static void end_set(json_t *o, const char *name, const struct relay_end *e)
{
	char port[32];

	if (*e->host == '\0' && e->port == 0)
		return;
	json_object_set_new(o, name, show_text(e->host));
	snprintf(port, sizeof(port), "%s_port", name);
	if (e->port > 0)
		json_object_set_new(o, port, json_integer(e->port));
}

json_t *show_channel(const struct relay *y)
{
	static const char *const states[] = {
		[RELAY_HELLO] = "asked",     [RELAY_ASKING] = "asked",
		[RELAY_OPENING] = "opening", [RELAY_REACHING] = "opening",
		[RELAY_COOKIE] = "opening",  [RELAY_OPEN] = "open"};
	struct sluice_channel_info info = {.size = sizeof(info)};
	json_t *o =
		json_pack("{s:s, s:I, s:I}", "state", states[y->state], "bytes_out",
			  (json_int_t)y->pump.bytes_up, "bytes_in", (json_int_t)y->pump.bytes_down);

	if (y->pump.c != NULL && sluice_channel_info(y->pump.c, &info) == 0) {
		json_object_set_new(o, "id", json_integer(info.id));
		json_object_set_new(o, "type", show_text(info.type));
	}
	end_set(o, "origin", &y->from);
	end_set(o, "connected", &y->at);
	end_set(o, "target", &y->to);
	return o;
}

json_t *show_channels(const struct tunnel *t)
{
	json_t *list = json_array();

	for (const struct relay *y = t->running ? t->run.relays.list : NULL; y != NULL; y = y->next)
		json_array_append_new(list, show_channel(y));
	return json_pack("{s:o, s:o}", "host", show_text(t->name), "channels", list);
}

/* --- hosts ---------------------------------------------------------------------------------------
 */

static json_t *forwards(const struct run *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->relays.n_listeners; i++) {
		const struct listener *l = &r->relays.listeners[i];

		json_array_append_new(list, listening_json(&l->f, l->port));
	}
	for (size_t i = 0; i < r->remotes.n; i++) {
		const struct remote *m = &r->remotes.v[i];
		json_t *o;

		if (m->cancelled)
			continue;
		o = listening_json(&m->f, m->port);
		json_object_set_new(o, "state",
				    json_string(!m->answered ? "asked"
						: m->ok      ? "listening"
							     : "refused"));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *cancelled(const struct tunnel *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_cancelled; i++)
		json_array_append_new(list, show_text(t->cancelled[i]));
	return list;
}

/* What is due: the connection's next try, or that of forwards the server refused. */
static void next_set(json_t *o, const struct tunnel *t, uint64_t now_ms)
{
	const struct stay *s = t->conn.state == STAY_UP ? &t->forwards : &t->conn;

	json_object_set_new(o, "tries", json_integer(s->tries));
	if (s->conf.tries_max > 0)
		json_object_set_new(o, "remaining",
				    json_integer(s->tries < s->conf.tries_max
							 ? s->conf.tries_max - s->tries
							 : 0));
	if (s->state == STAY_WAITING)
		json_object_set_new(o, "seconds",
				    json_real((double)stay_timeout_ms(s, now_ms) / 1000));
}

json_t *show_tunnel(const struct tunnel *t, uint64_t now_ms)
{
	const struct tunnel_past p = tunnel_past(t);
	json_t *o = json_pack(
		"{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "host", show_text(t->name),
		"state", tunnel_state(t), "ups", (json_int_t)p.ups, "downs", (json_int_t)p.downs,
		"channels", (json_int_t)(t->running ? t->run.relays.n : 0), "channels_total",
		(json_int_t)p.channels, "channels_refused", (json_int_t)p.refused, "bytes_in",
		(json_int_t)p.bytes_down, "bytes_out", (json_int_t)p.bytes_up, "forwards",
		t->running ? forwards(&t->run) : json_array());

	if (o == NULL)
		return NULL;
	if (p.up_ms > 0)
		json_object_set_new(o, "up_seconds",
				    json_integer((json_int_t)(now_ms - p.up_ms) / 1000));
	if (t->n_cancelled > 0)
		json_object_set_new(o, "cancelled", cancelled(t));
	if (*p.why != '\0')
		json_object_set_new(o, "last_error", show_text(p.why));
	next_set(o, t, now_ms);
	return o;
}

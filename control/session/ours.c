/* control/session/ours.c - see ours.h. */
#include "control/session/ours.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/count.h"
#include "control/session/handled_chan.h"
#include "control/session/report.h"
#include "ssh/chan.h"

void ours_answer(struct handled_chan *u, int err, uint32_t number)
{
	struct ours_ask *a = u->ask;

	u->ask = NULL;
	if (a == NULL)
		return;
	a->ours = NULL;
	a->done(a, err, number);
}

void ours_unask(struct ours_ask *a)
{
	if (a->ours != NULL)
		a->ours->ask = NULL;
	a->ours = NULL;
}

static bool type_ok(const char *type)
{
	size_t n = strlen(type);

	for (const char *p = type; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == ',')
			return false;
	return n > 0 && n <= SSH_TYPE_MAX;
}

static void ask_shard(struct session *s, const struct open *o)
{
	const struct handled_chan *u = o->handled;
	struct {
		struct link_chan_open body;
		uint8_t rest[OURS_RAW_MAX];
	} m = {.body = {.token = o->token,
			.idle_ms = u->idle_ms,
			.rest_len = (uint32_t)u->raw_len,
			.type = item_name(o->host, 0)}};

	_Static_assert(offsetof(__typeof__(m), rest) == sizeof(m.body), "one behind the other");
	memcpy(m.rest, u->raw, u->raw_len);
	item_body(s, LINK_IT_CHAN_OPEN, &m, sizeof(m.body) + u->raw_len);
}

static struct open *open_new_ours(struct session *s, const char *type, const char *handler,
				  struct ssh_str raw)
{
	struct open *o = calloc(1, sizeof(*o) + strlen(type) + 1);

	if (o == NULL)
		return NULL;
	o->session = s;
	o->handled = handled_chan_new(o, type, handler, raw);
	if (o->handled == NULL) {
		free(o);
		return NULL;
	}
	o->handled->ours = true;
	o->state = OPEN_CONNECTING;
	o->own_type = true;
	strcpy(o->host, type);
	return o;
}

/* It counts as those that clients open do. */
static int enter(struct session *s, struct open *o, const char *type, const char *handler)
{
	const char *why = channel_enter(s, o);

	if (why == NULL)
		return 0;
	session_log(s, LOG_L_INFO, "%.64s to user %.100s for %.100s: refused: %s", type,
		    session_user(s), handler, why);
	report_chan_refused(s, ssh_str_c(type), NULL, 0, SSH_OPEN_RESOURCE_SHORTAGE, why);
	return -EUSERS;
}

int ours_begin(struct session *s, const char *type, const char *handler, struct ssh_str raw,
	       struct ours_ask *ask)
{
	uint64_t token;
	struct open *o;
	int r;

	if (!type_ok(type) || handler[0] != '/' || strlen(handler) >= CONF_SOCKET_MAX ||
	    raw.len > OURS_RAW_MAX)
		return -EINVAL;
	if (s->ended || !s->authenticated || !report_works(s->table->env))
		return -ENOENT;
	r = session_wake(s);
	if (r < 0)
		return r;
	if (ask->of_program && handled_chans_of_programs(s) >= s->awake->conf.max_sessions) {
		control_count(CONTROL_C_SESSIONS);
		return -EUSERS;
	}
	token = ++s->table->env->last_token;
	o = open_new_ours(s, type, handler, raw);
	if (o == NULL)
		return -ENOMEM;
	r = enter(s, o, type, handler);
	if (r < 0) {
		handled_chan_free(o->handled);
		free(o);
		return r;
	}
	o->token = token;
	o->handled->of_program = ask->of_program;
	open_link(s, o);
	ask_shard(s, o);
	session_pump(s);
	o = open_find(s, token);
	if (o == NULL)
		return -ENOENT;
	o->handled->ask = ask;
	ask->ours = o->handled;
	return 0;
}

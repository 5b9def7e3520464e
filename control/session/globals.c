/* control/session/globals.c - see globals.h. */
#include "control/session/globals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/forward.h"
#include "control/session/handled.h"

/* Is there room for one more whose reply somebody hears of? */
static bool may_ask(const struct globals *g, const struct handled *of)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < g->n; i++)
		n += g->ask[i].program;
	return g->n < SSH_GLOBALS_MAX && (of == NULL || n < GLOBALS_OF_PROGRAMS);
}

int global_say(struct session *s, struct ssh_str type, bool want_reply, struct ssh_str rest,
	       struct handled *of, uint64_t id)
{
	struct globals *g = &s->awake->globals;
	size_t size = 16 + type.len + (size_t)rest.len;
	struct ssh_wr w;
	uint8_t *buf;
	int r;

	if (want_reply && !may_ask(g, of))
		return -EAGAIN;
	buf = malloc(size);
	if (buf == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, buf, size);
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_str(&w, type);
	ssh_wr_bool(&w, want_reply);
	ssh_wr_bytes(&w, rest.p, rest.len);
	r = ssh_brain_send(s->awake->brain, buf, ssh_wr_done(&w));
	free(buf);
	if (r == 0 && want_reply) {
		g->ask[g->n].of = of;
		g->ask[g->n].program = of != NULL;
		g->ask[g->n++].id = id;
	}
	return r;
}

void globals_replied(struct session *s, struct ssh_str payload)
{
	struct globals *g = &s->awake->globals;
	struct handled *of = g->ask[0].of;
	uint64_t id = g->ask[0].id;

	if (g->n == 0) /* the brain lets through no more than were asked for */
		return;
	g->n--;
	memmove(g->ask, g->ask + 1, g->n * sizeof(g->ask[0]));
	if (of != NULL)
		handled_answered(of, id, payload.p[0] == SSH_MSG_REQUEST_SUCCESS,
				 (struct ssh_str){payload.p + 1, payload.len - 1});
	forward_alive(s);
}

void globals_forget(struct session *s, const struct handled *of)
{
	struct globals *g = s->awake != NULL ? &s->awake->globals : NULL;

	for (unsigned int i = 0; g != NULL && i < g->n; i++)
		if (g->ask[i].of == of)
			g->ask[i].of = NULL;
}

/*
 * control/session/steer.c - what an operator does to connections that live.
 */
#include <errno.h>
#include <string.h>

#include "control/session/forward.h"

int session_disconnect(struct session *s, const char *reason)
{
	if (s->ended)
		return -ENOENT;
	session_dismiss_saying(s, -SSH_E_OPERATOR, reason);
	return 0;
}

/* RFC 4253 section 9: either side may, at any time. One that rests is woken for it. */
int session_rekey(struct session *s)
{
	int r;

	if (s->ended || !s->authenticated)
		return -ENOENT;
	r = session_wake(s);
	if (r == 0)
		r = ssh_brain_rekey(s->awake->brain);
	if (s->awake != NULL)
		session_pump(s);
	return r == -EALREADY ? 0 : r;
}

/* Control knows not all of its channels by number: the shard does. */
void session_close_channel(struct session *s, uint64_t token, uint32_t local_channel)
{
	const struct link_chan_ref m = {.token = token, .local_channel = local_channel};

	if (!s->ended)
		item_body(s, LINK_CMD_CHAN_CLOSE, &m, sizeof(m));
}

/* The shard has it end by itself. */
int session_trace(struct session *s, int fd, uint32_t messages, uint32_t time_ms)
{
	const struct session_link *link = &s->table->link;
	const struct link_trace m = {
		.fds = ++s->table->env->last_token, .messages = messages, .time_ms = time_ms};
	int r;

	if (s->ended)
		return -ENOENT;
	r = link->send_fds != NULL ? link->send_fds(link->arg, m.fds, &fd, 1) : -EOPNOTSUPP;
	if (r == 0)
		item_body(s, LINK_CMD_TRACE, &m, sizeof(m));
	return r;
}

unsigned int session_close_listeners(struct session *s, uint16_t port)
{
	struct listener *l = forward_next(s, NULL), *next;
	unsigned int n = 0;

	for (; l != NULL && !s->ended; l = next) {
		next = forward_next(s, l);
		if (l->state != LISTENER_UP || l->port != port)
			continue;
		forward_unbind(l, LISTENER_STOPPED);
		n++;
	}
	return n;
}

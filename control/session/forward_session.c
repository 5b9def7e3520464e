/*
 * control/session/forward_session.c - what listens for a session's client: its agent, its display.
 *
 * Source  RFC 4254 section 6.3; OpenSSH's auth-agent-req@openssh.com.
 *
 * sluice-helper has opened the sockets with the program (helper/session_forwards.c); they end with
 * the session's channel. Channels that came in by them live on. Whose those are of a control before
 * this one nobody knows: they end with the last of its programs.
 */
#include <errno.h>

#include "control/session/forward.h"
#include "control/session/program.h"

uint64_t forward_session_ask(struct session *s, enum link_opens opens)
{
	static const struct listener_at nowhere;
	const char *name = opens == LINK_OPENS_AGENT ? "auth-agent" : "x11";
	struct listener *l = forward_new(s, opens, ssh_str_c(name), 0, &nowhere);

	if (l == NULL)
		return 0;
	l->state = LISTENER_HELD;
	forward_allowed(l, opens == LINK_OPENS_AGENT ? "AllowAgentForwarding" : "X11Forwarding");
	return l->token;
}

void forward_session_open(struct session *s, uint64_t token, bool once, const int *fds,
			  unsigned int n)
{
	struct listener *l = forward_find(s, token);
	struct link_forward m = {.once = once};
	int r;

	if (l == NULL || l->state != LISTENER_HELD)
		return;
	if (n == 0) { /* what it was asked for has none */
		forward_drop(l);
		return;
	}
	l->state = LISTENER_BINDING;
	r = forward_fds_send(s, fds, n, &m);
	if (r < 0)
		forward_session_result(l, r);
	else
		forward_listens(l, &m);
}

void forward_session_result(struct listener *l, int err)
{
	if (err == 0) {
		forward_up(l);
		return;
	}
	session_log(l->session, LOG_L_ERROR, "%s of a session of %.100s: %s", l->host,
		    session_user(l->session), strerror(-err));
	forward_drop(l);
}

void forward_session_close(struct session *s, uint64_t token)
{
	struct listener *l = forward_find(s, token);

	if (l != NULL && l->state == LISTENER_HELD)
		forward_drop(l);
	else if (l != NULL && l->state != LISTENER_OVER)
		forward_unbind(l, LISTENER_SESSION_OVER);
}

static bool has_kept_program(const struct session *s)
{
	const struct open *o = s->opens;

	while (o != NULL && (o->program == NULL || !o->program->kept))
		o = o->next;
	return o != NULL;
}

static bool is_programs(const struct session *s, uint64_t token)
{
	for (const struct open *o = s->opens; o != NULL; o = o->next)
		for (int i = 0; o->program != NULL && i < 2; i++)
			if (o->program->listener[i] == token)
				return true;
	return false;
}

void forward_session_tidy(struct session *s)
{
	struct listener *l, *next;

	if (!s->kept_displays || s->ended || has_kept_program(s))
		return;
	s->kept_displays = false;
	for (l = forward_next(s, NULL); l != NULL; l = next) {
		next = forward_next(s, l);
		if (l->opens >= LINK_OPENS_AGENT && l->state != LISTENER_OVER &&
		    !is_programs(s, l->token))
			forward_unbind(l, LISTENER_SESSION_OVER);
	}
}

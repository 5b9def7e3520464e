/*
 * control/session/forward_socket.c - streamlocal-forward@openssh.com: UNIX sockets that clients
 * have the gateway listen at.
 *
 * Source  OpenSSH PROTOCOL section 2.4; sshd's AllowStreamLocalForwarding and log lines.
 *
 * Other than with sshd none is, unless PermitStreamLocalListen names it. sluice-helper makes it as
 * its user; the shard accepts there.
 */
#include <stdio.h>

#include "control/session/forward.h"
#include "control/session/judge.h"
#include "control/session/report.h"
#include "ssh/forward.h"

static void request(struct session *s, struct ssh_str host, bool want_reply)
{
	char path[SSH_HOST_MAX + 1], from[CONF_ZONE_TEXT];
	const struct listener_at at = {.path = path};
	struct listener *l = NULL;

	snprintf(path, sizeof(path), "%.*s", (int)host.len, (const char *)host.p);
	if (judge_listen_socket(s, path)) {
		l = forward_new(s, LINK_OPENS_STREAMLOCAL, host, 0, &at);
	} else {
		session_log(s, LOG_L_INFO,
			    "Received request from %.100s port %u to remote forward to path "
			    "%.200s, but the request was denied.",
			    session_peer_text(s, from), s->peer.port, path);
		report_listener_refused(s, path, 0, "not permitted");
	}
	if (l == NULL) {
		forward_answer(s, want_reply, false, 0);
	} else {
		forward_allowed(l, "PermitStreamLocalListen");
		forward_await(l, want_reply);
	}
}

static void cancel(struct session *s, struct ssh_str path, bool want_reply)
{
	struct listener *l = forward_next(s, NULL);

	while (l != NULL &&
	       (l->state != LISTENER_UP || l->at.path == NULL || !ssh_str_eq(path, l->at.path)))
		l = forward_next(s, l);
	if (l != NULL)
		forward_unbind(l, LISTENER_CANCELLED);
	forward_answer(s, want_reply, l != NULL, 0);
}

bool forward_socket_global(struct session *s, const struct ssh_chan_request *q)
{
	bool asks = ssh_str_eq(q->type, SSH_REQUEST_STREAMLOCAL);
	struct ssh_str path;
	struct ssh_rd r;

	if (!asks && !ssh_str_eq(q->type, SSH_REQUEST_CANCEL_STREAMLOCAL))
		return false;
	ssh_rd_init(&r, q->rest.p, q->rest.len);
	if (ssh_streamlocal_forward_parse(&r, &path) < 0)
		forward_answer(s, q->want_reply, false, 0);
	else if (asks)
		request(s, path, q->want_reply);
	else
		cancel(s, path, q->want_reply);
	return true;
}

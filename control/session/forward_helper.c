/*
 * control/session/forward_helper.c - listeners that control may not open itself: UNIX sockets,
 * which are their users', and ports below 1024 of the kernel's.
 *
 * sluice-helper judges again and opens them; the shard accepts there, as at all others.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "control/session/forward.h"
#include "control/session/report.h"

#define BIND_MS 10000

static void call_over(struct listener *l)
{
	service_call_end(l->call);
	l->call = NULL;
}

static void on_started(void *arg, const struct helper_started *m, const int *fds)
{
	struct link_forward body = {.kind = 2};
	struct listener *l = arg;
	struct session *s = l->session;
	int r = forward_fds_send(s, fds, service_fds(m), &body);

	for (unsigned int i = 0; i < service_fds(m); i++)
		close(fds[i]);
	call_over(l);
	if (l->at.path == NULL)
		body.addr = (struct link_addr){.family = 4, .port = l->asked_port};
	if (r < 0)
		forward_refuse(l, r);
	else
		forward_listens(l, &body);
	session_pump(s);
}

static void on_done(void *arg, const struct helper_done *d)
{
	struct listener *l = arg;
	struct session *s = l->session;
	char why[256];

	call_over(l);
	if (d->result == HELPER_TAKEN && forward_again(l))
		return;
	snprintf(why, sizeof(why), "%.*s", (int)d->text.len, (const char *)d->text.p);
	forward_refuse_as(l, why);
	session_pump(s);
}

void forward_helper_bind(struct listener *l)
{
	static const struct service_ops ops = {.started = on_started, .done = on_done};
	bool at_path = l->at.path != NULL;
	int r = at_path ? socket_call(l->session, true, l->at.path, BIND_MS, &ops, l, &l->call)
			: port_call(l->session, l->host, l->asked_port, BIND_MS, &ops, l, &l->call);

	/* Of a port without a helper the kernel's word holds. */
	if (r < 0)
		forward_refuse(l, at_path ? r : -EACCES);
}

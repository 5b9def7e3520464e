/*
 * control/session/open_host.c - channels to sockets of the gateway's own kernel: loopback
 * addresses, UNIX sockets, and any target of a gateway without interfaces of its own. Control
 * connects and hands the descriptor to the shard.
 *
 * Source  OpenSSH PROTOCOL section 2.4 (direct-streamlocal@openssh.com).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control/dial.h"
#include "control/policy/addr.h"
#include "control/session/internal.h"
#include "ssh/chan.h"

/* The link's socket and its ring are looked at by the same process: one waits for the other so. */
#define FDS_WAIT_MS 5000

size_t open_host_addrs(const struct session *s, struct link_addr *addr, size_t n)
{
	size_t k = 0;

	if (s->table->env->dialer == NULL)
		return 0;
	if (s->table->env->host_only)
		return n;
	for (size_t i = 0; i < n; i++)
		if (addr_is_loopback(&addr[i]))
			addr[k++] = addr[i];
	return k;
}

static void hand_over(struct session *s, struct open *o, int fd, const struct link_addr *to)
{
	const struct session_link *link = &s->table->link;
	struct link_chan_host m = {.peer_channel = o->peer_channel,
				   .peer_window = o->peer_window,
				   .peer_packet_max = o->peer_packet_max,
				   .wait_ms = FDS_WAIT_MS,
				   .token = o->token,
				   .fds = ++s->table->env->last_token,
				   .target = *to};

	if (link->send_fds == NULL || link->send_fds(link->arg, m.fds, &fd, 1) < 0) {
		open_refuse(s, o, SSH_OPEN_RESOURCE_SHORTAGE, "too many descriptors are under way");
		return;
	}
	o->state = OPEN_CONNECTING;
	item_body(s, LINK_IT_CHAN_HOST, &m, sizeof(m));
}

static void on_dialled(const struct resolve_caller *caller, int fd, const struct link_addr *to)
{
	struct session *s = session_find(caller->arg, &caller->conn);
	struct open *o = s != NULL && !s->ended ? open_find(s, caller->token) : NULL;

	if (o != NULL) {
		if (fd >= 0)
			hand_over(s, o, fd, to);
		else
			open_refuse(s, o, SSH_OPEN_CONNECT_FAILED, strerror(-fd));
		session_pump(s);
	}
	if (fd >= 0)
		close(fd);
}

/* -EACCES: one of our own sockets; nothing else is said of what lies where. */
static void dial_failed(struct session *s, struct open *o, int err)
{
	if (err == -EACCES)
		open_refuse(s, o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
			    "this gateway does not connect to that socket");
	else
		open_refuse(s, o, SSH_OPEN_CONNECT_FAILED, "open failed");
}

void open_host_connect(struct session *s, struct open *o, const struct link_addr *addr, size_t n)
{
	struct session_env *env = s->table->env;
	const struct resolve_caller caller = {env, s->ref, o->token};
	int r = -ENETUNREACH;

	o->state = OPEN_RESOLVING; /* it stays awake for the answer */
	if (env->dialer != NULL)
		r = dial_addrs(env->dialer, addr, n, o->deadline_ms, &caller, on_dialled);
	if (r < 0)
		dial_failed(s, o, r);
}

static void socket_connect(struct session *s, struct open *o)
{
	struct session_env *env = s->table->env;
	const struct resolve_caller caller = {env, s->ref, o->token};
	int r = -ENETUNREACH;

	if (!policy_may_open_socket(&s->awake->conf, &s->grant, o->host)) {
		open_refuse(s, o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
			    "forwarding to this socket is not permitted");
		return;
	}
	if (env->dialer != NULL)
		r = dial_unix(env->dialer, o->host, o->deadline_ms, &caller, on_dialled);
	if (r < 0)
		dial_failed(s, o, r);
}

void open_streamlocal(struct session *s, const struct ssh_chan_open *m)
{
	struct ssh_str path;
	struct ssh_rd r;
	struct open *o;

	ssh_rd_init(&r, m->rest.p, m->rest.len);
	if (ssh_direct_streamlocal_parse(&r, &path) < 0) {
		(void)ssh_brain_open_refuse(s->awake->brain, m->sender_channel,
					    SSH_OPEN_CONNECT_FAILED, "malformed target");
		return;
	}
	o = open_new(s, m, path, 0);
	if (o != NULL)
		socket_connect(s, o);
}

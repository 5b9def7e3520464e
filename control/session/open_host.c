/*
 * control/session/open_host.c - channels to sockets of the gateway's own kernel: loopback
 * addresses, UNIX sockets, and any target of a gateway without interfaces of its own. Control
 * connects and hands the descriptor to the shard.
 *
 * Source  OpenSSH PROTOCOL section 2.4 (direct-streamlocal@openssh.com).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/proxy.h"
#include "control/dial.h"
#include "control/policy/addr.h"
#include "control/service/call.h"
#include "control/session/judge.h"
#include "ssh/chan.h"
#include "ssh/proxy.h"

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
				   .target = *to,
				   .name = item_name(o->host, o->port)};
	const char *type = to->family != 0 ? "direct-tcpip" : "direct-streamlocal@openssh.com";

	if (link->send_fds == NULL || link->send_fds(link->arg, m.fds, &fd, 1) < 0) {
		open_refuse(s, o, SSH_OPEN_RESOURCE_SHORTAGE, "too many descriptors are under way");
		return;
	}
	m.idle_ms = conf_channel_timeout(&s->awake->conf, type);
	m.share = conf_channel_share(&s->awake->conf, type);
	o->state = OPEN_CONNECTING;
	item_body(s, LINK_IT_CHAN_HOST, &m, sizeof(m));
}

/* Its socket is empty: all of it goes at once, or it is not what it should be. */
static bool first_said(const struct open *o, int fd)
{
	return o->first_len == 0 ||
	       send(fd, o->first, o->first_len, MSG_NOSIGNAL) == (ssize_t)o->first_len;
}

static void on_dialled(const struct resolve_caller *caller, int fd, const struct link_addr *to)
{
	struct session *s = session_find(caller->arg, &caller->conn);
	struct open *o = s != NULL && !s->ended ? open_find(s, caller->token) : NULL;

	if (o != NULL) {
		if (fd >= 0 && !first_said(o, fd))
			open_refuse(s, o, SSH_OPEN_CONNECT_FAILED, "it does not listen");
		else if (fd >= 0)
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

/* What a shard would say of the client (SendProxyProtocol), as the first bytes of its socket. */
static int proxy_first(const struct session *s, struct open *o)
{
	unsigned int version = conf_proxy_version(&s->awake->conf, o->host, o->port);
	struct ssh_proxy_addr src = {.family = s->peer.family, .port = s->peer.port};
	struct ssh_proxy_addr dst = {.family = s->local.family, .port = s->local.port};

	if (version == 0)
		return 0;
	memcpy(src.addr, s->peer.addr, sizeof(src.addr));
	memcpy(dst.addr, s->local.addr, sizeof(dst.addr));
	o->first = malloc(SSH_PROXY_V1_MAX + 1);
	if (o->first == NULL)
		return -ENOMEM;
	o->first_len = ssh_proxy_build((enum ssh_proxy_version)version, &src, &dst,
				       (uint8_t *)o->first);
	return 0;
}

void open_host_connect(struct session *s, struct open *o, const struct link_addr *addr, size_t n)
{
	struct session_env *env = s->table->env;
	const struct resolve_caller caller = {env, s->ref, o->token};
	int r = -ENETUNREACH;

	o->state = OPEN_RESOLVING; /* it stays awake for the answer */
	if (env->dialer != NULL)
		r = proxy_first(s, o);
	if (r == 0)
		r = dial_addrs(env->dialer, addr, n, o->deadline_ms, &caller, on_dialled);
	if (r < 0)
		dial_failed(s, o, r);
}

/* As who control is. */
void open_socket_dial(struct session *s, struct open *o, const char *path)
{
	struct session_env *env = s->table->env;
	const struct resolve_caller caller = {env, s->ref, o->token};
	int r = -ENETUNREACH;

	if (env->dialer != NULL)
		r = dial_unix(env->dialer, path, o->deadline_ms, &caller, on_dialled);
	if (r < 0)
		dial_failed(s, o, r);
}

static void on_opened(void *arg, const struct helper_started *m, const int *fds)
{
	static const struct link_addr none;
	struct open *o = arg;
	struct session *s = o->session;

	service_call_end(o->call);
	o->call = NULL;
	hand_over(s, o, fds[0], &none);
	for (unsigned int i = 0; i < service_fds(m); i++)
		close(fds[i]);
	session_pump(s);
}

/* Who has no account here reaches what control does, where a rule names it. */
static void on_not_opened(void *arg, const struct helper_done *d)
{
	struct open *o = arg;
	struct session *s = o->session;

	service_call_end(o->call);
	o->call = NULL;
	if (d->result == HELPER_NONE)
		open_socket_dial(s, o, o->host);
	else if (d->result == HELPER_DENIED)
		open_refuse(s, o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
			    "this gateway does not connect to that socket");
	else
		open_refuse(s, o, SSH_OPEN_CONNECT_FAILED, "open failed");
	session_pump(s);
}

static const struct service_ops socket_ops = {.started = on_opened, .done = on_not_opened};

void open_socket_connect(struct session *s, struct open *o)
{
	struct judge_words words;

	if (!judge_socket(s, o->host, &words)) {
		open_deny(s, o, words.place, "forwarding to this socket is not permitted");
		return;
	}
	open_allowed(o, words.rule);
	if (!hook_open(s, o, NULL, 0))
		open_socket_go(s, o);
}

void open_socket_go(struct session *s, struct open *o)
{
	uint64_t now = s->table->env->now_ms(), left = o->deadline_ms - now;
	int r;

	if (!s->table->env->sockets_by_helper) {
		open_socket_dial(s, o, o->host);
		return;
	}
	r = socket_call(s, false, o->host, left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
			&socket_ops, o, &o->call);
	if (r < 0)
		dial_failed(s, o, -ECONNREFUSED);
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
		open_socket_connect(s, o);
}

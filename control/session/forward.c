/*
 * control/session/forward.c - tcpip-forward: who may have the gateway listen for him, and where.
 *
 * Source  RFC 4254 section 7.1; sshd's AllowTcpForwarding, GatewayPorts, PermitListen and log
 * lines.
 *
 * What is decided here the shard carries out and answers (LINK_EV_FORWARD); until then the
 * connection is not heard further, so that its requests are answered in their order. From then on
 * what comes in is the shard's alone: its channels are known here by their events, which carry the
 * listener's token. A listener ends with its connection.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/forward.h"
#include "control/session/judge.h"
#include "control/session/keep.h"
#include "control/session/listeners.h"
#include "control/session/report.h"
#include "ssh/forward.h"

/* --- all of them -------------------------------------------------------------------------------
 */

const char *forward_state_text(const struct listener *l)
{
	static const char *const text[] = {
		[LISTENER_ASKING] = "asking",   [LISTENER_BINDING] = "waiting",
		[LISTENER_WAITING] = "waiting", [LISTENER_UP] = "up",
		[LISTENER_OVER] = "ending",     [LISTENER_HELD] = "asking"};

	return text[l->state];
}

static void words_listener(const struct listener *l, const char *what)
{
	const struct session *s = l->session;
	char from[CONF_ZONE_TEXT];

	session_log(s, LOG_L_VERBOSE, "listener %s: user %.100s from %s port %u: [%.100s]:%u", what,
		    session_user(s), session_peer_text(s, from), s->peer.port, l->host, l->port);
}

void forward_up(struct listener *l)
{
	l->state = LISTENER_UP;
	words_listener(l, "open");
	report_listener_opened(l);
}

static void listener_free(struct listener *l)
{
	struct session *s = l->session;
	struct session_env *env = s->table->env;

	listener_unlink(l);
	channels_over(s, &l->channels);
	timer_cancel(env->timers, &l->timer);
	hook_call_end(l->asked);
	service_call_end(l->call);
	if (s->awake != NULL && s->awake->forwarding == l)
		s->awake->forwarding = NULL;
	free(l->rule);
	free(l);
}

static void end_say(const struct listener *l, enum listener_end why)
{
	if (l->state != LISTENER_UP)
		return;
	words_listener(l, "end");
	report_listener_closed(l, why);
}

/* Its channels may live on: they are of this listener until the last has ended. */
static void listener_over(struct listener *l, enum listener_end why)
{
	end_say(l, why);
	l->state = LISTENER_OVER;
	listener_port_over(l);
	if (l->channels.n == 0)
		listener_free(l);
}

void forward_fini(struct session *s)
{
	struct listener *l;

	while ((l = forward_next(s, NULL)) != NULL) {
		end_say(l, LISTENER_CONNECTION_OVER);
		listener_free(l);
	}
}

bool forward_busy(const struct session *s)
{
	return s->awake->forwarding != NULL;
}

/* --- the answer ------------------------------------------------------------------------------- */

void forward_answer(struct session *s, bool want_reply, bool ok, uint32_t port)
{
	uint8_t buf[4];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u32(&w, port);
	if (want_reply)
		(void)ssh_brain_global_answer(s->awake->brain, ok, buf, ok && port != 0 ? 4 : 0);
}

void forward_drop(struct listener *l)
{
	struct session *s = l->session;
	bool want_reply = l->want_reply;

	listener_free(l);
	forward_answer(s, want_reply, false, 0);
}

void forward_refuse_as(struct listener *l, const char *why)
{
	char at[ADDR_TEXT_MAX];

	if (l->at.path != NULL)
		session_log(l->session, LOG_L_ERROR, "bind %.200s: %.200s", l->at.path, why);
	else
		session_log(l->session, LOG_L_ERROR, "bind [%s]:%u: %.200s",
			    l->at.addr[0].family != 0 ? addr_text(&l->at.addr[0], at) : "*",
			    l->asked_port, why);
	report_listener_refused(l->session, l->host, l->asked_port, why);
	forward_drop(l);
}

void forward_refuse(struct listener *l, int err)
{
	forward_refuse_as(l, strerror(-err));
}

static void on_timer(struct timer *t)
{
	struct listener *l =
		(struct listener *)(void *)((char *)t - offsetof(struct listener, timer));
	struct session *s = l->session;

	forward_time(l);
	session_pump(s);
}

/* What comes in, as ChannelTimeout and ChannelShare name it. */
static const char *type_of(const struct listener *l)
{
	static const char *const type[LINK_OPENS_COUNT] = {
		[LINK_OPENS_TCPIP] = "forwarded-tcpip",
		[LINK_OPENS_STREAMLOCAL] = "forwarded-streamlocal@openssh.com",
		[LINK_OPENS_AGENT] = "agent-connection",
		[LINK_OPENS_X11] = "x11-connection",
	};

	return type[l->opens];
}

void forward_listens(struct listener *l, struct link_forward *m)
{
	const struct awake *a = l->session->awake;
	size_t len = strlen(l->host);

	_Static_assert(LINK_HOST_MAX >= SSH_HOST_MAX, "any address a client may write");
	m->token = l->token;
	m->epoch = l->epoch;
	m->opens = l->opens;
	m->host_len = (uint16_t)len;
	memcpy(m->host, l->host, len);
	m->n_at = l->at.kernel ? l->at.n : 0;
	memcpy(m->at, l->at.addr, m->n_at * sizeof(m->at[0]));
	if (a != NULL) {
		m->idle_ms = conf_channel_timeout(&a->conf, type_of(l));
		m->share = conf_channel_share(&a->conf, type_of(l));
	}
	item_body(l->session, LINK_IT_FORWARD, m, sizeof(*m));
}

void forward_bind(struct listener *l)
{
	struct link_forward m = {.addr = l->at.addr[0], .kind = 1};
	int r = 0;

	listener_port(l, l->asked_port);
	m.addr.port = l->asked_port;
	l->state = LISTENER_BINDING;
	if (l->at.path != NULL) {
		forward_helper_bind(l);
		return;
	}
	if (l->at.kernel)
		r = forward_kernel_open(l, &m);
	if (r == -EACCES && l->asked_port < IPPORT_RESERVED) {
		forward_helper_bind(l);
		return;
	}
	if (r == -EADDRINUSE && forward_again(l))
		return;
	if (r < 0)
		forward_refuse(l, r);
	else
		forward_listens(l, &m);
}

void forward_unbind(struct listener *l, enum listener_end why)
{
	const struct link_forward_ref m = {.token = l->token, .cut = why == LISTENER_TAKEN};

	item_body(l->session, LINK_IT_UNFORWARD, &m, sizeof(m));
	listener_over(l, why);
}

void forward_result(struct session *s, const struct link_forward_result *ev)
{
	struct listener *l = forward_find(s, ev->token);
	bool want_reply;

	if (l == NULL || l->state != LISTENER_BINDING)
		return;
	if (l->opens >= LINK_OPENS_AGENT) {
		forward_session_result(l, ev->err);
		return;
	}
	if (!session_awaken(s))
		return;
	if (ev->err == -EADDRINUSE && forward_again(l))
		return;
	if (ev->err < 0) {
		forward_refuse(l, ev->err);
		return;
	}
	listener_port(l, ev->port != 0 ? ev->port : l->port);
	s->awake->forwarding = NULL;
	want_reply = l->want_reply;
	forward_up(l);
	/* Of a socket there is none. */
	forward_answer(s, want_reply, true, l->asked_port == 0 || l->chosen ? l->port : 0);
}

/* One of a control before this one. Which of two ports was asked for is not known to a kernel's. */
void forward_kept(struct session *s, const struct link_forward_kept *ev)
{
	struct listener *l = calloc(1, sizeof(*l) + ev->host_len + 1);

	_Static_assert(LINK_AT_MAX == LISTEN_MAX, "all of its sockets");
	if (l == NULL) /* it stands, and nobody can cancel it */
		return;
	l->session = s;
	l->token = ev->token;
	l->epoch = ev->epoch;
	l->timer.fire = on_timer;
	l->at = (struct listener_at){.addr = {ev->addr}, .n = 1, .kernel = ev->kind == 2};
	if (ev->n_at > 0) {
		l->at.n = ev->n_at;
		memcpy(l->at.addr, ev->at, sizeof(l->at.addr));
	}
	l->asked_port = ev->addr.port;
	l->state = ev->up ? LISTENER_UP : LISTENER_BINDING;
	l->opens = ev->opens;
	l->kept = true;
	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++)
		l->max_channels[i] = CONF_NO_LIMIT;
	memcpy(l->host, ev + 1, ev->host_len);
	if (l->opens == LINK_OPENS_STREAMLOCAL)
		l->at.path = l->host;
	if (listener_link(l) < 0) {
		free(l);
		return;
	}
	listener_port(l, ev->port != 0 ? ev->port : ev->addr.port);
	s->kept_displays |= l->opens >= LINK_OPENS_AGENT;
	if (ev->up) /* that one may not have got to write of it */
		report_listener_opened(l);
}

/* --- the request ------------------------------------------------------------------------------ */

static struct listener *not_made(const struct session *s, struct ssh_str as_written, uint16_t port,
				 const char *why)
{
	char host[SSH_HOST_MAX + 1];

	snprintf(host, sizeof(host), "%.*s", (int)as_written.len, (const char *)as_written.p);
	session_log(s, LOG_L_INFO, "listener [%.100s]:%u of user %.100s: refused: %s", host, port,
		    session_user(s), why);
	report_listener_refused(s, host, port, why);
	return NULL;
}

static struct listener *listener_new(struct session *s, enum link_opens opens, struct ssh_str host,
				     uint16_t port, const struct listener_at *at)
{
	struct listener *l = calloc(1, sizeof(*l) + host.len + 1);

	if (l == NULL)
		return NULL;
	l->session = s;
	l->token = ++s->table->env->last_token;
	l->timer.fire = on_timer;
	l->at = *at;
	l->asked_port = port;
	l->opens = (uint8_t)opens;
	l->epoch = s->awake->forward_epoch;
	channels_limits(s, l->max_channels);
	memcpy(l->host, host.p, host.len);
	if (at->path != NULL)
		l->at.path = l->host;
	if (listener_link(l) < 0) {
		free(l);
		return NULL;
	}
	listener_port(l, port);
	return l;
}

struct listener *forward_new(struct session *s, enum link_opens opens, struct ssh_str host,
			     uint16_t port, const struct listener_at *at)
{
	const char *why = report_works(s->table->env) ? forward_limit(s, at, port)
						      : "the audit log cannot be written";
	struct listener *l = why == NULL ? listener_new(s, opens, host, port, at) : NULL;

	return l != NULL ? l : not_made(s, host, port, why != NULL ? why : "no memory");
}

void forward_allowed(struct listener *l, const char *rule)
{
	free(l->rule);
	l->rule = report_rule(l->session, rule);
}

void forward_await(struct listener *l, bool want_reply)
{
	l->want_reply = want_reply;
	l->session->awake->forwarding = l;
	hook_listen(l);
}

/* Where it is to be, or not at all: said in the log. */
static bool decide(struct session *s, const char *host, uint16_t port, bool want_reply,
		   struct listener_at *ret, char ret_rule[JUDGE_RULE_MAX])
{
	struct judge_words words;
	enum policy_where where;
	struct link_addr addr;
	char from[CONF_ZONE_TEXT];

	if (!judge_listen(s, host, port, &where, &addr, &words) || (port == 0 && !want_reply)) {
		session_log(s, LOG_L_INFO,
			    "Received request from %.100s port %u to remote forward to host "
			    "%.100s port %u, but the request was denied.%s",
			    session_peer_text(s, from), s->peer.port, host, port, words.place);
		return false;
	}
	if (where == POLICY_NOWHERE || !listen_narrow(conf_family(session_conf(s)), where, &addr)) {
		session_log(s, LOG_L_INFO, "bind [%.100s]:%u: no address of this gateway", host,
			    port);
		return false;
	}
	if (where == POLICY_AT_LOOPBACK || s->table->env->host_only)
		*ret = forward_kernel_at(where, &addr);
	else
		*ret = (struct listener_at){.addr = {addr}, .n = 1};
	memcpy(ret_rule, words.rule, sizeof(words.rule));
	return true;
}

static void request(struct session *s, const struct ssh_tcpip_forward *m, bool want_reply)
{
	char host[SSH_HOST_MAX + 1], rule[JUDGE_RULE_MAX];
	struct listener_at at;
	struct listener *l = NULL;

	memcpy(host, m->address.p, m->address.len);
	host[m->address.len] = '\0';
	if (decide(s, host, m->port, want_reply, &at, rule))
		l = forward_new(s, LINK_OPENS_TCPIP, m->address, m->port, &at);
	else
		report_listener_refused(s, host, m->port, "not permitted");
	if (l == NULL) {
		forward_answer(s, want_reply, false, 0);
	} else {
		forward_allowed(l, rule);
		forward_await(l, want_reply);
	}
}

bool forward_may_still(const struct listener *l)
{
	char rule[JUDGE_RULE_MAX];
	struct listener_at at;

	if (l->at.path != NULL)
		return judge_listen_socket(l->session, l->at.path);
	return decide(l->session, l->host, l->asked_port, l->want_reply, &at, rule);
}

/* By the rules, as if it had been asked for. */
void forward_take_port(struct listener *l, uint16_t port)
{
	char rule[JUDGE_RULE_MAX];
	struct listener_at at;

	if (!decide(l->session, l->host, port, l->want_reply, &at, rule)) {
		report_listener_refused(l->session, l->host, port, "not permitted");
		forward_drop(l);
		return;
	}
	forward_allowed(l, rule);
	l->asked_port = port;
	listener_port(l, port);
	l->chosen = true;
	forward_contend(l);
}

/* By the same two values as the request, or the port that was chosen for it. */
static struct listener *cancelled(const struct session *s, const struct ssh_tcpip_forward *m)
{
	bool known = m->port != 0;
	struct listener *l =
		known ? listener_at_port(s->table->env, m->port) : forward_next(s, NULL);

	while (l != NULL &&
	       (l->session != s || l->state != LISTENER_UP || l->opens != LINK_OPENS_TCPIP ||
		!ssh_str_eq(m->address, l->host) || (!known && l->asked_port != 0)))
		l = known ? listener_at_port_next(l) : forward_next(s, l);
	return l;
}

static void cancel(struct session *s, const struct ssh_tcpip_forward *m, bool want_reply)
{
	struct listener *l = cancelled(s, m);

	if (l != NULL)
		forward_unbind(l, LISTENER_CANCELLED);
	forward_answer(s, want_reply, l != NULL, 0);
}

bool forward_global(struct session *s, const struct ssh_chan_request *q)
{
	struct ssh_tcpip_forward m;
	uint64_t epoch;
	struct ssh_rd r;

	ssh_rd_init(&r, q->rest.p, q->rest.len);
	if (ssh_str_eq(q->type, SSH_REQUEST_EPOCH)) {
		bool ok = ssh_forward_epoch_parse(&r, &epoch) == 0;

		if (ok) {
			s->awake->forward_epoch = epoch;
			keep_send(s);
		}
		forward_answer(s, q->want_reply, ok, 0);
	} else if (ssh_str_eq(q->type, SSH_REQUEST_FORWARD)) {
		if (ssh_tcpip_forward_parse(&r, &m) < 0)
			forward_answer(s, q->want_reply, false, 0);
		else
			request(s, &m, q->want_reply);
	} else if (ssh_str_eq(q->type, SSH_REQUEST_CANCEL)) {
		if (ssh_tcpip_forward_parse(&r, &m) < 0)
			forward_answer(s, q->want_reply, false, 0);
		else
			cancel(s, &m, q->want_reply);
	} else {
		return forward_socket_global(s, q);
	}
	return true;
}

/* --- its channels ------------------------------------------------------------------------------
 */

bool forward_target(const struct session *s, uint64_t token, struct open_target *ret)
{
	const struct listener *l = forward_find(s, token);

	if (l != NULL)
		*ret = (struct open_target){l->host, l->port};
	return l != NULL;
}

/* What allows one that a control before this one allowed. */
static void rule_find(struct listener *l)
{
	static const char *const keyword[LINK_OPENS_COUNT] = {
		[LINK_OPENS_STREAMLOCAL] = "PermitStreamLocalListen",
		[LINK_OPENS_AGENT] = "AllowAgentForwarding",
		[LINK_OPENS_X11] = "X11Forwarding",
	};
	struct judge_words words;
	enum policy_where where;
	struct link_addr addr;

	if (!report_rules(l->session))
		return;
	if (keyword[l->opens] != NULL)
		forward_allowed(l, keyword[l->opens]);
	else if (judge_listen(l->session, l->host, l->asked_port, &where, &addr, &words))
		forward_allowed(l, words.rule);
}

/* Once, when somebody comes in by it: who had thousands made need not be woken for all of them. */
static void kept_find(struct listener *l)
{
	if (!l->kept || session_wake(l->session) < 0)
		return;
	l->kept = false;
	channels_limits(l->session, l->max_channels);
	rule_find(l);
	session_tire(l->session);
}

bool forward_opened(struct session *s, const struct link_chan_ref *ev)
{
	struct listener *l = forward_find(s, ev->token);
	char text[ADDR_TEXT_MAX];

	if (l == NULL)
		return false;
	kept_find(l);
	channels_up(s, &l->channels);
	session_log(s, LOG_L_VERBOSE,
		    "channel %u of user %.100s: connection to listener [%.100s]:%u from %s port %u",
		    ev->local_channel, session_user(s), l->host, l->port,
		    ev->target.family != 0 ? addr_text(&ev->target, text) : "a UNIX socket",
		    ev->target.port);
	return true;
}

void forward_bound(struct session *s, const struct link_chan_ref *ev)
{
	const struct listener *l = forward_find(s, ev->token);
	const char *why = l != NULL ? channels_too_many(&l->channels, l->max_channels) : NULL;

	if (why == NULL)
		return;
	session_log(s, LOG_L_INFO,
		    "channel %u of user %.100s: connection to listener [%.100s]:%u: closed: %s",
		    ev->local_channel, session_user(s), l->host, l->port, why);
	report_chan_refused(s, ssh_str_c(report_type(s, ev->token)), l->host, l->port,
			    SSH_OPEN_RESOURCE_SHORTAGE, why);
	session_close_channel(s, ev->token, ev->local_channel);
}

bool forward_chan_kept(struct session *s, const struct link_chan_kept *ev)
{
	struct listener *l = forward_find(s, ev->token);

	if (l != NULL && ev->up)
		channels_up(s, &l->channels);
	return l != NULL;
}

bool forward_failed(struct session *s, const struct link_chan_failed *ev)
{
	const struct listener *l = forward_find(s, ev->token);
	char why[64];

	if (l == NULL)
		return false;
	if (ev->err == -ECONNREFUSED)
		snprintf(why, sizeof(why), " by the client: reason %u", ev->reason);
	else
		snprintf(why, sizeof(why), ": %s",
			 ev->err > -SSH_E_BASE ? strerror(-ev->err) : ssh_err_text(ev->err));
	session_log(s, LOG_L_INFO, "connection to listener [%.100s]:%u of user %.100s: refused%s",
		    l->host, l->port, session_user(s), why);
	return true;
}

bool forward_ended(struct session *s, const struct link_chan_end *ev)
{
	struct listener *l = forward_find(s, ev->token);

	if (l == NULL)
		return false;
	if (ev->told == 0 || l->channels.n == 0)
		return true;
	channels_down(s, &l->channels);
	if (l->channels.n == 0 && l->state == LISTENER_OVER)
		listener_free(l);
	return true;
}

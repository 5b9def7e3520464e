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
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/count.h"
#include "control/session/forward.h"
#include "ssh/forward.h"

#define PRIVILEGED_END 1024 /* IPPORT_RESERVED */

/* --- all of them -------------------------------------------------------------------------------
 */

static struct listener **chain_of(struct session_env *env, uint64_t token)
{
	return &env->listener_of[token % LISTENER_CHAINS];
}

struct listener *forward_find(const struct session *s, uint64_t token)
{
	struct listener *l = *chain_of(s->table->env, token);

	while (l != NULL && (l->token != token || l->session != s))
		l = l->chain;
	return l;
}

struct listener *forward_next(const struct session *s, struct listener *at)
{
	struct listener *l = at != NULL ? at->next : s->table->env->listeners;

	if (!s->has_listeners)
		return NULL;
	while (l != NULL && l->session != s)
		l = l->next;
	return l;
}

static void listener_link(struct session_env *env, struct listener *l)
{
	l->next = env->listeners;
	if (env->listeners != NULL)
		env->listeners->prev = l;
	env->listeners = l;
	l->chain = *chain_of(env, l->token);
	*chain_of(env, l->token) = l;
	env->n_listeners++;
	l->session->has_listeners = true;
}

static void listener_unlink(struct session_env *env, struct listener *l)
{
	struct listener **at = chain_of(env, l->token);

	while (*at != l)
		at = &(*at)->chain;
	*at = l->chain;
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		env->listeners = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	env->n_listeners -= l->state != LISTENER_OVER;
}

static void words_listener(const struct listener *l, bool open)
{
	const struct session *s = l->session;
	char from[CONF_ZONE_TEXT];

	session_log(s, LOG_L_VERBOSE, "listener %s: user %.100s from %s port %u: [%.100s]:%u",
		    open ? "open" : "end", session_user(s), session_peer_text(s, from),
		    s->peer.port, l->host, l->port);
}

static void listener_free(struct listener *l)
{
	struct session *s = l->session;
	struct session_env *env = s->table->env;

	listener_unlink(env, l);
	s->n_up -= l->n_up;
	env->stats.channels -= l->n_up;
	timer_cancel(env->timers, &l->timer);
	if (s->awake != NULL && s->awake->forwarding == l)
		s->awake->forwarding = NULL;
	free(l);
}

/* Its channels may live on: they are of this listener until the last has ended. */
static void listener_over(struct listener *l)
{
	if (l->state == LISTENER_UP)
		words_listener(l, false);
	l->state = LISTENER_OVER;
	l->session->table->env->n_listeners--;
	if (l->n_up == 0)
		listener_free(l);
}

void forward_fini(struct session *s)
{
	struct listener *l;

	while ((l = forward_next(s, NULL)) != NULL) {
		if (l->state == LISTENER_UP)
			words_listener(l, false);
		listener_free(l);
	}
}

uint64_t forward_epoch(const struct session *s)
{
	uint64_t epoch = 0;

	for (struct listener *l = NULL; (l = forward_next(s, l)) != NULL;)
		epoch = l->epoch > epoch ? l->epoch : epoch;
	return epoch;
}

bool forward_busy(const struct session *s)
{
	return s->awake->forwarding != NULL;
}

/* --- the answer ------------------------------------------------------------------------------- */

static void answer(struct session *s, bool want_reply, bool ok, uint32_t port)
{
	uint8_t buf[4];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u32(&w, port);
	if (want_reply)
		(void)ssh_brain_global_answer(s->awake->brain, ok, buf, ok && port != 0 ? 4 : 0);
}

static void refused(struct listener *l)
{
	struct session *s = l->session;
	bool want_reply = l->want_reply;

	listener_free(l);
	answer(s, want_reply, false, 0);
}

void forward_refuse(struct listener *l, int err)
{
	char at[ADDR_TEXT_MAX];

	session_log(l->session, LOG_L_ERROR, "bind [%s]:%u: %.200s",
		    l->at.family != 0 ? addr_text(&l->at, at) : "*", l->port, strerror(-err));
	refused(l);
}

static void on_timer(struct timer *t)
{
	struct listener *l =
		(struct listener *)(void *)((char *)t - offsetof(struct listener, timer));
	struct session *s = l->session;

	forward_time(l);
	session_pump(s);
}

void forward_bind(struct listener *l)
{
	struct link_forward m = {.token = l->token, .addr = l->at, .kind = 1};
	size_t len = strlen(l->host);

	_Static_assert(LINK_HOST_MAX >= SSH_HOST_MAX, "any address a client may write");
	m.addr.port = l->asked_port;
	m.host_len = (uint16_t)len;
	memcpy(m.host, l->host, len);
	l->state = LISTENER_BINDING;
	item_body(l->session, LINK_IT_FORWARD, &m, sizeof(m));
}

void forward_unbind(struct listener *l, bool cut)
{
	const struct link_forward_ref m = {.token = l->token, .cut = cut};

	item_body(l->session, LINK_IT_UNFORWARD, &m, sizeof(m));
	listener_over(l);
}

void forward_result(struct session *s, const struct link_forward_result *ev)
{
	struct listener *l = forward_find(s, ev->token);
	bool want_reply;

	if (l == NULL || l->state != LISTENER_BINDING || s->awake == NULL)
		return;
	if (ev->err == -EADDRINUSE && forward_again(l))
		return;
	if (ev->err < 0) {
		forward_refuse(l, ev->err);
		return;
	}
	l->state = LISTENER_UP;
	l->port = ev->port;
	s->awake->forwarding = NULL;
	want_reply = l->want_reply;
	words_listener(l, true);
	answer(s, want_reply, true, l->asked_port == 0 ? l->port : 0);
}

/* --- the request ------------------------------------------------------------------------------ */

static bool within_limits(struct session *s)
{
	const struct conf_session *conf = &s->awake->conf;
	struct session_env *env = s->table->env;
	struct forward_counts n = forward_count(env, s);
	enum control_counter why;

	if (n.connection >= conf->max_listeners_per_connection)
		why = CONTROL_C_LISTENERS_CONNECTION;
	else if (n.user >= conf->max_listeners_per_user)
		why = CONTROL_C_LISTENERS_USER;
	else if (n.source >= conf->max_listeners_per_source)
		why = CONTROL_C_LISTENERS_SOURCE;
	else if (n.all >= conf_global(env->conf)->max_listeners)
		why = CONTROL_C_LISTENERS;
	else
		return true;
	control_count(why);
	return false;
}

static struct listener *listener_new(struct session *s, const struct ssh_tcpip_forward *m,
				     const struct link_addr *at, bool want_reply)
{
	struct listener *l = calloc(1, sizeof(*l) + m->address.len + 1);

	if (l == NULL)
		return NULL;
	l->session = s;
	l->token = ++s->table->env->last_token;
	l->timer.fire = on_timer;
	l->at = *at;
	l->asked_port = l->port = m->port;
	l->epoch = s->awake->forward_epoch;
	l->want_reply = want_reply;
	memcpy(l->host, m->address.p, m->address.len);
	s->awake->forwarding = l;
	listener_link(s->table->env, l);
	return l;
}

/* As sshd's bind_permitted(), whose users have accounts; ours may be named by the operator. */
static bool may_bind(const struct session *s, const struct policy_rules *rules, const char *host,
		     uint16_t port)
{
	return port == 0 || port >= PRIVILEGED_END || strcmp(session_user(s), "root") == 0 ||
	       policy_may_listen_low(rules, host, port);
}

/* Where it is to be, or not at all: said in the log. */
static bool decide(struct session *s, const char *host, uint16_t port, bool want_reply,
		   struct link_addr *ret)
{
	const struct policy_rules rules = session_rules(s);
	char from[CONF_ZONE_TEXT];

	if (!policy_may_listen(&rules, &s->grant, host, port) || !may_bind(s, &rules, host, port) ||
	    (port == 0 && !want_reply)) {
		session_log(s, LOG_L_INFO,
			    "Received request from %.100s port %u to remote forward to host "
			    "%.100s port %u, but the request was denied.",
			    session_peer_text(s, from), s->peer.port, host, port);
		return false;
	}
	switch (policy_listen_where(&rules, host, ret)) {
	case POLICY_AT_ALL:
	case POLICY_AT_ADDRESS:
		return true;
	case POLICY_AT_LOOPBACK:
		session_log(s, LOG_L_INFO,
			    "bind [%.100s]:%u: no loopback here to listen on: see GatewayPorts",
			    host, port);
		return false;
	case POLICY_NOWHERE:
	default:
		session_log(s, LOG_L_INFO, "bind [%.100s]:%u: no address of this gateway", host,
			    port);
		return false;
	}
}

static void request(struct session *s, const struct ssh_tcpip_forward *m, bool want_reply)
{
	char host[SSH_HOST_MAX + 1];
	struct link_addr at;
	struct listener *l;

	memcpy(host, m->address.p, m->address.len);
	host[m->address.len] = '\0';
	if (!decide(s, host, m->port, want_reply, &at) || !within_limits(s)) {
		answer(s, want_reply, false, 0);
		return;
	}
	l = listener_new(s, m, &at, want_reply);
	if (l == NULL)
		answer(s, want_reply, false, 0);
	else
		forward_contend(l);
}

/* By the same two values as the request, or the port that was chosen for it. */
static void cancel(struct session *s, const struct ssh_tcpip_forward *m, bool want_reply)
{
	struct listener *l = forward_next(s, NULL);

	while (l != NULL && (l->state != LISTENER_UP || !ssh_str_eq(m->address, l->host) ||
			     (m->port != l->port && m->port != l->asked_port)))
		l = forward_next(s, l);
	if (l != NULL)
		forward_unbind(l, false);
	answer(s, want_reply, l != NULL, 0);
}

bool forward_global(struct session *s, const struct ssh_chan_request *q)
{
	struct ssh_tcpip_forward m;
	uint64_t epoch;
	struct ssh_rd r;

	ssh_rd_init(&r, q->rest.p, q->rest.len);
	if (ssh_str_eq(q->type, SSH_REQUEST_EPOCH)) {
		bool ok = ssh_forward_epoch_parse(&r, &epoch) == 0;

		if (ok)
			s->awake->forward_epoch = epoch;
		answer(s, q->want_reply, ok, 0);
	} else if (ssh_str_eq(q->type, SSH_REQUEST_FORWARD)) {
		if (ssh_tcpip_forward_parse(&r, &m) < 0)
			answer(s, q->want_reply, false, 0);
		else
			request(s, &m, q->want_reply);
	} else if (ssh_str_eq(q->type, SSH_REQUEST_CANCEL)) {
		if (ssh_tcpip_forward_parse(&r, &m) < 0)
			answer(s, q->want_reply, false, 0);
		else
			cancel(s, &m, q->want_reply);
	} else {
		return false;
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

bool forward_opened(struct session *s, const struct link_chan_ref *ev)
{
	struct listener *l = forward_find(s, ev->token);
	char text[ADDR_TEXT_MAX];

	if (l == NULL)
		return false;
	l->n_up++;
	s->n_up++;
	s->table->env->stats.channels++;
	session_log(s, LOG_L_VERBOSE,
		    "channel %u of user %.100s: connection to listener [%.100s]:%u from %s port %u",
		    ev->local_channel, session_user(s), l->host, l->port,
		    addr_text(&ev->target, text), ev->target.port);
	return true;
}

bool forward_failed(struct session *s, const struct link_chan_failed *ev)
{
	const struct listener *l = forward_find(s, ev->token);

	if (l == NULL)
		return false;
	session_log(s, LOG_L_INFO,
		    "connection to listener [%.100s]:%u of user %.100s: refused by the client: "
		    "reason %u",
		    l->host, l->port, session_user(s), ev->reason);
	return true;
}

bool forward_ended(struct session *s, const struct link_chan_end *ev)
{
	struct listener *l = forward_find(s, ev->token);

	if (l == NULL)
		return false;
	if (ev->told == 0 || l->n_up == 0)
		return true;
	l->n_up--;
	s->n_up--;
	s->table->env->stats.channels--;
	if (l->n_up == 0 && l->state == LISTENER_OVER)
		listener_free(l);
	return true;
}

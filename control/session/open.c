/*
 * control/session/open.c - channels and requests: what is asked, decided, refused.
 *
 * A decision is a small object with a deadline and a token: ask the rules about the name,
 * look the name up, ask the rules about every address, then let the shard connect. The shard
 * seals CONFIRMATION or FAILURE itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/proxy.h"
#include "control/count.h"
#include "control/service/call.h"
#include "control/session/handled_chan.h"
#include "control/session/judge.h"
#include "control/session/keep.h"
#include "control/session/replies.h"
#include "control/session/report.h"
#include "ssh/chan.h"

/* It is no longer of those that lead nowhere yet. */
static void connecting_over(struct session *s, struct open *o)
{
	if (o->connecting != NULL)
		connecting_leave(&s->table->env->connecting, o->connecting);
	o->connecting = NULL;
}

void open_link(struct session *s, struct open *o)
{
	o->next = s->opens;
	s->opens = o;
	most_up(&s->table->env->most_channels, (uint32_t)++s->n_opens);
}

static void open_unlink(struct session *s, struct open *o)
{
	struct open **at = &s->opens;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	connecting_over(s, o);
	channel_leave(s, o);
	most_down(&s->table->env->most_channels, (uint32_t)--s->n_opens);
	if (o->state == OPEN_UP) {
		s->n_up--;
		s->table->env->stats.channels--;
	}
	hook_open_free(o->asked);
	program_free(o->program);
	handled_chan_free(o->handled);
	free(o->first);
	free(o->rule);
	service_call_end(o->call);
	free(o);
}

void open_fini(struct session *s)
{
	while (s->opens != NULL)
		open_unlink(s, s->opens);
}

struct open *open_find(const struct session *s, uint64_t token)
{
	struct open *o = s->opens;

	while (o != NULL && o->token != token)
		o = o->next;
	return o;
}

bool open_target(const struct session *s, uint64_t token, struct open_target *ret)
{
	const struct open *o = open_find(s, token);

	if (o == NULL)
		return forward_target(s, token, ret) || grant_target(s, token, ret);
	*ret = (struct open_target){o->host, o->port};
	return true;
}

/* Before there is a struct open. */
static void refuse(struct session *s, const struct ssh_chan_open *m, uint32_t reason,
		   const char *text)
{
	report_chan_refused(s, m->type, NULL, 0, reason, text);
	(void)ssh_brain_open_refuse(s->awake->brain, m->sender_channel, reason, text);
}

static void refuse_open(struct session *s, const struct open *o, uint32_t reason, const char *text)
{
	report_chan_refused(s, ssh_str_c(report_type(s, o->token)), o->host, o->port, reason, text);
	(void)ssh_brain_open_refuse(s->awake->brain, o->peer_channel, reason, text);
}

static void words_denied(const struct session *s, const struct open *o, const char *place)
{
	session_log(s, LOG_L_INFO,
		    "Received request from %.100s port %u to connect to host %.100s port "
		    "%u, but the request was denied.%s",
		    s->awake->peer_text, s->peer.port, o->host, o->port, place);
}

static void refuse_target(struct session *s, const struct open *o, uint32_t reason,
			  const char *text)
{
	if (reason == SSH_OPEN_ADMINISTRATIVELY_PROHIBITED)
		words_denied(s, o, "");
	else
		session_log(s, LOG_L_INFO, "connect_to %.100s port %u: %s", o->host, o->port, text);
	refuse_open(s, o, reason, text);
}

void open_deny(struct session *s, struct open *o, const char *place, const char *text)
{
	words_denied(s, o, place);
	refuse_open(s, o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, text);
	open_unlink(s, o);
}

void open_refuse(struct session *s, struct open *o, uint32_t reason, const char *text)
{
	refuse_target(s, o, reason, text);
	open_unlink(s, o);
}

void open_allowed(struct open *o, const char *rule)
{
	free(o->rule);
	o->rule = report_rule(o->session, rule);
}

/* --- addresses are known: filter, sort, connect -------------------------------------- */

static void connect_send(struct session *s, struct open *o, const struct link_addr *addr, size_t n)
{
	uint64_t now = s->table->env->now_ms();
	struct link_chan_connect m = {
		.peer_channel = o->peer_channel,
		.peer_window = o->peer_window,
		.peer_packet_max = o->peer_packet_max,
		.connect_timeout_ms =
			(uint32_t)(o->deadline_ms > now + 1 ? o->deadline_ms - now : 1),
		.n_addrs = (uint16_t)n,
		.kind = 1,
		.idle_ms = conf_channel_timeout(&s->awake->conf, "direct-tcpip"),
		.share = conf_channel_share(&s->awake->conf, "direct-tcpip"),
		.proxy = (uint8_t)conf_proxy_version(&s->awake->conf, o->host, o->port),
		.token = o->token,
		.name = item_name(o->host, o->port),
	};

	memcpy(m.addr, addr, n * sizeof(*addr));
	o->state = OPEN_CONNECTING;
	item_body(s, LINK_IT_CHAN_CONNECT, &m, sizeof(m));
}

/* One more that allowed an address, unless it is one of them; of too many some are left out. */
static void rules_add(char *rules, size_t size, const char *rule)
{
	size_t len = strlen(rules), n = strlen(rule);

	for (const char *p = rules; (p = strstr(p, rule)) != NULL; p++)
		if ((p == rules || p[-1] == ' ') && (p[n] == '\0' || p[n] == ','))
			return;
	snprintf(rules + len, size - len, "%s%s", len > 0 ? ", " : "", rule);
}

/* Those it may have a tunnel to. 0: none, and it is refused. */
static size_t allowed_of(struct session *s, struct open *o, const struct link_addr *found,
			 size_t n_found, struct link_addr *ret, bool *ret_timed)
{
	struct judge_words words = {0};
	char rules[2 * JUDGE_RULE_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < n_found && n < RESOLVE_ADDRS_MAX; i++) {
		if (!judge_addr(s, o->host, &found[i], o->port, &words))
			continue;
		rules_add(rules, sizeof(rules), words.rule);
		ret[n] = found[i];
		ret[n++].port = o->port;
	}
	if (n == 0)
		open_deny(s, o, words.place, "this gateway does not connect to that address");
	else
		open_allowed(o, rules);
	*ret_timed = words.timed;
	return n;
}

/* AddressFamily: as if those of the other had not been found. */
static size_t wanted_of(const struct session *s, const struct link_addr *found, size_t n_found,
			struct link_addr *ret)
{
	uint8_t only = conf_family(session_conf(s));
	size_t n = 0;

	for (size_t i = 0; i < n_found && n < RESOLVE_ADDRS_MAX; i++)
		if (only == 0 || found[i].family == only)
			ret[n++] = found[i];
	return n;
}

/* The answer is judged and used as it is: nobody looks the name up again. */
void open_connect(struct session *s, struct open *o, const struct link_addr *found,
			 size_t n_found)
{
	struct link_addr wanted[RESOLVE_ADDRS_MAX], addr[RESOLVE_ADDRS_MAX];
	bool timed;
	size_t n;

	n = wanted_of(s, found, n_found, wanted);
	if (n == 0) {
		open_refuse(s, o, SSH_OPEN_CONNECT_FAILED,
			    "unknown host (no address of the AddressFamily)");
		return;
	}
	n = allowed_of(s, o, wanted, n, addr, &timed);
	if (n > 0 && !hook_open(s, o, addr, n))
		open_go(s, o, addr, n, timed);
}

void open_go(struct session *s, struct open *o, struct link_addr *addr, size_t n, bool timed)
{
	struct session_env *env = s->table->env;
	size_t n_host;

	addr_sort(addr, n, env->own, env->n_own);
	n_host = open_host_addrs(s, addr, n);
	if (n_host > 0) {
		open_host_connect(s, o, addr, n_host);
		return;
	}
	if (n > LINK_ADDRS_MAX)
		n = LINK_ADDRS_MAX;
	connect_send(s, o, addr, n);
	/* What is asked about each time nobody opens without asking; a grant says nothing of clients. */
	if (!hook_forwards(s) && conf_proxy_version(&s->awake->conf, o->host, o->port) == 0)
		grant_consider(s, o, addr, n, timed);
}

static void open_resolved(const struct resolve_caller *caller, int err,
			  const struct link_addr *addr, size_t n)
{
	struct session *s = session_find(caller->arg, &caller->conn);
	struct open *o = s != NULL && !s->ended ? open_find(s, caller->token) : NULL;

	if (o == NULL)
		return;
	if (err < 0) {
		if (err == -ETIMEDOUT)
			control_count(CONTROL_C_RESOLVE_LATE);
		refuse_target(s, o, SSH_OPEN_CONNECT_FAILED,
			      err == -ETIMEDOUT ? "name resolution timed out"
						: "unknown host (name or service not known)");
		open_unlink(s, o);
	} else {
		open_connect(s, o, addr, n);
	}
	session_pump(s);
}

/* --- the ask -------------------------------------------------------------------------- */

/* Letters, digits, '-', '_' and '.': what a resolver is asked about. */
static bool name_is_askable(const char *host)
{
	for (const char *p = host; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || *p == '-' || *p == '_' || *p == '.'))
			return false;
	return true;
}

void open_decide(struct session *s, struct open *o)
{
	struct session_env *env = s->table->env;
	struct resolve_caller caller = {env, s->ref, o->token};
	uint64_t resolve_by = env->now_ms() + RESOLVE_MS;
	struct link_addr literal;
	struct judge_words words;

	if (!judge_name(s, o->host, o->port, &words)) {
		open_deny(s, o, words.place, "forwarding to this target is not permitted");
		return;
	}
	if (addr_parse(o->host, &literal)) {
		open_connect(s, o, &literal, 1);
		return;
	}
	if (resolve_by > o->deadline_ms)
		resolve_by = o->deadline_ms;
	if (!name_is_askable(o->host) ||
	    resolver_ask(env->resolver, o->host, resolve_by, &caller, open_resolved) < 0) {
		refuse_target(s, o, SSH_OPEN_CONNECT_FAILED, "no such host name");
		open_unlink(s, o);
	}
}

/* A place for one more, counted in all limits; NULL: it is refused, and counted where. */
static struct open *place_new(struct session *s, size_t host_len, const char **ret_why)
{
	const struct conf_session *conf = &s->awake->conf;
	struct session_env *env = s->table->env;
	struct open *o;
	int r;

	*ret_why = "no memory";
	o = calloc(1, sizeof(*o) + host_len + 1);
	if (o == NULL)
		return NULL;
	*ret_why = channel_enter(s, o);
	if (*ret_why != NULL) {
		free(o);
		return NULL;
	}
	r = connecting_enter(&env->connecting, session_user(s), conf->max_connecting_per_user,
			     conf_global(env->conf)->max_connecting, &o->connecting);
	if (r == 0)
		return o;
	if (r == -EUSERS)
		control_count(CONTROL_C_CONNECTING_USER);
	else if (r == -EBUSY)
		control_count(CONTROL_C_CONNECTING);
	*ret_why = "too many channels that are not connected yet";
	channel_leave(s, o);
	free(o);
	return NULL;
}

struct open *open_new(struct session *s, const struct ssh_chan_open *m, struct ssh_str host,
		      uint16_t port)
{
	struct session_env *env = s->table->env;
	const char *why;
	struct open *o;

	if (ssh_chan_limits_check(m->packet_max) < 0) { /* S-50 */
		refuse(s, m, SSH_OPEN_RESOURCE_SHORTAGE, "maximum packet size too small");
		return NULL;
	}
	o = place_new(s, host.len, &why);
	if (o == NULL) {
		refuse(s, m, SSH_OPEN_RESOURCE_SHORTAGE, why);
		return NULL;
	}
	o->session = s;
	o->token = ++env->last_token;
	o->peer_channel = m->sender_channel;
	o->peer_window = m->window_size;
	o->peer_packet_max = m->packet_max;
	o->state = OPEN_RESOLVING;
	o->port = port;
	o->deadline_ms = env->now_ms() + s->awake->conf.operation_timeout.ms;
	memcpy(o->host, host.p, host.len);
	open_link(s, o);
	return o;
}

static void open_direct(struct session *s, const struct ssh_chan_open *m)
{
	struct ssh_direct_tcpip d;
	struct ssh_rd r;
	struct open *o;

	ssh_rd_init(&r, m->rest.p, m->rest.len);
	if (ssh_direct_tcpip_parse(&r, &d) < 0) {
		refuse(s, m, SSH_OPEN_CONNECT_FAILED, "malformed target");
		return;
	}
	o = open_new(s, m, d.host, d.port);
	if (o != NULL)
		open_decide(s, o);
}

static void open_session(struct session *s, const struct ssh_chan_open *m)
{
	uint32_t reason;
	const char *why;
	struct program *p = program_open(s, m, &reason, &why);
	struct open *o = p != NULL ? calloc(1, sizeof(*o) + sizeof("session")) : NULL;

	if (p != NULL) {
		reason = SSH_OPEN_RESOURCE_SHORTAGE;
		why = o != NULL ? channel_enter(s, o) : "no memory";
	}
	if (o == NULL || why != NULL) {
		program_free(p);
		free(o);
		refuse(s, m, reason, why);
		return;
	}
	o->session = s;
	o->token = ++s->table->env->last_token;
	o->peer_channel = m->sender_channel;
	o->peer_window = m->window_size;
	o->peer_packet_max = m->packet_max;
	o->state = OPEN_CONNECTING;
	o->program = p;
	strcpy(o->host, "session");
	open_allowed(o, s->awake->conf.permit_session ? "PermitSession"
			: gate_handler(s) != NULL     ? "PolicyHook"
						      : "ChannelHandler");
	open_link(s, o);
	program_enter(p);
	program_confirm(o);
}

void open_begin(struct session *s, const struct ssh_chan_open *m)
{
	static const struct {
		const char *type;
		uint32_t reason;
		const char *text;
	} refused[] = {
		{"tun@openssh.com", SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
		 "this gateway forwards TCP only"},
	};

	uint32_t reason;
	const char *text;

	if (gate_refused(s, &reason, &text)) {
		refuse(s, m, reason, text);
		return;
	}
	if (!report_works(s->table->env)) {
		refuse(s, m, SSH_OPEN_RESOURCE_SHORTAGE, "the audit log cannot be written");
		return;
	}
	if (open_handled(s, m))
		return;
	if (ssh_str_eq(m->type, "direct-tcpip")) {
		open_direct(s, m);
		return;
	}
	if (ssh_str_eq(m->type, "session")) {
		open_session(s, m);
		return;
	}
	if (ssh_str_eq(m->type, "direct-streamlocal@openssh.com")) {
		open_streamlocal(s, m);
		return;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (!ssh_str_eq(m->type, refused[i].type))
			continue;
		refuse(s, m, refused[i].reason, refused[i].text);
		return;
	}
	refuse(s, m, SSH_OPEN_UNKNOWN_CHANNEL_TYPE, "unknown channel type");
}

/* --- requests ------------------------------------------------------------------------- */

struct open *open_up_at(const struct session *s, uint32_t channel)
{
	struct open *o = s->opens;

	while (o != NULL && (o->state != OPEN_UP || o->local_channel != channel))
		o = o->next;
	return o;
}

/* A channel that leads to a target understands no request (RFC 4254 section 5.4). */
void open_request(struct session *s, const struct ssh_chan_request *m)
{
	struct open *o = open_up_at(s, m->recipient_channel);
	uint32_t reason;
	const char *text;

	if (o == NULL) /* it ended while the request was under way */
		return;
	if (o->program != NULL)
		program_request(o, m, !gate_refused(s, &reason, &text));
	else if (o->handled != NULL)
		handled_chan_request(o, m, !gate_refused(s, &reason, &text));
	else if (m->want_reply)
		reply_say(o, false);
}

/* To a request of a program's: it is the one who waits. */
void open_reply(struct session *s, uint32_t channel, bool ok)
{
	struct open *o = open_up_at(s, channel);

	if (o != NULL && o->handled != NULL)
		handled_chan_reply(o, ok);
	else if (o != NULL && o->program != NULL)
		program_reply(o, ok);
}

/* Of a program's. */
void open_unsaid(struct session *s, const struct link_chan_unsaid *ev)
{
	struct open *o = open_find(s, ev->token);

	if (o != NULL && o->handled != NULL)
		handled_chan_unsaid(o, ev->id);
	else if (o != NULL && o->program != NULL)
		program_unsaid(o, ev->id);
}

void open_global(struct session *s, const struct ssh_chan_request *m)
{
	/* OpenSSH PROTOCOL, section 2.2. */
	bool ok = ssh_str_eq(m->type, "no-more-sessions@openssh.com");

	if (ok && !s->no_more_sessions) {
		s->no_more_sessions = true;
		keep_send(s);
	}
	if (ssh_str_eq(m->type, "hostkeys-prove-00@openssh.com"))
		hostkeys_prove(s, m);
	else if (!forward_global(s, m) && m->want_reply)
		(void)ssh_brain_global_answer(s->awake->brain, ok, NULL, 0);
}

/* --- what became of it ------------------------------------------------------------------ */

void open_opened(struct session *s, const struct link_chan_ref *ev)
{
	struct open *o = open_find(s, ev->token);
	struct open_target to;
	char text[ADDR_TEXT_MAX], from[CONF_ZONE_TEXT];

	if (forward_opened(s, ev))
		return;
	if (o == NULL) {
		grant_opened(s, ev->token);
	} else if (o->state == OPEN_CONNECTING) {
		connecting_over(s, o);
		o->state = OPEN_UP;
		o->local_channel = ev->local_channel;
		s->n_up++;
		s->table->env->stats.channels++;
	}
	if (o != NULL && o->handled != NULL) {
		o->peer_channel = ev->peer_channel;
		handled_chan_opened(o);
		return;
	}
	if (s->log_level < LOG_L_VERBOSE || !open_target(s, ev->token, &to))
		return;
	if (o != NULL && o->program != NULL) /* what it runs is said when it does */
		return;
	session_log(s, LOG_L_VERBOSE,
		    "channel %u of user %.100s from %s port %u: connected to %.100s port %u (%s)",
		    ev->local_channel, session_user(s), session_peer_text(s, from), s->peer.port,
		    to.host, to.port,
		    ev->target.family != 0 ? addr_text(&ev->target, text) : "a UNIX socket");
}

void open_failed(struct session *s, const struct link_chan_failed *ev)
{
	struct open *o = open_find(s, ev->token);
	struct open_target to;

	if (o != NULL && o->handled != NULL) {
		handled_chan_failed(o, ev->err, ev->reason);
		open_unlink(s, o);
		return;
	}
	if (forward_failed(s, ev) || !open_target(s, ev->token, &to))
		return;
	session_log(s, LOG_L_INFO, "connect_to %.100s port %u: failed: %s.", to.host, to.port,
		    ev->err > -SSH_E_BASE ? strerror(-ev->err) : ssh_err_text(ev->err));
	if (o != NULL)
		open_unlink(s, o);
}

void open_drained(struct session *s, const struct link_chan_ref *ev)
{
	struct open *o = open_find(s, ev->token);

	if (o != NULL && o->program != NULL)
		program_drained(o);
	else if (o != NULL && o->handled != NULL)
		handled_chan_drained(o);
}

void open_ended(struct session *s, const struct link_chan_end *ev)
{
	struct open *o = open_find(s, ev->token);

	if (o != NULL)
		open_unlink(s, o);
	else if (!forward_ended(s, ev))
		grant_ended(s, ev);
}

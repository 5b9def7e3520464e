/* client/lib/act.c - what the brain wants, and the beginning and end of a connection. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/internal.h"
#include "client/reach/command.h"
#include "conf/match.h"
#include "crypto/gss.h"
#include "crypto/secret.h"
#include "ssh/err.h"
#include "ssh/kexinit.h"

#define ALIVE        "keepalive@openssh.com"
#define KEX_LIST_MAX 4096
#define BANNERS_MAX  64

/* --- beginning and end --------------------------------------------------------------------------
 */

/* Methods by Kerberos go first where they are wanted, each with the mechanism at its end. */
static void kex_list(const struct sluice *s, char to[KEX_LIST_MAX])
{
	struct ssh_str list = ssh_str_c(s->set.gss_kex_algs), name;
	size_t n = 0;

	*to = '\0';
	while (s->set.gss_kex && ssh_names_next(&list, &name) && n < KEX_LIST_MAX)
		n += (size_t)snprintf(to + n, KEX_LIST_MAX - n, "%.*s" GSS_KRB5_SUFFIX ",",
				      (int)name.len, (const char *)name.p);
	if (n < KEX_LIST_MAX)
		snprintf(to + n, KEX_LIST_MAX - n, "%s", s->set.kex_algs);
}

/* The server's principal, without a realm as Kerberos finds it. */
static void gss_principal(const struct sluice *s, char to[GSS_NAME_MAX])
{
	const char *host = *s->set.gss_identity != '\0' ? s->set.gss_identity : s->set.hostname;

	if (*s->set.gss_realm == '\0')
		snprintf(to, GSS_NAME_MAX, "%s", host);
	else
		snprintf(to, GSS_NAME_MAX, "host/%s@%s", host, s->set.gss_realm);
}

static int brain_make(struct sluice *s)
{
	char kex[KEX_LIST_MAX], hostkeys[HOSTKEY_ALGS_MAX], gss_host[GSS_NAME_MAX];
	struct fips_lists left;
	struct ssh_brain_conf c = {
		.role = SSH_CLIENT,
		.ident = s->set.version,
		.kex_algs = kex,
		.hostkey_algs = hostkey_algs(s, hostkeys),
		.ciphers = s->set.ciphers,
		.macs = s->set.macs,
		.comp_algs = s->set.comp_algs,
		.strict = (enum ssh_strict)s->set.strict,
		.gex = s->set.gex,
		.rekey = s->set.rekey,
		.server_sig_algs = s->set.sig_algs,
		.user = s->set.user,
		.open_types = s->set.open_types,
		.gss_server = login_by_gss(s) || s->set.gss_kex ? gss_host : NULL,
		.gss_client = *s->set.gss_client != '\0' ? s->set.gss_client : NULL,
		.gss_password = login_by_tickets(s) ? s->password : NULL,
		.gss_delegate = s->set.gss_delegate,
	};
	int r;

	if (c.gss_password != NULL && c.gss_client == NULL)
		c.gss_client = s->set.user;
	kex_list(s, kex);
	gss_principal(s, gss_host);
	r = fips_lists_cut(s, &c, &left);
	if (r < 0)
		return r;
	r = ssh_brain_new(&c, &s->brain);
	if (r < 0)
		return r;
	r = engine_get((enum cipher_engine_kind)s->set.engine, &s->engine);
	if (r == 0)
		r = ssh_pump_init(&s->pump, engine_lock(s->engine), s->brain);
	if (s->engine != NULL)
		engine_unlock(s->engine);
	if (r < 0)
		return r;
	s->pump_made = true;
	log_watch(s);
	return ssh_brain_start(s->brain);
}

int connection_begin(struct sluice *s)
{
	int flags = s->way == NULL ? fcntl(s->fd, F_GETFL) : 0, r;

	if (flags < 0 || (s->way == NULL && fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return -errno;
	r = brain_make(s);
	if (r < 0)
		return *s->text == '\0' ? fail(s, error_of(r), "%s", sluice_strerror(error_of(r)))
					: r;
	s->state = STATE_KEX;
	s->at_host = true;
	note(s, SLUICE_LOG_INFO, "connected");
	status_tell(s, SLUICE_STATUS_HOST_CONNECTED, 0, "OK");
	return 0;
}

static void pump_drop(struct sluice *s)
{
	if (s->pump_made) {
		engine_lock(s->engine);
		ssh_pump_fini(&s->pump);
		engine_unlock(s->engine);
		s->pump_made = false;
	}
	if (s->brain != NULL)
		s->retry_after = ssh_brain_retry_after(s->brain);
	ssh_brain_free(s->brain);
	s->brain = NULL;
	engine_put(s->engine);
	s->engine = NULL;
}

int connection_gone(const struct sluice *s)
{
	return s->err != 0 ? s->err : -SLUICE_E_NOT_CONNECTED;
}

/* Of a ProxyCommand whose stream is closed. */
static void command_drop(struct sluice *s)
{
	char how[64];

	if (s->command <= 0)
		return;
	command_status_text(command_end(s->command), how, sizeof(how));
	note(s, SLUICE_LOG_VERBOSE, "ProxyCommand %s", how);
	s->command = 0;
}

void status_tell(struct sluice *s, enum sluice_status_event event, int err, const char *text)
{
	CALL(s, on_connection_status, s, event, err, text);
}

/* The last that began ends first. */
static void status_ended(struct sluice *s, int err, const char *text)
{
	if (s->met)
		status_tell(s, SLUICE_STATUS_SECURITY_ENDED, err, text);
	if (s->at_host)
		status_tell(s, SLUICE_STATUS_HOST_DISCONNECTED, err, text);
	if (s->at_proxy)
		status_tell(s, SLUICE_STATUS_PROXY_DISCONNECTED, err, text);
	s->at_host = s->at_proxy = false;
}

void connection_over(struct sluice *s, int err, const char *text)
{
	const struct linger at_once = {.l_onoff = 1};
	enum state was = s->state;
	char copy[sizeof(s->text)];

	if (was == STATE_NONE)
		return;
	if (s->callbacks > 0) { /* on purpose: an error is never found inside of one */
		s->cut = true;
		return;
	}
	strncpy(copy, text, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	flush(s);
	s->state = STATE_NONE;
	s->err = err;
	fail(s, err, "%s", copy);
	dial_free(s->dial);
	s->dial = NULL;
	pump_drop(s);
	if (s->fd >= 0 && s->reset) /* RFC 9293 section 3.10.4: ABORT */
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->hop != NULL)
		hop_end(s);
	command_drop(s);
	hostkeys_forget(s);
	agent_drop(s);
	s->login_id = 0;
	s->cut = false;
	chans_over(s);
	note(s, SLUICE_LOG_INFO, "disconnected: %s", copy);
	turned(s);
	status_ended(s, err, copy);
	if (was < STATE_MET)
		CALL(s, on_connected, s, err != 0 ? err : -SLUICE_E_NOT_CONNECTED, copy);
	else if (was == STATE_LOGIN)
		CALL(s, on_logon, s, err != 0 ? err : -SLUICE_E_NOT_CONNECTED, copy);
	if (s->met)
		CALL(s, on_disconnected, s, err, copy);
	s->met = false;
}

int send_message(struct sluice *s, const void *p, size_t len)
{
	int r;

	if (s->brain == NULL)
		return connection_gone(s);
	r = ssh_brain_send(s->brain, p, len);
	if (r == 0 && s->stepping)
		s->queued += len;
	else if (r == 0)
		step(s); /* what is sent next comes behind it */
	return r == -EAGAIN ? r : error_of(r);
}

int send_data(struct sluice *s, const void *p, size_t len)
{
	int r;

	if (s->brain == NULL)
		return connection_gone(s);
	if (s->stepping) /* the brain may have something that goes before it */
		return s->pump.in_kex ? -EAGAIN : send_message(s, p, len);
	step(s);
	if (!s->pump_made)
		return connection_gone(s);
	engine_lock(s->engine);
	r = ssh_pump_send(&s->pump, p, len);
	engine_unlock(s->engine);
	return r == -EAGAIN ? r : error_of(r);
}

/* --- timers
 * ----------------------------------------------------------------------------------------- */

static uint64_t alive_due(const struct sluice *s)
{
	if (s->state != STATE_UP || s->set.alive_interval == 0)
		return UINT64_MAX;
	return s->heard_ms + (uint64_t)s->set.alive_interval * (s->alives + 1);
}

static uint64_t rekey_due(const struct sluice *s)
{
	if (s->state != STATE_UP || s->set.rekey.seconds == 0)
		return UINT64_MAX;
	return s->keyed_ms + (uint64_t)s->set.rekey.seconds * 1000;
}

static uint64_t connect_due(const struct sluice *s)
{
	if ((s->state != STATE_CONNECTING && s->state != STATE_KEX) ||
	    s->set.connect_timeout == TIME_NONE || s->set.connect_timeout == 0)
		return UINT64_MAX;
	return s->begun_ms + s->set.connect_timeout;
}

uint64_t due_ms(const struct sluice *s)
{
	uint64_t due = alive_due(s), other = rekey_due(s);

	if (other < due)
		due = other;
	other = connect_due(s);
	if (other < due)
		due = other;
	other = rate_due(s);
	if (other < due)
		due = other;
	other = carries_due(s);
	if (other < due)
		due = other;
	other = keep_due(s);
	if (other < due)
		due = other;
	if (s->agent_doing != AGENT_NOTHING && s->agent_due < due)
		due = s->agent_due;
	other = s->hop != NULL && s->state != STATE_NONE ? hop_due(s, !in_is_full(s)) : UINT64_MAX;
	return other < due ? other : due;
}

static void alive_send(struct sluice *s)
{
	uint8_t buf[64];
	struct ssh_wr w;

	if (s->set.alive_count > 0 && s->alives >= s->set.alive_count) {
		ssh_brain_end(s->brain, -SSH_E_KEEPALIVE, "keep-alives are not answered");
		step(s);
		connection_over(s, -SLUICE_E_KEEPALIVE, "the server does not answer keep-alives");
		return;
	}
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, ALIVE);
	ssh_wr_bool(&w, true);
	s->alives++;
	if (global_ask(s, ALIVE, buf, ssh_wr_done(&w), NULL) == 0)
		note(s, SLUICE_LOG_VERBOSE, "keep-alive %u", s->alives);
}

void timers_run(struct sluice *s, uint64_t now)
{
	if (now >= connect_due(s)) {
		connection_over(s, -SLUICE_E_TIMEOUT, "not connected in time");
		return;
	}
	if (now >= rekey_due(s)) {
		s->keyed_ms = now;
		(void)ssh_brain_rekey(s->brain);
	}
	if (now >= alive_due(s))
		alive_send(s);
}

void ident_check(struct sluice *s)
{
	const char *line = s->peer_ident[0] == '\0' ? ssh_brain_ident_peer(s->brain) : NULL;

	if (line == NULL)
		return;
	snprintf(s->peer_ident, sizeof(s->peer_ident), "%s", line);
	note(s, SLUICE_LOG_INFO, "the server is %s", line);
	if (match_list(line, s->set.version_pattern, false) != MATCH_YES)
		ssh_brain_end(s->brain, -SSH_E_VERSION, NULL);
}

/* --- news
 * --------------------------------------------------------------------------------------------- */

static void on_keys(struct sluice *s, const struct ssh_act *a)
{
	s->kex = a->kex;
	memcpy(s->session_id, a->kex.session_id.p, a->kex.session_id.len);
	s->session_id_len = a->kex.session_id.len;
	s->kexes++;
	s->keyed_ms = now_ms();
	note(s, SLUICE_LOG_INFO, "keys by %s, %s, %s%s%s", a->kex.kex, a->kex.hostkey,
	     a->kex.cipher_cs, *a->kex.mac_cs != '\0' ? ", " : "", a->kex.mac_cs);
}

static void on_peer_disconnect(struct sluice *s, const struct ssh_act *a)
{
	fail(s, -SLUICE_E_DISCONNECTED, "the server disconnects: %.*s (reason %u)",
	     (int)a->bytes.len, (const char *)a->bytes.p, a->reason);
}

static void on_end(struct sluice *s, const struct ssh_act *a)
{
	if (a->err == -SSH_E_PEER_DISCONNECT)
		connection_over(s, -SLUICE_E_DISCONNECTED, s->text);
	else if (a->err == -SSH_E_AUTH_NONE_LEFT)
		connection_over(s, login_error(s), s->text);
	else if (a->err == -SSH_E_SHUTDOWN && s->leaving)
		return; /* who logs off waits until it is written */
	else if (a->err == -SSH_E_KEEPALIVE)
		return; /* alive_send() goes on to say so */
	else
		connection_over(s, error_of(a->err), ssh_err_text(a->err));
}

static void on_global(struct sluice *s, const struct ssh_act *a)
{
	if (!hostkeys_told(s, a->request.type, a->request.rest))
		note(s, SLUICE_LOG_VERBOSE, "global request %.*s", (int)a->request.type.len,
		     (const char *)a->request.type.p);
	if (a->request.want_reply)
		(void)ssh_brain_global_answer(s->brain, false, NULL, 0);
}

static void on_global_reply(struct sluice *s, const struct ssh_act *a)
{
	const struct request *q = STAILQ_FIRST(&s->globals);
	bool ok = a->msg == SSH_MSG_REQUEST_SUCCESS;
	char type[SSH_TYPE_MAX + 1];

	if (q == NULL)
		return;
	memcpy(type, q->type, sizeof(type));
	hostkeys_proved(s, type, ok, (struct ssh_str){a->bytes.p + 1, a->bytes.len - 1});
	if (q->forward != NULL)
		forward_answered(s, q->forward, ok, a->bytes.p + 1, a->bytes.len - 1);
	request_answer(&s->globals, ok, a->bytes.p + 1, a->bytes.len - 1);
	if (strcmp(type, ALIVE) != 0)
		CALL(s, on_requested, s, type, ok ? 0 : -SLUICE_E_REQUEST, a->bytes.p + 1,
		     a->bytes.len - 1);
}

static void on_banner(struct sluice *s, const struct ssh_act *a)
{
	if (++s->login.banners > BANNERS_MAX) {
		connection_over(s, -SLUICE_E_AUTH, "the server shows banners for ever");
		return;
	}
	CALL(s, on_banner, s, (const char *)a->bytes.p, a->bytes.len);
}

void act_run(struct sluice *s, const struct ssh_act *a)
{
	int r = 0;

	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		r = ssh_brain_job_done(s->brain, a->id, a->job);
		break;
	case SSH_ACT_SIGN:
		login_sign(s, a);
		break;
	case SSH_ACT_HOSTKEY:
		hostkey_judge(s, a);
		break;
	case SSH_ACT_PROMPT:
		login_prompt(s, a);
		break;
	case SSH_ACT_LOGIN:
		login_next(s, a);
		break;
	case SSH_ACT_AUTHENTICATED:
		login_done(s);
		break;
	case SSH_ACT_CHANNEL_OPEN:
		r = chan_open_in(s, &a->open);
		break;
	case SSH_ACT_CHANNEL_REQUEST:
		r = chan_request_in(s, a);
		break;
	case SSH_ACT_CHANNEL_OTHER:
		r = chan_message(s, a);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		on_global(s, a);
		break;
	case SSH_ACT_GLOBAL_REPLY:
		on_global_reply(s, a);
		break;
	case SSH_ACT_KEX_DONE:
		on_keys(s, a);
		break;
	case SSH_ACT_PEER_DISCONNECT:
		on_peer_disconnect(s, a);
		break;
	case SSH_ACT_BANNER:
		on_banner(s, a);
		break;
	case SSH_ACT_END:
		on_end(s, a);
		return;
	default: /* a server's */
		break;
	}
	if (r < 0 && r != -ENOENT)
		ssh_brain_end(s->brain, r, NULL);
}

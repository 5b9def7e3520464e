/*
 * control/session/hook_gate.c - what is not heard before a program of the operator's was asked: the
 * connection itself, its version, a service, an open, a request of a channel.
 *
 * Messages are heard in their order, so that one that waits holds back those behind it; the data of
 * channels that are open does not come this way. The rules look at a message once it is let in.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/hook.h"
#include "control/session/named.h"
#include "control/session/params.h"
#include "control/session/report.h"
#include "control/signer.h"
#include "ssh/auth_msg.h"
#include "ssh/chan.h"
#include "ssh/session_msg.h"
#include "ssh/trans_msg.h"

static void gate_reset(struct gate *g)
{
	hook_call_end(g->call);
	free(g->reason);
	free(g->handler);
	naming_free(g->naming);
	*g = (struct gate){.state = GATE_IDLE};
}

void gate_drop(struct session *s)
{
	struct gate *g;

	if (s->awake == NULL)
		return;
	g = &s->awake->gate;
	/* Nobody has turned it away. */
	if (g->state == GATE_ASKED && g->kind == CONF_HOOK_CONNECTION)
		report_opened(s);
	gate_reset(g);
}

/* Nothing of it goes out or in. */
bool gate_holds(const struct session *s)
{
	const struct gate *g = &s->awake->gate;

	return g->state == GATE_ASKED &&
	       (g->kind == CONF_HOOK_CONNECTION || g->kind == CONF_HOOK_ESTABLISHED);
}

bool gate_waits(const struct session *s)
{
	return s->awake->gate.state == GATE_ASKED;
}

void gate_heard(struct session *s)
{
	if (s->awake != NULL && s->awake->gate.state != GATE_ASKED)
		gate_reset(&s->awake->gate);
}

bool gate_refused(const struct session *s, uint32_t *ret_code, const char **ret_text)
{
	const struct gate *g = &s->awake->gate;

	if (g->state != GATE_REFUSED)
		return false;
	*ret_code = g->code != 0 ? g->code : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
	*ret_text = g->reason != NULL && *g->reason != '\0' ? g->reason : "refused";
	return true;
}

const char *gate_handler(const struct session *s)
{
	return s->awake->gate.handler;
}

/* --- the answer ------------------------------------------------------------------------------- */

/* A connection that is not wanted reads a line of text, as at the door. */
static void turn_away(struct session *s, const char *why)
{
	static const char not_allowed[] = "Not allowed at this time\r\n";

	item_bytes(s, LINK_IT_IDENT, not_allowed, sizeof(not_allowed) - 1);
	report_turned_away(s, why);
	s->end_logged = true; /* that it was refused is said */
	session_over(s, -SSH_E_REFUSED);
}

void gate_offer(struct session *s)
{
	(void)!ssh_brain_offer(s->awake->brain, NULL, NULL);
}

static void offer_configured(struct session *s)
{
	if (hostkeys_offer(s, NULL) != -ENOENT)
		return;
	session_log(s, LOG_L_ERROR, "none of its HostKey is loaded: sluice-signer has others");
	gate_offer(s);
	session_end(s, -SSH_E_UNAVAILABLE, NULL);
}

static void refused(struct session *s)
{
	struct gate *g = &s->awake->gate;
	char why[sizeof("PolicyHook: ") + HOOK_REASON_MAX] = "PolicyHook";
	char text[HOOK_REASON_MAX + 1] = "";

	if (g->reason != NULL)
		strcpy(text, g->reason);
	switch (g->kind) {
	case CONF_HOOK_CONNECTION:
		if (*text != '\0')
			snprintf(why, sizeof(why), "PolicyHook: %s", text);
		gate_reset(g);
		turn_away(s, why);
		break;
	case CONF_HOOK_ESTABLISHED:
	case CONF_HOOK_SERVICE:
		gate_offer(s);
		s->end_logged = true;
		session_end(s, g->kind == CONF_HOOK_SERVICE ? -SSH_E_SERVICE : -SSH_E_REFUSED,
			    *text != '\0' ? text : NULL);
		break;
	default: /* whoever hears it asks gate_refused() */
		g->state = GATE_REFUSED;
	}
}

static void passed(struct session *s)
{
	struct gate *g = &s->awake->gate;
	enum conf_hook_kind kind = g->kind;

	g->state = GATE_PASSED;
	if (kind != CONF_HOOK_CONNECTION && kind != CONF_HOOK_ESTABLISHED)
		return;
	gate_reset(g);
	if (kind == CONF_HOOK_ESTABLISHED)
		offer_configured(s);
	else
		report_opened(s);
	/* Its line may have come meanwhile. */
	if (kind == CONF_HOOK_CONNECTION && s->awake->version != NULL)
		gate_established(s);
}

/* As HostKey has it; of a token's URI without its query, which may have the PIN (RFC 7512, 2.4). */
static size_t path_told(const char *path)
{
	return strncmp(path, "pkcs11:", strlen("pkcs11:")) == 0 ? strcspn(path, "?") : strlen(path);
}

/* Is it the path of a HostKey, and nothing else said? */
static bool is_configured(const struct session *s, const struct host_file *f)
{
	const struct signer *signer = hostkeys_signer(s);
	const char *name = f->field[HOST_FILE_PATH];

	for (unsigned int i = HOST_FILE_PATH + 1; i < HOST_FILE_FIELDS; i++)
		if (f->field[i] != NULL)
			return false;
	for (unsigned int i = 0; i < signer_count(signer); i++) {
		const char *path = signer_path(signer, i);

		if (path != NULL && strlen(name) == path_told(path) &&
		    strncmp(path, name, path_told(path)) == 0)
			return true;
	}
	return false;
}

/* A fingerprint, or the path of a HostKey; what is none of ours fits none. */
static int mark_named(struct session *s, const char *name)
{
	const struct signer *signer = hostkeys_signer(s);
	struct earned *earned = &s->awake->earned;
	char print[96] = "";
	bool found = false;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < signer_count(signer); i++) {
		const char *path = signer_path(signer, i);

		if (path == NULL || strlen(name) != path_told(path) ||
		    strncmp(path, name, path_told(path)) != 0)
			continue;
		found = true;
		(void)!key_fingerprint(signer_public(signer, i), print, sizeof(print));
		r = login_mark(earned, CONF_MARK_HOST_KEY, print);
	}
	return found ? r : login_mark(earned, CONF_MARK_HOST_KEY, name);
}

/* Those that were named are shown, with their certificates. False: there is none of them. */
static bool offer_marked(struct session *s)
{
	int r = hostkeys_add_named(s);

	if (r == 0)
		r = hostkeys_offer(s, s->awake->earned.marks);
	if (r == -ENOENT)
		session_log(s, LOG_L_ERROR, "PolicyHook named host keys that are not ours");
	return r == 0;
}

/* Files are loaded first; the gate is theirs until then: gate_named(). */
static bool offer_named(struct session *s, const struct hook_answer *a)
{
	const bool folders = conf_global(session_conf(s))->host_key_folders.n > 0;
	struct host_file later[HOOK_HOSTKEYS_MAX];
	unsigned int n = 0;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < a->n_hostkeys; i++) {
		const struct host_file *f = &a->hostkeys[i];

		if (folders && f->field[HOST_FILE_PATH][0] == '/' && !is_configured(s, f))
			later[n++] = *f;
		else
			r = mark_named(s, f->field[HOST_FILE_PATH]);
	}
	if (r == 0 && n > 0) {
		r = naming_begin(s, later, n);
		if (r < 0) /* as if it had been said later: the gate is nobody's any more */
			gate_named(s, r);
		return true;
	}
	return r == 0 && (a->n_hostkeys == 0 || offer_marked(s));
}

void gate_named(struct session *s, int err)
{
	struct gate *g = &s->awake->gate;
	bool yes = err == 0 && offer_marked(s);

	/* Nobody could say what they are: it is as if nobody had answered. */
	if ((err == -ETIMEDOUT || err == -EPIPE) && g->fail_open) {
		named_leave(s);
		free(s->awake->earned.marks);
		s->awake->earned.marks = NULL;
		s->awake->earned.marks_len = 0;
		yes = true;
	}
	if (yes)
		passed(s);
	else
		refused(s);
	session_pump(s);
}

/* a NULL: none. */
static void answered(struct session *s, const struct hook_answer *a)
{
	struct gate *g = &s->awake->gate;
	bool yes = hook_word(s, g->kind, g->fail_open, a) != HOOK_NO;

	if (a != NULL) {
		g->code = a->code;
		g->reason = strdup(a->reason);
		g->handler = a->handler != NULL ? strdup(a->handler) : NULL;
		yes &= a->handler == NULL || g->handler != NULL;
	}
	if (yes && a != NULL && g->kind == CONF_HOOK_ESTABLISHED) {
		hook_bounds(s, &a->bounds);
		yes = offer_named(s, a);
	}
	/* Host keys are on their way, or are here already, and gate_named() has been. */
	if (yes && (g->naming != NULL || g->state != GATE_ASKED))
		return;
	if (yes)
		passed(s);
	else
		refused(s);
}

static void on_answer(void *arg, const struct hook_answer *a)
{
	struct session *s = arg;

	s->awake->gate.call = NULL;
	answered(s, a);
	session_pump(s);
}

/* Takes r. */
static void ask(struct session *s, enum conf_hook_kind kind, const struct conf_hook *h,
		struct hook_req *r)
{
	struct gate *g = &s->awake->gate;
	int e;

	g->kind = kind;
	g->fail_open = h->fail_open;
	g->state = GATE_ASKED;
	e = hook_ask_about(s, h, r, NULL, 0, on_answer, s, &g->call);
	if (e < 0)
		answered(s, hook_unasked(e));
}

/* --- the connection --------------------------------------------------------------------------- */

void gate_connection(struct session *s)
{
	bool never = s->awake->conf.refuse_connection; /* whoever is asked */
	const char *why = never ? "RefuseConnection" : clients_refuse(s);
	struct conf_hook h;
	struct hook_req r;

	if (never || !hook_for(s, CONF_HOOK_CONNECTION, &h)) {
		if (why == NULL) {
			report_opened(s);
			return;
		}
		words_refused(s, why);
		turn_away(s, why);
		return;
	}
	hook_begin(s, CONF_HOOK_CONNECTION, &r);
	hook_req_bool(&r, "preaccept", why == NULL);
	s->awake->overruled = why != NULL; /* if it is to stay */
	h.fail_open &= why == NULL;
	ask(s, CONF_HOOK_CONNECTION, &h, &r);
}

static json_t *own_keys(const struct session *s)
{
	const struct signer *signer = hostkeys_signer(s);
	json_t *all = json_array();

	for (unsigned int i = 0; all != NULL && i < signer_count(signer); i++) {
		const struct key *k = signer_public(signer, i);
		const char *path = signer_path(signer, i);
		char print[96] = "";
		json_t *o;

		(void)!key_fingerprint(k, print, sizeof(print));
		o = json_pack("{s:s, s:s}", "key", print, "type", key_log_type(k));
		if (o != NULL && path != NULL)
			(void)!json_object_set_new(o, "path", json_stringn(path, path_told(path)));
		(void)!json_array_append_new(all, o);
	}
	return all;
}

void gate_established(struct session *s)
{
	struct conf_hook h;
	struct hook_req r;

	if (s->awake->gate.state == GATE_ASKED)
		return;
	if (!hook_for(s, CONF_HOOK_ESTABLISHED, &h)) {
		offer_configured(s);
		return;
	}
	hook_begin(s, CONF_HOOK_ESTABLISHED, &r);
	hook_req_json(&r, "hostkeys", own_keys(s));
	ask(s, CONF_HOOK_ESTABLISHED, &h, &r);
}

/* --- messages --------------------------------------------------------------------------------- */

/* What is no such message the brain sees to. */
static bool put_service(struct session *s, struct hook_req *q, const struct inbox_item *i)
{
	struct ssh_str name;
	struct ssh_rd r;

	(void)s;
	ssh_rd_init(&r, i->payload + 1, i->len - 1);
	if (ssh_service_parse(&r, &name) < 0)
		return false;
	hook_req_text(q, "service", name);
	return true;
}

/* The one that a login is for, once. */
static bool put_login_service(struct session *s, struct hook_req *q, const struct inbox_item *i)
{
	struct ssh_userauth_request m;
	struct ssh_rd r;

	ssh_rd_init(&r, i->payload + 1, i->len - 1);
	if (s->awake->service_asked || ssh_userauth_request_parse(&r, &m) < 0)
		return false;
	s->awake->service_asked = true;
	hook_req_text(q, "service", m.service);
	hook_req_text(q, "user", m.user);
	return true;
}

static bool put_open(struct session *s, struct hook_req *q, const struct inbox_item *i)
{
	struct ssh_chan_open m;
	struct ssh_rd r;

	(void)s;
	ssh_rd_init(&r, i->payload + 1, i->len - 1);
	if (ssh_chan_open_parse(&r, &m) < 0)
		return false;
	hook_req_int(q, "channel", m.sender_channel);
	hook_req_text(q, "type", m.type);
	hook_req_json(q, "params", params_of_open(&m));
	hook_req_bytes(q, "raw", m.rest.p, m.rest.len);
	return true;
}

static bool put_request(struct session *s, struct hook_req *q, const struct inbox_item *i)
{
	struct ssh_chan_request m;
	const struct open *o;
	struct ssh_rd r;

	ssh_rd_init(&r, i->payload + 1, i->len - 1);
	if (ssh_chan_request_parse(&r, &m) < 0)
		return false;
	o = open_up_at(s, m.recipient_channel);
	hook_req_int(q, "channel", m.recipient_channel);
	if (o != NULL) /* the number that channel-open was told */
		hook_req_int(q, "peer", o->peer_channel);
	hook_req_text(q, "type", m.type);
	hook_req_bool(q, "want_reply", m.want_reply);
	hook_req_json(q, "params", params_of_request(&m));
	hook_req_bytes(q, "raw", m.rest.p, m.rest.len);
	return true;
}

static const struct {
	uint8_t msg;
	bool inside; /* it is authenticated */
	enum conf_hook_kind kind;
	bool (*put)(struct session *s, struct hook_req *q, const struct inbox_item *i);
} gated[] = {
	{SSH_MSG_SERVICE_REQUEST, false, CONF_HOOK_SERVICE, put_service},
	{SSH_MSG_USERAUTH_REQUEST, false, CONF_HOOK_SERVICE, put_login_service},
	{SSH_MSG_CHANNEL_OPEN, true, CONF_HOOK_CHANNEL_OPEN, put_open},
	{SSH_MSG_CHANNEL_REQUEST, true, CONF_HOOK_CHANNEL_REQUEST, put_request},
};

/* Someone is asked about it, or its connection is over for it. */
static bool held_back(struct session *s, const struct inbox_item *i)
{
	struct conf_hook h;
	struct hook_req r;

	for (size_t k = 0; k < sizeof(gated) / sizeof(gated[0]); k++) {
		if (i->len == 0 || i->payload[0] != gated[k].msg ||
		    gated[k].inside != s->authenticated || !hook_for(s, gated[k].kind, &h))
			continue;
		hook_begin(s, gated[k].kind, &r);
		if (!gated[k].put(s, &r, i)) {
			hook_req_end(&r);
			return false;
		}
		ask(s, gated[k].kind, &h, &r);
		return s->awake->gate.state == GATE_ASKED || s->awake->gate.state == GATE_IDLE;
	}
	return false;
}

bool gate_hears(struct session *s)
{
	const struct gate *g = &s->awake->gate;

	return g->state != GATE_ASKED && (g->state != GATE_IDLE || !held_back(s, s->awake->inbox));
}

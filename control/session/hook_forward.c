/*
 * control/session/hook_forward.c - tunnels and listeners a program of the operator's has a say in,
 * once the rules have allowed them.
 *
 * A tunnel may be led elsewhere: the rules are asked about that target as about any other. A
 * listener whose client left the port to us may be given one.
 */
#include <stdlib.h>
#include <string.h>

#include "control/session/forward.h"
#include "control/session/hook.h"
#include "control/session/report.h"

enum direction { FORWARD_LOCAL = 0, FORWARD_REMOTE = 1 };

/* An open that waits for an answer, with the addresses that were judged. */
struct hook_open {
	struct session *session;
	struct open *open;
	struct hook_call *call;
	bool fail_open;
	size_t n;
	struct link_addr addr[];
};

void hook_open_free(struct hook_open *a)
{
	if (a != NULL)
		hook_call_end(a->call);
	free(a);
}

bool hook_forwards(const struct session *s)
{
	struct conf_hook h;

	return hook_for(s, CONF_HOOK_FORWARD, &h) || hook_for(s, CONF_HOOK_CHANNEL_OPEN, &h);
}

static void begin(const struct session *s, enum direction way, const char *host, uint16_t port,
		  struct hook_req *r)
{
	hook_begin(s, CONF_HOOK_FORWARD, r);
	hook_req_int(r, "direction", way);
	hook_req_text(r, "address", ssh_str_c(host));
	hook_req_int(r, "port", port);
}

/* --- tunnels ---------------------------------------------------------------------------------- */

static json_t *resolved(const struct link_addr *addr, size_t n)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(addr_text(&addr[i], text))) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* Where it leads from now on. NULL: no memory, and o is what it was. */
static struct open *lead_to(struct session *s, struct open *o, const char *host, uint16_t port)
{
	struct open *other = calloc(1, sizeof(*o) + strlen(host) + 1), **at = &s->opens;

	if (other == NULL)
		return NULL;
	memcpy(other, o, sizeof(*o));
	strcpy(other->host, host);
	other->port = port;
	while (*at != o)
		at = &(*at)->next;
	*at = other;
	free(o);
	return other;
}

static void lead_elsewhere(struct session *s, struct open *o, const struct hook_answer *a)
{
	const char *host = a->host != NULL ? a->host : o->host;
	uint16_t port = a->has_port ? a->port : o->port;
	struct open *other = lead_to(s, o, host, port);

	if (other == NULL || port == 0) {
		open_refuse(s, other != NULL ? other : o, SSH_OPEN_CONNECT_FAILED,
			    "no such target");
		return;
	}
	session_log(s, LOG_L_INFO, "PolicyHook leads a tunnel of %.100s to %.100s port %u",
		    session_user(s), other->host, other->port);
	open_decide(s, other);
}

static void open_answered(struct hook_open *q, const struct hook_answer *a)
{
	enum hook_word word = hook_word(q->session, CONF_HOOK_FORWARD, q->fail_open, a);
	struct session *s = q->session;
	struct open *o = q->open;

	o->asked = NULL;
	o->judged = true;
	if (word == HOOK_NO)
		open_refuse(s, o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
			    a != NULL && *a->reason != '\0' ? a->reason : "refused");
	else if (a != NULL && q->n > 0 && (a->host != NULL || a->has_port))
		lead_elsewhere(s, o, a);
	else if (q->n > 0) /* rules may have been others when it was asked: hours have an end */
		open_connect(s, o, q->addr, q->n);
	else
		open_socket_connect(s, o);
	hook_open_free(q);
}

static void on_open_answer(void *arg, const struct hook_answer *a)
{
	struct hook_open *q = arg;
	struct session *s = q->session;

	q->call = NULL;
	if (s->ended)
		return; /* q goes with its open */
	open_answered(q, a);
	session_pump(s);
}

bool hook_open(struct session *s, struct open *o, const struct link_addr *addr, size_t n)
{
	struct hook_open *q;
	struct conf_hook h;
	struct hook_req r;
	int e;

	if (o->judged || !hook_for(s, CONF_HOOK_FORWARD, &h))
		return false;
	q = calloc(1, sizeof(*q) + n * sizeof(*addr));
	if (q == NULL) {
		open_refuse(s, o, SSH_OPEN_RESOURCE_SHORTAGE, "no memory");
		return true;
	}
	q->session = s;
	q->open = o;
	q->fail_open = h.fail_open;
	q->n = n;
	if (n > 0)
		memcpy(q->addr, addr, n * sizeof(*addr));
	o->state = OPEN_RESOLVING; /* it stays awake for the answer */
	o->asked = q;
	begin(s, FORWARD_LOCAL, o->host, o->port, &r);
	if (n > 0)
		hook_req_json(&r, "resolved", resolved(addr, n));
	e = hook_ask_about(s, &h, &r, NULL, 0, on_open_answer, q, &q->call);
	if (e < 0)
		open_answered(q, hook_unasked(e));
	return true;
}

/* --- listeners -------------------------------------------------------------------------------- */

static void listen_answered(struct listener *l, const struct hook_answer *a)
{
	struct session *s = l->session;

	l->asked = NULL;
	if (hook_word(s, CONF_HOOK_FORWARD, l->fail_open, a) == HOOK_NO) {
		report_listener_refused(s, l->host, l->asked_port, "PolicyHook");
		forward_drop(l);
	} else if (a != NULL && a->has_port && a->port != 0 && l->asked_port == 0 &&
		 l->at.path == NULL) {
		forward_take_port(l, a->port);
	} else if (!forward_may_still(l)) {
		report_listener_refused(s, l->host, l->asked_port, "not permitted");
		forward_drop(l);
	} else {
		forward_contend(l);
	}
}

static void on_listen_answer(void *arg, const struct hook_answer *a)
{
	struct listener *l = arg;
	struct session *s = l->session;

	if (s->ended) {
		l->asked = NULL; /* l goes with its connection */
		return;
	}
	listen_answered(l, a);
	session_pump(s);
}

void hook_listen(struct listener *l)
{
	struct session *s = l->session;
	struct conf_hook h;
	struct hook_req r;
	int e;

	if (!hook_for(s, CONF_HOOK_FORWARD, &h)) {
		forward_contend(l);
		return;
	}
	l->state = LISTENER_HELD;
	l->fail_open = h.fail_open;
	begin(s, FORWARD_REMOTE, l->host, l->asked_port, &r);
	e = hook_ask_about(s, &h, &r, NULL, 0, on_listen_answer, l, &l->asked);
	if (e < 0)
		listen_answered(l, hook_unasked(e));
}

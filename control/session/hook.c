/*
 * control/session/hook.c - PolicyHook: requests about a connection, and what answers come to.
 */
#include "control/session/hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/count.h"
#include "control/session/report.h"
#include "ssh/chan.h"

bool hook_for(const struct session *s, enum conf_hook_kind kind, struct conf_hook *ret)
{
	return s->awake != NULL && conf_hook_for(&s->awake->conf, kind, ret);
}

void hook_conn(const struct session *s, struct hook_req *r)
{
	char uid[40];

	/* No two connections have one, whatever is restarted. */
	snprintf(uid, sizeof(uid), "%016llx-%llx", (unsigned long long)s->table->link.start_id,
		 (unsigned long long)s->uid);
	hook_req_text(r, "uid", ssh_str_c(uid));
	hook_req_int(r, "conn", s->uid);
}

void hook_about_of(const struct session *s, const struct awake *a, const char *kind,
		   struct hook_req *r)
{
	hook_req_begin(r, kind);
	hook_conn(s, r);
	hook_req_text(r, "src", ssh_str_c(a->peer_text));
	hook_req_int(r, "src_port", s->peer.port);
	hook_req_text(r, "dst", ssh_str_c(a->local_text));
	hook_req_int(r, "dst_port", s->local.port);
	if (a->version != NULL)
		hook_req_text(r, "client_version", ssh_str_c(a->version));
	if (s->user_known || s->authenticated)
		hook_req_text(r, "user", ssh_str_c(session_user(s)));
	if (s->authenticated && session_key_print(s) != NULL)
		hook_req_text(r, "key", ssh_str_c(session_key_print(s)));
}

void hook_about(const struct session *s, const char *kind, struct hook_req *r)
{
	hook_about_of(s, s->awake, kind, r);
}

void hook_begin(const struct session *s, enum conf_hook_kind kind, struct hook_req *r)
{
	hook_about(s, conf_hook_kind_name(kind), r);
}

int hook_ask_about(struct session *s, const struct conf_hook *h, struct hook_req *r,
		   const struct hook_secret *secret, size_t n_secret, hook_done *done, void *arg,
		   struct hook_call **ret)
{
	struct hooks *hooks = s->table->env->hooks;

	if (hooks != NULL)
		return hook_ask(hooks, h, r, secret, n_secret, done, arg, ret);
	hook_req_end(r);
	return -ENXIO;
}

static const struct hook_answer crowded = {.reason = "too much is asked already",
					   .code = SSH_OPEN_RESOURCE_SHORTAGE};

const struct hook_answer *hook_unasked(int err)
{
	return err == -ENXIO ? NULL : &crowded;
}

void hook_bounds(struct session *s, const struct conf_bounds *b)
{
	if (!conf_bounds_any(b))
		return;
	conf_bounds_meet(&s->awake->bounds, b);
	conf_bounds_apply(b, &s->awake->conf);
}

static enum control_counter refusal(const struct hook_answer *a)
{
	if (a == &crowded)
		return CONTROL_C_HOOK_CROWDED;
	return a != NULL ? CONTROL_C_HOOK_DENIED : CONTROL_C_HOOK_UNANSWERED;
}

enum hook_word hook_word(const struct session *s, enum conf_hook_kind kind, bool fail_open,
			 const struct hook_answer *a)
{
	char from[CONF_ZONE_TEXT];
	const char *why = a != NULL ? a->reason : "no answer";

	if (a != NULL && (a->accept || (a->partial && kind == CONF_HOOK_AUTH))) {
		report_hook(s, kind, a->accept ? "accepted" : "partial", why);
		return HOOK_YES;
	}
	if (a == NULL && fail_open) {
		report_hook(s, kind, "open", why);
		return HOOK_OPEN;
	}
	report_hook(s, kind, a == NULL ? "unanswered" : a == &crowded ? "unasked" : "refused", why);
	control_count(refusal(a));
	session_log(s, LOG_L_INFO, "PolicyHook refused %s of %.100s from %s port %u%s%.255s",
		    conf_hook_kind_name(kind), s->user_known ? session_user(s) : "anybody",
		    session_peer_text(s, from), s->peer.port, *why != '\0' ? ": " : "", why);
	return HOOK_NO;
}

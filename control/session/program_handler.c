/*
 * control/session/program_handler.c - ChannelHandler: a session's channel is a program's of the
 * operator's, not a user's.
 *
 * What a key's line or ForceCommand forces goes before it.
 */
#include <stdio.h>
#include <string.h>

#include "control/session/hook.h"
#include "control/session/params.h"
#include "control/session/program.h"

static const char *const request[] = {[HELPER_RUN_SHELL] = "shell",
				      [HELPER_RUN_EXEC] = "exec",
				      [HELPER_RUN_SUBSYSTEM] = "subsystem"};

bool program_handled(const struct session *s)
{
	const struct conf_session *c = &s->awake->conf;

	return gate_handler(s) != NULL || conf_handler_any(c, "session/");
}

bool program_handler_for(const struct program *p, enum helper_run kind, struct ssh_str what,
			 char ret[CONF_SOCKET_MAX])
{
	const struct session *s = p->session;
	const char *given = gate_handler(s) != NULL ? gate_handler(s) : p->given;
	char name[sizeof("subsystem:") + SSH_SUBSYSTEM_MAX];

	if (s->grant.command != NULL || s->awake->conf.force_command != NULL)
		return false;
	if (given != NULL) {
		snprintf(ret, CONF_SOCKET_MAX, "%s", given);
		return true;
	}
	if (kind == HELPER_RUN_SUBSYSTEM)
		snprintf(name, sizeof(name), "subsystem:%.*s", (int)what.len, (const char *)what.p);
	else
		snprintf(name, sizeof(name), "%s", request[kind]);
	return conf_handler_for(&s->awake->conf, "session", name, ret);
}

static json_t *env_list(const struct program *p)
{
	json_t *list = json_array();
	struct ssh_rd rd;

	ssh_rd_init(&rd, p->env_len > 0 ? p->env : (const uint8_t *)"", p->env_len);
	while (rd.p < rd.end) {
		struct ssh_str name = ssh_rd_str(&rd), value = ssh_rd_str(&rd);
		struct hook_req e = {.o = json_object()};

		e.bad = e.o == NULL || rd.bad;
		hook_req_text(&e, "name", name);
		hook_req_text(&e, "value", value);
		if (e.bad || json_array_append_new(list, e.o) < 0) {
			if (e.bad)
				json_decref(e.o);
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static void on_says(void *arg, const struct handler_line *l)
{
	struct program *p = arg;

	if (!p->finished)
		handled_says(&p->handled, l);
}

/* From here on it is like any other. */
static void on_resumed(void *arg)
{
	struct program *p = arg;

	p->kept = false;
	if (p->size.columns > 0) /* it was changed meanwhile */
		program_handler_size(p);
}

static const struct handler_ops handler_ops = {&program_ops, on_says, on_resumed};

int program_handler_start(struct program *p, const char *path, enum helper_run kind,
			  struct ssh_str what)
{
	struct session *s = p->session;
	struct handler_env env;
	struct hook_req r;

	if (s->table->env->hooks == NULL)
		return -ENXIO;
	p->asked = kind;
	env = hooks_env(s->table->env->hooks);
	env.start_ms = s->awake->conf.operation_timeout.ms;
	hook_about(s, "channel", &r);
	hook_req_text(&r, "type", ssh_str_c("session"));
	hook_req_int(&r, "number", p->open->local_channel);
	hook_req_int(&r, "peer", p->open->peer_channel);
	hook_req_text(&r, "request", ssh_str_c(request[kind]));
	if (kind == HELPER_RUN_EXEC)
		hook_req_text(&r, "command", what);
	else if (kind == HELPER_RUN_SUBSYSTEM)
		hook_req_text(&r, "name", what);
	if (p->tty) {
		hook_req_text(&r, "term", ssh_str_c(p->term));
		params_size(&r, &p->size);
		hook_req_bytes(&r, "modes", p->modes, p->modes_len);
	}
	hook_req_json(&r, "env", env_list(p));
	return handler_call(&env, path, &r, &handler_ops, p, &p->handled.call);
}

int program_handler_resume(struct program *p)
{
	return handled_resume(&p->handled, &handler_ops, p);
}

bool program_handler_hears(struct program *p, const struct ssh_chan_request *m)
{
	if (p->handled.call == NULL || p->state != PROGRAM_RUNS ||
	    ssh_session_request_find(m->type) != 0)
		return false;
	handled_asked(&p->handled, m, true);
	return true;
}

void program_handler_started(struct program *p)
{
	struct hook_req r;

	if (p->handled.call == NULL)
		return;
	hook_req_begin(&r, "request");
	hook_req_text(&r, "request", ssh_str_c(request[p->asked]));
	hook_req_bool(&r, "accepted", true);
	handler_tell(p->handled.call, &r);
	handled_place_keep(&p->handled, false);
}

void program_reply(struct open *o, bool ok)
{
	if (o->program->handled.call != NULL)
		handler_tell_reply(o->program->handled.call, ok);
}

void program_unsaid(struct open *o, uint64_t id)
{
	handled_unsaid(&o->program->handled, id);
}

void program_handler_signal(struct program *p, struct ssh_str name)
{
	struct hook_req r;

	hook_req_begin(&r, "request");
	hook_req_text(&r, "request", ssh_str_c("signal"));
	hook_req_text(&r, "signal", name);
	handler_tell(p->handled.call, &r);
}

void program_handler_size(struct program *p)
{
	struct hook_req r;

	hook_req_begin(&r, "request");
	hook_req_text(&r, "request", ssh_str_c("window-change"));
	params_size(&r, &p->size);
	handler_tell(p->handled.call, &r);
}

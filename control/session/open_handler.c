/*
 * control/session/open_handler.c - ChannelHandler: channels of other types than session that are a
 * program's of the operator's: a type of his own, or a tunnel to a target he names.
 */
#include <stdio.h>
#include <string.h>

#include "control/session/handled_chan.h"
#include "control/session/hook.h"
#include "control/session/judge.h"
#include "ssh/chan.h"

/* What it is asked for, for people and rules. */
struct target {
	struct ssh_str host; /* or the path of a socket, or its type */
	uint16_t port;       /* 0: it is no direct-tcpip */
	bool socket;         /* it is direct-streamlocal@openssh.com */
	char name[SSH_HOST_MAX + 8];
};

static bool target_of(const struct ssh_chan_open *m, struct target *ret)
{
	struct ssh_direct_tcpip d;
	struct ssh_rd r;

	*ret = (struct target){.host = m->type};
	ssh_rd_init(&r, m->rest.p, m->rest.len);
	ret->socket = ssh_str_eq(m->type, "direct-streamlocal@openssh.com");
	if (ret->socket)
		return ssh_direct_streamlocal_parse(&r, &ret->host) == 0;
	if (!ssh_str_eq(m->type, "direct-tcpip"))
		return true;
	if (ssh_direct_tcpip_parse(&r, &d) < 0)
		return false;
	ret->host = d.host;
	ret->port = d.port;
	snprintf(ret->name, sizeof(ret->name), "%.*s:%u", (int)d.host.len, (const char *)d.host.p,
		 d.port);
	return true;
}

static bool handler_of(const struct session *s, const struct ssh_chan_open *m,
		       const struct target *t, char ret[CONF_SOCKET_MAX])
{
	char type[SSH_TYPE_MAX + 1];

	if (gate_handler(s) != NULL) {
		snprintf(ret, CONF_SOCKET_MAX, "%s", gate_handler(s));
		return true;
	}
	memcpy(type, m->type.p, m->type.len);
	type[m->type.len] = '\0';
	return conf_handler_for(&s->awake->conf, type, t->name, ret);
}

/* A type of the operator's own is as much as a tunnel, and none that stands beside a forced
 * command. */
static bool may_have_own(const struct session *s)
{
	const struct conf_session *conf = &s->awake->conf;

	return !conf->disable_forwarding && s->grant.port_forwarding && s->grant.command == NULL &&
	       conf->force_command == NULL;
}

/* A tunnel has to be one the login may ask for, wherever it ends. */
static bool may(const struct session *s, const struct target *t, struct open *o)
{
	struct judge_words words = {.rule = "ChannelHandler"};
	bool ok;

	if (t->socket)
		ok = judge_socket(s, o->host, &words);
	else if (t->name[0] != '\0')
		ok = judge_name(s, o->host, t->port, &words);
	else
		ok = may_have_own(s);
	if (ok)
		open_allowed(o, words.rule);
	return ok;
}

bool open_handled(struct session *s, const struct ssh_chan_open *m)
{
	char path[CONF_SOCKET_MAX];
	struct target t;
	struct open *o;

	if (ssh_str_eq(m->type, "session") || !target_of(m, &t) || !handler_of(s, m, &t, path))
		return false;
	o = open_new(s, m, t.host, t.port);
	if (o == NULL)
		return true;
	o->own_type = !t.socket && t.port == 0;
	if (may(s, &t, o))
		handled_chan_begin(o, path, m->rest);
	else
		open_refuse(s, o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, "not permitted");
	return true;
}

/*
 * control/session/login_command.c - AuthorizedPrincipalsCommand and AuthorizedKeysCommand: what
 * programs know about a key, asked when the files do not let it in. They run in a child of
 * sluice-helper, which knows what they are; what they wrote is looked through where files are.
 *
 * Source  sshd_config(5), both keywords and TOKENS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"

/* Whatever stands in it: a NUL does not end it. */
static char *copy(const char *data, size_t len)
{
	char *to = malloc(len + 1);

	if (to != NULL) {
		memcpy(to, data, len);
		to[len] = '\0';
	}
	return to;
}

/* One of them, and whether the configuration has it. */
struct program {
	const char *keyword;
	enum helper_entry entry;
	bool there;
};

static struct program program_of(const struct session *s, enum login_program which)
{
	const struct conf_session *c = &s->awake->conf;

	if (which == LOGIN_PRINCIPALS)
		return (struct program){"AuthorizedPrincipalsCommand", HELPER_AUTHORIZED_PRINCIPALS,
					c->authorized_principals_command.n > 0};
	return (struct program){"AuthorizedKeysCommand", HELPER_AUTHORIZED_KEYS,
				c->authorized_keys_command.n > 0};
}

/* One that fails has said nothing. */
static void on_done(void *arg, const struct helper_done *d, const char *data, size_t len)
{
	struct session *s = arg;
	struct login *l = &s->awake->login;
	bool ok = d->result == HELPER_OK;
	char *text = copy(data, ok ? len : 0);

	if (!ok)
		session_log(s, LOG_L_ERROR, "%s for %.100s: %.*s", program_of(s, l->asking).keyword,
			    session_user(s), (int)d->text.len, (const char *)d->text.p);
	helper_call_end(l->command);
	l->command = NULL;
	if (text == NULL || login_look_through(s, l->asking, text, ok ? len : 0) < 0)
		login_reject(s);
	session_pump(s);
}

/* --- the call --------------------------------------------------------------------------------- */

/* The first, where steps of one login have named several. */
static const char *session_role(const struct awake *a)
{
	const char *m = a->marks != NULL ? a->marks : "";

	while (*m != '\0' && *m != CONF_MARK_ROLE)
		m += strlen(m) + 1;
	return *m != '\0' ? m + 1 : "";
}

struct helper_job login_about(const struct session *s, uint32_t time_ms)
{
	const struct awake *a = s->awake;

	return (struct helper_job){.user = ssh_str_c(session_user(s)),
				   .peer = ssh_str_c(a->peer_addr),
				   .local = ssh_str_c(a->local_addr),
				   .peer_port = s->peer.port,
				   .local_port = s->local.port,
				   .version = ssh_str_c(a->version != NULL ? a->version : ""),
				   .host = ssh_str_c(a->peer_name != NULL ? a->peer_name : ""),
				   .role = ssh_str_c(session_role(a)),
				   .rdomain = ssh_str_c(a->rdomain),
				   .invalid_user = a->invalid_user,
				   .time_ms = time_ms,
				   .mark = conf_mark(a->conf.conf)};
}

static int ask(struct session *s, const struct program *p)
{
	static const struct helper_ops ops = {NULL, on_done};
	struct session_env *env = s->table->env;
	struct helper_command m = {.job = login_about(s, COMMAND_MS), .entry = p->entry};
	uint8_t *frame = malloc(HELPER_FRAME_MAX + 4);
	size_t len;
	int r = -ENOMEM;

	m.key.p = key_blob(s->awake->login.auth.key, &len);
	m.key.len = (uint32_t)len;
	if (frame != NULL)
		r = env->helper == NULL
			    ? -ENXIO
			    : helper_call(env->helper, frame, helper_command_build(frame, &m), &ops,
					  s, &s->awake->login.command);
	free(frame);
	if (r < 0)
		session_log(s, LOG_L_ERROR, "%s for %.100s: error %d", p->keyword, session_user(s),
			    -r);
	return r;
}

/*
 * Principals are of certificates by an authority of the operator's: what a stranger has written
 * into one of his own is told nobody.
 */
static bool may_know(const struct session *s, enum login_program which)
{
	return which != LOGIN_PRINCIPALS || s->awake->login.certified;
}

int login_ask_program(struct session *s)
{
	struct login *l = &s->awake->login;

	while (++l->asking < LOGIN_PROGRAMS) {
		struct program p = program_of(s, l->asking);

		if (p.there && may_know(s, l->asking) && ask(s, &p) == 0)
			return 0;
	}
	return -ENOENT;
}

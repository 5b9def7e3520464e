/*
 * control/session/login_command.c - AuthorizedKeysCommand: keys that a program knows, asked when
 * the files do not have the key. The program runs in a child of sluice-helper; what it wrote is
 * looked through where files are.
 *
 * Source  sshd_config(5), AuthorizedKeysCommand, TOKENS.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"
#include "crypto/base64.h"

#define COMMAND_ARG_MAX 16384

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

static void on_done(void *arg, const struct helper_done *d, const char *data, size_t len)
{
	struct session *s = arg;
	struct login *l = &s->awake->login;
	char *text = NULL;

	if (d->result == HELPER_OK)
		text = copy(data, len);
	else
		session_log(s, LOG_L_ERROR, "AuthorizedKeysCommand for %.100s: %.*s",
			    session_user(s), (int)d->text.len, (const char *)d->text.p);
	helper_call_end(l->command);
	l->command = NULL;
	if (text == NULL || login_look_through(s, text, len) < 0)
		login_lost(s);
	session_pump(s);
}

/* --- tokens ----------------------------------------------------------------------------------- */

static int key_text(const struct key *k, char *buf, size_t size)
{
	size_t len;
	const uint8_t *blob = key_blob(k, &len);

	if (base64_len(len) >= size)
		return -ENAMETOOLONG;
	base64_encode(blob, len, buf);
	buf[base64_len(len)] = '\0';
	return 0;
}

/* What a token stands for, in buf. */
static int token(const struct session *s, char which, char *buf, size_t size)
{
	const struct awake *a = s->awake;
	const struct key *key = a->login.auth.key;
	int n = 0;

	switch (which) {
	case '%':
		n = snprintf(buf, size, "%%");
		break;
	case 'u':
		n = snprintf(buf, size, "%s", session_user(s));
		break;
	case 'h':
		n = snprintf(buf, size, "%s", a->login.home != NULL ? a->login.home : "");
		break;
	case 'U':
		n = snprintf(buf, size, "%" PRIu32, a->login.uid);
		break;
	case 'C':
		n = snprintf(buf, size, "%s %u %s %u", a->peer_addr, s->peer.port, a->local_addr,
			     s->local.port);
		break;
	case 'D': /* there are no routing domains here */
		buf[0] = '\0';
		break;
	case 'f':
		return key_fingerprint(key, buf, size);
	case 't':
		n = snprintf(buf, size, "%s", key_type(key));
		break;
	case 'k':
		return key_text(key, buf, size);
	default:
		return -EINVAL;
	}
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int expand(const struct session *s, const char *template, char *buf, size_t size)
{
	size_t used = 0;

	for (const char *p = template; *p != '\0'; p++) {
		if (used + 1 >= size)
			return -ENAMETOOLONG;
		if (*p != '%') {
			buf[used++] = *p;
		} else {
			int r = token(s, *++p, buf + used, size - used);

			if (r < 0)
				return r;
			used += strlen(buf + used);
		}
	}
	buf[used] = '\0';
	return 0;
}

/* --- the call
 * -------------------------------------------------------------------------------------- */

/* Without arguments it is given the user's name, as by sshd. */
static int args_make(const struct session *s, struct helper_command *m, char *room)
{
	const struct conf_strs *c = &s->awake->conf.authorized_keys_command;
	int r = 0;

	for (m->argc = 0; r == 0 && m->argc < c->n && m->argc < HELPER_ARGS_MAX; m->argc++) {
		char *arg = room + (size_t)m->argc * COMMAND_ARG_MAX;

		r = expand(s, c->v[m->argc], arg, COMMAND_ARG_MAX);
		m->argv[m->argc] = ssh_str_c(arg);
	}
	if (r == 0 && c->n == 1)
		m->argv[m->argc++] = ssh_str_c(session_user(s));
	return r;
}

int login_ask_command(struct session *s)
{
	static const struct helper_ops ops = {NULL, on_done};
	struct session_env *env = s->table->env;
	const struct conf_session *c = &s->awake->conf;
	const char *runs_as = c->authorized_keys_command_user;
	struct helper_command m = {.job = {ssh_str_c(runs_as != NULL ? runs_as : ""),
					   ssh_str_c(s->awake->peer_addr), COMMAND_MS}};
	char *room = malloc((c->authorized_keys_command.n + 1) * COMMAND_ARG_MAX);
	uint8_t *frame = malloc(HELPER_FRAME_MAX + 4);
	int r = -ENOMEM;

	if (room != NULL && frame != NULL)
		r = env->helper != NULL && runs_as != NULL ? args_make(s, &m, room) : -ENOENT;
	if (r == 0)
		r = helper_call(env->helper, frame, helper_command_build(frame, &m), &ops, s,
				&s->awake->login.command);
	free(frame);
	free(room);
	if (r < 0)
		session_log(s, LOG_L_ERROR, "AuthorizedKeysCommand for %.100s: error %d",
			    session_user(s), -r);
	return r;
}

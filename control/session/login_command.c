/*
 * control/session/login_command.c - AuthorizedPrincipalsCommand and AuthorizedKeysCommand: what
 * programs know about a key, asked when the files do not let it in. They run in a child of
 * sluice-helper; what they wrote is looked through where files are.
 *
 * Source  sshd_config(5), both keywords and TOKENS.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"
#include "crypto/base64.h"
#include "crypto/cert.h"

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

/* What the configuration says of one. */
struct program {
	const char *keyword;
	const struct conf_strs *argv;
	const char *user; /* whom it runs as; NULL: then it does not run */
};

static struct program program_of(const struct session *s, enum login_program which)
{
	const struct conf_session *c = &s->awake->conf;

	if (which == LOGIN_PRINCIPALS)
		return (struct program){"AuthorizedPrincipalsCommand",
					&c->authorized_principals_command,
					c->authorized_principals_command_user};
	return (struct program){"AuthorizedKeysCommand", &c->authorized_keys_command,
				c->authorized_keys_command_user};
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
	const struct cert *cert = key_cert(key); /* there is one where its tokens are taken */
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
	case 'F':
		return key_fingerprint(cert->ca, buf, size);
	case 'T':
		n = snprintf(buf, size, "%s", key_type(cert->ca));
		break;
	case 'K':
		return key_text(cert->ca, buf, size);
	case 'i':
		n = snprintf(buf, size, "%s", cert->key_id);
		break;
	case 's':
		n = snprintf(buf, size, "%" PRIu64, cert->serial);
		break;
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

/* --- the call -------------------------------------------------------------------- */

/* Without arguments it is given the user's name, as by sshd. */
static int args_make(const struct session *s, const struct conf_strs *argv,
		     struct helper_command *m, char *room)
{
	int r = 0;

	for (m->argc = 0; r == 0 && m->argc < argv->n && m->argc < HELPER_ARGS_MAX; m->argc++) {
		char *arg = room + (size_t)m->argc * COMMAND_ARG_MAX;

		r = expand(s, argv->v[m->argc], arg, COMMAND_ARG_MAX);
		m->argv[m->argc] = ssh_str_c(arg);
	}
	if (r == 0 && argv->n == 1)
		m->argv[m->argc++] = ssh_str_c(session_user(s));
	return r;
}

static int ask(struct session *s, const struct program *p)
{
	static const struct helper_ops ops = {NULL, on_done};
	struct session_env *env = s->table->env;
	struct helper_command m = {.job = {ssh_str_c(p->user != NULL ? p->user : ""),
					   ssh_str_c(s->awake->peer_addr), COMMAND_MS}};
	char *room = malloc((p->argv->n + 1) * COMMAND_ARG_MAX);
	uint8_t *frame = malloc(HELPER_FRAME_MAX + 4);
	int r = -ENOMEM;

	if (room != NULL && frame != NULL)
		r = env->helper != NULL && p->user != NULL ? args_make(s, p->argv, &m, room)
							   : -ENXIO;
	if (r == 0)
		r = helper_call(env->helper, frame, helper_command_build(frame, &m), &ops, s,
				&s->awake->login.command);
	free(frame);
	free(room);
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

		if (p.argv->n > 0 && may_know(s, l->asking) && ask(s, &p) == 0)
			return 0;
	}
	return -ENOENT;
}

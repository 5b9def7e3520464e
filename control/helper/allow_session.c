/*
 * control/helper/allow_session.c - may this user have a session, and what does it run?
 *
 * Source  sshd_config(5), ForceCommand, Subsystem, ChrootDirectory; sshd(8), command=.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"
#include "control/auth/user.h"
#include "control/helper/allow.h"
#include "control/service/env.h"

#define CONSOLE       "internal-console"
#define SFTP_INTERNAL "internal-sftp"
#define SFTP_ALONE    "This service allows sftp connections only.\r\n"

static char *text_of(struct ssh_str s)
{
	return strndup((const char *)s.p, s.len);
}

/* AllowUsers, DenyUsers; AllowGroups and DenyGroups where they are there. */
static bool lists_allow(const struct allow *a, const char *peer, const char *host)
{
	struct user_lookup l = {.name_ok = true, .only_account = true, .want_groups = true};
	struct conf_strs groups;
	bool ok;

	if (!conf_user_allowed(&a->conf, a->user, host, peer))
		return false;
	if (a->conf.allow_groups.n == 0 && a->conf.deny_groups.n == 0)
		return true;
	strcpy(l.user, a->user);
	user_lookup_run(&l);
	groups = (struct conf_strs){(const char *const *)l.groups, l.n_groups};
	ok = !l.lost && conf_groups_allowed(&a->conf, &groups);
	user_lookup_fini(&l);
	return ok;
}

static const char *lists_refuse(const struct allow *a, const struct helper_job *job)
{
	char peer[HELPER_ADDR_MAX + 1], host[SSH_HOST_MAX + 1];

	snprintf(peer, sizeof(peer), "%.*s", (int)job->peer.len, (const char *)job->peer.p);
	snprintf(host, sizeof(host), "%.*s", (int)job->host.len, (const char *)job->host.p);
	return lists_allow(a, peer, host[0] != '\0' ? host : NULL)
		       ? NULL
		       : "AllowUsers, DenyUsers, AllowGroups or DenyGroups do not allow it";
}

const char *allow_login(const struct allow *a, const struct helper_job *job, bool forced)
{
	const struct conf_session *c = &a->conf;
	const char *no;

	if (!a->name_ok || !a->account.known)
		return "no such user";
	no = lists_refuse(a, job);
	if (no != NULL)
		return no;
	if (a->account.uid == 0 && c->permit_root_login == CONF_ROOT_NO)
		return "PermitRootLogin does not allow it";
	if (a->account.uid == 0 && c->permit_root_login == CONF_ROOT_COMMANDS && !forced)
		return "PermitRootLogin allows forced commands alone";
	return NULL;
}

const char *allow_guest(const struct allow *a, const struct helper_job *job)
{
	if (!a->name_ok)
		return "no such user";
	return a->account.known ? allow_login(a, job, true) : lists_refuse(a, job);
}

static const char *refusal(const struct allow *a, const struct helper_session *m)
{
	const char *no;

	if (a->conf.permit_session == CONF_SESSIONS_NO)
		return "PermitSession does not allow it";
	no = allow_login(a, &m->job, m->forced);
	if (no != NULL)
		return no;
	if (m->tty && !a->conf.permit_tty)
		return "PermitTTY does not allow a terminal";
	return NULL;
}

/* Does a line name this built-in service? Then what stands behind the name, or "". */
static const char *builtin_rest(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0 || (line[n] != '\0' && line[n] != ' '))
		return NULL;
	return line + n + strspn(line + n, " ");
}

/* What the operator or a key names: services that are built in are programs of their own here. */
static int named(const char *line, bool subsystem, struct allow_session *s)
{
	const char *rest;

	if ((rest = builtin_rest(line, CONSOLE)) != NULL) {
		s->console = true;
		if (*rest == '\0')
			return 0;
		s->command = strdup(rest);
	} else if ((rest = builtin_rest(line, SFTP_INTERNAL)) != NULL) {
		/* As with sshd who is forced to it is told, where that is not what he asks for. */
		s->sftp = subsystem;
		s->refusal = subsystem ? NULL : SFTP_ALONE;
		s->command = strdup(rest);
	} else {
		s->command = strdup(line);
	}
	return s->command != NULL ? 0 : -ENOMEM;
}

/* What was asked for, as a command line; NULL: a shell. -EPERM: there is no such subsystem. */
static int asked_find(const struct allow *a, const struct helper_session *m, char **ret)
{
	char *text = NULL, *name;
	const char *line;

	if (m->kind == HELPER_RUN_EXEC) {
		text = text_of(m->command);
	} else if (m->kind == HELPER_RUN_SUBSYSTEM) {
		name = text_of(m->command);
		line = name != NULL ? conf_subsystem(&a->conf, name) : NULL;
		if (name != NULL && line == NULL) {
			free(name);
			return -EPERM;
		}
		text = name != NULL ? strdup(line) : NULL;
		free(name);
	}
	*ret = text;
	return text != NULL || m->kind == HELPER_RUN_SHELL ? 0 : -ENOMEM;
}

/* Who has no shell to speak of, by his account. */
static bool shell_is_console(const struct allow *a)
{
	const struct conf_strs *shells = &a->conf.console_shells;
	const struct passwd *pw = shells->n > 0 ? getpwnam(a->user) : NULL;

	for (size_t i = 0; pw != NULL && i < shells->n; i++)
		if (match_pattern(env_shell(pw), shells->v[i]))
			return true;
	return false;
}

/* In place of a shell; of one that was forced to something the console asks for nothing. */
static int console_find(const struct allow *a, const struct helper_session *m,
			struct allow_session *s)
{
	bool alone = a->conf.permit_session == CONF_SESSIONS_CONSOLE;

	if (s->console && s->forced && s->command == NULL) {
		s->command = s->original;
		s->original = NULL;
	}
	if (s->console || (!alone && !shell_is_console(a)))
		return 0;
	if (s->forced || m->kind == HELPER_RUN_SUBSYSTEM)
		return alone ? -EACCES : 0;
	s->console = true;
	return 0;
}

/* ForceCommand goes before the key's, and either before what was asked for. */
static int command_find(const struct allow *a, const struct helper_session *m,
			struct allow_session *s)
{
	const char *line = a->conf.force_command;
	char *asked, *key = NULL;
	int r = asked_find(a, m, &asked);

	if (r < 0)
		return r;
	s->forced = line != NULL || m->forced;
	if (!s->forced && m->kind != HELPER_RUN_SUBSYSTEM) {
		s->command = asked;
		return 0;
	}
	if (!s->forced)
		line = asked;
	else if (line == NULL)
		line = key = text_of(m->forced_command);
	r = line != NULL ? named(line, m->kind == HELPER_RUN_SUBSYSTEM, s) : -ENOMEM;
	free(key);
	if (s->forced)
		s->original = asked;
	else
		free(asked);
	return r;
}

static int chroot_find(const struct allow *a, struct allow_session *s)
{
	char path[PATH_MAX];

	if (a->conf.chroot_directory == NULL)
		return 0;
	if (conf_path_expand(a->conf.chroot_directory, a->user, a->account.home, path,
			     sizeof(path)) < 0)
		return -EPERM;
	s->chroot = strdup(path);
	return s->chroot != NULL ? 0 : -ENOMEM;
}

int allow_session(const struct allow *a, const struct helper_session *m, struct allow_session *ret,
		  char *why, size_t size)
{
	struct allow_session s = {0};
	const char *no = refusal(a, m);
	int r = no != NULL ? -EPERM : 0;

	if (r == 0) {
		r = command_find(a, m, &s);
		no = "there is no such subsystem";
	}
	if (r == 0) {
		r = console_find(a, m, &s);
		no = "PermitSession allows the console alone";
	}
	if (r == 0) {
		r = chroot_find(a, &s);
		no = "ChrootDirectory cannot be told";
	}
	/* The console starts nothing that would use them, and what they start would be the user's. */
	s.agent = m->agent && !s.console && a->conf.agent_forwarding && !a->conf.disable_forwarding;
	s.x11 = m->x11 && !s.console && a->conf.x11_forwarding && !a->conf.disable_forwarding;
	/* As with sshd neither a subsystem nor what the operator forces has it. */
	s.user_rc = m->user_rc && !s.console && a->conf.permit_user_rc &&
		    a->conf.force_command == NULL && m->kind != HELPER_RUN_SUBSYSTEM;
	if (r < 0) {
		snprintf(why, size, "%s", r == -ENOMEM ? "no memory" : no);
		allow_session_fini(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void allow_session_fini(struct allow_session *s)
{
	free(s->command);
	free(s->original);
	free(s->chroot);
	*s = (struct allow_session){0};
}

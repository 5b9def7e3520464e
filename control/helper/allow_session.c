/*
 * control/helper/allow_session.c - may this user have a session, and what does it run?
 *
 * Source  sshd_config(5), ForceCommand, Subsystem, ChrootDirectory; sshd(8), command=.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/user.h"
#include "control/helper/allow.h"

#define SFTP_INTERNAL "internal-sftp"
#define SFTP_SERVER   "/usr/lib/openssh/sftp-server"

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

static const char *refusal(const struct allow *a, const struct helper_session *m)
{
	const struct conf_session *c = &a->conf;
	char peer[HELPER_ADDR_MAX + 1], host[SSH_HOST_MAX + 1];

	if (!c->permit_session)
		return "PermitSession does not allow it";
	if (!a->name_ok || !a->account.known)
		return "no such user";
	snprintf(peer, sizeof(peer), "%.*s", (int)m->job.peer.len, (const char *)m->job.peer.p);
	snprintf(host, sizeof(host), "%.*s", (int)m->job.host.len, (const char *)m->job.host.p);
	if (!lists_allow(a, peer, host[0] != '\0' ? host : NULL))
		return "AllowUsers, DenyUsers, AllowGroups or DenyGroups do not allow it";
	if (a->account.uid == 0 && c->permit_root_login == CONF_ROOT_NO)
		return "PermitRootLogin does not allow it";
	if (a->account.uid == 0 && c->permit_root_login == CONF_ROOT_COMMANDS && !m->forced)
		return "PermitRootLogin allows forced commands alone";
	if (m->tty && !c->permit_tty)
		return "PermitTTY does not allow a terminal";
	return NULL;
}

/* One that sshd has inside is the packaged program here. */
static char *sftp_named(const char *line)
{
	size_t n = strlen(SFTP_INTERNAL);
	char *text;

	if (strncmp(line, SFTP_INTERNAL, n) != 0 || (line[n] != '\0' && line[n] != ' '))
		return strdup(line);
	return asprintf(&text, SFTP_SERVER "%s", line + n) < 0 ? NULL : text;
}

/* The command of a forced one, a subsystem, or what was asked for. */
static int command_find(const struct allow *a, const struct helper_session *m,
			struct allow_session *s)
{
	char *asked = text_of(m->command);
	const char *line = a->conf.force_command;
	int r = asked != NULL ? 0 : -ENOMEM;

	if (r == 0 && m->kind == HELPER_RUN_SUBSYSTEM && line == NULL && !m->forced) {
		line = conf_subsystem(&a->conf, asked);
		if (line == NULL)
			r = -EPERM;
		else if ((s->command = sftp_named(line)) == NULL)
			r = -ENOMEM;
	} else if (r == 0 && (line != NULL || m->forced)) {
		char *key = text_of(m->forced_command);

		s->forced = true;
		s->command = line != NULL ? sftp_named(line) : key != NULL ? sftp_named(key) : NULL;
		free(key);
		if (s->command == NULL)
			r = -ENOMEM;
		if (m->kind == HELPER_RUN_EXEC || m->kind == HELPER_RUN_SUBSYSTEM) {
			s->original = asked;
			asked = NULL;
		}
	} else if (r == 0 && m->kind == HELPER_RUN_EXEC) {
		s->command = asked;
		asked = NULL;
	}
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
		r = chroot_find(a, &s);
		no = "ChrootDirectory cannot be told";
	}
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

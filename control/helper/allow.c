#include "control/helper/allow.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/rule.h"
#include "control/auth/user.h"

static void text_copy(char *to, size_t size, struct ssh_str s)
{
	size_t n = s.len < size ? s.len : size - 1;

	if (n > 0)
		memcpy(to, s.p, n);
	to[n] = '\0';
}

/* The account and, where a Match goes by them, the names of its groups. */
static int user_find(struct conf *conf, struct allow *a, struct user_lookup *l)
{
	account_find(a->user, &a->account);
	if (a->account.lost)
		return -EIO;
	if (!conf_matches_about(conf, CONF_ABOUT_GROUP))
		return 0;
	strcpy(l->user, a->user);
	l->name_ok = l->only_account = l->want_groups = true;
	user_lookup_run(l);
	return l->lost ? -EIO : 0;
}

int allow_find(struct conf *conf, const struct helper_job *job, struct allow *ret)
{
	return allow_find_dest(conf, job, NULL, ret);
}

int allow_find_dest(struct conf *conf, const struct helper_job *job, const struct conf_dest *dest,
		    struct allow *ret)
{
	char peer[HELPER_ADDR_MAX + 1], local[HELPER_ADDR_MAX + 1], version[HELPER_TEXT_MAX];
	char host[SSH_HOST_MAX + 1], role[1 + CONF_ROLE_MAX + 2] = {CONF_MARK_ROLE};
	char rdomain[CONF_RDOMAIN_MAX + 1];
	struct user_lookup l = {0};
	struct conf_strs groups;
	struct conf_match_ctx ctx = {.user = ret->user,
				     .addr = peer,
				     .laddr = local,
				     .lport = job->local_port,
				     .rdomain = rdomain,
				     .groups = &groups,
				     .dest = dest,
				     .invalid_user = job->invalid_user};
	int r = 0;

	*ret = (struct allow){.account.uid = (uid_t)-1};
	text_copy(ret->user, sizeof(ret->user), job->user);
	text_copy(peer, sizeof(peer), job->peer);
	text_copy(local, sizeof(local), job->local);
	text_copy(version, sizeof(version), job->version);
	text_copy(host, sizeof(host), job->host);
	text_copy(role + 1, CONF_ROLE_MAX + 1, job->role);
	text_copy(rdomain, sizeof(rdomain), job->rdomain);
	if (host[0] != '\0')
		ctx.host = host;
	if (role[1] != '\0')
		ctx.marks = role; /* one, and an empty one behind it */
	if (version[0] != '\0')
		ctx.client_version = version;
	ret->name_ok = user_name_ok(job->user.p, job->user.len);
	if (ret->name_ok)
		r = user_find(conf, ret, &l);
	groups = (struct conf_strs){(const char *const *)l.groups, l.n_groups};
	if (r == 0)
		r = conf_session_for(conf, &ctx, &ret->conf);
	user_lookup_fini(&l);
	return r;
}

void allow_fini(struct allow *a)
{
	conf_session_fini(&a->conf);
}

int allow_pam(const struct allow *a, const char **ret)
{
	if (!a->conf.use_pam)
		return -EPERM;
	*ret = a->conf.pam_service_name;
	return 0;
}

int allow_program(const struct allow *a, enum helper_entry entry, struct allow_program *ret)
{
	const struct conf_session *c = &a->conf;
	struct allow_program p = {&c->authorized_keys_command, c->authorized_keys_command_user};

	if (entry == HELPER_AUTHORIZED_PRINCIPALS)
		p = (struct allow_program){&c->authorized_principals_command,
					   c->authorized_principals_command_user};
	if (!a->name_ok || p.argv->n == 0 || p.user == NULL)
		return -EPERM;
	*ret = p;
	return 0;
}

/* What IgnoreRhosts and IgnoreUserKnownHosts leave; NULL: nothing. */
static const char *hostbased_file(const struct conf_session *c, uint32_t index)
{
	bool read = false;

	if (!c->hostbased_authentication)
		return NULL;
	if (index == HELPER_SHOSTS)
		read = c->ignore_rhosts != CONF_RHOSTS_IGNORED;
	else if (index == HELPER_RHOSTS)
		read = c->ignore_rhosts == CONF_RHOSTS_READ;
	else if (index == HELPER_KNOWN_HOSTS || index == HELPER_KNOWN_HOSTS2)
		read = !conf_global(c->conf)->ignore_user_known_hosts;
	return read ? helper_hostbased_name(index) : NULL;
}

int allow_file(const struct allow *a, enum helper_entry entry, uint32_t index, char *buf,
	       size_t size)
{
	const struct conf_session *c = &a->conf;
	const char *template = NULL;

	if (entry == HELPER_AUTHORIZED_PRINCIPALS && index == 0)
		template = c->authorized_principals_file;
	else if (entry == HELPER_AUTHORIZED_KEYS && index < c->authorized_keys_files.n)
		template = c->authorized_keys_files.v[index];
	else if (entry == HELPER_HOSTBASED)
		template = hostbased_file(c, index);
	if (template == NULL || !a->name_ok || !a->account.known)
		return -EPERM;
	return conf_path_expand(template, a->user, a->account.home, buf, size) < 0 ? -EPERM : 0;
}

/* --- paths --------------------------------------------------------------------------------- */

static bool ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static bool others_write(const struct stat *st)
{
	return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

bool allow_path_safe(const char *path)
{
	char real[PATH_MAX], *slash;
	struct stat st;

	if (realpath(path, real) == NULL || stat(real, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !ours(&st) || others_write(&st))
		return false;
	while ((slash = strrchr(real, '/')) != NULL) {
		bool top = slash == real;

		slash[top] = '\0';
		/* In root's sticky folders, as /tmp is, what lies there stays its owner's. */
		if (stat(real, &st) < 0 || !ours(&st) ||
		    (others_write(&st) && ((st.st_mode & S_ISVTX) == 0 || st.st_uid != 0)))
			return false;
		if (top)
			return true;
	}
	return false;
}

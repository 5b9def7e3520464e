/*
 * control/helper/session_pam.c - PAM's account and session of who is let in already.
 *
 * Source  pam_open_session(3), pam_setcred(3); sshd's order: account, credentials, session.
 *
 * What modules set of this process (limits, login uid, mask) the program inherits; what they say
 * it is told first.
 */
#include <errno.h>
#include <grp.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/helper/session.h"

void session_welcome_add(struct run *r, const char *text)
{
	size_t room = sizeof(r->welcome) - r->welcome_len;
	int n = snprintf(r->welcome + r->welcome_len, room, "%s\n", text);

	if (n > 0 && (size_t)n < room)
		r->welcome_len += (size_t)n;
	else
		r->welcome[r->welcome_len] = '\0';
}

/* Nobody is there to answer a question. */
static int converse(int n, const struct pam_message **msg, struct pam_response **ret, void *arg)
{
	struct pam_response *reply;

	for (int i = 0; i < n; i++)
		if (msg[i]->msg_style != PAM_TEXT_INFO && msg[i]->msg_style != PAM_ERROR_MSG)
			return PAM_CONV_ERR;
	reply = n > 0 && n <= PAM_MAX_NUM_MSG ? calloc((size_t)n, sizeof(*reply)) : NULL;
	if (reply == NULL)
		return PAM_CONV_ERR;
	for (int i = 0; i < n; i++)
		session_welcome_add(arg, msg[i]->msg);
	*ret = reply;
	return PAM_SUCCESS;
}

/* Variables of modules; those that say how somebody logged in are no program's. */
static int environment(struct run *r, pam_handle_t *h)
{
	char **list = pam_getenvlist(h);
	int e = 0;

	for (char **p = list; p != NULL && *p != NULL; p++) {
		if (e == 0 && strncmp(*p, "SSH_AUTH_INFO", 13) != 0)
			e = env_put(&r->env, *p);
		free(*p);
	}
	free(list);
	return e == -EINVAL ? 0 : e;
}

static int items(const struct run *r, pam_handle_t *h)
{
	int e = pam_set_item(h, PAM_RHOST, r->peer);

	if (e == PAM_SUCCESS)
		e = pam_set_item(h, PAM_TTY, r->tty.master >= 0 ? r->tty.name : "ssh");
	return e;
}

/*
 * Before modules give credentials: pam_group adds to these, and who set them later would take that
 * away again (pam_setcred(3)).
 */
static int groups(const struct passwd *pw)
{
	if (geteuid() != 0) /* a test's */
		return PAM_SUCCESS;
	return initgroups(pw->pw_name, pw->pw_gid) == 0 ? PAM_SUCCESS : PAM_CRED_ERR;
}

bool session_pam_open(struct run *r, char *why, size_t size)
{
	static struct pam_conv conv = {converse, NULL};
	const char *service;
	pam_handle_t *h = NULL;
	bool open = false;
	int e;

	if (allow_pam(&r->allow, &service) < 0)
		return true; /* UsePAM no */
	conv.appdata_ptr = r;
	e = pam_start_confdir(service, r->pw.pw_name, &conv, job_pam_dir, &h);
	if (e == PAM_SUCCESS)
		e = items(r, h);
	if (e == PAM_SUCCESS)
		e = pam_acct_mgmt(h, 0);
	if (e == PAM_SUCCESS)
		e = groups(&r->pw);
	if (e == PAM_SUCCESS)
		e = pam_setcred(h, PAM_ESTABLISH_CRED);
	if (e == PAM_SUCCESS) {
		e = pam_open_session(h, 0);
		open = e == PAM_SUCCESS;
	}
	if (e == PAM_SUCCESS && environment(r, h) < 0)
		e = PAM_BUF_ERR;
	if (e == PAM_SUCCESS) {
		r->pam = h;
		return true;
	}
	snprintf(why, size, "PAM: %s", h != NULL ? pam_strerror(h, e) : "no such service");
	if (open)
		(void)pam_close_session(h, 0);
	if (h != NULL)
		(void)pam_end(h, e);
	return false;
}

void session_pam_close(struct run *r)
{
	int e;

	if (r->pam == NULL)
		return;
	e = pam_close_session(r->pam, 0);
	(void)pam_setcred(r->pam, PAM_DELETE_CRED);
	(void)pam_end(r->pam, e);
	r->pam = NULL;
}

/*
 * control/helper/job_pam.c - PAM: authentication and account management, in a process of its own.
 *
 * Source  pam(3), and sshd for what is told to modules: PAM_RHOST, PAM_TTY "ssh".
 *
 * Of who cannot log in anyway nothing that was given reaches a module (S-32): it gets something of
 * the same length that is nobody's password, and whatever it says is a no.
 */
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/helper/job.h"
#include "crypto/secret.h"

#define INSTRUCTION_MAX 4096

const char *job_pam_dir;

struct conversation {
	struct job *job;
	const struct helper_pam *m;
	bool possible, empty_ok;
	bool changing; /* pam_chauthtok() runs */
	char *password, *new_password;
	/* What modules said since the last question. */
	char said[INSTRUCTION_MAX];
	size_t said_len;
};

/* A line; of more than there is room for, the beginning. */
static void hear(struct conversation *c, const char *text)
{
	size_t n = strlen(text), room = sizeof(c->said) - c->said_len;

	if (room < 2)
		return;
	if (n > room - 1)
		n = room - 1;
	memcpy(c->said + c->said_len, text, n);
	c->said_len += n;
	c->said[c->said_len++] = '\n';
}

static bool is_question(const struct pam_message *m)
{
	return m->msg_style == PAM_PROMPT_ECHO_OFF || m->msg_style == PAM_PROMPT_ECHO_ON;
}

/* sshd's: as long as what was given, and fits nobody. */
static char *junk(size_t len)
{
	static const char pattern[] = "\b\n\r\177INCORRECT";
	char *text = malloc(len + 1);

	for (size_t i = 0; text != NULL && i < len; i++)
		text[i] = pattern[i % (sizeof(pattern) - 1)];
	if (text != NULL)
		text[len] = '\0';
	return text;
}

static char *given(const struct conversation *c, struct ssh_str s)
{
	if (!c->possible)
		return junk(s.len);
	return strndup((const char *)s.p, s.len);
}

/* One round: all questions of this call, with what was said before them. */
static int ask(struct conversation *c, int n, const struct pam_message **msg,
	       struct pam_response *reply)
{
	struct ssh_prompts p = {.instruction = {(const uint8_t *)c->said, (uint32_t)c->said_len}};
	struct ssh_str answer[SSH_PROMPTS_MAX];
	struct ssh_str body;
	unsigned int k = 0;

	for (int i = 0; i < n; i++) {
		if (!is_question(msg[i]))
			continue;
		p.prompt[p.n].text = ssh_str_c(msg[i]->msg);
		p.prompt[p.n].echo = msg[i]->msg_style == PAM_PROMPT_ECHO_ON;
		if (p.prompt[p.n].text.len > HELPER_TEXT_MAX)
			p.prompt[p.n].text.len = HELPER_TEXT_MAX;
		p.n++;
	}
	job_send(c->job, helper_ask_build(c->job->out, &p));
	c->said_len = 0;
	body = job_receive(c->job, HELPER_ANSWER);
	if (helper_answer_parse(body, p.n, answer) < 0)
		job_done(c->job, HELPER_BAD, "bad answer");
	for (int i = 0; i < n; i++) {
		if (!is_question(msg[i]))
			continue;
		reply[i].resp = given(c, answer[k++]);
		if (reply[i].resp == NULL)
			return PAM_BUF_ERR;
	}
	secret_wipe(c->job->in, sizeof(c->job->in));
	return PAM_SUCCESS;
}

/* Without a conversation: the password, and when one is changed the new one, but for the old. */
static int reply_password(struct conversation *c, int n, const struct pam_message **msg,
			  struct pam_response *reply)
{
	for (int i = 0; i < n; i++) {
		const char *text = c->password;

		if (msg[i]->msg_style == PAM_PROMPT_ECHO_ON)
			return PAM_CONV_ERR; /* nobody is there to answer it */
		if (msg[i]->msg_style != PAM_PROMPT_ECHO_OFF)
			continue;
		if (c->changing && strstr(msg[i]->msg, "urrent") == NULL)
			text = c->new_password;
		reply[i].resp = strdup(text);
		if (reply[i].resp == NULL)
			return PAM_BUF_ERR;
	}
	return PAM_SUCCESS;
}

static int converse(int n, const struct pam_message **msg, struct pam_response **ret, void *arg)
{
	struct conversation *c = arg;
	struct pam_response *reply;
	bool questions = false;
	int r = PAM_SUCCESS;

	if (n <= 0 || n > SSH_PROMPTS_MAX)
		return PAM_CONV_ERR;
	reply = calloc((size_t)n, sizeof(*reply));
	if (reply == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		if (is_question(msg[i]))
			questions = true;
		else
			hear(c, msg[i]->msg);
	}
	if (!c->m->conversation)
		r = reply_password(c, n, msg, reply);
	else if (questions)
		r = ask(c, n, msg, reply);
	if (r != PAM_SUCCESS) {
		for (int i = 0; i < n; i++)
			free(reply[i].resp);
		free(reply);
		return r;
	}
	*ret = reply;
	return PAM_SUCCESS;
}

static int change(struct conversation *c, pam_handle_t *h)
{
	c->changing = true;
	return pam_chauthtok(h, PAM_CHANGE_EXPIRED_AUTHTOK);
}

/* Authentication, then the account: expired, locked, not at this hour. */
static enum helper_result decide(struct conversation *c, pam_handle_t *h, int *ret_pam)
{
	int flags = c->empty_ok ? 0 : PAM_DISALLOW_NULL_AUTHTOK;

	*ret_pam = pam_authenticate(h, flags);
	if (*ret_pam != PAM_SUCCESS || !c->possible)
		return HELPER_NO;
	*ret_pam = pam_acct_mgmt(h, flags);
	if (*ret_pam == PAM_NEW_AUTHTOK_REQD) {
		if (!c->m->conversation && !c->m->change)
			return HELPER_EXPIRED;
		*ret_pam = change(c, h);
	} else if (*ret_pam == PAM_SUCCESS && c->m->change) {
		return HELPER_NO; /* S-31: nobody asked for a change */
	}
	return *ret_pam == PAM_SUCCESS ? HELPER_OK : HELPER_NO;
}

/* A module may have made somebody else of the user: that is not who asked. */
static bool same_user(pam_handle_t *h, const char *user)
{
	const void *item = NULL;

	return pam_get_item(h, PAM_USER, &item) == PAM_SUCCESS && item != NULL &&
	       strcmp(item, user) == 0;
}

void job_pam(struct job *j, const struct helper_pam *m)
{
	struct conversation c = {.job = j, .m = m};
	const struct pam_conv conv = {converse, &c};
	char *user = job_text(j, m->job.user), *rhost = job_text(j, m->job.peer), text[256];
	enum helper_result result = HELPER_NO;
	const char *service = NULL;
	pam_handle_t *h = NULL;
	struct allow allow;
	int r;

	job_allow(j, &m->job, &allow);
	if (allow_pam(&allow, &service) < 0)
		job_denied(j, &m->job, "PAM");
	c.possible = m->possible && allow.name_ok;
	c.empty_ok = allow.conf.permit_empty_passwords;
	c.password = given(&c, m->password);
	c.new_password = given(&c, m->new_password);
	if (c.password == NULL || c.new_password == NULL)
		job_done(j, HELPER_CRASHED, "no memory");
	r = pam_start_confdir(service, user, &conv, job_pam_dir, &h);
	if (r == PAM_SUCCESS)
		r = pam_set_item(h, PAM_RHOST, rhost);
	if (r == PAM_SUCCESS)
		r = pam_set_item(h, PAM_TTY, "ssh");
	if (r == PAM_SUCCESS)
		result = decide(&c, h, &r);
	if (result == HELPER_OK && !same_user(h, user))
		result = HELPER_NO;
	snprintf(text, sizeof(text), "%s", r != PAM_SUCCESS ? pam_strerror(h, r) : "");
	if (h != NULL)
		(void)pam_end(h, r);
	secret_wipe(c.password, strlen(c.password));
	secret_wipe(c.new_password, strlen(c.new_password));
	job_done(j, result, text);
}

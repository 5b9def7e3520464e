/*
 * tests/util/pam_test.c - a PAM module for tests: does what its argument says.
 *
 *   password=X   asks for a password, which must be X
 *   code=X       asks for a code with echo, behind a text, which must be X
 *   expired      the account's password has to be changed; new=X: to this one
 *   crash, sleep, mumble (a text and no question), babble (many texts), somebody (makes another of
 * the user)
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc, const char **argv);
int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv);
int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv);
int pam_sm_chauthtok(pam_handle_t *h, int flags, int argc, const char **argv);

static int ask(pam_handle_t *h, int style, const char *question, const char *want)
{
	char *answer = NULL;
	int r = pam_prompt(h, style, &answer, "%s", question);

	if (r == PAM_SUCCESS && (answer == NULL || strcmp(answer, want) != 0))
		r = PAM_AUTH_ERR;
	free(answer);
	return r;
}

static int authenticate_by(pam_handle_t *h, const char *arg)
{
	if (strncmp(arg, "password=", 9) == 0)
		return ask(h, PAM_PROMPT_ECHO_OFF, "Module password: ", arg + 9);
	if (strncmp(arg, "code=", 5) == 0) {
		(void)pam_info(h, "Look at your token.");
		return ask(h, PAM_PROMPT_ECHO_ON, "Code: ", arg + 5);
	}
	if (strcmp(arg, "crash") == 0)
		abort();
	if (strcmp(arg, "sleep") == 0)
		pause();
	if (strcmp(arg, "mumble") == 0)
		(void)pam_info(h, "Hm.");
	if (strcmp(arg, "babble") == 0)
		for (int i = 0; i < 100; i++)
			(void)pam_info(h, "%511d", i);
	if (strcmp(arg, "somebody") == 0)
		return pam_set_item(h, PAM_USER, "somebody");
	return PAM_SUCCESS;
}

int pam_sm_authenticate(pam_handle_t *h, int flags, int argc, const char **argv)
{
	int r = PAM_SUCCESS;

	(void)flags;
	for (int i = 0; i < argc && r == PAM_SUCCESS; i++)
		r = authenticate_by(h, argv[i]);
	return r;
}

int pam_sm_setcred(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)h;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}

int pam_sm_acct_mgmt(pam_handle_t *h, int flags, int argc, const char **argv)
{
	(void)h;
	(void)flags;
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "expired") == 0)
			return PAM_NEW_AUTHTOK_REQD;
	return PAM_SUCCESS;
}

int pam_sm_chauthtok(pam_handle_t *h, int flags, int argc, const char **argv)
{
	if (flags & PAM_PRELIM_CHECK)
		return PAM_SUCCESS;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "new=", 4) == 0)
			return ask(h, PAM_PROMPT_ECHO_OFF, "New password: ", argv[i] + 4);
	return PAM_AUTHTOK_ERR;
}

/* client/shell/auth.c - what a server asks on the way in, and who answers: a person, or nobody. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/ask.h"
#include "client/shell/conn.h"
#include "client/shell/plain.h"
#include "client/shell/say.h"
#include "crypto/secret.h"

static void on_log(void *arg, struct sluice *s, enum sluice_log_level level, const char *text)
{
	(void)arg;
	(void)s;
	say(level == SLUICE_LOG_INFO      ? SAY_DEBUG
	    : level == SLUICE_LOG_VERBOSE ? SAY_DEBUG2
					  : SAY_DEBUG3,
	    "%s", text);
}

/* What a person takes to answer is no time of the server's. */
static void answered(struct conn *c, uint64_t asked_ms)
{
	c->quiet_ms += turn_now_ms() - asked_ms;
}

static int on_hostkey(void *arg, struct sluice *s, const struct sluice_hostkey *k)
{
	uint64_t asked_ms = turn_now_ms();
	int r = conn_hostkey(arg, k);

	(void)s;
	answered(arg, asked_ms);
	return r;
}

static int on_hostkeys(void *arg, struct sluice *s, const struct sluice_hostkey *keys,
		       unsigned int n, unsigned int gone)
{
	(void)s;
	return conn_hostkeys(arg, keys, n, gone);
}

static void on_banner(void *arg, struct sluice *s, const char *text, size_t len)
{
	(void)arg;
	(void)s;
	say_foreign(SAY_INFO, text, len);
}

/* Is there somebody to ask, and may it be this server who has the answer? */
static bool may_ask(const struct conn *c)
{
	return !config_yes(c->config, CONFIG_BATCH_MODE) && !c->untrusted &&
	       config_number(c->config, CONFIG_NUMBER_OF_PASSWORD_PROMPTS) > 0;
}

static ssize_t on_password(void *arg, struct sluice *s, unsigned int attempt, char *buf,
			   size_t size)
{
	struct conn *c = arg;
	char prompt[1400], answer[SLUICE_ANSWER_MAX + 2];
	uint64_t asked_ms = turn_now_ms();
	int n;

	(void)s;
	if (!may_ask(c))
		return -1;
	if (attempt > 1)
		say(SAY_ERROR, "Permission denied, please try again.");
	snprintf(prompt, sizeof(prompt),
		 "%.255s@%.1023s's password: ", config_text(c->config, CONFIG_USER),
		 config_host_given(c->config));
	n = ask_secret(prompt, answer, sizeof(answer));
	answered(c, asked_ms);
	if (n > (int)size)
		n = -1;
	if (n >= 0)
		memcpy(buf, answer, (size_t)n);
	secret_wipe(answer, sizeof(answer));
	return n;
}

/* A stranger's text becomes a prompt: without what would steer the terminal. */
static void prompt_text(const struct conn *c, const char *text, char *buf, size_t size)
{
	size_t n =
		(size_t)snprintf(buf, size, "(%.255s@%.512s) ", config_text(c->config, CONFIG_USER),
				 config_host_given(c->config));

	while (*text != '\0') {
		size_t one = plain_char(text, strlen(text));

		if (n + one >= size)
			break;
		if (*text != '\n' && *text != '\t')
			memcpy(buf + n, text, one);
		n += *text != '\n' && *text != '\t' ? one : 0;
		text += one + (one == 0);
	}
	buf[n] = '\0';
}

/* PasswordPromptPattern has left nothing to ask. */
static bool all_answered(const struct sluice_prompt *prompts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (prompts[i].answer_len == 0)
			return false;
	return true;
}

static int on_kbdint(void *arg, struct sluice *s, const char *name, const char *instruction,
		     struct sluice_prompt *prompts, unsigned int n)
{
	struct conn *c = arg;

	(void)s;
	if (!may_ask(c))
		return !c->untrusted && all_answered(prompts, n) ? 0 : -1;
	if (*name != '\0') {
		say_foreign(SAY_INFO, name, strlen(name));
		say_foreign(SAY_INFO, "\n", 1);
	}
	if (*instruction != '\0') {
		say_foreign(SAY_INFO, instruction, strlen(instruction));
		say_foreign(SAY_INFO, "\n", 1);
	}
	for (unsigned int i = 0; i < n; i++) {
		uint64_t asked_ms = turn_now_ms();
		char text[2048];
		int r;

		if (prompts[i].answer_len > 0) /* PasswordPromptPattern */
			continue;
		prompt_text(c, prompts[i].text, text, sizeof(text));
		r = prompts[i].echo ? ask_shown(text, prompts[i].answer, SLUICE_ANSWER_MAX)
				    : ask_secret(text, prompts[i].answer, SLUICE_ANSWER_MAX);
		answered(c, asked_ms);
		if (r < 0)
			return r;
		prompts[i].answer_len = (size_t)r;
	}
	return 0;
}

static void on_auth(void *arg, struct sluice *s, const char *method, int outcome)
{
	struct conn *c = arg;

	/* What a refusal is said with, later. */
	if (sluice_info(s, SLUICE_INFO_AUTH_METHODS, c->methods, sizeof(c->methods)) < 0)
		*c->methods = '\0';
	if (outcome == 1)
		say(SAY_VERBOSE, "Authenticated to %s using \"%s\".", c->host, method);
	else if (outcome == 2)
		say(SAY_VERBOSE, "Authenticated using \"%s\" with partial success.", method);
}

/* --- for the connection's user; a jump host has none --------------------------------------------
 */

static void on_channel_opened(void *arg, struct sluice_channel *ch, int err, const char *text)
{
	struct conn *c = arg;

	if (c->ops != NULL)
		c->ops->on_channel_opened(c->arg, ch, err, text);
}

static void on_channel_closed(void *arg, struct sluice_channel *ch)
{
	struct conn *c = arg;

	if (c->ops != NULL)
		c->ops->on_channel_closed(c->arg, ch);
}

static void on_channel_requested(void *arg, struct sluice_channel *ch, const char *type, int err)
{
	struct conn *c = arg;

	if (c->ops != NULL && c->ops->on_channel_requested != NULL)
		c->ops->on_channel_requested(c->arg, ch, type, err);
}

static void on_requested(void *arg, struct sluice *s, const char *type, int err, const void *data,
			 size_t len)
{
	struct conn *c = arg;

	if (c->ops != NULL && c->ops->on_requested != NULL)
		c->ops->on_requested(c->arg, s, type, err, data, len);
}

/* A jump host has nothing to bring. */
static int on_channel_open_request(void *arg, struct sluice_channel *ch,
				   const struct sluice_open *open)
{
	struct conn *c = arg;

	if (c->ops == NULL || c->ops->on_channel_open_request == NULL)
		return 0;
	return c->ops->on_channel_open_request(c->arg, ch, open);
}

void conn_ops_fill(struct sluice_ops *ops)
{
	ops->on_log = on_log;
	ops->on_hostkey = on_hostkey;
	ops->on_hostkeys = on_hostkeys;
	ops->on_banner = on_banner;
	ops->on_password = on_password;
	ops->on_kbdint = on_kbdint;
	ops->on_auth = on_auth;
	ops->on_requested = on_requested;
	ops->on_channel_open_request = on_channel_open_request;
	ops->on_channel_opened = on_channel_opened;
	ops->on_channel_closed = on_channel_closed;
	ops->on_channel_requested = on_channel_requested;
}

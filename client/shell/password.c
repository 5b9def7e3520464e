/* client/shell/password.c - a password that nobody is asked for: PasswordFile, PasswordCommand. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/shell/conn.h"
#include "client/shell/output.h"
#include "crypto/secret.h"

static int of_file(struct conn *c, char *buf, size_t size)
{
	char path[CONFIG_TEXT_MAX];
	int r;

	if (config_expanded(c->config, CONFIG_PASSWORD_FILE, 0, path, sizeof(path)) < 0) {
		snprintf(c->why, sizeof(c->why), "%s", config_errors(c->config));
		return -EINVAL;
	}
	r = secret_line(path, buf, size);
	if (r == -EPERM)
		snprintf(c->why, sizeof(c->why),
			 "PasswordFile refused: bad ownership or modes for file %.300s", path);
	else if (r < 0)
		snprintf(c->why, sizeof(c->why), "PasswordFile %.300s: %s", path, strerror(-r));
	return r;
}

/* What it says first, without a shell between. */
static int of_command(struct conn *c, char *buf, size_t size)
{
	const char *argv[CONF_ARGS_MAX + 1];
	char *text;
	size_t len;
	int r = config_command(c->config, CONFIG_PASSWORD_COMMAND, NULL, 0, argv);

	if (r < 0) {
		snprintf(c->why, sizeof(c->why), "%s", config_errors(c->config));
		return r;
	}
	r = output_of((char *const *)argv, size - 1, false, &text, &len);
	if (r < 0) {
		snprintf(c->why, sizeof(c->why), "PasswordCommand %.300s: %s", argv[0],
			 r == -EIO ? "failed" : strerror(-r));
		return r;
	}
	snprintf(buf, size, "%.*s", (int)strcspn(text, "\r\n"), text);
	secret_wipe(text, len);
	free(text);
	return 0;
}

int conn_password(struct conn *c)
{
	char word[SLUICE_ANSWER_MAX + 2];
	int r;

	if (config_text(c->config, CONFIG_PASSWORD_FILE) != NULL)
		r = of_file(c, word, sizeof(word));
	else if (config_text(c->config, CONFIG_PASSWORD_COMMAND) != NULL)
		r = of_command(c, word, sizeof(word));
	else
		return 0;
	if (r == 0) {
		r = sluice_password_set(c->s, word, strlen(word));
		if (r < 0)
			snprintf(c->why, sizeof(c->why), "a password of more than %d bytes",
				 SLUICE_ANSWER_MAX);
	}
	secret_wipe(word, sizeof(word));
	return r;
}

/* client/lib/load.c - settings as files of ssh_config(5) have them for a host. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "client/config/config.h"
#include "client/lib/internal.h"

static int put(void *arg, const char *keyword, const char *value)
{
	return sluice_set(arg, keyword, value);
}

static void left(void *arg, const char *keyword)
{
	note(arg, SLUICE_LOG_INFO, "%s: of the configuration, left to the program", keyword);
}

/* The first line; the file and its line stand in it. */
static int refuse(struct sluice *s, const struct config *c)
{
	const char *text = config_errors(c);

	return fail(s, -SLUICE_E_VALUE, "%.*s", (int)strcspn(text, "\n"), text);
}

static void warn(struct sluice *s, const struct config *c)
{
	const char *text = config_warnings(c, false);

	for (size_t n; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		note(s, SLUICE_LOG_INFO, "%.*s", (int)n, text);
	}
}

/* Who goes another way than the file says, has said so himself. */
static int jump_check(struct sluice *s, const struct config *c)
{
	const char *jump = config_text(c, CONFIG_PROXY_JUMP);

	if (jump == NULL || strcasecmp(jump, "none") == 0 || s->hop != NULL)
		return 0;
	return fail(s, -SLUICE_E_VALUE, "ProxyJump %s: that is for sluice_jump_set()", jump);
}

static int take(struct sluice *s, struct config *c)
{
	int r = jump_check(s, c);

	if (r == 0)
		r = config_program(c, put, left, s);
	if (r == 0 && *s->set.user == '\0')
		r = sluice_set(s, "User", config_text(c, CONFIG_USER));
	return r == -EINVAL ? refuse(s, c) : r;
}

int sluice_config_load(struct sluice *s, const char *path, const char *host)
{
	struct config *c = config_new(config_algs());
	int r = c != NULL ? config_load(c, host, path) : -ENOMEM;

	enter(s);
	if (r == -EINVAL)
		r = refuse(s, c);
	else if (r == 0 && s->state != STATE_NONE)
		r = fail(s, -SLUICE_E_FROZEN, "a configuration is read before there is a connection");
	if (r == 0) {
		warn(s, c);
		r = take(s, c);
	}
	leave(s);
	config_free(c);
	return r;
}

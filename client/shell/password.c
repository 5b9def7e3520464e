/* client/shell/password.c - a password that nobody is asked for: the library's to read. */
#include <stdio.h>

#include "client/shell/conn.h"

static int put(void *arg, const char *keyword, const char *value)
{
	struct conn *c = arg;

	return sluice_set(c->s, keyword, value);
}

int conn_password(struct conn *c)
{
	int r = config_password(c->config, put, c);

	if (r < 0)
		snprintf(c->why, sizeof(c->why), "%s", config_errors(c->config));
	return r < 0 ? r : sluice_password_set(c->s, NULL, 0); /* now: a server is not met in vain */
}

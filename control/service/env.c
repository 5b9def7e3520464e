#include "control/service/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"

#define PATH_USER "/usr/local/bin:/usr/bin:/bin:/usr/games"
#define PATH_ROOT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static char **place_of(const struct env *e, const char *name, size_t len)
{
	for (size_t i = 0; i < e->n; i++)
		if (strncmp(e->v[i], name, len) == 0 && e->v[i][len] == '=')
			return &e->v[i];
	return NULL;
}

/* Takes text, NAME=VALUE. */
static int keep(struct env *e, char *text, size_t name_len)
{
	char **place = place_of(e, text, name_len), **v;
	size_t had = place != NULL ? strlen(*place) + 1 : 0, len = strlen(text) + 1;

	if ((place == NULL && e->n == ENV_MAX) || len > ENV_BYTES_MAX - (e->bytes - had)) {
		free(text);
		return -E2BIG;
	}
	if (place != NULL) {
		free(*place);
		*place = text;
	} else {
		v = realloc(e->v, (e->n + 2) * sizeof(*v));
		if (v == NULL) {
			free(text);
			return -ENOMEM;
		}
		e->v = v;
		v[e->n++] = text;
		v[e->n] = NULL;
	}
	e->bytes += len - had;
	return 0;
}

int env_put(struct env *e, const char *assignment)
{
	size_t n = strcspn(assignment, "=");
	char *text;

	if (n == 0 || assignment[n] == '\0')
		return -EINVAL;
	text = strdup(assignment);
	return text != NULL ? keep(e, text, n) : -ENOMEM;
}

int env_set(struct env *e, const char *name, const char *value)
{
	char *text;

	if (*name == '\0' || strchr(name, '=') != NULL)
		return -EINVAL;
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -ENOMEM;
	return keep(e, text, strlen(name));
}

/* One line, with its end gone. 1: it is none. */
static int line_put(struct env *e, char *line, const char *patterns)
{
	char *equals;

	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return 0;
	equals = strchr(line, '=');
	if (equals == NULL || equals == line)
		return 1;
	*equals = '\0';
	return match_list(line, patterns, false) == MATCH_YES ? env_set(e, line, equals + 1) : 0;
}

int env_lines(struct env *e, const char *text, size_t len, const char *patterns,
	      unsigned int *ret_bad)
{
	unsigned int number = 0, bad = 0;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len;
		char *line = strndup(text, n);
		int r = line != NULL ? line_put(e, line, patterns) : -ENOMEM;

		free(line);
		if (r < 0)
			return r;
		number++;
		if (r == 1 && bad == 0)
			bad = number;
		n += end != NULL;
		text += n;
		len -= n;
	}
	*ret_bad = bad;
	return 0;
}

void env_unset(struct env *e, const char *name)
{
	char **place = place_of(e, name, strlen(name));

	if (place == NULL)
		return;
	e->bytes -= strlen(*place) + 1;
	free(*place);
	*place = e->v[--e->n];
	e->v[e->n] = NULL;
}

const char *env_get(const struct env *e, const char *name)
{
	size_t n = strlen(name);
	char **place = place_of(e, name, n);

	return place != NULL ? *place + n + 1 : NULL;
}

void env_fini(struct env *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i]);
	free(e->v);
	*e = (struct env){0};
}

const char *env_shell(const struct passwd *pw)
{
	return pw->pw_shell != NULL && *pw->pw_shell != '\0' ? pw->pw_shell : "/bin/sh";
}

int env_login(struct env *e, const struct passwd *pw)
{
	const char *tz = getenv("TZ");
	char mail[512];
	int r;

	snprintf(mail, sizeof(mail), "/var/mail/%s", pw->pw_name);
	r = env_set(e, "USER", pw->pw_name);
	if (r == 0)
		r = env_set(e, "LOGNAME", pw->pw_name);
	if (r == 0)
		r = env_set(e, "HOME", pw->pw_dir);
	if (r == 0)
		r = env_set(e, "PATH", pw->pw_uid == 0 ? PATH_ROOT : PATH_USER);
	if (r == 0)
		r = env_set(e, "MAIL", mail);
	if (r == 0)
		r = env_set(e, "SHELL", env_shell(pw));
	if (r == 0 && tz != NULL)
		r = env_set(e, "TZ", tz);
	return r;
}

int env_connection(struct env *e, const char *peer, unsigned int peer_port, const char *local,
		   unsigned int local_port)
{
	char text[256];
	int r;

	snprintf(text, sizeof(text), "%.64s %u %u", peer, peer_port, local_port);
	r = env_set(e, "SSH_CLIENT", text);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%.64s %u %.64s %u", peer, peer_port, local, local_port);
	return env_set(e, "SSH_CONNECTION", text);
}

bool env_accepted(const struct conf_strs *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (match_pattern(name, patterns->v[i]))
			return true;
	return false;
}

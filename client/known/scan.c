#include "client/known/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/known/file.h"
#include "conf/match.h"

bool known_in_list(const char *host, const char *list)
{
	return match_list(host, list, true) == MATCH_YES;
}

int known_name(const char *host, uint16_t port, char ret[KNOWN_NAME_MAX])
{
	int n = port == KNOWN_PORT || port == 0
			? snprintf(ret, KNOWN_NAME_MAX, "%s", host)
			: snprintf(ret, KNOWN_NAME_MAX, "[%s]:%u", host, port);

	if (n < 0 || n >= KNOWN_NAME_MAX)
		return -EINVAL;
	for (char *p = ret; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

const char *known_host_name(const struct known_conf *c, const struct known_host *h)
{
	return c->alias != NULL ? c->alias : h->host;
}

int known_conf_name(const struct known_conf *c, const struct known_host *h,
		    char ret[KNOWN_NAME_MAX])
{
	return known_name(known_host_name(c, h), c->alias != NULL ? KNOWN_PORT : h->port, ret);
}

static int line_scan(const char *name, struct known_entry *e, known_each *each, void *arg)
{
	struct known_line line;
	struct key *key = NULL;
	int r;

	if (known_line_cut(e->text, e->len, &line) < 0)
		return 0;
	r = name != NULL ? known_line_names(&line, name, known_in_list) : 1;
	if (r <= 0)
		return r;
	r = key_public_line_parse(line.key, line.key_len, &key);
	if (r < 0) /* what is no key of ours says nothing; that there was no memory does */
		return r == -ENOMEM ? r : 0;
	e->line = &line;
	e->key = key;
	r = each(arg, e);
	key_free(key);
	return r;
}

int known_scan_text(const char *text, size_t len, const char *name, const struct known_entry *of,
		    known_each *each, void *arg)
{
	struct known_entry e = *of;
	size_t at = 0;
	int r = 0;

	for (e.number = 1; r == 0 && known_file_line(text, len, &at, &e.text, &e.len); e.number++)
		r = line_scan(name, &e, each, arg);
	return r;
}

int known_scan(const struct known_conf *c, const char *name, known_each *each, void *arg,
	       const char **ret_file)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < c->n_files; i++) {
		const struct known_entry of = {.file = c->file[i],
					       .user_file = i < c->n_user_files};
		char *text = NULL;
		size_t len;

		r = known_file_read(c->file[i], &text, &len);
		if (r == -ENOENT || r == -ENOTDIR) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = known_scan_text(text, len, name, &of, each, arg);
		if (r < 0)
			*ret_file = c->file[i];
		free(text);
	}
	return r;
}

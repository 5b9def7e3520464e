/* conf/hostkey.c - HostKey: a path and what is to be known about the file. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/internal.h"

/* A word that begins so is an option of the path before it; a file so called is "./format=…". */
static const struct {
	const char *name;
	size_t at; /* in struct conf_host_key */
} options[] = {
	{"format=", offsetof(struct conf_host_key, format)},
	{"passphrase-file=", offsetof(struct conf_host_key, passphrase_file)},
	{"key-passphrase-file=", offsetof(struct conf_host_key, key_passphrase_file)},
	{"subject=", offsetof(struct conf_host_key, subject)},
	{"thumbprint=", offsetof(struct conf_host_key, thumbprint)},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

/* As crypto/keyfile.h names what can hold a private key. */
static const char *const formats[] = {"auto", "openssh", "pem", "pkcs8", "pfx",
				      "ppk",  "jwk",     "xml", "pkcs11"};

/* The number of the option a word is, or -1. */
static int option_of(const char *word)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strncasecmp(word, options[i].name, strlen(options[i].name)) == 0)
			return (int)i;
	return -1;
}

static bool format_ok(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcasecmp(name, formats[i]) == 0)
			return true;
	return false;
}

bool conf_host_key_option(const char *word)
{
	return option_of(word) >= 0;
}

bool conf_host_key_check(const char *const *v, size_t n, char *ret_why, size_t size)
{
	unsigned int seen = 0;

	if (option_of(v[0]) >= 0) {
		snprintf(ret_why, size, "'%.100s' stands before the path", v[0]);
		return false;
	}
	for (size_t i = 1; i < n; i++) {
		int o = option_of(v[i]);
		const char *value = o < 0 ? "" : v[i] + strlen(options[o].name);

		if (o < 0)
			snprintf(ret_why, size, "unknown option '%.100s'", v[i]);
		else if (*value == '\0' || (seen & 1u << o) != 0)
			snprintf(ret_why, size, "'%.100s' is empty or there twice", v[i]);
		else if (options[o].at == offsetof(struct conf_host_key, format) &&
			 !format_ok(value))
			snprintf(ret_why, size, "unknown format '%.100s'", value);
		else {
			seen |= 1u << o;
			continue;
		}
		return false;
	}
	return true;
}

static bool parse_host_key(struct value *v, const struct kw *kw, void *field)
{
	char why[160];

	if (!conf_host_key_check(v->argv, v->argc, why, sizeof(why)))
		return value_bad(v, "%s: %s", kw->info.name, why);
	*(struct conf_strs *)field = (struct conf_strs){v->argv, v->argc};
	return true;
}

bool conf_host_key_next(const struct conf_strs *words, size_t *at, struct conf_host_key *ret)
{
	struct conf_host_key k = {0};
	int o;

	if (*at >= words->n)
		return false;
	k.path = words->v[(*at)++];
	while (*at < words->n && (o = option_of(words->v[*at])) >= 0) {
		const char *value = words->v[*at] + strlen(options[o].name);

		memcpy((char *)&k + options[o].at, &value, sizeof(value));
		(*at)++;
	}
	*ret = k;
	return true;
}

/* --- those of a file ---------------------------------------------------------------------------
 */

static bool is_host_key(const struct line *line)
{
	return line->kw->type == &type_host_keys;
}

static struct conf_strs words_of(const struct line *line)
{
	return (struct conf_strs){line->argv, line->argc};
}

bool conf_host_key_line(const struct conf *conf, size_t *at, struct conf_host_key *ret)
{
	struct conf_strs words;
	size_t first = 0;

	while (*at < conf->n_lines && !is_host_key(&conf->lines[*at]))
		(*at)++;
	if (*at == conf->n_lines)
		return false;
	words = words_of(&conf->lines[(*at)++]);
	return conf_host_key_next(&words, &first, ret);
}

bool conf_host_key_apart(const struct conf *conf, const char *path)
{
	bool inside = false;

	for (size_t i = 0; i < conf->n_lines; i++) {
		const struct line *line = &conf->lines[i];

		if (!is_host_key(line) || strcmp(line->argv[0], path) != 0)
			continue;
		if (line->block == NULL)
			return false;
		inside = true;
	}
	return inside;
}

bool conf_host_keys_apart(const struct conf_session *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->conf->n_lines; i++) {
		const struct line *line = &s->conf->lines[i];

		if (!is_host_key(line) || line->block != NULL)
			continue;
		for (unsigned int k = 0; k < line->argc; k++, at++)
			if (at == s->host_keys.n || strcmp(s->host_keys.v[at], line->argv[k]) != 0)
				return true;
	}
	return at != s->host_keys.n;
}

bool conf_host_keys_have(const struct conf_session *s, const char *path)
{
	struct conf_host_key k;

	for (size_t at = 0; conf_host_key_next(&s->host_keys, &at, &k);)
		if (strcmp(k.path, path) == 0)
			return true;
	return false;
}

/* One key a line. */
static void print_host_keys(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	for (size_t i = 0; i < s->n; i++) {
		if (i > 0 && option_of(s->v[i]) >= 0) {
			fputc(' ', f);
		} else if (i > 0) {
			fputc('\n', f);
			for (const char *p = kw->info.name; *p != '\0'; p++)
				fputc(*p | 0x20, f);
			fputc(' ', f);
		}
		value_print_arg(s->v[i], f);
	}
}

static bool absent(const void *field)
{
	return ((const struct conf_strs *)field)->n == 0;
}

const struct value_type type_host_keys = {
	1, 1 + N_OPTIONS, false, parse_host_key, print_host_keys, absent};

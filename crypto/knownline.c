#include "crypto/knownline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/knownname.h"

struct words {
	const char *p, *end;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct words *w)
{
	while (w->p < w->end && blank(*w->p))
		w->p++;
}

/* The next one; what follows it begins with a word, too. */
static const char *word(struct words *w, size_t *ret_len)
{
	const char *p = w->p;

	while (w->p < w->end && !blank(*w->p))
		w->p++;
	*ret_len = (size_t)(w->p - p);
	skip_blanks(w);
	return p;
}

static bool only_commas(const char *p, size_t n)
{
	while (n > 0 && *p == ',') {
		p++;
		n--;
	}
	return n == 0;
}

static bool is(const char *p, size_t n, const char *text)
{
	return strlen(text) == n && memcmp(p, text, n) == 0;
}

int known_line_cut(const char *line, size_t len, struct known_line *ret)
{
	struct words w = {line, line + len};
	struct known_line l = {.marker = KNOWN_KEY};

	if (len > 0 && line[len - 1] == '\r')
		w.end--;
	skip_blanks(&w);
	if (w.p == w.end || *w.p == '#')
		return -ENODATA;
	if (len > KNOWN_LINE_MAX || memchr(line, '\0', len) != NULL)
		return -EBADMSG;
	l.names = word(&w, &l.names_len);
	if (*l.names == '@') {
		if (is(l.names, l.names_len, "@cert-authority"))
			l.marker = KNOWN_CA;
		else if (is(l.names, l.names_len, "@revoked"))
			l.marker = KNOWN_REVOKED;
		else
			return -EBADMSG;
		l.names = word(&w, &l.names_len);
	}
	l.key = w.p;
	l.key_len = (size_t)(w.end - w.p);
	if (l.key_len == 0 || only_commas(l.names, l.names_len))
		return -EBADMSG;
	*ret = l;
	return 0;
}

/* Takes out the empty entries. */
static void squeeze(char *names)
{
	char *to = names;

	for (const char *p = names; *p != '\0'; p++)
		if (*p != ',' || (to > names && to[-1] != ','))
			*to++ = *p;
	if (to > names && to[-1] == ',')
		to--;
	*to = '\0';
}

int known_line_names(const struct known_line *l, const char *host,
		     bool (*in_list)(const char *host, const char *list))
{
	char *names;
	bool yes;

	if (*l->names == '|')
		return knownname_is(l->names, l->names_len, host);
	names = strndup(l->names, l->names_len);
	if (names == NULL)
		return -ENOMEM;
	squeeze(names);
	yes = in_list(host, names);
	free(names);
	return yes;
}

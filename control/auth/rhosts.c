#include "control/auth/rhosts.h"

#include <string.h>
#include <strings.h>

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word into buf; "": there is none. False: it is too long. */
static bool word(const char **p, const char *end, char buf[RHOSTS_WORD_MAX])
{
	const char *start;
	size_t n;

	while (*p < end && blank(**p))
		(*p)++;
	start = *p;
	while (*p < end && !blank(**p))
		(*p)++;
	n = (size_t)(*p - start);
	if (n >= RHOSTS_WORD_MAX)
		return false;
	memcpy(buf, start, n);
	buf[n] = '\0';
	return true;
}

/* Behind the sign in front, if there is one. */
static const char *unsigned_word(const char *word, bool *negated)
{
	if (*word == '-')
		*negated = true;
	return *word == '-' || *word == '+' ? word + 1 : word;
}

static bool host_is(const char *word, const struct rhosts_query *q)
{
	if (*word == '@')
		return q->in_netgroup(word + 1, q->host, NULL) ||
		       q->in_netgroup(word + 1, q->addr, NULL);
	return strcasecmp(word, q->host) == 0 || strcmp(word, q->addr) == 0;
}

static bool user_is(const char *word, const struct rhosts_query *q)
{
	if (word == NULL) /* the line names none: the same as here */
		return strcmp(q->user, q->client_user) == 0;
	if (*word == '@')
		return q->in_netgroup(word + 1, NULL, q->client_user);
	return strcmp(word, q->client_user) == 0;
}

static enum rhosts_verdict line_look(const char *p, size_t len, const struct rhosts_query *q)
{
	char first[RHOSTS_WORD_MAX], second[RHOSTS_WORD_MAX], third[RHOSTS_WORD_MAX];
	const char *end = p + len, *host, *user;
	bool negated = false;

	if (len > RHOSTS_LINE_MAX || memchr(p, '\0', len) != NULL)
		return RHOSTS_SILENT;
	if (!word(&p, end, first) || !word(&p, end, second) || !word(&p, end, third) ||
	    *first == '\0' || *first == '#' || *third != '\0' || strncmp(first, "NO_PLUS", 7) == 0)
		return RHOSTS_SILENT;
	host = unsigned_word(first, &negated);
	user = *second == '\0' ? NULL : unsigned_word(second, &negated);
	if (*host == '\0' || (user != NULL && *user == '\0') || !host_is(host, q) ||
	    !user_is(user, q))
		return RHOSTS_SILENT;
	return negated ? RHOSTS_REFUSED : RHOSTS_TRUSTED;
}

enum rhosts_verdict rhosts_look(const char *text, size_t len, const struct rhosts_query *q)
{
	enum rhosts_verdict v = RHOSTS_SILENT;
	size_t at = 0;

	while (at < len && v == RHOSTS_SILENT) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		at += n + 1;
		v = line_look(line, n, q);
	}
	return v;
}

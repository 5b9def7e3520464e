#include "control/auth/knownhosts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"
#include "crypto/cert.h"
#include "crypto/knownname.h"

enum marker { MARKER_NONE, MARKER_CA, MARKER_REVOKED, MARKER_BAD };

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static size_t word_len(const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && !blank(p[n]))
		n++;
	return n;
}

static void skip(const char **p, size_t *len, size_t n)
{
	*p += n;
	*len -= n;
	while (*len > 0 && blank(**p)) {
		(*p)++;
		(*len)--;
	}
}

static bool word_is(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(p, word, n) == 0;
}

static enum marker marker_of(const char *p, size_t n)
{
	if (word_is(p, n, "@cert-authority"))
		return MARKER_CA;
	return word_is(p, n, "@revoked") ? MARKER_REVOKED : MARKER_BAD;
}

/* A comma list of patterns, or one hashed name. */
static bool names_are(const char *p, size_t n, const char *host)
{
	char *text = strndup(p, n);
	bool yes = false;

	if (text == NULL)
		return false;
	if (*text == '|')
		yes = knownname_is(text, n, host);
	else
		yes = match_list(host, text, true) == MATCH_YES;
	free(text);
	return yes;
}

/* The bare key of a line that is about the host. */
static unsigned int compare(enum marker marker, const struct key *known, const struct key *key)
{
	const struct cert *cert = key_cert(key);
	bool same;

	if (marker == MARKER_REVOKED) {
		same = key_equal(known, key_plain(key)) ||
		       (cert != NULL && key_equal(known, cert->ca));
		return same ? KNOWNHOSTS_REVOKED : 0;
	}
	/* A key vouches for itself, an authority for what it signed: neither for the other. */
	if ((marker == MARKER_CA) != (cert != NULL))
		return 0;
	return key_equal(known, cert != NULL ? cert->ca : key) ? KNOWNHOSTS_KEY : KNOWNHOSTS_OTHER;
}

/* "[@marker] names type base64 [comment]" */
static unsigned int line_look(const char *p, size_t len, const char *host, const struct key *key)
{
	enum marker marker = MARKER_NONE;
	struct key *known = NULL;
	unsigned int found;
	size_t n;

	if (len > KNOWNHOSTS_LINE_MAX || memchr(p, '\0', len) != NULL)
		return 0;
	skip(&p, &len, 0);
	if (len == 0 || *p == '#')
		return 0;
	if (*p == '@') {
		n = word_len(p, len);
		marker = marker_of(p, n);
		skip(&p, &len, n);
	}
	n = word_len(p, len);
	if (marker == MARKER_BAD || n == 0 || !names_are(p, n, host))
		return 0;
	skip(&p, &len, n);
	if (key_public_line_parse(p, len, &known) < 0)
		return 0;
	found = compare(marker, known, key);
	key_free(known);
	return found;
}

unsigned int knownhosts_look(const char *text, size_t len, const char *host, const struct key *key)
{
	unsigned int found = 0;
	size_t at = 0;

	while (at < len) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		at += n + 1;
		found |= line_look(line, n, host, key);
	}
	return found;
}

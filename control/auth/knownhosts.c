#include "control/auth/knownhosts.h"

#include <stdbool.h>
#include <string.h>

#include "conf/match.h"
#include "crypto/cert.h"
#include "crypto/knownline.h"

static bool in_list(const char *host, const char *list)
{
	return match_list(host, list, true) == MATCH_YES;
}

/* The bare key of a line that is about the host. */
static unsigned int compare(enum known_marker marker, const struct key *known,
			    const struct key *key)
{
	const struct cert *cert = key_cert(key);
	bool same;

	if (marker == KNOWN_REVOKED) {
		same = key_equal(known, key_plain(key)) ||
		       (cert != NULL && key_equal(known, cert->ca));
		return same ? KNOWNHOSTS_REVOKED : 0;
	}
	/* A key vouches for itself, an authority for what it signed: neither for the other. */
	if ((marker == KNOWN_CA) != (cert != NULL))
		return 0;
	return key_equal(known, cert != NULL ? cert->ca : key) ? KNOWNHOSTS_KEY : KNOWNHOSTS_OTHER;
}

static unsigned int line_look(const char *p, size_t len, const char *host, const struct key *key)
{
	struct key *known = NULL;
	struct known_line l;
	unsigned int found;

	if (known_line_cut(p, len, &l) < 0 || known_line_names(&l, host, in_list) <= 0 ||
	    key_public_line_parse(l.key, l.key_len, &known) < 0)
		return 0;
	found = compare(l.marker, known, key);
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

#include "control/auth/passfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FIELDS     9 /* of shadow(5) */
#define DAY        86400
#define DIGITS_MAX 7 /* of a number of days */

enum field { USER, HASH, LAST_CHANGE, MIN_AGE, MAX_AGE, WARN, INACTIVE, EXPIRE };

struct field_text {
	const char *p;
	size_t len;
};

/* At most FIELDS of them; more are counted. */
static unsigned int split(const char *line, size_t len, struct field_text ret[FIELDS])
{
	unsigned int n = 0;

	for (;; n++) {
		const char *colon = memchr(line, ':', len);
		size_t field_len = colon != NULL ? (size_t)(colon - line) : len;

		if (n < FIELDS)
			ret[n] = (struct field_text){line, field_len};
		if (colon == NULL)
			return n + 1;
		line += field_len + 1;
		len -= field_len + 1;
	}
}

/* "" and "-1" say nothing: -1. False: no number. */
static bool days(const struct field_text *f, int64_t *ret)
{
	int64_t v = 0;

	*ret = -1;
	if (f->len == 0 || (f->len == 2 && memcmp(f->p, "-1", 2) == 0))
		return true;
	if (f->len > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < f->len; i++) {
		if (f->p[i] < '0' || f->p[i] > '9')
			return false;
		v = v * 10 + (f->p[i] - '0');
	}
	*ret = v;
	return true;
}

/* Behind that day. */
static uint64_t end_of(int64_t day)
{
	return (uint64_t)(day + 1) * DAY;
}

static bool ends_parse(const struct field_text f[FIELDS], struct passfile_ends *ret)
{
	int64_t day[EXPIRE + 1];

	for (unsigned int i = LAST_CHANGE; i <= EXPIRE; i++)
		if (!days(&f[i], &day[i]))
			return false;
	if (day[EXPIRE] >= 0)
		ret->account = end_of(day[EXPIRE]);
	if (day[LAST_CHANGE] == 0)
		ret->password = 0;
	else if (day[LAST_CHANGE] > 0 && day[MAX_AGE] >= 0)
		ret->password = end_of(day[LAST_CHANGE] + day[MAX_AGE]);
	return true;
}

int passfile_line_parse(const char *line, size_t len, struct passfile_line *ret)
{
	struct passfile_line l = {.ends = {UINT64_MAX, UINT64_MAX}};
	struct field_text f[FIELDS];
	unsigned int n;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len == 0 || *line == '#')
		return -ENOENT;
	if (len > PASSFILE_LINE_MAX || memchr(line, '\0', len) != NULL)
		return -EINVAL;
	n = split(line, len, f);
	if ((n != 2 && n != FIELDS) || f[USER].len == 0 || f[HASH].len >= PASSWD_HASH_MAX ||
	    (n == FIELDS && !ends_parse(f, &l.ends)))
		return -EINVAL;
	l.user = f[USER].p;
	l.user_len = f[USER].len;
	l.hash = f[HASH].p;
	l.hash_len = f[HASH].len;
	*ret = l;
	return 0;
}

int passfile_find(const char *text, size_t len, const char *user, struct passfile_hash *ret)
{
	size_t at = 0, want = strlen(user);
	bool found = false, decoy = false;
	struct passfile_line l;

	*ret = (struct passfile_hash){.ends = {UINT64_MAX, UINT64_MAX}};
	while (at < len) { /* to its end, whoever is found where */
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		at += n + 1;
		if (passfile_line_parse(line, n, &l) < 0)
			continue;
		if (!found && l.user_len == want && memcmp(l.user, user, want) == 0) {
			memcpy(ret->own, l.hash, l.hash_len);
			ret->ends = l.ends;
			found = true;
		}
		if (!decoy) {
			memcpy(ret->decoy, l.hash, l.hash_len);
			ret->decoy[l.hash_len] = '\0';
			decoy = passwd_hash_ok(ret->decoy);
		}
	}
	if (!decoy) {
		strncpy(ret->decoy, passwd_decoy(), sizeof(ret->decoy) - 1);
		ret->decoy[sizeof(ret->decoy) - 1] = '\0';
	}
	if (!found)
		memcpy(ret->own, ret->decoy, sizeof(ret->own));
	return found ? 0 : -ENOENT;
}

/* client/keygen/spec.c - times and options of certificates (ssh-keygen(1), CERTIFICATES). */
#include "client/keygen/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FOREVER UINT64_MAX
#define MINUTE  60

/* --- times ------------------------------------------------------------------------------ */

/* "1h30m", a bare number being seconds. */
static int span(const char *text, uint64_t *ret)
{
	static const char units[] = "smhdw";
	static const uint64_t seconds[] = {1, 60, 3600, 86400, 604800};
	uint64_t sum = 0;

	if (*text == '\0')
		return -EINVAL;
	while (*text != '\0') {
		uint64_t v = 0;
		const char *unit;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		for (; *text >= '0' && *text <= '9'; text++) {
			v = v * 10 + (uint64_t)(*text - '0');
			if (v > UINT32_MAX)
				return -EINVAL;
		}
		unit = *text == '\0' ? units : strchr(units, *text | 0x20);
		if (unit == NULL)
			return -EINVAL;
		sum += v * seconds[unit - units];
		text += *text != '\0';
	}
	*ret = sum;
	return 0;
}

/* "YYYYMMDD", "YYYYMMDDHHMM" or "YYYYMMDDHHMMSS", local time, or UTC with a "Z". */
static int absolute(const char *text, uint64_t *ret)
{
	size_t len = strspn(text, "0123456789");
	const char *form = len == 8    ? "%Y%m%d"
			   : len == 12 ? "%Y%m%d%H%M"
			   : len == 14 ? "%Y%m%d%H%M%S"
				       : NULL;
	bool utc = form != NULL && strcmp(text + len, "Z") == 0;
	struct tm tm = {.tm_isdst = -1};
	const char *end;
	time_t t;

	if (form == NULL || (text[len] != '\0' && !utc))
		return -EINVAL;
	end = strptime(text, form, &tm);
	if (end != text + len)
		return -EINVAL;
	t = utc ? timegm(&tm) : mktime(&tm);
	if (t < 0)
		return -EINVAL;
	*ret = (uint64_t)t;
	return 0;
}

static int moment(const char *text, uint64_t now, uint64_t *ret)
{
	uint64_t d;
	int r;

	if (*text != '+' && *text != '-')
		return absolute(text, ret);
	r = span(text + 1, &d);
	if (r < 0 || (*text == '-' && d > now))
		return -EINVAL;
	*ret = *text == '+' ? now + d : now - d;
	return 0;
}

int spec_moment(const char *text, uint64_t *ret)
{
	return absolute(text, ret);
}

int spec_validity(const char *text, uint64_t now, uint64_t *ret_after, uint64_t *ret_before)
{
	const char *colon = strchr(text, ':');
	uint64_t after = now - now % MINUTE - MINUTE, before = FOREVER;
	char from[64];
	int r = 0;

	if (colon != NULL) {
		if ((size_t)(colon - text) >= sizeof(from))
			return -EINVAL;
		snprintf(from, sizeof(from), "%.*s", (int)(colon - text), text);
		if (strcmp(from, "always") == 0)
			after = 0;
		else
			r = moment(from, now, &after);
		text = colon + 1;
	} else if (*text != '+') { /* an end alone is said from now on */
		return -EINVAL;
	}
	if (r == 0 && strcmp(text, "forever") != 0)
		r = moment(text, now, &before);
	if (r < 0 || after >= before)
		return -EINVAL;
	*ret_after = after;
	*ret_before = before;
	return 0;
}

/* --- options ---------------------------------------------------------------------------- */

static const char *const permits[] = {"permit-X11-forwarding", "permit-agent-forwarding",
				      "permit-port-forwarding", "permit-pty", "permit-user-rc"};

#define N_PERMITS (sizeof(permits) / sizeof(permits[0]))

/* Keeps the order of names, which a certificate must have; one that is there is replaced. */
static int put(struct cert_option *list, unsigned int *n, const char *name, const char *value)
{
	unsigned int i = 0;

	while (i < *n && strcmp(list[i].name, name) < 0)
		i++;
	if (i == *n || strcmp(list[i].name, name) != 0) {
		if (*n == SPEC_OPTIONS_MAX)
			return -E2BIG;
		memmove(&list[i + 1], &list[i], (*n - i) * sizeof(*list));
		(*n)++;
	}
	list[i] = (struct cert_option){name, value};
	return 0;
}

static void drop(struct spec_options *o, const char *name)
{
	for (unsigned int i = 0; i < o->n_extension; i++)
		if (strcmp(o->extension[i].name, name) == 0) {
			memmove(&o->extension[i], &o->extension[i + 1],
				(--o->n_extension - i) * sizeof(o->extension[0]));
			return;
		}
}

void spec_options_init(struct spec_options *o, enum cert_role role)
{
	*o = (struct spec_options){0};
	for (size_t i = 0; role == CERT_USER && i < N_PERMITS; i++)
		o->extension[o->n_extension++].name = permits[i];
}

static char *value_cut(char *text)
{
	char *eq = strchr(text, '=');

	if (eq == NULL)
		return NULL;
	*eq = '\0';
	return eq + 1;
}

/* "permit-x" or "no-x", whatever the case of its letters; -ENOENT: neither. */
static int permit_set(struct spec_options *o, const char *text)
{
	for (size_t i = 0; i < N_PERMITS; i++) {
		const char *rest = permits[i] + strlen("permit-");

		if (strcasecmp(text, permits[i]) == 0)
			return put(o->extension, &o->n_extension, permits[i], NULL);
		if (strncasecmp(text, "no-", 3) == 0 && strcasecmp(text + 3, rest) == 0) {
			drop(o, permits[i]);
			return 0;
		}
	}
	return -ENOENT;
}

int spec_option_add(struct spec_options *o, char *text)
{
	int r = permit_set(o, text);
	char *value;

	if (r != -ENOENT)
		return r;
	if (strcmp(text, "clear") == 0) {
		o->n_extension = o->n_critical = 0;
		return 0;
	}
	if (strcmp(text, "verify-required") == 0)
		return put(o->critical, &o->n_critical, text, NULL);
	if (strcmp(text, "no-touch-required") == 0)
		return put(o->extension, &o->n_extension, text, NULL);
	value = value_cut(text);
	if (strncmp(text, "critical:", 9) == 0 && text[9] != '\0')
		return put(o->critical, &o->n_critical, text + 9, value);
	if (strncmp(text, "extension:", 10) == 0 && text[10] != '\0')
		return put(o->extension, &o->n_extension, text + 10, value);
	if (value != NULL && *value != '\0' &&
	    (strcmp(text, "force-command") == 0 || strcmp(text, "source-address") == 0))
		return put(o->critical, &o->n_critical, text, value);
	return -EINVAL;
}

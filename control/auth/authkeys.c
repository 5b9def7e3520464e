#include "control/auth/authkeys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "conf/match.h"
#include "control/auth/usercert.h"
#include "control/policy/addr.h"
#include "ssh/chan.h"

/* --- times ---------------------------------------------------------------------- */

static int digits(const char **p, unsigned int n, int *ret)
{
	int v = 0;

	for (; n > 0; n--, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return -EINVAL;
		v = v * 10 + (**p - '0');
	}
	*ret = v;
	return 0;
}

int authkeys_time_parse(const char *text, uint64_t *ret)
{
	size_t len = strlen(text);
	bool utc = len > 0 && text[len - 1] == 'Z';
	struct tm tm = {.tm_isdst = -1}, back;
	const char *p = text;
	time_t t;
	int r;

	len -= utc;
	if (len != 8 && len != 12 && len != 14)
		return -EINVAL;
	r = digits(&p, 4, &tm.tm_year);
	r |= digits(&p, 2, &tm.tm_mon);
	r |= digits(&p, 2, &tm.tm_mday);
	if (len >= 12) {
		r |= digits(&p, 2, &tm.tm_hour);
		r |= digits(&p, 2, &tm.tm_min);
	}
	if (len == 14)
		r |= digits(&p, 2, &tm.tm_sec);
	if (r != 0 || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	back = tm;
	t = utc ? timegm(&tm) : mktime(&tm);
	/* 31 February comes back as another day: no such time. */
	if (t <= 0 || tm.tm_mday != back.tm_mday || tm.tm_mon != back.tm_mon)
		return -EINVAL;
	*ret = (uint64_t)t;
	return 0;
}

/* --- options -------------------------------------------------------------------- */

/* What options may say twice or must not, besides what lands in the entry. */
struct options {
	struct authkeys_entry *e;
	const char *why;
	bool command, principals, tunnel;
};

static int refuse(struct options *o, const char *why)
{
	o->why = why;
	return -EINVAL;
}

static int opt_once(struct options *o, bool *seen, const char *why)
{
	if (*seen)
		return refuse(o, why);
	*seen = true;
	return 0;
}

static int opt_from(struct options *o, const char *value)
{
	if (o->e->from != NULL)
		return refuse(o, "multiple \"from\" clauses");
	if (!match_addr_list_valid(value))
		return refuse(o, "invalid \"from\" list");
	o->e->from = strdup(value);
	return o->e->from == NULL ? -ENOMEM : 0;
}

static int opt_expiry(struct options *o, const char *value)
{
	uint64_t t;

	if (authkeys_time_parse(value, &t) < 0)
		return refuse(o, "invalid expires time");
	if (o->e->valid_before == 0 || t < o->e->valid_before)
		o->e->valid_before = t;
	return 0;
}

static int opt_permitopen(struct options *o, const char *value)
{
	int r = policy_grant_permit(&o->e->grant, value);

	return r == -EINVAL ? refuse(o, "invalid permission hostname or port") : r;
}

static int opt_permitlisten(struct options *o, const char *value)
{
	int r = policy_grant_permit_listen(&o->e->grant, value);

	return r == -EINVAL ? refuse(o, "invalid permission hostname or port") : r;
}

static int opt_command(struct options *o, const char *value)
{
	o->e->forced_command = true;
	if (o->command)
		return refuse(o, "multiple \"command\" clauses");
	o->command = true;
	return policy_grant_force(&o->e->grant, value);
}

static int opt_principals(struct options *o, const char *value)
{
	int r = opt_once(o, &o->principals, "multiple \"principals\" clauses");

	if (r < 0)
		return r;
	o->e->principals = strdup(value);
	return o->e->principals == NULL ? -ENOMEM : 0;
}

static int opt_environment(struct options *o, const char *value)
{
	const char *p = value;
	int r;

	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	if (p == value || *p != '=')
		return refuse(o, "invalid environment string");
	r = policy_grant_variable(&o->e->grant, value);
	return r == -E2BIG ? refuse(o, "too many environment strings") : r;
}

static int opt_tunnel(struct options *o, const char *value)
{
	char *end;
	unsigned long v;

	if (strcmp(value, "any") == 0)
		return 0;
	errno = 0;
	v = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end != '\0' || errno != 0 || v > 0x7ffffffd)
		return refuse(o, "invalid tun device");
	return opt_once(o, &o->tunnel, "multiple \"tunnel\" clauses");
}

static const struct {
	const char *name;
	int (*take)(struct options *o, const char *value);
} valued[] = {
	{"from", opt_from},
	{"expiry-time", opt_expiry},
	{"permitopen", opt_permitopen},
	{"permitlisten", opt_permitlisten},
	{"command", opt_command},
	{"principals", opt_principals},
	{"environment", opt_environment},
	{"tunnel", opt_tunnel},
};

static int option_flag(struct options *o, const char *name)
{
	bool negated = strncasecmp(name, "no-", 3) == 0;
	const char *bare = negated ? name + 3 : name;

	if (strcasecmp(bare, "port-forwarding") == 0) {
		o->e->grant.port_forwarding = !negated;
		return 0;
	}
	if (strcasecmp(bare, "pty") == 0) {
		o->e->grant.pty = !negated;
		return 0;
	}
	if (strcasecmp(bare, "agent-forwarding") == 0) {
		o->e->grant.agent = !negated;
		return 0;
	}
	if (strcasecmp(bare, "X11-forwarding") == 0) {
		o->e->grant.x11 = !negated;
		return 0;
	}
	if (strcasecmp(bare, "user-rc") == 0) {
		o->e->grant.user_rc = !negated;
		return 0;
	}
	if (strcasecmp(name, "restrict") == 0) {
		o->e->grant.port_forwarding = o->e->grant.pty = false;
		o->e->grant.agent = o->e->grant.x11 = o->e->grant.user_rc = false;
		return 0;
	}
	if (strcasecmp(name, "cert-authority") == 0) {
		o->e->cert_authority = true;
		return 0;
	}
	if (strcasecmp(bare, "touch-required") == 0) {
		o->e->no_touch_required = negated;
		return 0;
	}
	if (strcasecmp(bare, "verify-required") == 0) {
		o->e->verify_required = !negated;
		return 0;
	}
	return refuse(o, "unknown key option");
}

static int option_value(struct options *o, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++)
		if (strcasecmp(name, valued[i].name) == 0)
			return valued[i].take(o, value);
	return refuse(o, "unknown key option");
}

/* The text between quotes, \" taken for ": NUL-terminated in place. *p stands on the first quote.
 */
static char *dequote(char **p)
{
	char *in = *p + 1, *out = in, *start = in;

	while (*in != '\0' && *in != '"') {
		if (in[0] == '\\' && in[1] == '"')
			in++;
		*out++ = *in++;
	}
	if (*in != '"')
		return NULL;
	*p = in + 1;
	*out = '\0';
	return start;
}

/* name[="value"]; *p ends behind it. */
static int option_parse(struct options *o, char **p)
{
	char *name = *p, *value;
	char next;

	while (isalnum((unsigned char)**p) || **p == '-')
		(*p)++;
	next = **p;
	**p = '\0';
	if (next != '=') {
		int r = option_flag(o, name);

		**p = next;
		return r;
	}
	(*p)++;
	if (**p != '"')
		return refuse(o, "missing start quote");
	value = dequote(p);
	if (value == NULL)
		return refuse(o, "missing end quote");
	return option_value(o, name, value);
}

/* All of a NUL-terminated list, which is changed on the way. */
static int options_parse(struct options *o, char *text)
{
	int r;

	for (;;) {
		r = option_parse(o, &text);
		if (r < 0)
			return r;
		if (*text == '\0')
			break;
		if (*text++ != ',')
			return refuse(o, "unknown key option");
		if (*text == '\0')
			return refuse(o, "unexpected end-of-options");
	}
	if (o->principals && !o->e->cert_authority)
		return refuse(o, "principals on non-CA key");
	return 0;
}

/* --- lines ---------------------------------------------------------------------- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of the options in front of a key: up to the first blank outside quotes. */
static size_t options_len(const char *p, size_t len)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < len && (quoted || !blank(p[i])); i++) {
		if (p[i] == '\\' && i + 1 < len && p[i + 1] == '"')
			i++;
		else if (p[i] == '"')
			quoted = !quoted;
	}
	return i < len ? i : len;
}

static int line_with_options(const char *p, size_t len, struct authkeys_entry *e,
			     const char **ret_why)
{
	struct options o = {.e = e};
	size_t n = options_len(p, len), at = n;
	char *text;
	int r;

	while (at < len && blank(p[at]))
		at++;
	if (key_line_read(p + at, len - at, &e->key) < 0)
		return -EBADMSG;
	text = strndup(p, n);
	if (text == NULL)
		return -ENOMEM;
	r = strlen(text) == n ? options_parse(&o, text) : refuse(&o, "NUL in options");
	free(text);
	if (r == -EINVAL)
		*ret_why = o.why;
	return r;
}

int authkeys_line_parse(const char *line, size_t len, struct authkeys_entry *ret,
			const char **ret_why)
{
	struct authkeys_entry e = {.grant = policy_grant_full()};
	int r;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	while (len > 0 && blank(*line)) {
		line++;
		len--;
	}
	if (len == 0 || *line == '#')
		return -ENOENT;
	r = 0;
	if (key_line_read(line, len, &e.key) < 0)
		r = line_with_options(line, len, &e, ret_why);
	if (r < 0) {
		authkeys_entry_fini(&e);
		return r;
	}
	*ret = e;
	return 0;
}

void authkeys_entry_fini(struct authkeys_entry *e)
{
	key_free(e->key);
	free(e->from);
	free(e->principals);
	policy_grant_fini(&e->grant);
	*e = (struct authkeys_entry){0};
}

/* The key is the right one: is this the place and the time? */
static bool entry_admits(const struct authkeys_entry *e, const struct authkeys_query *q,
			 char note[AUTHKEYS_NOTE_MAX])
{
	char text[ADDR_TEXT_MAX];

	if (e->valid_before != 0 && q->now >= e->valid_before) {
		snprintf(note, AUTHKEYS_NOTE_MAX,
			 "Authentication tried for %.100s with an expired key", q->user);
		return false;
	}
	addr_text(&q->peer, text);
	if (e->from != NULL && !match_from(q->peer_name, text, e->from)) {
		snprintf(note, AUTHKEYS_NOTE_MAX,
			 "Authentication tried for %.100s with correct key but not from a "
			 "permitted host (host=%s, ip=%s, required=%.200s).",
			 q->user, q->peer_name != NULL ? q->peer_name : text, text, e->from);
		return false;
	}
	return true;
}

/* Is it the line's key, or a certificate by the authority that the line names? */
static bool entry_concerns(const struct authkeys_entry *e, const struct key *key)
{
	const struct cert *cert = key_cert(key);

	if (!e->cert_authority)
		return key_equal(e->key, key);
	return cert != NULL && key_equal(e->key, cert->ca);
}

/* What the line allows becomes the answer; of a certificate, as far as it allows it, too. */
static int entry_take(struct authkeys_entry *e, const struct authkeys_query *q,
		      struct authkeys_answer *a)
{
	struct authkeys_answer found = {
		.grant = e->grant,
		.line = a->line,
		.forced_command = e->forced_command,
		.no_touch_required = e->no_touch_required,
		.verify_required = e->verify_required,
		.expires = e->valid_before != 0 ? e->valid_before : UINT64_MAX,
	};

	if (e->cert_authority &&
	    (q->trust == NULL || usercert_check(q, e->principals, &found) < 0)) {
		memcpy(a->note, found.note, sizeof(a->note));
		return -ENOENT;
	}
	e->grant = (struct policy_grant){0}; /* handed over */
	*a = found;
	return 0;
}

int authkeys_options_admit(const char *options, size_t len, const struct authkeys_query *q,
			   struct authkeys_answer *ret)
{
	struct authkeys_entry e = {.grant = policy_grant_full()};
	struct options o = {.e = &e, .why = "NUL in options"};
	char *text = strndup(options, len);
	int r = 0;

	if (text == NULL)
		return -ENOMEM;
	if (len > 0)
		r = strlen(text) == len ? options_parse(&o, text) : -EINVAL;
	if (r == -EINVAL)
		snprintf(ret->note, sizeof(ret->note), "line %u: bad options: %s", ret->line,
			 o.why);
	if (r == 0)
		r = entry_admits(&e, q, ret->note) ? entry_take(&e, q, ret) : -EACCES;
	free(text);
	authkeys_entry_fini(&e);
	return r;
}

static int line_try(const char *line, size_t len, const struct authkeys_query *q,
		    struct authkeys_answer *a)
{
	struct authkeys_entry e;
	const char *why = "";
	int r;

	if (len > AUTHKEYS_LINE_MAX)
		return -ENOENT;
	r = authkeys_line_parse(line, len, &e, &why);
	if (r == -EINVAL)
		snprintf(a->note, sizeof(a->note), "line %u: bad key options: %s", a->line, why);
	if (r < 0)
		return r;
	r = -ENOENT;
	if (entry_concerns(&e, q->key)) {
		if (entry_admits(&e, q, a->note))
			r = entry_take(&e, q, a);
		a->refused |= r < 0;
	}
	authkeys_entry_fini(&e);
	return r;
}

int authkeys_find(const char *text, size_t len, const struct authkeys_query *q,
		  struct authkeys_answer *ret)
{
	struct authkeys_answer a = {0};
	size_t at = 0;

	while (at < len) {
		const char *line = text + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = end != NULL ? (size_t)(end - line) : len - at;

		a.line++;
		if (line_try(line, n, q, &a) == 0) {
			*ret = a;
			return 0;
		}
		at += n + 1;
	}
	memcpy(ret->note, a.note, sizeof(a.note));
	ret->refused = a.refused;
	return -ENOENT;
}

#include "control/audit/record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/policy/addr.h"

#define TAIL_MAX 16 /* ,"cut":true}\n */

struct audit_event_info audit_event_info(enum audit_event e)
{
	static const struct audit_event_info of[] = {
#define X(event, text, set, sentence)                                                              \
	[AUDIT_##event] = {.name = text, .what = sentence, .fields = (set) | AF_EVERY},
		AUDIT_EVENTS(X)
#undef X
	};

	return of[e];
}

const char *audit_event_name_at(unsigned int i)
{
	return i < AUDIT_EVENT_COUNT ? audit_event_info((enum audit_event)i).name : NULL;
}

const char *audit_field_name(enum audit_field f)
{
	static const char *const of[] = {
#define X(name, text) [AUDIT_F_##name] = text,
		AUDIT_FIELDS(X)
#undef X
	};

	return of[f];
}

/* All of it or nothing: half a value is none. */
static bool add(struct audit_record *r, const char *p, size_t n)
{
	if (n > sizeof(r->line) - TAIL_MAX - r->len) {
		r->cut = true;
		return false;
	}
	memcpy(r->line + r->len, p, n);
	r->len += n;
	return true;
}

static bool name(struct audit_record *r, enum audit_field f, const char *suffix)
{
	char text[48];
	int n = snprintf(text, sizeof(text), "%s\"%s%s\":", r->len > 1 ? "," : "",
			 audit_field_name(f), suffix);

	assert(audit_event_info(r->event).fields & 1ull << f);
	return add(r, text, (size_t)n);
}

/* --- strings ------------------------------------------------------------------------------------
 */

/*
 * The next character of s (RFC 3629: the shortest form, no surrogate, none above U+10FFFF), or
 * U+FFFD for one byte that begins none. Returns how many bytes it has.
 */
static size_t utf8_next(const uint8_t *p, size_t n, uint32_t *ret, bool *bad)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80   ? 1
		     : p[0] < 0xc2 ? 0
		     : p[0] < 0xe0 ? 2
		     : p[0] < 0xf0 ? 3
		     : p[0] < 0xf5 ? 4
				   : 0;
	uint32_t c = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
	size_t i = 1;

	for (; i < len && i < n && (p[i] & 0xc0) == 0x80; i++)
		c = c << 6 | (p[i] & 0x3f);
	if (len == 0 || i < len || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		*bad = true;
		*ret = 0xfffd;
		return 1;
	}
	*ret = c;
	return len;
}

static size_t escape(uint32_t c, char out[13])
{
	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, 13, "\\%c", (char)c);
	if (c >= 0x20 && c < 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x10000)
		return (size_t)snprintf(out, 13, "\\u%04x", c);
	c -= 0x10000;
	return (size_t)snprintf(out, 13, "\\u%04x\\u%04x", 0xd800 | c >> 10, 0xdc00 | (c & 0x3ff));
}

static bool quoted(struct audit_record *r, const uint8_t *p, size_t n, bool *bad)
{
	bool ok = add(r, "\"", 1);
	uint32_t c;

	for (size_t i = 0; ok && i < n;) {
		char out[13];

		i += utf8_next(p + i, n - i, &c, bad);
		ok = add(r, out, escape(c, out));
	}
	return ok && add(r, "\"", 1);
}

static bool hex(struct audit_record *r, const uint8_t *p, size_t n)
{
	char two[3];
	bool ok = add(r, "\"", 1);

	for (size_t i = 0; ok && i < n; i++) {
		snprintf(two, sizeof(two), "%02x", p[i]);
		ok = add(r, two, 2);
	}
	return ok && add(r, "\"", 1);
}

/* Not in the middle of a character, where that is one. */
static size_t cut_at(const uint8_t *p, size_t n)
{
	size_t at = AUDIT_TEXT_MAX;

	if (n <= AUDIT_TEXT_MAX)
		return n;
	while (at > AUDIT_TEXT_MAX - 4 && (p[at] & 0xc0) == 0x80)
		at--;
	return at;
}

void audit_str(struct audit_record *r, enum audit_field f, struct ssh_str s)
{
	size_t from = r->len, n = cut_at(s.p, s.len);
	bool bad = false;

	if (s.len == 0)
		return;
	r->cut |= n < s.len;
	if (!name(r, f, "") || !quoted(r, s.p, n, &bad) ||
	    (bad && (!name(r, f, "_hex") || !hex(r, s.p, n))))
		r->len = from;
}

void audit_text(struct audit_record *r, enum audit_field f, const char *text)
{
	if (text != NULL)
		audit_str(r, f, ssh_str_c(text));
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static void bare(struct audit_record *r, enum audit_field f, const char *text)
{
	size_t from = r->len;

	if (!name(r, f, "") || !add(r, text, strlen(text)))
		r->len = from;
}

void audit_num(struct audit_record *r, enum audit_field f, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	bare(r, f, text);
}

void audit_int(struct audit_record *r, enum audit_field f, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, n);
	bare(r, f, text);
}

void audit_true(struct audit_record *r, enum audit_field f)
{
	bare(r, f, "true");
}

void audit_addr(struct audit_record *r, enum audit_field f, const struct link_addr *a)
{
	char text[ADDR_TEXT_MAX];

	if (a->family != 0)
		audit_text(r, f, addr_text(a, text));
}

/* RFC 3339, UTC: "2026-11-22T09:41:49.123456Z". */
static void wall_text(uint64_t wall_us, char *buf, size_t size)
{
	time_t s = (time_t)(wall_us / 1000000);
	struct tm tm = {0};
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%06uZ", (unsigned int)(wall_us % 1000000));
}

void audit_begin(struct audit_record *r, enum audit_event e, const char *id,
		 const struct audit_when *when)
{
	char text[48];

	r->event = e;
	r->cut = r->ended = false;
	r->len = 1;
	r->line[0] = '{';
	audit_num(r, AUDIT_F_V, AUDIT_SCHEMA_VERSION);
	audit_text(r, AUDIT_F_ID, id);
	wall_text(when->wall_us, text, sizeof(text));
	audit_text(r, AUDIT_F_TIME, text);
	audit_num(r, AUDIT_F_MONO_US, when->mono_us);
	audit_text(r, AUDIT_F_EVENT, audit_event_info(e).name);
}

void audit_end(struct audit_record *r)
{
	const char *tail = r->cut ? ",\"cut\":true}\n" : "}\n";

	if (r->ended)
		return;
	r->ended = true;
	/* add() has left room for it. */
	memcpy(r->line + r->len, tail, strlen(tail));
	r->len += strlen(tail);
}

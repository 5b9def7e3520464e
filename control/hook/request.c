#include "control/hook/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/base64.h"

#define NAME_MAX_ 64

void hook_req_begin(struct hook_req *r, const char *kind)
{
	r->o = json_object();
	r->bad = r->o == NULL;
	r->record = (struct ssh_str){0};
	hook_req_json(r, "v", json_integer(1));
	hook_req_json(r, "kind", json_string(kind));
}

void hook_req_end(struct hook_req *r)
{
	json_decref(r->o);
	r->o = NULL;
	r->bad = true;
}

void hook_req_json(struct hook_req *r, const char *name, json_t *v)
{
	if (r->bad) {
		json_decref(v);
		return;
	}
	r->bad = v == NULL || json_object_set_new(r->o, name, v) < 0;
}

void hook_req_int(struct hook_req *r, const char *name, uint64_t v)
{
	hook_req_json(r, name, json_integer((json_int_t)v));
}

void hook_req_bool(struct hook_req *r, const char *name, bool v)
{
	hook_req_json(r, name, json_boolean(v));
}

void hook_req_bytes(struct hook_req *r, const char *name, const uint8_t *p, size_t len)
{
	char *text = malloc(base64_len(len) + 1);

	if (text != NULL)
		base64_encode(p, len, text);
	hook_req_json(r, name, text != NULL ? json_stringn(text, base64_len(len)) : NULL);
	free(text);
}

/* --- text ------------------------------------------------------------------------------------- */

/* Bytes behind the first one of a character of RFC 3629, and the least it may stand for; 0: none.
 */
static unsigned int utf8_lead(uint8_t c, uint32_t *ret_least, uint32_t *ret_bits)
{
	if (c >= 0xc2 && c <= 0xdf) {
		*ret_least = 0x80;
		*ret_bits = c & 0x1fu;
		return 1;
	}
	if (c >= 0xe0 && c <= 0xef) {
		*ret_least = 0x800;
		*ret_bits = c & 0x0fu;
		return 2;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		*ret_least = 0x10000;
		*ret_bits = c & 0x07u;
		return 3;
	}
	return 0;
}

/* Text that any reader of JSON reads as what it is. */
static bool text_ok(struct ssh_str s)
{
	for (uint32_t i = 0; i < s.len;) {
		uint32_t least, v;
		unsigned int more;

		if (s.p[i] < 0x80) {
			if (s.p[i++] == 0)
				return false;
			continue;
		}
		more = utf8_lead(s.p[i++], &least, &v);
		if (more == 0 || s.len - i < more)
			return false;
		for (; more > 0; more--, i++) {
			if ((s.p[i] & 0xc0) != 0x80)
				return false;
			v = v << 6 | (s.p[i] & 0x3fu);
		}
		if (v < least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
	}
	return true;
}

void hook_req_text(struct hook_req *r, const char *name, struct ssh_str text)
{
	char other[NAME_MAX_];

	if (text_ok(text)) {
		hook_req_json(r, name, json_stringn((const char *)text.p, text.len));
		return;
	}
	snprintf(other, sizeof(other), "%s_base64", name);
	hook_req_bytes(r, other, text.p, text.len);
}

/* --- secrets: written into the line themselves --------------------------------------------------
 */

/* Room for one, however it is written. */
static size_t secret_room(struct ssh_str s)
{
	return 6 * (size_t)s.len + 4;
}

static char *put(char *to, const char *text)
{
	size_t n = strlen(text);

	memcpy(to, text, n);
	return to + n;
}

static char *put_escaped(char *to, struct ssh_str s)
{
	static const char hex[] = "0123456789abcdef";

	for (uint32_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (c == '"' || c == '\\') {
			*to++ = '\\';
			*to++ = (char)c;
		} else if (c < 0x20) {
			to = put(to, "\\u00");
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		} else {
			*to++ = (char)c;
		}
	}
	return to;
}

static char *put_secret(char *to, struct ssh_str s, bool text)
{
	*to++ = '"';
	if (text) {
		to = put_escaped(to, s);
	} else {
		base64_encode(s.p, s.len, to);
		to += base64_len(s.len);
	}
	*to++ = '"';
	return to;
}

/* ,"NAME":"…" or ,"NAME":["…","…"]; of a list one that is no text makes all of them base64. */
static char *put_secrets(char *to, const struct hook_secret *m)
{
	bool text = true;

	for (unsigned int i = 0; i < m->n; i++)
		text &= text_ok(m->v[i]);
	to = put(to, ",\"");
	to = put(to, m->name);
	to = put(to, text ? "\":" : "_base64\":");
	if (m->list)
		*to++ = '[';
	for (unsigned int i = 0; i < m->n; i++) {
		if (i > 0)
			*to++ = ',';
		to = put_secret(to, m->v[i], text);
	}
	if (m->list)
		*to++ = ']';
	return to;
}

int hook_req_line(const struct hook_req *r, const struct hook_secret *secret, size_t n_secret,
		  size_t room, size_t max, char **ret, size_t *ret_len)
{
	char *text = r->bad ? NULL : json_dumps(r->o, JSON_COMPACT), *line, *to;
	size_t len = text != NULL ? strlen(text) : 0, more = 2;

	if (r->record.len > 0)
		more += sizeof(",\"record\":") + r->record.len;
	for (size_t k = 0; k < n_secret; k++) {
		more += strlen(secret[k].name) + 16;
		for (unsigned int i = 0; i < secret[k].n; i++)
			more += secret_room(secret[k].v[i]);
	}
	if (len + more > max) {
		free(text);
		return -EMSGSIZE;
	}
	line = text != NULL ? malloc(room + len + more) : NULL;
	if (line == NULL) {
		free(text);
		return -ENOMEM;
	}
	memcpy(line + room, text, len);
	to = line + room + len - 1; /* the brace at its end */
	if (r->record.len > 0) {
		to = put(to, ",\"record\":");
		memcpy(to, r->record.p, r->record.len);
		to += r->record.len;
	}
	for (size_t k = 0; k < n_secret; k++)
		to = put_secrets(to, &secret[k]);
	to = put(to, "}\n");
	*ret = line;
	*ret_len = (size_t)(to - line) - room;
	free(text);
	return 0;
}

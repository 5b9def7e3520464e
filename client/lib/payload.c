/*
 * client/lib/payload.c - messages field by field, as text: for programs that build and read them
 * themselves.
 *
 * Source  RFC 4251 section 5, RFC 4254. Types are the letters of sluice.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "client/lib/utf8.h"
#include "crypto/secret.h"
#include "ssh/field.h"

#define PAYLOAD_MAX (256 * 1024)

/* --- hexadecimal
 * ---------------------------------------------------------------------------------- */

ssize_t sluice_hex_encode(const void *p, size_t len, char *buf, size_t size)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *b = p;

	if (len >= size / 2 + 1 || size < 2 * len + 1)
		return -ENOBUFS;
	for (size_t i = 0; i < len; i++) {
		buf[2 * i] = digit[b[i] >> 4];
		buf[2 * i + 1] = digit[b[i] & 15];
	}
	buf[2 * len] = '\0';
	return (ssize_t)(2 * len);
}

ssize_t sluice_hex_decode(const char *hex, void *buf, size_t size)
{
	size_t len = strlen(hex) / 2;
	uint8_t *b = buf;

	if (strlen(hex) % 2 != 0)
		return -EINVAL;
	if (len > size)
		return -ENOBUFS;
	for (size_t i = 0; i < len; i++) {
		int high = ssh_hex_digit(hex[2 * i]), low = ssh_hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)len;
}

/* --- writing
 * ----------------------------------------------------------------------------------------- */

static int payload_append(struct sluice_payload *p, const void *bytes, size_t len)
{
	if (len == 0)
		return 0;
	if (len > PAYLOAD_MAX - p->len)
		return -EINVAL;
	if (p->len + len > p->size) {
		size_t size = 2 * (p->len + len);
		uint8_t *grown = malloc(size);

		if (grown == NULL)
			return -ENOMEM;
		if (p->len > 0)
			memcpy(grown, p->p, p->len);
		secret_wipe(p->p, p->len);
		free(p->p);
		p->p = grown;
		p->size = size;
	}
	memcpy(p->p + p->len, bytes, len);
	p->len += len;
	return 0;
}

int sluice_payload_put(struct sluice_payload *p, const char *type, const char *value)
{
	size_t size = ssh_field_max(value);
	uint8_t *buf;
	struct ssh_wr w;
	int r;

	if (strcmp(type, "s") == 0 && !utf8_valid(value))
		return -EINVAL;
	buf = malloc(size);
	if (buf == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, buf, size);
	r = ssh_field_put(&w, type, value);
	if (r == 0)
		r = payload_append(p, buf, ssh_wr_done(&w));
	secret_wipe(buf, size);
	free(buf);
	return r;
}

void sluice_payload_free(struct sluice_payload *p)
{
	if (p->p != NULL)
		secret_wipe(p->p, p->len);
	free(p->p);
	*p = (struct sluice_payload){0};
}

/* --- reading
 * ------------------------------------------------------------------------------------------- */

/* A value: a string or mpint of bytes, or a number. */
struct field {
	char type; /* the letter; 'x' is 'sb' */
	struct ssh_str bytes;
	uint64_t n;
};

/* What stands behind the common fields, in order: names, each behind its type. */
static const struct {
	const char *message, *fields;
} known[] = {
	{"pty-req", "s:TerminalType,i:TerminalWidthCharacters,i:TerminalHeightRows,"
		    "i:TerminalWidthPixels,i:TerminalHeightPixels,x:TerminalModes"},
	{"window-change", "i:TerminalWidthCharacters,i:TerminalHeightRows,"
			  "i:TerminalWidthPixels,i:TerminalHeightPixels"},
	{"x11-req", "f:SingleConnection,s:X11AuthProtocol,s:X11AuthCookie,i:X11ScreenNumber"},
	{"env", "s:VariableName,s:VariableValue"},
	{"exec", "s:Command"},
	{"subsystem", "s:Subsystem"},
	{"xon-xoff", "f:ClientCanDo"},
	{"signal", "s:SignalName"},
	{"exit-status", "i:ExitStatus"},
	{"exit-signal", "s:SignalName,f:CoreDumped,s:ErrorMessage,s:LanguageTag"},
	{"break", "i:BreakLength"},
	{"direct-tcpip", "s:Host,i:Port,s:OriginAddress,i:OriginPort"},
	{"forwarded-tcpip", "s:Host,i:Port,s:OriginAddress,i:OriginPort"},
	{"x11", "s:OriginAddress,i:OriginPort"},
	{"direct-streamlocal@openssh.com", "s:SocketPath"},
	{"forwarded-streamlocal@openssh.com", "s:SocketPath"},
	{"tcpip-forward", "s:Host,i:Port"},
	{"cancel-tcpip-forward", "s:Host,i:Port"},
};

/* Those of every message of its number; a reader stands behind the number. */
static const char *common_fields(uint8_t number)
{
	switch (number) {
	case SSH_MSG_CHANNEL_REQUEST:
		return "i:ChannelId,s:RequestType,f:WantsReply";
	case SSH_MSG_CHANNEL_OPEN:
		return "s:ChannelType,i:ChannelId,i:WindowSize,i:MaximumPacketSize";
	case SSH_MSG_GLOBAL_REQUEST:
		return "s:RequestType,f:WantsReply";
	default:
		return "";
	}
}

static bool field_read(struct ssh_rd *r, char type, struct field *ret)
{
	*ret = (struct field){.type = type};
	switch (type) {
	case 's':
	case 'x':
		ret->bytes = ssh_rd_str(r);
		break;
	case 'm':
		ret->bytes = ssh_rd_mpint(r);
		break;
	case 'i':
		ret->n = ssh_rd_u32(r);
		break;
	case 'l':
		ret->n = ssh_rd_u64(r);
		break;
	case 'b':
		ret->n = ssh_rd_u8(r);
		break;
	case 'f':
		ret->n = ssh_rd_bool(r);
		break;
	default:
		return false;
	}
	return !r->bad;
}

/* Reads on until the field of that name; NULL: all of them. 0, -ENOENT, -EBADMSG. */
static int walk_named(struct ssh_rd *r, const char *fields, const char *name, struct field *ret)
{
	while (*fields != '\0') {
		size_t n = strcspn(fields + 2, ",");

		if (!field_read(r, *fields, ret))
			return -EBADMSG;
		if (name != NULL && strlen(name) == n && strncasecmp(fields + 2, name, n) == 0)
			return 0;
		fields += 2 + n;
		fields += *fields == ',';
	}
	return -ENOENT;
}

/* "%s,i,sb": the value of the last. */
static int walk_types(struct ssh_rd *r, const char *types, struct field *ret)
{
	do {
		size_t n = strcspn(++types, ",");
		char type = *types;

		if (n == 2 && strncmp(types, "sb", 2) == 0)
			type = 'x';
		else if (n != 1 || type == 'x')
			return -ENOENT;
		types += n;
		if (strchr("sximlbf", type) == NULL)
			return -ENOENT;
		if (!field_read(r, type, ret))
			return -EBADMSG;
	} while (*types == ',');
	return 0;
}

static int field_find(const void *payload, size_t len, const char *name, struct field *ret)
{
	const uint8_t *p = payload;
	const char *common;
	struct field type = {0};
	struct ssh_rd r, at;
	int e;

	if (len == 0)
		return -EBADMSG;
	common = common_fields(p[0]);
	ssh_rd_init(&r, p + 1, len - 1);
	at = r;
	e = walk_named(&at, common, name, ret);
	if (e != -ENOENT)
		return e;
	if (*name == '%')
		return walk_types(&at, name, ret);
	if (*common == '\0' ||
	    walk_named(&r, common, p[0] == SSH_MSG_CHANNEL_OPEN ? "ChannelType" : "RequestType",
		       &type) < 0)
		return -ENOENT;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ssh_str_eq(type.bytes, known[i].message))
			return walk_named(&at, known[i].fields, name, ret);
	return -ENOENT;
}

static ssize_t put_text(char *buf, size_t size, const void *text, size_t len)
{
	if (size > 0) {
		size_t n = len < size ? len : size - 1;

		if (n > 0)
			memcpy(buf, text, n);
		buf[n] = '\0';
	}
	return (ssize_t)len;
}

static ssize_t put_bytes(char *buf, size_t size, struct ssh_str s, const char *prefix)
{
	size_t head = strlen(prefix), room = head + 2 * (size_t)s.len + 1;
	char *text = malloc(room);
	ssize_t n;

	if (text == NULL)
		return -ENOMEM;
	memcpy(text, prefix, head);
	n = sluice_hex_encode(s.p, s.len, text + head, room - head);
	n = put_text(buf, size, text, head + (size_t)n);
	free(text);
	return n;
}

ssize_t sluice_payload_get(const void *payload, size_t len, const char *field, char *buf,
			   size_t size)
{
	char number[24];
	struct field f;
	int r = field_find(payload, len, field, &f);

	if (r < 0)
		return r;
	if (f.type == 's')
		return put_text(buf, size, f.bytes.p, f.bytes.len);
	if (f.type == 'x')
		return put_bytes(buf, size, f.bytes, "");
	if (f.type == 'm' && f.bytes.len > 8)
		return put_bytes(buf, size, f.bytes, "0x");
	for (uint32_t i = 0; f.type == 'm' && i < f.bytes.len; i++)
		f.n = f.n << 8 | f.bytes.p[i];
	if (f.type == 'f')
		return put_text(buf, size, f.n != 0 ? "True" : "False", f.n != 0 ? 4 : 5);
	r = snprintf(number, sizeof(number), "%" PRIu64, f.n);
	return put_text(buf, size, number, (size_t)r);
}

int sluice_payload_get_bytes(const void *payload, size_t len, const char *field,
			     const uint8_t **ret, size_t *ret_len)
{
	struct field f;
	int r = field_find(payload, len, field, &f);

	if (r < 0)
		return r;
	if (f.type != 's' && f.type != 'x' && f.type != 'm')
		return -ENOENT;
	*ret = f.bytes.p;
	*ret_len = f.bytes.len;
	return 0;
}

/*
 * client/lib/payload.c - messages field by field, as text: for programs that build and read them
 * themselves.
 *
 * Source  RFC 4251 section 5, RFC 4254. Types are the letters of sluice.h.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "crypto/secret.h"

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

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
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
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

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

/* A number of at most max, decimal or with 0x. */
static int number_read(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	if (errno != 0 || *end != '\0' || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int put_string(struct sluice_payload *p, const void *bytes, size_t len)
{
	uint8_t head[4];
	struct ssh_wr w;

	if (len > PAYLOAD_MAX - p->len || PAYLOAD_MAX - p->len - len < sizeof(head))
		return -EINVAL;
	ssh_wr_init(&w, head, sizeof(head));
	ssh_wr_u32(&w, (uint32_t)len);
	if (payload_append(p, head, sizeof(head)) < 0)
		return -ENOMEM;
	if (payload_append(p, bytes, len) == 0)
		return 0;
	p->len -= sizeof(head);
	return -ENOMEM;
}

/* The bytes of hexadecimal text; an odd first digit stands alone where it may. */
static int put_hex(struct sluice_payload *p, const char *hex, bool number)
{
	size_t len = strlen(hex), n = (len + 1) / 2;
	uint8_t *bytes;
	struct ssh_wr w;
	uint8_t *wire;
	int r = -EINVAL;

	if (len > 2 * SSH_MPINT_MAX && number)
		return -EINVAL;
	bytes = malloc(len + 2);
	wire = malloc(n + 8);
	if (bytes == NULL || wire == NULL) {
		free(bytes);
		free(wire);
		return -ENOMEM;
	}
	if (number && len % 2 != 0) {
		char *even = malloc(len + 2);

		if (even != NULL) {
			snprintf(even, len + 2, "0%s", hex);
			r = sluice_hex_decode(even, bytes, n) < 0 ? -EINVAL : 0;
			free(even);
		}
	} else {
		r = sluice_hex_decode(hex, bytes, n) < 0 ? -EINVAL : 0;
	}
	ssh_wr_init(&w, wire, n + 8);
	ssh_wr_mpint(&w, bytes, n);
	if (r == 0)
		r = number ? payload_append(p, wire, ssh_wr_done(&w)) : put_string(p, bytes, n);
	secret_wipe(bytes, n);
	secret_wipe(wire, n);
	free(bytes);
	free(wire);
	return r;
}

static int put_number(struct sluice_payload *p, const char *value, size_t len)
{
	uint64_t n, max = len == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * len)) - 1;
	uint8_t bytes[8];

	if (number_read(value, max, &n) < 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(n >> (8 * (len - 1 - i)));
	return payload_append(p, bytes, len);
}

/* Decimal ones of 64 bits, larger ones in hexadecimal. */
static int put_mpint(struct sluice_payload *p, const char *value)
{
	char hex[24];
	uint64_t n;

	if (strncasecmp(value, "0x", 2) == 0 && value[2] != '\0')
		return put_hex(p, value + 2, true);
	if (number_read(value, UINT64_MAX, &n) < 0)
		return -EINVAL;
	snprintf(hex, sizeof(hex), "%" PRIx64, n);
	return put_hex(p, hex, true);
}

int sluice_payload_put(struct sluice_payload *p, const char *type, const char *value)
{
	if (strcmp(type, "s") == 0)
		return put_string(p, value, strlen(value));
	if (strcmp(type, "sb") == 0)
		return put_hex(p, value, false);
	if (strcmp(type, "m") == 0)
		return put_mpint(p, value);
	if (strcmp(type, "i") == 0)
		return put_number(p, value, 4);
	if (strcmp(type, "l") == 0)
		return put_number(p, value, 8);
	if (strcmp(type, "b") == 0)
		return put_number(p, value, 1);
	if (strcmp(type, "f") != 0)
		return -EINVAL;
	if (strcasecmp(value, "true") == 0)
		return payload_append(p, "\1", 1);
	return strcasecmp(value, "false") == 0 ? payload_append(p, "", 1) : -EINVAL;
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

/* ssh/show.c - see show.h. */
#include "ssh/show.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ssh/msg.h"
#include "ssh/wire.h"

#define VALUE_MAX 256 /* bytes of a text that are printed */
#define COOKIE    16  /* RFC 4253 section 7.1 */

/*
 * Fields in their order, as letters and names: u a number, b a boolean, s a text, n how long the
 * text is whose bytes are not shown, c a cookie. of: what it goes on with where its first text is
 * this.
 */
static const struct shape {
	uint8_t msg;
	const char *name, *of, *fields;
} shapes[] = {
	{SSH_MSG_DISCONNECT, "DISCONNECT", NULL, "ureason sdescription"},
	{SSH_MSG_IGNORE, "IGNORE", NULL, ""},
	{SSH_MSG_UNIMPLEMENTED, "UNIMPLEMENTED", NULL, "useqnr"},
	{SSH_MSG_DEBUG, "DEBUG", NULL, "balways_display smessage"},
	{SSH_MSG_SERVICE_REQUEST, "SERVICE_REQUEST", NULL, "sservice"},
	{SSH_MSG_SERVICE_ACCEPT, "SERVICE_ACCEPT", NULL, "sservice"},
	{SSH_MSG_EXT_INFO, "EXT_INFO", NULL, "unr_extensions"},
	{SSH_MSG_NEWCOMPRESS, "NEWCOMPRESS", NULL, ""},
	{SSH_MSG_KEXINIT, "KEXINIT", NULL,
	 "ccookie skex shost_key scipher_in scipher_out smac_in smac_out scomp_in scomp_out "
	 "slang_in slang_out bfirst_follows"},
	{SSH_MSG_NEWKEYS, "NEWKEYS", NULL, ""},
	{SSH_MSG_USERAUTH_REQUEST, "USERAUTH_REQUEST", NULL, "suser sservice smethod"},
	{SSH_MSG_USERAUTH_FAILURE, "USERAUTH_FAILURE", NULL, "smethods bpartial"},
	{SSH_MSG_USERAUTH_SUCCESS, "USERAUTH_SUCCESS", NULL, ""},
	{SSH_MSG_USERAUTH_BANNER, "USERAUTH_BANNER", NULL, "smessage"},
	{SSH_MSG_GLOBAL_REQUEST, "GLOBAL_REQUEST", NULL, "srequest bwant_reply"},
	{SSH_MSG_GLOBAL_REQUEST, NULL, "tcpip-forward", "saddress uport"},
	{SSH_MSG_GLOBAL_REQUEST, NULL, "cancel-tcpip-forward", "saddress uport"},
	{SSH_MSG_GLOBAL_REQUEST, NULL, "streamlocal-forward@openssh.com", "spath"},
	{SSH_MSG_GLOBAL_REQUEST, NULL, "cancel-streamlocal-forward@openssh.com", "spath"},
	{SSH_MSG_REQUEST_SUCCESS, "REQUEST_SUCCESS", NULL, ""},
	{SSH_MSG_REQUEST_FAILURE, "REQUEST_FAILURE", NULL, ""},
	{SSH_MSG_CHANNEL_OPEN, "CHANNEL_OPEN", NULL,
	 "stype usender_channel uwindow_size upacket_max"},
	{SSH_MSG_CHANNEL_OPEN, NULL, "direct-tcpip", "shost uport soriginator uoriginator_port"},
	{SSH_MSG_CHANNEL_OPEN, NULL, "forwarded-tcpip",
	 "saddress uport soriginator uoriginator_port"},
	{SSH_MSG_CHANNEL_OPEN, NULL, "direct-streamlocal@openssh.com", "spath"},
	{SSH_MSG_CHANNEL_OPEN, NULL, "forwarded-streamlocal@openssh.com", "spath"},
	{SSH_MSG_CHANNEL_OPEN, NULL, "x11", "soriginator uoriginator_port"},
	{SSH_MSG_CHANNEL_OPEN_CONFIRMATION, "CHANNEL_OPEN_CONFIRMATION", NULL,
	 "urecipient_channel usender_channel uwindow_size upacket_max"},
	{SSH_MSG_CHANNEL_OPEN_FAILURE, "CHANNEL_OPEN_FAILURE", NULL,
	 "urecipient_channel ureason sdescription"},
	{SSH_MSG_CHANNEL_WINDOW_ADJUST, "CHANNEL_WINDOW_ADJUST", NULL, "urecipient_channel ubytes"},
	{SSH_MSG_CHANNEL_DATA, "CHANNEL_DATA", NULL, "urecipient_channel nbytes"},
	{SSH_MSG_CHANNEL_EXTENDED_DATA, "CHANNEL_EXTENDED_DATA", NULL,
	 "urecipient_channel utype nbytes"},
	{SSH_MSG_CHANNEL_EOF, "CHANNEL_EOF", NULL, "urecipient_channel"},
	{SSH_MSG_CHANNEL_CLOSE, "CHANNEL_CLOSE", NULL, "urecipient_channel"},
	{SSH_MSG_CHANNEL_REQUEST, "CHANNEL_REQUEST", NULL,
	 "urecipient_channel srequest bwant_reply"},
	{SSH_MSG_CHANNEL_REQUEST, NULL, "exit-status", "ustatus"},
	{SSH_MSG_CHANNEL_REQUEST, NULL, "exit-signal", "ssignal bcore_dumped smessage"},
	{SSH_MSG_CHANNEL_REQUEST, NULL, "pty-req", "sterm ucolumns urows uwidth uheight"},
	{SSH_MSG_CHANNEL_REQUEST, NULL, "window-change", "ucolumns urows uwidth uheight"},
	{SSH_MSG_CHANNEL_REQUEST, NULL, "signal", "ssignal"},
	{SSH_MSG_CHANNEL_REQUEST, NULL, "subsystem", "ssubsystem"},
	{SSH_MSG_CHANNEL_SUCCESS, "CHANNEL_SUCCESS", NULL, "urecipient_channel"},
	{SSH_MSG_CHANNEL_FAILURE, "CHANNEL_FAILURE", NULL, "urecipient_channel"},
	{SSH_MSG_PING, "PING", NULL, ""},
	{SSH_MSG_PONG, "PONG", NULL, ""},
};

static const struct shape *shape_find(uint8_t msg, const struct ssh_str *first)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *s = &shapes[i];

		if (s->msg == msg &&
		    (first == NULL ? s->of == NULL : s->of != NULL && ssh_str_eq(*first, s->of)))
			return s;
	}
	return NULL;
}

/* --- text --------------------------------------------------------------------------------------
 */

/* Where it is NULL nothing is written. */
struct out {
	char *p;
	size_t len, size;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o == NULL || o->len + 1 >= o->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(o->p + o->len, o->size - o->len, fmt, ap);
	va_end(ap);
	o->len += (size_t)n < o->size - o->len ? (size_t)n : o->size - o->len - 1;
}

static void put_text(struct out *o, struct ssh_str s)
{
	for (uint32_t i = 0; i < s.len && i < VALUE_MAX; i++)
		if (s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != '\\')
			put(o, "%c", s.p[i]);
		else
			put(o, "\\%03o", s.p[i]);
	if (s.len > VALUE_MAX)
		put(o, "...");
}

/* --- fields ------------------------------------------------------------------------------------
 */

/* One, if it is there. first: the first text of them all, once it was read. */
static void field(struct ssh_rd *r, char kind, const char *name, int len, struct ssh_str *first,
		  struct out *o)
{
	struct ssh_str s;
	uint32_t n;

	switch (kind) {
	case 's':
		s = ssh_rd_str(r);
		if (r->bad)
			return;
		if (first->p == NULL)
			*first = s;
		put(o, " %.*s=", len, name);
		put_text(o, s);
		return;
	case 'c':
		(void)ssh_rd_take(r, COOKIE);
		return;
	case 'b':
		n = ssh_rd_bool(r);
		if (!r->bad)
			put(o, " %.*s=%s", len, name, n ? "yes" : "no");
		return;
	default: /* u, n */
		n = ssh_rd_u32(r);
		if (!r->bad)
			put(o, " %.*s=%u", len, name, n);
	}
}

/* Returns the end of the last field that is whole. */
static const uint8_t *walk(struct ssh_rd *r, const struct shape *s, struct ssh_str *first,
			   struct out *o)
{
	const uint8_t *whole = r->p;

	for (const char *f = s->fields; *f != '\0' && !r->bad;) {
		int len = (int)strcspn(f + 1, " ");

		field(r, *f, f + 1, len, first, o);
		if (!r->bad)
			whole = r->p;
		f += 1 + len;
		f += *f == ' ';
	}
	return whole;
}

static size_t show(const uint8_t *p, size_t n, struct out *o)
{
	struct ssh_str first = {NULL, 0};
	const struct shape *s;
	const uint8_t *whole;
	struct ssh_rd r;

	if (n == 0)
		return 0;
	ssh_rd_init(&r, p + 1, n - 1);
	s = shape_find(p[0], NULL);
	if (s == NULL)
		return 1;
	whole = walk(&r, s, &first, o);
	s = !r.bad && first.p != NULL ? shape_find(p[0], &first) : NULL;
	if (s != NULL)
		whole = walk(&r, s, &first, o);
	return (size_t)(whole - p);
}

size_t ssh_show_len(const uint8_t *p, size_t n)
{
	return show(p, n, NULL);
}

const char *ssh_show_name(uint8_t msg)
{
	const struct shape *s = shape_find(msg, NULL);

	return s != NULL ? s->name : NULL;
}

const char *ssh_show_title(uint8_t msg, char buf[SSH_SHOW_TITLE])
{
	const char *name = ssh_show_name(msg);

	if (name != NULL)
		return name;
	snprintf(buf, SSH_SHOW_TITLE, "%s %u",
		 msg >= 30 && msg <= 49   ? "KEX message"
		 : msg >= 60 && msg <= 79 ? "USERAUTH message"
					  : "message",
		 msg);
	return buf;
}

bool ssh_show_hides_len(uint8_t msg)
{
	return msg == SSH_MSG_USERAUTH_REQUEST || (msg >= 60 && msg <= 79);
}

void ssh_show_fields(const uint8_t *p, size_t n, char buf[SSH_SHOW_TEXT])
{
	struct out o = {.p = buf, .size = SSH_SHOW_TEXT};

	buf[0] = '\0';
	(void)show(p, n, &o);
}

/* ssh/ident.c - identification strings, RFC 4253 sections 4.2 and 5.1. */
#include "ssh/ident.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ssh/err.h"

static const char prefix[] = "SSH-";
#define PREFIX_LEN (sizeof(prefix) - 1)

/* Whether the bytes so far are, or may still become, an identification. */
static bool may_be_ident(const uint8_t *p, size_t n)
{
	return memcmp(p, prefix, n < PREFIX_LEN ? n : PREFIX_LEN) == 0;
}

/* Every byte before the line's end; strict: the identification itself. */
static bool bytes_fit(const uint8_t *p, size_t n, bool strict)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 0)
			return false;
		if (strict && (p[i] < 0x20 || p[i] == 0x7f))
			return false;
	}
	return true;
}

int ssh_ident_line(enum ssh_role we_are, const uint8_t *p, size_t n, size_t *ret_len,
		   size_t *ret_used)
{
	if (n == 0)
		return -EAGAIN;

	/* To a server every line is the identification: "MUST NOT send" others (4.2). */
	bool strict = we_are != SSH_CLIENT || may_be_ident(p, n);
	size_t max = strict ? SSH_IDENT_MAX : SSH_IDENT_LINE_MAX;
	size_t seen = n < max + 2 ? n : max + 2; /* no line ends behind this */
	const uint8_t *lf = memchr(p, '\n', seen);
	size_t len = lf ? (size_t)(lf - p) : seen;

	/* The CR of the end; without its LF yet it may still be one. */
	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len > max || !bytes_fit(p, len, strict))
		return -SSH_E_IDENT;
	if (lf == NULL)
		return n < max + 2 ? -EAGAIN : -SSH_E_IDENT;

	*ret_len = len;
	*ret_used = (size_t)(lf - p) + 1;
	return 0;
}

static bool starts(const uint8_t *line, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(line, with, n) == 0;
}

/* "digits.digits-": a version, if not ours. */
static bool is_version(const uint8_t *p, size_t len)
{
	size_t i = 0, major, minor;

	while (i < len && p[i] >= '0' && p[i] <= '9')
		i++;
	major = i;
	if (major == 0 || i == len || p[i] != '.')
		return false;
	i++;
	while (i < len && p[i] >= '0' && p[i] <= '9')
		i++;
	minor = i - major - 1;
	return minor > 0 && i < len && p[i] == '-';
}

int ssh_ident_check(enum ssh_role we_are, const uint8_t *line, size_t len)
{
	size_t head = 0;

	if (!starts(line, len, prefix))
		return we_are == SSH_CLIENT ? -EAGAIN : -SSH_E_IDENT;
	if (len > SSH_IDENT_MAX || !bytes_fit(line, len, true))
		return -SSH_E_IDENT;

	if (starts(line, len, "SSH-2.0-"))
		head = strlen("SSH-2.0-");
	else if (starts(line, len, "SSH-1.99-")) /* serves 2.0 too, section 5.1 */
		head = strlen("SSH-1.99-");
	else if (is_version(line + PREFIX_LEN, len - PREFIX_LEN))
		return -SSH_E_VERSION;

	/* A software version of at least one byte; the comments may be missing. */
	if (head == 0 || head == len || line[head] == ' ')
		return -SSH_E_IDENT;
	return 0;
}

bool ssh_ident_asks_again(const uint8_t *line, size_t len)
{
	return starts(line, len, "SSH-2.0-paramiko_");
}

bool ssh_ident_unattended(const uint8_t *line, size_t len)
{
	const size_t n = strlen(SSH_IDENT_UNATTENDED);

	for (size_t i = 1; i + n <= len; i++)
		if (line[i - 1] == ' ' && memcmp(line + i, SSH_IDENT_UNATTENDED, n) == 0 &&
		    (i + n == len || line[i + n] == ' '))
			return true;
	return false;
}

/*
 * Identification strings: the first byte says who we are, the rest is the stream. What is
 * taken is a line without NUL, within its limit, that reads the same with its end put back.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/ident.h"

static void same_again(enum ssh_role we_are, const uint8_t *p, size_t len)
{
	uint8_t line[SSH_IDENT_LINE_MAX + 2];
	size_t len2, used2;

	memcpy(line, p, len);
	memcpy(line + len, "\r\n", 2);
	if (ssh_ident_line(we_are, line, len + 2, &len2, &used2) != 0 || len2 != len ||
	    used2 != len + 2)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len, used;
	enum ssh_role we_are;
	int r;

	if (size < 1)
		return 0;
	we_are = data[0] & 1 ? SSH_CLIENT : SSH_SERVER;
	data++;
	size--;

	r = ssh_ident_line(we_are, data, size, &len, &used);
	if (r == -EAGAIN && size > SSH_IDENT_LINE_MAX + 2)
		abort(); /* would wait for ever */
	if (r != 0)
		return 0;
	if (used > size || len >= used || data[used - 1] != '\n' || memchr(data, 0, len) != NULL ||
	    len > (we_are == SSH_SERVER ? SSH_IDENT_MAX : SSH_IDENT_LINE_MAX))
		abort();
	same_again(we_are, data, len);

	if (ssh_ident_unattended(data, len) &&
	    memmem(data, len, " " SSH_IDENT_UNATTENDED, sizeof(SSH_IDENT_UNATTENDED)) == NULL)
		abort();
	r = ssh_ident_check(we_are, data, len);
	if (r == 0 && (len > SSH_IDENT_MAX || memcmp(data, "SSH-", 4) != 0))
		abort();
	if (r == -EAGAIN && we_are == SSH_SERVER)
		abort();
	return 0;
}

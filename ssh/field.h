/*
 * ssh/field.h - fields of a message given as text, for who builds one of his own.
 *
 * Source  RFC 4251 section 5. Types are letters: "s" string, "sb" string of hexadecimal, "m" mpint,
 *         "i" uint32, "l" uint64, "b" byte, "f" boolean ("True", "False"). Numbers are decimal, or
 *         begin with 0x; a decimal mpint has 64 bits at most.
 */
#ifndef SLUICE_SSH_FIELD_H
#define SLUICE_SSH_FIELD_H

#include "ssh/wire.h"

/* Bytes that a field of this text has at most, whatever its type. */
static inline size_t ssh_field_max(const char *text)
{
	return strlen(text) + 16;
}

/* A digit's value; -1: it is none. */
static inline int ssh_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * -EINVAL: no such type, or no such value, and w is as it was; -ENOBUFS: w is too small, and bad
 * from here on.
 */
int ssh_field_put(struct ssh_wr *w, const char *type, const char *text)
	__attribute__((warn_unused_result));

#endif

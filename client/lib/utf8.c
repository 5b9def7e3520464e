/* client/lib/utf8.c - see utf8.h. */
#include "client/lib/utf8.h"

#include <string.h>

#include <openssl/asn1.h>

bool utf8_valid(const char *text)
{
	size_t left = strlen(text);
	unsigned long c;

	while (left > 0) {
		int n = UTF8_getc((const unsigned char *)text, left < 4 ? (int)left : 4, &c);

		if (n <= 0)
			return false;
		text += n;
		left -= (size_t)n;
	}
	return true;
}

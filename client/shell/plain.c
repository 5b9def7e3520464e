/* client/shell/plain.c - see plain.h. */
#include "client/shell/plain.h"

#include <stdint.h>

/* Bytes that a first one of UTF-8 says there are; 0: it is none. */
static size_t length(uint8_t c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

size_t plain_char(const char *text, size_t len)
{
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000}; /* below 0xa0 is C1 */
	const uint8_t *p = (const uint8_t *)text;
	size_t n = len > 0 ? length(*p) : 0;
	uint32_t c;

	if (n == 0 || n > len)
		return 0;
	if (n == 1)
		return (*p >= ' ' && *p != 0x7f) || *p == '\n' || *p == '\t';
	c = *p & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

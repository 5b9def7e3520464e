/* client/shell/escape.c - see escape.h. */
#include "client/shell/escape.h"

#include <string.h>
#include <strings.h>

#define CONTROL(c) ((c)&0x1f)

int escape_character(const char *value)
{
	if (strcasecmp(value, "none") == 0)
		return -1;
	if (value[0] == '^' && value[1] != '\0')
		return value[1] == '?' ? 0x7f : CONTROL(value[1]);
	return (unsigned char)value[0];
}

static int act_of(uint8_t c)
{
	switch (c) {
	case '.':
		return ESCAPE_DISCONNECT;
	case 'B':
		return ESCAPE_BREAK;
	case 'C':
		return ESCAPE_COMMAND;
	case 'R':
		return ESCAPE_REKEY;
	case 'V':
		return ESCAPE_LESS;
	case 'v':
		return ESCAPE_MORE;
	case CONTROL('Z'):
		return ESCAPE_SUSPEND;
	case '#':
		return ESCAPE_LIST;
	case '&':
		return ESCAPE_BACKGROUND;
	case '?':
		return ESCAPE_HELP;
	}
	return 0;
}

int escape_feed(struct escape *e, const uint8_t *in, size_t n, uint8_t *out, size_t *ret_out,
		size_t *ret_used)
{
	size_t to = 0, i = 0;
	int act = 0;

	while (i < n && act == 0) {
		uint8_t c = in[i++];

		if (e->seen) {
			e->seen = false;
			act = act_of(c);
			if (act != 0) {
				e->middle = false; /* another may follow at once */
				break;
			}
			/* Twice is once; with any other it goes on, too. */
			out[to++] = (uint8_t)e->character;
			e->middle = true;
			if (c == e->character)
				continue;
		} else if (!e->middle && c == e->character) {
			e->seen = true;
			continue;
		}
		out[to++] = c;
		e->middle = c != '\r' && c != '\n';
	}
	*ret_out = to;
	*ret_used = i;
	return act;
}

/* control/admin/text.h - bytes of whoever, as a string of an answer. */
#ifndef SLUICE_CONTROL_ADMIN_TEXT_H
#define SLUICE_CONTROL_ADMIN_TEXT_H

#include <jansson.h>
#include <string.h>

#include "control/log.h"

/* Escaped as in the log: ASCII, which any JSON string may hold. NULL: no memory. */
static inline json_t *admin_text(const char *s)
{
	char buf[4 * LOG_LINE_MAX + 1];

	return json_stringn(buf, log_escape(s, strlen(s), buf, sizeof(buf)));
}

#endif

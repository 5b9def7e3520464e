/*
 * control/admin/text.h - an answer as it is written: jansson's elements, and what stands between
 * them.
 */
#ifndef SLUICE_CONTROL_ADMIN_TEXT_H
#define SLUICE_CONTROL_ADMIN_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "control/log.h"

/* Bytes on their way; p is the heap's. */
struct answer_text {
	char *p;
	size_t len, size;
};

void answer_text_free(struct answer_text *t);
/* 0 or -ENOMEM, as all of these. */
int answer_text_add(struct answer_text *t, const char *p, size_t n)
	__attribute__((warn_unused_result));
/* Takes v; NULL is one there was no memory for. */
int answer_text_json(struct answer_text *t, json_t *v) __attribute__((warn_unused_result));
/* The same, and the end of the line. */
int answer_text_line(struct answer_text *t, json_t *v) __attribute__((warn_unused_result));

/* Bytes of whoever, escaped as in the log: ASCII, which any JSON string may hold. NULL: no memory.
 */
static inline json_t *admin_text(const char *s)
{
	char buf[4 * LOG_LINE_MAX + 1];

	return json_stringn(buf, log_escape(s, strlen(s), buf, sizeof(buf)));
}

/* JSON's integers are signed here, and nothing counts that far. */
static inline json_t *admin_count(uint64_t n)
{
	return json_integer((json_int_t)(n & INT64_MAX));
}

#endif

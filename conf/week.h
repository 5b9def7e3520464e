/*
 * conf/week.h - hours of the week: Mon-Fri/08:00-18:00, Sat, 22:00-06:00.
 *
 * Source  our own. A list with commas and '!'; each entry is days, hours, or DAYS/HOURS. Days
 *         are Sun to Sat, one or a range that may go over the end of the week; hours are
 * HH:MM-HH:MM, from the first up to but not including the second, 24:00 at most. Hours whose end
 * comes before their beginning go over midnight and belong to the day they began in. Units minutes
 * of the local week, Sunday 00:00 is 0: what the clock on the wall says, so that an hour which
 * daylight saving leaves out is in no span, and one which it repeats is in both.
 */
#ifndef SLUICE_CONF_WEEK_H
#define SLUICE_CONF_WEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEEK_DAY     1440
#define WEEK_MINUTES (7 * WEEK_DAY)

struct week_span {
	uint16_t from, to; /* minutes of a day; to <= from: it goes over midnight */
	uint8_t days;      /* bit 0: Sunday */
	bool negated;
};

/* The next entry of a list at *list, which moves behind it and its comma; NULL behind the last.
 * False: malformed. */
bool week_span_parse(const char **list, struct week_span *ret);
/* DAY/HH:MM. */
bool week_minute_parse(const char *text, unsigned int *ret);
bool week_has(const struct week_span *spans, size_t n, unsigned int minute);

#endif

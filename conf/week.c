#include "conf/week.h"

#include <string.h>
#include <strings.h>

static bool day_read(const char **at, unsigned int *ret)
{
	static const char *const name[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

	for (unsigned int i = 0; i < 7; i++) {
		if (strncasecmp(*at, name[i], 3) != 0)
			continue;
		*at += 3;
		*ret = i;
		return true;
	}
	return false;
}

static bool days_read(const char **at, uint8_t *ret)
{
	unsigned int from, to;

	if (!day_read(at, &from))
		return false;
	to = from;
	if (**at == '-') {
		++*at;
		if (!day_read(at, &to))
			return false;
	}
	*ret = (uint8_t)(1 << to);
	for (; from != to; from = (from + 1) % 7)
		*ret |= (uint8_t)(1 << from);
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* HH:MM */
static bool minute_read(const char **at, uint16_t *ret)
{
	const char *p = *at;
	unsigned int hour, minute;

	if (!is_digit(p[0]) || !is_digit(p[1]) || p[2] != ':' || !is_digit(p[3]) || !is_digit(p[4]))
		return false;
	hour = (unsigned int)(p[0] - '0') * 10 + (unsigned int)(p[1] - '0');
	minute = (unsigned int)(p[3] - '0') * 10 + (unsigned int)(p[4] - '0');
	if (minute > 59 || hour * 60 + minute > WEEK_DAY)
		return false;
	*ret = (uint16_t)(hour * 60 + minute);
	*at += 5;
	return true;
}

static bool hours_read(const char **at, struct week_span *s)
{
	if (!minute_read(at, &s->from) || **at != '-')
		return false;
	++*at;
	return minute_read(at, &s->to) && s->from != s->to && s->from < WEEK_DAY;
}

bool week_span_parse(const char **list, struct week_span *ret)
{
	struct week_span s = {.to = WEEK_DAY, .days = 0x7f};
	const char *p = *list;

	s.negated = *p == '!';
	p += s.negated;
	if (is_digit(*p)) {
		if (!hours_read(&p, &s))
			return false;
	} else {
		if (!days_read(&p, &s.days))
			return false;
		if (*p == '/') {
			p++;
			if (!hours_read(&p, &s))
				return false;
		}
	}
	if (*p != ',' && *p != '\0')
		return false;
	*list = *p == ',' ? p + 1 : NULL;
	*ret = s;
	return true;
}

bool week_minute_parse(const char *text, unsigned int *ret)
{
	unsigned int day;
	uint16_t at;

	if (!day_read(&text, &day) || *text++ != '/' || !minute_read(&text, &at) || *text != '\0' ||
	    at == WEEK_DAY)
		return false;
	*ret = day * WEEK_DAY + at;
	return true;
}

static bool span_has(const struct week_span *s, unsigned int minute)
{
	unsigned int day = minute / WEEK_DAY, at = minute % WEEK_DAY;
	bool today = s->days & 1 << day, yesterday = s->days & 1 << (day + 6) % 7;

	if (s->from < s->to)
		return today && s->from <= at && at < s->to;
	return (today && at >= s->from) || (yesterday && at < s->to);
}

bool week_has(const struct week_span *spans, size_t n, unsigned int minute)
{
	bool has = false;

	for (size_t i = 0; i < n; i++) {
		if (!span_has(&spans[i], minute))
			continue;
		if (spans[i].negated)
			return false;
		has = true;
	}
	return has;
}

/* control/ctl/value.c - numbers and times for people. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/ctl/ctl.h"

const char *ctl_bytes(double n, char buf[CTL_VALUE_MAX])
{
	static const char unit[] = " KMGTPE";
	unsigned int i = 0;

	while (n >= 1024 && unit[i + 1] != '\0') {
		n /= 1024;
		i++;
	}
	if (i == 0)
		snprintf(buf, CTL_VALUE_MAX, "%.0f", n);
	else
		snprintf(buf, CTL_VALUE_MAX, n < 10 ? "%.1f%c" : "%.0f%c", n, unit[i]);
	return buf;
}

const char *ctl_age(double seconds, char buf[CTL_VALUE_MAX])
{
	unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;

	if (s < 60)
		snprintf(buf, CTL_VALUE_MAX, "%lus", s);
	else if (s < 3600)
		snprintf(buf, CTL_VALUE_MAX, "%lum%02lus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, CTL_VALUE_MAX, "%luh%02lum", s / 3600, s / 60 % 60);
	else
		snprintf(buf, CTL_VALUE_MAX, "%lud%02luh", s / 86400, s / 3600 % 24);
	return buf;
}

/* Elements with commas; of an object NAME=VALUE, but for zeroes. */
static const char *several(const json_t *v, char buf[CTL_VALUE_MAX])
{
	size_t used = 0, i;
	const char *key;
	json_t *one;

	snprintf(buf, CTL_VALUE_MAX, "-");
	json_array_foreach(v, i, one)
	{
		if (used < CTL_VALUE_MAX)
			used += (size_t)snprintf(buf + used, CTL_VALUE_MAX - used, "%s%s",
						 used > 0 ? "," : "", json_string_value(one));
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (used < CTL_VALUE_MAX && json_integer_value(one) != 0)
			used += (size_t)snprintf(buf + used, CTL_VALUE_MAX - used,
						 "%s%s=%" JSON_INTEGER_FORMAT, used > 0 ? "," : "",
						 key, json_integer_value(one));
	}
	return buf;
}

const char *ctl_plain(const json_t *v, char buf[CTL_VALUE_MAX])
{
	if (json_is_array(v) || json_is_object(v))
		return several(v, buf);
	if (json_is_string(v))
		snprintf(buf, CTL_VALUE_MAX, "%s", json_string_value(v));
	else if (json_is_integer(v))
		snprintf(buf, CTL_VALUE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_real(v))
		snprintf(buf, CTL_VALUE_MAX, "%.3f", json_real_value(v));
	else if (json_is_boolean(v))
		snprintf(buf, CTL_VALUE_MAX, json_is_true(v) ? "yes" : "no");
	else
		snprintf(buf, CTL_VALUE_MAX, "-");
	return buf;
}

const char *ctl_value(const struct admin_field *field, const json_t *v, char buf[CTL_VALUE_MAX])
{
	double n = json_number_value(v);

	if (!json_is_number(v))
		return ctl_plain(v, buf);
	switch (field->unit) {
	case ADMIN_BYTES:
		return ctl_bytes(n, buf);
	case ADMIN_UNIX:
		return ctl_age((double)time(NULL) - n, buf);
	case ADMIN_SECONDS:
		return ctl_age(n, buf);
	case ADMIN_MICROSECONDS:
		if (n >= 10e6)
			return ctl_age(n / 1e6, buf);
		snprintf(buf, CTL_VALUE_MAX, n < 10000 ? "%.0fus" : "%.0fms",
			 n < 10000 ? n : n / 1000);
		return buf;
	case ADMIN_PERCENT:
		snprintf(buf, CTL_VALUE_MAX, "%.1f%%", n);
		return buf;
	case ADMIN_PLAIN:
	default:
		return ctl_plain(v, buf);
	}
}

const char *ctl_seconds(const char *text, char buf[32])
{
	static const struct {
		char unit;
		unsigned long long of;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && end != text && n < 1000000;
	     i++) {
		if (*end != units[i].unit || (*end != '\0' && end[1] != '\0'))
			continue;
		snprintf(buf, 32, "%llu", n * units[i].of);
		return buf;
	}
	return NULL;
}

/*
 * control/admin/fields.h - what the lists of the admin socket are made of: one table, which
 * `sluicectl schema` prints, sluicectl makes its columns of, and a test holds the answers against.
 */
#ifndef SLUICE_CONTROL_ADMIN_FIELDS_H
#define SLUICE_CONTROL_ADMIN_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum admin_type {
	ADMIN_INTEGER = 1,
	ADMIN_NUMBER,
	ADMIN_STRING,
	ADMIN_BOOLEAN,
	ADMIN_STRINGS, /* a list of them */
	ADMIN_COUNTS,  /* an object of integers */
};

enum admin_unit {
	ADMIN_PLAIN,
	ADMIN_BYTES,
	ADMIN_UNIX, /* seconds since 1970 */
	ADMIN_SECONDS,
	ADMIN_MICROSECONDS,
	ADMIN_PERCENT,
};

struct admin_field {
	const char *name;
	enum admin_type type;
	enum admin_unit unit;
	bool nullable;
	const char *title; /* of its column; NULL: tables for people leave it out */
	const char *text;
};

/* `show NAME` answers {"v":1,NAME:[…]}, of objects with these fields. */
struct admin_subject {
	const char *name;
	const struct admin_field *field;
	size_t n_fields;
	bool filtered; /* takes the filters of request.h */
	const char *text;
};

/* NULL behind the last. */
const struct admin_subject *admin_subject_at(size_t i);
const struct admin_subject *admin_subject_find(const char *name);

#endif

/*
 * control/audit/record.h - one record of the audit log: a JSON object (RFC 8259) in one line.
 *
 * Safety  every byte that is not printable ASCII is written as \uXXXX, so no string of a stranger
 *         ends a line, moves a cursor or turns one around (S-82). What is not UTF-8 is U+FFFD in
 *         its field, and the bytes follow, in hex, in a field of that name and "_hex": the value
 *         can always be had back. A value of more than AUDIT_TEXT_MAX bytes is cut, and "cut" says
 *         so.
 * Limits  a record is at most AUDIT_RECORD_MAX bytes: what does not fit is left out, and cut.
 */
#ifndef SLUICE_CONTROL_AUDIT_RECORD_H
#define SLUICE_CONTROL_AUDIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/audit/schema.h"
#include "link/msg.h"
#include "ssh/wire.h"

#define AUDIT_TEXT_MAX   256
#define AUDIT_RECORD_MAX 8192

struct audit_record {
	enum audit_event event;
	bool cut, ended;
	size_t len;
	char line[AUDIT_RECORD_MAX];
};

/* id: of the record, as it is; when: wall clock and monotonic. */
struct audit_when {
	uint64_t wall_us, mono_us;
};
void audit_begin(struct audit_record *r, enum audit_event e, const char *id,
		 const struct audit_when *when);
/* A field that the event does not have is our bug: asserted. */
void audit_text(struct audit_record *r, enum audit_field f, const char *text); /* NULL, "": none */
void audit_str(struct audit_record *r, enum audit_field f, struct ssh_str s);  /* empty: none */
void audit_num(struct audit_record *r, enum audit_field f, uint64_t n);
void audit_int(struct audit_record *r, enum audit_field f, int64_t n);
void audit_true(struct audit_record *r, enum audit_field f);
/* Address without its port; family 0: none. */
void audit_addr(struct audit_record *r, enum audit_field f, const struct link_addr *a);
/* Closes it, with its end of line; once. */
void audit_end(struct audit_record *r);

#endif

/*
 * control/audit/strangers.h - how much of the audit log strangers of one network may fill (S-60).
 *
 * Each network has so many bytes a second, and saves them up for AUDIT_BURST_S. What it would
 * write beyond is counted, and told as one record every AUDIT_SPEAK_MS. A network is forgotten
 * once it has all of its bytes again; those for which there is no place share one.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_AUDIT_STRANGERS_H
#define SLUICE_CONTROL_AUDIT_STRANGERS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/sources.h"

struct strangers;

int strangers_new(uint32_t rate, struct strangers **ret) __attribute__((warn_unused_result));
void strangers_free(struct strangers *s);
/* May a record of so many bytes about this network be written? Else it is counted. */
bool strangers_may(struct strangers *s, const struct source *from, size_t bytes, uint64_t now_ms);

struct strangers_said {
	struct source from; /* family 0: of those that have no place */
	uint64_t n, bytes;
};
/* What there is to say of one of them now, said no more; false: nothing. all: however early. */
bool strangers_say(struct strangers *s, uint64_t now_ms, bool all, struct strangers_said *ret);

#endif

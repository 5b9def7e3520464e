/*
 * control/sources.h - a table of networks that connections come from, one entry of fixed size each.
 *
 * What PerSourceNetBlockSize calls a source is one key: an address without its host bits. An entry
 * keeps its number until it is removed, so that others can point at it.
 * Limits  at most max entries, given at creation; memory grows to that and no further.
 * Safety  strangers choose the keys: they are hashed by a function drawn at creation (multiply and
 *         shift over words with random multipliers; Dietzfelbinger 1996), so that nobody can make
 *         many of them meet.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SOURCES_H
#define SLUICE_CONTROL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/msg.h"

#define SOURCES_NONE      UINT32_MAX
#define SOURCE_TEXT_MAX   52 /* "ADDR/BITS" with its end */
#define SOURCE_VALUE_UNIT 8  /* values are aligned for uint64_t */

/* PerSourceNetBlockSize */
struct source_bits {
	uint8_t v4, v6;
};

struct source {
	uint32_t word[4]; /* the address as its bytes stand; host bits are 0 */
	uint8_t family;   /* 4 or 6 */
	uint8_t bits;
};

/* The network an address lies in; one that is v4-mapped is the IPv4 address it means. */
struct source source_of(const struct link_addr *a, const struct source_bits *bits);
/* "198.18.0.0/24"; returns buf. */
const char *source_text(const struct source *s, char buf[SOURCE_TEXT_MAX]);

struct sources;

/* value_size: bytes each entry has for its user, zeroed when it is added. -ENOMEM, -EIO. */
int sources_new(uint32_t max, size_t value_size, struct sources **ret)
	__attribute__((warn_unused_result));
void sources_free(struct sources *t); /* NULL is nothing */

uint32_t sources_count(const struct sources *t);
/* Numbers are below this. */
uint32_t sources_room(const struct sources *t);
/* The entry's number, or SOURCES_NONE. */
uint32_t sources_find(const struct sources *t, const struct source *key);
/* Of a key that is not there. -ENOSPC: max are; -ENOMEM. */
int sources_add(struct sources *t, const struct source *key, uint32_t *ret)
	__attribute__((warn_unused_result));
void sources_remove(struct sources *t, uint32_t at);
/* Of an entry that is there; NULL: no entry has this number. Good until the next addition. */
void *sources_value(struct sources *t, uint32_t at);
struct source sources_key(const struct sources *t, uint32_t at);

#endif

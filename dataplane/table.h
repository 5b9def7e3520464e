/*
 * dataplane/table.h - memory of tables that are sized at start and fill with connections.
 *
 * Reserved address space of zeroes: what nobody used takes no memory. A large one asks the kernel
 * for huge pages: with ten thousand connections each line that a segment needs is on a page of its
 * own, and more pages than a TLB has entries are a walk for each, twice as long in a guest.
 *
 * Memory  a huge page is taken as a whole with the first byte that is used.
 * Lcore   any, at start and at the end.
 */
#ifndef SLUICE_DATAPLANE_TABLE_H
#define SLUICE_DATAPLANE_TABLE_H

#include <stddef.h>

/* n entries of size bytes, at the start of a page. NULL: no memory. */
void *table_new(size_t n, size_t size);
/* The same where keys say who stands where: small pages, as each entry used has one to itself. */
void *table_new_keyed(size_t n, size_t size);
/* The same n and size; NULL is allowed. */
void table_free(void *p, size_t n, size_t size);

#endif

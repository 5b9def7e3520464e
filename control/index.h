/*
 * control/index.h - things by a number: what has it is found in one step, however many there are.
 *
 * A thing has a node in itself; several may have one number. The table grows with them and is
 * given back when it is empty; where there is no memory to grow it goes on with longer chains.
 * Who lets strangers choose numbers hashes them with a secret first.
 * Thread  the caller's. Memory  a zeroed struct is an empty index.
 */
#ifndef SLUICE_CONTROL_INDEX_H
#define SLUICE_CONTROL_INDEX_H

#include <stdint.h>

#define INDEX_FEW 64 /* a power of two */

struct index_node {
	struct index_node *next;
	uint64_t key;
};

struct index {
	struct index_node **many; /* NULL: few */
	uint32_t n, size;         /* a power of two */
	struct index_node *few[INDEX_FEW];
};

/* The newest with a number is the first of them. */
void index_put(struct index *x, struct index_node *n, uint64_t key);
void index_del(struct index *x, struct index_node *n);
struct index_node *index_first(const struct index *x, uint64_t key);
/* Another with the same number, or NULL. */
struct index_node *index_next(const struct index_node *n);

#endif

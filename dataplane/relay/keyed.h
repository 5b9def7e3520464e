/*
 * dataplane/relay/keyed.h - tables of what connections have in common, by a key that control made
 * of a name and a secret: nobody chooses where it stands.
 *
 * An entry begins with a struct keyed. One that nobody uses any more stays what it was until its
 * place is wanted: to come again is no way around it, and others may lie behind it.
 */
#ifndef SLUICE_DATAPLANE_RELAY_KEYED_H
#define SLUICE_DATAPLANE_RELAY_KEYED_H

#include <stddef.h>
#include <stdint.h>

#define KEYED_PROBES 64

struct keyed {
	uint64_t key; /* 0: of nobody yet */
	uint32_t refs;
};

/*
 * Of n entries of size bytes: its own, or one that nobody uses, with another key; NULL: there is
 * none where it would be looked for. n is a power of two, key is not 0.
 */
static inline void *keyed_place(void *table, size_t n, size_t size, uint64_t key)
{
	struct keyed *unused = NULL;

	for (uint64_t i = 0; i < KEYED_PROBES; i++) {
		struct keyed *k = (void *)((char *)table + (key + i) % n * size);

		if (k->key == key)
			return k;
		if (k->refs == 0 && (unused == NULL || k->key == 0))
			unused = k;
		if (k->key == 0)
			break;
	}
	return unused;
}

#endif

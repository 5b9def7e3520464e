/* control/index.c - see index.h. */
#include "control/index.h"

#include <stddef.h>
#include <stdlib.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / phi: near numbers are far apart */

static struct index_node **chain_of(struct index *x, uint64_t key)
{
	uint32_t at = (uint32_t)(key * GOLDEN >> 32);

	return x->many != NULL ? &x->many[at & (x->size - 1)] : &x->few[at & (INDEX_FEW - 1)];
}

/* Those that were put first go first, so that the newest of a number stays the first. */
static void move_chain(struct index *to, struct index_node *n)
{
	struct index_node *turned = NULL, *next;

	for (; n != NULL; n = next) {
		next = n->next;
		n->next = turned;
		turned = n;
	}
	for (; turned != NULL; turned = next) {
		struct index_node **chain = chain_of(to, turned->key);

		next = turned->next;
		turned->next = *chain;
		*chain = turned;
	}
}

static void grow(struct index *x)
{
	uint32_t old = x->many != NULL ? x->size : INDEX_FEW;
	struct index_node **from = x->many != NULL ? x->many : x->few;
	struct index to = {.size = 4 * old};

	if (to.size > 1u << 30)
		return;
	to.many = calloc(to.size, sizeof(struct index_node *));
	if (to.many == NULL)
		return;
	for (uint32_t i = 0; i < old; i++)
		move_chain(&to, from[i]);
	free(x->many);
	x->many = to.many;
	x->size = to.size;
}

static void shrink(struct index *x)
{
	free(x->many);
	*x = (struct index){0};
}

void index_put(struct index *x, struct index_node *n, uint64_t key)
{
	struct index_node **chain;

	if (x->n >= (x->many != NULL ? x->size : INDEX_FEW))
		grow(x);
	chain = chain_of(x, key);
	n->key = key;
	n->next = *chain;
	*chain = n;
	x->n++;
}

void index_del(struct index *x, struct index_node *n)
{
	struct index_node **at = chain_of(x, n->key);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	if (--x->n == 0)
		shrink(x);
}

static struct index_node *with(struct index_node *n, uint64_t key)
{
	while (n != NULL && n->key != key)
		n = n->next;
	return n;
}

struct index_node *index_first(const struct index *x, uint64_t key)
{
	/* chain_of() changes nothing. */
	return with(*chain_of((struct index *)x, key), key);
}

struct index_node *index_next(const struct index_node *n)
{
	return with(n->next, n->key);
}

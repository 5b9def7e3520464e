/* control/session/tally.c - see tally.h. */
#include "control/session/tally.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"

/* Bytes that name whose it is. */
struct tally_name {
	const void *p;
	size_t len;
	uint64_t key;
};

/* Names of users are those of people who are in. */
uint64_t tally_key(unsigned int of, const void *p, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037) + of; /* FNV-1a */

	for (const uint8_t *b = p, *end = b + len; b != end; b++)
		h = (h ^ *b) * UINT64_C(1099511628211);
	return h;
}

static struct tally *find(const struct session_env *env, enum tally_of of,
			  const struct tally_name *name)
{
	struct index_node *i = index_first(&env->listens.tallies, name->key);

	for (; i != NULL; i = index_next(i)) {
		struct tally *t = (struct tally *)(void *)i; /* its first member */

		if (t->of == of && t->len == name->len && memcmp(t->name, name->p, t->len) == 0)
			return t;
	}
	return NULL;
}
_Static_assert(offsetof(struct tally, node) == 0, "a node is its tally");

/* What names s; *keep holds what is not its own. */
static struct tally_name name_of(const struct session *s, enum tally_of of, struct source *keep,
				 const struct session **keep_s)
{
	struct tally_name name;

	if (of == TALLY_USER || of == TALLY_USER_CHANNELS || of == TALLY_USER_CONNECTIONS) {
		name = (struct tally_name){.p = session_user(s), .len = strlen(session_user(s))};
	} else if (of != TALLY_CONNECTION) {
		const struct source from = session_source(s);

		memset(keep, 0, sizeof(*keep)); /* all its bytes are compared */
		memcpy(keep->word, from.word, sizeof(keep->word));
		keep->family = from.family;
		name = (struct tally_name){.p = keep, .len = sizeof(*keep)};
	} else {
		*keep_s = s;
		name = (struct tally_name){.p = keep_s, .len = sizeof(*keep_s)};
	}
	name.key = tally_key(of, name.p, name.len);
	return name;
}

struct tally *tally_find(const struct session *s, enum tally_of of)
{
	const struct session *keep_s;
	struct source keep;
	struct tally_name name = name_of(s, of, &keep, &keep_s);

	return find(s->table->env, of, &name);
}

struct tally *tally_add(const struct session *s, enum tally_of of)
{
	struct index *all = &s->table->env->listens.tallies;
	const struct session *keep_s;
	struct source keep;
	struct tally_name name = name_of(s, of, &keep, &keep_s);
	struct tally *t = find(s->table->env, of, &name);

	if (t == NULL) {
		t = calloc(1, sizeof(*t) + name.len);
		if (t == NULL)
			return NULL;
		t->of = (uint8_t)of;
		t->len = name.len;
		memcpy(t->name, name.p, name.len);
		index_put(all, &t->node, name.key);
	}
	tally_more(s->table->env, t);
	return t;
}

void tally_more(struct session_env *env, struct tally *t)
{
	if (t != NULL)
		most_up(&env->most[t->of], ++t->n);
}

void tally_sub(struct session_env *env, struct tally *t)
{
	if (t == NULL)
		return;
	most_down(&env->most[t->of], --t->n);
	if (t->n > 0)
		return;
	index_del(&env->listens.tallies, &t->node);
	free(t);
}

uint32_t tally_n(const struct session *s, enum tally_of of)
{
	const struct tally *t = tally_find(s, of);

	return t != NULL ? t->n : 0;
}

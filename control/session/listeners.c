/*
 * control/session/listeners.c - all listeners of clients: found by token, by port, by connection;
 * counted by connection, user and source.
 *
 * A hub has tens of thousands of them, and asks with each request how many somebody has and who
 * has a port; none of that walks over all. A source is the network PerSourceNetBlockSize made of
 * the address when the listener was asked for.
 */
#include "control/session/listeners.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* How many somebody has. */
struct tally {
	struct index_node node;
	uint32_t n;
	uint8_t of;             /* enum tally_of */
	struct listener *first; /* TALLY_CONNECTION: its listeners, the newest first */
	size_t len;
	uint8_t name[]; /* whose it is */
};

static struct listener *by_token(struct index_node *n)
{
	return (struct listener *)(void *)((char *)n - offsetof(struct listener, token_node));
}

static struct listener *by_port(struct index_node *n)
{
	return n != NULL ? (struct listener *)(void *)((char *)n -
						       offsetof(struct listener, port_node))
			 : NULL;
}

/* --- tallies ----------------------------------------------------------------------------------
 */

/* Bytes that name whose it is. */
struct tally_name {
	const void *p;
	size_t len;
	uint64_t key;
};

/* Names of users are those of people who are in, and a chain is never longer than MaxListeners. */
static uint64_t key_of(unsigned int of, const void *p, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037) + of; /* FNV-1a */

	for (const uint8_t *b = p, *end = b + len; b != end; b++)
		h = (h ^ *b) * UINT64_C(1099511628211);
	return h;
}

static struct tally *tally_find(const struct session_env *env, enum tally_of of,
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

	if (of == TALLY_USER) {
		name = (struct tally_name){.p = session_user(s), .len = strlen(session_user(s))};
	} else if (of == TALLY_SOURCE) {
		const struct source from = session_source(s);

		memset(keep, 0, sizeof(*keep)); /* all its bytes are compared */
		memcpy(keep->word, from.word, sizeof(keep->word));
		keep->family = from.family;
		name = (struct tally_name){.p = keep, .len = sizeof(*keep)};
	} else {
		*keep_s = s;
		name = (struct tally_name){.p = keep_s, .len = sizeof(*keep_s)};
	}
	name.key = key_of(of, name.p, name.len);
	return name;
}

static struct tally *tally_of(const struct session *s, enum tally_of of)
{
	const struct session *keep_s;
	struct source keep;
	struct tally_name name = name_of(s, of, &keep, &keep_s);

	return tally_find(s->table->env, of, &name);
}

/* One more; NULL: no memory. */
static struct tally *tally_add(const struct session *s, enum tally_of of)
{
	struct index *all = &s->table->env->listens.tallies;
	const struct session *keep_s;
	struct source keep;
	struct tally_name name = name_of(s, of, &keep, &keep_s);
	struct tally *t = tally_find(s->table->env, of, &name);

	if (t == NULL) {
		t = calloc(1, sizeof(*t) + name.len);
		if (t == NULL)
			return NULL;
		t->of = (uint8_t)of;
		t->len = name.len;
		memcpy(t->name, name.p, name.len);
		index_put(all, &t->node, name.key);
	}
	t->n++;
	return t;
}

static void tally_sub(struct session_env *env, struct tally *t)
{
	if (t == NULL || --t->n > 0)
		return;
	index_del(&env->listens.tallies, &t->node);
	free(t);
}

uint32_t listeners_of(const struct session *s, enum tally_of of)
{
	const struct tally *t = tally_of(s, of);

	return t != NULL ? t->n : 0;
}

bool listener_counts_for(const struct listener *l, const struct session *s, enum tally_of of)
{
	return l->tally[of] == tally_of(s, of);
}

/* --- all of them ------------------------------------------------------------------------------
 */

int listener_link(struct listener *l)
{
	struct session_env *env = l->session->table->env;
	struct tally *own;

	for (int of = 0; of < TALLIES; of++) {
		l->tally[of] = tally_add(l->session, (enum tally_of)of);
		if (l->tally[of] == NULL) {
			while (of-- > 0)
				tally_sub(env, l->tally[of]);
			return -ENOMEM;
		}
	}
	own = l->tally[TALLY_CONNECTION];
	l->next = own->first;
	if (own->first != NULL)
		own->first->prev = l;
	own->first = l;
	index_put(&env->listens.tokens, &l->token_node, l->token);
	env->n_listeners++;
	l->session->has_listeners = true;
	return 0;
}

void listener_unlink(struct listener *l)
{
	struct session_env *env = l->session->table->env;

	listener_port_over(l);
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		l->tally[TALLY_CONNECTION]->first = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	index_del(&env->listens.tokens, &l->token_node);
	for (int of = 0; of < TALLIES; of++)
		tally_sub(env, l->tally[of]);
	env->n_listeners--;
}

/* Paths beside ports; 0: neither. */
static uint64_t key_at(const struct listener_at *at, uint16_t port)
{
	if (at->path == NULL)
		return port;
	return key_of(TALLIES, at->path, strlen(at->path)) | UINT64_C(1) << 63;
}

void listener_port(struct listener *l, uint16_t port)
{
	uint64_t key = key_at(&l->at, port);

	listener_port_over(l);
	l->port = port;
	if (key == 0)
		return;
	index_put(&l->session->table->env->listens.ports, &l->port_node, key);
	l->at_port = true;
}

void listener_port_over(struct listener *l)
{
	if (l->at_port)
		index_del(&l->session->table->env->listens.ports, &l->port_node);
	l->at_port = false;
}

struct listener *listener_at(const struct session_env *env, const struct listener_at *at,
			     uint16_t port)
{
	return by_port(index_first(&env->listens.ports, key_at(at, port)));
}

struct listener *listener_at_port(const struct session_env *env, uint16_t port)
{
	return by_port(index_first(&env->listens.ports, port));
}

struct listener *listener_at_port_next(const struct listener *l)
{
	return by_port(index_next(&l->port_node));
}

struct listener *forward_find(const struct session *s, uint64_t token)
{
	struct index_node *i = index_first(&s->table->env->listens.tokens, token);

	while (i != NULL && by_token(i)->session != s)
		i = index_next(i);
	return i != NULL ? by_token(i) : NULL;
}

struct listener *forward_next(const struct session *s, struct listener *at)
{
	const struct tally *own;

	if (at != NULL)
		return at->next;
	own = s->has_listeners ? tally_of(s, TALLY_CONNECTION) : NULL;
	return own != NULL ? own->first : NULL;
}

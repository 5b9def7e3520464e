/*
 * control/session/listeners.c - all listeners of clients: found by token, by port, by connection;
 * counted by connection, user and source.
 *
 * A hub has tens of thousands of them, and asks with each request how many somebody has and who
 * has a port; none of that walks over all.
 */
#include "control/session/listeners.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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

uint32_t listeners_of(const struct session *s, enum tally_of of)
{
	return tally_n(s, of);
}

bool listener_counts_for(const struct listener *l, const struct session *s, enum tally_of of)
{
	return l->tally[of] == tally_find(s, of);
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
	return tally_key(TALLY_KINDS, at->path, strlen(at->path)) | UINT64_C(1) << 63;
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
	own = s->has_listeners ? tally_find(s, TALLY_CONNECTION) : NULL;
	return own != NULL ? own->first : NULL;
}

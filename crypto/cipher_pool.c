/*
 * crypto/cipher_pool.c - the expanded keys of an engine: bounded, least recently used first.
 *
 * A connection that rests holds raw keys only; expanding them again costs less than a record.
 */
#include "crypto/cipher_internal.h"

#define NONE UINT16_MAX

int cipher_pool_init(struct cipher_pool *p)
{
	p->slot = secret_new(CIPHER_POOL_SLOTS * sizeof(*p->slot));
	if (p->slot == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < CIPHER_POOL_SLOTS; i++) {
		p->slot[i].newer = i > 0 ? (uint16_t)(i - 1) : NONE;
		p->slot[i].older = i + 1 < CIPHER_POOL_SLOTS ? (uint16_t)(i + 1) : NONE;
	}
	p->newest = 0;
	p->oldest = CIPHER_POOL_SLOTS - 1;
	return 0;
}

void cipher_pool_fini(struct cipher_pool *p)
{
	secret_free(p->slot, CIPHER_POOL_SLOTS * sizeof(*p->slot));
	p->slot = NULL;
}

static void unlink_slot(struct cipher_pool *p, struct cipher_slot *s)
{
	if (s->newer != NONE)
		p->slot[s->newer].older = s->older;
	else
		p->newest = s->older;
	if (s->older != NONE)
		p->slot[s->older].newer = s->newer;
	else
		p->oldest = s->newer;
}

static void link_newest(struct cipher_pool *p, struct cipher_slot *s)
{
	uint16_t i = (uint16_t)(s - p->slot);

	s->newer = NONE;
	s->older = p->newest;
	p->slot[p->newest].newer = i;
	p->newest = i;
}

static void link_oldest(struct cipher_pool *p, struct cipher_slot *s)
{
	uint16_t i = (uint16_t)(s - p->slot);

	s->older = NONE;
	s->newer = p->oldest;
	p->slot[p->oldest].older = i;
	p->oldest = i;
}

static void expand(struct cipher_engine *e, struct cipher_slot *s, const struct cipher_state *st)
{
	if (st->suite->shape == CIPHER_AEAD)
		cipher_mb_gcm_expand(e, st, &s->gcm);
	else
		cipher_mb_ctr_expand(e, st, &s->ctr);
}

struct cipher_slot *cipher_pool_get(struct cipher_engine *e, struct cipher_state *st)
{
	struct cipher_pool *p = &e->pool;
	struct cipher_slot *s = st->expanded;

	if (s == NULL || s->owner != st) {
		s = &p->slot[p->oldest];
		if (s->owner != NULL)
			s->owner->expanded = NULL;
		expand(e, s, st);
		s->owner = st;
		st->expanded = s;
	}
	if (p->newest != (uint16_t)(s - p->slot)) {
		unlink_slot(p, s);
		link_newest(p, s);
	}
	return s;
}

void cipher_pool_put(struct cipher_pool *p, struct cipher_state *st)
{
	struct cipher_slot *s = st->expanded;

	st->expanded = NULL;
	if (s == NULL || s->owner != st)
		return;
	secret_wipe(&s->gcm, sizeof(s->gcm));
	s->owner = NULL;
	unlink_slot(p, s);
	link_oldest(p, s);
}

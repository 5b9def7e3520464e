/*
 * crypto/cipher_pool.c - the expanded keys of an engine: bounded, least recently used first.
 *
 * A connection that rests holds raw keys only; expanding them again costs less than a record.
 */
#include "crypto/cipher_internal.h"

#define NONE UINT16_MAX

static struct cipher_slot *slot_at(const struct cipher_pool *p, uint16_t i)
{
	return (struct cipher_slot *)(p->slots + i * p->slot_len);
}

int cipher_pool_init(struct cipher_pool *p, uint16_t slots, size_t keys_len)
{
	p->slot_len = (sizeof(struct cipher_slot) + keys_len + 63) / 64 * 64;
	p->slots = secret_new(slots * p->slot_len);
	if (p->slots == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < slots; i++) {
		slot_at(p, i)->self = i;
		slot_at(p, i)->newer = i > 0 ? (uint16_t)(i - 1) : NONE;
		slot_at(p, i)->older = i + 1 < slots ? (uint16_t)(i + 1) : NONE;
	}
	p->n = slots;
	p->newest = 0;
	p->oldest = (uint16_t)(slots - 1);
	return 0;
}

void cipher_pool_fini(struct cipher_pool *p)
{
	secret_free(p->slots, p->n * p->slot_len);
	p->slots = NULL;
}

static void unlink_slot(struct cipher_pool *p, struct cipher_slot *s)
{
	if (s->newer != NONE)
		slot_at(p, s->newer)->older = s->older;
	else
		p->newest = s->older;
	if (s->older != NONE)
		slot_at(p, s->older)->newer = s->newer;
	else
		p->oldest = s->newer;
}

static void link_newest(struct cipher_pool *p, struct cipher_slot *s)
{
	uint16_t i = s->self;

	s->newer = NONE;
	s->older = p->newest;
	slot_at(p, p->newest)->newer = i;
	p->newest = i;
}

static void link_oldest(struct cipher_pool *p, struct cipher_slot *s)
{
	uint16_t i = s->self;

	s->older = NONE;
	s->newer = p->oldest;
	slot_at(p, p->oldest)->older = i;
	p->oldest = i;
}

/* The state's slot, moved to the front; *ret_fresh: it is one to be filled. */
static struct cipher_slot *pool_get(struct cipher_pool *p, struct cipher_state *st, bool *ret_fresh)
{
	struct cipher_slot *s = st->expanded;

	*ret_fresh = s == NULL || s->owner != st;
	if (*ret_fresh) {
		s = slot_at(p, p->oldest);
		if (s->owner != NULL)
			s->owner->expanded = NULL;
		s->owner = st;
		st->expanded = s;
	}
	if (p->newest != s->self) {
		unlink_slot(p, s);
		link_newest(p, s);
	}
	return s;
}

union mb_keys *cipher_pool_mb(struct cipher_engine *e, struct cipher_state *st)
{
	bool fresh;
	union mb_keys *k = (union mb_keys *)pool_get(&e->pool, st, &fresh)->keys;

	if (fresh && st->suite->alg == CIPHER_ALG_GCM)
		cipher_mb_gcm_expand(e, st, &k->gcm);
	else if (fresh)
		cipher_mb_hmac_expand(e, st, &k->hmac);
	return k;
}

union umac_keys *cipher_pool_umac(struct cipher_engine *e, struct cipher_state *st)
{
	bool fresh;
	union umac_keys *k = (union umac_keys *)pool_get(&e->umac, st, &fresh)->keys;

	if (fresh)
		cipher_umac_expand(st, k);
	return k;
}

void cipher_pool_put(struct cipher_pool *p, struct cipher_state *st)
{
	struct cipher_slot *s = st->expanded;

	st->expanded = NULL;
	if (s == NULL || s->owner != st)
		return;
	secret_wipe(s->keys, p->slot_len - sizeof(*s));
	s->owner = NULL;
	unlink_slot(p, s);
	link_oldest(p, s);
}

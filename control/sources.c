#include "control/sources.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/addr.h"
#include "crypto/secret.h"

#define ROOM_FIRST 64 /* entries, a power of two, as are all that follow */

struct entry {
	struct source key; /* family 0: free */
	uint32_t next;     /* of its bucket, or of the free ones */
};

struct sources {
	uint64_t multiplier[5];
	uint32_t max, count, room;
	uint32_t used; /* numbers below it were given out once */
	uint32_t free; /* given back, a list */
	size_t value_size;
	uint32_t *bucket; /* room of them */
	struct entry *entry;
	uint8_t *value;
};

/* --- keys ------------------------------------------------------------------------------------- */

static void host_bits_clear(uint8_t addr[16], unsigned int bits)
{
	for (unsigned int i = bits / 8; i < 16; i++)
		addr[i] &= i == bits / 8 ? (uint8_t)(0xff00 >> bits % 8) : 0;
}

struct source source_of(const struct link_addr *a, const struct source_bits *bits)
{
	struct link_addr plain = *a;
	struct source s = {0};

	addr_unmap(&plain);
	s.family = plain.family;
	s.bits = plain.family == 4 ? bits->v4 : bits->v6;
	host_bits_clear(plain.addr, s.bits);
	memcpy(s.word, plain.addr, plain.family == 4 ? 4 : 16);
	return s;
}

const char *source_text(const struct source *s, char buf[SOURCE_TEXT_MAX])
{
	struct link_addr a = {.family = s->family};
	char text[ADDR_TEXT_MAX];

	memcpy(a.addr, s->word, sizeof(a.addr));
	snprintf(buf, SOURCE_TEXT_MAX, "%s/%u", addr_text(&a, text), s->bits);
	return buf;
}

static bool same(const struct source *a, const struct source *b)
{
	return a->family == b->family && memcmp(a->word, b->word, sizeof(a->word)) == 0;
}

static uint32_t hash(const struct sources *t, const struct source *s)
{
	uint64_t sum = t->multiplier[4];

	for (unsigned int i = 0; i < 4; i++)
		sum += t->multiplier[i] * s->word[i];
	return (uint32_t)(sum >> 32);
}

/* --- the table -------------------------------------------------------------------------------- */

int sources_new(uint32_t max, size_t value_size, struct sources **ret)
{
	struct sources *t = calloc(1, sizeof(*t));

	assert(value_size % SOURCE_VALUE_UNIT == 0);
	if (t == NULL)
		return -ENOMEM;
	if (crypto_random(t->multiplier, sizeof(t->multiplier)) < 0) {
		free(t);
		return -EIO;
	}
	t->max = max;
	t->value_size = value_size;
	t->free = SOURCES_NONE;
	*ret = t;
	return 0;
}

void sources_free(struct sources *t)
{
	if (t == NULL)
		return;
	free(t->bucket);
	free(t->entry);
	free(t->value);
	free(t);
}

uint32_t sources_count(const struct sources *t)
{
	return t->count;
}

uint32_t sources_room(const struct sources *t)
{
	return t->used;
}

static uint32_t *bucket_of(const struct sources *t, const struct source *key)
{
	return &t->bucket[hash(t, key) & (t->room - 1)];
}

uint32_t sources_find(const struct sources *t, const struct source *key)
{
	uint32_t at = t->room > 0 ? *bucket_of(t, key) : SOURCES_NONE;

	while (at != SOURCES_NONE && !same(&t->entry[at].key, key))
		at = t->entry[at].next;
	return at;
}

static void link_in(struct sources *t, uint32_t at)
{
	uint32_t *head = bucket_of(t, &t->entry[at].key);

	t->entry[at].next = *head;
	*head = at;
}

/* All are in use: twice as many, and every one to its new bucket. */
static int grow(struct sources *t)
{
	uint32_t room = t->room > 0 ? t->room * 2 : ROOM_FIRST;
	uint32_t *bucket = malloc(room * sizeof(*bucket));
	struct entry *entry = realloc(t->entry, room * sizeof(*entry));
	uint8_t *value = realloc(t->value, room * t->value_size);

	/* What became larger stays so: the old content is in it. */
	t->entry = entry != NULL ? entry : t->entry;
	t->value = value != NULL ? value : t->value;
	if (bucket == NULL || entry == NULL || value == NULL) {
		free(bucket);
		return -ENOMEM;
	}
	free(t->bucket);
	t->bucket = bucket;
	t->room = room;
	memset(bucket, 0xff, room * sizeof(*bucket)); /* SOURCES_NONE */
	for (uint32_t i = 0; i < t->used; i++)
		link_in(t, i);
	return 0;
}

int sources_add(struct sources *t, const struct source *key, uint32_t *ret)
{
	uint32_t at = t->free;

	if (t->count >= t->max)
		return -ENOSPC;
	if (at == SOURCES_NONE && t->used == t->room) {
		int r = grow(t);

		if (r < 0)
			return r;
	}
	if (at == SOURCES_NONE)
		at = t->used++;
	else
		t->free = t->entry[at].next;
	t->entry[at].key = *key;
	memset(t->value + at * t->value_size, 0, t->value_size);
	link_in(t, at);
	t->count++;
	*ret = at;
	return 0;
}

void sources_remove(struct sources *t, uint32_t at)
{
	uint32_t *link = bucket_of(t, &t->entry[at].key);

	while (*link != at)
		link = &t->entry[*link].next;
	*link = t->entry[at].next;
	t->entry[at].key.family = 0;
	t->entry[at].next = t->free;
	t->free = at;
	t->count--;
}

void *sources_value(struct sources *t, uint32_t at)
{
	if (at >= t->used || t->entry[at].key.family == 0)
		return NULL;
	return t->value + at * t->value_size;
}

struct source sources_key(const struct sources *t, uint32_t at)
{
	return t->entry[at].key;
}

/* dataplane/tcp/source.c - counts of each source. See source.h. */
#include "dataplane/tcp/source.h"

#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "dataplane/table.h"
#include "dataplane/tcp/siphash.h"

int tcp_sources_init(struct tcp_sources *s, const uint64_t secret[2], uint32_t max)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->key, secret, sizeof(s->key));
	s->mask = rte_align32pow2(2 * max) - 1;
	s->entry = table_new_keyed((size_t)s->mask + 1, sizeof(*s->entry));
	return s->entry != NULL ? 0 : -ENOMEM;
}

void tcp_sources_fini(struct tcp_sources *s)
{
	table_free(s->entry, (size_t)s->mask + 1, sizeof(*s->entry));
	s->entry = NULL;
}

static bool is_link_local(const struct net_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80; /* RFC 4291 section 2.5.6 */
}

/*
 * The second word is a family; of a tuple that is hashed with the same secret it is ports, and
 * none of them is 0.
 */
uint64_t tcp_source_id(const struct tcp_sources *s, const struct net_addr *addr)
{
	uint64_t w[3] = {0, addr->family, 0}, id;

	memcpy(&w[0], addr->b, addr->family == 4 ? 4 : 8);
	if (addr->family == 6 && is_link_local(addr))
		memcpy(&w[2], addr->b + 8, 8);
	id = siphash_table(s->key, w, w[2] != 0 ? 3 : 2);
	return id != 0 ? id : 1;
}

/* Its place, or the free one where it would stand: there is one, the table is half empty. */
static struct tcp_source *place(const struct tcp_sources *s, uint64_t id)
{
	uint32_t i = (uint32_t)id & s->mask;

	while (s->entry[i].id != id && s->entry[i].id != 0)
		i = (i + 1) & s->mask;
	return &s->entry[i];
}

const struct tcp_source *tcp_source_get(const struct tcp_sources *s, uint64_t id)
{
	const struct tcp_source *e = place(s, id);

	return e->id == id ? e : NULL;
}

void tcp_source_add(struct tcp_sources *s, uint64_t id, bool half_open)
{
	struct tcp_source *e = place(s, id);

	e->id = id;
	e->conns++;
	e->half_open += half_open;
}

/* Those behind a hole that would not be found across it move into it. */
static void close_hole(struct tcp_sources *s, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & s->mask; s->entry[i].id != 0; i = (i + 1) & s->mask) {
		uint32_t home = (uint32_t)s->entry[i].id & s->mask;

		if (((i - home) & s->mask) < ((i - hole) & s->mask))
			continue;
		s->entry[hole] = s->entry[i];
		hole = i;
	}
	s->entry[hole] = (struct tcp_source){0};
}

void tcp_source_drop(struct tcp_sources *s, uint64_t id, bool half_open)
{
	struct tcp_source *e = place(s, id);

	e->half_open -= half_open;
	if (--e->conns == 0)
		close_hole(s, (uint32_t)(e - s->entry));
}

void tcp_source_established(struct tcp_sources *s, uint64_t id)
{
	place(s, id)->half_open--;
}

static uint32_t cell_add(struct tcp_source_cell *c, uint16_t second)
{
	if (c->second != second)
		*c = (struct tcp_source_cell){.second = second};
	if (c->n < UINT16_MAX)
		c->n++;
	return c->n;
}

/* 0 is what a cell never had. */
static uint16_t second_of(uint64_t now_us)
{
	return (uint16_t)(now_us / 1000000 % UINT16_MAX + 1);
}

static bool follows(uint16_t second, uint16_t before)
{
	return second == before % UINT16_MAX + 1;
}

bool tcp_source_rate(struct tcp_sources *s, uint64_t id, uint32_t per_second, uint64_t now_us)
{
	uint16_t second = second_of(now_us);
	uint32_t a, b, noise;

	if (s->second != second) {
		s->before = follows(second, s->second) ? s->most : 0;
		s->most = 0;
		s->second = second;
		s->in_second = 0;
	}
	s->in_second++;
	a = cell_add(&s->cell[0][id % TCP_SOURCE_CELLS], second);
	b = cell_add(&s->cell[1][(id >> 32) % TCP_SOURCE_CELLS], second);
	noise = s->in_second / TCP_SOURCE_CELLS;
	a = RTE_MIN(a, b);
	a = a > noise ? a - noise : 0;
	s->most = RTE_MAX(s->most, a);
	return a <= per_second;
}

uint32_t tcp_source_rate_most(const struct tcp_sources *s, uint64_t now_us)
{
	uint16_t second = second_of(now_us);

	if (s->second == second)
		return RTE_MAX(s->most, s->before);
	return s->second != 0 && follows(second, s->second) ? s->most : 0;
}

void tcp_source_look(const struct tcp_sources *s, struct tcp_source_look *l)
{
	uint64_t end = RTE_MIN((uint64_t)l->next + TCP_SOURCE_TURN, (uint64_t)s->mask + 1);

	for (; l->next < end; l->next++) {
		const struct tcp_source *e = &s->entry[l->next];

		l->now_conns = RTE_MAX(l->now_conns, e->conns);
		l->now_half_open = RTE_MAX(l->now_half_open, e->half_open);
	}
	if (l->next <= s->mask)
		return;
	*l = (struct tcp_source_look){.conns = l->now_conns, .half_open = l->now_half_open};
}

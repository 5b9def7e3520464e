/* control/admin/shards.c - see shards.h. */
#include "control/admin/shards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/admin/counters.h"

static int add_file(struct shards *s, const char *dataplane, unsigned int shard, void *copy)
{
	const size_t n = link_stats_n(copy);
	struct shards_file *files = reallocarray(s->file, s->n_files + 1, sizeof(*files));
	struct link_stats_counter *c;

	if (files != NULL)
		s->file = files;
	c = reallocarray(s->counter, s->n + n + 1, sizeof(*c));
	if (c != NULL)
		s->counter = c;
	if (files == NULL || c == NULL) {
		free(copy);
		return -ENOMEM;
	}
	s->file[s->n_files++] = (struct shards_file){dataplane, shard, copy, s->n, n};
	for (size_t i = 0; i < n; i++)
		s->counter[s->n++] = link_stats_at(copy, i);
	return 0;
}

static int add_peer(struct shards *s, const struct linkpeer *peer)
{
	struct linkpeer_status st = linkpeer_status(peer);
	int r = 0;

	for (unsigned int i = 0; i < st.shards && r == 0; i++) {
		void *file = NULL;

		if (counters_file(peer, i, &file) == 0)
			r = add_file(s, st.name, i, file);
	}
	return r;
}

int shards_read(struct linkpeer *const *peers, unsigned int n_peers, struct shards *ret)
{
	struct shards s = {0};
	int r = 0;

	for (unsigned int i = 0; i < n_peers && r == 0; i++)
		r = add_peer(&s, peers[i]);
	if (r < 0)
		shards_free(&s);
	else
		*ret = s;
	return r;
}

void shards_free(struct shards *s)
{
	for (size_t i = 0; i < s->n_files; i++)
		free(s->file[i].copy);
	free(s->file);
	free(s->counter);
	*s = (struct shards){0};
}

uint64_t shards_value(const struct shards *s, size_t file, const char *room, const char *object,
		      const char *name)
{
	const struct shards_file *f = &s->file[file];

	for (size_t i = f->first; i < f->first + f->n; i++) {
		const struct link_stats_counter *c = &s->counter[i];

		if (strcmp(c->name, name) == 0 && strcmp(c->room, room) == 0 &&
		    strcmp(c->object, object) == 0)
			return c->value;
	}
	return 0;
}

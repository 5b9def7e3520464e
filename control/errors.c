/* control/errors.c - see errors.h. */
#include "control/errors.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_BACK 8 /* entries in which a repetition is sought */

static struct {
	pthread_mutex_t lock;
	uint64_t last; /* id; 0: none yet */
	struct errors_entry entry[ERRORS_MAX];
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct errors_entry *at(uint64_t id)
{
	return &ring.entry[id % ERRORS_MAX];
}

static bool same(const struct errors_entry *e, int counter, const char *line)
{
	return e->counter == counter &&
	       (line == NULL || strncmp(e->text, line, sizeof(e->text) - 1) == 0);
}

/* Of the latest few one that says the same, or a new one. */
static struct errors_entry *place(int counter, const char *line)
{
	struct errors_entry *e;

	for (uint64_t id = ring.last; id > 0 && ring.last - id < LOOK_BACK; id--)
		if (same(at(id), counter, line))
			return at(id);
	e = at(++ring.last);
	*e = (struct errors_entry){.id = ring.last, .counter = counter};
	if (line != NULL)
		snprintf(e->text, sizeof(e->text), "%s", line);
	return e;
}

static void note(int counter, const char *line)
{
	struct errors_entry *e;

	pthread_mutex_lock(&ring.lock);
	e = place(counter, line);
	e->times++;
	e->unix_s = (int64_t)time(NULL);
	pthread_mutex_unlock(&ring.lock);
}

void errors_note_counter(int counter)
{
	note(counter, NULL);
}

void errors_note_line(const char *line)
{
	note(-1, line);
}

bool errors_next(uint64_t above, struct errors_entry *ret)
{
	uint64_t id = above + 1;
	bool found;

	pthread_mutex_lock(&ring.lock);
	if (ring.last >= ERRORS_MAX && id <= ring.last - ERRORS_MAX)
		id = ring.last - ERRORS_MAX + 1;
	found = id <= ring.last;
	if (found)
		*ret = *at(id);
	pthread_mutex_unlock(&ring.lock);
	return found;
}

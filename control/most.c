/* control/most.c - see most.h. */
#include "control/most.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 64 /* numbers there is room for at first */

void most_fini(struct most *m)
{
	free(m->at);
	*m = (struct most){0};
}

static bool grow(struct most *m)
{
	uint32_t size = m->size != 0 ? 2 * m->size : FIRST;
	uint32_t *at = realloc(m->at, size * sizeof(*at));

	if (at == NULL) {
		most_fini(m);
		m->lost = true;
		return false;
	}
	memset(at + m->size, 0, (size - m->size) * sizeof(*at));
	m->at = at;
	m->size = size;
	return true;
}

void most_up(struct most *m, uint32_t n)
{
	if (m->lost || (n >= m->size && !grow(m)))
		return;
	if (n > 1)
		m->at[n - 1]--;
	m->at[n]++;
	if (n > m->n)
		m->n = n;
}

void most_down(struct most *m, uint32_t n)
{
	if (m->lost)
		return;
	assert(m->at[n + 1] > 0);
	m->at[n + 1]--;
	if (n > 0)
		m->at[n]++;
	if (m->n == n + 1 && m->at[n + 1] == 0)
		m->n = n;
	if (m->n == 0)
		most_fini(m);
}

bool most_known(const struct most *m, uint32_t *ret)
{
	if (m->lost)
		return false;
	*ret = m->n;
	return true;
}

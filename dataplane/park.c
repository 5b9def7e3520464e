/* dataplane/park.c - see park.h. */
#include "dataplane/park.h"

#include <string.h>

static struct host_fds fds_of(const int *fds, unsigned int n)
{
	if (n == 1)
		return (struct host_fds){fds[0], fds[0], -1};
	return (struct host_fds){fds[0], fds[1], n > 2 ? fds[2] : -1};
}

static unsigned int find(const struct park *p, uint64_t token)
{
	unsigned int i = 0;

	while (i < p->n && p->entry[i].token != token)
		i++;
	return i;
}

static void take_out(struct park *p, unsigned int i)
{
	p->n--;
	memmove(&p->entry[i], &p->entry[i + 1], (p->n - i) * sizeof(p->entry[0]));
}

void park_put(struct park *p, uint64_t token, const int *given, unsigned int n, uint64_t now_us)
{
	struct host_fds fds = fds_of(given, n);

	if (p->n == PARK_MAX || find(p, token) < p->n) {
		p->counters[p->n == PARK_MAX ? PARK_C_FULL : PARK_C_TWICE]++;
		host_fds_close(&fds);
		return;
	}
	p->entry[p->n++] =
		(struct park_entry){.token = token, .until_us = now_us + PARK_US, .fds = fds};
}

bool park_claim(struct park *p, uint64_t token, struct host_fds *ret)
{
	unsigned int i = find(p, token);

	if (i == p->n)
		return false;
	*ret = p->entry[i].fds;
	take_out(p, i);
	return true;
}

unsigned int park_expire(struct park *p, uint64_t now_us)
{
	unsigned int n = 0;

	while (p->n > 0 && now_us >= p->entry[0].until_us) {
		host_fds_close(&p->entry[0].fds);
		take_out(p, 0);
		p->counters[PARK_C_LATE]++;
		n++;
	}
	return n;
}

uint64_t park_next_timer_us(const struct park *p)
{
	return p->n > 0 ? p->entry[0].until_us : UINT64_MAX;
}

void park_clear(struct park *p)
{
	while (p->n > 0)
		host_fds_close(&p->entry[--p->n].fds);
}

static const struct {
	const char *name, *text;
} counter[PARK_C_COUNT] = {
#define X(id, what) [PARK_C_##id] = {#id, what},
	PARK_COUNTERS(X)
#undef X
};

const char *park_counter_name(enum park_counter c)
{
	return counter[c].name;
}

const char *park_counter_text(enum park_counter c)
{
	return counter[c].text;
}

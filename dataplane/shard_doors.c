/*
 * dataplane/shard_doors.c - listeners of clients in the gateway's own kernel: control, or the
 * helper, has opened them; the shard accepts there, so that they outlive a control.
 *
 * A listener is up to two sockets, as "localhost" is two addresses. What says whose they are and
 * the sockets themselves wait for each other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "dataplane/internal.h"
#include "dataplane/table.h"

#define DOORS SHARD_DOORS_OF /* of one listener */

/* A listener whose sockets have not come yet. */
struct awaited {
	uint64_t fds; /* 0: it waits for none */
	uint64_t until_us;
	TAILQ_ENTRY(awaited) link;
};
TAILQ_HEAD(awaited_list, awaited);

struct shard_doors {
	struct awaited *awaited; /* [RELAY_FORWARDS_MAX] */
	struct awaited_list list;
};

static bool came(void *arg, uint32_t door, struct stream *stream, const struct net_addr *peer,
		 uint16_t peer_port)
{
	struct shard *s = arg;
	struct link_addr from = {.family = peer->family, .port = peer_port};

	memcpy(from.addr, peer->b, sizeof(from.addr));
	return relay_forward(s->relay, stream, door / DOORS, &from, s->now_us);
}

static void doors_close(struct shard *s, uint32_t id)
{
	for (uint32_t i = 0; i < DOORS; i++)
		host_door_close(s->host, id * DOORS + i);
}

/* One or two that listen; what else came with them is nobody's. */
static int doors_open(struct shard *s, uint32_t id, struct host_fds *fds)
{
	int first = fds->in, second = fds->out != fds->in ? fds->out : -1, r;

	fds->in = fds->out = -1;
	host_fds_close(fds);
	shard_kernel_keepalive(s, first);
	if (second >= 0)
		shard_kernel_keepalive(s, second);
	r = host_door_open(s->host, id * DOORS, first, came, s);
	if (second >= 0) {
		int r2 = host_door_open(s->host, id * DOORS + 1, second, came, s);

		r = r < 0 ? r : r2;
	}
	if (r < 0)
		doors_close(s, id);
	return r;
}

/* -EAGAIN: they are not there. */
static int claim(struct shard *s, uint32_t id, uint64_t token)
{
	struct host_fds fds;

	return park_claim(&s->park, token, &fds) ? doors_open(s, id, &fds) : -EAGAIN;
}

static void awaited_over(struct shard_doors *d, struct awaited *a)
{
	if (a->fds == 0)
		return;
	TAILQ_REMOVE(&d->list, a, link);
	a->fds = 0;
}

static int begin_fds(void *arg, uint32_t id, uint64_t fds, uint32_t wait_ms)
{
	struct shard *s = arg;
	struct awaited *a = &s->doors->awaited[id];
	int r = claim(s, id, fds);

	if (r != -EAGAIN)
		return r;
	*a = (struct awaited){.fds = fds, .until_us = s->now_us + (uint64_t)wait_ms * 1000};
	TAILQ_INSERT_TAIL(&s->doors->list, a, link);
	return -EINPROGRESS;
}

static void end_fds(void *arg, uint32_t id)
{
	struct shard *s = arg;

	awaited_over(s->doors, &s->doors->awaited[id]);
	doors_close(s, id);
}

unsigned int shard_doors_look(struct shard *s)
{
	struct shard_doors *d = s->doors;
	struct awaited *a, *next;
	unsigned int n = 0;

	for (a = TAILQ_FIRST(&d->list); a != NULL; a = next) {
		uint32_t id = (uint32_t)(a - d->awaited);
		int r = claim(s, id, a->fds);

		next = TAILQ_NEXT(a, link);
		if (r == -EAGAIN && s->now_us >= a->until_us)
			r = -ETIMEDOUT;
		if (r == -EAGAIN)
			continue;
		awaited_over(d, a);
		relay_listen_done(s->relay, id, r, 0);
		n++;
	}
	return n;
}

uint64_t shard_doors_next_timer_us(const struct shard *s)
{
	const struct awaited *a;
	uint64_t t = UINT64_MAX;

	TAILQ_FOREACH(a, &s->doors->list, link)
	t = a->until_us < t ? a->until_us : t;
	return t;
}

int shard_doors_new(struct shard *s, struct relay_listens *l)
{
	s->doors = calloc(1, sizeof(*s->doors));
	if (s->doors == NULL)
		return -ENOMEM;
	TAILQ_INIT(&s->doors->list);
	s->doors->awaited = table_new(RELAY_FORWARDS_MAX, sizeof(*s->doors->awaited));
	if (s->doors->awaited == NULL)
		return -ENOMEM;
	l->begin_fds = begin_fds;
	l->end_fds = end_fds;
	return 0;
}

void shard_doors_free(struct shard *s)
{
	if (s->doors == NULL)
		return;
	table_free(s->doors->awaited, RELAY_FORWARDS_MAX, sizeof(*s->doors->awaited));
	free(s->doors);
	s->doors = NULL;
}

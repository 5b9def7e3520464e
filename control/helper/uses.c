/* control/helper/uses.c - see uses.h. */
#include "control/helper/uses.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/policy/addr.h"

static struct {
	pthread_mutex_t lock;
	struct helper_use *first;
	uint32_t n;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define FNV_FIRST UINT64_C(14695981039346656037)

static uint64_t name(uint64_t h, const void *p, size_t len)
{
	for (const uint8_t *b = p, *end = b + len; b != end; b++)
		h = (h ^ *b) * UINT64_C(1099511628211); /* FNV-1a */
	return h;
}

static void enter(struct helper_use *u)
{
	pthread_mutex_lock(&all.lock);
	u->at = &all.first;
	u->next = all.first;
	if (u->next != NULL)
		u->next->at = &u->next;
	all.first = u;
	all.n++;
	pthread_mutex_unlock(&all.lock);
}

void helper_use_begin(struct helper_use *u, const uint8_t *frame, size_t len)
{
	char peer[HELPER_ADDR_MAX + 1];
	struct helper_job job;
	struct ssh_str body;
	size_t used;

	if (helper_frame_parse(frame, len, &u->type, &body, &used) < 0 ||
	    helper_job_parse(u->type, body, &job) < 0)
		return;
	u->user = name(FNV_FIRST, job.user.p, job.user.len);
	snprintf(peer, sizeof(peer), "%.*s", (int)job.peer.len, (const char *)job.peer.p);
	if (addr_parse(peer, &u->peer))
		enter(u);
}

void helper_use_resume(struct helper_use *u, const char *user)
{
	u->type = HELPER_SESSION;
	u->user = name(FNV_FIRST, user, strlen(user));
	enter(u);
}

void helper_use_end(struct helper_use *u)
{
	pthread_mutex_lock(&all.lock);
	if (u->at != NULL) {
		*u->at = u->next;
		if (u->next != NULL)
			u->next->at = u->at;
		u->at = NULL;
		all.n--;
	}
	pthread_mutex_unlock(&all.lock);
}

/* --- for those who look ------------------------------------------------------------------------- */

static int order(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

/* Of n names how often the one stands there that does most often. */
static uint32_t most_of(uint64_t *key, uint32_t n)
{
	uint32_t most = 0, run = 0;

	qsort(key, n, sizeof(*key), order);
	for (uint32_t i = 0; i < n; i++) {
		run = i > 0 && key[i] == key[i - 1] ? run + 1 : 1;
		most = run > most ? run : most;
	}
	return most;
}

/* key has room for all of a kind, three times. */
static void count(const struct source_bits *bits, uint64_t *key, struct helper_uses *ret)
{
	uint64_t *source = key, *talker = key + all.n, *sitter = talker + all.n;
	struct helper_uses n = {0};

	for (const struct helper_use *u = all.first; u != NULL; u = u->next) {
		const struct source from = source_of(&u->peer, bits);

		if (u->type == HELPER_SESSION) {
			sitter[n.sessions++] = u->user;
			continue;
		}
		source[n.jobs] = name(FNV_FIRST + from.family, from.word, sizeof(from.word));
		if (u->type == HELPER_PAM)
			talker[n.talks++] = u->user ^ source[n.jobs];
		n.jobs++;
	}
	n.user_talks = most_of(talker, n.talks);
	n.source_jobs = most_of(source, n.jobs);
	n.user_sessions = most_of(sitter, n.sessions);
	*ret = n;
}

int helper_uses(const struct source_bits *bits, struct helper_uses *ret)
{
	uint64_t *key;

	pthread_mutex_lock(&all.lock);
	key = calloc((size_t)all.n + 1, 3 * sizeof(*key));
	if (key != NULL)
		count(bits, key, ret);
	pthread_mutex_unlock(&all.lock);
	free(key);
	return key != NULL ? 0 : -ENOMEM;
}

/* client/lib/engine.c - see engine.h. */
#include "client/lib/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "ssh/record.h"

struct engine {
	pthread_mutex_t lock;
	struct cipher_engine *cipher;
	unsigned int users;
};

static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static struct engine engines[CIPHER_ENGINE_OPENSSL + 1][ENGINES_MAX] = {
	[0 ... CIPHER_ENGINE_OPENSSL][0 ... ENGINES_MAX - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

/* The one with the fewest users; -ENOMEM of a new one is no reason not to share an older one. */
int engine_get(enum cipher_engine_kind kind, struct engine **ret)
{
	struct engine *best = NULL, *fresh = NULL;
	int r = 0;

	pthread_mutex_lock(&engines_lock);
	for (unsigned int i = 0; i < ENGINES_MAX; i++) {
		struct engine *e = &engines[kind][i];

		if (e->users == 0)
			fresh = fresh == NULL ? e : fresh;
		else if (best == NULL || e->users < best->users)
			best = e;
	}
	if (fresh != NULL) {
		r = cipher_engine_new(kind, SSH_PACKET_MAX + 64, &fresh->cipher);
		if (r == 0)
			best = fresh;
	}
	if (best != NULL) {
		best->users++;
		*ret = best;
	}
	pthread_mutex_unlock(&engines_lock);
	return best != NULL ? 0 : r;
}

static unsigned int users_of(enum cipher_engine_kind kind)
{
	unsigned int users = 0;

	for (unsigned int i = 0; i < ENGINES_MAX; i++)
		users += engines[kind][i].users;
	return users;
}

unsigned int engine_users(enum cipher_engine_kind kind)
{
	unsigned int users;

	pthread_mutex_lock(&engines_lock);
	users = users_of(kind);
	pthread_mutex_unlock(&engines_lock);
	return users;
}

int engines_fips(char why[FIPS_WHY_MAX])
{
	unsigned int users = 0;
	int r;

	pthread_mutex_lock(&engines_lock);
	for (unsigned int kind = 0; kind <= CIPHER_ENGINE_OPENSSL; kind++)
		users += users_of((enum cipher_engine_kind)kind);
	if (users > 0 && !fips_on()) {
		snprintf(why, FIPS_WHY_MAX, "other connections are open already");
		r = -EBUSY;
	} else {
		r = fips_begin(why);
	}
	pthread_mutex_unlock(&engines_lock);
	return r;
}

void engine_put(struct engine *e)
{
	if (e == NULL)
		return;
	pthread_mutex_lock(&engines_lock);
	if (--e->users == 0) {
		cipher_engine_free(e->cipher);
		e->cipher = NULL;
	}
	pthread_mutex_unlock(&engines_lock);
}

struct cipher_engine *engine_lock(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	return e->cipher;
}

void engine_unlock(struct engine *e)
{
	pthread_mutex_unlock(&e->lock);
}

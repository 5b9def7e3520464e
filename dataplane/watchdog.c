/* dataplane/watchdog.c - see watchdog.h. */
#include "dataplane/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <rte_lcore.h>

#define LOOKS 4 /* in the time the manager gives */

struct watchdog {
	struct watchdog_conf conf;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool end;
	uint64_t seen[];
};

bool watchdog_look(const struct watchdog_conf *wc, uint64_t *seen)
{
	bool all = true;

	/* One that stood still keeps what was seen: it has to move before the next beat. */
	for (unsigned int i = 0; i < wc->shards; i++)
		if (__atomic_load_n(wc->turns[i], __ATOMIC_RELAXED) == seen[i])
			all = false;
	for (unsigned int i = 0; all && i < wc->shards; i++)
		seen[i] = __atomic_load_n(wc->turns[i], __ATOMIC_RELAXED);
	return all;
}

static struct timespec after_ms(uint64_t ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static void *watch(void *arg)
{
	struct watchdog *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->end) {
		const struct timespec at = after_ms(w->conf.manager->watchdog_ms / LOOKS + 1);

		if (pthread_cond_timedwait(&w->ended, &w->lock, &at) == ETIMEDOUT &&
		    watchdog_look(&w->conf, w->seen))
			notify_beat(w->conf.manager);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are the shards': one that sleeps is woken by them. */
static int thread_start(struct watchdog *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* Where no shard runs: one that polls for ever leaves its core to nobody. */
	r = rte_ctrl_thread_create(&w->thread, "watchdog", NULL, watch, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int watchdog_start(const struct watchdog_conf *wc, struct watchdog **ret)
{
	pthread_condattr_t monotonic;
	struct watchdog *w;
	int r;

	*ret = NULL;
	if (wc->manager->watchdog_ms == 0)
		return 0;
	w = calloc(1, sizeof(*w) + wc->shards * sizeof(w->seen[0]));
	if (w == NULL)
		return -ENOMEM;
	w->conf = *wc;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = thread_start(w);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void watchdog_stop(struct watchdog *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->end = true;
	pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->ended);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

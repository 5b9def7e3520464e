#include "control/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/count.h"

#define POOL_THREADS_MAX 17 /* at first */
#define POOL_SPARE_MAX   64
#define POOL_JOIN_S      2 /* how long a pool that closes waits for a thread that hangs */

struct fifo {
	struct pool_job *first, **last;
	unsigned int count;
};

struct pool {
	struct timers *timers;
	uv_async_t bell;
	uv_timer_t watch;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	struct fifo queue[POOL_CLASSES]; /* that of POOL_AUTH is empty: */
	struct turns auth;
	struct pool_job *running; /* of POOL_AUTH, in no order */
	struct fifo finished;
	unsigned int class_max;
	unsigned int auth_running, auth_max;
	uint64_t auth_over;                    /* how many ever came back */
	unsigned int strangers, strangers_max; /* jobs that run and are no rekeys */
	bool auth_turn;                        /* the class that goes next when both wait */
	bool closing;
	/* Not guarded: */
	unsigned int source_max, user_max; /* jobs of one that run at once */
	unsigned int spare;                /* threads that may still be started */
	uint64_t watched_from;             /* auth_over when the watch began */
	unsigned int n_threads;
	pthread_t thread[POOL_THREADS_MAX + POOL_SPARE_MAX];
};

static void fifo_init(struct fifo *f)
{
	f->first = NULL;
	f->last = &f->first;
	f->count = 0;
}

static void fifo_push(struct fifo *f, struct pool_job *job)
{
	job->next = NULL;
	*f->last = job;
	f->last = &job->next;
	f->count++;
}

static struct pool_job *fifo_pop(struct fifo *f)
{
	struct pool_job *job = f->first;

	f->first = job->next;
	if (f->first == NULL)
		f->last = &f->first;
	f->count--;
	return job;
}

static struct pool_job *of_turn(const struct turn *t)
{
	return (struct pool_job *)(void *)((char *)(uintptr_t)t - offsetof(struct pool_job, turn));
}

static bool same_user(const struct pool_job *a, const struct pool_job *b)
{
	return a->user != NULL && b->user != NULL && strcmp(a->user, b->user) == 0;
}

static bool same_source(const struct pool_job *a, const struct pool_job *b)
{
	return a->from.family != 0 && a->from.family == b->from.family &&
	       memcmp(a->from.word, b->from.word, sizeof(a->from.word)) == 0;
}

/*
 * A job that hangs beyond its time counts for its user, whose files they are, and no longer for
 * his source, behind which there may be others.
 */
static bool may_run(const struct turn *turn, void *arg)
{
	const struct pool_job *job = of_turn(turn);
	const struct pool *p = arg;
	unsigned int from = 0, user = 0;

	for (const struct pool_job *r = p->running; r != NULL; r = r->next) {
		from += !r->late && same_source(r, job);
		user += same_user(r, job);
	}
	return from < p->source_max && user < p->user_max;
}

static struct pool_job *take_auth(struct pool *p)
{
	struct turn *t = p->auth_running < p->auth_max ? turns_take_if(&p->auth, may_run, p) : NULL;
	struct pool_job *job;

	if (t == NULL)
		return NULL;
	job = of_turn(t);
	p->auth_running++;
	job->next = p->running;
	p->running = job;
	return job;
}

static void auth_back(struct pool *p, struct pool_job *job)
{
	struct pool_job **at = &p->running;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	p->auth_running--;
	p->auth_over++;
}

/*
 * The next job by rank, or NULL. Password hashes never take the last thread but one, and whoever
 * is not in never the last.
 */
static struct pool_job *take(struct pool *p)
{
	bool kex = p->queue[POOL_KEX].count > 0;
	struct pool_job *job = NULL;

	if (p->queue[POOL_REKEY].count > 0)
		return fifo_pop(&p->queue[POOL_REKEY]);
	if (p->strangers == p->strangers_max)
		return NULL;
	if (p->auth_turn || !kex)
		job = take_auth(p);
	p->auth_turn = job == NULL && kex;
	if (p->auth_turn)
		job = fifo_pop(&p->queue[POOL_KEX]);
	p->strangers += job != NULL;
	return job;
}

static void *thread_main(void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	while (!p->closing) {
		job = take(p);
		if (job == NULL) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		job->run(job);
		pthread_mutex_lock(&p->lock);
		p->strangers -= job->class != POOL_REKEY;
		if (job->class == POOL_AUTH)
			auth_back(p, job);
		fifo_push(&p->finished, job);
		/* A system call, and the loop is after the lock when it comes. */
		pthread_mutex_unlock(&p->lock);
		uv_async_send(&p->bell);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void tell(struct pool_job *job, int err)
{
	timer_cancel(job->pool->timers, &job->deadline);
	if (job->told)
		return;
	job->told = true;
	job->done(job, err);
}

/* Takes the job out of its queue; false: a thread has it, or had it. */
static bool unqueue(struct pool_job *job)
{
	struct pool *p = job->pool;
	struct fifo *f = &p->queue[job->class];
	struct pool_job **at;
	bool found;

	pthread_mutex_lock(&p->lock);
	if (job->class == POOL_AUTH) {
		found = turns_remove(&p->auth, &job->from, &job->turn);
		job->late = !found;
		pthread_mutex_unlock(&p->lock);
		/* Another of its source may go. */
		pthread_cond_signal(&p->work);
		return found;
	}
	for (at = &f->first; *at != NULL && *at != job; at = &(*at)->next)
		;
	found = *at == job;
	if (found) {
		*at = job->next;
		if (job->next == NULL)
			f->last = at;
		f->count--;
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

/* Work nobody waits for is not begun: else a pool that fell behind would never catch up. */
static void on_deadline(struct timer *t)
{
	struct pool_job *job =
		(struct pool_job *)(void *)((char *)t - offsetof(struct pool_job, deadline));
	bool waiting = unqueue(job);

	control_count(CONTROL_C_POOL_LATE);
	tell(job, -ETIMEDOUT);
	if (waiting)
		job->free(job);
}

void pool_cancel(struct pool_job *job)
{
	timer_cancel(job->pool->timers, &job->deadline);
	job->told = true;
	if (unqueue(job))
		job->free(job);
}

static void on_bell(uv_async_t *bell)
{
	struct pool *p = bell->data;
	struct fifo got;

	pthread_mutex_lock(&p->lock);
	fifo_init(&got);
	while (p->finished.count > 0)
		fifo_push(&got, fifo_pop(&p->finished));
	pthread_mutex_unlock(&p->lock);

	while (got.count > 0) {
		struct pool_job *job = fifo_pop(&got);

		tell(job, 0);
		job->free(job);
	}
}

/* Threads of the pool take no signals: the loop does. */
static int start_threads(struct pool *p, unsigned int threads)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0 && p->n_threads < threads) {
		r = -pthread_create(&p->thread[p->n_threads], NULL, thread_main, p);
		if (r == 0)
			p->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int pool_new(uv_loop_t *loop, struct timers *timers, unsigned int threads, unsigned int class_max,
	     struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return -ENOMEM;
	if (threads < 2)
		threads = 2;
	if (threads > POOL_THREADS_MAX - 1)
		threads = POOL_THREADS_MAX - 1;
	p->timers = timers;
	p->class_max = class_max;
	p->auth_max = threads - 1;
	p->source_max = (threads + 1) / 2 < p->auth_max ? (threads + 1) / 2 : p->auth_max;
	p->user_max = (threads + 3) / 4; /* fewer: his neighbours' are his source's, too */
	p->strangers_max = threads;
	for (unsigned int i = 0; i < POOL_CLASSES; i++)
		fifo_init(&p->queue[i]);
	fifo_init(&p->finished);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	r = uv_async_init(loop, &p->bell, on_bell);
	if (r < 0) {
		free(p);
		return r;
	}
	uv_timer_init(loop, &p->watch); /* cannot fail */
	uv_unref((uv_handle_t *)&p->watch);
	p->bell.data = p->watch.data = p;
	r = start_threads(p, threads + 1);
	if (r < 0) {
		pool_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

/* --- threads beside those that hang ----------------------------------------------------------- */

static void on_watch(uv_timer_t *watch);

/* As long as somebody waits. */
static void watch_begin(struct pool *p)
{
	bool waiting;

	if (p->spare == 0 || uv_is_active((uv_handle_t *)&p->watch))
		return;
	pthread_mutex_lock(&p->lock);
	waiting = p->auth.waiting > 0;
	p->watched_from = p->auth_over;
	pthread_mutex_unlock(&p->lock);
	if (waiting)
		uv_timer_start(&p->watch, on_watch, POOL_SLOW_MS, 0);
}

/* Everyone there may be has been at it all the while, and somebody waits. */
static bool all_hang(struct pool *p)
{
	bool yes;

	pthread_mutex_lock(&p->lock);
	yes = p->auth.waiting > 0 && p->auth_running == p->auth_max &&
	      p->auth_over == p->watched_from;
	pthread_mutex_unlock(&p->lock);
	return yes;
}

static void on_watch(uv_timer_t *watch)
{
	struct pool *p = watch->data;

	if (all_hang(p) && start_threads(p, p->n_threads + 1) == 0) {
		p->spare--;
		pthread_mutex_lock(&p->lock);
		p->auth_max++;
		p->strangers_max++;
		pthread_mutex_unlock(&p->lock);
		pthread_cond_signal(&p->work);
	}
	watch_begin(p);
}

void pool_spare(struct pool *p, unsigned int n)
{
	p->spare = n < POOL_SPARE_MAX ? n : POOL_SPARE_MAX;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void free_all(struct pool *p, struct fifo *f)
{
	while (f->count > 0) {
		struct pool_job *job = fifo_pop(f);

		timer_cancel(p->timers, &job->deadline);
		job->free(job);
	}
}

static void on_closed(uv_handle_t *bell)
{
	struct pool *p = bell->data;

	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	free(p);
}

/* True when all threads are gone. */
static bool join_threads(struct pool *p)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += POOL_JOIN_S;
	for (unsigned int i = p->n_threads; i-- > 0;)
		if (pthread_clockjoin_np(p->thread[i], NULL, CLOCK_MONOTONIC, &until) == 0)
			p->thread[i] = p->thread[--p->n_threads];
	return p->n_threads == 0;
}

static void free_auth(struct pool *p)
{
	struct turn *t;

	while ((t = turns_take(&p->auth)) != NULL) {
		struct pool_job *job = of_turn(t);

		timer_cancel(p->timers, &job->deadline);
		job->free(job);
	}
}

static void on_watch_closed(uv_handle_t *watch)
{
	struct pool *p = watch->data;

	uv_close((uv_handle_t *)&p->bell, on_closed);
}

void pool_close(struct pool *p)
{
	if (p == NULL)
		return;
	uv_timer_stop(&p->watch);
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (!join_threads(p)) {
		/* A thread still uses the pool: left behind, so that the loop can end. */
		uv_unref((uv_handle_t *)&p->bell);
		return;
	}

	free_all(p, &p->finished); /* first: where one is gone the next may be submitted */
	for (unsigned int i = 0; i < POOL_CLASSES; i++)
		free_all(p, &p->queue[i]);
	free_auth(p);
	uv_close((uv_handle_t *)&p->watch, on_watch_closed);
}

/* One source does not fill the queue for all. */
static int auth_push(struct pool *p, struct pool_job *job)
{
	if (p->auth.waiting >= p->class_max ||
	    (job->from.family != 0 && turns_waiting(&p->auth, &job->from) >= p->class_max / 2))
		return -EBUSY;
	return turns_add(&p->auth, &job->from, &job->turn);
}

void pool_waiting(struct pool *p, unsigned int *ret, unsigned int *ret_max)
{
	unsigned int most;

	pthread_mutex_lock(&p->lock);
	most = p->auth.waiting;
	for (unsigned int i = 0; i < POOL_CLASSES; i++)
		most = p->queue[i].count > most ? p->queue[i].count : most;
	pthread_mutex_unlock(&p->lock);
	*ret = most;
	*ret_max = p->class_max;
}

int pool_submit(struct pool *p, struct pool_job *job, enum pool_class class, uint64_t deadline_ms)
{
	int r = 0;

	job->pool = p;
	job->class = (uint8_t) class;
	job->told = job->late = false;
	job->deadline = (struct timer){.fire = on_deadline};
	r = timer_set(p->timers, &job->deadline, deadline_ms);
	if (r < 0)
		return r;

	pthread_mutex_lock(&p->lock);
	if (class == POOL_AUTH)
		r = auth_push(p, job);
	else if (p->queue[class].count >= p->class_max)
		r = -EBUSY;
	else
		fifo_push(&p->queue[class], job);
	pthread_mutex_unlock(&p->lock);
	if (r < 0) {
		control_count(CONTROL_C_POOL_FULL);
		timer_cancel(p->timers, &job->deadline);
	} else {
		pthread_cond_signal(&p->work); /* who wakes finds the lock free */
		watch_begin(p);
	}
	return r;
}

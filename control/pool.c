#include "control/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "control/count.h"

#define POOL_THREADS_MAX 17
#define POOL_JOIN_S      2 /* how long a pool that closes waits for a thread that hangs */

struct fifo {
	struct pool_job *first, **last;
	unsigned int count;
};

struct pool {
	struct timers *timers;
	uv_async_t bell;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	struct fifo queue[POOL_CLASSES];
	struct fifo finished;
	unsigned int class_max;
	unsigned int auth_running, auth_max;
	unsigned int strangers, strangers_max; /* jobs that run and are no rekeys */
	bool auth_turn;                        /* the class that goes next when both wait */
	bool closing;
	/* Not guarded: */
	unsigned int n_threads;
	pthread_t thread[POOL_THREADS_MAX];
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

/*
 * The next job by rank, or NULL. Password hashes never take the last thread but one, and whoever
 * is not in never the last.
 */
static struct pool_job *take(struct pool *p)
{
	bool kex = p->queue[POOL_KEX].count > 0;
	bool auth = p->queue[POOL_AUTH].count > 0 && p->auth_running < p->auth_max;

	if (p->queue[POOL_REKEY].count > 0)
		return fifo_pop(&p->queue[POOL_REKEY]);
	if (p->strangers == p->strangers_max)
		return NULL;
	p->strangers += kex || auth;
	if (auth && (p->auth_turn || !kex)) {
		p->auth_turn = false;
		p->auth_running++;
		return fifo_pop(&p->queue[POOL_AUTH]);
	}
	if (kex) {
		p->auth_turn = true;
		return fifo_pop(&p->queue[POOL_KEX]);
	}
	return NULL;
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
		p->auth_running -= job->class == POOL_AUTH;
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
	p->bell.data = p;
	r = start_threads(p, threads + 1);
	if (r < 0) {
		pool_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

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

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += POOL_JOIN_S;
	for (unsigned int i = p->n_threads; i-- > 0;)
		if (pthread_timedjoin_np(p->thread[i], NULL, &until) == 0)
			p->thread[i] = p->thread[--p->n_threads];
	return p->n_threads == 0;
}

void pool_close(struct pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (!join_threads(p)) {
		/* A thread still uses the pool: left behind, so that the loop can end. */
		uv_unref((uv_handle_t *)&p->bell);
		return;
	}

	for (unsigned int i = 0; i < POOL_CLASSES; i++)
		free_all(p, &p->queue[i]);
	free_all(p, &p->finished);
	uv_close((uv_handle_t *)&p->bell, on_closed);
}

int pool_submit(struct pool *p, struct pool_job *job, enum pool_class class, uint64_t deadline_ms)
{
	int r = 0;

	job->pool = p;
	job->class = (uint8_t) class;
	job->told = false;
	job->deadline = (struct timer){.fire = on_deadline};
	r = timer_set(p->timers, &job->deadline, deadline_ms);
	if (r < 0)
		return r;

	pthread_mutex_lock(&p->lock);
	if (p->queue[class].count >= p->class_max)
		r = -EBUSY;
	else
		fifo_push(&p->queue[class], job);
	pthread_mutex_unlock(&p->lock);
	if (r < 0) {
		control_count(CONTROL_C_POOL_FULL);
		timer_cancel(p->timers, &job->deadline);
	} else {
		pthread_cond_signal(&p->work); /* who wakes finds the lock free */
	}
	return r;
}

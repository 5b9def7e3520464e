/*
 * control/pool.h - threads that only compute on copied input, results by queue.
 *
 * Two pools exist: one computes (key exchange, signatures, password hashes), one waits for
 * files of users, which may lie on a disk that hangs. A job holds copies and handles,
 * never pointers into a session; a caller that went away finds out by its handle.
 *
 * A deadline is a promise to the caller, not to the thread: when it passes, done() is called
 * with -ETIMEDOUT at once; a job that still waits is freed, one that runs when its thread comes
 * back.
 *
 * Of what is done for those who are not in (POOL_AUTH), sources take turns (turns.h), and one
 * source has no more running at once than half of the threads, one user no more than a quarter (one
 * at least): a slow disk or many passwords are felt by those they belong to.
 *
 * Thread  submit, done() and free() on the loop's; run() on any.
 */
#ifndef SLUICE_CONTROL_POOL_H
#define SLUICE_CONTROL_POOL_H

#include <stdint.h>
#include <uv.h>

#include "control/sources.h"
#include "control/timers.h"
#include "control/turns.h"

/*
 * Rekeys of those who are inside go first and have a thread of their own, so that none waits until
 * a stranger's long exchange is done; the two others take turns.
 */
enum pool_class { POOL_REKEY, POOL_KEX, POOL_AUTH, POOL_CLASSES };

#define POOL_SLOW_MS 250

struct pool;

struct pool_job {
	void (*run)(struct pool_job *job);
	/*
	 * 0: run() has finished. -ETIMEDOUT: it has not, and run() may be writing the job at
	 * this moment: only what run() leaves alone may be read.
	 */
	void (*done)(struct pool_job *job, int err);
	void (*free)(struct pool_job *job); /* wipes */
	/* POOL_AUTH: for whom it is; family 0, NULL: for nobody, and nothing holds it up. */
	struct source from;
	const char *user; /* stays where it is as long as the job lives */
	/* The pool's: */
	struct pool *pool;
	struct pool_job *next;
	struct turn turn;
	struct timer deadline;
	uint8_t class;
	bool told; /* done() was called */
	bool late; /* it runs, and nobody waits for it any more */
};

/* threads: of strangers, besides the one of rekeys. class_max: jobs that may wait in one class. */
int pool_new(uv_loop_t *loop, struct timers *timers, unsigned int threads, unsigned int class_max,
	     struct pool **ret) __attribute__((warn_unused_result));
/*
 * Its jobs wait and do not compute: when none has come back for POOL_SLOW_MS while others wait,
 * there is another thread, and so on, n of them at most. They stay.
 */
void pool_spare(struct pool *p, unsigned int n);
/*
 * Frees what waits (done() is not called), joins the threads and goes when the loop lets
 * go of its handle. While a thread hangs nothing is freed and the loop no longer waits for the
 * pool: the process is about to end, or closes it again.
 */
void pool_close(struct pool *p);

/*
 * The job is taken on success. -EBUSY: too many wait in this class, or half as many of one
 * source; the job stays with the caller. Times are those of the timers given to pool_new().
 */
int pool_submit(struct pool *p, struct pool_job *job, enum pool_class class, uint64_t deadline_ms)
	__attribute__((warn_unused_result));
/* Jobs that wait in the class that has most of them, and may at most. */
void pool_waiting(struct pool *p, unsigned int *ret, unsigned int *ret_max);
/*
 * The caller of a submitted job whose done() was not called yet is gone: it will not be called,
 * and the job is not begun if it still waits.
 */
void pool_cancel(struct pool_job *job);

#endif

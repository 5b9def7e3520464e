/* control/pool.c and control/signer.c: who goes first, deadlines, what is signed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "control/clock.h"
#include "control/pool.h"
#include "control/signer.h"

#define LONG_MS 60000 /* until nobody waits for a job: never, in a test */

static uv_loop_t loop;
static struct timers *ts;
static struct clock *ck;
static struct pool *pool;
/* Two, so that one thread can be let go alone. */
static pthread_mutex_t gates[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static atomic_uint held; /* threads that have come to a gate */
static unsigned int live;
static struct pool_job *last; /* submitted */

struct job {
	struct pool_job job;
	int name, err;
	int gate; /* -1: none */
};

static int order[64];
static unsigned int ran;
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int done_count;
static int done_err;

static void job_run(struct pool_job *p)
{
	struct job *j = (struct job *)(void *)p;

	if (j->gate >= 0) { /* stands for a disk that hangs */
		held++;
		pthread_mutex_lock(&gates[j->gate]);
		pthread_mutex_unlock(&gates[j->gate]);
		return;
	}
	pthread_mutex_lock(&order_lock);
	order[ran++] = j->name;
	pthread_mutex_unlock(&order_lock);
}

static void job_done(struct pool_job *p, int err)
{
	(void)p;
	done_count++;
	done_err = err;
}

static void job_free(struct pool_job *p)
{
	live--;
	free(p);
}

/* Of the given user at 192.0.2.last; 0, NULL: nobody's. */
static int submit_of(uint8_t last_byte, const char *user, int name, enum pool_class class,
		     int at_gate, uint64_t ms)
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	j->job = (struct pool_job){.run = job_run, .done = job_done, .free = job_free};
	if (last_byte != 0)
		j->job.from = (struct source){.word = {last_byte}, .family = 4, .bits = 32};
	j->job.user = user;
	j->name = name;
	j->gate = at_gate;
	r = pool_submit(pool, &j->job, class, clock_now_ms() + ms);
	if (r < 0)
		free(j);
	else
		live++;
	last = &j->job;
	return r;
}

static int submit(int name, enum pool_class class, int at_gate, uint64_t ms)
{
	return submit_of(0, NULL, name, class, at_gate, ms);
}

static void wait_held(unsigned int n)
{
	while (held < n)
		sched_yield();
}

static void run_until(unsigned int n)
{
	while (done_count < n)
		uv_run(&loop, UV_RUN_ONCE);
}

static void setup(void)
{
	uv_loop_init(&loop);
	cr_assert_eq(timers_new(&ts), 0);
	cr_assert_eq(clock_new(&loop, ts, &ck), 0);
	cr_assert_eq(pool_new(&loop, ts, 2, 4, &pool), 0);
}

static void teardown(void)
{
	pool_close(pool);
	clock_close(ck);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	timers_free(ts);
	cr_expect_eq(live, 0, "every job is freed");
}

TestSuite(control_pool, .init = setup, .fini = teardown, .timeout = 60);

Test(control_pool, a_result_comes_back_once)
{
	cr_assert_eq(submit(1, POOL_KEX, -1, LONG_MS), 0);
	run_until(1);
	cr_expect_eq(done_err, 0);
	cr_expect_eq(ran, 1);
}

Test(control_pool, rekeys_go_first_then_exchanges_and_hashes_take_turns)
{
	static const int want[] = {1, 3, 2, 3, 2};

	pthread_mutex_lock(&gates[0]);
	pthread_mutex_lock(&gates[1]);
	cr_assert_eq(submit(0, POOL_KEX, 0, LONG_MS), 0);
	cr_assert_eq(submit(0, POOL_KEX, 1, LONG_MS), 0);
	wait_held(2);
	cr_assert_eq(submit(0, POOL_REKEY, 1, LONG_MS), 0); /* has the thread that rekeys have */
	wait_held(3);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(submit(3, POOL_AUTH, -1, LONG_MS), 0);
		cr_assert_eq(submit(2, POOL_KEX, -1, LONG_MS), 0);
	}
	cr_assert_eq(submit(1, POOL_REKEY, -1, LONG_MS), 0);
	pthread_mutex_unlock(&gates[0]); /* one thread: its order is the pool's */
	run_until(6);
	cr_expect_arr_eq(order, want, sizeof(want));
	pthread_mutex_unlock(&gates[1]);
	run_until(8);
}

/* However long what strangers asked for takes. */
Test(control_pool, a_rekey_finds_a_thread_while_all_others_compute)
{
	pthread_mutex_lock(&gates[0]);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(submit(0, i == 0 ? POOL_AUTH : POOL_KEX, 0, LONG_MS), 0);
	wait_held(2);
	for (int i = 1; i <= 10; i++) {
		cr_assert_eq(submit(i, POOL_REKEY, -1, LONG_MS), 0);
		run_until((unsigned int)i);
		cr_expect_eq(order[i - 1], i);
	}
	cr_expect_eq(held, 2, "the third exchange waits");
	pthread_mutex_unlock(&gates[0]);
	run_until(13);
}

Test(control_pool, hashes_leave_a_thread)
{
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	cr_assert_eq(submit(1, POOL_KEX, -1, LONG_MS), 0);
	run_until(1);
	cr_expect_eq(ran, 1, "a first exchange does not wait for two hashes");
	cr_expect_eq(held, 1);
	pthread_mutex_unlock(&gates[0]);
	run_until(3);
}

Test(control_pool, a_class_that_is_full_refuses)
{
	unsigned int n, most;

	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_KEX, 0, LONG_MS), 0);
	cr_assert_eq(submit(0, POOL_KEX, 0, LONG_MS), 0);
	cr_assert_eq(submit(0, POOL_REKEY, 0, LONG_MS), 0);
	wait_held(3);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(submit(1, POOL_KEX, -1, LONG_MS), 0);
	cr_expect_eq(submit(1, POOL_KEX, -1, LONG_MS), -EBUSY);
	pool_waiting(pool, &n, &most);
	cr_expect(n == 4 && most == 4);
	cr_expect_eq(submit(1, POOL_REKEY, -1, LONG_MS), 0, "rekeys have room of their own");
	pthread_mutex_unlock(&gates[0]);
	run_until(8);
}

Test(control_pool, a_deadline_answers_while_the_thread_hangs)
{
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, 20), 0);
	run_until(1);
	cr_expect_eq(done_err, -ETIMEDOUT);
	pthread_mutex_unlock(&gates[0]);
	while (live > 0)
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect_eq(done_count, 1, "and not again");
}

/* Else a pool that fell behind would work for those who are gone, for ever. */
Test(control_pool, what_waits_beyond_its_deadline_is_not_begun)
{
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	wait_held(1); /* hashes leave a thread: there is none for another */
	cr_assert_eq(submit(1, POOL_AUTH, -1, LONG_MS), 0);
	cr_assert_eq(submit(2, POOL_AUTH, -1, 20), 0);
	cr_assert_eq(submit(3, POOL_AUTH, -1, LONG_MS), 0);
	run_until(1);
	cr_expect_eq(done_err, -ETIMEDOUT);
	cr_expect_eq(live, 3, "it holds nothing any more");
	pthread_mutex_unlock(&gates[0]);
	run_until(4);
	cr_expect_eq(ran, 2);
	cr_expect_eq(order[0], 1);
	cr_expect_eq(order[1], 3);
}

/* Many passwords of one source: who comes from elsewhere waits behind one of them. */
Test(control_pool, sources_take_turns)
{
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	wait_held(1); /* hashes leave a thread: there is none for another */
	for (int i = 1; i <= 2; i++)
		cr_assert_eq(submit_of(1, NULL, 1, POOL_AUTH, -1, LONG_MS), 0);
	cr_expect_eq(submit_of(1, NULL, 1, POOL_AUTH, -1, LONG_MS), -EBUSY,
		     "half of the places are not for one source");
	cr_assert_eq(submit_of(2, NULL, 2, POOL_AUTH, -1, LONG_MS), 0);
	pthread_mutex_unlock(&gates[0]);
	run_until(4);
	cr_expect_eq(order[0], 1);
	cr_expect_eq(order[1], 2);
	cr_expect_eq(order[2], 1);
}

static void more_threads(unsigned int threads, unsigned int spare)
{
	pool_close(pool);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_assert_eq(pool_new(&loop, ts, threads, 16, &pool), 0);
	pool_spare(pool, spare);
}

/* A user whose files hang, wherever he comes from; a source with many of them. */
Test(control_pool, one_source_has_half_of_the_threads_and_one_user_a_quarter)
{
	static const struct {
		uint8_t from[3];
		const char *user[3];
		unsigned int run;
	} c[] = {{{1, 2, 3}, {"slow", "slow", "slow"}, 1}, {{7, 7, 7}, {"a", "b", "c"}, 2}};

	more_threads(4, 0);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		ran = done_count = 0;
		held = 0;
		pthread_mutex_lock(&gates[0]);
		for (int k = 0; k < 3; k++)
			cr_assert_eq(
				submit_of(c[i].from[k], c[i].user[k], 0, POOL_AUTH, 0, LONG_MS), 0);
		wait_held(c[i].run);
		cr_assert_eq(submit_of(9, "quick", 1, POOL_AUTH, -1, LONG_MS), 0);
		cr_assert_eq(submit_of(9, "quick", 2, POOL_AUTH, -1, LONG_MS), 0);
		run_until(2);
		cr_expect_eq(ran, 2, "others go on");
		cr_expect_eq(held, c[i].run, "the others wait");
		pthread_mutex_unlock(&gates[0]);
		run_until(5);
	}
}

/* Who hangs beyond his time is no reason to hold up his neighbours, but himself. */
Test(control_pool, what_hangs_for_ever_is_its_users_trouble)
{
	more_threads(4, 0);
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit_of(1, "slow", 0, POOL_AUTH, 0, 20), 0);
	cr_assert_eq(submit_of(1, "slow too", 0, POOL_AUTH, 0, 20), 0);
	wait_held(2);
	cr_assert_eq(submit_of(1, "slow", 1, POOL_AUTH, -1, 40), 0);
	cr_assert_eq(submit_of(1, "neighbour", 2, POOL_AUTH, -1, LONG_MS), 0);
	run_until(4);
	cr_expect_eq(ran, 1);
	cr_expect_eq(order[0], 2);
	pthread_mutex_unlock(&gates[0]);
	while (live > 0)
		uv_run(&loop, UV_RUN_ONCE);
}

/* Threads that all hang in files are not waited for: there are others. */
Test(control_pool, threads_that_hang_are_replaced)
{
	static const char *const user[] = {"a", "b", "c", "d", "e"};

	more_threads(2, 2);
	pthread_mutex_lock(&gates[0]);
	for (uint8_t i = 0; i < 3; i++)
		cr_assert_eq(submit_of(i + 1, user[i], 0, POOL_AUTH, 0, LONG_MS), 0);
	while (held < 3) { /* one thread from the beginning, two started since */
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	cr_assert_eq(submit_of(4, user[3], 4, POOL_AUTH, -1, POOL_SLOW_MS * 2), 0);
	run_until(1);
	cr_expect_eq(done_err, -ETIMEDOUT, "there are no more of them");
	pthread_mutex_unlock(&gates[0]);
	run_until(4);
	cr_assert_eq(submit_of(5, user[4], 5, POOL_AUTH, -1, LONG_MS), 0);
	run_until(5);
	cr_expect_eq(order[0], 5);
}

/* What computes is no reason to have more threads than there are cores. */
Test(control_pool, threads_that_work_are_waited_for)
{
	more_threads(2, 0);
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit_of(1, "a", 0, POOL_AUTH, 0, LONG_MS), 0);
	wait_held(1);
	cr_assert_eq(submit_of(2, "b", 1, POOL_AUTH, -1, POOL_SLOW_MS * 2), 0);
	run_until(1);
	cr_expect_eq(done_err, -ETIMEDOUT);
	pthread_mutex_unlock(&gates[0]);
	run_until(2);
}

/* The last one leaves its queue: the next one put there is found. */
Test(control_pool, a_queue_goes_on_behind_a_deadline)
{
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	wait_held(1);
	cr_assert_eq(submit(1, POOL_AUTH, -1, 20), 0);
	run_until(1);
	cr_assert_eq(submit(2, POOL_AUTH, -1, LONG_MS), 0);
	pthread_mutex_unlock(&gates[0]);
	run_until(3);
	cr_expect_eq(ran, 1);
	cr_expect_eq(order[0], 2);
}

Test(control_pool, cancelled_jobs_are_not_begun_and_answer_nobody)
{
	struct pool_job *running, *waiting;

	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	running = last;
	wait_held(1);
	cr_assert_eq(submit(1, POOL_AUTH, -1, LONG_MS), 0);
	waiting = last;
	pool_cancel(waiting);
	cr_expect_eq(live, 1);
	pool_cancel(running);
	cr_expect_eq(live, 1, "its thread has it");
	pthread_mutex_unlock(&gates[0]);
	while (live > 0)
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect_eq(ran, 0);
	cr_expect_eq(done_count, 0);
}

/* A thread that hangs (a disk) must not keep the process from ending. */
Test(control_pool, the_loop_ends_though_a_thread_hangs)
{
	pthread_mutex_lock(&gates[0]);
	cr_assert_eq(submit(0, POOL_AUTH, 0, LONG_MS), 0);
	wait_held(1);
	pool_close(pool);
	clock_close(ck);
	uv_run(&loop, UV_RUN_DEFAULT); /* returns */
	pthread_mutex_unlock(&gates[0]);
	/* The thread comes back: teardown() has a pool to close that closes. */
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_assert_eq(clock_new(&loop, ts, &ck), 0);
}

Test(control_pool, what_waits_at_the_end_is_freed)
{
	for (int i = 0; i < 4; i++)
		cr_assert_eq(submit(1, POOL_KEX, -1, LONG_MS), 0);
}

/* --- the signer --------------------------------------------------------------------------- */

static uint8_t got[KEY_SIG_MAX];
static size_t got_len;

static void signed_done(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	cr_expect_eq(caller->id, 42);
	done_count++;
	done_err = err;
	memcpy(got, sig, len);
	got_len = len;
}

Test(control_pool, only_exchange_hashes_are_signed)
{
	static const size_t bad[] = {0, 1, 19, 31, 33, 63, 65, 100};
	uint8_t data[128] = {1, 2, 3};
	struct signer_caller caller = {.id = 42};
	struct key *k = NULL, *other = NULL;
	struct signer *s = NULL;
	uint64_t by = clock_now_ms() + LONG_MS;

	cr_assert_eq(signer_new(pool, &s), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &k), 0);
	cr_assert_eq(key_generate("ssh-ed25519", 0, &other), 0);
	cr_assert_eq(signer_add(s, k), 0);
	cr_expect(!key_is_private(signer_public(s, 0)));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(signer_sign(s, signer_public(s, 0), "ssh-ed25519", data, bad[i], false,
					 by, &caller, signed_done),
			     -EPERM, "length %zu", bad[i]);
	cr_expect_eq(
		signer_sign(s, other, "ssh-ed25519", data, 32, false, by, &caller, signed_done),
		-ENOENT);
	cr_expect_eq(signer_sign(s, signer_public(s, 0), "rsa-sha2-256", data, 32, false, by,
				 &caller, signed_done),
		     -ENOENT);
	cr_assert_eq(signer_sign(s, signer_public(s, 0), "ssh-ed25519", data, 32, false, by,
				 &caller, signed_done),
		     0);
	run_until(1);
	cr_expect_eq(done_err, 0);
	cr_expect_eq(key_verify(signer_public(s, 0), "ssh-ed25519", got, got_len, data, 32), 0);
	/* And proofs, whose bytes nobody chooses. */
	cr_expect_eq(signer_prove(s, other, "ssh-ed25519", data, 32, by, &caller, signed_done),
		     -ENOENT);
	cr_expect_eq(signer_prove(s, signer_public(s, 0), "ssh-ed25519", data, 65, by, &caller,
				  signed_done),
		     -EPERM);
	cr_expect_eq(
		signer_prove(s, signer_public(s, 0), "ssh-rsa", data, 32, by, &caller, signed_done),
		-ENOENT);
	signer_free(s);
	key_free(other);
}

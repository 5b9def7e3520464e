#include "conf/match.h"
#include "control/audit/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "control/audit/sink.h"
#include "control/audit/strangers.h"
#include "control/count.h"
#include "control/log.h"
#include "crypto/secret.h"

#define SPEAK_LOOK_MS 1000
#define SPEAK_MAX     64  /* records about what was left out, at a time */
#define WAIT_MS       100 /* for a reader, before the thread looks whether it is to end */
#define SOCKET_BATCH  (64 * 1024)

/*
 * Positions count bytes from the first on: safe <= put <= safe + size. The thread alone moves safe,
 * the loop alone put; both under the lock. What lies between nobody writes to, so the thread reads
 * it without. Both are ends of records.
 */
struct spool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	char *ring;
	size_t size;
	uint64_t safe, put;
	int err;
	bool reopen, stop, ended, abandoned;
	struct sink sink; /* the thread's */
	uv_async_t *wake; /* NULL: the loop does not listen any more */
	char where[];
};

struct audit {
	struct spool *spool;
	uv_async_t *wake;
	uv_timer_t *speak;
	struct strangers *strangers; /* NULL: no limit */
	void (*safe)(void *arg);
	void *arg;
	uint64_t events; /* that are written, a set */
	bool refuse, losing;
	int said; /* the error that was logged */
	uint64_t boot, last_id;
	uint64_t records, lost, suppressed;
	uint64_t lost_now, lost_bytes; /* not said yet */
	struct audit_record record;
};

/* --- the thread ---------------------------------------------------------------------------------
 */

/* What is to be written next; the pieces of a ring. */
static int pieces(const struct spool *s, uint64_t from, uint64_t to, struct iovec iov[2])
{
	size_t at = from % s->size, n = (size_t)(to - from);
	size_t first = n < s->size - at ? n : s->size - at;

	iov[0] = (struct iovec){s->ring + at, first};
	iov[1] = (struct iovec){s->ring, n - first};
	return n > first ? 2 : 1;
}

static bool told_to_stop(struct spool *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->abandoned;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

static bool is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}

/* The end of the last whole record before at. */
static uint64_t record_end(const struct spool *s, uint64_t from, uint64_t at)
{
	while (at > from && s->ring[(at - 1) % s->size] != '\n')
		at--;
	return at;
}

static int batch_sync(struct spool *s)
{
	int r;

	do
		r = sink_sync(&s->sink, WAIT_MS);
	while (r == -EAGAIN && !told_to_stop(s));
	return r;
}

/* Writes [from, to); *ret is how far that is safe. 0 or -errno. */
static int batch_write(struct spool *s, uint64_t from, uint64_t to, uint64_t *ret)
{
	uint64_t at = from;
	int r = 0, sync;

	while (at < to && r == 0) {
		struct iovec iov[2];
		ssize_t n = sink_write(&s->sink, iov, pieces(s, at, to, iov), WAIT_MS);

		if (n > 0)
			at += (uint64_t)n;
		else if (n == 0 || (n != -EAGAIN && n != -EINTR) || told_to_stop(s))
			r = n < 0 ? (int)n : -EIO;
	}
	/* A disk that is full has what was written before it was. */
	if (r < 0 && !is_full(r))
		return r;
	sync = batch_sync(s);
	if (sync == 0)
		*ret = record_end(s, from, at);
	return r < 0 ? r : sync;
}

/* One try. Without the lock. */
static int try(struct spool *s, uint64_t from, uint64_t to, bool reopen, uint64_t *ret)
{
	int r = 0;

	*ret = from;
	if (reopen)
		sink_close(&s->sink);
	if (s->sink.fd < 0)
		r = sink_open(&s->sink);
	if (r == 0 && from < to)
		r = batch_write(s, from, to, ret);
	/* What is torn is ended when it is opened again. */
	if (r < 0)
		sink_close(&s->sink);
	return r;
}

static void wait_for_work(struct spool *s)
{
	struct timespec until;

	if (s->err == 0) {
		while (!s->stop && !s->reopen && s->put == s->safe)
			pthread_cond_wait(&s->work, &s->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += AUDIT_RETRY_MS * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000l;
	until.tv_nsec %= 1000000000l;
	while (!s->abandoned && !s->reopen &&
	       pthread_cond_timedwait(&s->work, &s->lock, &until) != ETIMEDOUT)
		;
}

static uint64_t batch_end(const struct spool *s)
{
	size_t max = s->sink.socket ? SOCKET_BATCH : AUDIT_BATCH_MAX;

	return s->put - s->safe <= max ? s->put : record_end(s, s->safe, s->safe + max);
}

static void *run(void *arg)
{
	struct spool *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->abandoned) {
		uint64_t to, safe;
		bool reopen;
		int r;

		wait_for_work(s);
		if (s->abandoned || (s->stop && s->put == s->safe))
			break;
		to = batch_end(s);
		reopen = s->reopen;
		s->reopen = false;
		pthread_mutex_unlock(&s->lock);
		r = try(s, s->safe, to, reopen, &safe);
		pthread_mutex_lock(&s->lock);
		s->err = r;
		s->safe = safe;
		if (s->wake != NULL)
			uv_async_send(s->wake);
	}
	s->ended = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- the spool ----------------------------------------------------------------------------------
 */

static void spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	sink_close(&s->sink);
	if (s->ring != NULL)
		munmap(s->ring, s->size);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int spool_new(const struct audit_conf *conf, struct spool **ret)
{
	struct spool *s = calloc(1, sizeof(*s) + strlen(conf->where) + 1);
	pthread_condattr_t attr;

	if (s == NULL)
		return -ENOMEM;
	strcpy(s->where, conf->where);
	s->sink = (struct sink){.where = s->where, .fd = -1};
	s->size = conf->spool > AUDIT_SPOOL_MIN ? conf->spool : AUDIT_SPOOL_MIN;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &attr);
	pthread_condattr_destroy(&attr);
	s->ring = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->ring == MAP_FAILED) {
		s->ring = NULL;
		spool_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

/* False: there is no room. */
static bool spool_put(struct spool *s, const char *line, size_t len, size_t room)
{
	struct iovec iov[2];
	bool fits;
	int n;

	pthread_mutex_lock(&s->lock);
	fits = s->size - (s->put - s->safe) >= room;
	if (fits) {
		n = pieces(s, s->put, s->put + len, iov);
		memcpy(iov[0].iov_base, line, iov[0].iov_len);
		if (n == 2)
			memcpy(iov[1].iov_base, line + iov[0].iov_len, iov[1].iov_len);
		s->put += len;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	return fits;
}

/* --- records ------------------------------------------------------------------------------------
 */

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct audit_when audit_now(void)
{
	return (struct audit_when){clock_us(CLOCK_REALTIME), clock_us(CLOCK_MONOTONIC)};
}

struct audit_record *audit_record(struct audit *a, enum audit_event e, const char *id)
{
	const struct audit_when when = audit_now();
	char own[AUDIT_ID_MAX];

	snprintf(own, sizeof(own), "%016" PRIx64 "-%" PRIu64, a->boot, a->last_id);
	if (id == NULL)
		a->last_id++;
	audit_begin(&a->record, e, id != NULL ? id : own, &when);
	return &a->record;
}

static void take(struct audit *a, struct audit_record *r)
{
	/* Once records are lost the next ones are, too, until there is room again: one gap. */
	if (!a->losing && spool_put(a->spool, r->line, r->len, r->len)) {
		a->records++;
		return;
	}
	a->losing = true;
	a->lost++;
	a->lost_now++;
	a->lost_bytes += r->len;
	control_count(CONTROL_C_AUDIT_LOST);
}

/* What was lost is said in its place, as soon as a quarter of the spool is free. */
static void close_gap(struct audit *a)
{
	const struct audit_when when = audit_now();
	struct audit_record r;
	char id[AUDIT_ID_MAX];

	if (!a->losing)
		return;
	snprintf(id, sizeof(id), "%016" PRIx64 "-%" PRIu64, a->boot, a->last_id);
	audit_begin(&r, AUDIT_GAP, id, &when);
	audit_num(&r, AUDIT_F_N, a->lost_now);
	audit_num(&r, AUDIT_F_BYTES, a->lost_bytes);
	audit_end(&r);
	if (!spool_put(a->spool, r.line, r.len, a->spool->size / 4))
		return;
	a->last_id++;
	a->records++;
	a->losing = false;
	a->lost_now = a->lost_bytes = 0;
}

void audit_choose(struct audit *a, const char *events)
{
	const char *name;

	a->events = 0;
	for (unsigned int i = 0; (name = audit_event_name_at(i)) != NULL; i++)
		if (strncmp(name, "log.", 4) == 0 || match_list(name, events, false) == MATCH_YES)
			a->events |= UINT64_C(1) << i;
}

bool audit_wants(const struct audit *a, enum audit_event e)
{
	return (a->events >> e & 1) != 0;
}

void audit_put(struct audit *a, struct audit_record *r)
{
	if (!audit_wants(a, r->event))
		return;
	audit_end(r);
	close_gap(a);
	take(a, r);
}

static uint64_t mono_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

bool audit_put_for(struct audit *a, struct audit_record *r, const struct source *from, size_t more)
{
	const size_t len = (audit_wants(a, r->event) ? r->len : 0) + more;

	if (len > 0 && a->strangers != NULL && !strangers_may(a->strangers, from, len, mono_ms())) {
		a->suppressed++;
		control_count(CONTROL_C_AUDIT_SUPPRESSED);
		return false;
	}
	audit_put(a, r);
	return true;
}

static void speak(struct audit *a, bool all)
{
	struct strangers_said said;
	char text[SOURCE_TEXT_MAX];

	for (unsigned int i = 0; a->strangers != NULL && (all || i < SPEAK_MAX); i++) {
		struct audit_record *r;

		if (!strangers_say(a->strangers, mono_ms(), all, &said))
			break;
		r = audit_record(a, AUDIT_SUPPRESSED, NULL);
		if (said.from.family != 0)
			audit_text(r, AUDIT_F_FROM, source_text(&said.from, text));
		audit_num(r, AUDIT_F_N, said.n);
		audit_num(r, AUDIT_F_BYTES, said.bytes);
		audit_put(a, r);
	}
}

static void on_speak(uv_timer_t *t)
{
	speak(t->data, false);
}

/* --- what became of them ------------------------------------------------------------------------
 */

uint64_t audit_at(const struct audit *a)
{
	return a->spool->put; /* nobody else changes it */
}

uint64_t audit_safe(const struct audit *a)
{
	uint64_t safe;

	pthread_mutex_lock(&a->spool->lock);
	safe = a->spool->safe;
	pthread_mutex_unlock(&a->spool->lock);
	return safe;
}

struct audit_status audit_status(struct audit *a)
{
	struct spool *s = a->spool;
	struct audit_status ret = {.size = s->size,
				   .records = a->records,
				   .lost = a->lost,
				   .suppressed = a->suppressed};

	pthread_mutex_lock(&s->lock);
	ret.err = s->err;
	ret.used = s->put - s->safe;
	pthread_mutex_unlock(&s->lock);
	return ret;
}

bool audit_refuses(struct audit *a)
{
	struct audit_status now;

	if (!a->refuse)
		return false;
	now = audit_status(a);
	/* What is open has the other half for its ends. */
	return a->losing || now.err < 0 || now.used > now.size / 2;
}

/* Logged when it begins, when it is another, and when it is over. */
static void say_error(struct audit *a, int err)
{
	if (err == a->said)
		return;
	a->said = err;
	if (err == 0)
		log_line(LOG_L_INFO, "AuditLog %s is written again", a->spool->where);
	else
		log_line(LOG_L_ERROR, "AuditLog %s cannot be written: %s%s", a->spool->where,
			 strerror(-err),
			 a->refuse ? "; nothing new is begun until it can: AuditFailure" : "");
}

static void on_wake(uv_async_t *wake)
{
	struct audit *a = wake->data;

	say_error(a, audit_status(a).err);
	close_gap(a);
	if (a->safe != NULL)
		a->safe(a->arg);
}

/* --- life ---------------------------------------------------------------------------------------
 */

void audit_watch(struct audit *a, void (*safe)(void *arg), void *arg)
{
	a->safe = safe;
	a->arg = arg;
}

void audit_reopen(struct audit *a)
{
	struct spool *s = a->spool;

	pthread_mutex_lock(&s->lock);
	s->reopen = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static int handles_new(uv_loop_t *loop, struct audit *a)
{
	a->wake = calloc(1, sizeof(*a->wake));
	a->speak = calloc(1, sizeof(*a->speak));
	if (a->wake == NULL || a->speak == NULL) {
		free(a->wake);
		free(a->speak);
		return -ENOMEM;
	}
	uv_async_init(loop, a->wake, on_wake);
	uv_timer_init(loop, a->speak);
	a->wake->data = a->speak->data = a;
	return uv_timer_start(a->speak, on_speak, SPEAK_LOOK_MS, SPEAK_LOOK_MS);
}

/* Signals are the loop's. */
static int thread_new(struct spool *s)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int audit_new(uv_loop_t *loop, const struct audit_conf *conf, struct audit **ret)
{
	struct audit *a = calloc(1, sizeof(*a));
	struct audit_record *r;
	int err;

	if (a == NULL)
		return -ENOMEM;
	a->refuse = conf->refuse;
	audit_choose(a, "*");
	err = crypto_random(&a->boot, sizeof(a->boot));
	if (err == 0 && conf->rate > 0)
		err = strangers_new(conf->rate, &a->strangers);
	if (err == 0)
		err = spool_new(conf, &a->spool);
	if (err == 0)
		err = handles_new(loop, a);
	if (err == 0) {
		a->spool->wake = a->wake;
		err = thread_new(a->spool);
		if (err < 0) {
			uv_close((uv_handle_t *)a->wake, on_closed);
			uv_close((uv_handle_t *)a->speak, on_closed);
		}
	}
	if (err < 0) {
		spool_free(a->spool);
		strangers_free(a->strangers);
		free(a);
		return err;
	}
	r = audit_record(a, AUDIT_START, NULL);
	audit_text(r, AUDIT_F_VERSION, conf->who);
	audit_put(a, r);
	*ret = a;
	return 0;
}

/* True: the thread has ended; else it hangs where it writes, and ends with the process. */
static bool thread_end(struct spool *s, unsigned int wait_ms)
{
	struct timespec until;
	bool ended;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000l;
	until.tv_nsec %= 1000000000l;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->work);
	while (!s->ended && pthread_cond_timedwait(&s->work, &s->lock, &until) == 0)
		;
	s->abandoned = true;
	s->wake = NULL;
	pthread_cond_broadcast(&s->work);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 1; /* it looks every WAIT_MS, if it can look at all */
	while (!s->ended && pthread_cond_timedwait(&s->work, &s->lock, &until) == 0)
		;
	ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	if (ended)
		pthread_join(s->thread, NULL);
	else
		pthread_detach(s->thread);
	return ended;
}

void audit_finish(struct audit *a, unsigned int wait_ms)
{
	uint64_t left;

	if (a == NULL)
		return;
	speak(a, true);
	audit_put(a, audit_record(a, AUDIT_STOP, NULL));
	uv_close((uv_handle_t *)a->wake, on_closed);
	uv_close((uv_handle_t *)a->speak, on_closed);
	if (thread_end(a->spool, wait_ms)) {
		left = a->spool->put - a->spool->safe;
		spool_free(a->spool);
	} else {
		left = a->spool->put - audit_safe(a);
	}
	if (left > 0)
		log_line(LOG_L_ERROR, "%" PRIu64 " bytes of the audit log were not written", left);
	strangers_free(a->strangers);
	free(a);
}

/*
 * control/session/lapse.c - EndExpiredSessions, and of EndRevokedSessions keys: who came in by
 * something that is over goes.
 *
 * What a login lasts for is known when it is done: the earliest end of its keys' lines,
 * certificates, and of the account. A timer stands on it, looked at again after LAPSE_STEP_MS, so
 * that a clock that is set is noticed. Keys are kept, RevokedKeys or not: it may come, or be
 * another one, while somebody is in (review.c). Each such file is looked at every LAPSE_LOOK_MS,
 * read where files are when it has changed, and then those it holds for are gone through, for
 * CLOCK_TURN_US in a turn of the loop. Nothing is kept of those who have nothing to lose.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/auth/usercert.h"
#include "control/clock.h"
#include "control/count.h"
#include "control/session/internal.h"
#include "crypto/krl.h"
#include "ssh/wire.h"

#define LAPSE_STEP_MS 600000
#define LAPSE_LOOK_MS 250
#define LAPSE_LATE_MS 30000 /* a file may take so long */

/* What one connection came in by. */
struct lapse {
	struct lapse *next, **at; /* of its file */
	struct lapse_file *file;  /* NULL: no list of revoked keys holds for it */
	struct session *session;
	struct timer timer;
	uint64_t expires; /* seconds since 1970; UINT64_MAX: never */
	uint32_t len;
	uint8_t keys[]; /* blobs, each a string of RFC 4251 */
};

/* What tells one state of a file from another. */
struct file_state {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

/* A value of RevokedKeys, and whom it holds for. */
struct lapse_file {
	struct lapse_file *next;
	struct lapses *of;
	struct lapse *first, **last;
	struct lapse *cursor; /* the next that the list is put to */
	struct krl *krl;      /* NULL: not read yet, or it cannot be */
	struct file_state state;
	bool looking, failed;
	char path[];
};

struct lapses {
	struct session_env *env;
	struct timer look, walk;
	struct lapse_file *files;
};

/* --- one connection ----------------------------------------------------------------------- */

static void out(struct session *s, int err)
{
	control_count(CONTROL_C_LAPSED);
	session_dismiss(s, err);
}

static void arm(struct lapse *l)
{
	struct session_env *env = l->session->table->env;
	uint64_t now = session_wall(env), step = LAPSE_STEP_MS;

	if (l->expires == UINT64_MAX)
		return;
	if (now >= l->expires)
		step = 0;
	else if (l->expires - now < LAPSE_STEP_MS / 1000)
		step = (l->expires - now) * 1000;
	/* It is armed already, or it is refused: it cannot fail where it moves. */
	if (timer_set(env->timers, &l->timer, env->now_ms() + step) < 0)
		out(l->session, -SSH_E_MEMORY);
}

static void on_timer(struct timer *t)
{
	struct lapse *l = (struct lapse *)(void *)((char *)t - offsetof(struct lapse, timer));
	struct session *s = l->session;

	if (session_wall(s->table->env) < l->expires) {
		arm(l);
		return;
	}
	out(s, -SSH_E_EXPIRED);
}

/* Is one of its keys in the list? What cannot be told is left as it was when it came in. */
bool lapse_revoked(const struct lapse *l, const struct krl *krl)
{
	struct ssh_rd r;

	ssh_rd_init(&r, l->keys, l->len);
	while (!ssh_rd_done(&r)) {
		struct ssh_str blob = ssh_rd_str(&r);
		struct key *k = NULL;
		int err = 0;

		if (r.bad)
			break;
		if (key_blob_parse_any(blob.p, blob.len, &k) == 0)
			err = krl_check(krl, k);
		key_free(k);
		if (err == -EKEYREVOKED)
			return true;
	}
	return false;
}

static void put_to(struct lapse *l)
{
	if (!l->session->ended && lapse_revoked(l, l->file->krl))
		out(l->session, -SSH_E_REVOKED);
}

/* Of a file that holds for nobody nothing is known: it is not looked at any more. */
static void file_leave(struct lapse *l)
{
	struct lapse_file *f = l->file;

	if (f == NULL)
		return;
	if (f->cursor == l)
		f->cursor = l->next;
	*l->at = l->next;
	if (l->next != NULL)
		l->next->at = l->at;
	else
		f->last = l->at;
	l->file = NULL;
	l->next = NULL;
	if (f->first != NULL)
		return;
	krl_free(f->krl);
	f->krl = NULL;
	f->state = (struct file_state){0};
}

void lapse_end(struct lapse *l, struct timers *timers)
{
	if (l == NULL)
		return;
	timer_cancel(timers, &l->timer);
	file_leave(l);
	free(l);
}

/* --- files ---------------------------------------------------------------------------------- */

struct look_job {
	struct pool_job job;
	struct session_env *env;
	bool strict, changed; /* changed: or it was never looked at */
	struct file_state state;
	struct krl *krl;
	char why[256];
	char path[];
};

static struct look_job *look_of(struct pool_job *job)
{
	return (struct look_job *)(void *)job; /* its first member */
}

static void look_run(struct pool_job *job)
{
	struct look_job *j = look_of(job);
	struct file_state s = {0};
	struct stat st;

	if (stat(j->path, &st) == 0)
		s = (struct file_state){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
	j->changed |= s.dev != j->state.dev || s.ino != j->state.ino || s.size != j->state.size ||
		     s.mtime.tv_sec != j->state.mtime.tv_sec ||
		     s.mtime.tv_nsec != j->state.mtime.tv_nsec ||
		     s.ctime.tv_sec != j->state.ctime.tv_sec ||
		     s.ctime.tv_nsec != j->state.ctime.tv_nsec;
	j->state = s;
	if (j->changed &&
	    keytrust_revoked_read(j->path, j->strict, &j->krl, j->why, sizeof(j->why)) < 0)
		j->krl = NULL;
}

static void look_free(struct pool_job *job)
{
	krl_free(look_of(job)->krl);
	free(job);
}

static struct lapse_file *file_find(struct lapses *ls, const char *path)
{
	struct lapse_file *f = ls != NULL ? ls->files : NULL;

	while (f != NULL && strcmp(f->path, path) != 0)
		f = f->next;
	return f;
}

static void look_done(struct pool_job *job, int err)
{
	struct look_job *j = look_of(job);
	struct lapse_file *f = file_find(j->env->lapses, j->path);

	if (f == NULL)
		return; /* nobody is left */
	f->looking = false;
	if (err < 0 || !j->changed || f->first == NULL)
		return;
	if (j->krl == NULL && !f->failed)
		log_line(LOG_L_ERROR, "RevokedKeys: %s: who is in stays in", j->why);
	f->failed = j->krl == NULL;
	if (f->failed)
		return;
	f->state = j->state;
	krl_free(f->krl);
	f->krl = j->krl;
	j->krl = NULL; /* handed over */
	f->cursor = f->first;
	if (timer_set(j->env->timers, &f->of->walk, j->env->now_ms()) < 0)
		f->state = (struct file_state){0}; /* again, the next time */
}

static void file_look(struct lapse_file *f)
{
	struct session_env *env = f->of->env;
	struct look_job *j = calloc(1, sizeof(*j) + strlen(f->path) + 1);

	if (j == NULL)
		return; /* the next time */
	j->job = (struct pool_job){.run = look_run, .done = look_done, .free = look_free};
	j->env = env;
	j->strict = conf_global(env->conf)->strict_modes;
	j->changed = f->krl == NULL && !f->failed;
	j->state = f->state;
	strcpy(j->path, f->path);
	f->looking =
		pool_submit(env->files, &j->job, POOL_AUTH, env->now_ms() + LAPSE_LATE_MS) == 0;
	if (!f->looking)
		look_free(&j->job);
}

static struct lapses *lapses_of(struct timer *t, size_t at)
{
	return (struct lapses *)(void *)((char *)t - at);
}

static void on_look(struct timer *t)
{
	struct lapses *ls = lapses_of(t, offsetof(struct lapses, look));
	bool wanted = false;

	for (struct lapse_file *f = ls->files; f != NULL; f = f->next) {
		wanted |= f->first != NULL;
		if (f->first != NULL && !f->looking)
			file_look(f);
	}
	if (wanted) /* there was room for it a moment ago */
		(void)!timer_set(ls->env->timers, t, ls->env->now_ms() + LAPSE_LOOK_MS);
}

static void on_walk(struct timer *t)
{
	struct lapses *ls = lapses_of(t, offsetof(struct lapses, walk));
	uint64_t turn = clock_turn();
	bool over = false;

	for (struct lapse_file *f = ls->files; f != NULL && !over; f = f->next) {
		while (f->cursor != NULL && !over) {
			struct lapse *l = f->cursor;

			f->cursor = l->next;
			put_to(l);
			over = clock_turn_over(turn);
		}
	}
	if (over) /* there was room for it a moment ago */
		(void)!timer_set(ls->env->timers, t, ls->env->now_ms());
}

static struct lapse_file *file_get(struct session_env *env, const char *path)
{
	struct lapse_file *f = file_find(env->lapses, path);

	if (f != NULL)
		return f;
	if (env->lapses == NULL) {
		env->lapses = calloc(1, sizeof(*env->lapses));
		if (env->lapses == NULL)
			return NULL;
		env->lapses->env = env;
		env->lapses->look.fire = on_look;
		env->lapses->walk.fire = on_walk;
	}
	f = calloc(1, sizeof(*f) + strlen(path) + 1);
	if (f == NULL)
		return NULL;
	strcpy(f->path, path);
	f->of = env->lapses;
	f->last = &f->first;
	f->next = env->lapses->files;
	env->lapses->files = f;
	return f;
}

void lapses_free(struct session_env *env)
{
	struct lapses *ls = env->lapses;

	if (ls == NULL)
		return;
	while (ls->files != NULL) {
		struct lapse_file *f = ls->files;

		ls->files = f->next;
		krl_free(f->krl);
		free(f);
	}
	timer_cancel(env->timers, &ls->look);
	timer_cancel(env->timers, &ls->walk);
	free(ls);
	env->lapses = NULL;
}

/* --- a login is done ---------------------------------------------------------------------------
 */

/* Behind the others: a walk under way gets to it. */
static int file_join(struct lapse *l, const char *path)
{
	struct session_env *env = l->session->table->env;
	struct lapse_file *f = file_get(env, path);

	if (f == NULL)
		return -ENOMEM;
	if (!timer_armed(&f->of->look) && timer_set(env->timers, &f->of->look, env->now_ms()) < 0)
		return -ENOMEM;
	l->file = f;
	l->at = f->last;
	*f->last = l;
	f->last = &l->next;
	return 0;
}

bool lapse_keeps_keys(const struct conf_session *c)
{
	return c->end_revoked_sessions || c->end_expired_sessions;
}

/* The list that holds for it; NULL: none. */
static const char *list_for(const struct lapse *l, const struct conf_session *c)
{
	return l->len > 0 && lapse_keeps_keys(c) ? c->revoked_keys : NULL;
}

int lapse_resume(struct session *s, const struct conf_session *c, uint64_t expires,
		 struct ssh_str keys, struct lapse **ret)
{
	const char *list;
	struct lapse *l;

	*ret = NULL;
	if (!c->end_expired_sessions)
		expires = UINT64_MAX;
	if (expires == UINT64_MAX && keys.len == 0)
		return 0;
	l = calloc(1, sizeof(*l) + keys.len);
	if (l == NULL)
		return -ENOMEM;
	l->session = s;
	l->expires = expires;
	l->timer.fire = on_timer;
	l->len = keys.len;
	if (keys.len > 0)
		memcpy(l->keys, keys.p, keys.len);
	list = list_for(l, c);
	if (list != NULL && file_join(l, list) < 0) {
		free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

/* It came while a list was known already: the walks of before did not get to it. */
static void put_to_known(struct lapse *l)
{
	if (l->file != NULL && l->file->krl != NULL)
		put_to(l);
}

void lapse_go(struct lapse *l)
{
	if (l == NULL)
		return;
	arm(l);
	put_to_known(l);
}

static bool moves(const struct lapse *l, const struct conf_session *c)
{
	const char *list = list_for(l, c), *was = l->file != NULL ? l->file->path : NULL;

	return list != was && (list == NULL || was == NULL || strcmp(list, was) != 0);
}

bool lapse_joins(const struct lapse *l, const struct conf_session *c)
{
	return l != NULL && list_for(l, c) != NULL && moves(l, c);
}

void lapse_follow(struct lapse *l, const struct conf_session *c)
{
	const char *list;

	if (l == NULL || !moves(l, c))
		return;
	list = list_for(l, c);
	file_leave(l);
	if (list != NULL && file_join(l, list) < 0)
		log_line(LOG_L_ERROR, "RevokedKeys %s: no memory to watch it for who is in", list);
	put_to_known(l);
}

int lapse_begin(struct session *s)
{
	const struct earned *e = &s->awake->earned;
	struct lapse *l;
	int r = lapse_resume(s, &s->awake->conf, e->expires,
			     (struct ssh_str){e->blobs, (uint32_t)e->blobs_len}, &l);

	if (r < 0 || l == NULL)
		return r;
	s->awake->lapse = l;
	lapse_go(l);
	return 0;
}

bool lapse_listed(const struct lapse *l)
{
	return l != NULL && l->file != NULL;
}

uint64_t lapse_expires(const struct lapse *l)
{
	return l != NULL ? l->expires : UINT64_MAX;
}

struct ssh_str lapse_keys(const struct lapse *l)
{
	return l != NULL ? (struct ssh_str){l->keys, l->len} : ssh_str_c("");
}

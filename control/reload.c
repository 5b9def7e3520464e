#include "control/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/audit/audit.h"
#include "control/auth/account.h"
#include "control/count.h"
#include "control/helper/client.h"
#include "control/hook/hook.h"
#include "control/log.h"
#include "control/log_syslog.h"
#include "control/session/review.h"
#include "control/setup.h"

#define NAMES_MAX 900 /* of keywords in one line of the log */

/* What is read and made of it on another thread; then looked at on the loop's. */
struct reload_job {
	struct pool_job job;
	struct reload *of; /* NULL: nobody waits for it */
	int err;
	bool dry;     /* only what differs is wanted */
	char *errors; /* lines; NULL: err alone */
	struct conf *conf;
	struct moduli *moduli;
	int moduli_err;
	char *kex;
	struct revoked_lists *lists; /* with dry */
	char path[];
};

static struct reload_job *reload_of(struct pool_job *job)
{
	return (struct reload_job *)(void *)job; /* its first member */
}

static void reload_run(struct pool_job *job)
{
	struct reload_job *j = reload_of(job);
	const char *moduli = NULL;

	j->err = setup_conf_read(j->path, NULL, &j->conf, &j->errors);
	if (j->err == 0)
		moduli = setup_moduli_path(j->conf);
	if (moduli != NULL)
		j->moduli_err = moduli_read(moduli, &j->moduli);
	if (j->err == 0 && j->dry)
		j->lists = revoked_lists_read(j->conf);
}

static void reload_free(struct pool_job *job)
{
	struct reload_job *j = reload_of(job);

	conf_put(j->conf);
	moduli_free(j->moduli);
	free(j->kex);
	revoked_lists_free(j->lists);
	free(j->errors);
	free(j);
}

/* --- what is said of it --------------------------------------------------------------------- */

/* Keywords that differ, by when they are in force. */
struct names {
	char of[CONF_WHEN_DATAPLANE + 1][NAMES_MAX];
};

static void differs(void *arg, const struct conf_keyword_info *kw)
{
	char *names = ((struct names *)arg)->of[conf_keyword_when(kw)];
	size_t len = strlen(names);

	snprintf(names + len, NAMES_MAX - len, "%s%s", len > 0 ? ", " : "", kw->name);
}

static void say(const struct conf *was, const struct conf *is)
{
	static const char *const program[] = {
		[CONF_WHEN_SIGNER] = "sluice-signer -r",
		[CONF_WHEN_CONTROL] = "sluice-control",
		[CONF_WHEN_DATAPLANE] = "sluice-dataplane, and then sluice-control",
	};
	struct names *n = calloc(1, sizeof(*n));

	if (n == NULL || conf_diff(was, is, differs, n) < 0) {
		free(n);
		log_line(LOG_L_INFO, "the configuration was read again");
		return;
	}
	log_line(LOG_L_INFO, "the configuration was read again: %s%s",
		 n->of[CONF_WHEN_NEXT][0] != '\0' ? "from now on others: " : "nothing new",
		 n->of[CONF_WHEN_NEXT]);
	for (enum conf_when w = CONF_WHEN_SIGNER; w <= CONF_WHEN_DATAPLANE; w++)
		if (n->of[w][0] != '\0')
			log_line(LOG_L_ERROR, "not in force before a start of %s: %s", program[w],
				 n->of[w]);
	free(n);
}

void reload_log_level(struct conf *conf, unsigned int debug)
{
	struct conf_session s = {0};

	if (conf_session_for(conf, NULL, &s) == 0) {
		log_threshold_set((enum log_level)s.log_level);
		log_verbose_set(&s.log_verbose);
	}
	conf_session_fini(&s);
	if (debug > 0)
		log_threshold_set(LOG_L_DEBUG1 + (debug > 3 ? 3 : debug) - 1);
}

void reload_say_masked(const struct conf *conf)
{
	if (!conf_global(conf)->log_mask_secrets)
		log_line(LOG_L_ERROR, "LogMaskSecrets no: secrets are masked in any case");
}

/* --- in force --------------------------------------------------------------------------------- */

static void swap_in(struct reload *r, struct reload_job *j, const char *ident)
{
	struct session_env *env = r->env;
	struct conf *was = env->conf;
	struct moduli *moduli = env->moduli;
	char *kex = env->kex;

	inside_go_by(env, j->conf);
	env->moduli = j->moduli;
	env->kex = j->kex;
	snprintf(r->ident, r->ident_size, "%s", ident);
	/* What is given back with the job is what it takes the place of. */
	j->conf = was;
	j->moduli = moduli;
	j->kex = kex;
	/* What shards may repeat was said by rules that may be others now. */
	session_tables_revoke(env);
	session_tables_limit(env);
	reload_log_level(env->conf, r->debug);
	if (r->log != NULL)
		log_where(env->conf, r->log, "sluice-control", r->to_stderr);
	reload_say_masked(env->conf);
	if (env->audit != NULL)
		audit_choose(env->audit, conf_global(env->conf)->audit_events);
	accounts_forget();
	review_begin(env);
	if (env->helper != NULL)
		helper_read_again(env->helper);
	if (env->hooks != NULL)
		hooks_renew(env->hooks);
}

static int take(struct reload *r, struct reload_job *j)
{
	char ident[512];
	int err = setup_ident(j->conf, ident, sizeof(ident));

	if (err == 0)
		err = setup_kex_list(j->conf, &j->kex);
	if (err < 0)
		return err;
	if (j->moduli_err < 0)
		log_line(LOG_L_ERROR, "ModuliFile %s: %s; groups are those of RFC 3526",
			 setup_moduli_path(j->conf), strerror(-j->moduli_err));
	say(r->env->conf, j->conf);
	conf_inherit(j->conf, r->base);
	err = door_renew(r->env, conf_global(j->conf));
	if (err == 0)
		swap_in(r, j, ident);
	return err;
}

static void failed(struct reload *r, const struct reload_job *j, int err)
{
	control_count(CONTROL_C_RELOAD_FAILED);
	if (err != -ETIMEDOUT && j->errors != NULL)
		log_lines(LOG_L_ERROR, j->errors);
	log_line(LOG_L_ERROR, "%s cannot be read again: %s; the configuration stays as it was",
		 r->path, strerror(-err));
}

static void wish_over(struct reload *r, int err, const char *errors)
{
	struct reload_wish *w = r->wish;

	r->wish = NULL;
	if (w == NULL)
		return;
	w->of = NULL;
	w->over(w, err, errors);
}

static void reload_done(struct pool_job *job, int err)
{
	struct reload_job *j = reload_of(job);
	struct reload *r = j->of;

	r->job = NULL;
	if (err == 0)
		err = j->err;
	if (err == 0 && r->wish != NULL)
		r->wish->judged(r->wish, r->env->conf, j->conf, &j->lists);
	if (err == 0 && !j->dry)
		err = take(r, j);
	/* What there was no memory for is seen to when it is asked for again. */
	if (err < 0 && !j->dry)
		failed(r, j, err);
	else if (!j->dry)
		control_count(CONTROL_C_RELOADED);
	wish_over(r, err, err != -ETIMEDOUT ? j->errors : NULL);
	if (r->again)
		reload_begin(r);
	else if (r->manager != NULL && !j->dry)
		notify_ready(r->manager, "serving");
}

void reload_init(struct reload *r)
{
	r->base = conf_get(r->env->conf);
	r->job = NULL;
	r->wish = NULL;
	r->again = false;
}

static int begin(struct reload *r, bool dry)
{
	struct session_env *env = r->env;
	struct reload_job *j = calloc(1, sizeof(*j) + strlen(r->path) + 1);
	int err;

	if (j == NULL)
		return -ENOMEM;
	j->job = (struct pool_job){.run = reload_run, .done = reload_done, .free = reload_free};
	j->of = r;
	j->dry = dry;
	strcpy(j->path, r->path);
	err = pool_submit(env->files, &j->job, POOL_REKEY, env->now_ms() + RELOAD_MS);
	if (err < 0) {
		free(j);
		return err;
	}
	r->job = j;
	if (r->manager != NULL && !dry)
		notify_reloading(r->manager);
	return 0;
}

void reload_begin(struct reload *r)
{
	int err;

	r->again = r->job != NULL;
	if (r->again)
		return;
	err = begin(r, false);
	if (err < 0)
		log_line(LOG_L_ERROR, "%s cannot be read again: %s", r->path, strerror(-err));
}

int reload_ask(struct reload *r, struct reload_wish *w)
{
	int err = r->job == NULL ? begin(r, w->dry) : -EBUSY;

	if (err < 0)
		return err;
	r->wish = w;
	w->of = r;
	return 0;
}

void reload_unask(struct reload_wish *w)
{
	if (w->of != NULL)
		w->of->wish = NULL;
	w->of = NULL;
}

void reload_fini(struct reload *r)
{
	if (r->job != NULL)
		pool_cancel(&r->job->job);
	r->job = NULL;
	wish_over(r, -ECANCELED, NULL);
	conf_put(r->base);
	r->base = NULL;
}

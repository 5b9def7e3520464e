/* dataplane/main.c - sluice-dataplane: configuration, ports, then a shard's loop on each lcore. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_launch.h>

#include "conf/conf.h"
#include "conf/notify.h"
#include "crypto/fips.h"
#include "crypto/secret.h"
#include "dataplane/eal.h"
#include "dataplane/linkhub.h"
#include "dataplane/log.h"
#include "dataplane/privs.h"
#include "dataplane/shard.h"
#include "dataplane/team.h"
#include "dataplane/watchdog.h"
#include "ssh/kexinit.h"

/* To part with connections after DrainTime, and to give all back. */
#define STOP_US 10000000
/* A control that takes nothing has ControlWait, and this at least. */
#define PATIENCE_MIN_US 1000000
#define RUN_DIR_DEFAULT "/run/sluice"

/* stop 1: who is in may finish; 2: at once. */
static volatile sig_atomic_t stop, report;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		report++;
	else if (stop < 2)
		stop++;
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static int usage(FILE *f)
{
	fprintf(f, "usage: sluice-dataplane [-htTV] [-f config_file]\n");
	return f == stdout ? 0 : 1;
}

struct options {
	const char *file;
	bool check, dump;
};

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){.file = CONF_PATH_DEFAULT};
	while ((c = getopt(argc, argv, "f:htTV")) != -1) {
		switch (c) {
		case 'f':
			o->file = optarg;
			break;
		case 't':
			o->check = true;
			break;
		case 'T':
			o->dump = true;
			break;
		case 'V':
			printf("sluice-dataplane %s\n", SLUICE_VERSION);
			return 0;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	return optind == argc ? -1 : usage(stderr);
}

/* Of the algorithms, which are control's, it matters here whether there are old ciphers. */
static int load(const char *file, struct conf **ret)
{
	char *errors = NULL, all[1024];
	const struct conf_algs algs = {.ciphers = {.dflt = SSH_DEFAULT_CIPHERS, .all = all}};
	int r;

	ssh_names_join(cipher_name_at, all, sizeof(all));
	r = conf_load(file, &algs, ret, &errors);

	if (r < 0)
		fprintf(stderr, "%s", errors != NULL ? errors : "out of memory\n");
	free(errors);
	return r;
}

/* With FIPSMode, before anything is computed and there are threads. */
static int start_fips(const struct conf *conf)
{
	char why[FIPS_WHY_MAX];
	int r = conf_global(conf)->fips_mode ? fips_begin(why) : 0;

	if (r < 0)
		fprintf(stderr, "sluice-dataplane: FIPSMode: %s\n", why);
	return r;
}

static bool needs_provider(struct ssh_str ciphers)
{
	char name[SSH_NAME_MAX + 1];
	struct ssh_str one;

	while (ssh_names_next(&ciphers, &one)) {
		snprintf(name, sizeof(name), "%.*s", (int)one.len, (const char *)one.p);
		if (cipher_needs_provider(name))
			return true;
	}
	return false;
}

/*
 * The folder of sockets, and after privileges are given up still ours: one that is root's alone
 * is handed on, one that others can write (a mistaken /tmp) is not.
 */
static int make_run_dir(const char *dir, const struct privs *privs)
{
	struct stat st;

	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return -errno;
	if (!privs->change)
		return 0;
	if (lstat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return 0;
	return chown(dir, privs->uid, privs->gid) < 0 ? -errno : 0;
}

/* What is made on the way up, in this order, and unmade by down() in reverse. */
struct dataplane {
	const struct conf_dataplane *conf;
	const struct conf_listen *listens;
	size_t n_listens;
	uint16_t *listen_ports; /* of each */
	uint32_t listen_backlog;
	bool listen_exclusive;
	bool legacy_ciphers;
	const char *run_dir;
	struct privs privs;
	uint64_t start_id;
	struct linkhub *link;
	struct eal_args eal;
	bool eal_up;
	struct team *team; /* of more than one */
	struct shard *shard[CONF_LCORES_MAX];
	const uint64_t *turns[CONF_LCORES_MAX]; /* of each shard */
	unsigned int ended;                     /* shards */
	uint32_t retry_after_s;
	struct notify manager;
	struct watchdog *watchdog;
};

/* The socket first: while another dataplane lives in this folder its ports are not touched. */
static int up_link(struct dataplane *d, char *err, size_t err_size)
{
	char path[256];
	struct linkhub_conf lc = {.path = path,
				  .shards = d->conf->lcores.n,
				  .name = d->conf->name,
				  .patience_us = (uint64_t)d->conf->control_wait_ms * 1000};
	int r = make_run_dir(d->run_dir, &d->privs);

	if (r < 0) {
		snprintf(err, err_size, "%s: %s", d->run_dir, strerror(-r));
		return r;
	}
	r = crypto_random(&d->start_id, sizeof(d->start_id));
	if (r < 0) {
		snprintf(err, err_size, "no random numbers: %s", strerror(-r));
		return r;
	}
	snprintf(path, sizeof(path), "%s/link.sock", d->run_dir);
	lc.start_id = d->start_id;
	if (lc.patience_us < PATIENCE_MIN_US)
		lc.patience_us = PATIENCE_MIN_US;
	r = linkhub_new(&lc, &d->link);
	if (r == 0 && d->privs.change)
		r = linkhub_chown(d->link, d->privs.uid, d->privs.gid);
	if (r == -EADDRINUSE)
		snprintf(err, err_size, "%s: another dataplane is running", path);
	else if (r < 0)
		snprintf(err, err_size, "%s: %s", path, strerror(-r));
	return r;
}

/* Of the first shard, when it is to end. */
static void tell_stopping(void *arg)
{
	struct dataplane *d = arg;

	notify_stopping(&d->manager);
	notify_extend(&d->manager, (uint64_t)d->conf->drain_ms * 1000 + STOP_US);
}

static int up_shards(struct dataplane *d, char *err, size_t err_size)
{
	const struct team_conf tc = {
		.conf = d->conf, .shards = d->conf->lcores.n, .name = "shards"};
	char stats[256];
	struct shard_conf sc = {
		.conf = d->conf,
		.legacy_ciphers = d->legacy_ciphers,
		.start_id = d->start_id,
		.link = d->link,
		.listens = d->listens,
		.n_listens = d->n_listens,
		.listen_ports = d->listen_ports,
		.listen_backlog = (d->listen_backlog + tc.shards - 1) / tc.shards,
		.listen_exclusive = d->listen_exclusive,
		.retry_after_s = d->retry_after_s,
		.shards_ended = &d->ended,
		.stopping = tell_stopping,
		.stopping_arg = d,
		.stats_path = stats,
	};
	int r = 0;

	if (tc.shards > 1)
		r = team_new(&tc, &d->team, err, err_size);
	sc.team = d->team;
	for (; r == 0 && sc.index < tc.shards; sc.index++) {
		snprintf(stats, sizeof(stats), "%s/shard%u.stats", d->run_dir, sc.index);
		r = shard_new(&sc, &d->shard[sc.index], err, err_size);
		if (r == 0)
			d->turns[sc.index] = &shard_stats(d->shard[sc.index])->turns;
	}
	return r;
}

static int up(struct dataplane *d, char *err, size_t err_size)
{
	int r = up_link(d, err, err_size);

	if (r < 0)
		return r;
	/* What EAL makes for itself stands with our own run-time files, not in /run/dpdk. */
	if (setenv("RUNTIME_DIRECTORY", d->run_dir, 1) < 0)
		return -errno;
	r = eal_start_for(d->conf, &d->eal, err, err_size);
	if (r < 0)
		return r;
	d->eal_up = true;
	r = up_shards(d, err, err_size);
	if (r < 0)
		return r;
	r = privs_drop(&d->privs);
	if (r < 0)
		snprintf(err, err_size, "privileges cannot be given up: %s", strerror(-r));
	return r;
}

static void down(struct dataplane *d)
{
	watchdog_stop(d->watchdog);
	notify_close(&d->manager);
	for (unsigned int i = 0; i < CONF_LCORES_MAX; i++)
		shard_free(d->shard[i]);
	team_free(d->team);
	linkhub_free(d->link);
	if (d->eal_up)
		rte_eal_cleanup();
}

static int on_lcore(void *shard)
{
	shard_run(shard, &stop, &report);
	return 0;
}

/* Whom we serve from now on, and who hears as long as all shards turn. */
static void tell_ready(struct dataplane *d)
{
	const struct watchdog_conf wc = {
		.manager = &d->manager, .turns = d->turns, .shards = d->conf->lcores.n};
	char text[64];
	int r = watchdog_start(&wc, &d->watchdog);

	if (r < 0)
		dp_log("no beat for the service manager: %s", strerror(-r));
	snprintf(text, sizeof(text), "%zu interfaces, %u shards", d->conf->n_interfaces,
		 d->conf->lcores.n);
	notify_ready(&d->manager, text);
}

static void run_shards(struct dataplane *d)
{
	for (uint16_t i = 1; i < d->conf->lcores.n; i++)
		if (rte_eal_remote_launch(on_lcore, d->shard[i], d->conf->lcores.id[i]) < 0) {
			dp_log("lcore %u cannot be had", d->conf->lcores.id[i]);
			stop = 2;
		}
	on_lcore(d->shard[0]);
	rte_eal_mp_wait_lcore();
}

static int listens_of(const struct conf_global *g, struct dataplane *d)
{
	d->listens = g->listens;
	d->n_listens = g->n_listens;
	d->listen_backlog = g->listen_backlog;
	d->listen_exclusive = g->listen_exclusive;
	d->listen_ports = calloc(g->n_listens + 1, sizeof(*d->listen_ports));
	if (d->listen_ports == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < g->n_listens; i++)
		d->listen_ports[i] = g->listens[i].addr.port;
	return 0;
}

static int run(const struct conf *conf)
{
	struct dataplane *d = calloc(1, sizeof(*d));
	const char *dir = getenv("SLUICE_RUN");
	char err[512] = "";
	int r;

	if (d == NULL || listens_of(conf_global(conf), d) < 0) {
		free(d);
		return -ENOMEM;
	}
	d->conf = conf_dataplane(conf);
	d->legacy_ciphers = needs_provider(ssh_str_c(conf_global(conf)->ciphers));
	d->retry_after_s = conf_global(conf)->retry_after_ms / 1000;
	d->run_dir = dir != NULL && dir[0] != '\0' ? dir : RUN_DIR_DEFAULT;
	notify_open(&d->manager);
	privs_find(&d->privs);
	catch_signals();
	r = privs_limits();
	if (r < 0) {
		snprintf(err, sizeof(err), "cannot forbid core dumps: %s", strerror(-r));
	} else if (d->conf->n_interfaces == 0 && d->n_listens == 0) {
		r = -EINVAL;
		snprintf(err, sizeof(err),
			 "neither Interface nor ListenAddress in the configuration");
	} else {
		r = up(d, err, sizeof(err));
	}
	if (r < 0) {
		dp_log("%s", err);
	} else {
		if (!d->privs.change && geteuid() == 0)
			dp_log("warning: there is no user %s, still running as root", PRIVS_USER);
		dp_log("%s is ready: %zu interfaces, %u shards, %s memory", d->conf->name,
		       d->conf->n_interfaces, d->conf->lcores.n,
		       d->eal.hugepages ? "hugepage" : "ordinary");
		tell_ready(d);
		run_shards(d);
		dp_log("ends");
	}
	down(d);
	free(d->listen_ports);
	free(d);
	return r;
}

int main(int argc, char **argv)
{
	struct conf *conf = NULL;
	struct options o;
	int r = parse_options(argc, argv, &o);

	if (r >= 0)
		return r;
	if (load(o.file, &conf) < 0)
		return 1;
	r = o.dump ? 0 : start_fips(conf);
	if (o.dump)
		r = conf_dump(conf, NULL, stdout);
	else if (r == 0 && !o.check)
		r = run(conf);
	conf_put(conf);
	return r < 0 ? 1 : 0;
}

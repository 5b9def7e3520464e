/*
 * sluice-control - sessions, authentication and policy of the gateway.
 *
 * Starts or says why it does not; once it serves, nothing makes it exit but a signal.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "control/admin/admin.h"
#include "control/admin/web.h"
#include "control/alive.h"
#include "control/ask.h"
#include "control/audit/audit.h"
#include "control/clock.h"
#include "control/dial.h"
#include "control/helper/client.h"
#include "control/hook/hook.h"
#include "control/linkpeer.h"
#include "control/log.h"
#include "control/log_out.h"
#include "control/log_syslog.h"
#include "control/own.h"
#include "control/query.h"
#include "control/reload.h"
#include "control/rlimits.h"
#include "control/setup.h"
#include "control/signer/remote.h"
#include "crypto/secret.h"

#define EXIT_BAD        255 /* as sshd */
#define EXIT_DENIED     1
#define PEERS_MAX       16
#define COMPUTE_WAITING 1024
#define FILES_THREADS   4
#define FILES_SPARE     60 /* beside those that hang in a file */
#define FILES_WAITING   1024
#define AUDIT_END_MS    2000 /* for what waits to be written */
#define GOODBYE_MS      500  /* for the last words to reach the peers */
#define GRACE_LOOK_MS   100  /* until it is looked again whether somebody is left */

struct options {
	const char *conf_path;
	bool test, dump, to_stderr;
	unsigned int debug;
	struct ask ask;
};

struct control {
	uv_loop_t loop;
	struct clock *clock;
	struct log_out *log;
	struct session_env env;
	struct helper helper;
	struct linkpeer *peer[PEERS_MAX];
	unsigned int n_peers;
	struct admin_env admin_env;
	struct admin *admin;
	struct web *web;
	uv_signal_t term, interrupt, quit, hangup;
	struct reload reload;
	struct alive alive;
	struct timer goodbye;
	struct timer grace; /* sluicectl shutdown: looks whether somebody is left */
	uint64_t grace_until_ms;
	bool ending;
	char ident[512];
	struct own *own;
};

/* --- arguments -------------------------------------------------------------------------- */

static void usage(FILE *f)
{
	fprintf(f, "usage: sluice-control [-DdehTtV] [-C user=USER,addr=ADDR,…[,dest=HOST:PORT]]\n"
		   "                      [-f FILE]\n"
		   "       sluice-control -Q cipher|mac|kex|sig|help\n");
}

static int options_parse(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){.conf_path = CONF_PATH_DEFAULT};
	ask_init(&o->ask);
	while ((c = getopt(argc, argv, "C:Ddef:hQ:TtV")) != -1) {
		switch (c) {
		case 'f':
			o->conf_path = optarg;
			break;
		case 't':
			o->test = true;
			break;
		case 'T':
			o->dump = true;
			break;
		case 'C':
			if (ask_parse(&o->ask, optarg) < 0) {
				fprintf(stderr, "Invalid test mode specification %s\n", optarg);
				return -EINVAL;
			}
			break;
		case 'd':
			o->debug++;
			o->to_stderr = true;
			break;
		case 'D': /* always in the foreground */
			break;
		case 'e':
			o->to_stderr = true;
			break;
		case 'Q':
			if (query_print(optarg, stdout) < 0) {
				fprintf(stderr, "Unsupported query \"%s\"\n", optarg);
				return -EINVAL;
			}
			exit(0);
		case 'V':
			printf("sluice-control %s\n", SLUICE_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return -EINVAL;
	}
	return 0;
}

/* --- ending ------------------------------------------------------------------------------- */

static void goodbye(struct timer *t)
{
	struct control *c =
		(struct control *)(void *)((char *)t - offsetof(struct control, goodbye));

	/* Before the peers: what lives has not ended with us. */
	c->env.leaving = true;
	audit_finish(c->env.audit, AUDIT_END_MS);
	c->env.audit = NULL;
	hooks_hush(c->env.hooks);
	for (unsigned int i = 0; i < c->n_peers; i++)
		linkpeer_close(c->peer[i]);
	c->n_peers = 0;
	resolver_close(c->env.resolver);
	dialer_close(c->env.dialer);
	hooks_close(c->env.hooks);
	keysets_hang_up(&c->env.keys);
	helper_read_end(&c->helper);
	reload_fini(&c->reload);
	pool_close(c->env.files);
	pool_close(c->env.compute);
	clock_close(c->clock);
	own_close(c->own);
	uv_close((uv_handle_t *)&c->term, NULL);
	uv_close((uv_handle_t *)&c->interrupt, NULL);
	uv_close((uv_handle_t *)&c->quit, NULL);
	uv_close((uv_handle_t *)&c->hangup, NULL);
}

static void end(struct control *c)
{
	c->ending = true;
	timer_cancel(c->env.timers, &c->grace);
	alive_end(&c->alive);
	admin_close(c->admin);
	web_close(c->web);
	for (unsigned int i = 0; i < c->n_peers; i++)
		linkpeer_shutdown(c->peer[i]);
	if (timer_set(c->env.timers, &c->goodbye, clock_now_ms() + GOODBYE_MS) < 0)
		goodbye(&c->goodbye);
}

static void on_signal(uv_signal_t *sig, int number)
{
	struct control *c = sig->data;

	if (c->ending)
		return;
	log_line(LOG_L_INFO, "Received signal %d; terminating.", number);
	end(c);
}

static void on_grace(struct timer *t)
{
	struct control *c = (struct control *)(void *)((char *)t - offsetof(struct control, grace));
	uint64_t now = clock_now_ms();

	if (c->ending)
		return;
	if (c->env.stats.connections > 0 && now < c->grace_until_ms &&
	    timer_set(c->env.timers, t, now + GRACE_LOOK_MS) == 0)
		return;
	log_line(LOG_L_INFO, "Shut down by an operator; terminating.");
	end(c);
}

/* After a turn at least: who asked is answered first. */
static void on_shut_down(void *owner, uint64_t grace_ms)
{
	struct control *c = owner;

	c->grace_until_ms = clock_now_ms() + grace_ms;
	(void)!timer_set(c->env.timers, &c->grace, clock_now_ms() + GRACE_LOOK_MS);
}
static void on_hangup(uv_signal_t *sig, int number)
{
	struct control *c = sig->data;

	(void)number;
	if (c->ending)
		return;
	log_line(LOG_L_INFO, "Received SIGHUP; reading %s again.", c->reload.path);
	if (c->env.audit != NULL)
		audit_reopen(c->env.audit);
	reload_begin(&c->reload);
}

/* --- starting ------------------------------------------------------------------------------ */

static int start_pools(struct control *c, const char *run_dir)
{
	struct session_env *e = &c->env;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	e->kex_threads = cpus > 2 ? (unsigned int)cpus : 2;
	r = pool_new(&c->loop, e->timers, e->kex_threads, COMPUTE_WAITING, &e->compute);
	if (r == 0)
		r = pool_new(&c->loop, e->timers, FILES_THREADS, FILES_WAITING, &e->files);
	if (r == 0)
		pool_spare(e->files, FILES_SPARE);
	if (r == 0)
		r = resolver_new(&c->loop, e->timers, &e->resolver);
	if (r == 0)
		r = dialer_new(&c->loop, e->timers, clock_now_ms, run_dir, &e->dialer);
	if (r == 0)
		r = hooks_new(&c->loop, e->timers, clock_now_ms, &e->hooks);
	return r;
}

static int keys_renewed(void *arg, struct signer_remote *next, struct host_keys *keys);

/* The keys of sluice-signer: this process never sees them. Takes both. */
static int keys_of_signer(struct control *c, struct signer_remote *remote, struct host_keys *keys)
{
	struct keyset set = {.remote = remote};
	int r;

	host_certs_load(c->env.conf, keys, &set.certs);
	r = signer_new_remote(remote, keys, &set.signer);
	if (r == 0)
		r = keyset_change(&c->env.keys, &set);
	if (r == 0) {
		signer_remote_watch(remote, keys_renewed, c);
		return 0;
	}
	signer_remote_close(remote);
	signer_free(set.signer);
	host_certs_free(&set.certs);
	host_keys_free(keys);
	return r;
}

static int keys_renewed(void *arg, struct signer_remote *next, struct host_keys *keys)
{
	int r = keys_of_signer(arg, next, keys);

	if (r < 0)
		log_line(LOG_L_ERROR, "other host keys cannot be taken: %s", strerror(-r));
	else
		log_line(LOG_L_INFO, "new connections get other host keys now");
	return r;
}

static int start_signer(struct control *c, const char *run_dir)
{
	struct signer_remote *remote;
	struct host_keys keys;
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/signer.sock", run_dir);
	r = signer_remote_open(&c->loop, c->env.timers, path, &remote, &keys);
	if (r < 0) {
		fprintf(stderr, "sluice-control: %s: %s\n", path, strerror(-r));
		return r;
	}
	r = keys_of_signer(c, remote, &keys);
	if (r == 0)
		log_line(LOG_L_INFO, "host keys are those of sluice-signer");
	return r;
}

static int start_keys(struct control *c, struct host_keys *keys, const char *run_dir)
{
	struct keyset *here = keyset_now(&c->env.keys); /* its certificates are there */
	char path[4096];
	int r;

	r = keys->n > 0 ? signer_new(c->env.compute, &here->signer) : start_signer(c, run_dir);
	if (r == 0 && keys->n > 0)
		r = signer_add_all(here->signer, keys);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/blob.key", run_dir);
	r = blob_key_open(path, &c->env.blob_key);
	if (r < 0)
		fprintf(stderr, "sluice-control: %s: %s\n", path, strerror(-r));
	return r;
}

static int start_signals(struct control *c)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* until it is listened to */
	uv_signal_init(&c->loop, &c->term);
	uv_signal_init(&c->loop, &c->interrupt);
	uv_signal_init(&c->loop, &c->quit);
	uv_signal_init(&c->loop, &c->hangup);
	c->term.data = c->interrupt.data = c->quit.data = c->hangup.data = c;
	uv_signal_start(&c->hangup, on_hangup, SIGHUP);
	uv_signal_start(&c->term, on_signal, SIGTERM);
	uv_signal_start(&c->quit, on_signal, SIGQUIT);
	return uv_signal_start(&c->interrupt, on_signal, SIGINT);
}

static void on_safe(void *env)
{
	session_audit_safe(env);
}

/* As the user it is opened again as. */
static int start_audit(struct control *c)
{
	const struct conf_global *g = conf_global(c->env.conf);
	const struct audit_conf conf = {.where = g->audit_log,
					.spool = g->audit_spool,
					.refuse = conf_dataplane(c->env.conf)->audit_failure ==
						  CONF_AUDIT_REFUSE,
					.rate = (uint32_t)g->audit_source_rate,
					.who = SLUICE_VERSION};
	int r;

	if (g->audit_log == NULL)
		return 0;
	r = audit_new(&c->loop, &conf, &c->env.audit);
	if (r < 0)
		return r;
	audit_choose(c->env.audit, g->audit_events);
	audit_watch(c->env.audit, on_safe, &c->env);
	return 0;
}

/* Before the dataplane is touched: a second control here must not disturb the first. */
static int start_admin(struct control *c, const char *conf_path, const char *run_dir)
{
	char path[4096];
	int r;

	c->admin_env = (struct admin_env){.sessions = &c->env,
					  .peers = c->peer,
					  .conf_path = conf_path,
					  .began_ms = clock_now_ms(),
					  .reload = &c->reload,
					  .shut_down = on_shut_down,
					  .owner = c};
	snprintf(path, sizeof(path), "%s/control.sock", run_dir);
	r = admin_new(&c->loop, &c->admin_env, path, &c->admin);
	if (r < 0)
		fprintf(stderr, "sluice-control: %s: %s\n", path,
			r == -EADDRINUSE ? "another sluice-control is running" : strerror(-r));
	else
		c->admin_env.admin = c->admin;
	return r;
}

/* Beside the loop and the configuration it wants nothing. */
static int start_web(struct control *c)
{
	const char *where = "";
	int r = web_new(&c->loop, &c->admin_env, &conf_global(c->env.conf)->metrics_listen, &c->web,
			&where);

	if (r < 0)
		fprintf(stderr, "sluice-control: MetricsListen %s: %s\n", where, strerror(-r));
	else
		c->admin_env.web = c->web;
	return r;
}

static int start(struct control *c, struct conf *conf, const struct options *o,
		 struct host_keys *keys)
{
	struct session_env *e = &c->env;
	const struct conf_global *g = conf_global(conf);
	const char *run_dir;
	char path[4096];
	int r;

	/* Who never was root has no helper that could be somebody else. */
	e->sockets_by_helper = geteuid() == 0;
	rlimits_files(conf);
	r = setup_run_dir(&run_dir);
	if (r == 0)
		r = setup_drop_root();
	if (r == 0)
		r = setup_host_keys_closed(conf);
	/* Its socket is user sluice's: a root of few capabilities could not even ask. */
	if (r == 0 && keys->n == 0)
		r = setup_signer_wait(run_dir);
	if (r < 0)
		return r;
	e->conf = conf;
	r = setup_moduli(conf, &e->moduli);
	if (r == 0)
		r = setup_kex_list(conf, &e->kex);
	if (r < 0)
		return r;
	e->startups.limit =
		(struct startups_limit){g->startups_begin, g->startups_rate, g->startups_full};
	e->now_ms = clock_now_ms;
	e->ident = c->ident;
	/* Channels outlive a control: their tokens are not to be taken for those of the next. */
	if (crypto_random(&e->last_token, sizeof(e->last_token)) < 0)
		return -EIO;
	e->last_token >>= 1;
	if (crypto_random(e->delay_key, sizeof(e->delay_key)) < 0)
		return -EIO;
	c->goodbye.fire = goodbye;
	c->grace.fire = on_grace;
	r = door_new(g, clock_now_ms(), &e->door);
	if (r < 0)
		return r;
	e->host_only = conf_dataplane(conf)->n_interfaces == 0;
	r = timers_new(&e->timers);
	if (r == 0)
		r = own_new(&c->loop, e, &c->own);
	if (r == 0)
		r = clock_new(&c->loop, e->timers, &c->clock);
	if (r == 0)
		log_out_timers(c->log, e->timers, clock_now_ms);
	if (r == 0)
		r = start_pools(c, run_dir);
	if (r == 0)
		r = start_keys(c, keys, run_dir);
	c->helper.loop = &c->loop;
	if (r == 0 && (size_t)snprintf(c->helper.path, sizeof(c->helper.path), "%s/helper.sock",
				       run_dir) >= sizeof(c->helper.path))
		r = -ENAMETOOLONG;
	e->helper = &c->helper;
	c->reload = (struct reload){.env = e,
				    .path = o->conf_path,
				    .ident = c->ident,
				    .ident_size = sizeof(c->ident),
				    .debug = o->debug,
				    .log = c->log,
				    .to_stderr = o->to_stderr,
				    .manager = &c->alive.to};
	reload_init(&c->reload);
	if (r == 0)
		r = start_signals(c);
	if (r == 0)
		r = start_admin(c, o->conf_path, run_dir);
	if (r == 0) /* which says that no other one writes it */
		r = start_audit(c);
	if (r < 0)
		return r;
	helper_read_again(&c->helper);
	/* One dataplane is configured today; nothing below this line knows that. */
	snprintf(path, sizeof(path), "%s/link.sock", run_dir);
	r = linkpeer_new(&c->loop, e, path, &c->peer[0]);
	if (r == 0)
		r = start_web(c);
	if (r == 0)
		r = alive_begin(&c->alive, e->timers, clock_now_ms);
	if (r < 0) {
		admin_close(c->admin); /* removes its file */
		web_close(c->web);
	} else {
		c->admin_env.n_peers = c->n_peers = 1;
	}
	return r;
}

static void stop(struct control *c)
{
	uv_loop_close(&c->loop);
	keysets_fini(&c->env.keys);
	blob_key_free(c->env.blob_key);
	log_out_use(NULL);
	log_out_free(c->log);
	own_free(c->own);
	timers_free(c->env.timers);
	moduli_free(c->env.moduli);
	free(c->env.kex);
	door_free(c->env.door);
	conf_put(c->env.conf);
}

/* While it may still open what stderr is: once root is dropped it may not. */
static int start_log(struct control *c, const struct conf *conf, const struct options *o)
{
	int r = log_out_new(STDERR_FILENO, &c->log);

	if (r < 0)
		return r;
	log_where(conf, c->log, "sluice-control", o->to_stderr);
	reload_say_masked(conf);
	return 0;
}

static int serve(struct conf *conf, const struct options *o, struct host_keys *keys)
{
	static struct control c;
	int r;

	r = setup_ident(conf, c.ident, sizeof(c.ident));
	if (r < 0)
		return EXIT_BAD;
	/* As long as root may read them. */
	if (keys->n > 0)
		host_certs_load(conf, keys, &keyset_now(&c.env.keys)->certs);
	notify_open(&c.alive.to);
	r = start_log(&c, conf, o);
	if (r == 0)
		r = uv_loop_init(&c.loop);
	if (r == 0)
		r = start(&c, conf, o, keys);
	if (r < 0) {
		fprintf(stderr, "sluice-control: cannot start: %s\n", strerror(-r));
		return EXIT_BAD;
	}
	uv_run(&c.loop, UV_RUN_DEFAULT);
	stop(&c);
	return 0;
}

/*
 * They are sluice-signer's: none is read here but for a test of the file, and where it was asked
 * for and no signer listens.
 */
static int host_keys(const struct conf *conf, bool test, struct host_keys *keys)
{
	const char *run_dir;
	int r;

	if (test)
		return setup_host_keys(conf, true, keys);
	if (!setup_keys_here())
		return 0;
	r = setup_run_dir(&run_dir);
	if (r < 0 || setup_signer_runs(run_dir))
		return r;
	log_line(LOG_L_ERROR,
		 SETUP_KEYS_HERE ": the private host keys are in the process that "
				 "reads what strangers say. Run sluice-signer instead.");
	/* HostKeyAgent is the signer's to ask. */
	return setup_host_keys(conf, false, keys);
}

/* -T: what holds for whom -C names, or what would be said to a tunnel of his. */
static int test_print(struct conf *conf, struct ask *a)
{
	int r = ask_look_up(a);

	if (r < 0) {
		fprintf(stderr, "sluice-control: the groups of %s: %s\n", a->match.user,
			r == -EIO ? "the system cannot tell them now" : strerror(-r));
		return EXIT_BAD;
	}
	if (!ask_tunnel(a))
		return conf_dump(conf, &a->match, stdout) < 0 ? EXIT_BAD : 0;
	r = ask_print(a, conf, stdout);
	if (r < 0)
		fprintf(stderr, "sluice-control: dest, listen: %s\n", strerror(-r));
	return r < 0 ? EXIT_BAD : r > 0 ? 0 : EXIT_DENIED;
}

int main(int argc, char **argv)
{
	struct host_keys keys = {.n = 0};
	struct options o;
	struct conf *conf;

	if (options_parse(argc, argv, &o) < 0)
		return EXIT_BAD;
	if (setup_conf(o.conf_path, &conf) < 0)
		return EXIT_BAD;
	if (o.dump) {
		int r = test_print(conf, &o.ask);

		ask_fini(&o.ask);
		conf_put(conf);
		return r;
	}
	if (setup_no_dumps() < 0 || setup_fips(conf) < 0 || host_keys(conf, o.test, &keys) < 0) {
		conf_put(conf);
		return EXIT_BAD;
	}
	if (o.test) {
		host_keys_free(&keys);
		conf_put(conf);
		return 0;
	}
	reload_log_level(conf, o.debug);
	return serve(conf, &o, &keys);
}

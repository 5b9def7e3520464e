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
#include "control/clock.h"
#include "control/dial.h"
#include "control/helper/client.h"
#include "control/linkpeer.h"
#include "control/log.h"
#include "control/log_out.h"
#include "control/query.h"
#include "control/reload.h"
#include "control/setup.h"
#include "control/signer/remote.h"
#include "crypto/secret.h"

#define EXIT_BAD        255 /* as sshd */
#define PEERS_MAX       16
#define COMPUTE_WAITING 1024
#define FILES_THREADS   4
#define FILES_SPARE     60 /* beside those that hang in a file */
#define FILES_WAITING   1024
#define GOODBYE_MS      500 /* for the last words to reach the peers */

struct options {
	const char *conf_path;
	bool test, dump;
	unsigned int debug;
	struct conf_match_ctx match;
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
	uv_signal_t term, interrupt, hangup;
	struct reload reload;
	struct timer goodbye;
	bool ending;
	char ident[512];
	struct link_addr *own;
};

/* --- arguments -------------------------------------------------------------------------- */

static void usage(FILE *f)
{
	fprintf(f, "usage: sluice-control [-DdehTtV] [-C user=USER,host=NAME,addr=ADDR,…]\n"
		   "                      [-f FILE]\n"
		   "       sluice-control -Q cipher|mac|kex|sig|help\n");
}

/* "user=u,addr=a,…"; spec is cut into pieces. */
static int match_parse(char *spec, struct conf_match_ctx *m)
{
	char *save = NULL;

	for (char *p = strtok_r(spec, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		if (strncmp(p, "user=", 5) == 0)
			m->user = p + 5;
		else if (strncmp(p, "addr=", 5) == 0)
			m->addr = p + 5;
		else if (strncmp(p, "laddr=", 6) == 0)
			m->laddr = p + 6;
		else if (strncmp(p, "host=", 5) == 0)
			m->host = p + 5;
		else if (strncmp(p, "client-version=", 15) == 0)
			m->client_version = p + 15;
		else if (strcmp(p, "invalid-user") == 0)
			m->invalid_user = true;
		else if (strncmp(p, "lport=", 6) != 0 || conf_port_parse(p + 6, &m->lport) < 0)
			return -EINVAL;
	}
	return 0;
}

static int options_parse(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){.conf_path = CONF_PATH_DEFAULT};
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
			if (match_parse(optarg, &o->match) < 0) {
				fprintf(stderr, "Invalid test mode specification %s\n", optarg);
				return -EINVAL;
			}
			break;
		case 'd':
			o->debug++;
			break;
		case 'D': /* always in the foreground */
		case 'e': /* always to stderr */
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

	for (unsigned int i = 0; i < c->n_peers; i++)
		linkpeer_close(c->peer[i]);
	c->n_peers = 0;
	resolver_close(c->env.resolver);
	dialer_close(c->env.dialer);
	keysets_hang_up(&c->env.keys);
	helper_read_end(&c->helper);
	reload_fini(&c->reload);
	pool_close(c->env.files);
	pool_close(c->env.compute);
	clock_close(c->clock);
	uv_close((uv_handle_t *)&c->term, NULL);
	uv_close((uv_handle_t *)&c->interrupt, NULL);
	uv_close((uv_handle_t *)&c->hangup, NULL);
}

static void on_signal(uv_signal_t *sig, int number)
{
	struct control *c = sig->data;

	if (c->ending)
		return;
	c->ending = true;
	log_line(LOG_L_INFO, "Received signal %d; terminating.", number);
	admin_close(c->admin);
	for (unsigned int i = 0; i < c->n_peers; i++)
		linkpeer_shutdown(c->peer[i]);
	if (timer_set(c->env.timers, &c->goodbye, clock_now_ms() + GOODBYE_MS) < 0)
		goodbye(&c->goodbye);
}

static void on_hangup(uv_signal_t *sig, int number)
{
	struct control *c = sig->data;

	(void)number;
	if (c->ending)
		return;
	log_line(LOG_L_INFO, "Received SIGHUP; reading %s again.", c->reload.path);
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
	uv_signal_init(&c->loop, &c->hangup);
	c->term.data = c->interrupt.data = c->hangup.data = c;
	uv_signal_start(&c->hangup, on_hangup, SIGHUP);
	uv_signal_start(&c->term, on_signal, SIGTERM);
	return uv_signal_start(&c->interrupt, on_signal, SIGINT);
}

/* Before the dataplane is touched: a second control here must not disturb the first. */
static int start_admin(struct control *c, const char *conf_path, const char *run_dir)
{
	char path[4096];
	int r;

	c->admin_env = (struct admin_env){.sessions = &c->env,
					  .peers = c->peer,
					  .conf_path = conf_path,
					  .began_ms = clock_now_ms()};
	snprintf(path, sizeof(path), "%s/control.sock", run_dir);
	r = admin_new(&c->loop, &c->admin_env, path, &c->admin);
	if (r < 0)
		fprintf(stderr, "sluice-control: %s: %s\n", path,
			r == -EADDRINUSE ? "another sluice-control is running" : strerror(-r));
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
	r = door_new(g, clock_now_ms(), &e->door);
	if (r < 0)
		return r;
	r = setup_own_addrs(conf, &c->own, &e->n_own);
	e->own = c->own;
	e->host_only = conf_dataplane(conf)->n_interfaces == 0;
	if (r == 0)
		r = timers_new(&e->timers);
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
				    .debug = o->debug};
	reload_init(&c->reload);
	if (r == 0)
		r = start_signals(c);
	if (r == 0)
		r = start_admin(c, o->conf_path, run_dir);
	if (r < 0)
		return r;
	helper_read_again(&c->helper);
	/* One dataplane is configured today; nothing below this line knows that. */
	snprintf(path, sizeof(path), "%s/link.sock", run_dir);
	r = linkpeer_new(&c->loop, e, path, &c->peer[0]);
	if (r < 0)
		admin_close(c->admin); /* removes its file */
	else
		c->admin_env.n_peers = c->n_peers = 1;
	return r;
}

static void stop(struct control *c)
{
	uv_loop_close(&c->loop);
	keysets_fini(&c->env.keys);
	blob_key_free(c->env.blob_key);
	log_out_use(NULL);
	log_out_free(c->log);
	timers_free(c->env.timers);
	moduli_free(c->env.moduli);
	free(c->env.kex);
	door_free(c->env.door);
	free(c->own);
	conf_put(c->env.conf);
}

/* While it may still open what stderr is: once root is dropped it may not. */
static int start_log(struct control *c)
{
	int r = log_out_new(STDERR_FILENO, &c->log);

	if (r == 0)
		log_out_use(c->log);
	return r;
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
	r = start_log(&c);
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
		int r = conf_dump(conf, &o.match, stdout);

		conf_put(conf);
		return r < 0 ? EXIT_BAD : 0;
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

/*
 * sluice-signer - the only process with private host keys.
 *
 * Started by root for their files, it becomes user sluice; control, which reads what strangers say,
 * asks it for signatures and never sees a key.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "control/alive.h"
#include "control/clock.h"
#include "control/log.h"
#include "control/log_out.h"
#include "control/log_syslog.h"
#include "control/setup.h"
#include "control/signer/folder.h"
#include "control/signer/server.h"

#define EXIT_BAD 255
#define WAITING  8192 /* requests, of all who ask */

struct program {
	uv_loop_t loop;
	struct timers *timers;
	struct clock *clock;
	struct log_out *log;
	struct pool *pool;
	struct signer *signer;
	struct key_folders *folders; /* NULL: none are named */
	struct signer_server *server;
	uv_signal_t term, interrupt, quit, hangup;
	struct alive alive;
	bool ending;
};

static int usage(FILE *f, int status)
{
	fprintf(f, "usage: sluice-signer [-ehrtV] [-f FILE]\n");
	return status;
}

static void end(struct program *p)
{
	if (p->ending)
		return;
	p->ending = true;
	alive_end(&p->alive);
	signer_server_close(p->server);
	pool_close(p->pool);
	clock_close(p->clock);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->quit, NULL);
	uv_close((uv_handle_t *)&p->hangup, NULL);
}

static void on_signal(uv_signal_t *sig, int number)
{
	log_line(LOG_L_INFO, "Received signal %d; terminating.", number);
	end(sig->data);
}

/* Who has given up root cannot read them again. */
static void on_hangup(uv_signal_t *sig, int number)
{
	(void)sig;
	(void)number;
	log_line(LOG_L_INFO, "Received SIGHUP; other host keys need another sluice-signer (-r).");
}

static void on_idle(void *arg)
{
	log_line(LOG_L_INFO, "Nobody has these keys any more; terminating.");
	end(arg);
}

/* While we are root, and before we have read any key: a process of its own opens them from then on.
 */
static int folders_open(const struct conf *conf, struct key_folders **ret)
{
	const struct conf_strs *dirs = &conf_global(conf)->host_key_folders;
	const struct passwd *pw = geteuid() == 0 ? getpwnam(SETUP_USER) : NULL;
	const char *bad;
	int r;

	*ret = NULL;
	if (dirs->n == 0)
		return 0;
	r = key_folders_new(dirs, pw != NULL ? pw->pw_uid : geteuid(), ret, &bad);
	if (r < 0)
		fprintf(stderr, "sluice-signer: HostKeyFolder %s: %s\n", bad != NULL ? bad : "",
			strerror(-r));
	return r;
}

static int start(struct program *p, struct host_keys *keys, const char *dir, bool replace)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char path[4096];
	int r;

	r = timers_new(&p->timers);
	if (r == 0)
		r = clock_new(&p->loop, p->timers, &p->clock);
	if (r == 0)
		log_out_timers(p->log, p->timers, clock_now_ms);
	if (r == 0)
		r = pool_new(&p->loop, p->timers, cpus > 2 ? (unsigned int)cpus : 2, WAITING,
			     &p->pool);
	if (r == 0)
		r = signer_new(p->pool, &p->signer);
	if (r == 0)
		r = signer_add_all(p->signer, keys);
	if (r == 0 && p->folders != NULL)
		r = signer_folders(p->signer, p->folders);
	if (r < 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(&p->loop, &p->term);
	uv_signal_init(&p->loop, &p->interrupt);
	uv_signal_init(&p->loop, &p->quit);
	uv_signal_init(&p->loop, &p->hangup);
	p->term.data = p->interrupt.data = p->quit.data = p;
	uv_signal_start(&p->term, on_signal, SIGTERM);
	uv_signal_start(&p->interrupt, on_signal, SIGINT);
	uv_signal_start(&p->quit, on_signal, SIGQUIT);
	uv_signal_start(&p->hangup, on_hangup, SIGHUP);
	snprintf(path, sizeof(path), "%s/signer.sock", dir);
	r = replace ? signer_server_replace(path) : 0;
	if (r == 0)
		r = signer_server_new(&p->loop, p->signer, clock_now_ms, path, geteuid(),
				      &p->server);
	if (r < 0)
		fprintf(stderr, "sluice-signer: %s: %s\n", path,
			r == -EADDRINUSE ? "another sluice-signer is running" : strerror(-r));
	else
		signer_server_on_idle(p->server, on_idle, p);
	if (r == 0)
		r = alive_begin(&p->alive, p->timers, clock_now_ms);
	if (r == 0)
		log_line(LOG_L_INFO, "sluice-signer has %u host keys, on %s",
			 signer_count(p->signer), path);
	return r;
}

static int serve(const struct conf *conf, struct host_keys *keys, struct key_folders *folders,
		 bool replace, bool to_stderr)
{
	static struct program p;
	const char *dir;
	int r;

	p.folders = folders;
	/* While it may still open what stderr is. */
	notify_open(&p.alive.to);
	r = log_out_new(STDERR_FILENO, &p.log);
	if (r < 0)
		return EXIT_BAD;
	log_where(conf, p.log, "sluice-signer", to_stderr);
	r = setup_run_dir(&dir);
	if (r == 0)
		r = setup_drop_root();
	if (r == 0)
		r = uv_loop_init(&p.loop);
	if (r == 0)
		r = start(&p, keys, dir, replace);
	if (r < 0)
		return EXIT_BAD;
	uv_run(&p.loop, UV_RUN_DEFAULT);
	uv_loop_close(&p.loop);
	signer_free(p.signer);
	log_out_use(NULL);
	log_out_free(p.log);
	timers_free(p.timers);
	return 0;
}

int main(int argc, char **argv)
{
	struct host_keys keys = {.n = 0};
	struct key_folders *folders = NULL;
	const char *conf_path = CONF_PATH_DEFAULT;
	struct conf *conf;
	bool test = false, replace = false, to_stderr = false;
	int c, r;

	while ((c = getopt(argc, argv, "ef:hrtV")) != -1) {
		switch (c) {
		case 'e':
			to_stderr = true;
			break;
		case 'f':
			conf_path = optarg;
			break;
		case 'r':
			replace = true;
			break;
		case 't':
			test = true;
			break;
		case 'V':
			printf("sluice-signer %s\n", SLUICE_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, EXIT_BAD);
		}
	}
	if (optind < argc)
		return usage(stderr, EXIT_BAD);
	if (setup_conf(conf_path, &conf) < 0)
		return EXIT_BAD;
	r = setup_no_dumps();
	if (r == 0)
		r = setup_fips(conf);
	if (r == 0)
		r = folders_open(conf, &folders);
	if (r == 0)
		r = setup_host_keys(conf, true, &keys);
	if (r == 0 && !test)
		r = serve(conf, &keys, folders, replace, to_stderr);
	else if (test)
		host_keys_free(&keys);
	key_folders_free(folders);
	conf_put(conf);
	return r < 0 ? EXIT_BAD : r;
}

/* client/tunnel/main.c - sluice tunnel: every host's tunnels, kept up. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/command.h"
#include "client/shell/say.h"
#include "client/tunnel/address.h"
#include "client/tunnel/ask.h"
#include "client/tunnel/request.h"
#include "client/tunnel/status.h"
#include "client/tunnel/tunnel.h"
#include "conf/notify.h"

static const char usage[] = "sluice tunnel [-f] [--json] [-F FILE] [OPTION ...] [HOST ...]\n"
			    "every Host of the file that has forwards, or those named; other "
			    "options are those of sluice "
			    "ssh\n" ASK_USAGE;

/* Between the first tries of two hosts: many may be of one gateway (MaxStartups). */
#define APART_MS 20

/* A host whose configuration is read. */
struct host {
	const char *name;
	struct options o;
	int status; /* -EAGAIN: it waits for its whole name (CanonicalizeHostname) */
	bool stopped; /* meanwhile */
	size_t place;
};

struct agents {
	struct tunnel **v;
	size_t n;
	struct host *host;
	size_t hosts, waiting;
	bool named; /* on the command line: it is wrong when one has nothing to forward */
	struct notify notify;
	uint64_t beat_ms; /* the next one */
	size_t told_up;   /* SIZE_MAX: nothing was told yet */
	int signals;
	int addresses;
	size_t place, place_addresses;
	bool stop;
	struct status status;
};

/* --- which ---------------------------------------------------------------------------------------
 */

static void host_begin(struct host *h, int argc, char **argv)
{
	h->status = options_parse(argc, argv, usage, h->name, &h->o);
	if (h->status == 0 && config_set(h->o.config, CONFIG_BATCH_MODE, "yes") < 0)
		h->status = EXIT_ERROR;
	if (h->status == 0)
		h->status = options_load_begin(&h->o);
}

static void heard(void *arg, json_t *event)
{
	status_event(arg, event);
}

/* It has its configuration. */
static int add(struct agents *a, struct host *h)
{
	struct tunnel *t;

	if (h->status != 0)
		return EXIT_ERROR;
	if (!run_has_forwards(h->o.config)) {
		if (a->named)
			fprintf(stderr, "sluice tunnel: %s has nothing to forward\n", h->name);
		return a->named ? EXIT_ERROR : 0;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL || tunnel_init(t, h->name, &h->o, a->n * APART_MS) != 0) {
		free(t);
		return EXIT_ERROR;
	}
	h->o = (struct options){0}; /* the tunnel's */
	t->heard = heard;
	t->arg = &a->status;
	a->v[a->n++] = t;
	a->status.v = a->v;
	a->status.n = a->n;
	if (h->stopped)
		tunnel_stop(t);
	return 0;
}

static size_t early(void *arg, const struct request *q)
{
	const struct agents *a = arg;
	size_t n = 0;

	for (size_t i = 0; i < a->hosts && a->waiting > 0; i++) {
		struct host *h = &a->host[i];

		if (h->status != -EAGAIN || strcmp(q->host, h->name) != 0)
			continue;
		h->stopped = q->what == REQUEST_STOP;
		n++;
	}
	return n;
}

static int any(const struct agents *a)
{
	if (a->n > 0 || a->waiting > 0)
		return 0;
	fprintf(stderr, "sluice tunnel: no host of the file has anything to forward\n");
	return EXIT_ERROR;
}

static void hosts_prepare(struct agents *a, struct turn *t)
{
	for (size_t i = 0; i < a->hosts && a->waiting > 0; i++)
		a->host[i].place = a->host[i].status == -EAGAIN
					   ? turn_add(t, config_fd(a->host[i].o.config), POLLIN)
					   : TURN_NONE;
}

/* Those that have their names now begin, beside the others. */
static int hosts_go(struct agents *a, const struct turn *t)
{
	int e = 0;

	for (size_t i = 0; i < a->hosts && a->waiting > 0; i++) {
		struct host *h = &a->host[i];

		if (turn_ready(t, h->place) == 0)
			continue;
		h->status = options_load_step(&h->o);
		if (h->status == -EAGAIN)
			continue;
		h->place = TURN_NONE;
		a->waiting--;
		a->told_up = SIZE_MAX;
		if (add(a, h) != 0 || any(a) != 0)
			e = EXIT_ERROR;
	}
	return e;
}

/* Who goes to the background takes no question along: a thread of it asks. */
static int hosts_wait(struct agents *a)
{
	struct turn t = {0};
	int e = 0;

	while (e == 0 && a->waiting > 0) {
		turn_begin(&t);
		hosts_prepare(a, &t);
		e = turn_wait(&t) < 0 ? EXIT_ERROR : hosts_go(a, &t);
	}
	turn_fini(&t);
	return e;
}

/* first: read about no host in particular. */
static int add_all(struct agents *a, const struct options *first, int argc, char **argv)
{
	const struct conf_strs *hosts = config_hosts(first->config);
	size_t named = first->destination != NULL ? 1 + (size_t)first->argc : 0;
	int e = 0;

	a->named = named > 0;
	a->hosts = named > 0 ? named : hosts->n;
	a->v = calloc(a->hosts + 1, sizeof(struct tunnel *));
	a->host = calloc(a->hosts + 1, sizeof(*a->host));
	if (a->v == NULL || a->host == NULL)
		return EXIT_ERROR;
	for (size_t i = 0; e == 0 && i < a->hosts; i++) {
		struct host *h = &a->host[i];

		h->name = named == 0 ? hosts->v[i] : i == 0 ? first->destination : first->argv[i - 1];
		h->place = TURN_NONE;
		host_begin(h, argc, argv);
		if (h->status == -EAGAIN)
			a->waiting++;
		else
			e = add(a, h);
	}
	if (e == 0 && config_yes(first->config, CONFIG_FORK_AFTER_AUTHENTICATION))
		e = hosts_wait(a);
	return e == 0 ? any(a) : e;
}

/* --- the loop ------------------------------------------------------------------------------------
 */

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* To who watches us: how many are up, and that we turn. */
static void tell(struct agents *a, struct turn *turn)
{
	uint64_t now = turn_now_ms();
	size_t up = 0;
	char text[64];

	for (size_t i = 0; i < a->n; i++)
		up += a->v[i]->whole;
	if (up != a->told_up) {
		snprintf(text, sizeof(text), "%zu of %zu hosts are up", up, a->n + a->waiting);
		notify_ready(&a->notify, text);
		a->told_up = up;
	}
	if (a->notify.watchdog_ms == 0)
		return;
	if (now >= a->beat_ms) {
		notify_beat(&a->notify);
		a->beat_ms = now + a->notify.watchdog_ms / 3;
	}
	turn_within(turn, (int)(a->beat_ms - now));
}

/* Who stopped a host may want it again. */
static bool all_over(const struct agents *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!tunnel_over(a->v[i]) || a->v[i]->stopped)
			return false;
	return a->waiting == 0;
}

static void moved(struct agents *a)
{
	unsigned int news = addresses_read(a->addresses);

	for (size_t i = 0; news != 0 && i < a->n; i++)
		tunnel_moved(a->v[i], (news & ADDRESS_CAME) != 0);
}

static void loop(struct agents *a)
{
	struct turn turn = {0};

	while (!a->stop && !all_over(a)) {
		turn_begin(&turn);
		a->place = turn_add(&turn, a->signals, POLLIN);
		a->place_addresses = turn_add(&turn, a->addresses, POLLIN);
		for (size_t i = 0; i < a->n; i++)
			tunnel_prepare(a->v[i], &turn);
		hosts_prepare(a, &turn);
		status_prepare(&a->status, &turn);
		tell(a, &turn);
		if (turn_wait(&turn) < 0)
			break;
		a->stop = turn_ready(&turn, a->place) != 0;
		for (size_t i = 0; i < a->n; i++)
			tunnel_go(a->v[i], &turn);
		(void)hosts_go(a, &turn); /* it was said what is wrong; others go on */
		if (turn_ready(&turn, a->place_addresses) != 0)
			moved(a);
		status_go(&a->status, &turn);
	}
	turn_fini(&turn);
}

/* Before the background: who starts us is told that there is no such place. */
static int status_begin(struct agents *a, struct config *c)
{
	char path[CONFIG_TEXT_MAX];
	bool asked = config_given(c, CONFIG_STATUS_SOCKET);

	a->status.early = early;
	a->status.arg = a;
	if (asked && config_expanded(c, CONFIG_STATUS_SOCKET, 0, path, sizeof(path)) < 0) {
		fputs(config_errors(c), stderr);
		return EXIT_ERROR;
	}
	if (asked && *path != '/') {
		fprintf(stderr, "StatusSocket: no path from the root: %s\n", path);
		return EXIT_ERROR;
	}
	if (status_open(&a->status, asked ? path : NULL, config_text(c, CONFIG_METRICS_LISTEN)) ==
	    0)
		return 0;
	status_close(&a->status);
	return EXIT_ERROR;
}

static int serve(struct agents *a, bool background)
{
	if (background)
		go_background();
	notify_open(&a->notify);
	a->signals = signals_open();
	a->addresses = addresses_open();
	a->told_up = SIZE_MAX;
	loop(a);
	notify_stopping(&a->notify);
	status_close(&a->status);
	for (size_t i = 0; i < a->n; i++)
		tunnel_cancel(a->v[i]);
	notify_close(&a->notify);
	close(a->signals);
	if (a->addresses >= 0)
		close(a->addresses);
	return a->stop ? 0 : EXIT_ERROR;
}

int tunnel_main(int argc, char **argv)
{
	struct agents a = {0};
	struct options first;
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && ask_knows(argv[1]))
		return ask_main(argc - 1, argv + 1);
	ask_nobody(); /* nor for a jump host, which BatchMode of its destination says nothing of */
	status = options_parse(argc, argv, usage, TUNNEL_NOBODY, &first);
	if (status == 0 && config_load(first.config, TUNNEL_NOBODY, first.config_file) < 0) {
		fputs(config_errors(first.config), stderr);
		status = EXIT_ERROR;
	}
	if (status == 0)
		status = add_all(&a, &first, argc, argv);
	if (status == 0)
		status = status_begin(&a, first.config);
	if (status == 0)
		status = serve(&a, config_yes(first.config, CONFIG_FORK_AFTER_AUTHENTICATION));
	for (size_t i = 0; i < a.n; i++) {
		tunnel_fini(a.v[i]);
		free(a.v[i]);
	}
	free(a.v);
	for (size_t i = 0; i < a.hosts && a.host != NULL; i++)
		options_fini(&a.host[i].o);
	free(a.host);
	options_fini(&first);
	return status < 0 ? 0 : status;
}

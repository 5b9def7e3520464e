/* client/shell/forward.c - sluice forward: forwards and no session. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "client/shell/listening.h"
#include "client/shell/run.h"
#include "client/shell/say.h"

static const char usage[] =
	"sluice forward [--json] [-D [ADDRESS:]PORT] [-L FORWARD] [-R FORWARD] [OPTION ...] "
	"DESTINATION\n"
	"options are those of sluice ssh; the ports in use are said on standard output\n";

static void told(struct run *r, const struct forward *f, uint16_t port)
{
	const char *kind = forward_kind_name(f->kind);

	if (r->o->json) {
		json_t *o = listening_json(f, port);

		json_object_set_new(o, "event", json_string("listening"));
		json_line(o);
		json_decref(o);
	} else if (f->listen.path) {
		printf("%s %s\n", kind, f->listen.host);
	} else {
		printf("%s %u\n", kind, port);
	}
	fflush(stdout);
}

static bool never(struct run *r)
{
	(void)r;
	return false;
}

static int work(struct run *r)
{
	int e = run_forwards(r);

	if (e != 0)
		return e;
	if (config_yes(r->o->config, CONFIG_FORK_AFTER_AUTHENTICATION))
		run_background(r);
	run_signals(r);
	run_until(r, never);
	return run_why(r);
}

int forward_main(int argc, char **argv)
{
	struct options o;
	struct run r = {0};
	int status = options_parse(argc, argv, usage, NULL, &o);

	signal(SIGPIPE, SIG_IGN);
	if (status == 0 && (o.argc > 0 || o.stdio)) {
		fprintf(stderr, "%s: runs no command\nusage: %s", o.name, usage);
		status = EXIT_ERROR;
	}
	/* Who asks for forwards alone wants all of them. */
	if (status == 0)
		status = config_set(o.config, CONFIG_EXIT_ON_FORWARD_FAILURE, "yes") < 0
				 ? EXIT_ERROR
				 : 0;
	if (status == 0)
		status = options_load(&o);
	if (status == 0 && !run_has_forwards(o.config)) {
		fprintf(stderr, "%s: there is nothing to forward: -L, -R or -D\n", o.name);
		status = EXIT_ERROR;
	}
	if (status == 0) {
		status = run_begin(&r, &o);
		r.told = told;
		if (status == 0)
			status = work(&r);
		run_end(&r);
	}
	options_fini(&o);
	return status < 0 ? 0 : status;
}

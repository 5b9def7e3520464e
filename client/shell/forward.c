/* client/shell/forward.c - sluice forward: forwards and no session. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "client/shell/run.h"
#include "client/shell/say.h"

static const char usage[] =
	"sluice forward [--json] [-D [ADDRESS:]PORT] [-L FORWARD] [-R FORWARD] [OPTION ...] "
	"DESTINATION\n"
	"options are those of sluice ssh; the ports in use are said on standard output\n";

static const char *kind_name(enum forward_kind kind)
{
	return kind == FORWARD_LOCAL ? "local" : kind == FORWARD_REMOTE ? "remote" : "dynamic";
}

static void told(const struct forward *f, uint16_t port, bool json)
{
	const struct forward_end *l = &f->listen, *t = &f->target;

	if (json) {
		json_t *o =
			json_pack("{s:s, s:s}", "event", "listening", "kind", kind_name(f->kind));

		if (l->path)
			json_object_set_new(o, "path", json_string(l->host));
		else
			json_object_set_new(o, "port", json_integer(port));
		if (!f->socks)
			json_object_set_new(o, "target", json_string(t->host));
		if (!f->socks && !t->path)
			json_object_set_new(o, "target_port", json_integer(t->port));
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (l->path) {
		printf("%s %s\n", kind_name(f->kind), l->host);
	} else {
		printf("%s %u\n", kind_name(f->kind), port);
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

static bool has_forwards(const struct config *c)
{
	return config_list(c, CONFIG_LOCAL_FORWARD)->n + config_list(c, CONFIG_REMOTE_FORWARD)->n +
		       config_list(c, CONFIG_DYNAMIC_FORWARD)->n >
	       0;
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
	if (status == 0 && !has_forwards(o.config)) {
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

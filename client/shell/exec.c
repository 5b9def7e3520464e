/* client/shell/exec.c - sluice exec: a command at one host or many, for programs. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command.h"
#include "client/shell/outlet.h"
#include "client/shell/run.h"
#include "client/shell/say.h"
#include "crypto/base64.h"

#define HOSTS_MAX   1024
#define AT_ONCE_MAX 64 /* connections */

static const char usage[] =
	"sluice exec [--json] [OPTION ...] DESTINATION[,DESTINATION ...] COMMAND [ARGUMENT ...]\n"
	"options are those of sluice ssh\n";

/* One host's part. */
struct part {
	char *host;
	struct options o;
	struct run run;
	bool loading, over; /* its configuration waits for a name */
	size_t place;
	int status;
	struct outlet out, err;
	char signal[65], why[1024];
};

/* --- what it said
 * ------------------------------------------------------------------------------------- */

/* As text when it is UTF-8, else in base64, by another name. */
static void json_bytes(json_t *o, const char *name, const struct outlet *said)
{
	json_t *s = json_stringn(said->n > 0 ? said->p : "", said->n);
	char other[32], *code;

	if (s != NULL) {
		json_object_set_new(o, name, s);
		return;
	}
	code = malloc(base64_len(said->n));
	if (code != NULL) {
		base64_encode((const uint8_t *)said->p, said->n, code);
		snprintf(other, sizeof(other), "%s_base64", name);
		json_object_set_new(o, other, json_stringn(code, base64_len(said->n)));
	}
	free(code);
}

static void part_json(const struct part *p)
{
	json_t *o = json_pack("{s:s}", "host", p->host);

	if (*p->why != '\0')
		json_object_set_new(o, "error", json_string(p->why));
	else if (*p->signal != '\0')
		json_object_set_new(o, "signal", json_string(p->signal));
	else
		json_object_set_new(o, "status", json_integer(p->status));
	json_bytes(o, "stdout", &p->out);
	json_bytes(o, "stderr", &p->err);
	if (p->out.dropped + p->err.dropped > 0)
		json_object_set_new(o, "dropped",
				    json_integer((json_int_t)(p->out.dropped + p->err.dropped)));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

/* What came in this turn. */
static void part_hear(struct part *p, bool json)
{
	if (json) {
		outlet_keep(&p->out);
		outlet_keep(&p->err);
		return;
	}
	outlet_lines(&p->out, stdout, p->host, p->over);
	outlet_lines(&p->err, stderr, p->host, p->over);
	fflush(stdout);
}

static void part_tell(const struct part *p, bool json)
{
	if (json) {
		part_json(p);
	} else {
		if (*p->why != '\0')
			say(SAY_QUIET, "%s: %s", p->host, p->why);
		else if (*p->signal != '\0')
			say(SAY_QUIET, "%s: ended by signal %s", p->host, p->signal);
		else if (p->status != 0)
			fprintf(stderr, "%s: exited with status %d\n", p->host, p->status);
	}
	fflush(stdout);
}

/* --- one host
 * ------------------------------------------------------------------------------------------- */

static void part_over(struct part *p)
{
	p->over = true;
	if (*p->why != '\0')
		return;
	if (p->run.session.used && session_over(&p->run.session)) {
		p->status = session_status(&p->run.session, p->signal);
		if (p->run.session.failed)
			snprintf(p->why, sizeof(p->why), "the command was not run");
	} else {
		run_failed_text(&p->run, p->why, sizeof(p->why));
	}
}

/* Its configuration was read, with p->status. */
static void part_loaded(struct part *p)
{
	p->loading = p->status == -EAGAIN;
	if (p->loading)
		return;
	if (p->status == 0)
		p->status = outlet_init(&p->out) < 0 || outlet_init(&p->err) < 0
				    ? EXIT_ERROR
				    : run_new(&p->run, &p->o);
	if (p->status != 0) {
		snprintf(p->why, sizeof(p->why), "not begun");
		p->over = true;
	}
}

static void part_begin(struct part *p, int argc, char **argv)
{
	p->status = options_parse(argc, argv, usage, p->host, &p->o);
	if (p->status == 0)
		p->status = options_load_begin(&p->o);
	part_loaded(p);
}

static void part_prepare(struct part *p, struct turn *t)
{
	if (p->loading)
		p->place = turn_add(t, config_fd(p->o.config), POLLIN);
	else
		run_prepare(&p->run, t);
	if (!p->loading && p->run.conn->state == CONN_OVER && !p->run.session.used)
		turn_within(t, 0); /* it was over as it was begun: nothing tells of it */
}

static void part_load(struct part *p, const struct turn *t)
{
	if (turn_ready(t, p->place) == 0)
		return;
	p->status = options_load_step(&p->o);
	part_loaded(p);
}

static void part_session(struct part *p, const char *command)
{
	p->run.session = (struct session){
		.conn = p->run.conn, .command = command, .escape = {.character = -1}};
	if (session_open(&p->run.session, -1, p->out.to, p->err.to) < 0)
		p->run.session.failed = true;
	p->run.session.pump.in_over = true; /* nothing is said to many */
}

static void part_go(struct part *p, const struct turn *t, const char *command, bool json)
{
	run_go(&p->run, t);
	if (p->run.conn->state == CONN_UP && !p->run.session.used)
		part_session(p, command);
	if (p->run.conn->state == CONN_OVER && p->run.session.used)
		p->run.session.pump.closed = true;
	if ((p->run.session.used && session_over(&p->run.session)) ||
	    (p->run.conn->state == CONN_OVER && !p->run.session.used))
		part_over(p);
	part_hear(p, json);
}

static void part_end(struct part *p)
{
	run_end(&p->run);
	options_fini(&p->o);
	outlet_fini(&p->out);
	outlet_fini(&p->err);
}

/* --- many
 * ---------------------------------------------------------------------------------------------- */

struct many {
	struct part *part;
	size_t n, next, busy;
	int status; /* of the first that was not 0 */
};

static void settle(struct many *m, struct part *p, bool json)
{
	part_tell(p, json);
	if (m->status == 0)
		m->status = *p->why != '\0' || *p->signal != '\0' ? EXIT_ERROR : p->status;
	part_end(p);
	m->busy--;
}

static void loop(struct many *m, int argc, char **argv, const char *command, bool json)
{
	struct turn t = {0};

	while (m->next < m->n || m->busy > 0) {
		while (m->next < m->n && m->busy < AT_ONCE_MAX) {
			struct part *p = &m->part[m->next++];

			m->busy++;
			part_begin(p, argc, argv);
			if (p->over)
				settle(m, p, json);
		}
		turn_begin(&t);
		for (size_t i = 0; i < m->next; i++)
			if (!m->part[i].over)
				part_prepare(&m->part[i], &t);
		if (m->busy == 0 || turn_wait(&t) < 0)
			continue;
		for (size_t i = 0; i < m->next; i++) {
			struct part *p = &m->part[i];

			if (p->over)
				continue;
			if (p->loading)
				part_load(p, &t);
			else
				part_go(p, &t, command, json);
			if (p->over)
				settle(m, p, json);
		}
	}
	turn_fini(&t);
}

static int exec_many(const struct options *o, int argc, char **argv, const char *command)
{
	const struct outlet none = {.from = -1, .to = -1};
	struct many m = {0};
	char *list = strdup(o->destination), *rest = list;

	m.part = calloc(HOSTS_MAX, sizeof(*m.part));
	for (char *h; list != NULL && m.part != NULL && (h = strsep(&rest, ",")) != NULL;) {
		if (m.n == HOSTS_MAX) {
			fprintf(stderr, "%s: more than %d hosts\n", o->name, HOSTS_MAX);
			m.status = EXIT_ERROR;
			break;
		}
		m.part[m.n++] =
			(struct part){.host = h, .out = none, .err = none, .run = {.signals = -1}};
	}
	if (m.status == 0)
		loop(&m, argc, argv, command, o->json);
	free(m.part);
	free(list);
	return m.status;
}

/* --- one, with our own descriptors
 * ------------------------------------------------------------------------ */

static int exec_one(int argc, char **argv)
{
	/* A session without a terminal, whatever a file says. */
	char *all[CONF_ARGS_MAX + 2];
	int n = 0;

	if (argc > CONF_ARGS_MAX)
		return EXIT_ERROR;
	all[n++] = argv[0];
	all[n++] = (char *)"-T";
	for (int i = 1; i < argc; i++)
		all[n++] = argv[i];
	all[n] = NULL;
	return ssh_main(n, all);
}

int exec_main(int argc, char **argv)
{
	struct options o;
	char *command = NULL;
	int status = options_parse(argc, argv, usage, "list", &o);

	signal(SIGPIPE, SIG_IGN);
	if (status == 0)
		command = options_command(&o);
	if (status == 0 && command == NULL) {
		fprintf(stderr, "%s: which command?\nusage: %s", o.name, usage);
		status = EXIT_ERROR;
	}
	if (status == 0)
		status = o.json || strchr(o.destination, ',') != NULL
				 ? exec_many(&o, argc, argv, command)
				 : exec_one(argc, argv);
	free(command);
	options_fini(&o);
	return status < 0 ? 0 : status;
}

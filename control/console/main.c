/*
 * sluice-console - the built-in console: what a user may know of his own login, for who has no
 * shell.
 *
 * It is started by sluice-helper as its user, and asks sluice-control (gateway.h), which answers
 * about that user alone. It opens nothing, starts nothing and reads no file. A line
 * is edited by the terminal itself.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/console/gateway.h"
#include "control/ctl/ctl.h"
#include "crypto/confine.h"

#define LINE_SIZE 1024

/* Exit status. */
enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const struct ctl form = {.form = CTL_TABLE};

/* --- what control says ---------------------------------------------------------------------- */

/* The rows of an answer; NULL once it was said why there are none. */
static json_t *rows_of(const char *word, const char *name)
{
	char *line = gateway_ask(word);
	json_t *v = line != NULL ? json_loads(line, 0, NULL) : NULL;
	json_t *rows = json_incref(json_object_get(v, name));

	if (rows == NULL && line != NULL)
		fprintf(stderr, "The gateway cannot tell.\n");
	free(line);
	json_decref(v);
	return rows;
}

/* --- commands --------------------------------------------------------------------------------- */

static const struct admin_field *field_of(const char *subject, const char *name)
{
	const struct admin_subject *s = admin_subject_find(subject);

	for (size_t i = 0; i < s->n_fields; i++)
		if (strcmp(s->field[i].name, name) == 0)
			return &s->field[i];
	return NULL;
}

static void line_print(const json_t *row, const char *title, const char *name)
{
	char buf[CTL_VALUE_MAX];

	printf("%-10s %s\n", title,
	       ctl_value(field_of("connections", name), json_object_get(row, name), buf));
}

static int status(void)
{
	json_t *rows = rows_of("status", "connections"), *row = json_array_get(rows, 0);

	if (rows == NULL)
		return FAILED;
	line_print(row, "user", "user");
	line_print(row, "from", "source");
	line_print(row, "port", "port");
	line_print(row, "gateway", "local");
	line_print(row, "client", "client");
	line_print(row, "key", "key");
	line_print(row, "since", "since");
	line_print(row, "channels", "channels");
	line_print(row, "listeners", "listeners");
	json_decref(rows);
	return DONE;
}

/* Those that lead somewhere: a session, as this one, is no tunnel. */
static void sessions_remove(json_t *rows)
{
	for (size_t i = json_array_size(rows); i-- > 0;) {
		const json_t *type = json_object_get(json_array_get(rows, i), "type");

		if (json_is_string(type) && strcmp(json_string_value(type), "session") == 0)
			(void)json_array_remove(rows, i);
	}
}

/* Fields of a subject of the gateway's, those that matter here. */
static void table_print(const char *subject, const char *const *names, size_t n, const json_t *rows)
{
	struct admin_field field[8];
	struct admin_subject s = {.name = subject, .field = field};

	for (size_t i = 0; i < n && i < sizeof(field) / sizeof(field[0]); i++)
		field[s.n_fields++] = *field_of(subject, names[i]);
	ctl_rows(&form, &s, rows, stdout);
}

static int tunnels(void)
{
	static const char *const of_channel[] = {"type",      "host", "port", "bytes_in",
						 "bytes_out", "age",  "idle"};
	static const char *const of_listener[] = {"address", "port", "state", "channels"};
	json_t *channels = rows_of("channels", "channels");
	json_t *listeners = channels != NULL ? rows_of("listeners", "listeners") : NULL;

	if (listeners != NULL) {
		sessions_remove(channels);
		table_print("channels", of_channel, 7, channels);
		putchar('\n');
		table_print("listeners", of_listener, 4, listeners);
	}
	json_decref(channels);
	json_decref(listeners);
	return listeners != NULL ? DONE : FAILED;
}

static int targets(void)
{
	static const struct admin_field field[] = {
		{"says", ADMIN_STRING, ADMIN_PLAIN, false, "SAYS", ""},
		{"target", ADMIN_STRING, ADMIN_PLAIN, false, "TARGET", ""},
		{"by", ADMIN_STRING, ADMIN_PLAIN, false, "BY", ""}};
	static const struct admin_subject s = {"targets", field, 3, false, ""};
	json_t *rows = rows_of("targets", "targets");

	if (rows == NULL)
		return FAILED;
	ctl_rows(&form, &s, rows, stdout);
	json_decref(rows);
	return DONE;
}

static int help(void);

static const struct {
	const char *name, *text;
	int (*run)(void); /* NULL: it is the end */
} commands[] = {
	{"status", "who I am here, from where, by which key, since when", status},
	{"tunnels", "what is open, with its bytes, and what is listened on for me", tunnels},
	{"targets", "where the rules let me go; the first that is about it decides", targets},
	{"help", "this", help},
	{"quit", "the end; so is the end of input", NULL},
	{"exit", "the same", NULL},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int help(void)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("%-8s %s\n", commands[i].name, commands[i].text);
	return DONE;
}

/* One line; an empty one is nothing. *ret_quit: it was the last. */
static int run(char *line, bool *ret_quit)
{
	char *save = NULL, *word = strtok_r(line, " \t\r\n", &save);

	if (word == NULL)
		return DONE;
	for (size_t i = 0; i < N_COMMANDS && strtok_r(NULL, " \t\r\n", &save) == NULL; i++) {
		if (strcmp(commands[i].name, word) != 0)
			continue;
		*ret_quit = commands[i].run == NULL;
		return *ret_quit ? DONE : commands[i].run();
	}
	fprintf(stderr, "No such command. \"help\" says which there are.\n");
	return USAGE;
}

/* --- lines -------------------------------------------------------------------------------------
 */

static void on_interrupt(int number)
{
	(void)number;
	gateway_interrupt();
}

/* An interrupted line is gone, as far as the terminal is concerned: another one begins. */
static bool line_read(bool prompt, char *buf)
{
	for (;;) {
		if (prompt)
			fputs("sluice> ", stdout);
		fflush(stdout);
		if (fgets(buf, LINE_SIZE, stdin) != NULL)
			return true;
		if (feof(stdin) || errno != EINTR)
			return false;
		clearerr(stdin);
		putchar('\n');
	}
}

/* What did not fit is no part of the next one. */
static bool line_whole(const char *buf)
{
	int c;

	if (strchr(buf, '\n') != NULL || feof(stdin))
		return true;
	while ((c = getchar()) != '\n' && c != EOF)
		;
	fprintf(stderr, "That is too long.\n");
	return false;
}

static int converse(void)
{
	bool terminal = isatty(STDIN_FILENO) == 1, quit = false;
	char line[LINE_SIZE];
	int r = DONE;

	if (terminal)
		printf("The console of this gateway; \"help\" says what it knows.\n");
	while (!quit && line_read(terminal, line))
		r = line_whole(line) ? run(line, &quit) : USAGE;
	if (terminal && !quit)
		putchar('\n');
	return terminal ? DONE : r;
}

/* --- the process -------------------------------------------------------------------------------
 */

static int confine(void)
{
	static const int calls[] = {
		SCMP_SYS(open),     SCMP_SYS(openat),     SCMP_SYS(openat2),   SCMP_SYS(creat),
		SCMP_SYS(socket),   SCMP_SYS(socketpair), SCMP_SYS(connect),   SCMP_SYS(bind),
		SCMP_SYS(listen),   SCMP_SYS(accept),     SCMP_SYS(accept4),   SCMP_SYS(unlink),
		SCMP_SYS(unlinkat), SCMP_SYS(rename),     SCMP_SYS(renameat2), SCMP_SYS(mkdir),
		SCMP_SYS(mkdirat),  SCMP_SYS(kill),       SCMP_SYS(tgkill),    SCMP_SYS(tkill),
		SCMP_SYS(clone),    SCMP_SYS(clone3),
	};
	int r = confine_dumps();

	return r < 0 ? r : confine_calls(calls, sizeof(calls) / sizeof(calls[0]));
}

static void signals(void)
{
	const struct sigaction interrupt = {.sa_handler = on_interrupt}; /* read() ends by it */

	(void)sigaction(SIGINT, &interrupt, NULL);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	char *command = NULL;
	bool quit;
	int c, r;

	while ((c = getopt(argc, argv, "c:")) != -1) {
		if (c != 'c')
			return USAGE;
		command = optarg;
	}
	if (optind < argc || confine() < 0)
		return USAGE;
	signals();
	r = command != NULL ? run(command, &quit) : converse();
	/* Nothing is left to do, and of what a library would do now we may not do much. */
	if (fflush(stdout) != 0)
		r = FAILED;
	_exit(r);
}

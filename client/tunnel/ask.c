/* client/tunnel/ask.c - see ask.h. */
#include "client/tunnel/ask.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/command.h"
#include "client/shell/options.h"
#include "client/shell/plain.h"
#include "client/tunnel/request.h"

static const char usage[] = "sluice tunnel [-F FILE] ...\n" ASK_USAGE;

static enum request_what what_of(const char *word)
{
	int what = REQUEST_STATUS;

	while (request_word(what) != NULL && strcmp(request_word(what), word) != 0)
		what++;
	return request_word(what) != NULL ? (enum request_what)what : 0;
}

bool ask_knows(const char *word)
{
	return what_of(word) != 0;
}

/* --- the socket ----------------------------------------------------------------------------------
 */

static FILE *reach(struct config *c)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char path[CONFIG_TEXT_MAX];
	FILE *f;
	int fd;

	if (!config_given(c, CONFIG_STATUS_SOCKET)) {
		fprintf(stderr, "sluice tunnel: the file has no StatusSocket: name it by -F\n");
		return NULL;
	}
	if (config_expanded(c, CONFIG_STATUS_SOCKET, 0, path, sizeof(path)) < 0) {
		fputs(config_errors(c), stderr);
		return NULL;
	}
	if (strlen(path) >= sizeof(un.sun_path)) {
		fprintf(stderr, "%s: %s\n", path, strerror(ENAMETOOLONG));
		return NULL;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	f = fdopen(fd, "r");
	if (f == NULL)
		close(fd);
	return f;
}

/* The next object; NULL: there is none. */
static json_t *object(FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	json_t *o = NULL;

	if (getline(&line, &room, f) > 0)
		o = json_loads(line, 0, NULL);
	free(line);
	return o;
}

/* The first object of the answer; NULL: said what is wrong. */
static json_t *answer(FILE *f, enum request_what what, const char *host, const char *listen)
{
	const json_t *hosts;
	json_t *o;

	dprintf(fileno(f), "%s%s%s%s%s\n", request_word(what), host != NULL ? " " : "",
		host != NULL ? host : "", listen != NULL ? " " : "", listen != NULL ? listen : "");
	o = object(f);
	hosts = json_object_get(o, "hosts");
	if (!json_is_integer(hosts))
		fprintf(stderr, "sluice tunnel: the agent does not understand\n");
	else if (json_integer_value(hosts) == 0 && host != NULL)
		fprintf(stderr, "sluice tunnel: it has no host %s\n", host);
	else
		return o;
	json_decref(o);
	return NULL;
}

/* Asks, and how many hosts it is about; below 0: said what is wrong. */
static json_int_t begin(FILE *f, enum request_what what, const char *host)
{
	json_t *o = answer(f, what, host, NULL);
	json_int_t n = o != NULL ? json_integer_value(json_object_get(o, "hosts")) : -1;

	json_decref(o);
	return n;
}

/* --- for people ----------------------------------------------------------------------------------
 */

static const char *text(const json_t *o, const char *name)
{
	const char *t = json_string_value(json_object_get(o, name));

	return t != NULL ? t : "";
}

static json_int_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* Padded to width: what a server or a file says steers no terminal. */
static void put(const char *t, int width)
{
	size_t left = strlen(t);
	int shown = 0;

	for (; left > 0; shown++) {
		size_t n = (unsigned char)*t < ' ' ? 0 : plain_char(t, left);

		if (n > 0)
			fwrite(t, 1, n, stdout);
		else
			putchar('?');
		n = n > 0 ? n : 1;
		t += n;
		left -= n;
	}
	for (; shown < width; shown++)
		putchar(' ');
}

/* The ports and sockets that are there: remote 2201, local 8080. */
static void forwards(const json_t *o)
{
	const json_t *list = json_object_get(o, "forwards"), *f;
	size_t i;

	json_array_foreach(list, i, f)
	{
		const char *state = text(f, "state"), *path = text(f, "path");
		bool there = *state == '\0' || strcmp(state, "listening") == 0;

		printf("%s", i > 0 ? ", " : "");
		put(text(f, "kind"), 0);
		putchar(' ');
		if (*path != '\0')
			put(path, 0);
		else
			printf("%lld", number(f, "port"));
		if (!there)
			printf(" (%s)", strcmp(state, "asked") == 0 ? "asked for" : "refused");
	}
	putchar('\n');
}

static void show_host(const json_t *o)
{
	const json_t *seconds = json_object_get(o, "seconds"),
		     *left = json_object_get(o, "remaining");
	const char *error = text(o, "last_error");

	put(text(o, "host"), 25);
	put(text(o, "state"), 11);
	printf("%8lld %12lld %12lld  ", number(o, "channels"), number(o, "bytes_in"),
	       number(o, "bytes_out"));
	forwards(o);
	if (strcmp(text(o, "state"), "up") == 0)
		return;
	if (*error != '\0') {
		printf("    ");
		put(error, 0);
		putchar('\n');
	}
	if (seconds != NULL) {
		json_int_t tries = number(o, "tries");

		printf("    try %lld in %.1f s", tries > 0 ? tries : 1, json_number_value(seconds));
		if (left != NULL)
			printf(", %lld more", json_integer_value(left));
		putchar('\n');
	}
}

static void show_end(const json_t *o, const char *name, const char *before)
{
	char port[32];

	snprintf(port, sizeof(port), "%s_port", name);
	if (*text(o, name) == '\0' && json_object_get(o, port) == NULL)
		return;
	printf("%s", before);
	put(text(o, name), 0);
	if (json_object_get(o, port) != NULL)
		printf(":%lld", number(o, port));
}

static void show_channels_of(const json_t *o)
{
	const json_t *list = json_object_get(o, "channels"), *c;
	size_t i;

	json_array_foreach(list, i, c)
	{
		put(text(o, "host"), 25);
		printf("%5lld ", number(c, "id"));
		put(text(c, "state"), 9);
		printf("%12lld %12lld ", number(c, "bytes_in"), number(c, "bytes_out"));
		show_end(c, "origin", " ");
		show_end(c, "connected", " at ");
		show_end(c, "target", " to ");
		putchar('\n');
	}
}

static void head(enum request_what what)
{
	if (what == REQUEST_STATUS)
		printf("%-24s %-10s %8s %12s %12s  %s\n", "HOST", "STATE", "CHANNELS", "IN", "OUT",
		       "FORWARDS");
	else
		printf("%-24s %5s %-8s %12s %12s  %s\n", "HOST", "ID", "STATE", "IN", "OUT",
		       "WHO, AT, TO");
}

/* --- requests ------------------------------------------------------------------------------------
 */

static int list(FILE *f, enum request_what what, const char *host, bool json)
{
	json_int_t n = begin(f, what, host);

	if (n >= 0 && !json)
		head(what);
	for (json_int_t i = 0; i < n; i++) {
		json_t *o = object(f);

		if (o == NULL) {
			fprintf(stderr, "sluice tunnel: the agent is gone\n");
			return EXIT_FAILED;
		}
		if (json) {
			json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
			putchar('\n');
		} else if (what == REQUEST_STATUS) {
			show_host(o);
		} else {
			show_channels_of(o);
		}
		json_decref(o);
	}
	return n < 0 ? EXIT_FAILED : 0;
}

/* Events as they come, until the agent ends. */
static int follow(FILE *f)
{
	json_t *o;

	if (begin(f, REQUEST_FOLLOW, NULL) < 0)
		return EXIT_FAILED;
	while ((o = object(f)) != NULL) {
		json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		putchar('\n');
		fflush(stdout);
		json_decref(o);
	}
	return 0;
}

/* One listener of one host's. */
static int cancel(FILE *f, const char *host, const char *listen)
{
	json_t *o = answer(f, REQUEST_CANCEL, host, listen);
	bool done = o != NULL && number(o, "cancelled") > 0;

	if (o != NULL && !done)
		fprintf(stderr, "sluice tunnel: no listener %s of %s\n", listen, host);
	json_decref(o);
	return done ? 0 : EXIT_FAILED;
}

static int ask(FILE *f, enum request_what what, const struct options *o)
{
	const char *first = o->destination;
	int status = 0;

	if (what == REQUEST_FOLLOW)
		return follow(f);
	if (what == REQUEST_STATUS || what == REQUEST_CHANNELS)
		return list(f, what, first, o->json);
	if (what == REQUEST_CANCEL)
		return cancel(f, first, o->argv[0]);
	status = begin(f, what, first) < 0 ? EXIT_FAILED : 0;
	for (int i = 0; i < o->argc; i++)
		if (begin(f, what, o->argv[i]) < 0)
			status = EXIT_FAILED;
	return status;
}

int ask_main(int argc, char **argv)
{
	enum request_what what = what_of(argv[0]);
	bool steers = what == REQUEST_RECONNECT || what == REQUEST_STOP;
	bool cancels = what == REQUEST_CANCEL;
	struct options o;
	FILE *f;
	/* Something stands in the place of a host: the file is read for its socket. */
	int status = options_parse(argc, argv, usage, TUNNEL_NOBODY, &o);

	if (status == 0 && ((steers && o.destination == NULL) || (cancels && o.argc != 1) ||
			    (!steers && !cancels && o.argc > 0) ||
			    (what == REQUEST_FOLLOW && o.destination != NULL))) {
		fprintf(stderr, "usage: %s", usage);
		status = EXIT_USAGE;
	}
	if (status == 0 && config_load(o.config, TUNNEL_NOBODY, o.config_file) < 0) {
		fputs(config_errors(o.config), stderr);
		status = EXIT_FAILED;
	}
	if (status == 0) {
		f = reach(o.config);
		status = f != NULL ? ask(f, what, &o) : EXIT_FAILED;
		if (f != NULL)
			fclose(f);
	}
	options_fini(&o);
	return status < 0 ? 0 : status;
}

/*
 * sluicectl - asks and steers a running gateway over the socket of sluice-control.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl/ctl.h"

#define RUN_DEFAULT   "/run/sluice"
#define REQUEST_WORDS 41

struct command {
	const char *name, *args, *text;
	int least, most; /* words behind its name */
	int (*run)(const struct ctl *c, char **word, int n);
};

/* --- show ------------------------------------------------------------------------------- */

static int show_rows(const struct ctl *c, const char *name, const json_t *v)
{
	const struct admin_subject *s = admin_subject_find(name);

	if (s != NULL)
		ctl_rows(c, s, json_object_get(v, name), stdout);
	else
		ctl_object(c, v, stdout);
	return CTL_OK;
}

static int print_json(const struct ctl *c, json_t *v)
{
	(void)c;
	json_dumpf(v, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	return CTL_OK;
}

/* Words as control wants them: options are its own words there. rows: those its answer has, or
 * NULL. */
static int ask_and_print(const struct ctl *c, char **word, int n, const char *rows)
{
	char *request = ctl_request(word, n);
	json_t *v = NULL;
	int r;

	if (request == NULL)
		return CTL_USAGE;
	r = ctl_ask(c, request, &v);
	free(request);
	if (r == CTL_OK && c->form == CTL_JSON)
		r = print_json(c, v);
	else if (r == CTL_OK && rows != NULL)
		r = show_rows(c, rows, v);
	else if (r == CTL_OK)
		ctl_object(c, v, stdout);
	json_decref(v);
	return r;
}

static int show(const struct ctl *c, char **word, int n)
{
	return ask_and_print(c, word, n, word[1]);
}

static int steer(const struct ctl *c, char **word, int n)
{
	return ask_and_print(c, word, n, NULL);
}

/* Behind the connection all that is left is the reason. */
static int disconnect(const struct ctl *c, char **word, int n)
{
	char reason[512] = "reason=", *words[REQUEST_WORDS];
	size_t used = strlen(reason);
	int k = 0;

	for (int i = 0; i < n; i++) {
		bool target = i < 2 || strncmp(word[i], "user=", 5) == 0 ||
			      strncmp(word[i], "address=", 8) == 0 ||
			      strncmp(word[i], "conn=", 5) == 0;

		if (target && used == 7)
			words[k++] = word[i];
		else if (used < sizeof(reason))
			used += (size_t)snprintf(reason + used, sizeof(reason) - used, "%s%s",
						 used > 7 ? " " : "", word[i]);
	}
	if (used > 7)
		words[k++] = reason;
	return steer(c, words, k);
}

static int shut_down(const struct ctl *c, char **word, int n)
{
	char buf[32], *words[] = {word[0], buf};

	if (c->grace == NULL)
		return steer(c, word, n);
	if (ctl_seconds(c->grace, buf) != NULL)
		return steer(c, words, 2);
	fprintf(stderr, "sluicectl: a grace is a number with s, m, h or d\n");
	return CTL_USAGE;
}

/* What differs, and then whom it would end, and who would have other rates. */
static void reload_print(const struct ctl *c, const struct admin_subject *s, const json_t *v)
{
	static const struct admin_field cut[] = {
		{"uid", ADMIN_INTEGER, ADMIN_PLAIN, false, "CUTS-CONN", ""},
		{"user", ADMIN_STRING, ADMIN_PLAIN, false, "USER", ""},
		{"source", ADMIN_STRING, ADMIN_PLAIN, false, "SOURCE", ""}};
	static const struct admin_field rate[] = {
		{"uid", ADMIN_INTEGER, ADMIN_PLAIN, false, "RATES-CONN", ""},
		{"user", ADMIN_STRING, ADMIN_PLAIN, false, "USER", ""},
		{"source", ADMIN_STRING, ADMIN_PLAIN, false, "SOURCE", ""}};
	static const struct admin_subject touched[] = {{"cuts", cut, 3, false, ""},
						       {"rates", rate, 3, false, ""}};
	json_int_t unknown = json_integer_value(json_object_get(v, "cuts_unknown"));

	ctl_rows(c, s, json_object_get(v, "differs"), stdout);
	for (size_t i = 0; i < sizeof(touched) / sizeof(touched[0]); i++) {
		const json_t *rows = json_object_get(v, touched[i].name);

		if (json_array_size(rows) > 0)
			ctl_rows(c, &touched[i], rows, stdout);
	}
	if (json_is_string(json_object_get(v, "note")))
		fprintf(stderr, "%s\n", json_string_value(json_object_get(v, "note")));
	if (unknown > 0)
		fprintf(stderr, "%" JSON_INTEGER_FORMAT " more may go or change, by their groups or keys\n",
			unknown);
}

static int reload(const struct ctl *c, char **word, int n)
{
	static const struct admin_field field[] = {
		{"keyword", ADMIN_STRING, ADMIN_PLAIN, false, "KEYWORD", ""},
		{"from", ADMIN_STRING, ADMIN_PLAIN, false, "IN-FORCE-FROM", ""}};
	static const struct admin_subject s = {"differs", field, 2, false, ""};
	char dry[] = "dry-run", *words[] = {word[0], dry};
	char *request;
	json_t *v = NULL;
	int r;

	(void)n;
	request = ctl_request(words, c->dry_run ? 2 : 1);
	if (request == NULL)
		return CTL_USAGE;
	r = ctl_ask(c, request, &v);
	free(request);
	if (r == CTL_OK && c->form == CTL_JSON)
		r = print_json(c, v);
	else if (r == CTL_OK)
		reload_print(c, &s, v);
	json_decref(v);
	return r;
}

static int rekey(const struct ctl *c, char **word, int n)
{
	char all[] = "all", *words[] = {word[0], all};

	if (c->all)
		return steer(c, words, 2);
	if (n > 1)
		return steer(c, word, n);
	fprintf(stderr, "sluicectl: rekey whom? A number, filters, or --all\n");
	return CTL_USAGE;
}

static int trace(const struct ctl *c, char **word, int n)
{
	(void)n;
	return ctl_trace(c, word[1]);
}

static int top(const struct ctl *c, char **word, int n)
{
	(void)word;
	(void)n;
	return ctl_top(c);
}

static int schema(const struct ctl *c, char **word, int n)
{
	json_t *v = ctl_schema();

	(void)c;
	(void)word;
	(void)n;
	if (v == NULL)
		return CTL_REFUSED;
	json_dumpf(v, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(v);
	return CTL_OK;
}

/* --- the command line ---------------------------------------------------------------------- */

static const struct command commands[] = {
	{"show", "WHAT [FILTER...]", "what there is now: see below", 1, 8, show},
	{"disconnect", "CONN|FILTER...|all [REASON]", "tell clients why and disconnect them", 1, 40,
	 disconnect},
	{"close", "CHANNEL|CONN:PORT", "close a channel, or listeners of a client", 1, 1, steer},
	{"open", "CONN TYPE SOCKET [raw=BASE64]", "open a channel to a client for a program", 3, 4,
	 steer},
	{"rekey", "CONN|FILTER...|--all", "begin a key exchange", 0, 4, rekey},
	{"drain", "", "let nobody new in; who is in goes on", 0, 0, steer},
	{"undrain", "", "let people in again", 0, 0, steer},
	{"shutdown", "[--grace TIME]", "drain, wait, disconnect who is left, end", 0, 0, shut_down},
	{"reload", "[--dry-run]", "read the configuration again; show what differs", 0, 0, reload},
	{"top", "[--once] [--interval S] [--sort BY]", "cores and channels as they work", 0, 0,
	 top},
	{"trace", "CONN [--pcapng FILE] [--for TIME] [--messages N]",
	 "each message of a connection: its name and fields", 1, 1, trace},
	{"schema", "", "what --json prints, as a JSON schema", 0, 0, schema},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define USAGE_TEXT 32 /* the column of what each does */

static void usage(FILE *f)
{
	const struct admin_subject *s;

	fprintf(f, "usage: sluicectl [-hjntV] [-s SOCKET] COMMAND ...\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *cmd = &commands[i];
		int n = fprintf(f, "  %s %s", cmd->name, cmd->args);

		/* What has no room beside it stands below it. */
		if (n > USAGE_TEXT - 1)
			n = fprintf(f, "\n") - 1;
		fprintf(f, "%*s%s\n", USAGE_TEXT - n, "", cmd->text);
	}
	fprintf(f, "\nWHAT is info, counters, or\n");
	for (size_t i = 0; (s = admin_subject_at(i)) != NULL; i++)
		fprintf(f, "  %-*s%s\n", USAGE_TEXT - 2, s->name, s->text);
	fprintf(f, "FILTER is user=NAME, address=ADDRESS[/BITS], conn=NUMBER\n\n"
		   "  -j, --json       one JSON object\n"
		   "  -t, --tsv        lines with tabs, every field\n"
		   "  -n, --no-header  no line of titles\n"
		   "  -s, --socket     instead of $SLUICE_RUN/control.sock\n"
		   "  -h, --help       this\n"
		   "  -V, --version    which version this is\n");
}

static int run(const struct ctl *c, char **word, int n)
{
	for (size_t i = 0; n > 0 && i < N_COMMANDS; i++) {
		const struct command *cmd = &commands[i];

		if (strcmp(cmd->name, word[0]) != 0)
			continue;
		if (n - 1 >= cmd->least && n - 1 <= cmd->most)
			return cmd->run(c, word, n);
		fprintf(stderr, "usage: sluicectl %s %s\n", cmd->name, cmd->args);
		return CTL_USAGE;
	}
	if (n > 0)
		fprintf(stderr, "sluicectl: there is no command %s: see sluicectl --help\n",
			word[0]);
	else
		usage(stderr);
	return CTL_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"tsv", no_argument, NULL, 't'},
						{"no-header", no_argument, NULL, 'n'},
						{"socket", required_argument, NULL, 's'},
						{"grace", required_argument, NULL, 'G'},
						{"dry-run", no_argument, NULL, 'D'},
						{"all", no_argument, NULL, 'A'},
						{"once", no_argument, NULL, 'O'},
						{"interval", required_argument, NULL, 'I'},
						{"sort", required_argument, NULL, 'S'},
						{"pcapng", required_argument, NULL, 'P'},
						{"for", required_argument, NULL, 'F'},
						{"messages", required_argument, NULL, 'M'},
						{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'V'},
						{0}};
	const char *run_dir = getenv("SLUICE_RUN");
	char path[4096];
	struct ctl c = {.socket = path};
	int o;

	snprintf(path, sizeof(path), "%s/control.sock", run_dir != NULL ? run_dir : RUN_DEFAULT);
	while ((o = getopt_long(argc, argv, "jtns:hV", options, NULL)) != -1) {
		switch (o) {
		case 'j':
			c.form = CTL_JSON;
			break;
		case 't':
			c.form = CTL_TSV;
			break;
		case 'n':
			c.bare = true;
			break;
		case 's':
			c.socket = optarg;
			break;
		case 'G':
			c.grace = optarg;
			break;
		case 'D':
			c.dry_run = true;
			break;
		case 'O':
			c.once = true;
			break;
		case 'I':
			c.interval = optarg;
			break;
		case 'S':
			c.sort = optarg;
			break;
		case 'P':
			c.pcapng = optarg;
			break;
		case 'F':
			c.lasting = optarg;
			break;
		case 'M':
			c.messages = optarg;
			break;
		case 'A':
			c.all = true;
			break;
		case 'h':
			usage(stdout);
			return CTL_OK;
		case 'V':
			printf("sluicectl %s\n", SLUICE_VERSION);
			return CTL_OK;
		default:
			return CTL_USAGE;
		}
	}
	o = run(&c, argv + optind, argc - optind);
	return fflush(stdout) == 0 && !ferror(stdout) ? o : CTL_REFUSED;
}

/* client/shell/options.c - see options.h. */
#include "client/shell/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/shell/say.h"

enum { OPT_JSON = 256 };

static const struct option longs[] = {
	{"json", no_argument, NULL, OPT_JSON}, {"help", no_argument, NULL, 'h'}, {0}};

/* What stands for a keyword and its value; NULL: the option's argument. */
static const struct {
	int option;
	enum config_id id;
	const char *value;
} keywords[] = {
	{'4', CONFIG_ADDRESS_FAMILY, "inet"},
	{'6', CONFIG_ADDRESS_FAMILY, "inet6"},
	{'A', CONFIG_FORWARD_AGENT, "yes"},
	{'a', CONFIG_FORWARD_AGENT, "no"},
	{'B', CONFIG_BIND_INTERFACE, NULL},
	{'b', CONFIG_BIND_ADDRESS, NULL},
	{'C', CONFIG_COMPRESSION, "yes"},
	{'c', CONFIG_CIPHERS, NULL},
	{'D', CONFIG_DYNAMIC_FORWARD, NULL},
	{'e', CONFIG_ESCAPE_CHAR, NULL},
	{'f', CONFIG_FORK_AFTER_AUTHENTICATION, "yes"},
	{'f', CONFIG_STDIN_NULL, "yes"},
	{'g', CONFIG_GATEWAY_PORTS, "yes"},
	{'i', CONFIG_IDENTITY_FILE, NULL},
	{'J', CONFIG_PROXY_JUMP, NULL},
	{'K', CONFIG_GSSAPI_AUTHENTICATION, "yes"},
	{'K', CONFIG_GSSAPI_DELEGATE_CREDENTIALS, "yes"},
	{'k', CONFIG_GSSAPI_DELEGATE_CREDENTIALS, "no"},
	{'L', CONFIG_LOCAL_FORWARD, NULL},
	{'l', CONFIG_USER, NULL},
	{'m', CONFIG_MACS, NULL},
	{'N', CONFIG_SESSION_TYPE, "none"},
	{'N', CONFIG_REQUEST_TTY, "no"},
	{'n', CONFIG_STDIN_NULL, "yes"},
	{'p', CONFIG_PORT, NULL},
	{'q', CONFIG_LOG_LEVEL, "QUIET"},
	{'R', CONFIG_REMOTE_FORWARD, NULL},
	{'S', CONFIG_CONTROL_PATH, NULL},
	{'s', CONFIG_SESSION_TYPE, "subsystem"},
	{'T', CONFIG_REQUEST_TTY, "no"},
	{'W', CONFIG_CLEAR_ALL_FORWARDINGS, "yes"},
	{'W', CONFIG_EXIT_ON_FORWARD_FAILURE, "yes"},
	{'W', CONFIG_SESSION_TYPE, "none"},
	{'W', CONFIG_REQUEST_TTY, "no"},
	{'X', CONFIG_FORWARD_X11, "yes"},
	{'x', CONFIG_FORWARD_X11, "no"},
	{'Y', CONFIG_FORWARD_X11, "yes"},
	{'Y', CONFIG_FORWARD_X11_TRUSTED, "yes"},
};

/* Options of ssh's that say something this one cannot do. */
static const struct {
	int option;
	const char *what;
	bool refuse; /* what was asked for would not happen */
} unsupported[] = {
	{'I', "a module is named as an identity: -i pkcs11:module-path=FILE", true},
	{'P', "a tag", true},
	{'w', "tunnel devices", true},
	{'y', "the system's log", false},
};

static int set(struct options *o, enum config_id id, const char *value)
{
	if (config_set(o->config, id, value) == 0)
		return 0;
	fprintf(stderr, "%s", config_errors(o->config));
	return EXIT_ERROR;
}

static int unsupported_option(int opt)
{
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		if (unsupported[i].option != opt)
			continue;
		fprintf(stderr, "-%c: not supported by sluice: %s\n", opt, unsupported[i].what);
		return unsupported[i].refuse ? EXIT_ERROR : 0;
	}
	return 0;
}

/* --- lists of what there is: -Q --------------------------------------------------------------- */

static int query(const char *what)
{
	const struct conf_algs *algs = config_algs();
	static const char *const aliases[][2] = {{"cipher", "ciphers"},
						 {"mac", "macs"},
						 {"kex", "kexalgorithms"},
						 {"sig", "hostkeyalgorithms"},
						 {"key-sig", "pubkeyacceptedalgorithms"}};
	const char *const lists[] = {algs->ciphers.all, algs->macs.all, algs->kex.all,
				     algs->hostkey.all, algs->pubkey_accepted.all};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (strcasecmp(what, aliases[i][0]) != 0 && strcasecmp(what, aliases[i][1]) != 0)
			continue;
		for (const char *p = lists[i]; *p != '\0'; p++)
			putchar(*p == ',' ? '\n' : *p);
		putchar('\n');
		return 0;
	}
	if (strcmp(what, "help") == 0) {
		for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
			puts(aliases[i][0]);
		return 0;
	}
	fprintf(stderr, "Unsupported query \"%s\"\n", what);
	return EXIT_ERROR;
}

/* --- one option --------------------------------------------------------------------------------
 */

/* An identity that is not there is no error: another may do. */
static void identity_look(const char *path)
{
	if (strncmp(path, "pkcs11:", 7) != 0 && *path != '~' && strchr(path, '%') == NULL &&
	    access(path, F_OK) < 0)
		fprintf(stderr, "Warning: Identity file %s not accessible: %s.\n", path,
			strerror(errno));
}

/* What a master can be told; NULL: there is no such one. */
static const char *control_command(const char *name)
{
	static const char *const names[] = {"check", "exit", "stop", "forward", "cancel"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return names[i];
	return NULL;
}

struct seen {
	unsigned int ttys, masters;
	bool done;
	int status;
};

/* 0; else it is over, with seen->status. */
static int one(struct options *o, int opt, struct seen *seen)
{
	int r = unsupported_option(opt);

	for (size_t i = 0; r == 0 && i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (keywords[i].option == opt)
			r = set(o, keywords[i].id,
				keywords[i].value != NULL ? keywords[i].value : optarg);
	if (r != 0)
		return seen->status = r;
	switch (opt) {
	case 'l':
		if (destination_user_ok(optarg))
			return 0;
		fprintf(stderr, "remote username contains invalid characters\n");
		return seen->status = EXIT_ERROR;
	case 'E':
		r = say_file(optarg);
		if (r < 0)
			fprintf(stderr, "Couldn't open logfile %s: %s\n", optarg, strerror(-r));
		return seen->status = r < 0 ? EXIT_ERROR : 0;
	case 'F':
		o->config_file = optarg;
		return 0;
	case 'G':
		o->dump = true;
		return 0;
	case 'i':
		identity_look(optarg);
		return 0;
	case 'o':
		if (config_option(o->config, optarg) == 0)
			return 0;
		fprintf(stderr, "%s", config_errors(o->config));
		return seen->status = EXIT_ERROR;
	case 'Q':
		seen->status = query(optarg);
		return seen->done = true;
	case 'M':
		seen->masters++;
		return 0;
	case 'O':
		o->control = control_command(optarg);
		if (o->control != NULL)
			return 0;
		fprintf(stderr, "Invalid multiplex command.\n");
		return seen->status = EXIT_ERROR;
	case 't':
		seen->ttys++;
		return 0;
	case 'V':
		printf("sluice %s\n", SLUICE_VERSION);
		return seen->done = true;
	case 'v':
		o->verbose += o->verbose < 3;
		return 0;
	case 'W':
		o->stdio = optarg;
		if (forward_target_parse(optarg, &o->target) == 0)
			return 0;
		fprintf(stderr, "Bad stdio forwarding specification '%s'\n", optarg);
		return seen->status = EXIT_ERROR;
	case OPT_JSON:
		o->json = true;
		return 0;
	}
	return 0;
}

static int destination_take(struct options *o, const char *text)
{
	struct destination d;
	char port[8];
	int r = 0;

	if (destination_parse(text, false, &d) < 0) {
		fprintf(stderr, "%s: bad destination \"%s\"\n", o->name, text);
		return EXIT_ERROR;
	}
	/* -l and -p, which came before, go before it. */
	snprintf(port, sizeof(port), "%u", d.port);
	if (*d.user != '\0')
		r = set(o, CONFIG_USER, d.user);
	if (r == 0 && d.port > 0)
		r = set(o, CONFIG_PORT, port);
	o->host = strdup(d.host);
	return o->host == NULL ? EXIT_ERROR : r;
}

/* What follows from options together. */
static int finish(struct options *o, const struct seen *seen)
{
	static const char *const levels[] = {"", "DEBUG", "DEBUG2", "DEBUG3"};
	int r = 0;

	if (seen->ttys > 0)
		r = set(o, CONFIG_REQUEST_TTY, seen->ttys > 1 ? "force" : "yes");
	if (r == 0 && seen->masters > 0)
		r = set(o, CONFIG_CONTROL_MASTER, seen->masters > 1 ? "ask" : "yes");
	if (r == 0 && o->verbose > 0)
		r = set(o, CONFIG_LOG_LEVEL, levels[o->verbose]);
	return r;
}

#define LETTERS "+46AaB:b:Cc:D:E:e:F:fGghI:i:J:KkL:l:Mm:NnO:o:P:p:Q:qR:S:sTtVvW:w:XxYy"

int options_parse(int argc, char **argv, const char *usage, const char *as, struct options *ret)
{
	struct options o = {.name = argv[0], .config = config_new(config_algs())};
	struct seen seen = {0};
	int opt, r = o.config == NULL ? EXIT_ERROR : 0;

	optind = 1;
	/* Options may stand behind the destination, too, but not behind the command's first word.
	 */
	while (r == 0 && !seen.done) {
		opt = getopt_long(argc, argv, LETTERS, longs, NULL);
		if (opt == '?' || opt == 'h') {
			fprintf(opt == '?' ? stderr : stdout, "usage: %s", usage);
			seen.status = opt == '?' ? EXIT_ERROR : 0;
			seen.done = true;
		} else if (opt >= 0) {
			r = one(&o, opt, &seen) != 0 ? seen.status : 0;
		} else if (o.host == NULL && optind < argc) {
			o.destination = argv[optind++];
			r = destination_take(&o, as != NULL ? as : o.destination);
		} else {
			break;
		}
	}
	if (r == 0 && !seen.done && o.host == NULL && as != NULL)
		r = destination_take(&o, as);
	if (r == 0 && !seen.done && o.host == NULL) {
		fprintf(stderr, "usage: %s", usage);
		r = EXIT_ERROR;
	}
	if (r == 0 && !seen.done)
		r = finish(&o, &seen);
	o.argv = argv + optind;
	o.argc = argc - optind;
	*ret = o;
	return seen.done ? (seen.status != 0 ? seen.status : -1) : r;
}

void options_fini(struct options *o)
{
	config_free(o->config);
	free((char *)o->host);
	*o = (struct options){0};
}

/* r: of config_load(). */
static int loaded(const struct options *o, int r)
{
	enum say_level level = SAY_INFO;

	if (r == -EAGAIN)
		return r;
	if (r == -ENOMEM)
		fprintf(stderr, "%s: out of memory\n", o->name);
	if (r < 0) {
		fprintf(stderr, "%s", config_errors(o->config));
		return EXIT_ERROR;
	}
	say_level_find(config_text(o->config, CONFIG_LOG_LEVEL), &level);
	say_level_set(level);
	if (level >= SAY_ERROR && level != SAY_QUIET)
		fputs(config_warnings(o->config, false), stderr);
	if (level >= SAY_DEBUG)
		fputs(config_warnings(o->config, true), stderr);
	return 0;
}

int options_load(struct options *o)
{
	return loaded(o, config_load(o->config, o->host, o->config_file));
}

int options_load_begin(struct options *o)
{
	return loaded(o, config_load_begin(o->config, o->host, o->config_file));
}

int options_load_step(struct options *o)
{
	return loaded(o, config_load_step(o->config));
}

char *options_command(const struct options *o)
{
	size_t len = 1;
	char *all;

	if (o->argc == 0)
		return NULL;
	for (int i = 0; i < o->argc; i++)
		len += strlen(o->argv[i]) + 1;
	all = malloc(len);
	if (all == NULL)
		return NULL;
	*all = '\0';
	for (int i = 0; i < o->argc; i++) {
		strcat(all, o->argv[i]);
		if (i + 1 < o->argc)
			strcat(all, " ");
	}
	return all;
}

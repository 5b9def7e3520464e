/* client/config/config.c - what holds for a destination: options, files, defaults. */
#include "client/config/config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/config/forward.h"
#include "client/config/internal.h"

#define USER_FILE   ".ssh/config"
#define SYSTEM_FILE "/etc/ssh/ssh_config"
#define SAID_MAX    (64 * 1024) /* bytes of errors, and of warnings; more are not kept */

/* --- what is said -------------------------------------------------------------------------------
 */

void config_say(struct config *c, struct text *to, const struct config_place *at, const char *fmt,
		...)
{
	char line[PATH_MAX + 1024];
	va_list ap;
	size_t n = 0;
	char *p;

	if (at != NULL && at->file != NULL)
		n = (size_t)snprintf(line, PATH_MAX + 32, "%s line %u: ", at->file, at->number);
	else if (at != NULL)
		n = (size_t)snprintf(line, PATH_MAX + 32, "command-line: ");
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	/* What stands in a file does not steer a terminal. */
	for (p = line; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	*p++ = '\n';
	n = (size_t)(p - line);
	p = to->len + n > SAID_MAX ? to->p : realloc(to->p, to->len + n + 1);
	if (p == NULL) {
		c->no_memory = true;
		return;
	}
	to->p = p;
	if (to->len + n > SAID_MAX)
		return;
	memcpy(p + to->len, line, n);
	to->len += n;
	p[to->len] = '\0';
}

const char *config_errors(const struct config *c)
{
	return c->errors.p != NULL ? c->errors.p : "";
}

const char *config_warnings(const struct config *c, bool verbose)
{
	const struct text *t = verbose ? &c->notes : &c->warnings;

	return t->p != NULL ? t->p : "";
}

/* --- life ---------------------------------------------------------------------------------------
 */

struct config *config_new(const struct conf_algs *algs)
{
	struct config *c = calloc(1, sizeof(*c));
	struct passwd entry, *pw = NULL;
	char text[PASSWD_MAX];
	const char *home = getenv("HOME");

	if (c == NULL)
		return NULL;
	(void)getpwuid_r(getuid(), &entry, text, sizeof(text), &pw);
	c->algs = algs;
	if (home == NULL || *home == '\0' || pw != NULL)
		home = pw != NULL ? pw->pw_dir : "/";
	c->home = arena_strdup(&c->arena, home);
	c->localuser = arena_strdup(&c->arena, pw != NULL ? pw->pw_name : "");
	if (c->home == NULL || c->localuser == NULL) {
		config_free(c);
		return NULL;
	}
	return c;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	canon_free(c->canon);
	arena_fini(&c->arena);
	free(c->errors.p);
	free(c->warnings.p);
	free(c->notes.p);
	free(c);
}

static int outcome(const struct config *c)
{
	return c->no_memory ? -ENOMEM : c->errors.len > 0 ? -EINVAL : 0;
}

int config_option(struct config *c, const char *text)
{
	struct config_place at = {.user = true, .active = true};
	char *copy = strdup(text);
	size_t had = c->errors.len;

	if (copy == NULL)
		return -ENOMEM;
	if (line_clean(copy, strlen(copy)))
		config_line(c, copy, &at);
	else
		config_say(c, &c->errors, &at, "line contains a control character");
	free(copy);
	return c->no_memory ? -ENOMEM : c->errors.len > had ? -EINVAL : 0;
}

int config_set(struct config *c, enum config_id id, const char *value)
{
	const struct config_place at = {.user = true, .active = true};
	const char *word = arena_strdup(&c->arena, value);
	size_t had = c->errors.len;

	if (word == NULL)
		return -ENOMEM;
	config_keyword(c, &config_kws[id], &at, &word, 1);
	return c->no_memory ? -ENOMEM : c->errors.len > had ? -EINVAL : 0;
}

/* --- passes --------------------------------------------------------------------------------------
 */

static void default_set(struct config *c, size_t id)
{
	const struct config_place at = {.active = true};
	const struct config_kw *kw = &config_kws[id];
	const char *args[CONF_ARGS_MAX];
	const struct conf_alg_names *names;
	int n;

	if (c->value[id].n > 0)
		return;
	if (kw->type == TYPE_ALGS && c->algs != NULL) {
		names = (const void *)((const char *)c->algs + kw->algs);
		if (!config_add(c, &c->value[id], &names->dflt, 1))
			c->no_memory = true;
	}
	if (kw->dflt == NULL)
		return;
	n = args_split(&c->arena, kw->dflt, args, CONF_ARGS_MAX);
	if (n < 0 || !config_value(c, kw, &at, args, (unsigned int)n, &c->value[id]))
		c->no_memory = true;
}

static bool canonicalizes(const struct config *c)
{
	return !c->from_memory && config_text(c, CONFIG_CANONICALIZE_HOSTNAME) != NULL &&
	       !config_is(c, CONFIG_CANONICALIZE_HOSTNAME, "no");
}

static void forwards_clear(struct config *c)
{
	static const enum config_id ids[] = {CONFIG_LOCAL_FORWARD, CONFIG_REMOTE_FORWARD,
					     CONFIG_DYNAMIC_FORWARD};

	if (!config_yes(c, CONFIG_CLEAR_ALL_FORWARDINGS))
		return;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		c->value[ids[i]] = (struct conf_strs){NULL, 0};
}

/* What follows from other values. */
static void settle(struct config *c)
{
	bool own_files = c->set[CONFIG_USER_KNOWN_HOSTS_FILE];
	const char *word = own_files ? "no" : "yes";

	for (size_t i = 0; i < CONFIG_IDS; i++)
		default_set(c, i);
	if (c->value[CONFIG_UPDATE_HOST_KEYS].n == 0 &&
	    !config_add(c, &c->value[CONFIG_UPDATE_HOST_KEYS], &word, 1))
		c->no_memory = true;
	if (c->value[CONFIG_USER].n == 0 &&
	    !config_add(c, &c->value[CONFIG_USER], &c->localuser, 1))
		c->no_memory = true;
	forwards_clear(c);
}

/* This name is in force. */
static void host_put(struct config *c, const char *name)
{
	const char *host = arena_strdup(&c->arena, name);

	if (host == NULL) {
		c->no_memory = true;
		return;
	}
	c->host = host;
	c->value[CONFIG_HOSTNAME] = (struct conf_strs){NULL, 0};
	if (!config_add(c, &c->value[CONFIG_HOSTNAME], &host, 1))
		c->no_memory = true;
	c->set[CONFIG_HOSTNAME] = true;
}

/* What Hostname and its %h come to, in small letters. */
static void host_settle(struct config *c)
{
	char real[1024];

	if (!config_real_host(c, real, sizeof(real)) || !destination_host_ok(real)) {
		config_say(c, &c->errors, NULL, "hostname contains invalid characters");
		return;
	}
	for (char *p = real; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	host_put(c, real);
}

/* The host's whole name, with which files are read again. 0 or -EAGAIN. */
static int canonicalize(struct config *c)
{
	static const enum config_id with[] = {CONFIG_CANONICALIZE_FALLBACK_LOCAL,
					      CONFIG_CANONICALIZE_MAX_DOTS};
	char name[CONFIG_HOST_MAX];

	c->wants_final = true;
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		default_set(c, with[i]);
	if (config_canonicalize(c, name) < 0)
		return -EAGAIN;
	if (*name == '\0')
		return 0;
	if (destination_host_ok(name))
		host_put(c, name);
	else
		config_say(c, &c->errors, NULL, "hostname contains invalid characters");
	return 0;
}

static void read_files(struct config *c, const char *file)
{
	char path[PATH_MAX];

	if (file != NULL) {
		if (strcasecmp(file, "none") != 0)
			config_file(c, file, NULL, true, false, true);
		return;
	}
	if (snprintf(path, sizeof(path), "%s/" USER_FILE, c->home) < (int)sizeof(path))
		config_file(c, path, NULL, true, true, false);
	config_file(c, SYSTEM_FILE, NULL, false, false, false);
}

static int begin(struct config *c, const char *host)
{
	c->given = c->host = arena_strdup(&c->arena, host);
	return c->given != NULL ? 0 : -ENOMEM;
}

int config_load_begin(struct config *c, const char *host, const char *file)
{
	if (begin(c, host) < 0)
		return -ENOMEM;
	if (file != NULL && (c->file = arena_strdup(&c->arena, file)) == NULL)
		return -ENOMEM;
	read_files(c, c->file);
	host_settle(c);
	return config_load_step(c);
}

/* CanonicalizeHostname and Match final have all files read again, with the name that is in force.
 */
int config_load_step(struct config *c)
{
	if (!c->named && canonicalizes(c) && outcome(c) == 0 && canonicalize(c) < 0)
		return -EAGAIN;
	c->named = true;
	if (c->wants_final && outcome(c) == 0) {
		c->final = true;
		read_files(c, c->file);
	}
	settle(c);
	return outcome(c);
}

int config_fd(const struct config *c)
{
	return c->canon != NULL ? canon_fd(c->canon) : -1;
}

int config_load(struct config *c, const char *host, const char *file)
{
	int r = config_load_begin(c, host, file);

	while (r == -EAGAIN) {
		struct pollfd p = {config_fd(c), POLLIN, 0};

		(void)poll(&p, 1, -1);
		r = config_load_step(c);
	}
	return r;
}

int config_parse(struct config *c, const char *host, const char *text, size_t len)
{
	struct config_place at = {.file = "text", .user = true, .active = true};
	char *copy = malloc(len + 1);

	if (copy == NULL || begin(c, host) < 0) {
		free(copy);
		return -ENOMEM;
	}
	c->from_memory = true;
	if (len > 0)
		memcpy(copy, text, len);
	config_lines(c, copy, len, &at);
	free(copy);
	host_settle(c);
	settle(c);
	return outcome(c);
}

/* --- values
 * --------------------------------------------------------------------------------------- */

const struct conf_strs *config_list(const struct config *c, enum config_id id)
{
	return &c->value[id];
}

const char *config_text(const struct config *c, enum config_id id)
{
	return c->value[id].n > 0 ? c->value[id].v[0] : NULL;
}

bool config_is(const struct config *c, enum config_id id, const char *value)
{
	const char *text = config_text(c, id);

	return text != NULL && strcmp(text, value) == 0;
}

bool config_yes(const struct config *c, enum config_id id)
{
	return config_is(c, id, "yes");
}

uint64_t config_number(const struct config *c, enum config_id id)
{
	const char *text = config_text(c, id);

	return text != NULL ? strtoull(text, NULL, config_kws[id].type == TYPE_OCTAL ? 8 : 10) : 0;
}

uint32_t config_channel_timeout(const struct config *c, const char *type)
{
	return channel_timeout(&c->value[CONFIG_CHANNEL_TIMEOUT], type);
}

bool config_given(const struct config *c, enum config_id id)
{
	return c->set[id];
}

const struct conf_strs *config_hosts(const struct config *c)
{
	return &c->hosts;
}

const char *config_host_given(const struct config *c)
{
	return c->given;
}

/* --- as text
 * -------------------------------------------------------------------------------------- */

static enum forward_kind kind_of(size_t id)
{
	return id == CONFIG_LOCAL_FORWARD    ? FORWARD_LOCAL
	       : id == CONFIG_REMOTE_FORWARD ? FORWARD_REMOTE
					     : FORWARD_DYNAMIC;
}

static void word_dump(struct config *c, size_t id, size_t i, FILE *f)
{
	const char *word = c->value[id].v[i];
	char buf[FORWARD_TEXT_MAX];
	struct forward fwd;

	if (config_kws[id].type == TYPE_FORWARD && forward_parse(kind_of(id), word, &fwd) == 0)
		word = forward_text(&fwd, buf, sizeof(buf));
	else if (id == CONFIG_USER_KNOWN_HOSTS_FILE &&
		 config_expand(c, word, EXPAND_TILDE, buf, sizeof(buf)) >= 0)
		word = buf;
	if (id == CONFIG_IDENTITY_FILE)
		config_identity_print(word, f);
	else
		fputs(word, f);
}

/* Is each word a line of its own? */
static bool adds_lines(enum config_type type)
{
	return type == TYPE_ADD || type == TYPE_KEYS || type == TYPE_ENV || type == TYPE_FORWARD ||
	       type == TYPE_SETENV || type == TYPE_LIB_LINES;
}

void config_dump(struct config *c, FILE *f)
{
	for (size_t id = 0; id < CONFIG_IDS; id++) {
		bool lines = adds_lines(config_kws[id].type);

		if (id >= CONFIG_OWN && !c->set[id])
			continue;
		for (size_t i = 0; i < c->value[id].n; i++) {
			if (i == 0 || lines)
				for (const char *p = config_kws[id].name; *p != '\0'; p++)
					fputc(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p, f);
			fputc(' ', f);
			word_dump(c, id, i, f);
			if (lines || i + 1 == c->value[id].n)
				fputc('\n', f);
		}
	}
}

/* client/config/file.c - files of ssh_config(5) line by line: Include, blocks, keywords. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/config/internal.h"
#include "conf/match.h"

#define SYSTEM_DIR "/etc/ssh"

/* --- Include ------------------------------------------------------------------------------------
 */

static bool include_path(struct config *c, const struct config_place *at, const char *pattern,
			 char *buf, size_t size)
{
	int n;

	if (*pattern == '~') {
		if (!at->user)
			return false;
		return config_expand(c, pattern, EXPAND_TILDE, buf, size) >= 0;
	}
	if (*pattern == '/')
		n = snprintf(buf, size, "%s", pattern);
	else if (at->user)
		n = snprintf(buf, size, "%s/.ssh/%s", c->home, pattern);
	else
		n = snprintf(buf, size, SYSTEM_DIR "/%s", pattern);
	return n >= 0 && (size_t)n < size;
}

static void include(struct config *c, struct config_place *at, const char *const *argv,
		    unsigned int argc)
{
	char path[PATH_MAX];
	glob_t found;

	if (argc == 0 || c->from_memory || at->file == NULL || at->depth >= CONF_INCLUDE_DEPTH) {
		config_say(c, &c->errors, at, "Include: %s",
			   argc == 0                         ? "missing argument"
			   : at->depth >= CONF_INCLUDE_DEPTH ? "too many levels"
							     : "not possible here");
		return;
	}
	for (unsigned int i = 0; i < argc; i++) {
		if (!include_path(c, at, argv[i], path, sizeof(path))) {
			config_say(c, &c->errors, at, "Include: bad path %.100s", argv[i]);
			continue;
		}
		if (glob(path, 0, NULL, &found) != 0)
			continue; /* what is not there says nothing */
		for (size_t j = 0; j < found.gl_pathc; j++)
			config_file(c, found.gl_pathv[j], at, at->user, at->check, false);
		globfree(&found);
	}
}

/* --- keywords ------------------------------------------------------------------------------------
 */

static bool adds_up(enum config_type type)
{
	return type == TYPE_ADD || type == TYPE_KEYS || type == TYPE_ENV || type == TYPE_FORWARD ||
	       type == TYPE_LIB_LINES;
}

/* A ProxyCommand, a ProxyJump and a Proxy are one thing said in three ways. */
static bool taken(const struct config *c, size_t id)
{
	if (id == CONFIG_PROXY_JUMP || id == CONFIG_PROXY_COMMAND || id == CONFIG_PROXY)
		return c->set[CONFIG_PROXY_JUMP] || c->set[CONFIG_PROXY_COMMAND] ||
		       c->set[CONFIG_PROXY];
	return c->set[id] && !adds_up(config_kws[id].type);
}

static bool list_has(const struct conf_strs *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

void config_keyword(struct config *c, const struct config_kw *kw, const struct config_place *at,
		    const char *const *argv, unsigned int argc)
{
	size_t id = (size_t)(kw - config_kws);
	struct conf_strs scratch = {NULL, 0}, *list = &c->value[id];

	/* A line that does not hold is checked all the same. */
	if (kw->type == TYPE_ENV && at->active)
		scratch = *list;
	if (!config_value(c, kw, at, argv, argc, &scratch) || !at->active || taken(c, id))
		return;
	c->set[id] = true;
	if (!adds_up(kw->type) || kw->type == TYPE_ENV) {
		*list = scratch;
		return;
	}
	for (size_t i = 0; i < scratch.n; i++)
		if (!list_has(list, scratch.v[i]) && !config_add(c, list, &scratch.v[i], 1))
			config_say(c, &c->errors, at, "%s: too many", kw->name);
}

/* A comma list without regard to case. */
static bool among(const char *list, const char *word)
{
	return list != NULL && match_list(word, list, true) == MATCH_YES;
}

static void other(struct config *c, const char *name, const struct config_place *at,
		  const char *value)
{
	const struct config_other *o = config_other_find(name);
	const char *ignored = config_text(c, CONFIG_IGNORE_UNKNOWN);

	if (o == NULL && ignored != NULL && match_list(name, ignored, true) == MATCH_YES)
		return;
	if (o == NULL)
		config_say(c, &c->errors, at, "Bad configuration option: %.100s", name);
	else if (o->refused)
		config_say(c, &c->errors, at, "%s: %s", o->name, o->instead);
	else if (at->active && !c->final && !among(o->harmless, value))
		config_say(c, o->quiet ? &c->notes : &c->warnings, at,
			   "%s is not supported by sluice and has no effect%s%s", o->name,
			   o->instead != NULL ? ": " : "", o->instead != NULL ? o->instead : "");
}

static void names_add(struct config *c, const struct config_place *at, const char *const *argv,
		      unsigned int argc)
{
	for (unsigned int i = 0; i < argc; i++)
		if (*argv[i] != '!' && strpbrk(argv[i], "*?") == NULL &&
		    !list_has(&c->hosts, argv[i]) && !config_add(c, &c->hosts, &argv[i], 1))
			config_say(c, &c->errors, at, "Host: too many");
}

void config_line(struct config *c, char *text, struct config_place *at)
{
	const char *args[CONF_ARGS_MAX];
	const struct config_kw *kw;
	char *rest;
	bool host;
	int n = 1;

	text += strspn(text, " \t");
	if (*text == '\0' || *text == '#')
		return;
	rest = keyword_split(text);
	kw = config_kw_find(text);
	if (kw != NULL && (kw->type == TYPE_REST || kw->type == TYPE_JUMP)) {
		args[0] = arena_strdup(&c->arena, rest);
		n = args[0] == NULL ? -ENOMEM : *rest != '\0';
	} else {
		n = args_split(&c->arena, rest, args, CONF_ARGS_MAX);
	}
	if (n == -ENOMEM)
		c->no_memory = true;
	else if (n < 0)
		config_say(c, &c->errors, at,
			   n == -E2BIG ? "too many arguments" : "invalid quotes");
	if (n < 0)
		return;
	host = strcasecmp(text, "Host") == 0;
	if (host)
		names_add(c, at, args, (unsigned int)n);
	if (host || strcasecmp(text, "Match") == 0) {
		int r = at->file == NULL
				? (config_say(c, &c->errors, at, "%s is no option", text), -1)
			: host ? config_host_line(c, at, args, (unsigned int)n)
			       : config_match_line(c, at, args, (unsigned int)n);

		at->active = r == 1 && !at->never;
	} else if (strcasecmp(text, "Include") == 0) {
		include(c, at, args, (unsigned int)n);
	} else if (kw != NULL) {
		config_keyword(c, kw, at, args, (unsigned int)n);
	} else {
		other(c, text, at, n > 0 ? args[0] : "");
	}
}

/* --- files ---------------------------------------------------------------------------------------
 */

void config_lines(struct config *c, char *text, size_t len, struct config_place *at)
{
	char *end = text + len;

	while (text < end && !c->no_memory) {
		char *eol = memchr(text, '\n', (size_t)(end - text));

		if (eol == NULL)
			eol = end; /* the byte behind is ours too */
		at->number++;
		if (line_clean(text, (size_t)(eol - text)))
			config_line(c, text, at);
		else
			config_say(c, &c->errors, at, "line contains a control character");
		text = eol + 1;
	}
}

/* Nobody else may have written what the user's own file says. */
static bool owner_ok(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ||
	       ((st.st_uid == 0 || st.st_uid == getuid()) && (st.st_mode & 022) == 0);
}

/* must: that it is not there is an error. */
void config_file(struct config *c, const char *path, const struct config_place *from, bool user,
		 bool check, bool must)
{
	struct config_place at = {.file = arena_strdup(&c->arena, path),
				  .depth = from != NULL ? from->depth + 1 : 0,
				  .user = user,
				  .check = check,
				  .never = from != NULL && (from->never || !from->active)};
	char *text = NULL;
	size_t len = 0;
	int r;

	at.active = !at.never;
	if (at.file == NULL) {
		c->no_memory = true;
		return;
	}
	if (++c->files > 2 * CONF_FILES_MAX) {
		config_say(c, &c->errors, from, "too many files");
		return;
	}
	if (check && !owner_ok(path)) {
		config_say(c, &c->errors, NULL, "Bad owner or permissions on %s", path);
		return;
	}
	r = conf_file_read(path, &text, &len);
	if (r == -ENOMEM)
		c->no_memory = true;
	else if (r < 0 && (must || (r != -ENOENT && r != -ENOTDIR)))
		config_say(c, &c->errors, NULL, "Can't open user config file %s: %s", path,
			   strerror(-r));
	else if (r == 0)
		config_lines(c, text, len, &at);
	free(text);
}

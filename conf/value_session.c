/*
 * conf/value_session.c - values of keywords about what sessions run.
 */
#include <ctype.h>
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"

/* --- ForceCommand: the rest of the line, which a shell reads; none --------------------------- */

static bool parse_line(struct value *v, const struct kw *kw, void *field)
{
	(void)kw;
	*(const char **)field = strcasecmp(v->argv[0], "none") == 0 ? NULL : v->argv[0];
	return true;
}

static void print_line(const struct kw *kw, const void *field, FILE *f)
{
	const char *line = *(const char *const *)field;

	(void)kw;
	fputs(line != NULL ? line : "none", f);
}

const struct value_type type_line = {1, 1, true, parse_line, print_line, NULL};

/* --- ChrootDirectory: an absolute path with tokens; none ---------------------------------------
 */

static bool parse_chroot(struct value *v, const struct kw *kw, void *field)
{
	const char *path = v->argv[0];

	if (strcasecmp(path, "none") == 0) {
		*(const char **)field = NULL;
		return true;
	}
	/* %h begins with a slash of its own. */
	if (path[0] != '/' && strncmp(path, "%h", 2) != 0)
		return value_bad(v, "%s must be an absolute path", kw->info.name);
	for (const char *p = path; (p = strchr(p, '%')) != NULL; p += 2)
		if (p[1] != 'u' && p[1] != 'h' && p[1] != '%')
			return value_bad(v, "%s: unknown token in '%.100s'", kw->info.name, path);
	*(const char **)field = path;
	return true;
}

static void print_chroot(const struct kw *kw, const void *field, FILE *f)
{
	const char *path = *(const char *const *)field;

	(void)kw;
	if (path != NULL)
		value_print_arg(path, f);
	else
		fputs("none", f);
}

const struct value_type type_chroot = {1, 1, false, parse_chroot, print_chroot, NULL};

/* --- AcceptEnv: patterns of names; SetEnv: NAME=VALUE ------------------------------------------
 */

static bool parse_env_patterns(struct value *v, const struct kw *kw, void *field)
{
	for (unsigned int i = 0; i < v->argc; i++)
		if (strchr(v->argv[i], '=') != NULL)
			return value_bad(v, "%s: invalid environment name", kw->info.name);
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_env_patterns = {
	1, CONF_ARGS_MAX, false, parse_env_patterns, value_print_lines, value_strs_absent};

static bool parse_setenv(struct value *v, const struct kw *kw, void *field)
{
	for (unsigned int i = 0; i < v->argc; i++)
		if (v->argv[i][0] == '=' || strchr(v->argv[i], '=') == NULL)
			return value_bad(v, "%s: invalid environment", kw->info.name);
	value_strs_borrow(v, field);
	return true;
}

/* All on one line: a second one would be of no effect. */
static void print_setenv(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	(void)kw;
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			fputc(' ', f);
		value_print_arg(s->v[i], f);
	}
}

const struct value_type type_setenv = {
	1, CONF_ARGS_MAX, false, parse_setenv, print_setenv, value_strs_absent};

/* --- PermitUserEnvironment: yes, no, or a comma list of patterns ------------------------------ */

#define ANY_NAME "*"

static bool parse_user_env(struct value *v, const struct kw *kw, void *field)
{
	const char *list = v->argv[0];

	if (strcasecmp(list, "yes") == 0)
		list = ANY_NAME;
	else if (strcasecmp(list, "no") == 0)
		list = NULL;
	else if (!match_list_valid(list) || strchr(list, '=') != NULL)
		return value_bad(v, "%s: bad list of patterns", kw->info.name);
	*(const char **)field = list;
	return true;
}

static void print_user_env(const struct kw *kw, const void *field, FILE *f)
{
	const char *list = *(const char *const *)field;

	(void)kw;
	if (list == NULL)
		fputs("no", f);
	else if (strcmp(list, ANY_NAME) == 0)
		fputs("yes", f);
	else
		value_print_arg(list, f);
}

const struct value_type type_user_env = {1, 1, false, parse_user_env, print_user_env, NULL};

/* --- Subsystem: NAME and the rest of the line
 * ----------------------------------------------------- */

bool conf_subsystem_split(const char *line, size_t *ret_name, const char **ret_command)
{
	size_t n = strcspn(line, " \t");

	line += n;
	line += strspn(line, " \t");
	if (n == 0 || *line == '\0')
		return false;
	*ret_name = n;
	*ret_command = line;
	return true;
}

static bool parse_subsystem(struct value *v, const struct kw *kw, void *field)
{
	const char *command;
	size_t n;

	if (!conf_subsystem_split(v->argv[0], &n, &command))
		return value_bad(v, "%s missing argument.", kw->info.name);
	if (n > CONF_SUBSYSTEM_MAX || !isgraph((unsigned char)v->argv[0][0]))
		return value_bad(v, "%s: bad name", kw->info.name);
	value_strs_borrow(v, field);
	return true;
}

static void print_subsystems(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	(void)kw;
	for (size_t i = 0; i < s->n; i++)
		fprintf(f, "%s%s", i > 0 ? "\nsubsystem " : "", s->v[i]);
}

const struct value_type type_subsystem = {
	1, 1, true, parse_subsystem, print_subsystems, value_strs_absent};
const char *conf_subsystem(const struct conf_session *s, const char *name)
{
	const char *command;
	size_t n;

	for (size_t i = 0; i < s->subsystems.n; i++)
		if (conf_subsystem_split(s->subsystems.v[i], &n, &command) && strlen(name) == n &&
		    memcmp(s->subsystems.v[i], name, n) == 0)
			return command;
	return NULL;
}

/* --- ChannelTimeout: TYPE=TIME…, none -----------------------------------------------------------
 */

/* One entry: 0 and its time; false: it is none. */
static bool timeout_split(const char *entry, size_t *ret_len, uint32_t *ret_ms)
{
	const char *equals = strchr(entry, '=');

	*ret_len = equals != NULL ? (size_t)(equals - entry) : 0;
	return *ret_len > 0 && *ret_len < CHANNEL_TYPE_MAX && time_read(equals + 1, ret_ms);
}

bool channel_timeout_valid(const char *entry)
{
	uint32_t ms;
	size_t len;

	return timeout_split(entry, &len, &ms);
}

static bool parse_channel_timeouts(struct value *v, const struct kw *kw, void *field)
{
	if (v->argc == 1 && strcasecmp(v->argv[0], "none") == 0) {
		*(struct conf_strs *)field = (struct conf_strs){NULL, 0};
		return true;
	}
	for (unsigned int i = 0; i < v->argc; i++)
		if (!channel_timeout_valid(v->argv[i]))
			return value_bad(v, "Invalid %s argument: %.100s", kw->info.name,
					 v->argv[i]);
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_channel_timeouts = {
	1, CONF_ARGS_MAX, false, parse_channel_timeouts, value_print_words, NULL};

/* What is for all together is meant by no pattern. */
const char *channel_entry(const struct conf_strs *entries, const char *type)
{
	bool wants_all = strcmp(type, "global") == 0;

	for (size_t i = 0; i < entries->n; i++) {
		const char *equals = strchr(entries->v[i], '=');
		size_t len = equals != NULL ? (size_t)(equals - entries->v[i]) : 0;
		char pattern[CHANNEL_TYPE_MAX];
		bool all;

		if (len == 0 || len >= sizeof(pattern))
			continue;
		memcpy(pattern, entries->v[i], len);
		pattern[len] = '\0';
		all = strcmp(pattern, "global") == 0;
		if (all == wants_all && (all || match_pattern(type, pattern)))
			return equals + 1;
	}
	return NULL;
}

uint32_t channel_timeout(const struct conf_strs *entries, const char *type)
{
	const char *text = channel_entry(entries, type);
	uint32_t ms;

	return text != NULL && time_read(text, &ms) ? ms : 0;
}

uint32_t conf_channel_timeout(const struct conf_session *s, const char *type)
{
	return channel_timeout(&s->channel_timeouts, type);
}

/* --- OperationTimeout: TIME|none [opens] --------------------------------------------------------
 */

#define OPENS_ONLY "opens"

static bool parse_operation(struct value *v, const struct kw *kw, void *field)
{
	struct conf_operation o = {.ms = CONF_TIME_NONE, .opens_only = v->argc > 1};

	if (strcasecmp(v->argv[0], "none") != 0 && !time_read(v->argv[0], &o.ms))
		return value_bad(v, "%s: invalid time value '%.100s'", kw->info.name, v->argv[0]);
	if (o.opens_only && strcasecmp(v->argv[1], OPENS_ONLY) != 0)
		return value_bad(v, "%s: unknown word '%.100s'", kw->info.name, v->argv[1]);
	*(struct conf_operation *)field = o;
	return true;
}

static void print_operation(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_operation *o = field;

	(void)kw;
	time_print(o->ms, f);
	if (o->opens_only)
		fputs(" " OPENS_ONLY, f);
}

const struct value_type type_operation = {1, 2, false, parse_operation, print_operation, NULL};

/* Who never waits has no send that blocks. */
uint32_t conf_send_timeout(const struct conf_session *s)
{
	const struct conf_operation *o = &s->operation_timeout;

	return o->opens_only || o->ms == CONF_TIME_NONE ? 0 : o->ms;
}

/* conf/hook.c - PolicyHook and ChannelHandler. */
#include "conf/hook.h"

#include <string.h>
#include <strings.h>

#include "conf/internal.h"

#define WORD_MAX 512

static const struct {
	const char *name;
	unsigned int kind;
} kinds[] = {
	{"connection", CONF_HOOK_CONNECTION},
	{"established", CONF_HOOK_ESTABLISHED},
	{"service", CONF_HOOK_SERVICE},
	{"auth", CONF_HOOK_AUTH},
	{"auth-secret", CONF_HOOK_AUTH_SECRET},
	{"auth-sig", CONF_HOOK_AUTH_SIG},
	{"channel-open", CONF_HOOK_CHANNEL_OPEN},
	{"channel-request", CONF_HOOK_CHANNEL_REQUEST},
	{"forward", CONF_HOOK_FORWARD},
	{"status", CONF_HOOK_STATUS},
	{"auth-result", CONF_HOOK_AUTH_RESULT},
	{"channel-opened", CONF_HOOK_CHANNEL_OPENED},
	{"channel-eof", CONF_HOOK_CHANNEL_EOF},
	{"channel-closed", CONF_HOOK_CHANNEL_CLOSED},
	{"tunnel-closed", CONF_HOOK_TUNNEL_CLOSED},
	{"error", CONF_HOOK_ERROR},
	{"closed", CONF_HOOK_CLOSED},
	{"news", CONF_HOOK_NEWS},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Every decision; secrets, news, and what happens many times a session are asked for by name. */
#define KINDS_USUAL                                                                                \
	(CONF_HOOK_CONNECTION | CONF_HOOK_ESTABLISHED | CONF_HOOK_SERVICE | CONF_HOOK_AUTH |       \
	 CONF_HOOK_CHANNEL_OPEN | CONF_HOOK_FORWARD)
/* What the configuration alone would refuse and a program may be given to allow. */
#define KINDS_OF_AUTHORITY CONF_HOOK_AUTH

const char *conf_hook_kind_name(enum conf_hook_kind kind)
{
	for (size_t i = 0; i < N_KINDS; i++)
		if (kinds[i].kind == (unsigned int)kind)
			return kinds[i].name;
	return "";
}

/* --- words of a line ---------------------------------------------------------------------------
 */

/* The next word of *line, which moves behind it. False: none, or it is too long. */
static bool word_next(const char **line, char *buf, size_t size)
{
	const char *p = *line + strspn(*line, " \t");
	size_t n = strcspn(p, " \t");

	if (n == 0 || n >= size)
		return false;
	memcpy(buf, p, n);
	buf[n] = '\0';
	*line = p + n;
	return true;
}

static bool at_end(const char *line)
{
	return line[strspn(line, " \t")] == '\0';
}

/* Comma list of names; 0: one is unknown, or there are none. */
static unsigned int kinds_read(const char *list)
{
	unsigned int bits = 0;

	for (;;) {
		size_t n = strcspn(list, ","), i = 0;

		while (i < N_KINDS &&
		       (strlen(kinds[i].name) != n || strncasecmp(kinds[i].name, list, n) != 0))
			i++;
		if (i == N_KINDS)
			return 0;
		bits |= kinds[i].kind;
		if (list[n] == '\0')
			return bits;
		list += n + 1;
	}
}

static bool path_ok(const char *path)
{
	return path[0] == '/' && strlen(path) < CONF_SOCKET_MAX;
}

/* --- PolicyHook /socket [kinds=…] [timeout=…] [fail=open|closed] [authority=…] -------------- */

static const char *option_value(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

/* NULL, or what is wrong with it. */
static const char *hook_option(const char *word, struct conf_hook *h)
{
	const char *v;

	if ((v = option_value(word, "kinds")) != NULL) {
		h->kinds = kinds_read(v);
		return h->kinds != 0 ? NULL : "unknown kind";
	}
	if ((v = option_value(word, "authority")) != NULL) {
		h->authority = kinds_read(v);
		return h->authority != 0 && (h->authority & ~KINDS_OF_AUTHORITY) == 0
			       ? NULL
			       : "authority is over auth";
	}
	if ((v = option_value(word, "timeout")) != NULL)
		return time_read(v, &h->timeout_ms) && h->timeout_ms > 0 ? NULL : "bad timeout";
	if ((v = option_value(word, "fail")) != NULL) {
		h->fail_open = strcasecmp(v, "open") == 0;
		return h->fail_open || strcasecmp(v, "closed") == 0 ? NULL
								    : "fail is open or closed";
	}
	return "unknown option";
}

/* NULL, or what is wrong with the line; word: where. */
static const char *hook_read(const char *line, struct conf_hook *h, char word[WORD_MAX])
{
	const char *why;

	*h = (struct conf_hook){.kinds = KINDS_USUAL, .timeout_ms = CONF_HOOK_WAIT_MS};
	word[0] = '\0';
	if (!word_next(&line, word, WORD_MAX) || !path_ok(word))
		return "not an absolute path of a socket";
	strcpy(h->path, word);
	while (!at_end(line)) {
		if (!word_next(&line, word, WORD_MAX))
			return "option too long";
		why = hook_option(word, h);
		if (why != NULL)
			return why;
	}
	return (h->authority & ~h->kinds) == 0 ? NULL : "authority over a kind it does not have";
}

static bool parse_hook(struct value *v, const struct kw *kw, void *field)
{
	char word[WORD_MAX];
	struct conf_hook h;
	const char *why = hook_read(v->argv[0], &h, word);

	if (why != NULL)
		return value_bad(v, "%s: %s: '%.100s'", kw->info.name, why, word);
	value_strs_borrow(v, field);
	return true;
}

static void print_raw_lines(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_strs *s = field;

	for (size_t i = 0; i < s->n; i++) {
		if (i > 0) {
			fputc('\n', f);
			for (const char *p = kw->info.name; *p != '\0'; p++)
				fputc(*p | 0x20, f);
			fputc(' ', f);
		}
		fputs(s->v[i], f);
	}
}

const struct value_type type_hook = {1, 1, true, parse_hook, print_raw_lines, value_strs_absent};

bool conf_hook_for(const struct conf_session *s, enum conf_hook_kind kind, struct conf_hook *ret)
{
	char word[WORD_MAX];

	for (size_t i = 0; i < s->policy_hooks.n; i++)
		if (hook_read(s->policy_hooks.v[i], ret, word) == NULL &&
		    (ret->kinds & (unsigned int)kind) != 0)
			return true;
	return false;
}

bool conf_hook_news(const struct conf *conf)
{
	return conf->news;
}

bool hook_line_news(const char *line)
{
	char word[WORD_MAX];
	struct conf_hook h;

	return hook_read(line, &h, word) == NULL && (h.kinds & CONF_HOOK_NEWS) != 0;
}

/* --- ChannelHandler TYPE[/NAME] /socket ---------------------------------------------------------
 */

static bool handler_read(const char *line, char what[CONF_HANDLER_FOR_MAX],
			 char path[CONF_SOCKET_MAX])
{
	return word_next(&line, what, CONF_HANDLER_FOR_MAX) && what[0] != '/' &&
	       word_next(&line, path, CONF_SOCKET_MAX) && path_ok(path) && at_end(line);
}

/* "session" alone has no meaning: what is asked of one says what it is. */
static bool handler_for_ok(const char *what)
{
	static const char session[] = "session/";
	const char *name = what + sizeof(session) - 1;

	if (strcmp(what, "session") == 0)
		return false;
	if (strncmp(what, session, sizeof(session) - 1) != 0)
		return true;
	return strcmp(name, "shell") == 0 || strcmp(name, "exec") == 0 ||
	       (strncmp(name, "subsystem:", 10) == 0 && name[10] != '\0');
}

static bool parse_handler(struct value *v, const struct kw *kw, void *field)
{
	char what[CONF_HANDLER_FOR_MAX], path[CONF_SOCKET_MAX];

	if (!handler_read(v->argv[0], what, path))
		return value_bad(v, "%s: not TYPE[/NAME] and the path of a socket", kw->info.name);
	if (!handler_for_ok(what))
		return value_bad(v,
				 "%s: '%.100s' is not session/shell, session/exec or "
				 "session/subsystem:NAME",
				 kw->info.name, what);
	value_strs_borrow(v, field);
	return true;
}

const struct value_type type_handler = {
	1, 1, true, parse_handler, print_raw_lines, value_strs_absent};

bool conf_handler_for(const struct conf_session *s, const char *type, const char *name,
		      char ret[CONF_SOCKET_MAX])
{
	char what[CONF_HANDLER_FOR_MAX], path[CONF_SOCKET_MAX];
	size_t n = strlen(type);

	for (size_t i = 0; i < s->channel_handlers.n; i++) {
		if (!handler_read(s->channel_handlers.v[i], what, path) ||
		    strncmp(what, type, n) != 0)
			continue;
		if (what[n] == '\0' || (what[n] == '/' && strcmp(what + n + 1, name) == 0)) {
			strcpy(ret, path);
			return true;
		}
	}
	return false;
}

bool conf_handler_any(const struct conf_session *s, const char *prefix)
{
	for (size_t i = 0; i < s->channel_handlers.n; i++)
		if (strncmp(s->channel_handlers.v[i], prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

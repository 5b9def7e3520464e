/* client/config/value.c - the arguments of a line, checked, as the words they are kept as. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/config/forward.h"
#include "client/config/internal.h"
#include "client/reach/proxy.h"
#include "conf/match.h"
#include "conf/qos.h"

#define REKEY_MIN 16 /* bytes; less is a mistake */

/* What a line's check needs. */
struct check {
	struct config *c;
	const struct config_kw *kw;
	const struct config_place *at;
	const char *const *argv;
	unsigned int argc;
	struct conf_strs *ret;
};

static bool bad(const struct check *k, const char *why)
{
	config_say(k->c, &k->c->errors, k->at, "%s: %s%s%.100s", k->kw->name, why,
		   k->argc > 0 ? ": " : "", k->argc > 0 ? k->argv[0] : "");
	return false;
}

static bool keep(const struct check *k, const char *word)
{
	const char *copy = arena_strdup(&k->c->arena, word);

	return copy != NULL ? config_add(k->c, k->ret, &copy, 1) : (k->c->no_memory = true, false);
}

__attribute__((format(printf, 2, 3))) static bool keepf(const struct check *k, const char *fmt, ...)
{
	char word[2 * FORWARD_HOST_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(word, sizeof(word), fmt, ap);
	va_end(ap);
	return keep(k, word);
}

bool config_add(struct config *c, struct conf_strs *list, const char *const *words, size_t n)
{
	if (list->n + n > CONFIG_FORWARDS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		/* Room for a power of two; the arena keeps what was too small. */
		if ((list->n & (list->n - 1)) == 0) {
			const char **room = arena_alloc(&c->arena, (list->n > 0 ? 2 * list->n : 1) *
									   sizeof(*room));

			if (room == NULL) {
				c->no_memory = true;
				return false;
			}
			if (list->n > 0)
				memcpy(room, list->v, list->n * sizeof(*room));
			list->v = room;
		}
		((const char **)list->v)[list->n++] = words[i];
	}
	return true;
}

/* --- one word ------------------------------------------------------------------------------- */

static bool value_yesno(const struct check *k)
{
	const char *t = k->argv[0];

	if (strcasecmp(t, "yes") == 0 || strcasecmp(t, "true") == 0)
		return keep(k, "yes");
	if (strcasecmp(t, "no") == 0 || strcasecmp(t, "false") == 0)
		return keep(k, "no");
	return bad(k, "neither yes nor no");
}

static bool value_choice(const struct check *k)
{
	for (const struct config_choice *p = k->kw->choices; p->name != NULL; p++)
		if (strcasecmp(k->argv[0], p->name) == 0)
			return keep(k, p->value);
	return bad(k, "unsupported value");
}

static bool value_number(const struct check *k)
{
	const char *p = k->argv[0];
	uint64_t n;

	if (!digits(&p, UINT32_MAX, &n) || *p != '\0' || n < k->kw->min || n > k->kw->max)
		return bad(k, "no such number is possible");
	return keepf(k, "%llu", (unsigned long long)n);
}

bool port_parse(const char *text, bool zero, uint16_t *ret)
{
	const char *p = text;
	struct servent *s;
	uint64_t n;

	if (digits(&p, UINT16_MAX, &n) && *p == '\0') {
		*ret = (uint16_t)n;
		return n > 0 || zero;
	}
	if (*text < 'a' || *text > 'z')
		return false;
	s = getservbyname(text, "tcp");
	if (s != NULL)
		*ret = ntohs((uint16_t)s->s_port);
	return s != NULL;
}

static bool value_port(const struct check *k)
{
	uint16_t port;

	if (!port_parse(k->argv[0], false, &port))
		return bad(k, "no port");
	return keepf(k, "%u", port);
}

static bool value_octal(const struct check *k)
{
	char *end;
	unsigned long n = strtoul(k->argv[0], &end, 8);

	if (k->argv[0][0] < '0' || k->argv[0][0] > '7' || *end != '\0' || n > 0777)
		return bad(k, "no mask");
	return keepf(k, "0%lo", n);
}

static bool value_time(const struct check *k)
{
	uint32_t ms;

	if (k->kw->dflt != NULL && strcmp(k->kw->dflt, "none") == 0 &&
	    strcasecmp(k->argv[0], "none") == 0)
		return keep(k, "none");
	if (!time_read(k->argv[0], &ms))
		return bad(k, "invalid time value");
	return keepf(k, "%u", ms / 1000);
}

static bool value_address(const struct check *k)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
	struct addrinfo *list;

	if (getaddrinfo(k->argv[0], NULL, &hints, &list) != 0)
		return bad(k, "no address");
	freeaddrinfo(list);
	return keep(k, k->argv[0]);
}

static bool value_place(const struct check *k)
{
	const char *wrong = metrics_place_wrong(k->argv[0]);

	return wrong != NULL ? bad(k, wrong) : keep(k, k->argv[0]);
}

/* 0 is no end, as yes is. */
static bool value_persist(const struct check *k)
{
	uint32_t ms;

	if (strcasecmp(k->argv[0], "yes") == 0 || strcasecmp(k->argv[0], "true") == 0)
		return keep(k, "yes");
	if (strcasecmp(k->argv[0], "no") == 0 || strcasecmp(k->argv[0], "false") == 0)
		return keep(k, "no");
	if (!time_read(k->argv[0], &ms))
		return bad(k, "invalid time value");
	return ms < 1000 ? keep(k, "yes") : keepf(k, "%u", ms / 1000);
}

static bool value_escape(const struct check *k)
{
	const char *t = k->argv[0];

	if (strcasecmp(t, "none") == 0)
		return keep(k, "none");
	if (strlen(t) == 1 || (t[0] == '^' && strlen(t) == 2 && t[1] >= '@' && t[1] < 0x7f))
		return keep(k, t);
	return bad(k, "no escape character");
}

static bool value_algs(const struct check *k)
{
	const struct conf_alg_names *names;
	const char *list;
	int r;

	if (k->c->algs == NULL)
		return keep(k, k->argv[0]);
	names = (const void *)((const char *)k->c->algs + k->kw->algs);
	r = algs_edit(&k->c->arena, names, k->argv[0], &list);
	if (r == -ENOMEM)
		k->c->no_memory = true;
	if (r < 0)
		return bad(k, "names unknown here");
	return keep(k, list);
}

static bool value_jump(const struct check *k)
{
	char hop[FORWARD_HOST_MAX];
	struct destination d;

	if (strcasecmp(k->argv[0], "none") == 0)
		return keep(k, "none");
	for (const char *p = k->argv[0];; p++) {
		size_t n = strcspn(p, ",");

		if (n == 0 || n >= sizeof(hop))
			return bad(k, "Invalid ProxyJump");
		memcpy(hop, p, n);
		hop[n] = '\0';
		if (strchr(hop, '%') == NULL && destination_parse(hop, true, &d) < 0)
			return bad(k, "Invalid ProxyJump");
		p += n;
		if (*p == '\0')
			return keep(k, k->argv[0]);
	}
}

static bool value_proxy(const struct check *k)
{
	struct check quiet = *k;
	struct proxy_addr a;

	if (strcasecmp(k->argv[0], "none") == 0)
		return keep(k, "none");
	if (proxy_addr_parse(k->argv[0], &a) < 0)
		return bad(k, "no scheme://[user@]host[:port] with http, socks4, socks4a, socks5, "
			      "socks5h");
	quiet.argc = 0;
	if (strchr(a.user, ':') != NULL)
		return bad(&quiet, "a password does not stand here: ProxyPasswordFile");
	return keep(k, k->argv[0]);
}

/* --- several words -------------------------------------------------------------------------- */

static bool value_words(const struct check *k)
{
	for (unsigned int i = 0; i < k->argc; i++)
		if (!keep(k, k->argv[i]))
			return false;
	return true;
}

/* NAME…; -PATTERN takes away what stands there. */
static bool value_env(const struct check *k)
{
	for (unsigned int i = 0; i < k->argc; i++) {
		const char *name = k->argv[i];
		size_t n = 0;

		if (strchr(name, '=') != NULL)
			return bad(k, "Invalid environment name");
		if (*name != '-') {
			if (!keep(k, name))
				return false;
			continue;
		}
		for (size_t j = 0; j < k->ret->n; j++)
			if (!match_pattern(k->ret->v[j], name + 1))
				((const char **)k->ret->v)[n++] = k->ret->v[j];
		/* So that the next power of two is found again. */
		if (n < k->ret->n) {
			struct conf_strs rest = {k->ret->v, n};

			*k->ret = (struct conf_strs){NULL, 0};
			if (!config_add(k->c, k->ret, rest.v, rest.n))
				return false;
		}
	}
	return true;
}

static bool value_setenv(const struct check *k)
{
	for (unsigned int i = 0; i < k->argc; i++)
		if (k->argv[i][0] == '=' || strchr(k->argv[i], '=') == NULL)
			return bad(k, "Invalid environment");
	return value_words(k);
}

static bool value_rekey(const struct check *k)
{
	uint64_t bytes = 0;
	uint32_t ms = 0;

	if (strcasecmp(k->argv[0], "default") != 0 && strcasecmp(k->argv[0], "none") != 0 &&
	    (!size_read(k->argv[0], &bytes) || (bytes > 0 && bytes < REKEY_MIN)))
		return bad(k, "invalid size");
	if (k->argc > 1 && strcasecmp(k->argv[1], "none") != 0 && !time_read(k->argv[1], &ms))
		return bad(k, "invalid time value");
	return keepf(k, "%llu", (unsigned long long)bytes) && keepf(k, "%u", ms / 1000);
}

/* As a number, which setsockopt() takes; none stays none. */
static bool value_qos(const struct check *k)
{
	for (unsigned int i = 0; i < k->argc; i++) {
		uint16_t qos;

		if (!conf_qos_read(k->argv[i], &qos))
			return bad(k, "no class of service");
		if (qos == CONF_QOS_NONE ? !keep(k, "none") : !keepf(k, "0x%02x", qos))
			return false;
	}
	return k->argc > 1 || keep(k, k->ret->v[0]);
}

/* "listen target" or both joined by ':', as -L and the others have them; then "from=LIST". */
static bool value_forward(const struct check *k)
{
	enum forward_kind kind = k->kw == &config_kws[CONFIG_LOCAL_FORWARD]    ? FORWARD_LOCAL
				 : k->kw == &config_kws[CONFIG_REMOTE_FORWARD] ? FORWARD_REMOTE
									       : FORWARD_DYNAMIC;
	const char *last = k->argv[k->argc - 1];
	const char *from = k->argc > 1 && strncmp(last, "from=", 5) == 0 ? last + 5 : NULL;
	unsigned int ends = k->argc - (from != NULL);
	char spec[2 * FORWARD_HOST_MAX + FORWARD_FROM_MAX];
	const char mark[2] = {from != NULL ? FORWARD_FROM_MARK : '\0'};
	struct forward f;
	int n = snprintf(spec, sizeof(spec), "%s%s%s%s%s", k->argv[0], ends > 1 ? ":" : "",
			 ends > 1 ? k->argv[1] : "", mark, from != NULL ? from : "");

	if (ends > 2 || n < 0 || (size_t)n >= sizeof(spec) || forward_parse(kind, spec, &f) < 0)
		return bad(k, "Bad forwarding specification");
	return keep(k, spec);
}

static bool value_opens(const struct check *k)
{
	if (k->argc == 1 &&
	    (strcasecmp(k->argv[0], "any") == 0 || strcasecmp(k->argv[0], "none") == 0))
		return keep(k, strcasecmp(k->argv[0], "any") == 0 ? "any" : "none");
	for (unsigned int i = 0; i < k->argc; i++)
		if (!match_permitopen_valid(k->argv[i]))
			return bad(k, "no host:port");
	return value_words(k);
}

/* ChannelTimeout; of all channels together the gateway has one, not we. */
static bool value_idle(const struct check *k)
{
	if (k->argc == 1 && strcasecmp(k->argv[0], "none") == 0)
		return keep(k, "none");
	for (unsigned int i = 0; i < k->argc; i++)
		if (!channel_timeout_valid(k->argv[i]) || strncmp(k->argv[i], "global=", 7) == 0)
			return bad(k, "no TYPE=TIME");
	return value_words(k);
}

static bool value_keys(const struct check *k)
{
	char word[CONFIG_TEXT_MAX], why[160];

	for (size_t at = 0; at < k->argc;) {
		if (!config_identity_join(k->argv, k->argc, &at, word, sizeof(word), why,
					  sizeof(why)))
			return bad(k, why);
		if (!keep(k, word))
			return false;
	}
	return true;
}

/* Words with a blank between: what the library makes of them is its own to say. */
static bool value_library(const struct check *k)
{
	char text[CONFIG_TEXT_MAX] = "", word[CONFIG_TEXT_MAX];
	const char *why;
	size_t n = 0;

	for (unsigned int i = 0; i < k->argc; i++) {
		if (strlen(k->argv[i]) + 2 > sizeof(text) - n)
			return bad(k, "too long");
		n += (size_t)sprintf(text + n, "%s%s", i > 0 ? " " : "", k->argv[i]);
	}
	why = config_library_value(k->kw, text, word, sizeof(word));
	return why != NULL ? bad(k, why) : keep(k, word);
}

/* none is an empty list. */
static bool value_cnames(const struct check *k)
{
	if (k->argc == 1 && strcasecmp(k->argv[0], "none") == 0)
		return true;
	for (unsigned int i = 0; i < k->argc; i++) {
		const char *colon = strchr(k->argv[i], ':');

		if (colon == NULL || colon == k->argv[i] || colon[1] == '\0')
			return bad(k, "no names:names");
	}
	return value_words(k);
}

/* --- all ------------------------------------------------------------------------------------- */

static const struct {
	bool (*read)(const struct check *k);
	unsigned int max; /* arguments */
} types[] = {
	[TYPE_YESNO] = {value_yesno, 1},
	[TYPE_CHOICE] = {value_choice, 1},
	[TYPE_NUMBER] = {value_number, 1},
	[TYPE_PORT] = {value_port, 1},
	[TYPE_OCTAL] = {value_octal, 1},
	[TYPE_TIME] = {value_time, 1},
	[TYPE_ADDRESS] = {value_address, 1},
	[TYPE_PERSIST] = {value_persist, 1},
	[TYPE_TEXT] = {value_words, 1},
	[TYPE_REST] = {value_words, 1},
	[TYPE_WORDS] = {value_words, CONF_ARGS_MAX},
	[TYPE_ADD] = {value_words, CONF_ARGS_MAX},
	[TYPE_KEYS] = {value_keys, CONF_ARGS_MAX},
	[TYPE_ENV] = {value_env, CONF_ARGS_MAX},
	[TYPE_SETENV] = {value_setenv, CONF_ARGS_MAX},
	[TYPE_ALGS] = {value_algs, 1},
	[TYPE_REKEY] = {value_rekey, 2},
	[TYPE_QOS] = {value_qos, 2},
	[TYPE_ESCAPE] = {value_escape, 1},
	[TYPE_JUMP] = {value_jump, 1},
	[TYPE_PROXY] = {value_proxy, 1},
	[TYPE_FORWARD] = {value_forward, 3},
	[TYPE_OPENS] = {value_opens, CONF_ARGS_MAX},
	[TYPE_PLACE] = {value_place, 1},
	[TYPE_CNAMES] = {value_cnames, CONF_ARGS_MAX},
	[TYPE_IDLE] = {value_idle, CONF_ARGS_MAX},
	[TYPE_LIB] = {value_library, CONF_ARGS_MAX},
	[TYPE_LIB_LINES] = {value_library, CONF_ARGS_MAX},
};

bool config_value(struct config *c, const struct config_kw *kw, const struct config_place *at,
		  const char *const *argv, unsigned int argc, struct conf_strs *ret)
{
	struct check k = {c, kw, at, argv, argc, ret};

	for (unsigned int i = 0; i < argc; i++)
		if (*argv[i] == '\0')
			argc = 0; /* an empty word is a missing one */
	if (argc == 0) {
		k.argc = 0;
		return bad(&k, "missing argument");
	}
	if (argc > types[kw->type].max) {
		config_say(c, &c->errors, at, "keyword %s extra arguments at end of line",
			   kw->name);
		return false;
	}
	return types[kw->type].read(&k);
}

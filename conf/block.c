/*
 * Match: criteria of one line, all of which must hold. Source sshd_config(5).
 */
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"
#include "conf/rule.h"

enum criterion_kind {
	BY_ALL,
	BY_USER,
	BY_GROUP,
	BY_INVALID_USER,
	BY_ADDRESS,
	BY_HOST, /* the address of a client without a name */
	BY_LOCAL_ADDRESS,
	BY_LOCAL_PORT,
	BY_VERSION,        /* of this program */
	BY_CLIENT_VERSION, /* the identification of the peer */
	BY_DEST,           /* where a channel leads */
	BY_ROLE,           /* as an operator's program has named it */
	BY_RDOMAIN,        /* of the listener */
};

static const struct {
	const char *name;
	enum criterion_kind kind;
} attributes[] = {
	{"all", BY_ALL},
	{"user", BY_USER},
	{"address", BY_ADDRESS},
	{"localaddress", BY_LOCAL_ADDRESS},
	{"localport", BY_LOCAL_PORT},
	{"group", BY_GROUP},
	{"host", BY_HOST},
	{"version", BY_VERSION},
	{"client-version", BY_CLIENT_VERSION},
	{"invalid-user", BY_INVALID_USER},
	{"dest", BY_DEST},
	{"role", BY_ROLE},
	{"rdomain", BY_RDOMAIN},
};

struct criterion {
	enum criterion_kind kind;
	const char *list;
	uint16_t port;
	struct conf_targets targets; /* of BY_DEST */
	struct criterion *next;
};

struct block {
	const struct block *parent;
	struct criterion *criteria;
};

/* No address is special here: what holds for a channel does not yet allow it. */
static bool dest_matches(const struct conf_targets *t, const struct conf_dest *dest)
{
	struct conf_dest d = *dest;

	d.named_by = 0;
	return conf_targets_hit(t, &d, false) == CONF_HIT_YES;
}

static bool criterion_matches(const struct criterion *c, const struct conf_match_ctx *ctx)
{
	switch (c->kind) {
	case BY_ALL:
		return true;
	case BY_USER:
		return ctx->user != NULL && match_list(ctx->user, c->list, false) == MATCH_YES;
	case BY_GROUP:
		return ctx->groups != NULL && match_any(ctx->groups, c->list) == MATCH_YES;
	case BY_INVALID_USER:
		return ctx->invalid_user;
	case BY_ADDRESS:
		return ctx->addr != NULL && match_addr_list(ctx->addr, c->list) == MATCH_YES;
	case BY_HOST:
		return (ctx->host != NULL || ctx->addr != NULL) &&
		       match_list(ctx->host != NULL ? ctx->host : ctx->addr, c->list, true) ==
			       MATCH_YES;
	case BY_VERSION:
		return match_list("Sluice_" SLUICE_VERSION, c->list, false) == MATCH_YES;
	case BY_CLIENT_VERSION:
		return ctx->client_version != NULL &&
		       match_list(ctx->client_version, c->list, false) == MATCH_YES;
	case BY_LOCAL_ADDRESS:
		return ctx->laddr != NULL && match_addr_list(ctx->laddr, c->list) == MATCH_YES;
	case BY_LOCAL_PORT:
		return ctx->lport == c->port;
	case BY_DEST:
		return ctx->dest != NULL && dest_matches(&c->targets, ctx->dest);
	case BY_ROLE:
		return ctx->marks != NULL &&
		       match_marks(ctx->marks, CONF_MARK_ROLE, c->list) == MATCH_YES;
	case BY_RDOMAIN:
		return ctx->rdomain != NULL && match_list(ctx->rdomain, c->list, false) == MATCH_YES;
	}
	return false;
}

bool block_matches(const struct block *b, const struct conf_match_ctx *ctx)
{
	for (; b != NULL; b = b->parent) {
		for (const struct criterion *c = b->criteria; c != NULL; c = c->next) {
			if (!criterion_matches(c, ctx))
				return false;
		}
	}
	return true;
}

bool block_about(const struct block *b, enum conf_match_about about)
{
	static const enum criterion_kind kind[] = {
		[CONF_ABOUT_GROUP] = BY_GROUP,
		[CONF_ABOUT_HOST] = BY_HOST,
		[CONF_ABOUT_INVALID_USER] = BY_INVALID_USER,
		[CONF_ABOUT_CLIENT_VERSION] = BY_CLIENT_VERSION,
		[CONF_ABOUT_DEST] = BY_DEST,
		[CONF_ABOUT_ROLE] = BY_ROLE,
	};

	for (; b != NULL; b = b->parent) {
		for (const struct criterion *c = b->criteria; c != NULL; c = c->next) {
			if (c->kind == kind[about])
				return true;
		}
	}
	return false;
}

bool block_early(const struct block *b)
{
	for (; b != NULL; b = b->parent) {
		for (const struct criterion *c = b->criteria; c != NULL; c = c->next) {
			switch (c->kind) {
			case BY_ALL:
			case BY_ADDRESS:
			case BY_LOCAL_ADDRESS:
			case BY_LOCAL_PORT:
			case BY_RDOMAIN:
			case BY_VERSION:
			case BY_CLIENT_VERSION:
				break;
			default:
				return false;
			}
		}
	}
	return true;
}

/* The words of a Match line: attributes and values, also as attribute=value. */
struct words {
	const char *const *argv;
	unsigned int argc, i;
	const char *rest; /* behind the '=' of the word before */
};

static bool attribute_next(struct words *w, char *name, size_t size)
{
	const char *word = w->argv[w->i++];
	size_t n = strcspn(word, "=");

	w->rest = word[n] == '=' ? word + n + 1 : NULL;
	if (n >= size)
		n = size - 1; /* no attribute is as long */
	memcpy(name, word, n);
	name[n] = '\0';
	return w->rest != NULL;
}

/* NULL: there is none. */
static const char *value_next(struct words *w)
{
	const char *value = w->rest;

	w->rest = NULL;
	if (value == NULL && w->i < w->argc && w->argv[w->i][0] == '=')
		value = w->argv[w->i++] + 1;
	if (value != NULL && *value != '\0')
		return value;
	return w->i < w->argc ? w->argv[w->i++] : NULL;
}

static bool attribute_find(const char *name, enum criterion_kind *ret)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (strcasecmp(attributes[i].name, name) == 0) {
			*ret = attributes[i].kind;
			return true;
		}
	}
	return false;
}

/* HOST[:PORT], where a host alone means all its ports. */
static bool dest_parse(struct arena *a, const char *entry, size_t len, struct conf_target *ret)
{
	char text[1024];
	bool has_port;

	if (len == 0 || len + 3 > sizeof(text))
		return false;
	memcpy(text, entry, len);
	text[len] = '\0';
	has_port = strchr(strchr(text, ']') != NULL ? strchr(text, ']') : text, ':') != NULL;
	if (!has_port && text[text[0] == '!'] != '/')
		strcpy(text + len, ":*");
	return conf_target_parse(a, text, ret) == NULL;
}

static bool dests_parse(struct arena *a, const char *list, struct conf_targets *ret)
{
	struct conf_target *v;
	size_t n = 1, i = 0;

	for (const char *p = list; *p != '\0'; p++)
		n += *p == ',';
	v = arena_alloc(a, n * sizeof(*v));
	if (v == NULL)
		return false;
	for (; i < n; i++, list += strcspn(list, ",") + 1)
		if (!dest_parse(a, list, strcspn(list, ","), &v[i]))
			return false;
	*ret = (struct conf_targets){v, n};
	return true;
}

static bool criterion_value(struct arena *a, struct criterion *c, const char *value)
{
	c->list = value;
	switch (c->kind) {
	case BY_USER:
	case BY_GROUP:
	case BY_HOST:
	case BY_VERSION:
	case BY_CLIENT_VERSION:
	case BY_RDOMAIN:
		return match_list_valid(value);
	case BY_ADDRESS:
	case BY_LOCAL_ADDRESS:
		return match_addr_list_valid(value);
	case BY_LOCAL_PORT:
		return conf_port_parse(value, &c->port) == 0;
	case BY_DEST:
		return dests_parse(a, value, &c->targets);
	default:
		return true;
	}
}

/* One attribute and its value. False with why. */
static bool criterion_parse(struct arena *a, struct words *w, struct criterion *c, char *why,
			    size_t why_size)
{
	char name[32];
	const char *value;
	bool has_value = attribute_next(w, name, sizeof(name));

	if (!attribute_find(name, &c->kind)) {
		snprintf(why, why_size, "Unsupported Match attribute %s", name);
		return false;
	}
	if (c->kind == BY_ALL) {
		if (!has_value && w->argc == 1)
			return true;
		snprintf(why, why_size, "'all' cannot be combined with other Match attributes");
		return false;
	}
	if (c->kind == BY_INVALID_USER) { /* has no value, and may stand beside others */
		if (has_value)
			snprintf(why, why_size, "Match attribute %s takes no value", name);
		return !has_value;
	}
	value = value_next(w);
	if (value == NULL) {
		snprintf(why, why_size, "Missing Match criteria for '%s'", name);
		return false;
	}
	if (!criterion_value(a, c, value)) {
		snprintf(why, why_size, "Invalid Match %s argument '%.100s'", name, value);
		return false;
	}
	return true;
}

const struct block *block_parse(struct arena *a, const char *const *argv, unsigned int argc,
				const struct block *parent, char *why, size_t why_size)
{
	struct words w = {.argv = argv, .argc = argc};
	struct block *b = arena_alloc(a, sizeof(*b));

	if (b == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	b->parent = parent;
	while (w.i < w.argc) {
		struct criterion *c = arena_alloc(a, sizeof(*c));

		if (c == NULL) {
			snprintf(why, why_size, "out of memory");
			return NULL;
		}
		if (!criterion_parse(a, &w, c, why, why_size))
			return NULL;
		c->next = b->criteria;
		b->criteria = c;
	}
	return b;
}

void block_dump(const struct block *b, FILE *f)
{
	if (b->parent != NULL)
		block_dump(b->parent, f);
	for (const struct criterion *c = b->criteria; c != NULL; c = c->next)
		fprintf(f, "%d %u \"%s\" ", (int)c->kind, c->port, c->list != NULL ? c->list : "");
	fputs("; ", f);
}

/*
 * conf/limits.c - values of PerSourceMaxStartups, PerSourceNetBlockSize and PerSourcePenalties.
 */
#include <inttypes.h>
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"

/* --- a number or none ----------------------------------------------------------------------- */

static bool parse_source_max(struct value *v, const struct kw *kw, void *field)
{
	const char *p = v->argv[0];
	uint64_t n = CONF_NO_LIMIT;

	if (strcasecmp(p, "none") != 0 && (!digits(&p, INT32_MAX, &n) || *p != '\0'))
		return value_bad(v, "%s: integer value invalid", kw->info.name);
	*(uint32_t *)field = (uint32_t)n;
	return true;
}

static void print_source_max(const struct kw *kw, const void *field, FILE *f)
{
	uint32_t n = *(const uint32_t *)field;

	(void)kw;
	if (n == CONF_NO_LIMIT)
		fputs("none", f);
	else
		fprintf(f, "%" PRIu32, n);
}

const struct value_type type_source_max = {1, 1, false, parse_source_max, print_source_max, NULL};

/* --- BITS4[:BITS6] ---------------------------------------------------------------------------- */

struct net_block {
	uint8_t bits4, bits6;
};
_Static_assert(offsetof(struct conf_global, source_bits6) ==
		       offsetof(struct conf_global, source_bits4) +
			       offsetof(struct net_block, bits6),
	       "the two of PerSourceNetBlockSize are neighbours");

static bool parse_net_block(struct value *v, const struct kw *kw, void *field)
{
	const char *p = v->argv[0];
	uint64_t bits4, bits6 = 128;

	if (!digits(&p, 32, &bits4))
		return value_bad(v, "Invalid %s value", kw->info.name);
	if (*p == ':') {
		p++;
		if (!digits(&p, 128, &bits6))
			return value_bad(v, "Invalid %s value", kw->info.name);
	}
	if (*p != '\0')
		return value_bad(v, "Invalid %s value", kw->info.name);
	*(struct net_block *)field = (struct net_block){(uint8_t)bits4, (uint8_t)bits6};
	return true;
}

static void print_net_block(const struct kw *kw, const void *field, FILE *f)
{
	const struct net_block *b = field;

	(void)kw;
	fprintf(f, "%u:%u", b->bits4, b->bits6);
}

const struct value_type type_net_block = {1, 1, false, parse_net_block, print_net_block, NULL};

/* --- penalties -------------------------------------------------------------------------------- */

/* name, field, how it is read, default in its unit */
#define PENALTY_KEYS(X)                                                                            \
	X("crash", crash_ms, TIME, 90000)                                                          \
	X("authfail", authfail_ms, TIME, 5000)                                                     \
	X("invaliduser", invaliduser_ms, TIME, 5000)                                               \
	X("noauth", noauth_ms, TIME, 1000)                                                         \
	X("grace-exceeded", grace_exceeded_ms, TIME, 10000)                                        \
	X("refuseconnection", refuseconnection_ms, TIME, 10000)                                    \
	X("max", max_ms, TIME, 600000)                                                             \
	X("min", min_ms, TIME, 15000)                                                              \
	X("max-sources4", max_sources4, COUNT, 65536)                                              \
	X("max-sources6", max_sources6, COUNT, 65536)                                              \
	X("overflow", deny_all4, OVERFLOW, false)                                                  \
	X("overflow6", deny_all6, OVERFLOW, false)

enum penalty_unit { TIME, COUNT, OVERFLOW };

static const struct penalty_key {
	const char *name;
	size_t at;
	enum penalty_unit unit;
} penalty_keys[] = {
#define X(name, field, unit, dflt) {name, offsetof(struct conf_penalties, field), unit},
	PENALTY_KEYS(X)
#undef X
};
#define N_PENALTY_KEYS (sizeof(penalty_keys) / sizeof(penalty_keys[0]))
#define SOURCES_MAX    (1u << 24) /* of one family: a gigabyte of memory */

static const struct conf_penalties penalty_defaults = {.enabled = true,
#define X(name, field, unit, dflt) .field = dflt,
						       PENALTY_KEYS(X)
#undef X
};

/* As any time, and seconds with a fraction. */
static bool penalty_time(const char *text, uint32_t *ret)
{
	uint64_t seconds, part = 0;
	uint32_t unit = 1000;

	if (strchr(text, '.') == NULL)
		return time_read(text, ret);
	if (!digits(&text, INT32_MAX / 1000, &seconds) || *text++ != '.' || *text == '\0')
		return false;
	for (; *text >= '0' && *text <= '9' && unit > 1; text++) {
		unit /= 10;
		part += (uint64_t)(*text - '0') * unit;
	}
	*ret = (uint32_t)(seconds * 1000 + part);
	return *text == '\0' || strcasecmp(text, "s") == 0;
}

static bool penalty_overflow(const char *text, bool *ret)
{
	*ret = strcmp(text, "deny-all") == 0;
	return *ret || strcmp(text, "permissive") == 0;
}

static bool penalty_read(const struct penalty_key *k, const char *text, struct conf_penalties *to)
{
	void *field = (char *)to + k->at;
	uint64_t n;

	switch (k->unit) {
	case TIME:
		return penalty_time(text, field);
	case COUNT:
		if (!digits(&text, SOURCES_MAX, &n) || n == 0 || *text != '\0')
			return false;
		*(uint32_t *)field = (uint32_t)n;
		return true;
	case OVERFLOW:
		return penalty_overflow(text, field);
	}
	return false;
}

/* KEY:VALUE; which key it was goes into *ret. */
static bool penalty_arg(struct value *v, const struct kw *kw, const char *arg,
			struct conf_penalties *to, size_t *ret)
{
	size_t len = strcspn(arg, ":"), i = 0;

	while (i < N_PENALTY_KEYS && (strlen(penalty_keys[i].name) != len ||
				      strncmp(penalty_keys[i].name, arg, len) != 0))
		i++;
	if (i == N_PENALTY_KEYS || arg[len] != ':')
		return value_bad(v, "unsupported %s keyword %.100s", kw->info.name, arg);
	if (!penalty_read(&penalty_keys[i], arg + len + 1, to))
		return value_bad(v, "invalid %s value %.100s", kw->info.name, arg);
	*ret = i;
	return true;
}

static bool parse_penalties(struct value *v, const struct kw *kw, void *field)
{
	struct conf_penalties p = penalty_defaults;
	bool seen[N_PENALTY_KEYS] = {false}, overflow6 = false;
	bool yes = strcmp(v->argv[0], "yes") == 0, no = strcmp(v->argv[0], "no") == 0;

	if ((yes || no) && v->argc > 1)
		return value_bad(v, "keywords after %s", v->argv[0]);
	p.enabled = !no;
	for (unsigned int i = 0; !yes && !no && i < v->argc; i++) {
		size_t key = 0;

		if (!penalty_arg(v, kw, v->argv[i], &p, &key))
			return false;
		if (seen[key])
			return value_bad(v, "duplicate %s keyword %.100s", kw->info.name,
					 penalty_keys[key].name);
		seen[key] = true;
		overflow6 |= penalty_keys[key].at == offsetof(struct conf_penalties, deny_all6);
	}
	if (!overflow6) /* sshd: IPv6 goes with IPv4 unless it is said */
		p.deny_all6 = p.deny_all4;
	*(struct conf_penalties *)field = p;
	return true;
}

static void print_penalties(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_penalties *p = field;

	(void)kw;
	if (!p->enabled) {
		fputs("no", f);
		return;
	}
	for (size_t i = 0; i < N_PENALTY_KEYS; i++) {
		const void *at = (const char *)p + penalty_keys[i].at;

		fprintf(f, "%s%s:", i > 0 ? " " : "", penalty_keys[i].name);
		switch (penalty_keys[i].unit) {
		case TIME:
			time_print(*(const uint32_t *)at, f);
			break;
		case COUNT:
			fprintf(f, "%" PRIu32, *(const uint32_t *)at);
			break;
		case OVERFLOW:
			fputs(*(const bool *)at ? "deny-all" : "permissive", f);
		}
	}
}

const struct value_type type_penalties = {
	1, CONF_ARGS_MAX, false, parse_penalties, print_penalties, NULL};

/* --- a list of addresses ------------------------------------------------------------------------
 */

static bool parse_addr_list(struct value *v, const struct kw *kw, void *field)
{
	if (!match_addr_list_valid(v->argv[0]))
		return value_bad(v, "Invalid %s argument: \"%.100s\"", kw->info.name, v->argv[0]);
	*(const char **)field = v->argv[0];
	return true;
}

static void print_addr_list(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	value_print_arg(*(const char *const *)field, f);
}

static bool addr_list_absent(const void *field)
{
	return *(const char *const *)field == NULL;
}

const struct value_type type_addr_list = {
	1, 1, false, parse_addr_list, print_addr_list, addr_list_absent};

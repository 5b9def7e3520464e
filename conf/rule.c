#include "conf/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"
#include "conf/week.h"

#define FINGERPRINT_LEN (7 + 43) /* "SHA256:" and 32 bytes in base64 without padding */

enum about { USER, GROUP, KEY, PRINCIPAL, KEY_ID, FROM, ABOUTS };

struct conf_rule {
	bool allow;
	const char *text, *named; /* all of it; its targets */
	struct conf_targets targets;
	const char *list[ABOUTS]; /* NULL: whoever it is */
	const struct week_span *spans;
	size_t n_spans;
};

/* --- read ------------------------------------------------------------------------------------ */

static bool fingerprints_valid(const char *list)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (;;) {
		list += *list == '!';
		if (strncmp(list, "SHA256:", 7) != 0 ||
		    strspn(list + 7, base64) != FINGERPRINT_LEN - 7)
			return false;
		list += FINGERPRINT_LEN;
		if (*list == '\0')
			return true;
		if (*list++ != ',')
			return false;
	}
}

static const struct {
	const char *name;
	enum about about;
	bool (*valid)(const char *list);
} lists[] = {
	{"user", USER, match_list_valid},    {"group", GROUP, match_list_valid},
	{"key", KEY, fingerprints_valid},    {"principal", PRINCIPAL, match_list_valid},
	{"keyid", KEY_ID, match_list_valid}, {"from", FROM, match_addr_list_valid},
};

static bool spans_read(struct value *v, const char *list, struct conf_rule *r)
{
	struct week_span *spans;
	const char *text = list;
	size_t n = 1;

	for (const char *p = list; *p != '\0'; p++)
		n += *p == ',';
	spans = arena_alloc(v->arena, n * sizeof(*spans));
	if (spans == NULL)
		return value_bad(v, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (!week_span_parse(&list, &spans[i]))
			return value_bad(v, "bad time '%.100s'", text);
	r->spans = spans;
	r->n_spans = n;
	return true;
}

/* A word with its '=' at value: what it is about, in the first place once. */
static bool list_read(struct value *v, const char *word, const char *value, struct conf_rule *r)
{
	size_t len = (size_t)(value - word);

	value++;
	if (len == 4 && strncasecmp(word, "time", len) == 0 && r->spans == NULL)
		return spans_read(v, value, r);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (strlen(lists[i].name) != len || strncasecmp(word, lists[i].name, len) != 0 ||
		    r->list[lists[i].about] != NULL)
			continue;
		if (!lists[i].valid(value))
			return value_bad(v, "bad list '%.100s'", word);
		r->list[lists[i].about] = value;
		return true;
	}
	return value_bad(v, "unknown or twice: '%.100s'", word);
}

/* Behind the others, and a blank. */
static void named_add(char *named, const char *word)
{
	size_t n = strlen(named);

	snprintf(named + n, strlen(word) + 2, "%s%s", n > 0 ? " " : "", word);
}

static bool words_read(struct value *v, const char *const *argv, size_t n, struct conf_rule *r)
{
	struct conf_target *targets = arena_alloc(v->arena, n * sizeof(*targets));
	char *texts = arena_alloc(v->arena, strlen(r->text) + n + 1);
	size_t n_targets = 0, named = 0;

	if (targets == NULL || texts == NULL)
		return value_bad(v, "out of memory");
	*texts = '\0';
	r->named = texts;
	for (size_t i = 0; i < n; i++) {
		/* The name of a socket may have one, too. */
		const char *value =
			*argv[i] != '/' && *argv[i] != '!' ? strchr(argv[i], '=') : NULL;
		const char *why;

		if (value != NULL) {
			if (!list_read(v, argv[i], value, r))
				return false;
			continue;
		}
		named_add(texts, argv[i]);
		why = conf_target_parse(v->arena, argv[i], &targets[n_targets]);
		if (why != NULL)
			return value_bad(v, "'%.100s': %s", argv[i], why);
		named += !targets[n_targets++].negated;
	}
	r->targets = (struct conf_targets){targets, n_targets};
	return named > 0 || value_bad(v, "no target is named");
}

static bool parse_rule(struct value *v, const struct kw *kw, void *field)
{
	struct conf_rule *r = arena_alloc(v->arena, sizeof(*r));
	const char *argv[CONF_ARGS_MAX];
	int n = args_split(v->arena, v->argv[0], argv, CONF_ARGS_MAX);

	if (r == NULL || n == -ENOMEM)
		return value_bad(v, "out of memory");
	if (n < 0)
		return value_bad(v, n == -EINVAL ? "invalid quotes" : "too many arguments");
	if (n < 2 || (strcasecmp(argv[0], "allow") != 0 && strcasecmp(argv[0], "deny") != 0))
		return value_bad(v, "%s is allow or deny, then targets", kw->info.name);
	r->allow = strcasecmp(argv[0], "allow") == 0;
	r->text = v->argv[0];
	if (!words_read(v, argv + 1, (size_t)n - 1, r))
		return false;
	*(const struct conf_rule **)field = r;
	return true;
}

/* An address is bound, whatever was asked for: names say nothing of it but for loopback's. */
static bool parse_listen_rule(struct value *v, const struct kw *kw, void *field)
{
	const struct conf_rule *r;

	if (!parse_rule(v, kw, field))
		return false;
	r = *(const struct conf_rule **)field;
	for (size_t i = 0; i < r->targets.n; i++) {
		const struct conf_target *t = &r->targets.v[i];

		if (t->kind == CONF_TARGET_NAME && strcasecmp(t->text, "localhost") != 0)
			return value_bad(v,
					 "%s '%.100s': not *, localhost, an address or a network",
					 kw->info.name, t->text);
		if (t->kind == CONF_TARGET_PATH)
			return value_bad(v, "%s '%.100s': not HOST:PORTS", kw->info.name, t->text);
	}
	return true;
}

static void print_rules(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_rules *rules = field;

	for (size_t i = 0; i < rules->n; i++) {
		if (i > 0) {
			fputc('\n', f);
			for (const char *p = kw->info.name; *p != '\0'; p++)
				fputc(*p | 0x20, f);
			fputc(' ', f);
		}
		fputs(rules->v[i]->text, f);
	}
}

const struct value_type type_rule = {1, 1, true, parse_rule, print_rules, value_strs_absent};
const struct value_type type_listen_rule = {
	1, 1, true, parse_listen_rule, print_rules, value_strs_absent};

/* --- asked --------------------------------------------------------------------------------------
 */

bool conf_rule_allows(const struct conf_rule *r)
{
	return r->allow;
}

const char *conf_rule_text(const struct conf_rule *r)
{
	return r->text;
}

bool conf_rule_hosts(const struct conf_rule *r)
{
	return conf_targets_hosts(&r->targets);
}

bool conf_rule_paths(const struct conf_rule *r)
{
	return conf_targets_paths(&r->targets);
}

bool conf_rule_names_port(const struct conf_rule *r, uint16_t port)
{
	return conf_targets_name_port(&r->targets, port);
}

enum conf_hit conf_rule_reaches(const struct conf_rule *r, const struct conf_dest *d)
{
	return conf_targets_hit(&r->targets, d, r->allow);
}

bool conf_rule_timed(const struct conf_rule *r)
{
	return r->n_spans > 0;
}

bool conf_rule_grouped(const struct conf_rule *r)
{
	return r->list[GROUP] != NULL;
}

/* What is not known is as bad as it may be. */
static bool who_hit(const struct conf_rule *r, enum about about, const struct conf_who *who)
{
	static const char kind[ABOUTS] = {[KEY] = CONF_MARK_KEY,
					  [PRINCIPAL] = CONF_MARK_PRINCIPAL,
					  [KEY_ID] = CONF_MARK_KEY_ID};
	const char *list = r->list[about];
	bool unknown = !r->allow;

	if (list == NULL)
		return true;
	switch (about) {
	case USER:
		return who->user != NULL ? match_list(who->user, list, false) == MATCH_YES
					 : unknown;
	case FROM:
		return who->addr != NULL ? match_addr_list(who->addr, list) == MATCH_YES : unknown;
	case GROUP:
		return who->groups != NULL ? match_any(who->groups, list) == MATCH_YES : unknown;
	default:
		return who->marks != NULL ? match_marks(who->marks, kind[about], list) == MATCH_YES
					  : unknown;
	}
}

bool conf_rule_about(const struct conf_rule *r, const struct conf_who *who)
{
	for (enum about a = 0; a < ABOUTS; a++)
		if (!who_hit(r, a, who))
			return false;
	if (r->n_spans > 0 && who->minute < 0)
		return !r->allow;
	return r->n_spans == 0 || week_has(r->spans, r->n_spans, (unsigned int)who->minute);
}

const char *conf_rule_targets(const struct conf_rule *r)
{
	return r->named;
}

enum conf_hit conf_rule_hit(const struct conf_rule *r, const struct conf_who *who,
			    const struct conf_dest *d)
{
	if (!conf_rule_about(r, who))
		return CONF_HIT_NO;
	return conf_targets_hit(&r->targets, d, r->allow);
}

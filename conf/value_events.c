/* conf/value_events.c - AuditEvents: a comma list of patterns, each of which fits some event. */
#include <stdio.h>
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"
#include "conf/words.h"

#define PATTERN_MAX 64 /* bytes of one, with its end */

/* The next of a comma list; false: there are no more. One that does not fit is cut. */
static bool next(const char **list, char ret[PATTERN_MAX])
{
	size_t n = strcspn(*list, ",");

	if (n == 0)
		return false;
	snprintf(ret, PATTERN_MAX, "%.*s", (int)n, *list);
	*list += n + ((*list)[n] == ',');
	return true;
}

/* Does any name of a comma list fit? */
static bool fits_any(const char *names, const char *patterns)
{
	char name[PATTERN_MAX];

	while (next(&names, name))
		if (match_list(name, patterns, false) == MATCH_YES)
			return true;
	return false;
}

static bool parse_events(struct value *v, const struct kw *kw, void *field)
{
	const char *all = v->algs != NULL ? v->algs->audit_events.all : NULL, *p = v->argv[0];
	char pattern[PATTERN_MAX];

	if (!match_list_valid(p))
		return value_bad(v, "%s: an empty pattern", kw->info.name);
	*(const char **)field = p;
	while (all != NULL && next(&p, pattern))
		if (strlen(pattern) == PATTERN_MAX - 1 ||
		    !fits_any(all, pattern + (pattern[0] == '!')))
			return value_bad(v, "%s: no event is called \"%s\"", kw->info.name,
					 pattern + (pattern[0] == '!'));
	if (all != NULL && !fits_any(all, v->argv[0]))
		return value_bad(v, "%s: none is left", kw->info.name);
	return true;
}

static void print_events(const struct kw *kw, const void *field, FILE *f)
{
	(void)kw;
	value_print_arg(*(const char *const *)field, f);
}

const struct value_type type_events = {1, 1, false, parse_events, print_events, NULL};

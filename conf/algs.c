/*
 * Algorithm lists: as they stand, or +, - and ^ edits of the default. Source sshd_config(5).
 */
#include <string.h>

#include "conf/internal.h"
#include "conf/match.h"

/* Does the comma list hold the n bytes at name as an entry? */
static bool list_has(const char *list, const char *name, size_t n)
{
	while (*list != '\0') {
		size_t len = strcspn(list, ",");

		if (len == n && memcmp(list, name, n) == 0)
			return true;
		list += len;
		list += *list == ',';
	}
	return false;
}

/* Appends the entries of list to buf, each once, without those a pattern of minus matches. */
static void list_add(char *buf, const char *list, const char *minus)
{
	while (*list != '\0') {
		size_t len = strcspn(list, ","), end = strlen(buf);

		if (len > 0 && !list_has(buf, list, len)) {
			char *name = buf + end + (end > 0);

			memcpy(name, list, len);
			name[len] = '\0';
			if (minus != NULL && match_list(name, minus, false) == MATCH_YES)
				buf[end] = '\0';
			else if (end > 0)
				buf[end] = ',';
		}
		list += len;
		list += *list == ',';
	}
}

/* Every name must be one we have; a pattern may only take away. */
static bool names_known(const char *list, const char *all, bool patterns)
{
	do {
		size_t len = strcspn(list, ",");

		if (len == 0 || *list == '!')
			return false;
		if (!(patterns && strcspn(list, "*?") < len) && !list_has(all, list, len))
			return false;
		list += len;
	} while (*list++ == ',');
	return true;
}

bool value_parse_algs(struct value *v, const struct kw *kw, void *field)
{
	const struct conf_alg_names *names;
	const char *spec = v->argv[0];
	char op = *spec == '+' || *spec == '-' || *spec == '^' ? *spec : '\0';
	const char *list = spec + (op != '\0');
	char *buf;

	*(const char **)field = NULL;
	if (v->algs == NULL)
		return true;
	names = (const void *)((const char *)v->algs + kw->names);
	if (names->all == NULL)
		return true;
	if (!names_known(list, names->all, op == '-'))
		return value_bad(v, "Bad %s '%.100s'.", kw->what, spec);

	/* Each part at most once, with a comma, and one byte to try a name behind it. */
	buf = arena_alloc(v->arena, strlen(list) + strlen(names->dflt) + 3);
	if (buf == NULL)
		return value_bad(v, "out of memory");
	if (op == '+')
		list_add(buf, names->dflt, NULL);
	if (op != '-')
		list_add(buf, list, NULL);
	if (op == '^')
		list_add(buf, names->dflt, NULL);
	if (op == '-')
		list_add(buf, names->dflt, list);
	if (*buf == '\0')
		return value_bad(v, "Bad %s '%.100s'.", kw->what, spec);
	*(const char **)field = buf;
	return true;
}

/*
 * Algorithm lists: as they stand, or +, - and ^ edits of the default. Source sshd_config(5).
 */
#include <errno.h>
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

/* Leaves the entries that only has, too. */
static void list_cut(char *list, const char *only)
{
	char *to = list;

	for (const char *p = list; *p != '\0';) {
		size_t len = strcspn(p, ",");
		bool more = p[len] == ',';

		if (list_has(only, p, len)) {
			if (to > list)
				*to++ = ',';
			memmove(to, p, len);
			to += len;
		}
		p += len + more;
	}
	*to = '\0';
}

int algs_edit(struct arena *a, const struct conf_alg_names *names, const char *spec,
	      const char **ret)
{
	char op = *spec == '+' || *spec == '-' || *spec == '^' ? *spec : '\0';
	const char *list = spec + (op != '\0');
	char *buf;

	if (!names_known(list, names->all, op == '-'))
		return -EINVAL;
	/* Each part at most once, with a comma, and one byte to try a name behind it. */
	buf = arena_alloc(a, strlen(list) + strlen(names->dflt) + 3);
	if (buf == NULL)
		return -ENOMEM;
	if (op == '+')
		list_add(buf, names->dflt, NULL);
	if (op != '-')
		list_add(buf, list, NULL);
	if (op == '^')
		list_add(buf, names->dflt, NULL);
	if (op == '-')
		list_add(buf, names->dflt, list);
	if (*buf == '\0')
		return -EINVAL;
	if (names->only != NULL)
		list_cut(buf, names->only);
	if (*buf == '\0')
		return -ENOKEY;
	*ret = buf;
	return 0;
}

bool value_parse_algs(struct value *v, const struct kw *kw, void *field)
{
	const struct conf_alg_names *names;
	int r;

	*(const char **)field = NULL;
	if (v->algs == NULL)
		return true;
	names = (const void *)((const char *)v->algs + kw->names);
	if (names->all == NULL)
		return true;
	r = algs_edit(v->arena, names, v->argv[0], field);
	if (r == -EINVAL)
		return value_bad(v, "Bad %s '%.100s'.", kw->what, v->argv[0]);
	if (r == -ENOKEY)
		return value_bad(v, "FIPSMode leaves nothing of %s '%.100s'.", kw->what,
				 v->argv[0]);
	return r == 0 || value_bad(v, "out of memory");
}

bool value_parse_user_algs(struct value *v, const struct kw *kw, void *field)
{
	if (v->algs != NULL)
		return value_parse_algs(v, kw, field);
	*(const char **)field = v->argv[0];
	return true;
}

/* The line says the list it stands for, and *any what all lines say. */
static int line_settle(struct arena *arena, const struct conf_algs *algs, struct line *line,
		       const char **any)
{
	struct value v = {.arena = arena, .algs = algs, .argv = line->argv, .argc = 1};
	const char **argv = arena_alloc(arena, sizeof(*argv));
	char *both;

	if (argv == NULL || !value_parse_algs(&v, line->kw, argv))
		return -ENOMEM;
	both = arena_alloc(arena, strlen(*any) + strlen(*argv) + 3);
	if (both == NULL)
		return -ENOMEM;
	list_add(both, *any, NULL);
	list_add(both, *argv, NULL);
	line->argv = argv;
	*any = both;
	return 0;
}

static int default_settle(struct arena *arena, const char *dflt, struct line *line)
{
	const char **argv = arena_alloc(arena, sizeof(*argv));

	if (argv == NULL)
		return -ENOMEM;
	*argv = arena_strdup(arena, dflt);
	line->argv = argv;
	line->argc = 1;
	return *argv != NULL ? 0 : -ENOMEM;
}

/* One keyword. Without names to go by its lines stay as they are. */
static int keyword_settle(struct conf *conf, const struct conf_algs *algs, const struct kw *kw,
			  struct line *dflt)
{
	const struct conf_alg_names *names = (const void *)((const char *)algs + kw->names);
	const char *any = "";
	bool outside = false;
	int r = 0;

	if (names->all == NULL || names->dflt == NULL)
		return 0;
	for (size_t i = 0; i < conf->n_lines && r == 0; i++) {
		if (conf->lines[i].kw != kw)
			continue;
		outside |= conf->lines[i].block == NULL;
		r = line_settle(&conf->arena, algs, &conf->lines[i], &any);
	}
	if (r == 0)
		r = default_settle(&conf->arena, names->dflt, dflt);
	if (r == 0 && !outside)
		r = line_settle(&conf->arena, algs, dflt, &any);
	if (r == 0 && kw->any != 0)
		*(const char **)(void *)((char *)&conf->global + kw->any) = any;
	return r;
}

int algs_settle(struct conf *conf, const struct conf_algs *algs)
{
	int r = 0;

	for (size_t i = 0; algs != NULL && i < conf_n_kws && r == 0; i++)
		if (conf_kws[i].type == &type_user_algs)
			r = keyword_settle(conf, algs, &conf_kws[i], &conf->defaults[i]);
	return r;
}

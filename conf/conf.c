#include "conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/bounds.h"
#include "conf/internal.h"
#include "conf/match.h"
#include "conf/rule.h"

#define DEFAULT_ARGS_MAX 8
#define MARK_BEGIN       0xcbf29ce484222325 /* FNV-1a, 64 bits */

/* --- values in force ----------------------------------------------------------------------- */

/* Does the line say something about a value that kw sets by itself? */
static bool is_plain(const struct kw *kw)
{
	return kw->type->parse != NULL;
}

/* Parsed before, when the line was read: only memory can fail now. */
static int value_set(struct conf *conf, const struct conf_algs *algs, const struct line *line,
		     void *part)
{
	struct value v;

	/* Not all of it: this is done for each keyword of each connection. */
	v.arena = &conf->arena;
	v.algs = algs;
	v.argv = line->argv;
	v.argc = line->argc;
	v.why[0] = '\0';
	return line->kw->type->parse(&v, line->kw, (char *)part + line->kw->at) ? 0 : -ENOMEM;
}

/* Defaults become lines too, split once. */
static int defaults_build(struct conf *conf)
{
	conf->defaults = arena_alloc(&conf->arena, conf_n_kws * sizeof(*conf->defaults));
	if (conf->defaults == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < conf_n_kws; i++) {
		struct line *line = &conf->defaults[i];
		const char **argv;
		int n;

		line->kw = &conf_kws[i];
		if (line->kw->info.dflt == NULL || !is_plain(line->kw))
			continue;
		argv = arena_alloc(&conf->arena, DEFAULT_ARGS_MAX * sizeof(*argv));
		if (argv == NULL)
			return -ENOMEM;
		n = args_split(&conf->arena, line->kw->info.dflt, argv, DEFAULT_ARGS_MAX);
		if (n < 0)
			return n;
		line->argv = argv;
		line->argc = (uint16_t)n;
	}
	return 0;
}

/* The lines that count for a keyword: of matching blocks if there are any, else outside of all. */
struct pick {
	const struct conf *conf;
	const struct kw *kw;
	const struct conf_match_ctx *ctx; /* NULL: no block matches */
	const struct line *next; /* that is looked at */
	bool in_block;
};

static bool pick_fits(const struct pick *p, const struct line *line)
{
	if ((line->block != NULL) != p->in_block)
		return false;
	return line->block == NULL || block_matches(line->block, p->ctx);
}

/* The next one, NULL behind the last. */
static const struct line *pick_next(struct pick *p)
{
	while (p->next != NULL) {
		const struct line *line = p->next;

		p->next = line->next;
		if (pick_fits(p, line))
			return line;
	}
	return NULL;
}

static const struct line *pick_first(struct pick *p)
{
	const struct line *line, *first = p->conf->first[p->kw - conf_kws];

	p->next = first;
	p->in_block = p->ctx != NULL;
	line = pick_next(p);
	if (line == NULL && p->in_block) {
		p->next = first;
		p->in_block = false;
		line = pick_next(p);
	}
	return line;
}

_Static_assert(sizeof(struct conf_rules) == sizeof(struct conf_strs) &&
		       offsetof(struct conf_rules, n) == offsetof(struct conf_strs, n),
	       "what is made of lines is collected as their words are");

/* Words of all lines that count, one behind the other. strs is counted first, then filled. */
static void strs_collect(struct pick *p, struct conf_strs *ret, const char **v)
{
	size_t n = 0;

	for (const struct line *line = pick_first(p); line != NULL; line = pick_next(p)) {
		for (unsigned int i = 0; i < line->argc; i++, n++) {
			if (v != NULL)
				v[n] = line->made != NULL ? line->made : line->argv[i];
		}
	}
	*ret = (struct conf_strs){v, n};
}

/* A repeatable keyword: the list is malloc'ed. */
static int strs_set(struct pick *p, struct conf_strs *ret)
{
	struct conf_strs counted, filled;
	const char **v;

	strs_collect(p, &counted, NULL);
	if (counted.n == 0)
		return 0;
	v = calloc(counted.n, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	strs_collect(p, &filled, v);
	*ret = filled;
	return 0;
}

static int keyword_set(struct conf *conf, const struct conf_algs *algs, size_t i,
		       const struct conf_match_ctx *ctx, void *part)
{
	const struct kw *kw = &conf_kws[i];
	struct pick p = {.conf = conf, .kw = kw, .ctx = ctx};
	const struct line *line;

	if (kw->info.repeatable)
		return strs_set(&p, (void *)((char *)part + kw->at));
	line = pick_first(&p);
	if (line == NULL)
		line = &conf->defaults[i];
	return line->argc > 0 ? value_set(conf, algs, line, part) : 0;
}

static int part_set(struct conf *conf, const struct conf_algs *algs, enum kw_part which,
		    const struct conf_match_ctx *ctx, void *part)
{
	for (size_t i = 0; i < conf_n_kws; i++) {
		int r;

		if (conf_kws[i].part != which || !is_plain(&conf_kws[i]))
			continue;
		r = keyword_set(conf, algs, i, ctx, part);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Algorithms without a keyword are what the program prefers. */
static int algs_default(struct conf *conf, const struct conf_algs *algs)
{
	for (size_t i = 0; algs != NULL && i < conf_n_kws; i++) {
		const struct kw *kw = &conf_kws[i];
		const char **field = (void *)((char *)&conf->global + kw->at);
		const struct conf_alg_names *names = (const void *)((const char *)algs + kw->names);

		if (kw->type != &type_algs || names->dflt == NULL || *field != NULL)
			continue;
		*field = arena_strdup(&conf->arena, names->dflt);
		if (*field == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* --- loading -------------------------------------------------------------------------------- */

static struct conf *conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->refs = 1;
	conf->mark = MARK_BEGIN;
	if (defaults_build(conf) < 0) {
		conf_put(conf);
		return NULL;
	}
	return conf;
}

/* Only rules are made of lines. */
static bool line_about(const struct line *line, enum conf_match_about about)
{
	if (line->block != NULL && block_about(line->block, about))
		return true;
	return about == CONF_ABOUT_GROUP && line->made != NULL && conf_rule_grouped(line->made);
}

/* What holds for a connection is asked for each of many: a keyword's lines are found at once. */
static int lines_link(struct conf *conf)
{
	conf->first = arena_alloc(&conf->arena, conf_n_kws * sizeof(*conf->first));
	if (conf->first == NULL)
		return -ENOMEM;
	for (size_t i = conf->n_lines; i-- > 0;) {
		const struct line **first = &conf->first[conf->lines[i].kw - conf_kws];

		conf->lines[i].next = *first;
		*first = &conf->lines[i];
	}
	return 0;
}

static void about_find(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_lines; i++) {
		const struct line *line = &conf->lines[i];

		for (enum conf_match_about a = 0; a < CONF_ABOUTS; a++)
			conf->about |= (unsigned int)line_about(line, a) << a;
		conf->news |= line->kw->type == &type_hook && hook_line_news(line->argv[0]);
	}
}

/* When all lines are read. -EINVAL: there were errors. */
static int conf_finish(struct loader *l, const char *name)
{
	struct conf *conf = l->conf;

	/* What was wrong is not among the lines, so these can only lack memory. */
	if (lines_link(conf) < 0 ||
	    part_set(conf, l->algs, PART_DATAPLANE, NULL, &conf->dataplane) < 0 ||
	    part_set(conf, l->algs, PART_GLOBAL, NULL, &conf->global) < 0)
		return -ENOMEM;
	topology_build(l);
	about_find(conf);
	if (l->errors.n > 0) {
		unsigned int n = l->errors.n;

		l->errors.n = 0; /* the last line fits whatever came before */
		errors_add(&l->errors, name, 0, "terminating, %u bad configuration options", n);
		return -EINVAL;
	}
	if (l->errors.no_memory)
		return -ENOMEM;
	if (algs_default(conf, l->algs) < 0)
		return -ENOMEM;
	return algs_settle(conf, l->algs);
}

/* A text, or when that is NULL the file of that name. */
static int load(struct loader *l, const char *name, const char *text, size_t len, struct conf **ret,
		char **ret_errors)
{
	int r;

	*ret_errors = NULL;
	l->conf = conf_new();
	if (l->conf == NULL)
		return -ENOMEM;
	if (text != NULL)
		load_text(l, name, text, len);
	else
		load_file(l, name);
	r = conf_finish(l, name);
	if (r < 0) {
		*ret_errors = l->errors.text;
		conf_put(l->conf);
		return r;
	}
	*ret = l->conf;
	return 0;
}

int conf_load(const char *path, const struct conf_algs *valid, struct conf **ret, char **ret_errors)
{
	return conf_load_trusted(path, valid, NULL, ret, ret_errors);
}

int conf_load_trusted(const char *path, const struct conf_algs *valid,
		      bool (*trusted)(const char *path), struct conf **ret, char **ret_errors)
{
	struct loader l = {.algs = valid, .may_include = true, .trusted = trusted};

	return load(&l, path, NULL, 0, ret, ret_errors);
}

int conf_parse(const char *name, const char *text, size_t len, const struct conf_algs *valid,
	       struct conf **ret, char **ret_errors)
{
	struct loader l = {.algs = valid};

	return load(&l, name, text != NULL ? text : "", len, ret, ret_errors);
}

struct conf *conf_get(struct conf *conf)
{
	conf->refs++;
	return conf;
}

/* The lists of its repeatable keywords. */
static void strs_free(enum kw_part which, void *part)
{
	for (size_t i = 0; i < conf_n_kws; i++) {
		const struct kw *kw = &conf_kws[i];

		if (kw->part == which && is_plain(kw) && kw->info.repeatable)
			free((void *)((struct conf_strs *)(void *)((char *)part + kw->at))->v);
	}
}

void conf_put(struct conf *conf)
{
	if (conf == NULL || --conf->refs > 0)
		return;
	if (conf->base == NULL)
		strs_free(PART_DATAPLANE, &conf->dataplane);
	strs_free(PART_GLOBAL, &conf->global);
	conf_put(conf->base);
	free(conf->lines);
	arena_fini(&conf->arena);
	free(conf);
}

void conf_inherit(struct conf *conf, struct conf *base)
{
	const struct conf_global *of = &base->global;
	const uint32_t conns = conf->dataplane.max_connections;
	struct conf_global *g = &conf->global;

	conf->base = conf_get(base);
	strs_free(PART_DATAPLANE, &conf->dataplane);
	conf->dataplane = base->dataplane;
	conf->dataplane.max_connections = conns;
	g->ports = of->ports;
	g->n_ports = of->n_ports;
	g->listens = of->listens;
	g->n_listens = of->n_listens;
	g->address_family = of->address_family;
	g->listen_backlog = of->listen_backlog;
	g->listen_exclusive = of->listen_exclusive;
}

uint64_t conf_mark(const struct conf *conf)
{
	return conf->mark != 0 ? conf->mark : 1;
}

const struct conf_dataplane *conf_dataplane(const struct conf *conf)
{
	return &conf->dataplane;
}

const struct conf_global *conf_global(const struct conf *conf)
{
	return &conf->global;
}

/* --- sessions --------------------------------------------------------------------------------- */

/* What a program of the operator's has said of it holds beside the file. */
static void bounds_of_marks(const char *marks, struct conf_session *s)
{
	struct conf_bounds b;

	for (; *marks != '\0'; marks += strlen(marks) + 1)
		if (*marks == CONF_MARK_BOUNDS && conf_bounds_read(marks + 1, &b))
			conf_bounds_apply(&b, s);
}

int conf_session_for(struct conf *conf, const struct conf_match_ctx *ctx, struct conf_session *ret)
{
	struct conf_session s = {.conf = conf_get(conf)};
	int r = part_set(conf, NULL, PART_SESSION, ctx, &s);

	if (r < 0) {
		conf_session_fini(&s);
		return r;
	}
	if (ctx != NULL && ctx->marks != NULL)
		bounds_of_marks(ctx->marks, &s);
	*ret = s;
	return 0;
}

void conf_session_fini(struct conf_session *s)
{
	if (s->conf != NULL)
		strs_free(PART_SESSION, s);
	conf_put(s->conf);
	*s = (struct conf_session){0};
}

static bool users_have(const struct conf_strs *list, const char *user, const char *name,
		       const char *addr)
{
	for (size_t i = 0; i < list->n; i++) {
		if (match_user_host(user, name, addr, list->v[i]))
			return true;
	}
	return false;
}

bool conf_user_allowed(const struct conf_session *s, const char *user, const char *name,
		       const char *addr)
{
	if (users_have(&s->deny_users, user, name, addr))
		return false;
	return s->allow_users.n == 0 || users_have(&s->allow_users, user, name, addr);
}

static bool groups_have(const struct conf_strs *patterns, const struct conf_strs *groups)
{
	for (size_t i = 0; i < patterns->n; i++)
		for (size_t k = 0; k < groups->n; k++)
			if (match_pattern(groups->v[k], patterns->v[i]))
				return true;
	return false;
}

bool conf_groups_allowed(const struct conf_session *s, const struct conf_strs *groups)
{
	if (groups_have(&s->deny_groups, groups))
		return false;
	return s->allow_groups.n == 0 || groups_have(&s->allow_groups, groups);
}

bool conf_matches_about(const struct conf *conf, enum conf_match_about about)
{
	return conf->about >> about & 1;
}

const char *conf_keyword_place(const struct conf *conf, const struct conf_match_ctx *ctx,
			       const char *name, unsigned int *ret_line)
{
	struct pick p = {.conf = conf, .kw = kw_find(name), .ctx = ctx};
	const struct line *line = p.kw != NULL ? pick_first(&p) : NULL;

	*ret_line = line != NULL ? line->number : 0;
	return line != NULL ? line->file : "";
}

void conf_keyword_values(const struct conf *conf, const char *name,
			 void (*each)(void *arg, const char *value), void *arg)
{
	const struct line *line = conf->first[kw_find(name) - conf_kws];

	for (; line != NULL; line = line->next)
		each(arg, line->argv[0]);
}

const char *conf_rule_place(const struct conf *conf, const struct conf_rule *r,
			    unsigned int *ret_line)
{
	size_t i = 0;

	while (i < conf->n_lines && conf->lines[i].made != r)
		i++;
	*ret_line = i < conf->n_lines ? conf->lines[i].number : 0;
	return i < conf->n_lines ? conf->lines[i].file : "";
}

/* --- the dump ------------------------------------------------------------------------------------
 */

void keyword_dump(const struct conf *conf, const struct kw *kw, const void *part, FILE *f)
{
	const void *field;

	if (!is_plain(kw)) { /* and of no part */
		topology_dump(conf, kw, f);
		return;
	}
	field = (const char *)part + kw->at;
	if (kw->type->absent != NULL && kw->type->absent(field))
		return;
	for (const char *p = kw->info.name; *p != '\0'; p++)
		fputc(*p | 0x20, f);
	fputc(' ', f);
	kw->type->print(kw, field, f);
	fputc('\n', f);
}

int conf_dump(struct conf *conf, const struct conf_match_ctx *ctx, FILE *f)
{
	struct conf_session s;
	const void *parts[] = {
		[PART_DATAPLANE] = &conf->dataplane,
		[PART_GLOBAL] = &conf->global,
		[PART_SESSION] = &s,
	};
	int r = conf_session_for(conf, ctx, &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < conf_n_kws; i++)
		keyword_dump(conf, &conf_kws[i], parts[conf_kws[i].part], f);
	conf_session_fini(&s);
	return ferror(f) ? -EIO : 0;
}

/* --- paths
 * ----------------------------------------------------------------------------------------- */

struct expansion {
	char *buf;
	size_t size, len;
	bool full;
};

static void expand_add(struct expansion *e, const char *text, size_t n)
{
	if (e->size - e->len <= n) { /* and the end */
		e->full = true;
		return;
	}
	memcpy(e->buf + e->len, text, n);
	e->len += n;
	e->buf[e->len] = '\0';
}

/* A user's name becomes a part of a path: it must not leave the folder it is put in. */
static bool file_name_ok(const char *user)
{
	if (*user == '\0' || strcmp(user, ".") == 0 || strcmp(user, "..") == 0)
		return false;
	for (; *user != '\0'; user++) {
		if (*user == '/' || (unsigned char)*user < ' ' || *user == 0x7f)
			return false;
	}
	return true;
}

int conf_path_expand(const char *template, const char *user, const char *home, char *buf,
		     size_t size)
{
	struct expansion e = {.buf = buf, .size = size};
	bool relative = *template != '/' && strncmp(template, "%h", 2) != 0;

	if (!file_name_ok(user) || size == 0)
		return -EINVAL;
	if (home == NULL && relative)
		return -EINVAL;
	if (relative) {
		expand_add(&e, home, strlen(home));
		expand_add(&e, "/", 1);
	}
	while (*template != '\0' && !e.full) {
		const char *text = template;
		size_t n = strcspn(template, "%");

		if (n == 0) {
			switch (template[1]) {
			case 'u':
				text = user;
				break;
			case 'h':
				if (home == NULL)
					return -EINVAL;
				text = home;
				break;
			case '%':
				text = "%";
				break;
			default:
				return -EINVAL;
			}
			template += 2;
			n = strlen(text);
		} else {
			template += n;
		}
		expand_add(&e, text, n);
	}
	return e.full ? -ENAMETOOLONG : 0;
}

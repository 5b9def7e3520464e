/*
 * From files to lines: reading, Include, words, and the check of every line. Source sshd_config(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/internal.h"

#define ERRORS_MAX 1000        /* further ones are counted only */
#define LINES_MAX  (64 * 1024) /* in all; an Include of an Include of … multiplies */

/* Where a file stands: what Include and errors need. */
struct place {
	const char *file;
	unsigned int number;
	unsigned int depth;
	const struct block *block;
};

static void load_path(struct loader *l, const char *path, const struct place *from);

/* --- errors ------------------------------------------------------------------------- */

static void errors_append(struct errors *e, const char *text)
{
	size_t n = strlen(text);
	char *p = realloc(e->text, e->len + n + 1);

	if (p == NULL) {
		e->no_memory = true;
		return;
	}
	e->text = p;
	memcpy(p + e->len, text, n + 1);
	/* What stands in a file does not steer a terminal. */
	for (p += e->len; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' && *p != '\n')
			*p = '?';
	}
	e->len += n;
}

void errors_add(struct errors *e, const char *file, unsigned int number, const char *fmt, ...)
{
	char where[PATH_MAX + 32], what[1024];
	va_list ap;

	if (++e->n > ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (number > 0)
		snprintf(where, sizeof(where), "%s line %u: ", file, number);
	else
		snprintf(where, sizeof(where), "%s: ", file);
	errors_append(e, where);
	errors_append(e, what);
	errors_append(e, "\n");
}

static void no_memory(struct loader *l)
{
	l->errors.no_memory = true;
}

/* --- words ----------------------------------------------------------------------------- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Is p[0] a backslash that protects p[1]? Others stand for themselves. */
static bool escapes(const char *p, char quote)
{
	return p[0] == '\\' &&
	       (p[1] == '"' || p[1] == '\'' || p[1] == '\\' || (quote == '\0' && p[1] == ' '));
}

/* One word at *text into *buf; both move behind it. False: a quote is open. */
static bool word_read(const char **text, char **buf)
{
	const char *p = *text;
	char *to = *buf, quote = '\0';

	for (; *p != '\0'; p++) {
		if (quote == '\0' && blank(*p))
			break;
		if (escapes(p, quote))
			*to++ = *++p;
		else if (quote == '\0' && (*p == '"' || *p == '\''))
			quote = *p;
		else if (quote != '\0' && *p == quote)
			quote = '\0';
		else
			*to++ = *p;
	}
	*to++ = '\0';
	*text = p;
	*buf = to;
	return quote == '\0';
}

int args_split(struct arena *a, const char *text, const char **argv, unsigned int room)
{
	/* A word is never longer than what it was made from, and its end takes a blank's place. */
	char *buf = arena_alloc(a, strlen(text) + 1);
	int n = 0;

	if (buf == NULL)
		return -ENOMEM;
	for (;;) {
		text += strspn(text, " \t");
		if (*text == '\0' || *text == '#')
			return n;
		if ((unsigned int)n == room)
			return -E2BIG;
		argv[n++] = buf;
		if (!word_read(&text, &buf))
			return -EINVAL;
	}
}

/* --- one line ------------------------------------------------------------------------------- */

/* The argument vector of a line, kept with the conf. */
static bool line_args(struct loader *l, struct line *line, const char *rest)
{
	const char *argv[CONF_ARGS_MAX];
	const char **kept;
	int n;

	if (line->kw->type->raw) {
		argv[0] = arena_strdup(&l->conf->arena, rest);
		n = argv[0] == NULL ? -ENOMEM : *rest != '\0';
	} else {
		n = args_split(&l->conf->arena, rest, argv, CONF_ARGS_MAX);
	}
	if (n == -EINVAL)
		errors_add(&l->errors, line->file, line->number, "invalid quotes");
	if (n == -E2BIG)
		errors_add(&l->errors, line->file, line->number, "too many arguments");
	if (n == -ENOMEM)
		no_memory(l);
	if (n < 0)
		return false;
	kept = arena_alloc(&l->conf->arena, ((size_t)n + 1) * sizeof(*kept));
	if (kept == NULL) {
		no_memory(l);
		return false;
	}
	memcpy(kept, argv, (size_t)n * sizeof(*kept));
	line->argv = kept;
	line->argc = (uint16_t)n;
	return true;
}

static bool line_count_ok(struct loader *l, const struct line *line)
{
	const struct value_type *type = line->kw->type;
	uint16_t min = type->args_min, max = type->args_max;

	for (unsigned int i = 0; i < line->argc; i++) {
		if (*line->argv[i] == '\0')
			min = UINT16_MAX; /* an empty word is a missing one */
	}
	if (line->argc < min) {
		errors_add(&l->errors, line->file, line->number, "%s missing argument.",
			   line->kw->info.name);
		return false;
	}
	if (line->argc > max) {
		errors_add(&l->errors, line->file, line->number,
			   "keyword %s extra arguments at end of line", line->kw->info.name);
		return false;
	}
	return true;
}

/* Parses into nowhere, to see whether it can be. */
static bool line_value_ok(struct loader *l, struct line *line)
{
	union {
		struct conf_dataplane dataplane;
		struct conf_global global;
		struct conf_session session;
	} scratch = {0};
	struct value v = {
		.arena = &l->conf->arena, .algs = l->algs, .argv = line->argv, .argc = line->argc};

	if (line->kw->type->parse == NULL)
		return true;
	if (line->kw->type->parse(&v, line->kw, (char *)&scratch + line->kw->at)) {
		if (line->kw->made)
			memcpy(&line->made, (char *)&scratch + line->kw->at, sizeof(line->made));
		return true;
	}
	errors_add(&l->errors, line->file, line->number, "%s", v.why);
	return false;
}

static void line_keep(struct loader *l, const struct line *line)
{
	struct conf *conf = l->conf;

	if (conf->n_lines == conf->lines_room) {
		size_t room = conf->lines_room == 0 ? 64 : conf->lines_room * 2;
		struct line *p = reallocarray(conf->lines, room, sizeof(*p));

		if (p == NULL) {
			no_memory(l);
			return;
		}
		conf->lines = p;
		conf->lines_room = room;
	}
	conf->lines[conf->n_lines++] = *line;
}

/* --- Include and Match
 * ---------------------------------------------------------------------------- */

static bool has_magic(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

/* Relative to the folder of the file the line stands in. False: too long. */
static bool include_path(const struct place *at, const char *pattern, char *buf, size_t size)
{
	const char *slash = strrchr(at->file, '/');
	int n;

	if (*pattern == '/' || slash == NULL)
		n = snprintf(buf, size, "%s", pattern);
	else
		n = snprintf(buf, size, "%.*s/%s", (int)(slash - at->file), at->file, pattern);
	return n >= 0 && (size_t)n < size;
}

static void include_one(struct loader *l, const struct place *at, const char *pattern)
{
	char path[PATH_MAX];
	glob_t found;
	int r;

	if (!include_path(at, pattern, path, sizeof(path))) {
		errors_add(&l->errors, at->file, at->number, "Include %.100s: path too long",
			   pattern);
		return;
	}
	r = glob(path, GLOB_NOESCAPE, NULL, &found);
	if (r == GLOB_NOMATCH) {
		/* A folder of snippets may be empty; a file that was named may not be missing. */
		if (!has_magic(pattern))
			errors_add(&l->errors, at->file, at->number,
				   "Include %.100s: No such file or directory", pattern);
		return;
	}
	if (r != 0) {
		errors_add(&l->errors, at->file, at->number, "Include %.100s: cannot be read",
			   pattern);
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		load_path(l, found.gl_pathv[i], at);
	globfree(&found);
}

static void include(struct loader *l, const struct line *line, const struct place *at)
{
	if (!l->may_include) {
		errors_add(&l->errors, at->file, at->number, "Include is not possible here");
		return;
	}
	if (at->depth >= CONF_INCLUDE_DEPTH) {
		errors_add(&l->errors, at->file, at->number,
			   "Too many recursive configuration includes");
		return;
	}
	for (unsigned int i = 0; i < line->argc; i++)
		include_one(l, at, line->argv[i]);
}

/* A block lasts to the next one or to the end of its file; outer is what an Include stands in. */
static void match(struct loader *l, const struct line *line, struct place *at,
		  const struct block *outer)
{
	char why[256];
	const struct block *b =
		block_parse(&l->conf->arena, line->argv, line->argc, outer, why, sizeof(why));

	if (b == NULL) {
		errors_add(&l->errors, at->file, at->number, "%s", why);
		/* So that what follows is judged as standing in a block. */
		b = block_parse(&l->conf->arena, NULL, 0, outer, why, sizeof(why));
		if (b == NULL)
			no_memory(l);
	}
	at->block = b;
}

/* --- lines of a text
 * ------------------------------------------------------------------------------------ */

char *keyword_split(char *text)
{
	char *rest = text + strcspn(text, " \t=");
	char end = *rest;

	if (end == '\0')
		return rest;
	*rest++ = '\0';
	rest += strspn(rest, " \t");
	if (end != '=' && *rest == '=') {
		rest++;
		rest += strspn(rest, " \t");
	}
	return rest;
}

static const struct kw *keyword_of(struct loader *l, const struct place *at, const char *name)
{
	const struct kw *kw = kw_find(name);

	if (kw == NULL && kw_unsupported(name)) {
		errors_add(&l->errors, at->file, at->number,
			   "Unsupported option %s: not supported in this version", name);
	} else if (kw == NULL) {
		errors_add(&l->errors, at->file, at->number, "Bad configuration option: %.100s",
			   name);
	} else if (at->block != NULL && !kw->info.in_match) {
		errors_add(&l->errors, at->file, at->number,
			   "Directive '%s' is not allowed within a Match block", kw->info.name);
		kw = NULL;
	} else if (kw->early && !block_early(at->block)) {
		errors_add(&l->errors, at->file, at->number,
			   "Directive '%s' is not allowed within this Match block: it is chosen "
			   "before a login, by Address, LocalAddress, LocalPort, Client-Version",
			   kw->info.name);
		kw = NULL;
	}
	return kw;
}

static void line_load(struct loader *l, char *text, struct place *at, const struct block *outer)
{
	struct line line = {.file = at->file, .number = at->number, .block = at->block};
	char *rest;

	text += strspn(text, " \t");
	if (*text == '\0' || *text == '#')
		return;
	rest = keyword_split(text);
	line.kw = keyword_of(l, at, text);
	if (line.kw == NULL || !line_args(l, &line, rest) || !line_count_ok(l, &line))
		return;
	if (line.kw->special == KW_INCLUDE) {
		include(l, &line, at);
	} else if (line.kw->special == KW_MATCH) {
		match(l, &line, at, outer);
	} else if (line_value_ok(l, &line)) {
		if (l->conf->n_lines < LINES_MAX)
			line_keep(l, &line);
		else
			errors_add(&l->errors, at->file, at->number, "too many lines");
	}
}

bool line_clean(char *text, size_t len)
{
	while (len > 0 && (blank(text[len - 1]) || text[len - 1] == '\r'))
		len--;
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return false;
	}
	text[len] = '\0';
	return true;
}

/* FNV-1a over the bytes of all files, each with its end. */
static void mark(struct conf *conf, const char *text, size_t len)
{
	for (size_t i = 0; i <= len; i++)
		conf->mark = (conf->mark ^ (i < len ? (uint8_t)text[i] : 0)) * 0x100000001b3;
}

/* text is changed: lines are cut out of it. */
static void lines_load(struct loader *l, char *text, size_t len, struct place *at)
{
	const struct block *outer = at->block;
	char *end = text + len;

	mark(l->conf, text, len);
	while (text < end && !l->errors.no_memory) {
		char *eol = memchr(text, '\n', (size_t)(end - text));

		if (eol == NULL)
			eol = end; /* the byte behind is ours too */
		at->number++;
		if (line_clean(text, (size_t)(eol - text)))
			line_load(l, text, at, outer);
		else
			errors_add(&l->errors, at->file, at->number,
				   "line contains a control character");
		text = eol + 1;
	}
}

void load_text(struct loader *l, const char *name, const char *text, size_t len)
{
	struct place at = {.file = arena_strdup(&l->conf->arena, name)};
	char *copy = malloc(len + 1);

	if (copy == NULL || at.file == NULL) {
		no_memory(l);
	} else if (len > CONF_FILE_MAX) {
		errors_add(&l->errors, name, 0, "File too large");
	} else {
		if (len > 0)
			memcpy(copy, text, len);
		lines_load(l, copy, len, &at);
	}
	free(copy);
}

/* --- files
 * -------------------------------------------------------------------------------------------------
 */

int conf_file_read(const char *path, char **ret, size_t *ret_len)
{
	char *buf = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;
	/* Non-blocking: a FIFO in an Include must not hold up the start. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	else if (st.st_size > CONF_FILE_MAX)
		r = -EFBIG;
	if (r < 0)
		goto out;
	buf = malloc(CONF_FILE_MAX + 1);
	if (buf == NULL) {
		r = -ENOMEM;
		goto out;
	}
	while (len < CONF_FILE_MAX && (n = read(fd, buf + len, CONF_FILE_MAX - len)) > 0)
		len += (size_t)n;
	if (n < 0) {
		r = -errno;
		goto out;
	}
	*ret = buf;
	*ret_len = len;
	buf = NULL;
out:
	free(buf);
	close(fd);
	return r;
}

/* from is the line that includes it; NULL: the file itself. */
static void load_path(struct loader *l, const char *path, const struct place *from)
{
	struct place at = {.file = arena_strdup(&l->conf->arena, path)};
	char *text = NULL;
	size_t len = 0;
	int r;

	if (at.file == NULL) {
		no_memory(l);
		return;
	}
	if (from != NULL) {
		at.depth = from->depth + 1;
		at.block = from->block;
	}
	if (++l->files > CONF_FILES_MAX) {
		errors_add(&l->errors, from->file, from->number, "too many files");
		return;
	}
	if (l->trusted != NULL && !l->trusted(path)) {
		errors_add(&l->errors, path, 0,
			   "bad ownership or modes of the file or of a folder above it");
		return;
	}
	r = conf_file_read(path, &text, &len);
	if (r == -ENOMEM)
		no_memory(l);
	else if (r < 0 && from != NULL)
		errors_add(&l->errors, from->file, from->number, "Include %s: %s", path,
			   strerror(-r));
	else if (r < 0)
		errors_add(&l->errors, path, 0, "%s", strerror(-r));
	else
		lines_load(l, text, len, &at);
	free(text);
}

void load_file(struct loader *l, const char *path)
{
	load_path(l, path, NULL);
}

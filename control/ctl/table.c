/* control/ctl/table.c - answers as tables for people, and as lines with tabs for programs. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/ctl/ctl.h"

#define COLUMNS_MAX 32
#define CELL_MAX    40 /* columns of one that is not the last: more go on in lines below */

unsigned int ctl_width(FILE *f)
{
	const char *columns = getenv("COLUMNS");
	struct winsize w = {0};

	if (!isatty(fileno(f)))
		return 0;
	if (columns != NULL && atoi(columns) > 0)
		return (unsigned int)atoi(columns);
	if (ioctl(fileno(f), TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
		return 80;
	return w.ws_col;
}

/* --- lines with tabs: every field, as it is ------------------------------------------------ */

static void tsv(const struct ctl *c, const struct admin_subject *s, const json_t *rows, FILE *f)
{
	char buf[CTL_VALUE_MAX];

	for (size_t k = 0; !c->bare && k < s->n_fields; k++)
		fprintf(f, "%s%c", s->field[k].name, k + 1 < s->n_fields ? '\t' : '\n');
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		for (size_t k = 0; k < s->n_fields; k++)
			fprintf(f, "%s%c", ctl_plain(json_object_get(row, s->field[k].name), buf),
				k + 1 < s->n_fields ? '\t' : '\n');
	}
}

/* --- tables ---------------------------------------------------------------------------- */

struct column {
	const struct admin_field *field;
	size_t width;
};

static bool is_number(const struct admin_field *f)
{
	return f->type == ADMIN_INTEGER || f->type == ADMIN_NUMBER;
}

/* Of text that stands in several lines, what the first one has: it ends at a blank. */
static size_t line_of(const char *text)
{
	size_t len = strlen(text), n = len < CELL_MAX ? len : CELL_MAX;

	if (n == len)
		return n;
	while (n > 0 && text[n] != ' ')
		n--;
	return n > 0 ? n : strcspn(text, " ");
}

/* Of its lines, the longest. */
static size_t width_of(const char *text)
{
	size_t most = 0, n;

	for (; *text != '\0'; text += n, text += strspn(text, " ")) {
		n = line_of(text);
		most = n > most ? n : most;
	}
	return most;
}

static unsigned int columns(const struct admin_subject *s, const json_t *rows, size_t width,
			    struct column ret[COLUMNS_MAX])
{
	char buf[CTL_VALUE_MAX];
	unsigned int n = 0;

	for (size_t k = 0; k < s->n_fields && n < COLUMNS_MAX; k++) {
		const struct admin_field *field = &s->field[k];

		if (field->title == NULL)
			continue;
		ret[n] = (struct column){field, strlen(field->title)};
		for (size_t i = 0; i < json_array_size(rows); i++) {
			const json_t *row = json_array_get(rows, i);
			size_t len =
				width_of(ctl_value(field, json_object_get(row, field->name), buf));

			if (len > ret[n].width)
				ret[n].width = len;
		}
		n++;
	}
	for (unsigned int k = 0; width > 0 && k + 1 < n; k++)
		if (ret[k].width > CELL_MAX)
			ret[k].width = CELL_MAX;
	return n;
}

/* n of text. Left of it is taken already; a line never goes beyond the terminal. */
static size_t cell(const struct column *col, const char *text, size_t n_text, bool last,
		   size_t used, size_t width, FILE *f)
{
	size_t room = width > used ? width - used : 0;
	size_t want = last && !is_number(col->field) ? n_text : col->width;
	char line[CTL_VALUE_MAX + 64];
	int cut = (int)(want < CTL_VALUE_MAX ? want : CTL_VALUE_MAX - 1);
	int take = (int)n_text < cut ? (int)n_text : cut;
	int n = snprintf(line, sizeof(line), is_number(col->field) ? "%*.*s" : "%-*.*s", cut, take,
			 text);

	if (n < 0)
		return used;
	if (width > 0 && (size_t)n > room)
		n = (int)room;
	fprintf(f, "%.*s", n, line);
	used += (size_t)n;
	if (last || (width > 0 && used + 2 > width))
		return used;
	fputs("  ", f);
	return used + 2;
}

/* The line from at[] on, which says what of each column is printed. True: there are more. */
static bool line_print(const struct column *col, unsigned int n, const json_t *row, size_t *at,
		       size_t width, FILE *f)
{
	char buf[CTL_VALUE_MAX];
	size_t used = 0;
	bool more = false;

	for (unsigned int k = 0; k < n; k++) {
		const struct admin_field *field = col[k].field;
		bool last = k + 1 == n;
		const char *text =
			row != NULL ? ctl_value(field, json_object_get(row, field->name), buf)
				    : field->title;
		size_t len;

		text += at[k];
		len = last ? strlen(text) : line_of(text);
		used = cell(&col[k], text, len, last, used, width, f);
		at[k] += len + strspn(text + len, " ");
		more = more || text[len] != '\0';
	}
	fputc('\n', f);
	return more;
}

static void row_print(const struct column *col, unsigned int n, const json_t *row, size_t width,
		      FILE *f)
{
	size_t at[COLUMNS_MAX] = {0};

	while (line_print(col, n, row, at, width, f))
		continue;
}

void ctl_rows(const struct ctl *c, const struct admin_subject *s, const json_t *rows, FILE *f)
{
	struct column col[COLUMNS_MAX];
	unsigned int n, width = ctl_width(f);

	if (c->form == CTL_TSV) {
		tsv(c, s, rows, f);
		return;
	}
	n = columns(s, rows, width, col);
	if (!c->bare)
		row_print(col, n, NULL, width, f);
	for (size_t i = 0; i < json_array_size(rows); i++)
		row_print(col, n, json_array_get(rows, i), width, f);
}

/* --- any object -------------------------------------------------------------------------- */

static void member(const struct ctl *c, const char *name, const json_t *v, FILE *f)
{
	char buf[CTL_VALUE_MAX], longer[CTL_VALUE_MAX];
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, inner)
		{
			snprintf(longer, sizeof(longer), "%s%s%s", name, *name ? "." : "", key);
			member(c, longer, inner, f);
		}
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, inner)
		{
			snprintf(longer, sizeof(longer), "%s.%zu", name, i);
			member(c, longer, inner, f);
		}
	} else if (strcmp(name, "v") != 0) {
		fprintf(f, c->form == CTL_TSV ? "%s\t%s\n" : "%-28s %s\n", name, ctl_plain(v, buf));
	}
}

void ctl_object(const struct ctl *c, const json_t *object, FILE *f)
{
	member(c, "", object, f);
}

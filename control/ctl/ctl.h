/*
 * control/ctl/ctl.h - sluicectl: what its files share.
 *
 * main.c   words of the command line, and what they ask for
 * ask.c    the socket of sluice-control
 * table.c  answers as tables, and as lines with tabs
 * value.c  numbers and times for people
 * top.c    what goes on, as it goes on
 * trace.c  messages of a connection; pcapng.h: as a file
 * schema.c what answers are made of, as a JSON schema
 */
#ifndef SLUICE_CONTROL_CTL_CTL_H
#define SLUICE_CONTROL_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "control/admin/fields.h"

/* Exit status. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1, /* control said no, or there was nothing of that kind */
	CTL_USAGE = 2,
	CTL_UNREACHED = 3, /* nobody answers, or not to us */
};

enum ctl_form { CTL_TABLE, CTL_JSON, CTL_TSV };

struct ctl {
	const char *socket;
	enum ctl_form form;
	bool bare; /* no line of titles */
	bool all, dry_run, once;
	const char *interval, *sort; /* NULL: none was given */
	const char *grace;           /* NULL: none was given */
	const char *pcapng, *lasting, *messages; /* of a trace; NULL: none was given */
};

/* --- ask.c --- */

/* Connected; or -1 once it was said why not. */
int ctl_connect(const struct ctl *c);
/*
 * Asks and waits: the line of the answer without its end, the caller's to free(). NULL once it was
 * said why not.
 */
char *ctl_ask_line(const struct ctl *c, int fd, const char *request);
/* The same of a connection of its own, as JSON; an enum ctl_exit. *ret is the caller's. */
int ctl_ask(const struct ctl *c, const char *request, json_t **ret);
/*
 * "show connections user=…" of words, escaped as the socket wants them; the caller's to free().
 * NULL: they are too long.
 */
char *ctl_request(char *const *word, int n);

/* --- table.c --- */

/* Rows with the fields of a subject. */
void ctl_rows(const struct ctl *c, const struct admin_subject *s, const json_t *rows, FILE *f);
/* Names and values of any object, one a line; what is inside of others has both names. */
void ctl_object(const struct ctl *c, const json_t *object, FILE *f);
/* Columns of the terminal f is; 0: it is none. */
unsigned int ctl_width(FILE *f);

/* --- value.c --- */

#define CTL_VALUE_MAX 1024

/* As people read it: ages instead of times, 1.5M for bytes. */
const char *ctl_value(const struct admin_field *field, const json_t *v, char buf[CTL_VALUE_MAX]);
/* As programs do. */
const char *ctl_plain(const json_t *v, char buf[CTL_VALUE_MAX]);
const char *ctl_bytes(double n, char buf[CTL_VALUE_MAX]);
const char *ctl_age(double seconds, char buf[CTL_VALUE_MAX]);

/* 90, 90s, 15m, 2h, 1d as seconds; NULL: it is no time. */
const char *ctl_seconds(const char *text, char buf[32]);

/* --- trace.c --- */

int ctl_trace(const struct ctl *c, const char *conn);

/* --- top.c --- */

int ctl_top(const struct ctl *c);

/* --- schema.c --- */

/* Of all answers; NULL: no memory. */
json_t *ctl_schema(void);

#endif

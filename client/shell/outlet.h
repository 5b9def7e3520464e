/*
 * client/shell/outlet.h - what one of many programs says: lines as they come, each with its host,
 * or all of it, up to a limit, once it is over.
 *
 * A session writes into a pipe; who reads it here keeps no more than is bounded, and what is not
 * read holds the session back.
 */
#ifndef SLUICE_CLIENT_SHELL_OUTLET_H
#define SLUICE_CLIENT_SHELL_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define OUTLET_LINE_MAX (64 * 1024)       /* bytes of a line; a longer one is several */
#define OUTLET_KEPT_MAX (4 * 1024 * 1024) /* bytes that are kept; more are counted */

struct outlet {
	int to, from; /* the session's end, and ours */
	char *p;
	size_t n, size, dropped;
};

/* 0 or -errno. */
int outlet_init(struct outlet *o);
void outlet_fini(struct outlet *o); /* fine in one that has only its descriptors at -1 */
/* Takes what there is and writes whole lines to f; end: the last one, too, which has no end. */
void outlet_lines(struct outlet *o, FILE *f, const char *host, bool end);
/* Takes what there is and keeps it. */
void outlet_keep(struct outlet *o);

#endif

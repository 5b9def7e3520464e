/*
 * client/shell/options.h - options as ssh(1) has them, for the commands that log on.
 */
#ifndef SLUICE_CLIENT_SHELL_OPTIONS_H
#define SLUICE_CLIENT_SHELL_OPTIONS_H

#include <stdbool.h>

#include "client/config/config.h"
#include "client/config/forward.h"

struct options {
	const char *name;        /* "sluice ssh" */
	const char *config_file; /* -F; NULL: the usual ones */
	const char *destination; /* as it was given */
	const char *host;        /* of it */
	struct config *config;
	bool dump;                 /* -G */
	bool json;                 /* --json */
	bool unattended;           /* nobody waits: a server that is busy may send it away */
	unsigned int again_ms;     /* conn.h */
	const char *control;       /* -O; NULL: not said */
	const char *stdio;         /* -W; NULL: not said */
	struct forward_end target; /* of it */
	unsigned int verbose;
	char **argv; /* what stands behind the destination */
	int argc;
};

/*
 * 0; -1: what was asked for was shown; else the exit status, and what is wrong was said. The
 * configuration is not read yet. usage: without "usage: ". as: in the place of the destination,
 * which is then what o->destination says (NULL: there is none); NULL: as it stands.
 */
int options_parse(int argc, char **argv, const char *usage, const char *as, struct options *ret);
void options_fini(struct options *o);
/*
 * Reads the configuration for the destination; the log level and the log's file are those it says.
 * 0, or EXIT_ERROR, said.
 */
int options_load(struct options *o);
/* The same without waiting: -EAGAIN: options_load_step() once config_fd() is readable. */
int options_load_begin(struct options *o);
int options_load_step(struct options *o);
/* The words behind the destination with blanks between them, to be freed; NULL: none. */
char *options_command(const struct options *o);

/* ssh's, of what it could not do. */
#define EXIT_ERROR 255

#endif

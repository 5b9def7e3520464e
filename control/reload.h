/*
 * control/reload.h - the configuration is read again, while connections live.
 *
 * The file is read and checked where files are read, and then in force at once, or not at all: with
 * an error in it, which is logged with its line, all stays as it was. It holds for connections that
 * begin from then on. One that lives goes by what held when it began, until its end, as with sshd;
 * keys, principals and lists are read for each login in any case. What a program takes at its start
 * alone (conf_keyword_when()) keeps its value, and the log names it. sluice-helper is told to read
 * the file, too; the two name it to each other by its mark (helper/server.h).
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_RELOAD_H
#define SLUICE_CONTROL_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "control/session/session.h"

#define RELOAD_MS 30000 /* to read the files; what takes longer is given up */

struct reload_job;

struct reload {
	struct session_env *env;
	const char *path;
	char *ident; /* env's, of this size */
	size_t ident_size;
	unsigned int debug; /* -d: goes before LogLevel */
	struct conf *base;  /* held; what this process began with */
	struct reload_job *job;
	bool again; /* it was asked for while one was under way */
};

/* Before the first connection; env has its configuration. Its fields are filled in but base. */
void reload_init(struct reload *r);
/* Reads. One at a time: asked for meanwhile, it is read once more. */
void reload_begin(struct reload *r);
/* Gives up what is under way. */
void reload_fini(struct reload *r);

/* The threshold for what belongs to no connection: LogLevel, or as many -d. */
void reload_log_level(struct conf *conf, unsigned int debug);

#endif

/*
 * control/reload.h - the configuration is read again, while connections live.
 *
 * The file is read and checked where files are read, and then in force at once, or not at all: with
 * an error in it, which is logged with its line, all stays as it was. It holds for connections that
 * begin from then on. One that lives goes by what held when it began, until its end, as with sshd,
 * but for its rates and for rules that end it (session/review.h); keys, principals and lists are
 * read for each login in any case. What a program takes at its start
 * alone (conf_keyword_when()) keeps its value, and the log names it. sluice-helper is told to read
 * the file, too; the two name it to each other by its mark (helper/server.h).
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_RELOAD_H
#define SLUICE_CONTROL_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/notify.h"
#include "control/log_out.h"
#include "control/session/session.h"

#define RELOAD_MS 30000 /* to read the files; what takes longer is given up */

struct reload_job;
struct revoked_lists;
struct reload;

/* An operator who asks for it and waits. */
struct reload_wish {
	/*
	 * The file is right; was is in force. With dry nothing is done about it, and *lists are those
	 * of is, to be taken: NULL is left there.
	 */
	void (*judged)(struct reload_wish *w, struct conf *was, struct conf *is,
		       struct revoked_lists **lists);
	/* errors: lines, or NULL. Not called after reload_unask(). */
	void (*over)(struct reload_wish *w, int err, const char *errors);
	void *arg;
	bool dry;
	char text[1024];   /* the caller's, to put words together */
	struct reload *of; /* that it asked; NULL: it is over */
};

struct reload {
	struct session_env *env;
	const char *path;
	char *ident; /* env's, of this size */
	size_t ident_size;
	unsigned int debug; /* -d: goes before LogLevel */
	struct log_out *log; /* standard error; NULL: lines stay where they go */
	bool to_stderr;      /* -e, -d: they go there, whatever SyslogFacility says */
	const struct notify *manager; /* is told; NULL: there is none */
	struct conf *base;  /* held; what this process began with */
	struct reload_job *job;
	struct reload_wish *wish; /* whose job it is; NULL: nobody waits */
	bool again; /* it was asked for while one was under way */
};

/* Before the first connection; env has its configuration. Its fields are filled in but base. */
void reload_init(struct reload *r);
/* Reads. One at a time: asked for meanwhile, it is read once more. */
void reload_begin(struct reload *r);
/* The same for who waits. -EBUSY: one is under way; -errno. w stays until it is over. */
int reload_ask(struct reload *r, struct reload_wish *w) __attribute__((warn_unused_result));
/* It goes on, and nobody hears of it. */
void reload_unask(struct reload_wish *w);
/* Gives up what is under way. */
void reload_fini(struct reload *r);

/* The threshold for what belongs to no connection: LogLevel, or as many -d. */
void reload_log_level(struct conf *conf, unsigned int debug);
/* LogMaskSecrets no is told, once there is a log, that it changes nothing. */
void reload_say_masked(const struct conf *conf);

#endif

/*
 * control/service/env.h - the environment of what a session runs.
 *
 * Source  sshd(8), LOGIN PROCESS and ENVIRONMENT; environ(7).
 * Memory  the strings are the list's own.
 */
#ifndef SLUICE_CONTROL_SERVICE_ENV_H
#define SLUICE_CONTROL_SERVICE_ENV_H

#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define ENV_MAX       512          /* variables */
#define ENV_BYTES_MAX (256 * 1024) /* of all of them */

struct env {
	char **v; /* NULL behind the last */
	size_t n;
	size_t bytes;
};

/* Takes the place of one of that name. -EINVAL: no name; -E2BIG; -ENOMEM. */
int env_set(struct env *e, const char *name, const char *value) __attribute__((warn_unused_result));
/* The same of NAME=VALUE. */
int env_put(struct env *e, const char *assignment) __attribute__((warn_unused_result));
/*
 * Lines of NAME=VALUE, as ~/.ssh/environment has them, those whose names are in the list of
 * patterns. Empty ones and comments are passed over; *ret_bad is the number of the first line that
 * is neither, 0: there is none.
 */
int env_lines(struct env *e, const char *text, size_t len, const char *patterns,
	      unsigned int *ret_bad) __attribute__((warn_unused_result));
/* There is none of that name any more. */
void env_unset(struct env *e, const char *name);
const char *env_get(const struct env *e, const char *name); /* NULL: there is none */
void env_fini(struct env *e);

/* USER, LOGNAME, HOME, PATH, MAIL, SHELL, and TZ as it is here. */
int env_login(struct env *e, const struct passwd *pw) __attribute__((warn_unused_result));
/* SSH_CLIENT and SSH_CONNECTION. */
int env_connection(struct env *e, const char *peer, unsigned int peer_port, const char *local,
		   unsigned int local_port) __attribute__((warn_unused_result));
/* AcceptEnv: may a client give a variable of this name? */
bool env_accepted(const struct conf_strs *patterns, const char *name);
/* The shell of an account. */
const char *env_shell(const struct passwd *pw);

#endif

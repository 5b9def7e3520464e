/*
 * control/auth/source.h - who can say that a password, a code or a conversation is right: one
 * table of them.
 *
 * A source is begun with what the client gave and answers through done(), or at once. It works
 * on copies, elsewhere: nothing here waits. Whoever the user is, it does the same work; whether the
 * login is possible at all is judged by the caller, who asks all the same (S-32).
 * Keys are not here: what an authorized_keys file says is found when the files are read
 * (auth/user.h).
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_AUTH_SOURCE_H
#define SLUICE_CONTROL_AUTH_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "control/auth/passfile.h"
#include "control/helper/proto.h"
#include "control/pool.h"
#include "ssh/brain.h"

#define SOURCE_COMPUTE_MS 30000
#define SOURCE_FILES_MS   10000
#define SOURCE_PAM_MS     120000 /* a conversation, people included */

enum source_verdict {
	SOURCE_NO = 1,
	SOURCE_YES,
	SOURCE_ASK,    /* the prompts of the call, then answer() */
	SOURCE_CHANGE, /* the password was right, and has to be changed first */
};

/* What a source may need of the process. */
struct helper;

struct auth_env {
	struct pool *compute, *files;
	struct helper *helper; /* NULL: none */
	uint64_t (*now_ms)(void);
	uint64_t (*wall)(void); /* seconds since 1970 */
};

/* What is tried; views, good until begin() returns. */
struct auth_try {
	const struct conf_session *conf;
	const char *user;
	struct source from;      /* where he is, for turns */
	struct helper_job about; /* for who goes by Match himself; its time is the source's */
	bool possible;           /* the user exists and may log in */
	struct ssh_str secret, new_secret;
	bool conversation;                /* the client can be asked */
	bool change;                      /* to new_secret */
	bool has_hash;                    /* else hash is a decoy, which nobody's password fits */
	const struct passfile_hash *hash; /* of the user in PasswordHashFile */
};

struct auth_source;

/* A try under way, in memory of the caller's that stays where it is. */
struct auth_call {
	const struct auth_source *source; /* NULL: none is under way */
	const struct auth_env *env;
	void (*done)(struct auth_call *call, enum source_verdict verdict);
	void *state;                       /* the source's */
	const struct ssh_prompts *prompts; /* of SOURCE_ASK */
};

struct auth_source {
	const char *name; /* as a device of AuthenticationMethods names it; in the log */
	/* Has the configuration anything for it to go by? */
	bool (*wanted)(const struct conf_session *c);
	const char *question; /* of keyboard-interactive; NULL: it asks itself (SOURCE_ASK) */
	bool echo;
	bool password; /* it judges method password, too */
	/* A verdict; 0: done() comes later; negative: it cannot be asked, which is a no. */
	int (*begin)(struct auth_call *call, const struct auth_try *t);
	/* As many as were asked; as begin(). NULL: it never asks. */
	int (*answer)(struct auth_call *call, const struct ssh_str *response, unsigned int n);
	void (*end)(struct auth_call *call); /* it is over, or given up: done() is not called */
};

extern const struct auth_source auth_source_password, auth_source_totp, auth_source_pam;

/* By name; NULL: there is none, or the configuration has nothing for it. */
const struct auth_source *auth_source_find(const char *name, size_t len,
					   const struct conf_session *c);
/* The one for method password; NULL: none is configured. */
const struct auth_source *auth_source_of_passwords(const struct conf_session *c);
/*
 * What keyboard-interactive goes through when no device is named, all of which must say yes: the
 * password, then a code. The count; 0: there is nothing.
 */
#define SOURCE_PLAN_MAX 2
unsigned int auth_source_plan(const struct conf_session *c,
			      const struct auth_source *plan[SOURCE_PLAN_MAX]);

int auth_call_begin(struct auth_call *call, const struct auth_source *source,
		    const struct auth_try *t);
int auth_call_answer(struct auth_call *call, const struct ssh_str *response, unsigned int n);
/* Harmless when none is under way. */
void auth_call_end(struct auth_call *call);

#endif

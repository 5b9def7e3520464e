/*
 * control/hook/answer.h - what a program of the operator's has said: one line of JSON.
 *
 * Source  docs/sluice-hook.5. Fields that are not known are passed over, so that a program may be
 *         of a later version; one that is known and of another type makes the line no answer.
 * Memory  views of what hook_answer_parse() made, until hook_answer_free().
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_HOOK_ANSWER_H
#define SLUICE_CONTROL_HOOK_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/bounds.h"
#include "control/hostkey.h"
#include "ssh/auth_msg.h"

#define HOOK_VERSION     1
#define HOOK_LINE_MAX    (64 * 1024) /* of an answer */
#define HOOK_REASON_MAX  255
#define HOOK_PROMPTS_MAX 16
#define HOOK_BANNER_MAX  16384
#define HOOK_HOSTKEYS_MAX 8
#define HOOK_HOSTKEY_MAX  4095 /* of a fingerprint, or a path: HOST_PATH_MAX */

struct hook_answer {
	uint64_t id;
	bool accept;
	const char *reason; /* "": none */
	/* auth; what is not said is NULL or 0 */
	bool partial;
	unsigned int methods; /* SSH_AUTH_* that can continue */
	const char *banner;
	bool asks; /* prompts are there, if only none */
	struct ssh_prompts prompts;
	const char *role; /* for Match */
	/* established */
	unsigned int n_hostkeys;                 /* 0: nothing is said of them */
	/* What names each: a fingerprint, a path; and what is said of its file. */
	struct host_file hostkeys[HOOK_HOSTKEYS_MAX];
	/* established, auth */
	struct conf_bounds bounds;
	/* channel-open, channel-request */
	uint32_t code;       /* RFC 4254 section 5.1 */
	const char *handler; /* path of a socket */
	/* forward */
	const char *host;
	bool has_port;
	uint16_t port;
	json_t *root;
};

/* -EBADMSG: no answer, and *ret is as it was. */
int hook_answer_parse(const char *line, size_t len, struct hook_answer *ret)
	__attribute__((warn_unused_result));
void hook_answer_free(struct hook_answer *a);

#endif

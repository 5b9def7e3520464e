/*
 * control/hook/request.h - what a program of the operator's is asked: one object of JSON.
 *
 * Errors stick: without memory for a field there is no line. Bytes of strangers that are no UTF-8,
 * or have a NUL among them, stand in NAME_base64 in place of NAME, so that no two of them look
 * alike. Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_HOOK_REQUEST_H
#define SLUICE_CONTROL_HOOK_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ssh/wire.h"

struct hook_req {
	json_t *o;
	bool bad;
	struct ssh_str record; /* JSON that goes out as it stands, a view; empty: none */
};

void hook_req_begin(struct hook_req *r, const char *kind);
void hook_req_text(struct hook_req *r, const char *name, struct ssh_str text);
void hook_req_int(struct hook_req *r, const char *name, uint64_t v);
void hook_req_bool(struct hook_req *r, const char *name, bool v);
/* In base64, whatever they are. */
void hook_req_bytes(struct hook_req *r, const char *name, const uint8_t *p, size_t len);
/* Takes v. */
void hook_req_json(struct hook_req *r, const char *name, json_t *v);
void hook_req_end(struct hook_req *r);

/* Texts that lie in no memory but the line: a list, or one alone. */
struct hook_secret {
	const char *name;
	const struct ssh_str *v;
	unsigned int n;
	bool list;
};

/*
 * The line, with its end, in *ret_len bytes behind room bytes for the caller;
 * of one with secrets nothing is left anywhere else. secret may be NULL. -ENOMEM; -EMSGSIZE: more
 * than max.
 */
int hook_req_line(const struct hook_req *r, const struct hook_secret *secret, size_t n_secret,
		  size_t room, size_t max, char **ret, size_t *ret_len)
	__attribute__((warn_unused_result));

#endif

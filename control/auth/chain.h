/*
 * control/auth/chain.h - AuthenticationMethods: lists of methods, one of which must succeed from
 * its first to its last.
 *
 * Source  sshd_config(5), AuthenticationMethods; RFC 4252 section 5.1 (partial success).
 *
 * A list with a method that is not enabled can never be gone through and is out. What succeeded
 * moves every list on that awaited it; a device (keyboard-interactive:pam) is awaited by name.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_AUTH_CHAIN_H
#define SLUICE_CONTROL_AUTH_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

struct chain {
	struct conf_strs lists; /* borrowed; none: any method that is enabled will do */
	unsigned int enabled;   /* SSH_AUTH_* */
	uint8_t next[CONF_CHAINS_MAX];
};

enum chain_result {
	CHAIN_NO = 1, /* no list awaits it */
	CHAIN_MORE,   /* a list moved on, and none is at its end */
	CHAIN_DONE,
};

void chain_begin(struct chain *c, const struct conf_strs *lists, unsigned int enabled);
/* What may come next, SSH_AUTH_*; 0: nobody gets in. */
unsigned int chain_methods(const struct chain *c);
/*
 * Of keyboard-interactive: the device the first list that awaits it names, a view of len bytes;
 * NULL: none is named.
 */
const char *chain_device(const struct chain *c, size_t *ret_len);
/* The method succeeded; device NULL: it has none, or none that has a name. */
enum chain_result chain_step(struct chain *c, unsigned int method, const char *device);

#endif

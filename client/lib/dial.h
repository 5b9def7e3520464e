/*
 * client/lib/dial.h - the way to a server that the settings say (client/reach/reach.h), without
 * waiting. ConnectTimeout is the connection's own.
 */
#ifndef SLUICE_CLIENT_LIB_DIAL_H
#define SLUICE_CLIENT_LIB_DIAL_H

#include <sys/types.h>

#include "client/lib/settings.h"

struct dial;

/*
 * The settings are borrowed until it is freed. again_ms as client/reach/race.h has it. -SLUICE_E_VALUE and others with *ret_why; -ENOMEM.
 */
int dial_new(const struct settings *set, uint32_t again_ms, struct dial **ret,
	     const char **ret_why);
/*
 * 0 with *ret_fd, which is the caller's, and the process of a ProxyCommand, else 0; -EAGAIN: wait
 * until dial_fd() can be read; -SLUICE_E_RESOLVE*, -SLUICE_E_TIMEOUT, -errno.
 */
int dial_step(struct dial *d, int *ret_fd, pid_t *ret_command);
int dial_fd(const struct dial *d);
/* Is it at a proxy, or through one? */
bool dial_at_proxy(const struct dial *d);
const char *dial_why(const struct dial *d); /* after an error */
void dial_free(struct dial *d);             /* wipes; NULL is fine */

#endif

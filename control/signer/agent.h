/*
 * control/signer/agent.h - HostKeyAgent: the agent that keeps private halves of host keys.
 *
 * One connection, made while root still is root (an agent answers its own user and root), over
 * which requests go one by one from any thread. What breaks it is tried once more by a new one.
 * Time    a request waits AGENT_MS at most; an agent that failed is left alone for AGENT_REST_MS.
 */
#ifndef SLUICE_CONTROL_SIGNER_AGENT_H
#define SLUICE_CONTROL_SIGNER_AGENT_H

#include "crypto/key_agent.h"

#define AGENT_MS      3000
#define AGENT_REST_MS 1000

struct host_agent;

/* path "SSH_AUTH_SOCK": what that variable says. -ENOENT: nothing; connect(2)'s errors, -ENOMEM. */
int host_agent_open(const char *path, struct host_agent **ret) __attribute__((warn_unused_result));
/* Each key holds it, too. */
int host_agent_use(struct host_agent *a, struct key *k) __attribute__((warn_unused_result));
void host_agent_put(struct host_agent *a); /* NULL is fine */

#endif

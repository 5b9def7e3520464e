/*
 * crypto/key_agent.h - keys whose private half an agent keeps.
 *
 * Source  draft-ietf-sshm-ssh-agent sections 4.3 and 4.6. No I/O: whoever has the agent carries.
 */
#ifndef SLUICE_CRYPTO_KEY_AGENT_H
#define SLUICE_CRYPTO_KEY_AGENT_H

#include "crypto/key.h"

#define KEY_AGENT_REQUEST_MAX (KEY_BLOB_MAX + 16 * 1024) /* a key, and what is to be signed */
#define KEY_AGENT_REPLY_MAX   (KEY_SIG_MAX + 64)

struct key_agent {
	/*
	 * Carries a request to the agent and its reply back, both without the length in front; at
	 * most size bytes. 0, or a negative number. Called from any thread, several at a time.
	 */
	int (*ask)(void *arg, const uint8_t *request, size_t len, uint8_t *reply, size_t size,
		   size_t *ret_len);
	void *arg;
	/* The last key that used it is gone. */
	void (*free)(void *arg);
};

/*
 * Makes a public key one that signs by this agent, after a trial. The agent is copied, and arg is
 * the key's on success alone. -ENOKEY: the agent does not sign with it; -EBADMSG: what it says is
 * no signature of the key; -EINVAL: a certificate or private already; what ask returned.
 */
int key_agent_use(struct key *k, const struct key_agent *agent) __attribute__((warn_unused_result));

#endif

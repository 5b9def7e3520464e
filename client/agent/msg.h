/*
 * client/agent/msg.h - what is said to an agent of keys, and what it answers, without I/O.
 *
 * Source  draft-ietf-sshm-ssh-agent sections 4.3 to 4.8; OpenSSH PROTOCOL.agent section 1,
 *         session-bind@openssh.com.
 * Messages are without the length in front. An answer is untrusted: AGENT_MSG_MAX bytes,
 * AGENT_KEYS_MAX keys; keys this build does not know are left out.
 */
#ifndef SLUICE_CLIENT_AGENT_MSG_H
#define SLUICE_CLIENT_AGENT_MSG_H

#include <stdbool.h>
#include <sys/types.h>

#include "crypto/key.h"
#include "ssh/wire.h"

#define AGENT_MSG_MAX     (256 * 1024)
#define AGENT_KEYS_MAX    1024
#define AGENT_COMMENT_MAX 1024 /* more of one is cut off */

struct agent_keys {
	struct agent_key {
		struct key *key; /* public, or a certificate */
		char *comment;   /* printable */
	} * v;
	unsigned int n;
};
void agent_keys_free(struct agent_keys *k);

/* The host this connection leads to, as its first key exchange proved it. */
struct agent_bind {
	const struct key *host;
	struct ssh_str session_id;
	struct ssh_str signature; /* of the host, over the session id */
	bool forwarding;          /* others behind that host may come to the agent by this one */
};

/* Messages into buf; their length, 0: they do not fit. */
size_t agent_list_build(uint8_t *buf, size_t size);
/* -EINVAL: an algorithm the key does not sign by. */
int agent_sign_build(const struct key *k, const char *sig_alg, struct ssh_str data, uint8_t *buf,
		     size_t size, size_t *ret_len) __attribute__((warn_unused_result));
size_t agent_bind_build(const struct agent_bind *b, uint8_t *buf, size_t size);

/*
 * Answers. -EACCES: the agent refused; -ENOTSUP: it does not know the request, or signed by another
 * algorithm; -EBADMSG: it is no answer to that; -ENOMEM.
 */
int agent_list_parse(struct ssh_str reply, struct agent_keys *ret)
	__attribute__((warn_unused_result));
/* The signature as SSH has it; ret has room for KEY_SIG_MAX. Whether it holds nobody has looked. */
int agent_sign_parse(struct ssh_str reply, const char *sig_alg, uint8_t *ret, size_t *ret_len)
	__attribute__((warn_unused_result));
int agent_done_parse(struct ssh_str reply) __attribute__((warn_unused_result));

/* What an agent says to somebody else, behind one answer that is ours. Zeroed at first. */
struct agent_skip {
	uint8_t head[4]; /* of the answer: its length */
	size_t seen;     /* of it, head included */
	bool over;
};
/*
 * n bytes more of it: those behind the answer are written to out, which has room for n; how many.
 * -EMSGSIZE: no answer is of that length.
 */
ssize_t agent_skip(struct agent_skip *k, const uint8_t *in, size_t n, uint8_t *out)
	__attribute__((warn_unused_result));

#endif

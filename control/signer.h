/*
 * control/signer.h - signatures with the gateway's host keys.
 *
 * The one place that holds private host keys: the program sluice-signer, which is asked over a
 * socket, or in that program, and where control may have them itself, this process, on its pool. Either way it is a call with a
 * deadline, the answer by callback, the caller found again by handle. It signs exchange hashes
 * (what is not as long as one is refused) and proofs of host keys, nothing else. Thread  the
 * loop's.
 */
#ifndef SLUICE_CONTROL_SIGNER_H
#define SLUICE_CONTROL_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/hostkey.h"
#include "control/pool.h"
#include "control/ref.h"
#include "crypto/key.h"

#define SIGNER_KEYS_MAX HOST_KEYS_MAX

struct signer;

int signer_new(struct pool *pool, struct signer **ret) __attribute__((warn_unused_result));
/* Its keys are those of sluice-signer: takes their public halves, borrows the connection. */
struct signer_remote;
int signer_new_remote(struct signer_remote *remote, struct host_keys *pub, struct signer **ret)
	__attribute__((warn_unused_result));
void signer_free(struct signer *s); /* wipes the keys; no call may be open */

/* Takes the key. -E2BIG. */
int signer_add(struct signer *s, struct key *k) __attribute__((warn_unused_result));
/* The same of all, with their chains. */
int signer_add_all(struct signer *s, struct host_keys *keys) __attribute__((warn_unused_result));
unsigned int signer_count(const struct signer *s);
/* The public half of the i-th: borrowed for the life of the signer. */
const struct key *signer_public(const struct signer *s, unsigned int i);
/* The path its HostKey names; NULL: none. */
const char *signer_path(const struct signer *s, unsigned int i);
/* Is it for those alone whom a Match gives it? */
bool signer_apart(const struct signer *s, unsigned int i);
/* What of X.509 lay with it. */
const struct host_chain *signer_chain(const struct signer *s, unsigned int i);

/* Who asked; given back with the answer and looked up again there. */
struct signer_caller {
	void *arg; /* outlives every call */
	struct conn_ref conn;
	uint32_t id;
};
/* err: 0, -ETIMEDOUT, or what went wrong; sig only with 0. */
typedef void signer_done(const struct signer_caller *caller, int err, const uint8_t *sig,
			 size_t len);

/*
 * Keys that are named while it runs: files below HostKeyFolder. Such a key is known by its public
 * half once it is open, signer_sign(), signer_prove(), and may be held by who needs it (holder,
 * below SIGNER_HOLDERS; of another process we are one for it). Of those nobody holds the one that
 * was used longest ago makes room for another; a file that was exchanged is read anew for who opens
 * it then.
 */
#define SIGNER_FILES_MAX 1024 /* that are loaded */
#define SIGNER_LOADS_MAX 1024 /* that wait to be; half of what a control asks stays for signatures */
#define SIGNER_HOLDERS   8

struct key_folders;
/* Where they may lie; borrowed. Of keys that are here. */
int signer_folders(struct signer *s, struct key_folders *folders)
	__attribute__((warn_unused_result));
/*
 * err: 0; -EDQUOT: SIGNER_FILES_MAX are held; what key_folders_open() and keyfile_parse() say;
 * why: for people. pub and chain are views, with 0 alone.
 */
typedef void signer_opened(const struct signer_caller *caller, int err, const char *why,
			   const struct key *pub, const struct host_chain *chain);
/* -EXDEV: there are no folders; -ENAMETOOLONG: a text of the file; -EBUSY, -ENOMEM. */
int signer_open(struct signer *s, const struct host_file *file, uint64_t deadline_ms,
		const struct signer_caller *caller, signer_opened *done)
	__attribute__((warn_unused_result));
/* print: signer_print(). */
void signer_let_go(struct signer *s, const uint8_t print[32], unsigned int holder);
void signer_let_go_all(struct signer *s, unsigned int holder);
/* One that is open, for who says which by its print; holds it. NULL: it is not. */
const struct key *signer_named(struct signer *s, const uint8_t print[32], unsigned int holder);
/* Another's keys may be asked for that were opened before it was asked by us. */
void signer_expect_named(struct signer *s);
/* SHA-256 of the public half. */
int signer_print(const struct key *pub, uint8_t ret[32]) __attribute__((warn_unused_result));

/*
 * As signer_sign(), over what OpenSSH's PROTOCOL section 2.5 wants: the name of the request, the
 * session id and the key itself, put together here, so that no other bytes can be had signed.
 */
int signer_prove(struct signer *s, const struct key *pub, const char *sig_alg,
		 const uint8_t *session_id, size_t session_id_len, uint64_t deadline_ms,
		 const struct signer_caller *caller, signer_done *done)
	__attribute__((warn_unused_result));

/*
 * -ENOENT: not one of our keys; -EPERM: not an exchange hash; -EBUSY, -ENOMEM. On an error
 * done is not called.
 */
int signer_sign(struct signer *s, const struct key *pub, const char *sig_alg, const uint8_t *data,
		size_t len, bool rekey, uint64_t deadline_ms, const struct signer_caller *caller,
		signer_done *done) __attribute__((warn_unused_result));

#endif

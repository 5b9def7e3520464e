/*
 * ssh/job.h - the slow computations of a brain, with everything they need copied in.
 *
 * Made and read by a brain, run on any thread (ssh/brain.h says how). A job owns what it
 * holds, keys included, so it may outlive its brain. The shared secret never leaves
 * ssh_job_run().
 */
#ifndef SLUICE_SSH_JOB_H
#define SLUICE_SSH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/gss.h"
#include "crypto/kex.h"
#include "crypto/key.h"
#include "ssh/exchange.h"
#include "ssh/wire.h"

#define SSH_JOB_OWNER_LEN 16

enum ssh_job_kind {
	SSH_JOB_KEX_INIT = 1, /* client: ephemeral key */
	SSH_JOB_KEX_RESPOND,  /* server: Q_S, H, keys */
	SSH_JOB_KEX_FINISH,   /* client: H, keys; the host key's signature is verified */
	SSH_JOB_GSS_ACCEPT,   /* server: a token of GSS-API; with the last Q_S, H, keys and a MIC */
	SSH_JOB_GSS_INIT,     /* client: ephemeral key and the first token */
	SSH_JOB_GSS_STEP,     /* client: a token in answer to one */
	SSH_JOB_GSS_FINISH,   /* client: the last token, H, keys; the MIC is verified */
	SSH_JOB_GSS_OPEN,     /* client: the first token, to the server in data */
	SSH_JOB_GSS_MIC,      /* client: a MIC over data */
	SSH_JOB_GSS_LOGIN,    /* server: a token of gssapi-with-mic */
	SSH_JOB_GSS_NAME,     /* server: a MIC over data, and whose it is */
	SSH_JOB_VERIFY,       /* server: a publickey request's signature */
};

struct ssh_job {
	enum ssh_job_kind kind;
	uint32_t id;
	uint8_t owner[SSH_JOB_OWNER_LEN]; /* the brain it was made by */
	bool rekey;
	int err; /* -EINPROGRESS until it was run */

	/* Key exchange, in. */
	const struct kex_method *method;
	struct kex_group *group; /* of a group exchange, else NULL */
	const struct cipher_suite *suite[2];
	struct ssh_exchange x;     /* views into store */
	struct ssh_str session_id; /* empty: this H becomes it */
	/* Key exchange, in or out. */
	struct kex_key *ephemeral;
	uint8_t pub[KEX_PUBLIC_MAX]; /* ours */
	size_t pub_len;
	uint8_t h[HASH_LEN_MAX];
	struct ssh_keys *keys; /* secret_new() */

	/* A signature to verify: over H, or over data. */
	struct key *key;
	const char *sig_alg;
	struct ssh_str signature, data;
	struct key_presence presence; /* out */

	/* GSS-API: the context; data is the peer's token or the server's name, signature its MIC.
	 */
	struct gss_ctx *gss;
	struct gss_client gss_client; /* whose tickets */
	bool gss_strict, gss_delegate;
	uint8_t *token; /* ours, to be sent */
	size_t token_len;
	uint8_t mic[GSS_MIC_MAX]; /* ours */
	size_t mic_len;
	char principal[GSS_NAME_MAX], local_user[GSS_NAME_MAX];

	uint8_t *store; /* what the views above look at */
	size_t store_len, store_used;
};

/* Room for store bytes of what ssh_job_keep() copies. NULL: no memory. */
struct ssh_job *ssh_job_new(enum ssh_job_kind kind, size_t store);
/* A copy inside the job; there must be room. */
struct ssh_str ssh_job_keep(struct ssh_job *job, struct ssh_str s);

#endif

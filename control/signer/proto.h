/*
 * control/signer/proto.h - what control and sluice-signer say to each other, in frames of
 * control/helper/proto.h.
 *
 * Control asks which keys there are, and for signatures by their number; the signer answers each
 * by its id, in any order. Nothing can be signed but an exchange hash and a proof of a host key,
 * whose bytes the signer puts together itself.
 * Thread  any: pure.
 */
#ifndef SLUICE_CONTROL_SIGNER_PROTO_H
#define SLUICE_CONTROL_SIGNER_PROTO_H

#include "control/helper/proto.h"
#include "control/signer.h"

#define SIGNER_DATA_MAX 64   /* a hash, a session id */
#define SIGNER_SMALL    1024 /* a request about a signature fits */
#define SIGNER_ROOM     8192 /* any does */

enum signer_msg {
	SIGNER_KEYS = 1,   /* which are there? */
	SIGNER_SIGN,       /* an exchange hash */
	SIGNER_PROVE,      /* that a key is ours, to a session */
	SIGNER_RETIRE,     /* another signer is about to take its place */
	SIGNER_OPEN,       /* a key of a file below HostKeyFolder, which it has from then on, */
	SIGNER_LET_GO,     /* until nobody asks for it any more */
	SIGNER_SIGN_NAMED, /* as above, with such a key */
	SIGNER_PROVE_NAMED,
	SIGNER_HAVE = 10,
	SIGNER_DONE,
	SIGNER_RETIRED, /* to who asks: others get other keys, these are yours as long as you stay
			 */
	SIGNER_OPENED,
};

struct signer_request {
	enum signer_msg kind;
	uint32_t id, key;
	struct ssh_str print; /* of a key that was opened, instead of a number: 32 bytes */
	struct ssh_str sig_alg;
	bool rekey;
	struct ssh_str data; /* the hash, or the session id */
};

struct signer_answer {
	uint32_t id;
	int err; /* 0 or a negative number */
	struct ssh_str sig;
};

struct signer_open_request {
	uint32_t id;
	struct ssh_str field[HOST_FILE_FIELDS]; /* of host_file: "": not said; the path is */
};

struct signer_open_answer {
	uint32_t id;
	int err;            /* 0 or a negative number */
	struct ssh_str why; /* for people */
	struct ssh_str blob;
	unsigned int n_certs; /* as of signer_have */
	struct ssh_str cert[X509KEY_CHAIN_MAX];
};

struct signer_have {
	unsigned int n;
	struct ssh_str blob[SIGNER_KEYS_MAX];
	struct ssh_str path[SIGNER_KEYS_MAX]; /* of at most HOST_PATH_MAX bytes, none of them 0 */
	bool apart[SIGNER_KEYS_MAX];
	/* X.509 certificates that lie with each, HOST_CHAIN_MAX bytes in all */
	unsigned int n_certs[SIGNER_KEYS_MAX];
	struct ssh_str cert[SIGNER_KEYS_MAX][X509KEY_CHAIN_MAX];
};

/* -EBADMSG. */
int signer_request_parse(enum signer_msg kind, struct ssh_str body, struct signer_request *ret)
	__attribute__((warn_unused_result));
int signer_answer_parse(struct ssh_str body, struct signer_answer *ret)
	__attribute__((warn_unused_result));
int signer_have_parse(struct ssh_str body, struct signer_have *ret)
	__attribute__((warn_unused_result));

int signer_open_parse(struct ssh_str body, struct signer_open_request *ret)
	__attribute__((warn_unused_result));
int signer_opened_parse(struct ssh_str body, struct signer_open_answer *ret)
	__attribute__((warn_unused_result));
int signer_let_go_parse(struct ssh_str body, uint8_t ret_print[32])
	__attribute__((warn_unused_result));

/* Whole frames; 0: it does not fit into size. */
size_t signer_word_build(uint8_t *buf, size_t size, enum signer_msg kind); /* no body: KEYS, … */
size_t signer_request_build(uint8_t *buf, size_t size, const struct signer_request *m);
size_t signer_answer_build(uint8_t *buf, size_t size, const struct signer_answer *m);
size_t signer_open_build(uint8_t *buf, size_t size, const struct signer_open_request *m);
size_t signer_opened_build(uint8_t *buf, size_t size, const struct signer_open_answer *m);
size_t signer_let_go_build(uint8_t *buf, size_t size, const uint8_t print[32]);
size_t signer_have_build(uint8_t *buf, size_t size, const struct signer *s);

#endif

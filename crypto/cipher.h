/*
 * crypto/cipher.h - packet ciphers and MACs of SSH, over pieces, in batches.
 *
 * Source  RFC 4253 section 6, RFC 4344, RFC 4345, RFC 5647 (as OpenSSH's PROTOCOL has it),
 *         RFC 6668, RFC 4418, OpenSSH PROTOCOL and PROTOCOL.chacha20poly1305.
 * Units   bytes.
 * Thread  an engine and the states used with it belong to one thread (lcore).
 * Memory  a state is embedded by its owner and holds raw keys only; what is
 *         expanded belongs to the engine, which points back at the state: one that
 *         was used is moved only after cipher_state_idle(), and given up, before the
 *         engine is, by cipher_state_fini(), which wipes.
 * Errors  -errno; -EBADMSG is "tag or MAC wrong", and nothing more is ever said.
 */
#ifndef SLUICE_CRYPTO_CIPHER_H
#define SLUICE_CRYPTO_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY_MAX     64 /* chacha20-poly1305@openssh.com */
#define CIPHER_SHORT_KEY   32 /* of one that has a MAC beside it, at most */
#define CIPHER_IV_MAX      16
#define CIPHER_MAC_KEY_MAX 64
#define CIPHER_TAG_MAX     64
#define CIPHER_BLOCK_MAX   16
#define CIPHER_PIECES_MAX  192 /* a 256 KiB record in MTU-sized pieces, and glue */
#define CIPHER_BURST       64

/* How a record is laid out under the cipher: what is encrypted, what is authenticated. */
enum cipher_shape {
	CIPHER_PLAIN = 1, /* before NEWKEYS: nothing encrypted, no tag */
	CIPHER_AEAD,      /* GCM: length in clear, is AAD */
	CIPHER_CHAPOLY,   /* length encrypted under its own key; tag over cipher text */
	CIPHER_ETM,       /* length in clear; MAC over seqnr || length || cipher text */
	CIPHER_EAM,       /* length encrypted; MAC over seqnr || plain text */
};

/* A cipher together with its MAC: the one thing a direction of the record layer uses. */
struct cipher_suite {
	const char *cipher_name;
	const char *mac_name; /* "" where the cipher authenticates by itself */
	enum cipher_shape shape;
	uint8_t block_size; /* what padding is a multiple of; at least 8 */
	uint8_t key_len, iv_len, mac_key_len, tag_len;
	uint8_t alg, mac; /* numbers of crypto/'s own */
	/*
	 * CBC and RC4: where a record ends the next begins, so a state has one prepared job at
	 * most, and the next length is peeked when that one was run.
	 */
	bool serial;
};

/* NULL when either name is unknown. mac_name is ignored for ciphers that authenticate. */
const struct cipher_suite *cipher_suite_find(const char *cipher_name, const char *mac_name);
/* The suite before any key: block size 8, no tag. */
const struct cipher_suite *cipher_suite_plain(void);
/* Names this build knows, in no order of preference; NULL behind the last. */
const char *cipher_name_at(unsigned int i);
const char *cipher_mac_name_at(unsigned int i);
/* Old ones, which nobody gets who does not ask for them: false for an unknown name, too. */
bool cipher_is_legacy(const char *cipher_name);
bool cipher_mac_is_legacy(const char *mac_name);
/* Of those, what needs cipher_engine_legacy(). */
bool cipher_needs_provider(const char *cipher_name);

/*
 * One direction of one connection. Raw key material and the running counter
 * (GCM: 64-bit invocation counter; CTR: counter of a whole block; CBC: the last block of cipher
 * text).
 */
struct cipher_state {
	const struct cipher_suite *suite;
	/* The longest key is that of a cipher that authenticates by itself: it has no other. */
	union {
		uint8_t key[CIPHER_KEY_MAX];
		struct {
			uint8_t short_key[CIPHER_SHORT_KEY];
			uint8_t mac_key[CIPHER_MAC_KEY_MAX];
		};
	};
	uint8_t iv[CIPHER_IV_MAX];
	void *expanded; /* the engine's; NULL when idle, but for RC4, which is nothing else */
};

/* Key material has exactly the suite's lengths. 0 or -EINVAL. */
int cipher_state_init(struct cipher_state *st, const struct cipher_suite *suite, const uint8_t *key,
		      const uint8_t *iv, const uint8_t *mac_key);
void cipher_state_init_plain(struct cipher_state *st);

struct cipher_engine; /* one per thread: ipsec-mb manager, OpenSSL contexts, scratch */

enum cipher_engine_kind { CIPHER_ENGINE_AUTO, CIPHER_ENGINE_IPSEC_MB, CIPHER_ENGINE_OPENSSL };

/*
 * scratch_len: the largest record in several pieces that chacha20-poly1305 and HMAC gather; a
 * larger one is done without, at OpenSSL's speed. AUTO is ipsec-mb, with code of our own for
 * chacha20-poly1305 where the processor has AVX-512 (which gathers nothing), or OpenSSL where
 * ipsec-mb does not know the processor. IPSEC_MB is -ENOTSUP there; what it has not (UMAC,
 * RIPEMD-160, old ciphers), or does less well, is another library's with each kind. Expanded keys
 * are locked memory, about 1.4 MiB an engine: -ENOMEM also when RLIMIT_MEMLOCK is less.
 */
int cipher_engine_new(enum cipher_engine_kind kind, size_t scratch_len, struct cipher_engine **ret);
void cipher_engine_free(struct cipher_engine *e);
/*
 * Makes RC4, Blowfish and CAST-128 available: loads OpenSSL's legacy provider, a file, so before
 * the process is confined. Without it their records fail with -EIO. A state of theirs allocates
 * on its first use. 0; -ENOTSUP: there is no such provider.
 */
int cipher_engine_legacy(struct cipher_engine *e) __attribute__((warn_unused_result));

/* Gives back what is expanded for st; it is expanded again on next use. */
void cipher_state_idle(struct cipher_engine *e, struct cipher_state *st);
/* cipher_state_idle() and wipe. */
void cipher_state_fini(struct cipher_engine *e, struct cipher_state *st);

struct cipher_piece {
	uint8_t *p;
	uint32_t len; /* > 0 */
};

/*
 * One record: pieces cover packet_length (4 bytes) to the end of padding, in
 * order, and are changed in place. The tag stands apart. Pieces may be of any
 * size and alignment; packet_length may straddle two.
 */
struct cipher_job {
	struct cipher_state *state;
	struct cipher_piece *piece;
	uint16_t n_pieces;
	uint32_t len;   /* sum of the pieces */
	uint32_t seqnr; /* of this record */
	uint8_t *tag;   /* suite->tag_len bytes: written by seal, read by open */
	/* Set by cipher_job_prepare(): */
	uint8_t iv[CIPHER_IV_MAX];
	int result; /* -EINPROGRESS, then 0 or -EBADMSG or another -errno */
	void *user;
};

/*
 * The packet_length of the next record, from its first n bytes. The bytes are
 * not changed and the state does not advance. Needs 4 bytes, or a whole block
 * where the length is encrypted with the payload (CIPHER_EAM): *ret_need says
 * how many when n is too small (-EAGAIN). The value is not believed yet:
 * bounds are the record layer's.
 */
int cipher_peek_length(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
		       const uint8_t *first, uint32_t n, uint32_t *ret_need,
		       uint32_t *ret_packet_length);

/*
 * Takes the job's place in the order of its state: captures the IV and advances
 * the state's counter by this record. Jobs of one state are prepared in the order
 * of their records; after that they may be sealed or opened in any batch, and the
 * next record's length may be peeked before this one is opened; but see suite->serial.
 */
void cipher_job_prepare(struct cipher_job *job);

/*
 * Seals or opens n prepared jobs (n <= CIPHER_BURST), of any states and suites
 * mixed; a prepared job is run once. On return every job has its result: 0; -EBADMSG;
 * -EINVAL for fewer than 5 bytes, pieces that do not add up or, with CBC, no whole blocks; -EIO
 * when a library failed. A job with a result other than 0 has undefined bytes in its pieces, of
 * which nothing may be used: AES-GCM, and any cipher with EAM, may have decrypted them before the
 * tag was known.
 */
void cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n);
void cipher_open_burst(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n);

#endif

/*
 * crypto/key.h - public and private keys, signatures, OpenSSH's key files.
 *
 * Source  RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, OpenSSH PROTOCOL.key.
 * Types   ssh-ed25519, ssh-ed448, ecdsa-sha2-nistp256, -nistp384, -nistp521, ssh-rsa with the
 *         signature algorithms rsa-sha2-512, rsa-sha2-256 and ssh-rsa (SHA-1), ssh-dss, and those
 *         of security keys.
 * Bounds  RSA modulus 2048..16384 bits (S-45); everything else is refused at parse.
 * Thread  a key is immutable after load; signing and verifying are safe from any thread.
 */
#ifndef SLUICE_CRYPTO_KEY_H
#define SLUICE_CRYPTO_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"

#define KEY_BLOB_MAX (16 * 1024) /* public blob: a certificate of RSA 16384 by such a key */
#define KEY_SIG_MAX  4096
#define KEY_FILE_MAX (1 << 20)

struct key; /* public, or public and private */

/* The public key in a blob as on the wire. -EBADMSG malformed, -ENOTSUP unknown type or bounds. */
int key_blob_parse(const uint8_t *blob, size_t len, struct key **ret)
	__attribute__((warn_unused_result));
/*
 * A certificate is taken, too (crypto/cert.h, crypto/x509key.h). It says nothing as yet: neither
 * its signature nor who made it was looked at. Everything else here refuses certificates
 * (-ENOTSUP), so that nobody takes one for the key it stands for.
 */
int key_blob_parse_any(const uint8_t *blob, size_t len, struct key **ret)
	__attribute__((warn_unused_result));
/*
 * The same for who announced its algorithm: only what signs by that one is even read, so that a
 * form nobody allowed reaches no parser. -EBADMSG: it is something else (S-34).
 */
int key_blob_parse_for(const char *sig_alg, const uint8_t *blob, size_t len, struct key **ret)
	__attribute__((warn_unused_result));
/* The key without its certificate, borrowed; k itself when it has none. */
const struct key *key_plain(const struct key *k);
/* The blob; borrowed from the key. */
const uint8_t *key_blob(const struct key *k, size_t *ret_len);
const char *key_type(const struct key *k); /* "ssh-ed25519", "ssh-rsa", … */
bool key_is_private(const struct key *k);
bool key_equal(const struct key *a, const struct key *b); /* same public key */
unsigned int key_bits(const struct key *k);
bool key_is_sk(const struct key *k); /* a security key, which says who stood before it */
/* "SHA256:…" as OpenSSH prints it; of a certificate: its key's. */
int key_fingerprint(const struct key *k, char *buf, size_t size);
/* "MD5:" and hexadecimal pairs, "SHA1:…", "SHA256:…", "SHA384:…", "SHA512:…". -ENOTSUP. */
int key_fingerprint_as(const struct key *k, enum hash_alg alg, char *buf, size_t size);
/* "ED25519", "RSA", "ECDSA": the word sshd's log uses. */
const char *key_log_type(const struct key *k);

/* Whether a signature algorithm may be made or verified with this key's type and curve (S-34). */
bool key_sig_alg_fits(const struct key *k, const char *sig_alg);
/* Signature algorithms this build knows: "ssh-ed25519", "rsa-sha2-512", …; NULL behind the last. */
const char *key_sig_alg_at(unsigned int i);
/*
 * The name inside a signature made by an algorithm, and by which the bare key signs: that of
 * "rsa-sha2-512-cert-v01@openssh.com" is "rsa-sha2-512". NULL: an unknown algorithm.
 */
const char *key_sig_alg_plain(const char *sig_alg);
/* By SHA-1: in no default list, and worth a warning where it is used. */
bool key_sig_alg_is_legacy(const char *sig_alg);
/* The n-th signature algorithm that fits this key, best first; NULL behind the last. */
const char *key_sig_alg_of(const struct key *k, unsigned int n);

/*
 * Whether the key may sign so: the algorithms that fit it, and those inside the signatures of its
 * X.509 certificates, by which nothing is ever verified as a bare key's ("rsa2048-sha256").
 */
bool key_signs_as(const struct key *k, const char *sig_alg);

/*
 * The signature blob (string algorithm, string signature); ret_sig has room for KEY_SIG_MAX.
 * -EINVAL: not key_signs_as() or the key is public only.
 */
int key_sign(const struct key *k, const char *sig_alg, const uint8_t *data, size_t len,
	     uint8_t *ret_sig, size_t *ret_len) __attribute__((warn_unused_result));
/*
 * 0 only when the blob names sig_alg, fits the key and verifies; otherwise -EBADMSG. A security
 * key's counts only if somebody was there to touch it (S-37).
 */
int key_verify(const struct key *k, const char *sig_alg, const uint8_t *sig, size_t sig_len,
	       const uint8_t *data, size_t len) __attribute__((warn_unused_result));

#define KEY_USER_PRESENT  0x01 /* somebody touched it */
#define KEY_USER_VERIFIED 0x04 /* and proved who: PIN or fingerprint */
struct key_presence {
	bool sk; /* else the rest means nothing */
	uint8_t flags;
	uint32_t counter;
};
/* The same, but whether an untouched key will do is the caller's to say by what this returns. */
int key_verify_presence(const struct key *k, const char *sig_alg, const uint8_t *sig,
			size_t sig_len, const uint8_t *data, size_t len, struct key_presence *ret)
	__attribute__((warn_unused_result));

/*
 * A private key in any format of crypto/keyfile.h, whose errors these have; -ENOKEY when it is
 * encrypted, -EACCES when group or others may do anything with the file. Signs and verifies
 * once: a damaged key fails here (-EBADMSG).
 */
int key_file_load(const char *path, struct key **ret) __attribute__((warn_unused_result));
int key_private_parse(const uint8_t *text, size_t len, struct key **ret)
	__attribute__((warn_unused_result));
/* "type base64 comment": the base64 part decoded and the type checked against the blob. */
int key_public_line_parse(const char *line, size_t len, struct key **ret)
	__attribute__((warn_unused_result));
/*
 * The same for one that is only compared, by key_equal(): whether its numbers make a key nobody
 * looked at, which takes longer than all the rest. It verifies nothing.
 */
int key_line_read(const char *line, size_t len, struct key **ret)
	__attribute__((warn_unused_result));
void key_free(struct key *k); /* wipes; NULL is fine */

/* Makes a new key of a type ("ssh-ed25519", …; bits for RSA): tests, first start. */
int key_generate(const char *type, unsigned int bits, struct key **ret)
	__attribute__((warn_unused_result));
/*
 * The private key in openssh-key-v1, unencrypted. *ret_len in: size of buf; out: length of
 * the text, behind which a NUL stands. -ENOBUFS: too small.
 */
int key_private_build(const struct key *k, const char *comment, char *buf, size_t *ret_len)
	__attribute__((warn_unused_result));

#endif

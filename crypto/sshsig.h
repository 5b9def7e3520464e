/*
 * crypto/sshsig.h - signatures of files.
 *
 * Source  OpenSSH PROTOCOL.sshsig: the armoured form, version 1.
 * Bounds  SSHSIG_TEXT_MAX characters, SSHSIG_NAMESPACE_MAX of a namespace; hashes are SHA-256 and
 *         SHA-512, RSA signs with nothing older either.
 * Trust   a parsed signature says who claims to have made it: sshsig_verify() whether it is so, and
 *         whether that key is anybody's to the purpose is the caller's to know.
 * Thread  immutable after parsing.
 */
#ifndef SLUICE_CRYPTO_SSHSIG_H
#define SLUICE_CRYPTO_SSHSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"
#include "crypto/key.h"

#define SSHSIG_NAMESPACE_MAX 255
#define SSHSIG_TEXT_MAX      (64 * 1024)

struct sshsig {
	struct key *key; /* a certificate is not believed yet; its bare key signed */
	char ns[SSHSIG_NAMESPACE_MAX + 1];
	enum hash_alg hash; /* of the message */
	uint8_t sig[KEY_SIG_MAX];
	size_t sig_len;
};

/* -EBADMSG malformed; -ENOTSUP: another version, or a hash or a type of key that is not known. */
int sshsig_parse(const char *text, size_t len, struct sshsig **ret)
	__attribute__((warn_unused_result));
void sshsig_free(struct sshsig *s); /* NULL is fine */

/*
 * 0: the key signed a message of this digest, which is s->hash's, in this namespace. -EBADMSG: not
 * so; -EPERM: it did in another namespace.
 */
int sshsig_verify(const struct sshsig *s, const char *ns, const uint8_t *digest)
	__attribute__((warn_unused_result));

/*
 * The text of a new one: *ret_len in: size of buf; out: its length, without the NUL behind it.
 * -EINVAL: no private key, no namespace, or a hash that is none of the two; -ENOBUFS.
 */
int sshsig_sign(const struct key *k, const char *ns, enum hash_alg hash, const uint8_t *digest,
		char *buf, size_t *ret_len) __attribute__((warn_unused_result));

/* All that can be read there; out has hash_len(alg) bytes. -errno of reading; -EIO. */
int sshsig_digest_fd(enum hash_alg alg, int fd, uint8_t *out) __attribute__((warn_unused_result));

/* "sha512", "sha256"; 0: neither. */
enum hash_alg sshsig_hash_find(const char *name, size_t len);

#endif

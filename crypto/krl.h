/*
 * crypto/krl.h - revoked keys: OpenSSH's key revocation lists, and plain lists of keys.
 *
 * Source  OpenSSH PROTOCOL.krl; sshd_config(5), RevokedKeys.
 * Bounds  KRL_FILE_MAX bytes, KRL_CAS_MAX sections about certificates. What is unknown and
 *         critical, or does not parse to the last byte, refuses the whole list: half a list
 *         would let in who stands in the other half.
 * Cost    a look-up takes the logarithm of what is listed, but for bitmaps of serial numbers,
 *         which are gone through.
 * Thread  immutable after parsing.
 */
#ifndef SLUICE_CRYPTO_KRL_H
#define SLUICE_CRYPTO_KRL_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/key.h"

#define KRL_FILE_MAX (64 << 20)
#define KRL_CAS_MAX  1024

struct krl;

/*
 * A KRL, or lines "type base64 comment" with empty ones and #-comments between them. -EBADMSG;
 * -ENOTSUP: something critical that nobody here knows; -EFBIG.
 */
int krl_parse(const uint8_t *p, size_t len, struct krl **ret) __attribute__((warn_unused_result));
void krl_free(struct krl *k); /* NULL is fine */

/*
 * 0: neither the key nor, of a certificate, its serial number, its id, the key inside or the
 * one that signed it is revoked. -EKEYREVOKED: one is; any other error: nobody knows.
 */
int krl_check(const struct krl *krl, const struct key *k) __attribute__((warn_unused_result));

struct krl_range {
	uint64_t first, last; /* both included; not 0 */
};
/* What ssh-keygen -k writes; serials and key_ids are those of ca's certificates (NULL: all). */
struct krl_spec {
	uint64_t version, generated;
	const char *comment;
	const struct key *ca;
	const struct krl_range *serials;
	const char *const *key_ids;
	const struct key *const *keys;
	size_t n_serials, n_key_ids, n_keys;
};
/* *ret_len in: size of buf; out: length of the list. -ENOBUFS, -EINVAL. */
int krl_build(const struct krl_spec *spec, uint8_t *buf, size_t *ret_len)
	__attribute__((warn_unused_result));

#endif

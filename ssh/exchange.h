/*
 * ssh/exchange.h - the exchange hash and the keys that follow from it.
 *
 * Source  RFC 4253 sections 7.2 and 8, RFC 4419 section 3, RFC 5656 section 4, RFC 8731
 *         section 3.1.
 * Memory  the caller's; K and keys are secrets, ssh_keys_wipe() and secret_wipe().
 */
#ifndef SLUICE_SSH_EXCHANGE_H
#define SLUICE_SSH_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/kex.h"
#include "ssh/wire.h"

/* K as it enters hashes: length, a sign byte, the secret. */
#define SSH_K_MAX (4 + 1 + KEX_SECRET_MAX)

/* What is hashed, in this order; K comes last. Strings are without their length. */
struct ssh_exchange {
	struct ssh_str v_c, v_s; /* identification lines without CR LF */
	struct ssh_str i_c, i_s; /* KEXINIT payloads */
	struct ssh_str k_s;      /* host key blob */
	/*
	 * Group exchange, else empty: what the request and the group's message carry, as sent (min,
	 * n, max or n alone; p and g).
	 */
	struct ssh_str request, group;
	struct ssh_str q_c, q_s; /* public values; as mpints, for methods that send them so */
};

/* One direction's key material, RFC 4253 section 7.2 (A, C, E or B, D, F). */
struct ssh_dir_keys {
	uint8_t iv[CIPHER_IV_MAX];
	uint8_t key[CIPHER_KEY_MAX];
	uint8_t mac_key[CIPHER_MAC_KEY_MAX];
};

struct ssh_keys {
	struct ssh_dir_keys dir[2]; /* client to server, server to client */
};

/* The secret as the method's K, with its length in front. Bytes written. */
size_t ssh_exchange_k(const struct kex_method *m, const uint8_t *secret, size_t len,
		      uint8_t ret_k[SSH_K_MAX]);

/* The error of a value or of a computation of this method: -SSH_E_KEX_DH or -SSH_E_KEX_ECDH. */
int ssh_exchange_failed(const struct kex_method *m);

/* H, of hash_len(m->hash) bytes. */
int ssh_exchange_hash(const struct kex_method *m, const struct ssh_exchange *x, const uint8_t *k,
		      size_t k_len, uint8_t *ret_h) __attribute__((warn_unused_result));

/* len bytes of key material for a letter, 'A' to 'F'. */
int ssh_exchange_derive(const struct kex_method *m, const uint8_t *k, size_t k_len,
			const uint8_t *h, char letter, struct ssh_str session_id, uint8_t *ret,
			size_t len) __attribute__((warn_unused_result));

/* All six; what a suite does not use stays 0. */
int ssh_exchange_keys(const struct kex_method *m, const uint8_t *k, size_t k_len, const uint8_t *h,
		      struct ssh_str session_id, const struct cipher_suite *const suite[2],
		      struct ssh_keys *ret) __attribute__((warn_unused_result));
void ssh_keys_wipe(struct ssh_keys *keys);

#endif

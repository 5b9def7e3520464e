/*
 * crypto/kex_hybrid.c - a key encapsulation and X25519 in one exchange: whoever breaks one has
 * nothing. The client's value is the encapsulation key and its point, the server's the ciphertext
 * and its point; K is the hash of both secrets (draft-ietf-sshm-mlkem-hybrid-kex section 2).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/kex_internal.h"
#include "crypto/mlkem.h"
#include "crypto/secret.h"

struct hybrid_key {
	struct kex_key k;
	EVP_PKEY *x25519;
	uint8_t dk[MLKEM_DK_LEN];
};

static struct hybrid_key *hybrid_of(struct kex_key *k)
{
	return (struct hybrid_key *)(void *)k; /* its first member */
}

static int kem_keygen(uint8_t *ret_ek, uint8_t *ret_dk)
{
	uint8_t seed[MLKEM_SEED_LEN];
	int r = crypto_random(seed, sizeof(seed));

	if (r == 0)
		r = mlkem_keygen(seed, ret_ek, ret_dk);
	secret_wipe(seed, sizeof(seed));
	return r;
}

static int kem_encaps(const uint8_t *ek, uint8_t *ret_ct, uint8_t *ret_shared)
{
	uint8_t coin[MLKEM_COIN_LEN];
	int r = crypto_random(coin, sizeof(coin));

	if (r == 0)
		r = mlkem_encaps(ek, coin, ret_ct, ret_shared);
	secret_wipe(coin, sizeof(coin));
	return r;
}

static int combine(const struct kex_method *m, const uint8_t *shared, const uint8_t *point,
		   uint8_t *ret_secret, size_t *ret_len)
{
	const struct hash_piece piece[] = {{shared, MLKEM_SHARED_LEN}, {point, X25519_LEN}};

	*ret_len = hash_len(m->hash);
	return hash_digest(m->hash, piece, 2, ret_secret);
}

static void hybrid_free(struct kex_key *k)
{
	struct hybrid_key *h = hybrid_of(k);

	EVP_PKEY_free(h->x25519);
	secret_wipe(h->dk, sizeof(h->dk));
	free(h);
}

static int init(const struct kex_method *m, struct kex_key **ret, uint8_t *ret_pub)
{
	struct hybrid_key *h = calloc(1, sizeof(*h));
	int r;

	(void)m;
	if (h == NULL)
		return -ENOMEM;
	r = kem_keygen(ret_pub, h->dk);
	if (r == 0)
		r = x25519_new(&h->x25519, ret_pub + MLKEM_EK_LEN);
	if (r < 0) {
		hybrid_free(&h->k);
		return r;
	}
	*ret = &h->k;
	return 0;
}

static int finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
		  uint8_t *ret_secret, size_t *ret_len)
{
	struct hybrid_key *h = hybrid_of(k);
	uint8_t shared[MLKEM_SHARED_LEN], point[X25519_LEN];
	int r;

	r = mlkem_decaps(h->dk, peer_pub, shared);
	if (r == 0)
		r = x25519_derive(h->x25519, peer_pub + MLKEM_CT_LEN, point);
	if (r == 0)
		r = combine(m, shared, point, ret_secret, ret_len);
	secret_wipe(shared, sizeof(shared));
	secret_wipe(point, sizeof(point));
	return r;
}

static int respond(const struct kex_method *m, const uint8_t *peer_pub, uint8_t *ret_pub,
		   uint8_t *ret_secret, size_t *ret_len)
{
	uint8_t shared[MLKEM_SHARED_LEN], point[X25519_LEN];
	EVP_PKEY *key = NULL;
	int r;

	r = kem_encaps(peer_pub, ret_pub, shared);
	if (r == 0)
		r = x25519_new(&key, ret_pub + MLKEM_CT_LEN);
	if (r == 0)
		r = x25519_derive(key, peer_pub + MLKEM_EK_LEN, point);
	if (r == 0)
		r = combine(m, shared, point, ret_secret, ret_len);
	EVP_PKEY_free(key);
	secret_wipe(shared, sizeof(shared));
	secret_wipe(point, sizeof(point));
	return r;
}

const struct kex_family kex_hybrid = {init, finish, respond, hybrid_free};

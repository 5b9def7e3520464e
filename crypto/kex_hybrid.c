/*
 * crypto/kex_hybrid.c - a key encapsulation and a curve in one exchange: whoever breaks one has
 * nothing. The client's value is the encapsulation key and its point, the server's the ciphertext
 * and its point; K is the hash of both secrets (draft-ietf-sshm-mlkem-hybrid-kex section 2,
 * draft-ietf-sshm-ntruprime-ssh section 3).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/kex_internal.h"
#include "crypto/mlkem.h"
#include "crypto/secret.h"
#include "crypto/sntrup761.h"

#define DK_MAX     MLKEM_DK_LEN
#define SHARED_LEN 32 /* of every part */

_Static_assert(SNTRUP761_DK_LEN <= DK_MAX, "the longest decapsulation key");
_Static_assert(MLKEM_SHARED_LEN == SHARED_LEN && SNTRUP761_SHARED_LEN == SHARED_LEN,
	       "as long as the secrets of X25519 and P-256");

/* The functions of mlkem.h and sntrup761.h, with randomness. */
struct kem {
	uint16_t ek_len, ct_len;
	int (*keygen)(uint8_t *ret_ek, uint8_t *ret_dk);
	int (*encaps)(const uint8_t *ek, uint8_t *ret_ct, uint8_t *ret_shared);
	int (*decaps)(const uint8_t *dk, const uint8_t *ct, uint8_t *ret_shared);
};

struct kex_parts {
	const struct kem *kem;
	const struct kex_curve *curve;
};

struct hybrid_key {
	struct kex_key k;
	struct kex_curve_key point;
	uint8_t dk[DK_MAX];
};

static struct hybrid_key *hybrid_of(struct kex_key *k)
{
	return (struct hybrid_key *)(void *)k; /* its first member */
}

static int mlkem_keygen_random(uint8_t *ret_ek, uint8_t *ret_dk)
{
	uint8_t seed[MLKEM_SEED_LEN];
	int r = crypto_random(seed, sizeof(seed));

	if (r == 0)
		r = mlkem_keygen(seed, ret_ek, ret_dk);
	secret_wipe(seed, sizeof(seed));
	return r;
}

static int mlkem_encaps_random(const uint8_t *ek, uint8_t *ret_ct, uint8_t *ret_shared)
{
	uint8_t coin[MLKEM_COIN_LEN];
	int r = crypto_random(coin, sizeof(coin));

	if (r == 0)
		r = mlkem_encaps(ek, coin, ret_ct, ret_shared);
	secret_wipe(coin, sizeof(coin));
	return r;
}

static const struct kem mlkem768 = {MLKEM_EK_LEN, MLKEM_CT_LEN, mlkem_keygen_random,
				    mlkem_encaps_random, mlkem_decaps};
static const struct kem sntrup761 = {SNTRUP761_EK_LEN, SNTRUP761_CT_LEN, sntrup761_keygen,
				     sntrup761_encaps, sntrup761_decaps};

const struct kex_parts kex_mlkem768x25519 = {&mlkem768, &kex_curve25519};
const struct kex_parts kex_mlkem768nistp256 = {&mlkem768, &kex_nistp256};
const struct kex_parts kex_sntrup761x25519 = {&sntrup761, &kex_curve25519};

static int combine(const struct kex_method *m, const uint8_t *shared, const uint8_t *point,
		   uint8_t *ret_secret, size_t *ret_len)
{
	const struct hash_piece piece[] = {{shared, SHARED_LEN}, {point, SHARED_LEN}};

	*ret_len = hash_len(m->hash);
	return hash_digest(m->hash, piece, 2, ret_secret);
}

static void hybrid_free(struct kex_key *k)
{
	struct hybrid_key *h = hybrid_of(k);

	kex_curve_key_fini(&h->point);
	secret_wipe(h->dk, sizeof(h->dk));
	free(h);
}

static int init(const struct kex_method *m, const struct kex_group *agreed, struct kex_key **ret,
		uint8_t *ret_pub, size_t *ret_len)
{
	const struct kex_parts *part = m->parts;
	struct hybrid_key *h = calloc(1, sizeof(*h));
	int r;

	(void)agreed;
	if (h == NULL)
		return -ENOMEM;
	r = part->kem->keygen(ret_pub, h->dk);
	if (r == 0)
		r = part->curve->generate(&h->point, ret_pub + part->kem->ek_len);
	if (r < 0) {
		hybrid_free(&h->k);
		return r;
	}
	*ret_len = m->client_public_len;
	*ret = &h->k;
	return 0;
}

static int finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
		  size_t peer_len, uint8_t *ret_secret, size_t *ret_len)
{
	const struct kex_parts *part = m->parts;
	struct hybrid_key *h = hybrid_of(k);
	uint8_t shared[SHARED_LEN], point[SHARED_LEN];
	int r;

	(void)peer_len;
	r = part->kem->decaps(h->dk, peer_pub, shared);
	if (r == 0)
		r = part->curve->derive(&h->point, peer_pub + part->kem->ct_len, point);
	if (r == 0)
		r = combine(m, shared, point, ret_secret, ret_len);
	secret_wipe(shared, sizeof(shared));
	secret_wipe(point, sizeof(point));
	return r;
}

static int respond(const struct kex_method *m, const struct kex_group *agreed,
		   const uint8_t *peer_pub, size_t peer_len, uint8_t *ret_pub, size_t *ret_pub_len,
		   uint8_t *ret_secret, size_t *ret_len)
{
	const struct kex_parts *part = m->parts;
	uint8_t shared[SHARED_LEN], point[SHARED_LEN];
	struct kex_curve_key key = {0};
	int r;

	(void)agreed;
	(void)peer_len;
	*ret_pub_len = m->server_public_len;
	r = part->kem->encaps(peer_pub, ret_pub, shared);
	if (r == 0)
		r = part->curve->generate(&key, ret_pub + part->kem->ct_len);
	if (r == 0)
		r = part->curve->derive(&key, peer_pub + part->kem->ek_len, point);
	if (r == 0)
		r = combine(m, shared, point, ret_secret, ret_len);
	kex_curve_key_fini(&key);
	secret_wipe(shared, sizeof(shared));
	secret_wipe(point, sizeof(point));
	return r;
}

const struct kex_family kex_hybrid = {kex_length_check, init, finish, respond, hybrid_free};

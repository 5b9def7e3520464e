/* crypto/curve25519.c - vectors of RFC 7748 and RFC 8032, OpenSSL beside it, and what is refused.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "crypto/curve25519.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void hex(const char *text, uint8_t *out, size_t len)
{
	cr_assert_eq(strlen(text), 2 * len);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(sscanf(text + 2 * i, "%2hhx", &out[i]), 1);
}

/* RFC 7748 section 5.2. */
Test(curve25519, x25519_iterated)
{
	static const struct {
		unsigned int n;
		const char *k;
	} c[] = {{1, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"},
		 {1000, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"}};
	uint8_t k[32] = {9}, u[32] = {9}, next[32], want[32];
	unsigned int n = 0;

	for (size_t i = 0; i < N(c); i++) {
		for (; n < c[i].n; n++) {
			cr_assert_eq(x25519_shared(k, u, next), 0);
			memcpy(u, k, 32);
			memcpy(k, next, 32);
		}
		hex(c[i].k, want, 32);
		cr_expect_arr_eq(k, want, 32, "after %u", n);
	}
}

/* RFC 7748 section 6.1: Bob's half of the example. */
Test(curve25519, x25519_keys_agree)
{
	uint8_t b[32], a_pub[32], want_pub[32], want[32], pub[32], secret[32];

	hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, 32);
	hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", want_pub, 32);
	hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", a_pub, 32);
	hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", want, 32);
	cr_assert_eq(x25519_public(b, pub), 0);
	cr_expect_arr_eq(pub, want_pub, 32);
	cr_assert_eq(x25519_shared(b, a_pub, secret), 0);
	cr_expect_arr_eq(secret, want, 32);
}

/* RFC 7748 section 6.1: points of low order, and what they are modulo p; the secret is zero. */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

Test(curve25519, x25519_refuses_points_of_low_order)
{
	for (size_t i = 0; i < N(low_order); i++) {
		uint8_t scalar[32] = {0x40, 1, 2, 3}, point[32], secret[32];

		hex(low_order[i], point, 32);
		memset(secret, 0xa5, sizeof(secret));
		for (int bit = 0; bit < 2; bit++) { /* the highest one is masked */
			point[31] |= (uint8_t)(bit << 7);
			cr_expect_eq(x25519_shared(scalar, point, secret), -EBADMSG, "%zu", i);
		}
		cr_expect_eq(secret[0], 0xa5, "nothing is given out");
	}
}

/* RFC 8032 section 7.1, tests 1 to 3. */
static const struct {
	const char *seed, *pub, *sig;
	size_t len;
	uint8_t data[2];
} signatures[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
	 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
	 "c"
	 "f9b46bd25bf5f0595bbe24655141438e7a100b",
	 0,
	 {0}},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
	 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
	 "0"
	 "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
	 1,
	 {0x72}},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
	 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
	 "8"
	 "4dc6594a7c15e9716ed28dc027beceea1ec40a",
	 2,
	 {0xaf, 0x82}},
};

Test(curve25519, ed25519_signs_as_the_standard)
{
	for (size_t i = 0; i < N(signatures); i++) {
		uint8_t seed[32], pub[32], want[64], sig[64];

		hex(signatures[i].seed, seed, 32);
		hex(signatures[i].pub, pub, 32);
		hex(signatures[i].sig, want, 64);
		cr_assert_eq(ed25519_sign(seed, pub, signatures[i].data, signatures[i].len, sig),
			     0);
		cr_expect_arr_eq(sig, want, 64, "test %zu", i + 1);
		cr_expect_eq(ed25519_verify(pub, want, signatures[i].data, signatures[i].len), 0);
	}
}

Test(curve25519, ed25519_refuses_every_flipped_bit)
{
	uint8_t pub[32], sig[64], data[2] = {0xaf, 0x82};

	hex(signatures[2].pub, pub, 32);
	hex(signatures[2].sig, sig, 64);
	for (unsigned int bit = 0; bit < 8 * (64 + 32 + 2); bit++) {
		uint8_t *at = bit < 512   ? sig + bit / 8
			      : bit < 768 ? pub + (bit - 512) / 8
					  : data + (bit - 768) / 8;

		*at ^= (uint8_t)(1 << bit % 8);
		cr_expect_eq(ed25519_verify(pub, sig, data, 2), -EBADMSG, "bit %u", bit);
		*at ^= (uint8_t)(1 << bit % 8);
	}
	cr_expect_eq(ed25519_verify(pub, sig, data, 2), 0);
	cr_expect_eq(ed25519_verify(pub, sig, data, 1), -EBADMSG);
}

/* RFC 8032 section 5.1.7: S is below the order, or there were two signatures for one. */
Test(curve25519, ed25519_refuses_s_plus_the_order)
{
	uint8_t pub[32], sig[64], order[32];
	unsigned int carry = 0;

	hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", order, 32);
	hex(signatures[1].pub, pub, 32);
	hex(signatures[1].sig, sig, 64);
	for (int i = 0; i < 32; i++) {
		carry += sig[32 + i] + order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	cr_expect_eq(ed25519_verify(pub, sig, signatures[1].data, 1), -EBADMSG);
}

/* With such a key one signature is right for (nearly) all data. */
Test(curve25519, ed25519_refuses_keys_and_commitments_of_low_order)
{
	static const char *const low[] = {
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	};

	for (size_t i = 0; i < N(low); i++) {
		uint8_t pub[32], sig[64] = {0};

		hex(low[i], pub, 32);
		memcpy(sig, pub, 32);
		for (uint8_t data = 0; data < 16; data++) {
			cr_expect_eq(ed25519_verify(pub, sig, &data, 1), -EBADMSG, "%zu", i);
			sig[0] = 1;
			memset(sig + 1, 0, 31);
		}
	}
}

/* --- beside OpenSSL ----------------------------------------------------------------------------
 */

static void fill(struct rnd *r, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rnd_u64(r);
}

static void x25519_openssl(const uint8_t scalar[32], const uint8_t peer_pub[32], uint8_t pub[32],
			   uint8_t secret[32])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, scalar, 32);
	EVP_PKEY *p = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer_pub, 32);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
	size_t len = 32;

	cr_assert_eq(EVP_PKEY_get_raw_public_key(k, pub, &len), 1);
	cr_assert_eq(EVP_PKEY_derive_init(c), 1);
	cr_assert_eq(EVP_PKEY_derive_set_peer(c, p), 1);
	cr_assert_eq(EVP_PKEY_derive(c, secret, &len), 1);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(k);
	EVP_PKEY_free(p);
}

Test(curve25519, x25519_as_openssl)
{
	struct rnd r = rnd_new(rnd_seed());
	unsigned int n = test_long() ? 100000 : 200;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t scalar[32], peer[32], pub[2][32], secret[2][32];

		fill(&r, scalar, 32);
		fill(&r, peer, 32); /* any: half of them are on the twist */
		cr_assert_eq(x25519_public(scalar, pub[0]), 0);
		cr_assert_eq(x25519_shared(scalar, peer, secret[0]), 0);
		x25519_openssl(scalar, peer, pub[1], secret[1]);
		cr_assert_arr_eq(pub[0], pub[1], 32);
		cr_assert_arr_eq(secret[0], secret[1], 32);
	}
}

Test(curve25519, ed25519_as_openssl)
{
	struct rnd r = rnd_new(rnd_seed() + 1);
	unsigned int n = test_long() ? 100000 : 100;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t seed[32], pub[32], data[300], sig[2][64];
		size_t len = rnd_u64(&r) % sizeof(data), pub_len = 32, sig_len = 64;
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		EVP_PKEY *k;

		fill(&r, seed, 32);
		fill(&r, data, len);
		k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
		cr_assert_eq(EVP_PKEY_get_raw_public_key(k, pub, &pub_len), 1);
		cr_assert_eq(EVP_DigestSignInit(c, NULL, NULL, NULL, k), 1);
		cr_assert_eq(EVP_DigestSign(c, sig[1], &sig_len, data, len), 1);
		cr_assert_eq(ed25519_sign(seed, pub, data, len, sig[0]), 0);
		cr_assert_arr_eq(sig[0], sig[1], 64);
		cr_assert_eq(ed25519_verify(pub, sig[0], data, len), 0);
		EVP_MD_CTX_free(c);
		EVP_PKEY_free(k);
	}
}

/* tests/unit/test_key_types.c - every type of key: vectors, bounds, damage, nonces. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/sha.h>

#include "crypto/blob.h"
#include "crypto/key.h"
#include "crypto/key_internal.h"
#include "tests/util/rnd.h"

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int v = 0;

		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
	return n;
}

static void put_hex_mpint(struct blob_wr *w, const char *hex)
{
	uint8_t buf[256];

	blob_wr_mpint(w, buf, from_hex(hex, buf));
}

/* --- vectors ---------------------------------------------------------------------------- */

static const char dsa_p[] =
	"86f5ca03dcfeb225063ff830a0c769b9dd9d6153ad91d7ce27f787c43278b447e6533b86b18bed6e8a48b784a1"
	"4c252c5be0dbf60b86d6385bd2f12fb763ed8873abfd3f5ba2e0a8c0a59082eac056935e529daf7c610467899c"
	"77adedfc846c881870b7b19b2b58f9be0521a17002e3bdd6b86685ee90b3d9a1b02b782b1779";
static const char dsa_q[] = "996f967f6c8e388d9e28d01e205fba957a5698b1";
static const char dsa_g[] =
	"07b0f92546150b62514bb771e2a0c0ce387f03bda6c56b505209ff25fd3c133d89bbcd97e904e09114d9a7defd"
	"eadfc9078ea544d2e401aeecc40bb9fbbf78fd87995a10a1c27cb7789b594ba7efb5c4326a9fe59a070e136db7"
	"7175464adca417be5dce2f40d10a46a3a3943f26ab7fd9c0398ff8c76ee0a56826a8a88f1dbd";
static const char dsa_y[] =
	"5df5e01ded31d0297e274e1691c192fe5868fef9e19a84776454b100cf16f65392195a38b90523e2542ee61871"
	"c0440cb87c322fc4b4d2ec5e1e7ec766e1be8d4ce935437dc11c3c8fd426338933ebfe739cb3465f4d3668c5e4"
	"73508253b1e682f65cbdc4fae93c2ea212390e54905a86e2223170b44eaa7da5dd9ffcfb7f3b";

/* A public key and a signature as they stand on the wire. */
struct vector {
	uint8_t blob[1024], sig[512];
	struct blob_wr b, s;
};

static void vector_begin(struct vector *v, const char *type, const char *alg)
{
	v->b = blob_wr_init(v->blob, sizeof(v->blob));
	v->s = blob_wr_init(v->sig, sizeof(v->sig));
	blob_wr_cstr(&v->b, type);
	blob_wr_cstr(&v->s, alg);
}

static void expect_only_this(const struct vector *v, const char *alg, const char *message)
{
	const uint8_t *m = (const uint8_t *)message;
	struct key *k = NULL;

	cr_assert_eq(key_blob_parse(v->blob, v->b.len, &k), 0, "%s", alg);
	cr_expect_eq(key_verify(k, alg, v->sig, v->s.len, m, strlen(message)), 0, "%s", alg);
	cr_expect_eq(key_verify(k, alg, v->sig, v->s.len, m, strlen(message) - 1), -EBADMSG);
	key_free(k);
}

static void ecdsa_vector(const char *curve, const char *point, const char *r, const char *s)
{
	char name[64];
	uint8_t inner[256], q[256];
	struct blob_wr in = blob_wr_init(inner, sizeof(inner));
	struct vector v;

	snprintf(name, sizeof(name), "ecdsa-sha2-%s", curve);
	vector_begin(&v, name, name);
	blob_wr_cstr(&v.b, curve);
	blob_wr_str(&v.b, q, from_hex(point, q));
	put_hex_mpint(&in, r);
	put_hex_mpint(&in, s);
	blob_wr_str(&v.s, inner, in.len);
	expect_only_this(&v, name, "sample");
}

/* RFC 6979 appendix A.2.6: P-384 with SHA-384. */
Test(key_types, verifies_rfc6979_p384)
{
	ecdsa_vector("nistp384",
		     "04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea905"
		     "5866064a254515480bc138015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b"
		     "3f1c9db1288b231c3ae0d4fe7344fd2533264720",
		     "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44a"
		     "cf96e36dd1e80fabe46",
		     "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e6"
		     "79e7b82c71a38628ac8");
}

/* RFC 6979 appendix A.2.7: P-521 with SHA-512. */
Test(key_types, verifies_rfc6979_p521)
{
	ecdsa_vector("nistp521",
		     "0401894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e4"
		     "5db6b5d5370a7f20fb633155d38ffa16d2bd761dcac474b9a2f5023a400493101c962cd4d2fdd"
		     "f782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22acc23f9"
		     "24faafbd4d33f81ea66956dfeaa2bfdfcf5",
		     "00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee901"
		     "7b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa",
		     "00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5"
		     "b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a");
}

static void dss_key(struct vector *v, const char *p, const char *q, const char *g, const char *y)
{
	vector_begin(v, "ssh-dss", "ssh-dss");
	put_hex_mpint(&v->b, p);
	put_hex_mpint(&v->b, q);
	put_hex_mpint(&v->b, g);
	put_hex_mpint(&v->b, y);
}

/* RFC 6979 appendix A.2.1: DSA of 1024 bits with SHA-1. */
Test(key_types, verifies_rfc6979_dsa)
{
	uint8_t rs[40];
	struct vector v;

	dss_key(&v, dsa_p, dsa_q, dsa_g, dsa_y);
	from_hex("2e1a0c2562b2912caaf89186fb0f42001585da5529efb6b0aff2d7a68eb70ca313022253b9a88df5",
		 rs);
	blob_wr_str(&v.s, rs, sizeof(rs));
	expect_only_this(&v, "ssh-dss", "sample");
}

/* RFC 8032 section 7.4, "1 octet": as a key and a signature of RFC 8709. */
Test(key_types, verifies_rfc8032_ed448)
{
	uint8_t buf[114];
	struct vector v;

	vector_begin(&v, "ssh-ed448", "ssh-ed448");
	blob_wr_str(&v.b, buf,
		    from_hex("43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea0"
			     "1eb00742802b8438ea4cb82169c235160627b4c3a9480",
			     buf));
	blob_wr_str(&v.s, buf,
		    from_hex("26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b"
			     "143c4b981b7e18f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e0"
			     "27df36bc04dcecbf154336c19f0af7e0a6472905e799f1953d2a0ff3348ab21aa4ada"
			     "fd1d234441cf807c03a00",
			     buf));
	expect_only_this(&v, "ssh-ed448", "\x03");
}

/* --- every type -------------------------------------------------------------------------- */

static const struct made {
	const char *type;
	unsigned int bits;
} made[] = {{"ssh-ed25519", 256},
	    {"ssh-ed448", 448},
	    {"ecdsa-sha2-nistp256", 256},
	    {"ecdsa-sha2-nistp384", 384},
	    {"ecdsa-sha2-nistp521", 521},
	    {"ssh-rsa", 2048},
	    {"ssh-dss", 1024}};

#define N_MADE (sizeof(made) / sizeof(made[0]))

/* That of the vector: to look for a p takes a second. */
static struct key *dss_private(void)
{
	uint8_t numbers[1024];
	struct blob_wr w = blob_wr_init(numbers, sizeof(numbers));
	struct blob_rd r;
	EVP_PKEY *pkey = NULL;
	struct key *k = NULL;

	put_hex_mpint(&w, dsa_p);
	put_hex_mpint(&w, dsa_q);
	put_hex_mpint(&w, dsa_g);
	put_hex_mpint(&w, dsa_y);
	put_hex_mpint(&w, "411602cb19a6ccc34494d79d98ef1e7ed5af25f7");
	r = blob_rd_init(numbers, w.len);
	cr_assert_eq(key_type_dss.private_parse(&key_type_dss, &r, &pkey), 0);
	cr_assert_eq(key_from_private(&key_type_dss, pkey, &k), 0);
	return k;
}

static struct key *make(const char *type, unsigned int bits)
{
	struct key *k = NULL;

	if (strcmp(type, "ssh-dss") == 0)
		return dss_private();
	cr_assert_eq(key_generate(type, bits, &k), 0, "%s", type);
	return k;
}

static struct key *public_of(const struct key *k)
{
	struct key *pub = NULL;
	size_t len;
	const uint8_t *blob = key_blob(k, &len);

	cr_assert_eq(key_blob_parse(blob, len, &pub), 0);
	return pub;
}

Test(key_types, every_algorithm_of_a_type_signs_and_verifies)
{
	for (size_t i = 0; i < N_MADE; i++) {
		struct key *k = make(made[i].type, made[i].bits), *pub = public_of(k);
		uint8_t sig[KEY_SIG_MAX];
		const char *alg;
		size_t len = 0;

		cr_expect_eq(key_bits(pub), made[i].bits);
		cr_expect_str_eq(key_type(pub), made[i].type);
		for (unsigned int n = 0; (alg = key_sig_alg_of(k, n)) != NULL; n++) {
			cr_assert_eq(key_sign(k, alg, (const uint8_t *)"data", 4, sig, &len), 0);
			cr_expect_eq(key_verify(pub, alg, sig, len, (const uint8_t *)"data", 4), 0,
				     "%s", alg);
			cr_expect_eq(key_verify(pub, alg, sig, len, (const uint8_t *)"date", 4),
				     -EBADMSG);
		}
		key_free(k);
		key_free(pub);
	}
}

/* Any bit of a signature, any bit of a key: not the one that was signed with. */
Test(key_types, a_changed_bit_never_verifies)
{
	for (size_t i = 0; i < N_MADE; i++) {
		struct key *k = make(made[i].type, made[i].bits), *pub = public_of(k);
		uint8_t sig[KEY_SIG_MAX], blob[KEY_BLOB_MAX];
		const char *alg = key_sig_alg_of(k, 0);
		const uint8_t *from;
		size_t len = 0, blob_len;

		cr_assert_eq(key_sign(k, alg, (const uint8_t *)"data", 4, sig, &len), 0);
		for (size_t b = 0; b < len * 8; b += 13) {
			sig[b / 8] ^= (uint8_t)(1 << b % 8);
			cr_expect_eq(key_verify(pub, alg, sig, len, (const uint8_t *)"data", 4),
				     -EBADMSG, "%s bit %zu", alg, b);
			sig[b / 8] ^= (uint8_t)(1 << b % 8);
		}
		from = key_blob(k, &blob_len);
		memcpy(blob, from, blob_len);
		for (size_t b = 0; b < blob_len * 8; b += 37) {
			struct key *other = NULL;

			blob[b / 8] ^= (uint8_t)(1 << b % 8);
			if (key_blob_parse(blob, blob_len, &other) == 0)
				cr_expect_eq(key_verify(other, alg, sig, len,
							(const uint8_t *)"data", 4),
					     -EBADMSG, "%s key bit %zu", alg, b);
			key_free(other);
			blob[b / 8] ^= (uint8_t)(1 << b % 8);
		}
		key_free(k);
		key_free(pub);
	}
}

Test(key_types, no_algorithm_serves_another_type)
{
	for (size_t i = 0; i < N_MADE; i++) {
		struct key *k = make(made[i].type, made[i].bits);
		const char *alg;

		for (unsigned int n = 0; (alg = key_sig_alg_at(n)) != NULL; n++) {
			bool own = strcmp(alg, made[i].type) == 0 ||
				   (strcmp(made[i].type, "ssh-rsa") == 0 &&
				    (strcmp(alg, "rsa-sha2-256") == 0 ||
				     strcmp(alg, "rsa-sha2-512") == 0));

			cr_expect_eq(key_sig_alg_fits(k, alg), own, "%s %s", made[i].type, alg);
		}
		key_free(k);
	}
}

/* --- bounds (S-45) ------------------------------------------------------------------------ */

static int parse(const struct vector *v)
{
	struct key *k = NULL;
	int r = key_blob_parse(v->blob, v->b.len, &k);

	key_free(k);
	return r;
}

Test(key_types, s45_dsa_of_any_other_size_is_refused)
{
	char longer[sizeof(dsa_p) + 16], longer_q[sizeof(dsa_q) + 16];
	struct vector v;

	dss_key(&v, dsa_p, dsa_q, dsa_g, dsa_y);
	cr_expect_eq(parse(&v), 0);
	dss_key(&v, dsa_p + 2, dsa_q, dsa_g, dsa_y);
	cr_expect_lt(parse(&v), 0);
	snprintf(longer, sizeof(longer), "01%s", dsa_p);
	dss_key(&v, longer, dsa_q, dsa_g, dsa_y);
	cr_expect_eq(parse(&v), -ENOTSUP);
	snprintf(longer_q, sizeof(longer_q), "01%s", dsa_q);
	dss_key(&v, dsa_p, longer_q, dsa_g, dsa_y);
	cr_expect_eq(parse(&v), -ENOTSUP);
	dss_key(&v, dsa_p, dsa_q + 2, dsa_g, dsa_y);
	cr_expect_eq(parse(&v), -ENOTSUP);
	dss_key(&v, dsa_p, dsa_p, dsa_g, dsa_y); /* q as long as p: a verification without end */
	cr_expect_eq(parse(&v), -ENOTSUP);
}

Test(key_types, dsa_numbers_that_cannot_be_are_refused)
{
	struct vector v;

	dss_key(&v, dsa_p, dsa_q, "01", dsa_y);
	cr_expect_eq(parse(&v), -EBADMSG);
	dss_key(&v, dsa_p, dsa_q, dsa_p, dsa_y);
	cr_expect_eq(parse(&v), -EBADMSG);
	dss_key(&v, dsa_p, dsa_q, dsa_g, "01");
	cr_expect_eq(parse(&v), -EBADMSG);
	dss_key(&v, dsa_p, dsa_q, dsa_g, dsa_p);
	cr_expect_eq(parse(&v), -EBADMSG);
	dss_key(&v, dsa_p, dsa_q, dsa_g, "00");
	cr_expect_eq(parse(&v), -EBADMSG);
	dss_key(&v, dsa_p, dsa_q, dsa_g, dsa_y);
	blob_wr_put(&v.b, "x", 1);
	cr_expect_eq(parse(&v), -EBADMSG);
}

Test(key_types, s34_a_blob_of_one_curve_is_no_key_of_another)
{
	static const char *const curve[] = {"nistp256", "nistp384", "nistp521"};

	for (int i = 0; i < 3; i++) {
		char name[64];
		struct key *k;
		const uint8_t *q;
		size_t len, q_len = (size_t[]){65, 97, 133}[i];

		snprintf(name, sizeof(name), "ecdsa-sha2-%s", curve[i]);
		k = make(name, 0);
		q = key_blob(k, &len) + len - q_len;
		for (int j = 0; j < 9; j++) {
			struct vector v;

			snprintf(name, sizeof(name), "ecdsa-sha2-%s", curve[j / 3]);
			vector_begin(&v, name, name);
			blob_wr_cstr(&v.b, curve[j % 3]);
			blob_wr_str(&v.b, q, q_len);
			cr_expect_eq(parse(&v), j / 3 == i && j % 3 == i ? 0 : -EBADMSG);
		}
		key_free(k);
	}
}

/* --- nonces (S-65) ------------------------------------------------------------------------- */

/* k = (h + r d) / s mod n: what was random in a signature, for who has the private key. */
static void nonce(const char *sig_r_s, size_t len, const BIGNUM *d, const BIGNUM *n,
		  const BIGNUM *h, BN_CTX *ctx, BIGNUM *ret)
{
	struct blob_rd rd = blob_rd_init((const uint8_t *)sig_r_s, len);
	struct blob_str r = blob_rd_positive(&rd), s = blob_rd_positive(&rd);
	BIGNUM *br = BN_bin2bn(r.p, (int)r.len, NULL), *bs = BN_bin2bn(s.p, (int)s.len, NULL);

	cr_assert(blob_rd_done(&rd));
	BN_mod_mul(ret, br, d, n, ctx);
	BN_mod_add(ret, ret, h, n, ctx);
	BN_mod_inverse(bs, bs, n, ctx);
	BN_mod_mul(ret, ret, bs, n, ctx);
	BN_free(br);
	BN_free(bs);
}

/*
 * CVE-2024-31497: the top bits of k were always zero. Of the top sixteen bits below the order's own
 * top the sixteen values of each four are counted: chi-square with 15 degrees is below 60 but twice
 * in ten million. The top bits of all three orders are ones, so k is spread evenly.
 */
static void top_bits_uniform(const char *type, const char *order, unsigned int samples)
{
	struct key *k = make(type, 0);
	unsigned int count[4][16] = {0};
	BIGNUM *n = NULL, *d = NULL, *h = BN_new(), *nonce_k = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	double expect = samples / 16.0;

	BN_hex2bn(&n, order);
	cr_assert_eq(EVP_PKEY_get_bn_param(k->pkey, "priv", &d), 1);
	for (unsigned int i = 0; i < samples; i++) {
		uint8_t sig[KEY_SIG_MAX], digest[64];
		struct blob_str inner;
		struct blob_rd rd;
		size_t len = 0, digest_len;

		cr_assert_eq(key_sign(k, type, (const uint8_t *)&i, sizeof(i), sig, &len), 0);
		rd = blob_rd_init(sig, len);
		blob_rd_str(&rd);
		inner = blob_rd_str(&rd);
		if (strstr(type, "256") != NULL) {
			SHA256((const uint8_t *)&i, sizeof(i), digest);
			digest_len = 32;
		} else if (strstr(type, "384") != NULL) {
			SHA384((const uint8_t *)&i, sizeof(i), digest);
			digest_len = 48;
		} else {
			SHA512((const uint8_t *)&i, sizeof(i), digest);
			digest_len = 64;
		}
		BN_bin2bn(digest, (int)digest_len, h);
		nonce((const char *)inner.p, inner.len, d, n, h, ctx, nonce_k);
		BN_rshift(nonce_k, nonce_k, BN_num_bits(n) - 16);
		cr_assert_lt(BN_get_word(nonce_k), 1 << 16);
		for (int at = 0; at < 4; at++)
			count[at][BN_get_word(nonce_k) >> (12 - 4 * at) & 15]++;
	}
	for (int at = 0; at < 4; at++) {
		double chi = 0;

		for (int i = 0; i < 16; i++)
			chi += (count[at][i] - expect) * (count[at][i] - expect) / expect;
		fprintf(stderr, "%s: bits %d to %d: chi-square %.1f of %u\n", type, 4 * at,
			4 * at + 3, chi, samples);
		cr_expect_lt(chi, 60.0, "%s: chi-square %f", type, chi);
	}
	BN_free(n);
	BN_clear_free(d);
	BN_free(h);
	BN_free(nonce_k);
	BN_CTX_free(ctx);
	key_free(k);
}

Test(key_types, s65_ecdsa_nonces_use_all_their_bits)
{
	unsigned int n = test_long() ? 10000 : 400;

	top_bits_uniform("ecdsa-sha2-nistp256",
			 "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", n);
	top_bits_uniform("ecdsa-sha2-nistp384",
			 "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB2"
			 "48B0A77AECEC196ACCC52973",
			 test_long() ? n : 200);
	top_bits_uniform(
		"ecdsa-sha2-nistp521",
		"01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA5186"
		"8783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
		test_long() ? n : 200);
}

/* --- RSA signatures (S-71) ------------------------------------------------------------------ */

/* The encoded message that a signature of our own choice has: EM ^ d by the private key. */
static size_t sign_raw(const struct key *k, const uint8_t *em, size_t len, uint8_t *sig)
{
	BIGNUM *n = NULL, *d = NULL, *m = BN_bin2bn(em, (int)len, NULL);
	BN_CTX *ctx = BN_CTX_new();

	cr_assert_eq(EVP_PKEY_get_bn_param(k->pkey, "n", &n), 1);
	cr_assert_eq(EVP_PKEY_get_bn_param(k->pkey, "d", &d), 1);
	cr_assert_eq(BN_mod_exp(m, m, d, n, ctx), 1);
	cr_assert_eq(BN_bn2binpad(m, sig, (int)len), (int)len);
	BN_free(n);
	BN_clear_free(d);
	BN_free(m);
	BN_CTX_free(ctx);
	return len;
}

static int verify_em(const struct key *k, const uint8_t *em)
{
	uint8_t sig[256], wire[512];
	struct blob_wr w = blob_wr_init(wire, sizeof(wire));

	blob_wr_cstr(&w, "rsa-sha2-256");
	blob_wr_str(&w, sig, sign_raw(k, em, sizeof(sig), sig));
	return key_verify(k, "rsa-sha2-256", wire, w.len, (const uint8_t *)"data", 4);
}

static void em_fill(uint8_t em[256])
{
	static const uint8_t info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				       0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

	/* RFC 8017 section 9.2: 00 01 FF… 00, the algorithm's name, the digest. */
	memset(em, 0xff, 256);
	em[0] = 0;
	em[1] = 1;
	em[204] = 0;
	memcpy(em + 205, info, sizeof(info));
	SHA256((const uint8_t *)"data", 4, em + 224);
}

Test(key_types, s71_padding_garbage_is_refused)
{
	struct key *k = make("ssh-rsa", 2048);
	uint8_t em[256], bad[256];

	em_fill(em);
	cr_expect_eq(verify_em(k, em), 0);
	/* Bleichenbacher 2006: short padding, the digest early, garbage behind it. */
	memset(bad, 0xa5, sizeof(bad));
	memcpy(bad, em, 10);
	memcpy(bad + 10, em + 204, 52);
	cr_expect_eq(verify_em(k, bad), -EBADMSG);
	/* Each byte of padding and of the algorithm's name. */
	for (size_t i = 0; i < 224; i += i < 200 ? 23 : 1) {
		memcpy(bad, em, sizeof(bad));
		bad[i] ^= 0x01;
		if (i == 0) /* beyond the modulus, perhaps */
			continue;
		cr_expect_eq(verify_em(k, bad), -EBADMSG, "byte %zu", i);
	}
	key_free(k);
}

/* tests/unit/test_key.c - public keys, private key files, signatures. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "crypto/blob.h"
#include "crypto/key.h"
#include "tests/unit/key_fixtures.h"

static struct key *private_key(const char *text)
{
	struct key *k = NULL;

	cr_assert_eq(key_private_parse((const uint8_t *)text, strlen(text), &k), 0);
	return k;
}

static struct key *public_key(const char *line)
{
	struct key *k = NULL;

	cr_assert_eq(key_public_line_parse(line, strlen(line), &k), 0);
	return k;
}

static const struct fixture {
	const char *private, *public, *type, *log_type, *fingerprint;
	unsigned int bits;
	const char *sig_alg;
	const uint8_t *sig;
	size_t sig_len;
} fixtures[] = {
	{fixture_ed25519, fixture_ed25519_pub, "ssh-ed25519", "ED25519",
	 "SHA256:EstBo4plU2fxC+S/dsJkxscCwOrMpQTayiBLRn3Q8eA", 256, "ssh-ed25519",
	 fixture_ed25519_sig, sizeof(fixture_ed25519_sig)},
	{fixture_ecdsa, fixture_ecdsa_pub, "ecdsa-sha2-nistp256", "ECDSA",
	 "SHA256:qiceRujFknAs7/QcLR47Bp7y11C8Ec6yicW2cCNeS80", 256, "ecdsa-sha2-nistp256",
	 fixture_ecdsa_sig, sizeof(fixture_ecdsa_sig)},
	{fixture_rsa, fixture_rsa_pub, "ssh-rsa", "RSA",
	 "SHA256:IRAd1I8ibadKld5oWNgB9+/j/jCeAh3Dwt+ki9/gn0w", 2048, "rsa-sha2-512",
	 fixture_rsa_sig, sizeof(fixture_rsa_sig)},
};

#define N_FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

Test(key, reads_the_private_files_of_ssh_keygen)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = private_key(fixtures[i].private);
		struct key *pub = public_key(fixtures[i].public);

		cr_expect(key_is_private(k));
		cr_expect_not(key_is_private(pub));
		cr_expect(key_equal(k, pub), "%s", fixtures[i].type);
		key_free(k);
		key_free(pub);
	}
}

Test(key, reads_pem_in_every_form)
{
	static const struct {
		const char *pem, *public;
	} pem[] = {
		{fixture_ecdsa_pem, fixture_ecdsa_pub},
		{fixture_ecdsa_pem_compressed, fixture_ecdsa_pub},
		{fixture_ecdsa_pkcs8, fixture_ecdsa_pub},
		{fixture_rsa_pem, fixture_rsa_pub},
		{fixture_rsa_pkcs8, fixture_rsa_pub},
	};

	for (size_t i = 0; i < sizeof(pem) / sizeof(pem[0]); i++) {
		struct key *k = private_key(pem[i].pem);
		struct key *pub = public_key(pem[i].public);

		cr_expect(key_equal(k, pub), "%zu", i);
		key_free(k);
		key_free(pub);
	}
	key_free(private_key(fixture_ed25519_pkcs8));
}

Test(key, says_what_ssh_keygen_says)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = public_key(fixtures[i].public);
		char text[64];

		cr_expect_str_eq(key_type(k), fixtures[i].type);
		cr_expect_str_eq(key_log_type(k), fixtures[i].log_type);
		cr_expect_eq(key_bits(k), fixtures[i].bits);
		cr_expect_eq(key_fingerprint(k, text, sizeof(text)), 0);
		cr_expect_str_eq(text, fixtures[i].fingerprint);
		cr_expect_eq(key_fingerprint(k, text, strlen(fixtures[i].fingerprint)), -ENOBUFS);
		key_free(k);
	}
}

Test(key, verifies_signatures_of_ssh_keygen)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = public_key(fixtures[i].public);

		cr_expect_eq(key_verify(k, fixtures[i].sig_alg, fixtures[i].sig,
					fixtures[i].sig_len, fixture_signed,
					sizeof(fixture_signed)),
			     0, "%s", fixtures[i].type);
		key_free(k);
	}
}

Test(key, refuses_signatures_with_any_bit_changed)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = public_key(fixtures[i].public);
		uint8_t sig[KEY_SIG_MAX];

		memcpy(sig, fixtures[i].sig, fixtures[i].sig_len);
		for (size_t b = 0; b < fixtures[i].sig_len * 8; b += 3) {
			sig[b / 8] ^= (uint8_t)(1 << b % 8);
			cr_expect_eq(key_verify(k, fixtures[i].sig_alg, sig, fixtures[i].sig_len,
						fixture_signed, sizeof(fixture_signed)),
				     -EBADMSG, "%s bit %zu", fixtures[i].type, b);
			sig[b / 8] ^= (uint8_t)(1 << b % 8);
		}
		key_free(k);
	}
}

Test(key, refuses_signatures_of_every_other_length)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = public_key(fixtures[i].public);
		uint8_t sig[KEY_SIG_MAX] = {0};

		memcpy(sig, fixtures[i].sig, fixtures[i].sig_len);
		for (size_t n = 0; n < fixtures[i].sig_len + 4; n++)
			if (n != fixtures[i].sig_len)
				cr_expect_eq(key_verify(k, fixtures[i].sig_alg, sig, n,
							fixture_signed, sizeof(fixture_signed)),
					     -EBADMSG);
		key_free(k);
	}
}

Test(key, refuses_signatures_over_other_data)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = public_key(fixtures[i].public);

		cr_expect_eq(key_verify(k, fixtures[i].sig_alg, fixtures[i].sig,
					fixtures[i].sig_len, fixture_signed,
					sizeof(fixture_signed) - 1),
			     -EBADMSG);
		key_free(k);
	}
}

Test(key, signs_what_its_public_half_verifies)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = private_key(fixtures[i].private);
		struct key *pub = public_key(fixtures[i].public);
		const char *alg;

		for (unsigned int n = 0; (alg = key_sig_alg_of(k, n)) != NULL; n++) {
			uint8_t sig[KEY_SIG_MAX];
			size_t len = 0;

			cr_expect_eq(key_sign(k, alg, (const uint8_t *)"data", 4, sig, &len), 0);
			cr_expect_eq(key_verify(pub, alg, sig, len, (const uint8_t *)"data", 4), 0,
				     "%s", alg);
		}
		key_free(k);
		key_free(pub);
	}
}

Test(key, knows_the_algorithms_of_a_type_best_first)
{
	struct key *k = public_key(fixture_rsa_pub);

	cr_expect_str_eq(key_sig_alg_of(k, 0), "rsa-sha2-512");
	cr_expect_str_eq(key_sig_alg_of(k, 1), "rsa-sha2-256");
	cr_expect_str_eq(key_sig_alg_of(k, 2), "ssh-rsa");
	cr_expect_null(key_sig_alg_of(k, 3));
	key_free(k);
}

Test(key, algorithm_of_another_type_never_fits)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = private_key(fixtures[i].private);
		uint8_t sig[KEY_SIG_MAX];
		const char *alg;
		size_t len = 0;

		for (unsigned int n = 0; (alg = key_sig_alg_at(n)) != NULL; n++) {
			bool own = key_sig_alg_fits(k, alg);

			if (strstr(alg, "-cert-v01") != NULL) {
				cr_expect_not(own);
				continue;
			}
			cr_expect_eq(own,
				     strncmp(alg, "rsa-", 4) == 0 || strcmp(alg, "ssh-rsa") == 0
					     ? strcmp(key_type(k), "ssh-rsa") == 0
					     : strcmp(alg, key_type(k)) == 0);
			/* But below a certificate, in whose name it signs. */
			cr_expect_eq(key_signs_as(k, alg),
				     own || (strcmp(alg, "x509v3-sign-rsa") == 0 &&
					     strcmp(key_type(k), "ssh-rsa") == 0));
			if (!key_signs_as(k, alg))
				cr_expect_eq(key_sign(k, alg, (const uint8_t *)"", 0, sig, &len),
					     -EINVAL);
		}
		/* Names that are prefixes of ours. */
		cr_expect_not(key_sig_alg_fits(k, "rsa-sha2-51"));
		cr_expect_not(key_sig_alg_fits(k, ""));
		key_free(k);
	}
}

Test(key, blob_naming_another_algorithm_does_not_verify)
{
	struct key *k = private_key(fixture_rsa);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;

	cr_assert_eq(key_sign(k, "rsa-sha2-256", (const uint8_t *)"x", 1, sig, &len), 0);
	cr_expect_eq(key_verify(k, "rsa-sha2-512", sig, len, (const uint8_t *)"x", 1), -EBADMSG);
	memcpy(sig + 4, "rsa-sha2-512", 12);
	cr_expect_eq(key_verify(k, "rsa-sha2-512", sig, len, (const uint8_t *)"x", 1), -EBADMSG);
	cr_expect_eq(key_verify(k, "rsa-sha2-256", sig, len, (const uint8_t *)"x", 1), -EBADMSG);
	memcpy(sig + 4, "rsa-sha2-256", 12);
	cr_expect_eq(key_verify(k, "rsa-sha2-256", sig, len, (const uint8_t *)"x", 1), 0);
	key_free(k);
}

Test(key, public_key_cannot_sign)
{
	struct key *k = public_key(fixture_ed25519_pub);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;

	cr_expect_eq(key_sign(k, "ssh-ed25519", (const uint8_t *)"x", 1, sig, &len), -EINVAL);
	key_free(k);
}

/* RFC 8032 section 7.1, TEST 3: as a key and a signature of SSH. */
Test(key, verifies_rfc8032_test_3)
{
	static const uint8_t pk[32] = {0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3,
				       0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58,
				       0x08, 0x16, 0xed, 0x13, 0xba, 0x33, 0x03, 0xac,
				       0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25};
	static const uint8_t sig[64] = {
		0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a,
		0xbe, 0x01, 0xa3, 0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36,
		0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac, 0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2,
		0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59, 0x4a, 0x7c, 0x15, 0xe9,
		0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a};
	static const uint8_t message[] = {0xaf, 0x82};
	uint8_t blob[64], wire[128];
	struct blob_wr b = blob_wr_init(blob, sizeof(blob));
	struct blob_wr w = blob_wr_init(wire, sizeof(wire));
	struct key *k = NULL;

	blob_wr_cstr(&b, "ssh-ed25519");
	blob_wr_str(&b, pk, sizeof(pk));
	blob_wr_cstr(&w, "ssh-ed25519");
	blob_wr_str(&w, sig, sizeof(sig));
	cr_assert_eq(key_blob_parse(blob, b.len, &k), 0);
	cr_expect_eq(key_verify(k, "ssh-ed25519", wire, w.len, message, sizeof(message)), 0);
	cr_expect_eq(key_verify(k, "ssh-ed25519", wire, w.len, message, 1), -EBADMSG);
	key_free(k);
}

/* RFC 6979 appendix A.2.5, P-256 with SHA-256, message "sample". */
static const uint8_t p256_q[65] = {0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61,
				   0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49, 0xb8, 0x92, 0x3b,
				   0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
				   0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9,
				   0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e,
				   0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99};
static const uint8_t p256_r[32] = {0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd,
				   0x9c, 0xd4, 0x5e, 0x81, 0xd6, 0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa,
				   0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16};
static const uint8_t p256_s[32] = {0xf7, 0xcb, 0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36, 0xc7,
				   0xa1, 0xb6, 0xe2, 0x9f, 0x65, 0xf3, 0xe9, 0x00, 0xdb, 0xb9, 0xaf,
				   0xf4, 0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8};

static int p256_parse(const char *type, const char *curve, const uint8_t *q, size_t q_len,
		      struct key **ret)
{
	uint8_t blob[256];
	struct blob_wr b = blob_wr_init(blob, sizeof(blob));

	blob_wr_cstr(&b, type);
	blob_wr_cstr(&b, curve);
	blob_wr_str(&b, q, q_len);
	return key_blob_parse(blob, b.len, ret);
}

/* r and s as they stand on the wire, so that a test can write what no writer would. */
static int p256_verify(const uint8_t *r, size_t r_len, const uint8_t *s, size_t s_len,
		       const char *tail)
{
	uint8_t inner[256], wire[512];
	struct blob_wr i = blob_wr_init(inner, sizeof(inner));
	struct blob_wr w = blob_wr_init(wire, sizeof(wire));
	struct key *k = NULL;
	int err;

	blob_wr_str(&i, r, r_len);
	blob_wr_str(&i, s, s_len);
	blob_wr_put(&i, tail, strlen(tail));
	blob_wr_cstr(&w, "ecdsa-sha2-nistp256");
	blob_wr_str(&w, inner, i.len);
	cr_assert_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", p256_q, sizeof(p256_q), &k), 0);
	err = key_verify(k, "ecdsa-sha2-nistp256", wire, w.len, (const uint8_t *)"sample", 6);
	key_free(k);
	return err;
}

static void with_zero(uint8_t out[33], const uint8_t in[32])
{
	out[0] = 0;
	memcpy(out + 1, in, 32);
}

Test(key, verifies_rfc6979_sample)
{
	uint8_t r[33], s[33];

	with_zero(r, p256_r);
	with_zero(s, p256_s);
	cr_expect_eq(p256_verify(r, 33, s, 33, ""), 0);
}

Test(key, refuses_r_and_s_that_are_no_positive_canonical_numbers)
{
	/* The order n of P-256 (SEC 2): r = n is out of range. */
	static const uint8_t order[33] = {0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
					  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
					  0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9,
					  0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
	uint8_t r[33], s[33], wide[34] = {0};

	with_zero(r, p256_r);
	with_zero(s, p256_s);
	memcpy(wide + 1, r, 33);
	cr_expect_eq(p256_verify((const uint8_t *)"", 0, s, 33, ""), -EBADMSG, "empty");
	cr_expect_eq(p256_verify((const uint8_t *)"\0", 1, s, 33, ""), -EBADMSG, "zero");
	cr_expect_eq(p256_verify(r, 33, (const uint8_t *)"", 0, ""), -EBADMSG, "empty s");
	cr_expect_eq(p256_verify(r, 33, (const uint8_t *)"\0", 1, ""), -EBADMSG, "zero s");
	cr_expect_eq(p256_verify(p256_r, 32, s, 33, ""), -EBADMSG, "negative");
	cr_expect_eq(p256_verify(r, 33, p256_s, 32, ""), -EBADMSG, "negative s");
	cr_expect_eq(p256_verify(wide, 34, s, 33, ""), -EBADMSG, "leading zero");
	cr_expect_eq(p256_verify(order, 33, s, 33, ""), -EBADMSG, "r = n");
	cr_expect_eq(p256_verify(r, 33, order, 33, ""), -EBADMSG, "s = n");
	cr_expect_eq(p256_verify(r, 33, s, 33, "x"), -EBADMSG, "left over");
	cr_expect_eq(p256_verify(s, 33, r, 33, ""), -EBADMSG, "swapped");
}

Test(key, refuses_points_off_the_curve)
{
	uint8_t q[66];
	struct key *k = NULL;

	memcpy(q, p256_q, 65);
	q[64] ^= 1;
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, 65, &k), -EBADMSG);
	q[64] ^= 1;
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", (const uint8_t *)"\0", 1, &k),
		     -EBADMSG, "infinity");
	memset(q + 1, 0, 64);
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, 65, &k), -EBADMSG, "(0, 0)");
	q[0] = 0;
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, 65, &k), -EBADMSG,
		     "long infinity");
	memset(q + 1, 0xff, 64);
	q[0] = 4;
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, 65, &k), -EBADMSG,
		     "beyond the field");
}

Test(key, refuses_points_of_other_forms_and_lengths)
{
	uint8_t q[70] = {0};
	struct key *k = NULL;

	memcpy(q, p256_q, 65);
	for (size_t n = 0; n < sizeof(q); n++)
		if (n != 65)
			cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, n, &k),
				     -EBADMSG);
	for (unsigned int form = 0; form < 256; form++) {
		q[0] = (uint8_t)form;
		if (form == 4)
			continue;
		cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, 65, &k), -EBADMSG);
		cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp256", q, 33, &k), -EBADMSG,
			     "compressed");
	}
}

Test(key, refuses_a_curve_that_contradicts_the_type)
{
	struct key *k = NULL;

	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "nistp384", p256_q, 65, &k), -EBADMSG);
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp256", "", p256_q, 65, &k), -EBADMSG);
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp384", "nistp384", p256_q, 65, &k), -EBADMSG);
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp384", "nistp256", p256_q, 65, &k), -EBADMSG);
	cr_expect_eq(p256_parse("ecdsa-sha2-nistp224", "nistp224", p256_q, 65, &k), -ENOTSUP);
}

Test(key, refuses_blobs_of_every_other_length)
{
	for (size_t i = 0; i < N_FIXTURES; i++) {
		struct key *k = public_key(fixtures[i].public), *other = NULL;
		uint8_t copy[KEY_BLOB_MAX] = {0};
		size_t len;
		const uint8_t *blob = key_blob(k, &len);

		memcpy(copy, blob, len);
		for (size_t n = 0; n < len + 4; n++)
			if (n != len)
				cr_expect_lt(key_blob_parse(copy, n, &other), 0, "%s %zu",
					     fixtures[i].type, n);
		key_free(k);
	}
}

/* e and n as they stand on the wire. */
static int rsa_parse(const uint8_t *e, size_t e_len, const uint8_t *n, size_t n_len)
{
	static uint8_t blob[8192];
	struct blob_wr b = blob_wr_init(blob, sizeof(blob));
	struct key *k = NULL;
	int r;

	blob_wr_cstr(&b, "ssh-rsa");
	blob_wr_str(&b, e, e_len);
	blob_wr_str(&b, n, n_len);
	r = key_blob_parse(blob, b.len, &k);
	key_free(k);
	return r;
}

Test(key, rsa_modulus_is_2048_to_16384_bits)
{
	static const uint8_t e[] = {1, 0, 1};
	static uint8_t n[3000];

	memset(n, 0xff, sizeof(n));
	n[0] = 0;
	cr_expect_eq(rsa_parse(e, 3, n, 1 + 2048 / 8), 0);
	cr_expect_eq(rsa_parse(e, 3, n, 1 + 16384 / 8), 0);
	cr_expect_eq(rsa_parse(e, 3, n, 1 + 1024 / 8), -ENOTSUP);
	cr_expect_eq(rsa_parse(e, 3, n, 1 + 16384 / 8 + 1), -ENOTSUP);
	n[0] = 1;
	cr_expect_eq(rsa_parse(e, 3, n, 1 + 16384 / 8), -ENOTSUP, "16385 bits");
	n[0] = 0x7f;
	cr_expect_eq(rsa_parse(e, 3, n, 2048 / 8), -ENOTSUP, "2047 bits");
	cr_expect_eq(rsa_parse(e, 3, n, 1), -ENOTSUP);
}

Test(key, refuses_rsa_numbers_that_cannot_be)
{
	static const uint8_t e[] = {1, 0, 1}, one[] = {1}, even[] = {2}, zero[] = {0},
			     minus[] = {0x80, 1}, padded[] = {0, 1, 0, 1};
	static uint8_t n[3000], huge[9];

	memset(n, 0xff, sizeof(n));
	memset(huge, 0x7f, sizeof(huge));
	n[0] = 0;
	cr_expect_eq(rsa_parse(one, 1, n, 257), -EBADMSG);
	cr_expect_eq(rsa_parse(even, 1, n, 257), -EBADMSG);
	cr_expect_eq(rsa_parse(zero, 1, n, 257), -EBADMSG);
	cr_expect_eq(rsa_parse(zero, 0, n, 257), -EBADMSG);
	cr_expect_eq(rsa_parse(minus, 2, n, 257), -EBADMSG);
	cr_expect_eq(rsa_parse(padded, 4, n, 257), -EBADMSG);
	cr_expect_eq(rsa_parse(huge, 9, n, 257), -ENOTSUP);
	cr_expect_eq(rsa_parse(n, 257, n, 257), -ENOTSUP, "an exponent like the modulus");
	cr_expect_eq(rsa_parse(e, 3, n + 1, 256), -EBADMSG, "negative");
	cr_expect_eq(rsa_parse(e, 3, n, 0), -EBADMSG);
	n[256] = 0xfe;
	cr_expect_eq(rsa_parse(e, 3, n, 257), -EBADMSG, "even modulus");
}

/* OpenSSH fills a short signature up with zeros; one in 256 begins with a zero byte. */
Test(key, rsa_signature_without_its_leading_zero_verifies)
{
	struct key *k = private_key(fixture_rsa);
	uint8_t sig[KEY_SIG_MAX], cut[KEY_SIG_MAX];
	size_t len = 0, head = 4 + strlen("rsa-sha2-256");
	uint32_t i;

	for (i = 0; i < 20000; i++) {
		cr_assert_eq(key_sign(k, "rsa-sha2-256", (const uint8_t *)&i, 4, sig, &len), 0);
		if (sig[head + 4] == 0)
			break;
	}
	cr_assert_eq(sig[head + 4], 0);
	memcpy(cut, sig, head);
	blob_store_be32(cut + head, 255);
	memcpy(cut + head + 4, sig + head + 5, 255);
	cr_expect_eq(key_verify(k, "rsa-sha2-256", sig, len, (const uint8_t *)&i, 4), 0);
	cr_expect_eq(key_verify(k, "rsa-sha2-256", cut, len - 1, (const uint8_t *)&i, 4), 0);
	key_free(k);
}

Test(key, rsa_signature_longer_than_the_modulus_is_refused)
{
	struct key *k = private_key(fixture_rsa);
	uint8_t sig[KEY_SIG_MAX], wide[KEY_SIG_MAX];
	size_t len = 0, head = 4 + strlen("rsa-sha2-256");

	cr_assert_eq(key_sign(k, "rsa-sha2-256", (const uint8_t *)"x", 1, sig, &len), 0);
	memcpy(wide, sig, head);
	blob_store_be32(wide + head, 257);
	wide[head + 4] = 0;
	memcpy(wide + head + 5, sig + head + 4, 256);
	cr_expect_eq(key_verify(k, "rsa-sha2-256", wide, len + 1, (const uint8_t *)"x", 1),
		     -EBADMSG);
	key_free(k);
}

Test(key, public_lines_that_are_refused)
{
	char line[1024], *space;
	struct key *k = NULL;

	static const char *const bad[] = {
		"",
		" ",
		"ssh-ed25519",
		"ssh-ed25519 ",
		"ssh-ed25519 !!!!",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
		"ssh-dss AAAAB3NzaC1kc3M=",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_lt(key_public_line_parse(bad[i], strlen(bad[i]), &k), 0, "%s", bad[i]);

	/* A type that the key itself does not have. */
	space = strchr(fixture_ed25519_pub, ' ');
	snprintf(line, sizeof(line), "ecdsa-sha2-nistp256%s", space);
	cr_expect_eq(key_public_line_parse(line, strlen(line), &k), -EBADMSG);
	snprintf(line, sizeof(line), "ssh-ed2551%s", space);
	cr_expect_eq(key_public_line_parse(line, strlen(line), &k), -EBADMSG);
	/* Padding that hides bits. */
	snprintf(line, sizeof(line), "%s", fixture_ed25519_pub);
	line[strcspn(line, "\n")] = '\0';
	space = strchr(strchr(line, ' ') + 1, ' ');
	space[-1] = '=';
	cr_expect_lt(key_public_line_parse(line, strlen(line), &k), 0);
}

Test(key, comment_of_a_public_line_does_not_matter)
{
	char line[1024];
	struct key *k = NULL;

	snprintf(line, sizeof(line), "\t ssh-ed25519 \t%.68s",
		 strchr(fixture_ed25519_pub, ' ') + 1);
	cr_expect_eq(key_public_line_parse(line, strlen(line), &k), 0);
	key_free(k);
}

Test(key, private_files_that_are_refused)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{"", -EBADMSG},
		{"ssh", -EBADMSG},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n", -EBADMSG},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
		 -EBADMSG},
		{"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
		 -EBADMSG},
		{fixture_ed25519_encrypted, -ENOKEY},
		{fixture_ecdsa_pkcs8_encrypted, -ENOKEY},
		{fixture_rsa_1024, -ENOTSUP},
		{fixture_rsa_1024_pem, -ENOTSUP},
	};
	struct key *k = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(
			key_private_parse((const uint8_t *)bad[i].text, strlen(bad[i].text), &k),
			bad[i].err, "%zu", i);
}

/*
 * Every character of the armour changed in turn. A comment and the check number may change
 * without harm; whatever is accepted must still be the same key and sign.
 */
Test(key, damaged_private_files_are_refused)
{
	static const char *const texts[] = {fixture_ed25519, fixture_ecdsa};

	for (size_t t = 0; t < 2; t++) {
		struct key *good = private_key(texts[t]);
		size_t len = strlen(texts[t]);
		unsigned int refused = 0, tried = 0;
		char *copy = strdup(texts[t]);

		for (size_t i = 36; i + 36 < len; i++) {
			struct key *k = NULL;
			char was = copy[i];

			copy[i] = was == 'A' ? 'B' : 'A';
			tried++;
			if (key_private_parse((const uint8_t *)copy, len, &k) < 0)
				refused++;
			else
				cr_expect(key_equal(k, good));
			key_free(k);
			copy[i] = was;
		}
		cr_expect_gt(refused, tried * 9 / 10, "%u of %u", refused, tried);
		free(copy);
		key_free(good);
	}
}

/* The bytes of openssh-key-v1 between the marks. */
static size_t unarmour(const char *text, uint8_t *out, size_t max)
{
	const char *from = strchr(text, '\n') + 1;
	size_t len = 0;

	cr_assert_eq(base64_decode(from, (size_t)(strstr(from, "-----END") - from), out, max, &len),
		     0);
	return len;
}

static int armoured_parse(const uint8_t *bytes, size_t len, struct key **ret)
{
	char text[8192] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	char *p = text + strlen(text);

	cr_assert_lt(base64_len(len), sizeof(text) - 128);
	base64_encode(bytes, len, p);
	strcpy(p + base64_len(len), "\n-----END OPENSSH PRIVATE KEY-----\n");
	return key_private_parse((const uint8_t *)text, strlen(text), ret);
}

Test(key, private_number_of_another_key_is_refused)
{
	uint8_t inner[512], outer[1024];
	struct blob_wr p = blob_wr_init(inner, sizeof(inner));
	struct blob_wr w = blob_wr_init(outer, sizeof(outer));
	struct key *pub = public_key(fixture_ecdsa_pub), *k = NULL;
	const uint8_t *blob;
	size_t len;

	/* The fixture's point with the private number 2. */
	blob = key_blob(pub, &len);
	blob_wr_u32(&p, 7);
	blob_wr_u32(&p, 7);
	blob_wr_put(&p, blob, len);
	blob_wr_str(&p, "\2", 1);
	blob_wr_cstr(&p, "");
	for (uint8_t pad = 1; p.len % 8 != 0; pad++)
		blob_wr_put(&p, &pad, 1);
	blob_wr_put(&w, "openssh-key-v1", 15);
	blob_wr_cstr(&w, "none");
	blob_wr_cstr(&w, "none");
	blob_wr_cstr(&w, "");
	blob_wr_u32(&w, 1);
	blob_wr_str(&w, blob, len);
	blob_wr_str(&w, inner, p.len);
	cr_expect_eq(armoured_parse(outer, w.len, &k), -EBADMSG);
	key_free(pub);
}

/* n, e, d, iqmp, p and q changed in turn, in their lowest bits and in their highest. */
Test(key, damaged_rsa_numbers_are_refused)
{
	static uint8_t bytes[4096];
	size_t len = unarmour(fixture_rsa, bytes, sizeof(bytes));
	struct blob_rd r = blob_rd_init(bytes, len);
	struct key *k = NULL;

	cr_assert_eq(armoured_parse(bytes, len, &k), 0);
	key_free(k);
	blob_rd_take(&r, 15);
	for (int i = 0; i < 3; i++)
		blob_rd_str(&r);
	blob_rd_u32(&r);
	blob_rd_str(&r);
	blob_rd_take(&r, 4 + 8);
	cr_assert(blob_str_is(blob_rd_str(&r), "ssh-rsa"));
	for (int i = 0; i < 6; i++) {
		struct blob_str s = blob_rd_positive(&r);
		uint8_t *p = bytes + (s.p - bytes);

		cr_assert_not(r.bad);
		p[s.len - 1] ^= 2;
		cr_expect_lt(armoured_parse(bytes, len, &k), 0, "number %d", i);
		p[s.len - 1] ^= 2;
		p[0] ^= 2;
		cr_expect_lt(armoured_parse(bytes, len, &k), 0, "number %d", i);
		p[0] ^= 2;
	}
}

Test(key, generated_keys_are_written_and_read_again)
{
	static const struct {
		const char *type;
		unsigned int bits;
	} made[] = {{"ssh-ed25519", 0}, {"ecdsa-sha2-nistp256", 256}, {"ssh-rsa", 2048},
		    {"ssh-ed448", 448}, {"ecdsa-sha2-nistp384", 0},   {"ecdsa-sha2-nistp521", 521},
		    {"ssh-dss", 1024}};

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		struct key *k = NULL, *again = NULL;
		char text[8192];
		size_t len = sizeof(text);

		cr_assert_eq(key_generate(made[i].type, made[i].bits, &k), 0);
		cr_assert_eq(key_private_build(k, "a comment", text, &len), 0);
		cr_expect_eq(strlen(text), len);
		cr_expect_eq(key_private_parse((const uint8_t *)text, len, &again), 0);
		cr_expect(key_equal(k, again));
		len -= 1;
		cr_expect_eq(key_private_build(k, "a comment", text, &len), -ENOBUFS);
		key_free(k);
		key_free(again);
	}
}

Test(key, ssh_keygen_reads_what_is_written)
{
	static const char *const texts[] = {fixture_ed25519, fixture_ecdsa, fixture_rsa_pkcs8,
					    fixture_p384};

	for (size_t i = 0; i < 4; i++) {
		struct key *k = private_key(texts[i]), *again = NULL;
		char path[] = "/tmp/sluice-key-XXXXXX", text[8192], command[128];
		size_t len = sizeof(text);
		FILE *out;
		int fd;

		if (access("/usr/bin/ssh-keygen", X_OK) != 0)
			cr_skip_test("no ssh-keygen");
		cr_assert_eq(key_private_build(k, "c", text, &len), 0);
		fd = mkstemp(path);
		cr_assert_geq(fd, 0);
		cr_assert_eq(write(fd, text, len), (ssize_t)len);
		close(fd);
		snprintf(command, sizeof(command), "/usr/bin/ssh-keygen -y -P '' -f %s", path);
		out = popen(command, "r");
		cr_assert_not_null(out);
		len = fread(text, 1, sizeof(text) - 1, out);
		pclose(out);
		unlink(path);
		while (len > 0 && text[len - 1] == '\n')
			len--;
		cr_expect_eq(key_public_line_parse(text, len, &again), 0);
		cr_expect(again != NULL && key_equal(k, again));
		key_free(k);
		key_free(again);
	}
}

Test(key, generate_refuses_what_parse_would)
{
	struct key *k = NULL;

	cr_expect_eq(key_generate("ssh-rsa", 1024, &k), -EINVAL);
	cr_expect_eq(key_generate("ssh-rsa", 0, &k), -EINVAL);
	cr_expect_eq(key_generate("ssh-rsa", 16385, &k), -EINVAL);
	cr_expect_eq(key_generate("ssh-ed25519", 255, &k), -EINVAL);
	cr_expect_eq(key_generate("ecdsa-sha2-nistp256", 384, &k), -EINVAL);
	cr_expect_eq(key_generate("ecdsa-sha2-nistp521", 512, &k), -EINVAL);
	cr_expect_eq(key_generate("ssh-ed448", 456, &k), -EINVAL);
	cr_expect_eq(key_generate("ssh-dss", 2048, &k), -EINVAL);
	cr_expect_eq(key_generate("ssh-rsa1", 2048, &k), -ENOTSUP);
}

static int load_with_mode(mode_t mode)
{
	char path[] = "/tmp/sluice-key-XXXXXX";
	struct key *k = NULL;
	int fd = mkstemp(path), r;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, fixture_ed25519, strlen(fixture_ed25519)),
		     (ssize_t)strlen(fixture_ed25519));
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
	r = key_file_load(path, &k);
	unlink(path);
	key_free(k);
	return r;
}

Test(key, file_must_be_its_owners_alone)
{
	cr_expect_eq(load_with_mode(0600), 0);
	cr_expect_eq(load_with_mode(0400), 0);
	cr_expect_eq(load_with_mode(0640), -EACCES);
	cr_expect_eq(load_with_mode(0604), -EACCES);
	cr_expect_eq(load_with_mode(0620), -EACCES);
	cr_expect_eq(load_with_mode(0644), -EACCES);
}

Test(key, files_that_are_no_key_files)
{
	struct key *k = NULL;
	char dir[] = "/tmp/sluice-key-XXXXXX", path[64];

	cr_expect_eq(key_file_load("/nonexistent/key", &k), -ENOENT);
	cr_expect_eq(key_file_load("/dev/zero", &k), -EINVAL);
	cr_assert_not_null(mkdtemp(dir));
	cr_expect_eq(key_file_load(dir, &k), -EINVAL);
	snprintf(path, sizeof(path), "%s/pipe", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(key_file_load(path, &k), -EINVAL);
	unlink(path);
	snprintf(path, sizeof(path), "%s/big", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	cr_expect_eq(key_file_load(path, &k), -EBADMSG, "empty");
	cr_assert_eq(truncate(path, KEY_FILE_MAX + 1), 0);
	cr_expect_eq(key_file_load(path, &k), -EFBIG);
	unlink(path);
	rmdir(dir);
}

Test(key, free_takes_null)
{
	key_free(NULL);
}

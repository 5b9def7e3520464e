/* tests/unit/test_kex.c - methods of key exchange: vectors, both roles, refusals. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/hash.h"
#include "crypto/kex.h"

/* The linker puts this before the system's (--wrap): a test may say what is drawn. */
static const uint8_t *drawn;
static unsigned int draws;
ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	draws++;
	if (drawn == NULL)
		return __real_getrandom(buf, len, flags);
	memcpy(buf, drawn, len);
	return (ssize_t)len;
}

/* And this before the C library's, which OpenSSL seeds its generators by. */
int getentropy(void *buf, size_t len);

int getentropy(void *buf, size_t len)
{
	draws++;
	return __real_getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1;
}

/* And this before EVP_EC_gen(): a test may say what the private number is, in hexadecimal. */
static const char *ec_private;
EVP_PKEY *__real_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *propq, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *propq, const char *type, ...);

static EVP_PKEY *ec_key(const char *curve, const char *hex)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EC_GROUP *group = EC_GROUP_new_by_curve_name(EC_curve_nist2nid(curve));
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *n = NULL;
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;
	uint8_t pub[KEX_PUBLIC_MAX];
	size_t len;

	cr_assert_gt(BN_hex2bn(&n, hex), 0);
	cr_assert_eq(EC_POINT_mul(group, point, n, NULL, NULL, NULL), 1);
	len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, pub, sizeof(pub),
				 NULL);
	OSSL_PARAM_BLD_push_utf8_string(bld, "group", curve, 0);
	OSSL_PARAM_BLD_push_BN(bld, "priv", n);
	OSSL_PARAM_BLD_push_octet_string(bld, "pub", pub, len);
	params = OSSL_PARAM_BLD_to_param(bld);
	cr_assert_eq(EVP_PKEY_fromdata_init(ctx), 1);
	cr_assert_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	BN_free(n);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *propq, const char *type, ...)
{
	const char *curve;
	va_list args;

	va_start(args, type);
	curve = va_arg(args, const char *);
	va_end(args);
	if (ec_private != NULL)
		return ec_key(curve, ec_private);
	return __real_EVP_PKEY_Q_keygen(lib, propq, type, curve);
}

static const struct kex_method *method(void)
{
	const struct kex_method *m = kex_method_find("curve25519-sha256");

	cr_assert_not_null(m);
	return m;
}

/* Name, lengths of the client's and the server's value and of the secret. */
static const struct {
	const char *name;
	size_t c_len, s_len, secret_len;
} known[] = {
	{"mlkem768x25519-sha256", 1216, 1120, 32},
	{"sntrup761x25519-sha512", 1190, 1071, 64},
	{"sntrup761x25519-sha512@openssh.com", 1190, 1071, 64},
	{"curve25519-sha256", 32, 32, 32},
	{"curve25519-sha256@libssh.org", 32, 32, 32},
	{"ecdh-sha2-nistp256", 65, 65, 32},
	{"ecdh-sha2-nistp384", 97, 97, 48},
	{"ecdh-sha2-nistp521", 133, 133, 66},
	{"mlkem768nistp256-sha256", 1249, 1153, 32},
	{"diffie-hellman-group-exchange-sha256", 256, 256, 256},
	{"diffie-hellman-group16-sha512", 512, 512, 512},
	{"diffie-hellman-group18-sha512", 1024, 1024, 1024},
	{"diffie-hellman-group14-sha256", 256, 256, 256},
	{"diffie-hellman-group-exchange-sha1", 256, 256, 256},
	{"diffie-hellman-group14-sha1", 256, 256, 256},
	{"diffie-hellman-group1-sha1", 128, 128, 128},
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

Test(kex, knows_these_names_in_this_order)
{
	static const char *const unknown[] = {"",
					      "curve25519",
					      "curve25519-sha256@libssh.or",
					      "mlkem768x25519-sha25",
					      "ecdh-sha2-nistp224",
					      "kex-strict-s-v00@openssh.com",
					      "ext-info-c"};

	for (unsigned int i = 0; i < N_KNOWN; i++) {
		cr_expect_str_eq(kex_method_name_at(i), known[i].name);
		cr_expect_str_eq(kex_method_find(known[i].name)->name, known[i].name);
	}
	cr_expect_null(kex_method_name_at(N_KNOWN));
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		cr_expect_null(kex_method_find(unknown[i]), "%s", unknown[i]);
}

/* What a group exchange would have agreed on. */
static const struct kex_group *group_for(const struct kex_method *m)
{
	static struct kex_group g;

	if (!m->group_exchange)
		return NULL;
	cr_assert_eq(kex_group_fixed(2048, &g), 0);
	g.g[0] = 5; /* so that it is none the library knows */
	return &g;
}

/* Numbers lose their leading zeros on the way. */
static const uint8_t *sent(const struct kex_method *m, const uint8_t *pub, size_t *len)
{
	while (m->q_form == KEX_MPINT && *len > 0 && *pub == 0) {
		pub++;
		--*len;
	}
	return pub;
}

Test(kex, both_sides_get_the_same_secret)
{
	uint8_t c_pub[KEX_PUBLIC_MAX], s_pub[KEX_PUBLIC_MAX];
	uint8_t c_secret[KEX_SECRET_MAX], s_secret[KEX_SECRET_MAX];
	size_t c_len = 0, s_len = 0, c_secret_len = 0, s_secret_len = 0;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);
		struct kex_key *k = NULL;

		const struct kex_group *g = group_for(m);
		const uint8_t *c, *p;

		cr_assert_eq(kex_init(m, g, &k, c_pub, &c_len), 0);
		cr_expect_eq(c_len, known[i].c_len);
		c = sent(m, c_pub, &c_len);
		cr_assert_eq(kex_respond(m, g, c, c_len, s_pub, &s_len, s_secret, &s_secret_len),
			     0);
		cr_expect_eq(s_len, known[i].s_len);
		p = sent(m, s_pub, &s_len);
		cr_assert_eq(kex_finish(m, k, p, s_len, c_secret, &c_secret_len), 0);
		cr_expect_eq(c_secret_len, known[i].secret_len);
		cr_expect_eq(s_secret_len, known[i].secret_len);
		cr_expect_arr_eq(c_secret, s_secret, known[i].secret_len);
		kex_key_free(k);
	}
}

/* Those of GSS-API are in a list of their own, and found by their whole names only. */
Test(kex, methods_of_gss_api)
{
	static const char *const names[] = {"gss-group14-sha256-",  "gss-group16-sha512-",
					    "gss-nistp256-sha256-", "gss-curve25519-sha256-",
					    "gss-gex-sha1-",        "gss-group14-sha1-"};
	static const uint16_t lengths[] = {256, 512, 65, 32, 0, 256};
	char name[64];

	for (unsigned int i = 0; i < 6; i++) {
		const struct kex_method *m;

		cr_expect_null(kex_method_find(names[i]));
		snprintf(name, sizeof(name), "%stoWM5Slw5Ew8Mqkay+al2g==", names[i]);
		cr_expect_str_eq(kex_gss_name_at(i), name);
		m = kex_method_find(name);
		cr_assert_not_null(m);
		cr_expect(m->gss);
		cr_expect_eq(m->client_public_len, lengths[i]);
		cr_expect_eq(m->server_public_len, lengths[i]);
	}
	cr_expect_null(kex_gss_name_at(6));
	for (size_t i = 0; i < N_KNOWN; i++)
		cr_expect(!kex_method_find(known[i].name)->gss);
}

Test(kex, every_other_length_is_refused)
{
	static uint8_t peer[KEX_PUBLIC_MAX + 1];
	uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 7;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);
		struct kex_key *k = NULL;

		if (m->q_form == KEX_MPINT)
			continue; /* numbers have no one length */
		cr_assert_eq(kex_init(m, NULL, &k, pub, &len), 0);
		for (size_t n = 0; n <= sizeof(peer); n++) {
			if (n != known[i].s_len)
				cr_expect_eq(kex_finish(m, k, peer, n, secret, &secret_len),
					     -EBADMSG, "%s %zu", known[i].name, n);
			if (n != known[i].c_len)
				cr_expect_eq(kex_respond(m, NULL, peer, n, pub, &len, secret,
							 &secret_len),
					     -EBADMSG, "%s %zu", known[i].name, n);
		}
		kex_key_free(k);
	}
}

/* S-61: points of P-256, P-384, P-521 that are none, both roles. */
Test(kex, s61_points_that_are_not_on_the_curve_are_refused)
{
	uint8_t pub[KEX_PUBLIC_MAX], good[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 0;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);
		struct kex_key *k = NULL;

		if (strncmp(known[i].name, "ecdh-", 5) != 0)
			continue;
		cr_assert_eq(kex_init(m, NULL, &k, good, &len), 0);
		for (int bad = 0; bad < 6; bad++) {
			uint8_t peer[KEX_PUBLIC_MAX];

			memcpy(peer, good, len);
			switch (bad) {
			case 0: /* beside the curve */
				peer[len - 1] ^= 1;
				break;
			case 1:
				peer[1] ^= 1;
				break;
			case 2: /* a hybrid form (X9.62) of a right point */
				peer[0] = (uint8_t)(6 | (peer[len - 1] & 1));
				break;
			case 3: /* infinity is one byte */
				memset(peer, 0, len);
				break;
			case 4: /* coordinates beyond p */
				memset(peer + 1, 0xff, len - 1);
				break;
			default:
				memset(peer + 1, 0, len - 1);
				break;
			}
			cr_expect_eq(kex_respond(m, NULL, peer, known[i].c_len, pub, &len, secret,
						 &secret_len),
				     -EBADMSG, "%s %d", known[i].name, bad);
			cr_expect_eq(kex_finish(m, k, peer, known[i].s_len, secret, &secret_len),
				     -EBADMSG, "%s %d", known[i].name, bad);
		}
		kex_key_free(k);
	}
}

/* FIPS 203 section 7.2: a coefficient that is not below q makes it no encapsulation key. */
Test(kex, s61_an_encapsulation_key_that_is_not_reduced_is_refused)
{
	const struct kex_method *m = kex_method_find("mlkem768x25519-sha256");
	uint8_t peer[KEX_PUBLIC_MAX], pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 0;
	struct kex_key *k = NULL;

	cr_assert_eq(kex_init(m, NULL, &k, peer, &len), 0);
	peer[0] = 0x01; /* 3329 */
	peer[1] = (uint8_t)((peer[1] & 0xf0) | 0x0d);
	cr_expect_eq(kex_respond(m, NULL, peer, 1216, pub, &len, secret, &secret_len), -EBADMSG);
	peer[0] = 0x00;
	cr_expect_eq(kex_respond(m, NULL, peer, 1216, pub, &len, secret, &secret_len), 0);
	memset(peer + 1184, 0, 32); /* the point of X25519 is of low order */
	cr_expect_eq(kex_respond(m, NULL, peer, 1216, pub, &len, secret, &secret_len), -EBADMSG);
	kex_key_free(k);
}

/* Whoever changes the ciphertext gets no error and no secret. */
static void ciphertext_changed(const struct kex_method *m)
{
	uint8_t c_pub[KEX_PUBLIC_MAX], s_pub[KEX_PUBLIC_MAX];
	uint8_t c_secret[KEX_SECRET_MAX], s_secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 0;
	struct kex_key *k = NULL;

	cr_assert_eq(kex_init(m, NULL, &k, c_pub, &len), 0);
	cr_assert_eq(kex_respond(m, NULL, c_pub, len, s_pub, &len, s_secret, &secret_len), 0);
	s_pub[77] ^= 4;
	cr_assert_eq(kex_finish(m, k, s_pub, len, c_secret, &secret_len), 0);
	cr_expect_arr_neq(c_secret, s_secret, 32);
	kex_key_free(k);
}

Test(kex, a_ciphertext_that_was_changed_gives_another_secret)
{
	ciphertext_changed(kex_method_find("mlkem768x25519-sha256"));
	ciphertext_changed(kex_method_find("mlkem768nistp256-sha256"));
	ciphertext_changed(kex_method_find("sntrup761x25519-sha512"));
}

/* RFC 7748 section 6.1: Alice asks, Bob answers. */
static size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(sscanf(text + 2 * i, "%2hhx", &out[i]), 1);
	return n;
}

/* base^exponent mod p, as long as p. */
static void power_mod(const struct kex_group *g, const uint8_t *base, size_t len, uint8_t exponent,
		      uint8_t *ret)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *b = BN_bin2bn(base, (int)len, NULL), *e = BN_bin2bn(&exponent, 1, NULL);
	BIGNUM *p = BN_bin2bn(g->p, g->p_len, NULL), *out = BN_new();

	cr_assert_eq(BN_mod_exp(out, b, e, p, ctx), 1);
	cr_assert_eq(BN_bn2binpad(out, ret, g->p_len), g->p_len);
	BN_free(b);
	BN_free(e);
	BN_free(p);
	BN_free(out);
	BN_CTX_free(ctx);
}

Test(kex, rfc7748_diffie_hellman)
{
	static const uint8_t a[32] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d,
				      0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
				      0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a,
				      0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
	static const uint8_t b[32] = {0x5d, 0xab, 0x08, 0x7e, 0x62, 0x4a, 0x8a, 0x4b,
				      0x79, 0xe1, 0x7f, 0x8b, 0x83, 0x80, 0x0e, 0xe6,
				      0x6f, 0x3b, 0xb1, 0x29, 0x26, 0x18, 0xb6, 0xfd,
				      0x1c, 0x2f, 0x8b, 0x27, 0xff, 0x88, 0xe0, 0xeb};
	static const uint8_t a_pub[32] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54,
					  0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
					  0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4,
					  0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
	static const uint8_t b_pub[32] = {0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4,
					  0xd3, 0x5b, 0x61, 0xc2, 0xec, 0xe4, 0x35, 0x37,
					  0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78, 0x67, 0x4d,
					  0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f};
	static const uint8_t want[32] = {0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1,
					 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35, 0x0f, 0x25,
					 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33,
					 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42};
	uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 0;
	struct kex_key *k = NULL;

	drawn = a;
	cr_assert_eq(kex_init(method(), NULL, &k, pub, &len), 0);
	cr_expect_arr_eq(pub, a_pub, 32);
	cr_assert_eq(kex_finish(method(), k, b_pub, 32, secret, &secret_len), 0);
	cr_expect_arr_eq(secret, want, 32);
	kex_key_free(k);

	drawn = b;
	cr_assert_eq(kex_respond(method(), NULL, a_pub, 32, pub, &len, secret, &secret_len), 0);
	cr_expect_arr_eq(pub, b_pub, 32);
	cr_expect_arr_eq(secret, want, 32);
}

/*
 * RFC 5903 section 8: the private numbers i and r, the points of both, and the x of their product,
 * which is K (RFC 5656 section 4).
 */
Test(kex, rfc5903_ecdh)
{
	static const struct {
		const char *name, *i, *g_i, *r, *g_r, *k;
	} v[] = {
		{"ecdh-sha2-nistp256",
		 "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
		 "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0"
		 "461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
		 "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
		 "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3"
		 "ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
		 "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"},
		{"ecdh-sha2-nistp384",
		 "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b5380"
		 "41e649ee3faef896783ab194",
		 "04667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac8"
		 "08acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144"
		 "ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
		 "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312"
		 "916b8ed2960e4bd55a7448fc",
		 "04e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac4"
		 "3a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f66eebe3c6e70c4"
		 "16dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
		 "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d6031355"
		 "69b9e9d09cf5d4a270f59746"},
		{"ecdh-sha2-nistp521",
		 "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a3"
		 "0fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
		 "040015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf"
		 "42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e017cae20b6"
		 "641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d779"
		 "9dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
		 "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d60"
		 "0b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
		 "0400d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c3"
		 "56436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f015c682263"
		 "83956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2"
		 "aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
		 "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73"
		 "ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea"},
	};

	for (size_t n = 0; n < sizeof(v) / sizeof(v[0]); n++) {
		const struct kex_method *m = kex_method_find(v[n].name);
		uint8_t g_i[KEX_PUBLIC_MAX], g_r[KEX_PUBLIC_MAX], k[KEX_SECRET_MAX];
		uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
		size_t g_len = from_hex(v[n].g_i, g_i), k_len = from_hex(v[n].k, k);
		size_t len = 0, secret_len = 0;
		struct kex_key *key = NULL;

		cr_assert_eq(from_hex(v[n].g_r, g_r), g_len);
		ec_private = v[n].i;
		cr_assert_eq(kex_init(m, NULL, &key, pub, &len), 0);
		cr_expect_eq(len, g_len);
		cr_expect_arr_eq(pub, g_i, g_len);
		cr_assert_eq(kex_finish(m, key, g_r, g_len, secret, &secret_len), 0);
		cr_expect_eq(secret_len, k_len);
		cr_expect_arr_eq(secret, k, k_len);
		kex_key_free(key);

		ec_private = v[n].r;
		cr_assert_eq(kex_respond(m, NULL, g_i, g_len, pub, &len, secret, &secret_len), 0);
		cr_expect_arr_eq(pub, g_r, g_len);
		cr_expect_arr_eq(secret, k, k_len);
		ec_private = NULL;
	}
}

/*
 * RFC 4253 section 8: K is the peer's value to the power of our exponent, which nobody tells. For
 * g and g^3 it is e and e^3 modulo p, whatever e came from.
 */
Test(kex, rfc4253_diffie_hellman)
{
	static const uint8_t power[] = {1, 3};

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);
		const struct kex_group *g = group_for(m);
		struct kex_group own;

		if (m->q_form != KEX_MPINT)
			continue;
		if (g == NULL) {
			cr_assert_eq(kex_group_fixed(m->group_bits, &own), 0);
			g = &own;
		}
		for (size_t j = 0; j < sizeof(power); j++) {
			uint8_t theirs = g->g[0], e[KEX_PUBLIC_MAX], k[KEX_SECRET_MAX];
			uint8_t want[KEX_SECRET_MAX];
			size_t e_len = 0, k_len = 0;
			struct kex_key *key = NULL;

			for (uint8_t n = 1; n < power[j]; n++)
				theirs = (uint8_t)(theirs * g->g[0]);
			cr_assert_eq(kex_init(m, m->group_exchange ? g : NULL, &key, e, &e_len), 0);
			cr_assert_eq(kex_finish(m, key, &theirs, 1, k, &k_len), 0);
			power_mod(g, e, e_len, power[j], want);
			cr_expect_eq(k_len, g->p_len);
			cr_expect_arr_eq(k, want, k_len, "%s: g^%u", m->name, power[j]);
			kex_key_free(key);
		}
	}
}

Test(kex, ephemeral_keys_do_not_repeat)
{
	uint8_t pub[2][KEX_PUBLIC_MAX];
	size_t len;

	for (int i = 0; i < 2; i++) {
		struct kex_key *k = NULL;

		cr_assert_eq(kex_init(method(), NULL, &k, pub[i], &len), 0);
		kex_key_free(k);
	}
	cr_expect_arr_neq(pub[0], pub[1], 32);
}

/* S-66: a generator that was seeded before repeats itself in a machine that was restored. */
Test(kex, s66_every_ephemeral_key_is_the_kernels_randomness)
{
	uint8_t c_pub[KEX_PUBLIC_MAX], pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t c_len, len, secret_len;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);

		const struct kex_group *g = group_for(m);

		for (int again = 0; again < 3; again++) {
			struct kex_key *k = NULL;
			const uint8_t *c;

			draws = 0;
			cr_assert_eq(kex_init(m, g, &k, c_pub, &c_len), 0);
			cr_expect_gt(draws, 0, "%s asks", known[i].name);
			draws = 0;
			c = sent(m, c_pub, &c_len);
			cr_assert_eq(kex_respond(m, g, c, c_len, pub, &len, secret, &secret_len),
				     0);
			cr_expect_gt(draws, 0, "%s answers", known[i].name);
			kex_key_free(k);
		}
	}
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

/* S-66: 10^6 of them with --long. */
Test(kex, s66_no_ephemeral_key_comes_twice, .timeout = 600)
{
	size_t n = getenv("SLUICE_LONG") != NULL ? 1000000 : 2000, len;
	uint8_t(*pub)[32] = calloc(n, 32), one[KEX_PUBLIC_MAX];

	for (size_t i = 0; i < n; i++) {
		struct kex_key *k = NULL;

		cr_assert_eq(kex_init(method(), NULL, &k, one, &len), 0);
		memcpy(pub[i], one, 32);
		kex_key_free(k);
	}
	qsort(pub, n, 32, by_bytes);
	for (size_t i = 1; i < n; i++)
		cr_assert(memcmp(pub[i - 1], pub[i], 32) != 0);
	free(pub);
}

/* S-66: two processes that were one go on differently, whatever was seeded before. */
Test(kex, s66_a_fork_does_not_repeat)
{
	uint8_t mine[KEX_PUBLIC_MAX], its[KEX_PUBLIC_MAX];
	size_t len = 0;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);
		struct kex_key *k = NULL;
		int fd[2];
		pid_t pid;

		cr_assert_eq(kex_init(m, group_for(m), &k, mine, &len), 0); /* all is seeded */
		kex_key_free(k);
		cr_assert_eq(pipe(fd), 0);
		pid = fork();
		cr_assert_geq(pid, 0);
		k = NULL;
		if (kex_init(m, group_for(m), &k, mine, &len) < 0)
			_exit(1);
		if (pid == 0) {
			ssize_t w = write(fd[1], mine, len);

			_exit(w == (ssize_t)len ? 0 : 1);
		}
		cr_assert_eq(read(fd[0], its, len), (ssize_t)len);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		cr_expect(memcmp(mine, its, len) != 0, "%s", m->name);
		kex_key_free(k);
		close(fd[0]);
		close(fd[1]);
	}
}

/*
 * The points of small order of Curve25519 and its twist, and their other spellings (values
 * from https://cr.yp.to/ecdh.html, "validate"): the shared secret is all zero.
 */
static const uint8_t low_order[][32] = {
	{0},
	{1},
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
	 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
	 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
	 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
	 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	/* Bit 255 is not looked at (RFC 7748 section 5). */
	{0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
};

Test(kex, refuses_values_that_make_an_all_zero_secret)
{
	uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 0;
	struct kex_key *k = NULL;

	cr_assert_eq(kex_init(method(), NULL, &k, pub, &len), 0);
	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
		cr_expect_eq(kex_respond(method(), NULL, low_order[i], 32, pub, &len, secret,
					 &secret_len),
			     -EBADMSG, "%zu", i);
		cr_expect_eq(kex_finish(method(), k, low_order[i], 32, secret, &secret_len),
			     -EBADMSG, "%zu", i);
	}
	kex_key_free(k);
}

/* Half of a hybrid method's secret is no reason to go on without the other. */
static void low_order_beside_a_good_encapsulation(const struct kex_method *m)
{
	uint8_t c_pub[KEX_PUBLIC_MAX], s_pub[KEX_PUBLIC_MAX], pub[KEX_PUBLIC_MAX];
	uint8_t secret[KEX_SECRET_MAX];
	size_t c_len = 0, s_len = 0, len = 0, secret_len = 0;
	struct kex_key *k = NULL;

	cr_assert_eq(kex_init(m, NULL, &k, c_pub, &c_len), 0);
	cr_assert_eq(kex_respond(m, NULL, c_pub, c_len, s_pub, &s_len, secret, &secret_len), 0);
	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
		memcpy(c_pub + c_len - 32, low_order[i], 32);
		memcpy(s_pub + s_len - 32, low_order[i], 32);
		cr_expect_eq(kex_respond(m, NULL, c_pub, c_len, pub, &len, secret, &secret_len),
			     -EBADMSG, "%zu", i);
		cr_expect_eq(kex_finish(m, k, s_pub, s_len, secret, &secret_len), -EBADMSG, "%zu",
			     i);
	}
	kex_key_free(k);
}

Test(kex, s61_low_order_points_beside_a_good_encapsulation_are_refused)
{
	low_order_beside_a_good_encapsulation(kex_method_find("mlkem768x25519-sha256"));
	low_order_beside_a_good_encapsulation(kex_method_find("sntrup761x25519-sha512"));
}

Test(kex, s61_points_off_the_curve_beside_a_good_encapsulation_are_refused)
{
	const struct kex_method *m = kex_method_find("mlkem768nistp256-sha256");
	uint8_t c_pub[KEX_PUBLIC_MAX], s_pub[KEX_PUBLIC_MAX], pub[KEX_PUBLIC_MAX];
	uint8_t secret[KEX_SECRET_MAX];
	size_t c_len = 0, s_len = 0, len = 0, secret_len = 0;
	struct kex_key *k = NULL;

	cr_assert_eq(kex_init(m, NULL, &k, c_pub, &c_len), 0);
	cr_assert_eq(kex_respond(m, NULL, c_pub, c_len, s_pub, &s_len, secret, &secret_len), 0);
	c_pub[c_len - 1] ^= 1;
	s_pub[s_len - 1] ^= 1;
	cr_expect_eq(kex_respond(m, NULL, c_pub, c_len, pub, &len, secret, &secret_len), -EBADMSG);
	cr_expect_eq(kex_finish(m, k, s_pub, s_len, secret, &secret_len), -EBADMSG);
	kex_key_free(k);
}

/* RFC 4253 section 8: "Values of 'e' or 'f' that are not in the range [1, p-1] MUST NOT be ..." */
Test(kex, s44_numbers_that_give_the_secret_away_are_refused)
{
	uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len = 0, secret_len = 0;

	for (size_t i = 0; i < N_KNOWN; i++) {
		const struct kex_method *m = kex_method_find(known[i].name);
		uint8_t bad[8][KEX_GROUP_MAX + 1] = {{0}, {1}};
		struct kex_key *k = NULL;
		struct kex_group g;
		size_t n;

		if (m->q_form != KEX_MPINT)
			continue;
		cr_assert_eq(kex_group_fixed(m->group_exchange ? 2048 : m->group_bits, &g), 0);
		n = g.p_len;
		memcpy(bad[2], g.p, n);
		bad[2][n - 1]--; /* p - 1 */
		memcpy(bad[3], g.p, n);
		memcpy(bad[4], g.p, n);
		bad[4][8]++; /* p has 64 bits of ones at both ends */
		memset(bad[5], 0xff, n);
		memset(bad[6], 0x01, n + 1); /* a byte more than p has */
		bad[7][n - 1] = 3;           /* with leading zeros */
		cr_assert_eq(kex_init(m, &g, &k, pub, &len), 0);
		for (int j = 0; j < 8; j++) {
			size_t bad_len = j < 2 ? 1 : j == 6 ? n + 1 : n;

			for (int client = 0; client < 2; client++)
				cr_expect_eq(kex_public_check(m, &g, client, bad[j], bad_len),
					     -EBADMSG, "%s %d", m->name, j);
			cr_expect_eq(
				kex_respond(m, &g, bad[j], bad_len, pub, &len, secret, &secret_len),
				-EBADMSG, "%s %d", m->name, j);
			cr_expect_eq(kex_finish(m, k, bad[j], bad_len, secret, &secret_len),
				     -EBADMSG, "%s %d", m->name, j);
		}
		cr_expect_eq(kex_public_check(m, &g, true, bad[0], 0), -EBADMSG);
		bad[2][n - 1]--; /* p - 2 */
		cr_expect_eq(kex_public_check(m, &g, true, bad[2], n), 0);
		cr_expect_eq(kex_public_check(m, &g, true, (const uint8_t[]){2}, 1), 0);
		kex_key_free(k);
	}
}

Test(kex, a_method_without_a_group_of_its_own_wants_one)
{
	const struct kex_method *m = kex_method_find("diffie-hellman-group-exchange-sha256");
	uint8_t pub[KEX_PUBLIC_MAX];
	struct kex_key *k = NULL;
	size_t len;

	cr_expect_lt(kex_init(m, NULL, &k, pub, &len), 0);
	cr_expect_lt(kex_public_check(m, NULL, true, (const uint8_t[]){2}, 1), 0);
}

/*
 * RFC 2409 section 6.2, RFC 3526 sections 3, 5 and 7: p is 2^n - 2^(n-64) - 1 + 2^64
 * (floor(2^(n-130) pi) + c). SHA-256 of what Python's integers make of that, with pi from Machin's
 * formula.
 */
Test(kex, fixed_groups_are_those_of_the_rfcs)
{
	static const struct {
		unsigned int bits;
		const char *digest;
	} want[] = {
		{1024, "3f35a3f5f6c4376a744acad409bb22f8d897f949d2311d885adaa890981b67a0"},
		{2048, "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e"},
		{4096, "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33"},
		{8192, "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf"},
	};

	for (size_t i = 0; i < 4; i++) {
		uint8_t digest[32];
		char got[65];
		struct hash_piece piece;
		struct kex_group g;

		cr_assert_eq(kex_group_fixed(want[i].bits, &g), 0);
		cr_expect_eq(kex_group_bits(&g), want[i].bits);
		cr_expect(g.g_len == 1 && g.g[0] == 2);
		piece = (struct hash_piece){g.p, g.p_len};
		cr_assert_eq(hash_digest(HASH_SHA256, &piece, 1, digest), 0);
		for (int j = 0; j < 32; j++)
			sprintf(got + 2 * j, "%02x", digest[j]);
		cr_expect_str_eq(got, want[i].digest);
	}
	cr_expect_lt(kex_group_fixed(1536, &(struct kex_group){0}), 0);
}

Test(kex, groups_of_others_are_looked_at)
{
	struct kex_group good, g;

	cr_assert_eq(kex_group_fixed(2048, &good), 0);
	cr_expect_eq(kex_group_check(&good, 2048, 8192), 0);
	cr_expect_eq(kex_group_check(&good, 2049, 8192), -EBADMSG, "too small");
	cr_expect_eq(kex_group_check(&good, 1024, 2047), -EBADMSG, "too large");
	g = good;
	g.p[g.p_len - 1]--;
	cr_expect_eq(kex_group_check(&g, 1024, 8192), -EBADMSG, "even");
	g = good;
	g.p_len = 0;
	cr_expect_eq(kex_group_check(&g, 0, 8192), -EBADMSG, "no p");
	for (uint8_t i = 0; i < 2; i++) {
		g = good;
		g.g[0] = i;
		cr_expect_eq(kex_group_check(&g, 1024, 8192), -EBADMSG, "g is %u", i);
	}
	g = good;
	g.g_len = 0;
	cr_expect_eq(kex_group_check(&g, 1024, 8192), -EBADMSG, "no g");
	g = good;
	memcpy(g.g, g.p, g.p_len);
	g.g_len = g.p_len;
	cr_expect_eq(kex_group_check(&g, 1024, 8192), -EBADMSG, "g is p");
	g.g[g.g_len - 1]--;
	cr_expect_eq(kex_group_check(&g, 1024, 8192), -EBADMSG, "g is p - 1");
	g.g[g.g_len - 1]--;
	cr_expect_eq(kex_group_check(&g, 1024, 8192), 0, "g is p - 2");
}

Test(kex, free_takes_null)
{
	kex_key_free(NULL);
}

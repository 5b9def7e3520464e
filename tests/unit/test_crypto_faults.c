/* tests/unit/test_crypto_faults.c - digests, key exchange, keys and signatures fail (S-40). */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/kex.h"
#include "crypto/key.h"
#include "crypto/passwd.h"
#include "crypto/secret.h"
#include "tests/unit/crypto_faults.h"
#include "tests/unit/key_fixtures.h"

static int op_hash(const void *arg)
{
	struct hash_piece piece = {"abc", 3};
	uint8_t out[HASH_LEN_MAX];

	arm();
	return disarm(hash_digest(*(const enum hash_alg *)arg, &piece, 1, out));
}

Test(crypto_faults, digests)
{
	static const enum hash_alg algs[] = {HASH_SHA256, HASH_SHA512};

	for (size_t i = 0; i < 2; i++)
		each_call_fails(op_hash, &algs[i], "digest");
}

/* What the peer sends: made before anything fails. */
struct kex_peer {
	const struct kex_method *m;
	uint8_t c_pub[KEX_PUBLIC_MAX], s_pub[KEX_PUBLIC_MAX];
	size_t c_len, s_len;
	struct kex_key *k; /* of c_pub */
	const struct kex_group *group;
};

/* Of a size that is quick. */
static const struct kex_group *kex_group_for(const struct kex_method *m)
{
	static struct kex_group g;

	if (!m->group_exchange)
		return NULL;
	cr_assert_eq(kex_group_fixed(1024, &g), 0);
	return &g;
}

/* A public value that has no leading zeros, which would be lost on the way. */
static bool kex_sendable(const struct kex_method *m, const uint8_t *pub)
{
	return m->q_form != KEX_MPINT || pub[0] != 0;
}

static struct kex_peer kex_peer_of(const char *name)
{
	struct kex_peer p = {.m = kex_method_find(name)};
	uint8_t secret[KEX_SECRET_MAX];
	size_t len;

	p.group = kex_group_for(p.m);
	do {
		kex_key_free(p.k);
		cr_assert_eq(kex_init(p.m, p.group, &p.k, p.c_pub, &p.c_len), 0);
	} while (!kex_sendable(p.m, p.c_pub));
	do
		cr_assert_eq(kex_respond(p.m, p.group, p.c_pub, p.c_len, p.s_pub, &p.s_len, secret,
					 &len),
			     0);
	while (!kex_sendable(p.m, p.s_pub));
	return p;
}

/* The peer's values are right: only what could have refused them may call that its fault. */
static int refused_rightly(const struct kex_peer *p, int r)
{
	const char *refuses = strstr(p->m->name, "nistp") != NULL
				      ? "EVP_PKEY_set1_encoded_public_key"
				      : "crypto_scalarmult_curve25519";

	if (r == -EBADMSG) {
		cr_expect_str_eq(fault.name, refuses, "%s", p->m->name);
		cr_expect_neq(p->m->q_form, KEX_MPINT, "%s: numbers were looked at", p->m->name);
	}
	return r;
}

static int op_kex_init(const void *arg)
{
	const struct kex_peer *p = arg;
	uint8_t pub[KEX_PUBLIC_MAX];
	struct kex_key *k = NULL;
	size_t len;
	int r;

	arm();
	r = disarm(kex_init(p->m, p->group, &k, pub, &len));
	kex_key_free(k);
	return refused_rightly(p, r);
}

static int op_kex_respond(const void *arg)
{
	const struct kex_peer *p = arg;
	uint8_t pub[KEX_PUBLIC_MAX], secret[KEX_SECRET_MAX];
	size_t len, secret_len;

	arm();
	return refused_rightly(p, disarm(kex_respond(p->m, p->group, p->c_pub, p->c_len, pub, &len,
						     secret, &secret_len)));
}

static int op_kex_finish(const void *arg)
{
	const struct kex_peer *p = arg;
	uint8_t secret[KEX_SECRET_MAX];
	size_t len;

	arm();
	return refused_rightly(p, disarm(kex_finish(p->m, p->k, p->s_pub, p->s_len, secret, &len)));
}

Test(crypto_faults, key_exchange)
{
	for (unsigned int i = 0; kex_method_name_at(i) != NULL; i++) {
		struct kex_peer p;

		if (strchr(kex_method_name_at(i), '@') != NULL ||
		    strstr(kex_method_name_at(i), "group16") != NULL ||
		    strstr(kex_method_name_at(i), "group18") != NULL)
			continue; /* the same as another, or as slow as it is long */
		p = kex_peer_of(kex_method_name_at(i));
		each_call_fails(op_kex_init, &p, "kex_init");
		each_call_fails(op_kex_respond, &p, "kex_respond");
		each_call_fails(op_kex_finish, &p, "kex_finish");
		kex_key_free(p.k);
	}
}

#define N_PRIVATE 6

/* A key of each family: those ssh-keygen made, and two that are made here. */
static const char *private_texts[N_PRIVATE] = {fixture_ed25519, fixture_ecdsa, fixture_rsa,
					       fixture_p384};

static void private_texts_fill(void)
{
	static const char *const made[] = {"ssh-ed448", "ssh-dss"};
	static char text[2][4096];

	for (int i = 0; i < 2; i++) {
		struct key *k = NULL;
		size_t len = sizeof(text[i]);

		cr_assert_eq(key_generate(made[i], 0, &k), 0);
		cr_assert_eq(key_private_build(k, "", text[i], &len), 0);
		private_texts[4 + i] = text[i];
		key_free(k);
	}
}

static int op_private_parse(const void *arg)
{
	struct key *k = NULL;
	int r;

	arm();
	r = disarm(key_private_parse(arg, strlen(arg), &k));
	key_free(k);
	return r;
}

static int op_blob_parse(const void *arg)
{
	struct key *k = private_key(arg), *pub = NULL;
	const uint8_t *blob;
	size_t len;
	int r;

	blob = key_blob(k, &len);
	arm();
	r = disarm(key_blob_parse(blob, len, &pub));
	key_free(pub);
	key_free(k);
	return r;
}

static int op_sign(const void *arg)
{
	struct key *k = private_key(arg);
	uint8_t sig[KEY_SIG_MAX];
	size_t len;
	int r;

	arm();
	r = disarm(key_sign(k, key_sig_alg_of(k, 0), (const uint8_t *)"x", 1, sig, &len));
	key_free(k);
	return r;
}

static int op_verify(const void *arg)
{
	struct key *k = private_key(arg);
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;
	int r;

	cr_assert_eq(key_sign(k, key_sig_alg_of(k, 0), (const uint8_t *)"x", 1, sig, &len), 0);
	arm();
	r = disarm(key_verify(k, key_sig_alg_of(k, 0), sig, len, (const uint8_t *)"x", 1));
	key_free(k);
	return r;
}

static int op_private_build(const void *arg)
{
	struct key *k = private_key(arg);
	char text[8192];
	size_t len = sizeof(text);
	int r;

	arm();
	r = disarm(key_private_build(k, "", text, &len));
	key_free(k);
	return r;
}

static int op_fingerprint(const void *arg)
{
	struct key *k = private_key(arg);
	char text[64];
	int r;

	arm();
	r = disarm(key_fingerprint(k, text, sizeof(text)));
	key_free(k);
	return r;
}

Test(crypto_faults, keys)
{
	private_texts_fill();
	for (size_t i = 0; i < N_PRIVATE; i++) {
		each_call_fails(op_private_parse, private_texts[i], "key_private_parse");
		each_call_fails(op_blob_parse, private_texts[i], "key_blob_parse");
		each_call_fails(op_private_build, private_texts[i], "key_private_build");
		each_call_fails(op_fingerprint, private_texts[i], "key_fingerprint");
	}
}

Test(crypto_faults, signatures)
{
	private_texts_fill();
	for (size_t i = 0; i < N_PRIVATE; i++) {
		each_call_fails(op_sign, private_texts[i], "key_sign");
		each_call_fails(op_verify, private_texts[i], "key_verify");
	}
}

static int op_generate(const void *arg)
{
	struct key *k = NULL;
	int r;

	(void)arg;
	arm();
	r = disarm(key_generate("ssh-ed25519", 0, &k));
	key_free(k);
	return r;
}

static int op_random(const void *arg)
{
	uint8_t buf[100];

	(void)arg;
	arm();
	return disarm(crypto_random(buf, sizeof(buf)));
}

Test(crypto_faults, randomness)
{
	each_call_fails(op_generate, NULL, "key_generate");
	each_call_fails(op_random, NULL, "crypto_random");
}

static int op_passwd(const void *arg)
{
	(void)arg;
	arm();
	return disarm(passwd_check("$1$abcdefgh$G//4keteveJp0qb8z2DxG/", "password", 8));
}

Test(crypto_faults, passwords)
{
	each_call_fails(op_passwd, NULL, "passwd_check");
}

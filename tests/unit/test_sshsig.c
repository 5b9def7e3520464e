/* tests/unit/test_sshsig.c - signatures of files (OpenSSH PROTOCOL.sshsig). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sshsig.h"

static const char message[] = "what is signed\n";

static uint8_t *digest_of(enum hash_alg alg, const char *text)
{
	static uint8_t out[HASH_LEN_MAX];
	struct hash_piece piece = {text, strlen(text)};

	cr_assert_eq(hash_digest(alg, &piece, 1, out), 0);
	return out;
}

static struct key *make(const char *type)
{
	struct key *k = NULL;

	cr_assert_eq(key_generate(type, strcmp(type, "ssh-rsa") == 0 ? 2048 : 0, &k), 0);
	return k;
}

static size_t made(const struct key *k, enum hash_alg hash, char buf[SSHSIG_TEXT_MAX])
{
	size_t len = SSHSIG_TEXT_MAX;

	cr_assert_eq(sshsig_sign(k, "file", hash, digest_of(hash, message), buf, &len), 0);
	cr_assert_eq(strlen(buf), len);
	return len;
}

Test(sshsig, every_type_signs_and_is_verified)
{
	static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
					    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
					    "ssh-rsa"};
	static const enum hash_alg hashes[] = {HASH_SHA256, HASH_SHA512};
	static char text[SSHSIG_TEXT_MAX];

	for (size_t i = 0; i < 2 * sizeof(types) / sizeof(types[0]); i++) {
		struct key *k = make(types[i / 2]);
		enum hash_alg hash = hashes[i % 2];
		size_t len = made(k, hash, text);
		struct sshsig *s = NULL;

		cr_assert_eq(sshsig_parse(text, len, &s), 0, "%s", types[i / 2]);
		cr_expect(key_equal(s->key, k));
		cr_expect_eq(s->hash, hash);
		cr_expect_str_eq(s->ns, "file");
		cr_expect_eq(sshsig_verify(s, "file", digest_of(hash, message)), 0);
		cr_expect_eq(sshsig_verify(s, "file", digest_of(hash, "another")), -EBADMSG);
		cr_expect_eq(sshsig_verify(s, "email", digest_of(hash, message)), -EPERM);
		sshsig_free(s);
		key_free(k);
	}
}

Test(sshsig, what_nobody_should_make_is_not_made)
{
	struct key *k = make("ssh-ed25519"), *dss = make("ssh-dss"), *pub = NULL;
	static char text[SSHSIG_TEXT_MAX], ns[SSHSIG_NAMESPACE_MAX + 2];
	const uint8_t *blob, *digest = digest_of(HASH_SHA512, message);
	size_t len = sizeof(text), small = 40;

	blob = key_blob(k, &len);
	cr_assert_eq(key_blob_parse(blob, len, &pub), 0);
	memset(ns, 'n', sizeof(ns) - 1);
	len = sizeof(text);
	cr_expect_eq(sshsig_sign(pub, "file", HASH_SHA512, digest, text, &len), -EINVAL);
	cr_expect_eq(sshsig_sign(k, "", HASH_SHA512, digest, text, &len), -EINVAL);
	cr_expect_eq(sshsig_sign(k, ns, HASH_SHA512, digest, text, &len), -EINVAL);
	cr_expect_eq(sshsig_sign(k, "file", HASH_SHA1, digest, text, &len), -EINVAL);
	cr_expect_eq(sshsig_sign(dss, "file", HASH_SHA512, digest, text, &len), -EINVAL);
	cr_expect_eq(sshsig_sign(k, "file", HASH_SHA512, digest, text, &small), -ENOBUFS);
	cr_expect_eq(sshsig_hash_find("sha1", 4), 0);
	cr_expect_eq(sshsig_hash_find("sha51", 5), 0);
	cr_expect_eq(sshsig_hash_find("", 0), 0);
	key_free(pub);
	key_free(dss);
	key_free(k);
}

/* Whatever is read of it, no other text than the one made is a signature of this message by this
 * key. */
Test(sshsig, every_prefix_and_every_spoiled_character_is_refused)
{
	struct key *k = make("ssh-ed25519");
	static char text[SSHSIG_TEXT_MAX];
	size_t len = made(k, HASH_SHA256, text), armour = strlen("-----END SSH SIGNATURE-----\n");
	const uint8_t *digest = digest_of(HASH_SHA256, message);
	struct sshsig *s;

	for (size_t n = 0; n < len - 1; n++)
		cr_expect_lt(sshsig_parse(text, n, &s), 0, "%zu", n);
	for (size_t i = 0; i < len - armour; i++) {
		char was = text[i];

		text[i] = was == 'B' ? 'C' : 'B';
		s = NULL;
		if (was != '\n' && sshsig_parse(text, len, &s) == 0)
			cr_expect(!key_equal(s->key, k) || sshsig_verify(s, "file", digest) < 0,
				  "%zu", i);
		sshsig_free(s);
		text[i] = was;
	}
	cr_assert_eq(sshsig_parse(text, len, &s), 0);
	cr_expect_eq(sshsig_verify(s, "file", digest), 0);
	sshsig_free(s);
	key_free(k);
}

Test(sshsig, a_text_that_is_too_long_is_refused)
{
	size_t len = SSHSIG_TEXT_MAX + 1;
	char *text = malloc(len);
	struct sshsig *s;

	memset(text, 'A', len);
	memcpy(text, "-----BEGIN SSH SIGNATURE-----\n", 30);
	memcpy(text + len - 29, "\n-----END SSH SIGNATURE-----\n", 29);
	cr_expect_eq(sshsig_parse(text, len, &s), -EBADMSG);
	memmove(text + len - 100, text + len - 29, 29);
	cr_expect_eq(sshsig_parse(text, len - 71, &s), -EBADMSG);
	free(text);
}

/* tests/unit/test_keyfile.c - keys in files: every type in every format, there and back; refusals.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "tests/unit/key_fixtures.h"

/* Made by ssh-keygen -t dsa -m PEM; guards nothing. */
static const char fixture_dsa[] =
	"-----BEGIN DSA PRIVATE KEY-----\n"
	"MIIBugIBAAKBgQD9Y/3Xu9ZN/HAbhZJRVIUnS5mxCRhdZthhWLbxgHgOs6F7A9lP\n"
	"etn8LdW6iKASPlJLObuqdHHtp+oNyGCYxhbqWLj18wF0vMUM65ZQ5LcOLQtySJLT\n"
	"dXecAKsLmt579S3OD3WHtrOTxA0SMOcST44f4JA6NLYAeArxHQedJKCNzQIVAIHD\n"
	"eRIHegz9Y7v1rEy+xCRguEA5AoGACm4pGpaWTqu2JbUzmMVm1cNHDp9cOU2Y+LIJ\n"
	"CWqxTWD333EPtZvPGMw7h2+PpBAQ0l4QHzEEBEYW4imrV3iPSQty2GKqHfhD4vZS\n"
	"XDK3bn7dPAOiRODXTIf+mg9f+FrmRE3M6uOseBW2DV5Kp25SsBAm5Lx+WJYB+MEx\n"
	"oR1IN/wCgYBnvz5kqYNcXN7U14H4Onr7YLJ39F7yDhBY32/rk0HVvNw0XKMJqaeV\n"
	"d9UzjmWn6gjY0eNvWe6ebA0B//kh8x5sezO1PaQmCfFf4HPMs3pk5LQ0Lqbckl46\n"
	"nDENntrJ8KEls6VPdcQ0isoMK4ORe8FBiNoGOByXC3T61wStxR18UAIUTR0dZI7f\n"
	"nDhlqOuoRgFbCccg1i8=\n"
	"-----END DSA PRIVATE KEY-----\n";

static const struct {
	const char *type;
} types[] = {
	{"ssh-ed25519"},
	{"ssh-ed448"},
	{"ecdsa-sha2-nistp256"},
	{"ecdsa-sha2-nistp384"},
	{"ecdsa-sha2-nistp521"},
	{"ssh-rsa"},
	{"ssh-dss"},
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* Making a key takes long for RSA and DSA: fixtures stand in. */
static struct keyfile *made(size_t i)
{
	const char *text = strcmp(types[i].type, "ssh-rsa") == 0   ? fixture_rsa
			   : strcmp(types[i].type, "ssh-dss") == 0 ? fixture_dsa
								   : NULL;
	struct keyfile *kf = NULL;
	struct key *k = NULL;

	if (text != NULL)
		cr_assert_eq(key_private_parse((const uint8_t *)text, strlen(text), &k), 0);
	else
		cr_assert_eq(key_generate(types[i].type, 0, &k), 0, "%s", types[i].type);
	cr_assert_eq(keyfile_new(k, "a comment", &kf), 0);
	return kf;
}

struct asked {
	const char *passphrase;
	int times;
};

static int answer(void *arg, const char *what, char *buf, size_t size)
{
	struct asked *a = arg;

	a->times++;
	cr_assert_leq(strlen(a->passphrase), size);
	memcpy(buf, a->passphrase, strlen(a->passphrase));
	return (int)strlen(a->passphrase);
}

static int read_with(const struct keyfile_bytes *b, const char *passphrase, struct keyfile **ret)
{
	struct asked a = {passphrase, 0};
	struct keyfile_opts o = {.passphrase = answer, .passphrase_arg = &a};

	return keyfile_parse(b->p, b->len, &o, ret);
}

static void there_and_back(size_t type, const struct keyfile_out *o, const char *comment)
{
	struct keyfile *kf = made(type), *again = NULL;
	struct keyfile_bytes b;
	int r = keyfile_build(kf, o, &b);

	cr_assert_eq(r, 0, "%s as %s: %d", types[type].type, keyfile_format_name(o->format), r);
	r = read_with(&b, o->passphrase, &again);
	cr_assert_eq(r, 0, "%s from %s: %d", types[type].type, keyfile_format_name(o->format), r);
	cr_expect(key_equal(kf->key, again->key));
	cr_expect_eq(key_is_private(again->key), o->private);
	cr_expect_eq(again->format, o->format, "%s is %s", keyfile_format_name(o->format),
		     keyfile_format_name(again->format));
	cr_expect_eq(again->encrypted,
		     o->private && ((o->passphrase != NULL && *o->passphrase != '\0') ||
				    o->format == KEYFILE_PFX));
	cr_expect_str_eq(again->comment, comment);
	keyfile_bytes_free(&b);
	keyfile_free(kf);
	keyfile_free(again);
}

static bool is(size_t type, const char *part)
{
	return strstr(types[type].type, part) != NULL;
}

Test(keyfile, private_openssh_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_OPENSSH, .private = true},
			       "a comment");
		there_and_back(i,
			       &(struct keyfile_out){.format = KEYFILE_OPENSSH,
						     .private = true,
						     .passphrase = "secret",
						     .rounds = 1},
			       "a comment");
	}
}

Test(keyfile, private_openssh_with_every_cipher)
{
	static const char *const ciphers[] = {
		"aes128-ctr",
		"aes192-ctr",
		"aes256-ctr",
		"aes128-cbc",
		"aes192-cbc",
		"aes256-cbc",
		"rijndael-cbc@lysator.liu.se",
		"aes128-gcm@openssh.com",
		"aes256-gcm@openssh.com",
		"chacha20-poly1305@openssh.com",
		"3des-cbc",
	};

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		there_and_back(0,
			       &(struct keyfile_out){.format = KEYFILE_OPENSSH,
						     .private = true,
						     .passphrase = "secret",
						     .cipher = ciphers[i],
						     .rounds = 1},
			       "a comment");
}

Test(keyfile, private_pem_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		if (is(i, "ssh-ed")) /* have no such form */
			continue;
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_PEM, .private = true},
			       "");
		there_and_back(i,
			       &(struct keyfile_out){.format = KEYFILE_PEM,
						     .private = true,
						     .passphrase = "secret"},
			       "");
	}
}

Test(keyfile, private_pkcs8_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_PKCS8, .private = true},
			       "");
		there_and_back(i,
			       &(struct keyfile_out){.format = KEYFILE_PKCS8,
						     .private = true,
						     .passphrase = "secret",
						     .rounds = 100},
			       "");
	}
}

Test(keyfile, private_pfx_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++)
		there_and_back(i,
			       &(struct keyfile_out){.format = KEYFILE_PFX,
						     .private = true,
						     .passphrase = i == 0 ? "" : "secret",
						     .rounds = 100},
			       "");
}

Test(keyfile, private_ppk_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_PPK, .private = true},
			       "a comment");
		there_and_back(i,
			       &(struct keyfile_out){.format = KEYFILE_PPK,
						     .private = true,
						     .passphrase = "secret",
						     .rounds = 1},
			       "a comment");
	}
}

/*
 * One key as puttygen 0.78 of PuTTY writes it: version 2, and version 3 by each Argon2 of RFC 9106,
 * of 256 KiB and two passes. Guards nothing.
 */
static const char puttygen_public[] =
	"ssh-ed25519 "
	"AAAAC3NzaC1lZDI1NTE5AAAAIOFysZV0FXPfeF1LM5y10wyng/iQTyAC1fDsRZpoUnsh";
static const struct {
	const char *passphrase, *text;
} puttygen[] = {
	{NULL, "PuTTY-User-Key-File-2: ssh-ed25519\n"
	       "Encryption: none\n"
	       "Comment: fixture\n"
	       "Public-Lines: 2\n"
	       "AAAAC3NzaC1lZDI1NTE5AAAAIOFysZV0FXPfeF1LM5y10wyng/iQTyAC1fDsRZpo\n"
	       "Unsh\n"
	       "Private-Lines: 1\n"
	       "AAAAIP7XU+vkUy8I+z0GN6KM1OAJCiDsfzOeEyWLiONypCA1\n"
	       "Private-MAC: 419e510fb7147602454d2d4a18c99f4f5324371a\n"},
	{"secret", "PuTTY-User-Key-File-2: ssh-ed25519\n"
		   "Encryption: aes256-cbc\n"
		   "Comment: fixture\n"
		   "Public-Lines: 2\n"
		   "AAAAC3NzaC1lZDI1NTE5AAAAIOFysZV0FXPfeF1LM5y10wyng/iQTyAC1fDsRZpo\n"
		   "Unsh\n"
		   "Private-Lines: 1\n"
		   "vy1FayJpA4vNbuFC1RNXajRjDT1NkZ3yMQHZ/oTgYMeUQ9rvwmqAUIOX1CMO96xo\n"
		   "Private-MAC: 3156809ce33489c22b2548da9ee968b1a1e03f57\n"},
	{"secret",
	 "PuTTY-User-Key-File-3: ssh-ed25519\n"
	 "Encryption: aes256-cbc\n"
	 "Comment: fixture\n"
	 "Public-Lines: 2\n"
	 "AAAAC3NzaC1lZDI1NTE5AAAAIOFysZV0FXPfeF1LM5y10wyng/iQTyAC1fDsRZpo\n"
	 "Unsh\n"
	 "Key-Derivation: Argon2id\n"
	 "Argon2-Memory: 256\n"
	 "Argon2-Passes: 2\n"
	 "Argon2-Parallelism: 1\n"
	 "Argon2-Salt: 5414b9361c1a47b8a2ebab0aec1a651f\n"
	 "Private-Lines: 1\n"
	 "Jmq0m9V+DkA9s4xVURefAmo5X4x1P2GGTnvCMkLWyR92pB2pLJJ5C1FXEt7U/frv\n"
	 "Private-MAC: ffe5f193d684833d5885b165019cd01568384a213b6b569a01ec21c869ab385c\n"},
	{"secret",
	 "PuTTY-User-Key-File-3: ssh-ed25519\n"
	 "Encryption: aes256-cbc\n"
	 "Comment: fixture\n"
	 "Public-Lines: 2\n"
	 "AAAAC3NzaC1lZDI1NTE5AAAAIOFysZV0FXPfeF1LM5y10wyng/iQTyAC1fDsRZpo\n"
	 "Unsh\n"
	 "Key-Derivation: Argon2i\n"
	 "Argon2-Memory: 256\n"
	 "Argon2-Passes: 2\n"
	 "Argon2-Parallelism: 1\n"
	 "Argon2-Salt: f8d8dcc49aa6fca76bd29d82f9b3fb42\n"
	 "Private-Lines: 1\n"
	 "sty5NiOWNWF5K9vEqrZKbn77hQteAMJ6YFEmeKZ7P/maSzyMWTfHKCHdt/5D6Bj9\n"
	 "Private-MAC: 206997de432185b882e088421ff421b5c31e8668e766a41e199d17b39b89fbfa\n"},
	{"secret",
	 "PuTTY-User-Key-File-3: ssh-ed25519\n"
	 "Encryption: aes256-cbc\n"
	 "Comment: fixture\n"
	 "Public-Lines: 2\n"
	 "AAAAC3NzaC1lZDI1NTE5AAAAIOFysZV0FXPfeF1LM5y10wyng/iQTyAC1fDsRZpo\n"
	 "Unsh\n"
	 "Key-Derivation: Argon2d\n"
	 "Argon2-Memory: 256\n"
	 "Argon2-Passes: 2\n"
	 "Argon2-Parallelism: 1\n"
	 "Argon2-Salt: 7325baa2e6b8890045f386995b07ab9a\n"
	 "Private-Lines: 1\n"
	 "NS3o1+XcaCUNOCqgkeS4SpQ4bB/F9QCS9d+KtjdhX4j6IDh2XiPXeGVdVjKTjBuO\n"
	 "Private-MAC: fb59a7d0cb8b09bc9f31d7aa14da04a54d2d237411d11a3a26c990e0ae2f0802\n"},
};

Test(keyfile, ppk_files_of_puttygen)
{
	struct key *want = NULL;

	cr_assert_eq(key_public_line_parse(puttygen_public, strlen(puttygen_public), &want), 0);
	for (size_t i = 0; i < sizeof(puttygen) / sizeof(puttygen[0]); i++) {
		struct keyfile_bytes b = {.p = (uint8_t *)puttygen[i].text,
					  .len = strlen(puttygen[i].text)};
		struct keyfile *kf = NULL;

		cr_assert_eq(read_with(&b, puttygen[i].passphrase, &kf), 0, "%zu", i);
		cr_expect(key_equal(kf->key, want));
		cr_expect(key_is_private(kf->key));
		cr_expect_eq(kf->encrypted, puttygen[i].passphrase != NULL);
		cr_expect_str_eq(kf->comment, "fixture");
		keyfile_free(kf);
		if (puttygen[i].passphrase != NULL)
			cr_expect_eq(read_with(&b, "Secret", &kf), -EKEYREJECTED, "%zu", i);
	}
	key_free(want);
}

Test(keyfile, jwk_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++)
		for (int private = 0; private < 2 && !is(i, "ssh-dss"); private ++)
			there_and_back(i,
				       &(struct keyfile_out){.format = KEYFILE_JWK,
							     .private = private == 1},
				       "a comment");
}

Test(keyfile, xml_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++)
		for (int private = 0; private < 2 && !is(i, "ssh-ed"); private ++)
			there_and_back(i,
				       &(struct keyfile_out){.format = KEYFILE_XML,
							     .private = private == 1},
				       "");
}

Test(keyfile, public_there_and_back)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_RFC4716}, "a comment");
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_OPENSSH}, "a comment");
		there_and_back(i, &(struct keyfile_out){.format = KEYFILE_PKCS8}, "");
	}
	there_and_back(5, &(struct keyfile_out){.format = KEYFILE_PEM}, "");
}

Test(keyfile, wrong_passphrases_are_refused)
{
	static const enum keyfile_format formats[] = {KEYFILE_OPENSSH, KEYFILE_PEM, KEYFILE_PKCS8,
						      KEYFILE_PFX, KEYFILE_PPK};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct keyfile_out o = {.format = formats[i],
					.private = true,
					.passphrase = "secret",
					.rounds = formats[i] == KEYFILE_OPENSSH ? 1 : 100};
		struct keyfile *kf = made(2), *again = NULL;
		struct keyfile_bytes b;

		cr_assert_eq(keyfile_build(kf, &o, &b), 0);
		cr_expect_eq(read_with(&b, "Secret", &again), -EKEYREJECTED, "%zu", i);
		cr_expect_eq(read_with(&b, "", &again), -EKEYREJECTED, "%zu", i);
		cr_expect_eq(keyfile_parse(b.p, b.len, NULL, &again), -ENOKEY, "%zu", i);
		keyfile_bytes_free(&b);
		keyfile_free(kf);
	}
}

Test(keyfile, formats_have_names_and_numbers)
{
	static const struct {
		const char *name;
		enum keyfile_format format;
	} good[] = {
		{"auto", KEYFILE_AUTO}, {"PFX", KEYFILE_PFX}, {"2", KEYFILE_PFX},
		{"3", KEYFILE_PFX},     {"15", KEYFILE_PPK},  {"20", KEYFILE_PKCS11},
		{"23", KEYFILE_PKCS11}, {"99", KEYFILE_AUTO}, {"rfc4716", KEYFILE_RFC4716},
	};
	static const char *const bad[] = {"", "jks", "24", "2x", "-2"};
	static const char *const foreign[] = {"0", "1", "4", "5", "21", "22"};
	enum keyfile_format f;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_expect_eq(keyfile_format_find(good[i].name, &f), 0, "%s", good[i].name);
		cr_expect_eq(f, good[i].format, "%s", good[i].name);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(keyfile_format_find(bad[i], &f), -EINVAL, "%s", bad[i]);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		cr_expect_eq(keyfile_format_find(foreign[i], &f), -EMEDIUMTYPE, "%s", foreign[i]);
		cr_expect_not_null(keyfile_format_instead(foreign[i]), "%s", foreign[i]);
	}
}

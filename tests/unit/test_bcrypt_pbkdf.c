/* tests/unit/test_bcrypt_pbkdf.c - the key derivation of OpenSSH's private key files. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/bcrypt_pbkdf.h"

/*
 * OpenBSD has no list of vectors. The second is in the tests of Go's x/crypto and of pyca's
 * bcrypt; the others were made with pyca's bcrypt 3.2.2, kdf(), which is OpenBSD's code.
 */
static const struct {
	const char *pass;
	size_t pass_len;
	const char *salt;
	size_t salt_len;
	unsigned int rounds;
	const char *hex;
} vectors[] = {
	{"password", 8, "salt", 4, 4,
	 "5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9"},
	{"password", 8, "salt", 4, 12,
	 "1ae42c05d487bc02f64921a4ebe4ea93bcacfe135fda99974c06b7b01fae149a"},
	{"a\0b", 3, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16, 2,
	 "aba7b70fa2f170c9d2d52d75b2bbff2c2e76e543a57f2f81ff0f06ffb8c08bd5d2e59fe21d6e8fae5b512"
	 "00e2825b2602a98234c993e500082098a6ac2228a0daf69d0e55ef65c05f1ca60c0462db3cd"},
	{"p", 1, "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss", 64, 1,
	 "31edc3fba6046008c6c1ec3add4a344abfa97ad2a56a4c0cc8525e75948f45569b6ef2009c018aed7aac8"
	 "38719640684"},
	{"password", 8, "salt", 4, 8,
	 "e1367ec5151a33faac4cc1c144cd23fa15d5548493ecc99b9b5d9c0d3b27bec76227ea66088b849b20ab7"
	 "aa478010246e74bba51723fefa9f9474d6508845e8d"},
};

Test(bcrypt_pbkdf, gives_what_openbsds_gives)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t len = strlen(vectors[i].hex) / 2;
		uint8_t out[BCRYPT_KEY_MAX];
		char hex[2 * BCRYPT_KEY_MAX + 1];

		cr_assert_eq(bcrypt_pbkdf(vectors[i].pass, vectors[i].pass_len,
					  (const uint8_t *)vectors[i].salt, vectors[i].salt_len,
					  vectors[i].rounds, out, len),
			     0);
		for (size_t k = 0; k < len; k++)
			snprintf(hex + 2 * k, 3, "%02x", out[k]);
		cr_expect_str_eq(hex, vectors[i].hex, "%zu", i);
	}
}

Test(bcrypt_pbkdf, refuses_what_is_empty_or_beyond_its_bounds)
{
	static const struct {
		size_t pass, salt;
		unsigned int rounds;
		size_t len;
	} bad[] = {
		{0, 4, 1, 32},
		{1, 0, 1, 32},
		{1, 4, 0, 32},
		{1, 4, 1, 0},
		{1, BCRYPT_SALT_MAX + 1, 1, 32},
		{1, 4, BCRYPT_ROUNDS_MAX + 1, 32},
		{1, 4, 0x80000000u, 32},
		{1, 4, 1, BCRYPT_KEY_MAX + 1},
	};
	static uint8_t salt[BCRYPT_SALT_MAX + 1], out[BCRYPT_KEY_MAX + 1];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(bcrypt_pbkdf("p", bad[i].pass, salt, bad[i].salt, bad[i].rounds, out,
					  bad[i].len),
			     -EINVAL, "%zu", i);
}

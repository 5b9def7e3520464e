/* tests/unit/test_keyfile_refuse.c - key files that are refused, and with which error. */
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
#include "crypto/keyfile.h"
#include "tests/unit/key_fixtures.h"

/* Each asks for 2^31 - 1 rounds, or for scrypt with 8 GiB or 2^29 lanes. */
static const char fixture_pbkdf2[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MH8wSwYJKoZIhvcNAQUNMD4wHQYJKoZIhvcNAQUMMBAECHNhbHRzYWx0AgR/////\n"
	"MB0GCWCGSAFlAwQBKgQQAQEBAQEBAQEBAQEBAQEBAQQwAgICAgICAgICAgICAgIC\n"
	"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";
static const char fixture_scrypt_n[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIGEMFAGCSqGSIb3DQEFDTBDMCIGCSsGAQQB2kcECzAVBAhzYWx0c2FsdAIDEAAA\n"
	"AgEIAgEBMB0GCWCGSAFlAwQBKgQQAQEBAQEBAQEBAQEBAQEBAQQwAgICAgICAgIC\n"
	"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";
static const char fixture_scrypt_p[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIGFMFEGCSqGSIb3DQEFDTBEMCMGCSsGAQQB2kcECzAWBAhzYWx0c2FsdAIBAgIB\n"
	"AQIEIAAAADAdBglghkgBZQMEASoEEAEBAQEBAQEBAQEBAQEBAQEEMAICAgICAgIC\n"
	"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg==\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";
static const char fixture_pbes1[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MFIwHgYKKoZIhvcNAQwBAzAQBAhzYWx0c2FsdAIEf////wQwAgICAgICAgICAgIC\n"
	"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";
static const char fixture_pfx[] = "MEsCAQMwEQYJKoZIhvcNAQcBoAQEAjAAMDMwITAJBgUrDgMCGgUABBQDAwMDAwMD"
				  "AwMDAwMDAwMDAwMDAwQIc2FsdHNhbHQCBH////8=";
static const char fixture_bcfks[] = "MB0wGTANBgkqhkiG9w0BBQ0wAAQIeHh4eHh4eHgwAA==";

static int answer(void *arg, const char *what, char *buf, size_t size)
{
	memcpy(buf, "secret", 6);
	return 6;
}

static int parse_as(const char *text, size_t len, enum keyfile_format format, char *why)
{
	const struct keyfile_opts o = {.format = format, .passphrase = answer, .why = why};
	struct keyfile *kf = NULL;
	int r = keyfile_parse((const uint8_t *)text, len, &o, &kf);

	keyfile_free(kf);
	return r;
}

static int parse(const char *text)
{
	return parse_as(text, strlen(text), KEYFILE_AUTO, NULL);
}

Test(keyfile_refuse, derivations_without_bounds)
{
	static const char *const bad[] = {fixture_pbkdf2, fixture_scrypt_n, fixture_scrypt_p,
					  fixture_pbes1, fixture_pfx};
	char why[KEYFILE_WHY_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(parse_as(bad[i], strlen(bad[i]), KEYFILE_AUTO, why), -ENOTSUP, "%zu",
			     i);
		cr_expect_neq(why[0], '\0', "%zu", i);
	}
}

/* The container of a key under a passphrase with its rounds, and its ciphers, changed. */
static int with_rounds(uint32_t rounds)
{
	static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	const char *body = fixture_ed25519_encrypted + strlen(begin);
	uint8_t bytes[2048], *kdf;
	char text[4096];
	size_t len = 0, n;

	cr_assert_eq(base64_decode(body, (size_t)(strstr(body, "-----END") - body), bytes,
				   sizeof(bytes), &len),
		     0);
	kdf = memmem(bytes, len, "bcrypt", 6);
	cr_assert_not_null(kdf);
	blob_store_be32(kdf + 6 + 4 + 4 + 16, rounds);
	n = (size_t)sprintf(text, "%s", begin);
	base64_encode(bytes, len, text + n);
	sprintf(text + n + base64_len(len), "\n-----END OPENSSH PRIVATE KEY-----\n");
	return parse(text);
}

Test(keyfile_refuse, rounds_of_bcrypt)
{
	cr_expect_eq(with_rounds(1), -EKEYREJECTED, "another key");
	cr_expect_eq(with_rounds(0), -EBADMSG);
	cr_expect_eq(with_rounds(1025), -ENOTSUP);
	cr_expect_eq(with_rounds(0x80000000u), -ENOTSUP);
	cr_expect_eq(with_rounds(0xffffffffu), -ENOTSUP);
}

Test(keyfile_refuse, key_stores_with_a_hint)
{
	char why[KEYFILE_WHY_MAX];

	cr_expect_eq(parse_as("\xfe\xed\xfe\xed\0\0\0\2", 8, KEYFILE_AUTO, why), -EMEDIUMTYPE);
	cr_expect_not_null(strstr(why, "keytool"));
	cr_expect_eq(parse_as("\xce\xce\xce\xce\0\0\0\2", 8, KEYFILE_AUTO, why), -EMEDIUMTYPE);
	cr_expect_eq(parse_as(fixture_bcfks, strlen(fixture_bcfks), KEYFILE_AUTO, why),
		     -EMEDIUMTYPE);
	cr_expect_not_null(strstr(why, "keytool"));
	cr_expect_eq(parse("PuTTY-User-Key-File-1: ssh-rsa\n"), -EMEDIUMTYPE);
	cr_expect_eq(parse("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n"), -EMEDIUMTYPE);
}

/* --- PPK -------------------------------------------------------------------------------- */

static struct keyfile_bytes ppk_of(const char *passphrase)
{
	const struct keyfile_out out = {
		.format = KEYFILE_PPK, .private = true, .passphrase = passphrase, .rounds = 1};
	struct keyfile *kf = NULL;
	struct keyfile_bytes b;

	cr_assert_eq(
		keyfile_parse((const uint8_t *)fixture_ecdsa, strlen(fixture_ecdsa), NULL, &kf), 0);
	cr_assert_eq(keyfile_build(kf, &out, &b), 0);
	keyfile_free(kf);
	return b;
}

/* The file with the first text replaced by the second. */
static int ppk_with(const char *passphrase, const char *from, const char *to)
{
	struct keyfile_bytes b = ppk_of(passphrase);
	char text[4096];
	const char *at = memmem(b.p, b.len, from, strlen(from));
	size_t head = (size_t)(at - (const char *)b.p), n;

	cr_assert_not_null(at, "%s", from);
	n = (size_t)snprintf(text, sizeof(text), "%.*s%s%.*s", (int)head, (char *)b.p, to,
			     (int)(b.len - head - strlen(from)), at + strlen(from));
	keyfile_bytes_free(&b);
	return parse_as(text, n, KEYFILE_AUTO, NULL);
}

Test(keyfile_refuse, ppk)
{
	static const struct {
		const char *passphrase, *from, *to;
		int err;
	} bad[] = {
		{NULL, "", "", 0},
		{"secret", "", "", 0},
		{"wrong", "", "", -EKEYREJECTED},
		/* all of it is under the MAC */
		{NULL, "Comment: ", "Comment: x", -EBADMSG},
		{"secret", "Comment: ", "Comment: x", -EKEYREJECTED},
		{NULL, "ecdsa-sha2-nistp256\n", "ecdsa-sha2-nistp384\n", -EBADMSG},
		{NULL, "Private-MAC: ", "Private-MAC: 00", -EBADMSG},
		{NULL, "Encryption: none", "Encryption: aes256-cbc", -EBADMSG},
		{NULL, "Encryption: none", "Encryption: des", -ENOTSUP},
		/* what it may ask for */
		{"secret", "Argon2-Memory: 8192", "Argon2-Memory: 1048577", -ENOTSUP},
		{"secret", "Argon2-Memory: 8192", "Argon2-Memory: 4294967296", -EBADMSG},
		{"secret", "Argon2-Memory: 8192", "Argon2-Memory: 0", -EBADMSG},
		{"secret", "Argon2-Passes: 1", "Argon2-Passes: 1025", -ENOTSUP},
		{"secret", "Argon2-Passes: 1", "Argon2-Passes: -1", -EBADMSG},
		{"secret", "Argon2-Parallelism: 1", "Argon2-Parallelism: 17", -ENOTSUP},
		{"secret", "Argon2-Salt: ", "Argon2-Salt: x", -EBADMSG},
		{"secret", "Argon2id", "Argon3", -EBADMSG},
		/* lines */
		{NULL, "Public-Lines: 3", "Public-Lines: 2", -EBADMSG},
		{NULL, "Public-Lines: 3", "Public-Lines: 1025", -EBADMSG},
		{NULL, "Private-Lines: 1", "Private-Lines: 999999999", -EBADMSG},
		{NULL, "Private-MAC", "Private-Hash", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(ppk_with(bad[i].passphrase, bad[i].from, bad[i].to), bad[i].err,
			     "%zu: %s", i, bad[i].to);
}

/* --- JWK, XML, RFC 4716 ----------------------------------------------------------------- */

#define X256   "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU" /* RFC 7515 appendix A.3 */
#define Y256   "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define D256   "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
#define X25519 "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" /* RFC 8037 appendix A.1 */
#define D25519 "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"

Test(keyfile_refuse, jwk)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256
		 "\",\"d\":\"" D256 "\"}",
		 0},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X25519 "\",\"d\":\"" D25519 "\"}",
		 0},
		{"{}", -EBADMSG},
		{"{\"kty\":\"EC\"", -EBADMSG},
		{"{\"kty\":\"EC\"}", -EBADMSG},
		{"{\"kty\":\"oct\",\"k\":\"AAAA\"}", -ENOTSUP},
		{"{\"kty\":1}", -EBADMSG},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\"}", -EBADMSG},
		{"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"}",
		 -ENOTSUP},
		/* x and y exchanged: off the curve (S-61) */
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" Y256 "\",\"y\":\"" X256 "\"}",
		 -EBADMSG},
		{"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X256 "\",\"y\":\"" Y256 "\"}",
		 -EBADMSG},
		/* a private half of another key */
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\",\"y\":\"" Y256
		 "\",\"d\":\"" Y256 "\"}",
		 -EBADMSG},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X25519 "\",\"d\":\"" X25519 "\"}",
		 -EBADMSG},
		{"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X25519 "\"}", -ENOTSUP},
		/* twice, padded, of the other alphabet */
		{"{\"kty\":\"EC\",\"kty\":\"RSA\"}", -EBADMSG},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X25519 "=\"}", -EBADMSG},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS/"
		 "7TyWQHOg7hcvPapiMlrwIaaPcH"
		 "URo\"}",
		 -EBADMSG},
		{"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", -ENOTSUP},
		{"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"d\":\"AQAB\"}", -ENOTSUP},
		{"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"oth\":[]}", -ENOTSUP},
		{"{\"keys\":[]}", -ESRCH},
		{"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}", -ENOTSUP},
		{"{\"keys\":[1,2]}", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i].text), bad[i].err, "%zu: %s", i, bad[i].text);
}

Test(keyfile_refuse, xml)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{"<RSAKeyValue>", -EBADMSG},
		{"<RSAKeyValue/>", -EBADMSG},
		{"<KeyValue/>", -EBADMSG},
		{"<RSAKeyValue><Modulus>AQAB</Modulus></RSAKeyValue>", -EBADMSG},
		{"<RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
		 -ENOTSUP},
		{"<RSAKeyValue><Modulus>AQAB</Modulus><Modulus>AQAB</Modulus><Exponent>AQAB</"
		 "Exponent>"
		 "</RSAKeyValue>",
		 -EBADMSG},
		{"<RSAKeyValue><Modulus>A<b/>QAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
		 -EBADMSG},
		{"<!DOCTYPE a><RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent>"
		 "</RSAKeyValue>",
		 -EBADMSG},
		{"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><RSAKeyValue><Modulus>&b;"
		 "</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
		 -EBADMSG},
		{"<!DOCTYPE a [<!ENTITY b \"&c;&c;\"><!ENTITY c \"AAAA\">]><a>&b;</a>", -EBADMSG},
		{"<ECKeyValue><PublicKey>BAAA</PublicKey></ECKeyValue>", -ENOTSUP},
		{"<ECKeyValue><NamedCurve "
		 "URI=\"urn:oid:1.2.840.10045.3.1.7\"/><PublicKey>BAAA</PublicKey>"
		 "</ECKeyValue>",
		 -EBADMSG},
		{"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></"
		 "a></a></a>"
		 "</a></a></a></a></a></a></a>",
		 -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i].text), bad[i].err, "%zu: %s", i, bad[i].text);
}

/* A number of 16,385 bits and more, in the formats that have it as text (S-45). */
Test(keyfile_refuse, numbers_beyond_all_bounds)
{
	static const size_t lens[] = {2049, 3000, 100000, 700000};
	static char text[1000000], digits[950000];
	static uint8_t number[700001];

	memset(number, 0xff, sizeof(number));
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int r;

		base64_encode(number, lens[i], digits);
		digits[base64_len(lens[i])] = '\0';
		sprintf(text,
			"<RSAKeyValue><Modulus>%s</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
			digits);
		r = parse(text);
		cr_expect(r == -ENOTSUP || r == -EBADMSG, "XML %zu: %d", lens[i], r);
		digits[strcspn(digits, "=")] = '\0';
		for (char *p = digits; *p != '\0'; p++)
			*p = *p == '/' ? '_' : *p == '+' ? '-' : *p;
		sprintf(text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", digits);
		r = parse(text);
		cr_expect(r == -ENOTSUP || r == -EBADMSG, "JWK %zu: %d", lens[i], r);
	}
}

Test(keyfile_refuse, rfc4716)
{
	static const char *const bad[] = {
		"---- BEGIN SSH2 PUBLIC KEY ----",
		"---- BEGIN SSH2 PUBLIC KEY ----\n---- END SSH2 PUBLIC KEY ----\n",
		"---- BEGIN SSH2 PUBLIC KEY ----\nComment: a\n",
		"---- BEGIN SSH2 PUBLIC KEY ----\nComment: a \\\n",
		"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n",
		"---- BEGIN SSH2 PUBLIC KEY ----\nAA*A\n---- END SSH2 PUBLIC KEY ----\n",
		"---- BEGIN SSH2 PUBLIC KEY ----\n:\nAAAA\n---- END SSH2 PUBLIC KEY ----\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i]), -EBADMSG, "%zu", i);
}

/* --- formats and files ------------------------------------------------------------------ */

Test(keyfile_refuse, a_format_that_it_is_not)
{
	static const struct {
		const char *text;
		enum keyfile_format format;
		int err;
	} cases[] = {
		{fixture_ed25519, KEYFILE_AUTO, 0},
		{fixture_ed25519, KEYFILE_OPENSSH, 0},
		{fixture_ed25519, KEYFILE_PEM, 0},
		{fixture_ed25519, KEYFILE_PPK, -EBADMSG},
		{fixture_ed25519, KEYFILE_PFX, -EBADMSG},
		{fixture_ed25519, KEYFILE_JWK, -EBADMSG},
		{fixture_ed25519_pkcs8, KEYFILE_PKCS8, 0},
		{fixture_ed25519_pkcs8, KEYFILE_OPENSSH, -EBADMSG},
		{fixture_rsa_pem, KEYFILE_PEM, 0},
		{fixture_rsa_pem, KEYFILE_PKCS8, -EBADMSG},
		{fixture_rsa_pem, KEYFILE_X509, -EBADMSG},
		{fixture_ed25519_pub, KEYFILE_OPENSSH, 0},
		{fixture_ed25519_pub, KEYFILE_RFC4716, -EBADMSG},
	};
	char why[KEYFILE_WHY_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = parse_as(cases[i].text, strlen(cases[i].text), cases[i].format, why);

		cr_expect_eq(r, cases[i].err, "%zu: %d", i, r);
		cr_expect_eq(why[0] == '\0', r == 0, "%zu: %s", i, why);
	}
}

Test(keyfile_refuse, text_that_is_nothing)
{
	static const char *const bad[] = {
		"",     " ", "\n\n", "#", "ssh-ed25519", "ssh-ed25519 AAAA", "AAAA",
		"====", "0", "{",    "<"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i]), -EBADMSG, "\"%s\"", bad[i]);
	cr_expect_eq(parse_as("\x30\x80\0\0", 4, KEYFILE_AUTO, NULL), -EBADMSG);
}

static char folder[] = "/tmp/sluice-keyfile-XXXXXX";
static char path[64];

static void folder_make(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
}

static void folder_drop(void)
{
	unlink(path);
	cr_expect_eq(rmdir(folder), 0, "nothing else was left behind");
}

Test(keyfile_refuse, files_others_may_reach, .init = folder_make, .fini = folder_drop)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0644, 0777};
	int asked = 0;
	char why[KEYFILE_WHY_MAX], text[KEYFILE_TEXT_MAX];
	struct keyfile_opts o = {.why = why, .passphrase = answer, .passphrase_arg = &asked};
	struct keyfile *kf = NULL;

	cr_assert_eq(keyfile_write(path, fixture_ed25519, strlen(fixture_ed25519), 0600, false), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char words[64];

		cr_assert_eq(chmod(path, bad[i]), 0);
		cr_expect_eq(keyfile_load(path, &o, &kf), -EACCES, "%o", bad[i]);
		keyfile_explain(-EACCES, path, why, text);
		snprintf(words, sizeof(words), "Permissions %04o for '", bad[i]);
		cr_expect_not_null(strstr(text, words), "%s", text);
	}
	cr_assert_eq(chmod(path, 0400), 0);
	cr_assert_eq(keyfile_load(path, &o, &kf), 0);
	keyfile_free(kf);
}

/* A public key may be everybody's. */
Test(keyfile_refuse, public_files_may_be_read_by_all, .init = folder_make, .fini = folder_drop)
{
	struct keyfile *kf = NULL;

	cr_assert_eq(
		keyfile_write(path, fixture_ed25519_pub, strlen(fixture_ed25519_pub), 0644, false),
		0);
	cr_assert_eq(keyfile_load(path, NULL, &kf), 0);
	keyfile_free(kf);
}

Test(keyfile_refuse, a_file_is_written_whole_or_not_at_all, .init = folder_make,
     .fini = folder_drop)
{
	struct stat st;
	char text[16] = "";
	int fd;

	cr_assert_eq(keyfile_write(path, "first", 5, 0600, false), 0);
	cr_expect_eq(keyfile_write(path, "second", 6, 0600, false), -EEXIST);
	cr_expect_eq(keyfile_write(path, "third", 5, 0644, true), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0644);
	fd = open(path, O_RDONLY);
	cr_expect_eq(read(fd, text, sizeof(text)), 5);
	close(fd);
	cr_expect_str_eq(text, "third");
	cr_expect_eq(keyfile_write("/nonexistent/key", "x", 1, 0600, true), -ENOENT);
}

/* Whoever wrote a file must not choose a library that is loaded. */
Test(keyfile_refuse, a_file_does_not_name_a_module)
{
	static const char uri[] = "pkcs11:token=t;object=k?module-path=/nonexistent.so";
	char why[KEYFILE_WHY_MAX];

	cr_expect_eq(parse_as(uri, strlen(uri), KEYFILE_AUTO, why), -EBADMSG);
	cr_expect_str_eq(why, "the URI of a token is given instead of a file, not in it");
	cr_expect_eq(parse_as(uri, strlen(uri), KEYFILE_PKCS11, why), -ESRCH, "it was asked for");
}

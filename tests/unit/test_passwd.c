/* tests/unit/test_passwd.c - passwords against crypt(3) hashes. */
#include <criterion/criterion.h>
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/passwd.h"

/* All of "password"; made by crypt(3) of libxcrypt 4.4 and mkpasswd. */
static const char *const hashes[] = {
	"$1$abcdefgh$G//4keteveJp0qb8z2DxG/",
	("$6$x$.7KcIn5.ZfkbYAJ0eR5aiXX.9cAoOEk."
	 "kCx3w6xY1EaxFjgMWuH6WyPufoidBlBiQ9OVWpzaDWwKtTA8cs5FF."),
	"$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.",
	"$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
	"$y$j9T$ll1JSC3LEP4lYDbwbWuq1/$2k1pePi7Q3fjQr.ULu7vdpQl/4Q7Qcrsc.ghByHUd38",
};

#define N_HASHES (sizeof(hashes) / sizeof(hashes[0]))

Test(passwd, right_password_of_each_method)
{
	for (size_t i = 0; i < N_HASHES; i++)
		cr_expect_eq(passwd_check(hashes[i], "password", 8), 0, "%s", hashes[i]);
}

Test(passwd, wrong_passwords_of_each_method)
{
	for (size_t i = 0; i < N_HASHES; i++) {
		cr_expect_eq(passwd_check(hashes[i], "Password", 8), -EBADMSG);
		cr_expect_eq(passwd_check(hashes[i], "password", 7), -EBADMSG);
		cr_expect_eq(passwd_check(hashes[i], "", 0), -EBADMSG);
		cr_expect_eq(passwd_check(hashes[i], "password\0", 9), -EBADMSG, "NUL behind it");
		cr_expect_eq(passwd_check(hashes[i], "password\0x", 10), -EBADMSG);
	}
}

/* 511 bytes are what crypt(3) takes; a longer one must not pass because it begins right. */
Test(passwd, longer_than_crypt_takes_is_wrong)
{
	struct crypt_data data = {0};
	char password[2048];
	const char *hash;

	memset(password, 'a', sizeof(password));
	password[511] = '\0';
	hash = crypt_r(password, "$6$x$", &data);
	password[511] = 'a';
	cr_assert_not_null(hash);
	cr_expect_eq(passwd_check(hash, password, 511), 0);
	cr_expect_eq(passwd_check(hash, password, 512), -EBADMSG);
	cr_expect_eq(passwd_check(hash, password, PASSWD_MAX), -EBADMSG);
	cr_expect_eq(passwd_check(hash, password, sizeof(password)), -EBADMSG);
}

Test(passwd, what_is_no_hash_never_passes)
{
	static const struct {
		const char *hash;
		int err;
	} bad[] = {
		{"", -EINVAL},           {"!", -EINVAL},          {"*", -EINVAL},
		{"*0", -EINVAL},         {"x", -EINVAL},          {"password", -EINVAL},
		{"ab", -EINVAL},         {"!$6$x$abc", -EINVAL},  {"$9$abc", -ENOTSUP},
		{"$", -ENOTSUP},         {"$6", -ENOTSUP},        {"$6$sa:lt$x", -ENOTSUP},
		{"$2b$99$abc", -EINVAL}, {"$y$garbage", -EINVAL}, {"$6$", -EBADMSG},
		{"$6$x", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(passwd_check(bad[i].hash, "password", 8), bad[i].err, "%s",
			     bad[i].hash);
}

Test(passwd, hash_that_is_cut_or_too_long_never_passes)
{
	char hash[PASSWD_HASH_MAX + 16];

	for (size_t n = 0; n < strlen(hashes[1]); n++) {
		memcpy(hash, hashes[1], n);
		hash[n] = '\0';
		cr_expect_lt(passwd_check(hash, "password", 8), 0, "%zu", n);
	}
	memset(hash, 'x', sizeof(hash));
	memcpy(hash, "$6$", 3);
	hash[sizeof(hash) - 1] = '\0';
	cr_expect_eq(passwd_check(hash, "password", 8), -EINVAL);
}

Test(passwd, nobody_fits_the_decoy)
{
	cr_expect_eq(passwd_check(passwd_decoy(), "", 0), -EBADMSG);
	cr_expect_eq(passwd_check(passwd_decoy(), "password", 8), -EBADMSG);
}

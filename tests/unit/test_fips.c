/* crypto/fips.c: what FIPSMode leaves. With a module: tests/interop/test_fips.sh. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "crypto/fips.h"
#include "crypto/kex.h"
#include "crypto/key.h"
#include "ssh/kexinit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(fips, lists_are_cut)
{
	static const struct {
		const char *list, *left;
	} c[] = {
		{"", ""},
		{"chacha20-poly1305@openssh.com", ""},
		{"aes128-ctr", "aes128-ctr"},
		{SSH_DEFAULT_KEX, "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521"},
		{SSH_DEFAULT_GSS_KEX, ""},
		{SSH_DEFAULT_CIPHERS, "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
				      "aes128-ctr,aes192-ctr,aes256-ctr"},
		{SSH_DEFAULT_MACS,
		 "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
		 "hmac-sha1-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1"},
		{SSH_DEFAULT_CA_SIG,
		 "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
		 "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256"},
		{"ssh-rsa,ssh-ed25519,rsa-sha2-256,ssh-dss", "rsa-sha2-256"},
		{"hmac-md5,hmac-sha1,hmac-ripemd160,umac-64@openssh.com", "hmac-sha1"},
		{"aes128-ct,aes128-ctrl,,aes128-ctr", "aes128-ctr"},
	};

	for (size_t i = 0; i < N(c); i++) {
		char left[2048];

		fips_cut(c[i].list, left);
		cr_expect_str_eq(left, c[i].left, "%s", c[i].list);
	}
}

static unsigned int approved_of(const char *(*name_at)(unsigned int))
{
	const char *name;
	unsigned int n = 0;

	for (unsigned int i = 0; (name = name_at(i)) != NULL; i++)
		n += fips_approved(name);
	return n;
}

/* No name of the table is one that nothing has. */
Test(fips, what_is_approved_is_there)
{
	cr_expect_eq(approved_of(kex_method_name_at), 6);
	cr_expect_eq(approved_of(kex_gss_name_at), 0);
	cr_expect_eq(approved_of(key_sig_alg_at), 18);
	cr_expect_eq(approved_of(cipher_name_at), 8);
	cr_expect_eq(approved_of(cipher_mac_name_at), 12);
}

/* A start that fails leaves everything as it was. */
Test(fips, without_the_module_nothing_changes)
{
	char why[FIPS_WHY_MAX] = "";

	cr_assert_eq(setenv("OPENSSL_MODULES", "/nonexistent", 1), 0);
	cr_expect_eq(fips_begin(why), -ENOENT);
	cr_expect_not_null(strstr(why, "provider \"fips\" cannot be loaded"));
	cr_expect(!fips_on());
	cr_expect(fips_allows("chacha20-poly1305@openssh.com"));
	cr_expect_not_null(kex_method_find("curve25519-sha256"));
	cr_expect_not_null(cipher_suite_find("chacha20-poly1305@openssh.com", NULL));
}

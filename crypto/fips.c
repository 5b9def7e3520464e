/* crypto/fips.c - see fips.h. */
#include "crypto/fips.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

static bool on;

/*
 * SP 800-56A rev. 3 (curves of P, safe primes of RFC 3526), FIPS 186-5 (ECDSA, RSA from 2048 bits,
 * SHA-2), FIPS 197 with SP 800-38A and D, FIPS 198-1. Not: groups that a file says, and whatever is
 * computed here or by libsodium: Curve25519 and its signatures, ML-KEM, sntrup761, ChaCha20.
 */
#define CERT(name) name "-cert-v01@openssh.com"

static const char *const approved[] = {
	"ecdh-sha2-nistp256",
	"ecdh-sha2-nistp384",
	"ecdh-sha2-nistp521",
	"diffie-hellman-group14-sha256",
	"diffie-hellman-group16-sha512",
	"diffie-hellman-group18-sha512",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	CERT("ecdsa-sha2-nistp256"),
	CERT("ecdsa-sha2-nistp384"),
	CERT("ecdsa-sha2-nistp521"),
	"sk-ecdsa-sha2-nistp256@openssh.com",
	CERT("sk-ecdsa-sha2-nistp256"),
	"webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
	CERT("webauthn-sk-ecdsa-sha2-nistp256"),
	"rsa-sha2-512",
	"rsa-sha2-256",
	CERT("rsa-sha2-512"),
	CERT("rsa-sha2-256"),
	"x509v3-ecdsa-sha2-nistp256",
	"x509v3-ecdsa-sha2-nistp384",
	"x509v3-ecdsa-sha2-nistp521",
	"x509v3-rsa2048-sha256",
	"rsa2048-sha256", /* inside a signature by the one before */
	"aes128-gcm@openssh.com",
	"aes256-gcm@openssh.com",
	"aes128-ctr",
	"aes192-ctr",
	"aes256-ctr",
	"aes128-cbc",
	"aes192-cbc",
	"aes256-cbc",
	"hmac-sha1",
	"hmac-sha1-96",
	"hmac-sha1-etm@openssh.com",
	"hmac-sha1-96-etm@openssh.com",
	"hmac-sha2-256",
	"hmac-sha2-256-96",
	"hmac-sha2-256-etm@openssh.com",
	"hmac-sha2-256-96-etm@openssh.com",
	"hmac-sha2-512",
	"hmac-sha2-512-96",
	"hmac-sha2-512-etm@openssh.com",
	"hmac-sha2-512-96-etm@openssh.com",
};

bool fips_on(void)
{
	return on;
}

bool fips_approved(const char *name)
{
	for (size_t i = 0; i < sizeof(approved) / sizeof(approved[0]); i++)
		if (strcmp(approved[i], name) == 0)
			return true;
	return false;
}

bool fips_allows(const char *name)
{
	return !on || fips_approved(name);
}

void fips_cut(const char *list, char *ret)
{
	char *to = ret;

	while (*list != '\0') {
		size_t len = strcspn(list, ",");
		char *name = to + (to > ret);

		memcpy(name, list, len);
		name[len] = '\0';
		if (fips_approved(name)) {
			if (to > ret)
				*to = ',';
			to = name + len;
		}
		list += len;
		list += *list == ',';
	}
	*to = '\0';
}

/* Whose is what anybody fetches now, who does not say from whom? */
static bool fetched_from_module(void)
{
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	bool yes = md != NULL && gcm != NULL && md5 == NULL &&
		   strcmp(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(md)), "fips") == 0 &&
		   strcmp(OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(gcm)), "fips") == 0;

	EVP_MD_free(md);
	EVP_MD_free(md5);
	EVP_CIPHER_free(gcm);
	ERR_clear_error();
	return yes;
}

static int refused(char why[FIPS_WHY_MAX], int r, const char *what)
{
	char text[160] = "";

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	snprintf(why, FIPS_WHY_MAX, "%s%s%s", what, ERR_peek_last_error() != 0 ? ": " : "",
		 ERR_peek_last_error() != 0 ? text : "");
	ERR_clear_error();
	return r;
}

int fips_begin(char why[FIPS_WHY_MAX])
{
	OSSL_PROVIDER *fips, *base;

	if (on)
		return 0;
	ERR_clear_error();
	fips = OSSL_PROVIDER_load(NULL, "fips");
	if (fips == NULL)
		return refused(why, -ENOENT, "OpenSSL's provider \"fips\" cannot be loaded");
	/* Readers of keys and certificates, which compute nothing. */
	base = OSSL_PROVIDER_load(NULL, "base");
	if (base != NULL && OSSL_PROVIDER_self_test(fips) == 1 &&
	    EVP_default_properties_enable_fips(NULL, 1) == 1 && fetched_from_module()) {
		on = true;
		return 0;
	}
	(void)refused(why, -EIO, "OpenSSL's provider \"fips\" does not work");
	(void)EVP_default_properties_enable_fips(NULL, 0);
	OSSL_PROVIDER_unload(base);
	OSSL_PROVIDER_unload(fips);
	return -EIO;
}

/* tests/unit/test_crypto_faults_files.c - keys in files, read and written, fail (S-40). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "crypto/key.h"
#include "crypto/keyfile.h"
#include "crypto/keyfile/internal.h"
#include "crypto/keyfile/pbe.h"
#include "crypto/secret.h"
#include "tests/unit/crypto_faults.h"
#include "tests/unit/key_fixtures.h"

/* Files of one key in each format that this code opens and closes by itself. */
struct file_form {
	struct keyfile_out out;
	struct keyfile_bytes text;
	const char *key;        /* whose it is */
	const char *thumbprint; /* of the certificate that is asked for, or NULL */
};

static int faults_passphrase(void *arg, const char *what, char *buf, size_t size)
{
	(void)arg;
	(void)what;
	(void)size;
	memcpy(buf, "secret", 6);
	return 6;
}

static int op_file_parse(const void *arg)
{
	const struct keyfile_opts o = {.passphrase = faults_passphrase};
	const struct file_form *form = arg;
	struct keyfile *kf = NULL;
	int r;

	arm();
	r = disarm(keyfile_parse(form->text.p, form->text.len, &o, &kf));
	keyfile_free(kf);
	return r;
}

static struct keyfile *faults_file(const char *text)
{
	struct keyfile *kf = NULL;

	cr_assert_eq(keyfile_parse((const uint8_t *)text, strlen(text), NULL, &kf), 0);
	return kf;
}

static int op_file_build(const void *arg)
{
	const struct file_form *form = arg;
	struct keyfile *kf = faults_file(form->key);
	struct keyfile_bytes text;
	int r;

	arm();
	r = disarm(keyfile_build(kf, &form->out, &text));
	keyfile_free(kf);
	if (r == 0)
		keyfile_bytes_free(&text);
	return r;
}

static void file_fails(const char *key, const struct keyfile_out *out)
{
	struct file_form form = {.key = key, .out = *out};
	struct keyfile *kf = faults_file(key);

	cr_assert_eq(keyfile_build(kf, &form.out, &form.text), 0);
	each_call_fails(op_file_parse, &form, keyfile_format_name(out->format));
	each_call_fails(op_file_build, &form, keyfile_format_name(out->format));
	keyfile_bytes_free(&form.text);
	keyfile_free(kf);
}

Test(crypto_faults_files, key_files)
{
	static const struct keyfile_out outs[] = {
		{KEYFILE_PEM, true, "secret", NULL, 0},
		{KEYFILE_PKCS8, true, "secret", NULL, 1},
		{KEYFILE_JWK, true, NULL, NULL, 0},
		{KEYFILE_RFC4716, false, NULL, NULL, 0},
		{KEYFILE_XML, true, NULL, NULL, 0},
		{KEYFILE_PKCS8, false, NULL, NULL, 0},
		/* These derive their keys anew for each call. */
		{KEYFILE_OPENSSH, true, "secret", "aes256-ctr", 1},
		{KEYFILE_OPENSSH, true, "secret", "aes128-gcm@openssh.com", 1},
		{KEYFILE_OPENSSH, true, "secret", "chacha20-poly1305@openssh.com", 1},
		{KEYFILE_PPK, true, "secret", NULL, 1},
	};
	size_t n = getenv("SLUICE_LONG") != NULL ? sizeof(outs) / sizeof(outs[0]) : 6;

	for (size_t i = 0; i < n; i++)
		file_fails(fixture_ecdsa, &outs[i]);
}

Test(crypto_faults_files, keys_of_other_types)
{
	static const enum keyfile_format formats[] = {KEYFILE_PKCS8, KEYFILE_JWK, KEYFILE_XML};
	char dsa[4096];
	const char *const texts[] = {dsa, fixture_rsa, fixture_ed25519};
	size_t len = sizeof(dsa);
	struct key *k = NULL;

	cr_assert_eq(key_generate("ssh-dss", 0, &k), 0);
	cr_assert_eq(key_private_build(k, "", dsa, &len), 0);
	key_free(k);
	for (size_t i = 0; i < 3; i++)
		for (size_t f = 0; f < 3; f++) {
			if ((i == 0 && formats[f] == KEYFILE_JWK) ||
			    (i == 2 && formats[f] == KEYFILE_XML))
				continue; /* there is no such form */
			file_fails(texts[i],
				   &(struct keyfile_out){formats[f], true, NULL, NULL, 0});
		}
}

/* RFC 5915 section 3: publicKey is optional; the point is made of the number then. */
Test(crypto_faults_files, a_point_that_is_not_in_the_file)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	struct file_form form = {.key = NULL};
	char *p;

	cr_assert_eq(EVP_PKEY_set_int_param(k, OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, 0), 1);
	cr_assert_eq(PEM_write_bio_PrivateKey_traditional(bio, k, NULL, NULL, 0, NULL, NULL), 1);
	form.text.len = (size_t)BIO_get_mem_data(bio, &p);
	form.text.p = (uint8_t *)p;
	each_call_fails(op_file_parse, &form, "a private number alone");
	BIO_free(bio);
	EVP_PKEY_free(k);
}

/* --- PKCS#12 --- */

static X509 *self_signed(EVP_PKEY *k)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	cr_assert_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
						(const unsigned char *)"faults", -1, -1, 0),
		     1);
	cr_assert_eq(X509_set_issuer_name(x, name), 1);
	cr_assert_not_null(X509_gmtime_adj(X509_getm_notBefore(x), 0));
	cr_assert_not_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	cr_assert_eq(X509_set_pubkey(x, k), 1);
	cr_assert_gt(X509_sign(x, k, EVP_sha256()), 0);
	return x;
}

/* A key and its certificate, as OpenSSL puts them in a file; and the certificate's SHA-256. */
static int pfx_make(int nid_key, int nid_cert, uint8_t **der, char hex[65])
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	X509 *x = self_signed(k);
	PKCS12 *p12 = PKCS12_create("secret", NULL, k, x, NULL, nid_key, nid_cert, 1, -1, 0);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	int len;

	cr_assert_not_null(p12);
	cr_assert_eq(PKCS12_set_mac(p12, "secret", -1, NULL, 16, 1, EVP_sha256()), 1);
	*der = NULL;
	len = i2d_PKCS12(p12, der);
	cr_assert_gt(len, 0);
	cr_assert_eq(X509_digest(x, EVP_sha256(), digest, &n), 1);
	for (unsigned int i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	PKCS12_free(p12);
	X509_free(x);
	EVP_PKEY_free(k);
	return len;
}

/*
 * By itself: of a DER file every form is tried in turn, and a call that fails there decides
 * nothing.
 */
static int op_pfx_parse(const void *arg)
{
	const struct file_form *form = arg;
	const struct keyfile_opts o = {.passphrase = faults_passphrase,
				       .thumbprint = form->thumbprint};
	struct kf_ctx c = {.o = &o, .what = "", .kf = calloc(1, sizeof(*c.kf))};
	int r;

	cr_assert_not_null(c.kf);
	c.kf->comment = strdup("");
	arm();
	r = disarm(kf_pfx_parse(&c, (struct blob_str){form->text.p, form->text.len}));
	if (r < 0)
		cr_expect_null(c.kf->key);
	if (c.pass[0].p != NULL)
		secret_free(c.pass[0].p, KEYFILE_PASSPHRASE_MAX + 1);
	keyfile_free(c.kf);
	return r;
}

/* Written anew: key and certificate of the file that was read. */
static int op_pfx_build(const void *arg)
{
	const struct file_form *form = arg;
	const struct keyfile_opts o = {.passphrase = faults_passphrase};
	struct keyfile_bytes text;
	struct keyfile *kf = NULL;
	int r;

	cr_assert_eq(keyfile_parse(form->text.p, form->text.len, &o, &kf), 0);
	cr_assert_eq(kf->n_certs, 1);
	arm();
	r = disarm(keyfile_build(kf, &form->out, &text));
	keyfile_free(kf);
	if (r == 0)
		keyfile_bytes_free(&text);
	return r;
}

/* The certificate is asked for: which one stands first must not hang on a call that failed. */
static void pfx_fails(int nid_key, int nid_cert, const char *what)
{
	struct file_form form = {.out = {KEYFILE_PFX, true, "secret", NULL, 1}};
	char hex[65];
	uint8_t *der;

	form.text.len = (size_t)pfx_make(nid_key, nid_cert, &der, hex);
	form.text.p = der;
	form.thumbprint = hex;
	each_call_fails(op_pfx_parse, &form, what);
	each_call_fails(op_pfx_build, &form, what);
	OPENSSL_free(der);
}

Test(crypto_faults_files, pkcs12)
{
	cr_assert_not_null(pbe_legacy()); /* made once for the process */
	pfx_fails(NID_aes_256_cbc, NID_aes_256_cbc, "PKCS#12, encrypted");
	pfx_fails(-1, -1, "PKCS#12, in the clear under a MAC");
}

/* client/keygen/x509.c - what a certificate says (RFC 5280), as JSON. */
#include "client/keygen/x509.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include "crypto/hash.h"

#define TEXT_MAX 4096

static void bio_set(json_t *o, const char *name, BIO *bio)
{
	char *p;
	long len = BIO_get_mem_data(bio, &p);

	if (len > 0 && len < TEXT_MAX)
		json_object_set_new(o, name, json_stringn(p, (size_t)len));
	(void)BIO_reset(bio);
}

static void name_set(json_t *o, const char *name, const X509_NAME *dn, BIO *bio)
{
	X509_NAME_print_ex(bio, dn, 0,
			   (XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC);
	bio_set(o, name, bio);
}

static void time_set(json_t *o, const char *name, const ASN1_TIME *t)
{
	char text[32];
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) == 1 &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		json_object_set_new(o, name, json_string(text));
}

static void digests_set(json_t *o, const struct keyfile_cert *cert)
{
	static const struct {
		const char *name;
		enum hash_alg alg;
	} hashes[] = {
		{"cert_md5", HASH_MD5}, {"cert_sha1", HASH_SHA1}, {"cert_sha256", HASH_SHA256}};
	struct hash_piece piece = {cert->der, cert->len};
	char text[3 * HASH_LEN_MAX];
	uint8_t digest[HASH_LEN_MAX];

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		char *p = text;

		if (hash_digest(hashes[i].alg, &piece, 1, digest) < 0)
			continue;
		for (size_t k = 0; k < hash_len(hashes[i].alg); k++)
			p += sprintf(p, "%s%02x", k > 0 ? ":" : "", digest[k]);
		json_object_set_new(o, hashes[i].name, json_string(text));
	}
}

static void serial_set(json_t *o, const X509 *x)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = bn == NULL ? NULL : BN_bn2hex(bn);

	if (hex != NULL)
		json_object_set_new(o, "serial", json_string(hex));
	OPENSSL_free(hex);
	BN_free(bn);
}

/* The bits in the order of RFC 5280 section 4.2.1.3, the first the highest. */
static void usage_set(json_t *o, X509 *x)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} usages[] = {
		{KU_DIGITAL_SIGNATURE, "Digital Signature"},
		{KU_NON_REPUDIATION, "Non-Repudiation"},
		{KU_KEY_ENCIPHERMENT, "Key Encipherment"},
		{KU_DATA_ENCIPHERMENT, "Data Encipherment"},
		{KU_KEY_AGREEMENT, "Key Agreement"},
		{KU_KEY_CERT_SIGN, "Certificate Signing"},
		{KU_CRL_SIGN, "CRL Signing"},
		{KU_ENCIPHER_ONLY, "Encipher Only"},
	};
	uint32_t bits = X509_get_key_usage(x);
	char text[256];
	size_t used = 0;

	if (bits == UINT32_MAX) /* it does not say */
		return;
	text[0] = '\0';
	for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++)
		if ((bits & usages[i].flag) != 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 used > 0 ? "," : "", usages[i].name);
	json_object_set_new(o, "key_usage", json_string(text));
	json_object_set_new(o, "key_usage_bits", json_integer(bits));
}

static void ext_usage_set(json_t *o, const X509 *x, BIO *bio)
{
	EXTENDED_KEY_USAGE *list = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	char oid[128];

	for (int i = 0; i < sk_ASN1_OBJECT_num(list); i++)
		if (OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(list, i), 1) > 0)
			BIO_printf(bio, "%s%s", i > 0 ? "," : "", oid);
	bio_set(o, "ext_key_usage", bio);
	sk_ASN1_OBJECT_pop_free(list, ASN1_OBJECT_free);
}

static void san_set(json_t *o, const X509 *x, BIO *bio)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		if (i > 0)
			BIO_puts(bio, ",");
		GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(list, i));
	}
	bio_set(o, "san", bio);
	GENERAL_NAMES_free(list);
}

void x509_describe(const struct keyfile_cert *cert, json_t *o)
{
	const unsigned char *p = cert->der;
	X509 *x = d2i_X509(NULL, &p, (long)cert->len);
	BIO *bio = BIO_new(BIO_s_mem());
	char text[128];

	if (x != NULL && bio != NULL) {
		name_set(o, "subject", X509_get_subject_name(x), bio);
		name_set(o, "issuer", X509_get_issuer_name(x), bio);
		serial_set(o, x);
		snprintf(text, sizeof(text), "V%ld", X509_get_version(x) + 1);
		json_object_set_new(o, "version", json_string(text));
		time_set(o, "not_before", X509_get0_notBefore(x));
		time_set(o, "not_after", X509_get0_notAfter(x));
		i2a_ASN1_OBJECT(bio, X509_get0_tbs_sigalg(x)->algorithm);
		bio_set(o, "sig_algorithm", bio);
		san_set(o, x, bio);
		usage_set(o, x);
		ext_usage_set(o, x, bio);
		digests_set(o, cert);
	}
	BIO_free(bio);
	X509_free(x);
}

/* crypto/certinfo.c - see certinfo.h. */
#include "crypto/certinfo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "crypto/x509key_internal.h"

#define NAME_FLAGS                                                                                 \
	((XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC | ASN1_STRFLGS_ESC_QUOTE)

const char *certinfo_name(enum certinfo_field f)
{
	static const char *const names[CERTINFO_FIELDS] = {
		[CERTINFO_SUBJECT] = "subject",
		[CERTINFO_ISSUER] = "issuer",
		[CERTINFO_SERIAL] = "serial",
		[CERTINFO_VERSION] = "version",
		[CERTINFO_NOT_BEFORE] = "not_before",
		[CERTINFO_NOT_AFTER] = "not_after",
		[CERTINFO_SIG_ALGORITHM] = "sig_algorithm",
		[CERTINFO_SAN] = "san",
		[CERTINFO_KEY_USAGE] = "key_usage",
		[CERTINFO_EXT_KEY_USAGE] = "ext_key_usage",
		[CERTINFO_KEY_USAGE_BITS] = "key_usage_bits",
		[CERTINFO_MD5] = "cert_md5",
		[CERTINFO_SHA1] = "cert_sha1",
		[CERTINFO_SHA256] = "cert_sha256",
	};

	return names[f];
}

void certinfo_fini(struct certinfo *c)
{
	for (int i = 0; i < CERTINFO_FIELDS; i++)
		free(c->text[i]);
	*c = (struct certinfo){0};
}

/* --- both kinds ------------------------------------------------------------------------------ */

/* What is empty is not said. */
static int text_set(struct certinfo *c, enum certinfo_field f, const char *p, size_t len)
{
	if (len == 0)
		return 0;
	c->text[f] = strndup(p, len);
	return c->text[f] != NULL ? 0 : -ENOMEM;
}

static int hex_set(struct certinfo *c, enum certinfo_field f, const char *hex)
{
	bool odd = strlen(hex) % 2 != 0;

	return asprintf(&c->text[f], "%s%s", odd ? "0" : "", hex) < 0 ? -ENOMEM : 0;
}

static int time_set(struct certinfo *c, enum certinfo_field f, int64_t at)
{
	time_t t = (time_t)at;
	char text[80];
	struct tm tm;

	if (OPENSSL_gmtime(&t, &tm) == NULL)
		return 0;
	return text_set(c, f, text,
			(size_t)snprintf(text, sizeof(text), "%04ld-%02d-%02dT%02d:%02d:%02dZ",
					 tm.tm_year + 1900L, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
					 tm.tm_min, tm.tm_sec));
}

static int times_set(struct certinfo *c)
{
	int r = c->not_before != CERTINFO_ALWAYS ? time_set(c, CERTINFO_NOT_BEFORE, c->not_before)
						 : 0;

	if (r == 0 && c->not_after != CERTINFO_EVER)
		r = time_set(c, CERTINFO_NOT_AFTER, c->not_after);
	return r;
}

static int digests_set(struct certinfo *c, const uint8_t *p, size_t len)
{
	static const enum hash_alg algs[] = {HASH_MD5, HASH_SHA1, HASH_SHA256};
	char text[HASH_PAIRS_MAX];
	int r = 0;

	/* One that is not there (FIPS has no MD5) is not said. */
	for (int i = 0; r == 0 && i < 3; i++)
		if (hash_pairs(algs[i], p, len, text) == 0)
			r = text_set(c, CERTINFO_MD5 + i, text, strlen(text));
	return r;
}

/* Names may hold what a terminal would act on, or what ends a line of a log. */
static void tame(char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

/* --- X.509 ----------------------------------------------------------------------------------- */

/* Takes what was written, and leaves bio empty. */
static int bio_set(struct certinfo *c, enum certinfo_field f, BIO *bio)
{
	char *p;
	long len = BIO_get_mem_data(bio, &p);
	int r = text_set(c, f, p, len > 0 ? (size_t)len : 0);

	tame(c->text[f]); /* OpenSSL leaves the line ends of alternative names as they are */
	(void)BIO_reset(bio);
	return r;
}

static int serial_set(struct certinfo *c, const X509 *x)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = bn == NULL ? NULL : BN_bn2hex(bn);
	int r = hex != NULL ? hex_set(c, CERTINFO_SERIAL, hex) : -ENOMEM;

	OPENSSL_free(hex);
	BN_free(bn);
	return r;
}

static int names_set(struct certinfo *c, const X509 *x, BIO *bio)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int r;

	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		if (i > 0)
			BIO_puts(bio, ",");
		GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(list, i));
	}
	GENERAL_NAMES_free(list);
	r = bio_set(c, CERTINFO_SAN, bio);
	if (r < 0)
		return r;
	X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, NAME_FLAGS);
	r = bio_set(c, CERTINFO_SUBJECT, bio);
	if (r < 0)
		return r;
	X509_NAME_print_ex(bio, X509_get_issuer_name(x), 0, NAME_FLAGS);
	return bio_set(c, CERTINFO_ISSUER, bio);
}

/* The bits in the order of RFC 5280 section 4.2.1.3, the first the highest. */
static int usage_set(struct certinfo *c, X509 *x, BIO *bio)
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
	bool some = false;
	int r;

	if (bits == UINT32_MAX) /* it does not say */
		return 0;
	for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++)
		if ((bits & usages[i].flag) != 0) {
			BIO_printf(bio, "%s%s", some ? "," : "", usages[i].name);
			some = true;
		}
	r = bio_set(c, CERTINFO_KEY_USAGE, bio);
	if (r < 0)
		return r;
	BIO_printf(bio, "%" PRIu32, bits);
	return bio_set(c, CERTINFO_KEY_USAGE_BITS, bio);
}

static int ext_usage_set(struct certinfo *c, const X509 *x, BIO *bio)
{
	EXTENDED_KEY_USAGE *list = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	char oid[128];

	for (int i = 0; i < sk_ASN1_OBJECT_num(list); i++)
		if (OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(list, i), 1) > 0)
			BIO_printf(bio, "%s%s", i > 0 ? "," : "", oid);
	sk_ASN1_OBJECT_pop_free(list, ASN1_OBJECT_free);
	return bio_set(c, CERTINFO_EXT_KEY_USAGE, bio);
}

/* What cannot be read as a time is no bound that could be kept: nothing is within it. */
static int64_t seconds_of(const ASN1_TIME *t, int64_t otherwise)
{
	ASN1_TIME *zero = ASN1_TIME_set(NULL, 0);
	int days, seconds;
	bool ok = zero != NULL && ASN1_TIME_diff(&days, &seconds, zero, t) == 1;

	ASN1_TIME_free(zero);
	return ok ? (int64_t)days * 86400 + seconds : otherwise;
}

static int x509_fields(struct certinfo *c, X509 *x, BIO *bio)
{
	int r;

	c->not_before = seconds_of(X509_get0_notBefore(x), CERTINFO_EVER);
	c->not_after = seconds_of(X509_get0_notAfter(x), CERTINFO_ALWAYS);
	r = names_set(c, x, bio);
	if (r == 0)
		r = serial_set(c, x);
	if (r == 0)
		r = times_set(c);
	if (r == 0)
		r = usage_set(c, x, bio);
	if (r == 0)
		r = ext_usage_set(c, x, bio);
	if (r < 0)
		return r;
	BIO_printf(bio, "V%ld", X509_get_version(x) + 1);
	r = bio_set(c, CERTINFO_VERSION, bio);
	if (r < 0)
		return r;
	i2a_ASN1_OBJECT(bio, X509_get0_tbs_sigalg(x)->algorithm);
	return bio_set(c, CERTINFO_SIG_ALGORITHM, bio);
}

int certinfo_x509(const uint8_t *der, size_t len, struct certinfo *ret)
{
	const unsigned char *p = der;
	X509 *x = d2i_X509(NULL, &p, (long)len);
	BIO *bio = BIO_new(BIO_s_mem());
	struct certinfo c = {0};
	int r = x == NULL || p != der + len ? -EBADMSG : bio == NULL ? -ENOMEM : 0;

	if (r == 0)
		r = x509_fields(&c, x, bio);
	if (r == 0)
		r = digests_set(&c, der, len);
	BIO_free(bio);
	X509_free(x);
	ERR_clear_error();
	if (r < 0)
		certinfo_fini(&c);
	else
		*ret = c;
	return r;
}

/* --- OpenSSH's ------------------------------------------------------------------------------- */

static int principals_set(struct certinfo *c, const struct cert *cert)
{
	char *list = NULL;
	size_t len;
	FILE *f = open_memstream(&list, &len);

	if (f == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < cert->n_principals; i++)
		fprintf(f, "%s%s", i > 0 ? "," : "", cert->principals[i]);
	if (fclose(f) != 0) {
		free(list);
		return -ENOMEM;
	}
	c->text[CERTINFO_SAN] = list;
	return 0;
}

static int64_t clamp(uint64_t at)
{
	return at < INT64_MAX ? (int64_t)at : INT64_MAX;
}

static int ssh_fields(struct certinfo *c, const struct key *k)
{
	const struct cert *cert = key_cert(k);
	char text[256];
	size_t len;
	const uint8_t *blob = key_blob(k, &len);
	int r;

	c->not_before = cert->valid_after == 0 ? CERTINFO_ALWAYS : clamp(cert->valid_after);
	c->not_after = clamp(cert->valid_before);
	r = times_set(c);
	if (r == 0)
		r = text_set(c, CERTINFO_SUBJECT, cert->key_id, strlen(cert->key_id));
	if (r == 0)
		r = principals_set(c, cert);
	if (r == 0)
		r = text_set(c, CERTINFO_SIG_ALGORITHM, cert->ca_sig_alg, strlen(cert->ca_sig_alg));
	if (r == 0)
		r = key_fingerprint(cert->ca, text, sizeof(text));
	if (r == 0)
		r = text_set(c, CERTINFO_ISSUER, text, strlen(text));
	snprintf(text, sizeof(text), "%" PRIX64, cert->serial);
	if (r == 0)
		r = hex_set(c, CERTINFO_SERIAL, text);
	if (r == 0)
		r = digests_set(c, blob, len);
	tame(c->text[CERTINFO_SUBJECT]);
	tame(c->text[CERTINFO_SAN]);
	return r;
}

static int of_chain(const struct x509key *x, struct certinfo *ret)
{
	unsigned char *der = NULL;
	int len = i2d_X509(sk_X509_value(x->chain, 0), &der);
	int r = len > 0 ? certinfo_x509(der, (size_t)len, ret) : -ENOMEM;

	OPENSSL_free(der);
	return r;
}

int certinfo_key(const struct key *k, struct certinfo *ret)
{
	struct certinfo c = {0};
	int r;

	if (key_x509(k) != NULL)
		return of_chain(key_x509(k), ret);
	if (key_cert(k) == NULL)
		return -ENOENT;
	r = ssh_fields(&c, k);
	if (r < 0)
		certinfo_fini(&c);
	else
		*ret = c;
	return r;
}

/* crypto/keyfile/certs.c - X.509 certificates beside keys. */
#include "crypto/keyfile/certs.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>

#include "crypto/hash.h"
#include "crypto/keyfile/asn1.h"

#define NAME_MAX_LEN 4096

/* --- collecting ------------------------------------------------------------------------- */

static int der_keep(struct kf_ctx *c, const uint8_t *der, size_t len)
{
	struct keyfile *kf = c->kf;

	if (kf->n_certs == KEYFILE_CERTS_MAX)
		return kf_fail(c, -ENOTSUP, "more than %d certificates", KEYFILE_CERTS_MAX);
	kf->cert[kf->n_certs].der = malloc(len);
	if (kf->cert[kf->n_certs].der == NULL)
		return -ENOMEM;
	memcpy(kf->cert[kf->n_certs].der, der, len);
	kf->cert[kf->n_certs++].len = len;
	return 0;
}

int certs_add(struct kf_ctx *c, const X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der), r;

	if (len <= 0)
		return -EIO;
	r = len > CERT_MAX ? -ENOTSUP : der_keep(c, der, (size_t)len);
	OPENSSL_free(der);
	return r;
}

static X509 *x509_of(struct blob_str der)
{
	const unsigned char *p = der.p;
	X509 *x = der.len > CERT_MAX ? NULL : d2i_X509(NULL, &p, (long)der.len);

	ERR_clear_error();
	return x;
}

/* A trusted certificate has more behind it, which is left out. */
int certs_add_der(struct kf_ctx *c, struct blob_str der)
{
	X509 *x = x509_of(der);
	int r;

	if (x == NULL)
		return -EBADMSG;
	r = certs_add(c, x);
	X509_free(x);
	if (c->kf->key == NULL)
		c->kf->format = KEYFILE_X509;
	return r;
}

int certs_add_pkcs7(struct kf_ctx *c, struct blob_str der)
{
	const unsigned char *p = der.p;
	PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)der.len);
	STACK_OF(X509) *list = NULL;
	int r = -EBADMSG;

	ERR_clear_error();
	if (p7 != NULL && PKCS7_type_is_signed(p7) && p7->d.sign != NULL)
		list = p7->d.sign->cert;
	for (int i = 0; i < sk_X509_num(list); i++) {
		r = certs_add(c, sk_X509_value(list, i));
		if (r < 0)
			break;
	}
	PKCS7_free(p7);
	if (c->kf->key == NULL)
		c->kf->format = KEYFILE_P7B;
	return r;
}

/* --- choosing --------------------------------------------------------------------------- */

static bool wants(const char *s)
{
	return s != NULL && *s != '\0' && strcmp(s, "*") != 0;
}

bool certs_asked(const struct kf_ctx *c)
{
	return wants(c->o->subject) || wants(c->o->thumbprint);
}

/*
 * "CN=a, O=b": the most particular first, or as it stands in the certificate; a comma in a value
 * behind a backslash, or all of it in quotes.
 */
static char *name_text(const X509 *x, unsigned long writing)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p, *copy = NULL;
	long len;

	if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(x), 0,
					      ASN1_STRFLGS_RFC2253 | XN_FLAG_SEP_CPLUS_SPC |
						      XN_FLAG_FN_SN | writing) >= 0) {
		len = BIO_get_mem_data(bio, &p);
		if (len >= 0 && len <= NAME_MAX_LEN)
			copy = strndup(p, (size_t)len);
	}
	BIO_free(bio);
	return copy;
}

/* Names are the same however blanks stand about their commas. */
static void squeeze(char *s)
{
	char *out = s, last = ',';

	for (; *s != '\0'; s++)
		if (*s != ' ' || (last != ',' && s[1] != ','))
			last = *out++ = *s;
	*out = '\0';
}

enum match { MATCH_NONE, MATCH_PART, MATCH_WHOLE };

static enum match name_match(const X509 *x, unsigned long writing, const char *subject)
{
	char *have = name_text(x, writing), *want = strdup(subject);
	enum match m = MATCH_NONE;

	if (have != NULL && want != NULL) {
		squeeze(have);
		squeeze(want);
		if (strcasecmp(have, want) == 0)
			m = MATCH_WHOLE;
		else if (strcasestr(have, want) != NULL)
			m = MATCH_PART;
	}
	free(have);
	free(want);
	return m;
}

static enum match subject_match(const X509 *x, const char *subject)
{
	static const unsigned long writings[] = {0, XN_FLAG_DN_REV, ASN1_STRFLGS_ESC_QUOTE,
						 XN_FLAG_DN_REV | ASN1_STRFLGS_ESC_QUOTE};
	enum match best = MATCH_NONE;

	for (size_t i = 0; i < sizeof(writings) / sizeof(writings[0]); i++) {
		enum match m = name_match(x, writings[i], subject);

		best = m > best ? m : best;
	}
	return best;
}

static bool thumbprint_is(const struct keyfile_cert *cert, const char *text)
{
	static const enum hash_alg algs[] = {HASH_MD5, HASH_SHA1, HASH_SHA256};
	struct hash_piece piece = {cert->der, cert->len};
	uint8_t want[HASH_LEN_MAX], have[HASH_LEN_MAX];
	char hex[2 * HASH_LEN_MAX + 1];
	size_t n = 0, len = 0;

	for (; *text != '\0'; text++)
		if (*text != ':' && *text != ' ') {
			if (n == sizeof(hex) - 1)
				return false;
			hex[n++] = *text;
		}
	if (kf_hex((struct blob_str){(const uint8_t *)hex, n}, want, sizeof(want), &len) < 0)
		return false;
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (hash_len(algs[i]) == len && hash_digest(algs[i], &piece, 1, have) == 0 &&
		    memcmp(have, want, len) == 0)
			return true;
	return false;
}

static enum match cert_match(const struct kf_ctx *c, const struct keyfile_cert *cert)
{
	enum match m = MATCH_WHOLE;
	X509 *x;

	if (wants(c->o->thumbprint) && !thumbprint_is(cert, c->o->thumbprint))
		return MATCH_NONE;
	if (!wants(c->o->subject))
		return m;
	x = x509_of((struct blob_str){cert->der, cert->len});
	m = x == NULL ? MATCH_NONE : subject_match(x, c->o->subject);
	X509_free(x);
	return m;
}

int certs_choose(const struct kf_ctx *c)
{
	int part = -ESRCH;

	for (unsigned int i = 0; i < c->kf->n_certs; i++) {
		enum match m = cert_match(c, &c->kf->cert[i]);

		if (m == MATCH_WHOLE)
			return (int)i;
		if (m == MATCH_PART && part < 0)
			part = (int)i;
	}
	return part;
}

int certs_key(const struct keyfile_cert *cert, struct key **ret)
{
	X509 *x = x509_of((struct blob_str){cert->der, cert->len});
	const X509_PUBKEY *pub = x == NULL ? NULL : X509_get_X509_PUBKEY(x);
	unsigned char *der = NULL;
	int len = pub == NULL ? 0 : i2d_X509_PUBKEY(pub, &der);
	int r = -EBADMSG;

	if (len > 0)
		r = asn1_spki((struct blob_str){der, (size_t)len}, ret);
	OPENSSL_free(der);
	X509_free(x);
	ERR_clear_error();
	return r;
}

/* The certificate of this key. */
static int own_cert(const struct keyfile *kf, const struct key *of)
{
	for (unsigned int i = 0; i < kf->n_certs; i++) {
		struct key *k = NULL;
		bool same;

		if (certs_key(&kf->cert[i], &k) < 0)
			continue;
		same = key_equal(k, of);
		key_free(k);
		if (same)
			return (int)i;
	}
	return -ESRCH;
}

static void to_front(struct keyfile *kf, unsigned int i)
{
	struct keyfile_cert first = kf->cert[i];

	memmove(&kf->cert[1], &kf->cert[0], i * sizeof(first));
	kf->cert[0] = first;
}

int certs_settle(struct kf_ctx *c)
{
	struct keyfile *kf = c->kf;
	int at, own;

	if (kf->key == NULL) {
		at = certs_choose(c);
		if (kf->n_certs == 0)
			return -EBADMSG;
		if (at < 0)
			return at;
		to_front(kf, (unsigned int)at);
		return certs_key(&kf->cert[0], &kf->key);
	}
	own = own_cert(kf, kf->key);
	if (own >= 0)
		to_front(kf, (unsigned int)own);
	if (!certs_asked(c))
		return 0;
	return own >= 0 && cert_match(c, &kf->cert[0]) != MATCH_NONE ? 0 : -ESRCH;
}

int keyfile_certs_take(struct keyfile *kf, struct keyfile *from)
{
	int own = own_cert(from, kf->key);

	if (own < 0)
		return own;
	to_front(from, (unsigned int)own);
	for (unsigned int i = 0; i < kf->n_certs; i++)
		free(kf->cert[i].der);
	memcpy(kf->cert, from->cert, sizeof(kf->cert));
	kf->n_certs = from->n_certs;
	from->n_certs = 0;
	return 0;
}

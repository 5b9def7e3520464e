/* crypto/keyfile/pem.c - files of PEM blocks, of one block of DER, and writing them. */
#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto/keyfile/asn1.h"
#include "crypto/keyfile/certs.h"
#include "crypto/keyfile/der.h"
#include "crypto/keyfile/pbe.h"
#include "crypto/secret.h"

#define BEGIN     "-----BEGIN "
#define END       "-----END "
#define DASHES    "-----"
#define PEM_LINE  64
#define LABEL_MAX 64

struct block {
	struct blob_str label, dek_info, body;
};

/* --- handlers of blocks ----------------------------------------------------------------- */

static int traditional(struct kf_ctx *c, asn1_key *parse, struct blob_str der)
{
	c->kf->format = KEYFILE_PEM;
	return der.len > KF_DER_MAX ? -ENOTSUP : parse(der, &c->kf->key);
}

static int rsa_private(struct kf_ctx *c, struct blob_str der)
{
	return traditional(c, asn1_rsa_private, der);
}

static int dsa_private(struct kf_ctx *c, struct blob_str der)
{
	return traditional(c, asn1_dsa_private, der);
}

static int ec_private(struct kf_ctx *c, struct blob_str der)
{
	return traditional(c, asn1_ec_private, der);
}

static int rsa_public(struct kf_ctx *c, struct blob_str der)
{
	return traditional(c, asn1_rsa_public, der);
}

static int spki(struct kf_ctx *c, struct blob_str der)
{
	c->kf->format = KEYFILE_PKCS8;
	return asn1_spki(der, &c->kf->key);
}

static int pkcs8(struct kf_ctx *c, struct blob_str der)
{
	c->kf->format = KEYFILE_PKCS8;
	return der.len > KF_DER_MAX ? -ENOTSUP : asn1_pkcs8(der, &c->kf->key);
}

static int pkcs8_sealed(struct kf_ctx *c, struct blob_str der)
{
	const unsigned char *p = der.p;
	X509_SIG *sig = d2i_X509_SIG(NULL, &p, (long)der.len);
	const ASN1_OCTET_STRING *sealed;
	const X509_ALGOR *alg;
	uint8_t *plain = NULL;
	size_t len = 0;
	int r;

	c->kf->format = KEYFILE_PKCS8;
	ERR_clear_error();
	if (sig == NULL || p != der.p + der.len) {
		X509_SIG_free(sig);
		return -EBADMSG;
	}
	X509_SIG_get0(sig, &alg, &sealed);
	r = pbe_open(c, alg,
		     (struct blob_str){ASN1_STRING_get0_data(sealed),
				       (size_t)ASN1_STRING_length(sealed)},
		     &plain, &len);
	if (r == 0) {
		r = asn1_pkcs8((struct blob_str){plain, len}, &c->kf->key);
		OPENSSL_clear_free(plain, len);
		if (r == -EBADMSG) /* padding that happened to fit */
			r = -EKEYREJECTED;
	}
	X509_SIG_free(sig);
	return r;
}

static const struct {
	const char *label;
	kf_parse *parse;
	bool key; /* a second one is not looked at */
} blocks[] = {
	{"OPENSSH PRIVATE KEY", kf_openssh_parse, true},
	{"PRIVATE KEY", pkcs8, true},
	{"ENCRYPTED PRIVATE KEY", pkcs8_sealed, true},
	{"RSA PRIVATE KEY", rsa_private, true},
	{"EC PRIVATE KEY", ec_private, true},
	{"DSA PRIVATE KEY", dsa_private, true},
	{"PUBLIC KEY", spki, true},
	{"RSA PUBLIC KEY", rsa_public, true},
	{"CERTIFICATE", certs_add_der, false},
	{"X509 CERTIFICATE", certs_add_der, false},
	{"TRUSTED CERTIFICATE", certs_add_der, false},
	{"PKCS7", certs_add_pkcs7, false},
	{"PKCS #7 SIGNED DATA", certs_add_pkcs7, false},
};

/* --- blocks ----------------------------------------------------------------------------- */

static bool label_of(struct blob_str line, const char *mark, struct blob_str *ret)
{
	size_t n = strlen(mark), d = strlen(DASHES);

	line = kf_trim(line);
	if (!kf_starts(line, mark) || line.len < n + d ||
	    memcmp(line.p + line.len - d, DASHES, d) != 0)
		return false;
	*ret = (struct blob_str){line.p + n, line.len - n - d};
	return ret->len <= LABEL_MAX;
}

/* RFC 1421's headers stand before an empty line; anything else is the body's first line. */
static void header_take(struct block *b, struct blob_str line, struct blob_rd *r, bool *bad)
{
	do {
		if (kf_starts(line, "DEK-Info:"))
			b->dek_info = kf_trim((struct blob_str){line.p + 9, line.len - 9});
		if (kf_trim(line).len == 0) {
			b->body.p = r->p;
			return;
		}
	} while (kf_line(r, &line));
	*bad = true;
}

/* The next block. 0, -ENOENT when there is none, -EBADMSG when one does not end. */
static int block_next(struct blob_rd *r, struct block *ret)
{
	struct block b = {0};
	struct blob_str line, end;
	bool bad = false;

	do {
		if (!kf_line(r, &line))
			return -ENOENT;
	} while (!label_of(line, BEGIN, &b.label));
	b.body.p = r->p;
	while (!bad && kf_line(r, &line)) {
		if (line.len > 0 && memchr(line.p, ':', line.len) != NULL && line.p == b.body.p) {
			header_take(&b, line, r, &bad);
		} else if (label_of(line, END, &end)) {
			b.body.len = (size_t)(line.p - b.body.p);
			if (end.len != b.label.len || memcmp(end.p, b.label.p, end.len) != 0)
				return -EBADMSG;
			*ret = b;
			return 0;
		}
	}
	return -EBADMSG;
}

static int block_parse(struct kf_ctx *c, const struct block *b, kf_parse *parse)
{
	size_t len = 0, size = 0;
	uint8_t *der;
	int r;

	r = kf_base64(b->body, &der, &len, &size);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	if (b->dek_info.len > 0)
		r = pbe_pem_open(c, b->dek_info, der, &len);
	if (r == 0)
		r = parse(c, (struct blob_str){der, len});
	if (r == -EBADMSG && b->dek_info.len > 0) /* padding that happened to fit */
		r = -EKEYREJECTED;
	secret_free(der, size);
	return r;
}

int kf_pem_parse(struct kf_ctx *c, struct blob_str s)
{
	struct blob_rd rd = blob_rd_init(s.p, s.len);
	struct block b;
	int r;

	while ((r = block_next(&rd, &b)) == 0)
		for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
			if (!blob_str_is(b.label, blocks[i].label) ||
			    (blocks[i].key && c->kf->key != NULL))
				continue;
			r = block_parse(c, &b, blocks[i].parse);
			if (r < 0)
				return r;
		}
	return r == -ENOENT ? certs_settle(c) : r;
}

/* --- DER -------------------------------------------------------------------------------- */

/* Which it is shows when it is tried: each of these wants a shape that no other has. */
int kf_der_parse(struct kf_ctx *c, struct blob_str s)
{
	static kf_parse *const forms[] = {certs_add_der, pkcs8,          pkcs8_sealed, rsa_private,
					  dsa_private,   ec_private,     spki,         rsa_public,
					  kf_pfx_parse,  certs_add_pkcs7};
	/* The Bouncy Castle key store: a PBES2 one level deeper than in PKCS#8. */
	static const uint8_t pbes2[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					0xf7, 0x0d, 0x01, 0x05, 0x0d};
	struct blob_rd r = blob_rd_init(s.p, s.len);
	int err = -EBADMSG;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && err == -EBADMSG; i++)
		err = forms[i](c, s);
	if (err == 0)
		return certs_settle(c);
	for (int i = 0; i < 3; i++)
		r = der_enter(&r, DER_SEQUENCE);
	if (err == -EBADMSG && !r.bad && (size_t)(r.end - r.p) > sizeof(pbes2) &&
	    memcmp(r.p, pbes2, sizeof(pbes2)) == 0)
		return kf_fail(c, -EMEDIUMTYPE,
			       "a BCFKS key store: convert it to PKCS#12 (keytool -importkeystore "
			       "-deststoretype PKCS12)");
	return err;
}

/* --- writing ---------------------------------------------------------------------------- */

static bool encrypts(const struct keyfile_out *o)
{
	return o->passphrase != NULL && *o->passphrase != '\0';
}

int kf_pem_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	uint8_t *der = secret_new(KF_DER_MAX);
	struct blob_wr inner = blob_wr_init(der, KF_DER_MAX - EVP_MAX_BLOCK_LENGTH);
	uint8_t head[128];
	struct blob_wr headers = blob_wr_init(head, sizeof(head));
	const char *label = NULL;
	int r;

	if (der == NULL)
		return -ENOMEM;
	r = asn1_traditional_build(kf->key, &inner, &label);
	if (r == 0 && inner.bad)
		r = -ENOTSUP;
	if (r == 0 && encrypts(o))
		r = pbe_pem_close(o->passphrase, der, &inner.len, &headers);
	if (r == 0) {
		kf_printf(w, BEGIN "%s" DASHES "\n", label);
		blob_wr_put(w, headers.p, headers.len);
		kf_put_base64(w, der, inner.len, PEM_LINE);
		kf_printf(w, END "%s" DASHES "\n", label);
	}
	secret_free(der, KF_DER_MAX);
	return r;
}

int kf_pkcs8_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	uint8_t *der = secret_new(KF_DER_MAX), *sealed = secret_new(KF_DER_MAX);
	struct blob_wr inner = blob_wr_init(der, KF_DER_MAX);
	struct blob_wr outer = blob_wr_init(sealed, KF_DER_MAX);
	int r = -ENOMEM;

	if (der != NULL && sealed != NULL)
		r = asn1_pkcs8_build(kf->key, &inner);
	if (r == 0 && encrypts(o)) {
		r = pbe_close((struct blob_str){inner.p, inner.len}, o->passphrase, o->rounds,
			      &outer);
		if (r == 0 && outer.bad)
			r = -ENOTSUP;
		if (r == 0)
			kf_put_pem(w, "ENCRYPTED PRIVATE KEY", outer.p, outer.len, PEM_LINE);
	} else if (r == 0) {
		kf_put_pem(w, "PRIVATE KEY", inner.p, inner.len, PEM_LINE);
	}
	secret_free(der, KF_DER_MAX);
	secret_free(sealed, KF_DER_MAX);
	return r;
}

int kf_spki_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	unsigned char *der = NULL;
	int len;

	(void)o;
	if (kf->key->pkey == NULL)
		return -ENOTSUP;
	len = i2d_PUBKEY(kf->key->pkey, &der);
	if (len <= 0)
		return -EIO;
	kf_put_pem(w, "PUBLIC KEY", der, (size_t)len, PEM_LINE);
	OPENSSL_free(der);
	return 0;
}

/* PKCS#1 for RSA, as ssh-keygen -m PEM; other types have no such form. */
int kf_pkcs1_public_build(const struct keyfile *kf, const struct keyfile_out *o, struct blob_wr *w)
{
	struct blob_rd blob = blob_rd_init(kf->key->blob, kf->key->blob_len);
	uint8_t der[KEY_BLOB_MAX];
	struct blob_wr inner = blob_wr_init(der, sizeof(der));
	struct blob_str e, n;

	if (!blob_str_is(blob_rd_str(&blob), "ssh-rsa"))
		return kf_spki_build(kf, o, w);
	e = blob_rd_positive(&blob);
	n = blob_rd_positive(&blob);
	der_put_positive(&inner, n);
	der_put_positive(&inner, e);
	der_wrap(&inner, 0, DER_SEQUENCE);
	if (inner.bad)
		return -ENOTSUP;
	kf_put_pem(w, "RSA PUBLIC KEY", inner.p, inner.len, PEM_LINE);
	return 0;
}

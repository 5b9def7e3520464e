/*
 * crypto/x509key.c - reading keys with X.509 certificates (RFC 6187 section 2.1).
 *
 *   string type, uint32 number, string certificate…, uint32 number, string OCSP response…
 *
 * or, of the old types, one certificate and nothing else.
 */
#include "crypto/x509key.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/key_internal.h"
#include "crypto/x509key_internal.h"

#define SUBJECT_MAX 1024

/* RFC 6187's name of a type's key; RSA has two. */
static const struct {
	const char *name;
	const struct key_type *type;
	enum key_form form;
} forms[] = {
	{"x509v3-ecdsa-sha2-nistp256", &key_type_ecdsa_p256, KEY_X509},
	{"x509v3-ecdsa-sha2-nistp384", &key_type_ecdsa_p384, KEY_X509},
	{"x509v3-ecdsa-sha2-nistp521", &key_type_ecdsa_p521, KEY_X509},
	{"x509v3-rsa2048-sha256", &key_type_rsa, KEY_X509},
	{"x509v3-ssh-rsa", &key_type_rsa, KEY_X509},
	{"x509v3-ssh-dss", &key_type_dss, KEY_X509},
	{"x509v3-sign-rsa", &key_type_rsa, KEY_X509_BARE},
	{"x509v3-sign-dss", &key_type_dss, KEY_X509_BARE},
};
#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

void x509key_free(struct x509key *x)
{
	if (x == NULL)
		return;
	for (unsigned int i = 0; i < x->n_names; i++)
		free(x->names[i]);
	free(x->subject);
	free(x->issuer);
	sk_X509_pop_free(x->chain, X509_free);
	free(x);
}

/* --- names ---------------------------------------------------------------------------------- */

/* Takes the text of one of ASN.1's string types. What holds a NUL names nobody. */
static int name_add(struct x509key *x, const ASN1_STRING *s)
{
	unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, s), r = 0;

	if (len <= 0 || memchr(utf8, '\0', (size_t)len) != NULL) {
		OPENSSL_free(utf8);
		return 0;
	}
	if (x->n_names < X509KEY_NAMES_MAX) {
		x->names[x->n_names] = strndup((char *)utf8, (size_t)len);
		r = x->names[x->n_names] != NULL ? 0 : -ENOMEM;
		x->n_names += r == 0;
	}
	OPENSSL_free(utf8);
	return r;
}

static int common_names(struct x509key *x, X509_NAME *subject)
{
	int r = 0;

	for (int at = -1; r == 0;) {
		at = X509_NAME_get_index_by_NID(subject, NID_commonName, at);
		if (at < 0)
			break;
		r = name_add(x, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	}
	return r;
}

static int alternative_name(struct x509key *x, const GENERAL_NAME *g)
{
	switch (g->type) {
	case GEN_EMAIL:
		return name_add(x, g->d.rfc822Name);
	case GEN_DNS:
		return name_add(x, g->d.dNSName);
	case GEN_OTHERNAME:
		if (OBJ_obj2nid(g->d.otherName->type_id) == NID_ms_upn &&
		    g->d.otherName->value->type == V_ASN1_UTF8STRING)
			return name_add(x, g->d.otherName->value->value.utf8string);
		return 0;
	default:
		return 0;
	}
}

static int names_take(struct x509key *x, X509 *leaf)
{
	GENERAL_NAMES *alt = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int r = common_names(x, X509_get_subject_name(leaf));

	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(alt); i++)
		r = alternative_name(x, sk_GENERAL_NAME_value(alt, i));
	GENERAL_NAMES_free(alt);
	return r;
}

/* RFC 2253, cut where it is too long to be said. */
static char *name_text(const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	size_t len;
	char *p;

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		len = (size_t)BIO_get_mem_data(bio, &p);
		text = strndup(p, len < SUBJECT_MAX ? len : SUBJECT_MAX);
	}
	BIO_free(bio);
	return text;
}

/* --- parsing ---------------------------------------------------------------------------------- */

/* One certificate, to its last byte. */
static int chain_add(struct x509key *x, struct blob_str der)
{
	const unsigned char *p = der.p;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);

	if (cert == NULL)
		return -EBADMSG;
	if (p != der.p + der.len || sk_X509_push(x->chain, cert) == 0) {
		X509_free(cert);
		return -EBADMSG;
	}
	return 0;
}

static int chain_parse(struct x509key *x, struct blob_rd *r)
{
	uint32_t n = blob_rd_u32(r), n_ocsp;
	int err = n == 0 || n > X509KEY_CHAIN_MAX ? -EBADMSG : 0;

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		struct blob_str der = blob_rd_str(r);

		err = r->bad ? -EBADMSG : chain_add(x, der);
	}
	if (err < 0)
		return err;
	n_ocsp = blob_rd_u32(r);
	/* "0..certificate-count" of them. */
	if (n_ocsp > n)
		return -EBADMSG;
	for (uint32_t i = 0; i < n_ocsp; i++)
		blob_rd_str(r);
	return blob_rd_done(r) ? 0 : -EBADMSG;
}

/* The bare key of the first certificate, by the way every key goes: with its bounds. */
static int plain_of(const struct key_type *type, X509 *leaf, struct key **ret)
{
	EVP_PKEY *pkey = X509_get0_pubkey(leaf);
	uint8_t blob[KEY_BLOB_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	int r;

	if (pkey == NULL || !type->is(type, pkey))
		return -EBADMSG;
	r = type->public_build(type, pkey, &w);
	if (r == 0 && w.bad)
		r = -ENOTSUP;
	return r < 0 ? r : key_blob_parse(blob, w.len, ret);
}

/* What the first certificate says, once all are read. */
static int leaf_take(struct key *k)
{
	X509 *leaf = sk_X509_value(k->x509->chain, 0);
	int r = plain_of(k->type, leaf, &k->plain);

	if (r == 0)
		r = names_take(k->x509, leaf);
	if (r < 0)
		return r;
	k->x509->subject = name_text(X509_get_subject_name(leaf));
	k->x509->issuer = name_text(X509_get_issuer_name(leaf));
	if (k->x509->subject == NULL || k->x509->issuer == NULL)
		return -ENOMEM;
	if (EVP_PKEY_up_ref(k->plain->pkey) != 1)
		return -EIO;
	k->pkey = k->plain->pkey;
	return 0;
}

static int parse_as(size_t form, const uint8_t *blob, size_t len, struct key **ret)
{
	struct key *k = key_new(forms[form].type, blob, len);
	struct blob_rd r = blob_rd_init(blob, len);
	int err = -ENOMEM;

	if (k == NULL)
		return -ENOMEM;
	k->form = forms[form].form;
	k->x509 = calloc(1, sizeof(*k->x509));
	if (k->x509 != NULL)
		k->x509->chain = sk_X509_new_null();
	if (k->x509 != NULL && k->x509->chain != NULL) {
		k->x509->type = forms[form].name;
		if (k->form == KEY_X509_BARE)
			err = chain_add(k->x509, (struct blob_str){blob, len});
		else
			err = blob_rd_str(&r).len > 0 ? chain_parse(k->x509, &r) : -EBADMSG;
	}
	if (err == 0)
		err = leaf_take(k);
	ERR_clear_error();
	if (err < 0) {
		key_free(k);
		return err;
	}
	*ret = k;
	return 0;
}

int key_x509_parse(const char *name, const uint8_t *blob, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(blob, len);

	if (len > KEY_BLOB_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < N_FORMS; i++) {
		if (strcmp(forms[i].name, name) != 0)
			continue;
		if (forms[i].form == KEY_X509 && !blob_str_is(blob_rd_str(&r), name))
			return -EBADMSG;
		return parse_as(i, blob, len, ret);
	}
	return -ENOTSUP;
}

int key_x509_parse_any(const uint8_t *blob, size_t len, struct key **ret)
{
	struct blob_rd r = blob_rd_init(blob, len);
	struct blob_str name = blob_rd_str(&r);
	int err = -ENOTSUP;

	for (size_t i = 0; i < N_FORMS; i++)
		if (forms[i].form == KEY_X509 && blob_str_is(name, forms[i].name))
			return key_x509_parse(forms[i].name, blob, len, ret);
	/* A DER sequence cannot be the beginning of an SSH string: it would be longer than any
	 * blob. */
	if (len > 0 && blob[0] == 0x30) {
		err = key_x509_parse("x509v3-sign-rsa", blob, len, ret);
		if (err < 0 && err != -ENOMEM)
			err = key_x509_parse("x509v3-sign-dss", blob, len, ret);
	}
	return err;
}

bool key_x509_is_bare(const char *name)
{
	for (size_t i = 0; i < N_FORMS; i++)
		if (strcmp(forms[i].name, name) == 0)
			return forms[i].form == KEY_X509_BARE;
	return false;
}

bool key_x509_is(struct blob_str name, const uint8_t *blob, size_t len)
{
	for (size_t i = 0; i < N_FORMS; i++)
		if (forms[i].form == KEY_X509 && blob_str_is(name, forms[i].name))
			return true;
	return len > 0 && blob[0] == 0x30;
}

/* --- what is known of one ------------------------------------------------------------------------
 */

const char *key_x509_type(const struct key *k)
{
	return k->x509->type;
}

const struct x509key *key_x509(const struct key *k)
{
	return k->x509;
}

const char *x509key_name(const struct x509key *x, unsigned int i)
{
	return i < x->n_names ? x->names[i] : NULL;
}

const char *x509key_subject(const struct x509key *x)
{
	return x->subject;
}

const char *x509key_issuer(const struct x509key *x)
{
	return x->issuer;
}

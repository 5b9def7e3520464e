/* crypto/x509_trust.c - whether to believe an X.509 chain (RFC 5280 section 6, RFC 6187
 * section 2.2). */
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/key_internal.h"
#include "crypto/x509key_internal.h"

#define DEPTH_MAX     X509KEY_CHAIN_MAX
#define OID_ANY_USAGE "2.5.29.37.0"
#define OID_CLIENT    "1.3.6.1.5.5.7.3.21" /* id-kp-secureShellClient */
#define OID_SERVER    "1.3.6.1.5.5.7.3.22"

struct x509_trust {
	X509_STORE *store;
	bool crls;
};

void x509_trust_free(struct x509_trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	free(t);
}

/* Was that the end of the text, and not something damaged? */
static bool pem_ended(void)
{
	unsigned long e = ERR_peek_last_error();
	bool ended = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return ended;
}

static int anchors_add(X509_STORE *store, const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	unsigned int n = 0;
	X509 *x;
	int r = 0;

	if (bio == NULL)
		return -ENOMEM;
	while (r == 0 && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		/* An anchor that may not sign certificates would be an end entity's own. */
		if (X509_check_ca(x) <= 0)
			r = -EBADMSG;
		else if (X509_STORE_add_cert(store, x) != 1)
			r = -ENOMEM;
		X509_free(x);
		n++;
	}
	if (r == 0 && (!pem_ended() || n == 0))
		r = -EBADMSG;
	BIO_free(bio);
	return r;
}

static int crls_add(X509_STORE *store, const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	X509_CRL *crl;
	int r = 0;

	if (bio == NULL)
		return -ENOMEM;
	while (r == 0 && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		r = X509_STORE_add_crl(store, crl) == 1 ? 0 : -ENOMEM;
		X509_CRL_free(crl);
	}
	if (r == 0 && !pem_ended())
		r = -EBADMSG;
	BIO_free(bio);
	return r;
}

int x509_trust_new(const char *anchors, size_t len, const char *crls, size_t crls_len,
		   struct x509_trust **ret)
{
	struct x509_trust *t;
	int r;

	if (len > X509_FILE_MAX || crls_len > X509_FILE_MAX)
		return -EFBIG;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->store = X509_STORE_new();
	t->crls = crls != NULL;
	r = t->store != NULL ? anchors_add(t->store, anchors, len) : -ENOMEM;
	if (r == 0 && crls != NULL)
		r = crls_add(t->store, crls, crls_len);
	ERR_clear_error();
	if (r < 0) {
		x509_trust_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* "If the ExtendedKeyUsage extension is present", one of the two it may be for must be in it. */
static bool purpose_ok(X509 *leaf, enum x509_role role)
{
	EXTENDED_KEY_USAGE *eku;
	int critical = -1;
	bool ok = false;

	eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, &critical, NULL);
	if (eku == NULL)
		return critical == -1; /* absent; else it is damaged or there twice */
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku) && !ok; i++) {
		char oid[80] = "";

		OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(eku, i), 1);
		ok = strcmp(oid, OID_ANY_USAGE) == 0 ||
		     strcmp(oid, role == X509_USER ? OID_CLIENT : OID_SERVER) == 0;
	}
	EXTENDED_KEY_USAGE_free(eku);
	return ok;
}

/* UINT32_MAX without the extension, 0 when it cannot be read. */
static bool may_sign(X509 *leaf)
{
	return (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0;
}

bool x509key_may(const struct x509key *x, enum x509_role role, const char **ret_why)
{
	X509 *leaf = sk_X509_value(x->chain, 0);

	if (!may_sign(leaf))
		*ret_why = "key usage does not allow digital signatures";
	else if (!purpose_ok(leaf, role))
		*ret_why = "extended key usage does not allow this role in SSH";
	else
		return true;
	return false;
}

/* False: they are not in force, lists of the revoked not either. */
static bool rules_set(X509_VERIFY_PARAM *param, const struct x509_trust *t, uint64_t now)
{
	unsigned long flags = X509_V_FLAG_X509_STRICT;

	if (t->crls)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, 1); /* no MD5, no SHA-1 */
	return X509_VERIFY_PARAM_set_flags(param, flags) == 1;
}

static int chain_check(const struct x509_trust *t, const struct x509key *x, uint64_t now,
		       const char **ret_why)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int r = -ENOMEM;

	*ret_why = "out of memory";
	if (ctx != NULL &&
	    X509_STORE_CTX_init(ctx, t->store, sk_X509_value(x->chain, 0), x->chain) == 1 &&
	    rules_set(X509_STORE_CTX_get0_param(ctx), t, now)) {
		/* 1 is the only yes; what an error leaves in the context is only its name. */
		if (X509_verify_cert(ctx) == 1) {
			r = 0;
		} else {
			r = -EACCES;
			*ret_why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
		}
	}
	X509_STORE_CTX_free(ctx);
	return r;
}

int x509_trust_check(const struct x509_trust *t, const struct key *k, enum x509_role role,
		     uint64_t now, uint64_t *ret_expires, const char **ret_why)
{
	struct tm tm;
	X509 *leaf;
	int r;

	*ret_why = "not an X.509 key";
	if (k->x509 == NULL)
		return -EACCES;
	leaf = sk_X509_value(k->x509->chain, 0);
	r = chain_check(t, k->x509, now, ret_why);
	if (r == 0 && !x509key_may(k->x509, role, ret_why))
		r = -EACCES;
	if (r == 0 && ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1) {
		*ret_why = "end of validity cannot be read";
		r = -EACCES;
	}
	ERR_clear_error();
	if (r == 0)
		*ret_expires = (uint64_t)timegm(&tm);
	return r;
}

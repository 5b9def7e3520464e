/*
 * crypto/x509_host.c - X.509 certificates of hosts: what a server shows, and whose they are.
 *
 * Source  RFC 6187 section 2.1, RFC 5280 section 4.2.1.6, RFC 6125 section 6.4.
 */
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/key_internal.h"
#include "crypto/keyfile.h"
#include "crypto/x509key_internal.h"

/* --- whose it is ------------------------------------------------------------------------ */

bool x509key_names_host(const struct x509key *x, const char *host)
{
	X509 *leaf = sk_X509_value(x->chain, 0);
	ASN1_OCTET_STRING *addr = a2i_IPADDRESS(host);
	bool yes;

	/* An address is compared with addresses, never with a name that looks like one. */
	if (addr != NULL)
		yes = X509_check_ip_asc(leaf, host, 0) == 1;
	else
		yes = *host != '\0' && *host != '.' &&
		      X509_check_host(leaf, host, 0,
				      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
					      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
				      NULL) == 1;
	ASN1_OCTET_STRING_free(addr);
	ERR_clear_error();
	return yes;
}

/* --- what is shown ---------------------------------------------------------------------- */

static STACK_OF(X509) * certs_read(const struct keyfile_cert *cert, unsigned int n)
{
	STACK_OF(X509) *list = sk_X509_new_null();

	for (unsigned int i = 0; i < n && list != NULL; i++) {
		const unsigned char *p = cert[i].der;
		X509 *x = d2i_X509(NULL, &p, (long)cert[i].len);

		if (x != NULL && p == cert[i].der + cert[i].len && sk_X509_push(list, x) != 0)
			continue;
		X509_free(x);
		sk_X509_pop_free(list, X509_free);
		return NULL;
	}
	return list;
}

static X509 *own_of(STACK_OF(X509) * list, const struct key *plain)
{
	for (int i = 0; i < sk_X509_num(list); i++) {
		const EVP_PKEY *pkey = X509_get0_pubkey(sk_X509_value(list, i));

		if (pkey != NULL && EVP_PKEY_eq(pkey, plain->pkey) == 1)
			return sk_X509_value(list, i);
	}
	return NULL;
}

static bool is_root(X509 *x)
{
	return X509_check_issued(x, x) == X509_V_OK;
}

/* NULL: it is not among them. */
static X509 *issuer_of(STACK_OF(X509) * list, X509 *x)
{
	for (int i = 0; i < sk_X509_num(list); i++) {
		X509 *candidate = sk_X509_value(list, i);

		if (candidate != x && X509_check_issued(candidate, x) == X509_V_OK)
			return candidate;
	}
	return NULL;
}

/*
 * From x upwards. A root is who does not believe in it already has no reason to (RFC 6187: it "MAY
 * be omitted"); alone, it is what there is. How many; 0: more than are taken, or a ring of them.
 */
static unsigned int path_of(STACK_OF(X509) * list, X509 *x, X509 *ret[X509KEY_CHAIN_MAX])
{
	unsigned int n = 0;

	for (; x != NULL && (n == 0 || !is_root(x)); x = is_root(x) ? NULL : issuer_of(list, x)) {
		if (n == X509KEY_CHAIN_MAX)
			return 0;
		ret[n++] = x;
	}
	return n;
}

static void put_der(struct blob_wr *w, X509 *x, bool bare)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	if (len <= 0)
		w->bad = true;
	else if (bare)
		blob_wr_put(w, der, (size_t)len);
	else
		blob_wr_str(w, der, (size_t)len);
	OPENSSL_free(der);
}

static void put_blob(struct blob_wr *w, const char *type, X509 *const *path, unsigned int n)
{
	if (key_x509_is_bare(type)) {
		put_der(w, path[0], true);
		return;
	}
	blob_wr_cstr(w, type);
	blob_wr_u32(w, n);
	for (unsigned int i = 0; i < n; i++)
		put_der(w, path[i], false);
	blob_wr_u32(w, 0); /* OCSP responses */
}

static int make(const char *type, const struct key *plain, STACK_OF(X509) * list, struct key **ret)
{
	X509 *path[X509KEY_CHAIN_MAX], *own = own_of(list, plain);
	uint8_t blob[KEY_BLOB_MAX];
	struct blob_wr w = blob_wr_init(blob, sizeof(blob));
	unsigned int n;

	if (own == NULL)
		return -ENOENT;
	n = path_of(list, own, path);
	if (n > 0)
		put_blob(&w, type, path, n);
	if (n == 0 || w.bad)
		return -ENOTSUP;
	return key_x509_parse(type, blob, w.len, ret);
}

int x509key_make(const char *type, const struct key *plain, const struct keyfile_cert *cert,
		 unsigned int n, struct key **ret)
{
	STACK_OF(X509) * list;
	int r = -EBADMSG;

	if (n > KEYFILE_CERTS_MAX)
		return -ENOTSUP;
	list = certs_read(cert, n);
	if (list != NULL)
		r = make(type, plain, list, ret);
	sk_X509_pop_free(list, X509_free);
	ERR_clear_error();
	return r;
}

/* client/known/x509.c - hosts that X.509 certificates speak for. Source RFC 6187, RFC 5280. */
#include <errno.h>
#include <stdlib.h>

#include "client/known/file.h"
#include "client/known/scan.h"
#include "crypto/x509key.h"

static int trust_read(const struct known_conf *c, struct x509_trust **ret, const char **ret_file)
{
	char *anchors = NULL, *crls = NULL;
	size_t len = 0, crls_len = 0;
	int r;

	*ret_file = c->anchors;
	r = known_file_read(c->anchors, &anchors, &len);
	if (r == 0 && c->crls != NULL) {
		*ret_file = c->crls;
		r = known_file_read(c->crls, &crls, &crls_len);
	}
	if (r == 0) {
		r = x509_trust_new(anchors, len, crls, crls_len, ret);
		if (c->crls != NULL)
			*ret_file = "X509TrustAnchors or X509RevocationFile";
	}
	free(anchors);
	free(crls);
	return r;
}

int known_x509_believed(const struct known_conf *c, const struct known_host *h,
			const struct key *key, const char **ret_why, const char **ret_file)
{
	struct x509_trust *trust = NULL;
	uint64_t expires;
	int r = trust_read(c, &trust, ret_file);

	if (r < 0)
		return r;
	*ret_file = NULL;
	r = x509_trust_check(trust, key, X509_HOST, h->now, &expires, ret_why);
	x509_trust_free(trust);
	if (r == 0 && !x509key_names_host(key_x509(key), known_host_name(c, h))) {
		*ret_why = "it is made out to another host";
		r = -EACCES;
	}
	if (r == 0)
		*ret_why = NULL;
	return r == 0 ? 1 : r == -EACCES ? 0 : r;
}

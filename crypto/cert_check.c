/* crypto/cert_check.c - whether to believe a certificate (PROTOCOL.certkeys). */
#include <errno.h>
#include <strings.h>

#include "crypto/cert.h"
#include "crypto/key_internal.h"

bool cert_names(const struct cert *c, const char *name)
{
	for (unsigned int i = 0; i < c->n_principals; i++)
		if (strcmp(c->principals[i], name) == 0)
			return true;
	return false;
}

bool cert_names_host(const struct cert *c, const char *host)
{
	for (unsigned int i = 0; i < c->n_principals; i++)
		if (strcasecmp(c->principals[i], host) == 0)
			return true;
	return false;
}

/* Is name one of a comma list? */
static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, name, n) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static bool large_enough(const struct key *k, unsigned int rsa_bits_min)
{
	return k->type != &key_type_rsa || key_bits(k) >= rsa_bits_min;
}

/* What can be said without the slow part; NULL: nothing is wrong with it. */
static const char *what_is_wrong(const struct key *k, const struct cert_rules *rules)
{
	const struct cert *c = k->cert;

	if (c->role != rules->role)
		return rules->role == CERT_USER ? "Certificate invalid: not a user certificate"
						: "Certificate invalid: not a host certificate";
	if (rules->now < c->valid_after)
		return "Certificate invalid: not yet valid";
	if (rules->now >= c->valid_before)
		return "Certificate invalid: expired";
	if (c->n_principals == 0)
		return "Certificate lacks principal list";
	if (rules->name != NULL && !(rules->role == CERT_HOST ? cert_names_host(c, rules->name)
							      : cert_names(c, rules->name)))
		return "Certificate invalid: name is not a listed principal";
	if (c->unknown_critical != NULL)
		return "Certificate has a critical option that is not supported";
	if (!list_has(rules->ca_algs, c->ca_sig_alg))
		return "Certificate signed by an algorithm that CASignatureAlgorithms does not "
		       "allow";
	if (!large_enough(k, rules->rsa_bits_min) || !large_enough(c->ca, rules->rsa_bits_min))
		return "Certificate invalid: key is shorter than RequiredRSASize";
	return NULL;
}

int cert_check(const struct key *k, const struct cert_rules *rules, const char **ret_why)
{
	const char *why = "not a certificate";
	struct blob_rd r;
	struct blob_str sig;

	if (k->cert != NULL)
		why = what_is_wrong(k, rules);
	if (why != NULL) {
		*ret_why = why;
		return -EACCES;
	}
	r = blob_rd_init(k->blob + k->cert->signed_len, k->blob_len - k->cert->signed_len);
	sig = blob_rd_str(&r);
	if (key_verify(k->cert->ca, k->cert->ca_sig_alg, sig.p, sig.len, k->blob,
		       k->cert->signed_len) < 0) {
		*ret_why = "Certificate invalid: bad signature";
		return -EBADMSG;
	}
	return 0;
}

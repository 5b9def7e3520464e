/*
 * tests/unit/test_crypto_faults_certs.c - certificates, lists of the revoked and X.509 fail
 * (S-40, S-67).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/cert.h"
#include "crypto/key.h"
#include "crypto/keyfile.h"
#include "crypto/krl.h"
#include "crypto/x509key.h"
#include "tests/unit/crypto_faults.h"
#include "tests/unit/key_fixtures.h"
#include "tests/unit/x509_fixtures.h"

static struct key *certificate(void)
{
	static const char *const names[] = {"demo"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .key_id = "id",
				       .serial = 1,
				       .principals = names,
				       .n_principals = 1,
				       .valid_before = UINT64_MAX};
	struct key *k = private_key(fixture_ecdsa), *ca = private_key(fixture_ed25519), *c = NULL;

	cr_assert_eq(cert_build(k, &spec, ca, NULL, &c), 0);
	key_free(k);
	key_free(ca);
	return c;
}

static int op_cert_parse(const void *arg)
{
	struct key *c = certificate(), *again = NULL;
	size_t len;
	const uint8_t *blob = key_blob(c, &len);
	int r;

	(void)arg;
	arm();
	r = disarm(key_blob_parse_any(blob, len, &again));
	key_free(again);
	key_free(c);
	return r;
}

static int op_cert_check(const void *arg)
{
	const struct cert_rules rules = {CERT_USER, "demo", 1, "ssh-ed25519", 2048};
	struct key *c = certificate();
	const char *why;
	int r;

	(void)arg;
	arm();
	r = disarm(cert_check(c, &rules, &why));
	key_free(c);
	return r;
}

/* By hashes, which a failing library must not turn into "not revoked". */
static int op_krl_check(const void *arg)
{
	static const uint8_t list[] = "SSHKRL\n\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				      "\3\0\0\0\x18\0\0\0\x14"
				      "12345678901234567890"
				      "\5\0\0\0\x24\0\0\0\x20"
				      "12345678901234567890123456789012";
	struct key *c = certificate();
	struct krl *l = NULL;
	int r;

	(void)arg;
	cr_assert_eq(krl_parse(list, sizeof(list) - 1, &l), 0);
	arm();
	r = disarm(krl_check(l, c));
	krl_free(l);
	key_free(c);
	return r;
}

/* A certificate, its root, and the list of what that revoked; NULL: none is asked for. */
struct x509_case {
	const uint8_t *leaf;
	size_t leaf_len;
	const char *root, *list;
};

static int op_x509(const void *arg)
{
	const struct x509_case *c = arg;
	const char *why;
	struct x509_trust *t = NULL;
	struct key *k = NULL;
	uint64_t expires;
	uint8_t blob[1024] = "\0\0\0\x1ax509v3-ecdsa-sha2-nistp256\0\0\0\1\0\0", *p = blob + 36;
	int r;

	*p++ = (uint8_t)(c->leaf_len >> 8);
	*p++ = (uint8_t)c->leaf_len;
	p = mempcpy(p, c->leaf, c->leaf_len);
	p += 4; /* no OCSP responses */
	arm();
	r = key_blob_parse_for("x509v3-ecdsa-sha2-nistp256", blob, (size_t)(p - blob), &k);
	if (r == 0)
		r = x509_trust_new(c->root, strlen(c->root), c->list,
				   c->list != NULL ? strlen(c->list) : 0, &t);
	if (r == 0)
		r = x509_trust_check(t, k, X509_USER, 2000000000, &expires, &why);
	disarm(0);
	x509_trust_free(t);
	key_free(k);
	return r;
}

/* What a server makes of its certificate, and whom a client takes it for (S-67). */
static int op_x509_host(const void *arg)
{
	const struct keyfile_cert cert = {(uint8_t *)fixture_x509_leaf, sizeof(fixture_x509_leaf)};
	struct keyfile_opts o = {.format = KEYFILE_AUTO};
	struct keyfile *kf = NULL;
	struct key *k = NULL;
	int r;

	(void)arg;
	if (keyfile_parse(cert.der, cert.len, &o, &kf) < 0)
		return -EIO;
	arm();
	r = x509key_make("x509v3-ecdsa-sha2-nistp256", kf->key, &cert, 1, &k);
	if (r == 0 && !x509key_names_host(key_x509(k), "h.example"))
		r = -EACCES;
	disarm(0);
	key_free(k);
	keyfile_free(kf);
	return r;
}

static const struct x509_case x509_cases[] = {
	{fixture_x509_leaf, sizeof(fixture_x509_leaf), fixture_x509_root, NULL},
	{fixture_x509_list_leaf, sizeof(fixture_x509_list_leaf), fixture_x509_list_root,
	 fixture_x509_list},
};

Test(crypto_faults_certs, certificates)
{
	each_call_fails(op_cert_parse, NULL, "key_blob_parse_any");
	each_call_fails(op_cert_check, NULL, "cert_check");
	each_call_fails(op_krl_check, NULL, "krl_check");
	each_call_fails(op_x509, &x509_cases[0], "x509");
	each_call_fails(op_x509, &x509_cases[1], "x509 with a list of the revoked");
	each_call_fails(op_x509_host, NULL, "x509 of a host");
}

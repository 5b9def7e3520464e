/* tests/unit/test_x509key.c - keys with X.509 certificates, which openssl makes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/blob.h"
#include "crypto/x509key.h"
#include "tests/unit/x509_lab.h"

TestSuite(x509key, .init = x509_setup, .fini = x509_teardown);

/* RFC 6187 section 2.1, of the files named. */
static size_t blob_of(const char *type, const char *const *der, uint32_t n, uint8_t *out)
{
	struct blob_wr w = blob_wr_init(out, KEY_BLOB_MAX);
	char buf[FILE_MAX];

	blob_wr_cstr(&w, type);
	blob_wr_u32(&w, n);
	for (uint32_t i = 0; i < n; i++)
		blob_wr_str(&w, buf, file_read(der[i], buf));
	blob_wr_u32(&w, 0);
	cr_assert_not(w.bad);
	return w.len;
}

static struct key *chain(const char *type, const char *name)
{
	static uint8_t blob[KEY_BLOB_MAX];
	char file[64];
	const char *const der[] = {file, "ca.der"};
	struct key *k = NULL;

	tool("openssl x509 -in ca.pem -outform DER -out ca.der");
	snprintf(file, sizeof(file), "%s.der", name);
	cr_assert_eq(key_blob_parse_for(type, blob, blob_of(type, der, 2, blob), &k), 0, "%s",
		     name);
	return k;
}

static int check(const struct x509_trust *t, const struct key *k, enum x509_role role, int64_t days)
{
	const char *why = NULL;
	uint64_t expires = 0;
	int r = x509_trust_check(t, k, role, (uint64_t)(time(NULL) + days * 86400), &expires, &why);

	if (r == 0)
		cr_expect_gt(expires, (uint64_t)time(NULL) + 9 * 86400);
	else
		cr_expect_not_null(why);
	return r;
}

Test(x509key, chains_are_believed_down_from_an_anchor)
{
	static const struct {
		const char *name, *newkey, *type, *ext;
	} t[] = {
		{"p256", P256, "x509v3-ecdsa-sha2-nistp256", USAGE},
		{"p521", P521, "x509v3-ecdsa-sha2-nistp521",
		 USAGE "subjectAltName=email:demo@x\\n"},
		{"rsa", "rsa:2048", "x509v3-rsa2048-sha256", USAGE},
		{"old", "rsa:2048", "x509v3-ssh-rsa", ""},
	};
	struct x509_trust *anchors;

	authorities();
	anchors = trust("root.pem", NULL);
	for (size_t i = 0; i < 4; i++) {
		struct key *k, *priv = NULL;
		char pem[FILE_MAX], file[64];
		size_t n, len = 0;
		uint8_t sig[KEY_SIG_MAX], wire[KEY_SIG_MAX];
		struct blob_wr w = blob_wr_init(wire, sizeof(wire));
		struct blob_rd r;

		leaf(t[i].name, t[i].newkey, t[i].ext, "sha256");
		k = chain(t[i].type, t[i].name);
		cr_expect_str_eq(key_type(k), t[i].type);
		cr_expect_str_eq(x509key_name(key_x509(k), 0), "demo");
		cr_expect_str_eq(x509key_subject(key_x509(k)), "CN=demo,O=Sluice");
		cr_expect_str_eq(x509key_issuer(key_x509(k)), "CN=Issuing");
		if (i == 1)
			cr_expect_str_eq(x509key_name(key_x509(k), 1), "demo@x");
		cr_expect_eq(check(anchors, k, X509_USER, 0), 0);
		cr_expect_eq(check(anchors, k, X509_HOST, 0), 0);
		cr_expect_eq(check(anchors, k, X509_USER, -1), -EACCES);
		cr_expect_eq(check(anchors, k, X509_USER, 11), -EACCES);

		/* RFC 6187 section 3: what signs names the algorithm without its prefix. */
		snprintf(file, sizeof(file), "%s.key", t[i].name);
		n = file_read(file, pem);
		cr_assert_eq(key_private_parse((uint8_t *)pem, n, &priv), 0);
		cr_expect(key_equal(priv, key_plain(k)));
		cr_assert_eq(key_sign(priv,
				      i == 2   ? "rsa-sha2-256"
				      : i == 3 ? "ssh-rsa"
					       : key_type(priv),
				      (const uint8_t *)"x", 1, sig, &len),
			     0);
		r = blob_rd_init(sig, len);
		blob_rd_str(&r);
		blob_wr_cstr(&w, i == 2 ? "rsa2048-sha256" : t[i].type + strlen("x509v3-"));
		blob_wr_put(&w, r.p, (size_t)(r.end - r.p));
		cr_expect_eq(key_verify(k, t[i].type, wire, w.len, (const uint8_t *)"x", 1), 0,
			     "%s", t[i].type);
		cr_expect_eq(key_verify(k, t[i].type, wire, w.len, (const uint8_t *)"y", 1),
			     -EBADMSG);
		if (i == 2)
			cr_expect_eq(key_verify(k, t[i].type, sig, len, (const uint8_t *)"x", 1),
				     -EBADMSG);
		cr_expect_eq(key_verify(k, "x509v3-sign-rsa", wire, w.len, (const uint8_t *)"x", 1),
			     -EBADMSG);
		key_free(priv);
		key_free(k);
	}
	x509_trust_free(anchors);
}

Test(x509key, usage_must_allow_it)
{
	static const struct {
		const char *ext;
		bool user, host;
	} t[] = {
		{"keyUsage=digitalSignature,keyEncipherment\\n", true, true},
		{"keyUsage=keyEncipherment\\n", false, false},
		{USAGE "extendedKeyUsage=1.3.6.1.5.5.7.3.21\\n", true, false},
		{USAGE "extendedKeyUsage=1.3.6.1.5.5.7.3.22\\n", false, true},
		{USAGE "extendedKeyUsage=serverAuth,1.3.6.1.5.5.7.3.21\\n", true, false},
		{USAGE "extendedKeyUsage=clientAuth,serverAuth\\n", false, false},
		{USAGE "extendedKeyUsage=anyExtendedKeyUsage\\n", true, true},
	};
	struct x509_trust *anchors;

	authorities();
	anchors = trust("root.pem", NULL);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct key *k;

		leaf("k", P256, t[i].ext, "sha256");
		k = chain("x509v3-ecdsa-sha2-nistp256", "k");
		cr_expect_eq(check(anchors, k, X509_USER, 0), t[i].user ? 0 : -EACCES, "%zu", i);
		cr_expect_eq(check(anchors, k, X509_HOST, 0), t[i].host ? 0 : -EACCES, "%zu", i);
		key_free(k);
	}
	x509_trust_free(anchors);
}

Test(x509key, others_chains_are_refused)
{
	const char *const alone[] = {"k.der"}, *const cross[] = {"k.der", "other.der"};
	static uint8_t blob[KEY_BLOB_MAX];
	struct x509_trust *anchors, *others;
	struct key *k;

	authorities();
	leaf("k", P256, USAGE, "sha256");
	leaf("weak", P256, USAGE, "sha1");
	tool("openssl req -x509 -newkey " P256
	     " -nodes -keyout o.key -out other.pem -subj /CN=Root "
	     "-days 30 " CA_EXT " && openssl x509 -in other.pem -outform DER -out other.der");
	anchors = trust("root.pem", NULL);
	others = trust("other.pem", NULL);
	k = chain("x509v3-ecdsa-sha2-nistp256", "k");
	cr_expect_eq(check(anchors, k, X509_USER, 0), 0);
	cr_expect_eq(check(others, k, X509_USER, 0), -EACCES);
	key_free(k);
	k = chain("x509v3-ecdsa-sha2-nistp256", "weak"); /* signed with SHA-1 */
	cr_expect_eq(check(anchors, k, X509_USER, 0), -EACCES);
	key_free(k);
	cr_assert_eq(key_blob_parse_for("x509v3-ecdsa-sha2-nistp256", blob,
					blob_of("x509v3-ecdsa-sha2-nistp256", alone, 1, blob), &k),
		     0);
	cr_expect_eq(check(anchors, k, X509_USER, 0), -EACCES); /* a link is missing */
	key_free(k);
	cr_assert_eq(key_blob_parse_for("x509v3-ecdsa-sha2-nistp256", blob,
					blob_of("x509v3-ecdsa-sha2-nistp256", cross, 2, blob), &k),
		     0);
	cr_expect_eq(check(anchors, k, X509_USER, 0), -EACCES);
	key_free(k);
	x509_trust_free(anchors);
	x509_trust_free(others);
}

Test(x509key, revoked_certificates_are_refused)
{
	struct x509_trust *t;
	struct key *k;

	authorities();
	leaf("k", P256, USAGE, "sha256");
	leaf("gone", P256, USAGE, "sha256");
	revoke_gone();
	t = trust("root.pem", "both.crl");
	k = chain("x509v3-ecdsa-sha2-nistp256", "k");
	cr_expect_eq(check(t, k, X509_USER, 0), 0);
	cr_expect_eq(check(t, k, X509_USER, 6), -EACCES); /* the list is out of date */
	x509_trust_free(t);
	t = trust("root.pem", "ca.crl"); /* the root's is missing */
	cr_expect_eq(check(t, k, X509_USER, 0), -EACCES);
	x509_trust_free(t);
	key_free(k);
	t = trust("root.pem", "both.crl");
	k = chain("x509v3-ecdsa-sha2-nistp256", "gone");
	cr_expect_eq(check(t, k, X509_USER, 0), -EACCES);
	key_free(k);
	x509_trust_free(t);
}

/* The older types: the certificate itself is the blob. */
Test(x509key, the_old_types_are_bare_certificates)
{
	char der[FILE_MAX], pem[FILE_MAX];
	uint8_t sig[KEY_SIG_MAX], wire[KEY_SIG_MAX];
	struct blob_wr w = blob_wr_init(wire, sizeof(wire));
	struct key *k = NULL, *priv = NULL;
	struct blob_rd r;
	size_t n, len = 0;

	tool("openssl req -x509 -newkey rsa:2048 -nodes -keyout k.key -out k.pem -subj /CN=demo "
	     "-days 30 "
	     "&& openssl x509 -in k.pem -outform DER -out k.der");
	n = file_read("k.der", der);
	cr_expect_eq(key_blob_parse_for("x509v3-sign-dss", (uint8_t *)der, n, &k), -EBADMSG);
	cr_expect_eq(key_blob_parse_for("ssh-rsa", (uint8_t *)der, n, &k), -EBADMSG);
	cr_expect_eq(key_blob_parse_for("x509v3-ssh-rsa", (uint8_t *)der, n, &k), -EBADMSG);
	cr_assert_eq(key_blob_parse_for("x509v3-sign-rsa", (uint8_t *)der, n, &k), 0);
	cr_expect_str_eq(key_type(k), "x509v3-sign-rsa");
	cr_assert_eq(key_private_parse((uint8_t *)pem, file_read("k.key", pem), &priv), 0);
	cr_assert_eq(key_sign(priv, "ssh-rsa", (const uint8_t *)"x", 1, sig, &len), 0);
	r = blob_rd_init(sig, len);
	blob_rd_str(&r);
	blob_wr_cstr(&w, "x509v3-sign-rsa");
	blob_wr_put(&w, r.p, (size_t)(r.end - r.p));
	cr_expect_eq(key_verify(k, "x509v3-sign-rsa", wire, w.len, (const uint8_t *)"x", 1), 0);
	cr_expect_eq(key_verify(k, "x509v3-sign-rsa", sig, len, (const uint8_t *)"x", 1), -EBADMSG);
	key_free(k);
	key_free(priv);
}

Test(x509key, blobs_that_are_refused)
{
	static const char type[] = "x509v3-ecdsa-sha2-nistp256";
	const char *const der[] = {"k.der", "ca.der"};
	static uint8_t blob[KEY_BLOB_MAX], big[KEY_BLOB_MAX];
	struct key *k = NULL;
	struct blob_wr w;
	size_t len;

	authorities();
	leaf("k", P256, USAGE, "sha256");
	tool("openssl x509 -in ca.pem -outform DER -out ca.der");
	len = blob_of(type, der, 2, blob);
	cr_assert_eq(key_blob_parse_for(type, blob, len, &k), 0);
	key_free(k);
	k = NULL;
	for (size_t n = 0; n < len; n += n < 64 || n + 64 > len ? 1 : 17)
		cr_expect_lt(key_blob_parse_for(type, blob, n, &k), 0, "%zu", n);
	cr_expect_eq(key_blob_parse(blob, len, &k), -ENOTSUP);
	cr_expect_lt(key_blob_parse_for("ecdsa-sha2-nistp256", blob, len, &k), 0);
	cr_expect_lt(key_blob_parse_for("ssh-ed25519-cert-v01@openssh.com", blob, len, &k), 0);
	cr_expect_lt(key_blob_parse_for("x509v3-ecdsa-sha2-nistp384", blob, len, &k), 0);
	/* S-34: the type says another curve or family than the certificate's key. */
	len = blob_of("x509v3-ecdsa-sha2-nistp384", der, 2, blob);
	cr_expect_eq(key_blob_parse_for("x509v3-ecdsa-sha2-nistp384", blob, len, &k), -EBADMSG);
	len = blob_of("x509v3-rsa2048-sha256", der, 2, blob);
	cr_expect_eq(key_blob_parse_for("x509v3-rsa2048-sha256", blob, len, &k), -EBADMSG);
	/* none, too many, more OCSP responses than certificates */
	for (int i = 0; i < 3; i++) {
		static const uint32_t certs[] = {0, X509KEY_CHAIN_MAX + 1, 1}, ocsp[] = {0, 0, 2};
		char buf[FILE_MAX];
		size_t n = file_read("k.der", buf);

		w = blob_wr_init(big, sizeof(big));
		blob_wr_cstr(&w, type);
		blob_wr_u32(&w, certs[i]);
		for (uint32_t j = 0; j < certs[i]; j++)
			blob_wr_str(&w, buf, n);
		blob_wr_u32(&w, ocsp[i]);
		for (uint32_t j = 0; j < ocsp[i]; j++)
			blob_wr_cstr(&w, "response");
		cr_assert_not(w.bad);
		cr_expect_eq(key_blob_parse_for(type, big, w.len, &k), -EBADMSG, "%d", i);
	}
}

Test(x509key, anchors_that_are_none_are_refused)
{
	char buf[FILE_MAX];
	struct x509_trust *t = NULL;
	size_t n;

	authorities();
	leaf("k", P256, USAGE, "sha256");
	tool("openssl x509 -inform DER -in k.der -out k.pem");
	cr_expect_eq(x509_trust_new("", 0, NULL, 0, &t), -EBADMSG);
	n = file_read("k.pem", buf); /* it may not sign certificates */
	cr_expect_eq(x509_trust_new(buf, n, NULL, 0, &t), -EBADMSG);
	n = file_read("root.pem", buf);
	cr_expect_eq(x509_trust_new(buf, n - 10, NULL, 0, &t), -EBADMSG);
	cr_expect_eq(x509_trust_new(buf, n,
				    "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", 60,
				    &t),
		     -EBADMSG);
	x509_trust_free(NULL);
}

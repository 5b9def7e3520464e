/*
 * tests/unit/test_x509host.c - X.509 certificates as host keys: what a server makes of a file, in
 * whose name it signs, whom a client takes it for.
 */
#include "ssh_lab.h"

#include <time.h>

#include "crypto/blob.h"
#include "crypto/keyfile.h"
#include "crypto/x509key.h"
#include "tests/unit/x509_lab.h"

TestSuite(x509host, .init = x509_setup, .fini = x509_teardown);

#define HOST_USAGE USAGE "extendedKeyUsage=1.3.6.1.5.5.7.3.22\\n"

/* NAME.key, and NAME.pem: certificates in this order of files. newkey NULL: those of before. */
static struct keyfile *host(const char *name, const char *newkey, const char *order)
{
	struct keyfile_opts o = {.format = KEYFILE_AUTO};
	struct keyfile *kf = NULL;
	char text[512], buf[FILE_MAX];

	if (newkey != NULL)
		leaf(name, newkey, HOST_USAGE "subjectAltName=DNS:gw.example,IP:192.0.2.7\\n",
		     "sha256");
	snprintf(text, sizeof(text),
		 "openssl x509 -inform DER -in %s.der -out own.pem && cat %s.key %s > %s.pem", name,
		 name, order, name);
	tool(text);
	snprintf(text, sizeof(text), "%s.pem", name);
	cr_assert_eq(keyfile_parse((uint8_t *)buf, file_read(text, buf), &o, &kf), 0);
	cr_assert(key_is_private(kf->key));
	return kf;
}

static const struct {
	const char *newkey, *type, *sig;
} forms[] = {
	{P256, "x509v3-ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
	{"ec -pkeyopt ec_paramgen_curve:P-384", "x509v3-ecdsa-sha2-nistp384",
	 "ecdsa-sha2-nistp384"},
	{P521, "x509v3-ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
	{"rsa:2048", "x509v3-rsa2048-sha256", "rsa2048-sha256"},
	{"rsa:2048", "x509v3-ssh-rsa", "ssh-rsa"},
	{"rsa:2048", "x509v3-sign-rsa", "x509v3-sign-rsa"},
};

/* RFC 6187 section 2.1: own first, each certified by the next, whatever the file's order. */
Test(x509host, a_chain_is_put_in_order_without_its_root)
{
	static const char *const orders[] = {"own.pem ca.pem root.pem", "root.pem ca.pem own.pem",
					     "ca.pem own.pem"};

	authorities();
	for (size_t i = 0; i < 3; i++) {
		struct keyfile *kf = host("k", P256, orders[i]);
		struct key *k = NULL;
		const uint8_t *blob;
		struct blob_rd r;
		size_t len;

		cr_assert_eq(x509key_make(forms[0].type, kf->key, kf->cert, kf->n_certs, &k), 0);
		cr_expect_str_eq(x509key_issuer(key_x509(k)), "CN=Issuing");
		blob = key_blob(k, &len);
		r = blob_rd_init(blob, len);
		cr_expect(blob_str_is(blob_rd_str(&r), forms[0].type));
		cr_expect_eq(blob_rd_u32(&r), 2, "the root is not sent");
		blob_rd_str(&r);
		blob_rd_str(&r);
		cr_expect_eq(blob_rd_u32(&r), 0, "no OCSP response");
		cr_expect(blob_rd_done(&r));
		key_free(k);
		keyfile_free(kf);
	}
}

Test(x509host, what_is_no_chain_of_the_key_is_refused)
{
	struct keyfile *kf, *other;
	struct keyfile_cert bad = {(uint8_t *)"\x30\x03\x02\x01\x05", 5}, cut;
	struct key *k = NULL;

	authorities();
	kf = host("k", P256, "own.pem ca.pem");
	other = host("o", P256, "own.pem ca.pem");
	cr_expect_eq(x509key_make(forms[0].type, other->key, kf->cert, kf->n_certs, &k), -ENOENT);
	cr_expect_eq(x509key_make(forms[0].type, kf->key, kf->cert, 0, &k), -ENOENT);
	cr_expect_eq(x509key_make(forms[0].type, kf->key, kf->cert + 1, 1, &k), -ENOENT);
	cr_expect_eq(x509key_make(forms[1].type, kf->key, kf->cert, 2, &k), -EBADMSG, "S-34");
	cr_expect_eq(x509key_make(forms[3].type, kf->key, kf->cert, 2, &k), -EBADMSG);
	cr_expect_eq(x509key_make(forms[5].type, kf->key, kf->cert, 2, &k), -EBADMSG);
	cr_expect_eq(x509key_make("ssh-ed25519", kf->key, kf->cert, 2, &k), -ENOTSUP);
	cr_expect_eq(x509key_make(forms[0].type, kf->key, &bad, 1, &k), -EBADMSG);
	cut = (struct keyfile_cert){kf->cert[0].der, kf->cert[0].len - 1};
	cr_expect_eq(x509key_make(forms[0].type, kf->key, &cut, 1, &k), -EBADMSG);
	cr_expect_eq(x509key_make(forms[0].type, kf->key, kf->cert, KEYFILE_CERTS_MAX + 1, &k),
		     -ENOTSUP);
	cr_expect_null(k);
	keyfile_free(kf);
	keyfile_free(other);
}

/* The names of signatures are not those of bare keys: nothing is verified by them. */
Test(x509host, a_bare_key_signs_in_the_certificates_name_alone)
{
	static const char *const below[] = {"rsa2048-sha256", "x509v3-sign-rsa"};
	struct key *rsa = NULL, *p256 = NULL;
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert_eq(key_generate("ssh-rsa", 2048, &rsa), 0);
	cr_assert_eq(key_generate("ecdsa-sha2-nistp256", 0, &p256), 0);
	for (size_t i = 0; i < 2; i++) {
		cr_expect(key_signs_as(rsa, below[i]));
		cr_expect_not(key_signs_as(p256, below[i]));
		cr_expect_not(key_sig_alg_fits(rsa, below[i]));
		cr_assert_eq(key_sign(rsa, below[i], (const uint8_t *)"x", 1, sig, &len), 0);
		cr_expect_eq(key_verify(rsa, below[i], sig, len, (const uint8_t *)"x", 1),
			     -EBADMSG);
		cr_expect_eq(key_verify(rsa, "rsa-sha2-256", sig, len, (const uint8_t *)"x", 1),
			     -EBADMSG);
		cr_expect_eq(key_sign(p256, below[i], (const uint8_t *)"x", 1, sig, &len), -EINVAL);
	}
	cr_expect_not(key_signs_as(rsa, "x509v3-sign-dss"));
	cr_expect_not(key_signs_as(rsa, "x509v3-rsa2048-sha256"));
	for (unsigned int i = 0; key_sig_alg_at(i) != NULL; i++)
		cr_expect_str_neq(key_sig_alg_at(i), below[0], "nobody negotiates it");
	key_free(rsa);
	key_free(p256);
}

/* --- whole exchanges -------------------------------------------------------------------- */

/* A server with this key, shown in one form; neither side knows another algorithm. Takes the key.
 */
static void exchange(struct lab *l, const char *type, struct keyfile *kf, struct key **ret)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);

	cr_assert_eq(x509key_make(type, kf->key, kf->cert, kf->n_certs, ret), 0);
	sc.hostkey_algs = cc.hostkey_algs = type;
	lab_init_keys(l, &sc, &cc, keyfile_take(kf), lab_key("ssh-ed25519"));
	l->s.b->hostkey[0] = *ret;
}

Test(x509host, every_form_is_shown_signed_and_believed)
{
	authorities();
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct keyfile *kf = host("k", i > 3 ? NULL : forms[i].newkey, "own.pem ca.pem");
		struct x509_trust *t = trust("root.pem", NULL);
		struct key *shown = NULL;
		uint64_t expires;
		const char *why;
		struct lab l;

		exchange(&l, forms[i].type, kf, &shown);
		l.c.login = LAB_LOGIN_PASSWORD;
		lab_run(&l);
		cr_assert_eq(l.c.n[SSH_ACT_HOSTKEY], 1, "%s", forms[i].type);
		cr_assert(ssh_brain_authenticated(l.c.b), "%s", forms[i].type);
		cr_expect_str_eq(l.c.kex.hostkey, forms[i].type);
		cr_expect_str_eq(key_type(l.c.b->server_key), forms[i].type);
		/* The bare form has no room for the authority between. */
		cr_expect_eq(x509_trust_check(t, l.c.b->server_key, X509_HOST, (uint64_t)time(NULL),
					      &expires, &why),
			     i == 5 ? -EACCES : 0);
		cr_expect(x509key_names_host(key_x509(l.c.b->server_key), "gw.example"));
		/* A rekey shows the same one, and nobody is asked again. */
		cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
		lab_run(&l);
		cr_expect_eq(l.c.n[SSH_ACT_HOSTKEY], 1);
		cr_expect_eq(l.c.n[SSH_ACT_KEX_DONE], 2);
		cr_expect_eq(l.c.end, 0);
		lab_fini(&l);
		key_free(shown);
		x509_trust_free(t);
		keyfile_free(kf);
	}
}

Test(x509host, a_chain_is_no_proof_without_the_signature_of_its_key)
{
	struct keyfile *kf;
	struct key *shown = NULL;
	struct lab l;

	authorities();
	kf = host("k", P256, "own.pem ca.pem");
	exchange(&l, forms[0].type, kf, &shown);
	l.s.spoil_signature = true;
	lab_run(&l);
	cr_expect_eq(l.c.n[SSH_ACT_HOSTKEY], 0, "nobody is asked about what was not proved");
	cr_expect_eq(l.c.end, -SSH_E_KEX_PROOF);
	lab_fini(&l);
	key_free(shown);
	keyfile_free(kf);
	/* What the owner says is the last word. */
	kf = host("k", P256, "own.pem ca.pem");
	exchange(&l, forms[0].type, kf, &shown);
	l.c.refuse_hostkey = true;
	lab_run(&l);
	cr_expect_eq(l.c.end, -SSH_E_HOSTKEY);
	lab_fini(&l);
	key_free(shown);
	keyfile_free(kf);
}

/* --- whose it is ------------------------------------------------------------------------ */

static struct key *host_named(const char *alt)
{
	struct keyfile_opts o = {.format = KEYFILE_AUTO};
	struct keyfile *kf = NULL;
	struct key *k = NULL;
	char ext[256], der[FILE_MAX];

	snprintf(ext, sizeof(ext), *alt != '\0' ? USAGE "subjectAltName=%s\\n" : USAGE "%s", alt);
	leaf("k", P256, ext, "sha256");
	cr_assert_eq(keyfile_parse((uint8_t *)der, file_read("k.der", der), &o, &kf), 0);
	cr_assert_eq(x509key_make(forms[0].type, kf->key, kf->cert, kf->n_certs, &k), 0);
	keyfile_free(kf);
	return k;
}

/* The common name is "demo". */
Test(x509host, names_and_addresses_of_a_host)
{
	static const struct {
		const char *alt, *are[4], *are_not[12];
	} t[] = {
		{"", {NULL}, {"demo", "CN=demo", "", NULL}},
		{"DNS:gw.example",
		 {"gw.example", "GW.Example", NULL},
		 {"demo", "gw.example.", "gw.example.org", "a.gw.example", ".gw.example",
		  ".example", "gw", "", "*", "gw.example,x", NULL}},
		{"DNS:*.site.example,DNS:b*.part.example,DNS:*.org,DNS:*",
		 {"a.site.example", NULL},
		 {"a.b.site.example", "site.example", "bc.part.example", "x.org", "x", NULL}},
		{"IP:192.0.2.7,IP:2001:db8::7",
		 {"192.0.2.7", "2001:db8::7", "2001:db8:0:0::7", NULL},
		 {"192.0.2.8", "2001:db8::8", "192.0.2", "::ffff:192.0.2.7", NULL}},
		{"DNS:192.0.2.7,DNS:gw.example", {"gw.example", NULL}, {"192.0.2.7", NULL}},
		{"email:a@gw.example,URI:ssh://gw.example",
		 {NULL},
		 {"gw.example", "a@gw.example", NULL}},
	};

	authorities();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct key *k = host_named(t[i].alt);

		for (size_t j = 0; t[i].are[j] != NULL; j++)
			cr_expect(x509key_names_host(key_x509(k), t[i].are[j]), "%s: %s", t[i].alt,
				  t[i].are[j]);
		for (size_t j = 0; t[i].are_not[j] != NULL; j++)
			cr_expect_not(x509key_names_host(key_x509(k), t[i].are_not[j]), "%s: %s",
				      t[i].alt, t[i].are_not[j]);
		key_free(k);
	}
}

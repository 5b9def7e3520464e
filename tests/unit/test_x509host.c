/*
 * tests/unit/test_x509host.c - X.509 certificates as host keys: what a server makes of a file, in
 * whose name it signs, whom a client takes it for.
 */
#include "ssh_lab.h"

#include <time.h>

#include "client/known/scan.h"
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

/* --- whom a client believes -------------------------------------------------------------- */

#define OURS    "subjectAltName=DNS:gw.example,IP:192.0.2.7\\n"
#define DAY     86400
#define WITH_CA "own.pem ca.pem"

static struct key *shown_by(const char *name, const char *order)
{
	struct keyfile *kf = host(name, NULL, order);
	struct key *k = NULL;

	cr_assert_eq(x509key_make(forms[0].type, kf->key, kf->cert, kf->n_certs, &k), 0);
	keyfile_free(kf);
	return k;
}

static void host_make(void)
{
	authorities();
	leaf("good", P256, HOST_USAGE OURS, "sha256");
}

static void hosts_make(void)
{
	host_make();
	leaf("plain", P256, USAGE OURS, "sha256");
	leaf("user", P256, USAGE "extendedKeyUsage=1.3.6.1.5.5.7.3.21\\n" OURS, "sha256");
	leaf("gone", P256, HOST_USAGE OURS, "sha256");
	revoke_gone();
	tool("openssl req -x509 -newkey " P256 " -nodes -keyout self.key -outform DER -out "
	     "self.der -subj /CN=gw.example -days 9 -addext subjectAltName=DNS:gw.example -addext "
	     "basicConstraints=CA:FALSE");
	tool("openssl req -x509 -newkey " P256 " -nodes -keyout other.key -out other.pem -subj "
	     "/CN=Root -days 9 " CA_EXT);
}

/* A file of the test's folder; NULL: none. */
static const char *in_dir(const char *name, char buf[128])
{
	snprintf(buf, 128, "%s/%s", dir, name != NULL ? name : "");
	return name != NULL ? buf : NULL;
}

static const struct {
	const char *key, *order, *host, *anchors, *crls, *why; /* why NULL: it is believed */
	int day;
} views[] = {
	{"good", WITH_CA, "gw.example", "root.pem", NULL, NULL, 0},
	{"good", WITH_CA, "192.0.2.7", "root.pem", NULL, NULL, 0},
	{"good", WITH_CA, "gw.example", "root.pem", "both.crl", NULL, 0},
	{"good", WITH_CA, "www.example", "root.pem", NULL, "made out to another host", 0},
	{"good", WITH_CA, "192.0.2.8", "root.pem", NULL, "made out to another host", 0},
	{"good", WITH_CA, "gw.example", "root.pem", NULL, "certificate has expired", 11},
	{"good", WITH_CA, "gw.example", "root.pem", NULL, "certificate is not yet valid", -1},
	{"good", WITH_CA, "gw.example", "other.pem", NULL, "local issuer certificate", 0},
	{"good", WITH_CA, "gw.example", "root.pem", "ca.crl", "unable to get certificate CRL", 0},
	{"good", WITH_CA, "gw.example", "root.pem", "both.crl", "CRL has expired", 6},
	{"good", "own.pem", "gw.example", "root.pem", NULL, "local issuer certificate", 0},
	{"good", "own.pem", "gw.example", "ca.pem", NULL, "unable to get issuer certificate", 0},
	{"plain", WITH_CA, "gw.example", "root.pem", NULL, NULL, 0},
	{"user", WITH_CA, "gw.example", "root.pem", NULL, "does not allow this role in SSH", 0},
	{"self", "own.pem", "gw.example", "root.pem", NULL, "self-signed certificate", 0},
	{"gone", WITH_CA, "gw.example", "root.pem", "both.crl", "certificate revoked", 0},
};

static void sees(size_t i, const struct key *k)
{
	char anchors[128], crls[128], text[KNOWN_TEXT_MAX];
	struct known_conf c = {.strict = KNOWN_LAX,
			       .anchors = in_dir(views[i].anchors, anchors),
			       .crls = in_dir(views[i].crls, crls)};
	const struct known_host h = {views[i].host, 2222,
				     (uint64_t)(time(NULL) + views[i].day * DAY)};
	struct known_found f;
	const char *at;

	cr_assert_eq(known_look(&c, &h, k, &f, &at), 0, "%zu", i);
	known_text(&f, &h, k, text);
	if (views[i].why == NULL) {
		cr_expect_eq(f.by, KNOWN_BY_X509, "%zu: %s", i, text);
		cr_expect_eq(known_act(&c, &f), KNOWN_ACCEPT);
	} else {
		cr_expect_eq(f.verdict, KNOWN_VERDICT_INVALID, "%zu: %s", i, text);
		cr_expect_eq(known_act(&c, &f), KNOWN_REFUSE, "whatever else is lax");
		cr_expect(strstr(text, views[i].why) != NULL, "%zu: %s", i, text);
	}
	c.anchors = NULL;
	cr_assert_eq(known_look(&c, &h, k, &f, &at), 0);
	cr_expect_eq(f.verdict, KNOWN_VERDICT_NEW, "without anchors it is a key");
}

Test(x509host, a_client_believes_whom_an_anchor_leads_to)
{
	struct key *k = NULL;

	hosts_make();
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		if (i == 0 || strcmp(views[i].key, views[i - 1].key) != 0 ||
		    strcmp(views[i].order, views[i - 1].order) != 0) {
			key_free(k);
			k = shown_by(views[i].key, views[i].order);
		}
		sees(i, k);
	}
	key_free(k);
}

/* "type base64", of the key alone. */
static const char *line_of(const struct key *k)
{
	static char text[1024];
	char *line;

	cr_assert_eq(known_line_build("x", false, k, &line), 0);
	snprintf(text, sizeof(text), "%s", line + 2);
	free(line);
	return text;
}

static void known_write(const char *path, const char *before, const struct key *k)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fprintf(f, "%s%s\n", before, line_of(k));
	cr_assert_eq(fclose(f), 0);
}

static void finds(const struct known_conf *c, int day, const struct key *k,
		  enum known_verdict verdict, enum known_by by)
{
	const struct known_host h = {"gw.example", 22, (uint64_t)(time(NULL) + day * DAY)};
	struct known_found f;
	const char *at;

	cr_assert_eq(known_look(c, &h, k, &f, &at), 0);
	cr_expect_eq(f.verdict, verdict, "day %d: %d", day, f.verdict);
	cr_expect_eq(f.by, by, "day %d: %d", day, f.by);
}

/* Who names the key itself needs no certificate; who took it back wants none. */
Test(x509host, a_key_that_is_pinned_outlives_its_certificate)
{
	char anchors[128], hosts[128], print[128];
	const char *file = in_dir("known_hosts", hosts), *accept[1];
	struct known_conf c = {.file = &file,
			       .n_user_files = 1,
			       .n_files = 1,
			       .accept = accept,
			       .anchors = in_dir("root.pem", anchors)};
	struct key *k, *other;

	host_make();
	k = shown_by("good", WITH_CA);
	other = lab_key("ssh-ed25519");
	finds(&c, 11, k, KNOWN_VERDICT_INVALID, 0);
	known_write(file, "gw.example ", k);
	finds(&c, 11, k, KNOWN_VERDICT_OK, KNOWN_BY_FILE);
	known_write(file, "gw.example ", other);
	finds(&c, 11, k, KNOWN_VERDICT_INVALID, 0);
	finds(&c, 0, k, KNOWN_VERDICT_OK, KNOWN_BY_X509);
	known_write(file, "@revoked * ", k);
	finds(&c, 0, k, KNOWN_VERDICT_REVOKED, 0);
	c.revoked = file;
	known_write(file, "", k);
	finds(&c, 0, k, KNOWN_VERDICT_REVOKED, 0);
	c.revoked = NULL;
	cr_assert_eq(key_fingerprint(key_plain(k), print, sizeof(print)), 0);
	c.fingerprints = print;
	finds(&c, 11, k, KNOWN_VERDICT_OK, KNOWN_BY_FINGERPRINT);
	accept[0] = line_of(k);
	c.n_accept = 1;
	finds(&c, 11, k, KNOWN_VERDICT_OK, KNOWN_BY_KEY);
	c.n_accept = 0;
	c.fingerprints = NULL;
	c.accept_any = true;
	finds(&c, 11, k, KNOWN_VERDICT_OK, KNOWN_BY_ANY);
	key_free(k);
	key_free(other);
}

/* S-67: what cannot be read believes nobody, and takes nobody back. */
Test(x509host, s67_anchors_that_cannot_be_read_are_an_error)
{
	static const struct {
		const char *anchors, *crls;
		int r;
	} t[] = {{"missing", NULL, -ENOENT},        {"root.pem", "missing", -ENOENT},
		 {"good.key", NULL, -EBADMSG},      {"cut.pem", NULL, -EBADMSG},
		 {"root.pem", "cut.pem", -EBADMSG}, {"", NULL, -EINVAL}};
	struct key *k;

	host_make();
	tool("head -c 300 root.pem > cut.pem && sed 's/CERTIFICATE/X509 CRL/' cut.pem >> cut.pem");
	k = shown_by("good", WITH_CA);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char anchors[128], crls[128];
		const struct known_conf c = {.anchors = in_dir(t[i].anchors, anchors),
					     .crls = in_dir(t[i].crls, crls)};
		const struct known_host h = {"gw.example", 22, (uint64_t)time(NULL)};
		struct known_found f = {0};
		const char *at = NULL;

		cr_expect_eq(known_look(&c, &h, k, &f, &at), t[i].r, "%zu", i);
		cr_expect_eq((int)f.verdict, 0);
		cr_expect_not_null(at);
	}
	key_free(k);
}

/*
 * Keys of libsluice: every format there and back, what certificates say, as openssl and ssh-keygen
 * say it; which of them are accepted of a host and shown at a login.
 */
#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "crypto/base64.h"
#include "crypto/cert.h"
#include "crypto/keyfile.h"
#include "tests/unit/client_lab.h"
#include "tests/unit/x509_lab.h"

TestSuite(client_key, .init = x509_setup, .fini = x509_teardown, .timeout = 60);

#define TEXT_MAX 32768

/* What a command says, without its end of line. */
static const char *said(const char *command)
{
	static char text[TEXT_MAX];
	char line[2048];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "cd %s && %s", dir, command);
	f = popen(line, "r");
	cr_assert_not_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	cr_assert_eq(pclose(f), 0, "%s", command);
	return text;
}

static const char *info(const struct sluice_key *k, enum sluice_key_field f)
{
	static char text[TEXT_MAX];

	cr_assert_geq(sluice_key_info(k, f, text, sizeof(text)), 0, "field %d", f);
	return text;
}

#define IS(k, field, text)                                                                         \
	cr_expect_str_eq(info(k, SLUICE_KEY_##field), text, "%s: %s", #field,                      \
			 info(k, SLUICE_KEY_##field))

static void write_file(const char *name, const void *p, size_t len)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(p, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(path, 0600), 0);
}

static struct sluice_key *key_of(const char *name, const struct sluice_key_opts *o)
{
	struct sluice_key *k = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	chmod(path, 0600);
	cr_assert_eq(sluice_key_load(path, o, &k), 0, "%s", name);
	return k;
}

static struct sluice_key *fresh(const char *type, unsigned int bits)
{
	struct sluice_key *k = NULL;
	struct key *made = NULL;
	char text[TEXT_MAX];
	size_t len = sizeof(text);

	cr_assert_eq(key_generate(type, bits, &made), 0);
	cr_assert_eq(key_private_build(made, "me@here", text, &len), 0);
	cr_assert_eq(sluice_key_parse(text, len, NULL, &k), 0);
	key_free(made);
	return k;
}

/* --- what certificates say ------------------------------------------------------------------- */

/* both.pem: a key, its certificate and the authority's. */
static struct sluice_key *certified(void)
{
	authorities();
	leaf("me", P256,
	     USAGE "extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.21\\n"
		   "subjectAltName=DNS:a.example,email:me@a.example\\n",
	     "sha256");
	tool("openssl x509 -inform DER -in me.der -out me.crt");
	tool("cat me.key ca.pem me.crt > both.pem");
	return key_of("both.pem", NULL);
}

/* Digests as openssl writes them. */
static void lower(char *s)
{
	for (; *s != '\0'; s++)
		*s |= (char)(*s >= 'A' && *s <= 'Z' ? 0x20 : 0);
}

static void thumbprint_is(const struct sluice_key *k, enum sluice_key_field f, const char *hash)
{
	char command[128], want[256];

	snprintf(command, sizeof(command), "openssl x509 -in me.crt -noout -fingerprint -%s", hash);
	snprintf(want, sizeof(want), "%s", strchr(said(command), '=') + 1);
	lower(want);
	cr_expect_str_eq(info(k, f), want, "%s", hash);
}

Test(client_key, a_certificate_of_x509_says_what_openssl_says)
{
	struct sluice_key *k;
	char text[256];

	setenv("TZ", "Asia/Kathmandu", 1);
	k = certified();
	IS(k, SUBJECT, "CN=demo, O=Sluice");
	IS(k, ISSUER, "CN=Issuing");
	IS(k, VERSION, "V3");
	IS(k, SIG_ALGORITHM, "ecdsa-with-SHA256");
	IS(k, SAN, "DNS:a.example,email:me@a.example");
	IS(k, USAGE, "Digital Signature");
	IS(k, USAGE_BITS, "128");
	IS(k, EXT_USAGE, "1.3.6.1.5.5.7.3.2,1.3.6.1.5.5.7.3.21");
	IS(k, FORMAT, "pkcs8");
	IS(k, ALGORITHM, "ECDSA");
	IS(k, PRIVATE, "yes");
	IS(k, SERIAL, strchr(said("openssl x509 -in me.crt -noout -serial"), '=') + 1);
	thumbprint_is(k, SLUICE_KEY_CERT_MD5, "md5");
	thumbprint_is(k, SLUICE_KEY_CERT_SHA1, "sha1");
	thumbprint_is(k, SLUICE_KEY_CERT_SHA256, "sha256");
	IS(k, NOT_BEFORE,
	   said("date -u +%Y-%m-%dT%H:%M:%SZ -d "
		"\"$(openssl x509 -in me.crt -noout -startdate | cut -d= -f2)\""));
	snprintf(text, sizeof(text), "%s",
		 said("LC_ALL=C TZ=Asia/Kathmandu date '+%d-%b-%Y %H:%M:%S' -d "
		      "\"$(openssl x509 -in me.crt -noout -enddate | cut -d= -f2)\""));
	IS(k, EXPIRATION, text);
	cr_expect_eq(sluice_key_info(k, SLUICE_KEY_EXPIRATION, text, 3), 20, "cut to size");
	cr_expect_eq(strlen(text), 2u);
	cr_expect_eq(sluice_key_info(k, SLUICE_KEY_CERT_SHA256 + 1, text, sizeof(text)), -EINVAL);
	sluice_key_free(k);
}

/* A value with a comma stands in quotes, and is found by that and by a backslash. */
Test(client_key, a_name_with_a_comma_is_quoted_and_found)
{
	static const char *const subjects[] = {"CN=demo, O=\"Acme, Inc\"", "O=Acme\\, Inc, CN=demo",
					       "demo", "*", NULL};
	struct sluice_key_opts o = {.size = sizeof(o)};

	tool("openssl req -x509 -newkey " P256 " -nodes -keyout k.pem -out c.pem -subj "
	     "'/O=Acme, Inc/CN=demo' -days 3");
	tool("cat k.pem c.pem > both.pem");
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		struct sluice_key *k;

		o.subject = subjects[i];
		k = key_of("both.pem", &o);
		IS(k, SUBJECT, "CN=demo, O=\"Acme, Inc\"");
		sluice_key_free(k);
	}
}

/* A line of a certificate for k by an authority of its own. */
static void openssh_line(const struct sluice_key *k, uint64_t from, uint64_t to, char *line,
			 char fingerprint[128])
{
	static const char *const names[] = {"demo", "other\x1b"};
	const struct cert_spec spec = {.role = CERT_USER,
				       .serial = 0xabc,
				       .key_id = "me, myself",
				       .principals = names,
				       .n_principals = 2,
				       .valid_after = from,
				       .valid_before = to};
	struct key *ca = NULL, *cert = NULL, *pub = NULL;
	const uint8_t *blob;
	size_t len;
	int n;

	cr_assert_eq(key_generate("ssh-ed25519", 0, &ca), 0);
	n = (int)sluice_key_info(k, SLUICE_KEY_LINE, line, TEXT_MAX);
	cr_assert_eq(key_public_line_parse(line, (size_t)n, &pub), 0);
	cr_assert_eq(cert_build(pub, &spec, ca, NULL, &cert), 0);
	cr_assert_eq(key_fingerprint(ca, fingerprint, 128), 0);
	blob = key_blob(cert, &len);
	n = snprintf(line, TEXT_MAX, "%s ", key_type(cert));
	base64_encode(blob, len, line + n);
	snprintf(line + n + base64_len(len), 8, " cert\n");
	key_free(pub);
	key_free(cert);
	key_free(ca);
}

/* The last second whose year has room in a struct tm; and one that has no date. */
Test(client_key, a_certificate_whose_time_is_far_away)
{
	char line[TEXT_MAX], ca[128];
	struct sluice_key *k = fresh("ssh-ed25519", 0), *pub = NULL;

	setenv("TZ", "UTC", 1);
	openssh_line(k, 67768036191676799, 67768036191676800, line, ca);
	cr_assert_eq(sluice_key_public(line, &pub), 0);
	IS(pub, NOT_BEFORE, "2147485547-12-31T23:59:59Z");
	IS(pub, EFFECTIVE, "31-Dec-2147485547 23:59:59");
	IS(pub, NOT_AFTER, "");
	IS(pub, EXPIRATION, "");
	sluice_key_free(pub);
	sluice_key_free(k);
}

Test(client_key, a_certificate_of_openssh_says_what_it_has)
{
	char line[TEXT_MAX], ca[128];
	struct sluice_key *k = fresh("ssh-ed25519", 0), *pub = NULL;

	setenv("TZ", "UTC", 1);
	IS(k, SUBJECT, "");
	IS(k, SERIAL, "");
	IS(k, EFFECTIVE, "");
	IS(k, CERT_SHA256, "");
	IS(k, USAGE_BITS, "");
	openssh_line(k, 1000000000, UINT64_MAX, line, ca);
	cr_assert_eq(sluice_key_certificate(k, line), 0);
	cr_assert_eq(sluice_key_public(line, &pub), 0);
	for (int i = 0; i < 2; i++) {
		IS(i == 0 ? k : pub, SUBJECT, "me, myself");
		IS(i == 0 ? k : pub, ISSUER, ca);
		IS(i == 0 ? k : pub, SERIAL, "0ABC");
		IS(i == 0 ? k : pub, SAN, "demo,other?");
		IS(i == 0 ? k : pub, NOT_BEFORE, "2001-09-09T01:46:40Z");
		IS(i == 0 ? k : pub, EFFECTIVE, "09-Sep-2001 01:46:40");
		IS(i == 0 ? k : pub, NOT_AFTER, "");
		IS(i == 0 ? k : pub, EXPIRATION, "");
		IS(i == 0 ? k : pub, VERSION, "");
		IS(i == 0 ? k : pub, SIG_ALGORITHM, "ssh-ed25519");
	}
	IS(k, PRIVATE, "yes");
	IS(pub, PRIVATE, "no");
	IS(pub, COMMENT, "cert");
	IS(pub, TYPE, "ssh-ed25519-cert-v01@openssh.com");
	write_file("cert.pub", line, strlen(line));
	IS(k, SHA256, said("ssh-keygen -lf cert.pub | cut -d' ' -f2"));
	snprintf(line, sizeof(line), "MD5:%s", info(k, SLUICE_KEY_MD5_PAIRS));
	cr_expect_str_eq(line, said("ssh-keygen -l -E md5 -f cert.pub | cut -d' ' -f2"));
	cr_expect_eq(strlen(info(k, SLUICE_KEY_SHA1_PAIRS)), 59u);
	cr_expect_eq(strlen(info(k, SLUICE_KEY_SHA256_PAIRS)), 95u);
	sluice_key_free(pub);
	sluice_key_free(k);
}

/* A certificate comes beside its key in any writing, and none of another key does. */
Test(client_key, a_certificate_is_given_to_its_key)
{
	static const char *const writings[] = {
		"openssl x509 -in me.crt", "openssl x509 -in me.crt -outform DER",
		"cat ca.pem me.crt", "openssl x509 -in me.crt -outform DER | base64",
		"openssl crl2pkcs7 -nocrl -certfile ca.pem -certfile me.crt"};
	char text[TEXT_MAX], ca[128], command[256];
	struct sluice_key *k = certified(), *bare = NULL, *other = fresh("ssh-ed25519", 0);

	for (size_t i = 0; i < sizeof(writings) / sizeof(writings[0]); i++) {
		char buf[FILE_MAX];
		size_t len;

		snprintf(command, sizeof(command), "%s > c", writings[i]);
		tool(command);
		len = file_read("c", buf);
		bare = key_of("me.key", NULL);
		IS(bare, SUBJECT, "");
		cr_expect_eq(sluice_key_certificate_parse(other, buf, len), -EINVAL);
		cr_assert_eq(sluice_key_certificate_parse(bare, buf, len), 0, "%s", writings[i]);
		IS(bare, SUBJECT, "CN=demo, O=Sluice");
		sluice_key_free(bare);
	}
	openssh_line(other, 1, UINT64_MAX, text, ca);
	cr_expect_eq(sluice_key_certificate(k, text), -EINVAL);
	IS(k, SUBJECT, "CN=demo, O=Sluice");
	snprintf(text, sizeof(text), "%s", info(other, SLUICE_KEY_LINE));
	cr_expect_eq(sluice_key_certificate(other, text), -EINVAL, "a bare key is none");
	cr_expect_lt(sluice_key_certificate(other, "nothing"), 0);
	IS(other, SUBJECT, "");
	sluice_key_free(other);
	sluice_key_free(k);
}

/* --- formats --------------------------------------------------------------------------------- */

static void there_and_back(const struct sluice_key *k, const char *format, const char *passphrase)
{
	const struct sluice_key_out out = {.size = sizeof(out),
					   .format = format,
					   .private_half = true,
					   .passphrase = passphrase};
	struct sluice_key_opts o = {.size = sizeof(o), .format = format, .passphrase = passphrase};
	struct sluice_key *again = NULL;
	char text[TEXT_MAX], line[TEXT_MAX], why[128];
	ssize_t n = sluice_key_export(k, &out, NULL, 0);

	cr_assert_gt(n, 0, "%s: %zd", format, n);
	cr_assert_eq(sluice_key_export(k, &out, text, 16), -ENOBUFS);
	n = sluice_key_export(k, &out, text, sizeof(text));
	cr_assert_gt(n, 0);
	cr_expect_eq(text[n], '\0');
	cr_assert_eq(sluice_key_parse(text, (size_t)n, &o, &again), 0, "%s", format);
	snprintf(line, sizeof(line), "%s", info(k, SLUICE_KEY_LINE));
	IS(again, LINE, line);
	IS(again, PRIVATE, "yes");
	sluice_key_free(again);
	if (passphrase == NULL)
		return;
	o.passphrase = "another";
	o.why = why;
	o.why_size = sizeof(why);
	cr_expect_eq(sluice_key_parse(text, (size_t)n, &o, &again), -EKEYREJECTED, "%s", format);
	cr_expect_not_null(strstr(why, "incorrect passphrase"), "%s", why);
	o.passphrase = NULL;
	cr_expect_eq(sluice_key_parse(text, (size_t)n, &o, &again), -ENOKEY, "%s", format);
}

Test(client_key, a_key_goes_out_and_comes_in_in_every_format)
{
	static const char *const plain[] = {"openssh", "pem", "pkcs8", "ppk", "jwk", "xml"};
	struct sluice_key *k = fresh("ecdsa-sha2-nistp256", 0);

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		there_and_back(k, plain[i], NULL);
	there_and_back(k, "pem", "secret");
	sluice_key_free(k);
}

Test(client_key, the_public_half_goes_out_alone)
{
	static const char *const formats[] = {"openssh", "pem", "pkcs8", "jwk", "xml", "rfc4716"};
	const struct sluice_key_opts half = {.size = sizeof(half), .public_half = true};
	struct sluice_key_out out = {.size = sizeof(out)};
	struct sluice_key *k = fresh("ssh-rsa", 2048), *pub = NULL;
	char text[TEXT_MAX], line[TEXT_MAX];
	ssize_t n = sluice_key_export(k, NULL, text, sizeof(text));

	snprintf(line, sizeof(line), "%s", info(k, SLUICE_KEY_LINE));
	cr_assert_gt(n, 0);
	cr_expect_eq(strncmp(text, line, strlen(line)), 0);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		out.format = formats[i];
		n = sluice_key_export(k, &out, text, sizeof(text));
		cr_assert_gt(n, 0, "%s", formats[i]);
		cr_expect_null(strstr(text, "PRIVATE"), "%s", formats[i]);
		cr_expect_eq(sluice_key_parse(text, (size_t)n, NULL, &pub), -EBADMSG, "%s",
			     formats[i]);
		cr_assert_eq(sluice_key_parse(text, (size_t)n, &half, &pub), 0, "%s", formats[i]);
		IS(pub, LINE, line);
		out.private_half = true;
		cr_expect_eq(sluice_key_export(pub, &out, text, sizeof(text)), -EINVAL);
		out.private_half = false;
		sluice_key_free(pub);
	}
	out.format = "nothing";
	cr_expect_eq(sluice_key_export(k, &out, text, sizeof(text)), -EINVAL);
	out.format = "ppk"; /* is of private keys alone */
	cr_expect_eq(sluice_key_export(k, &out, text, sizeof(text)), -ENOTSUP);
	sluice_key_free(k);
}

Test(client_key, formats_that_are_not_taken_say_what_to_do)
{
	static const struct {
		const char *format, *why;
	} t[] = {
		{"0", "Windows"}, {"1", "Windows"},  {"4", "keytool"},
		{"5", "keytool"}, {"21", "PKCS#12"}, {"22", "PKCS#12"},
	};
	struct sluice_key *k = NULL;
	char why[128];
	struct sluice_key_opts o = {.size = sizeof(o), .why = why, .why_size = sizeof(why)};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		o.format = t[i].format;
		cr_expect_eq(sluice_key_parse("x", 1, &o, &k), -EMEDIUMTYPE, "%s", t[i].format);
		cr_expect_not_null(strstr(why, t[i].why), "%s: %s", t[i].format, why);
	}
	o.format = NULL;
	cr_expect_eq(sluice_key_parse("\xfe\xed\xfe\xed", 4, &o, &k), -EMEDIUMTYPE);
	cr_expect_not_null(strstr(why, "keytool"), "%s", why);
	o.format = "77";
	cr_expect_eq(sluice_key_parse("x", 1, &o, &k), -EINVAL);
	o.format = NULL;
	cr_expect_eq(sluice_key_load("/nowhere/at/all", &o, &k), -ENOENT);
	cr_expect_str_eq(why, "No such file or directory");
	o.size = 1;
	cr_expect_eq(sluice_key_parse("x", 1, &o, &k), -EINVAL);
}

/* A PKCS#12 file whose key has a passphrase of its own, and what it is opened by. */
static size_t two_passphrases(const struct sluice_key *k, char *out)
{
	const struct sluice_key_out as = {
		.size = sizeof(as), .format = "pkcs8", .private_half = true};
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	STACK_OF(PKCS7) *safes = NULL;
	unsigned char *der = NULL;
	char pem[TEXT_MAX];
	ssize_t n = sluice_key_export(k, &as, pem, sizeof(pem));
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	PKCS12 *p12;
	int len;

	cr_assert_not_null(PKCS12_add_key(&bags, pkey, 0, 2048, NID_aes_256_cbc, "inner"));
	cr_assert_eq(PKCS12_add_safe(&safes, bags, -1, 0, NULL), 1);
	p12 = PKCS12_add_safes(safes, 0);
	cr_assert_eq(PKCS12_set_mac(p12, "outer", -1, NULL, 0, 2048, EVP_sha256()), 1);
	len = i2d_PKCS12(p12, &der);
	cr_assert(len > 0 && len < TEXT_MAX);
	memcpy(out, der, (size_t)len);
	OPENSSL_free(der);
	PKCS12_free(p12);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return (size_t)len;
}

Test(client_key, a_key_in_a_store_may_have_a_passphrase_of_its_own)
{
	struct sluice_key *k = fresh("ecdsa-sha2-nistp256", 0), *again = NULL;
	struct sluice_key_opts o = {.size = sizeof(o), .passphrase = "outer"};
	char der[TEXT_MAX], line[TEXT_MAX];
	size_t len = two_passphrases(k, der);

	cr_expect_eq(sluice_key_parse(der, len, &o, &again), -EKEYREJECTED);
	o.key_passphrase = "outer";
	cr_expect_eq(sluice_key_parse(der, len, &o, &again), -EKEYREJECTED);
	o.key_passphrase = "inner";
	cr_assert_eq(sluice_key_parse(der, len, &o, &again), 0);
	snprintf(line, sizeof(line), "%s", info(k, SLUICE_KEY_LINE));
	IS(again, LINE, line);
	o.passphrase = "inner";
	sluice_key_free(again);
	cr_expect_eq(sluice_key_parse(der, len, &o, &again), -EKEYREJECTED);
	/* What was of one passphrase stays so. */
	o.key_passphrase = NULL;
	sluice_key_free(k);
}

/* --- whom they let in ------------------------------------------------------------------------ */

/* host.key and host.crt, which is valid for so many days, of the lab's host key. */
static void certify_host(const struct lab *l, int days)
{
	const struct sluice_key_out as = {
		.size = sizeof(as), .format = "pkcs8", .private_half = true};
	struct sluice_key *k = NULL;
	char text[TEXT_MAX], command[256];
	size_t len = sizeof(text);
	ssize_t n;

	cr_assert_eq(key_private_build(l->host, "", text, &len), 0);
	cr_assert_eq(sluice_key_parse(text, len, NULL, &k), 0);
	n = sluice_key_export(k, &as, text, sizeof(text));
	cr_assert_gt(n, 0);
	write_file("host.key", text, (size_t)n);
	sluice_key_free(k);
	snprintf(
		command, sizeof(command),
		"openssl req -new -key host.key -subj /CN=host -out h.csr && openssl x509 -req -in "
		"h.csr -signkey host.key -days %d -out host.crt",
		days);
	tool(command);
}

static int meet(struct lab *l, const char *file)
{
	const struct sluice_key_opts half = {.size = sizeof(half), .public_half = true};
	struct sluice_key *k = key_of(file, &half);
	struct sluice *s = lab_client();
	int r;

	cr_assert_eq(sluice_set(s, "AcceptAnyHostKey", "no"), 0);
	r = sluice_hostkey_accept(s, k);
	sluice_key_free(k);
	if (r == 0)
		r = sluice_connect_fd(s, lab_start(l));
	sluice_free(s);
	return r;
}

Test(client_key, a_host_is_accepted_by_its_certificate_while_that_lasts)
{
	struct lab *l = lab_new();

	certify_host(l, -1);
	cr_expect_eq(meet(l, "host.crt"), -EKEYEXPIRED);
	certify_host(l, 3);
	cr_expect_eq(meet(l, "host.crt"), 0);
	lab_free(l);
	l = lab_new();
	cr_expect_eq(meet(l, "host.crt"), -SLUICE_E_HOSTKEY_REJECTED, "another host's");
	lab_free(l);
	l = lab_new();
	certify_host(l, 3);
	cr_expect_eq(meet(l, "host.key"), 0, "of a private key its public half");
	lab_free(l);
}

static int note_names(void *arg, struct sluice *s, const struct sluice_hostkey *k)
{
	(void)s;
	snprintf(arg, TEXT_MAX, "%d: %s: %s", k->certificate, k->cert_subject, k->cert_issuer);
	return 1;
}

/* What the program is told of a host that shows this, and of the certificate's names. */
static void told_of(struct lab *l, const struct key *shown, const char *alg, char told[TEXT_MAX])
{
	const struct sluice_ops ops = {.size = sizeof(ops), .on_hostkey = note_names};
	struct sluice *s = lab_client();

	l->shown = shown;
	l->conf.hostkey_algs = alg;
	cr_assert_eq(sluice_ops_set(s, &ops, told), 0);
	cr_assert_eq(sluice_set(s, "HostKeyAlgorithms", alg), 0);
	cr_assert_eq(sluice_connect_fd(s, lab_start(l)), 0);
	sluice_free(s);
	lab_free(l);
}

Test(client_key, a_hosts_certificate_says_whose_it_is_and_who_made_it)
{
	const struct cert_spec spec = {
		.role = CERT_HOST, .key_id = "host\x1b, 7", .valid_before = UINT64_MAX};
	struct lab *l = lab_new();
	char told[TEXT_MAX], want[TEXT_MAX], ca_print[128];
	struct key *ca = NULL, *cert = NULL;
	struct keyfile *kf = NULL;

	told_of(l, NULL, "ssh-ed25519", told);
	cr_expect_str_eq(told, "0: : ");

	l = lab_new();
	cr_assert_eq(key_generate("ecdsa-sha2-nistp256", 0, &ca), 0);
	cr_assert_eq(cert_build(l->host, &spec, ca, NULL, &cert), 0);
	cr_assert_eq(key_fingerprint(ca, ca_print, sizeof(ca_print)), 0);
	told_of(l, cert, "ssh-ed25519-cert-v01@openssh.com", told);
	snprintf(want, sizeof(want), "1: host?, 7: %s", ca_print);
	cr_expect_str_eq(told, want);
	key_free(cert);
	key_free(ca);

	sluice_key_free(certified());
	l = lab_new();
	key_free(l->host);
	cr_assert_eq(keyfile_parse((uint8_t *)told, file_read("both.pem", told),
				   &(struct keyfile_opts){.format = KEYFILE_AUTO}, &kf),
		     0);
	cr_assert_eq(
		x509key_make("x509v3-ecdsa-sha2-nistp256", kf->key, kf->cert, kf->n_certs, &cert),
		0);
	l->host = keyfile_take(kf);
	told_of(l, cert, "x509v3-ecdsa-sha2-nistp256", told);
	cr_expect_str_eq(told, "1: CN=demo, O=Sluice: CN=Issuing");
	key_free(cert);
	keyfile_free(kf);
}

struct x509_host {
	const char *alg;
	struct key *own, *cert;
};

/* anchors: a file of the test's folder, or "none". algs NULL: nobody chose any. */
static int meet_below(const struct x509_host *h, const char *anchors, const char *name,
		      const char *algs)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	char path[128];
	int r;

	key_free(l->host);
	l->host = h->own; /* borrowed */
	l->shown = h->cert;
	l->conf.hostkey_algs = h->alg;
	snprintf(path, sizeof(path), "%s/%s", dir, anchors);
	cr_assert_eq(sluice_set(s, "AcceptAnyHostKey", "no"), 0);
	cr_assert_eq(sluice_set(s, "UserKnownHostsFile", "none"), 0);
	cr_assert_eq(sluice_set(s, "GlobalKnownHostsFile", "none"), 0);
	cr_assert_eq(sluice_set(s, "StrictHostKeyChecking", "no"), 0);
	cr_assert_eq(
		sluice_set(s, "X509TrustAnchors", strcmp(anchors, "none") == 0 ? anchors : path),
		0);
	cr_assert_eq(sluice_set(s, "HostKeyAlias", name), 0);
	if (algs != NULL)
		cr_assert_eq(sluice_set(s, "HostKeyAlgorithms", algs), 0);
	r = sluice_connect_fd(s, lab_start(l));
	sluice_free(s);
	lab_join(l);
	l->host = NULL;
	lab_free(l);
	return r;
}

/* Its algorithms are among those of the client's that nobody chose, where there are anchors. */
Test(client_key, a_host_is_believed_below_an_anchor_of_x509)
{
	struct x509_host h = {.alg = "x509v3-ecdsa-sha2-nistp256"};
	struct keyfile_opts o = {.format = KEYFILE_AUTO};
	struct keyfile *kf = NULL;
	char pem[TEXT_MAX];

	authorities();
	leaf("h", P256,
	     USAGE "extendedKeyUsage=1.3.6.1.5.5.7.3.22\\nsubjectAltName=DNS:gw.example\\n",
	     "sha256");
	tool("openssl x509 -inform DER -in h.der -out h.crt && cat h.key h.crt ca.pem > h.pem && "
	     "printf x > empty.pem");
	cr_assert_eq(keyfile_parse((uint8_t *)pem, file_read("h.pem", pem), &o, &kf), 0);
	cr_assert_eq(x509key_make(h.alg, kf->key, kf->cert, kf->n_certs, &h.cert), 0);
	h.own = kf->key;
	cr_expect_eq(meet_below(&h, "root.pem", "gw.example", NULL), 0);
	cr_expect_eq(meet_below(&h, "root.pem", "other.example", NULL), -SLUICE_E_HOSTKEY_REJECTED);
	cr_expect_eq(meet_below(&h, "empty.pem", "gw.example", NULL), -SLUICE_E_HOSTKEY_REJECTED);
	cr_expect_lt(meet_below(&h, "none", "gw.example", NULL), 0, "nobody asks for them");
	cr_expect_eq(meet_below(&h, "none", "gw.example", h.alg), 0, "as a key like others");
	key_free(h.cert);
	keyfile_free(kf);
}

/* Logs in by the key of a file: 1 when the server saw a certificate. */
static int by_certificate(const char *file, const char *accepted)
{
	struct lab *l = lab_new();
	struct sluice *s = lab_client();
	struct sluice_key *k = key_of(file, NULL);
	int r;

	l->conf.server_sig_algs = "x509v3-ecdsa-sha2-nistp256,ecdsa-sha2-nistp256";
	cr_assert_eq(sluice_set(s, "AuthMode", "publickey"), 0);
	if (accepted != NULL)
		cr_assert_eq(sluice_set(s, "PubkeyAcceptedAlgorithms", accepted), 0);
	cr_assert_eq(sluice_identity_add(s, k), 0);
	sluice_key_free(k);
	r = sluice_connect_fd(s, lab_start(l));
	if (r == 0)
		r = sluice_logon(s, NULL, 0);
	cr_assert_eq(r, 0, "%s: %d", file, r);
	sluice_free(s);
	lab_join(l);
	r = l->by_certificate;
	lab_free(l);
	return r;
}

Test(client_key, a_certificate_of_x509_is_shown_where_that_is_wanted_and_while_it_lasts)
{
	sluice_key_free(certified());
	cr_expect_eq(by_certificate("both.pem", NULL), 0);
	cr_expect_eq(by_certificate("both.pem", "+x509v3-ecdsa-sha2-nistp256"), 1);
	cr_expect_eq(by_certificate("me.key", "+x509v3-ecdsa-sha2-nistp256"), 0, "there is none");
	tool("openssl x509 -req -in me.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -out "
	     "old.crt && cat me.key old.crt > old.pem");
	cr_expect_eq(by_certificate("old.pem", "+x509v3-ecdsa-sha2-nistp256"), 0,
		     "the key goes alone");
}

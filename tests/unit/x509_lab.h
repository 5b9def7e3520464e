/*
 * tests/unit/x509_lab.h - authorities and certificates, made by openssl in a folder of the test's
 * own.
 */
#ifndef SLUICE_TESTS_X509_LAB_H
#define SLUICE_TESTS_X509_LAB_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/x509key.h"

/* A test uses of it what it needs. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define FILE_MAX 16384

static char dir[] = "/tmp/sluice-x509-XXXXXX";

static void tool(const char *command)
{
	char text[2048];

	snprintf(text, sizeof(text), "cd %s && { %s; } >/dev/null 2>&1", dir, command);
	cr_assert_eq(system(text), 0, "%s", command);
}

static void x509_setup(void)
{
	if (access("/usr/bin/openssl", X_OK) != 0)
		cr_skip_test("no openssl");
	cr_assert_not_null(mkdtemp(dir));
}

static void x509_teardown(void)
{
	char text[64];

	snprintf(text, sizeof(text), "rm -rf %s", dir);
	cr_expect_eq(system(text), 0);
}

#define CA_EXT                                                                                     \
	"-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"
#define LEAF_EXT                                                                                   \
	"basicConstraints=CA:FALSE\\nauthorityKeyIdentifier=keyid\\nsubjectKeyIdentifier=hash\\n"

/* root.pem, ca.pem below it; keys of nistp256. */
static void authorities(void)
{
	tool("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
	     "root.key "
	     "-out root.pem -subj /CN=Root -days 30 -sha256 " CA_EXT);
	tool("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key "
	     "-out "
	     "ca.csr -subj /CN=Issuing && printf "
	     "'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\n"
	     "authorityKeyIdentifier=keyid\\nsubjectKeyIdentifier=hash\\n' > ext && openssl x509 "
	     "-req "
	     "-in ca.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -sha256 -extfile "
	     "ext "
	     "-out ca.pem");
}

/* NAME.key and NAME.der: a key of this kind, certified by ca.pem with these extensions. */
static void leaf(const char *name, const char *newkey, const char *ext, const char *hash)
{
	char text[1500];

	snprintf(text, sizeof(text),
		 "openssl req -new -newkey %s -nodes -keyout %s.key -out %s.csr -subj "
		 "'/O=Sluice/CN=demo' "
		 "&& printf '" LEAF_EXT
		 "%s' > ext && openssl x509 -req -in %s.csr -CA ca.pem -CAkey "
		 "ca.key -CAcreateserial -days 10 -%s -extfile ext -outform DER -out %s.der",
		 newkey, name, name, ext, name, hash, name);
	tool(text);
}

#define P256  "ec -pkeyopt ec_paramgen_curve:P-256"
#define P521  "ec -pkeyopt ec_paramgen_curve:P-521"
#define USAGE "keyUsage=critical,digitalSignature\\n"

/* gone.der is taken back: ca.crl says so, both.crl has the root's list, too; for five days. */
static void revoke_gone(void)
{
	tool("touch index && echo 1000 > crlnumber && printf "
	     "'[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\ncrlnumber=crlnumber\\ndefault_md="
	     "sha256\\n"
	     "default_crl_days=5\\n' > ca.conf && openssl x509 -inform DER -in gone.der -out "
	     "gone.pem && "
	     "openssl ca -config ca.conf -cert ca.pem -keyfile ca.key -revoke gone.pem && openssl "
	     "ca "
	     "-config ca.conf -cert ca.pem -keyfile ca.key -gencrl -out ca.crl && rm index && "
	     "touch index "
	     "&& openssl ca -config ca.conf -cert root.pem -keyfile root.key -gencrl -out root.crl "
	     "&& cat "
	     "ca.crl root.crl > both.crl");
}

static size_t file_read(const char *name, char *buf)
{
	char path[128];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	cr_assert_not_null(f, "%s", name);
	n = fread(buf, 1, FILE_MAX, f);
	fclose(f);
	cr_assert_lt(n, FILE_MAX);
	return n;
}

static struct x509_trust *trust(const char *anchors, const char *crls)
{
	char a[FILE_MAX], c[FILE_MAX];
	size_t len = file_read(anchors, a), crls_len = crls != NULL ? file_read(crls, c) : 0;
	struct x509_trust *t = NULL;

	cr_assert_eq(x509_trust_new(a, len, crls != NULL ? c : NULL, crls_len, &t), 0);
	return t;
}

#endif

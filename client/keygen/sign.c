/* client/keygen/sign.c - OpenSSH certificates: -s makes them, -L says what is in one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/command.h"
#include "client/keygen/keygen.h"
#include "client/keygen/spec.h"
#include "crypto/cert.h"

#define PATH_LEN 4096

/* --- making ----------------------------------------------------------------------------- */

/* "a,b" cut at its commas. */
static int principals_cut(char *text, const char **list, unsigned int *ret_n)
{
	unsigned int n = 0;

	for (char *p = strtok(text, ","); p != NULL; p = strtok(NULL, ",")) {
		if (n == CERT_PRINCIPALS_MAX)
			return -E2BIG;
		list[n++] = p;
	}
	*ret_n = n;
	return 0;
}

static int spec_make(const struct keygen *g, struct spec_options *o, const char **principals,
		     struct cert_spec *ret)
{
	struct cert_spec s = {.serial = g->serial,
			      .role = g->host ? CERT_HOST : CERT_USER,
			      .key_id = g->id,
			      .principals = principals,
			      .valid_before = UINT64_MAX};

	if (g->id == NULL)
		return keygen_fail("a certificate needs an identity: -I");
	if (g->principals != NULL && principals_cut(g->principals, principals, &s.n_principals) < 0)
		return keygen_fail("more than %d principals", CERT_PRINCIPALS_MAX);
	if (g->validity != NULL &&
	    spec_validity(g->validity, (uint64_t)time(NULL), &s.valid_after, &s.valid_before) < 0)
		return keygen_fail("validity \"%s\" is not understood: such as -5m:+52w",
				   g->validity);
	spec_options_init(o, s.role);
	for (unsigned int i = 0; i < g->n_options; i++)
		if (spec_option_add(o, g->options[i]) < 0)
			return keygen_fail("option \"%s\" of a certificate is not known",
					   g->options[i]);
	s.critical = o->critical;
	s.n_critical = o->n_critical;
	s.extensions = o->extension;
	s.n_extensions = o->n_extension;
	*ret = s;
	return 0;
}

/* FILE.pub becomes FILE-cert.pub. */
static int cert_path(const char *path, char *ret)
{
	size_t len = strlen(path);

	if (len > 4 && strcmp(path + len - 4, ".pub") == 0)
		len -= 4;
	return (size_t)snprintf(ret, PATH_LEN, "%.*s-cert.pub", (int)len, path) < PATH_LEN
		       ? 0
		       : -ENAMETOOLONG;
}

static int cert_write(const struct keygen *g, struct key *cert, const char *comment,
		      const char *path)
{
	const struct keyfile_out o = {.format = KEYFILE_OPENSSH};
	char to[PATH_LEN];
	struct keyfile *kf = NULL;
	struct keyfile_bytes b;
	int r;

	r = keyfile_new(cert, comment, &kf);
	if (r < 0) {
		key_free(cert);
		return keygen_fail("no memory");
	}
	r = cert_path(path, to);
	if (r == 0)
		r = keyfile_build(kf, &o, &b);
	if (r == 0) {
		r = keyfile_write(to, b.p, b.len, 0644, true);
		keyfile_bytes_free(&b);
	}
	if (r == 0 && !g->quiet)
		printf("Signed %s key %s: id \"%s\" serial %" PRIu64 "\n",
		       g->host ? "host" : "user", to, g->id, g->serial);
	keyfile_free(kf);
	return r < 0 ? keygen_fail("cannot write %s: %s", to, strerror(-r)) : 0;
}

static int sign_one(const struct keygen *g, const struct cert_spec *spec, const struct key *ca,
		    const char *path)
{
	struct keyfile *kf = NULL;
	struct key *cert = NULL;
	int r;

	if (keygen_load(g, path, true, &kf) < 0)
		return EXIT_FAILED;
	r = cert_build(kf->key, spec, ca, NULL, &cert);
	if (r < 0)
		r = keygen_fail("cannot certify %s: %s", path,
				r == -EINVAL ? "its options contradict each other"
					     : keyfile_error(r));
	else
		r = cert_write(g, cert, kf->comment, path);
	keyfile_free(kf);
	return r;
}

int keygen_sign(const struct keygen *g)
{
	const char *principals[CERT_PRINCIPALS_MAX];
	struct keyfile *ca = NULL;
	struct spec_options o;
	struct cert_spec spec;
	int r;

	if (g->n_files == 0)
		return keygen_fail("name the public keys to certify behind the options");
	if (spec_make(g, &o, principals, &spec) != 0 || keygen_load(g, g->ca, false, &ca) < 0)
		return EXIT_FAILED;
	r = key_is_private(ca->key) ? 0 : keygen_fail("%s holds no private key", g->ca);
	for (unsigned int i = 0; i < g->n_files && r == 0; i++)
		r = sign_one(g, &spec, ca->key, g->files[i]);
	keyfile_free(ca);
	return r;
}

/* --- showing ---------------------------------------------------------------------------- */

static void time_text(uint64_t t, const char *never, char *buf, size_t size)
{
	time_t at = (time_t)t;
	struct tm tm;

	if (t == 0 || t > INT64_MAX || localtime_r(&at, &tm) == NULL ||
	    strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		snprintf(buf, size, "%s", never);
}

static void validity_print(const struct cert *c)
{
	char from[64], to[64];

	time_text(c->valid_after, "always", from, sizeof(from));
	time_text(c->valid_before, "forever", to, sizeof(to));
	if (c->valid_after == 0 && c->valid_before == UINT64_MAX)
		printf("        Valid: forever\n");
	else if (c->valid_before == UINT64_MAX)
		printf("        Valid: after %s\n", from);
	else if (c->valid_after == 0)
		printf("        Valid: before %s\n", to);
	else
		printf("        Valid: from %s to %s\n", from, to);
}

static void options_print(const struct cert *c)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} permits[] = {
		{CERT_NO_TOUCH_REQUIRED, "no-touch-required"},
		{CERT_PERMIT_X11_FORWARDING, "permit-X11-forwarding"},
		{CERT_PERMIT_AGENT_FORWARDING, "permit-agent-forwarding"},
		{CERT_PERMIT_PORT_FORWARDING, "permit-port-forwarding"},
		{CERT_PERMIT_PTY, "permit-pty"},
		{CERT_PERMIT_USER_RC, "permit-user-rc"},
	};
	bool critical = c->force_command != NULL || c->source_address != NULL ||
			c->verify_required || c->unknown_critical != NULL;

	printf("        Critical Options: %s\n", critical ? "" : "(none)");
	if (c->force_command != NULL)
		printf("                force-command %s\n", c->force_command);
	if (c->source_address != NULL)
		printf("                source-address %s\n", c->source_address);
	if (c->verify_required)
		printf("                verify-required\n");
	if (c->unknown_critical != NULL)
		printf("                %s UNKNOWN OPTION\n", c->unknown_critical);
	printf("        Extensions: %s\n", c->permits != 0 ? "" : "(none)");
	for (size_t i = 0; i < sizeof(permits) / sizeof(permits[0]); i++)
		if ((c->permits & permits[i].bit) != 0)
			printf("                %s\n", permits[i].name);
}

static void cert_print(const struct keygen *g, const struct key *k, const char *path)
{
	const struct cert *c = key_cert(k);
	char key[128] = "", ca[128] = "";

	if (key_fingerprint(key_plain(k), key, sizeof(key)) < 0 ||
	    key_fingerprint(c->ca, ca, sizeof(ca)) < 0)
		return;
	if (!g->quiet)
		printf("%s:\n", path);
	printf("        Type: %s %s certificate\n", key_type(k),
	       c->role == CERT_HOST ? "host" : "user");
	printf("        Public key: %s %s\n", key_log_type(k), key);
	printf("        Signing CA: %s %s (using %s)\n", key_log_type(c->ca), ca, c->ca_sig_alg);
	printf("        Key ID: \"%s\"\n        Serial: %" PRIu64 "\n", c->key_id, c->serial);
	validity_print(c);
	printf("        Principals: %s\n", c->n_principals > 0 ? "" : "(none)");
	for (unsigned int i = 0; i < c->n_principals; i++)
		printf("                %s\n", c->principals[i]);
	options_print(c);
}

int keygen_cert_show(const struct keygen *g)
{
	struct keyfile *kf = NULL;
	int r = 0;

	if (g->file == NULL)
		return keygen_fail("name the certificate with -f");
	if (keygen_load(g, g->file, true, &kf) < 0)
		return EXIT_FAILED;
	if (key_cert(kf->key) == NULL)
		r = keygen_fail("%s is not a certificate", g->file);
	else
		cert_print(g, kf->key, g->file);
	keyfile_free(kf);
	return r;
}

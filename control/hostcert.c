#include "control/hostcert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/userfile.h"
#include "control/log.h"
#include "crypto/cert.h"
#include "ssh/kexinit.h"

#define HOST_CERT_FILE_MAX (64 * 1024)

void host_certs_free(struct host_certs *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		key_free(c->cert[i]);
	c->n = 0;
}

/* --- X.509 ------------------------------------------------------------------------------ */

/* Of one key: all its forms that HostKeyAlgorithms names. NULL, or why there is none. */
static const char *forms_add(const char *algs, const struct key *plain,
			     const struct keyfile_cert *cert, unsigned int n,
			     struct host_certs *ret)
{
	const char *name, *why = "HostKeyAlgorithms has no x509v3- name for it";
	bool any = false;
	int r;

	for (unsigned int i = 0; (name = key_sig_alg_at(i)) != NULL; i++) {
		struct key *k = NULL;

		if (strncmp(name, "x509v3-", 7) != 0 || !ssh_names_have(ssh_str_c(algs), name))
			continue;
		r = x509key_make(name, plain, cert, n, &k);
		if (r == -ENOENT)
			return "no matching private host key";
		if (r == -ENOTSUP)
			why = "too many certificates, or too long ones";
		if (r < 0) /* -EBADMSG: the form of another type of key */
			continue;
		if (!x509key_may(key_x509(k), X509_HOST, &why) || ret->n == HOST_CERTS_MAX) {
			key_free(k);
			return ret->n == HOST_CERTS_MAX ? "too many of them" : why;
		}
		ret->cert[ret->n++] = k;
		any = true;
	}
	return any ? NULL : why;
}

static const char *x509_load(const char *algs, const uint8_t *text, size_t len,
			     const struct host_keys *keys, struct host_certs *ret)
{
	const struct keyfile_opts o = {.public_half = true};
	const char *why = "no matching private host key";
	struct keyfile *kf = NULL;

	if (keyfile_parse(text, len, &o, &kf) < 0)
		return "not a certificate";
	for (unsigned int i = 0; i < keys->n && why != NULL; i++)
		if (key_equal(keys->key[i], key_plain(kf->key)))
			why = forms_add(algs, keys->key[i], kf->cert, kf->n_certs, ret);
	if (kf->n_certs == 0)
		why = "not a certificate";
	keyfile_free(kf);
	return why;
}

/* --- OpenSSH's -------------------------------------------------------------------------- */

static const char *cert_load(const char *text, const struct host_keys *keys, struct host_certs *ret)
{
	struct key *k = NULL;
	bool ours = false;

	if (cert_line_parse(text, strcspn(text, "\r\n"), &k) < 0)
		return "not a certificate";
	for (unsigned int i = 0; i < keys->n; i++)
		ours |= key_equal(keys->key[i], key_plain(k));
	if (!ours || key_cert(k)->role != CERT_HOST) {
		key_free(k);
		return ours ? "not a host certificate" : "no matching private host key";
	}
	ret->cert[ret->n++] = k;
	return NULL;
}

/* --- both ------------------------------------------------------------------------------- */

static const char *file_load(const char *path, const char *algs, const struct host_keys *keys,
			     struct host_certs *ret)
{
	const struct userfile_rules rules = {.owner = (uid_t)-1};
	static char why[256];
	const char *r;
	char *text = NULL;
	size_t len = 0;

	if (ret->n == HOST_CERTS_MAX)
		return "too many of them";
	snprintf(why, sizeof(why), "no such file");
	if (userfile_read(path, &rules, HOST_CERT_FILE_MAX, &text, &len, why, sizeof(why)) < 0)
		return why;
	r = cert_load(text, keys, ret);
	if (r != NULL && (memmem(text, len, "-----BEGIN ", 11) != NULL || *text == 0x30))
		r = x509_load(algs, (const uint8_t *)text, len, keys, ret);
	userfile_free(text, len);
	return r;
}

static void chain_load(const struct conf *conf, const struct key *plain, const struct host_chain *c,
		       struct host_certs *ret)
{
	const char *algs = conf_global(conf)->hostkey_algorithms;
	const char *why = c->n > 0 ? forms_add(algs, plain, c->cert, c->n, ret) : NULL;

	if (why != NULL)
		log_line(LOG_L_ERROR, "Unable to use the certificate of the %s host key: %s",
			 key_log_type(plain), why);
}

void host_certs_of_chain(const struct conf *conf, const struct key *plain,
			 const struct host_chain *chain, struct host_certs *ret)
{
	ret->n = 0;
	chain_load(conf, plain, chain, ret);
}

void host_certs_load(const struct conf *conf, const struct host_keys *keys, struct host_certs *ret)
{
	const struct conf_strs *paths = &conf_global(conf)->host_certificates;
	const char *algs = conf_global(conf)->hostkey_algorithms, *why;

	ret->n = 0;
	for (size_t i = 0; i < paths->n; i++) {
		why = file_load(paths->v[i], algs, keys, ret);
		if (why != NULL)
			log_line(LOG_L_ERROR, "Unable to load host certificate \"%s\": %s",
				 paths->v[i], why);
	}
	for (unsigned int i = 0; i < keys->n; i++)
		chain_load(conf, keys->key[i], &keys->chain[i], ret);
}

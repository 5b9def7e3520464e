/*
 * tests/fuzz/fuzz_cert.c - OpenSSH certificates. What is accepted is kept as it was, has the
 * bare key in it, was not made by a certificate, and is believed by nobody it does not name; what
 * libsluice says of it is text that fits.
 */
#include <stdlib.h>
#include <string.h>

#include "client/lib/internal.h"
#include "crypto/cert.h"
#include "crypto/certinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct key *k, const struct cert *c)
{
	struct cert_rules rules = {c->role, "nobody's name", c->valid_after, "ssh-ed25519", 2048};
	const char *why = NULL;

	if (key_cert(c->ca) != NULL || key_cert(key_plain(k)) != NULL ||
	    key_sig_alg_of(k, 0) == NULL)
		abort();
	if (!key_sig_alg_fits(c->ca, c->ca_sig_alg) || c->n_principals > CERT_PRINCIPALS_MAX)
		abort();
	if (c->role == CERT_USER && cert_check(k, &rules, &why) == 0)
		abort();
	for (unsigned int i = 0; i < c->n_principals; i++)
		if (!cert_names(c, c->principals[i]) || !cert_names_host(c, c->principals[i]))
			abort();
}

/* What it says of itself is text. */
static void said(const struct key *k)
{
	struct certinfo c;

	if (certinfo_key(k, &c) < 0)
		return;
	for (int i = 0; i < CERTINFO_FIELDS; i++)
		for (const char *p = c.text[i]; p != NULL && *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				abort();
	certinfo_fini(&c);
}

/* The same by libsluice: as much as there is, and no more than there is room for. */
static void told(const struct key *k)
{
	struct sluice_key *pub = NULL;
	char *line = key_line(k), text[4096], cut[8];

	if (line == NULL || sluice_key_public(line, &pub) < 0)
		abort();
	for (enum sluice_key_field f = SLUICE_KEY_TYPE; f <= SLUICE_KEY_CERT_SHA256; f++) {
		ssize_t n = sluice_key_info(pub, f, text, sizeof(text));

		if (sluice_key_info(pub, f, cut, sizeof(cut)) != n ||
		    sluice_key_info(pub, f, NULL, 0) != n)
			abort();
		if (n >= 0 &&
		    (strlen(text) != ((size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1) ||
		     strncmp(text, cut, sizeof(cut) - 1) != 0))
			abort();
	}
	sluice_key_free(pub);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key *k = NULL;
	const uint8_t *blob;
	size_t len;

	if (key_blob_parse_any(data, size, &k) < 0)
		return 0;
	blob = key_blob(k, &len);
	if (len != size || memcmp(blob, data, size) != 0)
		abort();
	if (key_cert(k) != NULL)
		look(k, key_cert(k));
	said(k);
	told(k);
	key_free(k);
	return 0;
}

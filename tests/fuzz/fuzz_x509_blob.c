/*
 * tests/fuzz/fuzz_x509_blob.c - keys with X.509 certificates. What is accepted is kept as it was,
 * has a bare key within its bounds, names without NULs, and is believed only as the corpus' own
 * chain is.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/certinfo.h"
#include "crypto/x509key.h"
#include "tests/unit/x509_fixtures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct x509_trust *trust;
static struct key *own;

static void fixtures_load(void)
{
	uint8_t blob[4096];
	static const char type[] = "x509v3-ecdsa-sha2-nistp256";
	const uint32_t len[] = {sizeof(type) - 1, sizeof(fixture_x509_leaf)};
	uint8_t *p = blob;

	for (int i = 0; i < 2; i++) {
		const void *what = i == 0 ? (const void *)type : fixture_x509_leaf;
		const uint8_t be[4] = {0, 0, (uint8_t)(len[i] >> 8), (uint8_t)len[i]};

		if (i == 1)
			p = mempcpy(p, "\0\0\0\1", 4);
		p = mempcpy(p, be, sizeof(be));
		p = mempcpy(p, what, len[i]);
	}
	p = mempcpy(p, "\0\0\0\0", 4);
	if (x509_trust_new(fixture_x509_root, strlen(fixture_x509_root), NULL, 0, &trust) < 0 ||
	    key_blob_parse_for(type, blob, (size_t)(p - blob), &own) < 0)
		abort();
}

static void look(const struct key *k, const struct x509key *x)
{
	const char *why = NULL;
	uint64_t expires = 0;

	if (key_bits(k) < 256 || key_x509(key_plain(k)) != NULL || x509key_subject(x) == NULL ||
	    !key_sig_alg_fits(k, key_type(k)))
		abort();
	for (unsigned int i = 0; x509key_name(x, i) != NULL; i++)
		if (i == X509KEY_NAMES_MAX || *x509key_name(x, i) == '\0')
			abort();
	if (x509_trust_check(trust, k, X509_USER, 2000000000, &expires, &why) == 0 &&
	    !key_equal(key_plain(k), key_plain(own)))
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key *k = NULL;
	const uint8_t *blob;
	size_t len;

	if (trust == NULL)
		fixtures_load();
	if (key_blob_parse_any(data, size, &k) < 0)
		return 0;
	blob = key_blob(k, &len);
	if (len != size || memcmp(blob, data, size) != 0)
		abort();
	if (key_x509(k) != NULL)
		look(k, key_x509(k));
	said(k);
	key_free(k);
	return 0;
}

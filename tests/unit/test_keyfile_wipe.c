/*
 * tests/unit/test_keyfile_wipe.c - nothing of a private key is left in memory (S-73).
 *
 * After a load and a free, and after a build and a free, every page the process may write is
 * searched for the key's private numbers as bytes in either order, and for its passphrase. What
 * is searched for is itself kept with every bit flipped.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/base64.h"
#include "crypto/keyfile.h"
#include "crypto/secret.h"
#include "tests/unit/key_fixtures.h"

#if defined(__SANITIZE_ADDRESS__)
#define QUARANTINE 1 /* a sanitizer keeps freed memory, and its shadow is endless */
#else
#define QUARANTINE 0
#endif

#define NEEDLE     16
#define PASSPHRASE "a passphrase to be found"

/* Flipped, so that the list is not what it lists. */
struct needles {
	uint8_t bytes[16][NEEDLE];
	const char *what[16];
	unsigned int n;
};

static void needle_add(struct needles *l, const char *what, const uint8_t *p, size_t len)
{
	cr_assert_lt(l->n + 1, 16);
	cr_assert_geq(len, NEEDLE);
	for (size_t i = 0; i < NEEDLE; i++) {
		l->bytes[l->n][i] = (uint8_t)~p[i];
		l->bytes[l->n + 1][i] = (uint8_t)~p[len - 1 - i];
	}
	l->what[l->n] = l->what[l->n + 1] = what;
	l->n += 2;
}

/* Where needle i lies in a mapping, or NULL. memmem() would need it unflipped. */
static const uint8_t *find(const struct needles *l, unsigned int i, const uint8_t *p, size_t len)
{
	const uint8_t first = (uint8_t)~l->bytes[i][0];

	for (const uint8_t *at = p; len >= NEEDLE && at <= p + len - NEEDLE; at++) {
		size_t k = 0;

		at = memchr(at, first, (size_t)(p + len - NEEDLE - at) + 1);
		if (at == NULL)
			return NULL;
		while (k < NEEDLE && (at[k] ^ l->bytes[i][k]) == 0xff)
			k++;
		if (k == NEEDLE)
			return at;
	}
	return NULL;
}

/* How many of them are in memory that may be written, stack and heap and all. */
static unsigned int scan(const struct needles *l, const char *when)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], perm[8];
	unsigned long from, to;
	unsigned int found = 0;

	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perm) != 3 || perm[0] != 'r' ||
		    perm[1] != 'w' || strstr(line, "[vvar") != NULL)
			continue;
		for (unsigned int i = 0; i < l->n; i++)
			if (find(l, i, (const uint8_t *)from, to - from) != NULL) {
				fprintf(stderr, "%s: %s is in %s", when, l->what[i], line);
				found++;
			}
	}
	fclose(f);
	return found;
}

static int answer(void *arg, const char *what, char *buf, size_t size)
{
	memcpy(buf, PASSPHRASE, strlen(PASSPHRASE)); /* from memory that is never written */
	return (int)strlen(PASSPHRASE);
}

/* The private numbers of the RSA fixture, taken from its file. */
static void rsa_needles(struct needles *l)
{
	static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
	const char *body = fixture_rsa + strlen(begin), *end = strstr(body, "-----END");
	size_t size = 4096, len = 0;
	uint8_t *p = secret_new(size);

	cr_assert_eq(base64_decode(body, (size_t)(end - body), p, size, &len), 0);
	for (size_t i = 2; i + 4 < len; i++) {
		size_t n = (size_t)p[i] << 24 | (size_t)p[i + 1] << 16 | (size_t)p[i + 2] << 8 |
			   p[i + 3];

		/* d stands behind e, 010001; what has 129 bytes begins with a zero. */
		if (n == 256 && i + 4 + n <= len && p[i - 1] == 1 && p[i - 2] == 0)
			needle_add(l, "d", p + i + 4 + 64, 64);
		if (n == 129 && i + 4 + n <= len)
			needle_add(l, "a prime", p + i + 5 + 32, 64);
	}
	secret_free(p, size);
}

static const struct {
	enum keyfile_format format;
	const char *passphrase;
} forms[] = {
	{KEYFILE_OPENSSH, NULL},   {KEYFILE_OPENSSH, PASSPHRASE}, {KEYFILE_PEM, NULL},
	{KEYFILE_PEM, PASSPHRASE}, {KEYFILE_PKCS8, NULL},         {KEYFILE_PKCS8, PASSPHRASE},
	{KEYFILE_PPK, NULL},       {KEYFILE_PPK, PASSPHRASE},     {KEYFILE_JWK, NULL},
	{KEYFILE_XML, NULL},       {KEYFILE_PFX, PASSPHRASE},
};

#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

/* Writes the fixture in a form and reads it again; everything is freed when it returns. */
static void round_trip(size_t i, struct needles *l, bool look)
{
	const struct keyfile_opts o = {.passphrase = answer};
	const struct keyfile_out out = {.format = forms[i].format,
					.private = true,
					.passphrase = forms[i].passphrase,
					.rounds = forms[i].format == KEYFILE_OPENSSH ||
								  forms[i].format == KEYFILE_PPK
							  ? 1
							  : 10};
	struct keyfile *kf = NULL, *again = NULL;
	struct keyfile_bytes b;

	cr_assert_eq(keyfile_parse((const uint8_t *)fixture_rsa, strlen(fixture_rsa), NULL, &kf),
		     0);
	if (look) /* the search finds what is there */
		cr_expect_gt(scan(l, "while it is loaded"), 0);
	cr_assert_eq(keyfile_build(kf, &out, &b), 0, "%zu", i);
	keyfile_free(kf);
	cr_assert_eq(keyfile_parse(b.p, b.len, &o, &again), 0, "%zu", i);
	keyfile_bytes_free(&b);
	keyfile_free(again);
}

Test(keyfile_wipe, nothing_of_a_key_is_left_in_memory)
{
	struct needles l = {.n = 0};

	if (QUARANTINE)
		cr_skip_test("a sanitizer keeps what was freed");
	rsa_needles(&l);
	needle_add(&l, "the passphrase", (const uint8_t *)PASSPHRASE, strlen(PASSPHRASE));
	cr_assert_eq(l.n, 10, "d, two primes, the coefficient, and the passphrase, both ways");
	for (size_t i = 0; i < N_FORMS; i++) {
		char when[64];

		round_trip(i, &l, i == 0);
		snprintf(when, sizeof(when), "%s %s", keyfile_format_name(forms[i].format),
			 forms[i].passphrase != NULL ? "with a passphrase" : "");
		cr_expect_eq(scan(&l, when), 0, "%s", when);
	}
}

/*
 * tests/util/suites.h - cipher suites of this build, plain first, and keys for them.
 */
#ifndef SLUICE_TESTS_UTIL_SUITES_H
#define SLUICE_TESTS_UTIL_SUITES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"
#include "ssh/record.h"

#define SUITES_MAX 400

/*
 * Every pair of a cipher and a MAC with SLUICE_LONG; else so many that each cipher and each MAC is
 * among them.
 */
static inline bool suites_want(unsigned int c, unsigned int m)
{
	return getenv("SLUICE_LONG") != NULL || (c + 3 * m) % 13 == 0;
}

static inline unsigned int suites_all(const struct cipher_suite **list)
{
	unsigned int n = 0;

	list[n++] = cipher_suite_plain();
	for (unsigned int c = 0; cipher_name_at(c) != NULL; c++) {
		const struct cipher_suite *s = cipher_suite_find(cipher_name_at(c), "");

		/* A cipher that authenticates by itself stands once, another once with each MAC. */
		if (s != NULL) {
			list[n++] = s;
			continue;
		}
		for (unsigned int m = 0; cipher_mac_name_at(m) != NULL && n < SUITES_MAX; m++) {
			s = cipher_suite_find(cipher_name_at(c), cipher_mac_name_at(m));
			if (s != NULL && suites_want(c, m))
				list[n++] = s;
		}
	}
	return n;
}

/* What is wrong with a record is told only when the largest one has come (S-69). */
static inline bool suite_tells_late(const struct cipher_suite *s)
{
	return s->shape == CIPHER_EAM && strstr(s->cipher_name, "-cbc") != NULL;
}

/* The list, made once. */
static inline const struct cipher_suite *const *suites(unsigned int *ret_count)
{
	static const struct cipher_suite *list[SUITES_MAX];
	static unsigned int count;

	if (count == 0)
		count = suites_all(list);
	*ret_count = count;
	return list;
}

static inline const struct cipher_suite *suites_at(unsigned int i)
{
	unsigned int n;

	return suites(&n)[i];
}

static inline unsigned int suites_count(void)
{
	unsigned int n;

	suites(&n);
	return n;
}

/* One that authenticates by itself, by name. */
static inline const struct cipher_suite *suites_find(const char *cipher_name)
{
	const struct cipher_suite *s = cipher_suite_find(cipher_name, "");

	if (s == NULL) {
		fprintf(stderr, "no %s in this build\n", cipher_name);
		abort();
	}
	return s;
}

/* A key change to key material of one byte, the same for both sides. */
static inline void suite_rekey(struct ssh_dir *d, struct cipher_engine *e,
			       const struct cipher_suite *suite, uint8_t fill, bool reset_seqnr,
			       const struct ssh_rekey_limit *limit)
{
	uint8_t material[CIPHER_KEY_MAX];

	memset(material, fill, sizeof(material));
	if (ssh_dir_rekey(d, e, suite, material, material, material, reset_seqnr, limit) < 0)
		abort();
}

#endif

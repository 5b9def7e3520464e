/*
 * tests/fuzz/keyfile.h - a key file of any format: what is accepted is written again in its own
 * format, where that is written at all, and read as the same key.
 */
#ifndef SLUICE_TESTS_FUZZ_KEYFILE_H
#define SLUICE_TESTS_FUZZ_KEYFILE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/keyfile.h"

#define FUZZ_PASSPHRASE "secret" /* of the files in the corpus */

static inline int fuzz_passphrase(void *arg, const char *what, char *buf, size_t size)
{
	(void)arg;
	(void)what;
	(void)size;
	memcpy(buf, FUZZ_PASSPHRASE, strlen(FUZZ_PASSPHRASE));
	return (int)strlen(FUZZ_PASSPHRASE);
}

static inline void fuzz_keyfile_again(const struct keyfile *kf, const struct keyfile_opts *o)
{
	const struct keyfile_out out = {
		.format = kf->format,
		.private = key_is_private(kf->key) || kf->sk != NULL,
		.passphrase = kf->encrypted ? FUZZ_PASSPHRASE : NULL,
		.rounds = 1,
	};
	struct keyfile *again = NULL;
	struct keyfile_bytes b;
	int r = keyfile_build(kf, &out, &b);

	if (r == -ENOTSUP) /* formats that are only read */
		return;
	if (r < 0 || keyfile_parse(b.p, b.len, o, &again) < 0 || !key_equal(kf->key, again->key))
		abort();
	keyfile_bytes_free(&b);
	keyfile_free(again);
}

static inline int fuzz_keyfile(const uint8_t *data, size_t size, enum keyfile_format format)
{
	char why[KEYFILE_WHY_MAX];
	const struct keyfile_opts o = {.format = format, .passphrase = fuzz_passphrase, .why = why};
	const struct keyfile_opts any = {.passphrase = fuzz_passphrase};
	struct keyfile *kf = NULL;

	if (keyfile_parse(data, size, &o, &kf) < 0)
		return 0;
	fuzz_keyfile_again(kf, &any);
	keyfile_free(kf);
	return 0;
}

#endif

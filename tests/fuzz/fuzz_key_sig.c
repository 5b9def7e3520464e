/*
 * tests/fuzz/fuzz_key_sig.c - signature blobs, against one key of each type. The first byte
 * says which algorithm is asked for. Only what the key itself has signed may verify.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/key.h"
#include "tests/unit/key_fixtures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct key *keys[3];

static void keys_load(void)
{
	const char *lines[] = {fixture_ed25519_pub, fixture_ecdsa_pub, fixture_rsa_pub};

	for (int i = 0; i < 3; i++)
		if (key_public_line_parse(lines[i], strlen(lines[i]), &keys[i]) < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int n_algs = 0, alg;

	if (keys[0] == NULL)
		keys_load();
	while (key_sig_alg_at(n_algs) != NULL)
		n_algs++;
	if (size == 0)
		return 0;
	alg = data[0] % n_algs;
	for (int i = 0; i < 3; i++) {
		int r = key_verify(keys[i], key_sig_alg_at(alg), data + 1, size - 1, fixture_signed,
				   sizeof(fixture_signed));

		if (r == 0 && !key_sig_alg_fits(keys[i], key_sig_alg_at(alg)))
			abort();
	}
	return 0;
}

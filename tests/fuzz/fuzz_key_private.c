/*
 * tests/fuzz/fuzz_key_private.c - private key files. What is accepted has signed and verified;
 * written again and read again it is the same key.
 */
#include <stdlib.h>

#include "crypto/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[32 * 1024];
	struct key *k = NULL, *again = NULL;
	size_t len = sizeof(text);

	if (key_private_parse(data, size, &k) < 0)
		return 0;
	if (!key_is_private(k) || key_private_build(k, "again", text, &len) < 0 ||
	    key_private_parse((const uint8_t *)text, len, &again) < 0 || !key_equal(k, again))
		abort();
	key_free(k);
	key_free(again);
	return 0;
}

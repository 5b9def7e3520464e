/* tests/fuzz/fuzz_key_line.c - public keys as lines of text. */
#include <stdlib.h>
#include <string.h>

#include "crypto/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key *k = NULL;

	if (key_public_line_parse((const char *)data, size, &k) < 0)
		return 0;
	if (memmem(data, size, key_type(k), strlen(key_type(k))) == NULL)
		abort();
	key_free(k);
	return 0;
}

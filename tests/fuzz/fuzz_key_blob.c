/* tests/fuzz/fuzz_key_blob.c - public key blobs: what is accepted is its own encoding. */
#include <stdlib.h>
#include <string.h>

#include "crypto/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key *k = NULL;
	const uint8_t *blob;
	char text[64];
	size_t len;

	if (key_blob_parse(data, size, &k) < 0)
		return 0;
	blob = key_blob(k, &len);
	if (len != size || memcmp(blob, data, size) != 0 || key_is_private(k) ||
	    key_bits(k) < 256 || key_sig_alg_of(k, 0) == NULL ||
	    key_fingerprint(k, text, sizeof(text)) < 0)
		abort();
	key_free(k);
	return 0;
}

/* tests/fuzz/fuzz_keyfile_rfc4716.c - key files that are said to be of the format "rfc4716". */
#include "tests/fuzz/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_keyfile(data, size, KEYFILE_RFC4716);
}

/* tests/fuzz/fuzz_keyfile_openssh.c - key files that are said to be of the format "openssh". */
#include "tests/fuzz/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_keyfile(data, size, KEYFILE_OPENSSH);
}

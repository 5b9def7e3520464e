/* Any bytes as what a tee says: no frame but a whole one, and each as it was written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "link/tee.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tee_head h;
	size_t at = 0;
	int n;

	while ((n = tee_parse(data + at, size - at, &h)) > 0) {
		if ((size_t)n != sizeof(h) + h.len || (size_t)n > size - at ||
		    memcmp(&h, data + at, sizeof(h)) != 0)
			abort();
		at += (size_t)n;
	}
	return 0;
}

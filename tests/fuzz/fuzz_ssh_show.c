/* Any bytes as a message: what may be shown of it is a beginning, and the same when it is shown. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[SSH_SHOW_TEXT], again[SSH_SHOW_TEXT];
	size_t n = ssh_show_len(data, size);

	if (n > size || (size > 0 && n == 0) || ssh_show_len(data, n) != n)
		abort();
	ssh_show_fields(data, size, text);
	ssh_show_fields(data, n, again);
	if (strcmp(text, again) != 0)
		abort();
	return 0;
}

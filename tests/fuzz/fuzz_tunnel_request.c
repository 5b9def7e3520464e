/* What is asked of a tunnel agent: any line; what is taken says the same again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/tunnel/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * REQUEST_LINE_MAX];
	struct request r;
	int n;

	if (request_parse((const char *)data, size, &r) < 0)
		return 0;
	n = snprintf(text, sizeof(text), "%s%s%s%s%s", request_word(r.what),
		     *r.host != '\0' ? " " : "", r.host, *r.listen != '\0' ? " " : "", r.listen);
	if (n < 0 || (size_t)n != size || memcmp(text, data, size) != 0)
		abort();
	return 0;
}

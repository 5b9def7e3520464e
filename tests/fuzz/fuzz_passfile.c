/* The password file: any bytes; what is found is a string that fits and holds no colon. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/passfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char hash[PASSWD_HASH_MAX];
	size_t user_len, hash_len;
	const char *h;

	if (passfile_find((const char *)data, size, "demo", hash) == 0 &&
	    (strlen(hash) >= sizeof(hash) || strchr(hash, ':') != NULL ||
	     strchr(hash, '\n') != NULL))
		abort();
	if (passfile_line_parse((const char *)data, size, &user_len, &h, &hash_len) == 0 &&
	    (user_len == 0 || hash_len >= PASSWD_HASH_MAX ||
	     h + hash_len > (const char *)data + size))
		abort();
	return 0;
}

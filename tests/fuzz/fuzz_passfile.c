/* The password file: any bytes; what is found is a string that fits and holds no colon. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/passfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct passfile_hash hash;
	size_t user_len, hash_len;
	const char *h;

	if (passfile_find((const char *)data, size, "demo", &hash) == 0 &&
	    (strnlen(hash.own, sizeof(hash.own)) == sizeof(hash.own) ||
	     strchr(hash.own, ':') != NULL || strchr(hash.own, '\n') != NULL))
		abort();
	if (!passwd_hash_ok(hash.decoy))
		abort();
	if (passfile_line_parse((const char *)data, size, &user_len, &h, &hash_len) == 0 &&
	    (user_len == 0 || hash_len >= PASSWD_HASH_MAX ||
	     h + hash_len > (const char *)data + size))
		abort();
	return 0;
}

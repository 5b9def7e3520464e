/* The password file: any bytes; what is found is a string that fits and holds no colon. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/passfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct passfile_hash hash;
	struct passfile_line l;

	if (passfile_find((const char *)data, size, "demo", &hash) == 0 &&
	    (strnlen(hash.own, sizeof(hash.own)) == sizeof(hash.own) ||
	     strchr(hash.own, ':') != NULL || strchr(hash.own, '\n') != NULL))
		abort();
	if (!passwd_hash_ok(hash.decoy))
		abort();
	if (passfile_line_parse((const char *)data, size, &l) == 0 &&
	    (l.user_len == 0 || l.hash_len >= PASSWD_HASH_MAX ||
	     l.hash + l.hash_len > (const char *)data + size))
		abort();
	return 0;
}

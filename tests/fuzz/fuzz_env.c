/*
 * ~/.ssh/environment: whatever stands in it, the environment keeps its bounds, and all in it are
 * assignments whose names the patterns let through.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"
#include "control/service/env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char patterns[] = "!LD_*,[A-Z]*,?A*,B";
	struct env e = {0};
	unsigned int bad;

	if (env_lines(&e, (const char *)data, size, patterns, &bad) == 0 && bad > size + 1)
		abort();
	if (e.n > ENV_MAX || e.bytes > ENV_BYTES_MAX || (e.n > 0 && e.v[e.n] != NULL))
		abort();
	for (size_t i = 0; i < e.n; i++) {
		char *equals = strchr(e.v[i], '=');

		if (equals == NULL || equals == e.v[i])
			abort();
		*equals = '\0';
		if (match_list(e.v[i], patterns, false) != MATCH_YES)
			abort();
	}
	env_fini(&e);
	return 0;
}

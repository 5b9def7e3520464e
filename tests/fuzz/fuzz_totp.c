/*
 * Files of secrets and of used codes: every secret is one that can be computed with, and a state
 * that was written remembers what it was written for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/totp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct totp_secret s;
	uint64_t step;
	char *state;
	size_t len;

	if (size > 4096)
		return 0;
	if (totp_find(text, size, "u", &s) == 0 &&
	    (s.len < TOTP_SECRET_MIN || s.len > TOTP_SECRET_MAX || s.digits < 6 ||
	     s.digits > TOTP_DIGITS_MAX || s.step == 0))
		abort();
	(void)!totp_check(&s, "123456", 6, 1111111109, 1, 0, &step);
	if (totp_state_with(text, size, "u", 1000, 10, &state, &len) < 0)
		abort();
	if (totp_last(state, len, "u") != 1000)
		abort();
	if (totp_last(text, size, "v") >= 10 &&
	    totp_last(state, len, "v") != totp_last(text, size, "v"))
		abort();
	free(state);
	return 0;
}

/*
 * What clients of our SOCKS server say: a hello in pieces leads to the same as whole, nothing is
 * looked at twice, replies fit.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/shell/socks.h"

static enum socks_step run(struct socks *s, const uint8_t *p, size_t len, size_t piece,
			   size_t *ret_at)
{
	enum socks_step step = SOCKS_MORE;
	size_t have = 0, used;

	*ret_at = 0;
	while (have < len && step == SOCKS_MORE) {
		have += len - have < piece ? len - have : piece;
		do {
			step = socks_input(s, p + *ret_at, have - *ret_at, &used);
			if (used > have - *ret_at || s->reply_len > SOCKS_REPLY_MAX)
				abort();
			*ret_at += used;
		} while (step == SOCKS_MORE && used > 0);
	}
	if (step == SOCKS_TARGET &&
	    (*s->host == '\0' || memchr(s->host, 0, SOCKS_HOST_MAX) == NULL))
		abort();
	return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socks whole = {0}, cut = {0};
	size_t at, at_cut;

	if (size > SOCKS_HELLO_MAX - 1)
		size = SOCKS_HELLO_MAX - 1;
	if (run(&whole, data, size, size, &at) != run(&cut, data, size, 1, &at_cut) ||
	    at != at_cut || strcmp(whole.host, cut.host) != 0 || whole.port != cut.port)
		abort();
	return 0;
}

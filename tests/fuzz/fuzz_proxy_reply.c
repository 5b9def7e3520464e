/*
 * What a proxy answers: the first byte says which kind it is and whether we have a password, the
 * second in pieces of how many bytes. Bounded, nothing is taken beyond what is there, an end is an
 * end, and the same bytes in one piece come to the same.
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/reach/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int talk(uint8_t how, size_t piece, const uint8_t *p, size_t len, size_t *ret_at)
{
	struct proxy_ask ask = {
		.kind = (enum proxy_kind)(1 + how % 5), .host = "192.0.2.1", .port = 22};
	struct proxy_talk *t;
	size_t at = 0, used, left;
	int r = -EAGAIN;

	if (how & 0x80) {
		ask.user = "user";
		ask.password = "password";
	}
	if (proxy_talk_new(&ask, &t) < 0)
		abort();
	while (at < len && (r == -EAGAIN || r == PROXY_ANEW)) {
		size_t n = len - at < piece ? len - at : piece;

		(void)proxy_talk_out(t, &left);
		proxy_talk_sent(t, left);
		r = proxy_talk_input(t, p + at, n, &used);
		if (used > n || (used < n && r == -EAGAIN))
			abort();
		at += used;
	}
	if (r == -EAGAIN && len > 9 * PROXY_REPLY_MAX)
		abort(); /* it would go on for ever */
	for (const char *why = proxy_talk_why(t); *why != '\0'; why++)
		if (!isprint((unsigned char)*why))
			abort();
	proxy_talk_free(t);
	*ret_at = at;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at, whole;

	if (size < 2)
		return 0;
	if (talk(data[0], 1 + data[1] % 64, data + 2, size - 2, &at) !=
		    talk(data[0], SIZE_MAX, data + 2, size - 2, &whole) ||
	    at != whole)
		abort();
	return 0;
}

/* What a master is asked: texts within bounds, forwards that are some, or nothing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/shell/mux_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mux_request q;

	if (size > MUX_MESSAGE_MAX || mux_request_read((const char *)data, size, &q) < 0)
		return 0;
	if (q.what == MUX_SESSION &&
	    (q.term == NULL || q.escape < -1 || q.escape > 255 || q.env[MUX_ENV_MAX] != NULL))
		abort();
	if ((q.what == MUX_FORWARD || q.what == MUX_CANCEL) &&
	    memchr(q.forward.listen.host, 0, FORWARD_HOST_MAX) == NULL)
		abort();
	mux_request_fini(&q);
	return 0;
}

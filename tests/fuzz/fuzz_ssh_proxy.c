/*
 * Headers of the PROXY protocol: what is taken lies within what is there and within the bound,
 * has addresses of one family or none, and what we would say of them reads the same.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/proxy.h"

static int same(const struct ssh_proxy_addr *a, const struct ssh_proxy_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buf[SSH_PROXY_V1_MAX + 1];
	struct ssh_proxy h, again;
	size_t used, used2, n;
	int r = ssh_proxy_parse(data, size, &h, &used);

	if (r == -EAGAIN && size >= SSH_PROXY_MAX)
		abort(); /* would wait for ever */
	if (r != 0)
		return 0;
	if (used > size || used > SSH_PROXY_MAX || h.local != (h.src.family == 0) ||
	    h.src.family != h.dst.family)
		abort();
	for (enum ssh_proxy_version v = SSH_PROXY_V1; v <= SSH_PROXY_V2; v++) {
		n = ssh_proxy_build(v, &h.src, &h.dst, buf);
		if (ssh_proxy_parse(buf, n, &again, &used2) != 0 || used2 != n ||
		    !same(&again.src, &h.src) || !same(&again.dst, &h.dst))
			abort();
	}
	return 0;
}

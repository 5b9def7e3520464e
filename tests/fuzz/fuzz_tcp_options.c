/* tcp_opts_parse(): any bytes; what was read builds to options that read the same. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_opts o, p;
	uint8_t b[TCP_OPTIONS_MAX];
	size_t n;

	if (size > TCP_OPTIONS_MAX)
		size = TCP_OPTIONS_MAX;
	tcp_opts_parse(data, size, &o);
	if (o.wscale > TCP_WSCALE_MAX)
		abort();
	n = tcp_opts_build(&o, b);
	if (n > sizeof(b) || n % 4 != 0)
		abort();
	tcp_opts_parse(b, n, &p);
	/* Padding may leave no room for the last blocks. */
	if (o.sack_n > TCP_SACK_MAX || p.sack_n > o.sack_n)
		abort();
	/* And of several SACK options the last counts: what lies behind its blocks says nothing. */
	for (unsigned int i = p.sack_n; i < TCP_SACK_MAX; i++)
		o.sack[i] = (struct tcp_sack){0};
	o.sack_n = p.sack_n;
	if (memcmp(&o, &p, sizeof(o)) != 0)
		abort();
	return 0;
}

/* client/shell/stdio.c - see stdio.h. */
#include "client/shell/stdio.h"

#include <stdio.h>

#include "client/shell/relays.h"

int stdio_open(struct stdio *s, struct conn *c, const struct forward_end *to, int in, int out)
{
	int r = pump_init(&s->pump, NULL, in, out, -1);

	s->used = r == 0;
	if (r == 0)
		r = to->path ? sluice_channel_open_unix(c->s, to->host, &s->pump.c)
			     : sluice_channel_open_tcp(c->s, to->host, to->port, NULL, 0,
						       &s->pump.c);
	if (s->pump.c != NULL)
		sluice_channel_arg_set(s->pump.c, s);
	s->pump.idle_ms = relay_idle_ms(c->config, to->path);
	if (r == 0 || !pump_waits(r))
		stdio_opened(s, r, "");
	return s->failed ? r : 0;
}

void stdio_opened(struct stdio *s, int err, const char *text)
{
	s->pump.opened = err == 0;
	s->failed = err < 0;
	if (err < 0)
		snprintf(s->why, sizeof(s->why), "channel 0: open failed: %s%s%.150s",
			 sluice_strerror(err), *text != '\0' ? ": " : "", text);
}

bool stdio_over(const struct stdio *s)
{
	return s->failed || pump_over(&s->pump);
}

void stdio_fini(struct stdio *s)
{
	if (s->used)
		pump_fini(&s->pump);
	s->used = false;
}

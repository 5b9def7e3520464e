/* client/shell/stdio.h - -W: two descriptors are one end of a connection that the server makes. */
#ifndef SLUICE_CLIENT_SHELL_STDIO_H
#define SLUICE_CLIENT_SHELL_STDIO_H

#include "client/config/forward.h"
#include "client/shell/conn.h"
#include "client/pump/pump.h"

struct stdio {
	struct pump pump;
	bool used, failed;
	char why[256]; /* it failed */
};

/* Asks for it; in and out stay the caller's. 0, or an error: it has failed. */
int stdio_open(struct stdio *s, struct conn *c, const struct forward_end *to, int in, int out);
/* For on_channel_opened of its channel. */
void stdio_opened(struct stdio *s, int err, const char *text);
bool stdio_over(const struct stdio *s);
void stdio_fini(struct stdio *s);

#endif

/*
 * client/shell/x11.h - the user's display, for programs at the server (ForwardX11).
 *
 * The server is given a cookie made up for this connection; who comes with it is let in with the
 * display's own, which never leaves this machine. Without ForwardX11Trusted that one is of a kind
 * that may not look at other programs, and ends with ForwardX11Timeout.
 */
#ifndef SLUICE_CLIENT_SHELL_X11_H
#define SLUICE_CLIENT_SHELL_X11_H

#include "client/config/config.h"
#include "client/shell/display.h"
#include "client/shell/relays.h"

struct x11 {
	bool on;
	struct display display;
	struct cookie cookie;
	uint64_t until_ms; /* who comes later is refused; 0: nobody is */
};

/* Who asks for it is here; what is in the way is said, and *x is off then. */
void x11_begin(struct x11 *x, const struct config *c, uint64_t now_ms);
/* Offers it to the session's programs. 0 or an error. */
int x11_request(const struct x11 *x, struct sluice_channel *c);
/* The server brings a program for it. As on_channel_open_request answers. */
int x11_open(const struct x11 *x, struct relays *r, struct sluice_channel *c,
	     const struct sluice_open *open, uint64_t now_ms);
void x11_end(struct x11 *x); /* wipes */

#endif

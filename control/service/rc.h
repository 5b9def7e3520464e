/*
 * control/service/rc.h - what runs before a session's program: ~/.ssh/rc, else /etc/ssh/sshrc.
 *
 * Source  sshd(8), SSHRC.
 */
#ifndef SLUICE_CONTROL_SERVICE_RC_H
#define SLUICE_CONTROL_SERVICE_RC_H

#include <stdbool.h>

struct rc {
	bool user; /* its user's own may be run */
	const char *home, *shell;
	const char *display; /* "PROTOCOL COOKIE\n" of X11, which it finds on its input; "" */
	char **env;
};

/* As the user, with the program's descriptors. How it ends is nobody's concern. */
void rc_run(const struct rc *r);

#endif

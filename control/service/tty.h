/*
 * control/service/tty.h - pseudo-terminals: opened, sized, with the modes a client asked for.
 *
 * Source  RFC 4254 sections 6.2 and 8, RFC 8160 (IUTF8), pty(7), termios(3).
 */
#ifndef SLUICE_CONTROL_SERVICE_TTY_H
#define SLUICE_CONTROL_SERVICE_TTY_H

#include <pwd.h>
#include <termios.h>

#include "ssh/session_msg.h"

#define TTY_NAME_ROOM 64

struct tty {
	int master, slave; /* -1: not open */
	char name[TTY_NAME_ROOM];
};

/* Of this user, as wide as asked, with its modes. -errno. */
int tty_open(const struct passwd *pw, const struct ssh_pty_req *req, struct tty *ret)
	__attribute__((warn_unused_result));
/* Both ends; of one that is not open: nothing. */
void tty_close(struct tty *t);

/* Modes over what t holds; opcodes that mean nothing here are passed over. */
void tty_modes_apply(struct ssh_str modes, struct termios *t);

#endif

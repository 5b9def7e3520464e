/*
 * client/shell/tty.h - the terminal we stand at: raw while a session runs, and as it was after
 * that.
 */
#ifndef SLUICE_CLIENT_SHELL_TTY_H
#define SLUICE_CLIENT_SHELL_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TTY_MODES_MAX 400 /* bytes of encoded modes (RFC 4254, section 8) */

/* Raw, once; what it was is given back by tty_restore(), also at exit. */
void tty_raw(int fd);
void tty_restore(void);
bool tty_is_raw(void);

struct tty_size {
	uint32_t columns, rows, width, height;
};
/* All 0 when it is not known. */
void tty_size(int fd, struct tty_size *ret);
/* The modes of a terminal, and of none: how many bytes. */
size_t tty_modes(int fd, uint8_t buf[TTY_MODES_MAX]);

#endif

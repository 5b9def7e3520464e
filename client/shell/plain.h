/*
 * client/shell/plain.h - what of a stranger's text a terminal may be shown.
 */
#ifndef SLUICE_CLIENT_SHELL_PLAIN_H
#define SLUICE_CLIENT_SHELL_PLAIN_H

#include <stddef.h>

/*
 * The bytes of the first character, which is whole UTF-8 and does not steer a terminal; 0: it does,
 * as C0 and C1 do, or is none. Tab and the end of a line are plain.
 */
size_t plain_char(const char *text, size_t len);

#endif

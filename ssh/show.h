/*
 * ssh/show.h - messages for people who look at a connection: their names, and those of their fields
 * that may be seen.
 *
 * Source  RFC 4253 sections 7 and 11, RFC 4252, RFC 4254, OpenSSH PROTOCOL.
 *
 * Which these are is one table, by which a payload is both cut and read: what it does not name is
 * never shown. So are passwords and answers, keys and cookies of displays, a client's variables,
 * its commands (the audit log has them) and what channels carry. Thread  any: pure.
 */
#ifndef SLUICE_SSH_SHOW_H
#define SLUICE_SSH_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSH_SHOW_MAX   2048 /* bytes of a payload, at most */
#define SSH_SHOW_TEXT  8192 /* room for what ssh_show_fields() may write */
#define SSH_SHOW_TITLE 32   /* and ssh_show_title() */

/* Of n bytes a payload begins with, how many may be shown. */
size_t ssh_show_len(const uint8_t *p, size_t n);
/* NULL: it has none. */
const char *ssh_show_name(uint8_t msg);
/* That, or what its number is among, as "KEX message 30". */
const char *ssh_show_title(uint8_t msg, char buf[SSH_SHOW_TITLE]);
/* A client's may have a password in it, or an answer, of which its length would tell. */
bool ssh_show_hides_len(uint8_t msg);
/* " name=value" for each field that lies in n bytes; what is no plain character is \ooo. */
void ssh_show_fields(const uint8_t *p, size_t n, char buf[SSH_SHOW_TEXT]);

#endif

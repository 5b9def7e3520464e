/*
 * ssh/ident.h - identification strings.
 *
 * Source  RFC 4253 sections 4.2 and 5.1.
 */
#ifndef SLUICE_SSH_IDENT_H
#define SLUICE_SSH_IDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/msg.h"

#define SSH_IDENT_MAX 253 /* without CR LF: RFC's 255 with it */
/* Of lines a server may send before it; a client may send none. */
#define SSH_IDENT_LINE_MAX  8192
#define SSH_IDENT_LINES_MAX 1024

/*
 * Looks for a whole line in the first n bytes of a stream (S-48). *ret_used: bytes of
 * the line with its end; *ret_len: without. Takes CR LF and bare LF. -EAGAIN: more bytes
 * are needed; -SSH_E_IDENT: too long, NUL or control bytes. Refused as soon as it can be told:
 * a caller never needs to keep more than SSH_IDENT_MAX + 2 bytes (a client: SSH_IDENT_LINE_MAX
 * + 2). A client counts lines and stops at SSH_IDENT_LINES_MAX. In lines that a client sees
 * before the identification any byte but NUL may stand: nobody looks at them.
 */
int ssh_ident_line(enum ssh_role we_are, const uint8_t *p, size_t n, size_t *ret_len,
		   size_t *ret_used);

/*
 * What a line is. 0: "SSH-2.0-" or "SSH-1.99-" and what follows; -EAGAIN: a line before it (only
 * a client sees those); -SSH_E_VERSION: another version (S-48); -SSH_E_IDENT: not SSH.
 */
int ssh_ident_check(enum ssh_role we_are, const uint8_t *line, size_t len);

/*
 * Whether a client's line is of software that asks for ssh-userauth before every try and not only
 * once (paramiko). RFC 4253 section 10 does not forbid it and sshd takes it from anybody; here it
 * is taken from those who do it, after a FAILURE, and ends everybody else (S-15).
 */
bool ssh_ident_asks_again(const uint8_t *line, size_t len);

/*
 * Whether a client's comments have the word that says that nobody waits for it: it may be told to
 * come later (PROTOCOL.md).
 */
#define SSH_IDENT_UNATTENDED "unattended"
bool ssh_ident_unattended(const uint8_t *line, size_t len);

#endif

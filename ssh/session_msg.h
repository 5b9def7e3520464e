/*
 * ssh/session_msg.h - channel requests of `session` channels: their codecs, and terminal modes.
 *
 * Source  RFC 4254 sections 6 and 8, RFC 4335 (break), OpenSSH PROTOCOL (eow, agent forwarding).
 *
 * A request is a struct ssh_chan_request (ssh/chan.h), whose rest these read and write. Texts are
 * views; none of them has a NUL, as all of them become C strings of some program. A caller
 * answers an error with CHANNEL_FAILURE and keeps the channel: such a request asks for what
 * cannot be done.
 */
#ifndef SLUICE_SSH_SESSION_MSG_H
#define SLUICE_SSH_SESSION_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/wire.h"

#define SSH_TERM_MAX      128  /* of a TERM */
#define SSH_ENV_NAME_MAX  256  /* of a variable's name */
#define SSH_ENV_VALUE_MAX 8192 /* of its value */
#define SSH_SIGNAL_MAX    64   /* of a signal's name, RFC 4250 section 4.6.1 */
#define SSH_SUBSYSTEM_MAX 256  /* of a subsystem's name */
#define SSH_COMMAND_MAX   32768
#define SSH_TTY_MODES_MAX 4096 /* bytes of encoded modes: there are 159 opcodes of five bytes */

enum ssh_session_request {
	SSH_SESSION_UNKNOWN = 0,
	SSH_SESSION_PTY_REQ,
	SSH_SESSION_X11_REQ,
	SSH_SESSION_ENV,
	SSH_SESSION_SHELL,
	SSH_SESSION_EXEC,
	SSH_SESSION_SUBSYSTEM,
	SSH_SESSION_WINDOW_CHANGE,
	SSH_SESSION_XON_XOFF,
	SSH_SESSION_SIGNAL,
	SSH_SESSION_BREAK,
	SSH_SESSION_EXIT_STATUS,
	SSH_SESSION_EXIT_SIGNAL,
	SSH_SESSION_AUTH_AGENT_REQ, /* auth-agent-req@openssh.com */
	SSH_SESSION_EOW,            /* eow@openssh.com */
	SSH_SESSION_REQUESTS
};

/* By the request's type. */
enum ssh_session_request ssh_session_request_find(struct ssh_str type);
/* NULL: there is none. */
const char *ssh_session_request_name(enum ssh_session_request request);

/* Of a terminal: characters, and pixels, where 0 is not known (section 6.2). */
struct ssh_tty_size {
	uint32_t columns, rows, width, height;
};
struct ssh_pty_req {
	struct ssh_str term;
	struct ssh_tty_size size;
	struct ssh_str modes; /* ssh_tty_mode_next() */
};
struct ssh_x11_req {
	bool single_connection;
	struct ssh_str protocol, cookie;
	uint32_t screen;
};
struct ssh_env {
	struct ssh_str name, value;
};
struct ssh_exit_signal {
	struct ssh_str signal; /* without "SIG" */
	bool core_dumped;
	struct ssh_str message, language;
};

/* 0, or -SSH_E_FORMAT with *ret untouched. Nothing may be left over. */
int ssh_pty_req_parse(struct ssh_str rest, struct ssh_pty_req *ret);
int ssh_x11_req_parse(struct ssh_str rest, struct ssh_x11_req *ret);
/*
 * May protocol and cookie be given to xauth(1), whose words they become? Letters, digits, "-_.:/"
 * and nothing else, neither empty.
 */
bool ssh_x11_req_plain(const struct ssh_x11_req *m);
int ssh_env_parse(struct ssh_str rest, struct ssh_env *ret);
int ssh_window_change_parse(struct ssh_str rest, struct ssh_tty_size *ret);
int ssh_exit_signal_parse(struct ssh_str rest, struct ssh_exit_signal *ret);
/* exec: a command, which may be empty; subsystem: a name. */
int ssh_exec_parse(struct ssh_str rest, struct ssh_str *ret);
int ssh_subsystem_parse(struct ssh_str rest, struct ssh_str *ret);
int ssh_signal_parse(struct ssh_str rest, struct ssh_str *ret);
/* break: milliseconds; exit-status. */
int ssh_break_parse(struct ssh_str rest, uint32_t *ret);
int ssh_exit_status_parse(struct ssh_str rest, uint32_t *ret);
int ssh_xon_xoff_parse(struct ssh_str rest, bool *ret_client_can_do);
/* shell, auth-agent-req, eow: nothing. */
int ssh_session_empty_parse(struct ssh_str rest);

/* Each writes the rest of a request. */
void ssh_pty_req_build(struct ssh_wr *w, const struct ssh_pty_req *m);
void ssh_x11_req_build(struct ssh_wr *w, const struct ssh_x11_req *m);
void ssh_env_build(struct ssh_wr *w, const struct ssh_env *m);
void ssh_window_change_build(struct ssh_wr *w, const struct ssh_tty_size *m);
void ssh_exit_signal_build(struct ssh_wr *w, const struct ssh_exit_signal *m);

/*
 * Signals of section 6.10. By name, without "SIG": 0 for one that is none of them. The name of a
 * number; NULL: it has none there, and goes as a text of the local system's (sig-name@domain).
 */
int ssh_signal_number(struct ssh_str name);
const char *ssh_signal_name(int number);

/*
 * Terminal modes (section 8): an opcode of 1 to 159 has a uint32 behind it, TTY_OP_END and
 * opcodes of 160 and above end the list, whatever follows.
 */
#define SSH_TTY_OP_END    0
#define SSH_TTY_OP_ISPEED 128
#define SSH_TTY_OP_OSPEED 129
/* The next mode of a reader over pty_req.modes. False: there are no more, or the last is cut off.
 */
bool ssh_tty_mode_next(struct ssh_rd *r, uint8_t *ret_opcode, uint32_t *ret_value);
void ssh_tty_mode_build(struct ssh_wr *w, uint8_t opcode, uint32_t value);

#endif

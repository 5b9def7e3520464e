/*
 * client/shell/mux_msg.h - what is said at a master's socket (ControlPath): one object of JSON a
 * message, descriptors beside it, between processes of one user.
 *
 *   to the master    {"do": "check" | "exit" | "stop" | "resize"}
 *                    {"do": "forward" | "cancel", "kind": "local" | "remote" | "dynamic", "spec":
 * …}
 *                    {"do": "session", "command", "subsystem", "tty", "term", "env", "escape",
 *                     "agent", "x11"}, with standard input, output and error
 *                    {"do": "stdio", "target": "host:port" | path} (-W), with the same three
 *   from the master  {"ok": true, "pid" | "port"}, {"error": …}; of a session or a connection
 *                    {"opened": true}, at its end {"status": …} or {"signal": …}
 *
 * Commands, variables, terminals and targets that are not UTF-8 are {"base64": …}.
 */
#ifndef SLUICE_CLIENT_SHELL_MUX_MSG_H
#define SLUICE_CLIENT_SHELL_MUX_MSG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#include "client/config/forward.h"

#define MUX_MESSAGE_MAX (128 * 1024)
#define MUX_ENV_MAX     1024
#define MUX_FDS         3

enum mux_do {
	MUX_CHECK = 1,
	MUX_EXIT,
	MUX_STOP,
	MUX_RESIZE,
	MUX_FORWARD,
	MUX_CANCEL,
	MUX_SESSION,
	MUX_STDIO,
};

/* Texts are those of o. */
struct mux_request {
	enum mux_do what;
	json_t *o;
	struct forward forward; /* FORWARD, CANCEL; of STDIO its target */
	const char *command;    /* SESSION; NULL: a shell */
	const char *term;
	const char *env[MUX_ENV_MAX + 1];
	int escape;
	bool subsystem, tty, agent, x11;
};

/* A message's text. 0; -EBADMSG: it is none. */
int mux_request_read(const char *text, size_t len, struct mux_request *ret)
	__attribute__((warn_unused_result));
void mux_request_fini(struct mux_request *q);
/* A text of a request, whatever bytes it has. NULL: no memory. */
json_t *mux_text(const char *text);

/* Takes o, NULL: no memory. fds: MUX_FDS of them, or NULL. 0 or -errno; -EMSGSIZE: too long. */
int mux_send(int fd, json_t *o, const int *fds);
/*
 * A message's text, with a NUL behind it, in buf; fds: what came with it, -1: nothing. Its length;
 * 0: the other end is gone; -EAGAIN.
 */
ssize_t mux_receive(int fd, char buf[MUX_MESSAGE_MAX + 1], int fds[MUX_FDS]);
void mux_fds_close(int fds[MUX_FDS]);
/* Is the process at the other end one of this user's, or root's? */
bool mux_peer_ok(int fd);
/* The socket's address. False: too long. */
bool mux_address(const char *path, struct sockaddr_un *ret);

#endif

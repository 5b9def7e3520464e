/*
 * tests/interop/libssh_server.c - a server of libssh's for what it is able to: programs with a
 * terminal and without, direct-tcpip, tcpip-forward. Its package has no server of its own.
 *
 *   libssh_server PORT HOSTKEY AUTHORIZED_KEY     on loopback; a process for each connection
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RELAYS_MAX 64
#define PIECE      16384

/* A channel and descriptors: a program's, or a socket that is both. -1: none. */
struct relay {
	ssh_channel ch;
	int in, out, err;
	pid_t pid;
	int master, slave; /* of a terminal that is asked for */
	bool eof;          /* all was said to in */
	size_t place_in, place_out, place_err;
};

static ssh_session session;
static ssh_key authorized;
static bool inside;
static struct relay relays[RELAYS_MAX];
static int listener = -1, listener_port;
static char listener_host[64];

static struct relay *relay_new(ssh_channel ch)
{
	for (size_t i = 0; i < RELAYS_MAX; i++)
		if (relays[i].ch == NULL) {
			relays[i] = (struct relay){.ch = ch,
						   .in = -1,
						   .out = -1,
						   .err = -1,
						   .master = -1,
						   .slave = -1};
			return &relays[i];
		}
	errx(1, "too many channels");
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- programs --------------------------------------------------------------------------------- */

static void child(const struct relay *r, const char *command, const int fd[3])
{
	for (int i = 0; i < 3; i++)
		dup2(fd[i], i);
	if (r->slave >= 0) {
		setsid();
		ioctl(0, TIOCSCTTY, 0);
	}
	for (int i = 3; i < 1024; i++)
		close(i);
	execl("/bin/sh", "sh", command != NULL ? "-c" : NULL, command, NULL);
	_exit(127);
}

static int start(struct relay *r, const char *command)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, e[2] = {-1, -1};

	if (r->master < 0 && (pipe(in) < 0 || pipe(out) < 0 || pipe(e) < 0))
		err(1, "pipe");
	r->pid = fork();
	if (r->pid == 0)
		child(r, command,
		      r->master >= 0 ? (int[3]){r->slave, r->slave, r->slave}
				     : (int[3]){in[0], out[1], e[1]});
	if (r->master >= 0) {
		drop(&r->slave);
		r->in = r->out = r->master;
	} else {
		r->in = in[1];
		r->out = out[0];
		r->err = e[0];
		drop(&in[0]);
		drop(&out[1]);
		drop(&e[1]);
		fcntl(r->in, F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static int on_exec(ssh_session s, ssh_channel ch, const char *command, void *arg)
{
	(void)s;
	(void)ch;
	return start(arg, command);
}

static int on_shell(ssh_session s, ssh_channel ch, void *arg)
{
	(void)s;
	(void)ch;
	return start(arg, NULL);
}

static int on_resize(ssh_session s, ssh_channel ch, int columns, int rows, int width, int height,
		     void *arg)
{
	const struct winsize size = {(unsigned short)rows, (unsigned short)columns,
				     (unsigned short)width, (unsigned short)height};
	struct relay *r = arg;

	(void)s;
	(void)ch;
	return ioctl(r->master, TIOCSWINSZ, &size);
}

static int on_pty(ssh_session s, ssh_channel ch, const char *term, int columns, int rows, int width,
		  int height, void *arg)
{
	struct relay *r = arg;

	if (openpty(&r->master, &r->slave, NULL, NULL, NULL) < 0)
		return -1;
	setenv("TERM", term, 1);
	return on_resize(s, ch, columns, rows, width, height, arg);
}

static int on_env(ssh_session s, ssh_channel ch, const char *name, const char *value, void *arg)
{
	(void)s;
	(void)ch;
	(void)arg;
	return setenv(name, value, 1);
}

static ssh_channel on_session(ssh_session s, void *arg)
{
	static struct ssh_channel_callbacks_struct cb[RELAYS_MAX];
	struct relay *r = relay_new(ssh_channel_new(s));
	struct ssh_channel_callbacks_struct *c = &cb[r - relays];

	(void)arg;
	*c = (struct ssh_channel_callbacks_struct){
		.userdata = r,
		.channel_pty_request_function = on_pty,
		.channel_pty_window_change_function = on_resize,
		.channel_env_request_function = on_env,
		.channel_exec_request_function = on_exec,
		.channel_shell_request_function = on_shell,
	};
	ssh_callbacks_init(c);
	ssh_set_channel_callbacks(r->ch, c);
	return r->ch;
}

/* --- forwards -----------------------------------------------------------------------------------
 */

static int loopback(int port, bool listens)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (listens)
		r = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? listen(fd, 16) : -1;
	else
		r = connect(fd, (struct sockaddr *)&a, sizeof(a));
	if (r < 0)
		drop(&fd);
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	return getsockname(fd, (struct sockaddr *)&a, &len) == 0 ? ntohs(a.sin_port) : 0;
}

static void join(ssh_channel ch, int fd)
{
	struct relay *r = relay_new(ch);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	r->in = r->out = fd;
}

static int open_asked(ssh_message m)
{
	ssh_channel ch;
	int fd;

	if (ssh_message_subtype(m) != SSH_CHANNEL_DIRECT_TCPIP)
		return 1;
	fd = loopback(ssh_message_channel_request_open_destination_port(m), false);
	if (fd < 0)
		return 1;
	ch = ssh_message_channel_request_open_reply_accept(m);
	if (ch != NULL)
		join(ch, fd);
	return 0;
}

/* One listener is enough here. */
static int global_asked(ssh_message m)
{
	int port = ssh_message_global_request_port(m);

	if (ssh_message_subtype(m) != SSH_GLOBAL_REQUEST_TCPIP_FORWARD || listener >= 0)
		return 1;
	listener = loopback(port, true);
	if (listener < 0)
		return 1;
	listener_port = port_of(listener);
	snprintf(listener_host, sizeof(listener_host), "%s", ssh_message_global_request_address(m));
	return ssh_message_global_request_reply_success(m, (uint16_t)listener_port);
}

static int on_message(ssh_session s, ssh_message m, void *arg)
{
	(void)s;
	(void)arg;
	switch (ssh_message_type(m)) {
	case SSH_REQUEST_CHANNEL_OPEN:
		return open_asked(m);
	case SSH_REQUEST_GLOBAL:
		return global_asked(m);
	default:
		return 1;
	}
}

static void came(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ssh_channel ch = ssh_channel_new(session);

	if (fd < 0 || ssh_channel_open_reverse_forward(ch, listener_host, listener_port,
						       "127.0.0.1", 1) != SSH_OK) {
		drop(&fd);
		ssh_channel_free(ch);
		return;
	}
	join(ch, fd);
}

/* --- login --------------------------------------------------------------------------------------
 */

static int on_key(ssh_session s, const char *user, struct ssh_key_struct *key, char state,
		  void *arg)
{
	(void)s;
	(void)user;
	(void)arg;
	if (ssh_key_cmp(key, authorized, SSH_KEY_CMP_PUBLIC) != 0 ||
	    (state != SSH_PUBLICKEY_STATE_NONE && state != SSH_PUBLICKEY_STATE_VALID))
		return SSH_AUTH_DENIED;
	inside |= state == SSH_PUBLICKEY_STATE_VALID;
	return SSH_AUTH_SUCCESS;
}

/* --- bytes
 * ---------------------------------------------------------------------------------------- */

static size_t watch(struct pollfd *p, size_t *n, int fd, short events)
{
	p[*n] = (struct pollfd){fd, events, 0};
	return (*n)++;
}

static void say_out(struct relay *r, int *fd, bool is_err, short ready)
{
	static char buf[PIECE];
	ssize_t n;

	if (*fd < 0 || (ready & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	n = read(*fd, buf, sizeof(buf));
	if (n > 0 && is_err)
		ssh_channel_write_stderr(r->ch, buf, (uint32_t)n);
	else if (n > 0)
		ssh_channel_write(r->ch, buf, (uint32_t)n);
	else if (n == 0 || errno != EAGAIN)
		*fd == r->in ? (void)(*fd = -1) : drop(fd);
}

/* What in does not take stays with the channel, whose window is then not opened. */
static void say_in(struct relay *r, short ready)
{
	char buf[PIECE];
	ssize_t w = 0;
	int n;

	if (r->in < 0 || r->eof || (ready & POLLOUT) == 0)
		return;
	n = ssh_channel_read_nonblocking(r->ch, buf, 4096, 0);
	for (int at = 0; n > 0 && at < n; at += (int)w) {
		struct pollfd p = {r->in, POLLOUT, 0};

		w = write(r->in, buf + at, (size_t)(n - at));
		if (w < 0 && errno == EAGAIN && poll(&p, 1, 1000) >= 0)
			w = 0;
		if (w < 0)
			break;
	}
}

static void ends(struct relay *r)
{
	int status = 0;

	if (!r->eof && r->in >= 0 && ssh_channel_is_eof(r->ch) && ssh_channel_poll(r->ch, 0) <= 0) {
		r->eof = true;
		if (r->pid != 0 && r->master < 0)
			drop(&r->in);
		else if (r->pid == 0)
			shutdown(r->in, SHUT_WR);
	}
	if (!ssh_channel_is_closed(r->ch) &&
	    (r->out >= 0 || r->err >= 0 || (r->pid == 0 && !r->eof)))
		return;
	if (r->pid == 0 && r->in < 0)
		return; /* its program was not asked for yet */
	if (r->pid > 0 && waitpid(r->pid, &status, ssh_channel_is_closed(r->ch) ? WNOHANG : 0) > 0)
		ssh_channel_request_send_exit_status(r->ch, WEXITSTATUS(status));
	ssh_channel_send_eof(r->ch);
	ssh_channel_close(r->ch);
	if (r->out != r->in)
		drop(&r->out);
	drop(&r->in);
	drop(&r->err);
	ssh_channel_free(r->ch);
	r->ch = NULL;
}

static void turn(ssh_event event)
{
	struct pollfd p[2 + 3 * RELAYS_MAX];
	size_t n = 0;
	bool writes = (ssh_get_poll_flags(session) & SSH_WRITE_PENDING) != 0;

	watch(p, &n, ssh_get_fd(session), (short)(POLLIN | (writes ? POLLOUT : 0)));
	watch(p, &n, listener, POLLIN);
	for (struct relay *r = relays; r < relays + RELAYS_MAX; r++) {
		bool room = r->ch != NULL && ssh_channel_window_size(r->ch) >= PIECE;
		bool has = r->ch != NULL && ssh_channel_poll(r->ch, 0) > 0;

		r->place_in = watch(p, &n, has && !r->eof ? r->in : -1, POLLOUT);
		r->place_out = watch(p, &n, room ? r->out : -1, POLLIN);
		r->place_err = watch(p, &n, room ? r->err : -1, POLLIN);
	}
	if (poll(p, (nfds_t)n, 1000) < 0)
		err(1, "poll");
	ssh_event_dopoll(event, 0);
	if (p[1].revents != 0)
		came();
	for (struct relay *r = relays; r < relays + RELAYS_MAX; r++) {
		if (r->ch == NULL)
			continue;
		say_in(r, p[r->place_in].revents);
		say_out(r, &r->out, false, p[r->place_out].revents);
		say_out(r, &r->err, true, p[r->place_err].revents);
		ends(r);
	}
}

static void serve(void)
{
	struct ssh_server_callbacks_struct cb = {.auth_pubkey_function = on_key,
						 .channel_open_request_session_function =
							 on_session};
	ssh_event event = ssh_event_new();

	ssh_callbacks_init(&cb);
	ssh_set_server_callbacks(session, &cb);
	ssh_set_message_callback(session, on_message, NULL);
	ssh_set_auth_methods(session, SSH_AUTH_METHOD_PUBLICKEY);
	if (ssh_handle_key_exchange(session) != SSH_OK) {
		warnx("%s", ssh_get_error(session));
		_exit(1);
	}
	ssh_event_add_session(event, session);
	while (!inside && ssh_is_connected(session))
		if (ssh_event_dopoll(event, 10000) == SSH_ERROR)
			break;
	while (ssh_is_connected(session))
		turn(event);
	_exit(0);
}

int main(int argc, char **argv)
{
	ssh_bind b = ssh_bind_new();

	if (argc != 4 || ssh_init() != SSH_OK)
		errx(2, "usage: libssh_server PORT HOSTKEY AUTHORIZED_KEY");
	signal(SIGPIPE, SIG_IGN);
	if (ssh_pki_import_pubkey_file(argv[3], &authorized) != SSH_OK)
		errx(1, "%s: no key", argv[3]);
	ssh_bind_options_set(b, SSH_BIND_OPTIONS_BINDADDR, "127.0.0.1");
	ssh_bind_options_set(b, SSH_BIND_OPTIONS_BINDPORT_STR, argv[1]);
	ssh_bind_options_set(b, SSH_BIND_OPTIONS_HOSTKEY, argv[2]);
	if (ssh_bind_listen(b) != SSH_OK)
		errx(1, "%s", ssh_get_error(b));
	puts("listening");
	fflush(stdout);
	signal(SIGCHLD, SIG_IGN); /* of connections; each minds its programs itself */
	for (;;) {
		session = ssh_new();
		if (ssh_bind_accept(b, session) != SSH_OK)
			errx(1, "%s", ssh_get_error(b));
		if (fork() == 0) {
			signal(SIGCHLD, SIG_DFL);
			ssh_bind_free(b);
			serve();
		}
		ssh_disconnect(session);
		ssh_free(session);
	}
}

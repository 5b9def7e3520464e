/* client/shell/run.c - see run.h. */
#include "client/shell/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/shell/mux.h"
#include "client/shell/say.h"
#include "client/shell/tty.h"

/* --- what is heard of channels -----------------------------------------------------------------
 */

/* Ours, or a guest's. */
static struct session *session_of(struct run *r, const void *arg)
{
	return arg == &r->session ? &r->session : mux_session(r->mux, arg);
}

static struct stdio *stdio_of(struct run *r, const void *arg)
{
	return arg == &r->stdio ? &r->stdio : mux_stdio(r->mux, arg);
}

/* A channel's argument is a session, the stream of -W, or a relay. */
static void on_channel_opened(void *arg, struct sluice_channel *ch, int err, const char *text)
{
	struct run *r = arg;
	void *who = sluice_channel_arg(ch);
	struct session *session = session_of(r, who);
	struct stdio *stdio = stdio_of(r, who);

	if (session != NULL)
		session_opened(session, err, text);
	else if (stdio != NULL)
		stdio_opened(stdio, err, text);
	else if (who != NULL)
		relay_opened(who, err, text);
}

static void on_channel_closed(void *arg, struct sluice_channel *ch)
{
	struct run *r = arg;
	void *who = sluice_channel_arg(ch);
	struct session *session = session_of(r, who);
	struct stdio *stdio = stdio_of(r, who);

	if (session != NULL)
		session->pump.closed = true;
	else if (stdio != NULL)
		stdio->pump.closed = true;
	else if (who != NULL)
		relay_closed(who);
}

static void on_channel_requested(void *arg, struct sluice_channel *ch, const char *type, int err)
{
	struct run *r = arg;

	struct session *session = session_of(r, sluice_channel_arg(ch));

	if (session != NULL)
		session_requested(session, type, err);
}

static void on_requested(void *arg, struct sluice *s, const char *type, int err, const void *data,
			 size_t len)
{
	struct run *r = arg;

	(void)s;
	remotes_answered(&r->remotes, type, err, data, len);
}

static int on_channel_open_request(void *arg, struct sluice_channel *c,
				   const struct sluice_open *open)
{
	struct run *r = arg;

	if (strcmp(open->type, "auth-agent@openssh.com") == 0)
		return run_agent(r, c);
	if (strcmp(open->type, "x11") == 0)
		return x11_open(&r->x11, &r->relays, c, open, turn_now_ms());
	return remotes_opened(&r->remotes, c, open);
}

static const struct sluice_ops run_ops = {
	.size = sizeof(run_ops),
	.on_channel_opened = on_channel_opened,
	.on_channel_closed = on_channel_closed,
	.on_channel_requested = on_channel_requested,
	.on_requested = on_requested,
	.on_channel_open_request = on_channel_open_request,
};

/* --- signals
 * --------------------------------------------------------------------------------------- */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};

void run_signals(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&set, caught[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (r->signals >= 0 && read(r->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
			session_resized(&r->session);
		else
			r->killed = (int)info.ssi_signo;
	}
}

/* --- the loop
 * ------------------------------------------------------------------------------------------ */

void run_prepare(struct run *r, struct turn *t)
{
	conn_prepare(r->conn, t);
	if (r->session.used)
		pump_prepare(&r->session.pump, t);
	if (r->stdio.used)
		pump_prepare(&r->stdio.pump, t);
	relays_prepare(&r->relays, t);
	mux_prepare(r->mux, t);
	r->place = turn_add(t, r->signals, POLLIN);
	if (r->progress.on && !r->progress.ended)
		turn_within(t, PROGRESS_MS);
}

static void own_run(struct pump *p, const struct turn *t)
{
	bool was = p->idle;

	pump_run(p, t);
	if (p->idle && !was)
		say(SAY_INFO, "channel 0: closed: " RELAY_IDLE);
}

void run_go(struct run *r, const struct turn *t)
{
	if (turn_ready(t, r->place) != 0)
		take_signals(r);
	conn_run(r->conn, t);
	if (r->session.used)
		own_run(&r->session.pump, t);
	if (r->progress.on)
		progress_at(&r->progress, r->session.pump.bytes_up, turn_now_ms());
	if (r->stdio.used)
		own_run(&r->stdio.pump, t);
	relays_run(&r->relays, t);
	mux_go(r->mux, t);
}

static void turn(struct run *r)
{
	turn_begin(&r->turn);
	run_prepare(r, &r->turn);
	if (turn_wait(&r->turn) < 0)
		r->killed = SIGABRT;
	run_go(r, &r->turn);
}

void run_until(struct run *r, bool (*over)(struct run *r))
{
	while (!over(r) && r->conn->state != CONN_OVER && r->killed == 0 && !r->leave)
		turn(r);
	/* What the server said last may still be under way to our own output. */
	while (r->conn->state == CONN_OVER && !over(r) && r->session.used &&
	       r->session.pump.opened && !r->session.pump.out_over && r->killed == 0) {
		r->session.pump.closed = true;
		turn(r);
	}
}

int run_why(struct run *r)
{
	if (r->leave)
		return EXIT_ERROR;
	if (r->killed != 0) {
		say(SAY_INFO, "Killed by signal %d.", r->killed);
		return EXIT_ERROR;
	}
	if (r->conn->state != CONN_OVER)
		return 0;
	if (r->conn->err == -SLUICE_E_KEEPALIVE && strncmp(r->conn->why, "jump host ", 10) != 0)
		say(SAY_INFO, "Timeout, server %s not responding.", r->conn->host);
	else
		say(SAY_INFO, "Connection to %s closed: %s", r->conn->host, r->conn->why);
	return EXIT_ERROR;
}

static bool is_up(struct run *r)
{
	return r->conn->state == CONN_UP;
}

/* The reasons that ssh has words of its own for. */
void run_failed_text(const struct run *r, char *buf, size_t size)
{
	const struct conn *c = r->conn;
	const char *methods;

	while (c->via != NULL && !c->begun) /* it is about the jump host that was not passed */
		c = c->via;
	methods = c->methods;
	if (c->err == -SLUICE_E_AUTH || c->err == -SLUICE_E_SIGN) {
		snprintf(buf, size, "%s@%s: Permission denied%s%s%s.",
			 config_text(c->config, CONFIG_USER), c->host, *methods != '\0' ? " (" : "",
			 methods, *methods != '\0' ? ")" : "");
	} else if (c->err == -SLUICE_E_HOSTKEY_REJECTED) {
		snprintf(buf, size, "Host key verification failed.");
	} else {
		snprintf(buf, size, "%s: connect to host %s port %u: %s", r->o->name, c->host,
			 c->port, c->why);
	}
}

int run_new(struct run *r, struct options *o)
{
	int e;

	*r = (struct run){.o = o, .signals = -1};
	e = conn_new(o->config, o->config_file, &run_ops, r, &r->conn);
	if (e == 0 && o->unattended)
		e = conn_unattended(r->conn, o->again_ms);
	if (e < 0) {
		if (e != -EINVAL)
			say(SAY_FATAL, "%s: %s", o->name, sluice_strerror(e));
		return EXIT_ERROR;
	}
	r->relays.s = r->conn->s;
	r->relays.config = o->config;
	conn_begin(r->conn);
	return 0;
}

int run_begin(struct run *r, struct options *o)
{
	uint64_t tries = config_number(o->config, CONFIG_CONNECTION_ATTEMPTS);
	char why[1024];

	do {
		if (run_new(r, o) != 0)
			return EXIT_ERROR;
		run_until(r, is_up);
		if (r->conn->state == CONN_UP)
			return 0;
		run_failed_text(r, why, sizeof(why));
		say(SAY_FATAL, "%s", why);
		/* Another try is for a server that is not there, not for one that says no. */
	} while (--tries > 0 && !r->conn->met && (run_end(r), sleep(1)) == 0);
	return EXIT_ERROR;
}

void run_end(struct run *r)
{
	tty_restore();
	mux_free(r->mux);
	r->mux = NULL;
	session_fini(&r->session);
	stdio_fini(&r->stdio);
	relays_fini(&r->relays);
	x11_end(&r->x11);
	remotes_fini(&r->remotes);
	if (r->conn != NULL && r->conn->state == CONN_UP)
		conn_logoff(r->conn);
	conn_free(r->conn);
	turn_fini(&r->turn);
	if (r->signals >= 0)
		close(r->signals);
	r->conn = NULL;
}

/* --- forwards
 * ------------------------------------------------------------------------------------------ */

static int family(const struct config *c)
{
	return config_is(c, CONFIG_ADDRESS_FAMILY, "inet")    ? AF_INET
	       : config_is(c, CONFIG_ADDRESS_FAMILY, "inet6") ? AF_INET6
							      : AF_UNSPEC;
}

/* What the server said of a forward of its own. */
static void remote_told(void *arg, const struct remote *m)
{
	const struct forward_end *l = &m->f.listen;
	char text[FORWARD_TEXT_MAX];
	struct run *r = arg;

	forward_text(&m->f, text, sizeof(text));
	if (!m->ok) {
		r->remote_failed = true;
		if (l->path)
			say(SAY_ERROR, "Warning: remote port forwarding failed for listen path %s",
			    l->host);
		else
			say(SAY_ERROR, "Warning: remote port forwarding failed for listen port %u",
			    l->port);
		return;
	}
	say(SAY_DEBUG, "remote forward success for: %s", text);
	if (r->told != NULL)
		r->told(r, &m->f, m->port);
	else if (!l->path && l->port == 0)
		say(SAY_INFO, "Allocated port %u for remote forward %s", m->port, text);
}

static bool all_answered(struct run *r)
{
	return remotes_done(&r->remotes);
}

int run_forward_at(struct run *r, const struct forward *f, uint16_t *port)
{
	const struct config *c = r->o->config;
	const struct listen_conf conf = {
		.any = config_yes(c, CONFIG_GATEWAY_PORTS),
		.family = family(c),
		.mask = (mode_t)config_number(c, CONFIG_STREAM_LOCAL_BIND_MASK),
		.unlink = config_yes(c, CONFIG_STREAM_LOCAL_BIND_UNLINK),
	};
	char text[FORWARD_TEXT_MAX];
	int e;

	if (r->conn->untrusted) {
		say(SAY_ERROR, "Port forwarding is disabled to avoid man-in-the-middle attacks.");
		return -EPERM;
	}
	if (f->kind == FORWARD_REMOTE) /* what came of it is heard of later */
		return remotes_ask(&r->remotes, f);
	e = relays_listen(&r->relays, f, &conf, port);
	if (e < 0) {
		say(SAY_ERROR, "Could not request local forwarding.");
		return e;
	}
	say(SAY_DEBUG, "Local forwarding listening: %s", forward_text(f, text, sizeof(text)));
	if (r->told != NULL)
		r->told(r, f, *port);
	else if (!f->listen.path && f->listen.port == 0)
		say(SAY_INFO, "Allocated port %u for local forward %s", *port, text);
	return 0;
}

int run_forward(struct run *r, const struct forward *f)
{
	uint16_t port = 0;

	return run_forward_at(r, f, &port);
}

static int forwards_of(struct run *r, enum config_id id, enum forward_kind kind)
{
	const struct conf_strs *list = config_list(r->o->config, id);
	int e = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct forward f;

		if (forward_parse(kind, list->v[i], &f) < 0)
			e = EXIT_ERROR;
		else if ((r->wanted == NULL || r->wanted(r, &f)) && run_forward(r, &f) < 0)
			e = EXIT_ERROR;
	}
	return e;
}

bool run_has_forwards(const struct config *c)
{
	return config_list(c, CONFIG_LOCAL_FORWARD)->n + config_list(c, CONFIG_REMOTE_FORWARD)->n +
		       config_list(c, CONFIG_DYNAMIC_FORWARD)->n >
	       0;
}

int run_forwards_ask(struct run *r)
{
	int e = forwards_of(r, CONFIG_LOCAL_FORWARD, FORWARD_LOCAL);

	if (forwards_of(r, CONFIG_DYNAMIC_FORWARD, FORWARD_DYNAMIC) != 0)
		e = EXIT_ERROR;
	r->remotes.relays = &r->relays;
	r->remotes.permit = config_list(r->o->config, CONFIG_PERMIT_REMOTE_OPEN);
	r->remotes.told = remote_told;
	r->remotes.arg = r;
	if (forwards_of(r, CONFIG_REMOTE_FORWARD, FORWARD_REMOTE) != 0)
		e = EXIT_ERROR;
	return e;
}

int run_forwards(struct run *r)
{
	int e = run_forwards_ask(r);

	run_until(r, all_answered);
	if (r->remote_failed || !remotes_done(&r->remotes))
		e = EXIT_ERROR;
	if (e == 0 || !config_yes(r->o->config, CONFIG_EXIT_ON_FORWARD_FAILURE))
		return 0;
	say(SAY_FATAL,
	    "Error: forwarding is not as it was asked for, and ExitOnForwardFailure is set");
	return e;
}

/* --- the agent, for who is at the server
 * ------------------------------------------------------------ */

/* The socket to forward to; false: none. */
bool run_agent_path(struct run *r, char *buf, size_t size)
{
	const char *say_so = config_text(r->o->config, CONFIG_FORWARD_AGENT), *env;

	if (strcmp(say_so, "no") == 0 || r->conn->untrusted)
		return false;
	if (strcmp(say_so, "yes") == 0)
		return config_agent_path(r->conn->config, buf, size);
	if (*say_so == '$') {
		env = getenv(say_so + 1);
		return env != NULL && snprintf(buf, size, "%s", env) < (int)size;
	}
	return config_expanded(r->o->config, CONFIG_FORWARD_AGENT, 0, buf, size) > 0;
}

int run_agent(struct run *r, struct sluice_channel *c)
{
	const struct sluice_open open = {
		.type = "agent-connection", .host = "", .path = "", .origin = ""};
	char path[CONFIG_TEXT_MAX];
	int fd, e;

	if (!run_agent_path(r, path, sizeof(path)))
		return 0;
	e = sluice_agent_begin(r->conn->s, path, &fd);
	return e < 0 ? 0 : relay_take_agent(&r->relays, c, &open, fd, e > 0);
}

void go_background(void)
{
	int null, ready[2] = {-1, -1};
	pid_t pid = pipe2(ready, O_CLOEXEC) == 0 ? fork() : -1;
	char end;

	if (pid != 0)
		close(ready[1]);
	if (pid < 0) {
		say(SAY_ERROR, "fork: %s", strerror(errno));
		close(ready[0]);
		return;
	}
	/* The end of who leads the terminal's session hangs up all that are still of it. */
	if (pid > 0) {
		(void)!read(ready[0], &end, 1);
		_exit(0);
	}
	setsid();
	close(ready[0]);
	close(ready[1]);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
}

void go_detached(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (say_level() < SAY_DEBUG)
		dup2(null, STDERR_FILENO);
	close(null);
}

void run_background(struct run *r)
{
	go_background();
	if (r->signals >= 0) { /* a signalfd tells of its maker's */
		close(r->signals);
		run_signals(r);
	}
}

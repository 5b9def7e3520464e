/* client/shell/ssh.c - sluice ssh: a session as ssh(1) has one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ask.h"
#include "client/command.h"
#include "client/shell/mux.h"
#include "client/shell/run.h"
#include "client/shell/say.h"
#include "client/shell/tty.h"

static const char usage[] =
	"sluice ssh [-46AaCfGghKkMNnqsTtVvXxY] [-B INTERFACE] [-b ADDRESS] [-c CIPHERS]\n"
	"                  [-D [ADDRESS:]PORT] [-E FILE] [-e CHARACTER] [-F CONFIG] [-i IDENTITY]\n"
	"                  [-J HOST,...] [-L FORWARD] [-l USER] [-m MACS] [-O COMMAND] [-o "
	"OPTION]\n"
	"                  [-p PORT] [-Q LIST] [-R FORWARD] [-S PATH] [-W HOST:PORT]\n"
	"                  DESTINATION [COMMAND ...]\n";

/* --- escapes
 * ------------------------------------------------------------------------------------------ */

static void help(const struct run *r)
{
	static const char *const lines[] = {
		".   - terminate connection (and any multiplexed sessions)",
		"B   - send a BREAK to the remote system",
		"C   - open a command line",
		"R   - request rekey",
		"V/v - decrease/increase verbosity (LogLevel)",
		"^Z  - suspend sluice",
		"#   - list forwarded connections",
		"&   - background sluice (when waiting for connections to terminate)",
		"?   - this message",
	};
	int c = r->session.escape.character;

	say(SAY_QUIET, "%c?\nSupported escape sequences:", c);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		say(SAY_QUIET, " %c%s", c, lines[i]);
	say(SAY_QUIET, " %c%c  - send the escape character by typing it twice", c, c);
	say(SAY_QUIET, "(Note that escapes are only recognized immediately after newline.)");
}

static void suspend(struct run *r)
{
	say(SAY_QUIET, "^Z [suspend sluice]");
	tty_restore();
	kill(getpid(), SIGSTOP);
	tty_raw(STDIN_FILENO);
	session_resized(&r->session);
}

/* The user's shell, with the terminal as it was. */
static void shell(const char *command)
{
	const char *path = getenv("SHELL");
	sigset_t none;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (path == NULL || *path == '\0')
			path = "/bin/sh";
		execl(path, path, *command != '\0' ? "-c" : NULL, command, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* ~C: -L, -R and -D, and !command where PermitLocalCommand says so. */
static void command_line(struct run *r)
{
	char line[FORWARD_HOST_MAX] = "";
	const char *p = line;
	struct forward f;
	int e = -EINVAL;

	if (!config_yes(r->o->config, CONFIG_ENABLE_ESCAPE_COMMANDLINE)) {
		say(SAY_QUIET, "commandline disabled");
		return;
	}
	tty_restore();
	if (ask_shown("\nssh> ", line, sizeof(line)) <= 0)
		goto out;
	p += strspn(p, " \t");
	if (*p == '!' && config_yes(r->o->config, CONFIG_PERMIT_LOCAL_COMMAND)) {
		shell(p + 1);
		goto out;
	}
	if (p[0] == '-' && p[1] != '\0' && strchr("LRD", p[1]) != NULL)
		e = forward_parse(p[1] == 'L'   ? FORWARD_LOCAL
				  : p[1] == 'R' ? FORWARD_REMOTE
						: FORWARD_DYNAMIC,
				  p + 2 + strspn(p + 2, " \t"), &f);
	if (e < 0)
		say(SAY_QUIET,
		    "Commands:\n      -L[bind_address:]port:host:hostport    Request local "
		    "forward\n      -D[bind_address:]port                  Request dynamic "
		    "forward\n      !args                                  Execute local "
		    "command");
	else if (run_forward(r, &f) == 0)
		say(SAY_QUIET, "Forwarding port.");
out:
	tty_raw(STDIN_FILENO);
}

static void louder(int by)
{
	int level = (int)say_level() + by;

	if (level >= SAY_QUIET && level <= SAY_DEBUG3)
		say_level_set((enum say_level)level);
	say(SAY_QUIET, "[LogLevel %d]", (int)say_level());
}

/* The terminal is given back, and what is forwarded goes on by itself. */
static void background(struct run *r)
{
	say(SAY_QUIET, "%c& [backgrounded]", r->session.escape.character);
	tty_restore();
	run_background(r);
	r->relays.closed = true;
	/* What is read from a terminal there has an end by this alone. */
	(void)sluice_channel_send(r->session.pump.c, "\004", 1);
	r->session.pump.in_over = true;
}

static bool act(void *arg, int what)
{
	struct run *r = arg;

	switch ((enum escape_act)what) {
	case ESCAPE_DISCONNECT:
		say(SAY_QUIET, "%c.", r->session.escape.character);
		r->leave = true;
		return false;
	case ESCAPE_BREAK:
		session_break(&r->session);
		break;
	case ESCAPE_COMMAND:
		command_line(r);
		break;
	case ESCAPE_REKEY:
		(void)sluice_rekey(r->conn->s);
		break;
	case ESCAPE_LESS:
		louder(-1);
		break;
	case ESCAPE_MORE:
		louder(1);
		break;
	case ESCAPE_SUSPEND:
		suspend(r);
		break;
	case ESCAPE_LIST:
		say(SAY_QUIET,
		    "%c#\nThe following connections are open:", r->session.escape.character);
		relays_show(&r->relays);
		break;
	case ESCAPE_BACKGROUND:
		background(r);
		break;
	case ESCAPE_HELP:
		help(r);
		break;
	}
	return true;
}

/* --- what is run
 * ---------------------------------------------------------------------------------------- */

static bool wants_tty(const struct options *o, const char *command)
{
	const struct config *c = o->config;
	bool wanted = config_is(c, CONFIG_REQUEST_TTY, "auto")
			      ? command == NULL && config_is(c, CONFIG_SESSION_TYPE, "default")
			      : !config_is(c, CONFIG_REQUEST_TTY, "no");

	if (o->stdio || o->control != NULL || config_is(c, CONFIG_SESSION_TYPE, "none"))
		return false;
	if (!wanted || config_is(c, CONFIG_REQUEST_TTY, "force"))
		return wanted;
	if (isatty(STDIN_FILENO))
		return true;
	say(SAY_INFO, "Pseudo-terminal will not be allocated because stdin is not a terminal.");
	return false;
}

/* The command line's, or RemoteCommand. 0; EXIT_ERROR: both, or a subsystem without a name. */
static int command_choose(struct options *o, char **ret)
{
	static char remote[CONFIG_TEXT_MAX];
	const char *said = config_text(o->config, CONFIG_REMOTE_COMMAND);
	bool subsystem = config_is(o->config, CONFIG_SESSION_TYPE, "subsystem");
	char *command = options_command(o);

	if (said != NULL && strcasecmp(said, "none") == 0)
		said = NULL;
	if (said != NULL && (command != NULL || o->stdio)) {
		fprintf(stderr, "Cannot execute command-line and remote command.\n");
		free(command);
		return EXIT_ERROR;
	}
	if (said != NULL) {
		if (config_expanded(o->config, CONFIG_REMOTE_COMMAND, 0, remote, sizeof(remote)) <
		    0) {
			fputs(config_errors(o->config), stderr);
			return EXIT_ERROR;
		}
		command = strdup(remote);
	}
	if (subsystem && command == NULL) {
		fprintf(stderr, "You must specify a subsystem to invoke.\n");
		return EXIT_ERROR;
	}
	*ret = command;
	return 0;
}

static void local_command(const struct options *o)
{
	char line[CONFIG_TEXT_MAX];

	if (!config_yes(o->config, CONFIG_PERMIT_LOCAL_COMMAND) ||
	    config_text(o->config, CONFIG_LOCAL_COMMAND) == NULL)
		return;
	if (config_expanded(o->config, CONFIG_LOCAL_COMMAND, 0, line, sizeof(line)) > 0)
		shell(line);
}

static bool session_done(struct run *r)
{
	/* Connections that were forwarded meanwhile are waited for. */
	if (!session_over(&r->session))
		return false;
	r->relays.closed = true;
	tty_restore();
	return r->relays.list == NULL && !mux_busy(r->mux);
}

static bool stdio_done(struct run *r)
{
	return stdio_over(&r->stdio) && !mux_busy(r->mux);
}

/* Without a session of our own, until a master has no more to do. */
static bool master_over(struct run *r)
{
	return mux_over(r->mux, turn_now_ms());
}

/* Our three descriptors, none of which is made non-blocking for others. */
struct ends {
	int in, out, err;
	bool small;
};

static void ends_open(struct ends *e, const struct options *o)
{
	bool in_small = false; /* a read that may block is waited for */

	*e = (struct ends){-1, -1, -1, false};
	e->in = config_yes(o->config, CONFIG_STDIN_NULL) ||
				config_yes(o->config, CONFIG_FORK_AFTER_AUTHENTICATION)
			? open("/dev/null", O_RDONLY | O_CLOEXEC)
			: pump_open(STDIN_FILENO, O_RDONLY, &in_small);
	e->out = pump_open(STDOUT_FILENO, O_WRONLY, &e->small);
	e->err = pump_open(STDERR_FILENO, O_WRONLY, &e->small);
}

static void ends_close(struct ends *e)
{
	close(e->in);
	close(e->out);
	close(e->err);
}

static int session(struct run *r, char *command, bool tty)
{
	struct ends e;
	char signal[65];
	int status = EXIT_ERROR;
	char agent[CONFIG_TEXT_MAX];

	ends_open(&e, r->o);
	r->session = (struct session){
		.conn = r->conn,
		.escape = {.character =
				   escape_character(config_text(r->o->config, CONFIG_ESCAPE_CHAR))},
		.tty = tty,
		.agent = run_agent_path(r, agent, sizeof(agent)),
		.x11 = r->x11.on ? &r->x11 : NULL,
		.subsystem = config_is(r->o->config, CONFIG_SESSION_TYPE, "subsystem"),
		.command = command,
		.act = act,
		.arg = r,
	};
	if (session_open(&r->session, e.in, e.out, e.err) < 0) {
		say(SAY_ERROR, "%s: no session: out of memory", r->o->name);
		goto out;
	}
	r->session.pump.small = e.small;
	if (!tty && say_level() >= SAY_INFO)
		progress_begin(&r->progress, e.in, STDERR_FILENO, turn_now_ms());
	run_until(r, session_done);
	tty_restore();
	if (session_over(&r->session) && r->killed == 0 && !r->leave) {
		status = session_status(&r->session, signal);
		if (*signal != '\0')
			say(SAY_VERBOSE, "ended by signal %s", signal);
		if (status == EXIT_ERROR && r->conn->state == CONN_OVER)
			status = run_why(r);
		else if (tty)
			say(SAY_INFO, "Connection to %s closed.", config_host_given(r->o->config));
	} else {
		status = run_why(r);
	}
out:
	ends_close(&e);
	return status;
}

static int stdio(struct run *r)
{
	struct ends e;

	ends_open(&e, r->o);
	(void)stdio_open(&r->stdio, r->conn, &r->o->target, e.in, e.out);
	r->stdio.pump.small = e.small;
	run_until(r, stdio_done);
	ends_close(&e);
	if (!r->stdio.failed)
		return run_why(r);
	say(SAY_ERROR, "%s", r->stdio.why);
	say(SAY_ERROR, "stdio forwarding failed");
	return EXIT_ERROR;
}

/*
 * ControlPersist: a master that goes on by itself. Who asked for it is its first guest, and leaves
 * with what that came to; the connection is the other one's now.
 */
static int persist(struct run *r, const char *command, bool tty)
{
	int status;
	pid_t pid;

	if (config_is(r->o->config, CONFIG_SESSION_TYPE, "none") && r->o->stdio == NULL) {
		run_background(r);
	} else {
		pid = fork();
		if (pid < 0)
			return EXIT_ERROR;
		if (pid > 0) {
			status = mux_first_guest(r->o, command, tty);
			fflush(NULL);
			_exit(status);
		}
		go_detached();
	}
	run_signals(r);
	run_until(r, master_over);
	return run_why(r);
}

static int work(struct run *r, char *command, bool tty)
{
	int e = run_forwards(r);

	if (e != 0)
		return e;
	local_command(r->o);
	mux_listen(r);
	if (!r->conn->untrusted && config_yes(r->o->config, CONFIG_FORWARD_X11) &&
	    !config_is(r->o->config, CONFIG_SESSION_TYPE, "none"))
		x11_begin(&r->x11, r->o->config, turn_now_ms());
	if (r->mux != NULL && !config_is(r->o->config, CONFIG_CONTROL_PERSIST, "no"))
		return persist(r, command, tty);
	if (config_yes(r->o->config, CONFIG_FORK_AFTER_AUTHENTICATION))
		run_background(r);
	run_signals(r);
	if (r->o->stdio)
		return stdio(r);
	if (config_is(r->o->config, CONFIG_SESSION_TYPE, "none")) {
		run_until(r, master_over);
		return run_why(r);
	}
	return session(r, command, tty);
}

int ssh_main(int argc, char **argv)
{
	struct options o;
	struct run r;
	char *command = NULL;
	bool tty = false;
	int status = options_parse(argc, argv, usage, NULL, &o);

	signal(SIGPIPE, SIG_IGN);
	if (status == 0)
		status = options_load(&o);
	if (status == 0 && o.dump) {
		printf("host %s\n", config_host_given(o.config));
		config_dump(o.config, stdout);
		status = -1;
	}
	if (status == 0)
		status = command_choose(&o, &command);
	if (status == 0)
		tty = wants_tty(&o, command);
	if (status == 0 && !mux_guest(&o, command, tty, &status)) {
		status = run_begin(&r, &o);
		if (status == 0)
			status = work(&r, command, tty);
		run_end(&r);
	}
	free(command);
	options_fini(&o);
	return status < 0 ? 0 : status;
}

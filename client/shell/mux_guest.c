/* client/shell/mux_guest.c - who uses another process's connection; see mux.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/shell/mux.h"
#include "client/shell/mux_msg.h"
#include "client/shell/say.h"
#include "client/shell/tty.h"

/* A talk with a master. */
struct talk {
	struct options *o;
	int fd;
	char buf[MUX_MESSAGE_MAX + 1];
};

bool mux_path(struct config *c, char *buf, size_t size)
{
	const char *said = config_text(c, CONFIG_CONTROL_PATH);

	return said != NULL && strcasecmp(said, "none") != 0 &&
	       config_expanded(c, CONFIG_CONTROL_PATH, 0, buf, size) > 0;
}

/* Its next message; NULL: it is gone, or says nothing that is one. */
static json_t *heard(struct talk *t)
{
	int fds[MUX_FDS];
	ssize_t n;

	do {
		n = mux_receive(t->fd, t->buf, fds);
	} while (n == -EINTR);
	mux_fds_close(fds);
	return n > 0 ? json_loadb(t->buf, (size_t)n, 0, NULL) : NULL;
}

/* Asks, and says what is wrong. NULL: it was no. */
static json_t *asked(struct talk *t, json_t *request)
{
	json_t *answer = mux_send(t->fd, request, NULL) == 0 ? heard(t) : NULL;
	const char *why = json_string_value(json_object_get(answer, "error"));

	if (answer != NULL && why == NULL)
		return answer;
	say_foreign(SAY_ERROR, why != NULL ? why : "the master is gone",
		    strlen(why != NULL ? why : "the master is gone"));
	say_foreign(SAY_ERROR, "\n", 1);
	json_decref(answer);
	return NULL;
}

/* --- forwards ------------------------------------------------------------------------------ */

/* A port that was chosen is said: to a program (-O), or to who looks. */
static void forward_told(const struct talk *t, const char *kind, const char *spec, json_int_t port)
{
	if (t->o->control != NULL)
		printf("%lld\n", (long long)port);
	else
		say(SAY_INFO, "Allocated port %lld for %s forward %s", (long long)port, kind, spec);
}

static int forward(struct talk *t, const char *what, enum forward_kind kind, const char *name,
		   const char *spec)
{
	struct forward f;
	json_t *answer =
		asked(t, json_pack("{s:s, s:s, s:s}", "do", what, "kind", name, "spec", spec));

	if (answer == NULL)
		return -1;
	if (strcmp(what, "forward") == 0 && forward_parse(kind, spec, &f) == 0 && !f.listen.path &&
	    f.listen.port == 0)
		forward_told(t, name, spec, json_integer_value(json_object_get(answer, "port")));
	json_decref(answer);
	return 0;
}

static int forwards(struct talk *t, const char *what)
{
	static const struct {
		enum config_id id;
		enum forward_kind kind;
		const char *name;
	} kinds[] = {{CONFIG_LOCAL_FORWARD, FORWARD_LOCAL, "local"},
		     {CONFIG_DYNAMIC_FORWARD, FORWARD_DYNAMIC, "dynamic"},
		     {CONFIG_REMOTE_FORWARD, FORWARD_REMOTE, "remote"}};
	int r = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct conf_strs *list = config_list(t->o->config, kinds[i].id);

		for (size_t j = 0; j < list->n; j++)
			if (forward(t, what, kinds[i].kind, kinds[i].name, list->v[j]) < 0)
				r = -1;
	}
	return r;
}

/* --- -O ------------------------------------------------------------------------------------ */

static int control(struct talk *t)
{
	const char *what = t->o->control;
	json_t *answer;

	if (strcmp(what, "forward") == 0 || strcmp(what, "cancel") == 0)
		return forwards(t, what) < 0 ? EXIT_ERROR : 0;
	answer = asked(t, json_pack("{s:s}", "do", what));
	if (answer == NULL)
		return EXIT_ERROR;
	if (strcmp(what, "check") == 0)
		say(SAY_QUIET, "Master running (pid=%lld)",
		    (long long)json_integer_value(json_object_get(answer, "pid")));
	else
		say(SAY_QUIET, "%s request sent.",
		    strcmp(what, "exit") == 0 ? "Exit" : "Stop listening");
	json_decref(answer);
	return 0;
}

/* --- a session ----------------------------------------------------------------------------- */

static json_t *session_request(const struct talk *t, const char *command, bool tty)
{
	const struct config *c = t->o->config;
	const char **env = session_environment(c), *term = getenv("TERM");
	json_t *list = json_array(), *o;

	for (size_t i = 0; env != NULL && env[i] != NULL && i < MUX_ENV_MAX; i++)
		json_array_append_new(list, mux_text(env[i]));
	free(env);
	o = json_pack("{s:s, s:b, s:b, s:o, s:o, s:i, s:b, s:b}", "do", "session", "subsystem",
		      config_is(c, CONFIG_SESSION_TYPE, "subsystem"), "tty", tty, "term",
		      mux_text(term != NULL ? term : ""), "env", list, "escape",
		      tty ? escape_character(config_text(c, CONFIG_ESCAPE_CHAR)) : -1, "agent",
		      !config_is(c, CONFIG_FORWARD_AGENT, "no"), "x11",
		      config_yes(c, CONFIG_FORWARD_X11));
	/* Without its command it would be a shell, which took our input for commands. */
	if (o != NULL && command != NULL &&
	    json_object_set_new(o, "command", mux_text(command)) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
}

/* True: it is over, *ret_status is ours. */
static bool session_heard(struct talk *t, bool tty, int *ret_status)
{
	json_t *m = heard(t), *status = json_object_get(m, "status");
	const char *why = json_string_value(json_object_get(m, "error"));
	bool over = json_object_get(m, "opened") == NULL;

	*ret_status = json_is_integer(status) ? (int)json_integer_value(status) : EXIT_ERROR;
	if (over)
		tty_restore();
	if (!over && config_yes(t->o->config, CONFIG_FORK_AFTER_AUTHENTICATION))
		go_background();
	else if (!over && tty)
		tty_raw(STDIN_FILENO);
	else if (m == NULL)
		say(SAY_ERROR, "the master is gone");
	else if (why != NULL)
		say(SAY_ERROR, "%s", why);
	if (why != NULL && t->o->stdio != NULL)
		say(SAY_ERROR, "stdio forwarding failed");
	json_decref(m);
	return over;
}

/* Or a connection (-W). */
static int session(struct talk *t, const char *command, bool tty)
{
	int in = STDIN_FILENO, status = EXIT_ERROR;
	int signals = signals_open(); /* first: what changes from now on is told of */
	json_t *request = t->o->stdio != NULL ? json_pack("{s:s, s:o}", "do", "stdio", "target",
							  mux_text(t->o->stdio))
					      : session_request(t, command, tty);
	struct signalfd_siginfo info;

	if (config_yes(t->o->config, CONFIG_STDIN_NULL))
		in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	status = mux_send(t->fd, request, (const int[MUX_FDS]){in, STDOUT_FILENO, STDERR_FILENO});
	if (status < 0) {
		say(SAY_ERROR, "mux: %s", strerror(-status));
		return EXIT_ERROR;
	}
	for (;;) {
		struct pollfd p[2] = {{t->fd, POLLIN, 0}, {signals, POLLIN, 0}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return EXIT_ERROR;
		if (p[0].revents != 0 && session_heard(t, tty, &status))
			break;
		if (p[1].revents == 0 || read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGWINCH) {
			(void)mux_send(t->fd, json_pack("{s:s}", "do", "resize"), NULL);
			continue;
		}
		tty_restore();
		say(SAY_INFO, "Killed by signal %u.", info.ssi_signo);
		return EXIT_ERROR;
	}
	if (tty)
		say(SAY_INFO, "Shared connection to %s closed.",
		    config_text(t->o->config, CONFIG_HOSTNAME));
	return status;
}

/* --- all ----------------------------------------------------------------------------------- */

/* What nobody listens at any more; a file that is none of ours is nobody's to remove. */
static bool is_stale(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A master's socket, or -errno. */
static int reach_master(const struct options *o, const char *path)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r = 0;
	struct sockaddr_un un;

	if (!mux_address(path, &un))
		r = -ENAMETOOLONG;
	else if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		r = -errno;
	else if (!mux_peer_ok(fd))
		r = -EPERM;
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	if (o->control == NULL && r == -ECONNREFUSED &&
	    !config_is(o->config, CONFIG_CONTROL_MASTER, "no") && is_stale(path)) {
		say(SAY_DEBUG, "Stale control socket %s, unlinking", path);
		unlink(path);
	} else if (o->control != NULL || r != -ENOENT) {
		say(SAY_ERROR, "Control socket connect(%s): %s", path, strerror(-r));
	}
	return r;
}

static int guest(struct talk *t, const char *command, bool tty)
{
	const struct config *c = t->o->config;
	json_t *gone;

	if (t->o->control != NULL)
		return control(t);
	if (forwards(t, "forward") < 0 && config_yes(c, CONFIG_EXIT_ON_FORWARD_FAILURE))
		return EXIT_ERROR;
	if (t->o->stdio != NULL || !config_is(c, CONFIG_SESSION_TYPE, "none"))
		return session(t, command, tty);
	if (config_yes(c, CONFIG_FORK_AFTER_AUTHENTICATION))
		go_background();
	/* The forwards are the master's: who waits, waits for its end. */
	while ((gone = heard(t)) != NULL)
		json_decref(gone);
	return EXIT_ERROR;
}

/* False: there is no master. */
static bool attach(struct options *o, const char *path, const char *command, bool tty,
		   int (*use)(struct talk *t, const char *command, bool tty), int *ret_status)
{
	struct talk *t = calloc(1, sizeof(*t));
	bool there;

	if (t == NULL)
		return false;
	t->o = o;
	t->fd = reach_master(o, path);
	there = t->fd >= 0;
	if (there) {
		*ret_status = use(t, command, tty);
		close(t->fd);
	}
	free(t);
	return there;
}

bool mux_guest(struct options *o, const char *command, bool tty, int *ret_status)
{
	bool makes_one = config_is(o->config, CONFIG_CONTROL_MASTER, "yes") ||
			 config_is(o->config, CONFIG_CONTROL_MASTER, "ask");
	char path[CONFIG_TEXT_MAX];
	int status = EXIT_ERROR;
	bool there = false;

	if (!mux_path(o->config, path, sizeof(path))) {
		if (o->control != NULL)
			say(SAY_ERROR, "No ControlPath specified for \"-O\" command");
	} else if (o->control != NULL || !makes_one) {
		there = attach(o, path, command, tty, guest, &status);
	}
	if (there || o->control != NULL)
		*ret_status = status;
	return there || o->control != NULL;
}

int mux_first_guest(struct options *o, const char *command, bool tty)
{
	char path[CONFIG_TEXT_MAX];
	int status = EXIT_ERROR;

	if (mux_path(o->config, path, sizeof(path)))
		(void)attach(o, path, command, tty, session, &status);
	return status;
}

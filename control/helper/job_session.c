/*
 * control/helper/job_session.c - a session's program is started: judged by the configuration as we
 * have read it, given its terminal or pipes and its environment, and run as its user.
 *
 * Source  RFC 4254 section 6; sshd(8), LOGIN PROCESS.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/helper/bounded.h"
#include "control/helper/session.h"
#include "control/log.h"
#include "control/service/child.h"
#include "control/service/record.h"
#include "crypto/confine.h"

#define NO_RECORDING "This session has to be recorded, and cannot be.\r\n"
#define SFTP_SERVER  "/usr/lib/openssh/sftp-server"
#define SFTP_ARGS    16 /* of internal-sftp */
#define MOTD_PATH    "/etc/motd"
#define MOTD_MAX     4096
#define ROOT_ENTER   "sluice-root.so"

/* --- descriptors ------------------------------------------------------------------------------ */

static void ends_close(int fd[3])
{
	for (int i = 0; i < 3; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

/* In, out and err; the first of a pipe is read from. */
static int pipes_open(struct run *r)
{
	for (int i = 0; i < 3; i++) {
		int fd[2];

		if (pipe2(fd, O_CLOEXEC) < 0)
			return -errno;
		r->ours[i] = i == 0 ? fd[1] : fd[0];
		r->theirs[i] = i == 0 ? fd[0] : fd[1];
	}
	return 0;
}

static int descriptors_open(struct run *r)
{
	int e;

	if (r->may.console && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->console) < 0)
		return -errno;
	if (!r->m->tty)
		return pipes_open(r);
	e = tty_open(&r->pw, &r->m->pty, &r->tty);
	if (e == 0)
		r->theirs[0] = r->theirs[1] = r->theirs[2] = r->tty.slave;
	return e;
}

/* STARTED, and with it the ends that are the client's, and what listens for it. */
static bool descriptors_send(struct run *r)
{
	const struct helper_started started = {.n = r->m->tty ? 1 : 3,
					       .agent = r->agent >= 0,
					       .x11 = (uint8_t)r->n_x11,
					       .tee = r->tee >= 0,
					       .tee_how = r->tee >= 0 ? session_record_how(r) : 0,
					       .record_full = r->record_full,
					       .recording = ssh_str_c(r->recording)};
	const int *fds = r->m->tty ? &r->tty.master : r->ours;
	int all[HELPER_FDS_MAX];
	unsigned int n = started.n;

	memcpy(all, fds, n * sizeof(int));
	if (r->agent >= 0)
		all[n++] = r->agent;
	memcpy(all + n, r->x11, r->n_x11 * sizeof(int));
	n += r->n_x11;
	if (r->tee >= 0)
		all[n++] = r->tee;
	return job_send_fds(r->job, helper_started_build(r->job->out, &started), all, n);
}

/* Those that are not ours, once their owners have them. */
static void others_close(struct run *r)
{
	if (r->console[1] >= 0)
		close(r->console[1]);
	r->console[1] = -1;
	if (r->agent >= 0)
		close(r->agent);
	r->agent = -1;
	while (r->n_x11 > 0)
		close(r->x11[--r->n_x11]);
	if (r->tee >= 0)
		close(r->tee);
	r->tee = -1;
}

/* --- the start -------------------------------------------------------------------------------- */

struct session_times session_times = {SESSION_AS_USER_MS, SESSION_LEFT_MS};

struct as_user {
	struct run *r;
	bool (*f)(struct run *r);
};

static int become_and_do(void *arg)
{
	const struct as_user *a = arg;

	return job_become(&a->r->pw) == 0 && a->f(a->r) ? 0 : 1;
}

bool session_as_user(struct run *r, bool (*f)(struct run *r), int *keep)
{
	struct as_user a = {r, f};
	int e = bounded_run(become_and_do, &a, keep, session_times.as_user_ms);

	if (e == -ETIMEDOUT)
		log_line(LOG_L_ERROR, "what is done as %.100s for a session took too long",
			 r->pw.pw_name);
	return e == 0;
}

static void text_copy(char *to, size_t size, struct ssh_str s)
{
	snprintf(to, size, "%.*s", (int)s.len, (const char *)s.p);
}

static void user_find(struct run *r)
{
	struct passwd *found = NULL;

	if (getpwnam_r(r->allow.user, &r->pw, r->pw_room, sizeof(r->pw_room), &found) != 0 ||
	    found == NULL)
		job_done(r->job, HELPER_NONE, "no such user");
}

static void judge(struct run *r)
{
	char why[256];

	job_allow(r->job, &r->m->job, &r->allow);
	if (allow_session(&r->allow, r->m, &r->may, why, sizeof(why)) == 0) {
		/* Its user is told by what would be it (child.c), the operator here. */
		if (r->may.chroot != NULL && !r->may.console &&
		    !child_chroot_safe(r->may.chroot, why, sizeof(why)))
			log_line(LOG_L_ERROR, "no session of %.100s from %s: %s", r->allow.user,
				 r->peer, why);
		return;
	}
	log_line(LOG_L_ERROR, "refused: a session of %.100s from %s: %s", r->allow.user, r->peer,
		 why);
	job_done(r->job, HELPER_DENIED, why);
}

static void fail(struct run *r, const char *what, int err) __attribute__((noreturn));
static void fail(struct run *r, const char *what, int err)
{
	char text[128];

	session_forwards_close(r);
	session_pam_close(r);
	snprintf(text, sizeof(text), "%s: %s", what, strerror(-err));
	job_done(r->job, HELPER_CRASHED, text);
}

static const char *refusal(const struct run *r)
{
	return r->unrecorded ? NO_RECORDING : r->may.refusal;
}

const char *session_console_path;

/* A file in this program's own folder. */
static void beside(char path[PATH_MAX], const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		snprintf(slash + 1, (size_t)(path + PATH_MAX - slash - 1), "%s", name);
}

/* It has no use for a home, a root or variables of its user's, and none of them for it. */
static void console_child(struct run *r) __attribute__((noreturn));
static void console_child(struct run *r)
{
	char path[PATH_MAX] = "";
	char *argv[] = {(char *)"sluice-console", NULL, NULL, NULL};
	char *env[] = {NULL};
	struct child c = {.pw = &r->pw,
			  .program = path,
			  .argv = argv,
			  .env = env,
			  .in = r->theirs[0],
			  .out = r->theirs[1],
			  .err = r->theirs[2],
			  .control = r->console[1],
			  .tty = r->m->tty,
			  .has_groups = r->pam != NULL,
			  .nologin = !r->allow.conf.use_pam,
			  .refusal = refusal(r),
			  .notice = session_record_notice(r),
			  .welcome = r->m->tty && r->may.command == NULL ? r->welcome : ""};

	if (session_console_path != NULL)
		snprintf(path, sizeof(path), "%s", session_console_path);
	else
		beside(path, "sluice-console");
	if (r->may.command != NULL) {
		argv[1] = (char *)"-c";
		argv[2] = r->may.command;
	}
	child_run(&c);
}

/* Where it is installed, but for who runs where it was built. */
static const char *root_enter(char path[PATH_MAX])
{
	beside(path, ROOT_ENTER);
	return access(path, R_OK) == 0 ? path : SLUICE_LIBDIR "/" ROOT_ENTER;
}

/* internal-sftp needs no shell, so that who has none to speak of may have it. */
static void sftp_args(char *command, char *argv[SFTP_ARGS + 2])
{
	char *rest = NULL;
	size_t n = 0;

	argv[n++] = (char *)"sftp-server";
	for (char *p = strtok_r(command, " \t", &rest); p != NULL && n <= SFTP_ARGS;
	     p = strtok_r(NULL, " \t", &rest))
		argv[n++] = p;
	argv[n] = NULL;
}

static void run_child(struct run *r) __attribute__((noreturn));
static void run_child(struct run *r)
{
	const struct ssh_x11_req *x11 = &r->m->display;
	char display[2 * HELPER_TEXT_MAX + 4] = "", enter[PATH_MAX];
	char *argv[SFTP_ARGS + 2];
	const struct child c = {.pw = &r->pw,
				.program = r->may.sftp ? SFTP_SERVER : NULL,
				.argv = argv,
				.command = r->may.command,
				.chroot = r->may.chroot,
				.enter = r->may.sftp && r->may.chroot != NULL ? root_enter(enter)
									      : NULL,
				.env = r->env.v,
				.in = r->theirs[0],
				.out = r->theirs[1],
				.err = r->theirs[2],
				.control = -1,
				.tty = r->m->tty,
				.has_groups = r->pam != NULL,
				.nologin = !r->allow.conf.use_pam,
				.refusal = refusal(r),
				.notice = session_record_notice(r),
				.welcome = r->m->tty && r->may.command == NULL ? r->welcome : "",
				.user_rc = r->may.user_rc,
				.display = display};

	if (r->may.sftp)
		sftp_args(r->may.command, argv);
	/* What xauth was told here is told to an rc file, too, which may know better. */
	if (r->n_x11 > 0)
		snprintf(display, sizeof(display), "%.*s %.*s\n", (int)x11->protocol.len,
			 (const char *)x11->protocol.p, (int)x11->cookie.len,
			 (const char *)x11->cookie.p);
	child_run(&c);
}

/* Said before this one is written down. */
static void last_login_add(struct run *r)
{
	char line[512];

	if (!r->m->tty || !r->allow.conf.print_last_log)
		return;
	record_last(r->pw.pw_uid, line, sizeof(line));
	if (line[0] != '\0')
		session_welcome_add(r, line);
}

/* From outside of a ChrootDirectory. */
static void motd_add(struct run *r)
{
	char text[MOTD_MAX + 1];
	ssize_t n = -1;
	int fd = -1;

	if (r->m->tty && r->allow.conf.print_motd)
		fd = open(MOTD_PATH, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, MOTD_MAX);
		close(fd);
	}
	if (n > 0 && text[n - 1] == '\n') /* a line of its own it becomes anyway */
		n--;
	if (n <= 0)
		return;
	text[n] = '\0';
	session_welcome_add(r, text);
}

/* In the new process. Who is in may be asked by the program itself: that is written down first. */
static void program_run(struct run *r) __attribute__((noreturn));
static void program_run(struct run *r)
{
	if (r->m->tty)
		record_login(&r->pw, getpid(), r->tty.name, r->peer);
	if (r->may.console)
		console_child(r);
	run_child(r);
}

static void prepare(struct run *r)
{
	char why[256];
	int e;

	e = descriptors_open(r);
	if (e < 0)
		fail(r, "descriptors", e);
	e = session_env_login(r);
	if (e < 0)
		fail(r, "environment", e);
	if (!session_pam_open(r, why, sizeof(why)))
		job_done(r->job, HELPER_NO, why);
	e = session_env_rest(r);
	if (e < 0)
		fail(r, "environment", e);
	last_login_add(r);
	motd_add(r);
	session_forwards_open(r);
	r->unrecorded = !session_record_open(r);
}

void job_session(struct job *j, const struct helper_session *m)
{
	static struct run r = {.tty = {-1, -1, ""},
			       .ours = {-1, -1, -1},
			       .theirs = {-1, -1, -1},
			       .agent = -1,
			       .console = {-1, -1},
			       .tee = -1};

	int e;

	r.job = j;
	r.m = m;
	text_copy(r.peer, sizeof(r.peer), m->job.peer);
	text_copy(r.local, sizeof(r.local), m->job.local);
	/* Until it runs it is a job with a deadline like others; then nobody's clock counts. */
	alarm(m->job.time_ms / 1000 + 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	judge(&r);
	user_find(&r);
	umask(022);
	prepare(&r);
	e = session_signals_open(&r);
	if (e < 0)
		fail(&r, "signalfd", e);
	/* What is told to end from here on hangs it up, and no clock counts any more. */
	(void)!send(j->line, "", 1, MSG_NOSIGNAL);
	r.pid = fork();
	if (r.pid < 0)
		fail(&r, "fork", -errno);
	if (r.pid == 0)
		program_run(&r);
	if (r.m->tty)
		close(r.tty.slave);
	else
		ends_close(r.theirs);
	r.control_gone = !descriptors_send(&r);
	ends_close(r.ours);
	if (r.m->tty)
		close(r.tty.master);
	others_close(&r);
	alarm(0);
	session_watch(&r);
}

/*
 * control/helper/session_watch.c - a program runs: what its client sends it, and its end.
 *
 * Its process group is signalled while its leader has not been waited for: no number is used again
 * before that.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/helper/session.h"
#include "control/log.h"
#include "control/service/fd_take.h"
#include "control/service/record.h"
#include "crypto/confine.h"
#include "ssh/session_msg.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What control is told; a control that is gone is not, and that is no reason to end. */
static void tell(struct run *r, size_t len)
{
	const uint8_t *p = r->job->out;

	while (len > 0 && !r->control_gone) {
		ssize_t n = send(r->job->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r->control_gone = true;
			return;
		}
		p += n;
		len -= (size_t)n;
	}
}

/*
 * As its user: a program that became somebody else is not his to signal. What a change of user
 * undoes is done again: we end with our parent, and are not dumped.
 */
static void signal_group(const struct run *r, int number)
{
	uid_t me = geteuid();

	if (me == 0 && r->pw.pw_uid != 0 && seteuid(r->pw.pw_uid) < 0)
		return;
	(void)kill(-r->pid, number);
	if (me == 0 && r->pw.pw_uid != 0 &&
	    (seteuid(me) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || confine_dumps() < 0))
		_exit(1);
}

/* What was only just forked leads no group yet. */
static void hang_up(struct run *r)
{
	if (kill(-r->pid, SIGHUP) < 0)
		(void)kill(r->pid, SIGHUP);
	(void)kill(-r->pid, SIGCONT);
	r->hung_up++;
}

/* RFC 4254 section 6.9; sshd lets nobody signal what he did not choose. */
static void signal_asked(const struct run *r, struct ssh_str name)
{
	int number = ssh_signal_number(name);

	if (number == 0 || r->may.forced || r->m->kind == HELPER_RUN_SUBSYSTEM) {
		log_line(LOG_L_INFO, "refusing signal %.*s for %.100s", (int)name.len,
			 (const char *)name.p, r->pw.pw_name);
		return;
	}
	signal_group(r, number);
}

static void heard(struct run *r, enum helper_msg type, struct ssh_str body)
{
	struct ssh_str name;

	if (type == HELPER_SIGNAL && helper_signal_parse(body, &name) == 0)
		signal_asked(r, name);
	else /* HANGUP, or nonsense */
		hang_up(r);
}

/* A control that asks for it: from now on it is that which is heard and told. */
static void taken_up(struct run *r, size_t *have)
{
	int fd = fd_take(r->job->line);

	if (fd == -EAGAIN)
		return;
	if (fd < 0) {
		close(r->job->line);
		r->job->line = -1; /* the helper is gone; its signal says what follows */
		return;
	}
	close(r->job->fd);
	r->job->fd = fd;
	r->control_gone = false;
	*have = 0;
	session_console_again(r);
}

static void hear(struct run *r, size_t *have)
{
	struct job *j = r->job;
	struct ssh_str body;
	enum helper_msg type;
	size_t used;
	ssize_t n = recv(j->fd, j->in + *have, sizeof(j->in) - *have, MSG_DONTWAIT);
	int e;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		r->control_gone = true;
		return;
	}
	*have += (size_t)n;
	while ((e = helper_frame_parse(j->in, *have, &type, &body, &used)) == 0) {
		heard(r, type, body);
		memmove(j->in, j->in + used, *have - used);
		*have -= used;
	}
	if (e != -EAGAIN)
		r->control_gone = true;
}

/* True: the leader is over, and status says how. */
static bool signals(struct run *r, int fd, bool *ending, int *status)
{
	struct signalfd_siginfo info;

	/* What has ended by itself was not hung up on. */
	if (waitpid(r->pid, status, WNOHANG) == r->pid)
		return true;
	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM && !*ending) {
			*ending = true;
			hang_up(r);
		}
	}
	return waitpid(r->pid, status, WNOHANG) == r->pid;
}

/* Milliseconds until it has to be asked again, ended, or left to itself; -1: for ever. */
static int patience(const struct run *r, bool ending, uint64_t left_ms)
{
	uint64_t now = now_ms();

	if (r->hung_up == 1)
		return SESSION_AGAIN_MS;
	if (ending)
		return SESSION_ENDING_MS;
	if (left_ms == 0)
		return -1;
	return left_ms > now ? (int)(left_ms - now) : 0;
}

/* As sshd: who does not mind that his client is gone (nohup) goes on, and takes no place. */
static void leave(struct run *r)
{
	log_line(LOG_L_INFO, "process %d of %.100s goes on without its session", (int)r->pid,
		 r->pw.pw_name);
	r->control_gone = true;
}

static int wait_over(struct run *r, int fd, bool *ending)
{
	uint64_t left_ms = 0; /* when it is left to itself */
	size_t have = 0;
	int status = 0;

	/* It may be over before its signal was held back. */
	if (signals(r, fd, ending, &status))
		return status;
	for (;;) {
		struct pollfd p[] = {{fd, POLLIN, 0},
				     {r->control_gone ? -1 : r->job->fd, POLLIN, 0},
				     {r->job->line, POLLIN, 0},
				     {r->console[0], POLLIN, 0}};
		/* A shell may lose a signal while it becomes its command. */
		bool again = r->hung_up == 1;
		int n;

		if (r->hung_up > 0 && left_ms == 0)
			left_ms = now_ms() + session_times.left_ms;
		n = poll(p, 4, patience(r, *ending, left_ms));

		if (n == 0 && again) {
			hang_up(r);
		} else if (n == 0 && *ending) {
			(void)kill(-r->pid, SIGKILL);
		} else if (n == 0) {
			leave(r);
			return 0;
		}
		if (n <= 0)
			continue;
		if (p[0].revents != 0 && signals(r, fd, ending, &status))
			return status;
		if (p[1].revents != 0)
			hear(r, &have);
		if (p[2].revents != 0)
			taken_up(r, &have);
		if (p[3].revents != 0)
			session_console_heard(r);
	}
}

/* Those of processes of ours are not news any more: true: the helper ends. */
static bool told_to_end(int fd)
{
	struct signalfd_siginfo info;
	bool told = false;

	while (read(fd, &info, sizeof(info)) == sizeof(info))
		told |= info.ssi_signo == SIGTERM;
	return told;
}

/* Who is told how it ended; a control that was killed is one no more. True: there is somebody. */
static bool somebody(struct run *r, int fd)
{
	struct pollfd gone = {r->job->fd, POLLRDHUP, 0};
	const uint64_t until = now_ms() + SESSION_UNTOLD_MS;
	size_t have = 0;

	if (!r->control_gone && poll(&gone, 1, 0) > 0 && (gone.revents & (POLLRDHUP | POLLHUP)))
		r->control_gone = true;
	/* One that was hung up is nobody's any more. */
	while (r->control_gone && r->hung_up == 0 && r->job->line >= 0 && now_ms() < until) {
		struct pollfd p[] = {{r->job->line, POLLIN, 0}, {fd, POLLIN, 0}};
		int n = poll(p, 2, (int)(until - now_ms()) + 1);

		if (n > 0 && p[1].revents != 0 && told_to_end(fd))
			break;
		if (n > 0 && p[0].revents != 0)
			taken_up(r, &have);
	}
	return !r->control_gone;
}

int session_signals_open(struct run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	r->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signals < 0 ? -errno : 0;
}

void session_watch(struct run *r)
{
	struct helper_exit how = {0};
	bool ending = false;
	const int fd = r->signals;
	int status;

	if (r->control_gone) /* nobody has its descriptors */
		hang_up(r);
	status = wait_over(r, fd, &ending);
	how.signalled = WIFSIGNALED(status);
	how.number = how.signalled ? (uint32_t)WTERMSIG(status) : (uint32_t)WEXITSTATUS(status);
	how.core = how.signalled && WCOREDUMP(status);
	how.ending = ending;
	if (r->tty.name[0] != '\0')
		record_logout(r->pid, r->tty.name);
	/* What of this a user or a module of PAM's holds up takes the place of nobody for long. */
	alarm(SESSION_CLOSE_S);
	session_forwards_close(r);
	session_pam_close(r);
	alarm(0);
	if (!somebody(r, fd))
		_exit(0);
	tell(r, helper_exit_build(r->job->out, &how));
	tell(r, helper_done_build(r->job->out, HELPER_OK, ending ? "sluice-helper ends" : ""));
	_exit(0);
}

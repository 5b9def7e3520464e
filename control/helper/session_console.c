/*
 * control/helper/session_console.c - a console's way to control: with each control it has a socket
 * of its own, made when it asks for one, and once.
 *
 * What of a question or an answer was under way when a control ended is gone with their socket: the
 * console reads its end, and asks again at the next one. It is its user's: what it says to us is
 * that it asks, and no more.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/helper/session.h"

static void line_close(struct run *r)
{
	close(r->console[0]);
	r->console[0] = -1;
}

/* A control that is gone without our knowledge has it for nothing: the console asks again. */
static void join(struct run *r)
{
	int fd[2];

	if (r->console[0] < 0 || !r->console_asks || r->console_has || r->control_gone ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return;
	if (!job_send_fds(r->job, helper_console_build(r->job->out), &fd[0], 1)) {
		r->control_gone = true;
	} else {
		r->console_has = true;
		r->console_asks = false;
		if (!job_fds_pass(r->console[0], "", 1, &fd[1], 1, MSG_DONTWAIT))
			line_close(r);
	}
	close(fd[0]);
	close(fd[1]);
}

void session_console_heard(struct run *r)
{
	char byte;
	ssize_t n = recv(r->console[0], &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		line_close(r);
		return;
	}
	r->console_asks = true;
	join(r);
}

void session_console_again(struct run *r)
{
	r->console_has = false;
	join(r);
}

/*
 * control/helper/job_socket.c - a UNIX socket of the gateway's, connected to or listened at for a
 * channel, as the user whose channel it is: what he may open decides the system.
 *
 * Source  OpenSSH PROTOCOL section 2.4; sshd_config(5), StreamLocalBindMask, StreamLocalBindUnlink.
 */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/helper/job.h"
#include "control/log.h"
#include "control/node.h"

static int connect_to(const char *path, const char *own)
{
	int node = node_open(path, own), fd, r = 0;
	struct sockaddr_un sun;
	socklen_t len;

	if (node < 0)
		return node;
	len = node_sockaddr(node, &sun);
	/* Nobody is waited for who does not accept: jobs are few. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, len) < 0)
		r = -errno;
	close(node);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static void judge(struct job *j, const struct helper_socket *m, const char *path,
		  struct allow *allow)
{
	const struct conf_dest dest = {.path = path};
	const char *no;

	if (allow_find_dest(j->conf, &m->job, &dest, allow) < 0)
		job_done(j, HELPER_CRASHED, "cannot tell what holds for the user");
	if (!allow->account.known) /* control's to know what then */
		job_done(j, HELPER_NONE, "no such user");
	no = allow_socket(allow, m, path);
	if (no == NULL)
		return;
	log_line(LOG_L_ERROR, "refused: a socket for %.100s from %.*s: %s", allow->user,
		 (int)m->job.peer.len, (const char *)m->job.peer.p, no);
	job_done(j, HELPER_DENIED, no);
}

static int open_as_user(struct job *j, const struct helper_socket *m, const char *path,
			const struct allow *allow)
{
	if (!m->listen)
		return connect_to(path, j->own);
	umask(allow->conf.streamlocal_bind_mask);
	return node_listen(path, j->own, allow->conf.streamlocal_bind_unlink);
}

void job_socket(struct job *j, const struct helper_socket *m)
{
	const struct helper_started started = {.n = 1};
	char *path = job_text(j, m->path);
	const struct passwd *pw;
	struct allow allow;
	int fd;

	judge(j, m, path, &allow);
	pw = getpwnam(allow.user);
	if (pw == NULL)
		job_done(j, HELPER_NONE, "no such user");
	if (job_become(pw) < 0)
		job_done(j, HELPER_CRASHED, "cannot become the user");
	fd = open_as_user(j, m, path, &allow);
	if (fd == -EADDRINUSE)
		job_done(j, HELPER_TAKEN, strerror(EADDRINUSE));
	if (fd < 0)
		job_done(j, HELPER_NO, strerror(-fd));
	if (!job_send_fds(j, helper_started_build(j->out, &started), &fd, 1))
		_exit(1);
	close(fd); /* the other end's alone, before it hears the last word */
	job_done(j, HELPER_OK, "");
}

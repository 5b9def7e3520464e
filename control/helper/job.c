/* control/helper/job.c - a child's words; and files, read as their user. */
#include "control/helper/job.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/auth/userfile.h"
#include "control/log.h"
#include "crypto/confine.h"
#include "crypto/secret.h"

#define FILE_MAX_BYTES (4 << 20)

void job_send(struct job *j, size_t len)
{
	const uint8_t *p = j->out;

	if (len == 0)
		_exit(1);
	while (len > 0) {
		ssize_t n = send(j->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		p += n;
		len -= (size_t)n;
	}
}

bool job_fds_pass(int to, const void *bytes, size_t len, const int *fds, unsigned int n, int flags)
{
	union {
		char room[CMSG_SPACE(HELPER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} c = {.room = {0}};
	struct iovec iov = {(void *)bytes, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = c.room,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	return sendmsg(to, &msg, MSG_NOSIGNAL | flags) == (ssize_t)len;
}

bool job_send_fds(struct job *j, size_t len, const int *fds, unsigned int n)
{
	return job_fds_pass(j->fd, j->out, len, fds, n, 0);
}

struct ssh_str job_receive(struct job *j, enum helper_msg type)
{
	struct ssh_str body = {0};
	size_t have = 0, used;
	enum helper_msg got;
	int r;

	while ((r = helper_frame_parse(j->in, have, &got, &body, &used)) == -EAGAIN) {
		ssize_t n = recv(j->fd, j->in + have, sizeof(j->in) - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		have += (size_t)n;
	}
	/* One frame at a time: nobody speaks before he is asked. */
	if (r < 0 || got != type || used != have)
		job_done(j, HELPER_BAD, "bad message");
	return body;
}

void job_done(struct job *j, enum helper_result result, const char *text)
{
	job_send(j, helper_done_build(j->out, result, text));
	secret_wipe(j, sizeof(*j));
	_exit(0);
}

void job_denied(struct job *j, const struct helper_job *m, const char *what)
{
	log_line(LOG_L_ERROR, "refused: %s is not configured for %.*s from %.*s", what,
		 (int)m->user.len, (const char *)m->user.p, (int)m->peer.len,
		 (const char *)m->peer.p);
	job_done(j, HELPER_DENIED, "not in the helper's configuration");
}

void job_allow(struct job *j, const struct helper_job *m, struct allow *ret)
{
	if (allow_find(j->conf, m, ret) < 0)
		job_done(j, HELPER_CRASHED, "cannot tell what holds for the user");
}

char *job_text(struct job *j, struct ssh_str s)
{
	char *text = strndup((const char *)s.p, s.len);

	if (text == NULL)
		job_done(j, HELPER_CRASHED, "no memory");
	return text;
}

int job_become(const struct passwd *pw)
{
	if (geteuid() != 0) /* a test's: as itself alone */
		return pw->pw_uid == geteuid() ? 0 : -EPERM;
	if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	if (pw->pw_uid != 0 && setuid(0) == 0)
		return -EPERM;
	/* A change of user undoes both: it dies with its parent, and is not dumped. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return confine_dumps();
}

void job_file(struct job *j, const struct helper_file *m)
{
	char path[USERFILE_PATH_MAX], why[256] = "", *text = NULL;
	struct userfile_rules rules = {.deny = S_IWGRP | S_IWOTH};
	const struct passwd *pw;
	struct allow allow;
	size_t len = 0;
	int r;

	job_allow(j, &m->job, &allow);
	if (!allow.account.known)
		job_done(j, HELPER_NONE, "no such user");
	if (allow_file(&allow, m->entry, m->index, path, sizeof(path)) < 0)
		job_denied(j, &m->job, "such a file");
	pw = getpwnam(allow.user);
	if (pw == NULL)
		job_done(j, HELPER_NONE, "no such user");
	rules.strict = conf_global(j->conf)->strict_modes;
	rules.owner = pw->pw_uid;
	rules.home = pw->pw_dir;
	if (job_become(pw) < 0)
		job_done(j, HELPER_CRASHED, "cannot become the user");
	r = userfile_read(path, &rules, FILE_MAX_BYTES, &text, &len, why, sizeof(why));
	if (r < 0)
		job_done(j, r == -ENOENT ? HELPER_NONE : HELPER_NO, why);
	for (size_t at = 0; at < len; at += HELPER_DATA_MAX)
		job_send(j, helper_data_build(j->out, text + at,
					      len - at < HELPER_DATA_MAX ? len - at
									 : HELPER_DATA_MAX));
	job_done(j, HELPER_OK, "");
}

void job_run(struct job *j, enum helper_msg type, struct ssh_str body)
{
	struct helper_session session;
	struct helper_command command;
	struct helper_socket socket_;
	struct helper_port port;
	struct helper_file file;
	struct helper_pam pam;

	if (type == HELPER_PAM && helper_pam_parse(body, &pam) == 0)
		job_pam(j, &pam);
	if (type == HELPER_COMMAND && helper_command_parse(body, &command) == 0)
		job_command(j, &command);
	if (type == HELPER_FILE && helper_file_parse(body, &file) == 0)
		job_file(j, &file);
	if (type == HELPER_SESSION && helper_session_parse(body, &session) == 0)
		job_session(j, &session);
	if (type == HELPER_SOCKET && helper_socket_parse(body, &socket_) == 0)
		job_socket(j, &socket_);
	if (type == HELPER_PORT && helper_port_parse(body, &port) == 0)
		job_port(j, &port);
	job_done(j, HELPER_BAD, "bad request");
}

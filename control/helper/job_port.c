/*
 * control/helper/job_port.c - a listener of the kernel's at a port below 1024, for a client.
 *
 * Source  RFC 4254 section 7.1; control(8) is not root, whom the kernel leaves these ports to.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control/helper/job.h"
#include "control/log.h"

/* How many addresses it is for. */
static size_t judge(struct job *j, const struct helper_port *m, struct link_addr at[LISTEN_MAX])
{
	const char *host = job_text(j, m->host), *no;
	struct allow allow;
	size_t n = 0;

	job_allow(j, &m->job, &allow);
	no = allow_port(&allow, m, host, at, &n);
	if (no == NULL)
		return n;
	log_line(LOG_L_ERROR, "refused: port %u for %.100s from %.*s: %s", m->port, allow.user,
		 (int)m->job.peer.len, (const char *)m->job.peer.p, no);
	job_done(j, HELPER_DENIED, no);
}

void job_port(struct job *j, const struct helper_port *m)
{
	struct helper_started started = {0};
	struct link_addr at[LISTEN_MAX];
	uint16_t port = m->port;
	int fd[LISTEN_MAX], n;

	n = listen_addrs(at, judge(j, m, at), &port, fd);
	if (n == -EADDRINUSE)
		job_done(j, HELPER_TAKEN, strerror(EADDRINUSE));
	if (n < 0)
		job_done(j, HELPER_NO, strerror(-n));
	started.n = (uint8_t)n;
	if (!job_send_fds(j, helper_started_build(j->out, &started), fd, (unsigned int)n))
		_exit(1);
	while (n > 0) /* the other end's alone, before it hears the last word */
		close(fd[--n]);
	job_done(j, HELPER_OK, "");
}

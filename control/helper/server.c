#include "control/helper/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/alive.h"
#include "control/helper/job.h"
#include "control/log.h"
#include "control/log_out.h"
#include "control/node.h"
#include "control/policy/addr.h"
#include "control/sources.h"
#include "crypto/confine.h"
#include "crypto/secret.h"

/* A connection, and its job once it has one. */
struct conn {
	int fd;          /* -1: this place is free */
	pid_t pid;       /* 0: the request has not come yet */
	bool late, gone; /* its child was killed: it took too long, or nobody waits for it */
	bool talks;      /* with PAM, and people */
	bool session;    /* a program runs until it ends; its child watches the connection */
	bool runs;       /* it does, by now */
	int line;        /* to the child of a session (session.h); -1 */
	uint64_t id;     /* of a session */
	uint64_t deadline_ms;
	uint8_t *in; /* of the request; NULL once there is a child */
	size_t have;
	char user[SSH_USER_MAX + 1];
	struct source source;
};

static struct {
	struct conn conn[HELPER_CONNS_MAX];
	int listener, signals;
	uid_t client;
	struct helper_rules *rules;
	char *own;                     /* our folder, node_own() */
	struct timers *timers;         /* of the log: its lines are tried again */
	uint64_t reads_milli, read_ms; /* thousandths of a read that is left, as of then */
	/* Those before it, the one longest kept next; NULL: none. */
	struct {
		struct conf *conf;
		uint64_t until_ms;
	} before[HELPER_BEFORE];
	unsigned int before_at;
	struct rlimit files; /* as we were given it, and as jobs have it */
	bool apart;          /* control goes by another: said once */
	bool ending;
} s;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void conn_close(struct conn *c)
{
	if (c->in != NULL)
		secret_free(c->in, HELPER_FRAME_MAX + 4);
	close(c->fd);
	if (c->line >= 0)
		close(c->line);
	*c = (struct conn){.fd = -1, .line = -1};
}

/* Best effort: a peer that does not read is no reason to wait. */
static void tell(const struct conn *c, enum helper_result result, const char *text)
{
	static uint8_t buf[HELPER_FRAME_MAX + 4];
	size_t len = helper_done_build(buf, result, text);

	(void)!send(c->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void refuse(struct conn *c, enum helper_result result, const char *text)
{
	tell(c, result, text);
	conn_close(c);
}

/* --- the configuration ------------------------------------------------------------------- */

static void before_keep(struct conf *conf)
{
	conf_put(s.before[s.before_at].conf);
	s.before[s.before_at].conf = conf;
	s.before[s.before_at].until_ms = now_ms() + HELPER_BEFORE_MS;
	s.before_at = (s.before_at + 1) % HELPER_BEFORE;
}

static bool rules_read(void)
{
	struct conf *conf;

	if (s.rules->read == NULL || s.rules->read(&conf) < 0) {
		log_line(LOG_L_ERROR, "the configuration cannot be read again: the old one holds");
		return false;
	}
	if (conf_mark(conf) != conf_mark(s.rules->conf))
		before_keep(s.rules->conf);
	else
		conf_put(s.rules->conf);
	s.rules->conf = conf;
	log_line(LOG_L_INFO, "the configuration was read again");
	return true;
}

/* Not more often than control may have it read; several changes at once are few. */
static bool rules_may_read(void)
{
	uint64_t now = now_ms();

	s.reads_milli += (now - s.read_ms) * HELPER_READS_PER_S;
	if (s.reads_milli > HELPER_READS_SAVED * 1000)
		s.reads_milli = HELPER_READS_SAVED * 1000;
	s.read_ms = now;
	if (s.reads_milli < 1000)
		return false;
	s.reads_milli -= 1000;
	return true;
}

static struct conf *rules_known(uint64_t mark)
{
	if (mark == 0 || mark == conf_mark(s.rules->conf))
		return s.rules->conf;
	for (unsigned int i = 0; i < HELPER_BEFORE; i++)
		if (s.before[i].conf != NULL && mark == conf_mark(s.before[i].conf) &&
		    now_ms() < s.before[i].until_ms)
			return s.before[i].conf;
	return NULL;
}

/* What a login goes by; NULL: it is none of ours. */
static struct conf *rules_of(uint64_t mark)
{
	struct conf *conf = rules_known(mark);

	if (conf == NULL && s.rules->read != NULL && rules_may_read() && rules_read())
		conf = rules_known(mark);
	if (conf == NULL && !s.apart)
		log_line(LOG_L_ERROR,
			 "control goes by another configuration than the one that can be read "
			 "here: its logins are refused until it reads it, too (SIGHUP)");
	s.apart = conf == NULL;
	return conf;
}

/* Of control's, whose word it is that it has changed, and no more. */
static void read_asked(struct conn *c)
{
	if (!rules_may_read())
		refuse(c, HELPER_BUSY, "it was read a moment ago");
	else if (rules_read())
		refuse(c, HELPER_OK, "");
	else
		refuse(c, HELPER_NO, "the configuration cannot be read: the old one holds");
}

/* --- jobs ------------------------------------------------------------------------------- */

static bool same_source(const struct source *a, const struct source *b)
{
	return a->family == b->family && memcmp(a->word, b->word, sizeof(a->word)) == 0;
}

/* The limit that is reached; HELPER_LIMIT_COUNT: there is room. */
static enum helper_limit room_for(const struct conn *c)
{
	unsigned int all = 0, talks = 0, of_user = 0, of_source = 0, sessions = 0, his = 0;
	unsigned int stuck = 0;

	for (size_t i = 0; i < HELPER_CONNS_MAX; i++) {
		const struct conn *o = &s.conn[i];
		bool near, same;

		if (o->fd < 0 || o->pid == 0)
			continue;
		same = strcmp(o->user, c->user) == 0;
		sessions += o->session;
		his += o->session && same;
		if (o->session)
			continue;
		near = same_source(&o->source, &c->source);
		all++;
		talks += o->talks;
		of_source += near;
		of_user += o->talks && near && same;
		stuck += (o->late || o->gone) && same;
	}
	if (c->session && his >= HELPER_USER_SESSIONS_MAX)
		return HELPER_LIMIT_USER_SESSIONS;
	if (c->session)
		return sessions < HELPER_SESSIONS_MAX ? HELPER_LIMIT_COUNT : HELPER_LIMIT_SESSIONS;
	if (c->talks && of_user >= HELPER_USER_JOBS_MAX)
		return HELPER_LIMIT_USER_JOBS;
	if (stuck >= HELPER_USER_STUCK_MAX)
		return HELPER_LIMIT_USER_JOBS;
	if (of_source >= conf_global(s.rules->conf)->per_source_helper_jobs)
		return HELPER_LIMIT_SOURCE_JOBS;
	if (c->talks && talks >= HELPER_TALKS_MAX)
		return HELPER_LIMIT_TALKS;
	return all < HELPER_JOBS_MAX ? HELPER_LIMIT_COUNT : HELPER_LIMIT_JOBS;
}

static bool address(struct ssh_str text, struct link_addr *ret)
{
	char buf[HELPER_ADDR_MAX + 1];

	snprintf(buf, sizeof(buf), "%.*s", (int)text.len, (const char *)text.p);
	return addr_parse(buf, ret);
}

/* Where it comes from, as PerSourceNetBlockSize has it. False: what is no address. */
static bool source_find(const struct helper_job *job, struct source *ret)
{
	const struct conf_global *g = conf_global(s.rules->conf);
	const struct source_bits bits = {g->source_bits4, g->source_bits6};
	struct link_addr peer, local;

	if (!address(job->peer, &peer) || !address(job->local, &local))
		return false;
	*ret = source_of(&peer, &bits);
	return true;
}

/* Each session has two descriptors here; programs get what they always did (select(2)). */
static void files_raise(void)
{
	const rlim_t want = 2 * HELPER_CONNS_MAX + HELPER_FILES_OTHER;
	struct rlimit to;

	if (getrlimit(RLIMIT_NOFILE, &s.files) < 0 || s.files.rlim_cur >= want)
		return;
	to = s.files;
	to.rlim_cur = to.rlim_max < want ? to.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &to) < 0 || to.rlim_cur < want)
		log_line(LOG_L_ERROR, "descriptors for fewer sessions than there may be");
}

static void files_restore(void)
{
	if (s.files.rlim_max != 0)
		(void)setrlimit(RLIMIT_NOFILE, &s.files);
}

/* Nothing of the parent's but the one connection. Its group dies with it. */
static void child(const struct conn *c, int line, struct conf *conf, enum helper_msg type,
		  struct ssh_str body)
{
	struct job *j = calloc(1, sizeof(*j));
	sigset_t none;

	if (j == NULL || setpgid(0, 0) < 0 || confine_dumps() < 0)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (s.rules->log != NULL)
		log_out_forked(s.rules->log);
	j->fd = c->fd;
	j->line = line;
	j->conf = conf;
	j->own = s.own;
	close(s.listener);
	close(s.signals);
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++) {
		if (s.conn[i].fd >= 0 && s.conn[i].fd != c->fd)
			close(s.conn[i].fd);
		if (s.conn[i].fd >= 0 && s.conn[i].line >= 0)
			close(s.conn[i].line);
	}
	files_restore();
	job_run(j, type, body);
}

static void job_start(struct conn *c, enum helper_msg type, struct ssh_str body,
		      const struct helper_job *job)
{
	struct conf *conf = rules_of(job->mark);
	enum helper_limit full;
	int line[2] = {-1, -1};

	if (conf == NULL) {
		refuse(c, HELPER_DENIED, "the helper goes by another configuration");
		return;
	}
	snprintf(c->user, sizeof(c->user), "%.*s", (int)job->user.len, (const char *)job->user.p);
	c->talks = type == HELPER_PAM;
	c->session = type == HELPER_SESSION;
	if (!source_find(job, &c->source)) {
		refuse(c, HELPER_BAD, "bad address");
		return;
	}
	full = room_for(c);
	if (full != HELPER_LIMIT_COUNT) {
		log_line(LOG_L_INFO, "too many jobs at once for %.100s from %.*s: %s", c->user,
			 (int)job->peer.len, (const char *)job->peer.p, helper_limit_name(full));
		refuse(c, HELPER_BUSY, helper_limit_name(full));
		return;
	}
	if (c->session && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0) {
		refuse(c, HELPER_BUSY, "no more descriptors");
		return;
	}
	c->line = line[0];
	c->id = job->id;
	c->pid = fork();
	if (c->pid == 0)
		child(c, line[1], conf, type, body);
	if (line[1] >= 0)
		close(line[1]);
	if (c->pid < 0) {
		c->pid = 0;
		refuse(c, HELPER_BUSY, "no more processes");
		return;
	}
	(void)setpgid(c->pid, c->pid); /* whoever is first */
	c->deadline_ms = now_ms() + job->time_ms;
	secret_free(c->in, HELPER_FRAME_MAX + 4);
	c->in = NULL;
}

static void job_kill(struct conn *c)
{
	if (kill(-c->pid, SIGKILL) < 0)
		(void)kill(c->pid, SIGKILL);
}

/* What a child leaves behind in its group goes too. */
static void job_over(struct conn *c, int status)
{
	(void)kill(-c->pid, SIGKILL);
	if (c->gone) {
		; /* nobody is there to be told */
	} else if (c->late) {
		log_line(LOG_L_ERROR, "a job of %.100s was not done in time: killed", c->user);
		tell(c, HELPER_LATE, "not done in time");
	} else if (WIFSIGNALED(status)) {
		log_line(LOG_L_ERROR, "a job of %.100s died of signal %d", c->user,
			 WTERMSIG(status));
		tell(c, HELPER_CRASHED, "crashed");
	} else if (WEXITSTATUS(status) != 0) {
		tell(c, HELPER_CRASHED, "failed");
	}
	conn_close(c);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < HELPER_CONNS_MAX; i++)
			if (s.conn[i].fd >= 0 && s.conn[i].pid == pid)
				job_over(&s.conn[i], status);
}

/* --- connections ---------------------------------------------------------------------------- */

/* Only control's user and root may ask, whatever the modes of the socket say. */
static bool peer_ok(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == s.client);
}

/* Connections that are no session: those do not keep others out. */
static unsigned int asking(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < HELPER_CONNS_MAX; i++)
		n += s.conn[i].fd >= 0 && !s.conn[i].session;
	return n;
}

static struct conn *place(void)
{
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++)
		if (s.conn[i].fd < 0)
			return &s.conn[i];
	return NULL;
}

static void take(void)
{
	int fd = accept4(s.listener, NULL, NULL, SOCK_CLOEXEC);
	struct conn *c = place();

	if (fd < 0)
		return;
	if (c == NULL || asking() >= HELPER_ASKING_MAX || !peer_ok(fd)) {
		close(fd);
		return;
	}
	*c = (struct conn){.fd = fd, .line = -1, .deadline_ms = now_ms() + HELPER_REQUEST_MS};
	c->in = secret_new(HELPER_FRAME_MAX + 4);
	if (c->in == NULL)
		conn_close(c);
}

/* Its child has this connection from now on. */
static void resume(struct conn *c, uint64_t id)
{
	size_t i = 0;

	while (i < HELPER_CONNS_MAX &&
	       (s.conn[i].fd < 0 || !s.conn[i].session || !s.conn[i].runs || s.conn[i].id != id))
		i++;
	if (i < HELPER_CONNS_MAX && job_fds_pass(s.conn[i].line, "", 1, &c->fd, 1, MSG_DONTWAIT))
		conn_close(c);
	else
		refuse(c, HELPER_NONE, "there is no such session any more");
}

static void hear(struct conn *c)
{
	uint64_t id;
	struct helper_job job;
	struct ssh_str body;
	enum helper_msg type;
	size_t used;
	ssize_t n;
	int r;

	n = recv(c->fd, c->in + c->have, HELPER_FRAME_MAX + 4 - c->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->have += (size_t)n;
	r = helper_frame_parse(c->in, c->have, &type, &body, &used);
	if (r == -EAGAIN)
		return;
	if (r == 0 && used == c->have && type == HELPER_READ && body.len == 0)
		read_asked(c);
	else if (r == 0 && used == c->have && type == HELPER_RESUME &&
		 helper_resume_parse(body, &id) == 0)
		resume(c, id);
	else if (r < 0 || used != c->have || helper_job_parse(type, body, &job) < 0)
		refuse(c, HELPER_BAD, "bad request");
	else
		job_start(c, type, body, &job);
}

static void deadline(struct conn *c, uint64_t now)
{
	if (c->deadline_ms > now)
		return;
	if (c->pid == 0) {
		conn_close(c);
	} else if (!c->late && !c->gone) {
		c->late = true;
		job_kill(c);
	}
}

/* It runs, or is over before that: then its deadline stands until it is waited for. */
static void line_look(struct conn *c)
{
	char byte;

	if (recv(c->line, &byte, 1, MSG_DONTWAIT) == 1)
		c->deadline_ms = UINT64_MAX;
	c->runs = true;
}

/* What happened on one connection. A peer that went has no use for its job any more. */
static void look(struct conn *c, short events)
{
	if (c->session && c->pid != 0) {
		line_look(c);
	} else if (c->pid == 0 && (events & (POLLIN | POLLHUP | POLLERR)) != 0)
		hear(c);
	else if (c->pid != 0 && (events & (POLLHUP | POLLERR | POLLRDHUP)) != 0) {
		c->gone = true;
		job_kill(c);
	}
}

static int wait_ms(uint64_t now)
{
	uint64_t next = timers_next_ms(s.timers);

	if (next > now + 60000)
		next = now + 60000;
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++) {
		const struct conn *c = &s.conn[i];

		if (c->fd >= 0 && !c->late && !c->gone && c->deadline_ms < next)
			next = c->deadline_ms;
	}
	return next > now ? (int)(next - now) + 1 : 0;
}

static void signals(void)
{
	struct signalfd_siginfo info;

	while (read(s.signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT ||
		    info.ssi_signo == SIGQUIT)
			s.ending = true;
		else if (info.ssi_signo == SIGHUP)
			(void)rules_read();
	}
	reap();
}

/* A connection whose child was killed stays until the child is reaped, and is not looked at. */
static int turn(void)
{
	struct pollfd fd[HELPER_CONNS_MAX + 2];
	struct conn *of[HELPER_CONNS_MAX + 2] = {0};
	nfds_t n = 2;

	fd[0] = (struct pollfd){s.listener, POLLIN, 0};
	fd[1] = (struct pollfd){s.signals, POLLIN, 0};
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++) {
		struct conn *c = &s.conn[i];

		if (c->fd < 0 || c->late || c->gone || (c->session && c->pid != 0 && c->runs))
			continue;
		of[n] = c;
		if (c->session && c->pid != 0) { /* until it runs */
			fd[n++] = (struct pollfd){c->line, POLLIN, 0};
			continue;
		}
		fd[n++] = (struct pollfd){c->fd, c->pid == 0 ? POLLIN : POLLRDHUP, 0};
	}
	if (poll(fd, n, wait_ms(now_ms())) < 0 && errno != EINTR)
		return -errno;
	for (nfds_t i = 2; i < n; i++)
		if (fd[i].revents != 0)
			look(of[i], fd[i].revents);
	if (fd[1].revents != 0)
		signals();
	if (fd[0].revents != 0)
		take();
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++)
		if (s.conn[i].fd >= 0)
			deadline(&s.conn[i], now_ms());
	timers_poll(s.timers, now_ms());
	return 0;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s.signals < 0 ? -errno : 0;
}

static void conns_end(void)
{
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++) {
		if (s.conn[i].fd < 0)
			continue;
		if (s.conn[i].pid != 0 && s.conn[i].session)
			(void)kill(s.conn[i].pid, SIGTERM); /* it hangs its program up */
		else if (s.conn[i].pid != 0)
			job_kill(&s.conn[i]);
		conn_close(&s.conn[i]);
	}
}

/* The folder that our own socket stands in. */
static int own_find(int listener)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sun) - 1;
	char *slash;

	if (getsockname(listener, (struct sockaddr *)&sun, &len) < 0)
		return -errno;
	slash = strrchr(sun.sun_path, '/');
	if (slash == NULL)
		return -EINVAL;
	slash[slash == sun.sun_path] = '\0';
	return node_own(sun.sun_path, &s.own);
}

int helper_serve(int listener, uid_t client, struct helper_rules *rules)
{
	int r;

	s.listener = listener;
	s.client = client;
	s.rules = rules;
	s.signals = -1;
	for (size_t i = 0; i < HELPER_CONNS_MAX; i++)
		s.conn[i] = (struct conn){.fd = -1, .line = -1};
	files_raise();
	r = own_find(listener);
	if (r < 0)
		return r;
	r = timers_new(&s.timers);
	if (r < 0) {
		free(s.own);
		return r;
	}
	if (rules->log != NULL)
		log_out_timers(rules->log, s.timers, now_ms);
	r = signals_open();
	if (r == 0 && rules->alive != NULL)
		r = alive_begin(rules->alive, s.timers, now_ms);
	while (r == 0 && !s.ending)
		r = turn();
	if (rules->alive != NULL)
		alive_end(rules->alive);
	conns_end();
	if (s.signals >= 0)
		close(s.signals);
	if (rules->log != NULL)
		log_out_timers(rules->log, NULL, NULL);
	timers_free(s.timers);
	for (unsigned int i = 0; i < HELPER_BEFORE; i++)
		conf_put(s.before[i].conf);
	free(s.own);
	return r;
}

/*
 * control/helper/session_record.c - RecordSession: a file that nobody had, and a process that
 * writes it as long as the session's tee says something.
 *
 * The recorder is nobody's child to wait for: it outlives the session's own process until the shard
 * has said the end, and control and the helper may be started again meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/helper/session.h"
#include "control/log.h"
#include "control/log_syslog.h"
#include "control/service/recorder.h"
#include "crypto/confine.h"
#include "link/msg.h"

#define RECORD_USER   "sluice-record" /* where there is one, */
#define NOBODY        65534           /* or else: its rights are those of its two descriptors */
#define PLAIN_COLUMNS 80    /* of a session without a terminal, or one of no known size */
#define PLAIN_ROWS    24

/* --- the file ----------------------------------------------------------------------------------
 */

/* A user's name may hold what a file's may not. */
static void user_part(const char *user, char *to, size_t size)
{
	size_t n = 0;

	for (; user[n] != '\0' && n < size - 1; n++) {
		bool plain = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-",
				    user[n]) != NULL;

		to[n] = plain ? user[n] : '_';
	}
	to[n] = '\0';
}

/* When, who, the audit log's name of the channel, and what nobody could have guessed. */
static int name_make(const struct run *r, time_t now, char *to, size_t size)
{
	char user[64], when[32];
	struct tm tm;
	uint64_t any;

	if (getrandom(&any, sizeof(any), 0) != sizeof(any) || gmtime_r(&now, &tm) == NULL)
		return -EIO;
	user_part(r->allow.user, user, sizeof(user));
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(to, size, "%s-%s-%.*s-%u-%016llx.cast", when, user, (int)r->m->conn.len,
		 (const char *)r->m->conn.p, r->m->channel, (unsigned long long)any);
	return 0;
}

/* Who else may write there could take the file away, or put one in its place. */
static int folder_open(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct stat st;

	if (dir < 0)
		return -errno;
	if (fstat(dir, &st) < 0)
		r = -errno;
	else if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		r = -EPERM;
	if (r == 0)
		return dir;
	close(dir);
	return r;
}

static int file_open(struct run *r, time_t now)
{
	const char *folder = r->allow.conf.record_directory;
	char name[192];
	int dir = folder_open(folder), fd, e;

	if (dir < 0)
		return dir;
	fd = recorder_room(dir, r->allow.conf.record_reserve);
	if (fd == 0)
		fd = recorder_folder_room(dir, r->allow.conf.record_directory_size,
					  r->allow.conf.record_directory_files);
	if (fd == 0)
		fd = name_make(r, now, name, sizeof(name));
	if (fd == 0) {
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		e = errno;
		if (fd < 0)
			fd = -e;
	}
	r->record_full = fd == -ENOSPC || fd == -EDQUOT;
	close(dir);
	if (fd >= 0)
		snprintf(r->recording, sizeof(r->recording), "%s/%s", folder, name);
	return fd;
}

/* --- the recorder ------------------------------------------------------------------------------
 */

/*
 * Two descriptors and its standard error are all it has, and all it can do is write there, and say
 * how that went where the helper's log goes.
 */
static int confine(struct recorder *rec)
{
	int tee = fcntl(rec->tee, F_DUPFD, 3), file = fcntl(rec->file, F_DUPFD, 3);
	const struct passwd *pw = geteuid() == 0 ? getpwnam(RECORD_USER) : NULL;
	const uid_t uid = pw != NULL ? pw->pw_uid : NOBODY;
	const gid_t gid = pw != NULL ? pw->pw_gid : NOBODY;

	/* To where nothing else of ours lies. */
	if (tee < 0 || file < 0 || dup2(tee, 64) < 0 || dup2(file, 65) < 0)
		return -errno;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close_range(3, 63, 0);
	close_range(66, ~0U, 0);
	rec->tee = 64;
	rec->file = 65;
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
			       setresuid(uid, uid, uid) < 0))
		return -errno;
	if (confine_dumps() < 0)
		return -EPERM;
	return confine_calls(NULL, 0);
}

static void record(struct recorder *rec, const char *path) __attribute__((noreturn));
static void record(struct recorder *rec, const char *path)
{
	struct log_out *out;
	sigset_t none;
	int e;

	(void)setpgid(0, 0);
	for (int n = 1; n < NSIG; n++)
		(void)signal(n, SIG_DFL);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	e = confine(rec);
	log_where_forked(log_out_new(STDERR_FILENO, &out) == 0 ? out : NULL);
	if (e == 0)
		e = recorder_run(rec);
	if (e < 0)
		log_line(LOG_L_ERROR, "recording %s ended after %llu bytes: %s", path,
			 (unsigned long long)rec->bytes, strerror(-e));
	else if (rec->lost > 0 || !rec->whole)
		log_line(LOG_L_ERROR, "recording %s: %llu bytes of the session are missing%s", path,
			 (unsigned long long)rec->lost, rec->whole ? "" : "; it was cut off");
	_exit(e < 0);
}

static int recorder_start(struct run *r, int file, time_t now)
{
	char title[sizeof(r->allow.user) + sizeof(" from ") + sizeof(r->peer)];
	struct recorder rec = {
		.file = file,
		.strict = r->allow.conf.record_failure == CONF_RECORD_REFUSE,
		.max_bytes = r->allow.conf.record_max_size,
		.reserve = r->allow.conf.record_reserve,
		.about = {.columns = PLAIN_COLUMNS,
			  .rows = PLAIN_ROWS,
			  .timestamp = now,
			  .command = r->may.command,
			  .term = "",
			  .title = title},
	};
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	snprintf(title, sizeof(title), "%s from %s", r->allow.user, r->peer);
	pid = fork();
	if (pid < 0) {
		int e = -errno;

		close(pair[0]);
		close(pair[1]);
		return e;
	}
	if (pid == 0) {
		if (r->m->tty) {
			rec.about.term = job_text(r->job, r->m->pty.term);
			if (r->m->pty.size.columns > 0 && r->m->pty.size.rows > 0) {
				rec.about.columns = r->m->pty.size.columns;
				rec.about.rows = r->m->pty.size.rows;
			}
		}
		rec.tee = pair[0];
		record(&rec, r->recording);
	}
	/* Of a group of its own, by whoever comes first: the job's is killed with the job. */
	(void)setpgid(pid, pid);
	close(pair[0]);
	r->tee = pair[1];
	return 0;
}

/* --- what is asked for -------------------------------------------------------------------------
 */

/* What a subsystem says is for a program to read: a shell and a command are for people. */
static bool wanted(const struct run *r)
{
	return r->allow.conf.record_session != CONF_RECORD_NO &&
	       (r->m->kind != HELPER_RUN_SUBSYSTEM || r->may.forced);
}

const char *session_record_notice(const struct run *r)
{
	const char *text = r->allow.conf.record_notice;

	return r->tee >= 0 && strcasecmp(text, "none") != 0 ? text : "";
}

uint8_t session_record_how(const struct run *r)
{
	const struct conf_session *c = &r->allow.conf;

	return (uint8_t)((c->record_session == CONF_RECORD_INPUT ? LINK_TEE_IN : 0) |
			 (c->record_failure == CONF_RECORD_REFUSE ? LINK_TEE_STRICT : 0));
}

bool session_record_open(struct run *r)
{
	const bool strict = r->allow.conf.record_failure == CONF_RECORD_REFUSE;
	time_t now = time(NULL);
	int file, e;

	if (!wanted(r))
		return true;
	file = file_open(r, now);
	e = file;
	if (file >= 0) {
		e = recorder_start(r, file, now);
		close(file);
	}
	if (e >= 0)
		return true;
	log_line(LOG_L_ERROR, "a session of %.100s from %s %s: no recording in %s: %s",
		 r->allow.user, r->peer, strict ? "is refused" : "is not recorded",
		 r->allow.conf.record_directory, strerror(-e));
	if (file >= 0)
		(void)unlink(r->recording); /* nobody writes it */
	r->recording[0] = '\0';
	return !strict;
}

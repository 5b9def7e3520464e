#include "control/service/record.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <lastlog.h>
#include <paths.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

/* Fields of fixed size, which need no NUL. */
static void field(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	memcpy(to, from, n < size ? n : size);
}

static struct utmpx entry(short type, pid_t pid, const char *tty)
{
	struct utmpx u = {.ut_type = type, .ut_pid = pid};
	size_t n = strlen(tty);
	struct timeval now;

	if (strncmp(tty, "/dev/", 5) == 0) {
		tty += 5;
		n -= 5;
	}
	field(u.ut_line, sizeof(u.ut_line), tty);
	/* As all programs have it: the end of the name says which terminal. */
	field(u.ut_id, sizeof(u.ut_id), n > sizeof(u.ut_id) ? tty + n - sizeof(u.ut_id) : tty);
	gettimeofday(&now, NULL);
	u.ut_tv.tv_sec = (int32_t)now.tv_sec;
	u.ut_tv.tv_usec = (int32_t)now.tv_usec;
	return u;
}

static void put(const struct utmpx *u)
{
	setutxent();
	(void)pututxline(u);
	endutxent();
	updwtmpx(_PATH_WTMP, u);
}

static void address(const char *host, int32_t ret[4])
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_pton(AF_INET, host, &a4) == 1)
		memcpy(ret, &a4, sizeof(a4));
	else if (inet_pton(AF_INET6, host, &a6) == 1)
		memcpy(ret, &a6, sizeof(a6));
}

void record_last(uid_t uid, char *buf, size_t size)
{
	struct lastlog l = {.ll_time = 0};
	int fd = open(_PATH_LASTLOG, O_RDONLY | O_CLOEXEC);
	char when[32];
	time_t t;

	*buf = '\0';
	if (fd < 0)
		return;
	if (pread(fd, &l, sizeof(l), (off_t)uid * (off_t)sizeof(l)) != sizeof(l))
		l.ll_time = 0;
	close(fd);
	t = l.ll_time;
	if (t == 0 || ctime_r(&t, when) == NULL)
		return;
	when[strcspn(when, "\n")] = '\0';
	snprintf(buf, size, "Last login: %s%s%.*s", when, l.ll_host[0] != '\0' ? " from " : "",
		 (int)sizeof(l.ll_host), l.ll_host);
}

static void lastlog_write(uid_t uid, const char *tty, const char *host)
{
	struct lastlog l = {.ll_time = 0};
	struct timeval now;
	int fd = open(_PATH_LASTLOG, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	gettimeofday(&now, NULL);
	l.ll_time = (int32_t)now.tv_sec;
	field(l.ll_line, sizeof(l.ll_line), strncmp(tty, "/dev/", 5) == 0 ? tty + 5 : tty);
	field(l.ll_host, sizeof(l.ll_host), host);
	(void)!pwrite(fd, &l, sizeof(l), (off_t)uid * (off_t)sizeof(l));
	close(fd);
}

void record_login(const struct passwd *pw, pid_t pid, const char *tty, const char *host)
{
	struct utmpx u;

	if (geteuid() != 0)
		return;
	u = entry(USER_PROCESS, pid, tty);
	field(u.ut_user, sizeof(u.ut_user), pw->pw_name);
	field(u.ut_host, sizeof(u.ut_host), host);
	address(host, u.ut_addr_v6);
	put(&u);
	lastlog_write(pw->pw_uid, tty, host);
}

void record_logout(pid_t pid, const char *tty)
{
	struct utmpx u;

	if (geteuid() != 0)
		return;
	u = entry(DEAD_PROCESS, pid, tty);
	put(&u);
}

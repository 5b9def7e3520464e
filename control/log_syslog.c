#include "control/log_syslog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_ESCAPED (LOG_LINE_MAX * 4 + 32)

static struct {
	int fd; /* -1: nobody listens, or it was not tried */
	time_t tried;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int facility;
	struct log_out *o; /* NULL: this is not where lines go */
	const char *name;
} to = {.fd = -1};

static void let_go(void)
{
	if (to.fd >= 0)
		close(to.fd);
	to.fd = -1;
}

static bool reached(time_t now)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (to.fd >= 0)
		return true;
	if (now == to.tried)
		return false;
	to.tried = now;
	strcpy(sun.sun_path, to.path);
	to.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (to.fd >= 0 && connect(to.fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return true;
	let_go();
	return false;
}

/* As sshd's do_log(): which level is what to syslog, and the word before the line. */
static int priority_of(enum log_level level, const char **ret_word)
{
	*ret_word = "";
	switch (level) {
	case LOG_L_FATAL:
		*ret_word = "fatal: ";
		return LOG_CRIT;
	case LOG_L_ERROR:
		*ret_word = "error: ";
		return LOG_ERR;
	case LOG_L_INFO:
	case LOG_L_VERBOSE:
		return LOG_INFO;
	default:
		return LOG_DEBUG;
	}
}

static bool give(enum log_level level, const char *line)
{
	char text[LINE_MAX_ESCAPED + 128], date[32];
	time_t now = time(NULL);
	const char *word;
	struct tm tm;
	int pri = priority_of(level, &word) | to.facility, n;

	if (!reached(now) || localtime_r(&now, &tm) == NULL)
		return false;
	strftime(date, sizeof(date), "%h %e %T", &tm);
	if (strncmp(line, word, strlen(word)) == 0)
		word = ""; /* some of sshd's sentences begin with it anyhow */
	n = snprintf(text, sizeof(text), "<%d>%s %s[%d]: %s%s", pri, date, to.name, (int)getpid(),
		     word, line);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	if (send(to.fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno != EAGAIN) /* it went, and another one may have come */
		let_go();
	return false;
}

static void sink(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	if (!give(level, line))
		log_out_line(to.o, line);
}

void log_syslog_use(const char *path, int facility, struct log_out *o, const char *name)
{
	let_go();
	to.tried = 0;
	snprintf(to.path, sizeof(to.path), "%s", path);
	to.facility = facility;
	to.o = o;
	to.name = name;
	log_sink_set(sink, NULL);
}

void log_where(const struct conf *conf, struct log_out *o, const char *name, bool to_stderr)
{
	int facility = conf_global(conf)->syslog_facility;

	if (facility >= 0 && !to_stderr) {
		log_syslog_use(LOG_SYSLOG_PATH, facility, o, name);
		return;
	}
	let_go();
	to.o = NULL;
	log_out_use(o);
}

void log_where_forked(struct log_out *o)
{
	to.fd = -1; /* another's by now, or nobody's */
	to.tried = 0;
	if (to.o == NULL || o == NULL)
		log_out_use(o);
	else
		to.o = o;
}

#include "control/log_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/log.h"

#define LINE_MAX_ESCAPED (LOG_LINE_MAX * 4 + 32)

struct log_out {
	int fd;
	bool own; /* opened here */
	bool socket;
	struct timers *timers; /* NULL: tried again with the next line */
	uint64_t (*now_ms)(void);
	struct timer again;
	char *kept; /* LOG_OUT_KEEP bytes, of which [off, off + len) wait; NULL: none ever did */
	size_t off, len;
	uint64_t losing, lost; /* since something got through; in all */
};

/* 0 when all of it is gone; else the first byte that is not, or -EAGAIN for none. */
static ssize_t put(const struct log_out *o, const char *p, size_t len)
{
	ssize_t n;

	do
		n = o->socket ? send(o->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			      : write(o->fd, p, len);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n == (ssize_t)len ? 0 : n;
	/* A log that cannot be written at all must not stop the gateway: the line is gone. */
	return errno == EAGAIN ? -EAGAIN : 0;
}

static bool keep(struct log_out *o, const char *p, size_t len)
{
	if (o->kept == NULL)
		o->kept = malloc(LOG_OUT_KEEP);
	if (o->kept == NULL || len > LOG_OUT_KEEP - o->len)
		return false;
	if (len > LOG_OUT_KEEP - o->off - o->len) {
		memmove(o->kept, o->kept + o->off, o->len);
		o->off = 0;
	}
	memcpy(o->kept + o->off + o->len, p, len);
	o->len += len;
	return true;
}

static void flush(struct log_out *o)
{
	ssize_t n = 0;

	while (o->len > 0 && n >= 0) {
		/* In pieces: a reader of a pipe makes room by pages. */
		size_t len = o->len < 4096 ? o->len : 4096;

		n = put(o, o->kept + o->off, len);
		if (n < 0)
			return;
		len = n > 0 ? (size_t)n : len;
		o->off += len;
		o->len -= len;
	}
	o->off = 0;
}

static void write_or_keep(struct log_out *o, const char *p, size_t len)
{
	ssize_t n = o->len > 0 ? -EAGAIN : put(o, p, len);

	if (n == 0)
		return;
	/* What a line began with is out, and there is room for its rest: nothing waits but it. */
	if (!keep(o, p + (n > 0 ? n : 0), len - (n > 0 ? (size_t)n : 0))) {
		o->losing++;
		o->lost++;
		return;
	}
	if (o->timers != NULL && !timer_armed(&o->again))
		(void)!timer_set(o->timers, &o->again, o->now_ms() + LOG_OUT_RETRY_MS);
}

static void say_lost(struct log_out *o)
{
	char text[96];
	int n = snprintf(text, sizeof(text),
			 "%llu lines of this log were lost: its reader is slow\n",
			 (unsigned long long)o->losing);

	o->losing = 0;
	write_or_keep(o, text, (size_t)n);
}

/* Once lines are lost the next ones are, too, until all that waited is out: one gap, not many. */
static void go_on(struct log_out *o)
{
	flush(o);
	if (o->len == 0 && o->losing > 0)
		say_lost(o);
}

static void on_again(struct timer *t)
{
	struct log_out *o = (struct log_out *)(void *)((char *)t - offsetof(struct log_out, again));

	go_on(o);
	if (o->len > 0)
		(void)!timer_set(o->timers, &o->again, o->now_ms() + LOG_OUT_RETRY_MS);
}

void log_out_line(struct log_out *o, const char *line)
{
	char text[LINE_MAX_ESCAPED];
	size_t len = strnlen(line, sizeof(text) - 1);

	if (o->timers == NULL || !timer_armed(&o->again))
		go_on(o);
	if (o->losing > 0) {
		o->losing++;
		o->lost++;
		return;
	}
	memcpy(text, line, len);
	/* One write for one line: lines of several processes do not mix. */
	text[len++] = '\n';
	write_or_keep(o, text, len);
}

static void use(void *arg, enum log_level level, const char *line)
{
	(void)level;
	log_out_line(arg, line);
}

void log_out_use(struct log_out *o)
{
	log_sink_set(o != NULL ? use : NULL, o);
}

void log_out_forked(struct log_out *o)
{
	log_out_timers(o, NULL, NULL);
	o->off = o->len = 0;
	o->losing = 0;
}

uint64_t log_out_lost(const struct log_out *o)
{
	return o->lost;
}

/* -1: as it is. */
static int open_again(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int log_out_new(int fd, struct log_out **ret)
{
	struct log_out *o = calloc(1, sizeof(*o));
	struct stat st = {0};
	int other;

	if (o == NULL)
		return -ENOMEM;
	o->fd = fd;
	o->again.fire = on_again;
	(void)!fstat(fd, &st);
	o->socket = S_ISSOCK(st.st_mode);
	other = S_ISFIFO(st.st_mode) || isatty(fd) ? open_again(fd) : -1;
	if (other >= 0) {
		o->fd = other;
		o->own = true;
	}
	*ret = o;
	return 0;
}

void log_out_timers(struct log_out *o, struct timers *timers, uint64_t (*now_ms)(void))
{
	if (o->timers != NULL)
		timer_cancel(o->timers, &o->again);
	o->timers = timers;
	o->now_ms = now_ms;
}

void log_out_free(struct log_out *o)
{
	if (o == NULL)
		return;
	log_out_timers(o, NULL, NULL);
	go_on(o);
	if (o->own)
		close(o->fd);
	free(o->kept);
	free(o);
}

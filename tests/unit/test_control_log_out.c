/* control/log_out.c: who does not read the log stops nobody, and learns what was lost. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/log.h"
#include "control/log_out.h"

static struct log_out *out;
static struct timers *timers;
static uint64_t now;
static char got[4 * LOG_OUT_KEEP];
static size_t got_len;

static uint64_t now_ms(void)
{
	return now;
}

static void begin(int fd)
{
	cr_assert_eq(log_out_new(fd, &out), 0);
	cr_assert_eq(timers_new(&timers), 0);
	log_out_timers(out, timers, now_ms);
}

static void end(void)
{
	log_out_free(out);
	timers_free(timers);
}

static void say(unsigned int from, unsigned int n)
{
	char text[128];

	for (unsigned int i = from; i < from + n; i++) {
		snprintf(text, sizeof(text), "line %u of a log that nobody reads for a while", i);
		log_out_line(out, text);
	}
}

/* What is there, without waiting. */
static void drain(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, 0) == 1 && (p.revents & POLLIN)) {
		ssize_t n = read(fd, got + got_len, sizeof(got) - got_len - 1);

		if (n <= 0)
			break;
		got_len += (size_t)n;
	}
	got[got_len] = '\0';
}

static void drain_by_time(int fd)
{
	for (unsigned int i = 0; i < 1000; i++) {
		drain(fd);
		now += LOG_OUT_RETRY_MS;
		timers_poll(timers, now);
	}
	drain(fd);
}

/* Lines from 0 that follow each other; how many. What comes behind them in *ret. */
static unsigned int in_order(const char **ret)
{
	const char *p = got;
	unsigned int n = 0, i;
	int len;

	while (sscanf(p, "line %u of a log that nobody reads for a while%n", &i, &len) == 1 &&
	       i == n && p[len] == '\n') {
		p += len + 1;
		n++;
	}
	*ret = p;
	return n;
}

static void pair(bool sock, int fd[2])
{
	cr_assert_eq(sock ? socketpair(AF_UNIX, SOCK_STREAM, 0, fd) : pipe(fd), 0);
	if (!sock) { /* as socketpair has it: the first reads */
		cr_assert_eq(fcntl(fd[1], F_GETFL) & O_NONBLOCK, 0);
	}
}

static void nobody_reads(bool sock)
{
	unsigned int n = 4 * LOG_OUT_KEEP / 64, kept, lost;
	const char *rest;
	int fd[2];

	pair(sock, fd);
	begin(fd[1]);
	say(0, n); /* would never return */
	cr_assert_gt(log_out_lost(out), 0);
	drain_by_time(fd[0]);
	kept = in_order(&rest);
	cr_assert_gt(kept, LOG_OUT_KEEP / 64);
	cr_assert_eq(sscanf(rest, "%u lines of this log were lost", &lost), 1, "%.80s", rest);
	cr_expect_eq(kept + lost, n);
	cr_expect_eq(log_out_lost(out), lost);
	/* And then all is as before. */
	got_len = 0;
	say(0, 10);
	drain(fd[0]);
	cr_expect_eq(in_order(&rest), 10);
	end();
	close(fd[0]);
	close(fd[1]);
}

Test(control_log_out, a_pipe_nobody_reads)
{
	nobody_reads(false);
}

Test(control_log_out, a_socket_nobody_reads)
{
	nobody_reads(true);
}

Test(control_log_out, a_slow_reader_loses_nothing)
{
	const unsigned int n = LOG_OUT_KEEP / 128;
	const char *rest;
	int fd[2];

	pair(false, fd);
	begin(fd[1]);
	for (unsigned int i = 0; i < 4; i++) {
		say(i * n, n);
		drain_by_time(fd[0]);
	}
	cr_expect_eq(in_order(&rest), 4 * n);
	cr_expect_eq(*rest, '\0');
	cr_expect_eq(log_out_lost(out), 0);
	end();
	close(fd[0]);
	close(fd[1]);
}

Test(control_log_out, the_pipe_stays_as_it_was_for_others)
{
	int fd[2];

	pair(false, fd);
	begin(fd[1]);
	say(0, 1);
	cr_expect_eq(fcntl(fd[1], F_GETFL) & O_NONBLOCK, 0);
	end();
	cr_expect_eq(fcntl(fd[1], F_GETFD), 0, "and open");
	close(fd[0]);
	close(fd[1]);
}

Test(control_log_out, a_reader_that_is_gone_stops_nobody)
{
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	for (int sock = 0; sock < 2; sock++) {
		pair(sock, fd);
		begin(fd[1]);
		close(fd[0]);
		say(0, 100);
		end();
		close(fd[1]);
	}
}

Test(control_log_out, what_waits_at_the_end_is_tried_once_more)
{
	const char *rest;
	int fd[2];

	pair(false, fd);
	begin(fd[1]);
	say(0, 2000); /* more than a pipe holds */
	drain(fd[0]);
	end();
	drain(fd[0]);
	cr_expect_eq(in_order(&rest), 2000);
	close(fd[0]);
	close(fd[1]);
}

Test(control_log_out, a_file_takes_all)
{
	const unsigned int n = 20000;
	FILE *f = tmpfile();
	const char *rest;

	begin(fileno(f));
	say(0, n);
	cr_expect_eq(log_out_lost(out), 0);
	end();
	rewind(f);
	got_len = fread(got, 1, sizeof(got) - 1, f);
	got[got_len] = '\0';
	cr_expect_eq(in_order(&rest), n);
	fclose(f);
}

/* What its parent's lines wait for is none of a child's: each is there once, and the child's too.
 */
Test(control_log_out, a_child_writes_its_own_lines_alone)
{
	const char *rest;
	int fd[2];
	pid_t pid;

	pair(false, fd);
	begin(fd[1]);
	say(0, 2000);
	drain(fd[0]); /* room again, but nothing was tried yet */
	pid = fork();
	if (pid == 0) {
		log_out_forked(out);
		log_out_line(out, "a child's");
		log_out_free(out);
		timers_free(timers);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	drain_by_time(fd[0]);
	rest = strstr(got, "a child's\n");
	cr_assert_not_null(rest);
	memmove((char *)rest, rest + 10, strlen(rest + 10) + 1);
	cr_expect_eq(in_order(&rest), 2000);
	cr_expect_str_eq(rest, "");
	end();
	close(fd[0]);
	close(fd[1]);
}

/* A child that finds the pipe full ends all the same. */
Test(control_log_out, a_child_does_not_wait)
{
	int fd[2], status;
	pid_t pid;

	pair(false, fd);
	begin(fd[1]);
	say(0, 2000);
	pid = fork();
	if (pid == 0) {
		log_out_forked(out);
		log_out_line(out, "a child's");
		log_out_free(out);
		timers_free(timers);
		_exit(7);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(WEXITSTATUS(status), 7);
	end();
	close(fd[0]);
	close(fd[1]);
}

Test(control_log_out, lines_of_the_log_go_there)
{
	const char *rest;
	int fd[2];

	pair(false, fd);
	begin(fd[1]);
	log_out_use(out);
	log_lines(LOG_L_INFO, "line 0 of a log that nobody reads for a while\n"
			      "line 1 of a log that nobody reads for a while\n");
	log_out_use(NULL);
	drain(fd[0]);
	cr_expect_eq(in_order(&rest), 2);
	cr_expect_str_eq(rest, "");
	end();
	close(fd[0]);
	close(fd[1]);
}

/* control/log.c: strings of strangers in lines for operators (S-82). */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "control/log.h"
#include "control/log_syslog.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char line[8192];
static unsigned int lines;

static void sink(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	(void)level;
	lines++;
	snprintf(line, sizeof(line), "%s", text);
}

static void setup(void)
{
	log_sink_set(sink, NULL);
}

TestSuite(control_log, .init = setup);

Test(control_log, strangers_bytes_are_escaped)
{
	static const struct {
		const char *in, *out;
	} c[] = {
		{"root", "root"},
		{"a\nb", "a\\012b"},
		{"a\r\nSep 1 sshd: Accepted", "a\\015\\012Sep 1 sshd: Accepted"},
		{"\x1b[2J", "\\033[2J"},
		{"\xe2\x80\xae", "\\342\\200\\256"}, /* U+202E, right-to-left override */
		{"\xff\xfe", "\\377\\376"},          /* not UTF-8 */
		{"back\\slash", "back\\\\slash"},
		{"\x7f", "\\177"},
		{"\t", "\\011"},
	};

	for (size_t i = 0; i < N(c); i++) {
		log_line(LOG_L_INFO, "%s", c[i].in);
		cr_expect_str_eq(line, c[i].out);
	}
	cr_expect_eq(lines, N(c), "one event is one line");
}

/* Undoes the escaping. */
static size_t unescape(const char *in, uint8_t *out)
{
	size_t n = 0;

	for (; *in != '\0'; in++) {
		if (*in != '\\') {
			out[n++] = (uint8_t)*in;
		} else if (in[1] == '\\') {
			out[n++] = '\\';
			in++;
		} else {
			out[n++] =
				(uint8_t)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 3;
		}
	}
	return n;
}

Test(control_log, every_byte_round_trips)
{
	uint8_t all[256], back[256 * 4];
	char text[256 * 4 + 1];

	for (unsigned int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	log_escape(all, sizeof(all), text, sizeof(text));
	cr_assert_eq(unescape(text, back), 256);
	cr_expect_arr_eq(back, all, 256);
}

Test(control_log, never_half_an_escape)
{
	char buf[8];

	for (size_t size = 1; size <= sizeof(buf); size++) {
		size_t n = log_escape("\n\n", 2, buf, size);

		cr_expect_lt(n, size);
		cr_expect_eq(n % 4, 0, "size %zu gave %zu", size, n);
		cr_expect_eq(buf[n], '\0');
	}
}

Test(control_log, a_line_is_bounded)
{
	char big[LOG_LINE_MAX * 4];

	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_line(LOG_L_INFO, "%s", big);
	cr_expect_eq(strlen(line), (LOG_LINE_MAX - 1) * 4);
}

Test(control_log, thresholds)
{
	log_line(LOG_L_VERBOSE, "not at INFO");
	cr_expect_eq(lines, 0);
	log_line_at(LOG_L_VERBOSE, LOG_L_VERBOSE, "yes");
	cr_expect_eq(lines, 1);
	log_line_at(LOG_L_QUIET, LOG_L_FATAL, "no");
	cr_expect_eq(lines, 1);
	log_line_at(LOG_L_DEBUG3, LOG_L_DEBUG2, "deep");
	cr_expect_str_eq(line, "debug2: deep");
}

/* --- LogVerbose ---------------------------------------------------------------------------------
 */

static void verbose(const char *pattern)
{
	const struct conf_strs s = {&pattern, 1};

	log_verbose_set(&s);
}

/* sshd_config(5): patterns of FILE:FUNCTION():LINE; what is forced says its place. */
Test(control_log, lines_are_wanted_by_their_place)
{
	static const struct {
		const char *pattern;
		bool wanted;
	} c[] = {
		{"test_control_log.c:*", true},
		{"*", true},
		{"other.c:*,test_control_log.c:*():*", true},
		{"*:control_log_lines_are_wanted_by_their_place_impl():*", true},
		{"!test_control_log.c:*,*", false},
		{"control_log.c:*", false},
		{"*:another():*", false},
		{"*:1", false},
		{"none", false},
	};
	char pid[32];

	snprintf(pid, sizeof(pid), " (pid=%ld): ", (long)getpid());
	log_threshold_set(LOG_L_QUIET);
	for (size_t i = 0; i < N(c); i++) {
		verbose(c[i].pattern);
		lines = 0;
		log_line(LOG_L_DEBUG3, "deep \n");
		cr_expect_eq(lines, c[i].wanted, "%s", c[i].pattern);
		if (c[i].wanted) {
			cr_expect(strncmp(line, "debug3: test_control_log.c:", 27) == 0, "%s",
				  line);
			cr_expect_not_null(strstr(line, pid), "%s", line);
			cr_expect_str_eq(strrchr(line, 'd'), "deep \\012");
		}
	}
	log_verbose_set(&(struct conf_strs){0});
	lines = 0;
	log_line(LOG_L_DEBUG3, "deep");
	cr_expect_eq(lines, 0);
}

/* --- SyslogFacility -----------------------------------------------------------------------------
 */

/* time(2) of this program. */
static time_t now = 1000000;

time_t time(time_t *t)
{
	if (t != NULL)
		*t = now;
	return now;
}

static int syslogd(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(sun.sun_path, path);
	(void)unlink(path);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static const char *heard(int fd)
{
	static char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static char folder[] = "/tmp/sluice-log-XXXXXX", path[64];
static int err[2];
static struct log_out *out;

static void setup_syslog(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	cr_assert_eq(pipe(err), 0);
	cr_assert_eq(log_out_new(err[1], &out), 0);
	log_threshold_set(LOG_L_DEBUG3);
}

static void teardown_syslog(void)
{
	log_out_use(NULL);
	log_out_free(out);
	(void)unlink(path);
	(void)rmdir(folder);
}

TestSuite(log_syslog, .init = setup_syslog, .fini = teardown_syslog, .timeout = 60);

/* sshd's do_log(): which level is which priority, and the word before it. */
Test(log_syslog, a_line_is_a_datagram_as_sshd_has_it)
{
	static const struct {
		enum log_level level;
		int pri;
		const char *in, *out;
	} c[] = {
		{LOG_L_FATAL, LOG_CRIT, "it ends", "fatal: it ends"},
		{LOG_L_ERROR, LOG_ERR, "it fails", "error: it fails"},
		{LOG_L_ERROR, LOG_ERR, "error: it fails", "error: it fails"},
		{LOG_L_INFO, LOG_INFO, "Accepted\nroot", "Accepted\\012root"},
		{LOG_L_VERBOSE, LOG_INFO, "more", "more"},
		{LOG_L_DEBUG2, LOG_DEBUG, "deep", "debug2: deep"},
	};
	int fd = syslogd(path);
	char begin[32], tail[128];

	log_syslog_use(path, LOG_LOCAL3, out, "sluice-test");
	for (size_t i = 0; i < N(c); i++) {
		const char *got;

		log_line(c[i].level, "%s", c[i].in);
		got = heard(fd);
		snprintf(begin, sizeof(begin), "<%d>", LOG_LOCAL3 | c[i].pri);
		snprintf(tail, sizeof(tail), " sluice-test[%d]: %s", (int)getpid(), c[i].out);
		cr_expect(strncmp(got, begin, strlen(begin)) == 0, "%s", got);
		cr_expect_geq(strlen(got), strlen(tail));
		cr_expect_str_eq(got + strlen(got) - strlen(tail), tail, "%s", got);
	}
	close(fd);
}

/* What it does not take, and what is said while it is not there, is on standard error. */
Test(log_syslog, a_daemon_that_takes_nothing_holds_up_nobody)
{
	int fd = syslogd(path), n = 0;
	char text[65536];
	ssize_t got;

	log_syslog_use(path, LOG_AUTH, out, "sluice-test");
	for (int i = 0; i < 2000; i++)
		log_line(LOG_L_INFO, "line %d", i);
	while (*heard(fd) != '\0')
		n++;
	cr_expect_gt(n, 0);
	cr_expect_lt(n, 2000, "its queue has an end");
	got = read(err[0], text, sizeof(text) - 1);
	cr_assert_gt(got, 0);
	text[got] = '\0';
	cr_expect_not_null(strstr(text, "line 1999"), "what it did not take is here");
	close(fd);
	log_line(LOG_L_INFO, "nobody is there");
	got = read(err[0], text, sizeof(text) - 1);
	cr_assert_gt(got, 0);
	text[got] = '\0';
	cr_expect_str_eq(text, "nobody is there\n");
}

/* A daemon that is started again is found again, a second later at the latest. */
Test(log_syslog, a_daemon_that_comes_back_is_found)
{
	int fd = syslogd(path), again;

	log_syslog_use(path, LOG_AUTH, out, "sluice-test");
	log_line(LOG_L_INFO, "first");
	cr_expect_not_null(strstr(heard(fd), "first"));
	close(fd);
	log_line(LOG_L_INFO, "lost to it");
	again = syslogd(path);
	log_line(LOG_L_INFO, "too soon");
	cr_expect_str_eq(heard(again), "", "it is sought once a second");
	now++;
	log_line(LOG_L_INFO, "second");
	cr_expect_not_null(strstr(heard(again), "second"));
	close(again);
}

/* A child that has nothing of its parent's but that, as standard error, says a line. */
static void child_says(int standard_error)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct log_out *own;

		if (dup2(standard_error, STDERR_FILENO) < 0)
			_exit(1);
		close_range(3, ~0U, 0);
		if (log_out_new(STDERR_FILENO, &own) < 0)
			_exit(1);
		log_where_forked(own);
		log_line(LOG_L_ERROR, "of the child");
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

/* Who has closed all but standard error, as a recorder has, says it where its parent does. */
Test(log_syslog, a_child_without_descriptors_goes_by_its_own)
{
	int fd = syslogd(path);

	log_syslog_use(path, LOG_AUTH, out, "sluice-test");
	log_line(LOG_L_INFO, "of the parent");
	cr_expect_not_null(strstr(heard(fd), "of the parent"));
	child_says(STDERR_FILENO);
	cr_expect_not_null(strstr(heard(fd), "error: of the child"));
	log_line(LOG_L_INFO, "of the parent again");
	cr_expect_not_null(strstr(heard(fd), "of the parent again"));
	close(fd);
}

/* Where it was standard error it is. */
Test(log_syslog, a_child_of_one_that_writes_to_standard_error_does_so)
{
	char text[64] = "";

	log_out_use(out);
	child_says(err[1]);
	cr_expect_gt(read(err[0], text, sizeof(text) - 1), 0);
	cr_expect_not_null(strstr(text, "of the child"));
}

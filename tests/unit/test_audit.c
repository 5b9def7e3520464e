/* control/audit/: records are one line whatever is in them, and each gets to where it is kept. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/audit/audit.h"
#include "control/audit/sink.h"
#include "control/audit/strangers.h"
#include "control/log.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/sluice-audit-XXXXXX";
static char path[64], said[8][LOG_LINE_MAX];
static unsigned int n_said;
static uv_loop_t loop;
static struct audit *log_of;

static void keep(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(said[n_said++ % N(said)], LOG_LINE_MAX, "%s", line);
}

static void setup(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/audit.log", dir);
	uv_loop_init(&loop);
	log_sink_set(keep, NULL);
}

static void teardown(void)
{
	char cmd[128];

	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(audit, .init = setup, .fini = teardown, .timeout = 60);

static void begin_with(const char *where, size_t spool, bool refuse, uint32_t rate)
{
	const struct audit_conf c = {where, spool, refuse, rate, "test"};

	cr_assert_eq(audit_new(&loop, &c, &log_of), 0);
}

static void begin(void)
{
	begin_with(path, 4 << 20, false, 0);
}

static void put(const char *user)
{
	struct audit_record *r = audit_record(log_of, AUDIT_AUTH_FAIL, NULL);

	audit_text(r, AUDIT_F_USER, user);
	audit_put(log_of, r);
}

static void put_n(unsigned int from, unsigned int n)
{
	char text[32];

	for (unsigned int i = from; i < from + n; i++) {
		snprintf(text, sizeof(text), "%u", i);
		put(text);
	}
}

/* All that was put is safe, or it is not within a second. */
static bool all_safe(void)
{
	for (int i = 0; i < 1000; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		if (audit_safe(log_of) == audit_at(log_of))
			return true;
		usleep(1000);
	}
	return false;
}

static bool failing(int err)
{
	for (int i = 0; i < 1000; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		if (audit_status(log_of).err == err)
			return true;
		usleep(1000);
	}
	return false;
}

/* What is in a file, each line one object; lines that are none are counted apart. */
static json_t *lines_of(const char *of, unsigned int *ret_torn)
{
	json_t *all = json_array();
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen(of, "r");
	unsigned int torn = 0;
	ssize_t n;

	cr_assert_not_null(f);
	while ((n = getline(&line, &size, f)) > 0) {
		json_t *o = json_loads(line, 0, NULL);

		if (o == NULL || line[n - 1] != '\n')
			torn++;
		else
			json_array_append(all, o);
		json_decref(o);
	}
	free(line);
	fclose(f);
	if (ret_torn != NULL)
		*ret_torn = torn;
	else
		cr_expect_eq(torn, 0);
	return all;
}

static const char *at(const json_t *all, size_t i, const char *field)
{
	const char *text = json_string_value(json_object_get(json_array_get(all, i), field));

	return text != NULL ? text : "";
}

/* Users "0".."n-1", in their order; each at least once, what comes twice with the same id. */
static void expect_users(const json_t *all, unsigned int n)
{
	char last_id[AUDIT_ID_MAX] = "";
	unsigned int next = 0;

	for (size_t i = 0; i < json_array_size(all); i++) {
		const char *user = at(all, i, "user");

		if (strcmp(at(all, i, "event"), "auth.fail") != 0)
			continue;
		if (strtoul(user, NULL, 10) == next) {
			next++;
			snprintf(last_id, sizeof(last_id), "%s", at(all, i, "id"));
		} else {
			cr_expect_lt(strtoul(user, NULL, 10), next, "%s before %u", user, next);
		}
	}
	cr_expect_eq(next, n, "%u of %u", next, n);
}

/* How many there are or a gap stands for, each in its place. */
static unsigned int users_and_gaps(const json_t *all, unsigned int *ret_gaps)
{
	unsigned int next = 0;

	*ret_gaps = 0;
	for (size_t i = 0; i < json_array_size(all); i++) {
		if (strcmp(at(all, i, "event"), "auth.fail") == 0) {
			cr_assert_eq(strtoul(at(all, i, "user"), NULL, 10), next++);
		} else if (strcmp(at(all, i, "event"), "log.gap") == 0) {
			next += (unsigned int)json_integer_value(
				json_object_get(json_array_get(all, i), "n"));
			++*ret_gaps;
		}
	}
	return next;
}

static void end_and_expect(const char *of, unsigned int n)
{
	json_t *all;

	audit_finish(log_of, 1000);
	all = lines_of(of, NULL);
	cr_expect_str_eq(at(all, 0, "event"), "log.start");
	cr_expect_str_eq(at(all, json_array_size(all) - 1, "event"), "log.stop");
	expect_users(all, n);
	json_decref(all);
}

/* --- one record ---------------------------------------------------------------------------------
 */

static json_t *record_of(struct ssh_str user)
{
	static struct audit_record r;
	const struct audit_when when = {1795340509123456, 42};
	json_t *o;

	audit_begin(&r, AUDIT_AUTH_FAIL, "id", &when);
	audit_str(&r, AUDIT_F_USER, user);
	audit_end(&r);
	cr_assert_eq(r.line[r.len - 1], '\n');
	for (size_t i = 0; i + 1 < r.len; i++)
		cr_assert(r.line[i] >= 0x20 && r.line[i] < 0x7f, "byte %zu is %02x", i, r.line[i]);
	o = json_loadb(r.line, r.len, 0, NULL);
	cr_assert_not_null(o);
	return o;
}

/* S-82: from the field, or where that is no text from its bytes, the value can be had back. */
static void expect_value(const json_t *o, struct ssh_str user)
{
	const char *hex = json_string_value(json_object_get(o, "user_hex"));
	const json_t *text = json_object_get(o, "user");

	if (hex == NULL) {
		cr_assert_eq(json_string_length(text), user.len);
		cr_assert_eq(memcmp(json_string_value(text), user.p, user.len), 0);
		return;
	}
	cr_assert_eq(strlen(hex), 2 * user.len);
	for (uint32_t i = 0; i < user.len; i++) {
		unsigned int byte;

		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		cr_assert_eq(byte, user.p[i]);
	}
}

Test(audit, what_begins_a_record)
{
	json_t *o = record_of(ssh_str_c("demo"));

	cr_expect_eq(json_integer_value(json_object_get(o, "v")), AUDIT_SCHEMA_VERSION);
	cr_expect_str_eq(json_string_value(json_object_get(o, "time")),
			 "2026-11-22T09:41:49.123456Z");
	cr_expect_eq(json_integer_value(json_object_get(o, "mono_us")), 42);
	cr_expect_str_eq(json_string_value(json_object_get(o, "event")), "auth.fail");
	cr_expect_null(json_object_get(o, "cut"));
	json_decref(o);
}

Test(audit, hostile_strings_come_back)
{
	static const char *const text[] = {
		"a\r\nb",
		"\x1b[2J",
		"\xe2\x80\xae.txt",
		"\xff\xfe",
		"\"}\n{\"",
		"\\u0041",
		"\xc0\xaf",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf0\x9f\x94\x91",
		"\xc3\xbc",
		"a\xe2\x82",
		"\x7f",
		"\xc2\x85",
		"\xef\xbf\xbd",
	};

	for (size_t i = 0; i < N(text); i++) {
		json_t *o = record_of(ssh_str_c(text[i]));

		expect_value(o, ssh_str_c(text[i]));
		json_decref(o);
	}
}

Test(audit, a_nul_is_a_byte_as_others)
{
	const struct ssh_str user = {(const uint8_t *)"a\0b", 3};
	static struct audit_record r;
	const struct audit_when when = {0, 0};
	json_t *o;

	audit_begin(&r, AUDIT_AUTH_FAIL, "id", &when);
	audit_str(&r, AUDIT_F_USER, user);
	audit_end(&r);
	o = json_loadb(r.line, r.len, JSON_ALLOW_NUL, NULL);
	cr_assert_not_null(o);
	expect_value(o, user);
	json_decref(o);
}

Test(audit, any_bytes_are_one_line)
{
	struct rnd rnd = rnd_new(rnd_seed());
	unsigned int n = test_long() ? 1000000 : 5000;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t bytes[AUDIT_TEXT_MAX];
		struct ssh_str user = {bytes, 1 + rnd_u32(&rnd) % 32};
		json_t *o;

		for (uint32_t k = 0; k < user.len; k++)
			bytes[k] = (uint8_t)(1 + rnd_u32(&rnd) % 255);
		o = record_of(user);
		expect_value(o, user);
		json_decref(o);
	}
}

Test(audit, what_is_too_long_is_cut_and_says_so)
{
	char text[2 * AUDIT_TEXT_MAX + 1];
	json_t *o;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text + AUDIT_TEXT_MAX - 1, "\xc3\xbc", 2); /* not in the middle of it */
	o = record_of(ssh_str_c(text));
	cr_expect_eq(json_string_length(json_object_get(o, "user")), AUDIT_TEXT_MAX - 1);
	cr_expect(json_is_true(json_object_get(o, "cut")));
	json_decref(o);
}

Test(audit, a_record_is_bounded_whatever_is_in_it)
{
	static struct audit_record r;
	const struct audit_when when = {0, 0};
	char text[AUDIT_TEXT_MAX + 1];
	json_t *o;

	memset(text, 0xff, AUDIT_TEXT_MAX);
	text[AUDIT_TEXT_MAX] = '\0';
	audit_begin(&r, AUDIT_AUTH_FAIL, "id", &when);
	for (int i = 0; i < 20; i++)
		audit_text(&r, i % 2 == 0 ? AUDIT_F_USER : AUDIT_F_VERSION, text);
	audit_end(&r);
	cr_expect_leq(r.len, AUDIT_RECORD_MAX);
	cr_expect(r.cut);
	o = json_loadb(r.line, r.len, 0, NULL);
	cr_expect_not_null(o);
	json_decref(o);
}

/* --- to a file ----------------------------------------------------------------------------------
 */

Test(audit, records_come_in_their_order)
{
	begin();
	put_n(0, 1000);
	end_and_expect(path, 1000);
}

Test(audit, it_is_safe_when_it_is_in_the_file)
{
	json_t *all;

	begin();
	put_n(0, 3);
	cr_expect(all_safe());
	all = lines_of(path, NULL);
	expect_users(all, 3);
	json_decref(all);
	audit_finish(log_of, 1000);
}

static unsigned int told;

static void on_safe(void *arg)
{
	(void)arg;
	told++;
}

Test(audit, who_waits_is_told)
{
	begin();
	audit_watch(log_of, on_safe, NULL);
	put("demo");
	for (int i = 0; i < 1000 && told == 0; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	cr_expect_gt(told, 0);
	audit_finish(log_of, 1000);
}

Test(audit, the_file_is_no_strangers)
{
	struct stat st;

	begin();
	cr_expect(all_safe());
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07, 0);
	audit_finish(log_of, 1000);
}

/* F-23: renamed and opened again, a hundred times while records come: all are in one of the files.
 */
Test(audit, a_storm_of_rotations_loses_none)
{
	unsigned int rounds = test_long() ? 1000 : 100, torn = 0, n = 0;
	json_t *all = json_array();
	char old[80];

	begin();
	for (unsigned int i = 0; i < rounds; i++) {
		put_n(n, 10);
		n += 10;
		snprintf(old, sizeof(old), "%s.%04u", path, i);
		(void)!rename(path, old);
		audit_reopen(log_of);
		if (i % 7 == 0)
			usleep(1000);
		put_n(n, 5);
		n += 5;
	}
	audit_finish(log_of, 1000);
	for (unsigned int i = 0; i <= rounds; i++) {
		json_t *some;

		snprintf(old, sizeof(old), i < rounds ? "%s.%04u" : "%s", path, i);
		if (access(old, F_OK) < 0)
			continue;
		some = lines_of(old, &torn);
		cr_expect_eq(torn, 0);
		json_array_extend(all, some);
		json_decref(some);
	}
	expect_users(all, n);
	json_decref(all);
}

Test(audit, a_line_that_was_torn_before_is_a_line_of_its_own)
{
	unsigned int torn;
	json_t *all;
	FILE *f = fopen(path, "w");

	fputs("{\"v\":1,\"id\":\"ha", f);
	fclose(f);
	begin();
	put_n(0, 2);
	audit_finish(log_of, 1000);
	all = lines_of(path, &torn);
	cr_expect_eq(torn, 1);
	expect_users(all, 2);
	json_decref(all);
}

/* --- F-21: what cannot be written ---------------------------------------------------------------
 */

/* By a turn of the loop, which the thread that writes wakes behind what it has done. */
static bool was_said(const char *text)
{
	for (int turn = 0; turn < 1000; turn++) {
		for (size_t i = 0; i < N(said); i++)
			if (strstr(said[i], text) != NULL)
				return true;
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	return false;
}

/* A disk that is full, here one for a process: what fits is there, and later all. */
Test(audit, a_full_disk_is_written_on_when_there_is_room)
{
	struct rlimit was, small = {.rlim_cur = 8000};
	unsigned int torn;
	json_t *all;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	small.rlim_max = was.rlim_max;
	begin_with(path, 0, true, 0);
	setrlimit(RLIMIT_FSIZE, &small);
	put_n(0, 100);
	cr_expect(failing(-EFBIG));
	cr_expect(audit_refuses(log_of), "AuditFailure refuse");
	cr_expect(was_said("File too large"));
	setrlimit(RLIMIT_FSIZE, &was);
	cr_expect(all_safe());
	cr_expect_not(audit_refuses(log_of));
	cr_expect(was_said("is written again"));
	audit_finish(log_of, 1000);
	all = lines_of(path, &torn);
	cr_expect_leq(torn, 1);
	expect_users(all, 100);
	cr_expect_leq(json_array_size(all), 102, "what was on the disk is not written again");
	json_decref(all);
}

Test(audit, what_has_no_room_at_all_is_counted)
{
	begin_with("/dev/full", AUDIT_SPOOL_MIN, false, 0);
	put_n(0, 2000);
	cr_expect(failing(-ENOSPC));
	cr_expect_gt(audit_status(log_of).lost, 0);
	cr_expect_leq(audit_status(log_of).used, AUDIT_SPOOL_MIN);
	cr_expect_not(audit_refuses(log_of), "AuditFailure count");
	audit_finish(log_of, 10);
	cr_expect(was_said("of the audit log were not written"));
}

Test(audit, a_folder_that_is_missing_is_waited_for)
{
	char deep[80];

	snprintf(deep, sizeof(deep), "%s/later/audit.log", dir);
	begin_with(deep, 0, true, 0);
	put_n(0, 5);
	cr_expect(failing(-ENOENT));
	cr_expect(audit_refuses(log_of));
	deep[strlen(dir) + 6] = '\0';
	cr_assert_eq(mkdir(deep, 0700), 0);
	deep[strlen(dir) + 6] = '/';
	cr_expect(all_safe());
	end_and_expect(deep, 5);
}

/* A pipe that nobody reads: the loop goes on, what does not fit is a gap at its place. */
Test(audit, a_pipe_that_nobody_reads_holds_up_nobody)
{
	unsigned int seen = 0, gaps;
	size_t lost = 0;
	json_t *all;
	char cmd[256];
	int fd;

	cr_assert_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK);
	cr_assert_geq(fd, 0);
	begin_with(path, AUDIT_SPOOL_MIN, false, 0);
	put_n(0, 3000);
	cr_expect_gt(audit_status(log_of).lost, 0);
	snprintf(cmd, sizeof(cmd), "timeout 10 cat %s >%s.read & echo $! >%s.pid", path, path,
		 path);
	cr_assert_eq(system(cmd), 0);
	cr_expect(all_safe());
	put_n(3000, 10);
	cr_expect(all_safe());
	lost = audit_status(log_of).lost;
	audit_finish(log_of, 1000);
	close(fd);
	snprintf(cmd, sizeof(cmd), "kill $(cat %s.pid)", path);
	snprintf(path + strlen(path), 8, ".read");
	for (int i = 0; i < 1000; i++) { /* what cat has taken out of the pipe it writes */
		all = lines_of(path, &seen);
		if (json_array_size(all) > 0 &&
		    strcmp(at(all, json_array_size(all) - 1, "event"), "log.stop") == 0)
			break;
		json_decref(all);
		usleep(1000);
	}
	(void)!system(cmd);
	cr_expect_eq(users_and_gaps(all, &gaps), 3010, "each is there or told of, in its place");
	cr_expect_gt(gaps, 0);
	cr_expect_gt(lost, 0);
	json_decref(all);
}

/* A disk that is slow, or broken: fdatasync() waits for the test, or fails so often. */
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;
static unsigned int disk_errors; /* under the lock */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	bool bad;

	pthread_mutex_lock(&disk);
	bad = disk_errors > 0;
	disk_errors -= bad;
	pthread_mutex_unlock(&disk);
	if (!bad)
		return __real_fdatasync(fd);
	errno = EIO;
	return -1;
}

/* A file system that an error has made read-only: what is open is not written, nor opened again. */
static atomic_bool read_only;
static atomic_uint opens_refused, writes_refused;

int __real_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...);
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);

int __wrap_open64(const char *name, int flags, ...)
{
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
	va_end(more);
	if (!read_only || (flags & O_ACCMODE) == O_RDONLY)
		return __real_open64(name, flags, mode);
	opens_refused++;
	errno = EROFS;
	return -1;
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	if (!read_only)
		return __real_writev(fd, iov, n);
	writes_refused++;
	errno = EROFS;
	return -1;
}

Test(audit, a_disk_that_is_read_only_is_written_when_it_is_not)
{
	begin_with(path, 0, true, 0);
	cr_expect(all_safe());
	read_only = true;
	put_n(0, 20);
	for (int i = 0; i < 20000 && opens_refused == 0; i++)
		usleep(1000);
	cr_expect_gt(writes_refused, 0);
	cr_expect_gt(opens_refused, 0);
	cr_expect(failing(-EROFS));
	cr_expect(audit_refuses(log_of), "AuditFailure refuse");
	cr_expect(was_said("Read-only file system"));
	put_n(20, 20);
	read_only = false;
	cr_expect(all_safe());
	cr_expect_not(audit_refuses(log_of));
	cr_expect(was_said("is written again"));
	end_and_expect(path, 40);
}

Test(audit, a_slow_disk_holds_up_nobody)
{
	begin_with(path, 1 << 20, true, 0);
	cr_expect(all_safe());
	pthread_mutex_lock(&disk);
	put_n(0, 100);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_lt(audit_safe(log_of), audit_at(log_of), "the disk has said nothing yet");
	cr_expect_not(audit_refuses(log_of), "there is room");
	put_n(100, 6000); /* a line is of 120 bytes or more */
	cr_expect(audit_refuses(log_of), "half of it is full");
	cr_expect_eq(audit_status(log_of).lost, 0);
	pthread_mutex_unlock(&disk);
	cr_expect(all_safe());
	cr_expect_not(audit_refuses(log_of));
	end_and_expect(path, 6100);
}

/* What the disk did not take is written again, with the ids it had. */
Test(audit, a_disk_that_fails_is_written_again)
{
	unsigned int copies = 0;
	json_t *all;

	begin();
	cr_expect(all_safe());
	pthread_mutex_lock(&disk);
	disk_errors = 2;
	pthread_mutex_unlock(&disk);
	put_n(0, 20);
	cr_expect(failing(-EIO));
	cr_expect(all_safe());
	audit_finish(log_of, 1000);
	all = lines_of(path, NULL);
	expect_users(all, 20);
	for (size_t i = 0; i < json_array_size(all); i++)
		for (size_t k = 0; k < i; k++)
			copies += strcmp(at(all, i, "id"), at(all, k, "id")) == 0;
	cr_expect_gt(copies, 0, "some stand there twice, by their ids");
	json_decref(all);
}

/* --- F-22: a collector --------------------------------------------------------------------------
 */

static int collector(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(listen(fd, 4), 0);
	return fd;
}

/* Reads until a user is there, into a file; true: he is. */
static bool read_until(int fd, const char *into, const char *user)
{
	static char got[1 << 20];
	struct timeval limit = {.tv_sec = 5};
	size_t len = 0;
	FILE *f;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	got[0] = '\0';
	while (strstr(got, user) == NULL) {
		ssize_t n = read(fd, got + len, sizeof(got) - len - 1);

		if (n <= 0)
			return false;
		len += (size_t)n;
		got[len] = '\0';
	}
	f = fopen(into, "w");
	fwrite(got, 1, len, f);
	fclose(f);
	return true;
}

Test(audit, a_collector_that_comes_late_gets_all)
{
	char where[80], into[80];
	json_t *all;
	int fd, peer;

	snprintf(where, sizeof(where), AUDIT_UNIX "%s", path);
	snprintf(into, sizeof(into), "%s.got", path);
	begin_with(where, 0, false, 0);
	put_n(0, 50);
	cr_expect(failing(-ENOENT));
	fd = collector();
	peer = accept(fd, NULL, NULL);
	cr_expect(read_until(peer, into, "\"user\":\"49\""));
	cr_expect(all_safe());
	all = lines_of(into, NULL);
	expect_users(all, 50);
	json_decref(all);
	close(peer);
	close(fd);
	audit_finish(log_of, 10);
}

/* One that dies with records it has not read: the next one gets them, as they are not safe. */
Test(audit, what_a_collector_did_not_read_is_said_again)
{
	char where[80], into[80];
	json_t *all;
	int fd, peer;

	snprintf(where, sizeof(where), AUDIT_UNIX "%s", path);
	snprintf(into, sizeof(into), "%s.got", path);
	fd = collector();
	begin_with(where, 0, false, 0);
	put_n(0, 50);
	peer = accept(fd, NULL, NULL);
	for (int i = 0; i < 100; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(200);
	}
	cr_expect_lt(audit_safe(log_of), audit_at(log_of), "nobody has read it");
	close(peer);
	peer = accept(fd, NULL, NULL);
	cr_expect(read_until(peer, into, "\"user\":\"49\""));
	all = lines_of(into, NULL);
	expect_users(all, 50);
	json_decref(all);
	close(peer);
	close(fd);
	audit_finish(log_of, 10);
}

/* --- S-60: strangers ----------------------------------------------------------------------------
 */

static struct source network(uint32_t i)
{
	static const struct source_bits bits = {32, 128};
	struct link_addr a = {.family = 4};

	memcpy(a.addr, &i, 4);
	return source_of(&a, &bits);
}

/*
 * A day in virtual time: whenever the log's thread would wait for its next try it comes to rest,
 * the test puts what came meanwhile, and the clock is set to when the wait is over.
 */
static struct {
	atomic_bool on;
	pthread_t loop; /* whose waits are its own */
	sem_t rests, goes;
	atomic_ullong ahead_ns;
	uint64_t until_ns;
} virtual;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __real_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t);

static uint64_t ns_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = __real_clock_gettime(clock, ret);

	*ret = timespec_of(ns_of(ret) + virtual.ahead_ns);
	return r;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
	if (!virtual.on || pthread_equal(pthread_self(), virtual.loop)) {
		const struct timespec until = timespec_of(ns_of(t) - virtual.ahead_ns);

		return __real_pthread_cond_timedwait(c, m, &until);
	}
	virtual.until_ns = ns_of(t);
	pthread_mutex_unlock(m);
	sem_post(&virtual.rests);
	sem_wait(&virtual.goes);
	pthread_mutex_lock(m);
	return ETIMEDOUT;
}

static uint64_t mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ns_of(&t);
}

/* Records of every second, until the thread has slept for so long. */
static unsigned int put_for(uint64_t ns, size_t spool)
{
	const uint64_t began = mono_ns();
	unsigned int n = 0;

	for (;;) {
		uint64_t now = mono_ns();

		sem_wait(&virtual.rests);
		if (virtual.until_ns > now)
			virtual.ahead_ns += virtual.until_ns - now;
		now = mono_ns();
		for (; n < (now - began) / 1000000000; n++)
			put_n(n, 1);
		uv_run(&loop, UV_RUN_NOWAIT);
		cr_assert_leq(audit_status(log_of).used, spool);
		if (now - began >= ns)
			return n;
		sem_post(&virtual.goes);
	}
}

/* What the collector reads, until a line with this is whole; the loop runs meanwhile. */
static bool collect_until(int fd, FILE *into, const char *text)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	static char got[2 * 65536 + 1];
	size_t len = 0;

	for (int idle = 0; idle < 20000;) {
		ssize_t n;

		uv_run(&loop, UV_RUN_NOWAIT);
		if (poll(&p, 1, 1) <= 0) {
			idle++;
			continue;
		}
		if (len > 65536) { /* a line is shorter than what stays */
			memmove(got, got + len - 65536, 65536);
			len = 65536;
		}
		n = read(fd, got + len, sizeof(got) - 1 - len);
		if (n <= 0)
			return false;
		fwrite(got + len, 1, (size_t)n, into);
		len += (size_t)n;
		got[len] = '\0';
		if (got[len - 1] == '\n' && strstr(got, text) != NULL)
			return true;
	}
	return false;
}

/* F-22: what fits is kept and what does not is told in its place, once the collector is back. */
Test(audit, f22_a_collector_that_is_away_for_a_day)
{
	const uint64_t away_ns = (test_long() ? 24 * 3600 : 1800) * UINT64_C(1000000000);
	const size_t spool = test_long() ? 4 << 20 : AUDIT_SPOOL_MIN;
	char where[80], into[80], last[32];
	unsigned int n, gaps;
	uint64_t before = 0;
	json_t *all;
	FILE *f;
	int fd, peer;

	snprintf(where, sizeof(where), AUDIT_UNIX "%s", path);
	snprintf(into, sizeof(into), "%s.got", path);
	f = fopen(into, "w");
	cr_assert_not_null(f);
	virtual.loop = pthread_self();
	sem_init(&virtual.rests, 0, 0);
	sem_init(&virtual.goes, 0, 0);
	virtual.on = true;
	begin_with(where, spool, true, 0);
	n = put_for(away_ns, spool);
	cr_expect_geq(n, away_ns / 1000000000);
	cr_expect_gt(audit_status(log_of).used, spool - 1000, "all of it is used");
	cr_expect(audit_refuses(log_of));
	fd = collector();
	virtual.on = false;
	sem_post(&virtual.goes);
	peer = accept(fd, NULL, NULL);
	cr_expect(collect_until(peer, f, "log.gap"));
	cr_expect(all_safe());
	cr_expect_not(audit_refuses(log_of));
	put_n(n, 10);
	snprintf(last, sizeof(last), "\"user\":\"%u\"", n + 9);
	cr_expect(collect_until(peer, f, last));
	fclose(f);
	all = lines_of(into, NULL);
	cr_expect_eq(users_and_gaps(all, &gaps), n + 10, "each is there or told of, in its place");
	cr_expect_eq(gaps, 1);
	for (size_t i = 0; i < json_array_size(all); i++) {
		uint64_t us = (uint64_t)json_integer_value(
			json_object_get(json_array_get(all, i), "mono_us"));

		cr_assert_geq(us, before, "in the order of their time");
		before = us;
	}
	json_decref(all);
	close(peer);
	close(fd);
	audit_finish(log_of, 10);
}

/* Nor do they take anything of what their network has. */
Test(audit, events_that_are_not_wanted_are_not_written)
{
	struct source a = network(1);
	json_t *all;

	begin_with(path, 1 << 20, false, 100);
	audit_choose(log_of, "auth.*,!auth.try");
	for (unsigned int i = 0; i < 100; i++)
		cr_assert(audit_put_for(log_of, audit_record(log_of, AUDIT_CONN_OPEN, NULL), &a, 0));
	audit_put(log_of, audit_record(log_of, AUDIT_AUTH_TRY, NULL));
	audit_put(log_of, audit_record(log_of, AUDIT_CHAN_CLOSE, "its"));
	cr_expect(audit_put_for(log_of, audit_record(log_of, AUDIT_AUTH_OK, NULL), &a, 0));
	cr_expect_eq(audit_status(log_of).suppressed, 0);
	audit_choose(log_of, "kex.done");
	put("nobody");
	audit_put(log_of, audit_record(log_of, AUDIT_KEX, NULL));
	audit_finish(log_of, 20000);
	all = lines_of(path, NULL);
	cr_assert_eq(json_array_size(all), 4);
	for (size_t i = 0; i < 4; i++) {
		static const char *const want[] = {"log.start", "auth.ok", "kex.done", "log.stop"};

		cr_expect_str_eq(json_string_value(json_object_get(json_array_get(all, i),
								   "event")),
				 want[i]);
	}
	json_decref(all);
}

Test(audit, a_network_has_so_many_bytes_and_no_more)
{
	struct source a = network(1), b = network(2);
	struct strangers *s;
	uint64_t written = 0;

	cr_assert_eq(strangers_new(1000, &s), 0);
	for (uint64_t ms = 0; ms < 20000; ms++)
		if (strangers_may(s, &a, 300, 1000 + ms))
			written += 300;
	cr_expect_leq(written, 1000 * (AUDIT_BURST_S + 20));
	cr_expect_geq(written, 1000 * (AUDIT_BURST_S + 19));
	cr_expect(strangers_may(s, &b, 300, 21000), "another one is not its concern");
	strangers_free(s);
}

Test(audit, what_was_left_out_is_told_once)
{
	struct source a = network(1);
	struct strangers_said said_of;
	struct strangers *s;
	unsigned int out = 0;

	cr_assert_eq(strangers_new(100, &s), 0);
	for (unsigned int i = 0; i < 50; i++)
		out += !strangers_may(s, &a, 100, 1000);
	cr_expect_eq(out, 50 - AUDIT_BURST_S);
	cr_expect_not(strangers_say(s, 1000 + AUDIT_SPEAK_MS - 1, false, &said_of), "not yet");
	cr_assert(strangers_say(s, 1000 + AUDIT_SPEAK_MS, false, &said_of));
	cr_expect_eq(said_of.n, out);
	cr_expect_eq(said_of.bytes, 100 * out);
	cr_expect_eq(said_of.from.word[0], a.word[0]);
	cr_expect_not(strangers_say(s, 100000, true, &said_of));
	strangers_free(s);
}

Test(audit, more_networks_than_places_share_one)
{
	struct strangers *s;
	uint32_t i, written = 0;

	cr_assert_eq(strangers_new(10, &s), 0);
	for (i = 0; i < AUDIT_NETS_MAX; i++) {
		struct source from = network(i);

		cr_assert(strangers_may(s, &from, 100, 1000));
	}
	for (; i < AUDIT_NETS_MAX + 1000; i++) {
		struct source from = network(i);

		written += strangers_may(s, &from, 10, 1000);
	}
	cr_expect_eq(written, AUDIT_BURST_S);
	strangers_free(s);
}

Test(audit, a_network_that_is_quiet_again_is_forgotten)
{
	struct strangers *s;

	cr_assert_eq(strangers_new(10, &s), 0);
	for (unsigned int round = 0; round < 3; round++)
		for (uint32_t i = 0; i < AUDIT_NETS_MAX; i++) {
			struct source from = network(round << 20 | i);

			cr_assert(strangers_may(s, &from, 100, 1000 + 100000 * round), "%u", i);
		}
	strangers_free(s);
}

Test(audit, the_log_says_what_it_left_out)
{
	struct source a = network(1);
	json_t *all;
	size_t n;

	begin_with(path, 0, false, 100);
	for (unsigned int i = 0; i < 100; i++)
		(void)audit_put_for(log_of, audit_record(log_of, AUDIT_AUTH_FAIL, NULL), &a, 0);
	n = audit_status(log_of).suppressed;
	cr_expect_gt(n, 80);
	audit_finish(log_of, 1000);
	all = lines_of(path, NULL);
	cr_assert_eq(json_array_size(all), 100 - n + 3);
	cr_expect_str_eq(at(all, 100 - n + 1, "event"), "log.suppressed");
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(all, 100 - n + 1), "n")),
		     (json_int_t)n);
	json_decref(all);
}

/* --- the manual ---------------------------------------------------------------------------------
 */

/* Each event of the source, with its sentence, and each field; .It of them is what a page lists. */
static unsigned int page_lists(const char *page, const char *name)
{
	char text[64];
	unsigned int n = 0;

	snprintf(text, sizeof(text), "\n.It Cm %s\n", name);
	for (const char *p = page; (p = strstr(p, text)) != NULL; p++)
		n++;
	return n;
}

Test(audit, the_manual_lists_what_there_is)
{
	static char page[1 << 16];
	unsigned int items = 0;
	FILE *f = fopen(MANUAL, "r");

	cr_assert_not_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	for (enum audit_event e = 0; e < AUDIT_EVENT_COUNT; e++)
		cr_expect_eq(page_lists(page, audit_event_info(e).name), 1, "%s",
			     audit_event_info(e).name);
	for (enum audit_field i = 0; i < AUDIT_F_COUNT; i++)
		cr_expect_eq(page_lists(page, audit_field_name(i)), 1, "%s", audit_field_name(i));
	for (const char *p = page; (p = strstr(p, "\n.It Cm ")) != NULL; p++)
		items++;
	cr_expect_eq(items, (unsigned int)AUDIT_EVENT_COUNT + AUDIT_F_COUNT, "and no others");
}

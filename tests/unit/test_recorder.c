/* control/service: a recording, as others read it; and what becomes of it where the disk is full.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/service/recorder.h"
#include "link/tee.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What a shard would say, in a socket that holds all of it. */
static struct {
	int tee[2];
	char path[64];
	struct recorder r;
	json_t *lines; /* of the file */
} t;

static void setup(void)
{
	strcpy(t.path, "/tmp/sluice-recorder-XXXXXX");
	t.r = (struct recorder){.strict = true,
				.file = mkstemp(t.path),
				.about = {.columns = 132,
					  .rows = 43,
					  .timestamp = 1700000000,
					  .term = "xterm",
					  .title = "demo"}};
	cr_assert_geq(t.r.file, 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, t.tee), 0);
	t.r.tee = t.tee[0];
}

static void teardown(void)
{
	json_decref(t.lines);
	close(t.r.file);
	close(t.tee[0]);
	unlink(t.path);
}

TestSuite(recorder, .init = setup, .fini = teardown, .timeout = 60);

static void say(uint64_t at_us, enum tee_kind kind, const void *body, size_t n)
{
	const struct tee_head h = {.at_us = at_us, .len = (uint32_t)n, .kind = (uint8_t)kind};

	cr_assert_eq(write(t.tee[1], &h, sizeof(h)), (ssize_t)sizeof(h));
	cr_assert_eq(write(t.tee[1], body, n), (ssize_t)n);
}

static void text(enum tee_kind kind, const char *s)
{
	say(1500000, kind, s, strlen(s));
}

static void end(void)
{
	const struct tee_end e = {0};

	say(2000000, TEE_END, &e, sizeof(e));
}

/* Runs it, and reads the file: every line of it is JSON. */
static int record(void)
{
	char line[256 * 1024];
	FILE *f;
	int r;

	close(t.tee[1]);
	r = recorder_run(&t.r);
	f = fopen(t.path, "r");
	t.lines = json_array();
	while (fgets(line, sizeof(line), f) != NULL) {
		json_t *v = json_loads(line, JSON_ALLOW_NUL, NULL);

		cr_assert_not_null(v, "no JSON: %s", line);
		cr_assert_eq(line[strlen(line) - 1], '\n', "half a line");
		json_array_append_new(t.lines, v);
	}
	cr_expect_eq((uint64_t)ftell(f), t.r.bytes);
	fclose(f);
	return r;
}

static void is(size_t i, const char *code, const char *s)
{
	const json_t *e = json_array_get(t.lines, i);

	cr_assert_not_null(e, "no line %zu", i);
	cr_expect_str_eq(json_string_value(json_array_get(e, 1)), code);
	cr_expect_str_eq(json_string_value(json_array_get(e, 2)), s, "%s", s);
}

Test(recorder, a_session_as_it_was)
{
	const struct tee_size size = {80, 25};
	const json_t *head;

	t.r.about.command = "top \xff";
	text(TEE_OUT, "hello\r\n");
	text(TEE_IN, "x");
	say(1750000, TEE_SIZE, &size, sizeof(size));
	text(TEE_ERR, "\x1b[31mbad\"");
	end();
	cr_assert_eq(record(), 0);
	cr_expect(t.r.whole);
	cr_expect_eq(t.r.lost, 0);
	head = json_array_get(t.lines, 0);
	cr_expect_eq(json_integer_value(json_object_get(head, "version")), 2);
	cr_expect_eq(json_integer_value(json_object_get(head, "width")), 132);
	cr_expect_eq(json_integer_value(json_object_get(head, "height")), 43);
	cr_expect_eq(json_integer_value(json_object_get(head, "timestamp")), 1700000000);
	cr_expect_str_eq(json_string_value(json_object_get(head, "command")), "top \xef\xbf\xbd");
	cr_expect_str_eq(json_string_value(json_object_get(json_object_get(head, "env"), "TERM")),
			 "xterm");
	is(1, "o", "hello\r\n");
	is(2, "i", "x");
	is(3, "r", "80x25");
	is(4, "o", "\x1b[31mbad\"");
	cr_expect_eq(json_array_size(t.lines), 5);
	cr_expect_float_eq(json_real_value(json_array_get(json_array_get(t.lines, 1), 0)), 1.5,
			   1e-9);
}

Test(recorder, a_character_in_pieces_is_one)
{
	text(TEE_OUT, "a\xe2\x82");
	text(TEE_ERR, "\xf0\x9f");
	text(TEE_OUT, "\xac"
		      "b");
	text(TEE_ERR, "\x98\x80");
	end();
	cr_assert_eq(record(), 0);
	is(1, "o", "a");
	is(2, "o",
	   "\xe2\x82\xac"
	   "b");
	is(3, "o", "\xf0\x9f\x98\x80");
	cr_expect_eq(json_array_size(t.lines), 4, "what is no character yet is no event");
}

/* Each byte that is in no character, and what is too long, a surrogate or beyond the last. */
Test(recorder, what_is_no_utf8_is_valid_json)
{
	static const struct {
		const char *said, *is;
	} c[] = {
		{"\xff", "\xef\xbf\xbd"},
		{"a\x80z", "a\xef\xbf\xbdz"},
		{"\xc0\xaf.", "\xef\xbf\xbd\xef\xbf\xbd."},
		{"\xed\xa0\x80.", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd."},
		{"\xf4\x90\x80\x80.", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd."},
		{"\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz"},
	};

	for (size_t i = 0; i < N(c); i++)
		text(TEE_OUT, c[i].said);
	text(TEE_OUT, "\xe2\x82");
	end();
	cr_assert_eq(record(), 0);
	for (size_t i = 0; i < N(c); i++)
		is(i + 1, "o", c[i].is);
	cr_expect_eq(json_array_size(t.lines), N(c) + 2, "the last one began, and that is said");
}

Test(recorder, all_bytes_there_are)
{
	char all[256];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	say(1, TEE_OUT, all, sizeof(all));
	end();
	cr_assert_eq(record(), 0);
	cr_expect_eq(json_string_length(json_array_get(json_array_get(t.lines, 1), 2)),
		     128 + 3 * 128);
}

/* What a shard had no room for, and a shard that has died. */
Test(recorder, gaps_are_said)
{
	const struct tee_gap gap = {4711};

	text(TEE_OUT, "a");
	say(1, TEE_GAP, &gap, sizeof(gap));
	text(TEE_OUT, "b");
	cr_assert_eq(record(), 0);
	is(2, "m", "4711 bytes are missing here");
	is(3, "o", "b");
	is(4, "m", "the recording was cut off here");
	cr_expect_eq(t.r.lost, 4711);
	cr_expect_not(t.r.whole);
}

/* A file that may grow no further, as on a full disk. */
static void limit(rlim_t n)
{
	const struct rlimit l = {n, RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

Test(recorder, a_full_disk_ends_a_strict_one_at_a_line)
{
	char much[1000];

	memset(much, 'x', sizeof(much));
	for (int i = 0; i < 10; i++)
		say(1, TEE_OUT, much, sizeof(much));
	end();
	limit(3000);
	cr_expect_eq(record(), -EFBIG);
	cr_expect_leq(t.r.bytes, 3000);
	cr_expect_geq(json_array_size(t.lines), 3);
}

Test(recorder, a_full_disk_is_written_on_when_there_is_room)
{
	char much[1000], all[64];

	memset(much, 'x', sizeof(much));
	t.r.strict = false;
	for (int i = 0; i < 10; i++)
		say(1, TEE_OUT, much, sizeof(much));
	text(TEE_OUT, "s"); /* what is short has room again */
	end();
	limit(3000);
	cr_expect_eq(record(), 0);
	cr_expect_gt(t.r.lost, 0);
	cr_expect_eq(t.r.lost % sizeof(much), 0);
	snprintf(all, sizeof(all), "%zu bytes are missing here", (size_t)t.r.lost);
	is(json_array_size(t.lines) - 2, "m", all);
	is(json_array_size(t.lines) - 1, "o", "s");
}

Test(recorder, a_header_that_had_no_room_comes_with_the_first_line_that_has)
{
	text(TEE_OUT, "lost");
	end();
	t.r.strict = false;
	limit(10);
	cr_expect_eq(record(), 0);
	cr_expect_eq(t.r.lost, 4);
	cr_expect_eq(t.r.bytes, 0);
}

Test(recorder, what_is_no_frame_ends_it)
{
	static const struct tee_head bad[] = {
		{.kind = 0},
		{.kind = TEE_KINDS},
		{.kind = TEE_OUT, .len = TEE_BODY_MAX + 1},
		{.kind = TEE_SIZE, .len = 1},
		{.kind = TEE_END, .len = 0},
		{.kind = TEE_OUT, .pad = {1}},
	};
	struct tee_head h;

	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(tee_parse((const uint8_t *)&bad[i], sizeof(bad[i]), &h), -EBADMSG);
	cr_assert_eq(write(t.tee[1], &bad[1], sizeof(bad[1])), (ssize_t)sizeof(bad[1]));
	cr_expect_eq(record(), -EBADMSG);
}

/* RecordMaxSize: a strict one ends there, at a line. */
Test(recorder, it_has_so_many_bytes_and_no_more)
{
	t.r.max_bytes = 1000;
	for (int i = 0; i < 100; i++)
		text(TEE_OUT, "0123456789");
	end();
	cr_expect_eq(record(), -EFBIG);
	cr_expect_leq(t.r.bytes, 1000);
	cr_expect_gt(t.r.bytes, 900);
}

/* Any other leaves out the rest, and says how much that is. */
Test(recorder, it_says_what_was_too_much)
{
	char want[64];
	size_t n;

	t.r.strict = false;
	t.r.max_bytes = 1000;
	for (int i = 0; i < 100; i++)
		text(TEE_OUT, "0123456789");
	end();
	cr_expect_eq(record(), 0);
	cr_expect_gt(t.r.lost, 500);
	n = json_array_size(t.lines);
	snprintf(want, sizeof(want), "%llu bytes are missing here", (unsigned long long)t.r.lost);
	is(n - 2, "m", want);
	is(n - 1, "m", "end");
	cr_expect_leq(t.r.bytes, 1000 + 200, "its last words");
}

/* RecordDirectorySize, RecordDirectoryFiles: what is there counts, whoever made it. */
Test(recorder, a_folder_holds_so_much_and_no_more)
{
	static const struct {
		uint64_t bytes;
		uint32_t files;
		int want;
	} c[] = {{0, 0, 0},     {0, 3, 0},        {0, 2, -EDQUOT},  {0, 1, -EDQUOT}, {201, 0, 0},
		 {201, 3, 0},   {200, 0, -EDQUOT}, {200, 3, -EDQUOT}, {201, 2, -EDQUOT}};
	char folder[] = "/tmp/sluice-recordings-XXXXXX";
	int dir, fd;

	cr_assert_not_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	cr_assert_eq(mkdirat(dir, "no-file", 0700), 0);
	for (int i = 0; i < 2; i++) {
		fd = openat(dir, i == 0 ? "a.cast" : "b.cast", O_CREAT | O_WRONLY, 0600);
		cr_assert_eq(ftruncate(fd, 100), 0);
		close(fd);
	}
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		cr_expect_eq(recorder_folder_room(dir, c[i].bytes, c[i].files), c[i].want, "%zu",
			     i);
	cr_assert_eq(unlinkat(dir, "a.cast", 0), 0);
	cr_expect_eq(recorder_folder_room(dir, 0, 2), 0, "one was taken away");
	cr_assert_eq(unlinkat(dir, "b.cast", 0), 0);
	cr_assert_eq(unlinkat(dir, "no-file", AT_REMOVEDIR), 0);
	close(dir);
	cr_assert_eq(rmdir(folder), 0);
}

/* RecordReserve: no disk has more free than all of it. */
Test(recorder, what_is_to_stay_free_does)
{
	t.r.reserve = 101;
	text(TEE_OUT, "0123456789");
	end();
	cr_expect_eq(recorder_room(t.r.file, 101), -ENOSPC);
	cr_expect_eq(recorder_room(t.r.file, 0), 0);
	cr_expect_eq(record(), -ENOSPC);
	cr_expect_eq(t.r.bytes, 0);
}

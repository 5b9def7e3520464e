/* client/ssh: what needs no connection - the escapes of a terminal, SOCKS as its server. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/shell/display.h"
#include "client/shell/escape.h"
#include "client/shell/outlet.h"
#include "client/shell/plain.h"
#include "client/shell/progress.h"
#include "client/shell/socks.h"

TestSuite(client_bytes, .timeout = 60);

/* --- escapes ------------------------------------------------------------------------------ */

/* What goes on, with <N> where something is to be done. */
static void typed(const char *in, size_t piece, const char *want)
{
	struct escape e = {.character = '~'};
	char got[256] = "";
	size_t len = strlen(in);

	for (size_t at = 0; at < len;) {
		uint8_t out[512];
		size_t n = len - at < piece ? len - at : piece, to, used;
		int act = escape_feed(&e, (const uint8_t *)in + at, n, out, &to, &used);

		cr_assert_gt(used, 0);
		cr_assert_leq(to, 2 * n);
		strncat(got, (char *)out, to);
		if (act != 0)
			sprintf(got + strlen(got), "<%d>", act);
		at += used;
	}
	cr_expect_str_eq(got, want, "%s by %zu: %s", in, piece, got);
}

Test(client_bytes, escapes_stand_at_the_begin_of_a_line)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"abc", "abc"},
		{"~.", "<1>"},
		{"x~.", "x~."},
		{"x\r~.", "x\r<1>"},
		{"x\n~.", "x\n<1>"},
		{"~~.", "~."},
		{"~~~.", "~~."},
		{"~x~.", "~x~."},
		{"~B~R~#~?x", "<2><4><8><10>x"},
		{"~V~v~C~&", "<5><6><3><9>"},
		{"~\x1a", "<7>"},
		{"ls\r~~\r~.", "ls\r~\r<1>"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece < 4; piece++)
			typed(cases[i].in, piece, cases[i].out);
}

Test(client_bytes, escape_characters)
{
	static const uint8_t dot[] = "~.";
	struct escape none = {.character = escape_character("none")};
	uint8_t out[8];
	size_t to, used;

	cr_expect_eq(escape_character("~"), '~');
	cr_expect_eq(escape_character("^]"), 0x1d);
	cr_expect_eq(escape_character("^?"), 0x7f);
	cr_expect_eq(escape_character("^"), '^');
	cr_expect_eq(none.character, -1);
	cr_expect_eq(escape_feed(&none, dot, 2, out, &to, &used), 0);
	cr_expect_eq(to, 2);
}

/* --- what many programs say ------------------------------------------------------------------ */

/* Pieces go in; what is said by then. */
static void expect_lines(const char *const *pieces, const char *const *said, size_t n)
{
	struct outlet o;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert_eq(outlet_init(&o), 0);
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(write(o.to, pieces[i], strlen(pieces[i])), (ssize_t)strlen(pieces[i]));
		outlet_lines(&o, f, "h", i + 1 == n);
		fflush(f);
		cr_expect_str_eq(text, said[i]);
	}
	outlet_fini(&o);
	fclose(f);
	free(text);
}

Test(client_bytes, lines_of_many_come_whole_with_their_host)
{
	static const char *const pieces[] = {"a", "b\nc\n\nd", "e"};
	static const char *const said[] = {"", "h: ab\nh: c\nh: \n", "h: ab\nh: c\nh: \nh: de\n"};

	expect_lines(pieces, said, 3);
}

/* n bytes 'x' by pieces a pipe takes. */
static size_t fill(struct outlet *o, size_t n, void (*take)(struct outlet *o, FILE *f), FILE *f)
{
	static char block[4096];
	size_t held = 0;

	memset(block, 'x', sizeof(block));
	for (size_t at = 0; at < n; at += sizeof(block)) {
		cr_assert_eq(write(o->to, block, sizeof(block)), (ssize_t)sizeof(block));
		take(o, f);
		held = o->size > held ? o->size : held;
	}
	return held;
}

static void take_lines(struct outlet *o, FILE *f)
{
	outlet_lines(o, f, "h", false);
}

static void take_all(struct outlet *o, FILE *f)
{
	(void)f;
	outlet_keep(o);
}

Test(client_bytes, what_is_kept_of_them_is_bounded)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct outlet o;

	cr_assert_eq(outlet_init(&o), 0);
	cr_expect_leq(fill(&o, 1 << 20, take_lines, f), OUTLET_LINE_MAX, "a line without an end");
	fflush(f);
	cr_expect_gt(len, 1 << 19);
	outlet_fini(&o);
	cr_assert_eq(outlet_init(&o), 0);
	cr_expect_leq(fill(&o, OUTLET_KEPT_MAX + (1 << 20), take_all, f), OUTLET_KEPT_MAX);
	cr_expect_eq(o.n, OUTLET_KEPT_MAX);
	cr_expect_eq(o.dropped, 1 << 20);
	outlet_fini(&o);
	fclose(f);
	free(text);
}

/* --- displays ------------------------------------------------------------------------------- */

Test(client_bytes, displays_have_names)
{
	static const struct {
		const char *text, *end, *xauth;
		unsigned int port, screen;
	} good[] = {
		{":0", "/tmp/.X11-unix/X0", ":0", 0, 0},
		{":12.3", "/tmp/.X11-unix/X12", ":12.3", 0, 3},
		{"unix:1", "/tmp/.X11-unix/X1", "unix:1", 0, 0},
		{"localhost:10.0", "localhost", "unix:10.0", 6010, 0},
		{"x.example:1", "x.example", "x.example:1", 6001, 0},
	};
	static const char *const bad[] = {"",       "0",       ":",    ":x",    ":1.",
					  ":1.x",   ":1 2",    "-f:0", "a;b:0", ":99999",
					  ":59536", "h:0.256", "$x:0"};
	struct display d;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert(display_parse(good[i].text, &d), "%s", good[i].text);
		cr_expect_str_eq(d.end.host, good[i].end);
		cr_expect_str_eq(d.xauth, good[i].xauth);
		cr_expect_eq(d.end.port, good[i].port);
		cr_expect_eq(d.end.path, good[i].port == 0);
		cr_expect_eq(d.screen, good[i].screen);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(display_parse(bad[i], &d), "%s", bad[i]);
}

Test(client_bytes, cookies_are_what_xauth_says)
{
	static const char *const bad[] = {
		"", "h/unix:0", "h/unix:0  PROTO", "h PROTO xyz", "h PROTO abc", "\n"};
	struct cookie k;

	cr_assert(cookie_parse("h/unix:0  " DISPLAY_COOKIE "  00ff1a\nmore\n", &k));
	cr_expect_str_eq(k.proto, DISPLAY_COOKIE);
	cr_assert_eq(k.len, 3);
	cr_expect(memcmp(k.real, "\x00\xff\x1a", 3) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(cookie_parse(bad[i], &k), "%s", bad[i]);
}

Test(client_bytes, who_shows_our_cookie_goes_on_with_the_displays)
{
	static const char *const hellos[] = {
		"B\0\0\13\0\0\0\5\0\4\0\0PROTO\0\0\0fakemore",
		"l\0\13\0\0\0\5\0\4\0\0\0PROTO\0\0\0fakemore",
	};
	const struct cookie k = {.proto = "PROTO", .real = "real", .fake = "fake", .len = 4};
	const size_t whole = 12 + 8 + 4;
	uint8_t p[64];

	for (size_t i = 0; i < 2; i++) {
		for (size_t n = 0; n < whole; n++) {
			memcpy(p, hellos[i], whole + 4);
			cr_expect_eq(display_hello(&k, p, n), DISPLAY_MORE, "%zu", n);
		}
		cr_assert_eq(display_hello(&k, p, whole + 4), DISPLAY_OK);
		cr_expect(memcmp(p + 12, "PROTO\0\0\0realmore", 16) == 0);
		cr_expect_eq(display_hello(&k, p, whole), DISPLAY_BAD, "the real one is none");
		for (size_t at = 0; at < whole; at++) {
			/* What is unused or only fills up is not looked at. */
			if ((at >= 1 && at < 6) || at == 10 || at == 11 || (at >= 17 && at < 20))
				continue;
			memcpy(p, hellos[i], whole);
			p[at] ^= 1;
			cr_expect_eq(display_hello(&k, p, whole), DISPLAY_BAD, "%zu", at);
		}
	}
}

/* --- SOCKS ---------------------------------------------------------------------------------- */

/* Bytes in any pieces lead to the same. */
static enum socks_step say(struct socks *s, const void *bytes, size_t len, size_t piece,
			   uint8_t *reply, size_t *reply_len)
{
	const uint8_t *p = bytes;
	enum socks_step step = SOCKS_MORE;
	size_t at = 0, have = 0, used;

	*s = (struct socks){0};
	*reply_len = 0;
	while (have < len && step == SOCKS_MORE) {
		have += len - have < piece ? len - have : piece;
		do {
			step = socks_input(s, p + at, have - at, &used);
			cr_assert_leq(used, have - at);
			at += used;
			memcpy(reply + *reply_len, s->reply, s->reply_len);
			*reply_len += s->reply_len;
		} while (step == SOCKS_MORE && used > 0);
	}
	return step;
}

static const struct {
	const char *bytes;
	size_t len;
	enum socks_step step;
	const char *host;
	uint16_t port;
	const char *reply;
	size_t reply_len;
} hellos[] = {
	{"\4\1\0\x50\300\0\2\1u\0", 10, SOCKS_TARGET, "192.0.2.1", 80, "", 0},
	{"\4\1\1\xbb\0\0\0\1\0a.example\0", 19, SOCKS_TARGET, "a.example", 443, "", 0},
	{"\4\2\0\x50\300\0\2\1u\0", 10, SOCKS_BAD, NULL, 0, "\0\x5b\0\0\0\0\0\0", 8},
	{"\4\1\1\xbb\0\0\0\1\0\0", 10, SOCKS_BAD, NULL, 0, "\0\x5b\0\0\0\0\0\0", 8},
	{"\4\1\0\x50\300\0\2\1user", 12, SOCKS_MORE, NULL, 0, "", 0},
	{"\5\1\0\5\1\0\1\300\0\2\1\0\x50", 13, SOCKS_TARGET, "192.0.2.1", 80, "\5\0", 2},
	{"\5\2\2\0\5\1\0\3\1h\0\x16", 12, SOCKS_TARGET, "h", 22, "\5\0", 2},
	{"\5\1\0\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50", 25, SOCKS_TARGET,
	 "2001:db8::1", 80, "\5\0", 2},
	{"\5\1\2", 3, SOCKS_BAD, NULL, 0, "\5\xff", 2},
	{"\5\0", 2, SOCKS_BAD, NULL, 0, "\5\xff", 2},
	{"\5\1\0\5\2\0\1\300\0\2\1\0\x50", 13, SOCKS_BAD, NULL, 0, "\5\0\5\7\0\1\0\0\0\0\0\0", 12},
	{"\5\1\0\5\1\0\2\300\0\2\1\0\x50", 13, SOCKS_BAD, NULL, 0, "\5\0\5\10\0\1\0\0\0\0\0\0", 12},
	{"\5\1\0\5\1\0\3\0\0\x16", 10, SOCKS_BAD, NULL, 0, "\5\0\5\1\0\1\0\0\0\0\0\0", 12},
	{"\5\1\0\5\1\0\3\2h\0\0\x16", 12, SOCKS_BAD, NULL, 0, "\5\0\5\1\0\1\0\0\0\0\0\0", 12},
	{"\5\1\0\4\1\0\1\300\0\2\1\0\x50", 13, SOCKS_BAD, NULL, 0, "\5\0\5\1\0\1\0\0\0\0\0\0", 12},
	{"GET / HTTP/1.0\r\n\r\n", 18, SOCKS_BAD, NULL, 0, "", 0},
};

Test(client_bytes, who_connects_by_socks_says_where_to)
{
	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++)
		for (size_t piece = 1; piece <= hellos[i].len; piece++) {
			uint8_t reply[64];
			struct socks s;
			size_t n;

			cr_assert_eq(say(&s, hellos[i].bytes, hellos[i].len, piece, reply, &n),
				     hellos[i].step, "%zu by %zu", i, piece);
			cr_assert_eq(n, hellos[i].reply_len, "%zu by %zu: %zu", i, piece, n);
			cr_expect_arr_eq(reply, hellos[i].reply, n);
			if (hellos[i].host == NULL)
				continue;
			cr_expect_str_eq(s.host, hellos[i].host);
			cr_expect_eq(s.port, hellos[i].port);
		}
}

Test(client_bytes, a_hello_without_end_is_refused)
{
	uint8_t hello[SOCKS_HELLO_MAX] = {4, 1, 0, 80, 192, 0, 2, 1};
	struct socks s = {0};
	size_t used;

	memset(hello + 8, 'u', sizeof(hello) - 8);
	cr_expect_eq(socks_input(&s, hello, sizeof(hello) - 1, &used), SOCKS_MORE);
	cr_expect_eq(socks_input(&s, hello, sizeof(hello), &used), SOCKS_BAD);
}

Test(client_bytes, socks_answers)
{
	struct socks s = {.version = 4};

	socks_answer(&s, true);
	cr_expect_arr_eq(s.reply, "\0\x5a\0\0\0\0\0\0", 8);
	cr_expect_eq(s.reply_len, 8);
	s.version = 5;
	socks_answer(&s, true);
	cr_expect_arr_eq(s.reply, "\5\0\0\1\0\0\0\0\0\0", 10);
	socks_answer(&s, false);
	cr_expect_arr_eq(s.reply, "\5\1\0\1\0\0\0\0\0\0", 10);
}

/* --- progress ------------------------------------------------------------------------------- */

Test(client_bytes, how_far_a_file_has_come)
{
	static const struct {
		uint64_t bytes, total, ms;
		const char *text;
	} cases[] = {
		{0, 4 << 20, 0, "  0%       0B       0B/s   0:00 left"},
		{1 << 20, 4 << 20, 1000, " 25%     1.0M     1.0M/s   0:03 left"},
		{1, 1 << 20, 1000, "  0%       1B       1B/s 17476:15 left"},
		{4 << 20, 4 << 20, 2000, "100%     4.0M     2.0M/s   0:00 left"},
		{5 << 20, 4 << 20, 0, "100%     4.0M       0B/s   0:00 left"},
		{0, 0, 0, "100%       0B       0B/s   0:00 left"},
		{UINT64_MAX, UINT64_MAX, 1, "100% 16777216T 16777216000T/s   0:00 left"},
	};
	char buf[PROGRESS_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(progress_text(cases[i].bytes, cases[i].total, cases[i].ms, buf),
				 cases[i].text);
}

/* --- what a stranger says --------------------------------------------------------------------- */

Test(client_bytes, only_whole_characters_that_steer_no_terminal_are_plain)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{"a", 1},
		{"\n", 1},
		{"\t", 1},
		{"\033[2J", 0},
		{"\x7f", 0},
		{"\r", 0},
		{"\x9b"
		 "2J",
		 0}, /* CSI of eight bits */
		{"\xc2\x9b"
		 "2J",
		 0}, /* and as UTF-8 */
		{"\xc2\x80", 0},
		{"\xc2\xa0", 2},
		{"\xc3\xa9", 2},
		{"\xe2\x82\xac", 3},
		{"\xf0\x9f\x98\x80", 4},
		{"\xc3", 0}, /* cut off */
		{"\xe2\x82"
		 "a",
		 0},
		{"\xc0\x9b", 0}, /* longer than it need be */
		{"\xe0\x82\x9b", 0},
		{"\xf0\x80\x82\x9b", 0},
		{"\xed\xa0\x80", 0},     /* half of a pair */
		{"\xf4\x90\x80\x80", 0}, /* beyond the last */
		{"\xff", 0},
		{"", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(plain_char(cases[i].text, strlen(cases[i].text)), cases[i].n, "%zu",
			     i);
}

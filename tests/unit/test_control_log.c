/* control/log.c: strings of strangers in lines for operators (S-82). */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "control/log.h"

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

/* ssh/session_msg.c: requests of `session` channels, RFC 4254 sections 6 and 8. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/session_msg.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct ssh_str rest_of(struct ssh_wr *w, uint8_t *buf)
{
	cr_assert(!w->bad);
	return (struct ssh_str){buf, (uint32_t)ssh_wr_done(w)};
}

Test(session_msg, every_name_is_found_and_no_other)
{
	static const char *const other[] = {"", "shel", "shell ", "SHELL", "env@openssh.com"};

	for (unsigned int i = 1; i < SSH_SESSION_REQUESTS; i++)
		cr_assert_eq(ssh_session_request_find(ssh_str_c(
				     ssh_session_request_name((enum ssh_session_request)i))),
			     i);
	for (size_t i = 0; i < N(other); i++)
		cr_assert_eq(ssh_session_request_find(ssh_str_c(other[i])), SSH_SESSION_UNKNOWN);
	cr_assert_null(ssh_session_request_name(SSH_SESSION_UNKNOWN));
	cr_assert_null(ssh_session_request_name(SSH_SESSION_REQUESTS));
}

/* Section 6.2, field by field. */
Test(session_msg, pty_req_reads_and_writes)
{
	static const uint8_t modes[] = {53, 0, 0, 0, 1, 0};
	static const uint8_t wire[] = {0,   0, 0, 5, 'v', 't', '1', '0', '0', 0, 0, 0,
				       80,  0, 0, 0, 24,  0,   0,   2,   128, 0, 0, 1,
				       224, 0, 0, 0, 6,   53,  0,   0,   0,   1, 0};
	struct ssh_pty_req m;
	uint8_t buf[sizeof(wire)];
	struct ssh_wr w;

	cr_assert_eq(ssh_pty_req_parse((struct ssh_str){wire, sizeof(wire)}, &m), 0);
	cr_assert(ssh_str_eq(m.term, "vt100"));
	cr_assert_eq(m.size.columns, 80);
	cr_assert_eq(m.size.rows, 24);
	cr_assert_eq(m.size.width, 640);
	cr_assert_eq(m.size.height, 480);
	cr_assert_eq(m.modes.len, sizeof(modes));
	cr_assert_arr_eq(m.modes.p, modes, sizeof(modes));
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_pty_req_build(&w, &m);
	cr_assert_eq(ssh_wr_done(&w), sizeof(wire));
	cr_assert_arr_eq(buf, wire, sizeof(wire));
}

/* Every parser refuses every shorter request, and one byte more. */
Test(session_msg, what_is_cut_off_or_longer_is_refused)
{
	uint8_t buf[256];
	struct ssh_wr w;

	for (unsigned int kind = 0; kind < 12; kind++) {
		struct ssh_pty_req pty = {.term = ssh_str_c("xterm"), .modes = ssh_str_c("")};
		struct ssh_x11_req x11 = {.protocol = ssh_str_c("MIT"), .cookie = ssh_str_c("00")};
		struct ssh_env env = {ssh_str_c("LANG"), ssh_str_c("C")};
		struct ssh_tty_size size = {1, 2, 3, 4};
		struct ssh_exit_signal sig = {.signal = ssh_str_c("HUP"),
					      .message = ssh_str_c("m"),
					      .language = ssh_str_c("")};
		struct ssh_str str;
		uint32_t n;
		bool b;
		size_t len;

		ssh_wr_init(&w, buf, sizeof(buf));
		switch (kind) {
		case 0:
			ssh_pty_req_build(&w, &pty);
			break;
		case 1:
			ssh_x11_req_build(&w, &x11);
			break;
		case 2:
			ssh_env_build(&w, &env);
			break;
		case 3:
			ssh_window_change_build(&w, &size);
			break;
		case 4:
			ssh_exit_signal_build(&w, &sig);
			break;
		case 5:
		case 6:
		case 7:
			ssh_wr_cstr(&w, "word");
			break;
		case 8:
		case 9:
			ssh_wr_u32(&w, 500);
			break;
		case 10:
			ssh_wr_bool(&w, true);
			break;
		default:
			break;
		}
		len = w.p - buf;
		buf[len] = 0;
		for (size_t cut = 0; cut <= len + 1; cut++) {
			struct ssh_str rest = {buf, (uint32_t)cut};
			int want = cut == len ? 0 : -SSH_E_FORMAT, r = 1;

			switch (kind) {
			case 0:
				r = ssh_pty_req_parse(rest, &pty);
				break;
			case 1:
				r = ssh_x11_req_parse(rest, &x11);
				break;
			case 2:
				r = ssh_env_parse(rest, &env);
				break;
			case 3:
				r = ssh_window_change_parse(rest, &size);
				break;
			case 4:
				r = ssh_exit_signal_parse(rest, &sig);
				break;
			case 5:
				r = ssh_exec_parse(rest, &str);
				break;
			case 6:
				r = ssh_subsystem_parse(rest, &str);
				break;
			case 7:
				r = ssh_signal_parse(rest, &str);
				break;
			case 8:
				r = ssh_break_parse(rest, &n);
				break;
			case 9:
				r = ssh_exit_status_parse(rest, &n);
				break;
			case 10:
				r = ssh_xon_xoff_parse(rest, &b);
				break;
			case 11:
				r = ssh_session_empty_parse(rest);
				break;
			}
			cr_assert_eq(r, want, "kind %u: %zu of %zu", kind, cut, len);
		}
	}
}

/* A variable's name may hide no other one, and no text a second one behind a NUL. */
Test(session_msg, texts_that_are_no_c_strings_are_refused)
{
	static const struct {
		struct ssh_str name, value;
	} bad[] = {
		{{(const uint8_t *)"A\0B", 3}, {(const uint8_t *)"v", 1}},
		{{(const uint8_t *)"A", 1}, {(const uint8_t *)"v\0w", 3}},
		{{(const uint8_t *)"A=B", 3}, {(const uint8_t *)"v", 1}},
		{{(const uint8_t *)"", 0}, {(const uint8_t *)"v", 1}},
	};
	struct ssh_env env;
	struct ssh_str str;
	uint8_t buf[64];
	struct ssh_wr w;

	for (size_t i = 0; i < N(bad); i++) {
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_wr_str(&w, bad[i].name);
		ssh_wr_str(&w, bad[i].value);
		cr_assert_eq(ssh_env_parse(rest_of(&w, buf), &env), -SSH_E_FORMAT, "case %zu", i);
	}
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_str(&w, (struct ssh_str){(const uint8_t *)"ls\0-l", 5});
	cr_assert_eq(ssh_exec_parse(rest_of(&w, buf), &str), -SSH_E_FORMAT);
	cr_assert_eq(ssh_subsystem_parse(rest_of(&w, buf), &str), -SSH_E_FORMAT);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_cstr(&w, "");
	cr_assert_eq(ssh_exec_parse(rest_of(&w, buf), &str), 0);
	cr_assert_eq(ssh_subsystem_parse(rest_of(&w, buf), &str), -SSH_E_FORMAT);
	cr_assert_eq(ssh_signal_parse(rest_of(&w, buf), &str), -SSH_E_FORMAT);
}

Test(session_msg, longest_texts_are_taken_and_longer_ones_are_not)
{
	static uint8_t buf[SSH_COMMAND_MAX + 16];
	static char word[SSH_COMMAND_MAX + 2];
	static const uint32_t max[] = {SSH_COMMAND_MAX, SSH_SUBSYSTEM_MAX, SSH_SIGNAL_MAX};

	memset(word, 'x', sizeof(word) - 1);
	for (unsigned int i = 0; i < N(max); i++) {
		for (uint32_t more = 0; more < 2; more++) {
			struct ssh_str got;
			struct ssh_wr w;
			int r;

			ssh_wr_init(&w, buf, sizeof(buf));
			ssh_wr_str(&w, (struct ssh_str){(uint8_t *)word, max[i] + more});
			r = i == 0   ? ssh_exec_parse(rest_of(&w, buf), &got)
			    : i == 1 ? ssh_subsystem_parse(rest_of(&w, buf), &got)
				     : ssh_signal_parse(rest_of(&w, buf), &got);
			cr_assert_eq(r, more ? -SSH_E_FORMAT : 0);
		}
	}
}

/* S-64: a peer's exit-signal and exit-status with lengths that lie. */
Test(session_msg, s64_lengths_that_lie_are_refused)
{
	static const uint8_t sig[] = {0xff, 0xff, 0xff, 0xff, 'H', 'U', 'P', 0,
				      0,    0,    0,    0,    0,   0,   0,   0};
	static const uint8_t status[] = {0, 0, 1};
	struct ssh_exit_signal m;
	uint32_t n;

	cr_assert_eq(ssh_exit_signal_parse((struct ssh_str){sig, sizeof(sig)}, &m), -SSH_E_FORMAT);
	cr_assert_eq(ssh_exit_status_parse((struct ssh_str){status, sizeof(status)}, &n),
		     -SSH_E_FORMAT);
}

Test(session_msg, signals_of_section_6_10_and_no_other)
{
	static const int all[] = {SIGABRT, SIGALRM, SIGFPE,  SIGHUP,  SIGILL,  SIGINT, SIGKILL,
				  SIGPIPE, SIGQUIT, SIGSEGV, SIGTERM, SIGUSR1, SIGUSR2};
	static const char *const none[] = {"", "SIGHUP", "hup", "STOP", "HUP ", "9"};

	for (size_t i = 0; i < N(all); i++)
		cr_assert_eq(ssh_signal_number(ssh_str_c(ssh_signal_name(all[i]))), all[i]);
	for (size_t i = 0; i < N(none); i++)
		cr_assert_eq(ssh_signal_number(ssh_str_c(none[i])), 0);
	cr_assert_null(ssh_signal_name(SIGSTOP));
	cr_assert_null(ssh_signal_name(0));
}

/* Section 8: the end, opcodes of 160 and above, and a list that breaks off. */
Test(session_msg, modes_end_where_the_rfc_says)
{
	static const uint8_t ends[] = {0, 160, 161, 255};
	uint8_t op, buf[16];
	uint32_t value;
	struct ssh_rd r;
	struct ssh_wr w;

	for (size_t i = 0; i < N(ends); i++) {
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_tty_mode_build(&w, 53, 1);
		ssh_wr_u8(&w, ends[i]);
		ssh_wr_u32(&w, 7);
		ssh_wr_u8(&w, 53);
		ssh_rd_init(&r, buf, ssh_wr_done(&w));
		cr_assert(ssh_tty_mode_next(&r, &op, &value));
		cr_assert_eq(op, 53);
		cr_assert_eq(value, 1);
		cr_assert_not(ssh_tty_mode_next(&r, &op, &value));
	}
	for (size_t cut = 0; cut < 5; cut++) {
		ssh_rd_init(&r, buf, cut);
		cr_assert_not(ssh_tty_mode_next(&r, &op, &value));
	}
}

/* Whatever bytes come, a walk over modes ends. */
Test(session_msg, any_bytes_are_walked_to_an_end)
{
	struct rnd rnd = rnd_new(rnd_seed());

	for (unsigned int round = 0; round < 2000; round++) {
		uint8_t bytes[64], op;
		size_t len = rnd_below(&rnd, sizeof(bytes) + 1), n = 0;
		uint32_t value;
		struct ssh_rd r;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rnd_below(&rnd, 256);
		ssh_rd_init(&r, bytes, len);
		while (ssh_tty_mode_next(&r, &op, &value))
			cr_assert_leq(++n, len / 5);
	}
}

/* They become words of xauth's: what is more than a word is refused (CVE-2016-3115). */
Test(session_msg, s_x11_words_that_are_none)
{
	static const struct {
		const char *protocol, *cookie;
		bool plain;
	} c[] = {
		{"MIT-MAGIC-COOKIE-1", "0123456789abcdefABCDEF", true},
		{"a.b:c/d_e", "0", true},
		{"", "00", false},
		{"MIT-MAGIC-COOKIE-1", "", false},
		{"MIT-MAGIC-COOKIE-1\nsource /etc/shadow", "00", false},
		{"MIT", "00\n", false},
		{"MIT", "0 0", false},
		{"MIT;", "00", false},
		{"M\"T", "00", false},
		{"MIT", "00\\", false},
		{"MIT", "\xc3\xa4", false},
		{"MIT", "$0", false},
		{"MIT", "@", false},
		{"MIT", "`", false},
		{"MIT", "[", false},
		{"MIT", "{", false},
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		const struct ssh_x11_req m = {.protocol = ssh_str_c(c[i].protocol),
					      .cookie = ssh_str_c(c[i].cookie)};

		cr_expect_eq(ssh_x11_req_plain(&m), c[i].plain, "%zu", i);
	}
	cr_expect_not(ssh_x11_req_plain(&(struct ssh_x11_req){
		.protocol = {(const uint8_t *)"A\0B", 3}, .cookie = ssh_str_c("00")}));
}

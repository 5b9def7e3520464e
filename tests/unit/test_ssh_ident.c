/* ssh/ident.c: identification strings, mostly those that are refused (S-48). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/ident.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static int line(enum ssh_role we_are, const char *s, size_t n, size_t *len, size_t *used)
{
	uint8_t *exact = malloc(n ? n : 1); /* a read past its end is seen */
	int r;

	memcpy(exact, s, n);
	r = ssh_ident_line(we_are, exact, n, len, used);
	free(exact);
	return r;
}

static int check(enum ssh_role we_are, const char *s)
{
	return ssh_ident_check(we_are, (const uint8_t *)s, strlen(s));
}

/* "SSH-2.0-xxx…", n bytes and then end. */
static size_t long_ident(char *b, size_t n, const char *end)
{
	memcpy(b, "SSH-2.0-", 8);
	memset(b + 8, 'x', n - 8);
	memcpy(b + n, end, strlen(end));
	return n + strlen(end);
}

Test(ssh_ident, cr_lf_and_bare_lf_end_a_line)
{
	size_t len, used;

	cr_expect_eq(line(SSH_SERVER, "SSH-2.0-x\r\nmore", 15, &len, &used), 0);
	cr_expect(len == 9 && used == 11);
	cr_expect_eq(line(SSH_SERVER, "SSH-2.0-x\nmore", 14, &len, &used), 0);
	cr_expect(len == 9 && used == 10);
}

Test(ssh_ident, every_prefix_of_a_line_waits_for_more)
{
	static const char s[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";
	size_t len = 77, used = 78;

	for (size_t n = 0; n < sizeof(s) - 1; n++) {
		cr_expect_eq(line(SSH_SERVER, s, n, &len, &used), -EAGAIN, "%zu bytes", n);
		cr_expect_eq(line(SSH_CLIENT, s, n, &len, &used), -EAGAIN, "%zu bytes", n);
	}
	cr_expect(len == 77 && used == 78);
	cr_expect_eq(line(SSH_SERVER, s, sizeof(s) - 1, &len, &used), 0);
}

Test(ssh_ident, s48_255_bytes_with_cr_lf_are_taken_and_256_are_not)
{
	char b[400];
	size_t len, used, n;

	for (int role = SSH_CLIENT; role <= SSH_SERVER; role++) {
		n = long_ident(b, 253, "\r\n");
		cr_expect_eq(line(role, b, n, &len, &used), 0);
		cr_expect(len == 253 && used == 255);
		n = long_ident(b, 253, "\n");
		cr_expect_eq(line(role, b, n, &len, &used), 0);
		n = long_ident(b, 254, "\r\n");
		cr_expect_eq(line(role, b, n, &len, &used), -SSH_E_IDENT);
		n = long_ident(b, 254, "\n");
		cr_expect_eq(line(role, b, n, &len, &used), -SSH_E_IDENT);
	}
}

Test(ssh_ident, s48_a_line_without_end_is_refused_once_it_is_too_long)
{
	char b[400];
	size_t len, used;

	long_ident(b, 390, "");
	cr_expect_eq(line(SSH_SERVER, b, 253, &len, &used), -EAGAIN);
	for (size_t n = 254; n < 390; n++)
		cr_expect_eq(line(SSH_SERVER, b, n, &len, &used), -SSH_E_IDENT, "%zu bytes", n);
	b[253] = '\r'; /* may be the end */
	cr_expect_eq(line(SSH_SERVER, b, 254, &len, &used), -EAGAIN);
	cr_expect_eq(line(SSH_SERVER, b, 255, &len, &used), -SSH_E_IDENT);
}

Test(ssh_ident, s48_ten_mebibytes_without_a_newline_are_refused_from_their_first_bytes)
{
	size_t n = 10 << 20, len, used;
	uint8_t *b = malloc(n);

	memset(b, 'A', n);
	cr_expect_eq(ssh_ident_line(SSH_SERVER, b, n, &len, &used), -SSH_E_IDENT);
	cr_expect_eq(ssh_ident_line(SSH_SERVER, b, SSH_IDENT_MAX + 2, &len, &used), -SSH_E_IDENT);
	cr_expect_eq(ssh_ident_line(SSH_CLIENT, b, n, &len, &used), -SSH_E_IDENT);
	cr_expect_eq(ssh_ident_line(SSH_CLIENT, b, SSH_IDENT_LINE_MAX, &len, &used), -EAGAIN);
	cr_expect_eq(ssh_ident_line(SSH_CLIENT, b, SSH_IDENT_LINE_MAX + 2, &len, &used),
		     -SSH_E_IDENT);
	free(b);
}

Test(ssh_ident, s48_nul_and_control_bytes_are_refused)
{
	static const struct {
		const char *s;
		size_t n;
	} c[] = {
		{"SSH-2.0-a\0b\r\n", 13}, {"\0SSH-2.0-ab\r\n", 13},  {"SSH-2.0-a\x1b[31m\r\n", 16},
		{"SSH-2.0-a\tb\r\n", 13}, {"SSH-2.0-a\x7f\r\n", 12}, {"SSH-2.0-a\r\r\n", 12},
		{"SSH-2.0-a\rb\r\n", 13}, {"SSH-2.0-a\0", 10},       {"SSH-2.0-\r\0\n", 11},
	};
	size_t len, used;

	for (size_t i = 0; i < N(c); i++) {
		cr_expect_eq(line(SSH_SERVER, c[i].s, c[i].n, &len, &used), -SSH_E_IDENT,
			     "case %zu", i);
		if (c[i].s[0] != 0)
			cr_expect_eq(line(SSH_CLIENT, c[i].s, c[i].n, &len, &used), -SSH_E_IDENT,
				     "case %zu", i);
	}
}

Test(ssh_ident, a_client_sees_lines_before_a_server_none)
{
	static const char hello[] = "\x1b[1mWelcome\tto\xc3\xa4\r\n";
	size_t len, used;

	cr_expect_eq(line(SSH_CLIENT, hello, sizeof(hello) - 1, &len, &used), 0);
	cr_expect_eq(line(SSH_CLIENT, "a\0b\r\n", 5, &len, &used), -SSH_E_IDENT);
	cr_expect_eq(line(SSH_SERVER, hello, sizeof(hello) - 1, &len, &used), -SSH_E_IDENT);
	cr_expect_eq(check(SSH_CLIENT, "Welcome"), -EAGAIN);
	cr_expect_eq(check(SSH_CLIENT, ""), -EAGAIN);
	cr_expect_eq(check(SSH_SERVER, "Welcome"), -SSH_E_IDENT);
	cr_expect_eq(check(SSH_SERVER, ""), -SSH_E_IDENT);
}

Test(ssh_ident, a_client_takes_a_line_of_8192_bytes_before_and_none_longer)
{
	static char b[SSH_IDENT_LINE_MAX + 8];
	size_t len, used;

	memset(b, 'm', sizeof(b));
	memcpy(b + SSH_IDENT_LINE_MAX, "\r\n", 2);
	cr_expect_eq(line(SSH_CLIENT, b, SSH_IDENT_LINE_MAX + 2, &len, &used), 0);
	cr_expect_eq(len, SSH_IDENT_LINE_MAX);
	memcpy(b + SSH_IDENT_LINE_MAX, "m\r\n", 3);
	cr_expect_eq(line(SSH_CLIENT, b, SSH_IDENT_LINE_MAX + 3, &len, &used), -SSH_E_IDENT);
}

Test(ssh_ident, s48_2_0_and_1_99_are_served)
{
	static const char *const good[] = {
		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
		"SSH-2.0-dropbear_2022.83",
		"SSH-2.0-paramiko_2.12.0",
		"SSH-2.0-Cisco-1.25",
		"SSH-2.0-PuTTY_Release_0.78",
		"SSH-1.99-OpenSSH_2.9",
		"SSH-2.0-x ",
		"SSH-2.0-x comments with \xc3\xa4",
	};

	for (size_t i = 0; i < N(good); i++) {
		cr_expect_eq(check(SSH_SERVER, good[i]), 0, "%s", good[i]);
		cr_expect_eq(check(SSH_CLIENT, good[i]), 0, "%s", good[i]);
	}
}

Test(ssh_ident, s48_other_versions_are_refused_with_their_own_reason)
{
	static const char *const other[] = {"SSH-1.5-x",  "SSH-2.1-x",
					    "SSH-1.0-x",  "SSH-3.0-x",
					    "SSH-2.00-x", "SSH-02.0-x",
					    "SSH-1.98-x", "SSH-1.999-x",
					    "SSH-20.0-x", "SSH-99999999999999999999.0-x"};

	for (size_t i = 0; i < N(other); i++) {
		cr_expect_eq(check(SSH_SERVER, other[i]), -SSH_E_VERSION, "%s", other[i]);
		cr_expect_eq(check(SSH_CLIENT, other[i]), -SSH_E_VERSION, "%s", other[i]);
	}
	cr_expect_eq(ssh_err_disconnect(-SSH_E_VERSION), 8);
}

Test(ssh_ident, what_only_looks_like_ssh_is_refused)
{
	static const char *const bad[] = {
		"SSH-",     "SSH-2",      "SSH-2.0",    "SSH-2.0-",  "SSH-2.0- x",   "SSH-1.99-",
		"SSH-2.0x", "SSH-.0-x",   "SSH-2.-x",   "SSH--x",    "SSH-a.b-x",    "SSH-2.0.1-x",
		"SSH-1.99", "SSH- 2.0-x", "SSH-+2.0-x", "SSH-2.0 x", "SSH-\xff\xff",
	};

	for (size_t i = 0; i < N(bad); i++) {
		cr_expect_eq(check(SSH_SERVER, bad[i]), -SSH_E_IDENT, "%s", bad[i]);
		cr_expect_eq(check(SSH_CLIENT, bad[i]), -SSH_E_IDENT, "%s", bad[i]);
	}
	cr_expect_eq(check(SSH_SERVER, "ssh-2.0-x"), -SSH_E_IDENT);
	cr_expect_eq(check(SSH_SERVER, " SSH-2.0-x"), -SSH_E_IDENT);
}

Test(ssh_ident, a_word_of_the_comments_says_that_nobody_waits)
{
	static const char *const yes[] = {"SSH-2.0-x unattended", "SSH-2.0-x a unattended b",
					  "SSH-2.0-x  unattended "};
	static const char *const no[] = {"SSH-2.0-unattended", "SSH-2.0-x unattende",
					 "SSH-2.0-x unattendeds", "SSH-2.0-x not-unattended",
					 "unattended", ""};

	for (size_t i = 0; i < N(yes); i++)
		cr_expect(ssh_ident_unattended((const uint8_t *)yes[i], strlen(yes[i])), "%zu", i);
	for (size_t i = 0; i < N(no); i++)
		cr_expect(!ssh_ident_unattended((const uint8_t *)no[i], strlen(no[i])), "%zu", i);
	cr_expect(!ssh_ident_unattended((const uint8_t *)yes[0], strlen(yes[0]) - 1), "cut off");
}

/*
 * ssh/proxy.c: headers of the PROXY protocol, what is none, and what we say ourselves.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/proxy.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define SIG  "\r\n\r\n\0\r\nQUIT\n"
#define B(s) s, sizeof(s) - 1

static const struct {
	const char *p;
	size_t len;
} refused[] = {
	{B("SSH-2.0-OpenSSH_9.2\r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n")},
	{B("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n")},
	{B("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n")},
	{B("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n")},
	{B("PROXY TCP4 ::1 ::2 1 2\r\n")},
	{B("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n")},
	{B("PROXY TCP6 ::1%eth0 ::2 1 2\r\n")},
	{B("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n")},
	{B("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n")},
	{B("PROXY \r\n")},
	{B("PROXY UNKNOWNER\r\n")},
	{B("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n")},
	{B("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n")},
	{B(SIG "\x11\x11\0\x0c"
	       "aaaabbbb\0\1\0\2")}, /* version 1 in binary */
	{B(SIG "\x22\x11\0\x0c"
	       "aaaabbbb\0\1\0\2")}, /* a command there is not */
	{B(SIG "\x21\x12\0\x0c"
	       "aaaabbbb\0\1\0\2")}, /* datagrams */
	{B(SIG "\x21\x31\0\x0c"
	       "aaaabbbb\0\1\0\2")}, /* UNIX sockets */
	{B(SIG "\x21\x11\0\x0b"
	       "aaaabbbb\0\1\0")}, /* shorter than its addresses */
	{B(SIG "\x21\x21\0\x0c"
	       "aaaabbbb\0\1\0\2")},
	{B(SIG "\x21\x11\xff\xff"
	       "aaaabbbb\0\1\0\2")}, /* longer than anybody reads */
};

Test(ssh_proxy, what_is_no_header)
{
	struct ssh_proxy h;
	size_t used;

	for (size_t i = 0; i < N(refused); i++)
		cr_expect_eq(
			ssh_proxy_parse((const uint8_t *)refused[i].p, refused[i].len, &h, &used),
			-SSH_E_IDENT, "%zu: %s", i, refused[i].p);
}

Test(ssh_proxy, a_line_that_does_not_end)
{
	uint8_t line[SSH_PROXY_V1_MAX + 1];
	struct ssh_proxy h;
	size_t used;

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	cr_expect_eq(ssh_proxy_parse(line, SSH_PROXY_V1_MAX - 1, &h, &used), -EAGAIN);
	cr_expect_eq(ssh_proxy_parse(line, SSH_PROXY_V1_MAX, &h, &used), -SSH_E_IDENT);
	line[SSH_PROXY_V1_MAX - 2] = '\r';
	line[SSH_PROXY_V1_MAX - 1] = '\n';
	cr_assert_eq(ssh_proxy_parse(line, sizeof(line), &h, &used), 0);
	cr_expect(h.local);
	cr_expect_eq(used, SSH_PROXY_V1_MAX);
}

static const struct {
	const char *p;
	size_t len;
	struct ssh_proxy is;
} taken[] = {
	{B("PROXY TCP4 192.0.2.7 198.51.100.1 40000 22\r\n"),
	 {.src = {4, 40000, {192, 0, 2, 7}}, .dst = {4, 22, {198, 51, 100, 1}}}},
	{B("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"),
	 {.src = {6, 0, {0x20, 1, 0xd, 0xb8, [15] = 7}}, .dst = {6, 65535, {[15] = 1}}}},
	{B("PROXY UNKNOWN\r\n"), {.local = true}},
	{B("PROXY UNKNOWN ffff:f...f:ffff 65535 whatever\r\n"), {.local = true}},
	{B(SIG "\x20\x00\0\0"), {.local = true}},
	{B(SIG "\x20\x11\0\x0c"
	       "aaaabbbb\0\1\0\2"),
	 {.local = true}},
	{B(SIG "\x21\x00\0\x04"
	       "what"),
	 {.local = true}},
	{B(SIG "\x21\x11\0\x0c"
	       "\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0\x16"),
	 {.src = {4, 40000, {192, 0, 2, 7}}, .dst = {4, 22, {198, 51, 100, 1}}}},
	{B(SIG "\x21\x11\0\x11"
	       "\xc0\0\2\7\xc6\x33\x64\1\x9c\x40\0\x16"
	       "\4\0\2zz"),
	 {.src = {4, 40000, {192, 0, 2, 7}}, .dst = {4, 22, {198, 51, 100, 1}}}},
	{B(SIG "\x21\x21\0\x24"
	       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
	       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\xff\xff"),
	 {.src = {6, 0, {0x20, 1, 0xd, 0xb8, [15] = 7}}, .dst = {6, 65535, {[15] = 1}}}},
};

static bool same(const struct ssh_proxy_addr *a, const struct ssh_proxy_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* Whole, with bytes behind it that are the client's, and at every length before. */
Test(ssh_proxy, headers_at_every_length)
{
	for (size_t i = 0; i < N(taken); i++) {
		uint8_t buf[256];
		struct ssh_proxy h;
		size_t used = 0;

		memcpy(buf, taken[i].p, taken[i].len);
		memcpy(buf + taken[i].len, "SSH-2.0-x\r\n", 11);
		for (size_t n = 0; n < taken[i].len; n++)
			cr_expect_eq(ssh_proxy_parse(buf, n, &h, &used), -EAGAIN, "%zu at %zu", i,
				     n);
		cr_assert_eq(ssh_proxy_parse(buf, taken[i].len + 11, &h, &used), 0, "%zu", i);
		cr_expect_eq(used, taken[i].len);
		cr_expect_eq(h.local, taken[i].is.local);
		cr_expect(same(&h.src, &taken[i].is.src) && same(&h.dst, &taken[i].is.dst), "%zu",
			  i);
	}
}

/* What we say is what we would read. */
Test(ssh_proxy, what_is_built_reads_the_same)
{
	for (size_t i = 0; i < N(taken); i++) {
		for (enum ssh_proxy_version v = SSH_PROXY_V1; v <= SSH_PROXY_V2; v++) {
			uint8_t buf[SSH_PROXY_V1_MAX + 1];
			struct ssh_proxy h;
			size_t used,
				n = ssh_proxy_build(v, &taken[i].is.src, &taken[i].is.dst, buf);

			cr_assert_eq(ssh_proxy_parse(buf, n, &h, &used), 0, "%zu", i);
			cr_expect_eq(used, n);
			cr_expect_eq(h.local, taken[i].is.local);
			cr_expect(same(&h.src, &taken[i].is.src) && same(&h.dst, &taken[i].is.dst));
		}
	}
}

Test(ssh_proxy, nothing_is_said_of_two_families)
{
	const struct ssh_proxy_addr a = {4, 1, {1}}, b = {6, 2, {1}};
	uint8_t buf[SSH_PROXY_V1_MAX + 1];
	struct ssh_proxy_addr long_one = {6, 65535, {0}};

	cr_expect_eq(ssh_proxy_build(SSH_PROXY_NONE, &a, &a, buf), 0);
	cr_expect_eq(ssh_proxy_build(SSH_PROXY_V1, &a, &b, buf), 15);
	cr_expect_arr_eq(buf, "PROXY UNKNOWN\r\n", 15);
	memset(long_one.addr, 0xee, 16);
	cr_expect_leq(ssh_proxy_build(SSH_PROXY_V1, &long_one, &long_one, buf), SSH_PROXY_V1_MAX);
}

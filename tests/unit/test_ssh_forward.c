/* Codecs of remote forwarding (RFC 4254 sections 7.1 and 7.2): what is refused, and round trips. */
#include <criterion/criterion.h>
#include <string.h>

#include "ssh/err.h"
#include "ssh/forward.h"
#include "ssh/msg.h"
#include "ssh/trans_msg.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buf[1024];

/* string, uint32, and a tail, as many of them as there are. */
static struct ssh_rd message(const char *address, uint32_t address_len, uint32_t port,
			     unsigned int parts, const char *tail)
{
	struct ssh_rd r;
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	for (unsigned int i = 0; i < parts; i++) {
		ssh_wr_str(&w, (struct ssh_str){(const uint8_t *)address, address_len});
		ssh_wr_u32(&w, port);
	}
	ssh_wr_bytes(&w, tail, strlen(tail));
	ssh_rd_init(&r, buf, ssh_wr_done(&w));
	return r;
}

static char long_name[SSH_HOST_MAX + 2];

Test(ssh_forward, requests_that_are_refused)
{
	const struct {
		const char *address;
		uint32_t len, port;
		const char *tail;
	} bad[] = {
		{"a", 1, 65536, ""},
		{"a", 1, UINT32_MAX, ""},
		{"a", 1, 80, "x"},
		{"a\nb", 3, 80, ""},
		{"a\0b", 3, 80, ""},
		{"a\x7f", 2, 80, ""},
		{long_name, SSH_HOST_MAX + 1, 80, ""},
	};

	memset(long_name, 'a', sizeof(long_name) - 1);
	for (size_t i = 0; i < N(bad); i++) {
		struct ssh_tcpip_forward m = {.port = 7};
		struct ssh_forwarded_tcpip f = {.port = 7};
		struct ssh_rd r = message(bad[i].address, bad[i].len, bad[i].port, 1, bad[i].tail);

		cr_expect_eq(ssh_tcpip_forward_parse(&r, &m), -SSH_E_FORMAT, "%zu", i);
		cr_expect_eq(m.port, 7, "untouched");
		r = message(bad[i].address, bad[i].len, bad[i].port, 2, bad[i].tail);
		cr_expect_eq(ssh_forwarded_tcpip_parse(&r, &f), -SSH_E_FORMAT, "%zu", i);
		cr_expect_eq(f.port, 7, "untouched");
	}
}

Test(ssh_forward, every_shorter_message_is_refused)
{
	for (unsigned int parts = 1; parts <= 2; parts++) {
		struct ssh_rd whole = message("198.18.0.2", 10, 8080, parts, "");
		size_t n = (size_t)(whole.end - whole.p);

		for (size_t len = 0; len < n; len++) {
			struct ssh_tcpip_forward m;
			struct ssh_forwarded_tcpip f;
			struct ssh_rd r;

			ssh_rd_init(&r, buf, len);
			if (parts == 1)
				cr_expect_lt(ssh_tcpip_forward_parse(&r, &m), 0, "%zu", len);
			else
				cr_expect_lt(ssh_forwarded_tcpip_parse(&r, &f), 0, "%zu", len);
		}
	}
}

Test(ssh_forward, addresses_of_all_forms)
{
	static const char *const good[] = {
		"",          "*",          "0.0.0.0",      "::",
		"localhost", "198.18.0.2", "fe80::1%eth0", "a name with spaces"};

	for (size_t i = 0; i < N(good); i++) {
		struct ssh_rd r = message(good[i], (uint32_t)strlen(good[i]), 0, 1, "");
		struct ssh_tcpip_forward m;

		cr_assert_eq(ssh_tcpip_forward_parse(&r, &m), 0, "%s", good[i]);
		cr_expect(ssh_str_eq(m.address, good[i]));
		cr_expect_eq(m.port, 0);
	}
	memset(long_name, 'a', SSH_HOST_MAX);
	for (uint32_t port = 0; port <= UINT16_MAX; port += 13107) {
		struct ssh_rd r = message(long_name, SSH_HOST_MAX, port, 1, "");
		struct ssh_tcpip_forward m;

		cr_assert_eq(ssh_tcpip_forward_parse(&r, &m), 0);
		cr_expect_eq(m.port, port);
	}
}

Test(ssh_forward, what_is_built_is_read)
{
	const struct ssh_tcpip_forward m = {ssh_str_c("::"), 65535};
	const struct ssh_forwarded_tcpip f = {ssh_str_c(""), 1, ssh_str_c("2001:db8::1"), 0};
	struct ssh_tcpip_forward got_m;
	struct ssh_forwarded_tcpip got_f;
	uint64_t epoch;
	struct ssh_wr w;
	struct ssh_rd r;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_tcpip_forward_build(&w, &m);
	ssh_rd_init(&r, buf, ssh_wr_done(&w));
	cr_assert_eq(ssh_tcpip_forward_parse(&r, &got_m), 0);
	cr_expect(ssh_str_eq(got_m.address, "::") && got_m.port == 65535);

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_forwarded_tcpip_build(&w, &f);
	ssh_rd_init(&r, buf, ssh_wr_done(&w));
	cr_assert_eq(ssh_forwarded_tcpip_parse(&r, &got_f), 0);
	cr_expect(ssh_str_eq(got_f.address, "") && got_f.port == 1);
	cr_expect(ssh_str_eq(got_f.originator, "2001:db8::1") && got_f.originator_port == 0);

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_forward_epoch_build(&w, UINT64_MAX - 1);
	ssh_rd_init(&r, buf, ssh_wr_done(&w));
	cr_assert_eq(ssh_forward_epoch_parse(&r, &epoch), 0);
	cr_expect_eq(epoch, UINT64_MAX - 1);
}

Test(ssh_forward, epochs_and_ports_that_are_refused)
{
	uint64_t epoch = 7;
	uint16_t port = 7;
	struct ssh_rd r;

	memset(buf, 0, sizeof(buf));
	for (size_t len = 0; len < 12; len++) {
		ssh_rd_init(&r, buf, len);
		cr_expect_eq(ssh_forward_epoch_parse(&r, &epoch), len == 8 ? 0 : -SSH_E_FORMAT);
		ssh_rd_init(&r, buf, len);
		cr_expect_eq(ssh_forward_port_parse(&r, &port), -SSH_E_FORMAT, "0 is no port");
	}
	buf[1] = 1;
	ssh_rd_init(&r, buf, 4);
	cr_expect_eq(ssh_forward_port_parse(&r, &port), -SSH_E_FORMAT, "65536 is none");
	cr_expect_eq(port, 7);
	buf[1] = 0;
	buf[2] = 8;
	ssh_rd_init(&r, buf, 4);
	cr_expect_eq(ssh_forward_port_parse(&r, &port), 0);
	cr_expect_eq(port, 2048);
}

Test(ssh_forward, how_long_to_stay_away)
{
	static const struct {
		const char *text;
		bool says;
		uint32_t seconds;
	} c[] = {
		{"shutting down retry-after=5", true, 5},
		{"retry-after=0", true, 0},
		{"x retry-after=4294967295", true, UINT32_MAX},
		{"x retry-after=4294967296", false, 0},
		{"x retry-after=00000000005", false, 0},
		{"xretry-after=5", false, 0},
		{"retry-after=5 or so", false, 0},
		{"retry-after=", false, 0},
		{"retry-after=-5", false, 0},
		{"after=5", false, 0},
		{"5", false, 0},
		{"", false, 0},
	};

	for (size_t i = 0; i < N(c); i++) {
		uint32_t seconds = 77;

		cr_expect_eq(ssh_retry_after_parse(ssh_str_c(c[i].text), &seconds), c[i].says, "%s",
			     c[i].text);
		cr_expect_eq(seconds, c[i].says ? c[i].seconds : 77, "%s", c[i].text);
	}
}

Test(ssh_forward, the_extension_says_it_too)
{
	for (uint32_t n = 0; n < 100; n += 33) {
		struct ssh_ext_info m;
		struct ssh_wr w;
		struct ssh_rd r;

		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_ext_info_build(&w, "ssh-ed25519", n);
		ssh_rd_init(&r, buf + 1, ssh_wr_done(&w) - 1);
		cr_assert_eq(ssh_ext_info_parse(&r, &m), 0);
		cr_expect(m.has_server_sig_algs && m.hostbound);
		cr_expect_eq(m.retry_after, n);
	}
}

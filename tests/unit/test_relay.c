/* dataplane/relay: connections, what is settled and what is handed on, with control played. */
#include "tests/util/relay_bench.h"

TestSuite(relay, .init = bench_start, .fini = bench_end);

Test(relay, a_login_passes_both_ways)
{
	struct client c = client_login();

	cr_expect_eq(c.h.dataplane, 3);
	cr_expect_eq(c.h.shard, 5);
	cr_expect_eq(bench_count(RELAY_C_CONNS), 1);
	client_free(&c);
}

Test(relay, every_suite_carries_a_login_and_a_channel)
{
	static const char *const suites[][2] = {
		{"aes128-gcm@openssh.com", ""},
		{"aes256-gcm@openssh.com", ""},
		{"chacha20-poly1305@openssh.com", ""},
		{"aes128-ctr", "hmac-sha2-256"},
		{"aes256-ctr", "hmac-sha2-512-etm@openssh.com"},
	};

	for (unsigned int i = 0; i < RTE_DIM(suites); i++) {
		struct client c = client_new(suites[i][0], suites[i][1]);
		struct bench_chan ch;
		char got[5];

		client_ident(&c);
		client_kex(&c);
		client_auth(&c, &bench_auth);
		ch = client_channel(&c, 1, 1 << 20);
		client_data(&c, ch.local, "hello", 5);
		bench_settle();
		fake_drain(ch.target, got, 5);
		cr_expect_eq(memcmp(got, "hello", 5), 0);
		fake_eof(c.f);
		client_ended(&c, -SSH_E_CLOSED);
		client_free(&c);
	}
}

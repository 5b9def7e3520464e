/*
 * control/session: opens without end on one connection (S-54): each is answered, none leaves
 * anything behind.
 */
#include <malloc.h>

#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

static void begin(void)
{
	start("LogLevel QUIET\nSlowPathRate 0\nMaxChannelsPerConnection 4\nPermitOpen any\n"
	      "Match User demo\nPermitOpen *:80 203.0.113.5:22");
}

TestSuite(control_opens, .init = begin, .fini = teardown, .timeout = 600);

static uint32_t build(uint8_t *buf, size_t size, const char *type, uint32_t number,
		      const char *host, uint16_t port)
{
	struct ssh_direct_tcpip d = {ssh_str_c(host), port, ssh_str_c("::1"), 1};
	struct ssh_chan_open m = {.type = ssh_str_c(type),
				  .sender_channel = number,
				  .window_size = 65536,
				  .packet_max = 32768};
	uint8_t rest[256];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	if (host[0] != '\0')
		ssh_direct_tcpip_build(&w, &d);
	else
		ssh_wr_bytes(&w, "junk", 4);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, size);
	ssh_chan_open_build(&w, &m);
	return (uint32_t)ssh_wr_done(&w);
}

/* The reason of the next CHANNEL_OPEN_FAILURE, which is about this number. */
static uint32_t refused(uint32_t number)
{
	const struct link_bytes *b = item_of(LINK_IT_PAYLOAD);
	struct ssh_chan_failure f;
	struct ssh_rd r;

	cr_assert_not_null(b, "no answer about %u", number);
	ssh_rd_init(&r, (const uint8_t *)(b + 1) + 1, b->len - 1);
	cr_assert_eq(*(const uint8_t *)(b + 1), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	cr_assert_eq(f.recipient_channel, number);
	return f.reason;
}

/* Every way in which an open is refused without a shard having been asked. */
static const struct {
	const char *type, *host;
	uint16_t port;
	uint32_t reason;
} no[] = {
	{"direct-tcpip", "203.0.113.5", 23, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	{"direct-tcpip", "127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	{"direct-tcpip", "bad host", 80, SSH_OPEN_CONNECT_FAILED},
	{"direct-tcpip", "", 0, SSH_OPEN_CONNECT_FAILED},
	{"session", "", 0, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	{"x11", "", 0, SSH_OPEN_UNKNOWN_CHANNEL_TYPE},
};

#define NO (sizeof(no) / sizeof(no[0]))

Test(control_opens, s54_refused_ones_leave_nothing)
{
	uint32_t times = test_long() ? 10000000 : 10000;
	struct client c = client_in(1, 1);
	size_t held = 0;

	for (uint32_t i = 0; i < times; i++) {
		uint8_t buf[512];
		struct ssh_str open = {buf, build(buf, sizeof(buf), no[i % NO].type, i,
						  no[i % NO].host, no[i % NO].port)};

		client_payload(&c, &open);
		cr_assert_eq(refused(i), no[i % NO].reason, "%u", i);
		items_drop();
		if (i == 1000)
			held = mallinfo2().uordblks;
		if (i % 1000 == 999 && i > 1000)
			cr_assert_leq(mallinfo2().uordblks, held + 4096, "after %u", i);
	}
	cr_expect_eq(t.env.stats.channels, 0);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/* Those the shard could not connect are gone as well, by its word about them. */
Test(control_opens, s54_failed_ones_leave_nothing)
{
	uint32_t times = test_long() ? 1000000 : 5000;
	struct client c = client_in(1, 1);
	size_t held = 0;

	for (uint32_t i = 0; i < times; i++) {
		uint8_t buf[512];
		struct ssh_str open = {buf, build(buf, sizeof(buf), "direct-tcpip", i,
						  "203.0.113.5", i % 2 != 0 ? 80 : 22)};
		const struct link_chan_connect *m;
		struct link_chan_failed ev = {.err = -ECONNREFUSED,
					      .reason = SSH_OPEN_CONNECT_FAILED};

		client_payload(&c, &open);
		m = item_of(LINK_IT_CHAN_CONNECT);
		cr_assert_not_null(m, "%u", i); /* never "too many channels" */
		ev.token = m->token;
		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
		items_drop();
		if (i == 1000)
			held = mallinfo2().uordblks;
		if (i % 1000 == 999 && i > 1000)
			cr_assert_leq(mallinfo2().uordblks, held + 4096, "after %u", i);
	}
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

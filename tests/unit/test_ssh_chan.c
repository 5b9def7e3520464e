/* ssh/chan.c: every pair of state and event, and the codecs of RFC 4254 section 5. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/chan.h"
#include "ssh/err.h"
#include "ssh/msg.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- states ------------------------------------------------------------------------ */

/* RFC 4254 sections 5.1 to 5.3, in words. Returns the next state, 0 for none. */
static unsigned int rule(unsigned int s, bool eof_received, unsigned int ev, unsigned int *act)
{
	bool from_peer = ev >= SSH_CHAN_EV_PEER_DATA && ev <= SSH_CHAN_EV_PEER_REQUEST;

	*act = SSH_CHAN_ACT_NONE;
	/* An OPEN is answered once, and only while it is not. */
	if (ev == SSH_CHAN_EV_CONFIRMED || ev == SSH_CHAN_EV_REFUSED) {
		if (s != SSH_CHAN_OPENING && s != SSH_CHAN_ABANDONED)
			return 0;
		if (ev == SSH_CHAN_EV_REFUSED) {
			*act = SSH_CHAN_ACT_FREE;
			return SSH_CHAN_CLOSED;
		}
		*act = s == SSH_CHAN_OPENING ? SSH_CHAN_ACT_START : SSH_CHAN_ACT_SEND_CLOSE;
		return s == SSH_CHAN_OPENING ? SSH_CHAN_OPEN : SSH_CHAN_CLOSE_SENT;
	}
	/* We close once; where CLOSE goes is known after the confirmation. */
	if (ev == SSH_CHAN_EV_LOCAL_CLOSE) {
		if (s == SSH_CHAN_OPENING)
			return SSH_CHAN_ABANDONED;
		*act = SSH_CHAN_ACT_SEND_CLOSE;
		return s == SSH_CHAN_OPEN ? SSH_CHAN_CLOSE_SENT : 0;
	}
	/* The peer speaks on a channel from its confirmation to its CLOSE. */
	if (!from_peer || (s != SSH_CHAN_OPEN && s != SSH_CHAN_CLOSE_SENT))
		return 0;
	if (ev == SSH_CHAN_EV_PEER_CLOSE) {
		*act = s == SSH_CHAN_OPEN ? SSH_CHAN_ACT_REPLY_CLOSE : SSH_CHAN_ACT_FREE;
		return SSH_CHAN_CLOSED;
	}
	if (ev == SSH_CHAN_EV_PEER_DATA && eof_received)
		return 0;
	if (s == SSH_CHAN_OPEN && !(ev == SSH_CHAN_EV_PEER_EOF && eof_received))
		*act = SSH_CHAN_ACT_DELIVER;
	if (s == SSH_CHAN_CLOSE_SENT && ev == SSH_CHAN_EV_PEER_DATA)
		*act = SSH_CHAN_ACT_DISCARD;
	return s;
}

Test(ssh_chan, s17_s18_every_pair_of_state_and_event)
{
	for (unsigned int s = 0; s < SSH_CHAN_STATES + 2; s++) {
		for (unsigned int ev = 0; ev < SSH_CHAN_EVENTS + 2; ev++) {
			for (unsigned int eof = 0; eof < 4; eof++) {
				struct ssh_chan_fsm c = {s, eof & 1, eof & 2};
				enum ssh_chan_act act = 99;
				unsigned int want_act, next = rule(s, eof & 1, ev, &want_act);
				int r = ssh_chan_step(&c, ev, &act);

				cr_expect_eq(c.eof_sent, !!(eof & 2));
				if (next == 0) {
					cr_expect_eq(r, -SSH_E_CHANNEL_STATE, "state %u event %u",
						     s, ev);
					cr_expect(c.state == s && act == 99 &&
						  c.eof_received == (eof & 1));
					continue;
				}
				cr_expect_eq(r, 0, "state %u event %u", s, ev);
				cr_expect(c.state == next && act == want_act, "state %u event %u",
					  s, ev);
				cr_expect_eq(c.eof_received,
					     (eof & 1) || ev == SSH_CHAN_EV_PEER_EOF);
			}
		}
	}
}

static int play(const uint8_t *ev, size_t n, struct ssh_chan_fsm *c, enum ssh_chan_act *act)
{
	int r = 0;

	*c = (struct ssh_chan_fsm){.state = SSH_CHAN_OPENING};
	for (size_t i = 0; i < n; i++) {
		r = ssh_chan_step(c, ev[i], act);
		if (i + 1 < n)
			cr_assert_eq(r, 0, "event %zu", i);
	}
	return r;
}
#define PLAY(...)                                                                                  \
	play((uint8_t[]){SSH_CHAN_EV_CONFIRMED, __VA_ARGS__},                                      \
	     sizeof((uint8_t[]){SSH_CHAN_EV_CONFIRMED, __VA_ARGS__}), &c, &act)

Test(ssh_chan, s17_data_after_eof_or_close_is_refused)
{
	struct ssh_chan_fsm c;
	enum ssh_chan_act act;

	cr_expect_eq(PLAY(SSH_CHAN_EV_PEER_EOF, SSH_CHAN_EV_PEER_DATA), -SSH_E_CHANNEL_STATE);
	cr_expect_eq(PLAY(SSH_CHAN_EV_PEER_CLOSE, SSH_CHAN_EV_PEER_DATA), -SSH_E_CHANNEL_STATE);
	cr_expect_eq(PLAY(SSH_CHAN_EV_PEER_EOF, SSH_CHAN_EV_LOCAL_CLOSE, SSH_CHAN_EV_PEER_DATA),
		     -SSH_E_CHANNEL_STATE);
	cr_expect_eq(PLAY(SSH_CHAN_EV_LOCAL_CLOSE, SSH_CHAN_EV_PEER_CLOSE, SSH_CHAN_EV_PEER_ADJUST),
		     -SSH_E_CHANNEL_STATE);
}

Test(ssh_chan, s17_window_adjust_and_requests_after_eof_are_fine)
{
	struct ssh_chan_fsm c;
	enum ssh_chan_act act;

	cr_expect_eq(PLAY(SSH_CHAN_EV_PEER_EOF, SSH_CHAN_EV_PEER_ADJUST), 0);
	cr_expect_eq(act, SSH_CHAN_ACT_DELIVER);
	cr_expect_eq(PLAY(SSH_CHAN_EV_PEER_EOF, SSH_CHAN_EV_PEER_REQUEST), 0);
	cr_expect_eq(act, SSH_CHAN_ACT_DELIVER);
}

Test(ssh_chan, data_that_crosses_our_close_is_counted_and_dropped)
{
	struct ssh_chan_fsm c;
	enum ssh_chan_act act;

	cr_expect_eq(PLAY(SSH_CHAN_EV_LOCAL_CLOSE, SSH_CHAN_EV_PEER_DATA), 0);
	cr_expect_eq(act, SSH_CHAN_ACT_DISCARD);
	cr_expect_eq(PLAY(SSH_CHAN_EV_LOCAL_CLOSE, SSH_CHAN_EV_PEER_DATA, SSH_CHAN_EV_PEER_CLOSE),
		     0);
	cr_expect_eq(act, SSH_CHAN_ACT_FREE);
}

Test(ssh_chan, s18_a_second_confirmation_and_one_after_failure_are_refused)
{
	struct ssh_chan_fsm c;
	enum ssh_chan_act act;

	cr_expect_eq(PLAY(SSH_CHAN_EV_CONFIRMED), -SSH_E_CHANNEL_STATE);
	cr_expect_eq(PLAY(SSH_CHAN_EV_REFUSED), -SSH_E_CHANNEL_STATE);
	cr_expect_eq(play((uint8_t[]){SSH_CHAN_EV_REFUSED, SSH_CHAN_EV_CONFIRMED}, 2, &c, &act),
		     -SSH_E_CHANNEL_STATE);
}

/* Whatever the order, a channel ends with one CLOSE from each side, and no act after it. */
Test(ssh_chan, random_lives_send_close_at_most_once_and_end_once)
{
	uint64_t seed = rnd_seed();
	struct rnd r = rnd_new(seed);

	for (int life = 0; life < 20000; life++) {
		struct ssh_chan_fsm c = {.state = SSH_CHAN_OPENING};
		unsigned int closes = 0, ends = 0;

		for (int i = 0; i < 40; i++) {
			enum ssh_chan_act act = SSH_CHAN_ACT_NONE;
			bool was_closed = c.state == SSH_CHAN_CLOSED;

			if (ssh_chan_step(&c, 1 + rnd_below(&r, SSH_CHAN_EVENTS - 1), &act) < 0)
				continue;
			cr_assert_not(was_closed, "seed %lu life %d", seed, life);
			closes += act == SSH_CHAN_ACT_SEND_CLOSE || act == SSH_CHAN_ACT_REPLY_CLOSE;
			ends += act == SSH_CHAN_ACT_FREE || act == SSH_CHAN_ACT_REPLY_CLOSE;
		}
		cr_assert_leq(closes, 1, "seed %lu life %d", seed, life);
		cr_assert_eq(ends, c.state == SSH_CHAN_CLOSED, "seed %lu life %d", seed, life);
	}
}

/* --- limits ------------------------------------------------------------------------ */

Test(ssh_chan, s50_a_packet_size_below_the_floor_is_refused)
{
	static const uint32_t low[] = {0, 1, 2, 9, 128, SSH_CHAN_PACKET_MIN - 1};
	static const uint32_t fine[] = {SSH_CHAN_PACKET_MIN, 1024, 32768, 0x7fffffff, UINT32_MAX};

	for (size_t i = 0; i < N(low); i++)
		cr_expect_eq(ssh_chan_limits_check(low[i]), -SSH_E_PACKET_SIZE, "%u", low[i]);
	for (size_t i = 0; i < N(fine); i++)
		cr_expect_eq(ssh_chan_limits_check(fine[i]), 0, "%u", fine[i]);
}

/* --- codecs ------------------------------------------------------------------------ */

static uint8_t buf[2048];

/* What was written, from behind the message number, in memory of exactly its size. */
static struct ssh_rd body(struct ssh_wr *w, uint8_t msg)
{
	static uint8_t *exact;
	size_t n = ssh_wr_done(w);
	struct ssh_rd r;

	cr_assert_gt(n, 0);
	cr_assert_eq(buf[0], msg);
	free(exact);
	exact = malloc(n);
	memcpy(exact, buf + 1, n - 1);
	ssh_rd_init(&r, exact, n - 1);
	return r;
}

static struct ssh_wr writer(void)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	return w;
}

static bool same(struct ssh_str a, struct ssh_str b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

Test(ssh_chan, open_comes_back)
{
	struct ssh_chan_open m = {ssh_str_c("direct-tcpip"), 7, 2097152, 32768, ssh_str_c("rest")};
	struct ssh_chan_open got;
	struct ssh_wr w = writer();
	struct ssh_rd r;

	ssh_chan_open_build(&w, &m);
	r = body(&w, SSH_MSG_CHANNEL_OPEN);
	cr_assert_eq(ssh_chan_open_parse(&r, &got), 0);
	cr_expect(same(got.type, m.type) && same(got.rest, m.rest));
	cr_expect(got.sender_channel == 7 && got.window_size == 2097152 && got.packet_max == 32768);
}

Test(ssh_chan, confirm_comes_back)
{
	struct ssh_chan_confirm m = {1, 2, 3, 4, ssh_str_c("")}, got;
	struct ssh_wr w = writer();
	struct ssh_rd r;

	ssh_chan_confirm_build(&w, &m);
	r = body(&w, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	cr_assert_eq(ssh_chan_confirm_parse(&r, &got), 0);
	cr_expect(got.recipient_channel == 1 && got.sender_channel == 2 && got.window_size == 3 &&
		  got.packet_max == 4 && got.rest.len == 0);
}

Test(ssh_chan, failure_comes_back)
{
	struct ssh_chan_failure m = {5, SSH_OPEN_CONNECT_FAILED, ssh_str_c("refused"),
				     ssh_str_c("en")};
	struct ssh_chan_failure got;
	struct ssh_wr w = writer();
	struct ssh_rd r;

	ssh_chan_failure_build(&w, &m);
	r = body(&w, SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_assert_eq(ssh_chan_failure_parse(&r, &got), 0);
	cr_expect(got.recipient_channel == 5 && got.reason == 2);
	cr_expect(same(got.description, m.description) && same(got.language, m.language));
}

Test(ssh_chan, request_comes_back)
{
	struct ssh_chan_request m = {
		6, ssh_str_c("exit-status"), false, {(const uint8_t *)"\0\0\0\1", 4}};
	struct ssh_chan_request got;
	struct ssh_wr w = writer();
	struct ssh_rd r;

	ssh_chan_request_build(&w, &m);
	r = body(&w, SSH_MSG_CHANNEL_REQUEST);
	cr_assert_eq(ssh_chan_request_parse(&r, &got), 0);
	cr_expect(got.recipient_channel == 6 && !got.want_reply);
	cr_expect(same(got.type, m.type) && same(got.rest, m.rest));
}

Test(ssh_chan, data_and_extended_data_come_back)
{
	for (uint32_t type = 0; type < 2; type++) {
		struct ssh_chan_data m = {9, type, ssh_str_c("bytes")}, got, head;
		uint8_t msg = type ? SSH_MSG_CHANNEL_EXTENDED_DATA : SSH_MSG_CHANNEL_DATA;
		struct ssh_wr w = writer();
		uint32_t n = 0;
		struct ssh_rd r;

		ssh_chan_data_build(&w, &m);
		r = body(&w, msg);
		cr_assert_eq(ssh_chan_data_parse(&r, msg, &got), 0);
		cr_expect(got.recipient_channel == 9 && got.data_type == type);
		cr_expect(same(got.data, m.data));

		cr_assert_eq(ssh_chan_data_head_parse(buf, SSH_CHAN_EXTENDED_HEAD,
						      (uint32_t)ssh_wr_done(&w), &head, &n),
			     0);
		cr_expect(head.recipient_channel == 9 && head.data_type == type);
		cr_expect(head.data.len == 5 && head.data.p == NULL);
		cr_expect_eq(n, type ? SSH_CHAN_EXTENDED_HEAD : SSH_CHAN_DATA_HEAD);
	}
}

Test(ssh_chan, a_data_head_that_lies_about_its_length_is_refused)
{
	static const struct {
		const char *head;
		uint32_t head_len, payload_len;
	} c[] = {
		{"\x5e\0\0\0\1\0\0\0\5", 9, 13},        /* one byte missing */
		{"\x5e\0\0\0\1\0\0\0\5", 9, 15},        /* one left over */
		{"\x5e\0\0\0\1\xff\xff\xff\xff", 9, 8}, /* payload shorter than its head */
		{"\x5e\0\0\0\1\xff\xff\xff\xff", 9, 9},
		{"\x5e\0\0\0\1\0\0\0", 8, 8}, /* short head */
		{"\x5f\0\0\0\1\0\0\0\1\0\0\0", 12, 12},
		{"\x5f\0\0\0\1\0\0\0\0\0\0\0\0", 13, 13}, /* extended data without a type */
		{"\x5f\0\0\0\1\0\0\0\1\0\0\0\1", 13, 13},
		{"\x5d\0\0\0\1\0\0\0\0", 9, 9}, /* another message */
		{"", 0, 0},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct ssh_chan_data d;
		uint32_t n = 77;

		cr_expect_eq(ssh_chan_data_head_parse((const uint8_t *)c[i].head, c[i].head_len,
						      c[i].payload_len, &d, &n),
			     -SSH_E_FORMAT, "case %zu", i);
		cr_expect_eq(n, 77);
	}
}

Test(ssh_chan, a_data_head_is_what_is_put_before_a_chain)
{
	struct ssh_wr w = writer();

	ssh_chan_data_head_build(&w, 0x01020304, 0x8000);
	cr_assert_eq(ssh_wr_done(&w), SSH_CHAN_DATA_HEAD);
	cr_expect_arr_eq(buf, "\x5e\1\2\3\4\0\0\x80\0", 9);
}

Test(ssh_chan, adjust_and_simple_messages_come_back)
{
	static const uint8_t simple[] = {SSH_MSG_CHANNEL_EOF, SSH_MSG_CHANNEL_CLOSE,
					 SSH_MSG_CHANNEL_SUCCESS, SSH_MSG_CHANNEL_FAILURE};
	struct ssh_wr w = writer();
	struct ssh_rd r;
	uint32_t channel, bytes;

	ssh_chan_adjust_build(&w, 3, UINT32_MAX);
	r = body(&w, SSH_MSG_CHANNEL_WINDOW_ADJUST);
	cr_expect_eq(ssh_chan_adjust_parse(&r, &channel, &bytes), 0);
	cr_expect(channel == 3 && bytes == UINT32_MAX);
	for (size_t i = 0; i < N(simple); i++) {
		w = writer();
		ssh_chan_simple_build(&w, simple[i], 4);
		r = body(&w, simple[i]);
		cr_expect_eq(ssh_chan_simple_parse(&r, &channel), 0);
		cr_expect_eq(channel, 4);
	}
}

static int parse_any(uint8_t msg, const uint8_t *p, size_t n)
{
	union {
		struct ssh_chan_open open;
		struct ssh_chan_confirm confirm;
		struct ssh_chan_failure failure;
		struct ssh_chan_data data;
		struct ssh_chan_request request;
	} u;
	uint32_t channel, bytes;
	struct ssh_rd r;

	ssh_rd_init(&r, p, n);
	switch (msg) {
	case SSH_MSG_CHANNEL_OPEN:
		return ssh_chan_open_parse(&r, &u.open);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		return ssh_chan_confirm_parse(&r, &u.confirm);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		return ssh_chan_failure_parse(&r, &u.failure);
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		return ssh_chan_adjust_parse(&r, &channel, &bytes);
	case SSH_MSG_CHANNEL_DATA:
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		return ssh_chan_data_parse(&r, msg, &u.data);
	case SSH_MSG_CHANNEL_REQUEST:
		return ssh_chan_request_parse(&r, &u.request);
	default:
		return ssh_chan_simple_parse(&r, &channel);
	}
}

/* OPEN, CONFIRMATION and REQUEST end in a part of the type's own: a byte more is not theirs. */
static bool has_rest(uint8_t msg)
{
	return msg == SSH_MSG_CHANNEL_OPEN || msg == SSH_MSG_CHANNEL_OPEN_CONFIRMATION ||
	       msg == SSH_MSG_CHANNEL_REQUEST;
}

Test(ssh_chan, every_message_cut_short_or_with_a_byte_more_is_refused)
{
	static const struct {
		uint8_t msg;
		const char *p;
		size_t n;
	} c[] = {
		{90, "\0\0\0\1x\0\0\0\1\0\0\0\2\0\0\0\3", 17},
		{91, "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4", 16},
		{92, "\0\0\0\1\0\0\0\2\0\0\0\1x\0\0\0\1y", 18},
		{93, "\0\0\0\1\0\0\0\2", 8},
		{94, "\0\0\0\1\0\0\0\3abc", 11},
		{95, "\0\0\0\1\0\0\0\1\0\0\0\3abc", 15},
		{96, "\0\0\0\1", 4},
		{97, "\0\0\0\1", 4},
		{98, "\0\0\0\1\0\0\0\1x\1", 10},
		{99, "\0\0\0\1", 4},
		{100, "\0\0\0\1", 4},
	};

	for (size_t i = 0; i < N(c); i++) {
		uint8_t more[32] = {0};

		for (size_t n = 0; n < c[i].n; n++) {
			uint8_t *exact = malloc(n ? n : 1);

			memcpy(exact, c[i].p, n);
			cr_expect_eq(parse_any(c[i].msg, exact, n), -SSH_E_FORMAT, "%u, %zu bytes",
				     c[i].msg, n);
			free(exact);
		}
		cr_expect_eq(parse_any(c[i].msg, (const uint8_t *)c[i].p, c[i].n), 0);
		memcpy(more, c[i].p, c[i].n);
		cr_expect_eq(parse_any(c[i].msg, more, c[i].n + 1),
			     has_rest(c[i].msg) ? 0 : -SSH_E_FORMAT, "%u", c[i].msg);
	}
}

Test(ssh_chan, types_that_are_no_names_are_refused)
{
	static char longest[SSH_TYPE_MAX + 2];
	static const struct {
		const char *p;
		uint32_t n;
	} bad[] = {{"", 0},         {"a b", 3},      {"a\0b", 3},     {"\n", 1},
		   {"sess\x7f", 5}, {"\xc3\xa4", 2}, {"session ", 8}, {longest, SSH_TYPE_MAX + 1}};

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < N(bad); i++) {
		struct ssh_chan_open o = {.type = {(const uint8_t *)bad[i].p, bad[i].n}};
		struct ssh_chan_request q = {.type = o.type};
		struct ssh_wr w = writer();
		struct ssh_rd r;

		ssh_chan_open_build(&w, &o);
		r = body(&w, SSH_MSG_CHANNEL_OPEN);
		cr_expect_eq(ssh_chan_open_parse(&r, &o), -SSH_E_FORMAT, "case %zu", i);
		w = writer();
		ssh_chan_request_build(&w, &q);
		r = body(&w, SSH_MSG_CHANNEL_REQUEST);
		cr_expect_eq(ssh_chan_request_parse(&r, &q), -SSH_E_FORMAT, "case %zu", i);
	}
}

/* --- direct-tcpip -------------------------------------------------------------------- */

static int direct(struct ssh_str host, uint32_t port, struct ssh_str from, uint32_t from_port,
		  struct ssh_direct_tcpip *ret)
{
	struct ssh_wr w = writer();
	struct ssh_rd r;

	ssh_wr_str(&w, host);
	ssh_wr_u32(&w, port);
	ssh_wr_str(&w, from);
	ssh_wr_u32(&w, from_port);
	cr_assert_gt(ssh_wr_done(&w), 0);
	ssh_rd_init(&r, buf, ssh_wr_done(&w));
	return ssh_direct_tcpip_parse(&r, ret);
}

Test(ssh_chan, direct_tcpip_comes_back)
{
	struct ssh_direct_tcpip m = {ssh_str_c("2001:db8::1"), 65535, ssh_str_c("10.0.0.1"), 40000};
	struct ssh_direct_tcpip got;
	struct ssh_wr w = writer();
	struct ssh_rd r;

	ssh_direct_tcpip_build(&w, &m);
	ssh_rd_init(&r, buf, ssh_wr_done(&w));
	cr_assert_eq(ssh_direct_tcpip_parse(&r, &got), 0);
	cr_expect(same(got.host, m.host) && got.port == 65535);
	cr_expect(same(got.originator, m.originator) && got.originator_port == 40000);
}

Test(ssh_chan, direct_tcpip_takes_an_empty_originator)
{
	struct ssh_direct_tcpip got;

	cr_expect_eq(direct(ssh_str_c("h"), 1, ssh_str_c(""), 0, &got), 0);
}

Test(ssh_chan, direct_tcpip_refuses_ports_that_are_none)
{
	static const uint32_t port[] = {0, 65536, 65536 + 22, 0x80000000, UINT32_MAX};
	struct ssh_direct_tcpip got;

	for (size_t i = 0; i < N(port); i++)
		cr_expect_eq(direct(ssh_str_c("h"), port[i], ssh_str_c("o"), 1, &got),
			     -SSH_E_FORMAT, "%u", port[i]);
	cr_expect_eq(direct(ssh_str_c("h"), 1, ssh_str_c("o"), 65536, &got), -SSH_E_FORMAT);
}

Test(ssh_chan, direct_tcpip_refuses_names_with_nul_or_control_characters)
{
	static const struct {
		const char *p;
		uint32_t n;
	} bad[] = {{"a\0", 2},  {"\0", 1},   {"ok.example\0.evil", 16},
		   {"a\nb", 3}, {"a\rb", 3}, {"\x1b[2J", 4},
		   {"a\tb", 3}, {"a\x7f", 2}};
	struct ssh_direct_tcpip got;

	for (size_t i = 0; i < N(bad); i++) {
		struct ssh_str s = {(const uint8_t *)bad[i].p, bad[i].n};

		cr_expect_eq(direct(s, 1, ssh_str_c("o"), 1, &got), -SSH_E_FORMAT, "host %zu", i);
		cr_expect_eq(direct(ssh_str_c("h"), 1, s, 1, &got), -SSH_E_FORMAT, "from %zu", i);
	}
}

Test(ssh_chan, direct_tcpip_refuses_names_empty_or_too_long)
{
	static uint8_t name[SSH_HOST_MAX + 1];
	struct ssh_direct_tcpip got;

	memset(name, 'a', sizeof(name));
	cr_expect_eq(direct((struct ssh_str){name, SSH_HOST_MAX}, 1, ssh_str_c(""), 1, &got), 0);
	cr_expect_eq(direct((struct ssh_str){name, SSH_HOST_MAX + 1}, 1, ssh_str_c(""), 1, &got),
		     -SSH_E_FORMAT);
	cr_expect_eq(direct(ssh_str_c(""), 1, ssh_str_c(""), 1, &got), -SSH_E_FORMAT);
	cr_expect_eq(direct(ssh_str_c("h"), 1, (struct ssh_str){name, SSH_HOST_MAX + 1}, 1, &got),
		     -SSH_E_FORMAT);
}

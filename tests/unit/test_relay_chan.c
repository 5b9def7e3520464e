/* dataplane/relay: channels - their bytes, windows, ends and numbers. */
#include "tests/util/relay_bench.h"

TestSuite(relay_chan, .init = bench_start, .fini = bench_end);

/* The bytes of CHANNEL_DATA the client gets next, or 0: another message or none. */
static uint32_t next_data(struct client *c, const struct bench_chan *ch, const uint8_t **ret)
{
	struct ssh_chan_data d;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	if (client_next(c, &p, &n) != SSH_MSG_CHANNEL_DATA)
		return 0;
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_data_parse(&r, SSH_MSG_CHANNEL_DATA, &d), 0);
	cr_assert_eq(d.recipient_channel, ch->number);
	*ret = d.data.p;
	return d.data.len;
}

static uint32_t next_adjust(struct client *c, const struct bench_chan *ch)
{
	uint32_t channel, n;
	const uint8_t *p;
	struct ssh_rd r;
	size_t len;

	if (client_next(c, &p, &len) != SSH_MSG_CHANNEL_WINDOW_ADJUST)
		return 0;
	ssh_rd_init(&r, p + 1, len - 1);
	cr_assert_eq(ssh_chan_adjust_parse(&r, &channel, &n), 0);
	cr_assert_eq(channel, ch->number);
	return n;
}

Test(relay_chan, bytes_pass_both_ways)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 7, 1 << 20);
	static uint8_t up[60000], got[60000], downp[100000];
	const uint8_t *p;
	uint32_t n, have = 0;

	rnd_fill(&bench_rnd, up, sizeof(up));
	rnd_fill(&bench_rnd, downp, sizeof(downp));
	client_data(&c, ch.local, up, 30000);
	client_data(&c, ch.local, up + 30000, 30000);
	bench_settle();
	fake_drain(ch.target, got, sizeof(up));
	cr_expect_eq(memcmp(got, up, sizeof(up)), 0);
	cr_expect_gt(next_adjust(&c, &ch), 0);

	fake_give(ch.target, downp, sizeof(downp));
	while ((n = next_data(&c, &ch, &p)) > 0) {
		cr_assert_leq(n, 32768);
		cr_assert_eq(memcmp(p, downp + have, n), 0);
		have += n;
	}
	cr_expect_eq(have, sizeof(downp));
	client_free(&c);
}

/* A server that speaks first is heard, and not before the CONFIRMATION. */
Test(relay_chan, server_speaks_first)
{
	struct client c = client_login();
	struct bench_chan ch;
	const uint8_t *p;

	client_open(&c, 3, 1000, 32768, 1);
	fake_give(fake_last(), "220 hello", 9);
	bench_settle();
	client_pull(&c);
	cr_expect_eq(client_next(&c, &p, &(size_t){0}), 0);
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	ch = client_confirmed(&c);
	cr_expect_eq(next_data(&c, &ch, &p), 9);
	client_free(&c);
}

/* RFC 6583: the stack below is told who makes it look for neighbours. */
Test(relay_chan, target_is_opened_in_the_name_of_its_connection)
{
	struct client a = client_login(), b = client_login();
	uint16_t first = client_channel(&a, 7, 1 << 20).target->asker;

	cr_expect_neq(first, 0, "that would be nobody's");
	cr_expect_eq(client_channel(&a, 8, 1 << 20).target->asker, first);
	cr_expect_neq(client_channel(&b, 7, 1 << 20).target->asker, first);
	client_free(&a);
	client_free(&b);
}

/* Back-pressure is end to end: the window is given again as the target takes, not before. */
Test(relay_chan, the_window_follows_the_target)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t buf[32768];
	const uint8_t *p;

	cr_expect_eq(ch.window, (uint32_t)BENCH_WINDOW);
	client_data(&c, ch.local, buf, 32768);
	client_data(&c, ch.local, buf, 32768);
	cr_expect_eq(client_next(&c, &p, &(size_t){0}), 0, "granted what the target has not taken");
	fake_drain(ch.target, NULL, 20000);
	cr_expect_eq(next_adjust(&c, &ch), 20000);
	fake_drain(ch.target, NULL, 45536);
	cr_expect_eq(next_adjust(&c, &ch), 45536);
	client_free(&c);
}

/* S-52 */
Test(relay_chan, one_byte_beyond_the_window_ends_it)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t buf[32768];

	client_data(&c, ch.local, buf, 32768);
	client_data(&c, ch.local, buf, 32768);
	client_data(&c, ch.local, buf, 1);
	client_ended(&c, -SSH_E_WINDOW);
	client_free(&c);
}

Test(relay_chan, more_than_the_packet_size_ends_it)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t buf[BENCH_PACKET + 1];

	client_data(&c, ch.local, buf, sizeof(buf));
	client_ended(&c, -SSH_E_PACKET_SIZE);
	client_free(&c);
}

/* S-53: nobody reads stderr of a direct-tcpip; its bytes are charged and given back. */
Test(relay_chan, extended_data_is_discarded_with_its_window)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t payload[SSH_PACKET_MAX], data[20000];
	struct ssh_chan_data d = {ch.local, SSH_EXTENDED_DATA_STDERR, {data, sizeof(data)}};
	uint32_t back = 0, n;
	struct ssh_wr w;

	for (int i = 0; i < 10; i++) { /* three times the window in all */
		ssh_wr_init(&w, payload, sizeof(payload));
		ssh_chan_data_build(&w, &d);
		client_send(&c, payload, ssh_wr_done(&w));
		while ((n = next_adjust(&c, &ch)) > 0)
			back += n;
	}
	cr_expect_eq(ch.target->tx.len, 0);
	cr_expect_geq(back, 200000 - BENCH_WINDOW);
	client_free(&c);
}

/* S-51 */
Test(relay_chan, window_adjust_beyond_32_bits_ends_it)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1000);

	for (int i = 0; i < 200; i++)
		client_adjust(&c, ch.local, 0); /* harmless */
	client_adjust(&c, ch.local, UINT32_MAX - 1000);
	bench_settle();
	cr_expect_eq(relay_error_counters(bench)[SSH_E_WINDOW_OVERFLOW - SSH_E_BASE - 1], 0);
	client_adjust(&c, ch.local, 1);
	client_ended(&c, -SSH_E_WINDOW_OVERFLOW);
	client_free(&c);
}

/* S-50: what the peer's OPEN may say. */
Test(relay_chan, packet_size_zero_is_refused)
{
	struct client c = client_login();
	const struct link_chan_failed *f;
	const uint8_t *p;
	size_t n;

	client_open(&c, 9, 1000, 0, 1);
	cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_expect_eq(p[8], SSH_OPEN_RESOURCE_SHORTAGE);
	f = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(f->err, -SSH_E_PACKET_SIZE);
	cr_expect_eq(bench_targets, 0);
	client_free(&c);
}

Test(relay_chan, window_zero_waits_for_an_adjust)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 0);
	const uint8_t *p;

	fake_give(ch.target, "abcdef", 6);
	cr_expect_eq(next_data(&c, &ch, &p), 0);
	client_adjust(&c, ch.local, 1);
	cr_expect_eq(next_data(&c, &ch, &p), 1);
	cr_expect_eq(next_data(&c, &ch, &p), 0);
	client_adjust(&c, ch.local, UINT32_MAX);
	cr_expect_eq(next_data(&c, &ch, &p), 5);
	client_free(&c);
}

Test(relay_chan, large_limits_are_cut_to_one_packet)
{
	struct client c = client_login();
	static uint8_t data[100000];
	const uint8_t *p;
	struct bench_chan ch;

	client_open(&c, 1, UINT32_MAX, UINT32_MAX, 1);
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	ch = client_confirmed(&c);
	fake_give(ch.target, data, sizeof(data));
	cr_expect_leq(next_data(&c, &ch, &p), 32768);
	client_free(&c);
}

/* EOF goes through each way by itself; with both, CLOSE is ours to send. */
Test(relay_chan, half_close_both_ways)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	const struct link_chan_end *end;
	const struct link_chan_eof *eof;
	const uint8_t *p;
	char got[4];

	client_data(&c, ch.local, "hello", 5);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	bench_settle();
	cr_expect(ch.target->shut);
	eof = up_expect(LINK_EV_CHAN_EOF, NULL);
	cr_expect_eq(eof->way, LINK_EOF_IN);
	cr_expect_eq(eof->bytes, 5);
	cr_expect_eq(eof->local_channel, ch.local);
	cr_expect_null(up_next(), "it is said once, however often he says it");
	fake_give(ch.target, "tail", 4);
	cr_expect_eq(next_data(&c, &ch, &p), 4);
	fake_eof(ch.target);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(ch.target->closed);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	bench_settle();
	end = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(end->cause, 0);
	cr_expect_eq(end->bytes_to_peer, 4);
	cr_expect_eq(end->bytes_from_peer, 5);
	cr_expect_geq(end->end_us, end->last_us);
	cr_expect_eq(end->eof[LINK_EOF_IN], LINK_EOF_TOLD);
	cr_expect_eq(end->eof[LINK_EOF_OUT], LINK_EOF_UNTOLD, "that says its end");
	(void)got;
	client_free(&c);
}

Test(relay_chan, target_eof_leaves_the_other_way_open)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	char got[5];

	fake_give(ch.target, "x", 1);
	fake_eof(ch.target);
	client_expect(&c, SSH_MSG_CHANNEL_DATA);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_data(&c, ch.local, "hello", 5);
	bench_settle();
	cr_expect_not(ch.target->shut);
	fake_drain(ch.target, got, 5);
	cr_expect_eq(((const struct link_chan_eof *)up_expect(LINK_EV_CHAN_EOF, NULL))->way,
		     LINK_EOF_OUT);
	client_free(&c);
}

/* EOF is not said while bytes before it wait for the window. */
Test(relay_chan, eof_stays_behind_the_data)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 2);
	const uint8_t *p;

	fake_give(ch.target, "abc", 3);
	fake_eof(ch.target);
	cr_expect_eq(next_data(&c, &ch, &p), 2);
	cr_expect_eq(client_next(&c, &p, &(size_t){0}), 0);
	client_adjust(&c, ch.local, 10);
	cr_expect_eq(next_data(&c, &ch, &p), 1);
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_free(&c);
}

/* A target that fails is a CLOSE, and no EOF is invented. */
Test(relay_chan, target_error_is_close_without_eof)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	const struct link_chan_end *end;
	const uint8_t *p;

	fake_give(ch.target, "last words", 10);
	fake_fail(ch.target, -ECONNRESET);
	cr_expect_eq(next_data(&c, &ch, &p), 10);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(ch.target->aborted);
	/* Its bytes crossed: they are counted and dropped. */
	client_data(&c, ch.local, "crossing", 8);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	bench_settle();
	end = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(end->cause, -ECONNRESET);
	cr_expect_eq(end->bytes_from_peer, 8);
	client_free(&c);
}

/* What was written before CLOSE goes out, whether or not EOF was said. */
Test(relay_chan, peer_close_is_answered_and_the_target_let_go)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	client_data(&c, ch.local, "bye", 3);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(ch.target->closed && !ch.target->aborted);
	cr_expect_eq(ch.target->tx.len, 3);
	up_expect(LINK_EV_CHAN_END, NULL);
	client_free(&c);
}

/* S-17: data and other messages after the peer's own end. */
Test(relay_chan, data_after_eof_ends_it)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	client_data(&c, ch.local, "x", 1);
	client_ended(&c, -SSH_E_CHANNEL_STATE);
	client_free(&c);
}

Test(relay_chan, messages_for_no_channel_end_it)
{
	static const uint8_t msg[] = {SSH_MSG_CHANNEL_DATA,    SSH_MSG_CHANNEL_EXTENDED_DATA,
				      SSH_MSG_CHANNEL_EOF,     SSH_MSG_CHANNEL_CLOSE,
				      SSH_MSG_CHANNEL_REQUEST, SSH_MSG_CHANNEL_SUCCESS,
				      SSH_MSG_CHANNEL_FAILURE};

	for (unsigned int gone = 0; gone < 2; gone++) {
		for (unsigned int i = 0; i < RTE_DIM(msg); i++) {
			struct client c = client_login();
			uint32_t number = 0x1234567;
			uint8_t payload[32] = {msg[i]};
			struct ssh_wr w;

			if (gone) {
				struct bench_chan ch = client_channel(&c, 1, 1 << 20);

				number = ch.local;
				client_simple(&c, SSH_MSG_CHANNEL_CLOSE, number);
				client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
			}
			ssh_wr_init(&w, payload + 1, sizeof(payload) - 1);
			ssh_wr_u32(&w, number);
			if (msg[i] == SSH_MSG_CHANNEL_EXTENDED_DATA)
				ssh_wr_u32(&w, 1);
			if (msg[i] <= SSH_MSG_CHANNEL_EXTENDED_DATA)
				ssh_wr_cstr(&w, "data");
			if (msg[i] == SSH_MSG_CHANNEL_REQUEST) {
				ssh_wr_cstr(&w, "exec");
				ssh_wr_bool(&w, true);
			}
			client_send(&c, payload, 1 + ssh_wr_done(&w));
			client_ended(&c, -SSH_E_CHANNEL);
			client_free(&c);
		}
	}
}

/* WINDOW_ADJUST is the exception: after EOF it is honoured, for a gone channel only counted. */
Test(relay_chan, window_adjust_after_the_end)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1);
	const uint8_t *p;

	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	fake_give(ch.target, "abc", 3);
	cr_expect_eq(next_data(&c, &ch, &p), 1);
	client_adjust(&c, ch.local, 2);
	cr_expect_eq(next_data(&c, &ch, &p), 2);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_adjust(&c, ch.local, 2);
	cr_expect_eq(client_next(&c, &p, &(size_t){0}), 0);
	cr_expect_eq(bench_count(RELAY_C_ADJUST_GONE), 1);
	client_free(&c);
}

/* S-18 */
Test(relay_chan, unsolicited_answers_to_open_end_it)
{
	static const uint8_t msg[] = {SSH_MSG_CHANNEL_OPEN_CONFIRMATION,
				      SSH_MSG_CHANNEL_OPEN_FAILURE};

	for (unsigned int i = 0; i < RTE_DIM(msg); i++) {
		struct client c = client_login();
		struct bench_chan ch = client_channel(&c, 1, 1);

		client_simple(&c, msg[i], ch.local);
		client_ended(&c, -SSH_E_CHANNEL);
		client_free(&c);
	}
}

/* S-16: replies nobody asked for are dropped, and the others go on. */
Test(relay_chan, replies_nobody_asked_for_are_dropped)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	unsigned int n = test_long() ? 250000 : 2500;
	const uint8_t *p;

	for (unsigned int i = 0; i < n; i++) {
		client_send_byte(&c, SSH_MSG_REQUEST_SUCCESS);
		client_send_byte(&c, SSH_MSG_REQUEST_FAILURE);
		client_simple(&c, SSH_MSG_CHANNEL_SUCCESS, ch.local);
		client_simple(&c, SSH_MSG_CHANNEL_FAILURE, ch.local);
		if (i % 50 == 0)
			bench_settle();
	}
	bench_settle();
	cr_expect_eq(bench_count(RELAY_C_REPLIES_UNASKED), 4 * n);
	cr_expect_null(up_next());
	fake_give(ch.target, "x", 1);
	cr_expect_eq(next_data(&c, &ch, &p), 1);
	client_free(&c);
}

/* S-54, S-55: numbers come again, but never that of a channel that lives. */
Test(relay_chan, numbers_are_recycled_safely)
{
	struct client c = client_login();
	struct bench_chan lasting = client_channel(&c, 1, 1 << 20), ch;
	uint32_t before = 0;
	const uint8_t *p;

	for (uint32_t i = 0; i < 60; i++) {
		ch = client_channel(&c, 2 + i, 1 << 20);
		cr_assert_neq(ch.local, lasting.local);
		cr_assert_neq(ch.local, before);
		before = ch.local;
		client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
		client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
		up_expect(LINK_EV_CHAN_END, NULL);
		ch.target->used = false;
	}
	fake_give(lasting.target, "x", 1);
	cr_expect_eq(next_data(&c, &lasting, &p), 1);
	client_free(&c);
}

/* One too many: its client and control are told which limit it met. */
static void no_place_for(struct client *c, int err)
{
	struct ssh_chan_failure m;
	const struct link_chan_failed *f;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	client_open(c, 99, 1 << 20, 32768, 1);
	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &m), 0);
	cr_expect_eq(m.recipient_channel, 99);
	cr_expect_eq(m.reason, SSH_OPEN_RESOURCE_SHORTAGE);
	cr_expect(ssh_str_eq(m.description, ssh_err_text(err)));
	f = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(f->token, 1099);
	cr_expect_eq(f->err, err);
	cr_expect_eq(f->reason, SSH_OPEN_RESOURCE_SHORTAGE);
}

Test(relay_chan, a_connection_that_has_enough_is_refused_with_reason_4)
{
	struct client c = client_login();

	for (uint32_t i = 0; i < BENCH_CHANS; i++)
		client_channel(&c, i, 1 << 20);
	no_place_for(&c, -SSH_E_CHANNELS);
	cr_expect_eq(bench_count(RELAY_C_CHANS_CONN), 1);
	cr_expect_eq(bench_count(RELAY_C_CHAN_TABLE_FULL), 0);
	client_free(&c);
}

Test(relay_chan, a_full_table_refuses_with_reason_4)
{
	struct link_authenticated a = bench_auth;
	struct client c = client_new("aes128-gcm@openssh.com", "");

	a.max_channels = BENCH_TABLE + 1;
	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &a);
	for (uint32_t i = 0; i < BENCH_TABLE; i++)
		client_channel(&c, i, 1 << 20);
	no_place_for(&c, -SSH_E_CHANNELS_ALL);
	cr_expect_eq(bench_count(RELAY_C_CHAN_TABLE_FULL), 1);
	cr_expect_eq(bench_count(RELAY_C_CHANS_CONN), 0);
	client_free(&c);
}

/* The addresses are tried one after the other, within the common time. */
Test(relay_chan, the_next_address_is_tried)
{
	struct client c = client_login();
	struct fake *first;

	client_open(&c, 1, 1000, 32768, 3);
	first = fake_last();
	cr_expect_eq(first->port, 80);
	fake_fail(first, -ECONNREFUSED);
	bench_settle();
	cr_expect(first->aborted);
	cr_expect_eq(fake_last()->port, 81);
	bench_pass(600000); /* this one says nothing */
	cr_expect_eq(fake_last()->port, 82);
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	client_confirmed(&c);
	client_free(&c);
}

Test(relay_chan, no_address_answers)
{
	struct client c = client_login();
	const struct link_chan_failed *f;
	const uint8_t *p;
	size_t n;

	client_open(&c, 1, 1000, 32768, 2);
	bench_pass(400000);
	cr_expect_eq(client_next(&c, &p, &n), 0);
	bench_pass(700000);
	cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_expect_eq(p[8], SSH_OPEN_CONNECT_FAILED);
	f = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(f->err, -ETIMEDOUT);
	bench_connect_err = -ENETUNREACH;
	client_open(&c, 2, 1000, 32768, 2);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	f = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(f->err, -ENETUNREACH);
	client_free(&c);
}

/* A connection that dies leaves no target, and audit hears of each channel. */
Test(relay_chan, a_lost_connection_resets_its_targets)
{
	struct client c = client_login();
	struct bench_chan a = client_channel(&c, 1, 1 << 20), b = client_channel(&c, 2, 1 << 20);
	const struct link_chan_end *end;
	const struct link_conn_end *over;

	client_simple(&c, SSH_MSG_CHANNEL_EOF, b.local);
	bench_settle();
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	cr_expect(a.target->aborted, "no EOF is invented");
	cr_expect(b.target->closed && b.target->shut, "its EOF was said");
	end = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(end->cause, -SSH_E_RESET);
	up_expect(LINK_EV_CHAN_END, NULL);
	over = up_expect(LINK_EV_CONN_END, NULL);
	cr_expect_eq(over->channels, 2);
	cr_expect_geq(over->end_us, over->open_us);
	client_free(&c);
}

Test(relay_chan, control_may_close_a_channel)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	struct link_chan_ref ref = {.token = 1001, .local_channel = ch.local};
	const struct link_chan_end *end;

	down(LINK_CMD_CHAN_CLOSE, c.h, &ref, sizeof(ref), NULL, 0);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(ch.target->aborted);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	bench_settle();
	end = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(end->cause, -ECANCELED);
	down(LINK_CMD_CHAN_CLOSE, c.h, &ref, sizeof(ref), NULL, 0);
	bench_settle();
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 1);
	client_free(&c);
}

/* A keystroke is not behind bulk: channels take turns, message by message. */
Test(relay_chan, channels_take_turns)
{
	struct client c = client_login();
	struct bench_chan bulk = client_channel(&c, 1, 1 << 22);
	struct bench_chan key = client_channel(&c, 2, 1 << 20);
	static uint8_t data[500000];
	const uint8_t *p;
	unsigned int before = 0;
	size_t n;

	fake_give(bulk.target, data, sizeof(data));
	fake_give(key.target, "k", 1);
	while (client_next(&c, &p, &n) == SSH_MSG_CHANNEL_DATA && p[4] != 2)
		before++;
	cr_expect_leq(before, 1, "%u messages of bulk before a keystroke", before);
	client_free(&c);
}

/* What the client does not read is not taken from the target. */
Test(relay_chan, a_client_that_does_not_read_stops_its_targets)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 24);
	static uint8_t data[1000000];
	uint32_t left;

	c.f->budget = 100000;
	fake_give(ch.target, data, sizeof(data));
	bench_settle();
	cr_expect_leq(c.f->tx.len, 100000 + 40000);
	left = ch.target->rx.len;
	cr_expect_geq(left, sizeof(data) - 140000);
	bench_settle();
	cr_expect_eq(ch.target->rx.len, left);
	client_pull(&c);
	bench_settle();
	cr_expect_lt(ch.target->rx.len, left);
	client_free(&c);
}

/*
 * While buffers are short a stream has no space at all (dataplane/tcp/mem.c). Then a client
 * that holds nothing is given one small message at a time, one that holds something nothing,
 * and when it is over all goes on.
 */
Test(relay_chan, streams_without_space_stop_their_targets)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t data[100000];
	uint32_t left = sizeof(data);

	c.f->budget = 0;
	fake_give(ch.target, data, sizeof(data));
	for (int i = 0; i < 3; i++) {
		bench_settle();
		cr_assert_lt(ch.target->rx.len, left, "it goes on");
		cr_assert_geq(ch.target->rx.len + 4096, left, "by little");
		cr_assert_gt(c.f->tx.len, 0);
		left = ch.target->rx.len;
		bench_pass(1000000);
		cr_assert_eq(ch.target->rx.len, left, "what it holds has not gone yet");
		client_pull(&c);
	}
	c.f->budget = 1 << 20;
	stream_notify(&c.f->s, STREAM_EV_WRITABLE);
	bench_settle();
	cr_expect_eq(ch.target->rx.len, 0);
	client_free(&c);
}

/*
 * Windows are conserved: whatever is sent, taken, or left lying, the peer is never granted more
 * than the window beyond what the target took, and never stalls for good.
 */
static void conserve(uint64_t seed)
{
	struct rnd r = rnd_new(seed);
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t buf[BENCH_PACKET];
	uint64_t granted = BENCH_WINDOW, sent = 0, taken = 0;

	for (int i = 0; i < 400; i++) {
		uint32_t n = 1 + rnd_below(&r, BENCH_PACKET), got;

		n = (uint32_t)RTE_MIN((uint64_t)n, granted - sent);
		if (n > 0 && rnd_below(&r, 3) > 0) {
			client_data(&c, ch.local, buf, n);
			sent += n;
		}
		bench_settle();
		got = rnd_below(&r, ch.target->tx.len + 1);
		fake_drain(ch.target, NULL, got);
		taken += got;
		while ((n = next_adjust(&c, &ch)) > 0)
			granted += n;
		cr_assert_leq(granted, taken + BENCH_WINDOW, "seed %lu", seed);
	}
	fake_drain(ch.target, NULL, ch.target->tx.len);
	taken = sent;
	for (uint32_t n; (n = next_adjust(&c, &ch)) > 0;)
		granted += n;
	/* Never a stuck channel: all is taken, so at least one whole packet may be sent. */
	cr_assert_geq(granted - sent, (uint64_t)BENCH_PACKET, "seed %lu", seed);
	cr_assert_eq(sent, taken);
	fake_eof(c.f);
	client_ended(&c, -SSH_E_CLOSED);
	ch.target->used = c.f->used = false;
	client_free(&c);
}

Test(relay_chan, windows_are_conserved)
{
	unsigned int n = test_long() ? 100 : 5;

	for (uint64_t seed = rnd_seed(); seed < rnd_seed() + n; seed++)
		conserve(seed);
}

/* dataplane/relay: time, the link that is full or gone, and what audit is told. */
#include "dataplane/relay/internal.h"
#include "ssh/trans_msg.h"
#include "tests/util/relay_bench.h"

static void start_small(void)
{
	bench_acks = false;
	bench_start_with(4);
}

TestSuite(relay_time, .init = bench_start, .fini = bench_end);
TestSuite(relay_audit, .init = start_small, .fini = bench_end);

static void start_refusing(void)
{
	bench_audit_refuse = true;
	start_small();
}

TestSuite(relay_refuse, .init = start_refusing, .fini = bench_end);

static struct client login_with(const struct link_authenticated *a)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	client_kex(&c);
	client_auth(&c, a);
	return c;
}

/*
 * A deadline that moved away costs no turn: it is looked at when it was due, and finds its new
 * place. Without control it is a turn that finds out what has passed.
 */
/* With a reason, and how long to stay away; nobody new comes in. */
Test(relay_time, a_drained_shard_parts_with_everybody)
{
	static const struct link_addr addr = {.family = 4, .port = 22};
	struct client c = client_login();
	struct fake *late = fake_new();
	const struct link_conn_end *end;
	struct ssh_disconnect_msg m;
	const uint8_t *p;
	uint32_t seconds;
	struct ssh_rd r;
	size_t n;

	client_channel(&c, 1, BENCH_WINDOW);
	relay_drain(bench);
	cr_expect(!relay_accept(bench, &late->s, 7, &addr, &addr, bench_now));
	cr_expect_eq(bench_count(RELAY_C_DRAINING), 1);
	cr_expect_eq(client_next(&c, &p, &n), 0, "who is in goes on");
	relay_part(bench, 30, bench_now);
	cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_DISCONNECT);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_disconnect_parse(&r, &m), 0);
	cr_expect_eq(m.reason, 11);
	cr_expect(ssh_retry_after_parse(m.text, &seconds) && seconds == 30);
	bench_settle();
	cr_expect(c.f->closed);
	up_expect(LINK_EV_CHAN_END, NULL);
	end = up_expect(LINK_EV_CONN_END, NULL);
	cr_expect_eq(end->cause, -SSH_E_SHUTDOWN);
	cr_expect_eq(bench_count(RELAY_C_PARTED), 1);
	client_free(&c);
}

Test(relay_time, a_deadline_that_moved_away_gives_no_turn)
{
	static const uint8_t ignore[] = {SSH_MSG_IGNORE, 0, 0, 0, 0};
	struct client c = client_login();
	uint64_t due;

	bench_settle();
	due = bench_now + RELAY_KEYS_IDLE_US; /* when its keys rest */
	for (int i = 0; i < 5; i++) {
		cr_assert(relay_next_timer_us(bench) > bench_now &&
			  relay_next_timer_us(bench) <= due);
		bench_now = due - 1;
		cr_expect_eq(relay_timers(bench, bench_now), 0, "it has come near");
		client_send(&c, ignore, sizeof(ignore));
		bench_settle();
		cr_assert_eq(relay_next_timer_us(bench), due, "it is left where it is");
		bench_now = due;
		cr_expect_eq(relay_timers(bench, bench_now), 0, "a turn for nothing");
		due += RELAY_KEYS_IDLE_US - 1;
	}
	bench_now = due - 1;
	client_send(&c, ignore, sizeof(ignore));
	bench_settle();
	relay_link_detached(bench);
	cr_expect_eq(relay_timers(bench, due), 1);
	relay_link_attached(bench);
	client_free(&c);
}

/* S-57 */
Test(relay_time, a_silent_peer_is_asked_and_given_up)
{
	struct link_authenticated a = bench_auth;
	struct client c;
	const uint8_t *p;
	size_t n;

	a.alive_interval_ms = 1000;
	a.alive_count = 3;
	c = login_with(&a);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(client_next(&c, &p, &n), 0);
		bench_pass(1000001);
		cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_GLOBAL_REQUEST);
		cr_expect_eq(memcmp(p + 5, "keepalive@openssh.com", 21), 0);
		cr_expect_eq(p[n - 1], 1);
	}
	bench_pass(1000001);
	client_ended(&c, -SSH_E_KEEPALIVE);
	client_free(&c);
}

/* ClientAliveCountMax beyond the answers a peer may owe. */
Test(relay_time, a_silent_peer_has_all_the_time_it_was_given)
{
	struct link_authenticated a = bench_auth;
	struct client c;
	const uint8_t *p;
	size_t n;

	a.alive_interval_ms = 1000;
	a.alive_count = 300;
	c = login_with(&a);
	for (int i = 0; i < 300; i++) {
		bench_pass(1000001);
		if (i < 64)
			client_expect(&c, SSH_MSG_GLOBAL_REQUEST);
		else
			cr_assert_eq(client_next(&c, &p, &n), 0);
	}
	bench_pass(1000001);
	client_ended(&c, -SSH_E_KEEPALIVE);
	client_free(&c);
}

Test(relay_time, an_answer_keeps_it_alive)
{
	struct link_authenticated a = bench_auth;
	struct client c;

	a.alive_interval_ms = 1000;
	a.alive_count = 1;
	c = login_with(&a);
	for (int i = 0; i < 200; i++) {
		bench_pass(1000001);
		client_expect(&c, SSH_MSG_GLOBAL_REQUEST);
		client_send_byte(&c, SSH_MSG_REQUEST_FAILURE);
		bench_settle();
	}
	cr_expect_eq(bench_count(RELAY_C_REPLIES_UNASKED), 0);
	cr_expect_null(up_next(), "the answer is the shard's");
	client_free(&c);
}

/* RFC 4254 section 4: answers come in order, each goes to the one who asked. */
Test(relay_time, replies_go_to_the_one_who_asked)
{
	static const uint8_t ask[] = {SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x', 1};
	struct link_authenticated a = bench_auth;
	struct client c;

	a.alive_interval_ms = 1000;
	a.alive_count = 10;
	c = login_with(&a);
	bench_pass(1000001); /* ours */
	down_payload(&c, ask, sizeof(ask));
	client_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	client_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	client_send_byte(&c, SSH_MSG_REQUEST_FAILURE);
	bench_settle();
	cr_expect_null(up_next());
	client_send_byte(&c, SSH_MSG_REQUEST_SUCCESS);
	up_payload_expect(&c, SSH_MSG_REQUEST_SUCCESS);
	client_send_byte(&c, SSH_MSG_REQUEST_SUCCESS);
	bench_settle();
	cr_expect_eq(bench_count(RELAY_C_REPLIES_UNASKED), 1);
	client_free(&c);
}

Test(relay_time, idle_for_too_long)
{
	struct link_authenticated a = bench_auth;
	struct bench_chan ch;
	struct client c;

	a.idle_timeout_ms = 5000;
	c = login_with(&a);
	ch = client_channel(&c, 1, 1 << 20);
	bench_pass(4000000);
	fake_give(ch.target, "x", 1);
	client_expect(&c, SSH_MSG_CHANNEL_DATA);
	bench_pass(4000000);
	cr_expect_not(c.f->shut);
	bench_pass(1100000);
	client_ended(&c, -SSH_E_IDLE);
	client_free(&c);
}

/* A client that sends them to hold its connection open would hold it for ever. */
Test(relay_time, keep_alives_are_no_traffic)
{
	struct link_authenticated a = bench_auth;
	struct client c;

	a.idle_timeout_ms = 5000;
	c = login_with(&a);
	bench_pass(4000000);
	client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	client_send_byte(&c, SSH_MSG_IGNORE);
	bench_settle();
	cr_expect_not(c.f->shut);
	bench_pass(1100000);
	client_ended(&c, -SSH_E_IDLE);
	client_free(&c);
}

Test(relay_time, nothing_is_due_where_nothing_was_asked)
{
	struct client c = client_login();

	bench_pass(2 * RELAY_KEYS_IDLE_US);
	cr_expect_eq(relay_next_timer_us(bench), UINT64_MAX);
	client_free(&c);
}

/* A peer that cannot answer, because we do not read it, is not given up. */
Test(relay_time, one_that_is_not_read_is_not_given_up)
{
	struct link_authenticated a = bench_auth;
	struct client c;

	a.alive_interval_ms = 1000;
	a.alive_count = 1;
	c = login_with(&a);
	for (int i = 0; i < 20; i++)
		client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	bench_settle();
	for (int i = 0; i < 10; i++)
		bench_pass(1000001);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

/* --- the link -------------------------------------------------------------------------------- */

Test(relay_time, a_full_ring_delays_and_loses_nothing)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	bench_link_full = true;
	for (int i = 0; i < 10; i++)
		client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect_leq(relay_next_timer_us(bench), bench_now + 1000, "it comes again by itself");
	bench_link_full = false;
	bench_settle();
	up_expect(LINK_EV_CHAN_END, NULL); /* ends go first: audit.c */
	for (int i = 0; i < 10; i++)
		up_expect(LINK_EV_PAYLOAD, NULL);
	client_free(&c);
}

/* Control is gone: data goes on, what it must settle waits, and a new one is told. */
Test(relay_time, without_control_data_goes_on)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static const struct link_addr any = {.family = 4, .port = 22};
	struct fake *f;

	bench_link_gone = true;
	relay_link_detached(bench);
	client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	client_data(&c, ch.local, "hello", 5);
	fake_give(ch.target, "world", 5);
	client_expect(&c, SSH_MSG_CHANNEL_DATA);
	cr_expect_eq(ch.target->tx.len, 5);
	f = fake_new();
	cr_expect(relay_accept(bench, &f->s, 1, &any, &any, bench_now));
	bench_settle();
	bench_link_gone = false;
	relay_link_attached(bench);
	bench_settle();
	up_expect(LINK_EV_CONN_NEW, NULL);
	up_expect(LINK_EV_PAYLOAD, NULL);
	cr_expect_null(up_next());
	client_free(&c);
}

Test(relay_time, half_a_login_ends_with_its_control)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	bench_link_gone = true;
	relay_link_detached(bench);
	bench_settle();
	cr_expect_not(c.f->shut);
	bench_link_gone = false;
	relay_link_attached(bench);
	client_ended(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

static void control_restarts(void)
{
	relay_link_detached(bench);
	relay_link_attached(bench);
}

static const uint8_t good_open[] = {SSH_MSG_CHANNEL_OPEN, 0, 0, 0, 1, 'x', 0, 0, 0, 1};

/* What the control that is gone had taken, and nobody has answered, is the next one's. */
Test(relay_time, an_open_nobody_decided_comes_again)
{
	struct client c = client_login();

	client_send(&c, good_open, sizeof(good_open));
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN); /* credited: it is being decided */
	for (int i = 0; i < 3; i++) {
		control_restarts();
		up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
		cr_expect_null(up_next());
	}
	cr_expect_not(c.f->shut);
	client_free(&c);
}

/* One that cannot be kept is known to nobody then: its client is not left to hang. */
Test(relay_time, one_that_is_too_long_to_keep_ends_with_its_control)
{
	static uint8_t open[8000] = {SSH_MSG_CHANNEL_OPEN, 0, 0, 0, 1, 'x', 0, 0, 0, 1};
	struct client c = client_login();

	client_send(&c, open, sizeof(open));
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	control_restarts();
	client_ended(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

Test(relay_time, decided_opens_do_not_end_with_their_control)
{
	static const uint8_t failure[] = {SSH_MSG_CHANNEL_OPEN_FAILURE, 0, 0, 0, 1};
	struct client c = client_login();

	client_channel(&c, 1, 1 << 20);
	client_send(&c, good_open, sizeof(good_open));
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	down_payload(&c, failure, sizeof(failure));
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	control_restarts();
	bench_settle();
	cr_expect_null(up_next());
	cr_expect_not(c.f->shut);
	client_free(&c);
}

Test(relay_time, a_payload_without_answer_comes_again)
{
	static const uint8_t q[] = {SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x', 1};
	static const uint8_t other[] = {SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x', 0};
	struct client c = client_login();

	client_send(&c, q, sizeof(q));
	client_send(&c, other, sizeof(other));
	bench_settle();
	up_expect(LINK_EV_PAYLOAD, NULL); /* no credit came for them */
	up_expect(LINK_EV_PAYLOAD, NULL);
	control_restarts();
	up_payload_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	up_payload_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	bench_settle();
	control_restarts();
	up_payload_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	bench_settle();
	cr_expect_null(up_next(), "of the one that wants no reply it was said that it is done");
	down_msg(&c, SSH_MSG_REQUEST_SUCCESS);
	client_expect(&c, SSH_MSG_REQUEST_SUCCESS);
	control_restarts();
	bench_settle();
	cr_expect_null(up_next());
	client_free(&c);
}

static const struct link_kex_kept *kex_kept(void)
{
	const struct link_kex_kept *ret = NULL;
	struct link_hdr *h;

	bench_kept = true;
	control_restarts();
	bench_settle();
	while (up_got < up_put &&
	       ((struct link_hdr *)(void *)bench_up[up_got].p)->type != LINK_EV_PAYLOAD) {
		h = up_next();
		if (h->type == LINK_EV_KEX_KEPT)
			ret = link_msg_body(h);
	}
	return ret;
}

/* Half a rekey: our KEXINIT comes back, and what the peer said. */
Test(relay_time, half_a_rekey_is_the_next_controls)
{
	struct client c = client_login();
	const struct link_kex_kept *k;

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	cr_expect_null(kex_kept(), "ours is not said yet");
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_payload(&c, "\x14ours", 5);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
	k = kex_kept();
	cr_assert_not_null(k);
	cr_expect_eq(k->sealed, 0);
	cr_expect(k->len == 5 && memcmp(k + 1, "\x14ours", 5) == 0);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

/* Our keys are in place: what the peer's will be lies with the shard, sealed, until they are. */
Test(relay_time, the_peers_keys_wait_sealed)
{
	struct client c = client_login();
	const struct link_kex_kept *k;
	struct link_keys keys;

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, c.keys, &keys);
	down(LINK_IT_TX_KEYS, c.h, &keys, sizeof(keys), NULL, 0);
	down_bytes(LINK_IT_RX_SEALED, c.h, "sealed", 6);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEX_ECDH_REPLY);
	client_expect(&c, SSH_MSG_NEWKEYS);
	k = kex_kept();
	cr_assert_not_null(k);
	cr_expect(k->sealed == 1 && k->len == 6 && memcmp(k + 1, "sealed", 6) == 0);
	cr_expect_null(up_next(), "what is answered does not come again");
	client_send_byte(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.tx, c.keys + 10);
	up_payload_expect(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, c.keys + 10, &keys);
	down(LINK_IT_RX_KEYS, c.h, &keys, sizeof(keys), NULL, 0);
	bench_settle();
	cr_expect_null(kex_kept(), "it is over");
	cr_expect_null(up_next());
	client_free(&c);
}

/* An answer of several rounds cannot be given twice. */
Test(relay_time, a_rekey_that_is_half_answered_ends_with_its_control)
{
	struct client c = client_login();

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEX_ECDH_REPLY); /* or a group */
	client_expect(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEX_ECDH_REPLY);
	control_restarts();
	client_ended(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

/* --- audit ----------------------------------------------------------------------------------- */

Test(relay_audit, ends_are_kept_until_acknowledged)
{
	struct client c = client_login();
	struct link_audit_ack ack;
	const struct link_chan_end *a, *b;

	client_channel(&c, 1, 1000);
	client_channel(&c, 2, 1000);
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	a = up_expect(LINK_EV_CHAN_END, NULL);
	b = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(b->audit_id, a->audit_id + 1);
	up_expect(LINK_EV_CONN_END, NULL);

	ack.audit_id = a->audit_id;
	down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
	bench_settle();
	relay_link_detached(bench);
	relay_link_attached(bench);
	bench_settle();
	b = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(b->audit_id, ack.audit_id + 1);
	up_expect(LINK_EV_CONN_END, NULL);
	cr_expect_null(up_next());

	ack.audit_id = 1000000; /* what was never sent cannot be acknowledged */
	down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
	bench_settle();
	relay_link_attached(bench);
	bench_settle();
	up_expect(LINK_EV_CHAN_END, NULL);
	client_free(&c);
}

Test(relay_audit, at_the_bound_the_loss_is_counted)
{
	for (int i = 0; i < 6; i++) {
		struct client c = client_new("aes128-gcm@openssh.com", "");

		fake_fail(c.f, -ECONNRESET);
		bench_settle();
		while (up_next() != NULL)
			;
		client_free(&c);
	}
	cr_expect_eq(bench_count(RELAY_C_AUDIT_LOST), 2);
}

/* AuditFailure refuse: what would have an end that finds no place does not begin. */
Test(relay_refuse, at_half_of_the_bound_nothing_new_begins)
{
	static const struct link_addr any = {.family = 4};

	for (int i = 0; i < 2; i++) {
		struct client c = client_new("aes128-gcm@openssh.com", "");

		fake_fail(c.f, -ECONNRESET);
		bench_settle();
		while (up_next() != NULL)
			;
		client_free(&c);
	}
	cr_expect_not(relay_accept(bench, &fake_new()->s, 7, &any, &any, bench_now));
	cr_expect_eq(bench_count(RELAY_C_AUDIT_REFUSED), 1);
	cr_expect_eq(bench_count(RELAY_C_AUDIT_LOST), 0);
}

/* While control lags more and more are kept: each is found again, wherever it lies by then. */
Test(relay_time, what_is_kept_stays_in_order_as_it_grows)
{
	struct client c = client_login();
	struct link_audit_ack ack;
	const struct link_chan_end *e;

	for (uint32_t i = 1; i <= 60; i++) {
		struct bench_chan ch = client_channel(&c, i, 1 << 20);

		client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
		client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
		e = up_expect(LINK_EV_CHAN_END, NULL);
		cr_assert_eq(e->audit_id, i);
		ch.target->used = false;
		if (i % 3 != 0)
			continue;
		ack.audit_id = i / 3;
		down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
		bench_settle();
	}
	relay_link_detached(bench);
	relay_link_attached(bench);
	bench_settle();
	for (uint32_t i = 21; i <= 60; i++) {
		e = up_expect(LINK_EV_CHAN_END, NULL);
		cr_assert_eq(e->audit_id, i);
		cr_assert_eq(e->token, 1000 + i);
	}
	client_free(&c);
}

/* --- ChannelTimeout, UnusedConnectionTimeout ------------------------------------------------- */

Test(relay_time, a_channel_is_idle_for_too_long)
{
	struct link_authenticated a = bench_auth;
	struct bench_chan ch, other;
	struct client c;

	bench_idle_ms = 5000;
	c = login_with(&a);
	ch = client_channel(&c, 1, 1 << 20);
	bench_pass(2000000);
	other = client_channel(&c, 2, 1 << 20);
	bench_pass(2000000);
	fake_give(ch.target, "x", 1);
	client_expect(&c, SSH_MSG_CHANNEL_DATA);
	bench_pass(3100000); /* 7.1 s: the second one has said nothing for 5.1 */
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(other.target->aborted);
	cr_expect_not(ch.target->aborted);
	cr_expect_eq(bench_count(RELAY_C_CHANS_IDLE), 1);
	bench_pass(2000000);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(ch.target->aborted);
	cr_expect_not(c.f->shut, "its connection lives on");
	client_free(&c);
}

/* One without a time of its own. */
Test(relay_time, a_channel_that_may_be_idle)
{
	struct link_authenticated a = bench_auth;
	struct bench_chan ch, other;
	struct client c = login_with(&a);

	ch = client_channel(&c, 1, 1 << 20);
	bench_idle_ms = 1000;
	other = client_channel(&c, 2, 1 << 20);
	bench_pass(1100000);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, other.local);
	bench_settle();
	bench_pass(1000000);
	bench_pass(60000000);
	cr_expect_not(ch.target->aborted);
	cr_expect_eq(relay_next_timer_us(bench), UINT64_MAX);
	client_free(&c);
}

/* global: what one of them says keeps all of them, and then none. */
Test(relay_time, all_channels_are_idle_for_too_long)
{
	struct link_authenticated a = bench_auth;
	struct bench_chan ch, other;
	struct client c;

	a.chans_idle_ms = 5000;
	c = login_with(&a);
	bench_pass(60000000); /* nothing was open */
	ch = client_channel(&c, 1, 1 << 20);
	other = client_channel(&c, 2, 1 << 20);
	for (int i = 0; i < 3; i++) {
		bench_pass(4000000);
		fake_give(ch.target, "x", 1);
		client_expect(&c, SSH_MSG_CHANNEL_DATA);
	}
	cr_expect_not(other.target->aborted);
	bench_pass(5100000);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(ch.target->aborted && other.target->aborted);
	client_free(&c);
}

Test(relay_time, a_connection_without_channels)
{
	struct link_authenticated a = bench_auth;
	struct bench_chan ch;
	struct client c;

	a.unused_ms = 5000;
	c = login_with(&a);
	bench_pass(4000000);
	ch = client_channel(&c, 1, 1 << 20);
	bench_pass(60000000);
	cr_expect_not(c.f->shut, "it has one");
	fake_fail(ch.target, -ECONNRESET);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	bench_settle();
	bench_pass(4000000);
	cr_expect_not(c.f->shut);
	bench_pass(1100000);
	client_ended(&c, -SSH_E_IDLE);
	client_free(&c);
}

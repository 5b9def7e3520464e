/* dataplane/relay: time, the link that is full or gone, and what audit is told. */
#include "tests/util/relay_bench.h"

static void start_small(void)
{
	bench_start_with(4);
}

TestSuite(relay_time, .init = bench_start, .fini = bench_end);
TestSuite(relay_audit, .init = start_small, .fini = bench_end);

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
Test(relay_time, a_deadline_that_moved_away_gives_no_turn)
{
	static const uint8_t ignore[] = {SSH_MSG_IGNORE, 0, 0, 0, 0};
	struct client c = client_login();
	uint64_t due;

	bench_settle();
	due = relay_next_timer_us(bench); /* when its keys rest */
	cr_assert(due > bench_now && due <= bench_now + 1000000);
	for (int i = 0; i < 5; i++) {
		bench_now = due - 1;
		client_send(&c, ignore, sizeof(ignore));
		bench_settle();
		cr_assert_eq(relay_next_timer_us(bench), due, "it is left where it is");
		bench_now = due;
		cr_expect_eq(relay_timers(bench, bench_now), 0, "a turn for nothing");
		cr_expect_eq(relay_next_timer_us(bench), due - 1 + 1000000);
		due = relay_next_timer_us(bench);
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

Test(relay_time, nothing_is_due_where_nothing_was_asked)
{
	struct client c = client_login();

	bench_pass(3000000);
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
	up_expect(LINK_EV_PAYLOAD, NULL);
	up_expect(LINK_EV_CONN_NEW, NULL);
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

/* What the control that is gone had taken is answered by nobody: not left to hang. */
Test(relay_time, an_open_nobody_decides_ends_with_its_control)
{
	static const uint8_t open[] = {SSH_MSG_CHANNEL_OPEN, 'x'};
	struct client c = client_login();

	client_send(&c, open, sizeof(open));
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN); /* credited: it is being decided */
	control_restarts();
	client_ended(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

Test(relay_time, decided_opens_do_not_end_with_their_control)
{
	static const uint8_t open[] = {SSH_MSG_CHANNEL_OPEN, 'x'};
	struct client c = client_login();

	client_channel(&c, 1, 1 << 20);
	client_send(&c, open, sizeof(open));
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	down_msg(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	control_restarts();
	bench_settle();
	cr_expect_null(up_next());
	cr_expect_not(c.f->shut);
	client_free(&c);
}

Test(relay_time, a_payload_without_answer_ends_with_its_control)
{
	struct client c = client_login();

	client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	bench_settle();
	up_expect(LINK_EV_PAYLOAD, NULL); /* no credit came for it */
	control_restarts();
	client_ended(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

Test(relay_time, half_a_rekey_ends_with_its_control)
{
	struct client c = client_login();

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
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

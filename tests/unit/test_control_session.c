/*
 * control/session/ against a link that only remembers: connections that end while something
 * is asked for them, credit, connections of a control that is gone (S-25).
 */
#include "tests/util/session_bench.h"

TestSuite(control_session, .init = setup, .fini = teardown, .timeout = 60);

/* --- ends and answers ---------------------------------------------------------------------------
 */

Test(control_session, every_payload_is_credited)
{
	struct client c;

	client_begin(&c, 1, 1);
	while (!c.done || t.first != NULL)
		client_step(&c);
	cr_expect(c.in);
	cr_expect_gt(c.payloads, 5);
	cr_expect_eq(c.answered, c.payloads);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/*
 * A connection that ends anywhere between its first byte and its first channel: what was asked
 * for it is answered while the next one, of the same index, asks the same. No answer strays.
 */
Test(control_session, an_end_at_every_step_leaves_nothing)
{
	struct client c;
	uint32_t generation = 1;
	bool done = false;

	for (unsigned int steps = 0; !done; steps++) {
		client_begin(&c, 2, generation++);
		for (unsigned int i = 0; i < steps && !c.done; i++)
			client_step(&c);
		done = c.done;
		cr_assert_eq(session_table_count(t.table), 1);
		conn_over(&c.conn);
		cr_assert_eq(session_table_count(t.table), 0);
		items_drop();
		ssh_brain_free(c.brain);
	}
	cr_expect(c.in);
}

/* The same, when the end itself was lost: the next connection of the index says it. */
Test(control_session, an_end_that_was_lost_at_every_step)
{
	struct client c;
	uint32_t generation = 1;
	bool done = false;

	for (unsigned int steps = 0; !done; steps++) {
		client_begin(&c, 2, generation++);
		for (unsigned int i = 0; i < steps && !c.done; i++)
			client_step(&c);
		done = c.done;
		cr_assert_eq(session_table_count(t.table), 1);
		items_drop();
		ssh_brain_free(c.brain);
	}
	cr_expect(c.in);
	conn_over(&c.conn);
	cr_expect_eq(session_table_count(t.table), 0);
}

/* What an ended one left of its handle is nobody's: events that come late find no session. */
Test(control_session, a_late_end_does_not_end_the_next)
{
	struct link_handle conn = {.index = 1, .generation = 1},
			   next = {.index = 1, .generation = 2};

	conn_begin(&conn);
	conn_begin(&next);
	conn_over(&conn);
	cr_expect_eq(session_table_count(t.table), 1);
	conn_over(&next);
	cr_expect_eq(session_table_count(t.table), 0);
	items_drop();
}

Test(control_session, a_connection_begins_once)
{
	const struct link_handle conn = {.index = 1, .generation = 1};
	const struct link_conn_new ev = {.local = {.family = 4, .port = 22},
					 .peer = {.family = 4, .port = 9}};

	conn_begin(&conn);
	cr_expect_eq(event(&conn, LINK_EV_CONN_NEW, &ev, sizeof(ev), NULL, 0), -EBADMSG);
	items_drop();
}

/* The same, when the dataplane is gone, and another begins its generations anew. */
Test(control_session, a_detachment_at_every_step_leaves_nothing)
{
	struct client c;
	bool done = false;

	for (unsigned int steps = 0; !done; steps++) {
		client_begin(&c, 3, 1);
		for (unsigned int i = 0; i < steps && !c.done; i++)
			client_step(&c);
		done = c.done;
		session_table_free(t.table);
		table_new();
		items_drop();
		ssh_brain_free(c.brain);
	}
	cr_expect(c.in);
}

/* --- a control before this one ------------------------------------------------------------------
 */

/* What is sent for a connection there is no session for: DISCONNECT, then the end. */
static void expect_told(void)
{
	struct item *i = item_next();
	const struct link_bytes *b = link_msg_body(i->msg);
	struct ssh_disconnect_msg m;
	struct ssh_rd r;

	cr_assert_eq(item_type(i), LINK_IT_PAYLOAD);
	ssh_rd_init(&r, (const uint8_t *)(b + 1), b->len);
	cr_expect_eq(ssh_rd_u8(&r), SSH_MSG_DISCONNECT);
	cr_assert_eq(ssh_disconnect_parse(&r, &m), 0);
	cr_expect_eq(m.reason, SSH_DISCONNECT_BY_APPLICATION);
	cr_expect(ssh_str_eq(m.text, "the gateway was restarted: please connect again"));
	free(i);
	i = item_next();
	cr_assert_eq(item_type(i), LINK_IT_END);
	cr_expect_eq(((const struct link_end *)link_msg_body(i->msg))->cause, -SSH_E_UNAVAILABLE);
	free(i);
	cr_expect_null(t.first);
}

Test(control_session, a_forgotten_connection_is_told_when_it_asks)
{
	const struct link_handle conn = {.index = 1, .generation = 77};
	const struct link_payload ev = {.seqnr = 9, .len = 1};
	const struct link_conn_ref ref = {0};

	cr_expect_eq(event(&conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), "\x50", 1), 0);
	expect_told();
	cr_expect_eq(event(&conn, LINK_EV_REKEY_DUE, &ref, sizeof(ref), NULL, 0), 0);
	expect_told();
}

Test(control_session, a_forgotten_connection_is_left_alone_while_it_asks_nothing)
{
	const struct link_handle conn = {.index = 1, .generation = 77};
	const struct link_chan_ref opened = {.token = 5, .target = {.family = 4, .port = 80}};
	const struct link_chan_failed failed = {.token = 5, .err = -111, .reason = 2};
	const struct link_chan_end end = {.audit_id = 3, .token = 5};
	struct item *i;

	cr_expect_eq(event(&conn, LINK_EV_CHAN_OPENED, &opened, sizeof(opened), NULL, 0), 0);
	cr_expect_eq(event(&conn, LINK_EV_CHAN_FAILED, &failed, sizeof(failed), NULL, 0), 0);
	cr_expect_null(t.first);
	/* Its ends are heard of all the same. */
	cr_expect_eq(event(&conn, LINK_EV_CHAN_END, &end, sizeof(end), NULL, 0), 0);
	session_table_flush(t.table);
	i = item_next();
	cr_assert_not_null(i);
	cr_expect_eq(item_type(i), LINK_CMD_AUDIT_ACK);
	cr_expect_eq(((const struct link_audit_ack *)link_msg_body(i->msg))->audit_id, 3);
	free(i);
}

/* More than a shard may have unanswered is a dataplane that breaks the contract. */
Test(control_session, a_flood_of_payloads_is_the_dataplanes_fault)
{
	const struct link_handle conn = {.index = 1, .generation = 1};
	const struct link_payload ev = {.len = 1};
	struct client c;
	int r = 0;

	client_begin(&c, 1, 1);
	while (ssh_brain_phase(c.brain)->kex != SSH_KEX_FIRST_METHOD)
		client_step(&c); /* its ECDH_INIT is on its way: a job is about to run */
	while (c.payloads < 2)
		client_step(&c);
	for (int i = 0; i < 64 && r == 0; i++)
		r = event(&conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), "\x02", 1);
	cr_expect_eq(r, -EBADMSG);
	ssh_brain_free(c.brain);
}

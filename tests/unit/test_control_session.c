/*
 * control/session/ against a link that only remembers: connections that end while something
 * is asked for them, credit, connections of a control that is gone (S-25).
 */
#include "tests/util/session_bench.h"

#include "control/session/internal.h"
#include "tests/util/rnd.h"

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

/* --- bits that flip (F-38) ---------------------------------------------------------------------
 */

#define SAYINGS 15

/* One of each kind of event a shard says of a connection, well made. */
static size_t saying(unsigned int k, const struct link_handle *conn, uint8_t *msg)
{
	static const struct link_addr at = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}};
	static const uint8_t open[] = "\x5a\0\0\0\7session\0\0\0\1\0\1\0\0\0\0\x80\0";
	const union {
		struct link_conn_new born;
		struct link_bytes bytes;
		struct link_payload payload;
		struct link_conn_ref ref;
		struct link_chan_ref chan;
		struct link_chan_failed failed;
		struct link_chan_end chan_end;
		struct link_conn_end conn_end;
		struct link_conn_kept kept;
		struct link_chan_kept chan_kept;
		struct link_forward_kept forward_kept;
		struct link_kex_kept kex_kept;
		struct link_chan_unsaid unsaid;
		struct link_forward_result result;
	} body[SAYINGS] = {
		{.born = {.local = at, .peer = at}},
		{.bytes = {.len = sizeof(open) - 1}},
		{.payload = {.len = sizeof(open) - 1}},
		{.ref = {0}},
		{.chan = {.token = 3, .target = at}},
		{.failed = {.token = 3, .err = -ECONNREFUSED, .reason = 2}},
		{.chan_end = {.audit_id = 1, .token = 3, .target = at}},
		{.conn_end = {.audit_id = 2}},
		{.kept = {.local = at, .peer = at, .len = sizeof(open) - 1}},
		{.chan_kept = {.token = 4, .target = at, .port = 80, .name_len = 7}},
		{.forward_kept = {.token = 5,
				  .addr = at,
				  .port = 8080,
				  .host_len = 7,
				  .opens = 1,
				  .kind = 1,
				  .n_at = 1,
				  .at = {at}}},
		{.kex_kept = {.len = sizeof(open) - 1}},
		{.chan = {.token = 3, .target = at}},
		{.unsaid = {.token = 3, .id = 1}},
		{.result = {.token = 5, .port = 8080}},
	};
	static const struct {
		uint16_t type;
		uint16_t len, tail;
	} of[SAYINGS] = {
		{LINK_EV_CONN_NEW, sizeof(struct link_conn_new), 0},
		{LINK_EV_IDENT, sizeof(struct link_bytes), sizeof(open) - 1},
		{LINK_EV_PAYLOAD, sizeof(struct link_payload), sizeof(open) - 1},
		{LINK_EV_REKEY_DUE, sizeof(struct link_conn_ref), 0},
		{LINK_EV_CHAN_OPENED, sizeof(struct link_chan_ref), 0},
		{LINK_EV_CHAN_FAILED, sizeof(struct link_chan_failed), 0},
		{LINK_EV_CHAN_END, sizeof(struct link_chan_end), 0},
		{LINK_EV_CONN_END, sizeof(struct link_conn_end), 0},
		{LINK_EV_CONN_KEPT, sizeof(struct link_conn_kept), sizeof(open) - 1},
		{LINK_EV_CHAN_KEPT, sizeof(struct link_chan_kept), 7},
		{LINK_EV_FORWARD_KEPT, sizeof(struct link_forward_kept), 7},
		{LINK_EV_KEX_KEPT, sizeof(struct link_kex_kept), sizeof(open) - 1},
		{LINK_EV_CHAN_DRAINED, sizeof(struct link_chan_ref), 0},
		{LINK_EV_CHAN_UNSAID, sizeof(struct link_chan_unsaid), 0},
		{LINK_EV_FORWARD, sizeof(struct link_forward_result), 0},
	};
	const struct link_hdr h = {.len = (uint32_t)(sizeof(h) + of[k].len + of[k].tail),
				   .type = of[k].type,
				   .conn = *conn};

	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), &body[k], of[k].len);
	memcpy(msg + sizeof(h) + of[k].len, of[k].tail == 7 ? (const uint8_t *)"example" : open,
	       of[k].tail);
	return h.len;
}

/*
 * What passes the check of the link may still be nonsense: any event of any connection, at any
 * time. Control refuses it or goes on, and lets the next one in.
 */
Test(control_session, f38_bits_flip_in_what_a_shard_says)
{
	_Alignas(uint64_t) static uint8_t msg[LINK_MSG_MAX];
	struct rnd r = rnd_new(rnd_seed());
	unsigned int passed = 0, refused = 0, fatal = 0;
	struct link_handle conn = {0};
	struct client in = client_in(3, 1), c;

	for (unsigned int i = 0; i < (test_long() ? 1000000 : 6000); i++) {
		size_t len;

		conn.index = rnd_below(&r, 4);
		conn.generation = 1 + rnd_below(&r, 2);
		len = saying(rnd_below(&r, SAYINGS), &conn, msg);
		cr_assert_eq(link_msg_check(msg, len), 0, "type %u",
			     ((struct link_hdr *)(void *)msg)->type);
		for (unsigned int n = rnd_below(&r, 4); n > 0; n--) {
			uint32_t bit = rnd_below(&r, (uint32_t)len * 8);

			msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		if (link_msg_check(msg, len) < 0) {
			refused++;
		} else {
			passed++;
			fatal += session_table_event(t.table, msg) < 0;
		}
		items_drop();
	}
	cr_expect(passed > 1000 && refused > 1000, "%u and %u", passed, refused);
	cr_expect_lt(fatal, passed, "%u would have its dataplane sent away", fatal);
	for (uint32_t i = 0; i < t.table->max; i++)
		if (t.table->by_index[i] != NULL) {
			conn = (struct link_handle){
				.index = i,
				.generation = t.table->by_index[i]->ref.conn.generation};
			conn_over(&conn);
		}
	c = client_in(1, 77);
	cr_expect(c.in);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
	ssh_brain_free(in.brain);
}

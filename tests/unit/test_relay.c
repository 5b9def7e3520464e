/* dataplane/relay: connections, what is settled and what is handed on, with control played. */
#include "dataplane/relay/internal.h"
#include "ssh/ident.h"
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

/* --- secrets ---------------------------------------------------------------------------------- */

static const char password[] = "correct horse battery staple";

static void look_for_password(struct rte_mempool *pool, void *arg, void *m, unsigned int i)
{
	unsigned int *n = arg;

	*n += memmem(((struct rte_mbuf *)m)->buf_addr, ((struct rte_mbuf *)m)->buf_len, password,
		     sizeof(password) - 1) != NULL;
}

static void expect_no_password(void)
{
	unsigned int n = 0;

	rte_mempool_obj_iter(bench_pools.data, look_for_password, &n);
	cr_expect_eq(n, 0, "it is left in %u buffers", n);
	cr_expect_null(memmem(bench->payload, LINK_PAYLOAD_MAX, password, sizeof(password) - 1));
}

static void send_password(struct client *c)
{
	uint8_t m[6000] = {SSH_MSG_USERAUTH_REQUEST}; /* several buffers */

	for (size_t i = 1; i + sizeof(password) <= sizeof(m); i += sizeof(password))
		memcpy(m + i, password, sizeof(password));
	client_send(c, m, sizeof(m));
	bench_settle();
}

Test(relay, a_password_is_not_left_behind)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	client_kex(&c);
	send_password(&c);
	up_payload_expect(&c, SSH_MSG_USERAUTH_REQUEST);
	bench_settle();
	expect_no_password();
	client_free(&c);
}

/* One that waits for control, one for its turn: neither is ever read. */
Test(relay, a_password_nobody_read_is_not_left_behind)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	client_kex(&c);
	bench_link_full = true;
	send_password(&c);
	send_password(&c);
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	bench_link_full = false;
	bench_pass(2000001);
	cr_expect(c.f->aborted);
	expect_no_password();
	client_free(&c);
}

/* --- identification --------------------------------------------------------------------------- */

Test(relay, identification_may_come_in_crumbs)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	static const char line[] = "SSH-2.0-crumbs and a comment\r\n";
	const struct link_bytes *b;

	for (size_t i = 0; i + 1 < sizeof(line); i++) {
		cr_expect_null(up_next());
		fake_give(c.f, line + i, 1);
		bench_settle();
	}
	b = up_expect(LINK_EV_IDENT, NULL);
	cr_expect_eq(b->len, sizeof(line) - 3);
	cr_expect_eq(memcmp(b + 1, line, b->len), 0);
	client_free(&c);
}

Test(relay, bad_identification_ends_it)
{
	char longest[300];
	const char *bad[] = {"SSH-2.0-\x01\r\n", longest};

	memset(longest, 'A', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct client c = client_new("aes128-gcm@openssh.com", "");
		const struct link_conn_end *end;

		fake_give(c.f, bad[i], (uint32_t)strlen(bad[i]));
		bench_settle();
		cr_expect_eq(c.f->tx.len, 0, "no record before our own line");
		end = up_expect(LINK_EV_CONN_END, NULL);
		cr_expect_eq(end->cause, -SSH_E_IDENT, "case %u: %d", i, end->cause);
		client_free(&c);
	}
}

/* --- records that end a connection ---------------------------------------------------------- */

Test(relay, a_bad_mac_ends_it_and_no_other)
{
	struct client a = client_login(), b = client_login();
	struct bench_chan ch;
	size_t n;
	uint8_t wire[256];

	ssh_flat_send(&a.flat, "\x02xxxx", 5);
	memcpy(wire, ssh_flat_out(&a.flat, &n), 48);
	wire[20] ^= 1;
	fake_give(a.f, wire, (uint32_t)n);
	client_ended(&a, -SSH_E_MAC);
	ch = client_channel(&b, 1, 1000);
	cr_expect_neq(ch.local, UINT32_MAX);
	client_free(&a);
	client_free(&b);
}

/* S-49: before authentication one record of at most 35,000 bytes. */
Test(relay, a_long_record_before_authentication_ends_it)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	static const uint8_t head[8] = {0, 0, 0x88, 0xbc, 4, 20};

	client_ident(&c);
	fake_give(c.f, head, sizeof(head));
	client_ended(&c, -SSH_E_LENGTH);
	client_free(&c);
}

Test(relay, a_record_of_any_legal_size_after_it)
{
	struct client c = client_login();
	static uint8_t payload[LINK_PAYLOAD_MAX + 1];

	payload[0] = SSH_MSG_IGNORE;
	client_send(&c, payload, sizeof(payload));
	bench_settle();
	cr_expect_null(up_next());
	payload[0] = SSH_MSG_GLOBAL_REQUEST; /* for control: longer than its messages are */
	client_send(&c, payload, sizeof(payload));
	client_ended(&c, -SSH_E_LENGTH);
	client_free(&c);
}

/*
 * No byte of a record that is not whole is left with the stream, whose window might be smaller
 * than the record; also while the target takes nothing.
 */
Test(relay, an_incomplete_record_takes_all_there_is)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static uint8_t payload[SSH_PAYLOAD_MAX], out[SSH_PACKET_MAX + 64];
	const uint8_t *p;
	size_t n, at, step;

	client_data(&c, ch.local, payload, 20000);
	bench_settle();
	cr_expect_eq(ch.target->tx.len, 20000, "the target drains none of it");
	payload[0] = SSH_MSG_IGNORE;
	cr_assert_eq(ssh_flat_send(&c.flat, payload, sizeof(payload)), 0);
	p = ssh_flat_out(&c.flat, &n);
	cr_assert_leq(n, sizeof(out));
	memcpy(out, p, n);
	ssh_flat_sent(&c.flat, n);
	cr_expect_gt(n, SSH_PACKET_MAX - 256, "the case this is about");
	for (at = 0; at < n; at += step) {
		step = RTE_MIN((size_t)1448, n - at);
		fake_give(c.f, out + at, (uint32_t)step);
		bench_turn();
		cr_assert_eq(c.f->rx.len, 0, "at %zu of %zu", at, n);
	}
	cr_expect_not(c.f->shut);
	client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	up_payload_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	client_free(&c);
}

/* --- what the shard settles ------------------------------------------------------------------ */

/* S-22: every number nobody has, with the number of its record. */
Test(relay, unknown_messages_are_unimplemented)
{
	struct client c = client_login();
	unsigned int asked = 0;

	for (unsigned int msg = 8; msg < 192; msg++) {
		const uint8_t *p;
		uint32_t seqnr;
		size_t n;

		if (!(msg <= 19 || (msg >= 101 && msg <= 191)))
			continue;
		seqnr = c.flat.tx.seqnr;
		client_send_byte(&c, (uint8_t)msg);
		cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_UNIMPLEMENTED, "message %u", msg);
		cr_expect_eq(p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4], (int)seqnr);
		cr_expect_eq(client_next(&c, &p, &n), 0, "one answer");
		asked++;
	}
	cr_expect_eq(bench_count(RELAY_C_UNIMPLEMENTED), asked);
	client_free(&c);
}

Test(relay, a_flood_of_unknown_messages_ends_it)
{
	struct client c = client_login();

	for (int i = 0; i < 300; i++)
		client_send_byte(&c, 150);
	client_ended(&c, -SSH_E_FLOOD);
	cr_expect_eq(bench_count(RELAY_C_UNIMPLEMENTED), 256);
	client_free(&c);
}

Test(relay, message_zero_and_foreign_numbers_end_it)
{
	static const uint8_t bad[] = {0, 5, 6, 21, 30, 49, 51, 60, 79};

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct client c = client_login();

		client_send_byte(&c, bad[i]);
		client_ended(&c, -SSH_E_PROTO);
		client_free(&c);
	}
}

/* S-02: the connection protocol before authentication. */
Test(relay, channels_before_authentication_end_it)
{
	static const uint8_t bad[] = {80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 192};

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct client c = client_new("aes128-gcm@openssh.com", "");

		client_ident(&c);
		client_kex(&c);
		client_send_byte(&c, bad[i]);
		client_ended(&c, -SSH_E_PROTO);
		client_free(&c);
	}
	cr_expect_eq(bench_targets, 0);
}

Test(relay, ping_is_answered_with_its_string)
{
	struct client c = client_login();
	static const uint8_t ping[] = {SSH_MSG_PING, 0, 0, 0, 3, 'a', 'b', 'c'};
	static const uint8_t bad[] = {SSH_MSG_PING, 0, 0, 0, 4, 'a', 'b', 'c'};
	const uint8_t *p;
	size_t n;

	client_send(&c, ping, sizeof(ping));
	cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_PONG);
	cr_expect_eq(n, sizeof(ping));
	cr_expect_eq(memcmp(p + 1, ping + 1, n - 1), 0);
	client_send(&c, bad, sizeof(bad));
	client_ended(&c, -SSH_E_FORMAT);
	client_free(&c);
}

Test(relay, ignore_and_debug_are_nobodys)
{
	struct client c = client_login();
	const uint8_t *p;
	size_t n;

	for (int i = 0; i < 100; i++) {
		client_send_byte(&c, SSH_MSG_IGNORE);
		client_send_byte(&c, SSH_MSG_DEBUG);
	}
	cr_expect_eq(client_next(&c, &p, &n), 0);
	cr_expect_null(up_next());
	client_free(&c);
}

Test(relay, disconnect_goes_to_control_and_ends_it)
{
	struct client c = client_login();
	static const uint8_t bye[] = {SSH_MSG_DISCONNECT, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0};
	const struct link_conn_end *end;

	client_send(&c, bye, sizeof(bye));
	bench_settle();
	up_expect(LINK_EV_PAYLOAD, NULL);
	end = up_expect(LINK_EV_CONN_END, NULL);
	cr_expect_eq(end->cause, -SSH_E_PEER_DISCONNECT);
	cr_expect_eq(end->bytes_in, 11);
	cr_expect_eq(end->bytes_out, 22);
	cr_expect_eq(end->authenticated, 1);
	client_free(&c);
}

/* S-57: who asks for answers and reads none is not read either. */
Test(relay, answers_to_one_who_does_not_read_are_bounded)
{
	struct client c = client_login();
	static uint8_t ping[30000] = {SSH_MSG_PING, 0, 0, (sizeof(ping) - 5) >> 8,
				      (sizeof(ping) - 5) & 0xff};

	c.f->budget = 50000;
	for (int i = 0; i < 40; i++) {
		client_send(&c, ping, sizeof(ping));
		bench_settle();
	}
	cr_expect_leq(c.f->tx.len, 50000 + 64 * 1024 + 3 * 31000);
	for (int i = 0; i < 40; i++) {
		client_pull(&c);
		bench_settle();
	}
	for (int i = 0; i < 40; i++)
		client_expect(&c, SSH_MSG_PONG);
	client_free(&c);
}

/* S-57: the same with requests that control answers: it has no more of them than it may owe. */
Test(relay, requests_of_one_who_does_not_read_are_bounded)
{
	static const char request[] = "\x50\0\0\0\7x@y.org\1";
	static const uint8_t answer[1000] = {SSH_MSG_REQUEST_SUCCESS};
	struct client c = client_login();
	const struct link_hdr *h;
	unsigned int heard = 0;

	c.f->budget = 4096;
	for (int i = 0; i < 2000; i++) {
		client_send(&c, request, sizeof(request) - 1);
		if (i % 8 == 0)
			bench_settle();
		for (; (h = up_next()) != NULL; heard++) {
			cr_assert_eq(h->type, LINK_EV_PAYLOAD);
			down_bytes(LINK_IT_PAYLOAD, c.h, answer, sizeof(answer));
			down_answered(c.h, 1, ((const struct link_payload *)link_msg_body(h))->len);
		}
	}
	bench_settle();
	cr_expect_lt(heard, 1000, "%u of 2000 were heard", heard);
	/* What waits, and what control owed when reading stopped. */
	cr_expect_leq(c.f->tx.len, 4096 + 64 * 1024 + 16 * 1100, "%u bytes", c.f->tx.len);
	for (unsigned int answers = 0; answers < 2000;) {
		const uint8_t *p;
		size_t n;

		while (client_next(&c, &p, &n) == SSH_MSG_REQUEST_SUCCESS)
			answers++;
		for (; (h = up_next()) != NULL; heard++) {
			down_bytes(LINK_IT_PAYLOAD, c.h, answer, sizeof(answer));
			down_answered(c.h, 1, ((const struct link_payload *)link_msg_body(h))->len);
		}
	}
	cr_expect_eq(heard, 2000, "all are answered once it reads");
	client_free(&c);
}

/* --- control ---------------------------------------------------------------------------------- */

/* Sixteen unanswered payloads, then the connection is not read; credit lets it go on. */
Test(relay, control_is_not_flooded)
{
	struct client c = client_login();
	struct relay_uses u;
	unsigned int n = 0;

	for (int i = 0; i < 50; i++)
		client_send_byte(&c, SSH_MSG_GLOBAL_REQUEST);
	bench_settle();
	while (up_next() != NULL)
		n++;
	cr_expect_eq(n, 16);
	cr_expect_eq(bench_count(RELAY_C_SLOW_PATH_STOPPED), 1);
	relay_uses(bench, &u);
	cr_expect(u.unanswered.now == 16 && u.unanswered.max == 16);
	down_answered(c.h, 10, 10);
	bench_settle();
	for (n = 0; up_next() != NULL; n++)
		;
	cr_expect_eq(n, 10);
	down_answered(c.h, 1000, 1000000); /* more than was asked is not believed */
	bench_settle();
	for (n = 0; up_next() != NULL; n++)
		;
	cr_expect_eq(n, 16);
	client_free(&c);
}

Test(relay, unanswered_bytes_are_bounded)
{
	struct client c = client_login();
	static uint8_t payload[30000] = {SSH_MSG_GLOBAL_REQUEST};
	unsigned int n = 0;

	for (int i = 0; i < 5; i++)
		client_send(&c, payload, sizeof(payload));
	bench_settle();
	while (up_next() != NULL)
		n++;
	cr_expect_eq(n, 2);
	client_free(&c);
}

/* Before authentication control holds one payload of a connection. */
Test(relay, one_payload_before_authentication)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	client_send_byte(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
	bench_settle();
	up_expect(LINK_EV_PAYLOAD, NULL);
	cr_expect_null(up_next());
	down_answered(c.h, 1, 1);
	bench_settle();
	up_expect(LINK_EV_PAYLOAD, NULL);
	client_free(&c);
}

/* S-06: of the first exchange control sees every message, with its number. */
Test(relay, every_message_of_the_first_exchange_is_controls)
{
	static const uint8_t msg[] = {2, 3, 4, 20, 150, 80, 192, 30};
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	for (uint32_t i = 0; i < RTE_DIM(msg); i++) {
		const struct link_payload *p;

		client_send_byte(&c, msg[i]);
		bench_settle();
		p = up_expect(LINK_EV_PAYLOAD, NULL);
		cr_expect_eq(p->seqnr, i);
		cr_expect_eq(*(const uint8_t *)(p + 1), msg[i]);
		down_answered(c.h, 1, 1);
	}
	client_free(&c);
}

/* Behind USERAUTH_SUCCESS nothing is judged until the item that says what is allowed. */
Test(relay, a_message_behind_success_waits_for_authenticated)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	static const uint8_t ping[] = {SSH_MSG_PING, 0, 0, 0, 0};
	const uint8_t *p;
	size_t n;

	client_ident(&c);
	client_kex(&c);
	client_send_byte(&c, SSH_MSG_USERAUTH_REQUEST);
	up_payload_expect(&c, SSH_MSG_USERAUTH_REQUEST);
	down_msg(&c, SSH_MSG_USERAUTH_SUCCESS);
	client_expect(&c, SSH_MSG_USERAUTH_SUCCESS);
	client_send(&c, ping, sizeof(ping));
	cr_expect_eq(client_next(&c, &p, &n), 0);
	down(LINK_IT_AUTHENTICATED, c.h, &bench_auth, sizeof(bench_auth), NULL, 0);
	client_expect(&c, SSH_MSG_PONG);
	client_free(&c);
}

Test(relay, items_for_what_is_gone_are_counted)
{
	struct client c = client_login();
	struct link_handle other[] = {c.h, c.h, c.h, c.h};

	other[0].generation++;
	other[1].index = 4000000;
	other[2].shard++;
	other[3].dataplane++;
	for (unsigned int i = 0; i < RTE_DIM(other); i++)
		down_bytes(LINK_IT_PAYLOAD, other[i], "\x50", 1);
	bench_settle();
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 4);
	/* An answer to a request of a channel whose CLOSE is sealed. */
	down_bytes(LINK_IT_PAYLOAD, c.h, "\x63\0\0\0\1", 5);
	bench_settle();
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 5);
	client_free(&c);
}

Test(relay, end_flushes_and_closes)
{
	struct client c = client_login();
	struct link_end end = {.cause = -SSH_E_GRACE, .linger_ms = 1000};
	const struct link_conn_end *e;

	down_msg(&c, SSH_MSG_DISCONNECT);
	down(LINK_IT_END, c.h, &end, sizeof(end), NULL, 0);
	bench_settle();
	cr_expect(c.f->shut);
	cr_expect_not(c.f->closed, "what is sealed has not arrived");
	cr_expect_null(up_next());
	client_expect(&c, SSH_MSG_DISCONNECT);
	bench_settle();
	cr_expect(c.f->closed && !c.f->aborted);
	e = up_expect(LINK_EV_CONN_END, NULL);
	cr_expect_eq(e->cause, -SSH_E_GRACE);
	client_free(&c);
}

Test(relay, the_linger_is_bounded)
{
	struct client c = client_login();
	struct link_end end = {.cause = -SSH_E_SHUTDOWN, .linger_ms = 1000};

	down_msg(&c, SSH_MSG_DISCONNECT);
	down(LINK_IT_END, c.h, &end, sizeof(end), NULL, 0);
	bench_settle();
	bench_pass(999000);
	cr_expect_not(c.f->aborted);
	bench_pass(2000);
	cr_expect(c.f->aborted);
	up_expect(LINK_EV_CONN_END, NULL);
	client_free(&c);
}

/* What another control is told first of this connection. */
static const struct link_conn_kept *kept_of(const struct client *c)
{
	const struct link_conn_kept *ret = NULL;
	struct link_hdr *h;

	bench_kept = true;
	relay_link_detached(bench);
	relay_link_attached(bench);
	bench_settle();
	while ((h = up_next()) != NULL)
		if (h->type == LINK_EV_CONN_KEPT && h->conn.generation == c->h.generation)
			ret = link_msg_body(h);
	cr_assert_not_null(ret);
	return ret;
}

Test(relay, blobs_are_kept_and_returned)
{
	struct client a = client_login(), b = client_login();
	const struct link_conn_kept *m;

	down_bytes(LINK_IT_BLOB, a.h, "old", 3);
	down_bytes(LINK_IT_BLOB, a.h, "of a", 4);
	down_bytes(LINK_IT_BLOB, b.h, "b's", 3);
	bench_settle();
	m = kept_of(&a);
	cr_expect(m->len == 4 && memcmp(m + 1, "of a", 4) == 0);
	cr_expect_eq(m->peer.port, 50022);
	m = kept_of(&b);
	cr_expect(m->len == 3 && memcmp(m + 1, "b's", 3) == 0);
	client_free(&a);
	client_free(&b);
}

/* Whether it is held to anything: if not, nobody has to tell it that again. */
Test(relay, another_control_hears_whether_it_has_rates)
{
	static const struct link_caps caps[2] = {{.conn[LINK_IN].rate = 1 << 20}};
	static const struct link_shares shares[2] = {{.own = 3}, {.own = 1}};
	static const struct link_flight flight[2] = {{.max = 1 << 20}};
	static const struct {
		uint16_t type;
		const void *any, *none;
		size_t len;
	} kind[] = {
		{LINK_IT_CAPS, &caps[0], &caps[1], sizeof(caps[0])},
		{LINK_IT_SHARES, &shares[0], &shares[1], sizeof(shares[0])},
		{LINK_IT_FLIGHT, &flight[0], &flight[1], sizeof(flight[0])},
	};
	struct client c = client_login();

	cr_expect_eq(kept_of(&c)->rated, 0);
	for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		down(kind[i].type, c.h, kind[i].any, kind[i].len, NULL, 0);
		bench_settle();
		cr_expect_eq(kept_of(&c)->rated, 1, "%zu", i);
		down(kind[i].type, c.h, kind[i].none, kind[i].len, NULL, 0);
		bench_settle();
		cr_expect_eq(kept_of(&c)->rated, 0, "%zu", i);
	}
	client_free(&c);
}

/* Of any length, one after the other, and after others that were longer. */
Test(relay, blobs_of_any_length)
{
	static const uint32_t lens[] = {1, 123, 124, 125, 248, 249, LINK_BLOB_MAX, 2, 1000, 372};
	struct client a = client_login(), b = client_login();
	uint8_t blob[LINK_BLOB_MAX];

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		const struct link_conn_kept *m;
		const struct client *c = i % 3 == 0 ? &b : &a;

		for (uint32_t k = 0; k < lens[i]; k++)
			blob[k] = (uint8_t)(k * 7 + i);
		down_bytes(LINK_IT_BLOB, c->h, blob, lens[i]);
		bench_settle();
		m = kept_of(c);
		cr_assert_eq(m->len, lens[i]);
		cr_expect_arr_eq(m + 1, blob, lens[i]);
	}
	client_free(&a);
	client_free(&b);
}

Test(relay, a_full_table_refuses)
{
	static const struct link_addr local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
				      peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}};
	const struct link_conn_new *ev;
	struct client c[BENCH_CONNS];
	struct fake *one = fake_new();
	uint32_t last = 0;

	for (unsigned int i = 0; i < BENCH_CONNS; i++)
		c[i] = client_new("aes128-gcm@openssh.com", "");
	while (up_next() != NULL)
		;
	for (unsigned int second = 0; second < 2; second++) {
		bench_link_full = true;
		cr_expect_not(relay_accept(bench, &one->s, 1, &local, &peer, bench_now));
		bench_link_full = false;
		for (unsigned int i = 0; i < 5; i++)
			cr_expect_not(relay_accept(bench, &one->s, 1, &local, &peer, bench_now));
		ev = up_expect(LINK_EV_CONN_FULL, NULL);
		cr_expect_eq(ev->peer.port, 9);
		cr_expect_eq(ev->local.port, 22);
		cr_expect_neq(ev->uid_low, last, "each has an id of its own");
		last = ev->uid_low;
		cr_expect_null(up_next(), "the others are counted");
		bench_now += RELAY_FULL_US;
	}
	cr_expect_eq(bench_count(RELAY_C_CONN_TABLE_FULL), 12);
	for (unsigned int i = 0; i < BENCH_CONNS; i++)
		client_free(&c[i]);
}

static bool comes_in(struct fake **ret)
{
	static const struct link_addr at = {.family = 4, .port = 22};

	*ret = fake_new();
	if (relay_accept(bench, &(*ret)->s, 1, &at, &at, bench_now))
		return true;
	(*ret)->used = false;
	return false;
}

static void goes(struct fake *f)
{
	fake_fail(f, -ECONNRESET);
	bench_settle();
}

Test(relay, a_limit_that_changes_cuts_nobody)
{
	struct fake *f[BENCH_CONNS], *none;
	struct relay_uses u;

	cr_expect_eq(relay_limit(bench, 2), 0);
	cr_assert(comes_in(&f[0]) && comes_in(&f[1]));
	cr_expect_not(comes_in(&none));
	cr_expect_eq(relay_limit(bench, 3), 0);
	cr_assert(comes_in(&f[2]));
	cr_expect_not(comes_in(&none));
	cr_expect_eq(bench_count(RELAY_C_CONN_TABLE_FULL), 2);
	cr_expect_eq(relay_limit(bench, 1), 0);
	bench_settle();
	relay_uses(bench, &u);
	cr_expect(u.conns.now == 3 && u.conns.max == 1, "all are there still");
	for (unsigned int i = 0; i < 2; i++) {
		cr_expect_not(comes_in(&none), "there are %u", relay_conns(bench));
		goes(f[i]);
	}
	cr_expect_not(comes_in(&none), "as many as there may be");
	goes(f[2]);
	cr_assert(comes_in(&f[0]));
	cr_expect_eq(relay_limit(bench, BENCH_CONNS + 1), 0);
	cr_expect_eq(relay_conns_max(bench), BENCH_CONNS, "there are no more places");
	goes(f[0]);
}

/* An empty pool stops things for a while and loses nothing. */
Test(relay, an_empty_pool_is_waited_for)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	static struct rte_mbuf *hog[8191];
	uint8_t seen[256] = {0};
	unsigned int n = 0;

	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	client_send_byte(&c, 150);
	fake_eof(ch.target);
	down_bytes(LINK_IT_PAYLOAD, c.h, "\x50\0\0\0\1x\0", 7);
	while ((hog[n] = rte_pktmbuf_alloc(bench_pools.data)) != NULL)
		n++;
	for (int i = 0; i < 20; i++)
		bench_turn();
	cr_expect_gt(bench_count(RELAY_C_NO_MBUF), 0);
	cr_expect_leq(relay_next_timer_us(bench), bench_now + 1000, "it comes again by itself");
	rte_pktmbuf_free_bulk(hog, n);
	for (unsigned int i = 0; i < 4; i++) {
		const uint8_t *p;
		size_t len;

		seen[client_next(&c, &p, &len)]++;
	}
	cr_expect(seen[SSH_MSG_GLOBAL_REQUEST] == 1 && seen[SSH_MSG_UNIMPLEMENTED] == 1 &&
		  seen[SSH_MSG_CHANNEL_EOF] == 1 && seen[SSH_MSG_CHANNEL_CLOSE] == 1);
	client_free(&c);
}

/*
 * Anything an authenticated peer may send, right and wrong, in any order, with targets that come
 * and go: an end or none, but nothing is touched that is gone and no buffer is lost.
 */
static void storm(uint64_t seed)
{
	struct rnd r = rnd_new(seed);
	struct client c = client_login();
	struct bench_chan ch[3];
	uint8_t payload[600];

	for (uint32_t i = 0; i < RTE_DIM(ch); i++)
		ch[i] = client_channel(&c, i, rnd_below(&r, 100000));
	for (int i = 0; i < 300 && !c.f->shut; i++) {
		struct bench_chan *at = &ch[rnd_below(&r, RTE_DIM(ch))];
		uint32_t n = 5 + rnd_below(&r, sizeof(payload) - 5), len;
		bool wild = rnd_below(&r, 60) == 0;
		struct ssh_wr w;

		rnd_fill(&r, payload, sizeof(payload));
		ssh_wr_init(&w, payload, sizeof(payload));
		ssh_wr_u8(&w, wild ? (uint8_t)rnd_u32(&r) : (uint8_t)(92 + rnd_below(&r, 9)));
		ssh_wr_u32(&w, rnd_below(&r, 40) == 0 ? rnd_u32(&r) : at->local);
		switch (payload[0]) {
		case SSH_MSG_CHANNEL_OPEN_FAILURE: /* would end it: a PING instead */
			payload[0] = SSH_MSG_PING;
			n = 5 + (payload[4] & 63);
			memset(payload + 1, 0, 4);
			payload[4] = (uint8_t)(n - 5);
			break;
		case SSH_MSG_CHANNEL_DATA:
			ssh_wr_u32(&w, n > 9 ? n - 9 : (n = 9, 0));
			break;
		case SSH_MSG_CHANNEL_EXTENDED_DATA:
			ssh_wr_u32(&w, 1);
			ssh_wr_u32(&w, n > 13 ? n - 13 : (n = 13, 0));
			break;
		case SSH_MSG_CHANNEL_WINDOW_ADJUST:
			ssh_wr_u32(&w, rnd_below(&r, 5000));
			n = 9;
			break;
		case SSH_MSG_CHANNEL_EOF:
		case SSH_MSG_CHANNEL_CLOSE:
			n = rnd_below(&r, 10) == 0 ? n : 5;
			if (rnd_below(&r, 10) > 0)
				payload[0] = SSH_MSG_IGNORE;
			break;
		default:
			break;
		}
		client_send(&c, payload, n);
		if (!at->target->closed && !at->target->aborted) {
			len = rnd_below(&r, 3000);
			if (rnd_below(&r, 3) == 0 && len > 0)
				fake_give(at->target, payload, RTE_MIN(len, sizeof(payload)));
			fake_drain(at->target, NULL, rnd_below(&r, at->target->tx.len + 1));
			if (rnd_below(&r, 60) == 0)
				fake_eof(at->target);
			if (rnd_below(&r, 90) == 0)
				fake_fail(at->target, -ECONNRESET);
		}
		if (rnd_below(&r, 4) == 0)
			bench_settle();
		for (const struct link_hdr *h; (h = up_next()) != NULL;)
			if (h->type == LINK_EV_PAYLOAD)
				down_answered(c.h, 1, 600);
	}
	bench_settle();
	if (!c.f->closed && !c.f->aborted)
		fake_fail(c.f, -ECONNRESET);
	bench_settle();
	for (uint32_t i = 0; i < RTE_DIM(ch); i++) {
		cr_expect(ch[i].target->closed || ch[i].target->aborted, "seed %lu", seed);
		pkt_chain_free(&ch[i].target->rx);
		pkt_chain_free(&ch[i].target->tx);
		ch[i].target->used = false;
	}
	while (up_next() != NULL)
		;
	client_free(&c);
	pkt_chain_free(&c.f->rx);
	pkt_chain_free(&c.f->tx);
	c.f->used = false;
}

Test(relay, a_storm_of_messages_one)
{
	for (uint64_t i = 0; i < (test_long() ? 12 : 6); i++)
		storm(rnd_seed() + i);
}

Test(relay, a_storm_of_messages_two)
{
	for (uint64_t i = 0; i < (test_long() ? 12 : 6); i++)
		storm(rnd_seed() + 1000 + i);
}

/* --- the PROXY protocol (S-81)
 * -------------------------------------------------------------------- */

static const struct link_addr balancer = {.family = 4, .port = 555, .addr = {192, 0, 2, 9}};
static const struct link_addr stranger = {.family = 4, .port = 666, .addr = {198, 51, 100, 9}};
static const struct link_addr gateway = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}};
static const char header[] = "PROXY TCP4 203.0.113.7 203.0.113.1 4022 2222\r\n";

static bool is_balancer(void *arg, const struct link_addr *peer)
{
	(void)arg;
	return memcmp(peer->addr, balancer.addr, 4) == 0;
}

static void proxy_start(void)
{
	bench_proxied = is_balancer;
	bench_start();
}

TestSuite(relay_proxy, .init = proxy_start, .fini = bench_end);

/* What comes from there, whole or by the byte. */
static struct fake *comes(const struct link_addr *from, const void *p, uint32_t n, uint32_t step)
{
	struct fake *f = fake_new();

	cr_assert(relay_accept(bench, &f->s, 7, &gateway, from, bench_now));
	for (uint32_t at = 0; at < n; at += step) {
		fake_give(f, (const uint8_t *)p + at, RTE_MIN(step, n - at));
		bench_settle();
	}
	return f;
}

static void expect_named(const struct link_addr *peer, const struct link_addr *local)
{
	const struct link_conn_new *ev = up_expect(LINK_EV_CONN_NEW, NULL);
	const struct link_bytes *line = up_expect(LINK_EV_IDENT, NULL);

	cr_expect_arr_eq(&ev->peer, peer, sizeof(*peer));
	cr_expect_arr_eq(&ev->local, local, sizeof(*local));
	cr_expect_arr_eq(line + 1, "SSH-2.0-x", 9);
}

static void over(struct fake *f)
{
	fake_eof(f);
	bench_settle();
	pkt_chain_free(&f->rx);
	pkt_chain_free(&f->tx);
}

Test(relay_proxy, s81_a_header_names_the_client_when_who_sends_it_may)
{
	static const uint8_t v2[] =
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\7\xcb\0\x71\1\x0f\xb6\x08\xae"
		"SSH-2.0-x\r\n";
	const struct link_addr peer = {.family = 4, .port = 4022, .addr = {203, 0, 113, 7}};
	const struct link_addr local = {.family = 4, .port = 2222, .addr = {203, 0, 113, 1}};
	char v1[128];
	int n = snprintf(v1, sizeof(v1), "%sSSH-2.0-x\r\n", header);
	struct fake *f;

	f = comes(&balancer, v1, (uint32_t)n, 1000);
	expect_named(&peer, &local);
	over(f);
	up_expect(LINK_EV_CONN_END, NULL);
	f = comes(&balancer, v1, (uint32_t)n, 1);
	expect_named(&peer, &local);
	over(f);
	up_expect(LINK_EV_CONN_END, NULL);
	f = comes(&balancer, v2, sizeof(v2) - 1, 1);
	expect_named(&peer, &local);
	over(f);
	cr_expect_eq(bench_count(RELAY_C_PROXIED), 3);
}

/* To control, which refuses it as any other line that does not begin with SSH-. */
Test(relay_proxy, s81_from_others_it_is_a_bad_version)
{
	struct fake *f = comes(&stranger, header, sizeof(header) - 1, 1000);
	const struct link_conn_new *ev = up_expect(LINK_EV_CONN_NEW, NULL);
	const struct link_bytes *line = up_expect(LINK_EV_IDENT, NULL);

	cr_expect_arr_eq(&ev->peer, &stranger, sizeof(stranger), "it is who it is");
	cr_expect_eq(line->len, sizeof(header) - 3);
	cr_expect_lt(ssh_ident_check(SSH_SERVER, (const uint8_t *)(line + 1), line->len), 0);
	cr_expect_eq(bench_count(RELAY_C_PROXIED), 0);
	over(f);
}

/* Nobody hears of it: who it would have been is not known. */
Test(relay_proxy, s81_one_without_a_header_ends)
{
	static const char *const bytes[] = {"SSH-2.0-x\r\n", "PROXY TCP4 1.2.3.4\r\n", "x",
					    "PROXY TCP4 1.2.3.4 5.6.7.8 9 0\r\nSSH-2.0-x\r\n"};

	for (size_t i = 0; i < RTE_DIM(bytes); i++) {
		struct fake *f = comes(&balancer, bytes[i], (uint32_t)strlen(bytes[i]), 1000);

		bench_settle();
		cr_expect(f->closed || f->aborted, "%zu", i);
		cr_expect_null(up_next());
		pkt_chain_free(&f->rx);
		pkt_chain_free(&f->tx);
	}
	cr_expect_eq(bench_count(RELAY_C_PROXY_BAD), RTE_DIM(bytes));
}

Test(relay_proxy, s81_one_whose_header_does_not_come_ends)
{
	struct fake *f = comes(&balancer, "PROXY ", 6, 1000);

	bench_pass(RELAY_PROXY_MS * 1000 - 1000);
	cr_expect(!f->closed && !f->aborted);
	bench_pass(2000);
	cr_expect(f->closed || f->aborted);
	cr_expect_null(up_next());
	cr_expect_eq(bench_count(RELAY_C_PROXY_LATE), 1);
	pkt_chain_free(&f->rx);
	pkt_chain_free(&f->tx);
}

/* A check of the balancer's own is nobody else. */
Test(relay_proxy, it_may_speak_for_itself)
{
	static const char own[] = "PROXY UNKNOWN\r\nSSH-2.0-x\r\n";
	struct fake *f = comes(&balancer, own, sizeof(own) - 1, 1000);

	expect_named(&balancer, &gateway);
	over(f);
}

Test(relay_proxy, one_that_goes_before_it_was_named_leaves_nothing)
{
	struct fake *f = comes(&balancer, "PROXY", 5, 1000);

	over(f);
	cr_expect(f->closed || f->aborted);
	cr_expect_null(up_next());
}

Test(relay_proxy, a_target_is_told_of_the_client_first)
{
	static const char v1[] = "PROXY TCP4 0.0.0.0 0.0.0.0 50022 22\r\nhello";
	struct client c = client_login();
	struct bench_chan ch;
	char got[64];

	bench_proxy = 1;
	ch = client_channel(&c, 1, 1 << 20);
	client_data(&c, ch.local, "hello", 5);
	bench_settle();
	cr_assert_eq(ch.target->tx.len, sizeof(v1) - 1);
	fake_drain(ch.target, got, sizeof(v1) - 1);
	cr_expect_arr_eq(got, v1, sizeof(v1) - 1);
	bench_proxy = 2;
	ch = client_channel(&c, 2, 1 << 20);
	bench_settle();
	cr_assert_eq(ch.target->tx.len, 28);
	fake_drain(ch.target, got, 28);
	cr_expect_arr_eq(got, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
	client_free(&c);
}

/* dataplane/relay: rekeys are a state of the relay; nothing but key exchange is sealed in one. */
#include "dataplane/relay/internal.h"

#include "tests/util/relay_bench.h"

TestSuite(relay_kex, .init = bench_start, .fini = bench_end);

static const uint8_t ping[] = {SSH_MSG_PING, 0, 0, 0, 0};

/* Our KEXINIT is sealed; from here on the client watches what comes. */
static struct client in_rekey(void)
{
	struct client c = client_login();

	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
	return c;
}

Test(relay_kex, begun_by_either_side)
{
	struct client c = in_rekey();

	client_rekey(&c);
	client_kex(&c); /* and one begun by the client */
	client_send(&c, ping, sizeof(ping));
	client_expect(&c, SSH_MSG_PONG);
	client_free(&c);
}

/*
 * Whoever asked for it: data, EOF, CLOSE, adjusts, replies, CONFIRMATION, PONG and keep-alives
 * wait, each in its order, and follow right behind NEWKEYS.
 */
Test(relay_kex, nothing_else_is_sealed_in_between)
{
	struct client c = client_login();
	struct bench_chan a = client_channel(&c, 1, 1 << 20), b = client_channel(&c, 2, 1 << 20);
	static uint8_t data[40000];
	const uint8_t *p;
	size_t n;
	uint8_t seen[256] = {0}, msg;

	client_data(&c, a.local, data, 20000);
	bench_settle();
	client_open(&c, 3, 1000, 32768, 1);
	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);

	fake_drain(a.target, NULL, 20000);                   /* an adjust is due */
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED); /* a CONFIRMATION */
	fake_give(a.target, data, sizeof(data));             /* data */
	fake_eof(b.target);                                  /* EOF */
	client_simple(&c, SSH_MSG_CHANNEL_EOF, b.local);     /* and so CLOSE */
	client_send(&c, ping, sizeof(ping));                 /* a PONG */
	bench_settle();
	down_bytes(LINK_IT_PAYLOAD, c.h, "\x52", 1); /* a reply of control's */
	down_bytes(LINK_IT_PAYLOAD, c.h, "\x04", 1); /* DEBUG may pass */
	client_expect(&c, SSH_MSG_DEBUG);
	cr_expect_eq(client_next(&c, &p, &n), 0, "message %u in a key exchange", p[0]);
	client_rekey(&c);
	while ((msg = client_next(&c, &p, &n)) != 0) {
		if (seen[msg] == 0 && msg == SSH_MSG_REQUEST_FAILURE)
			cr_expect_eq(seen[SSH_MSG_PONG], 1, "what waited keeps its order");
		seen[msg] = 1;
	}
	cr_expect(seen[SSH_MSG_CHANNEL_DATA] && seen[SSH_MSG_CHANNEL_EOF] &&
		  seen[SSH_MSG_CHANNEL_CLOSE] && seen[SSH_MSG_CHANNEL_WINDOW_ADJUST] &&
		  seen[SSH_MSG_PONG] && seen[SSH_MSG_REQUEST_FAILURE] &&
		  seen[SSH_MSG_CHANNEL_OPEN_CONFIRMATION]);
	client_free(&c);
}

/* Our CLOSE waits for the keys when the peer's comes: both are said in the end. */
Test(relay_kex, a_close_that_waits_is_not_lost)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
	fake_fail(ch.target, -ECONNRESET);
	bench_settle();
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	bench_settle();
	cr_expect_null(up_next(), "it is not at its end before CLOSE is sealed");
	client_rekey(&c);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	up_expect(LINK_EV_CHAN_END, NULL);
	client_free(&c);
}

/* Before its own KEXINIT the peer's messages are as usual; after it only 1 to 4 and 20 to 49. */
Test(relay_kex, data_before_the_peers_kexinit_is_fine)
{
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_data(&c, ch.local, "hello", 5);
	bench_settle();
	cr_expect_eq(ch.target->tx.len, 5);
	client_rekey(&c);
	client_free(&c);
}

Test(relay_kex, other_messages_after_it_end_the_connection)
{
	static const uint8_t bad[] = {5, 20, 50, 80, 90, 93, 94, 96, 97, 98, 150, 192};

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		struct client c = client_login();

		client_send_byte(&c, SSH_MSG_KEXINIT);
		up_payload_expect(&c, SSH_MSG_KEXINIT);
		client_send_byte(&c, bad[i]);
		client_ended(&c, -SSH_E_PROTO);
		client_free(&c);
	}
}

/*
 * Records under the new keys come in the same breath as NEWKEYS: they wait for the keys, and
 * are not opened with a guess.
 */
Test(relay_kex, records_behind_newkeys_wait_for_the_keys)
{
	struct client c = client_login();
	struct link_keys k;
	const uint8_t *p;
	size_t n;

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
	down_msg(&c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, 100, &k);
	down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEX_ECDH_REPLY);
	client_expect(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.rx, 100);

	ssh_flat_send(&c.flat, &(uint8_t){SSH_MSG_NEWKEYS}, 1);
	client_dir_keys(&c, &c.flat.tx, 110);
	for (int i = 0; i < 20; i++)
		ssh_flat_send(&c.flat, ping, sizeof(ping));
	client_push(&c);
	up_payload_expect(&c, SSH_MSG_NEWKEYS);
	cr_expect_eq(client_next(&c, &p, &n), 0);
	keys_of(&c, 110, &k);
	down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	for (int i = 0; i < 20; i++)
		client_expect(&c, SSH_MSG_PONG);
	client_free(&c);
}

/* S-41: what waits is bounded. */
/* What came behind NEWKEYS waits in the stream, and then has a connection's share of each turn. */
Test(relay_kex, what_waited_for_the_keys_makes_no_long_turn)
{
	enum { RECORDS = 16, BYTES = 4000, QUANTUM = 8192 };
	static uint8_t data[BYTES];
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint32_t before, most = 0;
	struct link_keys k;

	quantum_init(&bench->quantum, QUANTUM, 0, UINT64_C(2000000000));
	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_NEWKEYS);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_NEWKEYS);
	client_send_byte(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.tx, c.keys);
	up_payload_expect(&c, SSH_MSG_NEWKEYS);
	for (int i = 0; i < RECORDS; i++)
		client_data(&c, ch.local, data, sizeof(data));
	bench_settle();
	cr_expect_geq(c.f->rx.len, RECORDS * BYTES, "nothing is taken that nobody can open");

	keys_of(&c, c.keys, &k);
	down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	for (int i = 0; i < 100 && ch.target->tx.len < RECORDS * BYTES; i++) {
		before = ch.target->tx.len;
		bench_turn();
		most = RTE_MAX(most, ch.target->tx.len - before);
	}
	cr_expect_eq(ch.target->tx.len, RECORDS * BYTES);
	cr_expect_leq(most, QUANTUM + BYTES);
	client_free(&c);
}

Test(relay_kex, a_flood_of_replies_ends_it)
{
	struct client c = in_rekey();

	for (int i = 0; i < 300; i++)
		down_bytes(LINK_IT_PAYLOAD, c.h, "\x52", 1);
	client_ended(&c, -SSH_E_KEX_FLOOD);
	client_free(&c);
}

Test(relay_kex, a_flood_of_pings_ends_it)
{
	struct client c = in_rekey();
	static uint8_t big[20000] = {SSH_MSG_PING, 0, 0, (sizeof(big) - 5) >> 8,
				     (sizeof(big) - 5) & 0xff};

	for (int i = 0; i < 20; i++)
		client_send(&c, big, sizeof(big));
	client_ended(&c, -SSH_E_KEX_FLOOD);
	client_free(&c);
}

Test(relay_kex, one_that_is_not_finished_ends_it)
{
	struct client c = client_login();

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	bench_pass(4999000);
	cr_expect_not(c.f->shut);
	bench_pass(2000);
	client_ended(&c, -SSH_E_KEX_TIMEOUT);
	client_free(&c);
}

Test(relay_kex, one_that_is_finished_does_not_time_out)
{
	struct client c = in_rekey();

	client_rekey(&c);
	bench_pass(20000000);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

/* A limit of the keys, by packets and by time, is said once. */
Test(relay_kex, due_is_said_once)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct link_keys k;

	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &bench_auth);
	client_kex(&c);
	bench_settle();
	cr_expect_null(up_next());
	/* A third exchange whose keys last five packets or ten seconds. */
	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
	down_msg(&c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, 60, &k);
	k.limit_packets = 5;
	down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	client_send_byte(&c, SSH_MSG_NEWKEYS);
	up_payload_expect(&c, SSH_MSG_NEWKEYS);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEX_ECDH_REPLY);
	client_expect(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.rx, 60);
	keys_of(&c, 70, &k);
	k.limit_seconds = 10;
	client_dir_keys(&c, &c.flat.tx, 70);
	down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	for (int i = 0; i < 8; i++) {
		client_send(&c, ping, sizeof(ping));
		client_expect(&c, SSH_MSG_PONG);
	}
	up_expect(LINK_EV_REKEY_DUE, NULL);
	cr_expect_null(up_next());
	c.keys = 80;
	client_kex(&c); /* new keys, no limit, but the clock of the old is forgotten */
	bench_settle();
	cr_expect_null(up_next());
	client_free(&c);
}

Test(relay_kex, due_by_time)
{
	struct client c = client_login();
	struct link_keys k;

	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
	down_msg(&c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, 60, &k);
	k.limit_seconds = 10;
	down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	client_send_byte(&c, SSH_MSG_NEWKEYS);
	up_payload_expect(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, 70, &k);
	down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	bench_settle();
	bench_pass(9900000);
	cr_expect_null(up_next());
	bench_pass(200000);
	up_expect(LINK_EV_REKEY_DUE, NULL);
	bench_pass(20000000);
	cr_expect_null(up_next());
	/* Who was asked is gone: the next one is. */
	relay_link_detached(bench);
	relay_link_attached(bench);
	bench_settle();
	up_expect(LINK_EV_REKEY_DUE, NULL);
	cr_expect_null(up_next());
	client_free(&c);
}

/* Items that make no sense are control's fault, and never seal a thing they must not. */
Test(relay_kex, keys_at_the_wrong_time_end_it)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct client c = client_login();
		struct link_keys k;

		keys_of(&c, 1, &k);
		if (i == 0)
			down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
		else if (i == 1)
			down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
		else
			down_msg(&c, i == 2 ? SSH_MSG_NEWKEYS : SSH_MSG_KEX_ECDH_REPLY);
		client_ended(&c, -SSH_E_INTERNAL);
		client_free(&c);
	}
}

/* A keystroke of another connection goes both ways, in the turn it came in. */
static void passes_at_once(struct client *c, struct bench_chan *ch)
{
	uint32_t had = c->f->tx.len;

	client_data(c, ch->local, "k", 1);
	bench_turn();
	cr_assert_eq(ch->target->tx.len, 1);
	fake_drain(ch->target, NULL, 1);
	fake_give(ch->target, "k", 1);
	bench_turn();
	cr_assert_gt(c->f->tx.len, had);
	client_pull(c);
}

/*
 * One rekeys all the time, under load, and control takes its time for each step; the others do not
 * notice, and its own channels go on in the turn in which the keys come.
 */
Test(relay_kex, nobody_else_notices)
{
	struct client c = client_login(), other = client_login();
	struct bench_chan bulk = client_channel(&c, 1, 1 << 30);
	struct bench_chan key = client_channel(&other, 1, 1 << 20);
	static uint8_t data[100000];
	const uint8_t *p;
	struct link_keys k;
	uint32_t seqnr;
	size_t n;

	for (int round = 0; round < 8; round++) {
		fake_give(bulk.target, data, sizeof(data));
		down_msg(&c, SSH_MSG_KEXINIT);
		passes_at_once(&other, &key);
		client_send_byte(&c, SSH_MSG_KEXINIT);
		passes_at_once(&other, &key);
		up_payload_expect(&c, SSH_MSG_KEXINIT);
		client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
		passes_at_once(&other, &key);
		up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
		for (int i = 0; i < 10; i++) { /* somebody computes */
			bench_now += 1000;
			passes_at_once(&other, &key);
			cr_assert_eq(bulk.target->rx.len, sizeof(data),
				     "nothing but kex is sealed");
		}
		down_msg(&c, SSH_MSG_KEX_ECDH_REPLY);
		down_msg(&c, SSH_MSG_NEWKEYS);
		keys_of(&c, c.keys, &k);
		down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
		bench_turn();
		cr_expect_lt(bulk.target->rx.len, sizeof(data), "and then it goes on at once");
		passes_at_once(&other, &key);
		client_expect(&c, SSH_MSG_KEXINIT);
		client_expect(&c, SSH_MSG_KEX_ECDH_REPLY);
		client_expect(&c, SSH_MSG_NEWKEYS);
		client_dir_keys(&c, &c.flat.rx, c.keys);
		client_send_byte(&c, SSH_MSG_NEWKEYS);
		client_dir_keys(&c, &c.flat.tx, c.keys + 10);
		up_payload_expect(&c, SSH_MSG_NEWKEYS);
		keys_of(&c, c.keys + 10, &k);
		down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
		c.keys = (uint8_t)(c.keys + 20);
		while (client_next(&c, &p, &n) != 0)
			;
		cr_assert_eq(bulk.target->rx.len, 0);
		while (ssh_flat_next(&other.flat, &p, &n, &seqnr) == 0)
			;
	}
	client_free(&c);
	client_free(&other);
}

/*
 * Rekeys under load, begun by either side at any moment: every byte once and in order, and the
 * client, which knows what may come when, sees nothing else in between.
 */
static void load(uint64_t seed)
{
	struct rnd r = rnd_new(seed);
	struct client c = client_login();
	struct bench_chan ch = client_channel(&c, 1, UINT32_MAX / 2);
	static uint8_t data[2000], got[40000];
	uint32_t sent_up = 0, got_up = 0, sent_down = 0, got_down = 0, room = BENCH_WINDOW;
	const uint8_t *p;
	size_t n;

	for (int round = 0; round < 60; round++) {
		bool rekey = rnd_below(&r, 4) == 0;
		uint8_t msg;

		for (uint32_t k = rnd_below(&r, 20); k > 0 && room > sizeof(data); k--) {
			for (uint32_t i = 0; i < sizeof(data); i++)
				data[i] = (uint8_t)((sent_up + i) % 251);
			client_data(&c, ch.local, data, sizeof(data));
			sent_up += sizeof(data);
			room -= sizeof(data);
		}
		for (uint32_t k = rnd_below(&r, 20); k > 0; k--) {
			for (uint32_t i = 0; i < sizeof(data); i++)
				data[i] = (uint8_t)((sent_down + i) % 251);
			fake_give(ch.target, data, sizeof(data));
			sent_down += sizeof(data);
		}
		if (rekey)
			down_msg(&c, SSH_MSG_KEXINIT);
		while ((msg = client_next(&c, &p, &n)) != 0 && msg != SSH_MSG_KEXINIT) {
			if (msg == SSH_MSG_CHANNEL_WINDOW_ADJUST) {
				room += (uint32_t)p[5] << 24 | p[6] << 16 | p[7] << 8 | p[8];
				continue;
			}
			cr_assert_eq(msg, SSH_MSG_CHANNEL_DATA, "seed %lu: %u", seed, msg);
			for (size_t i = 9; i < n; i++)
				cr_assert_eq(p[i], got_down++ % 251, "seed %lu", seed);
		}
		cr_assert_eq(msg == SSH_MSG_KEXINIT, rekey, "seed %lu", seed);
		if (rekey)
			client_rekey(&c);
		for (uint32_t k; (k = RTE_MIN(ch.target->tx.len, (uint32_t)sizeof(got))) > 0;) {
			fake_drain(ch.target, got, k);
			for (uint32_t i = 0; i < k; i++)
				cr_assert_eq(got[i], got_up++ % 251, "seed %lu", seed);
		}
	}
	while (client_next(&c, &p, &n) == SSH_MSG_CHANNEL_DATA ||
	       (n == 9 && p[0] == SSH_MSG_CHANNEL_WINDOW_ADJUST)) {
		for (size_t i = 9; i < n; i++)
			cr_assert_eq(p[i], got_down++ % 251);
		n = 0;
	}
	cr_assert_eq(got_up, sent_up, "seed %lu", seed);
	cr_assert_eq(got_down, sent_down, "seed %lu", seed);
	client_free(&c);
}

Test(relay_kex, under_load_one)
{
	load(rnd_seed());
}

Test(relay_kex, under_load_two)
{
	load(rnd_seed() + 1);
}

/* tests/unit/test_brain.c - whole connections: logins, key exchanges, rekeys, both roles. */
#include "ssh/ident.h"
#include "ssh_lab.h"
#include "tests/util/rnd.h"
#include "tests/util/suites.h"

TestSuite(brain, .timeout = 60);

static void expect_logged_in(const struct lab *l)
{
	cr_assert_eq(l->s.end, 0, "server: %s", ssh_err_text(l->s.end));
	cr_assert_eq(l->c.end, 0, "client: %s", ssh_err_text(l->c.end));
	cr_assert_eq(l->s.n[SSH_ACT_AUTHENTICATED], 1);
	cr_assert_eq(l->c.n[SSH_ACT_AUTHENTICATED], 1);
}

/* The server ends the connection, and says why. */
static void expect_end(const struct lab *l, int err)
{
	cr_assert_eq(l->s.end, -err, "%s", ssh_err_text(l->s.end));
	cr_assert_eq(l->s.n[SSH_ACT_END], 1);
}

static void send_open(struct lab_side *me, uint32_t channel)
{
	struct ssh_chan_open m = {ssh_str_c("session"), channel, 1 << 20, 32768, ssh_str_c("")};
	uint8_t buf[64];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	cr_assert_eq(ssh_brain_send(me->b, buf, ssh_wr_done(&w)), 0);
}

static size_t global_build(uint8_t buf[64], const char *type, bool want_reply)
{
	struct ssh_wr w;

	ssh_wr_init(&w, buf, 64);
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, type);
	ssh_wr_bool(&w, want_reply);
	return ssh_wr_done(&w);
}

/* Logins ---------------------------------------------------------------------------- */

Test(brain, logs_in_with_each_method)
{
	static const enum lab_login logins[] = {LAB_LOGIN_NONE, LAB_LOGIN_PASSWORD,
						LAB_LOGIN_PUBLICKEY};
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct lab l;

	sc.auth_methods |= SSH_AUTH_NONE;
	for (int i = 0; i < 3; i++) {
		lab_init(&l, &sc, NULL);
		l.c.login = logins[i];
		lab_run(&l);
		expect_logged_in(&l);
		cr_assert(l.s.kex.strict && l.c.kex.strict);
		lab_fini(&l);
	}
}

Test(brain, every_cipher_and_mac_carries_a_login_and_a_rekey)
{
	struct lab l;

	for (unsigned int i = 1; i < suites_count(); i++) {
		struct ssh_brain_conf cc = lab_conf(SSH_CLIENT), sc = lab_conf(SSH_SERVER);

		cc.ciphers = sc.ciphers = suites_at(i)->cipher_name;
		if (suites_at(i)->mac_name[0] != '\0')
			cc.macs = sc.macs = suites_at(i)->mac_name;
		lab_init(&l, &sc, &cc);
		cr_assert_eq(cipher_engine_legacy(l.engine), 0);
		lab_run(&l);
		expect_logged_in(&l);
		cr_assert_str_eq(l.s.kex.cipher_cs, suites_at(i)->cipher_name);
		cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
		lab_run(&l);
		cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], 2);
		cr_assert_eq(l.c.n[SSH_ACT_KEX_DONE], 2);
		cr_assert_eq(l.s.end, 0);
		lab_fini(&l);
	}
}

/* Each form of compression, with a rekey; text goes through it both ways. */
Test(brain, compressed_logins_rekeys_and_messages)
{
	static const char *const comps[] = {"zlib@openssh.com", "zlib"};
	static const uint8_t ping[] = "\x50\0\0\0\x04"
				      "text"
				      "\0 again text, again text, again";
	struct lab l;

	for (int i = 0; i < 2; i++) {
		struct ssh_brain_conf cc = lab_conf(SSH_CLIENT), sc = lab_conf(SSH_SERVER);

		cc.comp_algs = sc.comp_algs = comps[i];
		lab_init(&l, &sc, &cc);
		lab_run(&l);
		expect_logged_in(&l);
		cr_assert_str_eq(l.s.kex.comp_cs, comps[i]);
		cr_assert_str_eq(l.c.kex.comp_sc, comps[i]);
		for (int round = 0; round < 3; round++) {
			struct ssh_flat *rx = &l.s.p.flat, *tx = &l.c.p.flat;

			cr_assert_not_null(rx->inflate);
			cr_assert_not_null(tx->deflate);
			cr_assert_eq(ssh_brain_send(l.c.b, ping, sizeof(ping)), 0);
			lab_run(&l);
			cr_assert_eq(l.s.n[SSH_ACT_GLOBAL_REQUEST], (unsigned int)round + 1);
			cr_assert_eq(ssh_brain_rekey(round % 2 ? l.s.b : l.c.b), 0);
			lab_run(&l);
			cr_assert_eq(l.s.end, 0);
			cr_assert_eq(l.c.end, 0);
		}
		lab_fini(&l);
	}
}

/* The default: who asks for nothing gets nothing. */
Test(brain, nothing_is_compressed_that_was_not_asked_for)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	expect_logged_in(&l);
	cr_assert_str_eq(l.s.kex.comp_cs, "none");
	cr_assert_str_eq(l.s.kex.comp_sc, "none");
	cr_assert_null(l.s.p.flat.inflate);
	lab_fini(&l);
}

Test(brain, every_host_key_and_user_key_type_and_algorithm)
{
	static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-ed448",
					    "ecdsa-sha2-nistp521", "ssh-rsa"};
	const char *alg;
	struct lab l;

	for (int i = 0; i < 5; i++) {
		struct key *probe = lab_key(types[i]);

		for (unsigned int n = 0; (alg = key_sig_alg_of(probe, n)) != NULL; n++) {
			struct ssh_brain_conf cc = lab_conf(SSH_CLIENT), sc = lab_conf(SSH_SERVER);

			sc.hostkey_algs = cc.hostkey_algs = alg;
			lab_init_keys(&l, &sc, &cc, lab_key(types[i]), lab_key(types[4 - i]));
			lab_run(&l);
			expect_logged_in(&l);
			cr_assert_str_eq(l.c.kex.hostkey, alg);
			lab_fini(&l);
		}
		key_free(probe);
	}
}

Test(brain, every_kex_method)
{
	const char *name;
	struct lab l;

	for (unsigned int i = 0; (name = kex_method_name_at(i)) != NULL; i++) {
		struct ssh_brain_conf cc = lab_conf(SSH_CLIENT), sc = lab_conf(SSH_SERVER);

		cc.kex_algs = sc.kex_algs = name;
		lab_init(&l, &sc, &cc);
		lab_run(&l);
		expect_logged_in(&l);
		cr_assert_str_eq(l.s.kex.kex, name);
		lab_fini(&l);
	}
}

Test(brain, both_sides_have_one_session_id_and_keep_it)
{
	struct lab l;
	struct ssh_str c, s;
	uint8_t first[SSH_SESSION_ID_MAX];

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	c = ssh_brain_session_id(l.c.b);
	s = ssh_brain_session_id(l.s.b);
	cr_assert_eq(c.len, 32);
	cr_assert_arr_eq(c.p, s.p, 32);
	memcpy(first, s.p, 32);
	cr_assert_eq(ssh_brain_rekey(l.s.b), 0);
	lab_run(&l);
	cr_assert_arr_eq(ssh_brain_session_id(l.s.b).p, first, 32);
	cr_assert_arr_eq(ssh_brain_session_id(l.c.b).p, first, 32);
	lab_fini(&l);
}

/* RFC 8308, RFC 8332: the client signs with what the server names. */
Test(brain, ext_info_tells_the_client_which_rsa_signature)
{
	static const char *const algs[] = {"rsa-sha2-256", "rsa-sha2-512", "ssh-ed25519"};
	struct lab l;

	for (int i = 0; i < 3; i++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER);

		sc.server_sig_algs = algs[i];
		lab_init_keys(&l, &sc, NULL, lab_key("ssh-ed25519"), lab_key("ssh-rsa"));
		l.c.login = LAB_LOGIN_HOLD;
		lab_run(&l);
		cr_assert_str_eq(ssh_brain_server_sig_algs(l.c.b), algs[i]);
		cr_assert_eq(ssh_brain_login_publickey(l.c.b, l.c.asked.id, l.c.key, NULL),
			     i == 2 ? -ENOTSUP : 0);
		lab_run(&l);
		cr_assert_eq(l.s.n[SSH_ACT_AUTHENTICATED], i == 2 ? 0 : 1);
		lab_fini(&l);
	}
}

/* Conversation after login ---------------------------------------------------------- */

Test(brain, channels_and_global_requests_are_handed_up_and_answered)
{
	struct lab l;
	uint8_t buf[64];

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	send_open(&l.c, 0);
	cr_assert_eq(ssh_brain_send(l.c.b, buf, global_build(buf, "keepalive@openssh.com", true)),
		     0);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_CHANNEL_OPEN], 1);
	cr_assert_eq(l.c.n[SSH_ACT_CHANNEL_OTHER], 1);
	cr_assert_eq(l.s.n[SSH_ACT_GLOBAL_REQUEST], 1);
	cr_assert_eq(l.c.n[SSH_ACT_GLOBAL_REPLY], 1);
	lab_fini(&l);
}

Test(brain, an_open_is_refused_with_its_reason)
{
	struct lab l;
	const uint8_t *p;
	size_t len;

	lab_init(&l, NULL, NULL);
	l.s.auto_reply = false;
	lab_run(&l);
	send_open(&l.c, 7);
	lab_run(&l);
	l.c.silent = true;
	cr_assert_eq(ssh_brain_open_refuse(l.s.b, 7, SSH_OPEN_UNKNOWN_CHANNEL_TYPE, "no"), 0);
	lab_run(&l);
	cr_assert_eq(lab_got(&l.c, &p, &len), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_assert_arr_eq(p + 1, "\0\0\0\7\0\0\0\3\0\0\0\2no\0\0\0", 18);
	lab_fini(&l);
}

/* The server opens one of this type. Is it its owner's at the client to say, or was it refused? */
static bool reaches_owner(struct lab *l, const char *type)
{
	struct ssh_chan_open m = {ssh_str_c(type), 5, 1 << 20, 32768, ssh_str_c("")};
	unsigned int owner = l->c.n[SSH_ACT_CHANNEL_OPEN], refused = l->s.n[SSH_ACT_CHANNEL_OTHER];
	uint8_t buf[128];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	cr_assert_eq(ssh_brain_send(l->s.b, buf, ssh_wr_done(&w)), 0);
	lab_run(l);
	owner = l->c.n[SSH_ACT_CHANNEL_OPEN] - owner;
	refused = l->s.n[SSH_ACT_CHANNEL_OTHER] - refused;
	cr_assert_eq(owner + refused, 1, "%s: one of the two", type);
	return owner == 1;
}

static void client_asks(struct lab *l, uint8_t msg, const char *type)
{
	uint8_t buf[128];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, msg);
	if (msg == SSH_MSG_CHANNEL_REQUEST)
		ssh_wr_u32(&w, 0);
	ssh_wr_cstr(&w, type);
	ssh_wr_bool(&w, false);
	cr_assert_eq(ssh_brain_send(l->c.b, buf, ssh_wr_done(&w)), 0);
	lab_run(l);
}

/* S-19: a server does not reach into a client that has not asked for it. */
Test(brain, s19_opens_a_client_never_asked_for_are_refused)
{
	static const struct {
		uint8_t msg;
		const char *request, *open;
	} c[] = {
		{SSH_MSG_GLOBAL_REQUEST, "tcpip-forward", "forwarded-tcpip"},
		{SSH_MSG_GLOBAL_REQUEST, "streamlocal-forward@openssh.com",
		 "forwarded-streamlocal@openssh.com"},
		{SSH_MSG_CHANNEL_REQUEST, "x11-req", "x11"},
		{SSH_MSG_CHANNEL_REQUEST, "auth-agent-req@openssh.com", "auth-agent@openssh.com"},
	};
	static const char *const never[] = {"session", "direct-tcpip", "tun@openssh.com", "x1"};
	struct lab l;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		for (size_t k = i; k < sizeof(c) / sizeof(c[0]); k++)
			cr_assert_not(reaches_owner(&l, c[k].open), "%s", c[k].open);
		client_asks(&l, c[i].msg, c[i].request);
		cr_assert(reaches_owner(&l, c[i].open), "%s", c[i].open);
	}
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		cr_expect_not(reaches_owner(&l, never[i]), "%s", never[i]);
	lab_fini(&l);
}

Test(brain, a_global_answer_nobody_waits_for_is_refused)
{
	struct lab l;
	uint8_t buf[64];

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	cr_assert_eq(ssh_brain_global_answer(l.s.b, true, NULL, 0), -ENOENT);
	cr_assert_eq(ssh_brain_send(l.c.b, buf, global_build(buf, "no-reply", false)), 0);
	lab_run(&l);
	cr_assert_eq(ssh_brain_global_answer(l.s.b, true, NULL, 0), -ENOENT);
	lab_fini(&l);
}

/* What goes out this way is the connection protocol's, and what it asks for is bounded. */
Test(brain, sending_is_bounded_and_kept_to_its_protocol)
{
	static const uint8_t not_ours[] = {0, 1, 5, 7, 20, 21, 30, 50, 52, 79, 81, 82};
	uint8_t buf[64];
	struct ssh_chan_open m = {ssh_str_c("session"), 0, 1, 256, ssh_str_c("")};
	struct ssh_wr w;
	struct lab l;

	lab_init(&l, NULL, NULL);
	cr_assert_eq(ssh_brain_send(l.c.b, buf, global_build(buf, "x", false)), -EINVAL);
	cr_assert_eq(ssh_brain_open_refuse(l.s.b, 0, 1, NULL), -EINVAL);
	lab_run(&l);
	for (size_t i = 0; i < sizeof(not_ours); i++)
		cr_assert_eq(ssh_brain_send(l.c.b, &not_ours[i], 1), -EINVAL);
	cr_assert_eq(ssh_brain_send(l.c.b, buf, 0), -EINVAL);
	cr_assert_eq(ssh_brain_send(l.c.b, "\x5a\0", 2), -EINVAL, "no OPEN");
	for (int i = 0; i < SSH_GLOBALS_MAX; i++)
		cr_assert_eq(ssh_brain_send(l.c.b, buf, global_build(buf, "x", true)), 0);
	cr_assert_eq(ssh_brain_send(l.c.b, buf, global_build(buf, "x", true)), -EAGAIN);
	for (int i = 0; i < SSH_OPENS_MAX; i++)
		send_open(&l.c, (uint32_t)i);
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	cr_assert_eq(ssh_brain_send(l.c.b, buf, ssh_wr_done(&w)), -EAGAIN);
	lab_run(&l);
	cr_assert_eq(l.c.n[SSH_ACT_GLOBAL_REPLY], SSH_GLOBALS_MAX);
	cr_assert_eq(l.c.n[SSH_ACT_CHANNEL_OTHER], SSH_OPENS_MAX);
	lab_fini(&l);
}

/* S-41: what a peer asks and we have not answered is bounded; input waits, nothing is lost. */
Test(brain, s41_unanswered_global_requests_stop_the_input)
{
	struct lab l;
	uint8_t buf[64];
	size_t len = global_build(buf, "x", true);
	unsigned int answered = 0;

	lab_init(&l, NULL, NULL);
	l.s.auto_reply = false;
	lab_run(&l);
	l.c.silent = true;
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(ssh_flat_send(&l.c.p.flat, buf, len), 0);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_GLOBAL_REQUEST], SSH_GLOBALS_MAX);
	while (ssh_brain_global_answer(l.s.b, false, NULL, 0) == 0) {
		answered++;
		lab_run(&l);
	}
	cr_assert_eq(answered, 1000);
	cr_assert_eq(l.s.end, 0);
	lab_fini(&l);
}

/* S-41: actions nobody fetches are bounded. */
Test(brain, s41_unfetched_actions_stop_the_input)
{
	struct ssh_brain *b;
	struct lab l;
	uint8_t unknown[] = {101};
	int taken = 0, r;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	b = l.s.b;
	while ((r = ssh_brain_input(b, 5, unknown, 1)) == 0)
		taken++;
	cr_assert_eq(r, -EAGAIN);
	cr_assert_eq(taken, SSH_ACTS_MAX);
	lab_fini(&l);
}

/* S-41: during a rekey that the peer does not finish, what waits for it is bounded. */
Test(brain, s41_what_waits_for_a_rekey_is_bounded)
{
	struct lab l;
	static uint8_t data[60000] = {SSH_MSG_CHANNEL_DATA};
	int i;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.c.silent = true;
	cr_assert_eq(ssh_brain_rekey(l.s.b), 0);
	for (i = 0; i < 100 && l.s.end == 0; i++) {
		cr_assert_eq(ssh_pump_send(&l.s.p, data, sizeof(data)), i == 0 ? 0 : -EAGAIN);
		(void)ssh_brain_send(l.s.b, data, sizeof(data));
		lab_run(&l);
	}
	cr_assert_eq(l.s.end, -SSH_E_KEX_FLOOD);
	cr_assert_leq(i, SSH_PUMP_HELD_MAX / (int)sizeof(data) + 1);
	lab_fini(&l);
}

/* S-16: 81 and 82 nobody asked for are dropped, and the connection goes on. */
Test(brain, s16_unsolicited_global_replies_are_dropped)
{
	struct lab l;
	uint8_t reply[] = {SSH_MSG_REQUEST_FAILURE};
	uint8_t success[] = {SSH_MSG_REQUEST_SUCCESS, 0, 0, 0, 1};
	unsigned int n = test_long() ? 500000 : 10000;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.c.silent = true;
	for (unsigned int i = 0; i < n; i++) {
		cr_assert_eq(ssh_brain_input(l.s.b, 9, reply, sizeof(reply)), 0);
		cr_assert_eq(ssh_brain_input(l.s.b, 9, success, sizeof(success)), 0);
	}
	cr_assert_eq(ssh_brain_drops(l.s.b), 2 * n);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_GLOBAL_REPLY], 0);
	cr_assert_eq(l.s.end, 0);
	lab_fini(&l);
}

/* S-18: a confirmation of nothing, a second one, one after a failure. */
Test(brain, s18_confirmations_of_no_open_disconnect)
{
	uint8_t confirm[17] = {SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 0, 0, 0, 3};
	uint8_t failure[17] = {SSH_MSG_CHANNEL_OPEN_FAILURE, 0, 0, 0, 3};
	const uint8_t *const order[][2] = {
		{confirm, NULL}, {confirm, confirm}, {failure, confirm}, {confirm, failure}};
	struct lab l;

	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < 4; i++) {
			struct lab_side *me;

			lab_init(&l, NULL, NULL);
			lab_run(&l);
			me = side == 0 ? &l.s : &l.c;
			(side == 0 ? &l.c : &l.s)->silent = true;
			if (order[i][1] != NULL) {
				send_open(me, 3);
				cr_assert_eq(ssh_brain_input(me->b, 9, order[i][0], 17), 0);
			}
			cr_assert_eq(ssh_brain_input(me->b, 9,
						     order[i][1] ? order[i][1] : order[i][0], 17),
				     -SSH_E_CHANNEL);
			lab_run(&l);
			cr_assert_eq(me->end, -SSH_E_CHANNEL);
			lab_fini(&l);
		}
	}
}

Test(brain, malformed_connection_messages_disconnect)
{
	static const struct {
		uint8_t len, p[16];
	} bad[] = {
		{1, {80}},
		{6, {80, 0, 0, 0, 1, 'x'}},
		{5, {80, 0xff, 0xff, 0xff, 0xff}},
		{1, {90}},
		{9, {90, 0, 0, 0, 0, 0, 0, 0, 0}},
		{1, {98}},
		{9, {98, 0, 0, 0, 0, 0, 0, 0, 9}},
		{1, {94}},
		{4, {97, 0, 0, 0}},
		{1, {192}},
	};
	struct lab l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		lab_init(&l, NULL, NULL);
		lab_run(&l);
		l.c.silent = true;
		lab_raw(&l, &l.c, bad[i].p, bad[i].len);
		expect_end(&l, SSH_E_FORMAT);
		cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_DISCONNECT);
		lab_fini(&l);
	}
}

/* S-22: unknown numbers are answered with the number of their packet, one by one. */
Test(brain, s22_unimplemented_names_the_packet)
{
	struct lab l;
	const uint8_t *p;
	size_t len;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.c.silent = true;
	for (unsigned int msg = 0; msg < 256; msg++) {
		uint32_t seqnr = l.c.p.flat.tx.seqnr;
		uint8_t payload[] = {(uint8_t)msg};

		if (!((msg >= 8 && msg <= 19) || (msg >= 101 && msg <= 191) || msg >= 194))
			continue;
		lab_raw(&l, &l.c, payload, 1);
		cr_assert_eq(lab_got(&l.c, &p, &len), SSH_MSG_UNIMPLEMENTED, "%u", msg);
		cr_assert_eq(len, 5);
		cr_assert_eq((uint32_t)p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4], seqnr);
		cr_assert_eq(lab_got_msg(&l.c), 0, "one answer a message");
	}
	lab_fini(&l);
}

Test(brain, ping_comes_back)
{
	struct lab l;
	uint8_t ping[] = {SSH_MSG_PING, 0, 0, 0, 3, 'a', 'b', 'c'};
	const uint8_t *p;
	size_t len;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.c.silent = true;
	lab_raw(&l, &l.c, ping, sizeof(ping));
	cr_assert_eq(lab_got(&l.c, &p, &len), SSH_MSG_PONG);
	cr_assert_arr_eq(p + 1, ping + 1, sizeof(ping) - 1);
	lab_fini(&l);
}

Test(brain, a_disconnect_is_handed_up_with_its_text_cut)
{
	struct lab l;
	uint8_t buf[4096];
	char text[2001];
	struct ssh_wr w;

	memset(text, 'x', 2000);
	text[2000] = '\0';
	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.c.silent = true;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_disconnect_build(&w, 11, text);
	lab_raw(&l, &l.c, buf, ssh_wr_done(&w));
	expect_end(&l, SSH_E_PEER_DISCONNECT);
	cr_assert_eq(l.s.peer_reason, 11);
	cr_assert_eq(strlen(l.s.last_text), SSH_TEXT_MAX);
	cr_assert_eq(lab_got_msg(&l.c), 0, "a DISCONNECT is not answered");
	lab_fini(&l);
}

/* S-48: a server may say something before it says who it is, and not for ever; a client nothing. */
Test(brain, s48_lines_before_the_identification_end)
{
	unsigned int fed = 0;
	struct lab l;

	lab_init(&l, NULL, NULL);
	while (l.c.end == 0 && fed < 100000) {
		cr_assert_eq(ssh_pump_feed(&l.c.p, "welcome\r\n", 9), 0);
		fed++;
		lab_pump(&l.c);
	}
	cr_expect_eq(l.c.end, -SSH_E_IDENT);
	cr_expect_eq(fed, SSH_IDENT_LINES_MAX + 1);
	cr_assert_eq(ssh_pump_feed(&l.s.p, "welcome\r\n", 9), 0);
	lab_pump(&l.s);
	cr_expect_eq(l.s.end, -SSH_E_IDENT);
	lab_fini(&l);
}

Test(brain, nothing_is_taken_after_the_end)
{
	struct lab l;
	uint8_t ignore[] = {SSH_MSG_IGNORE, 0, 0, 0, 0};

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	ssh_brain_end(l.s.b, -SSH_E_SHUTDOWN, NULL);
	ssh_brain_end(l.s.b, -SSH_E_IDLE, NULL);
	cr_assert_eq(ssh_brain_input(l.s.b, 9, ignore, 5), -SSH_E_CLOSED);
	cr_assert_eq(ssh_brain_rekey(l.s.b), -SSH_E_CLOSED);
	cr_assert_eq(ssh_brain_send(l.s.b, "\x50", 1), -SSH_E_CLOSED);
	lab_run(&l);
	expect_end(&l, SSH_E_SHUTDOWN);
	cr_assert_eq(l.c.peer_reason, SSH_DISCONNECT_BY_APPLICATION);
	lab_fini(&l);
}

/* Rekeys ---------------------------------------------------------------------------- */

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

/* Part of what waits, so that exchanges of both sides cross at every point. */
static void carry_some(struct lab_side *from, struct lab_side *to, uint32_t *seed)
{
	size_t len, n;
	const uint8_t *p = ssh_pump_out(&from->p, &len);

	if (len == 0)
		return;
	n = 1 + rnd(seed) % len;
	cr_assert_eq(ssh_pump_feed(&to->p, p, n), 0);
	ssh_pump_sent(&from->p, n);
}

/*
 * Both sides rekey at random points while opens and global requests go both ways; every
 * one of them is answered, in order, and nothing ends.
 */
Test(brain, rekeys_race_at_random_points)
{
	uint32_t first_seed = lab_seed(), last_seed = first_seed + lab_size(30, 2000);

	for (uint32_t seed = first_seed; seed < last_seed; seed++) {
		uint32_t s = seed, sent = 0, opened = 0;
		uint8_t buf[64];
		struct lab l;

		lab_init(&l, NULL, NULL);
		lab_run(&l);
		l.c.auto_reply = true;
		for (int turn = 0; turn < 150; turn++) {
			struct lab_side *me = rnd(&s) % 2 ? &l.s : &l.c;

			switch (rnd(&s) % 5) {
			case 0:
				cr_assert_eq(ssh_brain_rekey(me->b), 0);
				break;
			case 1:
				if (ssh_brain_send(l.c.b, buf, global_build(buf, "x", true)) == 0)
					sent++;
				break;
			case 2:
				if (l.c.b->n_opens < SSH_OPENS_MAX)
					send_open(&l.c, opened++);
				break;
			default:
				carry_some(&l.s, &l.c, &s);
				carry_some(&l.c, &l.s, &s);
			}
			lab_pump(rnd(&s) % 2 ? &l.s : &l.c);
		}
		lab_run(&l);
		cr_assert_eq(l.s.end, 0, "seed %u: %s", seed, ssh_err_text(l.s.end));
		cr_assert_eq(l.c.end, 0, "seed %u: %s", seed, ssh_err_text(l.c.end));
		cr_assert_eq(l.c.n[SSH_ACT_GLOBAL_REPLY], sent, "seed %u", seed);
		cr_assert_eq(l.c.n[SSH_ACT_CHANNEL_OTHER], opened, "seed %u", seed);
		cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], l.c.n[SSH_ACT_KEX_DONE], "seed %u", seed);
		cr_assert_gt(l.s.n[SSH_ACT_KEX_DONE], 2, "seed %u", seed);
		lab_fini(&l);
	}
}

Test(brain, both_sides_at_once_make_one_exchange)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	cr_assert_eq(ssh_brain_rekey(l.s.b), 0);
	cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
	cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], 2);
	cr_assert_eq(l.c.n[SSH_ACT_KEX_DONE], 2);
	cr_assert(!l.c.kex.first);
	lab_fini(&l);
}

Test(brain, a_limit_of_the_key_begins_a_rekey)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct lab l;
	uint8_t buf[64];

	sc.rekey.packets = 50;
	lab_init(&l, &sc, NULL);
	lab_run(&l);
	for (int i = 0; i < 500; i++) {
		cr_assert_eq(ssh_brain_send(l.c.b, buf, global_build(buf, "x", true)), 0);
		lab_run(&l);
	}
	cr_assert_geq(l.s.n[SSH_ACT_KEX_DONE], 10);
	cr_assert_eq(l.c.n[SSH_ACT_GLOBAL_REPLY], 500);
	cr_assert_eq(l.s.end, 0);
	lab_fini(&l);
}

Test(brain, a_rekey_asked_for_during_login_comes_after_it)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	lab_to_login(&l);
	cr_assert_eq(ssh_brain_rekey(l.s.b), 0);
	l.c.silent = false;
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], 1);
	cr_assert_eq(ssh_brain_login_password(l.c.b, l.c.asked.id, "x", 1), 0);
	lab_run(&l);
	expect_logged_in(&l);
	cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], 2);
	lab_fini(&l);
}

/* A server may rekey while the client still thinks about its method. */
Test(brain, a_rekey_by_the_peer_during_login)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	l.c.login = LAB_LOGIN_HOLD;
	lab_run(&l);
	cr_assert_eq(kex_send_init(l.c.b), 0);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_KEX_DONE], 2);
	cr_assert_eq(ssh_brain_login_password(l.c.b, l.c.asked.id, "x", 1), 0);
	lab_run(&l);
	expect_logged_in(&l);
	lab_fini(&l);
}

/* RFC 8308: EXT_INFO is for the first exchange; OpenSSH 10.4 ends a rekey that has one. */
Test(brain, no_ext_info_in_a_rekey)
{
	struct lab l;
	struct ssh_act act;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.s.silent = true;
	cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
	lab_run(&l);
	for (int i = 0; i < 20; i++) {
		while (ssh_pump_step(&l.s.p, &act) == 0) {
			cr_assert_neq(act.msg, SSH_MSG_EXT_INFO);
			lab_act(&l.s, &act);
		}
		lab_carry(&l.s, &l.c);
		lab_pump(&l.c);
		lab_carry(&l.c, &l.s);
	}
	cr_assert_eq(l.c.n[SSH_ACT_KEX_DONE], 2);
	cr_assert_eq(l.c.b->ext_infos, 1);
	lab_fini(&l);
}

/* S-20: another key in a rekey, though its signature is right. */
Test(brain, s20_a_host_key_that_changes_in_a_rekey_disconnects)
{
	struct lab l;
	struct key *other = lab_key("ssh-ed25519");

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	l.s.b->hostkey[0] = other;
	cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
	lab_run(&l);
	cr_assert_eq(l.c.end, -SSH_E_HOSTKEY);
	cr_assert_eq(l.c.n[SSH_ACT_HOSTKEY], 1);
	cr_assert_eq(l.s.peer_reason, SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE);
	lab_fini(&l);
	key_free(other);
}

/* S-21: a signature that does not verify: nobody is asked, no service is. */
Test(brain, s21_a_wrong_host_signature_ends_before_any_question)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	l.s.spoil_signature = true;
	lab_run(&l);
	cr_assert_eq(l.c.end, -SSH_E_KEX_PROOF);
	cr_assert_eq(l.c.n[SSH_ACT_HOSTKEY], 0);
	cr_assert_eq(l.c.n[SSH_ACT_LOGIN], 0);
	cr_assert_eq(l.s.peer_reason, SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
	lab_fini(&l);
}

Test(brain, a_host_key_that_is_not_accepted_ends_before_newkeys)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	l.c.refuse_hostkey = true;
	lab_run(&l);
	cr_assert_eq(l.c.end, -SSH_E_HOSTKEY);
	cr_assert_eq(l.c.n[SSH_ACT_LOGIN], 0);
	lab_fini(&l);
}

Test(brain, a_host_key_nobody_signs_with_ends_the_exchange)
{
	struct lab l;
	struct ssh_act act;

	lab_init(&l, NULL, NULL);
	l.s.silent = true;
	lab_run(&l);
	for (int i = 0; i < 10; i++) {
		while (ssh_pump_step(&l.s.p, &act) == 0) {
			if (act.kind == SSH_ACT_SIGN)
				cr_assert_eq(ssh_brain_sign_answer(l.s.b, act.id, -EIO, NULL, 0),
					     0);
			else
				lab_act(&l.s, &act);
		}
		lab_carry(&l.s, &l.c);
		lab_pump(&l.c);
		lab_carry(&l.c, &l.s);
	}
	expect_end(&l, SSH_E_KEX);
	lab_fini(&l);
}

/* Strict settings ------------------------------------------------------------------- */

Test(brain, strict_settings_decide_about_peers_without_it)
{
	static const struct {
		enum ssh_strict server, client;
		const char *ciphers; /* the client's */
		const char *agreed;  /* NULL: refused */
	} t[] = {
		{SSH_STRICT_ON, SSH_STRICT_OFF, NULL, "chacha20-poly1305@openssh.com"},
		{SSH_STRICT_OFF, SSH_STRICT_ON, NULL, "chacha20-poly1305@openssh.com"},
		{SSH_STRICT_REQUIRE, SSH_STRICT_OFF, NULL, NULL},
		{SSH_STRICT_OFF, SSH_STRICT_REQUIRE, NULL, NULL},
		{SSH_STRICT_REQUIRE, SSH_STRICT_ON, NULL, "chacha20-poly1305@openssh.com"},
		{SSH_STRICT_SAFE, SSH_STRICT_ON, NULL, "chacha20-poly1305@openssh.com"},
		{SSH_STRICT_SAFE, SSH_STRICT_OFF, NULL, "aes128-gcm@openssh.com"},
		{SSH_STRICT_SAFE, SSH_STRICT_OFF, "chacha20-poly1305@openssh.com", NULL},
		{SSH_STRICT_OFF, SSH_STRICT_SAFE, NULL, NULL},
		{SSH_STRICT_OFF, SSH_STRICT_SAFE, "aes128-ctr", "aes128-ctr"},
	};
	struct lab l;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER), cc = lab_conf(SSH_CLIENT);

		sc.strict = t[i].server;
		cc.strict = t[i].client;
		cc.ciphers = t[i].ciphers;
		lab_init(&l, &sc, &cc);
		lab_run(&l);
		if (t[i].agreed != NULL) {
			expect_logged_in(&l);
			cr_assert_str_eq(l.s.kex.cipher_cs, t[i].agreed, "case %zu", i);
			cr_assert_eq(ssh_brain_phase(l.s.b)->strict, l.s.kex.strict);
		} else {
			cr_assert_neq(l.s.end, 0, "case %zu", i);
			cr_assert_eq(l.s.n[SSH_ACT_LOGIN] + l.c.n[SSH_ACT_LOGIN], 0);
		}
		lab_fini(&l);
	}
}

/* S-06 c: numbers begin again after each NEWKEYS, each way apart, in every rekey too. */
Test(brain, s06c_strict_resets_the_numbers_at_every_newkeys)
{
	struct lab l;

	lab_init(&l, NULL, NULL);
	lab_run(&l);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ssh_brain_rekey(i % 2 ? l.s.b : l.c.b), 0);
		lab_run(&l);
		cr_assert_eq(l.s.p.flat.tx.seqnr, 0);
		cr_assert_eq(l.s.p.flat.rx.seqnr, 0);
		cr_assert_eq(l.c.p.flat.tx.seqnr, 0);
		cr_assert_eq(l.c.p.flat.rx.seqnr, 0);
	}
	lab_fini(&l);
}

Test(brain, without_strict_the_numbers_go_on)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT);
	struct lab l;
	uint32_t before;

	cc.strict = SSH_STRICT_OFF;
	lab_init(&l, NULL, &cc);
	lab_run(&l);
	before = l.s.p.flat.tx.seqnr;
	cr_assert_eq(ssh_brain_rekey(l.c.b), 0);
	lab_run(&l);
	cr_assert_eq(l.s.p.flat.tx.seqnr, before + 3);
	lab_fini(&l);
}

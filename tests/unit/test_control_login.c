/*
 * control as a whole: logins and decisions of a real client through a small dataplane over
 * kernel sockets (S-01, S-23, S-24, S-28, S-32, S-54, S-74, S-76, F-38).
 */
#include "crypto/passwd.h"
#include "tests/util/login_bench.h"

TestSuite(control_login, .init = setup, .fini = stop, .timeout = 60);

/* --- logins -------------------------------------------------------------------------------------
 */

Test(control_login, a_key_of_the_file_lets_in)
{
	struct client c;
	char want[256], print[128];

	cr_expect(login(&c, "demo", t.key[0]));
	key_fingerprint(t.key[0], print, sizeof(print));
	snprintf(want, sizeof(want), " port %u ssh2: ED25519 %s\n", 0, print);
	expect_logged("Connection from 127.0.0.1 port ");
	expect_logged("Accepted publickey for demo from 127.0.0.1 port ");
	expect_logged(strstr(want, " ssh2: "));
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 1);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_FIRST_KEX_STRICT), 1);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_TX_KEYS), 1);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_RX_KEYS), 1);
	client_free(&c);
	expect_logged("Connection closed by user demo 127.0.0.1 port ");
	expect_logged("connection end: user demo from 127.0.0.1 port ");
}

Test(control_login, the_blob_is_left_and_ends_are_acknowledged)
{
	struct client c;

	cr_expect(login(&c, "demo", t.key[0]));
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_BLOB), 1);
	client_free(&c);
	for (int i = 0; i < 1000 && softplane_seen(t.plane, LINK_CMD_AUDIT_ACK) == 0; i++)
		usleep(5000);
	cr_expect_geq(softplane_seen(t.plane, LINK_CMD_AUDIT_ACK), 1);
}

Test(control_login, keys_that_do_not_let_in)
{
	static const struct {
		const char *user;
		int key;
		const char *line;
	} c[] = {
		{"demo", 2, "Failed publickey for demo from "},
		{"nobody-here", 0, "Invalid user nobody-here from 127.0.0.1 port "},
		{"../keys/demo", 0, "Invalid user ../keys/demo from "},
		{"a\nb", 0, "Invalid user a\\012b from "},
		{"-demo", 0, "Invalid user -demo from "},
		{"denied", 0, "User denied from 127.0.0.1 not allowed because "},
		{"elsewhere", 0,
		 "Authentication tried for elsewhere with correct key but not from a permitted "
		 "host "
		 "(host=127.0.0.1, ip=127.0.0.1, required=192.0.2.0/24)."},
		{"expired", 0, "Authentication tried for expired with an expired key"},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct client cl;

		cr_expect(!login(&cl, c[i].user, t.key[c[i].key]), "%s", c[i].user);
		cr_expect_neq(cl.login_id, 0, "asked again");
		client_free(&cl);
		expect_logged(c[i].line);
	}
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 0);
	expect_logged("Failed publickey for invalid user nobody-here from ");
	expect_logged("Connection closed by invalid user nobody-here 127.0.0.1 port ");
	expect_logged("Connection closed by authenticating user demo 127.0.0.1 port ");
}

Test(control_login, passwords)
{
	struct client c;

	client_start(&c, "alice");
	cr_expect(!try_password(&c, "wrong", 5));
	cr_expect(!try_password(&c, "", 0));
	cr_expect(try_password(&c, "secret", 6));
	client_free(&c);
	expect_logged("Failed password for alice from 127.0.0.1 port ");
	expect_logged("Accepted password for alice from 127.0.0.1 port ");
}

Test(control_login, passwords_that_let_nobody_in)
{
	static const char *const user[] = {"empty",  "locked",      "demo",
					   "denied", "nobody-here", "alice:$5$rounds=1000$salt"};

	for (size_t i = 0; i < N(user); i++) {
		struct client c;

		client_start(&c, user[i]);
		cr_expect(!try_none(&c), "%s", user[i]);
		cr_expect(!try_password(&c, "", 0), "%s", user[i]);
		cr_expect(!try_password(&c, "secret", 6), "%s", user[i]);
		cr_expect(!try_password(&c, "!", 1), "%s", user[i]);
		client_free(&c);
	}
	expect_logged("Failed password for invalid user nobody-here from 127.0.0.1 port ");
}

/* S-32: who exists and who does not are answered alike. */
Test(control_login, the_unknown_see_the_same_sequence)
{
	static const char *const user[] = {"demo", "alice", "nobody-here", "..", "denied"};

	for (size_t i = 0; i < N(user); i++) {
		struct client c;

		client_start(&c, user[i]);
		cr_expect(!try_none(&c));
		cr_expect_str_eq(c.methods, "publickey,password,keyboard-interactive", "%s: %s",
				 user[i], c.methods);
		cr_expect(!try_key(&c, t.key[2]));
		cr_expect_str_eq(c.methods, "publickey,password,keyboard-interactive");
		cr_expect(!try_password(&c, "x", 1));
		cr_expect_str_eq(c.methods, "publickey,password,keyboard-interactive");
		client_free(&c);
	}
}

Test(control_login, tries_are_counted)
{
	struct client c;
	int n = 0;

	client_start(&c, "demo");
	while (!c.ended && n < 20) {
		try_key(&c, t.key[2]);
		n++;
	}
	cr_expect_eq(n, 6, "MaxAuthTries");
	client_free(&c);
	expect_logged("maximum authentication attempts exceeded for demo from 127.0.0.1 port ");
}

/* --- the permissions of the key that signed (S-23) -----------------------------------------------
 */

/* The last hostkeys-00@openssh.com. */
static uint8_t announced[8192];
static size_t announced_len;

static uint8_t raw_next(struct client *c)
{
	const uint8_t *p;
	uint8_t buf[65536];
	uint32_t seqnr;
	size_t len;

	for (;;) {
		int r = ssh_flat_next(&c->pump.flat, &p, &len, &seqnr);
		ssize_t n;

		if (r == 0 && p[0] == SSH_MSG_GLOBAL_REQUEST) {
			announced_len = len < sizeof(announced) ? len : 0;
			memcpy(announced, p, announced_len);
			continue;
		}
		if (r == 0 && p[0] != SSH_MSG_EXT_INFO && p[0] != SSH_MSG_IGNORE &&
		    p[0] != SSH_MSG_DEBUG) {
			c->reply_len = len < sizeof(c->reply) ? len : sizeof(c->reply);
			memcpy(c->reply, p, c->reply_len);
			return p[0];
		}
		if (r == 0)
			continue;
		cr_assert_eq(r, -EAGAIN);
		n = recv(c->fd, buf, sizeof(buf), 0);
		if (n <= 0)
			return 0;
		ssh_flat_feed(&c->pump.flat, buf, (size_t)n);
	}
}

static uint8_t raw_send(struct client *c, const void *p, size_t len)
{
	cr_assert_eq(ssh_flat_send(&c->pump.flat, p, len), 0);
	client_flush(c);
	return raw_next(c);
}

/* A publickey request, signed or a query; the brain of the client does not see it. */
static uint8_t raw_publickey(struct client *c, const struct key *k, bool sign)
{
	struct ssh_str sid = ssh_brain_session_id(c->brain), blob = {0};
	uint8_t buf[4096], sig[KEY_SIG_MAX];
	size_t blob_len, sig_len = sizeof(sig), n;
	struct ssh_wr w;

	blob.p = key_blob(k, &blob_len);
	blob.len = (uint32_t)blob_len;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_str(&w, sid);
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_cstr(&w, "demo");
	ssh_wr_cstr(&w, "ssh-connection");
	ssh_wr_cstr(&w, "publickey");
	ssh_wr_bool(&w, sign);
	ssh_wr_cstr(&w, "ssh-ed25519");
	ssh_wr_str(&w, blob);
	n = ssh_wr_done(&w);
	if (sign) {
		cr_assert_eq(key_sign(k, "ssh-ed25519", buf, n, sig, &sig_len), 0);
		ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)sig_len});
		n = ssh_wr_done(&w);
	}
	return raw_send(c, buf + 4 + sid.len, n - 4 - sid.len);
}

/* 0: confirmed; else the reason. */
static uint32_t raw_open(struct client *c)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_CHANNEL_OPEN);
	ssh_wr_cstr(&w, "direct-tcpip");
	ssh_wr_u32(&w, 0);
	ssh_wr_u32(&w, 65536);
	ssh_wr_u32(&w, 32768);
	ssh_wr_cstr(&w, "bad host");
	ssh_wr_u32(&w, 80);
	ssh_wr_cstr(&w, "127.0.0.1");
	ssh_wr_u32(&w, 1);
	cr_assert_eq(raw_send(c, buf, ssh_wr_done(&w)), SSH_MSG_CHANNEL_OPEN_FAILURE);
	return (uint32_t)c->reply[8];
}

Test(control_login, permissions_are_those_of_the_key_that_signed)
{
	/* Key 0 may forward, key 1 is restricted: every order of asking before signing. */
	for (unsigned int order = 0; order < 16; order++) {
		unsigned int signer = order & 1;
		struct client c;
		char want[160], print[128];

		client_start(&c, "demo");
		for (unsigned int q = 1; q < 4; q++)
			cr_expect_eq(raw_publickey(&c, t.key[order >> q & 1], false),
				     SSH_MSG_USERAUTH_PK_OK);
		cr_assert_eq(raw_publickey(&c, t.key[signer], true), SSH_MSG_USERAUTH_SUCCESS);
		/* The name cannot be resolved; that is said only to those who may ask. */
		cr_expect_eq(raw_open(&c), signer == 0 ? SSH_OPEN_CONNECT_FAILED
						       : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
		key_fingerprint(t.key[signer], print, sizeof(print));
		snprintf(want, sizeof(want), "ssh2: ED25519 %s\n", print);
		expect_logged(want);
		client_free(&c);
	}
}

/* hostkeys-prove-00@openssh.com with these blobs, one behind the other. */
static uint8_t raw_prove(struct client *c, struct ssh_str blobs)
{
	uint8_t buf[4096];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "hostkeys-prove-00@openssh.com");
	ssh_wr_bool(&w, true);
	ssh_wr_bytes(&w, blobs.p, blobs.len);
	return raw_send(c, buf, ssh_wr_done(&w));
}

/* OpenSSH PROTOCOL section 2.5: over the request's name, the session id and the key. */
static void expect_proof(struct client *c, struct ssh_str blob)
{
	struct ssh_str sig;
	struct key *k = NULL;
	uint8_t data[1024];
	struct ssh_wr w;
	struct ssh_rd r;

	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_cstr(&w, "hostkeys-prove-00@openssh.com");
	ssh_wr_str(&w, ssh_brain_session_id(c->brain));
	ssh_wr_str(&w, blob);
	ssh_rd_init(&r, c->reply + 1, c->reply_len - 1);
	sig = ssh_rd_str(&r);
	cr_assert(ssh_rd_done(&r));
	cr_assert_eq(key_blob_parse(blob.p, blob.len, &k), 0);
	cr_expect_eq(key_verify(k, key_type(k), sig.p, sig.len, data, ssh_wr_done(&w)), 0);
	key_free(k);
}

Test(control_login, host_keys_are_announced_and_proved)
{
	static const uint8_t resize[] = "\x50\0\0\0\1x\1";
	struct ssh_str type, blob, foreign, blobs;
	struct client c;
	struct ssh_rd r;
	uint8_t twice[1024];
	size_t len;

	client_start(&c, "demo");
	cr_assert_eq(raw_publickey(&c, t.key[0], true), SSH_MSG_USERAUTH_SUCCESS);
	cr_expect_eq(raw_send(&c, resize, sizeof(resize) - 1), SSH_MSG_REQUEST_FAILURE);
	ssh_rd_init(&r, announced + 1, announced_len - 1);
	type = ssh_rd_str(&r);
	cr_expect(ssh_str_eq(type, "hostkeys-00@openssh.com"));
	cr_expect_not(ssh_rd_bool(&r));
	blobs = (struct ssh_str){r.p, (uint32_t)(r.end - r.p)};
	blob = ssh_rd_str(&r);
	cr_assert(ssh_rd_done(&r)); /* there is one */

	cr_assert_eq(raw_prove(&c, blobs), SSH_MSG_REQUEST_SUCCESS);
	expect_proof(&c, blob);
	/* Not another's, not one twice, not none, not half of one. */
	foreign.p = key_blob(t.key[0], &len);
	foreign.len = (uint32_t)len;
	memcpy(twice, blobs.p, blobs.len);
	memcpy(twice + 4, foreign.p, foreign.len);
	cr_expect_eq(raw_prove(&c, (struct ssh_str){twice, blobs.len}), SSH_MSG_REQUEST_FAILURE);
	memcpy(twice, blobs.p, blobs.len);
	memcpy(twice + blobs.len, blobs.p, blobs.len);
	cr_expect_eq(raw_prove(&c, (struct ssh_str){twice, 2 * blobs.len}),
		     SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(raw_prove(&c, (struct ssh_str){twice, 0}), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(raw_prove(&c, (struct ssh_str){twice, blobs.len - 1}),
		     SSH_MSG_REQUEST_FAILURE);
	client_free(&c);
}

/* What a client of ours would not send. */
Test(control_login, passwords_too_long_or_with_a_nul)
{
	static char big[4 * PASSWD_MAX];
	static const struct {
		const char *p;
		uint32_t len;
	} pw[] = {{big, PASSWD_MAX + 1}, {big, sizeof(big)}, {"secret\0x", 8}, {"secret\0", 7}};
	struct client c;

	memset(big, 'x', sizeof(big));
	client_start(&c, "alice");
	for (size_t i = 0; i < N(pw); i++) {
		uint8_t buf[8192];
		struct ssh_wr w;

		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
		ssh_wr_cstr(&w, "alice");
		ssh_wr_cstr(&w, "ssh-connection");
		ssh_wr_cstr(&w, "password");
		ssh_wr_bool(&w, false);
		ssh_wr_str(&w, (struct ssh_str){(const uint8_t *)pw[i].p, pw[i].len});
		cr_expect_eq(raw_send(&c, buf, ssh_wr_done(&w)), SSH_MSG_USERAUTH_FAILURE, "%zu",
			     i);
	}
	client_free(&c);
	expect_logged("Failed password for alice from ");
}

/* S-01, S-02: nothing of the connection protocol before authentication. */
Test(control_login, no_channel_before_authentication)
{
	static const uint8_t msg[] = {SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_GLOBAL_REQUEST,
				      SSH_MSG_CHANNEL_OPEN, SSH_MSG_CHANNEL_DATA,
				      SSH_MSG_CHANNEL_REQUEST};

	for (size_t i = 0; i < N(msg); i++) {
		uint8_t buf[64] = {msg[i]};
		struct client c;

		client_start(&c, "demo");
		cr_expect_eq(raw_send(&c, buf, sizeof(buf)), SSH_MSG_DISCONNECT, "%u", msg[i]);
		cr_expect_eq(raw_next(&c), 0);
		client_free(&c);
	}
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 0);
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_AUTHENTICATED), 0);
}

/* --- channels and requests
 * -------------------------------------------------------------------------- */

Test(control_login, a_permitted_target_is_connected)
{
	struct link_chan_connect m;
	struct client c;

	cr_assert(login(&c, "open", t.key[0]));
	cr_expect_eq(open_direct(&c, "127.0.0.1", softplane_port(t.plane)), 0);
	cr_assert(softplane_last_connect(t.plane, &m));
	cr_expect_eq(m.n_addrs, 1);
	cr_expect_eq(m.addr[0].port, softplane_port(t.plane));
	cr_expect_eq(m.peer_window, 65536);
	cr_expect_eq(m.peer_packet_max, 32768);
	cr_expect(m.connect_timeout_ms > 50000 && m.connect_timeout_ms <= 60000);
	client_free(&c);
	expect_logged("channel end: user open from 127.0.0.1 port ");
}

Test(control_login, targets_that_are_refused)
{
	static const struct {
		const char *user;
		int key;
		const char *host;
		uint32_t port, reason;
	} c[] = {
		{"demo", 0, "127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "localhost", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "::1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "::ffff:127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "0.0.0.0", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "169.254.169.254", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "224.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"demo", 0, "bad host", 80, SSH_OPEN_CONNECT_FAILED},
		{"demo", 0, "fe80::1%lo", 80, SSH_OPEN_CONNECT_FAILED},
		{"demo", 0, "10.0.0.1", 0, SSH_OPEN_CONNECT_FAILED},
		{"demo", 0, "10.0.0.1", 65536, SSH_OPEN_CONNECT_FAILED},
		{"demo", 1, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"closed", 0, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"open", 0, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"open", 0, "localhost", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"open", 1, "127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		{"limited", 0, "10.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
		/* A key file's permitopen= does not open special addresses. */
		{"limited", 0, "127.0.0.1", 9, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct client cl;

		cr_assert(login(&cl, c[i].user, t.key[c[i].key]));
		cr_expect_eq(open_direct(&cl, c[i].host, c[i].port), c[i].reason, "case %zu: %s %s",
			     i, c[i].user, c[i].host);
		client_free(&cl);
	}
	cr_expect_eq(softplane_seen(t.plane, LINK_IT_CHAN_CONNECT), 0);
	expect_logged("to connect to host localhost port 80, but the request was denied.");
}

Test(control_login, other_channels_and_requests)
{
	struct client c;

	cr_assert(login(&c, "demo", t.key[0]));
	cr_expect_eq(open_type(&c, "session", "", 0), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	cr_expect_eq(open_type(&c, "direct-streamlocal@openssh.com", "", 0),
		     SSH_OPEN_CONNECT_FAILED);
	cr_expect_eq(open_type(&c, "forwarded-tcpip", "", 0), SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	cr_expect_eq(open_type(&c, "x11", "", 0), SSH_OPEN_UNKNOWN_CHANNEL_TYPE);
	cr_expect_eq(open_type(&c, "direct-tcpip", "garbage", 7), SSH_OPEN_CONNECT_FAILED);
	cr_expect_eq(global(&c, "keepalive@openssh.com"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(global(&c, "no-such-request"), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(global(&c, "no-more-sessions@openssh.com"), SSH_MSG_REQUEST_SUCCESS);
	client_free(&c);
	cr_assert(login(&c, "closed", t.key[0]));
	cr_expect_eq(global(&c, "tcpip-forward"), SSH_MSG_REQUEST_FAILURE);
	client_free(&c);
}

/* S-54 at the size of a unit test. */
Test(control_login, refused_opens_leave_nothing_behind)
{
	struct client c;

	cr_assert(login(&c, "closed", t.key[0]));
	for (int i = 0; i < 500; i++)
		cr_assert_eq(open_direct(&c, "10.0.0.1", 80), SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	client_free(&c);
}

/* --- a dataplane that breaks the contract (F-38)
 * ------------------------------------------------------ */

Test(control_login, a_bad_message_detaches_and_the_next_attachment_serves)
{
	static const struct link_handle nobody = {0, 0, 5, 77}, elsewhere = {7, 0, 0, 1},
					outside = {0, 0, 1u << 30, 1};
	struct link_hdr bad[] = {
		{.type = 9999},
		{.type = LINK_EV_CONN_NEW, .conn = nobody}, /* without its body */
		{.type = LINK_IT_END, .conn = nobody},      /* of the other direction */
		{.type = LINK_EV_PAYLOAD},                  /* of no connection */
		{.type = LINK_EV_SHARD_READY},              /* a second time */
		{.type = LINK_EV_CONN_NEW, .conn = elsewhere},
		{.type = LINK_EV_CONN_NEW, .conn = outside},
	};
	struct link_conn_new conn = {{.family = 4, .port = 22}, {.family = 4, .port = 1}, 0, 0, 0, 0};
	struct link_ready ready = {.max_conns = 1, .places = 1, .name = "x"};

	for (size_t i = 0; i < N(bad); i++) {
		unsigned int before = softplane_attached(t.plane);
		struct client c;
		uint8_t msg[256] = {0};
		size_t len = sizeof(struct link_hdr) + 8;

		if (bad[i].type == LINK_EV_SHARD_READY) {
			memcpy(msg + sizeof(bad[i]), &ready, sizeof(ready));
			len = sizeof(bad[i]) + sizeof(ready);
		} else if (i >= N(bad) - 2) {
			memcpy(msg + sizeof(bad[i]), &conn, sizeof(conn));
			len = sizeof(bad[i]) + sizeof(conn);
		}
		bad[i].len = (uint32_t)len;
		memcpy(msg, &bad[i], sizeof(bad[i]));
		softplane_inject(t.plane, msg, len);
		for (int k = 0; k < 2000 && softplane_attached(t.plane) == before; k++)
			usleep(5000);
		cr_assert_eq(softplane_attached(t.plane), before + 1, "case %zu", i);
		cr_expect(login(&c, "demo", t.key[0]), "case %zu", i);
		client_free(&c);
	}
	expect_logged("dataplane soft detached: ");
}

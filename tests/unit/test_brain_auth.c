/* tests/unit/test_brain_auth.c - user authentication, mostly by clients that do not behave. */
#include "ssh_lab.h"

TestSuite(brain_auth, .timeout = 60);

struct req {
	uint8_t p[80000];
	size_t len;
};

static struct req *req_build(const char *user, const char *service, const char *method,
			     const void *rest, size_t rest_len)
{
	static struct req q;
	struct ssh_userauth_request m = {
		.user = ssh_str_c(user),
		.service = ssh_str_c(service),
		.method = ssh_str_c(method),
		.rest = {rest, (uint32_t)rest_len},
	};
	struct ssh_wr w;

	ssh_wr_init(&w, q.p, sizeof(q.p));
	ssh_userauth_request_build(&w, &m);
	q.len = ssh_wr_done(&w);
	cr_assert_neq(q.len, 0);
	return &q;
}

static struct req *req_none(void)
{
	return req_build("demo", "ssh-connection", "none", "", 0);
}

static struct req *req_password(const char *user, bool change, const char *pw)
{
	struct ssh_userauth_password m = {change, ssh_str_c(pw), ssh_str_c("new")};
	static uint8_t rest[70000];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_password_build(&w, &m);
	return req_build(user, "ssh-connection", "password", rest, ssh_wr_done(&w));
}

static struct req *req_pubkey(const char *alg, const struct key *k, struct ssh_str sig)
{
	struct ssh_userauth_publickey m = {
		.has_signature = sig.len != 0, .sig_alg = ssh_str_c(alg), .signature = sig};
	static uint8_t rest[KEY_BLOB_MAX + KEY_SIG_MAX + 100];
	struct ssh_wr w;
	size_t len;

	m.blob.p = key_blob(k, &len);
	m.blob.len = (uint32_t)len;
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_publickey_build(&w, &m);
	return req_build("demo", "ssh-connection", "publickey", rest, ssh_wr_done(&w));
}

static struct req *req_query(const char *alg, const struct key *k)
{
	return req_pubkey(alg, k, (struct ssh_str){0});
}

/* A request for k, signed by signer over the session id given; bound to a host key that has bytes.
 */
static struct req *req_bound(const char *alg, const struct key *k, const struct key *signer,
			     struct ssh_str session_id, struct ssh_str host_key)
{
	const char *method = host_key.p != NULL ? SSH_METHOD_HOSTBOUND : "publickey";
	struct ssh_userauth_publickey m = {
		.has_signature = true, .sig_alg = ssh_str_c(alg), .host_key = host_key};
	struct ssh_userauth_request q = {ssh_str_c("demo"), ssh_str_c("ssh-connection"),
					 ssh_str_c(method), ssh_str_c("")};
	static uint8_t data[KEY_BLOB_MAX + 400], sig[KEY_SIG_MAX];
	static uint8_t rest[KEY_BLOB_MAX + KEY_SIG_MAX + 400];
	size_t len, sig_len = sizeof(sig);
	struct ssh_wr w;

	m.blob.p = key_blob(k, &len);
	m.blob.len = (uint32_t)len;
	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_str(&w, session_id);
	ssh_userauth_request_build(&w, &q);
	ssh_userauth_publickey_build(&w, &m);
	cr_assert_eq(key_sign(signer, alg, data, ssh_wr_done(&w), sig, &sig_len), 0);
	m.signature = (struct ssh_str){sig, (uint32_t)sig_len};
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_publickey_build(&w, &m);
	return req_build("demo", "ssh-connection", method, rest, ssh_wr_done(&w));
}

static struct req *req_signed(const char *alg, const struct key *k, const struct key *signer,
			      struct ssh_str session_id)
{
	return req_bound(alg, k, signer, session_id, (struct ssh_str){0});
}

static void send_req(struct lab *l, const struct req *q)
{
	lab_raw(l, &l->c, q->p, q->len);
}

static void start(struct lab *l, unsigned int tries)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);

	sc.max_auth_tries = tries;
	lab_init(l, &sc, NULL);
	lab_to_login(l);
}

#define METHODS "publickey,password"

/* A FAILURE with the one list, and nothing behind it. */
static void expect_failure(struct lab *l, const char *what)
{
	struct ssh_userauth_failure m;
	const uint8_t *p;
	size_t len;
	struct ssh_rd r;

	cr_assert_eq(lab_got(&l->c, &p, &len), SSH_MSG_USERAUTH_FAILURE, "%s", what);
	ssh_rd_init(&r, p + 1, len - 1);
	cr_assert_eq(ssh_userauth_failure_parse(&r, &m), 0);
	cr_assert(ssh_str_eq(m.methods, METHODS), "%s", what);
	cr_assert(!m.partial_success);
	cr_assert_eq(lab_got_msg(&l->c), 0);
	cr_assert_eq(l->s.n[SSH_ACT_AUTHENTICATED], 0);
}

static void expect_end(struct lab *l, int err)
{
	cr_assert_eq(l->s.end, -err, "%s", ssh_err_text(l->s.end));
	cr_assert_eq(l->s.n[SSH_ACT_AUTHENTICATED], 0);
	cr_assert(!ssh_brain_authenticated(l->s.b));
}

/* Services -------------------------------------------------------------------------- */

/* S-15: unknown, empty, huge, malformed; and a second one. */
Test(brain_auth, s15_a_wrong_service_request_disconnects)
{
	static uint8_t huge[34000] = {SSH_MSG_SERVICE_REQUEST, 0, 0, 0x80, 0};
	static const struct {
		const char *p;
		size_t len;
		int err;
	} t[] = {
		{"\x05\0\0\0\x07unknown", 12, SSH_E_SERVICE},
		{"\x05\0\0\0\0", 5, SSH_E_SERVICE},
		{"\x05\0\0\0\x0essh-connection", 19, SSH_E_SERVICE},
		{"\x05\0\0\0\x0dssh-userauth", 17, SSH_E_FORMAT},
		{"\x05\0\0\0\x0cssh-userauthX", 18, SSH_E_FORMAT},
		{"\x05\0\0\0\x0dssh-userauth\0", 18, SSH_E_SERVICE},
		{"\x05", 1, SSH_E_FORMAT},
		{(const char *)huge, 5 + 0x8000, SSH_E_SERVICE},
	};
	struct lab l;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		lab_init(&l, NULL, NULL);
		lab_to_login(&l);
		l.s.b->phase.svc = SSH_SVC_NONE; /* as if the first had not been asked for */
		lab_raw(&l, &l.c, t[i].p, t[i].len);
		expect_end(&l, t[i].err);
		lab_fini(&l);
	}
}

Test(brain_auth, s15_a_second_service_request_disconnects)
{
	struct lab l;

	start(&l, 6);
	lab_raw(&l, &l.c, "\x05\0\0\0\x0cssh-userauth", 17);
	expect_end(&l, SSH_E_PROTO);
	lab_fini(&l);
}

/* paramiko asks before every try; RFC 4253 section 10 does not forbid it. */
static void start_as(struct lab *l, const char *ident)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT);

	cc.ident = ident;
	lab_init(l, NULL, &cc);
	lab_to_login(l);
}

static int ask_again(struct lab *l)
{
	lab_raw(l, &l->c, "\x05\0\0\0\x0cssh-userauth", 17);
	return lab_got_msg(&l->c);
}

Test(brain_auth, s15_who_is_known_to_asks_again_after_a_failure)
{
	struct lab l;

	start_as(&l, "SSH-2.0-paramiko_3.4.0");
	for (int i = 0; i < 3; i++) {
		send_req(&l, req_build("demo", "ssh-connection", "odd", "", 0));
		expect_failure(&l, "a try");
		cr_assert_eq(ask_again(&l), SSH_MSG_SERVICE_ACCEPT);
	}
	ask_again(&l); /* and not twice */
	expect_end(&l, SSH_E_PROTO);
	lab_fini(&l);

	start_as(&l, "SSH-2.0-paramiko_3.4.0");
	ask_again(&l); /* before any try */
	expect_end(&l, SSH_E_PROTO);
	lab_fini(&l);

	start_as(&l, "SSH-2.0-OpenSSH_9.2");
	send_req(&l, req_build("demo", "ssh-connection", "odd", "", 0));
	expect_failure(&l, "a try");
	ask_again(&l);
	expect_end(&l, SSH_E_PROTO);
	lab_fini(&l);
}

/* S-01, S-02, S-05: what only the other role may send, or only after login. */
Test(brain_auth, s01_s02_s05_nothing_but_requests_before_authentication)
{
	struct lab l;

	for (int svc = SSH_SVC_NONE; svc <= SSH_SVC_AUTH; svc++) {
		for (unsigned int msg = 0; msg < 256; msg++) {
			uint8_t payload[64] = {(uint8_t)msg};
			bool unknown = (msg >= 8 && msg <= 19) || (msg >= 22 && msg <= 29) ||
				       (msg >= 54 && msg <= 59);

			if (unknown || (msg >= 1 && msg <= 5) || msg == 7 || msg == 20 || msg == 50)
				continue;
			start(&l, 6);
			l.s.b->phase.svc = (uint8_t)svc;
			lab_raw(&l, &l.c, payload, sizeof(payload));
			expect_end(&l, SSH_E_PROTO);
			cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_DISCONNECT);
			cr_assert_eq(lab_got_msg(&l.c), 0);
			cr_assert_eq(l.s.n[SSH_ACT_CHANNEL_OPEN] + l.s.n[SSH_ACT_GLOBAL_REQUEST] +
					     l.s.n[SSH_ACT_CHANNEL_REQUEST] + l.s.n[SSH_ACT_AUTH],
				     0);
			lab_fini(&l);
		}
	}
}

/* Tries ----------------------------------------------------------------------------- */

/* S-28: whatever the method is called, the answer is the same. */
Test(brain_auth, s28_odd_methods_fail_with_the_same_list)
{
	static uint8_t name[65000];
	struct ssh_userauth_request m = {ssh_str_c("demo"), ssh_str_c("ssh-connection"),
					 ssh_str_c(""), ssh_str_c("")};
	static uint8_t buf[70000];
	static const uint32_t lens[] = {0, 1, 64, 65, 30000};
	struct ssh_wr w;
	struct lab l;

	for (int fill = 0; fill < 2; fill++) {
		memset(name, fill ? 'x' : 0, sizeof(name));
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			start(&l, 6);
			m.method = (struct ssh_str){name, lens[i]};
			ssh_wr_init(&w, buf, sizeof(buf));
			ssh_userauth_request_build(&w, &m);
			lab_raw(&l, &l.c, buf, ssh_wr_done(&w));
			expect_failure(&l, "odd name");
			cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
			lab_fini(&l);
		}
	}
}

/* S-28: 64 KiB are more than a record may hold before login, not more than a brain takes. */
Test(brain_auth, s28_a_method_name_of_64_kib_fails_too)
{
	static char name[65537];
	struct lab l;
	struct req *q;

	memset(name, 'n', 65536);
	start(&l, 6);
	q = req_build("demo", "ssh-connection", name, "", 0);
	cr_assert_eq(ssh_brain_input(l.s.b, 1, q->p, q->len), 0);
	lab_run(&l);
	expect_failure(&l, "64 KiB");
	lab_fini(&l);
}

Test(brain_auth, s28_none_is_asked_about_only_when_it_is_offered)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_none());
	expect_failure(&l, "none");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	lab_fini(&l);
}

/* S-29: the first none is free, no other is. */
Test(brain_auth, s29_every_try_but_a_first_none_counts)
{
	static const char *const methods[] = {"none", "password", "hostbased", "",
					      "keyboard-interactive"};
	struct lab l;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		start(&l, 3);
		l.s.refuse_auth = true;
		send_req(&l, req_none());
		expect_failure(&l, "first none");
		for (int try = 1; try < 3; try++) {
			send_req(&l,
				 strcmp(methods[i], "password") == 0
					 ? req_password("demo", false, "x")
					 : req_build("demo", "ssh-connection", methods[i], "", 0));
			expect_failure(&l, methods[i]);
		}
		send_req(&l, req_none());
		expect_end(&l, SSH_E_AUTH_TRIES);
		cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_DISCONNECT);
		lab_fini(&l);
	}
}

/* S-29: none counts when it is not the first request. */
Test(brain_auth, s29_a_none_after_another_try_counts)
{
	struct lab l;

	start(&l, 2);
	l.s.refuse_auth = true;
	send_req(&l, req_password("demo", false, "x"));
	expect_failure(&l, "password");
	send_req(&l, req_none());
	expect_end(&l, SSH_E_AUTH_TRIES);
	lab_fini(&l);
}

/* S-29: keys asked about and never signed with are tries. */
Test(brain_auth, s29_abandoned_queries_count)
{
	struct lab l;
	int answered = 0;

	start(&l, 4);
	for (int i = 0; i < 10 && l.s.end == 0; i++) {
		send_req(&l, req_query("ssh-ed25519", l.c.key));
		answered += lab_got_msg(&l.c) == SSH_MSG_USERAUTH_PK_OK;
	}
	cr_assert_eq(answered, 4);
	expect_end(&l, SSH_E_AUTH_TRIES);
	lab_fini(&l);
}

Test(brain_auth, a_refused_try_is_news_with_its_count)
{
	struct lab l;
	struct ssh_act act;

	start(&l, 6);
	l.s.refuse_auth = true;
	send_req(&l, req_none());
	l.s.manual_auth = true;
	send_req(&l, req_password("demo", false, "wrong"));
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, false), 0);
	cr_assert_eq(ssh_brain_next(l.s.b, &act), 0);
	cr_assert_eq(act.kind, SSH_ACT_AUTH_FAILED);
	cr_assert_eq(act.auth.method, SSH_AUTH_PASSWORD);
	cr_assert(ssh_str_eq(act.auth.user, "demo"));
	cr_assert_eq(act.auth.password.len, 0, "a password is no news");
	cr_assert_eq(act.auth.tries, 1);
	lab_fini(&l);
}

/* Who ------------------------------------------------------------------------------- */

/* S-27: another user, another service; whether the first try failed or was a promise. */
Test(brain_auth, s27_a_changed_user_or_service_disconnects)
{
	struct lab l;

	for (unsigned int promise = 0; promise < 2; promise++) {
		for (int service = 0; service < 2; service++) {
			start(&l, 6);
			send_req(&l, promise ? req_query("ssh-ed25519", l.c.key) : req_none());
			send_req(&l, service ? req_build("demo", "ssh-other", "none", "", 0)
					     : req_password("root", false, "secret"));
			expect_end(&l, SSH_E_AUTH_CHANGED);
			cr_assert_eq(l.s.n[SSH_ACT_AUTH], promise);
			lab_fini(&l);
		}
	}
}

Test(brain_auth, an_unknown_service_in_a_request_disconnects)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_build("demo", "", "none", "", 0));
	expect_end(&l, SSH_E_SERVICE);
	lab_fini(&l);
}

/* Names no account can have are refused before anybody is asked. */
Test(brain_auth, names_with_control_characters_are_never_asked_about)
{
	static const char *const users[] = {"", "a\nb", "a\x1b[2J", "\x7f", "a\rb"};
	struct lab l;

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		start(&l, 6);
		send_req(&l, req_password(users[i], false, "secret"));
		expect_failure(&l, "control characters");
		cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
		lab_fini(&l);
	}
}

Test(brain_auth, malformed_requests_disconnect)
{
	struct lab l;
	struct req *q;
	struct req whole;

	start(&l, 6);
	q = req_password("demo", false, "secret");
	memcpy(&whole, q, sizeof(whole));
	lab_fini(&l);
	for (size_t n = 1; n < whole.len; n++) {
		start(&l, 6);
		lab_raw(&l, &l.c, whole.p, n);
		expect_end(&l, SSH_E_FORMAT);
		lab_fini(&l);
	}
}

Test(brain_auth, a_user_name_that_is_too_long_disconnects)
{
	static char user[SSH_USER_MAX + 2];
	struct lab l;

	memset(user, 'u', SSH_USER_MAX + 1);
	start(&l, 6);
	send_req(&l, req_password(user, false, "x"));
	expect_end(&l, SSH_E_FORMAT);
	lab_fini(&l);
}

/* Passwords ------------------------------------------------------------------------- */

/* S-31: even a right password does not log in by a request to change it. */
Test(brain_auth, s31_a_password_change_is_refused_unasked)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_password("demo", true, "secret"));
	expect_failure(&l, "change");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	lab_fini(&l);
}

/* While an answer is awaited nothing more is read. */
Test(brain_auth, requests_wait_while_one_is_decided)
{
	struct lab l;
	struct req *q;

	start(&l, 6);
	l.s.manual_auth = true;
	send_req(&l, req_password("demo", false, "a"));
	send_req(&l, req_password("demo", false, "b"));
	q = req_none();
	cr_assert_eq(ssh_brain_input(l.s.b, 9, q->p, q->len), -EAGAIN);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_assert(ssh_str_eq(l.s.asked.auth.password, "a"));
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, false), 0);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 2);
	cr_assert(ssh_str_eq(l.s.asked.auth.password, "b"));
	lab_fini(&l);
}

/* RFC 4252 section 5.1: what was pipelined behind the request that logged in. */
Test(brain_auth, requests_after_success_are_ignored)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_password("demo", false, "secret"));
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
	for (int i = 0; i < 100; i++)
		send_req(&l, req_password("root", false, "secret"));
	cr_assert_eq(lab_got_msg(&l.c), 0);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_assert_eq(l.s.n[SSH_ACT_AUTHENTICATED], 1);
	cr_assert_eq(l.s.end, 0);
	cr_assert_eq(ssh_brain_drops(l.s.b), 100);
	lab_fini(&l);
}

/* Keys ------------------------------------------------------------------------------ */

/*
 * S-23: three queries in any order, about any of four keys, then a signature by one: 64
 * sequences, and the one that signed is who it is.
 */
Test(brain_auth, s23_the_key_that_signed_is_the_identity)
{
	struct key *k[4];
	char want[128];
	struct lab l;

	for (int i = 0; i < 4; i++)
		k[i] = lab_key("ssh-ed25519");
	for (int seq = 0; seq < 64; seq++) {
		int signer = (seq / 16) % 4;

		start(&l, 20);
		for (int i = 0, s = seq; i < 3; i++, s /= 4) {
			send_req(&l, req_query("ssh-ed25519", k[s % 4]));
			cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_PK_OK);
		}
		l.s.manual_auth = true;
		send_req(&l, req_signed("ssh-ed25519", k[signer], k[signer],
					ssh_brain_session_id(l.c.b)));
		cr_assert(!l.s.asked.auth.query);
		cr_assert(key_equal(l.s.asked.auth.key, k[signer]), "sequence %d", seq);
		cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, true), 0);
		lab_run(&l);
		cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
		cr_assert_eq(key_fingerprint(k[signer], want, sizeof(want)), 0);
		cr_assert_str_eq((char *)l.s.id_fingerprint, want, "sequence %d", seq);
		lab_fini(&l);
	}
	for (int i = 0; i < 4; i++)
		key_free(k[i]);
}

/* S-23: after a query for A, a request for A signed by B is refused. */
Test(brain_auth, s23_a_signature_by_another_key_is_refused)
{
	struct key *other = lab_key("ssh-ed25519");
	struct lab l;

	start(&l, 6);
	send_req(&l, req_query("ssh-ed25519", l.c.key));
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_PK_OK);
	send_req(&l, req_signed("ssh-ed25519", l.c.key, other, ssh_brain_session_id(l.c.b)));
	expect_failure(&l, "signed by another");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1, "the authority was asked for the query only");
	lab_fini(&l);
	key_free(other);
}

Test(brain_auth, a_signature_for_another_session_is_refused)
{
	struct lab l;
	uint8_t sid[32] = {1};

	start(&l, 6);
	send_req(&l, req_signed("ssh-ed25519", l.c.key, l.c.key, (struct ssh_str){sid, 32}));
	expect_failure(&l, "another session");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	lab_fini(&l);
}

/* OpenSSH PROTOCOL, publickey-hostbound: what an agent signed for another host lets nobody in here.
 */
Test(brain_auth, a_signature_bound_to_another_host_is_refused)
{
	struct key *other = lab_key("ssh-ed25519");
	struct ssh_str mine, theirs;
	struct lab l;
	size_t len;

	theirs.p = key_blob(other, &len);
	theirs.len = (uint32_t)len;
	for (int i = 0; i < 4; i++) {
		start(&l, 6);
		mine.p = key_blob(l.c.b->server_key, &len);
		mine.len = (uint32_t)len;
		send_req(&l, req_bound("ssh-ed25519", l.c.key, l.c.key, ssh_brain_session_id(l.c.b),
				       (struct ssh_str[]){
					       theirs,
					       {mine.p, mine.len - 1},
					       {mine.p, 0},
					       mine,
				       }[i]));
		if (i < 3) {
			expect_failure(&l, "another host");
			cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0, "case %d", i);
		} else {
			cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
		}
		lab_fini(&l);
	}
	key_free(other);
}

Test(brain_auth, every_spoiled_byte_of_a_signed_request_fails_or_disconnects)
{
	struct lab l;
	struct req whole;

	start(&l, 6);
	memcpy(&whole, req_signed("ssh-ed25519", l.c.key, l.c.key, ssh_brain_session_id(l.c.b)),
	       sizeof(whole));
	for (size_t i = 1; i < whole.len; i++) {
		/* Each with a fresh count: the same connection, so the same session id. */
		whole.p[i] ^= 0x01;
		l.s.b->srv.tries = 0;
		cr_assert_lt(ssh_brain_input(l.s.b, 9, whole.p, whole.len), 1);
		whole.p[i] ^= 0x01;
		lab_run(&l);
		cr_assert_eq(l.s.n[SSH_ACT_AUTHENTICATED], 0, "byte %zu", i);
		cr_assert(!ssh_brain_authenticated(l.s.b), "byte %zu", i);
		if (l.s.end == 0)
			continue;
		lab_fini(&l);
		start(&l, 6);
		memcpy(&whole,
		       req_signed("ssh-ed25519", l.c.key, l.c.key, ssh_brain_session_id(l.c.b)),
		       sizeof(whole));
	}
	lab_fini(&l);
}

/* S-34: the algorithm announced is not one of the blob's, or the blob is none. */
Test(brain_auth, s34_keys_that_do_not_fit_their_algorithm_are_refused)
{
	static const char *const algs[] = {
		"ecdsa-sha2-nistp256", "rsa-sha2-512", "ssh-rsa", "ssh-dss", "", "ssh-ed25519x"};
	struct lab l;

	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		start(&l, 6);
		send_req(&l, req_query(algs[i], l.c.key));
		expect_failure(&l, algs[i]);
		cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
		lab_fini(&l);
	}
}

Test(brain_auth, s34_an_algorithm_that_is_not_accepted_is_refused)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct lab l;

	sc.server_sig_algs = "rsa-sha2-512";
	lab_init(&l, &sc, NULL);
	lab_to_login(&l);
	send_req(&l, req_signed("ssh-ed25519", l.c.key, l.c.key, ssh_brain_session_id(l.c.b)));
	expect_failure(&l, "not accepted");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH] + l.s.n[SSH_ACT_JOB], 1, "only the key exchange's job");
	lab_fini(&l);
}

/* Both lists are read by the first request: its authority knows whose it is. */
static void conf_of_users(struct ssh_brain_conf *sc)
{
	*sc = lab_conf(SSH_SERVER);
	sc->server_sig_algs = "rsa-sha2-512";
	sc->server_sig_algs_any = "ssh-ed25519,rsa-sha2-512";
}

/* OpenSSH PROTOCOL 1.11: in front of the first answer. */
Test(brain_auth, ext_info_in_auth_tells_the_list_of_the_user)
{
	struct ssh_brain_conf sc;
	struct lab l;

	conf_of_users(&sc);
	lab_init(&l, &sc, NULL);
	l.c.login = LAB_LOGIN_HOLD;
	l.s.manual_auth = true;
	lab_run(&l);
	cr_assert_str_eq(ssh_brain_server_sig_algs(l.c.b), "rsa-sha2-512");
	cr_assert_eq(ssh_brain_login_publickey(l.c.b, l.c.asked.id, l.c.key, NULL), -ENOTSUP);
	cr_assert_eq(ssh_brain_login_password(l.c.b, l.c.asked.id, "x", 1), 0);
	lab_run(&l);
	cr_assert_eq(ssh_brain_user_sig_algs(l.s.b, "ssh-ed25519"), 0);
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, false), 0);
	lab_run(&l);
	cr_assert_str_eq(ssh_brain_server_sig_algs(l.c.b), "ssh-ed25519");
	cr_assert_eq(ssh_brain_login_publickey(l.c.b, l.c.asked.id, l.c.key, NULL), 0);
	lab_run(&l);
	/* Once: a list that changes again holds, and is not told. */
	cr_assert_eq(ssh_brain_user_sig_algs(l.s.b, "rsa-sha2-256"), 0);
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, true), 0);
	lab_run(&l);
	cr_assert(ssh_brain_authenticated(l.c.b));
	cr_assert_eq(l.c.b->ext_infos, 2);
	cr_assert_str_eq(l.s.b->lists.sig_algs, "rsa-sha2-256");
	lab_fini(&l);
}

Test(brain_auth, algorithms_of_other_users_are_read_by_the_first_request_alone)
{
	struct ssh_brain_conf sc;
	struct lab l;

	conf_of_users(&sc);
	lab_init(&l, &sc, NULL);
	lab_to_login(&l);
	l.s.manual_auth = true;
	send_req(&l, req_query("ssh-ed25519", l.c.key));
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_assert_eq(ssh_brain_user_sig_algs(l.s.b, "rsa-sha2-512"), 0);
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, false), 0);
	lab_run(&l);
	expect_failure(&l, "the authority's no");
	send_req(&l, req_query("ssh-ed25519", l.c.key));
	expect_failure(&l, "of others only");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	lab_fini(&l);
}

Test(brain_auth, no_ext_info_in_auth_for_who_does_not_take_it)
{
	static const struct {
		bool takes;
		const char *list;
	} c[] = {{false, "ssh-ed25519"}, {true, "rsa-sha2-512"}};
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct lab l;

	sc.server_sig_algs = "rsa-sha2-512";
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		lab_init(&l, &sc, NULL);
		l.c.login = LAB_LOGIN_HOLD;
		l.s.manual_auth = true;
		lab_run(&l);
		l.s.b->info_in_auth = c[i].takes;
		cr_assert_eq(ssh_brain_login_password(l.c.b, l.c.asked.id, "x", 1), 0);
		lab_run(&l);
		cr_assert_eq(ssh_brain_user_sig_algs(l.s.b, c[i].list), 0);
		cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, false), 0);
		lab_run(&l);
		cr_assert_eq(l.c.b->ext_infos, 1);
		cr_assert_str_eq(ssh_brain_server_sig_algs(l.c.b), "rsa-sha2-512");
		cr_assert_str_eq(l.s.b->lists.sig_algs, c[i].list);
		lab_fini(&l);
	}
}

Test(brain_auth, a_users_list_is_refused_before_authentication_begins_and_after_it)
{
	struct lab l;

	start(&l, 6);
	cr_assert_eq(ssh_brain_user_sig_algs(l.s.b, "ssh-ed25518"), -EINVAL, "unknown");
	cr_assert_eq(ssh_brain_user_sig_algs(l.c.b, "ssh-ed25519"), -EINVAL, "a client");
	send_req(&l, req_password("demo", false, "secret"));
	cr_assert_eq(ssh_brain_user_sig_algs(l.s.b, "ssh-ed25519"), -EINVAL, "it is over");
	lab_fini(&l);
}

/* S-34, RFC 8332: the signature blob must name the algorithm of the request. */
Test(brain_auth, s34_a_signature_by_another_algorithm_of_the_key_is_refused)
{
	struct key *rsa = lab_key("ssh-rsa");
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	struct lab l;

	start(&l, 6);
	cr_assert_eq(key_sign(rsa, "rsa-sha2-256", (const uint8_t *)"x", 1, sig, &len), 0);
	send_req(&l, req_pubkey("rsa-sha2-512", rsa, (struct ssh_str){sig, (uint32_t)len}));
	expect_failure(&l, "other algorithm");
	lab_fini(&l);
	key_free(rsa);
}

/* Asks ------------------------------------------------------------------------------ */

/* S-25: the authority's yes comes before, twice, late, or to another connection. */
Test(brain_auth, s25_an_answer_that_is_not_awaited_changes_nothing)
{
	struct lab a, b;

	start(&a, 6);
	start(&b, 6);
	a.s.manual_auth = b.s.manual_auth = true;
	send_req(&a, req_password("demo", false, "right"));
	send_req(&b, req_password("demo", false, "wrong"));
	cr_assert_neq(a.s.asked.id, b.s.asked.id);
	cr_assert_eq(ssh_brain_auth_answer(b.s.b, a.s.asked.id, true), -ENOENT);
	cr_assert_eq(ssh_brain_job_done(b.s.b, b.s.asked.id, ssh_job_new(SSH_JOB_VERIFY, 0)),
		     -ENOENT);
	cr_assert_eq(ssh_brain_sign_answer(b.s.b, b.s.asked.id, 0, (const uint8_t *)"s", 1),
		     -ENOENT);
	cr_assert_eq(ssh_brain_hostkey_answer(b.s.b, b.s.asked.id, true), -ENOENT);
	cr_assert_eq(ssh_brain_auth_answer(b.s.b, b.s.asked.id, false), 0);
	cr_assert_eq(ssh_brain_auth_answer(b.s.b, b.s.asked.id, true), -ENOENT, "twice");
	cr_assert_eq(ssh_brain_auth_answer(a.s.b, a.s.asked.id, true), 0);
	lab_run(&a);
	lab_run(&b);
	cr_assert(ssh_brain_authenticated(a.s.b));
	cr_assert(!ssh_brain_authenticated(b.s.b));
	expect_failure(&b, "wrong");
	lab_fini(&a);
	lab_fini(&b);
}

/* S-25: while the signature is computed, no answer of the authority is awaited. */
Test(brain_auth, s25_no_answer_stands_in_for_the_signature)
{
	struct key *other = lab_key("ssh-ed25519");
	struct lab l;

	start(&l, 6);
	l.s.manual_jobs = l.s.manual_auth = true;
	send_req(&l, req_signed("ssh-ed25519", l.c.key, other, ssh_brain_session_id(l.c.b)));
	cr_assert_eq(l.s.asked.kind, SSH_ACT_JOB);
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, true), -ENOENT);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	ssh_job_run(l.s.asked.job);
	cr_assert_eq(ssh_brain_job_done(l.s.b, l.s.asked.id, l.s.asked.job), 0);
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, true), -ENOENT);
	lab_run(&l);
	expect_failure(&l, "signature");
	lab_fini(&l);
	key_free(other);
}

/* A job that was given back without being run is a job that failed. */
Test(brain_auth, s25_a_job_that_was_not_run_verifies_nothing)
{
	struct lab l;

	start(&l, 6);
	l.s.manual_jobs = true;
	send_req(&l, req_signed("ssh-ed25519", l.c.key, l.c.key, ssh_brain_session_id(l.c.b)));
	cr_assert_eq(ssh_brain_job_done(l.s.b, l.s.asked.id, l.s.asked.job), 0);
	lab_run(&l);
	expect_failure(&l, "not run");
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	lab_fini(&l);
}

/* S-25: a good result of one connection, given to another with the same id open. */
Test(brain_auth, s25_a_job_of_another_connection_is_refused)
{
	struct key *other = lab_key("ssh-ed25519");
	struct lab a, b;

	start(&a, 6);
	start(&b, 6);
	a.s.manual_jobs = b.s.manual_jobs = true;
	send_req(&a, req_signed("ssh-ed25519", a.c.key, a.c.key, ssh_brain_session_id(a.c.b)));
	send_req(&b, req_signed("ssh-ed25519", b.c.key, other, ssh_brain_session_id(b.c.b)));
	ssh_job_run(a.s.asked.job);
	b.s.b->auth_ask.id = a.s.asked.id; /* the one in four billion */
	cr_assert_eq(ssh_brain_job_done(b.s.b, a.s.asked.id, a.s.asked.job), -ENOENT);
	ssh_job_free(b.s.asked.job);
	lab_run(&b);
	cr_assert_eq(b.s.n[SSH_ACT_AUTH], 0);
	cr_assert(!ssh_brain_authenticated(b.s.b));
	lab_fini(&a);
	lab_fini(&b);
	key_free(other);
}

/* An ask that is open when the connection ends is answered into the void. */
Test(brain_auth, answers_after_the_end_change_nothing)
{
	struct lab l;

	start(&l, 6);
	l.s.manual_auth = true;
	send_req(&l, req_password("demo", false, "x"));
	ssh_brain_end(l.s.b, -SSH_E_GRACE, NULL);
	cr_assert_eq(ssh_brain_auth_answer(l.s.b, l.s.asked.id, true), -ENOENT);
	lab_run(&l);
	expect_end(&l, SSH_E_GRACE);
	lab_fini(&l);
}

/* S-32: the same messages whoever the user is; only the authority knows. */
Test(brain_auth, s32_the_sequence_does_not_depend_on_the_user)
{
	static const char *const users[] = {"demo", "nobody-here"};
	uint8_t seen[2][64];
	unsigned int n[2] = {0};
	struct lab l;

	for (int u = 0; u < 2; u++) {
		start(&l, 6);
		l.s.refuse_auth = true;
		send_req(&l, req_build(users[u], "ssh-connection", "none", "", 0));
		send_req(&l, req_password(users[u], false, "x"));
		send_req(&l, req_password(users[u], true, "x"));
		send_req(&l, req_build(users[u], "ssh-connection", "password", "\1", 1));
		while ((seen[u][n[u]] = lab_got_msg(&l.c)) != 0)
			n[u]++;
		lab_fini(&l);
	}
	cr_assert_eq(n[0], n[1]);
	cr_assert_arr_eq(seen[0], seen[1], n[0]);
}

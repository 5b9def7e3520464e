/*
 * tests/unit/test_brain_methods.c - methods with more than a request and an answer:
 * keyboard-interactive, a password that must be changed, partial success, hosts, the banner.
 */
#include "ssh_lab.h"

TestSuite(brain_methods, .timeout = 60);

#define ALL                                                                                        \
	(SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY | SSH_AUTH_KBDINT | SSH_AUTH_HOSTBASED |           \
	 SSH_AUTH_NONE)
#define ALL_LIST "publickey,password,keyboard-interactive,hostbased"

struct req {
	uint8_t p[70000];
	size_t len;
};

static struct req *req_build(const char *method, const void *rest, size_t rest_len)
{
	static struct req q;
	struct ssh_userauth_request m = {.user = ssh_str_c("demo"),
					 .service = ssh_str_c("ssh-connection"),
					 .method = ssh_str_c(method),
					 .rest = {rest, (uint32_t)rest_len}};
	struct ssh_wr w;

	ssh_wr_init(&w, q.p, sizeof(q.p));
	ssh_userauth_request_build(&w, &m);
	q.len = ssh_wr_done(&w);
	return &q;
}

static struct req *req_kbdint(const char *submethods)
{
	struct ssh_userauth_kbdint m = {ssh_str_c(""), ssh_str_c(submethods)};
	static uint8_t rest[65536];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_kbdint_build(&w, &m);
	return req_build("keyboard-interactive", rest, ssh_wr_done(&w));
}

static struct req *req_password(bool change, const char *pw, const char *new_pw)
{
	struct ssh_userauth_password m = {change, ssh_str_c(pw), ssh_str_c(new_pw)};
	static uint8_t rest[1024];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_password_build(&w, &m);
	return req_build("password", rest, ssh_wr_done(&w));
}

static void send_req(struct lab *l, const struct req *q)
{
	lab_raw(l, &l->c, q->p, q->len);
}

/* n answers said, as many as there are strings given. */
static void send_response(struct lab *l, uint32_t said, unsigned int n)
{
	uint8_t buf[1024];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_INFO_RESPONSE);
	ssh_wr_u32(&w, said);
	for (unsigned int i = 0; i < n; i++)
		ssh_wr_cstr(&w, "answer");
	lab_raw(l, &l->c, buf, ssh_wr_done(&w));
}

static void start(struct lab *l, unsigned int tries)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);

	sc.max_auth_tries = tries;
	sc.auth_methods = ALL;
	lab_init(l, &sc, NULL);
	lab_to_login(l);
	l->s.manual_auth = true;
}

static void decide(struct lab *l, enum ssh_auth_verdict verdict, unsigned int n_prompts)
{
	struct ssh_prompts p = {
		.name = ssh_str_c("name"), .instruction = ssh_str_c("say"), .n = n_prompts};
	struct ssh_auth_decision d = {.verdict = verdict,
				      .methods = SSH_AUTH_PASSWORD,
				      .prompts = &p,
				      .text = ssh_str_c("a new one?")};

	for (unsigned int i = 0; i < n_prompts && i < SSH_PROMPTS_MAX; i++)
		p.prompt[i] = (struct ssh_prompt){ssh_str_c("Q: "), i % 2 == 1};
	cr_assert_eq(ssh_brain_auth_decide(l->s.b, l->s.asked.id, &d), 0);
	lab_run(l);
}

static void expect_failure(struct lab *l, const char *list, bool partial)
{
	struct ssh_userauth_failure m;
	const uint8_t *p;
	size_t len;
	struct ssh_rd r;

	cr_assert_eq(lab_got(&l->c, &p, &len), SSH_MSG_USERAUTH_FAILURE);
	ssh_rd_init(&r, p + 1, len - 1);
	cr_assert_eq(ssh_userauth_failure_parse(&r, &m), 0);
	cr_assert(ssh_str_eq(m.methods, list), "%.*s", (int)m.methods.len,
		  (const char *)m.methods.p);
	cr_assert_eq(m.partial_success, partial);
	cr_assert_eq(lab_got_msg(&l->c), 0);
	cr_assert_eq(l->s.n[SSH_ACT_AUTHENTICATED], 0);
}

static void expect_prompts(struct lab *l, unsigned int n)
{
	struct ssh_prompts m;
	const uint8_t *p;
	size_t len;
	struct ssh_rd r;

	cr_assert_eq(lab_got(&l->c, &p, &len), SSH_MSG_USERAUTH_INFO_REQUEST);
	ssh_rd_init(&r, p + 1, len - 1);
	cr_assert_eq(ssh_userauth_info_request_parse(&r, &m), 0);
	cr_assert_eq(m.n, n);
	cr_assert(ssh_str_eq(m.name, "name"));
	cr_assert(ssh_str_eq(m.instruction, "say"));
	for (unsigned int i = 0; i < n; i++)
		cr_assert_eq(m.prompt[i].echo, i % 2 == 1);
}

static void expect_end(struct lab *l, int err)
{
	cr_assert_eq(l->s.end, -err, "%s", ssh_err_text(l->s.end));
	cr_assert_eq(l->s.n[SSH_ACT_AUTHENTICATED], 0);
}

/* keyboard-interactive, server ------------------------------------------------------- */

Test(brain_methods, any_number_of_rounds_and_prompts)
{
	static const unsigned int n[] = {1, 3, 0, SSH_PROMPTS_MAX, 1};
	struct lab l;

	start(&l, 6);
	send_req(&l, req_kbdint(""));
	cr_assert_eq(l.s.asked.auth.method, SSH_AUTH_KBDINT);
	cr_assert_eq(l.s.asked.auth.round, 0);
	for (unsigned int i = 0; i < 5; i++) {
		decide(&l, SSH_AUTH_PROMPT, n[i]);
		expect_prompts(&l, n[i]);
		send_response(&l, n[i], n[i]);
		cr_assert_eq(l.s.asked.auth.round, i + 1);
		cr_assert_eq(l.s.asked.auth.n_responses, n[i]);
		for (unsigned int k = 0; k < n[i]; k++)
			cr_assert(ssh_str_eq(l.s.asked.auth.response[k], "answer"));
		cr_assert(ssh_str_eq(l.s.asked.auth.user, "demo"));
	}
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
	cr_assert_eq(l.s.n[SSH_ACT_AUTHENTICATED], 1);
	lab_fini(&l);
}

/* S-30: none too few, too many, as many as there are numbers: a failed try, and nobody asked. */
Test(brain_methods, s30_answers_that_are_not_as_many_as_questions_fail)
{
	static const struct {
		uint32_t said;
		unsigned int n;
	} c[] = {{0, 0}, {1, 1}, {3, 3}, {UINT32_MAX, 2}, {0x80000000, 0}, {UINT32_MAX, 0}};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct lab l;

		start(&l, 6);
		send_req(&l, req_kbdint(""));
		decide(&l, SSH_AUTH_PROMPT, 2);
		expect_prompts(&l, 2);
		send_response(&l, c[i].said, c[i].n);
		expect_failure(&l, ALL_LIST, false);
		cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
		lab_fini(&l);
	}
}

/* The count is right and the strings are not there, or more is. */
Test(brain_methods, s30_malformed_answers_disconnect)
{
	static const unsigned int n[] = {0, 1, 3};

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		struct lab l;

		start(&l, 6);
		send_req(&l, req_kbdint(""));
		decide(&l, SSH_AUTH_PROMPT, 2);
		send_response(&l, 2, n[i]);
		expect_end(&l, SSH_E_FORMAT);
		lab_fini(&l);
	}
}

Test(brain_methods, s30_an_answer_nobody_asked_for_disconnects)
{
	struct lab l;

	for (int after_failure = 0; after_failure < 2; after_failure++) {
		start(&l, 6);
		if (after_failure) {
			send_req(&l, req_kbdint(""));
			decide(&l, SSH_AUTH_REFUSE, 0);
		}
		send_response(&l, 0, 0);
		expect_end(&l, SSH_E_PROTO);
		lab_fini(&l);
	}
}

/* S-29: questions that are given up for another request were a try, whatever it asks for. */
Test(brain_methods, s29_abandoned_rounds_count)
{
	static const char *const submethods[] = {"", "pam", "pam,pam,pam,pam,pam,pam,pam,pam"};
	struct lab l;

	for (size_t i = 0; i < sizeof(submethods) / sizeof(submethods[0]); i++) {
		start(&l, 4);
		for (unsigned int k = 0; k < 10 && l.s.end == 0; k++) {
			send_req(&l, req_kbdint(submethods[i]));
			if (l.s.end == 0)
				decide(&l, SSH_AUTH_PROMPT, 1);
		}
		expect_end(&l, SSH_E_AUTH_TRIES);
		cr_assert_eq(l.s.n[SSH_ACT_AUTH], 4, "one ask a request, whatever the hint");
		cr_assert_eq(l.s.n[SSH_ACT_AUTH_FAILED], 4, "and who asked is told of each");
		lab_fini(&l);
	}
}

/* An answer to what was given up is one to nothing. */
Test(brain_methods, s29_an_answer_after_another_request_disconnects)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_kbdint(""));
	decide(&l, SSH_AUTH_PROMPT, 1);
	send_req(&l, req_password(false, "x", ""));
	decide(&l, SSH_AUTH_REFUSE, 0);
	send_response(&l, 1, 1);
	expect_end(&l, SSH_E_PROTO);
	lab_fini(&l);
}

/* S-27 in the middle of a round. */
Test(brain_methods, s27_another_user_between_question_and_answer_disconnects)
{
	struct lab l;
	struct req *q;

	start(&l, 6);
	send_req(&l, req_kbdint(""));
	decide(&l, SSH_AUTH_PROMPT, 1);
	q = req_kbdint("");
	q->p[5] ^= 1; /* of the user's name */
	send_req(&l, q);
	expect_end(&l, SSH_E_AUTH_CHANGED);
	lab_fini(&l);
}

Test(brain_methods, s32_malformed_requests_of_each_method_disconnect_at_every_length)
{
	static struct req whole;
	struct lab l;

	memcpy(&whole, req_kbdint("pam"), sizeof(whole));
	for (size_t n = 1; n < whole.len; n++) {
		start(&l, 6);
		lab_raw(&l, &l.c, whole.p, n);
		expect_end(&l, SSH_E_FORMAT);
		lab_fini(&l);
	}
}

/* The authority cannot make one method speak another's language. */
Test(brain_methods, verdicts_that_do_not_fit_the_method_refuse)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_password(false, "x", ""));
	decide(&l, SSH_AUTH_PROMPT, 1);
	expect_failure(&l, ALL_LIST, false);
	send_req(&l, req_kbdint(""));
	decide(&l, SSH_AUTH_CHANGE, 0);
	expect_failure(&l, ALL_LIST, false);
	send_req(&l, req_kbdint(""));
	decide(&l, (enum ssh_auth_verdict)0, 0);
	expect_failure(&l, ALL_LIST, false);
	lab_fini(&l);
}

/* A password that must be changed ----------------------------------------------------- */

/* S-31: asked for, given: the authority sees both, and that it is no login. */
Test(brain_methods, s31_a_change_is_taken_when_it_was_asked_for)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_password(false, "old", ""));
	decide(&l, SSH_AUTH_CHANGE, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	cr_assert_eq(l.s.n[SSH_ACT_AUTHENTICATED], 0);
	send_req(&l, req_password(true, "old", "new"));
	cr_assert(l.s.asked.auth.change);
	cr_assert(ssh_str_eq(l.s.asked.auth.password, "old"));
	cr_assert(ssh_str_eq(l.s.asked.auth.new_password, "new"));
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
	lab_fini(&l);
}

/* S-31: only as the very next password request, and once. */
Test(brain_methods, s31_the_permission_to_change_is_used_up)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_password(false, "old", ""));
	decide(&l, SSH_AUTH_CHANGE, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_PASSWD_CHANGEREQ);
	send_req(&l, req_password(false, "old", ""));
	decide(&l, SSH_AUTH_REFUSE, 0);
	expect_failure(&l, ALL_LIST, false);
	send_req(&l, req_password(true, "old", "new"));
	expect_failure(&l, ALL_LIST, false);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 2);
	lab_fini(&l);
}

/* Chains ------------------------------------------------------------------------------ */

Test(brain_methods, partial_success_changes_the_list_and_counts_as_no_failure)
{
	struct lab l;

	start(&l, 2);
	send_req(&l, req_kbdint(""));
	decide(&l, SSH_AUTH_PARTIAL, 0);
	expect_failure(&l, "password", true);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH_PARTIAL], 1);
	/* What is not in the list any more is refused unasked. */
	send_req(&l, req_kbdint(""));
	expect_failure(&l, "password", false);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	send_req(&l, req_password(false, "x", ""));
	cr_assert_eq(l.s.asked.auth.tries, 1);
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
	lab_fini(&l);
}

/* S-27: what one user has earned is not another's. */
Test(brain_methods, s27_partial_success_is_not_credited_to_another_user)
{
	struct lab l;
	struct req *q;

	start(&l, 6);
	send_req(&l, req_kbdint(""));
	decide(&l, SSH_AUTH_PARTIAL, 0);
	q = req_password(false, "x", "");
	q->p[5] ^= 1;
	send_req(&l, q);
	expect_end(&l, SSH_E_AUTH_CHANGED);
	lab_fini(&l);
}

/* Hosts ------------------------------------------------------------------------------- */

static struct req *req_hostbased(const struct key *k, const struct key *signer,
				 struct ssh_str session_id)
{
	struct ssh_userauth_hostbased m = {.sig_alg = ssh_str_c("ssh-ed25519"),
					   .client_host = ssh_str_c("client.example."),
					   .client_user = ssh_str_c("me")};
	static uint8_t rest[1024], data[2048], sig[KEY_SIG_MAX];
	size_t len, sig_len = sizeof(sig);
	struct req *q;
	struct ssh_wr w;

	m.blob.p = key_blob(k, &len);
	m.blob.len = (uint32_t)len;
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_hostbased_build(&w, &m);
	q = req_build("hostbased", rest, ssh_wr_done(&w));
	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_str(&w, session_id);
	ssh_wr_bytes(&w, q->p, q->len);
	cr_assert_eq(key_sign(signer, "ssh-ed25519", data, ssh_wr_done(&w), sig, &sig_len), 0);
	m.signature = (struct ssh_str){sig, (uint32_t)sig_len};
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_userauth_hostbased_build(&w, &m);
	return req_build("hostbased", rest, ssh_wr_done(&w));
}

Test(brain_methods, hostbased_asks_with_the_host_that_signed)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_hostbased(l.c.key, l.c.key, ssh_brain_session_id(l.c.b)));
	cr_assert_eq(l.s.asked.auth.method, SSH_AUTH_HOSTBASED);
	cr_assert(ssh_str_eq(l.s.asked.auth.client_host, "client.example."));
	cr_assert(ssh_str_eq(l.s.asked.auth.client_user, "me"));
	cr_assert(key_equal(l.s.asked.auth.key, l.c.key));
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_SUCCESS);
	lab_fini(&l);
}

/* RFC 4252 section 9, as the client says it: what the server verifies and asks about. */
Test(brain_methods, a_client_asks_for_the_word_of_its_host)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct lab l;

	sc.auth_methods = ALL;
	lab_init(&l, &sc, NULL);
	lab_to_login(&l);
	l.s.manual_auth = true;
	l.c.silent = false;
	cr_assert_eq(ssh_brain_login_hostbased(l.c.b, l.c.asked.id, l.c.key, NULL,
					       "client.example.", "me"),
		     0);
	lab_run(&l);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 1);
	cr_assert_eq(l.s.asked.auth.method, SSH_AUTH_HOSTBASED);
	cr_assert(ssh_str_eq(l.s.asked.auth.client_host, "client.example."));
	cr_assert(ssh_str_eq(l.s.asked.auth.client_user, "me"));
	cr_assert(key_equal(l.s.asked.auth.key, l.c.key));
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert_eq(l.c.n[SSH_ACT_AUTHENTICATED], 1);
	lab_fini(&l);
}

Test(brain_methods, a_client_asks_for_no_impossible_word)
{
	char host[SSH_HOST_MAX + 2], user[SSH_USER_MAX + 2];
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
	struct lab l;

	memset(host, 'h', sizeof(host) - 1);
	memset(user, 'u', sizeof(user) - 1);
	host[sizeof(host) - 1] = user[sizeof(user) - 1] = '\0';
	sc.auth_methods = ALL;
	lab_init(&l, &sc, NULL);
	lab_to_login(&l);
	cr_expect_eq(ssh_brain_login_hostbased(l.c.b, l.c.asked.id, l.c.key, NULL, host, "me"),
		     -EINVAL);
	cr_expect_eq(ssh_brain_login_hostbased(l.c.b, l.c.asked.id, l.c.key, NULL, "h", user),
		     -EINVAL);
	cr_expect_eq(
		ssh_brain_login_hostbased(l.c.b, l.c.asked.id, l.c.key, "rsa-sha2-512", "h", "me"),
		-ENOTSUP);
	cr_expect_eq(ssh_brain_login_hostbased(l.c.b, l.c.asked.id + 1, l.c.key, NULL, "h", "me"),
		     -ENOENT);
	/* The ask is still open. */
	cr_expect_eq(
		ssh_brain_login_hostbased(l.c.b, l.c.asked.id, l.c.key, NULL, host + 1, user + 1),
		0);
	lab_fini(&l);
}

/* HostbasedAcceptedAlgorithms and PubkeyAcceptedAlgorithms are two lists. */
Test(brain_methods, hostbased_has_algorithms_of_its_own)
{
	for (int own = 0; own < 2; own++) {
		struct ssh_brain_conf sc = lab_conf(SSH_SERVER);
		struct lab l;

		sc.auth_methods = ALL;
		sc.server_sig_algs = own ? "rsa-sha2-512" : "ssh-ed25519";
		sc.hostbased_algs = own ? "ssh-ed25519" : "rsa-sha2-512";
		lab_init(&l, &sc, NULL);
		lab_to_login(&l);
		l.s.manual_auth = true;
		send_req(&l, req_hostbased(l.c.key, l.c.key, ssh_brain_session_id(l.c.b)));
		cr_assert_eq(l.s.n[SSH_ACT_AUTH], (unsigned int)own);
		lab_fini(&l);
	}
}

Test(brain_methods, hostbased_with_a_wrong_signature_is_not_asked_about)
{
	struct key *other = lab_key("ssh-ed25519");
	uint8_t sid[32] = {1};
	struct lab l;

	start(&l, 6);
	send_req(&l, req_hostbased(l.c.key, other, ssh_brain_session_id(l.c.b)));
	expect_failure(&l, ALL_LIST, false);
	send_req(&l, req_hostbased(l.c.key, l.c.key, (struct ssh_str){sid, sizeof(sid)}));
	expect_failure(&l, ALL_LIST, false);
	cr_assert_eq(l.s.n[SSH_ACT_AUTH], 0);
	lab_fini(&l);
	key_free(other);
}

Test(brain_methods, hostbased_malformed_at_every_length_disconnects)
{
	static struct req whole;
	struct lab l;

	start(&l, 6);
	memcpy(&whole, req_hostbased(l.c.key, l.c.key, ssh_brain_session_id(l.c.b)), sizeof(whole));
	lab_fini(&l);
	for (size_t n = whole.len - 120; n < whole.len; n++) {
		start(&l, 6);
		lab_raw(&l, &l.c, whole.p, n);
		expect_end(&l, SSH_E_FORMAT);
		lab_fini(&l);
	}
}

/* The banner --------------------------------------------------------------------------- */

Test(brain_methods, a_banner_goes_before_the_answer_and_once)
{
	struct lab l;

	start(&l, 6);
	send_req(&l, req_password(false, "x", ""));
	cr_assert_eq(ssh_brain_auth_banner(l.s.b, "hello\r\n", 7), 0);
	cr_assert_eq(ssh_brain_auth_banner(l.s.b, "again\r\n", 7), -EINVAL);
	decide(&l, SSH_AUTH_REFUSE, 0);
	cr_assert_eq(lab_got_msg(&l.c), SSH_MSG_USERAUTH_BANNER);
	expect_failure(&l, ALL_LIST, false);
	lab_fini(&l);
}

Test(brain_methods, a_banner_is_refused_when_nothing_is_asked_or_it_is_too_long)
{
	static char text[SSH_BANNER_MAX + 1];
	struct lab l;

	start(&l, 6);
	cr_assert_eq(ssh_brain_auth_banner(l.s.b, "x", 1), -EINVAL);
	send_req(&l, req_password(false, "x", ""));
	cr_assert_eq(ssh_brain_auth_banner(l.s.b, text, sizeof(text)), -EINVAL);
	cr_assert_eq(ssh_brain_auth_banner(l.s.b, text, sizeof(text) - 1), 0);
	cr_assert_eq(ssh_brain_auth_banner(l.c.b, "x", 1), -EINVAL, "a client has none");
	lab_fini(&l);
}

/* Clients ------------------------------------------------------------------------------ */

static void start_client(struct lab *l)
{
	struct ssh_brain_conf sc = lab_conf(SSH_SERVER);

	sc.auth_methods = ALL;
	lab_init(l, &sc, NULL);
	l->c.login = LAB_LOGIN_HOLD;
	l->s.manual_auth = true;
	lab_run(l);
}

static void client_answer(struct lab *l, unsigned int n)
{
	struct ssh_str response[SSH_PROMPTS_MAX];

	for (unsigned int i = 0; i < n; i++)
		response[i] = ssh_str_c("mine");
	cr_assert_eq(ssh_brain_prompt_answer(l->c.b, l->c.asked.id, n, response), 0);
	lab_run(l);
}

Test(brain_methods, a_client_answers_rounds_of_prompts)
{
	struct lab l;

	start_client(&l);
	cr_assert_eq(ssh_brain_login_kbdint(l.c.b, l.c.asked.id, ""), 0);
	lab_run(&l);
	decide(&l, SSH_AUTH_PROMPT, 2);
	cr_assert_eq(l.c.asked.kind, SSH_ACT_PROMPT);
	cr_assert_eq(l.c.asked.prompts->n, 2);
	cr_assert(ssh_str_eq(l.c.asked.prompts->prompt[1].text, "Q: "));
	cr_assert_eq(ssh_brain_prompt_answer(l.c.b, l.c.asked.id, 1, NULL), -EINVAL);
	client_answer(&l, 2);
	cr_assert(ssh_str_eq(l.s.asked.auth.response[1], "mine"));
	decide(&l, SSH_AUTH_PROMPT, 0);
	client_answer(&l, 0);
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert(ssh_brain_authenticated(l.c.b));
	lab_fini(&l);
}

Test(brain_methods, a_client_changes_its_password_and_sees_partial_success)
{
	struct lab l;

	start_client(&l);
	cr_assert_eq(ssh_brain_login_change(l.c.b, l.c.asked.id, "a", 1, "b", 1), -EINVAL);
	cr_assert_eq(ssh_brain_login_password(l.c.b, l.c.asked.id, "old", 3), 0);
	lab_run(&l);
	decide(&l, SSH_AUTH_CHANGE, 0);
	cr_assert_eq(l.c.asked.kind, SSH_ACT_LOGIN);
	cr_assert_eq(ssh_brain_login_change(l.c.b, l.c.asked.id, "old", 3, "new", 3), 0);
	lab_run(&l);
	cr_assert(l.s.asked.auth.change);
	decide(&l, SSH_AUTH_PARTIAL, 0);
	cr_assert(ssh_brain_partial(l.c.b));
	cr_assert_str_eq(ssh_brain_methods(l.c.b), "password");
	lab_fini(&l);
}

/* RFC 4462 section 2.1: a host that GSS-API authenticated has shown no key to bind a request to. */
Test(brain_methods, a_client_that_was_shown_no_host_key_binds_to_none)
{
	struct lab l;

	start_client(&l);
	cr_assert(l.c.b->cli.hostbound);
	key_free(l.c.b->server_key);
	l.c.b->server_key = NULL;
	cr_assert_eq(ssh_brain_login_publickey(l.c.b, l.c.asked.id, l.c.key, NULL), 0);
	lab_run(&l);
	cr_assert_eq(l.s.asked.auth.method, SSH_AUTH_PUBLICKEY);
	decide(&l, SSH_AUTH_ACCEPT, 0);
	cr_assert(ssh_brain_authenticated(l.c.b));
	lab_fini(&l);
}

/* S-30, client: a server that asks 2^32-1 questions, or just too many; or unasked. */
Test(brain_methods, s30_a_client_takes_a_bounded_number_of_prompts)
{
	static const uint32_t n[] = {UINT32_MAX, SSH_PROMPTS_MAX + 1, 0x80000000};

	for (size_t i = 0; i <= sizeof(n) / sizeof(n[0]); i++) {
		bool unasked = i == sizeof(n) / sizeof(n[0]);
		uint8_t buf[64 * SSH_PROMPTS_MAX];
		struct ssh_wr w;
		struct lab l;

		start_client(&l);
		if (!unasked)
			cr_assert_eq(ssh_brain_login_kbdint(l.c.b, l.c.asked.id, ""), 0);
		lab_run(&l);
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_wr_u8(&w, SSH_MSG_USERAUTH_INFO_REQUEST);
		ssh_wr_bytes(&w, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
		ssh_wr_u32(&w, unasked ? 1 : n[i]);
		for (unsigned int k = 0; k < SSH_PROMPTS_MAX + 1; k++)
			ssh_wr_bytes(&w, "\0\0\0\1Q", 6);
		lab_raw(&l, &l.s, buf, ssh_wr_done(&w));
		cr_assert_eq(l.c.end, unasked ? -SSH_E_PROTO : -SSH_E_FORMAT);
		cr_assert_eq(l.c.n[SSH_ACT_PROMPT], 0);
		lab_fini(&l);
	}
}

/*
 * ssh: the automaton of a handshake with strict key exchange, as a server speaks it (S-11).
 */
#include "automaton.h"

static struct key *host_key, *user_key;

/* --- the system: a server's brain, fed payloads ----------------------------------------------- */

static void sut_run(struct sut *s)
{
	struct ssh_act a;

	while (ssh_brain_next(s->b, &a) == 0) {
		if (a.kind == SSH_ACT_SEND)
			sut_said(s, &a);
		else if (a.kind == SSH_ACT_SIGN)
			brain_sign(s->b, &a);
		else if (a.kind == SSH_ACT_AUTH)
			cr_assert_eq(
				ssh_brain_auth_answer(s->b, a.id, a.auth.method != SSH_AUTH_NONE),
				0);
		else
			sut_act_of_both(s, &a);
	}
}

static void sut_begin(struct sut *s)
{
	struct ssh_brain_conf conf = lab_conf(SSH_SERVER);

	conf.strict = SSH_STRICT_REQUIRE;
	conf.max_auth_tries = 1000;
	cr_assert_eq(ssh_brain_new(&conf, &s->b), 0);
	cr_assert_eq(ssh_brain_hostkey_add(s->b, host_key), 0);
	cr_assert_eq(ssh_brain_start(s->b), 0);
	sut_run(s);
	cr_assert_eq(ssh_brain_ident(s->b, (const uint8_t *)"SSH-2.0-raw", 11), 0);
	sut_run(s);
	s->n_sent = 0;
}

static void sut_end(struct sut *s)
{
	ssh_brain_free(s->b);
}

/* --- the letters ------------------------------------------------------------------------------ */

static size_t kexinit(uint8_t *buf, size_t size, const char *kex, bool guess)
{
	struct ssh_kexinit m = {.first_kex_packet_follows = guess};
	struct ssh_wr w;

	m.list[SSH_PROP_KEX] = ssh_str_c(kex);
	m.list[SSH_PROP_HOSTKEY] = ssh_str_c(SSH_DEFAULT_HOSTKEY);
	for (int dir = 0; dir < 2; dir++) {
		m.list[SSH_PROP_CIPHER_CS + dir] = ssh_str_c("aes128-gcm@openssh.com");
		m.list[SSH_PROP_MAC_CS + dir] = ssh_str_c(SSH_DEFAULT_MACS);
		m.list[SSH_PROP_COMP_CS + dir] = ssh_str_c("none");
	}
	ssh_wr_init(&w, buf, size);
	ssh_kexinit_build(&w, &m);
	return ssh_wr_done(&w);
}

static size_t userauth(const struct sut *s, uint8_t *buf, size_t size, const char *method)
{
	struct ssh_str sid = ssh_brain_session_id(s->b), blob;
	uint8_t data[2048], sig[KEY_SIG_MAX];
	size_t len, sig_len = sizeof(sig), head;
	struct ssh_wr w;

	/* Behind the session id, so that it can be signed. */
	ssh_wr_init(&w, data, sizeof(data));
	ssh_wr_str(&w, sid);
	head = ssh_wr_done(&w);
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
	ssh_wr_cstr(&w, "demo");
	ssh_wr_cstr(&w, "ssh-connection");
	ssh_wr_cstr(&w, method);
	if (strcmp(method, "password") == 0) {
		ssh_wr_bool(&w, false);
		ssh_wr_cstr(&w, "secret");
	} else if (strcmp(method, "publickey") == 0) {
		blob.p = key_blob(user_key, &len);
		blob.len = (uint32_t)len;
		ssh_wr_bool(&w, true);
		ssh_wr_cstr(&w, "ssh-ed25519");
		ssh_wr_str(&w, blob);
		cr_assert_eq(
			key_sign(user_key, "ssh-ed25519", data, ssh_wr_done(&w), sig, &sig_len), 0);
		ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)sig_len});
	}
	len = ssh_wr_done(&w) - head;
	cr_assert_leq(len, size);
	memcpy(buf, data + head, len);
	return len;
}

static const struct letter letters[] = {
	{.name = "kexinit", .text = "curve25519-sha256,kex-strict-c-v00@openssh.com,ext-info-c"},
	{.name = "kexinit-guess",
	 .text = "no-such,curve25519-sha256,kex-strict-c-v00@openssh.com,ext-info-c",
	 .guess = true},
	{.name = "kexinit-plain", .text = "curve25519-sha256,ext-info-c"},
	{.name = "none", .text = "none"},
	{.name = "password", .text = "password"},
	{.name = "publickey", .text = "publickey"},
	FIXED("kex-init",
	      "\x1e" STR("\x20",
			 "\x9\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")),
	FIXED("kex-reply", "\x1f" STR("\1", "x") STR("\1", "y") STR("\1", "z")),
	FIXED("service-auth", "\5" STR("\xc", "ssh-userauth")),
	FIXED("service-connection", "\5" STR("\xe", "ssh-connection")),
	FIXED("userauth-failure", "\x33" STR("\4", "none") "\0"),
	FIXED("pk-ok", "\x3c" STR("\1", "x") STR("\1", "x")),
	LETTERS_OF_BOTH,
};

static const uint8_t *letter_say(struct sut *s, const struct letter *l, size_t *ret_len)
{
	static uint8_t buf[4096];

	if (l->p != NULL) {
		*ret_len = l->len;
		return l->p;
	}
	*ret_len = strncmp(l->name, "kexinit", 7) == 0
			   ? kexinit(buf, sizeof(buf), l->text, l->guess)
			   : userauth(s, buf, sizeof(buf), l->text);
	return buf;
}

/* --- what is specified ------------------------------------------------------------------------ */

static const struct kex_row kex[] = {
	/* RFC 4253 section 7; OpenSSH PROTOCOL section 1.10: nothing that is not needed, and
	   nothing before. */
	{INIT, "kexinit", {0}, METHOD},
	{INIT, "kexinit-guess", {0}, GUESS},
	BEARS(INIT, DIRTY),
	BEARS(DIRTY, DIRTY),
	{GUESS, "kex-init", {0}, METHOD},
	{GUESS, "kex-reply", {0}, METHOD},
	{GUESS, "gex-init", {0}, METHOD},
	{GUESS, "gex-reply", {0}, METHOD},
	{GUESS, "gex-request", {0}, METHOD},
	{METHOD, "kex-init", {31, 21, 7}, NEWKEYS},
	{NEWKEYS, "newkeys", {0}, NONE},

	/* While none runs, whatever the service, one may begin. */
	{NONE, "kexinit", {20}, RE_METHOD},
	{NONE, "kexinit-guess", {20}, RE_GUESS},
	{NONE, "kexinit-plain", {20}, RE_METHOD},
	BEARS(NONE, NONE),
	{NONE, "eight", {3}, NONE},

	/* RFC 4253 sections 9 and 11. */
	{RE_GUESS, "kex-init", {0}, RE_METHOD},
	{RE_GUESS, "kex-reply", {0}, RE_METHOD},
	{RE_GUESS, "gex-init", {0}, RE_METHOD},
	{RE_GUESS, "gex-reply", {0}, RE_METHOD},
	{RE_GUESS, "gex-request", {0}, RE_METHOD},
	BEARS(RE_GUESS, RE_GUESS),
	{RE_METHOD, "kex-init", {31, 21}, RE_NEWKEYS},
	BEARS(RE_METHOD, RE_METHOD),
	{RE_NEWKEYS, "newkeys", {0}, NONE},
	BEARS(RE_NEWKEYS, RE_NEWKEYS),
};

/* RFC 4252, 4254, 8308; a client's EXT_INFO is good once, as the first thing. */
static const struct svc_row services[] = {
	{FRESH, "ext-info", {0}, STARTED},
	{FRESH, "service-auth", {6}, AUTH},
	{STARTED, "service-auth", {6}, AUTH},
	{AUTH, "none", {51}, AUTH},
	{AUTH, "password", {52}, OPEN},
	{AUTH, "publickey", {52}, OPEN},
	/* RFC 4252 section 5.1: further requests are ignored. */
	{OPEN, "none", {0}, OPEN},
	{OPEN, "password", {0}, OPEN},
	{OPEN, "publickey", {0}, OPEN},
	CONNECTION_OF_BOTH,
};

static const struct automaton automaton = {
	.letters = letters,
	.n_letters = N(letters),
	.kex = kex,
	.n_kex = N(kex),
	.svc = services,
	.n_svc = N(services),
	.begin = sut_begin,
	.say = letter_say,
	.run = sut_run,
	.end = sut_end,
};

/* --- the tests -------------------------------------------------------------------------------- */

static void keys_make(void)
{
	host_key = lab_key("ssh-ed25519");
	user_key = lab_key("ssh-ed25519");
}

static void keys_free(void)
{
	key_free(host_key);
	key_free(user_key);
}

TestSuite(automaton, .init = keys_make, .fini = keys_free, .timeout = 600);

/* 37 letters: 1.9 million words, most of them over at their first or second letter. */
Test(automaton, s11_every_word_of_four_letters)
{
	struct word w = {.n = 0};

	_Static_assert(N(letters) >= 25, "the alphabet of the catalogue");
	spell_all(&w, lab_size(4, 6));
}

/*
 * From each state of the machine, every word of two letters (of one by default): a server that has
 * as many states as the machine and answers so is the machine (Chow 1978, as pairs of letters tell
 * its states apart).
 */
Test(automaton, s11_the_server_is_the_specified_machine)
{
	static const char *const to_state[] = {"",
					       "ignore",
					       "kexinit-guess",
					       "kexinit",
					       "kexinit kex-init",
					       "K",
					       "K ext-info",
					       "K service-auth",
					       "K service-auth none",
					       "K service-auth password",
					       "K ext-info service-auth publickey"};
	static const char *const into_rekey[] = {"", "kexinit-guess", "kexinit",
						 "kexinit-plain kex-init",
						 "kexinit kex-init newkeys"};

	for (size_t i = 0; i < N(to_state); i++) {
		for (size_t k = 0; k < (to_state[i][0] == 'K' ? N(into_rekey) : 1); k++) {
			bool keyed = to_state[i][0] == 'K';
			char text[256];

			snprintf(text, sizeof(text), "%s %s %s",
				 keyed ? "kexinit kex-init newkeys" : "", to_state[i] + keyed,
				 into_rekey[k]);
			spell_from(text, lab_size(1, k == 0 ? 3 : 2));
		}
	}
	cr_log_info("%u words spelt", runs);
}

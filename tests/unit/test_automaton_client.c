/*
 * ssh: the automaton of a handshake with strict key exchange, as a client speaks it (S-11). What a
 * server signs is not a letter that can be written down: a server stands beside, hears what the
 * client says, and its KEXINIT and its reply are the letters, where it has such.
 */
#include "automaton.h"

static struct key *host_key, *user_key;

/* --- the server beside ------------------------------------------------------------------------ */

struct payload {
	uint8_t p[4096];
	size_t len; /* 0: there is none */
};

static struct {
	struct ssh_brain *b;
	uint32_t heard;
	struct payload kexinit, reply; /* its last ones, not said yet */
} beside;

static void keep(struct payload *to, const struct ssh_str *bytes)
{
	cr_assert_leq(bytes->len, sizeof(to->p));
	memcpy(to->p, bytes->p, bytes->len);
	to->len = bytes->len;
}

static void beside_run(void)
{
	struct ssh_act a;

	while (ssh_brain_next(beside.b, &a) == 0) {
		if (a.kind == SSH_ACT_SEND && a.bytes.p[0] == SSH_MSG_KEXINIT)
			keep(&beside.kexinit, &a.bytes);
		else if (a.kind == SSH_ACT_SEND && a.bytes.p[0] == SSH_MSG_KEX_ECDH_REPLY)
			keep(&beside.reply, &a.bytes);
		else if (a.kind == SSH_ACT_JOB)
			brain_job(beside.b, &a);
		else if (a.kind == SSH_ACT_SIGN)
			brain_sign(beside.b, &a);
		else if (a.kind == SSH_ACT_AUTH)
			cr_assert_eq(ssh_brain_auth_answer(beside.b, a.id, true), 0);
		else if (a.kind == SSH_ACT_RX_KEYS)
			beside.heard = 0;
	}
}

/* --- the system: a client's brain, fed payloads ----------------------------------------------- */

static void sut_run(struct sut *s)
{
	struct ssh_act a;

	while (ssh_brain_next(s->b, &a) == 0) {
		switch (a.kind) {
		case SSH_ACT_SEND:
			sut_said(s, &a);
			(void)!ssh_brain_input(beside.b, beside.heard++, a.bytes.p, a.bytes.len);
			beside_run();
			break;
		case SSH_ACT_HOSTKEY:
			cr_assert_eq(ssh_brain_hostkey_answer(s->b, a.id, true), 0);
			break;
		case SSH_ACT_LOGIN:
			cr_assert_eq(ssh_brain_login_password(s->b, a.id, "secret", 6), 0);
			break;
		default:
			sut_act_of_both(s, &a);
			break;
		}
	}
}

static void sut_begin(struct sut *s)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT), sc = lab_conf(SSH_SERVER);

	cc.strict = sc.strict = SSH_STRICT_REQUIRE;
	memset(&beside, 0, sizeof(beside));
	cr_assert_eq(ssh_brain_new(&cc, &s->b), 0);
	cr_assert_eq(ssh_brain_new(&sc, &beside.b), 0);
	cr_assert_eq(ssh_brain_hostkey_add(beside.b, host_key), 0);
	cr_assert_eq(ssh_brain_start(beside.b), 0);
	beside_run();
	cr_assert_eq(ssh_brain_ident(beside.b, (const uint8_t *)cc.ident, strlen(cc.ident)), 0);
	beside_run();
	cr_assert_eq(ssh_brain_start(s->b), 0);
	sut_run(s);
	cr_assert_eq(ssh_brain_ident(s->b, (const uint8_t *)sc.ident, strlen(sc.ident)), 0);
	sut_run(s);
	s->n_sent = 0;
}

static void sut_end(struct sut *s)
{
	ssh_brain_free(s->b);
	ssh_brain_free(beside.b);
}

/* --- the letters ------------------------------------------------------------------------------ */

static const struct letter letters[] = {
	{.name = "kexinit"},
	{.name = "kex-reply"},
	FIXED("reply-of-nobody", "\x1f" STR("\1", "x") STR("\1", "y") STR("\1", "z")),
	FIXED("kex-init", "\x1e" STR("\1", "x")),
	FIXED("service-request", "\5" STR("\xc", "ssh-userauth")),
	FIXED("accept-other", "\6" STR("\xe", "ssh-connection")),
	FIXED("userauth-request", "\x32" STR("\4", "demo") STR("\1", "x") STR("\4", "none")),
	FIXED("userauth-failure", "\x33" STR("\x8", "password") "\0"),
	FIXED("change-request", "\x3c" STR("\xb", "ssh-ed25519") STR("\1", "x")),
	LETTERS_OF_BOTH,
};

/* A KEXINIT that was said already, or a reply there is none of, is said all the same. */
static const uint8_t *letter_say(struct sut *s, const struct letter *l, size_t *ret_len)
{
	static const uint8_t reply[] = "\x1f" STR("\1", "x") STR("\1", "y") STR("\1", "z");
	static struct payload out;

	if (l->p != NULL) {
		*ret_len = l->len;
		return l->p;
	}
	if (strcmp(l->name, "kexinit") == 0) {
		if (ssh_brain_phase(s->b)->kex == SSH_KEX_NONE && !s->ended) {
			(void)!ssh_brain_rekey(beside.b);
			beside_run();
		}
		*ret_len = beside.kexinit.len;
		return beside.kexinit.p;
	}
	out = beside.reply;
	beside.reply.len = 0;
	*ret_len = out.len > 0 ? out.len : sizeof(reply) - 1;
	return out.len > 0 ? out.p : reply;
}

/* --- what is specified ------------------------------------------------------------------------ */

static const struct kex_row kex[] = {
	/* RFC 4253 section 7; OpenSSH PROTOCOL section 1.10. */
	{INIT, "kexinit", {30}, METHOD},
	BEARS(INIT, DIRTY),
	BEARS(DIRTY, DIRTY),
	{METHOD, "kex-reply", {21, 7}, NEWKEYS},
	{NEWKEYS, "newkeys", {5}, NONE},

	/* While none runs, whatever the service, one may begin. */
	{NONE, "kexinit", {20, 30}, RE_METHOD},
	BEARS(NONE, NONE),
	{NONE, "eight", {3}, NONE},

	/* RFC 4253 sections 9 and 11. */
	{RE_METHOD, "kex-reply", {21}, RE_NEWKEYS},
	BEARS(RE_METHOD, RE_METHOD),
	{RE_NEWKEYS, "newkeys", {0}, NONE},
	BEARS(RE_NEWKEYS, RE_NEWKEYS),
	BEARS(RE_FOREIGN, RE_FOREIGN),
};

/* The server beside begins no exchange before the login is over: its reply is of another one. */
static struct state kex_began(struct state at, enum kex_at next)
{
	return (struct state){at.svc, next == RE_METHOD && at.svc == FRESH ? RE_FOREIGN : next};
}

/* RFC 4252, 4254, 8308. */
static const struct svc_row services[] = {
	{FRESH, "ext-info", {0}, FRESH},
	{FRESH, "service-accept", {50}, AUTH},
	{AUTH, "ext-info", {0}, AUTH},
	{AUTH, "userauth-failure", {50}, AUTH},
	{AUTH, "userauth-success", {0}, OPEN},
	{AUTH, "userauth-banner", {0}, AUTH},
	/* 60, of a password (RFC 4252 section 8). */
	{AUTH, "change-request", {50}, AUTH},
	CONNECTION_OF_BOTH,
};

static const struct automaton automaton = {
	.letters = letters,
	.n_letters = N(letters),
	.kex = kex,
	.n_kex = N(kex),
	.svc = services,
	.n_svc = N(services),
	.kex_began = kex_began,
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

TestSuite(automaton_client, .init = keys_make, .fini = keys_free, .timeout = 600);

Test(automaton_client, s11_every_word_of_four_letters)
{
	struct word w = {.n = 0};

	_Static_assert(N(letters) >= 25, "the alphabet of the catalogue");
	spell_all(&w, lab_size(4, 6));
}

/* From each state of the machine, every word of two letters more (of one by default). */
Test(automaton_client, s11_the_client_is_the_specified_machine)
{
	static const char *const to_state[] = {"", "service-accept",
					       "ext-info service-accept userauth-failure",
					       "service-accept userauth-success"};
	static const char *const into_rekey[] = {"", "kexinit", "kexinit kex-reply",
						 "kexinit kex-reply newkeys"};

	for (size_t i = 0; i < N(to_state); i++) {
		for (size_t k = 0; k < (i == 0 ? 2 : N(into_rekey)); k++) {
			char text[256];

			snprintf(text, sizeof(text), "kexinit kex-reply newkeys %s %s", to_state[i],
				 into_rekey[k]);
			spell_from(text, lab_size(1, 2));
		}
	}
	cr_log_info("%u words spelt", runs);
}

/*
 * ssh: the automaton of a handshake with strict key exchange, as a client speaks it (S-11). What a
 * server signs is not a letter that can be written down: a server stands beside, hears what the
 * client says, and its KEXINIT and its reply are the letters, where it has such.
 */
#include "ssh_lab.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- the system: a client's brain, fed payloads ----------------------------------------------- */

struct payload {
	uint8_t p[4096];
	size_t len; /* 0: there is none */
};

struct sut {
	struct ssh_brain *b;
	uint32_t seqnr;
	bool ended;
	uint8_t sent[64]; /* since the last letter */
	unsigned int n_sent;

	/* The server beside it. */
	struct ssh_brain *beside;
	uint32_t heard;
	struct payload kexinit, reply; /* its last ones, not said yet */
};

static struct key *host_key, *user_key;

static void keep(struct payload *to, const struct ssh_str *bytes)
{
	cr_assert_leq(bytes->len, sizeof(to->p));
	memcpy(to->p, bytes->p, bytes->len);
	to->len = bytes->len;
}

static void beside_act(struct sut *s, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	switch (a->kind) {
	case SSH_ACT_SEND:
		if (a->bytes.p[0] == SSH_MSG_KEXINIT)
			keep(&s->kexinit, &a->bytes);
		if (a->bytes.p[0] == SSH_MSG_KEX_ECDH_REPLY)
			keep(&s->reply, &a->bytes);
		break;
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(s->beside, a->id, a->job), 0);
		break;
	case SSH_ACT_SIGN:
		cr_assert_eq(key_sign(a->sign.key, a->sign.sig_alg, a->sign.data.p,
				      a->sign.data.len, sig, &len),
			     0);
		cr_assert_eq(ssh_brain_sign_answer(s->beside, a->id, 0, sig, len), 0);
		break;
	case SSH_ACT_AUTH:
		cr_assert_eq(ssh_brain_auth_answer(s->beside, a->id, true), 0);
		break;
	case SSH_ACT_RX_KEYS:
		s->heard = 0;
		break;
	default:
		break;
	}
}

static void beside_run(struct sut *s)
{
	struct ssh_act a;

	while (ssh_brain_next(s->beside, &a) == 0)
		beside_act(s, &a);
}

static void sut_act(struct sut *s, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_SEND:
		cr_assert_lt(s->n_sent, N(s->sent));
		s->sent[s->n_sent++] = a->bytes.p[0];
		(void)!ssh_brain_input(s->beside, s->heard++, a->bytes.p, a->bytes.len);
		beside_run(s);
		break;
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(s->b, a->id, a->job), 0);
		break;
	case SSH_ACT_HOSTKEY:
		cr_assert_eq(ssh_brain_hostkey_answer(s->b, a->id, true), 0);
		break;
	case SSH_ACT_LOGIN:
		cr_assert_eq(ssh_brain_login_password(s->b, a->id, "secret", 6), 0);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		if (a->request.want_reply)
			cr_assert_eq(ssh_brain_global_answer(s->b, false, "", 0), 0);
		break;
	case SSH_ACT_CHANNEL_OPEN:
		cr_assert_eq(ssh_brain_open_refuse(s->b, a->open.sender_channel, 1, "no"), 0);
		break;
	case SSH_ACT_RX_KEYS:
		if (a->keys.reset_seqnr)
			s->seqnr = 0;
		break;
	case SSH_ACT_END:
		s->ended = true;
		break;
	default:
		break;
	}
}

static void sut_run(struct sut *s)
{
	struct ssh_act a;

	while (ssh_brain_next(s->b, &a) == 0)
		sut_act(s, &a);
}

static void sut_begin(struct sut *s)
{
	struct ssh_brain_conf cc = lab_conf(SSH_CLIENT), sc = lab_conf(SSH_SERVER);

	cc.strict = sc.strict = SSH_STRICT_REQUIRE;
	*s = (struct sut){0};
	cr_assert_eq(ssh_brain_new(&cc, &s->b), 0);
	cr_assert_eq(ssh_brain_new(&sc, &s->beside), 0);
	cr_assert_eq(ssh_brain_hostkey_add(s->beside, host_key), 0);
	cr_assert_eq(ssh_brain_start(s->beside), 0);
	beside_run(s);
	cr_assert_eq(ssh_brain_ident(s->beside, (const uint8_t *)cc.ident, strlen(cc.ident)), 0);
	beside_run(s);
	cr_assert_eq(ssh_brain_start(s->b), 0);
	sut_run(s);
	cr_assert_eq(ssh_brain_ident(s->b, (const uint8_t *)sc.ident, strlen(sc.ident)), 0);
	sut_run(s);
	s->n_sent = 0;
}

static void sut_end(struct sut *s)
{
	ssh_brain_free(s->b);
	ssh_brain_free(s->beside);
}

/* --- the letters --------------------------------------------------------------------------------
 */

#define STR(len, text) "\0\0\0" len text
#define FIXED(name, bytes)                                                                         \
	{                                                                                          \
		name, (const uint8_t *)(bytes), sizeof(bytes) - 1                                  \
	}

static const struct letter {
	const char *name;
	const uint8_t *p; /* NULL: of the server beside */
	size_t len;
} letters[] = {
	{"kexinit", NULL, 0},
	{"kex-reply", NULL, 0},
	FIXED("reply-of-nobody", "\x1f" STR("\1", "x") STR("\1", "y") STR("\1", "z")),
	FIXED("kex-init", "\x1e" STR("\1", "x")),
	FIXED("gex-init", "\x20" STR("\1", "\2")),
	FIXED("gex-reply", "\x21"),
	FIXED("gex-request", "\x22\0\0\x8\0\0\0\x8\0\0\0\x20\0"),
	FIXED("newkeys", "\x15"),
	FIXED("service-request", "\5" STR("\xc", "ssh-userauth")),
	FIXED("service-accept", "\6" STR("\xc", "ssh-userauth")),
	FIXED("accept-other", "\6" STR("\xe", "ssh-connection")),
	FIXED("ext-info", "\7\0\0\0\0"),
	FIXED("disconnect", "\1\0\0\0\xb" STR("\0", "") STR("\0", "")),
	FIXED("ignore", "\2" STR("\1", "x")),
	FIXED("unimplemented", "\3\0\0\0\0"),
	FIXED("debug", "\4\0" STR("\1", "x") STR("\0", "")),
	FIXED("userauth-request", "\x32" STR("\4", "demo") STR("\1", "x") STR("\4", "none")),
	FIXED("userauth-failure", "\x33" STR("\x8", "password") "\0"),
	FIXED("userauth-success", "\x34"),
	FIXED("userauth-banner", "\x35" STR("\1", "x") STR("\0", "")),
	FIXED("change-request", "\x3c" STR("\xb", "ssh-ed25519") STR("\1", "x")),
	FIXED("info-response", "\x3d\0\0\0\0"),
	FIXED("global-request", "\x50" STR("\1", "x") "\1"),
	FIXED("request-success", "\x51"),
	FIXED("channel-open", "\x5a" STR("\7", "session") "\0\0\0\0\0\1\0\0\0\0\x80\0"),
	FIXED("channel-confirm", "\x5b\0\0\0\0\0\0\0\0\0\1\0\0\0\0\x80\0"),
	FIXED("channel-data", "\x5e\0\0\0\0" STR("\1", "x")),
	FIXED("channel-close", "\x61\0\0\0\0"),
	FIXED("channel-success", "\x63\0\0\0\0"),
	FIXED("ping", "\xc0" STR("\1", "x")),
	FIXED("zero", "\0"),
	FIXED("eight", "\x8"),
	FIXED("hundred-one", "\x65"),
	FIXED("last", "\xff"),
};

#define LETTERS N(letters)

/* A KEXINIT that was said already, or a reply there is none of, is said all the same. */
static const uint8_t *letter_of(struct sut *s, const struct letter *l, size_t *ret_len)
{
	static const uint8_t reply[] = "\x1f" STR("\1", "x") STR("\1", "y") STR("\1", "z");
	static struct payload out;

	if (l->p != NULL) {
		*ret_len = l->len;
		return l->p;
	}
	if (strcmp(l->name, "kexinit") == 0) {
		if (ssh_brain_phase(s->b)->kex == SSH_KEX_NONE && !s->ended) {
			(void)!ssh_brain_rekey(s->beside);
			beside_run(s);
		}
		*ret_len = s->kexinit.len;
		return s->kexinit.p;
	}
	out = s->reply;
	s->reply.len = 0;
	*ret_len = out.len > 0 ? out.len : sizeof(reply) - 1;
	return out.len > 0 ? out.p : reply;
}

/* What came of it: the numbers it sent, and whether it is over. */
static void sut_hear(struct sut *s, unsigned int letter)
{
	size_t len;
	const uint8_t *p = letter_of(s, &letters[letter], &len);
	int r;

	s->n_sent = 0;
	r = ssh_brain_input(s->b, s->seqnr++, p, len);
	cr_assert_neq(r, -EAGAIN, "%s", letters[letter].name);
	sut_run(s);
}

/* --- what is specified ------------------------------------------------------------------------ */

enum svc { FRESH, AUTH, OPEN };
/* What is awaited of a key exchange. */
enum kex_at { INIT, DIRTY, METHOD, NEWKEYS, NONE, RE_METHOD, RE_NEWKEYS, RE_FOREIGN, DEAD };

struct state {
	enum svc svc;
	enum kex_at kex;
};

/* A row: in this state this letter is answered so, and leads there. Any other ends it. */
struct row {
	const char *letter;
	uint8_t out[4];
	enum kex_at next;
};

/* RFC 4253 section 7; OpenSSH PROTOCOL section 1.10. */
static const struct row first_exchange[][6] = {
	[INIT] = {{"kexinit", {30}, METHOD},
		  {"ignore", {0}, DIRTY},
		  {"unimplemented", {0}, DIRTY},
		  {"debug", {0}, DIRTY}},
	[DIRTY] = {{"ignore", {0}, DIRTY}, {"unimplemented", {0}, DIRTY}, {"debug", {0}, DIRTY}},
	[METHOD] = {{"kex-reply", {21, 7}, NEWKEYS}},
	[NEWKEYS] = {{"newkeys", {5}, NONE}},
};

/* RFC 4253 sections 9 and 11. */
static const struct row rekey[][6] = {
	[RE_METHOD] = {{"kex-reply", {21}, RE_NEWKEYS},
		       {"ignore", {0}, RE_METHOD},
		       {"unimplemented", {0}, RE_METHOD},
		       {"debug", {0}, RE_METHOD}},
	[RE_NEWKEYS] = {{"newkeys", {0}, NONE},
			{"ignore", {0}, RE_NEWKEYS},
			{"unimplemented", {0}, RE_NEWKEYS},
			{"debug", {0}, RE_NEWKEYS}},
	/* The server beside begins no exchange before the login is over: its reply is of another
	   one. */
	[RE_FOREIGN] = {{"ignore", {0}, RE_FOREIGN},
			{"unimplemented", {0}, RE_FOREIGN},
			{"debug", {0}, RE_FOREIGN}},
};

static const struct row keyed[] = {
	{"kexinit", {20, 30}, RE_METHOD},
	{"ignore", {0}, NONE},
	{"unimplemented", {0}, NONE},
	{"debug", {0}, NONE},
	{"eight", {3}, NONE},
};

/* RFC 4252, 4254, 8308; those that move to another service say so. */
static const struct {
	enum svc svc;
	const char *letter;
	uint8_t out[4];
	enum svc next;
} service[] = {
	{FRESH, "ext-info", {0}, FRESH},
	{FRESH, "service-accept", {50}, AUTH},
	{AUTH, "ext-info", {0}, AUTH},
	{AUTH, "userauth-failure", {50}, AUTH},
	{AUTH, "userauth-success", {0}, OPEN},
	{AUTH, "userauth-banner", {0}, AUTH},
	/* 60, of a password (RFC 4252 section 8). */
	{AUTH, "change-request", {50}, AUTH},
	{OPEN, "global-request", {82}, OPEN},
	{OPEN, "request-success", {0}, OPEN},
	{OPEN, "channel-open", {92}, OPEN},
	/* Which channels there are is its user's to know. */
	{OPEN, "channel-data", {0}, OPEN},
	{OPEN, "channel-close", {0}, OPEN},
	{OPEN, "channel-success", {0}, OPEN},
	{OPEN, "ping", {193}, OPEN},
	{OPEN, "hundred-one", {3}, OPEN},
	{OPEN, "last", {3}, OPEN},
};

static const struct row *row_find(const struct row *r, size_t n, const char *letter)
{
	for (size_t i = 0; i < n && r[i].letter != NULL; i++)
		if (strcmp(r[i].letter, letter) == 0)
			return &r[i];
	return NULL;
}

/* The machine's step; what it says, up to a 0. */
static struct state spec_step(struct state at, const char *letter, const uint8_t **ret_out)
{
	static const uint8_t goodbye[] = {SSH_MSG_DISCONNECT, 0}, silence[] = {0};
	const struct row *r = NULL;

	*ret_out = silence;
	if (at.kex == DEAD)
		return at;
	if (at.kex < NONE)
		r = row_find(first_exchange[at.kex], N(first_exchange[0]), letter);
	else if (at.kex > NONE)
		r = row_find(rekey[at.kex], N(rekey[0]), letter);
	else
		r = row_find(keyed, N(keyed), letter);
	if (r != NULL) {
		*ret_out = r->out;
		if (r->next == RE_METHOD && at.kex == NONE && at.svc == FRESH)
			return (struct state){at.svc, RE_FOREIGN};
		return (struct state){at.svc, r->next};
	}
	for (size_t i = 0; at.kex == NONE && i < N(service); i++) {
		if (service[i].svc != at.svc || strcmp(service[i].letter, letter) != 0)
			continue;
		*ret_out = service[i].out;
		return (struct state){service[i].next, NONE};
	}
	if (strcmp(letter, "disconnect") != 0)
		*ret_out = goodbye;
	return (struct state){at.svc, DEAD};
}

/* --- words ------------------------------------------------------------------------------------ */

#define WORD_MAX 16

struct word {
	unsigned int letter[WORD_MAX], n;
};

static const char *word_text(const struct word *w)
{
	static char text[512];
	size_t n = 0;

	for (unsigned int i = 0; i < w->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s",
				      letters[w->letter[i]].name);
	return text;
}

static unsigned int runs;

/* Spells a word to a new server; each letter must be answered as specified. Where it leads. */
static struct state spell(const struct word *w)
{
	struct state at = {FRESH, INIT};
	struct sut s;

	runs++;
	sut_begin(&s);
	for (unsigned int i = 0; i < w->n; i++) {
		const uint8_t *out;

		at = spec_step(at, letters[w->letter[i]].name, &out);
		sut_hear(&s, w->letter[i]);
		cr_assert_eq(s.n_sent, strlen((const char *)out), "%u of%s: said %u: %u %u", i + 1,
			     word_text(w), s.n_sent, s.sent[0], s.sent[1]);
		cr_assert_eq(memcmp(s.sent, out, s.n_sent), 0, "%u of%s: %u", i + 1, word_text(w),
			     s.sent[0]);
		cr_assert_eq(s.ended, at.kex == DEAD, "%u of%s", i + 1, word_text(w));
	}
	/* What has ended stays so, whatever comes. */
	for (unsigned int l = 0; s.ended && l < LETTERS; l++) {
		sut_hear(&s, l);
		cr_assert_eq(s.n_sent, 0, "%s after the end", letters[l].name);
	}
	sut_end(&s);
	return at;
}

/* All words of so many letters more; those that go on behind an end were looked at there. */
static void spell_all(struct word *w, unsigned int more)
{
	for (unsigned int l = 0; more > 0 && l < LETTERS; l++) {
		w->letter[w->n++] = l;
		if (spell(w).kex != DEAD)
			spell_all(w, more - 1);
		w->n--;
	}
}

static void word_add(struct word *w, const char *letter)
{
	unsigned int l = 0;

	while (strcmp(letters[l].name, letter) != 0)
		l++;
	w->letter[w->n++] = l;
}

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

	_Static_assert(LETTERS >= 25, "the alphabet of the catalogue");
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
			char text[256], *letter, *rest = text;
			struct word w = {.n = 0};

			snprintf(text, sizeof(text), "kexinit kex-reply newkeys %s %s", to_state[i],
				 into_rekey[k]);
			while ((letter = strsep(&rest, " ")) != NULL)
				if (*letter != '\0')
					word_add(&w, letter);
			cr_assert_neq(spell(&w).kex, DEAD);
			spell_all(&w, lab_size(1, 2));
		}
	}
	cr_log_info("%u words spelt", runs);
}

/*
 * ssh: the automaton of a handshake with strict key exchange, as a server speaks it (S-11).
 */
#include "ssh_lab.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- the system: a server's brain, fed payloads ----------------------------------------------- */

struct sut {
	struct ssh_brain *b;
	uint32_t seqnr;
	bool ended;
	uint8_t sent[64]; /* since the last letter */
	unsigned int n_sent;
};

static struct key *host_key, *user_key;

static void sut_act(struct sut *s, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	switch (a->kind) {
	case SSH_ACT_SEND:
		cr_assert_lt(s->n_sent, N(s->sent));
		s->sent[s->n_sent++] = a->bytes.p[0];
		break;
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		cr_assert_eq(ssh_brain_job_done(s->b, a->id, a->job), 0);
		break;
	case SSH_ACT_SIGN:
		cr_assert_eq(key_sign(a->sign.key, a->sign.sig_alg, a->sign.data.p,
				      a->sign.data.len, sig, &len),
			     0);
		cr_assert_eq(ssh_brain_sign_answer(s->b, a->id, 0, sig, len), 0);
		break;
	case SSH_ACT_AUTH:
		cr_assert_eq(ssh_brain_auth_answer(s->b, a->id, a->auth.method != SSH_AUTH_NONE),
			     0);
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
	struct ssh_brain_conf conf = lab_conf(SSH_SERVER);

	conf.strict = SSH_STRICT_REQUIRE;
	conf.max_auth_tries = 1000;
	*s = (struct sut){0};
	cr_assert_eq(ssh_brain_new(&conf, &s->b), 0);
	cr_assert_eq(ssh_brain_hostkey_add(s->b, host_key), 0);
	cr_assert_eq(ssh_brain_start(s->b), 0);
	sut_run(s);
	cr_assert_eq(ssh_brain_ident(s->b, (const uint8_t *)"SSH-2.0-raw", 11), 0);
	sut_run(s);
	s->n_sent = 0;
}

/* --- the letters --------------------------------------------------------------------------------
 */

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

#define STR(len, text) "\0\0\0" len text
#define FIXED(name, bytes)                                                                         \
	{                                                                                          \
		name, (const uint8_t *)(bytes), sizeof(bytes) - 1, NULL, false                     \
	}

static const struct letter {
	const char *name;
	const uint8_t *p;
	size_t len;
	const char *text; /* of KEXINIT: its methods; of USERAUTH_REQUEST: the method */
	bool guess;
} letters[] = {
	{"kexinit", NULL, 0, "curve25519-sha256,kex-strict-c-v00@openssh.com,ext-info-c", false},
	{"kexinit-guess", NULL, 0,
	 "no-such,curve25519-sha256,kex-strict-c-v00@openssh.com,ext-info-c", true},
	{"kexinit-plain", NULL, 0, "curve25519-sha256,ext-info-c", false},
	{"none", NULL, 1, "none", false},
	{"password", NULL, 1, "password", false},
	{"publickey", NULL, 1, "publickey", false},
	FIXED("kex-init",
	      "\x1e" STR("\x20",
			 "\x9\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")),
	FIXED("kex-reply", "\x1f" STR("\1", "x") STR("\1", "y") STR("\1", "z")),
	FIXED("gex-init", "\x20" STR("\1", "\2")),
	FIXED("gex-reply", "\x21"),
	FIXED("gex-request", "\x22\0\0\x8\0\0\0\x8\0\0\0\x20\0"),
	FIXED("newkeys", "\x15"),
	FIXED("service-auth", "\5" STR("\xc", "ssh-userauth")),
	FIXED("service-connection", "\5" STR("\xe", "ssh-connection")),
	FIXED("service-accept", "\6" STR("\xc", "ssh-userauth")),
	FIXED("ext-info", "\7\0\0\0\0"),
	FIXED("disconnect", "\1\0\0\0\xb" STR("\0", "") STR("\0", "")),
	FIXED("ignore", "\2" STR("\1", "x")),
	FIXED("unimplemented", "\3\0\0\0\0"),
	FIXED("debug", "\4\0" STR("\1", "x") STR("\0", "")),
	FIXED("userauth-failure", "\x33" STR("\4", "none") "\0"),
	FIXED("userauth-success", "\x34"),
	FIXED("userauth-banner", "\x35" STR("\1", "x") STR("\0", "")),
	FIXED("pk-ok", "\x3c" STR("\1", "x") STR("\1", "x")),
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

static size_t letter_build(const struct sut *s, const struct letter *l, uint8_t *buf, size_t size)
{
	if (l->p != NULL) {
		memcpy(buf, l->p, l->len);
		return l->len;
	}
	return l->len == 0 ? kexinit(buf, size, l->text, l->guess)
			   : userauth(s, buf, size, l->text);
}

/* What came of it: the numbers it sent, and whether it is over. */
static void sut_hear(struct sut *s, unsigned int letter)
{
	uint8_t buf[4096];
	size_t len = letter_build(s, &letters[letter], buf, sizeof(buf));
	int r;

	s->n_sent = 0;
	r = ssh_brain_input(s->b, s->seqnr++, buf, len);
	cr_assert_neq(r, -EAGAIN, "%s", letters[letter].name);
	sut_run(s);
}

/* --- what is specified ------------------------------------------------------------------------ */

/* How far the services have come; a client's EXT_INFO is good once, as the first thing. */
enum svc { FRESH, STARTED, AUTH, OPEN };
/* What is awaited of a key exchange. FIRST: of the first one. */
enum kex_at { INIT, DIRTY, GUESS, METHOD, NEWKEYS, NONE, RE_GUESS, RE_METHOD, RE_NEWKEYS, DEAD };

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

/* RFC 4253 section 7; OpenSSH PROTOCOL section 1.10: nothing that is not needed, and nothing
 * before. */
static const struct row first_exchange[][8] = {
	[INIT] = {{"kexinit", {0}, METHOD},
		  {"kexinit-guess", {0}, GUESS},
		  {"ignore", {0}, DIRTY},
		  {"unimplemented", {0}, DIRTY},
		  {"debug", {0}, DIRTY}},
	/* Until its KEXINIT nobody knows whether the peer is strict. */
	[DIRTY] = {{"ignore", {0}, DIRTY}, {"unimplemented", {0}, DIRTY}, {"debug", {0}, DIRTY}},
	[GUESS] = {{"kex-init", {0}, METHOD},
		   {"kex-reply", {0}, METHOD},
		   {"gex-init", {0}, METHOD},
		   {"gex-reply", {0}, METHOD},
		   {"gex-request", {0}, METHOD}},
	[METHOD] = {{"kex-init", {31, 21, 7}, NEWKEYS}},
	[NEWKEYS] = {{"newkeys", {0}, NONE}},
};

/* RFC 4253 sections 9 and 11. */
static const struct row rekey[][9] = {
	[RE_GUESS] = {{"kex-init", {0}, RE_METHOD},
		      {"kex-reply", {0}, RE_METHOD},
		      {"gex-init", {0}, RE_METHOD},
		      {"gex-reply", {0}, RE_METHOD},
		      {"gex-request", {0}, RE_METHOD},
		      {"ignore", {0}, RE_GUESS},
		      {"unimplemented", {0}, RE_GUESS},
		      {"debug", {0}, RE_GUESS}},
	[RE_METHOD] = {{"kex-init", {31, 21}, RE_NEWKEYS},
		       {"ignore", {0}, RE_METHOD},
		       {"unimplemented", {0}, RE_METHOD},
		       {"debug", {0}, RE_METHOD}},
	[RE_NEWKEYS] = {{"newkeys", {0}, NONE},
			{"ignore", {0}, RE_NEWKEYS},
			{"unimplemented", {0}, RE_NEWKEYS},
			{"debug", {0}, RE_NEWKEYS}},
};

/* While no exchange runs, whatever the service: one may begin. */
static const struct row keyed[] = {
	{"kexinit", {20}, RE_METHOD},
	{"kexinit-guess", {20}, RE_GUESS},
	{"kexinit-plain", {20}, RE_METHOD},
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
	{OPEN, "global-request", {82}, OPEN},
	{OPEN, "request-success", {0}, OPEN},
	{OPEN, "channel-open", {92}, OPEN},
	/* Which channels there are is the shard's to know. */
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
		cr_assert_eq(s.n_sent, strlen((const char *)out), "%u of%s: said %u, first %u",
			     i + 1, word_text(w), s.n_sent, s.sent[0]);
		cr_assert_eq(memcmp(s.sent, out, s.n_sent), 0, "%u of%s: %u", i + 1, word_text(w),
			     s.sent[0]);
		cr_assert_eq(s.ended, at.kex == DEAD, "%u of%s", i + 1, word_text(w));
	}
	/* What has ended stays so, whatever comes. */
	for (unsigned int l = 0; s.ended && l < LETTERS; l++) {
		sut_hear(&s, l);
		cr_assert_eq(s.n_sent, 0, "%s after the end", letters[l].name);
	}
	ssh_brain_free(s.b);
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

TestSuite(automaton, .init = keys_make, .fini = keys_free, .timeout = 600);

/* 37 letters: 1.9 million words, most of them over at their first or second letter. */
Test(automaton, s11_every_word_of_four_letters)
{
	struct word w = {.n = 0};

	_Static_assert(LETTERS >= 25, "the alphabet of the catalogue");
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
			char text[256], *letter, *rest = text;
			struct word w = {.n = 0};

			snprintf(text, sizeof(text), "%s %s %s",
				 to_state[i][0] == 'K' ? "kexinit kex-init newkeys" : "",
				 to_state[i] + (to_state[i][0] == 'K'), into_rekey[k]);
			while ((letter = strsep(&rest, " ")) != NULL)
				if (*letter != '\0')
					word_add(&w, letter);
			cr_assert_neq(spell(&w).kex, DEAD);
			spell_all(&w, lab_size(1, k == 0 ? 3 : 2));
		}
	}
	cr_log_info("%u words spelt", runs);
}

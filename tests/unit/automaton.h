/*
 * tests/unit/automaton.h - a brain against a written table of what it is to say to each message
 * (S-11): words of letters, which are messages, are spelt to it, and each must be answered as the
 * table says.
 *
 * Who includes it says what its letters are, and its table; begins, and hears for the system.
 */
#ifndef SLUICE_TESTS_UNIT_AUTOMATON_H
#define SLUICE_TESTS_UNIT_AUTOMATON_H

#include "ssh_lab.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- the letters ------------------------------------------------------------------------------ */

#define STR(len, text) "\0\0\0" len text
#define FIXED(letter, bytes)                                                                       \
	{                                                                                          \
		.name = (letter), .p = (const uint8_t *)(bytes), .len = sizeof(bytes) - 1          \
	}

struct letter {
	const char *name;
	const uint8_t *p; /* NULL: it is made when it is said */
	size_t len;
	const char *text; /* of a made KEXINIT, its methods; of a USERAUTH_REQUEST, the method */
	bool guess;
};

/* What both roles may hear, and mean the same by. */
#define LETTERS_OF_BOTH                                                                            \
	FIXED("gex-init", "\x20" STR("\1", "\2")), FIXED("gex-reply", "\x21"),                     \
		FIXED("gex-request", "\x22\0\0\x8\0\0\0\x8\0\0\0\x20\0"),                          \
		FIXED("newkeys", "\x15"),                                                          \
		FIXED("service-accept", "\6" STR("\xc", "ssh-userauth")),                          \
		FIXED("ext-info", "\7\0\0\0\0"),                                                   \
		FIXED("disconnect", "\1\0\0\0\xb" STR("\0", "") STR("\0", "")),                    \
		FIXED("ignore", "\2" STR("\1", "x")), FIXED("unimplemented", "\3\0\0\0\0"),        \
		FIXED("debug", "\4\0" STR("\1", "x") STR("\0", "")),                               \
		FIXED("userauth-success", "\x34"),                                                 \
		FIXED("userauth-banner", "\x35" STR("\1", "x") STR("\0", "")),                     \
		FIXED("info-response", "\x3d\0\0\0\0"),                                            \
		FIXED("global-request", "\x50" STR("\1", "x") "\1"),                               \
		FIXED("request-success", "\x51"),                                                  \
		FIXED("channel-open", "\x5a" STR("\7", "session") "\0\0\0\0\0\1\0\0\0\0\x80\0"),   \
		FIXED("channel-confirm", "\x5b\0\0\0\0\0\0\0\0\0\1\0\0\0\0\x80\0"),                \
		FIXED("channel-data", "\x5e\0\0\0\0" STR("\1", "x")),                              \
		FIXED("channel-close", "\x61\0\0\0\0"), FIXED("channel-success", "\x63\0\0\0\0"),  \
		FIXED("ping", "\xc0" STR("\1", "x")), FIXED("zero", "\0"), FIXED("eight", "\x8"),  \
		FIXED("hundred-one", "\x65"), FIXED("last", "\xff")

/* --- the system ------------------------------------------------------------------------------- */

struct sut {
	struct ssh_brain *b;
	uint32_t seqnr;
	bool ended;
	uint8_t sent[64]; /* since the last letter */
	unsigned int n_sent;
};

static void sut_said(struct sut *s, const struct ssh_act *a)
{
	cr_assert_lt(s->n_sent, N(s->sent));
	s->sent[s->n_sent++] = a->bytes.p[0];
}

static void brain_job(struct ssh_brain *b, const struct ssh_act *a)
{
	ssh_job_run(a->job);
	cr_assert_eq(ssh_brain_job_done(b, a->id, a->job), 0);
}

static void brain_sign(struct ssh_brain *b, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);

	cr_assert_eq(
		key_sign(a->sign.key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig, &len),
		0);
	cr_assert_eq(ssh_brain_sign_answer(b, a->id, 0, sig, len), 0);
}

/* What a brain of either role wants done, and its user says no to. */
static void sut_act_of_both(struct sut *s, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		brain_job(s->b, a);
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

/* --- what is specified ------------------------------------------------------------------------ */

/* How far the services have come. STARTED: of a server, a client's EXT_INFO has come. */
enum svc { FRESH, STARTED, AUTH, OPEN };
/* What is awaited of a key exchange; NONE: none runs. */
enum kex_at {
	INIT,
	DIRTY, /* until its KEXINIT nobody knows whether the peer is strict */
	GUESS,
	METHOD,
	NEWKEYS,
	NONE,
	RE_GUESS,
	RE_METHOD,
	RE_NEWKEYS,
	RE_FOREIGN, /* the reply will be of another exchange */
	DEAD
};

struct state {
	enum svc svc;
	enum kex_at kex;
};

/* In this state this letter is answered so, and leads there. What has no row ends it. */
struct kex_row {
	enum kex_at at;
	const char *letter;
	uint8_t out[4]; /* up to a 0 */
	enum kex_at next;
};

/* While no exchange runs, and no row above has the letter. */
struct svc_row {
	enum svc at;
	const char *letter;
	uint8_t out[4];
	enum svc next;
};

/* What says nothing is borne, and leads there. */
#define BEARS(state, next)                                                                         \
	{(state), "ignore", {0}, (next)}, {(state), "unimplemented", {0}, (next)},                 \
	{                                                                                          \
		(state), "debug", {0}, (next)                                                      \
	}

/* Of the connection protocol (RFC 4254); which channels there are is the brain's user's to know. */
#define CONNECTION_OF_BOTH                                                                         \
	{OPEN, "global-request", {82}, OPEN}, {OPEN, "request-success", {0}, OPEN},                \
		{OPEN, "channel-open", {92}, OPEN}, {OPEN, "channel-data", {0}, OPEN},             \
		{OPEN, "channel-close", {0}, OPEN}, {OPEN, "channel-success", {0}, OPEN},          \
		{OPEN, "ping", {193}, OPEN}, {OPEN, "hundred-one", {3}, OPEN},                     \
	{                                                                                          \
		OPEN, "last", {3}, OPEN                                                            \
	}

/* The includer's. */
static const struct automaton {
	const struct letter *letters;
	unsigned int n_letters;
	const struct kex_row *kex;
	size_t n_kex;
	const struct svc_row *svc;
	size_t n_svc;
	struct state (*kex_began)(struct state at, enum kex_at next); /* NULL: as the row says */

	void (*begin)(struct sut *s);
	/* Bytes of a letter, valid until the next; *ret_len: how many. */
	const uint8_t *(*say)(struct sut *s, const struct letter *l, size_t *ret_len);
	void (*run)(struct sut *s);
	void (*end)(struct sut *s);
} automaton;

/* The table's step. */
static struct state spec_step(struct state at, const char *letter, const uint8_t **ret_out)
{
	static const uint8_t goodbye[] = {SSH_MSG_DISCONNECT, 0}, silence[] = {0};

	*ret_out = silence;
	if (at.kex == DEAD)
		return at;
	for (const struct kex_row *r = automaton.kex; r < automaton.kex + automaton.n_kex; r++) {
		if (r->at != at.kex || strcmp(r->letter, letter) != 0)
			continue;
		*ret_out = r->out;
		if (automaton.kex_began != NULL && at.kex == NONE)
			return automaton.kex_began(at, r->next);
		return (struct state){at.svc, r->next};
	}
	for (const struct svc_row *r = automaton.svc; r < automaton.svc + automaton.n_svc; r++) {
		if (at.kex != NONE || r->at != at.svc || strcmp(r->letter, letter) != 0)
			continue;
		*ret_out = r->out;
		return (struct state){r->next, NONE};
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
				      automaton.letters[w->letter[i]].name);
	return text;
}

/* What came of it: the numbers it sent, and whether it is over. */
static void sut_hear(struct sut *s, unsigned int letter)
{
	const struct letter *l = &automaton.letters[letter];
	size_t len;
	const uint8_t *p = automaton.say(s, l, &len);
	int r;

	s->n_sent = 0;
	r = ssh_brain_input(s->b, s->seqnr++, p, len);
	cr_assert_neq(r, -EAGAIN, "%s", l->name);
	automaton.run(s);
}

static unsigned int runs;

/* Spells a word to a new system; each letter must be answered as specified. Where it leads. */
static struct state spell(const struct word *w)
{
	struct state at = {FRESH, INIT};
	struct sut s;

	runs++;
	memset(&s, 0, sizeof(s));
	automaton.begin(&s);
	for (unsigned int i = 0; i < w->n; i++) {
		const uint8_t *out;

		at = spec_step(at, automaton.letters[w->letter[i]].name, &out);
		sut_hear(&s, w->letter[i]);
		cr_assert_eq(s.n_sent, strlen((const char *)out), "%u of%s: said %u: %u %u", i + 1,
			     word_text(w), s.n_sent, s.sent[0], s.sent[1]);
		cr_assert_eq(memcmp(s.sent, out, s.n_sent), 0, "%u of%s: %u", i + 1, word_text(w),
			     s.sent[0]);
		cr_assert_eq(s.ended, at.kex == DEAD, "%u of%s", i + 1, word_text(w));
	}
	/* What has ended stays so, whatever comes. */
	for (unsigned int l = 0; s.ended && l < automaton.n_letters; l++) {
		sut_hear(&s, l);
		cr_assert_eq(s.n_sent, 0, "%s after the end", automaton.letters[l].name);
	}
	automaton.end(&s);
	return at;
}

/* All words of so many letters more; those that go on behind an end were looked at there. */
static void spell_all(struct word *w, unsigned int more)
{
	for (unsigned int l = 0; more > 0 && l < automaton.n_letters; l++) {
		w->letter[w->n++] = l;
		if (spell(w).kex != DEAD)
			spell_all(w, more - 1);
		w->n--;
	}
}

/* From where these letters, apart by blanks, lead, which is no end: all words of so many more. */
static void spell_from(const char *letters, unsigned int more)
{
	char text[256], *letter, *rest = text;
	struct word w = {.n = 0};

	cr_assert_lt(snprintf(text, sizeof(text), "%s", letters), (int)sizeof(text));
	while ((letter = strsep(&rest, " ")) != NULL) {
		unsigned int l = 0;

		if (*letter == '\0')
			continue;
		while (strcmp(automaton.letters[l].name, letter) != 0)
			cr_assert_lt(++l, automaton.n_letters, "%s", letter);
		w.letter[w.n++] = l;
	}
	cr_assert_neq(spell(&w).kex, DEAD);
	spell_all(&w, more);
}

#endif

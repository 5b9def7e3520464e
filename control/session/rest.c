/*
 * control/session/rest.c - a connection that says nothing costs next to nothing.
 *
 * What reads, decides and answers for a connection is made when it is needed, and given back
 * REST_MS after its last word, once nothing is under way: no key exchange, no decision, no credit
 * that is owed. What is kept is who it is, what its key allows, where its channels lead, and
 * of its brain what the next key exchange is bound to (RFC 4253 section 7.2: the session identifier
 * stays; section 8: both identification strings are hashed).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/count.h"
#include "control/session/keep.h"

struct past {
	struct conf *conf; /* that it goes by, held */
	uint32_t identity;
	bool strict : 1, has_lapse : 1, has_epoch : 1, has_ident : 1, has_print : 1;
	bool has_marks : 1, has_origin : 1, has_groups : 1;
	uint8_t session_id_len;
	uint8_t peer_ident_len;
	/*
	 * A struct lapse *; the epoch of its listeners; both; the user with a NUL behind it, and
	 * so our identification where it is not the configuration's, the fingerprint of his key,
	 * and what else Match and rules go by: marks of keys, behind which there is an empty one,
	 * the name of the peer's address and the routing domain, empty where there is none, and
	 * groups, as marks.
	 */
	uint8_t bytes[];
};

/* What is copied one behind the other; to NULL: only measured. */
struct packing {
	uint8_t *to;
	size_t len;
};

static void pack(struct packing *p, const void *from, size_t len)
{
	if (p->to != NULL)
		memcpy(p->to + p->len, from, len);
	p->len += len;
}

static void pack_str(struct packing *p, struct ssh_str s)
{
	pack(p, s.p, s.len);
	pack(p, "", 1);
}

/* Up to and with the empty one at their end. */
static size_t texts_len(const char *texts)
{
	const char *p = texts;

	while (*p != '\0')
		p += strlen(p) + 1;
	return (size_t)(p - texts) + 1;
}

static void pack_all(struct packing *to, const struct past *past, const struct keep *k,
		     const struct lapse *lapse)
{
	if (past->has_lapse)
		pack(to, &lapse, sizeof(lapse));
	if (past->has_epoch)
		pack(to, &k->epoch, sizeof(k->epoch));
	pack(to, k->session_id.p, k->session_id.len);
	pack(to, k->peer_ident.p, k->peer_ident.len);
	pack_str(to, k->user);
	if (past->has_ident)
		pack_str(to, k->ident);
	if (past->has_print)
		pack_str(to, k->key_print);
	if (past->has_marks)
		pack(to, k->marks.p, k->marks.len);
	if (past->has_origin) {
		pack_str(to, k->peer_name);
		pack_str(to, k->rdomain);
	}
	if (!past->has_groups)
		return;
	for (size_t i = 0; i < k->n_groups; i++)
		pack_str(to, k->group[i]);
	pack(to, "", 1);
}

struct past *past_new(const struct keep *k, struct conf *conf, struct lapse *lapse)
{
	const struct past head = {
		.identity = k->identity,
		.strict = k->strict,
		.has_lapse = lapse != NULL,
		.has_epoch = k->epoch != 0,
		.has_ident = k->ident.len > 0,
		.has_print = k->key_print.len > 0,
		.has_marks = k->marks.len > 0,
		.has_origin = k->has_name || k->rdomain.len > 0,
		.has_groups = k->has_groups && conf_matches_about(conf, CONF_ABOUT_GROUP),
		.session_id_len = (uint8_t)k->session_id.len,
		.peer_ident_len = (uint8_t)k->peer_ident.len,
	};
	struct packing to = {0};
	struct past *past;

	_Static_assert(SSH_SESSION_ID_MAX <= UINT8_MAX && LINK_IDENT_MAX <= UINT8_MAX, "they fit");
	pack_all(&to, &head, k, lapse);
	past = malloc(sizeof(*past) + to.len);
	if (past == NULL)
		return NULL;
	*past = head;
	past->conf = conf_get(conf);
	to = (struct packing){.to = past->bytes};
	pack_all(&to, &head, k, lapse);
	return past;
}

static const uint8_t *past_ids(const struct past *p)
{
	return p->bytes + (p->has_lapse ? sizeof(struct lapse *) : 0) +
	       (p->has_epoch ? sizeof(uint64_t) : 0);
}

static uint64_t past_epoch(const struct past *p)
{
	uint64_t epoch = 0;

	if (p->has_epoch)
		memcpy(&epoch, past_ids(p) - sizeof(epoch), sizeof(epoch));
	return epoch;
}

const char *past_user(const struct past *p)
{
	return (const char *)past_ids(p) + p->session_id_len + p->peer_ident_len;
}

bool past_strict(const struct past *p)
{
	return p->strict;
}

struct conf *past_conf(const struct past *p)
{
	return p->conf;
}

struct ssh_str past_client(const struct past *p)
{
	return (struct ssh_str){past_ids(p) + p->session_id_len, p->peer_ident_len};
}

void past_free(struct past *p)
{
	if (p == NULL)
		return;
	conf_put(p->conf);
	free(p);
}

uint32_t session_identity(const struct session *s)
{
	if (s->awake != NULL)
		return s->awake->identity;
	return s->past != NULL ? s->past->identity : 0;
}

struct lapse *session_lapse(const struct session *s)
{
	struct lapse *l = NULL;

	if (s->awake != NULL)
		return s->awake->lapse;
	if (s->past != NULL && s->past->has_lapse)
		memcpy(&l, s->past->bytes, sizeof(l));
	return l;
}

const char *session_key_print(const struct session *s)
{
	const char *text;

	if (s->awake != NULL)
		return s->awake->key_print;
	if (s->past == NULL || !s->past->has_print)
		return NULL;
	text = past_user(s->past);
	text += strlen(text) + 1;
	return s->past->has_ident ? text + strlen(text) + 1 : text;
}

const char *past_marks(const struct past *p)
{
	const char *text = past_user(p);

	if (!p->has_marks)
		return "";
	text += strlen(text) + 1;
	text += p->has_ident ? strlen(text) + 1 : 0;
	return text + (p->has_print ? strlen(text) + 1 : 0);
}

/* Groups from one NUL to the next, up to an empty one. */
static int groups_unpack(const char *text, struct awake *a)
{
	size_t n = 0;

	for (const char *g = text; *g != '\0'; g += strlen(g) + 1)
		n++;
	a->groups = calloc(n + 1, sizeof(*a->groups));
	if (a->groups == NULL)
		return -ENOMEM;
	for (; a->n_groups < n; a->n_groups++, text += strlen(text) + 1) {
		a->groups[a->n_groups] = strdup(text);
		if (a->groups[a->n_groups] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* What Match went by when it came in. */
static int past_unpack(const struct past *p, struct awake *a)
{
	const char *ident = (const char *)past_ids(p) + p->session_id_len;
	const char *more = past_user(p) + strlen(past_user(p)) + 1;

	a->version = strndup(ident, p->peer_ident_len);
	if (a->version == NULL)
		return -ENOMEM;
	if (p->has_ident) {
		a->ident = strdup(more);
		if (a->ident == NULL)
			return -ENOMEM;
		more += strlen(more) + 1;
	}
	if (p->has_print) {
		a->key_print = strdup(more);
		if (a->key_print == NULL)
			return -ENOMEM;
		more += strlen(more) + 1;
	}
	if (p->has_marks) {
		a->marks = malloc(texts_len(more));
		if (a->marks == NULL)
			return -ENOMEM;
		memcpy(a->marks, more, texts_len(more));
		more += texts_len(more);
	}
	if (p->has_origin) {
		a->peer_name = *more != '\0' ? strdup(more) : NULL;
		if (*more != '\0' && a->peer_name == NULL)
			return -ENOMEM;
		more += strlen(more) + 1;
		strcpy(a->rdomain, more);
		more += strlen(more) + 1;
	}
	return p->has_groups ? groups_unpack(more, a) : 0;
}

static void facts_fini(struct awake *a)
{
	free(a->ident);
	for (size_t i = 0; i < a->n_groups; i++)
		free(a->groups[i]);
	free(a->groups);
	free(a->marks);
	free(a->version);
	free(a->peer_name);
	free(a->key_print);
}

static void texts_of(const struct session *s, struct awake *a)
{
	const struct conf *conf = s->table->env->conf;

	addr_text(&s->peer, a->peer_addr);
	addr_text(&s->local, a->local_addr);
	zoned_text(conf, &s->peer, a->peer_text);
	zoned_text(conf, &s->local, a->local_text);
}

struct awake *facts_get(const struct session *s)
{
	struct awake *a;

	if (s->awake != NULL)
		return s->awake;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	if (past_unpack(s->past, a) < 0) {
		facts_put(s, a);
		return NULL;
	}
	texts_of(s, a);
	return a;
}

void facts_put(const struct session *s, struct awake *facts)
{
	if (facts == s->awake)
		return;
	facts_fini(facts);
	free(facts);
}

/* --- awake --------------------------------------------------------------------------------- */

static struct session *session_of(struct timer *t, size_t at)
{
	return ((struct awake *)(void *)((char *)t - at))->session;
}

static void on_grace(struct timer *t)
{
	struct session *s = session_of(t, offsetof(struct awake, grace));

	control_count(CONTROL_C_GRACE);
	session_end(s, -SSH_E_GRACE, NULL);
	session_pump(s);
}

static void on_credit(struct timer *t)
{
	struct session *s = session_of(t, offsetof(struct awake, credit));

	session_credit(s);
	session_tire(s);
}

/* The peer's silence counts only while it is its turn. */
static void on_silence(struct timer *t)
{
	struct session *s = session_of(t, offsetof(struct awake, silence));
	uint64_t limit = s->awake->conf.handshake_timeout_ms;
	uint64_t now = s->table->env->now_ms();

	if (limit == 0) /* by a role that became known meanwhile */
		return;
	if (s->awake->inbox != NULL || gate_waits(s) || ssh_brain_asks(s->awake->brain))
		s->awake->heard_ms = now;
	if (s->awake->heard_ms + limit <= now) {
		control_count(CONTROL_C_SILENCE);
		session_end(s, -SSH_E_GRACE, NULL);
		session_pump(s);
		return;
	}
	(void)!timer_set(s->table->env->timers, t, s->awake->heard_ms + limit);
}

static void on_delay(struct timer *t)
{
	struct session *s = session_of(t, offsetof(struct awake, delay));

	login_delay_over(s);
	session_pump(s);
}

static void on_rest(struct timer *t);

int awake_new(struct session *s)
{
	struct session_env *env = s->table->env;
	struct awake *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return -ENOMEM;
	a->session = s;
	a->inbox_last = &a->inbox;
	a->grace.fire = on_grace;
	a->credit.fire = on_credit;
	a->rest.fire = on_rest;
	a->silence.fire = on_silence;
	a->delay.fire = on_delay;
	a->tokens_milli = (int64_t)conf_global(env->conf)->slow_path_rate * 1000;
	a->tokens_at_ms = env->now_ms();
	texts_of(s, a);
	s->awake = a;
	return 0;
}

void awake_free(struct session *s)
{
	struct timers *timers = s->table->env->timers;
	struct awake *a = s->awake;

	if (a == NULL)
		return;
	timer_cancel(timers, &a->grace);
	timer_cancel(timers, &a->credit);
	timer_cancel(timers, &a->rest);
	timer_cancel(timers, &a->silence);
	session_inbox_clear(s);
	gate_drop(s);
	login_fini(s);
	hostkeys_clear(s);
	keep_rx_free(a);
	free(a->words);
	facts_fini(a);
	ssh_brain_free(a->brain);
	moduli_free(a->moduli);
	conf_session_fini(&a->conf);
	free(a);
	s->awake = NULL;
}

/* --- to rest, and back ---------------------------------------------------------------------- */

static bool decides(const struct session *s)
{
	const struct open *o = s->opens;

	while (o != NULL && o->state != OPEN_RESOLVING)
		o = o->next;
	return o != NULL;
}

static bool may_rest(const struct session *s, struct ssh_brain_past *ret)
{
	const struct awake *a = s->awake;

	return a != NULL && s->authenticated && !s->ended && !s->pumping && a->inbox == NULL &&
	       !a->login.open && a->rx_keys == NULL && a->owed_payloads == 0 && !decides(s) &&
	       !forward_busy(s) && ssh_brain_rests(a->brain, ret);
}

static void on_rest(struct timer *t)
{
	struct session *s = session_of(t, offsetof(struct awake, rest));
	struct ssh_brain_past of_brain;
	struct past *past;
	struct keep k;

	if (!may_rest(s, &of_brain) || keep_of(s, &k) < 0)
		return;
	if (s->awake->ident == NULL) /* the configuration's, which is kept, too */
		k.ident = ssh_str_c("");
	past = past_new(&k, session_conf(s), s->awake->lapse);
	if (past == NULL) /* without memory for less it keeps more */
		return;
	awake_free(s);
	free(s->user);
	s->past = past;
}

void session_tire(struct session *s)
{
	struct session_env *env = s->table->env;
	struct ssh_brain_past past;

	if (!may_rest(s, &past))
		return; /* what it waits for pumps it again */
	/* Without memory for a timer it stays awake. */
	(void)!timer_set(env->timers, &s->awake->rest, env->now_ms() + REST_MS);
}

static int resume(struct session *s, const struct past *p)
{
	struct awake *a = s->awake;
	const uint8_t *ids = past_ids(p);
	const struct ssh_brain_past past = {
		.strict = p->strict,
		.session_id = {ids, p->session_id_len},
		.peer_ident = {ids + p->session_id_len, p->peer_ident_len},
	};
	struct conf_match_ctx ctx;
	struct conf_strs groups;
	int r = past_unpack(p, a);

	if (r == 0) {
		ctx = rules_ctx(s, &groups);
		ctx.user = past_user(p);
		r = conf_session_for(p->conf, &ctx, &a->conf);
	}
	if (r == 0)
		r = session_brain_new(s);
	if (r == 0)
		r = ssh_brain_resume(a->brain, &past);
	a->kex_done = true;
	return r;
}

int session_wake(struct session *s)
{
	struct past *past = s->past;
	struct lapse *lapse;
	char *user;
	int r = 0;

	if (s->awake != NULL)
		return 0;
	user = strdup(past_user(past));
	if (user == NULL)
		return -ENOMEM;
	lapse = session_lapse(s);
	r = awake_new(s);
	if (r == 0)
		r = resume(s, past);
	if (r < 0) {
		awake_free(s);
		free(user);
		return r;
	}
	s->awake->lapse = lapse;
	s->awake->forward_epoch = past_epoch(past);
	s->awake->identity = past->identity;
	s->user = user;
	past_free(past);
	return 0;
}

/* It cannot say why: what would is what there is no memory for. */
static void cannot_wake(struct session *s, int err)
{
	session_log(s, LOG_L_ERROR, "a connection that rested cannot go on: error %d", -err);
	words_end(s, -SSH_E_MEMORY);
	item_end(s, -SSH_E_MEMORY);
	s->ended = true;
}

bool session_awaken(struct session *s)
{
	int r;

	if (s->ended)
		return false;
	r = session_wake(s);
	if (r < 0)
		cannot_wake(s, r);
	return r == 0;
}

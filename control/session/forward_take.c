/*
 * control/session/forward_take.c - two listeners that want one port; how many there may be.
 *
 * Who has a port keeps it, as with sshd. But an agent that lost its connection comes back before
 * anybody else knows that it is lost: the same identity, a user and the key (or the key id of the
 * certificate) that let him in, takes the port over if it says a higher epoch, or if the old
 * connection does not answer a keep-alive within TAKE_MS. What came in by the old listener ends
 * with it: one owner at any time. Without a key there is no identity.
 */
#include <errno.h>
#include <string.h>

#include "control/count.h"
#include "control/log.h"
#include "control/session/listeners.h"
#include "crypto/cert.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define TAKE_MS   2000 /* for the old one to show that it lives */
#define AGAIN_MS  100  /* a port that is being given back is asked for again after this, */
#define UNTIL_MS  2000 /* and for so long; */
#define KERNEL_MS 300  /* of the kernel others have ports, too: those give none back */

/*
 * Of a secret that outlives this process, as connections do: a key whose identity is that of
 * another is not to be sought.
 */
uint32_t forward_identity(const struct session_env *env, const struct ssh_act_auth *auth)
{
	uint8_t digest[HASH_LEN_MAX];
	uint8_t secret[BLOB_KEY_LEN];
	struct hash_piece piece[3] = {{secret, sizeof(secret)}};
	const struct key *of = auth->key;
	const struct cert *c;
	uint32_t id;
	int r;

	if (of == NULL || blob_key_derive(env->blob_key, "identity", secret) < 0)
		return 0;
	c = key_cert(of);
	if (c != NULL)
		piece[2] = (struct hash_piece){c->key_id, strlen(c->key_id)};
	if (c != NULL)
		of = c->ca;
	piece[1].p = key_blob(of, &piece[1].len);
	r = hash_digest(HASH_SHA256, piece, c != NULL ? 3 : 2, digest);
	secret_wipe(secret, sizeof(secret));
	if (r < 0)
		return 0;
	memcpy(&id, digest, sizeof(id));
	return id;
}

static bool is_any(const struct link_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->addr, zero, a->family == 4 ? 4 : 16) == 0;
}

static bool overlap_one(const struct link_addr *a, const struct link_addr *b)
{
	if (a->family != 0 && b->family != 0 && a->family != b->family)
		return false;
	return is_any(a) || is_any(b) || addr_equal(a, b);
}

/* What the kernel listens at and what we do are two machines' addresses. */
static bool overlap(const struct listener_at *a, const struct listener_at *b)
{
	bool found = false;

	for (unsigned int i = 0; i < a->n; i++)
		for (unsigned int k = 0; k < b->n; k++)
			found |= overlap_one(&a->addr[i], &b->addr[k]);
	return a->kernel == b->kernel && found;
}

static bool same_identity(const struct session *a, const struct session *b)
{
	uint32_t id = session_identity(a);

	return a != b && id != 0 && id == session_identity(b) &&
	       strcmp(session_user(a), session_user(b)) == 0;
}

static bool wants(const struct listener *o, const struct listener_at *at, uint16_t port)
{
	if (o->state == LISTENER_OVER || o->state == LISTENER_HELD || o->session->ended)
		return false;
	if (at->path != NULL || o->at.path != NULL)
		return at->path != NULL && o->at.path != NULL && strcmp(at->path, o->at.path) == 0;
	return port != 0 && o->port == port && overlap(&o->at, at);
}

struct counts {
	uint32_t connection, user, source, all;
};

/* All there are, but those that one of s at this port (0: any) may take the place of. */
static struct counts count(const struct session *s, const struct listener_at *at, uint16_t port)
{
	const struct session_env *env = s->table->env;
	struct counts n = {.all = env->n_listeners,
			   .connection = listeners_of(s, TALLY_CONNECTION),
			   .user = listeners_of(s, TALLY_USER),
			   .source = listeners_of(s, TALLY_SOURCE)};

	for (const struct listener *l = listener_at(env, at, port); l != NULL;
	     l = listener_at_port_next(l)) {
		if (!wants(l, at, port) || !same_identity(l->session, s))
			continue;
		n.all--; /* of another connection of the same user */
		n.user--;
		n.source -= listener_counts_for(l, s, TALLY_SOURCE);
	}
	return n;
}

/* One that is over counts until its channels are: until then it has its port. */
const char *forward_limit(const struct session *s, const struct listener_at *at, uint16_t port)
{
	const struct conf_session *conf = &s->awake->conf;
	const struct counts n = count(s, at, port);
	const struct {
		uint32_t n, max;
		enum control_counter count;
		const char *text;
	} limit[] = {
		{n.connection, conf->max_listeners_per_connection, CONTROL_C_LISTENERS_CONNECTION,
		 "too many listeners of this connection"},
		{n.user, conf->max_listeners_per_user, CONTROL_C_LISTENERS_USER,
		 "too many listeners of this user"},
		{n.source, conf->max_listeners_per_source, CONTROL_C_LISTENERS_SOURCE,
		 "too many listeners from this address"},
		{n.all, conf_global(s->table->env->conf)->max_listeners, CONTROL_C_LISTENERS,
		 "too many listeners"},
	};

	for (size_t i = 0; i < sizeof(limit) / sizeof(limit[0]); i++) {
		if (limit[i].n < limit[i].max)
			continue;
		control_count(limit[i].count);
		return limit[i].text;
	}
	return NULL;
}

/*
 * Who has the port, or is about to: of all whose token is below before the one with the highest.
 * So all are found, whatever becomes of them in between.
 */
static struct listener *rival(const struct listener *l, uint64_t before)
{
	struct listener *o = listener_at(l->session->table->env, &l->at, l->asked_port),
			*ret = NULL;

	for (; o != NULL; o = listener_at_port_next(o))
		if (o != l && o->token < before && wants(o, &l->at, l->asked_port) &&
		    (ret == NULL || o->token > ret->token))
			ret = o;
	return ret;
}

enum contest {
	CONTEST_FREE = 1, /* nobody has it */
	CONTEST_TAKEN,    /* by somebody else, or it is not certain yet */
	CONTEST_OLDER,    /* by the same identity, with lower epochs */
	CONTEST_EQUAL,    /* by the same identity */
};

/* A port on all addresses may have several rivals: all of them have to give way. */
static enum contest contest(const struct listener *l)
{
	enum contest c = CONTEST_FREE;

	for (struct listener *o = rival(l, UINT64_MAX); o != NULL; o = rival(l, o->token)) {
		if (o->state != LISTENER_UP || !same_identity(l->session, o->session))
			return CONTEST_TAKEN;
		if (l->epoch <= o->epoch)
			c = CONTEST_EQUAL;
		else if (c == CONTEST_FREE)
			c = CONTEST_OLDER;
	}
	return c;
}

static void again_later(struct listener *l)
{
	struct session_env *env = l->session->table->env;

	l->state = LISTENER_WAITING;
	if (timer_set(env->timers, &l->timer, env->now_ms() + AGAIN_MS) < 0)
		forward_refuse(l, -ENOMEM);
}

bool forward_again(struct listener *l)
{
	uint64_t now = l->session->table->env->now_ms();

	if ((l->asked_port == 0 && l->at.path == NULL) || contest(l) != CONTEST_FREE)
		return false;
	if (l->until_ms == 0)
		l->until_ms = now + (l->at.kernel || l->at.path != NULL ? KERNEL_MS : UNTIL_MS);
	if (now >= l->until_ms)
		return false;
	again_later(l);
	return true;
}

static void take(struct listener *l)
{
	char from[CONF_ZONE_TEXT];
	struct listener *o;

	while ((o = rival(l, UINT64_MAX)) != NULL) {
		session_log(l->session, LOG_L_INFO,
			    "listener [%.100s]:%u of user %.100s is taken over from the connection "
			    "from %s port %u",
			    o->host, o->port, session_user(o->session),
			    session_peer_text(o->session, from), o->session->peer.port);
		forward_unbind(o, LISTENER_TAKEN);
	}
	l->until_ms = l->session->table->env->now_ms() + UNTIL_MS;
	forward_bind(l);
}

/* 0, or why it cannot be asked. */
static int ask(struct session *s)
{
	int r = session_wake(s);

	if (r < 0)
		return r;
	r = global_say(s, ssh_str_c("keepalive@openssh.com"), true, ssh_str_c(""), NULL, 0);
	session_pump(s);
	return r;
}

/* Those who have it, and would keep it if they live; who cannot be asked does not answer. */
static void ask_all(struct listener *l)
{
	const struct session *s = l->session;
	uint64_t token = l->token, before = UINT64_MAX;
	struct listener *o;

	/* What the others have to say meanwhile may be the end of l. */
	while (forward_find(s, token) != NULL && (o = rival(l, before)) != NULL) {
		before = o->token;
		if (l->epoch <= o->epoch)
			(void)ask(o->session);
	}
}

void forward_contend(struct listener *l)
{
	struct session_env *env = l->session->table->env;

	switch (contest(l)) {
	case CONTEST_FREE:
		forward_bind(l);
		return;
	case CONTEST_OLDER:
		take(l);
		return;
	case CONTEST_TAKEN:
		forward_refuse(l, -EADDRINUSE);
		return;
	case CONTEST_EQUAL:
		break;
	}
	l->state = LISTENER_ASKING;
	l->until_ms = env->now_ms() + TAKE_MS;
	if (timer_set(env->timers, &l->timer, l->until_ms) < 0)
		forward_refuse(l, -ENOMEM);
	else
		ask_all(l);
}

void forward_time(struct listener *l)
{
	if (l->session->ended) /* nobody wants it any more */
		forward_refuse(l, -ECANCELED);
	else if (l->state == LISTENER_WAITING || contest(l) == CONTEST_FREE)
		forward_bind(l);
	else if (contest(l) == CONTEST_TAKEN)
		forward_refuse(l, -EADDRINUSE);
	else
		take(l);
}

/* It waits for whether the connection of o lives. */
static bool asks_for(const struct listener *l, const struct listener *o)
{
	return l->state == LISTENER_ASKING && l != o && l->epoch <= o->epoch &&
	       wants(o, &l->at, l->asked_port);
}

/* One that waits for whether s lives. */
static struct listener *asking_of(const struct session *s)
{
	struct listener *o = NULL, *l;

	while ((o = forward_next(s, o)) != NULL)
		for (l = listener_at(s->table->env, &o->at, o->port); l != NULL;
		     l = listener_at_port_next(l))
			if (asks_for(l, o))
				return l;
	return NULL;
}

/* It lives: who waited for that is refused. What they say then may be the end of any listener. */
void forward_alive(struct session *s)
{
	struct listener *l;

	while ((l = asking_of(s)) != NULL) {
		struct session *who = l->session;

		forward_refuse(l, -EADDRINUSE);
		session_pump(who);
	}
}

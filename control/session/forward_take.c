/*
 * control/session/forward_take.c - two listeners that want one port.
 *
 * Who has a port keeps it, as with sshd. But an agent that lost its connection comes back before
 * anybody else knows that it is lost: the same identity, a user and the key (or the key id of the
 * certificate) that let him in, takes the port over if it says a higher epoch, or if the old
 * connection does not answer a keep-alive within TAKE_MS. What came in by the old listener ends
 * with it: one owner at any time. Without a key there is no identity.
 */
#include <errno.h>
#include <string.h>

#include "control/log.h"
#include "control/session/forward.h"
#include "crypto/cert.h"
#include "crypto/hash.h"
#include "ssh/wire.h"

#define TAKE_MS  2000 /* for the old one to show that it lives */
#define AGAIN_MS 100  /* a port that is being given back is asked for again after this, */
#define UNTIL_MS 2000 /* and for so long */

/* Of a secret of this process: a key whose identity is that of another is not to be sought. */
uint32_t forward_identity(const struct session_env *env, const struct ssh_act_auth *auth)
{
	uint8_t digest[HASH_LEN_MAX];
	struct hash_piece piece[3] = {{env->delay_key, sizeof(env->delay_key)}};
	const struct key *of = auth->key;
	const struct cert *c;
	uint32_t id;

	if (of == NULL)
		return 0;
	c = key_cert(of);
	if (c != NULL)
		piece[2] = (struct hash_piece){c->key_id, strlen(c->key_id)};
	if (c != NULL)
		of = c->ca;
	piece[1].p = key_blob(of, &piece[1].len);
	if (hash_digest(HASH_SHA256, piece, c != NULL ? 3 : 2, digest) < 0)
		return 0;
	memcpy(&id, digest, sizeof(id));
	return id;
}

struct forward_counts forward_count(const struct session_env *env, const struct session *s)
{
	struct forward_counts n = {.all = env->n_listeners};

	for (const struct listener *l = env->listeners; l != NULL; l = l->next) {
		if (l->state == LISTENER_OVER)
			continue;
		n.connection += l->session == s;
		n.user += strcmp(session_user(l->session), session_user(s)) == 0;
		n.source += addr_equal(&l->session->peer, &s->peer);
	}
	return n;
}

static bool is_any(const struct link_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->addr, zero, a->family == 4 ? 4 : 16) == 0;
}

static bool overlap(const struct link_addr *a, const struct link_addr *b)
{
	if (a->family != 0 && b->family != 0 && a->family != b->family)
		return false;
	return is_any(a) || is_any(b) || addr_equal(a, b);
}

/* Who has the port, or is about to. */
static struct listener *rival(const struct listener *l)
{
	struct listener *o = l->session->table->env->listeners;

	while (o != NULL && (o == l || o->state == LISTENER_OVER || o->session->ended ||
			     o->port != l->port || !overlap(&o->at, &l->at)))
		o = o->next;
	return l->asked_port != 0 ? o : NULL;
}

static bool same_identity(const struct session *a, const struct session *b)
{
	uint32_t id = session_identity(a);

	return a != b && id != 0 && id == session_identity(b) &&
	       strcmp(session_user(a), session_user(b)) == 0;
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

	if (l->asked_port == 0 || rival(l) != NULL)
		return false;
	if (l->until_ms == 0)
		l->until_ms = now + UNTIL_MS;
	if (now >= l->until_ms)
		return false;
	again_later(l);
	return true;
}

static void take(struct listener *l, struct listener *o)
{
	char from[CONF_ZONE_TEXT];

	session_log(l->session, LOG_L_INFO,
		    "listener [%.100s]:%u of user %.100s is taken over from the connection from "
		    "%s port %u",
		    o->host, o->port, session_user(o->session), session_peer_text(o->session, from),
		    o->session->peer.port);
	forward_unbind(o, true);
	l->until_ms = l->session->table->env->now_ms() + UNTIL_MS;
	forward_bind(l);
}

/* 0, or why it cannot be asked. */
static int ask(struct session *s)
{
	uint8_t buf[64];
	struct ssh_wr w;
	int r = session_wake(s);

	if (r < 0)
		return r;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "keepalive@openssh.com");
	ssh_wr_bool(&w, true);
	r = ssh_brain_send(s->awake->brain, buf, ssh_wr_done(&w));
	session_pump(s);
	return r;
}

void forward_contend(struct listener *l)
{
	struct session_env *env = l->session->table->env;
	struct listener *o = rival(l);

	if (o == NULL) {
		forward_bind(l);
		return;
	}
	if (o->state != LISTENER_UP || !same_identity(l->session, o->session)) {
		forward_refuse(l, -EADDRINUSE);
		return;
	}
	if (l->epoch > o->epoch) {
		take(l, o);
		return;
	}
	l->state = LISTENER_ASKING;
	l->until_ms = env->now_ms() + TAKE_MS;
	if (timer_set(env->timers, &l->timer, l->until_ms) < 0)
		forward_refuse(l, -ENOMEM);
	else
		(void)ask(o->session); /* who cannot be asked does not answer */
}

void forward_time(struct listener *l)
{
	struct listener *o = rival(l);

	if (l->state == LISTENER_WAITING || o == NULL) {
		forward_bind(l);
		return;
	}
	if (o->state == LISTENER_UP && same_identity(l->session, o->session))
		take(l, o);
	else
		forward_refuse(l, -EADDRINUSE);
}

/* It lives: who waited for that is refused. */
void forward_alive(struct session *s)
{
	struct listener *l = s->table->env->listeners, *next;

	for (; l != NULL; l = next) {
		struct session *who = l->session;
		struct listener *o;

		next = l->next;
		if (l->state != LISTENER_ASKING)
			continue;
		o = rival(l);
		if (o == NULL || o->session != s)
			continue;
		forward_refuse(l, -EADDRINUSE);
		session_pump(who);
	}
}

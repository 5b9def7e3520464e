/*
 * client/lib/agent.c - identities that an agent of keys has (client/agent/agent.h): behind those of
 * the program, for one connection. It is told where that leads, so that keys for some hosts alone
 * serve there. It is asked in turns, as the server is, and has its time: one that never answers
 * holds nobody up for longer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent.h"
#include "client/lib/internal.h"
#include "crypto/secret.h"

#define PATIENCE_MS 60000 /* where OperationTimeout is 0 */
#define FORWARD_MS  2000  /* for a word to one that is forwarded */

/* --- a question ------------------------------------------------------------------------------- */

/* As long as somebody needs to touch a key, within OperationTimeout. */
static uint64_t due(const struct sluice *s)
{
	uint32_t ms = s->set.operation_timeout;

	if (ms == TIME_NONE)
		return UINT64_MAX;
	return now_ms() + (ms > 0 ? ms : PATIENCE_MS);
}

static int ask(struct sluice *s, enum agent_doing what, const uint8_t *msg, size_t len)
{
	int r = agent_ask(s->agent, msg, len);

	if (r < 0)
		return r;
	s->agent_doing = what;
	s->agent_due = due(s);
	turned(s); /* who waits, waits for it */
	return 0;
}

/* Where the connection leads; host NULL: no key says it (Kerberos does). */
static struct agent_bind where(const struct sluice *s, bool forwarding)
{
	return (struct agent_bind){
		.host = ssh_brain_server_key(s->brain),
		.session_id = ssh_brain_session_id(s->brain),
		.signature = ssh_brain_server_signature(s->brain),
		.forwarding = forwarding,
	};
}

/* Of the message, which is the caller's to free(). */
static int bind_build(const struct agent_bind *b, uint8_t **ret, size_t *ret_len)
{
	size_t size = KEY_BLOB_MAX + KEY_SIG_MAX + b->session_id.len + 128;

	*ret = malloc(size);
	if (*ret == NULL)
		return -ENOMEM;
	*ret_len = agent_bind_build(b, *ret, size);
	return 0;
}

static int ask_bind(struct sluice *s, const struct agent_bind *b)
{
	uint8_t *msg;
	size_t len;
	int r = bind_build(b, &msg, &len);

	if (r == 0)
		r = ask(s, AGENT_BINDS, msg, len);
	free(msg);
	return r;
}

static int ask_list(struct sluice *s)
{
	uint8_t msg[8];

	return ask(s, AGENT_LISTS, msg, agent_list_build(msg, sizeof(msg)));
}

/* --- its keys --------------------------------------------------------------------------------- */

/* The key, or a certificate for it. */
static bool is_of(const struct sluice_key *own, const struct key *k)
{
	for (unsigned int i = 0; i < own->n_certs; i++)
		if (key_equal(own->cert[i], k))
			return true;
	return key_equal(own->key, k);
}

/* A key that is ours already: the agent, who is told where this leads, signs for it. False: none is. */
static bool identity_lend(struct sluice *s, const struct key *k)
{
	for (unsigned int i = 0; i < s->n_identities; i++) {
		struct identity *own = &s->identity[i];

		if (own->sign == NULL || own->agents || !is_of(own->key, k))
			continue;
		own->lent = own->agents = true;
		return true;
	}
	return false;
}

/* Takes the key out of the list. */
static int identity_take(struct sluice *s, struct agent_key *from)
{
	struct keyfile *file = NULL;
	struct sluice_key *k = NULL;
	int r = keyfile_new(from->key, from->comment, &file);

	if (r < 0)
		return r;
	from->key = NULL;
	r = key_wrap(file, &k);
	if (r == 0)
		s->identity[s->n_identities++] = (struct identity){.key = k, .agents = true};
	return r;
}

static int listed(struct sluice *s, struct ssh_str reply)
{
	struct agent_keys keys = {0};
	int r = agent_list_parse(reply, &keys);

	for (unsigned int i = 0; r == 0 && i < keys.n && s->n_identities < IDENTITIES_MAX; i++)
		if (!identity_lend(s, keys.v[i].key) && s->set.agent_auth != AGENT_ONLY)
			r = identity_take(s, &keys.v[i]);
	if (r == 0)
		note(s, SLUICE_LOG_VERBOSE, "the agent has %u keys", keys.n);
	agent_keys_free(&keys);
	return r;
}

bool agent_identities(struct sluice *s, uint32_t id)
{
	const char *path = *s->set.identity_agent != '\0' ? s->set.identity_agent : NULL;
	struct agent_bind b;
	int r;

	if (s->set.agent_auth == AGENT_NO || s->login.agent_asked ||
	    (s->set.auth_mode != AUTH_PUBLICKEY && s->set.auth_mode != AUTH_MULTIFACTOR &&
	     !s->set.try_all))
		return false;
	s->login.agent_asked = true;
	if (s->set.agent_auth == AGENT_REQUIRE)
		s->login.next_key = s->n_identities; /* no others */
	r = agent_open(path, &s->agent);
	if (r == 0) {
		b = where(s, false);
		r = b.host != NULL ? ask_bind(s, &b) : ask_list(s);
	}
	if (r < 0)
		note(s, SLUICE_LOG_INFO, "agent: %s", sluice_strerror(r));
	s->agent_id = id;
	return r == 0;
}

/* --- signatures ------------------------------------------------------------------------------- */

int agent_signs(struct sluice *s, const struct key *k, const struct ssh_act *a)
{
	size_t size = KEY_BLOB_MAX + a->sign.data.len + 64, len = 0;
	uint8_t *msg;
	int r;

	if (s->agent == NULL) /* it did not answer before */
		return -EPIPE;
	msg = malloc(size);
	if (msg == NULL)
		return -ENOMEM;
	r = agent_sign_build(k, a->sign.sig_alg, a->sign.data, msg, size, &len);
	if (r == 0)
		r = ask(s, AGENT_SIGNS, msg, len);
	s->agent_id = a->id;
	snprintf(s->agent_alg, sizeof(s->agent_alg), "%s", a->sign.sig_alg);
	secret_wipe(msg, size);
	free(msg);
	return r;
}

static void signed_by(struct sluice *s, int r, struct ssh_str reply)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = 0;

	if (r == 0)
		r = agent_sign_parse(reply, s->agent_alg, sig, &len);
	login_signed(s, s->agent_id, r, sig, len);
	secret_wipe(sig, sizeof(sig));
}

/* --- an answer -------------------------------------------------------------------------------- */

static void answered(struct sluice *s, enum agent_doing was, int r, struct ssh_str reply)
{
	const struct ssh_act go_on = {.kind = SSH_ACT_LOGIN, .id = s->agent_id};

	if (was == AGENT_SIGNS) {
		signed_by(s, r, reply);
		return;
	}
	if (was == AGENT_BINDS && r == 0) { /* one that does not know of it is no worse for it */
		r = agent_done_parse(reply);
		if (r < 0)
			note(s, SLUICE_LOG_VERBOSE, "agent: session-bind: %s", sluice_strerror(r));
		r = ask_list(s);
		if (r == 0)
			return;
	} else if (r == 0) {
		r = listed(s, reply);
	}
	if (r < 0)
		note(s, SLUICE_LOG_INFO, "agent: %s", sluice_strerror(r));
	login_next(s, &go_on);
}

bool agent_turn(struct sluice *s)
{
	enum agent_doing was = s->agent_doing;
	struct ssh_str reply = {0};
	int r;

	if (was == AGENT_NOTHING)
		return false;
	r = agent_step(s->agent, &reply);
	if (r == -EAGAIN && now_ms() < s->agent_due)
		return false;
	s->agent_doing = AGENT_NOTHING;
	s->moved_ms = now_ms();
	if (r == -EAGAIN)
		r = -ETIMEDOUT;
	if (r < 0) { /* what came later would be taken for the next answer */
		agent_close(s->agent);
		s->agent = NULL;
	}
	answered(s, was, r, reply);
	return true;
}

void agent_drop(struct sluice *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_identities; i++) {
		struct identity *own = &s->identity[i];

		if (own->lent)
			own->lent = own->agents = false;
		if (own->agents)
			sluice_key_free((struct sluice_key *)own->key);
		else
			s->identity[n++] = *own;
	}
	s->n_identities = n;
	s->agent_doing = AGENT_NOTHING;
	agent_close(s->agent);
	s->agent = NULL;
}

/* --- forwarded -------------------------------------------------------------------------------- */

static int forwarded(struct sluice *s, const char *path, int *ret_fd)
{
	const struct agent_bind b = where(s, true);
	struct agent *a;
	int r = agent_open(path, &a);

	if (r < 0)
		return r;
	if (b.host != NULL)
		r = agent_bind(a, &b, FORWARD_MS);
	if (r == 0 || r == -ENOTSUP || r == -EACCES) /* it does not know of it */
		r = agent_fd_take(a);
	if (r < 0) {
		agent_close(a);
		return r;
	}
	*ret_fd = r;
	return 0;
}

/* The same without waiting: what the agent makes of it is left to be read. */
static int forwarded_soon(struct sluice *s, const char *path, int *ret_fd)
{
	const struct agent_bind b = where(s, true);
	uint8_t *msg = NULL;
	struct agent *a;
	size_t len;
	int r = agent_open(path, &a), fd;

	if (r < 0)
		return r;
	if (b.host != NULL)
		r = bind_build(&b, &msg, &len);
	if (msg != NULL)
		r = agent_tell(a, msg, len);
	free(msg);
	fd = r == 0 ? agent_fd_take(a) : r;
	if (fd < 0) {
		agent_close(a);
		return fd;
	}
	*ret_fd = fd;
	return b.host != NULL;
}

typedef int (*forward_fn)(struct sluice *s, const char *path, int *ret_fd);

static int forward(struct sluice *s, forward_fn how, const char *path, int *ret_fd)
{
	int r;

	enter(s);
	if (path == NULL && *s->set.identity_agent != '\0')
		path = s->set.identity_agent;
	r = s->state != STATE_UP ? -SLUICE_E_STATE : how(s, path, ret_fd);
	leave(s);
	return r;
}

int sluice_agent_open(struct sluice *s, const char *path, int *ret_fd)
{
	return forward(s, forwarded, path, ret_fd);
}

int sluice_agent_begin(struct sluice *s, const char *path, int *ret_fd)
{
	return forward(s, forwarded_soon, path, ret_fd);
}

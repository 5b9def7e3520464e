/*
 * control/session/hostkeys.c - tells clients of all host keys, and proves that they are ours.
 *
 * Source  OpenSSH PROTOCOL section 2.5: hostkeys-00@openssh.com after authentication, and
 *         hostkeys-prove-00@openssh.com in answer to it, so that a client may learn the key it
 *         will be shown tomorrow.
 *
 * Signatures are made one after the other; until the last, nothing else of the connection is read,
 * so that answers to global requests keep their order (RFC 4254 section 4).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/named.h"

struct signer *hostkeys_signer(const struct session *s)
{
	return s->table->env->keys.set[s->keyset].signer;
}

/* Is it among those that were named? */
static bool is_named(const char *marks, const struct key *k, bool *ret_any)
{
	char print[96] = "";

	*ret_any = false;
	if (marks == NULL)
		return false;
	(void)!key_fingerprint(key_plain(k), print, sizeof(print));
	for (; *marks != '\0'; marks += strlen(marks) + 1) {
		if (*marks != CONF_MARK_HOST_KEY && *marks != CONF_MARK_HOST_FILE)
			continue;
		*ret_any = true;
		if (strcmp(marks + 1, print) == 0)
			return true;
	}
	return false;
}

/*
 * Whom no Match gives keys of its own has those that stand outside of it. Those are known by the
 * signer: it may have another file than control has by now.
 */
static bool is_configured(const struct session *s, const struct signer *signer, const struct key *k)
{
	const struct conf_session *c = &s->awake->conf;
	bool apart = conf_host_keys_apart(c);

	for (unsigned int i = 0; i < signer_count(signer); i++) {
		const char *path = signer_path(signer, i);

		if (key_equal(signer_public(signer, i), key_plain(k)) &&
		    (apart ? path != NULL && conf_host_keys_have(c, path)
			   : !signer_apart(signer, i)))
			return true;
	}
	return false;
}

bool hostkeys_fit(const struct session *s, const char *marks, const struct signer *signer,
		  const struct key *k)
{
	bool any, named = is_named(marks, k, &any);

	return any ? named : is_configured(s, signer, k);
}

struct offer {
	const struct session *s;
	const char *marks;
};

static bool is_offered(const struct key *k, const void *arg)
{
	const struct offer *o = arg;

	return hostkeys_fit(o->s, o->marks, hostkeys_signer(o->s), k);
}

int hostkeys_offer(struct session *s, const char *marks)
{
	const struct offer o = {s, marks};

	return ssh_brain_offer(s->awake->brain, is_offered, &o);
}

int hostkeys_add_named(struct session *s)
{
	struct ssh_brain *b = s->awake->brain;
	const struct named_key *k;
	const char *at = NULL;
	int r = 0;

	while (r == 0 && (k = named_next(s, &at)) != NULL) {
		r = ssh_brain_hostkey_add(b, k->pub);
		for (unsigned int i = 0; r == 0 && i < k->certs.n; i++)
			r = ssh_brain_hostkey_add(b, k->certs.cert[i]);
	}
	return r;
}

static bool has_key(const struct signer *signer, const struct key *pub)
{
	for (unsigned int i = 0; i < signer_count(signer); i++)
		if (key_equal(signer_public(signer, i), pub))
			return true;
	return false;
}

/*
 * All that a client may be told of, each once: the signer's keys by their numbers, and behind them,
 * of its own signer, those that were named by their files. NULL: there are no more.
 */
static const struct key *shown_at(const struct session *s, const struct signer *signer,
				  unsigned int i)
{
	const struct named_key *k;
	const char *at = NULL;

	if (i < signer_count(signer))
		return signer_public(signer, i);
	i -= signer_count(signer);
	if (signer != hostkeys_signer(s))
		return NULL;
	while ((k = named_next(s, &at)) != NULL)
		if (!has_key(signer, k->pub) && i-- == 0)
			return k->pub;
	return NULL;
}

/*
 * Once: a second announcement, of keys that came while it lives, would end it, as OpenSSH's client
 * takes it for a mistake of ours. It learns them by its next connection, as long as the key it
 * knows stands beside them.
 */
void hostkeys_announce(struct session *s)
{
	const struct signer *signer = keyset_now(&s->table->env->keys)->signer;
	const struct key *k;
	size_t max = 64, len;
	uint8_t *buf;
	struct ssh_wr w;

	for (unsigned int i = 0; (k = shown_at(s, signer, i)) != NULL; i++) {
		(void)key_blob(k, &len);
		max += 4 + len;
	}
	buf = malloc(max);
	if (buf == NULL)
		return; /* nobody waits for it */
	ssh_wr_init(&w, buf, max);
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "hostkeys-00@openssh.com");
	ssh_wr_bool(&w, false);
	for (unsigned int i = 0; (k = shown_at(s, signer, i)) != NULL; i++) {
		struct ssh_str blob;

		if (!hostkeys_fit(s, s->awake->marks, signer, k))
			continue;
		blob.p = key_blob(k, &len);
		blob.len = (uint32_t)len;
		ssh_wr_str(&w, blob);
	}
	(void)ssh_brain_send(s->awake->brain, buf, ssh_wr_done(&w));
	free(buf);
}

/* --- proofs ---------------------------------------------------------------------------------- */

bool hostkeys_busy(const struct session *s)
{
	return s->awake->proof.open;
}

void hostkeys_clear(struct session *s)
{
	if (s->awake->proof.open)
		keyset_release(&s->table->env->keys, s->awake->proof.keyset);
	free(s->awake->proof.buf);
	s->awake->proof = (struct proof){0};
}

static void finish(struct session *s, bool ok)
{
	struct proof *p = &s->awake->proof;

	(void)ssh_brain_global_answer(s->awake->brain, ok, ok ? p->buf : NULL, ok ? p->len : 0);
	hostkeys_clear(s);
}

/*
 * An RSA key signs as it did in the key exchange, where it did; else by the hash that every client
 * with SHA-2 knows.
 */
static const char *alg_of(const struct session *s, const struct key *k)
{
	const char *plain = key_sig_alg_plain(s->awake->kex.hostkey);

	if (plain != NULL && key_sig_alg_fits(k, plain))
		return plain;
	return key_sig_alg_of(k, 0);
}

static void prove_next(struct session *s);

static void proved(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	struct session *s = session_find(caller->arg, &caller->conn);
	struct proof *p;
	struct ssh_wr w;

	if (s == NULL || !s->awake->proof.open)
		return;
	p = &s->awake->proof;
	if (err < 0) {
		session_log(s, LOG_L_ERROR, "signing a proof for %s port %u failed: error %d",
			    s->awake->peer_text, s->peer.port, -err);
		finish(s, false);
	} else {
		ssh_wr_init(&w, p->buf + p->len, 4 + len);
		ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)len});
		p->len += ssh_wr_done(&w);
		prove_next(s);
	}
	session_pump(s);
}

static void prove_next(struct session *s)
{
	struct session_env *env = s->table->env;
	struct proof *p = &s->awake->proof;
	struct signer *signer = env->keys.set[p->keyset].signer;
	struct signer_caller caller = {env, s->ref, 0};
	struct ssh_str session_id = ssh_brain_session_id(s->awake->brain);
	const struct key *k;

	if (p->at == p->n) {
		finish(s, true);
		return;
	}
	k = shown_at(s, signer, p->key[p->at++]);
	if (signer_prove(signer, k, alg_of(s, k), session_id.p, session_id.len,
			 env->now_ms() + SIGN_MS, &caller, proved) < 0)
		finish(s, false);
}

/* Which of our keys it is, of those that he is shown; -ENOENT. */
static int key_index(const struct session *s, const struct signer *signer, struct ssh_str blob)
{
	const struct key *k;

	for (unsigned int i = 0; (k = shown_at(s, signer, i)) != NULL; i++) {
		size_t len;
		const uint8_t *own = key_blob(k, &len);

		if (blob.len == len && memcmp(blob.p, own, len) == 0 &&
		    hostkeys_fit(s, s->awake->marks, signer, k))
			return (int)i;
	}
	return -ENOENT;
}

/* The keys asked about, each once: all of them ours. */
static bool keys_take(const struct session *s, const struct signer *signer, struct ssh_str rest,
		      struct proof *p)
{
	bool seen[PROOF_KEYS_MAX] = {false};
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	while (!r.bad && r.p < r.end) {
		int i = key_index(s, signer, ssh_rd_str(&r));

		if (r.bad || i < 0 || seen[i])
			return false;
		seen[i] = true;
		p->key[p->n++] = (uint8_t)i;
	}
	return !r.bad && p->n > 0;
}

/* Of those of now, which were announced, or those it began with. */
static bool keys_find(const struct session *s, struct ssh_str rest, struct proof *p)
{
	const struct keysets *k = &s->table->env->keys;
	const uint8_t sets[] = {k->now, s->keyset};

	for (size_t i = 0; i < sizeof(sets); i++) {
		*p = (struct proof){.open = true, .keyset = sets[i]};
		if (keys_take(s, k->set[sets[i]].signer, rest, p))
			return true;
	}
	return false;
}

void hostkeys_prove(struct session *s, const struct ssh_chan_request *m)
{
	struct proof p = {0};

	if (!m->want_reply)
		return;
	if (keys_find(s, m->rest, &p))
		p.buf = malloc(p.n * (size_t)(4 + KEY_SIG_MAX));
	if (p.buf == NULL) {
		(void)ssh_brain_global_answer(s->awake->brain, false, NULL, 0);
		return;
	}
	keyset_hold_more(&s->table->env->keys, p.keyset);
	s->awake->proof = p;
	prove_next(s);
}

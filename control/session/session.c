/*
 * control/session/session.c - the life of one: what it is born with, what its brain is told, what
 * is given back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/handled.h"
#include "control/session/named.h"
#include "control/session/rates.h"
#include "control/session/report.h"
#include "control/setup.h"
#include "ssh/kexinit.h"

void session_log_from(const struct log_from *from, const struct session *s, enum log_level level,
		      const char *fmt, ...)
{
	bool forced = log_forced(from, s->awake != NULL ? &s->awake->conf.log_verbose : NULL);
	char text[LOG_LINE_MAX];
	va_list ap;

	if (level > s->log_level && !forced)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_put(from, forced, level, "%s", text);
}

struct source session_source(const struct session *s)
{
	const struct conf_global *g = conf_global(s->table->env->conf);
	const struct source_bits bits = {g->source_bits4, g->source_bits6};

	return source_of(&s->peer, &bits);
}

/* Counted from the beginning, whenever it becomes known what holds. */
int session_silence_begin(struct session *s)
{
	struct session_env *env = s->table->env;
	uint32_t limit = s->awake->conf.handshake_timeout_ms;

	s->awake->heard_ms = env->now_ms();
	if (limit == 0 || s->authenticated) {
		timer_cancel(env->timers, &s->awake->silence);
		return 0;
	}
	return timer_set(env->timers, &s->awake->silence, s->awake->heard_ms + limit);
}

int session_grace_begin(struct session *s)
{
	struct timers *timers = s->table->env->timers;

	if (s->awake->conf.login_grace_time_ms > 0)
		return timer_set(timers, &s->awake->grace,
				 s->began_ms + s->awake->conf.login_grace_time_ms);
	timer_cancel(timers, &s->awake->grace);
	return 0;
}

void session_free(struct session *s)
{
	struct session_env *env = s->table->env;

	gate_drop(s);
	report_closed(s->table, s, NULL, true); /* what nobody heard of has ended by now */
	door_leave(s, 0);                       /* who leaves for a reason of his own has left */
	lapse_end(session_lapse(s), env->timers);
	inside_leave(s);
	forward_fini(s);
	handled_places_forget(s);
	named_leave(s); /* no job and no brain that ends looks at a key */
	if (s->awake != NULL)
		free(s->user);
	else
		past_free(s->past);
	awake_free(s);
	policy_grant_fini(&s->grant);
	open_fini(s);
	grant_fini(s);
	rates_known(s, false);
	keyset_release(&env->keys, s->keyset); /* behind its brain, which borrows them */
	s->table->by_index[s->ref.conn.index] = NULL;
	s->table->count--;
	env->stats.connections--;
	if (s->authenticated)
		env->stats.authenticated--;
	free(s);
}

unsigned int session_auth_methods(const struct session *s)
{
	const struct conf_session *c = &s->awake->conf;
	const struct auth_source *plan[SOURCE_PLAN_MAX];
	bool asks = auth_source_plan(c, plan) > 0 || auth_source_totp.wanted(c) ||
		    login_hook_judges(c);

	return SSH_AUTH_NONE | (c->password_authentication ? SSH_AUTH_PASSWORD : 0) |
	       (c->pubkey_authentication ? SSH_AUTH_PUBLICKEY : 0) |
	       (c->kbdint_authentication && asks ? SSH_AUTH_KBDINT : 0) |
	       (c->hostbased_authentication ? SSH_AUTH_HOSTBASED : 0) |
	       (c->gssapi_authentication ? SSH_AUTH_GSSAPI_KEYEX | SSH_AUTH_GSSAPI_MIC : 0);
}

struct ssh_rekey_limit session_rekey_limit(const struct session *s)
{
	return (struct ssh_rekey_limit){.bytes = s->awake->conf.rekey_bytes,
					.seconds = s->awake->conf.rekey_ms / 1000 +
						   (s->awake->conf.rekey_ms % 1000 > 0)};
}

/* The list, where one was given, goes before Compression. */
static const char *comp_algs(const struct session *s, const struct conf_global *g)
{
	const char *list = g->compression_algorithms;

	if (s->no_comp)
		return "none";
	if (g->compression == CONF_COMPRESSION_NO &&
	    (list == NULL || strcmp(list, SSH_DEFAULT_COMP) == 0))
		return "none";
	return list;
}

/*
 * What is made of a configuration for all its brains: that of now has it made already. Without
 * memory for it there is no list.
 */
struct made {
	char ident[512];
	char *kex; /* NULL: KexAlgorithms */
};

static int made_of(const struct session *s, struct made *ret)
{
	const struct session_env *env = s->table->env;
	int r = 0;

	ret->kex = NULL;
	if (session_conf(s) != env->conf) {
		r = setup_ident(session_conf(s), ret->ident, sizeof(ret->ident));
		return r == 0 ? setup_kex_list(session_conf(s), &ret->kex) : r;
	}
	snprintf(ret->ident, sizeof(ret->ident), "%s", env->ident);
	if (env->kex == NULL)
		return 0;
	ret->kex = strdup(env->kex);
	return ret->kex != NULL ? 0 : -ENOMEM;
}

static bool any_fits(const struct session *s, const char *marks, const struct signer *signer)
{
	for (unsigned int i = 0; i < signer_count(signer); i++)
		if (hostkeys_fit(s, marks, signer, signer_public(signer, i)))
			return true;
	return false;
}

/*
 * Which are offered is said once its version is known: hostkeys_offer(). Of one that was there
 * before, the keys of now may have none that was named under others, or that its HostKey names.
 */
static int hostkeys_add(struct session *s, const struct keyset *keys)
{
	const struct signer *signer = keys->signer;
	struct awake *a = s->awake;
	bool named = named_count(s) > 0;
	const char *marks = named || any_fits(s, a->marks, signer) ? a->marks : NULL;
	bool all = a->version == NULL || (!named && !any_fits(s, marks, signer));
	int r = hostkeys_add_named(s);

	for (unsigned int i = 0; r == 0 && i < signer_count(signer); i++)
		if (all || hostkeys_fit(s, marks, signer, signer_public(signer, i)))
			r = ssh_brain_hostkey_add(a->brain, signer_public(signer, i));
	for (unsigned int i = 0; r == 0 && i < keys->certs.n; i++)
		if (all || hostkeys_fit(s, marks, signer, keys->certs.cert[i]))
			r = ssh_brain_hostkey_add(a->brain, keys->certs.cert[i]);
	return r;
}

int session_brain_new(struct session *s)
{
	struct session_env *env = s->table->env;
	const struct conf_global *g = conf_global(session_conf(s));
	struct made made;
	const struct keyset *keys = &env->keys.set[s->keyset];
	struct ssh_brain_conf c = {
		.role = SSH_SERVER,
		.ident = made.ident,
		.gss_strict = g->gssapi_strict,
		.hostkey_algs = g->hostkey_algorithms,
		.ciphers = g->ciphers,
		.macs = g->macs,
		.comp_algs = comp_algs(s, g),
		.strict = (enum ssh_strict)g->strict_kex,
		.gex = {g->gex_min, g->gex_n, g->gex_max},
		.moduli = env->moduli,
		.rekey = session_rekey_limit(s),
		.server_sig_algs = s->awake->conf.pubkey_accepted,
		.server_sig_algs_any = g->pubkey_accepted_any,
		.hostbased_algs = g->hostbased_accepted_any,
		/* Which of them is known with the user, who is named by the first request. */
		.auth_methods = SSH_AUTH_NONE | SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY |
				SSH_AUTH_KBDINT | SSH_AUTH_HOSTBASED | SSH_AUTH_GSSAPI_KEYEX |
				SSH_AUTH_GSSAPI_MIC,
		.max_auth_tries = s->awake->conf.max_auth_tries,
		.retry_after = g->retry_after_ms / 1000,
	};
	int r = made_of(s, &made);

	_Static_assert((int)SSH_STRICT_OFF == (int)CONF_STRICT_KEX_OFF &&
			       (int)SSH_STRICT_REQUIRE == (int)CONF_STRICT_KEX_REQUIRE,
		       "two names of one thing");
	if (r == 0) {
		c.kex_algs = made.kex != NULL ? made.kex : g->kex;
		if (s->awake->ident != NULL)
			c.ident = s->awake->ident;
		r = ssh_brain_new(&c, &s->awake->brain);
	}
	if (r == 0)
		s->awake->moduli = moduli_get(env->moduli);
	free(made.kex);
	return r == 0 ? hostkeys_add(s, keys) : r;
}

const char *zoned_text(const struct conf *conf, const struct link_addr *a, char buf[CONF_ZONE_TEXT])
{
	struct conf_addr c = {.family = a->family, .scope = a->scope};

	memcpy(c.addr, a->addr, sizeof(c.addr));
	return conf_zone_text(conf_dataplane(conf), &c, buf);
}

const char *session_peer_text(const struct session *s, char buf[CONF_ZONE_TEXT])
{
	if (s->awake != NULL)
		return s->awake->peer_text;
	return zoned_text(s->table->env->conf, &s->peer, buf);
}

const char *session_user(const struct session *s)
{
	if (s->user == NULL)
		return "";
	return s->awake != NULL ? s->user : past_user(s->past);
}

/* That of the listener it came by, which no reload changes. */
static const char *rdomain_of(const struct session *s, uint32_t listener)
{
	const struct conf_global *g = conf_global(s->table->env->conf);

	return listener < g->n_listens ? g->listens[listener].rdomain : "";
}

int session_fill(struct session *s, const struct link_conn_new *ev)
{
	struct session_env *env = s->table->env;
	struct conf_match_ctx ctx = {0};
	int r;

	s->uid = (uint64_t)ev->uid_high << 32 | ev->uid_low;
	s->no_comp = ev->no_comp != 0;
	s->peer = ev->peer;
	s->local = ev->local;
	addr_unmap(&s->peer);
	addr_unmap(&s->local);
	s->began_ms = env->now_ms();
	r = awake_new(s);
	if (r < 0)
		return r;
	strcpy(s->awake->rdomain, rdomain_of(s, ev->listener));
	ctx.addr = s->awake->peer_addr;
	ctx.laddr = s->awake->local_addr;
	ctx.lport = s->local.port;
	ctx.rdomain = s->awake->rdomain;
	r = conf_session_for(env->conf, &ctx, &s->awake->conf);
	if (r < 0)
		return r;
	s->log_level = (uint8_t)s->awake->conf.log_level & 7;
	r = session_brain_new(s);
	if (r == 0)
		r = ssh_brain_start(s->awake->brain);
	if (r == 0)
		r = session_silence_begin(s);
	return r == 0 ? session_grace_begin(s) : r;
}

struct session *session_new(struct session_table *t, const struct link_handle *conn)
{
	struct session *s = calloc(1, sizeof(*s));

	_Static_assert((int)LOG_L_QUIET == (int)CONF_LOG_QUIET &&
			       (int)LOG_L_DEBUG3 == (int)CONF_LOG_DEBUG3,
		       "two names of one thing");
	if (s == NULL)
		return NULL;
	s->table = t;
	s->ref = (struct conn_ref){*conn, ++t->env->last_serial};
	s->log_level = (uint8_t)log_threshold();
	s->keyset = keyset_hold(&t->env->keys);
	t->by_index[conn->index] = s;
	t->count++;
	t->env->stats.connections++;
	t->env->stats.accepted++;
	return s;
}

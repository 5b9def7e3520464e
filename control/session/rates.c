/*
 * control/session/rates.c - what a connection may move in a second, as its shard is told: at its
 * login, and again when another configuration says otherwise.
 */
#include "control/session/rates.h"

#include <string.h>

#include "control/session/internal.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

static void rate_of(const struct conf_rate *r, struct link_rate ret[LINK_WAYS])
{
	ret[LINK_IN] = (struct link_rate){.rate = r->in, .burst = r->burst};
	ret[LINK_OUT] = (struct link_rate){.rate = r->out, .burst = r->burst};
}

static bool has_rate(const struct conf_rate *r)
{
	return r->in != 0 || r->out != 0;
}

/* Nobody finds another name that has it: names are hashed with a secret of ours. */
static uint64_t group_key(const struct session *s, const char *kind, const char *name)
{
	uint8_t digest[HASH_LEN_MAX], secret[BLOB_KEY_LEN];
	const struct hash_piece piece[] = {{secret, sizeof(secret)}, {name, strlen(name)}};
	uint64_t key = 0;

	if (blob_key_derive(s->table->env->blob_key, kind, secret) == 0 &&
	    hash_digest(HASH_SHA256, piece, 2, digest) == 0)
		memcpy(&key, digest, sizeof(key));
	secret_wipe(secret, sizeof(secret));
	return key;
}

/* Where there is no key to be had each connection has the rate for itself. */
static void group_of(const struct session *s, const char *kind, const char *name,
		     const struct conf_rate *r, struct link_group *ret)
{
	if (name == NULL || !has_rate(r))
		return;
	rate_of(r, ret->rate);
	ret->key = group_key(s, kind, name);
	if (ret->key == 0)
		ret->key = s->uid;
}

/* False: there is no cap. */
static bool caps_of(const struct session *s, const struct conf_session *c, struct link_caps *ret)
{
	*ret = (struct link_caps){0};
	rate_of(&c->channel_rate, ret->channel);
	rate_of(&c->connection_rate, ret->conn);
	group_of(s, "user rate", session_user(s), &c->user_rate, &ret->group[0]);
	group_of(s, "role rate", c->role_rate.name, &c->role_rate.rate, &ret->group[1]);
	return has_rate(&c->channel_rate) || has_rate(&c->connection_rate) ||
	       ret->group[0].key != 0 || ret->group[1].key != 0;
}

void rates_send(struct session *s, const struct conf_session *c)
{
	struct link_caps m;
	bool any = caps_of(s, c, &m);

	if (any || s->has_rates)
		item_body(s, LINK_IT_CAPS, &m, sizeof(m));
	s->has_rates = any;
}

bool rates_differ(const struct session *s, const struct conf_session *a,
		  const struct conf_session *b)
{
	struct link_caps was, is;

	(void)caps_of(s, a, &was);
	(void)caps_of(s, b, &is);
	return memcmp(&was, &is, sizeof(was)) != 0;
}

/*
 * control/session/rates.c - what a connection may move in a second, its part where there is not
 * enough, and what it may have in flight, as its shard is told: at its login, and again when
 * another configuration says otherwise.
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

/*
 * Nobody finds another name that has it: names, one within another, are hashed with a secret of
 * ours. 0: there is none to be had.
 */
static uint64_t group_key(const struct session *s, const char *kind, const char *in,
			  const char *name)
{
	uint8_t digest[HASH_LEN_MAX], secret[BLOB_KEY_LEN];
	const struct hash_piece piece[] = {
		{secret, sizeof(secret)}, {in, strlen(in) + 1}, {name, strlen(name)}};
	uint64_t key = 0;

	if (blob_key_derive(s->table->env->blob_key, kind, secret) == 0 &&
	    hash_digest(HASH_SHA256, piece, 3, digest) == 0)
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
	ret->key = group_key(s, kind, "", name);
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

/* False: it is one among all, as anybody. */
static bool shares_of(const struct session *s, const struct conf_session *c,
		      struct link_shares *ret)
{
	const char *role = c->role_share.name, *user = session_user(s);

	*ret = (struct link_shares){.own = (uint16_t)c->connection_share};
	if (role != NULL)
		ret->role_key = group_key(s, "role share", "", role);
	if (c->user_share != 0 && user != NULL)
		ret->user_key = group_key(s, "user share", role != NULL ? role : "", user);
	if (ret->role_key != 0)
		ret->role = (uint16_t)c->role_share.share;
	if (ret->user_key != 0)
		ret->user = (uint16_t)c->user_share;
	return ret->own != 1 || ret->role_key != 0 || ret->user_key != 0;
}

/* Without a key each connection has the bound for itself. */
static struct link_bound bound_of(const struct session *s, const char *kind, const char *name,
				  uint64_t max)
{
	struct link_bound b = {.max = max};

	if (name == NULL || max == 0)
		return (struct link_bound){0};
	b.key = group_key(s, kind, "", name);
	if (b.key == 0)
		b.key = s->uid;
	return b;
}

/* False: there is no bound. */
static bool flight_of(const struct session *s, const struct conf_session *c,
		      struct link_flight *ret)
{
	const struct source from = session_source(s);
	char source[SOURCE_TEXT_MAX];

	*ret = (struct link_flight){.max = c->max_flight_per_connection};
	ret->group[LINK_FLIGHT_USER] =
		bound_of(s, "user flight", session_user(s), c->max_flight_per_user);
	ret->group[LINK_FLIGHT_SOURCE] =
		bound_of(s, "source flight", source_text(&from, source), c->max_flight_per_source);
	return ret->max != 0 || ret->group[LINK_FLIGHT_USER].key != 0 ||
	       ret->group[LINK_FLIGHT_SOURCE].key != 0;
}

void rates_send(struct session *s, const struct conf_session *c)
{
	bool capped, shared, bounded, had = s->has_rates;
	struct link_shares shares;
	struct link_flight flight;
	struct link_caps caps;

	capped = caps_of(s, c, &caps);
	shared = shares_of(s, c, &shares);
	bounded = flight_of(s, c, &flight);
	if (capped || had)
		item_body(s, LINK_IT_CAPS, &caps, sizeof(caps));
	if (shared || had)
		item_body(s, LINK_IT_SHARES, &shares, sizeof(shares));
	if (bounded || had)
		item_body(s, LINK_IT_FLIGHT, &flight, sizeof(flight));
	rates_known(s, capped || shared || bounded);
}

void rates_known(struct session *s, bool has)
{
	struct session_env *env = s->table->env;

	env->n_rated = env->n_rated - s->has_rates + has;
	s->has_rates = has;
}

bool rates_differ(const struct session *s, const struct conf_session *a,
		  const struct conf_session *b)
{
	struct link_shares shares[2];
	struct link_flight flight[2];
	struct link_caps caps[2];

	(void)flight_of(s, a, &flight[0]);
	(void)flight_of(s, b, &flight[1]);
	(void)caps_of(s, a, &caps[0]);
	(void)caps_of(s, b, &caps[1]);
	(void)shares_of(s, a, &shares[0]);
	(void)shares_of(s, b, &shares[1]);
	return memcmp(&caps[0], &caps[1], sizeof(caps[0])) != 0 ||
	       memcmp(&shares[0], &shares[1], sizeof(shares[0])) != 0 ||
	       memcmp(&flight[0], &flight[1], sizeof(flight[0])) != 0;
}

/* dataplane/tcp/table.c - the 4-tuple: keys, the keyed hash, ISNs, local ports. */
#include "dataplane/tcp/internal.h"

#include <string.h>

#include "dataplane/tcp/siphash.h"

/*
 * RFC 6056 section 3.2: as many as can be, above the services. With TCP_TW_REUSE_US so many
 * connections a second can go from one address to one port of one target.
 */
#define PORT_N     (65536 - TCP_PORT_MIN)
#define PORT_TRIES 8192 /* a connect costs no more than this */

/* One secret, three uses: a word that is never a tuple's keeps them apart, or their number. */
enum { USE_ISS = 1, USE_TS, USE_PORT };

/*
 * The scope of a link-local address goes where it must have zeros (RFC 4291 2.5.6): the same peer
 * on two links is two peers, and a key stays as short as it is.
 */
static void addr_words(const struct net_addr *a, uint64_t w[2])
{
	memcpy(w, a->b, sizeof(a->b));
	w[0] ^= rte_cpu_to_be_64(a->scope);
}

void tcp_key_make(const struct net_addr *local, uint16_t local_port, const struct net_addr *peer,
		  uint16_t peer_port, struct tcp_key *ret)
{
	addr_words(local, ret->local);
	addr_words(peer, ret->peer);
	ret->ports = (uint32_t)local_port << 16 | peer_port;
	ret->family = peer->family;
}

static uint64_t key_prf(const struct tcp *t, const struct tcp_key *k, uint64_t use)
{
	uint64_t w[6] = {k->local[0],
			 k->local[1],
			 k->peer[0],
			 k->peer[1],
			 (uint64_t)k->family << 32 | k->ports,
			 use};

	return siphash_words(t->conf.secret, w, RTE_DIM(w));
}

/* Per packet, so IPv4 is packed; the lengths differ and so the two families do not meet. */
uint64_t tcp_key_hash(const struct tcp *t, const struct tcp_key *k)
{
	uint64_t w[5] = {k->local[0] | k->peer[0] << 32, k->ports};

	if (k->family == 4)
		return siphash_table(t->conf.secret, w, 2);
	w[0] = k->local[0];
	w[1] = k->local[1];
	w[2] = k->peer[0];
	w[3] = k->peer[1];
	w[4] = k->ports;
	return siphash_table(t->conf.secret, w, 5);
}

bool tcp_key_eq(const struct tcp_key *a, const struct tcp_key *b)
{
	return ((a->local[0] ^ b->local[0]) | (a->local[1] ^ b->local[1]) |
		(a->peer[0] ^ b->peer[0]) | (a->peer[1] ^ b->peer[1]) | (a->ports ^ b->ports) |
		(a->family ^ b->family)) == 0;
}

struct tcp_conn *tcp_lookup(const struct tcp *t, const struct tcp_key *k, uint64_t hash)
{
	uint32_t i = t->buckets[hash & t->bucket_mask];

	while (i != 0) {
		struct tcp_conn *c = &t->conns[i - 1];

		if (tcp_key_eq(&c->key, k))
			return c;
		i = c->next;
	}
	return NULL;
}

void tcp_hash_insert(struct tcp *t, struct tcp_conn *c)
{
	uint32_t *b = &t->buckets[tcp_key_hash(t, &c->key) & t->bucket_mask];

	c->next = *b;
	*b = (uint32_t)(c - t->conns) + 1;
	c->hashed = true;
	if (t->port_users != NULL)
		t->port_users[c->key.ports >> 16]++;
}

void tcp_hash_remove(struct tcp *t, struct tcp_conn *c)
{
	uint32_t *b = &t->buckets[tcp_key_hash(t, &c->key) & t->bucket_mask];
	uint32_t self = (uint32_t)(c - t->conns) + 1;

	if (!c->hashed)
		return;
	while (*b != self)
		b = &t->conns[*b - 1].next;
	*b = c->next;
	c->hashed = false;
	if (t->port_users != NULL)
		t->port_users[c->key.ports >> 16]--;
}

/* RFC 6528: ISN = M + F(tuple, secret); M ticks every 4 microseconds (RFC 9293 3.4.1). */
uint32_t tcp_iss(const struct tcp *t, const struct tcp_key *k, uint64_t now_us)
{
	if (t->conf.iss_for_test != NULL)
		return t->conf.iss_for_test(t->conf.iss_arg);
	return (uint32_t)(now_us / 4) + (uint32_t)key_prf(t, k, USE_ISS);
}

/*
 * RFC 7323 section 7.1: timestamps begin at a keyed place, so that they do not tell the time
 * since start, and stay monotone over the connections of one tuple.
 */
uint32_t tcp_ts_offset(const struct tcp *t, uint64_t hash)
{
	return (uint32_t)siphash_words(t->conf.secret, (uint64_t[2]){hash, USE_TS}, 2);
}

/* Those that hold a port included. */
static bool is_listener(const struct tcp *t, uint16_t port)
{
	return t->listeners_of[port] != 0;
}

/* Two shards never have a tuple in common, so neither needs to know of the other's. */
static bool comes_home(const struct tcp *t, unsigned int base, const struct net_addr *local,
		       uint16_t port)
{
	const struct tcp_conf *c = &t->conf;

	if (c->spread == NULL)
		return true;
	if (c->steer != NULL && c->steer->n > 0) {
		int shard = spread_steer_find(c->steer, local, port);

		if (shard >= 0)
			return shard == c->shard;
	}
	return c->spread->shard[spread_entry_dport(c->spread, base, local->family, port)] ==
	       c->shard;
}

/*
 * RFC 6056 section 3.3.3. A port of another shard is passed over by two loads, and one in as many
 * as there are shards is ours; what costs is to look whether that is in use.
 */
uint16_t tcp_port_pick(struct tcp *t, const struct net_addr *local, const struct net_addr *peer,
		       uint16_t peer_port, struct tcp_tw **ret_old)
{
	unsigned int base = 0, tries = 0;
	struct tcp_key k;
	uint32_t offset;

	tcp_key_make(local, 0, peer, peer_port, &k);
	offset = (uint32_t)key_prf(t, &k, USE_PORT);
	if (t->conf.spread != NULL)
		base = spread_entry(t->conf.spread, peer, local, peer_port, 0);
	for (uint32_t i = 0; i < PORT_N && tries < PORT_TRIES; i++) {
		uint16_t port = (uint16_t)(TCP_PORT_MIN + (offset + t->port_next++) % PORT_N);
		struct tcp_tw *w;
		uint64_t hash;

		if (!comes_home(t, base, local, port))
			continue;
		tries++;
		k.ports = (uint32_t)port << 16 | peer_port;
		hash = tcp_key_hash(t, &k);
		if (tcp_lookup(t, &k, hash) != NULL || is_listener(t, port))
			continue;
		w = tcp_tw_lookup(t, &k, hash);
		if (w == NULL || tcp_tw_reusable(t, w, t->now_us)) {
			*ret_old = w;
			return port;
		}
	}
	tcp_count(t, TCP_C_NO_PORT);
	return 0;
}

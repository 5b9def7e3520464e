/* dataplane/tcp/cookie.c - SYN cookies. See cookie.h. */
#include "dataplane/tcp/cookie.h"

#include <string.h>

#include "dataplane/tcp/seq.h"
#include "dataplane/tcp/siphash.h"

#define PARITY_SHIFT 31
#define MSS_SHIFT    28
#define MAC_MASK     UINT32_C(0x0fffffff)

/* The low bits of a timestamp. */
#define OPT_MASK      63u
#define OPT_NO_WSCALE 15u
#define OPT_SACK      16u
#define OPT_ECN       32u
#define OPT_NONE      64u /* in the hash, of peers without timestamps */

void tcp_cookies_init(struct tcp_cookies *s, const uint64_t secret[2], uint16_t mss_min)
{
	/*
	 * Behind the least, what paths are made of: the default (RFC 9293 3.7.1), IPv6's least
	 * MTU, tunnels, PPPoE and Ethernet of both families, jumbo frames.
	 */
	static const uint16_t common[TCP_COOKIE_MSS - 1] = {536,  1220, 1360, 1400,
							    1440, 1460, 8940};

	memset(s, 0, sizeof(*s));
	memcpy(s->secret, secret, sizeof(s->secret));
	s->key_epoch[0] = s->key_epoch[1] = UINT64_MAX;
	s->mss[0] = mss_min;
	for (int i = 1; i < TCP_COOKIE_MSS; i++)
		s->mss[i] = common[i - 1] > mss_min ? common[i - 1] : mss_min;
}

/*
 * The secret of an epoch. Nothing else hashes three words of which the last is 0 (table.c,
 * source.c), so the stack's secret serves again.
 */
static const uint64_t *key_of(struct tcp_cookies *s, uint64_t epoch)
{
	uint64_t *key = s->key[epoch & 1];

	if (s->key_epoch[epoch & 1] != epoch) {
		for (uint64_t i = 0; i < 2; i++)
			key[i] = siphash_words(s->secret, (uint64_t[3]){epoch, i, 0}, 3);
		s->key_epoch[epoch & 1] = epoch;
	}
	return key;
}

static uint64_t mac(const uint64_t *key, const struct tcp_cookie *c, unsigned int mss,
		    unsigned int opt)
{
	const uint64_t w[2] = {c->tuple, (uint64_t)c->irs << 32 | mss << 8 | opt};

	return siphash_words(key, w, 2);
}

static uint32_t isn(uint64_t epoch, unsigned int mss, uint64_t hash)
{
	return (uint32_t)(epoch & 1) << PARITY_SHIFT | mss << MSS_SHIFT |
	       ((uint32_t)hash & MAC_MASK);
}

static unsigned int mss_index(const struct tcp_cookies *s, uint16_t mss)
{
	unsigned int i = TCP_COOKIE_MSS - 1;

	while (i > 0 && s->mss[i] > mss)
		i--;
	return i;
}

static unsigned int opt_bits(const struct tcp_cookie *c)
{
	if (!c->ts)
		return OPT_NONE;
	return (c->has_wscale ? c->wscale : OPT_NO_WSCALE) | (c->sack ? OPT_SACK : 0) |
	       (c->ecn ? OPT_ECN : 0);
}

uint32_t tcp_cookie_make(struct tcp_cookies *s, const struct tcp_cookie *c, uint64_t now_us,
			 uint32_t *ts)
{
	uint64_t epoch = now_us / TCP_COOKIE_US;
	unsigned int mss = mss_index(s, c->mss), opt = opt_bits(c);

	s->sent_until_us = (epoch + 2) * TCP_COOKIE_US;
	if (c->ts) {
		uint32_t with = (*ts & ~OPT_MASK) | opt;

		*ts = seq_gt(with, *ts) ? with - (OPT_MASK + 1) : with;
	}
	return isn(epoch, mss, mac(key_of(s, epoch), c, mss, opt));
}

/* The slot is chosen by bits that the ISN does not show. */
static bool first_time(struct tcp_cookies *s, uint64_t hash)
{
	uint64_t *slot = &s->seen[hash >> 32 & (TCP_COOKIE_SEEN - 1)];

	if (*slot == hash)
		return false;
	*slot = hash;
	return true;
}

bool tcp_cookie_take(struct tcp_cookies *s, uint32_t iss, uint32_t ts_ecr, uint64_t now_us,
		     struct tcp_cookie *c)
{
	uint64_t epoch = now_us / TCP_COOKIE_US, hash;
	unsigned int mss = iss >> MSS_SHIFT & (TCP_COOKIE_MSS - 1);
	unsigned int opt = c->ts ? ts_ecr & OPT_MASK : OPT_NONE;

	if ((epoch & 1) != iss >> PARITY_SHIFT) {
		if (epoch == 0)
			return false;
		epoch--;
	}
	hash = mac(key_of(s, epoch), c, mss, opt);
	if (isn(epoch, mss, hash) != iss || !first_time(s, hash))
		return false;
	c->mss = s->mss[mss];
	c->has_wscale = c->ts && (opt & OPT_NO_WSCALE) != OPT_NO_WSCALE;
	c->wscale = c->has_wscale ? (uint8_t)(opt & OPT_NO_WSCALE) : 0;
	c->sack = c->ts && (opt & OPT_SACK) != 0;
	c->ecn = c->ts && (opt & OPT_ECN) != 0;
	return true;
}

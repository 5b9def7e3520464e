/*
 * dataplane/tcp/cookie.h - SYN cookies: a connection request kept by the peer instead of by us.
 *
 * Source  RFC 4987 section 3.6 and appendix A.
 *
 * The initial sequence number of a SYN-ACK is the request itself:
 *
 *   bit 31      which of two secrets: they turn each TCP_COOKIE_US, and one and the one
 *               before it are believed
 *   bits 30-28  the peer's MSS, as an index into a table
 *   bits 27-0   SipHash of the 4-tuple, the peer's ISN, the above and the options
 *
 * Of a peer with timestamps the options go out in the low six bits of ours and come back
 * in its echo: window scale (15: none), SACK permitted, ECN. They are in the hash, so what comes
 * back is what was offered. Without timestamps there are none, as on Linux.
 *
 * Lcore   the shard's; the secrets are made of the stack's own and need no randomness.
 * Memory  fixed: nothing for a request, eight bytes for each of the latest TCP_COOKIE_SEEN
 *         that were fulfilled, so that the same acknowledgement is not one more connection.
 */
#ifndef SLUICE_DATAPLANE_TCP_COOKIE_H
#define SLUICE_DATAPLANE_TCP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_COOKIE_US   (60 * UINT64_C(1000000)) /* a cookie is good for one to two of these */
#define TCP_COOKIE_SEEN 4096
#define TCP_COOKIE_MSS  8

struct tcp_cookies {
	uint64_t secret[2];           /* of the stack */
	uint64_t key[2][2];           /* of even and odd epochs */
	uint64_t key_epoch[2];        /* whose those are */
	uint64_t sent_until_us;       /* no cookie that was sent is good beyond this */
	uint16_t mss[TCP_COOKIE_MSS]; /* rising */
	uint64_t seen[TCP_COOKIE_SEEN];
};

/* What a cookie stands for. */
struct tcp_cookie {
	uint64_t tuple; /* keyed hash of the 4-tuple */
	uint32_t irs;   /* the peer's ISN */
	uint16_t mss;   /* what the peer takes; read back as the next lower of the table */
	uint8_t wscale; /* these three only with ts */
	bool has_wscale, sack, ecn;
	bool ts; /* the peer has timestamps */
};

/* mss_min: the first of the table, of peers that offer less than the second. */
void tcp_cookies_init(struct tcp_cookies *s, const uint64_t secret[2], uint16_t mss_min);

/* Is a cookie out that may still come back? */
static inline bool tcp_cookies_out(const struct tcp_cookies *s, uint64_t now_us)
{
	return now_us < s->sent_until_us;
}

/*
 * The ISN that says c. With c->ts, *ts is the timestamp of now and is changed to the latest
 * one not after it that carries the options.
 */
uint32_t tcp_cookie_make(struct tcp_cookies *s, const struct tcp_cookie *c, uint64_t now_us,
			 uint32_t *ts);

/*
 * Was iss made for this, and not too long ago? c brings tuple, irs and ts; ts_ecr is the peer's
 * echo. True with the rest of *c filled in: once for each cookie, as far as is remembered.
 */
bool tcp_cookie_take(struct tcp_cookies *s, uint32_t iss, uint32_t ts_ecr, uint64_t now_us,
		     struct tcp_cookie *c);

#endif

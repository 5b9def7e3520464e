/*
 * client/reach/proxy.h - what is said to a proxy before a connection through it is ours.
 *
 * Source  SOCKS4 and SOCKS4A (Ying-Da Lee), RFC 1928 (SOCKS5), RFC 1929 (its passwords), RFC 9110
 *         sections 9.3.6 and 11 (CONNECT, who asks), RFC 7616 (Digest), RFC 7617 (Basic).
 *
 * Bytes in, bytes out: no I/O, no clock. What a proxy answers is taken up to its last byte and no
 * further: what follows is the server's. A proxy of HTTP is told who we are when it asks, and no
 * password but where it takes nothing better. All it says is untrusted and bounded by
 * PROXY_REPLY_MAX. Memory  proxy_talk_new/_free; the request, with its password, is wiped.
 */
#ifndef SLUICE_CLIENT_REACH_PROXY_H
#define SLUICE_CLIENT_REACH_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_REPLY_MAX   (16 * 1024) /* of a head of HTTP; SOCKS needs 262 at most */
#define PROXY_REQUEST_MAX (16 * 1024)
#define PROXY_WORD_MAX    255 /* of a host, a user and a password (RFC 1928, RFC 1929) */
#define PROXY_WHY_MAX     160

enum proxy_kind {
	PROXY_NONE = 0,
	PROXY_SOCKS4,
	PROXY_SOCKS4A, /* the proxy looks the name up, as with SOCKS5H and HTTP */
	PROXY_SOCKS5,
	PROXY_SOCKS5H,
	PROXY_HTTP,
};

/* Where a proxy is, and who we are to it. */
struct proxy_addr {
	enum proxy_kind kind;
	char host[PROXY_WORD_MAX + 1];
	uint16_t port;
	char user[PROXY_WORD_MAX + 1]; /* "": nobody */
};

/*
 * "none", or scheme://[user@]host[:port] with a scheme of http, socks4, socks4a, socks5, socks5h;
 * the port is else 80 or 1080, an IPv6 address stands in brackets. -EINVAL.
 */
int proxy_addr_parse(const char *text, struct proxy_addr *ret) __attribute__((warn_unused_result));
/* Does it look names up itself? Else it is given an address: of SOCKS4 one of IPv4. */
bool proxy_takes_names(enum proxy_kind kind);

struct proxy_ask {
	enum proxy_kind kind;
	const char *host; /* a name, or an address as text, without brackets */
	uint16_t port;
	const char *user, *password; /* NULL: none */
	const char *const *header;   /* of HTTP: "Name: value" each */
	unsigned int n_headers;
};

struct proxy_talk;

/*
 * -EINVAL: a host, user, password or header with control characters, that is too long, or that
 * this kind of proxy cannot be told. -ENOMEM.
 */
int proxy_talk_new(const struct proxy_ask *ask, struct proxy_talk **ret)
	__attribute__((warn_unused_result));
void proxy_talk_free(struct proxy_talk *t); /* wipes; NULL is fine */

/* What is to be sent now, and that n bytes of it were. */
const uint8_t *proxy_talk_out(const struct proxy_talk *t, size_t *ret_len);
void proxy_talk_sent(struct proxy_talk *t, size_t n);
/* Of proxy_talk_input(): to be connected to anew, where the rest is said. */
#define PROXY_ANEW 1
/*
 * What came. 0: it is through, and the bytes behind *ret_used are the server's; -EAGAIN: all were
 * taken, and there is more to come or to be sent; PROXY_ANEW. -EACCES: the proxy does not let us
 * in, -EPERM: it does not let us go there; -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -ETIMEDOUT:
 * what it met with; -EPROTO: it is no such proxy; -EMSGSIZE: an answer without end. Errors are
 * final.
 */
int proxy_talk_input(struct proxy_talk *t, const uint8_t *p, size_t len, size_t *ret_used)
	__attribute__((warn_unused_result));
/* What the proxy said to it, for a person; "" while nothing is wrong. Printable. */
const char *proxy_talk_why(const struct proxy_talk *t);

#endif

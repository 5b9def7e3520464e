/*
 * ssh/proxy.h - the PROXY protocol: what a load balancer says of a client before the client's own
 * first byte, and what we say of one to a target.
 *
 * Source  The PROXY protocol, versions 1 and 2 (haproxy.org, 2020/03/05): section 2.1,
 * human-readable; 2.2, binary.
 *
 * Nobody is believed here: who may send a header is for the caller to say.
 */
#ifndef SLUICE_SSH_PROXY_H
#define SLUICE_SSH_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSH_PROXY_V1_MAX 107 /* bytes of a line, CR LF included */
#define SSH_PROXY_MAX    536 /* of a binary header with all it carries; more is refused */

/* 4 in the first 4 bytes, network order; the rest is 0. Port in host order. */
struct ssh_proxy_addr {
	uint8_t family; /* 4 or 6 */
	uint16_t port;
	uint8_t addr[16];
};

struct ssh_proxy {
	bool local; /* nobody's: the sender speaks for himself, or cannot say. No addresses then */
	struct ssh_proxy_addr src, dst;
};

/*
 * The header at the beginning of a stream. 0, and *ret_used bytes are its own. -EAGAIN: more is
 * needed, SSH_PROXY_MAX at most. -SSH_E_IDENT: there is none, or it is of another kind than TCP.
 */
int ssh_proxy_parse(const uint8_t *p, size_t len, struct ssh_proxy *ret, size_t *ret_used)
	__attribute__((warn_unused_result));

enum ssh_proxy_version { SSH_PROXY_NONE, SSH_PROXY_V1, SSH_PROXY_V2 };

/*
 * A header of that version into buf; its length. Addresses of two families, or of none, are not
 * said: UNKNOWN, LOCAL.
 */
size_t ssh_proxy_build(enum ssh_proxy_version version, const struct ssh_proxy_addr *src,
		       const struct ssh_proxy_addr *dst, uint8_t buf[SSH_PROXY_V1_MAX + 1]);

#endif

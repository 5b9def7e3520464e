/*
 * client/reach/lookup.h - addresses of a name, while the caller does other things.
 *
 * The system's own resolver (getaddrinfo(3), with all that nsswitch.conf names) in a thread of the
 * question's own: it cannot be broken off, so a question that nobody waits for any more ends alone.
 */
#ifndef SLUICE_CLIENT_REACH_LOOKUP_H
#define SLUICE_CLIENT_REACH_LOOKUP_H

#include <stdint.h>

#include "client/reach/race.h"

struct lookup;

/* An address as text, with its scope if it has one: no question is needed. 0 or -EINVAL. */
int lookup_numeric(const char *host, int family, uint16_t port, struct race_addr *ret)
	__attribute__((warn_unused_result));

/* family: AF_INET or AF_INET6. -errno of what a thread needs. */
int lookup_new(const char *host, int family, uint16_t port, struct lookup **ret)
	__attribute__((warn_unused_result));
/* Is there such a host, of this family or (AF_UNSPEC) any, and what is it called? No addresses. */
int lookup_name_new(const char *host, int family, struct lookup **ret)
	__attribute__((warn_unused_result));
/* After a result of 0: as AI_CANONNAME has it; "": the resolver does not say. */
const char *lookup_name(const struct lookup *l);
/* Readable once there is an answer. */
int lookup_fd(const struct lookup *l);
/*
 * 0, and at most RACE_ADDRS_MAX addresses in the resolver's order (RFC 6724); LOOKUP_WAIT: not yet;
 * else EAI_* of getaddrinfo(3), which are negative.
 */
#define LOOKUP_WAIT 1
int lookup_result(const struct lookup *l, struct race_addr ret[RACE_ADDRS_MAX], unsigned int *ret_n)
	__attribute__((warn_unused_result));
void lookup_free(struct lookup *l); /* NULL is fine */

#endif

/*
 * client/reach/env.h - which proxy the system's settings name, and which hosts go without one.
 *
 * Source  the variables curl(1) and others read: ALL_PROXY, HTTPS_PROXY, NO_PROXY, in small letters
 *         too.
 */
#ifndef SLUICE_CLIENT_REACH_ENV_H
#define SLUICE_CLIENT_REACH_ENV_H

#include <stdbool.h>

#include "client/reach/proxy.h"

/*
 * The proxy for a host by the environment; PROXY_NONE: there is none, it is none of ours, or
 * NO_PROXY names the host. "user:password@" in it gives the password, too.
 */
void proxy_from_env(const char *host, struct proxy_addr *ret, char password[PROXY_WORD_MAX + 1]);
/*
 * Is the host in a list of patterns, parted by ';', ',' or blanks? ".example" and "example" stand
 * for all of that domain, too.
 */
bool proxy_exempt(const char *list, const char *host);

#endif

/*
 * client/reach/name.h - which names of hosts and users are taken from a command line, a file or a
 * redirect.
 *
 * They come to commands (ProxyCommand), headers of proxies and logs. A name that could be an
 * option, or that a shell or a terminal would act on, is no name (S-72).
 */
#ifndef SLUICE_CLIENT_REACH_NAME_H
#define SLUICE_CLIENT_REACH_NAME_H

#include <stdbool.h>

#define REACH_HOST_MAX 255
#define REACH_USER_MAX 255

/* A host's name, or an address with or without brackets and scope. */
bool reach_host_valid(const char *host);
/*
 * One that a user may have somewhere: spaces, backslashes and non-ASCII within are right
 * ("DOMAIN\name").
 */
bool reach_user_valid(const char *user);

#endif

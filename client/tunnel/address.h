/*
 * client/tunnel/address.h - addresses of this machine that come and go, as the kernel tells of them
 * (rtnetlink(7)): who moved to another network need not wait for a server that cannot answer.
 */
#ifndef SLUICE_CLIENT_TUNNEL_ADDRESS_H
#define SLUICE_CLIENT_TUNNEL_ADDRESS_H

#include <stdbool.h>

enum address_news { ADDRESS_CAME = 1, ADDRESS_WENT = 2 };

/* A descriptor that is readable when there is news; -1: nobody tells us. */
int addresses_open(void);
/* What was told, ADDRESS_…; 0: nothing of these. News that were lost count as both. */
unsigned int addresses_read(int fd);
/* Certainly? text that is no address is not gone. */
bool address_is_gone(const char *text);

#endif

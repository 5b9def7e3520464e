/*
 * client/lib/dial.h - a TCP connection to a host, one address after the other, without waiting.
 */
#ifndef SLUICE_CLIENT_LIB_DIAL_H
#define SLUICE_CLIENT_LIB_DIAL_H

#include <stdint.h>

struct dial;

/* -SLUICE_E_RESOLVE, -ENOMEM, or what connect(2) said of the last address. */
int dial_new(const char *host, uint16_t port, struct dial **ret);
/* 0 with *ret_fd, which is the caller's; -EAGAIN: wait until dial_fd() can be written; an error. */
int dial_step(struct dial *d, int *ret_fd);
int dial_fd(const struct dial *d);
void dial_free(struct dial *d);

#endif

/*
 * tests/util/softplane.h - a small dataplane over kernel sockets.
 *
 * Speaks the whole of link/ as a dataplane does, but carries records with ssh/flat.h and
 * reaches targets through the kernel: what a test of control needs at the other end, with real
 * clients and without DPDK. One shard, few connections, one thread.
 */
#ifndef SLUICE_TESTS_SOFTPLANE_H
#define SLUICE_TESTS_SOFTPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/msg.h"

struct softplane;

/* Listens on RUN_DIR/link.sock and, for clients, on 127.0.0.1 with a port of the kernel's. */
int softplane_new(const char *run_dir, struct softplane **ret);
void softplane_free(struct softplane *sp);
uint16_t softplane_port(const struct softplane *sp);

/* Serves until softplane_stop(), which any thread may call. */
void softplane_run(struct softplane *sp);
void softplane_stop(struct softplane *sp);

/* How many items of a type control has sent. */
unsigned int softplane_seen(const struct softplane *sp, enum link_type type);
/* The body of the last CHAN_CONNECT, as it came. */
bool softplane_last_connect(const struct softplane *sp, struct link_chan_connect *ret);
/* What the latest AUTHENTICATED said; a round trip of that client's behind it. */
struct link_authenticated softplane_limits(const struct softplane *sp);
struct link_caps softplane_caps(const struct softplane *sp); /* likewise */
struct link_shares softplane_shares(const struct softplane *sp);
struct link_flight softplane_flight(const struct softplane *sp);
/* The next event up is this message, whatever it is; copied. Any thread. */
void softplane_inject(struct softplane *sp, const void *msg, size_t len);
/* Times control was attached. */
unsigned int softplane_attached(const struct softplane *sp);

#endif

/*
 * client/tunnel/show.h - tunnels as objects for programs; sluice-tunnel(1) has their fields. What
 * is returned is the caller's; NULL: no memory.
 */
#ifndef SLUICE_CLIENT_TUNNEL_SHOW_H
#define SLUICE_CLIENT_TUNNEL_SHOW_H

#include <jansson.h>
#include <stdint.h>

struct relay;
struct tunnel;

/* What a server or a file says need not be UTF-8. */
json_t *show_text(const char *said);
json_t *show_channel(const struct relay *y);
/* A host: its state, and its forwards while it is connected. */
json_t *show_tunnel(const struct tunnel *t, uint64_t now_ms);
/* The same host's channels. */
json_t *show_channels(const struct tunnel *t);

#endif

/*
 * client/tunnel/event.h - what becomes of tunnels, for people (a line of the log) and for programs
 * (an object a line: with --json on standard output, and to who follows on the status socket;
 * sluice-tunnel(1) has their fields).
 */
#ifndef SLUICE_CLIENT_TUNNEL_EVENT_H
#define SLUICE_CLIENT_TUNNEL_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "client/config/forward.h"

struct relay;
struct stay_attempt;
struct tunnel;

enum event_kind { EVENT_CONNECTION = 1, EVENT_TUNNEL };

void event_connected(const struct tunnel *t);
void event_listening(const struct tunnel *t, const struct forward *f, uint16_t port);
/* All forwards are there. */
void event_up(const struct tunnel *t);
/* A channel ends before its two ends did. */
void event_channel(const struct tunnel *t, const struct relay *y, const char *why);
/* channels: that ended with it. */
void event_down(const struct tunnel *t, const char *why, size_t channels);
/* It will be tried again: the whole connection, or its tunnels alone. */
void event_attempt(const struct tunnel *t, enum event_kind kind, const struct stay_attempt *a);
void event_over(const struct tunnel *t);

#endif

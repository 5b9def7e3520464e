/*
 * client/shell/listening.h - a listener that is there, as an object for programs.
 */
#ifndef SLUICE_CLIENT_SHELL_LISTENING_H
#define SLUICE_CLIENT_SHELL_LISTENING_H

#include <jansson.h>

#include "client/config/forward.h"

const char *forward_kind_name(enum forward_kind kind);
/* kind, port or path, target: to be freed. */
json_t *listening_json(const struct forward *f, uint16_t port);
/* A line of standard output, at once. */
void json_line(const json_t *o);

#endif

/*
 * client/tunnel/ask.h - sluice tunnel status, channels, follow, reconnect, stop, cancel: who asks
 * an agent that runs, on the socket its file names (StatusSocket).
 */
#ifndef SLUICE_CLIENT_TUNNEL_ASK_H
#define SLUICE_CLIENT_TUNNEL_ASK_H

#include <stdbool.h>

/* In the place of a host while a file is read for what holds for all: no name to be asked for. */
#define TUNNEL_NOBODY "127.0.0.1"
#define ASK_USAGE                                                                                  \
	"       sluice tunnel status|channels [--json] [-F FILE] [HOST]\n"                         \
	"       sluice tunnel follow [-F FILE]\n"                                                  \
	"       sluice tunnel reconnect|stop [-F FILE] HOST ...\n"                                 \
	"       sluice tunnel cancel [-F FILE] HOST [ADDR:]PORT\n"

bool ask_knows(const char *word);
/* argv[0] is the word. */
int ask_main(int argc, char **argv);

#endif

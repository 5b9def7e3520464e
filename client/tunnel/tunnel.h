/*
 * client/tunnel/tunnel.h - one host's tunnels, kept up: its connection (stay.h says when it is
 * tried again), and on it the forwards, those of the server's asked for until it has them all.
 */
#ifndef SLUICE_CLIENT_TUNNEL_TUNNEL_H
#define SLUICE_CLIENT_TUNNEL_TUNNEL_H

#include <jansson.h>

#include "client/shell/run.h"
#include "client/lib/stay.h"

struct tunnel {
	const char *name; /* as its Host line has it */
	struct options o; /* loaded */
	struct run run;
	struct stay conn, forwards;
	bool running; /* run holds a connection */
	bool whole;   /* all forwards are there */
	bool ever;    /* and were, before */
	bool stopped; /* by somebody, until he wants it again */
	char **cancelled; /* remote forwards, likewise, by forward_text() */
	size_t n_cancelled;
	/* What it waits for in this turn: what stands there, or the time. */
	size_t places, places_end;
	uint64_t due_ms;
	uint64_t started_s;
	uint32_t connections;
	/* What is told of it. */
	struct tunnel_past {
		uint64_t up_ms; /* when its connection came up; 0: it is not */
		uint64_t ups, downs, tries, channels, bytes_up, bytes_down; /* downs: that failed */
		uint64_t refused; /* channels, for where they came from */
		char why[512]; /* of the last end; "": there was none */
	} past;
	/* Events, as objects that are borrowed; NULL: nobody listens. */
	void (*heard)(void *arg, json_t *event);
	void *arg;
};

/*
 * o is the tunnel's from now on; its first try comes after so long. 0; EXIT_ERROR: said what is
 * missing.
 */
int tunnel_init(struct tunnel *t, const char *name, const struct options *o, uint64_t after_ms);
void tunnel_fini(struct tunnel *t);
/* One turn of it: before the loop waits, and after. */
void tunnel_prepare(struct tunnel *t, struct turn *turn);
void tunnel_go(struct tunnel *t, const struct turn *turn);
/* What all its connections carried, and how many channels they had. */
struct tunnel_past tunnel_past(const struct tunnel *t);
/* One word: waiting, connecting, connected (forwards are missing), up, over, stopped. */
const char *tunnel_state(const struct tunnel *t);
/* A try now: of a connection that stands, too. */
void tunnel_reconnect(struct tunnel *t);
/*
 * Addresses of this machine came or went: a connection whose own is gone ends now, not when the
 * server fails to answer, and who waits for long tries again soon.
 */
void tunnel_moved(struct tunnel *t, bool came);
/* No more tries until tunnel_reconnect(). */
void tunnel_stop(struct tunnel *t);
/*
 * The server listens there ([ADDR:]PORT or a path) no more, until tunnel_reconnect(); what came in
 * by it goes on. False: it did not.
 */
bool tunnel_forward_cancel(struct tunnel *t, const char *listen);
/* It is not tried again. */
bool tunnel_over(const struct tunnel *t);
/* Ends it; what is under way ends with it. */
void tunnel_cancel(struct tunnel *t);

#endif

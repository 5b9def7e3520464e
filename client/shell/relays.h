/*
 * client/shell/relays.h - forwarded connections: those that come to our listeners, and those that
 * the server brings from its own.
 */
#ifndef SLUICE_CLIENT_SHELL_RELAYS_H
#define SLUICE_CLIENT_SHELL_RELAYS_H

#include "client/agent/msg.h"
#include "client/config/config.h"
#include "client/reach/reach.h"
#include "client/shell/display.h"
#include "client/shell/listen.h"
#include "client/pump/pump.h"
#include "client/shell/socks.h"
#include "client/pump/turn.h"
#include "conf/conf.h"

#define RELAYS_MAX 4096 /* connections at once; more wait to be accepted */

/* An end of one: who connected, or what to. */
struct relay_end {
	char host[FORWARD_HOST_MAX]; /* or the path of a socket, whose port is 0 */
	uint16_t port;
};

struct relay {
	struct pump pump;
	enum {
		RELAY_HELLO = 1, /* who connected says where to, by SOCKS */
		RELAY_ASKING,    /* the same, through a channel of the server's */
		RELAY_OPENING,   /* the server is asked for a channel */
		RELAY_REACHING,  /* a target here is connected to */
		RELAY_COOKIE,    /* a program of X11 says that it may come in */
		RELAY_OPEN
	} state;
	struct reach *reach;
	const struct conf_strs *permit; /* where SOCKS through the server may lead */
	const struct cookie *cookie;    /* of a display; NULL: it leads to none */
	bool asked;                     /* by SOCKS: wants to be told */
	bool bad;
	bool lost; /* with its connection, in the midst of it; it stays for relays_cut() */
	struct socks socks;
	struct agent_skip skip; /* of an agent that was told something */
	struct relay_end from; /* who connected */
	struct relay_end at;   /* what he connected to: a listener, here or the server's */
	struct relay_end to;   /* where it leads; host "": not known yet */
	struct relay *next;
};

/* Why one ended before its two ends did. */
#define RELAY_IDLE "idle for too long"

/* What of a relay's is said in words: host:port, or a path. */
#define RELAY_WHAT_MAX (FORWARD_HOST_MAX + 16)

struct relays {
	struct sluice *s;
	struct listener *listeners;
	size_t n_listeners;
	size_t *places; /* of listeners' descriptors in this turn */
	struct relay *list;
	size_t n;
	uint64_t served;
	uint64_t refused; /* for where they came from */
	uint64_t bytes_up, bytes_down; /* of those that are over */
	bool closed;                   /* nothing more is accepted */
	struct listen_rest rest;
	const struct config *config; /* ChannelTimeout, ForwardBindAddress */
	/* One ends while its two ends still speak; may be NULL. */
	void (*cut)(void *arg, const struct relay *y, const char *why);
	void *arg;
};

/* Where it leads, in words. Returns buf. */
const char *relay_what(const struct relay *y, char buf[RELAY_WHAT_MAX]);
/* 0 or -errno, said; *ret_port is the one it listens at. */
int relays_listen(struct relays *r, const struct forward *f, const struct listen_conf *conf,
		  uint16_t *ret_port);
/* ChannelTimeout of a channel of ours to a path, or to a host. */
uint32_t relay_idle_ms(const struct config *c, bool path);
/* One that is asked for by the same words; NULL: there is none. */
const struct listener *relays_find(const struct relays *r, const struct forward *f);
/* Listens there no more; connections stay. False: it did not. */
bool relays_cancel(struct relays *r, const struct forward *f);
void relays_prepare(struct relays *r, struct turn *t);
void relays_run(struct relays *r, const struct turn *t);
/* To be called by on_channel_opened and on_channel_closed with a channel whose argument is a relay.
 */
void relay_opened(struct relay *y, int err, const char *text);
void relay_closed(struct relay *y);
/*
 * A channel the server opens: to a target here, or, target NULL, where it says by SOCKS. As
 * on_channel_open_request answers.
 */
int relay_take(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
	       const struct forward_end *target, const struct conf_strs *permit);
/* To a display, once the cookie that was made up for it is shown. */
int relay_take_display(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
		       const struct forward_end *display, const struct cookie *cookie);
/* To an agent, by its socket, which is taken. told: its first answer is to that, and dropped. */
int relay_take_agent(struct relays *r, struct sluice_channel *c, const struct sluice_open *open,
		     int fd, bool told);
/*
 * The connection is gone, and why. Who waits for the rest of something is told by a reset, that he
 * does not take what he has for all of it; what had come to its end stays so.
 */
void relays_cut(struct relays *r, const char *why);
/* One line for each, as ~# shows them. */
void relays_show(const struct relays *r);
void relays_fini(struct relays *r);

#endif

/*
 * client/shell/conn.h - a connection of the command's: settings from its configuration, who the
 * server is, who we are, and the jump hosts on the way.
 *
 * Nothing waits: conn_begin() starts, and turns of the loop (conn_prepare(), conn_run()) go on with
 * it and with the jump hosts before it.
 */
#ifndef SLUICE_CLIENT_SHELL_CONN_H
#define SLUICE_CLIENT_SHELL_CONN_H

#include <sys/types.h>

#include "client/agent/agent.h"
#include "client/config/config.h"
#include "client/reach/reach.h"
#include "client/pump/pump.h"
#include "client/pump/turn.h"
#include "client/sluice.h"

#define CONN_JUMPS_MAX 8    /* hosts on the way: as many as sluice_jump_set() takes */
#define CONN_AGENT_MS  5000 /* for an agent to say what it has */

struct conn {
	struct sluice *s;
	struct config *config;
	const char *config_file;
	bool own_config;  /* of a jump host: freed with it */
	struct conn *via; /* the jump host; NULL: none */
	struct config *via_config; /* of one whose whole name is still asked for */
	unsigned int leads;        /* to so many connections, as a jump host */
	bool lent;        /* it is one, and s freed with the connection it leads to */
	bool begun;
	struct reach *reach;           /* while the way there is looked for */
	char command[CONFIG_TEXT_MAX]; /* ProxyCommand */
	bool proxied;                  /* who is at the other end of the socket is a proxy */
	char proxy_password[PROXY_WORD_MAX + 2];
	pid_t command_pid;
	struct agent *agent; /* while it is asked what it has */
	uint64_t agent_due_ms;
	unsigned int agents_keys; /* it has so many that may do */
	/* OperationTimeout, and since when the server has not said anything on the way in. */
	uint64_t limit_ms, quiet_ms, heard; /* bytes that came; 0: no limit */
	bool more;                             /* the library had not come to an end of its turn */
	unsigned int again_ms;                 /* client/reach/race.h */
	bool unattended;                       /* conn_unattended() */
	bool met;                              /* it spoke to us: its host key was seen */
	char host[1024];                       /* that is connected to */
	uint16_t port;
	enum { CONN_NEW, CONN_WAY, CONN_UP, CONN_OVER } state;
	int err;
	bool untrusted; /* its key changed and that was let pass: no passwords, no agent */
	bool quiet;     /* a program reads what went wrong: nothing is said */
	char why[512], methods[256];
	size_t place;
	/* The user of this connection hears of its channels by these. */
	const struct sluice_ops *ops;
	void *arg;
};

/*
 * config is borrowed, and loaded. ops: what is heard of channels and requests; conn sees to the
 * rest. 0 or -errno; -EINVAL: said what is wrong.
 */
int conn_new(struct config *config, const char *config_file, const struct sluice_ops *ops,
	     void *arg, struct conn **ret);
/*
 * Says so to the server and to those on the way to it (PROTOCOL.md), and connects to who does not
 * answer again after so long; before it is begun. 0 or -EINVAL, said.
 */
int conn_unattended(struct conn *c, unsigned int again_ms);
/* 0, or it is CONN_OVER. */
int conn_begin(struct conn *c);
void conn_prepare(struct conn *c, struct turn *t);
void conn_run(struct conn *c, const struct turn *t);
/* Logs off; waits for the server only where its settings say so. */
void conn_logoff(struct conn *c);
void conn_free(struct conn *c); /* with its jump hosts; NULL is fine */

/* auth.c: answers to what the server asks, and what is known of it. */
void conn_ops_fill(struct sluice_ops *ops);
/* password.c: PasswordFile, PasswordCommand, for the library. 0, or an error with c->why. */
int conn_password(struct conn *c);
/* proxy.c: Proxy. 0, or an error with c->why. */
int conn_proxy(struct conn *c, struct reach_conf *conf);
/*
 * keys.c: the identities. False: the agent is being asked for its own, until c->agent is ready or
 * agent_due_ms is there; then again.
 */
bool conn_identities(struct conn *c, uint64_t now_ms);
void conn_identities_free(struct conn *c);
bool conn_agent_wanted(const struct conn *c); /* to log in by */
/* AgentAuth require, and it has no key; with c->why. */
bool conn_agent_missing(struct conn *c);
bool conn_rsa_short(const struct conn *c, const struct key *k);
/* hostkey.c: 1: it is the server. */
int conn_hostkey(struct conn *c, const struct sluice_hostkey *k);
/* Negative, said: what is known cannot be told. */
int conn_hostkey_order(struct conn *c);
/* It has proved other keys of its own: 1: they are learned. */
int conn_hostkeys(struct conn *c, const struct sluice_hostkey *keys, unsigned int n,
		  unsigned int gone);

#endif

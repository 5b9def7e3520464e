/*
 * perf/inring_client.h - what the files of the clients share.
 *
 *   inring_client.c  logins, channels, bytes
 *   inring_pace.c    what is due by the shard's clock: paced bulk, requests
 */
#ifndef SLUICE_PERF_INRING_CLIENT_H
#define SLUICE_PERF_INRING_CLIENT_H

#include "perf/inring.h"
#include "ssh/pump.h"
#include "ssh/window.h"

#define REQUESTS_UNDER_WAY 64 /* of a client; more wait, and their time counts */

enum chan_state { CHAN_NONE, CHAN_OPENING, CHAN_OPEN, CHAN_EOF_SENT };

struct chan {
	enum chan_state state;
	uint32_t peer; /* its number there */
	struct ssh_rwin rwin;
	struct ssh_swin swin;
	uint64_t sent, received;
};

/* WORK_REQUESTS: how many were due, and so on; and of those under way when they were sent. */
struct requests {
	uint64_t due, sent, answered;
	uint64_t sent_tsc[REQUESTS_UNDER_WAY];
};

struct client {
	struct end e;
	struct clients *all;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	struct chan *chan;
	struct requests requests;
	enum work work;
	unsigned int chans;
	uint32_t size;     /* of a request, or of a record's data */
	uint32_t credit;   /* bytes that may be made, where bulk is paced */
	unsigned int open; /* channels */
	unsigned int turn; /* whose record is next */
	uint32_t opened;   /* in all: spreads short ones over the target's ports */
	bool in;
};

struct pace {
	double bytes_per_tsc; /* 0: as much as there is room for */
	double tokens;
	uint64_t now, refilled; /* the shard's clock */
	unsigned int next;      /* whose record */
	double interval;        /* cycles between two requests */
	uint64_t t0;            /* the first one's */
	uint64_t due;           /* requests, of all */
	uint64_t measure_from;
	bool measure;
};

struct clients {
	struct client_conf conf;
	struct gen_stack *g;
	struct net_addr gateway;
	struct client *client;
	unsigned int n; /* with those of requests */
	struct client_counts counts;
	unsigned int begun, logged_in, ready;
	uint64_t again_us; /* the first is refused until control listens */
	uint8_t *out;      /* where records are sealed: lent to who seals, see out_lend() */
	size_t out_size;
	bool go;
	struct pace pace;
	struct latency latency;
	char error[160];
};

/* One CHANNEL_DATA of n bytes, where window and keys allow it now. */
bool client_data(struct client *c, struct chan *ch, uint32_t n);

/* --- inring_keys.c ---------------------------------------------------------------------------- */

/* What a client says before it is in. */
int keyed_begin(struct client *c);
/* 1: it is in now; 0: the next payload, valid until the next call; -EAGAIN. */
int keyed_next(struct client *c, struct ssh_str *ret);

/* --- inring_pace.c ---------------------------------------------------------------------------- */

/* Whether a record of bulk may be made; one was. */
bool pace_may(const struct client *c);
void pace_paid(struct client *c);
/* Sends requests that are due. */
void requests_send(struct client *c);
/* Bytes came: whole answers are counted. */
void requests_answered(struct client *c);

#endif

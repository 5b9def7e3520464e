/*
 * perf/load.h - what the files of sluice-load share. One process, one thread, one core.
 *
 *   sluice_load.c   the phases of a run and its turn
 *   load_ssh.c      a client: TCP, records, the brain of ssh/ in its role
 *   load_chan.c     its channels, and what each mode does on them
 *   load_target.c   the targets behind the gateway: sinks, sources, answers
 *   load_gate.c     what the gateway says of itself
 *   load_report.c   rows
 *   flood.c         packets of strangers
 *
 * A channel's way up begins with a word that says which channel it is; the target knows from then
 * on whose bytes these are, and checks and makes them by perf/pattern.h. Both ends live in one
 * process, so what one sent and the other got is compared, too.
 */
#ifndef SLUICE_PERF_LOAD_H
#define SLUICE_PERF_LOAD_H

#include <sys/queue.h>

#include "crypto/key.h"
#include "dataplane/record/record.h"
#include "perf/hist.h"
#include "perf/load_conf.h"
#include "perf/load_gate.h"
#include "perf/pattern.h"
#include "perf/stack.h"
#include "ssh/brain.h"
#include "ssh/chan.h"
#include "ssh/window.h"

#define LOAD_TARGET_PORT  9000
#define LOAD_TARGET_PORTS 64 /* opens take them in turn: one has too few source ports behind it */
#define LOAD_HEAD         8  /* bytes of the word that names a channel */
#define LOAD_QUANTUM      (128 * 1024) /* bytes a connection or a target makes in a turn */
#define LOAD_OUTSIDE      0            /* ports of the stack */
#define LOAD_INSIDE       1

struct load;
struct load_conn;

enum load_conn_state {
	LOAD_CONN_NONE = 0, /* to be connected, when there is room for a login */
	LOAD_CONN_CONNECTING,
	LOAD_CONN_LOGIN,
	LOAD_CONN_UP,
	LOAD_CONN_OVER, /* its end was asked for, or came */
};

struct load_chan {
	struct load_conn *conn;
	TAILQ_ENTRY(load_chan) link; /* of conn->ready */
	struct ssh_swin swin;
	struct ssh_rwin rwin;
	struct ssh_chan_fsm fsm;      /* state 0: not open */
	bool ready, asked, close_due; /* asked: OPEN is to be sent */
	uint32_t remote;
	uint32_t adjust; /* to be granted once the key exchange is over */
	uint64_t seed;
	uint64_t tx_at, rx_at;  /* in the streams up and down */
	uint64_t sunk;          /* bytes of tx_at that came to the target */
	uint64_t due, answered; /* requests */
	uint64_t begun_tsc;     /* the request, or the open */
	uint32_t id;
	bool has_target;
};

struct load_conn {
	struct load *load;
	struct stream *stream;
	struct ssh_brain *brain; /* NULL: not needed any more */
	struct record_rx rx;
	struct record_tx tx;
	struct record_q held; /* payloads that wait for the end of a key exchange */
	TAILQ_ENTRY(load_conn) link;
	TAILQ_HEAD(, load_chan) ready; /* may have something to say */
	struct load_chan *chan;        /* conf.chans of them */
	uint64_t begun_tsc;
	uint32_t chans_open;
	uint8_t state;
	bool active, fresh, more;
	bool ident_done, in_kex, await_keys, tried, eof;
	uint8_t lines;
};

/* A connection the gateway opened. */
struct load_target {
	struct load *load;
	struct stream *stream; /* NULL: free */
	struct load_chan *chan;
	STAILQ_ENTRY(load_target) link; /* of the ready or of the free */
	uint64_t head;
	uint32_t head_len;
	bool ready, eof, shut;
	uint64_t rx_at, tx_at; /* of the channel's stream up, down */
};

enum load_phase { LOAD_SETUP = 1, LOAD_WARMUP, LOAD_MEASURE, LOAD_DRAIN, LOAD_DONE };

#define LOAD_STAGES(X)                                                                             \
	X(RX, "rx", "port receive")                                                                \
	X(STACK, "stack", "IP and TCP in")                                                         \
	X(OPEN, "open", "records opened")                                                          \
	X(RUN, "run", "bytes made and checked, messages")                                          \
	X(SEAL, "seal", "records sealed")                                                          \
	X(FLOOD, "flood", "packets of strangers")                                                  \
	X(OUT, "out", "TCP out, port transmit")

enum load_stage {
#define X(name, key, text) LOAD_STAGE_##name,
	LOAD_STAGES(X)
#undef X
		LOAD_STAGE_COUNT
};

/* Counted from the start; rows are differences of two. */
struct load_count {
	uint64_t bytes_up, bytes_down; /* that came and were right */
	uint64_t requests, answers, opens, logins;
	uint64_t stage[LOAD_STAGE_COUNT]; /* cycles of turns that did work */
	uint64_t flood_sent, flood_refused, flood_answers;
};

struct load_mark {
	uint64_t tsc;
	struct load_count count;
	struct load_gate_mark gate;
	double waited_s; /* this process could have run and did not */
	uint64_t retrans;
};

struct load {
	struct stack s;
	struct load_conf conf;
	struct net_addr gate, own, target;
	char target_text[64];
	struct key *key;
	struct cipher_engine *engine;
	struct record_batch *opening, *sealing;

	struct load_conn *conns;
	struct load_chan *chans;
	struct load_target *targets;
	uint32_t n_targets;
	TAILQ_HEAD(load_conns, load_conn) active;
	STAILQ_HEAD(, load_target) ready, free;

	enum load_phase phase;
	uint32_t next_conn; /* to be connected */
	uint32_t to_begin;  /* how many are to be connected */
	uint32_t in_login, conns_up, chans_up;
	/*
	 * One came all the way: to the target, or where the mode has no channels, to the gateway.
	 * Until then nobody else begins: few packets wait for a neighbour that is not known yet,
	 * and a SYN that is dropped costs a second.
	 */
	bool met;
	uint64_t opens_next; /* which target port */
	bool generate;       /* bulk and requests are made */

	/* Requests by the clock: the n-th is due at t0 + n * interval, on channel n % channels. */
	uint64_t t0_tsc, due_n;
	double interval_tsc;

	struct load_count count;
	struct load_mark start, from, to; /* start: before the first connection */
	struct load_gate gate_now;
	struct hist latency; /* ns; what it is of depends on the mode */
	uint64_t unanswered; /* requests that were due and not answered at the end */
	uint64_t failed;     /* connections and channels that ended, and should not have */
	uint64_t refused;    /* opens */
	uint64_t wrong;      /* bytes that were not what was sent */
	uint64_t lost;       /* bytes sent and not arrived at the end */
	char why[128];       /* of the first failure */
};

/* Notes the first failure and counts it. */
void load_failed(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline double load_seconds(const struct load *l, uint64_t tsc)
{
	return (double)tsc / (double)l->s.clock.hz;
}

static inline uint64_t load_ns(const struct load *l, uint64_t tsc)
{
	return (uint64_t)(load_seconds(l, tsc) * 1e9);
}

static inline uint32_t load_conns_all(const struct load *l)
{
	return l->conf.conns + l->conf.idle;
}

/* It opens no channel, and says nothing once it is in. */
static inline bool load_conn_rests(const struct load_conn *c)
{
	return c->load->conf.mode == LOAD_IDLE ||
	       (uint32_t)(c - c->load->conns) >= c->load->conf.conns;
}

static inline uint32_t load_chans_all(const struct load *l)
{
	return l->conf.conns * l->conf.chans;
}

/* Open loop: of all requests, the number of a channel's n-th. */
static inline uint64_t load_request_number(const struct load *l, const struct load_chan *ch,
					   uint64_t n)
{
	/* One of each connection in turn, then the second channel of each. */
	uint32_t conn = ch->id / l->conf.chans, chan = ch->id % l->conf.chans;

	return n * load_chans_all(l) + (uint64_t)chan * l->conf.conns + conn;
}

/* n bytes of the pattern from at on, in mbufs of room bytes. False: no mbufs. */
bool load_bytes(struct load *l, uint64_t seed, uint64_t at, uint32_t n, uint32_t room,
		struct pkt_chain *ret);
/* Checks a chain; what is wrong is counted. */
void load_bytes_check(struct load *l, uint64_t seed, uint64_t at, const struct pkt_chain *c);

/* --- load_ssh.c ------------------------------------------------------------------------------- */

void load_conn_init(struct load *l, struct load_conn *c, struct load_chan *chan);
/* Connects those that are due. */
unsigned int load_conns_begin(struct load *l);
void load_conn_ready(struct load_conn *c);
/* The passes of a turn over all that have something to do. */
unsigned int load_conns_open(struct load *l);
unsigned int load_conns_run(struct load *l);
unsigned int load_conns_seal(struct load *l);
/* Lets go of the stream and of all that the connection held; it may be connected again. */
void load_conn_end(struct load_conn *c, bool graceful);
/* Seals a payload of at most a few dozen bytes. False: no mbuf; the connection comes again. */
bool load_conn_send(struct load_conn *c, const uint8_t *payload, size_t len);
/* The same of a message that the brain has to know of: 0, or -EAGAIN: not now. */
int load_conn_say(struct load_conn *c, const uint8_t *payload, size_t len);
/* Bytes that may be made for the stream now. */
uint32_t load_conn_space(const struct load_conn *c);

/* --- load_chan.c ------------------------------------------------------------------------------ */

void load_chan_init(struct load_conn *c, struct load_chan *ch, uint32_t id);
void load_chan_ready(struct load_chan *ch);
/* The connection is in: its channels are asked for. */
void load_chans_begin(struct load_conn *c);
/* Opens that are asked for, and what the ready channels have to say. Returns work done. */
unsigned int load_chans_run(struct load_conn *c);
/* CHANNEL_DATA: its payload, taken. 0, or what is the gateway's fault. */
int load_chan_data(struct load_conn *c, struct pkt_chain *payload);
/* Any other message of a channel. */
int load_chan_message(struct load_conn *c, const uint8_t *payload, size_t len);
/* Another request of a channel is due. */
void load_chan_request(struct load_chan *ch);

/* --- load_target.c ---------------------------------------------------------------------------- */

int load_targets_begin(struct load *l);
unsigned int load_targets_run(struct load *l);
void load_targets_end(struct load *l);

/* --- load_report.c ---------------------------------------------------------------------------- */

void load_mark(struct load *l, struct load_mark *ret);
void load_progress(const struct load *l, const struct load_mark *a, const struct load_mark *b);
/* Rows to stdout and to the file. False: it cannot be written. */
bool load_report(const struct load *l);

#endif

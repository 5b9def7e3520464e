/*
 * dataplane/relay/internal.h - what the files of this room share.
 *
 * relay.c    the instance and its stages          items.c   what control asks for
 * conn.c     the life of a connection             dispatch.c what a client sends
 * chan.c     the life and the bytes of a channel  connect.c opening a target
 * up.c       events to control                    audit.c   ends until acknowledged
 * timers.c   deadlines                            kex.c     which keys, and what waits for them
 * wait.c     what waits for a control that is away     quantum.c a connection's share of a turn
 * window.c   how large a channel's window is kept     grant.c   opens without asking
 * rounds.c   whose turn it is to be sealed
 * mem.c      while buffers are short                  turn.c    which connections a turn serves
 * forward.c  listeners of connections, and channels that we open
 * note.c     bytes that are kept for another control  comp.c   when directions are compressed
 * tee.c      channels of which somebody has a copy   trace.c   what an operator sees of messages
 * ask.c      what control has taken and not settled  kept.c   what a control is told that attaches
 * host.c     channels over descriptors of the kernel   look.c   what is told to those who look
 * say.c      bytes that control has for a client
 * handover.c a control goes, another one comes
 * cap.c      bytes a second, by meter.c and budget.c
 * weight.c   whose share is how large               debt.c     bytes in flight, by flight.c
 * blocked.c  bytes that nobody takes
 *
 * A connection with something to do stands in the active list and is visited by every
 * stage; it leaves the list at the end of a turn in which nothing stopped it but the want
 * of news. Whatever is news (a stream's event, an item, a timer) puts it back.
 */
#ifndef SLUICE_DATAPLANE_RELAY_INTERNAL_H
#define SLUICE_DATAPLANE_RELAY_INTERNAL_H

#include <sys/queue.h>

#include "dataplane/deadlines.h"
#include "dataplane/record/record.h"
#include "dataplane/relay/cap.h"
#include "dataplane/relay/flight.h"
#include "dataplane/relay/quantum.h"
#include "dataplane/relay/relay.h"
#include "dataplane/relay/weight.h"
#include "dataplane/stream/tee.h"
#include "ssh/chan.h"
#include "ssh/err.h"
#include "ssh/msg.h"
#include "ssh/phase.h"
#include "ssh/window.h"

/* Payloads with control and not answered, or waiting to go there (SlowPath). */
#define RELAY_UNANSWERED_MAX       16
#define RELAY_UNANSWERED_BYTES_MAX (64 * 1024)
#define RELAY_UNANSWERED_PREAUTH   1
/* Control's payloads that wait for the end of a key exchange (S-41). */
#define RELAY_HOLD_MAX       256
#define RELAY_HOLD_BYTES_MAX (256 * 1024)
/* Answers of ours beyond what the client's stream has room for; then it is not read (S-57). */
#define RELAY_OVER_MAX (64 * 1024)
/* Global requests of ours that are unanswered (RFC 4254 section 4 wants every one answered). */
#define RELAY_GLOBALS_MAX 64
/* A payload with control that is kept until it is settled; of a longer one nothing is known then.
 */
#define RELAY_ASK_MAX 4096
/* Items of a control that goes which are carried out still. */
#define RELAY_ITEMS_LAST 65536
/* Channels with a tee. */
#define RELAY_TEES_MAX 4096
/* Bytes of control's that a channel without its descriptors holds, for each way. */
#define RELAY_EARLY_MAX (64 * 1024)
/* Targets one connection may open without asking. */
#define RELAY_GRANTS_CONN 32
/* Of a connection, such targets that have not answered yet; beyond that control is asked, who
 * counts them (MaxConnectingPerUser, MaxConnecting). */
#define RELAY_GRANT_CONNECTING 16
/* UNIMPLEMENTED: this many at once, then so many a second (S-22). */
#define RELAY_UNIMPLEMENTED_BURST 256
#define RELAY_UNIMPLEMENTED_RATE  64
/* Of one connection in one turn; what it reads and sends besides is its quantum. */
#define RELAY_DRAIN_TURN (256 * 1024)
#define RELAY_OPEN_TURN  CIPHER_BURST
#define RELAY_ITEMS_TURN 256
#define RELAY_AUDIT_TURN 64
/* Connections that are awakened because control has gone or come. */
#define RELAY_HANDOVER_TURN 256
/* Room in the client's stream below which data waits, unless the stream is empty. */
#define RELAY_SPACE_MIN 4096
/* A channel that was idle goes first with so much (rounds.c). */
#define RELAY_SPARSE 8192
/* The same of a terminal: whole screens. */
#define RELAY_INTERACTIVE 65536
/* Such bytes beyond the room of the client's stream, at most. */
#define RELAY_AHEAD_MAX (16 * 1024)
/* Granted and unconsumed, at most; control says less of peers not known to take it. */
#define RELAY_WINDOW_MAX (64 * 1024 * 1024)
/* A channel's first window, where it may grow. */
#define RELAY_WINDOW_START (256 * 1024)
/* That of one towards a program. */
#define RELAY_WINDOW_SESSION (64 * 1024)
/* Places of channels that are free before one is used again. */
#define RELAY_CHANS_REST 64
/* The smallest, one packet of the usual size: without room for it a channel is refused. */
#define RELAY_WINDOW_LEAST SSH_RWIN_LOW
/* All windows of a shard together: so many times the room of its data buffers. */
#define RELAY_WINDOWS_OVER 4
/* Of CHANNEL_DATA that we take: its record stays within SSH_PACKET_MAX. */
#define RELAY_PACKET_MAX (SSH_PACKET_MAX - 1024)
/* An unfinished record in memory that others need is given up after this. */
#define RELAY_UNFINISHED_US 10000000
/* A connection that ends by an error: time to get our DISCONNECT out. */
#define RELAY_LINGER_MS 2000
#define RELAY_FULL_US   1000000 /* between two words about connections that find no place */
#define RELAY_PROXY_MS  5000 /* a load balancer has to say whose its connection is */
/* Without a record for so long, in which thousands of busy ones have had their turns, a connection
 * keeps raw keys only. */
#define RELAY_KEYS_IDLE_US 5000000
/* When something waits that brings no news of its own: a full ring, an empty pool. */
#define RELAY_RETRY_US 1000

struct conn;
struct forward;
struct grant;
struct share;

/* Bytes in pieces (note.c); of length 0: none. */
struct note {
	uint32_t first, len;
};

enum chan_pend { /* bits: what is to be said about a channel */
		 CHAN_SAY_CONFIRM = 1 << 0,
		 CHAN_SAY_FAILURE = 1 << 1,
		 CHAN_SAY_CLOSE = 1 << 2,
		 CHAN_EV_OPENED = 1 << 3, /* to control */
		 CHAN_EV_FAILED = 1 << 4,
		 CHAN_EV_DRAINED = 1 << 5,
		 CHAN_SAY_OPEN = 1 << 6, /* a channel of ours */
		 CHAN_EV_KEPT = 1 << 7,
};

/* A channel's tee. Its stream ends with the channel. */
struct chan_tee {
	struct tee tee;
	bool in; /* what comes of the client, too */
	struct chan_tee *next_free;
};

struct tees {
	struct chan_tee *tee; /* [RELAY_TEES_MAX] */
	struct chan_tee *free;
	uint32_t fresh; /* never used from fresh on */
};

/* What an operator sees of one connection; zeroed: there is none. */
struct trace {
	struct conn *conn;
	struct tee tee;
	uint64_t fds; /* token of its descriptor, which did not come yet; 0 */
	uint64_t until_us;
	uint32_t left;  /* messages */
	uint32_t seqnr; /* of the client's latest */
	bool seen;
	bool heard; /* of its stream there is news */
};

/* Of bytes that wait to go one way none has moved since then; 0: some do, or there are none. */
struct chan_blocked {
	uint64_t since_us, moved;
};

/* What control has said in the name of a program whose descriptors did not come yet. */
struct chan_early {
	struct pkt_chain bytes[2]; /* and those of its standard error */
	bool end;
};

struct chan {
	/* Every record. */
	struct conn *conn; /* NULL: free */
	struct stream *target;
	struct chan_tee *tee; /* NULL: nobody has a copy */
	uint32_t local, peer; /* numbers: ours, the peer's */
	struct ssh_chan_fsm fsm;
	uint8_t pend;
	uint8_t queued;  /* enum chan_queue: stands in which list of conn */
	int32_t deficit; /* bytes it may still send in this round; see rounds.c */
	bool target_eof, target_err;
	bool granted;          /* opened without asking: control knows it by its events only */
	bool grant_connecting; /* such a one, counted in its connection while nobody answered */
	bool program;          /* control says when it ends, */
	bool drained, finish;  /* was told that all is said, has said so */
	bool alone;            /* that control is gone: the next one does not know of it */
	bool err_next;         /* of its target's two ways in, whose turn it is */
	bool ours : 1;         /* we open it */
	uint8_t proxy : 2;     /* version of the header its target reads first; 0: none */
	bool unanswered : 1;   /* the client has not said, and it is counted in n_opening */
	bool eow : 1;          /* its peer is told when its program takes no more input, */
	bool say_eow : 1;      /* which is due */
	bool eof_waits : 1;    /* of a program: its EOF goes with its end */
	struct ssh_swin swin;
	struct ssh_rwin rwin;
	uint32_t packet_max;          /* granted to the peer */
	uint32_t adjust;              /* granted, to be said */
	uint32_t in_target;           /* bytes given to the target and not known to have arrived */
	uint32_t window_start;        /* what rwin began with */
	uint32_t debt_max;            /* bounds of bytes in flight let it have, at the last look */
	uint32_t debt_target;         /* bytes its target's window has grown by, of those */
	uint32_t taken, taken_before; /* by the target since taken_at_us; in the round before */
	uint64_t taken_at_us;
	TAILQ_ENTRY(chan) ready_link;
	uint64_t bytes_from_peer, bytes_to_peer, first_us, last_us;
	/* Seldom. */
	TAILQ_ENTRY(chan) link; /* conn->chans, or the free list */
	uint64_t token, open_us;
	uint32_t generation;
	uint32_t replies_due; /* requests of control's that want a reply */
	uint32_t idle_ms;     /* ChannelTimeout; 0: none */
	uint8_t share;        /* among the channels of its connection; 0: as 1 */
	bool tty;             /* somebody sits at it: counted in n_ttys */
	uint8_t eof_due;      /* bits, 1 << LINK_EOF_*: control has not heard of it */
	int cause;
	struct chan_blocked blocked[LINK_WAYS];
	/* Opening. */
	uint64_t fds; /* token of descriptors that did not come yet; 0: none are awaited */
	uint64_t tee_fds; /* that of its tee; 0: it shall have none */
	uint8_t tee_how;  /* enum link_tee */
	struct link_chan_cut cut; /* what its target is given; token 0: bytes as they come */
	TAILQ_ENTRY(chan) fds_link;
	uint64_t deadline_us, attempt_us; /* for all addresses, for this one */
	uint32_t reason;
	int connect_err;
	uint16_t n_addrs, next_addr;
	uint16_t asked_port;
	struct note name;             /* what was asked for: a host, mostly */
	struct forward *forward;      /* that it came in by; NULL: that is gone, or it is none */
	struct link_addr target_addr; /* or who came in */
	union {
		struct link_addr addr[LINK_ADDRS_MAX]; /* that are tried, */
		struct chan_early early;               /* or while fds are awaited */
	};
};
TAILQ_HEAD(chan_list, chan);

enum chan_queue { CHAN_Q_NONE, CHAN_Q_SPARSE, CHAN_Q_BULK };

/* State 0 is free. */
enum conn_state {
	CONN_OPEN = 1,
	CONN_ENDING, /* what is queued is sealed, then our side is shut down */
	CONN_LINGER, /* until it has arrived or linger_us */
	CONN_OVER,   /* the stream is gone; control is still to be told */
};

enum conn_pend { /* bits: events to control */
		 CONN_EV_NEW = 1 << 0,
		 CONN_EV_REKEY_DUE = 1 << 1,
		 CONN_EV_FORWARD = 1 << 2,
		 CONN_EV_KEPT = 1 << 3, /* before all others */
};

/* How far a control has been told of a connection it does not know. */
enum kept { KEPT_CONN, KEPT_FORWARDS, KEPT_CHANS, KEPT_KEX, KEPT_ASKS };

struct conn {
	struct relay *relay;
	struct stream *stream;
	uint8_t state; /* enum conn_state */
	uint8_t pend;
	bool active; /* stands in relay->active */
	bool fresh;  /* news since the open stage saw it */
	bool more;   /* stopped by a share or a shortage: go on in the next turn */
	bool stream_eof;
	bool rx_much, tx_much; /* more than its quantum was there the last time */
	/* What stops reading. */
	bool ident_done;   /* the peer's line has passed */
	bool rx_wait_keys; /* NEWKEYS has passed: nothing is opened until LINK_IT_RX_KEYS */
	bool rx_wait_auth; /* USERAUTH_SUCCESS is sealed: nothing is judged until AUTHENTICATED */
	bool slow_stopped; /* control has enough of it: counted once */
	/* What stops sealing. */
	bool tx_kex;     /* our KEXINIT is sealed, our new keys are not in place */
	bool tx_newkeys; /* NEWKEYS is sealed: nothing until LINK_IT_TX_KEYS */
	bool ident_sent;
	bool keys_idle; /* cipher state holds raw keys only */
	struct ssh_phase phase;
	bool mem_stopped : 1; /* it holds too much to be read: counted once */
	bool rekey_asked : 1;
	bool asks_unknown : 1;  /* control has taken what is not known here */
	bool kex_replied : 1;   /* more than our KEXINIT is sealed of an exchange */
	bool kex_tx_done : 1;   /* our new keys are in place, the peer's are not */
	bool end_noted : 1;     /* its end stands in audit, which is not acknowledged yet */
	bool alone : 1;         /* programs of a control that is gone */
	bool full_told : 1;     /* control knows that who comes in finds no place for a channel */
	uint8_t kept : 3;       /* enum kept */
	bool capped : 1;        /* cap.c has to be asked */
	bool weighed : 1;       /* weight.c knows of it */
	bool indebted : 1;      /* debt.c has to be asked */
	bool tx_capped : 1;     /* nothing but that stopped what there is to send */
	bool comp_promised : 1; /* memory to decompress waits for it */
	bool proxy_wait : 1;    /* whose it is a header of the PROXY protocol will say */
	bool rx_comp_later : 1, tx_comp_later : 1; /* compressed once authenticated */
	uint8_t n_globals;                         /* unanswered global requests of ours */
	uint8_t n_grant_connecting;
	uint8_t qos;     /* of its packets */
	uint16_t n_ttys; /* channels that are terminals */
	struct record_rx rx;
	struct record_tx tx;
	struct record_q up;   /* payloads for control */
	struct record_q hold; /* payloads that wait for the end of the key exchange */
	uint32_t unanswered, unanswered_bytes; /* those in up included */
	uint64_t in_targets;                   /* the sum of its channels' in_target */
	uint32_t over;                         /* bytes sealed while the stream had no room */
	struct chan_list chans;
	struct chan_list sparse, bulk; /* channels with something to do; see rounds.c */
	uint32_t n_chans;
	uint16_t n_grants;
	uint16_t n_opening; /* channels of ours it has not answered */
	struct grant *grants;
	uint64_t last_rx_us, last_data_us;
	/* Seldom. */
	TAILQ_ENTRY(conn) link; /* relay->active or ->free */
	uint32_t index, generation;
	struct link_authenticated auth;
	uint32_t alive_missed;
	uint32_t asks_first, asks_last; /* payloads with control: index + 1 */
	uint32_t n_asks;
	struct note blob;          /* what control left, sealed */
	struct note kex_own;       /* our KEXINIT, as long as its exchange is under way */
	struct note kex_sealed_rx; /* what control left of that */
	uint32_t unimplemented;    /* tokens left */
	uint32_t n_opened;         /* channels, as long as it lives */
	uint64_t rekey_wait_us;    /* until then control may be away; 0: no rekey waits for it */
	uint64_t globals;          /* a bit for each, the oldest lowest: it was control's */
	uint64_t unimplemented_us;
	uint64_t kex_deadline_us, keys_deadline_us, alive_us, linger_us; /* 0: none */
	/* Its channels are looked at then: they connect, or may have been idle for too long. Without a
	 * channel it ends then. */
	uint64_t connect_us;
	uint64_t blocked_us; /* and then for bytes that nobody takes; 0: none wait */
	uint64_t open_us;
	uint64_t bytes_in, bytes_out; /* of the stream, once it is gone */
	int cause;
	uint32_t listener;
	uint64_t uid;
	struct link_addr local, peer;
	uint16_t forwards; /* the first of them: index + 1 */
	uint16_t untold;   /* that have something to tell: they are among the first */
	uint32_t links;    /* those of relay that it has taken note of */
	uint64_t timer_us; /* as in relay.due; 0: not there */
} __rte_cache_aligned;
TAILQ_HEAD(conn_list, conn);
_Static_assert(sizeof(struct conn) <= 1024, "bytes of an idle connection");
_Static_assert(RELAY_FORWARDS_MAX <= UINT16_MAX, "an index + 1 in 16 bits");

struct audit_entry {
	struct link_handle conn;
	uint16_t type;
	struct note name; /* of a channel */
	union {
		struct link_chan_end chan;
		struct link_conn_end end;
	};
};

/*
 * Ids in [acked, next) are kept, [unsent, next) of them are to be sent. As many places are used
 * as there ever were kept: those stay in the cache, and the others are never touched.
 */
struct audit {
	struct audit_entry *entry; /* [size, and up to a power of two], by id modulo used */
	uint32_t size;
	uint32_t used; /* a power of two */
	uint64_t acked, unsent, next;
};

struct grants {
	struct grant *grant; /* [size] */
	struct grant *free;
	uint32_t size, fresh; /* never used from fresh on */
	uint32_t n;           /* that are in use */
	uint32_t hand;        /* looks here next for one that is over */
};

#define FORWARD_CHAINS 65536 /* a power of two */

struct forwards {
	struct forward *forward;    /* [size] */
	uint32_t *chain;            /* [FORWARD_CHAINS] by token: index + 1 */
	uint32_t size, fresh, free; /* never used from fresh on; index + 1 */
	uint32_t n;                 /* that are in use */
	uint32_t n_over;            /* of those, of connections that are over; */
	uint32_t hand;              /* where one was looked for */
};

/* mem.c: what may be held while buffers are short. */
struct relay_mem {
	uint32_t low, scarce, reserve; /* marks: free buffers */
	uint32_t buf_cost;
	uint64_t share; /* bytes of memory one connection may hold, and still be read */
	uint32_t hand;  /* the connection that is looked at next */
	bool is_short;  /* in this turn */
};

/* One direction of a turn: how much is left, and who was to wait for the next; turn.c. */
struct turn {
	uint32_t left;
	struct conn *from; /* stands in active; NULL: the first */
};

struct notes {
	struct note_piece *piece;   /* [size] */
	uint32_t size, fresh, free; /* pieces ever used; index + 1 */
	uint32_t left;
};

struct asks {
	struct ask *ask;            /* [size] */
	uint32_t size, fresh, free; /* never used from fresh on; index + 1 */
};

/* debt.c: bounds of bytes in flight. */
struct debts {
	struct conn_debt *conn;        /* by place in conns */
	struct debt_left *left;        /* [left_size], of closed channels */
	uint32_t left_size, left_fresh, left_free; /* never used from fresh on; index + 1 */
	struct flights *flights, *own; /* own: made for this shard alone */
	struct flight_look look[LINK_FLIGHT_GROUPS];
};

/* look.c: what the connection has that has most, as struct flight_look has it. */
struct conn_look {
	uint32_t next;
	struct conn_uses {
		uint64_t flight, flight_max;
		uint32_t opening, unanswered;
	} most, now;
};

struct relay {
	struct relay_conf conf;
	uint64_t now_us;
	struct quantum quantum;
	struct turn rx_turn, tx_turn;
	struct record_batch *opening, *sealing;
	struct zpool *zpool;
	struct conn_list active, free_conns;
	struct chan_list free_chans;
	struct chan_list fds_awaited;      /* channels whose descriptors did not come yet */
	uint32_t n_free_chans;             /* in that list */
	uint32_t fresh_conns, fresh_chans; /* from here on none was ever used, nor takes memory */
	struct conn *conns;
	struct chan *chans;
	struct deadlines due; /* by place in conns, + 1 */
	uint32_t chan_bits;
	uint32_t generation;
	uint64_t uid;
	uint64_t full_us; /* control hears again of one that finds no place */
	bool attached;
	uint32_t links;           /* how often control has gone or come */
	uint32_t handover_hand;   /* the place that is looked at next for who has not taken note, */
	uint32_t handover_left;   /* and so many are, */
	uint32_t handover_places; /* of as many */
	uint64_t gone_us;   /* nothing but a rekey waits longer for a control; 0: not known yet */
	uint32_t n_unknown; /* connections no control has heard of */
	uint32_t n_conns, conns_limit; /* and as many as there may be */
	uint32_t backlog;   /* at most so many of them */
	uint64_t windows, windows_max; /* the sum of all windows, and its bound */
	struct relay_mem mem;
	struct caps caps;
	struct weights weights;
	struct debts debts;
	struct conn_look conn_look;
	struct budgets *budgets, *own_budgets; /* own: made for this shard alone */
	bool draining;
	uint32_t retry_after_s; /* what who is told to go is told */
	bool retry;     /* in this turn something was short that brings no news; */
	bool link_full; /* in it, or the one before: it was the link */
	struct audit audit;
	struct grants grants;
	struct forwards forwards;
	struct notes notes;
	struct asks asks;
	struct tees tees;
	struct trace trace;
	uint8_t *msg;     /* LINK_MSG_MAX: the item that is carried out */
	size_t msg_len;   /* > 0: it could not be carried out yet */
	uint8_t *payload; /* LINK_PAYLOAD_MAX: a payload gathered for the link */
	uint64_t counters[RELAY_C_COUNT];
	uint64_t errors[SSH_E_COUNT];
};

static inline void relay_count(struct relay *r, enum relay_counter c)
{
	r->counters[c]++;
}

/* An empty pool or a full ring: the connection goes on in a later turn. */
void conn_short(struct conn *c, int err);

/* comp.c */
/* Before control hears of a connection: may it be offered compression? */
bool comp_promise(struct conn *c);
int comp_rx_keys(struct conn *c, uint8_t comp);
void comp_tx_keys(struct conn *c, uint8_t comp);
int comp_authenticated(struct conn *c);
void comp_drop(struct conn *c);

/* conn.c */
void conn_activate(struct conn *c);
struct link_handle conn_handle(const struct conn *c);
/* The connection of a handle, or NULL: it is gone. */
struct conn *conn_find(struct relay *r, const struct link_handle *h);
unsigned int conn_input(struct conn *c);
unsigned int conn_run(struct conn *c);
/* One more or less of its channels is a terminal; once it is in: its packets have their class. */
void conn_ttys(struct conn *c, int more);
/* Ends it for err: DISCONNECT where the error has a reason and the peer can read it. */
void conn_fail(struct conn *c, int err);
/* Ends it without a word of ours: what is queued goes out within linger_ms. */
void conn_end(struct conn *c, int cause, uint32_t linger_ms);
/* After sealing: gives what is sealed to the stream, and goes on with the end. */
unsigned int conn_output(struct conn *c);
void conn_free(struct conn *c);
/* A payload of the shard's or of control's, with its message number first. -ENOMEM. */
int conn_send(struct conn *c, const void *payload, uint32_t len);
int conn_send_chain(struct conn *c, struct pkt_chain *payload, uint8_t msg);
void conn_alive_poll(struct conn *c);

/* kex.c */
/* Notes what a payload that is about to be queued means for the keys. */
void kex_sealed(struct conn *c, uint8_t msg);
void kex_received(struct conn *c, uint8_t msg);
/* Of control's payloads what another one would have to know. */
void kex_said(struct conn *c, const uint8_t *payload, uint32_t len);
int kex_tx_keys(struct conn *c, const struct link_keys *k); /* -EAGAIN: again later */
int kex_rx_keys(struct conn *c, const struct link_keys *k);
void kex_poll(struct conn *c); /* limits of the keys, and of the exchange */
/* Keys whose limit has passed are news: nobody changes them yet or was asked to. */
static inline bool kex_may_begin(const struct conn *c)
{
	return !c->rekey_asked && !c->tx_kex && c->phase.kex == SSH_KEX_NONE;
}
/* May the connection protocol be sealed now? */
static inline bool kex_quiet(const struct conn *c)
{
	return !c->tx_kex;
}

/* dispatch.c */
/* Carries out what is opened, as far as nothing stops it. Number of records. */
unsigned int dispatch_run(struct conn *c);

/* items.c */
unsigned int items_run(struct relay *r);

/* chan.c */
struct chan *chan_find(struct conn *c, uint32_t local);
/* The same of any state. */
struct chan *chan_at(struct conn *c, uint32_t local);
struct chan *chan_find_peer(struct conn *c, uint32_t peer);
/* 0, or which limit left no place for it: -SSH_E_CHANNELS, _CHANNELS_ALL, _UNAVAILABLE; counted. */
int chan_new(struct conn *c, enum stream_kind kind, struct chan **ret)
	__attribute__((warn_unused_result));
struct chan *chan_of_token(struct conn *c, uint64_t token);
/* What it was asked for, where there is room to keep that. */
void chan_name(struct chan *ch, const void *name, uint32_t len, uint16_t port);
/* How a visit to a channel ended. */
enum visit {
	VISIT_DONE,    /* it waits for news of its own */
	VISIT_MORE,    /* it can go on at once */
	VISIT_BLOCKED, /* its connection is in the way: keys, room, memory, the link */
	VISIT_GONE,    /* it was freed */
};
/* Bytes of its target that have not been taken for the client. */
uint32_t chan_waiting(const struct chan *ch);
/* What there is to hear of its target, and the grants that follow from it. */
void chan_hear(struct chan *ch);
/* Does what can be done now for one channel, but no more than one message of data. */
enum visit chan_visit(struct chan *ch, struct share *share);
/* The peer's messages; 0 or what ends the connection. */
int chan_data(struct chan *ch, const struct ssh_chan_data *d, uint32_t head_len,
	      struct pkt_chain *payload);
int chan_adjust(struct chan *ch, uint32_t n);
int chan_peer_eof(struct chan *ch);
int chan_peer_close(struct chan *ch);
/* n bytes need no room any more: the peer may send as many again. */
void chan_consume(struct chan *ch, uint32_t n);
/* Seals a message of the form number, channel. */
int chan_say(const struct chan *ch, uint8_t msg);
/* Control's wish. */
void chan_close(struct chan *ch, int cause);
/* The connection is over. */
void chan_abandon(struct chan *ch, int cause);
void chan_free(struct chan *ch);
extern const struct stream_user chan_target_user;

/* rounds.c */
/* What a connection's channels may give its stream in a turn. */
struct share {
	uint32_t space; /* bytes it has room for */
	uint32_t ahead; /* bytes beyond it, for channels that send little */
	uint32_t quantum;
	bool cut; /* by the turn, not by the stream */
};
/* ChannelShare. */
static inline uint32_t chan_weight(const struct chan *ch)
{
	return ch->share > 1 ? ch->share : 1;
}
/* There is something to do for it: it gets its turn. */
void chan_ready(struct chan *ch);
/* Serves what is ready, in turns. Number of things done. */
unsigned int chan_run(struct conn *c);
/* After a turn: the share of the turn stopped a channel, and nothing else does. */
bool chan_could_go_on(const struct conn *c);
/* Bytes of one message that may be sealed for it now, of want that wait; what was. */
uint32_t rounds_room(const struct chan *ch, const struct share *s, uint32_t want);
void rounds_spent(struct chan *ch, struct share *s, uint32_t n);
void rounds_leave(struct chan *ch);

/* window.c */
/* False: more would be granted than the shard can answer for. */
bool window_init(struct chan *ch, enum stream_kind kind);
/* Of one that has no stream yet nothing may be sent; what it grants then, 0: as window_init(). */
void window_none(struct chan *ch);
uint32_t window_begin(struct chan *ch, enum stream_kind kind);
void window_fini(struct chan *ch);
/* So many bytes need no room any more. Returns "bytes to add" to be said to the peer. */
uint32_t window_taken(struct chan *ch, uint32_t n);

/* debt.c: only for connections with c->indebted. */
int debts_init(struct relay *r);
void debts_fini(struct relay *r);
/* Control has said what it may have in flight. */
void debt_told(struct conn *c, const struct link_flight *m);
void debt_over(struct conn *c); /* the connection goes */
uint64_t debt_of(const struct conn *c, uint64_t *ret_max); /* UINT64_MAX: its user or source has a bound */
/* Of a first window of size bytes: so many, which are taken; 0: there is not even a packet. */
uint32_t debt_first(struct conn *c, uint32_t size);
/* Its window is to grow to this size: to which it may, for which more is taken. */
uint32_t debt_grow(struct chan *ch, uint32_t size);
void debt_give(struct conn *c, uint32_t n);
/* Its target's window is to be of this size, which was another: that which it may be. */
uint32_t debt_target(struct chan *ch, uint32_t was, uint32_t size);
void debt_target_over(struct chan *ch);
/*
 * Its target is closed next: what is queued there counts until it has arrived or is dropped. False:
 * there is no place to count it.
 */
bool debt_leave(struct chan *ch);

/* grant.c */
int grants_init(struct grants *g, uint32_t size);
void grants_fini(struct grants *g);
void grant_take(struct conn *c, const struct link_grant *m);
/* c NULL: whoever's; token 0: all. */
void grants_revoke(struct relay *r, struct conn *c, uint64_t token);
void grants_drop(struct conn *c); /* all of a connection that is over */
/* Is this OPEN granted? Then *ret is what control would have answered, addresses as far as n_addrs.
 */
bool grant_find(struct conn *c, const struct pkt_chain *payload, struct link_chan_connect *ret);

/* forward.c */
int forwards_init(struct forwards *all, uint32_t size);
void forwards_fini(struct forwards *all);
void forwards_over(struct conn *c); /* with its connection: nobody comes in any more */
void forwards_drop(struct conn *c); /* all of a connection, which goes */
/* Control's wishes. */
int forward_begin(struct conn *c, const struct link_forward *m);
void forward_end(struct conn *c, const struct link_forward_ref *m);
int forwards_tell(struct conn *c); /* -EAGAIN, -ENOTCONN: it must wait */
/* Control has answered the request for one, if there was such; has gone; another has come. */
void forwards_settled(struct conn *c);
void forwards_lost(struct conn *c);
void forwards_keep(struct conn *c);
int forwards_tell_kept(struct conn *c);
/* Of a channel that we open: its OPEN; news of its target; the client's answers, 0 or what ends the
 * connection. */
int forward_say_open(struct chan *ch);
void forward_step(struct chan *ch, uint8_t events);
bool forward_awaits(struct conn *c, uint32_t channel); /* an answer */
int forward_confirmed(struct conn *c, const struct ssh_chan_confirm *m);
int forward_refused(struct conn *c, uint32_t channel, uint32_t reason);
/* It is answered, or goes. */
void forward_answered(struct chan *ch);
void forward_left(struct chan *ch); /* its channel is over */
void forward_chan_failed(struct chan *ch, int err, uint32_t reason);
void forward_give_up(struct chan *ch, int err);

/* turn.c */
/* Visits the active connections, those first that the last turn had nothing left for. */
typedef unsigned int turn_visit_fn(struct conn *c);
typedef void turn_fetch_fn(const struct conn *c); /* for the one after it */
unsigned int turn_visit(struct relay *r, struct turn *t, turn_visit_fn *visit,
			turn_fetch_fn *fetch);
turn_fetch_fn turn_fetch_input, turn_fetch_target;
/* Bytes of this direction for the connection now; 0: it waits for the next turn. */
uint32_t turn_share(struct conn *c, struct turn *t, bool much);
/* It moved n of them; more: and wanted more. */
void turn_spent(struct conn *c, struct turn *t, uint32_t n, bool more);
/* It leaves the active list. */
void turn_leave(struct conn *c);

/* mem.c */
void mem_init(struct relay *r);
/* Looks at the pool, and ends who holds what others need. Number of connections. */
unsigned int mem_turn(struct relay *r);
/* Bytes of its stream that may be taken; 0: it holds too much. */
uint32_t mem_room(struct conn *c);

/* note.c */
int notes_init(struct notes *all, uint32_t conns);
void notes_fini(struct notes *all);
/* Takes the place of what was there. -ENOMEM, counted: nothing is. */
int note_put(struct relay *r, struct note *n, const void *bytes, uint32_t len);
void note_drop(struct relay *r, struct note *n);
void note_read(const struct relay *r, const struct note *n, uint8_t *ret); /* len bytes */

/* ask.c */
int asks_init(struct asks *all, uint32_t conns);
void asks_fini(struct asks *all);
/* Control has taken this payload. */
void ask_begin(struct conn *c, uint32_t seqnr, const uint8_t *payload, uint32_t len);
/* It is done with n of the out that it had. */
void asks_credit(struct conn *c, uint32_t n, uint32_t out);
/* It has decided the OPEN with this number of the peer's; has answered a global request. */
void ask_decided(struct conn *c, uint32_t channel);
void ask_replied(struct conn *c);
bool asks_reply(const struct conn *c); /* is the reply to one awaited? */
void asks_kex_done(struct conn *c);
/* Control is gone: what is left is the next one's. */
void asks_lost(struct conn *c);
int asks_tell(struct conn *c); /* -EAGAIN, -ENOTCONN: it must wait */
/* The oldest, of which ret has room for RELAY_ASK_MAX bytes: their number, 0: there is none. */
uint32_t ask_first(const struct conn *c, uint8_t *ret);
void ask_forget(struct conn *c); /* that one */
void asks_drop(struct conn *c);

/* kept.c */
/* A control has attached. */
void kept_begin(struct conn *c);
int kept_tell(struct conn *c); /* -EAGAIN, -ENOTCONN: it must wait */

/* proxy.c */
/* Does what comes from there begin with a header? */
bool proxy_awaited(const struct relay *r, const struct link_addr *peer);
/* True: it is there, and was taken. It may have ended instead. */
bool proxy_read(struct conn *c);
void proxy_late(struct conn *c);
/* Before all else that goes to a target that is connected. -ENOMEM, -EPIPE. */
int proxy_say(struct chan *ch) __attribute__((warn_unused_result));

/* connect.c */
int connect_begin(struct conn *c, const struct link_chan_connect *m, bool granted);
/* There is no channel to remember it in: FAILURE now, or the item comes again. */
int connect_refuse(struct conn *c, uint32_t peer_channel, uint64_t token, int err);
/* News of the target or of the clock while it is opening. */
void connect_step(struct chan *ch, uint8_t events);
void connect_timers(struct conn *c);
void connect_fail(struct chan *ch, int err, uint32_t reason);
/* It connects no more: it is connected, has failed or is gone. */
void connect_over(struct chan *ch);

/* open.c: control has us ask the client for a channel. -EAGAIN, -ENOMEM: once more. */
int chan_open_begin(struct conn *c, const struct link_chan_open *m);

/* host.c */
int host_begin(struct conn *c, const struct link_chan_host *m);
int host_fds(struct conn *c, const struct link_chan_fds *m);
int host_finish(struct conn *c, const struct link_chan_ref *m);
int host_size(struct conn *c, const struct link_chan_size *m);
int host_cut(struct conn *c, const struct link_chan_cut *m);
/* What it waited for did not come. */
void host_late(struct chan *ch);
/* It waits for none any more. */
void host_over(struct chan *ch);
/* Programs end by themselves once nobody came for ControlWait; channels that have none do now. */
void host_control_gone(struct conn *c);
void host_patience_over(struct conn *c);
void host_control_came(struct conn *c);

/* say.c */
int chan_say_for(struct conn *c, const struct link_chan_say *m);
/* Its descriptors are there; or it awaits none any more. */
void chan_say_early(struct chan *ch);
void chan_forget_early(struct chan *ch);

/* tee.c */
int tees_init(struct tees *all);
void tees_fini(struct tees *all);
/* The descriptor with this token. 0, also where it may do without; or what the channel ends by. */
int chan_tee_begin(struct chan *ch, uint64_t fds, uint8_t how);
void chan_tee_end(struct chan *ch);
void chan_tee_hear(struct chan *ch);
/* False: they may not go on, and the channel is over. */
bool chan_tee_copy(struct chan *ch, enum tee_kind kind, const struct pkt_chain *data);
void chan_tee_size(struct chan *ch, uint16_t columns, uint16_t rows);
/* Does it wait for the one who has the copy? */
static inline bool chan_tee_full(const struct chan *ch)
{
	return unlikely(ch->tee != NULL) && tee_full(&ch->tee->tee);
}

/* trace.c */
void trace_begin(struct conn *c, const struct link_trace *m);
void trace_end(struct relay *r);
void trace_conn_over(struct conn *c);
void trace_fds_came(struct relay *r, uint64_t token);
unsigned int trace_run(struct relay *r); /* is it at its end? */
/* Messages, where it is this connection's: traced(). */
void trace_received(struct conn *c, const struct pkt_chain *payload, uint32_t seqnr);
void trace_chain(struct conn *c, enum tee_kind kind, const struct pkt_chain *payload);
void trace_sent(struct conn *c, const uint8_t *head, uint32_t head_len, uint32_t data_len);
static inline bool traced(const struct conn *c)
{
	return unlikely(c->relay->trace.conn == c);
}

/* up.c */
/* Is there room for one more payload of len bytes with control? */
bool up_may(const struct conn *c, uint32_t len);
void up_payload(struct conn *c, uint32_t seqnr, struct pkt_chain *payload);
unsigned int up_run(struct conn *c);
int up_send(struct relay *r, uint16_t type, const struct link_handle *h, const void *body,
	    size_t body_len, const void *tail, size_t tail_len);
int up_ident(struct conn *c, const uint8_t *line, uint32_t len);
int up_chan_opened(struct chan *ch);
int up_chan_drained(struct chan *ch);
int up_chan_unsaid(struct chan *ch, uint64_t id) __attribute__((warn_unused_result));
int up_chan_eof(struct chan *ch, uint32_t way) __attribute__((warn_unused_result));
int up_chan_failed(struct conn *c, uint64_t token, int err, uint32_t reason);
int up_forward(struct conn *c, uint64_t token, int err, uint16_t port);
/* One that found no place; of all in RELAY_FULL_US control hears of the first. */
void up_conn_full(struct relay *r, uint32_t listener, const struct link_addr *local,
		  const struct link_addr *peer);

/* wait.c */
/*
 * Does it wait for what only the control that is gone could say: half a login, half a key exchange
 * of which that one alone knew how to go on, a payload that is not known here?
 */
bool conn_orphaned(const struct conn *c);
/* Refuses or ends what has waited long enough. Number of things done. */
unsigned int wait_run(struct conn *c);
uint64_t wait_deadline(const struct conn *c); /* 0: none */

/* handover.c */
unsigned int handover_turn(struct relay *r);
/* Control has gone or come since it did anything: that is first, and may be its end. */
void conn_take_note(struct conn *c);
static inline void conn_note_links(struct conn *c)
{
	if (unlikely(c->links != c->relay->links))
		conn_take_note(c);
}

/* audit.c */
int audit_init(struct audit *a, uint32_t size);
void audit_fini(struct audit *a);
void audit_chan_end(struct chan *ch);
bool audit_conn_end(struct conn *c); /* false: there is no room */
unsigned int audit_run(struct relay *r);
void audit_ack(struct relay *r, uint64_t id);
void audit_resend(struct audit *a);
/* Half of what may be kept is. */
static inline bool audit_lags(const struct audit *a)
{
	return (a->next - a->acked) * 2 >= a->size;
}
/* May anything begin whose end control would have to hear of? */
bool audit_admits(struct relay *r);

/* look.c */
/* -EAGAIN: it must be asked again. */
int look_tell(struct relay *r, const struct link_hdr *ask);
/* What holds up its bytes to the client. */
enum link_slow look_slow_out(const struct chan *ch);

/* blocked.c: OperationTimeout, only for connections with auth.send_timeout_ms */
/* Channels have something to do: they are looked at, from some time on. */
void blocked_watch(struct conn *c);
/* At c->blocked_us. */
void blocked_look(struct conn *c);

/* timers.c */
/* ChannelTimeout: its idle_ms is known and it is open. */
void timer_chan_open(struct chan *ch);
/* UnusedConnectionTimeout: it has no channel yet, or none any more. */
void timer_unused(struct conn *c);
void timer_update(struct conn *c);
void timer_drop(struct conn *c);
/* A deadline: the earlier of the two, where 0 is none. */
static inline uint64_t timer_min(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

#endif

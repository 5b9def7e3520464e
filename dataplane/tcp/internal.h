/*
 * dataplane/tcp/internal.h - what the files of dataplane/tcp share.
 *
 * Names are those of RFC 9293: SND.UNA is snd_una. snd_nxt is the next byte to send and goes
 * back when a time-out sends again from snd_una; snd_max is the highest that was ever sent, and
 * the bound of acceptable acknowledgements.
 *
 *   tcp.c      instance, connection objects, stream API      table.c   tables of 4-tuples
 *   input.c    a segment's way through RFC 9293 3.10.7       listen.c  LISTEN and no connection
 *   ack.c      what an acknowledgement does                  rtt.c     round trip, RTO
 *   recovery.c what is lost, and its repair                  cc.c      congestion window
 *   reass.c    received bytes, in order and not              output.c  what is due, and when
 *   timer.c    deadlines                                     timewait.c
 *   kick.c     links that came back
 *   icmp.c     errors of the network                    pmtu.c     size of packets
 *   mem.c      what changes while buffers are short          newreno.c, cubic.c, hystart.c
 *   busy.c     what only a connection that moves holds        ecn.c      marks instead of losses
 *   window.c   windows that follow the path               pace.c     pacing, its wheel
 *   list.c     lists of connections                          path.c    the way to the peer
 *   sent.c     what is in flight (sent.h)                    rack.c    losses found by time
 *   cookie.c   SYNs without state                            source.c  what a source holds
 *   coalesce.c segments of a burst as one                near.c    windows of near peers (near.h)
 *   txq.c      the send queue (txq.h)                    room.c     ports that are full
 *   segment.c  a segment as a packet (segment.h)         reply.c    segments of no connection
 */
#ifndef SLUICE_DATAPLANE_TCP_INTERNAL_H
#define SLUICE_DATAPLANE_TCP_INTERNAL_H

#include <bsd/sys/tree.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_tcp.h>

#include "dataplane/deadlines.h"
#include "dataplane/tcp/cc.h"
#include "dataplane/tcp/cookie.h"
#include "dataplane/tcp/near.h"
#include "dataplane/tcp/options.h"
#include "dataplane/tcp/overload.h"
#include "dataplane/tcp/pace.h"
#include "dataplane/tcp/sent.h"
#include "dataplane/tcp/seq.h"
#include "dataplane/tcp/source.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/txq.h"

/* The library's macros do not nest without shadowing. */
static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#define TCP_HDR_MIN       20
#define TCP_HDR_MAX       60
#define TCP_IP_HDR_4      20
#define TCP_IP_HDR_6      40
#define TCP_TTL           64
#define TCP_PROTO         6
#define TCP_BURST         64                       /* segments looked up together */
#define TCP_LISTENERS     (256 + SPREAD_STEER_MAX) /* the gateway's own, and those of connections */
#define TCP_PORTS         65536
#define TCP_INIT_SEGS     10                  /* RFC 6928 */
#define TCP_OUT_SEGS      64                  /* one connection's data segments in one turn */
#define TCP_OUT_PIECES    16                  /* mbufs one segment may point into */
#define TCP_CWND_MAX      (UINT32_C(1) << 30) /* RFC 7323's largest window */
#define TCP_SSTHRESH_INF  TCP_CWND_MAX        /* no loss yet (RFC 5681: arbitrarily high) */
#define TCP_DUPACKS       3                   /* RFC 5681 section 3.2 */
#define TCP_DUPACKS_OUT   64                  /* duplicate ACKs owed at once */
#define TCP_SYNACK_MAX    5                   /* SYN-ACK retransmissions (T-17) */
#define TCP_CHALLENGE_MAX 10 /* challenge ACKs of a connection in TCP_CHALLENGE_US */
#define TCP_WND_RAW_MAX   65535
#define TCP_RX_INITIAL    (64 * 1024) /* a connection's first receive window */
/* Bytes a stream may be given ahead of the peer's window: at first, in the end, and of zero. */
#define TCP_TX_AHEAD_MIN     (8 * 1024)
#define TCP_TX_AHEAD_MAX     (128 * 1024)
#define TCP_TX_AHEAD_STALLED (4 * 1024)
/* What waits behind what is under way: for so long, and at least so much. */
#define TCP_TX_UNSENT_US  (5 * TCP_MS)
#define TCP_TX_UNSENT_MIN (128 * 1024)

#define TCP_MS             UINT64_C(1000)
#define TCP_SEC            UINT64_C(1000000)
#define TCP_RTO_INIT_US    (1 * TCP_SEC)  /* RFC 6298 (2.1) */
#define TCP_RTO_SYN_US     (3 * TCP_SEC)  /* (5.7) */
#define TCP_RTO_VAR_MIN_US (200 * TCP_MS) /* see rtt.c */
#define TCP_RTO_MAX_US     (60 * TCP_SEC) /* (2.5) */
#define TCP_DELACK_US      (40 * TCP_MS)  /* RFC 1122: below 500 ms */
#define TCP_RETRY_US       (5 * TCP_MS)   /* after an empty pool */
#define TCP_OOW_ACK_US     (500 * TCP_MS) /* T-12 */
#define TCP_CHALLENGE_US   (5 * TCP_SEC)  /* RFC 5961 section 7 */
#define TCP_FIN_WAIT_2_US  (60 * TCP_SEC) /* of a connection that was let go */
#define TCP_SWEEP_US       (100 * TCP_MS) /* between two looks for half-open ones of no listener */
#define TCP_QUIET_US                                                                               \
	(5 * TCP_SEC) /* of rest, then a connection is idle: thousands that take turns are not */
#define TCP_NVP_US       (300 * TCP_SEC)        /* RFC 7661 section 4.2, "nonvalidated period" */
#define TCP_TW_REUSE_US  (1 * TCP_SEC)          /* of rest before our connect takes a tuple over */
#define TCP_RST_BURST_US (200 * TCP_MS)         /* resets saved up for this long */
#define TCP_PAWS_IDLE_US (24 * 86400 * TCP_SEC) /* RFC 7323 section 5.5 */

#define TCP_FLAGS (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)

enum tcp_state {
	TCP_CLOSED,
	TCP_LISTEN, /* of listeners; no connection has it */
	TCP_SYN_SENT,
	TCP_SYN_RCVD,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSING,
	TCP_TIME_WAIT, /* of entries of timewait.c; no connection has it */
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_STATES
};

/* Peer has synchronized with us: RFC 9293 section 3.10.7.4 applies. */
static inline bool tcp_synchronized(enum tcp_state s)
{
	return s >= TCP_ESTABLISHED;
}

enum tcp_timer {
	TCP_T_REXMT,   /* retransmission, also of SYN and FIN */
	TCP_T_PERSIST, /* zero-window probe; SWS override */
	TCP_T_DELACK,
	TCP_T_RETRY, /* output again: a pool was empty */
	TCP_T_KEEP,
	TCP_T_LINGER, /* FIN-WAIT-2 of a connection nobody holds */
	TCP_T_QUIET,  /* nothing moves: see busy.c */
	TCP_TIMERS
};
#define TCP_NEVER UINT64_MAX

/* What TCP_T_REXMT was set for. */
enum tcp_rexmt_kind {
	TCP_REXMT_RTO, /* RFC 6298 */
	TCP_REXMT_TLP, /* RFC 8985 section 7: a tail is probed */
	TCP_REXMT_REO, /* section 6.3: what is late becomes lost */
};

/* A 4-tuple, local side first, in a form that compares and hashes by words. */
struct tcp_key {
	uint64_t local[2], peer[2];
	uint32_t ports; /* local << 16 | peer */
	uint32_t family;
};

struct tcp_listener {
	struct net_addr addr; /* family 0: any */
	uint16_t port;
	uint16_t next;    /* of its port, or free: index + 1, as the next one */
	uint16_t next_id; /* of those whose numbers have the same place */
	bool used;
	bool held; /* nothing is accepted as yet: the port is kept from connects */
	bool over; /* closed; the place is free once the last half-open one is gone */
	uint32_t id;
	uint32_t backlog, half_open;
	tcp_accept_fn *accept;
	void *arg;
};

/*
 * Times a connection keeps: what is compared with seconds is kept in ticks of 1.024 ms, which
 * wrap after 50 days, and the age of a timestamp in ticks of 1.05 s, which do not.
 */
#define TCP_TICK_SHIFT 10
#define TCP_AGE_SHIFT  20

static inline uint32_t tcp_tick(uint64_t us)
{
	return (uint32_t)(us >> TCP_TICK_SHIFT);
}

static inline uint64_t tcp_since_us(uint32_t tick, uint64_t now_us)
{
	return (uint64_t)(tcp_tick(now_us) - tick) << TCP_TICK_SHIFT;
}

/* What a connection keeps of a struct net_path: see tcp_path(). */
struct tcp_path {
	uint8_t next_hop[16]; /* of the peer's family */
	uint32_t version;
	uint16_t iface, mtu;
};

/* How large a packet the path takes: see pmtu.c. Sizes are those of IP packets. */
struct tcp_pmtu {
	uint16_t size;       /* of a full segment now */
	uint16_t confirmed;  /* the largest that is known to have arrived; 0: none */
	uint16_t failed;     /* the smallest that is known not to; 0: none */
	bool below : 1;      /* the two ends would take more */
	bool told : 1;       /* failed - 1 is what a router said */
	uint8_t lowered : 4; /* times since the last search that a router was believed at once */
	uint32_t search;     /* tick from which on more is tried */
};

/* Neighbours in a list of connections, index + 1. */
struct tcp_link {
	uint32_t next, prev;
};

enum tcp_list_kind {
	TCP_L_REFUSED, /* to be told when buffers are not short any more */
	TCP_L_HOLED,   /* with bytes beyond a gap */
	TCP_L_ORPHANS, /* let go, not yet ended; oldest first */
	TCP_L_ROOM,    /* that a port is too full for: a list of each port (room.c) */
	TCP_LISTS
};

/*
 * What a connection has only while something moves or lies in its queues (busy.c): zeroes, and
 * what tcp_cc_resume() sets, when it begins to. What need not outlive TCP_QUIET_US of rest is here,
 * and what an idle connection must keep in struct tcp_conn.
 */
struct tcp_busy {
	/* Send queue: bytes from tx_seq on; tx_off of its first mbuf are acknowledged. */
	struct tcp_txq txq;
	struct tcp_cursor tx_cur; /* of snd_nxt */
	struct pkt_chain rxq;     /* received, in order */
	uint32_t tx_off, tx_cost, rx_cost, rx_compact_at;
	uint32_t drip_bytes, drip_tick; /* acknowledged until then (mem.c); 0: not looked at yet */

	/* Path MTU (pmtu.c): a packet whose fate will tell; a router's word that is not believed
	 * yet. */
	uint32_t watch_end; /* sequence number behind it */
	uint32_t claimed_seq;
	uint16_t watched, claimed; /* 0: none */

	/* Congestion control: cwnd and ssthresh before the last loss, and the algorithm's own. */
	uint32_t round_end;   /* this acknowledged, a round trip is over */
	uint32_t limited_end; /* up to here cwnd held output back */
	uint32_t cwr_end;     /* snd_max at the last reduction */
	uint32_t prior_cwnd, prior_ssthresh;
	uint64_t cc_private[TCP_CC_PRIVATE / 8];
	struct tcp_pace pace;

	/*
	 * The receive window (window.c): what the user took since taken_at_us, and in the round
	 * trip before; the round trip, by an echo of ours or by the time to fill a window.
	 */
	uint32_t taken, taken_before, taken_at_us;
	uint32_t rcv_rtt_us, rtt_ecr;
	uint32_t fill_end, fill_at_us;

	/*
	 * Received: runs beyond a gap (reass.c), the first and the last of them, and those that
	 * got a segment lately, the latest first.
	 */
	struct tcp_run *runs, *runs_last;
	struct tcp_runs {
		struct tcp_run *rbh_root;
	} runs_tree; /* RB_HEAD() */
	struct tcp_run *runs_recent[TCP_SACK_MAX];
	uint32_t runs_cost, runs_n;
	struct tcp_sack dsack; /* a duplicate to be told of (RFC 2883); empty: none */

	struct tcp_busy *next_free;
} __rte_cache_aligned;

/*
 * A connection. An idle one costs this and its places in the tables, so a field is as small as
 * it can be; the order is that of use: what each segment reads and writes, the two queues, the
 * timers, and what is read by what is sent or seldom.
 */
struct tcp_conn {
	struct stream s;
	struct tcp *t;
	uint8_t state; /* enum tcp_state */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t rxtshift; /* consecutive time-outs */
	bool ts_on : 1;
	bool detached : 1; /* the user let go */
	bool hashed : 1;
	bool on_output : 1;
	bool on_dead : 1;
	bool ack_now : 1;
	bool fin_queued : 1, fin_sent : 1;
	bool rcv_fin : 1; /* rcv_fin_seq is known */
	bool rtt_timing : 1;
	bool in_recovery : 1, in_rto : 1; /* a loss is repaired: see recovery.c */
	bool passive : 1;
	bool keepalive : 1;
	bool nagle : 1;
	bool wscale_ok : 1; /* both sides offered it */
	bool sack_ok : 1;   /* both sides permitted SACK (RFC 2018) */
	bool established : 1;
	bool probe_due : 1, keep_due : 1;
	bool syn_due : 1;                 /* SYN or SYN-ACK is to be sent (again) */
	bool take_failed : 1;             /* a reader got less than there is */
	bool tx_cksum : 1;                /* of the path: the port fills in checksums */
	bool ecn_ok : 1;                  /* both sides do ECN (RFC 3168) */
	bool ece_on : 1;                  /* a mark came, and the peer's CWR not yet */
	bool cwr_due : 1;                 /* to be said that cwnd was reduced */
	bool tlp_due : 1;                 /* the probe of RFC 8985 section 7 */
	bool tlp_out : 1, tlp_rexmit : 1; /* one is on its way; it was nothing new */
	bool reordering : 1;              /* something arrived after what was sent later */
	uint8_t rexmt_kind : 2;           /* enum tcp_rexmt_kind */
	uint8_t on_list : 4;              /* bits of enum tcp_list_kind */
	uint32_t snd_una, snd_nxt, snd_max, snd_wnd, snd_wl1, snd_wl2;
	uint32_t rcv_nxt, rcv_adv; /* rcv_adv: right edge of the window we promised */
	uint32_t ts_recent, last_ack_sent;
	uint32_t ts_recent_age;    /* when it came, in ticks of TCP_AGE_SHIFT */
	uint32_t last_rx, last_tx; /* ticks */
	uint32_t unacked_bytes;    /* received since our last ACK */
	uint32_t max_snd_wnd;
	uint32_t cwnd, ssthresh, recover;
	uint16_t dupacks;
	uint16_t rcv_mss; /* the largest segment seen: what "full" means of the peer's */
	uint16_t mss;     /* payload of a full segment, options taken off */
	uint8_t dupacks_due;
	uint8_t persist_shift;
	uint8_t qos; /* of its packets, beside ECN */

	uint32_t tx_seq;  /* of the first byte in the send queue */
	uint32_t snd_sml; /* end of the last segment that was not full: Minshall's form of Nagle */
	uint32_t rx_window; /* what may wait: grows with the path (window.c) */
	uint16_t timers_on; /* bits of enum tcp_timer */
	uint16_t asker;     /* of struct net_path */
	uint32_t rcv_fin_seq;

	/* RTO, RFC 6298; of a segment that is timed, the low half of when it went. */
	uint32_t srtt_us, rttvar_us, rto_us;
	uint32_t rtt_start_us;
	uint32_t min_rtt_us, min_rtt_tick;
	uint32_t tlp_end;
	uint8_t reo_mult, reo_persist; /* RFC 8985's reo_wnd_mult less one, and reo_wnd_persist */
	struct tcp_board *board;       /* NULL: nothing is in flight */

	struct tcp_busy *busy; /* tcp_idle_place() while it is idle */

	uint64_t due_us;               /* as in tcp.due; 0: not there */
	uint32_t deadline[TCP_TIMERS]; /* low half of microseconds: see timer.c */
	struct tcp_conn *out_next;
	uint32_t progress; /* tick */

	uint32_t next; /* index + 1: in a bucket, or in the list of the dead or the free */
	struct tcp_key key;
	struct tcp_path path;
	struct tcp_pmtu pmtu;
	uint32_t iss, irs;
	uint32_t ts_offset;
	uint16_t mss_adv, mss_peer;
	uint32_t oow_last, challenge_start; /* ticks */
	uint8_t challenges, keep_probes;
	uint16_t listener; /* index + 1 while half-open, else 0 */
	struct tcp_link link[TCP_LISTS];
	uint64_t total_in, total_out;
} __rte_cache_aligned;
_Static_assert(offsetof(struct tcp_conn, s) == 0, "a stream of kind tcp is its connection");
_Static_assert(offsetof(struct tcp_conn, rcv_fin_seq) <= 3 * 64,
	       "what each segment reads, together");
/* With its places in the tables an idle one may cost 512 (tests/sim/test_idle.c). */
_Static_assert(sizeof(struct tcp_conn) <= 448, "bytes of an idle connection");

static inline struct net_addr tcp_addr(uint32_t family, const uint64_t words[2])
{
	struct net_addr a = {.family = (uint8_t)family};

	memcpy(a.b, words, sizeof(a.b));
	if (unlikely(family == 6 && a.b[0] == 0xfe && a.b[1] == 0x80)) { /* see tcp_key_make() */
		a.scope = a.b[7];
		a.b[7] = 0;
	}
	return a;
}

static inline struct net_addr tcp_local(const struct tcp_conn *c)
{
	return tcp_addr(c->key.family, c->key.local);
}

static inline struct net_addr tcp_peer(const struct tcp_conn *c)
{
	return tcp_addr(c->key.family, c->key.peer);
}

static inline uint16_t tcp_local_port(const struct tcp_conn *c)
{
	return (uint16_t)(c->key.ports >> 16);
}

static inline uint16_t tcp_peer_port(const struct tcp_conn *c)
{
	return (uint16_t)c->key.ports;
}

/* A segment that passed the header checks. m starts at its TCP header until it is delivered. */
struct tcp_seg {
	struct rte_mbuf *m;
	struct tcp_key key;
	uint64_t hash;
	uint32_t seq, ack, len; /* len: payload */
	uint32_t unit;          /* of the longest segment that this is made of: coalesce.c, LRO */
	uint16_t wnd;           /* as it came, unscaled */
	uint16_t hdr_len;
	uint8_t flags;
	struct tcp_opts opts;
};

/* Sequence space of a segment. */
static inline uint32_t tcp_seg_space(const struct tcp_seg *g)
{
	return g->len + !!(g->flags & RTE_TCP_SYN_FLAG) + !!(g->flags & RTE_TCP_FIN_FLAG);
}

/* One connection in TIME-WAIT; see timewait.c. */
struct tcp_tw {
	uint64_t local[2], peer[2];
	uint32_t ports;
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent;
	uint32_t expires_ms;
	uint32_t hash_next; /* index + 1 */
	uint32_t fifo_next; /* index + 1; also of the free list */
	uint8_t family;
	bool ts_on : 1, live : 1;
	bool prolonged : 1; /* not where it belongs in the list any more */
	uint16_t ack_ms;    /* when it last answered, for the rate */
};
_Static_assert(sizeof(struct tcp_tw) == 64, "T-37: one cache line");

/* A list of connections by index: half of what pointers take. */
struct tcp_list {
	uint32_t head, tail; /* index + 1 */
};

/* Data buffers: marks and what is free. See mem.c. */
struct tcp_mem {
	uint32_t low, high, scarce, reserve;
	uint32_t free; /* when the turn began, less what was queued since */
	uint32_t buf_cost;
	uint64_t rx_grown;   /* what the windows of connections that move have grown by */
	uint32_t stall_hand; /* the connection to be looked at next; see cut_stalled() */
	uint8_t stall_min;
	bool is_short;
	struct tcp_list list[TCP_LISTS]; /* but that of TCP_L_ROOM */
};

struct tcp {
	struct tcp_conf conf;
	uint32_t rx_initial;
	uint8_t rcv_wscale;
	uint64_t counters[TCP_C_COUNT];

	struct tcp_conn *conns;
	uint32_t free_list, dead_list; /* index + 1 */
	uint32_t conns_fresh;          /* from here on none was ever used, nor takes memory */
	unsigned int conns_n, conns_limit;
	uint32_t half_open_max; /* conf's, or less for a limit that is small */
	uint32_t *buckets; /* of conns, index + 1 */
	uint32_t bucket_mask;

	struct tcp_busy *busy, *busy_free;
	uint32_t busy_fresh, busy_n; /* never used from here on; in use */

	struct tcp_tw *tw;
	uint32_t *tw_buckets;
	uint32_t tw_mask;
	uint32_t tw_free, tw_head, tw_tail; /* index + 1 */
	uint32_t tw_fresh;                  /* as conns_fresh */
	unsigned int tw_n;

	struct deadlines due; /* by index + 1 */

	/* Nodes and boards of what is in flight: sent.c. */
	struct tcp_sent *sent_mem, *sent_pool;
	struct tcp_board *board_mem, *board_pool;
	uint32_t boards, boards_fresh; /* as conns_fresh */
	uint32_t sent_free;

	uint32_t kick_ifaces, kick_left; /* links that came up; connections not looked at yet */

	struct tcp_wheel wheel;
	struct tcp_conn *out_head, **out_tail;
	struct tcp_list room[NET_IFACES_MAX];
	struct tcp_mem mem;

	struct tcp_listener *listener; /* [TCP_LISTENERS] */
	unsigned int listeners_end;    /* behind the last that was ever used */
	/* Index + 1: the first of each port; of each number modulo TCP_PORTS; that is free. */
	uint16_t *listeners_of, *listeners_by_id, listeners_free;
	uint32_t listeners_over; /* whose half-open connections are still there */
	uint64_t swept_us;       /* when those were looked for */
	/* Of several shards: connections by their local port. NULL: nobody asks. */
	uint32_t *port_users;
	struct tcp_cookies cookies;
	struct tcp_sources sources;
	struct tcp_source_look source_look;
	struct {
		uint32_t next, most, now; /* as struct tcp_source_look has them */
	} listener_look;
	struct overload overload;
	struct near near;
	uint64_t rst_paid_us; /* resets are paid for up to here; see tcp_reply_rst() */
	uint32_t port_next;   /* RFC 6056 section 3.3.3 */
	uint64_t now_us;      /* of the turn; for calls that bring no time */
};

static inline void tcp_count(struct tcp *t, enum tcp_counter c)
{
	t->counters[c]++;
}

static inline struct tcp_conn *tcp_of(const struct stream *s)
{
	return (struct tcp_conn *)(uintptr_t)s;
}

static inline uint32_t tcp_index(const struct tcp_conn *c)
{
	return (uint32_t)(c - c->t->conns) + 1;
}

static inline struct tcp_conn *tcp_at(const struct tcp *t, uint32_t index)
{
	return index != 0 ? &t->conns[index - 1] : NULL;
}

/* Connections there may be more. */
static inline uint32_t tcp_conns_left(const struct tcp *t)
{
	return likely(t->conns_n < t->conns_limit) ? t->conns_limit - t->conns_n : 0;
}

/* list.c: a connection is in a list of a kind at most once; asking twice does nothing. */
struct tcp_conn *tcp_list_first(const struct tcp *t, enum tcp_list_kind k);
struct tcp_conn *tcp_list_next(const struct tcp_conn *c, enum tcp_list_kind k);
void tcp_list_add(struct tcp_conn *c, enum tcp_list_kind k); /* at its end */
void tcp_list_add_first(struct tcp_conn *c, enum tcp_list_kind k);
void tcp_list_remove(struct tcp_conn *c, enum tcp_list_kind k);
static inline bool tcp_listed(const struct tcp_conn *c, enum tcp_list_kind k)
{
	return (c->on_list & 1u << k) != 0;
}

/* busy.c */
extern const struct tcp_busy tcp_busy_none;
static inline struct tcp_busy *tcp_idle_place(void)
{
	return (struct tcp_busy *)(uintptr_t)&tcp_busy_none; /* read only, whatever the type says */
}
static inline bool tcp_is_busy(const struct tcp_conn *c)
{
	return c->busy != &tcp_busy_none;
}
int tcp_busy_init(struct tcp *t);
void tcp_busy_fini(struct tcp *t);
void tcp_busy_take(struct tcp_conn *c);
void tcp_busy_put(struct tcp_conn *c);
/* Something moves or will: before anything of c->busy is written. */
static inline void tcp_busy_get(struct tcp_conn *c)
{
	if (unlikely(!tcp_is_busy(c)))
		tcp_busy_take(c);
}
/* What is queued and unread. */
void tcp_rxq_free(struct tcp_conn *c);
/* It may have come to rest: asks the timer to look again. */
void tcp_busy_watch(struct tcp_conn *c, uint64_t now_us);
void tcp_busy_fire(struct tcp_conn *c, uint64_t now_us);

/* path.c: the way to the peer, as net knows it and as a connection keeps it. */
void tcp_path(const struct tcp_conn *c, struct net_path *ret);
void tcp_path_set(struct tcp_conn *c, const struct net_path *path);

/* table.c */
void tcp_key_make(const struct net_addr *local, uint16_t local_port, const struct net_addr *peer,
		  uint16_t peer_port, struct tcp_key *ret);
uint64_t tcp_key_hash(const struct tcp *t, const struct tcp_key *k);
bool tcp_key_eq(const struct tcp_key *a, const struct tcp_key *b);
struct tcp_conn *tcp_lookup(const struct tcp *t, const struct tcp_key *k, uint64_t hash);
void tcp_hash_insert(struct tcp *t, struct tcp_conn *c);
void tcp_hash_remove(struct tcp *t, struct tcp_conn *c);
uint32_t tcp_iss(const struct tcp *t, const struct tcp_key *k, uint64_t now_us);
uint32_t tcp_ts_offset(const struct tcp *t, uint64_t hash); /* of tcp_key_hash() */
/*
 * 0 when no port is free (RFC 6056 algorithm 3, over this stack's own tables). *ret_old: the entry
 * in TIME-WAIT to be taken over with it, or NULL.
 */
uint16_t tcp_port_pick(struct tcp *t, const struct net_addr *local, const struct net_addr *peer,
		       uint16_t peer_port, struct tcp_tw **ret_old);

/* timewait.c */
struct tcp_tw *tcp_tw_lookup(struct tcp *t, const struct tcp_key *k, uint64_t hash);
void tcp_tw_add(struct tcp *t, const struct tcp_conn *c, uint64_t now_us);
/* True when the segment is a SYN that may open the tuple again: *ret_iss is for its successor. */
bool tcp_tw_input(struct tcp *t, struct tcp_tw *w, struct tcp_seg *g, bool can_open,
		  uint64_t now_us, uint32_t *ret_iss);
/* May our own connect take the tuple over? It does: the ISS for it. */
bool tcp_tw_reusable(const struct tcp *t, const struct tcp_tw *w, uint64_t now_us);
uint32_t tcp_tw_reuse(struct tcp *t, struct tcp_tw *w);
unsigned int tcp_tw_expire(struct tcp *t, uint64_t now_us);
uint64_t tcp_tw_next_us(const struct tcp *t);

/* tcp.c: life of a connection */
struct tcp_conn *tcp_conn_get(struct tcp *t); /* NULL: table full */
/* Out of the tables, timers off, queues of output gone; err for the user, 0 for none. */
void tcp_conn_closed(struct tcp_conn *c, int err);
void tcp_conn_established(struct tcp_conn *c, uint64_t now_us);
void tcp_conn_time_wait(struct tcp_conn *c, uint64_t now_us);
/* Names the two ends, chooses the ISS, enters the table. */
void tcp_conn_open(struct tcp_conn *c, const struct net_addr *local, uint16_t local_port,
		   const struct net_addr *peer, uint16_t peer_port, const struct net_path *path,
		   uint64_t now_us);
void tcp_conn_iss(struct tcp_conn *c, uint32_t iss);
void tcp_notify(struct tcp_conn *c, uint8_t ev);
void tcp_reap(struct tcp *t);
extern const struct stream_ops tcp_stream_ops;

/* RFC 6691: what we can take, options not taken off. */
static inline uint16_t tcp_mss_adv(const struct net_path *path, uint8_t family)
{
	return (uint16_t)(path->mtu - TCP_HDR_MIN - (family == 4 ? TCP_IP_HDR_4 : TCP_IP_HDR_6));
}

/* pmtu.c */
void tcp_pmtu_init(struct tcp_conn *c); /* of the path */
void tcp_conn_mss(struct tcp_conn *c);  /* mss, from what the path and the two ends take */
/* A router said that a segment under way was too big for it. */
void tcp_pmtu_told(struct tcp_conn *c, const struct net_icmp *e, uint64_t now_us);
/* The link itself takes less than it did. */
void tcp_pmtu_link(struct tcp_conn *c);
void tcp_pmtu_rto(struct tcp_conn *c, uint64_t now_us); /* before anything is sent again */
/*
 * For new data while c->pmtu.below: how many of the queued bytes to send in one segment to try a
 * larger packet; 0: none now.
 */
uint32_t tcp_pmtu_probe(struct tcp_conn *c, uint32_t queued, uint64_t now_us);
/* New data went in a segment whose fate tells something: a probe, or full and not confirmed. */
void tcp_pmtu_watch(struct tcp_conn *c, uint32_t seq, uint32_t len);
void tcp_pmtu_resent(struct tcp_conn *c, uint32_t seq, uint32_t len); /* went once more */
void tcp_pmtu_acked(struct tcp_conn *c, uint64_t now_us);             /* snd_una moved */

/* listen.c */
void tcp_listen_input(struct tcp *t, struct tcp_seg *g, uint64_t now_us);
/* A listener's connection leaves SYN-RECEIVED. */
void tcp_listen_done(struct tcp_conn *c);
/* It was accepted, or might have been, and ends. */
void tcp_listen_gone(struct tcp_conn *c);
/* True when the user took it. */
bool tcp_listen_accept(struct tcp_conn *c);
/* Half-open connections whose listener is over end. Number of them. */
unsigned int tcp_listen_sweep(struct tcp *t);

/*
 * coalesce.c: g is the first of n segments of a burst that belong to conn[0 .. n - 1], the first to
 * c. How many of them *g has become.
 */
unsigned int tcp_coalesce(const struct tcp_conn *c, struct tcp_seg *g, struct tcp_conn *const *conn,
			  unsigned int n);

/* input.c */
/* All of *ret but the hash; whether the checksum is right is not looked at. */
bool tcp_seg_parse(struct tcp *t, struct rte_mbuf *m, struct tcp_seg *ret);
void tcp_conn_input(struct tcp_conn *c, struct tcp_seg *g, uint64_t now_us);
/* The MSS to use of what a SYN says. */
uint16_t tcp_syn_mss(struct tcp *t, const struct tcp_seg *g, uint8_t family);
/* Takes what the peer's SYN says. */
void tcp_conn_syn(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us);

/* ack.c */
/* Takes what an acceptable ACK says. Our FIN is acknowledged: true. */
bool tcp_ack_input(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us);
void tcp_wnd_update(struct tcp_conn *c, const struct tcp_seg *g);

/* cc.c: around the algorithm's table (cc.h) */
void tcp_cc_init(struct tcp_conn *c, uint64_t now_us);
/* What c->busy has of it, anew: of a new connection, or of one that was idle. */
void tcp_cc_resume(struct tcp_conn *c, uint64_t now_us);
/* Outside recovery, snd_una moved already: limited and round_ended are filled in here. */
void tcp_cc_acked(struct tcp_conn *c, struct tcp_cc_ack *a);
/* Sets ssthresh, and keeps what tcp_cc_undo() brings back. cwnd is recovery's to set. */
void tcp_cc_lost(struct tcp_conn *c, enum tcp_cc_loss why, uint32_t pipe, uint64_t now_us);
void tcp_cc_undo(struct tcp_conn *c);
/* Nothing is in flight and something may go: before it does, and when the first went. */
void tcp_cc_idle(struct tcp_conn *c, uint64_t now_us);
void tcp_cc_tx_start(struct tcp_conn *c, uint64_t now_us);
static inline const struct tcp_cc_ops *tcp_cc_ops(const struct tcp_conn *c)
{
	return c->t->conf.cc;
}
/* For algorithms. What of acked is left when slow start ended. */
uint32_t tcp_cc_slow_start(struct tcp_conn *c, uint32_t acked);
void tcp_cc_grow(struct tcp_conn *c, uint32_t n);

/* recovery.c */
/* The scoreboard's part of an acknowledgement; a->moved, a->dup are set, snd_una is new. */
void tcp_recovery_ack(struct tcp_conn *c, const struct tcp_seg *g, struct tcp_acked *a,
		      uint32_t acked);
void tcp_recovery_rto(struct tcp_conn *c, uint64_t now_us);
/* Nothing counts as sent: all of it goes again as the peer's window allows. */
void tcp_recovery_rewind(struct tcp_conn *c);
/* TCP_T_REXMT fired: true when it was no time-out. */
bool tcp_recovery_timer(struct tcp_conn *c, uint64_t now_us);
/* Something went; head: what is sent again first of all. Sets the timer. */
void tcp_recovery_sent(struct tcp_conn *c, bool head, uint64_t now_us);
void tcp_recovery_rexmit(struct tcp_conn *c, uint32_t bytes, uint64_t now_us);
/* Bytes in the network (RFC 6675). Without SACK each duplicate ACK is a segment that left it. */
static inline uint32_t tcp_pipe(const struct tcp_conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una, left = c->dupacks * (uint32_t)c->mss;

	if (c->board != NULL)
		flight -= c->board->sacked + c->board->lost_bytes;
	return flight > left ? flight - left : 0;
}

/* rack.c */
void tcp_rack_min_rtt(struct tcp_conn *c, uint32_t rtt_us, uint64_t now_us);
/* RACK_sent_after(), RFC 8985 section 6.2 step 2. */
static inline bool tcp_sent_after(uint32_t xmit_a, uint32_t end_a, uint32_t xmit_b, uint32_t end_b)
{
	return seq_gt(xmit_a, xmit_b) || (xmit_a == xmit_b && seq_gt(end_a, end_b));
}
/* Its step 2: of s all up to end arrived, rtt after it was sent. */
static inline void tcp_rack_update(struct tcp_conn *c, const struct tcp_sent *s, uint32_t end,
				   uint32_t rtt)
{
	struct tcp_board *b = c->board;

	/* Clearly too early for the second sending, so it was the first. */
	if (unlikely(s->rexmits > 0) && rtt < c->min_rtt_us - c->min_rtt_us / 8)
		return;
	b->rack_rtt_us = rtt;
	if (b->rack_valid && !tcp_sent_after(s->xmit_us, end, b->rack_xmit_us, b->rack_end))
		return;
	b->rack_xmit_us = s->xmit_us;
	b->rack_end = end;
	b->rack_valid = true;
}
/* Marks what is lost; returns when to look again, in microseconds, 0: no need. */
uint32_t tcp_rack_detect(struct tcp_conn *c, uint64_t now_us, bool *ret_lost);
void tcp_rack_dsack(struct tcp_conn *c);
void tcp_rack_recovered(struct tcp_conn *c);
/* RFC 8985 section 7.2; with something in flight. */
static inline bool tcp_tlp_allowed(const struct tcp_conn *c)
{
	return c->sack_ok && !c->in_recovery && !c->in_rto && !c->tlp_out &&
	       c->board->sacked == 0 && c->rxtshift == 0;
}
uint64_t tcp_tlp_pto(const struct tcp_conn *c);
void tcp_tlp_sent(struct tcp_conn *c, bool rexmit);
/* True: an ACK shows that the probe repaired a loss. */
bool tcp_tlp_acked(struct tcp_conn *c, const struct tcp_acked *a);

/* ecn.c */
uint8_t tcp_ecn_syn_flags(const struct tcp_conn *c); /* of the SYN or SYN-ACK to be sent */
bool tcp_ecn_asked(const struct tcp *t, const struct tcp_seg *g); /* by a peer's SYN */
void tcp_ecn_syn(struct tcp_conn *c, const struct tcp_seg *g);    /* SYN or SYN-ACK came */
/* For ecn_ok connections: data came; an ACK with ECE, of which the rest is done. */
void tcp_ecn_data(struct tcp_conn *c, const struct tcp_seg *g);
void tcp_ecn_echo(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us);
/* What the IP header is to say of a segment with data [seq, seq + len). */
uint8_t tcp_ecn_field(const struct tcp_conn *c, uint32_t seq, uint32_t len);
/* Flags to add to a segment of an ecn_ok connection that has such a field. */
uint8_t tcp_ecn_flags(const struct tcp_conn *c, uint8_t flags, uint8_t field);

/* rtt.c */
void tcp_rtt_sample(struct tcp_conn *c, uint64_t rtt_us);
uint64_t tcp_rto(const struct tcp_conn *c); /* with its back-off */

/* reass.c */
/*
 * A run of bytes beyond a gap, in the private area of one of its mbufs: a node of the tree of the
 * connection.
 */
struct tcp_run {
	RB_ENTRY(tcp_run) rb;
	struct rte_mbuf *head, *tail;
	uint32_t seq, len, segs;
};
_Static_assert(sizeof(struct tcp_run) <= PKT_PRIV_SIZE, "a run lies in the private area");

/* Takes the segment's payload (g->m). True when bytes came into order. */
bool tcp_reass_input(struct tcp_conn *c, struct tcp_seg *g, uint32_t seq, uint32_t len,
		     uint32_t skip);
void tcp_reass_free(struct tcp_conn *c);
/* Behind the last byte that came, in order or not; c is busy. */
uint32_t tcp_reass_end(const struct tcp_conn *c);
/* Bytes that came twice: the next ACK says so (RFC 2883). */
void tcp_reass_dup(struct tcp_conn *c, uint32_t start, uint32_t end);
/* What an ACK has to say beside its number. */
static inline bool tcp_sack_due(const struct tcp_conn *c)
{
	return c->sack_ok && (c->busy->runs != NULL || c->busy->dsack.start != c->busy->dsack.end);
}
/* Its blocks, most recent first. */
void tcp_reass_sack(const struct tcp_conn *c, struct tcp_opts *o);
uint32_t tcp_rx_take(struct tcp_conn *c, uint32_t max, struct pkt_chain *ret);

/* window.c */
void tcp_rwin_init(struct tcp_conn *c);
void tcp_rwin_resume(struct tcp_conn *c); /* what c->busy has of it, anew */
void tcp_rwin_rest(struct tcp_conn *c);   /* back to where it began */
/* A segment with text, before it is queued; and so many bytes were taken by the user. */
void tcp_rwin_arrived(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us);
void tcp_rwin_taken(struct tcp_conn *c, uint32_t n);
/* The window to offer now: never left of what was promised. */
uint32_t tcp_rcv_wnd(struct tcp_conn *c);
/* The window can open far enough to say so (RFC 9293 section 3.8.6.2.2). */
void tcp_window_opened(struct tcp_conn *c);
uint32_t tcp_tx_space(struct tcp_conn *c);

/* mem.c */
void tcp_mem_init(struct tcp *t);
/* Once a turn: looks at the pool, tells who waits. Returns work done. */
unsigned int tcp_mem_turn(struct tcp *t);
uint64_t tcp_mem_next_us(const struct tcp *t);
/* So many mbufs are kept from now on; whether they were taken before is not known. */
static inline void tcp_mem_queued(struct tcp *t, uint32_t mbufs)
{
	t->mem.free -= min_u64(t->mem.free, mbufs);
}
/* Memory a connection may hold each way while buffers are short. */
static inline uint64_t tcp_mem_share(const struct tcp_mem *m)
{
	return m->free > m->reserve ? (uint64_t)(m->free - m->reserve) * m->buf_cost : 0;
}
static inline bool tcp_mem_short(const struct tcp_mem *m)
{
	return unlikely(m->is_short || m->free < m->low);
}
/* May bytes that came in order be kept? */
bool tcp_mem_keeps(const struct tcp_conn *c);
bool tcp_mem_keeps_holed(const struct tcp_conn *c); /* and beyond a gap? */
/* It was given less than it would have been: it is told when it is over. */
void tcp_mem_refused(struct tcp_conn *c);
/* Bytes wait that could not be handed out: its reader is told again soon. */
void tcp_mem_take_failed(struct tcp_conn *c);
void tcp_mem_holed(struct tcp_conn *c); /* runs came or went */
void tcp_mem_orphan(struct tcp_conn *c);
/* The table is nearly full: the oldest connection that nobody holds gives way. */
void tcp_mem_make_room(struct tcp *t);
void tcp_mem_gone(struct tcp_conn *c);

/* room.c */
void tcp_room_wait(struct tcp_conn *c);            /* behind all who do already */
bool tcp_room_is_others(const struct tcp_conn *c); /* does anybody wait for its port? */
/* Who waited sends while there is room. Returns work done. */
unsigned int tcp_room_run(struct tcp *t, uint64_t now_us);
bool tcp_room_is_there(const struct tcp *t); /* for one who waits */

/* output.c */
void tcp_output_want(struct tcp_conn *c);
/*
 * Sends what is due; what could not be built is tried again. first: whoever waits for room in its
 * port came after it.
 */
void tcp_conn_output(struct tcp_conn *c, bool first, uint64_t now_us);
bool tcp_send_ack(struct tcp_conn *c, uint64_t now_us); /* at once; false: no buffer */
void tcp_send_rst(struct tcp_conn *c, uint64_t now_us);
/* An ACK now, within the rate of the connection. */
void tcp_challenge(struct tcp_conn *c, uint64_t now_us);
uint32_t tcp_ts_now(const struct tcp_conn *c, uint64_t now_us);
/* Sends go on from snd_una. */
void tcp_tx_rewind(struct tcp_conn *c);
/* Bytes queued and not acknowledged. */
static inline uint32_t tcp_tx_bytes(const struct tcp_conn *c)
{
	return c->busy->txq.len - c->busy->tx_off;
}

/* segment.c; the rest of it in segment.h */
bool tcp_checksum_ok(const struct rte_mbuf *m, const struct net_addr *src,
		     const struct net_addr *dst);

/* reply.c */
/*
 * A segment of no connection, in answer to g: reset, ACK, cookie. path may be NULL. g->m may be
 * taken for it, and is NULL then: g's text is gone.
 */
void tcp_reply(struct tcp *t, struct tcp_seg *g, uint8_t flags, uint32_t seq, uint32_t ack,
	       uint16_t wnd, const struct tcp_opts *opts, const struct net_path *path,
	       uint64_t now_us);
/* RFC 9293 3.10.7.1: the reset that answers a segment nobody expects. */
void tcp_reply_rst(struct tcp *t, struct tcp_seg *g, uint64_t now_us);

/* kick.c: what tcp_link_up() began. Returns work done. */
unsigned int tcp_kick_turn(struct tcp *t, uint64_t now_us);

/* timer.c */
int tcp_timers_init(struct tcp *t);
void tcp_timers_fini(struct tcp *t);
void tcp_timer_set(struct tcp_conn *c, enum tcp_timer k, uint64_t at_us);
static inline void tcp_timer_clear(struct tcp_conn *c, enum tcp_timer k)
{
	c->timers_on &= (uint16_t) ~(1u << k);
}
void tcp_timer_clear_all(struct tcp_conn *c);
/* When a peer that acknowledges nothing is given up (R2, RFC 9293 section 3.8.3). */
static inline uint64_t tcp_give_up_at(const struct tcp_conn *c)
{
	uint64_t now_us = c->t->now_us;

	return now_us - tcp_since_us(c->progress, now_us) +
	       (tcp_synchronized((enum tcp_state)c->state) ? c->t->conf.user_timeout_us
							   : c->t->conf.connect_timeout_us);
}
static inline bool tcp_timer_on(const struct tcp_conn *c, enum tcp_timer k)
{
	return (c->timers_on & 1u << k) != 0;
}

#endif

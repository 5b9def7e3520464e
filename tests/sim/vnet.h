/*
 * tests/sim/vnet.h - a virtual IP network under real TCP stacks, and a virtual clock.
 *
 * Stands where dataplane/net stands: vnet.c defines those functions of net.h that TCP calls.
 * A packet is copied onto a wire of flat bytes when it is sent, and its mbufs are kept for a
 * random time, as a driver may; when they are let go, their bytes must not have changed
 * (dataplane/pkt.h, "Rules of buffers"). Faults come by rule (filter) and by chance (link), and
 * chance comes from a seed.
 */
#ifndef SLUICE_TESTS_SIM_VNET_H
#define SLUICE_TESTS_SIM_VNET_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/net/net.h"
#include "dataplane/tcp/options.h"
#include "dataplane/tcp/tcp.h"
#include "tests/sim/app.h"

#define VNET_HOSTS   3
#define VNET_PKT_MAX 9216
#define VNET_MILLION 1000000u

/* One direction between two hosts. Chances are parts of a million. */
struct vnet_link {
	uint64_t delay_us, jitter_us; /* jitter reorders */
	uint32_t loss, dup, corrupt;
	uint32_t burst;       /* a burst of losses begins, */
	uint16_t burst_max;   /* of so many packets at most */
	uint32_t reorder;     /* a packet is overtaken */
	uint16_t reorder_max; /* by so many at most, */
	uint64_t reorder_us;  /* or is so late when fewer follow */
	uint32_t forge;       /* a byte of payload changes, and the checksum with it */
	bool down;            /* nothing gets through */
	uint64_t bits_per_s;  /* 0: no limit */
	uint64_t queue_us;    /* more waiting than this is dropped; 0: no limit */
	uint64_t free_at_us;
	/* ECN-capable packets are marked: by chance, and when more than so much waits. */
	uint32_t mark;
	uint64_t mark_us; /* 0: never */
	/* A router in the middle: larger packets are dropped, and their sender is told or not. */
	uint16_t mtu; /* 0: any */
	bool black_hole;
	bool no_sack, no_ts; /* something on the way takes these options out of SYNs */
};

/* What goes on in one direction. */
#define VNET_LATE_MAX 8
struct vnet_way {
	uint16_t burst_left;
	uint16_t late_left[VNET_LATE_MAX]; /* so many have still to pass */
	struct vpkt *late[VNET_LATE_MAX];
};

/* The ECN field of RFC 3168 section 5. */
enum { VNET_NOT_ECT, VNET_ECT1, VNET_ECT0, VNET_CE };

/* A packet on the wire: from its TCP header on. */
struct vpkt {
	uint64_t at_us, order;
	unsigned int from, to;
	struct net_addr src, dst;
	uint8_t ecn, qos;
	uint16_t too_big; /* not 0: the router's word about this packet, on its way back */
	bool late, gone;  /* waits to be overtaken; was, and is on the wire once more */
	bool damaged;
	struct vpkt *next; /* in a host's queue */
	uint32_t len;
	uint8_t b[];
};

/* Header fields, for rules. */
struct vseg {
	uint16_t src_port, dst_port;
	uint32_t seq, ack, len;
	uint8_t flags;
	uint16_t wnd;
	uint32_t n;      /* which packet of its sender this is, from 0 */
	uint32_t n_data; /* which packet with data, from 0; UINT32_MAX: has none */
	struct tcp_opts opts;
	uint8_t ecn, qos; /* of the IP header: its two low bits, and the others */
};

enum vnet_fate { VNET_PASS, VNET_DROP, VNET_TWICE, VNET_LATE };

struct vnet;

struct net {
	struct vnet *v;
	unsigned int index;
	struct net_addr addr4, addr6, link_local;
	uint16_t mtu;
	bool unreachable;          /* net_route refuses */
	bool full; /* the port takes nothing, */
	uint32_t places; /* but so many packets with text */
	uint32_t version;          /* of its routes */
	uint16_t pmtu[VNET_HOSTS]; /* net_pmtu(); 0: nothing known */
	uint32_t sent, sent_data;
};

/* What a port keeps for a stack that does not look. */
#define VNET_RX_MAX 1024
struct vnet_rx {
	struct vpkt *head, **tail;
	unsigned int n;
};

struct vnet_host {
	struct net net;
	struct pkt_pools pools;
	struct tcp *tcp;
	/* The application's pass, once a turn, between input and output. True: did something. */
	bool (*app)(void *arg);
	void *app_arg;
	uint64_t wake_us;   /* the application wants a pass then; 0: no wish */
	uint64_t frozen_us; /* its clock stands here; 0: runs */
	bool stopped;       /* it does not run at all */
	struct vnet_rx rx;
};

/* Windows, as the segments say them: see check.c. */
struct vnet_check;

struct vnet_held;

struct vnet {
	uint64_t now_us, rng, order;
	struct vnet_host host[VNET_HOSTS];
	struct vnet_link link[VNET_HOSTS][VNET_HOSTS];
	struct vnet_way way[VNET_HOSTS][VNET_HOSTS];
	/* NULL: pass. A VNET_LATE packet comes late by late_us; 0: by nine delays. */
	enum vnet_fate (*filter)(void *arg, unsigned int from, const struct vseg *s);
	void *filter_arg;
	uint64_t late_us;
	struct vpkt **heap; /* from 1 */
	uint32_t heap_n, heap_size;
	struct vnet_held *held;
	uint64_t hold_max_us; /* how long a driver keeps what it sent */
	uint64_t changed;     /* kept mbufs of which the bytes changed: our bug */
	uint64_t bad;         /* packets that break a contract: checksum, MTU, head-room */
	uint64_t sent, lost, forged;
	bool trace; /* each segment sent, to stderr; vnet_init(): SLUICE_TRACE is set */
	struct vnet_check *check; /* NULL: not looked at */
	uint64_t overrun, shrunk; /* sent beyond the window; windows taken back */
	uint64_t supers;          /* super-segments: sent has the segments they were cut into */
	uint64_t turns, audit_at;
	const char *broken; /* what audit.h found; NULL: nothing */
	unsigned int data_mbufs, head_mbufs;
	uint8_t inject_ecn; /* of what vnet_inject() makes */
};

/* One seed for everything random; the pools each host with a stack will have. */
void vnet_init(struct vnet *v, uint64_t seed, unsigned int data_mbufs, unsigned int head_mbufs);
/* A stack at vnet_addr(i) and the host's other addresses; conf's net, pools and secret are filled
 * in here. */
void vnet_stack(struct vnet *v, unsigned int i, struct tcp_conf conf);
/* An app for the host's pass, on its stack. */
void vnet_app(struct vnet *v, unsigned int i, struct apps *set, struct app *a, uint64_t tx_key,
	      uint64_t rx_key, uint64_t tx_total);
int vnet_connect(struct app *a, unsigned int to, uint16_t port);
/* The MTU of the host's own link changes. */
void vnet_mtu_set(struct vnet *v, unsigned int i, uint16_t mtu);
/* From now on v->overrun and v->shrunk are counted. */
void vnet_check_windows(struct vnet *v);
/* The clock of a host: the network's, unless it is frozen. */
uint64_t vnet_clock(const struct vnet *v, unsigned int i);
/* Both directions. */
void vnet_link_set(struct vnet *v, unsigned int a, unsigned int b, struct vnet_link l);
/* Frees stacks, packets on the wire and kept mbufs; false when an mbuf or a byte is lost. */
bool vnet_fini(struct vnet *v);

/* One turn of every host; false when nothing was to do, or ever will be: *ret_next_us. */
bool vnet_turn(struct vnet *v, uint64_t *ret_next_us);
/* Turns until done() says so: true; or false when nothing moves any more or max_us passed. */
bool vnet_run(struct vnet *v, uint64_t max_us, bool (*done)(void *arg), void *arg);

/* Puts a hand-made segment onto the wire to host `to`, as if from src. Checksum filled in. */
void vnet_inject(struct vnet *v, unsigned int to, const struct net_addr *src,
		 const struct net_addr *dst, const void *tcp, uint32_t len, uint64_t after_us);

uint64_t vnet_rand(struct vnet *v);
bool vnet_chance(struct vnet *v, uint32_t millionths);
/*
 * 10.0.0.(i + 1), and 2001:db8::(i + 1) where SLUICE_FAMILY is 6: so every test can be run over
 * either family.
 */
struct net_addr vnet_addr(unsigned int i);
/* family 6 with scope 1: the host's link-local address, fe80::(i + 1). */
struct net_addr vnet_addr_of(unsigned int i, uint8_t family, uint8_t scope);

#endif

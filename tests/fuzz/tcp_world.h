/*
 * tests/fuzz/tcp_world.h - one real TCP between a net that only looks and a peer made of bytes.
 *
 * Small, and quick to begin anew: pools live as long as the process, a stack as long as an input.
 * In the place of dataplane/net stands a net that compares what is sent with the connection it
 * is of, keeps it as a driver does, and throws it away. Byte i of either direction is a function
 * of its sequence number, so every byte is compared wherever it is seen.
 */
#ifndef SLUICE_TESTS_FUZZ_TCP_WORLD_H
#define SLUICE_TESTS_FUZZ_TCP_WORLD_H

#include "dataplane/tcp/internal.h"
#include "tests/util/fuzz.h"

#define WORLD_PEERS 4
#define WORLD_ENDS  8
#define WORLD_HELD  32
#define WORLD_TAKEN 256
#define WORLD_BURST 16
#define WORLD_PORT  22   /* of the listener */
#define WORLD_PEER  5000 /* of the first peer; the others follow */
#define WORLD_SEG   1900 /* payload of a segment at most */
#define WORLD_WRITE 8192

struct net {
	struct world *w;
	struct net_addr addr, other; /* ours, of the family in use; the peers' */
	uint16_t mtu, pmtu;
	uint32_t version;
	bool unreachable, full, tx_cksum;
};

/* A peer is an address, a port, and what it knows of the stack. */
struct peer {
	uint16_t port, stack_port;
	uint32_t snd_nxt, snd_adv; /* its next number, the edge the stack gave it */
	uint32_t iss, rcv_nxt;     /* the stack's */
	uint32_t ts_ecr, ts_sent;  /* the stack's last timestamp; its own clock's offset */
	bool ts, sack, wscale_ok;  /* what it offers */
	uint8_t wscale;
	uint16_t mss, wnd;
	uint8_t ecn; /* of the IP header */
};

/* A user of a stream. */
struct end {
	struct stream *s;
	uint32_t rx_seq;
	uint64_t written;
	bool paused, numbered;
};

struct world {
	struct net net;
	struct tcp *tcp;
	uint64_t now;
	struct peer peer[WORLD_PEERS];
	struct end end[WORLD_ENDS];
	bool refuse;
	struct rte_mbuf *held[WORLD_HELD];
	uint16_t held_sum[WORLD_HELD];
	unsigned int held_n;
	struct rte_mbuf *taken[2][WORLD_TAKEN]; /* out of the pools: data, head */
	unsigned int taken_n[2];
	struct rte_mbuf *burst[WORLD_BURST];
	unsigned int burst_n;
	unsigned int bare; /* segments without text, SYN, FIN or RST the stack sent in this step */
};

struct world_seg {
	uint32_t seq, ack, len;
	uint16_t wnd;
	uint8_t flags;
	uint8_t opt[TCP_OPTIONS_MAX];
	uint8_t opt_len;
	bool split; /* its text lies in two mbufs */
};

/* conf: net, pools and secret are filled in. */
void world_init(struct world *w, struct tcp_conf conf, uint8_t family, uint32_t backlog,
		uint64_t now);
/* Ends every stream and the stack; everything must be back. */
void world_fini(struct world *w);

struct tcp_conn *world_conn(const struct world *w, unsigned int peer);
/* The options the peer puts into every segment of that kind; the room used. */
uint8_t world_options(const struct world *w, const struct peer *p, bool syn, uint8_t *opt);
/* Into the burst that comes with the next world_turn() or when it is full. */
void world_seg(struct world *w, unsigned int peer, const struct world_seg *g);
/* The same with the peer's own numbers and options. */
void world_plain(struct world *w, unsigned int peer, uint8_t flags, uint32_t len);
/* Until nothing is to be done now; checks what must be true then. */
void world_settle(struct world *w);
/* Time passes, with what is due in it. */
void world_run(struct world *w, uint64_t us);

/* On WORLD_PORT; what comes is taken as long as there are ends. */
void world_listen(struct world *w, uint32_t backlog);
int world_connect(struct world *w, unsigned int peer);
void world_write(struct world *w, struct end *e, uint32_t n);
void world_close(struct end *e, bool abort);
/* n mbufs of a pool are somewhere else; 0 brings all back. */
void world_take(struct world *w, bool head, unsigned int n);

#endif

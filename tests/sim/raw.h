/*
 * tests/sim/raw.h - one real stack (host 0) against a peer played by hand (host 2).
 *
 * The peer is a script: it sends what the test says and sees every segment the stack sends.
 * Its sequence numbers are kept for convenience only; nothing is sent by itself.
 */
#ifndef SLUICE_TESTS_SIM_RAW_H
#define SLUICE_TESTS_SIM_RAW_H

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"

#define RAW_STACK  0
#define RAW_PEER   2
#define RAW_PORT   5000
#define RAW_OUT    512
#define RAW_RX_KEY 77 /* of what the peer sends: app_pattern() */

#define FIN RTE_TCP_FIN_FLAG
#define SYN RTE_TCP_SYN_FLAG
#define RST RTE_TCP_RST_FLAG
#define PSH RTE_TCP_PSH_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define URG RTE_TCP_URG_FLAG

struct raw {
	struct vnet v;
	struct app app;
	struct apps apps;
	struct net_addr peer; /* of family 0: vnet_addr(RAW_PEER); host 2 is every x.y.z.3 */
	uint16_t stack_port, peer_port;
	uint32_t snd_nxt, rcv_nxt; /* the peer's */
	uint32_t iss;              /* the stack's */
	uint16_t wnd;              /* as the peer offers it */
	uint16_t urg;
	uint8_t ecn;      /* of the IP header of what it sends */
	uint8_t reserved; /* bits of the TCP header (RFC 9293 section 3.1) */
	uint32_t ts_val, ts_ecr;
	bool ts; /* timestamps in each segment */
	uint8_t opt[TCP_OPTIONS_MAX];
	uint32_t opt_len;
	struct vseg out[RAW_OUT]; /* what the stack sent since raw_clear() */
	uint64_t out_at[RAW_OUT];
	uint32_t out_n;
};

/* A stack with an app that stays open; conf may be empty. */
void raw_init(struct raw *r, struct tcp_conf conf);
/* Ends the world; false when something was lost. */
bool raw_fini(struct raw *r);
void raw_run(struct raw *r, uint64_t us);
void raw_clear(struct raw *r);
/* One segment at (seq, ack) with len bytes of the app's expected pattern from `from`. */
void raw_send_at(struct raw *r, uint8_t flags, uint32_t seq, uint32_t ack, uint64_t from,
		 uint32_t len);
/* One at the peer's own numbers, which advance; then a millisecond passes. */
void raw_send(struct raw *r, uint8_t flags, uint32_t len);
/* The stack listens and accepts the peer's connection. */
void raw_accept(struct raw *r, struct tcp_conf conf);
/* The stack connects to the peer, which answers. */
void raw_connect(struct raw *r, struct tcp_conf conf);
/* Brings a fresh world into the state; the peer's numbers are in step. */
void raw_state(struct raw *r, enum tcp_state want);
/* The connection's object, NULL when there is none; its state. */
struct tcp_conn *raw_conn(struct raw *r);
enum tcp_state raw_get_state(struct raw *r);
uint64_t raw_count(struct raw *r, enum tcp_counter c);
/* Gives n bytes of the pattern to the stack's app to send. */
void raw_write(struct raw *r, uint32_t n);
/* The last segment the stack sent, or one of zeroes. */
struct vseg raw_last(struct raw *r);

#endif

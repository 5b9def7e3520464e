/*
 * tests/sim/app.h - an application over streams: sends a keyed pattern, compares what comes.
 *
 * One app is one end of one connection. Byte i of a direction is a function of (key, i), so
 * each byte is checked for being there once, in order and unaltered, without keeping any.
 */
#ifndef SLUICE_TESTS_SIM_APP_H
#define SLUICE_TESTS_SIM_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/tcp/tcp.h"

/* Byte i of the direction with this key. */
uint8_t app_pattern(uint64_t key, uint64_t i);

struct app {
	struct tcp *tcp;
	struct rte_mempool *pool; /* of what it writes */
	struct stream *s;
	uint64_t tx_key, rx_key;
	uint64_t tx_total, tx_done; /* bytes to send; bytes given to the stream */
	uint64_t rx_total;          /* bytes that came */
	uint32_t write_max;         /* bytes of a write; 0: 16384 */
	uint32_t read_max;          /* bytes of a read; 0: all */
	bool paused;                /* reads nothing */
	bool no_shutdown;           /* stays open after the last byte */
	bool close_at_eof;          /* closes when the peer's end came and all is sent */
	bool refuse;                /* accept() says no */
	/* What happened. */
	bool connected, accepted, eof, error, wrong, was_shut, closed;
	bool news;
	int err;
	struct net_addr local, peer; /* of what was accepted */
	int connects;                /* result of the connect call */
};

void app_init(struct app *a, struct tcp *tcp, struct rte_mempool *pool, uint64_t tx_key,
	      uint64_t rx_key, uint64_t tx_total);
/* Waits on port for one connection. */
int app_listen(struct app *a, uint16_t port, uint32_t backlog);
/* Begins to connect. */
int app_connect(struct app *a, const struct net_addr *to, uint16_t port);
/* One pass: takes events, reads, writes. True: did something. */
bool app_step(struct app *a);
void app_close(struct app *a);
void app_abort(struct app *a);
/* A host runs up to this many apps. */
#define APPS_MAX 32
struct apps {
	struct app *a[APPS_MAX];
	unsigned int n;
};
bool apps_step(void *apps);
void apps_add(struct apps *set, struct app *a);

#endif

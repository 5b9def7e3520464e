/*
 * dataplane/relay/cap.h - caps of bandwidth in the relay. Only for connections with c->capped.
 *
 * Lcore   the shard's.
 */
#ifndef SLUICE_DATAPLANE_RELAY_CAP_H
#define SLUICE_DATAPLANE_RELAY_CAP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/pkt.h"
#include "dataplane/relay/meter.h"
#include "link/msg.h"

struct budgets;
struct chan;
struct chan_cap;
struct conn;
struct conn_cap;
struct relay;

struct caps {
	struct conn_cap *conn; /* by place in conns */
	struct chan_cap *chan; /* by place in chans */
};

int caps_init(struct relay *r);
void caps_fini(struct relay *r);

/* Control has said what it may move. Its channels have it at once; where it is anything, nothing of
 * it is held any more. */
void cap_take(struct conn *c, const struct link_caps *m);
void cap_chan_new(struct chan *ch);
void cap_over(struct conn *c);                            /* the connection goes */
bool cap_stops(const struct chan *ch, enum link_way way); /* for who looks */
/* What of a channel waited for rates, until now. */
struct cap_wait {
	uint64_t us, bytes;
	uint64_t since_us; /* what waits now does so since then; 0: nothing does */
	uint8_t by;        /* enum link_capped: the last one; */
	bool late;         /* and what goes next has waited for it */
};
struct cap_wait cap_waited(const struct chan *ch, enum link_way way);
/* Of all channels that a connection has had since it was first told of a rate. */
struct cap_sum {
	uint64_t us[LINK_WAYS], bytes[LINK_WAYS];
};
struct cap_sum cap_sum(const struct conn *c);
/* When it looks again for bytes; 0: nobody waits. */
uint64_t cap_deadline(const struct conn *c);
/* What is granted to a channel at first: not what takes minutes to pass. */
uint32_t cap_window(const struct conn *c);

/*
 * Of want bytes that wait for the client: how many may go now. 0: it is awakened when some may.
 * sparse: it sends little, and goes ahead of the others.
 */
uint32_t cap_out_room(struct chan *ch, uint32_t want, bool sparse);
void cap_out_spent(struct chan *ch, uint32_t n);

/* Bytes for its target, which it has; they wait their time. */
void cap_hold(struct chan *ch, struct pkt_chain *payload);
uint32_t cap_held(const struct chan *ch);
/* Extended data for a target that frames it (tx_ext): it goes at once, behind what is held, and its
 * window waits. 0, or -EPIPE: it is taken, and nobody's. */
int cap_tx_ext(struct chan *ch, uint32_t data_type, struct pkt_chain *payload);
/* What came and was not taken, or had no time yet, where its target has so many queued. */
uint32_t cap_untaken(const struct chan *ch, uint32_t queued);
/* Gives targets what may go now; once in a turn, before what is to go out. Work done. */
unsigned int cap_run(struct conn *c);
/* All that is held, now: its client wants no more of the channel. The target is there. */
void cap_flush(struct chan *ch);
/* Nobody wants what is held. */
void cap_drop(struct chan *ch);

#endif

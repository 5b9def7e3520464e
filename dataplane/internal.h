/* dataplane/internal.h - what the files of the shard share. */
#ifndef SLUICE_DATAPLANE_INTERNAL_H
#define SLUICE_DATAPLANE_INTERNAL_H

#include "dataplane/clock.h"
#include "dataplane/idle.h"
#include "dataplane/linkend.h"
#include "dataplane/linkhub.h"
#include "dataplane/net/net.h"
#include "dataplane/park.h"
#include "dataplane/pkt.h"
#include "dataplane/port/port.h"
#include "dataplane/relay/relay.h"
#include "dataplane/shard.h"
#include "dataplane/shard_limits.h"
#include "dataplane/snapshot.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/team.h"
#include "link/msg.h"

/* Timers and the link's socket are looked at this often while the shard is busy. */
#define SHARD_TICK_US      100
#define SHARD_HOUSEKEEP_US 1000
/* Links, devices' counters and queues that stand still; a stall is told of after SHARD_STALL_US. */
#define SHARD_PORTS_US 100000
#define SHARD_STALL_US 500000
/* A queue that took nothing of what is carried for others is tried again after. */
#define SHARD_CARRY_US 100
#define SHARD_TELL_US  1000000 /* other shards are told again which links are up */
/* A new control says again what it wants to listen on; what it did not is closed then. */
#define SHARD_RELISTEN_US 10000000
/* Connections that came in by a listener that is gone, and that nobody holds any more. */
#define SHARD_ORPHANS_US 1000000
#define SHARD_PLACES_US  10000
/* Answers to LISTEN that wait for room on the ring. */
#define SHARD_RESULTS_MAX 64

/* Where something listens. One address may be in several domains of the kernel's. */
struct shard_at {
	struct link_addr addr;
	char rdomain[LINK_RDOMAIN_MAX + 1]; /* the device its socket is bound to; "": none */
};

/* The number TCP knows it by is its index; control's may change with the control. */
struct shard_listener {
	struct shard_at at;
	uint32_t number; /* control's */
	int fd;          /* of the kernel's: accepts while open; -1: TCP of ours */
	uint32_t attach; /* of which attachment */
	bool open;
};

/* A socket that was opened at start: who may open one is given up afterwards. */
struct shard_kernel_listener {
	struct shard_at at;
	int fd;
};

/* What shard_ports.c saw of a port when it looked last. */
struct shard_port_watch {
	uint64_t rx_pkts; /* counted by every turn */
	uint64_t seen_rx_pkts, seen_missed;
	uint64_t rx_stands_us; /* since when; 0: it moves */
	bool tx_alarm, rx_alarm;
};

struct shard_forwards;

enum shard_drain {
	SHARD_SERVING,
	SHARD_DRAINING, /* nobody comes in */
	SHARD_PARTING,  /* all are told to go */
	SHARD_ENDED,    /* and waits for the others */
};
struct shard_doors;

struct shard {
	uint64_t now_us;
	uint64_t tick_us, housekeep_us; /* when next */
	unsigned int team_size;         /* shards, this one counted */
	struct shard_snapshot stats;
	uint64_t turn_cycles[SHARD_STAGE_COUNT]; /* of the turn that runs */
	uint64_t limit[SHARD_LIMIT_COUNT][SHARD_LIMIT_VALUES];
	uint64_t limits_us; /* when they are looked at next */

	struct port port[NET_IFACES_MAX];
	struct shard_port_watch watch[NET_IFACES_MAX];
	uint16_t iface_of[NET_IFACES_MAX]; /* the first interface of a port */
	uint16_t port_of[NET_IFACES_MAX];  /* the port of an interface */
	uint16_t rx_burst;                 /* RxBurst: SHARD_BURST at most */
	bool rang;                         /* the last turn woke control */
	bool resting;                      /* it looks once more before it sleeps */
	unsigned int n_ports;
	uint64_t ports_us, tell_us; /* when they are looked at, told of next */
	struct net *net;
	struct tcp *tcp;
	struct relay *relay;
	struct host *host;
	struct park park;
	const struct conf_listen *listens; /* of the start, and their ports */
	const uint16_t *listen_ports;
	size_t n_listens;
	struct shard_kernel_listener *kernel; /* without interfaces: where the kernel listens */
	size_t n_kernel;
	struct linkend *link;
	struct linkhub *hub; /* the first shard's; others: NULL */

	struct clock clock;
	struct idle idle;
	struct pkt_pools pools;
	struct cipher_engine *engine;
	struct snapshot snapshot;
	const struct conf_dataplane *conf;
	bool legacy_ciphers;
	uint16_t dataplane, index;
	uint64_t start_id;

	struct team *team, *own_team; /* own: made for this shard alone */
	unsigned int place;           /* in it; 0 is the first */
	uint64_t given;               /* shards that have a note of this turn, as bits */
	uint64_t reassembled;         /* datagrams, when they were looked at last */

	struct shard_listener listener[SHARD_LISTENERS_MAX];
	struct shard_forwards *forwards;
	struct shard_doors *doors;
	uint32_t attach;      /* counts the controls that attached */
	uint64_t relisten_us; /* 0: nothing waits for it */
	struct link_listen_result result[SHARD_RESULTS_MAX];
	unsigned int n_results;

	enum shard_drain drain; /* shard_drain.c */
	uint64_t drain_us;      /* until then; 0 as long as it serves */
	uint32_t retry_after_s;
	unsigned int *shards_ended;
	void (*stopping)(void *arg); /* of the first one */
	void *stopping_arg;
};

/* Others have the same ports. */
static inline bool shard_is_teamed(const struct shard *s)
{
	return s->team_size > 1;
}

/* shard_setup.c: connections there may be, in force; what the tables have places for. */
uint32_t shard_max_conns(const struct shard *s);
uint32_t shard_conns_room(const struct shard *s);
/* So many of all shards may be from here on: as much of it as there is room for. */
void shard_limit_conns(struct shard *s, uint32_t all);

/* shard_team.c; only for one that is teamed. */
int shard_team_join(struct shard *s);
/* Once a turn each: notes; what others send by way of us; who is to be woken. */
unsigned int shard_team_hear(struct shard *s);
unsigned int shard_team_carry(struct shard *s);
void shard_team_ring(struct shard *s);
/* What it carries for others waits for a queue that took nothing. */
bool shard_team_waits(const struct shard *s);
/* Segments of net_input_burst(): those of other shards are taken out. */
unsigned int shard_team_sort(struct shard *s, struct rte_mbuf **seg, unsigned int n);
void shard_team_tell_link(struct shard *s, unsigned int port);

/* shard_host.c: descriptors. */
int shard_host_make(struct shard *s, const struct shard_conf *sc, char *err, size_t err_size);
void shard_host_free(struct shard *s);
/* So many clients may be there; they come by descriptors only where there are no interfaces. */
void shard_host_limit(struct shard *s, uint32_t conns);

/* shard_listen.c: ports that are chosen, where the kernel does not; its listeners. */
int shard_listen_choose(const struct shard_conf *sc, char *err, size_t err_size);
/* Of a place that control names. 0: with port 0 there was none at the start. */
uint16_t shard_listen_port(const struct shard *s, const struct shard_at *at);
int shard_listen(struct shard *s, const struct shard_conf *sc, char *err, size_t err_size);
void shard_listen_free(struct shard *s);
/* The socket of this place; -1: there is none. */
int shard_kernel_fd(const struct shard *s, const struct shard_at *at);
/*
 * Who comes is refused, until it listens again: the socket stays, since it could not be opened
 * again, and its address with it.
 */
void shard_kernel_stop(int fd);
/* Also of one that listens, which has another backlog then. */
int shard_kernel_listen(int fd, uint32_t backlog);
/* TCPKeepAlive and its times for who comes in by this socket. */
void shard_kernel_keepalive(const struct shard *s, int fd);
/* Takes connections of the kernel's listeners that are open. Makes system calls. */
unsigned int shard_accept(struct shard *s);
/* For struct relay_conf: of a stream of whichever kind. */
void shard_stream_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out);
uint32_t shard_stream_rtt_us(const struct stream *s);
void shard_stream_nodelay(struct stream *s, bool on);
void shard_stream_qos(struct stream *s, uint8_t qos);
void shard_stream_asker(struct stream *s, uint16_t asker);
/* Once a turn: what is ready, and what control has sent. Returns work done. */
unsigned int shard_host_turn(struct shard *s);
uint64_t shard_host_next_timer_us(const struct shard *s);
/* For struct relay_conf. */
int shard_host_claim(void *arg, uint64_t fds, const struct stream_user *user, void *user_ptr,
		     struct stream **ret);
/*
 * shard_doors.c: listeners of clients that the kernel has; what is added to *l is for struct
 * relay_conf. Each may be so many sockets.
 */
#define SHARD_DOORS_OF 2
int shard_doors_new(struct shard *s, struct relay_listens *l);
void shard_doors_free(struct shard *s);
/* Descriptors came, or it is time: who waits for some looks. Returns the work done. */
unsigned int shard_doors_look(struct shard *s);
uint64_t shard_doors_next_timer_us(const struct shard *s);

/* shard_forward.c: listeners of clients; what *ret says is for struct relay_conf. */
int shard_forward_new(struct shard *s, struct relay_listens *ret);
void shard_forward_free(struct shard *s);
unsigned int shard_forward_poll(struct shard *s);
uint64_t shard_forward_next_timer_us(const struct shard *s);
/* May so many notes be heard? */
bool shard_forward_room(const struct shard *s, unsigned int notes);
void shard_forward_hear(struct shard *s, const struct port_note *n);

/* shard_drain.c: once a turn from the wish to stop on; true: the shard may leave. */
bool shard_drain(struct shard *s);

/* shard_ports.c: what is to be looked at now and then; makes system calls. */
void shard_ports_poll(struct shard *s);
/* The port's link is as it says: its interfaces are told. */
void shard_link_apply(struct shard *s, unsigned int port);

/* shard_link.c: the socket, and what control says about no connection. Returns work done. */
unsigned int shard_link_poll(struct shard *s);
uint64_t shard_link_next_timer_us(const struct shard *s);
void shard_close_listener(struct shard *s, uint32_t slot);
bool shard_same_at(const struct shard_at *a, const struct shard_at *b);
/* For struct relay_conf. */
void shard_command(void *arg, const struct link_hdr *msg);

#endif

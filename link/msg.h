/*
 * link/msg.h - every message between a dataplane and control.
 *
 * Units   host byte order: both ends are processes of one machine and one version;
 *         the hello refuses another LINK_VERSION (F-39).
 * Memory  a message is a header and a body; bodies are plain structs, followed by
 *         their variable part. A reader copies the whole message out of the ring, then
 *         checks it with link_msg_check() before it looks at a field.
 *
 * Up (events) is dataplane to control, down (items and commands) is control to dataplane.
 * What control sends for one connection is one ordered list: nothing overtakes.
 */
#ifndef SLUICE_LINK_MSG_H
#define SLUICE_LINK_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_VERSION     22
#define LINK_PAYLOAD_MAX (64 * 1024) /* of an SSH payload on the link, either way */
#define LINK_MSG_MAX     (LINK_PAYLOAD_MAX + 512)
#define LINK_IDENT_MAX   255  /* RFC 4253 section 4.2, CR LF included */
#define LINK_BLOB_MAX    4096 /* sealed by control, kept by the shard */
#define LINK_ADDRS_MAX   8    /* of one target */
#define LINK_AT_MAX      2    /* sockets of one listener */
#define LINK_TEXT_MAX    255
#define LINK_RDOMAIN_MAX 15
#define LINK_HOST_MAX    255 /* of a target, as a client writes it */
#define LINK_LOOK_MAX    64  /* channels in one LINK_EV_LOOK */
#define LINK_REST_MAX    4096 /* of an OPEN of ours: what is particular to its type */
#define LINK_SAY_MAX     4096 /* of a program's, beside its streams */
#define LINK_RECORD_MAX  16384 /* of what a program is told in records */
#define LINK_EOL_MAX     8     /* bytes that end one */

/* Names an object of a shard, for ever: a generation is not used twice within a start. */
struct link_handle {
	uint16_t dataplane;
	uint16_t shard;
	uint32_t index;
	uint32_t generation; /* 0: no object */
};

/*
 * A transport address: 4 in the first 4 bytes for AF_INET. Port in host order. scope, of a
 * link-local address: index of the interface plus 1, as the configuration counts them.
 */
struct link_addr {
	uint8_t family; /* 4 or 6 */
	uint8_t scope;
	uint16_t port;
	uint8_t addr[16];
};

enum link_type {
	/* up */
	LINK_EV_CONN_NEW = 1,  /* link_conn_new: TCP accepted */
	LINK_EV_IDENT,         /* link_bytes: the peer's line, without its end */
	LINK_EV_PAYLOAD,       /* link_payload: a payload the shard does not settle */
	LINK_EV_REKEY_DUE,     /* link_conn_ref: a limit of the keys was passed */
	LINK_EV_CHAN_OPENED,   /* link_chan_ref: connected, CONFIRMATION is sealed */
	LINK_EV_CHAN_FAILED,   /* link_chan_failed: no address answered, FAILURE is sealed */
	LINK_EV_CHAN_EOF,      /* link_chan_eof: it may go unsaid, then CHAN_END says it */
	LINK_EV_CHAN_END,      /* link_chan_end: audit; kept until LINK_CMD_AUDIT_ACK */
	LINK_EV_CONN_END,      /* link_conn_end: audit; kept until LINK_CMD_AUDIT_ACK */
	LINK_EV_SHARD_READY,   /* link_ready: the shard runs; then its listeners are wanted */
	LINK_EV_LISTEN_RESULT, /* link_listen_result */
	LINK_EV_CONN_KEPT,     /* link_conn_kept: of an earlier control's; before all else of it */
	LINK_EV_CHAN_DRAINED, /* link_chan_ref: all its program said is sealed; FINISH is awaited */
	LINK_EV_CHAN_UNSAID,  /* link_chan_unsaid: what CHAN_SAY had is not taken */
	LINK_EV_FORWARD,      /* link_forward_result: what became of LINK_IT_FORWARD */
	LINK_EV_LOOK,         /* link_look_result: answer to LINK_CMD_LOOK */
	LINK_EV_FORWARD_KEPT, /* link_forward_kept: a listener of a connection that was kept */
	LINK_EV_CHAN_KEPT,    /* link_chan_kept: a channel of one */
	LINK_EV_KEX_KEPT,     /* link_kex_kept: half a key exchange of one */
	LINK_EV_CONN_FULL,    /* link_conn_new: there was no place for it; one a second is told */

	/* down: items of a connection, in order */
	LINK_IT_IDENT = 64, /* link_bytes: raw line with CR LF, before any record */
	LINK_IT_PAYLOAD,    /* link_bytes: seal */
	LINK_IT_TX_KEYS,    /* link_keys: from the next sealed record on */
	LINK_IT_RX_KEYS, /* link_keys: after the peer's NEWKEYS; until it comes nothing is opened */
	LINK_IT_FIRST_KEX_STRICT, /* link_conn_ref: strict was agreed, before the first keys */
	LINK_IT_AUTHENTICATED,    /* link_authenticated */
	LINK_IT_BLOB,             /* link_bytes: leave this with the connection */
	LINK_IT_RX_SEALED,    /* link_bytes: and this, until RX_KEYS: what those will be, sealed */
	LINK_IT_CHAN_CONNECT, /* link_chan_connect: open a flow, then seal CONFIRMATION or FAILURE
			       */
	LINK_IT_END,          /* link_end: flush what is sealed, then close */
	LINK_IT_ANSWERED,     /* link_answered: payloads control is done with: credit */
	LINK_IT_CHAN_HOST,    /* link_chan_host: as CHAN_CONNECT, over descriptors */
	LINK_IT_CHAN_FDS,     /* link_chan_fds: descriptors for one that was opened without */
	LINK_IT_CHAN_FINISH,  /* link_chan_ref: behind what was sealed for it EOF and CLOSE */
	LINK_IT_CHAN_SIZE,    /* link_chan_size: of its terminal */
	LINK_IT_CHAN_CUT,     /* link_chan_cut: its program is given frames; before CHAN_FDS */
	LINK_IT_CHAN_SAY,     /* link_chan_say: for its client, as if its program had written it */
	LINK_IT_FORWARD,      /* link_forward: listen for this client (RFC 4254 section 7.1) */
	LINK_IT_UNFORWARD,    /* link_forward_ref: no more; channels that came in live on */
	LINK_IT_CAPS,         /* link_caps: bytes a second, from here on */
	LINK_IT_CHAN_OPEN,    /* link_chan_open: ask the client for a channel */
	LINK_IT_SHARES,       /* link_shares: its part where there is not enough, from here on */
	LINK_IT_FLIGHT,       /* link_flight: bytes it may have in flight, from here on */

	/* down: commands */
	LINK_CMD_LISTEN = 128, /* link_listen */
	LINK_CMD_AUDIT_ACK,    /* link_audit_ack */
	LINK_CMD_CHAN_CLOSE,   /* link_chan_ref: administrative close */
	LINK_CMD_GRANT,        /* link_grant: the shard opens such flows without asking */
	LINK_CMD_REVOKE,       /* link_revoke; generation 0: whoever's grants they are */
	LINK_CMD_LOOK,         /* link_look: channels as they are now, for those who look */
	LINK_CMD_TRACE,        /* link_trace: messages of a connection, for an operator */
	LINK_CMD_CONNS,        /* link_conns: so many there may be */
};

struct link_hdr {
	uint32_t len; /* of the whole message, header included */
	uint16_t type;
	uint16_t reserved;       /* 0 */
	struct link_handle conn; /* generation 0 where there is none */
	uint32_t reserved2;      /* 0; bodies begin at a multiple of 8 */
};
_Static_assert(sizeof(struct link_hdr) % 8 == 0, "a body holds 64-bit fields");

/* Why a connection or channel ended travels as -SSH_E_* or -errno. */

struct link_conn_new {
	struct link_addr local, peer;
	uint32_t listener;
	uint32_t uid_low, uid_high; /* never reused */
	uint32_t no_comp;           /* 1: there is no memory to decompress what it sends */
};

struct link_bytes {
	uint32_t len;
	/* uint8_t bytes[len] */
};

struct link_payload {
	uint32_t seqnr;
	uint32_t len;
	/* uint8_t payload[len] */
};

enum link_comp { LINK_COMP_NONE, LINK_COMP_NOW, LINK_COMP_AUTHENTICATED };

/* Slots are zeroed by their reader; who got this wipes its copy. */
struct link_keys {
	char cipher[40], mac[40]; /* names, NUL-terminated: suites are looked up again */
	uint8_t reset_seqnr;
	uint8_t key_len, iv_len, mac_key_len;
	uint8_t key[64], iv[16], mac_key[64];
	uint8_t comp; /* LINK_COMP_*: a new compressed stream begins with them */
	uint8_t pad[3];
	uint64_t limit_bytes, limit_blocks;
	uint32_t limit_packets, limit_seconds;
};

/* What the connection may use from here on. 0 in a time: none. */
struct link_authenticated {
	uint32_t max_channels;
	uint32_t window_size, packet_max; /* granted to the peer per channel */
	uint32_t alive_interval_ms, alive_count;
	uint32_t idle_timeout_ms;
	uint32_t kex_timeout_ms; /* LoginGraceTime: a rekey not finished by then ends it */
	uint8_t nagle;           /* 1: small segments wait (TCPNoDelay no) */
	uint8_t window_auto;     /* 1: window_size is what a window may grow to */
	/* IPQoS: octets of the IP header, without ECN; while a program has a terminal, and else */
	uint8_t qos_tty, qos_bulk;
	uint32_t chans_idle_ms; /* of all channels together, without a byte */
	uint32_t unused_ms;     /* without a channel */
	uint32_t send_timeout_ms; /* of a channel, without a byte, while bytes wait to go one way */
};

/* What a client asked for, for those who hear of it later. len 0: nothing. */
struct link_name {
	uint16_t port, len;
	uint8_t bytes[LINK_HOST_MAX + 1]; /* a host, a path, a program's kind */
};

/* Bytes of channel data a second, and at once; rate 0: no cap; burst 0: the usual. */
struct link_rate {
	uint64_t rate;
	uint32_t burst;
	uint32_t pad;
};

enum link_way { LINK_IN, LINK_OUT, LINK_WAYS }; /* from the client, to it */

/* A rate that connections have in common, of whichever shard. */
struct link_group {
	uint64_t key; /* the same for all of them; 0: there is none */
	struct link_rate rate[LINK_WAYS];
};
enum link_cap_group { LINK_CAP_USER, LINK_CAP_ROLE, LINK_CAP_GROUPS };

struct link_caps {
	struct link_rate channel[LINK_WAYS]; /* each of its channels */
	struct link_rate conn[LINK_WAYS];    /* all of them together */
	struct link_group group[LINK_CAP_GROUPS];
};

/* Of 1 each, all have equal parts. */
#define LINK_SHARE_MAX 100
struct link_shares {
	uint64_t user_key, role_key; /* the same for all of a user of a role, of a role; 0: none */
	uint16_t own, user, role;    /* 1 to LINK_SHARE_MAX; of no key: 0 */
	uint16_t pad;
};

/* How much connections of whichever shard may have together. */
struct link_bound {
	uint64_t key; /* the same for all of them; 0: there is none, and max is 0 */
	uint64_t max;
};
enum link_flight_group { LINK_FLIGHT_USER, LINK_FLIGHT_SOURCE, LINK_FLIGHT_GROUPS };

struct link_flight {
	uint64_t max; /* of the connection's own; 0: there is no bound */
	struct link_bound group[LINK_FLIGHT_GROUPS];
};

struct link_chan_connect {
	uint32_t peer_channel; /* sender channel of its OPEN */
	uint32_t peer_window, peer_packet_max;
	uint32_t connect_timeout_ms; /* for all addresses together */
	uint16_t n_addrs;
	uint16_t kind;    /* stream kind; 1: tcp */
	uint32_t idle_ms; /* without a byte it is closed; 0: never */
	uint64_t token;   /* control's, comes back in events of this channel */
	struct link_addr addr[LINK_ADDRS_MAX];
	struct link_name name;
	uint8_t proxy; /* a header of the PROXY protocol goes first: its version; 0: none */
	uint8_t share; /* among the channels of its connection; 0: as 1 */
	uint8_t pad[2];
};

struct link_chan_ref {
	uint64_t token;
	uint32_t local_channel;
	uint32_t peer_channel;   /* CHAN_OPENED of a link_chan_open: the client's number */
	struct link_addr target; /* the one that answered; family 0: it has no address */
};

/* Whose end is control's to say, DRAINED, then FINISH; 0: nobody's. */
enum link_program {
	LINK_PROGRAM_SESSION = 1, /* its EOF goes to the client with its end, */
	LINK_PROGRAM_CHANNEL,     /* or when it says it: nothing is said of how it ended */
};

/*
 * A channel over descriptors of the kernel (stream kind host) that control sends on the socket with
 * a token of theirs (link_fds_send()), before or after this: whichever comes first waits for the
 * other, wait_ms at most. Then CONFIRMATION is sealed, or FAILURE.
 */
struct link_chan_host {
	uint32_t peer_channel; /* sender channel of its OPEN */
	uint32_t peer_window, peer_packet_max;
	uint32_t wait_ms;
	uint64_t token;          /* control's, comes back in events of this channel */
	uint64_t fds;            /* theirs; 0: none yet: CONFIRMATION now, with a window of 0 */
	struct link_addr target; /* for events; family 0: none */
	struct link_name name;
	uint8_t program; /* enum link_program */
	uint8_t eow;     /* 1: of a program, whose peer takes eow@openssh.com */
	uint8_t share;   /* as of link_chan_connect */
	uint8_t pad;
	uint32_t idle_ms; /* as of link_chan_connect */
};

/* The channel gets its window with them. When they do not come it ends as one that failed. */
struct link_chan_fds {
	uint64_t token; /* of the channel */
	uint64_t fds;
	uint32_t wait_ms;
	uint32_t idle_ms; /* in place of that before, */
	uint8_t share;    /* likewise */
	uint8_t tty;      /* 1: it is a terminal */
	uint8_t tee_how;  /* bits: enum link_tee */
	uint8_t pad[5];
	/*
	 * Another one, sent before them: what the program says is copied there, as frames of
	 * link/tee.h. 0: none. It ends with the channel.
	 */
	uint64_t tee;
};

enum link_tee {
	LINK_TEE_IN = 1,     /* what it is told, too */
	LINK_TEE_STRICT = 2, /* what cannot be copied is not moved: the channel waits, or ends */
	LINK_TEE_ALL = 3,
};

/*
 * A channel that we open towards the client, of any type. Once that has confirmed it: CHAN_OPENED;
 * its descriptors come by CHAN_FDS, and until then its window is 0; it is of
 * LINK_PROGRAM_CHANNEL. Else CHAN_FAILED.
 */
struct link_chan_open {
	uint64_t token; /* not 0; of nothing else */
	uint32_t idle_ms; /* as of link_chan_connect */
	uint32_t rest_len;
	struct link_name type;
	uint32_t pad;
	/* uint8_t rest[rest_len] */
};
_Static_assert(sizeof(struct link_chan_open) % 8 == 0, "nothing between it and what follows");

struct link_chan_size {
	uint64_t token;
	uint16_t columns, rows, width, height;
};

/*
 * What its client sends is cut into records, each a frame (dataplane/stream/host.h). Of one that is
 * cut already: otherwise, from here on.
 */
struct link_chan_cut {
	uint64_t token;
	uint8_t eol[LINK_EOL_MAX];
	uint32_t max;    /* bytes of a record; 0: pieces as they come */
	uint8_t eol_len; /* what it ends with before; 0: it has max bytes */
	uint8_t pad[3];
};

/*
 * Behind what was read of its program by then. What waits for the client's window is bounded:
 * beyond that CHAN_UNSAID, and it is forgotten.
 */
struct link_chan_say {
	uint64_t token;
	uint64_t id; /* control's, comes back */
	uint32_t len;
	uint8_t what; /* enum link_say */
	uint8_t pad[3];
	/* uint8_t bytes[len] */
};

enum link_say {
	LINK_SAY_OUT, /* bytes, */
	LINK_SAY_ERR, /* and of its standard error */
	LINK_SAY_END, /* none: what it writes from here on is nobody's */
};

struct link_chan_unsaid {
	uint64_t token;
	uint64_t id;
};

struct link_chan_failed {
	uint64_t token;
	int32_t err;     /* of the last address tried */
	uint32_t reason; /* SSH_OPEN_* that was sealed */
};

struct link_chan_end {
	uint64_t audit_id; /* per shard, rising; acknowledged by it */
	uint64_t token;
	uint64_t bytes_from_peer, bytes_to_peer;
	uint64_t open_us, first_us, last_us; /* monotonic */
	uint64_t end_us;
	int32_t cause;
	uint32_t local_channel;
	struct link_addr target;    /* that answered, or who came in */
	uint16_t port, name_len;    /* what was asked for; struct link_name */
	uint32_t uid_low, uid_high; /* of its connection */
	uint64_t tee_copied, tee_lost; /* bytes that its tee was given, and was not */
	uint8_t told;                  /* 1: CHAN_OPENED was said of it */
	uint8_t tee;                   /* 1: it had one */
	uint8_t eof[2];                /* enum link_eof, of LINK_EOF_IN and _OUT */
	uint8_t pad[4];
	/* uint8_t name[name_len] */
};

/* Which way: the client has said EOF, we have. */
enum { LINK_EOF_IN, LINK_EOF_OUT };
/* Whether, and whether CHAN_EOF was said of it. */
enum link_eof { LINK_EOF_NONE, LINK_EOF_TOLD, LINK_EOF_UNTOLD };

struct link_chan_eof {
	uint64_t token;
	uint64_t bytes; /* that went this way: there will be no more */
	uint32_t local_channel;
	uint32_t way; /* LINK_EOF_IN, LINK_EOF_OUT */
};

struct link_conn_end {
	uint64_t audit_id;
	uint64_t bytes_in, bytes_out; /* of the TCP stream */
	uint64_t open_us, last_us, end_us; /* monotonic */
	struct link_addr local, peer;
	uint32_t uid_low, uid_high;
	uint32_t channels; /* that were opened */
	int32_t cause;
	uint8_t authenticated;
	uint8_t pad[7];
};

/*
 * A control that attaches knows of no connection. The shard tells it of each that was logged in:
 * this, then its listeners, its channels and half a key exchange, and only then what else there is
 * to say of it. What an earlier control had taken and not settled comes again as payloads.
 */
struct link_conn_kept {
	struct link_addr local, peer;
	uint64_t uid;
	uint64_t age_us; /* since it was accepted */
	uint16_t no_comp;
	uint16_t rated; /* 1: of CAPS, SHARES, FLIGHT it was told any that is not nothing */
	uint32_t len; /* of the blob; 0: there is none */
		      /* uint8_t blob[len] */
};

struct link_chan_kept {
	uint64_t token;
	uint32_t peer_channel, local_channel;
	struct link_addr target; /* family 0: none, or none yet */
	uint16_t port, name_len;
	uint8_t up;      /* 1: CHAN_OPENED was said; else it, or CHAN_FAILED, follows */
	uint8_t granted; /* 1: opened by a grant, or it came in by a listener: token is theirs */
	uint8_t program; /* enum link_program */
	uint8_t ours;    /* 1: of a link_chan_open */
	uint8_t tty;     /* of link_chan_fds */
	uint8_t pad[3];
	/* uint8_t name[name_len] */
};

struct link_forward_kept {
	uint64_t token, epoch;
	struct link_addr addr; /* as it was asked for, */
	uint16_t port;         /* and what it listens on; 0: it has none, or FORWARD follows */
	uint16_t host_len;
	uint8_t opens; /* enum link_opens */
	uint8_t kind;  /* stream kind */
	uint8_t n_at;
	uint8_t up; /* 1: it listens; 0: FORWARD follows */
	uint8_t pad[4];
	struct link_addr at[LINK_AT_MAX];
	/* uint8_t host[host_len] */
};

/* What is known of the exchange besides the payloads of the peer's, which come again. */
struct link_kex_kept {
	uint32_t len;
	uint8_t sealed; /* 1: what LINK_IT_RX_SEALED left; 0: our KEXINIT */
	uint8_t pad[3];
	/* uint8_t bytes[len] */
};

struct link_conn_ref {
	uint32_t reserved;
};

struct link_end {
	int32_t cause;      /* -SSH_E_*: for audit */
	uint32_t linger_ms; /* at most this long to flush */
};

struct link_answered {
	uint32_t payloads;
	uint32_t bytes;
};

struct link_ready {
	uint32_t max_conns;
	uint32_t places; /* in its table: max_conns may grow to it, indexes are below it */
	uint32_t start_id_low, start_id_high; /* of this dataplane's start; binds sealed blobs */
	char name[32];                        /* Dataplane NAME */
};

struct link_listen {
	struct link_addr addr; /* port 0: the one its dataplane chose for this address */
	uint32_t listener; /* control's number, comes back in CONN_NEW */
	uint32_t backlog;
	uint8_t close; /* 1: stop listening */
	uint8_t pad[3];
	char rdomain[LINK_RDOMAIN_MAX + 1]; /* of the kernel's sockets, its device; "": none */
};

/*
 * MaxConnections, of all shards of the dataplane: each takes its part of it, and no more than it
 * has places. Who is connected stays.
 */
struct link_conns {
	uint32_t max;
	uint32_t pad;
};

struct link_listen_result {
	uint32_t listener;
	int32_t err;
	uint16_t port; /* where it listens; 0 only with an error */
	uint16_t pad;
};

struct link_audit_ack {
	uint64_t audit_id; /* and all before it */
};

/*
 * What a rule has said of a target holds for a while: this connection may open direct-tcpip to
 * exactly this host, as its bytes, and port. The shard connects to the addresses that were judged,
 * in their order, says CHAN_OPENED, CHAN_FAILED and CHAN_END as ever, with the grant's token for
 * all channels opened by it, and asks again once the lifetime is over or one of them could not be
 * opened. Without control a grant stays what it is until then. The same target again takes the
 * place of what was said before; a shard that has no room for one forgets it, counts that, and goes
 * on asking.
 */
struct link_grant {
	uint64_t token; /* not 0; of no open that is asked for */
	uint32_t lifetime_ms;
	uint32_t connect_timeout_ms; /* for all addresses together */
	uint16_t port;
	uint16_t n_addrs;
	uint16_t kind; /* stream kind; 1: tcp */
	uint16_t host_len;
	uint32_t idle_ms; /* of its channels, as of link_chan_connect */
	struct link_addr addr[LINK_ADDRS_MAX];
	uint8_t host[LINK_HOST_MAX + 1];
	uint8_t share; /* likewise */
	uint8_t pad[7];
};

/* What a channel is that comes of a listener. */
enum link_opens {
	LINK_OPENS_TCPIP = 1,   /* forwarded-tcpip */
	LINK_OPENS_STREAMLOCAL, /* forwarded-streamlocal@openssh.com */
	LINK_OPENS_AGENT,       /* auth-agent@openssh.com */
	LINK_OPENS_X11,         /* x11 */
	LINK_OPENS_COUNT,
};

/*
 * A listener of the connection's own, which ends with it. What comes in becomes channels of the
 * client, opened by the shard without asking; CHAN_OPENED (its target is who came in), CHAN_FAILED
 * and CHAN_END carry the listener's token.
 *
 * Of kind 1 (tcp) the shard listens itself. Of kind 2 (host) the kernel does already: one or two
 * sockets come with the token fds, as those of a channel do; addr is what the client is told.
 */
struct link_forward {
	uint64_t token; /* not 0; of nothing else */
	uint64_t epoch; /* kept with it, */
	uint64_t fds;   /* of kind 2; else 0 */
	uint32_t wait_ms;
	struct link_addr
		addr;  /* family 0: any; zeros: any of the family; port 0: the shard chooses */
	uint16_t kind; /* stream kind */
	uint16_t host_len;
	uint8_t opens;                   /* enum link_opens */
	uint8_t once;                    /* 1: a single connection, then it is over */
	uint8_t host[LINK_HOST_MAX + 1]; /* the address, or the path, as the client wrote it */
	uint8_t n_at;                    /* and of kind 2 where it is at */
	uint8_t pad;
	struct link_addr at[LINK_AT_MAX];
	uint32_t idle_ms; /* of its channels, as of link_chan_connect */
	uint8_t share;    /* likewise */
	uint8_t pad2[3];
};

struct link_forward_ref {
	uint64_t token;
	uint8_t cut; /* 1: its channels end with it */
	uint8_t pad[7];
};

struct link_forward_result {
	uint64_t token;
	int32_t err;
	uint16_t port; /* that is listened on; 0: it has none */
	uint16_t pad;
};

/* Holds from the moment it is read: what is open stays open. */
struct link_revoke {
	uint64_t token; /* 0: all of the connection, or of the shard */
};

/* Channels from the place `from` of the shard's table on; of a connection, where one is named. */
struct link_look {
	uint32_t id; /* comes back, */
	uint32_t what; /* and this: enum link_look_what */
	uint32_t from;
	uint32_t pad;
};
enum link_look_what { LINK_LOOK_CHANS, LINK_LOOK_CAPPED };

/*
 * Each message of the connection, as far as it may be seen (ssh/show.h), as frames of link/tee.h to
 * the descriptor with this token, until so many were said or so long. A shard has one such trace:
 * the next takes its place.
 */
struct link_trace {
	uint64_t fds;
	uint32_t messages;
	uint32_t time_ms;
};
#define LINK_TRACE_MESSAGES_MAX 1000000
#define LINK_TRACE_MS_MAX       3600000

/* What holds a direction of a channel up: name, and for whom looks. */
#define LINK_SLOW(X)                                                                               \
	X(NOTHING, "-", "nothing waits")                                                           \
	X(CLIENT, "client", "the client sends nothing, or its TCP takes nothing")                  \
	X(WINDOW, "window", "the client's window of the channel is used up")                       \
	X(TARGET, "target", "the target sends nothing, or takes nothing")                          \
	X(CONGESTION, "congestion", "the network: what is under way is what TCP allows")           \
	X(REKEY, "rekey", "keys are being changed")                                                \
	X(MEMORY, "memory", "buffers of the shard are short")                                      \
	X(CONTROL, "control", "sluice-control has enough of its requests to answer")               \
	X(CAP, "cap", "a cap of bandwidth")                                                        \
	X(CORE, "core", "its turn comes: the core is what is busy")

enum link_slow {
#define X(name, key, text) LINK_SLOW_##name,
	LINK_SLOW(X)
#undef X
		LINK_SLOW_COUNT
};

enum link_chan_state { LINK_CHAN_OPENING = 1, LINK_CHAN_OPEN, LINK_CHAN_ENDING };

/* Whose rate holds a channel back: name, keyword. */
#define LINK_CAPPED(X)                                                                             \
	X(NOT, "-", "")                                                                            \
	X(CHANNEL, "channel", "ChannelRate")                                                       \
	X(CONNECTION, "connection", "ConnectionRate")                                              \
	X(USER, "user", "UserRate")                                                                \
	X(ROLE, "role", "RoleRate")

enum link_capped {
#define X(name, key, keyword) LINK_CAPPED_##name,
	LINK_CAPPED(X)
#undef X
		LINK_CAPPED_COUNT
};

/* In: from the client. */
struct link_look_chan {
	struct link_handle conn;
	uint64_t token;
	uint64_t bytes_in, bytes_out;
	uint64_t age_us, idle_us; /* since it was opened; without a byte */
	uint64_t capped_us[LINK_WAYS], capped_bytes[LINK_WAYS]; /* it waited for rates; that did */
	uint32_t local_channel;
	uint32_t window_in, window_in_max; /* what is left of ours; what it is kept at */
	uint32_t window_out;               /* what is left of the client's */
	uint32_t held_in;                  /* given to the target, and not known to have arrived */
	uint32_t held_out;                 /* of the target, not sealed yet */
	uint32_t client_rtt_us, target_rtt_us; /* 0: not known */
	struct link_addr target;               /* or who came in; family 0: it has none */
	uint8_t state;                         /* enum link_chan_state */
	uint8_t slow_in, slow_out;             /* enum link_slow */
	uint8_t ours;                          /* 1: we opened it towards the client */
	uint8_t capped[LINK_WAYS];             /* enum link_capped: what it waited for last */
	uint8_t pad[6];
};

/* A connection of which bytes waited for rates: of all its channels, those that are over, too. */
struct link_look_conn {
	struct link_handle conn;
	uint64_t capped_us[LINK_WAYS], capped_bytes[LINK_WAYS];
};

struct link_look_result {
	uint32_t id;
	uint32_t next; /* where to go on; 0: those were the last */
	uint32_t n;
	uint32_t what;
	/* struct link_look_chan, or of LINK_LOOK_CAPPED struct link_look_conn, [n] */
};
_Static_assert(sizeof(struct link_look_conn) <= sizeof(struct link_look_chan), "as many fit");
_Static_assert(sizeof(struct link_look_result) % 8 == 0, "what follows holds 64-bit fields");

/*
 * Is this copied message whole and of its type's shape? 0 or -EBADMSG. Lengths, counts
 * and enumerations are checked; names are NUL-terminated; handles are checked by who owns them
 * (here only that a message about a connection names one). msg is aligned for uint64_t.
 */
int link_msg_check(const void *msg, size_t len) __attribute__((warn_unused_result));
/* Which way a type goes. The one who receives a type of its own direction detaches the peer. */
static inline bool link_type_is_up(uint16_t type)
{
	return type != 0 && type < LINK_IT_IDENT;
}
/* News that nobody acts on: what became of a channel, for audit and for those who look. */
static inline bool link_type_is_news(uint16_t type)
{
	return type >= LINK_EV_CHAN_OPENED && type <= LINK_EV_CONN_END;
}
/* Body of a checked message; variable part behind it. */
static inline const void *link_msg_body(const void *msg)
{
	return (const uint8_t *)msg + sizeof(struct link_hdr);
}

#endif

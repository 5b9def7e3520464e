/*
 * client/lib/internal.h - what the files of the library share.
 *
 * A connection is a brain of ssh/ over a socket: ssh/pump.h carries its records, turn.c moves the
 * bytes, act.c does what the brain wants, login.c answers it who we are, chan_*.c are the channels.
 * Locks: that of the connection is held by every function here; an engine's (engine.h) within it,
 * never while a callback runs.
 */
#ifndef SLUICE_CLIENT_LIB_INTERNAL_H
#define SLUICE_CLIENT_LIB_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "client/lib/carry.h"
#include "client/lib/dial.h"
#include "client/lib/engine.h"
#include "client/lib/grow.h"
#include "client/lib/settings.h"
#include "client/lib/keep.h"
#include "client/sluice.h"
#include "crypto/certinfo.h"
#include "crypto/key.h"
#include "crypto/keyfile.h"
#include "ssh/ident.h"
#include "ssh/kexinit.h"
#include "ssh/pump.h"
#include "ssh/session_msg.h"
#include "ssh/window.h"

#define OUT_MAX        (256 * 1024)       /* unwritten bytes at which channels' data waits */
#define WINDOWS_MAX    (64 * 1024 * 1024) /* of a connection's channels, where they grow; */
#define WINDOW_LEAST   (64 * 1024)        /* when that is used up each begins with it */
#define LOG_TEXT_MAX   1024
#define CHANNELS_MAX   1024 /* of a connection */
#define IDENTITIES_MAX 64
#define HOPS_MAX       8 /* jump hosts of a chain */
#define PASSWORD_ROOM  (SLUICE_ANSWER_MAX + 1)

/* --- an answer that somebody may wait for ----------------------------------------------------- */

struct request {
	STAILQ_ENTRY(request) next;
	char type[SSH_TYPE_MAX + 1];
	bool done, ok, left; /* left: nobody waits any more, who answers frees it */
	struct forward *forward; /* of a listener: who is told of the answer; NULL: nothing */
	uint8_t *data;       /* of REQUEST_SUCCESS */
	size_t len;
};
STAILQ_HEAD(requests, request);

/* --- channels ----------------------------------------------------------------------------------
 */

/* Bytes that came and were not read. */
struct inbox {
	uint8_t *p;
	size_t off, len, size;
};

/* How data becomes records; all 0: as it comes. */
struct frame {
	uint8_t eol[64];
	size_t eol_len, max; /* of a record by its end */
	size_t record;       /* of one length */
};

struct sluice_channel {
	TAILQ_ENTRY(sluice_channel) link;
	struct sluice *s;
	uint32_t id, peer_id;
	char type[SSH_TYPE_MAX + 1];
	struct ssh_chan_fsm fsm;
	struct ssh_rwin rwin;
	struct grow grow;
	struct ssh_swin swin;
	uint32_t packet_in;
	bool ours;
	bool undecided; /* theirs: the program has not said yes or no */
	bool given_up;  /* no handle of the program's: freed when closed */
	bool carries;   /* another connection, whose stream it is (hop.c): nobody is told of it */
	bool carried;   /* to a target here: its data is not the program's, nor is it to be freed */
	struct carry *carry; /* by whom, while it is */
	bool eof_asked; /* EOF, CLOSE wait for the end of a rekey */
	bool close_asked, close_sent, close_received;
	bool starved; /* a send took less than it was given */
	int err;      /* why it could not be opened */
	struct inbox in, in_err;
	size_t in_granted; /* of in: bytes that count as taken already */
	struct frame frame;
	struct requests requests; /* unanswered, in order */
	uint32_t adjust;          /* a WINDOW_ADJUST that waits likewise */
	uint64_t bytes_in, bytes_out;
	bool has_exit_status, has_exit_signal, core_dumped;
	uint32_t exit_status;
	char exit_signal[SSH_SIGNAL_MAX + 1];
	/* As sluice_channel_info() says; "" where it has none. */
	char listen[SSH_HOST_MAX + 1], origin[SSH_HOST_MAX + 1], target[SSH_SOCKET_PATH_MAX + 1];
	uint16_t listen_port, origin_port, target_port;
	void *arg;
};
TAILQ_HEAD(channels, sluice_channel);

/* --- keys ---------------------------------------------------------------------------------------
 */

#define KEY_CERTS_MAX 4 /* OpenSSH's, and the forms RSA has with X.509 */
struct sluice_key {
	unsigned int refs; /* atomic */
	struct keyfile *file;
	struct key *key; /* of the file */
	struct key *cert[KEY_CERTS_MAX]; /* for it, in the order they are shown */
	unsigned int n_certs;
};

typedef int (*sign_fn)(void *arg, const struct sluice_key *pub, const char *alg, const void *data,
		       size_t len, uint8_t *sig, size_t *sig_len);
/* A key to log in with. */
struct identity {
	const struct sluice_key *key;
	sign_fn sign; /* NULL: the key does, or an agent */
	void *arg;
	bool agents; /* one signs */
	bool lent;   /* in place of sign, until the connection is over */
};
const struct sluice_key *key_get(const struct sluice_key *k);
/* Takes file. */
int key_wrap(struct keyfile *file, struct sluice_key **ret);
/* What the key's certificate says; -ENOENT: it has none. */
int key_cert_info(const struct sluice_key *k, struct certinfo *ret);
bool key_cert_over(const struct key *cert); /* its time, or not begun yet */
char *key_line(const struct key *k); /* "type base64"; the caller's to free() */

/* --- what the server listens on for us -----------------------------------------------------------
 */

struct forward {
	STAILQ_ENTRY(forward) next;
	char *path;              /* of a UNIX socket; NULL: a port */
	char *addr;              /* as it was asked for */
	uint16_t asked, port;    /* asked 0: the server chose port; 0: it has not yet */
	char *to_host;           /* who connects is carried there; NULL: the program's channel */
	uint16_t to_port;
	enum { FORWARD_WAITS = 1, FORWARD_ASKED, FORWARD_THERE, FORWARD_GONE } state;
	int err;           /* gone: why */
	bool ever;         /* it was there */
	bool refused;      /* of a tunnel's: said, and not looked at yet */
	unsigned int refs; /* calls that wait for it: who leaves it last frees one that is gone */
	struct stay stay;  /* of a tunnel's, while its connection is up */
};
STAILQ_HEAD(forwards, forward);

/* --- authentication ------------------------------------------------------------------------------
 */

struct login {
	bool asked_none;
	unsigned int methods_done; /* SSH_AUTH_* that did, and were not enough */
	unsigned int tried;        /* SSH_AUTH_* that have nothing more to try */
	unsigned int next_key, passwords, kbdints, rounds, gss_tried, tries, banners;
	bool agent_asked;         /* for its keys */
	bool unsigned_by_key;     /* what was tried last: a key that did not sign */
	unsigned int certs_shown; /* of the key at next_key, which comes by itself behind them */
	enum ssh_auth_method now; /* of the request that was sent; 0: none */
	const struct identity *identity;
};

/* --- the connection ------------------------------------------------------------------------------
 */

/* What an agent is being asked. */
enum agent_doing { AGENT_NOTHING, AGENT_BINDS, AGENT_LISTS, AGENT_SIGNS };

enum state {
	STATE_NONE = 1,   /* not begun, or over */
	STATE_CONNECTING, /* TCP */
	STATE_KEX,        /* up to the first LOGIN */
	STATE_MET,        /* who they are is settled, who we are not asked yet */
	STATE_LOGIN,
	STATE_UP,
};

struct sluice {
	/* calls */
	pthread_mutex_t lock; /* recursive */
	pthread_cond_t turned;
	unsigned int callbacks; /* that run: they are inside of each other */
	bool stepping;          /* an action of the brain's is carried out */
	size_t queued;          /* bytes given to the brain since */
	bool polling;           /* a thread waits for the socket; others for turned */
	bool untold; /* a call that does not wait had a turn: a loop has not heard of it */
	int wake;               /* eventfd that ends that wait */

	struct settings set;
	struct sluice_ops ops;
	void *arg;

	enum state state;
	int err;        /* why it is over; 0: it is not, or the program ended it */
	char text[256]; /* of the last error */
	int fd;
	pid_t command;             /* ProxyCommand's; 0: none */
	bool distrusted;           /* its key changed, and that was let pass: it may be anybody */
	bool vouched;              /* its key was known, or somebody said yes: it may tell of others */
	struct agent *agent;       /* whose identities are among ours; NULL: nobody's */
	enum agent_doing agent_doing;
	uint64_t agent_due; /* ms: until when it may answer */
	uint32_t agent_id;  /* of the LOGIN or the signature that waits for it */
	char agent_alg[SSH_NAME_MAX + 1];
	struct learning *learning; /* of its other keys; NULL: it did not tell of them */
	struct dial *dial; /* while CONNECTING */
	struct sluice *hop;         /* a jump host, which is ours; NULL: none */
	struct sluice_channel *way; /* of the hop: our stream, once it is asked for */
	bool is_hop;                /* somebody's */
	struct engine *engine;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	bool pump_made;
	struct ssh_pump_seen seen; /* packets that are not told of yet */
	bool telling;              /* on_log runs: nothing that is done in it is told */
	bool met;      /* on_connected was told of success */
	bool at_proxy, at_host; /* so was on_connection_status */
	bool eof_in;   /* the socket's end was read */
	bool cut;      /* to be ended once no callback runs */
	bool swept;    /* handles were given up meanwhile */
	bool wants_in; /* sluice_logon() was called */
	bool leaving;  /* sluice_logoff() */
	bool reset;    /* what is not written by now is nobody's: TCP says so to the server */
	double tokens; /* of TransferRate: bytes that may go now */
	uint64_t tokens_ms;
	struct login login;
	uint32_t login_id; /* of a LOGIN that waits for sluice_logon(); 0: none */
	struct ssh_act_kex kex;
	uint8_t session_id[SSH_SESSION_ID_MAX];
	uint32_t session_id_len;
	unsigned int kexes;
	uint32_t retry_after; /* seconds, as the server of the last connection said */
	char hostkey_sha256[64], peer_ident[SSH_IDENT_MAX + 1];
	uint64_t begun_ms, heard_ms, moved_ms; /* of the connection, their last byte, any byte */
	uint64_t keyed_ms;                     /* the last key exchange */
	uint64_t bytes_in, bytes_out;
	unsigned int alives; /* keep-alives without an answer */

	struct channels channels;
	unsigned int n_channels;
	uint64_t windows; /* of all channels */
	struct carries carries;
	uint32_t next_channel;
	struct requests globals; /* unanswered, in order */

	struct forwards forwards;
	struct sluice_tunnel *tunnel; /* keeps it up; NULL: nothing does */
	uint32_t again_ms;            /* a way that is not there is looked for so often; race.h */
	struct identity identity[IDENTITIES_MAX];
	unsigned int n_identities;
	const struct sluice_key *accepted[IDENTITIES_MAX];
	unsigned int n_accepted;
	char *password; /* secret_new(): PASSWORD_ROOM, and what is not used of it is NUL */
	size_t password_len;
};

/* Every public function is between these two. */
void enter(struct sluice *s);
void leave(struct sluice *s);

/* Is it done? 0: yes; -EAGAIN: not yet; another error: it never will be. */
typedef int (*wait_test)(struct sluice *s, void *arg);
/*
 * Turns until test says so. timeout_ms: that of OperationTimeout or another one. In callbacks and
 * with 0: one turn at most, then -SLUICE_E_WOULD_BLOCK.
 */
int wait_for(struct sluice *s, wait_test test, void *arg, uint32_t timeout_ms);
bool may_wait(const struct sluice *s);
/* Reads, steps and writes what there is. True: something was done. */
bool turn(struct sluice *s);
/* What others wait for may have come: those that wait for a turn, and the one at the socket. */
void turned(struct sluice *s);
/* Does what the brain wants, until it needs bytes or an answer. */
bool step(struct sluice *s);
/* Is as much read as may lie here? */
bool in_is_full(const struct sluice *s);
/* Writes what there is to be written; wakes who waits for the socket when some is left. */
void flush(struct sluice *s);
static inline uint64_t now_ms(void)
{
	return turn_now_ms();
}
/* The next time at which something is due by itself; UINT64_MAX: nothing is. */
uint64_t due_ms(const struct sluice *s);
uint64_t rate_due(const struct sluice *s); /* of TransferRate */
void timers_run(struct sluice *s, uint64_t now);
/* The events to wait for; the descriptor is s->fd or the dial's. */
short wanted_events(struct sluice *s);
int wanted_fd(struct sluice *s);

/* Asks a global request, payload whole; ret NULL: nobody waits. */
int global_ask(struct sluice *s, const char *type, const void *payload, size_t len,
	       struct request **ret);

/* fips.c: FIPSMode, once it is asked for, is for all connections of the process. */
#define FIPS_LISTS    5
#define FIPS_LIST_MAX 4096
struct fips_lists {
	char list[FIPS_LISTS][FIPS_LIST_MAX];
};
/* What it leaves of the lists, in to; it is begun where this connection wants it. */
int fips_lists_cut(struct sluice *s, struct ssh_brain_conf *c, struct fips_lists *to);

/* act.c */
/* Is the server's line one we speak with? */
void ident_check(struct sluice *s);
void act_run(struct sluice *s, const struct ssh_act *a);
/* Ends: callbacks are told, channels closed. err 0: on purpose. */
void connection_over(struct sluice *s, int err, const char *text);
int connection_begin(struct sluice *s); /* s->fd is connected */
/* Why there is none. */
int connection_gone(const struct sluice *s);
/*
 * Sends a message of the connection protocol: one the brain has to know of, or (_data) data,
 * adjust, EOF and CLOSE, which are -EAGAIN during a key exchange.
 */
int send_message(struct sluice *s, const void *p, size_t len);
int send_data(struct sluice *s, const void *p, size_t len);
/* Bytes that may be queued now. */
size_t send_room(const struct sluice *s);

/* hostkey.c */
#define HOSTKEY_ALGS_MAX 4096
void hostkey_judge(struct sluice *s, const struct ssh_act *a);
/* HostKeyAlgorithms, maybe in buf. */
const char *hostkey_algs(const struct sluice *s, char buf[HOSTKEY_ALGS_MAX]);
/* A global request of the server's; false: it is not about host keys. */
bool hostkeys_told(struct sluice *s, struct ssh_str type, struct ssh_str data);
/* The answer to a global request of ours. */
void hostkeys_proved(struct sluice *s, const char *type, bool ok, struct ssh_str data);
void hostkeys_forget(struct sluice *s);

/* agent.c */
/* Its keys come behind ours, once. True: it is being asked, and LOGIN id goes on behind that. */
bool agent_identities(struct sluice *s, uint32_t id);
/* It is asked for a signature; negative: it is not. */
int agent_signs(struct sluice *s, const struct key *k, const struct ssh_act *a);
bool agent_turn(struct sluice *s);
void agent_drop(struct sluice *s);

/* login.c */
void login_next(struct sluice *s, const struct ssh_act *a);
void login_sign(struct sluice *s, const struct ssh_act *a);
/* Why nothing is left that would let us in. */
int login_error(const struct sluice *s);
void login_signed(struct sluice *s, uint32_t id, int r, const uint8_t *sig, size_t len);
void login_prompt(struct sluice *s, const struct ssh_act *a);
void login_done(struct sluice *s);
/* Is it tickets alone that let us in? Then a password is whose who has them. */
bool login_by_tickets(const struct sluice *s);
/* May GSS-API be what lets us in? */
bool login_by_gss(const struct sluice *s);

/* password.c: where none was set, that of PasswordFile or PasswordCommand. 0, or it fails. */
int password_ready(struct sluice *s);

/* prompt.c: does a prompt match the pattern that the password answers? */
bool prompt_matches(const char *pattern, const char *text);

/* hop.c: jump hosts. */
int hop_begin(struct sluice *s);
bool hop_turn(struct sluice *s); /* and the way through it, while CONNECTING */
void hop_end(struct sluice *s);
/* The stream through it has ended. */
void hop_dropped(struct sluice *s);
int hop_fd(const struct sluice *s);
short hop_events(const struct sluice *s);
uint64_t hop_due(const struct sluice *s, bool may_read);
/* recv(2) and send(2) of the connection's stream, whatever that is. */
ssize_t stream_recv(struct sluice *s, void *buf, size_t size);
ssize_t stream_send(struct sluice *s, const void *p, size_t len);

/* session.c: as sluice_logon(), without waiting. -SLUICE_E_ALREADY. */
int logon_begin(struct sluice *s);

/* chan.c */
/* direct-tcpip, without waiting. */
int chan_open_tcp(struct sluice *s, const char *dst, uint16_t dport, const char *src,
		  uint16_t sport, struct sluice_channel **ret);
/* Is its data the program's? */
static inline bool chan_is_read(const struct sluice_channel *c)
{
	return !c->carries && !c->carried;
}
/* Is the program to be told of what happens to it? */
static inline bool chan_is_told(const struct sluice_channel *c)
{
	return !c->given_up && !c->carries;
}
struct sluice_channel *chan_new(struct sluice *s, const char *type, size_t len);
struct sluice_channel *chan_find(struct sluice *s, uint32_t id);
void chan_release(struct sluice_channel *c);
void chan_closed(struct sluice_channel *c);
/* Its handle is nobody's any more. */
static inline void chan_give_up(struct sluice_channel *c)
{
	c->given_up = c->s->swept = true;
}
void chans_over(struct sluice *s);
/* What waited for the end of a rekey or for room. */
void chans_go_on(struct sluice *s);
int chan_message(struct sluice *s, const struct ssh_act *a); /* 0 or -SSH_E_* */
/* Sends what was asked for and is due: adjusts, EOF, CLOSE. */
void chan_flush(struct sluice_channel *c);
void chan_close_begin(struct sluice_channel *c);

/* chan_theirs.c */
int chan_open_in(struct sluice *s, const struct ssh_chan_open *m);
/* The answer to one that is undecided; the handle of one that is refused is gone. */
int chan_confirm(struct sluice_channel *c);
void chan_refuse(struct sluice_channel *c, uint32_t reason, const char *why);

/* frame.c: hands records to the program, what is no whole one as well when all is set. The bytes.
 */
void frame_give(struct sluice_channel *c, bool all);

/* forward.c */
/* What a channel of the server's is for; NULL: nothing that was asked for. */
const struct forward *forward_for(struct sluice *s, const char *path, const char *addr, uint16_t port);
/* Asks the server for it: 0, and its answer tells; or an error. */
int forward_ask(struct sluice *s, struct forward *f);
/* An answer to it. */
void forward_answered(struct sluice *s, struct forward *f, bool ok, const uint8_t *data, size_t len);
/* It is not there, and nobody asks for it any more. */
void forward_gone(struct sluice *s, struct forward *f, int err);
/* The connection begins anew: what is kept up is asked for again. */
void forwards_begin(struct sluice *s);
void forwards_fini(struct sluice *s);

/* window.c */
void window_init(struct sluice_channel *c);
void window_fini(struct sluice_channel *c);
void window_raise(struct sluice_channel *c, uint32_t size);
/* n bytes came: 0 or -SSH_E_WINDOW. */
int window_received(struct sluice_channel *c, uint32_t n);
/* n of them were taken: what is worth granting again is. */
void window_taken(struct sluice_channel *c, uint32_t n);

/* chan_data.c */
int chan_data_in(struct sluice_channel *c, uint8_t msg, struct ssh_rd *r);
void inbox_fini(struct inbox *b);
size_t inbox_get(struct inbox *b, void *buf, size_t size);
/* One message of data, as much of it as may go now; 0: none. */
ssize_t chan_send_some(struct sluice_channel *c, const uint8_t *p, size_t len);
/* n bytes have left c->in. */
void chan_took(struct sluice_channel *c, size_t n);

/* chan_request.c */
int chan_request_in(struct sluice *s, const struct ssh_act *a);
void chan_answer(struct sluice_channel *c, bool ok);

/* request.c: what is asked and will be answered, in order. */
struct request *request_new(struct requests *q, const char *type);
/* The oldest one. */
void request_answer(struct requests *q, bool ok, const uint8_t *data, size_t len);
void requests_fail(struct requests *q);
/* Nobody waits for it any more. */
void request_leave(struct request *q);

/* error.c */
int error_of(int r); /* of ssh/, crypto/: as the program knows it */
__attribute__((format(printf, 3, 4))) int fail(struct sluice *s, int err, const char *fmt, ...);

/* act.c: on_connection_status */
void status_tell(struct sluice *s, enum sluice_status_event event, int err, const char *text);

/* log.c */
__attribute__((format(printf, 3, 4))) void note(struct sluice *s, enum sluice_log_level level,
						const char *fmt, ...);
/* What is wanted of packets may have changed, or the pump is new. */
void log_watch(struct sluice *s);
/* Tells of those that came and went. No engine is locked. */
void log_packets(struct sluice *s);

/* In front of and behind a callback. */
#define CALL(s, entry, ...)                                                                        \
	do {                                                                                       \
		if ((s)->ops.entry != NULL) {                                                      \
			(s)->callbacks++;                                                          \
			(s)->ops.entry((s)->arg, __VA_ARGS__);                                     \
			(s)->callbacks--;                                                          \
		}                                                                                  \
	} while (0)

#endif

/*
 * control/session/session.h - one brain per connection, driven by the events of its shard.
 *
 * A table belongs to one shard of one attached dataplane. Events come in through
 * session_table_event(); items leave through the link given at creation. Whatever takes
 * time (key exchange, signatures, files, password hashes, names) is a call whose answer
 * finds its session by struct conn_ref, or finds nothing and is dropped.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_SESSION_H
#define SLUICE_CONTROL_SESSION_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "conf/hook.h"
#include "control/audit/record.h"
#include "control/auth/source.h"
#include "control/blob.h"
#include "control/crowd.h"
#include "control/index.h"
#include "control/most.h"
#include "control/pool.h"
#include "control/ref.h"
#include "control/resolve.h"
#include "control/session/connecting.h"
#include "control/session/keyset.h"
#include "control/session/tally.h"
#include "control/signer.h"
#include "control/startups.h"
#include "control/timers.h"
#include "control/turns.h"
#include "link/msg.h"

#define SESSION_TABLE_MAX 10000000 /* connections of one shard: what MaxConnections may be */

struct session_table;
struct dialer;
struct hooks;
struct door;
struct audit;
struct penalties;
struct lapses;
struct look;
struct review;

/* Whose it is who asks: a connection, which has let somebody in. */
struct session_login {
	struct conn_ref ref;
	uint64_t uid;
};

/* Of all tables, those of dataplanes that are gone included. */
struct session_stats {
	uint64_t accepted, logins, failed_tries;       /* since control started */
	uint32_t connections, authenticated, channels; /* now */
};

/* What sessions use; one for the process, all borrowed and alive longer than any table. */
struct session_env {
	struct timers *timers;
	struct pool *compute, *files;
	unsigned int kex_threads; /* of compute */
	char *kex;                /* list of methods; NULL: KexAlgorithms */
	struct moduli *moduli;    /* NULL: none but RFC 3526's */
	struct keysets keys;
	struct resolver *resolver;
	struct dialer *dialer;  /* NULL: no channel leads to the gateway's own kernel */
	bool host_only;         /* there are no interfaces: the kernel leads everywhere */
	bool sockets_by_helper; /* UNIX sockets are opened as their users; else as who we are */
	struct blob_key *blob_key;
	struct conf *conf;
	struct startups startups;
	struct crowd crowd; /* of those who say that nobody waits for them */
	struct door *door;           /* NULL: MaxStartups alone */
	struct audit *audit;         /* NULL: none is kept */
	struct helper *helper;       /* NULL: what needs it lets nobody in */
	struct hooks *hooks;         /* NULL: what needs them has no answer */
	struct {                     /* report.c: of the record that is made */
		struct audit_record record; /* where there is no audit log */
		struct conf_hook hook;      /* who is told of it */
		bool told;
		uint64_t last_id;
	} news;
	struct auth_env sources;     /* login_begin() fills it in */
	uint8_t delay_key[16];       /* random: of the delay of failures */
	const char *ident;           /* our identification string */
	const struct link_addr *own; /* own.h: the gateway's addresses, behind them its kernel's */
	size_t n_own, n_kernel;
	uint64_t (*now_ms)(void);
	/* The sessions': */
	struct session_table *tables;
	struct session_stats stats;
	uint64_t last_serial, last_token;
	struct connecting connecting;
	struct {
		struct index tokens, ports, tallies;
	} listens;                      /* listeners.c */
	struct most most[TALLY_KINDS];  /* that one has, of what tally.h counts */
	struct most most_channels;      /* of a connection */
	struct most most_sessions, most_tries; /* of it; that have failed of one that is not in */
	uint32_t n_rated;     /* connections whose shard was told of rates, shares or bounds */
	uint32_t n_listeners; /* those that are over and have channels included */
	struct turns turns;   /* first key exchanges that wait */
	unsigned int kex_running;
	struct review *review; /* NULL: none was there yet */
	struct lapses *lapses; /* NULL: nobody has anything to lose */
	struct look *looks;    /* that wait for a shard's answer */
	uint32_t last_look;
	bool draining; /* nobody new comes in */
	bool leaving;  /* control ends: what lives goes on with the next one */
	struct handled_place *places; /* handled_place.c: of channels that come next */
	/* Takes up what the built-in console asks by; fd stays the caller's. NULL: nobody does. */
	void (*console)(void *arg, const struct session_login *login, const char *user, int fd);
	void *console_arg;
};

/* How items leave: always taken, in order; head begins with a struct link_hdr. */
struct session_link {
	void (*send)(void *arg, const void *head, size_t head_len, const void *body,
		     size_t body_len);
	/*
	 * Descriptors for the shard, which stay the caller's: what names the token in an item has
	 * them. 0, or -errno: the socket takes no more now, or there are none to be had. NULL: a
	 * dataplane that takes none.
	 */
	int (*send_fds)(void *arg, uint64_t token, const int *fds, unsigned int n);
	void *arg;
	uint64_t start_id; /* of the dataplane's start */
	uint16_t shards;   /* that it has */
};

/* Penalties and limits of sources, as configured; conf is borrowed. -ENOMEM, -EIO. */
int door_new(const struct conf_global *g, uint64_t now_ms, struct door **ret)
	__attribute__((warn_unused_result));
void door_free(struct door *d); /* NULL is nothing */
/*
 * Others hold from now on, also for those who wait inside: they are counted anew. Penalties last on
 * where sources are what they were and as many are kept; else they begin anew. -ENOMEM, -EIO: all
 * is as it was. g, of env's next configuration, is borrowed. There is a door.
 */
int door_renew(struct session_env *env, const struct conf_global *g)
	__attribute__((warn_unused_result));
struct penalties *door_penalties(struct door *d);
/* Of unauthenticated connections that one source has: the most. False: they are not counted. */
bool door_most(const struct door *d, uint32_t *ret);

int session_table_new(struct session_env *env, const struct session_link *link, uint16_t dataplane,
		      uint16_t shard, uint32_t places, struct session_table **ret)
	__attribute__((warn_unused_result));
/* The dataplane is gone: its sessions end without a word to it. */
void session_table_free(struct session_table *t);

/*
 * One checked message about a connection. -EBADMSG: it contradicts itself or what came
 * before, for which the caller detaches the dataplane.
 */
int session_table_event(struct session_table *t, const void *msg)
	__attribute__((warn_unused_result));
/* After a burst of events: acknowledges the ends among them, as soon as the audit log has them. */
void session_table_flush(struct session_table *t);
/* More of the audit log is safe. */
void session_audit_safe(struct session_env *env);
/*
 * Every grant of the shard's connections is over: rules may be others now, or who gave them was a
 * control before this one. What is open stays open; what is opened next is asked for.
 */
void session_table_revoke(struct session_table *t);
void session_tables_revoke(struct session_env *env); /* of every shard */
/* MaxConnections is what the configuration says now, as far as the shard has places. */
void session_table_limit(struct session_table *t);
void session_tables_limit(struct session_env *env);
/* What it can be: of the dataplane that has least; UINT32_MAX: none is attached. */
uint32_t session_conns_room(const struct session_env *env);
/* inside.c: the configuration is conf now; who is in counts for the networks it has. */
void inside_go_by(struct session_env *env, struct conf *conf);
/* Ends every connection with a DISCONNECT. */
void session_table_shutdown(struct session_table *t);

uint32_t session_table_count(const struct session_table *t);

/* Where a walk over all connections stands; zeroed at its beginning. */
struct session_cursor {
	uint16_t dataplane, shard;
	uint32_t index;
};

/* What is shown of a connection; views, gone with the next event. */
struct session_view {
	uint64_t uid; /* from the start of the dataplane, no two have one */
	uint16_t shard;
	const char *source;
	uint16_t port;
	const struct link_addr *source_addr, *local_addr;
	const char *user; /* bytes of a stranger's, NULL while nobody is authenticated */
	const char *key;  /* fingerprint; NULL: none let in, or it was not kept */
	uint64_t began_ms;
	uint32_t channels;
	bool ended;                      /* only its end is awaited */
	bool strict_kex;                 /* is in force; false as long as no exchange has begun */
	char text[CONF_ZONE_TEXT];       /* source, where nobody else holds it */
	char client[LINK_IDENT_MAX + 1]; /* its identification; "": not said yet */
	struct session *session;         /* for the functions below, until the next event */
};
void session_view(struct session *s, struct session_view *ret);

/*
 * The next connection. -EAGAIN: none among the next places that were looked at, as many as one
 * turn of the loop may; -ENOENT: there are no more. A walk may be interrupted: what comes or goes
 * meanwhile may be left out, nothing else.
 */
int session_next(const struct session_env *env, struct session_cursor *at, struct session_view *ret)
	__attribute__((warn_unused_result));

/* Behind the last place of a table: the next one's first. False: the numbers are used up. */
bool session_cursor_next_table(struct session_cursor *at);

/* What a connection forwards, each target once, and its listeners. */
struct tunnel_view {
	const char *host; /* as the client wrote it; bytes of a stranger's */
	uint16_t port;    /* 0: host is the path of a UNIX socket */
	uint32_t channels;
	bool listens;                      /* what comes in there reaches the client */
	const char *state;                 /* of a listener */
	const struct link_addr *listen_at; /* of a listener; family 0: everywhere */
	unsigned int n_listen_at;          /* of them; 0: it is no address */
};
void session_tunnels(const struct session *s, void (*each)(void *arg, const struct tunnel_view *t),
		     void *arg);
uint32_t session_listeners(const struct session *s);

/* One voice about where a login may go, in the order in which they decide. */
struct session_target {
	const char *by;   /* keyword, or "key" */
	const char *text; /* targets, as they are written there */
	bool allows;
};
/* -ENOMEM; -ECONNRESET: it is over. */
int session_targets(struct session *s, void (*each)(void *arg, const struct session_target *t),
		    void *arg) __attribute__((warn_unused_result));

/* A login, for who comes back to it. NULL: it is over. */
struct session *session_of_login(struct session_env *env, const struct session_login *login);

/*
 * steer.c: what an operator does. -ENOENT: it is over already, or not in yet where it has to be.
 * A reason is told to the client; NULL: that of the error.
 */
int session_disconnect(struct session *s, const char *reason) __attribute__((warn_unused_result));
int session_rekey(struct session *s) __attribute__((warn_unused_result));
void session_close_channel(struct session *s, uint64_t token, uint32_t local_channel);
/* Its messages, so many or for so long, to this descriptor, which stays the caller's. */
int session_trace(struct session *s, int fd, uint32_t messages, uint32_t time_ms)
	__attribute__((warn_unused_result));
/* Those at this port; their channels live on. How many there were. */
unsigned int session_close_listeners(struct session *s, uint16_t port);

#endif

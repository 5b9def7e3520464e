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

#include "conf/conf.h"
#include "control/auth/source.h"
#include "control/blob.h"
#include "control/pool.h"
#include "control/ref.h"
#include "control/resolve.h"
#include "control/session/connecting.h"
#include "control/session/keyset.h"
#include "control/signer.h"
#include "control/startups.h"
#include "control/timers.h"
#include "control/turns.h"
#include "link/msg.h"

#define LISTENER_CHAINS   1024 /* a power of two */
#define SESSION_TABLE_MAX (1u << 22) /* connections of one shard */

struct session_table;
struct dialer;
struct door;
struct penalties;
struct lapses;
struct listener;

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
	struct dialer *dialer; /* NULL: no channel leads to the gateway's own kernel */
	bool host_only;        /* there are no interfaces: the kernel leads everywhere */
	struct blob_key *blob_key;
	struct conf *conf;
	struct startups startups;
	struct door *door;           /* NULL: MaxStartups alone */
	struct helper *helper;       /* NULL: what needs it lets nobody in */
	struct auth_env sources;     /* login_begin() fills it in */
	uint8_t delay_key[16];       /* random: of the delay of failures */
	const char *ident;           /* our identification string */
	const struct link_addr *own; /* addresses of the gateway's interfaces */
	size_t n_own;
	uint64_t (*now_ms)(void);
	/* The sessions': */
	struct session_table *tables;
	struct session_stats stats;
	uint64_t last_serial, last_token;
	struct connecting connecting;
	struct listener *listeners; /* of all connections, */
	struct listener *listener_of[LISTENER_CHAINS]; /* by their tokens */
	uint32_t n_listeners; /* those that are not over */
	struct turns turns; /* first key exchanges that wait */
	unsigned int kex_running;
	struct lapses *lapses; /* NULL: nobody has anything to lose */
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

int session_table_new(struct session_env *env, const struct session_link *link, uint16_t dataplane,
		      uint16_t shard, uint32_t max_conns, struct session_table **ret)
	__attribute__((warn_unused_result));
/* The dataplane is gone: its sessions end without a word to it. */
void session_table_free(struct session_table *t);

/*
 * One checked message about a connection. -EBADMSG: it contradicts itself or what came
 * before, for which the caller detaches the dataplane.
 */
int session_table_event(struct session_table *t, const void *msg)
	__attribute__((warn_unused_result));
/* After a burst of events: acknowledges the audit records among them. */
void session_table_flush(struct session_table *t);
/*
 * Every grant of the shard's connections is over: rules may be others now, or who gave them was a
 * control before this one. What is open stays open; what is opened next is asked for.
 */
void session_table_revoke(struct session_table *t);
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
	const char *user; /* bytes of a stranger's, NULL while nobody is authenticated */
	uint64_t began_ms;
	uint32_t channels;
	bool strict_kex;           /* is in force; false as long as no exchange has begun */
	char text[CONF_ZONE_TEXT]; /* source, where nobody else holds it */
};

/*
 * The next connection. -EAGAIN: none among the next places that were looked at, as many as one
 * turn of the loop may; -ENOENT: there are no more. A walk may be interrupted: what comes or goes
 * meanwhile may be left out, nothing else.
 */
int session_next(const struct session_env *env, struct session_cursor *at, struct session_view *ret)
	__attribute__((warn_unused_result));

#endif

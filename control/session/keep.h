/*
 * control/session/keep.h - what of a connection that is logged in another control has to know: who
 * it is, what let it in allows, and what its next key exchange is bound to.
 *
 * It lies with the shard, sealed (control/blob.h), and as struct past where a connection rests.
 */
#ifndef SLUICE_CONTROL_SESSION_KEEP_H
#define SLUICE_CONTROL_SESSION_KEEP_H

#include "control/session/internal.h"

#define KEEP_VERSION    7
#define KEEP_GROUPS_MAX 256

/* Views; of one that was parsed, into what it was parsed from, but for lists, which are its own. */
struct keep {
	uint32_t identity;
	bool strict, no_more_sessions;
	uint64_t epoch;
	struct ssh_str session_id, peer_ident;
	struct ssh_str ident; /* ours, as the peer knows it; "": the configuration's */
	struct ssh_str user;
	struct ssh_str key_print; /* of who came in by one; "" */
	struct ssh_str marks;     /* as in struct awake; "": none */
	struct ssh_str peer_name;
	struct ssh_str rdomain; /* it came by; "": none */
	bool has_name, has_groups;
	size_t n_groups;
	struct ssh_str group[KEEP_GROUPS_MAX];
	uint64_t expires;
	struct ssh_str keys; /* blobs, each a string of RFC 4251 */
};

/* Of one that is awake, and logged in. -E2BIG: too many groups. */
int keep_of(const struct session *s, struct keep *ret) __attribute__((warn_unused_result));
/* What lies with its shard takes the place of what lay there. It is awake, and logged in. */
void keep_send(struct session *s);
/* Makes the session of a connection that was left so. -EBADMSG, -ENOMEM: as if nothing was. */
int keep_take(struct session *s, const struct link_conn_kept *ev)
	__attribute__((warn_unused_result));

/*
 * Half a key exchange: what the peer's keys will be lies with the shard, too, until they are; when
 * it comes back, the peer's NEWKEYS is answered with them. -EBADMSG, -ENOMEM.
 */
void keep_send_rx(struct session *s);
int keep_rx_keys(struct session *s, const uint8_t *sealed, size_t len)
	__attribute__((warn_unused_result));
/* Is this payload that NEWKEYS? Then it has been answered. */
bool keep_rx_use(struct session *s, const uint8_t *payload, size_t len);
void keep_rx_free(struct awake *a);

/* rest.c: takes its own reference of conf. NULL: no memory. */
struct past *past_new(const struct keep *k, struct conf *conf, struct lapse *lapse);

#endif

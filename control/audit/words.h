/*
 * control/audit/words.h - the ends of channels and connections, as their shards report them.
 *
 * Each is logged once, in one line; the shard keeps a record until it is acknowledged, so a
 * restarted control gets it again.
 */
#ifndef SLUICE_CONTROL_AUDIT_WORDS_H
#define SLUICE_CONTROL_AUDIT_WORDS_H

#include "control/log.h"
#include "link/msg.h"

/* Of whom; strings may be NULL where it is not known any more. */
struct audit_subject {
	enum log_level threshold;
	const char *user, *addr, *host;
	uint16_t port, target_port;
};

void audit_log_chan(const struct audit_subject *of, const struct link_chan_end *ev);
void audit_log_conn(const struct audit_subject *of, const struct link_conn_end *ev);

#endif

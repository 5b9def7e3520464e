/*
 * control/session/ours.h - channels that an operator, or a program of his, has us open towards a
 * client: any type, and what it says besides.
 *
 * Source  RFC 4254 section 5.1; docs/sluice-handler.5.
 *
 * The shard asks the client; when it has agreed the channel is a program's (handled_chan.h).
 */
#ifndef SLUICE_CONTROL_SESSION_OURS_H
#define SLUICE_CONTROL_SESSION_OURS_H

#include "control/session/session.h"
#include "ssh/wire.h"

#define OURS_RAW_MAX LINK_REST_MAX

struct handled_chan;

/* Of who asks; done and of_program are set by him, the rest is zeroed at its beginning. */
struct ours_ask {
	/*
	 * What became of it: err 0, and the number of the channel; -ECONNREFUSED: the client
	 * refused, with its reason (RFC 4254 section 5.1); -errno, -SSH_E_*.
	 */
	void (*done)(struct ours_ask *a, int err, uint32_t number);
	bool of_program;           /* a handler asks: such channels are no more than MaxSessions */
	struct handled_chan *ours; /* NULL: nothing is under way */
};

/*
 * type: of RFC 4250 section 4.6.1; handler: path of its program's socket; raw: what is particular to
 * the type. -ENOENT: it is over, or not in; -EUSERS: it has MaxChannelsPerConnection,
 * or a handler MaxSessions; -EINVAL;
 * -ENOMEM.
 */
int ours_begin(struct session *s, const char *type, const char *handler, struct ssh_str raw,
	       struct ours_ask *ask) __attribute__((warn_unused_result));
/* Nobody waits for it any more; it goes on. Harmless when nothing is under way. */
void ours_unask(struct ours_ask *a);
/* What became of it, if anybody waits. */
void ours_answer(struct handled_chan *u, int err, uint32_t number);

#endif

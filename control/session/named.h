/*
 * control/session/named.h - host keys that a program of the operator's has named by their files:
 * those of a keyset, beside the ones its signer began with.
 *
 * Each is there as long as a connection is shown it, which knows it by a mark of its
 * (CONF_MARK_HOST_FILE), and the signer keeps it as long. Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_NAMED_H
#define SLUICE_CONTROL_SESSION_NAMED_H

#include "control/session/internal.h"

struct named_key {
	struct named_key *next;
	struct host_file *file;
	struct key *pub;
	struct host_certs certs; /* X.509: forms of its chain */
	struct host_chain chain;
	char text[96]; /* its fingerprint */
	uint8_t print[32];
	uint32_t users; /* connections */
};

/*
 * One more connection is shown it; of marks it gets one, where it has none of it. The rest is
 * copied. -ENOMEM: as if nothing was.
 */
int named_take(struct session *s, struct earned *e, const struct host_file *file,
	       const struct key *pub, const struct host_chain *chain)
	__attribute__((warn_unused_result));
/* Those of a connection: the next behind *at, which begins as its marks. NULL: no more. */
struct named_key *named_next(const struct session *s, const char **at);
/* Which of its connection's it is; NULL: none of them. */
struct named_key *named_find(const struct session *s, const struct key *pub);
bool named_has(const struct keyset *set, const uint8_t print[32]); /* is anybody shown it? */
unsigned int named_count(const struct session *s);
/* It is shown none of them any more; of one that is not whole yet, by what would be its marks. */
void named_leave(struct session *s);
void named_leave_marks(struct session *s, const char *marks);

/*
 * What another control has to know of them, chains or not; and what it makes of that for one that
 * is about to have these marks. -EBADMSG, -ENOMEM: it has none of them, and no such mark.
 */
void named_build(const struct session *s, struct ssh_wr *w, bool chains);
int named_parse(struct session *s, struct ssh_str from, char *marks)
	__attribute__((warn_unused_result));

#endif

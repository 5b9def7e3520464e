/*
 * control/session/keyset.h - the host keys of now, and those that connections of before were shown.
 *
 * A connection keeps the keys it began with: a client is shown the same one in every exchange, or
 * it leaves (RFC 4253 has no word for a key that changes, and OpenSSH's clients disconnect). Keys
 * that are replaced sign for their connections as long as there is one, and where their signer has
 * died the same key of those of now does; new ones begin with the new. Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_KEYSET_H
#define SLUICE_CONTROL_SESSION_KEYSET_H

#include "control/hostcert.h"
#include "control/signer.h"

#define KEYSETS_MAX 8 /* of which connections live; more are not taken */

struct signer_remote;
struct named_key;

struct keyset {
	struct signer *signer; /* NULL: the place is free */
	struct host_certs certs;
	struct signer_remote *remote; /* its line; NULL: the keys are here */
	struct named_key *named;      /* that came later: session/named.h */
	uint32_t n_named;
	uint32_t users;
};

struct keysets {
	struct keyset set[KEYSETS_MAX];
	uint8_t now;
};

/* Where keys of the start stand; no other set is there yet. */
static inline struct keyset *keyset_now(struct keysets *k)
{
	return &k->set[k->now];
}

/*
 * These are the keys of now: takes all three. What nobody uses any more goes. -EBUSY: there are
 * KEYSETS_MAX with connections, and nothing is taken.
 */
int keyset_change(struct keysets *k, const struct keyset *next) __attribute__((warn_unused_result));
/* One more uses those of now; which. */
uint8_t keyset_hold(struct keysets *k);
void keyset_hold_more(struct keysets *k, uint8_t which);
/* One that did does no more. */
void keyset_release(struct keysets *k, uint8_t which);
/* Their lines, before the loop ends: nothing is signed any more. */
void keysets_hang_up(struct keysets *k);
/* named.c: those that came later, whose connections are gone. */
void named_fini(struct keyset *set);
/* All of them: at the end. */
void keysets_fini(struct keysets *k);

#endif

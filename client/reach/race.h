/*
 * client/reach/race.h - which address is tried when: both families, the first that answers wins.
 *
 * Source  RFC 8305 sections 3 to 5.
 *
 * The names of both families are asked for apart. IPv6 goes first: an answer of IPv4 alone waits
 * RACE_NAME_MS for the other. Then addresses of the families by turns, each RACE_STEP_MS after the
 * one before it, or at once when that one failed; all go on until one is there. Who wants it has
 * them begun with again, again_ms after the last one: what was sent while there was no way is
 * repeated ever more seldom, by TCP, and may not be for a long time once there is one.
 * No clock, no sockets: now comes in, what is to be done comes out.
 */
#ifndef SLUICE_CLIENT_REACH_RACE_H
#define SLUICE_CLIENT_REACH_RACE_H

#include <stdint.h>
#include <sys/socket.h>

#define RACE_NAME_MS   50
#define RACE_STEP_MS   250
#define RACE_ADDRS_MAX 16 /* of a family; more are left out */

enum race_family { RACE_V6, RACE_V4, RACE_FAMILIES };

struct race_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct race_list {
	enum race_asked { RACE_NOT_ASKED = 0, RACE_ASKED, RACE_ANSWERED } state;
	struct race_addr addr[RACE_ADDRS_MAX];
	unsigned int n, next;
	uint64_t answered_ms;
};

struct race {
	struct race_list list[RACE_FAMILIES];
	unsigned int under_way;
	int last;          /* family of the latest attempt; -1: none was */
	uint64_t start_ms; /* of it */
	uint64_t again_ms; /* 0: each address is tried once */
	int err;           /* why the first that failed did */
};

void race_init(struct race *r, uint64_t again_ms);
/* A family's name is being looked up. One that never is takes no part. */
void race_ask(struct race *r, enum race_family f);
/* What came of it: n addresses, none when there are none. */
void race_answer(struct race *r, enum race_family f, const struct race_addr *v, unsigned int n,
		 uint64_t now_ms);
/* An attempt has come to nothing, with -errno. */
void race_failed(struct race *r, int err);
/* Nobody waits for an attempt any more: there is a later one of its address. */
void race_dropped(struct race *r);

/*
 * The next address to be tried now: 0, with *ret valid as long as r. -EAGAIN: not now; look again
 * at *ret_due_ms (UINT64_MAX: when something happened). Else all have failed: why the first did,
 * -ENOENT when there was no address at all.
 */
int race_step(struct race *r, uint64_t now_ms, const struct race_addr **ret, uint64_t *ret_due_ms)
	__attribute__((warn_unused_result));

#endif

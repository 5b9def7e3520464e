/*
 * client/lib/stay.h - staying up: when to try again, how often, and when to let it be.
 *
 * The first try comes at once. After a break the wait is a random part of an interval, which
 * doubles with each try that fails, and then is waited for by half at least: those who were cut off
 * together do not come back together, and a server that is not there is not hammered. What was up
 * for less than an interval counts as a try that failed. Seconds a server asked for come before the
 * random part. Clock   the caller's, monotonic, in ms; nothing here waits. Memory  embedded,
 * nothing to free.
 */
#ifndef SLUICE_CLIENT_LIB_STAY_H
#define SLUICE_CLIENT_LIB_STAY_H

#include <stdbool.h>
#include <stdint.h>

#define STAY_HINT_MAX_S 3600 /* no server sends us away for longer */
#define STAY_LATER_MS   1000 /* it names a second, not a moment */

enum stay_mode {
	STAY_NEVER = 1,
	STAY_BREAK, /* once it was up */
	STAY_ALWAYS /* that it cannot be had at first does not end it, too */
};

struct stay_conf {
	enum stay_mode mode;
	uint32_t tries_max;                    /* after a break; 0: no end */
	uint64_t interval_ms, interval_max_ms; /* of 2 ms and more */
	uint64_t try_ms;                       /* one that takes longer has failed */
	/* Percent of an interval that is waited whatever is drawn; 0: as it says above. */
	uint32_t steady;
};

struct stay {
	struct stay_conf conf;
	enum { STAY_WAITING = 1, STAY_TRYING, STAY_UP, STAY_OVER } state;
	uint32_t tries; /* since it was up */
	bool was_up;
	uint64_t at_ms;    /* waiting: of the next try; trying: of its end */
	uint64_t since_ms; /* up */
	uint64_t away_ms;  /* the server does not want us before */
	uint64_t random;
};

/* A try that will be made. */
struct stay_attempt {
	uint32_t count;     /* from 1 */
	uint32_t remaining; /* after this one; UINT32_MAX: no end */
	uint64_t wait_ms;
};

enum stay_do { STAY_DO_NOTHING, STAY_DO_TRY, STAY_DO_GIVE_UP };

/* The first try is due. seed: any number that others do not have. */
void stay_init(struct stay *s, const struct stay_conf *conf, uint64_t seed, uint64_t now_ms);
/*
 * What is due: a try to begin, which then has stay_up() or stay_down() called; or one that has
 * taken too long, to be ended by the caller, who calls stay_down().
 */
enum stay_do stay_step(struct stay *s, uint64_t now_ms);
/* Until something is due; -1: nothing will be. */
int stay_timeout_ms(const struct stay *s, uint64_t now_ms);
/* The one that the latest try was waited for in. */
uint64_t stay_interval_ms(const struct stay *s);
void stay_up(struct stay *s, uint64_t now_ms);
/*
 * It broke, or the try failed. hint_s: how long the server wants us away, 0: it did not say. True,
 * and *ret: there will be another; false: it is over.
 */
bool stay_down(struct stay *s, uint32_t hint_s, uint64_t now_ms, struct stay_attempt *ret);
/*
 * The server was there, has no time for us now and says when it will: no try that failed. The next
 * one comes hint_s later, within STAY_LATER_MS; as stay_down() otherwise.
 */
bool stay_later(struct stay *s, uint32_t hint_s, uint64_t now_ms, struct stay_attempt *ret);
/* It is over, and was tried as often as it may be. */
bool stay_spent(const struct stay *s);
/*
 * There is a way again, perhaps: who waits for longer waits for a random part of one interval, but
 * not for less than the server asked for.
 */
void stay_soon(struct stay *s, uint64_t now_ms);
/* Somebody wants a try at once, also of what is over: the first of a new count. */
void stay_again(struct stay *s, uint64_t now_ms, struct stay_attempt *ret);
/* No more tries. */
void stay_cancel(struct stay *s);
/*
 * The epoch of a connection (PROTOCOL.md): larger than that of each before it, also of agents that
 * were started before this one. connection counts from 1.
 */
uint64_t stay_epoch(uint64_t started_s, uint32_t connection);

#endif

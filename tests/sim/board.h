/*
 * tests/sim/board.h - is the scoreboard of a connection what it says it is?
 *
 * Every list is walked and every count taken again: for tests, after each turn.
 */
#ifndef SLUICE_TESTS_SIM_BOARD_H
#define SLUICE_TESTS_SIM_BOARD_H

#include "dataplane/tcp/internal.h"

/* NULL: it is right. Else what is wrong. */
static inline const char *board_wrong(const struct tcp_conn *c)
{
	const struct tcp_board *b = c->board;
	uint32_t n = 0, queued = 0, sacked = 0, lost = 0, at = c->snd_una;
	const struct tcp_sent *prev = NULL;

	if (b == NULL)
		return c->snd_nxt == c->snd_una ? NULL : "in flight, and no board";
	for (const struct tcp_sent *s = b->all.head; s != NULL; prev = s, s = s->next, n++) {
		if (s->seq != at || !seq_lt(s->seq, s->end) || s->prev != prev)
			return "a gap between nodes";
		at = s->end;
		if (s->state == TCP_SENT_SACKED)
			sacked += s->end - s->seq;
		else if (s->state == TCP_SENT_LOST)
			lost += s->end - s->seq;
		queued += s->state != TCP_SENT_SACKED;
	}
	if (b->all.tail != prev || at != c->snd_nxt)
		return "nodes end elsewhere than SND.NXT";
	if (n != b->n || sacked != b->sacked || lost != b->lost_bytes)
		return "a count is wrong";
	prev = NULL;
	for (const struct tcp_sent *s = b->flight.head; s != NULL; prev = s, s = s->q_next) {
		if (s->state != TCP_SENT_FLIGHT || s->q_prev != prev || queued-- == 0)
			return "the list of what is in flight";
		if (prev != NULL && seq_lt(s->xmit_us, prev->xmit_us))
			return "what is in flight is not in order of time";
	}
	if (b->flight.tail != prev)
		return "the end of what is in flight";
	prev = NULL;
	for (const struct tcp_sent *s = b->lost.head; s != NULL; prev = s, s = s->q_next)
		if (s->state != TCP_SENT_LOST || s->q_prev != prev || queued-- == 0)
			return "the list of what is lost";
	if (b->lost.tail != prev || queued != 0)
		return "the end of what is lost";
	return NULL;
}

/* Every node and board is back. */
static inline bool boards_back(const struct tcp *t, uint32_t nodes)
{
	return t->sent_free == nodes;
}

#endif

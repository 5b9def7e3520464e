/*
 * control/errors.h - the latest refusals and errors, for who asks what went wrong.
 *
 * What control counts as a limit that held somebody off, and its log's lines at ERROR and FATAL.
 * One that repeats the latest of its kind adds to it: a flood leaves one entry.
 * Memory  ERRORS_MAX entries of fixed size; the oldest goes.
 * Thread  any.
 */
#ifndef SLUICE_CONTROL_ERRORS_H
#define SLUICE_CONTROL_ERRORS_H

#include <stdbool.h>
#include <stdint.h>

#define ERRORS_MAX      256
#define ERRORS_TEXT_MAX 240 /* what is longer is cut */

struct errors_entry {
	uint64_t id;    /* rising */
	int64_t unix_s; /* when it happened last */
	uint64_t times;
	int counter;                /* enum control_counter, -1: a line */
	char text[ERRORS_TEXT_MAX]; /* of a line */
};

void errors_note_counter(int counter);
void errors_note_line(const char *line); /* escaped already */
/* The oldest with an id above this. False: there is none. */
bool errors_next(uint64_t above, struct errors_entry *ret);

#endif

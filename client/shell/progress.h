/*
 * client/shell/progress.h - how far a file has come that goes to a command's standard input: a line
 * on the terminal, written over and over.
 */
#ifndef SLUICE_CLIENT_SHELL_PROGRESS_H
#define SLUICE_CLIENT_SHELL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_MS       500           /* between two lines */
#define PROGRESS_FILE_MIN (1024 * 1024) /* bytes; of less there is nothing to see */
#define PROGRESS_TEXT_MAX 100

struct progress {
	bool on, ended;
	uint64_t total, begun_ms, shown_ms;
};

/* in is a file of some size and err a terminal: then it is on. */
void progress_begin(struct progress *p, int in, int err, uint64_t now_ms);
/* bytes have gone; shown when it is time, and once at the end. */
void progress_at(struct progress *p, uint64_t bytes, uint64_t now_ms);
/* The line. Returns buf. */
const char *progress_text(uint64_t bytes, uint64_t total, uint64_t ms, char buf[PROGRESS_TEXT_MAX]);

#endif

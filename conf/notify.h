/*
 * conf/notify.h - what a program tells the service manager that started it: sd_notify(3).
 *
 * The protocol is datagrams of KEY=VALUE lines to the socket $NOTIFY_SOCKET names; its own manual
 * asks who needs no more to speak it without libsystemd, which brings four compressors along.
 * Nobody waits: what the socket does not take at once is lost, as a late beat is.
 * Errors   none: without a manager, or with one that is gone, nothing is said.
 * Thread   any, one at a time.
 */
#ifndef SLUICE_CONF_NOTIFY_H
#define SLUICE_CONF_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;               /* -1: nobody asked */
	uint64_t watchdog_ms; /* it wants a beat within this time; 0: it does not */
};

/*
 * Before privileges are given up: a process without them may not connect. Takes the variables out
 * of the environment, so that no child speaks for us.
 */
void notify_open(struct notify *ret);
void notify_close(struct notify *n);

/* Serving. text is for who asks for the status. */
void notify_ready(const struct notify *n, const char *text);
/* The configuration is read again, until notify_ready(). */
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n);
/* What is under way takes so long at most. */
void notify_extend(const struct notify *n, uint64_t us);
/* All is well; at least twice in watchdog_ms. */
void notify_beat(const struct notify *n);

#endif

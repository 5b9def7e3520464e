/*
 * dataplane/log.h - lines for an operator on stderr: start, end, attach and detach. Nothing that a
 * packet can cause is logged; it is counted.
 */
#ifndef SLUICE_DATAPLANE_LOG_H
#define SLUICE_DATAPLANE_LOG_H

/* "sluice-dataplane[pid]: " and the line's end are added. */
void dp_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

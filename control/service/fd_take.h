/*
 * control/service/fd_take.h - one descriptor that comes with a byte: a socket of the next control's.
 *
 * Source  unix(7), SCM_RIGHTS.
 */
#ifndef SLUICE_CONTROL_SERVICE_FD_TAKE_H
#define SLUICE_CONTROL_SERVICE_FD_TAKE_H

/* The caller's, closed on exec. Never waits. -EAGAIN: none came; -EPIPE: none will; -errno. */
int fd_take(int from) __attribute__((warn_unused_result));

#endif

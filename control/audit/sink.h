/*
 * control/audit/sink.h - where the audit log goes: a file, a pipe, or a collector's UNIX socket.
 *
 * Thread  the log's own: all of it may wait.
 */
#ifndef SLUICE_CONTROL_AUDIT_SINK_H
#define SLUICE_CONTROL_AUDIT_SINK_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#define AUDIT_UNIX     "unix:" /* before the path of a socket */
#define SINK_FILE_MODE 0640

struct sink {
	const char *where; /* PATH or unix:PATH, borrowed */
	int fd;            /* -1: closed */
	bool socket, regular;
};

/*
 * Appends to what is there, made if it is missing; a line somebody did not finish is ended. 0 or
 * -errno, and then it is closed.
 */
int sink_open(struct sink *s) __attribute__((warn_unused_result));
void sink_close(struct sink *s);
/* How many bytes, or -errno; -EAGAIN: a pipe or socket that nobody has read for wait_ms. */
ssize_t sink_write(const struct sink *s, const struct iovec *iov, int n, int wait_ms)
	__attribute__((warn_unused_result));
/*
 * What was written is where it belongs: on the disk of a file; read by whoever reads the socket. 0
 * or -errno; -EAGAIN: not within wait_ms.
 */
int sink_sync(const struct sink *s, int wait_ms) __attribute__((warn_unused_result));

#endif

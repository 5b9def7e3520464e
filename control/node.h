/*
 * control/node.h - UNIX sockets of the gateway by their paths, for who is asked to go there by a
 * client: what was judged is what is used, whatever stands at the path later, and Sluice's own
 * sockets are nobody's.
 */
#ifndef SLUICE_CONTROL_NODE_H
#define SLUICE_CONTROL_NODE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NODE_PATH_MAX 1024

/* The folder as it is really called, with a slash behind it; the caller's. -errno. */
int node_own(const char *dir, char **ret) __attribute__((warn_unused_result));
/*
 * A socket to connect to (O_PATH). -errno; -ECONNREFUSED: it is something else; -EACCES also: it
 * lies in our own folder, by whatever links.
 */
int node_open(const char *path, const char *own) __attribute__((warn_unused_result));
/* Where connect() finds it. */
socklen_t node_sockaddr(int node, struct sockaddr_un *ret);
/*
 * Listens there, by umask(2) as it is: a socket of the caller's. One of his own that nobody listens
 * at any more gives way; unlink: so does any. -EADDRINUSE, -EACCES as above, -errno.
 */
int node_listen(const char *path, const char *own, bool unlink) __attribute__((warn_unused_result));

#endif

/*
 * client/known/file.h - files of known hosts: read whole, changed under a lock, never half.
 *
 * Whoever changes one has its lock (flock(2)); a line is added by one write, which is taken back
 * when it does not fit; what is changed otherwise gets another file's place (crypto/keyfile.h).
 * Another program that knows no lock may lose what it replaces meanwhile, and nothing else.
 */
#ifndef SLUICE_CLIENT_KNOWN_FILE_H
#define SLUICE_CLIENT_KNOWN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "crypto/knownline.h"

#define KNOWN_LOCK_MS 5000 /* for others to be done */

/* All of it, to be freed, and a NUL behind it. -EFBIG, and what open(2) and read(2) say. */
int known_file_read(const char *path, char **ret, size_t *ret_len)
	__attribute__((warn_unused_result));

/*
 * Locked until it is closed. make: to add lines; made (0600, its folder 0700) where there is none.
 * -EBUSY: others are not done.
 */
int known_file_lock(const char *path, bool make, int *ret_fd) __attribute__((warn_unused_result));
/* A line without its end. The lock is held. */
int known_file_append(int fd, const char *line) __attribute__((warn_unused_result));

/* The next line from *at on, without its end. False: there is none. */
bool known_file_line(const char *text, size_t len, size_t *at, const char **ret, size_t *ret_len);

#endif

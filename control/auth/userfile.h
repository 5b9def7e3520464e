/*
 * control/auth/userfile.h - reads a file that decides who gets in.
 *
 * Blocks: runs on the pool for files, never on the loop.
 */
#ifndef SLUICE_CONTROL_AUTH_USERFILE_H
#define SLUICE_CONTROL_AUTH_USERFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USERFILE_PATH_MAX 4096

struct userfile_rules {
	bool strict;      /* StrictModes: owner and modes of the file and of every folder above */
	uid_t owner;      /* who may own it besides root and ourselves; (uid_t)-1: nobody else */
	const char *home; /* folders are checked up to here when the file is below it; or NULL */
	mode_t deny;      /* of the file's mode; S_IWGRP | S_IWOTH at least when strict */
};

/*
 * The whole file, NUL-terminated, wiped and freed with userfile_free(). -ENOENT: there is none;
 * -EACCES: modes, with why filled in; -EFBIG, -EINVAL: not a plain file.
 */
int userfile_read(const char *path, const struct userfile_rules *rules, size_t max, char **ret,
		  size_t *ret_len, char *why, size_t why_size) __attribute__((warn_unused_result));
void userfile_free(char *text, size_t len);

#endif

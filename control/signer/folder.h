/*
 * control/signer/folder.h - HostKeyFolder: files below some folders, and no others, for a process
 * that has given up root.
 *
 * Who opens them is a child that stays who we were, begun before any key is read: it is told the
 * number of a folder and a path below it and answers with a descriptor. A path leads out of its
 * folder neither by ".." nor by a link (openat2(2)), and a file is a plain one that its owner alone
 * can read, which control's user is not.
 * Thread  key_folders_open() any; it waits FOLDER_MS at most.
 */
#ifndef SLUICE_CONTROL_SIGNER_FOLDER_H
#define SLUICE_CONTROL_SIGNER_FOLDER_H

#include <sys/types.h>

#include "conf/conf.h"

#define FOLDER_MS 5000

struct key_folders;

/*
 * Before there are threads. control: as whom control runs, whose files are not opened; the
 * caller's own user: there is no such difference. *ret_bad: the folder that cannot be opened.
 */
int key_folders_new(const struct conf_strs *dirs, uid_t control, struct key_folders **ret,
		    const char **ret_bad) __attribute__((warn_unused_result));
void key_folders_free(struct key_folders *f); /* NULL is fine; the child ends */

/*
 * A full path. -EXDEV: below none of them; -ELOOP: by a link; -EINVAL: no plain file; -EACCES:
 * others may read it; -EPERM: control may; -ETIMEDOUT; -EPIPE: the child is gone; openat2(2)'s.
 */
int key_folders_open(struct key_folders *f, const char *path, int *ret_fd)
	__attribute__((warn_unused_result));

#endif

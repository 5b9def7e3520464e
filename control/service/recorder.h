/*
 * control/service/recorder.h - a recorder: what comes by a tee is written to a file, until it ends.
 *
 * A process of its own for each recorded session, with two descriptors and nothing else: control
 * and the helper may be started again meanwhile.
 */
#ifndef SLUICE_CONTROL_SERVICE_RECORDER_H
#define SLUICE_CONTROL_SERVICE_RECORDER_H

#include <stdbool.h>

#include "control/service/cast.h"

struct recorder {
	int tee;  /* link/tee.h; read until its end */
	int file; /* empty, and nobody else writes it */
	/* What cannot be written ends it, and so the tee: the session, if that is strict. Else it
	 * is left out, and a marker says so. */
	bool strict;
	uint64_t max_bytes;   /* of the file; 0: no limit */
	unsigned int reserve; /* percent of its file system that stay free */
	struct cast_about about;
	/* how it went */
	uint64_t bytes; /* of the file */
	uint64_t looked; /* up to where it may grow before the disk is looked at again */
	uint64_t lost;  /* of the session, here or before */
	bool whole;     /* the tee has said its end */
};

/* Is there so much room in the file system of a descriptor? 0; -ENOSPC; -errno. */
int recorder_room(int fd, unsigned int reserve) __attribute__((warn_unused_result));
/*
 * Does the folder hold less than so many bytes and so many files, 0: whatever it holds? Until the
 * descriptor is closed nobody else is told so, for two seconds. 0; -EDQUOT; -errno.
 */
int recorder_folder_room(int dir, uint64_t bytes, uint32_t files)
	__attribute__((warn_unused_result));
/* 0: the tee is at its end; or -errno why a strict one ends before; -EBADMSG. */
int recorder_run(struct recorder *r) __attribute__((warn_unused_result));

#endif

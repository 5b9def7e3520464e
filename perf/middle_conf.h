/*
 * perf/middle_conf.h - the options of perf/middle.
 */
#ifndef SLUICE_PERF_MIDDLE_CONF_H
#define SLUICE_PERF_MIDDLE_CONF_H

#include <stdio.h>

#include "perf/path.h"

#define MIDDLE_WAYS  2  /* 0: from the first end to the second */
#define MIDDLE_WORDS 64 /* of one line of options */

struct middle_conf {
	struct path_conf way[MIDDLE_WAYS];
	double life_s;
	bool right; /* checksums of corrupted packets are made right */
};

void middle_conf_init(struct middle_conf *c);
/* Words up to NULL, by twos; what they do not name stays. False: not understood. */
bool middle_conf_parse(char **argv, struct middle_conf *c);
void middle_conf_usage(FILE *f);

#endif

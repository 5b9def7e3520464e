/*
 * control/rlimits.h - what of the system's control may have at once.
 *
 * At start, while root may still raise it; what is little is said.
 */
#ifndef SLUICE_CONTROL_RLIMITS_H
#define SLUICE_CONTROL_RLIMITS_H

#include "conf/conf.h"

/* Secrets are locked in memory. */
void rlimits_memory(void);
/* Opens on their way to the kernel's targets and sessions have descriptors. */
void rlimits_files(const struct conf *conf);

#endif

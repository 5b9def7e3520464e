/*
 * link/files.h - how many descriptors this process may have.
 */
#ifndef SLUICE_LINK_FILES_H
#define SLUICE_LINK_FILES_H

#include <stdint.h>

/* All that the system lets it have, without asking for more than it was given: how many. */
uint64_t link_files_raise(void);

#endif

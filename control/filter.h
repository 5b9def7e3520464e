/*
 * control/filter.h - the system calls control never makes again once it serves.
 */
#ifndef SLUICE_CONTROL_FILTER_H
#define SLUICE_CONTROL_FILTER_H

/* Leak detection of a sanitizer traces its own process at the end; only there is it let. */
#ifdef __SANITIZE_ADDRESS__
#define FILTER_TRACED 1
#else
#define FILTER_TRACED 0
#endif

/*
 * For good, and for the threads started from here on: no program is started, no other process
 * touched, nobody's identity taken. Needs no_new_privs. 0 or -errno.
 */
int filter_load(void) __attribute__((warn_unused_result));

#endif
